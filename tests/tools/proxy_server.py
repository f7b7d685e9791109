#!/usr/bin/env python3
"""A proxy on this host, honest or not, with the standard library alone.

proxy_server.py socks5|http [USER:PASSWORD]   connect as asked; with USER, only
                                              for who gives these
proxy_server.py raw TEXT                      answer whatever comes with TEXT
                                              (escapes as in Python), then wait
proxy_server.py endless TEXT                  TEXT again and again

Prints its port, then a line for each connection that was asked for, or for raw
and endless "connected"; ends by a signal.
"""
import base64
import os
import signal
import socket
import struct
import sys
import threading

KIND = sys.argv[1]
GIVEN = sys.argv[2] if len(sys.argv) > 2 else ""


def exactly(s, n):
    data = b""
    while len(data) < n:
        piece = s.recv(n - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def copy(a, b):
    try:
        while True:
            data = a.recv(65536)
            if not data:
                break
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def pass_on(s, host, port, good, bad):
    print(f"{host} {port}", flush=True)
    try:
        other = socket.create_connection((host, port), 10)
    except OSError:
        s.sendall(bad)
        return
    other.settimeout(None)
    s.sendall(good)
    back = threading.Thread(target=copy, args=(other, s), daemon=True)
    back.start()
    copy(s, other)
    back.join()
    other.close()


def socks5(s):
    _, n = exactly(s, 2)
    methods = exactly(s, n)
    wanted = 2 if GIVEN else 0
    if wanted not in methods:
        s.sendall(b"\5\xff")
        return
    s.sendall(bytes([5, wanted]))
    if wanted:
        exactly(s, 1)
        user = exactly(s, exactly(s, 1)[0])
        password = exactly(s, exactly(s, 1)[0])
        good = user + b":" + password == GIVEN.encode()
        s.sendall(b"\1\0" if good else b"\1\1")
        if not good:
            return
    kind = exactly(s, 4)[3]
    if kind == 3:
        host = exactly(s, exactly(s, 1)[0]).decode()
    else:
        host = socket.inet_ntop(socket.AF_INET if kind == 1 else
                                socket.AF_INET6,
                                exactly(s, 4 if kind == 1 else 16))
    port = struct.unpack(">H", exactly(s, 2))[0]
    # the address that it connects from may have any of the three forms
    pass_on(s, host, port, b"\5\0\0\3\4name\0\1", b"\5\5\0\1\0\0\0\0\0\0")


def http(s):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(s, 1)
    lines = head.decode().split("\r\n")
    place = lines[0].split()[1]
    if GIVEN:
        coded = base64.b64encode(GIVEN.encode()).decode()
        if f"Proxy-Authorization: Basic {coded}" not in lines:
            s.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                      b"Proxy-Authenticate: Basic\r\n\r\n")
            return
    host, port = place.rsplit(":", 1)
    pass_on(s, host.strip("[]"), int(port),
            b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n",
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")


def raw(s):
    text = GIVEN.encode().decode("unicode_escape").encode("latin-1")
    s.recv(1)
    print("connected", flush=True)
    s.sendall(text)
    while KIND == "endless":
        s.sendall(text)
    while s.recv(65536):
        pass


def serve(s):
    try:
        {"socks5": socks5, "http": http}.get(KIND, raw)(s)
    except (EOFError, OSError):
        pass
    s.close()


def main():
    signals = (signal.SIGTERM, signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def accept():
        while True:
            s = listener.accept()[0]
            threading.Thread(target=serve, args=(s,), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    signal.sigwait(signals)
    # threads that wait for a connection are not waited for
    os._exit(0)  # pylint: disable=protected-access


main()
