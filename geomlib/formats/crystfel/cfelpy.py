"""`to_cfelpyutils`: a geometry as the structures that cfelpyutils reads from a ``.geom`` file."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlib.errors import GeometryError, warn
from geomlib.formats.crystfel import values
from geomlib.formats.crystfel.beam import beam_lines, distances, photon_energy
from geomlib.formats.crystfel.compose import compose
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.members import group_members
from geomlib.formats.crystfel.options import Layout, Options
from geomlib.formats.crystfel.panels import MAX_MASKS, PanelView
from geomlib.formats.crystfel.regions import REGION_DATA_KEYS, REGION_LAB_KEYS
from geomlib.formats.crystfel.write import document_of
from geomlib.geometry import Geometry

if TYPE_CHECKING:
    from cfelpyutils.geometry import CrystFELGeometry

_NAN = math.nan
_BAD_ROWS = {"x": "f", "y": "s", "f": "f", "s": "s"}
_ENERGY_SCALES = {"keV": 1e3, "MeV": 1e6}


def to_cfelpyutils(geometry: Geometry, *, layout: Layout | None = None) -> CrystFELGeometry:
    """Return a geometry as the structures of cfelpyutils, as OM and Cheetah users need them.

    The same as ``cfelpyutils.geometry.load_crystfel_geometry`` of the geometry's ``.geom`` text,
    except where that is wrong: flags ``no_index = 0``, vectors that name one axis, quantities with
    units, defaults, masks of a panel, the signs of ``yfs`` and ``xss``.

    Parameters
    ----------
    geometry : Geometry
        Any detector.
    layout : {"vcxi", "cheetah"}, optional
        How the data lies: as for `write_crystfel`. Default: as in the file that the geometry came
        from; else with modules stacked along slow scan, since ``compute_pix_maps`` of cfelpyutils
        knows no axis of modules.

    Returns
    -------
    CrystFELGeometry
        With ``detector``, ``beam`` and ``hdf5_peak_path``. What is not known is as cfelpyutils has
        it: ``clen`` and ADU scales NaN, ``photon_energy`` 0.

    Warns
    -----
    GeometryWarning
        If panels have different bits in their masks, for which the structures have no room, or
        pixels are hexagons.
    """
    from cfelpyutils.geometry import CrystFELGeometry

    if not isinstance(geometry, Geometry):
        raise GeometryError(f"geometry must be a Geometry, not {type(geometry).__name__}")
    document = document_of(geometry, Options(layout=layout))
    if document is None:
        document = Document(compose(geometry, Options(layout=layout or "cheetah")))
    view = PanelView(document)
    panels = _panels(view)
    detector = {
        "panels": panels,
        "bad": _bad_regions(view),
        "mask_good": _shared_bits(view, "mask_good"),
        "mask_bad": _shared_bits(view, "mask_bad"),
        **_rigid_groups(view),
        **_furthest(view),
    }
    if geometry.detector.pixel_shape == "hexagon":
        warn("cfelpyutils has no hexagonal pixels: it will take them as rectangles")
    peaks = view.text("peak_info_location") or view.text("peak_list") or ""
    return CrystFELGeometry(detector=detector, beam=_beam(view), hdf5_peak_path=peaks)


def _panels(view: PanelView) -> OrderedDict[str, dict[str, Any]]:
    clens = distances(view)
    out: OrderedDict[str, dict[str, Any]] = OrderedDict()
    for row, name in enumerate(view.names):
        corner, bounds = view.corners[row].tolist(), view.bounds[row].tolist()
        clen = view.clen[row] or ""
        place = clens[row] is None and clen
        out[name] = {
            "cnx": corner[0],
            "cny": corner[1],
            "coffset": float(view.coffset[row]),
            "clen": -1.0 if place else _NAN if clens[row] is None else clens[row],
            "clen_from": clen.partition(" ")[0] if place else "",
            **_masks(view, name),
            "satmap": view.text("saturation_map", name) or "",
            "satmap_file": view.text("saturation_map_file", name) or "",
            "res": _number(view, "res", name, _NAN),
            "badrow": _BAD_ROWS.get(_own_or_top(view, "badrow_direction", name), "-"),
            "no_index": bool(view.no_index[row]),
            "adu_per_photon": _number(view, "adu_per_photon", name, _NAN),
            "max_adu": float(view.max_adu[row]),
            "data": view.data[row],
            "adu_per_eV": _number(view, "adu_per_eV", name, _NAN),
            "dim_structure": list(view.dimensions[row]),
            **_vectors(view, row),
            **_rail(view, name),
            "orig_min_fs": bounds[2],
            "orig_max_fs": bounds[3],
            "orig_min_ss": bounds[0],
            "orig_max_ss": bounds[1],
            "w": bounds[3] - bounds[2] + 1,
            "h": bounds[1] - bounds[0] + 1,
        }
    return out


def _number(view: PanelView, key: str, panel: str, default: float) -> float:
    index = view.origin(key, panel)
    return default if index is None else view.parse(index, values.number, "a number")


def _own_or_top(view: PanelView, key: str, panel: str) -> str:
    return view.text(key, panel) or view.text(key) or ""


def _vectors(view: PanelView, row: int) -> dict[str, float]:
    """Return the steps of a pixel, and the inverse: from x and y to fs and ss."""
    (fsx, fsy, fsz), (ssx, ssy, ssz) = view.fs[row].tolist(), view.ss[row].tolist()
    area = fsx * ssy - ssx * fsy
    inverse = (ssy, -ssx, -fsy, fsx)
    names = ("xfs", "yfs", "xss", "yss")
    return {
        **{"fsx": fsx, "fsy": fsy, "fsz": fsz, "ssx": ssx, "ssy": ssy, "ssz": ssz},
        # A panel seen edge on has no inverse.
        **{name: v / area if area else _NAN for name, v in zip(names, inverse, strict=True)},
    }


def _rail(view: PanelView, panel: str) -> dict[str, float]:
    rail = values.vector(_own_or_top(view, "rail_direction", panel)) or (_NAN, _NAN, _NAN)
    centring = values.number(_own_or_top(view, "clen_for_centering", panel))
    return {
        **dict(zip(("rail_x", "rail_y", "rail_z"), rail, strict=True)),
        "clen_for_centering": _NAN if centring is None else centring,
    }


# -- Masks ----------------------------------------------------------------------------------


def _key_used(view: PanelView, key: str, panel: str) -> tuple[str, int] | None:
    """Key under which a panel has a value, of two names for the same, and its assignment."""
    index = view.origin(key, panel)
    return None if index is None else (view.document.assignments[index].key, index)


def _masks(view: PanelView, panel: str) -> dict[str, str | int]:
    out: dict[str, str | int] = {"mask": "", "mask_file": ""}
    out |= {f"mask{n}_{part}": "" for part in ("data", "file") for n in range(MAX_MASKS)}
    out |= {f"mask{n}_{part}": 0 for part in ("goodbits", "badbits") for n in range(MAX_MASKS)}
    for key in tuple(out):
        used = _key_used(view, key, panel)
        if used is not None and used[0] == key:
            bits = key.endswith("bits")
            out[key] = (
                view.parse(used[1], values.mask_bits, "bits, as 0xffff")
                if bits
                else view.value(used[1])
            )
    return out


def _shared_bits(view: PanelView, key: str) -> int:
    """Bits of the mask of all panels; cfelpyutils has them once, not for each panel."""
    found = {}
    for panel in view.panels:
        used = _key_used(view, key, panel)
        index = used[1] if used is not None and used[0] == key else None
        found[panel] = (
            0 if index is None else view.parse(index, values.mask_bits, "bits, as 0xffff")
        )
    if len(set(found.values())) > 1:
        warn(f"panels have different {key}; cfelpyutils has one for all, that of the first panel")
    return next(iter(found.values()))


# -- Bad regions and groups -----------------------------------------------------------------


def _bad_regions(view: PanelView) -> OrderedDict[str, dict[str, Any]]:
    out: OrderedDict[str, dict[str, Any]] = OrderedDict()
    for name, keys in view.regions.items():
        is_lab = any(key in keys for key in REGION_LAB_KEYS)
        if not is_lab and not any(key in keys for key in REGION_DATA_KEYS):
            continue
        region: dict[str, Any] = {"panel": view.value(keys["panel"]) if "panel" in keys else ""}
        for key in REGION_LAB_KEYS:
            region[key] = view.parse(keys[key], values.number, "pixels") if key in keys else _NAN
        for key in REGION_DATA_KEYS:
            region[key] = view.parse(keys[key], values.whole, "an index") if key in keys else 0
        out[name] = {**region, "is_fsss": not is_lab}
    return out


def _rigid_groups(view: PanelView) -> dict[str, dict[str, list[str]]]:
    """``rigid_group`` lines and their collections; where there are none, ``group_`` lines."""
    groups: dict[str, list[str]] = {}
    collections: dict[str, list[str]] = {}
    for index in view.groups:
        key = view.document.assignments[index].key
        names = [name.strip(" \t") for name in view.value(index).split(",")]
        if key.startswith("rigid_group_collection_"):
            collections[key.removeprefix("rigid_group_collection_")] = names
        elif key.startswith("rigid_group_"):
            known = [name for name in names if name in view.panels]
            groups[key.removeprefix("rigid_group_")] = known
    for panel, keys in view.panels.items():
        if "rigid_group" in keys:
            members = groups.setdefault(view.value(keys["rigid_group"]), [])
            members += [panel] * (panel not in members)
    if not groups:
        groups = {name: list(panels) for name, panels in group_members(view).items()}
    return {
        "rigid_groups": groups,
        "rigid_group_collections": {
            name: [member for member in members if member in groups]
            for name, members in collections.items()
        },
    }


# -- The whole ------------------------------------------------------------------------------


def _beam(view: PanelView) -> dict[str, float | str]:
    beam: dict[str, float | str] = {
        "photon_energy": photon_energy(view) or 0.0,
        "photon_energy_from": "",
        "photon_energy_scale": values.number(view.text("photon_energy_scale") or "") or 1.0,
    }
    lines = beam_lines(view)
    if lines and lines[-1].key == "photon_energy" and not beam["photon_energy"]:
        beam["photon_energy_from"] = lines[-1].value
        if lines[-1].unit in _ENERGY_SCALES:
            beam["photon_energy_scale"] = _ENERGY_SCALES[lines[-1].unit]
    return beam


def _furthest(view: PanelView) -> dict[str, str | int]:
    """Corners of panels that lie furthest from the beam and nearest to it."""
    sizes = view.bounds[:, [3, 1]] - view.bounds[:, [2, 0]] + 1
    steps = np.array([(0, 0), (1, 0), (0, 1), (1, 1)]) * sizes[:, np.newaxis]
    resolution = np.array([_number(view, "res", name, _NAN) for name in view.names])
    places = (
        steps[..., :1] * view.fs[:, np.newaxis, :2]
        + steps[..., 1:] * view.ss[:, np.newaxis, :2]
        + view.corners[:, np.newaxis]
    ) / resolution[:, np.newaxis, np.newaxis]
    distance = np.sqrt((places * places).sum(axis=2)).ravel()
    out: dict[str, str | int] = {}
    for which, point in (("out", distance.argmax()), ("in", distance.argmin())):
        row, corner = divmod(int(point), 4)
        out[f"furthest_{which}_panel"] = view.names[row]
        out[f"furthest_{which}_fs"] = int(steps[row, corner, 0])
        out[f"furthest_{which}_ss"] = int(steps[row, corner, 1])
    return out
