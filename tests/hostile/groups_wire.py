"""Frames out of order, unknown ids, wrong lengths."""
import os
import time
import zlib

from lib.lab import need
from lib.peer import Closed
from lib.wire import (CHUNK, DEFERRED, DELTAS, DRY_RUN, FEATURES, HEADER,
                      HOLES, LAYOUTS, LISTS, MORE, OFFERS, PRESERVE, REPORTS,
                      RESUME, UNKNOWN, UNSENT, ZLIB, ZSTD, file_digest, header,
                      message, pack, row, sum_of)
from targets import ReceiverLab

EMPTY = file_digest(b"")
FILE = [message("OPEN", size=2), message("CHUNK", payload=b"xy")]
END = message("FILE_END", size=2, digest=file_digest(b"xy"))


def refuse(lab, title, *frames, code=2, allowed=None, hello=True, **values):
    """After HELLO these frames end the session with an ERROR."""
    def case():
        s = lab.sender(hello=hello, **values)
        try:
            s.send(*frames)
        except Closed:  # before all was sent: the ERROR may be lost then
            s.close()
            return
        lab.refused(s, code)
    lab.case(title, case, allowed)


def tolerate(lab, title, *frames, allowed=None, **values):
    """These frames may be refused or not; nothing wrong exists afterwards."""
    def case():
        s = lab.sender(**values)
        try:
            s.send(*frames)
            s.half_close()
            s.rest()
        except Closed:
            pass
        s.close()
    lab.case(title, case, allowed)


# ---- beginnings ------------------------------------------------------------


def beginnings(lab):
    for kind in LAYOUTS:
        if kind not in ("HELLO", "ERROR"):
            code = 4 if kind == "JOIN" else 2
            refuse(lab, f"{kind} first", message(kind), hello=False, code=code)
    for lie in ({"magic": b"FERRY\r\n\1"}, {"magic": b"FERRY\n\n\0"},
                {"digest_id": 0}, {"digest_id": 4}, {"digest_id": 255},
                {"streams": 0}, {"zero": 1}, {"zero": 0x80}, {"existing": 7},
                {"existing": 255}):
        refuse(lab, f"HELLO with {lie}", message("HELLO", **lie), hello=False)
    for version in (0, 1, 3, 255, 256, 65535):
        for kind in ("HELLO", "JOIN"):
            refuse(lab, f"{kind} of version {version}",
                   message(kind, version=version), hello=False, code=1)
    refuse(lab, "a longer HELLO of version 3",
           message("HELLO", version=3, tail=b"x" * 100), hello=False, code=1)
    for lie in ({"index": 0}, {"index": 16}, {"index": 65535}):
        refuse(lab, f"JOIN with {lie}", message("JOIN", **lie), hello=False)
    for cut in (1, 2, 17):
        hello = message("HELLO")
        refuse(lab, f"HELLO without {cut} bytes",
               header(1, len(hello) - HEADER - cut, hello[HEADER:-cut]) +
               hello[HEADER:-cut], hello=False)
    refuse(lab, "HELLO with bytes left over",
           message("HELLO", tail=b"x"), hello=False)
    refuse(lab, "HELLO with half a second word of features",
           message("HELLO", features=FEATURES | MORE, tail=b"xyz"),
           hello=False)
    refuse(lab, "HELLO twice", message("HELLO"))
    refuse(lab, "JOIN after HELLO", message("JOIN"))
    for text in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\1\2\0\1",
                 b"SSH-2.0-x\r\n", bytes(64), b"\xff" * 64):
        def other_protocol():
            s = lab.sender(hello=False)
            s.send(text)
            s.half_close()
            s.rest()
            s.close()
        lab.case(f"{text[:12]!r} first", other_protocol)

    def features():
        # both words, but for what gives rows another form, and a dry run
        s = lab.sender(features=(2**32 - 1) & ~PRESERVE & ~DRY_RUN,
                       streams=65535, tail=bytes([255] * 4))
        s.put_pack(1, [(b"n", b"x")])
        s.send(message("FLUSH"))
        need(s.verdicts(1) == {1: 1}, "not committed")
        need(s.ready["features"] ==
             FEATURES | DELTAS | LISTS | REPORTS | UNSENT,
             "unknown features granted")
        need(1 <= s.ready["streams"] <= 16, "streams")
        s.finish()
        need(s.rest()[-1]["message"] == "SUMMARY", "no SUMMARY")
    lab.case("unknown features and 65535 streams asked for", features,
             {b"n": [b"x"]})
    not_granted(lab)


# A frame of zstd: 200 times the letter a, in one block of run-length coding.
AS = bytes.fromhex("28b52ffd20c8") + (200 << 3 | 3).to_bytes(3, "little") \
    + b"a"


def not_granted(lab):
    """What needs a feature is answered where HELLO had it, and ends the
    session where it had not."""
    whole = file_digest(b"a" * 200)

    def chunk(codec, payload):
        return [message("OPEN", size=200),
                message("CHUNK", raw=b"a" * 200, raw_len=200, codec=codec,
                        payload=payload),
                message("FILE_END", size=200, digest=whole)]
    table = row(1, b"a" * 200, name=b"file")
    zlib_pack = pack([table], table_len=len(table), codec=1,
                     raw_len=len(table) + 200,
                     payload=zlib.compress(table + b"a" * 200))
    uses = {
        "zlib": (ZLIB, "VERDICT", chunk(1, zlib.compress(b"a" * 200))),
        "a pack with zlib": (ZLIB, "VERDICT", [zlib_pack]),
        "zstd": (ZSTD, "VERDICT", chunk(2, AS)),
        "a hole": (HOLES, "VERDICT", [
            message("OPEN", size=CHUNK), message("HOLE"),
            message("FILE_END", size=CHUNK,
                    digest=file_digest(bytes(CHUNK)))]),
        "an offer": (OFFERS, "OFFERED",
                     [pack([row(1, b"x", name=b"n")], kind="OFFER")]),
    }
    for title, (bit, answer, frames) in uses.items():
        def granted(answer=answer, frames=frames):
            s = lab.sender()
            s.send(*frames, message("FLUSH"))
            m = s.until(answer)
            need(m.get("status", 1) == 1, f"{m}")
            s.close()
        lab.case(f"{title} that was granted", granted,
                 {b"file": [b"a" * 200, bytes(CHUNK)]})
        refuse(lab, f"{title} that was not granted", *frames,
               features=FEATURES & ~bit)
    refuse(lab, "CHECK that was not granted", message("OPEN", size=CHUNK),
           message("CHECK"), features=FEATURES & ~RESUME)

    def symlink(features, *want):
        s = lab.sender(features=features)
        s.send(pack([row(3, name=b"l", target=b"n")]))
        got = [s.until("VERDICT")["status"] for _ in want]
        need(got == [*want], f"{got}")
        s.finish()
        need([m["message"] for m in s.rest()].count("VERDICT") ==
             (want == (5,)), "verdicts")
        s.close()
    lab.case("a symlink is deferred", lambda: symlink(FEATURES, 5),
             {b"l": [("link", b"n")]})
    lab.case("a symlink cannot be deferred",
             lambda: symlink(FEATURES & ~DEFERRED, 1),
             {b"l": [("link", b"n")]})


def streams(lab):
    def wrong(title, index, change, code=4):
        def case():
            s = lab.sender()
            other = s.join(1)
            other.until("READY")
            token = bytearray(s.ready["token"])
            change(token)
            lab.refused(s.join(index, bytes(token)), code)
            # the session itself goes on
            other.send(message("STREAM_END"))
            other.rest()
            s.put_file(1, b"n", b"x")
            s.send(message("FLUSH"))
            need(s.verdicts(1) == {1: 1}, "not committed")
            other.close()
            s.close()
        lab.case(title, case, {b"n": [b"x"]})

    def flip(at):
        def change(token):
            token[at] ^= 1
        return change
    for at in (0, 7, 15):
        wrong(f"JOIN with byte {at} of the token changed", 2, flip(at))
    wrong("JOIN with an index that is in use", 1, lambda t: None)

    def late():
        s = lab.sender()
        other = s.join(1)
        other.until("READY")
        s.finish()
        other.send(message("STREAM_END"))
        s.rest()
        lab.refused(s.join(2), 4)
    lab.case("JOIN with the token of a session that has ended", late)

    def after_end():
        s = lab.sender()
        other = s.join(1)
        other.until("READY")
        other.send(message("STREAM_END"), *FILE, END)
        other.rest()
        s.half_close()
        s.rest()
    lab.case("a file after STREAM_END", after_end)

    def finish_on_second():
        s = lab.sender()
        other = s.join(1)
        other.until("READY")
        other.send(message("FINISH"))
        lab.refused(other)
        s.rest()
    lab.case("FINISH on the second stream", finish_on_second)

    def take_over():
        ident = os.urandom(16)
        s = lab.sender(session=ident)
        s.send(message("OPEN", name=b"n", size=CHUNK))
        s.until("STATE")
        again = lab.sender(session=ident)
        kinds = [m["message"] for m in s.rest()]
        need("VERDICT" not in kinds, f"the former session: {kinds}")
        again.put_file(1, b"n", b"x")
        again.send(message("FLUSH"))
        need(again.verdicts(1) == {1: 1}, "not committed")
        again.finish()
        need(again.rest()[-1]["message"] == "SUMMARY", "no SUMMARY")
    lab.case("HELLO with the id of a running session", take_over,
             {b"n": [b"x"]})

    def take_over_flood():
        ident = os.urandom(16)
        for _ in range(50):
            lab.sender(session=ident, hello_flags=2)
    lab.case("fifty HELLO with one session id", take_over_flood)


# ---- order -----------------------------------------------------------------


def directions(lab):
    for kind in ("READY", "STATE", "VERDICT", "RESEND", "NOTE", "SUMMARY",
                 "CHECKED", "OFFERED"):
        refuse(lab, f"{kind} from the sender", message(kind))
    for number in (0, 14, 15, 24, 25, 27, 29, 32, 127, 128, 255):
        refuse(lab, f"a frame of type {number}", header(number, 0))
        refuse(lab, f"a frame of type {number} with a body",
               header(number, 5, b"12345") + b"12345")
    for kind in LAYOUTS:
        if kind in ("HELLO", "JOIN", "READY", "ERROR"):
            continue
        for lie in ({"flags": 1}, {"flags": 128}, {"check": 1},
                    {"check": 0x100}, {"body_check": 1},
                    {"body_check": 1 << 31}):
            refuse(lab, f"{kind} with {lie}", message(kind, frame=lie))


def unknown_ids(lab):
    for ident in (0, 7, 2**32, 2**63, UNKNOWN):
        for kind in ("CHUNK", "HOLE", "FILE_END", "FILE_ABORT", "CHECK"):
            refuse(lab, f"{kind} of file {ident}, never opened",
                   message(kind, id=ident, payload=b"x"))
            refuse(lab, f"{kind} of file {ident}, another is open",
                   *FILE, message(kind, id=ident, payload=b"x"))
    refuse(lab, "OPEN with id 0", message("OPEN", id=0))
    refuse(lab, "OPEN with a wrong digest",
           message("OPEN", size=2, digest=bytes(32)), *FILE[1:])
    refuse(lab, "PACK with id 0", pack([row(2)], id=0))
    refuse(lab, "OFFER with id 0", pack([row(2)], id=0, kind="OFFER"))
    refuse(lab, "PACK whose ids wrap",
           pack([row(2, name=b"%d" % i) for i in range(4)], id=UNKNOWN - 1))
    refuse(lab, "OPEN twice with an id", *FILE,
           message("OPEN", name=b"other"))


def used_ids(lab):
    """An id that stood for something else already."""
    allowed = {b"file": [b"xy"], b"other": [b"xy"], b"item": ["dir"],
               b"item2": ["dir"]}
    again = [message("OPEN", size=2, name=b"other"),
             message("CHUNK", payload=b"xy"), END]
    item = pack([row(2)])
    offer = pack([row(2)], kind="OFFER")
    for title, *frames in (
            ("OPEN after its own verdict", *FILE, END, *again),
            ("PACK after a file's verdict", *FILE, END, item),
            ("OFFER after a file's verdict", *FILE, END, offer),
            ("PACK with that of an open file", *FILE, item, END),
            ("PACK over that of an open file",
             message("OPEN", id=3, size=2),
             pack([row(2, name=b"item/%d" % i) for i in range(4)])),
            ("OPEN with that of an item", item, *again),
            ("PACK twice", item, pack([row(2, name=b"item2")]))):
        tolerate(lab, f"an id used twice: {title}", *frames,
                 message("FLUSH"), allowed={**allowed, **{
                     b"item/%d" % i: ["dir"] for i in range(4)}})


def file_order(lab):
    xy = {b"file": [b"xy"]}

    def ended(title, *frames, status=1, allowed=None):
        """One verdict, and the sender can finish."""
        def case():
            s = lab.sender()
            s.send(*frames, message("FLUSH"))
            got = s.verdicts(1)
            need(got == {1: status}, f"verdict {got}")
            if status == 1:
                s.good = [(1, 2, file_digest(b"xy"))]
            s.finish()
            need(s.rest()[-1]["message"] == "SUMMARY", "no SUMMARY")
            s.close()
        lab.case(title, case, allowed)
    ended("FILE_END before the chunk", FILE[0], END, FILE[1], allowed=xy)
    ended("a chunk twice", *FILE, FILE[1], END, allowed=xy)
    ended("a chunk twice, with another content", *FILE,
          message("CHUNK", payload=b"ab"), END, allowed=xy)
    ended("a chunk twice, FILE_END with the second's digest", *FILE,
          message("CHUNK", payload=b"ab"),
          message("FILE_END", size=2, digest=file_digest(b"ab")), status=4)
    ended("a digest that is wrong", *FILE,
          message("FILE_END", size=2, digest=bytes(32)), status=4)
    ended("a chunk after the verdict", *FILE, END,
          message("CHUNK", payload=b"ab"), allowed=xy)
    ended("FILE_ABORT after the verdict", *FILE, END, message("FILE_ABORT"),
          allowed=xy)
    a, b = b"a" * CHUNK, b"b" * CHUNK
    two = [message("OPEN", size=2 * CHUNK), message("CHUNK", payload=a),
           message("CHUNK", offset=CHUNK, payload=b)]
    two_end = message("FILE_END", size=2 * CHUNK, digest=file_digest(a + b))
    for again in (b, a):
        # what is in the receiver's buffer then is the other chunk
        tolerate(lab, f"the first chunk again, as {again[:1]!r}", *two,
                 message("CHUNK", payload=again), two_end, message("FLUSH"),
                 allowed={b"file": [a + b]})
        tolerate(lab, f"the second chunk again, as {again[:1]!r}",
                 *two[:2], two[2], two[1],
                 message("CHUNK", offset=CHUNK, payload=again), two_end,
                 message("FLUSH"), allowed={b"file": [a + b]})
    refuse(lab, "FILE_END twice before the chunk", FILE[0], END, END)
    refuse(lab, "FILE_END with another size", *FILE,
           message("FILE_END", size=1, digest=file_digest(b"x")))
    big = [message("OPEN", size=2 * CHUNK + 5)]
    for offset, n in ((0, 5), (0, CHUNK - 1), (CHUNK, 5), (2 * CHUNK, 4),
                      (2 * CHUNK, 6), (2 * CHUNK, CHUNK), (3 * CHUNK, 1),
                      (3 * CHUNK, CHUNK), (1, 5), (CHUNK // 2, 5),
                      (2**63, 5), (2**64 - CHUNK, CHUNK), (2**53, 1),
                      (3 * CHUNK, 0), (0, 0)):
        refuse(lab, f"a chunk of {n} bytes at {offset} in a file of 2 MiB + 5",
               *big, message("CHUNK", offset=offset, payload=bytes(n)))
    for offset, n in ((0, 0), (0, 5), (0, CHUNK + 1), (0, 3 * CHUNK),
                      (CHUNK, 2 * CHUNK), (2 * CHUNK, CHUNK), (1, CHUNK),
                      (3 * CHUNK, CHUNK), (2**64 - CHUNK, CHUNK),
                      (CHUNK, 2**64 - CHUNK), (0, 2**63), (2**63, 2**63),
                      (0, 2**64 - CHUNK), (2 * CHUNK, 5)):
        refuse(lab, f"a hole of {n} bytes at {offset} in a file of 2 MiB + 5",
               *big, message("HOLE", offset=offset, length=n))
    refuse(lab, "a hole over a chunk", *big,
           message("CHUNK", payload=bytes(CHUNK)), message("HOLE"))
    refuse(lab, "a hole twice", *big, message("HOLE"), message("HOLE"))
    refuse(lab, "a hole in a file of unknown size",
           message("OPEN", size=UNKNOWN), message("HOLE"))
    stream = message("OPEN", size=UNKNOWN)
    short = message("CHUNK", payload=b"xy")
    refuse(lab, "a chunk after a short one", stream, short,
           message("CHUNK", offset=CHUNK, payload=b"xy"))
    refuse(lab, "FILE_END of a stream before its reach", stream, short,
           message("FILE_END", size=1, digest=file_digest(b"x")))
    refuse(lab, "FILE_END of a stream after its end", stream, short,
           message("FILE_END", size=3, digest=file_digest(b"xyz")))
    for size in (2**46 + 1, 2**53, 2**53 + 1, 2**63, UNKNOWN):
        refuse(lab, f"FILE_END of a stream with size {size}", stream,
               message("FILE_END", size=size, digest=EMPTY))
    tolerate(lab, "a chunk at 2^46 of a stream", stream,
             message("CHUNK", offset=2**46, payload=b"x"))
    tolerate(lab, "a chunk at 2^46 - 2^20 of a stream", stream,
             message("CHUNK", offset=2**46 - CHUNK, payload=b"x"))
    tolerate(lab, "an end in the midst of a file", *big,
             message("CHUNK", payload=bytes(CHUNK)))
    tolerate(lab, "an end before FILE_END", *FILE)
    tolerate(lab, "an end before FINISH", *FILE, END, allowed=xy)
    tolerate(lab, "an end in a header", *FILE, END[:3])
    tolerate(lab, "an end in a body", *FILE, END[:20])


def finish_order(lab):
    item = pack([row(1, b"xy", name=b"item")], b"xy")
    there = {b"item": [b"xy"]}
    refuse(lab, "FINISH with a file open", *FILE, message("FINISH"))
    refuse(lab, "FINISH with a pack before its verdict", item,
           message("FINISH", files=1, bytes=2), allowed=there)
    honest = sum_of([(1, 2, file_digest(b"xy"))])
    for lie in ({"files": 0}, {"files": 2}, {"files": UNKNOWN}, {"bytes": 1},
                {"bytes": 3}, {"sum": honest ^ 1}, {"sum": 0},
                {"sum": honest ^ 1 << 127}):
        def case():
            s = lab.sender()
            s.put_pack(1, [(b"item", b"xy")])
            s.send(message("FLUSH"))
            s.verdicts(1)
            s.finish(**lie)
            replies = s.rest()
            kinds = [m["message"] for m in replies]
            need(kinds == ["ERROR"], f"{kinds}")
        lab.case(f"FINISH with {lie}", case, there)
    for kind in LAYOUTS:
        if kind in ("PING", "BUSY", "ERROR"):
            continue

        def after_finish():
            s = lab.sender()
            other = s.join(1)  # so that the session does not end at once
            other.until("READY")
            s.send(message("FINISH"), message(kind))
            lab.refused(s)
            other.rest()
        lab.case(f"{kind} after FINISH", after_finish)

    def ping_after():
        s = lab.sender()
        other = s.join(1)
        other.until("READY")
        s.send(message("FINISH"), message("PING") * 3)
        other.send(message("STREAM_END"))
        need(s.rest()[-1]["message"] == "SUMMARY", "no SUMMARY")
    lab.case("PING after FINISH", ping_after)

    def data_on_second():
        s = lab.sender()
        other = s.join(1)
        other.until("READY")
        s.send(message("FINISH"))
        time.sleep(0.05)
        other.send(*FILE, END)
        other.half_close()
        other.rest()
        kinds = [m["message"] for m in s.rest()]
        need("SUMMARY" not in kinds, f"{kinds}")
    lab.case("a file on the second stream after FINISH", data_on_second,
             {b"file": [b"xy"]})
    refuse(lab, "STREAM_END on the first stream", message("STREAM_END"))

    def too_many():
        s = lab.sender()
        n = s.ready["open_files"] + 1
        s.send(*[message("OPEN", id=i + 1, name=b"n%d" % i, size=9)
                 for i in range(n)])
        lab.refused(s)
    lab.case("more files open than allowed", too_many)


def two_contents(lab):
    """One chunk with two contents, by two streams at the same time."""
    a, b = b"a" * CHUNK, b"b" * CHUNK

    def case():
        s = lab.sender()
        other = s.join(1)
        other.until("READY")
        s.send(message("OPEN", size=CHUNK),
               message("FILE_END", size=CHUNK, digest=file_digest(a)))
        s.until("STATE")
        # all but the last bytes, so that both end at once
        frames = [message("CHUNK", payload=data) for data in (a, b)]
        for link, frame in zip((s, other), frames):
            link.send(frame[:-1])
        for link, frame in zip((s, other), frames):
            try:
                link.send(frame[-1:])
            except Closed:
                pass
        for link in (s, other):
            link.half_close()
            link.rest()
            link.close()
    for n in range(30):
        lab.case(f"a chunk with two contents, by two streams ({n})", case,
                 {b"file": [a]})


def order(cases):
    lab = ReceiverLab(cases)
    for group in (beginnings, streams, directions, unknown_ids, used_ids,
                  file_order, two_contents, finish_order):
        group(lab)
    lab.close()


# ---- lengths ---------------------------------------------------------------

EDGES = [0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]
# message, field, its bytes, the least and the greatest that it may be here
FIELDS = [
    ("OPEN", "id", 8, 1, UNKNOWN), ("OPEN", "size", 8, 0, 2**53),
    ("OPEN", "allocated", 8, 0, UNKNOWN), ("OPEN", "mode", 4, 0, 0o7777),
    ("OPEN", "nsec", 4, 0, 10**9 - 1), ("OPEN", "name_len", 2, 4, 4),
    ("CHUNK", "offset", 8, 0, 0), ("CHUNK", "raw_len", 4, 2, 2),
    ("CHUNK", "codec", 1, 0, 3), ("HOLE", "offset", 8, 0, 0),
    ("HOLE", "length", 8, CHUNK, CHUNK), ("FILE_END", "size", 8, 2, 2),
    ("PACK", "id", 8, 1, UNKNOWN), ("PACK", "items", 4, 1, 1),
    ("PACK", "raw_len", 4, None, None), ("PACK", "table_len", 4, None, None),
    ("PACK", "codec", 1, 0, 3), ("OFFER", "items", 4, 1, 1),
    ("OFFER", "raw_len", 4, None, None),
    ("OFFER", "table_len", 4, None, None), ("CHECK", "offset", 8, 0, -1),
    ("CHECK", "chunks", 4, 0, -1), ("CHECK", "kind", 1, 0, -1),
    ("ROW", "kind", 1, 1, 3), ("ROW", "size", 4, None, None),
    ("ROW", "name_len", 2, 4, 4), ("ROW", "mode", 4, 0, 0o7777),
    ("ROW", "nsec", 4, 0, 10**9 - 1), ("LINK", "target_len", 2, 6, 6),
    ("TIMEOUT", "milliseconds", 4, 1, UNKNOWN),
]


def with_field(kind, field, value):
    lie = {field: value}
    if kind == "ROW":
        if field == "kind":
            table = bytearray(row(1, b"xy"))
            table[0] = value
            return [pack([bytes(table)], b"xy")]
        return [pack([row(1, b"xy", **lie)], b"xy")]
    if kind == "LINK":
        return [pack([row(3, **lie)])]
    if kind == "PACK":
        return [pack([row(1, b"xy")], b"xy", **lie)]
    if kind == "OFFER":
        return [pack([row(1, b"xy")], kind="OFFER", **lie)]
    if kind in ("OPEN", "TIMEOUT"):
        return [message(kind, **lie)]
    if kind == "HOLE":
        return [message("OPEN", size=CHUNK), message("HOLE", **lie)]
    opened = [message("OPEN", size=2)]
    return opened + [message(kind, payload=b"xy", **lie)]


def field_values(lab):
    for kind, field, size, low, high in FIELDS:
        edges = set(EDGES)
        for edge in (low, high):
            if edge is not None:
                edges |= {edge - 1, edge, edge + 1}
        if low is None:
            n = len(row(1, b"xy"))
            edges |= {n - 1, n, n + 1, n + 2, n + 3, CHUNK, CHUNK + 1}
        for value in sorted(v for v in edges if 0 <= v < 1 << 8 * size):
            frames = with_field(kind, field, value)
            title = f"{kind} with {field} {value}"
            whole = {b"file": [b"", b"xy", bytes(CHUNK)],
                     b"item": [b"xy", "dir"]}
            if low is not None and not low <= value <= high and \
                    (field, value) != ("size", UNKNOWN):
                refuse(lab, title, *frames)
            else:
                tolerate(lab, title, *frames, message("FLUSH"), allowed=whole)


def frame_lengths(lab):
    for kind in ("OPEN", "CHUNK", "HOLE", "FILE_END", "FILE_ABORT", "PACK",
                 "STREAM_END", "FINISH", "FLUSH", "CHECK", "OFFER", "PING",
                 "TIMEOUT",
                 "ERROR"):
        whole = message(kind)[HEADER:]
        for n in (2**21, 2**24, 2**31 - 1, 2**31, 2**32 - 1):
            def case():
                s = lab.sender()
                s.send(header(LAYOUTS[kind][0], n, whole) + whole)
                lab.refused(s)
            lab.case(f"{kind} of {n} bytes", case)
        for tail in (b"x", bytes(9)):
            if kind == "ERROR":
                tolerate(lab, "ERROR with bytes left over",
                         message("ERROR", tail=tail))
            elif kind in ("CHUNK", "OPEN", "CHECK"):
                refuse(lab, f"{kind} with {len(tail)} bytes left over",
                       message("OPEN", id=9, size=2, name=b"f"),
                       message(kind, id=9, tail=tail, **(
                           {"raw": b""} if kind == "CHUNK" else {})))
            else:
                refuse(lab, f"{kind} with {len(tail)} bytes left over",
                       message(kind, tail=tail))
        for cut in range(1, len(whole) + 1, 3):
            body = whole[:-cut]
            if kind == "ERROR":
                tolerate(lab, f"ERROR without {cut} bytes",
                         header(31, len(body), body) + body)
            else:
                refuse(lab, f"{kind} without {cut} bytes",
                       header(LAYOUTS[kind][0], len(body), body) + body)


def error_texts(lab):
    for text in (b"", b"x" * 512, b"x" * 513, b"x" * 60000, b"\x1b[31m\x9b",
                 b"two\nlines\r\n", b"\xff\xfe", b"%s%n", b"\0\0",
                 "\u202e\u009b".encode()):
        for code in (0, 1, 5, 10, 11, 65535):
            tolerate(lab, f"ERROR {code} {text[:12]!r} ({len(text)})",
                     message("ERROR", code=code, text=text))
    for cause in (0, 1, 13, 20, 21, 255, 65535):
        tolerate(lab, f"FILE_ABORT with cause {cause}", *FILE,
                 message("FILE_ABORT", cause=cause))


def lengths(cases):
    lab = ReceiverLab(cases)
    field_values(lab)
    frame_lengths(lab)
    error_texts(lab)
    lab.close()
