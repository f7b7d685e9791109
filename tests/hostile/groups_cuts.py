"""A session that is cut at a byte, or has a bit changed in transit: neither
side may report success unless the content that arrived is what was sent.

Sender and receiver are real, and a proxy between them does one harm to each
session.  Cuts are made at every byte of both directions, bits to change are
random.  HOSTILE_LONG: all of them, otherwise a sample.  HOSTILE_ONLY='plain
cut up 123', or 'tls flip down 45.6' for bit 6: only this one, with its
HOSTILE_SEED.
"""
import collections
import os
import random
import shutil
import signal
import stat
import struct
import tempfile
import threading

from lib.lab import HUNG, Failure, Lab, need
from lib.limits import scaled
from lib.proxy import Proxy
from lib.tree import clear, contents
from targets import LONG, PROGRAM, SEED

ONLY = os.environ.get("HOSTILE_ONLY")
WORKERS = 3
TIMEOUT_S = scaled(10 if PROGRAM.is_slow else 3)
# After a length was changed, a side waits for the rest of that frame as long
# as its peer sends heart-beats: after so many seconds the proxy cuts the
# connection.
WAIT_S = 60 if PROGRAM.is_slow else 5
SESSION_SECONDS = 120 if PROGRAM.is_slow else 30
SAMPLE = 80                    # cuts and flips of a mode in the quick run
FLIPS = 10_000                 # of a mode in the long one
WAYS = ("up", "down")          # from the sender, from the receiver
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE = 20, 21, 22
ALERT_SIZE = 19                # encrypted: level, description, type, tag

# ---- the line --------------------------------------------------------------


class Harm:
    """What happens to one session: nothing (kind None), a cut before byte
    `at` of one way, or that a bit of it is changed."""

    def __init__(self, kind=None, way=None, at=0, bit=0):
        self.kind, self.way, self.at, self.bit = kind, way, at, bit

    def __str__(self):
        bit = f".{self.bit}" if self.kind == "flip" else ""
        return f"{self.kind} {self.way} {self.at}{bit}"

    def rules(self):
        """For the proxy."""
        if not self.kind:
            return []
        action = f"flip:{self.bit}" if self.kind == "flip" else "fin"
        return [f"{self.way}@conn:1:{self.at}={action}"]

    @staticmethod
    def parse(text):
        kind, way, where = text.split()
        at, _, bit = where.partition(".")
        return Harm(kind, way, int(at), int(bit or 0))


class Line(Proxy):
    """The way of one session's connection, and what passed."""

    def __init__(self, port, harm):
        super().__init__(port, harm.rules(), tap=self.keep,
                         drain_s=SESSION_SECONDS)
        self.harm = harm
        self.said = {way: bytearray() for way in WAYS}
        self.gave_up = False

    def keep(self, way, data):
        self.said[way] += data

    @property
    def done(self):
        return bool(self.fired)

    def await_end(self, sender):
        """Until both sides have ended their ways."""
        if not sender.ended_within(WAIT_S):
            self.gave_up = True
            self.cut()
            sender.wait(SESSION_SECONDS)
        need(self.idle.wait(scaled(SESSION_SECONDS)), "a side does not end")

    def is_authentic(self):
        """Whether TLS 1.3 protects the byte that was changed: it does not
        protect the version in a record's header before there are keys, nor
        the change of ciphers, which both sides throw away; nor, when all is
        said, the close notification."""
        said, begin = self.said[self.harm.way], 0
        while True:
            kind, _, size = struct.unpack_from(">BHH", said, begin)
            if self.harm.at < begin + 5 + size:
                break
            begin += 5 + size
        is_version = self.harm.at - begin in (1, 2)
        is_close = size == ALERT_SIZE and begin + 5 + size == len(said)
        return not (kind == CHANGE_CIPHER_SPEC or is_close or
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


class Pair(Lab):
    """A receiver that serves one session after the other, and senders to it
    by way of a line.  Used by one thread."""

    def __init__(self, bench, mode):
        super().__init__(PROGRAM, bench.work, bench.key)
        self.bench, self.mode = bench, mode
        self.secret = bench.secret
        self.receiver = self.receive("--timeout", str(TIMEOUT_S), "--sync",
                                     "none", mode=mode, once=False)

    def session(self, harm):
        """(sender, receiver's status or None, line).  The receiver's last
        event is written before the connection is closed, or soon after."""
        receiver = self.receiver
        receiver.drain()
        before = receiver.counts["session"]
        line = Line(receiver.port, harm).start()
        sender = self.send("--timeout", str(TIMEOUT_S), "-j", "1", "-zzstd",
                           self.bench.src, port=line.port, mode=self.mode)
        try:
            line.await_end(sender)
        finally:
            sender.end()
            self.processes.remove(sender)
            line.stop()
        receiver.drain()
        counts = receiver.counts
        if sender.code == 0:  # there was one, of which it tells soon
            receiver.await_events(lambda: counts["session"] > before,
                                  SESSION_SECONDS)
        if counts["session"] == before:
            return sender, None, line
        need(receiver.await_events(
            lambda: counts["summary"] == counts["session"] > before,
            SESSION_SECONDS), "the session does not end", HUNG)
        return sender, receiver.find("summary")[-1]["exit"], line

    def one(self, harm):
        """A session with this harm, and the oracle.  Returns what happened,
        to be counted."""
        sender, got, line = self.session(harm)
        sent = sender.code
        there = contents(self.dst)
        same_metas = metas(self.dst, there) == self.bench.metas
        clear(self.dst)
        self.check_process(sender)
        text = sender.messages()
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
                 f"TLS accepted changed data; {why}")
        what = "gave up" if line.gave_up else "harm" if line.done \
            else "too late"
        return (what, sent, got,
                "right" if right else "part" if there else "nothing"), line

    def close(self):
        try:
            self.receiver.signal(signal.SIGTERM)
            status = self.receiver.wait(SESSION_SECONDS)
            self.check_process(self.receiver)
            need(status == 143, f"the receiver exits {status}")
        finally:
            self.release()


class Bench:
    """What is sent, in a place that is gone in the end."""

    def __init__(self):
        rng = random.Random(SEED)
        self.work = tempfile.mkdtemp()
        self.key = os.path.join(self.work, "key")
        self.secret = PROGRAM.keygen(self.key).hex.encode()
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
                except Failure as e:
                    failures.append(f"HOSTILE_ONLY='{mode} {harm}': {e}")
                    clear(pair.dst)
        finally:
            pair.close()

    def guarded():
        try:
            worker()
        except Exception as e:  # pylint: disable=broad-exception-caught
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
