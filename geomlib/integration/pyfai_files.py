"""pyFAI's files as formats of geometries: the NeXus file of a detector, and `.poni` files."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlib import checks
from geomlib.atomic import replacing
from geomlib.detector import Detector
from geomlib.errors import GeometryError, GeometryFileError, system_error
from geomlib.formats import hdf5
from geomlib.formats.layout import LAYOUT_KEY, detector_of_layout, wanted_detectors
from geomlib.geometry import Geometry
from geomlib.integration.adapter import read_poni, to_pyfai_detector
from geomlib.integration.beam import find_beam
from geomlib.integration.from_pyfai import from_pyfai_detector
from geomlib.metadata import Source
from geomlib.units import energy_from_wavelength

if TYPE_CHECKING:
    import h5py

_PONI_LINE = re.compile(rb"^[ \t]*Poni1[ \t]*:", re.MULTILINE | re.IGNORECASE)
#: A `.poni` file is a dozen lines; those that pyFAI adds to hold one block for each time of saving.
_LARGEST_PONI = 1 << 24


# -- The NeXus file of a detector -----------------------------------------------------------


def is_pyfai_detector_file(path: Path, first_bytes: bytes) -> bool:
    """Tell whether a file is HDF5 and holds corners of pixels as pyFAI writes them."""
    return hdf5.recognised(path, first_bytes, lambda file: _find_detector(file) is not None)


def _find_detector(file: h5py.File) -> h5py.Group | None:
    """Find the first NXdetector with corners, at the depth where pyFAI looks for one."""
    for entry in _groups(file, "NXentry"):
        for middle in _groups(entry, "NXsubentry", "NXinstrument"):
            for detector in _groups(middle, "NXdetector"):
                if detector.get("pixel_corners", getlink=True) is not None:
                    return detector
    return None


def _groups(parent: h5py.Group, *classes: str) -> list[h5py.Group]:
    import h5py

    hard = [n for n in parent if isinstance(parent.get(n, getlink=True), h5py.HardLink)]
    groups = [parent[n] for n in hard if parent.get(n, getclass=True) is h5py.Group]
    return [group for group in groups if hdf5.nx_class(group) in classes]


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
    """
    name = os.fspath(path)
    with hdf5.opened(name) as file:
        group = _find_detector(file)
        if group is None:
            raise GeometryFileError(
                "holds no detector of pyFAI: expected an NXdetector with pixel_corners", path=name
            )
        # That they are there, and no larger than they may be, before pyFAI reads them.
        hdf5.dataset(group, "pixel_corners", (None, None, None, 3))
        note = hdf5.text(group, LAYOUT_KEY)
    from pyFAI.detectors import NexusDetector

    try:
        found = NexusDetector(name)
    except hdf5.DAMAGE as problem:
        raise GeometryFileError(f"pyFAI cannot read it: {problem}", path=name) from problem
    geometry = _as_geometry(found, name, note, detector)
    return geometry.replace(source=Source(name, "pyfai"))


def _as_geometry(
    found: Any, path: str, note: str | None, wanted: Detector | str | None
) -> Geometry:
    """Turn a detector of pyFAI into a geometry, cut as asked for, or as a note says."""
    layouts = wanted_detectors(wanted)
    if wanted is None and note is not None:
        described = detector_of_layout(note)
        layouts = [] if described is None else [described]
    rows, columns = found.shape or (0, 0)
    fitting = [
        one
        for one in layouts
        if (one.n_modules * one.data_shape[1], one.data_shape[2]) == (rows, columns)
    ]
    try:
        if fitting:
            return from_pyfai_detector(found, layout=fitting[0])
        if layouts and wanted is not None:
            raise GeometryError(
                f"detector={wanted!r} does not fit the file, which has {rows} × {columns} pixels"
            )
        return from_pyfai_detector(found)
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
    """
    name = os.fspath(path)
    geometry = _detector_of_poni(name, detector)
    places = read_poni(name)
    distance, wavelength = places["dist"], places.get("wavelength")
    if not distance > 0:
        raise GeometryFileError(f"must be positive, not {distance:g}", path=name, key="Distance")
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
    from pyFAI.detectors import NexusDetector, detector_factory
    from pyFAI.io.ponifile import PoniFile

    config = _poni_keys(path)
    own = config.get("detector_config", {})
    if config.get("detector") == "NexusDetector" and isinstance(own.get("filename"), str):
        return read_pyfai(_beside(path, own["filename"]), detector=wanted)
    if "detector" in config and Path(str(config["detector"])).suffix in (".h5", ".nxs", ".hdf5"):
        return read_pyfai(_beside(path, str(config["detector"])), detector=wanted)
    try:
        if "detector_config" in config:
            found = detector_factory(str(config["detector"]), own)
        else:
            found = PoniFile(config).detector
    except Exception as problem:  # pyFAI raises whatever the constructor of a detector raises.
        raise GeometryFileError(
            f"pyFAI knows no such detector: {problem}", path=path, key="Detector"
        ) from problem
    if isinstance(found, NexusDetector) or found is None or found.shape is None:
        raise GeometryFileError(
            "says where a detector is, but not how many pixels it has: read it with "
            "to_pyfai_integrator(geometry, poni=…)",
            path=path,
            key="Detector",
        )
    return _as_geometry(found, path, None, wanted)


def _beside(poni: str, detector_file: str) -> str:
    """Where the file of a detector is: as the `.poni` file says, or in the folder of that."""
    named, near = Path(detector_file), Path(poni).parent
    for place in (named, near / named, near / named.name):
        if place.is_file():
            return os.fspath(place)
    raise GeometryFileError(
        f"there is no file {detector_file!r} of the detector, nor {named.name!r} beside this one",
        path=poni,
        key="Detector_config",
    )


def _poni_keys(path: str) -> dict[str, Any]:
    """Last value of each key, in lower case; the configuration of the detector as a dict."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(_LARGEST_PONI).decode("utf-8", "replace")
    except OSError as problem:
        raise system_error(problem, path, "read") from problem
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
    geometry: Geometry,
    path: str | os.PathLike[str],
    *,
    detector_file: str | os.PathLike[str] | None = None,
    distance: float | None = None,
    photon_energy: float | None = None,
    wide: bool = False,
) -> None:
    """Write a `.poni` file, and beside it the file of the detector that it names.

    The lab frame is kept as it is: the point of normal incidence is (0, 0), rotations are 0.

    Parameters
    ----------
    geometry : Geometry
        Any.
    path : str or path-like
        The `.poni` file; an older one is replaced.
    detector_file : str or path-like, optional
        The file of the detector, which the `.poni` file names with its whole path; default:
        ``NAME.detector.h5`` beside ``NAME.poni``.
    distance : float, optional
        In metres, instead of that of the geometry.
    photon_energy : float, optional
        In eV, instead of that of the geometry; without both there is no wavelength in the file.
    wide : bool
        Border pixels have their true shapes, as for `to_pyfai_detector`.

    Raises
    ------
    GeometryError
        If the distance is not known, or a value is in another unit.
    GeometryFileError
        If a file cannot be written, or the file of the detector would replace one that is none.
    """
    beam = find_beam(geometry, distance, photon_energy, None, None)
    target = Path(os.path.realpath(checks.path("path", path)))
    named = target.with_suffix(".detector.h5") if detector_file is None else Path(detector_file)
    named = Path(os.path.realpath(checks.path("detector_file", named)))
    if named.exists() and not is_pyfai_detector_file(named, hdf5.SIGNATURE):
        raise GeometryFileError(
            "is there, and is no detector of pyFAI: choose another detector_file", path=named
        )
    write_pyfai(geometry, named, wide=wide)
    config = json.dumps({"filename": str(named), "orientation": 3}, ensure_ascii=False)
    values: dict[str, Any] = {
        "poni_version": 2.1,
        "Detector": "NexusDetector",
        "Detector_config": config,
        "Distance": beam.distance,
        **dict.fromkeys(("Poni1", "Poni2", "Rot1", "Rot2", "Rot3"), 0.0),
        "Wavelength": beam.wavelength,
    }
    lines = [f"{key}: {value}" for key, value in values.items() if value is not None]
    with replacing(target) as temporary:
        temporary.write_text("\n".join(["# Written by geomlib", *lines, ""]), encoding="utf-8")
