#!/usr/bin/env python3
"""Run the examples of ferry(1) as they stand, one host being both sides.

run-examples.py MANUAL SECTION...

Everything in a literal display is run by bash in the current directory: after
a prompt, a command and the lines that continue it; without any prompt, the
whole as a script.  Each has to end with status 0 within a minute.  What ferry
says there is compared with what it says here, but for addresses and codes.  A
receiver goes on until another one begins; where nothing listens, the first one
that had a directory and a key begins again.  A sender that asks for a code
gets that of the receiver.

To be run where port 9473, /etc/hosts and the directories of the examples
belong to the test (examples.bats).
"""
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))
from lib.limits import scaled  # noqa: E402 (needs the path)

AT_TERMINAL = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                           "at_terminal.py")
LIMIT_S = scaled(60)
PORT = 9473
# What is different each time: addresses, codes and progress are not compared.
SAME = re.compile(r"ferry: (receiving into |TCP port )")


def fail(text):
    sys.exit(f"run-examples.py: {text}")


def displays(path, sections):
    """Yields (subsection, lines) of each literal display of these sections."""
    section = sub = ""
    lines = None
    with open(path, encoding="utf-8") as manual:
        for line in manual.read().splitlines():
            if line.startswith(".Sh "):
                section, sub = line[4:], ""
            elif line.startswith(".Ss "):
                sub = line[4:]
            elif line.startswith(".Bd -literal"):
                lines = []
            elif line == ".Ed" and lines is not None:
                if section in sections:
                    yield sub, lines
                lines = None
            elif lines is not None:
                lines.append(line.replace("\\e", "\\").replace("\\-", "-")
                             .replace("\\&", "").replace("\\(ti", "~"))


def commands(lines):
    """Yields (command, what it says) of a display."""
    if not any(line[:2] in ("$ ", "# ") for line in lines):
        yield "\n".join(lines), []
        return
    command, said, goes_on = None, [], False
    for line in lines:
        if goes_on:
            command += "\n" + line
        elif line[:2] in ("$ ", "# "):
            if command:
                yield command, said
            command, said = line[2:], []
        else:
            said.append(line)
            continue
        goes_on = line.endswith(("\\", "|"))
    yield command, said


def is_listening():
    found = False
    for name in "tcp", "tcp6":
        with open(f"/proc/net/{name}", encoding="ascii") as table:
            found |= any(f":{PORT:04X} " in line and " 0A " in line
                         for line in table)
    return found


def wait_for(condition, what):
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            fail(f"{what}: not within {LIMIT_S} s")
        time.sleep(0.02)


class Host:
    """Both hosts of the examples."""

    def __init__(self):
        self.receiver = self.standing = None
        self.said = "receiver.messages"

    def end_receiver(self):
        if self.receiver and self.receiver.poll() is None:
            os.killpg(self.receiver.pid, signal.SIGTERM)
            self.receiver.wait(LIMIT_S)
        self.receiver = None
        wait_for(lambda: not is_listening(), "the end of a receiver")

    def receive(self, command):
        self.end_receiver()
        with open(self.said, "wb") as said:
            self.receiver = subprocess.Popen(
                ["bash", "-c", command], stdin=subprocess.DEVNULL, stderr=said,
                start_new_session=True)
        wait_for(lambda: is_listening() or self.receiver.poll() is not None,
                 command)
        if self.receiver.poll() is not None:
            fail(f"{command}: {self.messages()}")
        if "--key" in command and "--stdout" not in command:
            self.standing = self.standing or command

    def messages(self):
        with open(self.said, encoding="utf-8") as said:
            return said.read()

    def check_said(self, command, expected):
        for line in filter(SAME.match, expected):
            wait_for(lambda line=line: line in self.messages().splitlines(),
                     f"{command}: {line!r}")

    def run(self, command):
        argv = ["bash", "-o", "pipefail", "-c", command]
        if "ferry send" in command and ":/" not in command:
            if not is_listening():
                self.receive(self.standing)
            code = re.search(r"one-time code: +(\S+)", self.messages())
            if code:
                argv = [sys.executable, AT_TERMINAL,
                        "The code that ferry receive shows on .*: ",
                        code[1] + "\\n", "--"] + argv
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE, timeout=LIMIT_S,
                              stderr=subprocess.STDOUT)
        if done.returncode:
            fail(f"{command}: status {done.returncode}: "
                 f"{done.stdout.decode(errors='replace')}{self.messages()}")
        return done.stdout.decode()


def pinned(host, command, pins):
    """The examples with abbreviated digests, and of b what a does as well."""
    if "openssl dgst" in command:
        for name in "a", "b":
            pins[name] = host.run(command.replace("b.", f"{name}.")).split()[0]
        return None
    if "openssl req" in command:
        host.run(command.replace("b.", "a.").replace("CN=b", "CN=a"))
    for other in re.findall(r"--cert (\w)\.pem .*--pin", command, re.S):
        command = re.sub(r"sha256:[0-9a-f]{5}\.\.\.",
                         "sha256:" + pins["b" if other == "a" else "a"],
                         command)
    return command


def main(path, *sections):
    host, pins, count = Host(), {}, 0
    for sub, lines in displays(path, sections):
        for command, said in commands(lines):
            count += 1
            print(f"[{sub}] {command}", flush=True)
            if sub == "Pinned keys":
                command = pinned(host, command, pins)
            if command and "ferry receive" in command:
                host.receive(command)
                host.check_said(command, said)
            elif command:
                host.run(command)
    host.end_receiver()
    print(f"{count} examples")
    if count == 0:
        fail("no examples")


main(*sys.argv[1:])
