"""Tables as they go into the documentation."""

from __future__ import annotations

import math
from collections.abc import Mapping


class Table:
    """A table in Markdown, printed row by row.

    Parameters
    ----------
    title : str
        Printed above it, with what the numbers are.
    first : str
        Heading of the first column.
    """

    def __init__(self, title: str, first: str) -> None:
        self.title, self.first = title, first
        self.header: list[str] = []

    def add(self, name: str, row: Mapping[str, float]) -> None:
        """Print a row; the first one makes the header. NaN is what there is none of."""
        if not self.header:
            self.header = list(row)
            print(f"\n{self.title}\n\n| {self.first} | " + " | ".join(self.header) + " |")
            print("|---" * (1 + len(self.header)) + "|")
        values = (row.get(key, math.nan) for key in self.header)
        cells = ("–" if math.isnan(v) else f"{v:.0f}" if v >= 100 else f"{v:.2f}" for v in values)
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
