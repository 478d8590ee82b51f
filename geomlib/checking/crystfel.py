"""Checks of the text of a ``.geom`` file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from geomlib.checking.findings import Finding, Reading, Severity, counted, listed
from geomlib.checking.nominal import nominal_of
from geomlib.checking.tiles import STEP_LIMIT, STEP_NOTE
from geomlib.detector import IntArray
from geomlib.formats.crystfel.acceptance import VERSIONS, Reason, rejections
from geomlib.formats.crystfel.document import printable, quoted
from geomlib.formats.crystfel.doubts import note_doubts
from geomlib.formats.crystfel.panels import FLAG_KEYS, PanelView
from geomlib.geometry import Geometry

_NEWEST = VERSIONS[-1]
_LINE = re.compile(r"line (\d+) is")
_DOUBT = re.compile(r"line (\d+) \[(.*?)\]: (.*)", re.DOTALL)

# How to mend what a version of CrystFEL rejects: what its message begins with or holds, the code of
# the finding, and the advice.
_REJECTIONS = (
    ("no photon_energy", "no-energy", "add photon_energy = N, in eV, or a place in the data files"),
    (
        "no clen",
        "no-distance",
        "add clen = N, in metres, before the panels, or a place in the data",
    ),
    ("clen given for single", "clen-of-panels", "one clen before the panels, the rest as coffset"),
    ("no adu_per_eV", "no-adu-scale", "add adu_per_eV = N or adu_per_photon = N before the panels"),
    ("names no panel", "bad-region", "add its panel: NAME/panel = …"),
    ("bad region", "bad-region", "give it a panel of this file, and limits inside that"),
    ("after the last new panel", "trailing-default", "move it before the panels that it is for"),
    ("is no assignment", "stray-line", "begin comments with ';'"),
    ("a byte order mark", "byte-order-mark", "save the file as UTF-8 without one"),
    ("no fs", "no-vector", "add fs = +1.0x +0.0y, if that is the direction"),
    ("no ss", "no-vector", "add ss = +0.0x +1.0y, if that is the direction"),
    ("fs before ss", "axes-swapped", "swap these axes of the data: CrystFEL wants ss before fs"),
    ("two axes", "axes-swapped", "name one axis ss and one fs"),
    ("bits of mask", "mask", "add the place of the mask, or take out its bits"),
    ("mask", "mask", "give mask a place in the data files, with as many % as the data"),
    ("rigid group", "group", "take out the names that are no panels or groups"),
    ("group", "group", "see the reason: name members of this file, at most 64, without blanks"),
    ("expected a number, one space", "quantity", "write the number, one space and the unit"),
)
# A word where a number is expected: CrystFEL takes it as the name of a dataset.
_NAME = re.compile(r"('[A-Za-z_]\w*') is no (?:photon energy|distance)\b")
_DOUBT_MENDS = (
    ("knows no such key", "look at its spelling; harmless if it is for another program"),
    ("blank of a template", "fill it in"),
    ("is no distance", "write clen = N, in metres, or a place in the data files"),
    ("cannot use the distance", "write clen = N, in metres, or 'N mm'"),
    ("is no photon energy", "write photon_energy = N, in eV, or a place in the data files"),
    ("sees no number", "write the number, one space and the unit"),
    ("share pixels", "look at min_ss, max_ss, min_fs, max_fs and dims of both"),
    ("bad region", "give it all four limits, on a panel"),
    ("no mask", "write the path of the mask in its file"),
    ("starts no comment", "begin comments with ';'"),
    ("has no panel", "take out the names that are no panels"),
    ("scale greater than 0", "write what one eV, or one photon, adds to a pixel"),
    ("no whole number", "write a whole number"),
    ("no bandwidth", "write a fraction, as 0.01"),
)
# The key whose line shows what a finding about tiles is about; of others, where the corner is.
_LINE_OF = dict.fromkeys(
    (
        *("step-length", "skewed-steps", "mirrored-tiles", "mirrored-detector", "turned-tiles"),
        *("tilted-tiles", "tilted-modules"),
    ),
    "fs",
) | {"tile-size": "max_fs"}
# How to mend errors and warnings about tiles, in words of this format.
_MENDS = {
    "step-length": "write fs and ss as vectors of length 1",
    "far-tiles": "look at corner_x and corner_y (pixels), their signs, and coffset (metres)",
    "far-from-beam": "look at corner_x and corner_y, which are in pixels, and at their signs",
    "tile-order": "exchange corner_x and corner_y, or min_ss, max_ss, min_fs and max_fs",
    "module-order": "exchange corner_x and corner_y, or the places in the data (dim…, min_ss)",
    "tile-size": "look at min_ss, max_ss, min_fs and max_fs",
    "tilted-tiles": "look at z of fs and ss, such as +1.0x +0.0y +0.0z",
    "tilted-modules": "look at z of fs and ss, such as +1.0x +0.0y +0.0z",
}
# Doubts that a reader has of a file, that are no mistake.
_HARMLESS = ("an electron beam", "CrystFEL moves the detector", "'#' starts no comment")


def check_text(view: PanelView, geometry: Geometry) -> Iterator[Finding]:
    """Check what the text of a ``.geom`` file says besides positions.

    Parameters
    ----------
    view : PanelView
        The file, of which a geometry was made: doubts about it are in `PanelView.doubts`.
    geometry : Geometry
        That geometry.
    """
    yield from _rejections(view)
    yield from _doubts(view)
    yield from _rows_through_modules(view)
    if nominal_of(geometry.detector) is None:
        yield from _vector_lengths(view)
    yield from _repeated_keys(view)


def misreadings(readers: Sequence[Reading]) -> Iterator[Finding]:
    """Warn of each reader that puts pixels in another place without a word."""
    for reading in readers:
        if reading.wrong_positions:
            yield Finding(
                "warning",
                "misread",
                f"{reading.reader} reads this file without an error, and puts pixels in another "
                f"place: {reading.wrong[0]}",
                "write one clen for all panels, and what differs as coffset"
                if "clen" in reading.wrong[0]
                else "write vectors with x and y (+0.0x +1.0y), and spaces around '='",
            )


# -- Names and lines ----------------------------------------------------------------------


def with_panel_names(view: PanelView, geometry: Geometry) -> Geometry:
    """Return a geometry whose tiles are named as the panels of its file.

    Panels are found by their corners and vectors; those with the same ones by the order of their
    data.
    """
    pitch = view.pitch[:, np.newaxis]
    panels = np.column_stack([view.corners * pitch, view.ss * pitch, view.fs * pitch]) + 0.0
    names: dict[bytes, list[str]] = {}
    for i in _in_order(np.column_stack([view.slabs[0], view.bounds[:, [0, 2]]])):
        names.setdefault(bytes(panels[i]), []).append(view.names[i])
    tiles = (geometry.tile_corners[:, :2], geometry.tile_ss, geometry.tile_fs)
    rows = np.ascontiguousarray(np.column_stack(tiles)) + 0.0
    found = [printable(name) for name in geometry.detector.tile_names]
    for i in _in_order(geometry.detector.tile_bounds[:, [0, 1, 3]]):
        left = names.get(bytes(rows[i]))
        if left:
            found[i] = printable(left.pop(0))
    return geometry.replace(detector=replace(geometry.detector, tile_names=tuple(found)))


def _in_order(places: IntArray) -> list[int]:
    """Sort places (module, row, column) of the data."""
    order: list[int] = np.lexsort(places.T[::-1]).tolist()
    return order


def located(view: PanelView, finding: Finding) -> Finding:
    """Add the line that a finding about tiles or the beam is about, and say mends in its words."""
    index, key = None, None
    if finding.line is not None or finding.key is not None:
        return finding
    if finding.severity != "note":
        finding = replace(finding, mend=_MENDS.get(finding.code, finding.mend))
    if finding.code == "distance":
        first = view.panels[view.names[0]]
        index, key = first.get("clen", view.top.get("clen")), "clen"
    elif finding.code == "corners-unit":
        index = view.panels[view.names[0]].get("corner_x")
    elif finding.code == "energy" and view.beam:
        index = view.beam[-1]
        key = view.key(index)
    elif finding.code == "pixel-size":
        index, key = view.panels[view.names[0]].get("res"), "res"
    elif finding.tiles and finding.tiles[0] in view.panels:
        keys = view.panels[finding.tiles[0]]
        index = keys.get(_LINE_OF.get(finding.code, "corner_x"))
    if index is None:
        return finding
    assignment = view.document.assignments[index]
    if key is None:
        panel = finding.tiles[0] if finding.tiles else view.names[0]
        key = printable(f"{panel}/{assignment.key}")
    return replace(finding, line=assignment.line, key=key)


# -- What CrystFEL rejects ----------------------------------------------------------------


def _rejections(view: PanelView) -> Iterator[Finding]:
    """Warn of what the newest CrystFEL rejects; what only older ones reject is a note."""
    minding: dict[Reason, list[str]] = {}
    for version in VERSIONS:
        for reason in rejections(view, version):
            minding.setdefault(reason, []).append(version)
    lines: dict[tuple[str, tuple[str, ...]], list[Reason]] = {}
    for reason, versions in minding.items():
        lines.setdefault((_kind(reason), tuple(versions)), []).append(reason)
    for (_, who), reasons in lines.items():
        code, mend = _advice(reasons[0].message)
        reject = f"CrystFEL {_and(who)} {'rejects' if len(who) == 1 else 'reject'}"
        first = reasons[0]
        line = _LINE.match(first.message)
        more = f" (and {len(reasons) - 1} more of this kind)" if len(reasons) > 1 else ""
        yield Finding(
            "warning" if _NEWEST in who else "note",
            code,
            f"{first.message}{more}: {reject} the file",
            mend,
            (),
            int(line[1]) if line is not None else first.line,
            first.key,
        )


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _kind(reason: Reason) -> str:
    """Return a message without the names in it: one finding for all of a kind."""
    return re.sub(r"'[^']*'|\d+", "", reason.message)


def _advice(message: str) -> tuple[str, str]:
    for part, code, mend in _REJECTIONS:
        if part in message:
            return code, mend
    return "crystfel", "see the reason"


# -- What looks wrong ---------------------------------------------------------------------


def _doubts(view: PanelView) -> Iterator[Finding]:
    note_doubts(view)
    # Some readers of a view look at the same line again.
    for doubt in dict.fromkeys(view.doubts):
        match = _DOUBT.fullmatch(doubt)
        line, key, message = (int(match[1]), match[2], match[3]) if match else (None, None, doubt)
        severity: Severity = "note" if message.startswith(_HARMLESS) else "warning"
        name = _NAME.match(message)
        # float() of C and Python takes these as numbers, and no distance is one.
        if name is not None and name[1].strip("'").lower() not in ("nan", "inf", "infinity"):
            severity = "note"
            message = f"CrystFEL takes {name[1]} as a place in the data files"
        mend = next((advice for part, advice in _DOUBT_MENDS if part in message), "")
        yield Finding(severity, "doubtful", message, mend, (), line, key)


def _rows_through_modules(view: PanelView) -> Iterator[Finding]:
    """Rows that go on from module to module, although the data has an axis of modules."""
    slabs, axis = view.slabs
    used = np.unique(slabs)
    if not axis or len(used) < 2:
        return
    ends = [
        (int(view.bounds[slabs == slab, 0].min()), int(view.bounds[slabs == slab, 1].max()))
        for slab in used
    ]
    rows = ends[0][1] - ends[0][0] + 1
    follow = all(a == i * rows and b == (i + 1) * rows - 1 for i, (a, b) in enumerate(ends))
    if not follow:
        return
    wrong = [name for name, slab in zip(view.names, slabs, strict=True) if slab != used[0]]
    index = view.panels[wrong[0]]["min_ss"]
    yield Finding(
        "warning",
        "rows-through-modules",
        f"min_ss and max_ss count on through all {len(used)} modules (up to {ends[-1][1]}), "
        f"though dims give each panel its module: data with a module axis has rows 0 to {rows - 1} "
        "only, and CrystFEL finds none beyond; geomlib takes them as rows of their module",
        "count rows from 0 in each module, or take out the number in the dims",
        tuple(wrong),
        view.document.assignments[index].line,
        printable(f"{wrong[0]}/min_ss"),
    )


def _vector_lengths(view: PanelView) -> Iterator[Finding]:
    """Vectors that are not one pixel of ``res`` long, of detectors whose pixels are not known."""
    lengths = np.column_stack([np.linalg.norm(steps, axis=1) for steps in (view.fs, view.ss)])
    off = np.abs(lengths - 1) > STEP_LIMIT
    wrong = off.any(axis=1)
    if not wrong.any():
        return
    first = int(np.flatnonzero(wrong)[0])
    fs, ss = lengths[first]
    name = view.names[first]
    said = f"fs and ss of {printable(name)} are {fs:.4g} and {ss:.4g} pixels long"
    # All alike in one direction: pixels that are no squares.
    oblong = (np.abs(lengths - lengths[0]) <= STEP_NOTE).all() and not off.all(axis=1).any()
    index = view.origin("fs" if off[first, 0] else "ss", name)
    assignment = None if index is None else view.document.assignments[index]
    yield Finding(
        "note" if oblong else "error",
        "step-length",
        f"{said}: right if pixels are oblong" if oblong else f"{said}: a pixel is 1/res",
        "" if oblong else "write fs and ss as vectors of length 1, and the size of pixels as res",
        tuple(printable(view.names[i]) for i in np.flatnonzero(wrong)),
        None if assignment is None else assignment.line,
        None if assignment is None else printable(f"{name}/{assignment.key}"),
    )


def _repeated_keys(view: PanelView) -> Iterator[Finding]:
    """Keys of a panel that are given twice, with different values: the last one counts."""
    last: dict[tuple[str, str], str] = {}
    repeated = []
    for index, (panel, slash, key, _, value) in enumerate(view.document.rows):
        plain = key.rstrip(" \t")
        if not slash or plain in FLAG_KEYS:
            continue
        if last.setdefault((panel, plain), value) != value:
            repeated.append(index)
        last[panel, plain] = value
    if not repeated:
        return
    first = view.document.assignments[repeated[0]]
    names = list(dict.fromkeys(printable(view.document.rows[i][0]) for i in repeated))
    yield Finding(
        "note",
        "repeated-key",
        f"{counted(len(repeated), 'key')} of {listed(names)} given again with another value, such "
        f"as {quoted(first.value)}: the last one counts",
        "take out the older lines, if the later ones are meant",
        tuple(names),
        first.line,
        printable(f"{first.panel}/{first.key}"),
    )
