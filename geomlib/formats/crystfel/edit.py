"""Changes to the text of a ``.geom`` file that leave alone everything else in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.panels import SYNONYMS, PanelView

_LINE_END = re.compile(r"\r\n|\r|\n")


class Edits:
    """Changes to a document, collected one by one and then made all at once.

    Parameters
    ----------
    view : PanelView
        The document, with where each value in it comes from.
    """

    def __init__(self, view: PanelView) -> None:
        self.view = view
        self.document = view.document
        self._pieces: list[tuple[int, int, str]] = []
        self._removed: set[int] = set()

    def apply(self) -> Document:
        """Make all changes."""
        text, out, last = self.document.text, [], 0
        # The sort is stable: what is added at one place keeps its order.
        for start, stop, new in sorted(self._pieces, key=lambda piece: piece[:2]):
            out += [text[last:start], new]
            last = stop
        return Document("".join(out) + text[last:], self.document.path)

    # -- One assignment -----------------------------------------------------------------

    def set_value(self, index: int, value: str) -> None:
        """Replace the value of an assignment."""
        where = self.document.assignments[index]
        self._pieces.append((where.start, where.stop, value))

    def set_assignment(self, index: int, key: str, value: str) -> None:
        """Replace a top-level assignment by that of another key."""
        where = self.document.assignments[index]
        start = self._line_bounds(where.start)[0]
        self._pieces.append((start, where.stop, f"{key} = {value}"))

    def add_comment(self, index: int, comment: str) -> None:
        """Put a comment behind the value of an assignment, before any that is there."""
        stop = self.document.assignments[index].stop
        self._pieces.append((stop, stop, f"  ; {comment}"))

    def comment_out(self, index: int) -> None:
        """Make a comment of an assignment."""
        start = self._line_bounds(self.document.assignments[index].start)[0]
        self._pieces.append((start, start, ";"))

    def remove(self, index: int) -> None:
        """Remove the line of an assignment."""
        if index not in self._removed:
            self._removed.add(index)
            start, _, stop = self._line_bounds(self.document.assignments[index].start)
            self._pieces.append((start, stop, ""))

    # -- Values of panels ---------------------------------------------------------------

    def set_panel_values(self, key: str, values: Mapping[str, str]) -> None:
        """Give panels a value of their own, without touching that of any other panel.

        The assignment that counts is changed where it is the panel's own, or a default that all
        its panels leave alike; else a line is added to the panel.

        Parameters
        ----------
        key : str
            Name of the key.
        values : mapping of str to str
            New text of the value, by panel.
        """
        shared: dict[int | None, dict[str, str]] = {}
        for panel, value in values.items():
            index = self.origin(key, panel)
            if index is not None and self.document.assignments[index].panel is not None:
                self.set_value(index, value)
            else:
                shared.setdefault(index, {})[panel] = value
        for index, wanted in shared.items():
            users = sum(self.origin(key, panel) == index for panel in self.view.panels)
            first = next(iter(wanted.values()))
            alike = len(wanted) == users and set(wanted.values()) == {first}
            if not alike or (index is None and users < len(self.view.panels)):
                for panel, value in wanted.items():
                    self.add_to_panel(panel, f"{key} = {value}")
            elif index is not None:
                self.set_value(index, first)
            else:
                self.add_before_panels([f"{key} = {first}"])

    def origin(self, key: str, panel: str) -> int | None:
        """Index of the assignment that a value of a panel comes from."""
        index = self.view.panels[panel].get(SYNONYMS.get(key, key))
        if index is None and key == "clen":
            return self.view.top.get(key)  # wherever in the file it stands
        return None if index in self._removed else index

    # -- New lines ----------------------------------------------------------------------

    def add_to_panel(self, panel: str, line: str) -> None:
        """Add a line to a panel, behind the one that says where its corner is."""
        keys = self.view.panels[panel]
        own = {k: i for k, i in keys.items() if self.document.assignments[i].panel == panel}
        anchor = own.get("corner_y", own.get("corner_x", min(own.values())))
        self._insert(self.document.assignments[anchor].stop, [f"{panel}/{line}"])

    def remove_panel(self, name: str) -> None:
        """Remove all lines of a panel or bad region."""
        for index, assignment in enumerate(self.document.assignments):
            if assignment.panel == name:
                self.remove(index)

    def add_to_region(self, name: str, lines: Iterable[str]) -> None:
        """Add lines to a bad region, or if it is new, behind the others or before the panels."""
        same = self.view.regions.get(name, {}).values()
        others = [index for keys in self.view.regions.values() for index in keys.values()]
        if same or others:
            last = max(same or others)
            self._insert(self.document.assignments[last].stop, lines)
        else:
            self.add_before_panels(lines)

    def add_before_panels(self, lines: Iterable[str]) -> None:
        """Add top-level lines, behind those that stand before the first panel."""
        assignments = self.document.assignments
        first = next(i for i, a in enumerate(assignments) if a.panel in self.view.panels)
        top = [a for a in assignments[:first] if a.panel is None]
        if top:
            self._insert(top[-1].stop, lines)
        else:
            start = self._line_bounds(assignments[first].start)[0]
            newline = self.document.newline
            self._pieces.append((start, start, "".join(f"{line}{newline}" for line in lines)))

    def add_at_start(self, lines: Iterable[str]) -> None:
        """Add lines before everything else."""
        newline = self.document.newline
        self._pieces.append((0, 0, "".join(f"{line}{newline}" for line in lines)))

    def replace_text(self, start: int, stop: int, text: str) -> None:
        """Replace any part of the text, such as a comment."""
        self._pieces.append((start, stop, text))

    def _insert(self, offset: int, lines: Iterable[str]) -> None:
        """Add lines behind the one that holds a character."""
        _, end, following = self._line_bounds(offset)
        newline = self.document.newline
        if end == following:  # the last line, and it does not end
            new = "".join(f"{newline}{line}" for line in lines)
        else:
            new = "".join(f"{line}{newline}" for line in lines)
        self._pieces.append((following, following, new))

    def _line_bounds(self, offset: int) -> tuple[int, int, int]:
        """Start of the line that holds a character, its end, and the start of the next line."""
        text = self.document.text
        start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
        end = _LINE_END.search(text, offset)
        return (start, len(text), len(text)) if end is None else (start, end.start(), end.end())
