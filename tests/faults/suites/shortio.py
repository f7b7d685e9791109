"""Short reads and writes, EINTR, EAGAIN and a storm of signals."""
import signal
import threading

from lib.lab import Failure

about = "short and interrupted I/O, storms of signals"


def disturbed(mode, options, seed):
    def case(lab):
        source = lab.small_tree()
        lab.write("t/large", (6 << 20) + 1)
        what = f"seed={seed},short=30,eintr=15,eagain=15,alarm=100"
        receiver = lab.receive(mode=mode, env=lab.shim(what, "receiver.n"))
        sender = lab.send(*options, source, port=receiver.port, mode=mode,
                          env=lab.shim(what, "sender.n"))
        lab.finish(sender, receiver)
        if min(lab.count_shim("receiver.n"), lab.count_shim("sender.n")) < 4:
            raise Failure("bench", "hardly a fault was injected")
        lab.check_arrived(source, sender, receiver)
    return case


def stopped_often(mode):
    """Both are stopped and continued a hundred times a second."""
    def case(lab):
        source = lab.small_tree()
        lab.write("t/large", 24 << 20)
        receiver = lab.receive(mode=mode)
        sender = lab.send("--limit-rate", "24M", source, port=receiver.port,
                          mode=mode)
        over = threading.Event()

        def storm():
            while not over.wait(0.01):
                for ferry in sender, receiver:
                    if ferry.code is None:
                        for number in (signal.SIGSTOP, signal.SIGCONT,
                                       signal.SIGWINCH):
                            ferry.signal(number)
                lab.fault()
        thread = threading.Thread(target=storm, daemon=True)
        thread.start()
        try:
            sender.ended_within(30)
        finally:
            over.set()
            thread.join()
        for ferry in sender, receiver:
            ferry.signal(signal.SIGCONT)
            ferry.killed_by = None
        lab.finish(sender, receiver)
        lab.check_arrived(source, sender, receiver)
    return case


def cases(bench, rng):
    modes = [(mode, options) for mode in ("plain", "tls")
             for options in (["-j", "1"], ["-j", "4"], ["-z"])]
    for i in range(bench.options.runs or (4 if bench.options.quick else 60)):
        mode, options = modes[i * 5 % len(modes)]
        name = f"{mode}{''.join(options)}-{i}"
        yield name, disturbed(mode, options, rng.randrange(1 << 20))
    for mode in "plain", "tls":
        yield f"stopped-often-{mode}", stopped_often(mode)
