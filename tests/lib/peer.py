"""A sender and a receiver of ferry's, made of wire.py, over plain TCP.

Both follow the protocol unless told otherwise: a test may send any frame
instead of the right one.
"""
import itertools
import socket
import threading
import time

from lib.limits import scaled
from lib.wire import (CHUNK, DIGEST_SIZE, DIGESTS, FILE, HEADER, NAMES, SHA256,
                      file_digest, listed_runs, message, pack, parse, peek,
                      put, row, rows, sum_of, verify)


# Bytes that stand for memory that was never written to.
FILL = ()


def check_fill(data):
    """ValueError where data has some of these bytes in a row: more of them
    where much of it is random."""
    for byte in FILL:
        if bytes([byte]) * (4 if len(data) < 4096 else 8) in data:
            raise ValueError(f"memory was sent or stored: {byte:#x}")


class Closed(Exception):
    """The other side closed the connection."""


# ---- connections -----------------------------------------------------------


class Channel:
    """Frames over a connection, one at a time; it may be cut at any time."""

    def __init__(self, sock, timeout):
        """timeout: seconds on a quiet machine."""
        self.sock = sock
        self.timeout = timeout
        self.index = 0       # which connection of a receiver it is
        self.digest_size = 32
        sock.settimeout(scaled(timeout))
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, *frames):
        try:
            self.sock.sendall(b"".join(frames))
        except socket.timeout:
            raise
        except OSError as e:
            raise Closed from e

    def take(self, n):
        data = b""
        while len(data) < n:
            try:
                part = self.sock.recv(n - len(data))
            except socket.timeout:
                raise
            except OSError as e:
                raise Closed from e
            if not part:
                raise Closed
            data += part
        check_fill(data)
        return data

    def recv(self):
        end = time.monotonic() + self.sock.gettimeout()
        while True:
            if time.monotonic() > end:  # PINGs alone are no answer
                raise socket.timeout
            head = self.take(HEADER)
            number, n = peek(head)
            body = self.take(n)
            verify(head, body, self.digest_size)
            if NAMES[number] not in ("BUSY", "PING", "TIMEOUT"):
                return parse(number, body, self.digest_size)

    def until(self, *kinds):
        """The next of these messages; all others are passed over."""
        while True:
            m = self.recv()
            if m["message"] in kinds:
                return m
            if m["message"] == "ERROR":
                raise Closed(m)

    def rest(self):
        """All that comes until the other side closes."""
        out = []
        try:
            while True:
                out.append(self.recv())
                if out[-1]["message"] == "SUMMARY":
                    self.half_close()
        except Closed:
            return out

    def replies(self, *kinds):
        """All that comes up to one of these, or to the end."""
        out = []
        try:
            while not out or out[-1]["message"] not in kinds:
                out.append(self.recv())
        except Closed:
            pass
        return out

    def half_close(self):
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.sock.close()


class Sender(Channel):
    """The first stream of a session with a receiver, up to READY."""

    def __init__(self, port, timeout=10, hello=True, **values):
        super().__init__(socket.create_connection(("127.0.0.1", port)),
                         timeout)
        self.port = port
        self.values = values
        self.digest_id = values.get("digest_id", SHA256)
        self.good = []
        if hello:
            self.send(message("HELLO", **values))
            self.ready = self.until("READY")
            self.digest_size = DIGEST_SIZE[self.digest_id]

    def join(self, index=1, token=None, **values):
        """Another stream; whether it is taken is for the caller to see."""
        other = Sender(self.port, self.timeout, hello=False)
        if token is None:
            token = put(self.ready["token"], 16)
        other.send(message("JOIN", index=index, token=token, **values))
        return other

    def put_file(self, ident, name, data, **values):
        """A whole file in chunks, without waiting for STATE."""
        d = self.digest_id
        self.send(message("OPEN", id=ident, name=name, size=len(data),
                          **values))
        for i in range(0, max(len(data), 1), CHUNK):
            self.send(message("CHUNK", id=ident, offset=i, digest_id=d,
                              payload=data[i:i + CHUNK]))
        self.send(message("FILE_END", id=ident, size=len(data),
                          digest=file_digest(data, d)))
        self.good.append((ident, len(data), file_digest(data, d)))

    def put_pack(self, ident, files):
        d = self.digest_id
        self.send(pack([row(1, data, d, name=name) for name, data in files],
                       b"".join(data for _, data in files), id=ident,
                       digest_id=d))
        for i, (_, data) in enumerate(files):
            self.good.append((ident + i, len(data), DIGESTS[d](data)))

    def finish(self, **lies):
        values = {"files": len(self.good), "sum": sum_of(self.good),
                  "bytes": sum(n for _, n, _ in self.good)}
        values.update(lies)
        self.send(message("FINISH", **values))

    def verdicts(self, count):
        """Wait for verdicts on count items; returns {id: status}."""
        out = {}
        while len(out) < count:
            m = self.until("VERDICT")
            for i in range(m["id"], m["id"] + m["items"]):
                out[i] = m["status"]
        return out


class Receiver:
    """A receiver that commits nothing and may send false frames.

    lies: maps a received message type, "HELLO" and so on, to a function that
    is given the receiver, the channel and the message, and returns whether to
    leave out the honest reply.
    """

    def __init__(self, lies=None, limit=64 << 20, ready=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lies = lies or {}
        self.limit = limit
        self.ready = ready or {}
        self.lock = threading.RLock()
        self.sizes, self.seen, self.good, self.errors = {}, [], [], []
        self.offered = 0
        self.digest_size = 32
        self.channels = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        for n in itertools.count():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            channel = Channel(sock, 20)
            channel.index = n
            self.channels.append(channel)
            threading.Thread(target=self.stream, args=(channel,),
                             daemon=True).start()

    def stream(self, channel):
        got = 0
        try:
            while got < self.limit:
                m = channel.recv()
                got += len(m.get("payload", b""))
                with self.lock:
                    self.take(channel, m)
        except (Closed, OSError):
            pass
        except (AssertionError, ValueError, KeyError) as e:
            self.errors.append(f"{type(e).__name__}: {e}")
        channel.close()

    def take(self, channel, m):
        self.seen.append(m["message"])
        lie = self.lies.get(m["message"])
        if lie and lie(self, channel, m):
            return
        answer = getattr(self, m["message"], None)
        if answer:
            answer(channel, m)

    def HELLO(self, channel, m):
        channel.digest_size = DIGEST_SIZE[m["digest_id"]]
        self.digest_size = channel.digest_size
        channel.send(message("READY", **self.ready))

    def JOIN(self, channel, m):
        channel.digest_size = self.digest_size
        channel.send(message("READY", **self.ready))

    def OPEN(self, channel, m):
        self.sizes[m["id"]] = m["size"]
        channel.send(message("STATE", id=m["id"]))

    def FILE_END(self, channel, m):
        self.good.append((m["id"], m["size"], m["digest"]))
        channel.send(message("VERDICT", id=m["id"]))

    def PACK(self, channel, m):
        for item in rows(m, self.digest_size):
            if item["kind"] == FILE:
                self.good.append((item["id"], item["size"], item["digest"]))
        channel.send(message("VERDICT", id=m["id"], items=m["items"]))

    def OFFER(self, channel, m):
        wanted = 0
        for item in rows(m, self.digest_size):
            if item["kind"] == FILE:
                wanted |= 1 << item["id"] - m["id"]
            else:
                channel.send(message("VERDICT", id=item["id"]))
        n = (m["items"] + 7) // 8
        channel.send(message("OFFERED", id=m["id"], items=m["items"],
                             wanted=wanted.to_bytes(n, "little")))

    def LIST(self, channel, m):
        """All items, which have to be files, are new."""
        channel.send(message("LISTED", id=m["id"], items=m["items"],
                             runs=listed_runs((1, 0, m["items"]))))

    def CHECK(self, channel, m):
        channel.send(message("CHECKED", id=m["id"], offset=m["offset"],
                             chunks=m["chunks"], bits=2**m["chunks"] - 1))

    def FINISH(self, channel, m):
        channel.send(message("SUMMARY", files=len(self.good),
                             bytes=sum(n for _, n, _ in self.good),
                             sum=sum_of(self.good)))

    def close(self):
        # The thread may be about to accept from this descriptor, whose number
        # the next listener gets.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        for channel in self.channels:
            channel.half_close()
