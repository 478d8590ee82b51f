"""`Detector`: how stored data is cut into tiles, and what a pixel looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib.errors import GeometryError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

#: The six corners of a hexagonal pixel, in steps of (ss, fs) from the corner of its bounding box;
#: rows overlap, so the box is 4/3 of a step high. Order as EXtra-geom and pyFAI use it.
HEXAGON_CORNERS = np.array(
    [[0, 0.5], [1 / 3, 1], [1, 1], [4 / 3, 0.5], [1, 0], [1 / 3, 0]], dtype=np.float64
)
#: The four corners of a rectangular pixel, in steps of (ss, fs).
RECTANGLE_CORNERS = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)


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
class Detector:
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
        shape = tuple(int(n) for n in self.data_shape)
        if len(shape) != 3 or min(shape) < 1:
            raise GeometryError(
                f"data_shape must be three positive numbers (modules, ss, fs), not {shape}"
            )
        bounds = np.array(self.tile_bounds, dtype=np.int64).reshape(-1, 5)
        _check_bounds(bounds, shape)
        pitch = tuple(float(p) for p in self.pixel_size)
        if len(pitch) != 2 or not all(np.isfinite(pitch)) or min(pitch) <= 0:
            raise GeometryError(
                f"pixel_size must be two positive lengths in metres (ss, fs), not {pitch}"
            )
        if self.pixel_shape not in ("rectangle", "hexagon"):
            raise GeometryError(
                f"pixel_shape must be 'rectangle' or 'hexagon', not {self.pixel_shape!r}"
            )
        wide = np.zeros((len(bounds), 4)) if self.wide_edges is None else self.wide_edges
        wide = np.array(wide, dtype=np.float64)
        if wide.shape != (len(bounds), 4):
            raise GeometryError(
                f"wide_edges must have shape ({len(bounds)}, 4), a row a tile, not {wide.shape}"
            )
        modules = _names(
            "module_names", self.module_names, [f"M{m}" for m in range(shape[0])], shape[0]
        )
        index = np.arange(len(bounds)) - np.searchsorted(bounds[:, 0], bounds[:, 0])
        default = [f"p{m}a{t}" for m, t in zip(bounds[:, 0], index, strict=True)]
        tiles = _names("tile_names", self.tile_names, default, len(bounds))
        for array in (bounds, wide):
            array.flags.writeable = False
        for field, value in (
            ("data_shape", shape),
            ("tile_bounds", bounds),
            ("pixel_size", pitch),
            ("wide_edges", wide),
            ("module_names", modules),
            ("tile_names", tiles),
        ):
            object.__setattr__(self, field, value)

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
    def module_groups(self) -> dict[str, tuple[int, ...]]:
        """Named groups of modules: quadrants ``q0`` …, or nothing."""
        if self.quadrants is None:
            return {}
        return {f"q{q}": modules for q, modules in enumerate(self.quadrants.modules)}

    # -- Value semantics ----------------------------------------------------------------

    def _key(self) -> tuple[Any, ...]:
        assert self.wide_edges is not None
        rest = tuple(
            getattr(self, f.name)
            for f in fields(self)
            if f.name not in ("tile_bounds", "wide_edges")
        )
        return (*rest, self.tile_bounds.tobytes(), (self.wide_edges + 0.0).tobytes())

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Detector):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor: numpy forgets in a pickle that an array was read-only.
        return type(self), tuple(getattr(self, f.name) for f in fields(self))

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


def _check_bounds(bounds: IntArray, shape: tuple[int, ...]) -> None:
    if len(bounds) == 0:
        raise GeometryError("tile_bounds is empty: a detector has at least one tile")
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
            f"tile {tile}: bounds {bounds[tile].tolist()} (module, ss from, ss to, fs from, fs to) "
            f"are empty or do not fit in the data shape {tuple(shape)}"
        )


def _names(
    argument: str, given: Sequence[str], default: Sequence[str], expected: int
) -> tuple[str, ...]:
    names = tuple(str(n) for n in (given or default))
    if len(names) != expected:
        raise GeometryError(f"{argument} must hold {expected} names, not {len(names)}")
    return names
