"""`open_frames`: recognise by content what a file of detector data is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

from geomlib import checks
from geomlib.data.arrays import open_dataset, open_npy, open_npz
from geomlib.data.euxfel import Stage, is_euxfel, open_euxfel
from geomlib.data.hdf5 import get_dataset, open_hdf5
from geomlib.data.stack import FrameStack
from geomlib.detector import Detector
from geomlib.errors import GeometryError, GeometryFileError, system_error
from geomlib.geometry import Geometry

StrPath = str | os.PathLike[str]


def open_frames(
    path: StrPath | Sequence[StrPath],
    geometry: Geometry | Detector,
    *,
    dataset: str | None = None,
    stage: Stage | None = None,
) -> FrameStack:
    """Open detector data in files. No pixel is read yet, except from a ``.npz`` file.

    Parameters
    ----------
    path : str or path-like, or a sequence of them
        A European XFEL HDF5 file, several of one run, or the folder of a run; a CXI file or any
        other HDF5 file with a stack; a ``.npy`` or ``.npz`` file.
    geometry : Geometry or Detector
        What the data belong to: says how the axes are to be understood.
    dataset : str, optional
        Path of the dataset in an HDF5 file, or name of the array in a ``.npz`` file, where it is
        not obvious. In European XFEL files also a key, such as ``"image/gain"``, or the name of
        a detector where there are several.
    stage : {"raw", "proc"}, optional
        Of a European XFEL run take raw, or corrected data; default: corrected where there is any.

    Returns
    -------
    FrameStack

    Raises
    ------
    GeometryFileError
        If a file cannot be read, or holds nothing that fits; the message lists what it holds.
    GeometryError
        If `geometry` is something else.
    """
    if not isinstance(geometry, Geometry | Detector):
        raise GeometryError(
            f"geometry must be a Geometry or a Detector, not {type(geometry).__name__}: it says "
            "how the axes of the data are to be understood"
        )
    hint = geometry.data_path if isinstance(geometry, Geometry) else None
    detector = geometry.detector if isinstance(geometry, Geometry) else geometry
    one = isinstance(path, str | os.PathLike) or not isinstance(path, Sequence)
    items: Sequence[object] = [path] if one else cast("Sequence[object]", path)
    given = [checks.path("path", item) for item in items]
    if stage not in (None, "raw", "proc"):
        raise GeometryError(f"stage must be 'raw' or 'proc', not {checks.shown(stage)}")
    paths = _each_once(file for item in given for file in run_files(item, stage))
    if len(paths) != 1 or Path(given[0]).is_dir():
        return open_euxfel(_run_files(paths, given), detector, dataset, stage)
    only = paths[0]
    kind = file_kind(only)
    if kind == "npy":
        return open_npy(only, detector)
    if kind == "npz":
        return open_npz(only, detector, dataset)
    with open_hdf5(only) as file:
        is_run = is_euxfel(file) and not (dataset and get_dataset(file, dataset))
    if is_run:
        return open_euxfel(paths, detector, dataset, stage)
    return open_dataset(only, detector, dataset, hint)


def run_files(path: Path, stage: Stage | None = None) -> list[Path]:
    """Return the file itself, or the HDF5 files in a folder.

    Raises
    ------
    GeometryFileError
        If there are none in it.
    """
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.h5"))
    if not files:
        raise GeometryFileError("a folder without .h5 files", path=path)
    # Corrected and raw files of a run have the same trains: the corrected ones count.
    corrected = [file for file in files if file.name.startswith("CORR-")]
    if stage == "raw":
        return [file for file in files if file not in corrected] or files
    return corrected or files


def _each_once(paths: Iterable[Path]) -> list[Path]:
    """Leave out files that were there before, by whatever path."""
    return list({os.path.realpath(path): path for path in reversed(list(paths))}.values())[::-1]


def _run_files(paths: Sequence[Path], given: Sequence[StrPath]) -> list[Path]:
    found = []
    for path in paths:
        if file_kind(path) != "hdf5":
            raise GeometryFileError(
                "no HDF5 file; several files together must be the files of one run", path=path
            )
        with open_hdf5(path) as file:
            if is_euxfel(file):
                found.append(path)
    if not found:
        raise GeometryFileError(
            f"{len(paths)} files, none of which has the layout of a European XFEL file; "
            "give a single file",
            path=given[0] if given else None,
        )
    return found


def file_kind(path: Path) -> str:
    """Recognise a file by its first bytes: ``"hdf5"``, ``"npy"`` or ``"npz"``.

    Raises
    ------
    GeometryFileError
        If it is none of these, or cannot be read.
    """
    try:
        kind = _kind_by_content(path)
    except OSError as error:
        raise system_error(error, path, "read") from error
    if kind is None and not path.stat().st_size:
        raise GeometryFileError("is empty: 0 bytes", path=path)
    if kind is None:
        raise GeometryFileError("neither HDF5 (.h5, .cxi, .nxs) nor .npy nor .npz", path=path)
    return kind


def _kind_by_content(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(8)
        if start.startswith(b"\x93NUMPY"):
            return "npy"
        if start.startswith(b"PK\x03\x04"):
            return "npz"
        # An HDF5 file may begin with a block of the user's: 512 bytes, or 1024, 2048 ….
        offset = 0
        while start:
            if start == b"\x89HDF\r\n\x1a\n":
                return "hdf5"
            offset = max(512, 2 * offset)
            file.seek(offset)
            start = file.read(8)
    return None
