"""What a geometry carries besides positions: bad regions, groups, and the file it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from geomlib import checks
from geomlib.coordinates import BoolArray
from geomlib.detector import Detector, FloatArray, default_groups, tile_map
from geomlib.errors import GeometryError


class BadRegion(NamedTuple):
    """A part of the detector not to be used: a block of data pixels, or a rectangle in the lab.

    Attributes
    ----------
    name : str
        As in the file; CrystFEL demands that it begins with ``bad``.
    tile : int, optional
        For a block of data pixels: the tile that it belongs to.
    ss, fs : (int, int), optional
        For that block: first and last-plus-one index in the module, along slow scan and fast scan.
    x, y : (float, float), optional
        For a rectangle in the lab: smallest and largest coordinate, finite, in metres.
    """

    name: str
    tile: int | None = None
    ss: tuple[int, int] | None = None
    fs: tuple[int, int] | None = None
    x: tuple[float, float] | None = None
    y: tuple[float, float] | None = None


class Source(NamedTuple):
    """Where a geometry came from.

    Attributes
    ----------
    path : str, optional
        The file it was read from.
    format : str
        Name of the file format.
    text : bytes, optional
        The whole file, for text formats: writing the geometry back changes only what changed.
    """

    path: str | None
    format: str
    text: bytes | None = None


def checked_regions(detector: Detector, regions: Iterable[BadRegion]) -> tuple[BadRegion, ...]:
    """Return the bad regions of a detector, made of plain numbers.

    Raises
    ------
    GeometryError
        If one of them is neither a block of data pixels nor a rectangle in the lab.
    """
    if isinstance(regions, BadRegion) or not isinstance(regions, Iterable):
        raise GeometryError(
            f"bad_regions must be a sequence of BadRegion, not {checks.shown(regions)}"
        )
    return tuple(_checked_region(detector, i, region) for i, region in enumerate(regions))


def _checked_region(detector: Detector, number: int, region: Any) -> BadRegion:
    if not isinstance(region, BadRegion):
        raise GeometryError(
            f"bad_regions[{number}] must be a BadRegion, not {checks.shown(region)}"
        )
    name = checks.text(f"bad_regions[{number}].name", region.name)
    here = f"bad region {name!r} (bad_regions[{number}]):"
    block = (region.tile, region.ss, region.fs)
    given = tuple(value is not None for value in (*block, region.x, region.y))
    if given == (True, True, True, False, False):
        tile = checks.integer(f"{here} tile", region.tile, 0, detector.n_tiles - 1)
        _, n_ss, n_fs = detector.data_shape
        ss, fs = _range(f"{here} ss", region.ss, n_ss), _range(f"{here} fs", region.fs, n_fs)
        return BadRegion(name, tile, ss, fs)
    if given == (False, False, False, True, True):
        return BadRegion(name, x=_span(f"{here} x", region.x), y=_span(f"{here} y", region.y))
    raise GeometryError(
        f"{here} expected tile, ss and fs, or x and y, and nothing else; "
        f"found {checks.shown(region)}"
    )


def _range(name: str, value: object, end: int) -> tuple[int, int]:
    first, last = checks.integers(name, value, 0, end, count=2)
    if first >= last:
        raise GeometryError(f"{name} must be (first, last plus one), not {checks.shown(value)}")
    return first, last


def _span(name: str, value: object) -> tuple[float, float]:
    low, high = checks.array(name, value, (2,)).tolist()
    if low > high:
        raise GeometryError(f"{name} must be (smallest, largest), not {checks.shown(value)}")
    return low, high


def checked_groups(
    detector: Detector, groups: Mapping[str, Sequence[int]] | None
) -> dict[str, tuple[int, ...]]:
    """Return named groups of tiles; for None, those that every geometry of a detector has.

    Raises
    ------
    GeometryError
        If a name is no text, or a group holds anything but tiles of the detector.
    """
    if groups is None:
        return default_groups(detector)
    if not isinstance(groups, Mapping):
        raise GeometryError(f"groups must map names to tile numbers, not be {checks.shown(groups)}")
    high = detector.n_tiles - 1
    return {
        checks.text("a name in groups", name): checks.integers(f"groups[{name!r}]", tiles, 0, high)
        for name, tiles in groups.items()
    }


def bad_pixels(
    detector: Detector, positions: Callable[[], FloatArray], regions: Sequence[BadRegion]
) -> BoolArray:
    """Mark the data pixels that lie in a bad region or belong to no tile.

    A rectangle in the lab holds the pixels whose centres lie in it. ``positions`` gives those
    centres, (modules, ss, fs, 3), and is called only when there is such a rectangle.
    """
    bad = tile_map(detector) < 0
    centres = positions() if any(region.x is not None for region in regions) else None
    for region in regions:
        if region.tile is not None and region.ss is not None and region.fs is not None:
            module = int(detector.tile_bounds[region.tile, 0])
            bad[module, slice(*region.ss), slice(*region.fs)] = True
        elif centres is not None and region.x is not None and region.y is not None:
            px, py = centres[..., 0], centres[..., 1]
            bad |= (
                (px >= region.x[0])
                & (px <= region.x[1])
                & (py >= region.y[0])
                & (py <= region.y[1])
            )
    return bad
