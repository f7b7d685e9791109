"""Hostile receivers of `ferry send`."""
import os
import threading
import time

from lib.lab import need
from lib.limits import scaled
from lib.peer import Closed, Receiver
from lib.wire import (CHUNK, DEFERRED, FEATURES, LAYOUTS, NOT_KEPT, RESUME,
                      UNKNOWN, header, message, runs)
from targets import SenderLab

HOSTILE = [b"\x1b[31mred\x1b]0;title\x07", b"c1 \x9b31m", b"two\nlines\r\n",
           b"\xff\xfe\xc0\xae", "\u202eltr\u009b".encode(), b"%n%s%x",
           b"\0nul", b"x" * 512, b"{\"event\":\"summary\",\"exit\":0}\n", b""]


def instead(*frames):
    """Send these frames instead of the honest reply."""
    def lie(r, link, m):
        link.send(*frames)
        return True
    return lie


def also(*frames, after=False):
    """Send these frames too, before or after the honest reply."""
    def lie(r, link, m):
        if after:
            getattr(r, m["message"], lambda *_: None)(link, m)
        link.send(*frames)
        return after
    return lie


def with_id(kind, **values):
    """Send this instead of the reply, with the id of the request."""
    def lie(r, link, m):
        about = {"id": m["id"]}
        if kind in ("VERDICT", "OFFERED"):
            about["items"] = m.get("items", 1)
        link.send(message(kind, **{**about, **values}))
        return True
    return lie


def beginnings(v):
    for lie in ({"version": 0}, {"version": 1}, {"version": 3},
                {"version": 65535}, {"streams": 0}, {"streams": 17},
                {"streams": 65535}, {"open_files": 0}):
        v.case(f"READY with {lie}", ready=lie)
    v.case("a longer READY of version 3",
           {"HELLO": instead(message("READY", version=3, tail=b"x" * 100))})
    for lie in ({"features": 2**32 - 1}, {"open_files": 1},
                {"open_files": 2**32 - 1}, {"open_files": 2**31},
                {"streams": 1}):
        v.case(f"READY with {lie}", ready=lie, bad=False)
    for kind in LAYOUTS:
        if kind in ("READY", "PING"):
            continue
        v.case(f"{kind} instead of READY",
               {"HELLO": instead(message(kind))})
    v.case("READY twice", {"HELLO": also(message("READY"))})
    v.case("READY cut short",
           {"HELLO": instead(
               header(16, 20, message("READY")[12:32]) +
               message("READY")[12:32])})
    v.case("READY with bytes left over",
           {"HELLO": instead(message("READY", tail=b"x"))})
    for text in (b"HTTP/1.1 200 OK\r\n\r\n", b"\x15\x03\1\0\2\2\x28",
                 b"SSH-2.0-x\r\n", bytes(100), b"\xff" * 100):
        v.case(f"{text[:10]!r} instead of READY",
               {"HELLO": instead(text)})

    def echo(r, link, m):
        link.send(message("HELLO", **{k: m[k] for k in (
            "digest_id", "hello_flags", "streams", "session")}))
        return True
    v.case("HELLO comes back", {"HELLO": echo})


def directions(v):
    for kind in ("HELLO", "JOIN", "OPEN", "CHUNK", "HOLE", "FILE_END",
                 "FILE_ABORT", "PACK", "STREAM_END", "FINISH", "FLUSH",
                 "CHECK", "OFFER"):
        v.case(f"{kind} from the receiver", {"OPEN": also(message(kind))})
    for number in (0, 14, 15, 24, 29, 32, 255):
        v.case(f"a frame of type {number}", {"OPEN": also(header(number, 0))})
    for kind in ("STATE", "VERDICT", "RESEND", "NOTE", "SUMMARY", "CHECKED",
                 "OFFERED", "TIMEOUT", "PING"):
        for lie in ({"flags": 1}, {"check": 1}, {"body_check": 1},
                    {"length": 2**31}, {"length": 16385},
                    {"length": 2**32 - 1}):
            v.case(f"{kind} with {lie}",
                   {"OPEN": also(message(kind, frame=lie) + bytes(20000))})
        v.case(f"{kind} with bytes left over",
               {"OPEN": also(message(kind, tail=b"x"))})


def states(v):
    for state in (0, 4, 255):
        v.case(f"STATE {state}", {"OPEN": with_id("STATE", state=state)})
    v.case("STATE with reserved bits", {"OPEN": with_id("STATE", zero=1)})
    v.case("STATE 1 with runs",
           {"OPEN": with_id("STATE", runs=runs((0, 1)))})
    large = 10  # chunks of the file that waits for its STATE
    bad = {"a run out of range": [(large, 1)], "a run too long": [(0, 11)],
           "a run of nothing": [(0, 0)], "a run that wraps": [(5, UNKNOWN)],
           "a run far away": [(UNKNOWN, 1)],
           "runs that overlap": [(0, 3), (2, 2)],
           "runs that descend": [(5, 1), (1, 1)],
           "runs that touch": [(0, 2), (2, 2)], "a run twice": [(1, 1)] * 2,
           "2^63 chunks": [(0, 2**63)]}

    def resume(pairs, **lies):
        def lie(r, link, m):
            if m["size"] != large * CHUNK:
                return False
            link.send(message("STATE", id=m["id"], state=3,
                              runs=runs(*pairs), **lies))
            return True
        return lie
    for title, pairs in bad.items():
        v.case(f"STATE: {title}", {"OPEN": resume(pairs)})
    v.case("STATE: 513 runs",
           {"OPEN": resume([(2 * i, 1) for i in range(513)])})
    v.case("STATE: more runs than there are",
           {"OPEN": resume([(0, 1)], count=2)})
    v.case("STATE: no runs", {"OPEN": resume([])}, bad=None)
    v.case("STATE: all chunks, CHECKED asks for all of them",
           {"OPEN": resume([(0, large)])}, bad=False)
    v.case("STATE: all chunks, and resume was not granted",
           {"OPEN": resume([(0, large)]),
            "CHECK": lambda r, *_: r.errors.append("CHECK all the same")},
           ready={"features": FEATURES & ~RESUME})
    v.case("STATE: all chunks, CHECKED never comes",
           {"OPEN": resume([(0, large)]), "CHECK": lambda *_: True,
            "FILE_END": lambda *_: True},
           options=["--timeout", "1"])
    v.case("STATE: unverified chunks of a file that was not waiting",
           {"OPEN": with_id("STATE", state=3, runs=runs((0, 1)))})
    v.case("STATE: unverified chunks of standard input",
           {"OPEN": with_id("STATE", state=3, runs=runs((0, 1)))},
           stdin=b"x" * 3 * CHUNK, paths=["-"])
    for ident in (0, 999, 2**63, UNKNOWN):
        v.case(f"STATE of {ident}",
               {"OPEN": also(message("STATE", id=ident))})
        v.case(f"VERDICT of {ident}",
               {"OPEN": also(message("VERDICT", id=ident))})
        v.case(f"RESEND of {ident}",
               {"OPEN": also(message("RESEND", id=ident))})
        v.case(f"CHECKED of {ident}",
               {"OPEN": also(message("CHECKED", id=ident))})
        v.case(f"OFFERED of {ident}",
               {"OPEN": also(message("OFFERED", id=ident))})
    v.case("STATE of a pack", {"PACK": with_id("STATE")})
    v.case("STATE twice, then refused without a verdict",
           {"OPEN": lambda r, link, m: link.send(
               message("STATE", id=m["id"]),
               message("STATE", id=m["id"], state=2)) or True},
           options=["--timeout", "1"])
    v.case("STATE never comes", {"OPEN": lambda *_: True},
           options=["--timeout", "1"])

    def checked(**lies):
        def lie(r, link, m):
            link.send(message("CHECKED", **{
                "id": m["id"], "offset": m["offset"], "chunks": m["chunks"],
                **lies}))
            return True
        return {"OPEN": resume([(0, large)]), "CHECK": lie}
    for lie in ({"chunks": 0}, {"chunks": 65}, {"chunks": 64},
                {"chunks": 2**32 - 1}, {"offset": 1}, {"zero": 1},
                {"offset": large * CHUNK}, {"offset": 2**63},
                {"offset": 2**64 - CHUNK}, {"bits": UNKNOWN, "chunks": 1},
                {"bits": 2, "chunks": 1}):
        v.case(f"CHECKED with {lie}", checked(**lie))

    def twice(r, link, m):
        answer = message("CHECKED", id=m["id"], offset=m["offset"],
                         chunks=m["chunks"])
        link.send(answer * 40)
        return True
    v.case("CHECKED forty times", {"OPEN": resume([(0, large)]),
                                   "CHECK": twice})
    v.case("CHECKED without CHECK",
           {"OPEN": lambda r, link, m: link.send(
               message("STATE", id=m["id"]),
               message("CHECKED", id=m["id"])) or True})


def verdicts(v):
    for kind in ("FILE_END", "PACK"):
        for lie in ({"status": 0}, {"status": 6}, {"status": 255},
                    {"not_kept": 4}, {"items": 0}, {"items": 100000},
                    {"items": 2**32 - 1}, {"status": 4, "cause": 0},
                    {"status": 4, "cause": 2, "need": UNKNOWN},
                    {"status": 4, "cause": 12, "need": 2**63, "have": 2**63},
                    {"status": 4, "cause": 20}, {"status": 3}):
            v.case(f"VERDICT for {kind} with {lie}",
                   {kind: with_id("VERDICT", **lie)})
        for cause in (21, 255, 65535):
            v.case(f"VERDICT for {kind}, failed, cause {cause}",
                   {kind: with_id("VERDICT", status=4, cause=cause)})
        v.case(f"no VERDICT for {kind}, SUMMARY at once",
               {kind: instead(message("SUMMARY"))},
               options=["--timeout", "1"])
        v.case(f"no VERDICT for {kind}",
               {kind: lambda *_: True, "FINISH": lambda *_: True},
               options=["--timeout", "1"])
        v.case(f"VERDICT for {kind} failed, and then committed",
               {kind: lambda r, link, m: link.send(
                   message("VERDICT", id=m["id"], items=m.get("items", 1),
                           status=4, cause=2),
                   message("VERDICT", id=m["id"],
                           items=m.get("items", 1))) or True})

    def committed_at_once(r, link, m):
        link.send(message("STATE", id=m["id"]),
                  message("VERDICT", id=m["id"]))
        return True
    v.case("VERDICT with what was not kept, not granted",
           {"PACK": with_id("VERDICT", not_kept=1)},
           ready={"features": FEATURES & ~NOT_KEPT})
    v.case("VERDICT committed before anything was sent",
           {"OPEN": committed_at_once})
    for lie in ({"files": 0}, {"files": 2**64 - 1}, {"bytes": 0},
                {"bytes": 2**64 - 1}, {"sum": 0}, {"sum": 2**128 - 1},
                {"notes": 1}, {"notes": 2**64 - 1}):
        def summary(r, link, m):
            link.send(message("SUMMARY", **{**m_of(m), **lie}))
            return True
        v.case(f"SUMMARY with {lie}", {"FINISH": summary})
    for kind in ("HELLO", "OPEN", "CHUNK", "PACK", "FILE_END", "FLUSH"):
        v.case(f"SUMMARY after {kind}", {kind: also(message("SUMMARY"))})
    v.case("SUMMARY never comes", {"FINISH": lambda *_: True},
           options=["--timeout", "1"])
    for kind in ("STATE", "VERDICT", "RESEND", "CHECKED", "OFFERED", "READY"):
        v.case(f"{kind} instead of SUMMARY",
               {"FINISH": instead(message(kind))}, options=["--timeout", "1"],
               bad=True)


def m_of(m):
    """What an honest SUMMARY says: as the sender's FINISH."""
    return {k: m[k] for k in ("files", "bytes", "sum")}


STATUS_DEFERRED = 5


def links(v):
    """A pack of a symlink and its directory: ids 1 and 2."""
    def deferred(*then):
        return instead(message("VERDICT", id=2),
                       message("VERDICT", id=1, status=STATUS_DEFERRED), *then)

    def case(title, pack, *finish, bad=True, **options):
        v.case(title, {"PACK": pack, "FINISH": also(*finish)}, bad=bad,
               paths=[v.links], **options)

    verdict = message("VERDICT", id=1)
    case("a symlink that is deferred, then made", deferred(), verdict,
         bad=False)
    case("a symlink that is deferred without the feature", deferred(), verdict,
         ready={"features": FEATURES & ~DEFERRED})
    case("a symlink that is deferred twice", deferred(message(
        "VERDICT", id=1, status=STATUS_DEFERRED)), verdict, bad=False)
    case("a symlink that is made, then deferred", deferred(verdict, message(
        "VERDICT", id=1, status=STATUS_DEFERRED)), bad=False)
    case("a symlink that is deferred and never made", deferred())
    case("a symlink that is deferred, and SUMMARY at once",
         deferred(message("SUMMARY")))
    case("a symlink that is not deferred", instead(message("VERDICT", id=2)),
         options=["--timeout", "1"])
    case("a symlink that is deferred, then asked for again", deferred(),
         message("RESEND", id=1))
    case("a symlink that is deferred, no verdict for its directory", instead(
        message("VERDICT", id=1, status=STATUS_DEFERRED)),
        options=["--timeout", "1"])
    case("a directory that is deferred", instead(message(
        "VERDICT", id=1, items=2, status=STATUS_DEFERRED)))
    case("an unknown symlink is deferred", deferred(message(
        "VERDICT", id=3, status=STATUS_DEFERRED)))
    for kind in ("FILE_END", "PACK"):
        v.case(f"{kind} is deferred",
               {kind: with_id("VERDICT", status=STATUS_DEFERRED)})


def resends(v):
    def again(r, link, m):
        link.send(message("RESEND", id=m["id"],
                          offset=m.get("offset", 0)))
        return True
    # Who asks again has no verdict yet: with one the file would be done when
    # the sender has sent all of it before it reads the first RESEND.
    v.case("endless RESEND of every chunk",
           {"CHUNK": again, "FILE_END": lambda *_: True})
    v.case("endless RESEND of every pack", {"PACK": again})
    for lie in ({"offset": 1}, {"offset": 2**63}, {"offset": 2**64 - CHUNK},
                {"offset": 100 * CHUNK}):
        v.case(f"RESEND with {lie}", {"CHUNK": with_id("RESEND", **lie)})
        v.case(f"RESEND of a pack with {lie}",
               {"PACK": with_id("RESEND", **lie)}, bad=None,
               options=["--timeout", "1"])
    v.case("RESEND of an item",
           {"PACK": lambda r, link, m: link.send(
               message("RESEND", id=m["id"] + 1)) or True})
    v.case("RESEND of standard input", {"CHUNK": with_id("RESEND")},
           stdin=b"x" * 3 * CHUNK, paths=["-"])
    v.case("10^5 RESEND", {"OPEN": lambda r, link, m: link.send(
        message("RESEND", id=m["id"]) * 100000) or True})
    for name in HOSTILE:
        v.case(f"NOTE {name[:16]!r}",
               {"FINISH": also(message("NOTE", name=name))})
    for name in (b"../x", b"/etc/shadow", b".", b"a//b", b"x" * 256,
                 b".ferry-0123456789abcdef.part"):
        v.case(f"NOTE of {name[:30]!r}",
               {"FINISH": also(message("NOTE", name=name))},
               says="sent an invalid name")
    for lie in ({"kind": 0}, {"kind": 1}, {"cause": 21}, {"cause": 65535},
                {"name_len": 4096}, {"name_len": 0}, {"zero": 1}):
        v.case(f"NOTE with {lie}", {"FINISH": also(message("NOTE", **lie))})


def offers(v):
    """The sender offers what it finds unchanged: after a first such
    verdict."""
    unchanged = with_id("VERDICT", status=2)

    def lost(r, link, m):
        """Cut once, so that the sender comes back and offers."""
        if not r.offered:
            r.offered = 1
            link.send(message("VERDICT", id=m["id"]))
            raise Closed
        return False
    for title, lie in {
            "items": {"items": 1}, "no items": {"items": 0, "wanted": b""},
            "1025 items": {"items": 1025, "wanted": bytes(129)},
            "bits beyond": {"wanted": b"\xff"}, "reserved": {"zero": 1},
            "another id": {"id": 2}, "id 0": {"id": 0}}.items():
        def offered(r, link, m):
            n = (m["items"] + 7) // 8
            values = {"id": m["id"], "items": m["items"],
                      "wanted": b"\xff" * n}
            values.update(lie)
            link.send(message("OFFERED", **values))
            return True
        v.case(f"OFFERED with {title}",
               {"FILE_END": unchanged, "PACK": lost, "OFFER": offered},
               options=["--retry", "3", "--timeout", "1"], bad=None)


def texts(v):
    for text in HOSTILE:
        for kind in ("HELLO", "OPEN", "FINISH"):
            v.case(f"ERROR {text[:16]!r} for {kind}",
                   {kind: instead(message("ERROR", code=7, text=text))})
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255, 65535):
        v.case(f"ERROR {code}",
               {"OPEN": instead(message("ERROR", code=code))})
    for lie in ({"text": b"x" * 513}, {"text_len": 0}, {"text_len": 5},
                {"text_len": 65535}):
        v.case(f"ERROR with {lie}",
               {"OPEN": instead(message("ERROR", **lie))})


def joins(v):
    """What a further stream sends after JOIN must not be lost with it."""
    chunks = 48
    path = os.path.join(v.work, "joined")
    with open(path, "wb") as f:
        f.write(os.urandom(chunks * CHUNK))

    def lies(cut_at, answer):
        """The further stream is cut at the frame of that type, and READY was
        its answer, or not."""
        cut = threading.Event()
        here, ends = set(), []

        def HELLO(r, link, m):
            link.digest_size = r.digest_size = 32
            return True

        def OPEN(r, link, m):
            # Together, so that there is a range to be sent after JOIN.
            link.send(message("READY"), message("STATE", id=m["id"]))
            return True

        def JOIN(r, link, m):
            link.digest_size = r.digest_size
            if answer:
                link.send(answer)
            if cut_at == "JOIN":
                cut.set()
                raise Closed
            return True

        def verdict(r, link):
            if ends and len(here) == chunks:
                r.FILE_END(link, ends.pop())

        def on_chunk(r, link, m):
            if link.index > 0:
                cut.set()
                raise Closed
            # Until then there has to be something left to send.
            r.lock.release()
            cut.wait(scaled(10))
            r.lock.acquire()
            here.add(m["offset"])
            verdict(r, link)
            return True

        def FILE_END(r, link, m):
            ends.append(m)
            verdict(r, link)
            return True
        return {"HELLO": HELLO, "OPEN": OPEN, "JOIN": JOIN, "CHUNK": on_chunk,
                "FILE_END": FILE_END}
    options = {"paths": [path], "options": ["-j", "2"]}
    busy = message("ERROR", code=4)
    for title, how, bad in (
            ("cut at JOIN", ("JOIN", None), False),
            ("refused", ("JOIN", busy), False),
            ("cut at its first chunk, before READY", ("CHUNK", None), False),
            ("cut at its first chunk, after READY",
             ("CHUNK", message("READY")), True)):
        v.case(f"a further stream is {title}", lies(*how), bad=bad, **options)

    def others_go_on():
        """Its range was of a file that had failed meanwhile."""
        joined = threading.Event()
        first = []

        def HELLO(r, link, m):
            link.digest_size = r.digest_size = 32
            first.append(link)
            return True

        def OPEN(r, link, m):
            ready = message("READY") if m["id"] == 1 else b""
            link.send(ready + message("STATE", id=m["id"]))
            return True

        def on_chunk(r, link, m):
            if link.index == 0:
                r.lock.release()
                joined.wait(scaled(10))
                r.lock.acquire()
                return True
            first[0].send(message("VERDICT", id=m["id"], status=4, cause=2))
            failed.append(m["id"])
            joined.set()
            # After the verdict, as far as can be told from here.
            threading.Event().wait(0.3)
            link.send(busy)
            raise Closed

        def FILE_END(r, link, m):
            return m["id"] in failed
        failed = []
        hostile = Receiver({"HELLO": HELLO, "OPEN": OPEN, "CHUNK": on_chunk,
                            "JOIN": lambda *_: True, "FILE_END": FILE_END})
        status = v.send_to(hostile, paths=[path, other], options=["-j", "2"])
        need(failed, "nothing came after JOIN")
        need(status == 8, f"exit status {status}: {v.texts[1][-300:]}")
        need("FINISH" in hostile.seen, "the session was given up")
    other = os.path.join(v.work, "other")
    with open(other, "wb") as f:
        f.write(os.urandom(9 << 20))
    v.cases.run("a further stream is refused, and its file has failed",
                others_go_on)


def floods(v):
    v.case("10^5 PING", {"OPEN": also(message("PING") * 100000)})
    v.case("500 PING", {"OPEN": also(message("PING") * 500)}, bad=False)
    v.case("10^5 STATE", {"PACK": also(
        message("STATE", id=1) * 100000)}, bad=None)
    v.case("10^4 NOTE", {"FINISH": also(message("NOTE") * 10000)})
    for kind in ("HELLO", "OPEN", "CHUNK", "FILE_END", "PACK", "FINISH"):
        def cut(r, link, m):
            raise Closed
        v.case(f"the connection is cut at {kind}", {kind: cut})

    def dead(r, link, m):
        threading.Event().wait(3)
        raise Closed
    v.case("silence", {"HELLO": dead}, options=["--timeout", "1"])

    def interrupted(at):
        """Until the sender hangs up, which Ctrl-C has to make it do: there
        are never so many that it does so by itself."""
        stop = threading.Event()

        def endless(r, link, m):
            stop.set()
            link.send(message("PING") * 900)
            while True:
                link.send(message("PING"))
                time.sleep(0.2)
        status = v.send_to(Receiver({at: endless}), stop=stop)
        need(status == 130, f"exit status {status}: {v.texts[1][-300:]}")
    for at in ("HELLO", "OPEN", "FINISH"):
        v.cases.run(f"Ctrl-C during endless PING, from {at} on",
                    lambda at=at: interrupted(at))


def receiver(cases):
    victim = SenderLab(cases)
    for group in (beginnings, directions, states, verdicts, links, resends,
                  offers, joins, texts, floods):
        group(victim)
    victim.close()
