"""A free TCP port, for a listener that starts later, or starts again."""
import random
import socket


def candidates():
    """Ports outside of the kernel's ephemeral range: one of that range may be
    given to another test, which asks for any port, before the listener starts
    or between two of them."""
    with open("/proc/sys/net/ipv4/ip_local_port_range",
              encoding="ascii") as file:
        first, last = map(int, file.read().split())
    ports = [*range(10000, first), *range(last + 1, 65536)]
    return ports or range(10000, 65536)  # all are of the range


def free_port():
    ports = candidates()
    while True:
        port = random.choice(ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
