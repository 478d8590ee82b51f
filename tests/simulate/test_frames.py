"""Simulated frames: noise, defects, reproducibility."""

import numpy as np
import pytest

from geomlib.detectors import EXAMPLE_NAMES, example_geometry
from geomlib.errors import GeometryError
from geomlib.simulate import (
    Defects,
    Powder,
    choose_defects,
    expected_photons,
    lab6_powder,
    simulate_frames,
)

GEOMETRY = example_geometry("ePix10K").replace(distance=0.1)
PATTERN = Powder((5.0,), (3.0,), background=1.0)


def test_noise_is_that_of_photons():
    mean = expected_photons(GEOMETRY, PATTERN)
    frames = simulate_frames(GEOMETRY, 50, pattern=PATTERN, seed=3).astype(float)
    assert frames.shape == (50, 1, 352, 384)
    # Σ (n - λ) / √λ over 50 frames is normal with variance 50; 6 deviations is never.
    score = (frames.sum(axis=0) - 50 * mean) / np.sqrt(50 * mean)
    assert np.abs(score).max() < 7  # Poisson tails are a little longer
    assert abs(score.mean()) < 6 / np.sqrt(mean.size)
    # The variance of n is its mean: s² / λ has deviation √((2 + 1/λ) / 50) for each pixel.
    ratio = frames.var(axis=0, ddof=1) / mean
    spread = np.sqrt((2 + 1 / mean) / 50)
    assert abs(((ratio - 1) / spread).mean()) < 6 / np.sqrt(mean.size)


def test_the_seed_decides_and_threads_do_not():
    frames = simulate_frames(GEOMETRY, 4, seed=7, threads=1)
    np.testing.assert_array_equal(frames, simulate_frames(GEOMETRY, 4, seed=7, threads=8))
    np.testing.assert_array_equal(frames[:2], simulate_frames(GEOMETRY, 2, seed=7))
    assert (frames != simulate_frames(GEOMETRY, 4, seed=8)).any()
    assert (frames[0] != frames[1]).any()


def test_defects_are_where_they_were_said_to_be():
    geometry = example_geometry("AGIPD-1M").replace(distance=0.5)
    defects = choose_defects(geometry, hot_pixels=50, dead_tiles=2, missing_modules=1, seed=1)
    assert defects.hot_pixels.shape == (50, 3)
    assert len(defects.dead_tiles) == 2
    frames = simulate_frames(geometry, 2, defects=defects, dtype="float32")
    plain = simulate_frames(geometry, 2, dtype="float32")
    (missing,) = defects.missing_modules
    assert np.isnan(frames[:, missing]).all()
    for tile in defects.dead_tiles:
        where = geometry.detector.tile_slice(tile)
        assert where[0] != missing
        assert (frames[0][where] == 0).all()
        assert (plain[0][where] > 0).any()
    dead = np.zeros(geometry.data_shape, dtype=bool)
    dead[missing] = True
    for tile in defects.dead_tiles:
        dead[geometry.detector.tile_slice(tile)] = True
    hot = np.zeros_like(dead)
    hot[tuple(defects.hot_pixels.T)] = True
    assert (frames[0][hot & ~dead] > 4500).all()  # 5000 ± 7 deviations of 71
    assert (frames[0][~hot & ~dead] < 100).all()
    whole = simulate_frames(geometry, 1, defects=defects)
    assert whole.dtype == np.uint16
    assert (whole[:, missing] == 0).all()


def test_defects_depend_on_the_seed_alone():
    first, again = (choose_defects(GEOMETRY, missing_modules=0, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.hot_pixels, again.hot_pixels)
    other = choose_defects(GEOMETRY, missing_modules=0, seed=5)
    assert (first.hot_pixels != other.hot_pixels).any()
    assert len({tuple(p) for p in first.hot_pixels.tolist()}) == 100


# One JUNGFRAU stands for all of them.
@pytest.mark.parametrize("name", [n for n in EXAMPLE_NAMES if n != "JUNGFRAU-4M"])
def test_every_detector_gets_a_pattern_by_itself(name):
    geometry = example_geometry(name)
    frame = simulate_frames(geometry, distance=0.4, photon_energy=9000)
    assert frame.shape == (1, *geometry.data_shape)
    assert frame.mean() > 0.05
    assert frame.max() >= 4


def test_the_pattern_by_default_is_lanthanum_hexaboride_where_it_is_seen():
    geometry = example_geometry("AGIPD-1M").replace(distance=0.125, photon_energy=9300)
    pattern = lab6_powder(geometry, photon_energy=9300)
    np.testing.assert_array_equal(
        simulate_frames(geometry, seed=2), simulate_frames(geometry, seed=2, pattern=pattern)
    )


def test_small_whole_numbers_do_not_overflow():
    bright = Powder((), (1.0,), background=1e4, background_width=1e9)
    frames = simulate_frames(GEOMETRY, pattern=bright, dtype="uint8")
    assert (frames == 255).all()


def test_impossible_requests():
    with pytest.raises(GeometryError, match="n_frames must be a whole number, at least 1, not 0"):
        simulate_frames(GEOMETRY, 0)
    with pytest.raises(GeometryError, match="give distance=…"):
        simulate_frames(example_geometry("pnCCD"))
    with pytest.raises(
        GeometryError, match="missing_modules must be a whole number, from 0 to 1, not 2"
    ):
        choose_defects(GEOMETRY, missing_modules=2)


def test_no_defects_at_all():
    none = Defects(np.empty((0, 3), dtype=np.int64), (), ())
    np.testing.assert_array_equal(
        simulate_frames(GEOMETRY, 1, defects=none), simulate_frames(GEOMETRY, 1)
    )
