"""Writing changed bad regions back into the ``.geom`` file that they came from."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from geomlib.formats.crystfel import values
from geomlib.formats.crystfel.compose import region_name, region_texts, rows_in_file
from geomlib.formats.crystfel.edit import Edits
from geomlib.formats.crystfel.groups import free_name
from geomlib.formats.crystfel.options import Layout
from geomlib.geometry import Geometry
from geomlib.metadata import BadRegion


def update_regions(
    edits: Edits, old: Geometry, new: Geometry, tiles: Sequence[int], layout: Layout | None
) -> None:
    """Add, change and remove bad regions.

    Parameters
    ----------
    edits : Edits
        Where changes are collected.
    old, new : Geometry
        What the file says, and what it has to say.
    tiles : sequence of int
        Tile of each panel.
    layout : str or None
        A new layout of the data, if it changes.
    """
    present = edits.view.regions
    was, now = (_by_name(geometry.bad_regions, present) for geometry in (old, new))
    for name in was.keys() - now.keys():
        edits.remove_panel(name)
    taken = {*present, *now}
    for name, regions in now.items():
        moved = layout is not None and any(region.tile is not None for region in regions)
        if was.get(name) == regions and not moved:
            continue
        if len(regions) == 1:
            _change(edits, name, _texts(edits, regions[0], new, tiles, layout))
            continue
        # One region of the file that names no panel lies on several: now one for each of them.
        edits.remove_panel(name)
        for number, region in enumerate(regions):
            own = name if number == 0 else free_name(name, taken)
            taken.add(own)
            texts = _texts(edits, region, new, tiles, layout)
            edits.add_to_region(name, [f"{own}/{key} = {text}" for key, text in texts.items()])


def _texts(
    edits: Edits,
    region: BadRegion,
    geometry: Geometry,
    tiles: Sequence[int],
    layout: Layout | None,
) -> dict[str, str]:
    view, detector = edits.view, geometry.detector
    panel_of = dict(zip(tiles, view.names, strict=True))
    names = [panel_of[tile] for tile in range(detector.n_tiles)]
    first_row = 0
    if region.tile is not None and region.tile in panel_of:
        module, ss0 = (int(n) for n in detector.tile_bounds[region.tile, :2])
        if layout is None:
            first_row = int(view.bounds[list(tiles).index(region.tile), 0]) - ss0
        else:
            first_row = rows_in_file(detector, module, layout)
    return region_texts(region, detector, names, first_row, float(view.pitch[0]))


def _change(edits: Edits, name: str, texts: dict[str, str]) -> None:
    """Change the lines of a region that say something else, and add those that it lacks."""
    present = edits.view.regions.get(name, {})
    for key, index in present.items():
        if key not in texts:
            edits.remove(index)
        elif not _same_value(edits.view.value(index), texts[key]):
            edits.set_value(index, texts[key])
    missing = [f"{name}/{key} = {text}" for key, text in texts.items() if key not in present]
    edits.add_to_region(name, missing)


def _by_name(regions: Sequence[BadRegion], present: Collection[str]) -> dict[str, list[BadRegion]]:
    out: dict[str, list[BadRegion]] = {}
    for region in regions:
        name = region.name if region.name in present else region_name(region)
        out.setdefault(name, []).append(region)
    return out


def _same_value(old: str, new: str) -> bool:
    return old == new or (
        values.number(old) is not None and values.number(old) == values.number(new)
    )
