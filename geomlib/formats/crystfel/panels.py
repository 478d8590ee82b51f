"""`PanelView`: what a ``.geom`` document says about each panel.

Resolves defaults in the order of the file, repeated keys (the last counts), vectors, layouts of the
data, masks and flags as CrystFEL 0.12 does. Every column has one entry a panel, in the order in
which the panels are first named.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple, TypeVar, cast

import numpy as np

from geomlib.detector import FloatArray, IntArray
from geomlib.formats.crystfel import values
from geomlib.formats.crystfel.document import Document, printable, quoted
from geomlib.formats.crystfel.values import Vector

T = TypeVar("T")
Dimensions = tuple[str | int | None, ...]

#: Older names, and what each is called now.
SYNONYMS = {
    "mask": "mask0_data",
    "mask_file": "mask0_file",
    "mask_good": "mask0_goodbits",
    "mask_bad": "mask0_badbits",
}
FLAG_KEYS = ("flag_lessthan", "flag_morethan", "flag_equal")
MAX_DIMENSIONS, MAX_MASKS, MAX_FLAGS = 16, 8, 16
_MASK_PARTS = ("data", "file", "goodbits", "badbits")
_MASK_KEYS = tuple(f"mask{n}_{part}" for n in range(MAX_MASKS) for part in _MASK_PARTS)
#: Keys of a panel, which may also stand at top level as a default for later panels.
PANEL_KEYS = frozenset(
    (
        *("min_fs", "max_fs", "min_ss", "max_ss", "corner_x", "corner_y", "fs", "ss", "res"),
        *("coffset", "clen", "data", "adu_per_eV", "adu_per_photon", "max_adu", "no_index"),
        *("saturation_map", "saturation_map_file", "mask_edge_pixels"),
        *(f"dim{n}" for n in range(MAX_DIMENSIONS)),
        *_MASK_KEYS,
        *FLAG_KEYS,
    )
)
_GROUP_KEY = re.compile(r"(?:rigid_)?group_")


class _PlainKeys(dict[str, str]):
    """Keys as they are called now, by what stands in the file; each is looked at once."""

    def __missing__(self, text: str) -> str:
        key = text.rstrip(" \t")
        self[text] = key = SYNONYMS.get(key, key)
        return key


class Mask(NamedTuple):
    """One of the masks of a panel: where it lies, and which bits make a pixel good or bad."""

    data: str | None
    file: str | None
    good: int
    bad: int


class PanelView:
    """What a document says, panel by panel.

    Attributes
    ----------
    document : Document
        The text.
    top : dict of str to int
        Top-level keys, each with the index (in `Document.assignments`) that counts.
    panels : dict of str to dict of str to int
        For each panel its keys, inherited defaults included, each with the index that counts.
        Masks go by their newer names (`SYNONYMS`).
    regions : dict of str to dict of str to int
        The same for bad regions.
    groups : list of int
        Indices of ``group_…``, ``rigid_group_…`` and ``rigid_group_collection_…`` lines.
    beam : list of int
        Indices of ``photon_energy``, ``wavelength`` and ``electron_voltage`` lines; the last one
        counts.
    last_new_panel : int
        Index of the line that first names the last panel.
    doubts : list of str
        What was accepted although it looks wrong.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.top: dict[str, int] = {}
        self.panels: dict[str, dict[str, int]] = {}
        self.regions: dict[str, dict[str, int]] = {}
        self.groups: list[int] = []
        self.beam: list[int] = []
        self.last_new_panel = -1
        self.doubts: list[str] = []
        self._flags: dict[str, tuple[int, ...]] = {}
        self._read()

    def _read(self) -> None:
        defaults: dict[str, int] = {}
        default_flags: tuple[int, ...] = ()
        owner, current = None, defaults
        plain = _PlainKeys()
        flags = "flag_" in self.document.text
        for index, (name, slash, key, _, _) in enumerate(self.document.rows):
            if not slash:
                key = name.rstrip(" \t")
                self._top_level(index, key)
                key = SYNONYMS.get(key, key)
                if key in PANEL_KEYS:
                    defaults[key] = index
                    if key in FLAG_KEYS:
                        default_flags = (*default_flags, index)[: MAX_FLAGS + 1]
                continue
            if name != owner:
                owner = name
                if name.startswith("bad"):
                    current = self.regions.setdefault(name, {})
                elif name in self.panels:
                    current = self.panels[name]
                else:
                    current = self.panels[name] = defaults.copy()
                    self.last_new_panel = index
                    if default_flags:
                        self._flags[name] = default_flags
            key = plain[key]
            if flags and key in FLAG_KEYS:
                self._flags[name] = (*self._flags.get(name, ()), index)[: MAX_FLAGS + 1]
            current[key] = index

    def _top_level(self, index: int, key: str) -> None:
        self.top[key] = index
        if key in ("photon_energy", "wavelength", "electron_voltage"):
            self.beam.append(index)
        elif _GROUP_KEY.match(key):
            self.groups.append(index)

    # -- Texts --------------------------------------------------------------------------

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the panels."""
        return tuple(self.panels)

    def value(self, index: int) -> str:
        """Text of the value of an assignment."""
        return self.document.values[index]

    def key(self, index: int) -> str:
        """Key of an assignment at top level."""
        return self.document.rows[index][0].rstrip(" \t")

    def text(self, key: str, panel: str | None = None) -> str | None:
        """Text of a key of a panel (inherited or its own), or at top level; None if absent."""
        index = self.origin(key, panel)
        return None if index is None else self.value(index)

    def origin(self, key: str, panel: str | None = None) -> int | None:
        """Index of the assignment that a value comes from: a panel's own, or a shared default."""
        if panel is None:
            return self.top.get(key)
        return self.panels[panel].get(SYNONYMS.get(key, key))

    # -- Columns ------------------------------------------------------------------------

    def column(
        self,
        key: str,
        parse: Callable[[str], T | None],
        expected: str,
        *,
        default: T | None = None,
    ) -> list[T]:
        """Values of a key for every panel.

        Parameters
        ----------
        key : str
            Name of the key.
        parse : callable
            From the text to the value; None for a text that is none.
        expected : str
            What the text should be, for the message.
        default : optional
            For panels without the key; None if each must have it.

        Raises
        ------
        GeometryFileError
            If a panel has no such key or a text is wrong.
        """
        if key not in self.used_keys and default is not None:
            return [default] * len(self.panels)
        shared = {keys.get(key) for keys in self.panels.values()}
        if len(shared) == 1 and (index := shared.pop()) is not None:
            return [self.parse(index, parse, expected)] * len(self.panels)
        out: list[T] = []
        texts = self.document.values
        seen: dict[str, T] = {}
        for name, keys in self.panels.items():
            index = keys.get(key)
            if index is None:
                if default is None:
                    raise self.document.error(
                        f"panel {quoted(name)} has no {key}; expected {expected}",
                        max(keys.values(), default=None),
                        printable(f"{name}/{key}"),
                    )
                out.append(default)
                continue
            value = seen.get(texts[index])
            if value is None:
                value = seen[texts[index]] = self.parse(index, parse, expected)
            out.append(value)
        return out

    def parse(self, index: int, parse: Callable[[str], T | None], expected: str) -> T:
        """Value of one assignment; a `GeometryFileError` that names it if its text is wrong."""
        text = self.value(index)
        value = parse(text)
        if value is not None:
            return value
        # `#` starts no comment for CrystFEL, but there what follows a number does not count.
        before = values.without_comment(text)
        value = None if before is None else parse(before)
        if value is None:
            raise self.document.error(f"found {quoted(text)}, expected {expected}", index)
        self.doubt(f"'#' starts no comment in {quoted(text)}", index)
        return value

    def doubt(self, message: str, index: int) -> None:
        """Note something that was accepted, for a warning."""
        where = self.document.assignments[index]
        key = where.key if where.panel is None else f"{where.panel}/{where.key}"
        self.doubts.append(f"line {where.line} [{printable(key)}]: {message}")

    def _numbers(
        self,
        key: str,
        expected: str,
        parse: Callable[[str], float | None] = values.number,
        default: float | None = None,
    ) -> FloatArray:
        """Return a column of numbers: all at once if they are plain, else each with its checks."""
        if key in self.common_keys:
            texts = [self.document.values[keys[key]] for keys in self.panels.values()]
            numbers = values.plain_numbers(texts)
            if numbers is not None:
                return numbers
        return np.array(self.column(key, parse, expected, default=default), dtype=np.float64)

    @cached_property
    def corners(self) -> FloatArray:
        """Outer corner of the first pixel, x and y in pixels of the panel, shape (panels, 2)."""
        columns = []
        for key in ("corner_x", "corner_y"):
            columns.append(self._numbers(key, "a number of pixels", values.corner))
            if "$" not in self.document.text:
                continue
            for index in sorted({keys[key] for keys in self.panels.values()}):
                if self.value(index).startswith("$"):
                    self.doubt("the blank of a template, taken as 0", index)
        return np.stack(columns, axis=1)

    @cached_property
    def coffset(self) -> FloatArray:
        """Shift along the beam, metres, shape (panels,)."""
        return self._numbers("coffset", "a number of metres, without a unit", default=0.0)

    @cached_property
    def pitch(self) -> FloatArray:
        """Size of a pixel, metres, shape (panels,)."""
        expected = "pixels per metre, 0.001 to 1e12"
        numbers = self._numbers("res", expected)
        if len(numbers) and not (
            numbers.min() >= values.MIN_RES and numbers.max() <= values.MAX_RES
        ):
            self.column("res", values.resolution, expected)
        return 1 / numbers

    @cached_property
    def bounds(self) -> IntArray:
        """First and last row, first and last column in the file, inclusive, shape (panels, 4)."""
        keys = ("min_ss", "max_ss", "min_fs", "max_fs")
        expected = "the index of a pixel, 0 or more"
        numbers = np.stack([self._numbers(key, expected) for key in keys], axis=1)
        if ((numbers < 0) | (numbers >= 2**31)).any():
            for key in keys:
                self.column(key, values.pixel_index, expected)
        bounds = numbers.astype(np.int64)
        for panel, key in np.argwhere(bounds != numbers):
            where = self.panels[self.names[panel]][keys[key]]
            self.doubt(f"{quoted(self.value(where))} is no whole number, cut off", where)
        for low, high in ((0, 1), (2, 3)):
            wrong = np.flatnonzero(bounds[:, high] < bounds[:, low])
            if len(wrong):
                first = int(wrong[0])
                raise self.document.error(
                    f"{bounds[first, high]} is less than {keys[low]}, {bounds[first, low]}",
                    self.origin(keys[high], self.names[first]),
                )
        return bounds

    @cached_property
    def fs(self) -> FloatArray:
        """Step along fast scan in pixels, shape (panels, 3); x where the file has none."""
        return self._vectors("fs", (1.0, 0.0, 0.0))

    @cached_property
    def ss(self) -> FloatArray:
        """Step along slow scan in pixels, shape (panels, 3); y where the file has none."""
        return self._vectors("ss", (0.0, 1.0, 0.0))

    def _vectors(self, key: str, default: Vector) -> FloatArray:
        expected = "a vector such as +0.01x -0.99y, without exponents"
        column = self.column(key, values.vector, expected, default=default)
        return np.array(column, dtype=np.float64).reshape(-1, 3)

    @cached_property
    def dimensions(self) -> list[Dimensions]:
        """What each axis of the data is: ``ss``, ``fs``, ``%``, an index, or None for a hole."""
        used = [n for n in range(MAX_DIMENSIONS) if f"dim{n}" in self.used_keys]
        names = [f"dim{n}" for n in used]
        texts = [*self.document.values, None]
        seen: dict[tuple[str | None, ...], Dimensions] = {}
        out = []
        for name, keys in self.panels.items():
            layout = tuple([texts[keys.get(key, -1)] for key in names])
            if layout not in seen:
                seen[layout] = self._dimensions(name, {n: keys.get(f"dim{n}") for n in used})
            out.append(seen[layout])
        return out

    def _dimensions(self, name: str, indices: dict[int, int | None]) -> Dimensions:
        axes: list[str | int | None] = ["ss", "fs", *[None] * (max(indices, default=0) + 1)]
        for axis, index in indices.items():
            if index is not None:
                value = self.parse(index, values.dimension, "ss, fs, % or an index")
                axes[axis] = cast("str | int", value)
        while axes[-1] is None:
            axes.pop()
        for wanted in ("ss", "fs"):
            if wanted not in axes:
                raise self.document.error(
                    f"panel {quoted(name)}: no axis of the data is {wanted} (dim0 … say {axes})",
                    max((i for i in indices.values() if i is not None), default=None),
                )
        return tuple(axes)

    @cached_property
    def data(self) -> list[str]:
        """Where the data lies in the HDF5 file."""
        return self.column("data", str, "a path", default="/data/data")

    @cached_property
    def slabs(self) -> tuple[IntArray, bool]:
        """Number of the slab of data of each panel, and whether the data has an axis of slabs."""
        dims, paths = self.dimensions, self.data
        if len(set(paths)) == 1 and len(set(map(len, dims))) == 1:
            varying = [
                axis for axis, each in enumerate(zip(*dims, strict=True)) if len(set(each)) > 1
            ]
            if not varying:
                return np.zeros(len(dims), dtype=np.int64), False
            column = [each[varying[0]] for each in dims]
            if len(varying) == 1 and all(isinstance(index, int) for index in column):
                return np.array(column, dtype=np.int64), True
        numbers: dict[object, int] = {}
        places = zip(paths, dims, strict=True)
        return np.array([numbers.setdefault(place, len(numbers)) for place in places]), True

    @cached_property
    def no_index(self) -> list[bool]:
        """Whether the panel is not to be used for indexing."""
        return self.column("no_index", values.switch, "true, false, 0 or 1", default=False)

    @cached_property
    def adu(self) -> list[tuple[float, str]]:
        """ADU scale and its unit, ``"eV"`` or ``"photon"``; NaN where the file has none."""
        scales = {
            unit: self.column(f"adu_per_{unit}", values.number, "a number", default=np.nan)
            for unit in ("eV", "photon")
        }
        out = []
        for row, keys in enumerate(self.panels.values()):
            photon = keys.get("adu_per_photon", -1) > keys.get("adu_per_eV", -1)
            unit = "photon" if photon else "eV"
            out.append((scales[unit][row], unit))
        return out

    @cached_property
    def max_adu(self) -> list[float]:
        """Largest value that counts."""
        return self.column("max_adu", values.number, "a number", default=np.inf)

    @cached_property
    def masks(self) -> list[dict[int, Mask]]:
        """Masks of each panel, by number."""
        used = [key for key in _MASK_KEYS if key in self.used_keys]
        seen: dict[tuple[int | None, ...], dict[int, Mask]] = {}
        out = []
        for keys in self.panels.values():
            indices = tuple(map(keys.get, used))
            if indices not in seen:
                seen[indices] = self._masks(keys)
            out.append(seen[indices])
        return out

    @cached_property
    def common_keys(self) -> set[str]:
        """Every key that all panels have."""
        panels = list(self.panels.values())
        return set(panels[0]).intersection(*panels) if panels else set()

    @cached_property
    def used_keys(self) -> set[str]:
        """Every key that some panel has."""
        return set().union(*self.panels.values())

    def _masks(self, keys: dict[str, int]) -> dict[int, Mask]:
        out = {}
        for n in range(MAX_MASKS):
            data, file, good, bad = (keys.get(f"mask{n}_{part}") for part in _MASK_PARTS)
            if not any(index is not None for index in (data, file, good, bad)):
                continue
            place = None if data is None else self.value(data)
            out[n] = Mask(
                # CrystFEL ignores a place without a slash.
                place if place and "/" in place else None,
                None if file is None else self.value(file),
                *(
                    0 if bits is None else self.parse(bits, values.mask_bits, "bits, as 0xffff")
                    for bits in (good, bad)
                ),
            )
        return out

    @cached_property
    def flags(self) -> list[list[tuple[str, int]]]:
        """Values that mark a bad pixel: (``"lessthan"`` …, value), in the order of the file."""
        if not self._flags:
            return [[] for _ in self.panels]
        return [
            [
                (
                    self.document.assignments[index].key.removeprefix("flag_"),
                    self.parse(index, values.whole, "a number"),
                )
                for index in self.flag_indices(name)
            ]
            for name in self.panels
        ]

    @property
    def flagged_panels(self) -> tuple[str, ...]:
        """Names of the panels that have flags."""
        return tuple(self._flags)

    def flag_indices(self, panel: str) -> tuple[int, ...]:
        """Return the indices of the flags of a panel, one more than CrystFEL takes at most."""
        return self._flags.get(panel, ())

    @cached_property
    def clen(self) -> list[str | None]:
        """Text of the camera length that holds for each panel (its own before CrystFEL 0.11)."""
        shared = self.text("clen")
        return [
            self.value(keys["clen"]) if "clen" in keys else shared for keys in self.panels.values()
        ]
