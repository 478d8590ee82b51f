"""NeXus NXmx, written: one NXdetector_module for each tile, modules of the data joined along ss.

As dxtbx (DIALS) from version 3.11 on, nxmx and scippnexus read it, and pynxtools finds it valid:
positions are in the axes of NXtransformations only, and every axis has an ``offset``. An offset of
``fast_pixel_direction`` would be passed over by dxtbx 3.11.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from geomlib import checks
from geomlib.coordinates import BoolArray
from geomlib.detector import Detector, FloatArray, tile_map
from geomlib.errors import GeometryError
from geomlib.fixed_text import fixed
from geomlib.formats import hdf5
from geomlib.formats.directions import lengths_and_directions
from geomlib.formats.experiment import needed_distance, needed_photon_energy, warn_about_beam
from geomlib.formats.layout import LAYOUT_KEY, layout_text
from geomlib.formats.nxmx_common import (
    MATERIALS,
    NOTES,
    THICKEST,
    TILE_ORDER,
    usual_thickness,
)
from geomlib.formats.orthogonal import MAX_SKEW, orthogonal_tiles
from geomlib.geometry import Geometry
from geomlib.units import wavelength_to_write

if TYPE_CHECKING:
    import h5py

#: Names of masks in NXmx; a pixel is bad if it is so in one of them.
MASKS = ("pixel_mask", "pixel_mask_2")
_TIME = "1970-01-01T00:00:00Z"
_DETECTOR = "/entry/instrument/ELE_D0"
_AXES = f"{_DETECTOR}/transformations"
#: Names in the group of the detector that are no tiles.
_RESERVED = frozenset(
    "data depends_on description distance sensor_material sensor_thickness transformations "
    f"{NOTES} {' '.join(MASKS)}".split()
)
#: What a pixel mask says (NXmx): bit 0, no pixel; bit 8, masked by the user.
_NO_PIXEL, _BAD_PIXEL = 1, 1 << 8
_ORIGIN = (0.0, 0.0, 0.0)
_X, _Z = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def write_nxmx(
    geometry: Geometry,
    path: str | PathLike[str],
    *,
    sensor_material: str = "Si",
    sensor_thickness: float | None = None,
    pixel_mask: str | None = None,
) -> None:
    """Write a geometry as a NeXus NXmx file without images.

    The data of the file is one frame of zeros that takes no room on disk, with modules joined along
    slow scan: dxtbx demands data. Each tile stands on the axis of its module, that on the one of
    its quadrant, if the detector has quadrants, and that on the rail, whose value is the distance.
    The axes of modules and quadrants stand at zero: a shift written into one moves its tiles.
    Bad regions and data of no tile are in a mask, if there are any.

    Parameters
    ----------
    geometry : Geometry
        With its distance and photon energy. Tiles whose steps are not at right angles are replaced
        by the nearest that are (`orthogonal_tiles`), hexagons by rectangles of their pitch in
        straight rows.
    path : str or path-like
        The file; an older one is replaced when all is written.
    sensor_material : {"Si", "CdTe", "GaAs"}
        Of the sensor. DIALS corrects for the depth in which photons are absorbed.
    sensor_thickness : float, optional
        Metres; default: the nominal one, 0.32 mm for JUNGFRAU, 0.45 mm for DSSC and pnCCD, else
        0.5 mm.
    pixel_mask : {"pixel_mask", "pixel_mask_2"}, optional
        Name of the mask; NXmx has both. dxtbx uses the first alone, and version 3.11 cannot load a
        file with it if a tile is narrower than the data. Default: the first if every tile is as
        wide as the data (AGIPD, pnCCD), else the second, which DIALS passes over.

    Raises
    ------
    GeometryError
        If the geometry has no distance or no photon energy, or an option is wrong.
    """
    distance = needed_distance(geometry, "NXmx")
    energy = needed_photon_energy(geometry, "NXmx")
    warn_about_beam(geometry)
    _check_choice("sensor_material", sensor_material, MATERIALS)
    mask_name = _mask_name(geometry.detector) if pixel_mask is None else pixel_mask
    _check_choice("pixel_mask", mask_name, MASKS)
    thickness = usual_thickness(geometry.detector) if sensor_thickness is None else sensor_thickness
    thickness = checks.number("sensor_thickness", thickness, positive=True)
    if thickness > THICKEST:
        raise GeometryError(f"sensor_thickness is in metres: {thickness:g} m is no sensor's")
    with hdf5.created(path) as file:
        file.attrs["NX_class"] = "NXroot"
        file.attrs["default"] = "entry"
        entry = hdf5.new_group(file, "entry", "NXentry")
        entry.attrs["default"] = "data"
        entry["definition"] = "NXmx"
        entry["start_time"] = entry["end_time_estimated"] = _TIME
        hdf5.new_group(entry, "source", "NXsource")["name"] = "unknown"
        sample = hdf5.new_group(entry, "sample", "NXsample")
        sample["name"], sample["depends_on"] = "none", "."
        instrument = hdf5.new_group(entry, "instrument", "NXinstrument")
        instrument["name"] = "unknown"
        beam = hdf5.new_group(instrument, "beam", "NXbeam")
        _quantity(beam, "incident_wavelength", wavelength_to_write(energy), "angstrom")
        group = hdf5.new_group(instrument, "ELE_D0", "NXdetector")
        _quantity(group, "distance", distance, "m")
        group["sensor_material"] = sensor_material
        _quantity(group, "sensor_thickness", thickness, "m")
        group["description"] = fixed(geometry.detector.name)
        group["depends_on"] = f"{_AXES}/rail"
        _write_tiles(group, geometry, distance)
        _write_mask(group, mask_name, geometry)
        _write_data(entry, group, geometry.detector)


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        expected = ", ".join(map(repr, choices))
        raise GeometryError(f"{name} must be one of {expected}, not {checks.shown(value)}")


def _quantity(parent: h5py.Group, name: str, value: float, units: str) -> h5py.Dataset:
    data = parent.create_dataset(name, data=np.float64(value))
    data.attrs["units"] = units
    return data


# -- Tiles ------------------------------------------------------------------------------


def _write_tiles(group: h5py.Group, geometry: Geometry, distance: float) -> None:
    detector = geometry.detector
    # dxtbx demands less than MAX_SKEW, after roundings of its own.
    corners, ss, fs = orthogonal_tiles(detector, geometry.tiles, 0.5 * MAX_SKEW)
    axes = hdf5.new_group(group, "transformations", "NXtransformations")
    _axis(axes, "rail", distance, _Z, ".", part="detector_arm")
    standing = _write_frames(axes, detector)
    names = legal_names(detector.tile_names, (*_RESERVED, "rail", *standing.values()))
    slow, fast = lengths_and_directions(ss), lengths_and_directions(fs)
    for tile, (ss0, ss1, fs0, fs1) in enumerate(detector.stacked_bounds.tolist()):
        name, module = names[tile], int(detector.tile_modules[tile])
        # As an offset the corner is exact; as the product of a length and a direction it may not.
        _axis(axes, name, 0.0, _X, standing[module], corners[tile], part="detector_asic")
        part = hdf5.new_group(group, name, "NXdetector_module")
        part["data_origin"] = np.array([ss0, fs0])
        part["data_size"] = np.array([ss1 - ss0, fs1 - fs0])
        for direction, (length, vector) in (("fast", fast), ("slow", slow)):
            _axis(
                part, f"{direction}_pixel_direction", length[tile], vector[tile], f"{_AXES}/{name}"
            )
    notes = hdf5.new_group(group, NOTES, "NXcollection")
    notes[LAYOUT_KEY] = fixed(layout_text(detector))
    notes[TILE_ORDER] = fixed(" ".join(names))


def _write_frames(axes: h5py.Group, detector: Detector) -> dict[int, str]:
    """Write the axes of quadrants and modules; return the name of that of each module."""
    below: dict[int, str] = {}
    for q, modules in enumerate(detector.quadrants.modules if detector.quadrants else ()):
        _axis(axes, f"quadrant_{q}", 0.0, _X, "rail", part="detector_quadrant")
        below |= dict.fromkeys(modules, f"quadrant_{q}")
    for module in range(detector.n_modules):
        stands = below.get(module, "rail")
        _axis(axes, f"module_{module}", 0.0, _X, stands, part="detector_module")
    return {module: f"module_{module}" for module in range(detector.n_modules)}


def _axis(
    parent: h5py.Group,
    name: str,
    value: float,
    vector: FloatArray | tuple[float, ...],
    depends_on: str,
    offset: FloatArray | tuple[float, ...] = _ORIGIN,
    *,
    part: str | None = None,
) -> None:
    """Write one translation, in metres; ``depends_on`` is a name in the same group, or a path."""
    axis = _quantity(parent, name, value, "m")
    whole = depends_on if depends_on[0] in "./" else f"{parent.name}/{depends_on}"
    axis.attrs["transformation_type"] = "translation"
    axis.attrs["vector"] = np.array(vector, dtype=np.float64)
    axis.attrs["offset"] = np.array(offset, dtype=np.float64)
    axis.attrs["offset_units"] = "m"
    axis.attrs["depends_on"] = whole
    if part is not None:
        axis.attrs["equipment_component"] = part


def legal_names(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Return names of letters, digits and underscores, as NeXus demands, no two alike.

    Parameters
    ----------
    names : iterable of str
        Any.
    taken : iterable of str
        Names that are not to be used.
    """
    used, found = set(taken), []
    for name in names:
        plain = re.sub("[^A-Za-z0-9_]", "_", name)[:60] or "_"
        legal, count = plain, 1
        while legal in used:
            count += 1
            legal = f"{plain}_{count}"
        used.add(legal)
        found.append(legal)
    return found


# -- Data and mask ----------------------------------------------------------------------


def _mask_name(detector: Detector) -> str:
    wide = (detector.tile_shapes[:, 1] == detector.data_shape[2]).all()
    return MASKS[0] if wide else MASKS[1]


def _write_mask(group: h5py.Group, name: str, geometry: Geometry) -> None:
    bad: BoolArray = geometry.bad_pixels()
    if not bad.any():
        return
    mask = np.where(bad, _BAD_PIXEL, 0).astype(np.uint32)
    mask[tile_map(geometry.detector) < 0] = _NO_PIXEL
    group.create_dataset(
        name,
        data=mask.reshape(geometry.detector.stacked_shape),
        chunks=geometry.data_shape[1:],
        compression="gzip",
    )


def _write_data(entry: h5py.Group, group: h5py.Group, detector: Detector) -> None:
    """Write one frame of zeros: never put into the file, a chunk takes no room."""
    data = hdf5.new_group(entry, "data", "NXdata")
    data.attrs["signal"] = "data"
    frame = data.create_dataset(
        "data",
        shape=(1, *detector.stacked_shape),
        dtype=np.int32,
        chunks=(1, *detector.data_shape[1:]),
        fillvalue=0,
    )
    frame.attrs["target"] = frame.name
    group["data"] = frame
