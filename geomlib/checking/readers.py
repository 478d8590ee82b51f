"""What other programs make of a ``.geom`` file: whether they read it, and what they get wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from geomlib.checking.cfelpyutils import CfelGeometry, RefusedError
from geomlib.checking.findings import Reading, counted, listed
from geomlib.checking.nominal import base_name
from geomlib.detector import FloatArray
from geomlib.errors import GeometryError
from geomlib.formats.crystfel.acceptance import VERSIONS, Version, rejections, spaced_lines
from geomlib.formats.crystfel.beam import CLEN_UNITS, distances
from geomlib.formats.crystfel.document import Document, printable, quoted
from geomlib.formats.crystfel.groups import MAX_GROUP_SIZE
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.crystfel.regions import REGION_DATA_KEYS
from geomlib.geometry import Geometry


def readings(view: PanelView, geometry: Geometry) -> tuple[Reading, ...]:
    """Say what CrystFEL, cfelpyutils and EXtra-geom make of a file.

    Parameters
    ----------
    view : PanelView
        The file.
    geometry : Geometry
        What it describes.
    """
    crystfel = [_crystfel(view, version) for version in VERSIONS]
    try:
        found = CfelGeometry(view.document)
    except RefusedError as problem:
        where = "" if problem.line is None else f"line {problem.line}: "
        reason = (where + problem.message,)
        return (
            *crystfel,
            Reading("cfelpyutils 2.2", False, reason),
            Reading("EXtra-geom 1.17", False, reason),
        )
    return (*crystfel, _cfelpyutils(view, geometry, found), _extra_geom(view, geometry, found))


# -- CrystFEL -----------------------------------------------------------------------------


def _crystfel(view: PanelView, version: Version) -> Reading:
    name = f"CrystFEL {version}"
    minded = rejections(view, version)
    if minded:
        texts = [
            reason.message if reason.line is None else f"line {reason.line}: {reason.message}"
            for reason in minded
        ]
        return Reading(name, False, tuple(dict.fromkeys(texts)))
    if version == "0.9.1":
        wrong, misplaced = _unspaced(view)
        return Reading(name, True, (), tuple(wrong), misplaced)
    wrong = [*_unusable_beam(view)]
    if version == "0.12":
        wrong += _without_hierarchy(view)
    return Reading(name, True, (), tuple(wrong))


def _unspaced(view: PanelView) -> tuple[list[str], bool]:
    """Lines that CrystFEL 0.9.1 passes over, and whether they matter for positions."""
    seen = spaced_lines(view.document)
    if seen is view.document:
        return [], False
    lost = len(view.document.rows) - len(Document(seen.text).rows)
    said = f"passes over {counted(lost, 'line')} without spaces around '='"
    try:
        return [said], not _same_places(view, PanelView(seen))
    except GeometryError:
        return [said], True


def _same_places(view: PanelView, other: PanelView) -> bool:
    columns = ("corners", "coffset", "pitch", "bounds", "fs", "ss")
    return view.names == other.names and all(
        np.array_equal(getattr(view, column), getattr(other, column)) for column in columns
    )


def _unusable_beam(view: PanelView) -> Iterator[str]:
    """Quantities that CrystFEL reads as text, and cannot use later."""
    clen = view.top.get("clen")
    if clen is not None:
        text = view.value(clen)
        number, _, unit = text.partition(" ")
        if "/" not in text and (_number(number) is None or unit not in CLEN_UNITS):
            yield f"has no distance: it cannot use clen = {printable(text)}"
    if view.beam and view.key(view.beam[-1]) == "photon_energy":
        number = view.value(view.beam[-1]).partition(" ")[0]
        if _number(number) is None and "/" not in number and not number.isidentifier():
            yield f"has no photon energy: it sees no number in {quoted(number)}"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _without_hierarchy(view: PanelView) -> Iterator[str]:
    if any(view.key(index).startswith("group_") for index in view.groups):
        return
    if len(view.panels) > MAX_GROUP_SIZE:
        yield (
            f"has no panel groups: without group_… lines all {len(view.panels)} panels are one "
            f"group, which holds at most {MAX_GROUP_SIZE}"
        )
    elif view.groups:
        yield "passes over rigid_group_… lines: its groups are group_… lines"


# -- cfelpyutils --------------------------------------------------------------------------


class _Differences:
    """What a reader takes otherwise than the file says."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.misplaced = False

    def add(self, message: str, *, misplaced: bool = False) -> None:
        # What is wrong with positions comes first.
        self.wrong.insert(0 if misplaced else len(self.wrong), message)
        self.misplaced |= misplaced

    def reading(self, reader: str) -> Reading:
        return Reading(reader, True, (), tuple(self.wrong), self.misplaced)


def _cfelpyutils(view: PanelView, geometry: Geometry, found: CfelGeometry) -> Reading:
    out = _Differences()
    for compare in (_unseen, _places, _beam, _flags, _data, _masks, _unknown):
        compare(view, geometry, found, out)
    return out.reading("cfelpyutils 2.2")


def _unseen(view: PanelView, geometry: Geometry, found: CfelGeometry, out: _Differences) -> None:
    # Lines that are comments for others are not missed.
    assigned = {assignment.line for assignment in view.document.assignments}
    lines = [line for line, _ in found.unseen if line in assigned]
    if lines:
        which = listed([str(line) for line in lines])
        out.add(f"passes over {counted(len(lines), 'line')} without spaces around '=' ({which})")


def _places(view: PanelView, geometry: Geometry, found: CfelGeometry, out: _Differences) -> None:
    names = list(view.names)
    lost = [name for name in names if name not in found.panels]
    if lost or len(found.panels) > len(names):
        said = f"has other panels: not {listed(lost)}" if lost else "has more panels"
        out.add(said, misplaced=True)
        return
    for key, ours, theirs in _columns(view, found):
        same = (ours == theirs).all(axis=1)
        if not same.all():
            first = int(np.flatnonzero(~same)[0])
            out.add(
                f"{key} of {counted(int((~same).sum()), 'panel')} is another: of "
                f"{printable(names[first])} {_shown(theirs[first])} instead of "
                f"{_shown(ours[first])}",
                misplaced=True,
            )


def _columns(view: PanelView, found: CfelGeometry) -> Iterator[tuple[str, FloatArray, FloatArray]]:
    panels = [found.panels[name] for name in view.names]
    numbers: Callable[[str], list[float]] = lambda key: [p.numbers[key] for p in panels]  # noqa: E731
    yield "fs", view.fs, np.array([panel.fs for panel in panels])
    yield "ss", view.ss, np.array([panel.ss for panel in panels])
    corners = np.column_stack([numbers("corner_x"), numbers("corner_y")])
    yield "corner_x, corner_y", view.corners, corners
    yield "coffset", view.coffset[:, np.newaxis], np.array(numbers("coffset"))[:, np.newaxis]
    yield "res", view.pitch[:, np.newaxis], 1 / np.array(numbers("res"))[:, np.newaxis]
    limits = [[p.limits[k] for k in ("min_ss", "max_ss", "min_fs", "max_fs")] for p in panels]
    yield "the range of data", view.bounds.astype(np.float64), np.array(limits, dtype=np.float64)


def _shown(values: FloatArray) -> str:
    texts = [f"{value:.6g}" for value in values]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"


def _beam(view: PanelView, geometry: Geometry, found: CfelGeometry, out: _Differences) -> None:
    first = next(iter(found.panels.values()))
    clen, place = first.numbers["clen"], first.texts["clen_from"]
    if geometry.distance is not None and clen != geometry.distance:
        said = "missing" if math.isnan(clen) else f"{clen:g}, from {quoted(place)} in the data"
        out.add(f"the distance is {said}, not {geometry.distance:g} m")
    elif " " in (view.clen[0] or "") and place:
        out.add(f"looks for the distance at {quoted(place)}: blanks and unit are lost")
    energy, source = found.photon_energy, found.photon_energy_from
    if geometry.photon_energy is not None and energy != geometry.photon_energy:
        out.add(f"the photon energy is {energy:g} eV, not {geometry.photon_energy:g}")
    elif source and view.beam and source != view.value(view.beam[-1]):
        out.add(f"looks for the photon energy at {quoted(source)}: blanks and unit are lost")
    elif view.beam and view.key(view.beam[-1]) != "photon_energy" and not source:
        out.add(f"passes over {view.key(view.beam[-1])}: the photon energy is 0")


def _flags(view: PanelView, geometry: Geometry, found: CfelGeometry, out: _Differences) -> None:
    flagged = [
        name
        for name, ours in zip(view.names, view.no_index, strict=True)
        if name in found.panels and found.panels[name].flags["no_index"] and not ours
    ]
    if flagged:
        out.add(f"takes no_index = 0 (false) as true for {counted(len(flagged), 'panel')}")


def _data(view: PanelView, geometry: Geometry, found: CfelGeometry, out: _Differences) -> None:
    for name, ours in zip(view.names, view.data, strict=True):
        theirs = found.panels[name].texts["data"] if name in found.panels else ours
        if theirs != ours:
            out.add(f"looks for the data at {quoted(theirs)} instead of {quoted(ours)}")
            return


def _masks(view: PanelView, geometry: Geometry, found: CfelGeometry, out: _Differences) -> None:
    by_number = "mask0_data" in {a.key for a in view.document.assignments}
    for masks in view.masks:
        ours = masks.get(0)
        if ours is not None and ours.data is not None and not by_number:
            theirs = found.mask_bits["mask_good"], found.mask_bits["mask_bad"]
            if theirs != (ours.good, ours.bad):
                out.add(
                    f"mask bits are good {theirs[0]:#x}, bad {theirs[1]:#x} instead of "
                    f"{ours.good:#x}, {ours.bad:#x}"
                )
                return


def _unknown(view: PanelView, geometry: Geometry, found: CfelGeometry, out: _Differences) -> None:
    passed = []
    if view.flagged_panels:
        passed.append("flag_…")
    for prefix in ("detector_shift_", "mask_edge_pixels", "bandwidth", "peak_list"):
        if any(key.startswith(prefix) for key in (*view.top, *view.used_keys)):
            passed.append(f"{prefix}…" if prefix.endswith("_") else prefix)
    groups = [view.key(index) for index in view.groups]
    if any(key.startswith("group_") for key in groups):
        passed.append("group_…")
    if passed:
        out.add(f"passes over {', '.join(passed)}")


# -- EXtra-geom ---------------------------------------------------------------------------


class ExtraGeomClass(NamedTuple):
    """A class of EXtra-geom: its modules (0: any number), rows of one, and first pixels of tiles.

    Tiles are found by where they begin in the data; nothing else is looked at.
    """

    name: str
    n_modules: int
    n_ss: int
    starts: tuple[tuple[int, int], ...]


def _grid(rows: Sequence[int], columns: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple((row, column) for row in rows for column in columns)


_AGIPD = _grid(range(0, 512, 64), (0,))
_JUNGFRAU = ExtraGeomClass("JUNGFRAUGeometry", 0, 512, _grid((0, 256), range(0, 1024, 256)))
_CLASSES = {
    "AGIPD-1M": ExtraGeomClass("AGIPD_1MGeometry", 16, 512, _AGIPD),
    "AGIPD-500K": ExtraGeomClass("AGIPD_500K2GGeometry", 8, 512, _AGIPD),
    "LPD-1M": ExtraGeomClass("LPD_1MGeometry", 16, 256, _grid(range(0, 256, 32), (0, 128))),
    "LPD-Mini": ExtraGeomClass("LPD_MiniGeometry", 0, 32, _grid((0,), (0, 128))),
    "DSSC-1M": ExtraGeomClass("DSSC_1MGeometry", 16, 128, _grid((0,), (0, 256))),
    "pnCCD": ExtraGeomClass("PNCCDGeometry", 2, 512, ((0, 0),)),
    "ePix100": ExtraGeomClass("Epix100Geometry", 1, 704, _grid((0, 352), (0, 384))),
    "ePix10K": ExtraGeomClass("Epix10KGeometry", 1, 352, _grid((0, 176), (0, 192))),
}


def extra_geom_class(geometry: Geometry) -> ExtraGeomClass | None:
    """Return the class of EXtra-geom for a detector; None if there is none."""
    name = base_name(geometry.detector)
    if name.startswith("JUNGFRAU") and geometry.detector.data_shape[1:] == (512, 1024):
        return _JUNGFRAU
    # Of an ePix10K with several modules the class for one takes the first.
    return _CLASSES.get("ePix10K" if name.startswith("ePix10K") else name)


def _extra_geom(view: PanelView, geometry: Geometry, found: CfelGeometry) -> Reading:
    reader = "EXtra-geom 1.17"
    detector = extra_geom_class(geometry)
    if detector is not None:
        reason = _unread(found, detector)
        if reason:
            return Reading(reader, False, (reason,))
        return _read_by_extra_geom(view, geometry, found, detector)
    # Nothing but the first pixels of panels counts: a class reads a file that is wrong, too. One
    # that takes a few of the panels of another detector is nobody's choice.
    readers = [
        each
        for each in (*_CLASSES.values(), _JUNGFRAU)
        if not _unread(found, each)
        and len(_first_pixels(found, each)) == _modules_read(found, each) * len(each.starts)
    ]
    if not readers:
        return Reading(reader, False, ("has no class for this detector",))
    return _read_by_extra_geom(view, geometry, found, readers[0], unknown=True)


def _first_pixels(found: CfelGeometry, detector: ExtraGeomClass) -> dict[tuple[int, int, int], str]:
    """Panels by module, row and column of their first pixel; the last of those with the same."""
    panels: dict[tuple[int, int, int], str] = {}
    for name, panel in found.panels.items():
        indices = [axis for axis in panel.dims if isinstance(axis, int)]
        row, column = panel.limits["min_ss"], panel.limits["min_fs"]
        module = indices[0] if indices else row // detector.n_ss
        panels[module, row if indices else row % detector.n_ss, column] = name
    return panels


def _modules_read(found: CfelGeometry, detector: ExtraGeomClass) -> int:
    modules = (module for module, _, _ in _first_pixels(found, detector))
    return detector.n_modules or max(modules) + 1


def _unread(found: CfelGeometry, detector: ExtraGeomClass) -> str:
    """Say why a class refuses a file; nothing if it reads it."""
    for name, panel in found.panels.items():
        if sum(isinstance(axis, int) for axis in panel.dims) > 1:
            return f"panel {printable(name)} has two numbers in its dims"
    panels = _first_pixels(found, detector)
    for module in range(_modules_read(found, detector)):
        for row, column in detector.starts:
            if (module, row, column) not in panels:
                return (
                    f"{detector.name} finds no panel that begins in module {module}, row {row}, "
                    f"column {column} of the data (KeyError)"
                )
    return ""


def _read_by_extra_geom(
    view: PanelView,
    geometry: Geometry,
    found: CfelGeometry,
    detector: ExtraGeomClass,
    *,
    unknown: bool = False,
) -> Reading:
    out = _Differences()
    if unknown:
        read = len(_first_pixels(found, detector))
        out.add(
            f"{detector.name} reads it, which looks at the first pixel of panels only: not at "
            "their size, nor at that of pixels"
        )
        if read < len(found.panels):
            out.add(f"leaves out {counted(len(found.panels) - read, 'panel')}")
    elif detector.n_modules and detector.n_modules < geometry.n_modules:
        out.add(
            f"{detector.name} takes the first {counted(detector.n_modules, 'module')} of "
            f"{geometry.n_modules}, and leaves out the others"
        )
    _places(view, geometry, found, out)
    if len({distance for distance in distances(view) if distance is not None}) > 1:
        out.add("passes over the different clen of panels: their z is coffset", misplaced=True)
    if geometry.no_index:
        out.add("passes over no_index")
    lost = [
        name
        for name, region in found.regions.items()
        if not region["panel"] and any(key in region for key in REGION_DATA_KEYS)
    ]
    if lost:
        out.add(f"drops bad regions that name no panel: {listed(lost)}")
    if any(view.masks):
        out.add("passes over mask bits and mask files; a file that it writes has none")
    clen = next(iter(found.panels.values())).numbers["clen"]
    if not clen > 0:
        out.add(f"a file that it writes has clen = {clen:g}")
    if found.photon_energy == 0:
        out.add("a file that it writes has photon_energy = 0.0")
    if any(unit == "photon" for _, unit in view.adu):
        out.add("passes over adu_per_photon; a file that it writes has adu_per_eV = nan")
    return out.reading("EXtra-geom 1.17")
