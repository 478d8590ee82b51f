"""Assembly onto what an array holds: tiles are written, all other pixels are left alone.

`assemble_data` fills an array that it is given as a whole. EXtra-geom does not, and the replacement
for it keeps to that.
"""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.assemble import choose_threads
from geomlib.assembly.inputs import Stack, as_stack, frame_blocks
from geomlib.assembly.memory import check_apart
from geomlib.assembly.plan import SnapPlan, make_plan
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.threads import run_pieces

NDArray = npt.NDArray[Any]


def assemble_onto(
    data: Any, geometry: Geometry, out: NDArray, *, threads: int | None = None
) -> NDArray:
    """Write tiles into images, with method ``"snap"``; gaps and missing modules stay as they are.

    Parameters
    ----------
    data : array_like
        In memory; any form that `geomlib.assemble_data` takes.
    geometry : Geometry
        Where the pixels are.
    out : ndarray, shape (…, y, x)
        The images, of a dtype to which the data may be converted.
    threads : int, optional
        As for `geomlib.assemble_data`.

    Returns
    -------
    ndarray
        `out`.

    Raises
    ------
    GeometryError
        If the data does not fit the detector, `out` has another shape, cannot be written, or shares
        memory with the data.
    """
    stack = as_stack(data, geometry.detector)
    plan = make_plan(geometry, "snap", False)
    assert isinstance(plan, SnapPlan)
    expected = (*stack.frames, *plan.grid.shape)
    if out.shape != expected:
        raise GeometryError(f"out has shape {out.shape}; expected {expected}")
    if not out.flags.writeable:
        raise GeometryError("out is read-only")
    check_apart(out, [array for array, _ in stack.parts])
    workers = choose_threads(threads, stack.frames, plan.grid, out.dtype)
    run_pieces(_pieces(_same_half(stack, out.dtype), plan, out, workers), workers)
    return out


def _same_half(stack: Stack, dtype: np.dtype[Any]) -> Stack:
    # The compiler has no half-precision arithmetic on this kind of processor.
    if np.float16 not in (stack.dtype, dtype) or stack.dtype == dtype:
        return stack
    parts = tuple((data.astype(dtype), numbers) for data, numbers in stack.parts)
    return Stack(parts, stack.frames, dtype)


def _pieces(stack: Stack, plan: SnapPlan, out: NDArray, threads: int) -> list[partial[None]]:
    # The kernels, and with them the compiler, load with the first image.
    from geomlib.assembly.copiers import make_copier

    modules = tuple(sorted(number for _, numbers in stack.parts for number in numbers))
    bare = _without_gaps(plan, modules)
    arrays = [array for array, _ in stack.parts]
    pieces = []
    for image, *views in frame_blocks(stack.frames, out, *arrays):
        parts = [(view, held) for view, (_, held) in zip(views, stack.parts, strict=True)]
        copier = make_copier(bare, parts, modules, out.dtype, 0)
        for frames, rows in _cut(len(image), image.shape[1], threads):
            pieces.append(partial(copier.copy_rows, image, frames, np.array(rows)))
    return pieces


@lru_cache(maxsize=32)
def _without_gaps(plan: SnapPlan, modules: tuple[int, ...]) -> SnapPlan:
    from geomlib.kernels.snap import MODULE

    tiles = plan.tiles[np.isin(plan.tiles[:, MODULE], modules)]
    return SnapPlan(plan.grid, tiles, np.empty((0, 4), dtype=np.int64))


def _cut(frames: int, rows: int, threads: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Share frames out among threads, or rows where there are too few frames."""
    if frames >= threads:
        cuts = np.linspace(0, frames, min(frames, 4 * threads) + 1).astype(int).tolist()
        return [((a, b), (0, rows)) for a, b in pairwise(cuts)]
    cuts = np.linspace(0, rows, threads + 1).astype(int).tolist()
    return [((frame, frame + 1), (a, b)) for frame in range(frames) for a, b in pairwise(cuts)]
