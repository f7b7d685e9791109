#!/usr/bin/env python3
"""Connections that stay pending.

pending.py PORT COUNT HOW ADDRESSES [PACE]

Keep COUNT connections to PORT open, from ADDRESSES loopback addresses in
turn (0: from 127.0.0.1), and open each again that the other side ends, PACE
a second (default: at once).  HOW: silent; trickle (a byte now, and one a
second); half (the beginning of a TLS handshake, then nothing).  Prints "ready"
once all were opened, and what it has counted when its standard input ends.
"""
import collections
import errno
import select
import socket
import struct
import sys
import time

# A record that announces 512 bytes of ClientHello, and 100 of them.
HALF = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(94)


class Pending:
    def __init__(self, port, count, how, addresses, pace):
        self.port, self.count, self.how = port, count, how
        self.pace, self.began, self.begun = pace, time.monotonic(), 0
        self.addresses, self.next = addresses, 0
        self.poll = select.epoll()
        self.open = {}
        self.waiting = collections.deque()
        self.opened = self.ended = 0

    def address(self):
        if not self.addresses:
            return "127.0.0.1"
        self.next = (self.next + 1) % self.addresses
        n = self.next + 256
        return f"127.0.{n // 256}.{n % 256 or 256 - 1}"

    def connect(self):
        self.begun += 1
        s = socket.socket()
        s.setblocking(False)
        # a reset, and so no TIME_WAIT here
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
        s.bind((self.address(), 0))
        try:
            s.connect(("127.0.0.1", self.port))
        except BlockingIOError:
            pass
        self.open[s.fileno()] = s
        self.poll.register(s, select.EPOLLOUT)

    def connected(self, fd):
        self.opened += 1
        self.poll.modify(fd, select.EPOLLIN)
        if self.how == "trickle":
            self.open[fd].send(b"\x16")
            self.waiting.append((time.monotonic() + 1, fd, self.open[fd]))
        elif self.how == "half":
            self.open[fd].send(HALF)

    def drop(self, fd):
        s = self.open.pop(fd)
        self.poll.unregister(fd)
        s.close()
        self.ended += 1

    def trickle(self):
        now = time.monotonic()
        while self.waiting and self.waiting[0][0] <= now:
            _, fd, s = self.waiting.popleft()
            if self.open.get(fd) is not s:
                continue
            try:
                s.send(b"\x03")
                self.waiting.append((now + 1, fd, s))
            except OSError:
                self.drop(fd)

    def handle(self, fd, events):
        s = self.open.get(fd)
        if s is None:
            return
        try:
            if events & select.EPOLLOUT:
                error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    raise OSError(error, "connect")
                self.connected(fd)
            elif not s.recv(4096):
                self.drop(fd)
        except OSError as e:
            if e.errno != errno.EAGAIN:
                self.drop(fd)

    def wanted(self):
        """How many to open now: a hundred at a time, as the queue of a
        listener is not long."""
        wanted = min(100, self.count - len(self.open))
        if self.pace:
            due = self.count + self.pace * (time.monotonic() - self.began)
            wanted = min(wanted, int(due) - self.begun)
        return wanted

    def run(self):
        self.poll.register(0, select.EPOLLIN)
        is_ready = False
        while True:
            for _ in range(self.wanted()):
                self.connect()
            for fd, events in self.poll.poll(0.1):
                if fd == 0:
                    if not sys.stdin.buffer.read1(4096):
                        return
                else:
                    self.handle(fd, events)
            self.trickle()
            if not is_ready and self.opened >= self.count:
                is_ready = True
                print("ready", flush=True)


def main():
    port, count, how, addresses, *pace = sys.argv[1:]
    s = Pending(int(port), int(count), how, int(addresses),
                int(pace[0]) if pace else None)
    s.run()
    print(f"opened {s.opened} ended {s.ended}", flush=True)


main()
