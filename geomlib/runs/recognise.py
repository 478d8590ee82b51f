"""Which detector the frames of a run are from, by the names of sources and the shapes of data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from geomlib.data.axes import whole_detector_axes
from geomlib.data.euxfel import image_sources, is_euxfel
from geomlib.data.hdf5 import image_datasets, list_datasets, open_hdf5
from geomlib.detector import Detector
from geomlib.detectors import EXAMPLE_NAMES, example_geometry, jungfrau
from geomlib.errors import GeometryFileError

# What the names of European XFEL's detectors have in them.
_NAMES = {
    "AGIPD1M": "AGIPD-1M",
    "AGIPD500K": "AGIPD-500K",
    "LPD1M": "LPD-1M",
    "LPD_?MINI": "LPD-Mini",
    "DSSC1M": "DSSC-1M",
    "JF4M": "JUNGFRAU-4M",
    "JF1M": "JUNGFRAU-1M",
    "JF500K": "JUNGFRAU-500K",
    "EPX|EPIX_?100": "ePix100",
    "EPIX_?10K": "ePix10K",
    "PNCCD": "pnCCD",
}
# Files of a long run go on in RAW-R0012-AGIPD00-S00001.h5 ….
_SEQUENCE = re.compile(r"(.+)-S\d+\.h5\Z")
#: Sources named in a message.
_LISTED = 5
_ADVICE = "say which with source=… (--source) or detector=… (--detector)"


def recognise_detector(paths: Sequence[Path], source: str | None = None) -> Detector:
    """Find out which detector the frames in some files are from.

    Parameters
    ----------
    paths : sequence of Path
        HDF5 files.
    source : str, optional
        Name of a detector or source, or the beginning of it, or the path of a dataset.

    Returns
    -------
    Detector

    Raises
    ------
    GeometryFileError
        If it is not one that is known, or one of several.
    """
    found = named_detectors(paths, source)
    if not found and len(paths) == 1:
        found = _of_shapes(paths[0], source)
    where = paths[0] if len(paths) == 1 else paths[0].parent
    if not found and source is not None:
        listed = _listed(paths)
        raise GeometryFileError(f"nothing of that name that is recognised; {listed}", path=where,
                                key=source)  # fmt: skip
    if not found:
        raise GeometryFileError(f"of no detector that is recognised; {_ADVICE}", path=where)
    detectors = {detector.name for detector in found.values()}
    if len(detectors) > 1:
        names = ", ".join(f"{d.name} ({name})" for name, d in found.items())
        raise GeometryFileError(f"may be of several detectors: {names}; {_ADVICE}", path=where)
    return max(found.values(), key=lambda detector: detector.n_modules)


def named_detectors(paths: Sequence[Path], source: str | None = None) -> dict[str, Detector]:
    """Return the detectors that sources in European XFEL files are named after, by those names."""
    found: dict[str, Detector] = {}
    for path in _first_sequences(paths):
        with open_hdf5(path) as file:
            if is_euxfel(file):
                found |= _of_sources(file, source)
    return found


def _listed(paths: Sequence[Path]) -> str:
    """Say what sources or datasets there are."""
    sources: dict[str, None] = {}
    for path in _first_sequences(paths):
        with open_hdf5(path) as file:
            if not is_euxfel(file):
                return list_datasets(image_datasets(file))
            sources |= dict.fromkeys(name for name, _ in image_sources(file))
    names = list(sources)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"there are {', '.join(names[:_LISTED])}{more}" if names else "there is none with images"


def _first_sequences(paths: Sequence[Path]) -> list[Path]:
    """Leave out files that go on with the sources of another, by the names they have."""
    kept: dict[object, Path] = {}
    for path in sorted(paths):
        match = _SEQUENCE.match(path.name)
        kept.setdefault((path.parent, match[1]) if match else path, path)
    return list(kept.values())


def _of_sources(file: object, wanted: str | None) -> dict[str, Detector]:
    """Detectors by the names of those that have sources in a European XFEL file."""
    found: dict[str, Detector] = {}
    numbers: dict[str, int] = {}
    for source, number in image_sources(file):
        if wanted and "/" in wanted and not source.startswith(wanted.strip("/")):
            # A key, such as image/gain, says nothing about the detector.
            if source.split("/")[0] in wanted:
                continue
        elif wanted and "/" not in wanted and not source.startswith(wanted):
            continue
        name = source.split("/")[0]
        known = _by_name(name)
        if known is not None:
            found[name] = known
        elif "JNGFR" in source or "JF" in name.upper() or "JUNGF" in name.upper():
            numbers[name] = max(numbers.get(name, 1), number or 1)
    for name, count in numbers.items():
        found[name] = jungfrau([(0, 600 * i) for i in range(count)]).detector
    return found


def _by_name(name: str) -> Detector | None:
    for pattern, known in _NAMES.items():
        if re.search(pattern, name.upper()):
            return example_geometry(known).detector
    return None


def _of_shapes(path: Path, dataset: str | None) -> dict[str, Detector]:
    """Detectors that a stack of frames fits, or the one that EXtra-data has named beside it."""
    with open_hdf5(path) as file:
        name = file.get("/entry_1/instrument_1/detector_1")
        label = None if name is None else name.attrs.get("name")
        known = _by_name(label) if isinstance(label, str) else None
        if known is not None and dataset is None:
            return {str(label): known}
        shapes = [
            shape
            for where, shape, _ in image_datasets(file)
            if dataset is None or where == "/" + dataset.strip("/")
        ]
    return {detector.name: detector for shape in shapes for detector in _that_fit(shape)}


def _that_fit(shape: tuple[int, ...]) -> Iterator[Detector]:
    for name in EXAMPLE_NAMES:
        detector = example_geometry(name).detector
        if whole_detector_axes(shape, detector) is not None:
            yield detector
