"""lab.py - what the suites of the fault bench share: a case's own directory,
ferry processes under watch, and the oracle.

The oracle is asserted after every run (attacks-and-faults.md, section 4):
O1 a sentinel tree beside the destination is as it was; O2 every final name
holds the whole old or the whole new content; O3 the exit status is a
documented one, and 0 or "committed" only for what is there; O4 leftovers have
only the documented names, and the next run succeeds and clears them away;
O5 time, memory, descriptors and threads are bounded; O6 no secret and no raw
control byte in any output; O7 no sanitizer speaks.
"""
import hashlib
import json
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time

from chaosproxy import Proxy

PART = re.compile(rb"\.ferry-[0-9a-f]{16}\.(part|journal|new)$")
CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
SANITIZER = re.compile(rb"Sanitizer|runtime error:|Assertion .* failed")
RSS_MAX_KIB = 64 * 1024
FD_MAX = 8192        # unnamed small files wait for their group's flush
THREAD_MAX = 64
RUN_LIMIT = 90       # seconds for a run that no fault makes wait
LOST, WRONG, HUNG = "lost", "wrong", "hung"


class Failure(Exception):
    """What the oracle found: kind is lost, wrong, hung or another word."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


class Missed(Failure):
    """The fault did not happen: the case is run again, a few times."""

    def __init__(self, text):
        super().__init__("bench", text)


class Skip(Exception):
    """This case cannot be run here, and why."""


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest() \
            if hasattr(hashlib, "file_digest") else _digest(file)


def _digest(file):
    summer = hashlib.sha256()
    while block := file.read(1 << 20):
        summer.update(block)
    return summer.digest()


def picture(root):
    """{relative path (bytes): what is there}; nothing is followed."""
    seen = {}
    root = os.fsencode(root)
    for here, dirs, files in os.walk(root):
        for name in dirs + files:
            path = os.path.join(here, name)
            st = os.lstat(path)
            rel = os.path.relpath(path, root)
            if stat.S_ISLNK(st.st_mode):
                seen[rel] = ("link", os.readlink(path))
            elif stat.S_ISDIR(st.st_mode):
                seen[rel] = ("dir", st.st_mode & 0o777, st.st_mtime_ns)
            elif stat.S_ISREG(st.st_mode):
                seen[rel] = ("file", st.st_size, digest(path),
                             st.st_mode & 0o777, st.st_mtime_ns)
            else:
                seen[rel] = ("other", st.st_mode)
    return seen


def is_content(a, b):
    """The same content, whatever mode and time."""
    return bool(a) and bool(b) and a[0] == b[0] and \
        (a[0] == "dir" or a[1:3] == b[1:3])


class Ferry:
    """One process of ferry, its events as they come, and what it used."""

    def __init__(self, lab, name, argv, env=None, cwd=None, stdin=None,
                 **more):
        self.lab, self.name, self.argv = lab, name, argv
        self.code = None
        self.events = []
        self.on_event = None
        self.output = b""
        self.news = threading.Condition()
        self.message_path = os.path.join(lab.work, f"{name}.messages")
        self.max_fds = self.max_threads = self.rss_kib = 0
        self.killed_by = self.port = None
        self.started = time.monotonic()
        with open(self.message_path, "wb") as messages:
            self.proc = subprocess.Popen(
                argv, stdin=stdin or subprocess.DEVNULL,
                stdout=more.pop("stdout", subprocess.PIPE),
                stderr=more.pop("stderr", messages),
                env={**os.environ, **(env or {})}, cwd=cwd or lab.work,
                start_new_session=True, **more)
        lab.processes.append(self)
        self.reader = threading.Thread(target=self.read, daemon=True)
        if self.proc.stdout:
            self.reader.start()

    @property
    def pid(self):
        return self.proc.pid

    def read(self):
        for line in self.proc.stdout:
            self.output += line
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": "unreadable", "line": line}
            with self.news:
                self.events.append(event)
                self.news.notify_all()
            if self.on_event:
                self.on_event(event)
        with self.news:
            self.events.append({"event": "eof"})
            self.news.notify_all()

    def find(self, name, **wanted):
        return [e for e in self.events if e["event"] == name and
                all(e.get(k) == v for k, v in wanted.items())]

    def await_event(self, name, limit=20):
        with self.news:
            self.news.wait_for(lambda: self.find(name) or self.find("eof"),
                               limit)
        return (self.find(name) or [None])[0]

    def await_port(self):
        """None if it ends instead of listening."""
        listening = self.await_event("listening")
        self.port = listening["port"] if listening else None

    def signal(self, number):
        self.killed_by = number
        if self.code is None:
            os.kill(self.pid, number)

    def poll(self):
        """Take a look; the exit status, or None while it runs."""
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
            self.reader.join(10)
        return self.code

    def sample(self):
        try:
            fds = len(os.listdir(f"/proc/{self.pid}/fd"))
            threads = len(os.listdir(f"/proc/{self.pid}/task"))
            with open(f"/proc/{self.pid}/status") as file:
                peak = re.search(r"VmHWM:\s*(\d+)", file.read())
        except OSError:
            return
        self.rss_kib = int(peak.group(1)) if peak else self.rss_kib
        self.max_fds = max(self.max_fds, fds)
        self.max_threads = max(self.max_threads, threads)

    def ended_within(self, limit):
        end = time.monotonic() + limit
        pause = 0.002
        while self.poll() is None:
            if time.monotonic() > end:
                return False
            time.sleep(pause)
            pause = min(pause * 1.3, 0.05)
        return True

    def wait(self, limit=RUN_LIMIT):
        """The exit status; a process that does not end has hung."""
        if not self.ended_within(limit):
            self.end()
            raise Failure(HUNG, f"{self.name} did not end within {limit:g} s")
        return self.code

    def end(self):
        """Whatever is left of it."""
        if self.code is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except OSError:
                pass
            self.ended_within(10)
        if self.proc.stdout:
            self.reader.join(5)
            self.proc.stdout.close()

    def messages(self):
        with open(self.message_path, "rb") as file:
            return file.read()


class Bench:
    """What all cases of a run share; read only, but for the counts."""

    def __init__(self, options, build):
        self.options = options
        self.ferry = os.path.abspath(options.ferry)
        self.faultio = os.path.join(build, "faultio.so")
        self.work = tempfile.mkdtemp(prefix="ferry-torture.", dir=options.dir)
        self.key = os.path.join(self.work, "key")
        subprocess.run([self.ferry, "keygen", self.key], check=True,
                       stderr=subprocess.DEVNULL)
        with open(self.key, "rb") as file:
            self.secret = file.read().split(b":")[-1].strip()
        helps = subprocess.run([self.ferry, "help", "send"], check=True,
                               capture_output=True).stdout
        with open(self.ferry, "rb") as file:
            program = file.read()
        self.is_sanitized = b"__asan_init" in program or \
            b"__tsan_init" in program
        self.has_retry = b"--retry" in helps
        self.has_resume = self.has_retry
        self.lock = threading.Lock()
        self.counts = {"faults": 0, "kept": 0, "too early": 0}
        self.figures = {}
        self.labs = set()    # of the cases that run
        self.shared = {}     # sources that several cases only read

    def share(self, name, make):
        """make(a Lab) once; what it returned, for all cases.  Its files are
        there until the end."""
        with self.lock:
            if name not in self.shared:
                lab = Lab(self, name, random.Random(
                    f"{self.options.seed} {name}"))
                self.shared[name] = make(lab)
            return self.shared[name]

    def add(self, what, n=1):
        with self.lock:
            self.counts[what] += n

    def figure(self, name, value):
        """Keep the largest of each name, to be printed at the end."""
        with self.lock:
            self.figures[name] = max(value, self.figures.get(name, value))

    def release(self):
        shutil.rmtree(self.work, ignore_errors=True)


class Lab:
    """The place of one case."""

    def __init__(self, bench, name, rng):
        self.bench, self.name, self.rng = bench, name, rng
        self.options = bench.options
        self.work = tempfile.mkdtemp(prefix="case.", dir=bench.work)
        self.src = os.path.join(self.work, "src")
        self.dst = os.path.join(self.work, "dst")
        for path in self.src, self.dst:
            os.mkdir(path)
        self.processes = []
        self.proxies = []
        self.undo = []       # functions, last one first
        self.detail = ""
        self.fd_max = FD_MAX
        self.old = {}
        self.was_killed = False  # a receiver, by SIGKILL: it cannot clear up
        self.outside = os.path.join(self.work, "outside")
        self.make_sentinel()

    # ---- sources ----

    def make_sentinel(self):
        os.makedirs(os.path.join(self.outside, "d"))
        for name, mode in ("a", 0o644), ("d/b", 0o600), ("c", 0o444):
            path = os.path.join(self.outside, name)
            with open(path, "w") as file:
                file.write("sentinel " + name)
            os.chmod(path, mode)
            os.utime(path, ns=(10**18, 10**18 + 7))
        self.sentinel = self.look_outside()

    def look_outside(self):
        return picture(self.outside), sorted(
            os.lstat(os.path.join(here, name)).st_ino
            for here, _, names in os.walk(self.outside) for name in names)

    def write(self, rel, size=None, data=None, root=None):
        path = os.path.join(root or self.src, rel)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            if data is not None:
                file.write(data)
            while data is None and size > 0:
                block = self.rng.randbytes(min(size, 1 << 20))
                file.write(block)
                size -= len(block)
        return path

    def small_tree(self):
        """A few files of each kind, one in chunks; it is sent as "t"."""
        self.write("t/one", data=b"x")
        self.write("t/zero", data=b"")
        self.write("t/sub/two", 5000)
        self.write(b"t/sub/\x1b[31m\x9b\n".decode("utf-8", "surrogateescape"),
                   700)
        self.write("t/sub/big", (3 << 20) + 17)
        os.mkdir(os.path.join(self.src, "t/empty"))
        os.symlink("sub/two", os.path.join(self.src, "t/link"))
        os.chmod(os.path.join(self.src, "t/one"), 0o750)
        return os.path.join(self.src, "t")

    def plant_old(self, names=("t/one", "t/sub/big")):
        """Older content under some of the names; --existing replace."""
        for name in names:
            self.write(name, data=b"old " + name.encode(), root=self.dst)
        self.old = picture(self.dst)

    def big_file(self, size):
        return self.write("big", size)

    def many_files(self, count):
        for i in range(count):
            self.write(f"t/d{i % 50}/f{i}", self.rng.randrange(0, 4000))
        return os.path.join(self.src, "t")

    # ---- processes ----

    def fault(self, n=1):
        self.bench.add("faults", n)

    def security(self, mode):
        return ["--key", self.bench.key] if mode == "tls" else ["--plain"]

    def receive(self, *options, mode="plain", wrap=(), once=True, port=0,
                dst=None, name="receiver", await_it=True, **more):
        argv = [*wrap, self.bench.ferry, "receive", "--json",
                *self.security(mode), "-p", str(port), "-b", "127.0.0.1",
                *(["--once"] if once else []), *options, dst or self.dst]
        ferry = Ferry(self, name, argv, **more)
        if await_it:
            ferry.await_port()
        return ferry

    def send(self, *options, port, mode="plain", wrap=(), name="sender",
             host="127.0.0.1", **more):
        argv = [*wrap, self.bench.ferry, "send", "--json",
                *self.security(mode), *options, f"{host}:{port}"]
        return Ferry(self, name, argv, **more)

    def finish(self, sender, receiver, limit=RUN_LIMIT):
        """Wait for both.  A receiver that had no session is waiting for one,
        and is ended by a signal."""
        sender.wait(limit)
        if not receiver.ended_within(0.3) and not receiver.find("session"):
            receiver.signal(signal.SIGTERM)
        receiver.wait(limit)

    def proxy(self, port, *rules, **options):
        proxy = Proxy(port, rules, **options).start()
        self.proxies.append(proxy)
        return proxy

    def shim(self, what, count="faultio"):
        """The environment of a process with faultio.so."""
        asan = os.environ.get("ASAN_OPTIONS", "")
        return {"LD_PRELOAD": self.bench.faultio, "FAULTIO": what,
                "FAULTIO_COUNT": os.path.join(self.work, count),
                "ASAN_OPTIONS": f"{asan}:verify_asan_link_order=0"}

    def count_shim(self, count="faultio"):
        try:
            with open(os.path.join(self.work, count)) as file:
                n = int(file.read() or "0")
        except OSError:
            return 0
        self.fault(n)
        return n

    # ---- the oracle ----

    def expected(self, *paths):
        """What these paths become below dst."""
        all_of_it = {}
        for path in paths:
            base = os.fsencode(os.path.basename(path))
            st = os.lstat(path)
            if stat.S_ISDIR(st.st_mode):
                all_of_it[base] = ("dir", st.st_mode & 0o777, st.st_mtime_ns)
                for rel, what in picture(path).items():
                    all_of_it[base + b"/" + rel] = what
            else:
                all_of_it[base] = ("file", st.st_size, digest(path),
                                   st.st_mode & 0o777, st.st_mtime_ns)
        return all_of_it

    def check(self, new, *processes, dst=None, must=(), may_fail=()):
        """O1 to O7 after a run with a fault.  new: what was sent; must: exit
        statuses that the sender may have; may_fail: paths whose content is
        not to be compared (their source was changed)."""
        there = picture(dst or self.dst)
        self.check_names(new, there, may_fail)
        for ferry in processes:
            self.check_process(ferry)
            self.check_claims(ferry, new, there, may_fail)
        sender = next((p for p in processes if p.name.startswith("sender")),
                      None)
        if must and sender and sender.code not in must:
            raise Failure("status", f"sender exits {sender.code}, expected "
                          f"{sorted(must)}: {sender.messages()[-300:]}")
        if self.look_outside() != self.sentinel:
            raise Failure(WRONG, "the tree outside was changed")

    def check_names(self, new, there, may_fail):
        for path, what in there.items():
            if PART.search(path):
                if what[0] not in ("file", "link"):
                    raise Failure("litter", f"{path} is a {what[0]}")
            elif path in may_fail:
                continue
            elif not is_content(what, new.get(path)) and \
                    not is_content(what, self.old.get(path)):
                raise Failure(WRONG, f"{path} is neither old nor new: "
                              f"{what[:2]}")
        for path in self.old:
            if path not in there:
                raise Failure(LOST, f"{path} was there and is gone")

    def check_process(self, ferry):
        code = ferry.code
        documented = set(range(12))
        if ferry.killed_by:
            documented.add(128 + ferry.killed_by)
        output = ferry.output + ferry.messages()
        report = SANITIZER.search(output)
        if report or code == 99:
            begin = max(0, report.start() - 200) if report else -2000
            raise Failure("sanitizer", f"{ferry.name}: "
                          + output[begin:][:3000].decode(errors="replace"))
        if code not in documented:
            raise Failure("status", f"{ferry.name} exits {code}: "
                          f"{output[-300:]}")
        if code == 2:
            raise Failure("status", f"{ferry.name}: usage: {output[-300:]}")
        found = CONTROL.search(output)
        if found:
            raise Failure("output", f"{ferry.name} prints {found.group()!r}: "
                          f"{output[max(0, found.start() - 80):][:200]}")
        if self.bench.secret in output:
            raise Failure("output", f"{ferry.name} prints the key")
        if ferry.find("unreadable"):
            raise Failure("output", f"no JSON: {ferry.find('unreadable')[0]}")
        for what, used, most in (("KiB of memory", ferry.rss_kib, RSS_MAX_KIB),
                                 ("descriptors", ferry.max_fds, self.fd_max),
                                 ("threads", ferry.max_threads, THREAD_MAX)):
            self.bench.figure(f"most {what}", used)
            if used > most and not (self.bench.is_sanitized and
                                    what == "KiB of memory"):
                raise Failure("bound", f"{ferry.name}: {used} {what}")

    def check_claims(self, ferry, new, there, may_fail=()):
        """What a side said is committed has to be there, whole."""
        claims = ferry.find("file", status="committed") + \
            ferry.find("file", status="unchanged")
        for event in claims:
            if "path_base64" in event:
                import base64
                path = base64.b64decode(event["path_base64"])
            else:
                path = event["path"].encode()
            if path not in may_fail and \
                    not is_content(there.get(path), new.get(path)):
                raise Failure(LOST, f"{ferry.name} said "
                              f"{event['status']}: {path}, which is "
                              f"{there.get(path, ('absent',))[:2]}")
        # A receiver answers for what it was told of, the sender for all.
        if ferry.code == 0 and ferry.name.startswith("sender"):
            missing = [p for p, what in new.items()
                       if p not in may_fail and
                       not is_content(there.get(p), what)]
            if missing:
                raise Failure(LOST, f"{ferry.name} exits 0 without "
                              f"{missing[:3]}")

    def check_identical(self, new, dst=None):
        """Everything is there with mode and time, and nothing besides."""
        there = picture(dst or self.dst)
        parts = [p for p in there if PART.search(p)]
        for path, what in new.items():
            if there.get(path) != what:
                raise Failure(WRONG, f"{path}: {there.get(path)} is not "
                              f"{what}")
        odd = [p for p in there if p not in new and p not in parts and
               p not in self.old]
        if odd:
            raise Failure("litter", f"nobody sent {odd[:3]}")
        if parts and (self.bench.has_resume or not self.was_killed):
            raise Failure("litter", f"left behind: {parts[:3]}")
        self.bench.add("kept", len(parts))

    def complete(self, paths, *options, mode="plain", dst=None, port=0,
                 receive=(), limit=RUN_LIMIT, proxied=False, **more):
        """The next run, without a fault, has to succeed and to clear away."""
        receiver = self.receive(*receive, mode=mode, dst=dst, port=port,
                                name="receiver2", **more)
        if not receiver.port:
            receiver.wait(5)
            raise Failure("port", "the second receiver does not listen: "
                          f"{receiver.messages()[-300:]}")
        proxy = self.proxy(receiver.port) if proxied else None
        sender = self.send(*options, *paths, mode=mode, name="sender2",
                           port=proxy.port if proxy else receiver.port)
        sender.wait(limit)
        receiver.wait(limit)
        new = self.expected(*paths)
        self.check(new, sender, receiver, dst=dst)
        if sender.code != 0 or receiver.code != 0:
            raise Failure("rerun", f"the next run exits {sender.code} and "
                          f"{receiver.code}: {sender.messages()[-300:]}"
                          f"{receiver.messages()[-300:]}")
        self.check_identical(new, dst=dst)
        return sender, receiver, proxy

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
