"""Plans in files: they come back the same, and damaged files are refused."""

import h5py
import numpy as np
import pytest

from geomlib import GeometryError, GeometryFileError, check_plan, load_plan, save_plan, split_plan
from tests.assembly.split_images import image_of, small


@pytest.fixture
def geometry():
    return small(angle=7, hexagons=True, offset=(0.2, 0.3))


@pytest.fixture
def path(tmp_path, geometry):
    save_plan(split_plan(geometry), tmp_path / "plan.h5")
    return tmp_path / "plan.h5"


def test_a_plan_comes_back(path, geometry):
    plan, loaded = split_plan(geometry), load_plan(path)
    check_plan(loaded, geometry)
    with pytest.raises(GeometryError, match="another geometry"):
        check_plan(loaded, geometry.offset((1e-9, 0)))
    assert (loaded.grid.shape, loaded.grid.centre) == (plan.grid.shape, plan.grid.centre)
    assert loaded.grid.pixel_size == plan.grid.pixel_size
    data = np.random.default_rng(0).random(geometry.data_shape)
    for values in ("intensity", "counts"):
        images = [image_of(data, geometry, values, plan=p) for p in (plan, loaded)]
        np.testing.assert_array_equal(*images)
    assert not loaded.overlaps.areas.flags.writeable


def test_a_window_is_saved_alone(tmp_path, path, geometry):
    whole = split_plan(geometry, oversample=3)
    window = whole.window(3, 9, 5, 17)
    save_plan(window, tmp_path / "window.h5")
    loaded = load_plan(tmp_path / "window.h5")
    assert loaded.grid.shape == (6, 12)
    assert len(loaded.overlaps.pixels) < len(whole.overlaps.pixels) / 5
    data = np.random.default_rng(0).random(geometry.data_shape)
    images = [image_of(data, geometry, "counts", plan=p) for p in (window, loaded)]
    np.testing.assert_array_equal(*images)


def change(path, name, function):
    with h5py.File(path, "r+") as file:
        values = file[name][()]
        del file[name]
        file[name] = function(values)


def with_number(index, number):
    def put(values):
        values[index] = number
        return values

    return put


@pytest.mark.parametrize(
    ("name", "function", "message"),
    [
        ("pixels", with_number(3, 10**6), r"\[pixels\]: does not fit"),
        ("pixels", with_number(3, -1), r"\[pixels\]: does not fit"),
        ("pixels", lambda a: a[:-1], r"\[pixels\]: does not fit"),
        ("pixels", lambda a: a.astype("i8"), r"\[pixels\]: must be a dataset of int32"),
        ("starts", with_number(5, 10**6), r"\[starts\]: does not fit"),
        ("starts", with_number(0, -7), r"\[starts\]: does not fit"),
        ("starts", with_number(-1, 2**30), "does not fit"),
        ("starts", with_number(slice(1, 4), (2**31 - 1, -(2**31), 0)), r"\[starts\]: does not fit"),
        ("starts", lambda a: a[:-1], r"\[starts\]: has shape"),
        ("areas", with_number(0, np.nan), r"\[areas\]: does not fit"),
        ("areas", with_number(0, -0.5), r"\[areas\]: does not fit"),
        ("areas", lambda a: a[:-1], r"\[areas\]: does not fit"),
        ("pixel_areas", lambda a: a.ravel(), r"\[pixel_areas\]: does not fit"),
        ("pixel_areas", lambda a: 0 * a, r"\[pixel_areas\]: must be positive"),
    ],
)
def test_damaged_numbers(path, name, function, message):
    change(path, name, function)
    with pytest.raises(GeometryFileError, match=message) as caught:
        load_plan(path)
    assert caught.value.path == str(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("format", np.bytes_("other"), "it says format 'other'"),
        ("version", 99, "version 99; expected"),
        ("format", "geomlib split plan", "it says format None"),
        ("geometry", 5, r"\[geometry\]"),
        ("geometry", "a" * 64, r"\[geometry\]"),
        ("shape", (-1, 5), "shape must be 2 whole numbers"),
        ("shape", (2**31, 2**31), "expected up to"),
        ("centre", (np.nan, 0), "centre"),
        ("pixel_size", (0, 1.0), "positive size"),
        ("pixel_size", "big", "pixel_size"),
    ],
)
def test_damaged_attributes(path, name, value, message):
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    with pytest.raises(GeometryFileError, match=message):
        load_plan(path)


def test_sizes_that_only_the_header_claims(path, tmp_path):
    with h5py.File(path, "r+") as file:
        del file["pixels"], file["areas"]
        file.create_dataset("pixels", shape=(2**30,), dtype="<i4")  # nothing is stored
        file.create_dataset("areas", shape=(2**30,), dtype="<f4", chunks=(2**20,), compression=9)
    with pytest.raises(GeometryFileError, match="says 4294967296 bytes, but 0"):
        load_plan(path)
    with h5py.File(path, "r+") as file:
        del file["pixels"]
        file["pixels"] = h5py.ExternalLink(tmp_path / "other.h5", "pixels")
    with pytest.raises(GeometryFileError, match=r"\[pixels\]: must be a dataset"):
        load_plan(path)


def test_compressed_and_external_data_is_refused(path, tmp_path):
    with h5py.File(path, "r+") as file:
        values = file["areas"][()]
        del file["areas"]
        file.create_dataset("areas", data=values, compression="gzip")
    with pytest.raises(GeometryFileError, match="in one piece, in this file"):
        load_plan(path)
    with h5py.File(path, "r+") as file:
        del file["areas"]
        place = [(str(tmp_path / "raw"), 0, values.nbytes)]
        file.create_dataset("areas", shape=values.shape, dtype="<f4", external=place)
    with pytest.raises(GeometryFileError, match="in one piece, in this file"):
        load_plan(path)


def test_files_that_are_none(tmp_path, path):
    with pytest.raises(GeometryFileError, match="there is no such file"):
        load_plan(tmp_path / "nothing.h5")
    (tmp_path / "text.h5").write_text("no plan")
    with pytest.raises(GeometryFileError, match="is no readable HDF5 file"):
        load_plan(tmp_path / "text.h5")
    whole = path.read_bytes()
    for size in range(0, len(whole), max(1, len(whole) // 40)):
        (tmp_path / "cut.h5").write_bytes(whole[:size])
        with pytest.raises(GeometryFileError):
            load_plan(tmp_path / "cut.h5")


def test_a_digest_does_not_vouch_for_the_arrays(path, geometry):
    change(path, "pixel_areas", lambda areas: np.tile(areas, (2, 1, 1)))
    with pytest.raises(GeometryError, match="another geometry"):
        check_plan(load_plan(path), geometry)


def test_what_is_no_plan_is_not_saved(tmp_path, path):
    before = path.read_bytes()
    with pytest.raises(GeometryError, match="must be a SplitPlan"):
        save_plan("plan", path)
    assert path.read_bytes() == before
    with pytest.raises(GeometryFileError, match="no such folder"):
        save_plan(split_plan(small()), tmp_path / "nowhere" / "plan.h5")
