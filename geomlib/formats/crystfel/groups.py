"""Groups of panels, as the two generations of CrystFEL have them.

Since 0.11 ``group_<name>`` lines form a tree that ends in ``all``; a group has at most 64 members.
Before, and in cfelpyutils, ``rigid_group_<name>`` lines list panels, and
``rigid_group_collection_<name>`` lines list such groups. Each ignores the lines of the other, as
long as they stand before the panels.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence

#: Members of a group, and groups and panels together, that CrystFEL has room for.
MAX_GROUP_SIZE, MAX_GROUPS = 64, 512
#: CrystFEL 0.9.1 and 0.10.2 cut a line into pieces of 1022 characters.
MAX_LINE = 1000
#: The group that holds all others.
TOP_GROUP = "all"
_COLLECTIONS = {"p": "modules", "q": "quadrants"}


def group_lines(groups: Mapping[str, Sequence[str]], panels: Sequence[str]) -> list[str]:
    """Write groups of panels for all versions of CrystFEL.

    Parameters
    ----------
    groups : mapping of str to sequence of str
        The panels of each group.
    panels : sequence of str
        All panels.

    Returns
    -------
    list of str
        Lines that must stand before the first panel.
    """
    lines = []
    if tree := hierarchy(groups, panels):
        lines.append("; Groups of panels for CrystFEL 0.11 and later:")
        lines += [f"group_{name} = {','.join(members)}" for name, members in tree]
        lines.append("")
    rigid, too_long = [], []
    for name, members in legal_names(groups, ()).items():
        line = f"rigid_group_{name} = {','.join(members)}"
        if members and len(line) <= MAX_LINE:
            rigid.append((name, line, frozenset(members)))
        elif members:
            too_long.append(name)
    if rigid:
        lines.append("; The same for CrystFEL up to 0.10, and for cfelpyutils:")
        lines += [line for _, line, _ in rigid]
        lines += [
            line
            for name, members in _collections([(name, panels) for name, _, panels in rigid])
            if len(line := f"rigid_group_collection_{name} = {','.join(members)}") <= MAX_LINE
        ]
        lines.append("")
    lines += [f"; Group {name} has more panels than fit in a line" for name in too_long]
    return lines


def hierarchy(
    groups: Mapping[str, Sequence[str]], panels: Sequence[str]
) -> list[tuple[str, list[str]]]:
    """Order groups into a tree of at most 64 members a group, which ends in ``all``.

    Groups that overlap without one holding the other cannot stand in a tree: the larger is left
    out.

    Returns
    -------
    list of (str, list of str)
        Name and members of each group, each after its members. Empty if there are too many panels
        for CrystFEL to have groups at all.
    """
    if len(panels) >= MAX_GROUPS:
        return []
    top = {panel: panel for panel in panels}  # the largest group so far that holds it
    contents: dict[str, frozenset[str]] = {panel: frozenset([panel]) for panel in panels}
    tree: list[tuple[str, list[str]]] = []

    def add(name: str, members: list[str]) -> None:
        if len(members) > MAX_GROUP_SIZE:
            pieces = -(-len(members) // MAX_GROUP_SIZE)
            size = -(-len(members) // pieces)
            parts = []
            for piece in range(pieces):
                parts.append(free_name(f"{name}_part{piece}", contents))
                add(parts[-1], members[piece * size : (piece + 1) * size])
            members = parts
        tree.append((name, members))
        contents[name] = frozenset().union(*(contents[member] for member in members))
        top.update(dict.fromkeys(contents[name], name))

    named = legal_names(groups, {*panels, TOP_GROUP})
    for name, own in sorted(named.items(), key=lambda item: len(set(item[1]))):
        held = frozenset(own)
        members = list(dict.fromkeys(top[panel] for panel in own))
        nested = all(contents[member] <= held for member in members)
        if nested and len(members) > 1 and len(held) < len(panels):
            add(name, members)
    add(free_name(TOP_GROUP, contents), list(dict.fromkeys(top[panel] for panel in panels)))
    return tree if len(contents) <= MAX_GROUPS else []


def _collections(
    groups: Iterable[tuple[str, frozenset[str]]],
) -> list[tuple[str, list[str]]]:
    """Collect groups that are named alike, such as ``q0`` and ``q1``, and do not overlap."""
    alike: dict[str, list[str]] = {}
    seen: dict[str, set[str]] = {}
    for name, panels in groups:
        stem = re.sub(r"[\d_]+$", "", name) or name
        taken = seen.setdefault(stem, set())
        if taken.isdisjoint(panels):
            taken |= panels
            alike.setdefault(stem, []).append(name)
    return [
        (_COLLECTIONS.get(stem, f"{stem}_groups"), names)
        for stem, names in alike.items()
        if len(names) > 1
    ]


def legal_names(
    groups: Mapping[str, Sequence[str]], taken: Iterable[str]
) -> dict[str, Sequence[str]]:
    """Give each group a name that can stand in a ``.geom`` file and is not taken."""
    used = dict.fromkeys(taken)
    out: dict[str, Sequence[str]] = {}
    for name, members in groups.items():
        legal = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:100] or "group"
        if legal.startswith("collection_"):
            legal = f"group_{legal}"
        legal = free_name(legal, used)
        used[legal] = None
        out[legal] = members
    return out


def free_name(name: str, taken: Container[str]) -> str:
    """Return a name, with a number behind it if it is taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
