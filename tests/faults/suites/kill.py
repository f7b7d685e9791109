"""Processes killed with SIGKILL at random moments; the next run has to put it
right.

The moment is a byte of what the sender sent, or some time after its last one,
drawn from the seed: so it does not depend on how fast the machine is.
"""
import signal
import threading

from lib.lab import Failure
from lib.limits import scaled
from lib.proxy import Rule

about = "kill -9 of sender, receiver, both at random moments"

VICTIMS = ("sender", "receiver", "both")


def big_source(lab):
    path = lab.big_file((lab.options.size << 20) // 4)
    return path, lab.expected(path), (lab.options.size << 20) // 4


def small_source(lab):
    path = lab.many_files(lab.options.files)
    new = lab.expected(path)
    return path, new, sum(w[1] for w in new.values() if w[0] == "file")


def cut(lab, kind, victim, mode, source, total, options):
    """A transfer with a kill in it; (sender, receiver, its proxy)."""
    receiver = lab.receive_at_free_port(mode=mode)
    late = lab.rng.random() < 0.25
    at = total - 1 if late else lab.rng.randrange(total)
    delay = lab.rng.random() * 0.2 if late else 0
    sides = {}
    ready = threading.Event()

    def kill():
        ready.wait(scaled(10))
        for name, ferry in sides.items():
            if victim in (name, "both"):
                ferry.signal(signal.SIGKILL)

    rule = Rule(f"up@total:{at}=call",
                lambda: threading.Timer(delay, kill).start()
                if delay else kill())
    proxy = lab.proxy(receiver.port, rule)
    sender = lab.send(*options, source, port=proxy.port, mode=mode)
    sides.update(sender=sender, receiver=receiver)
    ready.set()
    sender.wait()
    if not receiver.ended_within(1) and not receiver.find("session"):
        receiver.signal(signal.SIGTERM)
    receiver.wait()
    lab.was_killed = receiver.killed_by == signal.SIGKILL
    lab.fault()
    return sender, receiver, proxy


def kill_one(kind, victim, mode, options):
    def case(lab):
        make = big_source if kind == "big" else small_source
        source, new, total = lab.bench.share(f"kill-{kind}", make)
        sender, receiver, proxy = cut(lab, kind, victim, mode, source, total,
                                      options)
        lab.check(new, sender, receiver)
        got = proxy.passed["up"]
        _, _, second = lab.complete([source], *options, mode=mode,
                                    port=receiver.port, proxied=True)
        again = second.total["up"] - max(0, total - got)
        lab.bench.figure(f"most bytes sent again, {kind}", again)
        most = (lab.options.flush_bytes << 20) + (1 << 20)
        if lab.bench.has_resume and again > most:
            raise Failure("bound", f"{again} bytes were sent again of {total}")
    return case


def cases(bench, rng):
    runs = bench.options.runs or (6 if bench.options.quick else 300)
    for i in range(runs):
        kind = "big" if i % 2 else "small"
        victim = VICTIMS[i // 2 % 3]
        mode = rng.choice(("plain", "tls"))
        options = rng.choice(([], ["-j", "1"], ["-j", "4"]))
        name = f"{kind}-{victim}-{mode}{''.join(options)}-{i}"
        yield name, kill_one(kind, victim, mode, options)
