#!/usr/bin/env python3
"""Type a line and Tab into an interactive zsh that completes ferry.

tab.py DIR LINE EXPECT - DIR has the completion.  Exits with 0 as soon as the
terminal shows what EXPECT, a regular expression, matches; else prints what it
showed and exits with 1.
"""
import os
import pty
import re
import select
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))
from lib.limits import scaled  # noqa: E402 (needs the path)

LIMIT_S = scaled(30)
READY = "ready-to-type"


def shows(terminal, expect):
    """Returns "" or, where it does not come, what the terminal showed."""
    shown, end = "", time.monotonic() + LIMIT_S
    while select.select([terminal], [], [],
                        max(0, end - time.monotonic()))[0]:
        try:
            shown += os.read(terminal, 4096).decode(errors="replace")
        except OSError:
            break
        if re.search(expect, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)):
            return ""
    return shown or "nothing"


def main():
    directory, line, expect = sys.argv[1], sys.argv[2], sys.argv[3]
    config = tempfile.mkdtemp()
    with open(os.path.join(config, ".zshrc"), "w", encoding="utf-8") as f:
        f.write(f"PS1={READY[:5]}''{READY[5:]}' '\n"
                f"fpath=({directory} $fpath)\n"
                "autoload -U compinit && compinit -u -D\n"
                "LISTMAX=0\n")
    env = dict(os.environ, ZDOTDIR=config, TERM="xterm", LINES="60",
               COLUMNS="150")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("zsh", ["zsh", "-i"], env)
    try:
        shown = shows(terminal, READY)
        if not shown:
            os.write(terminal, line.encode() + b"\t")
            shown = shows(terminal, expect)
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
        shutil.rmtree(config, ignore_errors=True)
    if shown:
        print(shown)
    return 1 if shown else 0


sys.exit(main())
