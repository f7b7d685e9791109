#!/usr/bin/env python3
"""A tree with all that -a keeps, and random edits of it.

rounds.py make DIR SEED      a tree; with what this user may set of owners,
                             devices, capabilities
rounds.py furnish DIR SEED   add to a tree what make has and it has not
rounds.py edit DIR SEED      some edits: content, times, modes, owners,
                             attributes, ACLs, hard links, new names
rounds.py mirror DIR SEED    these, and removals, renames, and other kinds
                             under the same names
"""
import os
import random
import shutil
import socket
import stat
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
# pylint: disable=wrong-import-position
from lib import acl  # noqa: E402
from lib.limits import can  # noqa: E402

# A user namespace gives root only some of it.
MAY_READ_ALL = can("CAP_DAC_OVERRIDE")
MAY_SET_CAPABILITIES = can("CAP_SETFCAP")
MAKES_DEVICES = can("devices")
HAS_USERS = can("a second user")
USERS, GROUP = ((1, 2, 8, 65534, 70000), 8) if can("ACLs of other users") \
    else ((os.geteuid(),), os.getegid())


def some_acl(rng):
    def bits():
        return rng.randrange(8)
    return acl.encoded(
        [(acl.OWNER, bits() if MAY_READ_ALL else 7)] +
        [(acl.USER, bits(), uid)
         for uid in rng.sample(USERS, min(2, len(USERS)))] +
        [(acl.OWNERS_GROUP, bits()), (acl.GROUP, bits(), GROUP),
         (acl.MASK, 7), (acl.OTHERS, bits())])


def make_file(rng, path):
    size = rng.choice((0, 1, 100, 5000, 300000, 300000, 9000000
                       if rng.random() < 0.1 else 10))
    with open(path, "wb") as f:
        f.write(rng.randbytes(size))


def make(rng, top):
    os.mkdir(top)
    # FIFOs and the like: without a default ACL, as they keep no ACL
    os.mkdir(os.path.join(top, "nodes"))
    dirs = [top]
    for i in range(12):
        dirs.append(os.path.join(rng.choice(dirs), f"d{i}"))
        os.mkdir(dirs[-1])
    for i in range(60):
        make_file(rng, os.path.join(rng.choice(dirs), f"f{i}"))
    add_nodes(rng, top, "0")
    for _ in range(80):
        change(rng, items(top))


def furnish(rng, top):
    """As for mirror(): FIFOs may be anywhere, so no default ACLs."""
    for tag in range(5):
        add_nodes(rng, top, f"more{tag}")
    found = items(top)
    for _ in range(200):
        change(rng, found, False)


def items(top):
    """Directories, files, and all else."""
    dirs, files, others = [top], [], []
    for here, names, rest in os.walk(top):
        names.sort()
        for name in sorted(names + rest):
            path = os.path.join(here, name)
            mode = os.lstat(path).st_mode
            (dirs if stat.S_ISDIR(mode) else files if stat.S_ISREG(mode)
             else others).append(path)
    return dirs, files, others


def add_nodes(rng, top, tag):
    nodes = os.path.join(top, "nodes")
    if os.path.lexists(nodes) and not is_dir(nodes):
        os.unlink(nodes)
    os.makedirs(nodes, exist_ok=True)
    dirs, files, _ = items(top)

    def place(name):
        return os.path.join(nodes, f"{name}{tag}")
    os.symlink(rng.choice(("/nowhere", "f1", "../../x", "d0")),
               os.path.join(rng.choice(dirs), f"l{tag}"))
    os.mkfifo(place("p"), 0o640)
    with socket.socket(socket.AF_UNIX) as s:
        here = os.getcwd()
        os.chdir(nodes)
        s.bind(f"s{tag}")
        os.chdir(here)
    for i in range(3):
        os.link(rng.choice(files),
                os.path.join(rng.choice(dirs), f"h{i}-{tag}"))
    if MAKES_DEVICES:
        os.mknod(place("c"), 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(place("b"), 0o660 | stat.S_IFBLK, os.makedev(7, 70000))


def change(rng, found, default_acls=True):
    dirs, files, others = found
    path = rng.choice(files if rng.random() < 0.7 else dirs)
    what = rng.choice((0, 1, 2, 3, 4, 5) + (6,) * MAY_SET_CAPABILITIES +
                      (7,) * HAS_USERS)
    if what == 0:
        with open(rng.choice(files), "r+b") as f:
            f.seek(rng.randrange(os.fstat(f.fileno()).st_size + 1))
            f.write(rng.randbytes(rng.randrange(1, 1000)))
    elif what == 1:
        when = rng.randrange(10**18, 2 * 10**18)
        some = rng.choice((path, rng.choice(others) if others else path))
        os.utime(some, ns=(when, when), follow_symlinks=False)
    elif what == 2:
        os.chmod(path, rng.choice((0o700, 0o755, 0o644 | 0o700, 0o1777, 0o2770,
                                   0o4755, 0o6711, 0o777)))
    elif what == 3:
        os.setxattr(path, f"user.{rng.choice('abc')}",
                    rng.randbytes(rng.randrange(500)))
    elif what == 4:
        names = [n for n in os.listxattr(path) if n.startswith("user.")]
        if names:
            os.removexattr(path, rng.choice(names))
    elif what == 5:
        kind = acl.ACCESS if path in files or path.endswith("/nodes") or \
            not default_acls else rng.choice((acl.ACCESS, acl.DEFAULT))
        os.setxattr(path, kind, some_acl(rng))
    elif what == 6:
        # cap_net_raw+ep
        os.setxattr(rng.choice(files), "security.capability", struct.pack(
            "<5I", 0x02000001, 1 << 13, 0, 0, 0))
    else:
        some = rng.choice((path, rng.choice(others) if others else path))
        os.chown(some, rng.choice((0, 1, 8, 70000)),
                 rng.choice((0, 1, 8, 70000)), follow_symlinks=False)


def edit(rng, top, default_acls=True):
    for _ in range(15):
        change(rng, items(top), default_acls)
    tag = f"{rng.randrange(10**9)}"
    dirs, _, _ = items(top)
    make_file(rng, os.path.join(rng.choice(dirs), f"n{tag}"))
    add_nodes(rng, top, tag)


# ---- what is for a mirror --------------------------------------------------

# A directory with more in it is not removed: some of the tree is to last.
SMALL = 200


def is_dir(path):
    return stat.S_ISDIR(os.lstat(path).st_mode)


def is_small(path):
    return not is_dir(path) or \
        sum(len(d) + len(f) for _, d, f in os.walk(path)) < SMALL


def remove(path):
    if is_dir(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def make_any(rng, path):
    """Of any kind."""
    kind = rng.randrange(6 if MAKES_DEVICES else 5)
    if kind == 0:
        os.symlink(rng.choice(("/etc", "f1", "../..", "nowhere")), path)
    elif kind == 1:
        os.mkfifo(path, 0o600)
    elif kind < 4:
        os.mkdir(path, 0o755)
        for i in range(rng.randrange(4)):
            make_file(rng, os.path.join(path, f"in{i}"))
        if rng.random() < 0.3:
            make_any(rng, os.path.join(path, "below"))
    elif kind == 4:
        make_file(rng, path)
    else:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, rng.randrange(9)))


def looks_same(one, other):
    """To who compares by size and time, as --mirror does: files that were made
    within one tick of the kernel's clock."""
    one, other = os.lstat(one), os.lstat(other)
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def restructure(rng, top):
    """Remove, move, exchange or replace something."""
    dirs, files, others = items(top)
    path = rng.choice(rng.choice((dirs[1:], files, files, others)) or files)
    parent = rng.choice(dirs)
    to = os.path.join(parent, f"r{rng.randrange(10**9)}")
    what = rng.randrange(6)
    if what == 0 and is_small(path):
        remove(path)
    elif what == 1 and not (parent + "/").startswith(path + "/"):
        os.rename(path, to)
    elif what == 2 and is_small(path):
        remove(path)
        make_any(rng, path)
    elif what == 3:
        other = rng.choice(files)
        if other != path and not other.startswith(path + "/") and \
                not looks_same(other, path):
            os.rename(other, other + ".old")
            os.rename(path, other)
            os.rename(other + ".old", path)
    elif what == 4:
        # a file in place of one with several names
        linked = [f for f in files if os.lstat(f).st_nlink > 1]
        if linked:
            path = rng.choice(linked)
            os.rename(path, path + ".old")
            shutil.copy2(path + ".old", path)
            os.unlink(path + ".old")
            # with the same content its name would stay a link there
            with open(path, "ab") as f:
                f.write(b"x")
    elif what == 5 and is_small(path) and is_dir(path):
        for name in os.listdir(path):
            remove(os.path.join(path, name))


def mirror(rng, top):
    # there are always some
    for name in ("last", "of all"):
        make_file(rng, os.path.join(top, f"{name}{rng.randrange(10**9)}"))
    edit(rng, top, False)
    for _ in range(12):
        restructure(rng, top)
    found = items(top)
    for _ in range(30):
        change(rng, found, False)


def main():
    what, top, seed = sys.argv[1], sys.argv[2], sys.argv[3]
    {"make": make, "furnish": furnish, "edit": edit,
     "mirror": mirror}[what](random.Random(seed), top)


main()
