#!/usr/bin/env python3
"""Print a free TCP port, for a listener that comes later, or comes again.

It is none that the kernel gives to those who ask for any port, as other tests
do at the same time: between two listeners one of them would get it.
"""
import random
import socket


def free_port():
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        first, last = map(int, file.read().split())
    while True:
        port = random.randrange(10000, 65536)
        if first <= port <= last:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


if __name__ == "__main__":
    print(free_port())
