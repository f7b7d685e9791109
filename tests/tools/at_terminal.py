#!/usr/bin/env python3
"""Run a command on a terminal of its own, as a user would.

at_terminal.py [EXPECT SEND]... -- COMMAND...

Waits for each text EXPECT (a regular expression, looked for after the last
one) on the terminal, then types SEND, in which \\t, \\x03 and the like stand
for keys, or, as !COMMAND, what a shell command prints.  The command's standard input is empty, its standard output and
error are ours.  What the terminal showed is printed at the end.  Exits with
the command's status, or with 120 if the terminal was left in another mode than
before.
"""
import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))
from lib.limits import scaled  # noqa: E402 (needs the path)

LIMIT_S = scaled(60)


def read_until(master, shown, at, expect):
    """Returns where the text ends; or None where the terminal went silent."""
    end = time.monotonic() + LIMIT_S
    while True:
        found = re.search(expect.encode(), shown[at:], re.S)
        if found:
            return at + found.end()
        if not select.select([master], [], [], end - time.monotonic())[0]:
            return None
        try:
            shown += os.read(master, 4096)
        except OSError:
            return None


def main():
    split = sys.argv.index("--")
    script, command = sys.argv[1:split], sys.argv[split + 1:]
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)

    def own_terminal():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    # there is one thread
    child = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
        command, stdin=subprocess.DEVNULL, preexec_fn=own_terminal)
    shown, at = bytearray(), 0
    for expect, keys in zip(script[::2], script[1::2]):
        at = read_until(master, shown, at, expect)
        if at is None:
            child.kill()
            sys.exit(f"at_terminal.py: no {expect!r} in {bytes(shown)!r}")
        if keys.startswith("!"):
            typed = subprocess.check_output(keys[1:], shell=True)
        else:
            typed = keys.encode().decode("unicode_escape").encode()
        os.write(master, typed)
    status = child.wait(LIMIT_S)
    while select.select([master], [], [], 0)[0]:
        try:
            shown += os.read(master, 4096)
        except OSError:
            break
    sys.stdout.write(shown.decode())
    sys.stdout.flush()
    if termios.tcgetattr(slave) != before:
        sys.exit(120)
    sys.exit(status if status >= 0 else 128 - status)


main()
