"""Names that lead outside, collide, or contain terminal sequences."""
import hashlib
import os
import stat

from lib.lab import need
from lib.wire import message, pack, row
from targets import ReceiverLab

PART = b".ferry-0123456789abcdef"
BAD = [b"../x", b"a/../../x", b"/abs", b"", b".", b"..", b"a//b", b"a/./b",
       b"a/", b"a/..", b"./a", b"../../outside/new.txt", b"a\0b", b"\0",
       b"x" * 256, b"a/" + b"x" * 256, b"/".join([b"y" * 255] * 16) + b"/z",
       b"z" * 4097, b"/".join([b"d"] * 129), b"/".join([b"d"] * 300),
       PART + b".part", PART + b".journal", PART + b".new",
       b"a/" + PART + b".part", PART + b".new/a", b"//", b"way/../x"]
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
                through = b"/" in name
                at_name = not replace or name == b"dir"
                need(got[1] == 4 or not (through or at_name),
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
    bad_names(lab)
    strange_names(lab)
    link_targets(lab)
    two_of_a_name(lab)
    plants(lab, False)
    metadata(lab)
    lab.close()
    lab = ReceiverLab(cases, "--existing", "replace")
    two_of_a_name(lab)
    plants(lab, True)
    lab.close()
