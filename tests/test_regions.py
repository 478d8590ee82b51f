"""Masks cut into blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from geomlib.detectors import example_geometry
from geomlib.errors import GeometryWarning
from geomlib.metadata import BadRegion
from geomlib.regions import MOST_BLOCKS, blocks, regions_of_mask, regions_of_tiles

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))


@given(masks)
def test_blocks_cover_the_mask_once(mask):
    count = np.zeros(mask.shape, dtype=int)
    for ss0, ss1, fs0, fs1 in blocks(mask).tolist():
        assert ss0 < ss1
        assert fs0 < fs1
        count[ss0:ss1, fs0:fs1] += 1
    np.testing.assert_array_equal(count, mask.astype(int))


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_a_rectangle_is_one_block(rows, columns, data):
    ss0, fs0 = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    ss1, fs1 = data.draw(st.integers(ss0 + 1, rows)), data.draw(st.integers(fs0 + 1, columns))
    mask = np.zeros((rows, columns), dtype=bool)
    mask[ss0:ss1, fs0:fs1] = True
    assert blocks(mask).tolist() == [[ss0, ss1, fs0, fs1]]


def test_order_and_nothing():
    mask = np.array([[1, 1, 0, 1], [1, 0, 0, 1], [1, 0, 0, 0]], dtype=bool)
    assert blocks(mask).tolist() == [[1, 3, 0, 1], [0, 1, 0, 2], [0, 2, 3, 4]]
    assert blocks(np.zeros((3, 4), dtype=bool)).shape == (0, 4)


@pytest.mark.parametrize("joined", [False, True])
def test_regions_mark_the_mask_again(joined):
    geometry = example_geometry("JUNGFRAU-500K")
    mask = np.random.default_rng(1).random(geometry.data_shape) < 1e-3
    # Across the seam of two tiles: a region for each.
    mask[0, 10:20, 250:260] = True
    given_mask = mask.reshape(-1, mask.shape[2]) if joined else mask
    regions = regions_of_mask(geometry.detector, given_mask)
    assert len(regions) > 500
    np.testing.assert_array_equal(geometry.replace(bad_regions=regions).bad_pixels(), mask)


def test_data_of_no_tile_is_no_region():
    detector = example_geometry("ePix100").detector
    regions = regions_of_mask(detector, np.ones(detector.data_shape))
    assert regions[1] == BadRegion("bad_mask1", 1, (0, 352), (384, 768))
    assert len(regions) == 4


def test_regions_of_tiles_up_to_a_limit():
    tiles = [(3, np.array([[0, 1, 2, 4]])), (1, np.zeros((0, 4), int)), (2, [[5, 6, 7, 8]])]
    assert regions_of_tiles([(t, np.array(b)) for t, b in tiles], "a") == [
        BadRegion("bad_mask0", 3, (0, 1), (2, 4)),
        BadRegion("bad_mask1", 2, (5, 6), (7, 8)),
    ]
    block = np.array([[0, 1, 0, 1]])
    most = np.repeat(block, MOST_BLOCKS - 1, axis=0)
    assert len(regions_of_tiles([(0, most), (1, block)], "a")) == MOST_BLOCKS
    with pytest.warns(GeometryWarning, match=r"^a: has more than 262144 .*; the mask is left out"):
        assert regions_of_tiles([(0, most), (1, block), (2, block)], "a") == []
