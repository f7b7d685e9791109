"""Running one transfer exactly: where it runs, what it took, what it lost.

A Bench owns everything that has to be undone: two temporary directories (in
memory and on disk), processes, network namespaces.  leave() undoes it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
# pylint: disable=wrong-import-position
from lib.limits import scaled  # noqa: E402
from lib.ports import free_port  # noqa: E402

LISTEN_S = scaled(20)       # a server has to listen after so long
TRANSFER_S = scaled(600)    # a transfer has to end after so long
LISTENING = "0A"    # the state in /proc/net/tcp


class Failed(Exception):
    """A transfer that did not happen; the text says why, in a few words."""


# ---- processes --------------------------------------------------------------

@dataclass
class Usage:
    """What one side of a transfer took."""
    start: float        # CLOCK_MONOTONIC, seconds
    main_end: float     # the command itself
    all_end: float      # the last of its descendants
    cpu: float          # user and system seconds, of all of them
    peak_kib: int       # of the largest of them
    status: int


class Side:
    """A command that runs under tests/bench/measure.c."""

    def __init__(self, bench, argv, prefix):
        self.out = bench.new_path("usage")
        self.log = bench.new_path("log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*prefix, bench.helper("measure"), self.out, *argv],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def running(self):
        return self.process.poll() is None

    def stop(self):
        """Ask it to end; measure sees to it that it does."""
        if self.running():
            self.process.terminate()

    def finish(self, timeout=TRANSFER_S):
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.stop()
            self.process.wait(30)
            raise Failed("did not end") from None
        try:
            with open(self.out, encoding="ascii") as out:
                u = json.load(out)
        except (OSError, ValueError):
            raise Failed("did not start: " + self.last_words()) from None
        return Usage(u["start_ns"] / 1e9, u["main_end_ns"] / 1e9,
                     u["all_end_ns"] / 1e9,
                     (u["user_us"] + u["sys_us"]) / 1e6, u["peak_kib"],
                     u["status"])

    def last_words(self):
        text = Path(self.log).read_text("utf-8", "replace").strip()
        return text.splitlines()[-1][:100] if text else "no message"


class Clockwatch:
    """Milliseconds the host took from this machine; see clockwatch.c."""

    def __init__(self, bench):
        self.process = bench.spawn([bench.helper("clockwatch")],
                                   stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)

    def lost_ms(self):
        """Since the last call."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def machine_busy():
    """Seconds in which any CPU worked for processes, since the start."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system = map(int, stat.readline().split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def cpu_of(pid):
    """CPU seconds of a running process so far."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return 0.0
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- places: where sender and receiver are ----------------------------------

class Loopback:
    """Both on this host."""
    near = far = "127.0.0.1"    # the sender's and the receiver's address
    send_prefix = recv_prefix = ()
    line_pid = None

    def __init__(self, bench):
        pass

    def free_port(self):
        return free_port()

    def close(self):
        return {}


class Namespaces:
    """Each in a network namespace of its own; a subclass joins them.

    TCP is as on a stock system: the congestion control that is told by
    loss, and no memory of earlier connections.
    """
    line_pid = None
    port = 20000

    def __init__(self, bench):
        self.bench = bench
        self.holders = [self.hold(bench) for _ in "ab"]
        self.send_prefix, self.recv_prefix = (
            ("nsenter", f"--net=/proc/{h.pid}/ns/net", "--")
            for h in self.holders)

    @staticmethod
    def hold(bench):
        holder = bench.spawn(
            ["unshare", "--net", "sh", "-c",
             "ip link set lo up && "
             "cd /proc/sys/net/ipv4 && echo 1 >tcp_no_metrics_save && "
             # As on a stock system, not as an administrator tuned this one;
             # the kernel may not allow the first.
             "for c in cubic reno; do"
             " echo $c 2>&- >tcp_congestion_control && break; done; "
             "echo ready && exec sleep 86400"],
            stdout=subprocess.PIPE, text=True)
        if holder.stdout.readline() != "ready\n":
            raise Failed("cannot make network namespaces")
        return holder

    def free_port(self):
        self.port += 1
        return self.port

    def close(self):
        for holder in self.holders:
            self.bench.end(holder)
        return {}


class Thin(Namespaces):
    """A veth pair that a token bucket limits, both ways."""
    near, far = "10.78.0.1", "10.78.0.2"

    def __init__(self, bench, rate):
        super().__init__(bench)
        a, b = self.send_prefix, self.recv_prefix
        pid_b = str(self.holders[1].pid)
        tbf = ["root", "tbf", "rate", str(rate), "burst", "64kb",
               "latency", "50ms"]
        for prefix, command in (
                (a, ["ip", "link", "add", "thin0", "type", "veth",
                     "peer", "name", "thin0", "netns", pid_b]),
                (a, ["ip", "addr", "add", self.near + "/24", "dev", "thin0"]),
                (b, ["ip", "addr", "add", self.far + "/24", "dev", "thin0"]),
                (a, ["ip", "link", "set", "thin0", "up"]),
                (b, ["ip", "link", "set", "thin0", "up"]),
                (a, ["tc", "qdisc", "add", "dev", "thin0", *tbf]),
                (b, ["tc", "qdisc", "add", "dev", "thin0", *tbf])):
            subprocess.run([*prefix, *command], check=True)


class Wan(Namespaces):
    """Joined by tests/bench/wan.c; options are its settings."""
    near, far = "10.77.0.1", "10.77.0.2"

    def __init__(self, bench, **options):
        super().__init__(bench)
        words = [str(w) for name, value in options.items()
                 for w in (name.replace("_", "-"), value)]
        self.line = bench.spawn(
            [bench.helper("wan"), *(str(h.pid) for h in self.holders),
             *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.line.stdout.readline() != "ready\n":
            raise Failed("no line: tests/bench/wan.c failed")
        self.line_pid = self.line.pid

    def close(self):
        """Ends the line and gives its counters."""
        self.line.stdin.close()
        text = self.line.stdout.read()
        self.bench.end(self.line)
        super().close()
        return json.loads(text)


# ---- one transfer -----------------------------------------------------------

@dataclass
class Job:
    """What a tool is asked to move, and where it finds what it needs."""
    bench: "Bench"
    src: Path           # a file, or a directory to move with its content
    dst: Path           # the directory where src.name has to appear
    place: object
    host: str = ""      # where the server listens, and its port
    port: int = 0


@dataclass
class Result:
    wall: float = 0.0
    cpu: float = 0.0
    send_kib: int = 0
    recv_kib: int = 0
    done_at: float = 0.0    # CLOCK_MONOTONIC, when the client ended
    lost_ms: float = 0.0    # time the host took from this machine
    foreign: float = 0.0    # share of the machine that others used
    error: str = ""
    raw: dict = field(default_factory=dict)


def listens(pid, port):
    wanted = f":{port:04X}"
    for table in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{pid}/net/{table}", encoding="ascii") as f:
                lines = f.readlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[1].endswith(wanted) and words[3] == LISTENING:
                return True
    return False


def wait_listening(side, port):
    deadline = time.monotonic() + LISTEN_S
    while not listens(side.process.pid, port):
        if not side.running():
            raise Failed("does not listen: " + side.last_words())
        if time.monotonic() > deadline:
            side.stop()
            raise Failed("does not listen")
        time.sleep(0.005)


def transfer(tool, job, wrap=lambda argv, side: argv):
    """Run tool once on job; wrap may put a tracer before each side."""
    place = job.place
    job.port = place.free_port()
    job.host = place.near if tool.server_sends else place.far
    ends = [place.recv_prefix, place.send_prefix]
    names = ["recv", "send"]
    if tool.server_sends:
        ends.reverse()
        names.reverse()
    server = Side(job.bench, wrap(tool.server(job), names[0]), ends[0])
    client = None
    try:
        wait_listening(server, job.port)
        client = Side(job.bench, wrap(tool.client(job), names[1]), ends[1])
        used = client.finish()
        if tool.serves_on or used.status:
            server.stop()
        served = server.finish(60)
    except Failed:
        for side in (client, server):
            if side and side.running():
                side.stop()
                side.process.wait(30)
        raise
    if used.status:
        raise Failed(f"exit {used.status}: {client.last_words()}")
    if served.status and not tool.serves_on and not tool.complains:
        raise Failed(f"receiver's exit {served.status}: "
                     f"{server.last_words()}")
    sides = dict(zip(names, (served, used)))
    end = used.main_end if tool.serves_on else max(used.all_end,
                                                   served.all_end)
    return Result(end - used.start, used.cpu + served.cpu,
                  sides["send"].peak_kib, sides["recv"].peak_kib,
                  used.main_end)


def same(src, dst):
    """Does dst hold what src holds?"""
    command = (["diff", "-rq", src, dst] if src.is_dir()
               else ["cmp", "-s", src, dst])
    return subprocess.run(command, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


# ---- the owner of it all ----------------------------------------------------

class Bench:
    def __init__(self, helpers, disk):
        memory = Path("/dev/shm")
        self.tmp = Path(tempfile.mkdtemp(prefix="ferry-bench.", dir=memory))
        self.disk = Path(tempfile.mkdtemp(prefix="ferry-bench.", dir=disk))
        # Copies, so that a build meanwhile does not change what is measured.
        self.programs = self.tmp / "programs"
        shutil.copytree(helpers, self.programs)
        self.processes = []
        self.extra = []
        self.numbers = 0
        self.clockwatch = Clockwatch(self)

    def helper(self, name):
        return str(self.programs / name)

    def copy_of(self, program):
        """Of a program that may be built anew while we run."""
        self.numbers += 1
        return shutil.copy(program, self.programs / f"ferry.{self.numbers}")

    def new_path(self, kind):
        self.numbers += 1
        return str(self.tmp / f"{kind}.{self.numbers}")

    def remove_later(self, path):
        """An empty directory that was made outside of the temporary one."""
        self.extra.append(path)

    def spawn(self, argv, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(argv, **kwargs)
        self.processes.append(process)
        return process

    def end(self, process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
        self.processes.remove(process)

    def warm(self, size):
        """Free pages that this machine's host has given it already.

        Memory that a virtual machine does not use goes back to its host;
        what comes first to a page after that pays for it.
        """
        path = self.tmp / "warm"
        block = bytes(1 << 20)
        with open(path, "wb") as f:
            for _ in range(0, size, len(block)):
                f.write(block)
        path.unlink()

    def clean_round(self):
        """Forget what the last transfer left in the temporary directory."""
        for pattern in ("usage.*", "log.*"):
            for path in self.tmp.glob(pattern):
                path.unlink()

    def leave(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for process in list(self.processes):
            self.end(process)
        for path in (self.tmp, self.disk):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.extra:
            path.rmdir()
