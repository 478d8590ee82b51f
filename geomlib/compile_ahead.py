"""Compile the loops ahead, so that nobody waits for it later.

The compiler makes a version of a loop for each combination of dtypes that it is used with, at its
first use, and keeps it on disk. Here every usual combination is used once, on a detector of a few
pixels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.assembly import assemble_data, dismantle_image
from geomlib.assembly.accumulators import How
from geomlib.assembly.fill import check_dtype
from geomlib.assembly.plan import make_plan
from geomlib.assembly.treatment import mean_dtype
from geomlib.detectors import generic
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

NDArray = npt.NDArray[Any]
Step = Callable[[], object]
#: What data of detectors most often is: calibrated, raw, files of other facilities.
USUAL = ("float32", "uint16", "int16", "float64")
#: Of masks: boolean ones, and flags as European XFEL stores them.
MASKS = ("bool", "uint32")
#: Modules with compiled loops.
KERNELS = (
    "bands", "columns", "integrate", "lookup", "polygons", "reduce", "rings", "rows", "sectors",
    "snap", "streams", "weights",
)  # fmt: skip
#: Mean and sum share a loop, and so do maximum and minimum.
REDUCTIONS: tuple[How, ...] = ("mean", "std", "max")


@dataclass(frozen=True)
class Compiled:
    """What `warmup` did.

    Attributes
    ----------
    compiled : int
        Versions of loops that were compiled now.
    found : int
        Versions that had been compiled before, and were read from disk.
    seconds : float
        How long it took.
    folder : Path or None
        Where they are kept; None where no folder can be written to, or the compiler is off.
    """

    compiled: int
    found: int
    seconds: float
    folder: Path | None


def warmup(
    parts: Sequence[str] | None = None,
    dtypes: Sequence[npt.DTypeLike] | None = None,
    *,
    progress: Callable[[int], object] | None = None,
) -> Compiled:
    """Compile the loops for the usual dtypes and options, for this process and later ones.

    What was compiled before is read from disk, so that a second call takes about a second. Other
    dtypes and rarer options still compile at their first use.

    Parameters
    ----------
    parts : sequence of str, optional
        Some of ``"assemble"``, ``"treat"`` (dark, gain, masks, binning), ``"reduce"``,
        ``"nearest"``, ``"split"`` and ``"integrate"``; default all.
    dtypes : sequence of dtype, optional
        Of the data; default float32, uint16, int16 and float64.
    progress : callable, optional
        Called with 1 after each of the `steps`.

    Returns
    -------
    Compiled
        How much was compiled, and where it is kept. The folder is next to the code, in the cache of
        the user where that is read-only, or what ``NUMBA_CACHE_DIR`` in the environment names.

    Raises
    ------
    GeometryError
        If there is no such part, or a dtype is not one of real numbers.
    """
    work = steps(parts, dtypes)
    start = time.perf_counter()
    before = _counts()
    for step in work:
        step()
        if progress is not None:
            progress(1)
    compiled, found = (b - a for a, b in zip(before, _counts(), strict=True))
    return Compiled(compiled, found, time.perf_counter() - start, _folder())


def steps(
    parts: Sequence[str] | None = None, dtypes: Sequence[npt.DTypeLike] | None = None
) -> list[Step]:
    """Return what `warmup` does, as functions to call; none where the compiler is switched off.

    Parameters
    ----------
    parts, dtypes
        As for `warmup`.
    """
    from numba import config

    wanted = _several(tuple(_PARTS) if parts is None else parts, "parts")
    for part in wanted:
        if not isinstance(part, str) or part not in _PARTS:
            raise GeometryError(f"parts must be of {', '.join(_PARTS)}, not {checks.shown(part)}")
    given = _several(USUAL if dtypes is None else dtypes, "dtypes")
    kinds = list(dict.fromkeys(_real(dtype) for dtype in given))
    if config.DISABLE_JIT:
        return []
    geometry = _small_geometry()
    return [step for part in wanted for step in _PARTS[part](geometry, kinds)]


def _several(given: Any, name: str) -> tuple[Any, ...]:
    """Return a sequence, or the one text, as a tuple."""
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, Sequence):
        raise GeometryError(f"{name} must be a sequence, not {checks.shown(given)}")
    return tuple(given)


def _real(dtype: npt.DTypeLike) -> np.dtype[Any]:
    kind = check_dtype(dtype, "dtype")
    if kind.kind == "c" or kind == np.float16:
        raise GeometryError(
            f"dtype must be of real numbers of 32 or 64 bits, or whole, not {kind}: no loop is "
            "compiled for it alone"
        )
    return kind


def _small_geometry() -> Geometry:
    # No axis of length 1: numpy calls such arrays contiguous that larger ones are not.
    # Rows and columns of tiles are longer than a line of memory, whatever the dtype.
    corners = [(0, 0), (2e-2, 0), (0, 2e-2), (2e-2, 2e-2)]
    return generic(corners, (70, 160), 1e-4, tiles_per_module=2, name="for compiling")


def _frames(geometry: Geometry, dtype: npt.DTypeLike) -> NDArray:
    return np.zeros((5, *geometry.data_shape), dtype)


def _in_stream_order(frames: NDArray) -> NDArray:
    return np.ascontiguousarray(frames.transpose(1, 3, 2, 0))


def _image_dtypes(given: np.dtype[Any]) -> list[np.dtype[Any]]:
    """Dtypes that data of a dtype is assembled into: its own, that of a mean, and the widest."""
    wide = [np.dtype(np.float64)] if given == np.float32 else []
    return list(dict.fromkeys([given, mean_dtype(given), *wide]))


def _assemble(geometry: Geometry, dtypes: Sequence[np.dtype[Any]]) -> Iterator[Step]:
    from geomlib.kernels.bands import stream_rows

    for given in dtypes:
        for wanted in _image_dtypes(given):
            yield from _copies(geometry, given, wanted)
    row = np.zeros((2, 8), np.float32)
    yield partial(stream_rows, row, row.copy())


def _copies(geometry: Geometry, given: npt.DTypeLike, wanted: npt.DTypeLike) -> Iterator[Step]:
    frames = _frames(geometry, given)
    yield partial(assemble_data, frames, geometry, dtype=wanted, threads=1)
    # Into large images, row by row or, as an AGIPD, tile by tile.
    for placed in (geometry, geometry.rotate((0, 0, 90))):
        yield partial(_assemble_as_if_large, placed, frames, np.dtype(wanted))
    # The way into large images, whatever the order of their data.
    stream = _in_stream_order(frames)
    yield partial(assemble_data, stream, geometry, axes="stream", dtype=wanted, threads=1)


def _assemble_as_if_large(geometry: Geometry, frames: NDArray, dtype: np.dtype[Any]) -> None:
    from geomlib.assembly.copiers import TileCopier, make_copier

    plan, numbers = make_plan(geometry, "snap", False), tuple(range(geometry.n_modules))
    copier = make_copier(plan, [(frames, numbers)], numbers, dtype, dtype.type(0))
    assert isinstance(copier, TileCopier)
    image = np.empty((len(frames), *plan.grid.shape), dtype)
    copier.copy_in_bands(image, (0, len(frames)), np.array([0, plan.grid.shape[0]]))


def _treat(geometry: Geometry, dtypes: Sequence[np.dtype[Any]]) -> Iterator[Step]:
    for given in dtypes:
        frames, scale = _frames(geometry, given), _frames(geometry, mean_dtype(given))
        call = partial(assemble_data, frames, geometry, threads=1)
        for mask in (_frames(geometry, kind) for kind in MASKS):
            yield partial(call, mask=mask[0])
            yield partial(call, mask=mask)
            yield partial(call, dark=scale[0], mask=mask[0])
        for dark in (None, scale[0], scale):
            for gain in (None, scale[0], scale):
                yield partial(call, dark=dark, gain=gain)
        yield partial(call, binning=2)
    # Masks go both ways.
    yield from _copies(geometry, np.bool_, np.bool_)


def _reduce(geometry: Geometry, dtypes: Sequence[np.dtype[Any]]) -> Iterator[Step]:
    for given in dtypes:
        frames = _frames(geometry, given)
        scale = _frames(geometry, mean_dtype(given))[0]
        masks = [_frames(geometry, kind) for kind in MASKS]
        # Results are assembled: extremes in the dtype of the data, means, sums.
        for kind in dict.fromkeys([given, mean_dtype(given), np.dtype(np.float64)]):
            yield from _copies(geometry, kind, kind)
        for how in REDUCTIONS:
            call = partial(assemble_data, geometry=geometry, reduce=how, threads=1)
            yield partial(call, frames)
            yield partial(call, _in_stream_order(frames), axes="stream")
            for mask in (masks[0][0], masks[1]):
                yield partial(call, frames, mask=mask)
            for mask in (None, masks[0][0]):
                yield partial(call, frames, dark=scale, gain=scale, mask=mask)


def _nearest(geometry: Geometry, dtypes: Sequence[np.dtype[Any]]) -> Iterator[Step]:
    for given in dtypes:
        frames = _frames(geometry, given)
        fixed = frames.view()
        fixed.flags.writeable = False
        for wanted in _image_dtypes(given):
            for data in (frames, fixed):
                yield partial(
                    assemble_data, data, geometry, method="nearest", dtype=wanted, threads=1
                )
        image = assemble_data(frames[0], geometry, method="nearest", threads=1)
        yield partial(dismantle_image, image, geometry, threads=1)


def _split(geometry: Geometry, dtypes: Sequence[np.dtype[Any]]) -> Iterator[Step]:
    for kind in dict.fromkeys(mean_dtype(given) for given in dtypes):
        yield partial(assemble_data, _frames(geometry, kind), geometry, method="split", threads=1)


def _integrate(geometry: Geometry, dtypes: Sequence[np.dtype[Any]]) -> Iterator[Step]:
    from geomlib.integration.stack import StackIntegrator

    placed = geometry.offset((1e-4, 2e-4)).replace(distance=0.1)
    for given in dtypes:
        frames, dark = _frames(geometry, given), _frames(geometry, mean_dtype(given))[0]
        yield partial(_integrate_some, placed, frames, {})
        yield partial(_integrate_some, placed, frames, {"dark": dark})
        for method in ("median", "sigma_clip"):
            yield partial(_integrate_some, placed, frames, {}, method=method)
    # Shapes of pixels.
    yield partial(StackIntegrator, placed, 5, npt_azim=3, unit="2th_deg", split="full")


def _integrate_some(
    geometry: Geometry, frames: NDArray, treatment: dict[str, Any], **options: Any
) -> None:
    from geomlib.integration.stack import StackIntegrator

    integrator = StackIntegrator(geometry, 5, unit="2th_deg", threads=1, **options)
    integrator.integrate(frames, **treatment)
    integrator.integrate(frames[0], **treatment)
    integrator.integrate(_in_stream_order(frames), axes="stream", **treatment)


_PARTS: dict[str, Callable[[Geometry, Sequence[np.dtype[Any]]], Iterator[Step]]] = {
    "assemble": _assemble,
    "treat": _treat,
    "reduce": _reduce,
    "nearest": _nearest,
    "split": _split,
    "integrate": _integrate,
}


def loops() -> list[Any]:
    """Return the compiled functions of all kernels: numba's dispatchers."""
    from numba.extending import is_jitted

    modules = [import_module(f"geomlib.kernels.{name}") for name in KERNELS]
    found = {id(item): item for module in modules for item in vars(module).values()}
    return [item for item in found.values() if is_jitted(item)]


def _counts() -> tuple[int, int]:
    """Versions that were compiled by this process, and that it read from disk."""
    stats = [loop.stats for loop in loops()]
    compiled = sum(sum(one.cache_misses.values()) for one in stats)
    return compiled, sum(sum(one.cache_hits.values()) for one in stats)


def _folder() -> Path | None:
    places = [loop.stats.cache_path for loop in loops()]
    return Path(places[0]) if places and places[0] else None
