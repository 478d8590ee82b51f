"""Checks of single tiles and of how they lie to each other, for any detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from geomlib.checking.findings import Finding, Severity, counted
from geomlib.checking.nominal import base_name, look_alike, near_known
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
#: Nearest tile to the beam of which a note tells, metres. 0.05 (a module of an AGIPD).
OFF_BEAM = 0.2
#: A gap that parts whole modules of a detector whose modules are free is no mistake up to this.
FREE_GAP = 0.5
#: Pixels by which quadrants of a DSSC with nominal gaps may overlap: 14.3 in June 2019.
DSSC_OVERLAP = 20.0
#: One tile in so many may have another size than the others by mistake.
ODD_SIZES = 4
#: More tiles than any detector has; what compares every tile with every other is left out.
MAX_TILES = 5_000


def check_tiles(geometry: Geometry) -> Iterator[Finding]:
    """Check steps, pixel sizes, overlaps and distances of the tiles of any detector."""
    yield from _pixel_size(geometry)
    yield from _sizes(geometry)
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


# -- Sizes of tiles -----------------------------------------------------------------------


def _sizes(geometry: Geometry) -> Iterator[Finding]:
    """Tiles of another size than all others, in a detector that is not known because of them."""
    detector = geometry.detector
    shapes, which, numbers = np.unique(
        detector.tile_shapes, axis=0, return_inverse=True, return_counts=True
    )
    usual = int(numbers.argmax())
    odd = which.ravel() != usual
    like = near_known(geometry) if detector.name == "generic" else None
    if like is not None:
        odd, name = like
        said = f"; all others are cut as those of {name}, which it is not taken for"
    elif not odd.any() or ODD_SIZES * odd.sum() > len(odd):
        return
    else:
        said = ""
    first = int(np.flatnonzero(odd)[0])
    rows, columns = detector.tile_shapes[first]
    usual_rows, usual_columns = shapes[usual]
    yield Finding(
        "warning",
        "tile-size",
        f"{counted(int(odd.sum()), 'tile')} {'has' if odd.sum() == 1 else 'have'} another size or "
        f"place in the data than the others: {detector.tile_names[first]} has {rows} × {columns} "
        f"pixels (ss × fs), most have {usual_rows} × {usual_columns}{said}",
        "look at the first and last row and column of its data",
        names_of(geometry, odd),
    )


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
    if _nominal_dssc(geometry, pairs[deep & ~behind], depth[deep & ~behind]):
        yield Finding("warning", "overlapping-tiles", *_of_dssc(geometry, pairs, depth))
        return
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


def _nominal_dssc(geometry: Geometry, pairs: IntArray, depth: FloatArray) -> bool:
    """Whether only quadrants of a DSSC with equal gaps inside them overlap, and only a little."""
    rule = geometry.detector.quadrants
    if base_name(geometry.detector) != "DSSC-1M" or rule is None or not len(pairs):
        return False
    quadrant = np.zeros(geometry.n_modules, dtype=np.int64)
    for number, modules in enumerate(rule.modules):
        quadrant[list(modules)] = number
    of_tile = quadrant[geometry.detector.tile_modules]
    across = of_tile[pairs[:, 0]] != of_tile[pairs[:, 1]]
    return bool(across.all() and depth.max() <= DSSC_OVERLAP)


def _of_dssc(
    geometry: Geometry, pairs: IntArray, depth: FloatArray
) -> tuple[str, str, tuple[str, ...]]:
    first, second = names_of(geometry, pairs[int(depth.argmax())])
    return (
        f"quadrants overlap, {first} and {second} by {depth.max():.3g} pixels: real gaps between "
        "modules are narrower than the nominal ones",
        "read the measured file (HDF5) that belongs to these quadrant positions",
        names_of(geometry, np.unique(pairs[depth > OVERLAP_LIMIT])),
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
    gaps = box_gaps(outlines)
    free = [_is_free(geometry, gap, apart) for gap, _, apart in gaps]
    for chosen in (False, True):
        wide = [
            (gap, apart)
            for (gap, _, apart), own in zip(gaps, free, strict=True)
            if own is chosen and gap > (FAR_GAP if chosen else limit)
        ]
        if wide:
            yield _far_apart(geometry, wide, free=chosen)
    corners = outlines[..., :2].reshape(-1, 2)
    low, high = corners.min(axis=0), corners.max(axis=0)
    away = float(np.linalg.norm(np.maximum(np.maximum(low, -high), 0)))
    if away > OFF_BEAM:
        yield Finding(
            "warning" if away > FAR_FROM_BEAM else "note",
            "far-from-beam",
            f"the detector is {away:.3g} m from the beam, which runs through x = y = 0",
            "look at the unit of the positions, and at the signs"
            if away > FAR_FROM_BEAM
            else "right if it stands on an arm, or beside the beam",
        )


def _far_apart(geometry: Geometry, wide: list[tuple[float, IntArray]], *, free: bool) -> Finding:
    """One finding for all wide gaps: one mistake, as a wrong unit, brings about several."""
    most = 1e3 * max(gap for gap, _ in wide)
    apart = np.unique(np.concatenate([tiles for _, tiles in wide]))
    if free:
        said, mend = f"modules are up to {most:.3g} mm apart", "right if they were mounted so"
        return Finding("note", "far-tiles", said, mend)
    if 2 * len(apart) <= geometry.n_tiles or len(wide) == 1:
        said = f"{counted(len(apart), 'tile')} {'lies' if len(apart) == 1 else 'lie'} "
        said += f"{'' if len(wide) == 1 else 'up to '}{most:.3g} mm from all others"
    else:
        said = f"tiles lie in groups, up to {most:.3g} mm from each other"
    mend = "look at the unit of its place, and at the signs"
    return Finding("warning", "far-tiles", said, mend, names_of(geometry, apart))


def _is_free(geometry: Geometry, gap: float, apart: IntArray) -> bool:
    """Whether a gap parts whole modules of a detector whose modules stand anywhere."""
    detector = geometry.detector
    if gap > FREE_GAP or not base_name(detector).startswith(_FREE):
        return False
    modules = detector.tile_modules
    whole = np.isin(modules, modules[apart]).sum() == len(apart)
    return bool(whole and len(np.unique(modules)) > 1)


#: Detectors whose modules stand anywhere.
_FREE = ("JUNGFRAU", "LPD-Mini", "pnCCD", "ePix")
