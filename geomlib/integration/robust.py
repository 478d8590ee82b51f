"""Medians and clipped means of bins, frame by frame."""

from __future__ import annotations

from functools import partial
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
#: Bins of a single frame are shared out to threads in so many pieces.
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
    pieces = []
    order = operator.by_bins()
    for frames, result in blocks_of(stack, treatment, operator.data_shape, output):
        for number in range(frames.count):
            pieces.append(partial(_one, operator, order, frames, result, number, clip))
    run_pieces(pieces, threads)


def _one(
    operator: Operator,
    order: tuple[IntArray, IntArray, npt.NDArray[np.float32]],
    frames: Frames,
    output: Output,
    number: int,
    clip: tuple[float, int] | None,
) -> None:
    pixels = _pixels(operator, frames, number)
    out = np.empty((3, operator.n_bins))
    given = (pixels, *order, operator.entries.norms)
    # A piece at a time: Ctrl-C is heard only between calls.
    cuts = np.linspace(0, operator.n_bins, PIECES + 1).astype(int).tolist()
    for a, b in pairwise(cuts):
        if clip is None:
            median_bins(*given, (a, b), out)
        else:
            clip_bins(*given, (a, b), clip, out)
    output.intensity[number], output.count[number] = out[0], out[2]
    if output.sigma is not None:
        output.sigma[number] = out[1]


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
