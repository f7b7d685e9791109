"""A second implementation of ferry's protocol, that can lie.

Written from ferry-protocol(7) alone, over plain connections, with Python's
standard library.  Every field of every message has an honest default and can
be given any other value; so have the header's fields.  message() builds a
frame, Link sends and takes them, Sender and Receiver behave well as long as
they are not told otherwise.
"""
import binascii
import hashlib
import itertools
import os
import socket
import struct
import threading
import time
import zlib

CHUNK = 1 << 20
UNKNOWN = 2**64 - 1
MAGIC = b"FERRY\r\n\0"
CRC32, SHA256 = 3, 2
DIGESTS = {SHA256: lambda b: hashlib.sha256(b).digest(),
           CRC32: lambda b: struct.pack(">I", zlib.crc32(b))}
NOW = 1700000000

# ---- layouts ---------------------------------------------------------------
# A field is a name, its bytes (0: all that is left), and its default.  A
# default may be worked out from the fields that were given.


def length_of(name):
    return lambda v: len(v[name])


def digest_of(name):
    return lambda v: DIGESTS[v["digest_id"]](v[name])


def body_so_far(_):
    """The digest of all that stands before it: fill() knows that."""


META = [("mode", 4, 0o644), ("sec", 8, NOW), ("nsec", 4, 0)]
PACKED = [("id", 8, 1), ("items", 4, 1), ("raw_len", 4, length_of("payload")),
          ("table_len", 4, length_of("table")), ("codec", 1, 0),
          ("zero", 3, 0), ("digest", "D", digest_of("table")),
          ("payload", 0, b"")]
LAYOUTS = {
    "HELLO": (1, [("magic", 8, MAGIC), ("version", 2, 1),
                  ("digest_id", 1, SHA256), ("hello_flags", 1, 0),
                  ("streams", 2, 1), ("zero", 2, 0), ("features", 4, 0),
                  ("session", 16, lambda v: os.urandom(16))]),
    "JOIN": (2, [("magic", 8, MAGIC), ("version", 2, 1), ("index", 2, 1),
                 ("token", 16, bytes(16))]),
    "OPEN": (3, [("id", 8, 1), ("size", 8, 0),
                 ("allocated", 8, lambda v: 0)] + META +
             [("name_len", 2, length_of("name")),
              ("name", "name_len", b"file"), ("digest", "D", body_so_far)]),
    "CHUNK": (4, [("id", 8, 1), ("offset", 8, 0),
                  ("raw_len", 4, lambda v: len(v.get("raw", v["payload"]))),
                  ("codec", 1, 0), ("zero", 3, 0),
                  ("digest", "D", lambda v: DIGESTS[v["digest_id"]](
                      v.get("raw", v["payload"]))),
                  ("payload", 0, b"")]),
    "HOLE": (5, [("id", 8, 1), ("offset", 8, 0), ("length", 8, CHUNK)]),
    "FILE_END": (6, [("id", 8, 1), ("size", 8, 0),
                     ("digest", "D", lambda v: DIGESTS[v["digest_id"]](b""))]),
    "FILE_ABORT": (7, [("id", 8, 1), ("cause", 2, 14)]),
    "PACK": (8, PACKED),
    "STREAM_END": (9, []),
    "FINISH": (10, [("files", 8, 0), ("bytes", 8, 0), ("sum", 16, 0)]),
    "FLUSH": (11, []),
    "CHECK": (12, [("id", 8, 1), ("offset", 8, 0), ("chunks", 4, 1),
                   ("kind", 1, 1), ("zero", 3, 0), ("digests", 0, bytes(32))]),
    "OFFER": (13, PACKED),
    "READY": (16, [("version", 2, 1), ("streams", 2, 16), ("features", 4, 0),
                   ("open_files", 4, 64), ("token", 16, bytes(16))]),
    "STATE": (17, [("id", 8, 1), ("state", 1, 1), ("zero", 3, 0),
                   ("count", 4, lambda v: len(v["runs"]) // 16),
                   ("runs", 0, b"")]),
    "VERDICT": (18, [("id", 8, 1), ("items", 4, 1), ("status", 1, 1),
                     ("zero", 1, 0), ("cause", 2, 0), ("need", 8, 0),
                     ("have", 8, 0)]),
    "RESEND": (19, [("id", 8, 1), ("offset", 8, 0)]),
    "NOTE": (20, [("cause", 2, 4), ("kind", 1, 2), ("zero", 1, 0),
                  ("name_len", 2, length_of("name")), ("name", 0, b"dir")]),
    "SUMMARY": (21, [("files", 8, 0), ("bytes", 8, 0), ("sum", 16, 0),
                     ("notes", 8, 0)]),
    "CHECKED": (22, [("id", 8, 1), ("offset", 8, 0), ("chunks", 4, 1),
                     ("zero", 4, 0), ("bits", 8, 0)]),
    "OFFERED": (23, [("id", 8, 1), ("items", 4, 1), ("zero", 4, 0),
                     ("wanted", 0, b"\1")]),
    "PING": (30, []),
    "ERROR": (31, [("code", 2, 2), ("text_len", 2, length_of("text")),
                   ("text", 0, b"evil")]),
}
NAMES = {number: name for name, (number, _) in LAYOUTS.items()}
# Bytes before the digest, behind which the payload begins.
FIXED = {"CHUNK": 24, "PACK": 24, "OFFER": 24}
ROW = {1: [("size", 4, 0), ("digest", "D", None)], 2: [],
       3: [("target_len", 2, length_of("target")), ("target", 0, b"target")]}


def put(value, size):
    """Bytes are taken as they are, a number is cut to the field."""
    if isinstance(value, bytes):
        return value
    return (value % (1 << 8 * size)).to_bytes(size, "big")


def fill(fields, values):
    """The fields in a row.  Whatever a default is worked out from is there
    first: fields without a function."""
    values = dict(values)
    values.setdefault("digest_id", SHA256)
    values.setdefault("table", b"")
    for name, _, default in fields:
        if not callable(default):
            values.setdefault(name, default)
    for name, _, default in fields:
        if callable(default) and name not in values:
            values[name] = default(values)
    body = b""
    for name, size, default in fields:
        if default is body_so_far and values[name] is None:
            values[name] = DIGESTS[values["digest_id"]](body)
        body += put(values[name], 16 if size == "D" else size)
    return body


HEADER = 12


def header(kind, length, fields=b"", flags=0, check=0, body_check=0):
    """check and body_check: bits of them that are wrong."""
    others = struct.pack(">BBI", kind, flags, length)
    return struct.pack(">BBHII", kind, flags,
                       check ^ binascii.crc_hqx(others, 0xffff), length,
                       body_check ^ zlib.crc32(fields))


def message(kind, /, tail=b"", frame=None, **values):
    """A frame.  tail: bytes left over; frame: fields of the header that lie
    (kind, length, flags, check, body_check)."""
    number, fields = LAYOUTS[kind]
    body = fill(fields, values) + tail
    payload = len(values.get("payload", b"")) + len(tail) \
        if kind in ("CHUNK", "PACK", "OFFER") else 0
    lies = {"kind": number, "length": len(body),
            "fields": body[:len(body) - payload]}
    lies.update(frame or {})
    return header(**lies) + body


def row(kind=1, content=b"", digest_id=SHA256, **values):
    """A row of a pack's table."""
    values.setdefault("name", b"item")
    values["digest_id"] = digest_id
    if kind == 1:
        values.setdefault("size", len(content))
        values.setdefault("digest", DIGESTS[digest_id](content))
    fields = ([("kind", 1, kind)] + META +
              [("name_len", 2, length_of("name")), ("name", 0, b"")] +
              ROW.get(kind, []))
    return fill(fields, values)


def pack(rows, content=b"", kind="PACK", **values):
    table = b"".join(rows)
    values.setdefault("items", len(rows))
    values.setdefault("table", table)
    values.setdefault("payload", table + content)
    return message(kind, **values)


def runs(*pairs):
    return b"".join(struct.pack(">QQ", *pair) for pair in pairs)


POISON = ()  # bytes that stand for memory that nobody has written to


def check_poison(data):
    """A few in a row are no accident; more, where much is random."""
    for byte in POISON:
        if bytes([byte]) * (4 if len(data) < 4096 else 8) in data:
            raise ValueError(f"memory was said: {byte:#x}")


class Closed(Exception):
    """The other side is gone."""


def parse(number, body, digest_size=32):
    """A message as a dictionary; what is left is the field of size 0."""
    name = NAMES[number]
    out = {"message": name}
    for field, size, default in LAYOUTS[name][1]:
        size = digest_size if size == "D" else out.get(size, size)
        size = len(body) if size == 0 else size
        part, body = body[:size], body[size:]
        if len(part) != size:
            raise ValueError(f"{name} is too short")
        is_text = isinstance(default, bytes) or field in ("digest", "session")
        out[field] = part if is_text else int.from_bytes(part, "big")
        if field == "zero" and out[field]:
            raise ValueError(f"{name} has reserved bits set")
    if body:
        raise ValueError(f"{name} has bytes left over")
    return out


# ---- digests ---------------------------------------------------------------


def file_digest(data, digest_id=SHA256):
    h = DIGESTS[digest_id]
    leaves = [h(data[i:i + CHUNK]) for i in range(0, max(len(data), 1), CHUNK)]
    if len(leaves) == 1:
        return leaves[0]
    ranges = [h(b"".join(leaves[i:i + 64])) for i in range(0, len(leaves), 64)]
    return h(b"".join(ranges) + struct.pack(">Q", len(data)))


SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c")
P1, P2, P4 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x85EBCA77C2B2AE63
M64 = 2**64 - 1


def xxh3_128(data):
    """XXH3 with 128 bits, for the 17 to 64 bytes that sums are made of."""
    word = lambda b, i: int.from_bytes(b[i:i + 8], "little")

    def mix16(i, key):
        n = ((word(data, i) ^ word(SECRET, key)) *
             (word(data, i + 8) ^ word(SECRET, key + 8)))
        return (n & M64) ^ n >> 64

    def mix32(low, high, i, j, key):
        low = (low + mix16(i, key) & M64) ^ (
            word(data, j) + word(data, j + 8) & M64)
        high = (high + mix16(j, key + 16) & M64) ^ (
            word(data, i) + word(data, i + 8) & M64)
        return low, high

    def avalanche(h):
        h = (h ^ h >> 37) * 0x165667919E3779F9 & M64
        return h ^ h >> 32

    n = len(data)
    assert 16 < n <= 64
    low, high = n * P1 & M64, 0
    if n > 32:
        low, high = mix32(low, high, 16, n - 32, 32)
    low, high = mix32(low, high, 0, n - 16, 0)
    first = avalanche(low + high & M64)
    second = -avalanche(low * P1 + high * P4 + n * P2 & M64) & M64
    return second << 64 | first


def sum_of(files):
    """files: (id, size, digest)."""
    return sum(xxh3_128(struct.pack(">QQ", i, n) + d)
               for i, n, d in files) % 2**128


# ---- connections -----------------------------------------------------------


class Link:
    """Frames over a connection, one at a time; it may be cut at any time."""

    def __init__(self, sock, timeout):
        self.sock = sock
        self.digest_size = 32
        sock.settimeout(timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, *frames):
        try:
            self.sock.sendall(b"".join(frames))
        except socket.timeout:
            raise
        except OSError as e:
            raise Closed from e

    def take(self, n):
        data = b""
        while len(data) < n:
            try:
                part = self.sock.recv(n - len(data))
            except socket.timeout:
                raise
            except OSError as e:
                raise Closed from e
            if not part:
                raise Closed
            data += part
        check_poison(data)
        return data

    def recv(self):
        end = time.monotonic() + self.sock.gettimeout()
        while True:
            if time.monotonic() > end:  # PINGs alone are no answer
                raise socket.timeout
            got = self.take(HEADER)
            number, n = struct.unpack(">BxxxIxxxx", got)
            body = self.take(n)
            fields = body[:FIXED[NAMES.get(number)] + self.digest_size] \
                if NAMES.get(number) in FIXED else body
            assert number in NAMES and got == header(number, n, fields), \
                "header"
            if NAMES[number] != "PING":
                return parse(number, body, self.digest_size)

    def until(self, *kinds):
        """The next of these messages; all others are passed over."""
        while True:
            m = self.recv()
            if m["message"] in kinds:
                return m
            if m["message"] == "ERROR":
                raise Closed(m)

    def rest(self):
        """All that comes until the other side closes."""
        out = []
        try:
            while True:
                out.append(self.recv())
                if out[-1]["message"] == "SUMMARY":
                    self.half_close()
        except Closed:
            return out

    def replies(self, *kinds):
        """All that comes up to one of these, or to the end."""
        out = []
        try:
            while not out or out[-1]["message"] not in kinds:
                out.append(self.recv())
        except Closed:
            pass
        return out

    def half_close(self):
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.sock.close()


class Sender(Link):
    """The first stream of a session with a receiver, up to READY."""

    def __init__(self, port, timeout=10, hello=True, **values):
        super().__init__(socket.create_connection(("127.0.0.1", port)),
                         timeout)
        self.port = port
        self.values = values
        self.digest_id = values.get("digest_id", SHA256)
        self.good = []
        if hello:
            self.send(message("HELLO", **values))
            self.ready = self.until("READY")
            self.digest_size = len(DIGESTS[self.digest_id](b""))

    def join(self, index=1, token=None, **values):
        """Another stream; whether it is taken is for the caller to see."""
        other = Sender(self.port, self.sock.gettimeout(), hello=False)
        if token is None:
            token = put(self.ready["token"], 16)
        other.send(message("JOIN", index=index, token=token, **values))
        return other

    def put_file(self, ident, name, data, **values):
        """A whole file in chunks, without waiting for STATE."""
        d = self.digest_id
        self.send(message("OPEN", id=ident, name=name, size=len(data),
                          **values))
        for i in range(0, max(len(data), 1), CHUNK):
            self.send(message("CHUNK", id=ident, offset=i, digest_id=d,
                              payload=data[i:i + CHUNK]))
        self.send(message("FILE_END", id=ident, size=len(data),
                          digest=file_digest(data, d)))
        self.good.append((ident, len(data), file_digest(data, d)))

    def put_pack(self, ident, files):
        d = self.digest_id
        self.send(pack([row(1, data, d, name=name) for name, data in files],
                       b"".join(data for _, data in files), id=ident,
                       digest_id=d))
        for i, (_, data) in enumerate(files):
            self.good.append((ident + i, len(data), DIGESTS[d](data)))

    def finish(self, **lies):
        values = {"files": len(self.good), "sum": sum_of(self.good),
                  "bytes": sum(n for _, n, _ in self.good)}
        values.update(lies)
        self.send(message("FINISH", **values))

    def verdicts(self, count):
        """Of so many items: a dictionary from id to status."""
        out = {}
        while len(out) < count:
            m = self.until("VERDICT")
            for i in range(m["id"], m["id"] + m["items"]):
                out[i] = m["status"]
        return out


class Receiver:
    """A receiver that commits nothing and lies where it is told to.

    lies: a function for a type of message that came, "HELLO" and so on: it is
    given the stream and the message and returns whether the honest answer is
    to be left out.
    """

    def __init__(self, lies=None, limit=64 << 20, ready=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lies = lies or {}
        self.limit = limit
        self.ready = ready or {}
        self.lock = threading.RLock()
        self.sizes, self.seen, self.good, self.errors = {}, [], [], []
        self.offered = 0
        self.links = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        for n in itertools.count():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            link = Link(sock, 20)
            link.index = n
            self.links.append(link)
            threading.Thread(target=self.stream, args=(link,),
                             daemon=True).start()

    def stream(self, link):
        got = 0
        try:
            while got < self.limit:
                m = link.recv()
                got += len(m.get("payload", b""))
                with self.lock:
                    self.take(link, m)
        except (Closed, OSError):
            pass
        except (AssertionError, ValueError, KeyError) as e:
            self.errors.append(f"{type(e).__name__}: {e}")
        link.close()

    def take(self, link, m):
        self.seen.append(m["message"])
        lie = self.lies.get(m["message"])
        if lie and lie(self, link, m):
            return
        answer = getattr(self, m["message"], None)
        if answer:
            answer(link, m)

    def HELLO(self, link, m):
        link.digest_size = {1: 16, 2: 32, 3: 4}[m["digest_id"]]
        self.digest_size = link.digest_size
        link.send(message("READY", **self.ready))

    def JOIN(self, link, m):
        link.digest_size = self.digest_size
        link.send(message("READY", **self.ready))

    def OPEN(self, link, m):
        self.sizes[m["id"]] = m["size"]
        link.send(message("STATE", id=m["id"]))

    def FILE_END(self, link, m):
        self.good.append((m["id"], m["size"], m["digest"]))
        link.send(message("VERDICT", id=m["id"]))

    def rows(self, m):
        codec = {0: lambda b: b, 1: zlib.decompress}[m["codec"]]
        table = codec(m["payload"])[:m["table_len"]]
        ident = m["id"]
        while table:
            kind, n = table[0], int.from_bytes(table[17:19], "big")
            table = table[19 + n:]
            if kind == 1:
                size = int.from_bytes(table[:4], "big")
                digest = table[4:4 + self.digest_size]
                table = table[4 + self.digest_size:]
                yield ident, kind, size, digest
            else:
                if kind == 3:
                    table = table[2 + int.from_bytes(table[:2], "big"):]
                yield ident, kind, 0, b""
            ident += 1

    def PACK(self, link, m):
        for ident, kind, size, digest in self.rows(m):
            if kind == 1:
                self.good.append((ident, size, digest))
        link.send(message("VERDICT", id=m["id"], items=m["items"]))

    def OFFER(self, link, m):
        wanted = 0
        for ident, kind, _, _ in self.rows(m):
            if kind == 1:
                wanted |= 1 << ident - m["id"]
            else:
                link.send(message("VERDICT", id=ident))
        n = (m["items"] + 7) // 8
        link.send(message("OFFERED", id=m["id"], items=m["items"],
                          wanted=wanted.to_bytes(n, "little")))

    def CHECK(self, link, m):
        link.send(message("CHECKED", id=m["id"], offset=m["offset"],
                          chunks=m["chunks"], bits=2**m["chunks"] - 1))

    def FINISH(self, link, m):
        link.send(message("SUMMARY", files=len(self.good),
                          bytes=sum(n for _, n, _ in self.good),
                          sum=sum_of(self.good)))

    def close(self):
        self.listener.close()
        for link in self.links:
            link.half_close()
