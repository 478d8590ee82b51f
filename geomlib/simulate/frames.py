"""Frames as a detector would deliver them, with defects that are known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.detector import FloatArray, IntArray, tile_map
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.simulate.pattern import Powder, even_powder, expected_photons, lab6_powder
from geomlib.threads import check_threads, run_pieces

#: Mean count of a hot pixel, in photons.
HOT_PHOTONS = 5000.0


class Defects(NamedTuple):
    """What is wrong with a simulated detector.

    Attributes
    ----------
    hot_pixels : ndarray of int, shape (n, 3)
        Module, ss and fs of pixels that count `HOT_PHOTONS` whatever falls on them.
    dead_tiles : tuple of int
        Tiles that always give 0.
    missing_modules : tuple of int
        Modules that deliver nothing: NaN in floating frames, 0 in integer ones.
    """

    hot_pixels: IntArray
    dead_tiles: tuple[int, ...]
    missing_modules: tuple[int, ...]


def choose_defects(
    geometry: Geometry,
    *,
    hot_pixels: int = 100,
    dead_tiles: int = 1,
    missing_modules: int = 1,
    seed: int = 0,
) -> Defects:
    """Choose defects at random.

    Parameters
    ----------
    geometry : Geometry
        The detector.
    hot_pixels, dead_tiles, missing_modules : int
        How many of each. Dead tiles are chosen outside missing modules.
    seed : int
        The same seed gives the same choice.

    Returns
    -------
    Defects

    Raises
    ------
    GeometryError
        If there are not so many modules, tiles or pixels.
    """
    rng = np.random.default_rng([checks.integer("seed", seed, 0), 1])
    detector = geometry.detector
    modules = _sample(rng, np.arange(detector.n_modules), missing_modules, "missing_modules")
    left = np.flatnonzero(~np.isin(detector.tile_modules, modules))
    tiles = _sample(rng, left, dead_tiles, "dead_tiles")
    pixels = _sample(rng, np.flatnonzero(tile_map(detector) >= 0), hot_pixels, "hot_pixels")
    return Defects(
        np.stack(np.unravel_index(pixels, detector.data_shape), axis=1).astype(np.int64),
        tuple(tiles.tolist()),
        tuple(modules.tolist()),
    )


def _sample(rng: np.random.Generator, among: IntArray, number: int, name: str) -> IntArray:
    number = checks.integer(name, number, 0, len(among))
    return np.sort(rng.choice(among, number, replace=False))


def simulate_frames(
    geometry: Geometry,
    n_frames: int = 1,
    *,
    distance: float | None = None,
    photon_energy: float | None = None,
    seed: int = 0,
    pattern: Powder | None = None,
    defects: Defects | None = None,
    dtype: npt.DTypeLike = np.uint16,
    threads: int | None = None,
) -> npt.NDArray[Any]:
    """Simulate frames of a powder pattern with photon noise.

    Parameters
    ----------
    geometry : Geometry
        Any detector.
    n_frames : int
        How many.
    distance : float, optional
        From the sample to z = 0, in metres; default: the geometry's.
    photon_energy : float, optional
        In eV; default: the geometry's. Without a pattern it decides where the rings are.
    seed : int
        The same seed gives the same frames, on any number of threads; frame k is the same in a
        longer series.
    pattern : Powder, optional
        Default: lanthanum hexaboride if at least two of its rings fall on the detector; else, or
        where the photon energy is not known, rings spread evenly over it.
    defects : Defects, optional
        Default: none.
    dtype : dtype
        Photons as whole numbers (``uint16``) or floating ones (``float32``).
    threads : int, optional
        Default: as many as this process may use.

    Returns
    -------
    ndarray, shape (n_frames, modules, ss, fs)
        Photons; in data that belongs to no tile 0.

    Raises
    ------
    GeometryError
        If no distance is known or a number is impossible.
    """
    n_frames = checks.integer("n_frames", n_frames, 1)
    kind = _frame_dtype(dtype)
    if pattern is None:
        pattern = default_pattern(geometry, distance=distance, photon_energy=photon_energy)
    mean = expected_photons(geometry, pattern, distance=distance)
    out = np.empty((n_frames, *geometry.data_shape), dtype=kind)
    if defects is not None:
        _add_defects(geometry, defects, mean)
    seeds = np.random.SeedSequence(checks.integer("seed", seed, 0)).spawn(n_frames)

    def draw(frame: int) -> Callable[[], None]:
        return lambda: _draw(mean, seeds[frame], out[frame])

    run_pieces([draw(frame) for frame in range(n_frames)], check_threads(threads))
    if defects is not None and out.dtype.kind == "f":
        out[:, list(defects.missing_modules)] = np.nan
    return out


def _frame_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind.kind not in "iuf":
        raise GeometryError(
            f"dtype must be of integers or floating numbers, not {checks.shown(dtype)}"
        )
    return kind


def default_pattern(
    geometry: Geometry, *, distance: float | None = None, photon_energy: float | None = None
) -> Powder:
    """Return the pattern that `simulate_frames` takes when it is given none."""
    energy = geometry.photon_energy if photon_energy is None else photon_energy
    if energy is not None:
        energy = checks.number("photon_energy", energy, positive=True)
        pattern = lab6_powder(geometry, distance=distance, photon_energy=energy)
        if len(pattern.ring_two_theta) >= 2:
            return pattern
    return even_powder(geometry, distance=distance)


def _add_defects(geometry: Geometry, defects: Defects, mean: FloatArray) -> None:
    mean[tuple(np.transpose(defects.hot_pixels))] = HOT_PHOTONS
    for tile in defects.dead_tiles:
        mean[geometry.detector.tile_slice(tile)] = 0
    mean[list(defects.missing_modules)] = 0


def _draw(mean: FloatArray, seed: np.random.SeedSequence, out: npt.NDArray[Any]) -> None:
    photons = np.random.default_rng(seed).poisson(mean)
    if out.dtype.kind in "ui":
        np.minimum(photons, np.iinfo(out.dtype).max, out=photons)
    out[...] = photons
