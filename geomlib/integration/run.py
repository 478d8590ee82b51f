"""Carry an operator out on frames: eight at a time, shared out to threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.fill import raw_view
from geomlib.assembly.frame_rows import FrameRows, swapped
from geomlib.assembly.inputs import Stack, frame_blocks
from geomlib.assembly.memory import scratch
from geomlib.assembly.treatment import Treatment, mean_dtype
from geomlib.integration.operator import Operator
from geomlib.kernels import integrate as kernels
from geomlib.kernels.vector import LANES
from geomlib.threads import run_pieces

NDArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
#: Sums of eight frames may take this much; with more bins, frames are added one at a time.
LANES_BYTES = 4 * 2**20
#: Modules are added up in so many groups, each on its own, so that threads can share a single
#: frame. The groups do not depend on the number of threads, nor do the sums.
GROUPS = 4
#: A bin counts as empty where so little of its pixels is left: rounding of sums.
EMPTY = 1e-9
#: No more than one pixel, but for rounding.
SINGLE = 1 + 1e-6
MODELS = {None: kernels.NONE, "poisson": kernels.POISSON, "azimuthal": kernels.AZIMUTHAL}


@dataclass(frozen=True, eq=False)
class Output:
    """Where results go: each of shape (…, bins); `sigma` where there is an error model."""

    intensity: NDArray
    sigma: NDArray | None
    count: NDArray


def value_dtype(stack_dtype: npt.DTypeLike, treatment: Treatment | None) -> np.dtype[Any]:
    """Return the dtype of the numbers that are added, and of the result."""
    for name in ("dark", "gain"):
        array = None if treatment is None else getattr(treatment, name)
        if array is not None:
            dtype: np.dtype[Any] = array.dtype
            return dtype
    return mean_dtype(stack_dtype)


def make_output(
    frames: tuple[int, ...], n_bins: int, dtype: np.dtype[Any], with_sigma: bool
) -> Output:
    """Return empty arrays for results."""
    shape = (*frames, n_bins)
    sigma = np.empty(shape, dtype) if with_sigma else None
    return Output(np.empty(shape, dtype), sigma, np.empty(shape, dtype))


def arrays_of(
    treatment: Treatment | None, stack: Stack, data_shape: tuple[int, ...]
) -> dict[str, NDArray]:
    """Return what a treatment holds, each with all axes of frames."""
    found = {}
    for name in ("dark", "gain", "mask", "present") if treatment is not None else ():
        array = getattr(treatment, name)
        if array is not None:
            after = data_shape[:1] if name == "present" else data_shape
            found[name] = np.broadcast_to(array, (*stack.frames, *after))
    return found


def blocks_of(
    stack: Stack, treatment: Treatment | None, data_shape: tuple[int, ...], output: Output
) -> Iterator[tuple[Frames, Output]]:
    """Yield frames along one axis, with what is done to them, and where their results go."""
    arrays = arrays_of(treatment, stack, data_shape)
    arrays |= {str(i): data for i, (data, _) in enumerate(stack.parts)}
    arrays |= {"intensity": output.intensity, "count": output.count}
    if output.sigma is not None:
        arrays["sigma"] = output.sigma
    bits = 0 if treatment is None else treatment.bits
    for views in frame_blocks(stack.frames, *arrays.values()):
        block = dict(zip(arrays, views, strict=True))
        parts = [(block.pop(str(i)), numbers) for i, (_, numbers) in enumerate(stack.parts)]
        result = Output(block.pop("intensity"), block.pop("sigma", None), block.pop("count"))
        modules = {n: part[:, i] for part, numbers in parts for i, n in enumerate(numbers)}
        yield Frames(modules, block, bits, value_dtype(stack.dtype, treatment)), result


class Frames:
    """Frames along one axis, module by module, and what is done to their numbers.

    Parameters
    ----------
    modules : dict of int to ndarray, shape (frames, ss, fs)
        By number.
    treatment : dict of str to ndarray
        "dark", "gain", "mask" (frames, modules, ss, fs) and "present" (frames, modules).
    bits : int
        Of the mask.
    dtype : dtype
        Of the numbers as they are added.
    """

    def __init__(
        self,
        modules: dict[int, NDArray],
        treatment: dict[str, NDArray],
        bits: int,
        dtype: np.dtype[Any],
    ) -> None:
        self.numbers = tuple(sorted(modules))
        first = modules[self.numbers[0]]
        self.count = len(first)
        #: Slow and fast scan exchanged, so that neighbours in memory are neighbours in a line.
        self.exchanged = swapped(first)
        self.dtype, self._bits = dtype, bits
        self._treatment = {n: a for n, a in treatment.items() if n != "present"}
        self.present = treatment.get("present")
        self._rows = {n: FrameRows.of(self._line_order(a)) for n, a in modules.items()}

    def _line_order(self, array: NDArray) -> NDArray:
        plain = raw_view(array) if array.dtype == np.bool_ else array
        return plain.swapaxes(-1, -2) if self.exchanged else plain

    def there(self, module: int, frames: slice) -> npt.NDArray[np.bool_]:
        """Tell in which of some frames a module is."""
        if self.present is None:
            return np.ones(frames.stop - frames.start, dtype=np.bool_)
        return np.asarray(self.present[frames, module])

    def lines(self, module: int) -> int:
        """Return the number of lines of a module."""
        return int(self._rows[module].array.shape[-2])

    def rows(self, module: int, lines: slice, frames: slice) -> tuple[NDArray, NDArray]:
        """Return pixels of some lines of a module in some frames, one row a frame.

        Returns
        -------
        ndarray, shape (n,)
            Numbers, of the dtype of the data, or, where something was done to them, of `dtype`.
        ndarray of int64
            Index of the first pixel of each frame in it.
        """
        numbers = np.arange(frames.start, frames.stop)
        there = self.there(module, frames)
        flat, starts = self._rows[module].rows(lines, numbers)
        if not self._treatment and there.all():
            return flat, starts
        size = (lines.stop - lines.start) * self._rows[module].array.shape[-1]
        values = np.empty((len(numbers), size), self.dtype)
        for row, start in zip(values, starts, strict=True):
            row[:] = flat[start : start + size]
        self._treat(values, module, lines, frames)
        values[~there] = np.nan
        return values.reshape(-1), np.arange(len(numbers), dtype=np.int64) * size

    def _treat(self, values: NDArray, module: int, lines: slice, frames: slice) -> None:
        given = {
            name: self._line_order(array[frames, module])[:, lines].reshape(values.shape)
            for name, array in self._treatment.items()
        }
        with np.errstate(all="ignore"):
            if "dark" in given:
                values -= given["dark"]
            if "gain" in given:
                values *= given["gain"]
        if "mask" in given:
            values[(given["mask"] & given["mask"].dtype.type(self._bits)) != 0] = np.nan


def run_mean(
    operator: Operator,
    stack: Stack,
    treatment: Treatment | None,
    output: Output,
    model: str | None,
    threads: int,
) -> None:
    """Integrate frames.

    Parameters
    ----------
    operator : Operator
        How.
    stack : Stack
        The data.
    treatment : Treatment, optional
        Dark, gain, mask, missing modules.
    output : Output
        Filled.
    model : {"poisson", "azimuthal"}, optional
        How errors are estimated.
    threads : int
        Does not change the result.
    """
    pieces: list[Callable[[], None]] = []
    for frames, result in blocks_of(stack, treatment, operator.data_shape, output):
        own = operator.swapped() if frames.exchanged else operator
        job = _Job(own, frames, result, MODELS[model])
        pieces += job.pieces(threads)
    run_pieces(pieces, threads)


@dataclass(frozen=True, eq=False)
class _Job:
    """Frames along one axis, and where their results go."""

    operator: Operator
    frames: Frames
    output: Output
    model: int

    @property
    def wide(self) -> bool:
        """Whether there are few enough bins to add eight frames at a time."""
        size = 8 * kernels.ROWS[self.model] * self.operator.n_bins * LANES
        return kernels.COMPILED and size <= LANES_BYTES

    def pieces(self, threads: int) -> list[Callable[[], None]]:
        """Cut the work up: by frames, or where there are few by modules."""
        wide = self.wide
        # Fewer than half of the lanes are not worth the others.
        step = LANES if wide and self.frames.count >= LANES // 2 else 1
        spans = [
            slice(first, min(first + step, self.frames.count))
            for first in range(0, self.frames.count, step)
        ]
        if len(spans) >= threads or not wide:
            return [partial(self._whole, span) for span in spans]
        return [piece for span in spans for piece in _Shared(self, span).pieces()]

    def groups(self) -> list[list[tuple[int, slice]]]:
        """Cut modules, or the lines of few, into groups of about the same size."""
        runs = [
            (number, slice(int(a), int(b)))
            for number in self.frames.numbers
            for lines in (self.frames.lines(number),)
            for a, b in pairwise(
                np.linspace(0, lines, 1 + -(-GROUPS // len(self.frames.numbers))).astype(int)
            )
            if a < b
        ]
        cuts = np.linspace(0, len(runs), min(GROUPS, len(runs)) + 1).astype(int)
        return [runs[a:b] for a, b in pairwise(cuts)]

    def _whole(self, span: slice) -> None:
        total = self.new_sums(span, "total")
        if not self.wide:
            # With many bins adding groups up would take as long as the rest; nothing is shared.
            for group in self.groups():
                self.add(group, span, total)
        else:
            for group in self.groups():
                sums = self.new_sums(span, "sums")
                self.add(group, span, sums)
                total += sums
        self.finish(span, total)

    def new_sums(self, span: slice, name: str) -> FloatArray:
        """Return sums of 0: (rows, bins) of one frame, or (rows, bins, frames) of eight.

        Those of one name are the same memory, of this thread.
        """
        lanes = () if span.stop - span.start == 1 else (LANES,)
        shape = (kernels.ROWS[self.model], self.operator.n_bins, *lanes)
        sums = scratch(shape, np.dtype(np.float64), f"integration, {name}")
        sums[...] = 0
        return sums

    def add(self, group: list[tuple[int, slice]], span: slice, sums: FloatArray) -> None:
        """Add some lines of some modules."""
        for module, lines in group:
            flat, starts = self.frames.rows(module, lines, span)
            _, n_lines, width = self.operator.data_shape
            first = (module * n_lines + lines.start) * width
            count = (lines.stop - lines.start) * width
            if sums.ndim == 2:
                pixels = flat[starts[0] : starts[0] + count]
                kernels.add_frame(pixels, self.operator.entries, first, sums, self.model)
                continue
            # What lanes beyond the last frame hold is of no interest.
            starts = np.concatenate([starts, np.repeat(starts[-1:], LANES - len(starts))])
            addresses = flat.ctypes.data + starts * flat.itemsize
            work = np.empty(0, self.frames.dtype)
            like = np.empty(0, flat.dtype)
            where = (addresses, self.operator.entries, first, count)
            kernels.add_frames(like, work, *where, sums, self.model)

    def finish(self, span: slice, sums: FloatArray) -> None:
        """Make intensities and errors of sums."""
        norm, count, norm2 = self.operator.totals(self.frames.numbers)
        for lane, frame in enumerate(range(span.start, span.stop)):
            own = sums if sums.ndim == 2 else sums[..., lane]
            _finish_frame(own, (norm, count, norm2), self.output, frame, self.model)


def _finish_frame(
    sums: FloatArray,
    totals: tuple[FloatArray, FloatArray, FloatArray],
    output: Output,
    frame: int,
    model: int,
) -> None:
    norm, count, norm2 = totals
    left = count - sums[kernels.LESS_COUNT]
    empty = left <= EMPTY * count
    with np.errstate(all="ignore"):
        weight = np.where(empty, np.nan, norm - sums[kernels.LESS_NORM])
        mean = sums[kernels.SIGNAL] / weight
        output.intensity[frame] = mean
        output.count[frame] = np.where(empty, 0, left)
        if output.sigma is None:
            return
        variance = sums[kernels.SQUARES]
        if model == kernels.AZIMUTHAL:
            # Σ c² ω² (x - mean)² of x = signal / ω, from sums of one pass.
            rest = norm2 - sums[kernels.LESS_NORM2]
            variance = variance - 2 * mean * sums[kernels.CROSS] + mean * mean * rest
            # A single pixel has no spread.
            variance = np.where(left > SINGLE, np.maximum(variance, 0), np.nan)
        output.sigma[frame] = np.sqrt(variance) / weight


class _Shared:
    """Frames that several threads add up together: the last one to be ready makes the result."""

    def __init__(self, job: _Job, span: slice) -> None:
        self._job, self._span = job, span
        self._groups = job.groups()
        self._sums: list[FloatArray | None] = [None] * len(self._groups)
        self._ready: list[int] = []

    def pieces(self) -> list[Callable[[], None]]:
        """Return a piece of work for each group of modules."""
        return [partial(self._add, number) for number in range(len(self._groups))]

    def _add(self, number: int) -> None:
        # Not scratch: other threads add these up.
        sums = self._job.new_sums(self._span, "sums").copy()
        self._job.add(self._groups[number], self._span, sums)
        self._sums[number] = sums
        # Appending is atomic, and only one thread sees the list become full.
        self._ready.append(number)
        if len(self._ready) == len(self._groups) and self._ready[-1] == number:
            total = np.zeros_like(sums)
            for own in self._sums:
                assert own is not None
                total += own
            self._job.finish(self._span, total)
