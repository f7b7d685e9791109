"""What the fault suites share: the bench (options, shim, sums) and a case's
lab with the oracle.

The oracle is asked after every run: a sentinel tree outside of the destination
is as it was; every final name holds the whole old or the whole new content;
the exit status is a documented one, and 0 or "committed" is said only of what
is there; leftovers have only the documented names, and the next run succeeds
and removes them; time, memory, descriptors and threads are bounded; no secret
and no control character is in any output; no sanitizer reports.
"""
import base64
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading

from lib.lab import (LOST, RUN_LIMIT, WRONG, Failure, Lab, Program, need)
from lib.tree import PART, describe, is_content, picture

RSS_MAX_KIB = 64 * 1024
FD_MAX = 8192        # unnamed small files wait for their group's flush
THREAD_MAX = 64


class Bench:
    """What all cases of a run share; read only, but for the counts."""

    def __init__(self, options, build):
        self.options = options
        self.program = Program(options.ferry, wrap=[])
        self.work = tempfile.mkdtemp(prefix="ferry-torture.", dir=options.dir)
        # LD_PRELOAD takes no path with a space in it.
        self.faultio = os.path.join(self.work, "faultio.so")
        os.symlink(os.path.join(build, "faultio.so"), self.faultio)
        self.key = os.path.join(self.work, "key")
        self.secret = self.program.keygen(self.key).hex.encode()
        helps = subprocess.run(self.program.argv("help", "send"), check=True,
                               capture_output=True).stdout
        self.is_sanitized = self.program.is_sanitized
        self.has_retry = b"--retry" in helps
        self.has_resume = self.has_retry
        self.lock = threading.Lock()
        self.counts = {"faults": 0, "kept": 0, "too early": 0}
        self.figures = {}
        self.labs = set()    # of the cases that run
        self.shared = {}     # sources that several cases only read

    def share(self, name, make):
        """make(a Case) once; what it returned, for all cases.  Its files are
        there until the end."""
        with self.lock:
            if name not in self.shared:
                lab = Case(self, name, random.Random(
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


class Case(Lab):
    """The place of one case."""

    LINKED = (b"a",)  # some cases put a hard link to it in the receiver's way

    def __init__(self, bench, name, rng):
        super().__init__(bench.program, bench.work, bench.key)
        self.bench, self.name, self.rng = bench, name, rng
        self.secret = bench.secret
        self.options = bench.options
        self.src = os.path.join(self.work, "src")
        os.mkdir(self.src)
        self.detail = ""
        self.fd_max = FD_MAX
        self.old = {}
        self.was_killed = False  # a receiver, by SIGKILL: it cannot clean up
        self.may_come_back = False  # a sender with --retry, which ended

    # ---- sources ----

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

    def finish(self, sender, receiver, limit=RUN_LIMIT):
        """Wait for both.  A receiver that had no session is waiting for one,
        and is ended by a signal."""
        sender.wait(limit)
        if not receiver.ended_within(0.3) and not receiver.find("session"):
            receiver.signal(signal.SIGTERM)
        receiver.wait(limit)

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
            all_of_it[base] = describe(path, os.lstat(path))
            if all_of_it[base][0] == "dir":
                for rel, what in picture(path).items():
                    all_of_it[base + b"/" + rel] = what
        return all_of_it

    def check(self, new, *processes, dst=None, must=(), may_fail=()):
        """The oracle after a run with a fault.  new: what was sent; must: exit
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
        self.check_outside()

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
        super().check_process(ferry)
        for what, used, most in (("KiB of memory", ferry.rss_kib, RSS_MAX_KIB),
                                 ("descriptors", ferry.max_fds, self.fd_max),
                                 ("threads", ferry.max_threads, THREAD_MAX)):
            self.bench.figure(f"most {what}", used)
            need(used <= most or self.bench.is_sanitized and
                 what == "KiB of memory", f"{ferry.name}: {used} {what}",
                 "bound")

    def check_claims(self, ferry, new, there, may_fail=()):
        """What a side said is committed has to be there, whole."""
        claims = ferry.find("file", status="committed") + \
            ferry.find("file", status="unchanged")
        for event in claims:
            if "path_base64" in event:
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

    def check_identical(self, new, dst=None, kept=()):
        """Everything is there with mode and time, and nothing else.  kept:
        directories that were there before, and keep theirs."""
        there = picture(dst or self.dst)
        parts = [p for p in there if PART.search(p)]
        for path, what in new.items():
            is_same = there.get(path) == what or \
                path in kept and is_content(there.get(path), what)
            if not is_same:
                raise Failure(WRONG, f"{path}: {there.get(path)} is not "
                              f"{what}")
        odd = [p for p in there if p not in new and p not in parts and
               p not in self.old]
        if odd:
            raise Failure("litter", f"nobody sent {odd[:3]}")
        if self.may_come_back:
            # what the receiver has made, for a sender that did not come back
            parts = [p for p in parts if not p.endswith(b".journal") or
                     p[:-len(b"journal")] + b"part" in parts]
        if parts and (self.bench.has_resume or not self.was_killed):
            raise Failure("litter", f"left: {parts[:3]}")
        self.bench.add("kept", len(parts))

    def check_arrived(self, source, *processes):
        """All of the source, whatever disturbed the run."""
        new = self.expected(source)
        self.check(new, *processes, must={0})
        self.check_identical(new)

    def complete(self, paths, *options, mode="plain", dst=None, port=0,
                 receive=(), limit=RUN_LIMIT, proxied=False, **more):
        """The next run, without a fault, has to succeed and to clear away."""
        kept = [path for path, what in picture(dst or self.dst).items()
                if what[0] == "dir" and "replace" not in receive]
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
        self.check_identical(new, dst=dst, kept=kept)
        return sender, receiver, proxy
