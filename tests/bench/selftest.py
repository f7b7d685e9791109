"""Does the benchmark itself tell the truth?  Run by tests/bats/bench.bats.

usage: selftest.py HELPERS [TEST]...
"""

import os
import sys
import time
import types
import unittest
from pathlib import Path
from xml.etree import ElementTree

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import chart  # noqa: E402
import report  # noqa: E402
from data import Store  # noqa: E402
from harness import (Bench, Failed, Job, Loopback, Result, Side, Wan,  # noqa
                     same, transfer)
from race import Lane, Race  # noqa: E402
from rows import FERRY, MIB, NC, Entry, Mark, Row  # noqa: E402
from tools import BareLoop, shell  # noqa: E402

HELPERS = Path(sys.argv.pop(1)).resolve()


class Loser(BareLoop):
    """Says that all is well, and the last byte is missing."""

    def server(self, job):
        return shell('"$1" recv "$2" "$3" && truncate -s -1 "$3"',
                     job.bench.helper("bareloop"), job.port,
                     job.dst / job.src.name)


class Quitter(BareLoop):
    def client(self, job):
        return shell("echo 'no wish to' >&2; exit 3")


def race_of(bench, tools):
    options = types.SimpleNamespace(quick=False, rounds=3, max_foreign=100,
                                    cpus=os.cpu_count())
    row = Row("test", "", "random", (MIB, MIB), Loopback,
              lambda ferry: [Entry(t) for t in tools], (Mark((NC,), 0.9),))
    return Race(bench, Store(bench), row, options, [None])


class SelfTest(unittest.TestCase):
    def setUp(self):
        self.bench = Bench(HELPERS, os.environ.get("TMPDIR", "/tmp"))
        self.addCleanup(self.bench.leave)

    def side(self, text, *args):
        return Side(self.bench, shell(text, *args), ())

    def test_descendants_count(self):
        """CPU time and end of a process that outlives the command."""
        busy = "(for ((i = 0; i < 300000; i++)); do :; done) & exit 7"
        used = self.side(busy).finish()
        self.assertEqual(used.status, 7)
        self.assertGreater(used.all_end, used.main_end)
        self.assertGreater(used.cpu, 0.02)

    def test_peak_memory(self):
        used = self.side("head -c 50M /dev/zero | tail -n 1").finish()
        self.assertGreater(used.peak_kib, 50 * 1024)

    def test_stop_ends_descendants(self):
        side = self.side("sleep 1000 & echo both; sleep 1000; exit 1")
        while side.last_words() != "both":
            time.sleep(0.01)
        side.stop()
        side.finish(30)
        self.assertFalse(side.running())

    def test_lost_data_is_marked(self):
        race = race_of(self.bench, [BareLoop(FERRY), Loser(NC)])
        race.run(lambda text: None)
        good, bad = race.lanes
        self.assertEqual((good.lost_data, good.error), (0, ""))
        self.assertGreaterEqual(bad.lost_data, 4)
        text = report.race_report([race], 3)
        self.assertIn("LOST DATA", text)
        self.assertNotIn("nc ≤", text)

    def test_failure_is_told(self):
        race = race_of(self.bench, [Quitter(FERRY)])
        race.run(lambda text: None)
        self.assertIn("exit 3: no wish to", race.lanes[0].error)

    def test_spoilt_runs_give_no_ratio(self):
        race = race_of(self.bench, [BareLoop(FERRY), BareLoop(NC)])
        ferry, peer = race.lanes
        for _ in range(3):
            self.assertTrue(race.accept(ferry, Result(1.0, 1.0)))
            self.assertFalse(race.accept(peer, Result(1.0, 1.0, lost_ms=500)))
        self.assertEqual((peer.runs, peer.by_host), ([], 3))
        text = report.race_report([race], 3)
        self.assertIn("nc ≤ 0.90: not judged", text)

    def test_verdicts(self):
        for wall, word in ((0.9, "yes"), (0.91, "**NO**")):
            lanes = {FERRY: Lane(Entry(BareLoop(FERRY)), [Result(wall)] * 3),
                     NC: Lane(Entry(BareLoop(NC)), [Result(1.0)] * 3)}
            self.assertIn(word, report.wall_mark(Mark((NC,), 0.9), lanes))

    def test_chart(self):
        """The fastest has the longest bar; the others' are in proportion."""
        race = race_of(self.bench, [BareLoop(FERRY), BareLoop(NC),
                                    BareLoop("a < b"), BareLoop("none")])
        for lane, wall in zip(race.lanes, (0.5, 2.0, 0.25)):
            lane.runs = [Result(wall)] * 3
        race.lanes[3].error = "exit 1"
        svg = ElementTree.fromstring(chart.of_races([race], 3))
        space = "{http://www.w3.org/2000/svg}"
        bars = {}
        for group in svg.iter(space + "g"):
            texts = [t.text for t in group.findall(space + "text")]
            rect = group.find(space + "rect")
            if len(texts) == 2:
                bars[texts[0]] = (texts[1], rect is not None and
                                  float(rect.get("width")))
        self.assertEqual(bars, {
            "a < b": ("0.25 s, 0.50 ×", chart.BAR),
            FERRY: ("0.50 s", chart.BAR / 2),
            NC: ("2.00 s, 4.00 ×", chart.BAR / 8),
            "none": ("failed", False)})

    def over_wan(self, size, **options):
        """Counters of the line, and how long a bare loop took over it."""
        try:
            place = Wan(self.bench, **options)
        except Failed as e:
            self.skipTest(str(e))
        src = Store(self.bench).get("random", size)
        dst = self.bench.tmp / "dst"
        dst.mkdir()
        result = transfer(BareLoop("x"), Job(self.bench, src, dst, place))
        self.assertTrue(same(src, dst / src.name))
        return place.close(), result.wall

    def test_wan_delays(self):
        lanes, wall = self.over_wan(12 * 1024, delay_us=100_000, mark=4096)
        self.assertGreater(wall, 0.4)   # the handshake's trip, and the data's
        trip = lanes["ab"]["mark_ns"] - lanes["ab"]["first_ns"]
        self.assertGreater(trip, 200_000_000)
        self.assertEqual(lanes["ab"]["payload"], 12 * 1024)

    def test_wan_limits_the_rate(self):
        wall = self.over_wan(MIB, rate=20_000_000)[1]
        self.assertGreater(wall, 0.41)  # MIB * 8 / rate, and headers

    def test_wan_loses(self):
        lanes = self.over_wan(2 * MIB, loss_ppm=20_000)[0]
        self.assertGreater(lanes["ab"]["lost"], 0)
        self.assertGreater(lanes["ab"]["payload"], 2 * MIB)


if __name__ == "__main__":
    unittest.main()
