"""From frames in files to assembled images, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geomlib.data.stack import CHUNK_BYTES, FrameStack
from geomlib.geometry import Geometry

# What assembles loads at first use: frames can be read without a compiler.
if TYPE_CHECKING:
    from geomlib.assembly.accumulators import How
    from geomlib.assembly.block_reduction import BlockReduction
    from geomlib.assembly.image import AssembledImage

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
        The modules that have data in any of the frames; `assemble_data` takes them, if there are
        any. `assemble_reduced` makes an image in any case.

    Raises
    ------
    GeometryError
        If `how` is something else, or there are no frames.
    """
    reduction = _reduce(stack, how, frames, max_bytes, progress)
    modules = reduction.result()
    return {int(module): modules[int(module)] for module in np.flatnonzero(reduction.present)}


def assemble_reduced(
    stack: FrameStack,
    geometry: Geometry,
    how: How,
    frames: Sequence[int] | None = None,
    *,
    max_bytes: int = CHUNK_BYTES,
    progress: Progress | None = None,
    **options: Any,
) -> AssembledImage:
    """Reduce frames, in bounded memory, and assemble the result.

    The image is that of `assemble_data` with ``reduce``.

    Parameters
    ----------
    stack, how, frames, max_bytes, progress
        As for `reduce_frames`.
    geometry : Geometry
        Where the pixels are.
    **options
        Options of `assemble_data` for the image: `method`, `fill` ….

    Returns
    -------
    AssembledImage
        Of shape (y, x).

    Raises
    ------
    GeometryError
        As `reduce_frames` and `assemble_data`.
    """
    return _reduce(stack, how, frames, max_bytes, progress).assemble(geometry, options)


def _reduce(
    stack: FrameStack,
    how: How,
    frames: Sequence[int] | None,
    max_bytes: int,
    progress: Progress | None,
) -> BlockReduction:
    from geomlib.assembly.block_reduction import BlockReduction
    from geomlib.assembly.inputs import Stack
    from geomlib.assembly.treatment import Treatment

    n_modules = stack.shape[1]
    reduction = BlockReduction(how, n_modules)
    for numbers, data in stack.chunks(frames, max_bytes=max_bytes):
        block = Stack(((data, tuple(range(n_modules))),), data.shape[:1], data.dtype)
        reduction.add(block, Treatment(present=stack.present(numbers)))
        if progress is not None:
            progress(len(numbers))
    return reduction


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
    from geomlib.assembly import assemble_data

    for numbers, data in stack.chunks(frames, max_bytes=max_bytes):
        present = stack.present(numbers)
        yield assemble_data(data, geometry, present=present, **options)
        if progress is not None:
            progress(len(numbers))
