"""Rows of the race: interleaved rounds, spoilt ones thrown away."""

import shutil
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from data import bytes_in
from harness import Failed, Job, cpu_of, machine_busy, same, transfer

# A run is spoilt when the host took this much of it away ...
LOST_MS = 8
LOST_SHARE = 0.03
# ... or others used more than --max-foreign of the machine.
TRIES = 3       # for each run


@dataclass
class Lane:
    """One tool's results in a row."""
    entry: Any              # an Entry of rows.py
    runs: list = field(default_factory=list)
    by_host: int = 0        # runs spoilt by the host
    by_others: int = 0      # ... by other processes
    error: str = ""
    lost_data: int = 0

    @property
    def spoilt(self):
        return self.by_host + self.by_others

    def median(self, what):
        return statistics.median(getattr(r, what) for r in self.runs)

    def wall(self):
        return self.median("wall") * self.entry.share


class Race:
    def __init__(self, bench, store, row, options, ferries):
        self.bench = bench
        self.store = store
        self.row = row
        self.options = options
        self.amount = row.amount[1 if options.quick else 0]
        # Each ferry makes all entries; no peer is taken twice.
        entries = {e.tool.label: e for make_ferry in ferries
                   for e in row.tools(make_ferry)}
        self.lanes = [Lane(e) for e in entries.values()]

    def run_once(self, lane, place):
        """One transfer into an empty directory, its result compared."""
        row = self.row
        src = self.store.get(row.data, self.amount // lane.entry.share)
        root = (self.bench.disk if row.on_disk else self.bench.tmp) / "dst"
        root.mkdir()
        dst = root
        if row.data == "flat":      # the files themselves arrive
            dst = root / src.name
            dst.mkdir()
        self.store.lay(row.data, src, dst)
        try:
            self.bench.warm(bytes_in(src) * 2)
            job = Job(self.bench, src, dst, place)
            self.bench.clockwatch.lost_ms()
            start = time.monotonic()
            busy, line = machine_busy(), cpu_of(place.line_pid)
            result = transfer(lane.entry.tool, job)
            took = time.monotonic() - start
            result.lost_ms = self.bench.clockwatch.lost_ms()
            others = (machine_busy() - busy - result.cpu -
                      (cpu_of(place.line_pid) - line))
            result.foreign = max(0, others) / (took * self.options.cpus)
            if not same(src, root / src.name):
                lane.lost_data += 1
            return result
        finally:
            shutil.rmtree(root)
            self.bench.clean_round()

    def accept(self, lane, result):
        """Keep a run, unless it was spoilt."""
        most_ms = max(LOST_MS, LOST_SHARE * 1000 * result.wall)
        if result.lost_ms > most_ms:
            lane.by_host += 1
        elif result.foreign > self.options.max_foreign / 100:
            lane.by_others += 1
        else:
            lane.runs.append(result)
            return True
        return False

    def round(self, place, warm_up, deadline):
        for lane in self.lanes:
            if time.monotonic() > deadline:
                break
            if lane.error or len(lane.runs) >= lane.entry.rounds:
                continue
            for _ in range(1 if warm_up else TRIES):
                try:
                    result = self.run_once(lane, place)
                except Failed as e:
                    lane.error = str(e)
                    break
                if warm_up:
                    break
                if self.accept(lane, result):
                    break

    def run(self, say, seconds=float("inf")):
        """All rounds, or as many as begin within so many seconds."""
        deadline = time.monotonic() + seconds
        for lane in self.lanes:
            missing = lane.entry.tool.missing()
            if missing:
                lane.error = "not installed: " + ", ".join(missing)
        try:
            place = self.row.place(self.bench)
        except Failed as e:
            for lane in self.lanes:
                lane.error = lane.error or str(e)
            return self
        try:
            for number in range(self.options.rounds + 1):
                say(f"{self.row.name}: " + (
                    f"round {number} of {self.options.rounds}" if number
                    else "warm-up"))
                self.round(place, not number, deadline)
        finally:
            place.close()
        return self
