"""The compiled copies against plain numpy, for every orientation, odd sizes, strides and dtypes."""

import numpy as np
import pytest

from geomlib import Detector, Geometry
from geomlib.assembly.copiers import run
from geomlib.assembly.plan import make_plan
from geomlib.kernels import compile as compiling
from geomlib.kernels import snap

pytestmark = pytest.mark.skipif(not snap.COMPILED, reason="the compiler is switched off")
TURNS = [(a, b, s) for a in (1, -1) for b in (1, -1) for s in (False, True)]


def odd_plan(seed):
    """Tiles of odd sizes in all eight orientations, some of them on top of each other."""
    rng = np.random.default_rng(seed)
    bounds, corners, ss, fs = [], [], [], []
    for module, (a, b, swap) in enumerate(TURNS):
        for start in (0, 23):
            size_ss, size_fs = rng.integers(1, 23), rng.integers(1, 40)
            bounds.append((module, start, start + size_ss, 0, size_fs))
            corners.append((*rng.integers(0, 60, 2), 0))
            ss.append((a, 0, 0) if swap else (0, a, 0))
            fs.append((0, b, 0) if swap else (b, 0, 0))
    detector = Detector("odd", (8, 46, 40), np.array(bounds), (1.0, 1.0))
    geometry = Geometry(detector, *(np.array(v, dtype=float) for v in (corners, ss, fs)))
    return make_plan(geometry, "snap", False)


#: Copies of each size, and conversions of each kind: each pair is compiled, which takes seconds.
DTYPES = ["u1 u1", "u2 u2", "u4 u4", "u8 u8", "u1 i8", "i2 i4", "u2 f4", "i4 f8", "f4 f8", "f8 f4"]
LAYOUTS = ["C", "F", "strided", "frames last"]


@pytest.mark.parametrize(
    ("seed", "dtypes", "layout"),
    [(1, dtypes, "C") for dtypes in DTYPES]
    + [
        (seed, dtypes, layout) for seed in range(5) for dtypes in DTYPES[2::4] for layout in LAYOUTS
    ],
)
def test_every_way_gives_the_same(seed, dtypes, layout):
    given, wanted = dtypes.split()
    plan = odd_plan(seed)
    rng = np.random.default_rng(seed)
    low = 0 if given[0] == "u" else -100
    data = rng.integers(low, 100, (2, 8, 46, 40)).astype(given)
    if layout == "F":
        data = np.asfortranarray(data)
    elif layout == "strided":
        data = np.repeat(data, 2, axis=-1)[..., ::2]
    elif layout == "frames last":
        data = np.moveaxis(np.moveaxis(data, 0, -1).copy(), -1, 0)
    numbers = tuple(range(8))
    modules = snap.modules_of([(data, numbers)])
    shape, fill = (2, *plan.grid.shape), np.dtype(wanted).type(77)
    top = plan.grid.shape[0]
    together = 2 if data.strides[0] == data.itemsize else 1
    expected = np.zeros(shape, dtype=wanted)
    snap.assemble_with_numpy(modules, plan.tiles, expected, plan.gaps, fill, (0, 2), (0, top))
    blank = np.full(shape[-1], fill)
    rows, across = np.zeros(shape, dtype=wanted), np.zeros(shape, dtype=wanted, order="F")
    for a, b in ((0, 13), (13, top - 5), (top - 5, top)):
        how = (plan.gaps, blank, (0, 2), (a, b))
        snap.work_in_place(modules, plan.tiles, rows[:, a:b], *how, together).run()
        snap.work_in_place(modules, plan.tiles, across[:, a:b], *how).run()
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(across, expected)
    bands = np.zeros(shape, dtype=wanted)
    for cut in ([0, 13, 20], [20, top - 5, top]):
        limits = np.array(cut)
        limits.flags.writeable = False  # as those of the library: else compiled once more
        how = (plan.gaps, blank, (0, 2), limits, together)
        run(snap.work_in_bands(modules, plan.tiles, bands, *how))
    np.testing.assert_array_equal(bands, expected)


def test_modules_of_different_layouts_are_copied():
    rng = np.random.default_rng(3)
    one, two = rng.random((2, 1, 4, 6)), np.asfortranarray(rng.random((2, 2, 4, 6)))
    modules = snap.modules_of(snap.one_layout([(one, (3,)), (two, (0, 2))]))
    assert modules.addresses.shape == (4,)
    for array, numbers in modules.parts:
        for i, number in enumerate(numbers):
            expected = one[:, 0] if number == 3 else two[:, i if len(numbers) > 1 else number // 2]
            np.testing.assert_array_equal(array[:, i], expected)


def test_a_kernel_is_compiled_where_nothing_can_be_kept(monkeypatch):
    def njit(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: ("compiled", function)

    monkeypatch.setattr(compiling, "njit", njit)
    assert compiling.kernel(len) == ("compiled", len)
