"""Reductions of frames from anywhere: the same image, also where there is nothing to reduce."""

import dask
import dask.array as da
import numpy as np
import pytest

from geomlib import GeometryError, assemble_data
from geomlib.assembly.block_reduction import BlockReduction
from geomlib.assembly.inputs import as_stack
from geomlib.assembly.treatment import Treatment
from geomlib.data import assemble_reduced, open_frames
from geomlib.detectors import generic

#: Three modules one above the other, 2 pixels apart.
GEOMETRY = generic([(0, 0), (0, 1e-2), (0, 2e-2)], (8, 10), 1e-3)
SHAPE = GEOMETRY.data_shape
NONE = np.zeros((4, 3), dtype=bool)


class Stored:
    """What stored arrays have in common."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, index):
        return self.array[index]


SOURCES = {
    "array": np.asarray,
    "dict": lambda data: {m: data[:, m] for m in range(3)},
    "stored": Stored,
    "dask": lambda data: da.from_array(data, chunks=(3, 2, -1, -1)),
}


@pytest.fixture(params=SOURCES)
def source(request):
    """A way to hand data over; tasks of dask run in this thread."""
    with dask.config.set(scheduler="synchronous"):
        yield SOURCES[request.param]


@pytest.mark.parametrize(
    ("options", "dtype", "value"),
    [
        ({"reduce": "sum", "fill": 99}, "u8", 99),
        ({"reduce": "max", "fill": 99}, "u2", 99),
        ({"reduce": "min"}, "u2", 0),
        ({"reduce": "sum", "dtype": "f8"}, "f8", np.nan),
        ({"reduce": "max", "binning": 2}, "f4", np.nan),
        ({"reduce": "max", "binning": 2, "fill": 5}, "f4", 5),
        ({"reduce": "sum", "method": "split"}, "f8", np.nan),
        ({"reduce": "mean", "fill": -1}, "f4", -1),
        ({"reduce": "std", "method": "nearest"}, "f4", np.nan),
    ],
)
def test_without_any_module_all_is_gap(source, options, dtype, value):
    data = np.full((4, *SHAPE), 5, "u2")
    found = assemble_data(source(data), GEOMETRY, present=NONE, **options)
    pixels = np.asarray(found.data)
    assert pixels.dtype == dtype
    np.testing.assert_array_equal(pixels, np.full_like(pixels, value))


@pytest.mark.parametrize("options", [{}, {"binning": 2}, {"method": "split"}, {"dtype": "f8"}])
def test_pixels_without_a_value_are_filled_alike(source, options):
    data = np.ones((4, *SHAPE), "f4")
    data[:, 1, 2:4, 2:6] = np.nan
    image = assemble_data(source(data), GEOMETRY, reduce="mean", fill=0.1, **options)
    pixels = np.asarray(image.data)
    # One value in gaps and in pixels without data, and nothing of it in what is mixed.
    fill = pixels.dtype.type(0.1)
    assert set(np.unique(pixels)) == {fill, 1}
    side = options.get("binning", 1)
    assert (pixels[12 // side : 14 // side, 2 // side : 6 // side] == fill).all()


def test_a_fill_value_need_not_fit_the_reduction(source):
    data = np.full((2, *SHAPE), np.nan, "f4")
    image = assemble_data(source(data), GEOMETRY, reduce="max", fill=1e300, dtype="f8")
    assert (np.asarray(image.data) == 1e300).all()


def test_an_out_with_frames_does_not_go_with_a_reduction(source):
    out = np.zeros((4, 28, 10), "f4")
    with pytest.raises(GeometryError, match=r"\(4, 28, 10\); reduce takes the axes of frames away"):
        assemble_data(source(np.ones((4, *SHAPE), "f4")), GEOMETRY, reduce="mean", out=out)


def test_an_out_with_frames_is_refused_before_anything_is_read():
    class Untouched(Stored):
        def __getitem__(self, index):
            raise AssertionError("this was read")

    out = Stored(np.zeros((4, 28, 10), "f4"))
    out.__class__.__setitem__ = lambda self, index, value: None
    data = Untouched(np.ones((4, *SHAPE), "f4"))
    with pytest.raises(GeometryError, match="reduce takes the axes of frames away"):
        assemble_data(data, GEOMETRY, reduce="mean", out=out)


def test_dark_frames_lose_no_digits(source):
    data = np.full((2, *SHAPE), 2**24 + 1, "i4")
    for reduce in (None, "mean"):
        image = assemble_data(source(data), GEOMETRY, dark=2**24, dtype="f4", reduce=reduce)
        assert image.data.dtype == np.float32
        assert np.nanmax(np.asarray(image.data)) == 1


def test_dark_frames_lose_no_digits_in_true_shapes():
    for dtype in ("i4", "f8"):
        data = np.full(SHAPE, 2**24 + 1, dtype)
        image = assemble_data(data, GEOMETRY, method="split", dark=2**24, dtype="f4")
        assert image.data.dtype == np.float32
        np.testing.assert_allclose(np.nanmax(image.data), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "value"), [("i8", 2**62), ("i8", -(2**62)), ("u8", 2**63 + 2**20)]
)
def test_means_of_wide_integers_do_not_overflow(source, dtype, value):
    data = np.full((5, *SHAPE), value, dtype)
    mean = np.asarray(assemble_data(source(data), GEOMETRY, reduce="mean").data)
    np.testing.assert_allclose(mean[np.isfinite(mean)], float(value), rtol=1e-15)


def test_sums_of_wide_integers_stay_exact(source):
    data = np.full((3, *SHAPE), 2**53 + 1, "i8")
    image = np.asarray(assemble_data(source(data), GEOMETRY, reduce="sum").data)
    assert image.dtype == np.int64
    assert image.max() == 3 * (2**53 + 1)


@pytest.mark.parametrize("how", ["mean", "sum", "max", "min", "std"])
@pytest.mark.parametrize(
    "options", [{}, {"fill": 3}, {"fill": 3, "binning": 2}, {"method": "split"}]
)
def test_frames_of_files_make_the_same_image(tmp_path, how, options):
    data = np.random.default_rng(0).integers(1, 9, (5, *SHAPE)).astype("f4")
    data[:, 0, 1, 1] = np.nan
    np.save(tmp_path / "a.npy", data)
    frames = open_frames(tmp_path / "a.npy", GEOMETRY)
    done = []
    found = assemble_reduced(
        frames, GEOMETRY, how, [3, 1, 4], max_bytes=1, progress=done.append, **options
    )
    assert done == [1, 1, 1]
    expected = assemble_data(data[[3, 1, 4]], GEOMETRY, reduce=how, **options)
    assert found.data.dtype == expected.data.dtype
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-6)


def test_what_was_there_in_any_block():
    reduction = BlockReduction("max", 3)
    stack = as_stack(np.full((2, *SHAPE), 7, "u2"), GEOMETRY.detector)
    with pytest.raises(GeometryError, match="no frames to reduce"):
        reduction.result()
    reduction.add(stack, Treatment(present=np.array([[True, False, False], [False] * 3])))
    assert reduction.present.tolist() == [True, False, False]
    other = BlockReduction("max", 3)
    other.add(stack, Treatment(present=np.array([[False, False, True]])))
    both = reduction.merge(other)
    assert both.present.tolist() == [True, False, True]
    image = both.assemble(GEOMETRY, {"fill": 1}).data
    assert [image[y, 0] for y in (0, 10, 20)] == [7, 1, 7]
    reduction.add(stack)
    assert reduction.present.all()
