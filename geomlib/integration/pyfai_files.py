"""pyFAI's files as formats of geometries: the NeXus file of a detector, and `.poni` files."""

from __future__ import annotations

import filecmp
import json
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlib import checks
from geomlib.atomic import replacing
from geomlib.detector import RECTANGLE_CORNERS, Detector, FloatArray
from geomlib.errors import GeometryError, GeometryFileError, warn
from geomlib.formats import hdf5
from geomlib.formats.layout import detector_of_layout, wanted_detectors
from geomlib.formats.text_files import read_text
from geomlib.geometry import Geometry
from geomlib.integration.adapter import read_poni, to_pyfai_detector
from geomlib.integration.beam import find_beam
from geomlib.integration.from_pyfai import NO_NAMES, Told, from_pyfai_detector, geometry_of_corners
from geomlib.metadata import Source
from geomlib.units import energy_from_wavelength, wavelength_to_write

if TYPE_CHECKING:
    import h5py

_PONI_LINE = re.compile(rb"^[ \t]*Poni1[ \t]*:", re.MULTILINE | re.IGNORECASE)
#: A `.poni` file is a dozen lines; those that pyFAI adds to hold one block for each time of saving.
_LARGEST_PONI = 1 << 24
_HDF5_SUFFIXES = (".h5", ".hdf5", ".nxs")


# -- The NeXus file of a detector -----------------------------------------------------------


def is_pyfai_detector_file(path: Path, first_bytes: bytes) -> bool:
    """Tell whether a file is HDF5 and its first NXdetector is one of pyFAI."""
    return hdf5.recognised(path, first_bytes, lambda file: _is_pyfai(_find_detector(file)))


def _find_detector(file: h5py.File) -> h5py.Group | None:
    """Find the NXdetector that pyFAI takes: the first one of the newest entry."""
    entries = [entry for entry in hdf5.find(file, "NXentry") if hdf5.is_here(entry, "start_time")]
    entries.sort(key=lambda entry: hdf5.text(entry, "start_time") or "", reverse=True)
    for entry in entries:
        for kind in ("NXsubentry", "NXinstrument"):
            for detector in hdf5.find(entry, kind, "NXdetector"):
                return detector
    return None


def _is_pyfai(group: h5py.Group | None) -> bool:
    """Tell whether there are corners of pixels, or what pyFAI says of pixels on one grid."""
    names = ("pixel_corners",), ("API_VERSION", "pixel_size")
    return group is not None and any(all(hdf5.is_here(group, n) for n in some) for some in names)


def read_pyfai(path: str | os.PathLike[str], *, detector: Detector | str | None = None) -> Geometry:
    """Read the NeXus file of a detector that pyFAI, or `write_pyfai`, wrote.

    Parameters
    ----------
    path : str or path-like
        The file.
    detector : Detector or str, optional
        How the data is cut into tiles; default: as the file says, if geomlib wrote it, else the
        tiles are found from where corners of pixels meet.

    Returns
    -------
    Geometry
        Without a distance or a photon energy, which are in `.poni` files. Corners are float32 in
        the file: tiles are right to some 0.03 µm for each half metre.

    Raises
    ------
    GeometryFileError
        If the file cannot be read, holds no such detector, or one that is cut otherwise.

    Warns
    -----
    GeometryWarning
        If the orientation is not 3: pyFAI turns the centres of pixels then, but not their corners.
    """
    return _read_detector(os.fspath(path), detector, None)


def _read_detector(path: str, wanted: Detector | str | None, orientation: int | None) -> Geometry:
    """Read a file; an orientation that a `.poni` file gives counts more than that of the file."""
    with hdf5.opened(path) as file:
        group = _find_detector(file)
        if group is None or not _is_pyfai(group):
            raise GeometryFileError(
                "holds no detector of pyFAI: expected an NXdetector with pixel_corners", path=path
            )
        note = hdf5.note(group)
        told = _told(group)
        if orientation is None and hdf5.is_here(group, "orientation"):
            orientation = int(hdf5.numbers(group, "orientation", ()))
    if orientation not in (None, 3):
        warn(
            f"{path}: orientation {orientation}: pyFAI turns the centres of its pixels, but not "
            "their corners; the corners count here"
        )
    geometry = _as_geometry(told, path, note, wanted)
    return geometry.replace(source=Source(path, "pyfai"))


def _told(group: h5py.Group) -> Told:
    """Read corners, mask, pitch and name of a detector."""
    pitch: tuple[float | None, float | None] = (None, None)
    if hdf5.is_here(group, "pixel_size"):
        ss, fs = hdf5.numbers(group, "pixel_size", (2,)).tolist()
        pitch = (ss, fs)
    if hdf5.is_here(group, "pixel_corners"):
        corners = np.asarray(hdf5.dataset(group, "pixel_corners", (None, None, None, 3))[()])
    else:
        corners = _on_one_grid(group, pitch)
    rows, columns, count, _ = corners.shape
    if count not in (4, 6) or not rows or not columns:
        raise hdf5.error(group, "pixel_corners", f"expected 4 or 6 corners, found {corners.shape}")
    mask = np.zeros((rows, columns), dtype=np.bool_)
    if hdf5.is_here(group, "mask"):
        mask = np.asarray(hdf5.dataset(group, "mask", (rows, columns))[()]) != 0
    name = (group.name or "").rpartition("/")[2].replace("_", " ")
    return Told(corners, mask, pitch, "" if name in NO_NAMES else name)


def _on_one_grid(group: h5py.Group, pitch: tuple[float | None, float | None]) -> FloatArray:
    """Corners of the pixels of a flat detector without gaps, of which pyFAI writes no corners."""
    shape = "shape" if hdf5.is_here(group, "shape") else "max_shape"
    rows, columns = (int(n) for n in hdf5.numbers(group, shape, (2,)))
    ss, fs = pitch
    if not (rows > 0 and columns > 0 and 12 * rows * columns <= hdf5.MAX_SIZE):
        raise hdf5.error(group, shape, f"expected rows and columns, found {rows} and {columns}")
    if not (ss and fs and ss > 0 and fs > 0):
        raise hdf5.error(group, "pixel_size", f"expected two lengths, found {pitch}")
    corners = np.zeros((rows, columns, 4, 3))
    corners[..., 1] = (np.arange(rows)[:, np.newaxis, np.newaxis] + RECTANGLE_CORNERS[:, 0]) * ss
    corners[..., 2] = (np.arange(columns)[:, np.newaxis] + RECTANGLE_CORNERS[:, 1]) * fs
    return corners


def _as_geometry(
    told: Told, path: str, note: str | None, wanted: Detector | str | None
) -> Geometry:
    """Turn what a file says into a geometry, cut as asked for, or as a note says."""
    rows, columns = told.mask.shape
    try:
        layouts = wanted_detectors(wanted)
        if wanted is None and note is not None:
            described = detector_of_layout(note)
            layouts = [] if described is None else [described]
        fitting = [one for one in layouts if one.stacked_shape == (rows, columns)]
        if fitting:
            return geometry_of_corners(told, layout=fitting[0])
        if layouts and wanted is not None:
            raise GeometryError(
                f"detector={wanted!r} does not fit the file, which has {rows} × {columns} pixels"
            )
        return geometry_of_corners(told)
    except GeometryFileError:
        raise
    except GeometryError as problem:
        raise GeometryFileError(str(problem), path=path) from problem


def write_pyfai(geometry: Geometry, path: str | os.PathLike[str], *, wide: bool = False) -> None:
    """Write a geometry as a NeXus file that pyFAI reads as a detector.

    Parameters
    ----------
    geometry : Geometry
        Any; its bad regions become the mask.
    path : str or path-like
        The file; an older one is replaced.
    wide : bool
        Border pixels have their true shapes, as for `to_pyfai_detector`.

    Raises
    ------
    GeometryFileError
        If it cannot be written.
    """
    to_pyfai_detector(geometry, wide=wide).save(path)


# -- .poni ----------------------------------------------------------------------------------


def is_poni(path: Path, first_bytes: bytes) -> bool:
    """Tell whether a file that begins with some bytes is a `.poni` file."""
    return b"\0" not in first_bytes[:1024] and _PONI_LINE.search(first_bytes) is not None


def read_poni_geometry(
    path: str | os.PathLike[str], *, detector: Detector | str | None = None
) -> Geometry:
    """Read a `.poni` file, and the detector that it names.

    The point of normal incidence and the rotations become positions of the tiles, so that every
    pixel is where pyFAI has it.

    Parameters
    ----------
    path : str or path-like
        The file. The file of its detector is looked for where the `.poni` file says, then in the
        folder of the `.poni` file.
    detector : Detector or str, optional
        As for `read_pyfai`.

    Returns
    -------
    Geometry
        With the distance, and the photon energy if the file has a wavelength.

    Raises
    ------
    GeometryFileError
        If a file cannot be read, or the `.poni` file names no detector with pixels.

    Warns
    -----
    GeometryWarning
        If another file of the detector lies beside the `.poni` file than the one that it names.
    """
    name = os.fspath(path)
    places = read_poni(name)
    distance, wavelength = places["dist"], places.get("wavelength")
    for key, value in (("Distance", distance), ("Wavelength", wavelength)):
        if value is not None and not value > 0:
            raise GeometryFileError(f"must be positive, not {value:g}", path=name, key=key)
    geometry = _detector_of_poni(name, detector)
    from pyFAI.geometry import Geometry as PyfaiGeometry

    angles = {f"rot{n}": places[f"rot{n}"] for n in (1, 2, 3)}
    turn = np.asarray(PyfaiGeometry(dist=distance, **angles).rotation_matrix())
    # pyFAI's axes are y, x, z, and it turns about the sample.
    turn = turn[[1, 0, 2]][:, [1, 0, 2]]
    away = np.array([-places["poni2"], -places["poni1"], distance])
    corners, ss, fs = geometry.tile_corners + away, geometry.tile_ss, geometry.tile_fs
    if any(angles.values()):
        corners, ss, fs = (vectors @ turn.T for vectors in (corners, ss, fs))
        corners = corners - [0, 0, distance]
    else:
        corners[:, 2] = geometry.tile_corners[:, 2]
    return geometry.replace(
        tile_corners=corners,
        tile_ss=ss,
        tile_fs=fs,
        distance=distance,
        photon_energy=None if wavelength is None else energy_from_wavelength(wavelength),
        source=Source(name, "poni"),
    )


def _detector_of_poni(path: str, wanted: Detector | str | None) -> Geometry:
    config = _poni_keys(path)
    kind, own = str(config.get("detector", "")), config.get("detector_config", {})
    file = own.get("filename") if kind == "NexusDetector" else None
    if file is None and kind and (Path(kind).suffix in _HDF5_SUFFIXES or Path(kind).exists()):
        file = kind
    if isinstance(file, str):
        orientation = own.get("orientation")
        known = orientation if isinstance(orientation, int) else None
        return _read_detector(_named_file(path, file), wanted, known)
    found = _pyfai_detector(path, config)
    if found is None or not found.shape:
        raise GeometryFileError(
            "says where a detector is, but not how many pixels it has: read it with "
            "to_pyfai_integrator(geometry, poni=…)",
            path=path,
            key="Detector",
        )
    layouts = wanted_detectors(wanted)
    try:
        geometry = from_pyfai_detector(found, layout=layouts[0] if layouts else None)
    except GeometryError as problem:
        raise GeometryFileError(str(problem), path=path, key="Detector") from problem
    return geometry


def _pyfai_detector(path: str, config: dict[str, Any]) -> Any:
    """Let pyFAI make the detector that a `.poni` file names, and look at its size."""
    from pyFAI.detectors import detector_factory
    from pyFAI.io.ponifile import PoniFile

    try:
        if "detector_config" in config:
            found = detector_factory(str(config["detector"]), config["detector_config"])
        else:
            found = PoniFile(config).detector
        shape = None if found is None else found.shape
        sizes = [] if shape is None else [int(n) for n in shape]
    except Exception as problem:  # pyFAI raises whatever the constructor of a detector raises.
        raise GeometryFileError(
            f"pyFAI knows no detector {str(config.get('detector'))[:60]!r}: {str(problem)[:200]}",
            path=path,
            key="Detector",
        ) from problem
    # Twelve coordinates a pixel.
    if sizes and not (
        len(sizes) == 2 and min(sizes) > 0 and 12 * math.prod(sizes) <= hdf5.MAX_SIZE
    ):
        raise GeometryFileError(
            f"claims {shape} pixels; expected rows and columns", path=path, key="Detector_config"
        )
    return found


def _named_file(poni: str, detector_file: str) -> str:
    """Where the file of a detector is: as the `.poni` file says, or in the folder of that."""
    named, folder = Path(detector_file), Path(poni).parent
    places = [place for place in (named, folder / named, folder / named.name) if place.is_file()]
    if not places:
        raise GeometryFileError(
            f"there is no file {detector_file!r} of the detector, nor {named.name!r} beside this "
            "one",
            path=poni,
            key="Detector_config",
        )
    for other in places[1:]:
        if not other.samefile(places[0]) and not filecmp.cmp(other, places[0], shallow=False):
            warn(
                f"{poni}: names the detector {os.fspath(places[0])!r}, which is read, as pyFAI "
                f"does; {os.fspath(other)!r} is another"
            )
            break
    return os.fspath(places[0])


def _poni_keys(path: str) -> dict[str, Any]:
    """Last value of each key, in lower case; the configuration of the detector as a dict."""
    text = read_text(path, _LARGEST_PONI, errors="replace")
    found: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), 1):
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or line.lstrip().startswith("#"):
            continue
        found[key.lower()] = value
        if key.lower() == "detector_config":
            found["detector_config"] = _json_object(path, number, key, value)
    return found


def _json_object(path: str, line: int, key: str, value: str) -> dict[str, Any]:
    try:
        made = json.loads(value)
    except (ValueError, RecursionError):
        made = None
    if not isinstance(made, dict):
        raise GeometryFileError(
            f"expected a JSON object, found {value[:60]!r}", path=path, line=line, key=key
        )
    return made


def write_poni_geometry(
    geometry: Geometry, path: str | os.PathLike[str], *, wide: bool = False
) -> None:
    """Write ``NAME.poni``, and beside it ``NAME.detector.h5``, the detector that it names.

    The lab frame is kept as it is: the point of normal incidence is (0, 0), rotations are 0.

    Parameters
    ----------
    geometry : Geometry
        Any, with its distance; without a photon energy there is no wavelength in the file.
    path : str or path-like
        The `.poni` file. Older files of both names are replaced; the detector is named with its
        whole path.
    wide : bool
        Border pixels have their true shapes, as for `to_pyfai_detector`.

    Raises
    ------
    GeometryError
        If the distance is not known, or a value is in another unit.
    GeometryFileError
        If a file cannot be written, or the file of the detector would replace one that is none.
    """
    beam, energy = find_beam(geometry, None, None, None, None), geometry.photon_energy
    target = Path(os.path.realpath(checks.path("path", path)))
    named = target.with_suffix(".detector.h5")
    if named.exists() and not is_pyfai_detector_file(named, hdf5.SIGNATURE):
        raise GeometryFileError(
            "is there, and is no detector of pyFAI: choose another name", path=named
        )
    values: dict[str, Any] = {
        "poni_version": 2.1,
        "Detector": "NexusDetector",
        # In ASCII: pyFAI reads the file in whatever encoding the system has.
        "Detector_config": json.dumps({"filename": str(named), "orientation": 3}),
        "Distance": beam.distance,
        **dict.fromkeys(("Poni1", "Poni2", "Rot1", "Rot2", "Rot3"), 0.0),
        "Wavelength": None if energy is None else wavelength_to_write(energy, 1.0),
    }
    lines = [f"{key}: {value}" for key, value in values.items() if value is not None]
    text = "\n".join(["# Written by geomlib", *lines, ""]).encode("ascii")
    from geomlib.integration.pyfai_detector import write_nexus

    # Both or none: the detector is in its place before the file that names it.
    with replacing(target) as temporary, hdf5.created(named) as file:
        write_nexus(to_pyfai_detector(geometry, wide=wide), file)
        temporary.write_bytes(text)
