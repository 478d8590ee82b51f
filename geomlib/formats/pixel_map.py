"""Pixel maps: where each pixel is, as Cheetah, OM and cfelpyutils have it.

HDF5 files with datasets ``x``, ``y`` and ``z``, each as large as the data with its modules stacked
along slow scan, in pixels or metres. They say neither which unit that is, nor whether a position is
the first corner of its pixel or its centre, nor where tiles begin. Files that geomlib writes do, in
attributes and a note that other programs pass over.
"""

from __future__ import annotations

from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.coordinates import HEXAGON_HEIGHT
from geomlib.detector import Detector, FloatArray
from geomlib.detectors.examples import EXAMPLE_NAMES, example_geometry
from geomlib.detectors.known_layouts import SLABS
from geomlib.errors import GeometryError, GeometryFileError, warn
from geomlib.formats.layout import detector_of_layout, geometry_of_tiles, wanted_detectors
from geomlib.formats.pixel_map_file import AXES, REFERENCES, PixelMap, read_map
from geomlib.formats.pixel_map_tiles import (
    RESIDUAL,
    Fit,
    find_tiles,
    fit_tiles,
    rounding,
    shown_rounding,
)
from geomlib.formats.recognise import StoredTiles
from geomlib.geometry import Geometry
from geomlib.metadata import Source
from geomlib.units import length_unit

#: Maps that reach less far, in x and in y, are in metres: this is how Cheetah tells.
METRES_BELOW = 1.0
#: A ``z`` that is the same everywhere is the distance, in metres, up to this.
_LARGEST_DISTANCE = 100.0
#: Pitches of tiles within this factor of that of their detector are in the same unit.
_SAME_UNIT = 3.0


class _Convention(NamedTuple):
    """What positions mean: the point of a pixel, and metres a unit of (x, y) and of z."""

    reference: str
    scale: FloatArray

    def point(self, hexagonal: bool) -> tuple[float, float]:
        """Where in a pixel its position is, in steps of (ss, fs)."""
        if self.reference == "corner":
            return 0.0, 0.0
        return (HEXAGON_HEIGHT / 2, 0.5) if hexagonal else (0.5, 0.5)


def read_pixel_map(
    path: str | PathLike[str],
    *,
    detector: Detector | str | None = None,
    reference: str | None = None,
    unit: str | float | None = None,
    pixel_size: float | None = None,
) -> Geometry:
    """Read a pixel map: fit a plane grid to the positions of the pixels of each tile.

    Parameters
    ----------
    path : str or path-like
        The file.
    detector : Detector or str, optional
        The detector that has the tiles, or its name; ``"generic"`` to find tiles where the steps
        between pixels change. By default what the file notes (geomlib's do), a detector that is
        known by the size of the map, or tiles that are found.
    reference : {"corner", "centre"}, optional
        The point of a pixel that positions are of. By default what the file notes; without a note
        the first corner, as maps of Cheetah, OM and cfelpyutils have it, but the centre for
        hexagons and where there is a dataset ``res``, as CrystFEL's make_pixelmap writes it.
    unit : str or float, optional
        Of the positions: ``"pixels"``, ``"m"``, ``"mm"`` or ``"um"``; a number is metres a unit. By
        default what the file notes; without a note metres where x and y reach less than 1 far.
    pixel_size : float, optional
        Metres a pixel, for maps in pixels. By default what the file notes, else the pitch of the
        detector.

    Returns
    -------
    Geometry
        Where ``z`` is the same everywhere and positive, it is the `distance` (as cfelpyutils
        writes it), and z of the tiles is 0; otherwise it is z, in the unit of x and y.

    Raises
    ------
    GeometryFileError
        If the file is damaged or no pixel map, the positions are not made of plane grids to within
        the rounding of float32 (or of the decimals that they show), or belong to a detector that
        is not known: it asks for what is missing.
    GeometryError
        If an option is not as described.

    Warns
    -----
    GeometryWarning
        Of what the file does not say and is taken for granted: a reference is half a pixel.
    """
    file = checks.path("path", path)
    check_options(reference, unit, pixel_size)
    # Without choices: none is asked for, or "generic".
    choices = wanted_detectors(detector)
    wanted: Detector | str | None = choices[0] if choices else detector
    stored = _without_distance(read_map(file))
    if wanted is None and stored.layout is not None:
        wanted = detector_of_layout(stored.layout)
        if wanted is None or wanted.stacked_shape != stored.shape:
            warn(f"{file}: its note on the layout of the data does not fit, and is not used")
            wanted = None
    try:
        scale = _scale(stored, wanted, unit, pixel_size, file)
        geometry = _geometry(stored, wanted, reference, scale, file)
    except GeometryFileError:
        raise
    except GeometryError as problem:
        raise GeometryFileError(str(problem), path=file) from problem
    return geometry.replace(distance=stored.distance, photon_energy=stored.photon_energy)


# -- Options ----------------------------------------------------------------------------------


def check_options(reference: object, unit: object, pixel_size: object) -> None:
    """Check what is given for the meaning of positions; None is for what is not given.

    Raises
    ------
    GeometryError
        If it is none of what is expected.
    """
    if reference is not None and reference not in REFERENCES:
        raise GeometryError(f"reference must be 'corner' or 'centre', not {reference!r}")
    if unit is not None:
        length_unit("unit", unit)
    if pixel_size is not None:
        checks.number("pixel_size", pixel_size, positive=True)


# -- What the numbers mean --------------------------------------------------------------------


def _scale(
    stored: PixelMap,
    wanted: Detector | str | None,
    unit: str | float | None,
    pixel_size: float | None,
    path: Path,
) -> FloatArray:
    """Metres a unit of x, y and z."""
    said = stored.unit if unit is None else unit
    if said is None:
        said = "metres" if (stored.extent[:2] < METRES_BELOW).all() else "pixels"
    length = length_unit("unit", said)
    if length is None:
        length = _pixel(stored, wanted, pixel_size, path)
    scale = np.full(3, length)
    extent = stored.extent
    if stored.is_foreign and extent[2] > extent[:2].max():
        # psgeom takes z of such maps for µm.
        warn(f"{path}: z reaches further than x and y; it is taken to be in µm")
        scale[2] = 1e-6
    return scale


def _pixel(
    stored: PixelMap, wanted: Detector | str | None, pixel_size: float | None, path: Path
) -> float:
    """Size of the pixel that is the unit of a map."""
    if pixel_size is not None:
        return pixel_size
    if stored.pixel_size is not None:
        return stored.pixel_size
    if stored.res is not None:
        return 1.0 / stored.res
    if isinstance(wanted, Detector):
        return wanted.pixel_size[1]
    pitches = {detector.pixel_size[1] for detector in _of_shape(stored.shape)}
    pitches |= {slab.pitch for slab in SLABS if slab.shape == stored.shape}
    if len(pitches) == 1:
        pitch = pitches.pop()
        warn(
            f"{path}: is in pixels and does not say how large they are; taken as "
            f"{1e6 * pitch:g} µm, as in detectors of {stored.shape} pixels; pass pixel_size= or "
            "detector="
        )
        return pitch
    raise GeometryFileError(
        f"is in pixels and does not say how large they are, and its {stored.shape} pixels are of "
        "no detector that is known; pass pixel_size=, in metres, or detector=",
        path=path,
    )


def _of_shape(shape: tuple[int, int]) -> list[Detector]:
    known = (example_geometry(name).detector for name in EXAMPLE_NAMES)
    return [detector for detector in known if detector.stacked_shape == shape]


def _convention(
    stored: PixelMap, reference: str | None, scale: FloatArray, hexagonal: bool, path: Path
) -> _Convention:
    """Decide on the point of a pixel that positions are of, and warn if nothing says it."""
    if reference is not None or stored.reference is not None:
        return _Convention(reference or stored.reference or "", scale)
    if hexagonal:
        taken, why = "centre", "as for hexagons"
    elif stored.res is not None:
        taken, why = "centre", "as CrystFEL's make_pixelmap, which writes 'res', has it"
    else:
        taken, why = "corner", "as Cheetah, OM and cfelpyutils have it"
    warn(
        f"{path}: does not say whether positions are those of the corner or the centre of a pixel; "
        f"taken as {taken}, {why}; pass reference='corner' or 'centre'"
    )
    return _Convention(taken, scale)


# -- Tiles ------------------------------------------------------------------------------------


def _geometry(
    stored: PixelMap,
    wanted: Detector | str | None,
    reference: str | None,
    scale: FloatArray,
    path: Path,
) -> Geometry:
    if isinstance(wanted, Detector):
        return _of_known(wanted, _fit_known(stored, wanted, reference, scale, path), path)
    choices = _of_shape(stored.shape) if wanted is None else []
    if len(choices) == 1:
        convention = _convention(stored, reference, scale, _is_hexagonal(choices[0]), path)
        try:
            fit = _fit_known(stored, choices[0], convention.reference, scale, path)
        except GeometryError:
            if _is_hexagonal(choices[0]):
                raise
        else:
            return _of_known(choices[0], fit, path)
        reference = convention.reference
    convention = _convention(stored, reference, scale, False, path)
    return _found(stored, wanted, convention, path)


def _without_distance(stored: PixelMap) -> PixelMap:
    """Take the distance out of z, where it is what stands there."""
    x, y, z = stored.positions
    distance = float(np.nanmax(z))
    if not (stored.is_foreign and 0 < distance < _LARGEST_DISTANCE):
        return stored
    # Data of no tile has zeros in all three.
    unused = (x == 0) & (y == 0) & (z == 0)
    if not ((z == distance) | unused).all():
        return stored
    return stored._replace(positions=(x, y, np.zeros_like(z)), distance=distance)


def _is_hexagonal(detector: Detector) -> bool:
    return detector.pixel_shape == "hexagon"


def _fit_known(
    stored: PixelMap,
    detector: Detector,
    reference: str | None,
    scale: FloatArray,
    path: Path,
) -> Fit:
    """Fit the tiles of a detector, in metres."""
    if detector.stacked_shape != stored.shape:
        raise GeometryFileError(
            f"is a map of {stored.shape} pixels; {detector.name} has {detector.stacked_shape}, "
            "with its modules stacked along slow scan",
            path=path,
        )
    hexagonal = _is_hexagonal(detector)
    convention = _convention(stored, reference, scale, hexagonal, path)
    bounds = detector.stacked_bounds
    fit = fit_tiles(stored.positions, bounds, convention.point(hexagonal), hexagonal)
    _check_fit(fit, stored.positions, detector.tile_names, path)
    fit = _in_metres(fit, scale)
    steps = np.stack([np.linalg.norm(v, axis=1) for v in (fit.ss, fit.fs)], axis=1)
    # Tiles of a mixed detector may all differ from its nominal pitch; units differ by much more.
    near = np.abs(np.log(steps / np.array(detector.pixel_size))) < np.log(_SAME_UNIT)
    if not near.all(axis=1).any():
        ss, fs = 1e6 * np.median(steps, axis=0)
        raise GeometryFileError(
            f"its pixels are {ss:.4g} × {fs:.4g} µm, those of {detector.name} "
            f"{1e6 * detector.pixel_size[0]:.4g} × {1e6 * detector.pixel_size[1]:.4g} µm; is the "
            "unit right? Pass unit= or pixel_size=",
            path=path,
        )
    return fit


def _check_fit(
    fit: Fit, positions: tuple[npt.NDArray[Any], ...], names: tuple[str, ...], path: Path
) -> None:
    """Refuse positions that are on no plane grids, to within the rounding that they show."""
    exact = rounding(positions)
    if fit.misfit(RESIDUAL * exact) is None:
        return
    shown = shown_rounding(positions, exact)
    with np.errstate(invalid="ignore"):
        step = float(np.nanmedian(np.linalg.norm(fit.fs, axis=1)))
    limit = np.minimum(RESIDUAL * shown, step) + RESIDUAL * exact
    worst = fit.misfit(limit)
    if worst is None:
        warn(
            f"{path}: its positions are rounded, to {2 * shown.max():.3g} in the unit of the "
            "map; tiles are hardly better known"
        )
        return
    residual = fit.residuals[worst]
    if not np.isfinite(residual).all():
        problem = "has positions that are not finite"
    else:
        axis = int((residual / limit).argmax())
        problem = (
            f"is no plane grid of pixels: {AXES[axis]} is up to {residual[axis]:.3g} off, "
            f"expected {limit[axis]:.2g} at most, in the unit of the map"
        )
    raise GeometryFileError(
        f"tile {names[worst]} {problem}; is this the right detector=?", path=path
    )


def _in_metres(fit: Fit, scale: FloatArray) -> Fit:
    return Fit(*(part * scale for part in fit))


def _of_known(detector: Detector, fit: Fit, path: Path) -> Geometry:
    source = Source(fspath(path), "pixelmap")
    return Geometry(detector, fit.corners, fit.ss, fit.fs, source=source)


def _found(
    stored: PixelMap,
    wanted: Detector | str | None,
    convention: _Convention,
    path: Path,
) -> Geometry:
    """Geometry of the tiles that are found in a map."""
    positions = stored.positions
    try:
        bounds = find_tiles(positions, rounding(positions))
        fit = fit_tiles(positions, bounds, convention.point(False))
    except GeometryError as problem:
        raise GeometryFileError(
            f"found no tiles: {problem}; pass detector=, a detector or its name",
            path=path,
        ) from problem
    names = tuple(f"p{number}" for number in range(len(bounds)))
    _check_fit(fit, positions, names, path)
    fit = _in_metres(fit, convention.scale)
    tiles = StoredTiles(
        names, np.zeros(len(bounds), dtype=np.int64), False, bounds, fit.corners, fit.ss, fit.fs
    )
    geometry = geometry_of_tiles(
        tiles,
        path=fspath(path),
        format="pixelmap",
        detector=wanted,
    )
    return _with_round_pitch(geometry)


def _with_round_pitch(geometry: Geometry) -> Geometry:
    """Take the noise of float32 off the pitch of a detector that is not known by name."""
    ss, fs = (round(pitch, 8) for pitch in geometry.detector.pixel_size)
    pairs = zip((ss, fs), geometry.detector.pixel_size, strict=True)
    if all(abs(nice - pitch) < 1e-4 * pitch for nice, pitch in pairs):
        return geometry.replace(detector=replace(geometry.detector, pixel_size=(ss, fs)))
    return geometry
