"""Which versions of CrystFEL accept a ``.geom`` document, and why others reject it.

The rules are those observed of CrystFEL 0.9.1, 0.10.2 and 0.12; "accepts" means that the file is
read, not that its values make sense.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isnan
from typing import Literal, NamedTuple

from geomlib.formats.crystfel import values
from geomlib.formats.crystfel.beam import beam_lines
from geomlib.formats.crystfel.document import BYTE_ORDER_MARK, Document, printable, quoted
from geomlib.formats.crystfel.doubts import WHOLE_FILE_KEYS
from geomlib.formats.crystfel.groups import MAX_GROUP_SIZE
from geomlib.formats.crystfel.panels import (
    MAX_DIMENSIONS,
    MAX_FLAGS,
    MAX_MASKS,
    PANEL_KEYS,
    Dimensions,
    PanelView,
)
from geomlib.formats.crystfel.regions import REGION_DATA_KEYS, REGION_LAB_KEYS

Version = Literal["0.9.1", "0.10.2", "0.12"]
VERSIONS: tuple[Version, ...] = ("0.9.1", "0.10.2", "0.12")


class Reason(NamedTuple):
    """Why a version rejects a file.

    Attributes
    ----------
    line : int or None
        Where, counted from 1; None for something that is missing.
    key : str or None
        The key concerned.
    message : str
        What is wrong.
    """

    line: int | None
    key: str | None
    message: str


class _Finding(NamedTuple):
    """A reason, with the index of its assignment (None: nowhere) and the versions that mind."""

    assignment: int | None
    key: str | None
    message: str
    versions: tuple[Version, ...]


_ALL = VERSIONS
_NEW: tuple[Version, ...] = ("0.12",)
_OLD: tuple[Version, ...] = ("0.9.1", "0.10.2")
_SINCE_10: tuple[Version, ...] = ("0.10.2", "0.12")

_UNITS = {
    "photon_energy": ("eV", "keV"),
    "wavelength": ("m", "A"),
    "electron_voltage": ("V", "kV"),
}
_MASK_LIKE = re.compile(r"mask(\d+)_")
_UNSPACED = re.compile(r"^([^;=\r\n]*+)(?:(?<![ \t])=|=(?![ \t]))", re.MULTILINE)


def rejections(document: Document | PanelView, version: Version) -> list[Reason]:
    """Why a version of CrystFEL rejects a document; empty if it accepts it.

    Parameters
    ----------
    document : Document or PanelView
        The file.
    version : {"0.9.1", "0.10.2", "0.12"}
        The version of CrystFEL.
    """
    view = document if isinstance(document, PanelView) else PanelView(document)
    out = []
    for finding in _findings(view):
        if version in finding.versions:
            out.append(_reason(view, finding))
    return out


def rejection_summary(view: PanelView) -> str:
    """Say which versions of CrystFEL reject a file that geomlib reads, and why; empty if none."""
    reasons: dict[tuple[Version, ...], dict[str, None]] = {}
    minding: dict[str, set[Version]] = {}
    for finding in _findings(view, parsed=True):
        minding.setdefault(finding.message, set()).update(finding.versions)
    for message, versions in minding.items():
        reasons.setdefault(tuple(v for v in VERSIONS if v in versions), {})[message] = None
    parts = []
    for minded, messages in sorted(reasons.items(), key=lambda item: -len(item[0])):
        shown = list(messages)[:4]
        more = f"; and {len(messages) - 4} more reasons" if len(messages) > 4 else ""
        verb = "rejects" if len(minded) == 1 else "reject"
        parts.append(f"CrystFEL {_and(minded)} {verb} this file: {'; '.join(shown)}{more}")
    return ". ".join(parts)


def _and(words: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _reason(view: PanelView, finding: _Finding) -> Reason:
    if finding.assignment is None:
        return Reason(None, finding.key, finding.message)
    where = view.document.assignments[finding.assignment]
    key = where.key if where.panel is None else f"{where.panel}/{where.key}"
    return Reason(where.line, finding.key or printable(key), finding.message)


def _findings(view: PanelView, *, parsed: bool = False) -> Iterator[_Finding]:
    """Find all that some version minds; ``parsed`` says that all numbers are known to be good."""
    if _is_spaced(view.document):
        yield from _findings_as_read(view, parsed)
        return
    for finding in _findings_as_read(view, parsed):
        yield finding._replace(versions=tuple(v for v in finding.versions if v != "0.9.1"))
    for finding in _findings_as_read(PanelView(spaced_lines(view.document)), False):
        if "0.9.1" in finding.versions:
            yield finding._replace(assignment=None, versions=("0.9.1",))


def spaced_lines(document: Document) -> Document:
    """Return what CrystFEL 0.9.1 sees: lines without spaces around ``=`` become comments."""
    if _is_spaced(document):
        return document
    return Document(_UNSPACED.sub(r"\1;", document.text), document.path)


def _is_spaced(document: Document) -> bool:
    """Tell whether every ``=`` of an assignment has spaces around it."""
    text = document.text.partition("\0")[0]
    # Most have one space; what is left is looked at one by one.
    others = text.replace(" = ", "   ")
    at = others.find("=")
    while at >= 0:
        start = max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1
        before = text[start:at]
        counts = ";" not in before and "=" not in before
        if counts and not (before[-1:] in (" ", "\t") and text[at + 1 : at + 2] in (" ", "\t")):
            return False
        at = others.find("=", at + 1)
    return True


def _findings_as_read(view: PanelView, parsed: bool) -> Iterator[_Finding]:
    yield from _lines(view)
    yield from _beam(view)
    yield from _missing_keys(view)
    if not parsed:
        yield from _numbers(view)
    yield from _layout(view, parsed)
    yield from _masks_and_flags(view, parsed)
    yield from _trailing_defaults(view)
    yield from _regions(view)
    yield from _groups(view)


# -- The whole file ---------------------------------------------------------------------


def _lines(view: PanelView) -> Iterator[_Finding]:
    if view.document.text.startswith(BYTE_ORDER_MARK):
        yield _Finding(None, None, "a byte order mark before the first key", _SINCE_10)
    for number, text in view.document.stray_lines[:1]:
        yield _Finding(None, None, f"line {number} is no assignment: {quoted(text)}", _SINCE_10)
    if not view.panels:
        yield _Finding(None, None, "no panels", _ALL)


def _beam(view: PanelView) -> Iterator[_Finding]:
    lines = beam_lines(view)
    if not lines:
        yield _Finding(
            None, "photon_energy", "no photon_energy, wavelength or electron_voltage", _SINCE_10
        )
    for line in lines:
        missing = not line.unit and line.key != "photon_energy"
        if missing or (line.unit and line.unit not in _UNITS[line.key]):
            found = quoted(view.value(line.assignment))
            units = " or ".join(_UNITS[line.key])
            message = f"{line.key} = {found}, expected a number, one space and {units}"
            yield _Finding(line.assignment, line.key, message, _SINCE_10)
    yield from _clen(view)
    kind = view.top.get("peak_list_type")
    if kind is not None and view.value(kind) not in ("cxi", "list3", "auto"):
        yield _Finding(kind, None, "peak_list_type is none of cxi, list3, auto", _NEW)


def _clen(view: PanelView) -> Iterator[_Finding]:
    """Until CrystFEL 0.10 the camera length was a key of panels, with a default at top level."""
    shared = view.top.get("clen")
    rows = view.document.rows
    own = [keys["clen"] for keys in view.panels.values() if "clen" in keys]
    own = [index for index in own if rows[index][1]]
    if own:
        yield _Finding(own[0], None, "clen given for single panels", _NEW)
    elif shared is None:
        yield _Finding(None, "clen", "no clen", _NEW)
    late = "no clen" if shared is None else "no clen before the panels"
    yield from _missing(view, ("clen",), late, _OLD)


def _trailing_defaults(view: PanelView) -> Iterator[_Finding]:
    """Keys at the end of the file, where no panel follows that they could be a default for."""
    trailing: dict[tuple[Version, ...], list[tuple[str, int]]] = {}
    for key, index in view.top.items():
        if index < view.last_new_panel or key in WHOLE_FILE_KEYS or key.startswith("rigid_group"):
            continue
        versions = ("0.10.2",) if key.startswith("group_") else _SINCE_10
        trailing.setdefault(versions, []).append((key, index))
    for versions, keys in trailing.items():
        key, index = keys[0]
        more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        yield _Finding(
            index, printable(key), f"{printable(key)}{more} after the last new panel", versions
        )


# -- Panels -----------------------------------------------------------------------------

_REQUIRED = (
    ("min_fs", _ALL),
    ("max_fs", _ALL),
    ("min_ss", _ALL),
    ("max_ss", _ALL),
    ("corner_x", _ALL),
    ("corner_y", _ALL),
    ("res", _ALL),
    ("fs", _SINCE_10),
    ("ss", _SINCE_10),
)


def _missing_keys(view: PanelView) -> Iterator[_Finding]:
    for key, versions in _REQUIRED:
        yield from _missing(view, (key,), f"no {key}", versions)
    yield from _missing(
        view, ("adu_per_eV", "adu_per_photon"), "no adu_per_eV or adu_per_photon", _ALL
    )


def _numbers(view: PanelView) -> Iterator[_Finding]:
    for key in ("min_fs", "max_fs", "min_ss", "max_ss", "res"):
        for index in _indices(view, key):
            if values.c_number(view.value(index)) < 0:
                yield _Finding(index, None, f"{key} is negative", _ALL)
    for key in ("corner_x", "corner_y"):
        for index in _indices(view, key):
            if isnan(values.c_number(view.value(index))):
                yield _Finding(index, None, f"{key} is no number", _ALL)
    for key in ("fs", "ss"):
        for index in _indices(view, key):
            if _bad_vector(view.value(index)):
                yield _Finding(
                    index, None, f"{key} = {quoted(view.value(index))} is no vector", _ALL
                )


def _missing(
    view: PanelView, keys: tuple[str, ...], message: str, versions: tuple[Version, ...]
) -> Iterator[_Finding]:
    if not view.common_keys.isdisjoint(keys):
        return
    without = [name for name, own in view.panels.items() if not any(key in own for key in keys)]
    if without:
        some = "" if len(without) == len(view.panels) else f" for {len(without)} panels"
        yield _Finding(None, keys[0], message + some, versions)


def _indices(view: PanelView, key: str) -> list[int]:
    if key not in view.used_keys:
        return []
    return sorted({keys[key] for keys in view.panels.values() if key in keys})


def _bad_vector(text: str) -> bool:
    return not text or re.search(r"[^-+.0-9xyz \t]", text) is not None


def _layout(view: PanelView, parsed: bool) -> Iterator[_Finding]:
    found: dict[str, _Finding] = {}
    for dims, name in _layouts(view, parsed).items():
        if "ss" not in dims or "fs" not in dims:
            problem, versions = "no axis ss or fs of the data", _ALL
        elif dims.index("fs") < dims.index("ss"):
            problem, versions = "fs before ss in the data", _NEW
        elif dims.count("ss") > 1 or dims.count("fs") > 1:
            problem, versions = "two axes ss or fs of the data", ("0.9.1",)
        else:
            continue
        where = max(
            (i for key, i in view.panels[name].items() if key.startswith("dim")), default=None
        )
        found.setdefault(
            problem, _Finding(where, None, f"{problem} (panel {quoted(name)})", versions)
        )
    yield from found.values()


def _layouts(view: PanelView, parsed: bool) -> dict[Dimensions, str]:
    """Every layout of the data as CrystFEL takes it, with the name of a panel that has it."""
    if parsed:
        return dict(zip(reversed(view.dimensions), reversed(view.names), strict=True))
    out: dict[Dimensions, str] = {}
    for name, keys in view.panels.items():
        dims: list[str | int | None] = ["ss", "fs", *[None] * (MAX_DIMENSIONS - 2)]
        for axis in range(MAX_DIMENSIONS):
            index = keys.get(f"dim{axis}")
            if index is not None:
                value = values.dimension(view.value(index))
                dims[axis] = dims[axis] if value is None else value
        out.setdefault(tuple(dims), name)
    return out


# -- Masks, flags -----------------------------------------------------------------------


def _masks_and_flags(view: PanelView, parsed: bool) -> Iterator[_Finding]:
    yield from _mask_keys(view)
    names = view.names
    if parsed:
        # Panels whose masks and data are the same share them.
        alike = zip(map(id, view.masks), view.data, names, strict=True)
        names = tuple({(mask, data): name for mask, data, name in alike}.values())
    for n in range(MAX_MASKS):
        parts = [f"mask{n}_{part}" for part in ("data", "file", "goodbits", "badbits")]
        if view.used_keys.isdisjoint(parts):
            continue
        chosen = {tuple(map(view.panels[name].get, parts)): name for name in names}
        for indices, name in chosen.items():
            yield from _mask(view, n, name, indices)
    for name in view.flagged_panels:
        flags = view.flag_indices(name)
        if len(flags) > MAX_FLAGS:
            message = f"panel {quoted(name)} has more than {MAX_FLAGS} flags"
            yield _Finding(flags[-1], None, message, _NEW)


def _mask_keys(view: PanelView) -> Iterator[_Finding]:
    used = sorted(key for key in {*view.used_keys, *view.top} if key.startswith("mask"))
    for key in used:
        number = _MASK_LIKE.match(key)
        if number is not None and key not in PANEL_KEYS and int(number[1][:9]) not in (8, 9):
            yield _Finding(None, key, f"{printable(key)} is no key of a mask", _NEW)
    for index in _indices(view, "mask_edge_pixels"):
        if not view.value(index).isdecimal():
            yield _Finding(index, None, "mask_edge_pixels is no whole number", _NEW)


def _mask(view: PanelView, n: int, name: str, chosen: tuple[int | None, ...]) -> Iterator[_Finding]:
    data, file, *bits = chosen
    place = "" if data is None else view.value(data)
    if "/" in place:
        if place.count("%") > (view.text("data", name) or "").count("%"):
            yield _Finding(data, None, f"mask {n} has more % in its path than the data", _NEW)
        return
    if any(index is not None and values.c_number(view.value(index)) for index in bits):
        where = max(index for index in bits if index is not None)
        yield _Finding(where, None, f"good or bad bits of mask {n} but no mask", _NEW)
    if file is not None:
        yield _Finding(file, None, f"a file for mask {n} but no place in it", _NEW)


# -- Bad regions ------------------------------------------------------------------------


def _regions(view: PanelView) -> Iterator[_Finding]:
    for name, keys in view.regions.items():
        last = max(keys.values())
        data = any(key in keys for key in REGION_DATA_KEYS)
        if data and any(key in keys for key in REGION_LAB_KEYS):
            yield _Finding(last, None, f"bad region {quoted(name)} mixes x, y and ss, fs", _ALL)
        if not data:
            continue
        panel = view.value(keys["panel"]) if "panel" in keys else None
        if panel is None and len(view.panels) > 1:
            yield _Finding(
                last, f"{printable(name)}/panel", "a bad region in ss, fs names no panel", _SINCE_10
            )
        elif panel is not None and panel not in view.panels:
            yield _Finding(
                keys["panel"],
                None,
                f"bad region {quoted(name)} of an unknown panel",
                _SINCE_10,
            )
        elif panel is not None and not _inside(view, keys, panel):
            yield _Finding(
                last, None, f"bad region {quoted(name)} reaches out of its panel", _SINCE_10
            )


def _inside(view: PanelView, keys: dict[str, int], panel: str) -> bool:
    limits = view.panels[panel]
    for axis in ("ss", "fs"):
        if f"min_{axis}" not in limits or f"max_{axis}" not in limits:
            continue
        low, high = (
            int(values.c_number(view.value(limits[f"{end}_{axis}"]))) for end in ("min", "max")
        )
        for end in ("min", "max"):
            index = keys.get(f"{end}_{axis}")
            if index is not None and not low <= int(values.c_number(view.value(index))) <= high:
                return False
    return True


# -- Groups -----------------------------------------------------------------------------


def _groups(view: PanelView) -> Iterator[_Finding]:
    known: set[str] = set()
    rigid: set[str] = set()
    collections = []
    for index in view.groups:
        key = view.key(index)
        members = view.value(index).split(",")
        if key.startswith("group_"):
            yield from _group(view, index, key.removeprefix("group_"), members, known)
        elif key.startswith("rigid_group_collection_"):
            collections.append((index, members))
        else:
            rigid.add(key.removeprefix("rigid_group_"))
            unknown = set(members) - view.panels.keys()
            missing = [m for m in members if m in unknown and m.strip() not in view.panels]
            if missing:
                yield _Finding(
                    index,
                    None,
                    f"rigid group of a panel that is not there: {quoted(missing[0])}",
                    _OLD,
                )
    for index, members in collections:
        missing = [m for m in members if m.strip() not in rigid]
        if missing:
            yield _Finding(
                index,
                None,
                f"collection of a rigid group that is not there: {quoted(missing[0])}",
                _OLD,
            )


def _group(
    view: PanelView, index: int, name: str, members: list[str], known: set[str]
) -> Iterator[_Finding]:
    problem = None
    if name in view.panels or name in known:
        problem = "has the name of a panel or of another group"
    elif len(members) > MAX_GROUP_SIZE:
        problem = f"has more than {MAX_GROUP_SIZE} members"
    elif len(set(members)) < len(members):
        problem = "names a member twice"
    else:
        missing = [m for m in members if m not in view.panels and m not in known]
        if missing:
            problem = f"names {quoted(missing[0])}, which is no panel or earlier group"
    if problem:
        yield _Finding(index, None, f"group {quoted(name)} {problem}", _NEW)
    known.add(name)


__all__ = [
    "VERSIONS",
    "Reason",
    "Version",
    "rejection_summary",
    "rejections",
    "spaced_lines",
]
