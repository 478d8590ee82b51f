"""Images: what `position_modules` and its relatives do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly import assemble_data, dismantle_image
from geomlib.assembly.inputs import module_labels
from geomlib.assembly.onto import assemble_onto
from geomlib.assembly.plan import make_plan
from geomlib.detector import Detector
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

if TYPE_CHECKING:
    from geomlib.compat.geometries.base import DetectorGeometryBase

NDArray = npt.NDArray[Any]


def is_labelled(data: object) -> bool:
    """Tell whether data is an xarray array, without an import of xarray."""
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(data, xarray.DataArray)


def prepared(geom: DetectorGeometryBase, data: Any) -> Any:
    """Return data as geomlib takes it: with its axis of modules, and without a mask of numpy's.

    Masked pixels become NaN, or 0 in whole numbers.

    Raises
    ------
    GeometryError
        If it is labelled, and has no dimension ``module`` or other modules.
    """
    data = geom._ensure_shape(data)
    if is_labelled(data):
        if "module" not in data.dims:
            raise GeometryError(f"labelled data must have a dimension 'module'; it has {data.dims}")
        _check_labels(geom.geometry.detector, data)
    if isinstance(data, np.ma.MaskedArray):
        return data.filled(np.nan if np.issubdtype(data.dtype, np.inexact) else 0)
    return data


def _check_labels(detector: Detector, data: Any) -> None:
    # In the words of EXtra-geom, for which programs may look.
    pixels = detector.data_shape[1:]
    if data.shape[-2:] != pixels:
        raise GeometryError(
            f"Wrong pixel dimensions for detector modules: {data.shape[-2:]}, not {pixels}"
        )
    try:
        module_labels(data, detector)
    except GeometryError as problem:
        first = detector.first_module_label
        last = first + detector.n_modules - 1
        raise GeometryError(
            f"module number labels should be in the range {first}-{last}: {problem}"
        ) from None


def thread_count(threadpool: Any) -> int | None:
    """Return how many threads a pool has; None lets geomlib choose."""
    return getattr(threadpool, "_max_workers", None)


def position(
    geom: DetectorGeometryBase, data: Any, out: NDArray | None, threadpool: Any
) -> tuple[NDArray, NDArray]:
    """Assemble data; see `DetectorGeometryBase.position_modules`."""
    data, geometry, threads = prepared(geom, data), geom.geometry, thread_count(threadpool)
    if out is None:
        image = assemble_data(data, geometry, threads=threads).compute()
        return image.data, image.centre
    _onto(data, geometry, out, threads)
    return out, np.array(make_plan(geometry, "snap", False).grid.centre)


def _onto(data: Any, geometry: Geometry, out: NDArray, threads: int | None) -> None:
    if not isinstance(out, np.ndarray):
        raise GeometryError(f"out must be an array, not {type(out).__name__}")
    if not hasattr(data, "dtype"):
        data = np.asarray(data)
    if not np.can_cast(data.dtype, out.dtype, casting="safe"):
        raise TypeError(f"out is {out.dtype}, to which {data.dtype} cannot be cast safely")
    assemble_onto(_in_memory(data), geometry, out, threads=threads)


def _in_memory(data: Any) -> Any:
    from geomlib.assembly.sources import is_lazy

    if not is_lazy(data):
        return data
    return data.compute() if hasattr(data, "compute") else np.asarray(data)


def position_symmetric(
    geom: DetectorGeometryBase, data: Any, out: NDArray | None, threadpool: Any
) -> NDArray:
    """Assemble data; see `DetectorGeometryBase.position_modules_symmetric`."""
    data, geometry, threads = prepared(geom, data), geom.geometry, thread_count(threadpool)
    if out is None:
        return assemble_data(data, geometry, centred=True, threads=threads).compute().data
    grid = make_plan(geometry, "snap", False).grid
    smallest = make_plan(geometry, "snap", True).grid.shape
    if out.ndim < 2 or out.shape[-2] < smallest[0] or out.shape[-1] < smallest[1]:
        raise GeometryError(f"out has shape {out.shape}; expected at least (…, {smallest})")
    y, x = (size // 2 - int(c) for size, c in zip(out.shape[-2:], grid.centre, strict=True))
    height, width = grid.shape
    _onto(data, geometry, out[..., y : y + height, x : x + width], threads)
    return out


def take_apart(geom: DetectorGeometryBase, image: NDArray) -> NDArray:
    """Take an image apart; see `DetectorGeometryBase.take_modules`."""
    return dismantle_image(np.asarray(image), geom.geometry, fill=0)
