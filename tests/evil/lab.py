"""What the cases of the evil peer share: a place with a tree that nobody may
touch, the program under test, and what must hold after every case."""
import hashlib
import json
import os
import random
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unicodedata

from peer import Closed, Receiver, Sender

FERRY = os.environ.get("FERRY", "build/release/ferry")
SANITIZED = any(name in FERRY for name in ("address", "undefined", "thread"))
WRAP = shlex.split(os.environ.get("FERRY_WRAP", ""))
CASE_SECONDS = 20
RSS_MAX = 320 << 20 if not SANITIZED else 4 << 30
# What is allocated by a length that a peer gave, if only for a moment: stacks
# and the heaps of a few threads take a quarter of this.
VM_MAX = 2 << 30
STATUS = range(12)  # documented in ferry(1)
# Of all chances, and whether there is time for all that a group can do.
SEED = int(os.environ.get("EVIL_SEED") or random.SystemRandom().randrange(
    1 << 31))
LONG = bool(os.environ.get("EVIL_LONG"))


class Failed(Exception):
    """A case that did not end as it should."""


def need(condition, text):
    if not condition:
        raise Failed(text)


def snapshot(top):
    """Everything about a tree but access times."""
    out = {}
    for path, dirs, files in os.walk(os.fsencode(top)):
        for name in [b"."] + dirs + files:
            p = os.path.join(path, name)
            st = os.lstat(p)
            content = None
            if stat.S_ISREG(st.st_mode):
                with open(p, "rb") as f:
                    content = hashlib.sha256(f.read()).hexdigest()
            elif stat.S_ISLNK(st.st_mode):
                content = os.readlink(p)
            # the link count of hard.txt may fall, and its ctime with it
            out[p] = (st.st_ino, st.st_mode, st.st_uid, st.st_gid, st.st_size,
                      st.st_mtime_ns, content,
                      p.endswith(b"hard.txt") or st.st_ctime_ns)
    return out


def contents(top):
    """name -> bytes, "dir", ("link", target), "other"; not our parts."""
    out = {}
    top = os.fsencode(top)
    for path, dirs, files in os.walk(top):
        for name in dirs + files:
            p = os.path.join(path, name)
            mode = os.lstat(p).st_mode
            rel = os.path.relpath(p, top)
            if name.startswith(b".ferry-"):
                continue
            if stat.S_ISREG(mode):
                with open(p, "rb") as f:
                    out[rel] = f.read()
            elif stat.S_ISDIR(mode):
                out[rel] = "dir"
            elif stat.S_ISLNK(mode):
                out[rel] = ("link", os.readlink(p))
            else:
                out[rel] = "other"
    return out


def check_text(data, where):
    """No byte that a terminal obeys, and nothing that is not UTF-8."""
    text = data.decode()  # strict: raises
    for c in text:
        need(c == "\n" or unicodedata.category(c) not in ("Cc", "Cf"),
             f"{where} holds {c!r}")


class Cases:
    """Runs cases and counts them."""

    def __init__(self):
        self.count = 0
        self.failures = 0

    def run(self, title, case, *checks, seconds=CASE_SECONDS):
        self.count += 1
        began = time.monotonic()
        why = None
        try:
            case()
            for check in checks:
                check()
        except Failed as e:
            why = str(e)
        except Closed as e:
            why = f"closed: {e}"
        except socket.timeout:
            why = "no answer in time"
        except Exception as e:  # a case must not take the others with it
            why = f"{type(e).__name__}: {e}"
        took = time.monotonic() - began
        if why is None and took > seconds * (5 if SANITIZED else 1):
            why = f"took {took:.1f} s"
        if why is None:
            print(f"ok {title}" + (f" ({took:.1f} s)" if took > 1 else ""))
        else:
            self.failures += 1
            print(f"FAIL {title}: {why}")
        sys.stdout.flush()


class Lab:
    """A standing receiver in a directory, with a tree outside of it."""

    security = ["--plain"]

    def __init__(self, cases, *options):
        self.cases = cases
        self.work = tempfile.mkdtemp()
        self.dst = os.path.join(self.work, "dst")
        self.out = os.path.join(self.work, "outside")
        self.plant()
        self.before = snapshot(self.out)
        self.planted = contents(self.dst)
        self.dst_mode = os.stat(self.dst).st_mode
        # read through descriptors that are not those written through
        events = open(os.path.join(self.work, "events"), "ab")
        messages = open(os.path.join(self.work, "messages"), "ab")
        self.events = open(events.name, "rb")
        self.messages = open(messages.name, "rb")
        self.process = subprocess.Popen(
            WRAP + [FERRY, "receive", *self.security, "-p", "0", "--json",
                    "-v", *options, self.dst],
            env={**os.environ, "MALLOC_ARENA_MAX": "4"},
            stdin=subprocess.DEVNULL, stdout=events, stderr=messages)
        events.close()
        messages.close()
        self.port = self.await_port()

    def plant(self):
        """Ways out, at names that a sender may use."""
        os.mkdir(self.dst)
        os.makedirs(os.path.join(self.out, "sub"))
        for name in ("secret.txt", "hard.txt", "sub/deep.txt"):
            path = os.path.join(self.out, name)
            with open(path, "w") as f:
                f.write(f"the content of {name}\n")
            os.chmod(path, 0o640)
        at = lambda name: os.path.join(self.dst, name)
        os.symlink("../outside", at("way"))
        os.symlink("../outside/secret.txt", at("link"))
        os.symlink("../outside/new.txt", at("dangling"))
        os.link(os.path.join(self.out, "hard.txt"), at("hard"))
        os.mkfifo(at("fifo"))
        s = socket.socket(socket.AF_UNIX)
        s.bind(at("socket"))
        s.close()
        os.mkdir(at("dir"))

    def await_port(self):
        for _ in range(600):
            self.events.seek(0)
            line = self.events.readline()
            if line.endswith(b"\n"):
                return json.loads(line)["port"]
            time.sleep(0.05)
        raise SystemExit("the receiver does not listen")

    def sender(self, **values):
        return Sender(self.port, CASE_SECONDS * (5 if SANITIZED else 1),
                      **values)

    def settle(self):
        """Until every session that began is over: its event says so."""
        end = time.monotonic() + CASE_SECONDS * (5 if SANITIZED else 1)
        while True:
            self.events.seek(0)
            data = self.events.read()
            if (data.count(b'{"event":"session"') ==
                    data.count(b'{"event":"summary"')):
                return
            need(time.monotonic() < end, "a session does not end")
            time.sleep(0.002)

    # ---- the oracle ----

    def check(self, allowed, planted_may_change=False):
        """Nothing outside changed; under final names only what is allowed,
        each name with the contents it may have; all else is cleared away."""
        need(self.process.poll() is None,
             f"the receiver ended: {self.process.returncode}")
        self.settle()
        need(snapshot(self.out) == self.before, "something outside changed")
        need(os.stat(self.dst).st_mode == self.dst_mode, "the mode of DIR")
        found = contents(self.dst)
        for name, what in found.items():
            ok = allowed.get(name, ())
            known = self.planted.get(name)
            if name in self.planted and what == known:
                continue
            if what == "dir" and name in {
                    b"/".join(n.split(b"/")[:i]) for n in allowed
                    for i in range(1, n.count(b"/") + 1)}:
                continue
            short = what if len(what) < 80 else what[:40]
            need(what in ok, f"{name!r} is there, with {short!r}")
        if not planted_may_change:
            missing = set(self.planted) - set(found)
            need(not missing, f"{missing} are gone")
        need(self.rss() < RSS_MAX, f"{self.rss() >> 20} MiB of memory")
        need(SANITIZED or WRAP or self.peak("VmPeak") < VM_MAX,
             f"{self.peak('VmPeak') >> 20} MiB of addresses")

    def reset(self):
        """As it was before the case."""
        for name in os.listdir(os.fsencode(self.dst)):
            path = os.path.join(os.fsencode(self.dst), name)
            if name in self.planted and name != b"dir":
                continue
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        os.mkdir(os.path.join(self.dst, "dir"))

    def case(self, title, case, allowed=None, after=None):
        def check():
            if after:
                after()
            self.check(allowed or {})
        self.cases.run(title, case, check)
        self.reset()

    def rss(self):
        return self.peak("VmHWM")

    def peak(self, name):
        with open(f"/proc/{self.process.pid}/status") as f:
            for line in f:
                if line.startswith(name + ":"):
                    return int(line.split()[1]) << 10
        return 0

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def refused(self, s, code=2):
        """The session ends with this ERROR, and nothing was committed."""
        replies = s.rest()
        s.close()
        last = replies[-1] if replies else {}
        need(last.get("message") == "ERROR",
             f"no ERROR: {[m['message'] for m in replies][-4:]}")
        need(last["code"] == code, f"ERROR {last['code']}, not {code}")
        need(last["text_len"] <= 512, "a long text")
        good = [m for m in replies if m["message"] == "VERDICT" and
                m["status"] in (1, 2)]
        need(not good, f"a verdict: {good}")
        return replies

    # ---- the end ----

    def honest(self):
        """A good sender is served after all of that."""
        src = os.path.join(self.work, "good")
        os.mkdir(src)
        with open(os.path.join(src, "large"), "wb") as f:
            f.write(os.urandom(10 << 20))
        for i in range(20):
            with open(os.path.join(src, f"small{i}"), "w") as f:
                f.write(f"small {i}\n")
        run = subprocess.run(
            WRAP + [FERRY, "send", *self.security, "-q", "-j", "4", src,
                    f"127.0.0.1:{self.port}"], timeout=120,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        need(run.returncode == 0, f"a good sender: {run.returncode}")
        self.good = contents(src)
        got = contents(os.path.join(self.dst, "good"))
        need(got == self.good, "a good sender's files differ")

    def close(self):
        self.cases.run("a good sender is served after that", self.honest)
        self.cases.run("the receiver ends and its messages are clean",
                       self.stop)
        if os.environ.get("EVIL_KEEP"):
            print(self.work)
        else:
            shutil.rmtree(self.work)

    def stop(self):
        need(self.process.poll() is None, "it ended before")
        self.process.terminate()
        status = self.process.wait(60)
        need(status == 143, f"exit status {status}")
        for f in (self.events, self.messages):
            f.seek(0)
            data = f.read()
            f.close()
            check_text(data, f.name)
        need(snapshot(self.out) == self.before, "something outside changed")
        with open(os.path.join(self.work, "events"), "rb") as f:
            for line in f:
                json.loads(line)


class Victim:
    """`ferry send` against a receiver that lies."""

    def __init__(self, cases):
        self.cases = cases
        self.work = tempfile.mkdtemp()
        self.src = os.path.join(self.work, "t")
        os.makedirs(os.path.join(self.src, "sub"))
        for i in range(5):
            with open(os.path.join(self.src, f"small{i}"), "w") as f:
                f.write(f"small {i}\n")
        with open(os.path.join(self.src, "medium"), "wb") as f:
            f.write(os.urandom(3 << 20))
        with open(os.path.join(self.src, "large"), "wb") as f:
            f.write(os.urandom(10 << 20))
        os.symlink("small1", os.path.join(self.src, "link"))
        self.links = os.path.join(self.src, "links")
        os.makedirs(self.links)
        os.symlink("two", os.path.join(self.links, "one"))
        self.before = snapshot(self.src)

    def send(self, receiver, options=(), paths=None, stdin=None, stop=None):
        """Returns the exit status; what was printed has been looked at.
        When stop (an Event) is set, the sender is interrupted."""
        seconds = CASE_SECONDS * (5 if SANITIZED else 1)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                WRAP + [FERRY, "send", "--plain", "--json", "--checksum",
                        "sha256", "-j", "1", "--timeout", "4", *options,
                        *(paths or [self.src]),
                        f"127.0.0.1:{receiver.port}"],
                stdin=subprocess.PIPE if stdin is not None else
                subprocess.DEVNULL, stdout=out, stderr=err)
            try:
                if stop:
                    need(stop.wait(seconds), "nothing to interrupt")
                    process.send_signal(signal.SIGINT)
                process.communicate(stdin, timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise Failed(f"still runs after {seconds} s") from None
            finally:
                receiver.close()
            self.texts = []
            for f in (out, err):
                f.seek(0)
                self.texts.append(f.read())
        for text, where in zip(self.texts, ("events", "messages")):
            check_text(text, where)
        for line in self.texts[0].splitlines():
            event = json.loads(line)
        need(event["event"] == "summary", "no summary")
        need(event["exit"] == process.returncode, "the event's exit")
        need(process.returncode in STATUS or
             (stop and process.returncode == 130),
             f"exit status {process.returncode}: {self.texts[1][-300:]}")
        need(not receiver.errors, f"a bad frame: {receiver.errors}")
        need(snapshot(self.src) == self.before, "the source changed")
        return process.returncode

    def case(self, title, lies=None, bad=True, **options):
        """bad: the sender must not exit with 0; None: either is right."""
        ready = options.pop("ready", None)

        def run():
            receiver = Receiver(lies, ready=ready)
            status = self.send(receiver, **options)
            told = not lies or set(lies) & set(receiver.seen)
            # a sender who has its verdicts soon enough sends no FLUSH
            need(told or "FLUSH" in lies, "the lie was not told")
            if bad is not None:
                need((status != 0) == bool(bad and told),
                     f"exit status {status}: {self.texts[1][-300:]}")
        self.cases.run(title, run)

    def close(self):
        def honest():
            need(self.send(Receiver()) == 0, f"status: {self.texts}")
        self.cases.run("an honest receiver is believed after that", honest)
        shutil.rmtree(self.work)
