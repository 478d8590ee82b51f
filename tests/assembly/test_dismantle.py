"""The way back, from images to modules, takes the same engine, and the same ways through memory."""

import numpy as np
import pytest

import geomlib
from geomlib import GeometryError, assemble_data, dismantle_image
from geomlib.assembly import run
from geomlib.detectors.examples import EXAMPLE_NAMES
from tests.assembly.oracle import BIG, assert_same_bytes, odd_geometry, snap_table, stack_of

THREADS = (1, 2, 8)
WAYS = {"as it is": (2**24, 3 * 2**19), "in bands": (0, 3 * 2**19), "narrow bands": (0, 10_007)}


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    for name, value in zip(("SMALL_BYTES", "BAND_BYTES"), WAYS[request.param], strict=True):
        monkeypatch.setattr(run, name, value)
    return request.param


def where_they_lie(geometry):
    """For each data pixel the number of its image pixel; -1 where it has no tile.

    Under a later tile too, so tile by tile.
    """
    detector = geometry.detector
    numbers = np.full(detector.data_shape, -1)
    table = snap_table(geometry)
    for tile, (module, s0, s1, f0, f1) in enumerate(detector.tile_bounds):
        alone = geomlib.Detector("one", detector.data_shape, [(module, s0, s1, f0, f1)], (1.0, 1.0))
        places = (a[[tile]] for a in geometry.tiles)
        own = geomlib.Geometry(alone, *places)
        rows, columns = np.nonzero(snap_table(own) >= 0)
        y, x = snap_origin(geometry, [tile])
        y0, x0 = snap_origin(geometry, range(detector.n_tiles))
        index = snap_table(own)[rows, columns]
        numbers.reshape(-1)[index] = (rows + y - y0) * table.shape[1] + columns + x - x0
    return numbers


def snap_origin(geometry, tiles):
    """Lowest row and column of some tiles, in pixels of size 1 from the origin of the lab."""
    low = []
    for tile in tiles:
        _, s0, s1, f0, f1 = geometry.detector.tile_bounds[tile]
        ends = np.array([[0, 0], [s1 - s0, 0], [0, f1 - f0], [s1 - s0, f1 - f0]])
        steps = np.stack([geometry.tile_ss[tile], geometry.tile_fs[tile]])
        low.append((geometry.tile_corners[tile] + ends @ steps).min(axis=0))
    x, y, _ = np.rint(np.min(low, axis=0)).astype(int)
    return y, x


def taken_apart(image, numbers, fill):
    pixels = image.reshape(*image.shape[:-2], -1)[..., numbers]
    pixels[..., numbers < 0] = fill
    return pixels


@pytest.mark.jit
@pytest.mark.parametrize("name", BIG)
@pytest.mark.parametrize("dtype", ["f4", "u2"])
def test_stacks_of_big_detectors_come_back(name, dtype, way):
    geometry = geomlib.example_geometry(name)
    data = stack_of(geometry, 2, dtype)
    image = assemble_data(data, geometry)
    for threads in THREADS:
        assert_same_bytes(dismantle_image(image, geometry, threads=threads), data)
    assert_same_bytes(dismantle_image(image.data[1], geometry), data[1])


@pytest.mark.jit
@pytest.mark.parametrize("name", sorted(EXAMPLE_NAMES))
def test_there_and_back_with_every_detector(name):
    geometry = geomlib.example_geometry(name)
    data = stack_of(geometry, 1, "u2")
    for options in ({}, {"centred": True}):
        image = assemble_data(data, geometry, **options)
        assert_same_bytes(dismantle_image(image, geometry), data)
        assert_same_bytes(dismantle_image(image.data, geometry, **options), data)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i8", "bool", "f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("seed", range(3))
def test_overlapping_tiles_all_get_what_is_seen(dtype, seed, way):
    geometry = odd_geometry(seed)
    numbers = where_they_lie(geometry)
    data = stack_of(geometry, 5, dtype if dtype[0] in "uib" else "f4", seed).astype(dtype)
    for fill in (None, 1):
        image = assemble_data(data, geometry, fill=fill)
        missing = (np.nan if data.dtype.kind in "fc" else 0) if fill is None else fill
        expected = taken_apart(image.data, numbers, missing)
        for threads in THREADS:
            back = dismantle_image(image, geometry, fill=fill, threads=threads)
            assert_same_bytes(back, expected)


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: a[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
    "frames last": lambda a: np.moveaxis(np.moveaxis(a, 0, -1).copy(), -1, 0),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "one for all": lambda a: np.broadcast_to(a[:1], a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_images_of_any_layout(layout, dtype, way):
    geometry = odd_geometry(3)
    numbers = where_they_lie(geometry)
    image = LAYOUTS[layout](assemble_data(stack_of(geometry, 70, dtype), geometry).data)
    expected = taken_apart(np.ascontiguousarray(image, dtype), numbers, 9)
    for threads in THREADS:
        back = dismantle_image(image, geometry, fill=9, threads=threads)
        assert_same_bytes(back, expected)


#: Views of a larger array, of shape (frames, modules, ss, fs).
OUTPUTS = {
    "window": lambda n, m, s, f: (np.empty((n, m + 1, s + 2, f + 3)), np.s_[:, 1:, :-2, 3:]),
    "columns apart": lambda n, m, s, f: (np.empty((n, m, s, 2 * f)), np.s_[..., ::2]),
    "frames backwards": lambda n, m, s, f: (np.empty((2 * n, m, s, f)), np.s_[::-2]),
    "modules apart": lambda n, m, s, f: (np.empty((n, 2 * m, s, f)), np.s_[:, ::2]),
    "Fortran": lambda n, m, s, f: (np.empty((n, m, s, f + 1), order="F"), np.s_[..., 1:]),
    "one of many": lambda n, m, s, f: (np.empty((n, m, s, f, 3)), np.s_[..., 1]),
}


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("method", ["snap", pytest.param("nearest", marks=pytest.mark.jit)])
def test_outputs_of_any_layout_and_nothing_beside_them_is_written(kind, method, way):
    geometry = odd_geometry(4)
    image = assemble_data(stack_of(geometry, 3, "u2"), geometry, method=method)
    expected = dismantle_image(image, geometry, threads=1)
    shape, view = OUTPUTS[kind](*expected.shape)
    beside = np.ones(shape.shape, dtype=bool)
    beside[view] = False
    for threads in THREADS:
        whole = np.full_like(shape, 123, dtype="u2")
        out = whole[view]
        assert dismantle_image(image, geometry, out=out, threads=threads) is out
        assert_same_bytes(out, expected)
        assert (whole[beside] == 123).all()


@pytest.mark.parametrize("frames", [(), (0,), (2, 3)])
def test_leading_axes(frames, way):
    geometry = odd_geometry(5)
    data = stack_of(geometry, frames, "f4")
    image = assemble_data(data, geometry)
    expected = taken_apart(image.data, where_they_lie(geometry), np.nan) if data.size else data
    for threads in THREADS:
        assert_same_bytes(dismantle_image(image, geometry, threads=threads), expected)
    if len(frames) == 2:
        turned = image.data.swapaxes(0, 1)
        back = dismantle_image(turned, geometry)
        assert_same_bytes(back, np.ascontiguousarray(expected.swapaxes(0, 1)))


@pytest.mark.parametrize("method", ["snap", pytest.param("nearest", marks=pytest.mark.jit)])
def test_a_window_fills_only_what_lies_in_it(method, way):
    geometry = odd_geometry(6)
    data = stack_of(geometry, 3, "u2")
    whole = assemble_data(data, geometry, method=method)
    complete = dismantle_image(whole, geometry)
    row, column = np.indices(whole.shape[-2:])
    for window in (np.s_[9:-30, 20:-11], np.s_[60:61, :], np.s_[:, 70:71]):
        part = assemble_data(data, geometry, method=method, region=window)
        inside = np.zeros(whole.shape[-2:], dtype="u1")
        inside[window] = 1
        seen = dismantle_image(inside, geometry, method=method).astype(bool)
        for threads in THREADS:
            back = dismantle_image(part, geometry, fill=7, threads=threads)
            tiles = dismantle_image(row + column, geometry, method=method, fill=-1) >= 0
            assert_same_bytes(back, np.where(seen & tiles, complete, np.uint16(7)))


@pytest.mark.jit
@pytest.mark.parametrize("method", ["nearest", "split"])
def test_turned_tiles_look_up_where_their_pixels_lie(method, way):
    geometry = odd_geometry(7).rotate((0, 0, 27))
    image = assemble_data(stack_of(geometry, 3, "f4"), geometry, method=method)
    x, y, _ = np.moveaxis(geometry.pixel_positions(), -1, 0)
    there = np.isfinite(x)
    row = np.floor(np.where(there, y, 0) / image.pixel_size[0] + image.centre[0]).astype(int)
    column = np.floor(np.where(there, x, 0) / image.pixel_size[1] + image.centre[1]).astype(int)
    there &= (row >= 0) & (row < image.shape[-2]) & (column >= 0) & (column < image.shape[-1])
    row, column = np.where(there, row, 0), np.where(there, column, 0)
    expected = np.where(there, image.data[:, row, column], np.float32(-4))
    for threads in THREADS:
        back = dismantle_image(image, geometry, fill=-4, threads=threads)
        assert_same_bytes(back, expected)


def test_another_dtype_or_shape_of_out_is_refused():
    geometry = odd_geometry(8)
    image = assemble_data(stack_of(geometry, 3, "u2"), geometry)
    for out in (
        np.zeros((3, *geometry.data_shape), "f4"),
        np.zeros((2, *geometry.data_shape), "u2"),
        [0],
    ):
        with pytest.raises(GeometryError, match=r"out must be a uint16 array of shape \(3, 8"):
            dismantle_image(image, geometry, out=out)
    fixed = np.zeros((3, *geometry.data_shape), "u2")
    fixed.flags.writeable = False
    with pytest.raises(GeometryError, match="out is read-only"):
        dismantle_image(image, geometry, out=fixed)
    with pytest.raises(GeometryError, match="binned image cannot be taken apart"):
        dismantle_image(assemble_data(np.ones(geometry.data_shape), geometry, binning=2), geometry)
