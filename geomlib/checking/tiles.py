"""Checks of single tiles and of how they lie to each other, for any detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from geomlib.checking.findings import Finding, Severity, counted
from geomlib.checking.nominal import base_name, look_alike
from geomlib.checking.separation import MAX_PAIRS, box_gaps, close_pairs, penetration
from geomlib.coordinates import BoolArray
from geomlib.detector import FloatArray, IntArray, describe_pitch
from geomlib.geometry import Geometry

# Limits are set by what real files hold; docs/check.md has the distributions. The largest values
# in the corpus's good files are given after each.
#: Steps that differ from a pixel by more than this are a mistake; by less, but more than the
#: second, a refinement that stretches. 2 % (a lens), 1.3 % (a refined CSPAD).
STEP_LIMIT, STEP_NOTE = 0.05, 1e-3
#: Degrees by which steps may miss the right angle. 0.7 (the same CSPAD).
SKEW_LIMIT, SKEW_NOTE = 1.0, 0.1
#: Pitch of pixels that a known detector may differ by. 0.2 %.
PITCH_LIMIT = 0.01
#: Pixels by which tiles may overlap. 1.2 (JUNGFRAU 16M).
OVERLAP_LIMIT, OVERLAP_NOTE = 2.0, 0.05
#: Metres along the beam from which tiles stand behind each other, as in detectors of several parts.
BEHIND = 5e-3
#: A gap is far if it is wider than this, in metres, and than so many tiles. 33 mm (open pnCCD).
FAR_GAP, FAR_TILES = 50e-3, 3.0
#: Nearest tile to the beam, metres. 0.013 (one module of an AGIPD).
FAR_FROM_BEAM = 1.0
#: More tiles than any detector has; what compares every tile with every other is left out.
MAX_TILES = 5_000


def check_tiles(geometry: Geometry) -> Iterator[Finding]:
    """Check steps, pixel sizes, overlaps and distances of the tiles of any detector."""
    yield from _pixel_size(geometry)
    yield from _step_lengths(geometry)
    yield from _skew(geometry)
    if geometry.n_tiles > MAX_TILES:
        message = f"{geometry.n_tiles} tiles: too many to compare each with the others"
        yield Finding("note", "too-many-tiles", message)
        return
    yield from _overlaps(geometry)
    yield from _far(geometry)


def names_of(geometry: Geometry, tiles: Sequence[int] | IntArray | BoolArray) -> tuple[str, ...]:
    """Names of tiles, given by number or as a mask."""
    chosen = np.asarray(tiles)
    chosen = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
    return tuple(geometry.detector.tile_names[int(tile)] for tile in chosen)


# -- Steps from pixel to pixel ------------------------------------------------------------


def _pixel_size(geometry: Geometry) -> Iterator[Finding]:
    detector = geometry.detector
    found = tuple(
        float(np.median(np.linalg.norm(steps, axis=1)))
        for steps in (geometry.tile_ss, geometry.tile_fs)
    )
    known: tuple[str, tuple[float, float]] | None = (base_name(detector), detector.pixel_size)
    if detector.name == "generic":
        known = look_alike(geometry)
    if known is None or all(
        abs(a / b - 1) <= PITCH_LIMIT for a, b in zip(found, known[1], strict=True)
    ):
        return
    name, pitch = known
    yield Finding(
        "error",
        "pixel-size",
        f"the data is cut as that of {name}, whose pixels are {describe_pitch(pitch)}; here they "
        f"are {describe_pitch(found)}",
        f"make them {describe_pitch(pitch)} ({1 / pitch[1]:.10g} a metre); right as it is if the "
        "frames are binned, or this is another detector",
    )


def _step_lengths(geometry: Geometry) -> Iterator[Finding]:
    """Tiles whose steps are not one pixel of their detector long."""
    wrong = np.zeros(geometry.n_tiles)
    for steps, pitch in zip(
        (geometry.tile_ss, geometry.tile_fs), geometry.detector.pixel_size, strict=True
    ):
        length = np.linalg.norm(steps, axis=1)
        usual = float(np.median(length))
        # A wrong size of all pixels is another finding.
        pitch = usual if abs(usual / pitch - 1) > PITCH_LIMIT else pitch
        wrong = np.maximum(wrong, np.abs(length / pitch - 1))
    yield from _graded(
        geometry,
        wrong * 100,
        (STEP_LIMIT * 100, STEP_NOTE * 100),
        "step-length",
        "the steps of {tiles} are not one pixel long, by up to {most:.2g} %",
        "make fs and ss one pixel long",
        "a refinement that stretched them; right if it was meant",
    )


def _skew(geometry: Geometry) -> Iterator[Finding]:
    ss, fs = (
        steps / np.linalg.norm(steps, axis=1, keepdims=True)
        for steps in (geometry.tile_ss, geometry.tile_fs)
    )
    skew = np.degrees(np.arcsin(np.clip(np.abs((ss * fs).sum(axis=1)), 0, 1)))
    yield from _graded(
        geometry,
        skew,
        (SKEW_LIMIT, SKEW_NOTE),
        "skewed-steps",
        "fs and ss of {tiles} are not at right angles, by up to {most:.2g}°",
        "turn both by the same rotation; look for a sign or an axis that is wrong",
        "a refinement that sheared them; right if it was meant",
    )


def _graded(
    geometry: Geometry,
    values: FloatArray,
    limits: tuple[float, float],
    code: str,
    message: str,
    mend: str,
    small: str,
) -> Iterator[Finding]:
    """Give one finding for tiles over the first limit, a note for those over the second only."""
    over = values > limits[0]
    near = (values > limits[1]) & ~over
    if over.any():
        text = message.format(tiles=counted(int(over.sum()), "tile"), most=values.max())
        yield Finding("error", code, text, mend, names_of(geometry, over))
    if near.any():
        text = message.format(tiles=counted(int(near.sum()), "tile"), most=values[near].max())
        yield Finding("note", code, f"{text}: {small}", "", names_of(geometry, near))


# -- How tiles lie to each other ----------------------------------------------------------


def _overlaps(geometry: Geometry) -> Iterator[Finding]:
    outlines = geometry.tile_outlines()[..., :2]
    pairs = close_pairs(outlines)
    if not len(pairs):
        return
    depth = penetration(outlines, pairs) / min(geometry.detector.pixel_size)
    z = geometry.tile_centres[:, 2]
    behind = np.abs(z[pairs[:, 0]] - z[pairs[:, 1]]) > BEHIND
    deep = depth > OVERLAP_LIMIT
    for severity, found, remark, mend in _OVERLAPS:
        chosen = found(depth, deep, behind)
        if not chosen.any():
            continue
        deepest = int(np.where(chosen, depth, -1).argmax())
        first, second = names_of(geometry, pairs[deepest])
        least = "at least " if len(pairs) > MAX_PAIRS else ""
        yield Finding(
            severity,
            "overlapping-tiles",
            f"{least}{counted(int(chosen.sum()), 'pair')} of tiles overlap, {first} and {second} "
            f"by {depth[deepest]:.3g} pixels: {remark}",
            mend,
            names_of(geometry, np.unique(pairs[chosen])),
        )


_HIDES = "the later one hides the other in an assembled image"
# Severity of an overlap, which pairs it is for, what it means and how to mend it.
_OVERLAPS: tuple[
    tuple[Severity, Callable[[FloatArray, BoolArray, BoolArray], BoolArray], str, str], ...
] = (
    (
        "error",
        lambda depth, deep, behind: deep & ~behind,
        _HIDES,
        "move one of them: its corner, or the unit of its place",
    ),
    (
        "note",
        lambda depth, deep, behind: deep & behind,
        f"one stands behind the other, and {_HIDES}",
        "",
    ),
    (
        "note",
        lambda depth, deep, behind: (depth > OVERLAP_NOTE) & ~deep,
        f"{_HIDES}; refined geometries do that",
        "",
    ),
)


def _far(geometry: Geometry) -> Iterator[Finding]:
    outlines = geometry.tile_outlines()
    sides = np.linalg.norm(np.diff(outlines[:, :3], axis=1), axis=-1)
    limit = max(FAR_GAP, FAR_TILES * float(np.median(sides.max(axis=1))))
    for gap, _, apart in box_gaps(outlines):
        if gap > limit:
            yield Finding(
                "warning",
                "far-tiles",
                f"{counted(len(apart), 'tile')} {'lies' if len(apart) == 1 else 'lie'} "
                f"{1e3 * gap:.3g} mm from all others",
                "look at the unit of its place, and at the signs",
                names_of(geometry, apart),
            )
    corners = outlines[..., :2].reshape(-1, 2)
    low, high = corners.min(axis=0), corners.max(axis=0)
    away = float(np.linalg.norm(np.maximum(np.maximum(low, -high), 0)))
    if away > FAR_FROM_BEAM:
        yield Finding(
            "warning",
            "far-from-beam",
            f"the detector is {away:.3g} m from the beam, which runs through x = y = 0",
            "look at the unit of the positions, and at the signs",
        )
