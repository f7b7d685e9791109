"""What a thousand pending connections cost a sender with a key: with
HOSTILE_LONG only, as time is measured.  That they do not keep it out is
tested by tests/bats/limits.bats."""
import os
import statistics
import subprocess
import sys
import time

from groups_tls import KeyLab
from lib.lab import need
from lib.limits import can, scaled
from targets import LONG, PROGRAM

PEERS = os.path.join(os.path.dirname(__file__), "../tools/pending.py")
COUNT, ADDRESSES = 1000, 600
# How many of those who were sent away come back in a second.  Where they come
# as fast as they can, on the same host, they have a processor for themselves.
PACE = 300
SIZE = 512 << 20
PAIRS = 15
# Until the first thousand have all been looked at: what that costs is had
# once, and would be a matter of how long a transfer takes.
SETTLE_S = 1
RATIO_MAX = 1.5
# The limit of pending connections twice, and the streams of two sessions
DESCRIPTORS_MAX, THREADS_MAX, BYTES_MAX = 300, 140, 100 << 20


class Measured:
    """Transfers to the lab's receiver, alternately alone and with pending
    connections."""

    def __init__(self, lab, how):
        self.lab, self.how = lab, how
        self.source = os.path.join(lab.work, "f")
        self.descriptors = self.threads = 0

    def transfer(self):
        """Returns how many seconds it took."""
        there = os.path.join(self.lab.dst, "f")
        if os.path.exists(there):
            os.unlink(there)
        began = time.monotonic()
        run = subprocess.run(
            PROGRAM.argv("send", "--key", self.lab.key, "-q", "-j", "2",
                         self.source, f"127.0.0.1:{self.lab.port}"),
            check=False, stdin=subprocess.DEVNULL, timeout=scaled(60))
        took = time.monotonic() - began
        need(run.returncode == 0, f"exit status {run.returncode}")
        need(os.path.getsize(there) == SIZE, "not all arrived")
        return took

    def look(self):
        proc = f"/proc/{self.lab.receiver.pid}"
        if can("CAP_SYS_PTRACE"):
            self.descriptors = max(self.descriptors,
                                   len(os.listdir(f"{proc}/fd")))
        self.threads = max(self.threads, len(os.listdir(f"{proc}/task")))

    def with_pending(self):
        peers = subprocess.Popen(
            [sys.executable, PEERS, str(self.lab.port), str(COUNT),
             self.how, str(ADDRESSES), str(PACE)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            need(peers.stdout.readline() == "ready\n", "not all connected")
            self.look()
            time.sleep(SETTLE_S)
            took = self.transfer()
            self.look()
        finally:
            peers.communicate()
        return took

    def case(self):
        before = self.lab.sizes()[1]
        self.transfer()
        self.with_pending()
        alone, among = [], []
        for _ in range(PAIRS):
            self.lab.sizes()  # all have gone
            alone.append(self.transfer())
            among.append(self.with_pending())
        subprocess.run(["cmp", self.source,
                        os.path.join(self.lab.dst, "f")], check=True)
        after = self.lab.sizes()[1]
        alone, among = statistics.median(alone), statistics.median(among)
        ratio, memory = among / alone, self.lab.rss()
        print(f"# {self.how}: {alone:.3f} s alone, {among:.3f} s among "
              f"others, {ratio:.2f} times; {self.descriptors} descriptors, "
              f"{self.threads} threads, {memory >> 20} MiB")
        need(after == before, f"{before} descriptors before, {after} after")
        need(self.descriptors <= DESCRIPTORS_MAX, "too many descriptors")
        need(self.threads <= THREADS_MAX, "too many threads")
        if not PROGRAM.is_slow:
            need(memory <= BYTES_MAX, "too much memory")
            need(ratio <= RATIO_MAX, f"{ratio:.2f} times as long")


def pending(cases):
    if not LONG:
        return
    lab = KeyLab(cases, "--existing", "replace", "--sync", "none")
    with open(os.path.join(lab.work, "f"), "wb") as f:
        f.write(os.urandom(SIZE))
    for how in "silent", "trickle", "half":
        cases.run(f"a transfer with {COUNT} pending connections: {how}",
                  Measured(lab, how).case, seconds=300)
    lab.close()
