#!/usr/bin/env python3
"""Run a program on a terminal, and report what its progress line did there.

terminal.py COLUMNS COMMAND...   exits with the program's status; prints the
                                 greatest number of progress lines that stood
                                 on the screen at once, the width of the widest
                                 and whether one is left at the end

The screen is that of a minimal terminal: printable characters, newline and
carriage return, with wrapping, and unless TERM is dumb or missing the sequence
that erases the rest of a line; anything else is an error.
"""
import fcntl
import os
import pty
import re
import struct
import sys
import termios

LINE = re.compile(r"^ *[0-9]+% ")


class Screen:
    def __init__(self, width):
        self.width, self.lines, self.column = width, [""], 0
        self.sequence = ""
        self.knows_any = os.environ.get("TERM", "dumb") not in ("", "dumb")

    def put(self, char):
        if self.knows_any and (self.sequence or char == "\x1b"):
            self.sequence += char
            if self.sequence == "\x1b[K":
                self.lines[-1] = self.lines[-1][:self.column]
                self.sequence = ""
            elif not "\x1b[K".startswith(self.sequence):
                sys.exit(f"terminal.py: {self.sequence!r} was written")
        elif char == "\r":
            self.column = 0
        elif char == "\n":
            self.lines.append("")
        elif " " <= char <= "~":
            if self.column == self.width:
                self.lines.append("")
                self.column = 0
            line = self.lines[-1].ljust(self.column)
            self.lines[-1] = line[:self.column] + char + line[self.column + 1:]
            self.column += 1
        else:
            sys.exit(f"terminal.py: {char!r} was written")

    def progress(self):
        return [line for line in self.lines if LINE.match(line)]


def main():
    width = int(sys.argv[1])
    child, fd = pty.fork()
    if child == 0:
        fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("4H", 24, width, 0, 0))
        os.execvp(sys.argv[2], sys.argv[2:])
    screen, most, widest = Screen(width), 0, 0
    while True:
        try:
            data = os.read(fd, 4096)
        except OSError:
            break  # that is how a terminal ends
        if not data:
            break
        for char in data.decode():
            screen.put(char)
            lines = screen.progress()
            most = max(most, len(lines))
            widest = max([widest] + [len(line.rstrip()) for line in lines])
    print(f"progress lines on the screen at once: {most}")
    print(f"widest: {widest}")
    if screen.progress():
        print("at the end: progress is left")
    print("\n".join(screen.lines))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.exit(code if code >= 0 else 128 - code)


main()
