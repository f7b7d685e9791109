#!/usr/bin/env python3
"""Two files of other content and the same XXH3-128.

twins.py SIZE SEED FIRST SECOND    SIZE: at least 512

XXH3 takes 64 bytes at a time.  For each 8 of them, d, with the 8 bytes s of
its secret there, it adds d to one sum and, to another, the product of the
halves of d ^ s.  Where the low half of d equals that of s the product is 0,
whatever the high half is.  In two such places, which are added to the same
sum, one high half is raised here by what the other is lowered.
"""
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                ".."))
sys.dont_write_bytecode = True
from lib.wire import XXH3_SECRET  # noqa: E402

STRIPE = 64
# Without a seed, the secret moves on by 8 bytes with each stripe.
PLACES = ((0, XXH3_SECRET[0:4]), (STRIPE, XXH3_SECRET[8:12]))


def twins(size, seed):
    rng = random.Random(seed)
    first = bytearray(rng.randbytes(size))
    second = bytearray(first)
    high = [rng.randrange(1 << 20, 1 << 31) for _ in PLACES]
    moved = rng.randrange(1, 1 << 20)
    for (at, low), a, b in zip(PLACES, high, (high[0] + moved,
                                              high[1] - moved)):
        first[at:at + 8] = low + struct.pack("<I", a)
        second[at:at + 8] = low + struct.pack("<I", b)
    return first, second


def main():
    size, seed, *names = sys.argv[1:]
    for name, data in zip(names, twins(int(size), seed)):
        with open(name, "wb") as file:
            file.write(data)


if __name__ == "__main__":
    main()
