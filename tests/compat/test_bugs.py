"""Where EXtra-geom is wrong: what it does, and what is right."""

import extra_geom as original
import numpy as np
import pytest

from geomlib.compat import extra_geom as replacement
from tests.compat.examples import QUADS_AGIPD
from tests.compat.test_values import ATTRIBUTES, assert_same, both, frames, vectors


def test_a_unit_scales_no_pixels():
    old, new = (
        p.AGIPD_1MGeometry.from_quad_positions(
            np.array(QUADS_AGIPD) * 0.2, asic_gap=0.4, panel_gap=5.8, unit=1e-3
        )
        for p in (original, replacement)
    )
    assert np.linalg.norm(old.modules[0][0].ss_vec) == pytest.approx(1e-3)
    in_pixels = replacement.AGIPD_1MGeometry.from_quad_positions(QUADS_AGIPD)
    # 0.2 × 1e-3 is not exactly 2e-4.
    np.testing.assert_allclose(vectors(new), vectors(in_pixels), rtol=0, atol=1e-15)


def test_a_unit_places_flipped_jungfrau_modules():
    old, new = (
        p.JUNGFRAUGeometry.from_module_positions(
            [(7.5, 3.75)], [(-1, -1)], asic_gap=0.15, unit=1e-3
        )
        for p in (original, replacement)
    )
    in_pixels = replacement.JUNGFRAUGeometry.from_module_positions([(100, 50)], [(-1, -1)])
    np.testing.assert_allclose(vectors(new), vectors(in_pixels), rtol=0, atol=1e-15)
    assert np.abs(vectors(old) - vectors(in_pixels)).max() > 0.5


def test_the_usual_gap_of_epix_does_not_depend_on_the_unit():
    old, new = (p.Epix100Geometry.from_origin(unit=1e-3) for p in (original, replacement))
    usual = replacement.Epix100Geometry.from_origin()
    np.testing.assert_array_equal(vectors(new), vectors(usual))
    assert np.abs(vectors(old) - vectors(usual)).max() > 2e-3


def test_generic_geometries_stay_whole_when_they_move():
    old, new = both("generic")
    assert old.offset((1e-3, 0)).expected_data_shape == (0, 0, 0)
    moved = new.offset((1e-3, 0))
    for attribute in ATTRIBUTES:
        assert getattr(moved, attribute, None) == getattr(new, attribute, None)
    data = frames(new)
    assert_same(moved.position_modules(data)[0].shape, new.position_modules(data)[0].shape)


def test_a_gap_of_nothing_is_a_gap():
    numbers = {
        "pixel_size": 1e-4, "slow_pixels": 40, "fast_pixels": 30, "n_tiles_per_module": 2,
    }  # fmt: skip
    old, new = (
        p.GenericGeometry.from_simple_description(**numbers, tile_gap=0)
        for p in (original, replacement)
    )
    assert old.modules[0][1].corner_pos[0] == pytest.approx(41e-4)
    assert new.modules[0][1].corner_pos[0] == pytest.approx(40e-4)
    across = np.array([0.0, 1, 0])
    with pytest.raises(ValueError, match="ambiguous"):
        original.GenericGeometry.from_simple_description(**numbers, tile_vec=across)
    wide = replacement.GenericGeometry.from_simple_description(**numbers, tile_vec=across)
    assert wide.expected_data_shape == (1, 40, 60)


def test_what_was_changed_in_place_shows_in_images():
    old, new = both("AGIPD-500K")
    data = frames(old)
    for geom in (old, new):
        before = geom.position_modules(data)[0]
        geom.modules[0][0] = geom.modules[0][0].offset((0, 2e-3, 0))
        geom.modules[1][0].corner_pos[1] += 2e-3
        after = geom.position_modules(data)[0]
        assert (after.shape == before.shape) == (geom is old)
    fresh = type(old)(old.modules)
    assert_same(new.position_modules(data)[0], fresh.position_modules(data)[0])
    assert_same(new.get_pixel_positions(), old.get_pixel_positions())
