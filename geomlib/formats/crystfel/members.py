"""Panel groups that a ``.geom`` file names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from geomlib.formats.crystfel.document import quoted
from geomlib.formats.crystfel.groups import TOP_GROUP
from geomlib.formats.crystfel.panels import PanelView

#: More ``group_`` lines, or panels in all groups together, than any detector has.
_MAX_LINES, _MAX_PANELS = 1024, 2_000_000
_PART = re.compile(r"(.+)_part\d+", re.DOTALL)


def group_members(view: PanelView) -> dict[str, tuple[str, ...]]:
    """Names of the panels of each group, in the order of the file.

    ``group_…`` lines (CrystFEL 0.10.2 on; members may be groups named before) come before
    ``rigid_group_…`` lines (up to 0.10). Names that the file does not define are left out, as both
    kinds are no more than names for parts of what is there; so are ``rigid_group_collection_…``
    lines, which group groups.

    Raises
    ------
    GeometryFileError
        If there are more groups or members than any detector has.
    """
    groups: dict[str, dict[str, None]] = {}
    for prefix in ("group_", "rigid_group_"):
        for index in view.groups:
            key = view.key(index)
            if key.startswith(prefix) and not key.startswith("rigid_group_collection_"):
                name = key.removeprefix(prefix)
                if prefix == "group_" or name not in groups:
                    groups[name] = _members(view, index, groups)
        total = sum(map(len, groups.values()))
        if total > _MAX_PANELS or (prefix == "group_" and len(groups) > _MAX_LINES):
            raise view.document.error(f"{len(groups)} groups of {total} panels are too many")
    return {name: tuple(members) for name, members in groups.items() if members}


def meaningful_groups(
    groups: Mapping[str, tuple[str, ...]], n_panels: int
) -> dict[str, tuple[str, ...]]:
    """Leave out the groups that CrystFEL demands and that say nothing.

    Those are ``all``, if it holds all panels, and ``x_part0``, ``x_part1`` …, into which a group
    ``x`` is cut where it has more members than CrystFEL allows.
    """
    parts: dict[str, list[str]] = {}
    for name in groups:
        if match := _PART.fullmatch(name):
            parts.setdefault(match[1], []).append(name)
    empty = set()
    for whole, names in parts.items():
        held = {panel for name in names for panel in groups[name]}
        if held == set(groups.get(whole, ())):
            empty.update(names)
    if len(groups.get(TOP_GROUP, ())) == n_panels:
        empty.add(TOP_GROUP)
    return {name: members for name, members in groups.items() if name not in empty}


def _members(
    view: PanelView, index: int, groups: Mapping[str, Mapping[str, None]]
) -> dict[str, None]:
    members: dict[str, None] = {}
    unknown = []
    for item in view.value(index).split(","):
        name = item.strip(" \t")
        if name in view.panels:
            members[name] = None
        elif name in groups:
            members |= groups[name]
        elif name:
            unknown.append(name)
    if unknown:
        view.doubt(f"the file has no panel {', '.join(map(quoted, unknown[:3]))}, left out", index)
    return members
