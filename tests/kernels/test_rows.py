"""Rows of images that are streamed out one by one, against plain numpy."""

import numpy as np
import pytest

import geomlib
from geomlib import Detector, Geometry
from geomlib.assembly.copiers import make_copier, run
from geomlib.assembly.plan import make_plan, strips
from geomlib.kernels import rows, snap

#: Short runs, and runs of several vectors.
WIDTH = 120
pytestmark = pytest.mark.skipif(not snap.COMPILED, reason="the compiler is switched off")


def upright_plan(seed):
    """Tiles of odd sizes whose rows are runs of memory, some of them on top of each other."""
    rng = np.random.default_rng(seed)
    bounds, corners, ss, fs = [], [], [], []
    for module, (a, b) in enumerate([(1, 1), (1, -1), (-1, 1), (-1, -1)]):
        for start in (0, 23):
            size_ss, size_fs = rng.integers(1, 23), rng.integers(1, WIDTH)
            bounds.append((module, start, start + size_ss, 0, size_fs))
            corners.append((*rng.integers(0, 50, 2), 0))
            ss.append((0, a, 0))
            fs.append((b, 0, 0))
    detector = Detector("odd", (4, 46, WIDTH), np.array(bounds), (1.0, 1.0))
    geometry = Geometry(detector, *(np.array(v, dtype=float) for v in (corners, ss, fs)))
    return make_plan(geometry, "snap", False)


@pytest.mark.parametrize("dtypes", ["u2 u2", "u2 f4", "f4 f4", "i4 f8", "f8 f4"])
@pytest.mark.parametrize("seed", range(5))
def test_rows_are_those_of_numpy(seed, dtypes):
    given, wanted = dtypes.split()
    plan = upright_plan(seed)
    data = np.random.default_rng(seed).integers(0, 100, (3, 4, 46, WIDTH)).astype(given)
    modules = snap.modules_of([(data, (0, 1, 2, 3))])
    top = plan.grid.shape[0]
    fill = np.dtype(wanted).type(77)
    expected = np.zeros((3, *plan.grid.shape), wanted)
    snap.assemble_with_numpy(modules, plan.tiles, expected, plan.gaps, fill, (0, 3), (0, top))
    # Frames that begin anywhere in a line of memory, and something before and behind.
    n_y, n_x = expected.shape[1:]
    raw = np.full((3, n_y * n_x + 40), 55, wanted)
    image = raw[:, seed + 1 : seed + 1 + n_y * n_x].reshape(3, n_y, n_x)
    assert np.shares_memory(image, raw)
    blank = np.full(n_x, fill)
    for frames in ((0, 1), (1, 3)):
        for part in ((0, 13), (13, top - 5), (top - 5, top)):
            how = (*strips(plan), blank, frames, part)
            run(rows.work_in_rows(modules, plan.tiles, image, *how))
    np.testing.assert_array_equal(image, expected)
    assert (raw[:, : seed + 1] == 55).all()
    assert (raw[:, seed + 1 + n_y * n_x :] == 55).all()


def test_every_row_is_in_one_strip_with_the_tiles_that_lie_in_it():
    plan = upright_plan(1)
    table, members = strips(plan)
    assert table[:, :2].ravel().tolist()[1:-1:2] == table[1:, 0].tolist()
    assert (table[0, 0], table[-1, 1]) == (0, plan.grid.shape[0])
    for first, last, start, end in table.tolist():
        tops, bottoms = plan.tiles[:, snap.TOP], plan.tiles[:, snap.BOTTOM]
        for row in range(first, last):
            there = np.flatnonzero((tops <= row) & (row < bottoms))
            assert members[start:end].tolist() == there.tolist()


@pytest.mark.parametrize(
    ("name", "order", "expected"),
    [
        ("LPD-1M", "C", True),
        ("DSSC-1M", "C", True),
        ("JUNGFRAU-1M", "C", True),
        ("JUNGFRAU-1M", "F", False),
        ("AGIPD-1M", "C", False),
        ("AGIPD-1M", "modules transposed", True),
    ],
)
def test_rows_are_chosen_where_they_are_runs_of_memory(name, order, expected):
    geometry = geomlib.example_geometry(name)
    data = np.zeros((2, *geometry.data_shape), order="F" if order == "F" else "C")
    if order == "modules transposed":
        data = np.swapaxes(np.zeros((2, 16, 128, 512)), -1, -2)
    numbers = tuple(range(geometry.n_modules))
    plan = make_plan(geometry, "snap", False)
    assert make_copier(plan, [(data, numbers)], numbers, data.dtype, 0.0).in_runs is expected
