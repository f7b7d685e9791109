"""A session that somebody on the line cuts at a byte, or changes a bit of:
nobody may call that a success if what is there is not what was sent.

Sender and receiver are real, and between them is a line that does one harm to
each session.  Cuts are made at every byte of both ways, bits to be changed are
drawn.  EVIL_LONG: all of that, otherwise a sample.  EVIL_ONLY='plain cut up
123', or 'tls flip down 45.6' for bit 6: this one alone, with its EVIL_SEED.
"""
import collections
import json
import os
import random
import select
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import threading
import time

from lab import (FERRY, LONG, SANITIZED, SEED, STATUS, WRAP, Failed,
                 check_text, contents, need)

ONLY = os.environ.get("EVIL_ONLY")
WORKERS = 3
SLOW = SANITIZED or WRAP
TIMEOUT_S = 10 if SLOW else 3
# A length that was changed is waited for as long as the other side lives, and
# says so: until so many bytes of it came.  Then the line is cut as well.
PATIENCE_S = 60 if SLOW else 5
SESSION_SECONDS = 120 if SLOW else 30
SAMPLE = 150                   # cuts and flips of a mode in the quick run
FLIPS = 10_000                 # of a mode in the long one
WAYS = ("up", "down")          # what the sender says, what the receiver says
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE = 20, 21, 22
ALERT_SIZE = 19                # of one under a key: level, what, type, tag


# ---- the line --------------------------------------------------------------


class Harm:
    """What happens to one session: nothing (kind None), a cut before byte
    `at` of one way, or that a bit of it is changed."""

    def __init__(self, kind=None, way=None, at=0, bit=0):
        self.kind, self.way, self.at, self.bit = kind, way, at, bit

    def __str__(self):
        bit = f".{self.bit}" if self.kind == "flip" else ""
        return f"{self.kind} {self.way} {self.at}{bit}"

    @staticmethod
    def parse(text):
        kind, way, where = text.split()
        at, _, bit = where.partition(".")
        return Harm(kind, way, int(at), int(bit or 0))


class Line:
    """One connection through it, and what passed."""

    def __init__(self, listener, port, harm):
        self.listener, self.port, self.harm = listener, port, harm
        self.said = {way: bytearray() for way in WAYS}
        self.done = False  # the harm
        self.gave_up = False

    def run(self, sender):
        """Until both sides have ended their ways."""
        self.deadline = time.monotonic() + SESSION_SECONDS
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        while not poll.poll(50):
            need(time.monotonic() < self.deadline, "nobody connects")
            need(sender.poll() is None, "the sender ends before it connects")
        left, _ = self.listener.accept()
        with left, socket.create_connection(("127.0.0.1", self.port)) as right:
            self.pass_on({left: ("up", right), right: ("down", left)})

    def pass_on(self, sides):
        poll = select.poll()
        open_sides = {s.fileno(): s for s in sides}
        for number, s in open_sides.items():
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            poll.register(number, select.POLLIN)
        if self.harm.kind == "cut" and self.harm.at == 0:
            self.cut(sides)
        patience = time.monotonic() + PATIENCE_S
        while open_sides:
            need(time.monotonic() < self.deadline, "a side does not end")
            if not self.gave_up and time.monotonic() > patience:
                self.gave_up = True
                self.cut(sides)
            for number, _ in poll.poll(1000):
                s = open_sides[number]
                way, other = sides[s]
                try:
                    data = s.recv(65536)
                except OSError:
                    data = b""
                if data:
                    self.take(way, data, other, sides)
                    continue
                poll.unregister(number)
                del open_sides[number]
                self.end(other)

    def take(self, way, data, other, sides):
        h = self.harm
        if h.kind == "cut" and self.done or self.gave_up:
            return  # nobody hears it
        at = h.at - len(self.said[way])
        self.said[way] += data
        is_cut = False
        if way == h.way and not self.done and 0 <= at < len(data):
            if h.kind == "flip":
                self.done = True
                changed = bytes([data[at] ^ 1 << h.bit])
                data = data[:at] + changed + data[at + 1:]
            else:
                is_cut = True
                data = data[:at]
        try:
            other.sendall(data)
        except OSError:
            pass  # it is gone, which its own end tells
        if is_cut:
            self.cut(sides)

    def cut(self, sides):
        self.done = True
        for s in sides:
            self.end(s)

    @staticmethod
    def end(s):
        try:
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def is_authentic(self):
        """Whether a session depends on TLS 1.3's word for the byte that was
        changed: not on the version in a record's header before there are
        keys, nor on the change of ciphers, which both sides throw away; nor,
        when all is said, on the goodbye."""
        said, begin = self.said[self.harm.way], 0
        while True:
            kind, _, size = struct.unpack_from(">BHH", said, begin)
            if self.harm.at < begin + 5 + size:
                break
            begin += 5 + size
        is_version = self.harm.at - begin in (1, 2)
        is_goodbye = size == ALERT_SIZE and begin + 5 + size == len(said)
        return not (kind == CHANGE_CIPHER_SPEC or is_goodbye or
                    kind in (ALERT, HANDSHAKE) and is_version)


def metas(top, names):
    """name -> mode and time of modification, where it is no link."""
    out = {}
    for name in names:
        st = os.lstat(os.path.join(os.fsencode(top), name))
        if not stat.S_ISLNK(st.st_mode):
            out[name] = st.st_mode, st.st_mtime_ns
    return out


# ---- both sides ------------------------------------------------------------


class Pair:
    """A receiver that serves one session after the other, and senders to it
    by way of a line.  Used by one thread."""

    def __init__(self, bench, mode):
        self.bench, self.mode = bench, mode
        self.work = tempfile.mkdtemp(dir=bench.work)
        self.dst = os.path.join(self.work, "dst")
        os.mkdir(self.dst)
        self.security = {"plain": ["--plain"], "tls": ["--key", bench.key]}[
            mode] + ["--timeout", str(TIMEOUT_S)]
        self.messages = open(os.path.join(self.work, "messages"), "w+b")
        self.words = open(os.path.join(self.work, "words"), "w+b")
        self.process = subprocess.Popen(
            WRAP + [FERRY, "receive", *self.security, "-b", "127.0.0.1", "-p",
                    "0", "--json", "--sync", "none", self.dst],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=self.messages)
        self.unread = b""
        self.port = self.event("listening")["port"]
        self.listener = socket.create_server(("127.0.0.1", 0))

    def event(self, *names, seconds=SESSION_SECONDS):
        """The next event of these names; None: there is none in time."""
        out = self.process.stdout
        end = time.monotonic() + seconds
        while True:
            while b"\n" in self.unread:
                line, _, self.unread = self.unread.partition(b"\n")
                event = json.loads(line)
                if event["event"] in names:
                    return event
            left = end - time.monotonic()
            if not select.select([out], [], [], max(left, 0))[0]:
                return None
            data = os.read(out.fileno(), 65536)
            need(data, "the receiver ended")
            self.unread += data

    def session(self, harm):
        """(sender's status, receiver's or None, line).  The receiver's last
        event is written before the connection is closed, or soon after."""
        line = Line(self.listener, self.port, harm)
        self.words.seek(0)
        self.words.truncate()
        sender = subprocess.Popen(
            WRAP + [FERRY, "send", *self.security, "-j", "1", "-zzstd",
                    self.bench.src,
                    f"127.0.0.1:{self.listener.getsockname()[1]}"],
            stdin=subprocess.DEVNULL, stdout=self.words, stderr=self.words)
        try:
            line.run(sender)
            sent = sender.wait(SESSION_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed("the sender does not end") from None
        finally:
            sender.kill()
            sender.wait()
        got = None
        if self.event("session", seconds=0):
            summary = self.event("summary")
            need(summary, "the session does not end")
            got = summary["exit"]
        return sent, got, line

    def one(self, harm):
        """A session with this harm, and the oracle.  Returns what happened,
        to be counted."""
        sent, got, line = self.session(harm)
        there = contents(self.dst)
        same_metas = metas(self.dst, there) == self.bench.metas
        self.clear()
        self.words.seek(0)
        text = self.words.read()
        check_text(text, "what the sender says")
        need(sent in STATUS and sent != 2, f"the sender exits {sent}")
        right = there == self.bench.expected
        why = f"exits {sent} and {got}, {sorted(there)}: {text.decode()}"
        # what is there under a final name is whole, whatever happened
        for name, what in there.items():
            need(what == self.bench.expected.get(name),
                 f"{name!r} is not what was sent; {why}")
        # a receiver answers for what it was told of, which may have changed
        need(right and same_metas or sent != 0 and
             (got != 0 or harm.kind == "flip"), f"a success; {why}")
        need(line.done or right and sent == got == 0,
             f"nothing was done, and yet: {why}")
        need(not line.gave_up or harm.kind == "flip", f"it hangs; {why}")
        if self.mode == "tls" and harm.kind == "flip" and line.done:
            need(sent != 0 or got != 0 or not line.is_authentic(),
                 f"TLS takes what was changed; {why}")
        what = "patience" if line.gave_up else "harm" if line.done \
            else "too late"
        return (what, sent, got,
                "right" if right else "part" if there else "nothing"), line

    def clear(self):
        for name in os.listdir(self.dst):
            path = os.path.join(self.dst, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    def close(self):
        self.listener.close()
        self.process.terminate()
        try:
            status = self.process.wait(SESSION_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        self.messages.seek(0)
        check_text(self.messages.read(), "what the receiver says")
        self.messages.close()
        self.words.close()
        need(status == 143, f"the receiver exits {status}")


class Bench:
    """What is sent, in a place that is gone in the end."""

    def __init__(self):
        rng = random.Random(SEED)
        self.work = tempfile.mkdtemp()
        self.key = os.path.join(self.work, "key")
        subprocess.run(WRAP + [FERRY, "keygen", self.key], check=True,
                       stderr=subprocess.DEVNULL)
        self.src = os.path.join(self.work, "t")
        os.makedirs(os.path.join(self.src, "d"))
        # a pack, with a table and content that stay as they are; and a file
        # in chunks, which are few bytes on the line
        for name, data in (("d/small", rng.randbytes(3000)), ("empty", b""),
                           ("large", b"%8d" % rng.randrange(10**8) * 40000)):
            with open(os.path.join(self.src, name), "wb") as f:
                f.write(data)
        os.symlink("d/small", os.path.join(self.src, "link"))
        self.expected = {b"t": "dir"}
        self.expected.update((b"t/" + name, what) for name, what in
                             contents(self.src).items())
        self.metas = metas(self.work, self.expected)

    def release(self):
        shutil.rmtree(self.work)


# ---- the cases -------------------------------------------------------------


def run_all(bench, mode, harms):
    """Each harm once, by some threads; (counts, failures)."""
    counts, failures = collections.Counter(), []
    waiting, lock = iter(harms), threading.Lock()

    def worker():
        pair = Pair(bench, mode)
        try:
            while len(failures) < 5:
                with lock:
                    harm = next(waiting, None)
                if harm is None:
                    break
                try:
                    counts[pair.one(harm)[0]] += 1
                except Failed as e:
                    failures.append(f"EVIL_ONLY='{mode} {harm}': {e}")
                    pair.clear()
        finally:
            pair.close()

    def guarded():
        try:
            worker()
        except Exception as e:
            failures.append(f"{type(e).__name__}: {e}")

    threads = [threading.Thread(target=guarded) for _ in range(WORKERS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return counts, failures


def lengths_of(bench, mode):
    """What both ways hold at most when no harm is done."""
    pair = Pair(bench, mode)
    try:
        lines = [pair.one(Harm())[1] for _ in range(10)]
    finally:
        pair.close()
    return {way: max(len(line.said[way]) for line in lines) for way in WAYS}


def report(title, counts):
    print(f"# {title}: {sum(counts.values())} sessions; (harm, sender's exit, "
          "receiver's, what is there):")
    for what, n in counts.most_common():
        print(f"#   {n:6} {what}")


def case(cases, bench, mode, title, harms):
    def run():
        counts, failures = run_all(bench, mode, harms)
        report(f"{mode}, {title}", counts)
        need(not failures, "; ".join(failures))
        need(sum(counts.values()) == len(harms), "not all were done")
        done = sum(n for what, n in counts.items() if what[0] != "too late")
        # a session may be a little shorter than the longest that was seen
        need(done >= 0.9 * len(harms), f"only {done} of {len(harms)} harms")
    cases.run(f"{mode}: {title}", run, seconds=7200)


def cuts(cases):
    bench = Bench()
    try:
        for mode in ("plain", "tls"):
            if ONLY:
                if ONLY.partition(" ")[0] == mode:
                    case(cases, bench, mode, ONLY,
                         [Harm.parse(ONLY.partition(" ")[2])])
                continue
            rng = random.Random(f"{SEED} {mode}")
            most = lengths_of(bench, mode)
            print(f"# {mode}: {most['up']} bytes up, {most['down']} down")
            every = [(way, at) for way in WAYS for at in range(most[way])]
            some = every if LONG else rng.sample(every, SAMPLE)
            case(cases, bench, mode, f"a cut before each of {len(some)} bytes",
                 [Harm("cut", *where) for where in some])
            n = FLIPS if LONG else SAMPLE
            case(cases, bench, mode, f"a bit changed, {n} times",
                 [Harm("flip", *rng.choice(every), rng.randrange(8))
                  for _ in range(n)])
    finally:
        bench.release()
