"""Geometry in CXI files, of the Coherent X-ray Imaging Data Bank (version 1.6).

``/entry_1/instrument_1/detector_1`` has ``corner_position``, the outer corner of the first pixel,
and ``basis_vectors``, the steps of one pixel (row 0 along slow scan, row 1 along fast scan), in
metres and in the frame of geomlib, but from the sample: z includes the distance. A detector of
several modules has a leading axis for them, named by ``module_identifier``, in these and in its
``data``. A module of CXI is a rectangle of pixels on one grid, a tile.

All modules share one array, so that tiles of several sizes lie in the first rows and columns of
the largest, and ``mask`` marks the rest as missing. The specification, and ``validate_cxi.py`` that
checks files: https://github.com/cxidb/CXI.

`read_cxi`, `write_cxi`, `is_cxi`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.detector import Detector, FloatArray, IntArray
from geomlib.errors import GeometryFileError, warn
from geomlib.fixed_text import fixed
from geomlib.formats import hdf5
from geomlib.formats.experiment import warn_about_beam
from geomlib.formats.layout import LAYOUT_KEY, geometry_of_tiles, layout_text, wanted_detectors
from geomlib.formats.recognise import MAX_MODULES, StoredTiles
from geomlib.geometry import Geometry
from geomlib.regions import blocks, regions_of_tiles
from geomlib.units import JOULE_PER_EV

if TYPE_CHECKING:
    import h5py

#: No photons have more than this, in J (6 GeV): larger numbers are other units.
_LARGEST_ENERGY = 1e-9
_VERSION = 160
#: Bits of a mask: not to be trusted for whatever reason, and no pixel.
_BAD, _MISSING = 0x80, 0x200
#: Invalid, hot, dead, in a shadow, bad, missing, noisy. Saturation and signal belong to one frame.
_UNUSABLE = 0x1 | 0x4 | 0x8 | 0x10 | _BAD | _MISSING | 0x400
#: Examples of the specification misspell the first one.
_CORNERS, _MISSPELT, _BASIS = "corner_position", "corner_positions", "basis_vectors"
_MASK_CHUNK = 1024
#: Most numbers of vectors, and of a chunk of them.
_LARGEST_VECTORS = 2**20
#: Most pixels of a mask: four times the largest detector there is.
_LARGEST_MASK = 2**26


class _Shape(NamedTuple):
    """Pixels of a module in the data, and the data that says so; None where nothing does."""

    pixels: tuple[int, int]
    name: str


# -- Reading --------------------------------------------------------------------------------


def read_cxi(
    path: str | PathLike[str],
    *,
    detector: str | Detector | None = None,
    detector_path: str | None = None,
) -> Geometry:
    """Read a geometry from a CXI file.

    Parameters
    ----------
    path : str or path-like
        The file.
    detector : str or Detector, optional
        The detector that it has to be, where it is not to be recognised.
    detector_path : str, optional
        Where it lies in the file, such as ``"/entry_1/instrument_1/detector_2"``. Default: the
        first one.

    Returns
    -------
    Geometry
        The mask becomes bad regions. Without ``distance``, the distance is the smallest z.

    Raises
    ------
    GeometryFileError
        If there is no geometry in the file, or it is not as described above.
    GeometryError
        If an argument is not as described.

    Warns
    -----
    GeometryWarning
        If there are several detectors, z is not from the sample, or something is misspelt or in
        other units.
    """
    name = fspath(checks.path("path", path))
    wanted_detectors(detector)
    if detector_path is not None:
        checks.text("detector_path", detector_path)
    with hdf5.opened(name) as file:
        found = _choose(file, name) if detector_path is None else _given(file, detector_path)
        return _read(found, name, detector)


def is_cxi(path: Path, first_bytes: bytes) -> bool:
    """Tell whether a file is a CXI file, with a geometry or without."""

    def test(file: h5py.File) -> bool:
        return hdf5.has(file, "cxi_version") or any(
            _has_geometry(found) for found in _detectors(file)
        )

    return hdf5.recognised(path, first_bytes, test)


def _detectors(file: h5py.File) -> Iterator[h5py.Group]:
    """Detectors of the first entry that has some."""
    turns = iter(range(hdf5.MOST_LOOKED_AT))
    for entry in _numbered(file, "entry", turns):
        any_here = False
        for instrument in _numbered(entry, "instrument", turns):
            for found in _numbered(instrument, "detector", turns):
                any_here = True
                yield found
        if any_here:
            return


def _numbered(
    parent: h5py.Group, kind: str, turns: Iterator[int] | None = None
) -> Iterator[h5py.Group]:
    """Members ``kind_1``, ``kind_2`` …, by number; ``turns`` as in `hdf5.members`."""
    import h5py

    every = hdf5.members(parent, turns=turns)
    names = [name for name in every if re.fullmatch(rf"{kind}_[0-9]{{1,9}}", name)]
    for name in sorted(names, key=lambda name: int(name.split("_")[1])):
        found = parent[name]
        if isinstance(found, h5py.Group):
            yield found


def _has_geometry(group: h5py.Group) -> bool:
    return any(hdf5.has(group, name) for name in (_CORNERS, _MISSPELT, _BASIS))


def _choose(file: h5py.File, path: str) -> h5py.Group:
    every = list(_detectors(file))
    found = [group for group in every if _has_geometry(group)]
    if not found:
        where = f"{every[0].name}/data" if every else "/entry_1/instrument_1/detector_1/data"
        raise GeometryFileError(
            f"this CXI file has data and no geometry (there is no {_CORNERS}); the geometry of "
            "data from European XFEL is in a CrystFEL .geom file: read that, with "
            f"`data = {where}`",
            path=path,
            key=f"{every[0].name}/{_CORNERS}" if every else None,
        )
    if len(found) > 1:
        warn(
            f"{path}: has {len(found)} detectors, and {found[0].name} is read; for another one "
            f"pass detector_path={found[1].name!r}"
        )
    return found[0]


def _given(file: h5py.File, where: str) -> h5py.Group:
    group = file
    for part in where.strip("/").split("/"):
        group = hdf5.group(group, part)
    return group


def _read(group: h5py.Group, path: str, wanted: str | Detector | None) -> Geometry:
    corners, basis = _vectors(group)
    modular = corners.ndim == 2
    corners = corners.reshape(-1, 3)
    if not len(corners):
        raise hdf5.error(group, _CORNERS, "expected at least one module, found none")
    layout = hdf5.note(group, LAYOUT_KEY)
    shape = _shape(group, len(corners), modular)
    mask = _mask(group, len(corners), shape)
    distance, places = _distance(group, corners, path, own=layout is not None)
    n = len(corners)
    sizes = _sizes(mask, n, shape.pixels)
    zeros = np.zeros(n, dtype=np.int64)
    stored = StoredTiles(
        tuple(_identifiers(group, n)),
        np.arange(n),
        n > 1,
        np.stack([zeros, sizes[:, 0], zeros, sizes[:, 1]], axis=1),
        places,
        basis[:, 0],
        basis[:, 1],
        slab=shape.pixels,
    )
    return geometry_of_tiles(
        stored,
        path=path,
        format="cxi",
        layout=layout,
        detector=wanted,
        bad_blocks=regions_of_tiles(_blocks(mask, sizes), f"{path} [{group.name}/mask]"),
        distance=distance,
        photon_energy=_photon_energy(group.parent, path),
        data_path=None if layout is not None or shape.name != "data" else f"{group.name}/data",
    )


def _vectors(group: h5py.Group) -> tuple[FloatArray, FloatArray]:
    """Corners, shape (3,) or (modules, 3), and basis vectors, shape (modules, 2, 3)."""
    name = _CORNERS
    if not hdf5.has(group, _CORNERS) and hdf5.has(group, _MISSPELT):
        name = _MISSPELT
        warn(f"{group.file.filename}: {group.name} has {_MISSPELT!r}, taken for {_CORNERS!r}")
    data = hdf5.dataset(group, name, largest=_LARGEST_VECTORS)
    if data.ndim not in (1, 2) or data.shape[-1] != 3:
        raise hdf5.error(group, name, f"expected shape (3,) or (modules, 3), found {data.shape}")
    n = len(data) if data.ndim == 2 else 1
    if n > MAX_MODULES:
        raise hdf5.error(group, name, f"claims {n} modules, more than {MAX_MODULES}")
    corners = hdf5.numbers(group, name)
    if hdf5.has(group, _BASIS):
        basis = hdf5.numbers(group, _BASIS, largest=_LARGEST_VECTORS)
    else:
        basis = _default_basis(group)
    if basis.shape not in ((2, 3), (n, 2, 3)):
        raise hdf5.error(
            group, _BASIS, f"expected shape (2, 3) or ({n}, 2, 3), found {basis.shape}"
        )
    return corners, np.broadcast_to(basis, (n, 2, 3))


def _default_basis(group: h5py.Group) -> FloatArray:
    """Return the steps that the specification gives to files without: down, and right."""
    height, width = (_scalar(group, name) for name in ("y_pixel_size", "x_pixel_size"))
    return np.array([[0.0, -height, 0.0], [-width, 0.0, 0.0]])


def _scalar(group: h5py.Group, name: str) -> float:
    values = hdf5.numbers(group, name, largest=hdf5.MAX_FRAMES)
    if values.size != 1:
        raise hdf5.error(group, name, f"expected one number, found {values.shape}")
    return float(values.reshape(-1)[0])


def _shape(group: h5py.Group, n: int, modular: bool) -> _Shape:
    """Size of a module, from the data or, where the file has none, from the mask."""
    import h5py

    for name in ("data", "mask"):
        if not hdf5.has(group, name):
            continue
        data = hdf5.child(group, name)
        shape = data.shape if isinstance(data, h5py.Dataset) else None
        if shape is None or len(shape) < 2 + modular or 0 in shape[-2:]:
            raise hdf5.error(group, name, f"expected (…, modules, ss, fs), found {shape}")
        if modular and shape[-3] != n:
            raise hdf5.error(
                group,
                name,
                f"has {shape[-3]} modules (shape {shape}), and {_CORNERS} is about {n}",
            )
        return _Shape((int(shape[-2]), int(shape[-1])), name)
    raise hdf5.error(
        group, "data", "missing, and so is a mask: nothing says how many pixels there are"
    )


def _mask(group: h5py.Group, n: int, shape: _Shape) -> npt.NDArray[np.uint32] | None:
    """Mask of all modules, shape (n, ss, fs), where the file has one for all frames."""
    if not hdf5.has(group, "mask"):
        return None
    size = n * shape.pixels[0] * shape.pixels[1]
    try:
        found = getattr(hdf5.child(group, "mask"), "shape", None)
        if found is None or np.prod(found, dtype=float) != size:
            # One for each frame, or made for something else.
            raise hdf5.error(group, "mask", f"of shape {found} is not a mask of modules")
        data = hdf5.dataset(group, "mask", largest=_LARGEST_MASK)
        if data.dtype.kind not in "iu":
            raise hdf5.error(group, "mask", f"expected whole numbers, found {data.dtype}")
    except GeometryFileError as problem:
        # The positions are good without it.
        warn(f"{problem}; the mask is left out")
        return None
    return np.asarray(data[()]).astype(np.uint32).reshape(n, *shape.pixels)


def _sizes(mask: npt.NDArray[np.uint32] | None, n: int, pixels: tuple[int, int]) -> IntArray:
    """Pixels of each tile: those of the data, but for last rows and columns that are missing."""
    sizes = np.tile(np.array(pixels), (n, 1))
    if mask is None:
        return sizes
    for tile, here in enumerate((mask & _MISSING) == 0):
        rows, columns = (int(np.count_nonzero(here.any(axis=axis))) for axis in (1, 0))
        # A rectangle from the first pixel; missing pixels elsewhere are bad ones.
        if rows and here[:rows, :columns].all() and here.sum() == rows * columns:
            sizes[tile] = rows, columns
    return sizes


def _distance(
    group: h5py.Group, corners: FloatArray, path: str, own: bool
) -> tuple[float | None, FloatArray]:
    """Distance, and corners from there; ``own`` if geomlib wrote the file: nothing is doubtful."""
    places = corners.copy()
    distance: float | None = None
    if hdf5.has(group, "distance"):
        values = hdf5.numbers(group, "distance", largest=hdf5.MAX_FRAMES).reshape(-1)
        distance = float(values[0]) if len(values) and values[0] > 0 else None
        if len(values) > 1 and np.ptp(values) > 0:
            warn(f"{path}: {group.name}/distance changes between frames; the first one is used")
    elif not own and (nearest := float(corners[:, 2].min())) > 0:
        distance = nearest
    if distance is None:
        return None, places
    if not own and (np.abs(corners[:, 2]) < distance / 2).all():
        warn(
            f"{path}: z of {group.name}/{_CORNERS} is {corners[0, 2]:g} m and distance "
            f"{distance:g} m; z has to include the distance, and is taken as if it did not"
        )
        return distance, places
    places[:, 2] -= distance
    return distance, places


def _photon_energy(instrument: h5py.Group, path: str) -> float | None:
    """Energy of the photons of the first source, in eV."""
    for source in _numbered(instrument, "source"):
        if not hdf5.has(source, "energy"):
            continue
        values = hdf5.numbers(source, "energy", largest=hdf5.MAX_FRAMES)
        energy = float(np.median(values)) if values.size else 0.0
        if energy <= 0:
            return None
        if energy > _LARGEST_ENERGY:
            warn(f"{path}: {source.name}/energy is {energy:g}, too much for J; taken as eV")
            return energy
        # 15 digits, so that energies that people write come back as they were.
        return float(f"{energy / JOULE_PER_EV:.15g}")
    return None


def _identifiers(group: h5py.Group, n: int) -> list[str]:
    """Names of the modules; made up where the file has none, or numbers."""
    made_up = [f"p{tile}a0" for tile in range(n)]
    if not hdf5.has(group, "module_identifier"):
        return made_up
    return hdf5.texts(group, "module_identifier", (n,)) or made_up


def _blocks(mask: npt.NDArray[np.uint32] | None, sizes: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Blocks of the pixels that a mask, if there is one, calls unusable, for each tile."""
    if mask is None:
        return
    for tile, (rows, columns) in enumerate(sizes.tolist()):
        yield tile, blocks((mask[tile, :rows, :columns] & _UNUSABLE) != 0)


# -- Writing --------------------------------------------------------------------------------


def write_cxi(geometry: Geometry, path: str | PathLike[str]) -> None:
    """Write a geometry as a CXI file, a module for each tile.

    The data in it holds zeros and takes no space: its shape says how many pixels tiles have. How
    the detector's own data is laid out is in ``geomlib_layout``. A detector of one tile is written
    without an axis of modules, as libcxi reads it.

    Parameters
    ----------
    geometry : Geometry
        What to write.
    path : str or path-like
        The file; an older one is replaced.
    """
    warn_about_beam(geometry)
    detector = geometry.detector
    with hdf5.created(path) as file:
        file["cxi_version"] = np.int32(_VERSION)
        file["number_of_entries"] = np.int32(1)
        entry = hdf5.new_group(file, "entry_1")
        instrument = hdf5.new_group(entry, "instrument_1")
        group = hdf5.new_group(instrument, "detector_1")
        _write_detector(geometry, group)
        if geometry.photon_energy is not None:
            source = hdf5.new_group(instrument, "source_1")
            source["energy"] = geometry.photon_energy * JOULE_PER_EV
        data = hdf5.new_group(entry, "data_1")
        for name in ("data", "module_identifier"):
            if hdf5.has(group, name):
                data[name] = group[name]
        group["description"] = fixed(detector.name)
        group[LAYOUT_KEY] = fixed(layout_text(detector))


def _write_detector(geometry: Geometry, group: h5py.Group) -> None:
    detector = geometry.detector
    corners = geometry.tile_corners.copy()
    if geometry.distance is not None:
        corners[:, 2] += geometry.distance
        group["distance"] = geometry.distance
    basis = np.stack([geometry.tile_ss, geometry.tile_fs], axis=1)
    group["y_pixel_size"], group["x_pixel_size"] = detector.pixel_size
    shape = (detector.n_tiles, *(int(n) for n in detector.tile_shapes.max(axis=0)))
    mask = _written_mask(geometry, shape)
    if detector.n_tiles == 1:
        group[_CORNERS], group[_BASIS] = corners[0], basis[0]
        group.create_dataset("data", shape[1:], dtype="f4")
    else:
        group["module_identifier"] = np.array([fixed(name) for name in detector.tile_names])
        group[_CORNERS], group[_BASIS] = corners, basis
        group.create_dataset("data", shape, dtype="f4")
        axes = {_CORNERS: "coordinate", _BASIS: "dimension:coordinate", "data": "y:x"}
        for name, rest in axes.items():
            group[name].attrs["axes"] = f"module_identifier:{rest}"
    if mask is not None:
        _write_mask(group, mask if detector.n_tiles > 1 else mask[0])


def _written_mask(geometry: Geometry, shape: tuple[int, ...]) -> npt.NDArray[np.uint32] | None:
    """Bits for pixels that are bad or only there to fill the array; None if there are none."""
    detector = geometry.detector
    mixed = len(np.unique(detector.tile_shapes, axis=0)) > 1
    if not mixed and not geometry.bad_regions:
        return None
    bad = geometry.bad_pixels()
    mask = np.full(shape, _MISSING, dtype=np.uint32)
    for tile, (rows, columns) in enumerate(detector.tile_shapes):
        mask[tile, :rows, :columns] = np.where(bad[detector.tile_slice(tile)], _BAD, 0)
    return mask


def _write_mask(group: h5py.Group, mask: npt.NDArray[np.uint32]) -> None:
    chunks = tuple(min(n, _MASK_CHUNK) for n in mask.shape[-2:])
    if mask.ndim == 3:
        chunks = (1, *chunks)
    group.create_dataset("mask", data=mask, chunks=chunks, compression="gzip")
    if mask.ndim == 3:
        group["mask"].attrs["axes"] = "module_identifier:y:x"
