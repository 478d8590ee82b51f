"""Mean, sum, maximum, minimum and standard deviation over frames, in one pass over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.accumulators import (
    FINISH,
    State,
    check_how,
    merged,
    new_state,
    result_dtype,
)
from geomlib.assembly.accumulators import How as How
from geomlib.assembly.frame_rows import FrameRows, swapped
from geomlib.assembly.inputs import Stack, frame_blocks
from geomlib.assembly.treatment import Treatment
from geomlib.assembly.treatment import mean_dtype as mean_dtype
from geomlib.detector import Detector
from geomlib.errors import GeometryError
from geomlib.threads import check_threads, run_pieces

NDArray = npt.NDArray[Any]
#: Arrays (n, ss, fs) and the numbers of the n modules in each.
Parts = list[tuple[NDArray, tuple[int, ...]]]
IntArray = npt.NDArray[np.int64]
#: Pixels that a thread works on at a time.
PIECE_PIXELS = 2**15
#: Frames that a thread works on at a time: Ctrl-C is heard only between pieces.
PIECE_FRAMES = 512
#: Pixels and frames at a time that are brought into another order first: half a mebibyte or so.
ORDERED_PIXELS, ORDERED_FRAMES = 2**11, 64
#: Below so many bytes of input a second thread takes longer to wake than to help.
SERIAL_BYTES = 4 * 2**20


class Reduction:
    """Reduce frames pixel by pixel; NaN counts as missing.

    Sums are kept in float64, of whole numbers in int64 or uint64, so that many frames lose nothing;
    those of 64-bit integers wrap around where they do not fit. A mean of these is worked out in
    float64. A pixel without a single value becomes NaN; in the sum, maximum or minimum of whole
    numbers, which have none, 0.

    Parameters
    ----------
    how : {"mean", "sum", "max", "min", "std"}
        ``std`` is the population standard deviation (divided by the number of values).
    threads : int, optional
        Default: the processors that this process may use, or 1 where there is little to do. The
        result does not depend on it.

    Raises
    ------
    GeometryError
        If `how` or `threads` is something else.
    """

    def __init__(self, how: How, *, threads: int | None = None) -> None:
        self.how = check_how(how)
        self._threads = None if threads is None else check_threads(threads)
        self._shape: tuple[int, ...] = ()
        self._dtype = np.dtype(np.float64)
        self._swapped = False
        self._state: State = {}

    def add(
        self, frames: NDArray, valid: NDArray | None = None, treatment: Treatment | None = None
    ) -> None:
        """Add frames.

        Parameters
        ----------
        frames : ndarray, shape (n, …)
            All calls with the same shape but for n, and the same dtype.
        valid : ndarray of bool, optional
            Broadcasts to the frames; marks the values to use.
        treatment : Treatment, optional
            Of frames of shape (n, modules, ss, fs); its values are reduced, and their dtype is
            that of the result. Not together with `valid`.

        Raises
        ------
        GeometryError
            If the frames are complex, or unlike those before.
        """
        if frames.dtype.kind == "c":
            raise GeometryError(f"reduce={self.how!r} takes real numbers, not {frames.dtype}")
        if not len(frames):
            return
        if valid is not None:
            treatment = _as_treatment(valid, frames.shape)
        treatment = treatment or Treatment()
        scale = treatment.gain if treatment.dark is None else treatment.dark
        dtype = frames.dtype if scale is None else scale.dtype
        modules = _four_axes(frames)
        if not self._state:
            self._shape, self._dtype = frames.shape[1:], dtype
            self._swapped = swapped(modules)
            ss, fs = modules.shape[2:]
            size = (modules.shape[1], fs, ss) if self._swapped else modules.shape[1:]
            self._state = new_state(self.how, size, dtype)
        elif (frames.shape[1:], dtype) != (self._shape, self._dtype):
            raise GeometryError(
                f"reduce={self.how!r}: frames of {dtype} {frames.shape[1:]} after frames of "
                f"{self._dtype} {self._shape}"
            )
        whole = _make_pass(self.how, modules, treatment, self._state, self._swapped)
        workers = self._workers(frames.nbytes)
        for first in range(0, len(frames), PIECE_FRAMES):
            run_pieces(whole.pieces(first, first + PIECE_FRAMES), workers)

    def _workers(self, n_bytes: int) -> int:
        if self._threads is None:
            return 1 if n_bytes < SERIAL_BYTES else check_threads(None)
        return self._threads

    def merge(self, other: Reduction) -> Reduction:
        """Return the reduction of the frames of both.

        Raises
        ------
        GeometryError
            If they reduce in another way, or frames of another kind.
        """
        if not self._state or not other._state:
            return self._copy(self._state or other._state, other if not self._state else self)
        mine = (self.how, self._shape, self._dtype)
        if mine != (other.how, other._shape, other._dtype):
            raise GeometryError(
                f"a reduction of {self.how}, {self._dtype} {self._shape} cannot be merged with one "
                f"of {other.how}, {other._dtype} {other._shape}"
            )
        theirs = other._state
        if self._swapped != other._swapped:
            theirs = {n: a.swapaxes(-1, -2) for n, a in theirs.items()}
        return self._copy(merged(self.how, self._state, theirs), self)

    def _copy(self, state: State, like: Reduction) -> Reduction:
        copy = Reduction(self.how, threads=self._threads)
        copy._shape, copy._dtype, copy._swapped = like._shape, like._dtype, like._swapped
        copy._state = {name: np.ascontiguousarray(array) for name, array in state.items()}
        return copy

    def state(self) -> tuple[State, np.dtype[Any]]:
        """Return what is kept of the frames, each (…) as they are, and their dtype.

        With `of_state` a reduction goes to another process or a file, and on.

        Raises
        ------
        GeometryError
            If no frame was added.
        """
        if not self._state:
            raise GeometryError(f"reduce={self.how!r}: there are no frames to reduce")
        exchange = self._swapped
        arrays = {n: a.swapaxes(-1, -2) if exchange else a for n, a in self._state.items()}
        return {n: a.reshape(self._shape) for n, a in arrays.items()}, self._dtype

    @classmethod
    def of_state(
        cls, how: How, state: State, dtype: np.dtype[Any], *, threads: int | None = None
    ) -> Reduction:
        """Return the reduction that `state` told of; its arrays are taken over."""
        reduction = cls(how, threads=threads)
        first = next(iter(state.values()))
        reduction._shape, reduction._dtype = first.shape, dtype
        size = _four_axes(first[np.newaxis]).shape[1:]
        reduction._state = {n: np.ascontiguousarray(a).reshape(size) for n, a in state.items()}
        return reduction

    def blank(self) -> NDArray:
        """Mark the pixels that have no value, shape (…): NaN, or 0 where numbers are whole.

        Raises
        ------
        GeometryError
            If no frame was added.
        """
        state, _ = self.state()
        return state["count"] == 0 if "count" in state else np.isnan(state["best"])

    def result(self) -> NDArray:
        """Return the reduced frame, shape (…).

        Means and deviations are float64 for float64 and wide integers, else float32; a maximum or
        minimum has the dtype of the frames; a sum float64, or 64-bit integers.

        Raises
        ------
        GeometryError
            If no frame was added.
        """
        if not self._state:
            raise GeometryError(f"reduce={self.how!r}: there are no frames to reduce")
        first = next(iter(self._state.values()))
        out = np.empty(first.shape, dtype=result_dtype(self.how, self._dtype))

        def finish(module: int) -> None:
            state = {name: array[module] for name, array in self._state.items()}
            with np.errstate(all="ignore"):
                out[module] = FINISH[self.how](state, self._dtype)

        pieces = [partial(finish, module) for module in range(len(out))]
        run_pieces(pieces, self._workers(8 * out.nbytes))
        return (out.swapaxes(-1, -2) if self._swapped else out).reshape(self._shape)


def reduce_stack(
    stack: Stack, how: How, treatment: Treatment | None = None, threads: int | None = None
) -> tuple[Stack, Parts]:
    """Reduce the leading axes of a stack to none.

    Parameters
    ----------
    stack : Stack
        The data.
    how : {"mean", "sum", "max", "min", "std"}
        See `Reduction`.
    treatment : Treatment, optional
        What is done to the numbers first; masked pixels, missing modules and NaN do not count.
    threads : int, optional
        See `Reduction`.

    Returns
    -------
    stack : Stack
        Without the modules that are in no frame: whole numbers could not say so. It may be empty.
    blank : list of (ndarray of bool, tuple of int)
        For whole numbers with a mask: pixels without a single value, and whose modules they are.

    Raises
    ------
    GeometryError
        If `how` or `threads` is something else, there are no frames, or they are complex.
    """
    parts: Parts = []
    blank: Parts = []
    for data, numbers in stack.parts:
        reduction = Reduction(how, threads=threads)
        own = None if treatment is None else treatment.of_modules(numbers)
        for block, treated in joined_frames(data, stack.frames, own):
            reduction.add(block, treatment=treated)
        parts.append((reduction.result(), numbers))
        if own is not None and own.mask is not None and parts[-1][0].dtype.kind != "f":
            blank.append((reduction.blank(), numbers))
    return Stack(tuple(_seen(parts, treatment)), (), parts[0][0].dtype), blank


def _seen(parts: Parts, treatment: Treatment | None) -> Parts:
    """Leave out modules that are in no frame."""
    if treatment is None or treatment.present is None:
        return parts
    n_modules = 1 + max(max(numbers) for _, numbers in parts)
    given = treatment.present
    present = np.any(given, axis=tuple(range(given.ndim - 1)), keepdims=True).reshape(-1)
    there = np.broadcast_to(present, n_modules) if present.size == 1 else present
    left: Parts = []
    for array, numbers in parts:
        kept = [i for i, number in enumerate(numbers) if there[number]]
        if len(kept) == len(numbers):
            left.append((array, numbers))
        elif kept:
            left.append((array[kept], tuple(numbers[i] for i in kept)))
    return left


def without_value(stack: Stack, blank: Parts, detector: Detector) -> Treatment | None:
    """Return a mask of the pixels of a reduced stack that have no value; None if there are none.

    With it these pixels look like all others that have none, in any kind of image. They are NaN, or
    `blank`, as `reduce_stack` returns it.
    """
    mask = np.zeros(detector.data_shape, dtype=np.uint8)
    if stack.dtype.kind == "f":
        blank = [(np.isnan(data), numbers) for data, numbers in stack.parts]
    for pixels, numbers in blank:
        mask[list(numbers)] = pixels
    return Treatment(mask=mask, bits=1) if mask.any() else None


def joined_frames(
    data: NDArray, frames: tuple[int, ...], treatment: Treatment | None
) -> Iterator[tuple[NDArray, Treatment | None]]:
    """Yield data and treatment in pieces that have one axis of frames, without a copy."""
    if treatment is None:
        for (block,) in frame_blocks(frames, data):
            yield block, None
        return
    arrays = {n: getattr(treatment, n) for n in ("dark", "gain", "mask", "present")}
    given = {
        name: np.broadcast_to(array, frames + array.shape[len(frames) :])
        for name, array in arrays.items()
        if array is not None
    }
    for block, *rest in frame_blocks(frames, data, *given.values()):
        yield block, replace(treatment, **dict[str, Any](zip(given, rest, strict=True)))


# -- A pass over frames -----------------------------------------------------------------


def _four_axes(frames: NDArray) -> NDArray:
    """View as (n, modules, ss, fs); what these axes really are makes no difference."""
    if frames.ndim == 4:
        return frames
    shape = frames.shape[1:]
    padded = (1,) * (3 - len(shape)) + shape
    return frames.reshape(len(frames), -1, *padded[-2:])


def _as_treatment(valid: NDArray, shape: tuple[int, ...]) -> Treatment:
    """Write what is valid as a mask, or the presence of modules."""
    spread = _four_axes(np.broadcast_to(valid, shape))
    if spread.strides[2:] == (0, 0):
        return Treatment(present=spread[:, :, 0, 0])
    if spread.strides[0] == 0:
        spread = spread[:1]
    return Treatment(mask=(~spread).view(np.uint8), bits=255)


@dataclass(frozen=True, eq=False)
class _Pass:
    """What the pieces of one pass over frames share.

    ``rows`` has, by the names of `geomlib.kernels.reduce.Rows`, an entry for each module, and
    ``chosen`` the frames that hold it.
    """

    how: How
    state: State
    rows: dict[str, list[FrameRows]]
    bits: Any
    chosen: list[IntArray]
    work_dtype: np.dtype[Any] | None

    def pieces(self, first: int, last: int) -> list[Callable[[], None]]:
        """Pieces of work: some lines of a module, for frames ``first`` … ``last``."""
        _, lines, width = next(iter(self.state.values())).shape
        step = max(1, PIECE_PIXELS // width)
        return [
            partial(self.run, module, slice(low, min(low + step, lines)), chosen)
            for module, held in enumerate(self.chosen)
            for chosen in [held[(held >= first) & (held < last)]]
            if len(chosen)
            for low in range(0, lines, step)
        ]

    def run(self, module: int, lines: slice, chosen: IntArray) -> None:
        """Reduce some lines of a module in some frames."""
        from geomlib.kernels.reduce import WORK_STEP

        rows = {name: modules[module] for name, modules in self.rows.items()}
        state = {name: array[module] for name, array in self.state.items()}
        first, end = int(chosen[0]), int(chosen[-1]) + 1
        n_lines, n_frames = lines.stop - lines.start, end - first
        if not all(source.direct for source in rows.values()):
            n_lines = max(1, ORDERED_PIXELS // rows["flat"].array.shape[-1])
            n_frames = ORDERED_FRAMES
        work = None if self.work_dtype is None else np.empty(4 * WORK_STEP, self.work_dtype)
        for low in range(lines.start, lines.stop, n_lines):
            some = slice(low, min(low + n_lines, lines.stop))
            part = {name: array[some].reshape(-1) for name, array in state.items()}
            for frame in range(first, end, n_frames):
                now = chosen[(chosen >= frame) & (chosen < frame + n_frames)]
                if len(now):
                    # Infinities are values here, and inf - inf is NaN without a word.
                    with np.errstate(all="ignore"):
                        self._add({n: r.rows(some, now) for n, r in rows.items()}, work, part)

    def _add(
        self, given: dict[str, tuple[NDArray, IntArray]], work: NDArray | None, state: State
    ) -> None:
        from geomlib.kernels import reduce as kernels

        fields: dict[str, Any] = {"bits": self.bits, "work": work}
        for name, (array, starts) in given.items():
            fields |= {name: array, "starts" if name == "flat" else f"{name}_starts": starts}
        rows = kernels.Rows(**fields)
        size = len(next(iter(state.values())))
        if self.how == "std":
            kernels.add_squares(rows, size, *state.values())
        elif self.how in ("mean", "sum"):
            kernels.add_sums(rows, size, state["total"], state["count"])
        else:
            kernels.add_extremes(rows, size, state["best"], self.how == "max")
            if rows.skip is not None:
                kernels.add_counts(rows, size, state["count"])
            elif "count" in state:
                state["count"] += len(rows.starts)


def _make_pass(
    how: How, modules: NDArray, treatment: Treatment, state: State, exchange: bool
) -> _Pass:
    """Prepare a pass over frames, shape (n, modules, ss, fs)."""
    n, n_modules = modules.shape[:2]
    numbers = modules.view(np.uint8) if modules.dtype == np.bool_ else modules
    given, work_dtype = {"flat": numbers}, None
    dark, gain = treatment.dark, treatment.gain
    scale = gain if dark is None else dark
    if scale is not None:
        # The loops know both or neither.
        given["dark"] = np.zeros((1, 1, 1, 1), scale.dtype) if dark is None else dark
        given["gain"] = np.ones((1, 1, 1, 1), scale.dtype) if gain is None else gain
        work_dtype = scale.dtype
    elif numbers.dtype.kind == "f" and treatment.mask is not None:
        work_dtype = np.dtype(np.float32) if numbers.dtype == np.float16 else numbers.dtype
    bits = np.uint8(255)
    if treatment.mask is not None:
        mask, bits = treatment.mask, treatment.mask.dtype.type(treatment.bits)
        if len(mask) == 1 or mask.strides[0] == 0:
            # Once for all frames: fewer bytes, and no loop compiled for each width of flags.
            mask, bits = ((mask[:1] & bits) != 0).view(np.uint8), np.uint8(255)
        given["skip" if work_dtype is None else "mask"] = mask

    def rows(array: NDArray) -> list[FrameRows]:
        whole = np.broadcast_to(array, modules.shape)
        ordered = whole.swapaxes(-1, -2) if exchange else whole
        return [FrameRows.of(ordered[:, module]) for module in range(n_modules)]

    present = np.True_ if treatment.present is None else treatment.present
    there = np.broadcast_to(present, (n, n_modules))
    chosen = [np.flatnonzero(there[:, module]) for module in range(n_modules)]
    every = {name: rows(array) for name, array in given.items()}
    return _Pass(how, state, every, bits, chosen, work_dtype)
