"""Mask, dark, gain and present in the forms that data may have."""

from functools import partial

import dask.array as da
import h5py
import numpy as np
import pytest
import xarray
from extra_data.components import AGIPD500K
from extra_data.stacking import StackView

from geomlib import GeometryError, assemble_data
from geomlib.assembly import sources
from geomlib.detectors import generic

#: Three modules one above the other, 2 pixels apart.
GEOMETRY = generic([(0, 0), (0, 1e-2), (0, 2e-2)], (8, 10), 1e-3)
SHAPE = GEOMETRY.data_shape
#: As many frames as modules: only names can tell the axes.
FRAMES = np.random.default_rng(1).integers(1, 200, (3, *SHAPE)).astype("f4")
MASK = np.random.default_rng(2).random((3, *SHAPE)) < 0.3
DARK = np.random.default_rng(3).integers(1, 9, (3, *SHAPE)).astype("f4")
DIMS = ("trainId", "module", "slow_scan", "fast_scan")


def labelled(array, modules=(0, 1, 2), dims=DIMS, **coords):
    return xarray.DataArray(array, dims=dims, coords={"module": list(modules), **coords})


def same(found, **options):
    expected = assemble_data(FRAMES, GEOMETRY, **options)
    np.testing.assert_array_equal(np.asarray(found.data), expected.data)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of two frames."""
    monkeypatch.setattr(sources, "BLOCK_BYTES", 2 * FRAMES[0].nbytes)


@pytest.fixture(params=["memory", "labelled", "modules", "dask", "stored"])
def data(request, tmp_path):
    if request.param == "stored":
        with h5py.File(tmp_path / "data.h5", "w") as file:
            yield file.create_dataset("data", data=FRAMES)
    else:
        yield {
            "memory": FRAMES,
            "labelled": labelled(FRAMES),
            "modules": {n: FRAMES[:, n] for n in range(3)},
            "dask": da.from_array(FRAMES, chunks=2),
        }[request.param]


@pytest.mark.parametrize("lazy", [False, True])
def test_labelled_options_go_by_the_names_of_their_axes(data, lazy):
    order = [2, 0, 1]
    for name, array in (("mask", MASK), ("dark", DARK), ("gain", DARK)):
        given = labelled(array[:, order], order).transpose("module", "trainId", ...)
        given = given.chunk({"trainId": 1}) if lazy else given
        same(assemble_data(data, GEOMETRY, **{name: given}), **{name: array})
    there = np.array([[True, False, True], [True, True, False], [False, True, True]])
    given = labelled(there[:, order], order, DIMS[:2]).transpose()
    same(assemble_data(data, GEOMETRY, present=given), present=there)


@pytest.mark.parametrize("reduce", [None, "sum"])
@pytest.mark.parametrize(
    "form",
    [
        lambda a: {2: a[:, 2], 0: a[:, 0]},
        lambda a: [a[:, 0], None, a[:, 2]],
        lambda a: {n: da.from_array(a[:, n], chunks=1) for n in (2, 0)},
        lambda a: labelled(a[:, [2, 0]], [2, 0]),
        lambda a: labelled(da.from_array(a[:, [2, 0]]), [2, 0]),
        lambda a: StackView({0: a[:, 0], 2: a[:, 2]}, 3, a[:, 0].shape, a.dtype, 0, 1),
    ],
)
def test_modules_of_which_an_option_says_nothing(data, form, reduce):
    mask, dark, gain = MASK.copy(), DARK.copy(), DARK.copy()
    mask[:, 1], dark[:, 1], gain[:, 1] = False, 0, 1
    given = {"mask": form(MASK), "dark": form(DARK), "gain": form(DARK)}
    found = assemble_data(data, GEOMETRY, reduce=reduce, **given)
    expected = assemble_data(FRAMES, GEOMETRY, reduce=reduce, mask=mask, dark=dark, gain=gain)
    np.testing.assert_allclose(np.asarray(found.data), expected.data, rtol=1e-6)


def test_present_for_some_modules(data):
    same(assemble_data(data, GEOMETRY, present={1: False}), present=np.array([True, False, True]))
    rows = np.array([True, False, True])
    there = np.stack([rows, [True] * 3, ~rows], axis=1)
    same(assemble_data(data, GEOMETRY, present={0: rows, 2: ~rows}), present=there)


def test_one_number_a_module(data):
    dark = np.array([5, 0, 7.0])
    for given in ({0: 5, 2: 7.0}, xarray.DataArray([7.0, 5], {"module": [2, 0]}, ["module"])):
        same(assemble_data(data, GEOMETRY, dark=given), dark=dark[:, None, None])


def test_options_stored_module_by_module(data, tmp_path):
    with h5py.File(tmp_path / "options.h5", "w") as file:
        sets = {n: file.create_dataset(f"m{n}", data=MASK[:, n]) for n in (0, 2)}
        mask = MASK.copy()
        mask[:, 1] = False
        same(assemble_data(data, GEOMETRY, mask=sets), mask=mask)
        still = {0: file.create_dataset("d", data=DARK[0, 0])}
        dark = np.zeros(SHAPE)
        dark[0] = DARK[0, 0]
        same(assemble_data(data, GEOMETRY, dark=still), dark=dark)


def test_frames_by_name():
    data = labelled(FRAMES[np.newaxis], dims=("run", *DIMS))
    per_run = labelled(DARK[:1], dims=("run", *DIMS[1:]))
    found = assemble_data(data, GEOMETRY, dark=per_run)
    same(type(found)(found.data[0], found.centre, found.pixel_size, GEOMETRY), dark=DARK[0])
    both = np.stack([FRAMES, FRAMES + 1, FRAMES - 1])
    data = labelled(both, dims=("run", *DIMS))
    found = assemble_data(data, GEOMETRY, dark=labelled(DARK, dims=("run", *DIMS[1:])))
    expected = assemble_data(both, GEOMETRY, dark=DARK[:, np.newaxis])
    np.testing.assert_array_equal(found.data, expected.data)


def test_other_frames_are_refused():
    data = labelled(FRAMES, trainId=[10, 11, 12])
    with pytest.raises(GeometryError, match="mask has other labels along 'trainId' than data"):
        assemble_data(data, GEOMETRY, mask=labelled(MASK, trainId=[11, 12, 13]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": labelled(MASK, [1, 2, 3])}, "module labels of mask are"),
        ({"dark": labelled(DARK).transpose(*DIMS[:2], *DIMS[:1:-1])}, "dark has the dimensions"),
        ({"gain": {}}, "gain is an empty dict"),
        ({"gain": {3: 1.0}}, "gain has the key 3; keys are module numbers"),
        ({"dark": {0: DARK[0, 0, :-1]}}, r"dark\[0\] has shape \(7, 10\)"),
        ({"dark": {0: DARK[:, 0], 1: DARK[:2, 1]}}, "all must have the same frames"),
        ({"mask": [None] * 3}, "mask is a list of 3 entries, all of them None"),
        ({"dark": np.zeros(3)}, r"dark\[:, None, None\]"),
        ({"mask": np.zeros((40, 30), bool)}, "dismantle_mask"),
        ({"mask": assemble_data(FRAMES, GEOMETRY)}, r"mask is an image: dismantle_mask\(mask, geo"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(GeometryError, match=message):
        assemble_data(FRAMES, GEOMETRY, **options)


def test_unknown_shapes(data):
    array = da.from_array(DARK, chunks=1)
    rows = array.sum(axis=(1, 2, 3)) > 0
    for dark in (array[rows], {0: array[:, 0][rows]}):
        with pytest.raises(GeometryError, match=r"unknown shape .* compute_chunk_sizes"):
            assemble_data(data, GEOMETRY, dark=dark)


@pytest.mark.parametrize("reduce", [None, "mean"])
def test_key_data(agipd_run, reduce):
    geometry, data, present, run = agipd_run
    key = AGIPD500K(run, min_modules=1)["image.data"]
    assemble = partial(assemble_data, geometry=geometry, reduce=reduce)
    dark = np.where(present[:, :, None, None], data, 0)
    expected = assemble(data, dark=dark, present=present)
    for given in (key, key.xarray(), key.dask_array(labelled=True)):
        for option in (key, key.xarray(fill_value=0), key.dask_array(labelled=True, fill_value=0)):
            found = assemble(given, dark=option, present=present)
            np.testing.assert_array_equal(np.asarray(found.data), expected.data)
    with pytest.raises(GeometryError, match="dark has its frames in other trains than data"):
        assemble(key, dark=key.select_trains(np.s_[:1]))
