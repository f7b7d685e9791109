"""An SVG of what was measured: for each row, how fast each tool is.

A bar is a tool's speed, so the longest is the fastest; behind it are its time
and how many times ferry's that is.  The colours follow the reader's preference
for light or dark, and have a background of their own for viewers that do not
know it.
"""

from html import escape

from report import amount_words, clean, number
from rows import BARE, FERRY

# Rows whose titles are too long, or say "the same", which another column may
# separate from it.
TITLES = {
    "ssh-fetch": "1 incompressible file, fetched by ssh",
    "ssh-small-fetch": "many files of 4 KiB, fetched by ssh",
    "ssh-one": "a file of 4 KiB at a time, by ssh",
    "ssh-one-fetch": "a file of 4 KiB at a time, fetched by ssh",
    "ssh-again": "many files again, unchanged, ssh, 100 ms",
    "thin": "1 compressible file over 200 Mbit/s",
    "small-batch": "many files of 4 KiB, flushed to disk",
    "wan": "1 incompressible file, 500 Mbit/s, 100 ms, loss",
    "wan-small": "many files of 4 KiB, 500 Mbit/s, 100 ms, loss",
    "again": "many files again, unchanged, -a",
    "again-wan": "many files again, unchanged, -a, 100 ms",
    "again-mirror": "many files again, 20 changed, --mirror",
    "delta-append": "1 file again, 5 % appended",
    "delta-insert": "1 file again, 1,000 bytes inserted in front",
    "delta-tar": "a tar again, 2 % of its files grew",
    "delta-other": "1 file again, with nothing in common",
}
COLUMNS = 2
WIDTH = 460             # of a column
LABEL, BAR = 110, 200   # of a tool's name and of the longest bar
LINE, HEAD, GAP = 17, 22, 16
TOP = 64

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.back { fill: #ffffff; stroke: #d0d7de }
.title { font-weight: 600 }
.note { fill: #57606a }
.peer { fill: #b1bac4 }
.bare { fill: none; stroke: #8c959f; stroke-dasharray: 3 2 }
.ferry { fill: #0969da }
.mine { font-weight: 600 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.back { fill: #0d1117; stroke: #30363d }
.note { fill: #9198a1 }
.peer { fill: #484f58 }
.bare { stroke: #768390 }
.ferry { fill: #2f81f7 }
}"""


def is_ferry(label):
    return label.startswith("ferry")


def bars_of(race):
    """(label, seconds or None, what is wrong), the fastest first."""
    bars = []
    for lane in race.lanes:
        wrong = ("failed" if lane.error else "lost data" if lane.lost_data
                 else "" if clean(lane) else None)
        if wrong is not None:
            bars.append((lane.entry.tool.label,
                         None if wrong else lane.wall(), wrong))
    return sorted(bars, key=lambda b: (b[1] is None, b[1]))


def tool_bar(label, seconds, wrong, best, ferry):
    """A tool's line, without its place."""
    kind = ("bare" if label == BARE else "ferry" if is_ferry(label)
            else "peer")
    mine = ' class="mine"' if is_ferry(label) else ""
    out = [f'<text x="{LABEL - 6}" y="12" text-anchor="end"{mine}>'
           f'{escape(label)}</text>']
    length = 0
    if seconds is not None:
        length = max(1.5, BAR * best / seconds)
        out.append(f'<rect class="{kind}" x="{LABEL}" y="1" '
                   f'width="{length:.1f}" height="12" rx="2"/>')
        wrong = f"{number(seconds)} s"
        if ferry and not is_ferry(label):
            wrong += f", {number(seconds / ferry)} ×"
    out.append(f'<text x="{LABEL + length + 6:.1f}" y="12"{mine}>'
               f'{escape(wrong)}</text>')
    return "".join(out)


def panel(title, amount, bars):
    """A row's lines and their height."""
    times = [b[1] for b in bars if b[1] is not None]
    ferry = next((b[1] for b in bars if b[0] == FERRY), None)
    lines = [f'<text class="title" y="13">{escape(title)} '
             f'<tspan class="note" font-weight="400">({escape(amount)})'
             f'</tspan></text>']
    for i, (label, seconds, wrong) in enumerate(bars):
        lines.append(f'<g transform="translate(0 {HEAD + i * LINE})">' +
                     tool_bar(label, seconds, wrong, min(times, default=0),
                              ferry) +
                     "</g>")
    return "\n".join(lines), HEAD + len(bars) * LINE + GAP


def chart(panels, rounds):
    """The SVG of panels: (title, amount, bars)."""
    drawn = [panel(*p) for p in panels]
    half = sum(height for _, height in drawn) / COLUMNS
    at = column = lowest = 0
    body = []
    for lines, height in drawn:
        # A panel is where more of it lies.
        if column + 1 < COLUMNS and at + height / 2 > half:
            column, at = column + 1, 0
        body.append(f'<g transform="translate({20 + column * WIDTH} '
                    f'{TOP + at})">\n{lines}\n</g>')
        at += height
        lowest = max(lowest, at)
    width, height = 20 + COLUMNS * WIDTH, TOP + lowest + 4
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" role="img">',
        "<title>How fast ferry and other tools are</title>",
        f"<style>{STYLE}\n</style>",
        f'<rect class="back" x="0.5" y="0.5" width="{width - 1}" '
        f'height="{height - 1}" rx="8"/>',
        '<text class="title" x="20" y="28">Speed: the longer the bar, the '
        'faster</text>',
        f'<text class="note" x="20" y="46">Beside it the time, median of '
        f'{rounds} rounds, and how many times ferry\'s it is. A bare loop '
        'only copies: no check, no encryption.</text>',
        *body, "</svg>"]) + "\n"


def of_races(races, rounds):
    panels = [(TITLES.get(r.row.name, r.row.title), amount_words(r),
               bars_of(r)) for r in races]
    return chart([p for p in panels if any(b[1] for b in p[2])], rounds)
