"""Step vectors at right angles: the nearest ones, and none that were right already."""

import numpy as np
import pytest

from geomlib.coordinates import Tiles, tile_centres
from geomlib.detectors import example_geometry, generic
from geomlib.formats.orthogonal import MAX_SKEW, orthogonal, orthogonal_tiles


def skewed(angle, pitch=(2e-4, 1e-4)):
    """Steps of one tile, ss turned away from its right angle to fs by some angle in radians."""
    fs = np.array([[pitch[1], 0, 0]])
    ss = pitch[0] * np.array([[np.sin(angle), np.cos(angle), 0]])
    return ss, fs


def test_both_vectors_turn_by_half_the_skew():
    angle = 0.01
    ss, fs = orthogonal(*skewed(angle))
    # By hand: 90° − 0.01 between them, so each turns by 0.005, ss up to y and fs away from it.
    np.testing.assert_allclose(
        ss, [[2e-4 * np.sin(angle / 2), 2e-4 * np.cos(angle / 2), 0]], rtol=0, atol=1e-19
    )
    np.testing.assert_allclose(
        fs, [[1e-4 * np.cos(angle / 2), -1e-4 * np.sin(angle / 2), 0]], rtol=0, atol=1e-19
    )


@pytest.mark.parametrize("angle", [0, 0.5 * MAX_SKEW, -0.5 * MAX_SKEW])
def test_right_angles_stay_to_the_bit(angle):
    ss, fs = skewed(angle)
    new = orthogonal(ss, fs)
    np.testing.assert_array_equal(new[0], ss)
    np.testing.assert_array_equal(new[1], fs)


@pytest.mark.parametrize("angle", [2 * MAX_SKEW, -0.3, 1.2])
def test_skewed_ones_keep_plane_lengths_and_diagonals(angle):
    rng = np.random.default_rng(5)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    ss, fs = (v @ turn for v in skewed(angle))
    new_ss, new_fs = orthogonal(ss, fs)
    assert abs((new_ss * new_fs).sum()) < 1e-15 * 2e-8
    np.testing.assert_allclose(np.linalg.norm(new_ss), 2e-4, rtol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(new_fs), 1e-4, rtol=1e-15)
    diagonal = ss / 2e-4 + fs / 1e-4
    np.testing.assert_allclose(
        np.cross(diagonal, new_ss / 2e-4 + new_fs / 1e-4), 0, rtol=0, atol=1e-14
    )


def test_tiles_keep_their_centres():
    geometry = generic([(0, 0), (0.1, 0.2)], (100, 50), (2e-4, 1e-4))
    ss = geometry.tile_ss.copy()
    ss[1, 0] += 1e-5
    tiles = Tiles(geometry.tile_corners, ss, geometry.tile_fs)
    new = orthogonal_tiles(geometry.detector, tiles)
    np.testing.assert_array_equal(new.corners[0], tiles.corners[0])
    assert np.linalg.norm(new.corners[1] - tiles.corners[1]) > 1e-5
    np.testing.assert_allclose(
        tile_centres(geometry.detector, new),
        tile_centres(geometry.detector, tiles),
        rtol=0,
        atol=1e-16,
    )


def test_a_detector_without_skew_is_untouched():
    geometry = example_geometry("AGIPD-1M").rotate((0.3, -0.2, 1.0))
    for new, old in zip(
        orthogonal_tiles(geometry.detector, geometry.tiles), geometry.tiles, strict=True
    ):
        np.testing.assert_array_equal(new, old)
