"""Whatever way the engine takes through memory, the image is the same, bit for bit."""

import numpy as np
import pytest

import geomlib
from geomlib import assemble_data
from geomlib.assembly import prepared, run
from tests.assembly.oracle import (
    BIG,
    assert_same_bytes,
    odd_geometry,
    pictured,
    snap_table,
    stack_of,
)

#: SMALL_BYTES, BAND_BYTES, PIECE_BYTES: directly; in bands; in bands and pieces of odd sizes.
WAYS = {
    "as it is": {},
    "directly": {"SMALL_BYTES": 2**60},
    "in bands": {"SMALL_BYTES": 0},
    "narrow bands": {"SMALL_BYTES": 0, "BAND_BYTES": 20_011, "PIECE_BYTES": 3_000_001},
    "one row": {"SMALL_BYTES": 0, "BAND_BYTES": 1, "PIECE_BYTES": 50_021},
}
THREADS = (1, 2, 8)


@pytest.fixture
def go(monkeypatch):
    def choose(way):
        prepared._known.clear()
        for name in ("SMALL_BYTES", "BAND_BYTES", "PIECE_BYTES"):
            monkeypatch.setattr(run, name, WAYS[way].get(name, DEFAULTS[name]))

    return choose


DEFAULTS = {name: getattr(run, name) for name in ("SMALL_BYTES", "BAND_BYTES", "PIECE_BYTES")}


@pytest.mark.jit
@pytest.mark.parametrize("name", BIG)
@pytest.mark.parametrize(("given", "wanted"), [("f4", "f4"), ("u2", "f4")])
def test_big_detectors(name, given, wanted, go):
    geometry = geomlib.example_geometry(name)
    data = stack_of(geometry, 3, given)
    expected = pictured(data, snap_table(geometry), wanted)
    for way in ("directly", "in bands", "narrow bands"):
        go(way)
        for threads in THREADS:
            image = assemble_data(data, geometry, dtype=wanted, threads=threads).data
            assert_same_bytes(image, expected)
            image = assemble_data(data[1], geometry, dtype=wanted, threads=threads).data
            assert_same_bytes(image, expected[1])


@pytest.mark.jit
@pytest.mark.parametrize("name", BIG)
def test_long_enough_to_be_cut_as_it_is(name):
    geometry = geomlib.example_geometry(name)
    frames = 2 if name == "JUNGFRAU-4M" else 5  # more than 16 MiB
    data = stack_of(geometry, frames, "u2")
    expected = pictured(data, snap_table(geometry), "f4")
    for threads in (*THREADS, None):
        assert_same_bytes(assemble_data(data, geometry, dtype="f4", threads=threads).data, expected)


ARRANGED = {
    "C": lambda a: a,
    "Fortran": np.asfortranarray,
    "Fortran pixels": lambda a: a.swapaxes(-1, -2).copy().swapaxes(-1, -2),
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "every other frame": lambda a: np.repeat(a, 2, axis=0)[::2],
    "backwards": lambda a: a[::-1, ::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1, ::-1],
    "modules first": lambda a: a.swapaxes(0, 1).copy().swapaxes(0, 1),
    "frames last": lambda a: np.moveaxis(np.moveaxis(a, 0, -1).copy(), -1, 0),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "one frame for all": lambda a: np.broadcast_to(a[:1], a.shape),
    "read-only": lambda a: np.lib.stride_tricks.as_strided(a, writeable=False),
}


@pytest.mark.parametrize("layout", ARRANGED)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("given", "wanted"), [("u2", "f4"), ("f4", "f4"), ("i4", "f8")])
def test_layouts_of_data(layout, way, given, wanted, go):
    go(way)
    for seed in range(2):
        geometry = odd_geometry(seed)
        data = ARRANGED[layout](stack_of(geometry, 5, given, seed))
        expected = pictured(data, snap_table(geometry), wanted)
        for threads in THREADS:
            image = assemble_data(data, geometry, dtype=wanted, threads=threads).data
            assert_same_bytes(image, expected)


@pytest.mark.jit
@pytest.mark.parametrize("layout", ["Fortran", "Fortran pixels", "modules first"])
def test_layouts_of_a_big_stack(layout, go):
    geometry = geomlib.example_geometry("AGIPD-1M")
    data = ARRANGED[layout](stack_of(geometry, 4, "f4"))
    expected = pictured(data, snap_table(geometry))
    for way in ("directly", "in bands"):
        go(way)
        for threads in THREADS:
            assert_same_bytes(assemble_data(data, geometry, threads=threads).data, expected)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["u1", "i8", "bool", "f2", "c8", "c16"])
def test_dtypes_as_they_are(kind, way, go):
    go(way)
    geometry = odd_geometry(3)
    data = stack_of(geometry, 2, "f4" if kind in ("f2", "c8", "c16") else kind).astype(kind)
    expected = pictured(data, snap_table(geometry))
    for threads in THREADS:
        assert_same_bytes(assemble_data(data, geometry, threads=threads).data, expected)


# -- Frames ------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [(), (1,), (2,), (9,), (2, 3), (0,), (2, 0), (3, 1, 2)])
@pytest.mark.parametrize("way", WAYS)
def test_leading_axes(frames, way, go):
    go(way)
    geometry = odd_geometry(4)
    data = stack_of(geometry, frames, "u2")
    expected = pictured(data, snap_table(geometry), "f4")
    for threads in THREADS:
        image = assemble_data(data, geometry, dtype="f4", threads=threads).data
        assert_same_bytes(image, expected)


@pytest.mark.parametrize("way", WAYS)
def test_leading_axes_that_cannot_be_joined(way, go):
    go(way)
    geometry = odd_geometry(5)
    data = stack_of(geometry, (3, 4), "u2").swapaxes(0, 1)
    expected = pictured(data, snap_table(geometry), "f4")
    for threads in THREADS:
        image = assemble_data(data, geometry, dtype="f4", threads=threads).data
        assert_same_bytes(image, expected)
        out = np.zeros((3, 4, *expected.shape[2:]), "f4").swapaxes(0, 1)
        assert_same_bytes(assemble_data(data, geometry, out=out, threads=threads).data, expected)


@pytest.mark.parametrize("pulses", [1, 7, 8, 63, 64, 65, 130])
@pytest.mark.parametrize(("given", "wanted"), [("u2", "f4"), ("f4", "f4"), ("u2", "u2")])
@pytest.mark.parametrize("way", ["as it is", "narrow bands", "one row"])
def test_stream_order(pulses, given, wanted, way, go):
    go(way)
    geometry = odd_geometry(pulses)
    data = stack_of(geometry, pulses, given)
    expected = pictured(data, snap_table(geometry), wanted)
    stream = data.transpose(1, 3, 2, 0).copy()  # module, fs, ss, pulse
    for threads in THREADS:
        options = {"axes": "stream", "dtype": wanted, "threads": threads}
        assert_same_bytes(assemble_data(stream, geometry, **options).data, expected)
        out = np.zeros((*expected.shape, 2), wanted)[..., 1]
        assert_same_bytes(assemble_data(stream, geometry, out=out, **options).data, expected)


@pytest.mark.parametrize("way", ["as it is", "narrow bands"])
def test_trains_in_stream_order(way, go):
    go(way)
    geometry = odd_geometry(6)
    data = stack_of(geometry, (3, 70), "u2")
    expected = pictured(data, snap_table(geometry), "f4")
    stream = data.transpose(0, 2, 4, 3, 1).copy()
    for threads in (1, 8):
        for given in (stream, {m: stream[:, m] for m in range(8)}):
            image = assemble_data(given, geometry, axes="stream", dtype="f4", threads=threads)
            assert_same_bytes(image.data, expected)


@pytest.mark.jit
@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_a_big_stream(dtype):
    geometry = geomlib.example_geometry("AGIPD-500K")
    data = stack_of(geometry, 9, dtype)
    expected = pictured(data, snap_table(geometry), "f4")
    stream = data.transpose(1, 3, 2, 0).copy()
    for threads in THREADS:
        image = assemble_data(stream, geometry, axes="stream", dtype="f4", threads=threads)
        assert_same_bytes(image.data, expected)


# -- Modules -----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_dicts_whose_modules_lie_in_memory_in_different_ways(way, go):
    go(way)
    geometry = odd_geometry(7)
    data = stack_of(geometry, 4, "u2")
    held = (6, 0, 3, 5)
    arrange = list(ARRANGED.values())
    some = {m: arrange[i](data[:, [m]])[:, 0] for i, m in enumerate(held)}
    expected = pictured(data, snap_table(geometry, held), "f4")
    for threads in THREADS:
        image = assemble_data(some, geometry, dtype="f4", threads=threads).data
        assert_same_bytes(image, expected)
        alike = {m: data[:, m] for m in held}
        image = assemble_data(alike, geometry, dtype="f4", threads=threads).data
        assert_same_bytes(image, expected)
    listed = [data[:, m] if m in held else None for m in range(8)]
    assert_same_bytes(assemble_data(listed, geometry, dtype="f4").data, expected)


@pytest.mark.parametrize("way", WAYS)
def test_of_overlapping_tiles_the_later_wins_also_where_modules_are_missing(way, go):
    go(way)
    # Three tiles of one module upon each other, against the order of their memory, and a fourth.
    bounds = [(0, 8, 12, 0, 6), (0, 0, 4, 0, 6), (0, 4, 8, 0, 6), (1, 0, 12, 0, 6)]
    detector = geomlib.Detector("heap", (2, 12, 6), bounds, (1.0, 1.0))
    corners = [[0, 0, 0], [1, 1, 0], [2, 2, 0], [3, -4, 0]]
    steps = [[0, 1, 0]] * 4, [[1, 0, 0]] * 4
    geometry = geomlib.Geometry(detector, corners, *steps)
    data = stack_of(geometry, 3, "u2")
    for modules in ((0, 1), (0,), (1,)):
        expected = pictured(data, snap_table(geometry, modules))
        for threads in THREADS:
            image = assemble_data({m: data[:, m] for m in modules}, geometry, threads=threads)
            assert_same_bytes(image.data, expected)
    assert (snap_table(geometry)[4:6, 3:6] >= 72).all()  # the later module lies on top


# -- Outputs -----------------------------------------------------------------------------------

#: Views of a larger array that have the shape of the images (frames, y, x).
OUTPUTS = {
    "window": lambda n, y, x: (np.empty((n + 2, y + 5, x + 7)), np.s_[1:-1, 2:-3, 3:-4]),
    "rows apart": lambda n, y, x: (np.empty((n, 3 * y, x)), np.s_[:, 1::3]),
    "columns apart": lambda n, y, x: (np.empty((n, y, 2 * x)), np.s_[..., 1::2]),
    "upside down": lambda n, y, x: (np.empty((n, y, x)), np.s_[:, ::-1]),
    "mirrored": lambda n, y, x: (np.empty((n, y, x)), np.s_[..., ::-1]),
    "frames backwards": lambda n, y, x: (np.empty((2 * n, y, x)), np.s_[::-2]),
    "whole rows": lambda n, y, x: (np.empty((n, y + 9, x)), np.s_[:, 4:-5]),
    "Fortran": lambda n, y, x: (np.empty((n, y + 1, x), order="F"), np.s_[:, :-1]),
    "one of many": lambda n, y, x: (np.empty((n, y, x, 5)), np.s_[..., 3]),
    "off the line": lambda n, y, x: (np.empty((n, y * x + 6)), np.s_[:, 5:-1]),
}


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", ["f4", "u2"])
def test_outputs_of_any_layout_and_nothing_beside_them_is_written(kind, way, dtype, go):
    go(way)
    geometry = odd_geometry(8)
    data = stack_of(geometry, 4, "u2")
    expected = pictured(data, snap_table(geometry), dtype)
    shape, view = OUTPUTS[kind](*expected.shape)
    beside = np.ones(shape.shape, dtype=bool)
    beside[view] = False
    for threads in THREADS:
        whole = np.full_like(shape, 123, dtype=dtype)
        out = whole[view]
        out = out.reshape(expected.shape) if out.ndim == 2 else out
        assert np.shares_memory(out, whole)
        image = assemble_data(data, geometry, out=out, threads=threads)
        assert image.data is out
        assert_same_bytes(out, expected)
        assert (whole[beside] == 123).all()


# -- Options -----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", ["snap", pytest.param("nearest", marks=pytest.mark.jit)])
def test_regions_centred_images_and_fill(way, method, go):
    go(way)
    geometry = odd_geometry(9)
    data = stack_of(geometry, 3, "u2")
    number = np.arange(data[0].size).reshape(geometry.data_shape)
    table = assemble_data(number, geometry, method=method, fill=-1).data
    if method == "snap":
        np.testing.assert_array_equal(table, snap_table(geometry))
    n_y, n_x = table.shape
    windows = [np.s_[:, :], np.s_[17:18, :], np.s_[3:-5, 40:41], np.s_[-1:, -1:], np.s_[50:, 9:77]]
    for window in windows:
        expected = pictured(data, table[window], "f4", -7.5)
        for threads in THREADS:
            options = {"method": method, "dtype": "f4", "fill": -7.5, "threads": threads}
            image = assemble_data(data, geometry, region=window, **options)
            assert_same_bytes(image.data, expected)
            middle = assemble_data(data, geometry, centred=True, **options)
            y, x = middle.centre - assemble_data(data, geometry, method=method).centre
            assert middle.shape[-2] == 2 * middle.centre[0]
            assert middle.shape[-1] == 2 * middle.centre[1]
            whole = np.full(middle.shape, -7.5, "f4")
            whole[:, y : y + n_y, x : x + n_x] = pictured(data, table, "f4", -7.5)
            assert_same_bytes(middle.data, whole)


@pytest.mark.jit
@pytest.mark.parametrize("layout", ARRANGED)
def test_nearest_of_any_layout(layout, go):
    geometry = odd_geometry(10).rotate((0, 0, 27))
    number = np.arange(np.prod(geometry.data_shape)).reshape(geometry.data_shape)
    table = assemble_data(number, geometry, method="nearest", fill=-1, threads=1).data
    data = ARRANGED[layout](stack_of(geometry, 5, "u2"))
    expected = pictured(data, table, "f4")
    for way in WAYS:
        go(way)
        for threads in THREADS:
            options = {"method": "nearest", "dtype": "f4", "threads": threads}
            assert_same_bytes(assemble_data(data, geometry, **options).data, expected)
            image = assemble_data(data[2], geometry, **options)
            assert_same_bytes(image.data, expected[2])


# -- Again and again ---------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [None, "stream"])
def test_calls_of_the_same_kind_with_other_data(axes):
    """The second call of a kind takes a short cut: other arrays, other places, other options."""
    for seed in range(3):
        geometry = odd_geometry(11)
        table = snap_table(geometry)
        for frames in (1, 5):
            data = stack_of(geometry, frames, "u2", 10 * seed + frames)
            given = data.transpose(1, 3, 2, 0).copy() if axes else data.copy()
            for dtype, fill in (("f4", None), ("f4", -1), ("u2", None), ("u2", 7)):
                expected = pictured(data, table, dtype, fill)
                options = {"axes": axes, "dtype": dtype, "fill": fill, "threads": 1}
                first = assemble_data(given, geometry, **options)
                again = assemble_data(given[::1].copy(), geometry, **options)
                assert again.data is not first.data
                for image in (first, again):
                    assert_same_bytes(image.data, expected)
                    assert image.geometry is geometry
                    image.centre[:] = 0  # everyone has his own
                out = np.zeros(expected.shape, dtype)
                for _ in range(2):
                    out[...] = 99
                    assert assemble_data(given, geometry, out=out, **options).data is out
                    assert_same_bytes(out, expected)
                out.flags.writeable = False
                with pytest.raises(geomlib.GeometryError, match="read-only"):
                    assemble_data(given, geometry, out=out, **options)
    whole = assemble_data(stack_of(geometry, 1, "u2"), geometry, threads=1)
    assert (whole.centre != 0).any()


@pytest.mark.jit
@pytest.mark.parametrize("name", ["LPD-Mini", "JUNGFRAU-1M", "ePix10K"])
@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize(
    "turn", [lambda a: a, np.transpose, lambda a: a[::-1], lambda a: a[:, ::-1].T], ids=range(4)
)
def test_one_frame_on_several_threads_writes_nothing_but_its_rows(name, threads, turn):
    # Gaps that begin below or end above the rows of a piece once reached out of them.
    geometry = geomlib.example_geometry(name)
    data = np.random.default_rng(2).random(geometry.data_shape, dtype=np.float32)
    expected = geomlib.assemble_data(data, geometry, threads=1).data
    n_y, n_x = expected.shape
    flat = np.full(2 * 5000 + n_y * n_x, 9, dtype=np.float32)
    place = flat[5000:-5000].reshape((n_x, n_y) if turn(np.empty((n_y, n_x))).shape != (n_y, n_x)
                                     else (n_y, n_x))  # fmt: skip
    out = turn(place)
    geomlib.assemble_data(data, geometry, out=out, threads=threads)
    np.testing.assert_array_equal(out, expected)
    assert (flat[:5000] == 9).all()
    assert (flat[-5000:] == 9).all()
