"""Integrators in files, for programs that start often: pyFAI need not even be loaded."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.assembly.inputs import check_geometry
from geomlib.assembly.split import geometry_digest
from geomlib.atomic import replacing
from geomlib.errors import GeometryError, GeometryFileError, system_error, warn
from geomlib.fixed_text import fixed, fixed_attribute
from geomlib.geometry import Geometry
from geomlib.integration.operator import Operator, Request
from geomlib.integration.options import Binning, check_binning, check_settings
from geomlib.kernels.integrate import Entries
from geomlib.units import wavelength_from_energy

if TYPE_CHECKING:
    import h5py

    from geomlib.integration.stack import StackIntegrator

NDArray = npt.NDArray[Any]
Class = TypeVar("Class", bound="StackIntegrator")
_FORMAT, _VERSION = "geomlib integrator", 1
_DTYPES = {"starts": "<i4", "bins": "<i4", "parts": "<f4", "norms": "<f4"}
_REQUEST = ("distance", "wavelength", "places", "solid_angle", "polarisation", "wide")


def save_integrator(integrator: StackIntegrator, path: str | os.PathLike[str]) -> None:
    """Write an integrator; see `StackIntegrator.save`."""
    import h5py

    operator, request = integrator.operator, integrator.request
    about = {
        "binning": asdict(integrator.binning),
        "request": {name: getattr(request, name) for name in _REQUEST},
        "own": asdict(integrator.settings),
    }
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"], file.attrs["version"] = fixed(_FORMAT), _VERSION
        file.attrs["geometry"] = fixed(_digest(integrator.geometry))
        file.attrs["options"] = fixed(json.dumps(about))
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

    check_geometry(geometry, "StackIntegrator.load(path, geometry)")
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
    found = (fixed_attribute(file, "format"), file.attrs.get("version"))
    if found != (_FORMAT, _VERSION):
        raise GeometryFileError(
            f"is no integrator that this version of geomlib can read: it says format {found[0]!r}, "
            f"version {found[1]}; expected {_FORMAT!r}, version {_VERSION}",
            path=path,
        )
    if fixed_attribute(file, "geometry") != _digest(geometry):
        raise GeometryError(
            f"{path} was worked out for another geometry than this of {geometry.detector.name}: "
            "another detector, one whose tiles lie elsewhere, or with other bad regions"
        )
    about = json.loads(fixed_attribute(file, "options") or "")
    _check_beam(geometry, about["request"], path)
    binning = _binning(about["binning"])
    entries = _read_entries(file, geometry, binning, path)
    radial = _centres(file, "radial", binning.npt, path)
    azimuth = (
        None if binning.npt_azim is None else _centres(file, "azimuth", binning.npt_azim, path)
    )
    operator = Operator(geometry.data_shape, binning.shape, entries, radial, azimuth)
    given = about["request"]
    places = tuple((str(n), float(v)) for n, v in given.pop("places"))
    mask = None
    if "mask" in file:
        mask = _dataset(file, "mask", "|u1", path)[()].tobytes()
    request = Request(geometry=geometry, binning=binning, places=places, mask=mask, **given)
    integrator = cls.__new__(cls)
    integrator._set_up(request, operator, threads, check_settings(**about["own"]))
    return integrator


def _digest(geometry: Geometry) -> str:
    """Return a digest of all of a geometry that an operator depends on."""
    digest = hashlib.sha256(geometry_digest(geometry).encode())
    digest.update(np.packbits(geometry.bad_pixels()).tobytes())
    return digest.hexdigest()


def _check_beam(geometry: Geometry, request: dict[str, Any], path: str) -> None:
    """Warn where the geometry says something else than what was worked out."""
    energy = None if geometry.photon_energy is None else geometry.photon_energy
    length = None if energy is None else wavelength_from_energy(energy)
    for name, own in (("distance", geometry.distance), ("wavelength", length)):
        there = request[name]
        if own is not None and there is not None and not np.isclose(own, there, rtol=1e-9):
            warn(
                f"{path} was worked out for a {name} of {there:g} m, which is used; the geometry "
                f"says {own:g} m"
            )


def _dataset(file: h5py.File, name: str, dtype: str, path: str) -> h5py.Dataset:
    """Return a dataset whose numbers all lie in the file, as a header alone may claim any size."""
    import h5py

    link = file.get(name, getlink=True)
    dataset = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset) or (dataset.dtype.str, dataset.ndim) != (dtype, 1):
        raise GeometryFileError(f"must be a list of {np.dtype(dtype)}", path=path, key=name)
    inside = dataset.chunks is None and dataset.external is None and not dataset.is_virtual
    if not inside or dataset.nbytes != dataset.id.get_storage_size():
        raise GeometryFileError("must be stored in one piece, in this file", path=path, key=name)
    return dataset


def _centres(file: h5py.File, name: str, count: int, path: str) -> npt.NDArray[np.float64]:
    """Read the centres of bins."""
    values: npt.NDArray[np.float64] = _dataset(file, name, "<f8", path)[()].astype(np.float64)
    if len(values) != count or not np.isfinite(values).all():
        raise GeometryFileError(f"must be {count} numbers", path=path, key=name)
    return values


def _binning(given: dict[str, Any]) -> Binning:
    names = ("npt", "npt_azim", "unit", "range", "azimuth_range", "radial_range", "split")
    return check_binning(*(given[name] for name in names))


def _read_entries(file: h5py.File, geometry: Geometry, binning: Binning, path: str) -> Entries:
    """Read the entries, and make sure of what the kernels trust."""
    n = int(np.prod(geometry.data_shape))
    arrays = {}
    for name, dtype in _DTYPES.items():
        arrays[name] = _dataset(file, name, dtype, path)[()].astype(dtype[1:])
    starts, bins, parts, norms = arrays.values()
    n_bins = int(np.prod(binning.shape))
    single = not len(starts)
    fits = {
        "starts": single
        or (
            len(starts) == n + 1
            and starts[0] == 0
            and starts[-1] == len(bins)
            and bool((starts[1:] >= starts[:-1]).all())
        ),
        "bins": len(bins) == (n if single else len(bins))
        and bool(((bins >= (-1 if single else 0)) & (bins < n_bins)).all()),
        "parts": len(parts) == (0 if single else len(bins)) and bool(np.isfinite(parts).all()),
        "norms": len(norms) == n and bool(np.isfinite(norms).all()),
    }
    for name, good in fits.items():
        if not good:
            raise GeometryFileError(
                "does not fit to the other numbers, or is out of range", path=path, key=name
            )
    return Entries(starts, bins, parts, norms)
