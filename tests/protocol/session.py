#!/usr/bin/env python3
"""Record a plain session of one stream, or decode a recording.

session.py record PORT PREFIX   listen on a free port (printed), pass one
                                connection on to PORT, keep what went each way
                                in PREFIX.sender and PREFIX.receiver
session.py decode PREFIX SRC    check every frame against ferry-protocol(7) and
                                compare the files rebuilt with the tree SRC

Written from ferry-protocol(7), not from the C code, so that the page stays
enough for a second implementation.  Digests are recomputed for sha256 and
crc32.
"""
import binascii
import hashlib
import os
import socket
import struct
import sys
import threading
import zlib

CHUNK = 1 << 20
TYPES = {1: "HELLO", 2: "JOIN", 3: "OPEN", 4: "CHUNK", 5: "HOLE",
         6: "FILE_END", 7: "FILE_ABORT", 8: "PACK", 9: "STREAM_END",
         10: "FINISH", 11: "FLUSH", 12: "CHECK", 13: "OFFER", 16: "READY", 17: "STATE", 18: "VERDICT",
         19: "RESEND", 20: "NOTE", 21: "SUMMARY", 30: "PING", 31: "ERROR"}
DIGESTS = {1: (16, None), 2: (32, lambda b: hashlib.sha256(b).digest()),
           3: (4, lambda b: struct.pack(">I", zlib.crc32(b)))}


def need(condition, text):
    if not condition:
        sys.exit(f"session.py: {text}")


def record(port, prefix):
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    left, _ = listener.accept()
    right = socket.create_connection(("127.0.0.1", port))

    def copy(source, sink, name):
        with open(name, "wb") as log:
            while data := source.recv(65536):
                log.write(data)
                sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

    way = threading.Thread(target=copy,
                           args=(right, left, prefix + ".receiver"))
    way.start()
    copy(left, right, prefix + ".sender")
    way.join()


class Body:
    def __init__(self, name, data):
        self.name, self.data = name, data

    def take(self, n):
        need(n <= len(self.data), f"{self.name}: too short")
        part, self.data = self.data[:n], self.data[n:]
        return part

    def u(self, n):
        return int.from_bytes(self.take(n), "big")

    def zero(self, n):
        need(self.u(n) == 0, f"{self.name}: reserved field")

    def end(self):
        need(not self.data, f"{self.name}: bytes left over")


def frames(path, decoder):
    with open(path, "rb") as f:
        data = f.read()
    while data:
        need(len(data) >= 12, "cut in a header")
        kind, flags, check, n, body_check = struct.unpack(">BBHII", data[:12])
        need(kind in TYPES and not flags, "bad header")
        need(check == binascii.crc_hqx(data[:2] + data[4:8], 0xffff),
             "bad check of a header")
        need(len(data) >= 12 + n, "cut in a body")
        body = data[12:12 + n]
        fields = body[:24 + decoder.size] if kind in (4, 8, 13) else body
        need(body_check == zlib.crc32(fields), "bad check of a body")
        yield Body(TYPES[kind], body)
        data = data[12 + n:]


def check_name(name):
    parts = name.split(b"/")
    need(0 < len(name) <= 4095 and b"\0" not in name and len(parts) <= 128 and
         all(p not in (b"", b".", b"..") and len(p) <= 255 for p in parts),
         f"name {name!r}")


def meta(body):
    mode, sec, nsec = struct.unpack(">IqI", body.take(16))
    need(mode <= 0o7777 and nsec < 10**9, "META")
    return mode, sec * 10**9 + nsec


def expand(codec, payload, raw_len):
    need(codec in (0, 1), "this decoder knows codecs 0 and 1")
    raw = payload if codec == 0 else zlib.decompress(payload)
    need(len(raw) == raw_len and len(payload) <= raw_len, "raw length")
    return raw


class Decoder:
    def __init__(self):
        self.files, self.open, self.ids, self.metas = {}, {}, {}, {}
        self.next_id = 1
        self.counts = {}

    def give_ids(self, first, count):
        need(first == self.next_id, f"id {first}, not {self.next_id}")
        self.next_id += count

    def digest(self, data, want):
        need(self.hash is None or self.hash(data) == want, "digest")

    def file_digest(self, data):
        leaves = [self.hash(data[i:i + CHUNK])
                  for i in range(0, max(len(data), 1), CHUNK)]
        if len(leaves) == 1:
            return leaves[0]
        ranges = [self.hash(b"".join(leaves[i:i + 64]))
                  for i in range(0, len(leaves), 64)]
        return self.hash(b"".join(ranges) + struct.pack(">Q", len(data)))

    def HELLO(self, b):
        need(b.take(8) == b"FERRY\r\n\0" and b.u(2) == 1, "HELLO")
        self.size, self.hash = DIGESTS[b.u(1)]
        need(b.u(1) <= 1 and b.u(2) >= 1, "HELLO")
        b.zero(2)
        b.take(4 + 16)

    def OPEN(self, b):
        before = b.data[:-self.size]
        ident, size = b.u(8), b.u(8)
        b.u(8)
        self.give_ids(ident, 1)
        m = meta(b)
        name = b.take(b.u(2))
        check_name(name)
        self.digest(before, b.take(self.size))
        b.end()
        self.open[ident] = [name, size, {}]
        self.metas[name] = m

    def CHUNK(self, b):
        ident, off, raw_len, codec = b.u(8), b.u(8), b.u(4), b.u(1)
        b.zero(3)
        want = b.take(self.size)
        raw = expand(codec, b.take(len(b.data)), raw_len)
        need(off % CHUNK == 0 and raw_len <= CHUNK, "CHUNK place")
        self.digest(raw, want)
        self.open[ident][2][off] = raw

    def HOLE(self, b):
        ident, off, n = b.u(8), b.u(8), b.u(8)
        need(off % CHUNK == 0 and n % CHUNK == 0 and n, "HOLE")
        for i in range(off, off + n, CHUNK):
            self.open[ident][2][i] = bytes(CHUNK)

    def FILE_END(self, b):
        ident, size, want = b.u(8), b.u(8), b.take(self.size)
        name, announced, chunks = self.open.pop(ident)
        need(announced in (size, 2**64 - 1), "FILE_END size")
        data = b"".join(chunks[o] for o in sorted(chunks))
        need(len(data) == size, "FILE_END before all chunks")
        need(self.hash is None or self.file_digest(data) == want,
             "file digest")
        self.files[name] = data

    def PACK(self, b):
        first, count, raw_len, table_len, codec = (
            b.u(8), b.u(4), b.u(4), b.u(4), b.u(1))
        b.zero(3)
        want = b.take(self.size)
        raw = expand(codec, b.take(len(b.data)), raw_len)
        need(0 < count <= 1024 and table_len <= raw_len, "PACK")
        self.give_ids(first, count)
        self.digest(raw[:table_len], want)
        table, content = Body("table", raw[:table_len]), raw[table_len:]
        for _ in range(count):
            kind, m = table.u(1), meta(table)
            name = table.take(table.u(2))
            check_name(name)
            self.metas[name] = m
            if kind == 1:
                n, want = table.u(4), table.take(self.size)
                data, content = content[:n], content[n:]
                need(len(data) == n, "PACK content")
                self.digest(data, want)
                self.files[name] = data
            elif kind == 3:
                self.files[name] = ("link", table.take(table.u(2)))
            else:
                need(kind == 2, "kind")
                self.files[name] = "directory"
        table.end()
        need(not content, "PACK content left over")

    def FINISH(self, b):
        files, size, _ = b.u(8), b.u(8), b.take(16)
        regular = [d for d in self.files.values() if isinstance(d, bytes)]
        need(files == len(regular), "FINISH files")
        need(size == sum(map(len, regular)), "FINISH bytes")
        self.finish = (files, size)

    def READY(self, b):
        need(b.u(2) == 1 and 1 <= b.u(2) <= 16, "READY")
        b.u(4)
        need(b.u(4) >= 1, "READY open files")
        b.take(16)

    def STATE(self, b):
        b.u(8)
        need(b.u(1) in (1, 2), "STATE")
        b.zero(3)
        need(b.u(4) == 0, "STATE runs")

    def VERDICT(self, b):
        first, count, status = b.u(8), b.u(4), b.u(1)
        b.zero(1)
        cause = b.u(2)
        b.take(16)
        need(count >= 1 and 1 <= status <= 5 and (status == 4) == (cause > 0),
             "VERDICT")
        for i in range(first, first + count):
            need(0 < i < self.next_id and
                 (self.ids.get(i) == 5) == (i in self.ids), f"verdict {i}")
            self.ids[i] = status

    def SUMMARY(self, b):
        files, size, _ = b.u(8), b.u(8), b.take(16)
        need((files, size) == self.finish and b.u(8) == 0, "SUMMARY")

    def decode(self, path, first, last):
        order = []
        for b in frames(path, self):
            order.append(b.name)
            handler = getattr(self, b.name, None)
            if handler:
                handler(b)
            else:
                need(b.name in ("PING", "FLUSH"), f"{b.name} out of turn")
            b.end()
        order = [n for n in order if n != "PING"]
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
                need(d.files[rel] == ("link", os.readlink(path)), "link")
            elif os.path.isfile(path):
                need(d.metas[rel][0] == st.st_mode & 0o7777, "mode")
                with open(path, "rb") as f:
                    need(f.read() == d.files[rel], f"{rel!r}: content")
    need(found + 1 == len(d.files) == len(d.ids), "items")
    need(5 not in d.ids.values(), "a link without a verdict")


def main():
    if sys.argv[1] == "record":
        record(int(sys.argv[2]), sys.argv[3])
        return
    d = Decoder()
    try:
        d.decode(sys.argv[2] + ".sender", "HELLO", "FINISH")
        d.decode(sys.argv[2] + ".receiver", "READY", "SUMMARY")
    except (KeyError, AttributeError, TypeError, zlib.error) as e:
        sys.exit(f"session.py: {type(e).__name__}: {e}")
    need(not d.open, "files left open")
    compare(d, sys.argv[3])
    print(" ".join(f"{k}={v}" for k, v in sorted(d.counts.items())))


main()
