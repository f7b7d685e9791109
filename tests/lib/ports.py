"""A free TCP port, for a listener that starts later, or starts again."""
import random
import socket


def free_port():
    """A port outside of the kernel's ephemeral range: between two listeners
    of a test nobody else gets it who asks for any port, as other tests do."""
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
