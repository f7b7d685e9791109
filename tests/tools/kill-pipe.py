#!/usr/bin/env python3
"""kill-pipe.py SIGNAL GAP_MS WHAT FERRY OPTION... - run "ferry send --json
OPTION..." with its standard input from a pipe.  WHAT is a number of zero
bytes, or a file.  Once the session has begun (with -n: once a file was listed)
and they are in the pipe, end the writer by the signal, and GAP_MS milliseconds
later ferry; with GAP_MS -1 signal both at once, as a process group.

Prints ferry's exit status, 128 + N if a signal ended it; or "late" if this
busy machine made the gap too long to mean anything."""
import os
import signal
import subprocess
import sys
import time

LATE_S = 0.06

number = getattr(signal, sys.argv[1])
gap_s = int(sys.argv[2]) / 1000
what = sys.argv[3]
ferry, *options = sys.argv[4:]
write = 'head -c "$1" /dev/zero' if what.isdigit() else 'cat "$1"'

# A group of its own, without this script, which has no threads.
# pylint: disable=subprocess-popen-preexec-fn
writer = subprocess.Popen(
    ["sh", "-c", f"{write}; exec sleep 100", "sh", what],
    stdout=subprocess.PIPE, preexec_fn=lambda: os.setpgid(0, 0))
events, theirs = os.pipe()
sender = subprocess.Popen(
    [ferry, "send", f"--json={theirs}", *options], stdin=writer.stdout,
    pass_fds=[theirs], preexec_fn=lambda: os.setpgid(0, writer.pid))
writer.stdout.close()
os.close(theirs)
events = open(events, encoding="utf-8")
for line in events:
    if '"event":"session"' in line or '"planned"' in line:
        break
time.sleep(0.05)
began = time.monotonic()
if gap_s < 0:
    os.killpg(writer.pid, number)
else:
    os.kill(writer.pid, number)
    time.sleep(gap_s)
    os.kill(sender.pid, number)
took = time.monotonic() - began
events.read()
code = sender.wait()
writer.kill()
writer.wait()
print("late" if took > LATE_S else code if code >= 0 else 128 - code)
