"""What a ``.geom`` file says that is read by nobody, or has no effect on positions.

Each function notes one topic in `PanelView.doubts`, once a file.
"""

from __future__ import annotations

import re
from itertools import islice

import numpy as np

from geomlib.detector import IntArray
from geomlib.formats.crystfel import values
from geomlib.formats.crystfel.document import printable, quoted
from geomlib.formats.crystfel.panels import PANEL_KEYS, SYNONYMS, PanelView
from geomlib.formats.crystfel.regions import REGION_DATA_KEYS, REGION_LAB_KEYS

#: Top-level keys that are no defaults for panels, in CrystFEL 0.12.
WHOLE_FILE_KEYS = frozenset(
    (
        *("photon_energy", "wavelength", "electron_voltage", "clen", "bandwidth"),
        *("peak_list", "peak_list_type", "detector_shift_x", "detector_shift_y"),
    )
)
# Keys that some version of CrystFEL knew, or that people's files have for other programs: harmless.
_FORMER_KEYS = frozenset(
    (
        *("badrow_direction", "peak_sep", "integr_radius", "n_panels", "rigid_group"),
        *("photon_energy_bandwidth", "photon_energy_scale", "rail_direction", "clen_for_centering"),
        *("peak_info_location", "beam_divergence", "profile_radius"),
    )
)
_KNOWN = PANEL_KEYS | SYNONYMS.keys() | WHOLE_FILE_KEYS | _FORMER_KEYS
_KNOWN_IN_REGIONS = {*REGION_DATA_KEYS, *REGION_LAB_KEYS, "panel", *PANEL_KEYS}
_GROUP = re.compile(r"(?:rigid_)?group_")
_MASK_DATA = re.compile(r"mask\d_data")
_SHIFT = re.compile(r"(\S+)(?:[ \t]+(m|mm))?")
_METRES = {None: 1.0, "m": 1.0, "mm": 1e-3}
#: Names listed in a message; neighbours that each panel is compared with.
_LISTED, _MAX_NEIGHBOURS = 5, 1000


def note_doubts(view: PanelView) -> None:
    """Note what is silently without effect, or makes no sense, in `PanelView.doubts`."""
    _detector_shift(view)
    _bandwidth(view)
    _adu_scale(view)
    _mask_places(view)
    _shared_pixels(view)
    _unknown_keys(view)


def _detector_shift(view: PanelView) -> None:
    """CrystFEL moves the detector by it, in the laboratory, when it uses a frame."""
    for axis in "xy":
        index = view.top.get(f"detector_shift_{axis}")
        if index is None:
            continue
        text = view.value(index)
        match = _SHIFT.fullmatch(text)
        shift = None if match is None else values.number(match[1])
        if shift == 0:
            continue
        if match is None or shift is None:
            place = f"what is in the data files at {quoted(text)}" if "/" in text else quoted(text)
            vector = "(shift, 0)" if axis == "x" else "(0, shift)"
            advice = f"geom.offset({vector}), in metres, applies a shift"
        else:
            metres = float(f"{shift * _METRES[match[2]]:.15g}")
            vector = f"({metres:g}, 0)" if axis == "x" else f"(0, {metres:g})"
            place, advice = quoted(text), f"geom.offset({vector}) applies it"
        view.doubt(
            f"CrystFEL moves the detector along {axis} by {place}; these positions are without "
            f"that: {advice} (a .geom file written then keeps this line, which moves it again)",
            index,
        )


def _bandwidth(view: PanelView) -> None:
    index = view.top.get("bandwidth")
    if index is None:
        return
    value = values.number(view.value(index))
    if value is None or value < 0:
        view.doubt(f"{quoted(view.value(index))} is no bandwidth, such as 0.01", index)


def _adu_scale(view: PanelView) -> None:
    if not any(scale <= 0 for scale, _ in set(view.adu)):
        return
    for name, (scale, unit) in zip(view.names, view.adu, strict=True):
        if scale <= 0:
            index = view.origin(f"adu_per_{unit}", name)
            assert index is not None
            view.doubt(f"{quoted(view.value(index))}: expected a scale greater than 0", index)
            return


def _mask_places(view: PanelView) -> None:
    used = [key for key in view.used_keys & PANEL_KEYS if _MASK_DATA.fullmatch(key)]
    for key in sorted(used):
        for index in sorted({keys[key] for keys in view.panels.values() if key in keys}):
            if "/" not in view.value(index):
                view.doubt(
                    f"{quoted(view.value(index))} is no place in the data files, which has a '/': "
                    "no mask",
                    index,
                )
                return


def _shared_pixels(view: PanelView) -> None:
    pair = _overlap(np.column_stack([view.slabs[0], view.bounds]))
    if pair is not None:
        first, second = (view.names[row] for row in sorted(pair))
        view.doubt(
            f"panels {quoted(first)} and {quoted(second)} share pixels of the data",
            view.panels[second]["min_ss"],
        )


def _overlap(places: IntArray) -> tuple[int, int] | None:
    """Find two panels that share pixels: rows of slab, and first and last row and column."""
    order = np.lexsort((places[:, 3], places[:, 1], places[:, 0]))
    slab, low, high, left, right = places[order].T
    # Sorted by their first row: what shares rows with a panel follows it, up to some panel.
    near = np.arange(len(order))
    for step in range(1, _MAX_NEIGHBOURS):
        near = near[: np.searchsorted(near, len(order) - step)]
        other = near + step
        rows = (slab[other] == slab[near]) & (low[other] <= high[near])
        near, other = near[rows], other[rows]
        if not len(near):
            return None
        columns = (left[other] <= right[near]) & (left[near] <= right[other])
        if columns.any():
            found = int(np.flatnonzero(columns)[0])
            return int(order[near[found]]), int(order[other[found]])
    return None


def _unknown_keys(view: PanelView) -> None:
    """CrystFEL itself says "Unrecognised field" of each; most are misspelt."""
    unknown: dict[str, int] = {}
    for key in view.top.keys() - _KNOWN:
        if not _GROUP.match(key):
            unknown[key] = view.top[key]
    for key in view.used_keys - _KNOWN:
        unknown[key] = next(keys[key] for keys in view.panels.values() if key in keys)
    for keys in view.regions.values():
        for key in keys.keys() - _KNOWN_IN_REGIONS:
            unknown.setdefault(key, keys[key])
    if not unknown:
        return
    ordered = sorted(unknown.items(), key=lambda item: item[1])
    names = ", ".join(quoted(printable(key)) for key, _ in islice(ordered, 1, _LISTED))
    more = len(ordered) - _LISTED
    others = f"; neither {names}" if names else ""
    others += f" and {more} more" if more > 0 else ""
    view.doubt(f"CrystFEL knows no such key, it has no effect{others}", ordered[0][1])
