"""What cfelpyutils 2.2.0 makes of a ``.geom`` file, without running it.

Its reader differs from CrystFEL in ways that it does not report. They are modelled here step by
step, from its observed behaviour, so that a check can say what it would refuse or misread; the
tests compare the model with cfelpyutils itself. cfel_fmt 2.2.0, with which EXtra-geom reads, is
the same.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from geomlib.formats.crystfel.document import Document, printable

_NAN = math.nan
_SIGN = re.compile(r"([+-])")
_BLANK = re.compile(r"[ \t]+")
_LINE_END = re.compile(r"\r\n|\r|\n")
_DEFAULTS = {"ss": (0.0, 1.0, 0.0), "fs": (1.0, 0.0, 0.0)}
_AXES = "xyz"


class CfelPanel(NamedTuple):
    """What cfelpyutils has for a panel.

    Attributes
    ----------
    numbers : dict of str to float
        ``corner_x``, ``corner_y``, ``coffset``, ``res``, ``clen``, ``adu_per_eV`` and so on; NaN
        for what is missing.
    limits : dict of str to int
        ``min_fs`` … ``max_ss``; -1 for what is missing.
    fs, ss : list of float
        Steps in pixels.
    texts : dict of str to str
        ``data``, ``mask``, ``mask_file``, ``clen_from``; empty for what is missing.
    dims : list
        ``"ss"``, ``"fs"``, ``"%"``, numbers; None for holes.
    flags : dict of str to bool
        ``no_index``.
    """

    numbers: dict[str, float]
    limits: dict[str, int]
    fs: list[float]
    ss: list[float]
    texts: dict[str, str]
    dims: list[str | int | None]
    flags: dict[str, bool]

    def copy(self) -> CfelPanel:
        """Return a panel that can be changed without changing this one."""
        return CfelPanel(*(field.copy() for field in self))  # type: ignore[arg-type]


class RefusedError(Exception):
    """cfelpyutils raises an error: its kind, and a line and key where it is about one."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class CfelGeometry:
    """What cfelpyutils has after reading a document.

    Attributes
    ----------
    panels : dict of str to CfelPanel
        In the order of the file.
    regions : dict of str to dict of str to str
        Bad regions: their keys and values; ``"panel"`` empty if there is none.
    mask_bits : dict of str to int
        ``mask_good`` and ``mask_bad`` for all panels.
    photon_energy : float
        0 if it is missing or a place in the data files.
    photon_energy_from : str
        That place.
    unseen : list of (int, str)
        Number and text of lines with a ``=`` that it passes over.

    Raises
    ------
    RefusedError
        If cfelpyutils raises an error.
    """

    def __init__(self, document: Document) -> None:
        self.panels: dict[str, CfelPanel] = {}
        self.regions: dict[str, dict[str, str]] = {}
        self.mask_bits = {"mask_good": 0, "mask_bad": 0}
        self.photon_energy = 0.0
        self.photon_energy_from = ""
        self.unseen: list[tuple[int, str]] = []
        self._groups: dict[str, list[str]] = {}
        self._collections: dict[str, list[str]] = {}
        self._default = _blank_panel()
        try:
            document.to_bytes().decode("utf-8")
        except UnicodeDecodeError as problem:
            line = document.line_at(len(document.to_bytes()[: problem.start].decode("utf-8")))
            raise RefusedError("bytes that are no UTF-8 (UnicodeDecodeError)", line) from None
        self._read(document.text)
        self._check()

    # -- Lines --------------------------------------------------------------------------

    def _read(self, text: str) -> None:
        for number, line in enumerate(_LINE_END.split(text), 1):
            if line.startswith(";"):
                continue
            content = line.strip().split(";")[0]
            words = [word for word in _BLANK.split(content) if word]
            if len(words) < 3 or words[1] != "=":
                if "=" in content:
                    self.unseen.append((number, content.strip()))
                continue
            # All blanks of the value are lost.
            key, value = words[0], "".join(words[2:])
            try:
                self._assign(key, value)
            except RefusedError as problem:
                raise RefusedError(problem.message, number) from None
            except (ValueError, IndexError) as problem:
                kind = type(problem).__name__
                message = f"{printable(key)} = {printable(value)} ({kind})"
                raise RefusedError(message, number) from None

    def _assign(self, key: str, value: str) -> None:
        parts = [part for part in key.split("/") if part]
        if len(parts) < 2:
            self._top_level(key, value)
        elif parts[0].startswith("bad"):
            self._in_region(parts[0], parts[1], value)
        else:
            if parts[0] not in self.panels:
                self.panels[parts[0]] = self._default.copy()
            self._in_panel(self.panels[parts[0]], parts[1], value, parts[0])

    def _top_level(self, key: str, value: str) -> None:
        if key in self.mask_bits:
            self.mask_bits[key] = _bits(value)
        elif key == "photon_energy":
            is_place = value.startswith("/")
            self.photon_energy = 0.0 if is_place else float(value)
            self.photon_energy_from = value if is_place else ""
        elif key == "photon_energy_scale":
            float(value)
        elif key.startswith("rigid_group_collection"):
            self._collections[key[23:]] = value.split(",")
        elif key.startswith("rigid_group"):
            self._groups[key[12:]] = value.split(",")
        elif key != "peak_info_location":
            self._in_panel(self._default, key, value, "")

    def _in_region(self, name: str, key: str, value: str) -> None:
        region = self.regions.setdefault(name, {"panel": ""})
        if key in _REGION_LAB:
            float(value)
        elif key in _LIMITS:
            int(value)
        elif key != "panel":
            raise RefusedError(f"the key {printable(key)} of a bad region (RuntimeError)")
        region[key] = value
        kinds = {key in _REGION_LAB for key in region if key != "panel"}
        if len(kinds) > 1:
            raise RefusedError("x, y and fs, ss in one bad region (RuntimeError)")

    def _in_panel(self, panel: CfelPanel, key: str, value: str, name: str) -> None:
        if key in _LIMITS:
            panel.limits[key] = int(value)
        elif key in panel.numbers and key != "clen":
            panel.numbers[key] = float(value)
        elif key == "clen":
            _set_clen(panel, value)
        elif key in ("data", "mask"):
            if not value.startswith("/"):
                raise RefusedError(f"{key} = {printable(value)} has no leading '/' (RuntimeError)")
            panel.texts[key] = value
        elif key in panel.texts:
            panel.texts[key] = value
        elif _MASK_BITS.fullmatch(key):
            _bits(value)
        elif key == "no_index":
            # The text, not what it says: "0" and "false" are true.
            panel.flags[key] = bool(value)
        elif key in ("fs", "ss"):
            _set_vector(panel.fs if key == "fs" else panel.ss, value)
        elif key == "rail_direction":
            _set_vector([_NAN] * 3, value)
        elif key == "rigid_group":
            members = self._groups.setdefault(value, [])
            members += [name] * (name not in members)
        elif key.startswith("dim"):
            _set_dimension(panel.dims, key, value)

    # -- The whole ----------------------------------------------------------------------

    def _check(self) -> None:
        """Refuse what cfelpyutils refuses after the last line, in its order."""
        if not self.panels:
            raise RefusedError("no panels (RuntimeError)")
        panels = self.panels
        holes = {name: panel.dims.count("%") for name, panel in panels.items()}
        in_masks = {panel.texts["mask"].count("%") for panel in panels.values()}
        if len(set(holes.values())) > 1 or len(in_masks) > 1:
            raise RefusedError("panels with different numbers of % (RuntimeError)")
        if max(in_masks) > max(holes.values()):
            raise RefusedError("more % in the mask than in the dims (RuntimeError)")
        for name, panel in panels.items():
            if not panel.dims:
                panel.dims.extend(("ss", "fs"))
            problem = _bad_dimensions(panel.dims)
            if problem:
                raise RefusedError(f"panel {printable(name)}: {problem} (RuntimeError)")
        if len({len(panel.dims) for panel in panels.values()}) > 1:
            raise RefusedError("panels with different numbers of dims (RuntimeError)")
        for name, panel in panels.items():
            missing = [key for key, value in panel.limits.items() if value < 0]
            missing += ["res"] * (panel.numbers["res"] < 0)
            if missing:
                message = f"panel {printable(name)} has no good {missing[0]} (RuntimeError)"
                raise RefusedError(message)
        for name, region in self.regions.items():
            if len(region) == 1:
                raise RefusedError(f"bad region {printable(name)} has no limits (RuntimeError)")
        self._check_groups()
        for name, panel in panels.items():
            (fsx, fsy, _), (ssx, ssy, _) = panel.fs, panel.ss
            if fsx * ssy - ssx * fsy == 0:
                message = f"panel {printable(name)}: 'transformation is singular' (RuntimeError)"
                raise RefusedError(message)
        if any(panel.numbers["res"] == 0 for panel in panels.values()):
            raise RefusedError("res is 0 (ZeroDivisionError)")

    def _check_groups(self) -> None:
        for kind, groups, known in (
            ("rigid_group", self._groups, self.panels.keys()),
            ("rigid_group_collection", self._collections, self._groups.keys()),
        ):
            for group, members in groups.items():
                unknown = [member for member in members if member not in known]
                if unknown:
                    raise RefusedError(
                        f"{kind}_{printable(group)} names {printable(unknown[0])!r}, which is "
                        "not there (RuntimeError)"
                    )


_LIMITS = ("min_fs", "max_fs", "min_ss", "max_ss")
_REGION_LAB = ("min_x", "max_x", "min_y", "max_y")
_NUMBERS = ("corner_x", "corner_y", "clen", "adu_per_eV", "adu_per_photon", "clen_for_centering")
_MASK_BITS = re.compile(r"mask[0-7]_(?:good|bad)bits")


def _blank_panel() -> CfelPanel:
    numbers = dict.fromkeys(_NUMBERS, _NAN)
    numbers |= {"coffset": 0.0, "res": -1.0, "max_adu": math.inf}
    texts = dict.fromkeys(("data", "mask", "mask_file", "clen_from"), "")
    texts |= {f"mask{n}_{part}": "" for n in range(8) for part in ("data", "file")}
    limits = dict.fromkeys(_LIMITS, -1)
    steps = list(_DEFAULTS["fs"]), list(_DEFAULTS["ss"])
    return CfelPanel(numbers, limits, *steps, texts, [], {"no_index": False})


def _set_clen(panel: CfelPanel, value: str) -> None:
    try:
        panel.numbers["clen"], panel.texts["clen_from"] = float(value), ""
    except ValueError:
        panel.numbers["clen"], panel.texts["clen_from"] = -1.0, value


def _set_vector(vector: list[float], text: str) -> None:
    """Set the axes that a text names; the others stay as they were, by default x or y."""
    parts = [part for part in _SIGN.split(text.strip()) if part]
    if parts and parts[0] not in ("+", "-"):
        parts.insert(0, "+")
    if not parts:
        raise RefusedError("an empty vector (RuntimeError)")
    new = list(vector)
    for i in range(0, len(parts), 2):
        size, axis = parts[i] + parts[i + 1][:-1], parts[i + 1][-1]
        if axis not in _AXES:
            raise RefusedError(f"{printable(text)} as a vector (RuntimeError)")
        new[_AXES.index(axis)] = float(f"{size}1.0" if size in ("+", "-") else size)
    vector[:] = new


def _set_dimension(dims: list[str | int | None], key: str, value: str) -> None:
    """Set one axis; only the first digit of its number counts."""
    if not key[3:4].isdigit():
        raise RefusedError(f"{printable(key)} is no axis (RuntimeError)")
    axis = int(key[3])
    dims += [None] * (axis + 1 - len(dims))
    if value in ("ss", "fs", "%"):
        dims[axis] = value
    elif value.isdigit():
        dims[axis] = int(value)
    else:
        raise RefusedError(f"{printable(key)} = {printable(value)} (RuntimeError)")


def _bad_dimensions(dims: list[str | int | None]) -> str:
    if None in dims:
        return f"dim{dims.index(None)} is not given"
    for axis in ("ss", "fs"):
        if dims.count(axis) != 1:
            return f"{dims.count(axis)} axes {axis}"
    return "two axes %" if dims.count("%") > 1 else ""


def _bits(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return int(text, base=16)
