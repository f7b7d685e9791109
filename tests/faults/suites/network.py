"""Networks that break, are silent or slow, or change what they carry."""
import os
import signal
import threading
import time

import links
from lib.lab import HUNG, Failure, Missed
from lib.limits import SLOWNESS, scaled
from lib.ports import free_port
from lib.proxy import Rule
from lib.tree import picture

about = "cuts, silence, slow lines, dead links, lost acknowledgements"

TIMEOUT_S = scaled(3)
SLACK_S = scaled(6)
KINDS = ("fin", "rst", "finrst", "half", "stall", "dead", "hole",
         "trickle:200000:5", "flip", "echo")
WAITING = ("stall", "dead", "hole", "trickle")
MODES = {"plain": ("plain", ["-j", "1"]), "tls": ("tls", ["-j", "1"]),
         "j4": ("plain", ["-j", "4"]), "tls-j4": ("tls", ["-j", "4"])}
# Where: by frame where they can be read, else by byte; totals are measured.
PHASES = ("handshake", "manifest", "first", "middle", "last", "confirm")


def place(phase, mode, total):
    security, _ = MODES[mode]
    if phase == "handshake":
        return "up@5"
    if phase == "middle":
        return f"up@total:{total['up'] // 2}"
    if security == "plain":
        return {"manifest": "up@frame:OPEN+3",
                "first": "up@frame:CHUNK+45",
                "last": "up@frame:FINISH+20",
                "confirm": "down@frame:SUMMARY"}[phase]
    if phase == "last":
        # heart-beats may have been counted that are not sent another time
        return f"up@total:{total['up'] - 3000}"
    if phase == "confirm":
        return f"down@total:{total['down'] - 70}"
    return {"manifest": "up@620", "first": "up@1100"}[phase]


def transfer(lab, mode, rules=(), options=(), timeout=TIMEOUT_S, **more):
    security, streams = MODES[mode]
    source = lab.small_tree()
    lab.write("t/large", (3 << 20 if lab.options.quick else 24 << 20) + 99)
    wait = ["--timeout", str(timeout)]
    receiver = lab.receive(*wait, mode=security)
    proxy = lab.proxy(receiver.port, *rules)
    sender = lab.send(*wait, *streams, *options, source, port=proxy.port,
                      mode=security, **more)
    return source, sender, receiver, proxy


def measure(bench, mode):
    """How much goes each way when nothing is wrong."""
    def make(lab):
        _, sender, receiver, proxy = transfer(lab, mode, timeout=30)
        lab.finish(sender, receiver)
        if sender.code or receiver.code:
            raise Failure("status", "not even without a fault: "
                          f"{sender.messages()}")
        return dict(proxy.passed)
    return bench.share(f"network-{mode}", make)


def allowed(bench, kind, phase, mode, retry):
    """The exit statuses that the sender may have."""
    action = kind.partition(":")[0]
    if action == "trickle":
        return {0}
    if action == "flip":
        return {0, 1, 3, 4, 5, 6, 8, 10}
    if action == "echo":
        return {3, 4, 5, 6, 10}
    if retry:
        # A receiver with --once that has committed all is gone: what was
        # lost with its last word cannot be asked for again.
        return {0, 10} if phase == "confirm" else \
            {0, 4} if action == "half" and phase == "handshake" else {0}
    if phase in ("handshake", "manifest"):
        # A peer of another mode closes just like this; TLS alerts as well.
        # Who retries has to tell a cut from that.
        opening = {3, 6} if bench.has_retry else {3, 5, 6}
        return opening | ({4} if action == "half" else set()) | \
            ({10} if action in ("half", "hole") or bench.options.quick
             else set())
    # Everything was sent, as far as the sender can know, where it went into
    # buffers of the kernel (of four connections: all of it) or a hole.
    may_be_sent = phase in ("last", "confirm") or "j4" in mode or \
        action in ("half", "hole") or bench.options.quick
    return {6, 10} if may_be_sent else {6}


def check_unconfirmed(lab, sender, new):
    """Who says that everything was sent has sent it."""
    if sender.code != 10:
        return
    total = sum(w[1] for w in new.values() if w[0] == "file")
    wire = sender.find("summary")[0]["wire_bytes"]
    if wire >= total:
        return
    if lab.bench.has_retry:
        raise Failure("status", f"exits 10, with {wire} bytes of {total} sent")
    lab.bench.add("too early")


def matrix(kind, phase, mode, retry):
    def case(lab):
        total = measure(lab.bench, mode)
        rule = Rule(f"{place(phase, mode, total)}={kind}")
        source, sender, receiver, proxy = transfer(
            lab, mode, [rule], ["--retry", "30"] if retry else [])
        lab.finish(sender, receiver, TIMEOUT_S * 2 + 10 if not retry else 60)
        if not proxy.fired:
            # It took less than when it was measured, maybe with heart-beats.
            for way, passed in proxy.passed.items():
                total[way] = min(total[way], passed)
            raise Missed(f"{rule} never happened")
        lab.fault()
        lab.detail = f"exits {sender.code} and {receiver.code}"
        new = lab.expected(source)
        lab.check(new, sender, receiver,
                  must=allowed(lab.bench, kind, phase, mode, retry) | (
                      {0} if receiver.code == 0 else set()))
        check_unconfirmed(lab, sender, new)
        lab.complete([source], mode=MODES[mode][0])
    return case


def silent(way, mode):
    """From the fault to the end it takes the timeout, and little more."""
    def case(lab):
        total = measure(lab.bench, mode)
        rule = Rule(f"up@total:{total['up'] // 2}={way}")
        source, sender, receiver, proxy = transfer(lab, mode, [rule])
        sender.wait(30)
        took = time.monotonic() - (proxy.fired_at or 0)
        receiver.wait(30)
        lab.fault()
        new = lab.expected(source)
        lab.check(new, sender, receiver,
                  must=allowed(lab.bench, way, "middle", mode, False))
        check_unconfirmed(lab, sender, new)
        if not TIMEOUT_S - 1 <= took <= TIMEOUT_S + 2 + SLACK_S:
            raise Failure(HUNG, f"took {took:.1f} s with --timeout "
                          f"{TIMEOUT_S}")
        lab.detail = f"{took:.1f} s"
    return case


def limited(lab):
    """A receiver that takes less in a timeout than a chunk has: that is
    progress."""
    lab.write("t/large", 1 << 20)  # one chunk: 5 s
    source = lab.src + "/t"
    wait = ["--timeout", str(TIMEOUT_S)]
    rate = str((200 << 10) // SLOWNESS)
    receiver = lab.receive(*wait, "--limit-rate", rate)
    sender = lab.send(*wait, source, port=receiver.port)
    lab.finish(sender, receiver)
    lab.fault()
    lab.check(lab.expected(source), sender, receiver,
              must={0} if lab.bench.has_retry else {0, 6, 10})


def stopped(who, seconds, timeout):
    """SIGSTOP for so long; longer than the timeout ends it."""
    def case(lab):
        source = lab.src + "/t"
        lab.write("t/large", 24 << 20)
        wait = ["--timeout", str(scaled(timeout))]
        receiver = lab.receive(*wait)
        sides = {"receiver": receiver}
        began = threading.Event()

        def stop():
            began.wait(scaled(10))
            sides[who].signal(signal.SIGSTOP)
        proxy = lab.proxy(receiver.port, Rule(f"up@total:{4 << 20}=call",
                                              stop))
        sender = lab.send(*wait, "--limit-rate", "12M", source,
                          port=proxy.port)
        sides["sender"] = sender
        began.set()
        threading.Event().wait(0.5 + scaled(seconds))
        other = receiver if who == "sender" else sender
        if seconds > timeout and not other.ended_within(2 + SLACK_S):
            raise Failure(HUNG, f"{other.name} waits for one that is stopped")
        sides[who].signal(signal.SIGCONT)
        sides[who].killed_by = None
        lab.finish(sender, receiver)
        lab.fault()
        new = lab.expected(source)
        lab.detail = f"exits {sender.code} and {receiver.code}"
        lab.check(new, sender, receiver,
                  must={6, 10} if seconds > timeout else {0})
        check_unconfirmed(lab, sender, new)
        lab.complete([source])
    return case


def slow_flush(lab):
    """A disk that takes longer than the timeout is no reason to give up."""
    source = lab.small_tree()
    wait = ["--timeout", str(TIMEOUT_S)]
    receiver = lab.receive(*wait, env=lab.shim(
        f"delay=sync:1:{2 * TIMEOUT_S * 1000}"))
    sender = lab.send(*wait, source, port=receiver.port)
    lab.finish(sender, receiver)
    lab.count_shim()
    lab.check_arrived(source, sender, receiver)


def slow_source(lab):
    """Standard input that is silent for longer than the timeout."""
    receiver = lab.receive("--timeout", str(TIMEOUT_S))
    read_end, write_end = os.pipe()
    sender = lab.send("--timeout", str(TIMEOUT_S), "-", port=receiver.port,
                      stdin=read_end)
    os.close(read_end)
    os.write(write_end, b"a" * 1000)
    threading.Event().wait(TIMEOUT_S * 2)
    try:
        os.write(write_end, b"b" * 1000)
    except BrokenPipeError:
        pass
    os.close(write_end)
    lab.finish(sender, receiver)
    lab.fault()
    lab.write("stdin", data=b"a" * 1000 + b"b" * 1000)
    lab.detail = f"exits {sender.code} and {receiver.code}"
    new = lab.expected(lab.src + "/stdin")
    for ferry in sender, receiver:
        lab.check_process(ferry)
    there = os.path.exists(lab.dst + "/stdin")
    if sender.code == 0 and not there:
        raise Failure("lost", "exits 0, and nothing is there")
    if there and os.path.getsize(lab.dst + "/stdin") != 2000:
        raise Failure("wrong", "half of the input was committed")
    if sender.code not in (0, 6) or not new:
        raise Failure("status", f"exits {sender.code}")


def last_word_lost(how, mode):
    """Exit 10, and sending again finds everything unchanged."""
    def case(lab):
        total = measure(lab.bench, mode)
        where = place("confirm", mode, total)
        source, sender, receiver, _ = transfer(
            lab, mode, [Rule(f"{where}={how}")])
        lab.finish(sender, receiver, 30)
        lab.fault()
        lab.check(lab.expected(source), sender, receiver, must={10})
        again, _, second = lab.complete([source], mode=MODES[mode][0],
                                        proxied=True)
        counts = {e["path"]: e["status"] for e in again.find("file")
                  if "path" in e}
        if set(counts.values()) != {"unchanged"}:
            raise Failure("status", f"sent again: {counts}")
        lab.bench.figure("most bytes sent for what is unchanged",
                         second.total["up"])
    return case


def damaged_header(size, where):
    """A length that grew on the way is not waited for, heart-beat after
    heart-beat; and the sender is told why, whatever it sent after it."""
    def case(lab):
        source = lab.write("file", size)
        receiver = lab.receive("--timeout", str(TIMEOUT_S))
        proxy = lab.proxy(receiver.port, Rule(f"up@frame:{where}=flip"))
        sender = lab.send("-j", "1", "--timeout", str(TIMEOUT_S), source,
                          port=proxy.port)
        lab.finish(sender, receiver, TIMEOUT_S + SLACK_S)
        if not proxy.fired:
            raise Failure("bench", "nothing was damaged")
        lab.fault()
        lab.check(lab.expected(source), sender, receiver, must={5})
    return case


def damaged_field(way, where):
    """An id, a count or a status that changed in transit does no harm:
    both sides say so at once."""
    def case(lab):
        source = lab.small_tree()
        receiver = lab.receive("--timeout", str(TIMEOUT_S))
        proxy = lab.proxy(receiver.port, Rule(f"{way}@frame:{where}=flip"))
        sender = lab.send("-j", "1", "--timeout", str(TIMEOUT_S), source,
                          port=proxy.port)
        lab.finish(sender, receiver, TIMEOUT_S)
        if not proxy.fired:
            raise Failure("bench", "nothing was damaged")
        lab.fault()
        lab.check(lab.expected(source), sender, receiver,
                  must={5} if way == "up" else {5, 6})
    return case


def damaged_fields():
    yield "damaged-length", damaged_header(400000, "CHUNK+5")
    yield "damaged-check", damaged_header(24 << 20, "CHUNK:3+2")
    for name, way, where in (
            ("pack-id", "up", "PACK+19"), ("pack-count", "up", "PACK+23"),
            ("open-name", "up", "OPEN+57"), ("chunk-offset", "up", "CHUNK+25"),
            ("end-id", "up", "FILE_END+19"), ("finish", "up", "FINISH+30"),
            ("verdict-id", "down", "VERDICT+19"),
            ("verdict-count", "down", "VERDICT+23"),
            ("verdict-status", "down", "VERDICT+24"),
            ("summary", "down", "SUMMARY+19")):
        yield f"damaged-{name}", damaged_field(way, where)


def stopped_before_ready(lab):
    """A receiver that waits for senders who come back is told that this one
    does not, however early it is stopped."""
    source = lab.small_tree()
    receiver = lab.receive("--timeout", str(scaled(30)))
    proxy = lab.proxy(receiver.port, Rule("down@frame:READY=hole"))
    sender = lab.send("--retry", "30", source, port=proxy.port)
    receiver.await_event("session")
    sender.signal(signal.SIGINT)
    sender.wait(5)
    receiver.wait(5)
    lab.fault()
    lab.check(lab.expected(source), sender, receiver, must={130})


def damaged_pack(kind, mode):
    """A pack without a byte of a file in it is sent again as well, and
    nobody sums up before."""
    def case(lab):
        for i in range(20):
            if kind != "links":
                os.makedirs(f"{lab.src}/t/d{i}/e")
            if kind != "directories":
                os.makedirs(lab.src + "/t", exist_ok=True)
                os.symlink(f"to{i}", f"{lab.src}/t/l{i}")
        options = ["-j", "1"]
        rules = [Rule("up@frame:PACK+60=flip")]
        if mode == "j4":
            lab.write("t/large", (3 << 20) + 99)
            options = ["-j", "4"]
            rules += ["up@0*=delay:50", "down@0*=delay:50"]
        source = lab.src + ("/t/." if kind == "links" else "/t")
        receiver = lab.receive()
        proxy = lab.proxy(receiver.port, *rules)
        sender = lab.send(*options, source, port=proxy.port)
        lab.finish(sender, receiver)
        if not proxy.fired:
            raise Failure("bench", "the pack was not damaged")
        lab.fault()
        new = picture(source) if kind == "links" else lab.expected(source)
        lab.check(new, sender, receiver, must={0})
        lab.check_identical(new)
    return case


def damaged_packs():
    for kind in "directories", "links", "both":
        for mode in "plain", "j4":
            yield f"damaged-pack-{kind}-{mode}", damaged_pack(kind, mode)


def veth(what):
    """The link goes down: for good, for a moment, while all is idle."""
    def case(lab):
        line = links.Line(lab)
        source = lab.src + "/t"
        lab.write("t/large", 12 << 20)
        wait = ["--timeout", str(scaled(4))]
        receiver = lab.receive(*wait, "-b", "10.77.0.2",
                               wrap=line.right.enter)
        more = {}
        if what == "idle":
            read_end, write_end = os.pipe()
            more["stdin"] = read_end
        sender = lab.send(*wait, "--limit-rate", "4M",
                          "-" if what == "idle" else source,
                          port=receiver.port, host="10.77.0.2",
                          wrap=line.left.enter, **more)
        if what == "idle":
            os.close(read_end)
            os.write(write_end, b"x" * 100)
        sender.await_event("session")
        threading.Event().wait(0.4)
        line.set("down")
        down = time.monotonic()
        lab.fault()
        if what == "moment":
            threading.Event().wait(1.5)
            line.set("up")
        limit = 4 + 2 + SLACK_S if what != "moment" else 60
        sender.wait(limit)
        receiver.wait(limit)
        took = time.monotonic() - down
        if what == "idle":
            os.close(write_end)
            new = {}
        else:
            new = lab.expected(source)
        lab.detail = f"exits {sender.code} and {receiver.code}, {took:.1f} s"
        lab.check(new, sender, receiver,
                  must={0} if what == "moment" else {6, 10})
        check_unconfirmed(lab, sender, new)
        if what == "good":
            lab.complete([source])
    return case


def closed_port(lab):
    source = lab.small_tree()
    sender = lab.send(source, port=free_port())
    sender.wait(10)
    lab.fault()
    lab.check({}, sender, must={3})


def no_such_host(lab):
    source = lab.small_tree()
    host = links.Host(lab)
    sender = lab.send("--timeout", str(scaled(5)), source, port=1,
                      host="none.invalid", wrap=host.enter)
    sender.wait(20)
    lab.fault()
    lab.check({}, sender, must={3})


def black_hole(others):
    """The first addresses of a name swallow everything."""
    def case(lab):
        host = links.Host(lab)
        # A veth whose other end is up, with a neighbour entry for nobody.
        host.ip("link", "add", "hole", "type", "veth", "peer", "name", "end")
        host.ip("link", "set", "hole", "up")
        host.ip("link", "set", "end", "up")
        host.ip("addr", "add", "10.78.0.1/24", "dev", "hole")
        host.ip("-6", "addr", "add", "fd78::1/64", "dev", "hole", "nodad")
        for nobody in "10.78.0.8", "10.78.0.9", "fd78::9":
            host.ip("neigh", "add", nobody, "lladdr", "02:00:00:00:00:09",
                    "dev", "hole")
        names = lab.work + "/hosts"
        with open(names, "w") as file:
            file.write("fd78::9 many\n10.78.0.9 many\n10.78.0.8 many\n")
            if others:
                file.write("10.78.0.1 many\n")
        host.do("mount", "--bind", names, "/etc/hosts")  # of this host alone
        source = lab.small_tree()
        receiver = lab.receive("-b", "10.78.0.1", wrap=host.enter)
        sender = lab.send("--timeout", str(scaled(5)), source,
                          port=receiver.port, host="many", wrap=host.enter)
        sender.wait(5 + 5 + SLACK_S)
        if sender.code:
            receiver.signal(signal.SIGTERM)
        receiver.wait(20)
        lab.fault()
        lab.check(lab.expected(source), sender, receiver,
                  must={0} if others else {3})
    return case


def slow(what):
    """What is slow is not broken."""
    def case(lab):
        source = lab.small_tree()
        lab.write("t/large", 3 << 20)
        wait = ["--timeout", str(scaled(5))]
        if what == "10mbit":
            line = links.Line(lab)
            line.limit("10mbit")
            receiver = lab.receive(*wait, "-b", "10.77.0.2", mode="tls",
                                   wrap=line.right.enter)
            sender = lab.send(*wait, source, port=receiver.port, mode="tls",
                              host="10.77.0.2", wrap=line.left.enter)
        else:
            rules = {"200ms": ["up@0*=delay:100", "down@0*=delay:100"],
                     "uneven": ["up@0=delay:400", "down@0=delay:20"],
                     "split": ["up@0*=split:29", "down@0*=split:5"],
                     "merge": ["up@0*=merge:30", "down@0*=merge:30"]}[what]
            receiver = lab.receive(*wait, mode="tls")
            if what == "split":
                os.unlink(lab.src + "/t/large")
                os.truncate(lab.src + "/t/sub/big", 10000)
            proxy = lab.proxy(receiver.port, *rules)
            sender = lab.send(*wait, "-j", "4", source, port=proxy.port,
                              mode="tls")
        lab.finish(sender, receiver)
        lab.fault()
        lab.check_arrived(source, sender, receiver)
    return case


def matrix_cases(bench, rng):
    found = [(f"{kind.partition(':')[0]}-{phase}-{mode}"
              f"{'-retry' if retry else ''}", matrix(kind, phase, mode, retry))
             for kind in KINDS for phase in PHASES for mode in MODES
             for retry in ((False, True) if bench.has_retry else (False,))
             if not (retry and kind in ("flip", "echo"))]
    if not bench.options.quick or bench.options.only:
        return found
    waiting = [c for c in found if c[0].partition("-")[0] in WAITING]
    quick = [c for c in found if c not in waiting]
    return rng.sample(quick, 12) + rng.sample(waiting, 3)


def quick_cases(bench, rng):
    yield from matrix_cases(bench, rng)
    yield "silent-dead-plain", silent("dead", "plain")
    yield "stopped-receiver-briefly", stopped("receiver", 1.5, 5)
    yield "slow-flush", slow_flush
    yield from damaged_packs()
    yield "stopped-before-ready", stopped_before_ready
    yield from damaged_fields()
    for mode in "plain", "tls", "j4":
        yield f"last-word-rst-{mode}", last_word_lost("rst", mode)
    yield "link-down-moment", veth("moment")
    yield "closed-port", closed_port
    yield "no-such-host", no_such_host
    yield "black-hole-first", black_hole(True)
    for what in "200ms", "merge":
        yield f"slow-{what}", slow(what)


def cases(bench, rng):
    if bench.options.quick:
        yield from quick_cases(bench, rng)
        return
    yield from matrix_cases(bench, rng)
    for way, mode in (("dead", "plain"), ("dead", "tls"), ("hole", "j4"),
                      ("stall", "plain")):
        yield f"silent-{way}-{mode}", silent(way, mode)
    for who in "sender", "receiver":
        yield f"stopped-{who}-briefly", stopped(who, 1.5, 5)
        yield f"stopped-{who}-long", stopped(who, 6, 3)
    yield "slow-flush", slow_flush
    yield "limited-receiver", limited
    yield "slow-source", slow_source
    yield from damaged_packs()
    yield "stopped-before-ready", stopped_before_ready
    yield from damaged_fields()
    for how in "fin", "rst", "hole":
        for mode in "plain", "tls", "j4":
            yield f"last-word-{how}-{mode}", last_word_lost(how, mode)
    for what in "good", "moment", "idle":
        yield f"link-down-{what}", veth(what)
    yield "closed-port", closed_port
    yield "no-such-host", no_such_host
    yield "black-hole-first", black_hole(True)
    yield "black-hole-only", black_hole(False)
    for what in "10mbit", "200ms", "uneven", "split", "merge":
        yield f"slow-{what}", slow(what)
