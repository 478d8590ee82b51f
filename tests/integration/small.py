"""Small detectors and frames for tests of integration."""

import numpy as np

import geomlib
from geomlib import Detector, Geometry

DISTANCE, ENERGY = 0.15, 9000.0


def placed(name):
    """An example, turned, moved, and with a distance and a photon energy."""
    geometry = geomlib.example_geometry(name).rotate((0.4, -0.3, 0.6)).offset((2e-3, 1e-3, 3e-3))
    return geometry.replace(distance=DISTANCE, photon_energy=ENERGY)


def small_geometry():
    """Two modules of two tiles each around the beam, tilted, with pixels that no tile uses."""
    bounds = [(0, 0, 20, 0, 15), (0, 0, 20, 17, 32), (1, 0, 20, 0, 15), (1, 0, 20, 17, 32)]
    detector = Detector("small", (2, 20, 32), np.array(bounds), (1e-3, 1e-3))
    corners = np.array([[-16, 1, 0], [1, 1, 0.5], [-16, -21, 0], [1, -21, -0.5]]) * 1e-3
    ss = np.array([[0, 1, 0.02], [0, 1, 0], [0, 1, 0], [0, 1, -0.01]]) * 1e-3
    fs = np.array([[1, 0, 0], [1, 0.01, 0], [1, 0, 0.03], [1, 0, 0]]) * 1e-3
    return Geometry(detector, corners, ss, fs, distance=DISTANCE, photon_energy=ENERGY)


def small_hexagons():
    """One tile of hexagons beside the beam."""
    pitch = 1e-3
    row = pitch * 1.5 / np.sqrt(3)
    detector = Detector(
        "hexagons", (1, 16, 20), np.array([(0, 0, 16, 0, 20)]), (row, pitch), pixel_shape="hexagon"
    )
    return Geometry(
        detector,
        np.array([[-4e-3, -6e-3, 0]]),
        np.array([[0, row, 0]]),
        np.array([[pitch, 0, 0]]),
        distance=DISTANCE,
        photon_energy=ENERGY,
    )


def counts(geometry, frames, dtype="f4", seed=0):
    """Frames of counts."""
    shape = (frames, *geometry.data_shape)
    return np.random.default_rng(seed).poisson(30, shape).astype(dtype)


def same(one, other):
    """Whether two patterns hold the same bytes."""
    pairs = [(one.intensity, other.intensity), (one.count, other.count)]
    if one.sigma is not None:
        pairs.append((one.sigma, other.sigma))
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)
