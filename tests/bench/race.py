"""Rows of the race: interleaved rounds, spoilt ones thrown away."""

import shutil
import statistics
import time
from dataclasses import dataclass, field

from data import bytes_in
from harness import Failed, Job, cpu_of, machine_busy, same, transfer

# A run is spoilt when the host took this much of it away ...
LOST_MS = 8
LOST_SHARE = 0.03
# ... or others used more than --max-foreign of the machine.
TRIES = 4       # for each run


@dataclass
class Lane:
    """One tool's results in a row."""
    entry: object
    runs: list = field(default_factory=list)
    spoilt: int = 0
    error: str = ""
    lost_data: bool = False

    def median(self, what):
        return statistics.median(getattr(r, what) for r in self.runs)

    def wall(self):
        return self.median("wall") * self.entry.share


def spoilt(result, max_foreign):
    return (result.lost_ms > max(LOST_MS, LOST_SHARE * 1000 * result.wall)
            or result.foreign > max_foreign)


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
                lane.lost_data = True
            return result
        finally:
            shutil.rmtree(root)
            self.bench.clean_round()

    def round(self, place, warm_up):
        for lane in self.lanes:
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
                if not spoilt(result, self.options.max_foreign / 100):
                    lane.runs.append(result)
                    break
                lane.spoilt += 1

    def run(self, say):
        for lane in self.lanes:
            missing = lane.entry.tool.missing()
            if missing:
                lane.error = "not installed: " + ", ".join(missing)
        place = self.row.place(self.bench)
        try:
            for number in range(self.options.rounds + 1):
                say(f"{self.row.name}: " + (
                    f"round {number} of {self.options.rounds}" if number
                    else "warm-up"))
                self.round(place, not number)
        finally:
            place.close()
        return self
