"""Writing frames in the layout of a European XFEL file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib.atomic import replacing
from geomlib.detector import Detector
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

if TYPE_CHECKING:
    import h5py

# Any date, but always the same: the same frames give the same file.
_DATE = b"20260101T000000Z"
_FIRST_PULSE_NS = 1_767_225_600 * 10**9


class _Layout(NamedTuple):
    """Where the files of one kind of detector have their images.

    ``source`` is filled with the label of the module; a source without such a place holds the
    whole detector. ``gains`` is the number of gain stages of raw data, 0 where there is no axis.
    """

    source: str
    group: str
    key: str
    gains: int = 0
    cells: bool = False


_LAYOUTS = {
    "AGIPD-1M": _Layout("SPB_DET_AGIPD1M-1/DET/{}CH0:xtdf", "image", "data", 2),
    "AGIPD-500K": _Layout("HED_DET_AGIPD500K2G/DET/{}CH0:xtdf", "image", "data", 2),
    "LPD-1M": _Layout("FXE_DET_LPD1M-1/DET/{}CH0:xtdf", "image", "data", 1),
    "DSSC-1M": _Layout("SCS_DET_DSSC1M-1/DET/{}CH0:xtdf", "image", "data", 1),
    "JUNGFRAU-500K": _Layout(
        "HED_IA1_JF500K1/DET/JNGFR{:02d}:daqOutput", "data", "adc", cells=True
    ),
    "JUNGFRAU-1M": _Layout("FXE_XAD_JF1M/DET/JNGFR{:02d}:daqOutput", "data", "adc", cells=True),
    "JUNGFRAU-4M": _Layout("SPB_IRDA_JF4M/DET/JNGFR{:02d}:daqOutput", "data", "adc", cells=True),
    "ePix100": _Layout("HED_IA1_EPX100-1/DET/RECEIVER:daqOutput", "data", "image/pixels"),
    "ePix10K": _Layout("HED_IA1_EPIX10K-1/DET/RECEIVER:daqOutput", "data", "image/pixels"),
    "pnCCD": _Layout("SQS_NQS_PNCCD1MP/CAL/PNCCD_FMT-0:output", "data", "image"),
}


def write_euxfel_file(
    path: str | PathLike[str],
    frames: npt.NDArray[Any],
    detector: Detector | Geometry,
    *,
    missing_modules: Sequence[int] = (),
    frames_per_train: int | None = None,
    first_train: int = 2_000_000_000,
    raw: bool = False,
) -> None:
    """Write frames in the layout of a European XFEL file, all modules in one file.

    Parameters
    ----------
    path : str or path-like
        The file; an older one of that name is replaced when the new one is complete.
    frames : ndarray, shape (frames, modules, ss, fs)
        The data.
    detector : Detector or Geometry
        Which detector it is.
    missing_modules : sequence of int
        Modules to leave out.
    frames_per_train : int, optional
        Default: all frames are one train. ePix and pnCCD have one frame a train.
    first_train : int
        Number of the first train.
    raw : bool
        As raw data, with their axes of gain stages (AGIPD, LPD, DSSC); default corrected data.

    Raises
    ------
    GeometryError
        If the detector is none that European XFEL has, or the frames do not fit.
    GeometryFileError
        If the file cannot be written.
    """
    import h5py

    if isinstance(detector, Geometry):
        detector = detector.detector
    layout = _LAYOUTS.get(detector.name)
    if layout is None:
        raise GeometryError(
            f"{detector.name} has no layout at European XFEL; there are {', '.join(_LAYOUTS)}"
        )
    if frames.ndim != 4 or frames.shape[1:] != detector.data_shape or not len(frames):
        raise GeometryError(
            f"frames must have shape (frames, {', '.join(map(str, detector.data_shape))}), "
            f"not {frames.shape}"
        )
    per_train = _frames_per_train(layout, len(frames), frames_per_train)
    trains = first_train + np.arange(len(frames) // per_train, dtype=np.uint64)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        sources = list(_sources(layout, detector, missing_modules))
        _write_metadata(file, [f"{source}/{layout.group}" for source, _ in sources])
        _write_train_index(file, trains)
        for source, modules in sources:
            data = _as_stored(frames[:, modules], layout, detector, per_train, raw)
            _write_source(file, source, layout, data, trains, per_train, raw)


def _frames_per_train(layout: _Layout, n_frames: int, wanted: int | None) -> int:
    single = layout.group == "data" and not layout.cells
    per_train = wanted or (1 if single else n_frames)
    if n_frames % per_train or (single and per_train != 1):
        raise GeometryError(
            f"frames_per_train={per_train} does not fit {n_frames} frames"
            + (" of a detector that gives one frame a train" if single else "")
        )
    return per_train


def _sources(
    layout: _Layout, detector: Detector, missing: Sequence[int]
) -> Iterator[tuple[str, slice]]:
    if "{" not in layout.source:
        yield layout.source, slice(0, detector.n_modules)
        return
    for module in range(detector.n_modules):
        if module not in missing:
            label = module + detector.first_module_label
            yield layout.source.format(label), slice(module, module + 1)


def _as_stored(
    frames: npt.NDArray[Any], layout: _Layout, detector: Detector, per_train: int, raw: bool
) -> npt.NDArray[Any]:
    """Give (frames, modules, ss, fs) of one source the axes that its dataset has."""
    n, modules, ss, fs = frames.shape
    data = frames.reshape(n, modules * ss, fs)
    if layout.cells:
        return data.reshape(n // per_train, per_train, ss, fs)
    if raw and layout.gains:
        stages = np.zeros((n, layout.gains, ss, fs), dtype=data.dtype)
        stages[:, 0] = data
        return stages
    if raw and detector.calibration_rows:
        rows = detector.calibration_rows
        return np.pad(data, ((0, 0), (rows, rows), (0, 0)))
    return data


def _write_metadata(file: h5py.File, sources: Sequence[str]) -> None:
    metadata = file.create_group("METADATA")
    table = metadata.create_group("dataSources")
    names = [f"INSTRUMENT/{source}" for source in sources]
    table["dataSourceId"] = np.array([name.encode() for name in names])
    table["root"] = np.array([b"INSTRUMENT"] * len(names))
    table["deviceId"] = np.array([source.encode() for source in sources])
    for name in ("creationDate", "updateDate"):
        metadata[name] = np.array([_DATE])
    metadata["dataFormatVersion"] = np.array([b"1.0"])
    metadata["daqLibrary"] = np.array([b"none: simulated by geomlib"])
    metadata["karaboFramework"] = np.array([b"none: simulated by geomlib"])
    metadata["sample"] = np.array([b"simulated powder"])
    metadata["runType"] = np.array([b"simulated"])
    for name in ("proposalNumber", "runNumber", "sequenceNumber"):
        metadata[name] = np.zeros(1, dtype=np.uint32)
    for name in ("CONTROL", "RUN"):
        file.create_group(name)


def _write_train_index(file: h5py.File, trains: npt.NDArray[np.uint64]) -> None:
    index = file.create_group("INDEX")
    index["trainId"] = trains
    index["flag"] = np.ones(len(trains), dtype=np.int32)
    # Trains come ten times a second.
    index["timestamp"] = _FIRST_PULSE_NS + 10**8 * np.arange(len(trains), dtype=np.uint64)


def _write_source(
    file: h5py.File,
    source: str,
    layout: _Layout,
    data: npt.NDArray[Any],
    trains: npt.NDArray[np.uint64],
    per_train: int,
    raw: bool,
) -> None:
    n_trains, n_rows = len(trains), len(data)
    rows_per_train = n_rows // n_trains
    index = file.create_group(f"INDEX/{source}/{layout.group}")
    index["first"] = rows_per_train * np.arange(n_trains, dtype=np.uint64)
    index["count"] = np.full(n_trains, rows_per_train, dtype=np.uint64)
    group = file.create_group(f"INSTRUMENT/{source}/{layout.group}")
    chunk = (1,) * (data.ndim - 2) + data.shape[-2:]
    group.create_dataset(layout.key, data=data, chunks=chunk)
    cells = np.arange(per_train)
    if layout.group == "data":
        group["trainId"] = trains
        if layout.cells:
            group["memoryCell"] = np.tile(cells.astype(np.uint8), (n_trains, 1))
            group["frameNumber"] = np.arange(n_rows * per_train, dtype=np.uint64).reshape(
                n_trains, per_train
            )
        return
    # Raw files keep an axis of length 1 behind each number.
    column = (-1, 1) if raw else (-1,)
    group["trainId"] = np.repeat(trains, per_train).reshape(column)
    group["pulseId"] = np.tile(cells.astype(np.uint64), n_trains).reshape(column)
    group["cellId"] = np.tile(cells.astype(np.uint16), n_trains).reshape(column)
    size = int(np.prod(data.shape[1:])) * data.itemsize
    group["length"] = np.full(n_rows, size, dtype=np.uint32).reshape(column)
    group["status"] = np.zeros(n_rows, dtype=np.uint16).reshape(column)
