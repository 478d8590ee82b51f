"""`Detector`: how stored data is cut into tiles, and what a pixel looks like."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.errors import GeometryError
from geomlib.value import Value

IntArray = npt.NDArray[np.int64]
FloatArray = checks.FloatArray

#: The six corners of a hexagonal pixel, in steps of (ss, fs) from the corner of its bounding box;
#: rows overlap, so the box is 4/3 of a step high. Order as EXtra-geom and pyFAI use it.
HEXAGON_CORNERS = np.array(
    [[0, 0.5], [1 / 3, 1], [1, 1], [4 / 3, 0.5], [1, 0], [1 / 3, 0]], dtype=np.float64
)
#: The four corners of a rectangular pixel, in steps of (ss, fs).
RECTANGLE_CORNERS = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)
#: Most data pixels of a detector: 256 times a 16-megapixel one. Files that claim more are wrong.
MAX_PIXELS = 2**32


class Quadrants(NamedTuple):
    """Which modules form each quadrant, and what its quoted position means.

    Attributes
    ----------
    modules : tuple of tuple of int
        Module numbers of each quadrant.
    corner : {"first", "high", "low"}
        The point that a quadrant position refers to: the outer corner of the first pixel of its
        first module, or the highest or lowest x and y of its tiles.
    unit : float
        The usual unit of quadrant positions, in metres.
    """

    modules: tuple[tuple[int, ...], ...]
    corner: Literal["first", "high", "low"]
    unit: float


class Motors(NamedTuple):
    """Groups of modules that motors move, and the direction of each motor.

    Attributes
    ----------
    modules : tuple of tuple of int
        Module numbers of each group.
    axes : tuple of tuple of tuple of float
        One matrix a group, rows x and y, a column a motor: lab shift = matrix @ motor shift.
    """

    modules: tuple[tuple[int, ...], ...]
    axes: tuple[tuple[tuple[float, ...], ...], ...]


@dataclass(frozen=True, eq=False, repr=False)
class Detector(Value):
    """How the stored data of a detector is cut into tiles, and what a pixel looks like.

    A value: read-only arrays, comparable, hashable, picklable.

    Parameters
    ----------
    name : str
        The usual name, such as ``"AGIPD-1M"``; ``"generic"`` where there is none.
    data_shape : (int, int, int)
        Modules, pixels along slow scan, pixels along fast scan.
    tile_bounds : array_like of int, shape (n_tiles, 5)
        For each tile: module, first and last-plus-one slow-scan index, first and last-plus-one
        fast-scan index in that module. Sorted by module.
    pixel_size : (float, float)
        Nominal pixel pitch along slow scan and fast scan, in metres.
    pixel_shape : {"rectangle", "hexagon"}
        In a hexagonal detector odd rows are shifted by half a pixel along fast scan.
    wide_edges : array_like of float, shape (n_tiles, 4), optional
        By how much the border pixels at low ss, high ss, low fs and high fs reach out of the
        nominal grid, in pixels. Default: not at all.
    module_names, tile_names : sequence of str, optional
        Names for plots and files. Default ``M0`` … and ``p0a0`` (module 0, tile 0 in it) ….
    quadrants : Quadrants, optional
        For detectors whose users speak of quadrants.
    motors : Motors, optional
        For detectors with motor-driven parts.
    first_module_label : int
        The number that labelled (xarray) data uses for module 0.
    calibration_rows : int
        Rows at each end of a raw frame that hold no pixels of the sensor.
    cut_out : (int, int)
        Rows and columns, in pixels, cut out of each module around the beam (pnCCD).

    Raises
    ------
    GeometryError
        If an argument is not as described, tiles do not fit into the data, or the data holds more
        than 2**32 pixels.
    """

    name: str
    data_shape: tuple[int, int, int]
    tile_bounds: IntArray
    pixel_size: tuple[float, float]
    pixel_shape: Literal["rectangle", "hexagon"] = "rectangle"
    wide_edges: FloatArray | None = None
    module_names: tuple[str, ...] = ()
    tile_names: tuple[str, ...] = ()
    quadrants: Quadrants | None = None
    motors: Motors | None = None
    first_module_label: int = 0
    calibration_rows: int = 0
    cut_out: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        shape = _data_shape(self.data_shape)
        bounds = _bounds(self.tile_bounds, shape)
        n = len(bounds)
        wide = np.zeros((n, 4)) if self.wide_edges is None else self.wide_edges
        index = np.arange(n) - np.searchsorted(bounds[:, 0], bounds[:, 0])
        tiles = [f"p{m}a{t}" for m, t in zip(bounds[:, 0], index, strict=True)]
        modules = [f"M{m}" for m in range(shape[0])]
        pixel = self.pixel_shape
        if not isinstance(pixel, str) or pixel not in ("rectangle", "hexagon"):
            raise GeometryError(
                f"pixel_shape must be 'rectangle' or 'hexagon', not {checks.shown(pixel)}"
            )
        self._set(
            name=checks.text("name", self.name),
            data_shape=shape,
            tile_bounds=bounds,
            pixel_size=_pitch(self.pixel_size),
            wide_edges=checks.array("wide_edges", wide, (n, 4)),
            module_names=_names("module_names", self.module_names, modules),
            tile_names=_names("tile_names", self.tile_names, tiles),
            quadrants=_quadrants(self.quadrants, shape[0]),
            motors=_motors(self.motors, shape[0]),
            first_module_label=checks.integer("first_module_label", self.first_module_label, 0),
            calibration_rows=checks.integer("calibration_rows", self.calibration_rows, 0),
            cut_out=checks.integers("cut_out", self.cut_out, 0, count=2),
        )

    # -- Sizes and parts ----------------------------------------------------------------

    @property
    def n_modules(self) -> int:
        """Number of modules."""
        return self.data_shape[0]

    @property
    def n_tiles(self) -> int:
        """Number of tiles in the whole detector."""
        return len(self.tile_bounds)

    @property
    def tile_modules(self) -> IntArray:
        """Module of each tile, shape (n_tiles,)."""
        return self.tile_bounds[:, 0]

    @property
    def tile_shapes(self) -> IntArray:
        """Pixels along ss and fs of each tile, shape (n_tiles, 2)."""
        return np.stack(
            [
                self.tile_bounds[:, 2] - self.tile_bounds[:, 1],
                self.tile_bounds[:, 4] - self.tile_bounds[:, 3],
            ],
            axis=1,
        )

    def tiles_of(self, module: int) -> range:
        """Tile numbers of one module."""
        start, stop = np.searchsorted(self.tile_modules, [module, module + 1])
        return range(int(start), int(stop))

    def tile_slice(self, tile: int) -> tuple[int, slice, slice]:
        """Return the index of one tile in an array of shape `data_shape`."""
        module, ss0, ss1, fs0, fs1 = (int(n) for n in self.tile_bounds[tile])
        return module, slice(ss0, ss1), slice(fs0, fs1)

    @property
    def stacked_shape(self) -> tuple[int, int]:
        """Rows and columns of data with the modules stacked along slow scan, in one image."""
        modules, n_ss, n_fs = self.data_shape
        return modules * n_ss, n_fs

    @property
    def stacked_bounds(self) -> IntArray:
        """Rows from and to, columns from and to, of each tile in that image, shape (n_tiles, 4)."""
        bounds = self.tile_bounds[:, 1:].copy()
        bounds[:, :2] += self.tile_modules[:, np.newaxis] * self.data_shape[1]
        return bounds

    @property
    def module_groups(self) -> dict[str, tuple[int, ...]]:
        """Named groups of modules: quadrants ``q0`` …, or nothing."""
        if self.quadrants is None:
            return {}
        return {f"q{q}": modules for q, modules in enumerate(self.quadrants.modules)}

    def __repr__(self) -> str:
        modules, ss, fs = self.data_shape
        return (
            f"<Detector {self.name}: {modules} × {ss} × {fs} pixels of "
            f"{describe_pitch(self.pixel_size)}, {self.n_tiles} tiles>"
        )


@lru_cache(maxsize=8)
def tile_map(detector: Detector) -> npt.NDArray[np.int32]:
    """Tile number of each data pixel, shape `Detector.data_shape`; -1 where no tile uses it.

    Read-only, and kept for the detectors used last.
    """
    out = np.full(detector.data_shape, -1, dtype=np.int32)
    for tile in range(detector.n_tiles):
        out[detector.tile_slice(tile)] = tile
    out.flags.writeable = False
    return out


def default_groups(detector: Detector) -> dict[str, tuple[int, ...]]:
    """Make the groups that every geometry has: ``q0`` … (quadrants), ``p0`` … (modules)."""
    groups: dict[str, Sequence[int]] = {
        name: [t for m in modules for t in detector.tiles_of(m)]
        for name, modules in detector.module_groups.items()
    }
    groups |= {f"p{m}": detector.tiles_of(m) for m in range(detector.n_modules)}
    return {name: tuple(tiles) for name, tiles in groups.items()}


def describe_pitch(pixel_size: Sequence[float]) -> str:
    """Say a pixel pitch in µm: ``200 µm`` or, along ss and fs, ``204.4 × 236 µm``."""
    ss, fs = (f"{1e6 * p:.4g}" for p in pixel_size)
    return f"{ss} µm" if ss == fs else f"{ss} × {fs} µm"


def grid_tiles(
    n_modules: int, tile_shape: tuple[int, int], order: Sequence[tuple[int, int]]
) -> IntArray:
    """Bounds of equal tiles, each module cut the same way.

    Parameters
    ----------
    n_modules : int
        Number of modules.
    tile_shape : (int, int)
        Pixels of a tile along ss and fs.
    order : sequence of (int, int)
        Row (along ss) and column (along fs) of each tile in its module, in tile order.

    Returns
    -------
    ndarray of int, shape (n_tiles, 5)
        As `Detector.tile_bounds`.
    """
    n_ss, n_fs = tile_shape
    return np.array(
        [
            (m, row * n_ss, (row + 1) * n_ss, column * n_fs, (column + 1) * n_fs)
            for m in range(n_modules)
            for row, column in order
        ],
        dtype=np.int64,
    )


def seams(bounds: IntArray, data_shape: tuple[int, int, int], ss: float, fs: float) -> FloatArray:
    """`Detector.wide_edges` for tiles whose pixels are wider where they meet inside a module.

    ``ss`` and ``fs`` say by how many pixels a border pixel reaches into the seam; the outer border
    of a module has nominal pixels.
    """
    _, n_ss, n_fs = data_shape
    inner = np.stack(
        [
            np.where(bounds[:, 1] > 0, ss, 0.0),
            np.where(bounds[:, 2] < n_ss, ss, 0.0),
            np.where(bounds[:, 3] > 0, fs, 0.0),
            np.where(bounds[:, 4] < n_fs, fs, 0.0),
        ],
        axis=1,
    )
    return inner.astype(np.float64)


def _data_shape(value: object) -> tuple[int, int, int]:
    try:
        modules, ss, fs = checks.integers("data_shape", value, 1, count=3)
    except GeometryError:
        raise GeometryError(
            f"data_shape must be three positive numbers (modules, ss, fs), "
            f"not {checks.shown(value)}"
        ) from None
    if modules * ss * fs > MAX_PIXELS:
        raise GeometryError(
            f"data_shape {modules, ss, fs} holds {modules * ss * fs:.2g} pixels, more than "
            f"{MAX_PIXELS:.2g}"
        )
    return modules, ss, fs


def _pitch(value: object) -> tuple[float, float]:
    try:
        ss, fs = checks.array("pixel_size", value, (2,)).tolist()
    except GeometryError:
        ss = fs = np.nan
    if not (ss > 0 and fs > 0):
        raise GeometryError(
            f"pixel_size must be two positive lengths in metres (ss, fs), not {checks.shown(value)}"
        )
    return ss, fs


def _bounds(value: npt.ArrayLike, shape: tuple[int, int, int]) -> IntArray:
    try:
        given = np.asarray(value)
    except (TypeError, ValueError):
        given = np.zeros((1, 0))
    if not given.size and not given.shape[0]:
        raise GeometryError("tile_bounds is empty: a detector has at least one tile")
    if given.dtype.kind not in "iu" or given.ndim != 2 or given.shape[1] != 5:
        raise GeometryError(
            "tile_bounds must be whole numbers of shape (tiles, 5), a row (module, ss from, ss to, "
            f"fs from, fs to) for each tile, not {checks.shown(value)}"
        )
    bounds = given.astype(np.int64)
    if np.any(np.diff(bounds[:, 0]) < 0):
        raise GeometryError("tile_bounds must be sorted by module (its first column)")
    low, high = bounds[:, [0, 1, 3]], bounds[:, [0, 2, 4]] - [1, 0, 0]
    wrong = (
        (low < 0).any(axis=1)
        | (bounds[:, 0] >= shape[0])
        | (bounds[:, 2] > shape[1])
        | (bounds[:, 4] > shape[2])
        | (high[:, 1:] <= low[:, 1:]).any(axis=1)
    )
    if wrong.any():
        tile = int(np.argmax(wrong))
        raise GeometryError(
            f"tile_bounds of tile {tile}: {bounds[tile].tolist()} (module, ss from, ss to, "
            f"fs from, fs to) are empty or do not fit in the data shape {shape}"
        )
    bounds.flags.writeable = False
    return bounds


def _names(argument: str, given: object, default: Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise GeometryError(f"{argument} must be a sequence of names, not {checks.shown(given)}")
    names = tuple(checks.text(f"a name in {argument}", name) for name in given) or tuple(default)
    if len(names) != len(default):
        raise GeometryError(f"{argument} must hold {len(default)} names, not {len(names)}")
    return names


def _quadrants(given: Quadrants | None, n_modules: int) -> Quadrants | None:
    if given is None:
        return None
    if not isinstance(given, Quadrants):
        raise GeometryError(f"quadrants must be Quadrants or None, not {checks.shown(given)}")
    if given.corner not in ("first", "high", "low"):
        raise GeometryError(
            f"quadrants.corner must be 'first', 'high' or 'low', not {checks.shown(given.corner)}"
        )
    return Quadrants(
        _module_groups("quadrants", given.modules, n_modules),
        given.corner,
        checks.number("quadrants.unit", given.unit, positive=True),
    )


def _motors(given: Motors | None, n_modules: int) -> Motors | None:
    if given is None:
        return None
    if not isinstance(given, Motors):
        raise GeometryError(f"motors must be Motors or None, not {checks.shown(given)}")
    modules = _module_groups("motors", given.modules, n_modules)
    axes = checks.numbers("motors.axes", given.axes)
    if axes.ndim != 3 or axes.shape[:2] != (len(modules), 2) or not axes.size:
        raise GeometryError(
            f"motors.axes must have shape ({len(modules)}, 2, motors): groups, xy, motors; "
            f"not {axes.shape}"
        )
    return Motors(modules, tuple(tuple(tuple(row) for row in group) for group in axes.tolist()))


def _module_groups(argument: str, given: Any, n_modules: int) -> tuple[tuple[int, ...], ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        given = ()
    groups = tuple(
        checks.integers(f"each group of {argument}.modules", group, 0, n_modules - 1)
        for group in given
    )
    if not groups or not all(groups):
        raise GeometryError(f"{argument}.modules must be groups of at least one module number each")
    return groups
