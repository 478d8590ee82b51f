"""Checks of known detectors: which way tiles are turned, their order, their gaps, quadrants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from geomlib.checking.findings import Finding, counted, listed
from geomlib.checking.nominal import Nominal, base_name, nominal_of
from geomlib.checking.planes import check_planes, flat_tiles
from geomlib.checking.tiles import names_of
from geomlib.coordinates import BoolArray
from geomlib.detector import FloatArray, IntArray
from geomlib.detectors import example_geometry
from geomlib.geometry import Geometry

#: Degrees by which tiles of a module, and modules of a detector, may be turned to each other; the
#: most in the corpus is 0.6 (docs/check.md).
TURN_LIMIT = 5.0
#: Pixels by which a module may be from its usual place in its quadrant. 15.1 (an AGIPD of 2025).
MODULE_LIMIT = 25.0
#: The same for modules that stand anywhere, to be told apart: a fifth of a module's short side.
FREE_LIMIT = 100.0


class _Frames(NamedTuple):
    """Direction of the x and y axis of the ideal detector at each tile, each (n_tiles, 3)."""

    x: FloatArray
    y: FloatArray


def check_arrangement(geometry: Geometry) -> Iterator[Finding]:
    """Check handedness, and for known detectors orientation, order and gaps of tiles."""
    yield from _missing(geometry)
    nominal = nominal_of(geometry.detector)
    frames = _frames(geometry, nominal)
    found = [*check_planes(geometry, nominal), *_mirrored(geometry, nominal, frames)]
    yield from found
    # In a frame that is itself wrong, directions and places say nothing more.
    if nominal is None or _wrong(found):
        return
    found = list(_turned(geometry, nominal, frames))
    yield from found
    if _wrong(found):
        return
    yield from _tiles_in_modules(geometry, nominal, frames)
    if nominal.groups:
        yield from _modules_in_groups(geometry, nominal, frames)
        yield from _order_of_groups(geometry, nominal, frames)
    else:
        yield from _order_of_free_modules(geometry)


def _wrong(found: Sequence[Finding]) -> bool:
    return any(finding.severity == "error" for finding in found)


def _frames(geometry: Geometry, nominal: Nominal | None) -> _Frames:
    """Solve (fs, ss) = (x, y) · (ideal fs, ss) for x and y; steps as they are if none is ideal."""
    real = np.stack([geometry.tile_fs, geometry.tile_ss], axis=2)
    if nominal is not None:
        ideal = np.stack([nominal.fs, nominal.ss], axis=2)
        real = real @ np.linalg.inv(ideal)
    axes = real / np.linalg.norm(real, axis=1, keepdims=True)
    return _Frames(axes[:, :, 0], axes[:, :, 1])


def _missing(geometry: Geometry) -> Iterator[Finding]:
    """Tiles that a known detector has, and this geometry has not."""
    detector = geometry.detector
    if not detector.name.endswith(" (part)"):
        return
    empty = [
        name
        for module, name in enumerate(detector.module_names)
        if not len(detector.tiles_of(module))
    ]
    which = f", none of {listed(empty)}" if empty else ""
    yield Finding(
        "note",
        "missing-tiles",
        f"only {counted(detector.n_tiles, 'tile')} of {base_name(detector)}{which}",
        "right if they were left out on purpose; else the file may have been cut off",
    )


# -- Which way tiles are turned -----------------------------------------------------------


def _mirrored(geometry: Geometry, nominal: Nominal | None, frames: _Frames) -> Iterator[Finding]:
    """Tiles of the wrong handedness: fs and ss as seen in a mirror.

    No rotation makes a left hand of a right one, so all tiles of a detector have the same.
    """
    across = np.cross(frames.x, frames.y)[:, 2]
    # Of a tile that is turned out of the plane, perhaps by more than 90°, it cannot be told.
    flat = flat_tiles(geometry)
    left = flat & (across < 0)
    n, wrong = int(flat.sum()), int(left.sum())
    if wrong == 0:
        return
    mend = "change the sign of fs or of ss, and set the corner to the new first pixel"
    if wrong < n:
        fewer = left if 2 * wrong <= n else flat & ~left
        yield Finding(
            "error",
            "mirrored-tiles",
            f"{counted(int(fewer.sum()), 'tile')} of {n} are mirrored to the others: fs and ss "
            "have the other handedness, which no rotation can give",
            mend,
            names_of(geometry, fewer),
        )
    elif base_name(geometry.detector) == "pnCCD":
        return  # mirrored at European XFEL, and not at LCLS
    elif nominal is None or not nominal.certain or _may_be_mirrored(geometry):
        yield Finding(
            "note",
            "mirrored-detector",
            "fs and ss are as in a mirror (fs × ss points upstream): right where the data is "
            "stored mirrored, as some facilities do",
            "compare with a frame that shows which way it is: a shadow, a known spot",
        )
    else:
        yield Finding(
            "error",
            "mirrored-detector",
            f"all tiles are mirrored: fs and ss of {base_name(geometry.detector)} have the other "
            "handedness",
            mend + " of all tiles",
        )


def _may_be_mirrored(geometry: Geometry) -> bool:
    """JUNGFRAU modules of SwissFEL are stored mirrored."""
    return base_name(geometry.detector).startswith("JUNGFRAU")


def _turned(geometry: Geometry, nominal: Nominal, frames: _Frames) -> Iterator[Finding]:
    modules = geometry.detector.tile_modules
    directions = np.zeros(geometry.n_modules, dtype=np.complex128)
    angle = frames.x[:, 0] + 1j * frames.x[:, 1]
    off = np.zeros(geometry.n_tiles, dtype=np.bool_)
    for module in np.unique(modules):
        own = np.flatnonzero(modules == module)
        directions[module] = _usual_direction(angle[own])
        off[own] = _turn(angle[own], directions[module]) > TURN_LIMIT
    if off.any():
        yield Finding(
            "error" if nominal.certain else "note",
            "turned-tiles",
            f"{counted(int(off.sum()), 'tile')} {'is' if off.sum() == 1 else 'are'} turned by "
            f"{_turn(angle, directions[modules]).max():.0f}° to the others of the module",
            "give fs and ss the directions of the other tiles, and set the corner anew",
            names_of(geometry, off),
        )
    if not nominal.groups:
        return
    used = np.unique(modules)
    whole = _usual_direction(directions[used])
    wrong = used[_turn(directions[used], whole) > TURN_LIMIT]
    if len(wrong):
        yield Finding(
            "error",
            "turned-modules",
            f"{counted(len(wrong), 'module')} {'is' if len(wrong) == 1 else 'are'} turned to the "
            f"others: {', '.join(geometry.detector.module_names[m] for m in wrong)}, by "
            f"{_turn(directions[wrong], whole).max():.0f}°",
            "look at the signs of fs and ss there; in the other half of the detector they are "
            "opposite",
            names_of(geometry, np.isin(modules, wrong)),
        )
    elif _turn(whole, 1 + 0j) > TURN_LIMIT:
        yield Finding(
            "note",
            "turned-detector",
            f"the whole detector is turned by {np.degrees(np.angle(whole)):.0f}° from the way it "
            "is mounted at European XFEL (positive: from x, left, to y, up)",
        )


def _usual_direction(directions: np.ndarray) -> complex:
    """Return the direction that most of some agree with."""
    near = np.abs(np.angle(directions[:, np.newaxis] / directions)) < np.radians(TURN_LIMIT)
    return complex(directions[near.sum(axis=1).argmax()])


def _turn(directions: np.ndarray | complex, usual: np.ndarray | complex) -> FloatArray:
    """Degrees between directions in the plane across the beam."""
    return np.abs(np.degrees(np.angle(np.asarray(directions) / usual)))


# -- Where tiles and modules are ----------------------------------------------------------


class _Fit(NamedTuple):
    """How places agree with the ideal ones.

    ``verdict``: all are near theirs, all are near those of others, some are off, or most.
    ``off``: which; ``most``: how far the furthest is, in metres.
    """

    verdict: Literal["fits", "order", "some", "most"]
    off: BoolArray
    most: float


def _fit(real: FloatArray, ideal: FloatArray, limit: float) -> _Fit:
    """Compare places (n, 2) with ideal ones, wherever the whole is."""
    moved = real - ideal
    away = np.linalg.norm(moved - np.median(moved, axis=0), axis=1)
    if away.max() <= limit:
        return _Fit("fits", away > limit, float(away.max()))
    for shift in (np.median(moved, axis=0), moved.mean(axis=0)):
        order = _other_order(real - shift, ideal, limit)
        if order is not None:
            return _Fit("order", order != np.arange(len(real)), float(away.max()))
    off = away > limit
    return _Fit("some" if 2 * off.sum() < len(off) else "most", off, float(away.max()))


def _other_order(real: FloatArray, ideal: FloatArray, limit: float) -> IntArray | None:
    """Return which ideal place each real one is near; None unless each is near another one."""
    apart = np.linalg.norm(real[:, np.newaxis] - ideal, axis=2)
    nearest = apart.argmin(axis=1)
    fits = len(set(nearest.tolist())) == len(real) and apart.min(axis=1).max() <= limit
    return nearest if fits else None


def _places(
    points: FloatArray, ideal: FloatArray, frames: _Frames, own: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Points (n, 3) in the frame of some tiles, and the ideal ones, each (n, 2)."""
    x, y = np.median(frames.x[own], axis=0), np.median(frames.y[own], axis=0)
    centred = points - points.mean(axis=0)
    return np.column_stack([centred @ x, centred @ y]), ideal


def _tiles_in_modules(geometry: Geometry, nominal: Nominal, frames: _Frames) -> Iterator[Finding]:
    detector = geometry.detector
    pitch = min(detector.pixel_size)
    centres = geometry.tile_centres
    found: dict[str, list[tuple[int, _Fit, IntArray]]] = {}
    for module in range(detector.n_modules):
        own = np.array(detector.tiles_of(module), dtype=np.int64)
        if len(own) > 1:
            places = _places(centres[own], nominal.centres[own], frames, own)
            fit = _fit(*places, nominal.limit * pitch)
            found.setdefault(fit.verdict, []).append((module, fit, own))
    for verdict, code in (("order", "tile-order"), ("some", "tile-gap"), ("most", "tile-gap")):
        fits = found.get(verdict, [])
        if not fits:
            continue
        tiles = np.concatenate([own[fit.off] for _, fit, own in fits])
        where = ", ".join(detector.module_names[m] for m, _, _ in fits[:4])
        more = f" and {len(fits) - 4} more" if len(fits) > 4 else ""
        most = max(fit.most for _, fit, _ in fits) / pitch
        if verdict == "order":
            message = f"tiles lie in another order in their modules ({where}{more}) than the data"
            mend = "exchange their places, or the rows and columns of the data"
        else:
            message = (
                f"{_how_many(geometry, tiles, most)} from where {_pronoun(tiles)} in a module of "
                f"{base_name(detector)} ({where}{more})"
            )
            mend = "look at the gaps between tiles: their number, sign and unit"
            if verdict == "some" and len(tiles) == 1:
                own = next(own for _, fit, own in fits if fit.off.any())
                mend = _sign_of(geometry, nominal, frames, own, int(tiles[0])) or mend
        severity: Literal["error", "warning", "note"] = "warning" if code == "tile-gap" else "error"
        if not nominal.certain:
            severity, mend = "note", "right if the data is made of tiles of several modules"
        yield Finding(severity, code, message, mend, names_of(geometry, tiles))


def _how_many(geometry: Geometry, tiles: IntArray, most: float) -> str:
    if len(tiles) == 1:
        return f"tile {names_of(geometry, tiles)[0]} is {most:.3g} pixels"
    return f"{len(tiles)} tiles are up to {most:.3g} pixels"


def _pronoun(tiles: IntArray) -> str:
    return "it lies" if len(tiles) == 1 else "they lie"


def _sign_of(
    geometry: Geometry, nominal: Nominal, frames: _Frames, own: IntArray, tile: int
) -> str:
    """Say which coordinate of a tile's corner has a wrong sign; nothing if none has."""
    pitch = min(geometry.detector.pixel_size)
    for axes, said in (((0,), "x"), ((1,), "y"), ((0, 1), "x and of y")):
        centres = geometry.tile_centres.copy()
        for axis in axes:
            centres[tile, axis] -= 2 * geometry.tile_corners[tile, axis]
        places = _places(centres[own], nominal.centres[own], frames, own)
        if _fit(*places, nominal.limit * pitch).verdict == "fits":
            return f"change the sign of {said} of its corner"
    return ""


def _module_centres(
    geometry: Geometry, nominal: Nominal, modules: list[int]
) -> tuple[FloatArray, FloatArray]:
    tiles = [list(geometry.detector.tiles_of(m)) for m in modules]
    centres = geometry.tile_centres
    return (
        np.array([centres[own].mean(axis=0) for own in tiles]),
        np.array([nominal.centres[own].mean(axis=0) for own in tiles]),
    )


def _modules_in_groups(geometry: Geometry, nominal: Nominal, frames: _Frames) -> Iterator[Finding]:
    detector = geometry.detector
    pitch = min(detector.pixel_size)
    for modules, name in zip(nominal.groups, nominal.names, strict=True):
        used = [m for m in modules if len(detector.tiles_of(m))]
        if len(used) < 2:
            continue
        own = np.flatnonzero(np.isin(detector.tile_modules, used))
        places = _places(*_module_centres(geometry, nominal, used), frames, own)
        fit = _fit(*places, MODULE_LIMIT * pitch)
        if fit.verdict == "fits":
            continue
        off = [used[i] for i in np.flatnonzero(fit.off)]
        names = ", ".join(detector.module_names[m] for m in off)
        tiles = names_of(geometry, np.isin(detector.tile_modules, off))
        if fit.verdict == "order":
            yield Finding(
                "error",
                "module-order",
                f"modules {names} of {name} lie in another order than the data",
                "exchange their places, or their numbers in the data",
                tiles,
            )
        else:
            yield Finding(
                "warning",
                "module-gap",
                f"modules {names} of {name} are up to {fit.most / pitch:.3g} pixels from where "
                f"they lie in {base_name(detector)}",
                "look at the gaps between modules: their number, sign and unit",
                tiles,
            )


def _order_of_groups(geometry: Geometry, nominal: Nominal, frames: _Frames) -> Iterator[Finding]:
    """Quadrants that lie where another one belongs."""
    detector = geometry.detector
    tiles = [np.flatnonzero(np.isin(detector.tile_modules, group)) for group in nominal.groups]
    if len(tiles) < 2 or not all(map(len, tiles)):
        return
    centres = np.array([geometry.tile_centres[own].mean(axis=0) for own in tiles])
    ideal = np.array([nominal.centres[own].mean(axis=0) for own in tiles])
    real, ideal = _places(centres, ideal - ideal.mean(axis=0), frames, np.concatenate(tiles))
    order = _other_order(real, ideal, np.inf)
    if order is None or (order == np.arange(len(order))).all():
        return
    wrong = np.flatnonzero(order != np.arange(len(order)))
    said = ", ".join(
        f"{nominal.names[i]} where {nominal.names[order[i]].split()[-1]} belongs" for i in wrong
    )
    yield Finding(
        "error",
        "quadrant-order",
        f"quadrants lie in another order than the data: {said}",
        "exchange their positions",
        names_of(geometry, np.concatenate([tiles[i] for i in wrong])),
    )


def _order_of_free_modules(geometry: Geometry) -> Iterator[Finding]:
    """Modules of a JUNGFRAU-4M that lie as at European XFEL, in another order."""
    detector = geometry.detector
    if base_name(detector) != "JUNGFRAU-4M" or detector.n_modules != 8:
        return
    usual = example_geometry("JUNGFRAU-4M")
    if any(not len(detector.tiles_of(m)) for m in range(8)):
        return
    real, ideal = (
        np.array([each.tile_centres[list(each.detector.tiles_of(m)), :2].mean(axis=0)
                  for m in range(8)])
        for each in (geometry, usual)
    )  # fmt: skip
    limit = FREE_LIMIT * min(detector.pixel_size)
    shift = (real.min(axis=0) + real.max(axis=0) - ideal.min(axis=0) - ideal.max(axis=0)) / 2
    order = _other_order(real - shift, ideal, limit)
    if order is None or (order == np.arange(8)).all():
        return
    wrong = np.flatnonzero(order != np.arange(8))
    yield Finding(
        "note",
        "module-order",
        f"modules {', '.join(detector.module_names[m] for m in wrong)} lie in another order than "
        "at European XFEL",
        "right if they were mounted, or numbered, so",
        names_of(geometry, np.isin(detector.tile_modules, wrong)),
    )
