"""Virtual datasets: which modules of which frames there is anything of behind them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.errors import GeometryFileError, warn

#: Pieces of a virtual dataset that are looked at: 16 modules of a thousand files of a long run, and
#: many times more.
MAX_PIECES = 1_000_000
#: Files named in a warning.
_LISTED = 3


def unmapped(dataset: Any, path: Path, shape: tuple[int, int]) -> npt.NDArray[np.bool_] | None:
    """Tell which modules of which frames of a virtual dataset no file stands behind.

    HDF5 reads fill values there without a word, also where a file has been moved.

    Parameters
    ----------
    dataset : h5py.Dataset
        Of shape (frames, modules, …).
    path : Path
        Of its file.
    shape : (int, int)
        Frames and modules.

    Returns
    -------
    ndarray of bool, shape (frames, modules), or None
        None if it is no virtual dataset, or nothing is missing.

    Raises
    ------
    GeometryFileError
        If none of the files is there.
    """
    if not dataset.is_virtual or dataset.shape[:2] != shape:
        return None
    gaps = np.ones(shape, dtype=np.bool_)
    lost, n_files = lost_files(dataset, path)
    for piece in islice(dataset.virtual_sources(), MAX_PIECES):
        if piece.file_name not in lost:
            low, high = piece.vspace.get_select_bounds()
            gaps[low[0] : high[0] + 1, low[1] : high[1] + 1] = False
    if lost and len(lost) == n_files:
        raise GeometryFileError(
            f"none of the {n_files} files behind this virtual dataset is there: {lost[0]} first",
            path=path,
            key=dataset.name,
        )
    if lost:
        more = f" and {len(lost) - _LISTED} more" if len(lost) > _LISTED else ""
        warn(
            f"{path} [{dataset.name}]: {len(lost)} of the {n_files} files behind this virtual "
            f"dataset are not there: {', '.join(lost[:_LISTED])}{more}; their modules are missing"
        )
    return gaps if gaps.any() else None


def lost_files(dataset: Any, path: Path) -> tuple[list[str], int]:
    """Return the files behind a virtual dataset that are not there, and how many there should be.

    Parameters
    ----------
    dataset : h5py.Dataset
        Virtual.
    path : Path
        Of its file.
    """
    names = _names(dataset)
    lost = [name for name in names if name != "." and not (path.parent / name).exists()]
    return lost, len(names)


def files_behind(dataset: Any, path: Path) -> list[Path]:
    """Return the files behind a dataset, whether they are there or not; none if it is plain.

    Parameters
    ----------
    dataset : h5py.Dataset
        Of any kind.
    path : Path
        Of its file.
    """
    if not dataset.is_virtual:
        return []
    return [path.parent / name for name in _names(dataset) if name != "."]


def _names(dataset: Any) -> list[str]:
    pieces = islice(dataset.virtual_sources(), MAX_PIECES)
    return list(dict.fromkeys(piece.file_name for piece in pieces))
