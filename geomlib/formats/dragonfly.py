"""Detector files of Dragonfly (orientation of single particles), written only.

HDF5 with one number a pixel, in the order of the data: ``qx``, ``qy``, ``qz``, the correction
``corr`` and ``mask`` (0: good, 1: good, but not to be used to find orientations, 2: bad); and
``detd``, the distance of the detector in pixels, and ``ewald_rad``, the radius of the Ewald sphere
in voxels. A pixel at (x, y, z) from the sample, r away, is at

    qx = R · x / r,  qy = R · y / r,  qz = R · (z / r − 1),  R = ewald_rad

in voxels: the wavelength cancels, and is not in the file. Dragonfly finds its 2D coordinates from
that, as cx = qx · detd / (R + qz): the pixel seen from the sample on the plane of the detector.
``corr`` is the solid angle of a pixel times its polarisation factor; see ``Detector`` and
``make_detector`` in https://github.com/duaneloh/Dragonfly.

`write_dragonfly`, `is_dragonfly`.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.coordinates import BoolArray
from geomlib.detector import FloatArray, tile_map
from geomlib.errors import GeometryError
from geomlib.formats import hdf5
from geomlib.formats.experiment import needed_distance
from geomlib.geometry import Geometry

_POLARIZATIONS = ("x", "y", "none")
_GOOD, _NO_ORIENTATION, _BAD = 0, 1, 2


def is_dragonfly(path: Path, first_bytes: bytes) -> bool:
    """Tell whether a file is HDF5 and has q of every voxel: it cannot be read, but is known."""
    return hdf5.recognised(
        path,
        first_bytes,
        lambda file: all(hdf5.is_here(file, name) for name in ("qx", "qy", "qz", "corr")),
    )


def write_dragonfly(
    geometry: Geometry,
    path: str | PathLike[str],
    *,
    polarization: Literal["x", "y", "none"] = "x",
    ewald_radius: float | None = None,
    orientation_radius: float | None = None,
    stop_radius: float = 0.0,
    pixel_size: float | None = None,
) -> None:
    """Write a geometry as a detector file of Dragonfly.

    Parameters
    ----------
    geometry : Geometry
        With its distance. Bad pixels and data that no tile uses become bad ones, tiles flagged
        ``no_index`` are not used to find orientations.
    path : str or path-like
        The file; an older one is replaced.
    polarization : {"x", "y", "none"}
        Of the beam: along x (horizontal, as at XFELs), along y, or not polarised.
    ewald_radius : float, optional
        Radius of the Ewald sphere in voxels; default: the distance in pixels, so that voxels in
        the middle are as large as pixels.
    orientation_radius : float, optional
        Pixels further from the beam than this, in pixels, are not used to find orientations.
        Default: those outside the largest circle around the beam that lies in the detector's
        range of x and y, as Dragonfly's converters do.
    stop_radius : float
        Pixels closer to the beam than this, in pixels, are bad: a beam stop.
    pixel_size : float, optional
        What counts as a pixel, in metres; default: the smaller pitch of the detector.

    Raises
    ------
    GeometryError
        If the geometry has no distance, a pixel is not downstream of the sample, or an option is
        not as described.
    """
    if not isinstance(polarization, str) or polarization not in _POLARIZATIONS:
        raise GeometryError(
            f"polarization must be 'x', 'y' or 'none', not {checks.shown(polarization)}"
        )
    detector = geometry.detector
    pixel = min(detector.pixel_size)
    if pixel_size is not None:
        pixel = checks.number("pixel_size", pixel_size, positive=True)
    distance = needed_distance(geometry, "Dragonfly") / pixel
    radius = distance
    if ewald_radius is not None:
        radius = checks.number("ewald_radius", ewald_radius, positive=True)
    x, y, z = _places(geometry, distance, pixel)
    unused = (tile_map(detector) < 0).ravel()
    r = np.sqrt(x * x + y * y + z * z)
    columns = {
        "qx": radius * x / r,
        "qy": radius * y / r,
        "qz": radius * (z / r - 1),
        "corr": _solid_angles(geometry, (x, y, z), r, pixel) * _polarized(polarization, x, y, r),
    }
    mask = _mask(geometry, x, y, unused, orientation_radius, stop_radius)
    with hdf5.created(path) as file:
        for name, values in columns.items():
            file[name] = np.where(unused, 0.0, values)
        file["mask"] = mask
        file["detd"] = distance
        file["ewald_rad"] = radius


def _places(
    geometry: Geometry, distance: float, pixel: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """x, y and z from the sample of every pixel of the data, in pixels; unused ones on the axis."""
    centres = geometry.pixel_positions().reshape(-1, 3)
    x, y, z = centres.T / pixel
    z = z + distance
    if not np.nanmin(z) > 0:
        raise GeometryError(
            f"distance is {geometry.distance:g} m, and a pixel lies {-np.nanmin(z) * pixel:.3g} m "
            "upstream of the sample; Dragonfly's are downstream"
        )
    unused = np.isnan(x)
    return np.where(unused, 0, x), np.where(unused, 0, y), np.where(unused, 1, z)


def _solid_angles(
    geometry: Geometry,
    place: tuple[FloatArray, FloatArray, FloatArray],
    r: FloatArray,
    pixel: float,
) -> FloatArray:
    """Solid angle of every pixel; of a flat detector, Dragonfly's detd / r³."""
    areas = np.cross(geometry.tile_ss, geometry.tile_fs) / pixel**2
    # Unused pixels take those of the last tile, and are left out later.
    tiles = tile_map(geometry.detector).ravel()
    seen = sum(areas[tiles, axis] * place[axis] for axis in range(3))
    return np.asarray(np.abs(seen) / r**3)


def _polarized(polarization: str, x: FloatArray, y: FloatArray, r: FloatArray) -> FloatArray:
    """Share of the light that is scattered there, for the polarisation of the beam."""
    across = {"x": x * x, "y": y * y, "none": (x * x + y * y) / 2}[polarization]
    return np.asarray(1 - across / r**2)


def _mask(
    geometry: Geometry,
    x: FloatArray,
    y: FloatArray,
    unused: BoolArray,
    orientation_radius: float | None,
    stop_radius: float,
) -> npt.NDArray[np.uint8]:
    from_beam = np.hypot(x, y)
    if orientation_radius is None:
        limit = _inscribed(x[~unused], y[~unused])
    else:
        limit = checks.number("orientation_radius", orientation_radius, positive=True)
    stop = checks.number("stop_radius", stop_radius)
    flagged = np.isin(tile_map(geometry.detector).ravel(), geometry.no_index)
    bad = geometry.bad_pixels().ravel() | (from_beam < stop)
    mask = np.where(flagged | (from_beam > limit), _NO_ORIENTATION, _GOOD)
    return np.where(bad, _BAD, mask).astype(np.uint8)


def _inscribed(x: FloatArray, y: FloatArray) -> float:
    """Radius of the largest circle around the beam in the range of x and y; all, if beside it."""
    sides = (-x.min(), x.max(), -y.min(), y.max())
    return float(min(sides)) if min(sides) > 0 else np.inf
