"""Writing assembled images to ``.npy`` and HDF5 files, a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib._version import __version__
from geomlib.assembly import AssembledImage
from geomlib.atomic import replacing
from geomlib.data.nexus import make_group, write_versions
from geomlib.detector import IntArray
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

if TYPE_CHECKING:
    import h5py

NDArray = npt.NDArray[Any]
# Packages whose version may matter to the pixels of an image.
_PACKAGES = ("numpy", "h5py", "numba")


class Origin(NamedTuple):
    """What images were made of, to be kept in their file.

    Attributes
    ----------
    data : str
        The file or folder of the frames.
    dataset : str
        What was found in it.
    reduce : str, optional
        How frames were reduced to one image.
    command : str, optional
        The command line that made the images.
    frames, train_ids, pulse_ids : ndarray of int, optional
        Of each frame: its number in the data, train and pulse.
    """

    data: str
    dataset: str
    reduce: str | None = None
    command: str | None = None
    frames: IntArray | None = None
    train_ids: IntArray | None = None
    pulse_ids: IntArray | None = None


def write_npy(
    path: str | PathLike[str], images: Iterable[AssembledImage], n_frames: int | None
) -> tuple[int, ...]:
    """Write images to a ``.npy`` file.

    Parameters
    ----------
    path : str or path-like
        The file; an older one of that name is replaced when the new one is complete.
    images : iterable of AssembledImage
        Each of shape (n, y, x), or a single one of shape (y, x).
    n_frames : int, optional
        How many frames there are in all; None for a single image without that axis.

    Returns
    -------
    tuple of int
        Shape of the array written: (n_frames, y, x) or (y, x).
    """
    first, rest = _peek(images)
    shape = _shape(first, n_frames)
    header = np.lib.format.header_data_from_array_1_0(first.data) | {
        "shape": shape,
        "fortran_order": False,
    }
    # Not a memory map: its pages count as memory of this process, on clusters with a limit too.
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for image in rest:
            np.ascontiguousarray(image.data).tofile(file)
    return shape


def write_hdf5(
    path: str | PathLike[str],
    images: Iterable[AssembledImage],
    n_frames: int | None,
    origin: Origin,
) -> tuple[int, ...]:
    """Write images to an HDF5 file that viewers of NeXus data (silx, h5web, DAWN) show at once.

    ``/entry/image`` (NXdata) holds the pixels and their axes in metres, ``/entry/geometry`` the
    geometry (tiles, and the text of its file), ``/entry/process`` what made them.

    Parameters
    ----------
    path, images, n_frames
        As for `write_npy`.
    origin : Origin
        What the images were made of.

    Returns
    -------
    tuple of int
        Shape of the dataset: (n_frames, y, x) or (y, x).
    """
    import h5py

    first, rest = _peek(images)
    shape = _shape(first, n_frames)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry"})
        entry = make_group(file, "entry", "NXentry", default="image")
        data = make_group(entry, "image", "NXdata", signal="data")
        _write_pixels(data, rest, shape, first.data.dtype)
        write_axes(data, first, n_frames, origin)
        write_geometry(entry, first.geometry)
        _write_process(entry, first, origin)
    return shape


def _peek(images: Iterable[AssembledImage]) -> tuple[AssembledImage, Iterator[AssembledImage]]:
    iterator = iter(images)
    first = next(iterator, None)
    if first is None:
        raise GeometryError("there are no images to write")

    def rest() -> Iterator[AssembledImage]:
        yield first
        yield from iterator

    return first, rest()


def _shape(first: AssembledImage, n_frames: int | None) -> tuple[int, ...]:
    return first.shape[-2:] if n_frames is None else (n_frames, *first.shape[-2:])


def _write_pixels(
    data: h5py.Group, images: Iterable[AssembledImage], shape: tuple[int, ...], dtype: Any
) -> None:
    stack = len(shape) == 3
    pixels = data.create_dataset("data", shape, dtype, chunks=(1, *shape[1:]) if stack else None)
    pixels.attrs["interpretation"] = "image"
    start = 0
    for image in images:
        if not stack:
            pixels[...] = image.data.reshape(shape)
            return
        pixels[start : start + len(image.data)] = image.data
        start += len(image.data)


def write_axes(
    data: h5py.Group, image: AssembledImage, n_frames: int | None, origin: Origin
) -> None:
    """Write the axes of images, in metres, and the numbers of frames."""
    n_y, n_x = image.shape[-2:]
    for name, size, centre, pitch in zip(
        ("y", "x"), (n_y, n_x), image.centre, image.pixel_size, strict=True
    ):
        data[name] = (np.arange(size) + 0.5 - float(centre)) * pitch
        data[name].attrs["units"] = "m"
    data["x"].attrs["long_name"] = "x (m), to the left looking along the beam"
    data["y"].attrs["long_name"] = "y (m), up"
    axes = ["y", "x"]
    if n_frames is not None:
        axes.insert(0, "frame")
        data["frame"] = np.arange(n_frames) if origin.frames is None else origin.frames
        for name, values in (("train_id", origin.train_ids), ("pulse_id", origin.pulse_ids)):
            if values is not None:
                data[name] = values
    data.attrs["axes"] = axes
    data["centre"] = np.asarray(image.centre, dtype=np.float64)
    data["centre"].attrs["description"] = "the beam as (y, x), in pixels from the outer corner"
    data["pixel_size"] = np.array(image.pixel_size)
    data["pixel_size"].attrs.update({"units": "m", "description": "along y and x"})


def write_geometry(entry: h5py.Group, geometry: Geometry) -> None:
    """Write a geometry: its tiles, and the text of its file."""
    group = make_group(entry, "geometry", "NXcollection")
    group["detector"] = geometry.detector.name
    group["data_shape"] = np.array(geometry.data_shape)
    group["tile_bounds"] = geometry.detector.tile_bounds
    for name in ("tile_corners", "tile_ss", "tile_fs"):
        group[name] = getattr(geometry, name)
        group[name].attrs["units"] = "m"
    for name, units in (("distance", "m"), ("photon_energy", "eV")):
        value = getattr(geometry, name)
        if value is not None:
            group[name] = value
            group[name].attrs["units"] = units
    source = geometry.source
    if source is not None:
        group["format"] = source.format
        if source.path is not None:
            group["file_name"] = source.path
        if source.text is not None:
            # Bytes as they are: geometry files come in any encoding.
            group["text"] = np.bytes_(source.text)


def _write_process(entry: h5py.Group, image: AssembledImage, origin: Origin) -> None:
    group = make_group(entry, "process", "NXprocess")
    group["program"] = "geomlib"
    group["version"] = __version__
    group["method"] = image.method
    group["data"] = origin.data
    group["dataset"] = origin.dataset
    if origin.reduce is not None:
        group["reduce"] = origin.reduce
        if origin.frames is not None:
            group["frames"] = origin.frames
    if origin.command is not None:
        group["command"] = origin.command
    write_versions(group, *_PACKAGES)
