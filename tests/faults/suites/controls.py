"""Tests of the oracle: each case does one kind of damage by hand, and fails
unless the oracle finds it."""
import os

from lib.lab import HUNG, LOST, WRONG, Failure, Ferry
from lib.tree import picture

from . import durable

about = "the oracle itself: it finds damage that was done by hand"


def must_find(kind, damage):
    def case(lab):
        try:
            damage(lab)
        except Failure as failure:
            if failure.kind != kind:
                raise
            lab.fault()
            return
        raise Failure("bench", f"the oracle does not find what is {kind}")
    return case


def transfer(lab):
    source = lab.small_tree()
    sender, receiver, _ = lab.complete([source])
    return lab.expected(source), sender, receiver


def file_lost(lab):
    new, *both = transfer(lab)
    os.unlink(lab.dst + "/t/sub/two")
    lab.check(new, *both)


def old_file_lost(lab):
    lab.write("kept", data=b"old", root=lab.dst)
    lab.old = picture(lab.dst)
    new, *both = transfer(lab)
    os.unlink(lab.dst + "/kept")
    lab.check(new, *both)


def byte_wrong(lab):
    new, *both = transfer(lab)
    with open(lab.dst + "/t/sub/big", "r+b") as file:
        file.seek(1 << 20)
        byte = file.read(1)[0]
        file.seek(1 << 20)
        file.write(bytes([byte ^ 1]))
    lab.check(new, *both)


def cut_short(lab):
    new, *both = transfer(lab)
    os.truncate(lab.dst + "/t/sub/two", 100)
    lab.check(new, *both)


def outside_touched(lab):
    new, *both = transfer(lab)
    os.chmod(lab.outside + "/d/b", 0o640)
    lab.check(new, *both)


def mode_wrong(lab):
    new, *_ = transfer(lab)
    os.chmod(lab.dst + "/t/one", 0o600)
    lab.check_identical(new)


def part_left(lab):
    new, *_ = transfer(lab)
    lab.write(".ferry-0123456789abcdef.part", 3, root=lab.dst)
    lab.check_identical(new)


def foreign_file_left(lab):
    new, *_ = transfer(lab)
    lab.write("core", 3, root=lab.dst)
    lab.check_identical(new)


def program(lab, script):
    ferry = Ferry(lab, "sender", ["bash", "-c", script])
    ferry.wait(10)
    lab.check_process(ferry)


def hangs(lab):
    Ferry(lab, "sender", ["sleep", "60"]).wait(0.2)


def after_sync_none(lab):
    """Acknowledged without a flush: the images must not have it."""
    durable.ack("small", "none")(lab)


def cases(bench, rng):
    for damage, kind in (
            (file_lost, LOST), (old_file_lost, LOST), (byte_wrong, WRONG),
            (cut_short, WRONG), (outside_touched, WRONG),
            (mode_wrong, WRONG), (part_left, "litter"),
            (foreign_file_left, "litter"), (hangs, HUNG),
            (after_sync_none, LOST)):
        yield damage.__name__.replace("_", "-"), must_find(kind, damage)
    for name, kind, script in (
            ("status", "status", "exit 77"),
            ("crash", "status", "kill -SEGV $$"),
            ("escape", "output", r"printf 'a\033[2Jb\n' >&2"),
            ("c1", "output", r"printf '\302\233\n' >&2"),
            ("key", "output", f"tail -c 65 '{bench.key}' >&2"),
            ("no-json", "output", "echo hello"),
            ("report", "sanitizer", "echo 'x.c:1: runtime error: y' >&2")):
        yield name, must_find(kind, lambda lab, script=script:
                              program(lab, script))
