"""Carry out a plan on a stack: the image is cut into pieces, which are shared out to threads.

Three ways, all with the same result. Images that are small, or of a layout that cannot be written
in long runs, are written directly. Others are put together band by band in a scratch array. So are
images of treated or binned data: what is done to the numbers is done in the scratch array, where
they lie in the order of the image, and what that needs (dark, gain, mask) is assembled as the data
are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.copiers import Bands, Parts, Span, TableCopier, TileCopier, make_copier
from geomlib.assembly.fill import raw_view
from geomlib.assembly.inputs import Stack, frame_blocks
from geomlib.assembly.memory import check_apart, scratch
from geomlib.assembly.plan import Plan, SnapPlan, overlapping, tile_boxes
from geomlib.assembly.treatment import Treatment
from geomlib.kernels import bands as kernels
from geomlib.kernels import snap
from geomlib.threads import run_pieces

NDArray = npt.NDArray[Any]
Piece = Callable[[], None]
#: By name: what copies a dark, gain or mask, and its image where it is the same for all frames.
Constants = dict[str, tuple[TileCopier | TableCopier, NDArray | None]]
Static = dict[tuple[str, int], tuple[TileCopier | TableCopier, NDArray]]
#: Frames or rows are cut into this many pieces a thread, so that no thread waits long at the end.
PIECES_A_THREAD = 4
#: Smaller images stay in the cache, where ordinary stores are best.
SMALL_BYTES = 4 * 2**20
#: Most that is written in a piece: Ctrl-C is heard only between pieces.
PIECE_BYTES = 128 * 2**20
#: Size of a band of rows: somewhat more than the second-level cache; the third is near enough.
BAND_BYTES = 3 * 2**19
#: Most that frames side by side in memory may take as scratch, for the rows of one binned row.
SCRATCH_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Finish:
    """What is done to assembled numbers before they are stored.

    Attributes
    ----------
    fill : scalar of the dtype of the image
        Value of gaps, missing modules and masked pixels.
    side : int
        Of the blocks of pixels that become one; 1 for none.
    average : bool
        Average blocks; else add them up.
    """

    fill: Any
    side: int = 1
    average: bool = True


def run_plan(
    plan: Plan,
    data_shape: tuple[int, int, int],
    stack: Stack,
    image: NDArray,
    finish: Finish,
    threads: int,
    treatment: Treatment | None = None,
) -> None:
    """Fill images, all of their pixels.

    Parameters
    ----------
    plan : SnapPlan or NearestPlan
        How.
    data_shape : (int, int, int)
        Modules, slow scan and fast scan of the detector.
    stack : Stack
        The data.
    image : ndarray, shape (*stack.frames, y, x)
        The output, of a dtype to which the data may be converted; binned, if `finish` says so.
    finish : Finish
        How missing pixels look, and binning.
    threads : int
        Does not change the result.
    treatment : Treatment, optional
        Dark, gain, mask, missing modules.

    Raises
    ------
    GeometryError
        If data and images share memory.
    """
    changed = treatment is not None and any(
        array is not None for array in (treatment.dark, treatment.gain, treatment.mask)
    )
    stack = _without_half(stack, _scratch_dtype(image.dtype, changed or finish.side > 1))
    check_apart(image, [data for data, _ in stack.parts])
    if isinstance(plan, SnapPlan):
        stack = replace(stack, parts=snap.one_layout(stack.parts))
    arrays = {"image": image} | {str(i): data for i, (data, _) in enumerate(stack.parts)}
    for name in ("dark", "gain", "mask", "present") if treatment is not None else ():
        array = getattr(treatment, name)
        if array is not None:
            after = data_shape[:1] if name == "present" else data_shape
            arrays[name] = np.broadcast_to(array, (*stack.frames, *after))
    bits = 0 if treatment is None else treatment.bits
    pieces: list[Piece] = []
    static: Static = {}
    for views in frame_blocks(stack.frames, *arrays.values()):
        block = dict(zip(arrays, views, strict=True))
        parts = [(block.pop(str(i)), numbers) for i, (_, numbers) in enumerate(stack.parts)]
        there = block.pop("present", None)
        job = Job(plan, parts, block.pop("image"), finish, threads, block, bits, static)
        pieces += job.pieces(there)
    run_pieces(pieces, threads)


def _scratch_dtype(dtype: np.dtype[Any], changed: bool) -> np.dtype[Any]:
    """Dtype in which numbers are worked on: the compiler has no half-precision arithmetic."""
    return np.dtype(np.float32) if changed and dtype == np.float16 else dtype


def _without_half(stack: Stack, dtype: np.dtype[Any]) -> Stack:
    # The compiler has no half-precision arithmetic on this kind of processor.
    if np.float16 not in (stack.dtype, dtype) or stack.dtype == dtype:
        return stack
    parts = tuple((data.astype(dtype), numbers) for data, numbers in stack.parts)
    return replace(stack, parts=parts, dtype=dtype)


@dataclass(frozen=True, eq=False)
class Job:
    """Frames along one axis: their data, their images, and what is to be done."""

    plan: Plan
    parts: Parts
    image: NDArray
    finish: Finish
    threads: int
    #: "dark", "gain", "mask": arrays (frames, modules, ss, fs).
    treatment: dict[str, NDArray] = field(default_factory=dict)
    bits: int = 0
    #: Images of what never changes, shared by all jobs of a run.
    static: Static = field(default_factory=dict)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers before they are stored: dark and gain may have more digits than images."""
        for name in ("dark", "gain"):
            if name in self.treatment:
                return self.treatment[name].dtype
        return _scratch_dtype(self.image.dtype, bool(self.treatment) or self.finish.side > 1)

    @property
    def missing(self) -> Any:
        """Value of missing pixels before they are binned: NaN, which does not count."""
        return self.dtype.type(np.nan if self.finish.side > 1 else self.finish.fill)

    def pieces(self, present: NDArray | None) -> list[Piece]:
        """Cut the work up; ``present`` (frames, modules) says which modules count."""
        numbers = sorted(n for _, held in self.parts for n in held)
        pieces: list[Piece] = []
        for frames, there in _alike(present, len(self.image)):
            modules = tuple(n for n in numbers if there is None or there[n])
            if not modules:
                pieces.append(partial(self._nothing, frames))
                continue
            copier = make_copier(self.plan, self.parts, modules, self.dtype, self.missing)
            if self.treatment or self.finish.side > 1:
                if not overlapping(self.plan):
                    self._constants(modules)
                work = partial(_quietly, self._in_scratch, copier, modules)
                bands = self._bands(copier)
                cuts = list(self._cut(frames, bands, self._together(copier)))
            else:
                work, cuts = self.plain_work(copier, frames)
            pieces += [partial(work, *cut) for cut in cuts]
        return pieces

    def plain_work(
        self, copier: TileCopier | TableCopier, frames: Span
    ) -> tuple[partial[None], list[tuple[Span, Bands]]]:
        """Return how numbers that need no treatment are copied, and what at a time."""
        if isinstance(copier, TileCopier) and self._in_runs(copier):
            bands = self._bands(copier)
            work = partial(copier.copy_in_bands, self.image)
        else:
            n_y = self.image.shape[-2]
            bands = np.arange(0, n_y + 1, n_y if self.threads == 1 else 1)
            work = partial(copier.copy_rows, self.image)
        return work, list(self._cut(frames, bands, copier.together))

    def _in_runs(self, copier: TileCopier) -> bool:
        """Whether whole bands of the image can be streamed out, and that pays."""
        n_x, size = self.image.shape[-1], self.image.itemsize
        whole = self.image.strides[-2:] == (n_x * size, size)
        large = self.image.nbytes >= SMALL_BYTES or copier.together > 1
        return copier.compiled and whole and large

    def _bands(self, copier: TileCopier | TableCopier) -> Bands:
        """First rows of bands of the image, before it is binned, and the row after the last."""
        n_y, n_x = self.plan.grid.shape
        most = max(1, BAND_BYTES // (n_x * self.dtype.itemsize * self._together(copier)))
        if isinstance(copier, TableCopier) and copier.gathers:
            most = n_y
        side = self.finish.side
        if side > 1:
            end, step = n_y // side * side, side * max(1, most // side)
            return np.append(np.arange(0, end, step, dtype=np.int64), end)
        return cut_rows(self.plan, most)

    def _cut(self, frames: Span, bands: Bands, together: int) -> Iterator[tuple[Span, Bands]]:
        """Cut frames, or bands where there are too few frames."""
        first, last = frames
        count = -(-(last - first) // together)
        least = -(-self.image[slice(*frames)].nbytes // PIECE_BYTES)
        wanted = max(least, self.threads * PIECES_A_THREAD if self.threads > 1 else 1)
        if count >= max(self.threads, least):
            for a, b in pairwise(np.linspace(0, count, min(wanted, count) + 1).astype(int)):
                yield (first + int(a) * together, min(first + int(b) * together, last)), bands
            return
        each = min(-(-wanted // max(count, 1)), len(bands) - 1)
        steps = np.linspace(0, len(bands) - 1, each + 1).astype(int)
        for start in range(first, last, together):
            for a, b in pairwise(steps):
                yield (start, min(start + together, last)), bands[a : b + 1]

    def _nothing(self, frames: Span) -> None:
        self.image[slice(*frames)] = self.finish.fill

    def _constants(self, modules: tuple[int, ...]) -> Constants:
        """Prepare what the treatment needs: its copiers, and images of what never changes."""
        prepared: Constants = {}
        for name, array in self.treatment.items():
            numbers = tuple(range(array.shape[1]))
            # What lies under a missing module shows, and has its own dark, gain and mask.
            overlap = overlapping(self.plan)
            one = array[:1] if array.strides[0] == 0 else array
            key = (name, array.__array_interface__["data"][0])
            if len(one) == 1 and key in self.static:
                prepared[name] = self.static[key]
                continue
            shown = modules if overlap else numbers
            neutral = array.dtype.type(1 if name == "gain" else 0)
            copier = make_copier(self.plan, [(one, numbers)], shown, array.dtype, neutral)
            image = None
            if len(one) == 1:
                n_y, n_x = self.plan.grid.shape
                image = np.empty((1, n_y, n_x), array.dtype)
                copier.copy((0, 1), (0, n_y), image)
                if not overlap:
                    self.static[key] = (copier, image)
            prepared[name] = (copier, image)
        return prepared

    def _in_scratch(
        self,
        copier: TileCopier | TableCopier,
        modules: tuple[int, ...],
        frames: Span,
        bands: Bands,
    ) -> None:
        constants = self._constants(modules)
        together = self._together(copier)
        shape = (together, int(np.diff(bands).max()), self.plan.grid.shape[1])
        room = scratch(shape, self.dtype, "values")
        rooms = {
            name: scratch(shape, self.treatment[name].dtype, name)
            for name, (_, image) in constants.items()
            if image is None
        }
        refill = self.missing == self.missing and not constants.keys() <= {"mask"}
        # Band after band, so that what is the same for all frames stays in the cache.
        for rows in pairwise(bands.tolist()):
            height = slice(rows[1] - rows[0])
            fixed = {
                name: image[0, slice(*rows)].reshape(-1)
                for name, (_, image) in constants.items()
                if image is not None
            }
            for first in range(*frames, together):
                some = (first, min(first + together, frames[1]))
                part = (slice(some[1] - first), height)
                values = room[part]
                copier.copy(some, rows, values)
                for name, changing in rooms.items():
                    constants[name][0].copy(some, rows, changing[part])
                for i, frame in enumerate(range(*some)):
                    own = {name: changing[i, height] for name, changing in rooms.items()}
                    self._treat(values[i], fixed | own)
                    if refill:
                        copier.clear(values[i : i + 1], rows)
                    self._store(values[i], self.image[frame], rows)

    def _together(self, copier: TileCopier | TableCopier) -> int:
        """How many frames are put together at a time: not more than scratch has room for."""
        row = self.plan.grid.shape[1] * self.dtype.itemsize * self.finish.side
        return max(1, min(copier.together, SCRATCH_BYTES // row))

    def _treat(self, values: NDArray, needed: dict[str, NDArray]) -> None:
        """Scale and mask a band of one frame."""
        if not needed:
            return
        numbers = values.reshape(-1)
        dark, gain, mask = (needed.get(name) for name in ("dark", "gain", "mask"))
        if dark is not None or gain is not None:
            none = numbers[:0]
            scales = [none if a is None else a.reshape(-1) for a in (dark, gain)]
            _kernel("scale", self.dtype)(numbers, *scales)
        if mask is not None:
            fill = raw_view(np.array(self.missing, self.dtype))[()]
            bits = mask.dtype.type(self.bits)
            _kernel("blank", self.dtype)(raw_view(numbers), mask.reshape(-1), bits, fill)

    def _store(self, values: NDArray, image: NDArray, rows: Span) -> None:
        side = self.finish.side
        if side > 1:
            low, high = rows[0] // side, rows[1] // side
            target = image[low:high]
            room = np.empty(target.shape, self.dtype)
            totals, counts = np.empty(values.shape[1]), np.empty(values.shape[1], dtype=np.int64)
            average = self.finish.average
            _kernel("bin_rows", self.dtype)(values, side, average, totals, counts, room)
            if self.finish.fill == self.finish.fill:
                room[np.isnan(room)] = self.finish.fill
            target[...] = room
            return
        target = image[slice(*rows)]
        large = self.image.nbytes >= SMALL_BYTES and target.flags.c_contiguous
        if large and snap.COMPILED and values.dtype == target.dtype:
            kernels.stream_rows(values, target)
        else:
            target[...] = values


def _quietly(function: Callable[..., None], *arguments: Any) -> None:
    """Call without warnings of numpy: an overflow becomes infinite, as in compiled loops."""
    with np.errstate(over="ignore", invalid="ignore"):
        function(*arguments)


def _kernel(name: str, dtype: np.dtype[Any]) -> Callable[..., None]:
    """Return the compiled function, or its twin for what the compiler does not have."""
    function: Callable[..., None] = getattr(kernels, name + "_with_numpy" * (dtype.kind == "c"))
    return function


def _alike(present: NDArray | None, count: int) -> Iterator[tuple[Span, NDArray | None]]:
    """Yield ranges of frames in which the same modules are present, and which these are."""
    if present is None or count == 0:
        yield (0, count), None
        return
    changes = np.flatnonzero((present[1:] != present[:-1]).any(axis=1)) + 1
    for first, last in pairwise([0, *changes.tolist(), count]):
        yield (first, last), present[first]


@lru_cache(maxsize=64)
def cut_rows(plan: Plan, most: int) -> Bands:
    """Cut an image into bands of up to ``most`` rows, where tiles begin and end if possible.

    A tile whose columns are runs of memory is then read whole.
    """
    n_y = plan.grid.shape[0]
    edges = tile_boxes(plan.tiles)[:, :2].ravel() if isinstance(plan, SnapPlan) else ()
    stops = sorted({*(int(edge) for edge in edges), n_y})
    bands = [0]
    while bands[-1] < n_y:
        near = [stop for stop in stops if bands[-1] < stop <= bands[-1] + most]
        bands.append(near[-1] if near else min(bands[-1] + most, n_y))
    cut = np.array(bands, dtype=np.int64)
    cut.flags.writeable = False
    return cut
