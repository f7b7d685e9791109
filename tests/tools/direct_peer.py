#!/usr/bin/env python3
"""direct_peer.py FERRY DIR - be the side that has started ferry remote, which
is to receive into DIR, and look at the port where it listens for direct
streams: that it takes nobody without the key, and is closed when it has to
be.

Prints "ok", or what did not hold.
"""
import os
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
# pylint: disable=wrong-import-position
from lib.limits import scaled  # noqa: E402
from lib.peer import Channel, Closed  # noqa: E402
from lib.wire import (DIRECT, FEATURES, message, order,  # noqa: E402
                      pack, row)

LISTEN = "0A"


def need(condition, text):
    if not condition:
        sys.exit(text)


def ports_of(pid):
    """The ports where a process listens."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            inodes.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as lines:
            rows = [line.split() for line in lines][1:]
        found += [int(f[1].split(":")[1], 16) for f in rows
                  if f[3] == LISTEN and f"socket:[{f[9]}]" in inodes]
    return found


def closes(pid):
    """Whether it stops listening, in time."""
    until = time.monotonic() + scaled(20)
    while ports_of(pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def begin(ferry, place, features):
    """Start it, and begin a session."""
    ours, theirs = socket.socketpair()
    # pylint: disable=consider-using-with
    process = subprocess.Popen([ferry, "remote"], stdin=theirs, stdout=theirs,
                               env=dict(os.environ, SSH_CONNECTION=(
                                   "127.0.0.1 1 127.0.0.1 2")))
    theirs.close()
    channel = Channel(ours, 20)
    channel.send(order(b"receive", b"--", os.fsencode(place)))
    channel.take(13 + 32 + 1 + 4)
    channel.take(struct.unpack(">I", channel.take(4))[0])
    channel.send(message("HELLO", features=features, streams=16))
    return process, channel, channel.until("READY")


def end(process, channel):
    """End the session well: nothing was sent."""
    channel.send(message("FINISH"))
    channel.until("SUMMARY")
    channel.close()
    need(process.wait(scaled(20)) == 0, "ferry remote failed")


def pending_connections(port):
    """Connections without the key."""
    for first in (message("HELLO", features=FEATURES),
                  b"GET / HTTP/1.0\r\n\r\n",
                  b"\x16\x03\x01\x00\x05hello", b""):
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.settimeout(scaled(20))
            sock.sendall(first)
            sock.shutdown(socket.SHUT_WR)
            data = b"".join(iter(lambda s=sock: s.recv(4096), b""))
        need(b"\x10\0" not in data[:2], "a session without the key")


def main():
    ferry, place = sys.argv[1:3]
    # the other side does not want direct streams
    process, channel, ready = begin(ferry, place, FEATURES)
    need(not ready["features"] & DIRECT, "granted what was not asked for")
    need(closes(process.pid), "still listens, for nobody")
    end(process, channel)
    # it wants some, and does not come: a session by the first stream alone
    process, channel, ready = begin(ferry, place, FEATURES | DIRECT)
    need(ready["features"] & DIRECT, "direct streams are not granted")
    channel.send(message("STREAMS", streams=3))
    direct = channel.until("DIRECT")
    need(direct["key"] != bytes(32), "no key")
    need(direct["addresses"][:16] == bytes(10) + b"\xff\xff\x7f\0\0\1",
         "not the address that ssh has reached")
    need(ports_of(process.pid) == [direct["port"]], "another port")
    pending_connections(direct["port"])
    channel.send(pack([row(content=b"text", name=b"f")], b"text"),
                 message("FLUSH"))
    need(channel.until("VERDICT")["status"] == 1, "the file is not committed")
    need(ports_of(process.pid), "listens no more, though streams may come")
    channel.close()
    need(process.wait(scaled(20)) == 6, "another exit status")
    # its frames where they do not belong
    for frames in ([message("DIRECT")], [message("STREAMS", streams=16)],
                   [message("STREAMS", streams=0)]):
        process, channel, _ = begin(ferry, place, FEATURES | DIRECT)
        try:
            channel.send(*frames)
            channel.until("SUMMARY")
            sys.exit("taken")
        except Closed:
            pass
        channel.close()
        need(process.wait(scaled(20)) == 5, "another exit status")
    print("ok")


main()
