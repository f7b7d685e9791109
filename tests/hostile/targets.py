"""The targets of hostile peers: a running receiver, with a tree outside of its
directory that must not change, or a sender; and what must hold after every
case."""
import os
import random
import signal
import socket
import sys
import time

from lib.lab import Failure, Lab, Program, need
from lib.limits import scaled
from lib.peer import Closed, Receiver, Sender
from lib.tree import clear, contents, snapshot

PROGRAM = Program()
SANITIZED = PROGRAM.is_sanitized
CASE_SECONDS = 20
LIMIT = CASE_SECONDS * (5 if SANITIZED else 1)
RSS_MAX = 320 << 20 if not SANITIZED else 4 << 30
# What is allocated by a length that a peer gave, if only for a moment: stacks
# and the heaps of a few threads take a quarter of this.
VM_MAX = 2 << 30
# Of all chances, and whether there is time for all that a group can do.
SEED = int(os.environ.get("HOSTILE_SEED") or random.SystemRandom().randrange(
    1 << 31))
LONG = bool(os.environ.get("HOSTILE_LONG"))


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
        except Failure as e:
            why = str(e)
        except Closed as e:
            why = f"closed: {e}"
        except socket.timeout:
            why = "no answer in time"
        # a case must not take the others with it
        except Exception as e:  # pylint: disable=broad-exception-caught
            why = f"{type(e).__name__}: {e}"
        took = time.monotonic() - began
        if why is None and took > scaled(seconds * (LIMIT // CASE_SECONDS)):
            why = f"took {took:.1f} s"
        if why is None:
            print(f"ok {title}" + (f" ({took:.1f} s)" if took > 1 else ""))
        else:
            self.failures += 1
            print(f"FAIL {title}: {why}")
        sys.stdout.flush()


class ReceiverLab(Lab):
    """A standing receiver in a directory, with a tree outside of it."""

    LINKED = (b"hard.txt",)
    mode = "plain"

    def __init__(self, cases, *options):
        super().__init__(PROGRAM)
        self.cases = cases
        self.planted = contents(self.dst)
        self.dst_mode = os.stat(self.dst).st_mode
        self.receiver = self.receive(
            "-v", *options, once=False, env={"MALLOC_ARENA_MAX": "4"})
        self.port = self.receiver.port
        if not self.port:
            raise SystemExit("the receiver does not listen")
        self.sessions = 0  # that are known to have begun

    def receive(self, *options, **more):
        return super().receive(*options, mode=self.mode, **more)

    def send(self, *options, **more):
        return super().send(*options, mode=self.mode, **more)

    def plant(self):
        """Ways out, at names that a sender may use."""
        os.makedirs(os.path.join(self.outside, "sub"))
        for name in ("secret.txt", "hard.txt", "sub/deep.txt"):
            path = os.path.join(self.outside, name)
            with open(path, "w") as f:
                f.write(f"the content of {name}\n")
            os.chmod(path, 0o640)

        def at(name):
            return os.path.join(self.dst, name)
        os.symlink("../outside", at("way"))
        os.symlink("../outside/secret.txt", at("link"))
        os.symlink("../outside/new.txt", at("dangling"))
        os.link(os.path.join(self.outside, "hard.txt"), at("hard"))
        os.mkfifo(at("fifo"))
        s = socket.socket(socket.AF_UNIX)
        s.bind(at("socket"))
        s.close()
        os.mkdir(at("dir"))

    def sender(self, **values):
        s = Sender(self.port, LIMIT, **values)
        self.sessions += values.get("hello", True)
        return s

    def settle(self):
        """Until every session that began is over: its event says so.  The
        event of its beginning may be written after READY was sent."""
        counts = self.receiver.counts
        self.receiver.drain()
        need(self.receiver.await_events(
            lambda: counts["summary"] == counts["session"] >= self.sessions,
            LIMIT), "a session does not end")

    # ---- the oracle ----

    def check(self, allowed, planted_may_change=False):
        """Nothing outside changed; under final names only what is allowed,
        each name with the contents it may have; all else is cleared away."""
        need(self.receiver.poll() is None,
             f"the receiver ended: {self.receiver.code}")
        self.settle()
        self.check_outside()
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
        addresses = self.receiver.memory("VmPeak")
        need(PROGRAM.is_slow or addresses < VM_MAX,
             f"{addresses >> 20} MiB of addresses")

    def reset(self):
        """As it was before the case."""
        clear(self.dst, set(self.planted) - {b"dir"})
        os.mkdir(os.path.join(self.dst, "dir"))

    def case(self, title, case, allowed=None, after=None):
        def check():
            if after:
                after()
            self.check(allowed or {})
        self.cases.run(title, case, check)
        self.reset()

    def rss(self):
        return self.receiver.memory("VmHWM")

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
        status = self.send("-q", "-j", "4", src, port=self.port).wait(120)
        need(status == 0, f"a good sender: {status}")
        got = contents(os.path.join(self.dst, "good"))
        need(got == contents(src), "a good sender's files differ")

    def close(self):
        self.cases.run("a good sender is served after that", self.honest)
        self.cases.run("the receiver ends and its messages are clean",
                       self.stop)
        if os.environ.get("HOSTILE_KEEP"):
            print(self.work)
        else:
            self.release()

    def stop(self):
        need(self.receiver.poll() is None, "it ended before")
        self.receiver.signal(signal.SIGTERM)
        status = self.receiver.wait(60)
        need(status == 143, f"exit status {status}")
        self.check_process(self.receiver)
        self.check_outside()


class SenderLab(Lab):
    """`ferry send` against a hostile receiver."""

    def __init__(self, cases):
        super().__init__(PROGRAM)
        self.cases = cases
        self.texts = []  # events and messages of the last sender
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
        self.stats_before = snapshot(self.src, with_content=False)

    def send_to(self, receiver, options=(), paths=None, stdin=None,
                stop=None):
        """Returns the exit status; what was printed has been checked.  When
        stop (an Event) is set, the sender is interrupted."""
        sender = self.send("--checksum", "sha256", "-j", "1",
                           "--timeout", str(scaled(4)), *options,
                           *(paths or [self.src]),
                           port=receiver.port, stdin=stdin)
        try:
            if stop:
                need(stop.wait(scaled(LIMIT)), "nothing to interrupt")
                sender.signal(signal.SIGINT)
            sender.wait(LIMIT)
        finally:
            receiver.close()
            sender.end()
            self.processes.remove(sender)
        self.texts = [bytes(sender.output), sender.messages()]
        self.check_process(sender)
        summary = sender.find("summary")
        need(summary and sender.events[-2] is summary[-1], "no summary")
        need(summary[-1]["exit"] == sender.code, "the event's exit")
        need(not receiver.errors, f"a bad frame: {receiver.errors}")
        need(snapshot(self.src, with_content=False) == self.stats_before,
             "the source changed")
        return sender.code

    def case(self, title, lies=None, bad=True, **options):
        """bad: the sender must not exit with 0; None: either is right.
        says: what its messages have to contain."""
        ready = options.pop("ready", None)
        says = options.pop("says", "")

        def run():
            receiver = Receiver(lies, ready=ready)
            status = self.send_to(receiver, **options)
            told = not lies or set(lies) & set(receiver.seen)
            # a sender that gets its verdicts soon enough sends no FLUSH
            need(told or "FLUSH" in lies, "the false frame was not sent")
            if bad is not None:
                need((status != 0) == bool(bad and told),
                     f"exit status {status}: {self.texts[1][-300:]}")
            need(says in str(self.texts[1]), f"no {says!r}: {self.texts[1]}")
        self.cases.run(title, run)

    def close(self):
        def honest():
            need(self.send_to(Receiver()) == 0, f"status: {self.texts}")
            need(snapshot(self.src) == self.before, "the source changed")
        self.cases.run("an honest receiver is served afterwards", honest)
        self.release()
