#!/usr/bin/env python3
"""Print a free TCP port (see tests/lib/ports.py)."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))
from lib.ports import free_port  # noqa: E402 (needs the path)

print(free_port())
