"""Every detector against EXtra-geom, and where EXtra-geom is wrong, against the facts."""

import extra_geom
import numpy as np
import pytest

import geomlib
from geomlib import GeometryError, GeometryWarning, detectors

AGIPD_QUADS = [(-525, 625), (-550, -10), (520, -160), (542.5, 475)]
LPD_QUADS = [(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)]
DSSC_QUADS = [(-130, 5), (-130, -125), (5, -125), (5, 5)]
# The last bit of sums that are made in another order, for numbers below 1 m.
ROUNDING = 2 * np.finfo(float).eps

PAIRS = {
    "agipd_1m": (
        lambda: detectors.agipd_1m(AGIPD_QUADS),
        lambda: extra_geom.AGIPD_1MGeometry.from_quad_positions(AGIPD_QUADS),
    ),
    "agipd_1m gaps": (
        lambda: detectors.agipd_1m(AGIPD_QUADS, asic_gap=3.5, panel_gap=20),
        lambda: extra_geom.AGIPD_1MGeometry.from_quad_positions(
            AGIPD_QUADS, asic_gap=3.5, panel_gap=20
        ),
    ),
    "agipd_500k": (
        lambda: detectors.agipd_500k((100, 23.5)),
        lambda: extra_geom.AGIPD_500K2GGeometry.from_origin((100, 23.5)),
    ),
    "agipd_500k mm": (
        lambda: detectors.agipd_500k((10, 5), asic_gap=0.5, panel_gap=(3, 4), unit=1e-3),
        lambda: extra_geom.AGIPD_500K2GGeometry.from_origin(
            (10, 5), asic_gap=0.5, panel_gap=(3, 4), unit=1e-3
        ),
    ),
    "lpd_1m": (
        lambda: detectors.lpd_1m(LPD_QUADS),
        lambda: extra_geom.LPD_1MGeometry.from_quad_positions(LPD_QUADS),
    ),
    "lpd_1m gaps": (
        lambda: detectors.lpd_1m(LPD_QUADS, asic_gap=1.5, panel_gap=2.5),
        lambda: extra_geom.LPD_1MGeometry.from_quad_positions(
            LPD_QUADS, asic_gap=1.5, panel_gap=2.5
        ),
    ),
    "lpd_mini": (
        lambda: detectors.lpd_mini([(0, 0), (20, 30), (-40, 7)], [0, 77, -90], asic_gap=1),
        lambda: extra_geom.LPD_MiniGeometry.from_module_positions(
            [(0, 0), (20, 30), (-40, 7)], [0, 77, -90], asic_gap=1
        ),
    ),
    "dssc_1m": (
        lambda: detectors.dssc_1m(DSSC_QUADS),
        lambda: extra_geom.DSSC_1MGeometry.from_quad_positions(DSSC_QUADS),
    ),
    "dssc_1m gaps": (
        lambda: detectors.dssc_1m(DSSC_QUADS, asic_gap=1, panel_gap=2),
        lambda: extra_geom.DSSC_1MGeometry.from_quad_positions(DSSC_QUADS, asic_gap=1, panel_gap=2),
    ),
    "jungfrau": (
        lambda: detectors.jungfrau([(0, 0), (1100, 30), (7, 600)], [(-1, -1), (1, -1), (1, 1)]),
        lambda: extra_geom.JUNGFRAUGeometry.from_module_positions(
            [(0, 0), (1100, 30), (7, 600)], [(-1, -1), (1, -1), (1, 1)]
        ),
    ),
    "pnccd": (
        lambda: detectors.pnccd(3e-3, top_offset=(1e-3, 0, 2e-3), bottom_offset=(0, 1e-3, 0)),
        lambda: extra_geom.PNCCDGeometry.from_relative_positions(
            3e-3, (1e-3, 0, 2e-3), (0, 1e-3, 0)
        ),
    ),
    "pnccd absolute": (
        lambda: detectors.pnccd(top=(0, 0.05, 0.1), bottom=(-0.01, -0.02, 0)),
        lambda: extra_geom.PNCCDGeometry.from_absolute_positions((0, 0.05, 0.1), (-0.01, -0.02, 0)),
    ),
    "epix100": (
        lambda: detectors.epix100((10, -20)),
        lambda: extra_geom.Epix100Geometry.from_origin((10, -20)),
    ),
    "epix100 mm": (
        lambda: detectors.epix100((1, 2), asic_gap=0.3, unit=1e-3),
        lambda: extra_geom.Epix100Geometry.from_origin((1, 2), asic_gap=0.3, unit=1e-3),
    ),
    "epix100 pair": (detectors.epix100_pair, extra_geom.Epix100Geometry.pair_geometry),
    "epix10k": (
        lambda: detectors.epix10k((3, 4)),
        lambda: extra_geom.Epix10KGeometry.from_origin((3, 4)),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_positions_equal_extra_geom(name):
    make, oracle = PAIRS[name]
    geometry, other = make(), oracle()
    np.testing.assert_allclose(
        geometry.pixel_positions(), other.get_pixel_positions(), rtol=0, atol=ROUNDING
    )
    np.testing.assert_allclose(
        geometry.pixel_positions("corner"),
        other.get_pixel_positions(centre=False),
        rtol=0,
        atol=ROUNDING,
    )
    # Tile order and vectors, not only the pixels that they make.
    tiles = [t for module in other.modules for t in module]
    for array, attribute in (
        (geometry.tile_corners, "corner_pos"),
        (geometry.tile_ss, "ss_vec"),
        (geometry.tile_fs, "fs_vec"),
    ):
        expected = [getattr(t, attribute) for t in tiles]
        np.testing.assert_allclose(array, expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("name", ["agipd_1m", "lpd_1m", "dssc_1m", "jungfrau", "epix100"])
def test_corners_equal_extra_geom(name):
    make, oracle = PAIRS[name]
    geometry = make()
    theirs = oracle().to_distortion_array(allow_negative_xy=True)
    ours = geometry.pixel_corners()
    # Theirs is float32, (z, y, x), with modules joined along slow scan.
    np.testing.assert_allclose(
        ours.reshape(theirs.shape)[..., ::-1], theirs, rtol=0, atol=np.finfo(np.float32).eps
    )


@pytest.mark.parametrize(
    "selection",
    [
        {},
        {"modules": np.s_[2:5]},
        {"modules": np.s_[2:5], "tiles": np.s_[1:3]},
        {"tiles": np.s_[4:]},
    ],
)
def test_offset_and_rotate_equal_extra_geom(selection):
    make, oracle = PAIRS["agipd_1m"]
    geometry = make().rotate((1, -2, 3), **selection).offset((1e-3, -2e-3, 3e-3), **selection)
    other = oracle().rotate((1, -2, 3), **selection).offset((1e-3, -2e-3, 3e-3), **selection)
    np.testing.assert_allclose(
        geometry.pixel_positions(), other.get_pixel_positions(), rtol=0, atol=ROUNDING
    )


@pytest.mark.parametrize("shape", [(16, 3), (16, 8, 3)])
def test_rotation_a_module_or_a_tile_equals_extra_geom(shape):
    make, oracle = PAIRS["agipd_1m"]
    angles = np.random.default_rng(0).normal(0, 10, shape)
    np.testing.assert_allclose(
        make().rotate(angles).pixel_positions(),
        oracle().rotate(angles).get_pixel_positions(),
        rtol=0,
        atol=ROUNDING,
    )


def test_data_to_lab_equals_extra_geom():
    make, oracle = PAIRS["lpd_1m"]
    rng = np.random.default_rng(0)
    module = rng.integers(0, 16, 500)
    ss, fs = rng.uniform(0, 256, (2, 500))
    np.testing.assert_allclose(
        make().data_to_lab(module, ss, fs),
        oracle().data_coords_to_positions(module, ss, fs),
        rtol=0,
        atol=ROUNDING,
    )


@pytest.mark.parametrize("name", ["agipd_1m", "lpd_1m", "dssc_1m"])
def test_quad_positions_equal_extra_geom(name):
    make, oracle = PAIRS[name]
    np.testing.assert_allclose(
        make().quad_positions(), oracle().quad_positions(), rtol=0, atol=1e-10
    )


def test_agipd_unit_scales_positions_and_gaps_but_not_pixels():
    """EXtra-geom scales the pixel vectors too: 1 mm pixels for positions in mm."""
    in_mm = detectors.agipd_1m(np.array(AGIPD_QUADS) * 0.2, asic_gap=0.4, panel_gap=5.8, unit=1e-3)
    np.testing.assert_allclose(
        in_mm.tile_corners, detectors.agipd_1m(AGIPD_QUADS).tile_corners, atol=ROUNDING
    )
    assert np.linalg.norm(in_mm.tile_ss, axis=1) == pytest.approx(200e-6)
    theirs = extra_geom.AGIPD_1MGeometry.from_quad_positions(
        np.array(AGIPD_QUADS) * 0.2, asic_gap=0.4, panel_gap=5.8, unit=1e-3
    )
    assert np.linalg.norm(theirs.modules[0][0].ss_vec) == pytest.approx(1e-3)


def test_flipped_jungfrau_in_millimetres():
    """EXtra-geom misplaces flipped modules when the unit is not pixels."""
    in_pixels = detectors.jungfrau([(100, 200)], [(-1, -1)])
    in_mm = detectors.jungfrau([(7.5, 15)], [(-1, -1)], asic_gap=0.15, unit=1e-3)
    np.testing.assert_allclose(in_mm.tile_corners, in_pixels.tile_corners, atol=ROUNDING)
    low = in_mm.tile_outlines()[..., :2].min(axis=(0, 1))
    np.testing.assert_allclose(low, [7.5e-3, 15e-3], atol=ROUNDING)
    theirs = extra_geom.JUNGFRAUGeometry.from_module_positions(
        [(7.5, 15)], [(-1, -1)], asic_gap=0.15, unit=1e-3
    )
    wrong = np.abs(theirs.get_pixel_positions() - in_mm.pixel_positions()).max()
    assert wrong > 0.9  # metres


def test_example_motors_equal_extra_geom():
    from extra_geom.motors import AGIPD_1MMotors, JF4MMotors

    make, oracle = PAIRS["agipd_1m"]
    shifts = np.random.default_rng(0).normal(size=(4, 2))
    np.testing.assert_allclose(
        make().move_motors(shifts).pixel_positions(),
        AGIPD_1MMotors(oracle()).move_geom_by(shifts).get_pixel_positions(),
        atol=ROUNDING,
    )
    positions = [(0, 600 * i) for i in range(8)]
    ours = detectors.jungfrau(positions).move_motors([[1.5], [-0.5]])
    theirs = JF4MMotors(extra_geom.JUNGFRAUGeometry.from_module_positions(positions))
    np.testing.assert_allclose(
        ours.pixel_positions(),
        theirs.move_geom_by([[1.5], [-0.5]]).get_pixel_positions(),
        atol=ROUNDING,
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: detectors.agipd_1m(AGIPD_QUADS[:3]), "quad_positions must be 4 positions"),
        (lambda: detectors.agipd_1m("four"), "quad_positions must be 4 positions"),
        (lambda: detectors.lpd_1m([(0, np.nan)] * 4), "finite numbers"),
        (lambda: detectors.lpd_mini([(0, 0)], [0, 1]), "rotations must be 1 angles"),
        (lambda: detectors.agipd_500k((1, 2, 3)), "origin must be a pair"),
        (lambda: detectors.jungfrau([(0, 0)], [(1, 0)]), "of \\+1 or -1"),
        (lambda: detectors.jungfrau([(0, 0)], [(1, 1), (1, 1)]), "1 pairs"),
        (lambda: detectors.pnccd(top=(0, 0)), "both top and bottom"),
        (lambda: detectors.pnccd(top=(0,), bottom=(0, 0)), "top must be a position"),
        (lambda: detectors.epix100(top=(0, 0)), "both top and bottom"),
        (lambda: detectors.generic([(0, 0)] * 3, (4, 4), 1e-4, tiles_per_module=2), "divide"),
        (lambda: detectors.generic([(0, 0)], (4, 4), 1e-4, ss=(0, 0, 0)), "positive length"),
        (lambda: detectors.generic([(0, 0)], (4, 4), 1e-4, fs=(0, 1)), "one vector"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(GeometryError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        # Pixels taken for millimetres, millimetres for pixels, metres for millimetres.
        (lambda: detectors.agipd_1m(AGIPD_QUADS, unit=1e-3), "m apart"),
        (lambda: detectors.agipd_1m(np.array(AGIPD_QUADS) * 0.2), "on top of each other"),
        (lambda: detectors.lpd_1m(np.array(LPD_QUADS) * 1e-3), "on top of each other"),
        (lambda: detectors.lpd_1m(np.array(LPD_QUADS) / 0.5e-3), "m apart"),
        (lambda: detectors.dssc_1m(np.array(DSSC_QUADS) * 1e-3), "on top of each other"),
    ],
)
def test_a_wrong_unit_is_noticed(call, message):
    with pytest.warns(GeometryWarning, match=message):
        call()


def test_generic_layouts():
    along_fs = detectors.generic(
        [(0, 0), (0.1, 0), (0, 0.1), (0.1, 0.1)],
        (10, 20),
        (1e-4, 2e-4),
        ss=(0, -2, 0),
        tiles_per_module=2,
        stacked="fs",
        name="mine",
    )
    assert along_fs.data_shape == (2, 10, 40)
    assert along_fs.detector.name == "mine"
    np.testing.assert_allclose(along_fs.tile_ss, np.tile([0, -1e-4, 0], (4, 1)))
    np.testing.assert_allclose(
        along_fs.pixel_positions()[1, 3, 25], [0.1 + 5.5 * 2e-4, 0.1 - 3.5e-4, 0]
    )
    along_ss = detectors.generic([(0, 0), (0.1, 0)], (10, 20), 1e-4, tiles_per_module=2)
    assert along_ss.data_shape == (1, 20, 20)


def test_example_names_are_forgiving():
    assert geomlib.example_geometry("agipd1m") == geomlib.example_geometry("AGIPD-1M")
    assert geomlib.example_geometry("epix 100") == geomlib.example_geometry("ePix100")
