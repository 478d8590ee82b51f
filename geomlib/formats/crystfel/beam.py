"""What a ``.geom`` file says about the beam, the distance and the motors."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from geomlib.detector import FloatArray
from geomlib.formats.crystfel import values
from geomlib.formats.crystfel.document import quoted
from geomlib.formats.crystfel.panels import PanelView
from geomlib.units import energy_from_wavelength

_LENGTHS = {"": 1.0, "m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6}
_ENERGIES = {"": 1.0, "eV": 1.0, "keV": 1e3, "MeV": 1e6}
_WAVELENGTHS = {"m": 1.0, "A": 1e-10, "nm": 1e-9}
#: More characters than any quantity has.
_LONG = 100
_QUANTITY = re.compile(r"([+-]?(?:\d[\d.]*|\.\d+)(?:[eE][+-]?\d+)?)[ \t]*([A-Za-z]*)", re.ASCII)
#: Units that CrystFEL takes when it uses the camera length, after one space.
CLEN_UNITS = ("", "m", "mm")
_MOTOR_SIZE = re.compile(r";XGEOM MOTORS=(\d{1,4}),(\d{1,4})\s*")
_MOTOR_ROW = re.compile(r";XGEOM MOTOR_Q(\d{1,4})=([^\n]*)")


class Beam(NamedTuple):
    """The line that says what the beam is, split into what CrystFEL 0.12 sees in it.

    Attributes
    ----------
    key : str
        ``photon_energy``, ``wavelength`` or ``electron_voltage``.
    value : str
        A number, or the place of one in the data files.
    unit : str
        Such as ``eV``; as it is in the file.
    assignment : int
        Its index.
    """

    key: str
    value: str
    unit: str
    assignment: int


def beam_lines(view: PanelView) -> list[Beam]:
    """Every line about the beam, in the order of the file; the last counts."""
    out = []
    for index in view.beam:
        key = view.key(index)
        value, space, unit = view.value(index).partition(" ")
        if not space and key == "photon_energy":
            unit = "eV"
        out.append(Beam(key, value, unit, index))
    return out


def photon_energy(view: PanelView) -> float | None:
    """Photon energy in eV; None if the file names a place in the data files, or nothing.

    Notes in `PanelView.doubts` what cannot be a photon energy.
    """
    if not view.beam:
        return None
    index = view.beam[-1]
    key, text = view.key(index), view.value(index)
    if key == "electron_voltage":
        view.doubt("an electron beam has no photon energy", index)
        return None
    energy = _quantity(text, _ENERGIES if key == "photon_energy" else _WAVELENGTHS)
    if energy is None and "/" in text:
        return None
    if energy is None or not energy > 0:
        name = key.replace("_", " ")
        place = "" if energy is not None else ", nor a place in the data files, as /entry/energy"
        view.doubt(f"{quoted(text)} is no {name}{place}, left out", index)
        return None
    if " " not in text and values.number(text) is None:
        view.doubt(
            f"CrystFEL sees no number in {quoted(text)}: it wants a space before the unit", index
        )
    return energy if key == "photon_energy" else energy_from_wavelength(energy)


def distances(view: PanelView) -> list[float | None]:
    """Camera length of every panel in metres; None if it is a place in the data files, or absent.

    Notes in `PanelView.doubts` what cannot be a camera length.
    """
    shared = view.top.get("clen")
    seen: dict[int, float | None] = {}
    out = []
    for keys in view.panels.values():
        index = keys.get("clen", shared)
        if index is not None and index not in seen:
            seen[index] = _distance(view, index)
        out.append(None if index is None else seen[index])
    return out


def _distance(view: PanelView, index: int) -> float | None:
    text = view.value(index)
    before = values.without_comment(text)
    value = _quantity(text if before is None else before, _LENGTHS)
    if value is None and "/" in text:
        return None
    if value is None or not value > 0:
        view.doubt(f"{quoted(text)} is no distance, left out", index)
        return None
    unit = text.partition(" ")[2] if " " in text else ""
    if unit not in CLEN_UNITS or values.number(text.partition(" ")[0]) is None:
        view.doubt(
            f"CrystFEL cannot use the distance {quoted(text)}: expected metres, or 'N mm'", index
        )
    return value


def _quantity(text: str, units: dict[str, float]) -> float | None:
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONG else None
    scale = None if match is None else units.get(match[2])
    if match is None or scale is None:
        return None
    value = values.number(match[1])
    return None if value is None else value * scale


def motor_positions(view: PanelView, shape: tuple[int, ...]) -> FloatArray | None:
    """Positions of the motors in millimetres, from ``;XGEOM`` comments; None if there are none.

    Parameters
    ----------
    view : PanelView
        The file.
    shape : (int, int)
        Groups and motors that the detector has; a table of another shape is left out.
    """
    text = view.document.text
    size = _MOTOR_SIZE.search(text)
    if size is None or (int(size[1]), int(size[2])) != shape:
        return None
    table = np.full(shape, np.nan)
    for number, row in _MOTOR_ROW.findall(text):
        numbers = [values.number(item) for item in row.strip().split(",")]
        if 1 <= int(number) <= shape[0] and len(numbers) == shape[1] and None not in numbers:
            table[int(number) - 1] = numbers
    return table if np.isfinite(table).all() else None
