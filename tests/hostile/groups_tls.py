"""Thousands of failing handshakes, and records without content: afterwards the
receiver uses no more memory, threads and descriptors, and serves the next
sender."""
import os
import random
import select
import socket
import struct
import time

import tls
from lib.keys import Key
from lib.lab import Failure, need
from lib.limits import can, scaled
from lib.wire import message
from targets import LONG, PROGRAM, SANITIZED, SEED, ReceiverLab

PAUSE_S = 0.02
HANDSHAKES = 12_000
FLOOD = 100_000 if LONG else 10_000
NOISE = 20                       # times 1 MiB
# How much the receiver may have grown at the end; one small allocation leaked
# each time would be more.
GROWTH_MAX = 256 << 10


class KeyLab(ReceiverLab):
    """A receiver with a key, whose memory is watched."""

    mode = "tls"

    def plant(self):
        super().plant()
        self.key = os.path.join(self.work, "key")
        self.keys = PROGRAM.keygen(self.key)
        self.secret = self.keys.hex.encode()

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port))
        s.settimeout(scaled(30))
        return s

    def client(self, key=None):
        """A client after its handshake."""
        s = self.connect()
        s.settimeout(None)  # as OpenSSL reads and writes here
        # in place of it
        for option in socket.SO_RCVTIMEO, socket.SO_SNDTIMEO:
            s.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", 30, 0))
        client = tls.Client(s, key or self.keys)
        need(client.connect(), "the handshake fails")
        return client

    def sizes(self):
        """(bytes in memory, descriptors), when all is quiet."""
        proc = f"/proc/{self.receiver.pid}"
        end = time.monotonic() + scaled(30)
        # the accept loop, one for each output: events and messages, what looks
        # for kept parts that expire, and what reports after SIGUSR1
        while len(os.listdir(f"{proc}/task")) > 5:
            need(time.monotonic() < end, "threads that do not end")
            time.sleep(PAUSE_S)
        with open(f"{proc}/statm") as f:
            pages = int(f.read().split()[1])
        # of a process that cannot be dumped even its user may not count them
        fds = os.listdir(f"{proc}/fd") if can("CAP_SYS_PTRACE") else []
        return pages * os.sysconf("SC_PAGE_SIZE"), len(fds)


def told(s, *parts):
    """Say this and hear the other side out, which has to hang up; how much it
    says."""
    count = 0
    try:
        for part in parts:
            s.sendall(part)
        while data := s.recv(65536):
            count += len(data)
    except (ConnectionError, BrokenPipeError):
        pass
    s.close()
    return count


def ended(s, client=None):
    """The other side has to end this connection."""
    s.settimeout(scaled(30))
    try:
        while s.recv(65536):
            pass
    except ConnectionError:
        pass
    if client:
        client.release()
    s.close()


# ---- before a key ----------------------------------------------------------


def record(kind, content):
    return struct.pack(">BHH", kind, 0x0301, len(content)) + content


def handshakes(lab, rng):
    """title -> a function that makes a handshake that fails."""
    other, forged = (Key(lab.key) for _ in range(2))
    other.psk, other.identity = rng.randbytes(32), rng.randbytes(
        16).hex().encode()
    forged.psk = rng.randbytes(32)
    good = tls.client_hello(lab.keys)
    others = [tls.client_hello(key) for key in (other, forged, None)]
    empty, update = record(22, b""), record(22, tls.KEY_UPDATE + b"\1")
    end = record(23, rng.randbytes(53))  # looks like Finished

    def say(*parts):
        told(lab.connect(), *parts)

    def refused(*parts):
        n = told(lab.connect(), *parts)
        need(n in (0, 7), f"{n} bytes of an answer")

    def changed():
        data = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        s = lab.connect()
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        told(s)

    def inside():
        n = rng.randrange(40, 600)
        body = (b"\1" + struct.pack(">I", n)[1:] + b"\3\3" +
                rng.randbytes(n - 2))
        refused(record(22, body))

    def cut():
        s = lab.connect()
        s.sendall(good[:rng.randrange(len(good))])
        s.shutdown(socket.SHUT_WR)
        told(s)

    def gone():
        s = lab.connect()
        s.sendall(good)
        s.close()

    return {
        "another key": lambda: refused(others[0]),
        "another key with the right identity": lambda: refused(others[1]),
        "no key": lambda: refused(others[2]),
        "a random Finished": lambda: say(good, end),
        "a hello with some bits changed": changed,
        "a hello that is random inside": inside,
        "a hello that is cut": cut,
        "a hello, then closed": gone,
        "random": lambda: say(rng.randbytes(rng.randrange(1, 3000))),
        "a key update instead of a hello": lambda: refused(update),
        "key updates instead of Finished": lambda: say(
            good, update * rng.randrange(1, 300)),
        "empty records": lambda: refused(empty * 300),
        "empty records after a hello": lambda: say(good, empty * 300),
        "ChangeCipherSpec after a hello": lambda: say(
            good, record(20, b"\1") * 300),
    }


# ---- with the key ----------------------------------------------------------


def talk(lab, make, count, answers=True, first=b""):
    """Behind the handshake: `first`, then records until there are so many or
    the receiver has enough; how many it took."""
    client = lab.client()
    out = client.out()
    s, n = client.sock, 0
    try:
        s.settimeout(scaled(5))
        s.sendall(first and out.record(tls.DATA, first))
        while n < count:
            s.sendall(b"".join(make(out) for _ in range(100)))
            n += 100
            while answers and select.select([s], [], [], 0)[0]:
                if not s.recv(65536):
                    raise ConnectionError
    except (ConnectionError, TimeoutError):
        pass
    try:
        s.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    ended(s, client)
    out.release()
    return n


def quiet(title, lab, case):
    """The case, and what the receiver is afterwards.  Threads that happened
    to run at the same time leave something once; a leak does it again."""
    for _ in range(3):
        memory, descriptors = lab.sizes()
        cpu = lab.receiver.cpu()
        case()
        lab.settle()
        after, left = lab.sizes()
        grown = after - memory
        used = lab.receiver.cpu() - cpu
        print(f"# {title}: {grown >> 10} KiB more, {used:.1f} s of the "
              "processor")
        need(left == descriptors, f"{left - descriptors} descriptors more")
        if SANITIZED or grown <= GROWTH_MAX:
            return
    raise Failure("failed", f"{grown >> 10} KiB more memory each time")


def failing(lab, rng):
    kinds = handshakes(lab, rng)

    def run(times):
        for _ in range(times):
            for kind in kinds.values():
                kind()

    each = HANDSHAKES // len(kinds) + 1
    run(each // 20)  # what the first of them leave is there for good
    quiet(f"{each * len(kinds)} handshakes", lab, lambda: run(each))
    lab.receiver.drain()
    need(not lab.receiver.counts["session"], "a session")


def noise(lab, rng):
    def run(times):
        for _ in range(times):
            n = told(lab.connect(), rng.choice([b"", b"\x16\3\1"]) +
                     rng.randbytes(1 << 20))
            need(n in (0, 7), f"{n} bytes of an answer")
    run(2)
    quiet(f"{NOISE} times 1 MiB", lab, lambda: run(NOISE))


def updates(lab, is_asked_back, answers, first):
    def run(count):
        n = talk(lab, lambda out: out.key_update(is_asked_back), count,
                 answers, first)
        need(n >= count or is_asked_back and not answers,
             f"it took {n} key updates")
    run(1000)
    quiet(f"{FLOOD} key updates", lab, lambda: run(FLOOD))


def empties(lab, first):
    def run():
        n = talk(lab, lambda out: out.record(tls.DATA), FLOOD, first=first)
        need(n < FLOOD, f"it took {n} empty records")
    run()
    quiet("empty records", lab, lambda: [run() for _ in range(20)])


def endless(lab):
    """Who says nothing but key updates is no session, and has no more time
    for one than others."""
    began = time.monotonic()
    client = lab.client()
    out = client.out()
    try:
        while time.monotonic() - began < scaled(30):
            client.sock.sendall(out.key_update())
            time.sleep(PAUSE_S)
    except OSError:
        pass
    took = time.monotonic() - began
    ended(client.sock, client)
    out.release()
    need(8 < took < scaled(14), f"{took:.1f} s: the deadline is 10 s")


def handshakes_and_records(cases):
    lab = KeyLab(cases, "--timeout", str(scaled(5)))
    rng = random.Random(SEED)
    hello = message("HELLO")
    lab.cases.run("handshakes that fail", lambda: failing(lab, rng),
                  seconds=300)
    lab.case("1 MiB of noise", lambda: noise(lab, rng))
    for first, where in ((b"", "instead of HELLO"),
                         (hello, "in a session")):
        lab.case(f"key updates {where}",
                 lambda: updates(lab, False, True, first))
        lab.case(f"key updates {where} that ask for others",
                 lambda: updates(lab, True, True, first))
        lab.case(f"key updates {where} that ask for others, which are "
                 "not read", lambda: updates(lab, True, False, first))
        lab.case(f"empty records {where}", lambda: empties(lab, first))
    lab.case("endless key updates instead of HELLO",
             lambda: endless(lab))
    lab.close()
