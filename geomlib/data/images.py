"""From frames in files to assembled images, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly import AssembledImage, assemble_data
from geomlib.assembly.accumulators import How
from geomlib.assembly.reduction import Reduction
from geomlib.data.stack import CHUNK_BYTES, FrameStack
from geomlib.geometry import Geometry

NDArray = npt.NDArray[Any]
#: Called with the number of frames done since the last call.
Progress = Callable[[int], None]


def reduce_frames(
    stack: FrameStack,
    how: How,
    frames: Sequence[int] | None = None,
    *,
    max_bytes: int = CHUNK_BYTES,
    progress: Progress | None = None,
) -> dict[int, NDArray]:
    """Reduce frames pixel by pixel, in bounded memory; missing modules and NaN do not count.

    Parameters
    ----------
    stack : FrameStack
        The frames.
    how : {"mean", "sum", "max", "min", "std"}
        See `geomlib.assembly.reduction.Reduction`.
    frames : sequence of int, optional
        Which; default all.
    max_bytes : int
        How much to read at a time.
    progress : callable, optional
        Called after each chunk with its number of frames.

    Returns
    -------
    dict of int to ndarray, shape (ss, fs)
        The modules that have data in any of the frames, as `assemble_data` takes them.
    """
    reduction = Reduction(how)
    seen = np.zeros(stack.shape[1], dtype=bool)
    for numbers, data in stack.chunks(frames, max_bytes=max_bytes):
        present = stack.present(numbers)
        seen |= present.any(axis=0)
        reduction.add(data, None if present.all() else present[:, :, np.newaxis, np.newaxis])
        if progress is not None:
            progress(len(numbers))
    result = reduction.result()
    return {int(module): result[module] for module in np.flatnonzero(seen)}


def assemble_frames(
    stack: FrameStack,
    geometry: Geometry,
    frames: Sequence[int] | None = None,
    *,
    max_bytes: int = CHUNK_BYTES,
    progress: Progress | None = None,
    **options: Any,
) -> Iterator[AssembledImage]:
    """Assemble frames a chunk at a time, in bounded memory.

    Parameters
    ----------
    stack : FrameStack
        The frames.
    geometry : Geometry
        Where the pixels are.
    frames : sequence of int, optional
        Which; default all.
    max_bytes : int
        How much to read at a time.
    progress : callable, optional
        Called after each chunk with its number of frames.
    **options
        Options of `assemble_data` that are the same for all frames: `method`, `fill` ….

    Yields
    ------
    AssembledImage
        Of shape (n, y, x): the images of one chunk.
    """
    for numbers, data in stack.chunks(frames, max_bytes=max_bytes):
        present = stack.present(numbers)
        yield assemble_data(data, geometry, present=present, **options)
        if progress is not None:
            progress(len(numbers))
