"""A geometry as a detector of pyFAI, with every pixel exactly where it is.

Importing this module imports pyFAI, which takes a second: `geomlib.to_pyfai_detector` does so when
it is called.

pyFAI sees a detector as one image: modules are joined along slow scan, so that it has the shape
(modules · ss, fs). Its axes are (z, y, x) of the lab frame, its distance is added to z, and its
"PONI" of (0, 0) is the origin of the lab. Orientation 3 is the one in which pyFAI takes positions
as they are.
"""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from pyFAI.detectors import Detector, HexDetector, NexusDetector
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

from geomlib import coordinates
from geomlib.detector import tile_map
from geomlib.errors import GeometryError
from geomlib.fixed_text import fixed
from geomlib.formats import hdf5
from geomlib.formats.layout import LAYOUT_KEY, layout_text
from geomlib.geometry import Geometry

NDArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
#: Detectors whose tiles leave the plane z = 0 by no more than this, in metres, are flat to pyFAI.
FLAT = 1e-9


#: Corners shrink to a third; a higher level takes ten times as long for a few percent.
_PACKED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
#: What a copy of a detector takes over.
_COPIED = (
    *("_filename", "_mask", "_mask_crc", "_maskfile", "_flatfield", "_darkcurrent", "sensor"),
    *("shape", "max_shape", "_pixel1", "_pixel2", "_pixel_corners", "IS_FLAT"),
)


class GeomlibDetector(NexusDetector):  # type: ignore[misc]
    """A detector of pyFAI whose pixels lie where a geometry says.

    Positions are worked out in float64 from the tiles whenever pyFAI asks; pyFAI's own detectors
    keep corners in float32, and take the mean of four corners for the centre of a hexagon, a
    quarter of a pixel off. Corners that are set by hand (`set_pixel_corners`) go before the
    geometry, and without either pyFAI has its regular grid.

    Parameters
    ----------
    geometry : Geometry, optional
        Where the pixels are.
    wide : bool
        Border pixels have their true, wider shapes.
    """

    uniform_pixel = False
    IS_CONTIGUOUS = False
    force_pixel = False
    CORNERS = 4
    #: Set by hand, or None.
    _pixel_corners: NDArray | None
    shape: tuple[int, ...]
    max_shape: tuple[int, ...]

    def __init__(self, geometry: Geometry | None = None, wide: bool = False) -> None:
        # Not the constructors between: that of hexagons wants a regular grid.
        Detector.__init__(self, orientation=3)
        self._filename: str | None = None
        self._h5path: str | None = None
        self.geometry, self.wide = geometry, wide
        if geometry is not None:
            self._set(geometry)

    def _set(self, geometry: Geometry) -> None:
        modules, ss, fs = geometry.data_shape
        self.shape = self.max_shape = (modules * ss, fs)
        self._pixel1, self._pixel2 = (float(size) for size in geometry.detector.pixel_size)
        self.IS_FLAT = _is_flat(geometry)
        self.aliases = [geometry.detector.name]
        bad = geometry.bad_pixels().reshape(self.shape)
        self.mask = bad.astype(np.int8) if bad.any() else None

    @property
    def name(self) -> str:
        """Name of the detector."""
        if self.geometry is None:
            return str(self.aliases[0] if self.aliases else type(self).__name__)
        return str(self.geometry.detector.name)

    def _asked(self) -> Geometry | None:
        """Return the geometry, where it says where the pixels are."""
        return self.geometry if self._pixel_corners is None else None

    def set_pixel_corners(self, ary: npt.ArrayLike | None) -> None:
        """Put pixels elsewhere, in place of the geometry; None goes back to it.

        Parameters
        ----------
        ary : array_like, shape (modules · ss, fs, 4 or 6, 3)
            Corners as z, y, x, in metres.

        Raises
        ------
        GeometryError
            If the shape is wrong.
        """
        if ary is None:
            self._pixel_corners = None
            self.IS_FLAT = self.geometry is None or _is_flat(self.geometry)
            return
        shape = np.shape(ary)
        known = shape[:2] if self.geometry is None else self.shape
        if shape != (*known, self.CORNERS, 3):
            raise GeometryError(f"corners must have shape {(*known, self.CORNERS, 3)}, not {shape}")
        super().set_pixel_corners(ary)
        self.shape = self.max_shape = known

    def reset_pixel_corners(self) -> None:
        """Forget corners that were set by hand."""
        self.set_pixel_corners(None)

    def get_name(self) -> str:
        """Return the name of the detector."""
        return self.name

    def get_pixel_corners(self, correct_binning: bool = False) -> FloatArray:
        """Corners of all pixels.

        Parameters
        ----------
        correct_binning : bool
            Of no effect: the detector is never binned.

        Returns
        -------
        ndarray of float64, shape (modules · ss, fs, 4 or 6, 3)
            z, y, x in metres. Pixels that belong to no tile, which are masked, lie on others.
        """
        geometry = self._asked()
        if geometry is None:
            by_hand = self._pixel_corners
            grid: NDArray = super().get_pixel_corners(correct_binning)
            # It would keep a regular grid as if somebody had set it.
            self._pixel_corners = by_hand
            return grid
        corners = geometry.pixel_corners(wide=self.wide)
        # In one piece: the loops of pyFAI's distortion want it so.
        in_order = np.ascontiguousarray(corners.reshape(*self.shape, -1, 3)[..., ::-1])
        return _finite(in_order, geometry)

    def corners_in_file(self) -> npt.NDArray[np.float32]:
        """Return the same in float32, as pyFAI's files have them, in half the memory."""
        geometry = self._asked()
        if geometry is None:
            return np.asarray(self.get_pixel_corners(), dtype=np.float32)
        corners = geometry.pixel_corners(wide=self.wide, dtype=np.float32)
        in_order: NDArray = corners.reshape(*self.shape, -1, 3)[..., ::-1]
        return _finite(in_order, geometry)

    def calc_cartesian_positions(
        self,
        d1: NDArray | None = None,
        d2: NDArray | None = None,
        center: bool = True,
        use_cython: bool = True,
    ) -> tuple[NDArray, NDArray, NDArray | None]:
        """Positions of points in the image.

        Parameters
        ----------
        d1, d2 : ndarray, optional
            Places along slow and fast scan, in pixels; default: all pixels.
        center : bool
            Whole numbers mean centres of pixels; else their first corners.
        use_cython : bool
            Of no effect.

        Returns
        -------
        y, x, z : ndarray
            In metres; z is None for a flat detector.
        """
        geometry = self._asked()
        if geometry is None:
            return self._of_corners(d1, d2, center, use_cython)
        if d1 is None or d2 is None:
            reference = "centre" if center else "corner"
            places = geometry.pixel_positions(reference)  # type: ignore[arg-type]
            places = _finite(places.reshape(*self.shape, 3), geometry)
        else:
            shift = 0.5 if center else 0.0
            places = self._places(geometry, np.asarray(d1) + shift, np.asarray(d2) + shift)
        x, y, z = np.moveaxis(places, -1, 0)
        return y, x, None if self.IS_FLAT else z

    def _of_corners(
        self, d1: NDArray | None, d2: NDArray | None, center: bool, use_cython: bool
    ) -> tuple[NDArray, NDArray, NDArray | None]:
        """Positions where corners were set by hand, or of pyFAI's regular grid."""
        corners = self._pixel_corners
        if corners is None or not center or (d1 is not None and d2 is not None):
            # Not the class between: hexagons have a regular grid there.
            found: tuple[NDArray, NDArray, NDArray | None] = Detector.calc_cartesian_positions(
                self, d1, d2, center, use_cython
            )
            return found
        # Of all corners, of which pyFAI takes four.
        z, y, x = np.moveaxis(corners.mean(axis=2, dtype=np.float64), -1, 0)
        return y, x, None if self.IS_FLAT else z

    def _places(self, geometry: Geometry, s: FloatArray, f: FloatArray) -> FloatArray:
        """Lab positions of points (s, f) of the image; those outside lie beyond the last pixel."""
        detector, tiles = geometry.detector, geometry.tiles
        modules, n_ss, n_fs = detector.data_shape
        s, f = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(f, np.float64))
        row = np.clip(np.floor(s), 0, modules * n_ss - 1).astype(np.int64)
        column = np.clip(np.floor(f), 0, n_fs - 1).astype(np.int64)
        module, line = row // n_ss, row % n_ss
        tile = tile_map(detector)[module, line, column]
        # From the centre of the pixel that holds the point, in steps of its tile.
        away_s, away_f = s - row - 0.5, f - column - 0.5
        if detector.pixel_shape == "hexagon":
            away_s = away_s * coordinates.HEXAGON_HEIGHT
        centres = geometry.data_to_lab(module, line + 0.5, column + 0.5)
        places: FloatArray = (
            centres
            + away_s[..., np.newaxis] * tiles.ss[tile]
            + away_f[..., np.newaxis] * tiles.fs[tile]
        )
        return places

    def save(self, filename: str | os.PathLike[str]) -> None:
        """Write a NeXus file that pyFAI reads as a detector; an older file is replaced.

        Not by pyFAI's own loop, which packs an AGIPD for seconds and puts the time of day in.
        Corners are float32 in it, as pyFAI's own are: within 0.03 µm at half a metre.

        Parameters
        ----------
        filename : str or path-like
            The file. From now on `.poni` files name it, with its whole path.

        Raises
        ------
        GeometryFileError
            If it cannot be written.
        """
        with hdf5.created(filename) as file:
            write_nexus(self, file)
        self._filename = str(Path(filename).absolute())

    def get_config(self) -> dict[str, Any]:
        """Return what a `.poni` file says of the detector: the file that `save` wrote.

        Raises
        ------
        GeometryError
            If it is in no file yet.
        """
        if self._filename is None:
            raise GeometryError(
                f"the detector {self.name} is in no file yet, which a .poni file could name: call "
                "detector.save('detector.h5') first"
            )
        return {"filename": self._filename, "orientation": 3}

    def __copy__(self) -> GeomlibDetector:
        new = type(self)(geometry=self.geometry, wide=self.wide)
        for name in _COPIED:
            setattr(new, name, getattr(self, name))
        return new

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> GeomlibDetector:
        new = self.__copy__()
        for name in ("_mask", "_flatfield", "_darkcurrent", "_pixel_corners"):
            value = getattr(self, name)
            setattr(new, name, value.copy() if isinstance(value, np.ndarray) else value)
        if memo is not None:
            memo[id(self)] = new
        return new

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GeomlibDetector):
            return False
        if (self.geometry, self.wide, self.shape) != (other.geometry, other.wide, other.shape):
            return False
        mine, others = self._pixel_corners, other._pixel_corners
        if mine is None or others is None:
            return mine is others
        return np.array_equal(mine, others)

    def __hash__(self) -> int:
        return hash((self.geometry, self.wide))

    def __reduce__(self) -> tuple[Any, ...]:
        again = partial(type(self), geometry=self.geometry, wide=self.wide)
        return again, (), self.__getstate__()

    def __repr__(self) -> str:
        n_ss, n_fs = self.shape
        if self._pixel_corners is not None:
            pixels = "corners set by hand"
        elif self.geometry is None:
            pixels = "on a regular grid"
        else:
            pixels = "true border pixels" if self.wide else "nominal pixels"
        return f"Detector {self.name} of geomlib: {n_ss} × {n_fs} pixels, {pixels}"


def _is_flat(geometry: Geometry) -> bool:
    return bool(np.abs(geometry.tile_outlines()[..., 2]).max() <= FLAT)


def _finite(places: NDArray, geometry: Geometry) -> NDArray:
    """Put pixels that belong to no tile, which are masked, where the first pixel is."""
    nowhere = (tile_map(geometry.detector) < 0).reshape(places.shape[:2])
    if nowhere.any():
        places = places.copy()
        places[nowhere] = places[~nowhere][0]
    return places


class HexagonalDetector(GeomlibDetector, HexDetector):  # type: ignore[misc]
    """The same for hexagonal pixels: pyFAI looks at six corners of this kind of detector only."""

    CORNERS = 6


# A .poni file names the class that reads the detector's file. Neither is known to pyFAI's factory
# by name, so this takes nothing away from pyFAI's own.
GeomlibDetector.__name__ = HexagonalDetector.__name__ = "NexusDetector"


class GeomlibIntegrator(AzimuthalIntegrator):  # type: ignore[misc]
    """The azimuthal integrator of pyFAI, with solid angles that are positive.

    Of a detector that is not flat, pyFAI takes the order of a pixel's corners for the side that is
    lit: where slow scan and fast scan turn the other way (pnCCD), solid angles and with them
    intensities would be negative.
    """

    def cos_incidence(self, d1: NDArray, d2: NDArray, path: str = "cython") -> NDArray:
        """Cosine of the angle between the beam and the normal of each pixel; see pyFAI."""
        cosine: NDArray = super().cos_incidence(d1, d2, path)
        return np.abs(cosine)


def write_nexus(detector: GeomlibDetector, file: h5py.File) -> None:
    """Write what pyFAI's `NexusDetector` reads; names and types are pyFAI's.

    With a note on the layout of the data, which pyFAI passes over.
    """
    file.attrs.update({"NX_class": "NXroot", "default": "entry_0000"})
    entry = hdf5.new_group(file, "entry_0000", "NXentry")
    entry["program_name"] = "geomlib"
    # pyFAI passes over entries without one; it says nothing here.
    entry["start_time"] = "1970-01-01T00:00:00+00:00"
    middle = hdf5.new_group(entry, "pyFAI", "NXsubentry")
    middle["definition_local"] = "pyFAI"
    group = hdf5.new_group(middle, re.sub(r"[\s/]", "_", detector.name) or "detector", "NXdetector")
    group["API_VERSION"] = np.bytes_(detector.API_VERSION)
    for flag in ("IS_FLAT", "IS_CONTIGUOUS", "force_pixel"):
        group[flag] = bool(getattr(detector, flag))
    group["CORNERS"] = detector.CORNERS
    group["pixel_size"] = np.array([detector.pixel1, detector.pixel2])
    group["pixel_size"].attrs["unit"] = "m"
    for shape in ("max_shape", "shape", "binning"):
        group[shape] = np.array(getattr(detector, shape), dtype=np.int32)
    group["orientation"] = np.int32(detector.orientation.value)
    for name in ("mask", "flatfield", "darkcurrent"):
        if (image := getattr(detector, name)) is not None:
            _packed(group, name, image).attrs["interpretation"] = "image"
    corners = _packed(group, "pixel_corners", detector.corners_in_file())
    corners.attrs["interpretation"] = "vertex"
    if detector.sensor:
        group["sensor_material"] = np.bytes_(detector.sensor.material.name)
        if detector.sensor.thickness:
            group["sensor_thickness"] = detector.sensor.thickness
            group["sensor_thickness"].attrs["unit"] = "m"
    if detector.geometry is not None:
        group[LAYOUT_KEY] = fixed(layout_text(detector.geometry.detector))


def _packed(group: h5py.Group, name: str, values: NDArray) -> h5py.Dataset:
    return group.create_dataset(name, data=values, **_PACKED)


def make_detector(geometry: Geometry, wide: bool) -> GeomlibDetector:
    """Return the detector; see `geomlib.to_pyfai_detector`."""
    hexagonal = geometry.detector.pixel_shape == "hexagon"
    return (HexagonalDetector if hexagonal else GeomlibDetector)(geometry, wide)
