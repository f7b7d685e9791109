"""Signals, descriptors that are closed, few or many."""
import errno
import os
import signal
import threading
import time

from lib.lab import HUNG, Failure
from lib.limits import scaled
from lib.ports import free_port
from lib.proxy import Rule

about = "signals, closed and scarce descriptors"

CLOSED = {"stdin": "<&-", "stdout": ">&-", "stderr": "2>&-",
          "all": "<&- >&- 2>&-"}


def shell(script):
    return ["bash", "-c", script + ' exec "$@"', "bash"]


def signalled(who, number, times):
    """Ended by a signal midway: the right status, quickly, no litter after
    the next run."""
    def case(lab):
        source = lab.small_tree()
        lab.write("t/large", 12 << 20)
        receiver = lab.receive("--timeout", str(scaled(5)))
        sides = {"receiver": receiver}
        began = threading.Event()

        def strike():
            began.wait(scaled(10))
            for _ in range(times):
                sides[who].signal(number)
        at = lab.rng.randrange(12 << 20)
        proxy = lab.proxy(receiver.port, Rule(f"up@total:{at}=call", strike))
        sides["sender"] = lab.send("--timeout", str(scaled(5)), source,
                                   port=proxy.port)
        began.set()
        sides[who].wait(15)
        lab.finish(sides["sender"], receiver, 20)
        lab.fault(times)
        new = lab.expected(source)
        lab.detail = " and ".join(f"{n} exits {f.code}"
                                  for n, f in sides.items())
        lab.check(new, *sides.values())
        if sides[who].code not in (0, 128 + number):
            raise Failure("status", f"{who} exits {sides[who].code} after "
                          f"{signal.Signals(number).name}")
        if times > 1:
            lab.was_killed = who == "receiver"
        lab.complete([source])
    return case


def stopped_while_dialling(lab):
    """Ended while further streams are still being connected: the first one
    tells the receiver all the same, which need not wait for a sender that
    comes back."""
    source = lab.big_file(24 << 20)
    receiver = lab.receive("--timeout", str(scaled(8)))
    began = threading.Event()
    sides = []

    def strike():
        began.wait(scaled(10))
        sides[0].signal(signal.SIGINT)
    # Slow until then, so that there is something left to send.  What is half
    # sent has to pass within the second that a stopped sender gives it: at a
    # rate that the proxy keeps by being woken a hundred times a second it does
    # not on a busy machine.
    stop = (3 << 20) + 1000
    proxy = lab.proxy(receiver.port, Rule("up@1000=trickle:8M"),
                      Rule(f"up@{stop - 1}=trickle:1G"),
                      Rule(f"up@{stop}=call", strike), most=1)
    sides.append(lab.send("--retry", "30", "-j", "4", source,
                          port=proxy.port))
    began.set()
    lab.finish(sides[0], receiver, 20)
    lab.fault(len(proxy.fired))
    lab.check(lab.expected(source), sides[0], receiver, must={130})
    if b"says: interrupted" not in receiver.messages():
        raise Failure("message", f"receiver: {receiver.messages()!r}")
    lab.complete([source])


def await_listener(port):
    """Without connecting: in the kernel's table of sockets."""
    wanted = f":{port:04X} "
    end = time.monotonic() + scaled(20)
    while time.monotonic() < end:
        for table in "/proc/net/tcp", "/proc/net/tcp6":
            with open(table) as file:
                if any(wanted in line.split(" 0A ")[0] for line in file
                       if " 0A " in line):
                    return
        time.sleep(0.01)
    raise Failure(HUNG, f"nothing listens on {port}")


def closed_fds(what):
    """Started without standard descriptors; none of our files may become
    one."""
    def case(lab):
        source = lab.small_tree()
        port = free_port()
        closed = ["bash", "-c", f'exec "$@" {CLOSED[what]}', "bash"]
        receiver = lab.receive(wrap=closed, port=port, await_it=False)
        await_listener(port)
        sender = lab.send(source, port=port, wrap=closed)
        lab.finish(sender, receiver, 30)
        lab.fault()
        lab.check_arrived(source, sender, receiver)
    return case


def reader_gone(lab):
    """`| head -1`: the events end, the transfer does not."""
    source = lab.small_tree()
    lab.write("t/large", 8 << 20)
    port = free_port()
    ends = []
    for _ in range(2):
        read_end, write_end = os.pipe()
        os.close(read_end)
        ends.append(write_end)
    receiver = lab.receive(port=port, await_it=False, stdout=ends[0])
    await_listener(port)
    sender = lab.send(source, port=port, stdout=ends[1])
    for end in ends:
        os.close(end)
    lab.finish(sender, receiver, 30)
    lab.fault()
    lab.check_arrived(source, sender, receiver)


def output_full(lab):
    """Events go to a full disk: neither a hang nor a lie."""
    source = lab.small_tree()
    port = free_port()
    full = os.open("/dev/full", os.O_WRONLY)
    receiver = lab.receive(port=port, await_it=False, stdout=full)
    await_listener(port)
    sender = lab.send(source, port=port, stdout=full, stderr=full)
    os.close(full)
    lab.finish(sender, receiver, 30)
    lab.fault()
    lab.check(lab.expected(source), sender, receiver)
    lab.complete([source])


def few_fds(limit, options):
    def case(lab):
        source = lab.small_tree()
        for i in range(40):
            lab.write(f"t/deep{i}/a/b/c/f", 50)
        wrap = shell(f"ulimit -n {limit};")
        wait = ["--timeout", str(scaled(5))]
        receiver = lab.receive(*wait, wrap=wrap, await_it=False)
        receiver.await_port()
        if not receiver.port:
            receiver.wait(10)
            lab.detail = f"the receiver exits {receiver.code}"
            lab.fault()
            lab.check({}, receiver)
            if receiver.code != 11:
                raise Failure("status", f"receiver exits {receiver.code}, "
                              f"not 11: {receiver.messages()[-200:]}")
            return
        sender = lab.send(*wait, *options, source,
                          port=receiver.port, wrap=wrap)
        lab.finish(sender, receiver, 30)
        lab.fault()
        lab.detail = f"exits {sender.code} and {receiver.code}"
        lab.check(lab.expected(source), sender, receiver)
        lab.complete([source])
    return case


def many_directories(lab):
    """More directories than descriptors."""
    for i in range(600):
        lab.write(f"t/d{i}/f", 10)
    source = lab.src + "/t"
    receiver = lab.receive(wrap=shell("ulimit -n 256;"))
    sender = lab.send(source, port=receiver.port)
    lab.finish(sender, receiver)
    lab.fault()
    new = lab.expected(source)
    lab.check(new, sender, receiver)
    if sender.code == 0:
        lab.check_identical(new)
    elif lab.bench.has_retry:
        raise Failure("status", f"exits {sender.code}: "
                      f"{sender.messages()[-200:]}")
    else:
        lab.detail = f"exits {sender.code}"
        lab.complete([source])


def many_fds(lab):
    """1100 inherited descriptors: above what select() can do."""
    source = lab.small_tree()
    lab.fd_max += 1200
    wrap = shell("ulimit -n 4096; for ((i = 10; i < 1110; i++)); do "
                 "eval \"exec $i</dev/null\"; done;")
    receiver = lab.receive(wrap=wrap)
    sender = lab.send("-j", "4", source, port=receiver.port, wrap=wrap)
    lab.finish(sender, receiver, 30)
    lab.fault()
    lab.check_arrived(source, sender, receiver)


def no_accept(lab):
    """Out of descriptors at accept: it waits, it does not spin."""
    source = lab.small_tree()
    wait = ["--timeout", str(scaled(3))]
    receiver = lab.receive(*wait, once=False, env=lab.shim(
        f"fail=accept:0:{errno.EMFILE}"))
    sender = lab.send(*wait, source, port=receiver.port)
    sender.wait(20)
    ticks = cpu_ticks(receiver.pid)
    receiver.signal(signal.SIGTERM)
    receiver.wait(20)
    tries = lab.count_shim()
    lab.detail = f"sender exits {sender.code}, {tries} tries, {ticks} ticks"
    lab.check({}, sender, receiver, must={3, 6})
    if tries > scaled(500) or ticks > scaled(os.sysconf("SC_CLK_TCK")):
        raise Failure("bound", f"{tries} tries and {ticks} ticks of "
                      "processor time within some seconds")
    lab.complete([source])


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def cases(bench, rng):
    quick = bench.options.quick
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for who in "sender", "receiver":
        for number in numbers:
            for times in (1, 2) if not quick else (1 + (who == "sender"),):
                for i in range(bench.options.runs or (1 if quick else 8)):
                    name = signal.Signals(number).name.lower()
                    yield (f"{name}-{who}-{times}-{i}",
                           signalled(who, number, times))
    yield "stopped-while-dialling", stopped_while_dialling
    for what in CLOSED:
        yield f"closed-{what}", closed_fds(what)
    yield "reader-gone", reader_gone
    yield "output-full", output_full
    for limit in (8, 12, 16, 20, 24, 32) if not quick else (12, 16):
        yield f"few-descriptors-{limit}", few_fds(limit, [])
        if not quick:
            yield f"few-descriptors-{limit}-j4", few_fds(limit, ["-j", "4"])
    yield "many-directories", many_directories
    yield "many-descriptors", many_fds
    yield "no-accept", no_accept
