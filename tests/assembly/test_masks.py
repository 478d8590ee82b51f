"""Masks drawn on images travel back to the modules, by both rules."""

from dataclasses import replace

import numpy as np
import pytest

import geomlib
from geomlib import AssembledImage, GeometryError, assemble_data, dismantle_mask, split_plan
from geomlib.assembly.plan import make_plan
from tests.assembly.split_images import small


def spots(shape, *where):
    mask = np.zeros(shape, dtype=np.bool_)
    for place in where:
        mask[place] = True
    return mask


def split_image(mask, geometry, plan):
    return AssembledImage(mask, np.array(plan.grid.centre), plan.grid.pixel_size, geometry, "split")


@pytest.mark.parametrize("rule", ["nearest", "any"])
def test_snap_is_exact(rule):
    geometry = geomlib.example_geometry("LPD-Mini")
    rng = np.random.default_rng(0)
    modules = rng.random((2, *geometry.data_shape)) < 0.3
    image = assemble_data(modules, geometry)
    np.testing.assert_array_equal(dismantle_mask(image, geometry, rule=rule), modules)
    np.testing.assert_array_equal(dismantle_mask(image.data, geometry, rule=rule), modules)
    centred = assemble_data(modules, geometry, centred=True).data
    back = dismantle_mask(centred, geometry, rule=rule, centred=True)
    np.testing.assert_array_equal(back, modules)


@pytest.mark.parametrize("rule", ["nearest", "any"])
def test_regions_and_binned_images(rule):
    geometry = small((1, 6, 7))
    image = assemble_data(np.zeros(geometry.data_shape, np.float32), geometry)
    window = replace(image, data=np.ones((2, 3), bool), centre=image.centre - [1, 2])
    expected = spots((1, 6, 7), np.s_[0, 1:3, 2:5])
    np.testing.assert_array_equal(dismantle_mask(window, geometry, rule=rule), expected)
    binned = assemble_data(np.zeros(geometry.data_shape, np.float32), geometry, binning=2)
    assert binned.shape == (3, 3)  # the last column is left out
    mask = replace(binned, data=spots((3, 3), (1, 2)))
    expected = spots((1, 6, 7), np.s_[0, 2:4, 4:6])
    np.testing.assert_array_equal(dismantle_mask(mask, geometry, rule=rule), expected)


def test_nearest_method_by_hand():
    geometry = small((1, 2, 3), offset=(0.25, 0))  # columns reach from 0.25, 1.25, 2.25
    grid = make_plan(geometry, "nearest", False).grid
    assert grid.shape == (2, 4)
    mask = spots(grid.shape, (0, 1))
    near = dismantle_mask(mask, geometry, method="nearest")
    np.testing.assert_array_equal(near, spots((1, 2, 3), (0, 0, 1)))
    any_ = dismantle_mask(mask, geometry, method="nearest", rule="any")
    np.testing.assert_array_equal(any_, spots((1, 2, 3), (0, 0, 0), (0, 0, 1)))


def test_split_by_hand():
    geometry = small((1, 2, 3), wide=(0, 0, 0, 0.5))  # the last column reaches from 2 to 3.5
    plan = split_plan(geometry, pixel_size=0.5)
    assert plan.grid.shape == (4, 7)
    mask = spots((2, 4, 7), (0, 1, 6), (1, 2, 1))
    for given, options in (
        (mask, {"method": "split", "pixel_size": 0.5}),
        (mask, {"method": "split", "oversample": 2}),
        (split_image(mask, geometry, plan), {}),
    ):
        near = dismantle_mask(given, geometry, **options)
        assert not near[0].any()  # no nominal centre lies there
        assert not near[1].any()  # centres lie at 0.5: in the next pixel
        any_ = dismantle_mask(given, geometry, rule="any", **options)
        np.testing.assert_array_equal(any_, spots((2, 1, 2, 3), (0, 0, 0, 2), (1, 0, 1, 0)))
    corner = dismantle_mask(spots((4, 7), (1, 3)), geometry, method="split", oversample=2)
    np.testing.assert_array_equal(corner, spots((1, 2, 3), (0, 0, 1)))


def test_a_region_of_a_split_image():
    geometry = small((1, 4, 5), offset=(0.5, 0.5))
    plan = split_plan(geometry).window(1, 3, 1, 3)
    image = split_image(np.ones((2, 2), bool), geometry, plan)
    np.testing.assert_array_equal(
        dismantle_mask(image, geometry, rule="any"), spots((1, 4, 5), np.s_[0, 0:3, 0:3])
    )
    np.testing.assert_array_equal(
        dismantle_mask(image, geometry), spots((1, 4, 5), np.s_[0, 0:2, 0:2])
    )


@pytest.mark.parametrize("rule", ["nearest", "any"])
@pytest.mark.parametrize("method", ["nearest", "split"])
def test_from_an_image_of_a_region_and_back(method, rule):
    geometry = small(angle=6)
    frames = np.random.default_rng(0).random((2, *geometry.data_shape))
    image = assemble_data(frames, geometry, method=method, region=np.s_[2:7, 3:15])
    full = assemble_data(frames, geometry, method=method)
    mask = full.data > 0.7
    inside = np.zeros_like(mask)
    inside[:, 2:7, 3:15] = mask[:, 2:7, 3:15]
    found = dismantle_mask(replace(image, data=image.data > 0.7), geometry, rule=rule)
    assert found.any()
    assert found.shape == frames.shape
    expected = dismantle_mask(inside, geometry, method=method, rule=rule)
    np.testing.assert_array_equal(found, expected)


def test_rounding_does_not_mask_a_neighbour():
    geometry = small((1, 3, 3), offset=(1e-8, 1e-8))
    for method in ("nearest", "split"):
        mask = spots((3, 3), (1, 1)) if method == "nearest" else None
        if mask is None:
            mask = spots(split_plan(geometry).grid.shape, (1, 1))
        back = dismantle_mask(mask, geometry, method=method, rule="any")
        np.testing.assert_array_equal(back, spots((1, 3, 3), (0, 1, 1)))


def test_perspective_travels_back():
    geometry = small((1, 6, 6)).offset((0, 0, 10.0))
    plan = split_plan(geometry, distance=10.0)  # half as large: 2 × 2 data pixels an image pixel
    assert plan.grid.shape == (3, 3)
    mask = spots((3, 3), (1, 2))
    expected = spots((1, 6, 6), np.s_[0, 2:4, 4:6])
    for rule in ("nearest", "any"):
        back = dismantle_mask(mask, geometry, method="split", distance=10.0, rule=rule)
        np.testing.assert_array_equal(back, expected)


def test_any_agrees_with_where_a_data_pixel_shows():
    geometry = small((2, 4, 5), hexagons=True, angle=10)
    plan = split_plan(geometry)
    dense = np.zeros((plan.overlaps.pixel_areas.size, *plan.grid.shape), bool)
    cells = np.repeat(np.arange(dense[0].size), np.diff(plan.overlaps.starts))
    dense.reshape(len(dense), -1)[plan.overlaps.pixels, cells] = plan.overlaps.areas > 1e-6
    mask = np.random.default_rng(3).random(plan.grid.shape) < 0.1
    expected = (dense & mask).any(axis=(1, 2)).reshape(geometry.data_shape)
    found = dismantle_mask(mask, geometry, method="split", rule="any")
    np.testing.assert_array_equal(found, expected)
    assert (found >= dismantle_mask(mask, geometry, method="split")).all()


def test_bad_arguments():
    geometry = small()
    shape = make_plan(geometry, "snap", False).grid.shape
    mask = np.zeros(shape, bool)
    image = assemble_data(np.zeros(geometry.data_shape, bool), geometry)
    small_pixels = replace(image, pixel_size=(0.3, 0.3))
    for call, message in (
        (lambda: dismantle_mask(mask.astype(int), geometry), "mask must be boolean"),
        (lambda: dismantle_mask(mask[1:], geometry), r"mask has shape \(5, 17\), but the image"),
        (lambda: dismantle_mask(mask[0], geometry), "mask has shape"),
        (lambda: dismantle_mask(mask, geometry, rule="all"), "rule must be 'nearest' or 'any'"),
        (lambda: dismantle_mask(mask, geometry, method="best"), "method must be"),
        (lambda: dismantle_mask(mask, geometry, distance=1.0), "distance goes with"),
        (lambda: dismantle_mask(mask, geometry, oversample=2), "go with method='split'"),
        (lambda: dismantle_mask(mask, "AGIPD-1M"), "geometry must be a Geometry"),
        (lambda: dismantle_mask(mask, geometry, centred=1), "centred must be True or False"),
        (lambda: dismantle_mask(image, geometry, centred=True), "are for arrays"),
        (lambda: dismantle_mask(image, geometry.offset((1, 0))), "another geometry"),
        (lambda: dismantle_mask(small_pixels, geometry), "image has pixels of"),
    ):
        with pytest.raises(GeometryError, match=message):
            call()
