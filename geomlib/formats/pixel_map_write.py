"""Writing pixel maps; see `pixel_map` for what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlib import checks
from geomlib.detector import FloatArray
from geomlib.errors import GeometryError
from geomlib.fixed_text import fixed
from geomlib.formats import hdf5
from geomlib.formats.layout import LAYOUT_KEY, layout_text
from geomlib.formats.pixel_map import METRES_BELOW, check_options
from geomlib.formats.pixel_map_file import AXES
from geomlib.geometry import Geometry
from geomlib.units import length_unit

if TYPE_CHECKING:
    import h5py

#: Values in a chunk of a file.
_CHUNK = 1 << 18


def write_pixel_map(
    geometry: Geometry,
    path: str | PathLike[str],
    *,
    reference: str | None = None,
    unit: str = "metres",
    dtype: str = "float32",
) -> None:
    """Write a pixel map, as Cheetah and programs that use its maps read it.

    Parameters
    ----------
    geometry : Geometry
        Any; data that belongs to no tile gets the position 0, 0, 0.
    path : str or path-like
        The file; an older one is replaced when all is written.
    reference : {"corner", "centre"}, optional
        The point of each pixel. Default: the first corner, as maps of Cheetah, OM and cfelpyutils
        have it; for hexagons the centre, since their first corner is none of theirs.
    unit : str
        ``"metres"`` or ``"pixels"``, of x, y and z. Cheetah takes both, and metres for what reaches
        less than 1 far.
    dtype : {"float32", "float64"}
        Programs that read such files expect float32; it moves pixels by some nanometres.

    Raises
    ------
    GeometryError
        If an option is not as described, pixels have several sizes in a map in pixels, or a map
        in metres reaches so far that Cheetah would take it to be in pixels.
    """
    detector = geometry.detector
    if reference is None:
        reference = "centre" if detector.pixel_shape == "hexagon" else "corner"
    check_options(reference, None, None)
    length = length_unit("unit", unit)
    if length not in (None, 1.0):
        raise GeometryError(
            f"unit must be 'pixels' or 'metres', not {checks.shown(unit)}: programs that read "
            "pixel maps know no others"
        )
    unit = "pixels" if length is None else "metres"
    if dtype not in ("float32", "float64"):
        raise GeometryError(f"dtype must be 'float32' or 'float64', not {dtype!r}")
    pixel = _single_pitch(geometry)
    if unit == "pixels" and pixel is None:
        raise GeometryError(
            f"pixels of {detector.name} have several sizes: a map of them can only be in "
            "unit='metres'"
        )
    scale = 1.0 if unit == "metres" or pixel is None else pixel
    with hdf5.created(path) as file:
        _write_notes(file, geometry, reference, unit, pixel)
        for name, values in _slabs(geometry, reference, scale, unit):
            rows = max(1, min(len(values), _CHUNK // values.shape[1]))
            file.create_dataset(
                name,
                data=values.astype(dtype),
                chunks=(rows, min(values.shape[1], _CHUNK)),
                compression="gzip",
                shuffle=True,
            )
        if reference == "centre" and pixel is not None:
            # make_pixelmap writes it, to maps of centres; so read without the notes it is right.
            file["res"] = 1.0 / pixel


def _single_pitch(geometry: Geometry) -> float | None:
    """Pitch of all pixels along both axes; None where there are several."""
    pitch = geometry.detector.pixel_size[1]
    steps = np.linalg.norm(np.concatenate([geometry.tile_ss, geometry.tile_fs]), axis=1)
    return pitch if (np.abs(steps / pitch - 1) < 0.01).all() else None


def _slabs(
    geometry: Geometry, reference: str, scale: float, unit: str
) -> Iterator[tuple[str, FloatArray]]:
    """x, y and z of the data with its modules stacked along slow scan."""
    kind: Any = reference
    positions = geometry.pixel_positions(kind).reshape(-1, geometry.data_shape[2], 3)
    extent = np.nanmax(positions, axis=(0, 1)) - np.nanmin(positions, axis=(0, 1))
    if unit == "metres" and not (extent[:2] < METRES_BELOW).all():
        raise GeometryError(
            f"the detector is {extent[:2].max():.3g} m large: readers of pixel maps would take "
            "metres for pixels; write it with unit='pixels'"
        )
    for axis, name in enumerate(AXES):
        yield name, np.nan_to_num(positions[..., axis], nan=0.0) / scale


def _write_notes(
    file: h5py.File, geometry: Geometry, reference: str, unit: str, pixel: float | None
) -> None:
    # Of fixed length: see `pixel_map_file`.
    file.attrs["reference"] = np.bytes_(reference)
    file.attrs["unit"] = np.bytes_(unit)
    numbers = {
        "pixel_size": pixel,
        "distance": geometry.distance,
        "photon_energy": geometry.photon_energy,
    }
    for name, value in numbers.items():
        if value is not None:
            file.attrs[name] = value
    file[LAYOUT_KEY] = fixed(layout_text(geometry.detector))
