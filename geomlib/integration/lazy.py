"""Integration of data that is not in memory: a block of frames at a time, or when dask asks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.lazy import option_cutter, read_block
from geomlib.assembly.not_data import check_gain_axis
from geomlib.assembly.sources import as_source, is_dask
from geomlib.integration.pattern import Pattern
from geomlib.threads import check_threads, read_ahead

if TYPE_CHECKING:
    from geomlib.integration.stack import Progress, StackIntegrator

NDArray = npt.NDArray[Any]


def integrate_lazily(
    integrator: StackIntegrator, data: Any, options: Mapping[str, Any], progress: Progress | None
) -> Pattern:
    """Integrate dask arrays or stored data.

    Parameters
    ----------
    integrator : StackIntegrator
        How.
    data, options, progress
        As for its `integrate`.

    Returns
    -------
    Pattern
        Of dask arrays, for dask arrays.

    Raises
    ------
    GeometryError
        If the data or an option do not fit.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if is_dask(data):
        return _integrate_dask(integrator, data, given)
    return _integrate_stored(integrator, data, given, progress)


def _integrate_stored(
    integrator: StackIntegrator, data: Any, options: dict[str, Any], progress: Progress | None
) -> Pattern:
    """Read a block, and the next one while it is integrated."""
    detector = integrator.geometry.detector
    source = as_source(data, detector, options.get("axes"))
    check_gain_axis(source.frames, source.dtype, detector, certain=source.key_data)
    threads = check_threads(integrator.threads)
    cut = option_cutter(options, source.frames, detector)
    results: tuple[Any, ...] | None = None
    with closing(read_ahead(partial(read_block, source, cut), source.blocks(), threads)) as reading:
        for block, values, own in reading:
            arrays = integrator.integrate_arrays(values, own)
            if results is None:
                results = tuple(_room(source.frames, array, len(block)) for array in arrays)
            for result, array in zip(results, arrays, strict=True):
                if result is not None:
                    result[block] = array
            if progress is not None:
                progress(int(np.prod([s.stop - s.start for s in block], dtype=np.int64)))
            # Nothing of this block may stay in memory beside the next.
            del values, arrays
    assert results is not None
    return integrator.pattern(*results)


def _room(frames: tuple[int, ...], array: NDArray | None, n_axes: int) -> NDArray | None:
    """Make room for the results of all frames, like those of a block."""
    return None if array is None else np.empty((*frames, *array.shape[n_axes:]), array.dtype)


def _integrate_dask(integrator: StackIntegrator, data: Any, options: dict[str, Any]) -> Pattern:
    """Work out intensity, error and count of a chunk of frames in one task each."""
    import dask.array as da
    from dask.base import tokenize

    from geomlib.assembly.dask_arrays import changing_options, dask_parts

    detector = integrator.geometry.detector
    parts = dask_parts(data, detector, options.pop("axes", None))
    frames = parts[0][0].chunks[:-3]
    check_gain_axis(tuple(map(sum, frames)), parts[0][0].dtype, detector)
    changing = changing_options(frames, detector, options)
    fixed = {name: value for name, value in options.items() if name not in changing}
    leading = tuple(range(len(frames)))
    labels = count(len(frames))
    arguments: list[Any] = []
    for array in (*(array for array, _ in parts), *changing.values()):
        own = tuple(next(labels) for _ in range(array.ndim - len(frames)))
        arguments += [array, (*leading, *own)]
    bins = integrator.binning.shape
    which, *inner = (next(labels) for _ in range(1 + len(bins)))
    task = _Task(integrator, tuple(numbers for _, numbers in parts), tuple(changing), fixed)
    sample = task.sample(parts, changing, len(frames))
    found = da.blockwise(
        task,
        (*leading, which, *inner),
        *arguments,
        name="integrate-" + tokenize(*arguments, integrator.request, task.about(), fixed),
        new_axes={which: 3, **dict(zip(inner, bins, strict=True))},
        concatenate=None,
        align_arrays=False,
        dtype=sample.dtype,
        meta=np.empty((0,) * (len(frames) + 1 + len(bins)), dtype=sample.dtype),
    )
    intensity, sigma, counts = (found[(*(slice(None),) * len(frames), i)] for i in range(3))
    return integrator.pattern(intensity, None if integrator.error_model is None else sigma, counts)


class _Task:
    """What is done to the chunks of some frames; it travels to the workers."""

    def __init__(
        self,
        integrator: StackIntegrator,
        numbers: tuple[tuple[int, ...], ...],
        names: tuple[str, ...],
        options: dict[str, Any],
    ) -> None:
        self._integrator, self._numbers = integrator, numbers
        self._names, self._options = names, options

    def about(self) -> tuple[Any, ...]:
        """Return what the result depends on, beside data and options."""
        own = self._integrator
        return own.settings, self._numbers

    def __call__(self, *blocks: Any) -> NDArray:
        """Return intensity, error and count, one above the other: (…, 3, *bins)."""
        from geomlib.assembly.dask_arrays import block_values, flattened

        integrator = self._integrator
        arrays = [list(flattened(nested)) for nested in blocks]
        values = block_values(
            arrays[: len(self._numbers)], self._numbers, integrator.geometry.detector
        )
        changing = arrays[len(self._numbers) :]
        own = {name: array for name, (array,) in zip(self._names, changing, strict=True)}
        # The scheduler runs several tasks at a time.
        threads = 1 if integrator.threads is None else integrator.threads
        intensity, sigma, counts = integrator.integrate_arrays(values, self._options | own, threads)
        axis = intensity.ndim - len(integrator.binning.shape)
        sigma = np.full_like(intensity, np.nan) if sigma is None else sigma
        return np.stack([intensity, sigma, counts], axis=axis)

    def sample(self, parts: Any, changing: Mapping[str, Any], n_frames: int) -> NDArray:
        """Integrate a frame of zeros: what is wrong shows here, and what results are like."""
        from geomlib.assembly.dask_arrays import stand_in

        arrays = (*(array for array, _ in parts), *changing.values())
        one = (1,) * n_frames
        return self(*(stand_in((*one, *a.shape[n_frames:]), a.dtype) for a in arrays))
