"""Data that is not in memory: the same images as of data that is, read a block at a time."""

import threading

import dask.array as da
import h5py
import numpy as np
import pytest

import geomlib
from geomlib import GeometryError, assemble_data
from geomlib.assembly import sources
from geomlib.assembly.sources import as_source, is_lazy, is_stored
from geomlib.detectors import generic

#: Three modules one above the other, 2 pixels apart.
GEOMETRY = generic([(0, 0), (0, 1e-2), (0, 2e-2)], (8, 10), 1e-3)
SHAPE = GEOMETRY.data_shape
FRAME = 3 * 8 * 10 * 4
REDUCTIONS = ("mean", "sum", "max", "min", "std")


def numbers(*shape, dtype="f4", seed=7):
    return np.random.default_rng(seed).integers(1, 200, shape).astype(dtype)


def same(result, expected):
    """The same pixels and the same dtype."""
    assert result.data.dtype == expected.data.dtype
    np.testing.assert_array_equal(np.asarray(result.data), np.asarray(expected.data))
    np.testing.assert_array_equal(result.centre, expected.centre)
    assert result.pixel_size == expected.pixel_size


class Recorder:
    """What zarr arrays and h5py datasets have in common; remembers what was read."""

    def __init__(self, array, chunks=None):
        self.array, self.chunks, self.reads = array, chunks, []
        self.shape, self.dtype = array.shape, array.dtype
        self.threads = set()

    def __getitem__(self, index):
        found = self.array[index]
        self.reads.append(found.nbytes)
        self.threads.add(threading.current_thread().name)
        return found

    def __setitem__(self, index, values):
        self.array[index] = values
        self.reads.append(np.asarray(values).nbytes)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of three frames."""
    monkeypatch.setattr(sources, "BLOCK_BYTES", 3 * FRAME)


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        yield file


# -- Which data is read block by block --------------------------------------------------


def test_what_is_lazy(file, monkeypatch):
    data = numbers(4, *SHAPE)
    stored = file.create_dataset("data", data=data)
    for lazy in (stored, {0: stored}, [stored, None, stored], Recorder(data)):
        assert is_lazy(lazy)
    for plain in (
        data,
        data.tolist(),
        {0: data[:, 0]},
        list(data),
        None,
        3,
        "abc",
        np.ma.array(data),
    ):
        assert not is_lazy(plain)
    assert is_lazy(data, stored)
    assert not is_lazy(data, data)
    assert not is_lazy(data, [1])


def test_large_foreign_arrays_are_converted_block_by_block(monkeypatch):
    monkeypatch.setattr(sources, "BLOCK_BYTES", 3 * FRAME)
    data = numbers(7, *SHAPE)
    assert not is_stored(data)
    for foreign in (data.astype(">f4"), np.repeat(data, 2, axis=0).astype("f2")):
        assert is_stored(foreign)
        assert not is_stored(foreign[:1])
    same(assemble_data(data.astype(">f4"), GEOMETRY), assemble_data(data, GEOMETRY))
    same(
        assemble_data(data.astype(">f4"), GEOMETRY, reduce="max"),
        assemble_data(data, GEOMETRY, reduce="max"),
    )
    half = np.repeat(data, 2, axis=0).astype("f2")
    image = assemble_data(half, GEOMETRY, dtype="f4")
    same(image, assemble_data(half.astype("f4"), GEOMETRY))


# -- Datasets ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [
        ((11,), None),
        ((11,), (1, 3, 8, 10)),
        ((11,), (2, 3, 8, 10)),
        ((11,), (5, 1, 3, 4)),
        ((4, 5), (1, 2, 3, 8, 10)),
        ((2, 3, 4), None),
        ((), None),
        ((0,), None),
    ],
)
@pytest.mark.parametrize("method", ["snap", "nearest"])
def test_datasets(file, small_blocks, shape, chunks, method):
    data = numbers(*shape, *SHAPE)
    stored = file.create_dataset("data", data=data, chunks=chunks)
    same(
        assemble_data(stored, GEOMETRY, method=method), assemble_data(data, GEOMETRY, method=method)
    )


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "f4"},
        {"fill": 7},
        {"centred": True},
        {"region": np.s_[3:17, 2:]},
        {"binning": 2},
        {"binning": 3, "fill": 0.5},
        {"threads": 1},
        {"threads": 2},
    ],
)
@pytest.mark.parametrize("dtype", ["u2", ">f4"])
def test_options(file, small_blocks, options, dtype):
    data = numbers(8, *SHAPE, dtype=dtype)
    stored = file.create_dataset("data", data=data, compression="gzip")
    same(assemble_data(stored, GEOMETRY, **options), assemble_data(data, GEOMETRY, **options))


def test_stream_order(file, small_blocks):
    data = numbers(2, 7, *SHAPE)
    stream = np.ascontiguousarray(np.moveaxis(data, (1, 4, 3), (4, 2, 3)))
    assert stream.shape == (2, 3, 10, 8, 7)
    stored = file.create_dataset("data", data=stream, chunks=(1, 3, 10, 8, 2))
    assert as_source(stored, GEOMETRY.detector, "stream").steps == (1, 2)
    same(assemble_data(stored, GEOMETRY, axes="stream"), assemble_data(data, GEOMETRY))
    modules = {m: Recorder(stream[:, m]) for m in (0, 2)}
    expected = assemble_data({m: data[..., m, :, :] for m in (0, 2)}, GEOMETRY)
    same(assemble_data(modules, GEOMETRY, axes="stream"), expected)


@pytest.mark.parametrize("name", ["pnCCD", "ePix100", "JUNGFRAU-500K"])
@pytest.mark.parametrize("frames", [(), (1,), (3,), (2, 2)])
def test_other_stored_forms(monkeypatch, name, frames):
    monkeypatch.setattr(sources, "BLOCK_BYTES", 1)
    geometry = geomlib.example_geometry(name)
    modules, ss, fs = geometry.data_shape
    extra = geometry.detector.calibration_rows
    data = numbers(*frames, modules * ss + 2 * extra, fs, dtype="u2")
    image = assemble_data(Recorder(data), geometry)
    same(image, assemble_data(data, geometry))
    # For a single module (1, ss, fs) means one frame.
    assert image.shape[:-2] == (() if frames == (1,) and modules == 1 else frames)


def test_modules_in_datasets_of_their_own(file, small_blocks):
    data = numbers(9, *SHAPE, dtype="u2")
    stored = {m: file.create_dataset(f"{m}", data=data[:, m], chunks=(2, 8, 10)) for m in (2, 0)}
    expected = assemble_data({m: data[:, m] for m in (0, 2)}, GEOMETRY)
    same(assemble_data(stored, GEOMETRY), expected)
    same(assemble_data([stored[0], None, stored[2]], GEOMETRY), expected)
    mixed = {0: data[:, 0], 2: stored[2]}
    same(assemble_data(mixed, GEOMETRY), expected)


# -- Bounded memory ---------------------------------------------------------------------


def largest(recorder):
    return max(recorder.reads)


@pytest.mark.parametrize("shape", [(50,), (5, 10), (2, 5, 5)])
@pytest.mark.parametrize("reduce", [None, "mean"])
def test_only_blocks_are_read(small_blocks, shape, reduce):
    data = numbers(*shape, *SHAPE)
    source = Recorder(data)
    same(
        assemble_data(source, GEOMETRY, reduce=reduce), assemble_data(data, GEOMETRY, reduce=reduce)
    )
    assert largest(source) <= 3 * FRAME
    assert sum(source.reads) == data.nbytes


def test_frame_by_frame_options_are_read_in_blocks(small_blocks):
    data = numbers(50, *SHAPE)
    bad = numbers(50, *SHAPE) < 20
    mask = Recorder(bad)
    same(
        assemble_data(Recorder(data), GEOMETRY, mask=mask), assemble_data(data, GEOMETRY, mask=bad)
    )
    assert largest(mask) <= 3 * bad[0].size
    assert sum(mask.reads) == bad.nbytes


@pytest.mark.parametrize(
    ("chunk", "expected"),
    [(1, [3, 3, 3, 1]), (2, [2, 2, 2, 2, 2]), (3, [3, 3, 3, 1]), (7, [3, 3, 3, 1])],
)
def test_blocks_are_whole_chunks_where_that_fits(small_blocks, chunk, expected):
    source = as_source(Recorder(numbers(10, *SHAPE), (chunk, 3, 8, 10)), GEOMETRY.detector)
    assert [b[0].stop - b[0].start for b in source.blocks()] == expected


def test_blocks_fit_the_chunks_of_both_files(monkeypatch):
    monkeypatch.setattr(sources, "BLOCK_BYTES", 7 * FRAME)
    source = as_source(Recorder(numbers(14, *SHAPE), (2, 3, 8, 10)), GEOMETRY.detector)
    for chunk, step in ((3, 6), (4, 4), (5, 6)):
        assert source.blocks((chunk, 28, 10))[0] == (slice(0, step),)


def test_blocks_of_several_axes(small_blocks):
    source = as_source(Recorder(numbers(2, 4, *SHAPE)), GEOMETRY.detector)
    assert source.blocks() == [
        (slice(0, 1), slice(0, 3)),
        (slice(0, 1), slice(3, 4)),
        (slice(1, 2), slice(0, 3)),
        (slice(1, 2), slice(3, 4)),
    ]
    source = as_source(Recorder(numbers(5, 1, *SHAPE)), GEOMETRY.detector)
    assert source.blocks() == [(slice(0, 3), slice(0, 1)), (slice(3, 5), slice(0, 1))]


def test_one_thread_reads_in_the_calling_thread(small_blocks):
    data = numbers(9, *SHAPE)
    here = threading.current_thread().name
    for threads, names in ((1, {here}), (2, {"geomlib-read_0"})):
        source = Recorder(data)
        same(assemble_data(source, GEOMETRY, threads=threads), assemble_data(data, GEOMETRY))
        assert source.threads == names
    single = Recorder(data[:3])
    assemble_data(single, GEOMETRY, threads=2)
    assert single.threads == {here}


def test_what_goes_wrong_while_reading_comes_through(small_blocks):
    class Damaged(Recorder):
        def __getitem__(self, index):
            if index[0].start == 3:
                raise OSError("cannot decompress")
            return super().__getitem__(index)

    for threads in (1, 2):
        with pytest.raises(OSError, match="cannot decompress"):
            assemble_data(Damaged(numbers(9, *SHAPE)), GEOMETRY, threads=threads)
    assert not [t for t in threading.enumerate() if t.name.startswith("geomlib-read")]


# -- Treatments that change from frame to frame -----------------------------------------

N = 11
FLAGS = numbers(N, *SHAPE, dtype="u4", seed=5) % 16
TREATMENTS = {
    "static mask": {"mask": FLAGS[0] > 10},
    "mask of frames": {"mask": FLAGS > 10},
    "mask of modules": {"mask": FLAGS[:, :, :1, :1] > 10},
    "joined mask": {"mask": (FLAGS > 10).reshape(N, 24, 10)},
    "bits": {"mask": FLAGS, "mask_bits": 5},
    "dark and gain": {"dark": numbers(N, *SHAPE, seed=2), "gain": np.float32(0.5)},
    "dark of modules": {"dark": numbers(N, 3, 1, 1, seed=2), "gain": numbers(3, 1, 1, seed=3)},
    "present": {"present": FLAGS[:, :, 0, 0] > 4},
    "static present": {"present": np.array([True, False, True])},
    "one present": {"present": FLAGS[:, :1, 0, 0] > 4},
    "all": {
        "mask": FLAGS,
        "mask_bits": 2,
        "dark": numbers(N, *SHAPE, seed=2),
        "gain": numbers(1, 3, 8, 10, seed=3),
        "present": FLAGS[:, :, 0, 0] > 4,
    },
}


def close(result, expected):
    """Reductions add up in another order when they are merged: the last bits may differ."""
    assert result.data.dtype == expected.data.dtype
    found = np.asarray(result.data)
    if found.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected.data)
        return
    # Numbers up to 200 · 200, and N of them: a few units in the last place of the largest.
    atol = np.finfo(found.dtype).eps * 4e4 * 4
    np.testing.assert_allclose(found, expected.data, rtol=4 * np.finfo(found.dtype).eps, atol=atol)


@pytest.mark.parametrize("options", TREATMENTS.values(), ids=TREATMENTS)
@pytest.mark.parametrize(
    ("dtype", "reduce"),
    [("u2", None), ("f4", None), ("u2", "sum"), *(("f4", how) for how in REDUCTIONS)],
)
def test_treatments(small_blocks, options, dtype, reduce):
    data = numbers(N, *SHAPE, dtype=dtype)
    stored = {k: Recorder(v) if np.ndim(v) > 3 else v for k, v in options.items()}
    expected = assemble_data(data, GEOMETRY, reduce=reduce, **options)
    close(assemble_data(Recorder(data), GEOMETRY, reduce=reduce, **stored), expected)
    modules = {m: Recorder(data[:, m]) for m in (2, 0, 1)}
    close(assemble_data(modules, GEOMETRY, reduce=reduce, **stored), expected)


@pytest.mark.parametrize("reduce", [None, "mean"])
def test_treatments_of_several_leading_axes(small_blocks, reduce):
    data = numbers(2, 5, *SHAPE)
    options = {
        "dark": numbers(5, *SHAPE, seed=2),
        "gain": numbers(2, 1, 3, 8, 10, seed=3),
        "present": FLAGS[:10, :, 0, 0].reshape(2, 5, 3) > 4,
    }
    expected = assemble_data(data, GEOMETRY, reduce=reduce, **options)
    close(assemble_data(Recorder(data), GEOMETRY, reduce=reduce, **options), expected)


@pytest.mark.parametrize("reduce", [None, "mean", "max"])
def test_fill_of_pixels_without_a_value(small_blocks, reduce):
    data = numbers(N, *SHAPE)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[1, 2, 3] = True
    options = {"mask": mask, "fill": -5, "reduce": reduce}
    options["present"] = np.array([True, True, False])
    expected = assemble_data(data, GEOMETRY, **options)
    assert (expected.data[..., 12, 3] == -5).all()
    close(assemble_data(Recorder(data), GEOMETRY, **options), expected)


@pytest.mark.parametrize("values", ["intensity", "counts"])
def test_true_shapes(small_blocks, values):
    geometry = GEOMETRY.rotate((0, 0, 5))
    data = numbers(7, *SHAPE)
    options = {"method": "split", "values": values, "oversample": 2, "mask": FLAGS[:7] > 12}
    same(
        assemble_data(Recorder(data), geometry, **options), assemble_data(data, geometry, **options)
    )


# -- Where images go --------------------------------------------------------------------


def test_images_into_an_array(small_blocks):
    data = numbers(8, *SHAPE)
    out = np.full((8, 28, 10), 5, dtype="f8")
    image = assemble_data(Recorder(data), GEOMETRY, out=out)
    assert image.data is out
    same(image, assemble_data(data, GEOMETRY, dtype="f8"))
    assert np.isnan(out[:, 8:10]).all()
    assemble_data(Recorder(data), GEOMETRY, out=out, fill=3)
    assert (out[:, 8:10] == 3).all()
    binned = np.zeros((8, 14, 5), dtype="f4")
    image = assemble_data(Recorder(data), GEOMETRY, out=binned, binning=2)
    assert image.data is binned
    same(image, assemble_data(data, GEOMETRY, binning=2))


@pytest.mark.parametrize("kind", ["array", "modules", "dataset"])
def test_images_into_a_dataset(file, small_blocks, kind):
    data = numbers(8, *SHAPE, dtype="u2")
    given = {
        "array": data,
        "modules": {m: data[:, m] for m in (0, 1, 2)},
        "dataset": Recorder(data),
    }[kind]
    out = file.create_dataset("out", (8, 28, 10), ">f4", chunks=(1, 28, 10))
    image = assemble_data(given, GEOMETRY, out=out)
    assert image.data is out
    np.testing.assert_array_equal(out[:], assemble_data(data, GEOMETRY, dtype="f4").data)
    assert image.compute().data.dtype == np.float32
    assert repr(image).startswith("<AssembledImage")
    recorder = Recorder(np.zeros((8, 28, 10), "u2"))
    assemble_data(given, GEOMETRY, out=recorder)
    assert largest(recorder) <= 6 * 28 * 10 * 2
    np.testing.assert_array_equal(recorder.array, assemble_data(data, GEOMETRY).data)


def test_a_single_or_reduced_image_into_a_dataset(file, small_blocks):
    data = numbers(8, *SHAPE)
    out = file.create_dataset("out", (28, 10), "f4")
    assemble_data(data[0], GEOMETRY, out=out)
    np.testing.assert_array_equal(out[:], assemble_data(data[0], GEOMETRY).data)
    assemble_data(Recorder(data), GEOMETRY, out=out, reduce="mean")
    np.testing.assert_array_equal(out[:], assemble_data(data, GEOMETRY, reduce="mean").data)
    binned = file.create_dataset("binned", (8, 14, 5), "f4")
    assemble_data(Recorder(data), GEOMETRY, out=binned, binning=2)
    np.testing.assert_array_equal(binned[:], assemble_data(data, GEOMETRY, binning=2).data)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda f: f.create_dataset("o", (7, 28, 10), "f4"), {}, r"shape \(8, 28, 10\), not \(7"),
        (lambda f: f.create_dataset("o", (8, 28, 11), "f4"), {}, r"shape \(8, 28, 10\), not \(8,"),
        (lambda f: f.create_dataset("o", (28, 11), "f4"), {"reduce": "max"}, r"shape \(28, 10\)"),
        (lambda f: f.create_dataset("o", (8, 28, 10), "u2"), {}, "uint16 without loss"),
        (lambda f: f.create_dataset("o", (8, 28, 10), "f4"), {"dtype": "f8"}, "contradict"),
        (lambda f: f.create_dataset("o", (8, 28, 10), "S4"), {}, "out must be of"),
        (lambda f: np.zeros((7, 28, 10), "f4"), {}, r"shape \(8, 28, 10\), not \(7"),
        (lambda f: np.zeros((8, 28, 11), "f4"), {}, r"\(3, 28, 10\)"),
        (lambda f: [1, 2], {}, "out must be an array"),
    ],
)
def test_targets_that_do_not_fit(file, small_blocks, make, options, message):
    with pytest.raises(GeometryError, match=message):
        assemble_data(Recorder(numbers(8, *SHAPE)), GEOMETRY, out=make(file), **options)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda f: f.create_dataset("d", (8, 2, 8, 10), "f4"), r"data has shape \(8, 2, 8, 10\)"),
        (lambda f: f.create_dataset("d", (8, *SHAPE), "S4"), "data must be of"),
        (lambda f: f.create_dataset("d", dtype="f4"), "data"),
        (lambda f: {4: f.create_dataset("d", (8, 8, 10), "f4")}, "module numbers from 0 to 2"),
        (lambda f: {0: f.create_dataset("d", (8, 8, 9), "f4")}, r"data\[0\] has shape \(8, 8, 9\)"),
    ],
)
def test_data_that_does_not_fit(file, data, message):
    with pytest.raises(GeometryError, match=message):
        assemble_data(data(file), GEOMETRY)


def test_closed_files(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        stored = file.create_dataset("data", data=numbers(4, *SHAPE))
    for given in ((stored, None), (numbers(4, *SHAPE), stored)):
        with pytest.raises(GeometryError, match=r"dataset (whose file|that is given) is closed"):
            assemble_data(given[0], GEOMETRY, out=given[1])


@pytest.mark.parametrize("shape", [(7, *SHAPE), (2, 1, 1, 1), (9, 24, 10)])
def test_options_that_do_not_fit_the_frames(small_blocks, shape):
    with pytest.raises(GeometryError, match=r"mask has shape .* does not broadcast to the frames"):
        assemble_data(Recorder(numbers(8, *SHAPE)), GEOMETRY, mask=np.zeros(shape, bool))


# -- Detectors of a single module -------------------------------------------------------

SINGLE = generic([(0, 0)], (8, 10), 1e-3)


@pytest.mark.parametrize("reduce", [None, "sum"])
@pytest.mark.parametrize("frames", [(7,), (2, 4), (1, 5)])
@pytest.mark.parametrize("lazy", [Recorder, lambda a: da.from_array(a, chunks=2)])
def test_options_of_each_frame_without_an_axis_of_modules(monkeypatch, frames, lazy, reduce):
    monkeypatch.setattr(sources, "BLOCK_BYTES", 2 * 320)
    data = numbers(*frames, 8, 10)
    options = {
        "mask": numbers(*frames, 8, 10, seed=1) > 150,
        "dark": numbers(*frames[-1:], 1, 8, 10, seed=2),
        "gain": numbers(*frames, 8, 10, seed=3),
    }
    whole = {n: a if n == "dark" else a[..., np.newaxis, :, :] for n, a in options.items()}
    expected = assemble_data(data[..., np.newaxis, :, :], SINGLE, reduce=reduce, **whole)
    close(
        assemble_data(lazy(data[..., np.newaxis, :, :]), SINGLE, reduce=reduce, **options), expected
    )
    close(assemble_data(lazy(data), SINGLE, reduce=reduce, **options), expected)


@pytest.mark.jit
@pytest.mark.parametrize("lazy", [Recorder, lambda a: da.from_array(a, chunks=(2, -1, -1))])
def test_jungfrau_data_with_a_mask_for_each_frame(lazy):
    geometry = geomlib.example_geometry("JUNGFRAU-500K")
    data = numbers(6, 512, 1024)
    mask = numbers(6, 512, 1024, seed=2) > 150
    close(assemble_data(lazy(data), geometry, mask=mask), assemble_data(data, geometry, mask=mask))
