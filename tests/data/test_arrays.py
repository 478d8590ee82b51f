"""Stacks in numpy files, CXI files and HDF5 datasets."""

import io
import pickle
import zipfile

import h5py
import numpy as np
import pytest

import geomlib
from geomlib.data import open_frames
from geomlib.detectors import example_geometry, generic
from geomlib.errors import GeometryError, GeometryFileError
from tests.shared import SHARED_DATA, needs_shared_data

SMALL = generic([(0, 0), (1, 0), (2, 0)], (8, 10), 1e-3)
SHAPE = (3, 8, 10)


@pytest.fixture
def frames(rng):
    return rng.random((6, *SHAPE)).astype(np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_npy_is_read_a_piece_at_a_time(tmp_path, frames):
    np.save(tmp_path / "a.npy", frames)
    stack = open_frames(tmp_path / "a.npy", SMALL)
    assert stack.shape == (6, *SHAPE)
    assert stack.dtype == np.float32
    assert stack.missing_modules == ()
    assert stack.present([0, 3]).tolist() == [[True] * 3] * 2
    np.testing.assert_array_equal(stack.read([4, 1]), frames[[4, 1]])
    np.testing.assert_array_equal(stack.read(range(5, -1, -2)), frames[5::-2])


@pytest.mark.parametrize(
    "stored",
    [
        lambda a: a,
        lambda a: a.reshape(2, 3, *SHAPE),
        lambda a: a.reshape(6, 24, 10),
        lambda a: a.astype(">f4"),
        lambda a: np.asfortranarray(a),
    ],
    ids=["modules", "trains-and-pulses", "stacked", "big-endian", "fortran"],
)
@pytest.mark.parametrize("kind", ["npy", "npz", "h5"])
def test_layouts_give_the_same_frames(tmp_path, frames, stored, kind):
    path, data = tmp_path / f"a.{kind}", stored(frames)
    if kind == "npy":
        np.save(path, data)
    elif kind == "npz":
        np.savez(path, data)
    else:
        with h5py.File(path, "w") as file:
            file["some/where"] = data
    stack = open_frames(path, SMALL)
    assert stack.dtype == np.dtype("=f4")
    np.testing.assert_array_equal(stack.read(range(6)), frames)
    np.testing.assert_array_equal(stack.read([5, 0, 2, 3]), frames[[5, 0, 2, 3]])


def test_a_single_frame_has_no_frame_axis(tmp_path, frames):
    np.save(tmp_path / "a.npy", frames[0])
    stack = open_frames(tmp_path / "a.npy", SMALL)
    assert stack.n_frames == 1
    np.testing.assert_array_equal(stack.read([0])[0], frames[0])


@pytest.mark.parametrize(
    "path", ["/entry_1/instrument_1/detector_1/data", "/entry_1/data_1/data", "/my/own"]
)
def test_cxi_places_and_the_path_of_the_geometry(tmp_path, frames, path):
    with h5py.File(tmp_path / "a.cxi", "w") as file:
        file[path] = frames
        file["/another/one"] = frames + 1  # fits as well: the known place must win
    geometry = SMALL.replace(data_path="/my/own")
    stack = open_frames(tmp_path / "a.cxi", geometry)
    assert stack.name == path
    np.testing.assert_array_equal(stack.read([2])[0], frames[2])


def test_raw_virtual_cxi_with_gain_axis_gives_the_image(tmp_path, frames):
    raw = np.stack([frames, frames + 100], axis=2)
    with h5py.File(tmp_path / "a.cxi", "w") as file:
        file["entry_1/instrument_1/detector_1/data"] = raw
    stack = open_frames(tmp_path / "a.cxi", SMALL)
    assert stack.shape == (6, *SHAPE)
    np.testing.assert_array_equal(stack.read(range(1, 6, 2)), frames[1::2])


def test_dataset_can_be_named(tmp_path, frames):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one"] = frames
        file["two"] = frames + 1
    with pytest.raises(GeometryFileError, match=r"several datasets fit generic: /one, /two; say"):
        open_frames(tmp_path / "a.h5", SMALL)
    stack = open_frames(tmp_path / "a.h5", SMALL, dataset="/two")
    np.testing.assert_array_equal(stack.read([0])[0], frames[0] + 1)


def test_array_of_npz_can_be_named(tmp_path, frames):
    np.savez(tmp_path / "a.npz", one=frames, two=frames + 1, other=np.zeros(3))
    with pytest.raises(GeometryFileError, match="'one', 'two', 'other'; say which"):
        open_frames(tmp_path / "a.npz", SMALL)
    stack = open_frames(tmp_path / "a.npz", SMALL, dataset="two")
    np.testing.assert_array_equal(stack.read([3])[0], frames[3] + 1)
    with pytest.raises(GeometryFileError, match="no array 'three'; it holds 'one'"):
        open_frames(tmp_path / "a.npz", SMALL, dataset="three")


def test_epix_calibration_rows_are_cut(tmp_path, rng):
    geometry = example_geometry("ePix100")
    raw = rng.integers(0, 9, (3, 708, 768), dtype=np.uint16)
    np.save(tmp_path / "a.npy", raw)
    stack = open_frames(tmp_path / "a.npy", geometry)
    np.testing.assert_array_equal(stack.read([1]), raw[1:2, np.newaxis, 2:-2])


def test_pnccd_as_one_image(tmp_path, rng):
    image = rng.integers(0, 9, (2, 1024, 1024), dtype=np.uint16)
    np.save(tmp_path / "a.npy", image)
    stack = open_frames(tmp_path / "a.npy", example_geometry("pnCCD"))
    np.testing.assert_array_equal(stack.read([1])[0, 1], image[1, 512:])


def test_chunks_cover_the_selection_in_bounded_pieces(tmp_path, frames):
    np.save(tmp_path / "a.npy", frames)
    stack = open_frames(tmp_path / "a.npy", SMALL)
    chunks = list(stack.chunks(range(0, 6, 1), max_bytes=2 * stack.frame_bytes))
    assert [list(numbers) for numbers, _ in chunks] == [[0, 1], [2, 3], [4, 5]]
    np.testing.assert_array_equal(np.concatenate([data for _, data in chunks]), frames)
    assert len(list(stack.chunks(max_bytes=1))) == 6


def test_a_dataset_that_claims_very_many_frames_costs_nothing(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("d", (10**12, *SHAPE), "u2", chunks=(1, *SHAPE), fillvalue=3)
    stack = open_frames(tmp_path / "a.h5", SMALL)
    assert stack.n_frames == 10**12
    assert (stack.read([10**12 - 1]) == 3).all()


def test_stack_pickles_and_says_what_it_is(tmp_path, frames):
    np.save(tmp_path / "a.npy", frames)
    stack = pickle.loads(pickle.dumps(open_frames(tmp_path / "a.npy", SMALL)))
    np.testing.assert_array_equal(stack.read([2])[0], frames[2])
    assert repr(stack) == (
        "<FrameStack a.npy: 6 frames of 3 × 8 × 10 pixels, float32, 3 of 3 modules, from a.npy>"
    )


@pytest.mark.parametrize("bad", [[6], [-1], [[0, 1]], [1.5], [True, False], ["1"], [None], 3])
def test_frames_out_of_range_are_refused(tmp_path, frames, bad):
    np.save(tmp_path / "a.npy", frames)
    with pytest.raises(GeometryError, match="numbers from 0 to 5"):
        open_frames(tmp_path / "a.npy", SMALL).read(bad)
    with pytest.raises(GeometryError, match="numbers from 0 to 5"):
        list(open_frames(tmp_path / "a.npy", SMALL).chunks(bad))


def test_wrong_shape_says_what_is_needed(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 5, 8, 10)))
    message = (
        r"a\.npy: shape \(4, 5, 8, 10\) does not fit generic, which needs \(frames, 3, 8, 10\) or "
        r"\(frames, 24, 10\)"
    )
    with pytest.raises(GeometryFileError, match=message):
        open_frames(tmp_path / "a.npy", SMALL)


def test_file_without_fitting_data_lists_what_it_holds(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/pictures"] = np.zeros((2, 50, 60), "u2")
        file["entry/energy"] = 9300.0
    with pytest.raises(GeometryFileError, match=r"/entry/pictures \(2, 50, 60\) uint16"):
        open_frames(tmp_path / "a.h5", SMALL)
    with pytest.raises(GeometryFileError, match=r"\[/nope\]: no dataset of that name; it holds"):
        open_frames(tmp_path / "a.h5", SMALL, dataset="/nope")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.h5", b"hello, this is text", "neither HDF5"),
        ("a.npy", b"", "is empty: 0 bytes"),
        ("a.npy", b"\x93", "neither HDF5"),
        ("a.npy", b"\x93NUMPY\x01\x00\x10\x00garbage garbage", r"no readable \.npy file"),
        ("a.npz", b"PK\x03\x04 garbage", r"no readable \.npz file"),
        ("a.h5", b"\x89HDF\r\n\x1a\n garbage", "no readable HDF5 file"),
    ],
)
def test_damaged_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GeometryFileError, match=message) as caught:
        open_frames(tmp_path / name, SMALL)
    assert caught.value.path == str(tmp_path / name)


def test_pickled_objects_are_never_loaded(tmp_path):
    array = np.array([{}, {}], dtype=object)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", data=array)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(GeometryFileError):
            open_frames(tmp_path / name, SMALL)


def test_npz_that_claims_more_than_it_has(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"shape": (10**9, *SHAPE), "fortran_order": False, "descr": "<f8"}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("data.npy", header.getvalue())
    with pytest.raises(GeometryFileError, match=r"data\.npy claims \d+ bytes but has"):
        open_frames(tmp_path / "a.npz", SMALL)


def test_no_such_file(tmp_path):
    with pytest.raises(GeometryFileError, match=r"a\.h5: there is no such file"):
        open_frames(tmp_path / "a.h5", SMALL)
    with pytest.raises(GeometryFileError, match=r"a\.h5: there is no such file"):
        open_frames([tmp_path / "a.h5", tmp_path / "b.h5"], SMALL)


def test_a_geometry_is_needed_to_understand_the_data(tmp_path):
    with pytest.raises(GeometryError, match="geometry must be a Geometry or a Detector, not None"):
        open_frames(tmp_path / "a.h5", None)


@needs_shared_data
def test_real_frames():
    stack = open_frames(SHARED_DATA / "frames/agipd_rings.npz", example_geometry("AGIPD-1M"))
    assert stack.shape == (1, 16, 512, 128)
    assert np.isclose(stack.read([0])[0, 0, 0, 0], 82.37383)
    with pytest.raises(GeometryFileError, match=r"does not fit LPD-1M"):
        open_frames(SHARED_DATA / "frames/agipd_rings.npz", geomlib.example_geometry("LPD-1M"))


def test_a_stack_is_indexed_as_an_array(tmp_path, frames):
    np.save(tmp_path / "a.npy", frames)
    stack = open_frames(tmp_path / "a.npy", SMALL)
    assert len(stack) == 6
    for index in (0, -1, np.int64(2), slice(2, 5), slice(None, None, -2), [4, 1], slice(6, None)):
        np.testing.assert_array_equal(stack[index], frames[index])
    np.testing.assert_array_equal(list(stack), frames)
    array = np.asarray(stack)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, frames)
    assert np.asarray(stack, dtype=np.float64).dtype == np.float64
    for wrong in (6, -7, 1.5, True, "a", [6]):
        with pytest.raises(GeometryError, match="from 0 to 5"):
            stack[wrong]
    assert repr(stack) == (
        "<FrameStack a.npy: 6 frames of 3 × 8 × 10 pixels, float32, 3 of 3 modules, from a.npy>"
    )


def test_a_list_of_datasets_is_short(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in range(10, 22):
            file[f"g/d{number}"] = np.zeros((2, 9, 9))
    with pytest.raises(GeometryFileError) as caught:
        open_frames(tmp_path / "a.h5", SMALL, dataset="/nope")
    assert str(caught.value).count("/g/d") == 8
    assert str(caught.value).endswith("/g/d17 (2, 9, 9) float64; and 4 more")
