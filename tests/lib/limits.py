"""Limits of time, scaled to the machine, and what a machine may lack."""
import functools
import os
import subprocess

# How many times slower this machine is than a quiet one: scripts/slowness.
SLOWNESS = int(os.environ.get("FERRY_TEST_SLOWNESS") or 1)
CAN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools/can")


def scaled(seconds):
    return seconds * SLOWNESS


@functools.cache
def can(what):
    """Whether a test can have that here: a name of tests/tools/can."""
    code = subprocess.run([CAN, what], check=False).returncode
    if code > 1:
        raise ValueError(f"tests/tools/can knows no {what}")
    return code == 0


class Skip(Exception):
    """This case cannot be run here, and why."""


def need_for(*names):
    for name in names:
        if not can(name):
            raise Skip(f"needs {name}")
