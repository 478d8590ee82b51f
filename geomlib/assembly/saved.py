"""Plans of method ``"split"`` in files, for programs that start often."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.assembly.overlaps import MAX_ENTRIES, Overlaps
from geomlib.assembly.plan import MAX_PIXELS, Grid
from geomlib.assembly.split import SplitPlan
from geomlib.atomic import replacing
from geomlib.errors import GeometryError, GeometryFileError, system_error
from geomlib.fixed_text import fixed, fixed_attribute

if TYPE_CHECKING:
    import h5py

NDArray = npt.NDArray[Any]
_FORMAT, _VERSION = "geomlib split plan", 1
_DTYPES = {"starts": "<i4", "pixels": "<i4", "areas": "<f4", "pixel_areas": "<f4"}


def save_plan(plan: SplitPlan, path: str | os.PathLike[str]) -> None:
    """Write a plan to an HDF5 file.

    Parameters
    ----------
    plan : SplitPlan
        Of `split_plan`.
    path : str or path-like
        The file; an older one is replaced.

    Raises
    ------
    GeometryError
        If `plan` is something else.
    GeometryFileError
        If the file cannot be written.
    """
    import h5py

    if not isinstance(plan, SplitPlan):
        raise GeometryError(
            f"plan must be a SplitPlan, as split_plan(geometry) gives, not {type(plan).__name__}"
        )
    starts, entries = _own_entries(plan)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"] = fixed(_FORMAT)
        file.attrs["version"] = _VERSION
        file.attrs["geometry"] = fixed(plan.digest)
        file.attrs["shape"] = plan.grid.shape
        file.attrs["centre"] = plan.grid.centre
        file.attrs["pixel_size"] = plan.grid.pixel_size
        if plan.distance is not None:
            file.attrs["distance"] = plan.distance
        arrays = (
            starts,
            plan.overlaps.pixels[entries],
            plan.overlaps.areas[entries],
            plan.overlaps.pixel_areas,
        )
        for (name, dtype), array in zip(_DTYPES.items(), arrays, strict=True):
            file.create_dataset(name, data=array.astype(dtype, copy=False))


def load_plan(path: str | os.PathLike[str]) -> SplitPlan:
    """Read a plan that `save_plan` wrote.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    SplitPlan
        For the geometry that it was worked out for, and no other.

    Raises
    ------
    GeometryFileError
        If the file cannot be read, or what it holds is not a plan.
    """
    import h5py

    found = checks.path("path", path)
    name = os.fspath(found)
    try:
        size = found.stat().st_size
        with h5py.File(name, "r") as file:
            return _read(file, name, size)
    except GeometryFileError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise system_error(error, name, "read") from error
        raise GeometryFileError(f"is no readable HDF5 file: {error}", path=name) from error
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise GeometryFileError(f"is damaged: {error}", path=name) from error


def _own_entries(plan: SplitPlan) -> tuple[NDArray, slice | NDArray]:
    """Return the starts of a plan, and its entries among those of the whole image."""
    starts = plan.overlaps.starts
    n_y, n_x = plan.grid.shape
    if n_y * n_x + 1 == len(starts):
        return starts, slice(None)
    rows = plan.first + plan.row_length * np.arange(n_y)
    own = starts[rows[:, np.newaxis] + np.arange(n_x + 1)]
    counts = np.concatenate([[0], np.diff(own).ravel()])
    entries = np.concatenate([np.arange(row[0], row[-1]) for row in own])
    return np.cumsum(counts, dtype=np.int32), entries


def _read(file: h5py.File, path: str, size: int) -> SplitPlan:
    found = (fixed_attribute(file, "format"), file.attrs.get("version"))
    if found != (_FORMAT, _VERSION):
        raise GeometryFileError(
            f"is no plan that this version of geomlib can read: it says format {found[0]!r}, "
            f"version {found[1]}; expected {_FORMAT!r}, version {_VERSION}",
            path=path,
        )
    grid = _read_grid(file, path)
    digest = fixed_attribute(file, "geometry")
    if digest is None or len(digest) != 64:
        raise GeometryFileError("must be a digest of 64 characters", path=path, key="geometry")
    datasets = {name: _dataset(file, name, path, size) for name in _DTYPES}
    n = grid.shape[0] * grid.shape[1]
    if datasets["starts"].shape != (n + 1,):
        raise GeometryFileError(
            f"has shape {datasets['starts'].shape}; an image of {grid.shape} pixels needs "
            f"({n + 1},)",
            path=path,
            key="starts",
        )
    arrays = {name: dataset[()].astype(_DTYPES[name][1:]) for name, dataset in datasets.items()}
    _check_numbers(arrays, path)
    distance = _read_distance(file, path)
    return SplitPlan(grid, Overlaps(**arrays), digest, 0, grid.shape[1], distance)


def _read_distance(file: h5py.File, path: str) -> float | None:
    if "distance" not in file.attrs:
        return None
    try:
        return checks.number("distance", file.attrs["distance"], positive=True)
    except GeometryError as error:
        raise GeometryFileError(str(error), path=path) from None


def _read_grid(file: h5py.File, path: str) -> Grid:
    try:
        shape = checks.integers("shape", file.attrs.get("shape"), 1, count=2)
        centre = checks.array("centre", file.attrs.get("centre"), (2,))
        pixel = checks.array("pixel_size", file.attrs.get("pixel_size"), (2,))
    except GeometryError as error:
        raise GeometryFileError(str(error), path=path) from None
    if shape[0] * shape[1] > MAX_PIXELS or not (pixel > 0).all():
        raise GeometryFileError(
            f"an image of {shape} pixels of {pixel.tolist()} m: expected up to {MAX_PIXELS} pixels "
            "of positive size",
            path=path,
        )
    y, x = (int(c) if c == round(c) else c for c in centre.tolist())
    return Grid((shape[0], shape[1]), (y, x), (float(pixel[0]), float(pixel[1])))


def _dataset(file: h5py.File, name: str, path: str, size: int) -> h5py.Dataset:
    """Return a dataset whose numbers all lie in the file, as a header alone may claim any size."""
    import h5py

    link = file.get(name, getlink=True)
    dataset = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.str != _DTYPES[name]:
        raise GeometryFileError(
            f"must be a dataset of {np.dtype(_DTYPES[name])}", path=path, key=name
        )
    inside = dataset.chunks is None and dataset.external is None and not dataset.is_virtual
    stored = dataset.id.get_storage_size()
    if not inside or dataset.size > MAX_ENTRIES or not dataset.nbytes == stored <= size:
        raise GeometryFileError(
            f"says {dataset.nbytes} bytes, but {stored} of them are stored in the file, in one "
            "piece"
            if inside
            else "must be stored in one piece, in this file",
            path=path,
            key=name,
        )
    return dataset


def _check_numbers(arrays: dict[str, NDArray], path: str) -> None:
    """Make sure of what the kernels trust, and that weights are what they should be."""
    starts, pixels, areas, pixel_areas = (arrays[name] for name in _DTYPES)
    wrong = {
        "starts": starts[0] != 0 or bool((starts[1:] < starts[:-1]).any()),
        "pixels": pixels.shape != (starts[-1],)
        or bool(((pixels < 0) | (pixels >= pixel_areas.size)).any()),
        "areas": areas.shape != (starts[-1],) or not bool(((areas > 0) & (areas < 1.001)).all()),
        "pixel_areas": pixel_areas.ndim != 3 or not bool((np.isfinite(pixel_areas)).all()),
    }
    for name, bad in wrong.items():
        if bad:
            raise GeometryFileError(
                "does not fit to the other numbers, or is out of range", path=path, key=name
            )
    if (pixel_areas.ravel()[pixels] <= 0).any():
        raise GeometryFileError("must be positive where used", path=path, key="pixel_areas")
