"""The program under test: its processes under watch, the directories where
they work, and what must hold of them whatever a peer or a fault does."""
import collections
import json
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unicodedata

from lib.keys import Key
from lib.limits import scaled
from lib.ports import free_port
from lib.proxy import Proxy
from lib.tree import snapshot

CONTROLS = re.compile(r"[\0-\x09\x0b-\x1f\x7f]")  # all of ASCII's but \n
SANITIZER = re.compile(rb"Sanitizer|runtime error:|Assertion .* failed")
STATUSES = frozenset(range(12))  # documented in ferry(1)
RUN_LIMIT = 90       # seconds for a run that no fault makes wait
LOST, WRONG, HUNG = "lost", "wrong", "hung"


class Failure(Exception):
    """What did not hold: kind is lost, wrong, hung or another word."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


class Missed(Failure):
    """The fault did not happen: the case is run again, a few times."""

    def __init__(self, text):
        super().__init__("bench", text)


def need(condition, text, kind="failed"):
    if not condition:
        raise Failure(kind, text)


def check_text(data, where):
    """UTF-8 without a character that a terminal obeys."""
    try:
        text = bytes(data).decode()
    except UnicodeDecodeError as e:
        raise Failure("output", f"{where}: {e}") from None
    if text.isascii() and not CONTROLS.search(text):
        return
    for at, c in enumerate(text):
        if c != "\n" and unicodedata.category(c) in ("Cc", "Cf"):
            raise Failure("output", f"{where} holds {c!r}: "
                          f"{text[max(0, at - 80):][:200]!r}")


class Program:
    """ferry as it was built, and what it is to be run under."""

    def __init__(self, path=None, wrap=None):
        self.path = os.path.abspath(path or os.environ.get("FERRY") or
                                    "build/release/ferry")
        self.wrap = shlex.split(os.environ.get("FERRY_WRAP", "")) \
            if wrap is None else wrap
        with open(self.path, "rb") as file:
            self.is_sanitized = re.search(
                rb"__(asan|tsan)_init|__ubsan_handle", file.read()) is not None
        self.is_slow = self.is_sanitized or bool(self.wrap)

    def argv(self, *words):
        return [*self.wrap, self.path, *words]

    def keygen(self, path):
        subprocess.run(self.argv("keygen", path), check=True,
                       stderr=subprocess.DEVNULL)
        return Key(path)


class Ferry:
    """One process of ferry, its events as they come, and what it used.
    on_event, if set, is called with each event by the thread that reads
    them."""

    def __init__(self, lab, name, argv, env=None, cwd=None, stdin=None,
                 **more):
        self.lab, self.name, self.argv = lab, name, argv
        self.code = None
        self.events = []
        self.counts = collections.Counter()
        self.on_event = None
        self.output, self.unread = bytearray(), b""
        self.news = threading.Condition()
        self.reading, self.is_at_end = threading.Lock(), False
        self.message_path = os.path.join(lab.work, f"{name}.messages")
        self.max_fds = self.max_threads = self.rss_kib = 0
        self.killed_by = self.port = None
        self.started = time.monotonic()
        words = stdin if isinstance(stdin, bytes) else None
        with open(self.message_path, "wb") as messages:
            self.proc = subprocess.Popen(
                argv, stdin=stdin or subprocess.DEVNULL if words is None
                else subprocess.PIPE,
                stdout=more.pop("stdout", subprocess.PIPE),
                stderr=more.pop("stderr", messages),
                env={**os.environ, **(env or {})}, cwd=cwd or lab.work,
                start_new_session=True, **more)
        lab.processes.append(self)
        if words is not None:
            threading.Thread(target=self.feed, args=(words,),
                             daemon=True).start()
        self.reader = threading.Thread(target=self.read, daemon=True)
        if self.proc.stdout:
            os.set_blocking(self.proc.stdout.fileno(), False)
            self.reader.start()

    @property
    def pid(self):
        return self.proc.pid

    # ---- what it says ----

    def feed(self, data):
        try:
            with self.proc.stdin as pipe:
                pipe.write(data)
        except OSError:
            pass  # it did not want all of it

    def read(self):
        poll = select.poll()
        poll.register(self.proc.stdout, select.POLLIN)
        while not self.is_at_end:
            poll.poll()
            self.drain()

    def drain(self):
        """Take the events that it has written until now."""
        with self.reading:
            while not self.is_at_end:
                try:
                    data = os.read(self.proc.stdout.fileno(), 65536)
                except BlockingIOError:
                    return
                self.output += data
                *lines, self.unread = (self.unread + data).split(b"\n")
                for line in lines:
                    self.take(line)
                if not data:
                    self.is_at_end = True
                    if self.unread:
                        self.take(self.unread)
                    self.add({"event": "eof"})

    def close_if_at_end(self):
        """A child of the process may still hold the pipe open."""
        if self.is_at_end:
            self.proc.stdout.close()

    def take(self, line):
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "event" not in event:
            event = {"event": "unreadable", "line": line}
        self.add(event)
        if self.on_event:
            self.on_event(event)  # pylint: disable=not-callable

    def add(self, event):
        with self.news:
            self.events.append(event)
            self.counts[event["event"]] += 1
            self.news.notify_all()

    def messages(self):
        with open(self.message_path, "rb") as file:
            return file.read()

    def find(self, name, **wanted):
        return [e for e in self.events if e["event"] == name and
                all(e.get(k) == v for k, v in wanted.items())]

    def await_events(self, condition, limit=20):
        """Until condition(), which is looked at after each event, is true;
        what it is then."""
        with self.news:
            return self.news.wait_for(condition, scaled(limit))

    def await_event(self, name, limit=20):
        self.await_events(lambda: self.counts[name] or self.counts["eof"],
                          limit)
        return (self.find(name) or [None])[0]

    def await_port(self):
        """None if it ends instead of listening."""
        listening = self.await_event("listening")
        self.port = listening["port"] if listening else None

    # ---- its end ----

    def signal(self, number):
        self.killed_by = number
        if self.code is None:
            os.kill(self.pid, number)

    def poll(self):
        """The exit status, or None while it runs."""
        if self.code is not None:
            return self.code
        self.sample()
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        code = os.waitstatus_to_exitcode(status)
        self.code = code if code >= 0 else 128 - code
        self.proc.returncode = code
        if self.proc.stdout:
            self.reader.join(scaled(10))
            self.close_if_at_end()
        return self.code

    def ended_within(self, limit):
        end = time.monotonic() + scaled(limit)
        pause = 0.002
        while self.poll() is None:
            if time.monotonic() > end:
                return False
            # the end of its output is mostly that of the process as well
            if self.reader.is_alive():
                self.reader.join(pause)
            else:
                time.sleep(pause)
            pause = min(pause * 1.3, 0.05)
        return True

    def wait(self, limit=RUN_LIMIT):
        """The exit status; a process that does not end has hung."""
        if not self.ended_within(limit):
            self.end()
            raise Failure(HUNG, f"{self.name} did not end within "
                          f"{scaled(limit):g} s")
        return self.code

    def end(self):
        """Kill it and what it started, if it still runs."""
        if self.code is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except OSError:
                pass
            self.ended_within(10)
        if self.proc.stdout:
            self.reader.join(scaled(5))
            self.close_if_at_end()

    # ---- what it uses ----

    def sample(self):
        try:
            fds = len(os.listdir(f"/proc/{self.pid}/fd"))
            threads = len(os.listdir(f"/proc/{self.pid}/task"))
            peak = self.memory("VmHWM")
        except OSError:
            return
        self.rss_kib = peak >> 10 or self.rss_kib
        self.max_fds = max(self.max_fds, fds)
        self.max_threads = max(self.max_threads, threads)

    def memory(self, name):
        """A size of /proc/PID/status, in bytes; 0: the process has none."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            found = re.search(rf"{name}:\s*(\d+)", file.read())
        return int(found[1]) << 10 if found else 0

    def cpu(self):
        """Seconds of processor time until now."""
        with open(f"/proc/{self.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Lab:
    """A directory of its own for some processes: a destination, and a tree
    outside of it that nobody may touch."""

    LINKED = ()  # see snapshot()

    def __init__(self, program, parent=None, key=None):
        self.program = program
        self.work = tempfile.mkdtemp(prefix="case.", dir=parent)
        self.dst = os.path.join(self.work, "dst")
        self.outside = os.path.join(self.work, "outside")
        self.key = key       # path of a key file, for mode tls
        self.secret = None   # what no output may hold
        self.processes = []
        self.proxies = []
        self.undo = []       # functions, last one first
        os.mkdir(self.dst)
        self.plant()
        self.sentinel = self.look_outside()

    def plant(self):
        """Make the tree outside; with a new one a subclass does the same."""
        os.makedirs(os.path.join(self.outside, "d"))
        for name, mode in ("a", 0o644), ("d/b", 0o600), ("c", 0o444):
            path = os.path.join(self.outside, name)
            with open(path, "w", encoding="ascii") as file:
                file.write("sentinel " + name)
            os.chmod(path, mode)
            os.utime(path, ns=(10**18, 10**18 + 7))

    def look_outside(self):
        return snapshot(self.outside, self.LINKED)

    # ---- processes ----

    def security(self, mode):
        return ["--key", self.key] if mode == "tls" else ["--plain"]

    def receive(self, *options, mode="plain", wrap=(), once=True, port=0,
                dst=None, name="receiver", await_it=True, **more):
        argv = [*wrap, *self.program.argv("receive", "--json"),
                *self.security(mode), "-p", str(port), "-b", "127.0.0.1",
                *(["--once"] if once else []), *options, dst or self.dst]
        ferry = Ferry(self, name, argv, **more)
        if await_it:
            ferry.await_port()
        return ferry

    def receive_at_free_port(self, *options, **more):
        """At a port that the next receiver can have again.  Another program
        may take it before this one does."""
        for _ in range(3):
            receiver = self.receive(*options, port=free_port(), **more)
            if receiver.port:
                return receiver
            receiver.wait(5)
        raise Failure("port", "the receiver does not listen: "
                      f"{receiver.messages()[-300:]!r}")

    def send(self, *options, port, mode="plain", wrap=(), name="sender",
             host="127.0.0.1", **more):
        argv = [*wrap, *self.program.argv("send", "--json"),
                *self.security(mode), *options, f"{host}:{port}"]
        return Ferry(self, name, argv, **more)

    def proxy(self, port, *rules, **options):
        proxy = Proxy(port, rules, **options).start()
        self.proxies.append(proxy)
        return proxy

    # ---- what must hold ----

    def check_outside(self):
        need(self.look_outside() == self.sentinel,
             "the tree outside was changed", WRONG)

    def check_process(self, ferry):
        """After its end: exit status, output, sanitizers."""
        code = ferry.code
        output = bytes(ferry.output) + ferry.messages()
        report = SANITIZER.search(output)
        if report or code == 99:
            begin = max(0, report.start() - 200) if report else -2000
            raise Failure("sanitizer", f"{ferry.name}: "
                          + output[begin:][:3000].decode(errors="replace"))
        need(code in STATUSES or
             ferry.killed_by and code == 128 + ferry.killed_by,
             f"{ferry.name} exits {code}: {output[-300:]}", "status")
        need(code != 2, f"{ferry.name}: usage: {output[-300:]}", "status")
        check_text(output, ferry.name)
        need(not self.secret or self.secret not in output,
             f"{ferry.name} prints the key", "output")
        need(not ferry.counts["unreadable"],
             f"no JSON: {ferry.find('unreadable')[:1]}", "output")

    # ---- the end ----

    def end_all(self):
        for process in self.processes:
            process.end()

    def release(self):
        self.end_all()
        for proxy in self.proxies:
            proxy.stop()
        for undo in reversed(self.undo):
            undo()
        subprocess.run(["chmod", "-R", "u+rwX", self.work], check=False,
                       stderr=subprocess.DEVNULL)
        shutil.rmtree(self.work, ignore_errors=True)
