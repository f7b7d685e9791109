"""Markdown tables of what was measured, and whether the marks are met."""

from rows import (BARE, COLUMNS, CPU_FACTOR, FERRY, FERRY_J1, FERRY_RAW, MIB,
                  PEAK_MIB, SMALL)

FEWEST = 3      # runs for a median to be printed


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def number(x, digits=3):
    """Three digits that count, never an exponent."""
    if x >= 100:
        return f"{x:.0f}"
    return f"{x:.{digits - len(str(int(x)))}f}" if x >= 1 else f"{x:.2g}"


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
        return "**LOST DATA**"
    if not clean(lane):
        return f"spoilt {lane.spoilt} times"
    text = f"{number(lane.wall())} s"
    if lane is not ferry and clean(ferry):
        text += f" ({number(ferry.wall() / lane.wall())})"
    if lane.entry.share == 1:
        text += f"; {number(lane.median('cpu'))} s CPU"
    else:
        text += f" from 1/{lane.entry.share}"
    send, recv = (lane.median(s) / 1024 for s in ("send_kib", "recv_kib"))
    return text + f"; {send:.0f}/{recv:.0f} MiB"


def ratio(ferry, lanes):
    """ferry's wall time to the best of lanes; None if one is missing."""
    if not clean(ferry) or not lanes or not all(map(clean, lanes)):
        return None
    return ferry.wall() / min(x.wall() for x in lanes)


def mark_words(mark, row):
    names = " / ".join(mark.against)
    best = "best of " if len(mark.against) > 1 else ""
    return f"{best}{names} ≤ {number(mark.at_most)}"


def wall_marks(race, lanes):
    for mark in race.row.marks:
        found = ratio(lanes.get(FERRY),
                      [lanes[a] for a in mark.against if a in lanes])
        words = mark_words(mark, race.row)
        if found is None:
            yield f"{words}: not judged"
        else:
            yield verdict(f"{words}: {number(found)}", found <= mark.at_most)


def link_mark(race, lanes):
    if race.row.link and clean(lanes.get(FERRY)):
        rate, least = race.row.link
        share = race.amount * 8 / lanes[FERRY].wall() / rate
        yield verdict(f"link used ≥ {least:.0%}: {share:.0%}", share >= least)


def cpu_mark(lanes):
    peers = [x for label, x in lanes.items() if clean(x)
             and x.entry.share == 1 and not label.startswith("ferry")
             and label != BARE]
    ferry = lanes.get(FERRY)
    if not peers or not clean(ferry):
        return
    fastest = min(peers, key=lambda x: x.wall())
    found = ferry.median("cpu") / fastest.median("cpu")
    yield verdict(f"CPU of {fastest.entry.tool.label} ≤ {CPU_FACTOR}: "
                  f"{number(found)}", found <= CPU_FACTOR)


def peak_mark(lanes):
    ferry = lanes.get(FERRY)
    if clean(ferry):
        peak = max(max(r.send_kib, r.recv_kib) for r in ferry.runs) / 1024
        yield verdict(f"peak ≤ {PEAK_MIB} MiB: {peak:.0f}", peak <= PEAK_MIB)


def amount_words(race):
    if race.row.data in ("tree", "flat"):
        return f"{race.amount:,} × {SMALL // 1024} KiB"
    return f"{race.amount // MIB} MiB"


def race_row(race, columns):
    lanes = {x.entry.tool.label: x for x in race.lanes}
    cells = [cell(lanes.get(c), lanes.get(FERRY)) for c in columns]
    marks = [*wall_marks(race, lanes), *link_mark(race, lanes),
             *cpu_mark(lanes), *peak_mark(lanes)]
    return [f"{race.row.name}: {race.row.title} ({amount_words(race)})",
            *cells, "<br>".join(marks)]


def columns_of(races):
    used = {x.entry.tool.label for race in races for x in race.lanes}
    extra = sorted(used - set(COLUMNS))
    ferries = [c for c in (FERRY, FERRY_J1, FERRY_RAW) if c in used]
    return ferries + extra + [c for c in COLUMNS
                              if c in used and c not in ferries]


def spoilt_words(races):
    parts = [f"{race.row.name} {x.entry.tool.label}: {x.spoilt}"
             for race in races for x in race.lanes if x.spoilt]
    if not parts:
        return "No run was spoilt."
    return ("Spoilt runs (the host took the CPU away, or others used this "
            "machine), thrown away and repeated: " + ", ".join(parts) + ".")


def race_report(races, rounds):
    columns = columns_of(races)
    head = ["workload", *columns, "marks, ferry against; met?"]
    return "\n\n".join([
        table(head, [race_row(race, columns) for race in races]),
        f"Medians of {rounds} interleaved rounds: wall time (in brackets "
        "ferry's as a multiple of it), CPU time of both sides, peak memory "
        "of the largest process of sender/receiver. "
        "Times \"from 1/n\" were measured with that part of the bytes and "
        "multiplied. " + spoilt_words(races)])
