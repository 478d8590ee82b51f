"""Simulated files in the layout of European XFEL, read by EXtra-data and by geomlib."""

import h5py
import numpy as np
import pytest
from extra_data import H5File
from extra_data.components import AGIPD1M, DSSC1M, JUNGFRAU, LPD1M

from geomlib.data import open_frames
from geomlib.detectors import example_geometry
from geomlib.errors import GeometryError
from geomlib.simulate import write_euxfel_file

WRITABLE = [
    "AGIPD-1M",
    "AGIPD-500K",
    "LPD-1M",
    "DSSC-1M",
    "JUNGFRAU-500K",
    "JUNGFRAU-1M",
    "JUNGFRAU-4M",
    "ePix100",
    "ePix10K",
    "pnCCD",
]


def some_frames(geometry, n=2, dtype="float32"):
    rng = np.random.default_rng(9)
    return rng.integers(0, 60000, (n, *geometry.data_shape)).astype(dtype)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("name", WRITABLE)
def test_geomlib_reads_back_what_it_wrote(tmp_path, name, raw):
    geometry = example_geometry(name)
    frames = some_frames(geometry, dtype="uint16" if raw else "float32")
    write_euxfel_file(tmp_path / "a.h5", frames, geometry, raw=raw)
    stack = open_frames(tmp_path / "a.h5", geometry)
    assert stack.dtype == frames.dtype
    np.testing.assert_array_equal(stack.read(range(2)), frames)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(
    ("name", "component"), [("AGIPD-1M", AGIPD1M), ("LPD-1M", LPD1M), ("DSSC-1M", DSSC1M)]
)
def test_extra_data_reads_it(tmp_path, name, component, raw):
    geometry = example_geometry(name)
    frames = some_frames(geometry, dtype="uint16" if raw else "float32")
    write_euxfel_file(
        tmp_path / "a.h5", frames, geometry, missing_modules=[3], frames_per_train=1, raw=raw
    )
    with H5File(tmp_path / "a.h5") as run:
        assert run.train_ids == [2_000_000_000, 2_000_000_001]
        data = component(run, min_modules=1, raw=raw)
        array = data.get_array("image.data")
    if raw:
        array = array.isel({array.dims[3]: 0}) if array.ndim == 6 else array
    assert array["module"].values.tolist() == [m for m in range(16) if m != 3]
    values = array.values.reshape(15, 2, *geometry.data_shape[1:])
    np.testing.assert_array_equal(values, np.delete(frames, 3, axis=1).swapaxes(0, 1))


def test_extra_data_reads_jungfrau(tmp_path):
    geometry = example_geometry("JUNGFRAU-4M")
    frames = some_frames(geometry)
    write_euxfel_file(tmp_path / "a.h5", frames, geometry, frames_per_train=1)
    with H5File(tmp_path / "a.h5") as run:
        array = JUNGFRAU(run).get_array("data.adc")
    assert array["module"].values.tolist() == list(range(1, 9))
    np.testing.assert_array_equal(
        array.values, frames.reshape(2, 1, 8, 512, 1024).transpose(2, 0, 1, 3, 4)
    )


def test_extra_data_reads_epix(tmp_path):
    geometry = example_geometry("ePix100")
    frames = some_frames(geometry)
    write_euxfel_file(tmp_path / "a.h5", frames, geometry)
    with H5File(tmp_path / "a.h5") as run:
        data = run["HED_IA1_EPX100-1/DET/RECEIVER:daqOutput", "data.image.pixels"]
        np.testing.assert_array_equal(data.ndarray(), frames[:, 0])
        assert data.train_ids == [2_000_000_000 + k for k in range(2)]


def test_missing_modules_are_gaps(tmp_path):
    geometry = example_geometry("AGIPD-1M")
    frames = some_frames(geometry, 2)
    write_euxfel_file(tmp_path / "a.h5", frames, geometry, missing_modules=(0, 15))
    stack = open_frames(tmp_path / "a.h5", geometry)
    assert stack.missing_modules == (0, 15)
    data = stack.read([0, 1])
    assert np.isnan(data[:, [0, 15]]).all()
    np.testing.assert_array_equal(data[:, 1:15], frames[:, 1:15])


def test_the_same_frames_give_the_same_file(tmp_path):
    geometry = example_geometry("LPD-1M")
    frames = some_frames(geometry, 1)
    for name in ("a.h5", "b.h5"):
        write_euxfel_file(tmp_path / name, frames, geometry)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_the_layout_by_name(tmp_path):
    geometry = example_geometry("AGIPD-1M")
    write_euxfel_file(tmp_path / "a.h5", some_frames(geometry, 4), geometry.detector)
    with h5py.File(tmp_path / "a.h5") as file:
        source = "SPB_DET_AGIPD1M-1/DET/0CH0:xtdf/image"
        assert file[f"INSTRUMENT/{source}/data"].shape == (4, 512, 128)
        assert file[f"INSTRUMENT/{source}/pulseId"][:].tolist() == [0, 1, 2, 3]
        assert file[f"INDEX/{source}/count"][:].tolist() == [4]
        ids = file["METADATA/dataSources/dataSourceId"][:]
        assert ids[0] == f"INSTRUMENT/{source}".encode()


def test_a_failed_write_leaves_the_old_file(tmp_path):
    (tmp_path / "a.h5").write_text("old")
    geometry = example_geometry("AGIPD-1M")
    with pytest.raises((TypeError, ValueError)):
        write_euxfel_file(tmp_path / "a.h5", np.full((1, 16, 512, 128), None), geometry)
    assert (tmp_path / "a.h5").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_what_cannot_be_written(tmp_path):
    geometry = example_geometry("AGIPD-1M")
    with pytest.raises(GeometryError, match=r"must have shape \(frames, 16, 512, 128\), not \(2,"):
        write_euxfel_file(tmp_path / "a.h5", np.zeros((2, 512, 128)), geometry)
    with pytest.raises(GeometryError, match="frames_per_train=3 does not fit 4 frames"):
        write_euxfel_file(tmp_path / "a.h5", some_frames(geometry, 4), geometry, frames_per_train=3)
    mini = example_geometry("LPD-Mini")
    with pytest.raises(GeometryError, match="LPD-Mini has no layout at European XFEL"):
        write_euxfel_file(tmp_path / "a.h5", some_frames(mini, 1), mini)
