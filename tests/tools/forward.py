#!/usr/bin/env python3
"""A proxy between a sender and a receiver on this host.

forward.py PORT [WHAT VALUE]...   listen on a free port, which is printed, and
                                  pass every connection on to PORT; end by a
                                  signal

record PREFIX   append what all connections say to PREFIX.sent, PREFIX.replies
flip N          invert a bit of byte N of the first connection's sender,
                counted from 0
cut N           after N bytes of the first connection's sender, close both ends
stall N         after N bytes of the first connection's sender, pass nothing on
                any more
cut-reply N     after N bytes of the first connection's receiver, close both
                ends
rule RULE       any other rule of tests/lib/proxy.py
"""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))
from lib.proxy import Proxy  # noqa: E402 (needs the path)

RULES = {"flip": "up@conn:1:{}=flip", "cut": "up@conn:1:{}=close",
         "stall": "up@conn:1:{}=dead", "cut-reply": "down@conn:1:{}=close",
         "rule": "{}"}


class Recorder:
    def __init__(self, prefix):
        self.files = {way: open(f"{prefix}.{name}", "wb", buffering=0)
                      for way, name in (("up", "sent"), ("down", "replies"))}

    def __call__(self, way, data):
        self.files[way].write(data)


def main():
    if len(sys.argv) < 2 or len(sys.argv) % 2:
        sys.exit(__doc__)
    rules, tap = [], None
    for what, value in zip(sys.argv[2::2], sys.argv[3::2]):
        if what == "record":
            tap = Recorder(value)
        elif what in RULES:
            rules.append(RULES[what].format(value))
        else:
            sys.exit(f"forward.py: {what}?")
    signals = (signal.SIGTERM, signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    proxy = Proxy(int(sys.argv[1]), rules, tap=tap).start()
    print(proxy.port, flush=True)
    signal.sigwait(signals)
    proxy.stop()


main()
