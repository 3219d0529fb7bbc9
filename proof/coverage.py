"""Computes the figures of proof/coverage: lines and regions reached, without unit tests.

coverage.py LCOV JSON FOLDER...
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def code_lines(path):
    """Returns the number of lines before a file's unit tests, which come last."""
    if path.name == "tests.rs":
        return 0
    text = path.read_text(encoding="utf-8")
    return (
        text.split("#[cfg(test)]\n#[allow", 1)[0]
        .split("#[cfg(test)]\nmod tests {", 1)[0]
        .count("\n")
    )


def reached_lines(lcov):
    """Returns, by file, whether each line with code was reached."""
    files = {}
    for line in open(lcov, encoding="utf-8"):
        kind, _, rest = line.strip().partition(":")
        if kind == "SF":
            lines = files.setdefault(rest, {})
        elif kind == "DA":
            number, count = (int(part) for part in rest.split(",")[:2])
            lines[number] = lines.get(number, False) or count > 0
    return files


def reached_regions(export):
    """Returns, by file, whether each region was reached in any instance of its function."""
    files = {}
    for function in json.load(open(export, encoding="utf-8"))["data"][0]["functions"]:
        for first, column, last, end, count, file, _, kind in function["regions"]:
            if kind == 0:
                regions = files.setdefault(function["filenames"][file], {})
                place = (first, column, last, end)
                regions[place] = regions.get(place, False) or count > 0
    return files


def within(folder, files, line_of):
    """Selects a folder's files, and in each what comes before the unit tests."""
    found = {}
    for name, reached in files.items():
        path = Path(name)
        if path.is_relative_to(ROOT / folder):
            limit = code_lines(path)
            found[path.relative_to(ROOT)] = {
                place: hit for place, hit in reached.items() if line_of(place) <= limit
            }
    return found


def ranges(numbers):
    """Formats 3, 7, 8, 9 as `3, 7-9`."""
    parts = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def share(files):
    hits = [hit for places in files.values() for hit in places.values()]
    return f"{100 * sum(hits) / max(1, len(hits)):.2f} % ({sum(hits):,} of {len(hits):,})"


def main(lcov, export, *folders):
    lines, regions = reached_lines(lcov), reached_regions(export)
    totals = []
    for folder in folders:
        of_lines = within(folder, lines, lambda number: number)
        of_regions = within(folder, regions, lambda place: place[0])
        for path in sorted(of_lines):
            missed = sorted(number for number, hit in of_lines[path].items() if not hit)
            if missed:
                print(f"{path}: {ranges(missed)}")
        groups = {folder: ""}
        for path in of_lines:
            if len(path.relative_to(folder).parts) > 1:
                groups[f"{folder}/{path.relative_to(folder).parts[0]}"] = ""
        for group in groups:
            inside = lambda files: {
                path: hits for path, hits in files.items() if path.is_relative_to(group)
            }
            totals.append(
                f"{group}: lines {share(inside(of_lines))}, regions {share(inside(of_regions))}"
            )
    print("\n".join(totals))


main(*sys.argv[1:])
