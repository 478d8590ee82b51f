"""Dask arrays: the same images as of arrays in memory, when they are asked for."""

import pickle
import threading

import dask
import dask.array as da
import h5py
import numpy as np
import pytest
import xarray

import geomlib
from geomlib import AssembledImage, GeometryError, assemble_data
from geomlib.detectors import generic

#: Three modules one above the other, 2 pixels apart.
GEOMETRY = generic([(0, 0), (0, 1e-2), (0, 2e-2)], (8, 10), 1e-3)
SHAPE = GEOMETRY.data_shape
REDUCTIONS = ("mean", "sum", "max", "min", "std")


@pytest.fixture(autouse=True)
def one_thread_scheduler():
    """Threads of dask live on in the pool; here nothing depends on them."""
    with dask.config.set(scheduler="synchronous"):
        yield


def numbers(*shape, dtype="f4", seed=7):
    return np.random.default_rng(seed).integers(1, 200, shape).astype(dtype)


def same(result, expected):
    """Lazy, and the same pixels when computed."""
    assert isinstance(result.data, da.Array)
    assert result.shape == expected.shape
    assert result.data.dtype == expected.data.dtype
    np.testing.assert_array_equal(result.data.compute(), expected.data)
    np.testing.assert_array_equal(result.centre, expected.centre)
    assert result.pixel_size == expected.pixel_size


def never(shape=(6, *SHAPE), chunks=(2, 3, 8, 10), dtype="f4"):
    """An array of dask that cannot be computed."""

    def fail(block):
        raise AssertionError("this was computed")

    zeros = da.zeros(shape, chunks=chunks, dtype=dtype)
    return zeros.map_blocks(fail, dtype=dtype, meta=np.empty((0,) * len(shape), dtype))


CHUNKS = [
    ((), (3, 8, 10)),
    ((), (1, 5, 3)),
    ((11,), (11, 3, 8, 10)),
    ((11,), (4, 3, 8, 10)),
    ((11,), (4, 1, 8, 10)),
    ((11,), (3, 2, 5, 3)),
    ((11,), ((1, 7, 3), (2, 1), (3, 5), (9, 1))),
    ((3, 5), (2, 2, 1, 8, 4)),
    ((0,), (1, 3, 8, 10)),
]


@pytest.mark.parametrize(("frames", "chunks"), CHUNKS)
@pytest.mark.parametrize("method", ["snap", "nearest"])
def test_odd_chunks_on_every_axis(frames, chunks, method):
    data = numbers(*frames, *SHAPE)
    lazy = da.from_array(data, chunks=chunks)
    image = assemble_data(lazy, GEOMETRY, method=method)
    same(image, assemble_data(data, GEOMETRY, method=method))
    assert image.data.chunks == (*lazy.chunks[:-3], (28,), (10,))


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "f4"},
        {"fill": 7},
        {"centred": True},
        {"region": np.s_[3:17, 2:]},
        {"binning": 2, "fill": 0.5},
        {"threads": 2},
    ],
)
@pytest.mark.parametrize("dtype", ["u2", ">f4", "f2"])
def test_options(options, dtype):
    data = numbers(8, *SHAPE, dtype=dtype)
    lazy = da.from_array(data, chunks=(3, 2, 8, 10))
    same(assemble_data(lazy, GEOMETRY, **options), assemble_data(data, GEOMETRY, **options))


def test_stream_order():
    data = numbers(2, 7, *SHAPE)
    stream = np.ascontiguousarray(np.moveaxis(data, (1, 4, 3), (4, 2, 3)))
    lazy = da.from_array(stream, chunks=(1, 2, 7, 3, 4))
    image = assemble_data(lazy, GEOMETRY, axes="stream")
    same(image, assemble_data(data, GEOMETRY))
    assert image.data.chunks[:2] == ((1, 1), (4, 3))
    modules = {m: da.from_array(stream[:, m], chunks=(2, 5, 8, 3)) for m in (2, 0)}
    expected = assemble_data({m: stream[:, m] for m in (0, 2)}, GEOMETRY, axes="stream")
    same(assemble_data(modules, GEOMETRY, axes="stream"), expected)


def test_modules_of_their_own():
    data = numbers(7, *SHAPE, dtype="u2")
    lazy = {m: da.from_array(data[:, m], chunks=(n, 5, 4)) for m, n in ((2, 3), (0, 2))}
    expected = assemble_data({m: data[:, m] for m in (0, 2)}, GEOMETRY)
    same(assemble_data(lazy, GEOMETRY), expected)
    same(assemble_data([lazy[0], None, lazy[2]], GEOMETRY), expected)
    same(assemble_data({0: data[:, 0], 2: lazy[2]}, GEOMETRY), expected)


@pytest.mark.parametrize("name", ["pnCCD", "ePix100", "JUNGFRAU-500K"])
def test_other_stored_forms(name):
    geometry = geomlib.example_geometry(name)
    modules, ss, fs = geometry.data_shape
    extra = geometry.detector.calibration_rows
    data = numbers(2, modules * ss + 2 * extra, fs, dtype="u2")
    lazy = da.from_array(data, chunks=(1, 300, 200))
    same(assemble_data(lazy, geometry), assemble_data(data, geometry))


@pytest.mark.parametrize("labels", [[2, 0], [0, 1, 2], [1]])
def test_labelled_arrays(labels):
    data = numbers(len(labels), 7, 8, 10)
    dims = ("module", "train_pulse", "slow_scan", "fast_scan")
    lazy = xarray.DataArray(
        da.from_array(data, chunks=(1, 3, 4, 10)), dims=dims, coords={"module": labels}
    )
    expected = assemble_data(dict(zip(labels, data, strict=True)), GEOMETRY)
    same(assemble_data(lazy, GEOMETRY), expected)
    plain = xarray.DataArray(da.from_array(numbers(4, *SHAPE), chunks=(3, 1, 8, 10)))
    same(assemble_data(plain, GEOMETRY), assemble_data(numbers(4, *SHAPE), GEOMETRY))


# -- Options with frames ----------------------------------------------------------------


MASKS = {
    "static": lambda a: a[0],
    "module": lambda a: a[0, 1:2],
    "frames": lambda a: a,
    "each frame": lambda a: a[:, :1, :1, :1],
}


@pytest.mark.parametrize("which", MASKS)
@pytest.mark.parametrize("lazy", [True, False])
def test_masks(which, lazy):
    data = numbers(9, *SHAPE)
    mask = MASKS[which](numbers(9, *SHAPE, seed=3) < 50)
    given = da.from_array(mask, chunks=2) if lazy else mask
    source = da.from_array(data, chunks=(4, 2, 8, 10))
    same(assemble_data(source, GEOMETRY, mask=given), assemble_data(data, GEOMETRY, mask=mask))


@pytest.mark.parametrize("reduce", [None, "mean", "std", "max"])
@pytest.mark.parametrize("lazy", [True, False])
def test_treatments(lazy, reduce):
    data = numbers(9, *SHAPE, dtype="u2")
    options = {
        "mask": numbers(9, *SHAPE, dtype="i4", seed=3),
        "mask_bits": 64,
        "dark": numbers(1, 3, 1, 1, seed=4),
        "gain": numbers(9, *SHAPE, seed=5),
        "present": numbers(9, 3, seed=6) < 150,
    }
    expected = assemble_data(data, GEOMETRY, reduce=reduce, **options)
    given = {
        k: da.from_array(v, chunks=2) if lazy and np.ndim(v) else v for k, v in options.items()
    }
    source = da.from_array(data, chunks=(4, 2, 8, 10))
    image = assemble_data(source, GEOMETRY, reduce=reduce, **given)
    assert isinstance(image.data, da.Array)
    assert image.data.dtype == expected.data.dtype
    # Of numbers up to 200 · 200 in float32.
    np.testing.assert_allclose(image.data.compute(), expected.data, rtol=1e-6, atol=0.02)


@pytest.mark.parametrize("reduce", [None, "mean", "min"])
def test_fill_of_pixels_without_a_value(reduce):
    data = numbers(9, *SHAPE)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[1, 2, 3] = True
    options = {"mask": mask, "fill": -5, "reduce": reduce}
    lazy = da.from_array(data, chunks=(4, 2, 8, 10))
    same(assemble_data(lazy, GEOMETRY, **options), assemble_data(data, GEOMETRY, **options))


@pytest.mark.parametrize("planned", [True, False])
def test_true_shapes(planned):
    geometry = GEOMETRY.rotate((0, 0, 5))
    data = numbers(7, *SHAPE)
    options = {"method": "split", "values": "counts"}
    options["plan" if planned else "oversample"] = geomlib.split_plan(geometry) if planned else 2
    lazy = da.from_array(data, chunks=(4, 2, 8, 10))
    same(assemble_data(lazy, geometry, **options), assemble_data(data, geometry, **options))


# -- Lazy -------------------------------------------------------------------------------


def test_nothing_is_computed_before_it_is_asked_for():
    bad = never((6, *SHAPE), (6, 3, 8, 10), "?")
    for options in ({}, {"mask": bad}, {"reduce": "mean"}, {"binning": 2}, {"axes": None}):
        image = assemble_data(never(), GEOMETRY, **options)
        assert isinstance(image, AssembledImage)
        assert repr(image).startswith("<AssembledImage generic:")
        with pytest.raises(AssertionError, match="this was computed"):
            image.compute()


def test_only_what_is_shown_is_computed(tmp_path):
    data = numbers(6, *SHAPE)
    seen = []

    def watch(block, block_info=None):
        if block_info:
            seen.append(block_info[0]["chunk-location"][0])
        return block

    lazy = da.from_array(data, chunks=(1, 3, 8, 10)).map_blocks(watch, dtype="f4", meta=data[:0])
    image = assemble_data(lazy, GEOMETRY)
    seen.clear()
    plain = assemble_data(data, GEOMETRY)
    image.save_png(tmp_path / "a.png", frame=4)
    plain.save_png(tmp_path / "b.png", frame=4)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert seen == [4]
    image.plot(frame=2)
    assert seen == [4, 2]
    assert image._repr_png_() == plain._repr_png_()
    assert seen == [4, 2, 0]


def test_compute():
    data = numbers(4, *SHAPE)
    image = assemble_data(da.from_array(data, chunks=2), GEOMETRY, centred=True)
    computed = image.compute()
    assert isinstance(computed.data, np.ndarray)
    assert computed.compute() is computed
    np.testing.assert_array_equal(computed.data, assemble_data(data, GEOMETRY, centred=True).data)
    np.testing.assert_array_equal(computed.centre, image.centre)
    np.testing.assert_array_equal(np.asarray(image), computed.data)


def test_tasks_travel_by_pickle_and_start_no_thread():
    image = assemble_data(da.from_array(numbers(4, *SHAPE), chunks=2), GEOMETRY)
    again = pickle.loads(pickle.dumps(image.data))
    before = threading.active_count()
    np.testing.assert_array_equal(again.compute(), image.data.compute())
    assert threading.active_count() == before


def test_on_threads_of_dask():
    data = numbers(40, *SHAPE)
    image = assemble_data(da.from_array(data, chunks=(3, 1, 8, 10)), GEOMETRY)
    with dask.config.set(scheduler="threads", num_workers=4):
        np.testing.assert_array_equal(image.data.compute(), assemble_data(data, GEOMETRY).data)


@pytest.mark.parametrize("options", [{}, {"reduce": "max"}])
def test_images_into_a_dataset_or_array(tmp_path, options):
    data = numbers(7, *SHAPE, dtype="u2")
    expected = assemble_data(data, GEOMETRY, dtype="f4", **options)
    lazy = da.from_array(data, chunks=(3, 1, 8, 10))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for out in (
            np.zeros(expected.shape, "f4"),
            file.create_dataset("out", expected.shape, "f4"),
        ):
            image = assemble_data(lazy, GEOMETRY, out=out, **options)
            assert image.data is out
            np.testing.assert_array_equal(out[...], expected.data)
        with pytest.raises(GeometryError, match=r"out must have the shape .*28, 10\), not \(2,"):
            assemble_data(lazy, GEOMETRY, out=np.zeros((2, 1, 1)), **options)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (never((6, 2, 8, 10), 2), {}, r"data has shape \(6, 2, 8, 10\)"),
        (never(dtype="S3"), {}, "must be of booleans"),
        ({0: never((6, 8, 9), 2)}, {}, r"data\[0\] has shape \(6, 8, 9\)"),
        ({5: never((6, 8, 10), 2)}, {}, "module numbers from 0 to 2"),
        (never(), {"axes": "strem"}, "axes must be None or 'stream', not 'strem'"),
        (never(), {"out": [1]}, "out must be an array or a dataset, not list"),
        (never(), {"out": np.zeros((6, 28, 10)), "dtype": "f4"}, "contradict each other"),
        (never(), {"method": "snip"}, "method must be"),
        (never(), {"dtype": "i2"}, "without loss"),
        (never(), {"mask": np.zeros((5, *SHAPE), bool)}, "does not broadcast to the frames"),
        (never(), {"reduce": "median"}, "reduce must be one of"),
        (never()[da.zeros(6, chunks=2) > 0], {}, "compute_chunk_sizes"),
        (never(), {"axes": "stream"}, r"data has shape|needs \(…"),
    ],
)
def test_what_is_wrong_is_said_at_once(data, options, message):
    with pytest.raises(GeometryError, match=message):
        assemble_data(data, GEOMETRY, **options)


@pytest.mark.parametrize("how", REDUCTIONS)
@pytest.mark.parametrize(("frames", "chunks"), [c for c in CHUNKS if c[0] != (0,)])
def test_reductions(how, frames, chunks):
    data = numbers(*frames, *SHAPE)
    data[data < 40] = np.nan
    image = assemble_data(da.from_array(data, chunks=chunks), GEOMETRY, reduce=how)
    expected = assemble_data(data, GEOMETRY, reduce=how)
    assert isinstance(image.data, da.Array)
    assert image.data.dtype == expected.data.dtype
    np.testing.assert_allclose(image.data.compute(), expected.data, rtol=3e-7, atol=1e-5)
