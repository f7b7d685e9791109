#!/usr/bin/env python3
"""The code exchange (SPAKE2), written from ferry-protocol(7) alone.

code_peer.py send PORT CODE [STOP]   as a sender to a receiver on this host
code_peer.py receive CODE            as a receiver; prints its port first
code_peer.py collect CODE            as a receiver to which any number of
                                     senders come: prints its port, "begun"
                                     for each of them, and when a line comes
                                     "guesses N": how many went on
code_peer.py middle PORT CODE        in between, with the code: prints its
                                     port, has an exchange with the sender that
                                     comes there, and some with the receiver at
                                     PORT; prints the words that each of them
                                     shows
code_peer.py cheat PORT CODE SHARE   as a sender that knows the code, with a
                                     share that is not its own: see shares()
code_peer.py cheat - CODE SHARE      likewise as a receiver; prints its port
code_peer.py begin PORT COUNT        begin so many exchanges and finish none;
                                     prints how often the receiver showed its
                                     share
code_peer.py eavesdrop CODE FILE...  what follows from the code alone and is in
                                     the files: a name a line

Prints "agreed", the key for TLS in hex and the words to verify; or "refused
N", N the bytes that still came.  A sender that agreed keeps its connection
until standard input ends.  STOP: hang up after so many messages of ours; or
"wait": once both points are known, print "half" and wait for a line.
"""
import contextlib
import hashlib
import hmac
import os
import re
import select
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))
from lib.keys import hkdf  # noqa: E402 (needs the path)
from lib.limits import scaled  # noqa: E402

# P-256 (SEC 2) and the two points of RFC 9382, in affine coordinates.
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b
ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
G = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
     0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)


def decompress(text):
    x = int(text[2:], 16)
    y = pow(x**3 - 3 * x + B, (P + 1) // 4, P)
    return (x, y if y % 2 == int(text[:2], 16) % 2 else P - y)


M = decompress("02886e2f97ace46e55ba9dd7242579f2"
               "993b64e16ef3dcab95afd497333d8fa12f")
N = decompress("03d8bbd6c639c62937b04d997f38c377"
               "0719c629d7014d49a24b4f98baa1292b49")


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = (3 * a[0]**2 - 3) * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope**2 - a[0] - b[0]) % P
    return (x, (slope * (a[0] - x) - a[1]) % P)


def times(k, point):
    out = None
    while k:
        if k & 1:
            out = add(out, point)
        point = add(point, point)
        k >>= 1
    return out


def encode(point):
    return b"\4" + b"".join(v.to_bytes(32, "big") for v in point)


def decode(data):
    x, y = (int.from_bytes(data[i:i + 32], "big") for i in (1, 33))
    if data[0] != 4 or (y * y - x**3 + 3 * x - B) % P:
        sys.exit("no point")
    return (x, y)


class Exchange:
    """SPAKE2 with the side that connects as A and the other as B."""

    def __init__(self, is_sender, code):
        seed = hashlib.scrypt(code.encode(), salt=b"ferry/2 code scrypt",
                              n=32768, r=8, p=1, maxmem=1 << 26, dklen=40)
        self.w = int.from_bytes(seed, "big") % ORDER
        self.is_sender = is_sender
        self.mac = self.peer_mac = self.psk = self.verify = None
        self.scalar = 1 + int.from_bytes(os.urandom(40), "big") % (ORDER - 1)
        self.share = encode(add(times(self.scalar, G),
                                times(self.w, M if is_sender else N)))

    def take(self, share):
        other = times(self.w, N if self.is_sender else M)
        shared = times(self.scalar,
                       add(decode(share), (other[0], P - other[1])))
        ours = (self.share, share)
        transcript = b"".join(
            len(part).to_bytes(8, "little") + part for part in
            (b"ferry/2 connects", b"ferry/2 listens",
             *(ours if self.is_sender else ours[::-1]),
             encode(shared), self.w.to_bytes(32, "big")))
        digest = hashlib.sha256(transcript).digest()
        keys = hkdf(digest[16:], b"ConfirmationKeys" + b"ferry/2 code", 32)
        macs = [hmac.digest(key, transcript, "sha256")
                for key in (keys[:16], keys[16:])]
        self.mac, self.peer_mac = macs if self.is_sender else macs[::-1]
        self.psk = hkdf(digest[:16], b"ferry/2 code psk", 32)
        self.verify = hkdf(digest[:16], b"ferry/2 code verify", 8)


def words(data):
    path = os.path.join(os.path.dirname(__file__), "../../src/auth/words.c")
    with open(path, encoding="ascii") as source:
        table = re.findall(r'^\t.*', source.read(), re.M)
    names = re.findall(r'"([a-z]+)",', "\n".join(table))
    return "-".join(names[int.from_bytes(data[i:i + 2], "big") % 2048]
                    for i in range(0, 8, 2))


def get(sock, number, n):
    data = b""
    while len(data) < 8 + n:
        more = sock.recv(8 + n - len(data))
        if not more:
            print("refused", len(data))
            sys.exit(1)
        data += more
    if data[:8] != b"ferry/2" + bytes([number]):
        sys.exit(f"no message {number}: {data!r}")
    return data[8:]


def put(sock, number, body):
    sock.sendall(b"ferry/2" + bytes([number]) + body)


def commitment(share):
    return hashlib.sha256(b"ferry/2 code share" + share).digest()


def tell(own):
    print("agreed", own.psk.hex(), words(own.verify), flush=True)


def send(port, code, stop=None):
    own = Exchange(True, code)
    with socket.create_connection(("127.0.0.1", port), 60) as sock:
        put(sock, 1, commitment(own.share))
        if stop == "1":
            return
        own.take(get(sock, 2, 65))
        if stop == "2":
            return
        if stop == "wait":
            print("half", flush=True)
            sys.stdin.readline()
        put(sock, 3, own.share + own.mac)
        if get(sock, 4, 32) != own.peer_mac:
            sys.exit("a wrong confirmation")
        tell(own)
        sys.stdin.read()


def accept():
    """A connection to a port that is printed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        listener.settimeout(scaled(60))
        sock, _ = listener.accept()
    sock.settimeout(scaled(60))
    return sock


def receive(code):
    own = Exchange(False, code)
    with accept() as sock:
        promised = get(sock, 1, 32)
        put(sock, 2, own.share)
        proof = get(sock, 3, 65 + 32)
        if commitment(proof[:65]) != promised:
            sys.exit("another share than promised")
        own.take(proof[:65])
        if proof[65:] != own.peer_mac:
            sys.exit("a wrong confirmation")
        put(sock, 4, own.mac)
        tell(own)
        # TLS follows, on the same connection: a handshake record.
        print("then", sock.recv(1).hex())


def collect(code):
    """Every sender gets our share only after all have come."""
    senders = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while listener in (ready := select.select(
                [listener, sys.stdin], [], [], scaled(60))[0]):
            sock, _ = listener.accept()
            sock.settimeout(scaled(60))
            get(sock, 1, 32)
            senders.append(sock)
            print("begun", flush=True)
    assert ready, "no line came"
    guesses = 0
    for sock in senders:
        # one that was ended meanwhile, or does not go on
        with contextlib.suppress(SystemExit, OSError):
            put(sock, 2, Exchange(False, code).share)
            get(sock, 3, 65 + 32)
            guesses += 1
        sock.close()
    print("guesses", guesses)


def eavesdrop(code, paths):
    """Whatever of this is said tells a right guess from a wrong one."""
    own = Exchange(True, code)
    seed = hashlib.scrypt(code.encode(), salt=b"ferry/2 code scrypt",
                          n=32768, r=8, p=1, maxmem=1 << 26, dklen=40)
    w = own.w.to_bytes(32, "big")
    known = {"the code": code.encode(), "its words": code[5:].encode(),
             "w before the modulus": seed[:16], "w": w}
    for name, point in ("M", M), ("N", N), ("G", G):
        known[f"w{name}"] = encode(times(own.w, point))[1:33]
    for name, key in ("code", code.encode()), ("seed", seed), ("w", w):
        known[f"SHA-256 of the {name}"] = hashlib.sha256(key).digest()[:8]
        for info in (b"ferry/2 code psk", b"ferry/2 code verify",
                     b"ConfirmationKeysferry/2 code"):
            known[f"HKDF of the {name}, {info}"] = hkdf(key, info, 8)
    for path in paths:
        with open(path, "rb") as f:
            said = f.read()
        for name, value in known.items():
            if value in said or value.hex().encode() in said:
                print(name)


# ---- one that knows the code, and does not keep to the exchange ------------


def shares(own, theirs):
    """What to show in place of our share, once theirs is known (None: not
    yet).  With a neutral one the key would be known in advance."""
    ours, other = (M, N) if own.is_sender else (N, M)
    x, y = times(own.w, ours)
    made = {
        "another": encode(add(times(own.scalar + 1, G), (x, y))),
        "neutral": encode((x, y)),
        "blinding": encode(ours),
        "theirs blinded": encode(times(own.w, other)),
        "generator": encode(G),
        "infinity": bytes(65),
        "infinity, 4": b"\4" + bytes(64),
        "off the curve": encode((x, (y + 1) % P)),
        "compressed": bytes([2 + y % 2]) + encode((x, y))[1:],
        "hybrid": bytes([6 + y % 2]) + encode((x, y))[1:],
        "not reduced": b"\4" + (2**256 - 1).to_bytes(32, "big") * 2,
    }
    if theirs:
        x, y = decode(theirs)
        made["theirs"] = theirs
        made["theirs, negative"] = encode((x, P - y))
    return made


def key_of(own, theirs, share):
    """What follows for the other side if it accepts the share: only where this
    side can compute the point that both get."""
    own.share = share
    try:
        own.take(theirs)
    except (SystemExit, TypeError, ValueError):
        own.mac = bytes(32)


def cheat_receiver(port, code, name):
    """The share is not the one of message 1; or, if it can be chosen before,
    it is."""
    own = Exchange(True, code)
    early = shares(own, None)
    with socket.create_connection(("127.0.0.1", port), 60) as sock:
        put(sock, 1, commitment(own.share if name == "another" else
                                early.get(name, own.share)))
        theirs = get(sock, 2, 65)
        share = shares(own, theirs)[name]
        key_of(own, theirs, share)
        put(sock, 3, share + own.mac)
        get(sock, 4, 32)
        print("accepted")


def cheat_sender(code, name):
    own = Exchange(False, code)
    sock = accept()
    with sock:
        get(sock, 1, 32)
        put(sock, 2, shares(own, None)[name])
        get(sock, 3, 65 + 32)
        print("accepted")


def middle(port, code):
    """The share for the sender has to be shown before the sender's is known;
    that for the receiver was promised before.  So all that is left is to begin
    exchanges with the receiver until one matches by chance."""
    with accept() as sender:
        own = Exchange(False, code)
        promised = get(sender, 1, 32)
        put(sender, 2, own.share)
        proof = get(sender, 3, 65 + 32)
        assert commitment(proof[:65]) == promised
        own.take(proof[:65])
        wanted = words(own.verify)
        # a second share comes too late
        put(sender, 2, Exchange(False, code).share)
        ours = Exchange(True, code)
        for i in range(10):
            with socket.create_connection(("127.0.0.1", port), 60) as sock:
                put(sock, 1, commitment(ours.share))
                ours.take(get(sock, 2, 65))
                if words(ours.verify) != wanted and i < 9:
                    continue
                put(sock, 3, ours.share + ours.mac)
                assert get(sock, 4, 32) == ours.peer_mac
                print("words", wanted, words(ours.verify), flush=True)
                sys.stdin.read()


def begin(port, count):
    shown = 0
    for _ in range(count):
        try:
            with socket.create_connection(("127.0.0.1", port), 60) as sock:
                put(sock, 1, bytes(32))
                if len(sock.recv(8 + 65, socket.MSG_WAITALL)) < 8 + 65:
                    break
                shown += 1
        except OSError:
            break
    print("shown", shown)


def main():
    if sys.argv[1] == "send":
        send(int(sys.argv[2]), sys.argv[3], (sys.argv[4:] or [None])[0])
    elif sys.argv[1] == "eavesdrop":
        eavesdrop(sys.argv[2], sys.argv[3:])
    elif sys.argv[1] == "collect":
        collect(sys.argv[2])
    elif sys.argv[1] == "middle":
        middle(int(sys.argv[2]), sys.argv[3])
    elif sys.argv[1] == "cheat" and sys.argv[2] == "-":
        cheat_sender(sys.argv[3], sys.argv[4])
    elif sys.argv[1] == "cheat":
        cheat_receiver(int(sys.argv[2]), sys.argv[3], sys.argv[4])
    elif sys.argv[1] == "begin":
        begin(int(sys.argv[2]), int(sys.argv[3]))
    else:
        receive(sys.argv[2])


main()
