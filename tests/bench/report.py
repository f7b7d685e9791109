"""Markdown tables of what was measured, and whether the marks are met."""

from rows import BARE, COLUMNS, FERRY, MIB, PEAK_MIB, SMALL

FEWEST = 3      # runs for a median to be printed


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def number(x):
    """Three digits that count, two below one."""
    if abs(x) >= 100:
        return f"{x:.0f}"
    if abs(x) >= 1:
        return f"{x:.{3 - len(str(int(abs(x))))}f}"
    return f"{x:.2f}" if abs(x) >= 0.1 else f"{x:.3f}"


def verdict(text, met):
    return f"{text} {'yes' if met else '**NO**'}"


def clean(lane):
    return bool(lane and not lane.error and not lane.lost_data
                and len(lane.runs) >= min(FEWEST, lane.entry.rounds))


def cell(lane, ferry):
    """Wall time, ferry's ratio to it, CPU time, peak memory."""
    if not lane:
        return ""
    if lane.error:
        return "failed: " + lane.error
    if lane.lost_data:
        return f"**LOST DATA**, {lane.lost_data} times"
    if not clean(lane):
        return f"{len(lane.runs)} clean runs, {lane.spoilt} spoilt"
    text = f"{number(lane.wall())} s"
    if lane is not ferry and clean(ferry):
        text += f" ({number(ferry.wall() / lane.wall())})"
    if lane.entry.share == 1:
        text += f"; {number(lane.median('cpu'))} s CPU"
    else:
        text += f" from 1/{lane.entry.share}"
    send, recv = (lane.median(s) / 1024 for s in ("send_kib", "recv_kib"))
    return text + f"; {send:.0f}/{recv:.0f} MiB"


def wall_mark(mark, lanes):
    """A tool that lost data is not compared with."""
    ferry = lanes.get(mark.of)
    rivals = [lanes[a] for a in mark.against
              if a in lanes and not lanes[a].lost_data]
    names = " / ".join(x.entry.tool.label for x in rivals)
    best = "best of " if len(rivals) > 1 else ""
    judged = f"{mark.of} of " if mark.of != FERRY else ""
    words = f"{judged}{best}{names} ≤ {number(mark.at_most)}"
    if not rivals or not all(map(clean, [ferry, *rivals])):
        return f"{words}: not judged"
    found = ferry.wall() / min(x.wall() for x in rivals)
    return verdict(f"{words}: {number(found)}", found <= mark.at_most)


def link_mark(race, lanes):
    if race.row.link and clean(lanes.get(FERRY)):
        rate, least = race.row.link
        share = race.amount * 8 / lanes[FERRY].wall() / rate
        yield verdict(f"link used ≥ {least:.0%}: {share:.0%}", share >= least)


def cpu_mark(most, lanes):
    peers = [x for label, x in lanes.items() if clean(x)
             and x.entry.share == 1 and not label.startswith("ferry")
             and label != BARE]
    ferry = lanes.get(FERRY)
    if not peers or not clean(ferry):
        return
    fastest = min(peers, key=lambda x: x.wall())
    found = ferry.median("cpu") / fastest.median("cpu")
    yield verdict(f"CPU of {fastest.entry.tool.label} ≤ {most}: "
                  f"{number(found)}", found <= most)


def peak_mark(lanes):
    ferry = lanes.get(FERRY)
    if clean(ferry):
        peak = max(max(r.send_kib, r.recv_kib) for r in ferry.runs) / 1024
        yield verdict(f"peak ≤ {PEAK_MIB} MiB: {peak:.0f}", peak <= PEAK_MIB)


def amount_words(race):
    if race.row.data in ("tree", "flat", "again", "again-edited"):
        return f"{race.amount:,} × {SMALL // 1024} KiB"
    return f"{race.amount // MIB} MiB"


def race_row(race, columns):
    lanes = {x.entry.tool.label: x for x in race.lanes}
    cells = [cell(lanes.get(c), lanes.get(FERRY)) for c in columns]
    marks = [*(wall_mark(m, lanes) for m in race.row.marks),
             *link_mark(race, lanes), *cpu_mark(race.row.cpu, lanes),
             *peak_mark(lanes)]
    return [f"{race.row.name}: {race.row.title} ({amount_words(race)})",
            *cells, "<br>".join(marks)]


def order(labels):
    """Columns: those of the first ferry, of the others, then the peers."""
    own = [c for c in COLUMNS if c.startswith(FERRY)]
    others = sorted(set(labels) - set(COLUMNS))
    peers = [c for c in COLUMNS if c not in own]
    return [c for c in own + others + peers if c in labels]


def spoilt_words(races):
    parts = [f"{race.row.name}, {x.entry.tool.label}: "
             f"{x.by_host} + {x.by_others}"
             for race in races for x in race.lanes if x.spoilt]
    if not parts:
        return "No run was spoilt."
    return ("Runs thrown away and repeated because the host took the CPU "
            "away + because others used much of this machine: "
            + "; ".join(parts) + ".")


def short_words(races, rounds):
    """A machine that is busy with other things may leave no time."""
    short = [race.row.name for race in races if any(
        not x.error and len(x.runs) < min(rounds, x.entry.rounds)
        for x in race.lanes)]
    return (f"Fewer than {rounds} clean runs: " + ", ".join(short) + "."
            if short else "")


def race_report(races, rounds):
    columns = order({x.entry.tool.label for race in races
                     for x in race.lanes})
    head = ["workload", *columns, "marks, ferry against; met?"]
    return "\n\n".join([
        table(head, [race_row(race, columns) for race in races]),
        f"Medians of {rounds} interleaved rounds: wall time (in brackets "
        "ferry's as a multiple of it), CPU time of both sides, peak memory "
        "of the largest process of sender/receiver. "
        "Times \"from 1/n\" were measured with that part of the bytes and "
        "multiplied, which flatters them on a lossy line. " +
        spoilt_words(races) + " " + short_words(races, rounds)])
