"""links.py - two hosts with a line between them, in network namespaces."""
import os
import subprocess
import time

from disks import must
from lib.limits import need_for


class Host:
    """A network and a mount namespace that live as long as a sleep."""

    def __init__(self, lab):
        need_for("network namespaces", "mount namespaces")
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sleep", "1000"],
            stdin=subprocess.DEVNULL)
        lab.undo.append(self.release)
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == own or \
                b"sleep" not in self.command():
            time.sleep(0.005)
        self.enter = ["nsenter", "-t", str(self.holder.pid), "-n", "-m"]
        self.ip("link", "set", "lo", "up")

    def command(self):
        with open(f"/proc/{self.holder.pid}/cmdline", "rb") as file:
            return file.read().split(b"\0")[0]

    def do(self, *argv):
        return must(*self.enter, *argv)

    def ip(self, *argv):
        return self.do("ip", *argv)

    def release(self):
        self.holder.kill()
        self.holder.wait()


class Line:
    """left (10.77.0.1) and right (10.77.0.2), and what is between them."""

    def __init__(self, lab):
        self.left, self.right = Host(lab), Host(lab)
        self.left.ip("link", "add", "line", "type", "veth", "peer", "name",
                     "line", "netns", str(self.right.holder.pid))
        for host, address in (self.left, "10.77.0.1"), (self.right,
                                                        "10.77.0.2"):
            host.ip("addr", "add", address + "/24", "dev", "line")
            host.ip("link", "set", "line", "up")

    def set(self, state):
        self.left.ip("link", "set", "line", state)

    def limit(self, rate):
        for host in self.left, self.right:
            host.do("tc", "qdisc", "add", "dev", "line", "root", "tbf",
                    "rate", rate, "burst", "32kbit", "latency", "50ms")
