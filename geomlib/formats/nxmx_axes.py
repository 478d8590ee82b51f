"""Axes of NeXus (NXtransformations) as steps of a chain, and numbers with units.

An axis is a dataset with a value (a length or an angle) and attributes: ``vector``,
``transformation_type``, ``offset``, and ``depends_on``, the axis that it stands on. It stands for
the matrix ``[R | offset]`` or ``[1 | value · vector + offset]``; McStas axes, which NeXus uses, are
those of geomlib. Source: NeXus manual, NXtransformations.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlib.detector import FloatArray
from geomlib.errors import GeometryFileError, warn
from geomlib.formats import hdf5
from geomlib.formats.directions import unit_vector
from geomlib.formats.placement import Chain, Step
from geomlib.units import LENGTHS

if TYPE_CHECKING:
    import h5py

#: Longer chains than this go round in a circle, or are not to be believed.
MAX_CHAIN = 100
_DEGREE = math.pi / 180
_ANGLES = {
    ("deg", "degree", "degrees", "°"): _DEGREE,
    ("rad", "radian", "radians"): 1.0,
    ("mrad",): 1e-3,
}
ANGLES = {name: value for names, value in _ANGLES.items() for name in names}


class Axes:
    """The axes of a file, each read once, so that tiles on the same axis share its step."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Step, str | None]] = {}

    def chain(self, dataset: h5py.Dataset) -> Chain:
        """Read the axes that one stands on, from the nearest outwards, without itself.

        Raises
        ------
        GeometryFileError
            If an axis is missing or not as it has to be, or one of them stands on itself.
        """
        steps: list[Step] = []
        seen: set[str] = set()
        holder, place = dataset.name, _depends_on(dataset)
        while place is not None:
            if place in seen or len(steps) >= MAX_CHAIN:
                raise GeometryFileError(
                    "depends_on leads round in a circle, or over more than "
                    f"{MAX_CHAIN} axes; expected it to end at '.'",
                    path=dataset.file.filename,
                    key=f"{holder}@depends_on",
                )
            seen.add(place)
            if place not in self._known:
                axis = _at(dataset.file, place, holder)
                self._known[place] = _step(axis), _depends_on(axis)
            step, beyond = self._known[place]
            steps.append(step)
            holder, place = place, beyond
        return tuple(steps)


def _depends_on(dataset: h5py.Dataset) -> str | None:
    """Whole path of what an axis stands on; None for the lab."""
    name = hdf5.attribute(dataset, "depends_on", ".").strip()
    if name in (".", ""):
        return None
    # A path that does not begin with the root counts from the group that the axis lies in.
    whole = name if name.startswith("/") else f"{dataset.parent.name}/{name}"
    return "/" + "/".join(part for part in whole.split("/") if part not in ("", "."))


def _at(file: h5py.File, place: str, holder: str) -> h5py.Dataset:
    """Open the axis at a whole path, on which another one, the holder, says that it stands."""
    parent: Any = file
    *groups, name = place.strip("/").split("/")
    try:
        for group in groups:
            parent = hdf5.group(parent, group)
        return hdf5.dataset(parent, name, largest=hdf5.MAX_FRAMES)
    except GeometryFileError as problem:
        raise GeometryFileError(
            f"depends on {place}, which is no axis: {problem.message}",
            path=problem.path,
            key=f"{holder}@depends_on",
        ) from problem


def _step(axis: h5py.Dataset) -> Step:
    kind = hdf5.attribute(axis, "transformation_type").strip()
    unit = hdf5.attribute(axis, "units").strip().lower()
    if not kind:
        kind = "rotation" if unit in ANGLES else "translation"
    if kind not in ("translation", "rotation"):
        raise _error(
            axis, "transformation_type", f"expected translation or rotation, found {kind!r}"
        )
    value = first_number(axis)
    x, y, z = offset_of(axis)
    if kind == "translation":
        shift = value * unit_of(axis, LENGTHS, "m")
        u, v, w = (0.0, 0.0, 0.0) if shift == 0 else direction_of(axis).tolist()
        return Step(None, (shift * u + x, shift * v + y, shift * w + z))
    angle = value * unit_of(axis, ANGLES, "deg")
    return Step(_rotation(direction_of(axis), angle) if angle else None, (x, y, z))


def _rotation(axis: FloatArray, angle: float) -> FloatArray:
    """Matrix of a right-handed rotation about a unit vector (Rodrigues)."""
    x, y, z = axis
    across = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(
        np.eye(3) + math.sin(angle) * across + (1 - math.cos(angle)) * across @ across
    )


# -- Numbers ----------------------------------------------------------------------------


def first_number(data: h5py.Dataset) -> float:
    """Return the number of a dataset, the first one of a dataset with one for each frame.

    Raises
    ------
    GeometryFileError
        If there is none, or it is not finite.

    Warns
    -----
    GeometryWarning
        If they differ.
    """
    path, key = data.file.filename, data.name
    values = np.asarray(data[()], dtype=np.float64).reshape(-1)
    if not values.size or not np.isfinite(values).all():
        found = "NaN or infinity" if values.size else "an empty dataset"
        raise GeometryFileError(f"expected a number, found {found}", path=path, key=key)
    if (values != values[0]).any():
        warn(f"{path} [{key}]: has {values.size} values that differ; the first is taken")
    return float(values[0])


def unit_of(
    data: h5py.Dataset, units: dict[str, float], default: str, attribute: str = "units"
) -> float:
    """Return the unit of a dataset, in metres or radians.

    Raises
    ------
    GeometryFileError
        If it is no unit of that kind.

    Warns
    -----
    GeometryWarning
        If it has none: `default` is taken.
    """
    if attribute not in data.attrs:
        # The same words for every axis of a file, so that they are shown once.
        warn(f"{data.file.filename}: an axis or a length without units; taken as {default}")
        return units[default]
    name = hdf5.attribute(data, attribute).strip()
    if name.lower() not in units:
        expected = ", ".join(sorted(units))
        raise _error(data, attribute, f"unknown unit {name!r}; expected one of {expected}")
    return units[name.lower()]


def direction_of(data: h5py.Dataset) -> FloatArray:
    """Return the unit vector that an axis has in its attribute ``vector``, shape (3,).

    Raises
    ------
    GeometryFileError
        If it has none, or that is no direction.
    """
    if "vector" not in data.attrs:
        raise _error(data, "vector", "missing; expected three numbers")
    vector = _three(data, "vector")
    length = float(np.linalg.norm(vector))
    if not (0 < length < math.inf):
        raise _error(data, "vector", f"expected a direction, found {vector.tolist()}")
    return unit_vector(vector)


def offset_of(data: h5py.Dataset) -> tuple[float, float, float]:
    """Return the ``offset`` of an axis in metres; it has its own units, or those of the axis.

    Raises
    ------
    GeometryFileError
        If it is not made of three numbers with a unit of length.
    """
    if "offset" not in data.attrs:
        return 0.0, 0.0, 0.0
    vector = _three(data, "offset")
    if not vector.any():
        return 0.0, 0.0, 0.0
    # Without offset_units the units of the axis are meant, as in files of the Diamond Light Source.
    name = "offset_units" if "offset_units" in data.attrs else "units"
    x, y, z = (vector * unit_of(data, LENGTHS, "m", name)).tolist()
    return x, y, z


def _three(data: h5py.Dataset, attribute: str) -> FloatArray:
    stored = data.attrs.get_id(attribute)
    if stored.dtype.kind in "fiu" and stored.shape in ((3,), (1, 3), (3, 1)):
        found = np.asarray(data.attrs[attribute], dtype=np.float64).reshape(3)
        if np.isfinite(found).all():
            return found
    raise _error(data, attribute, "expected three finite numbers")


def _error(data: h5py.Dataset, attribute: str, message: str) -> GeometryFileError:
    return GeometryFileError(message, path=data.file.filename, key=f"{data.name}@{attribute}")
