"""Frames that cost the receiver more than the sender, and false claims about
existing content."""
import gzip
import os
import struct
import subprocess
import tempfile
import threading
import time
import zlib

from lib.lab import need
from lib.limits import scaled
from lib.peer import Closed
from lib.wire import CHUNK, SHA256, DIGESTS, file_digest, message, pack, row
from targets import SANITIZED, ReceiverLab

H = DIGESTS[SHA256]
MAGIC_ZSTD = struct.pack("<I", 0xFD2FB528)
SKIPPABLE = struct.pack("<II", 0x184D2A50, 8) + b"skipped!"


def zstd(data, *options):
    return subprocess.run(["zstd", "-q", "-c", "--no-check", *options],
                          input=data, stdout=subprocess.PIPE,
                          check=True).stdout


def zstd_of_zeros(n):
    """Generated as it is read, so that it needs no memory here."""
    with open("/dev/zero", "rb") as zero:
        head = subprocess.Popen(["head", "-c", str(n)], stdin=zero,
                                stdout=subprocess.PIPE)
        out = subprocess.run(["zstd", "-q", "-c"], stdin=head.stdout,
                             stdout=subprocess.PIPE, check=True).stdout
        head.wait()
    return out


def raw_frame(window, blocks, descriptor=0):
    """A zstd frame by hand: a window's byte, and blocks as they are."""
    return MAGIC_ZSTD + bytes([descriptor, window]) + blocks


def raw_block(data, last=1, kind=0, size=None):
    n = len(data) if size is None else size
    return struct.pack("<I", n << 3 | kind << 1 | last)[:3] + data


def payloads():
    """title, codec, payload, raw bytes that are announced."""
    text = b"text " * 2000
    n = len(text)
    z, s = zlib.compress(text), zstd(text)
    for codec, good in ((1, z), (2, s)):
        yield "nothing", codec, b"", n
        yield "cut short", codec, good[:-3], n
        yield "cut to one byte", codec, good[:1], n
        yield "a trailing byte", codec, good + b"x", n
        yield "trailing zeros", codec, good + bytes(40), n
        yield "twice", codec, good + good, n
        yield "twice, announced so", codec, good + good, 2 * n
        yield "more than announced", codec, good, n - 1
        yield "much more than announced", codec, good, len(good)
        yield "less than announced", codec, good, n + 1
        yield "much less than announced", codec, good, CHUNK
        yield "garbage", codec, os.urandom(500), n
        yield "zeros", codec, bytes(500), n
        yield "the other codec", codec, s if codec == 1 else z, n
        for at in (0, 2, 5, len(good) // 2, len(good) - 1):
            flipped = bytearray(good)
            flipped[at] ^= 0x40
            yield f"byte {at} changed", codec, bytes(flipped), n
    bomb = zlib.compress(bytes(64 << 20), 9)
    yield "64 MiB of zeros", 1, bomb, CHUNK
    yield "64 MiB of zeros as 70000 bytes", 1, bomb, 70000
    bomb = zstd_of_zeros(1 << 30)
    yield "1 GiB of zeros", 2, bomb, CHUNK
    yield "RLE blocks of 4 GiB", 2, raw_frame(
        0x50, raw_block(b"\0", 0, 1, 128 << 10) * (1 << 15) +
        raw_block(b"\0", 1, 1, 128 << 10)), CHUNK
    yield "bytes of gzip", 1, gzip.compress(text), n
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    yield "raw deflate", 1, deflate.compress(text) + deflate.flush(), n
    preset = zlib.compressobj(zdict=b"text text")
    yield "a preset dictionary", 1, preset.compress(text) + preset.flush(), n
    with tempfile.NamedTemporaryFile() as f:
        f.write(os.urandom(200) + text[:900])
        f.flush()
        yield "a dictionary", 2, zstd(text, "-D", f.name), n
    yield "a dictionary's id", 2, MAGIC_ZSTD + bytes([1, 0x50, 7]) + raw_block(
        text[:500]), 500
    yield "a skippable frame before", 2, SKIPPABLE + s, n
    yield "a skippable frame after it", 2, s + SKIPPABLE, n
    yield "a skippable frame alone", 2, SKIPPABLE, n
    yield "a skippable frame of 4 GiB", 2, struct.pack(
        "<II", 0x184D2A50, 2**32 - 1) + s, n
    for window in (0x70, 0x98, 0xA8, 0xFF):  # 16 MiB, 512 MiB, 2 GiB, most
        yield f"a window of {window:#x}", 2, raw_frame(
            window, raw_block(text[:500])), 600
    yield "a block of a reserved kind", 2, raw_frame(
        0x50, raw_block(text[:500], 1, 3)), 500
    yield "blocks of nothing", 2, raw_frame(
        0x50, raw_block(b"", 0) * 10000 + raw_block(text[:500])), 40000
    yield "a content size of 2^64 - 1", 2, MAGIC_ZSTD + bytes(
        [0xE0]) + b"\xff" * 8 + raw_block(text[:500]), 600


def damaged(lab, send):
    """The payload is refused, or asked for again; it is never taken."""
    def case():
        s = lab.sender()
        try:
            s.send(*send)
        except Closed:
            pass
        replies = s.replies("RESEND", "VERDICT", "ERROR")
        s.close()
        kinds = [m["message"] for m in replies]
        good = [m for m in replies if m["message"] == "VERDICT" and
                m["status"] != 4]
        need(not good, f"taken: {kinds}")
        need("RESEND" in kinds or "ERROR" in kinds, f"{kinds}")
    return case


def bombs(cases):
    lab = ReceiverLab(cases)
    for title, codec, payload, raw_len in payloads():
        raw = bytes(raw_len)
        lab.case(
            f"codec {codec}, chunk: {title}",
            damaged(lab, [message("OPEN", size=raw_len), message(
                "CHUNK", codec=codec, payload=payload, raw_len=raw_len,
                digest=H(raw)), message("FILE_END", size=raw_len,
                                        digest=file_digest(raw)),
                message("FLUSH")]))
        table = row(1, raw[:1], size=min(raw_len, CHUNK))
        for kind in ("PACK", "OFFER"):
            lab.case(f"codec {codec}, {kind}: {title}",
                     damaged(lab, [pack([table], kind=kind, codec=codec,
                                        payload=payload, raw_len=raw_len),
                                   message("FLUSH")]))
    for codec in (3, 4, 127, 255):
        lab.case(f"codec {codec}", damaged(lab, [
            message("OPEN", size=2),
            message("CHUNK", codec=codec, payload=b"xy")]))
    for kind, frames in (
            ("chunk", [message("OPEN", size=2), message(
                "CHUNK", payload=b"xy", digest=bytes(32))]),
            ("table", [pack([row(1, b"xy")], b"xy", digest=bytes(32))]),
            ("file of a pack", [pack([row(1, b"xy", digest=bytes(32))],
                                     b"xy")])):
        lab.case(f"a wrong digest of a {kind}",
                 damaged(lab, frames + [message("FLUSH")]))
    for ratio in (1, 2):
        def honest():
            data = os.urandom(1000) + bytes(CHUNK - 1000)
            payload = zlib.compress(data) if ratio == 1 else zstd(data)
            s = lab.sender()
            s.send(message("OPEN", size=CHUNK), message(
                "CHUNK", codec=ratio, payload=payload, raw=data),
                message("FILE_END", size=CHUNK, digest=H(data)),
                message("FLUSH"))
            need(s.verdicts(1) == {1: 1}, "not committed")
            lab.data = data
            s.close()
        lab.cases.run(f"codec {ratio}, as it should be", honest,
                      lambda: lab.check({b"file": [lab.data]}))
        lab.reset()
    lab.close()


# ---- floods ----------------------------------------------------------------


def flood(lab, title, frames, times, cpu=20.0, first=(), read=True,
          rss=64 << 20):
    def case():
        before, cpu_before = lab.rss(), lab.receiver.cpu()
        s = lab.sender()
        try:
            s.send(*first)
            block = b"".join(frames) * 100
            for _ in range(times // 100):
                s.send(block)
            s.half_close()
        except (Closed, TimeoutError):
            pass
        if read:
            try:
                s.rest()
            except TimeoutError:
                pass
        s.close()
        lab.settle()
        used = lab.receiver.cpu() - cpu_before
        grown = lab.rss() - before
        need(SANITIZED or used < cpu, f"{used:.1f} s of the processor")
        need(SANITIZED or grown < rss, f"{grown >> 20} MiB more memory")
    lab.case(title, case, {b"item": ["dir", b""], b"f": [b""]})


def pinging(s, pause):
    """PINGs until the other side hangs up, which it has to do."""
    end = time.monotonic() + scaled(30)
    frames = message("PING") * (1 if pause else CHUNK)
    try:
        while time.monotonic() < end:
            s.send(frames)
            time.sleep(pause)
    except Closed:
        pass


def floods(cases):
    lab = ReceiverLab(cases, "--timeout", "5")
    flood(lab, "10^5 PING", [message("PING")], 10**5)

    def heartbeats():
        s = lab.sender()
        try:
            s.send(message("PING") * 10**5)
        except Closed:
            pass
        lab.refused(s)
    lab.case("10^5 PING end the session", heartbeats)
    flood(lab, "10^5 FLUSH", [message("FLUSH")], 10**5)
    flood(lab, "10^5 PING and FLUSH in an open file",
          [message("PING"), message("FLUSH")], 10**5,
          first=[message("OPEN", size=2)])
    flood(lab, "10^5 packs of no items", [pack([], items=0)], 10**5)
    flood(lab, "10^5 STREAM_END", [message("STREAM_END")], 10**5)
    flood(lab, "10^5 CHECK", [message("CHECK")], 10**5,
          first=[message("OPEN", size=10 * CHUNK)])
    flood(lab, "10^4 packs of one directory, answers not read",
          [pack([row(2)])], 10**4, read=False)
    flood(lab, "10^4 files that exist, answers not read",
          [pack([row(1, b"", name=b"dir")])], 10**4, read=False)
    flood(lab, "10^4 chunks with a wrong digest",
          [message("CHUNK", payload=b"xy", digest=bytes(32))], 10**4,
          first=[message("OPEN", size=2)])
    flood(lab, "10^4 packs with a wrong digest",
          [pack([row(2)], digest=bytes(32))], 10**4)
    flood(lab, "10^5 times the same chunk",
          [message("CHUNK", payload=b"")], 10**5,
          first=[message("OPEN", size=5, name=b"g"),
                 message("OPEN", id=2, name=b"f")] + [
                     message("CHUNK", id=2), message(
                         "FILE_END", id=2, digest=file_digest(b""))])

    def holes():
        s = lab.sender()
        for i in range(1, 33):
            s.send(message("OPEN", id=i, size=2**45, name=b"h%d" % i),
                   message("HOLE", id=i, length=2**45))
        got = s.verdicts(30)  # all but two are refused
        need(set(got.values()) == {4}, f"{got}")
        grown = lab.rss() - before
        need(SANITIZED or grown < 128 << 20, f"{grown >> 20} MiB more memory")
        s.close()
    before = lab.rss()
    lab.case("32 files of 2^45 bytes that are one hole", holes)

    def damage_ends():
        s = lab.sender()
        s.send(message("OPEN", size=2))
        bad = message("CHUNK", payload=b"xy", digest=bytes(32))
        for _ in range(100):
            try:
                s.send(bad * 100)
            except Closed:
                break
        s.half_close()
        replies = s.rest()
        asked = sum(m["message"] == "RESEND" for m in replies)
        need(asked < 5000, f"asked {asked} times for one chunk")
        s.close()
    lab.case("endless damage ends the session", damage_ends)

    def held_open():
        s = lab.sender()
        other = s.join(1)
        other.until("READY")
        s.finish()
        began = time.monotonic()
        threading.Thread(target=pinging, args=(s, 0.2), daemon=True).start()
        pinging(other, 0.2)
        need(3 < time.monotonic() - began < scaled(10),
             "the time-out is 5 s")
        kinds = [m["message"] for m in s.rest()]
        need("SUMMARY" not in kinds, f"{kinds}")
    lab.case("a stream that goes on after FINISH with PING", held_open)

    def before_hello():
        began = time.monotonic()
        pinging(lab.sender(hello=False), 0)
        need(time.monotonic() - began < scaled(8), "it is no sender")
    lab.case("endless PING instead of HELLO", before_hello)
    # and one who does so while the receiver is to end
    s = lab.sender()
    threading.Thread(target=pinging, args=(s, 0), daemon=True).start()
    lab.close()


# ---- what is there already -------------------------------------------------

LARGE = 12 * CHUNK


def begin_large(lab, data, upto):
    """A session that is lost when some chunks are there."""
    s = lab.sender(hello_flags=2)
    s.send(message("OPEN", size=LARGE, name=b"large"))
    s.until("STATE")
    for i in range(upto):
        part = data[i * CHUNK:(i + 1) * CHUNK]
        s.send(message("CHUNK", offset=i * CHUNK, payload=part))
    s.half_close()
    s.rest()
    s.close()
    lab.settle()


def unverified(lab, title, lie, error=True, allowed=None, verdict=False):
    """lie(data): frames to send after STATE, for a file whose first six chunks
    the receiver says it has, unverified."""
    def case():
        data = os.urandom(LARGE)
        lab.data = data
        begin_large(lab, data, 6)
        s = lab.sender()
        s.send(message("OPEN", size=LARGE, name=b"large"))
        state = s.until("STATE")
        need(state["state"] == 3, f"state {state['state']}")
        n = sum(struct.unpack(">QQ", state["runs"][i:i + 16])[1]
                for i in range(0, len(state["runs"]), 16))
        need(n == 6, f"{n} chunks are unverified")
        try:
            s.send(*lie(data), message("FLUSH"))
            if not error and not allowed and not verdict:
                s.half_close()  # there is none to wait for
        except Closed:
            pass
        replies = s.replies("VERDICT", "ERROR")
        s.close()
        kinds = [m["message"] for m in replies]
        good = [m for m in replies
                if m["message"] == "VERDICT" and m["status"] != 4]
        need(("ERROR" in kinds) == error, f"{kinds}")
        need(bool(good) == bool(allowed), f"{good}")
    lab.cases.run(title, case, lambda: lab.check(
        {b"large": [lab.data]} if allowed else {}))
    lab.reset()


def leaves(data, first, count):
    return b"".join(H(data[i * CHUNK:(i + 1) * CHUNK])
                    for i in range(first, first + count))


def check(data, first=0, count=6, **lies):
    return message("CHECK", **{"offset": first * CHUNK, "chunks": count,
                               "digests": leaves(data, first, count), **lies})


def chunks(data, first, count):
    return [message("CHUNK", offset=i * CHUNK,
                    payload=data[i * CHUNK:(i + 1) * CHUNK])
            for i in range(first, first + count)]


def end_large(data):
    return message("FILE_END", size=LARGE, digest=file_digest(data))


def through_link(lab):
    """A file outside is not compared for anybody."""
    outside = os.path.join(lab.work, "large")
    with open(outside, "wb") as f:
        f.write(os.urandom(LARGE))
    os.symlink("../large", os.path.join(lab.dst, "large"))
    lab.planted[b"large"] = ("link", b"../large")

    def case():
        s = lab.sender()
        s.send(message("OPEN", size=LARGE, name=b"large"))
        state = s.until("STATE")
        need(state["state"] != 3, "it claims what is outside")
        s.send(message("CHECK", digests=bytes(32)), message("FLUSH"))
        kinds = [m["message"] for m in s.replies("VERDICT", "CHECKED",
                                                 "ERROR")]
        need("CHECKED" not in kinds,
             "it compares what is outside")
        s.close()
    lab.case("CHECK through a symlink that leads out", case)
    os.unlink(os.path.join(lab.dst, "large"))
    del lab.planted[b"large"]


def parts_of_existing(lab, existing, status):
    """Of a file that stays it is told whether all of it is the same, and
    never which parts of it are."""
    there = os.urandom(LARGE)
    other = os.urandom(LARGE)
    name = os.path.join(lab.dst, "large")

    def ask(title, checks, digest, verdict):
        def case():
            with open(name, "wb") as f:
                f.write(there)
            s = lab.sender()
            s.send(message("OPEN", size=LARGE, name=b"large"))
            need(s.until("STATE")["state"] == 3, "it is not looked at")
            for frame in checks:
                s.send(frame)
                answer = s.until("CHECKED", "VERDICT")
                need(answer["message"] == "CHECKED" and answer["bits"] == 0,
                     f"it tells of a part: {answer}")
            s.send(message("FILE_END", size=LARGE, digest=digest))
            got = s.verdicts(1)
            need(got == {1: verdict}, f"verdict {got}")
            s.close()
        lab.case(f"--existing {existing}, an existing large file: {title}",
                 case, {b"large": [there]})

    def whole(data):
        return message("CHECK", chunks=12, kind=2,
                       digests=H(leaves(data, 0, 12)))

    def each(data):
        return [check(data, i, 1) for i in range(12)]

    # its time is another, which is set (6) unless it is skipped
    same = 2 if existing == "skip" else 6
    ask("the same", each(there), file_digest(there), same)
    ask("the same, as a range", [whole(there)], file_digest(there), same)
    for title, data in (
            ("another", other),
            ("the first part differs", other[:CHUNK] + there[CHUNK:]),
            ("the last part differs", there[:-CHUNK] + other[-CHUNK:])):
        ask(title, each(data), file_digest(data), status)
        ask(title + ", as a range", [whole(data)], file_digest(data), status)
    ask("the right parts and a wrong end", each(there), file_digest(other),
        status)


def resume(cases):
    lab = ReceiverLab(cases)
    refused = {
        "CHECK of a chunk that is not unverified": lambda d: [check(d, 6, 1)],
        "CHECK of more than is unverified": lambda d: [check(d, 0, 7)],
        "CHECK twice": lambda d: [check(d), check(d)],
        "CHECK that overlaps": lambda d: [check(d, 0, 4), check(d, 3, 3)],
        "CHECK of no chunks": lambda d: [check(d, 0, 0)],
        "CHECK of 65 chunks": lambda d: [check(d, 0, 65)],
        "CHECK beyond the file": lambda d: [check(d, 12, 1)],
        "CHECK far beyond": lambda d: [check(d, offset=2**63)],
        "CHECK that wraps": lambda d: [check(d, offset=2**64 - CHUNK)],
        "CHECK between chunks": lambda d: [check(d, offset=5)],
        "CHECK of kind 0": lambda d: [check(d, kind=0)],
        "CHECK of kind 3": lambda d: [check(d, kind=3)],
        "CHECK with reserved bits": lambda d: [check(d, zero=1)],
        "CHECK with a digest too few": lambda d: [
            check(d, digests=leaves(d, 0, 5))],
        "CHECK with a digest too many": lambda d: [
            check(d, digests=leaves(d, 0, 7))],
        "CHECK of an invalid range": lambda d: [
            check(d, kind=2, digests=bytes(32))],
        "CHECK after its chunk": lambda d: chunks(d, 0, 1) + [check(d)],
        "FINISH with unverified chunks": lambda d: [message("FINISH")],
        "a file's name again, with other unverified chunks": lambda d: [
            message("OPEN", size=LARGE, name=b"large", id=1)],
    }
    for title, lie in refused.items():
        unverified(lab, title, lie)
    silent = {
        "FILE_END without any CHECK": lambda d: [
            *chunks(d, 6, 6), end_large(d)],
        "all CHECKs differ, and nothing is sent": lambda d: [
            check(d, digests=bytes(192)), *chunks(d, 6, 6), end_large(d)],
        "CHECKs with the digests of another file": lambda d: [
            check(d[::-1]), *chunks(d, 6, 6), end_large(d)],
        "one CHECK is missing": lambda d: [
            check(d, 0, 5), *chunks(d, 6, 6), end_large(d)],
    }
    for title, lie in silent.items():
        unverified(lab, title, lie, error=False)
    unverified(lab, "a digest that is not that of what is there",
               lambda d: [check(d), *chunks(d, 6, 6), end_large(d[::-1])],
               error=False, verdict=True)
    unverified(lab, "as it should be",
               lambda d: [check(d), *chunks(d, 6, 6), end_large(d)],
               error=False, allowed=True)
    unverified(lab, "chunks instead of CHECKs",
               lambda d: chunks(d, 0, 12) + [end_large(d)], error=False,
               allowed=True)
    unverified(lab, "the rest first, then FILE_END, then CHECK",
               lambda d: chunks(d, 6, 6) + [end_large(d), check(d)],
               error=False, allowed=True)
    through_link(lab)
    lab.close()
    for existing, status in (("fail", 4), ("skip", 3)):
        lab = ReceiverLab(cases, "--existing", existing)
        parts_of_existing(lab, existing, status)
        lab.close()
    lab = ReceiverLab(cases, "--existing", "replace")
    through_link(lab)
    lab.close()
