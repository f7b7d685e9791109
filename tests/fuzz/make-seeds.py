#!/usr/bin/env python3
"""make-seeds.py [--check] - write the hand-made seeds of the fuzz targets.

Writes corpus/TARGET/NAME below this file's directory; with --check only says
which differ from what is there, and exits with 1 if any does.  Seeds that a
fuzzer found (named finding-*) are left alone.  Frames are made by
tests/lib/wire.py, not by ferry's own code.
"""
import hashlib
import os
import struct
import sys
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from lib import wire  # noqa: E402 (needs the path)
from lib.wire import (CRC32, DIGESTS, DIRECTORY, FILE,  # noqa: E402
                      SHA256, SYMLINK, UNKNOWN)

MIB = 1 << 20
crc, sha = DIGESTS[CRC32], DIGESTS[SHA256]


seeds = {}  # path: data


def write(target, name, data):
    path = os.path.join(HERE, "corpus", target, name)
    assert seeds.get(path, data) == data, f"two seeds are {path}"
    seeds[path] = data


def finish_all():
    """Write the seeds, or compare them."""
    differ = 0
    for path, data in seeds.items():
        if sys.argv[1:] != ["--check"]:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
            continue
        if not os.path.exists(path) or open(path, "rb").read() != data:
            print(f"{path} differs: run make-seeds.py")
            differ = 1
    sys.exit(differ)


def frame(frame_type, /, flags=0, digest_id=CRC32, **values):
    """With checks of 0, which the targets put right, and with flags, which
    tell the targets what to do with it."""
    data = wire.message(frame_type, digest_id=digest_id, **values)
    return struct.pack(">BBHII", data[0], flags, 0, len(data) - wire.HEADER,
                       0) + data[wire.HEADER:]


def hello(digest_id=CRC32, hello_flags=0, streams=2, features=wire.FEATURES,
          existing=0):
    return frame("HELLO", digest_id=digest_id, hello_flags=hello_flags,
                 streams=streams, features=features, existing=existing,
                 session=bytes(range(16)))


def open_(ident, size, name, allocated=None, flags=0, digest_id=CRC32):
    return frame("OPEN", flags, digest_id, id=ident, size=size, name=name,
                 allocated=size if allocated is None else allocated, nsec=5)


PACKERS = {0: bytes, 1: lambda raw: zlib.compress(raw, 9), 3: wire.sparse}


def chunk(ident, offset, raw, flags=0, digest_id=CRC32, codec=0):
    return frame("CHUNK", flags, digest_id, id=ident, offset=offset, raw=raw,
                 codec=codec, payload=PACKERS[codec](raw))


def file_end(ident, size, digest, flags=0):
    return frame("FILE_END", flags, id=ident, size=size, digest=digest)


def row_file(name, content, digest_id=CRC32, **values):
    return wire.row(FILE, content, digest_id, name=name,
                    **{"nsec": 5, **values})


def row_dir(name, **values):
    return wire.row(DIRECTORY, name=name, **{"mode": 0o755, "nsec": 5,
                                             **values})


def row_link(name, target):
    return wire.row(SYMLINK, name=name, target=target, mode=0o777, nsec=5)


def pack(first, rows, contents, codec=0, kind="PACK", flags=0):
    table = b"".join(rows)
    raw = table + b"".join(contents)
    return frame(kind, flags, id=first, items=len(rows), raw_len=len(raw),
                 table=table, codec=codec,
                 payload=PACKERS[codec](raw))


def check(ident, content, first=0, kind=1, digest_id=SHA256):
    """Of these chunks: a digest of each, or with kind 2 one of all."""
    leaves = wire.leaves(content, DIGESTS[digest_id])
    digests = b"".join(leaves)
    return frame("CHECK", id=ident, offset=first * MIB, chunks=len(leaves),
                 kind=kind, digests=digests if kind == 1 else
                 DIGESTS[digest_id](digests))


def offer(first, rows, codec=0, flags=0):
    return pack(first, rows, [], codec, "OFFER", flags)


def finish(flags=1):
    """By default the target puts the sums right."""
    return frame("FINISH", flags)


def list_of(first, rows, flags=1, **values):
    table = b"".join(rows)
    return frame("LIST", flags, id=first, items=len(rows), table=table,
                 payload=table, **values)


def flagged(flags, data):
    """A frame that wire.py made, as frame() makes them."""
    return struct.pack(">BBHII", data[0], flags, 0, len(data) - wire.HEADER,
                       0) + data[wire.HEADER:]


ROWS = [row_dir(b"d"), row_file(b"d/a", b"hello"), row_file(b"b", b""),
        row_link(b"d/l", b"../b")]
OFFERED = [row_dir(b"d"), row_file(b"d/a", b"hello", SHA256),
           row_file(b"b", b"", SHA256), row_link(b"d/l", b"../b")]
# The file of 9 MiB that two of the targets have.
HUGE = b"x" + bytes(9 * MIB - 1)
ROOT = open_(1, 5, b"file") + chunk(1, 0, b"hello") \
    + file_end(1, 5, crc(b"hello"))


def frames():
    write("frame", "session", b"\5" + hello() + ROOT + pack(2, ROWS,
          [b"hello"]) + frame("FLUSH") + finish(flags=0)
          + frame("STREAM_END") + frame("PING"))
    write("frame", "more-features", b"\5" + frame(
        "HELLO", digest_id=CRC32, features=wire.FEATURES | wire.MORE,
        session=bytes(range(16)), tail=b"\0\0\0\1later"))
    write("frame", "session-sha", b"\3" + hello(SHA256)
          + open_(1, 5, b"x" * 4095, digest_id=SHA256)
          + chunk(1, MIB, b"hello", digest_id=SHA256)
          + frame("HOLE", id=1, length=MIB)
          + file_end(1, 5, sha(b"hello")) + frame("FILE_ABORT", id=1))
    write("frame", "heart-beats", b"\1" + frame("TIMEOUT", milliseconds=1)
          + frame("TIMEOUT", milliseconds=2**32 - 1) + frame("BUSY")
          + frame("PING"))
    write("frame", "join", b"\1" + frame("JOIN", index=3)
          + frame("STREAMS", streams=15) + frame("DIRECT")
          + frame("ERROR", text=b"why"))
    write("frame", "replies", b"\0" + ready() + state(1, 1)
          + verdict(1, 3, 1) + verdict(4, 1, 4, 2, 10, 5)
          + frame("RESEND", id=1, offset=MIB) + frame("NOTE", name=b"d")
          + summary(3, 10) + frame("PING") + frame("DIRECT")
          + frame("DIRECT", port=0, addresses=b""))
    write("frame", "compares",
          b"\5" + hello(features=wire.FEATURES | wire.DELTAS)
          + compare(1, [b"x", b"y"]) + pieces_of(1, 0, 9)
          + pieces_of(1, 5, 2**32 - 1, 65535, 14))
    write("frame", "signatures", b"\0" + signature(1, 1, 9 * MIB)
          + signature(1, 2, MIB, 64) + signature(1, 3, MIB, 2, bytes(16))
          + signature(1, 4, 77, 2, bytes(20)) + signature(1, 5, MIB))
    write("frame", "lists", b"\5" + list_of(1, LISTED_ROWS)
          + list_of(9, LISTED_ROWS, codec=1))
    write("frame", "deletes", b"\5" + frame("DELETE")
          + flagged(0, wire.deletes((b"", [b"a", b"d/"]), (b"d", None)))
          + flagged(0, wire.choice(1, 0, 1)) + frame("FLUSH"))
    write("frame", "listed", b"\0" + listed(1, (0, 0, 2), (1, 0, 1))
          + listed(1, (9, 4, 1), (0, 0, 1)) + frame("EXTRA")
          + flagged(0, wire.extras((1, b"x"), (2, b"y"), dir=3, flags=3))
          + frame("EXTRA", kind=3, count=2, list=bytes(4))
          + frame("EXTRA", kind=4)
          + frame("EXTRA", kind=5, count=1, dir=9, list=bytes(2)))
    two = bytes(2 * MIB)
    write("frame", "checks", b"\5" + hello() + check(1, two, digest_id=CRC32)
          + check(1, two, first=5, kind=2, digest_id=CRC32)
          + check(1, b"hello", first=99, digest_id=CRC32)
          + offer(2, ROWS) + offer(6, ROWS[:1], codec=1))
    write("frame", "checks-sha", b"\3" + check(1, two)
          + check(1, two, first=5, kind=2))
    write("frame", "progress", b"\0" + progress(MIB, 5 * MIB, 7, 1)
          + progress(UNKNOWN, UNKNOWN, UNKNOWN, 2)
          + progress(3, 0, 0, replaced=1, renamed=UNKNOWN))
    write("frame", "answers", b"\0" + state(1, 3, wire.runs((0, 3), (9, 1)))
          + checked(1, 0, 3, 5) + checked(1, 64, 64, UNKNOWN)
          + offered(2, 4, b"\x06") + offered(2, 1024, bytes(128))
          + verdict(5, 1, 5) + verdict(5, 1, 1))


# A list's: seconds are less than those of the row before.
LISTED_ROWS = [wire.listed_row(b"d", kind=2, mode=0o755, sec=wire.NOW),
               wire.listed_row(b"/new", 5, shared=1, nsec=5),
               wire.listed_row(b"old", 24, bits=20, sec=-9),
               wire.listed_row(b"old", 24, bits=12, sha=sha(b"x")),
               wire.listed_row(b"l", kind=3) + wire.number(3) + b"old"]


def listed(first, *runs):
    """An answer to a list.  runs: state, cause, items."""
    return frame("LISTED", id=first, items=sum(n for _, _, n in runs),
                 runs=b"".join(struct.pack(">BHH", *run) for run in runs))


def compare(ident, contents, first=0):
    """Digests of chunks, the keyed ones invented."""
    return frame("COMPARE", id=ident, offset=first * MIB, count=len(contents),
                 leaves=b"".join(sha(c) + bytes(8) for c in contents))


def pieces_of(ident, first, count, stride=0, bits=12):
    return frame("COMPARE", id=ident, offset=first * MIB, count=count, kind=2,
                 bits=bits, stride=stride)


def signature(ident, kind, offset, count=0, entries=b""):
    return frame("SIGNATURE", id=ident, kind=kind, offset=offset, count=count,
                 list=entries)


def progress(size, total, files, flags=0, **counts):
    return frame("PROGRESS", bytes=size, total_bytes=total, total_files=files,
                 progress_flags=flags, **counts)


def ready(streams=2, open_files=4, features=wire.FEATURES):
    return frame("READY", streams=streams, features=features,
                 open_files=open_files)


def state(ident, what, runs=b""):
    return frame("STATE", id=ident, state=what, runs=runs)


def verdict(first, count, status, cause=0, need=0, have=0):
    return frame("VERDICT", id=first, items=count, status=status, cause=cause,
                 need=need, have=have)


def checked(ident, first, count, bits=0):
    return frame("CHECKED", id=ident, offset=first * MIB, chunks=count,
                 bits=bits)


def offered(first, items, wanted):
    return frame("OFFERED", id=first, items=items, wanted=wanted)


def summary(files, size, flags=0):
    return frame("SUMMARY", flags, files=files, bytes=size)


def tables():
    write("pack", "crc", b"\2" + b"".join(ROWS))
    write("pack", "sha", b"\1" + row_file(b"a/b/c", b"x", SHA256)
          + row_dir(b"a" * 255))
    links = [(b"l", b"a"), (b"a/b/l", b"../../x"), (b"a/l", b"../.."),
             (b"l", b".."), (b"a/l", b"x/../.."), (b"l", b"/etc"),
             (b"a/l", b".././b")]
    write("pack", "links", b"\2" + b"".join(row_link(*x) for x in links))
    names = [b".", b"..", b"a//b", b"/a", b"a/", b"a/./b", b"a/../b", b"a\0b",
             b".ferry-0123456789abcdef.part",
             b"x/.ferry-0123456789abcdef.journal",
             b".ferry-0123456789abcdef.new",
             b".ferry-0123456789abcde.part", b"a/" * 127 + b"a",
             b"a/" * 128 + b"a", b"b" * 255, b"b" * 256]
    further = (wire.owner(1000, 100, b"user", b"") + wire.field(2)
               + wire.acl((1, 7), (2, 5, 1, b"daemon"), (3, 5), (4, 6, 8, b""),
                          (5, 7), (6, 0))
               + wire.acl(tag=4)
               + wire.xattrs((b"security.capability", bytes(20)),
                             (b"trusted.x", b""), (b"user.a", b"v"),
                             kinds=0x38) + wire.field(31, b"later"))
    write("pack", "further", b"\6" + row_file(b"f", b"x", further=further)
          + row_dir(b"d", further=further)
          + wire.row(SYMLINK, name=b"l", target=b"t", digest_id=CRC32,
                     further=b""))
    write("frame", "open-further", b"\5" + frame(
        "OPEN", id=1, size=1, name=b"f", further=further))
    write("pack", "names", b"\2" + b"".join(row_dir(x) for x in names))


# Made with zstd 1.5.4 (libzstd has no place in the standard library).
ZSTD_HELLO = bytes.fromhex("28b52ffd005829000068656c6c6f")
ZSTD_RUN = bytes.fromhex("28b52ffd00584d00001061610100e22b8005")


def chunks():
    def one(name, codec, raw_len, payload):
        write("expand", name, struct.pack(">BI", codec, raw_len) + payload)
    one("none", 0, 5, b"hello")
    one("unknown", 9, 5, b"hello")
    one("zlib", 1, 1000, zlib.compress(b"a" * 1000))
    one("zlib-bomb", 1, 1000, zlib.compress(b"a" * 100000))
    one("zlib-short", 1, 2000, zlib.compress(b"a" * 1000))
    one("zlib-twice", 1, 2000, 2 * zlib.compress(b"a" * 1000))
    packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9, 0, b"dictionary")
    one("zlib-dictionary", 1, 10,
        packer.compress(b"dictionary") + packer.flush())
    one("zstd", 2, 5, ZSTD_HELLO)
    one("zstd-run", 2, 999, ZSTD_RUN)
    one("zstd-twice", 2, 10, 2 * ZSTD_HELLO)
    one("zstd-skippable", 2, 5,
        struct.pack("<II", 0x184D2A50, 4) + b"skip" + ZSTD_HELLO)
    one("zstd-only-skippable", 2, 0, struct.pack("<II", 0x184D2A50, 0))
    # magic, descriptor, window descriptor, one raw block that is the last
    block = struct.pack("<I", 5 << 3 | 1)[:3] + b"hello"
    magic = ZSTD_HELLO[:4]
    one("zstd-window-8m", 2, 5, magic + b"\0\x68" + block)
    one("zstd-window-2g", 2, 5, magic + b"\0\xa8" + block)
    one("zstd-dictionary", 2, 5, magic + b"\x21\x07\x05" + block)
    rle = struct.pack("<I", (1 << 17) << 3 | 2 | 1)[:3] + b"x"
    one("zstd-rle", 2, 1 << 17, magic + b"\0\x68" + rle)
    one("zstd-content-4g", 2, 5,
        magic + b"\xa0" + struct.pack("<I", 0xffffffff) + block)
    holes = b"hello" + bytes(5000) + b"a" * 2000 + bytes(3000)
    one("sparse", 3, len(holes), wire.sparse(holes))
    one("sparse-zeros", 3, MIB, bytes(MIB // 1024 // 8))
    one("sparse-short", 3, len(holes), wire.sparse(holes)[:-1])
    one("sparse-long", 3, len(holes), wire.sparse(holes) + b"a")
    one("sparse-bits", 3, 1025, b"\xe0" + b"a" * 1025)
    one("sparse-empty", 3, 0, b"")
    for codec in (1, 2, 3):
        one(f"back-{codec}", 0x80 | codec, 0, b"hello, hello, hello " * 50)


def recipes():
    def one(name, raw_len, basis, made, lost=0):
        write("recipe", name, struct.pack(">HHH", raw_len, basis, lost) + made)

    both = ((100, 50), (40, wire.LITERAL), (60, 0))
    one("both", 200, 150, wire.recipe(both, b"l" * 40))
    one("literal", 40, 0, wire.recipe([(40, wire.LITERAL)], b"l" * 40))
    one("copy", 40, 40, wire.recipe([(40, 0)]))
    one("nothing", 0, 0, wire.recipe([]))
    one("basis-shrank", 200, 150, wire.recipe(both, b"l" * 40), 1)
    one("joined", 90, 100, wire.recipe([(30, 0), (30, 30), (30, 60)]))
    one("many", 4096, 8192, wire.recipe([(4, i * 8) for i in range(1024)]))
    one("beyond", 200, 149, wire.recipe(both, b"l" * 40))
    one("overflow", 40, 100, wire.recipe([(40, 2**64 - 2)]))
    one("too-much", 40, 100, wire.recipe([(40, 0), (1, 0)]))
    one("empty", 40, 100, wire.recipe([(40, 0), (0, 0)]))
    one("wrapped", 100, 200, wire.recipe([(2**32 - 10, 0), (110, 0)]))
    one("lies", 40, 100, wire.recipe([(40, 0)], literal_len=1))
    one("reserved", 40, 100, wire.recipe([(40, 0)], zero=1))
    one("count", 40, 100, wire.recipe([(40, 0)], count=2**32 - 1))


def pieces():
    def one(name, bits, times, most, content):
        write("pieces", name, struct.pack(">BBHB", bits, 7, times - 1, most)
              + content)

    one("zeros", 0, 1024, 200, bytes(1024))
    one("page", 2, 16, 200, bytes(i * i * 7 % 251 for i in range(4096)))
    one("two-pages", 1, 8, 3, bytes(i * i * 7 % 251 for i in range(4096)) +
        bytes(i * i * 11 % 241 for i in range(4096)))
    one("one-place", 0, 1, 255, b"".join(struct.pack(">Q", i << 40)
                                         for i in range(1, 400)))
    one("short", 0, 1, 0, b"x")
    one("nothing", 0, 1, 0, b"")


def texts():
    key = b"ferry-key-1:" + b"0123456789abcdefABCDEF0123456789" * 2
    for name, tail in (("plain", b""), ("lf", b"\n"), ("crlf", b"\r\n"),
                       ("two", b"\n\n")):
        write("key", name, key + tail)
    write("key", "short", key[:-1] + b"\n")
    write("key", "bad-digit", key[:-1] + b"g\n")
    send = [[b"-z", b"-j4", b"--name=x", b"a", b"host:1"],
            [b"--key", b"k", b"--compress=zstd:5", b"--", b"-x", b"h"],
            [b"--limit-rate", b"10M", b"-qv", b"--json=2", b"--help"],
            [b"--checks", b"x"], [b"-p0"], [b"--timeout="], [b"--\x1b[2J"],
            [b"--symlinks", b"follow", b"-4p", b"99", b"--streams=auto"]]
    for i, words in enumerate(send):
        write("options", f"send-{i}", b"\0" + b"\0".join(words))
    receive = [[b"--once", b"--existing", b"skip", b"dir"],
               [b"--stdout", b"--sync=none", b"-b", b"::1", b"-46"],
               [b"--max-sessions", b"18446744073709551616"]]
    for i, words in enumerate(receive):
        write("options", f"receive-{i}", b"\1" + b"\0".join(words))
    write("options", "keygen", b"\2--\0file")
    write("options", "help", b"\3send\0-h")
    for i, value in enumerate((b"host", b"host:80", b"[::1]:9473", b"::1",
                               b"[fe80::1%lo]", b"[::1]x", b"a:b:c", b"-x",
                               b"[]", b":1", b"h:0", b"h:65536", b"a b")):
        write("addr", f"addr-{i:02}", value)
    for i, value in enumerate((
            b"dir = /srv\n[a]\nkey = a.key\nkey=b.key\r\n; no\n\n[b]\n"
            b"pin = x\n", b"[a]\ndir=/x\nsubject = CN=a\n",
            b"cert = c\ncert-key=k\nca = ca\ndir=/s\naccept = none\n[x]\n"
            b"subject=CN=x\nrate = 5M\nallow = ::1, 10.0.0.0/8\n",
            b"existing = newer\nmax-size=1G\nmax-files = 9\nexec = ./h\n"
            b"[a.b@c]\nkey = /k\ndir = d\n", b"[a", b"=x", b"x=",
            b"[..]\n", b"[]", b"#\0", b"keys = 1\n")):
        write("ini", f"file-{i:02}", value)
    items = (b"send", b"--host=me@", b"--", b"a\nb c")
    write("order", "order", b"\0" + wire.order(*items))
    write("order", "order-cut", b"\0" + wire.order(*items)[:-1])
    write("order", "order-version", b"\0" + wire.order(*items, version=2)[:32])
    write("order", "answer", b"\1\0\1\0\0\0\0\0\2\0\0")
    write("order", "answer-error", b"\1\0\1\0\7\0\0\0\6\0\1\0\2no")
    for i, value in enumerate((b"h:", b"me@h:dir", b"[::1]:x", b"me@[::1%l]:~",
                               b"h:../..", b"me@you@-h:x", b"-o:x", b"h:22",
                               b"me[you@:x")):
        write("order", f"target-{i}", b"\2" + value)
    for i, value in enumerate((b"0", b"18446744073709551615", b"5",
                               b"18446744073709551616", b"16777216T", b"9k",
                               b"1MiB", b"1Mib", b"-1", b"00ffAB", b"0g",
                               b"zstd:19", b"zlib:", b"auto:3", b"none:1",
                               b"9007199254740992", b"1 ", b"")):
        write("num", f"num-{i:02}", value)
    samples = (b"plain", "\u00e4\u20ac\U0001f600".encode(), b"\x1b[31m\x9b",
               b"\xc2\x9b\xc2\x80", b"\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80",
               "\u202eevil\u2066\u200f\ufeff".encode(), b"\\n\n\t\r\0\"",
               b"\xf0\x9f", b"a" * 30, b"\x7f" * 9, "\u2028\u2029".encode())
    for i, value in enumerate(samples):
        write("text", f"text-{i:02}", value)


def words_of_users():
    """Codes, networks, lists of names and patterns."""
    for i, value in enumerate((b"4821-river-anchor", b" 4821 RIVER  anchor\n",
                               b"4821-river-an", b"4821-riv", b"4821",
                               b"4821-river", b"482-river-anchor",
                               b"4821-rivers-anchor", b"4821-river-anchor-x",
                               b"4821\0river-anchor", b"-4821-river-anchor",
                               b"0000 zoo - zoo\r\n", b"4821-xyz-zo")):
        write("code", f"code-{i:02}", value)
    four = bytes(12) + bytes((192, 0, 2, 7))
    six = bytes.fromhex("20010db8") + bytes(12)
    six = b"\x21" + six[1:]
    for i, value in enumerate((b"192.0.2.0/24", b"192.0.2.7", b"0.0.0.0/0",
                               b"192.0.2.7/24", b"192.0.2.0/33", b"10/8",
                               b"2101:db8::/32", b"::/0", b"::1", b"::1/129",
                               b"::ffff:192.0.2.0/120", b"::ffff:0:0/95",
                               b"::ffff:0.0.0.0/96", b"1.2.3.4/", b"/8",
                               b"1.2.3.4/-1", b"1.2.3.4/08", b"host", b"")):
        write("cidr", f"four-{i:02}", four + value)
        write("cidr", f"six-{i:02}", six + value)
    for i, value in enumerate((b"a\nb\n", b"a\0b\0", b"no end", b"\n\n", b"",
                               b"a\0b\n", b"x" * 8192 + b"\n",
                               b"x" * 8193 + b"\n", b"y" * 5000)):
        for head in (0, 1, 2 * 14, 2 * 14 + 1):
            write("list", f"list-{i}-{head}", bytes([head]) + value)
    for i, (path, *patterns) in enumerate((
            (b"a/b/c.o", b"*.o"), (b"a/b", b"+a/b", b"a"),
            (b"src/.git", b".git/"), (b"a/b/c", b"/a/**/c"),
            (b"a/c", b"a/**/c", b"+**", b"**"), (b"x/a/b", b"a/b", b"/a/b"),
            (b"ab", b"[!a-c]b", b"[]-a]*", b"[a\\]]?"), (b"a*", b"a\\*"),
            (b"aaaaaaaaaaaaaaaa/b", b"*a*a*a*b", b"**a*a*a*b"),
            (b"a", b"[", b"a\\", b"", b"/", b"//a//", b"a[^", b"[a-"),
            (b"a/b", b"a?b", b"a[/]b", b"a[!x]b", b"a\\/b"),
            (b"d", b"d\\/", b"\\/d", b"[d-]"), (b"", b"*", b"?", b"**/"))):
        for is_dir in (0, 1):
            write("filter", f"filter-{i:02}-{is_dir}",
                  bytes([is_dir]) + b"\0".join((path, *patterns)))


def trees():
    def one(name, flags, leaves, steps):
        write("tree", name, struct.pack(">BHHB", flags, leaves - 1, 77, 1)
              + b"".join(struct.pack(">HB", *x) for x in steps))
    one("one", 0, 1, [(0, 0), (0, 0), (0, 1), (1, 0)])
    one("range", 1, 64, [(i, 0) for i in range(64)])
    one("back", 2, 130, [(i, 0) for i in reversed(range(130))])
    one("unknown", 0x80, 64, [(i, 0) for i in range(64)] + [(3, 1)])
    one("unknown-more", 0x81, 200, [(i, 0) for i in range(0, 200, 3)])
    one("wrong", 0, 70, [(5, 0), (5, 9), (69, 0), (69, 0), (70, 0)])


def tree_digest(leaves, size):
    return crc(crc(b"".join(leaves)) + struct.pack(">Q", size))


def senders():
    def one(name, config, *parts):
        write("receive", name, bytes([config]) + b"".join(parts))
    end = frame("FLUSH") + finish()
    one("file", 0, hello(), ROOT, end)
    one("file-batch", 4, hello(), ROOT, end)
    one("stdout", 7, hello(hello_flags=1), ROOT, end)
    requests = wire.FEATURES | wire.LINKS | wire.EXISTING
    links = [wire.row(wire.SYMLINK, digest_id=CRC32, name=name, target=target)
             for name, target in ((b"l", b"/"), (b"d/m", b"../../out"))]
    for accepts in (0, 0x80):
        one(f"requests-{accepts:x}", accepts,
            hello(features=requests, existing=3), pack(1, ROWS, [b"hello"]),
            pack(9, links, []), frame("FLUSH"),
            pack(20, [row_file(b"l/f", b"x")], [b"x"]), end)
    one("pack", 1, hello(), pack(1, ROWS, [b"hello"]), end)
    further = wire.owner(0, 0) + wire.field(2) + wire.acl() + wire.xattrs(
        (b"user.a", b"v"))
    for accepts in (1, 0x81):
        one(f"preserve-{accepts:x}", accepts,
            hello(features=wire.FEATURES | wire.PRESERVE | wire.ARCHIVE),
            pack(1, [row_file(b"m", b"x", further=further),
                     row_dir(b"n", further=further)], [b"x"]),
            frame("OPEN", id=9, size=1, name=b"o", further=further),
            chunk(9, 0, b"x"), file_end(9, 1, crc(b"x")), end)
    # special files and a hard link are made only where they are accepted
    meta_rows = [wire.listed_row(b"m", 5, sec=wire.NOW, further=further),
                 wire.listed_row(b"n", kind=DIRECTORY, bits=32, mode=0o755),
                 wire.listed_row(b"p", kind=wire.SPECIAL, bits=36,
                                 more=b"\1\0\0"),
                 wire.listed_row(b"q", kind=wire.LINK, further=b"", bits=4,
                                 more=b"\1m")]
    for accepts in (1, 0x81):
        one(f"list-meta-{accepts:x}", accepts,
            hello(features=wire.FEATURES | wire.PRESERVE | wire.LISTS
                  | wire.LIST_META),
            list_of(1, meta_rows[:2]),
            list_of(9, [meta_rows[0], *meta_rows[2:]]),
            pack(20, [row_file(b"m", b"hello", further=further)], [b"hello"]),
            end)
    # lists: of what is new, and of "old"; then what is wanted
    lists = hello(features=wire.FEATURES | wire.LISTS | wire.UPDATED)
    wanted = pack(20, [row_file(b"d/new", b"hello")], [b"hello"])
    for config in range(6):
        one(f"list-{config}", config, lists, list_of(1, LISTED_ROWS), wanted,
            end)
    one("list-zlib", 1, lists, frame(
        "LIST", 1, id=1, items=len(LISTED_ROWS),
        raw_len=len(b"".join(LISTED_ROWS)), codec=1,
        payload=zlib.compress(b"".join(LISTED_ROWS))), end)
    # dry runs: a file that the sender cannot read, among others; and content,
    # which is refused
    dry = wire.FEATURES | wire.LISTS | wire.DRY_RUN
    one("list-dry", 1, hello(features=dry), list_of(1, LISTED_ROWS + [
        wire.listed_row(b"e", 1, bits=128)]), end)
    one("list-dry-pack", 1, hello(features=dry), list_of(1, LISTED_ROWS),
        wanted, end)
    one("list-through-link", 1, lists, list_of(1, [
        wire.listed_row(b"out/secret", 24)]), end)
    one("list-dots", 1, lists, list_of(1, [wire.listed_row(b"../out")]))
    # deletions: of all in "gone", of what is not empty, where it must not be
    asking = hello(features=requests | wire.DELETES, existing=3)
    begin, dirs = frame("DELETE"), flagged(0, wire.deletes((b"gone", [])))
    every = frame("DELETE", 1, kind=3, count=1, list=b"\xff")
    for config in (0x80, 0x81, 0x84, 1):
        one(f"delete-{config:x}", config, asking, pack(1, ROWS, [b"hello"]),
            frame("FLUSH"), begin, dirs, every * 4, end)
    one("delete-root", 0x81, asking, begin,
        flagged(0, wire.deletes((b"", []))), every * 4, end)
    one("delete-some", 0x81, asking, begin, dirs,
        frame("DELETE", 1, kind=3, count=1, list=b"\x06") * 4, end)
    one("delete-dry", 0x81, hello(
        features=requests | wire.DELETES | wire.LISTS | wire.DRY_RUN,
        existing=3), list_of(1, [wire.listed_row(b"gone", 1)]), begin, dirs,
        every * 4, list_of(2, [wire.listed_row(b"gone", 1)]), end)
    one("delete-out", 0x81, asking, begin,
        flagged(0, wire.deletes((b"out", []), (b"gone/way", []))), every, end)
    one("delete-dots", 0x81, asking, begin,
        flagged(0, wire.deletes((b"../out", []))), every)
    # what has names twice, and what is none
    nodes = hello(features=requests | wire.PRESERVE)
    one("links-and-fifos", 0x81, nodes, pack(1, [
        row_file(b"f", b"x", further=b""),
        wire.row(wire.LINK, digest_id=CRC32, name=b"h", target=b"f",
                 further=b""),
        wire.row(wire.LINK, digest_id=CRC32, name=b"i", target=b"old",
                 further=b""),
        wire.row(wire.SPECIAL, digest_id=CRC32, name=b"p", special=1,
                 further=b"")], [b"x"]), end)
    none = hello(features=0)
    one("none-pack", 1, none, pack(1, ROWS, [b"hello"]), end)
    one("none-zlib", 1, none, pack(1, ROWS, [b"hello"], codec=1), end)
    one("none-offer", 1, none, offer(1, OFFERED), end)
    one("pack-zlib", 5, hello(), pack(1, ROWS * 1 + [
        row_file(b"z", b"a" * 3000)], [b"hello", b"a" * 3000], codec=1), end)
    one("unknown-size", 0, hello(), open_(1, UNKNOWN, b"s"),
        chunk(1, 0, b"hello"), file_end(1, 5, crc(b"hello")), end)
    one("hole", 2, hello(), open_(1, 3 * MIB, b"sparse", 5),
        frame("HOLE", id=1, length=3 * MIB),
        file_end(1, 3 * MIB, tree_digest([crc(bytes(MIB))] * 3, 3 * MIB)),
        end)
    spots = bytearray(2 * MIB + 3000)
    spots[MIB - 5:MIB + 5000] = b"a" * 5005
    parts = [bytes(spots[i:i + MIB]) for i in range(0, len(spots), MIB)]
    one("sparse", 2, hello(), open_(1, len(spots), b"sparse", 8192), *(
        chunk(1, i * MIB, part, codec=3) for i, part in enumerate(parts)),
        file_end(1, len(spots), wire.file_digest(bytes(spots), CRC32)), end)
    one("sparse-pack", 1, hello(), pack(1, [row_file(b"z", parts[0][-9000:])],
                                        [parts[0][-9000:]], codec=3), end)
    one("none-sparse", 1, none, pack(1, ROWS, [b"hello"], codec=3), end)
    one("exists-fail", 0, hello(), pack(1, [row_file(b"old", b"new")],
                                        [b"new"]), end)
    one("exists-replace", 1, hello(), pack(1, [row_file(b"old", b"new")],
                                           [b"new"]), end)
    one("exists-skip", 2, hello(), open_(1, 5, b"old"), chunk(
        1, 0, b"hello"), file_end(1, 5, crc(b"hello")), end)
    one("through-link", 1, hello(), pack(1, [row_file(b"out/secret", b"x")],
                                         [b"x"]), end)
    one("onto-link", 1, hello(), open_(1, 1, b"out"), chunk(1, 0, b"x"),
        file_end(1, 1, crc(b"x")), end)
    one("link-then-below", 1, hello(),
        pack(1, [row_link(b"a", b".")], []),
        pack(2, [row_link(b"b", b"a/.."), row_file(b"b/x", b"y")], [b"y"]),
        end)
    one("dots", 0, hello(), pack(1, [row_file(b"../out/x", b"y")], [b"y"]))
    one("modes", 0, hello(), pack(1, [
        row_dir(b"m", mode=0o7777, sec=-(1 << 63), nsec=999999999),
        row_file(b"m/f", b"1", mode=0o6755, sec=(1 << 63) - 1, nsec=0)],
        [b"1"]), end)
    one("wrong-content", 0, hello(), pack(1, [row_file(b"w", b"hello")],
                                          [b"hellO"]),
        ROOT.replace(b"hello", b"jello", 1), end)
    one("same-name", 1, hello(), pack(1, [
        row_file(b"x", b"1"), row_dir(b"x"), row_file(b"x/y", b"2"),
        row_link(b"x", b"y")], [b"1", b"2"]), end)
    one("abort", 0, hello(), open_(1, MIB + 1, b"big"),
        frame("FILE_ABORT", id=1), end)
    join = frame("JOIN", 3, index=1)
    second = open_(2, 3, b"two", flags=2) + chunk(2, 0, b"two", flags=2) \
        + file_end(2, 3, crc(b"two"), flags=2) + frame("STREAM_END", 2)
    one("two-streams", 0, hello(), join, ROOT, second, end)
    one("before-state", 0, hello(), join, *(
        open_(i, 3, b"f%d" % i) + chunk(i, 0, b"two", flags=2)
        for i in range(1, 13)), end)
    one("join-first", 0, join, hello(), ROOT)
    one("bad-token", 0, hello(), frame("JOIN", 2, index=1), end)
    one("hello-twice", 0, hello(), hello(), ROOT)
    one("http", 0, b"GET / HTTP/1.0\r\n\r\n")
    one("pings", 0, hello(), frame("PING") * 40, end)
    beats = hello(features=wire.FEATURES | wire.TIMEOUTS | wire.BUSY
                  | wire.REPORTS)
    one("heart-beats", 0, beats, frame("TIMEOUT", milliseconds=1),
        frame("BUSY") * 3, progress(MIB, MIB, 1), ROOT,
        frame("TIMEOUT", milliseconds=2**32 - 1), frame("BUSY"), end)
    one("heart-beats-none", 0, none, frame("TIMEOUT", milliseconds=1))
    one("note", 0, hello(features=UNKNOWN >> 32), frame("NOTE", name=b"x"),
        end)
    one("error", 0, hello(), frame("ERROR", text=b"\x1b[31mred"))
    one("huge", 0, hello(), open_(1, 1 << 53, b"huge"),
        chunk(1, (1 << 53) - MIB, b"x"), end)
    resumed(one, end)
    # offers: of what is new, with a pack of what is wanted, and of "old"
    old = b"nothing may change here\0"
    one("offer", 0, hello(), offer(1, OFFERED, flags=1),
        pack(5, [ROWS[1], ROWS[2]], [b"hello"]), end)
    one("offer-zlib", 4, hello(), offer(1, OFFERED * 9, codec=1), end)
    for config in range(6):
        one(f"offer-old-{config}", config, hello(), offer(1, [
            row_file(b"old", old, SHA256),
            row_file(b"new", b"x", SHA256)]), pack(
                3, [row_file(b"new", b"x")], [b"x"]), end)
    one("offer-other", 1, hello(),
        offer(1, [row_file(b"old", b"other", SHA256)]),
        pack(2, [row_file(b"old", b"other")], [b"other"]), end)
    one("offer-with-content", 0, hello(), pack(1, OFFERED, [b"hello"],
                                               kind="OFFER"), end)


def resumed(one, end):
    """Files that are there: CHECK says what the claimed chunks should be."""
    with_huge = 0x40
    size = len(HUGE)
    opened = open_(1, size, b"huge")
    ended = file_end(1, size, wire.file_digest(HUGE, CRC32))
    other = HUGE[:4 * MIB] + b"y" + HUGE[4 * MIB + 1:]
    # what is sent where the first six chunks are there already
    rest = b"".join(chunk(1, i * MIB, bytes(MIB), codec=1) for i in (6, 7, 8))
    for config in range(6):
        one(f"check-{config}", with_huge + config, hello(), opened,
            check(1, HUGE), ended, end)
        one(f"check-differs-{config}", with_huge + config, hello(), opened,
            check(1, other), file_end(1, size, wire.file_digest(
                other, CRC32)), end)
    # the same with a delta: it is told of where it is replaced (1)
    delta = hello(features=wire.FEATURES | wire.DELTAS)
    copied = wire.recipe([(MIB - 1, 8 * MIB), (1, wire.LITERAL)], b"z",
                         bytes(MIB - 1) + b"z")
    longer = open_(1, size + 5, b"huge")
    for config in (0, 1):
        one(f"delta-{config}", with_huge + config, delta, longer,
            compare(1, [HUGE[:MIB], bytes(MIB), b"y" * MIB]),
            pieces_of(1, 0, 9, 1), pieces_of(1, 0, 9),
            frame("CHUNK", id=1, offset=3 * MIB, codec=4, payload=copied,
                  raw=bytes(MIB - 1) + b"z"), chunk(1, 9 * MIB, b"later"),
            end)
    one("delta-outside", with_huge + 1, delta, longer,
        compare(1, [bytes(MIB)] * 3, first=8), end)
    one("check-range", with_huge + 2, hello(), opened,
        check(1, HUGE, kind=2), ended, end)
    one("check-parts", with_huge + 2, hello(), opened,
        check(1, HUGE[6 * MIB:], first=6), check(1, HUGE[:6 * MIB]), ended,
        end)
    one("check-twice", with_huge + 2, hello(), opened, check(1, HUGE) * 2)
    one("check-too-long", with_huge + 2, hello(), opened, check(1, HUGE * 8))
    one("check-not-claimed", 1, hello(), opened, check(1, HUGE))
    # a session is lost, and another one takes it over
    begun = [hello(hello_flags=2), opened] + [
        chunk(1, i * MIB, HUGE[i * MIB:][:MIB], codec=1) for i in range(6)]
    for name, *parts in (
            ("resume", check(1, HUGE[:6 * MIB]), rest, ended),
            ("resume-late", rest, ended, check(1, HUGE[:6 * MIB])),
            ("resume-differs", check(1, other[:6 * MIB]), rest,
             chunk(1, 4 * MIB, other[4 * MIB:][:MIB], codec=1),
             file_end(1, size, wire.file_digest(other, CRC32))),
            ("resume-unchecked", rest, ended)):
        again = [hello(hello_flags=2), opened, *parts, end]
        one(name, 0, *begun, on_second(b"".join(again)))


def on_second(data):
    """These frames by the second connection."""
    out, at = bytearray(data), 0
    while at < len(out):
        out[at + 1] |= 2
        at += wire.HEADER + wire.peek(out[at:at + wire.HEADER])[1]
    return bytes(out)


def receivers():
    def one(name, config, *parts):
        write("send", name, bytes([config]) + b"".join(parts))
    fix = summary(0, 0, flags=0x40)

    def after(count, reply):
        return reply[:1] + bytes([count]) + reply[2:]

    # in/a, in/b, in/c, in/d, in/d/link, in/large, in; with 2 the stream, too
    for config in range(16):
        all_of_it = 8 if config & 2 else 7
        one(f"good-{config:02}", config, ready(),
            after(9, verdict(1, all_of_it, 1)), fix)
        one(f"step-{config:02}", config, ready(),
            after(1, state(1, 1)), after(9, verdict(2, all_of_it - 1, 2)),
            verdict(1, 1, 1), fix)
    one("failed", 0, ready(), after(9, verdict(1, 2, 4, 2, 100, 5)),
        verdict(3, 5, 3), fix)
    one("refused", 1, ready(), after(1, state(1, 2)),
        after(9, verdict(1, 7, 4, 1)), fix)
    for ident in (1, 2, 8):
        one(f"resend-{ident}", 0, ready(),
            after(9, frame("RESEND", id=ident)),
            after(5, verdict(1, 7, 1)), after(4, verdict(8, 6, 1)), fix)
    one("unknown-ids", 0, ready(), verdict(500, 3, 1), state(77, 1))
    for config in (0, 2, 5, 8):
        one(f"none-{config:02}", config, ready(features=0),
            after(1, state(1, 1)),
            after(9, verdict(1, 8 if config & 2 else 7, 1)), fix)
    one("none-deferred", 0, ready(features=0), after(9, verdict(5, 1, 5)))
    one("none-resume", 0, ready(features=0),
        after(1, state(1, 3, wire.runs((0, 1)))))
    one("lies", 0, ready(), summary(3, 3))
    one("notes", 0, ready(), frame("NOTE", name=b"\x1b[2Jd"), fix)
    one("error", 0, frame("ERROR", code=3, text=b"busy\x9b"))
    one("version", 0, frame("READY", version=9, streams=1,
                            open_files=1))
    one("http", 0, b"HTTP/1.0 400 Bad Request\r\n\r\n")
    one("pings", 0, frame("PING") * 3, ready(16, 1), frame("PING") * 30)
    beats = ready(features=wire.FEATURES | wire.TIMEOUTS | wire.BUSY
                  | wire.REPORTS)
    one("heart-beats", 0, beats, frame("TIMEOUT", milliseconds=1),
        frame("BUSY") * 3, progress(MIB, UNKNOWN, 1),
        after(9, verdict(1, 7, 1)),
        frame("TIMEOUT", milliseconds=2**32 - 1), fix)
    one("heart-beats-none", 0, ready(features=0),
        frame("TIMEOUT", milliseconds=1))
    one("one-at-a-time", 2, ready(1, 1), after(1, state(1, 1)),
        after(3, verdict(1, 1, 1)), after(2, state(2, 1)),
        after(3, verdict(2, 1, 1)), after(9, verdict(3, 6, 2)), fix)
    resend_pack = frame("RESEND", id=2)
    # found unchanged, and then a pack is to come again: it is offered
    offering = after(5, verdict(1, 1, 2)), resend_pack
    one("offered", 0, ready(), *offering, after(2, offered(8, 6, b"\x07")),
        verdict(11, 3, 1), after(2, verdict(14, 3, 1)), fix)
    one("offered-nothing", 0, ready(), *offering,
        after(2, offered(8, 6, b"\0")), verdict(8, 6, 2), fix)
    one("offered-all", 0, ready(), *offering,
        after(2, offered(8, 6, b"\x3f")), after(2, verdict(14, 6, 1)), fix)
    one("offered-beyond", 0, ready(), *offering,
        after(2, offered(8, 6, b"\xff")))
    one("offered-twice", 0, ready(), *offering,
        after(2, offered(8, 6, b"\x07") * 2))
    one("offered-unasked", 0, ready(), after(5, offered(2, 6, b"\x07")))
    # lists, and what is there only; in the order of the scan, whatever that is
    lists = ready(features=wire.FEATURES | wire.LISTS | wire.UPDATED)
    for config in (0x20, 0x28, 0x30):
        count = 8 if config & 0x10 else 7
        one(f"listed-{config:x}", config, lists,
            after(2, verdict(1, count, 2)), listed(1, (0, 0, count)), fix)
        one(f"listed-wanted-{config:x}", config, lists,
            after(2, listed(1, (1, 0, 1), (5, 0, 1), (0, 0, 5))))
    one("listed-unasked", 0, lists, after(2, listed(1, (0, 0, 7))))
    deletes = ready(features=wire.FEATURES | wire.DELETES | wire.EXISTING)
    rows = flagged(1, wire.extras((1, b"x"), (2, b"d"), (2, b"z")))
    for config in (0x40, 0x48, 0x50, 0x60):
        count = 8 if config & 0x10 else 7
        one(f"extra-{config:x}", config, deletes,
            after(9, verdict(1, count, 1)),
            after(1, frame("EXTRA")), rows,
            after(1, frame("EXTRA", kind=3, count=1, list=bytes(2))),
            flagged(1, wire.extras((1, b"z/y"), (2, b"z"), flags=1)),
            after(1, frame("EXTRA", kind=3, count=2, list=bytes(4))),
            frame("EXTRA", kind=4), after(1, frame("EXTRA", kind=4)), fix)
    one("extra-early", 0x40, deletes, frame("EXTRA"))
    one("extra-unasked", 0, deletes, after(9, verdict(1, 7, 1)),
        frame("EXTRA"))
    # the file of 9 MiB is the second one
    claims = [ready(), after(2, state(1, 1)),
              state(2, 3, wire.runs((0, 9)))]
    for config in (0x10, 0x11, 0x12, 0x14, 0x18):
        count = 9 if config & 2 else 8
        one(f"checked-{config:02x}", config, *claims,
            after(4, checked(2, 0, 9)), after(9, verdict(1, count, 1)), fix)
        one(f"checked-differs-{config:02x}", config, *claims,
            after(4, checked(2, 0, 9, 0x105)),
            after(9, verdict(1, count, 1)), fix)
    one("checked-some", 0x10, ready(), after(2, state(1, 1)),
        state(2, 3, wire.runs((0, 3), (5, 4))), after(9, checked(2, 0, 3)),
        checked(2, 5, 4), after(5, verdict(1, 8, 1)), fix)
    one("checked-too-many", 0x10, *claims, after(4, checked(2, 0, 64)))
    one("checked-bits", 0x10, *claims, after(4, checked(2, 0, 9, UNKNOWN)))
    one("checked-twice", 0x10, *claims, after(4, checked(2, 0, 9) * 2))
    one("checked-none", 0x10, ready(), after(3, checked(2, 0, 9)))
    one("claims-of-small", 0, ready(),
        after(1, state(1, 3, wire.runs((0, 1)))))
    one("claims-beyond", 0x10, ready(),
        after(2, state(2, 3, wire.runs((0, 10)))))


# Flags of fuzz_journal.c.
NO_BOOT, FIX_HEAD, FIX_SEAL, FEW_RUNS = 4, 8, 16, 32
SALT = bytes(range(16))


def journal(flags=FIX_HEAD, leaves=100, less=1, boot=b"b", places=b"",
            version=1, peer=b"p", seconds=-7, salt=SALT):
    """The inode and the CRC are the target's to put right."""
    head = b"FERRYJNL" + struct.pack(
        ">BBHIQqII", version, 1 + (flags & 3), 0, 4096,
        max(leaves * 4096 - less, 0), seconds, 999999999, 0)
    head += peer * 32 + boot * 16 + salt + bytes(8) + bytes(12) + bytes(4)
    return (struct.pack(">BIH", flags, leaves, less) + head + bytes(128) +
            places)


def journals():
    def one(name, *args, **more):
        write("journal", name, journal(*args, **more))

    def place(tag, size=16, fill=b"d"):
        return fill * size + struct.pack(">I", tag)
    some = b"".join(place(i % 3) for i in range(40))
    one("written", places=place(1) * 100)
    one("flushed", places=place(2) * 100)
    one("some", places=some)
    one("sealed", FIX_HEAD | FIX_SEAL, places=some)
    one("other-boot", boot=b"c", places=some)
    one("other-boot-sealed", FIX_HEAD | FIX_SEAL, boot=b"c", places=some)
    one("no-boot", FIX_HEAD | NO_BOOT, boot=b"\0", places=some)
    one("few-runs", FIX_HEAD | FEW_RUNS, places=some)
    one("few-runs-other-boot", FIX_HEAD | FEW_RUNS, boot=b"c", places=some)
    one("more-than-leaves", leaves=3, places=place(2) * 5)
    one("torn-place", places=(place(2) * 5)[:-1])
    one("sha256", FIX_HEAD | 1, places=place(2, 32) * 9)
    one("crc32", FIX_HEAD | 2, places=place(1, 4) * 300)
    one("huge", leaves=(1 << 32) - 1, places=some)
    one("empty-file", leaves=0, less=0, places=place(2))
    one("other-version", version=2, places=some)
    one("other-peer", peer=b"q", places=some)
    one("other-time", seconds=-6, places=some)
    one("no-crc", 0, places=some)
    one("wrong-tags", places=place(0x12345678) * 5 + place(2))
    for kind, name in ((64, "readable"), (128, "linked"), (192, "symlink")):
        one(name, FIX_HEAD | kind, places=some)
    write("journal", "nothing", struct.pack(">BIH", FIX_HEAD, 10, 0))
    write("journal", "torn-head", journal()[:7 + 127])
    write("journal", "head-alone", journal()[:7 + 128])


# Flags of fuzz_pake.c: what the peer is, and what we are.
KNOWS, GUESSES, REFLECTS, RAW, IS_SENDER, USED, BURNT = 0, 1, 2, 3, 4, 8, 16
# A point of P-256: its generator.
POINT = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")


def exchanges():
    def one(name, flags, data=b""):
        write("pake", name + "-receiver", bytes([flags]) + data)
        write("pake", name + "-sender", bytes([flags | IS_SENDER]) + data)

    def change(at, bit=1):
        return bytes(at) + bytes([bit])
    one("knows", KNOWS)
    one("guesses", GUESSES)
    one("reflects", REFLECTS)
    # in head and body of the first message, and of the second, on either side
    for at in (0, 7, 8, 9, 39, 40, 47, 48, 72, 73, 80, 81, 112, 113, 144):
        one(f"knows-but-{at:03}", KNOWS, change(at, 0x80))
    one("reflects-but-form", REFLECTS, change(8, 4))
    one("reflects-but-sign", REFLECTS, change(72))
    # the number of the last message: wrong, and there is another code
    one("guesses-renewed", GUESSES, change(80))
    head = b"ferry/2"
    for name, share in (("point", POINT), ("infinity", bytes(65)),
                        ("compressed", b"\2" + POINT[1:33] + bytes(32)),
                        ("hybrid", b"\7" + POINT[1:]),
                        ("off-curve", b"\4" + b"\1" * 64),
                        ("too-large", b"\4" + b"\xff" * 64)):
        digest = hashlib.sha256(b"ferry/2 code share" + share).digest()
        write("pake", name + "-receiver", bytes([RAW]) + head + b"\1" + digest
              + head + b"\3" + share + bytes(32))
        write("pake", name + "-sender", bytes([RAW | IS_SENDER]) + head + b"\2"
              + share + head + b"\4" + bytes(32))
    one("no-mac", RAW, head + b"\1" + bytes(32))
    one("older", RAW, b"ferry/1\1" + POINT)
    one("nothing", RAW)
    one("tls", RAW, b"\x16\3\1\2\0\1")
    one("tls-after", RAW | USED, b"\x16\3\1\2\0\1")
    one("tls-burnt", RAW | USED | BURNT, b"\x16\3\1\2\0\1")
    one("again", KNOWS | USED)
    one("again-burnt", KNOWS | USED | BURNT)
    one("alert", RAW, b"\x15\3\3\0\2\2\x28")
    one("plain", RAW, hello())


def proxies():
    """What proxies say: SOCKS5, HTTP, and neither; URLs and lists."""
    socks = b"\5\0" + b"\5\0\0\1" + bytes(6)
    for i, value in enumerate((
            socks, b"\5\0\5\0\0\3\4name\0\1", b"\5\0\5\0\0\4" + bytes(18),
            b"\5\2\1\0" + socks[2:], b"\5\2\1\1", b"\5\xff", b"\4\0", b"\5",
            b"\5\0\5\5\0\1" + bytes(6), b"\5\0\5\0\0\x09", b"",
            b"\5\0\5\0\0\3\0\0\1", b"\5\0\5\x63")):
        write("proxy", f"socks-{i:02}", b"\0" + value)
        write("proxy", f"socks-user-{i:02}", b"\2" + value)
    for i, value in enumerate((
            b"HTTP/1.1 200 OK\r\n\r\nrest", b"HTTP/1.0 200\n\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 407 Proxy Authentication Required\r\na: b\r\n\r\n",
            b"HTTP/1.1 502 \x1b[31m\r\n\r\n", b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 2000 x\r\n\r\n", b"SSH-2.0-x\r\n\r\n", b"\n\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 20000 + b"\r\n\r\n")):
        write("proxy", f"http-{i:02}", b"\1" + value)
        write("proxy", f"http-user-{i:02}", b"\3" + value)
    for i, value in enumerate((
            b"socks5://me@h:1", b"http://[::1]:8080/", b"socks5://u:p@h",
            b"none", b"socks4://h", b"http://", b"*", b"a,.b, 192.0.2.0/24",
            b".example,::1")):
        write("proxy", f"words-{i:02}", b"\0" + value)


def main():
    frames()
    exchanges()
    journals()
    senders()
    receivers()
    tables()
    chunks()
    recipes()
    pieces()
    texts()
    words_of_users()
    proxies()
    trees()
    finish_all()


if __name__ == "__main__":
    main()
