#!/usr/bin/env python3
"""Run a command on a terminal of its own, as a user would.

at_terminal.py [EXPECT SEND]... -- [--job] COMMAND...

Waits for each text EXPECT (a regular expression, looked for after the last
one) on the terminal, then types SEND, in which \\t, \\x03 and the like stand
for keys, or, as !COMMAND, what a shell command prints.  The command's standard
input is empty, its standard output and error are ours.  What the terminal
showed is printed at the end.  Exits with the command's status, or with 120 if
the terminal was left in another mode than before.

--job: the command is the job of a shell, which says "[stopped]" when ^Z has
stopped it, and continues it in the foreground; 120 also for the mode of the
terminal then.
"""
import fcntl
import os
import pty
import re
import select
import signal
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


def shell(command):
    """The shell's part; does not return."""
    tty = os.open("/dev/tty", os.O_RDWR)
    before, mine, status = termios.tcgetattr(tty), os.getpgrp(), None
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(tty, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execvp(command[0], command)
    while status is None or os.WIFSTOPPED(status):
        status = os.waitpid(job, os.WUNTRACED)[1]
        os.tcsetpgrp(tty, mine)
        if termios.tcgetattr(tty) != before:
            os.kill(job, signal.SIGKILL)
            sys.exit(120)
        if os.WIFSTOPPED(status):
            os.write(tty, b"\n[stopped]\n")
            os.tcsetpgrp(tty, job)
            os.killpg(job, signal.SIGCONT)
    status = os.waitstatus_to_exitcode(status)
    sys.exit(status if status >= 0 else 128 - status)


def main():
    if sys.argv[1] == "--shell":
        shell(sys.argv[2:])
    split = sys.argv.index("--")
    script, command = sys.argv[1:split], sys.argv[split + 1:]
    if command[0] == "--job":
        command = [sys.executable, __file__, "--shell"] + command[1:]
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
