"""Which detector the tiles of a file are, by where they lie in the data; never by names.

European XFEL's detectors, JUNGFRAU and ePix10K are known by their tiles, whether the file describes
data with a module axis or modules stacked along slow scan. Any other layout is taken as the file
describes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from geomlib.detector import Detector, FloatArray, IntArray, grid_tiles
from geomlib.detectors.agipd import AGIPD_1M, AGIPD_500K
from geomlib.detectors.dssc import DSSC_1M
from geomlib.detectors.epix import EPIX10K, EPIX100
from geomlib.detectors.examples import EXAMPLE_NAMES, example_geometry, suggestion
from geomlib.detectors.jungfrau import jungfrau_detector
from geomlib.detectors.known_layouts import slab_name
from geomlib.detectors.lpd import LPD_1M, lpd_mini_detector
from geomlib.detectors.pnccd import PNCCD
from geomlib.errors import GeometryError

#: More modules than any detector has: an index beyond it is a mistake.
MAX_MODULES = 10_000


class StoredTiles(NamedTuple):
    """What a file says of its tiles, in the order of the file.

    Attributes
    ----------
    names : tuple of str
        Of the tiles.
    slabs : ndarray of int, shape (n,)
        The slab of data that each tile lies in.
    has_axis : bool
        Whether the data has an axis of slabs; else there is one, with modules stacked along slow
        scan, if there are several.
    bounds : ndarray of int, shape (n, 4)
        First and last-plus-one row (ss), and column (fs), in the slab.
    corners, ss, fs : ndarray, shape (n, 3)
        Outer corner of the first pixel and steps of one pixel, metres.
    module : int, optional
        Where all tiles lie in one slab: the index of the module that it is in the data.
    slab : (int, int), optional
        Rows and columns of a slab, where the file says; else nothing is known but its tiles.
    """

    names: tuple[str, ...]
    slabs: IntArray
    has_axis: bool
    bounds: IntArray
    corners: FloatArray
    ss: FloatArray
    fs: FloatArray
    module: int | None = None
    slab: tuple[int, int] | None = None

    @property
    def sizes(self) -> IntArray:
        """Rows and columns of each tile, shape (n, 2)."""
        return self.bounds[:, [1, 3]] - self.bounds[:, [0, 2]]


class Recognised(NamedTuple):
    """A detector, and the tile that each tile of the file is.

    Attributes
    ----------
    detector : Detector
        With a tile for each one of the file.
    tiles : ndarray of int, shape (n,)
        Tile number of each, in the order of the file.
    """

    detector: Detector
    tiles: IntArray


class _Family(NamedTuple):
    """Detectors made of modules that are all cut alike.

    ``build`` gives the detector of a number of modules (or the smallest that has as many), for data
    with an axis of modules or, if False, with modules stacked along slow scan.
    """

    pixel_size: tuple[float, float]
    n_ss: int
    build: Callable[[int, bool], Detector | None]


def recognise(stored: StoredTiles, wanted: Detector | str | None = None) -> Recognised:
    """Find the detector that the tiles are.

    Parameters
    ----------
    stored : StoredTiles
        What the file says.
    wanted : Detector or str, optional
        The detector that it has to be; ``"generic"`` to take the layout as the file describes it.

    Raises
    ------
    GeometryError
        If the tiles are not those of the detector that is wanted, or that name is not known.
    """
    if isinstance(wanted, Detector):
        return _as(stored, wanted, [wanted])
    if not isinstance(wanted, str | None):
        raise GeometryError(f"detector must be a Detector or its name, not {wanted!r}")
    if wanted is None:
        sizes = _pixel_sizes(stored)
        for family in _FAMILIES:
            if all(abs(a / b - 1) < 0.01 for a, b in zip(sizes, family.pixel_size, strict=True)):
                found = _match_family(stored, family)
                if found is not None:
                    return found
    elif wanted.lower() != "generic":
        return _as(stored, wanted, detectors_named(wanted))
    return _generic(stored)


# -- Data coordinates -------------------------------------------------------------------


def _rectangles(stored: StoredTiles, n_ss: int, n_modules: int) -> IntArray:
    """Return module, first and last-plus-one row and column of each tile.

    In modules of ``n_ss`` rows, no more than ``n_modules`` of them.
    """
    slabs, axis = stored.slabs, stored.has_axis
    rows = stored.bounds.copy()
    if not axis and stored.module is not None:
        slabs = np.full(len(rows), stored.module, dtype=np.int64)
        axis = stored.module < n_modules
    if axis and rows[:, 1].max() <= n_ss:
        return np.column_stack([slabs, rows])
    # Stacked along slow scan.
    module = rows[:, 0] // n_ss
    rows[:, :2] -= (module * n_ss)[:, np.newaxis]
    return np.column_stack([module, rows])


def _pixel_sizes(stored: StoredTiles) -> tuple[float, float]:
    """Median pitch along slow scan and fast scan, metres."""
    middle = len(stored.names) // 2
    ss, fs = (float(np.sort(np.sqrt((v * v).sum(axis=1)))[middle]) for v in (stored.ss, stored.fs))
    return ss, fs


def _match(
    stored: StoredTiles, detector: Detector, rectangles: IntArray | None = None
) -> IntArray | None:
    """Tile of each, or None if one is no tile, or the same tile as another, of a detector."""
    modules, n_ss, _ = detector.data_shape
    if modules == 1 and stored.has_axis:
        return None
    if modules == 1 or rectangles is None:
        rows = n_ss if modules > 1 else int(stored.bounds[:, 1].max())
        rectangles = _rectangles(stored, rows, modules)
    known = _tile_lookup(detector)
    used: dict[int, int] = {}
    tiles = []
    for rectangle in map(tuple, rectangles.tolist()):
        # Two tiles may use the same data: they are taken in turn.
        choices = known.get(rectangle, ())
        turn = used.get(choices[0], 0) if choices else 0
        if turn >= len(choices):
            return None
        used[choices[0]] = turn + 1
        tiles.append(choices[turn])
    return np.array(tiles)


@lru_cache(maxsize=32)
def _tile_lookup(detector: Detector) -> dict[tuple[int, ...], tuple[int, ...]]:
    """Tiles of a detector by their bounds."""
    known: dict[tuple[int, ...], tuple[int, ...]] = {}
    for tile, bounds in enumerate(map(tuple, detector.tile_bounds.tolist())):
        known[bounds] = (*known.get(bounds, ()), tile)
    return known


# -- Known detectors --------------------------------------------------------------------


def _match_family(stored: StoredTiles, family: _Family) -> Recognised | None:
    rectangles = _rectangles(stored, family.n_ss, MAX_MODULES)
    last = int(rectangles[:, 0].max())
    if last >= MAX_MODULES:
        return None
    whole = family.build(last + 1, stored.has_axis)
    if whole is None or (stored.has_axis and stored.slab not in (None, whole.data_shape[1:])):
        return None
    tiles = _match(stored, whole, rectangles)
    if tiles is not None:
        return _part(_as_the_file_names_it(stored, whole, tiles), tiles)
    return _trimmed(stored, whole)


def _as_the_file_names_it(stored: StoredTiles, whole: Detector, tiles: IntArray) -> Detector:
    """Name the halves of a pnCCD as the file does, where the first one is not the top one.

    At LCLS the second half of the data is the upper one, and names of another order would mislead.
    """
    if whole is not PNCCD or len(tiles) != PNCCD.n_tiles:
        return whole
    rows, columns = stored.sizes.T
    y = stored.corners[:, 1] + rows / 2 * stored.ss[:, 1] + columns / 2 * stored.fs[:, 1]
    order = np.argsort(tiles)
    first, second = y[order]
    if first >= second:
        return whole
    names = tuple(stored.names[tile] for tile in order)
    return replace(whole, module_names=names, tile_names=names)


def _part(whole: Detector, tiles: IntArray) -> Recognised:
    """Keep the tiles of a detector that a file has: all, or fewer under the same data shape."""
    if len(tiles) == whole.n_tiles:
        return Recognised(whole, tiles)
    kept = np.sort(tiles)
    assert whole.wide_edges is not None
    detector = replace(
        whole,
        name=f"{whole.name} (part)",
        tile_bounds=whole.tile_bounds[kept],
        wide_edges=whole.wide_edges[kept],
        tile_names=tuple(whole.tile_names[t] for t in kept),
        quadrants=None,
        motors=None,
    )
    return Recognised(detector, np.searchsorted(kept, tiles))


def _trimmed(stored: StoredTiles, whole: Detector) -> Recognised | None:
    """Match tiles that each lie inside one tile: people leave the wide border pixels out."""
    if len(stored.names) != whole.n_tiles:
        return None
    rectangles = _rectangles(stored, whole.data_shape[1], whole.n_modules)
    n_ss, n_fs = (int(n) for n in whole.tile_shapes[0])
    cells = {
        (m, ss0 // n_ss, fs0 // n_fs): tile
        for tile, (m, ss0, _, fs0, _) in enumerate(whole.tile_bounds.tolist())
    }
    tiles = [
        cells.get((m, ss0 // n_ss, fs0 // n_fs), -1)
        if (ss1 - 1) // n_ss == ss0 // n_ss and (fs1 - 1) // n_fs == fs0 // n_fs
        else -1
        for m, ss0, ss1, fs0, fs1 in rectangles.tolist()
    ]
    if sorted(tiles) != list(range(whole.n_tiles)):
        return None
    bounds = np.empty_like(whole.tile_bounds)
    bounds[tiles] = rectangles
    detector = replace(whole, name=f"{whole.name} (trimmed)", tile_bounds=bounds, wide_edges=None)
    return Recognised(detector, np.array(tiles))


def _as(stored: StoredTiles, wanted: Detector | str, choices: Sequence[Detector]) -> Recognised:
    for detector in choices:
        tiles = _match(stored, detector)
        if tiles is not None:
            return _part(detector, tiles)
    ss0, ss1, fs0, fs1 = stored.bounds[0]
    raise GeometryError(
        f"detector={wanted!r} does not fit the file: it has {len(stored.names)} tiles, the first "
        f"of rows {ss0} to {ss1 - 1} and columns {fs0} to {fs1 - 1}, "
        f"rows up to {stored.bounds[:, 1].max() - 1}; expected tiles of "
        + " or ".join(repr(choice) for choice in choices)
    )


def _agipd(n_modules: int, axis: bool) -> Detector | None:
    if n_modules == 1 and not axis:
        bounds = AGIPD_1M.tile_bounds[:8]
        assert AGIPD_1M.wide_edges is not None
        return Detector(
            "AGIPD-module",
            (1, *AGIPD_1M.data_shape[1:]),
            bounds,
            AGIPD_1M.pixel_size,
            wide_edges=AGIPD_1M.wide_edges[:8],
        )
    if n_modules == AGIPD_500K.n_modules:
        return AGIPD_500K
    return _up_to(AGIPD_1M, n_modules)


def _lpd_mini(n_modules: int, axis: bool) -> Detector | None:
    # Eight of them, stacked, would be a module of LPD-1M.
    return lpd_mini_detector(n_modules) if axis or n_modules < 8 else None


def _epix10k(n_modules: int) -> Detector:
    """ePix10K: one module as it is, 16 of them as the ePix10K-2M of LCLS."""
    if n_modules == 1:
        return EPIX10K
    assert EPIX10K.wide_edges is not None
    n_ss, n_fs = (int(n) for n in EPIX10K.tile_shapes[0])
    return replace(
        EPIX10K,
        name="ePix10K-2M" if n_modules == 16 else f"ePix10K-{n_modules}-modules",
        data_shape=(n_modules, *EPIX10K.data_shape[1:]),
        tile_bounds=grid_tiles(n_modules, (n_ss, n_fs), [(0, 0), (0, 1), (1, 0), (1, 1)]),
        wide_edges=np.tile(EPIX10K.wide_edges, (n_modules, 1)),
        module_names=(),
        tile_names=(),
    )


def _up_to(detector: Detector, n_modules: int) -> Detector | None:
    return detector if n_modules <= detector.n_modules else None


_FAMILIES = (
    _Family(AGIPD_1M.pixel_size, 512, _agipd),
    # Before LPD-1M, in which its tiles would be the lowest of some modules.
    _Family(LPD_1M.pixel_size, 32, _lpd_mini),
    _Family(LPD_1M.pixel_size, 256, lambda n, axis: _up_to(LPD_1M, n)),
    _Family(DSSC_1M.pixel_size, 128, lambda n, axis: _up_to(DSSC_1M, n)),
    _Family(PNCCD.pixel_size, 512, lambda n, axis: jungfrau_detector(n)),
    _Family(PNCCD.pixel_size, 512, lambda n, axis: _up_to(PNCCD, n)),
    _Family(EPIX100.pixel_size, 704, lambda n, axis: _up_to(EPIX100, n)),
    _Family(EPIX10K.pixel_size, 352, lambda n, axis: _epix10k(n)),
)


def detectors_named(name: str) -> list[Detector]:
    """Detectors of a name, as `example_geometry` and the readers use it.

    Raises
    ------
    GeometryError
        If there are none; the message lists those that there are.
    """
    known = {other.lower(): other for other in EXAMPLE_NAMES}
    if name.lower() in known:
        return [example_geometry(name).detector]
    more = [jungfrau_detector(n) for n in range(1, 65)] + [_epix10k(n) for n in range(2, 17)]
    found = [detector for detector in more if detector.name.lower() == name.lower()]
    if not found:
        raise GeometryError(
            f"detector={name!r} is not known; {suggestion(name, [d.name for d in more])}"
            f"expected a Detector, 'generic', "
            f"{', '.join(repr(other) for other in EXAMPLE_NAMES)}, 'JUNGFRAU-16M' or 'ePix10K-2M'"
        )
    return found


# -- Any other --------------------------------------------------------------------------


def _generic(stored: StoredTiles) -> Recognised:
    slabs, rows = stored.slabs, stored.bounds
    if slabs.max() >= MAX_MODULES:
        name = stored.names[int(slabs.argmax())]
        raise GeometryError(
            f"tile {name!r} lies in module {slabs.max()} of the data; "
            f"expected less than {MAX_MODULES}"
        )
    shape = (int(slabs.max()) + 1, int(rows[:, 1].max()), int(rows[:, 3].max()))
    order = np.argsort(slabs, kind="stable")
    sizes = _pixel_sizes(stored)
    detector = Detector(
        (None if stored.has_axis else slab_name(shape[1:], sizes[1])) or "generic",
        shape,
        np.column_stack([slabs, rows])[order],
        sizes,
        tile_names=tuple(stored.names[tile] for tile in order),
    )
    return Recognised(detector, np.argsort(order))
