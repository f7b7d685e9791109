"""Metadata beside mode and time that lies, is malformed or not accepted."""
import hashlib
import os

from lib.lab import need
from lib.wire import (ACL, ARCHIVE, CAPABILITY, FEATURES, HARDLINKS, OWNER,
                      PRESERVE, SETID, TRUSTED, XATTR, acl, field, message,
                      owner, pack, row, xattrs)
from targets import ReceiverLab

NO_ID = 2**32 - 1
THREE = ((1, 6), (3, 4), (6, 4))

MALFORMED = {
    "an owner of 2^32-1": owner(NO_ID, 0),
    "a group of 2^32-1": owner(0, NO_ID),
    "a user with a NUL": owner(1, 1, b"a\0b"),
    "a group's name that is cut": field(1, owner(1, 1)[3:-1] + b"\5ab"),
    "an owner with bytes left over": field(1, owner(1, 1)[3:] + b"x"),
    "an owner with other flags": owner(1, 1, flags=2),
    "an empty owner": field(1),
    "set-ID bits with a value": field(2, b"\1"),
    "an ACL without others": acl((1, 6), (3, 4)),
    "an ACL out of order": acl((3, 6), (1, 4), (6, 4)),
    "an ACL with two owners": acl((1, 6), *THREE),
    "an ACL of kind 7": acl(*THREE, (7, 1)),
    "an ACL of kind 0": acl((0, 1), *THREE),
    "an ACL with permissions of 8": acl((1, 8), (3, 4), (6, 4)),
    "an ACL for user 2^32-1": acl((1, 6), (2, 6, NO_ID, b""), (3, 4), (5, 7),
                                  (6, 4)),
    "an ACL for a name with a NUL": acl((1, 6), (2, 6, 1, b"\0"), (3, 4),
                                        (5, 7), (6, 4)),
    "an ACL that is cut": field(3, acl(*THREE)[3:-1]),
    "attributes of no kind": xattrs(kinds=0),
    "attributes of an unknown kind": xattrs(kinds=0x88),
    "attributes that are out of order": xattrs((b"user.b", b""),
                                               (b"user.a", b"")),
    "an attribute twice": xattrs((b"user.a", b""), (b"user.a", b"")),
    "an attribute of another kind": xattrs((b"trusted.a", b"")),
    "an attribute that is cut": field(5, b"\x08\x06user.a\0\5xy"),
    "an attribute's name that is cut": field(5, b"\x08\xffuser.a"),
    "an attribute with a NUL in its name": xattrs((b"user.a\0b", b"")),
    "tags out of order": field(2) + owner(1, 1),
    "a tag twice": field(2) + field(2),
    "a tag of 32": field(32),
    "a field that is longer than the list": b"\2\0\1",
}
for name in (b"", b"user.", b"trusted.", b"security.selinux",
             b"security.capability2", b"system.posix_acl_access", b"x",
             b"security.", b"user", b"USER.a"):
    MALFORMED[f"an attribute {name}"] = xattrs((name, b"v"), kinds=0x38)

# What each needs.
WELL_FORMED = {
    OWNER: owner(12345, 12345), SETID: field(2), ACL: acl(*THREE),
    XATTR: xattrs((b"user.a", b"v")),
    CAPABILITY: xattrs((b"security.capability", b"\1\0\0\2" + bytes(16)),
                       kinds=CAPABILITY),
    TRUSTED: xattrs((b"trusted.overlay.opaque", b"y"), kinds=TRUSTED),
}


def frames(further):
    """Each frame with metadata that a sender may begin with."""
    yield "OPEN", message("OPEN", size=1, further=further)
    yield "PACK", pack([row(1, b"x", name=b"m", further=further)], b"x")
    yield "PACK of a directory", pack([row(2, name=b"m", further=further)])
    yield "PACK of a symlink", pack([row(3, name=b"m", further=further)])
    yield "OFFER", pack([row(1, b"x", name=b"m", further=further)],
                        kind="OFFER")


def refused(lab, features, what, further):
    for way, sent in frames(further):
        def case():
            s = lab.sender(features=features)
            s.send(sent)
            lab.refused(s)
        lab.case(f"{way} with {what}", case)


def not_accepted(lab):
    for bit, further in WELL_FORMED.items():
        refused(lab, FEATURES | PRESERVE, f"what needs {bit}", further)

    def nothing_is_granted():
        s = lab.sender(features=FEATURES | PRESERVE | ARCHIVE)
        need(s.ready["features"] & PRESERVE, "preserve was not granted")
        need(not s.ready["features"] & ARCHIVE, "an archive was granted")
        need(s.ready["preserve"] == HARDLINKS,
             f"accepted {s.ready['preserve']}")
        s.close()
    lab.case("READY where nothing is accepted", nothing_is_granted)


def put(lab, further, names):
    """A file, a directory and a symlink with this: committed."""
    def case():
        s = lab.sender(features=FEATURES | PRESERVE)
        s.send(pack([row(1, b"x", name=b"m", further=further),
                     row(2, name=b"n", further=further, mode=0o6755),
                     row(3, name=b"o", target=b"n", further=further)], b"x"),
               message("FLUSH"))
        got = s.verdicts(3)
        need(got == {1: 1, 2: 1, 3: 5}, f"verdicts {got}")
        st = os.stat(os.path.join(lab.dst, "m"))
        need(st.st_uid in names and st.st_gid in names,
             f"owned by {st.st_uid}:{st.st_gid}")
        s.good.append((1, 1, hashlib.sha256(b"x").digest()))
        s.finish()
        last = s.rest()[-1]
        need(last["message"] == "SUMMARY", f"{last} instead of SUMMARY")
        s.close()
    return case


def accepted(lab):
    everything = FEATURES | PRESERVE | ARCHIVE
    for what, further in MALFORMED.items():
        refused(lab, everything, what, further)
    for what, sent in frames(owner(1, 1)):
        def without_granting():
            s = lab.sender()
            s.send(sent)
            lab.refused(s)
        lab.case(f"{what} of the extended form, which was not granted",
                 without_granting)
    result = {b"m": [b"x"], b"n": ["dir"], b"o": [("link", b"n")]}
    me = os.getuid()
    for who in ((0, b"daemon"), (4294967294, b""), (54321, b"root"),
                (54321, b"\x1b[31m"), (54321, b"x" * 255)):
        lab.case(f"an owner {who}", put(lab, owner(who[0], who[0], who[1],
                                                   who[1]),
                                        {me, os.getgid(), who[0]}), result)
    full = xattrs(*((b"user.%04d" % i, b"v" * 100) for i in range(560)))
    fill = 65535 - len(full) - 3
    lab.case("as much metadata as there can be",
             put(lab, full + field(31, bytes(fill)), {me, os.getgid()}),
             result)
    many = acl((1, 6), *((2, 7, i, b"") for i in range(7000)), (3, 4), (5, 7),
               (6, 4))
    lab.case("an ACL with 7000 users", put(lab, many, {me, os.getgid()}),
             result)


def set_ids(lab):
    """The bits without what asks for them, and what asks for them without an
    owner of ours: none is set."""
    def case(further):
        def run():
            s = lab.sender(features=FEATURES | PRESERVE)
            s.send(pack([row(1, b"x", name=b"m", mode=0o6755, further=further),
                         row(2, name=b"n", mode=0o6755, further=further)],
                        b"x"), message("FLUSH"))
            need(set(s.verdicts(2).values()) <= {1}, "not committed")
            for leaf in "mn":
                mode = os.stat(os.path.join(lab.dst, leaf)).st_mode
                need(not mode & 0o4000, f"mode {mode:o} of {leaf}")
            s.close()
        return run
    result = {b"m": [b"x"], b"n": ["dir"]}
    lab.case("set-ID bits in a mode", case(b""), result)
    # nobody here has this name, nor this number: it stays our own
    if os.getuid() != 0:
        lab.case("set-ID bits of another user",
                 case(owner(54321, 54321, b"nobody-here", b"") + field(2)),
                 result)


def devices(lab):
    """Of numbers that this system has not: none is made, also not one whose
    number is what is left of them."""
    for kind, major, minor in ((3, 2**32 - 1, 0), (4, 0, 2**32 - 1),
                               (3, 4096 + 1, 3), (3, 1, 2**20 + 3)):
        def case():
            s = lab.sender(features=FEATURES | PRESERVE)
            s.send(pack([row(5, name=b"s", special=kind, major=major,
                             minor=minor, further=b"")]), message("FLUSH"))
            need(s.until("VERDICT")["status"] == 5, "not deferred")
            s.finish()
            got = s.until("VERDICT", "ERROR")
            need(got.get("status") == 4, f"{got}")
            s.rest()
            s.close()
        lab.case(f"a device {major}:{minor}", case)


def specials(lab, features, values):
    """Rows of special files that are refused."""
    for value in values:
        def case():
            s = lab.sender(features=features)
            s.send(pack([row(5, name=b"s", special=value[0], major=value[1],
                             minor=value[2], further=b"")]))
            lab.refused(s)
        lab.case(f"a special file {value}", case)


def hard_links(lab):
    """To anything but a file of this session: none is made."""
    def linked_to(first):
        def case():
            s = lab.sender(features=FEATURES | PRESERVE)
            s.send(pack([row(4, name=b"l", target=first, further=b"")]),
                   message("FLUSH"))
            need(s.until("VERDICT")["status"] == 5, "not deferred")
            s.finish()
            got = s.until("VERDICT", "ERROR")
            need(got.get("status") == 4, f"{got}")
            s.rest()
            s.close()
            need(not os.path.lexists(os.path.join(lab.dst, "l")), "a link")
        return case
    for first in (b"hard", b"link", b"way", b"way/secret.txt", b"dangling",
                  b"fifo", b"socket", b"dir", b"none", b"none/none"):
        lab.case(f"a hard link to {first.decode()}", linked_to(first))
    for first in (b"", b"../outside/secret.txt", b"/etc/passwd", b"a\0b",
                  b"..", b"a//b", b"x" * 4096):
        def case():
            s = lab.sender(features=FEATURES | PRESERVE)
            s.send(pack([row(4, name=b"l", target=first, further=b"")]))
            lab.refused(s)
        lab.case(f"a hard link to {first[:30]!r}", case)


def meta(cases):
    lab = ReceiverLab(cases)
    not_accepted(lab)
    specials(lab, FEATURES | PRESERVE, [(1, 0, 0), (3, 1, 3)])
    lab.close()
    lab = ReceiverLab(cases, "--accept", "all")
    accepted(lab)
    set_ids(lab)
    devices(lab)
    hard_links(lab)
    specials(lab, FEATURES | PRESERVE,
             [(0, 0, 0), (5, 0, 0), (255, 0, 0), (1, 1, 0), (2, 0, 1)])
    lab.close()
