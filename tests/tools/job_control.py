#!/usr/bin/env python3
"""Run a command as a job of a shell on a terminal, and report what it drew.

job_control.py foreground|background COMMAND...

The job begins there; then, as after ^Z and "bg" or after "&", it is in the
background for two seconds; then in the foreground, as after "fg", until it
ends.
Prints what was written to the terminal in each of these times.
"""
import os
import pty
import re
import select
import signal
import sys
import time

PROGRESS = re.compile(rb"[0-9]%")


def shell(begin, command, orders):
    """The shell's part: leads the session, and moves the job at each order."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    mine = os.getpgrp()
    job = os.fork()
    if job == 0:
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.setpgid(0, 0)
        while begin == "foreground" and os.tcgetpgrp(0) != os.getpid():
            time.sleep(0.01)
        os.execvp(command[0], command)
    try:
        os.setpgid(job, job)
    except PermissionError:
        pass  # it has done so, and begun
    if begin == "foreground":
        os.tcsetpgrp(0, job)
    while True:
        order = os.read(orders, 1)
        if order == b"b":  # ^Z, bg
            os.kill(-job, signal.SIGTSTP)
            os.waitpid(job, os.WUNTRACED)
            os.tcsetpgrp(0, mine)
            os.kill(-job, signal.SIGCONT)
        elif order == b"f":  # fg
            os.tcsetpgrp(0, job)
            os.kill(-job, signal.SIGCONT)
        else:
            break
    status = os.waitstatus_to_exitcode(os.waitpid(job, 0)[1])
    os.tcsetpgrp(0, mine)
    # a copy of the parent: what that has not printed yet is not its own
    os._exit(status if status >= 0 else 1)  # pylint: disable=protected-access


def read_for(fd, seconds, until=None):
    """What was written within seconds, or until a pattern was."""
    data, end = b"", time.monotonic() + seconds
    while not (until and until.search(data)):
        left = end - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            break
        try:
            data += os.read(fd, 4096)
        except OSError:
            break  # that is how a terminal ends
    return data


def tell(when, data):
    what = "progress" if PROGRESS.search(data) else "nothing"
    print(f"{when}: {what}")
    print(f"  {data[-200:]!r}")


def main():
    begin, command = sys.argv[1], sys.argv[2:]
    orders, order = os.pipe()
    pid, fd = pty.fork()
    if pid == 0:
        shell(begin, command, orders)
    if begin == "foreground":
        tell("in the foreground", read_for(fd, 30, PROGRESS))
        os.write(order, b"b")
        read_for(fd, 0.5)  # what was drawn before it was stopped
    tell("in the background", read_for(fd, 2))
    os.write(order, b"f")
    tell("in the foreground again", read_for(fd, 30, PROGRESS))
    os.write(order, b"e")
    rest = read_for(fd, 60, re.compile(rb"1 sent"))
    print("at the end:", "sent" if b"1 sent" in rest else repr(rest))
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


main()
