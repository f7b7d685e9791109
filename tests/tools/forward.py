#!/usr/bin/env python3
"""Stand between a sender and a receiver on this host, and do it harm.

forward.py PORT [WHAT N]...   listen on a free port, which is printed, and pass
                              every connection on to PORT; end by a signal

Bytes are counted in the first connection, each way by itself:
record PREFIX   keep what all connections say in PREFIX.sent, PREFIX.replies
flip N          invert a bit of the sender's byte N, counted from 0
cut N           after N bytes of the sender's, close both ends
stall N         after N bytes of the sender's, pass nothing on any more
cut-reply N     pass N bytes of the receiver's replies; when there are more,
                close both ends instead
"""
import select
import socket
import sys
import threading


class Harm:
    def __init__(self, words):
        self.record = None
        self.at = {}
        for what, value in zip(words[::2], words[1::2]):
            if what == "record":
                self.record = value
            elif what in ("flip", "cut", "stall", "cut-reply"):
                self.at[what] = int(value)
            else:
                sys.exit(f"forward.py: {what}?")
        self.lock = threading.Lock()
        if self.record:
            for way in "sent", "replies":
                open(f"{self.record}.{way}", "wb").close()

    def keep(self, way, data):
        if self.record:
            with self.lock, open(f"{self.record}.{way}", "ab") as log:
                log.write(data)


def pass_on(left, right, harm, at):
    """Copy both ways until both ends said all; at: what to do, and where."""
    peer = {left: right, right: left}
    seen = {left: 0, right: 0}
    is_open = [left, right]
    while is_open:
        for source in select.select(is_open, [], [])[0]:
            data = source.recv(65536)
            begin, seen[source] = seen[source], seen[source] + len(data)
            if not data:
                is_open.remove(source)
                peer[source].shutdown(socket.SHUT_WR)
                continue
            harm.keep("sent" if source is left else "replies", data)
            if source is left:
                flip = at.get("flip", -1) - begin
                if 0 <= flip < len(data):
                    data = bytearray(data)
                    data[flip] ^= 1
                if seen[left] > at.get("cut", seen[left]):
                    peer[source].sendall(data[:at["cut"] - begin])
                    return
                if seen[left] > at.get("stall", seen[left]):
                    peer[source].sendall(data[:at["stall"] - begin])
                    threading.Event().wait()
            elif seen[right] > at.get("cut-reply", seen[right]):
                peer[source].sendall(data[:at["cut-reply"] - begin])
                return
            peer[source].sendall(data)


def serve(left, port, harm, at):
    try:
        with socket.create_connection(("127.0.0.1", port)) as right:
            pass_on(left, right, harm, at)
    except OSError:
        pass  # one end went away, and now the other one does
    left.close()


def main():
    if len(sys.argv) < 2 or len(sys.argv) % 2:
        sys.exit(__doc__)
    harm = Harm(sys.argv[2:])
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    at = harm.at
    while True:
        left, _ = listener.accept()
        threading.Thread(target=serve, daemon=True,
                         args=(left, int(sys.argv[1]), harm, at)).start()
        at = {}


main()
