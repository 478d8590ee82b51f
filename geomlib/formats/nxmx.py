"""NeXus NXmx, read: every tile is an NXdetector_module that stands on a chain of axes.

The corner of a tile is where its ``fast_pixel_direction`` has its origin: the chain of
``depends_on`` applied to its ``offset``. Its step vectors are the values of
``fast_pixel_direction`` and ``slow_pixel_direction`` along their ``vector``, turned by the chain.
McStas axes, which NeXus uses, are those of geomlib. Source: NeXus definitions NXmx,
NXdetector_module and NXtransformations.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geomlib import checks
from geomlib.coordinates import BoolArray
from geomlib.detector import Detector, FloatArray, IntArray
from geomlib.errors import GeometryFileError, collected, warn
from geomlib.formats import hdf5
from geomlib.formats.layout import LAYOUT_KEY, geometry_of_tiles, wanted_detectors
from geomlib.formats.nxmx_axes import (
    Axes,
    direction_of,
    first_number,
    offset_of,
    unit_of,
)
from geomlib.formats.nxmx_common import NOTES, TILE_ORDER, usual_thickness
from geomlib.formats.placement import (
    Chain,
    direction_to_lab,
    split_distance,
    take_out_rail,
    to_lab,
)
from geomlib.formats.recognise import MAX_MODULES, StoredTiles
from geomlib.geometry import Geometry
from geomlib.metadata import BadRegion
from geomlib.regions import blocks, regions_of_tiles
from geomlib.units import LENGTHS, energy_from_wavelength

if TYPE_CHECKING:
    import h5py

FORMAT = "nxmx"
#: Larger indices than this are no places in data.
_LARGEST_INDEX = 2**31
#: Most pixels of a mask: four times the largest detector there is.
_MAX_MASK = 2**26
#: What leads to a detector.
_PLACE = ("NXentry", "NXinstrument", "NXdetector")
#: More detectors than a file has with modules.
_MOST_DETECTORS = 100
#: Names of the masks of a detector.
_MASKS = ("pixel_mask", *(f"pixel_mask_{number}" for number in range(1, 10)))
#: Bits of a pixel mask that say that a pixel is not to be used; higher ones are remarks (NXmx).
_BAD_BITS = 0xFFFF


class _Module(NamedTuple):
    """One NXdetector_module."""

    name: str
    origin: IntArray  # in the data: (ss, fs) or (module, ss, fs)
    size: IntArray  # (ss, fs)
    chain: Chain  # of fast_pixel_direction
    corner: FloatArray  # in the frame of the chain
    fs: FloatArray
    ss_chain: Chain
    ss: FloatArray


def is_nxmx(path: Path, first_bytes: bytes) -> bool:
    """Tell whether a file is HDF5 with an NXdetector that holds an NXdetector_module."""

    def test(file: h5py.File) -> bool:
        return next(hdf5.find(file, *_PLACE, "NXdetector_module"), None) is not None

    return hdf5.recognised(path, first_bytes, test)


def read_nxmx(
    path: str | PathLike[str],
    *,
    detector: Detector | str | None = None,
    nx_detector: str | None = None,
) -> Geometry:
    """Read a geometry from a NeXus file with an NXdetector made of NXdetector_module groups.

    Parameters
    ----------
    path : str or path-like
        The file: NXmx, or any other application definition with such a detector.
    detector : Detector or str, optional
        The detector that it has to be, where its tiles do not tell.
    nx_detector : str, optional
        Name of the NXdetector group, where there are several; default: the first.

    Returns
    -------
    Geometry
        Tiles are named after their groups, unless they are those of a known detector. The distance
        is the z of the outermost axis that every tile stands on (the rail), if that is a
        translation downstream; else the field ``distance``, else the mean z of the tiles. Their z
        counts from there. A single tile at x = y = 0 is moved by ``beam_center_x`` and
        ``beam_center_y``, if they are in pixels, as dxtbx does. The photon energy is that of
        ``incident_wavelength`` of the beam, under the instrument or the sample. A ``pixel_mask``
        (its lower 16 bits) becomes bad regions.

    Raises
    ------
    GeometryFileError
        If there is no such detector, or what is needed of it is missing or wrong.
    GeometryError
        If an argument is not as described.

    Warns
    -----
    GeometryWarning
        If there are several detectors, values differ from frame to frame, units are missing, or
        the mask cannot be used.
    """
    name = fspath(checks.path("path", path))
    wanted_detectors(detector)
    if nx_detector is not None:
        checks.text("nx_detector", nx_detector)
    with collected() as doubts, hdf5.opened(name) as file:
        geometry = _read(_chosen(file, nx_detector), name, detector)
    # An axis without units is mostly one of hundreds.
    for doubt, times in Counter(doubts).items():
        warn(doubt if times == 1 else f"{doubt} ({times} times)")
    return geometry


def _read(group: h5py.Group, path: str, wanted: Detector | str | None) -> Geometry:
    distance, stored = _tiles(group, _modules(group))
    geometry = geometry_of_tiles(
        stored,
        path=path,
        format=FORMAT,
        layout=_note(group, LAYOUT_KEY),
        detector=wanted,
        bad_blocks=_bad_blocks(group, stored),
        distance=distance,
        photon_energy=_photon_energy(group),
    )
    _warn_about_sensor(group, geometry.detector, path)
    return geometry


def _warn_about_sensor(group: h5py.Group, detector: Detector, path: str) -> None:
    """Say that a sensor is lost that is not the one that `write_nxmx` takes by itself."""
    if not (hdf5.is_here(group, "sensor_material") and hdf5.is_here(group, "sensor_thickness")):
        return
    material = hdf5.text(group, "sensor_material")
    thickness = float(hdf5.numbers(group, "sensor_thickness").reshape(-1)[0])
    thickness *= unit_of(group["sensor_thickness"], LENGTHS, "m")
    if material != "Si" or abs(thickness - usual_thickness(detector)) > 1e-6:
        warn(
            f"{path}: the sensor, {1e3 * thickness:g} mm of {material}, is not part of a geometry: "
            "give sensor_material and sensor_thickness again where it is written"
        )


# -- Finding the detector ---------------------------------------------------------------


def _chosen(file: h5py.File, wanted: str | None) -> h5py.Group:
    """Return the NXdetector that is asked for, or the first that has modules."""
    path = file.filename
    every = list(islice(hdf5.find(file, *_PLACE), _MOST_DETECTORS))
    names = ", ".join(_own_name(group) for group in every)
    if wanted is not None:
        every = [group for group in every if _own_name(group) == wanted]
    if not every:
        found = f"there are {names}" if names else "there is none"
        which = "NXdetector" if wanted is None else f"NXdetector {wanted!r}"
        raise GeometryFileError(
            f"expected an {which} in an NXinstrument of an NXentry; {found}", path=path
        )
    turns = iter(range(hdf5.MOST_LOOKED_AT))
    able = [g for g in every if any(True for _ in hdf5.find(g, "NXdetector_module", turns=turns))]
    if not able:
        raise GeometryFileError(
            "has no NXdetector_module, which would say where its pixels are; expected one for each "
            "tile, as NXmx demands. A beam centre and pixel size make a geometry with "
            "geomlib.detectors.generic",
            path=path,
            key=every[0].name,
        )
    if len(able) > 1:
        warn(
            f"{path}: there are several detectors, {', '.join(map(_own_name, able))}; the first is "
            "read, nx_detector= chooses another"
        )
    return able[0]


def _own_name(group: h5py.Group) -> str:
    return (group.name or "").rsplit("/", 1)[-1]


# -- Tiles ------------------------------------------------------------------------------


def _modules(group: h5py.Group) -> list[_Module]:
    axes = Axes()
    # There are few other members.
    most = MAX_MODULES + hdf5.MOST_MEMBERS
    turns = iter(range(most))
    found = hdf5.find(group, "NXdetector_module", limit=most, turns=turns)
    modules = {_own_name(module): module for module in found}
    if len(modules) > MAX_MODULES:
        raise GeometryFileError(
            f"has more than {MAX_MODULES} tiles", path=group.file.filename, key=group.name
        )
    return [_module(modules[name], axes) for name in _ordered(group, list(modules))]


def _ordered(group: h5py.Group, names: list[str]) -> list[str]:
    """Names of tiles in the order that geomlib wrote, else p2 before p10."""
    said = _note(group, TILE_ORDER)
    if said is not None and sorted(said.split()) == sorted(names):
        return said.split()

    def key(name: str) -> list[str]:
        return [part.zfill(20) for part in re.split("([0-9]+)", name)]

    return sorted(names, key=key)


def _note(group: h5py.Group, name: str) -> str | None:
    import h5py

    notes = group[NOTES] if hdf5.is_here(group, NOTES) else None
    return hdf5.note(notes, name) if isinstance(notes, h5py.Group) else None


def _module(group: h5py.Group, axes: Axes) -> _Module:
    origin, size = _indices(group, "data_origin"), _indices(group, "data_size")
    if len(origin) != len(size) or len(size) not in (2, 3) or (size < 1).any():
        raise hdf5.error(
            group,
            "data_size",
            f"expected two or three sizes, as many as there are in data_origin, found "
            f"{size.tolist()} at {origin.tolist()}",
        )
    if len(size) == 3 and size[0] != 1:
        raise hdf5.error(group, "data_size", f"expected one slab of data, found {size[0]} of them")
    fast, fs = _direction(group, "fast_pixel_direction")
    slow, ss = _direction(group, "slow_pixel_direction")
    chain = axes.chain(fast)
    corner = np.array(offset_of(fast))
    slow_offset = offset_of(slow)
    if any(slow_offset) and slow_offset != tuple(corner):
        warn(
            f"{group.file.filename}: slow_pixel_direction has an offset that is not that of "
            "fast_pixel_direction; the latter counts"
        )
    return _Module(_own_name(group), origin, size[-2:], chain, corner, fs, axes.chain(slow), ss)


def _indices(group: h5py.Group, name: str) -> IntArray:
    found = hdf5.numbers(group, name, largest=hdf5.MAX_FRAMES).reshape(-1)
    if ((found < 0) | (found > _LARGEST_INDEX) | (found != np.round(found))).any():
        raise hdf5.error(group, name, f"expected indices of data, found {found[:3].tolist()}")
    return found.astype(np.int64)


def _direction(group: h5py.Group, name: str) -> tuple[h5py.Dataset, FloatArray]:
    """Step of one pixel in the frame that its axis stands on, in metres."""
    data = hdf5.dataset(group, name, largest=hdf5.MAX_FRAMES)
    length = first_number(data) * unit_of(data, LENGTHS, "m")
    if length <= 0:
        raise hdf5.error(group, name, f"expected the size of a pixel, found {length:g} m")
    return data, length * direction_of(data)


def _tiles(group: h5py.Group, modules: Sequence[_Module]) -> tuple[float | None, StoredTiles]:
    """Where tiles are in the lab, and the distance that was taken out of their z."""
    path = group.file.filename
    distance, chains = take_out_rail([module.chain for module in modules])
    corners = np.array([to_lab(c, m.corner) for c, m in zip(chains, modules, strict=True)])
    ss = np.array([direction_to_lab(m.ss_chain, m.ss) for m in modules])
    fs = np.array([direction_to_lab(m.chain, m.fs) for m in modules])
    sizes = np.array([module.size for module in modules])
    if len(modules) == 1 and not corners[:, :2].any():
        columns, rows = _beam_centre(group)
        corners = corners - columns * fs - rows * ss
    if distance is None:
        middle = corners + 0.5 * (sizes[:, :1] * ss + sizes[:, 1:] * fs)
        said = _distance_field(group)
        distance, corners = split_distance(corners, float(middle[:, 2].mean()), said, path)
    ranks = {len(module.origin) for module in modules}
    if len(ranks) > 1:
        raise GeometryFileError(
            "data_origin has two numbers in some modules and three in others",
            path=path,
            key=group.name,
        )
    starts = np.array([module.origin[-2:] for module in modules])
    has_axis = ranks == {3}
    slabs = np.array([module.origin[0] if has_axis else 0 for module in modules])
    bounds = np.stack([starts, starts + sizes], axis=2).reshape(-1, 4)
    names = tuple(module.name for module in modules)
    return distance, StoredTiles(names, slabs, has_axis, bounds, corners, ss, fs)


def _beam_centre(group: h5py.Group) -> tuple[float, float]:
    """Where the beam meets the only tile of a detector, in pixels along fast scan and slow scan.

    Older files of Eiger detectors have no other position, and dxtbx reads them so. It is (0, 0)
    where the file has a length instead, or nothing.
    """
    if not all(hdf5.has(group, f"beam_center_{axis}") for axis in "xy"):
        return 0.0, 0.0
    data = [hdf5.dataset(group, f"beam_center_{axis}", largest=hdf5.MAX_FRAMES) for axis in "xy"]
    if any(hdf5.attribute(one, "units", "pixel").lower() in LENGTHS for one in data):
        return 0.0, 0.0
    return first_number(data[0]), first_number(data[1])


def _distance_field(group: h5py.Group) -> float | None:
    if not hdf5.has(group, "distance"):
        return None
    data = hdf5.dataset(group, "distance", largest=hdf5.MAX_FRAMES)
    distance = first_number(data) * unit_of(data, LENGTHS, "m")
    return distance if distance > 0 else None


# -- What else the file says ------------------------------------------------------------


def _photon_energy(group: h5py.Group) -> float | None:
    """Photon energy of the beam of the instrument or of the sample, in eV; None without one."""
    instrument = group.parent
    entry = instrument.parent
    for beam in chain(
        hdf5.find(instrument, "NXbeam"),
        hdf5.find(entry, "NXsample", "NXbeam"),
        hdf5.find(entry, "NXbeam"),
    ):
        if hdf5.has(beam, "incident_wavelength"):
            data = hdf5.dataset(beam, "incident_wavelength", largest=hdf5.MAX_FRAMES)
            wavelength = first_number(data) * unit_of(data, LENGTHS, "angstrom")
            if wavelength <= 0:
                raise hdf5.error(
                    beam, "incident_wavelength", f"expected a wavelength, found {wavelength:g} m"
                )
            return energy_from_wavelength(wavelength)
    return None


def _bad_blocks(group: h5py.Group, stored: StoredTiles) -> list[BadRegion]:
    """Blocks of masked pixels of each tile: a pixel is bad that is so in one of the masks."""
    names = [name for name in _MASKS if hdf5.has(group, name)]
    bad: BoolArray | None = None
    for name in names:
        try:
            more = _mask(group, name, stored)
        except GeometryFileError as problem:
            # Beamlines keep masks in other files; the positions are good without one.
            warn(f"{problem}; the mask is left out")
            continue
        bad = more if bad is None else bad | more
    if bad is None:
        return []
    where = f"{group.file.filename} [{group.name}/{', '.join(names)}]"
    return regions_of_tiles(
        ((tile, blocks(part)) for tile, part in enumerate(_parts(bad, stored))), where
    )


def _mask(group: h5py.Group, name: str, stored: StoredTiles) -> BoolArray:
    """Read which pixels are bad in a mask, in the part of the data that tiles are in."""
    mask = hdf5.dataset(group, name, largest=_MAX_MASK)
    need = [int(stored.slabs.max()) + 1] * stored.has_axis
    need += [int(stored.bounds[:, 1].max()), int(stored.bounds[:, 3].max())]
    if mask.ndim != len(need) or (np.array(mask.shape) < need).any():
        raise hdf5.error(
            group, name, f"of shape {mask.shape} does not cover data of shape {tuple(need)}"
        )
    # At once: a chunk of it may hold many tiles, and would be unpacked for each.
    values = mask[()][tuple(slice(n) for n in need)]
    if values.dtype.kind != "f":
        values = values.astype(np.int64) & _BAD_BITS
    return np.asarray(values != 0)


def _parts(mask: BoolArray, stored: StoredTiles) -> Iterator[BoolArray]:
    """Cut a mask of the data into those of the tiles."""
    for slab, (ss0, ss1, fs0, fs1) in zip(stored.slabs, stored.bounds.tolist(), strict=True):
        yield (mask[slab] if stored.has_axis else mask)[ss0:ss1, fs0:fs1]
