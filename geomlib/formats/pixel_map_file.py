"""What a pixel map file holds: x, y and z as they are, and notes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.detector import FloatArray
from geomlib.errors import GeometryError, GeometryFileError
from geomlib.formats import hdf5

if TYPE_CHECKING:
    import h5py

AXES = ("x", "y", "z")
REFERENCES = ("corner", "centre")
UNITS = ("pixels", "metres")
#: Most pixels of a map: twice the largest detectors. Files that claim more are wrong.
MAX_PIXELS = 2**25
#: Most numbers of ``res``, which has one.
_MOST_RES = 1024


class PixelMap(NamedTuple):
    """What a file holds: x, y and z as they are, and what it says about them."""

    positions: tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]
    reference: str | None
    unit: str | None
    pixel_size: float | None
    res: float | None
    layout: str | None
    distance: float | None
    photon_energy: float | None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        rows, columns = self.positions[0].shape
        return rows, columns

    @property
    def is_foreign(self) -> bool:
        """Whether another program wrote it, without a word on units."""
        return self.unit is None

    @property
    def extent(self) -> FloatArray:
        """How far x, y and z reach."""
        return np.array([float(np.nanmax(v)) - float(np.nanmin(v)) for v in self.positions])


def recognise_pixel_map(path: Path, first_bytes: bytes) -> bool:
    """Tell whether a file that begins with some bytes is a pixel map."""
    return hdf5.recognised(path, first_bytes, _has_map)


def _has_map(file: h5py.File) -> bool:
    import h5py

    x, y = (file[name] if hdf5.is_here(file, name) else None for name in "xy")
    return (
        isinstance(x, h5py.Dataset)
        and isinstance(y, h5py.Dataset)
        and x.ndim == 2
        and x.shape == y.shape
        and x.dtype.kind in "fiu"
    )


def read_map(path: Path) -> PixelMap:
    """Read a pixel map.

    Raises
    ------
    GeometryFileError
        If it is damaged, or no pixel map.
    """
    with hdf5.opened(path) as file:
        x = _values(file, "x", None)
        y = _values(file, "y", x.shape)
        z = (
            _values(file, "z", x.shape)
            if hdf5.has(file, "z")
            else np.zeros(x.shape, dtype=np.float32)
        )
        for name, values in zip(AXES, (x, y, z), strict=True):
            if not np.isfinite(values).any():
                raise hdf5.error(file, name, "holds no finite position")
        res = np.empty(0)
        if hdf5.has(file, "res"):
            res = hdf5.numbers(file, "res", largest=_MOST_RES).reshape(-1)
        return PixelMap(
            (x, y, z),
            _choice(file, "reference", REFERENCES),
            _choice(file, "unit", UNITS),
            _positive(file, "pixel_size"),
            float(res[0]) if res.size == 1 and res[0] > 0 else None,
            hdf5.note(file),
            _positive(file, "distance"),
            _positive(file, "photon_energy"),
        )


def _values(file: h5py.File, name: str, shape: tuple[int, ...] | None) -> npt.NDArray[Any]:
    data = hdf5.dataset(file, name, (None, None) if shape is None else shape)
    if not 1 < data.size <= MAX_PIXELS:
        raise hdf5.error(
            file, name, f"claims {data.shape} pixels; expected from 2 to {MAX_PIXELS:.2g}"
        )
    values: npt.NDArray[Any] = data[()]
    if values.dtype.kind != "f" or values.dtype.itemsize not in (4, 8):
        values = values.astype(np.float64)
    return values


def _attribute(file: h5py.File, name: str, kinds: str) -> Any:
    """Return a small attribute of some kinds of dtype, None where there is none.

    Text is written with a fixed length, and read only so: see `hdf5.note`.
    """
    if name not in file.attrs:
        return None
    found = file.attrs.get_id(name)
    fits = found.dtype.kind in kinds and found.shape == () and found.dtype.itemsize <= 64
    return file.attrs[name] if fits else None


def _choice(file: h5py.File, name: str, choices: tuple[str, ...]) -> str | None:
    """Return a text that is one of some, from an attribute; None where there is none."""
    value = _attribute(file, name, "S")
    said = "" if value is None else hdf5.as_text(value)
    return said if said in choices else None


def _positive(file: h5py.File, name: str) -> float | None:
    """Return a positive number in an attribute, None where there is none."""
    value = _attribute(file, name, "fiu")
    if value is None:
        return None
    try:
        return checks.number(name, value, positive=True)
    except GeometryError as problem:
        raise GeometryFileError(str(problem), path=file.filename, key=f"@{name}") from None
