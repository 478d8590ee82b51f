"""Integrators in files, for programs that start often: pyFAI need not even be loaded."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.assembly.split import geometry_digest
from geomlib.atomic import replacing
from geomlib.errors import GeometryError, GeometryFileError, system_error
from geomlib.geometry import Geometry
from geomlib.integration.operator import Operator, Request
from geomlib.integration.options import Binning, check_binning
from geomlib.kernels.integrate import Entries

if TYPE_CHECKING:
    import h5py

    from geomlib.integration.stack import StackIntegrator

NDArray = npt.NDArray[Any]
Class = TypeVar("Class", bound="StackIntegrator")
_FORMAT, _VERSION = "geomlib integrator", 1
_DTYPES = {"starts": "<i4", "bins": "<i4", "parts": "<f4", "norms": "<f4"}
_OWN = ("error_model", "method", "clip", "max_iterations")
_REQUEST = ("distance", "wavelength", "places", "solid_angle", "polarisation", "wide")


def save_integrator(integrator: StackIntegrator, path: str | os.PathLike[str]) -> None:
    """Write an integrator; see `StackIntegrator.save`."""
    import h5py

    operator, request = integrator.operator, integrator.request
    about = {
        "binning": asdict(integrator.binning),
        "request": {name: getattr(request, name) for name in _REQUEST},
        "own": {name: getattr(integrator, name) for name in _OWN},
    }
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"], file.attrs["version"] = _FORMAT, _VERSION
        file.attrs["geometry"] = geometry_digest(integrator.geometry)
        file.attrs["options"] = json.dumps(about)
        for name, dtype in _DTYPES.items():
            file.create_dataset(name, data=getattr(operator.entries, name).astype(dtype))
        file.create_dataset("radial", data=operator.radial)
        if operator.azimuth is not None:
            file.create_dataset("azimuth", data=operator.azimuth)
        if request.mask is not None:
            file.create_dataset("mask", data=np.frombuffer(request.mask, np.uint8))


def load_integrator(
    cls: type[Class], path: str | os.PathLike[str], geometry: Geometry, threads: int | None
) -> Class:
    """Read an integrator; see `StackIntegrator.load`."""
    import h5py

    found = checks.path("path", path)
    name = os.fspath(found)
    try:
        with h5py.File(name, "r") as file:
            return _read(cls, file, name, geometry, threads)
    except (GeometryFileError, GeometryError):
        raise
    except OSError as error:
        if error.errno is not None:
            raise system_error(error, name, "read") from error
        raise GeometryFileError(f"is no readable HDF5 file: {error}", path=name) from error
    except (KeyError, ValueError, TypeError, RuntimeError, MemoryError) as error:
        raise GeometryFileError(f"is damaged: {error}", path=name) from error


def _read(
    cls: type[Class], file: h5py.File, path: str, geometry: Geometry, threads: int | None
) -> Class:
    found = (file.attrs.get("format"), file.attrs.get("version"))
    if found != (_FORMAT, _VERSION):
        raise GeometryFileError(
            f"is no integrator that this version of geomlib can read: it says format {found[0]!r}, "
            f"version {found[1]}; expected {_FORMAT!r}, version {_VERSION}",
            path=path,
        )
    if file.attrs["geometry"] != geometry_digest(geometry):
        raise GeometryError(
            f"{path} was worked out for another geometry than this of {geometry.detector.name}: "
            "another detector, or one whose tiles lie elsewhere"
        )
    about = json.loads(file.attrs["options"])
    binning = _binning(about["binning"])
    entries = _read_entries(file, geometry, binning, path)
    radial = np.asarray(file["radial"][()], np.float64)
    azimuth = np.asarray(file["azimuth"][()], np.float64) if "azimuth" in file else None
    operator = Operator(geometry.data_shape, binning.shape, entries, radial, azimuth)
    given = about["request"]
    places = tuple((str(n), float(v)) for n, v in given.pop("places"))
    mask = file["mask"][()].tobytes() if "mask" in file else None
    request = Request(geometry=geometry, binning=binning, places=places, mask=mask, **given)
    integrator = cls.__new__(cls)
    integrator.set_up(request, operator, threads, **about["own"])
    return integrator


def _binning(given: dict[str, Any]) -> Binning:
    names = ("npt", "npt_azim", "unit", "range", "azimuth_range", "radial_range", "split")
    return check_binning(*(given[name] for name in names))


def _read_entries(file: h5py.File, geometry: Geometry, binning: Binning, path: str) -> Entries:
    """Read the entries, and make sure of what the kernels trust."""
    n = int(np.prod(geometry.data_shape))
    arrays = {}
    for name, dtype in _DTYPES.items():
        dataset = file[name]
        stored = dataset.id.get_storage_size()
        if dataset.dtype.str != dtype or dataset.ndim != 1 or dataset.nbytes > max(stored, 0):
            raise GeometryFileError(f"must be {np.dtype(dtype)} in one piece", path=path, key=name)
        arrays[name] = dataset[()].astype(dtype[1:])
    starts, bins, parts, norms = arrays.values()
    n_bins = int(np.prod(binning.shape))
    single = not len(starts)
    fits = {
        "starts": single
        or (
            len(starts) == n + 1
            and starts[0] == 0
            and starts[-1] == len(bins)
            and bool((np.diff(starts) >= 0).all())
        ),
        "bins": len(bins) == (n if single else len(bins))
        and bool(((bins >= (-1 if single else 0)) & (bins < n_bins)).all()),
        "parts": len(parts) == (0 if single else len(bins)) and bool(np.isfinite(parts).all()),
        "norms": len(norms) == n,
    }
    for name, good in fits.items():
        if not good:
            raise GeometryFileError(
                "does not fit to the other numbers, or is out of range", path=path, key=name
            )
    return Entries(starts, bins, parts, norms)
