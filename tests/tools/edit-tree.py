#!/usr/bin/env python3
"""edit-tree.py TREE ROUNDS [SEED] - edit a tree at random.

Makes, changes, renames and removes files, directories and symlinks, and turns
one kind into another.  Some names begin with "skip" or end with ".tmp", for
patterns.  The seed is printed if it is not given.
"""
import os
import random
import shutil
import sys


def entries(top):
    found = []
    for parent, dirs, files in os.walk(top):
        found += [os.path.join(parent, name) for name in dirs + files]
    return sorted(found)


def is_dir(path):
    return os.path.isdir(path) and not os.path.islink(path)


def remove(path):
    if is_dir(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def new_name(top, rng):
    parents = [top] + [path for path in entries(top) if is_dir(path)]
    name = rng.choice(("f", "skip", "a b", "\u00e9", "-x", "n\nl"))
    return os.path.join(rng.choice(parents), name + str(rng.randrange(40)) +
                        rng.choice(("", "", ".tmp", ".c")))


def make(path, rng):
    kind = rng.randrange(8)
    if kind < 2:
        os.mkdir(path)
        for i in range(rng.randrange(4)):
            make(os.path.join(path, f"in{i}" + rng.choice(("", ".tmp"))), rng)
    elif kind == 2:
        os.symlink(rng.choice(("f1", "nowhere", "skip")), path)
    else:
        with open(path, "wb") as f:
            f.write(rng.randbytes(rng.choice((0, 10, 5000, 300000))))


def edit(top, rng):
    have = entries(top)
    what = rng.randrange(6)
    path = rng.choice(have) if have else None
    if not have or what < 2:
        path = new_name(top, rng)
        if not os.path.lexists(path):
            make(path, rng)
    elif what == 2:
        remove(path)
    elif what == 3:
        remove(path)
        make(path, rng)
    elif what == 4:
        to = new_name(top, rng)
        if not os.path.lexists(to) and not (to + "/").startswith(path + "/"):
            os.rename(path, to)
    elif os.path.isfile(path) and not os.path.islink(path):
        with open(path, "ab") as f:
            f.write(rng.randbytes(100))


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    seed = sys.argv[3] if len(sys.argv) == 4 else str(random.randrange(10**9))
    if len(sys.argv) == 3:
        print("seed:", seed)
    rng = random.Random(seed)
    for _ in range(int(sys.argv[2])):
        edit(sys.argv[1], rng)


if __name__ == "__main__":
    main()
