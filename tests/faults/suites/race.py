"""Others use the same names and the same port at the same time."""
import os
import socket
import struct
import time

from lib.lab import LOST, WRONG, Failure
from lib.limits import need_for, scaled

about = "others at the same names and port"

FILES = 200
# Between the last look at a name and taking it: together long enough for two
# pairs to meet.
DELAY_US = scaled(8000)


def many(lab, root, count, size):
    """Small files, one in a few chunks, and one that is kept."""
    for i in range(count):
        lab.write(f"t/{i:04}", lab.rng.randrange(1, size), root=root)
    lab.write("t/chunks", (2 << 20) + 5, root=root)
    lab.write("t/kept", (9 << 20) + 5, root=root)
    return os.path.join(root, "t")


def slow_names():
    """Each name is taken late, so that another process can take it first."""
    calls = "linkat,renameat2,renameat,rename"
    wrap = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}",
            "-e", f"inject={calls}:delay_enter={DELAY_US}"]
    need_for("ptrace")
    return wrap


def plant(lab, names, span):
    """Take the names with content of our own where they are free, each at some
    moment of the span; those that were free."""
    planted = set()
    begin = time.monotonic()
    for at, name in sorted((lab.rng.random() * span, n) for n in names):
        time.sleep(max(0, begin + at - time.monotonic()))
        try:
            with open(os.path.join(lab.dst, "t", name), "xb") as file:
                file.write(b"planted " + name.encode())
            planted.add(name)
        except FileExistsError:
            pass
    return planted


def appears(existing, sync):
    """Files that appear while they are received."""
    def case(lab):
        source = many(lab, lab.src, FILES, 3000)
        os.mkdir(os.path.join(lab.dst, "t"))
        names = sorted(os.listdir(source))
        receiver = lab.receive("--existing", existing, "--sync", sync,
                               wrap=slow_names())
        sender = lab.send("-j", "1", source, port=receiver.port)
        sender.await_event("session")
        planted = plant(lab, names, FILES * DELAY_US * 1.5e-6)
        lab.finish(sender, receiver)
        lab.fault(len(planted))
        lab.detail = f"{len(planted)} of {len(names)} planted"
        judge(lab, existing, source, names, planted, sender)
    return case


def judge(lab, existing, source, names, planted, sender):
    new = lab.expected(source)
    status = {e["path"][2:]: e["status"] for e in sender.find("file")}
    lost = {"fail": "failed", "skip": "skipped"}.get(existing)
    for name in names:
        with open(os.path.join(lab.dst, "t", name), "rb") as file:
            ours = file.read() == b"planted " + name.encode()
        want = lost if name in planted and lost else "committed"
        if ours != (want != "committed"):
            raise Failure(LOST, f"{name}: planted {name in planted}, now "
                          f"planted {ours}")
        if status.get(name) != want:
            raise Failure("status", f"{name}: {status.get(name)}, not {want}")
    if lost:
        lab.old = {b"t/" + n.encode(): ("file", None, None) for n in planted}
    if not 0 < len(planted) < len(names):
        raise Failure("bench", f"{len(planted)} names were planted")
    lab.check(new, sender, must={1 if lost else 0},
              may_fail={b"t/" + n.encode() for n in planted} if lost else ())


def in_any_order(lab, source):
    """A list of its files for --files-from.  The one that is kept comes last:
    for its part a session waits some seconds for the other one, which would be
    over then."""
    names = [f"t/{name}\n" for name in os.listdir(source)]
    lab.rng.shuffle(names)
    names.sort(key="t/kept\n".__eq__)
    path = source + ".list"
    with open(path, "w") as file:
        file.writelines(names)
    return path


def two_receivers(existing):
    """Two pairs write the same names: one of them has each."""
    def case(lab):
        other = os.path.join(lab.work, "other")
        sources = [many(lab, lab.src, FILES, 3000),
                   many(lab, other, FILES, 3000)]
        receivers = [lab.receive("--existing", existing, "--sync", "none",
                                 wrap=slow_names(), name=f"receiver{i}")
                     for i in range(2)]
        senders = [lab.send("-j", "1", "--files-from", in_any_order(lab, path),
                            port=receiver.port, name=f"sender{i}",
                            cwd=os.path.dirname(path))
                   for i, (path, receiver) in
                   enumerate(zip(sources, receivers))]
        for sender, receiver in zip(senders, receivers):
            lab.finish(sender, receiver)
        lab.fault(FILES + 2)
        news = [lab.expected(source) for source in sources]
        won = [{e["path"] for e in sender.find("file", status="committed")}
               for sender in senders]
        lab.detail = f"{len(won[0])} to {len(won[1])}"
        if not won[0] or not won[1]:
            raise Failure("bench", "they did not meet")
        both = won[0] & won[1]
        neither = {p.decode() for p, what in news[0].items()
                   if what[0] == "file"} - won[0] - won[1]
        if both or neither:
            raise Failure(LOST, f"won twice: {sorted(both)[:3]}, by neither: "
                          f"{sorted(neither)[:3]}")
        for mine, new in zip(won, news):
            for path in mine:
                with open(os.path.join(lab.dst, path), "rb") as file:
                    size = len(file.read())
                if size != new[path.encode()][1]:
                    raise Failure(WRONG, f"{path} is not its winner's")
        for process, new, theirs in zip(senders, news, won[::-1]):
            lab.check(new, process,
                      may_fail={p.encode() for p in theirs})
    return case


def noise(mode):
    """A port scan, an HTTP client and random bytes during a session."""
    def case(lab):
        source = many(lab, lab.src, FILES, 3000)
        receiver = lab.receive(mode=mode)
        sender = lab.send("--limit-rate", "8M", source, port=receiver.port,
                          mode=mode)
        junk = lab.rng.randbytes(1 << 16)
        count = 0
        while not sender.poll() and sender.code is None and count < 300:
            visit(receiver.port, (b"", b"GET / HTTP/1.1\r\n\r\n", junk,
                                  b"\x16\x03\x01\x02\x00\x01")[count % 4],
                  is_reset=count % 3 == 0)
            count += 1
        lab.finish(sender, receiver)
        lab.fault(count)
        lab.detail = f"{count} connections"
        lab.check(lab.expected(source), sender, receiver, must={0})
        lab.check_identical(lab.expected(source))
        lines = receiver.messages().count(b"no session: ")
        if count < 10 or lines > count:
            raise Failure("output", f"{lines} lines for {count} connections")
    return case


def visit(port, text, is_reset):
    with socket.socket() as sock:
        sock.settimeout(scaled(5))
        try:
            sock.connect(("127.0.0.1", port))
            if is_reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
            sock.sendall(text)
        except OSError:
            pass  # it may have been closed


def cases(bench, rng):
    for existing in "fail", "skip", "replace":
        for sync in ("none",) if bench.options.quick else ("none", "batch"):
            yield f"appears-{existing}-{sync}", appears(existing, sync)
    for i in range(bench.options.runs or (1 if bench.options.quick else 5)):
        yield f"two-receivers-{i}", two_receivers("fail")
    for mode in "plain", "tls":
        yield f"noise-{mode}", noise(mode)
