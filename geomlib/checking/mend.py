"""Safe mends of a ``.geom`` file: every program reads it better, and geomlib reads the same."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from geomlib.atomic import replacing
from geomlib.detector import Detector
from geomlib.errors import GeometryError, system_error
from geomlib.formats.crystfel import values
from geomlib.formats.crystfel.acceptance import rejections
from geomlib.formats.crystfel.document import BYTE_ORDER_MARK, MAX_BYTES, Document, printable
from geomlib.formats.crystfel.doubts import WHOLE_FILE_KEYS
from geomlib.formats.crystfel.edit import Edits
from geomlib.formats.crystfel.groups import MAX_GROUP_SIZE, hierarchy
from geomlib.formats.crystfel.members import group_members
from geomlib.formats.crystfel.numerals import positional, vector_text
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.crystfel.read import geometry_of
from geomlib.formats.crystfel.regions import REGION_DATA_KEYS
from geomlib.geometry import Geometry
from geomlib.limits import POSSIBLE_DISTANCES, POSSIBLE_ENERGIES

_LIMITS = ("min_fs", "max_fs", "min_ss", "max_ss")
_LINE_END = re.compile(r"\r\n|\r|\n")
_EXPONENT = re.compile(r"((?:\d+\.?\d*|\.\d+)[eE][+-]?\d{1,3})(?=[ \t]*[xyz])", re.ASCII)


class Mended(NamedTuple):
    """A text after its safe mends.

    Attributes
    ----------
    document : Document
        The new text.
    changes : tuple of str
        What was mended, and why.
    """

    document: Document
    changes: tuple[str, ...]


def mend(document: Document, detector: Detector | str | None = None) -> Mended:
    """Make every safe mend of a document.

    Each step is taken only if geomlib reads exactly the same from the text before and after it:
    geometry, masks, flags, scales, layout of the data. Comments and other lines stay.

    Parameters
    ----------
    document : Document
        The file.
    detector : Detector or str, optional
        The detector that it describes, as for `geomlib.read_geometry`.

    Raises
    ------
    GeometryFileError
        If the file cannot be read, nor made readable.
    """
    changes = []
    without = _without_exponents(document)
    if without is not None:
        document = without
        changes.append("exponents in vectors, which no program reads, written out")
    view = PanelView(document)
    content = _content(view, detector)
    for step, message in _STEPS:
        try:
            changed = step(view)
            if changed is None or changed.text == view.document.text:
                continue
            new = PanelView(changed)
            if _content(new, detector) == content:
                view = new
                changes.append(message)
        except GeometryError:
            # What cannot be read any more is no mend.
            continue
    return Mended(view.document, tuple(changes))


def _content(view: PanelView, detector: Detector | str | None) -> tuple[Geometry, str]:
    """All that geomlib reads from a document, to be compared."""
    geometry = geometry_of(view, detector)
    # As text: NaN stands for what is missing.
    rest = repr((view.names, view.adu, view.max_adu, view.flags, view.masks, view.dimensions))
    return geometry, rest + repr(view.data)


# -- Files --------------------------------------------------------------------------------


def read_document(path: str | PathLike[str]) -> Document:
    """Read the text of a ``.geom`` file.

    Raises
    ------
    GeometryFileError
        If the file cannot be read, or is larger than any geometry file.
    """
    try:
        with Path(path).open("rb") as file:
            # One byte too many tells the parser of a file that is too large.
            return Document.parse(file.read(MAX_BYTES + 1), path)
    except OSError as problem:
        raise system_error(problem, path, "read") from problem


def write_mended(mended: Mended, path: str | PathLike[str]) -> None:
    """Replace a file by its mended text, whole or not at all; leave it alone if nothing changed.

    Raises
    ------
    GeometryFileError
        If the system refuses to write.
    """
    if mended.changes:
        with replacing(path) as temporary:
            temporary.write_bytes(mended.document.to_bytes())


def unified_diff(old: Document, new: Document) -> str:
    """Lines that differ between two texts, as ``diff -u`` shows them; empty if none does."""
    name = printable(old.path or "the text")
    lines = difflib.unified_diff(
        _LINE_END.split(old.text), _LINE_END.split(new.text), name, f"{name} (mended)", lineterm=""
    )
    return "\n".join(lines)


# -- The text -----------------------------------------------------------------------------


def _without_exponents(document: Document) -> Document | None:
    """Write out exponents in vectors; None if there are none."""
    edits = Edits(PanelView(document))
    found = False
    for index, assignment in enumerate(document.assignments):
        if assignment.key in ("fs", "ss") and _EXPONENT.search(assignment.value):
            found = True
            edits.set_value(
                index, _EXPONENT.sub(lambda m: positional(float(m[1])), assignment.value)
            )
    return edits.apply() if found else None


def _byte_order_mark(view: PanelView) -> Document | None:
    document = view.document
    return Document(document.text.removeprefix(BYTE_ORDER_MARK), document.path)


def _stray_lines(view: PanelView) -> Document | None:
    """Make comments of ``# by hand``; other lines stay, as the last one of a file cut off."""
    document = view.document
    lines = [number for number, text in document.stray_lines if text.startswith(("#", "//"))]
    if not lines:
        return None
    starts = [0, *(match.end() for match in _LINE_END.finditer(document.text))]
    edits = Edits(view)
    for number in lines:
        start = starts[number - 1]
        edits.replace_text(start, start, ";")
    return edits.apply()


def _spaces(view: PanelView) -> Document | None:
    edits = Edits(view)
    text = view.document.text
    for assignment in view.document.assignments:
        if not assignment.value:
            continue
        start = max(text.rfind("\n", 0, assignment.start), text.rfind("\r", 0, assignment.start))
        head = text[start + 1 : assignment.start]
        key, _, after = head.partition("=")
        if key[-1:] not in (" ", "\t") or after[:1] not in (" ", "\t"):
            stop = start + 1 + len(key.rstrip(" \t"))
            edits.replace_text(stop, assignment.start, " = ")
    return edits.apply()


# -- Panels -------------------------------------------------------------------------------


def _vectors(view: PanelView) -> Document | None:
    """Name x and y in every vector: cfelpyutils takes an axis that is absent from the default."""
    edits = Edits(view)
    for index, assignment in enumerate(view.document.assignments):
        if assignment.key not in ("fs", "ss") or (assignment.panel or "").startswith("bad"):
            continue
        axes = re.findall("[xyz]", assignment.value)
        vector = values.vector(assignment.value)
        if vector is not None and sorted(axes) not in (["x", "y"], ["x", "y", "z"]):
            edits.set_value(index, vector_text(np.array(vector)))
    return edits.apply()


def _missing_vectors(view: PanelView) -> Document | None:
    """Write the vectors that CrystFEL 0.9.1 takes where there are none; newer ones refuse."""
    lines = [
        f"{key} = {text}"
        for key, text in (("fs", "+1.0x +0.0y"), ("ss", "+0.0x +1.0y"))
        if key not in view.used_keys
    ]
    if not lines:
        return None
    edits = Edits(view)
    edits.add_before_panels(lines)
    return edits.apply()


def _whole_numbers(view: PanelView) -> Document | None:
    edits = Edits(view)
    for index, assignment in enumerate(view.document.assignments):
        text = assignment.value
        value = values.number(text) if assignment.key in _LIMITS else None
        if value is not None and value == int(value) and not text.isdecimal():
            edits.set_value(index, str(int(value)))
    return edits.apply()


def _no_index(view: PanelView) -> Document | None:
    """Take out flags that are not set: cfelpyutils takes any text for true."""
    edits = Edits(view)
    for index, assignment in enumerate(view.document.assignments):
        if (assignment.panel or "").startswith("bad") or assignment.key != "no_index":
            continue
        if values.switch(assignment.value) is False:
            edits.remove(index)
    return edits.apply()


# -- Beam and distance --------------------------------------------------------------------


def _photon_energy(view: PanelView) -> Document | None:
    """Write a photon energy in eV, without a unit, which cfelpyutils does not read."""
    if not view.beam:
        return None
    index = view.beam[-1]
    energy = geometry_of(view).photon_energy
    if energy is None or values.number(view.value(index)) == energy:
        return None
    if not POSSIBLE_ENERGIES[0] <= energy <= POSSIBLE_ENERGIES[1]:
        return None  # its unit is wrong, and the line shows which it was
    edits = Edits(view)
    text = positional(energy)
    if view.key(index) == "photon_energy":
        edits.set_value(index, text)
    else:
        edits.set_assignment(index, "photon_energy", text)
        edits.add_comment(index, f"was {view.key(index)} = {view.value(index)}")
    return edits.apply()


def _clen_unit(view: PanelView) -> Document | None:
    index = view.top.get("clen")
    distance = geometry_of(view).distance
    text = "" if index is None else view.value(index)
    if index is None or distance is None or values.number(text) is not None:
        return None
    if not POSSIBLE_DISTANCES[0] <= distance <= POSSIBLE_DISTANCES[1]:
        return None
    edits = Edits(view)
    edits.set_value(index, positional(distance))
    return edits.apply()


def _clen_of_panels(view: PanelView) -> Document | None:
    """Write one clen for all panels where each has the same of its own."""
    texts = set(view.clen)
    own = [
        index
        for index, assignment in enumerate(view.document.assignments)
        if assignment.key == "clen" and assignment.panel in view.panels
    ]
    text = next(iter(texts))
    if not own or len(texts) != 1 or not text:
        return None
    edits = Edits(view)
    for index in own:
        edits.remove(index)
    top = view.top.get("clen")
    if top is not None:
        edits.set_value(top, text)
    else:
        edits.add_before_panels([f"clen = {text}"])
    return edits.apply()


# -- Order --------------------------------------------------------------------------------


def _moved_up(view: PanelView, keys: Callable[[str], bool]) -> Document | None:
    """Move top-level lines that stand behind the first panel before it, comments and all."""
    text, assignments = view.document.text, view.document.assignments
    first = next(i for i, a in enumerate(assignments) if a.panel in view.panels)
    edits, lines = Edits(view), []
    for index, assignment in enumerate(assignments):
        if index > first and assignment.panel is None and keys(assignment.key):
            start = max(
                text.rfind("\n", 0, assignment.start), text.rfind("\r", 0, assignment.start)
            )
            end = re.compile(r"\r|\n|\Z").search(text, assignment.start)
            assert end is not None
            lines.append(text[start + 1 : end.start()].rstrip())
            edits.remove(index)
    if not lines:
        return None
    edits.add_before_panels(lines)
    return edits.apply()


def _late_beam(view: PanelView) -> Document | None:
    return _moved_up(view, lambda key: key == "clen")


def _late_groups(view: PanelView) -> Document | None:
    return _moved_up(view, lambda key: key.startswith("group_"))


def _trailing_defaults(view: PanelView) -> Document | None:
    """Make comments of defaults that no panel follows: they have no effect."""
    edits = Edits(view)
    for index, assignment in enumerate(view.document.assignments):
        key = assignment.key
        whole = key in WHOLE_FILE_KEYS or key.startswith(("group_", "rigid_group"))
        if index > view.last_new_panel and assignment.panel is None and not whole:
            edits.comment_out(index)
    return edits.apply()


# -- Regions and groups -------------------------------------------------------------------


def _regions(view: PanelView) -> Document | None:
    """Name the only panel in bad regions that name none."""
    if len(view.panels) != 1:
        return None
    edits = Edits(view)
    for name, keys in view.regions.items():
        in_data = any(key in keys for key in REGION_DATA_KEYS)
        if in_data and "panel" not in keys:
            edits.add_to_region(name, [f"{name}/panel = {view.names[0]}"])
    return edits.apply()


def _members(view: PanelView) -> Document | None:
    """Take blanks and repetitions out of groups.

    Names that are not there stay: they may be all that tells of panels that a file has lost.
    """
    edits = Edits(view)
    for index in view.groups:
        names = [name.strip(" \t") for name in view.value(index).split(",")]
        text = ",".join(dict.fromkeys(name for name in names if name))
        if text and text != view.value(index):
            edits.set_value(index, text)
    return edits.apply()


def _collections(view: PanelView) -> Document | None:
    """Take names out of collections that are no groups; groups are only names of panels."""
    edits = Edits(view)
    keys = [view.key(index) for index in view.groups]
    there = {
        key.removeprefix("rigid_group_")
        for key in keys
        if key.startswith("rigid_group_") and not key.startswith("rigid_group_collection_")
    }
    for index, key in zip(view.groups, keys, strict=True):
        if key.startswith("rigid_group_collection_"):
            names = [name.strip(" \t") for name in view.value(index).split(",")]
            kept = [name for name in names if name in there]
            if kept and kept != names:
                edits.set_value(index, ",".join(kept))
    return edits.apply()


def _hierarchy(view: PanelView) -> Document | None:
    """Add groups of at most 64 panels, without which CrystFEL has none."""
    has = any(view.key(index).startswith("group_") for index in view.groups)
    if has or len(view.panels) <= MAX_GROUP_SIZE:
        return None
    tree = hierarchy(group_members(view), view.names)
    if not tree:
        return None
    edits = Edits(view)
    edits.add_before_panels(f"group_{name} = {','.join(members)}" for name, members in tree)
    changed = edits.apply()
    # A line more must not be one reason more to reject the file.
    before, after = (rejections(each, "0.10.2") for each in (view, PanelView(changed)))
    return changed if len(after) <= len(before) else None


_STEPS: tuple[tuple[Callable[[PanelView], Document | None], str], ...] = (
    (_byte_order_mark, "byte order mark taken out: CrystFEL takes it as part of the first key"),
    (_stray_lines, "lines with '#' made comments: CrystFEL refuses them"),
    (_spaces, "spaces around '=': CrystFEL 0.9.1 and cfelpyutils pass over lines without"),
    (_vectors, "vectors with x and y: cfelpyutils takes an axis that is absent from the default"),
    (
        _missing_vectors,
        "fs = x and ss = y written, as CrystFEL 0.9.1 takes them: newer ones refuse",
    ),
    (_whole_numbers, "ranges as whole numbers: cfelpyutils refuses others"),
    (_no_index, "no_index = 0 taken out: cfelpyutils takes it as true"),
    (_photon_energy, "photon energy in eV without a unit, as cfelpyutils needs it"),
    (_clen_of_panels, "one clen for all panels: CrystFEL since 0.11 refuses others"),
    (_clen_unit, "clen in metres without a unit, as cfelpyutils needs it"),
    (_late_beam, "clen moved before the panels, as CrystFEL up to 0.10 and cfelpyutils need it"),
    (_late_groups, "groups moved before the panels, as CrystFEL 0.10.2 needs them"),
    (_trailing_defaults, "defaults behind the last panel made comments: no effect, and refused"),
    (_regions, "bad regions name their panel"),
    (_members, "groups without blanks and repetitions: CrystFEL refuses them"),
    (_collections, "collections without groups that are not there"),
    (_hierarchy, "groups of at most 64 panels: CrystFEL has no panel groups without"),
)
