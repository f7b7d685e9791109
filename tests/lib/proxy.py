"""A TCP proxy between senders and a receiver on this host that does harm, and
records.

A rule is WAY@WHERE[*][=ACTION[:ARG][!all]]
WAY     up: what the sender sends; down: what the receiver sends
WHERE   N          before byte N of a connection, counted from 0
        conn:K:N   before byte N of the K-th connection, counted from 1
        total:N    before byte N of all connections together
        every:N    every N bytes of all connections together, again and again
        frame:F[:K][+N]  before frame F (its name, plain only), the K-th of a
                   connection (counted from 1), or N bytes after its beginning
        A rule acts once, on the first connection that gets there; with * on
        each one.
ACTION  fin        a FIN to both ends, drop what still comes
        rst        reset both ends
        finrst     a FIN and at once a reset, both ends
        close      close both sockets
        half       a FIN this way only, go on with the other way
        stall[:S]  pass on nothing any more this way (for S seconds), read
                   nothing either: its sender has to wait
        dead       pass on nothing any more either way, the sockets stay open
        hole       swallow all that comes this way
        drop:N     swallow N bytes this way
        trickle:R[:S]  from here on R bytes a second, in a hundred pieces (for
                   S seconds)
        delay:MS   from here on each byte takes MS milliseconds longer
        split:N    from here on segments of N bytes
        merge:MS   from here on what comes within MS milliseconds in one write
        flip[:B]   invert bit B of this byte
        xor:M      combine this byte with M by exclusive or
        echo       from here on send it back to where it came from
        K, M, G after a number stand for powers of 1024.
!all    the same to all connections that there are

Reading and writing is one loop without blocking: the two ways of a connection
are independent of each other.
"""
import collections
import os
import select
import socket
import struct
import threading
import time

from lib import wire

CHUNK = 65536
# Small, so that what the sender has handed over is not far ahead of the fault.
BUFFER_MAX = 131072
RECEIVE_BUFFER = 65536
DELAYED_MAX = 1 << 24    # bytes on the way where there is a delay
CUTS = ("fin", "rst", "finrst", "dead", "close")
ACTIONS = CUTS + ("half", "stall", "hole", "drop", "trickle", "delay",
                  "split", "merge", "flip", "xor", "echo", "call")


def number(text):
    unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:], 0)
    return int(text[:-1]) * unit if unit else int(text)


class Rule:
    """One rule; call, if given, is called instead of an action."""

    def __init__(self, text, call=None):
        self.text = text
        self.call = call
        self.way, _, rest = text.partition("@")
        where, _, action = rest.partition("=")
        self.each = where.endswith("*")
        where = where.rstrip("*")
        self.everybody = action.endswith("!all")
        action = action.removesuffix("!all")
        self.action, _, arg = action.partition(":")
        arg, _, seconds = arg.partition(":")
        if call:
            self.action = "call"
        self.arg = number(arg) if arg else 0
        self.seconds = number(seconds) if seconds else 1000000
        self.every = self.frame = None
        self.count, self.plus, self.conn = 1, 0, None
        kind, colon, rest = where.partition(":")
        if kind == "frame":
            rest, _, plus = rest.partition("+")
            self.frame, _, count = rest.partition(":")
            self.count = number(count or "1")
            self.plus = number(plus or "0")
            if self.frame not in wire.NUMBERS:
                raise ValueError(f"{text}: no frame {self.frame}")
        elif kind == "conn":
            self.conn, self.at = (number(n) for n in rest.split(":"))
        elif colon:
            self.every = number(rest) if kind == "every" else None
            self.at = number(rest)
        else:
            self.at = number(where)
        self.total = kind in ("total", "every")
        self.done = False
        if self.way not in ("up", "down") or self.action not in ACTIONS:
            raise ValueError(f"no such rule: {text}")

    def __repr__(self):
        return self.text


class Frames:
    """Where frames begin in the bytes of one way of a connection."""

    def __init__(self):
        self.next = 0        # where the next header begins
        self.header = b""
        self.seen = collections.Counter()

    def feed(self, begin, data):
        """Yield (position, name, K) for each frame that begins in data; a
        header that is cut in two is known when its second part comes."""
        end = begin + len(data)
        while self.next + len(self.header) < end:
            at = self.next + len(self.header) - begin
            self.header += data[at:at + wire.HEADER - len(self.header)]
            if len(self.header) < wire.HEADER:
                return
            kind, length = wire.peek(self.header)
            name = wire.NAMES.get(kind, "?")
            self.seen[name] += 1
            yield self.next, name, self.seen[name]
            self.header = b""
            self.next += wire.HEADER + length


class Flow:
    """One way of a connection."""

    def __init__(self, conn, way, source, sink):
        self.conn, self.way = conn, way
        self.source, self.sink = source, sink
        self.queue = collections.deque()  # (due, bytes or Rule or None: end)
        self.queued = 0
        self.read = 0                     # bytes taken, swallowed ones too
        self.frames = Frames()
        self.pending = {}                 # rule: position, for this flow
        self.eof = self.ended = False
        self.hole = self.dead = False
        self.drop = 0
        self.stalled_until = 0.0
        self.delay = self.split = self.merge = 0
        self.rate, self.rate_until = 0, 0.0
        self.next_write = 0.0

    def wants_read(self, now):
        room = DELAYED_MAX if self.delay else BUFFER_MAX
        return not self.eof and not self.dead and self.queued < room and \
            now >= self.stalled_until

    def due(self):
        """When there is something to write; None if never."""
        if self.ended or self.dead or not self.queue:
            return None
        return max(self.queue[0][0], self.next_write, self.stalled_until)


class Conn:
    """The index-th connection, counted from 1."""

    def __init__(self, index, left, right):
        self.index, self.left, self.right = index, left, right
        self.flows = (Flow(self, "up", left, right),
                      Flow(self, "down", right, left))
        self.closed = False
        self.draining_until = None


class Proxy:
    """Runs in a thread of its own between start() and stop().

    tap(way, data), if given, is called with all that is read, before any harm
    is done to it.  Of more than `most` connections one is taken by the kernel
    and none is served; the others get no answer to their SYN.  After a FIN by
    a rule, what still comes is dropped for at most drain_s seconds.
    """

    def __init__(self, port, rules=(), host="127.0.0.1", listen=None,
                 most=1 << 30, tap=None, drain_s=2):
        self.most = most
        self.tap = tap
        self.drain_s = drain_s
        self.target = (host, port)
        self.rules = [r if isinstance(r, Rule) else Rule(r) for r in rules]
        self.listener = socket.create_server(listen or ("127.0.0.1", 0),
                                             backlog=64)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                 RECEIVE_BUFFER)
        self.port = self.listener.getsockname()[1]
        self.total = {"up": 0, "down": 0}
        self.passed = {"up": 0, "down": 0}
        self.connections = 0
        self.fired = []
        self.fired_at = None
        self.last_byte = time.monotonic()
        self.conns = []
        self.wake_r, self.wake_w = os.pipe()
        self.stopping = self.cutting = False
        self.thread = None
        # every connection that came has been closed
        self.idle = threading.Event()

    def start(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def stop(self):
        self.stopping = True
        os.write(self.wake_w, b"x")
        if self.thread:
            self.thread.join()

    def cut(self):
        """A FIN to both ends of all connections, as action fin sends it."""
        self.cutting = True
        os.write(self.wake_w, b"x")

    # ---- the loop ----

    def run(self):
        self.listener.setblocking(False)
        while not self.stopping:
            self.turn()
        for conn in self.conns:
            self.close(conn)
        self.listener.close()
        os.close(self.wake_r)
        os.close(self.wake_w)

    def turn(self):
        if self.cutting:
            self.cutting = False
            os.read(self.wake_r, 1)
            for conn in self.conns:
                self.end(conn)
        now = time.monotonic()
        poll = select.poll()
        if self.connections < self.most:
            poll.register(self.listener, select.POLLIN)
        poll.register(self.wake_r, select.POLLIN)
        interest, wake = {}, now + 60
        for conn in self.conns:
            if conn.draining_until:
                wake = min(wake, now + 0.01)
            for flow in conn.flows:
                if now < flow.stalled_until:
                    wake = min(wake, flow.stalled_until)
                if flow.wants_read(now):
                    fd = flow.source.fileno()
                    interest[fd] = interest.get(fd, 0) | select.POLLIN
                due = flow.due()
                if due is not None and due <= now:
                    fd = flow.sink.fileno()
                    interest[fd] = interest.get(fd, 0) | select.POLLOUT
                elif due is not None:
                    wake = min(wake, due)
        for fd, events in interest.items():
            poll.register(fd, events)
        ready = {fd for fd, _ in poll.poll(max(0, (wake - now) * 1000 + 1))}
        if self.listener.fileno() in ready:
            self.accept()
        for conn in list(self.conns):
            self.serve(conn, ready)
        self.conns = [c for c in self.conns if not c.closed]
        if self.connections and not self.conns:
            self.idle.set()

    def accept(self):
        try:
            left, _ = self.listener.accept()
        except OSError:
            return
        self.idle.clear()
        try:
            right = socket.create_connection(self.target, 10)
        except OSError:
            left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
            left.close()
            return
        for end in left, right:
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # what a reset drops here was counted and never sent
            if any(r.action in ("rst", "finrst") for r in self.rules):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF,
                               BUFFER_MAX)
        self.connections += 1
        conn = Conn(self.connections, left, right)
        if self.connections == self.most:
            self.listener.listen(0)
        self.conns.append(conn)
        for flow in conn.flows:
            self.look_for_beginning(flow)

    def serve(self, conn, ready):
        now = time.monotonic()
        if conn.draining_until:
            self.drain(conn, now)
            return
        for flow in conn.flows:
            if conn.closed or conn.draining_until:
                return
            try:
                if flow.source.fileno() in ready and flow.wants_read(now):
                    self.take(flow)
                due = flow.due()
                if due is not None and due <= time.monotonic():
                    self.write(flow)
            except OSError:
                # One end is gone: the other one gets the same.
                self.reset(conn)
                return
        if all(f.ended for f in conn.flows):
            self.close(conn)

    # ---- reading ----

    def take(self, flow):
        try:
            data = flow.source.recv(CHUNK)
        except BlockingIOError:
            return
        now = time.monotonic()
        if not data:
            flow.eof = True
            flow.queue.append((now, None))
            return
        self.last_byte = now
        self.total[flow.way] += len(data)
        if self.tap:
            self.tap(flow.way, data)
        self.look_for_frames(flow, data)
        self.look_for_bytes(flow, len(data))
        begin = flow.read
        flow.read += len(data)
        due = now + flow.delay / 1000
        if flow.merge:
            due = flow.queue[-1][0] if flow.queue else now + flow.merge / 1000
        marks = sorted((at - begin, rule) for rule, at in flow.pending.items()
                       if at < flow.read) if flow.pending else ()
        last = 0
        for at, rule in marks:
            at = max(at, last)
            self.put(flow, due, data[last:at])
            last = at
            del flow.pending[rule]
            if rule.action in ("flip", "xor"):
                self.note(rule)
                mask = rule.arg if rule.action == "xor" else 1 << rule.arg
                self.put(flow, due, bytes([data[at] ^ mask]))
                last = at + 1
            else:
                flow.queue.append((due, rule))
        self.put(flow, due, data[last:])

    def put(self, flow, due, data):
        if data:
            flow.queue.append((due, data))
            flow.queued += len(data)

    def arm(self, flow, rule, at):
        if not rule.done:
            rule.done = not rule.each
            flow.pending[rule] = at

    def look_for_frames(self, flow, data):
        wanted = [r for r in self.rules if r.frame and r.way == flow.way]
        if not wanted:
            return
        for at, name, count in flow.frames.feed(flow.read, data):
            for rule in wanted:
                if rule.frame == name and rule.count == count:
                    self.arm(flow, rule, at + rule.plus)

    def look_for_bytes(self, flow, size):
        """Rules by position that the next size bytes get to."""
        total = self.total[flow.way] - size
        for rule in self.rules:
            if rule.frame or rule.way != flow.way or \
                    (rule.at == 0 and not rule.total) or \
                    rule.conn not in (None, flow.conn.index):
                continue
            at = flow.read + rule.at - total if rule.total else rule.at
            if not flow.read <= at < flow.read + size:
                continue
            if rule.every:
                rule.at += rule.every
                rule.done = False
            self.arm(flow, rule, at)

    def look_for_beginning(self, flow):
        """Rules at byte 0 of a connection wait for no byte."""
        for rule in self.rules:
            if rule.frame or rule.way != flow.way or rule.total or \
                    rule.at or rule.conn not in (None, flow.conn.index):
                continue
            if rule.action == "flip":
                self.arm(flow, rule, 0)
            elif not rule.done:
                rule.done = not rule.each
                flow.queue.append((0.0, rule))

    # ---- writing ----

    def write(self, flow):
        budget = CHUNK
        while flow.queue and budget > 0:
            due, item = flow.queue[0]
            now = time.monotonic()
            if flow.dead or max(due, flow.next_write,
                                flow.stalled_until) > now:
                return
            if item is None:
                flow.queue.popleft()
                flow.ended = True
                if not flow.hole:
                    flow.sink.shutdown(socket.SHUT_WR)
                return
            if isinstance(item, Rule):
                flow.queue.popleft()
                self.perform(flow, item)
                if flow.conn.closed or flow.conn.draining_until:
                    return
                continue
            if flow.merge:
                self.gather(flow)
                item = flow.queue[0][1]
            sent = self.write_some(flow, item)
            if sent is None:
                return
            budget -= sent
            flow.queued -= sent
            flow.queue.popleft()
            if sent < len(item):
                flow.queue.appendleft((due, item[sent:]))

    def write_some(self, flow, item):
        """How much of item is done with; None: not now."""
        if flow.hole:
            return len(item)
        if flow.drop:
            done = min(flow.drop, len(item))
            flow.drop -= done
            return done
        size = len(item)
        if flow.split:
            size = min(size, flow.split)
            flow.next_write = time.monotonic() + 0.0002
        if flow.rate and time.monotonic() < flow.rate_until:
            size = min(size, max(1, flow.rate // 100))
            flow.next_write = time.monotonic() + size / flow.rate
        try:
            sent = flow.sink.send(item[:size])
        except BlockingIOError:
            return None
        self.passed[flow.way] += sent
        return sent

    def gather(self, flow):
        """Make one write of what waits."""
        parts = []
        while flow.queue and isinstance(flow.queue[0][1], bytes):
            parts.append(flow.queue.popleft()[1])
        flow.queue.appendleft((0.0, b"".join(parts)))

    # ---- acting ----

    def note(self, rule):
        self.fired.append(rule.text)
        self.fired_at = time.monotonic()

    def perform(self, flow, rule):
        self.note(rule)
        if rule.call:
            rule.call()
            return
        conns = list(self.conns) if rule.everybody else [flow.conn]
        for conn in conns:
            if not conn.closed:
                mine = flow if conn is flow.conn else \
                    next(f for f in conn.flows if f.way == flow.way)
                self.do(mine, rule)

    def do(self, flow, rule):
        conn, arg = flow.conn, rule.arg
        if rule.action == "fin":
            self.end(conn)
        elif rule.action == "rst":
            self.reset(conn)
        elif rule.action == "finrst":
            self.end(conn)
            self.reset(conn)
        elif rule.action == "close":
            self.close(conn)
        elif rule.action == "dead":
            for each in conn.flows:
                each.dead = True
        elif rule.action == "half":
            flow.sink.shutdown(socket.SHUT_WR)
            flow.hole = True
        elif rule.action == "stall":
            flow.stalled_until = time.monotonic() + (arg or 1e6)
        elif rule.action == "hole":
            flow.hole = True
        elif rule.action == "drop":
            flow.drop = arg
        elif rule.action == "echo":
            flow.sink = flow.source
        elif rule.action == "trickle":
            flow.rate = arg
            flow.rate_until = time.monotonic() + rule.seconds
        else:
            setattr(flow, rule.action, arg)

    def end(self, conn):
        """A FIN both ways.  What comes is read and dropped meanwhile: closing
        with unread bytes would be a reset."""
        for sock in conn.left, conn.right:
            try:
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        conn.draining_until = time.monotonic() + self.drain_s

    def drain(self, conn, now):
        open_ends = 0
        for sock in conn.left, conn.right:
            try:
                while sock.recv(CHUNK):
                    pass
            except BlockingIOError:
                open_ends += 1
            except OSError:
                pass
        if open_ends == 0 or now >= conn.draining_until:
            self.close(conn)

    def reset(self, conn):
        for sock in conn.left, conn.right:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
            except OSError:
                pass
        self.close(conn)

    def close(self, conn):
        if not conn.closed:
            conn.closed = True
            conn.left.close()
            conn.right.close()
