"""Forms of data in memory: memory layouts, lists of modules, EXtra-data's views and key data."""

import numpy as np
import pytest
import xarray
from extra_data.components import AGIPD500K
from extra_data.stacking import stack_detector_data

import geomlib
from geomlib import GeometryError, assemble_data
from geomlib.assembly.inputs import as_stack
from geomlib.detectors import generic
from geomlib.errors import GeometryWarning

#: Three modules one above the other, 2 pixels apart.
GEOMETRY = generic([(0, 0), (0, 1e-2), (0, 2e-2)], (8, 10), 1e-3)
SHAPE = GEOMETRY.data_shape


def numbers(*shape, dtype="f4"):
    return np.random.default_rng(7).integers(1, 200, shape).astype(dtype)


def same(result, expected):
    """The same pixels and the same dtype."""
    assert result.data.dtype == expected.data.dtype
    np.testing.assert_array_equal(np.asarray(result.data), np.asarray(expected.data))


# -- Memory layouts ---------------------------------------------------------------------


def memory_map(array, folder):
    np.save(folder / "a.npy", array)
    return np.load(folder / "a.npy", mmap_mode="r")


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "arrange",
    [
        lambda a, _: np.asfortranarray(a),
        lambda a, _: np.repeat(a, 3, axis=1)[:, ::3],
        lambda a, _: np.ascontiguousarray(a.T).T,
        lambda a, _: a.astype(a.dtype.newbyteorder(">")),
        lambda a, _: read_only(a),
        memory_map,
        lambda a, _: list(a),
        lambda a, _: a.tolist(),
    ],
    ids=["fortran", "strided", "reversed", "big-endian", "read-only", "mapped", "list", "nested"],
)
@pytest.mark.parametrize("shape", [(5, *SHAPE), (2, 5, *SHAPE)])
def test_memory_layouts(arrange, shape, tmp_path):
    data = numbers(*shape, dtype="f8")
    before = data.copy()
    same(assemble_data(arrange(data, tmp_path), GEOMETRY), assemble_data(data, GEOMETRY))
    np.testing.assert_array_equal(data, before)


def test_layouts_that_need_no_copy_are_not_copied():
    data = numbers(2, 5, *SHAPE)
    for view in (data, data[:, ::2], np.asfortranarray(data), read_only(data)):
        ((array, _),) = as_stack(view, GEOMETRY.detector).parts
        assert np.shares_memory(array, view)
    modules = [data[:, :, m] for m in range(3)]
    for (array, _), module in zip(as_stack(modules, GEOMETRY.detector).parts, modules, strict=True):
        assert np.shares_memory(array, module)


# -- Lists with an array for each module ------------------------------------------------


@pytest.mark.parametrize("frames", [(), (1,), (5,), (2, 5)])
@pytest.mark.parametrize("kind", [list, tuple])
def test_list_of_modules(frames, kind):
    data = numbers(*frames, *SHAPE)
    same(
        assemble_data(kind(data[..., m, :, :] for m in range(3)), GEOMETRY),
        assemble_data(data, GEOMETRY),
    )


def test_none_is_a_missing_module():
    data = numbers(4, *SHAPE, dtype="u2")
    image = assemble_data([data[:, 0], None, data[:, 2]], GEOMETRY)
    same(image, assemble_data({0: data[:, 0], 2: data[:, 2]}, GEOMETRY))
    assert (image.data[:, 10:18] == 0).all()
    filled = assemble_data([None, data[:, 1], None], GEOMETRY, fill=7)
    assert (filled.data[:, :10] == 7).all()


def test_list_of_modules_in_stream_order():
    data = numbers(5, *SHAPE)
    stream = [np.ascontiguousarray(data[:, m].T) for m in range(3)]
    assert stream[0].shape == (10, 8, 5)
    expected = assemble_data(data, GEOMETRY)
    same(assemble_data(stream, GEOMETRY, axes="stream"), expected)
    stream[1] = None
    image = assemble_data(stream, GEOMETRY, axes="stream").data
    np.testing.assert_array_equal(image[:, 20:], expected.data[:, 20:])
    assert np.isnan(image[:, 10:18]).all()


def test_a_list_of_frames_is_a_stack_of_them():
    data = numbers(5, *SHAPE)
    same(assemble_data(list(data), GEOMETRY), assemble_data(data, GEOMETRY))
    same(assemble_data([data, data], GEOMETRY), assemble_data(np.stack([data, data]), GEOMETRY))


def test_as_many_frames_as_modules_is_doubtful():
    data = numbers(3, *SHAPE)
    with pytest.warns(GeometryWarning, match=r"3 times all modules.*pass a dict"):
        image = assemble_data(list(data), GEOMETRY)
    same(image, assemble_data(data, GEOMETRY))


def test_one_module_is_never_a_list_of_modules():
    geometry = geomlib.example_geometry("JUNGFRAU-500K")
    data = numbers(2, *geometry.data_shape[1:])
    same(assemble_data([data[0]], geometry), assemble_data(data[0], geometry))
    assert assemble_data([data], geometry).shape[:-2] == (1, 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([np.zeros((8, 10)), None], "2 entries, some of them None; .* entry for each of the 3 mod"),
        ([None, None, None], "3 entries, all of them None"),
        ([np.zeros((8, 10)), None, np.zeros((8, 9))], r"data\[2\] has shape \(8, 9\)"),
        ([np.zeros((5, 8, 10)), None, np.zeros((4, 8, 10))], r"data\[2\] has float64 frames \(4,"),
        ([np.zeros((8, 10)), np.zeros((8, 10))], r"data has shape \(2, 8, 10\)"),
        ([np.zeros((8, 9))] * 3, r"data has shape \(3, 8, 9\)"),
        ([np.zeros((8, 10)), np.zeros((8, 9)), np.zeros((8, 10))], "no array of numbers"),
    ],
)
def test_lists_that_do_not_fit(data, message):
    with pytest.raises(GeometryError, match=message):
        assemble_data(data, GEOMETRY)


# -- EXtra-data -------------------------------------------------------------------------


def train(data, missing=(), key="image.data"):
    """A train as EXtra-data gives it: {source: {key: array}}."""
    modules = (m for m in range(data.shape[-3]) if m not in missing)
    return {f"X_DET/DET/{m}CH0:xtdf": {key: data[..., m, :, :]} for m in modules}


def view_of(data, **options):
    options = {"real_array": False, "modules": SHAPE[0]} | options
    return stack_detector_data(train(data, options.pop("missing", ())), "image.data", **options)


@pytest.mark.parametrize("dtype", ["f4", "u2"])
@pytest.mark.parametrize("missing", [(), (1,), (0, 2)])
def test_stack_view(dtype, missing):
    data = numbers(5, *SHAPE, dtype=dtype)
    expected = {m: data[:, m] for m in range(3) if m not in missing}
    view = view_of(data, missing=missing)
    same(assemble_data(view, GEOMETRY), assemble_data(expected, GEOMETRY))
    filled = assemble_data(view, GEOMETRY, fill=9)
    same(filled, assemble_data(expected, GEOMETRY, fill=9))
    assert assemble_data(view[0], GEOMETRY).shape == filled.shape[1:]


def test_modules_of_a_stack_view_are_not_copied():
    data = numbers(5, *SHAPE)
    stack = as_stack(view_of(data, missing=(1,)), GEOMETRY.detector)
    assert [n for _, n in stack.parts] == [(0,), (2,)]
    assert all(np.shares_memory(array, data) for array, _ in stack.parts)


def test_stack_view_in_stream_order():
    data = numbers(5, *SHAPE)
    trains = {s: {k: a.T for k, a in v.items()} for s, v in train(data, (1,)).items()}
    view = stack_detector_data(trains, "image.data", axis=0, modules=3, real_array=False)
    assert view.shape == (3, 10, 8, 5)
    expected = assemble_data({0: data[:, 0], 2: data[:, 2]}, GEOMETRY)
    same(assemble_data(view, GEOMETRY, axes="stream"), expected)


def test_stack_view_that_does_not_fit():
    with pytest.raises(GeometryError, match=r"data has shape \(5, 4, 8, 10\)"):
        assemble_data(view_of(numbers(5, *SHAPE), modules=4), GEOMETRY)


def test_labelled_array_of_extra_data(agipd_run):
    geometry, data, _, run = agipd_run
    labelled = AGIPD500K(run, min_modules=1)["image.data"].xarray()
    assert isinstance(labelled, xarray.DataArray)
    image = assemble_data(labelled, geometry)
    assert image.shape[:-2] == (6,)
    expected = data.copy()
    expected[:3, 5] = expected[3:, 2] = np.nan
    same(image, assemble_data(expected, geometry))
