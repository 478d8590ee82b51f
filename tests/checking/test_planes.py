"""Tiles and modules tilted out of the plane of the others; whole detectors may be."""

import numpy as np
import pytest

from geomlib import check_geometry, detectors, example_geometry
from geomlib.checking.planes import TILT_LIMIT
from geomlib.detectors import EXAMPLE_NAMES

ACROSS = ("AGIPD-1M", "AGIPD-500K", "LPD-1M", "DSSC-1M")
#: About y, about x, and from behind.
ANGLES = [(0, 20, 0), (0, 90, 0), (90, 0, 0), (0, 120, 0)]
TILTED = {"tilted-tiles", "tilted-modules"}


def found(geometry):
    """Severity and tiles of each finding."""
    report = check_geometry(geometry.replace(distance=0.2, photon_energy=9300.0))
    return {f.code: (f.severity, f.tiles) for f in report}


def tiles_of(geometry, module):
    return tuple(geometry.detector.tile_names[t] for t in geometry.detector.tiles_of(module))


def with_module(name, module, angles):
    """Turn a module about its centre."""
    geometry = example_geometry(name)
    return geometry.rotate(angles, modules=[module], centre=geometry.module_centres[module])


@pytest.mark.parametrize("angles", ANGLES)
@pytest.mark.parametrize("name", ACROSS)
def test_a_tilted_module(name, angles):
    geometry = with_module(name, 5, angles)
    assert found(geometry) == {"tilted-modules": ("error", tiles_of(geometry, 5))}


@pytest.mark.parametrize("angles", ANGLES)
@pytest.mark.parametrize("name", [*ACROSS, "JUNGFRAU-4M", "ePix100", "ePix10K", "LPD-Mini"])
def test_a_tilted_tile(name, angles):
    geometry = example_geometry(name)
    module = geometry.n_modules // 2
    tile = geometry.detector.tiles_of(module)[0]
    tilted = geometry.rotate(
        angles, modules=[module], tiles=[0], centre=geometry.tile_centres[tile]
    )
    assert found(tilted) == {"tilted-tiles": ("error", (geometry.detector.tile_names[tile],))}


@pytest.mark.parametrize("angles", ANGLES)
def test_free_modules(angles):
    """One of many is doubtful; of two nobody knows which is right."""
    geometry = with_module("JUNGFRAU-4M", 2, angles)
    assert found(geometry) == {"tilted-modules": ("warning", tiles_of(geometry, 2))}
    pair = with_module("JUNGFRAU-1M", 1, angles)
    assert found(pair)["tilted-modules"][0] == "note"


def test_detectors_that_are_not_known():
    tiles = detectors.generic([(0.02 * i, 0, 0) for i in range(6)], (100, 100), 150e-6)
    tilted = tiles.rotate((0, 20, 0), modules=[4], centre=tiles.tile_centres[4])
    name = tiles.detector.tile_names[4]
    assert found(tilted) == {"tilted-tiles": ("warning", (name,))}


def test_the_message_says_how_far():
    (finding,) = check_geometry(
        with_module("AGIPD-1M", 5, (0, 20, 0)).replace(distance=0.2, photon_energy=9300.0)
    )
    said = "1 module is tilted by 20° out of the plane of the others: Q2M2"
    assert finding.message == said


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_refined_tilts_are_clean(name):
    geometry = example_geometry(name)
    limit = TILT_LIMIT / 2  # two modules may be tilted in opposite directions
    for module in range(geometry.n_modules):
        angle = (0.9 * limit * (-1) ** module, 0, 0)
        centre = geometry.module_centres[module]
        geometry = geometry.rotate(angle, modules=[module], centre=centre)
    assert found(geometry.rotate((9, -6, 2))) == {}


def test_a_whole_detector_may_stand_on_an_arm():
    assert found(example_geometry("JUNGFRAU-4M").rotate((0, 25, 0))) == {}
    geometry = example_geometry("ePix100").rotate((0, 70, 0))
    assert found(geometry) == {"tilted-detector": ("note", ())}


def test_a_barrel():
    """24 rows around the sample from -100° to 100°: beyond 90° nothing is mirrored."""
    angles = np.radians(np.linspace(-100, 100, 24))
    zero, pitch, radius = 0 * angles, 172e-6, 0.25
    fs = np.tile([pitch, 0, 0], (24, 1))
    ss = pitch * np.column_stack([zero, np.cos(angles), -np.sin(angles)])
    centres = radius * np.column_stack([zero, np.sin(angles), np.cos(angles) - 1])
    barrel = detectors.generic(np.zeros((24, 3)), (100, 1000), pitch).replace(
        tile_fs=fs, tile_ss=ss, tile_corners=centres - 500 * fs - 50 * ss
    )
    wrong = found(barrel)
    assert wrong["tilted-tiles"] == ("note", ())
    assert all(severity == "note" for severity, _ in wrong.values())
    assert "mirrored-tiles" not in wrong
    assert "tilted-detector" not in wrong


def test_a_mirrored_tile_beside_a_tilted_one():
    tiles = detectors.generic([(0.02 * i, 0, 0) for i in range(6)], (100, 100), 150e-6)
    tilted = tiles.rotate((0, 120, 0), modules=[4], centre=tiles.tile_centres[4])
    fs = tilted.tile_fs.copy()
    fs[1] *= -1
    corners = tilted.tile_corners.copy()
    corners[1] -= 100 * fs[1]
    wrong = found(tilted.replace(tile_fs=fs, tile_corners=corners))
    names = tiles.detector.tile_names
    assert wrong["tilted-tiles"] == ("warning", (names[4],))
    assert wrong["mirrored-tiles"] == ("error", (names[1],))
