"""The parts of proof/coverage that read JSON: which programs were built, and what of the sources they reached."""

import json
import pathlib
import sys


def objects(build):
    """The test programs of a build, as arguments for llvm-cov."""
    found = []
    for line in open(build, encoding="utf-8"):
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message.get("executable"):
            found.append(message["executable"])
    print(found[0])
    for other in found[1:]:
        print("-object")
        print(other)


def code_lines(path):
    """How many lines a file has before its unit tests, which come last."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    if path.endswith("/tests.rs"):
        return 0
    return text.split("#[cfg(test)]\n#[allow", 1)[0].split("#[cfg(test)]\nmod tests {", 1)[0].count("\n")


def reached_lines(info):
    """By file: whether each line with code in it was reached."""
    files = {}
    lines = {}
    for line in open(info, encoding="utf-8"):
        kind, _, rest = line.strip().partition(":")
        if kind == "SF":
            limit, lines = code_lines(rest), files.setdefault(rest, {})
        elif kind == "DA":
            number, count = (int(part) for part in rest.split(",")[:2])
            if number <= limit:
                lines[number] = lines.get(number, False) or count > 0
    return files


def reached_regions(export):
    """By file: whether each region was reached, in any of its instances."""
    files = {}
    for function in json.load(open(export, encoding="utf-8"))["data"][0]["functions"]:
        for first, column, last, end, count, file, _, kind in function["regions"]:
            path = function["filenames"][file]
            if kind == 0:
                regions = files.setdefault(path, {})
                place = (first, column, last, end)
                regions[place] = regions.get(place, False) or count > 0
    return {
        path: {place: hit for place, hit in regions.items() if place[0] <= code_lines(path)}
        for path, regions in files.items()
        if "/core/src/" in path
    }


def ranges(numbers):
    """`3, 7-9` for 3, 7, 8, 9."""
    parts = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def share(files):
    hits = [hit for places in files.values() for hit in places.values()]
    return f"{100 * sum(hits) / len(hits):.2f} % ({sum(hits)} of {len(hits)})"


def report(info, export, root):
    lines, regions = reached_lines(info), reached_regions(export)
    for path in sorted(lines):
        missed = sorted(number for number, hit in lines[path].items() if not hit)
        if missed:
            print(f"{pathlib.Path(path).relative_to(root)}: {ranges(missed)}")
    print(f"lines {share(lines)}, regions {share(regions)}")


if __name__ == "__main__":
    {"objects": objects, "report": report}[sys.argv[1]](*sys.argv[2:])
