"""The compiled sums of bins against numpy's."""

import numpy as np
import pytest

from geomlib.kernels import integrate as kernels

pytestmark = pytest.mark.skipif(not kernels.COMPILED, reason="the compiler is switched off")
N, BINS = 203, 17


def entries(single, seed=0):
    rng = np.random.default_rng(seed)
    norms = rng.uniform(0.5, 1.5, N).astype("f4")
    if single:
        bins = rng.integers(-1, BINS, N).astype("i4")
        return kernels.Entries(np.empty(0, "i4"), bins, np.empty(0, "f4"), norms)
    counts = rng.integers(0, 4, N)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype("i4")
    bins = rng.integers(0, BINS, starts[-1]).astype("i4")
    return kernels.Entries(starts, bins, rng.random(len(bins)).astype("f4"), norms)


def stack(dtype, seed=1):
    rng = np.random.default_rng(seed)
    low = 0 if np.dtype(dtype).kind == "u" else -50
    data = rng.integers(low, 100, (8, N)).astype(dtype)
    if data.dtype.kind == "f":
        data[rng.random(data.shape) < 0.05] = np.nan
        data[3] = np.nan
    return data


@pytest.mark.parametrize("model", [kernels.NONE, kernels.POISSON, kernels.AZIMUTHAL])
@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4", "f8"])
def test_eight_frames_one_frame_and_numpy(dtype, single, model):
    own, data = entries(single), stack(dtype)
    work = np.empty(0, "f8" if dtype in ("i4", "f8") else "f4")
    # Some pixels in the middle, whose number is no multiple of eight; and the lanes in any order.
    first, last = 5, N - 2
    order = np.array([2, 0, 1, 3, 4, 5, 7, 6])
    part = data[order, first:last]
    addresses = data.ctypes.data + data.strides[0] * order + first * data.itemsize
    rows = kernels.ROWS[model]
    eight = np.zeros((rows, BINS, 8))
    kernels.add_frames(data[:0].ravel(), work, addresses, own, first, last - first, eight, model)
    for lane, pixels in enumerate(part):
        one, peer = np.zeros((2, rows, BINS))
        kernels.add_frame(pixels, own, first, one, model)
        np.testing.assert_array_equal(eight[..., lane], one)
        kernels.add_frame_with_numpy(pixels, own, first, peer, model)
        # Another order of float64 sums of at most some hundred terms.
        np.testing.assert_allclose(one, peer, rtol=1e-12, atol=1e-9)


def test_sums_are_added_to():
    own, data = entries(True), stack("f4")
    once, twice = np.zeros((2, kernels.ROWS[kernels.NONE], BINS))
    kernels.add_frame(data[0], own, 0, once, kernels.NONE)
    for half in (slice(0, 100), slice(100, N)):
        kernels.add_frame(data[0, half], own, half.start, twice, kernels.NONE)
    np.testing.assert_array_equal(once, twice)
