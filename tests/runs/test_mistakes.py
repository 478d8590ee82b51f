"""What people get wrong with whole runs: it is said before anything is written."""

import json
import os
import shutil
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from geomlib import (
    StackIntegrator,
    assemble_run,
    integrate_run,
    open_run,
    reduce_run,
)
from geomlib.compat import extra_geom
from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
from geomlib.runs import write_virtual_cxi
from geomlib.runs.parts import Parts
from tests.runs.simulated import SMALL, simulate_run, tiny_run


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return a geometry, and a run of 150 frames in 15 trains."""
    return tiny_run(tmp_path_factory.mktemp("tiny") / "run")


# -- Arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_bits": -1, "mask": "flags"}, "mask_bits must be a whole number, from 1 to"),
        ({"mask_bits": 3}, "mask_bits is given, but there is no mask"),
        ({"threads": 0}, "threads must be"),
        ({"scheduler": 4}, "scheduler must be a dask Client, or the address"),
        ({"progress": 4}, "progress must be callable, not 4"),
        ({"overwrite": "yes"}, "overwrite must be True or False, not 'yes'"),
        ({"masked": "no"}, "masked must be True or False, not 'no'"),
        ({"about": "hi"}, "about must be a dict of texts by names, not 'hi'"),
        ({"about": {5: "x"}}, "about must be a dict of texts by names"),
        ({"about": {"versions": "x"}}, "about has 'versions', which the output uses itself"),
        ({"about": {"a/b": "x"}}, "about has 'a/b'"),
        ({"dark": "dark.npy"}, r"dark must be an array \(modules, ss, fs\), not 'dark.npy'"),
        ({"gain": {0: 1}}, r"gain must be an array \(modules, ss, fs\), not {0: 1}"),
        ({"min_pixels": 5}, "min_pixels goes with threshold"),
        ({"how": "median"}, "how must be one of mean, sum, max, min, std, not 'median'"),
    ],
)
def test_nothing_is_written_for_a_wrong_argument(tiny, tmp_path, options, message):
    geometry, run = tiny
    if options.get("mask") == "flags":
        options = options | {"mask": np.ones(geometry.data_shape, np.uint8)}
    with pytest.raises(GeometryError, match=message):
        reduce_run(run, geometry, tmp_path / "a.h5", **options)
    assert list(tmp_path.iterdir()) == []
    # Nor is the output of an earlier call in the way.
    (tmp_path / "a.h5").touch()
    with pytest.raises(GeometryError, match=message):
        reduce_run(run, geometry, tmp_path / "a.h5", **options)


def test_compress_is_a_flag(tiny, tmp_path):
    geometry, run = tiny
    with pytest.raises(GeometryError, match="compress must be True or False, not 'gzip'"):
        assemble_run(run, geometry, tmp_path / "a.h5", compress="gzip")


def test_an_integrator_has_its_own_bins(tiny, tmp_path):
    geometry, run = tiny
    own = StackIntegrator(geometry, 20)
    with pytest.raises(GeometryError, match="npt is an option of the integrator"):
        integrate_run(run, own, tmp_path / "a.h5", 50)
    assert integrate_run(run, own, tmp_path / "a.h5").shapes["/entry/pattern/count"] == (150, 20)


def test_arrays_and_foreign_geometries(tiny, tmp_path):
    geometry, run = tiny
    with pytest.raises(GeometryError, match=r"run must be a Run, .* not an array: assemble_data"):
        assemble_run(np.zeros((1, *geometry.data_shape)), geometry, tmp_path / "a.h5")
    theirs = extra_geom.Epix10KGeometry.example()
    with pytest.raises(GeometryError, match=r"not Epix10KGeometry: pass its \.geometry"):
        assemble_run(run, theirs, tmp_path / "a.h5")


def test_selections_say_what_there_is(tiny):
    _, run = tiny
    with pytest.raises(GeometryError, match=r"no frame has trains=5; there are 15, 1000 to 1014"):
        run.select(trains=5)
    with pytest.raises(GeometryError, match=r"a slice counts trains, range\(…\) or a list has"):
        run.select(trains=slice(1000, 1003))
    with pytest.raises(GeometryError, match=r"no frame has cells=\[1\]; there are 10, 0 to 18"):
        run.select(cells=[1])
    with pytest.raises(GeometryError, match="no frame has these trains, pulses and cells at once"):
        run.select(pulses=[0], cells=[2])
    with pytest.warns(GeometryWarning, match=r"there are no trains \[99999\]; left out"):
        some = run.select(trains=[1003, 99999])
    assert some.trains.tolist() == [1003]
    # A range has gaps as runs have.
    assert run.select(trains=range(1013, 1100)).trains.tolist() == [1013, 1014]


# -- Files ------------------------------------------------------------------------------------


def test_the_same_file_twice_counts_once(tmp_path):
    found = simulate_run(tmp_path / "run", n=6, per_train=3)
    path = found.run.files[0]
    (tmp_path / "link").symlink_to(tmp_path / "run")
    for given in (["run", "run"], ["run", path.name], ["run", "link"]):
        paths = [tmp_path / "run" / g if g == path.name else tmp_path / g for g in given]
        assert open_run(paths).n_frames == 6


def test_the_same_trains_in_two_files_are_refused(tmp_path):
    found = simulate_run(tmp_path / "run", n=6, per_train=3)
    path = found.run.files[0]
    copy = path.with_name(path.name.replace("S00000", "S00001"))
    shutil.copy(path, copy)
    with pytest.raises(
        GeometryFileError, match=r"train 2000000000 is in .*S00000.h5 too; its fram"
    ):
        open_run(tmp_path / "run")


def test_a_source_that_is_not_there(tmp_path):
    simulate_run(tmp_path / "run", n=6, per_train=3)
    with pytest.raises(
        GeometryFileError, match=r"nothing of that name .*HED_DET_AGIPD500K2G/"
    ) as e:
        open_run(tmp_path / "run", source="SPB_DET_AGIPD1M-2")
    assert e.value.key == "SPB_DET_AGIPD1M-2"
    tiny_run(tmp_path / "tiny", n=2)
    with pytest.raises(GeometryFileError, match=r"nothing of that name .*entry/data"):
        open_run(tmp_path / "tiny/stack.h5", source="entry/dat")


def test_an_empty_file(tmp_path):
    (tmp_path / "a.h5").touch()
    with pytest.raises(GeometryFileError, match="is empty: 0 bytes"):
        open_run(tmp_path / "a.h5", "AGIPD-1M")


def test_a_file_that_became_shorter(tmp_path):
    geometry, run = tiny_run(tmp_path / "run", n=20)
    path = run.files[0]
    with h5py.File(path, "r+") as file:
        del file["entry/data"]
        file["entry/data"] = np.zeros((5, *geometry.data_shape), "f4")
    with pytest.raises(GeometryFileError, match="has it been written anew"):
        run.frames(slice(0, 20, 3))


def test_files_behind_a_virtual_dataset_count(tmp_path):
    found = simulate_run(tmp_path / "run", n=6, per_train=3, dead=())
    data = found.run.files[0]
    cxi, out = tmp_path / "v.cxi", tmp_path / "a.h5"
    shape = (6, *SMALL.data_shape)
    layout = h5py.VirtualLayout(shape, "f4")
    parts = [tmp_path / f"part{k}.h5" for k in (0, 1)]
    for k, part in enumerate(parts):
        with h5py.File(part, "w") as file:
            file["data"] = found.frames[:, 4 * k : 4 * k + 4]
        layout[:, 4 * k : 4 * k + 4] = h5py.VirtualSource(part, "data", (6, 4, *shape[2:]))
    with h5py.File(cxi, "w") as file:
        file.create_virtual_dataset("entry_1/instrument_1/detector_1/data", layout)
    assert data.exists()
    reduce_run(open_run(cxi, SMALL), SMALL, out, "max")
    # One is written anew: another result.
    os.utime(parts[0], ns=(1, 1))
    with pytest.raises(GeometryError, match="there already, with other data files"):
        reduce_run(open_run(cxi, SMALL), SMALL, out, "max")
    with pytest.raises(GeometryError, match="is one of the files of the run, which would be lost"):
        reduce_run(open_run(cxi, SMALL), SMALL, parts[1], "max", overwrite=True)
    parts[0].rename(tmp_path / "away.h5")
    with pytest.warns(GeometryWarning, match="1 of the 2 files behind this virtual dataset"):
        run = open_run(cxi, SMALL)
    with pytest.raises(GeometryError, match="there already, with other data files"):
        reduce_run(run, SMALL, out, "max")
    parts[1].rename(tmp_path / "gone.h5")
    with pytest.raises(GeometryFileError, match="none of the 2 files behind this virtual dataset"):
        open_run(cxi, SMALL)


def test_trains_without_frames_of_the_detector_are_no_mistake(tmp_path):
    found = simulate_run(tmp_path / "run", n=6, per_train=3)
    files = [SimpleNamespace(filename=str(path)) for path in found.run.files]
    first = int(found.run.trains[0])
    run = open_run(SimpleNamespace(files=files, train_ids=[first, first + 500]))
    assert run.trains.tolist() == [first]
    with pytest.raises(GeometryError, match="no frame has trains="):
        open_run(SimpleNamespace(files=files, train_ids=[first + 500]))


# -- Outputs ----------------------------------------------------------------------------------


def test_an_output_says_what_it_is_of(tiny, tmp_path):
    geometry, run = tiny
    out = tmp_path / "a.h5"
    flags = np.ones(geometry.data_shape, np.uint8)
    reduce_run(run, geometry, out, mask=flags, mask_bits=2, dark=np.float32(1))
    with h5py.File(out) as file:
        options = json.loads(file["entry/process/options"].asstr()[()])
    assert (options["masked"], options["mask_bits"], options["dark"]) == (False, 2, 1.0)
    assert options["mask"] == f"uint8 {flags.shape}"
    with pytest.raises(GeometryError, match="is there already, with other options: overwrite=True"):
        reduce_run(run, geometry, out)
    with pytest.raises(GeometryError, match="with other geometry: overwrite"):
        reduce_run(
            run, geometry.offset((1e-3, 0)), out, mask=flags, mask_bits=2, dark=np.float32(1)
        )


def test_the_folder_of_the_call_makes_no_difference(tmp_path, monkeypatch):
    geometry, run = tiny_run(tmp_path / "run", n=20)
    monkeypatch.chdir(tmp_path)
    reduce_run(run, geometry, "a.h5")
    again = reduce_run("run/stack.h5", geometry, "a.h5")
    assert again.n_reused == again.n_blocks


@pytest.mark.parametrize("suffix", [".h5", ".zarr"])
def test_a_damaged_output_is_not_taken_for_complete(tiny, tmp_path, suffix):
    geometry, run = tiny
    out = tmp_path / f"a{suffix}"
    reduce_run(run, geometry, out)
    if suffix == ".h5":
        with h5py.File(out, "r+") as file:
            del file["entry/mean/data"]
    else:
        shutil.rmtree(out / "entry/mean")
    with pytest.raises(GeometryError, match="is there already, but damaged: datasets are missing"):
        reduce_run(run, geometry, out)


def test_a_folder_that_is_no_zarr_one_is_kept(tiny, tmp_path):
    geometry, run = tiny
    folder = tmp_path / "notes.zarr"
    folder.mkdir()
    (folder / "notes.txt").write_text("of somebody")
    with pytest.raises(GeometryError, match=r"is a folder without zarr\.json, which would"):
        reduce_run(run, geometry, folder, overwrite=True)
    assert (folder / "notes.txt").read_text() == "of somebody"


def test_parts_that_another_process_works_at_are_not_deleted(tiny, tmp_path):
    geometry, run = tiny
    out = tmp_path / "a.h5"
    parts = Parts(out)
    parts.prepare({"kind": "another"}, overwrite=False)
    message = "another process is at work on it"
    with parts.alone(), pytest.raises(GeometryError, match=message):
        reduce_run(run, geometry, out, overwrite=True)
    assert parts.folder.is_dir()
    assert reduce_run(run, geometry, out, overwrite=True).n_reused == 0


def test_a_disk_without_room(tiny, tmp_path, monkeypatch):
    geometry, run = tiny
    usage = shutil.disk_usage(tmp_path)._replace(free=2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(GeometryFileError, match=r"needs .* GB, but 0.00105 GB are free there"):
        reduce_run(run, geometry, tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


def test_hits_are_counted(tiny, tmp_path):
    geometry, run = tiny
    outcome = reduce_run(run, geometry, tmp_path / "a.h5", "max", threshold=99.5)
    assert outcome.n_hits == 50
    with pytest.warns(GeometryWarning, match="none of 150 frames is a hit"):
        assert reduce_run(run, geometry, tmp_path / "b.h5", "max", threshold=1e6).n_hits == 0
    # Only scores: nothing is empty.
    assert reduce_run(run, None, tmp_path / "c.zarr", (), threshold=1e6).n_hits == 0
    assert reduce_run(run, None, tmp_path / "d.h5").n_hits is None


def test_a_virtual_file_says_how_many_frames_it_has(tmp_path):
    found = simulate_run(tmp_path / "run", n=6, per_train=3)
    assert write_virtual_cxi(found.run, tmp_path / "v.cxi") == 6
