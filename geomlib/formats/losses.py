"""What a file of some format will not hold of a geometry: measured before it is written.

The geometry is written to a temporary folder and read back; what comes back is compared. What other
programs cannot know, such as that pixels are hexagons, follows from what the format declares.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from geomlib.detector import Detector, FloatArray, IntArray, default_groups
from geomlib.errors import GeometryError, GeometryFileError, quiet
from geomlib.formats.recognise import detectors_named
from geomlib.geometry import Geometry

#: What a geometry can have, and a format may have no place for.
Content = Literal[
    "hexagons",
    "distance",
    "photon energy",
    "bad pixels",
    "no_index flags",
    "groups",
    "data and mask paths",
    "motor positions",
    "name of the detector",
    "names of tiles and modules",
    "wide border pixels",
    "facts of the detector",
    "layout of the data",
    "other lines of the .geom file",
]
EVERYTHING: frozenset[Content] = frozenset(get_args(Content))
#: Tiles that a file moves by more than this, in metres, are refused.
LIMIT = 1e-6
#: Displacement that counts as none, metres: well above the rounding of sums of millimetres.
ROUNDING = 1e-12
#: What a detector has that neither its name nor its layout says.
_FACTS = ("quadrants", "motors", "first_module_label", "calibration_rows", "cut_out")


@dataclass(frozen=True)
class LossReport:
    """What a file does not hold of the geometry that was written to it.

    True where something is lost.

    Parameters
    ----------
    format : str
        Name of the format.
    displacement : float or None
        By how much the file moves pixels at most, in metres, found by reading it back; None where
        it cannot be compared: what is read back has other tiles, or nothing reads the format.
    tile : str or None
        Name of the tile that moves most; None where none does.
    lost : tuple of str
        What else the format has no place for.
    kept : tuple of str
        What the file holds, of what the geometry has.
    """

    format: str
    displacement: float | None
    tile: str | None
    lost: tuple[Content, ...]
    kept: tuple[Content, ...]

    def __bool__(self) -> bool:
        return bool(self.lost) or self.moved > 0

    @property
    def moved(self) -> float:
        """The displacement in metres, 0 where it is no more than rounding of doubles."""
        known = self.displacement or 0.0
        return known if known > ROUNDING else 0.0

    def messages(self) -> list[str]:
        """Say what is lost, one sentence each; empty if nothing is."""
        found = []
        if self.moved:
            found.append(
                f"in a {self.format!r} file, tiles are up to "
                f"{1e6 * self.moved:.3g} µm away from here ({self.tile})"
            )
        if "hexagons" in self.lost:
            found.append(
                f"a {self.format!r} file cannot hold hexagonal pixels: programs that do not know "
                "the detector take them as rectangles, in straight rows"
            )
        if rest := [_said(content) for content in self.lost if content != "hexagons"]:
            found.append(f"a {self.format!r} file has no place for: {', '.join(rest)}")
        return found


def _said(content: Content) -> str:
    if content == "other lines of the .geom file":
        return f"{content} (ADU scale, mask bits, axes of the data, comments …)"
    return content


class GeometryLossError(GeometryError):
    """A file was not written, since its format would move tiles; `allow_loss` would write it.

    Parameters
    ----------
    message : str
        What would be lost.
    report : LossReport
        The same for programs.
    """

    def __init__(self, message: str, report: LossReport) -> None:
        self.report = report
        super().__init__(message)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.report)


class Declared(NamedTuple):
    """What a format says of itself.

    Attributes
    ----------
    format : str
        Its name.
    holds : set of str
        What it holds.
    float32 : bool
        Whether positions of pixels are float32.
    by_layout : bool
        Whether the programs that read hexagonal detectors from it know them by their layout.
    """

    format: str
    holds: frozenset[Content]
    float32: bool = False
    by_layout: bool = False


def measure(
    geometry: Geometry,
    declared: Declared,
    path: Path,
    write: Callable[[Path], None],
    read: Callable[[Path], Geometry],
) -> LossReport:
    """Write a geometry to a temporary file, read it back, and say what is lost.

    Parameters
    ----------
    geometry : Geometry
        What is to be written.
    declared : Declared
        What the format says of itself.
    path : Path
        The file that is to be: for its name and for errors.
    write, read : callable
        Of the format.

    Raises
    ------
    GeometryError
        If the format cannot hold the geometry at all.
    GeometryFileError
        If there is no room to try it.
    """
    back = _there_and_back(path, write, read)
    present = contents(geometry)
    order = _same_tiles(geometry.detector, back.detector)
    lost = _missing(geometry, back, order) & present
    # Our reader may know a hexagonal detector by its layout; other programs do not.
    hexagons = "hexagons" in present and "hexagons" not in declared.holds
    lost |= {"hexagons"} if hexagons else set()
    if order is None and not _alike(geometry.detector, back.detector):
        return LossReport(declared.format, None, None, *_sorted(present, lost))
    tiles = np.arange(geometry.n_tiles) if order is None else order
    outlines = geometry.tile_outlines()
    shift = np.linalg.norm(back.tile_outlines()[tiles] - outlines, axis=-1).max(axis=1)
    if declared.float32:
        # The tiles found from rounded pixels are better than the pixels that others read.
        half = 0.5 * np.spacing(np.abs(outlines).astype(np.float32))
        shift = shift + np.linalg.norm(half, axis=-1).max(axis=1)
    if hexagons and not declared.by_layout:
        # Odd rows are half a pixel further along fast scan than those of rectangles.
        shift = shift + 0.5 * np.linalg.norm(geometry.tile_fs, axis=1)
    return _report(geometry, declared.format, shift, present, lost)


def unread(geometry: Geometry, declared: Declared) -> LossReport:
    """Say what is lost in a format that nothing reads back: what it does not declare to hold."""
    present = contents(geometry)
    return LossReport(declared.format, None, None, *_sorted(present, present - set(declared.holds)))


def refuse(report: LossReport, path: Path) -> None:
    """Raise an error if pixels would move by more than `LIMIT`, or if nobody can say.

    Raises
    ------
    GeometryLossError
        It has the report.
    """
    if report.displacement is None:
        what = "what is read back has other tiles"
    elif report.moved > LIMIT:
        far = f"{1e6 * report.moved:.4g} µm away ({report.tile})"
        what = f"tiles would be up to {far}"
        if "hexagons" in report.lost:
            what = f"for other programs, pixels would be rectangles in straight rows, up to {far}"
    else:
        return
    raise GeometryLossError(
        f"{path}: a {report.format!r} file cannot hold this geometry: {what}; choose another "
        "format, or pass allow_loss=True to write it all the same",
        report,
    )


# -- What a geometry has --------------------------------------------------------------------


def contents(geometry: Geometry) -> set[Content]:
    """Return what a geometry has that a file may lose."""
    detector = geometry.detector
    known = _is_known(detector)
    present: dict[Content, bool] = {
        "hexagons": detector.pixel_shape == "hexagon",
        "distance": geometry.distance is not None,
        "photon energy": geometry.photon_energy is not None,
        "bad pixels": bool(geometry.bad_regions),
        "no_index flags": bool(geometry.no_index),
        "groups": bool(_own_groups(geometry)),
        "data and mask paths": bool(geometry.data_path or geometry.mask_path),
        "motor positions": geometry.motor_positions is not None,
        "name of the detector": not known and detector.name != "generic",
        "names of tiles and modules": not known,
        "wide border pixels": not known and bool(np.any(detector.wide_edges)),
        "facts of the detector": not known and any(_facts(detector)),
        "layout of the data": True,
        "other lines of the .geom file": geometry.source is not None
        and geometry.source.format == "crystfel"
        and geometry.source.text is not None,
    }
    return {content for content, here in present.items() if here}


def _is_known(detector: Detector) -> bool:
    """Tell whether the layout of the tiles alone says which detector this is."""
    try:
        return detector in detectors_named(detector.name)
    except GeometryError:
        return False


def _facts(detector: Detector) -> list[Any]:
    facts = [getattr(detector, name) for name in _FACTS]
    return [None if fact == (0, 0) else fact for fact in facts]


def _own_groups(geometry: Geometry) -> set[frozenset[int]]:
    """Tiles of the groups besides quadrants, modules and the whole."""
    usual = {frozenset(tiles) for tiles in default_groups(geometry.detector).values()}
    usual.add(frozenset(range(geometry.n_tiles)))
    return {frozenset(tiles) for tiles in (geometry.groups or {}).values()} - usual


# -- What came back -------------------------------------------------------------------------


def _there_and_back(
    path: Path, write: Callable[[Path], None], read: Callable[[Path], Geometry]
) -> Geometry:
    try:
        with TemporaryDirectory(prefix="geomlib-") as folder, quiet():
            try:
                write(Path(folder) / path.name)
                return read(Path(folder) / path.name)
            except GeometryFileError as problem:
                if not _is_in(folder, problem.path):
                    raise
                # Whoever called knows the file to be, not this one.
                raise GeometryFileError(
                    problem.message, path=path, line=problem.line, key=problem.key
                ) from problem
    except GeometryFileError:
        raise
    except OSError as problem:
        raise GeometryFileError(
            f"cannot be tried out in a temporary folder: {problem.strerror or problem}; the "
            "environment variable TMPDIR says where those are",
            path=path,
        ) from problem


def _is_in(folder: str, path: str | None) -> bool:
    return path is not None and Path(os.path.realpath(path)).is_relative_to(
        os.path.realpath(folder)
    )


def _alike(first: Detector, second: Detector) -> bool:
    """Tell whether two detectors have tiles of the same sizes, one after the other."""
    return np.array_equal(first.tile_shapes, second.tile_shapes)


def _same_tiles(detector: Detector, back: Detector) -> IntArray | None:
    """For each tile the number of the same part of the data in what came back, or None."""
    if detector.data_shape != back.data_shape or detector.n_tiles != back.n_tiles:
        return None
    ours, theirs = (np.lexsort(one.tile_bounds.T[::-1]) for one in (detector, back))
    if not np.array_equal(detector.tile_bounds[ours], back.tile_bounds[theirs]):
        return None
    order = np.empty_like(ours)
    order[ours] = theirs
    return order


def _missing(geometry: Geometry, back: Geometry, order: IntArray | None) -> set[Content]:
    """Return what came back otherwise, or not at all."""
    ours, theirs = geometry.detector, back.detector
    number = range(back.n_tiles) if order is None else np.argsort(order).tolist()
    same: dict[Content, bool] = {
        "hexagons": ours.pixel_shape == theirs.pixel_shape,
        # Options of the writer may have replaced these; what is there is not lost.
        "distance": back.distance is not None,
        "photon energy": back.photon_energy is not None,
        "bad pixels": _same_mask(geometry, back),
        "no_index flags": {number[tile] for tile in back.no_index} == set(geometry.no_index),
        "groups": _own_groups(geometry)
        <= {frozenset(number[t] for t in tiles) for tiles in (back.groups or {}).values()},
        "data and mask paths": (geometry.data_path, geometry.mask_path)
        == (back.data_path, back.mask_path),
        "motor positions": _same_motors(geometry, back),
        "name of the detector": ours.name == theirs.name,
        "names of tiles and modules": order is not None
        and ours.module_names == theirs.module_names
        and list(ours.tile_names) == [theirs.tile_names[tile] for tile in order],
        "wide border pixels": order is not None
        and np.array_equal(_edges(ours), _edges(theirs)[order]),
        "facts of the detector": _facts(ours) == _facts(theirs),
        "layout of the data": order is not None,
        "other lines of the .geom file": back.source is not None
        and back.source.format == "crystfel",
    }
    return {content for content, kept in same.items() if not kept}


def _edges(detector: Detector) -> FloatArray:
    assert detector.wide_edges is not None
    return detector.wide_edges


def _same_motors(geometry: Geometry, back: Geometry) -> bool:
    ours, theirs = geometry.motor_positions, back.motor_positions
    return ours is None or (theirs is not None and np.array_equal(ours, theirs))


def _same_mask(geometry: Geometry, back: Geometry) -> bool:
    if not geometry.bad_regions or geometry.data_shape != back.data_shape:
        return not geometry.bad_regions
    return np.array_equal(geometry.bad_pixels(), back.bad_pixels())


def _report(
    geometry: Geometry,
    format: str,
    shift: FloatArray,
    present: set[Content],
    lost: set[Content],
) -> LossReport:
    worst = int(shift.argmax())
    tile = geometry.detector.tile_names[worst] if shift[worst] > ROUNDING else None
    return LossReport(format, float(shift[worst]), tile, *_sorted(present, lost))


def _sorted(
    present: set[Content], lost: set[Content]
) -> tuple[tuple[Content, ...], tuple[Content, ...]]:
    """Return what is lost and what is kept, each in the usual order."""
    usual = [content for content in get_args(Content) if content in present | lost]
    return tuple(c for c in usual if c in lost), tuple(c for c in usual if c not in lost)
