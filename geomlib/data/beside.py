"""What lies beside a dataset of frames: their trains, pulses and cells; masks and gains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from geomlib.data.hdf5 import get_dataset, open_hdf5
from geomlib.data.stack import FrameStack, Part
from geomlib.detector import IntArray
from geomlib.errors import GeometryFileError

#: Names of datasets with a number for each frame: of EXtra-data's virtual CXI files, and of ours.
_IDS = {
    "train_ids": ("trainId", "train_id"),
    "pulse_ids": ("pulseId", "pulse_id", "memoryCell"),
    "cell_ids": ("cellId", "cell_id", "memoryCell"),
}


def frame_ids(file: Any, dataset: str, n_frames: int) -> dict[str, IntArray]:
    """Read the train, pulse and cell of each frame, where the groups above a dataset have them.

    Parameters
    ----------
    file : h5py.File
        Open.
    dataset : str
        Path of the frames.
    n_frames : int
        How many there are.

    Returns
    -------
    dict
        Those of ``train_ids``, ``pulse_ids`` and ``cell_ids`` that were found.
    """
    found = {}
    for kind, names in _IDS.items():
        for folder in PurePosixPath("/", dataset).parents:
            places = (get_dataset(file, str(folder / name)) for name in names)
            values = next((v for v in map(_numbers(n_frames), places) if v is not None), None)
            if values is not None:
                found[kind] = values
                break
    return found


def _numbers(n_frames: int) -> Any:
    def read(dataset: Any) -> IntArray | None:
        if dataset is None or dataset.dtype.kind not in "ui" or dataset.ndim not in (1, 2):
            return None
        if dataset.shape[0] != n_frames or (dataset.ndim == 2 and dataset.shape[1] > 1024):
            return None
        values = np.asarray(dataset[()]).astype(np.int64)
        # One for each module: the same, but 0 for those that are missing.
        return values.max(axis=1, initial=0) if values.ndim == 2 else values

    return read


def open_beside(stack: FrameStack, name: str) -> FrameStack | None:
    """Open what has the same frames, and lies beside the data: ``"mask"``, ``"gain"``.

    Parameters
    ----------
    stack : FrameStack
        The data, in HDF5 files.
    name : str
        Of the dataset.

    Returns
    -------
    FrameStack or None
        None if there is none beside any of the data.

    Raises
    ------
    GeometryFileError
        If only some of the files have it, or it has another shape than the data.
    """
    dtypes: set[np.dtype[Any]] = set()
    lacking = None
    parts = []
    for part in stack.parts:
        segments = []
        for segment in part.segments:
            dtype = _dtype_beside(segment, name)
            if dtype is None:
                lacking = lacking or segment
                continue
            dtypes.add(dtype)
            assert segment.dataset is not None
            place = str(PurePosixPath(segment.dataset).with_name(name))
            segments.append(segment._replace(dataset=place))
        parts.append(Part(part.modules, tuple(segments), part.rows))
    if not dtypes:
        return None
    if lacking is not None:
        raise GeometryFileError(
            f"has no {name!r} beside the data, other files of the run have: leave that file out",
            path=lacking.path,
            key=lacking.dataset,
        )
    return replace(stack, name=name, dtype=np.result_type(*dtypes), parts=tuple(parts))


def _dtype_beside(segment: Any, name: str) -> np.dtype[Any] | None:
    if segment.dataset is None:
        return None
    place = str(PurePosixPath(segment.dataset).with_name(name))
    with open_hdf5(segment.path) as file:
        found, data = get_dataset(file, place), get_dataset(file, segment.dataset)
        if found is None or data is None:
            return None
        if found.shape != data.shape or found.dtype.kind not in "uifb":
            raise GeometryFileError(
                f"{found.dtype} of shape {found.shape}; the data beside it has shape {data.shape}",
                path=segment.path,
                key=place,
            )
        dtype: np.dtype[Any] = found.dtype.newbyteorder("=")
        return dtype


def datasets_of(stack: FrameStack) -> Iterator[tuple[Path, str]]:
    """Yield the datasets in HDF5 files that hold the frames: file and path, each once."""
    segments = (segment for part in stack.parts for segment in part.segments)
    pairs = {(s.path, s.dataset) for s in segments if s.dataset is not None}
    yield from sorted(pairs)


def files_of(stack: FrameStack) -> Iterator[Any]:
    """Yield the paths of the files that hold the frames, each once, in order."""
    yield from sorted({segment.path for part in stack.parts for segment in part.segments})
