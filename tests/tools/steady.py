#!/usr/bin/env python3
"""Check what both progress lines say of a transfer over a line of known rate.

steady.py FERRY RATE SIZE   sends SIZE bytes at RATE bytes a second, through a
                            proxy, from one terminal to a receiver on another,
                            in the current directory

Of each side, the worst that its line said is printed, in percent: of the rate
that the proxy had in the last seconds, from 3 s after the first byte on; and
of the time that was left at that rate, in the middle half of the transfer.  (A
busy machine changes the rate itself.)  And whether it said that the transfer
was stalled.
"""
import os
import pty
import re
import select
import struct
import sys
import tempfile
import termios
import time
from fcntl import ioctl

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))
from lib.proxy import Proxy  # noqa: E402 (needs the path)

SPAN = 4  # what a rate is measured over
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}
RATE = re.compile(r"([0-9.]+) ([KM]?i?B)/s")
LEFT = re.compile(r"ETA (\d+):(\d\d)")


class Side:
    """A ferry on a terminal of its own, and when it drew what."""

    def __init__(self, command):
        self.drawn, self.pid = [], 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            ioctl(2, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
            os.environ["TERM"] = "xterm"
            os.execvp(command[0], command)

    def read(self):
        """Returns whether there may be more."""
        try:
            data = os.read(self.fd, 65536).decode()
        except OSError:
            return False
        now = time.monotonic()
        self.drawn += [(now, text) for text in re.split("[\r\n]", data)]
        return bool(data)

    def text(self):
        return "\n".join(text for _, text in self.drawn)


class Line:
    """How much the proxy had passed on, and when."""

    def __init__(self, proxy):
        self.proxy, self.points = proxy, []

    def note(self):
        self.points.append((time.monotonic(), self.proxy.passed["up"]))

    def rate(self, end):
        begin = max(end - SPAN, self.points[0][0])
        points = [p for p in self.points if begin <= p[0] <= end]
        (t0, n0), (t1, n1) = points[0], points[-1]
        return (n1 - n0) / (t1 - t0)

    def left(self, when, size):
        passed = [n for t, n in self.points if t <= when][-1]
        return (size - passed) / self.rate(when)


def worst(side, line, size, began, ended):
    rates, lefts = [], []
    for when, text in side.drawn:
        found = RATE.search(text)
        if found and began + 3 < when < ended:
            said = float(found[1]) * UNITS[found[2]]
            rates.append(abs(said / line.rate(when) - 1) * 100)
        found = LEFT.search(text)
        part = (when - began) / (ended - began)
        if found and 0.25 < part < 0.75:
            said = int(found[1]) * 60 + int(found[2])
            left = line.left(when, size)
            # a line says whole seconds
            lefts.append(max(0, abs(said - left) - 0.5) / left * 100)
    return (len(rates), max(rates, default=0), len(lefts),
            max(lefts, default=0))


def main():
    ferry, rate, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.makedirs("in", exist_ok=True)
    with open("steady", "wb") as f:
        f.write(os.urandom(size))
    with tempfile.NamedTemporaryFile("r") as port:
        receiver = Side(["sh", "-c", 'exec "$0" receive --plain --once -p 0 '
                         f'--json=3 in 3>"{port.name}"', ferry])
        found = None
        while not found:
            if select.select([receiver.fd], [], [], 0.05)[0]:
                receiver.read()
            port.seek(0)
            found = re.search('"port":([0-9]+)', port.read())
    proxy = Proxy(int(found[1]), [f"up@0*=trickle:{rate}"]).start()
    line, began, ended, sides = Line(proxy), None, None, [receiver]
    sides.append(Side([ferry, "send", "--plain", "-j1", "steady",
                       f"127.0.0.1:{proxy.port}"]))
    names = {receiver: "receiver", sides[1]: "sender"}
    while sides:
        ready = select.select([s.fd for s in sides], [], [], 0.02)[0]
        for side in [s for s in sides if s.fd in ready]:
            if not side.read():
                sides.remove(side)
        if proxy.passed["up"] > 1000:
            began = began or time.monotonic()
            line.note()
        if proxy.passed["up"] < size:
            ended = time.monotonic()
    proxy.stop()
    for side, name in names.items():
        rates, rate_off, lefts, left_off = worst(side, line, size, began,
                                                 ended)
        print(f"{name}: {rates} rates, off by up to {rate_off:.1f} %; "
              f"{lefts} times left, off by up to {left_off:.1f} %"
              f"{', stalled' if 'stalled' in side.text() else ''}")
        os.waitpid(side.pid, 0)
    print(f"in {ended - began:.1f} s")


main()
