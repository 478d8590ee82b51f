"""`inspect`: the tiles of a geometry, seen along the beam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from geomlib.coordinates import grid_pixel_size
from geomlib.detector import FloatArray
from geomlib.plotting.colours import PALETTE, tile_colours
from geomlib.plotting.extent import padded, with_beam
from geomlib.plotting.view import (
    BEAM_COLOUR,
    BEAM_MARK,
    BEAM_SIZE,
    Labels,
    axes_for,
    dress_axes,
    mark_beam,
    plot_unit,
    points_per_unit,
    write_heading,
    write_legend,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from geomlib.geometry import Geometry

#: Labels smaller than this, in points, are left out.
SMALLEST_LABEL = 6.0
#: Longest side of the mark at a first pixel, in points.
LARGEST_MARK = 14.0

_GREY = "0.3"
_CUT_OUT: dict[str, Any] = {"facecolor": "white", "edgecolor": "0.4"}
_BAD: dict[str, Any] = {"facecolor": (0, 0, 0, 0.08), "edgecolor": "0.25", "hatch": "////"}

# Where labels may go, from the centre, in units of the width and height of the module or tile; the
# first three tile places suit all tiles of a detector alike, the others only get a label in.
_MODULE_SHIFTS = np.array([(0, 0), (0, 0.25), (0, -0.25), (0, 0.4), (0, -0.4)])
_TILE_SHIFTS = np.array([(0, 0), (0, -0.3), (0, 0.3), (-0.15, 0), (0.15, 0), (-0.25, 0), (0.25, 0)])


def inspect(
    geometry: Geometry,
    *,
    units: str = "px",
    front_view: bool = True,
    ax: Axes | None = None,
    labels: bool = True,
    title: str | None = None,
) -> Axes:
    """Draw the tiles of a geometry as they are seen along the beam.

    Each tile has the colour of its quadrant (or module), a strong line along its first row of
    pixels and a triangle at its first pixel, whose long side points along fast scan and whose short
    side along slow scan. Bad regions are hatched, parts cut out of the sensor white, the beam is a
    red cross. Labels that would not be legible, or would cover each other, are left out.

    Parameters
    ----------
    geometry : Geometry
        What to draw.
    units : {"px", "m", "cm", "mm", "um"}
        Of the axes; ``"px"`` are pixels of the nominal pitch.
    front_view : bool
        x grows to the left, as seen looking along the beam; False: to the right.
    ax : Axes, optional
        Where to draw; default: a new figure.
    labels : bool
        Write the names of modules and tiles.
    title : str, optional
        Instead of the name of the detector.

    Returns
    -------
    Axes

    Raises
    ------
    GeometryError
        If there is no such unit.
    """
    unit = plot_unit(units, *grid_pixel_size(geometry.detector, geometry.tiles))
    outlines = geometry.tile_outlines()[..., :2] / unit.lengths
    low, high, beam = with_beam(outlines.min(axis=(0, 1)), outlines.max(axis=(0, 1)))
    low, high = padded(low, high, 0.04)
    ax = axes_for(ax, low, high, unit)
    dress_axes(ax, unit, low, high, front_view)
    _draw_tiles(ax, geometry, outlines)
    _draw_cut_outs(ax, geometry, unit.lengths)
    _draw_bad_regions(ax, geometry, unit.lengths)
    if beam:
        mark_beam(ax)
    if labels:
        _write_labels(ax, geometry, outlines, beam)
    name = geometry.detector.name if title is None else title
    write_heading(ax, name, _subtitle(geometry, front_view, beam))
    write_legend(ax, _legend(geometry, beam))
    return ax


def _subtitle(geometry: Geometry, front_view: bool, beam: bool) -> str:
    parts = ["looking along the beam" if front_view else "looking against the beam"]
    z = geometry.tile_outlines()[..., 2]
    if np.ptp(z) > 1e-9:
        parts.append(f"z {_millimetres(z.min())} … {_millimetres(z.max())} mm")
    if not beam:
        x, y = (_millimetres(c) for c in -geometry.tile_centres[:, :2].mean(axis=0))
        parts.append(f"beam far outside: {x}, {y} mm from the detector's centre")
    return ", ".join(parts)


def _millimetres(metres: float) -> str:
    return f"{round(1e3 * metres, 5) + 0.0:.4g}"


def _legend(geometry: Geometry, beam: bool) -> list[Artist]:
    handles: list[Artist] = [
        Line2D([], [], color=_GREY, linewidth=1.8, label="first row"),
        Line2D(
            [], [], color=_GREY, linestyle="none", marker=[(0, 0), (2, 0), (0, 1)], markersize=13,
            label="first pixel, long side along fast scan",
        ),
    ]  # fmt: skip
    if beam:
        handles.append(Line2D([], [], color=BEAM_COLOUR, label="beam", **BEAM_MARK))
    if any(geometry.detector.cut_out):
        handles.append(Patch(**_CUT_OUT, label="cut out"))
    if geometry.bad_regions:
        handles.append(Patch(**_BAD, label="bad region"))
    return handles


def _draw_tiles(ax: Axes, geometry: Geometry, outlines: FloatArray) -> None:
    colours = tile_colours(geometry.detector)
    faces = [PALETTE[c][0] for c in colours]
    lines = [PALETTE[c][1] for c in colours]
    tiles = PolyCollection(
        list(outlines), facecolors=faces, edgecolors=lines, linewidths=0.6, zorder=1
    )
    rows = LineCollection(list(outlines[:, :2]), colors=lines, linewidths=1.8, zorder=2)
    marks = PolyCollection(
        list(_first_pixel_marks(outlines, points_per_unit(ax))),
        facecolors=lines, edgecolors="none", zorder=3,
    )  # fmt: skip
    for artist in (tiles, rows, marks):
        ax.add_collection(artist, autolim=False)


def _first_pixel_marks(outlines: FloatArray, points: FloatArray) -> FloatArray:
    """Triangle at the first pixel of each tile, shape (n_tiles, 3, 2).

    The legs are a quarter and an eighth of the tile's shorter side, on the paper, and at most
    `LARGEST_MARK` points long.
    """
    first = outlines[:, 0]
    fs, ss = outlines[:, 1] - first, outlines[:, 3] - first
    long_fs, long_ss = (np.linalg.norm(v * points, axis=1, keepdims=True) for v in (fs, ss))
    leg = np.minimum(np.minimum(long_fs, long_ss) / 4, LARGEST_MARK)
    # A tile seen edge-on has a side of no length, and a mark of no size.
    along = fs * leg / np.where(long_fs > 0, long_fs, 1)
    across = ss * leg / 2 / np.where(long_ss > 0, long_ss, 1)
    return np.stack([first, first + along, first + across], axis=1)


def _draw_cut_outs(ax: Axes, geometry: Geometry, unit: FloatArray) -> None:
    """Draw what is cut out of each module, in the middle of the side that faces the others."""
    rows, columns = geometry.detector.cut_out
    if not rows or not columns:
        return
    middle = geometry.tile_centres.mean(axis=0)
    polygons = []
    for tile in range(geometry.n_tiles):
        n_ss, n_fs = geometry.detector.tile_shapes[tile]
        ss, fs = geometry.tile_ss[tile], geometry.tile_fs[tile]
        start = geometry.tile_corners[tile] + (n_fs - columns) / 2 * fs
        if np.dot(middle - geometry.tile_centres[tile], ss) > 0:
            start = start + (n_ss - rows) * ss
        polygons.append(
            [start, start + columns * fs, start + rows * ss + columns * fs, start + rows * ss]
        )
    ax.add_collection(
        PolyCollection(
            list(np.array(polygons)[..., :2] / unit), facecolors=_CUT_OUT["facecolor"],
            edgecolors=_CUT_OUT["edgecolor"], linewidths=0.6, zorder=2.5,
        ),
        autolim=False,
    )  # fmt: skip


def _draw_bad_regions(ax: Axes, geometry: Geometry, unit: FloatArray) -> None:
    polygons = []
    for region in geometry.bad_regions:
        if region.tile is not None and region.ss is not None and region.fs is not None:
            _, ss0, _, fs0, _ = geometry.detector.tile_bounds[region.tile]
            u = np.array(region.ss)[[0, 0, 1, 1]] - ss0
            v = np.array(region.fs)[[0, 1, 1, 0]] - fs0
            corner, ss, fs = (
                a[region.tile] for a in (geometry.tile_corners, geometry.tile_ss, geometry.tile_fs)
            )
            polygons.append((corner + u[:, np.newaxis] * ss + v[:, np.newaxis] * fs)[:, :2])
        elif region.x is not None and region.y is not None:
            x, y = region.x, region.y
            polygons.append(np.array([(x[i], y[j]) for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))]))
    if polygons:
        ax.add_collection(
            PolyCollection(
                [p / unit for p in polygons], facecolors=[_BAD["facecolor"]],
                edgecolors=_BAD["edgecolor"], hatch=_BAD["hatch"], linewidths=0.6, zorder=4,
            ),
            autolim=False,
        )  # fmt: skip


def _write_labels(ax: Axes, geometry: Geometry, outlines: FloatArray, beam: bool) -> None:
    detector = geometry.detector
    labels = Labels(ax)
    if beam:
        labels.reserve(np.zeros(2), BEAM_SIZE, BEAM_SIZE)
    colours = tile_colours(detector)
    texts, places, rooms, strong = [], [], [], []
    for module in range(detector.n_modules):
        tiles = detector.tiles_of(module)
        if len(tiles):
            corners = outlines[tiles.start : tiles.stop].reshape(-1, 2)
            texts.append(detector.module_names[module])
            places.append((corners.min(axis=0) + corners.max(axis=0)) / 2)
            rooms.append(np.ptp(corners, axis=0))
            strong.append(PALETTE[colours[tiles.start]][1])
    size = labels.size_for(texts, np.array(rooms), largest=10, bold=True)
    # The usual name of the only module says nothing.
    if size >= SMALLEST_LABEL and detector.module_names != ("M0",):
        for text, place, room, colour in zip(texts, places, rooms, strong, strict=True):
            labels.put(place + _MODULE_SHIFTS * room, text, size, colour, bold=True)
    _write_tile_labels(labels, geometry, outlines.mean(axis=1), _inner_rooms(outlines))


def _inner_rooms(outlines: FloatArray) -> FloatArray:
    """Width and height of a box that fits into each tile; where it is upright, its own."""
    fs, ss = outlines[:, 1] - outlines[:, 0], outlines[:, 3] - outlines[:, 0]
    area = np.abs(fs[:, 0] * ss[:, 1] - fs[:, 1] * ss[:, 0])
    box = np.maximum(np.ptp(outlines, axis=1), 1e-300)
    return np.asarray(area[:, np.newaxis] / box[:, ::-1])


def _write_tile_labels(
    labels: Labels, geometry: Geometry, centres: FloatArray, rooms: FloatArray
) -> None:
    """Write tile names: at the same place in all tiles, where most of them fit, if it is free."""
    found = _tile_names(labels, geometry, rooms)
    if found is None:
        return
    names, size = found

    def free(shift: FloatArray) -> int:
        places = centres + shift * rooms
        return sum(labels.is_free(places[tile], name, size) for tile, name in names.items())

    best = max(_TILE_SHIFTS[:3], key=free)
    shifts = np.concatenate([best[np.newaxis], _TILE_SHIFTS])
    for tile, name in names.items():
        most = np.maximum(rooms[tile] - labels.text_size(name, size), 0) / 2
        places = centres[tile] + np.clip(shifts * rooms[tile], -most, most)
        labels.put(places, name, size, "0.25")


def _tile_names(
    labels: Labels, geometry: Geometry, rooms: FloatArray
) -> tuple[dict[int, str], float] | None:
    """Names to write and their font size: whole, or without the module, or None if neither fits."""
    detector = geometry.detector
    modules = detector.tile_modules
    numbers = np.arange(detector.n_tiles) - np.searchsorted(modules, modules)
    usual = [f"p{m}a{t}" for m, t in zip(modules, numbers, strict=True)]
    single = np.bincount(modules)[modules] == 1
    # The usual name of the only tile of a module says no more than the name of the module.
    tiles = [
        t for t, name in enumerate(detector.tile_names) if not (single[t] and name == usual[t])
    ]
    whole = {t: detector.tile_names[t] for t in tiles}
    short = {t: f"a{numbers[t]}" if name == usual[t] else name for t, name in whole.items()}
    for names in (whole, short) if tiles else ():
        size = labels.size_for(names.values(), rooms[tiles], largest=7)
        if size >= SMALLEST_LABEL:
            return names, size
    return None
