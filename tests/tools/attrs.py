#!/usr/bin/env python3
"""Set and show metadata that coreutils do not: ACLs and extended attributes.

attrs.py set PATH NAME VALUE    an attribute; VALUE xN: N letters x
attrs.py remove PATH NAME       an attribute
attrs.py acl PATH access|default ENTRY...
                                u::rw- u:65534:r-x g::r-- m::rwx o::---
attrs.py show DIR               a line for each item below DIR, sorted: kind,
                                mode, owner, group, device, number of names,
                                target and attributes; for comparisons
"""
import os
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
# pylint: disable=wrong-import-position
from lib import acl  # noqa: E402

TAGS = {"u": (acl.OWNER, acl.USER), "g": (acl.OWNERS_GROUP, acl.GROUP),
        "m": (acl.MASK,), "o": (acl.OTHERS,)}


def entry(text):
    kind, who, perms = text.split(":")
    bits = sum(4 >> i for i, c in enumerate("rwx") if perms[i] == c)
    return (TAGS[kind][bool(who)], bits) + ((int(who),) if who else ())


def attributes(path, is_link):
    if is_link:
        return ""
    names = sorted(name for name in os.listxattr(path, follow_symlinks=False)
                   if not name.startswith("security.")
                   or name == "security.capability")
    return " ".join(f"{name}={os.getxattr(path, name).hex()}"
                    for name in names)


def show(top):
    lines = []
    for here, dirs, files in os.walk(os.fsencode(top)):
        for name in dirs + files:
            path = os.path.join(here, name)
            st = os.lstat(path)
            is_link = stat.S_ISLNK(st.st_mode)
            links = 0 if stat.S_ISDIR(st.st_mode) else st.st_nlink
            target = os.readlink(path) if is_link else b""
            name = ascii(os.path.relpath(path, os.fsencode(top)))[2:-1]
            lines.append(f"{name} "
                         f"{st.st_mode:o} {st.st_uid}:{st.st_gid} "
                         f"{st.st_rdev:x} {links} {target} "
                         f"{attributes(path, is_link)}")
    print("\n".join(sorted(lines)))


def main():
    what, path, *rest = sys.argv[1:]
    if what == "set":
        name, value = rest[0], rest[1]
        if value[:1] == "x" and value[1:].isdigit():
            value = "x" * int(value[1:])
        os.setxattr(path, name, value.encode())
    elif what == "remove":
        os.removexattr(path, rest[0])
    elif what == "acl":
        os.setxattr(path, {"access": acl.ACCESS, "default": acl.DEFAULT}[
            rest[0]], acl.encoded(map(entry, rest[1:])))
    elif what == "show":
        show(path)
    else:
        sys.exit(f"attrs.py: {what}?")


main()
