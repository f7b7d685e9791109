#!/usr/bin/env python3
"""Replay the recorded bytes of a peer.

replay.py send PORT FILE     as a sender to a receiver on this host
replay.py receive FILE       as a receiver of one connection; prints its port

The bytes of FILE are sent as fast as they are accepted; meanwhile and then all
replies are read, until end of file or until nothing comes for 5 s.
Prints how many bytes came.
"""
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))
from lib.limits import scaled  # noqa: E402 (needs the path)


def say(sock, path):
    with open(path, "rb") as f:
        data = f.read()
    try:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it hung up, which is for the caller to judge


def talk(sock, path):
    sock.settimeout(scaled(5))
    threading.Thread(target=say, args=(sock, path), daemon=True).start()
    count = 0
    try:
        while data := sock.recv(65536):
            count += len(data)
    except OSError:
        pass
    print("came", count, flush=True)


def main():
    if sys.argv[1] == "send":
        sock = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
        talk(sock, sys.argv[3])
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        listener.settimeout(scaled(60))
        talk(listener.accept()[0], sys.argv[2])


main()
