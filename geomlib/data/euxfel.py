"""European XFEL files: one run in one file, or in a file for each module and sequence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from geomlib.data.axes import Axes, module_axes
from geomlib.data.hdf5 import get_dataset, image_datasets, is_image, list_datasets, open_hdf5
from geomlib.data.matching import Entries, match_entries
from geomlib.data.stack import FrameStack, Part, Segment
from geomlib.detector import Detector, IntArray
from geomlib.errors import GeometryFileError, warn

#: Where sources have their images, below ``INSTRUMENT/<source>``: AGIPD, LPD and DSSC; JUNGFRAU;
#: ePix; pnCCD.
IMAGE_KEYS = ("image/data", "data/adc", "data/image/pixels", "data/image")

Stage = Literal["raw", "proc"]

#: More entries than a file of any real run has; what claims more is refused, not allocated.
MAX_ENTRIES = 50_000_000

# Sources that belong together differ in a number: …/0CH0:xtdf, …/JNGFR01:daqOutput,
# …/MODULE_1:daqOutput, …/RECEIVER-1:daqOutput; …/RECEIVER:daqOutput stands alone.
_MEMBER = re.compile(r"(?P<prefix>[A-Za-z_-]*)(?P<number>\d{1,4})(?P<rest>CH\d+)?\Z")


class _Found(NamedTuple):
    """A dataset of one source in one file."""

    path: Path
    source: str
    dataset: str
    axes: Axes
    dtype: np.dtype[Any]
    detector: str
    stage: str
    channel: str
    number: int | None

    @property
    def group(self) -> tuple[str, str]:
        return self.detector, self.channel

    @property
    def is_raw(self) -> bool:
        # Older corrected data has the source names of raw data, in files of another name.
        corrected = self.stage == "CORR" or self.path.name.startswith("CORR-")
        return not corrected and self.dtype.kind in "ui"


def is_euxfel(file: Any) -> bool:
    """Tell whether an open HDF5 file has the layout of a European XFEL file."""
    return "INSTRUMENT" in file and "INDEX" in file


def image_sources(file: Any) -> Iterator[tuple[str, int | None]]:
    """Yield the sources of an open European XFEL file that have images, and their module labels."""
    for name, group in _groups(file.get("INSTRUMENT"), "", 4):
        if any(is_image(d) for d in (get_dataset(group, key) for key in IMAGE_KEYS) if d):
            member = _MEMBER.match(name.partition(":")[0].rpartition("/")[2])
            yield name, int(member["number"]) if member else None


def open_euxfel(
    paths: Sequence[Path], detector: Detector, dataset: str | None, stage: Stage | None = None
) -> FrameStack:
    """Open the frames of a detector in the files of one run.

    Parameters
    ----------
    paths : sequence of Path
        Files with an ``INSTRUMENT`` group.
    detector : Detector
        What the frames must fit.
    dataset : str, optional
        Where several detectors fit: the name of one, or the beginning of it, or of a source
        (``"HED_IA1_JF500K1/DET/JNGFR03"``). Or another key than that of the images, such as
        ``"image/gain"``.
    stage : {"raw", "proc"}, optional
        Take only raw, or only corrected data.

    Returns
    -------
    FrameStack
        Corrected data (``CORR`` sources) rather than raw data where there are both.

    Raises
    ------
    GeometryFileError
        If no or more than one detector fits.
    """
    found = [item for path in paths for item in _sources(path, IMAGE_KEYS, detector)]
    if dataset:
        wanted = dataset.strip("/")
        found = [item for item in found if item.source.startswith(wanted)] or [
            item for path in paths for item in _sources(path, (wanted,), detector)
        ]
    if stage is not None:
        found = [item for item in found if item.is_raw == (stage == "raw")]
    if not found:
        raise _nothing_fits(paths, detector, dataset, stage)
    groups = sorted({item.group for item in found})
    if len(groups) > 1:
        names = ", ".join(f"{name} ({channel})" for name, channel in groups)
        raise GeometryFileError(
            f"several detectors fit {detector.name}: {names}; name one with dataset=… (--dataset)",
            path=paths[0],
        )
    if any(item.stage == "CORR" for item in found):
        found = [item for item in found if item.stage == "CORR"]
    return _combine(paths, found, detector)


def _sources(path: Path, keys: Sequence[str], detector: Detector) -> Iterator[_Found]:
    with open_hdf5(path) as file:
        instrument = file.get("INSTRUMENT")
        for name, group in _groups(instrument, "", 4):
            for key in keys:
                dataset = get_dataset(group, key)
                if dataset is None or not is_image(dataset):
                    continue
                axes = module_axes(dataset.shape, detector, gain=key.startswith("image/"))
                if axes is not None:
                    yield _describe(path, name, key, axes, dataset.dtype)
                    break


def _groups(group: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Find the sources below a group: names with a colon, at most so deep."""
    if depth == 0 or not hasattr(group, "keys"):
        return
    for key in list(group)[:1000]:
        path = f"{name}/{key}" if name else key
        try:
            # A source may be linked (from its older name), a folder may not: no endless loops.
            child = group.get(key) if ":" in key or _is_hard_link(group, key) else None
        except (KeyError, OSError, RuntimeError):
            continue
        if ":" in key and child is not None:
            yield path, child
        else:
            yield from _groups(child, path, depth - 1)


def _is_hard_link(group: Any, key: str) -> bool:
    import h5py

    return isinstance(group.get(key, getlink=True), h5py.HardLink)


def _describe(path: Path, source: str, key: str, axes: Axes, dtype: np.dtype[Any]) -> _Found:
    device, _, channel = source.partition(":")
    parent, _, member = device.rpartition("/")
    name, _, stage = parent.rpartition("/")
    match = _MEMBER.match(member)
    number = int(match["number"]) if match else None
    # The correction renames the channel, and nothing else, besides the stage.
    channel = key if stage in ("DET", "CORR") else f"{channel}/{key}"
    full = f"/INSTRUMENT/{source}/{key}"
    return _Found(path, source, full, axes, dtype, name or device, stage, channel, number)


def _nothing_fits(
    paths: Sequence[Path], detector: Detector, dataset: str | None, stage: Stage | None
) -> GeometryFileError:
    modules, ss, fs = detector.data_shape
    with open_hdf5(paths[0]) as file:
        listed = list_datasets(image_datasets(file))
    where = f" under {dataset!r}" if dataset else ""
    kind = "" if stage is None else {"raw": "raw ", "proc": "corrected "}[stage]
    others = f" (nor do {len(paths) - 1} other files)" if len(paths) > 1 else ""
    return GeometryFileError(
        f"no {kind}data{where} that fit {detector.name}, whose {modules} modules have {ss} × {fs} "
        f"pixels; {listed}{others}",
        path=paths[0],
    )


def _combine(paths: Sequence[Path], found: Sequence[_Found], detector: Detector) -> FrameStack:
    modules = _module_numbers(found, detector)
    by_module: dict[int, list[_Found]] = {}
    for item, module in zip(found, modules, strict=True):
        by_module.setdefault(module, []).append(item)
    entries, pieces = [], []
    for module, items in sorted(by_module.items()):
        items.sort(key=lambda item: (item.path.name, item.dataset))
        read = [_read_entries(item) for item in items]
        _check_apart(items, read)
        entries.append(Entries.joined(read))
        held = slice(module, module + items[0].axes.modules)
        pieces.append((held, tuple(Segment(i.path, i.dataset, i.axes) for i in items)))
    matched = match_entries(entries)
    if not len(matched.train):
        raise GeometryFileError(f"{found[0].detector}: there are no frames", path=paths[0])
    numbers = np.arange(len(matched.train))
    # Long runs have millions of frames: what is plain takes no memory.
    rows = (None if np.array_equal(own, numbers) else own for own in matched.rows)
    parts = tuple(Part(*piece, own) for piece, own in zip(pieces, rows, strict=True))
    dtype = np.result_type(*{item.dtype.newbyteorder("=") for item in found})
    path = paths[0] if len(paths) == 1 else paths[0].parent
    return FrameStack(
        str(path),
        found[0].detector,
        (len(matched.train), *detector.data_shape),
        dtype,
        parts,
        matched.train,
        matched.pulse,
        matched.cell,
    )


def _check_apart(items: Sequence[_Found], entries: Sequence[Entries]) -> None:
    """Refuse frames that are in two files: they would count twice."""
    seen: dict[int, int] = {}
    for k, own in enumerate(entries):
        trains = np.unique(own.train)
        for train in trains[trains != 0].tolist():
            other = seen.setdefault(train, k)
            if other == k:
                continue
            pulses = (e.pulse[e.train == train] for e in (entries[other], own))
            if np.intersect1d(*pulses).size:
                raise GeometryFileError(
                    f"{items[k].source}: train {train} is in {items[other].path} too; its frames "
                    "would count twice: give the files of one run, each once",
                    path=items[k].path,
                )


def _module_numbers(found: Sequence[_Found], detector: Detector) -> list[int]:
    """Index of the module that each source holds."""
    if any(item.axes.modules == detector.n_modules for item in found):
        sources = sorted({item.source for item in found})
        if len(sources) > 1:
            raise GeometryFileError(
                f"several sources each hold a whole {detector.name}: {', '.join(sources)}; "
                "name one with dataset=… (--dataset)",
                path=found[0].path,
            )
        return [0] * len(found)
    labels = sorted({-1 if item.number is None else item.number for item in found})
    first = detector.first_module_label
    if labels[0] < first or labels[-1] >= first + detector.n_modules:
        if len(labels) != detector.n_modules:
            raise GeometryFileError(
                f"{found[0].detector} has modules {labels}, but {detector.name} has modules "
                f"{first} to {first + detector.n_modules - 1}",
                path=found[0].path,
            )
        return [labels.index(-1 if item.number is None else item.number) for item in found]
    return [int(item.number or 0) - first for item in found]


def _read_entries(item: _Found) -> Entries:
    """Train, pulse and cell of each entry of a dataset; train 0 marks padding."""
    n_rows, n_entries = item.axes.frames[0], item.axes.n_frames
    if n_entries > MAX_ENTRIES:
        raise GeometryFileError(
            f"claims {n_entries} frames; no real file has more than {MAX_ENTRIES}",
            path=item.path,
            key=item.dataset,
        )
    inner = n_entries // max(n_rows, 1)
    top = item.dataset.removeprefix(f"/INSTRUMENT/{item.source}/").split("/")[0]
    folder = f"/INSTRUMENT/{item.source}/{top}"
    with open_hdf5(item.path) as file:
        train = _index_trains(file, f"INDEX/{item.source}/{top}", n_rows, inner)
        if train is None:
            train = _ids(file, f"{folder}/trainId", n_rows, inner)
        pulse = _ids(file, f"{folder}/pulseId", n_rows, inner)
        cell = _ids(file, f"{folder}/cellId", n_rows, inner)
        if cell is None:
            cell = _ids(file, f"{folder}/memoryCell", n_rows, inner)
    if train is None:
        warn(
            f"{item.path} [{folder}]: neither index nor trainId; its frames are taken in the "
            "order in which they are stored"
        )
        train = np.repeat(np.arange(1, n_rows + 1), inner)
    if pulse is None:
        pulse = np.tile(np.arange(inner), n_rows)
    return Entries(train, pulse, cell)


def _index_trains(file: Any, folder: str, n_rows: int, inner: int) -> IntArray | None:
    """Train of each entry by the index of the file: first row and number of rows of each train."""
    columns = [_ids(file, "INDEX/trainId", MAX_ENTRIES, 1, exact=True)]
    columns += [
        _ids(file, f"{folder}/{name}", MAX_ENTRIES, 1, exact=True)
        for name in ("first", "count", "last", "status")
    ]
    train, first, count, last, status = columns
    if count is None and last is not None and first is not None and status is not None:
        # Files of 2017: rows first … last, where the status is not 0.
        n = min(len(first), len(last), len(status))
        count = np.where(status[:n] != 0, last[:n] - first[:n] + 1, 0)
    if train is None or first is None or count is None:
        return None
    n = min(len(train), len(first), len(count))
    train, first = train[:n], np.clip(first[:n], 0, n_rows)
    count = np.clip(count[:n], 0, n_rows - first)
    out = np.zeros((n_rows, inner), dtype=np.int64)
    for number, start, rows in zip(train.tolist(), first.tolist(), count.tolist(), strict=True):
        out[start : start + rows] = number
    return out.reshape(-1)


def _ids(file: Any, name: str, n_rows: int, inner: int, *, exact: bool = False) -> IntArray | None:
    """Read numbers (rows,), (rows, 1) or (rows, cells) as one for each entry.

    What is not in the file counts as 0, unless ``exact``: then there are as many as are stored.
    """
    dataset = get_dataset(file, name)
    if dataset is None or dataset.dtype.kind not in "ui" or dataset.ndim not in (1, 2):
        return None
    columns = dataset.shape[1] if dataset.ndim == 2 else 1
    if columns not in (1, inner):
        return None
    values = np.asarray(dataset[:n_rows]).astype(np.int64).reshape(-1, columns)
    if exact:
        return values.reshape(-1)
    out = np.zeros((n_rows, inner), dtype=np.int64)
    out[: len(values)] = values
    return out.reshape(-1)
