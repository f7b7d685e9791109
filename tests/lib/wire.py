"""The frames of ferry-protocol(7): layouts, encoding, decoding, digests.

Written from the manual page alone, with Python's standard library.  Every
field of every message has an honest default and can be given any other value;
so can the fields of a frame's header.
"""
import binascii
import hashlib
import os
import struct
import zlib

CHUNK = 1 << 20
UNKNOWN = 2**64 - 1
MAGIC = b"FERRY\r\n\0"
XXH3, SHA256, CRC32 = 1, 2, 3
DIGEST_SIZE = {XXH3: 16, SHA256: 32, CRC32: 4}
# XXH3 is not in the standard library: no session of these tests uses it.
DIGESTS = {SHA256: lambda b: hashlib.sha256(b).digest(),
           CRC32: lambda b: struct.pack(">I", zlib.crc32(b))}
FILE, DIRECTORY, SYMLINK, LINK, SPECIAL = 1, 2, 3, 4, 5  # kinds of rows
NOW = 1700000000
# Bits of HELLO and READY.
LISTS, UPDATED = 1 << 28, 1 << 29
DRY_RUN = 1 << 31  # with LISTS: nothing is changed
LIST_META = 1 << 20  # only with LISTS and PRESERVE
(ZLIB, ZSTD, SPARSE, HOLES, OFFERS, RESUME, DEFERRED, RIVALS, NOT_KEPT, SAME,
 BUSY, RECONNECT, TIMEOUTS, REPORTS) = (
     1 << n for n in (0, 1, 2, 8, 9, 10, 11, 12, 17, 18, 19, 23, 24, 27))
FEATURES = (ZLIB | ZSTD | SPARSE | HOLES | OFFERS | RESUME | DEFERRED | RIVALS
            | NOT_KEPT | SAME | BUSY | TIMEOUTS | UPDATED)
# What is kept beside mode and time, and the bits of preserve in READY.
PRESERVE, ARCHIVE = 1 << 13, 1 << 14
OWNER, SETID, ACL, XATTR, CAPABILITY, TRUSTED = (1 << n for n in range(6))
HARDLINKS, SPECIALS = 1 << 6, 1 << 7
DIRECT = 1 << 22  # only by ssh
MORE = 1 << 7  # a second word of features at the end of HELLO
UNSENT = 1 << 21  # NOTE from the sender: what was not sent
# What a sender's user asks for; with EXISTING, which policy (1 to 6).
LINKS, EXISTING, DELETES = 1 << 15, 1 << 16, 1 << 30
POLICIES = ("fail", "skip", "replace", "newer", "rename", "backup")
# A peer that offers these has to answer SIGNATURE, or expect it.
RECIPE, DELTA, PIECES = (1 << n for n in (3, 25, 26))
DELTAS = RECIPE | DELTA | PIECES

# ---- layouts ---------------------------------------------------------------
# A field is a name, its size in bytes, and its default.  The size may be "D"
# (that of a digest), the name of an earlier field that holds it, or 0 for all
# that is left.  A default may be a function of the fields that were given.


def length_of(name):
    return lambda v: len(v[name])


def digest_of(name):
    return lambda v: DIGESTS[v["digest_id"]](v[name])


def body_so_far(_):
    """The digest of all that precedes it: fill() computes it."""


META = [("mode", 4, 0o644), ("sec", 8, NOW), ("nsec", 4, 0)]
PACKED = [("id", 8, 1), ("items", 4, 1), ("raw_len", 4, length_of("payload")),
          ("table_len", 4, length_of("table")), ("codec", 1, 0),
          ("zero", 3, 0), ("digest", "D", digest_of("table")),
          ("payload", 0, b"")]
VERSION = 2  # of the protocol
LAYOUTS = {
    "HELLO": (1, [("magic", 8, MAGIC), ("version", 2, VERSION),
                  ("digest_id", 1, SHA256), ("hello_flags", 1, 0),
                  ("streams", 2, 1), ("existing", 1, 0), ("zero", 1, 0),
                  ("features", 4, FEATURES),
                  ("session", 16, lambda v: os.urandom(16))]),
    "JOIN": (2, [("magic", 8, MAGIC), ("version", 2, VERSION), ("index", 2, 1),
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
    "COMPARE": (14, [("id", 8, 1), ("offset", 8, 0), ("count", 4, 1),
                     ("kind", 1, 1), ("bits", 1, 0), ("stride", 2, 0),
                     ("leaves", 0, b"")]),
    "LIST": (15, [("id", 8, 1), ("items", 4, 1),
                  ("raw_len", 4, length_of("table")), ("codec", 1, 0),
                  ("zero", 3, 0),
                  ("digest", "D", digest_of("table")), ("payload", 0, b"")]),
    "READY": (16, [("version", 2, VERSION), ("streams", 2, 16),
                   ("features", 4, FEATURES), ("open_files", 4, 64),
                   ("token", 16, bytes(16))]),
    "STATE": (17, [("id", 8, 1), ("state", 1, 1),
                   ("checked_by", 1, lambda v: SHA256 if v["state"] == 3
                    else 0), ("zero", 2, 0),
                   ("count", 4, lambda v: len(v["runs"]) // 16),
                   ("runs", 0, b"")]),
    "VERDICT": (18, [("id", 8, 1), ("items", 4, 1), ("status", 1, 1),
                     ("not_kept", 1, 0), ("cause", 2, 0), ("need", 8, 0),
                     ("have", 8, 0)]),
    "RESEND": (19, [("id", 8, 1), ("offset", 8, 0)]),
    "NOTE": (20, [("cause", 2, 4), ("kind", 1, 2), ("not_kept", 1, 0),
                  ("name_len", 2, length_of("name")), ("name", 0, b"dir")]),
    "SUMMARY": (21, [("files", 8, 0), ("bytes", 8, 0), ("sum", 16, 0),
                     ("notes", 8, 0)]),
    "CHECKED": (22, [("id", 8, 1), ("offset", 8, 0), ("chunks", 4, 1),
                     ("zero", 4, 0), ("bits", 8, 0)]),
    "OFFERED": (23, [("id", 8, 1), ("items", 4, 1), ("zero", 4, 0),
                     ("wanted", 0, b"\1")]),
    "DELETE": (32, [("kind", 1, 1), ("zero", 1, 0), ("count", 2, 0),
                    ("list", 0, b"")]),
    "EXTRA": (33, [("kind", 1, 1), ("flags", 1, 0), ("count", 2, 0),
                   ("dir", 4, 0), ("list", 0, b"")]),
    "LISTED": (26, [("id", 8, 1), ("items", 4, 1), ("zero", 4, 0),
                    ("runs", 0, b"\1\0\0\0\1")]),
    "BUSY": (28, []),
    "SIGNATURE": (24, [("id", 8, 1), ("offset", 8, 0), ("count", 4, 0),
                       ("kind", 1, 1), ("zero", 3, 0), ("list", 0, b"")]),
    "DIRECT": (36, [("port", 2, 9473), ("count", 1, lambda v: len(
        v["addresses"]) // 16), ("zero", 1, 0), ("key", 32, bytes(32)),
                    ("addresses", 0, bytes(10) + b"\xff\xff\x7f\0\0\1")]),
    "STREAMS": (37, [("streams", 2, 1), ("zero", 2, 0)]),
    "TIMEOUT": (29, [("milliseconds", 4, 60000)]),
    "PROGRESS": (25, [("bytes", 8, 0), ("total_bytes", 8, 0),
                      ("total_files", 8, 0), ("replaced", 8, 0),
                      ("renamed", 8, 0), ("progress_flags", 1, 0),
                      ("zero", 3, 0)]),
    "PING": (30, []),
    "ERROR": (31, [("code", 2, 2), ("text_len", 2, length_of("text")),
                   ("text", 0, b"evil")]),
}
NUMBERS = {name: type_id for name, (type_id, _) in LAYOUTS.items()}
NAMES = {type_id: name for name, type_id in NUMBERS.items()}
# Bytes before the digest of the frames that have a payload; it follows the
# digest.
FIXED = {"CHUNK": 24, "PACK": 24, "OFFER": 24, "LIST": 20}
ROW = {FILE: [("size", 4, 0), ("digest", "D", None)], DIRECTORY: [],
       SYMLINK: [("target_len", 2, length_of("target")),
                 ("target", "target_len", b"target")],
       LINK: [("target_len", 2, length_of("target")),
              ("target", "target_len", b"first")],
       SPECIAL: [("special", 1, 1), ("major", 4, 0), ("minor", 4, 0)]}
ROW_HEAD = ([("kind", 1, FILE)] + META +
            [("name_len", 2, length_of("name")), ("name", "name_len", b"")])
BYTES = {"digest", "session", "name", "target"}

# ---- encoding --------------------------------------------------------------


def put(value, size):
    """Bytes are taken as they are, a number is cut to the field."""
    if isinstance(value, bytes):
        return value
    return (value % (1 << 8 * size)).to_bytes(size, "big")


def fill(fields, values):
    """The fields one after another.  Those whose default is no function are
    set first, as the functions depend on them."""
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
        # the extended form of META
        if name == "nsec" and "further" in values:
            body += put(len(values["further"]), 2) + values["further"]
    return body


HEADER = 12


def header(kind, length, fields=b"", flags=0, check=0, body_check=0):
    """check and body_check: bits of the checks that are inverted."""
    others = struct.pack(">BBI", kind, flags, length)
    return struct.pack(">BBHII", kind, flags,
                       check ^ binascii.crc_hqx(others, 0xffff), length,
                       body_check ^ zlib.crc32(fields))


def message(frame_type, /, tail=b"", frame=None, **values):
    """A frame.  tail: bytes left over; frame: other values of the header's
    fields (kind, length, flags, check, body_check)."""
    type_id, fields = LAYOUTS[frame_type]
    body = fill(fields, values) + tail
    payload = len(values.get("payload", b"")) + len(tail) \
        if frame_type in FIXED else 0
    head = {"kind": type_id, "length": len(body),
            "fields": body[:len(body) - payload]}
    head.update(frame or {})
    return header(**head) + body


def strings(*items):
    """As an order has its options and places."""
    return struct.pack(">H", len(items)) + b"".join(
        struct.pack(">H", len(item)) + item for item in items)


def order(*items, version=1, token=bytes(16)):
    """What the side that has started ferry remote tells it to do."""
    listed = strings(*items)
    return b"FERRYORD" + struct.pack(">HHI", version, 0, len(listed)) + \
        token + listed


def field(tag, value=b""):
    """A further field of META."""
    return struct.pack(">BH", tag, len(value)) + value


def owner(uid, gid, user=b"", group=b"", flags=1):
    return field(1, struct.pack(">BII", flags, uid, gid) +
                 bytes([len(user)]) + user + bytes([len(group)]) + group)


def acl(*entries, tag=3):
    """entries: kind, permissions, and for 2 and 4: number, name"""
    value = b""
    for kind, perm, *who in entries:
        value += bytes([kind, perm])
        if who:
            value += struct.pack(">IB", who[0], len(who[1])) + who[1]
    return field(tag, value)


def xattrs(*pairs, kinds=XATTR):
    return field(5, bytes([kinds]) + b"".join(
        bytes([len(name)]) + name + struct.pack(">H", len(value)) + value
        for name, value in pairs))


def row(kind=FILE, content=b"", digest_id=SHA256, **values):
    """A row of a pack's table."""
    values.setdefault("name", b"item")
    values["digest_id"] = digest_id
    if kind == FILE:
        values.setdefault("size", len(content))
        values.setdefault("digest", DIGESTS[digest_id](content))
    values.setdefault("kind", kind)
    return fill(ROW_HEAD + ROW.get(kind, []), values)


def pack(made_rows, content=b"", kind="PACK", **values):
    """made_rows: by row()."""
    table = b"".join(made_rows)
    values.setdefault("items", len(made_rows))
    values.setdefault("table", table)
    values.setdefault("payload", table + content)
    return message(kind, **values)


def number(n):
    """A number of a list's row."""
    out = b""
    while n >= 0x80:
        out, n = out + bytes([n & 0x7f | 0x80]), n >> 7
    return out + bytes([n])


def listed_row(name, size=0, kind=FILE, mode=0o644, sec=0, nsec=0, bits=0,
               sha=b"", shared=0, further=None, more=b""):
    """A row of a list.  sec: less that of the row before.  further: fields of
    META, with LIST_META and without bit 32.  more: what other kinds have."""
    high = kind > SYMLINK
    return (bytes([kind - 3 | 64 | bits if high else kind | bits])
            + (b"" if bits & 4 else put(mode, 2))
            + number(sec << 1 if sec >= 0 else -sec * 2 - 1) + put(nsec, 4)
            + (b"" if further is None else number(len(further)) + further)
            + number(shared) + number(len(name)) + name
            + (number(size) if kind == FILE else b"") + sha + more)


def list_of(made_rows, **values):
    table = b"".join(made_rows)
    values.setdefault("items", len(made_rows))
    values.setdefault("table", table)
    values.setdefault("payload", table)
    return message("LIST", **values)


def runs(*pairs):
    return b"".join(struct.pack(">QQ", *pair) for pair in pairs)


def name_hash(name):
    """Of a name in a directory; a directory's ends with a slash."""
    h = 0xcbf29ce484222325
    for byte in name:
        h = (h ^ byte) * 0x100000001b3 % 2**64
    for factor in (0xff51afd7ed558ccd, 0xc4ceb9fe1a85ec53):
        h = (h ^ h >> 33) * factor % 2**64
    return h ^ h >> 33


def deletes(*directories):
    """A DELETE of kind 2.  directories: pairs of a path, and names there, or
    None where they are not known."""
    made = b""
    for path, names in directories:
        made += (struct.pack(">QQ", UNKNOWN, UNKNOWN) if names is None else
                 struct.pack(">QQ", len(names),
                             sum(map(name_hash, names)) % 2**64))
        made += struct.pack(">H", len(path)) + path
    return message("DELETE", kind=2, count=len(directories), list=made)


def choice(*bits):
    """A DELETE of kind 3.  bits: whether each row is chosen."""
    made = bytearray((len(bits) + 7) // 8)
    for i, bit in enumerate(bits):
        made[i // 8] |= bool(bit) << i % 8
    return message("DELETE", kind=3, count=len(bits), list=bytes(made))


def extra_rows(m):
    """The rows of an EXTRA of kind 2: pairs of a kind and a name."""
    data, made = m["list"], []
    for _ in range(m["count"]):
        kind, n = struct.unpack(">BH", data[:3])
        made.append((kind, data[3:3 + n]))
        data = data[3 + n:]
    if data:
        raise ValueError("EXTRA: bytes left over")
    return made


def listed_runs(*given):
    """The runs of LISTED: of each, state, cause, and how many items."""
    return b"".join(bytes([state]) + put(cause, 2) + put(count, 2)
                    for state, cause, count in given)


def extras(*made_rows, **values):
    """An EXTRA of kind 2.  made_rows: pairs of a kind and a name."""
    return message("EXTRA", kind=2, count=len(made_rows), **values,
                   list=b"".join(struct.pack(">BH", kind, len(name)) + name
                                 for kind, name in made_rows))


LITERAL = 2**64 - 1  # in place of an offset in the basis


def recipe(ops, literals=b"", raw=b"", codec=0, **values):
    """The payload of a CHUNK with codec 4.  ops: pairs of a length and an
    offset in the basis, or LITERAL; raw: what it expands to."""
    values = {"sha": hashlib.sha256(raw).digest(), "codec": codec, "zero": 0,
              "literal_len": sum(n for n, at in ops if at == LITERAL),
              "count": len(ops), **values}
    return fill([("sha", 32, None), ("literal_len", 4, None),
                 ("codec", 1, None), ("zero", 3, None), ("count", 4, None)],
                values) + b"".join(struct.pack(">IQ", *op) for op in ops) + (
                    zlib.compress(literals) if codec == 1 else literals)


# ---- decoding --------------------------------------------------------------


def peek(head):
    """(type, length of the body) of a frame's header."""
    return struct.unpack(">BxxxIxxxx", head)


def verify(head, body, digest_size):
    """ValueError unless this is the header of a frame with this body."""
    type_id, length = peek(head)
    if type_id not in NAMES or length != len(body):
        raise ValueError(f"type {type_id} of {length} bytes")
    name = NAMES[type_id]
    fields = body[:FIXED[name] + digest_size] if name in FIXED else body
    if head != header(type_id, length, fields):
        raise ValueError(f"{name}: flags or a check")


def take(fields, data, digest_size):
    """Decode fields; returns them by name, and what is left of data."""
    out = {}
    for name, declared, default in fields:
        size = digest_size if declared == "D" else out.get(declared, declared)
        size = len(data) if declared == 0 else size
        part, data = data[:size], data[size:]
        if len(part) != size:
            raise ValueError(f"{name} is cut")
        is_bytes = name in BYTES or isinstance(default, bytes)
        out[name] = part if is_bytes else int.from_bytes(part, "big")
        if name == "zero" and out[name]:
            raise ValueError("reserved bits are set")
    return out, data


def parse(type_id, body, digest_size=32):
    """A message by the names of its fields; ValueError if it is malformed."""
    name = NAMES[type_id]
    try:
        out, left = take(LAYOUTS[name][1], body, digest_size)
    except ValueError as e:
        raise ValueError(f"{name}: {e}") from None
    if name == "READY" and out["features"] & LISTS and left:
        out["ready_flags"], left = left[0], left[1:]
    if name == "READY" and out["features"] & PRESERVE and len(left) == 4:
        out["preserve"], left = int.from_bytes(left, "big"), b""
    if left:
        raise ValueError(f"{name}: bytes left over")
    return {"message": name, **out}


def frames(data, digest_size):
    """Every message of a whole recorded direction.  digest_size(): the size
    of the session's digests, which is known once HELLO was parsed."""
    while data:
        head = data[:HEADER]
        if len(head) < HEADER:
            raise ValueError("cut in a header")
        type_id, length = peek(head)
        body, data = data[HEADER:][:length], data[HEADER + length:]
        size = 0 if type_id == NUMBERS["HELLO"] else digest_size()
        verify(head, body, size)
        yield parse(type_id, body, size)


UNIT = 1024     # of the codec sparse


def sparse(raw):
    """The payload with codec 3."""
    units = [raw[i:i + UNIT] for i in range(0, len(raw), UNIT)]
    bits = "".join("1" if any(unit) else "0" for unit in units)
    bits += "0" * (-len(bits) % 8)
    return (int(bits, 2).to_bytes(len(bits) // 8, "big")
            + b"".join(unit for unit in units if any(unit)))


def expand_sparse(payload, raw_len):
    count = -(-raw_len // UNIT)
    size = -(-count // 8)
    bits = "".join(f"{byte:08b}" for byte in payload[:size])
    if raw_len == 0 or len(payload) < size or "1" in bits[count:]:
        raise ValueError("a sparse payload")
    raw, data = b"", payload[size:]
    for i in range(count):
        want = min(UNIT, raw_len - i * UNIT)
        if bits[i] == "1":
            raw, data = raw + data[:want], data[want:]
        else:
            raw += bytes(want)
    if data or len(raw) != raw_len:
        raise ValueError("a sparse payload")
    return raw


def expand(m):
    """The raw bytes of a message's payload.  zstd is not in the standard
    library."""
    if m["codec"] == 3:
        return expand_sparse(m["payload"], m["raw_len"])
    if m["codec"] not in (0, 1):
        raise ValueError(f"codec {m['codec']}")
    return zlib.decompress(m["payload"]) if m["codec"] else m["payload"]


def rows(m, digest_size):
    """Every row of the table of a PACK or OFFER, each with its id, and for a
    file of a PACK with its content."""
    raw = expand(m)
    table, content = raw[:m["table_len"]], raw[m["table_len"]:]
    if len(raw) != m["raw_len"]:
        raise ValueError("raw length")
    if m["message"] == "OFFER":
        digest_size = DIGEST_SIZE[SHA256]
    for ident in range(m["id"], m["id"] + m["items"]):
        item, table = take(ROW_HEAD, table, digest_size)
        if item["kind"] not in ROW:
            raise ValueError(f"kind {item['kind']}")
        more, table = take(ROW[item["kind"]], table, digest_size)
        item.update(more, id=ident)
        if item["kind"] == FILE and m["message"] == "PACK":
            if len(content) < item["size"]:
                raise ValueError("the content of a pack is cut")
            item["content"] = content[:item["size"]]
            content = content[item["size"]:]
        yield item
    if table or content:
        raise ValueError("bytes left over in a pack")


# ---- digests ---------------------------------------------------------------


def leaves(data, digest):
    """The digest of each chunk; an empty file has one."""
    return [digest(data[i:i + CHUNK])
            for i in range(0, max(len(data), 1), CHUNK)]


def root(leaf_digests, size, digest):
    """The digest of a file from those of its chunks."""
    if len(leaf_digests) == 1:
        return leaf_digests[0]
    ranges = [digest(b"".join(leaf_digests[i:i + 64]))
              for i in range(0, len(leaf_digests), 64)]
    return digest(b"".join(ranges) + struct.pack(">Q", size))


def file_digest(data, digest_id=SHA256):
    digest = DIGESTS[digest_id]
    return root(leaves(data, digest), len(data), digest)


XXH3_SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c")
P1, P2, P4 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x85EBCA77C2B2AE63
M64 = 2**64 - 1


def xxh3_128(data):
    """XXH3 with 128 bits, for the 17 to 64 bytes that sums are made of."""
    def word(b, i):
        return int.from_bytes(b[i:i + 8], "little")

    def mix16(i, key):
        n = ((word(data, i) ^ word(XXH3_SECRET, key)) *
             (word(data, i + 8) ^ word(XXH3_SECRET, key + 8)))
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
    """The sum of FINISH and SUMMARY.  files: (id, size, digest)."""
    return sum(xxh3_128(struct.pack(">QQ", i, n) + d)
               for i, n, d in files) % 2**128
