"""Reconnecting by itself (--retry): the same run goes on after each cut."""
import os
import shutil
import signal
import threading

from lib.lab import WRONG, Failure
from lib.limits import Skip
from lib.limits import scaled
from lib.ports import free_port
from lib.proxy import Rule
from lib.tree import picture

about = "--retry: cut every 64 MiB, restarts, lost streams, late receivers"


def need_retry(lab):
    if not lab.bench.has_retry:
        raise Skip("needs ferry send --retry")


def big_source(lab):
    path = lab.big_file(lab.options.size << 20)
    return path, lab.expected(path)


def source(lab):
    return lab.bench.share("retry-big", big_source)


def finish(lab, sender, receiver, proxies, new, most=1.05):
    lab.finish(sender, receiver, 300)
    lab.check(new, sender, receiver, must={0})
    lab.check_identical(new)
    total = sum(w[1] for w in new.values())
    wire = sum(p.total["up"] + p.total["down"] for p in proxies)
    lab.bench.figure("wire bytes with --retry, x 1000",
                     round(1000 * wire / total))
    lab.detail = f"{wire / total:.4f} x"
    if wire > most * total:
        raise Failure("bound", f"{wire} bytes for {total}")


def cut_often(mode, options, kind):
    """The line is cut every 64 MiB (a quarter of less than 256)."""
    def case(lab):
        need_retry(lab)
        path, new = source(lab)
        every = min(64 << 20, (lab.options.size << 20) // 4)
        receiver = lab.receive(mode=mode)
        proxy = lab.proxy(receiver.port, Rule(f"up@every:{every}={kind}!all"))
        sender = lab.send("--retry", "60", *options, path, port=proxy.port,
                          mode=mode)
        # A cut costs what was under way: on the average half a chunk of each
        # stream, and at most four of them and what the proxy holds, which
        # counts where there is little between the cuts, or they are few.
        most = 1.08 if kind == "dead" else 1.05
        if every < 64 << 20 or "4" in options and lab.options.size < 1024:
            most = max(most, 1 + ((4 << 20) + (1 << 19)) / every)
        finish(lab, sender, receiver, [proxy], new, most)
        if len(proxy.fired) < 2:
            raise Failure("bench", f"cut only {len(proxy.fired)} times")
        lab.fault(len(proxy.fired))
    return case


def stream_lost(lab):
    """One of four connections, while the others go on."""
    need_retry(lab)
    path, new = source(lab)
    receiver = lab.receive()
    at = lab.rng.randrange(8 << 20, lab.options.size << 18)
    proxy = lab.proxy(receiver.port, Rule(f"up@{at // 4}=rst"))
    sender = lab.send("--retry", "60", "-j", "4", path, port=proxy.port)
    # A chunk that each of the four is in the middle of, and what the proxy
    # holds of it: of a small file that is more than a twentieth.
    lost = 4 * (1 << 20) + (1 << 19)
    finish(lab, sender, receiver, [proxy], new,
           max(1.05, 1 + lost / (lab.options.size << 20)))
    lab.fault(len(proxy.fired))


def restarted(number):
    """The receiver is killed, and one that is started anew takes over."""
    def case(lab):
        need_retry(lab)
        path, new = source(lab)
        first = lab.receive_at_free_port(once=False)
        at = lab.rng.randrange(lab.options.size << 20)
        proxy = lab.proxy(first.port, Rule(
            f"up@total:{at}=call", lambda: first.signal(number)))
        sender = lab.send("--retry", "60", path, port=proxy.port)
        first.wait(60)
        second = lab.receive(port=first.port, name="receiver2")
        if not second.port:
            raise Failure("port", "is not free at once")
        # what a kill costs is bounded by the flush interval, not by 5 %
        finish(lab, sender, second, [proxy], new, most=2.1)
        lab.fault()
    return case


def listener_later(lab):
    need_retry(lab)
    path = lab.small_tree()
    port = free_port()
    sender = lab.send("--retry", "60", path, port=port)
    threading.Event().wait(2.5)
    receiver = lab.receive(port=port)
    lab.finish(sender, receiver)
    lab.fault()
    new = lab.expected(path)
    lab.check(new, sender, receiver, must={0})
    lab.check_identical(new)


# How a tree is sent over an older one.
WAYS = (
    [], ["-j", "1"], ["-j", "4", "-z"], ["-j", "1", "--compare", "time"],
    ["--delta", "on"], ["-a"], ["-a", "-j", "1", "--mirror"],
    ["--mirror", "-j", "4"], ["--preserve", "hardlinks", "-j", "1"],
)


def make_trees(lab, is_mirror):
    """A tree, and at the receiver an older one."""
    sizes = (10, 5000, 300_000, 2 << 20, 5 << 20, 9 << 20)
    for n in range(30):
        name = f"t/{n % 4}/{n}"
        path = lab.write(name, sizes[n % 6])
        if n % 5 == 1:
            os.link(path, path + ".link")
        if n % 5 == 2:
            os.symlink(f"{n}", path + ".symlink")
        if n % 5 == 4:
            continue
        older = lab.write(name, sizes[n % 6], root=lab.dst)
        if n % 5 == 0:
            shutil.copy2(path, older)
    if not is_mirror:
        lab.write("t/0/theirs", 5000, root=lab.dst)
        lab.old = picture(lab.dst)
        return
    lab.old = picture(lab.dst)
    lab.write("t/0/extra", 5000, root=lab.dst)
    # a directory in the way of a file, and the other way round
    lab.write("t/way/in", 10, root=lab.dst)
    lab.write("t/way", 2 << 20)
    lab.write("t/in", 10, root=lab.dst)
    lab.write("t/in/way", 2 << 20)


def over_older(i):
    """A tree over an older one, of files of each size.  Connections are cut
    early in several sessions: when lists and offers are under way, and files
    are read for them."""
    def case(lab):
        need_retry(lab)
        options = WAYS[i % len(WAYS)]
        is_mirror = "--mirror" in options
        make_trees(lab, is_mirror)
        path = lab.src + "/t"
        receiver = lab.receive("--existing", "replace", "--accept", "all",
                               once=False)
        rules = []
        for k in range(1, 9):
            way, most = lab.rng.choice((("down", 600), ("down", 3000),
                                        ("up", 5000), ("up", 20 << 20)))
            rules.append(f"{way}@conn:{k}:{lab.rng.randrange(40, most)}=rst")
        proxy = lab.proxy(receiver.port, *map(Rule, rules))
        lab.detail = " ".join(options + rules)
        sender = lab.send("--retry", "60", *options, path, port=proxy.port)
        sender.wait(300)
        receiver.signal(signal.SIGTERM)
        receiver.wait(60)
        lab.fault(len(proxy.fired))
        new = lab.expected(path)
        lab.check(new, sender, receiver, must={0})
        dirs = [name for name, what in new.items() if what[0] == "dir"]
        lab.check_identical(new, kept=[] if "-a" in options else dirs)
        if "hardlinks" in options or "-a" in options:
            for name in new:
                if name.endswith(b".link") and os.stat(
                        os.path.join(os.fsencode(lab.dst), name)).st_nlink < 2:
                    raise Failure(WRONG, f"{name} is not a hard link")
    return case


def never(lab):
    """Nobody ever listens: it ends after the time it was given, with 3."""
    need_retry(lab)
    path = lab.small_tree()
    sender = lab.send("--retry", "4", path, port=free_port())
    threading.Event().wait(2)
    if sender.poll() is not None:
        raise Failure("status", "gave up too early")
    sender.wait(4 + 10)
    lab.fault()
    lab.check({}, sender, must={3})


def cases(bench, rng):
    yield "cut-often-plain", cut_often("plain", ["-j", "1"], "rst")
    yield "cut-often-tls", cut_often("tls", [], "rst")
    yield "cut-often-j4", cut_often("plain", ["-j", "4"], "fin")
    yield "stream-lost", stream_lost
    for i in range(bench.options.runs or (2 if bench.options.quick else 27)):
        yield f"over-older-{i}", over_older(i)
    if not bench.options.quick:
        yield "cut-often-tls-j4-silent", cut_often(
            "tls", ["-j", "4", "--timeout", str(scaled(3))], "dead")
        for i in range(bench.options.runs or 6):
            yield f"receiver-killed-{i}", restarted(signal.SIGKILL)
            yield f"receiver-ended-{i}", restarted(signal.SIGTERM)
    yield "listener-later", listener_later
    yield "nobody-listens", never
