"""Eight streams and many small files, cancelled at random moments.

Made for the thread sanitizer (make torture SANITIZE=thread TORTURE=cancel),
whose report is a failure; without it, the oracle alone is asked.  Half of the
moments are a byte of what the sender sent, half some time from the start, and
then nothing stands between the two sides.
"""
import os
import signal
import threading
import time

from lib.lab import Failure
from lib.limits import scaled
from lib.proxy import Rule

about = "eight streams, cancelled at random moments"

STREAMS = 8
VICTIMS = ("sender", "receiver", "both")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FD_MAX = 12000       # each of 10,000 files may wait for its commit
LIMIT = 300          # the thread sanitizer takes its time


def undisturbed(lab):
    """The source, what it becomes, its bytes, and how long it takes."""
    path = lab.many_files(1000 if lab.options.quick else 10000)
    new = lab.expected(path)
    receiver = lab.receive()
    proxy = lab.proxy(receiver.port)
    begin = time.monotonic()
    sender = lab.send("-j", str(STREAMS), path, port=proxy.port)
    lab.finish(sender, receiver, LIMIT)
    took = time.monotonic() - begin
    if sender.code != 0 or proxy.connections != STREAMS:
        raise Failure("bench", f"exit {sender.code}, {proxy.connections} "
                      f"connections: {sender.messages()[-2000:].decode()}")
    return path, new, proxy.total["up"], took


def cancel(victim, mode, options, by_time):
    def case(lab):
        lab.fd_max = FD_MAX
        lab.may_come_back = "--retry" in options
        source, new, total, took = lab.bench.share("cancel", undisturbed)
        number = lab.rng.choice(SIGNALS)
        times = lab.rng.choice((1, 1, 2))
        moment = lab.rng.random()
        sides = {}
        ready = threading.Event()

        def strike():
            ready.wait(scaled(LIMIT))
            for name, ferry in sides.items():
                if victim in (name, "both"):
                    for _ in range(times):
                        ferry.signal(number)

        # the second signal ends it at once, whatever threads there are
        env = {"TSAN_OPTIONS": os.environ.get("TSAN_OPTIONS", "") +
               ":report_thread_leaks=0"} if times > 1 else None
        receiver = lab.receive(mode=mode, env=env)
        if by_time:
            port = receiver.port
            threading.Timer(moment * took, strike).start()
        else:
            # compressed, there are fewer bytes
            at = int(moment * total * (0.5 if "-z" in options else 1))
            port = lab.proxy(receiver.port,
                             Rule(f"up@total:{at}=call", strike)).port
        sender = lab.send("-j", str(STREAMS), *options, source, port=port,
                          mode=mode, env=env)
        sides.update(sender=sender, receiver=receiver)
        ready.set()
        sender.wait(LIMIT)
        if not receiver.ended_within(2) and not receiver.find("session"):
            receiver.signal(signal.SIGTERM)
        receiver.wait(LIMIT)
        lab.fault(sender.code != 0)  # else it came too late
        lab.detail = f"{victim} {number.name} at {moment:.2f}: exit " \
            f"{sender.code}, {receiver.code}"
        lab.check(new, sender, receiver)
        lab.complete([source], "-j", str(STREAMS), mode=mode, limit=LIMIT)
    return case


def cases(bench, rng):
    runs = bench.options.runs or (4 if bench.options.quick else 100)
    for i in range(runs):
        victim = VICTIMS[i % 3]
        mode = rng.choice(("plain", "tls"))
        options = rng.choice(([], [], ["-z"], ["--checksum", "sha256"],
                              ["--retry", "2"]))
        by_time = i % 2 == 1
        name = f"{victim}-{mode}{''.join(options)}-" \
            f"{'time' if by_time else 'byte'}-{i}"
        yield name, cancel(victim, mode, options, by_time)
