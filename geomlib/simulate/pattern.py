"""What a powder pattern puts on each pixel, before noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.detector import FloatArray
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.units import wavelength_from_energy

#: Lattice constant of lanthanum hexaboride, in Å: NIST standard reference material 660c.
LAB6_LATTICE = 4.156826
# h² + k² + l² of its first reflections, and their relative strengths, rounded.
_LAB6_SQUARES = np.array([1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14])
_LAB6_STRENGTH = (0.6, 1.0, 0.45, 0.25, 0.55, 0.3, 0.1, 0.3, 0.25, 0.2, 0.05, 0.15, 0.1)
#: Momentum transfer q = 4π sin θ / λ of the first rings of lanthanum hexaboride, in 1/Å.
LAB6_Q = tuple(float(q) for q in 2 * np.pi * np.sqrt(_LAB6_SQUARES) / LAB6_LATTICE)


@dataclass(frozen=True)
class Powder:
    """Rings on a smooth background.

    The mean number of photons in a pixel at scattering angle t = 2θ is
    ``background / (1 + (t / background_width)²)² + Σ photons · exp(-(t - ring)² / (2 width²))``,
    times the factors for polarisation and solid angle.

    Attributes
    ----------
    ring_two_theta : tuple of float
        Scattering angle of each ring, in degrees.
    ring_photons : tuple of float
        Photons a pixel at the top of each ring; a single one counts for all.
    ring_width : float
        Standard deviation of the rings, in degrees of 2θ.
    background : float
        Photons a pixel in the beam.
    background_width : float
        Where the background has fallen to a quarter, in degrees of 2θ.
    polarisation : float, optional
        Degree of horizontal polarisation, from -1 to 1 (XFELs: 1); None: no such factor.
    solid_angle : bool
        Whether pixels count by their solid angle, 1 for a nominal pixel on the axis.
    """

    ring_two_theta: tuple[float, ...]
    ring_photons: tuple[float, ...] = (5.0,)
    ring_width: float = 0.1
    background: float = 1.0
    background_width: float = 15.0
    polarisation: float | None = None
    solid_angle: bool = False

    def __post_init__(self) -> None:
        if len(self.ring_photons) not in (1, len(self.ring_two_theta)):
            raise GeometryError(
                f"ring_photons must hold one number, or one for each of the "
                f"{len(self.ring_two_theta)} rings, not {len(self.ring_photons)}"
            )
        for name in ("ring_width", "background_width"):
            checks.number(name, getattr(self, name), positive=True)


def ring_two_theta(q: npt.ArrayLike, photon_energy: float) -> FloatArray:
    """Scattering angle of rings at given momentum transfers.

    Parameters
    ----------
    q : array_like of float
        q = 4π sin θ / λ, in 1/Å.
    photon_energy : float
        In eV.

    Returns
    -------
    ndarray
        2θ in degrees; NaN for a q that this energy does not reach.
    """
    sine = np.asarray(q, dtype=np.float64) * 1e10 * wavelength_from_energy(photon_energy)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.rad2deg(2 * np.arcsin(sine / (4 * np.pi))))


def two_theta(geometry: Geometry, distance: float | None = None) -> FloatArray:
    """Scattering angle of the centre of each pixel.

    Parameters
    ----------
    geometry : Geometry
        Where the pixels are.
    distance : float, optional
        From the sample to z = 0, in metres; default: the geometry's.

    Returns
    -------
    ndarray, shape (modules, ss, fs)
        2θ in degrees; NaN for data that belongs to no tile.

    Raises
    ------
    GeometryError
        If no distance is known.
    """
    rays = _rays(geometry, distance)
    return np.asarray(np.rad2deg(np.arctan2(np.hypot(rays[..., 0], rays[..., 1]), rays[..., 2])))


def lab6_powder(
    geometry: Geometry, *, distance: float | None = None, photon_energy: float
) -> Powder:
    """Lanthanum hexaboride, with the rings that fall on the detector.

    The background is small angle scattering; photons are those of a bright single shot.
    """
    angles = two_theta(geometry, distance)
    low, high = float(np.nanmin(angles)), float(np.nanmax(angles))
    rings = ring_two_theta(LAB6_Q, photon_energy)
    inside = (rings >= low) & (rings <= high)
    return Powder(
        tuple(rings[inside].tolist()),
        tuple(8 * s for s, used in zip(_LAB6_STRENGTH, inside, strict=True) if used),
        ring_width=(high - low) / 250,
        background=3.0,
        background_width=0.7 * high,
        polarisation=1.0,
        solid_angle=True,
    )


def even_powder(geometry: Geometry, *, distance: float | None = None, rings: int = 6) -> Powder:
    """Rings spread evenly over the angles that the detector sees."""
    angles = two_theta(geometry, distance)
    edges = np.linspace(float(np.nanmin(angles)), float(np.nanmax(angles)), rings + 1)
    span = float(edges[-1] - edges[0])
    return Powder(
        tuple((0.5 * (edges[1:] + edges[:-1])).tolist()),
        ring_width=span / (25 * rings),
        background_width=float(edges[0] + edges[-1]) / 3,
    )


def expected_photons(
    geometry: Geometry, pattern: Powder, *, distance: float | None = None
) -> FloatArray:
    """Mean number of photons in each pixel, exact at its centre.

    Parameters
    ----------
    geometry : Geometry
        Where the pixels are.
    pattern : Powder
        What is scattered.
    distance : float, optional
        From the sample to z = 0, in metres; default: the geometry's.

    Returns
    -------
    ndarray, shape (modules, ss, fs)
        0 for data that belongs to no tile.

    Raises
    ------
    GeometryError
        If no distance is known.
    """
    rays = _rays(geometry, distance)
    across = np.hypot(rays[..., 0], rays[..., 1])
    angle = np.rad2deg(np.arctan2(across, rays[..., 2]))
    photons = pattern.background / (1 + (angle / pattern.background_width) ** 2) ** 2
    strengths = np.broadcast_to(pattern.ring_photons, len(pattern.ring_two_theta))
    for ring, strength in zip(pattern.ring_two_theta, strengths, strict=True):
        photons += strength * np.exp(-0.5 * ((angle - ring) / pattern.ring_width) ** 2)
    if pattern.polarisation is not None:
        photons *= _polarisation(rays, pattern.polarisation)
    if pattern.solid_angle:
        photons *= _solid_angle(geometry, rays, sample_distance(geometry, distance))
    return np.nan_to_num(photons)


def sample_distance(geometry: Geometry, distance: float | None) -> float:
    """Return the distance given, else the geometry's, checked."""
    value = geometry.distance if distance is None else distance
    if value is None:
        raise GeometryError("the geometry has no distance; give distance=…, in metres")
    return checks.number("distance", value, positive=True)


def _rays(geometry: Geometry, distance: float | None) -> FloatArray:
    """Vectors from the sample to the centre of each pixel, (modules, ss, fs, 3)."""
    rays = geometry.pixel_positions()
    rays[..., 2] += sample_distance(geometry, distance)
    return rays


def _polarisation(rays: FloatArray, degree: float) -> FloatArray:
    """Thomson scattering of partly polarised light: ½ (1 + cos² 2θ - p cos 2φ sin² 2θ)."""
    x, y, z = np.moveaxis(rays**2, -1, 0)
    return np.asarray(0.5 * (1 + (z - degree * (x - y)) / (x + y + z)))


def _solid_angle(geometry: Geometry, rays: FloatArray, distance: float) -> FloatArray:
    """Solid angle of each pixel over that of a nominal pixel on the axis at z = 0."""
    normals = np.cross(geometry.tile_ss, geometry.tile_fs)
    out = np.full(geometry.data_shape, np.nan)
    for tile, normal in enumerate(normals):
        where = geometry.detector.tile_slice(tile)
        out[where] = np.abs(rays[where] @ normal)
    length = np.linalg.norm(rays, axis=-1)
    ss, fs = geometry.detector.pixel_size
    return np.asarray(out / length**3 * distance**2 / (ss * fs))
