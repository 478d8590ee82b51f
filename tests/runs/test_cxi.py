"""Virtual CXI files, the ``.geom`` files that fit them, and pairs that do not agree."""

import re

import h5py
import numpy as np
import pytest
from extra_data.tests import make_examples

from geomlib import open_run, read_geometry, write_geometry
from geomlib.detectors import example_geometry
from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
from geomlib.runs import check_cxi_pair, write_cxi_geometry, write_virtual_cxi
from tests.runs.simulated import tiny_run

MAKE = {
    "AGIPD-1M": make_examples.make_modern_spb_proc_run,
    "AGIPD-500K": make_examples.make_agipd500k_run,
    "DSSC-1M": make_examples.make_scs_run,
    "JUNGFRAU-4M": make_examples.make_jungfrau_run,
}
OPTIONS = {"adu_per_ev": 0.001, "distance": 0.2, "photon_energy": 9300}
SHAPES = {
    "AGIPD-1M": (2048, 16, 512, 128),
    "AGIPD-500K": (6400, 8, 2, 512, 128),
    "DSSC-1M": (8192, 16, 1, 128, 512),
    "JUNGFRAU-4M": (1600, 8, 512, 1024),
}


@pytest.fixture(scope="module", params=MAKE)
def pair(request, tmp_path_factory):
    """Return a detector, its run, a virtual CXI file and a .geom file."""
    name = request.param
    folder = tmp_path_factory.mktemp("run")
    MAKE[name](folder)
    run = open_run(folder)
    cxi, geom = folder.parent / f"{name}.cxi", folder.parent / f"{name}.geom"
    write_virtual_cxi(run, cxi)
    if name == "DSSC-1M":
        with pytest.warns(GeometryWarning, match="hexagonal pixels"):
            write_cxi_geometry(example_geometry(name), cxi, geom, **OPTIONS)
    else:
        write_cxi_geometry(example_geometry(name), cxi, geom, **OPTIONS)
    return name, run, cxi, geom


def test_a_pair_agrees(pair):
    name, run, cxi, geom = pair
    with h5py.File(cxi) as file:
        assert file["/entry_1/instrument_1/detector_1/data"].shape == SHAPES[name]
    assert check_cxi_pair(cxi, geom) == []
    text = geom.read_text()
    raw = len(SHAPES[name]) == 5
    assert ("dim2 = 0" in text) is raw
    assert ("mask = /entry_1/instrument_1/detector_1/mask" in text) is not raw
    again = open_run(cxi)
    assert again.detector == run.detector
    np.testing.assert_array_equal(again.train_ids, run.train_ids)
    if name != "DSSC-1M":
        assert read_geometry(geom).detector == run.detector


@pytest.fixture(scope="module")
def proc(tmp_path_factory):
    """Return the folder of a corrected AGIPD run, and its pair."""
    folder = tmp_path_factory.mktemp("proc")
    make_examples.make_modern_spb_proc_run(folder)
    cxi, geom = folder.parent / "proc.cxi", folder.parent / "proc.geom"
    write_virtual_cxi(open_run(folder), cxi)
    write_cxi_geometry(example_geometry("AGIPD-1M"), cxi, geom, **OPTIONS)
    return folder, cxi, geom


@pytest.mark.parametrize(
    ("find", "put", "expected"),
    [
        (r"data = /entry_1.*", "data = /data/data", "the CXI file has no such dataset"),
        (r"dim0 = %", "dim0 = 0", "dim0 = %"),
        (r"dim2 = ss\ndim3 = fs", "dim2 = 0\ndim3 = ss\ndim4 = fs", "has no axis of gains"),
        (r"dim2 = ss\ndim3 = fs", "dim2 = fs\ndim3 = ss", "the last axes are fs, ss"),
        (r"dim1 = 15", "dim1 = 16", r"dim1 = 16, but .* has 0 to 15"),
        (r"dim1 = 15", "dim1 = 14", "no panel is of module index 15"),
        (r"max_ss = 511", "max_ss = 512", "max_ss is not below 512"),
        (r"mask = /entry_1.*", "mask = /entry_1/mask", "mask = /entry_1/mask: the CXI file has no"),
        (r"mask_bad = \S+", "mask_bad = 0x0", "the mask has no effect"),
    ],
)
def test_what_is_wrong(proc, tmp_path, find, put, expected):
    _, cxi, geom = proc
    text = re.sub(find, put, geom.read_text())
    assert text != geom.read_text()
    wrong = tmp_path / "wrong.geom"
    wrong.write_text(text)
    problems = check_cxi_pair(cxi, wrong)
    assert any(re.search(expected, problem) for problem in problems), problems


def test_modules_of_jungfrau_counted_from_one(tmp_path):
    (tmp_path / "run").mkdir()
    make_examples.make_jungfrau_run(tmp_path / "run")
    cxi, geom = tmp_path / "a.cxi", tmp_path / "a.geom"
    write_virtual_cxi(open_run(tmp_path / "run"), cxi)
    write_cxi_geometry(example_geometry("JUNGFRAU-4M"), cxi, geom, **OPTIONS)
    text = re.sub(r"dim1 = (\d)", lambda found: f"dim1 = {int(found[1]) + 1}", geom.read_text())
    geom.write_text(text)
    problems = check_cxi_pair(cxi, geom)
    assert any("module indices run from 1 to 8: the data counts from 0" in p for p in problems)


def test_masks_that_are_not_named_and_other_detectors(proc, tmp_path):
    _, cxi, _ = proc
    path = tmp_path / "plain.geom"
    agipd = example_geometry("AGIPD-1M").replace(distance=0.2, photon_energy=9300)
    write_geometry(agipd, path, adu_per_ev=0.001, data_path="/entry_1/instrument_1/detector_1/data")
    (problem,) = check_cxi_pair(cxi, path)
    assert "no mask is named" in problem
    with pytest.raises(GeometryError, match=r"JUNGFRAU-4M needs \(frames, 8, 512, 1024\)"):
        write_cxi_geometry(example_geometry("JUNGFRAU-4M"), cxi, tmp_path / "x.geom")


def test_files_behind_it_that_are_gone(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    make_examples.make_modern_spb_proc_run(folder)
    cxi, geom = tmp_path / "a.cxi", tmp_path / "a.geom"
    write_virtual_cxi(open_run(folder), cxi)
    write_cxi_geometry(example_geometry("AGIPD-1M"), cxi, geom, **OPTIONS)
    (folder / "CORR-R0142-AGIPD07-S00000.h5").unlink()
    (problem,) = check_cxi_pair(cxi, geom)
    assert problem.startswith("1 of the 16 files behind the virtual dataset are not there")
    with pytest.warns(GeometryWarning, match="1 of the 16 files behind this virtual dataset"):
        run = open_run(cxi)
    assert run.stack.missing_modules == (7,)
    assert not run.present([0])[0, 7]
    assert np.isnan(run.frames(0)[7]).all()
    assert not np.isnan(run.frames(0)[6]).any()
    # All bits of a module that is missing are set.
    assert (run.mask(0)[7] == 2**32 - 1).all()


def test_modules_that_miss_trains(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    make_examples.make_modern_spb_proc_run(folder)
    path = folder / "CORR-R0142-AGIPD03-S00000.h5"
    with h5py.File(path, "r+") as file:
        for name in ("first", "count"):
            index = file[f"INDEX/SPB_DET_AGIPD1M-1/CORR/3CH0:output/image/{name}"]
            index[10] = 0
    run = open_run(folder)
    assert np.flatnonzero(~run.present()[:, 3]).tolist() == list(range(320, 352))
    write_virtual_cxi(run, tmp_path / "all.cxi")
    np.testing.assert_array_equal(open_run(tmp_path / "all.cxi").present(), run.present())
    write_virtual_cxi(run, tmp_path / "whole.cxi", min_modules=16)
    assert open_run(tmp_path / "whole.cxi").n_frames == 2048 - 32


def test_selected_trains_and_what_cannot_be_written(proc, tmp_path):
    folder, _, _ = proc
    run = open_run(folder)
    write_virtual_cxi(run.select(trains=[10003, 10005]), tmp_path / "two.cxi")
    assert open_run(tmp_path / "two.cxi").trains.tolist() == [10003, 10005]
    with pytest.raises(GeometryError, match="has whole trains; select trains only"):
        write_virtual_cxi(run.select(pulses=slice(0, 4)), tmp_path / "x.cxi")
    _, tiny = tiny_run(tmp_path / "tiny", n=4)
    with pytest.raises(GeometryError, match="EXtra-data makes virtual CXI files of"):
        write_virtual_cxi(tiny, tmp_path / "x.cxi")
    assert not (tmp_path / "x.cxi").exists()
    with pytest.raises(GeometryFileError, match="there is no such folder"):
        write_virtual_cxi(run, tmp_path / "no" / "x.cxi")
    (tmp_path / "empty.geom").write_text("clen = 1\n")
    with pytest.raises(GeometryFileError, match="found no panel"):
        check_cxi_pair(tmp_path / "two.cxi", tmp_path / "empty.geom")
    with pytest.raises(GeometryFileError, match="there is no such file"):
        check_cxi_pair(tmp_path / "two.cxi", tmp_path / "none.geom")
