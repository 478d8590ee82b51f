"""Panel groups that a ``.geom`` file names."""

from __future__ import annotations

from collections.abc import Mapping

from geomlib.formats.crystfel.document import quoted
from geomlib.formats.crystfel.panels import PanelView

#: CrystFEL reads no more than this many ``group_`` lines.
MAX_GROUPS = 1024
MAX_MEMBERS = 2_000_000


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
        if total > MAX_MEMBERS or (prefix == "group_" and len(groups) > MAX_GROUPS):
            raise view.document.error(f"{len(groups)} groups of {total} panels are too many")
    return {name: tuple(members) for name, members in groups.items() if members}


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
