"""How time and memory grow with bytes and with files; and very large ones.

Time has to grow with the amount, memory not at all.
"""

import os
import shutil
import time
from pathlib import Path

from data import small_files
from harness import Failed, Job, Loopback, transfer
from race import Race
from report import clean, number, table, verdict
from rows import (FERRY, MIB, PEAK_MIB, Entry, Row, again_tools,
                  mirror_tools)

# What grows: the kind of data, amounts in full and --quick, what is counted.
GROWTH = (
    ("bytes", "random", (4 * MIB, 40 * MIB, 400 * MIB),
     (MIB, 10 * MIB, 100 * MIB), MIB, "MiB"),
    ("files", "tree", (200, 2_000, 20_000), (50, 500, 5_000), 1, "files"),
)
LINEAR = 1.2    # a unit of the largest amount against one of the middle
HUGE_FILES = 1_000_000
HUGE_BYTES = 1 << 40
HUGE_MARKS = (0, 1 << 39, HUGE_BYTES - MIB)     # where a MiB of data is


def growing(ferry):
    return [Entry(ferry(FERRY))]


def grow(bench, store, options, makers, say, data, amounts):
    """A race for each amount: only ferries take part."""
    races = []
    for amount in amounts:
        row = Row(f"growth {amount}", "", data, (amount, amount), Loopback,
                  growing, ())
        races.append(Race(bench, store, row, options, makers).run(say))
    return races


def growth_row(title, label, lanes, amounts, unit, words):
    cells, per_unit = [], []
    for lane, amount in zip(lanes, amounts):
        if not clean(lane):
            cells.append(lane.error or f"spoilt: {lane.spoilt} runs")
            continue
        per_unit.append(lane.wall() / (amount / unit))
        peaks = (lane.median(s) / 1024 for s in ("send_kib", "recv_kib"))
        cells.append(f"{amount // unit:,} {words}: {number(lane.wall())} s, "
                     f"{per_unit[-1] * 1e6:.0f} µs each; "
                     + "/".join(f"{p:.0f}" for p in peaks) + " MiB")
    judged = "not judged"
    if len(per_unit) == len(amounts):
        found = per_unit[-1] / per_unit[-2]
        judged = verdict(f"largest / middle, each ≤ {LINEAR}: "
                         f"{number(found)}", found <= LINEAR)
    return [title, label, *cells, judged]


def run(bench, store, options, makers, say):
    rows = []
    for title, data, full, quick, unit, words in GROWTH:
        amounts = quick if options.quick else full
        races = grow(bench, store, options, makers, say, data, amounts)
        for i, lane in enumerate(races[0].lanes):
            rows.append(growth_row(title, lane.entry.tool.label,
                                   [r.lanes[i] for r in races], amounts,
                                   unit, words))
    print(table(["growth of", "tool", "1x", "10x", "100x", "met?"], rows))


# ---- very large -------------------------------------------------------------

def sparse_file(path):
    with open(path, "wb") as f:
        f.truncate(HUGE_BYTES)
        for mark in HUGE_MARKS:
            f.seek(mark)
            f.write(os.urandom(MIB))


def same_sparse(src, dst):
    """Size, the data, and holes for all else: all but a TiB is not read."""
    if (dst.stat().st_size != HUGE_BYTES
            or dst.stat().st_blocks * 512 > 2 * MIB * len(HUGE_MARKS)):
        return False
    with open(src, "rb") as a, open(dst, "rb") as b:
        for mark in HUGE_MARKS:
            a.seek(mark)
            b.seek(mark)
            if a.read(MIB) != b.read(MIB):
                return False
    return True


def same_tree(src, dst):
    """As many files, with the same bytes."""
    count = 0
    for path in src.rglob("*"):
        if path.is_file():
            other = dst / path.relative_to(src)
            if not other.is_file() or other.read_bytes() != path.read_bytes():
                return False
            count += 1
    return count == sum(1 for p in dst.rglob("*") if p.is_file())


def huge(bench, tool, src, dst, compare):
    try:
        result = transfer(tool, Job(bench, src, dst, Loopback(bench)))
        if not compare(src, dst / src.name):
            raise Failed("LOST DATA")
        peak = max(result.send_kib, result.recv_kib) / 1024
        return [f"{number(result.wall)} s", f"{number(result.cpu)} s",
                f"{result.send_kib / 1024:.0f}/{result.recv_kib / 1024:.0f}",
                verdict(f"≤ {PEAK_MIB} MiB: {peak:.0f}", peak <= PEAK_MIB)]
    except Failed as e:
        return ["failed: " + str(e), "", "", "not judged"]
    finally:
        bench.clean_round()


def run_huge(bench, makers, say):
    """By hand: takes minutes, and some GiB of memory for the files."""
    rows = []
    again_kinds = (("again, nothing changed, -a", again_tools),
                   ("again, nothing changed, --mirror", mirror_tools))
    kinds = (("a sparse file of 1 TiB", sparse_file, same_sparse),
             (f"{HUGE_FILES:,} files of 16 bytes",
              lambda path: small_files(path, HUGE_FILES, 1000, 16),
              same_tree))
    for title, make, compare in kinds:
        src = Path(bench.tmp) / "huge"
        say(f"making {title}")
        make(src)
        for maker in makers:
            dst = bench.tmp / "dst"
            dst.mkdir()
            again = [(f"{title}, {words}", e.tool)
                     for words, tools in again_kinds
                     for e in tools(maker)] if src.is_dir() else []
            for what, tool in [(title, maker(FERRY)), *again]:
                start = time.monotonic()
                rows.append([what, tool.label,
                             *huge(bench, tool, src, dst, compare)])
                say(f"{what}: {time.monotonic() - start:.0f} s")
            shutil.rmtree(dst)
        if src.is_dir():
            shutil.rmtree(src)
        else:
            src.unlink()
    print(table(["", "tool", "wall", "CPU", "peak MiB, send/recv", "met?"],
                rows))
