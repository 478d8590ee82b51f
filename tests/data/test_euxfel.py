"""European XFEL files: EXtra-data's own example files, and simulated ones."""

import h5py
import numpy as np
import pytest
from extra_data.tests import make_examples

from geomlib.data import open_frames
from geomlib.data.euxfel import MAX_ENTRIES
from geomlib.detectors import example_geometry
from geomlib.errors import GeometryFileError, GeometryWarning
from geomlib.simulate import write_euxfel_file

AGIPD = example_geometry("AGIPD-1M")
LPD = example_geometry("LPD-1M")
JUNGFRAU = example_geometry("JUNGFRAU-4M")


def module_file(path, module, trains, values, source="SPB_DET_AGIPD1M-1/DET/{}CH0:xtdf", pulses=2):
    """Write one module's corrected file; frame k of train t holds values[t] + k."""
    n = len(trains) * pulses
    with h5py.File(path, "w") as file:
        file["INDEX/trainId"] = np.array(trains, dtype="u8")
        group = file.create_group(f"INSTRUMENT/{source.format(module)}/image")
        group["trainId"] = np.repeat(np.array(trains, dtype="u8"), pulses)
        group["pulseId"] = np.tile(np.arange(pulses, dtype="u8"), len(trains))
        data = np.add.outer(np.array(values), np.arange(pulses)).reshape(n, 1, 1)
        group["data"] = np.broadcast_to(data, (n, 512, 128)).astype("f4")
    return path


def test_raw_run_folder(tmp_path):
    make_examples.make_spb_run(tmp_path, raw=True, format_version="1.0")
    with h5py.File(tmp_path / "RAW-R0238-AGIPD03-S00000.h5", "r+") as file:
        data = file["INSTRUMENT/SPB_DET_AGIPD1M-1/DET/3CH0:xtdf/image/data"]
        data[70, 0, 5, 6], data[70, 1, 5, 6] = 42, 43  # image, gain
    stack = open_frames(tmp_path, AGIPD)
    assert stack.shape == (64 * 64, 16, 512, 128)
    assert stack.dtype == np.uint16
    assert stack.name == "SPB_DET_AGIPD1M-1"
    assert (stack.train_ids[70], stack.pulse_ids[70], stack.cell_ids[70]) == (10001, 6, 6)
    frame = stack.read([70], fill=0)
    assert frame[0, 3, 5, 6] == 42
    assert np.count_nonzero(frame) == 1


def test_corrected_sources_win_over_raw_ones_and_their_legacy_names(tmp_path):
    make_examples.make_modern_spb_proc_run(tmp_path)
    stack = open_frames(tmp_path, AGIPD)
    assert stack.shape == (2048, 16, 512, 128)
    assert stack.dtype == np.float32
    assert all("/CORR/" in part.segments[0].dataset for part in stack.parts)


def test_corrected_files_win_over_raw_ones_in_a_folder(tmp_path):
    module_file(tmp_path / "CORR-R0001-AGIPD00-S00000.h5", 0, [10, 11], [0, 2])
    module_file(tmp_path / "RAW-R0001-AGIPD00-S00000.h5", 0, [10, 11], [50, 52])
    stack = open_frames(tmp_path, AGIPD)
    assert stack.read(range(4))[:, 0, 0, 0].tolist() == [0, 1, 2, 3]


def test_modules_are_matched_by_train(tmp_path):
    make_examples.make_lpd_run_mini_missed_train(tmp_path)
    stack = open_frames(tmp_path, LPD)
    assert stack.n_frames == 50
    assert stack.modules == (0, 1)
    present = stack.present(range(50))
    assert present[:, 0].all()
    assert np.flatnonzero(~present[:, 1]).tolist() == list(range(20, 30))
    # EXtra-data's example puts 1 … 4 into entry 8 of each train that module 1 has.
    values = stack.read(range(50), fill=0)[:, 1, 0, 0]
    assert {k: v for k, v in enumerate(values.tolist()) if v} == {8: 1, 18: 2, 38: 3, 48: 4}


def test_sequence_files_follow_each_other_and_gaps_are_nan(tmp_path):
    files = [
        module_file(tmp_path / "CORR-R0001-AGIPD00-S00001.h5", 0, [12, 13], [4, 6]),
        module_file(tmp_path / "CORR-R0001-AGIPD00-S00000.h5", 0, [10, 11], [0, 2]),
        module_file(tmp_path / "CORR-R0001-AGIPD07-S00000.h5", 7, [11, 13], [20, 30]),
    ]
    stack = open_frames(files, AGIPD)
    assert stack.train_ids.tolist() == [10, 10, 11, 11, 12, 12, 13, 13]
    assert stack.modules == (0, 7)
    assert stack.missing_modules == tuple(m for m in range(16) if m not in (0, 7))
    data = stack.read(range(8))
    assert data[:, 0, 0, 0].tolist() == list(range(8))
    np.testing.assert_array_equal(
        data[:, 7, 511, 127], [np.nan, np.nan, 20, 21, np.nan, np.nan, 30, 31]
    )
    assert np.isnan(data[:, 1:7]).all()
    assert (stack.read([0], fill=-5)[0, 7:] == -5).all()
    # Against one frame at a time, in any order.
    np.testing.assert_array_equal(stack.read([6, 1, 3]), data[[6, 1, 3]])


def test_jungfrau_trains_and_memory_cells(tmp_path):
    make_examples.make_jungfrau_run(tmp_path)
    with h5py.File(tmp_path / "RAW-R0012-JNGFR02-S00000.h5", "r+") as file:
        data = file["INSTRUMENT/SPB_IRDA_JF4M/DET/JNGFR02:daqOutput/data/adc"]
        data[3, 4, 1, 2], data[3, 15, 1, 2], data[4, 0, 1, 2] = 5, 6, 7
    stack = open_frames(tmp_path, JUNGFRAU)
    assert stack.shape == (100 * 16, 8, 512, 1024)
    assert stack.pulse_ids[:17].tolist() == [*range(16), 0]
    wanted = [3 * 16 + 4, 3 * 16 + 15, 4 * 16]
    assert stack.read(wanted)[:, 1, 1, 2].tolist() == [5, 6, 7]
    assert stack.read(range(wanted[0], wanted[2] + 1))[[0, 11, 12], 1, 1, 2].tolist() == [5, 6, 7]


def test_one_jungfrau_module_with_any_number(tmp_path):
    make_examples.make_jungfrau_run(tmp_path)
    one = example_geometry("JUNGFRAU-500K")
    stack = open_frames(tmp_path / "RAW-R0012-JNGFR05-S00000.h5", one)
    assert stack.shape == (1600, 1, 512, 1024)
    with pytest.raises(GeometryFileError, match="several sources each hold a whole JUNGFRAU-500K"):
        open_frames(tmp_path, one)
    stack = open_frames(tmp_path, one, dataset="SPB_IRDA_JF4M/DET/JNGFR05")
    assert "JNGFR05" in stack.parts[0].segments[0].dataset


def test_two_modules_numbered_as_part_of_a_larger_detector(tmp_path):
    make_examples.make_jungfrau_run(tmp_path)
    two = example_geometry("JUNGFRAU-1M")
    files = [tmp_path / f"RAW-R0012-JNGFR{n:02}-S00000.h5" for n in (6, 7)]
    stack = open_frames(files, two)
    assert stack.modules == (0, 1)
    assert "JNGFR07" in stack.parts[1].segments[0].dataset
    with pytest.raises(GeometryFileError, match=r"has modules \[6\], but JUNGFRAU-1M has modules"):
        open_frames(files[:1], two)


@pytest.mark.parametrize("name", ["ePix100", "ePix10K", "pnCCD"])
@pytest.mark.parametrize("raw", [False, True])
def test_one_source_for_the_whole_detector(tmp_path, name, raw):
    geometry = example_geometry(name)
    frames = np.random.default_rng(2).integers(0, 99, (3, *geometry.data_shape), dtype=np.uint16)
    write_euxfel_file(tmp_path / "a.h5", frames, geometry, raw=raw)
    stack = open_frames(tmp_path / "a.h5", geometry)
    assert stack.missing_modules == ()
    np.testing.assert_array_equal(stack.read(range(3)), frames)


def test_another_key_and_another_detector(tmp_path):
    path = module_file(tmp_path / "a.h5", 2, [10], [1])
    module_file(tmp_path / "b.h5", 2, [10], [50], source="MID_DET_AGIPD1M-1/DET/{}CH0:xtdf")
    with h5py.File(path, "r+") as file:
        group = file["INSTRUMENT/SPB_DET_AGIPD1M-1/DET/2CH0:xtdf/image"]
        group["gain"] = np.full((2, 512, 128), 9, "u1")
    files = [path, tmp_path / "b.h5"]
    assert open_frames(path, AGIPD, dataset="image/gain").read([1])[2][0, 0, 0] == 9
    with pytest.raises(GeometryFileError, match=r"several detectors fit AGIPD-1M: MID_DET"):
        open_frames(files, AGIPD)
    stack = open_frames(files, AGIPD, dataset="MID_DET_AGIPD1M-1")
    assert stack.read([1])[0, 2, 0, 0] == 51


def test_the_index_says_which_train_a_row_belongs_to(tmp_path):
    path = module_file(tmp_path / "a.h5", 2, [10, 11, 12], [0, 2, 4])
    with h5py.File(path, "r+") as file:
        group = file.create_group("INDEX/SPB_DET_AGIPD1M-1/DET/2CH0:xtdf/image")
        group["first"], group["count"] = np.array([0, 3, 0], "u8"), np.array([3, 3, 0], "u8")
    stack = open_frames(path, AGIPD)
    assert stack.train_ids.tolist() == [10, 10, 10, 11, 11, 11]
    with h5py.File(path, "r+") as file:  # as files of 2017 have it
        group = file["INDEX/SPB_DET_AGIPD1M-1/DET/2CH0:xtdf/image"]
        del group["count"], group["first"]
        group["first"], group["last"] = np.array([0, 4, 6], "u8"), np.array([3, 5, 6], "u8")
        group["status"] = np.array([1, 1, 0], "u4")
    assert open_frames(path, AGIPD).train_ids.tolist() == [10, 10, 10, 10, 11, 11]


def test_an_index_that_points_out_of_the_data_does_no_harm(tmp_path):
    path = module_file(tmp_path / "a.h5", 2, [10, 11], [0, 2])
    with h5py.File(path, "r+") as file:
        group = file.create_group("INDEX/SPB_DET_AGIPD1M-1/DET/2CH0:xtdf/image")
        group["first"], group["count"] = np.array([0, 2**60], "u8"), np.array([2**62, 9], "u8")
    assert open_frames(path, AGIPD).train_ids.tolist() == [10] * 4


def test_missing_train_ids_are_told(tmp_path):
    path = module_file(tmp_path / "a.h5", 2, [10, 11], [1, 5])
    with h5py.File(path, "r+") as file:
        del file["INSTRUMENT/SPB_DET_AGIPD1M-1/DET/2CH0:xtdf/image/trainId"]
    with pytest.warns(GeometryWarning, match="order in which they are stored"):
        stack = open_frames(path, AGIPD)
    assert stack.read(range(4))[:, 2, 0, 0].tolist() == [1, 2, 5, 6]


def test_nothing_that_fits_is_told(tmp_path):
    path = module_file(tmp_path / "a.h5", 2, [10], [1])
    message = (
        r"no data that fit LPD-1M, whose 16 modules have 256 × 256 pixels; it holds "
        r"/INSTRUMENT/SPB_DET_AGIPD1M-1/DET/2CH0:xtdf/image/data \(2, 512, 128\) float32"
    )
    with pytest.raises(GeometryFileError, match=message):
        open_frames(path, LPD)
    with pytest.raises(GeometryFileError, match="no data under 'image/nope'"):
        open_frames(path, AGIPD, dataset="image/nope")


def test_only_padding_is_no_frames(tmp_path):
    with pytest.raises(GeometryFileError, match="there are no frames"):
        open_frames(module_file(tmp_path / "a.h5", 0, [0], [1]), AGIPD)


def test_module_number_out_of_range(tmp_path):
    with pytest.raises(
        GeometryFileError, match=r"has modules \[16\], but AGIPD-1M has modules 0 to"
    ):
        open_frames(module_file(tmp_path / "a.h5", 16, [1], [1]), AGIPD)


def test_impossible_sizes_are_refused_before_they_are_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["INDEX/trainId"] = [1]
        group = file.create_group("INSTRUMENT/SPB_DET_AGIPD1M-1/DET/0CH0:xtdf/image")
        n = 10**12
        group.create_dataset("data", (n, 512, 128), "f4", chunks=(1, 512, 128))
        group.create_dataset("trainId", (n,), "u8", chunks=(1000,))
    with pytest.raises(GeometryFileError, match=f"no real file has more than {MAX_ENTRIES}"):
        open_frames(tmp_path / "a.h5", AGIPD)


def test_folders_and_mixtures_that_are_no_run(tmp_path):
    with pytest.raises(GeometryFileError, match=r"a folder without \.h5 files"):
        open_frames(tmp_path, AGIPD)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(GeometryFileError, match="none of which has the layout"):
        open_frames(tmp_path, AGIPD)
    np.save(tmp_path / "a.npy", np.zeros((16, 512, 128), "u1"))
    with pytest.raises(GeometryFileError, match="several files together must be the files of one"):
        open_frames([tmp_path / "a.npy", tmp_path / "a.h5"], AGIPD)


def test_a_damaged_file_is_named(tmp_path):
    path = module_file(tmp_path / "a.h5", 0, [1], [1])
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(GeometryFileError, match=r"a\.h5: no readable HDF5 file"):
        open_frames(path, AGIPD)


def test_broken_links_do_no_harm(tmp_path):
    path = module_file(tmp_path / "a.h5", 0, [1], [1])
    with h5py.File(path, "r+") as file:
        file["INSTRUMENT/SPB_DET_AGIPD1M-1/DET/1CH0:xtdf"] = h5py.SoftLink("/nowhere")
        file["INSTRUMENT/SPB_DET_AGIPD1M-1/DET/2CH0:xtdf"] = h5py.ExternalLink("no.h5", "/x")
        file["INSTRUMENT/loop"] = h5py.SoftLink("/INSTRUMENT")
    assert open_frames(path, AGIPD).modules == (0,)
