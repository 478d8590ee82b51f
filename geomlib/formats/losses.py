"""What a file of some format will not hold of a geometry: said before it is written, and measured.

Positions are measured by writing a file to a temporary folder and reading it back. The rest follows
from what the format declares to hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple, get_args

import numpy as np

from geomlib.detector import FloatArray, default_groups
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
    "names of tiles",
    "wide border pixels",
    "layout of the data",
]
EVERYTHING: frozenset[Content] = frozenset(get_args(Content))
#: Tiles that a file moves by more than this, in metres, are refused.
LIMIT = 1e-6
#: Displacement that counts as none, metres: well above the rounding of sums of millimetres.
ROUNDING = 1e-12


@dataclass(frozen=True)
class LossReport:
    """What a file does not hold of the geometry that was written to it.

    True where something is lost.

    Parameters
    ----------
    format : str
        Name of the format.
    displacement : float or None
        By how much the file moves pixels at most, in metres, found by reading it back; None for a
        format that cannot be read.
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
                f"read back from a {self.format!r} file, tiles are up to "
                f"{1e6 * self.moved:.3g} µm away from here ({self.tile})"
            )
        if self.lost:
            found.append(f"a {self.format!r} file has no place for: {', '.join(self.lost)}")
        return found


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
    """What a format says of itself: its name, what it holds, and whether positions are float32."""

    format: str
    holds: frozenset[Content]
    float32: bool = False


def contents(geometry: Geometry) -> set[Content]:
    """Return what a geometry has that a file may lose."""
    detector = geometry.detector
    known = _is_known(geometry)
    present: dict[Content, bool] = {
        "hexagons": detector.pixel_shape == "hexagon",
        "distance": geometry.distance is not None,
        "photon energy": geometry.photon_energy is not None,
        "bad pixels": bool(geometry.bad_regions),
        "no_index flags": bool(geometry.no_index),
        "groups": _has_own_groups(geometry),
        "data and mask paths": bool(geometry.data_path or geometry.mask_path),
        "motor positions": geometry.motor_positions is not None,
        "name of the detector": not known and detector.name != "generic",
        "names of tiles": not known,
        "wide border pixels": not known and bool(np.any(detector.wide_edges)),
        "layout of the data": True,
    }
    return {content for content, here in present.items() if here}


def _is_known(geometry: Geometry) -> bool:
    """Tell whether the layout of the tiles alone says which detector this is."""
    try:
        return geometry.detector in detectors_named(geometry.detector.name)
    except ValueError:
        return False


def _has_own_groups(geometry: Geometry) -> bool:
    """Tell whether there are groups besides quadrants, modules and the whole."""
    usual = {frozenset(tiles) for tiles in default_groups(geometry.detector).values()}
    usual.add(frozenset(range(geometry.n_tiles)))
    return any(frozenset(tiles) not in usual for tiles in (geometry.groups or {}).values())


def measure(
    geometry: Geometry,
    declared: Declared,
    path: Path,
    write: Callable[[Path], None],
    read: Callable[[Path], Geometry] | None,
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
        Of the format; ``read`` is None if nothing can read it.

    Raises
    ------
    GeometryError
        If the format cannot hold the geometry at all.
    """
    present = contents(geometry)
    lost = present - declared.holds
    with TemporaryDirectory(prefix="geomlib-") as folder, quiet():
        trial = Path(folder) / path.name
        try:
            write(trial)
            back = None if read is None else read(trial)
        except GeometryFileError as problem:
            if problem.path is None or not problem.path.startswith(folder):
                raise
            raise GeometryFileError(
                problem.message, path=path, line=problem.line, key=problem.key
            ) from problem
    if back is None:
        return LossReport(declared.format, None, None, *_sorted(present, lost))
    # Some kinds of files of a format hold these, others do not.
    beam: dict[Content, str] = {"distance": "distance", "photon energy": "photon_energy"}
    for content, attribute in beam.items():
        if getattr(back, attribute) is None and content in present:
            lost.add(content)
        elif getattr(back, attribute) == getattr(geometry, attribute):
            lost.discard(content)
    shift = _shifts(geometry, back, "hexagons" in lost)
    if shift is not None and declared.float32:
        # The tiles found from rounded pixels are better than the pixels that others read.
        half = 0.5 * np.spacing(np.abs(geometry.tile_outlines()).astype(np.float32))
        shift = shift + np.linalg.norm(half, axis=-1).max(axis=1)
    if shift is None or not np.array_equal(
        geometry.detector.tile_bounds, back.detector.tile_bounds
    ):
        lost.add("layout of the data")
    if shift is None:
        # Other tiles than before: nothing says how far a pixel is from where it was.
        return LossReport(declared.format, None, None, *_sorted(present, lost))
    worst = int(shift.argmax())
    tile = geometry.detector.tile_names[worst] if shift[worst] > ROUNDING else None
    return LossReport(declared.format, float(shift[worst]), tile, *_sorted(present, lost))


def _sorted(
    present: set[Content], lost: set[Content]
) -> tuple[tuple[Content, ...], tuple[Content, ...]]:
    """Return what is lost and what is kept, each in the usual order."""
    usual = [content for content in get_args(Content) if content in present | lost]
    return tuple(c for c in usual if c in lost), tuple(c for c in usual if c not in lost)


def _shifts(geometry: Geometry, back: Geometry, without_hexagons: bool) -> FloatArray | None:
    """How far the pixels of each tile are at most from where they were, metres."""
    if geometry.n_tiles != back.n_tiles:
        return None
    if not np.array_equal(geometry.detector.tile_shapes, back.detector.tile_shapes):
        return None
    away = np.linalg.norm(back.tile_outlines() - geometry.tile_outlines(), axis=-1)
    shift: FloatArray = away.max(axis=1)
    if without_hexagons:
        # Odd rows are half a pixel further along fast scan than those of rectangles.
        shift = shift + 0.5 * np.linalg.norm(geometry.tile_fs, axis=1)
    return shift


def refuse(report: LossReport, path: Path) -> None:
    """Raise an error if pixels would move, by more than `LIMIT`.

    Raises
    ------
    GeometryLossError
        It has the report.
    """
    if report.moved <= LIMIT:
        return
    why = "; pixels would be rectangles in straight rows" if "hexagons" in report.lost else ""
    raise GeometryLossError(
        f"{path}: a {report.format!r} file cannot hold this geometry: read back, tiles would be up "
        f"to {1e6 * report.moved:.4g} µm away ({report.tile}){why}; choose another format, or pass "
        "allow_loss=True to write it all the same",
        report,
    )
