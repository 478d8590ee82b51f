"""DIALS experiment lists (``.expt``): the detector that dxtbx has, as JSON.

Panels and groups of panels have frames (``origin`` in mm, ``fast_axis``, ``slow_axis``) that are
local to the group they are in. The axes are those of imgCIF, x and z against those of geomlib:
imgCIF = diag(-1, 1, -1) · lab, from the sample. Source: dxtbx, ``dxtbx/model/detector.h``.

Lengths are written in millimetres by moving the decimal point, and read in the same way, so that
they come back to the last bit; frames of groups stand at zero. The steps of pixels are products of
a length and a direction: see `directions`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from geomlib import checks
from geomlib.detector import Detector, FloatArray
from geomlib.errors import GeometryFileError, warn
from geomlib.formats.directions import unit_vector
from geomlib.formats.layout import LAYOUT_KEY, geometry_of_tiles, wanted_detectors
from geomlib.formats.placement import (
    Chain,
    Step,
    direction_to_lab,
    split_distance,
    take_out_rail,
    to_lab,
)
from geomlib.formats.recognise import StoredTiles
from geomlib.formats.text_files import read_text
from geomlib.geometry import Geometry
from geomlib.metadata import BadRegion
from geomlib.regions import regions_of_tiles
from geomlib.units import ANGSTROM, energy_from_wavelength

FORMAT = "dials"
#: A list of ten thousand stills has some 20 MB.
_LARGEST_FILE = 1 << 26
#: Larger numbers than this are no lengths in mm and no sizes of images.
_LARGEST = 10**9
#: From imgCIF axes to those of the lab, and back.
TO_LAB = np.array([-1.0, 1.0, -1.0])
_MARK = re.compile(rb'"__id__"\s*:\s*"ExperimentList"')
#: In which no decimal is rounded; that of the caller may do so.
EXACT = Context(prec=2000, Emin=MIN_EMIN, Emax=MAX_EMAX)


class _Panel(NamedTuple):
    """A panel, in the frame of its group: lab axes, metres."""

    name: str
    chain: Chain
    corner: FloatArray
    ss: FloatArray
    fs: FloatArray
    size: tuple[int, int]  # (ss, fs)
    start: tuple[int, int]  # in the image, (ss, fs)
    bad: tuple[tuple[int, int, int, int], ...]  # rows from, to, columns from, to


def is_dials(path: Path, first_bytes: bytes) -> bool:
    """Tell whether a file is JSON that says that it is an ExperimentList, near its beginning."""
    return first_bytes.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" and bool(
        _MARK.search(first_bytes)
    )


# -- Reading ----------------------------------------------------------------------------


def read_dials(path: str | PathLike[str], *, detector: Detector | str | None = None) -> Geometry:
    """Read the detector of a DIALS experiment list.

    Parameters
    ----------
    path : str or path-like
        The file: the detector of its first experiment is read.
    detector : Detector or str, optional
        The detector that it has to be, where its tiles do not tell.

    Returns
    -------
    Geometry
        A tile for each panel. The distance is the z of the outermost frame that is moved, if that
        holds all panels and is not turned (as geomlib and dxtbx write it); else the mean z of the
        panels. The photon energy is that of the beam. Rectangles in the ``mask`` of a panel become
        bad regions; its trusted range, which is about values, does not. Several panels that all
        begin at the first pixel of the raw image are slabs of data of their own.

    Raises
    ------
    GeometryFileError
        If the file is no experiment list with a detector, or something in it is wrong.
    GeometryError
        If an argument is not as described.

    Warns
    -----
    GeometryWarning
        If there are several detectors, the beam is not along z, or masks are noise.
    """
    name = fspath(checks.path("path", path))
    wanted_detectors(detector)
    with localcontext(EXACT):
        return _read(name, detector)


def _read(name: str, detector: Detector | str | None) -> Geometry:
    whole = _load(name)
    experiment = _first_experiment(whole, name)
    number, model = _model(whole, experiment, "detector", name)
    if model is None:
        raise GeometryFileError("there is no detector", path=name, key="detector")
    if len(whole["detector"]) > 1:
        warn(f"{name}: there are {len(whole['detector'])} detectors; number {number} is read")
    panels = _panels(model, name, f"detector[{number}]")
    distance, stored = _stored(panels, name)
    note = whole.get(LAYOUT_KEY)
    return geometry_of_tiles(
        stored,
        path=name,
        format=FORMAT,
        layout=note if isinstance(note, str) else None,
        detector=detector,
        bad_blocks=_bad_blocks(panels, name),
        distance=distance,
        photon_energy=_photon_energy(whole, experiment, name),
    )


def _load(path: str) -> dict[str, Any]:
    """Parse the file; numbers with a point are decimals, as they are written."""
    text = read_text(path, _LARGEST_FILE)
    try:
        whole = json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except json.JSONDecodeError as problem:
        raise GeometryFileError(f"no JSON: {problem.msg}", path=path, line=problem.lineno) from None
    except RecursionError:
        raise GeometryFileError("is nested too deeply", path=path) from None
    except ArithmeticError:
        raise GeometryFileError("holds a number out of all range", path=path) from None
    except ValueError as problem:
        raise GeometryFileError(f"no JSON: {problem}", path=path) from None
    if not isinstance(whole, dict) or whole.get("__id__") != "ExperimentList":
        raise GeometryFileError('expected JSON with "__id__": "ExperimentList"', path=path)
    return whole


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _first_experiment(whole: dict[str, Any], path: str) -> dict[str, Any]:
    experiments = whole.get("experiment")
    if not isinstance(experiments, list) or not experiments or not isinstance(experiments[0], dict):
        raise GeometryFileError("there is no experiment", path=path, key="experiment")
    return experiments[0]


def _model(
    whole: dict[str, Any], experiment: dict[str, Any], kind: str, path: str
) -> tuple[int, Any]:
    """Return the model of a kind that an experiment has, with its number; None without one."""
    number = experiment.get(kind)
    if number is None:
        return 0, None
    models = whole.get(kind)
    if not isinstance(models, list) or type(number) is not int or not 0 <= number < len(models):
        raise GeometryFileError(
            f"expected the number of one of the models in {kind!r}, found {checks.shown(number)}",
            path=path,
            key=f"experiment[0].{kind}",
        )
    return number, models[number]


def _photon_energy(whole: dict[str, Any], experiment: dict[str, Any], path: str) -> float | None:
    number, beam = _model(whole, experiment, "beam", path)
    key = f"beam[{number}]"
    if not isinstance(beam, dict):
        return None
    if "direction" in beam:
        x, y, z = _numbers(beam, "direction", 3, path, key)
        if max(abs(x), abs(y)) > 1e-6 * abs(z) or z <= 0:
            warn(f"{path} [{key}.direction]: the beam is not along z; positions stay as they are")
    if "wavelength" not in beam:
        return None
    wavelength = _real(beam["wavelength"], path, f"{key}.wavelength")
    if wavelength <= 0:
        raise GeometryFileError(
            f"expected a wavelength in Å, found {wavelength:g}", path=path, key=f"{key}.wavelength"
        )
    return energy_from_wavelength(wavelength * ANGSTROM)


def _panels(model: Any, path: str, key: str) -> list[_Panel]:
    """Read the panels of a detector, each with the chain of frames that it stands in."""
    # Old lists have the panels themselves.
    model = {"panels": model} if isinstance(model, list) else model
    entries = model.get("panels") if isinstance(model, dict) else None
    if not isinstance(entries, list) or not entries:
        raise GeometryFileError("expected a list of panels", path=path, key=f"{key}.panels")
    chains: list[Chain | None] = [()] * len(entries)
    if model.get("hierarchy"):
        chains = _chains(model["hierarchy"], len(entries), path, f"{key}.hierarchy")
    panels = []
    for i, (entry, chain) in enumerate(zip(entries, chains, strict=True)):
        place = f"{key}.panels[{i}]"
        if chain is None:
            raise GeometryFileError("is in no group of the hierarchy", path=path, key=place)
        panels.append(_panel(entry, chain, path, place))
    return panels


def _chains(root: Any, count: int, path: str, key: str) -> list[Chain | None]:
    """Chain of frames of each panel; the same group gives the same object."""
    found: list[Chain | None] = [None] * count
    waiting: list[tuple[Any, Chain, str]] = [(root, (), key)]
    while waiting:
        node, outside, place = waiting.pop()
        if not isinstance(node, dict):
            raise GeometryFileError("expected a group or a panel", path=path, key=place)
        if "panel" in node:
            number = node["panel"]
            if type(number) is not int or not 0 <= number < count or found[number] is not None:
                raise GeometryFileError(
                    f"expected the number of a panel, each once, found {checks.shown(number)}",
                    path=path,
                    key=f"{place}.panel",
                )
            found[number] = outside
            continue
        chain = (_step(node, path, place), *outside)
        children = node.get("children", [])
        if not isinstance(children, list):
            raise GeometryFileError("expected a list", path=path, key=f"{place}.children")
        waiting += [(c, chain, f"{place}.children[{i}]") for i, c in enumerate(children)]
    return found


def _step(frame: dict[str, Any], path: str, key: str) -> Step:
    """Step out of the frame of a group, in lab axes."""
    fast, slow = _axes(frame, path, key)
    x, y, z = _position(frame, path, key).tolist()
    if (fast == [1, 0, 0]).all() and (slow == [0, 1, 0]).all():
        return Step(None, (x, y, z))
    # The frame has imgCIF axes inside and outside: turned into the lab on both sides.
    matrix = np.column_stack([fast, slow, np.cross(fast, slow)])
    return Step(TO_LAB[:, np.newaxis] * matrix * TO_LAB, (x, y, z))


def _position(frame: dict[str, Any], path: str, key: str) -> FloatArray:
    """Origin of a frame, in lab axes, metres."""
    return TO_LAB * _numbers(frame, "origin", 3, path, key, scale=-3)


def _axes(frame: dict[str, Any], path: str, key: str) -> tuple[FloatArray, FloatArray]:
    """Return unit vectors along fast scan and slow scan, in imgCIF axes."""
    fast, slow = (_numbers(frame, name, 3, path, key) for name in ("fast_axis", "slow_axis"))
    lengths = np.linalg.norm([fast, slow], axis=1)
    if not (lengths > 0).all() or abs(fast @ slow) > 1e-3 * lengths.prod():
        raise GeometryFileError(
            f"expected directions at right angles, found {fast.tolist()} and {slow.tolist()}",
            path=path,
            key=f"{key}.fast_axis",
        )
    return unit_vector(fast), unit_vector(slow)


def _panel(entry: Any, chain: Chain, path: str, key: str) -> _Panel:
    if not isinstance(entry, dict):
        raise GeometryFileError("expected a panel", path=path, key=key)
    fast, slow = _axes(entry, path, key)
    size_fs, size_ss = _numbers(entry, "pixel_size", 2, path, key, scale=-3).tolist()
    n_fs, n_ss = _whole_numbers(entry.get("image_size"), 2, path, f"{key}.image_size")
    if min(size_fs, size_ss, n_fs, n_ss) <= 0:
        raise GeometryFileError(
            f"expected pixels, found {n_ss} × {n_fs} of {size_ss:g} × {size_fs:g} m",
            path=path,
            key=f"{key}.image_size",
        )
    offset = entry.get("raw_image_offset", [0, 0])
    column, row = _whole_numbers(offset, 2, path, f"{key}.raw_image_offset")
    return _Panel(
        entry["name"] if isinstance(entry.get("name"), str) else "",
        chain,
        _position(entry, path, key),
        size_ss * (TO_LAB * slow),
        size_fs * (TO_LAB * fast),
        (n_ss, n_fs),
        (row, column),
        _rectangles(entry.get("mask"), (n_ss, n_fs), path, f"{key}.mask"),
    )


def _rectangles(
    mask: Any, size: tuple[int, int], path: str, key: str
) -> tuple[tuple[int, int, int, int], ...]:
    """Read rectangles (columns, rows from; columns, rows to) of a panel, cut to what is in it."""
    if not mask:
        return ()
    if not isinstance(mask, list):
        raise GeometryFileError("expected a list of rectangles", path=path, key=key)
    found = []
    for i, entry in enumerate(mask):
        fs0, ss0, fs1, ss1 = _whole_numbers(entry, 4, path, f"{key}[{i}]", negative=True)
        rows = max(ss0, 0), min(ss1, size[0])
        columns = max(fs0, 0), min(fs1, size[1])
        if rows[0] < rows[1] and columns[0] < columns[1]:
            found.append((*rows, *columns))
    return tuple(found)


def _stored(panels: Sequence[_Panel], path: str) -> tuple[float | None, StoredTiles]:
    distance, chains = take_out_rail([panel.chain for panel in panels])
    corners = np.array([to_lab(c, p.corner) for c, p in zip(chains, panels, strict=True)])
    ss = np.array([direction_to_lab(p.chain, p.ss) for p in panels])
    fs = np.array([direction_to_lab(p.chain, p.fs) for p in panels])
    sizes = np.array([panel.size for panel in panels])
    if distance is None:
        middle = corners + 0.5 * (sizes[:, :1] * ss + sizes[:, 1:] * fs)
        distance, corners = split_distance(corners, float(middle[:, 2].mean()), None, path)
    starts = np.array([panel.start for panel in panels])
    own_slabs = len(panels) > 1 and not starts.any()
    slabs = np.arange(len(panels)) if own_slabs else np.zeros(len(panels), dtype=np.int64)
    names = tuple(panel.name or f"p{i}" for i, panel in enumerate(panels))
    bounds = np.stack([starts, starts + sizes], axis=2).reshape(-1, 4)
    return distance, StoredTiles(names, slabs, own_slabs, bounds, corners, ss, fs)


def _bad_blocks(panels: Sequence[_Panel], path: str) -> list[BadRegion]:
    masks = ((tile, np.array(panel.bad)) for tile, panel in enumerate(panels) if panel.bad)
    return regions_of_tiles(masks, f"{path} [mask of panels]")


# -- Numbers ----------------------------------------------------------------------------


def _real(value: Any, path: str, key: str, scale: int = 0) -> float:
    """Return a number times a power of ten, rounded once."""
    if type(value) in (int, Decimal):
        try:
            found = float(Decimal(value).scaleb(scale))
        except (ArithmeticError, ValueError):
            found = np.inf
        if abs(found) <= _LARGEST:
            return found
    raise GeometryFileError(f"expected a number, found {checks.shown(value)}", path=path, key=key)


def _numbers(
    entry: dict[str, Any], name: str, count: int, path: str, key: str, *, scale: int = 0
) -> FloatArray:
    values, place = entry.get(name), f"{key}.{name}"
    if not isinstance(values, list) or len(values) != count:
        found = "none" if values is None else checks.shown(values)
        raise GeometryFileError(f"expected {count} numbers, found {found}", path=path, key=place)
    return np.array([_real(value, path, place, scale) for value in values])


def _whole_numbers(
    values: Any, count: int, path: str, key: str, *, negative: bool = False
) -> tuple[int, ...]:
    entries = values if isinstance(values, list) and len(values) == count else []
    found = tuple(whole for value in entries if (whole := _whole(value)) is not None)
    if len(found) != count or (min(found) < 0 and not negative):
        raise GeometryFileError(
            f"expected {count} whole numbers, found {checks.shown(values)}", path=path, key=key
        )
    return found


def _whole(value: Any) -> int | None:
    """Return a whole number, 512.0 too, as some programs write it; None for anything else."""
    if type(value) not in (int, Decimal) or abs(value) > _LARGEST or value != int(value):
        return None
    return int(value)
