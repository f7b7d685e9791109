#!/usr/bin/env python3
"""hostile_remote.py WHAT NAME... - what --ssh starts in place of ssh: a ferry
remote that was told to send, and sends what it likes.

WHAT: "files", files of these names; "large", a file in chunks of the first
one; "link", a symlink of that name; "notes", that these names could not be
sent; "direct", where it listens for direct streams: at the port and address
that are the first two names, or with a third one, twice; then a file of the
last name, and the end once there is a file "go"; "listed", in a dry run: that
it has files of these names; "sent", in a dry run: the files.
Every other argument, from -T on, is ssh's and ignored.
"""
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
# pylint: disable=wrong-import-position
from lib.peer import Channel, Closed  # noqa: E402
from lib.wire import (DIRECT, DRY_RUN, FEATURES, LISTS,  # noqa: E402
                      SYMLINK, UNSENT, list_of, listed_row, message, pack,
                      row)


def answer(channel):
    """Read the order, and say that the session begins."""
    head = channel.take(32)
    size, = struct.unpack(">I", head[12:16])
    channel.take(size)
    channel.send(b"Welcome!\nferry-remote:" + head[16:].hex().encode()
                 + b"\n\0\1\0\0\0\0\0\2\0\0")


def content(what, names):
    if what == "listed":
        return list_of([listed_row(n, size=4) for n in names])
    if what in ("files", "sent"):
        return pack([row(content=b"evil", name=n) for n in names],
                    b"evil" * len(names))
    if what == "link":
        return pack([row(SYMLINK, name=names[0], target=b"target")])
    if what == "large":
        return message("OPEN", name=names[0], size=9 << 20)
    if what == "direct":
        port, address, *more, last = names
        host = socket.inet_pton(socket.AF_INET, os.fsdecode(address))
        where = message("DIRECT", port=int(port),
                        addresses=bytes(10) + b"\xff\xff" + host
                        if int(port) else b"")
        return where * (1 + len(more)) + content("files", [last])
    return b"".join(message("NOTE", kind=1, name=n, cause=4) for n in names)


def main():
    what = sys.argv[1]
    end = sys.argv.index("-T")
    names = [os.fsencode(n) for n in sys.argv[2:end]]
    channel = Channel(socket.socket(fileno=0), 20)
    try:
        answer(channel)
        channel.send(message("HELLO", streams=16, features=FEATURES | UNSENT
                             | (DIRECT if what == "direct" else 0)
                             | (LISTS | DRY_RUN if what in ("listed", "sent")
                                else 0)))
        channel.until("READY")
        channel.send(content(what, names), message("FLUSH"))
        if what == "notes":
            channel.send(message("FINISH"))
        while True:
            m = channel.recv()
            if m["message"] == "VERDICT":
                while what == "direct" and not os.path.exists("go"):
                    time.sleep(0.02)
                channel.send(message("FINISH"))
            if m["message"] in ("SUMMARY", "ERROR"):
                break
    except Closed:
        pass


main()
