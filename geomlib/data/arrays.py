"""Stacks in ``.npy`` and ``.npz`` files, and in single datasets of HDF5 and CXI files."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.data.axes import Axes, whole_detector_axes
from geomlib.data.beside import frame_ids
from geomlib.data.hdf5 import get_dataset, image_datasets, list_datasets, open_hdf5
from geomlib.data.stack import FrameStack, Part, Segment
from geomlib.data.virtual import unmapped
from geomlib.detector import Detector
from geomlib.errors import GeometryFileError

# What numpy and zipfile raise for files that are damaged, or made to do harm.
_DAMAGED = (
    ValueError,
    OSError,
    EOFError,
    OverflowError,
    RuntimeError,  # also NotImplementedError: a compression that nobody knows
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)

#: Ends of the paths of what belongs to frames.
_BESIDE = ("/mask", "/gain")
#: Where CXI files have their images.
CXI_PATHS = ("/entry_1/instrument_1/detector_1/data", "/entry_1/data_1/data")


def open_npy(path: Path, detector: Detector) -> FrameStack:
    """Open a ``.npy`` file, memory-mapped."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGED as error:
        raise GeometryFileError(f"no readable .npy file: {error}", path=path) from error
    axes = _fit(path, None, array.shape, array.dtype, detector)
    return _stack(path, path.name, array.dtype, detector, Segment(path, None, axes))


def open_npz(path: Path, detector: Detector, name: str | None) -> FrameStack:
    """Open one array of a ``.npz`` file, which is read into memory."""
    try:
        headers = npz_headers(path)
    except _DAMAGED as error:
        raise GeometryFileError(f"no readable .npz file: {error}", path=path) from error
    if name is None:
        fitting = [
            key for key, (shape, _) in headers.items() if whole_detector_axes(shape, detector)
        ]
        chosen = fitting or list(headers)
        if len(chosen) != 1:
            raise GeometryFileError(
                f"it holds the arrays {', '.join(map(repr, headers)) or 'none'}; say which with "
                "dataset=… (--dataset)",
                path=path,
            )
        name = chosen[0]
    elif name not in headers:
        raise GeometryFileError(
            f"no array {name!r}; it holds {', '.join(map(repr, headers))}", path=path
        )
    shape, dtype = headers[name]
    axes = _fit(path, name, shape, dtype, detector)
    try:
        with np.load(path, allow_pickle=False) as file:
            array = file[name]
    except _DAMAGED as error:
        raise GeometryFileError(f"cannot be read: {error}", path=path, key=name) from error
    return _stack(path, name, dtype, detector, Segment(path, None, axes, array))


def npz_headers(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and dtype of each array of a ``.npz`` file, without reading the arrays.

    Raises
    ------
    ValueError
        If an array claims to be larger than the archive says it is.
    """
    headers = {}
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if not entry.filename.endswith(".npy"):
                continue
            with archive.open(entry) as member:
                version = np.lib.format.read_magic(member)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = read(member)
            size = dtype.itemsize
            for n in shape:
                size *= n
            if size > entry.file_size:
                raise ValueError(f"{entry.filename} claims {size} bytes but has {entry.file_size}")
            headers[entry.filename.removesuffix(".npy")] = (shape, dtype)
    return headers


def open_dataset(
    path: Path, detector: Detector, name: str | None, hint: str | None = None
) -> FrameStack:
    """Open one dataset of an HDF5 or CXI file.

    Parameters
    ----------
    path : Path
        The file.
    detector : Detector
        What the frames must fit.
    name : str, optional
        Path of the dataset; default: the `hint` if it exists, else where CXI files have their
        images, else the only dataset that fits.
    hint : str, optional
        Where the geometry says that the data lie.

    Raises
    ------
    GeometryFileError
        If there is no such dataset, or none or several that fit; the message lists what there is.
    """
    with open_hdf5(path) as file:
        if name is None:
            name = _find(file, path, detector, hint)
        dataset = get_dataset(file, name)
        if dataset is None:
            raise GeometryFileError(
                f"no dataset of that name; {list_datasets(image_datasets(file))}",
                path=path,
                key=name,
            )
        axes = _fit(path, name, dataset.shape or (), dataset.dtype, detector)
        stack = _stack(path, name, dataset.dtype, detector, Segment(path, name, axes))
        ids: dict[str, Any] = dict(frame_ids(file, name, stack.n_frames))
        return replace(stack, gaps=unmapped(dataset, path, stack.shape[:2]), **ids)


def _find(file: Any, path: Path, detector: Detector, hint: str | None) -> str:
    for name in (hint, *CXI_PATHS):
        if name is None or "%" in name:
            continue
        dataset = get_dataset(file, name)
        if dataset is not None and dataset.shape is not None:
            return name
    found = image_datasets(file)
    fitting = [item for item in found if whole_detector_axes(item[1], detector)]
    # What lies beside frames is not taken for them.
    fitting = [item for item in fitting if not item[0].endswith(_BESIDE)] or fitting
    if len(fitting) == 1:
        return fitting[0][0]
    if fitting:
        names = ", ".join(item[0] for item in fitting)
        raise GeometryFileError(
            f"several datasets fit {detector.name}: {names}; say which with dataset=… (--dataset)",
            path=path,
        )
    raise GeometryFileError(
        f"no detector data that fits {detector.name}, {_expected(detector)}; "
        f"{list_datasets(found)}",
        path=path,
    )


def _fit(
    path: Path, name: str | None, shape: Sequence[int], dtype: np.dtype[Any], detector: Detector
) -> Axes:
    if dtype.kind not in "uifb":
        raise GeometryFileError(f"holds {dtype}, not numbers", path=path, key=name)
    axes = whole_detector_axes(shape, detector)
    if axes is None:
        raise GeometryFileError(
            f"shape {tuple(shape)} does not fit {detector.name}, {_expected(detector)}",
            path=path,
            key=name,
        )
    if axes.n_frames == 0:
        raise GeometryFileError(f"shape {tuple(shape)}: it holds no frames", path=path, key=name)
    return axes


def _expected(detector: Detector) -> str:
    modules, ss, fs = detector.data_shape
    stacked = f"(frames, {modules * ss}, {fs})"
    each = f"(frames, {modules}, {ss}, {fs})"
    return f"which needs {stacked}" if modules == 1 else f"which needs {each} or {stacked}"


def _stack(
    path: Path, name: str, dtype: npt.DTypeLike, detector: Detector, segment: Segment
) -> FrameStack:
    return FrameStack(
        str(path),
        name,
        (segment.axes.n_frames, *detector.data_shape),
        np.dtype(dtype).newbyteorder("="),
        (Part(slice(0, detector.n_modules), (segment,)),),
    )
