#!/usr/bin/env python3
"""A complete sender or receiver that knows only some features of the protocol.

small_peer.py receive DIR FEATURES     listen on a free port (printed) and put
                                       what comes below DIR
small_peer.py send PORT SRC FEATURES   send the directory SRC

FEATURES is the mask of the bits that it knows (ferry-protocol(7)); whatever
else the other side uses is a failure.  The last line of the output is a JSON
object that says what was used; the exit status is 1 if anything was wrong.
"""
import collections
import json
import os
import stat
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                ".."))
sys.dont_write_bytecode = True
from lib.peer import Receiver, Sender  # noqa: E402
from lib.wire import (CHUNK, DEFERRED, DIGESTS, DIRECTORY,  # noqa: E402
                      FILE, HOLES, MORE, OFFERS, RESUME, SAME, SHA256, SYMLINK,
                      TIMEOUTS, expand, file_digest, message, pack, root, row,
                      rows)

NEEDS = {"HOLE": HOLES, "OFFER": OFFERS | SAME, "OFFERED": OFFERS | SAME,
         "CHECK": RESUME | SAME, "CHECKED": RESUME | SAME,
         "TIMEOUT": TIMEOUTS}
COMMITTED, UNCHANGED = 1, 2
HELD = 5                  # the status of a deferred symlink
RESUMED = 3               # the state of a file that is there in part
SMALL = 128 << 10         # files up to this size go in packs
PACK_ITEMS, PACK_BYTES = 100, 512 << 10


class Used:
    """What a session used, and whether it was allowed to."""

    def __init__(self):
        self.granted = 0
        self.counts = collections.Counter()
        self.codecs = set()
        self.errors = []
        self.text = None

    def add(self, m):
        kind = m["message"]
        self.counts[kind] += 1
        needs = NEEDS.get(kind, 0)
        if kind == "STATE" and m["state"] == RESUMED:
            self.counts["resumed"] += 1
            needs = RESUME | SAME
        if kind == "VERDICT" and m["status"] == HELD:
            self.counts["deferred"] += m["items"]
            needs = DEFERRED
        if "codec" in m:
            self.codecs.add(m["codec"])
            needs |= 1 << m["codec"] - 1 if m["codec"] else 0
        if needs & ~self.granted:
            self.errors.append(f"{kind} was not granted")
        if kind == "ERROR":
            self.text = m["text"].decode()

    def report(self):
        print(json.dumps({"granted": self.granted, "errors": self.errors,
                          "codecs": sorted(self.codecs), "text": self.text,
                          **self.counts}))
        sys.exit(1 if self.errors else 0)


# ---- the receiver ----------------------------------------------------------


class Store(Receiver):
    """Keeps what it is sent.  A file that is there with the same content is
    unchanged; any other one is replaced."""

    def __init__(self, top, features):
        self.top, self.features = os.fsencode(top), features
        self.used = Used()
        self.open, self.dirs = {}, []
        self.digest = DIGESTS[SHA256]
        self.over = threading.Event()
        super().__init__(limit=1 << 30)

    def take(self, channel, m):
        self.used.add(m)
        super().take(channel, m)
        if m["message"] in ("FINISH", "ERROR"):
            self.over.set()

    def stream(self, channel):
        super().stream(channel)
        if channel.index == 0:
            self.over.set()

    def HELLO(self, channel, m):
        self.digest = DIGESTS[m["digest_id"]]
        self.used.granted = m["features"] & self.features
        self.ready = {"features": self.used.granted}
        super().HELLO(channel, m)

    def path(self, name):
        path = os.path.join(self.top, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def put(self, m, data):
        """The status of a file with this content."""
        path = self.path(m["name"])
        status = COMMITTED
        if os.path.isfile(path):
            with open(path, "rb") as file:
                if file.read() == data:
                    status = UNCHANGED
        if status == COMMITTED:
            with open(path, "wb") as file:
                file.write(data)
            self.stamp(path, m)
        return status

    @staticmethod
    def stamp(path, m):
        os.chmod(path, m["mode"] & 0o777)
        os.utime(path, ns=(0, m["sec"] * 10**9 + m["nsec"]))

    def OPEN(self, channel, m):
        self.open[m["id"]] = {**m, "leaves": {}}
        super().OPEN(channel, m)

    def CHUNK(self, _, m):
        raw = expand(m)
        if len(raw) != m["raw_len"] or self.digest(raw) != m["digest"]:
            raise ValueError("a chunk is damaged")
        self.open[m["id"]]["leaves"][m["offset"]] = raw

    def HOLE(self, _, m):
        for off in range(m["offset"], m["offset"] + m["length"], CHUNK):
            self.open[m["id"]]["leaves"][off] = bytes(CHUNK)

    def FILE_END(self, channel, m):
        """All chunks have come where there is one stream."""
        f = self.open.pop(m["id"])
        leaves = [f["leaves"][off] for off in sorted(f["leaves"])]
        data = b"".join(leaves)
        if len(data) != m["size"] or root(
                [self.digest(leaf) for leaf in leaves], len(data),
                self.digest) != m["digest"]:
            raise ValueError(f"{f['name']!r} is not what was sent")
        self.good.append((m["id"], m["size"], m["digest"]))
        channel.send(message("VERDICT", id=m["id"],
                             status=self.put(f, data)))

    def PACK(self, channel, m):
        for item in rows(m, self.digest_size):
            status = COMMITTED
            path = self.path(item["name"])
            if item["kind"] == FILE:
                if self.digest(item["content"]) != item["digest"]:
                    raise ValueError("the content of a pack is damaged")
                status = self.put(item, item["content"])
                self.good.append((item["id"], item["size"], item["digest"]))
            elif item["kind"] == DIRECTORY:
                os.makedirs(path, exist_ok=True)
                self.dirs.append((path, item))
            else:
                if os.path.islink(path):
                    os.unlink(path)
                os.symlink(item["target"], path)
                os.utime(path, follow_symlinks=False,
                         ns=(0, item["sec"] * 10**9 + item["nsec"]))
            channel.send(message("VERDICT", id=item["id"], status=status))

    def FINISH(self, channel, m):
        for path, item in reversed(self.dirs):
            self.stamp(path, item)
        super().FINISH(channel, m)


def receive(top, features):
    store = Store(top, features)
    print(store.port, flush=True)
    if not store.over.wait(60):
        store.errors.append("no end within 60 s")
    store.used.errors += store.errors
    store.used.report()


# ---- the sender ------------------------------------------------------------


class Walker(Sender):
    """Sends a tree by one stream."""

    def __init__(self, port, features):
        # a later release's: a word of features that are not known, and more
        tail = b"\xff" * 9 if features & MORE else b""
        super().__init__(port, 30, features=features, tail=tail)
        self.used = Used()
        self.used.granted = self.ready["features"]
        if self.used.granted & ~features:
            self.used.errors.append("more was granted than asked for")
        self.next_id, self.files = 1, {}
        self.waiting, self.held = set(), set()  # ids without a verdict
        self.rows, self.content, self.row_files = [], b"", []
        self.states, self.checked = {}, {}

    def reply(self):
        m = self.recv()
        self.used.add(m)
        if m["message"] == "STATE":
            self.states[m["id"]] = m
        elif m["message"] == "CHECKED":
            self.checked[m["offset"]] = m["bits"]
        elif m["message"] == "VERDICT":
            for ident in range(m["id"], m["id"] + m["items"]):
                if m["status"] in (COMMITTED, UNCHANGED) and \
                        ident in self.files:
                    self.good.append((ident, *self.files[ident]))
                self.used.counts["unchanged"] += m["status"] == UNCHANGED
                if m["status"] == HELD:
                    self.held.add(ident)
                else:
                    self.held.discard(ident)
                self.waiting.discard(ident)
        elif m["message"] in ("ERROR", "NOTE", "RESEND"):
            self.used.errors.append(f"{m}")
            self.used.report()

    def give_id(self):
        self.waiting.add(self.next_id)
        self.next_id += 1
        return self.next_id - 1

    def flush(self):
        """Send the pack that was put together."""
        if not self.rows:
            return
        first = self.next_id
        for sized in self.row_files:
            ident = self.give_id()
            if sized:
                self.files[ident] = sized
        self.send(pack(self.rows, self.content, id=first))
        self.rows, self.content, self.row_files = [], b"", []

    def put(self, path, name):
        st = os.lstat(path)
        meta = {"name": name, "mode": stat.S_IMODE(st.st_mode),
                "sec": st.st_mtime_ns // 10**9,
                "nsec": st.st_mtime_ns % 10**9}
        if stat.S_ISDIR(st.st_mode):
            self.rows.append(row(DIRECTORY, **meta))
            self.row_files.append(None)
        elif stat.S_ISLNK(st.st_mode):
            self.rows.append(row(SYMLINK, target=os.readlink(path), **meta))
            self.row_files.append(None)
        else:
            with open(path, "rb") as file:
                data = file.read()
            if len(data) > SMALL:
                self.put_large(data, st, meta)
                return
            self.rows.append(row(FILE, data, **meta))
            self.row_files.append((len(data), file_digest(data)))
            self.content += data
        if len(self.rows) == PACK_ITEMS or len(self.content) > PACK_BYTES:
            self.flush()

    def put_large(self, data, st, meta):
        ident = self.give_id()
        self.files[ident] = len(data), file_digest(data)
        self.send(message("OPEN", id=ident, size=len(data),
                          allocated=st.st_blocks * 512, **meta))
        while ident not in self.states:
            self.reply()
        state = self.states[ident]
        if state["state"] == 2:
            return
        claimed = self.check(ident, data, state["runs"])
        for off in range(0, len(data), CHUNK):
            if off not in claimed:
                self.send(message("CHUNK", id=ident, offset=off,
                                  payload=data[off:off + CHUNK]))
        self.send(message("FILE_END", id=ident, size=len(data),
                          digest=file_digest(data)))

    def check(self, ident, data, claims):
        """The offsets of the chunks that are there already."""
        there = set()
        for i in range(0, len(claims), 16):
            first = int.from_bytes(claims[i:i + 8], "big")
            count = int.from_bytes(claims[i + 8:i + 16], "big")
            for leaf in range(first, first + count):
                off = leaf * CHUNK
                self.send(message("CHECK", id=ident, offset=off,
                                  digests=file_digest(data[off:off + CHUNK])))
                while off not in self.checked:
                    self.reply()
                if not self.checked.pop(off):
                    there.add(off)
        return there

    def end(self):
        self.flush()
        self.send(message("FLUSH"))
        while self.waiting:
            self.reply()
        self.finish()
        while not self.used.counts["SUMMARY"]:
            self.reply()
        if self.held:
            self.used.errors.append("a symlink without its last verdict")
        self.half_close()


def send(port, source, features):
    w = Walker(port, features)
    source = os.fsencode(source.rstrip("/"))
    base = os.path.dirname(source)
    w.put(source, os.path.basename(source))
    for here, dirs, names in os.walk(source):
        for name in sorted(dirs + names):
            path = os.path.join(here, name)
            w.put(path, os.path.relpath(path, base or b"."))
    w.end()
    w.used.report()


def main():
    role, where, *rest = sys.argv[1:]
    if role == "receive":
        receive(where, int(rest[0], 0))
    else:
        send(int(where), rest[0], int(rest[1], 0))


main()
