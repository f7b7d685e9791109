"""A file that is there already, in another version, of which only what differs
is sent; and kills in the middle of that.

Old and new version come from tests/tools/edit.py, whose seed is drawn from the
case's.
"""
import os
import signal
import subprocess
import sys
import threading

from lib.limits import scaled
from lib.proxy import Rule
from lib.tree import picture

about = "--delta on: random versions of a file; kill -9 in the middle"

EDIT = os.path.join(os.path.dirname(os.path.realpath(__file__)),
                    "../../tools/edit.py")
VICTIMS = ("sender", "receiver", "both")
REPLACE = ("--existing", "replace")


def make_versions(lab):
    """Old version in dst, new one in src.  Returns the new one's path."""
    most = (lab.options.size << 20) // 4
    size = lab.rng.choice((lab.rng.randrange(70_000, most // 16),
                           lab.rng.randrange(70_000, most)))
    new = os.path.join(lab.src, "f")
    old = os.path.join(lab.dst, "f")
    seed = lab.rng.randrange(1 << 32)
    subprocess.run([sys.executable, EDIT, "random", str(size), old, new,
                    str(seed)], check=True)
    os.utime(old, (1_500_000_000, 1_500_000_000))
    lab.detail = f"edit.py random {size} OLD NEW {seed}"
    lab.old = picture(lab.dst)
    return new


def send_whole(mode, options):
    def case(lab):
        path = make_versions(lab)
        lab.complete([path], *options, mode=mode, receive=REPLACE)
    return case


def kill_one(victim, mode, options):
    def case(lab):
        path = make_versions(lab)
        new = lab.expected(path)
        receiver = lab.receive_at_free_port(*REPLACE, mode=mode)
        at = lab.rng.randrange(lab.rng.choice((3_000, 300_000,
                                               os.path.getsize(path))))
        sides = {}
        ready, hit = threading.Event(), threading.Event()

        def kill():
            ready.wait(scaled(10))
            hit.set()
            for name, ferry in sides.items():
                if victim in (name, "both"):
                    ferry.signal(signal.SIGKILL)

        proxy = lab.proxy(receiver.port, Rule(f"up@total:{at}=call", kill))
        sender = lab.send(*options, path, port=proxy.port, mode=mode)
        sides.update(sender=sender, receiver=receiver)
        ready.set()
        lab.finish(sender, receiver)
        lab.was_killed = receiver.killed_by == signal.SIGKILL
        if hit.is_set():
            lab.fault()
        lab.check(new, sender, receiver)
        lab.complete([path], *options, mode=mode, receive=REPLACE,
                     port=receiver.port)
    return case


def cases(bench, rng):
    runs = bench.options.runs or (8 if bench.options.quick else 800)
    for i in range(runs):
        mode = rng.choice(("plain", "tls"))
        streams = rng.choice(("1", "4"))
        options = ["--delta", "on", "-j", streams]
        if rng.random() < .25:
            options.append("-z")
        name = f"{mode}-j{streams}-{i}"
        # five pairs to three kills
        if i % 8 < 5:
            yield f"pair-{name}", send_whole(mode, options)
        else:
            victim = VICTIMS[i // 8 % 3]
            yield f"kill-{victim}-{name}", kill_one(victim, mode, options)
