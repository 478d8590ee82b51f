"""Geometries that other programs are asked about: every kind of detector, tilted, off the plane."""

import numpy as np

from geomlib.detector import Detector
from geomlib.detectors import example_geometry
from geomlib.geometry import Geometry
from geomlib.metadata import BadRegion

DISTANCE, ENERGY = 0.2345, 9300.0
#: Names of all of them.
NAMES = ("AGIPD-1M", "LPD-1M", "JUNGFRAU-4M", "ePix100", "ePix10K", "pnCCD", "mixed")


def geometry(name, *, bad_regions=True):
    """A geometry whose modules are turned by about half a degree and moved by about 0.2 mm."""
    flat = mixed_pitches() if name == "mixed" else example_geometry(name)
    rng = np.random.default_rng(11)
    moved = flat.rotate(rng.normal(0, 0.4, (flat.n_modules, 3)))
    moved = moved.offset(rng.normal(0, 2e-4, (flat.n_modules, 3)))
    regions = [BadRegion("bad_block", tile=1, **inside(flat.detector, 1))] if bad_regions else []
    return moved.replace(distance=DISTANCE, photon_energy=ENERGY, bad_regions=regions)


def inside(detector, tile):
    """Rows and columns of a block of 3 × 5 pixels in a tile."""
    _, ss, _, fs, _ = detector.tile_bounds[tile].tolist()
    return {"ss": (ss + 2, ss + 5), "fs": (fs + 4, fs + 9)}


def mixed_pitches():
    """Two modules of tiles of several sizes and pitches, pixels that are not square among them."""
    bounds = [(0, 0, 40, 0, 30), (0, 0, 40, 30, 50), (0, 40, 60, 0, 50), (1, 5, 55, 2, 48)]
    names = ("left", "right", "top row", "other/one")
    detector = Detector("two-pitches", (2, 60, 50), bounds, (100e-6, 75e-6), tile_names=names)
    ss = np.array([(0, 100e-6, 0), (0, 100e-6, 0), (0, 236e-6, 0), (50e-6, 0, 0)])
    fs = np.array([(75e-6, 0, 0), (150e-6, 0, 0), (75e-6, 0, 0), (0, -50e-6, 0)])
    corners = np.array([(1e-3, 1e-3, 0), (4e-3, 1e-3, 0), (1e-3, 6e-3, 1e-3), (-9e-3, 2e-3, 0)])
    return Geometry(detector, corners, ss, fs)
