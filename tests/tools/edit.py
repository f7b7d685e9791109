#!/usr/bin/env python3
"""edit.py KIND SIZE OLD NEW [SEED] - write two files: NEW is OLD, edited.

KIND: writes (1 % in blocks of 4 KiB), append, insert (in front), cut (from
the front), move (halves exchanged), tar (some of many parts longer), grow
(text that is inserted all over), zeros, page, pages (a page, or two, that
repeat), sparse, other (nothing in common), random (any of these, several
times).  SIZE is that of OLD in bytes.  The seed is printed if it is not given.
"""
import random
import sys


def writes(old, rng):
    new = bytearray(old)
    for _ in range(max(1, len(old) // 4096 // 100)):
        at = rng.randrange(max(1, len(old) // 4096)) * 4096
        new[at:at + 4096] = rng.randbytes(min(4096, len(new) - at))
    return bytes(new)


def append(old, rng):
    return old + rng.randbytes(len(old) // 20)


def insert(old, rng):
    return rng.randbytes(1000) + old


def cut(old, rng):
    return old[len(old) // 3 + rng.randrange(100):]


def move(old, rng):
    at = len(old) // 2 + rng.randrange(-100, 100)
    return old[at:] + old[:at]


def tar(old, rng):
    """Every 50th part is longer: how much has to be sent depends on how many
    are, which is therefore not left to chance."""
    parts, at, left = [], 0, 25
    while at < len(old):
        n = rng.randrange(4096, 200000)
        parts.append(old[at:at + n])
        if left == 0:
            parts.append(rng.randbytes(100))
        left = (left or 50) - 1
        at += n
    return b"".join(parts)


def grow(old, rng):
    parts = [old[i:i + 500000] for i in range(0, len(old), 500000)]
    return b"some more text ".join(parts)


def other(old, rng):
    return random_bytes(len(old), rng)


EDITS = {f.__name__: f for f in (writes, append, insert, cut, move, tar, grow,
                                 other)}


def repeated(page, size):
    return (page * (size // len(page) + 1))[:size]


def random_bytes(size, rng):
    """As randbytes(), which cannot give 256 MiB at once."""
    step = 64 << 20
    return b"".join(rng.randbytes(min(step, size - at))
                    for at in range(0, size, step))


def make(kind, size, rng):
    """The old content, and the function that edits it."""
    if kind == "zeros":
        return bytes(size), insert
    if kind == "page":
        return repeated(rng.randbytes(4096), size), insert
    if kind == "pages":
        return repeated(rng.randbytes(8192), size), grow
    if kind == "sparse":
        data = bytearray(size)
        for at in range(0, size, 3 << 20):
            data[at:at + 9000] = rng.randbytes(min(9000, size - at))
        return bytes(data), writes
    return random_bytes(size, rng), EDITS.get(kind)


def write(path, data, is_sparse):
    """Zeros become holes in a sparse file."""
    with open(path, "wb") as file:
        for at in range(0, len(data), 65536):
            part = data[at:at + 65536]
            if is_sparse and not any(part):
                file.seek(len(part), 1)
            else:
                file.write(part)
        file.truncate(len(data))


def main():
    kind, size, old_path, new_path = sys.argv[1:5]
    seed = sys.argv[5] if len(sys.argv) > 5 else str(random.randrange(1 << 32))
    if len(sys.argv) <= 5:
        print("seed", seed)
    rng = random.Random(seed)
    if kind == "random":
        old, _ = make(rng.choice(("data", "data", "data", "page", "pages",
                                  "sparse", "zeros")), int(size), rng)
        new = old
        for _ in range(rng.randrange(1, 5)):
            new = EDITS[rng.choice(list(EDITS)[:-1])](new, rng)
    else:
        old, edit = make(kind, int(size), rng)
        new = edit(old, rng)
    is_sparse = kind == "sparse" or (kind == "random" and rng.random() < .5)
    write(old_path, old, is_sparse)
    write(new_path, new, is_sparse)


if __name__ == "__main__":
    main()
