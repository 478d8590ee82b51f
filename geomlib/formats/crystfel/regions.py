"""Bad regions of a ``.geom`` file, panel by panel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geomlib.detector import IntArray
from geomlib.formats.crystfel import values
from geomlib.formats.crystfel.document import quoted
from geomlib.formats.crystfel.panels import PanelView
from geomlib.metadata import BadRegion

#: Bad regions without a panel, times panels: more are no work of people.
MAX_PLACES = 2_000_000
#: Keys of a bad region in the laboratory, and in the data.
REGION_LAB_KEYS = ("min_x", "max_x", "min_y", "max_y")
REGION_DATA_KEYS = ("min_ss", "max_ss", "min_fs", "max_fs")


class Region(NamedTuple):
    """A bad region as the file gives it.

    Attributes
    ----------
    name : str
        Name in the file.
    panel : str or None
        The panel that it names.
    data : tuple of int, optional
        min_ss, max_ss, min_fs, max_fs: indices in the file, inclusive.
    lab : tuple of float, optional
        min_x, max_x, min_y, max_y, in pixels.
    """

    name: str
    panel: str | None
    data: tuple[int, ...] | None = None
    lab: tuple[float, ...] | None = None


def file_regions(view: PanelView) -> list[Region]:
    """Bad regions as the file gives them; incomplete ones are left out, and noted as doubts.

    Raises
    ------
    GeometryFileError
        If a number is wrong, a panel is unknown, or a region mixes lab and data coordinates.
    """
    out = []
    for name, keys in view.regions.items():
        index = max(keys.values())
        lab = [key for key in REGION_LAB_KEYS if key in keys]
        data = [key for key in REGION_DATA_KEYS if key in keys]
        if lab and data:
            raise view.document.error(
                f"bad region {quoted(name)} has {lab[0]} and {data[0]}; expected x, y or ss, fs",
                max(keys[lab[0]], keys[data[0]]),
            )
        panel = view.value(keys["panel"]) if "panel" in keys else None
        if panel is not None and panel not in view.panels:
            raise view.document.error(
                f"found {quoted(panel)}, expected the name of a panel of this file", keys["panel"]
            )
        if len(lab) < 4 and len(data) < 4:
            missing = [k for k in (REGION_LAB_KEYS if lab else REGION_DATA_KEYS) if k not in keys]
            view.doubt(f"bad region {quoted(name)} has no {', '.join(missing)}, left out", index)
        elif lab:
            corners = tuple(view.parse(keys[k], values.number, "a number of pixels") for k in lab)
            out.append(Region(name, panel, lab=corners))
        else:
            limits = tuple(view.parse(keys[k], values.whole, "the index of a pixel") for k in data)
            out.append(Region(name, panel, data=limits))
    return out


def bad_regions(view: PanelView, tiles: IntArray, bounds: IntArray) -> tuple[BadRegion, ...]:
    """Bad regions in terms of tiles, module coordinates and metres.

    A region of data that names no panel counts for every panel that it overlaps (in the module that
    its ``dim…`` keys name, if it has them), one entry each.

    Parameters
    ----------
    view : PanelView
        The file.
    tiles : ndarray of int, shape (panels,)
        Tile of each panel.
    bounds : ndarray of int, shape (n_tiles, 5)
        As `Detector.tile_bounds`.
    """
    out: list[BadRegion] = []
    regions = file_regions(view)
    everywhere = sum(region.panel is None and region.data is not None for region in regions)
    if everywhere * len(view.panels) > MAX_PLACES:
        raise view.document.error(f"{everywhere} bad regions without a panel are too many")
    names = {name: row for row, name in enumerate(view.panels)}
    for region in regions:
        index = max(view.regions[region.name].values())
        if region.lab is not None:
            x0, x1, y0, y1 = (float(v * view.pitch[0]) for v in region.lab)
            if x0 > x1 or y0 > y1:
                view.doubt(f"bad region {quoted(region.name)} is empty: min > max, left out", index)
            else:
                out.append(BadRegion(region.name, x=(x0, x1), y=(y0, y1)))
            continue
        assert region.data is not None
        rows = range(len(names)) if region.panel is None else [names[region.panel]]
        found = _overlaps(view, region, np.array(rows))
        if not found:
            view.doubt(f"bad region {quoted(region.name)} lies on no panel, left out", index)
        for row, (ss0, ss1, fs0, fs1) in found:
            tile = int(tiles[row])
            # From indices in the file to indices in the module.
            up, along = (int(n) for n in bounds[tile, [1, 3]] - view.bounds[row, [0, 2]])
            ss, fs = (ss0 + up, ss1 + up + 1), (fs0 + along, fs1 + along + 1)
            out.append(BadRegion(region.name, tile, ss, fs))
    return tuple(out)


def _overlaps(
    view: PanelView, region: Region, rows: IntArray
) -> list[tuple[int, tuple[int, int, int, int]]]:
    """Panels that a region of data overlaps, and the part of it on each."""
    assert region.data is not None
    low = np.maximum(view.bounds[rows][:, [0, 2]], [region.data[0], region.data[2]])
    high = np.minimum(view.bounds[rows][:, [1, 3]], [region.data[1], region.data[3]])
    indices = _module_indices(view, region)
    found = []
    for i in np.flatnonzero((high >= low).all(axis=1)):
        dims = view.dimensions[rows[i]]
        if all(axis < len(dims) and dims[axis] == value for axis, value in indices):
            ss0, fs0, ss1, fs1 = (int(n) for n in (*low[i], *high[i]))
            found.append((int(rows[i]), (ss0, ss1, fs0, fs1)))
    return found


def _module_indices(view: PanelView, region: Region) -> list[tuple[int, int]]:
    """Axes of the data that a region without a panel fixes: some files write ``bad_a/dim1 = 7``."""
    if region.panel is not None:
        return []
    out = []
    for key, index in view.regions[region.name].items():
        if key.startswith("dim") and key[3:].isdecimal() and len(key) < 6:
            value = values.dimension(view.value(index))
            if isinstance(value, int):
                out.append((int(key[3:]), value))
    return out
