"""Put tables that benchmarks printed into the documentation.

    python -m benchmarks.document FOLDER

FOLDER holds what the benchmarks printed, NAME.txt for each (`make bench-full` makes it). A comment
in a page, ``<!-- NAME, table N -->``, stands above the table that the N-th one of NAME.txt
replaces. Benchmarks without a file leave their tables as they are.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
MARK = re.compile(r"<!-- (\w+), table (\d+) -->")


def tables(text: str) -> list[list[str]]:
    """Return the tables of a text, each as its lines."""
    found: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("|"):
            if not inside:
                found.append([])
            found[-1].append(line)
        inside = line.startswith("|")
    return found


def with_tables(page: str, printed: dict[str, list[list[str]]]) -> str:
    """Return a page with its tables replaced by those that were printed.

    Raises
    ------
    ValueError
        If there is no table below a mark, or fewer tables were printed than marks count.
    """
    lines, done = page.splitlines(), []
    while lines:
        line = lines.pop(0)
        done.append(line)
        mark = MARK.fullmatch(line.strip())
        if mark is None:
            continue
        name, number = mark[1], int(mark[2])
        if not lines or not lines[0].startswith("|"):
            raise ValueError(f"no table follows {line}")
        old = []
        while lines and lines[0].startswith("|"):
            old.append(lines.pop(0))
        if name not in printed:
            done += old
            continue
        if not 1 <= number <= len(printed[name]):
            raise ValueError(f"{line}: benchmark {name} printed {len(printed[name])} tables")
        done += printed[name][number - 1]
    return "\n".join(done) + "\n"


def main() -> None:
    """Rewrite the pages that change."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="with NAME.txt of each benchmark")
    folder = parser.parse_args().folder
    printed = {path.stem: tables(path.read_text("utf-8")) for path in folder.glob("*.txt")}
    if not printed:
        sys.exit(f"{folder}: no .txt files in it")
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text("utf-8")
        new = with_tables(text, printed)
        if new != text:
            page.write_text(new, "utf-8")
            print(page)


if __name__ == "__main__":
    main()
