"""A detector of pyFAI as a geometry: its tiles are found from where the corners of its pixels are.

pyFAI knows corners of pixels, in axes (z, y, x), and nothing of tiles. Pixels are on one grid where
they share an edge and have one size. Border pixels may be wider: they belong to the tile that they
end, and where two of them meet, two tiles do. Each tile is then fitted to its corners in float64;
one that no plane grid fits, bent too little for one step to show it, is cut where two grids do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.coordinates import BoolArray
from geomlib.detector import Detector, FloatArray, IntArray, tile_map
from geomlib.detectors import EXAMPLE_NAMES, example_geometry
from geomlib.detectors.jungfrau import jungfrau_detector
from geomlib.detectors.known_layouts import slab_name
from geomlib.detectors.lpd import lpd_mini_detector
from geomlib.errors import GeometryError, warn
from geomlib.geometry import Geometry
from geomlib.integration.pyfai_grids import (
    FLOAT32,
    MAX_TILES,
    ROUNDINGS,
    Piece,
    fit,
    fit_all,
    from_corner,
)
from geomlib.regions import regions_of_mask

NDArray = npt.NDArray[Any]
#: Classes of pyFAI's detectors, which are their names where they have none.
NO_NAMES = ("Detector", "NexusDetector", "HexDetector")
#: Steps of tiles and the pitch of a known detector agree to this, or it is another detector.
SAME_PITCH = 0.05

# Which corner of the next pixel lies on which corner of this one. Hexagons of the next row sit half
# a pixel further along fs, or half a pixel back.
_Meeting = tuple[tuple[int, int], ...]
_NEXT_SS, _NEXT_FS = ((0, 1), (3, 2)), ((0, 3), (1, 2))
_NEXT_SS_FURTHER, _NEXT_SS_BACK = ((0, 2), (5, 3)), ((0, 4), (1, 3))
_NEXT_FS_HEXAGON = ((5, 1), (4, 2))


class _Joins(NamedTuple):
    """Of neighbours along one axis: whether they are on one grid, and which are wide borders."""

    joined: BoolArray
    high: BoolArray  # the second of the two is a wide border that ends a tile
    low: BoolArray  # the first of the two is a wide border that begins a tile


def from_pyfai_detector(
    detector: Any, *, name: str | None = None, layout: Detector | None = None
) -> Geometry:
    """Return a detector of pyFAI as a geometry, with the tiles found.

    Parameters
    ----------
    detector : pyFAI.detectors.Detector
        Any: one that `to_pyfai_detector` made, one read from a NeXus file, or one of pyFAI's own.
    name : str, optional
        Of the detector; default: that of the detector of geomlib whose data is cut in the same way,
        else the name that pyFAI has for it.
    layout : Detector, optional
        How the data is cut into modules and tiles, where that is known; its modules are joined
        along slow scan.

    Returns
    -------
    Geometry
        Positions of the tiles are within the float32 rounding of pyFAI's corners. Of a detector
        that geomlib knows by its shape, pitch and tiles, it has the modules; else one module, the
        image. The mask becomes bad regions; data without finite corners belongs to no tile.
        A detector that `to_pyfai_detector` made gives its geometry back, exactly, with its mask as
        it is now.

    Raises
    ------
    GeometryError
        If `detector` is no detector of pyFAI, has no shape, or its pixels lie on no grids; with
        `layout`, if the pixels of a tile do not lie on one.

    Warns
    -----
    GeometryWarning
        If pyFAI itself has the centres of pixels elsewhere than their corners, as in a file with
        an orientation other than 3; the corners count.

    Examples
    --------
    >>> import geomlib, pyFAI.detectors
    >>> geomlib.from_pyfai_detector(pyFAI.detectors.Pilatus100k())
    <Geometry Pilatus 100k: 1 × 195 × 487 pixels of 172 µm, 1 tile>
    """
    _check_detector(detector)
    from geomlib.integration.pyfai_detector import GeomlibDetector

    if name is not None:
        checks.text("name", name)
    if isinstance(detector, GeomlibDetector):
        own = _own_geometry(detector)
        named = own.detector if name is None else replace(own.detector, name=name)
        return own.replace(detector=named)
    corners = _pixel_corners(detector)
    mask = _mask(detector, corners.shape[:2])
    _check_centres(detector, corners)
    called = "" if detector.name in NO_NAMES else detector.name
    told = Told(corners, mask, (detector.pixel1, detector.pixel2), called)
    return geometry_of_corners(told, name, layout)


class Told(NamedTuple):
    """What pyFAI, or a file of it, says of a detector.

    Attributes
    ----------
    corners : ndarray, shape (rows, columns, 4 or 6, 3)
        z, y, x of the corners of pixels, metres.
    mask : ndarray of bool, shape (rows, columns)
        Bad pixels.
    pitch : tuple
        Of pixels along slow scan and fast scan, metres; None where it is not known.
    name : str
        Of the detector, or empty.
    """

    corners: NDArray
    mask: BoolArray
    pitch: tuple[float | None, float | None]
    name: str


def geometry_of_corners(
    told: Told, name: str | None = None, layout: Detector | None = None
) -> Geometry:
    """Return a geometry with the tiles found; see `from_pyfai_detector`.

    Raises
    ------
    GeometryError
        If the pixels lie on no grids, or not on those of the layout.
    """
    corners, mask, _, _ = told
    if layout is not None:
        return _fit_layout(corners, mask, layout if name is None else replace(layout, name=name))
    pieces, fits = _find_tiles(corners, mask)
    described, order = _describe(told, pieces, fits, name)
    corner, ss, fs = np.array(fits)[order].swapaxes(0, 1)
    return Geometry(described, corner, ss, fs, bad_regions=regions_of_mask(described, mask))


# -- What pyFAI says --------------------------------------------------------------------


def _check_detector(detector: object) -> None:
    from pyFAI.detectors import Detector as PyfaiDetector

    if isinstance(detector, PyfaiDetector):
        return
    inner = getattr(detector, "detector", None)
    hint = "; it has one: pass its .detector" if isinstance(inner, PyfaiDetector) else ""
    raise GeometryError(f"detector must be a detector of pyFAI, not {checks.shown(detector)}{hint}")


def _own_geometry(detector: Any) -> Geometry:
    geometry = getattr(detector, "geometry", None)
    if not isinstance(geometry, Geometry):
        raise GeometryError("detector is empty: it has no geometry")
    bad = geometry.bad_pixels()
    mask = _mask(detector, detector.shape).reshape(bad.shape) | (tile_map(geometry.detector) < 0)
    # Regions stay what they were, rectangles in the lab too, unless the mask was changed.
    if np.array_equal(mask, bad):
        return geometry
    kept = () if (bad & ~mask).any() else geometry.bad_regions
    new = mask & ~bad if kept else mask
    return geometry.replace(bad_regions=(*kept, *regions_of_mask(geometry.detector, new)))


def _pixel_corners(detector: Any) -> NDArray:
    if detector.shape is None:
        raise GeometryError("detector has no shape: make it with max_shape=(rows, columns)")
    try:
        corners = np.asarray(detector.get_pixel_corners(correct_binning=True))
    except (TypeError, RuntimeError) as problem:
        raise GeometryError(f"detector {detector.name} has no pixel corners: {problem}") from None
    if corners.ndim != 4 or corners.shape[2] not in (4, 6) or corners.shape[3] != 3:
        expected = "(rows, columns, 4 or 6, 3)"
        raise GeometryError(f"detector must have corners of shape {expected}, not {corners.shape}")
    return corners


def _mask(detector: Any, shape: tuple[int, ...]) -> BoolArray:
    mask = detector.mask
    if mask is None:
        return np.zeros(shape, dtype=np.bool_)
    if mask.shape != tuple(shape):
        raise GeometryError(f"detector.mask must have shape {tuple(shape)}, not {mask.shape}")
    return np.asarray(mask != 0)


def _check_centres(detector: Any, corners: NDArray) -> None:
    """Warn if pyFAI turns the image for the centres of pixels, but not for their corners."""
    first = np.zeros(1)
    y, x, _ = detector.calc_cartesian_positions(first, first)
    pixel = corners[0, 0].astype(np.float64)
    away = np.abs([y[0], x[0]] - pixel[:, 1:].mean(axis=0))
    # Of hexagons pyFAI's centres are off by a quarter of a pixel, which is no matter of taste.
    if (away > np.ptp(pixel, axis=0).max()).any():
        warn(
            f"orientation {int(detector.orientation)} of detector {detector.name}: pyFAI turns the "
            "centres of its pixels, but not their corners; the corners count here"
        )


# -- Which pixels are on one grid -------------------------------------------------------


def _find_tiles(corners: NDArray, mask: BoolArray) -> tuple[list[Piece], list[FloatArray]]:
    finite: BoolArray = np.isfinite(corners)
    size = _size(corners)
    rounding = ROUNDINGS * FLOAT32 * size
    ends = ((0, 1), (0, 3)) if corners.shape[2] == 4 else ((0, 3), (5, 1))
    with np.errstate(invalid="ignore"):
        widths = [np.linalg.norm(corners[:, :, b] - corners[:, :, a], axis=2) for a, b in ends]
        # Placeholders have no area: all corners in one place.
        live = finite.all(axis=(2, 3)) & (np.minimum(*widths) > 2 * rounding)
        ss, fs = _all_joins(corners, widths, live, rounding)
    # Masked pixels that are on no grid with others are placeholders too: data of no tile.
    beside = np.pad(ss.joined, ((1, 0), (0, 0))) | np.pad(ss.joined, ((0, 1), (0, 0)))
    beside |= np.pad(fs.joined, ((0, 0), (1, 0))) | np.pad(fs.joined, ((0, 0), (0, 1)))
    live &= beside | ~mask
    if not live.any() or 2 * rounding > 0.25 * np.median(widths[1][live]):
        raise GeometryError(f"detector has no pixels larger than the rounding at {size:g} m")
    return fit_all(corners, _rectangles(live, ss, fs), rounding)


def _size(corners: NDArray) -> float:
    """Return the largest coordinate, in metres."""
    finite = np.isfinite(corners)
    low, high = corners.min(where=finite, initial=0.0), corners.max(where=finite, initial=0.0)
    return float(max(high, -low))


def _all_joins(
    corners: NDArray, widths: list[NDArray], live: BoolArray, rounding: float
) -> tuple[_Joins, _Joins]:
    """Find joins along ss, shape (rows - 1, columns), and along fs, (rows, columns - 1)."""

    def meet(which: tuple[slice, ...], pairs: _Meeting) -> BoolArray:
        # Each of two corners that should be one may be off by the rounding.
        other = tuple(slice(-1) if part.start else part for part in which)
        out = live[which] & live[other]
        here, there = corners[which], corners[other]
        for a, b in pairs:
            out &= (np.abs(here[:, :, a] - there[:, :, b]) <= 2 * rounding).all(axis=2)
        return out

    next_ss, next_fs = (slice(1, None), slice(None)), (slice(None), slice(1, None))
    if corners.shape[2] == 4:
        along_ss = _cut_seams(meet(next_ss, _NEXT_SS).T, widths[0].T, rounding)
        along_fs = _cut_seams(meet(next_fs, _NEXT_FS), widths[1], rounding)
        return _Joins(*(part.T for part in along_ss)), along_fs
    # Rows of a tile go further, back, further …, from an unshifted row on.
    further = meet(next_ss, _NEXT_SS_FURTHER)
    before = np.pad(further, ((1, 0), (0, 0)))[:-1]
    rows = (further & ~before) | (meet(next_ss, _NEXT_SS_BACK) & before)
    columns = meet(next_fs, _NEXT_FS_HEXAGON)
    no_rows, no_columns = np.zeros_like(rows), np.zeros_like(columns)
    return _Joins(rows, no_rows, no_rows), _Joins(columns, no_columns, no_columns)


def _cut_seams(touching: BoolArray, width: NDArray, rounding: float) -> _Joins:
    """Tell wide border pixels from the pixels of another pitch; columns follow each other.

    A wide border ends at a gap, or at the wide border of the next tile, beyond which pixels are
    narrow again. Where the width changes without that, another tile begins.
    """

    def before(pairs: BoolArray) -> BoolArray:
        return np.pad(pairs, ((0, 0), (1, 0)))[:, :-1]

    def after(pairs: BoolArray) -> BoolArray:
        return np.pad(pairs, ((0, 0), (0, 1)))[:, 1:]

    # A width is the difference of two coordinates: each of the two widths is off by 2 roundings.
    change = np.diff(width, axis=1)
    wider, narrower = touching & (change > 4 * rounding), touching & (change < -4 * rounding)
    same = touching & ~wider & ~narrower
    ends = ~after(touching) | after(narrower) | (after(same) & after(after(narrower)))
    begins = ~before(touching) | (before(same) & before(before(wider)))
    high, low = wider & ends, narrower & begins
    return _Joins(high | low | (same & ~before(high) & ~after(low)), high, low)


def _rectangles(live: BoolArray, along_ss: _Joins, along_fs: _Joins) -> list[Piece]:
    """Cut the live pixels into blocks without a break, from the first pixel on."""
    columns = live.shape[1]
    starts, stops = np.ones_like(live), np.ones_like(live)
    starts[:, 1:], stops[:, :-1] = ~along_fs.joined, ~along_fs.joined
    above = np.zeros_like(live)
    above[1:] = along_ss.joined
    # For each pixel, the last column of its run in its row.
    last = np.where(stops, np.arange(columns), columns)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    free = live.copy()
    flat, at = free.reshape(-1), 0
    pieces: list[Piece] = []
    while flat[at:].any() and len(pieces) <= MAX_TILES:
        at += int(np.argmax(flat[at:]))
        ss0, fs0 = divmod(at, columns)
        fs1 = int(last[ss0, fs0]) + 1
        ss1 = ss0 + 1 + _leading(starts[ss0 + 1 :, fs0] & (last[ss0 + 1 :, fs0] == fs1 - 1))
        ss1 = ss0 + 1 + _leading(np.all(above[ss0 + 1 : ss1, fs0:fs1], axis=1))
        free[ss0:ss1, fs0:fs1] = False
        tall, broad = ss1 - ss0 > 1, fs1 - fs0 > 1
        wide = (
            tall and bool(along_ss.low[ss0, fs0]),
            tall and bool(along_ss.high[ss1 - 2, fs0]),
            broad and bool(along_fs.low[ss0, fs0]),
            broad and bool(along_fs.high[ss0, fs1 - 2]),
        )
        pieces.append(Piece((ss0, ss1, fs0, fs1), wide))
    return pieces


def _leading(flags: Any) -> int:
    """How many of the first flags are set."""
    return len(flags) if flags.all() else int(np.argmin(flags))


def _fit_layout(corners: NDArray, mask: BoolArray, layout: Detector) -> Geometry:
    """Fit the tiles of a detector that is known to the corners of its pixels."""
    count = 6 if layout.pixel_shape == "hexagon" else 4
    if corners.shape[:3] != (*layout.stacked_shape, count):
        rows, columns = layout.stacked_shape
        raise GeometryError(
            f"layout has {rows} × {columns} pixels of {count} corners, the detector "
            f"{corners.shape[0]} × {corners.shape[1]} of {corners.shape[2]}"
        )
    assert layout.wide_edges is not None
    rounding = ROUNDINGS * FLOAT32 * _size(corners)
    vectors = []
    for bounds, wide in zip(layout.stacked_bounds.tolist(), layout.wide_edges > 0, strict=True):
        piece = Piece(tuple(bounds), tuple(wide.tolist()))
        middle, worst = fit(corners, piece)
        if not worst <= rounding:
            raise GeometryError(
                f"the pixels of rows {bounds[0]} to {bounds[1] - 1} and columns {bounds[2]} to "
                f"{bounds[3] - 1} are no tile of {layout!r}: they do not lie on one grid"
            )
        vectors.append(from_corner(piece, middle))
    corner, ss, fs = np.array(vectors).swapaxes(0, 1)
    return Geometry(layout, corner, ss, fs, bad_regions=regions_of_mask(layout, mask))


# -- Which detector it is ---------------------------------------------------------------


def _describe(
    told: Told, pieces: list[Piece], fits: list[FloatArray], name: str | None
) -> tuple[Detector, IntArray]:
    """Return the detector that these tiles are, and the order of the tiles in it."""
    corners = told.corners
    rows, columns, n_corners, _ = corners.shape
    bounds = np.array([piece.bounds for piece in pieces])
    pitch = np.median([np.linalg.norm(fit[1:], axis=1) for fit in fits], axis=0)
    shape: Literal["rectangle", "hexagon"] = "hexagon" if n_corners == 6 else "rectangle"
    for known in _known_detectors(rows, columns):
        order = _order_in(known, bounds)
        near = np.abs(pitch / known.pixel_size - 1) < SAME_PITCH
        if order is not None and near.all() and known.pixel_shape == shape:
            return known if name is None else replace(known, name=name), order
    # The pitch that pyFAI was told is exact, where it is that of the pixels.
    exact = np.array([size or np.inf for size in told.pitch])
    pitch = np.where(np.abs(pitch / exact - 1) < 1e-4, exact, pitch)
    described = Detector(
        name or told.name or slab_name((rows, columns), float(pitch[0])) or "generic",
        (1, rows, columns),
        np.insert(bounds, 0, 0, axis=1),
        (float(pitch[0]), float(pitch[1])),
        pixel_shape=shape,
        wide_edges=np.array([_reach(corners, *one) for one in zip(pieces, fits, strict=True)]),
    )
    return described, np.arange(len(pieces))


def _known_detectors(rows: int, columns: int) -> Iterator[Detector]:
    for known in (example_geometry(name).detector for name in EXAMPLE_NAMES):
        if known.stacked_shape == (rows, columns):
            yield known
    for make in (jungfrau_detector, lpd_mini_detector):  # of any number of modules
        _, n_ss, n_fs = make(1).data_shape
        if columns == n_fs and rows % n_ss == 0:
            yield make(rows // n_ss)


def _order_in(known: Detector, bounds: IntArray) -> IntArray | None:
    """For each tile of a known detector the number of the piece that it is, or None."""
    number = {tuple(piece): i for i, piece in enumerate(bounds.tolist())}
    found = [number.get(tuple(tile), -1) for tile in known.stacked_bounds.tolist()]
    return None if -1 in found or len(found) != len(bounds) else np.array(found)


def _reach(corners: NDArray, piece: Piece, vectors: FloatArray) -> list[float]:
    """How far border pixels reach out of the grid of their tile, as `Detector.wide_edges`."""
    ss0, ss1, fs0, fs1 = piece.bounds
    part = corners[ss0:ss1, fs0:fs1, :, ::-1]
    to_steps = np.linalg.pinv(vectors[1:])
    edges = (part[0, :, 0], part[-1, :, 1], part[:, 0, 0], part[:, -1, 3])
    reach = [0.0] * 4
    for side in np.flatnonzero(piece.wide):
        axis, high = divmod(int(side), 2)
        place = float(np.median(((edges[side] - vectors[0]) @ to_steps)[:, axis]))
        reach[side] = place - piece.size[axis] if high else -place
    return reach
