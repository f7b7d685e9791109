"""What a hostile sender with a key does that costs the receiver more than
itself: see budgets."""
import os
import struct

from flooder import Session
from lib.wire import (CHUNK, DELETES, DELTAS, DIGESTS, DRY_RUN, EXISTING,
                      FEATURES, LISTS, SHA256, UPDATED, deletes, list_of,
                      listed_row, message, pack, recipe, row)

H = DIGESTS[SHA256]
ALL = FEATURES | EXISTING
REPLACE = 3
CAP = 12         # sessions of one sender, of 16
STREAMS = 16     # of a session
LARGE = 64       # chunks of the file that is there already
NAMES = 20_000   # in a directory that is there
MANY = 200       # frames in a row, each with an id of its own


class Attack:
    """sessions, streams: how many at a time; the others are of Session."""

    def __init__(self, title, sessions=CAP, streams=1, prepare=None, **more):
        self.title, self.count, self.prepare = title, sessions, prepare
        self.more = {"features": ALL, "existing": REPLACE,
                     "streams": streams, **more}

    def sessions(self, port, key):
        return [Session(port, key, **self.more) for _ in range(self.count)]


def ids(stream):
    """Numbers of files that no other stream of the session uses."""
    return range(1 + stream * MANY * 1024, 1 + (stream + 1) * MANY * 1024)


# ---- what is there before ---------------------------------------------------


def content(i):
    """Of a chunk that is there: 4 KiB again and again, others in each."""
    return H(b"%d" % i) * (CHUNK // 32)


def large_file(directory):
    with open(os.path.join(directory, "large"), "wb") as f:
        for i in range(LARGE):
            f.write(content(i))


def many_names(directory):
    os.mkdir(os.path.join(directory, "names"))
    for i in range(NAMES):
        with open(os.path.join(directory, "names", f"{i:05}" * 10), "wb"):
            pass


def medium_files(directory):
    """As large as one can be that is offered."""
    for i in range(8):
        with open(os.path.join(directory, f"medium{i}"), "wb") as f:
            f.write(content(i))


# ---- what is sent -----------------------------------------------------------


def open_(ident, chunks, name=b"large", **more):
    return message("OPEN", id=ident, size=chunks * CHUNK, name=name, **more)


def abort(ident):
    return message("FILE_ABORT", id=ident)


def one_chunk(i):
    return (open_(ids(i)[0], 4, b"held%d" % i) +
            message("CHUNK", id=ids(i)[0], payload=bytes(CHUNK)))


def opened(i):
    return b"".join(open_(n, 4, b"o%d" % n)
                    for n in list(ids(i))[:60 // STREAMS])


def opened_and_aborted(i):
    return b"".join(open_(n, 4, b"o%d" % n) + abort(n)
                    for n in list(ids(i))[:MANY])


RANGE = H(b"".join(H(content(i)) for i in range(LARGE)))


def checks(i):
    """All of a file is compared, by one digest."""
    return b"".join(
        open_(n, LARGE) + message("CHECK", id=n, kind=2, chunks=LARGE,
                                  digests=RANGE) + abort(n)
        for n in list(ids(i))[:MANY])


def wrong_checks(i):
    """A digest that differs: all is copied that is the same."""
    good = b"".join(H(content(n)) for n in range(LARGE - 1)) + bytes(32)
    return b"".join(
        open_(n, LARGE) + message("CHECK", id=n, chunks=LARGE,
                                  digests=good) + abort(n)
        for n in list(ids(i))[:MANY])


def compares(i):
    return b"".join(
        open_(n, LARGE) + message("COMPARE", id=n, count=LARGE, kind=2,
                                  bits=12) + abort(n)
        for n in list(ids(i))[:MANY])


def holes(i):
    return b"".join(
        open_(n, 8, b"hole%d" % n) +
        message("HOLE", id=n, length=8 * CHUNK) + abort(n)
        for n in list(ids(i))[:MANY])


def in_packs(i, rows, kind="PACK", per=1024, count=8, data=b""):
    """rows(n): one of a pack, by its number."""
    first, out = ids(i)[0], []
    for n in range(0, count * per, per):
        made = [rows(first + n + k) for k in range(per)]
        out.append(pack(made, data * per, kind, id=first + n))
    return b"".join(out)


def offers(i):
    def one(n):
        return row(1, name=b"medium%d" % (n % 8), size=CHUNK, digest=bytes(32))
    return in_packs(i, one, "OFFER", per=8, count=MANY)


def tiny(i):
    return b"".join(
        pack([row(1, b"", name=b"tiny%d" % i)], id=n) + message("FLUSH")
        for n in list(ids(i))[:MANY])


def tiny_chunks(i):
    n = ids(i)[0]
    return open_(n, 1, b"t%d" % i) + message(
        "CHUNK", id=n, payload=b"") * MANY


def directories(i):
    return in_packs(i, lambda n: row(2, name=b"dirs/%d" % n), per=512)


def deep(i):
    def one(n):
        path = b"/".join([b"%d" % (n >> 3)] + [b"d"] * 120 + [b"%d" % (n & 7)])
        return row(2, name=b"deep/" + path)
    return in_packs(i, one, per=512)


def symlinks(i):
    return in_packs(i, lambda n: row(3, name=b"links/%d" % n,
                                     target=b"t" * 200), per=512)


def long_names(i):
    """Items that fail, each with a reason."""
    return in_packs(i, lambda n: row(1, b"", name=b"large/%d" % n), per=512)


def bad_names(i):
    return in_packs(i, lambda n: row(1, b"", name=b"x" * 300 + b"%d" % n),
                    per=512)


def bombs(i):
    """zstd of 1 MiB of zeros: one RLE block for each 128 KiB."""
    n = ids(i)[0]
    block = struct.pack("<I", CHUNK // 8 << 3 | 1 << 1)[:3] + b"\0"
    last = struct.pack("<I", CHUNK // 8 << 3 | 1 << 1 | 1)[:3] + b"\0"
    frame = struct.pack("<IBB", 0xFD2FB528, 0, 0x58) + block * 7 + last
    chunk = {"codec": 2, "raw_len": CHUNK, "payload": frame,
             "digest": H(bytes(CHUNK))}
    return open_(n, 4, b"bomb%d" % n) + b"".join(
        message("CHUNK", id=n, offset=k * CHUNK, **chunk)
        for k in range(3)) * MANY


def damaged(i):
    n = ids(i)[0]
    return open_(n, 1, b"damaged%d" % i) + message(
        "CHUNK", id=n, payload=b"x", raw_len=CHUNK, digest=bytes(32)) * MANY


def recipes(i):
    raw, ops = bytearray(), []
    for k in range(1024):
        at = k * 65_537 % (LARGE * CHUNK - 1024)
        ops.append((1024, at))
        start, off = divmod(at, CHUNK)
        raw += (content(start) + content(start + 1))[off:off + 1024]
    data = recipe(ops, raw=bytes(raw))
    return b"".join(
        open_(n, LARGE) + message("CHUNK", id=n, codec=4, raw_len=CHUNK,
                                  payload=data, digest=H(bytes(raw))) +
        abort(n) for n in list(ids(i))[:MANY // 10])


def lists(i):
    first, out = ids(i)[0], []
    for k in range(8):
        made = [listed_row(b"names/" + b"%05d" % (n % NAMES) * 10,
                           bits=8 | 16, sha=bytes(32)) for n in range(512)]
        out.append(list_of(made, id=first + k * 512))
    return b"".join(out)


def deletions(_):
    begin = message("DELETE", kind=1)
    return begin + deletes((b"names", [])) * 4


def filling(i):
    """A file for each chunk; none is finished."""
    n = ids(i)[0]
    data = os.urandom(CHUNK)
    return b"".join(
        open_(k, 20, b"fill%d" % k) +
        b"".join(message("CHUNK", id=k, offset=c * CHUNK, payload=data)
                 for c in range(19)) for k in range(n, n + 3))


def finished(_):
    return message("FINISH")


LISTING = ALL | LISTS | UPDATED
ATTACKS = [
    Attack("PING for ever", first=b"", again=message("PING") * 1000),
    Attack("PING for ever, on all streams", streams=STREAMS,
           again=message("PING") * 1000),
    Attack("all sessions and streams, a chunk on each, then silence",
           streams=STREAMS, first=one_chunk),
    Attack("files that are opened, and no data", streams=STREAMS,
           first=opened),
    Attack("files that are opened and aborted", streams=STREAMS,
           again=opened_and_aborted),
    Attack("files there are compared", streams=STREAMS, again=checks,
           prepare=large_file),
    Attack("files there are compared, and differ at the end",
           streams=STREAMS, again=wrong_checks, prepare=large_file),
    Attack("offers of files there", streams=STREAMS, again=offers,
           prepare=medium_files),
    Attack("lists of files there, by content", streams=STREAMS, again=lists,
           prepare=many_names, features=LISTING),
    Attack("DELETE in a dry run", again=deletions, prepare=many_names,
           features=LISTING | DELETES | DRY_RUN),
    Attack("HOLEs", streams=STREAMS, again=holes),
    Attack("NOTEs", again=message("NOTE", kind=1, name=b"n" * 255) * MANY),
    Attack("FLUSH after each empty file", streams=STREAMS, again=tiny),
    Attack("chunks of nothing", streams=STREAMS, again=tiny_chunks),
    Attack("directories", streams=STREAMS, again=directories),
    Attack("deep directories", streams=STREAMS, again=deep),
    Attack("symlinks", streams=STREAMS, again=symlinks),
    Attack("items that fail", streams=STREAMS, again=long_names,
           prepare=large_file),
    Attack("names that are too long", streams=STREAMS, again=bad_names),
    Attack("answers that are not read", streams=STREAMS, again=bad_names,
           is_read=False),
    Attack("compressed zeros", streams=STREAMS, again=bombs),
    Attack("chunks that are damaged", streams=STREAMS, again=damaged),
    Attack("recipes of 1024 operations", streams=STREAMS, again=recipes,
           prepare=large_file, features=ALL | DELTAS),
    Attack("pieces of files there", streams=STREAMS, again=compares,
           prepare=large_file, features=ALL | DELTAS),
    Attack("files that are never finished", streams=4, again=filling),
    Attack("sessions that end at once", again=finished),
    Attack("sessions that break the protocol",
           again=message("STREAM_END")),
]
