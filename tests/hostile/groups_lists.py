"""Lists without content, and deltas: a sender that lies about what it has, and
a receiver that lies about what is there."""
import os

from lib.lab import need
from lib.peer import Closed
from lib.wire import (CHUNK, DELETES, DELTAS, DRY_RUN, EXISTING, FEATURES,
                      LISTS, LITERAL, UNKNOWN, UPDATED, extras, list_of,
                      listed_row, listed_runs, message, number, pack, put,
                      recipe, row)
from targets import ReceiverLab, SenderLab

LISTING = FEATURES | LISTS | UPDATED


def shown(lie):
    """For titles: bytes by their length."""
    return {name: f"{len(value)} bytes" if isinstance(value, bytes) else value
            for name, value in lie.items()}


def refuse(lab, title, *frames, features=LISTING, **values):
    def case():
        s = lab.sender(features=features, **values)
        s.send(*frames)
        lab.refused(s)
    lab.case(title, case)


# ---- lists from the sender -------------------------------------------------

MALFORMED = {
    "of kind 0": listed_row(b"n", kind=0),
    "of a hard link": listed_row(b"n", kind=4),
    "of kind 7": listed_row(b"n", kind=7),
    "with bit 32": listed_row(b"n", bits=32),
    "of a directory with a digest": listed_row(b"n", kind=2, bits=8,
                                               sha=bytes(32)),
    "of a directory, by content": listed_row(b"n", kind=2, bits=16),
    "with mode 010000": listed_row(b"n", mode=0o10000),
    "with 10^9 nanoseconds": listed_row(b"n", nsec=10**9),
    "with more in common than there is": listed_row(b"n", shared=1),
    "with 2^64-1 bytes in common": listed_row(b"n", shared=UNKNOWN),
    "without a name": listed_row(b""),
    "with a name of 4096 bytes": listed_row(b"n" * 4096),
    "of 2^53 + 1 bytes": listed_row(b"n", size=2**53 + 1),
    "of 2^64 - 1 bytes": listed_row(b"n", size=UNKNOWN),
    "with a number of 11 bytes": listed_row(b"n")[:3] + b"\x80" * 10 + b"\1",
    "with a number of 65 bits": listed_row(b"n")[:3] + b"\xff" * 9 + b"\2",
    "with a number that is too long": listed_row(b"n")[:3] + b"\x80\0" +
    listed_row(b"n")[4:],
    "that is cut": listed_row(b"n")[:-1],
    "with bytes left over": listed_row(b"n") + b"x",
    "of a symlink without a target": listed_row(b"n", kind=3) + number(0),
    "of a symlink with a target that is cut": listed_row(
        b"n", kind=3) + number(9) + b"x",
    "of a symlink with a target of 2^64-1": listed_row(
        b"n", kind=3) + number(UNKNOWN),
}
NAMES = (b"..", b"../x", b"/etc/passwd", b"a/../b", b"a//b", b"a/", b".",
         b"a\0b", b".ferry-0123456789abcdef.part", b"x/" * 129 + b"x")


def rows(lab):
    for title, made in MALFORMED.items():
        refuse(lab, f"a row {title}", list_of([made]))
    for name in NAMES:
        refuse(lab, f"a row of {name[:20]}", list_of([listed_row(name)]))
        refuse(lab, f"a dry run with a row of {name[:20]}",
               list_of([listed_row(name)]), features=LISTING | DRY_RUN)
        refuse(lab, f"{name[:20]}, in part from the row before", list_of([
            listed_row(name[:1] + b"."), listed_row(name[1:], shared=1)])
            if name[:1] not in (b".", b"/") else list_of([listed_row(name)]))
    for target in (b"/etc", b"../../x", b"a\0b"):
        refuse(lab, f"a symlink to {target}", list_of([listed_row(
            b"l", kind=3) + number(len(target)) + target]))
    for lie in ({"items": 0}, {"items": 2}, {"items": 1025},
                {"items": 2**32 - 1}, {"id": 0}, {"id": UNKNOWN, "items": 2},
                {"raw_len": 0}, {"raw_len": CHUNK + 1}, {"codec": 4},
                {"codec": 9}, {"zero": 1}, {"zero": 1 << 16}):
        refuse(lab, f"LIST with {lie}", list_of([listed_row(b"n")], **lie))
    refuse(lab, "LIST that was not granted", list_of([listed_row(b"n")]),
           features=FEATURES)

    def again():
        s = lab.sender(features=LISTING)
        s.send(list_of([listed_row(b"n")], digest=bytes(32)))
        need(s.until("RESEND")["id"] == 1, "not asked for again")
        s.close()
    lab.case("a table with another digest", again)
    refuse(lab, "a file that the sender cannot read, in a transfer",
           list_of([listed_row(b"n", bits=128)]))
    refuse(lab, "a directory that the sender cannot read, in a dry run",
           list_of([listed_row(b"n", kind=2, bits=128)]),
           features=LISTING | DRY_RUN)
    for title, frame in (("a pack", pack([row(2, name=b"m")], id=2)),
                         ("a file", message("OPEN", id=2, size=1)),
                         ("a chunk", message("CHUNK", id=1, payload=b"x"))):
        refuse(lab, f"{title} in a dry run", list_of([listed_row(b"n")]),
               frame, features=LISTING | DRY_RUN)


def states(lab):
    """What is there is told alike, however the rows are given."""
    def answered(made, want, flags=0, existing=0, before=None):
        def case():
            if before:
                before()
            s = lab.sender(features=LISTING | EXISTING | flags,
                           existing=existing)
            s.send(list_of(made))
            m = s.until("LISTED")
            got, data = [], m["runs"]
            while data:
                got += [data[0]] * int.from_bytes(data[3:5], "big")
                data = data[5:]
            need(got == want, f"states {got}")
            s.close()
        return case
    far = [listed_row(b"n", sec=2**63 - 1, nsec=999999999),
           listed_row(b"m", sec=-2**62, size=2**53),
           listed_row(b"o", sec=-2**62, mode=0o7777)]
    for flags in (0, DRY_RUN):
        kind = ", dry run" if flags else ""
        lab.case("times and sizes at their limits" + kind,
                 answered(far, [1, 1, 1], flags))
        lab.case("a name twice" + kind, answered(
            [listed_row(b"n"), listed_row(b"n")], [1, 1], flags))
        lab.case("names out of order" + kind, answered(
            [listed_row(b"z"), listed_row(b"b/c"), listed_row(b"a"),
             listed_row(b"b")], [1, 1, 1, 1], flags))
        # 9: it would fail; 0: it has its verdict
        bad = 9 if flags else 0
        lab.case("through symlinks" + kind, answered(
            [listed_row(b"way/secret.txt"), listed_row(b"way/none"),
             listed_row(b"link/x"), listed_row(b"fifo/x")],
            [bad] * 4, flags, 2))
        lab.case("the names of special files" + kind, answered(
            [listed_row(name) for name in (b"fifo", b"socket", b"link",
                                           b"dangling", b"way")],
            [bad] * 5, flags))

    def flood():
        """As many as there may be in a frame, and no answer is read."""
        s = lab.sender(features=LISTING)
        try:
            for i in range(200):
                s.send(list_of([listed_row(b"n%d" % n) for n in range(1024)],
                               id=1 + i * 1024))
        except (Closed, OSError):
            pass
        s.close()
    lab.case("200,000 items, and no answer is read", flood)


# ---- what the receiver says of a list ---------------------------------------

def told(v):
    grant = {"features": LISTING | EXISTING}

    def case(title, made, bad=True, **more):
        def lie(r, link, m):
            link.send(*made(m) if callable(made) else made)
            return True
        v.case(title, {"LIST": lie}, bad=bad, ready=grant,
               options=["--compare", "time", "--timeout", "1"], **more)

    def listed(*given, **lies):
        return lambda m: [message("LISTED", **{
            "id": m["id"], "items": m["items"], "runs": listed_runs(*(
                (state, cause, m["items"] if count is None else count)
                for state, cause, count in given)), **lies})]
    for state in (6, 7, 8, 9, 10, 255):
        case(f"LISTED with state {state}", listed((state, 0, None)))
    case("LISTED: done, without verdicts", listed((0, 0, None)))
    case("LISTED: all are to be compared", listed((5, 0, None)))
    for count in (0, 1, 65535):
        case(f"LISTED with a run of {count}", listed((1, 0, count)))
    case("LISTED with two runs that are one", listed((0, 0, 1), (0, 0, 7)))
    case("LISTED with a cause", listed((1, 4, None)))
    case("LISTED without runs", listed())
    for lie in ({"items": 0}, {"items": 1}, {"items": 1025}, {"zero": 1},
                {"items": 2**32 - 1}, {"id": 0}, {"id": 2}, {"id": UNKNOWN}):
        case(f"LISTED with {lie}", listed((1, 0, None), **lie))
    case("LISTED twice", lambda m: listed((0, 0, None))(m) * 2)
    case("LISTED of what was never listed", [message("LISTED", id=500)])
    case("VERDICT, and then it is wanted all the same", lambda m: [
        message("VERDICT", id=m["id"], items=m["items"])] +
        listed((1, 0, None))(m))
    case("a list is asked for again and again", lambda m: [
        message("RESEND", id=m["id"])])
    case("LISTED never comes", [])

    def has_all(m):
        return [message("VERDICT", id=m["id"], items=m["items"], status=2)] + \
            listed((0, 0, None))(m)

    def other_sum(r, link, m):
        link.send(message("SUMMARY", files=m["files"], bytes=m["bytes"],
                          sum=m["sum"] ^ 1))
        return True

    def summary_of_less(r, link, m):
        link.send(message("SUMMARY", files=m["files"] - 1, bytes=m["bytes"],
                          sum=m["sum"]))
        return True
    for title, lie in (("another sum", other_sum),
                       ("fewer files", summary_of_less)):
        v.case(f"all is there, and a summary of {title}",
               {"LIST": lambda r, link, m: link.send(*has_all(m)) or True,
                "FINISH": lie}, ready=grant, options=["--compare", "time"])


# ---- what the receiver plans ------------------------------------------------

def planned(v):
    """Dry runs: no answer makes the sender send content, name what it does not
    have, or go on without an end."""
    grant = {"features": LISTING | EXISTING | DELETES | DRY_RUN}

    def content(r, link, m):
        r.errors.append(f"{m['message']} in a dry run")
    never = {kind: content for kind in ("OPEN", "PACK", "OFFER", "CHUNK",
                                        "CHECK", "COMPARE", "FILE_END")}

    def summary(r, link, m):
        link.send(message("SUMMARY", files=m["files"], bytes=m["bytes"],
                          sum=m["sum"]))
        return True

    def listed(*runs, **lies):
        def lie(r, link, m):
            link.send(message("LISTED", **{
                "id": m["id"], "items": m["items"], "runs": listed_runs(*(
                    runs and [(s, c, m["items"] if n is None else n)
                              for s, c, n in runs])), **lies}))
            return True
        return lie

    def case(title, answer, bad=True, options=(), finish=summary, paths=None,
             **lies):
        v.case(title, {**never, "LIST": answer, "FINISH": finish, **lies},
               bad=bad, ready=grant, paths=paths,
               options=["-n", "--compare", "time", "--timeout", "1", *options])
    for state in (1, 2, 3, 4, 6, 7):
        case(f"planned: state {state} for all", listed((state, 0, None)),
             bad=False)
    for state in (0, 11, 255):
        case(f"planned: state {state}", listed((state, 0, None)))
    for cause in (0, 4, 9, 12, 26, 255, 65535):
        case(f"planned: all fails, cause {cause}", listed((9, cause, None)))
    case("planned: all is skipped", listed((8, 0, None)))
    case("planned: all is in the way of a directory", listed((10, 0, None)))
    case("planned: all is to be compared, again and again",
         listed((5, 0, None)))
    for lie in ({"items": 1}, {"items": 1025}, {"id": 0}, {"id": UNKNOWN}):
        case(f"planned: LISTED with {lie}", listed((1, 0, None), **lie))
    case("planned: twice", lambda r, link, m: [
        listed((1, 0, None))(r, link, m) for _ in range(2)])
    for kind, values in {
            "VERDICT": {"items": 2}, "STATE": {}, "OFFERED": {},
            "CHECKED": {}, "SIGNATURE": {"offset": CHUNK}, "NOTE": {
                "name": b"sub"}, "EXTRA": {"kind": 1}}.items():
        case(f"planned: {kind} instead", lambda r, link, m, kind=kind,
             values=values: link.send(message(kind, **{
                 **({} if kind in ("NOTE", "EXTRA") else {"id": m["id"]}),
                 **values})) or True)
    case("planned: asked for again and again", lambda r, link, m: link.send(
        message("RESEND", id=m["id"])) or True)
    case("planned: no answer", lambda *_: True)
    for lie in ({"files": 2**64 - 1}, {"bytes": 0}, {"sum": 1}, {"notes": 1}):
        case(f"planned: SUMMARY with {lie}", listed((1, 0, None)),
             finish=lambda r, link, m, lie=lie: link.send(message(
                 "SUMMARY", **{k: lie.get(k, m.get(k, 0)) for k in (
                     "files", "bytes", "sum", "notes")})) or True)
    v.case("a receiver that knows of no dry runs", {
        **never, "HELLO": lambda *_: False, "LIST": content},
           ready={"features": LISTING | EXISTING}, options=["-n"])

    def waits(r, link, m):
        """Nothing is to be deleted, and all is in the way."""
        kind = {1: 1, 2: 4}.get(m["kind"])
        if kind:
            link.send(message("EXTRA", kind=kind))
        return True
    files = os.path.join(v.work, "files")
    os.mkdir(files)
    with open(os.path.join(files, "one"), "w", encoding="ascii") as f:
        f.write("x")
    case("planned: in the way of a directory again and again",
         listed((10, 0, None)), options=["--mirror"], DELETE=waits,
         paths=[files + "/."])

    def deletes_out(r, link, m):
        if m["kind"] == 1:
            link.send(message("EXTRA", kind=1))
        elif m["kind"] == 2:
            link.send(extras((1, b"../x"), (1, b"/etc/passwd"), (1, b"\x1b[m"),
                             (2, b"..")))
        else:
            # only that which is a name
            need(m["list"] == b"\4", f"chosen: {m['list']}")
            link.send(message("EXTRA", kind=3, count=1, list=bytes(2)),
                      message("EXTRA", kind=4))
        return True
    case("planned: deletions that lead out", listed((1, 0, None)), bad=False,
         options=["--mirror"], DELETE=deletes_out)
    need(b"/etc/passwd" not in v.texts[0], f"{v.texts[0]}")

    def no_end(r, link, m):
        if m["kind"] == 1:
            link.send(message("EXTRA", kind=1))
            return True
        for i in range(10000):
            link.send(extras((1, b"x%d" % i)))
        return True
    case("planned: deletions without an end", listed((1, 0, None)),
         options=["--mirror"], DELETE=no_end)


# ---- deltas: the sender ----------------------------------------------------

SIZE = 9 * CHUNK
BASIS = bytes(CHUNK) + os.urandom(CHUNK) * 8


def deltas(lab):
    everything = FEATURES | DELTAS | EXISTING
    path = os.path.join(lab.dst, "file")

    def opened(size=SIZE, basis=True):
        if basis:
            with open(path, "wb") as f:
                f.write(BASIS)
        s = lab.sender(features=everything, existing=3)
        s.send(message("OPEN", size=size))
        m = s.until("SIGNATURE", "STATE")
        need((m["message"] == "SIGNATURE") == basis, f"{m}")
        if basis:
            s.until("STATE")
        return s

    def chunk(payload, raw_len=CHUNK, offset=0):
        return message("CHUNK", offset=offset, raw_len=raw_len, codec=4,
                       payload=payload, digest=bytes(32))

    def case(title, frame, **more):
        def run():
            s = opened(**more)
            s.send(frame)
            lab.refused(s)
        lab.case(title, run, {b"file": [BASIS]})

    def damaged(title, payload):
        """It may have been damaged on the way: it is asked for again, as often
        as any chunk."""
        def run():
            s = opened()
            for _ in range(10000):
                s.send(chunk(payload))
                m = s.recv()
                if m["message"] != "RESEND":
                    break
            need(m["message"] == "ERROR", f"{m}")
            s.close()
        lab.case(title, run, {b"file": [BASIS]})
    whole = [(CHUNK, 0)]
    case("a recipe where there is no basis", chunk(recipe(whole)),
         basis=False)
    for title, ops in {
            "after the basis": [(CHUNK, SIZE)],
            "over its end": [(CHUNK, SIZE - 1)],
            "at 2^63": [(CHUNK, 2**63)],
            "at 2^64 - 2": [(CHUNK, UNKNOWN - 1)],
            "of too much": whole * 2, "of too little": [(CHUNK - 1, 0)],
            "of nothing": [], "of nothing at a place": [*whole, (0, 0)],
            "of lengths that wrap": [(2**32 - 1, 0), (CHUNK + 1, 0)],
            "of 1025 operations": [(1, 0)] * 1024 + [(CHUNK - 1024, 0)],
            }.items():
        damaged(f"a recipe {title}", recipe(ops))
    for lie in ({"codec": 4}, {"codec": 9}, {"zero": 1}, {"literal_len": 1},
                {"literal_len": 2**32 - 1}, {"count": 0}, {"count": 2},
                {"count": 2**32 - 1}):
        damaged(f"a recipe with {lie}", recipe(whole, **lie))
    damaged("a recipe with literals that are too short", recipe(
        [(CHUNK - 5, 0), (5, LITERAL)], b"x"))
    damaged("a recipe with literals left over", recipe(whole, b"x"))
    damaged("a recipe with zlib that expands to more", recipe(
        [(CHUNK - 5, 0), (5, LITERAL)], b"a" * CHUNK, codec=1))
    damaged("a recipe that is cut", recipe(whole)[:-1])
    damaged("a recipe that makes other bytes", recipe(whole, sha=bytes(32)))

    def overlapping():
        raw = BASIS[:CHUNK // 2] + BASIS[5:5 + CHUNK // 2]
        s = opened()
        s.send(chunk(recipe([(CHUNK // 2, 0), (CHUNK // 2, 5)], raw=raw)))
        # the digest of the frame is wrong, so it is asked for again
        need(s.until("RESEND")["offset"] == 0, "not asked for again")
        s.close()
    lab.case("copies that overlap, in a chunk with a wrong digest",
             overlapping, {b"file": [BASIS]})

    def compare(**lie):
        values = {"id": 1, "offset": 0, "count": 1,
                  "leaves": bytes(40), **lie}
        return message("COMPARE", **values)
    for lie in ({"id": 9}, {"offset": 1}, {"offset": SIZE},
                {"offset": 2**63}, {"count": 0}, {"count": 2},
                {"count": 65, "leaves": bytes(65 * 40)}, {"kind": 0},
                {"kind": 3}, {"bits": 12}, {"stride": 1},
                {"kind": 2, "leaves": b"", "bits": 11},
                {"kind": 2, "leaves": b"", "bits": 15},
                {"kind": 2, "leaves": b"", "bits": 12, "count": 0},
                {"kind": 2, "bits": 12}):
        case(f"COMPARE with {shown(lie)}", compare(**lie))

    def without_end(kind):
        def run():
            s = opened()
            one = compare() if kind == 1 else compare(
                kind=2, leaves=b"", bits=12, count=2**32 - 1)
            for _ in range(2000):
                try:
                    s.send(one)
                    if s.until("SIGNATURE")["kind"] != 4:
                        continue
                except Closed:
                    break
            else:
                need(False, "2,000 were answered")
            s.close()
        lab.case(f"COMPARE of kind {kind} without an end", run,
                 {b"file": [BASIS]})
    without_end(1)
    without_end(2)
    refuse(lab, "COMPARE that was not granted",
           message("OPEN", size=CHUNK), compare())


# ---- deltas: the receiver --------------------------------------------------

def signatures(v):
    grant = {"features": FEATURES | DELTAS | EXISTING}
    options = ["--existing", "replace", "--delta", "on", "--timeout", "2"]

    def basis(size=10 * CHUNK, **lies):
        def lie(r, link, m):
            link.send(message("SIGNATURE", **{"id": m["id"], "offset": size,
                                              **lies}),
                      message("STATE", id=m["id"]))
            return True
        return lie

    def case(title, compare=None, opened=None, bad=True):
        lies = {"OPEN": opened or basis()}
        if compare:
            lies["COMPARE"] = compare
        v.case(title, lies, bad=bad, ready=grant, options=options)
    for lie in ({"size": 0}, {"kind": 0}, {"kind": 6}, {"count": 1},
                {"zero": 1}, {"id": 999}, {"list": b"x" * 8}):
        case(f"a basis with {lie}", opened=basis(**lie))

    def answer(**lies):
        def lie(r, link, m):
            link.send(message("SIGNATURE", **{
                "id": m["id"], "offset": m["offset"], "count": 1, "kind": 3,
                "list": bytes(8), **lies}))
            return True
        return lie
    for lie in ({"offset": 1}, {"offset": 2**63}, {"offset": 64 * CHUNK},
                {"id": 999}, {"id": 0}, {"kind": 1}, {"kind": 0},
                {"kind": 2, "count": 65, "list": b""},
                {"kind": 2, "count": 0, "list": b""},
                {"kind": 2, "count": 64, "list": b"", "offset": 9 * CHUNK},
                {"kind": 2, "count": 2**32 - 1, "list": b""},
                {"count": 257, "list": bytes(257 * 8)}, {"count": 2},
                {"kind": 4, "count": 1, "list": bytes(10)},
                {"kind": 4, "count": 1601, "list": bytes(16010)},
                {"kind": 5, "list": b""}, {"kind": 5}):
        case(f"an answer to COMPARE with {shown(lie)}", answer(**lie))
    case("COMPARE has no answer", lambda *_: True)
    case("SIGNATURE without a basis", opened=lambda r, link, m: link.send(
        message("STATE", id=m["id"]), message(
            "SIGNATURE", id=m["id"], kind=3, count=1, list=bytes(8))) or True)

    def alike(r, link, m):
        """All blocks and pieces there have one digest."""
        if m["kind"] == 1:
            for i in range(m["count"]):
                link.send(message("SIGNATURE", id=m["id"], kind=3, count=256,
                                  offset=m["offset"] + i * CHUNK,
                                  list=bytes(256 * 8)))
            return True
        size = 3 * 4096
        for i in range(m["count"] * CHUNK // size // 1600 + 1):
            n = 1600
            at = m["offset"] + i * n * size
            n = min(n, (10 * CHUNK - at) // size)
            if n <= 0:
                break
            link.send(message("SIGNATURE", id=m["id"], kind=4, count=n,
                              offset=at, list=(put(size - 1, 2) +
                                               bytes(8)) * n))
        link.send(message("SIGNATURE", id=m["id"], kind=5,
                          offset=m["offset"]))
        return True
    case("all digests collide", alike, bad=None)

    def endless(r, link, m):
        """More pieces than the basis has room for."""
        for _ in range(3000):
            link.send(message("SIGNATURE", id=m["id"], kind=4, count=1600,
                              offset=m["offset"],
                              list=(put(0, 2) + os.urandom(8)) * 1600))
        return True
    case("pieces without an end", endless)


def lists(cases):
    lab = ReceiverLab(cases, "--accept", "all")
    rows(lab)
    states(lab)
    deltas(lab)
    lab.close()
    victim = SenderLab(cases)
    told(victim)
    planned(victim)
    signatures(victim)
    victim.close()
