"""Snapped images worked out anew, pixel by pixel; and detectors to try them on."""

import numpy as np

from geomlib import Detector, Geometry

BIG = ["AGIPD-1M", "LPD-1M", "DSSC-1M", "JUNGFRAU-4M"]


def snap_table(geometry, modules=None):
    """For each image pixel the number of its data pixel, counted through the data; -1 for none.

    Only some modules, if they are given; the image is that of all.
    """
    detector = geometry.detector
    pitch = np.linalg.norm(geometry.tile_fs[0]), np.linalg.norm(geometry.tile_ss[0])
    if geometry.tile_fs[0, 0] ** 2 < geometry.tile_fs[0, 1] ** 2:
        pitch = pitch[::-1]
    corners = np.rint(geometry.tile_corners[:, :2] / pitch).astype(int)
    steps = [np.rint(a[:, :2] / pitch).astype(int) for a in (geometry.tile_ss, geometry.tile_fs)]
    _, n_ss, n_fs = detector.data_shape
    placed = []
    for tile in np.argsort(detector.tile_bounds[:, 0], kind="stable"):
        module, s0, s1, f0, f1 = detector.tile_bounds[tile]
        s, f = np.mgrid[s0:s1, f0:f1].reshape(2, -1)
        ss, fs = steps[0][tile], steps[1][tile]
        x, y = (
            corners[tile, i] + (s - s0) * ss[i] + (f - f0) * fs[i] + min(ss[i], 0) + min(fs[i], 0)
            for i in (0, 1)
        )
        placed.append((module, y, x, (module * n_ss + s) * n_fs + f))
    low_y, low_x = (min(p[i].min() for p in placed) for i in (1, 2))
    high_y, high_x = (max(p[i].max() for p in placed) for i in (1, 2))
    table = np.full((high_y - low_y + 1, high_x - low_x + 1), -1)
    for module, y, x, numbers in placed:
        if modules is None or module in modules:
            table[y - low_y, x - low_x] = numbers
    return table


def pictured(data, table, dtype=None, fill=None):
    """Images (…, y, x) of data (…, modules, ss, fs), through a table."""
    dtype = np.dtype(data.dtype if dtype is None else dtype)
    if fill is None:
        fill = np.nan if dtype.kind in "fc" else 0
    pixels = np.asarray(data).reshape(*data.shape[:-3], np.prod(data.shape[-3:]))
    image = pixels[..., table].astype(dtype)
    image[..., table < 0] = fill
    return image


def assert_same_bytes(found, expected):
    """Compare bit for bit, NaN too."""
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    # NaN is equal to NaN here; the sign of zero counts.
    np.testing.assert_array_equal(found, expected)
    if found.dtype.kind == "f":
        zero = found == 0
        np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(expected[zero]))


def odd_geometry(seed):
    """Tiles of odd sizes in all eight orientations, many of them on top of each other."""
    rng = np.random.default_rng(seed)
    bounds, corners, ss, fs = [], [], [], []
    for module in range(8):
        a, b, swap = (1, -1)[module & 1], (1, -1)[module >> 1 & 1], module >> 2
        for start in (0, 23):
            size_ss, size_fs = rng.integers(1, 23), rng.integers(1, 40)
            bounds.append((module, start, start + size_ss, 0, size_fs))
            corners.append((*rng.integers(-90, 90, 2), 0))
            ss.append((a, 0, 0) if swap else (0, a, 0))
            fs.append((0, b, 0) if swap else (b, 0, 0))
    detector = Detector("odd", (8, 46, 40), np.array(bounds), (1.0, 1.0))
    return Geometry(detector, *(np.array(v, dtype=float) for v in (corners, ss, fs)))


def stack_of(geometry, frames, dtype, seed=0):
    """Random numbers: positive, and with some NaN where the dtype has it."""
    rng = np.random.default_rng(seed)
    shape = (*np.atleast_1d(frames).astype(int), *geometry.data_shape)
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        top = 250 if dtype.itemsize == 1 else 30000
        return rng.integers(1, top, shape, dtype=np.int32).astype(dtype)
    data = rng.random(shape, dtype=np.float32).astype(dtype)
    data[rng.random(shape, dtype=np.float32) < 0.01] = np.nan
    return data
