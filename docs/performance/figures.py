#!/usr/bin/env python3
"""Makes figures.csv, the plots and the tables of ../performance.md from the load generator's results.

    figures.py NAME=RESULTS.jsonl...

Each file has the runs of one measurement: a line of JSON for every run of every server, interleaved. NAME is what
the measurement is called in figures.csv, in NAME.svg, and between `<!-- figures: NAME -->` and `<!-- end -->` in
performance.md, where its table goes. What was measured before and is not named stays as it is.
"""

import csv
import json
import re
import sys
from html import escape
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
CSV = HERE / "figures.csv"
TEXT = HERE.parent / "performance.md"
OURS = "switchboard"
BASES = ("floor", "floor-coalesce")

NAMES = {
    "switchboard": "Switchboard",
    "floor": "bare loop",
    "floor-coalesce": "bare loop that gathers",
    "uws": "uWebSockets.js",
    "ws-node": "ws (Node.js)",
    "socketio": "Socket.IO",
    "nats": "NATS",
    "fastapi": "FastAPI",
    "switchboard-jwt": "Switchboard, with a JWT",
}

# Per scenario: the figure that is compared, then others worth a column, each with a heading.
FIGURES = {
    "fanout": [("server_us_per_delivery", "CPU µs per delivery"), ("deliveries_per_s", "deliveries/s")],
    "echo": [("server_us_per_msg", "CPU µs per message"), ("msgs_per_s", "messages/s")],
    "connect": [("server_us_per_conn", "CPU µs per connection"), ("conns_per_s", "connections/s")],
    "idle": [("private_bytes_per_conn", "bytes per connection"), ("idle_cpu_pct", "% of a core")],
    "slow": [("p99_us", "p99 µs of the others"), ("server_us_per_delivery", "CPU µs per delivery"),
             ("rss_peak_growth_mb", "peak growth, MB"), ("slow_closed", "slow ones closed")],
    "churn": [("server_us_per_visit", "CPU µs per visit"), ("connect_p99_us", "connect p99 µs"),
              ("rss_growth_2nd_half_mb", "growth in the 2nd half, MB")],
    "stale": [("close_s_median", "closed after, s"), ("close_s_max", "at most, s")],
}
LATENCY = [("p50_us", "p50 µs"), ("p99_us", "p99 µs")]
WRONG = ("lost", "duplicated", "out_of_order")
COLUMNS = ["measurement", "title", "base", "server", "figure", "runs", "failed", "noisy", "median", "lowest", "highest"]


def figures_of(scenario):
    found = list(FIGURES[scenario])
    if scenario in ("fanout", "echo", "connect"):
        found += LATENCY
    return found


def number(value):
    """For people: three digits that say something, and no more."""
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if value == int(value):
        return f"{value:.0f}"
    return f"{value:.3g}"


def rate_of(run):
    """Messages a second, where they were sent at a rate: only then can one be late."""
    if "publish_lag_p99_us" not in run:
        return None
    return run.get("rate") or round(run["msgs_per_s"], -2)


def title_of(run):
    """What was measured, in words, from what every run says of itself."""
    scenario = run["scenario"]
    rate = rate_of(run)
    pace = f"{number(rate)} messages/s" if rate else f"{run.get('window', 1)} under way"
    bytes_each = f"{run.get('bytes', 0)} bytes"
    rooms = f"{number(run.get('rooms', 0))} × {number(run.get('members', 0))} members"
    return {
        "fanout": f"Fan-out to {rooms}, {bytes_each}, {pace}",
        "slow": f"{rooms}, {run.get('slow')} of them slow, {bytes_each}, {pace}",
        "echo": f"Echo on {number(run.get('conns', 0))} connections, {bytes_each}, {pace}",
        "connect": f"Connecting {number(run.get('conns', 0))} clients",
        "idle": f"{number(run.get('conns', 0))} idle connections",
        "churn": f"Visitors, {number(run.get('rate', 0))} a second",
        "stale": f"{number(run.get('stale', 0))} members that answer no ping",
    }[scenario]


def rows_of(name, path):
    """The medians of one measurement, a row for each server and figure."""
    runs = [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]
    scenarios = {run["scenario"] for run in runs}
    if len(scenarios) != 1:
        sys.exit(f"{path}: one scenario is expected, and there are {sorted(scenarios) or 'no runs'}")
    scenario = scenarios.pop()
    good = [run for run in runs if "error" not in run]
    if not good:
        sys.exit(f"{path}: every run has failed: {runs[0]['error']}")
    title = title_of(good[0])
    # Where messages are under way at once, the loop that gathers is the one to compare with.
    servers = list(dict.fromkeys(run["profile"] for run in runs))
    bases = reversed(BASES) if good[0].get("window", 1) > 1 and not rate_of(good[0]) else BASES
    base = next((base for base in bases if base in servers), "")
    wrong = [(figure, figure) for figure in WRONG if any(figure in run for run in good)]
    for server in servers:
        mine = [run for run in good if run["profile"] == server]
        failed = sum(run["profile"] == server for run in runs) - len(mine)
        noisy = sum(bool(run.get("noisy")) for run in mine)
        for figure, _ in figures_of(scenario) + wrong:
            values = [run[figure] for run in mine if run.get(figure) is not None]
            # Of errors the worst run counts.
            middle = max if figure in WRONG else median
            shown = [middle(values), min(values), max(values)] if values else ["", "", ""]
            counts = map(str, (len(mine), failed, noisy))
            yield [name, title, base, server, figure, *counts, *map(rounded, shown)]


def rounded(value):
    return "" if value == "" else f"{value:.5g}" if abs(value) < 100_000 else f"{value:.0f}"


def load_csv():
    if not CSV.exists():
        return []
    with CSV.open(newline="") as file:
        return [row for row in csv.reader(file)][1:]


class Measurement:
    def __init__(self, rows):
        rows = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        self.name, self.title, self.base = (rows[0][column] for column in COLUMNS[:3])
        self.servers = list(dict.fromkeys(row["server"] for row in rows))
        self.cells = {(row["server"], row["figure"]): row for row in rows}
        names = {row["figure"] for row in rows}
        self.scenario = next(scenario for scenario, known in FIGURES.items()
                             if known[0][0] in names and all(figure in names for figure, _ in known))
        self.figures = figures_of(self.scenario)
        self.main, self.heading = self.figures[0]
        self.servers.sort(key=lambda server: self.value(server, self.main) or float("inf"))

    def value(self, server, figure, column="median"):
        row = self.cells.get((server, figure))
        text = row[column] if row else ""
        return float(text) if text else None

    def ratio(self, server):
        value, base = self.value(server, self.main), self.base and self.value(self.base, self.main)
        return value / base if value and base else None

    def table(self):
        head = ["", self.heading, "× bare loop"] + [heading for _, heading in self.figures[1:]]
        checks = [figure for figure in WRONG if (self.servers[0], figure) in self.cells]
        if checks:
            head.append("lost, repeated, out of order")
        lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
        for server in self.servers:
            name = NAMES.get(server, server)
            cells = [f"**{name}**" if server == OURS else name, number(self.value(server, self.main))]
            ratio = self.ratio(server)
            cells.append(f"{ratio:.2f}" if ratio else "–")
            cells += [number(self.value(server, figure)) for figure, _ in self.figures[1:]]
            if checks:
                wrong = [self.value(server, figure) or 0 for figure in checks]
                cells.append(", ".join(number(count) for count in wrong) if any(wrong) else "none")
            lines.append(cells)
        table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
        rows = [self.cells[(server, self.main)] for server in self.servers]
        runs = sorted({int(row["runs"]) for row in rows})
        note = f"Medians of {' to '.join(str(count) for count in dict.fromkeys([runs[0], runs[-1]]))} runs."
        bad = [f"{NAMES.get(row['server'], row['server'])} ({row['failed']} failed, {row['noisy']} noisy)"
               for row in rows if row["failed"] != "0" or row["noisy"] != "0"]
        if bad:
            note += f" Not all runs were good: {', '.join(bad)}."
        return f"{table}\n\n{note}\n\n![{self.title}](performance/{self.name}.svg)"

    def svg(self):
        """Bars from zero, with a whisker from the lowest to the highest run."""
        shown = [server for server in self.servers if self.value(server, self.main) is not None]
        row, left, width, right, top = 26, 170, 420, 110, 54
        most = max(self.value(server, self.main, "highest") for server in shown) or 1
        height = top + row * len(shown) + 16
        x = lambda value: left + max(value, 0) / most * width
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + right} {height}" '
            f'width="{left + width + right}" height="{height}" font-family="system-ui, sans-serif" font-size="13" '
            f'role="img" aria-label="{escape(self.title)}">',
            "<style>text{fill:#1f2328}.bar{fill:#a8b1bb}.base{fill:#6e7781}.ours{fill:#0969da}"
            ".line{stroke:#1f2328}.soft{fill:#59636e}@media(prefers-color-scheme:dark){text{fill:#e6edf3}"
            ".bar{fill:#59636e}.base{fill:#9198a1}.ours{fill:#4493f8}.line{stroke:#e6edf3}.soft{fill:#9198a1}}</style>",
            f'<text x="8" y="20" font-size="15" font-weight="600">{escape(self.title)}</text>',
            f'<text x="8" y="40" class="soft">{escape(self.heading)}; less is better</text>',
        ]
        for index, server in enumerate(shown):
            y = top + row * index
            value, low, high = (self.value(server, self.main, column) for column in ("median", "lowest", "highest"))
            kind = "ours" if server == OURS else "base" if server in BASES else "bar"
            weight = ' font-weight="600"' if server == OURS else ""
            middle = y + 9
            ratio = self.ratio(server)
            label = number(value) + (f"  ({ratio:.2f}×)" if ratio else "")
            parts += [
                f'<text x="{left - 8}" y="{y + 14}" text-anchor="end"{weight}>{escape(NAMES.get(server, server))}</text>',
                f'<rect class="{kind}" x="{left}" y="{y}" width="{x(value) - left:.1f}" height="18" rx="2"/>',
                f'<path class="line" stroke-opacity=".6" d="M{x(low):.1f} {middle}H{x(high):.1f}'
                f'M{x(low):.1f} {middle - 3}v6M{x(high):.1f} {middle - 3}v6"/>',
                f'<text x="{x(high) + 6:.1f}" y="{y + 14}"{weight}>{escape(label)}</text>',
            ]
        return "\n".join(parts + ["</svg>"]) + "\n"


def fill(text, measurement):
    mark = f"<!-- figures: {measurement.name} -->"
    pattern = re.compile(re.escape(mark) + r".*?<!-- end -->", re.DOTALL)
    if not pattern.search(text):
        print(f"{TEXT.name} has no place for {measurement.name}: put {mark} and <!-- end --> where it belongs")
        return text
    return pattern.sub(lambda _: f"{mark}\n{measurement.table()}\n<!-- end -->", text)


def main():
    if len(sys.argv) < 2 or any(not re.fullmatch(r"[a-z0-9-]+=.+", word) for word in sys.argv[1:]):
        sys.exit(__doc__)
    rows = load_csv()
    new = [word.split("=", 1) for word in sys.argv[1:]]
    for name, path in new:
        rows = [row for row in rows if row[0] != name] + list(rows_of(name, Path(path)))
    text = TEXT.read_text()
    for name, _ in new:
        measurement = Measurement([row for row in rows if row[0] == name])
        (HERE / f"{name}.svg").write_text(measurement.svg())
        text = fill(text, measurement)
    TEXT.write_text(text)
    with CSV.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS] + rows)
    print(f"{len(rows)} rows in {CSV.name}; {', '.join(name for name, _ in new)} are new")


if __name__ == "__main__":
    main()
