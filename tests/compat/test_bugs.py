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


def test_pixels_that_count_nothing_are_no_gaps():
    old, new = both("AGIPD-500K")
    data = np.zeros(old.expected_data_shape, "f4")
    data[:, 100:200] = 1
    (image, _), (mine, _) = (g.position_modules_interpolate(data) for g in (old, new))
    ones, _ = new.position_modules_interpolate(np.ones_like(data))
    np.testing.assert_array_equal(np.isnan(mine), np.isnan(ones))
    counts = mine == 0
    assert counts.sum() > mine.size / 2
    # But for the rows next to those that count, into which pyFAI's rounding spills.
    missing = np.isnan(image[: len(mine)])
    beside = counts & (np.roll(mine > 0, 1, axis=1) | np.roll(mine > 0, -1, axis=1))
    assert missing[counts & ~beside].all()
    # pyFAI's own image, which `resize=False` is, has none but the window of the detector's shape.
    assert np.isnan(new.position_modules_interpolate(data, resize=False)[0]).any()


def test_pixels_of_turned_tiles_are_shared_out_exactly():
    """By pyFAI, slivers at corners fall to the pixel that has most: 1.4 % of the counts."""
    old, new = (g.rotate((0, 0, 3.3)) for g in both("AGIPD-500K"))
    pixel = (1, 178, 102)
    data = np.zeros(old.expected_data_shape, "f4")
    data[pixel] = 100
    (theirs, _), (mine, _) = (g.position_modules_interpolate(data) for g in (old, new))
    first, along_ss, _, along_fs = new.geometry.pixel_corners()[pixel][:, :2]
    steps = (np.arange(1000) + 0.5) / 1000
    s, f = (grid[..., np.newaxis] for grid in np.meshgrid(steps, steps))
    points = first + s * (along_ss - first) + f * (along_fs - first)
    places = (points - new.geometry.tile_outlines()[..., :2].min(axis=(0, 1))) / 2e-4
    exact = np.zeros(mine.shape)
    np.add.at(exact, tuple(np.floor(places[..., axis]).astype(int) for axis in (1, 0)), 100e-6)
    # 4 edges across at most 1000 cells of the grid each, of which each counts 1e-4.
    np.testing.assert_allclose(np.nan_to_num(mine), exact, rtol=0, atol=4 * 1000 * 1e-4 / 100)
    assert np.abs(np.nan_to_num(theirs) - exact).max() > 1.3


def test_a_grid_for_hexagons_that_are_turned():
    old, new = (g.rotate((0, 0, 90)) for g in both("DSSC-1M"))
    data = frames(old)
    upright = new.rotate((0, 0, -90)).position_modules(data)[0].shape
    # 236 µm along slow scan too, 204 µm along fast scan.
    assert old.position_modules(data)[0].shape != upright[::-1]
    assert new.position_modules(data)[0].shape == upright[::-1]


def test_lists_of_modules_move():
    old, new = both("AGIPD-500K")
    for modules in ([0, 1], np.arange(8) < 2):
        places, mine = (
            g.offset((1e-3, 0), modules=modules).get_pixel_positions() for g in (old, new)
        )
        np.testing.assert_array_equal(places, old.get_pixel_positions())
        moved = mine - new.get_pixel_positions()
        assert moved[:2, ..., 0] == pytest.approx(1e-3)
        assert not moved[2:].any()


def test_poni_files_of_jungfrau(tmp_path):
    """EXtra-geom's detector has no name by which pyFAI would know it again."""
    import pyFAI
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    for geom, is_known in zip(both("JUNGFRAU, 3 modules"), (False, True), strict=True):
        detector = geom.to_pyfai_detector()
        assert bool(type(detector).aliases) == is_known
        AzimuthalIntegrator(detector=detector, dist=0.3).save(tmp_path / "a.poni")
    assert pyFAI.load(str(tmp_path / "a.poni")).detector.shape == (3 * 512, 1024)


@pytest.mark.filterwarnings("ignore:.*clen given for single panels:geomlib.GeometryWarning")
def test_halves_of_a_pnccd_one_behind_the_other(tmp_path):
    new = both("pnCCD")[1]
    new.write_crystfel_geom(
        tmp_path / "a.geom",
        clen=0.07,
        adu_per_ev=0.01,
        photon_energy=9000,
        dims=("frame", "modno", "ss", "fs"),
    )
    text = (tmp_path / "a.geom").read_text()
    lines = [
        f"{line}\n{line[:4]}/clen = {0.07 if line.startswith('p0') else 0.067}"
        if line[4:].startswith("/corner_x")
        else line
        for line in text.splitlines()
        if not line.startswith("clen")
    ]
    (tmp_path / "b.geom").write_text("\n".join(lines) + "\n")
    places = [
        p.PNCCDGeometry.from_crystfel_geom(tmp_path / "b.geom").get_pixel_positions()[..., 2]
        for p in (original, replacement)
    ]
    assert np.ptp(places[0]) == 0
    assert np.ptp(places[1]) == pytest.approx(3e-3, rel=1e-9)
