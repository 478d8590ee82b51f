"""Method ``"split"``: the true areas of pixels, shared out over the grid of the image."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from geomlib import checks, coordinates
from geomlib.assembly.fill import fill_value
from geomlib.assembly.inputs import Stack, check_geometry
from geomlib.assembly.overlaps import LEAST_COVERAGE, Float32Array, Overlaps, find_overlaps
from geomlib.assembly.plan import Grid, _extent, _grid, _tiles
from geomlib.assembly.treatment import Treatment
from geomlib.coordinates import Tiles
from geomlib.detector import Detector, FloatArray
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.threads import check_threads, run_pieces

NDArray = npt.NDArray[Any]
Values = Literal["intensity", "counts"]
#: Frames or rows are cut into this many pieces a thread, so that no thread waits long at the end.
PIECES_A_THREAD = 4
#: Most that is written in a piece: a thread that helps hears of Ctrl-C only between pieces.
PIECE_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False, repr=False)
class SplitPlan:
    """Each image pixel takes a share of every data pixel that overlaps it.

    Attributes
    ----------
    grid : Grid
        The image.
    overlaps : Overlaps
        Of the whole image, also where the plan is of a window of it.
    digest : str
        Of the geometry; see `geometry_digest`.
    first, row_length : int
        Number of image pixel [0, 0] in the overlaps, and of those from row to row.
    distance : float, optional
        From the sample, in metres, where pixels were projected as it sees them.
    """

    grid: Grid
    overlaps: Overlaps
    digest: str
    first: int
    row_length: int
    distance: float | None = None

    def __repr__(self) -> str:
        (n_y, n_x), (y, x) = self.grid.shape, (f"{float(c):g}" for c in self.grid.centre)
        size_y, size_x = (f"{1e6 * size:.6g}" for size in self.grid.pixel_size)
        away = "" if self.distance is None else f", seen from {self.distance:g} m"
        return (
            f"<SplitPlan: {n_y} × {n_x} pixels (y, x) of {size_y} × {size_x} µm, "
            f"centre ({y}, {x}), {len(self.overlaps.pixels)} overlaps{away}>"
        )

    def window(self, top: int, bottom: int, left: int, right: int) -> SplitPlan:
        """Return the plan of a window of the image: rows and columns, the last ones excluded."""
        centre_y, centre_x = self.grid.centre
        grid = replace(
            self.grid, shape=(bottom - top, right - left), centre=(centre_y - top, centre_x - left)
        )
        return replace(self, grid=grid, first=self.first + top * self.row_length + left)

    def coverage(self, mask: npt.ArrayLike | None = None) -> Float32Array:
        """Return which part of each image pixel is covered by data pixels.

        Parameters
        ----------
        mask : array_like of bool, shape (modules, ss, fs), optional
            True for data pixels that do not count.

        Returns
        -------
        ndarray of float32, shape (y, x)
            From 0 to 1; more where tiles overlap.

        Raises
        ------
        GeometryError
            If the mask is not of bool, or has another shape.
        """
        left_out = None
        if mask is not None:
            left_out = np.asarray(mask)
            shape = self.overlaps.pixel_areas.shape
            if left_out.dtype != np.bool_ or left_out.shape != shape:
                raise GeometryError(
                    f"mask must be boolean and of shape {shape} (modules, ss, fs), not "
                    f"{left_out.dtype} {left_out.shape}"
                )
        covered = self.overlaps.coverage(left_out).reshape(-1, self.row_length)
        top, left = divmod(self.first, self.row_length)
        n_y, n_x = self.grid.shape
        return covered[top : top + n_y, left : left + n_x]


def split_plan(
    geometry: Geometry,
    *,
    pixel_size: float | tuple[float, float] | None = None,
    oversample: int = 1,
    distance: float | None = None,
    centred: bool = False,
    threads: int | None = None,
) -> SplitPlan:
    """Work out method ``"split"`` for a geometry; the plans used last are kept and shared.

    Parameters
    ----------
    geometry : Geometry
        Where the pixels are. Wide border pixels and hexagons have their true shapes.
    pixel_size : float or (float, float), optional
        Of the image, along (y, x), in metres; default: the pitch of the detector.
    oversample : int
        Divide the pixel size by this.
    distance : float, optional
        From the sample to the plane z = 0 of the geometry, in metres: pixels are projected onto
        that plane as the sample sees them. Default: along the beam, as seen from far away.
    centred : bool
        Make the image larger so that the origin of the lab lies in its middle.
    threads : int, optional
        Default: the processors that this process may use. The plan does not depend on it.

    Returns
    -------
    SplitPlan

    Raises
    ------
    GeometryError
        If an option does not fit, a tile lies at the sample or behind it, or the image would be too
        large.

    Examples
    --------
    >>> import geomlib
    >>> plan = geomlib.split_plan(geomlib.example_geometry("ePix10K"), oversample=2)
    >>> plan.grid.shape, float(plan.coverage().max())
    ((710, 774), 1.0)
    """
    check_geometry(geometry, "split_plan(geometry)")
    workers = check_threads(threads)
    pixel = _pixel_size(geometry, pixel_size) / checks.integer("oversample", oversample, 1)
    away = None if distance is None else checks.number("distance", distance, positive=True)
    grid = split_grid(geometry, pixel, away, checks.flag("centred", centred))
    return plan_on_grid(geometry, grid, away, workers)


def split_grid(
    geometry: Geometry, pixel: FloatArray, distance: float | None, centred: bool
) -> Grid:
    """Return the grid of the whole image.

    Parameters
    ----------
    geometry, distance, centred
        As for `split_plan`; checked.
    pixel : ndarray, shape (2,)
        Size of a pixel of the image along (x, y), in metres.

    Raises
    ------
    GeometryError
        If a tile lies at the sample or behind it, or the image would be too large.
    """
    low, high = _outer_corners(geometry.detector, geometry.tiles, distance)
    _extent(low / pixel, high / pixel, False)
    # A border that lies on the grid but for rounding must not add a row or a column.
    low, high = np.floor(np.round(low / pixel, 6)), np.ceil(np.round(high / pixel, 6))
    low, high = _extent(low, high, centred)
    return _grid(low, high, pixel)


def plan_on_grid(geometry: Geometry, grid: Grid, distance: float | None, threads: int) -> SplitPlan:
    """Work out method ``"split"`` for any grid, out of which pixels may reach.

    Parameters
    ----------
    geometry, distance, threads
        As for `split_plan`; checked.
    grid : Grid
        The image.
    """
    places = tuple(array.tobytes() for array in geometry.tiles)
    where = (grid.shape, grid.centre, grid.pixel_size)
    return _make_plan(_Request(geometry.detector, places, where, distance, threads))


def geometry_digest(geometry: Geometry) -> str:
    """Return a digest of all that a plan depends on: the cutting, shape and places of pixels.

    Returns
    -------
    str
        SHA-256, hexadecimal; the same on every machine.
    """
    return _digest(geometry.detector, geometry.tiles)


def check_plan(plan: SplitPlan, geometry: Geometry) -> None:
    """Refuse a plan that was worked out for another geometry.

    Raises
    ------
    GeometryError
        If it was, or is no plan.
    """
    if not isinstance(plan, SplitPlan):
        raise GeometryError(
            f"plan must be a SplitPlan, as split_plan(geometry) gives, not {type(plan).__name__}"
        )
    # The shape is checked on its own: a digest in a file says nothing about the arrays beside it.
    shape = plan.overlaps.pixel_areas.shape
    if plan.digest != geometry_digest(geometry) or shape != geometry.data_shape:
        raise GeometryError(
            f"plan was worked out for another geometry than this of {geometry.detector.name}, "
            "another detector or one whose tiles lie elsewhere: split_plan(geometry) makes one"
        )


# -- Working it out -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Request:
    """What a plan depends on; and the threads to use, on which it does not depend."""

    detector: Detector
    places: tuple[bytes, ...]
    grid: tuple[tuple[int, int], tuple[float, float], tuple[float, float]]
    distance: float | None
    threads: int = field(compare=False)


# 8 bytes an overlap, 12 where data were assembled with it, and 4 a pixel of image and data: some
# 65 MB for an AGIPD-1M, 250 MB for a JUNGFRAU-4M.
@lru_cache(maxsize=4)
def _make_plan(request: _Request) -> SplitPlan:
    grid = Grid(*request.grid)
    tiles = _tiles(request.detector, *request.places)
    overlaps = find_overlaps(request.detector, tiles, grid, request.distance, request.threads)
    digest = _digest(request.detector, tiles)
    return SplitPlan(grid, overlaps, digest, 0, grid.shape[1], request.distance)


def _digest(detector: Detector, tiles: Tiles) -> str:
    digest = hashlib.sha256(detector.pixel_shape.encode())
    digest.update(np.array(detector.data_shape, dtype="<i8").tobytes())
    digest.update(detector.tile_bounds.astype("<i8").tobytes())
    for array in (detector.wide_edges, *tiles):
        # + 0: -0.0 and 0.0 are the same place.
        digest.update((np.asarray(array, dtype="<f8") + 0).tobytes())
    return digest.hexdigest()


def _pixel_size(geometry: Geometry, pixel_size: float | tuple[float, float] | None) -> FloatArray:
    """Size along (x, y), from what a user gives as one number or (y, x)."""
    if pixel_size is None:
        return coordinates.grid_pixel_size(geometry.detector, geometry.tiles)
    size = np.broadcast_to(checks.array("pixel_size", pixel_size, (), (2,)), 2)
    if not (size > 0).all():
        raise GeometryError(
            "pixel_size must be a positive length in metres, or two (y, x), not "
            f"{checks.shown(pixel_size)}"
        )
    _, *steps = geometry.tiles
    pitches = np.stack([np.linalg.norm(step, axis=1) for step in steps], axis=1)
    side = float((geometry.detector.tile_shapes * pitches).min())
    if size.max() > side * (1 + 1e-9):
        raise GeometryError(
            f"pixel_size is in metres: {checks.shown(pixel_size)} is more than the smallest side "
            f"of a tile of {geometry.detector.name}, {side:.3g} m"
        )
    return size[::-1].copy()


def _outer_corners(
    detector: Detector, tiles: Tiles, distance: float | None
) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest (x, y) of all pixels as they are projected, in metres."""
    low = np.zeros((detector.n_tiles, 2))
    high = detector.tile_shapes.astype(np.float64)
    if detector.pixel_shape == "hexagon":
        high += np.stack([np.full(len(high), 1 / 3), 0.5 * (high[:, 0] > 1)], axis=1)
    if detector.wide_edges is not None:
        low -= detector.wide_edges[:, [0, 2]]
        high += detector.wide_edges[:, [1, 3]]
    u = np.stack([low[:, 0], low[:, 0], high[:, 0], high[:, 0]], axis=1)[..., np.newaxis]
    v = np.stack([low[:, 1], high[:, 1], low[:, 1], high[:, 1]], axis=1)[..., np.newaxis]
    corner, ss, fs = (a[:, np.newaxis] for a in tiles)
    points = corner + u * ss + v * fs
    if distance is not None:
        scale = 1 + points[..., 2:] / distance
        if not (scale > 0).all():
            tile = int(np.argmin(scale.min(axis=(1, 2))))
            raise GeometryError(
                f"distance={distance:g} m, but tile {tile} ({detector.tile_names[tile]}) reaches "
                f"to z = {points[tile, :, 2].min():.4g} m: at the sample, or behind it"
            )
        points = points / scale
    flat = points[..., :2].reshape(-1, 2)
    return flat.min(axis=0), flat.max(axis=0)


# -- Carrying it out ------------------------------------------------------------------------


def run_split(
    plan: SplitPlan,
    stack: Stack,
    treatment: Treatment | None,
    image: NDArray,
    values: Values,
    fill: float | None,
    threads: int,
) -> None:
    """Fill images.

    Parameters
    ----------
    plan : SplitPlan
        Of the image, or a window of it.
    stack : Stack
        Module data; missing modules count nowhere.
    treatment : Treatment, optional
        Dark, gain, mask, and missing modules.
    image : ndarray of a floating dtype, shape (*frames, y, x)
        The output.
    values : {"intensity", "counts"}
        The mean of what overlaps an image pixel, weighted with the areas of overlap; or the sum of
        the parts of data pixels that lie in it.
    fill : float, optional
        Value of image pixels that no data overlaps; default NaN.
    threads : int
        Does not change the result.

    Raises
    ------
    GeometryError
        If `values` is something else, or a dtype is not one of real, or floating, numbers.
    """
    if values not in get_args(Values):
        raise GeometryError(f"values must be 'intensity' or 'counts', not {checks.shown(values)}")
    if image.dtype.kind != "f" or stack.dtype.kind == "c":
        raise GeometryError(
            "method='split' makes images of floating numbers from real ones, not "
            f"{image.dtype} from {stack.dtype}"
        )
    mean = values == "intensity"
    weights = plan.overlaps.parts if mean else plan.overlaps.shares
    job = _Job(plan, stack, treatment, image, weights, mean, fill_value(fill, image.dtype))
    indices = list(np.ndindex(stack.frames))
    wanted = threads * PIECES_A_THREAD if threads > 1 else 1
    if len(indices) >= threads:
        count = min(max(wanted, image.nbytes // PIECE_BYTES), len(indices))
        steps = np.linspace(0, len(indices), count + 1).astype(int)
        run_pieces([partial(job.frames, indices[a:b]) for a, b in pairwise(steps)], threads)
        return
    n_rows = plan.grid.shape[0]
    steps = np.linspace(0, n_rows, min(wanted, n_rows) + 1).astype(int)
    for index in indices:
        frame = job.load(index, job.scratch())
        run_pieces(
            [partial(job.rows, index, frame, int(a), int(b)) for a, b in pairwise(steps)], threads
        )


@dataclass(frozen=True, eq=False)
class _Job:
    """What is needed to fill the image of a frame."""

    plan: SplitPlan
    stack: Stack
    treatment: Treatment | None
    image: NDArray
    weights: Float32Array
    mean: bool
    fill: Any

    def scratch(self) -> NDArray:
        """Make room for a frame; what stays untouched is missing."""
        # The compiler has no half-precision arithmetic; dark and gain may need more digits than
        # the image has.
        dtypes = {self.image.dtype}
        if self.treatment is not None:
            dtypes |= {a.dtype for a in (self.treatment.dark, self.treatment.gain) if a is not None}
        dtype = np.float64 if np.dtype(np.float64) in dtypes else np.float32
        return np.full(self.plan.overlaps.pixel_areas.shape, np.nan, dtype=dtype)

    def frames(self, indices: list[tuple[int, ...]]) -> None:
        """Fill some images."""
        scratch = self.scratch()
        for index in indices:
            self.rows(index, self.load(index, scratch), 0, self.plan.grid.shape[0])

    def load(self, index: tuple[int, ...], scratch: NDArray) -> NDArray:
        """Return all data pixels of a frame, NaN where they do not count: a view, if that does."""
        block = None if self.treatment is None else self.treatment.block(index)
        for data, numbers in self.stack.parts:
            given: NDArray = data[index]
            # Kernels are compiled for arrays that can be written to.
            ready = given.dtype == scratch.dtype and given.flags.carray
            if block is None and ready and numbers == tuple(range(len(scratch))):
                return given.reshape(-1)
            own = None if block is None else block.of_modules(numbers)
            for i, number in enumerate(numbers):
                _treat(given[i], own, i, scratch[number])
        return scratch.reshape(-1)

    def rows(self, index: tuple[int, ...], frame: NDArray, low: int, high: int) -> None:
        """Fill some rows of one image."""
        from geomlib.kernels.weights import add_weighted

        overlaps, target = self.plan.overlaps, self.image[index]
        entries = (overlaps.starts, overlaps.pixels, self.weights)
        place = (self.plan.first, self.plan.row_length)
        least = LEAST_COVERAGE if self.mean else 0.0
        rows = target if target.dtype == frame.dtype else np.empty(target.shape, frame.dtype)
        add_weighted(frame, entries, place, self.mean, least, float(self.fill), (low, high), rows)
        if rows is not target:
            target[low:high] = rows[low:high]


def _treat(given: NDArray, treatment: Treatment | None, module: int, out: NDArray) -> None:
    """Write the values of a module of one frame, NaN where they do not count."""
    with np.errstate(over="ignore", invalid="ignore"):
        if treatment is None:
            np.copyto(out, given, casting="unsafe")
            return
        if treatment.present is not None and not _of(treatment.present, module):
            out[...] = np.nan
            return
        np.copyto(out, given, casting="unsafe")
        if treatment.dark is not None:
            out -= _of(treatment.dark, module)
        if treatment.gain is not None:
            out *= _of(treatment.gain, module)
    if treatment.mask is not None:
        flags = _of(treatment.mask, module)
        np.copyto(out, np.nan, where=(flags & flags.dtype.type(treatment.bits)) != 0)


def _of(array: NDArray, module: int) -> NDArray:
    """Take a module from an array whose first axis is that of modules, or 1."""
    taken: NDArray = array[module if len(array) > 1 else 0]
    return taken
