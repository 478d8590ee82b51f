"""Images put together tile by tile, where columns are runs of memory, against plain numpy."""

from itertools import pairwise

import numpy as np
import pytest

import geomlib
from geomlib import Detector, Geometry
from geomlib.assembly import run as run_module
from geomlib.assembly.chains import chains
from geomlib.assembly.copiers import make_copier, run
from geomlib.assembly.plan import make_plan, overlapping
from geomlib.kernels import columns, snap
from geomlib.kernels.vector import LINE

pytestmark = pytest.mark.skipif(not snap.COMPILED, reason="the compiler is switched off")
WIDTHS, HEIGHT = (64, 67, 16, 130, 21, 1, 3), 53


def standing_plan(seed, least):
    """Rows of tiles of odd sizes, whose columns are runs of memory; nothing overlaps.

    Some of a row touch, some are a little apart, some far; those with fewer columns than `least`
    are near others.
    """
    rng = np.random.default_rng(seed)
    bounds, corners, ss, fs = [], [], [], []
    y = int(rng.integers(0, 5))
    for module in range(4):
        height = int(rng.integers(1, HEIGHT))
        along = 1 if module % 2 else -1
        up = 1 if module < 2 else -1
        x, start = int(rng.integers(0, 9)), 0
        widths = rng.permutation(WIDTHS).tolist()
        for width, following in pairwise([*widths, least]):
            bounds.append((module, start, start + width, 0, height))
            start += width
            # The corner of the first pixel, where slow scan runs along and fast scan up.
            corners.append((x + (width if along < 0 else 0), y + (height if up < 0 else 0), 0))
            ss.append((along, 0, 0))
            fs.append((0, up, 0))
            near = min(width, following) < least
            x += width + int(rng.choice([0, 1, 2] if near else [0, 1, 2, 16, 17, 40]))
        # Rows of tiles side by side with the next ones, or apart.
        y += height + int(rng.choice([0, 0, 3, 30]))
    n_ss = max(b[2] for b in bounds)
    detector = Detector("odd", (4, n_ss, HEIGHT), np.array(bounds), (1.0, 1.0))
    geometry = Geometry(detector, *(np.array(v, dtype=float) for v in (corners, ss, fs)))
    plan = make_plan(geometry, "snap", False)
    assert not overlapping(plan)
    return geometry, plan


@pytest.mark.parametrize("dtypes", ["u1 u1", "u2 u2", "u2 f4", "f4 f4", "i4 f8", "f8 f4"])
@pytest.mark.parametrize("seed", range(6))
def test_columns_are_those_of_numpy(seed, dtypes):
    given, wanted = dtypes.split()
    geometry, plan = standing_plan(seed, LINE // np.dtype(wanted).itemsize)
    shape = (3, *geometry.data_shape)
    data = np.random.default_rng(seed).integers(0, 100, shape).astype(given)
    if seed % 2:
        # The runs of a tile do not follow each other.
        data = np.concatenate([data, data], axis=-1)[..., :HEIGHT]
    modules = snap.modules_of([(data, (0, 1, 2, 3))])
    top = plan.grid.shape[0]
    fill = np.dtype(wanted).type(77)
    expected = np.zeros((3, *plan.grid.shape), wanted)
    snap.assemble_with_numpy(modules, plan.tiles, expected, plan.gaps, fill, (0, 3), (0, top))
    # Frames apart from each other, and something before and behind that must stay as it is.
    room = np.full((3, top + 2, expected.shape[-1]), 55, wanted)
    image = room[:, 1:-1]
    blank = np.full(image.shape[-1], fill)
    for frames in ((0, 1), (1, 3)):
        for part in ((0, 13), (13, top // 2), (top // 2, top - 5), (top - 5, top)):
            run(columns.work_in_columns(modules, *chains(plan), image, blank, frames, part))
    np.testing.assert_array_equal(image, expected)
    assert (room[:, [0, -1]] == 55).all()


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_rows_of_scratch_are_apart_and_cross_no_page(size):
    pitch = columns._pitch(size)
    longest = (columns.MOST_BETWEEN + columns.MOST_COLUMNS) * size
    for row in range(64 * size, 64 * size + LINE, size):
        before, step = columns._rows_of_scratch(row, pitch)
        for offset in range(0, LINE, size):
            starts = before + offset + step * np.arange(8)
            assert (starts % LINE == (offset + row * np.arange(8)) % LINE).all()
            ends = starts + longest
            assert (starts // 4096 == (ends - 1) // 4096).all()
            # Each row writes its lines from the beginning, and a line behind its numbers.
            lines = starts // LINE * LINE
            assert lines[0] >= 0
            assert (ends[:-1] + LINE <= lines[1:]).all()
            assert ends[-1] + LINE <= columns._slot(pitch)


@pytest.mark.parametrize("offset", [0, 4, 20, 60])
def test_images_begin_anywhere_in_a_line_of_memory(offset):
    geometry, plan = standing_plan(9, LINE // 4)
    data = np.random.default_rng(9).random((2, *geometry.data_shape), dtype="f4")
    modules = snap.modules_of([(data, (0, 1, 2, 3))])
    n_y, n_x = plan.grid.shape
    raw = np.full(2 * n_y * n_x * 4 + 2 * LINE + offset, 7, np.uint8)
    start = -raw.ctypes.data % LINE + offset
    image = raw[start : start + 2 * n_y * n_x * 4].view("f4").reshape(2, n_y, n_x)
    expected = np.empty_like(image)
    rest = (plan.gaps, np.float32(np.nan), (0, 2), (0, n_y))
    snap.assemble_with_numpy(modules, plan.tiles, expected, *rest)
    blank = np.full(n_x, np.nan, "f4")
    run(columns.work_in_columns(modules, *chains(plan), image, blank, (0, 2), (0, n_y)))
    np.testing.assert_array_equal(image, expected)
    assert (raw[:start] == 7).all()
    assert (raw[start + image.nbytes :] == 7).all()


def test_rows_without_tiles_are_filled():
    _, plan = standing_plan(2, LINE // 4)
    gaps = [box for box in plan.gaps.tolist() if box[2:] == [0, plan.grid.shape[1]]]
    (top, bottom, _, _) = max(gaps, key=lambda box: box[1] - box[0])
    image = np.zeros((1, *plan.grid.shape), "f4")
    data = np.zeros((1, 4, 400, HEIGHT), "f4")
    modules = snap.modules_of([(data, (0, 1, 2, 3))])
    blank = np.full(plan.grid.shape[1], 3, "f4")
    for row in range(top, bottom):
        how = (image, blank, (0, 1), (row, row + 1))
        run(columns.work_in_columns(modules, *chains(plan), *how))
    assert (image[0, top:bottom] == 3).all()
    assert (image[0, bottom:] == 0).all()


def test_a_module_of_an_agipd_is_one_chain():
    plan = make_plan(geomlib.example_geometry("AGIPD-1M"), "snap", False)
    pieces, table, strips, members = chains(plan)
    assert table.shape == (16, 5)
    assert pieces[:, columns.CHAIN].tolist() == np.repeat(np.arange(16), 8).tolist()
    assert pieces[:, columns.FIRST].sum() == pieces[:, columns.LAST].sum() == 16
    modules = plan.tiles.reshape(16, 8, -1)
    assert (table[:, 2] == modules[:, :, snap.LEFT].min(axis=1)).all()
    assert (table[:, 3] == modules[:, :, snap.RIGHT].max(axis=1)).all()
    assert (table[:, 1] - table[:, 0] == 128).all()
    assert table[:, 4].tolist() == list(range(0, 16 * 128, 128))
    # Next to each other in the image, from left to right.
    for low, high, first, last in strips.tolist():
        lefts = table[members[first:last], 2]
        assert (np.diff(lefts) > 0).all()
        inside = (table[:, 0] <= low) & (table[:, 1] >= high)
        assert sorted(members[first:last].tolist()) == np.flatnonzero(inside).tolist()


def test_wide_tiles_come_in_pieces():
    _geometry, plan = standing_plan(3, 16)
    pieces, table, _, _ = chains(plan)
    width = pieces[:, snap.RIGHT] - pieces[:, snap.LEFT]
    assert width.max() == columns.MOST_COLUMNS
    assert width.sum() == sum(WIDTHS) * 4
    gap = pieces[:, snap.LEFT] - pieces[:, columns.FROM]
    assert (gap[pieces[:, columns.FIRST] == 1] == 0).all()
    assert gap.max() <= columns.MOST_BETWEEN
    assert table[:, 4].tolist() == [0, *np.cumsum(table[:-1, 1] - table[:-1, 0]).tolist()]


@pytest.mark.parametrize(
    ("name", "order", "dtype", "expected"),
    [
        ("AGIPD-1M", "C", "f4", True),
        ("AGIPD-1M", "F", "f4", False),
        ("AGIPD-1M", "modules transposed", "f4", False),
        ("AGIPD-1M", "frames last", "f4", False),
        ("LPD-1M", "C", "f4", False),
        ("LPD-1M", "modules transposed", "u1", True),
    ],
)
def test_columns_are_chosen_where_they_are_runs_of_memory(name, order, dtype, expected):
    geometry = geomlib.example_geometry(name)
    shape = (2, *geometry.data_shape)
    data = np.zeros(shape, dtype, order="F" if order == "F" else "C")
    if order == "modules transposed":
        data = np.swapaxes(np.zeros((*shape[:2], shape[3], shape[2]), dtype), -1, -2)
    elif order == "frames last":
        data = np.moveaxis(np.zeros((*shape[1:], 2), dtype), -1, 0)
    numbers = tuple(range(geometry.n_modules))
    plan = make_plan(geometry, "snap", False)
    copier = make_copier(plan, [(data, numbers)], numbers, data.dtype, data.dtype.type(0))
    assert copier.in_columns is expected


def test_windows_are_put_together_in_columns_too(monkeypatch):
    geometry = geomlib.example_geometry("AGIPD-1M")
    data = np.random.default_rng(0).random((2, *geometry.data_shape), dtype="f4")
    whole = geomlib.assemble_data(data, geometry).data
    monkeypatch.setattr(run_module, "SMALL_BYTES", 0)
    done = []
    monkeypatch.setattr(
        columns,
        "work_in_columns",
        lambda *arguments: done.append(1) or original(*arguments),
    )
    # Tiles are cut to a few columns or rows.
    for window in (np.s_[300:955, 88:700], np.s_[3:1254, 27:1066], np.s_[126:131, 60:400]):
        image = geomlib.assemble_data(data, geometry, region=window).data
        np.testing.assert_array_equal(image, whole[:, *window])
    assert len(done) == 3


original = columns.work_in_columns
