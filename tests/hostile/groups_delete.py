"""Deletions: a sender that deletes what it may not, and a receiver that lies
about what it has."""
import os
import struct

from lib.lab import need
from lib.peer import Closed, Receiver
from lib.tree import await_tick
from lib.wire import (DELETES, DRY_RUN, EXISTING, FEATURES, LISTS, choice,
                      deletes, extra_rows, extras, message, pack, row)
from targets import ReceiverLab, SenderLab

BEGIN = message("DELETE", kind=1)
ASKING = FEATURES | DELETES | EXISTING
NONE = (b"", [])  # the receiver's directory, of which the sender has nothing


class Deleter:
    """A session that deletes: chooses by names that it is given."""

    def __init__(self, lab, begin=BEGIN, features=0):
        self.s = lab.sender(features=ASKING | features, existing=3)
        need(self.s.ready["features"] & DELETES, "delete was not granted")
        self.s.send(begin)
        need(self.s.until("EXTRA")["kind"] == 1, "not ready")

    def run(self, *directories, choose=lambda name: True, before=None):
        """All of these directories; returns the names that were listed, and
        the causes.  before: what is done before anything is chosen."""
        names, causes = [], []
        self.s.send(deletes(*directories))
        while True:
            m = self.s.until("EXTRA")
            if m["kind"] == 4:
                return names, causes
            if m["kind"] == 3:
                causes += struct.unpack(f">{m['count']}H", m["list"])
            if m["kind"] == 2:
                rows = [name for _, name in extra_rows(m)]
                names += rows
                if before:
                    before()
                self.s.send(choice(*map(choose, rows)))

    def close(self):
        self.s.finish()
        self.s.rest()
        self.s.close()


def refuse(lab, title, *frames, features=ASKING, allowed=None):
    def case():
        s = lab.sender(features=features)
        s.send(*frames)
        lab.refused(s)
    lab.case(title, case, allowed)


def not_accepted(cases):
    lab = ReceiverLab(cases, "--accept", "owner,existing")

    def ready():
        s = lab.sender(features=ASKING)
        need(not s.ready["features"] & DELETES, "delete was granted")
        s.close()
    lab.case("READY where deleting is not accepted", ready)
    refuse(lab, "DELETE where it is not accepted", BEGIN)
    refuse(lab, "DELETE of directories where it is not accepted",
           deletes(NONE))
    lab.close()


def order(lab):
    refuse(lab, "DELETE that was not asked for", BEGIN, features=FEATURES)
    refuse(lab, "directories before DELETE of kind 1", deletes(NONE))
    refuse(lab, "a choice before DELETE of kind 1", choice(1))
    refuse(lab, "DELETE of kind 1 twice", BEGIN, BEGIN)
    refuse(lab, "DELETE while a file is open", message("OPEN", size=5), BEGIN)
    refuse(lab, "DELETE before the verdict of a pack",
           pack([row(1, b"x", name=b"n")], b"x"), BEGIN,
           allowed={b"n": [b"x"]})
    refuse(lab, "a choice without a list", BEGIN, choice(1))
    for kind in (0, 4, 255):
        refuse(lab, f"DELETE of kind {kind}",
               message("DELETE", kind=kind))
    refuse(lab, "DELETE with a reserved byte",
           message("DELETE", kind=1, zero=2))
    refuse(lab, "DELETE with a count", message("DELETE", kind=1, count=1))
    refuse(lab, "no directories", BEGIN, message("DELETE", kind=2))
    for lie in ({"count": 2}, {"count": 1025}, {"count": 65535},
                {"zero": 1}):
        refuse(lab, f"a directory with {lie}", BEGIN, message(
            "DELETE", **{"kind": 2, "count": 1, "list": bytes(18), **lie}))
    refuse(lab, "more lists than there may be", BEGIN, deletes(
        NONE), *[deletes(NONE) for _ in range(5)])

    def second_stream():
        s = lab.sender(features=ASKING)
        other = s.join(1)
        other.until("READY")
        other.send(BEGIN)
        lab.refused(other)
        s.rest()
    lab.case("DELETE on the second stream", second_stream)

    def wrong_choice(*bits, **values):
        def case():
            d = Deleter(lab)
            d.s.send(deletes(NONE))
            m = d.s.until("EXTRA")
            need(m["kind"] == 2, "no list")
            d.s.send(choice(*bits) if bits else message(
                "DELETE", kind=3, count=m["count"],
                **{"list": bytes((m["count"] + 7) // 8), **values}))
            lab.refused(d.s)
        return case
    lab.case("a choice of too few rows", wrong_choice(1))
    lab.case("a choice of too many rows", wrong_choice(*[1] * 4096))
    lab.case("a choice with bits after the last row",
             wrong_choice(list=b"\x80"))
    lab.case("a choice with bytes left over", wrong_choice(list=bytes(9)))


def ways_out(lab):
    for name in (b"..", b"../outside", b"/", b"/etc", b".", b"dir/..",
                 b"dir/../..", b"dir//x", b"dir/", b"a\0b", b"x" * 4097,
                 b".ferry-0123456789abcdef.part", b"\n/../.."):
        refuse(lab, f"deleting in {name[:30]!r}", BEGIN, deletes((name, [])))
    for name in (b"way", b"way/sub", b"link", b"dangling", b"hard", b"fifo",
                 b"socket", b"none", b"none/none"):
        def case():
            d = Deleter(lab)
            found = d.run((name, []))
            need(found == ([], []), f"{found}")
            d.close()
        lab.case(f"deleting in {name.decode()}", case)


def inside(lab):
    """What may be deleted, and what may not although it is chosen."""
    dst = lab.dst

    def put(*paths):
        for path in paths:
            path = os.path.join(dst, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write("x")
        await_tick()  # only what is older than the session is deleted

    def nothing_if_dry():
        put("dir/a", "dir/sub/b")
        d = Deleter(lab, features=LISTS | DRY_RUN)
        d.run((b"dir", []))
        d.close()
        need(os.path.exists(os.path.join(dst, "dir/sub/b")), "it is gone")
    lab.case("a dry run deletes nothing", nothing_if_dry,
             {b"dir/a": [b"x"], b"dir/sub": ["dir"], b"dir/sub/b": [b"x"]})

    def not_empty():
        put("dir/sub/a", "dir/sub/b")
        d = Deleter(lab)
        found, causes = d.run((b"dir", []), choose=lambda n: n in (
            b"sub", b"sub/a"))
        need(set(found) == {b"sub", b"sub/a", b"sub/b"}, f"{found}")
        need(causes[0] == 0 and causes[1:] != [0], f"causes {causes}")
        d.close()
    lab.case("a directory that is not empty stays", not_empty,
             {b"dir/sub": ["dir"], b"dir/sub/b": [b"x"]})

    def own_files():
        put("dir/.ferry-0123456789abcdef.part",
            "dir/.ferry-0123456789abcdef.journal")
        d = Deleter(lab)
        found = d.run((b"dir", []))
        need(found == ([], []), f"{found}")
        d.close()
        for what in ("part", "journal"):
            os.unlink(os.path.join(dst, f"dir/.ferry-0123456789abcdef.{what}"))
    lab.case("parts of other sessions are not listed", own_files)

    def new_files():
        d = Deleter(lab)
        put("dir/new")
        found, causes = d.run((b"dir", []))
        need(found == [b"new"] and causes not in ([], [0]),
             f"{found} {causes}")
        d.close()
    lab.case("a file that was made meanwhile stays", new_files,
             {b"dir/new": [b"x"]})

    def swapped(what):
        """A directory that was listed becomes a symlink that leads out."""
        def case():
            put("dir/sub/deep.txt", "dir/sub/secret.txt")
            path = os.path.join(dst, "dir/sub" if what else "dir")
            aside = os.path.join(dst, "moved")

            def swap():
                if not os.path.islink(path):
                    os.rename(path, aside)
                    os.symlink(os.path.join(lab.outside, "sub"), path)
            d = Deleter(lab)
            d.run((b"dir", []), choose=lambda n: True, before=swap)
            d.close()
            if os.path.islink(path):
                os.unlink(path)
            if os.path.isdir(aside):
                os.rename(aside, path)
        return case
    for what in (0, 1):
        lab.case("a directory that becomes a symlink" +
                 " after it was chosen" * what, swapped(what),
                 {b"dir/sub": ["dir"], b"dir/sub/deep.txt": [b"x"],
                  b"dir/sub/secret.txt": [b"x"]})

    def many():
        """Of no size that grows: 40 times 1024 directories, none is here."""
        d = Deleter(lab)
        for i in range(40):
            found = d.run(*[(b"%d-%d" % (i, n), []) for n in range(1024)])
            need(found == ([], []), f"{found}")
        d.close()
    lab.case("40,000 directories that are not here", many)

    def floods():
        s = lab.sender(features=ASKING)
        s.send(BEGIN)
        try:
            for _ in range(100):
                s.send(deletes(*[(b"dir", [])] * 1000))
        except Closed:
            pass
        s.close()
    lab.case("100,000 directories, and no answer is read", floods)


def all_of_it(cases):
    """The sender may delete all there is, and no more: not through symlinks,
    nor the other name of a hard link."""
    lab = ReceiverLab(cases, "--accept", "all")

    def case():
        await_tick()
        d = Deleter(lab)
        found, causes = d.run(NONE)
        need(set(causes) == {0}, f"causes {causes}")
        need({b"way", b"link", b"hard", b"fifo", b"dir"} <= set(found),
             f"{found}")
        d.close()
        need(not os.listdir(lab.dst), f"{os.listdir(lab.dst)} stayed")
        lab.settle()
        lab.check_outside()
    cases.run("all of the directory, and nothing outside", case)
    lab.close()


# ---- the receiver lies -----------------------------------------------------

GRANT = {"features": FEATURES | DELETES | EXISTING}
OPTIONS = ["--delete", "--existing", "replace"]
OUT = [b"..", b"../x", b"/etc/passwd", b"a/../../x", b".", b"sub/../../x",
       b"x//y", b"\x1b[31mred", b"new\nline", b"\xff\xfe",
       b".ferry-0123456789abcdef.part"]


class Deceiver(Receiver):
    """Grants --delete, and answers DELETE: rows, what it says that it has in
    each directory; or a map of the directories' paths to that."""

    def __init__(self, rows, lies=None, flags=0, cause=0):
        super().__init__(lies, ready=GRANT)
        self.rows, self.flags, self.cause = rows, flags, cause
        self.chosen, self.lists, self.dirs = [], [], 0

    def rows_of(self, path):
        if isinstance(self.rows, dict):
            return self.rows.get(path, [])
        return self.rows

    def list_dirs(self, channel, m):
        data = m["list"]
        for _ in range(m["count"]):
            end = 18 + int.from_bytes(data[16:18], "big")
            rows, data = self.rows_of(data[18:end]), data[end:]
            if rows:
                self.lists.append(rows)
                channel.send(extras(*rows, flags=self.flags, dir=self.dirs))
            self.dirs += 1

    def delete_chosen(self, channel, m):
        chosen = [r for i, r in enumerate(self.lists.pop(0))
                  if m["list"][i // 8] >> i % 8 & 1]
        self.chosen += [name for _, name in chosen]
        n = len([r for r in chosen if r[0] == 1 or self.flags & 1])
        channel.send(message("EXTRA", kind=3, count=n,
                             list=struct.pack(">H", self.cause) * n))

    def DELETE(self, channel, m):
        if m["kind"] == 1:
            channel.send(message("EXTRA", kind=1))
            return
        if m["kind"] == 2:
            self.list_dirs(channel, m)
        else:
            self.delete_chosen(channel, m)
        if not self.lists:
            channel.send(message("EXTRA", kind=4))


class Endless(Deceiver):
    """Answers the first DELETE of kind 2 with many lists, and each choice with
    that all of it was deleted and more that is to be, COUNT in all."""

    COUNT = 24000
    AHEAD = 32
    LONG = b"/".join([b"x" * 250] * 16)[:4000]

    def __init__(self):
        super().__init__([], flags=1)
        self.made = 0

    def list_more(self, channel):
        while self.made < self.COUNT and len(self.lists) < self.AHEAD:
            rows = [(1, self.LONG + b"%d" % (self.made + i)) for i in range(3)]
            self.made += len(rows)
            self.lists.append(rows)
            channel.send(extras(*rows, flags=self.flags))

    def list_dirs(self, channel, m):
        self.list_more(channel)

    def delete_chosen(self, channel, m):
        super().delete_chosen(channel, m)
        self.list_more(channel)


def lists(v):
    def told(rows, want, options=(), status=0, **more):
        """Of these rows those are chosen, in each directory."""
        def case():
            r = Deceiver(rows, **more)
            code = v.send_to(r, options=[*OPTIONS, *options])
            need(set(r.chosen) == set(want), f"chosen: {r.chosen}")
            need(code == status, f"exit status {code}: {v.texts[1][-300:]}")
        return case
    run = v.cases.run
    run("an honest list", told([(1, b"x"), (1, b"y")], [b"x", b"y"]))
    for flags in (0, 1, 2, 3):
        run(f"names that lead out, flags {flags}", told(
            [(kind, name) for name in OUT[:7] for kind in (1, 2)], [],
            flags=flags))
    run("names that are here", lambda: of_sources(v))
    run("names with terminal sequences", told(
        [(1, name) for name in OUT[7:10]], OUT[7:10]))
    run("the receiver's own files", told([(1, OUT[10])], []))

    def blocked_for_ever():
        """Each time a file is sent, a directory is in its way, which might be
        deleted."""
        r = Deceiver([], {"PACK": lambda r, link, m: link.send(message(
            "VERDICT", id=m["id"], items=m["items"], status=3, cause=9))
            or True})
        code = v.send_to(r, options=OPTIONS, paths=[v.links + "/."])
        need(code != 0, f"exit status {code}")
    run("a directory in the way again and again", blocked_for_ever)
    run("a cause that is unknown", told([(1, b"x")], [b"x"], cause=65535,
                                        status=1))
    run("more names than --max-delete", lambda: at_most(v))
    run("names without end", lambda: without_end(v))


def of_sources(v):
    """What is here is not deleted there, whatever kind it is said to have."""
    here = [b"small1", b"medium", b"sub", b"link", b"links"]
    for top in (b"", b"t"):
        r = Deceiver({top: [(kind, name) for name in here for kind in (1, 2)] +
                      [(1, b"extra")]})
        v.send_to(r, options=OPTIONS,
                  paths=[v.src + "/." * (top == b"")])
        need(r.chosen == [b"extra"], f"chosen in {top}: {r.chosen}")


def without_end(v):
    """Not all are chosen, and the session ends."""
    r = Endless()
    code = v.send_to(r, options=OPTIONS)
    need(r.made == r.COUNT, f"only {r.made} were listed")
    size = sum(len(name) + 2 for name in r.chosen)
    need(60 << 20 < size < 65 << 20, f"{size} bytes of names were chosen")
    deleted = v.texts[0].count(b'"event":"deleted"')
    need(deleted == len(r.chosen), f"{deleted} events")
    need(len(v.texts[0]) < 80 << 20, f"{len(v.texts[0])} bytes of events")
    need(code == 1, f"exit status {code}: {v.texts[1][-300:]}")
    need(b"without --max-delete" in v.texts[1], f"{v.texts[1][-300:]}")


def at_most(v):
    r = Deceiver([(1, b"x%d" % i) for i in range(1000)])
    v.send_to(r, options=[*OPTIONS, "--max-delete", "3"])
    need(len(r.chosen) == 3, f"{len(r.chosen)} were chosen")


def answers(v):
    """Frames that do not follow from what was sent."""
    ready = message("EXTRA", kind=1)

    def case(title, *frames, kind=1, **options):
        def lie(r, link, m):
            if m["kind"] != kind:
                return False
            link.send(*frames)
            return True
        v.cases.run(title, lambda: lied(v, lie, **options))
    for kind in (0, 6, 255):
        case(f"EXTRA of kind {kind}", message("EXTRA", kind=kind))
    case("EXTRA of kind 1 twice", ready, ready)
    case("EXTRA of kind 2 before kind 1", extras((1, b"x")))
    for kind in (3, 4, 5):
        case(f"EXTRA of kind {kind} before there is something", ready,
             message("EXTRA", kind=kind))
    case("EXTRA of kind 1 with a directory",
         message("EXTRA", kind=1, dir=1))
    case("EXTRA with a count of 5000 results", ready, message(
        "EXTRA", kind=3, count=5000, list=bytes(10000)))
    listed = {
        "of an unknown directory": extras((1, b"x"), dir=1000),
        "of directory 2^32-1": extras((1, b"x"), dir=2**32 - 1),
        "without rows": extras(),
        "with flags 4": extras((1, b"x"), flags=4),
        "with a row of kind 3": extras((3, b"x")),
        "with an empty name": extras((1, b"")),
        "with a name of 4097 bytes": extras((1, b"x" * 4097)),
        "that is cut": message("EXTRA", kind=2, count=2,
                               list=struct.pack(">BH", 1, 1) + b"x"),
        "with bytes left over": message(
            "EXTRA", kind=2, count=1, list=struct.pack(">BH", 1, 1) + b"xy"),
    }
    for title, frame in listed.items():
        case(f"a list {title}", frame, kind=2)
    case("results of nothing", message("EXTRA", kind=3), kind=2)
    case("the end of more than was sent", message("EXTRA", kind=4) * 9,
         kind=2)
    case("the end before a choice", extras((1, b"x")),
         message("EXTRA", kind=4), kind=2)
    case("results of too many", extras((1, b"x")),
         message("EXTRA", kind=3, count=2, list=bytes(4)), kind=2)
    case("a directory that cannot be read, unknown",
         message("EXTRA", kind=5, count=1, dir=77, list=b"\0\5"), kind=2)
    v.case("EXTRA where nothing is deleted",
           {"FINISH": lambda r, link, m: link.send(ready)})
    case("DELETE has no answer", options=["--timeout", "1"])
    case("directories have no answer", kind=2, options=["--timeout", "1"])


def lied(v, lie, options=()):
    r = Deceiver([], {"DELETE": lie})
    code = v.send_to(r, options=[*OPTIONS, *options])
    need("DELETE" in r.seen, "nothing was to be deleted")
    need(code != 0, f"exit status {code}: {v.texts[1][-300:]}")


def delete(cases):
    not_accepted(cases)
    lab = ReceiverLab(cases, "--accept", "all")
    order(lab)
    ways_out(lab)
    inside(lab)
    lab.close()
    all_of_it(cases)
    victim = SenderLab(cases)
    lists(victim)
    answers(victim)
    victim.close()
