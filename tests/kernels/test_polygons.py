"""Exact overlap of polygons with cells, against clipping."""

import numpy as np
import pytest

from geomlib.detector import HEXAGON_CORNERS, RECTANGLE_CORNERS
from geomlib.kernels.polygons import SLIVER, count_entries, overlap_rows, sort_entries


def share_out(transform, outline, shape, *, size=(1, 1), wide=(0, 0, 0, 0), shift=0.0, room=4096):
    """Overlaps of a tile as dense array (n_data, y, x), areas of pixels, and number of entries."""
    cells, sources = np.full((2, room), -1, dtype=np.int32)
    areas = np.zeros(room, dtype=np.float32)
    pixel_areas = np.zeros(size[0] * size[1], dtype=np.float32)
    count = overlap_rows(
        np.asarray(transform, dtype=float),
        outline,
        np.asarray(wide, dtype=float),
        size,
        shift,
        (0, size[0]),
        (0, size[1]),
        shape,
        (cells, sources, areas),
        pixel_areas,
    )
    dense = np.zeros((len(pixel_areas), shape[0] * shape[1]))
    for k in range(min(count, room)):
        assert dense[sources[k], cells[k]] == 0
        dense[sources[k], cells[k]] = areas[k]
    return dense.reshape(-1, *shape), pixel_areas, count


def clip(points, normal, offset):
    """Cut away what lies outside normal · p <= offset."""
    kept = []
    for p, q in zip(points, np.roll(points, -1, axis=0), strict=True):
        a, b = offset - normal @ p, offset - normal @ q
        if a >= 0:
            kept.append(p)
        if a * b < 0:
            kept.append(p + a / (a - b) * (q - p))
    return np.array(kept).reshape(-1, 2)


def clipped_area(points, row, column):
    """Area of a polygon in a cell: an oracle that shares nothing with the kernel."""
    for normal, offset in (((1, 0), column + 1), ((-1, 0), -column), ((0, 1), row + 1)):
        points = clip(points, np.array(normal), offset)
    points = clip(points, np.array((0, -1)), -row)
    x, y = points.T
    return abs(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def corners_of(transform, outline):
    x, y, w = np.asarray(transform) @ np.vstack([np.ones(len(outline)), outline.T])
    return np.stack([x / w, y / w], axis=1)


@pytest.mark.parametrize("outline", [RECTANGLE_CORNERS, HEXAGON_CORNERS], ids=["4", "6"])
@pytest.mark.parametrize("size", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("perspective", [0.0, 0.2])
def test_any_convex_pixel(outline, size, perspective):
    rng = np.random.default_rng(7)
    for _ in range(30):
        transform = np.zeros((3, 3))
        transform[:2, 0] = rng.uniform(-1, 9, 2)  # some reach out of the grid, at any side
        transform[:2, 1:] = size * rng.normal(size=(2, 2))  # skew, and of both orientations
        transform[2] = 1, *(perspective * rng.uniform(-1, 1, 2))
        dense, pixel_areas, _ = share_out(transform, outline, (8, 7))
        points = corners_of(transform, outline)
        expected = [[clipped_area(points, row, column) for column in range(7)] for row in range(8)]
        np.testing.assert_allclose(dense[0], expected, atol=1e-9, rtol=2e-7)
        x, y = points.T
        whole = abs(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
        np.testing.assert_allclose(pixel_areas, whole, rtol=2e-7, atol=1e-8)


def test_an_aligned_pixel_is_one_entry_in_spite_of_rounding():
    for noise in (0, 1e-13, -1e-13):
        transform = [[2 + noise, 0, 1 + noise], [3 - noise, 1 - noise, 0], [1, 0, 0]]
        dense, _, count = share_out(transform, RECTANGLE_CORNERS, (8, 8))
        assert count == 1
        assert dense[0, 3, 2] == 1
    assert SLIVER > 1e-13


def test_wide_border_pixels_and_shifted_rows():
    identity = [[0, 0, 1], [0, 1, 0], [1, 0, 0]]  # x = v, y = u
    wide = (0.5, 0.25, 0.75, 1.0)
    dense, areas, _ = share_out(
        np.add(identity, [[1, 0, 0], [1, 0, 0], [0, 0, 0]]),
        RECTANGLE_CORNERS,
        (5, 6),
        size=(3, 2),
        wide=wide,
    )
    expected = np.outer([1.5, 1, 1.25], [1.75, 2])
    np.testing.assert_allclose(areas.reshape(3, 2), expected, rtol=1e-7)
    np.testing.assert_allclose(dense[0, :3, :3], [[0.375, 0.5, 0], [0.75, 1, 0], [0, 0, 0]])
    np.testing.assert_allclose(dense.sum(axis=(1, 2)), areas, rtol=1e-6)

    dense, areas, _ = share_out(identity, HEXAGON_CORNERS, (6, 6), size=(3, 3), shift=0.5)
    np.testing.assert_allclose(areas, 1, rtol=1e-6)
    assert dense[:, 1, 1].sum() == pytest.approx(1, abs=1e-6)  # rows interlock without gaps
    np.testing.assert_allclose(dense[3, :, 0].sum(), 0.5, rtol=1e-6)


def test_room_that_does_not_suffice_is_told():
    transform = [[0.5, 0, 1], [0.5, 1, 0], [1, 0, 0]]
    _, _, count = share_out(transform, RECTANGLE_CORNERS, (9, 9), size=(4, 4))
    dense, _, again = share_out(transform, RECTANGLE_CORNERS, (9, 9), size=(4, 4), room=10)
    assert count == again == 4 * 16
    assert np.count_nonzero(dense) == 10


def test_a_pixel_seen_edge_on_has_no_entries():
    transform = [[0.1, 0.3, 0.7], [0.2, 0.3 * 1.7, 0.7 * 1.7], [1, 0, 0]]
    _, areas, count = share_out(transform, RECTANGLE_CORNERS, (4, 4))
    assert count == 0
    assert areas[0] == 0


def test_sorting_keeps_the_order_within_a_cell():
    cells = np.array([2, 0, 2, 1, 2], dtype=np.int32)
    sources = np.arange(5, dtype=np.int32)
    areas = np.arange(5, dtype=np.float32) / 8
    starts = np.zeros(5, dtype=np.int32)
    count_entries(cells, starts)
    np.cumsum(starts, out=starts)
    assert starts.tolist() == [0, 1, 2, 5, 5]
    out = np.empty(5, dtype=np.int32), np.empty(5, dtype=np.float32)
    sort_entries((cells, sources, areas), starts[:-1].copy(), *out)
    assert out[0].tolist() == [1, 3, 0, 2, 4]
    assert out[1].tolist() == [0.125, 0.375, 0, 0.25, 0.5]
