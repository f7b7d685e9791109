#!/usr/bin/env python3
"""Decode a recorded plain session of one stream.

decode_session.py PREFIX SRC

Checks every frame of PREFIX.sent and PREFIX.replies against ferry-protocol(7),
rebuilds the files and compares them with the tree SRC.

It shares nothing with the C code, so the manual page stays enough for a second
implementation.  Digests are recomputed for sha256 and crc32.  Prints how many
frames of each type there were.
"""
import os
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))
from lib import wire  # noqa: E402 (needs the path)
from lib.wire import CHUNK, DIRECTORY, FILE, SYMLINK  # noqa: E402

HELD = 5


def need(condition, text):
    if not condition:
        sys.exit(f"decode_session.py: {text}")


def check_name(name):
    parts = name.split(b"/")
    need(0 < len(name) <= 4095 and b"\0" not in name and len(parts) <= 128 and
         all(p not in (b"", b".", b"..") and len(p) <= 255 for p in parts),
         f"name {name!r}")


def meta(m):
    need(m["mode"] <= 0o7777 and m["nsec"] < 10**9, "META")
    seconds = m["sec"] - (m["sec"] >> 63 << 64)
    return m["mode"], seconds * 10**9 + m["nsec"]


def expand(m):
    raw = wire.expand(m)
    need(len(raw) == m["raw_len"] and len(m["payload"]) <= len(raw),
         "raw length")
    return raw


class Decoder:
    def __init__(self):
        self.files, self.open, self.ids, self.metas = {}, {}, {}, {}
        self.next_id = 1
        self.size = self.hash = self.finish = None
        self.features = 0
        self.counts = {}

    def give_ids(self, first, count):
        need(first == self.next_id, f"id {first}, not {self.next_id}")
        self.next_id += count

    def digest(self, data, want):
        need(self.hash is None or self.hash(data) == want, "digest")

    def HELLO(self, m):
        need(m["magic"] == wire.MAGIC, "HELLO")
        need(m["version"] == wire.VERSION, "HELLO")
        self.size = wire.DIGEST_SIZE[m["digest_id"]]
        self.hash = wire.DIGESTS.get(m["digest_id"])
        need(m["hello_flags"] <= 1 <= m["streams"], "HELLO")
        self.features = m["features"]

    def OPEN(self, m):
        self.give_ids(m["id"], 1)
        check_name(m["name"])
        self.digest(wire.message("OPEN", **{**m, "digest": b""})[wire.HEADER:],
                    m["digest"])
        self.open[m["id"]] = [m["name"], m["size"], {}]
        self.metas[m["name"]] = meta(m)

    def CHUNK(self, m):
        raw = expand(m)
        need(m["offset"] % CHUNK == 0 and len(raw) <= CHUNK, "CHUNK place")
        self.digest(raw, m["digest"])
        self.open[m["id"]][2][m["offset"]] = raw

    def HOLE(self, m):
        off, n = m["offset"], m["length"]
        need(off % CHUNK == 0 and n % CHUNK == 0 and n, "HOLE")
        for i in range(off, off + n, CHUNK):
            self.open[m["id"]][2][i] = bytes(CHUNK)

    def FILE_END(self, m):
        name, announced, chunks = self.open.pop(m["id"])
        need(announced in (m["size"], wire.UNKNOWN), "FILE_END size")
        data = b"".join(chunks[o] for o in sorted(chunks))
        need(len(data) == m["size"], "FILE_END before all chunks")
        need(self.hash is None or m["digest"] == wire.root(
            wire.leaves(data, self.hash), len(data), self.hash),
             "file digest")
        self.files[name] = data

    def PACK(self, m):
        need(0 < m["items"] <= 1024 and m["table_len"] <= m["raw_len"], "PACK")
        self.give_ids(m["id"], m["items"])
        self.digest(expand(m)[:m["table_len"]], m["digest"])
        for item in wire.rows(m, self.size):
            name = item["name"]
            check_name(name)
            self.metas[name] = meta(item)
            if item["kind"] == FILE:
                self.digest(item["content"], item["digest"])
                self.files[name] = item["content"]
            elif item["kind"] == SYMLINK:
                self.files[name] = ("symlink", item["target"])
            else:
                need(item["kind"] == DIRECTORY, "kind")
                self.files[name] = "directory"

    def FINISH(self, m):
        regular = [d for d in self.files.values() if isinstance(d, bytes)]
        need(m["files"] == len(regular), "FINISH files")
        need(m["bytes"] == sum(map(len, regular)), "FINISH bytes")
        self.finish = m["files"], m["bytes"], m["sum"]

    def READY(self, m):
        need(m["version"] == wire.VERSION and 1 <= m["streams"] <= 16, "READY")
        need(m["open_files"] >= 1, "READY open files")
        need(not m["features"] & ~self.features, "READY features")

    def STATE(self, m):
        need(m["state"] in (1, 2), "STATE")
        need(m["count"] == 0 and not m["runs"], "STATE runs")

    def VERDICT(self, m):
        status, first = m["status"], m["id"]
        need(m["items"] >= 1 and 1 <= status <= 5 and
             (status == 4) == (m["cause"] > 0), "VERDICT")
        for i in range(first, first + m["items"]):
            need(0 < i < self.next_id and
                 (self.ids.get(i) == HELD) == (i in self.ids), f"verdict {i}")
            self.ids[i] = status

    def SUMMARY(self, m):
        need((m["files"], m["bytes"], m["sum"]) == self.finish and
             m["notes"] == 0, "SUMMARY")

    def PING(self, _):
        """Any time."""

    def TIMEOUT(self, m):
        need(m["milliseconds"] >= 1, "TIMEOUT")

    def PROGRESS(self, _):
        """Any time."""

    FLUSH = PING

    def decode(self, path, first, last):
        with open(path, "rb") as f:
            data = f.read()
        order = []
        for m in wire.frames(data, lambda: self.size):
            name = m["message"]
            order.append(name)
            need(hasattr(self, name), f"{name} out of turn")
            getattr(self, name)(m)
        order = [n for n in order if n not in ("PING", "TIMEOUT", "PROGRESS")]
        need(order[0] == first and order[-1] == last, f"order {order[:9]}")
        for name in order:
            self.counts[name] = self.counts.get(name, 0) + 1


def compare(d, source):
    found = 0
    for top, dirs, names in os.walk(os.fsencode(source)):
        for name in dirs + names:
            path = os.path.join(top, name)
            rel = os.path.relpath(path, os.path.dirname(os.fsencode(source)))
            st = os.lstat(path)
            need(rel in d.files, f"{rel!r} is missing")
            need(d.metas[rel][1] == st.st_mtime_ns, f"{rel!r}: mtime")
            found += 1
            if os.path.islink(path):
                need(d.files[rel] == ("symlink", os.readlink(path)), "symlink")
            elif os.path.isfile(path):
                need(d.metas[rel][0] == st.st_mode & 0o7777, "mode")
                with open(path, "rb") as f:
                    need(f.read() == d.files[rel], f"{rel!r}: content")
    need(found + 1 == len(d.files) == len(d.ids), "items")
    need(HELD not in d.ids.values(), "a symlink without a verdict")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    prefix, source = sys.argv[1], sys.argv[2]
    d = Decoder()
    try:
        d.decode(prefix + ".sent", "HELLO", "FINISH")
        d.decode(prefix + ".replies", "READY", "SUMMARY")
    except (KeyError, AttributeError, TypeError, ValueError, zlib.error) as e:
        sys.exit(f"decode_session.py: {type(e).__name__}: {e}")
    need(not d.open, "files left open")
    compare(d, source)
    print(" ".join(f"{k}={v}" for k, v in sorted(d.counts.items())))


main()
