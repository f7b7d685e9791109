#!/usr/bin/env python3
"""Type a line and Tab into an interactive shell that completes ferry.

tab.py SHELL DIR LINE EXPECT - SHELL is bash or zsh; DIR has the completions.
Where LINE contains Tab, none is added.  Exits with 0 as soon as the terminal
shows what EXPECT, a regular expression, matches; else prints what it showed
and exits with 1.
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
BASH = f"""PS1={READY[:5]}''{READY[5:]}' '
bind 'set enable-bracketed-paste off'
source %s/ferry.bash
"""
ZSH = f"""PS1={READY[:5]}''{READY[5:]}' '
fpath=(%s $fpath)
autoload -U compinit && compinit -u -D
LISTMAX=0
"""


def shows(terminal, expect):
    """Returns "" or, where it does not come, what the terminal showed."""
    shown, end = "", time.monotonic() + LIMIT_S
    while select.select([terminal], [], [],
                        max(0, end - time.monotonic()))[0]:
        try:
            shown += os.read(terminal, 4096).decode(errors="replace")
        except OSError:
            break
        if re.search(expect, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\a", "", shown)):
            return ""
    return shown or "nothing"


def start(shell, directory, config):
    """Becomes the shell, which reads a file in the directory config."""
    name = os.path.join(config, ".zshrc" if shell == "zsh" else "bashrc")
    with open(name, "w", encoding="utf-8") as f:
        f.write((ZSH if shell == "zsh" else BASH) % directory)
    env = dict(os.environ, ZDOTDIR=config, TERM="xterm", LINES="60",
               COLUMNS="150")
    words = {"zsh": ["zsh", "-i"],
             "bash": ["bash", "--noprofile", "--rcfile", name, "-i"]}[shell]
    os.execvpe(words[0], words, env)


def main():
    shell, directory, line, expect = sys.argv[1:5]
    config = tempfile.mkdtemp()
    pid, terminal = pty.fork()
    if pid == 0:
        start(shell, directory, config)
    try:
        shown = shows(terminal, READY)
        if not shown:
            line += "" if "\t" in line else "\t"
            os.write(terminal, line.encode())
            shown = shows(terminal, expect)
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
        shutil.rmtree(config, ignore_errors=True)
    if shown:
        print(shown)
    return 1 if shown else 0


sys.exit(main())
