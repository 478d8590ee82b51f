"""Medians and clipped means of bins, frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.inputs import Stack
from geomlib.assembly.treatment import Treatment
from geomlib.integration.operator import Operator
from geomlib.integration.run import Frames, Output, blocks_of
from geomlib.kernels.rings import clip_bins, median_bins
from geomlib.threads import run_pieces

NDArray = npt.NDArray[Any]
IntArray = npt.NDArray[np.int32]
#: The bins of a frame are worked out in so many pieces.
PIECES = 16


def run_robust(
    operator: Operator,
    stack: Stack,
    treatment: Treatment | None,
    output: Output,
    clip: tuple[float, int] | None,
    threads: int,
) -> None:
    """Integrate frames.

    Parameters
    ----------
    operator, stack, treatment, output, threads
        As for `geomlib.integration.run.run_mean`.
    clip : (float, int), optional
        Standard deviations to clip at, and how often; None for the median.
    """
    pieces: list[Callable[[], None]] = []
    order = operator.by_bins()
    for frames, result in blocks_of(stack, treatment, operator.data_shape, output):
        for number in range(frames.count):
            one = _One(operator, order, frames, result, number, clip)
            # Bins of few frames are shared out; of many, each thread takes whole frames.
            pieces += one.pieces() if frames.count < threads else [one.run]
    run_pieces(pieces, threads)


@dataclass(frozen=True, eq=False)
class _One:
    """A frame, and where its result goes."""

    operator: Operator
    order: tuple[IntArray, IntArray, npt.NDArray[np.float32]]
    frames: Frames
    output: Output
    number: int
    clip: tuple[float, int] | None

    def run(self) -> None:
        """Do all of it."""
        for piece in self.pieces():
            piece()

    def pieces(self) -> list[Callable[[], None]]:
        """Cut the work up by bins: Ctrl-C is heard only between pieces."""
        cuts = np.linspace(0, self.operator.n_bins, PIECES + 1).astype(int).tolist()
        return [partial(self._bins, a, b) for a, b in pairwise(cuts)]

    @cached_property
    def _pixels(self) -> NDArray:
        return _pixels(self.operator, self.frames, self.number)

    def _bins(self, first: int, last: int) -> None:
        out = np.empty((3, self.operator.n_bins))
        given = (self._pixels, *self.order, self.operator.entries.norms)
        if self.clip is None:
            median_bins(*given, (first, last), out)
        else:
            clip_bins(*given, (first, last), self.clip, out)
        here = np.s_[self.number, first:last]
        self.output.intensity[here], self.output.count[here] = (
            out[0, first:last],
            out[2, first:last],
        )
        if self.output.sigma is not None:
            self.output.sigma[here] = out[1, first:last]


def _pixels(operator: Operator, frames: Frames, number: int) -> NDArray:
    """All pixels of a frame, as the operator counts them; NaN for what is not there."""
    room = np.full(operator.data_shape, np.nan, dtype=frames.dtype)
    span = slice(number, number + 1)
    for module in frames.numbers:
        if not frames.there(module, span).any():
            continue
        lines = slice(0, frames.lines(module))
        flat, starts = frames.rows(module, lines, span)
        target = room[module].T if frames.exchanged else room[module]
        target[...] = flat[starts[0] : starts[0] + target.size].reshape(target.shape)
    return room.reshape(-1)
