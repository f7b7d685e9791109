"""Names that lead outside, collide, or contain terminal sequences."""
import hashlib
import os
import stat

from lib.lab import need
from lib.wire import (EXISTING, FEATURES, LINKS, POLICIES, UNSENT, message,
                      pack, row)
from targets import LONG, ReceiverLab

PART = b".ferry-0123456789abcdef"
BAD = [b"../x", b"a/../../x", b"/abs", b"", b".", b"..", b"a//b", b"a/./b",
       b"a/", b"a/..", b"./a", b"../../outside/new.txt", b"a\0b", b"\0",
       b"x" * 256, b"a/" + b"x" * 256, b"/".join([b"y" * 255] * 16) + b"/z",
       b"z" * 4097, b"/".join([b"d"] * 129), b"/".join([b"d"] * 300),
       PART + b".part", PART + b".journal", PART + b".new",
       b"a/" + PART + b".part", PART + b".new/a", b"//", b"way/../x",
       PART.upper() + b".PART", PART + b".Journal", PART + b".new. ",
       PART + b"\xe2\x80\x8b.part"]
# looks like leading outside, but is an ordinary name
STRANGE = [b"..\\x", b"%2e%2e", b"\xc0\xae\xc0\xae", b".\x01.", b"...",
           "\uff0e\uff0e".encode(), b"\xff\xfe", b"..a", b"a..", b"-rf",
           b"x" * 255, b"CON", b"a:b", b" ", b"$(touch x)", b"%n%s",
           b"esc\x1b[31m", b"c1\x9b31m", b"cr\rlf\nbel\x07", b"tab\t",
           "rtl\u202eevil".encode(), "c1\u009b".encode(), b"\\", b"'\"`",
           PART, PART + b".part2", b".ferry-0123456789abcde.part",
           b".ferry-0123456789abcdeg.part", b"/".join([b"q"] * 128)]


def ways(name):
    """Every message with the name of an item to create."""
    yield "OPEN", [message("OPEN", name=name, size=1),
                   message("CHUNK", payload=b"x"),
                   message("FILE_END", size=1,
                           digest=hashlib.sha256(b"x").digest())]
    for kind, what in ((1, "file"), (2, "directory"), (3, "symlink")):
        r = row(kind, b"x", name=name)
        yield f"PACK of a {what}", [pack([r], b"x" if kind == 1 else b"")]
        yield f"OFFER of a {what}", [pack([r], kind="OFFER")]
    # after a good row, which is not created either
    yield "PACK, second", [pack([row(2, name=b"aa"), row(1, b"", name=name)],
                                items=2)]


def bad_names(lab):
    for name in BAD:
        for way, frames in ways(name):
            def case():
                s = lab.sender()
                s.send(*frames)
                lab.refused(s)
            lab.case(f"{way} {name[:30]!r} ({len(name)})", case)


def bad_notes(lab):
    """What a sender says that it could not send: in the receiver's events."""
    for name in BAD:
        if name == b".":
            continue  # of an item that has no name that could be sent

        def case():
            s = lab.sender(features=FEATURES | UNSENT)
            s.send(message("NOTE", kind=1, name=name, cause=4))
            lab.refused(s)
            lab.settle()
            got = lab.receiver.find("file")
            need(not got, f"events: {got}")
        lab.case(f"NOTE of {name[:30]!r} ({len(name)})", case)

    def nameless():
        s = lab.sender(features=FEATURES | UNSENT)
        s.send(message("NOTE", kind=1, name=b".", cause=4))
        s.finish()
        need(s.rest()[-1]["message"] == "SUMMARY", "no SUMMARY")
        lab.settle()
        got = [(e["path"], e["status"]) for e in lab.receiver.find("file")]
        need(got == [(".", "failed")], f"events: {got}")
    lab.case("NOTE of an item without a name", nameless)


def strange_names(lab):
    for name in STRANGE:
        for by_pack in (0, 1):
            def case():
                s = lab.sender()
                if by_pack:
                    s.put_pack(1, [(name, b"ok")])
                else:
                    s.put_file(1, name, b"ok")
                s.send(message("FLUSH"))
                got = s.verdicts(1)
                need(got == {1: 1}, f"verdict {got}")
                s.finish()
                need(s.rest()[-1]["message"] == "SUMMARY", "no SUMMARY")
                with open(os.path.join(os.fsencode(lab.dst), name), "rb") as f:
                    need(f.read() == b"ok", "the content")
            lab.case(f"stored unchanged by {('OPEN', 'PACK')[by_pack]}: "
                     f"{name[:30]!r}", case, {name: [b"ok"]})


TARGETS = [b"/etc/passwd", b"/", b"../x", b"..", b"a/../x", b"a/../../x",
           b"./../..", b"", b"x\0y", b"../outside", b"a/..", b"../../x",
           b"x/" * 2100]


def link_targets(lab):
    for target in TARGETS:
        for kind in ("PACK", "OFFER"):
            for name in (b"l", b"s/l"):
                if name == b"s/l" and target in (b"../x", b"..",
                                                 b"../outside"):
                    continue  # stays inside

                def case():
                    s = lab.sender()
                    s.send(pack([row(3, name=name, target=target)],
                                kind=kind))
                    lab.refused(s)
                lab.case(f"{kind} of a symlink {name.decode()} to "
                         f"{target[:30]!r}", case)


def finish_any(s, count):
    """Whatever was committed, a clean end with what came of it."""
    s.send(message("FLUSH"))
    return s.verdicts(count)


def two_of_a_name(lab):
    a, b = b"first", b"second"

    def file(name, data):
        return row(1, data, name=name)

    def packs(*parts):
        """Each part is the rows and content of a pack of its own."""
        def case():
            s = lab.sender()
            ident = 1
            for rows, content in parts:
                s.send(pack(rows, content, id=ident))
                ident += len(rows)
            s.send(message("FLUSH"))
            s.half_close()
            s.rest()
            s.close()
        return case

    both = {b"n": [a, b]}
    lab.case("the same file twice in a pack",
             packs(([file(b"n", a), file(b"n", b)], a + b)), both)
    lab.case("the same file in two packs",
             packs(([file(b"n", a)], a), ([file(b"n", b)], b)), both)
    lab.case("a file, then a file below it",
             packs(([file(b"n", a), file(b"n/m", b)], a + b)),
             {b"n": [a, "dir"], b"n/m": [b]})
    lab.case("a file below it, then a file",
             packs(([file(b"n/m", a), file(b"n", b)], a + b)),
             {b"n": [b, "dir"], b"n/m": [a]})
    lab.case("a directory, then a file of its name",
             packs(([row(2, name=b"n"), file(b"n", a)], a)),
             {b"n": [a, "dir"]})
    lab.case("a file, then a directory of its name",
             packs(([file(b"n", a)], a), ([row(2, name=b"n")], b"")),
             {b"n": [a, "dir"]})
    links = {b"d": ["dir", ("link", b"dir"), ("link", b".")],
             b"d/f": [a], b"dir/f": [a], b"d/d": [("link", b"dir")]}
    for target in (b"dir", b"."):
        link = row(3, name=b"d", target=target)
        lab.case(f"a symlink to {target!r}, then a file through it",
                 packs(([link], b""), ([file(b"d/f", a)], a)), links)
        lab.case(f"a directory, a symlink of its name to {target!r}, a file",
                 packs(([row(2, name=b"d"), link, file(b"d/f", a)], a)),
                 links)
    lab.case("symlinks to one another",
             packs(([row(3, name=b"p", target=b"q"),
                     row(3, name=b"q", target=b"p"),
                     file(b"p/f", a)], a)),
             {b"p": ["dir", ("link", b"q")], b"q": [("link", b"p")],
              b"p/f": [a]})
    lab.case("a symlink that leads out by way of another",
             packs(([row(3, name=b"x/y", target=b"../.."[:2]),
                     row(3, name=b"z", target=b"x/y/outside"),
                     file(b"z/f", a)], a)),
             {b"x": ["dir"], b"x/y": [("link", b"..")], b"z": ["dir"],
              b"z/f": [a]})

    def twice_open():
        s = lab.sender()
        s.put_file(1, b"n", a)
        s.put_file(2, b"n", b)
        s.send(message("FLUSH"))
        s.half_close()
        s.rest()
    lab.case("the same file in two OPEN", twice_open, both)


def plants(lab, replace):
    """What was there before leads out, or hangs."""
    data = b"evil"
    planted = [b"way/new.txt", b"way/secret.txt", b"way/sub/deep.txt",
               b"link", b"dangling", b"hard", b"fifo", b"socket", b"dir",
               b"fifo/x", b"link/x", b"way"]
    for name in planted:
        for by_pack in (0, 1):
            def case():
                s = lab.sender()
                if by_pack:
                    s.put_pack(1, [(name, data)])
                else:
                    s.put_file(1, name, data)
                s.send(message("FLUSH"))
                got = s.verdicts(1)
                is_deep = b"/" in name
                at_name = not replace or name == b"dir"
                need(got[1] == 4 or not (is_deep or at_name),
                     f"{name!r}: verdict {got}")
                s.half_close()
                s.rest()
                s.close()
            allowed = {name: [data]} if replace else {}
            lab.cases.run(
                f"{('OPEN', 'PACK')[by_pack]} at {name.decode()}"
                f"{', to replace' if replace else ''}", case,
                lambda: lab.check(allowed, replace))
            replant(lab)
    for name in (b"way", b"link", b"fifo", b"hard", b"way/sub"):
        def mkdir():
            s = lab.sender()
            s.send(pack([row(2, name=name, mode=0o777)]), message("FLUSH"))
            got = s.verdicts(1)
            need(got[1] == 4, f"{name!r}: verdict {got}")
            s.close()
        lab.case(f"a directory at {name.decode()}", mkdir)


def replant(lab):
    """A case that replaces something is allowed to, once."""
    for name in (b"way", b"link", b"dangling", b"hard", b"fifo", b"socket"):
        path = os.path.join(os.fsencode(lab.dst), name)
        if os.path.lexists(path):
            mode = os.lstat(path).st_mode
            if name == b"hard" and os.stat(path).st_nlink > 1:
                continue
            if name != b"hard" and not stat.S_ISREG(mode):
                continue
            os.unlink(path)
        if name == b"fifo":
            os.mkfifo(path)
        elif name == b"socket":
            os.mknod(path, stat.S_IFSOCK | 0o644)
        elif name == b"hard":
            os.link(os.path.join(os.fsencode(lab.outside), b"hard.txt"), path)
        else:
            os.symlink(lab.planted[name][1], path)


def unasked(lab):
    """Targets that lead out, where only the sender asks for them."""
    for target in (b"/etc/passwd", b"../x"):
        def case():
            s = lab.sender(features=FEATURES | LINKS)
            need(not s.ready["features"] & LINKS, "links were granted")
            s.send(pack([row(3, name=b"l", target=target)]))
            lab.refused(s)
        lab.case(f"a symlink to {target.decode()} that is not accepted", case)


GROUP = 8192  # as many symlinks are deferred


def through(lab, s, ident):
    """Everything that could follow the symlink out, which leads out: all of it
    fails."""
    data = b"evil"
    s.send(pack([row(1, data, name=b"out/a"), row(2, name=b"out/sub"),
                 row(2, name=b"out"), row(2, name=b"out/sub/new"),
                 row(1, data, name=b"out/secret.txt"),
                 row(1, data, name=b"out/sub/deep.txt")], 3 * data, id=ident),
           pack([row(1, data, name=b"out/secret.txt")], id=ident + 6,
                kind="OFFER"),
           message("FLUSH"))
    got = s.verdicts(6)
    want = {ident + i: 4 for i in range(6)}
    need(got == want, f"verdicts {got}")
    ident += 7
    for name in (b"out/b", b"out/secret.txt", b"out/sub/deep.txt"):
        s.send(message("OPEN", id=ident, name=name, size=len(data)))
        s.until("STATE")
        got = s.verdicts(1)
        need(got == {ident: 4}, f"{name!r}: verdict {got}")
        ident += 1
    return ident


def free_links(lab):
    """Symlinks that lead out are accepted, and never followed."""
    for target in (b"", b"x\0y", b"x" * 4096):
        def malformed():
            s = lab.sender(features=FEATURES | LINKS)
            s.send(pack([row(3, name=b"l", target=target)]))
            lab.refused(s)
        lab.case(f"a symlink to {target[:30]!r}", malformed)
    outside = os.fsencode(lab.outside)
    ways_out = [outside, b"../outside", b"way", b"./../dst/../outside"]
    for number, policy in enumerate(POLICIES, 1):
        values = {"features": FEATURES | LINKS | EXISTING, "existing": number}
        for target in ways_out:
            link = row(3, name=b"out", target=target)

            def in_one_session():
                s = lab.sender(**values)
                need(s.ready["features"] & LINKS, "links were not granted")
                # enough of them that they are made at once
                s.send(pack([link], id=1))
                for i in range(0, GROUP, 512):
                    s.send(pack([row(3, name=b"n/%d" % j, target=target)
                                 for j in range(i, i + 512)], id=2 + i))
                while True:
                    m = s.until("VERDICT")
                    if m["id"] == 1 and m["status"] != 5:
                        break
                need(m["status"] == 1, f"the symlink: {m['status']}")
                ident = through(lab, s, GROUP + 10)
                # and one that is deferred
                s.send(pack([row(3, name=b"out/l", target=b"/")], id=ident),
                       message("FLUSH"))
                s.half_close()
                s.rest()
                s.close()

            def later():
                s = lab.sender(**values)
                s.send(pack([link], id=1), message("FLUSH"))
                need(s.until("VERDICT")["status"] == 5, "not deferred")
                s.finish()
                s.rest()
                s.close()
                s = lab.sender(**values)
                through(lab, s, 1)
                s.half_close()
                s.rest()
                s.close()
            allowed = {b"out": [("link", target)], b"n": ["dir"]}
            allowed.update((b"n/%d" % i, [("link", target)])
                           for i in range(GROUP))
            title = f"--existing {policy}, a symlink to {target[-20:]!r}"
            if target == outside and (LONG or number % 2):
                lab.case(f"{title}, then through it", in_one_session, allowed)
            lab.case(f"{title}, through it in the next session", later,
                     allowed)
        for name in (b"way/new.txt", b"way/secret.txt"):
            def at_planted():
                s = lab.sender(**values)
                s.put_file(1, name, b"evil")
                s.send(message("FLUSH"))
                got = s.verdicts(1)
                need(got == {1: 4}, f"{name!r}: verdict {got}")
                s.half_close()
                s.rest()
                s.close()
            lab.case(f"--existing {policy}, OPEN at {name.decode()}",
                     at_planted)


def metadata(lab):
    for mode in (0o7777, 0o4755, 0o2755, 0o1777, 0, 0o777):
        for by_pack in (0, 1):
            def mode_is_masked():
                s = lab.sender()
                if by_pack:
                    s.send(pack([row(1, b"x", name=b"m", mode=mode)], b"x"))
                else:
                    s.put_file(1, b"m", b"x", mode=mode)
                s.send(message("FLUSH"))
                need(s.verdicts(1) == {1: 1}, "not committed")
                st = os.stat(os.path.join(lab.dst, "m"))
                need(st.st_mode & 0o7000 == 0, f"mode {st.st_mode:o}")
                need(st.st_uid == os.getuid(), "owner")
                s.close()
            lab.case(f"mode {mode:o} by {('OPEN', 'PACK')[by_pack]}",
                     mode_is_masked, {b"m": [b"x"]})
    bad = [{"mode": 0o10000}, {"mode": 0o100644}, {"mode": 2**31},
           {"mode": 2**32 - 1}, {"nsec": 10**9}, {"nsec": 2**30},
           {"nsec": 2**32 - 1}]
    for lie in bad:
        for way, frames in (
                ("OPEN", [message("OPEN", **lie)]),
                ("PACK", [pack([row(1, b"x", name=b"m", **lie)], b"x")]),
                ("PACK of a directory", [pack([row(2, name=b"m", **lie)])]),
                ("PACK of a symlink", [pack([row(3, name=b"m", **lie)])]),
                ("OFFER", [pack([row(1, b"x", name=b"m", **lie)],
                                kind="OFFER")])):
            def is_refused():
                s = lab.sender()
                s.send(*frames)
                lab.refused(s)
            lab.case(f"{way} with {lie}", is_refused)
    for sec in (-2**63, 2**63 - 1, -1, 2**33, 2**55, -2**40):
        for kind in (1, 2, 3):
            def any_time():
                s = lab.sender()
                s.send(pack([row(kind, b"x" if kind == 1 else b"", name=b"m",
                                 sec=sec, target=b"dir")],
                            b"x" if kind == 1 else b""), message("FLUSH"))
                if kind != 3:
                    s.verdicts(1)
                s.half_close()
                s.rest()
                s.close()
            lab.case(f"time {sec} of kind {kind}", any_time,
                     {b"m": [b"x", "dir", ("link", b"dir")]})


def names(cases):
    lab = ReceiverLab(cases)
    bad_notes(lab)
    bad_names(lab)
    strange_names(lab)
    link_targets(lab)
    unasked(lab)
    two_of_a_name(lab)
    plants(lab, False)
    metadata(lab)
    lab.close()
    lab = ReceiverLab(cases, "--existing", "replace")
    two_of_a_name(lab)
    plants(lab, True)
    lab.close()
    # without the sandbox, which would stop most of it as well
    lab = ReceiverLab(cases, "--accept", "links,existing", "--sandbox", "off")
    two_of_a_name(lab)
    free_links(lab)
    lab.close()
