"""Constructors refuse what is no length, no position or no count, by the name of the argument."""

import numpy as np
import pytest

from geomlib import GeometryError, detectors

QUADS = {
    "agipd_1m": [(-525, 625), (-550, -10), (520, -160), (542.5, 475)],
    "lpd_1m": [(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)],
    "dssc_1m": [(-130, 5), (-130, -125), (5, -125), (5, 5)],
}
ONE_MODULE = {"jungfrau": [[(0, 0)]], "lpd_mini": [[(0, 0)]]}
WITH_UNIT = [*QUADS, *ONE_MODULE, "agipd_500k", "epix100", "epix10k"]


def build(name, **options):
    first = [QUADS[name]] if name in QUADS else ONE_MODULE.get(name, [])
    return getattr(detectors, name)(*first, **options)


@pytest.mark.parametrize("name", WITH_UNIT)
@pytest.mark.parametrize("unit", ["mm", 0, -1e-3, np.nan, None, [1e-3]])
def test_units_are_positive_numbers(name, unit):
    with pytest.raises(GeometryError, match="unit must be a positive, finite number, not"):
        build(name, unit=unit)


@pytest.mark.parametrize("name", WITH_UNIT)
@pytest.mark.parametrize("gap", ["2", np.inf, (1, 2)])
def test_gaps_are_numbers(name, gap):
    with pytest.raises(GeometryError, match="asic_gap must be a finite number, not"):
        build(name, asic_gap=gap)
    if name in QUADS:
        with pytest.raises(GeometryError, match="panel_gap must be a finite number, not"):
            build(name, panel_gap=gap)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: detectors.pnccd("wide"), "gap must be a finite number, not 'wide'"),
        (lambda: detectors.pnccd(top_offset="ab"), "top_offset must be a position"),
        (lambda: detectors.agipd_500k("ab"), "origin must be a pair of finite numbers"),
        (lambda: detectors.agipd_500k(panel_gap=3), "panel_gap must be a pair"),
        (lambda: detectors.epix100("ab"), "origin must be a pair of finite numbers"),
        (lambda: detectors.epix100(top="ab", bottom="cd"), "top must be a position"),
        (lambda: detectors.lpd_mini([(0, 0)], ["half"]), "rotations must be 1 angles in degrees"),
        (lambda: detectors.lpd_mini([(0, 0)], [np.nan]), "rotations must be 1 angles in degrees"),
        (lambda: detectors.jungfrau([(0, 0)], ["ab"]), "orientations must be 1 pairs"),
        (lambda: detectors.jungfrau([(0, 0)], [("a", 1)]), "orientations must be 1 pairs"),
        (lambda: detectors.generic([(0, 0)], (2.5, 4), 1e-4), "tile_shape must be 2 whole numbers"),
        (lambda: detectors.generic([(0, 0)], (0, 4), 1e-4), "tile_shape must be 2 whole numbers"),
        (lambda: detectors.generic([(0, 0)], 4, 1e-4), "tile_shape must be 2 whole numbers"),
        (lambda: detectors.generic([(0, 0)], (4,), 1e-4), "tile_shape must be 2 whole numbers"),
        (lambda: detectors.generic([(0, 0)], (2**31, 4), 1e-4), "data_shape .* holds 8.6e.09 pix"),
        (lambda: detectors.generic([(0, 0)], (4, 4), "1e-4"), "pixel_size must be an array of"),
        (lambda: detectors.generic([(0, 0)], (4, 4), -1e-4), "pixel_size must be two positive"),
        (lambda: detectors.generic([(0, 0)], (4, 4), (1, 2, 3)), "pixel_size must have shape"),
        (lambda: detectors.generic([(0, 0)], (4, 4), 1e-4, fs="x"), "fs must be an array of real"),
        (lambda: detectors.generic([(0, 0)], (4, 4), 1e-4, fs=(0, 2, 0)), "tile 0 span no pixel"),
        (lambda: detectors.generic([(0, 0)], (4, 4), 1e-4, stacked=1), "stacked must be 'ss' or"),
        (lambda: detectors.generic([(0, 0)], (4, 4), 1e-4, name=1), "name must be text, not 1"),
        (
            lambda: detectors.generic([(0, 0)], (4, 4), 1e-4, tiles_per_module=1.5),
            "tiles_per_module must be a whole number, at least 1, not 1.5",
        ),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(GeometryError, match=message):
        call()


@pytest.mark.parametrize("name", QUADS)
def test_quadrants_at_different_z(name):
    heights = [0, 1, -2, 3.5]
    deep = [(*xy, z) for xy, z in zip(QUADS[name], heights, strict=True)]
    flat, moved = build(name), getattr(detectors, name)(deep)
    away = moved.tiles[0] - flat.tiles[0]
    quadrant = flat.detector.tile_modules // 4
    unit = 200e-6 if name == "agipd_1m" else 1e-3
    np.testing.assert_array_equal(away[:, :2], 0)
    np.testing.assert_allclose(away[:, 2], np.array(heights)[quadrant] * unit, atol=1e-15)
