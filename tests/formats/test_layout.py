"""The note on the layout of the data brings any detector back, and is never trusted."""

import json
from dataclasses import replace

import numpy as np
import pytest

import geomlib
from geomlib.detectors import EXAMPLE_NAMES
from geomlib.errors import GeometryFileError, GeometryWarning, quiet
from geomlib.formats.layout import detector_of_layout, geometry_of_tiles, layout_text
from geomlib.formats.recognise import StoredTiles
from tests.shared import SHARED_DATA, needs_shared_data


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_known_detectors_are_a_name(name):
    detector = geomlib.example_geometry(name).detector
    assert json.loads(layout_text(detector)) == {"detector": name}
    assert detector_of_layout(layout_text(detector)) == detector


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_others_are_described(name):
    detector = replace(geomlib.example_geometry(name).detector, name="mine — µ")
    found = detector_of_layout(layout_text(detector))
    # All of it: quadrants, motors, wide borders, the cut-out, hexagons.
    assert found == detector
    assert "\n" not in layout_text(detector)


@needs_shared_data
def test_detectors_of_real_files():
    count = 0
    for path in sorted((SHARED_DATA / "crystfel").glob("*.geom")):
        with quiet():
            try:
                detector = geomlib.read_geometry(path).detector
            except GeometryFileError:
                continue
        assert detector_of_layout(layout_text(detector)) == detector
        count += 1
    assert count > 100


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "{}",
        '{"detector": 3}',
        '{"detector": "none"}',
        '{"detector": "AGIPD-1M", "data_shape": [1, 2, 3]}',
        '{"detector": "a", "data_shape": [1, 4, 4], "tile_bounds": [[0, 0, 9, 0, 4]], '
        '"pixel_size": [1e-4, 1e-4], "module_names": [], "tile_names": []}',
        "[" * 100_000,
    ],
)
def test_damaged_notes(text):
    assert detector_of_layout(text) is None


def stored(sizes):
    n = len(sizes)
    bounds = np.array([(0, ss, 0, fs) for ss, fs in sizes])
    corners, ss, fs = np.zeros((3, n, 3))
    corners[:, 0] = np.arange(n) * 0.1
    ss[:, 1] = fs[:, 0] = 2e-4
    return StoredTiles(
        tuple(f"t{i}" for i in range(n)), np.arange(n), True, bounds, corners, ss, fs
    )


def test_a_note_that_does_not_fit_is_passed_over():
    note = layout_text(geomlib.example_geometry("AGIPD-1M").detector)
    with pytest.warns(GeometryWarning, match=r"a\.x: its note on the layout .* does not fit"):
        geom = geometry_of_tiles(stored([(8, 9)] * 3), path="a.x", format="x", layout=note)
    assert geom.data_shape == (3, 8, 9)
    assert geom.source == ("a.x", "x", None)


def test_tiles_in_the_order_of_a_detector():
    # A file that says nothing of the data: 128 tiles, each of 64 × 128 pixels.
    tiles = stored([(64, 128)] * 128)
    geom = geometry_of_tiles(tiles, path="a.x", format="x", detector="AGIPD-1M")
    assert geom.detector == geomlib.example_geometry("AGIPD-1M").detector
    np.testing.assert_array_equal(geom.tile_corners, tiles.corners)
    generic = geometry_of_tiles(tiles, path="a.x", format="x", detector="generic")
    assert generic.data_shape == (128, 64, 128)
    with pytest.raises(GeometryFileError, match=r"a\.x: detector='LPD-1M' does not fit the file"):
        geometry_of_tiles(tiles, path="a.x", format="x", detector="LPD-1M")
