"""Each system call of a small transfer fails once, on either side.

What a side calls, and how often, is counted in a run without faults.  Then for
each call, each N and each errno that is plausible for it, strace makes the
N-th of every thread fail.  Both sides are stopped before main() by
faultio.so, so the counts are ferry's own and not the dynamic linker's.
"""
import collections
import itertools
import os
import random
import re
import signal
import subprocess
import time

from case import Case
from lib.lab import Failure
from lib.limits import can, need_for, scaled

about = "each system call fails once, both sides"

QUICK = 20
TIMEOUT_S = scaled(4)
ERRNOS = {
    "openat": "EACCES EMFILE ENFILE EIO ENOSPC ELOOP EINTR",
    "mkdirat": "ENOSPC EACCES EROFS EDQUOT EIO",
    "fallocate": "ENOSPC EIO EINTR EOPNOTSUPP EFBIG",
    "pwrite64": "ENOSPC EIO EDQUOT EINTR EFBIG",
    "pwritev": "ENOSPC EIO EDQUOT EINTR",
    "pwritev2": "ENOSPC EIO EDQUOT EINTR ENOSYS EOPNOTSUPP",
    "ftruncate": "EIO EINTR ENOSPC",
    "fchmod": "EPERM EIO EROFS",
    "utimensat": "EPERM EIO EROFS",
    "fdatasync": "EIO ENOSPC EDQUOT",
    "fsync": "EIO ENOSPC EDQUOT",
    "syncfs": "EIO ENOSPC EDQUOT",
    "sync_file_range": "EIO ENOSPC",
    "close": "EIO ENOSPC EINTR",
    "renameat": "EACCES EIO ENOSPC",
    "renameat2": "EINVAL ENOSYS EACCES EIO ENOSPC EEXIST",
    "linkat": "EIO ENOSPC EPERM ENOENT EXDEV",
    "unlinkat": "EIO EACCES EROFS",
    "symlinkat": "ENOSPC EIO EPERM",
    "pread64": "EIO EINTR ESTALE",
    "copy_file_range": "EIO EINTR EXDEV",
    "sendfile": "EIO EINTR",
    "newfstatat": "EIO ENOMEM EACCES",
    "fstat": "EIO",
    "statx": "EIO EACCES",
    "fstatfs": "EIO ENOSYS",
    "faccessat2": "EACCES ENOSYS",
    "getdents64": "EIO ENOMEM",
    "link": "EIO ENOSPC",
    "readlinkat": "EIO EACCES",
    "lseek": "EINVAL EIO",
    "fcntl": "EMFILE ENOLCK",
    "flock": "EAGAIN ENOLCK",
    "getrandom": "EINTR EAGAIN",
    "socket": "EMFILE ENOBUFS",
    "bind": "EADDRINUSE",
    "listen": "EADDRINUSE",
    "connect": "ECONNREFUSED ETIMEDOUT EINTR ENETUNREACH",
    "accept4": "EMFILE ENFILE ECONNABORTED EINTR ENOBUFS ENOMEM",
    "setsockopt": "ENOPROTOOPT ENOMEM",
    "getsockopt": "ENOPROTOOPT",
    "getsockname": "ENOBUFS",
    "sendmsg": "ECONNRESET EPIPE EINTR EAGAIN ENOBUFS",
    "sendto": "ECONNRESET EPIPE EINTR EAGAIN ENOBUFS",
    "recvfrom": "ECONNRESET EINTR EAGAIN ETIMEDOUT",
    "recvmsg": "ECONNRESET EINTR EAGAIN ETIMEDOUT",
    "shutdown": "ENOTCONN",
    "read": "EIO EINTR",
    "write": "EIO ENOSPC EPIPE EINTR",
    "poll": "EINTR ENOMEM",
    "pselect6": "EINTR ENOMEM",
    "eventfd2": "EMFILE",
    "pipe2": "EMFILE",
    "clone3": "EAGAIN",
    "mmap": "ENOMEM",
    "mprotect": "ENOMEM",
    "prlimit64": "EPERM",
}
# The kernel does not fail so: what wakes a thread up is memory, and flags are
# asked for without a descriptor.
IMPLAUSIBLE = re.compile(r"((read|write)\(\d+<(anon_inode|pipe).*"
                         r"= -1 (?!EINTR)|fcntl\(.*F_[GS]ETF).*"
                         r"\(INJECTED\)")
MOST_N = 12  # of a call that is made more often, some N are drawn
# These, failing so on what is received, must never end in success.
TELLING = re.compile(
    r"(fdatasync|fsync|syncfs|pwrite64|pwritev2?|ftruncate|close)\(.*"
    r"= -1 (EIO|ENOSPC|EDQUOT|EFBIG) .*\(INJECTED\)")


def stopped(pid):
    end = time.monotonic() + scaled(10)
    while time.monotonic() < end:
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] == "T":
                return
        time.sleep(0.002)
    raise RuntimeError(f"{pid} does not stop")


def traced_start(lab, start, log, *what):
    """Start ferry by start(env), stop it, hand it to strace, let it go."""
    env = lab.shim("stop=1")
    env["ASAN_OPTIONS"] += ":detect_leaks=0"  # that cannot be traced
    ferry = start(env)
    stopped(ferry.pid)
    tracer = subprocess.Popen(
        ["strace", "-f", "-q", "-y", "-e", "signal=none", "-o", log, *what,
         "-p", str(ferry.pid)],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + scaled(10)
    while time.monotonic() < end:
        with open(f"/proc/{ferry.pid}/status") as file:
            if "TracerPid:\t0\n" not in file.read():
                break
        time.sleep(0.002)
    os.kill(ferry.pid, signal.SIGCONT)
    return ferry, tracer


def log_path(lab):
    return os.path.join(lab.work, "strace.log")


def read_log(lab):
    with open(log_path(lab), errors="replace") as file:
        return file.read()


def interrupt(lab, source):
    """A run before, that is cut midway: parts and journals are there."""
    receiver = lab.receive("--existing", "replace", name="receiver0")
    proxy = lab.proxy(receiver.port, f"up@total:{7 << 20}=rst!all")
    sender = lab.send("-j", "1", source, port=proxy.port, name="sender0")
    lab.finish(sender, receiver)


def run(lab, side, resuming, *what):
    """A transfer of the small tree with strace at one side."""
    log = log_path(lab)
    source = lab.small_tree()
    lab.write("t/large", (9 << 20) + 5)
    lab.plant_old()
    own = ["--timeout", str(TIMEOUT_S)]
    if resuming:
        interrupt(lab, source)

    def receiver_with(env):
        return lab.receive(*own, "--existing", "replace", env=env,
                           await_it=env is None)

    if side == "receiver":
        receiver, tracer = traced_start(lab, receiver_with, log, *what)
        receiver.await_port()
    else:
        receiver = receiver_with(None)

    def sender_with(env):
        return lab.send(*own, source, port=receiver.port or 1, env=env)

    if side == "sender":
        sender, tracer = traced_start(lab, sender_with, log, *what)
    else:
        sender = sender_with(None)
    lab.finish(sender, receiver, TIMEOUT_S * 4)
    tracer.wait(20)
    return sender, receiver, source, read_log(lab)


def count(bench, side, resuming):
    """{call: most often in one thread} of a run without faults."""
    lab = Case(bench, "count", random.Random(1))
    try:
        sender, receiver, _, log = run(lab, side, resuming)
        if sender.code != 0 or receiver.code != 0:
            raise RuntimeError(f"counting: exits {sender.code}, "
                               f"{receiver.code}")
    finally:
        lab.release()
    by_thread = collections.Counter(
        re.findall(r"^(\d+) +(\w+)\(", log, re.MULTILINE))
    calls = {}
    for (_, call), n in by_thread.items():
        calls[call] = max(n, calls.get(call, 0))
    return calls


def check(call, oracle):
    """Ask the oracle; but what could not be locked may stay."""
    try:
        oracle()
    except Failure as failure:
        if failure.kind != "litter" or call != "flock":
            raise


def is_telling(log, line, dst):
    """Whether a success after this call, which failed, is a lie.  Closing a
    part that nothing was written to by this descriptor loses nothing: a
    receiver looks first whether another session has the part."""
    if not TELLING.search(line) or ".journal>" in line:
        return False
    closed = re.search(r"close\((\d+<[^>]*>)", line)
    if not closed:
        return ".part" in line or dst in line
    return closed[1].endswith(".part>") and re.search(
        r"pwrite\w*\(" + re.escape(closed[1]), log[:log.index(line)])


def fail_one(side, resuming, call, n, errno):
    writes = ",pwrite64,pwritev,pwritev2" if call == "close" else ""

    def case(lab):
        try:
            sender, receiver, source, log = run(
                lab, side, resuming, "-e", f"trace={call}{writes}", "-e",
                f"inject={call}:error={errno}:when={n}")
        except Failure:
            if IMPLAUSIBLE.search(read_log(lab)):
                return
            raise
        if IMPLAUSIBLE.search(log):
            return
        lab.fault(log.count("(INJECTED)"))
        new = lab.expected(source)
        check(call, lambda: lab.check(new, sender, receiver))
        telling = [line for line in log.splitlines()
                   if is_telling(log, line, lab.dst)]
        if side == "receiver" and telling and sender.code == 0:
            raise Failure("lost", "success in spite of " + telling[0][:200])
        check(call, lambda: lab.complete(
            [source], "--timeout", str(TIMEOUT_S),
            receive=["--existing", "replace"]))
    return case


def all_cases(bench, rng):
    for side, resuming in itertools.product(("receiver", "sender"),
                                            (False, True)):
        calls = count(bench, side, resuming)
        for call, times in sorted(calls.items()):
            if bench.is_sanitized and call in ("mmap", "mprotect"):
                continue  # a sanitizer ends the program where they fail
            numbers = range(1, times + 1)
            if times > MOST_N:
                numbers = sorted(rng.sample(numbers, MOST_N))
            for errno in ERRNOS.get(call, "").split():
                for n in numbers:
                    yield (f"{side}{'-resuming' if resuming else ''}-{call}-"
                           f"{n}-{errno}",
                           fail_one(side, resuming, call, n, errno))


def cases(bench, rng):
    if not can("ptrace"):
        return [("all", lambda lab: need_for("ptrace"))]
    found = list(all_cases(bench, rng))
    most = bench.options.runs or (QUICK if bench.options.quick else None)
    if most and not bench.options.only:
        found = rng.sample(found, min(most, len(found)))
    return found
