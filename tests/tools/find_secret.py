#!/usr/bin/env python3
"""Look for a secret in files.

find_secret.py SECRET FILE...   SECRET: a key file of ferry keygen, a private
                                key (PEM, P-256) or a file with a code
find_secret.py SECRET --memory PID   look into the memory of a process that may
                                     be swapped out, that is not locked

The secret is looked for as bytes, as hex and as base64, a shared key also as
the PSK derived from it.  Prints where it was found, and how many files were
read;
exits 1 if it was found, 2 if there was nothing to look at.
"""
import base64
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))
from lib.keys import PSK_LABEL, hkdf  # noqa: E402 (needs the path)


def secrets(path):
    """(what it is, bytes) of all that must not be seen."""
    with open(path, "rb") as f:
        text = f.read().strip()
    if text.startswith(b"-----BEGIN"):
        der = subprocess.run(
            ["openssl", "ec", "-in", path, "-outform", "DER"], check=True,
            capture_output=True).stdout
        for line in text.splitlines()[1:-1]:
            yield "the private key's file", line[:40], False
        yield "the private key", der[7:39], True
    elif text.startswith(b"ferry"):
        key = bytes.fromhex(text.rsplit(b":", 1)[1].decode())
        assert len(key) == 32
        yield "the key", key, True
        yield "the key of TLS", hkdf(key, PSK_LABEL, 32), True
    else:
        yield "the code", text, False


def forms(value):
    """As bytes, in hex, and in base64 wherever it begins in three bytes."""
    yield "", value
    yield ", hex", value.hex().encode()
    yield ", upper hex", value.hex().upper().encode()
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + value)
        # the first digits hold other bits as well, and so do the last
        yield ", base64", text[(8 * shift + 5) // 6:-4]


def memory(pid):
    """(where, bytes) of all that can be written and is not locked."""
    maps, where = [], []
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as f:
        for line in f:
            words = line.split()
            if not words[0].endswith(":"):
                where = [int(n, 16) for n in words[0].split("-")] + words[1:2]
            elif words[0] == "VmFlags:":
                if "lo" not in words and where[2].startswith("rw"):
                    maps.append(where[:2])
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as f:
        for start, end in maps:
            data = b""
            f.seek(start)
            try:
                while start + len(data) < end:
                    part = f.read(end - start - len(data))
                    if not part:
                        break
                    data += part
            except OSError:
                pass
            yield f"{start:x}-{end:x}", data


def contents(tops):
    if tops[0] == "--memory":
        yield from memory(tops[1])
        return
    for top in tops:
        paths = [os.path.join(here, name) for here, _, names in os.walk(top)
                 for name in names] if os.path.isdir(top) else [top]
        for path in paths:
            with open(path, "rb") as f:
                yield path, f.read()


def main():
    wanted = []
    for name, value, is_binary in secrets(sys.argv[1]):
        wanted += ([(name + how, v) for how, v in forms(value)] if is_binary
                   else [(name, value)])
    looked = found = 0
    for path, data in contents(sys.argv[2:]):
        looked += bool(data)
        for name, value in wanted:
            if value in data:
                found += 1
                print(f"{path} holds {name}")
    print(f"{looked} files")
    sys.exit(2 if not looked else found > 0)


main()
