"""Reducing and assembling frames of files, a chunk at a time."""

import h5py
import numpy as np
import pytest

import geomlib
from geomlib.data import (
    FrameStack,
    Origin,
    assemble_frames,
    open_frames,
    reduce_frames,
    write_hdf5,
    write_npy,
)
from geomlib.data.axes import Axes
from geomlib.data.stack import Part, Segment
from geomlib.detectors import generic
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.metadata import Source

#: Three modules one above the other, 2 pixels apart.
GEOMETRY = generic([(0, 0), (0, 1e-2), (0, 2e-2)], (8, 10), 1e-3)
SHAPE = GEOMETRY.data_shape


def euxfel_file(path, modules, trains):
    """A file of some modules, each with its own trains of one frame; returns {module: frames}."""
    rng = np.random.default_rng(1)
    data = {}
    with h5py.File(path, "w") as file:
        file["INDEX/trainId"] = np.unique(np.concatenate(trains)).astype("u8")
        for module, own in zip(modules, trains, strict=True):
            data[module] = rng.integers(1, 100, (len(own), 8, 10)).astype("i4")
            group = file.create_group(f"INSTRUMENT/X_DET/DET/{module}CH0:xtdf/image")
            group["trainId"] = np.array(own, "u8")
            group["data"] = data[module]
    return data


@pytest.fixture
def stack(tmp_path):
    frames = np.random.default_rng(4).normal(size=(7, *SHAPE)).astype("f4")
    frames[2, 1, 3, 4] = np.nan
    np.save(tmp_path / "a.npy", frames)
    return frames, open_frames(tmp_path / "a.npy", GEOMETRY)


@pytest.mark.parametrize("how", ["mean", "max", "min", "sum", "std"])
def test_reduction_in_chunks_equals_that_of_the_whole(stack, how):
    frames, files = stack
    steps = []
    reduced = reduce_frames(
        files, how, range(1, 7), max_bytes=2 * files.frame_bytes, progress=steps.append
    )
    assert steps == [2, 2, 2]
    expected = getattr(np, f"nan{how}")(frames[1:].astype(float), axis=0)
    assert sorted(reduced) == [0, 1, 2]
    np.testing.assert_allclose(np.stack([reduced[m] for m in range(3)]), expected, rtol=1e-6)


def test_missing_pieces_do_not_count_even_in_whole_numbers(tmp_path):
    data = euxfel_file(tmp_path / "a.h5", (0, 2), ([1, 2, 3], [2]))
    files = open_frames(tmp_path / "a.h5", GEOMETRY)
    assert files.n_frames == 3
    reduced = reduce_frames(files, "mean")
    assert sorted(reduced) == [0, 2]
    np.testing.assert_allclose(reduced[0], data[0].mean(axis=0))
    np.testing.assert_array_equal(reduced[2], data[2][0])
    assert reduce_frames(files, "min")[2].min() >= 1
    # In these frames module 2 has nothing at all.
    assert sorted(reduce_frames(files, "max", [0, 2])) == [0]


def test_assembly_in_chunks_equals_that_of_the_whole(stack):
    frames, files = stack
    steps = []
    images = list(
        assemble_frames(files, GEOMETRY, max_bytes=3 * files.frame_bytes, progress=steps.append)
    )
    assert steps == [3, 3, 1]
    expected = geomlib.assemble_data(frames, GEOMETRY)
    np.testing.assert_array_equal(np.concatenate([i.data for i in images]), expected.data)


def test_fill_goes_into_every_gap(tmp_path):
    data = euxfel_file(tmp_path / "a.h5", (0, 2), ([1, 2], [2]))
    files = open_frames(tmp_path / "a.h5", GEOMETRY)
    (image,) = assemble_frames(files, GEOMETRY, fill=-7)
    expected = np.full((2, 28, 10), -7)
    expected[:, :8], expected[1, 20:] = data[0], data[2][0]
    np.testing.assert_array_equal(image.data, expected)


def test_a_fill_value_that_does_not_fit_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, *SHAPE), "u1"))
    files = open_frames(tmp_path / "a.npy", GEOMETRY)
    with pytest.raises(GeometryError, match="fill=300 cannot be held by uint8"):
        files.read([0], fill=300)


def test_npy_of_chunks(tmp_path, stack):
    frames, files = stack
    images = assemble_frames(files, GEOMETRY, range(5), max_bytes=2 * files.frame_bytes)
    assert write_npy(tmp_path / "out.npy", images, 5) == (5, 28, 10)
    expected = geomlib.assemble_data(frames[:5], GEOMETRY).data
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_hdf5_keeps_any_geometry_text_and_ids(tmp_path, stack):
    _, files = stack
    text = b"; caf\xe9 \xff\r\n"
    geometry = GEOMETRY.replace(source=Source("x.geom", "crystfel", text), photon_energy=9e3)
    origin = Origin(
        "run", "X_DET", None, "geomlib …", np.arange(7), np.arange(10, 17), np.arange(20, 27)
    )
    write_hdf5(tmp_path / "a.h5", assemble_frames(files, geometry), 7, origin)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["entry/geometry/text"][()] == text
        assert file["entry/geometry/photon_energy"][()] == 9e3
        assert "distance" not in file["entry/geometry"]
        assert file["entry/image/train_id"][:].tolist() == list(range(10, 17))
        assert file["entry/image/pulse_id"][:].tolist() == list(range(20, 27))
        assert file["entry/process/command"].asstr()[()] == "geomlib …"
        rebuilt = Geometry(
            geometry.detector,
            *(file[f"entry/geometry/tile_{n}"][:] for n in ("corners", "ss", "fs")),
        )
    assert rebuilt == GEOMETRY


def test_no_images_at_all(tmp_path):
    with pytest.raises(GeometryError, match="no images to write"):
        write_npy(tmp_path / "a.npy", [], None)
    assert not list(tmp_path.iterdir())


def gapped(path, rows):
    """Four frames of whole numbers, of which each module has some (``rows``: -1 for none)."""
    data = np.arange(1, 5, dtype="u2").reshape(4, 1, 1) * np.ones((8, 10), "u2")
    np.save(path, data)
    axes = Axes((4,), None, 0, 1)
    parts = tuple(
        Part(slice(m, m + 1), (Segment(path, None, axes),), np.array(r)) for m, r in rows.items()
    )
    return FrameStack(str(path), "test", (4, *SHAPE), np.dtype("u2"), parts)


def test_whole_numbers_of_missing_modules_are_no_zeros(tmp_path):
    files = gapped(tmp_path / "a.npy", {2: [0, 1, 2, 3], 0: [3, 2, 1, 0]})
    data = files.read()
    assert list(data) == [0, 2]
    assert data[2][:, 0, 0].tolist() == [1, 2, 3, 4]
    assert data[0][:, 0, 0].tolist() == [4, 3, 2, 1]
    mean = geomlib.assemble_data(data, GEOMETRY, reduce="mean").data
    np.testing.assert_array_equal(
        mean, geomlib.assemble_data(reduce_frames(files, "mean"), GEOMETRY).data
    )
    assert sorted(set(mean[np.isfinite(mean)])) == [2.5]
    assert (files.read(fill=9)[:, 1] == 9).all()


def test_whole_numbers_missing_in_some_frames_are_refused(tmp_path):
    files = gapped(tmp_path / "a.npy", {0: [0, 1, 2, 3], 1: [0, -1, 2, -1]})
    with pytest.raises(GeometryError, match=r"module 1 has no data in 2 of 4 frames.*fill="):
        files.read()
    assert list(files.read([0, 2])) == [0, 1]
    assert list(files.read([1, 3])) == [0]
    assert files.read([1], fill=7)[0, :, 0, 0].tolist() == [2, 7, 7]
    mean = reduce_frames(files, "mean")
    assert (mean[0] == 2.5).all()
    assert (mean[1] == 2).all()
    with pytest.raises(GeometryError, match="no module has data"):
        gapped(tmp_path / "b.npy", {0: [0, -1, 2, 3]}).read([1])
