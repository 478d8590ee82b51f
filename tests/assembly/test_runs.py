"""Frames in files, and EXtra-data's key data, are read train by train or block by block."""

import numpy as np
import pytest
from extra_data import H5File
from extra_data.components import AGIPD500K, JUNGFRAU

import geomlib
from geomlib import GeometryError, assemble_data
from geomlib.assembly import sources
from geomlib.assembly.sources import as_source, is_lazy
from geomlib.data import open_frames
from geomlib.detectors import generic
from geomlib.simulate import write_euxfel_file

GEOMETRY = generic([(0, 0), (0, 1e-2), (0, 2e-2)], (8, 10), 1e-3)


def numbers(*shape, dtype="f4", seed=7):
    return np.random.default_rng(seed).integers(1, 200, shape).astype(dtype)


def same(result, expected):
    """The same pixels and the same dtype."""
    assert result.data.dtype == expected.data.dtype
    np.testing.assert_array_equal(result.data, expected.data)


def test_frames_of_files(agipd_run, monkeypatch):
    geometry, data, present, run = agipd_run
    frames = open_frames([file.filename for file in run.files], geometry)
    assert is_lazy(frames)
    monkeypatch.setattr(sources, "BLOCK_BYTES", 2 * frames.frame_bytes)
    expected = data.copy()
    expected[~present] = np.nan
    same(assemble_data(frames, geometry), assemble_data(expected, geometry))


@pytest.mark.parametrize("select", [np.s_[:], np.s_[:1], np.s_[1:]])
def test_key_data_of_a_detector(agipd_run, monkeypatch, select):
    geometry, data, present, run = agipd_run
    key_data = AGIPD500K(run, min_modules=1)["image.data"].select_trains(select)
    assert is_lazy(key_data)
    trains = np.repeat([0, 1], 3)
    chosen = np.isin(trains, np.arange(2)[select])
    expected = data.copy()
    expected[~present] = np.nan
    monkeypatch.setattr(sources, "BLOCK_BYTES", 1)
    source = as_source(key_data, geometry.detector)
    assert source.frames == (chosen.sum(),)
    # A train is read at a time, and no less.
    assert [b[0].stop - b[0].start for b in source.blocks()] == [3] * (chosen.sum() // 3)
    same(assemble_data(key_data, geometry), assemble_data(expected[chosen], geometry))


def test_selected_pulses_of_key_data(agipd_run):
    geometry, data, present, run = agipd_run
    key_data = AGIPD500K(run, min_modules=1)["image.data"].select_pulses(np.s_[1:])
    expected = data.copy()
    expected[~present] = np.nan
    same(assemble_data(key_data, geometry), assemble_data(expected[[1, 2, 4, 5]], geometry))


@pytest.fixture(scope="module")
def jungfrau_run(tmp_path_factory):
    """Four trains of two memory cells, of the second of two modules."""
    path = tmp_path_factory.mktemp("run") / "a.h5"
    geometry = geomlib.example_geometry("JUNGFRAU-1M")
    data = numbers(8, *geometry.data_shape, dtype="u2")
    write_euxfel_file(path, data, geometry, missing_modules=[0], frames_per_train=2)
    with H5File(path) as run:
        yield geometry, data.reshape(4, 2, *geometry.data_shape), run


def test_labels_of_key_data_count_from_one(jungfrau_run):
    geometry, data, run = jungfrau_run
    key_data = JUNGFRAU(run, n_modules=2, raw=True)["data.adc"]
    expected = assemble_data({1: data[:, :, 1]}, geometry)
    same(assemble_data(key_data, geometry), expected)
    same(
        assemble_data(key_data[1:3], geometry, fill=7),
        assemble_data({1: data[1:3, :, 1]}, geometry, fill=7),
    )


def test_key_data_of_single_modules(jungfrau_run, monkeypatch):
    geometry, data, run = jungfrau_run
    (source,) = run.instrument_sources
    key_data = run[source, "data.adc"]
    assert is_lazy(key_data)
    assert is_lazy({1: key_data})
    monkeypatch.setattr(sources, "BLOCK_BYTES", 1)
    same(assemble_data({1: key_data}, geometry), assemble_data({1: data[:, :, 1]}, geometry))
    single = geomlib.example_geometry("JUNGFRAU-500K")
    same(assemble_data(key_data, single), assemble_data(data[:, :, 1], single))
    with pytest.raises(GeometryError, match=r"data\[1\] has its frames in other trains"):
        assemble_data({0: np.array(data[:, :, 0]), 1: key_data}, geometry)


@pytest.mark.parametrize("which", [0, 1])
def test_key_data_and_frame_stacks_know_their_axes(agipd_run, which):
    geometry, _, _, run = agipd_run
    key_data = AGIPD500K(run, min_modules=1)["image.data"]
    frames = open_frames([file.filename for file in run.files], geometry)
    given = (key_data, frames)[which]
    with pytest.raises(
        GeometryError, match=f"axes='stream' is for arrays, not for {type(given).__name__}"
    ):
        assemble_data(given, geometry, axes="stream")
    with pytest.raises(GeometryError, match="needs"):
        assemble_data(given, GEOMETRY)


@pytest.mark.parametrize("reduce", ["mean", "sum", "max", "min", "std"])
def test_modules_missing_in_some_frames_do_not_count(agipd_run, monkeypatch, reduce):
    geometry, data, present, run = agipd_run
    monkeypatch.setattr(sources, "BLOCK_BYTES", 2 * data[0].nbytes)
    expected = assemble_data(data, geometry, reduce=reduce, present=present)
    frames = open_frames([file.filename for file in run.files], geometry)
    key_data = AGIPD500K(run, min_modules=1)["image.data"]
    for stored in (frames, key_data):
        image = assemble_data(stored, geometry, reduce=reduce)
        np.testing.assert_allclose(image.data, expected.data, rtol=1e-6, atol=2e-4)
    # One more is left out by the caller.
    known = np.ones((6, 8), dtype=bool)
    known[4, 0] = False
    image = assemble_data(frames, geometry, reduce=reduce, present=known)
    expected = assemble_data(data, geometry, reduce=reduce, present=known & present)
    np.testing.assert_allclose(image.data, expected.data, rtol=1e-6, atol=2e-4)
