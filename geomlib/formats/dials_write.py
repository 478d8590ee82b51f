"""DIALS experiment lists (``.expt``), written; see `dials` for the format.

dxtbx 3.11 reads them, and passes over the note on the layout of the data; DIALS drops it when it
writes a list anew.
"""

from __future__ import annotations

import json
from decimal import Decimal, localcontext
from os import PathLike
from typing import Any

import numpy as np

from geomlib.atomic import replacing
from geomlib.detector import Detector, FloatArray
from geomlib.formats.dials import EXACT, TO_LAB
from geomlib.formats.directions import lengths_and_directions
from geomlib.formats.experiment import needed_distance, needed_photon_energy, warn_about_beam
from geomlib.formats.layout import LAYOUT_KEY, layout_text
from geomlib.formats.orthogonal import MAX_SKEW, orthogonal_tiles
from geomlib.geometry import Geometry
from geomlib.regions import blocks
from geomlib.units import wavelength_to_write

#: Values that dxtbx trusts where nothing is known of the data.
_TRUSTED = (-(2**31) + 1, 2**31 - 1)


def write_dials(geometry: Geometry, path: str | PathLike[str]) -> None:
    """Write a geometry as a DIALS experiment list: one experiment without images.

    Panels are in groups, a group for each module, and one for each quadrant if the detector has
    quadrants. Modules are joined along slow scan in the raw image. The frame that holds all stands
    at the distance. Bad regions are rectangles in the ``mask`` of panels.

    Parameters
    ----------
    geometry : Geometry
        With its distance and photon energy. Tiles whose steps are not at right angles are replaced
        by the nearest that are (`orthogonal_tiles`), hexagons by rectangles of their pitch in
        straight rows.
    path : str or path-like
        The file; an older one is replaced when all is written.

    Raises
    ------
    GeometryError
        If the geometry has no distance or no photon energy.
    """
    with localcontext(EXACT):
        text = _json(_experiment_list(geometry)) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="ascii", newline="\n")


def _experiment_list(geometry: Geometry) -> dict[str, Any]:
    distance = needed_distance(geometry, "DIALS")
    energy = needed_photon_energy(geometry, "DIALS")
    warn_about_beam(geometry)
    detector = {
        "panels": _written_panels(geometry),
        "hierarchy": _hierarchy(geometry.detector, distance),
    }
    return {
        "__id__": "ExperimentList",
        LAYOUT_KEY: layout_text(geometry.detector),
        "experiment": [{"__id__": "Experiment", "identifier": "", "beam": 0, "detector": 0}],
        "imageset": [],
        "beam": [_beam(energy)],
        "detector": [detector],
        **{name: [] for name in ("goniometer", "scan", "crystal", "profile", "scaling_model")},
    }


def _beam(energy: float) -> dict[str, Any]:
    return {
        "__id__": "monochromatic",
        "direction": _decimals([0.0, 0.0, 1.0]),
        "wavelength": Decimal(repr(wavelength_to_write(energy))),
        "divergence": Decimal("0.0"),
        "sigma_divergence": Decimal("0.0"),
        "polarization_normal": _decimals([0.0, 1.0, 0.0]),
        "polarization_fraction": Decimal("0.999"),
        "flux": Decimal("0.0"),
        "transmission": Decimal("1.0"),
    }


def _written_panels(geometry: Geometry) -> list[dict[str, Any]]:
    detector = geometry.detector
    # dxtbx demands less than MAX_SKEW, after roundings of its own.
    corners, ss, fs = orthogonal_tiles(detector, geometry.tiles, 0.5 * MAX_SKEW)
    (size_ss, slow), (size_fs, fast) = lengths_and_directions(ss), lengths_and_directions(fs)
    bad = geometry.bad_pixels()
    panels = []
    for tile, (ss0, ss1, fs0, fs1) in enumerate(detector.stacked_bounds.tolist()):
        masked = blocks(bad[detector.tile_slice(tile)]).tolist()
        panels.append(
            {
                "name": detector.tile_names[tile],
                "type": "SENSOR_PAD",
                **_frame(corners[tile], fast[tile], slow[tile]),
                "raw_image_offset": [fs0, ss0],
                "image_size": [fs1 - fs0, ss1 - ss0],
                "pixel_size": _decimals([size_fs[tile], size_ss[tile]], 3),
                "trusted_range": list(_TRUSTED),
                "thickness": Decimal("0.0"),
                "material": "",
                "mu": Decimal("0.0"),
                "identifier": "",
                "mask": [[c0, r0, c1, r1] for r0, r1, c0, c1 in masked],
                "gain": Decimal("1.0"),
                "pedestal": Decimal("0.0"),
                "px_mm_strategy": {"type": "SimplePxMmStrategy"},
            }
        )
    return panels


def _frame(corner: FloatArray, fast: FloatArray, slow: FloatArray) -> dict[str, Any]:
    """Frame of a panel or group, of vectors in lab axes, metres."""
    return {
        "origin": _decimals(TO_LAB * corner, 3),
        "fast_axis": _decimals(TO_LAB * fast),
        "slow_axis": _decimals(TO_LAB * slow),
    }


def _hierarchy(detector: Detector, distance: float) -> dict[str, Any]:
    """Frame of the whole, at the distance, and in it those of quadrants and modules, at zero."""
    modules = {
        module: _group(detector.module_names[module], [{"panel": t} for t in tiles])
        for module in range(detector.n_modules)
        if (tiles := detector.tiles_of(module))
    }
    groups = []
    for number, members in enumerate(detector.quadrants.modules if detector.quadrants else ()):
        inside = [modules.pop(module) for module in members if module in modules]
        groups += [_group(f"quadrant{number}", inside)] if inside else []
    return _group(detector.name, [*groups, *modules.values()], distance)


def _group(name: str, children: list[dict[str, Any]], distance: float = 0.0) -> dict[str, Any]:
    x, y = np.array([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    return {
        "name": name,
        "type": "",
        **_frame(np.array([0.0, 0.0, distance]), x, y),
        "children": children,
    }


def _decimals(values: Any, power: int = 0) -> list[Decimal]:
    """Return numbers times a power of ten, with the digits of the shortest text for each."""
    # Adding zero makes 0.0 of -0.0.
    return [Decimal(repr(float(value) + 0.0)).scaleb(power) for value in values]


def _json(value: Any, indent: str = "") -> str:
    """Write JSON, as ASCII; lists without dictionaries go on one line, decimals keep digits."""
    inner = f"{indent}  "
    if isinstance(value, dict) and value:
        parts = [f"{inner}{json.dumps(k)}: {_json(v, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        return "[\n" + ",\n".join(inner + _json(v, inner) for v in value) + f"\n{indent}]"
    if isinstance(value, list):
        return "[" + ", ".join(_json(part) for part in value) + "]"
    if isinstance(value, Decimal):
        return _number_text(value)
    return json.dumps(value)


def _number_text(value: Decimal) -> str:
    if value == 0:
        return "0.0"
    text = format(value, "f") if 1e-7 < abs(value) < 1e16 else str(value)
    return text if "." in text or "E" in text else f"{text}.0"
