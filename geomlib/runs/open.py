"""`open_run`: a run of a detector, whatever kind of files it is in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from geomlib import checks
from geomlib.data.euxfel import Stage
from geomlib.data.open import file_kind, open_frames, run_files
from geomlib.detector import Detector
from geomlib.errors import GeometryError, GeometryFileError
from geomlib.geometry import Geometry
from geomlib.runs.recognise import named_detectors, recognise_detector
from geomlib.runs.run import Run, make_run

StrPath = str | os.PathLike[str]


def open_run(
    path: StrPath | Sequence[StrPath] | Any,
    detector: Geometry | Detector | str | None = None,
    *,
    source: str | None = None,
    stage: Stage | None = None,
) -> Run:
    """Open a run. No pixel is read yet.

    Parameters
    ----------
    path : str or path-like, a sequence of them, or an object of EXtra-data
        The folder of a European XFEL run, some of its files, a virtual CXI file, any HDF5 file with
        a stack of frames, or a ``.npy`` file. Or what EXtra-data opened: a ``DataCollection``, or a
        detector of ``extra_data.components``; their selection of trains counts.
    detector : Geometry, Detector or str, optional
        What the frames are from, or the name of an example such as ``"AGIPD-1M"``; default:
        recognised by the names of sources, or the shape of the data.
    source : str, optional
        Where there are several: the name of a detector or source, or the beginning of it, or the
        path of a dataset.
    stage : {"raw", "proc"}, optional
        Take raw, or corrected data; default: corrected where there is any.

    Returns
    -------
    Run

    Raises
    ------
    GeometryFileError
        If a file cannot be read, or holds nothing that fits.
    GeometryError
        If an argument is something else.

    Examples
    --------
    >>> run = geomlib.open_run("raw/r0012")                            # doctest: +SKIP
    >>> run.select(trains=slice(10), pulses=slice(0, None, 2)).frames().shape  # doctest: +SKIP
    (320, 16, 512, 128)
    """
    files, trains, name = _of_extra_data(path)
    if files is not None:
        path, source = files, source or name
    one = isinstance(path, str | os.PathLike) or not isinstance(path, Sequence)
    given = [checks.path("path", item) for item in ([path] if one else cast("Any", path))]
    if not given:
        raise GeometryError("path is empty: give a folder or files of a run")
    found = _detector(detector, given, source, stage)
    layout = detector if isinstance(detector, Geometry) else found
    source = source or _source_of(found, given, stage)
    try:
        stack = open_frames(given[0] if one else given, layout, dataset=source, stage=stage)
    except GeometryFileError as problem:
        # The argument has another name here.
        message = problem.message.replace("dataset=… (--dataset)", "source=… (--source)")
        raise GeometryFileError(message, path=problem.path, key=problem.key) from problem
    run = make_run(stack, found)
    if trains is None:
        return run
    # It also counts trains in which the detector has no frame.
    there = np.intersect1d(trains, run.trains)
    return run.select(trains=there if len(there) else trains)


def _detector(
    given: object, paths: Sequence[Path], source: str | None, stage: Stage | None
) -> Detector:
    if isinstance(given, Geometry):
        return given.detector
    if isinstance(given, Detector):
        return given
    if isinstance(given, str):
        from geomlib.detectors import example_geometry

        return example_geometry(given).detector
    if given is not None:
        raise GeometryError(
            f"detector must be a Geometry, a Detector or a name, not {type(given).__name__}"
        )
    files = [file for path in paths for file in run_files(path, stage)]
    if any(file_kind(file) != "hdf5" for file in files):
        raise GeometryError(
            f"{files[0]}: such a file does not tell its detector; give detector=… (--detector)"
        )
    return recognise_detector(files, source)


def _source_of(detector: Detector, paths: Sequence[Path], stage: Stage | None) -> str | None:
    """Return the name of the detector, where files of several tell which of them it is."""
    files = [file for path in paths for file in run_files(path, stage)]
    if len(files) == 1 or any(file_kind(file) != "hdf5" for file in files):
        return None
    known = named_detectors(files)
    fitting = [name for name, found in known.items() if found == detector]
    return fitting[0] if len(known) > 1 and len(fitting) == 1 else None


def _of_extra_data(data: Any) -> tuple[list[str] | None, Any, str | None]:
    """Files, trains and detector of what EXtra-data opened; None for anything else."""
    name = getattr(data, "detector_name", None)
    collection = data.data if name is not None and hasattr(data, "data") else data
    files, trains = getattr(collection, "files", None), getattr(collection, "train_ids", None)
    if not isinstance(files, list) or trains is None:
        return None, None, None
    paths = [getattr(file, "filename", None) for file in files]
    if not paths or not all(isinstance(path, str) for path in paths):
        return None, None, None
    return cast("list[str]", paths), trains, name
