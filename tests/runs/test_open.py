"""Runs of every kind, opened: EXtra-data's mock runs, virtual CXI files, plain HDF5, objects."""

import pickle

import h5py
import numpy as np
import pytest
from extra_data import DataCollection, RunDirectory, by_id
from extra_data.components import AGIPD1M, JUNGFRAU, LPD1M
from extra_data.tests import make_examples

from geomlib import assemble_data, open_run
from geomlib.detectors import example_geometry
from geomlib.errors import GeometryError, GeometryFileError
from tests.runs.simulated import SMALL, simulate_run, tiny_run


@pytest.fixture(scope="module")
def proc(tmp_path_factory):
    """Return the folder of a corrected AGIPD run."""
    folder = tmp_path_factory.mktemp("proc")
    make_examples.make_modern_spb_proc_run(folder)
    path = folder / "CORR-R0142-AGIPD05-S00000.h5"
    with h5py.File(path, "r+") as file:
        group = file["INSTRUMENT/SPB_DET_AGIPD1M-1/CORR/5CH0:output/image"]
        group["data"][70, 3, 4], group["mask"][70, 3, 4] = 7.5, 6
    return folder


def test_corrected_agipd_agrees_with_extra_data(proc):
    run = open_run(proc)
    assert (run.detector.name, run.detector_name) == ("AGIPD-1M", "SPB_DET_AGIPD1M-1")
    assert run.shape == (2048, 16, 512, 128)
    assert not run.is_raw
    theirs = AGIPD1M(RunDirectory(proc), raw=False)
    assert run.trains.tolist() == theirs.train_ids
    some = run.select(trains=[10002])
    there = theirs.select_trains(by_id[[10002]])
    for key, mine in (("image.data", some.frames()), ("image.mask", some.mask())):
        np.testing.assert_array_equal(mine, np.moveaxis(there[key].ndarray(), 0, 1))
    assert run.frames(70)[5, 3, 4] == 7.5
    assert run.mask(70)[5, 3, 4] == 6
    assert (run.train_ids[70], run.pulse_ids[70], run.cell_ids[70]) == (10002, 6, 6)


def test_raw_agipd_has_no_gain_axis_and_no_masks(tmp_path):
    make_examples.make_spb_run(tmp_path, raw=True, format_version="1.0")
    run = open_run(tmp_path)
    assert run.is_raw
    assert run.shape == (4096, 16, 512, 128)
    assert run.frames(slice(2)).dtype == np.uint16
    with pytest.raises(GeometryError, match="no masks beside SPB_DET_AGIPD1M-1"):
        run.mask(0)


def test_stage_chooses_raw_or_corrected_data(tmp_path):
    make_examples.make_modern_spb_proc_run(tmp_path)
    make_examples.make_spb_run(tmp_path, raw=True, format_version="1.0")
    assert open_run(tmp_path).dtype == np.float32
    assert open_run(tmp_path, stage="proc").dtype == np.float32
    assert open_run(tmp_path, stage="raw").shape[0] == 4096
    with pytest.raises(GeometryError, match="stage must be 'raw' or 'proc', not 'corr'"):
        open_run(tmp_path, stage="corr")
    for path in tmp_path.glob("RAW-*"):
        path.unlink()
    with pytest.raises(GeometryFileError, match="no raw data that fit AGIPD-1M"):
        open_run(tmp_path, stage="raw")


def test_lpd_with_a_missed_train_knows_which_module_has_which_frame(tmp_path):
    make_examples.make_lpd_run_mini_missed_train(tmp_path)
    run = open_run(tmp_path)
    assert run.detector.name == "LPD-1M"
    present = run.present()
    assert present.shape == (50, 16)
    assert np.flatnonzero(~present[:, 1]).tolist() == list(range(20, 30))
    theirs = LPD1M(RunDirectory(tmp_path), raw=True)
    assert run.trains.tolist() == theirs.train_ids
    assert run.select(trains=10002).present().sum() == 10


def test_dssc_in_several_sequences(tmp_path):
    make_examples.make_scs_run(tmp_path)
    run = open_run(tmp_path)
    assert run.detector.name == "DSSC-1M"
    assert len(run.trains) == 128
    assert len(run.files) == 32


def test_jungfrau_has_a_frame_for_each_memory_cell(tmp_path):
    make_examples.make_jungfrau_run(tmp_path)
    run = open_run(tmp_path)
    assert run.detector.name == "JUNGFRAU-4M"
    assert run.shape == (1600, 8, 512, 1024)
    assert np.unique(run.pulse_ids).tolist() == list(range(16))
    theirs = JUNGFRAU(RunDirectory(tmp_path))
    assert run.trains.tolist() == theirs.train_ids


def test_one_of_several_detectors_is_named(tmp_path):
    make_examples.make_fxe_jungfrau_run(tmp_path)
    with pytest.raises(GeometryFileError, match=r"several detectors: JUNGFRAU-1M \(FXE_XAD_JF1M\)"):
        open_run(tmp_path)
    # A module that is number 3 in the name of its source is the only one.
    assert open_run(tmp_path, source="FXE_XAD_JF500K").shape == (1600, 1, 512, 1024)
    assert open_run(tmp_path, "JUNGFRAU-1M").shape == (1600, 2, 512, 1024)


def test_what_extra_data_opened(proc):
    collection = RunDirectory(proc).select_trains(by_id[[10003, 10007]])
    run = open_run(collection)
    assert run.trains.tolist() == [10003, 10007]
    assert open_run(AGIPD1M(collection, raw=False)).n_frames == 64
    assert isinstance(collection, DataCollection)


def test_virtual_cxi_is_the_same_run(proc, tmp_path):
    AGIPD1M(RunDirectory(proc), raw=False).write_virtual_cxi(str(tmp_path / "v.cxi"))
    run, whole = open_run(tmp_path / "v.cxi"), open_run(proc)
    assert run.detector.name == "AGIPD-1M"
    for name in ("train_ids", "pulse_ids", "cell_ids"):
        np.testing.assert_array_equal(getattr(run, name), getattr(whole, name))
    assert run.frames(70)[5, 3, 4] == 7.5
    assert run.mask(70)[5, 3, 4] == 6


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        ((3, 16, 512, 128), "AGIPD-1M"),
        ((3, 8, 512, 128), "AGIPD-500K"),
        ((2, 16, 256, 256), "LPD-1M"),
        ((2, 16, 128, 512), "DSSC-1M"),
        ((2, 704, 768), "ePix100"),
        ((2, 708, 768), "ePix100"),
        ((2, 352, 384), "ePix10K"),
    ],
)
def test_detectors_are_recognised_by_the_shape_of_a_stack(tmp_path, shape, name):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("stack", shape, "u2", chunks=(1, *shape[1:]))
    run = open_run(tmp_path / "x.h5")
    assert run.detector.name == name
    assert run.n_frames == shape[0]
    assert run.train_ids is None
    with pytest.raises(GeometryError, match="does not tell the trains of its frames"):
        run.select(trains=[1])


def test_what_could_be_several_detectors_is_not_guessed(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["stack"] = np.zeros((1, 2, 512, 1024), "f4")
    with pytest.raises(GeometryFileError, match=r"may be of several detectors: .*pnCCD"):
        open_run(tmp_path / "x.h5")
    assert open_run(tmp_path / "x.h5", "pnCCD").detector.name == "pnCCD"
    np.save(tmp_path / "x.npy", np.zeros((2, 8, 512, 128)))
    with pytest.raises(GeometryError, match="does not tell its detector; give detector"):
        open_run(tmp_path / "x.npy")
    assert open_run(tmp_path / "x.npy", SMALL).n_frames == 2


def test_selection(tmp_path):
    geometry, run = tiny_run(tmp_path, n=40, per_train=8)
    numbers = run.frames()[:, 0, 0, 0]
    assert numbers.tolist() == list(range(40))

    def chosen(**options):
        return run.select(**options).frames()[:, 0, 0, 0].astype(int).tolist()

    assert chosen(trains=1001) == list(range(8, 16))
    assert chosen(trains=[1004, 1000], pulses=[0, 7]) == [0, 7, 32, 39]
    assert chosen(trains=slice(1, 3), pulses=slice(0, None, 4)) == [8, 12, 16, 20]
    assert chosen(cells=slice(0, 3)) == [0, 1, 8, 9, 16, 17, 24, 25, 32, 33]
    assert chosen(cells=4, frames=slice(-2, None)) == [26, 34]
    assert chosen(frames=[3, -1, 0]) == [3, 39, 0]
    again = run.select(trains=slice(1, None)).select(trains=slice(0, 1), pulses=3)
    assert again.numbers.tolist() == [11]
    assert [(train, part.numbers[0]) for train, part in run.by_train()][:2] == [
        (1000, 0),
        (1001, 8),
    ]
    with pytest.raises(GeometryError, match="no frame has trains=5; there are 5, 1000 to 1004"):
        run.select(trains=5)
    with pytest.raises(GeometryError, match="no frame 40: there are 40 frames"):
        run.frames([40])
    with pytest.raises(GeometryError, match="trains must be a number, a slice"):
        run.select(trains="1001")
    copy = pickle.loads(pickle.dumps(again))
    np.testing.assert_array_equal(copy.frames(), again.frames())
    assert geometry.detector == run.detector


def test_a_run_is_data_for_other_functions(tmp_path):
    run = simulate_run(tmp_path / "run", n=6, per_train=3)
    image = assemble_data(run.run, SMALL, reduce="max")
    expected = assemble_data(run.frames, SMALL, present=run.run.present(), reduce="max")
    np.testing.assert_array_equal(image.data, expected.data)
    lazy = run.run.dask(chunk_bytes=2 * run.run.frame_bytes)
    assert lazy.chunks[0] == (2, 2, 2)
    np.testing.assert_array_equal(lazy[1:4, 2].compute(), run.frames[1:4, 2])


def test_nothing_to_open(tmp_path):
    with pytest.raises(GeometryFileError, match=r"a folder without \.h5 files"):
        open_run(tmp_path)
    with pytest.raises(GeometryFileError, match="there is no such file"):
        open_run(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no data")
    with pytest.raises(GeometryFileError, match="neither HDF5"):
        open_run(tmp_path / "text.h5")
    with pytest.raises(GeometryError, match="path must be the path of a file"):
        open_run(5)
    with pytest.raises(GeometryError, match="detector must be a Geometry"):
        open_run(tmp_path, 7)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"] = np.zeros((3, 5))
    with pytest.raises(GeometryFileError, match="of no detector that is recognised"):
        open_run(tmp_path / "x.h5")


def test_example_names():
    assert example_geometry("AGIPD-500K").detector == SMALL.detector
