"""A hostile sender that has a key: it holds sessions with a receiver, of some
streams each, says something first on each of these, repeats something else for
ever, and begins anew where a stream is closed.  What it sends is paced as by a
link."""
import ctypes
import functools
import os
import select
import socket
import struct
import time

import tls
from lib.wire import (DIGEST_SIZE, FEATURES, HEADER, SHA256, message, parse,
                      peek, put)

LINK = 125_000_000       # bytes a second: 1 Gbit/s
BLOCK = 1 << 15          # of what is sent at once
TICK_S, TICKS = 0.005, 20
OPENING_S = 10           # a connection that gets no answer for so long
# Between two connections, so that it can all be one's own.
AGAIN_S = 0.02
SSL_CTRL_MODE, PARTIAL_WRITE, MOVING_BUFFER = 33, 1, 2


class Refused(Exception):
    """No session, or no further stream."""


class Stream:
    """A stream of a session: the first one, or one that joins it."""

    def __init__(self, port, key, hello=None, join=None):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(None)  # as OpenSSL reads and writes here
        for option in socket.SO_RCVTIMEO, socket.SO_SNDTIMEO:
            self.sock.setsockopt(socket.SOL_SOCKET, option,
                                 struct.pack("ll", OPENING_S, 0))
        self.client = tls.Client(self.sock, key)
        self.buffer = ctypes.create_string_buffer(1 << 16)
        self.data, self.at = b"", 0
        try:
            if not self.client.connect():
                raise Refused("no handshake")
            tls.ssl.SSL_ctrl(self.client.ssl, SSL_CTRL_MODE,
                             ctypes.c_long(PARTIAL_WRITE | MOVING_BUFFER),
                             None)
            self.write_all(message("HELLO", **hello) if hello else
                           message("JOIN", **join))
            self.ready = self.take_ready()
        except Refused:
            self.close()
            raise
        self.sock.setblocking(False)

    def write_all(self, data):
        if tls.ssl.SSL_write(self.client.ssl, data, len(data)) != len(data):
            raise Refused("closed")

    def take(self, n):
        data = b""
        while len(data) < n:
            got = tls.ssl.SSL_read(self.client.ssl, self.buffer, n - len(data))
            if got <= 0:
                raise Refused("closed")
            data += self.buffer.raw[:got]
        return data

    def take_ready(self):
        while True:
            number, n = peek(self.take(HEADER))
            m = parse(number, self.take(n), DIGEST_SIZE[SHA256])
            if m["message"] == "READY":
                return m
            if m["message"] == "ERROR":
                raise Refused(m["text"])

    def read(self):
        """Discard what has come.  Whether the stream is still there."""
        while True:
            n = tls.ssl.SSL_read(self.client.ssl, self.buffer,
                                 len(self.buffer))
            if n <= 0:
                return tls.ssl.SSL_get_error(self.client.ssl, n) in (2, 3)

    def write(self):
        """Send some of its data; how many bytes, or None where the stream is
        gone."""
        data = memoryview(self.data)[self.at:self.at + BLOCK]
        n = tls.ssl.SSL_write(self.client.ssl, bytes(data), len(data))
        if n <= 0:
            alive = tls.ssl.SSL_get_error(self.client.ssl, n) in (2, 3)
            return 0 if alive else None
        self.at += n
        return n

    def close(self):
        self.client.release()
        self.sock.close()


@functools.cache
def part(what, i):
    """What a stream says, by its number.  Is made once: it costs this side,
    and is to cost the other one."""
    return what(i) if callable(what) else what


class Session:
    """first, again: what each stream says at first, and then for ever; or a
    function of the stream's number.  again None: nothing more is said."""

    def __init__(self, port, key, streams=1, first=b"", again=None,
                 is_read=True, **hello):
        self.port, self.key, self.wanted = port, key, streams
        self.first, self.again, self.is_read = first, again, is_read
        self.hello = {"features": FEATURES, "streams": streams, **hello}
        self.streams = []
        self.next_s = 0

    def begin(self):
        """False where the receiver gives no session now."""
        hello = {**self.hello, "session": os.urandom(16)}
        try:
            self.streams = [Stream(self.port, self.key, hello=hello)]
            ready = self.streams[0].ready
            token = put(ready["token"], 16)
            for i in range(1, min(self.wanted, ready["streams"])):
                self.streams.append(Stream(self.port, self.key, join={
                    "index": i, "token": token}))
        except (Refused, OSError):
            if not self.streams:
                return False
        for i, stream in enumerate(self.streams):
            stream.data = part(self.first, i)
        return True

    def more(self, i, stream):
        """Whether the stream has something to say."""
        if stream.at >= len(stream.data) and self.again is not None:
            stream.data, stream.at = part(self.again, i), 0
        return stream.at < len(stream.data)

    def end(self):
        for stream in self.streams:
            stream.close()
        self.streams = []
        self.next_s = time.monotonic() + AGAIN_S


def read_all(poll, by_fd):
    """What has come; a session whose stream is gone ends."""
    for fd, _ in poll.poll(TICK_S * 1000):
        session, stream = by_fd[fd]
        if session.streams and not stream.read():
            session.end()


def write_some(sessions, first, most):
    """Up to so many bytes, a block on each stream, from this one on; returns
    which is next, and how many bytes."""
    sent = 0
    streams = [(session, i, stream) for session in sessions
               for i, stream in enumerate(session.streams)]
    for k in range(len(streams)):
        session, i, stream = streams[(first + k) % len(streams)]
        if sent >= most:
            return first + k, sent
        if session.streams and session.more(i, stream):
            n = stream.write()
            sent += n or 0
            if n is None:
                session.end()
    return first, sent


def watch(sessions):
    """The streams that are read."""
    poll, by_fd = select.poll(), {}
    for session in sessions:
        for stream in session.streams if session.is_read else ():
            poll.register(stream.sock.fileno(), select.POLLIN)
            by_fd[stream.sock.fileno()] = session, stream
    return poll, by_fd


def run(sessions, on_ready, goes_on, used):
    """As long as goes_on(); on_ready() is called once all that can be there
    is.  used: an array, where the sessions that began and the bytes that were
    sent are counted."""
    for session in sessions:
        for i in range(session.wanted):
            part(session.first, i)
            part(session.again, i)
    is_ready, turn, sent_s = False, 0, time.monotonic()
    while goes_on():
        for session in sessions:
            if not session.streams and time.monotonic() >= session.next_s:
                if session.begin():
                    used[0] += 1
                else:
                    session.end()
        if not is_ready:
            is_ready = True
            on_ready()
        poll, by_fd = watch(sessions)
        for _ in range(TICKS):
            read_all(poll, by_fd)
            now = time.monotonic()
            passed, sent_s = min(now - sent_s, 10 * TICK_S), now
            turn, sent = write_some(sessions, turn, passed * LINK)
            used[1] += sent
            if not all(session.streams for session in sessions):
                break
            # readable ones end the wait early
            time.sleep(max(0, TICK_S - (time.monotonic() - now)))
