"""What does not depend on the machine's mood, counted on both sides.

System calls and instructions are slopes: the difference between a large and
a small transfer, so that what each program does once does not count.
"""

import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import Callable

from data import bytes_in
from harness import Failed, Job, Loopback, Wan, same, transfer
from report import number, order, table, verdict
from rows import (FERRY, MIB, RSYNCD, SMALL, again_tools, key_tools,
                  mirror_tools, plain_tools, small_tools, sparse_tools)

REPEATS = 3     # of what is not exactly the same each time
RTT_US = 400_000    # large against all that a tool computes
RTT_FILE = 12 * 1024    # fits into TCP's first window, and more than
RTT_MARK = 10 * 1024    # this, which no handshake sends


@dataclass
class Mark:
    """At most `at_most`, or that times what the tool `of` has."""
    at_most: float
    of: str = ""


@dataclass
class Count:
    """A row of the table: measure(meter, tool, count) for each tool."""
    name: str           # for --only
    title: str
    tools: Callable     # from rows.py
    measure: Callable
    data: str = ""
    small: int = 0      # amounts: bytes or files
    large: int = 0
    unit: int = 1       # of the amounts: what the result is given for
    scale: int = 1      # of the result
    marks: dict = field(default_factory=dict)   # by label: Mark


class Meter:
    """Runs tools, with something in between; remembers calls by name."""

    def __init__(self, bench, store):
        self.bench = bench
        self.store = store
        self.calls = {}     # by (title, label): slopes by (side, name)

    def once(self, tool, place, data, amount,
             wrap=lambda argv, side: argv, look=same):
        """One transfer, compared."""
        src = self.store.get(data, amount)
        dst = self.bench.tmp / "dst"
        dst.mkdir()
        self.store.lay(data, src, dst)
        try:
            result = transfer(tool, Job(self.bench, src, dst, place), wrap)
            if not look(src, dst / src.name):
                raise Failed("LOST DATA")
            return result
        finally:
            shutil.rmtree(dst)
            self.bench.clean_round()


# ---- system calls -----------------------------------------------------------

SIDES = ("send", "recv")
CALLS = re.compile(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", re.M)
TOTALS = re.compile(r"^totals: (\d+)", re.M)


def strace(meter, tool, data, amount):
    """Calls by (side, name)."""
    out = meter.bench.tmp / "strace"

    def wrap(argv, side):
        return ["strace", "-f", "-qq", "-c", "-o", f"{out}.{side}", *argv]

    meter.once(tool, Loopback(meter.bench), data, amount, wrap)
    calls = Counter()
    for side in SIDES:
        text = (meter.bench.tmp / f"strace.{side}").read_text("ascii")
        for count, name in CALLS.findall(text):
            if name != "total":
                calls[side, name] += int(count)
    return calls


def calls_per_unit(meter, tool, count):
    """The median of some slopes."""
    slopes = []
    units = (count.large - count.small) / count.unit
    for _ in range(REPEATS):
        calls = strace(meter, tool, count.data, count.large)
        calls.subtract(strace(meter, tool, count.data, count.small))
        slopes.append({k: v / units for k, v in calls.items()})
    slopes.sort(key=lambda s: sum(s.values()))
    median = slopes[len(slopes) // 2]
    meter.calls[count.title, tool.label] = median
    return sum(median.values())


def call_words(slope, side):
    names = sorted(((v, name) for (s, name), v in slope.items()
                    if s == side and v >= 0.05), reverse=True)
    return ", ".join(f"{name} {number(v)}" for v, name in names[:8])


# ---- instructions -----------------------------------------------------------

def callgrind(meter, tool, data, amount):
    """Instructions in user space, all processes of both sides."""
    out = meter.bench.tmp / "callgrind"
    out.mkdir()

    def wrap(argv, side):
        return ["valgrind", "-q", "--tool=callgrind", "--trace-children=yes",
                f"--callgrind-out-file={out}/{side}.%p", *argv]

    try:
        meter.once(tool, Loopback(meter.bench), data, amount, wrap)
        return sum(int(n) for path in out.iterdir() for n in TOTALS.findall(
            path.read_text("utf-8", "replace")))
    finally:
        shutil.rmtree(out)


def instructions_per_unit(meter, tool, count):
    if "sshd" in tool.needs:
        return None     # does not run under valgrind
    more = callgrind(meter, tool, count.data, count.large)
    less = callgrind(meter, tool, count.data, count.small)
    return ((more - less) / ((count.large - count.small) / count.unit) /
            count.scale)


# ---- the line ---------------------------------------------------------------

def wire_ratio(meter, tool, count):
    """Bytes of IP packets, both ways, per 1,000 of content; MTU 1500."""
    place = Wan(meter.bench)
    try:
        meter.once(tool, place, count.data, count.large)
    finally:
        lanes = place.close()
    size = bytes_in(meter.store.get(count.data, count.large))
    return (lanes["ab"]["bytes"] + lanes["ba"]["bytes"]) / size * 1000


def wire_per_file(meter, tool, count):
    """The same, for each file that is there already."""
    return wire_ratio(meter, tool, count) * SMALL / 1000


def trips(meter, tool):
    """(until file data was on the wire, until the client ended), in round
    trips since the first packet."""
    place = Wan(meter.bench, delay_us=RTT_US // 2, mark=RTT_MARK)
    try:
        result = meter.once(tool, place, "random", RTT_FILE)
    finally:
        lanes = place.close()
    begin = min(lanes[lane]["first_ns"] for lane in ("ab", "ba"))
    return ((lanes["ab"]["mark_ns"] - begin) / 1e3 / RTT_US,
            (result.done_at * 1e9 - begin) / 1e3 / RTT_US)


def trips_to_first(meter, tool, _count):
    return max(0, trips(meter, tool)[0] - 1)   # TCP's handshake is one


def trips_to_last(meter, tool, _count):
    return trips(meter, tool)[1]


def disk_ratio(meter, tool, count):
    """Bytes on the disk of what arrived, per 1,000 of content."""
    sizes = []

    def look(src, dst):
        sizes.append(bytes_in(dst))
        return same(src, dst)

    meter.once(tool, Loopback(meter.bench), count.data, count.large, look=look)
    size = bytes_in(meter.store.get(count.data, count.large))
    return sizes[0] / size * 1000


# ---- the table --------------------------------------------------------------

BULK = {"data": "random", "unit": MIB}
TREE = {"data": "tree", "small": 400, "large": 1200}
AGAIN = {"data": "again", "small": 2000, "large": 6000}
SPARSE = {"data": "sparse", "small": 40, "large": 200}
CALL_SIZES = {"small": 32 * MIB, "large": 96 * MIB}
CODE_SIZES = {"small": 8 * MIB, "large": 24 * MIB}

COUNTS = (
    Count("calls-plain",
          "system calls per MiB, plain", plain_tools, calls_per_unit,
          **BULK, **CALL_SIZES, marks={FERRY: Mark(12)}),
    Count("calls-key",
          "system calls per MiB, encrypted", key_tools, calls_per_unit,
          **BULK, **CALL_SIZES),
    Count("calls-small",
          "system calls per 4 KiB file", small_tools, calls_per_unit,
          **TREE, marks={FERRY: Mark(11)}),
    Count("calls-sparse",
          "system calls per 4 KiB block, 1 in each 5 MiB of holes",
          sparse_tools, calls_per_unit, **SPARSE, marks={FERRY: Mark(14)}),
    Count("calls-again",
          "system calls per file that is there unchanged, -a", again_tools,
          calls_per_unit, **AGAIN),
    Count("code-plain",
          "million instructions per MiB, plain", plain_tools,
          instructions_per_unit, **BULK, **CODE_SIZES, scale=1_000_000,
          marks={FERRY: Mark(0.25, RSYNCD)}),
    Count("code-key",
          "million instructions per MiB, encrypted", key_tools,
          instructions_per_unit, **BULK, **CODE_SIZES, scale=1_000_000),
    Count("code-small",
          "thousand instructions per 4 KiB file", small_tools,
          instructions_per_unit, **TREE, scale=1000),
    Count("code-again",
          "thousand instructions per file that is there unchanged, -a",
          again_tools, instructions_per_unit, **AGAIN, scale=1000),
    Count("wire-plain",
          "bytes on the wire per 1,000, plain", plain_tools, wire_ratio,
          **BULK, large=16 * MIB),
    Count("wire-key",
          "bytes on the wire per 1,000, encrypted", key_tools, wire_ratio,
          **BULK, large=16 * MIB),
    Count("wire-small",
          "bytes on the wire per 1,000, 4 KiB files", small_tools, wire_ratio,
          **TREE),
    Count("wire-sparse",
          "bytes on the wire per 1,000, 4 KiB blocks in holes", sparse_tools,
          wire_ratio, **SPARSE, marks={FERRY: Mark(1200)}),
    Count("wire-again",
          "bytes on the wire per file that is there unchanged, -a",
          again_tools, wire_per_file, data="again", large=20_000,
          marks={FERRY: Mark(1.0, RSYNCD)}),
    Count("wire-mirror",
          "the same with 10 files changed, 5 new, 5 gone, --mirror",
          mirror_tools, wire_per_file, data="again-edited", large=20_000,
          marks={FERRY: Mark(1.0, RSYNCD)}),
    Count("disk-sparse",
          "bytes on the disk per 1,000, 4 KiB blocks in holes", sparse_tools,
          disk_ratio, **SPARSE, marks={FERRY: Mark(1.0, RSYNCD)}),
    Count("first-plain",
          "round trips until file data is on the wire, plain", plain_tools,
          trips_to_first, marks={FERRY: Mark(1)}),
    Count("first-key",
          "round trips until file data is on the wire, encrypted", key_tools,
          trips_to_first, marks={FERRY: Mark(2)}),
    Count("last-plain",
          "round trips until the client ends, plain", plain_tools,
          trips_to_last),
    Count("last-key",
          "round trips until the client ends, encrypted", key_tools,
          trips_to_last),
)


def measure(meter, tool, count):
    """A number, None where it makes no sense, or words that say why not."""
    missing = tool.missing()
    if missing:
        return "not installed: " + ", ".join(missing)
    try:
        return count.measure(meter, tool, count)
    except Failed as e:
        return f"failed: {e}"


def cell(value):
    if value is None:
        return "–"
    return value if isinstance(value, str) else number(value)


def judge(count, values):
    for label, mark in count.marks.items():
        found, limit = values.get(label), mark.at_most
        if mark.of:
            other = values.get(mark.of)
            if not isinstance(other, float) or not isinstance(found, float):
                found = None
            else:
                found /= other
        of = f"{mark.of} × " if mark.of else ""
        if not isinstance(found, (int, float)):
            yield f"≤ {of}{number(limit)}: not judged"
        else:
            # Half a tenth is what the clock may add to a round trip.
            met = found <= limit + (0.05 if "trips" in count.title else 0)
            yield verdict(f"≤ {of}{number(limit)}: {number(found)}", met)


def run(bench, store, options, makers, say):
    meter = Meter(bench, store)
    found = []
    for count in COUNTS:
        if options.only and count.name not in options.only:
            continue
        tools = {e.tool.label: e.tool for maker in makers
                 for e in count.tools(maker)}
        values = {}
        for label, tool in tools.items():
            say(f"{count.title}: {label}")
            values[label] = measure(meter, tool, count)
        found.append((count, values))
    columns = order({label for _, values in found for label in values})
    rows = [[count.title, *(cell(values[c]) if c in values else ""
                            for c in columns),
             "<br>".join(judge(count, values))] for count, values in found]
    print(table(["both sides together", *columns, "mark of ferry; met?"],
                rows))
    if not meter.calls:
        return
    print("\nWhich system calls these are, a MiB or a file:\n")
    print(table(["", "tool", "sender", "receiver"],
                [[title, label, *(call_words(slope, s) for s in SIDES)]
                 for (title, label), slope in meter.calls.items()]))
