"""`assemble_run`, `integrate_run`, `reduce_run`: their numbers are those of calls in memory."""

from itertools import pairwise

import h5py
import numpy as np
import pytest
import zarr
from silx.io import nxdata
from silx.io import open as silx_open

from geomlib import (
    StackIntegrator,
    assemble_data,
    assemble_run,
    integrate_run,
    open_run,
    reduce_run,
)
from geomlib.detectors import example_geometry
from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
from geomlib.runs.groups import group_frames
from tests.runs.simulated import DEAD, SMALL, simulate_run, tiny_run
from tests.shared import by_size


@pytest.fixture(scope="module")
def sim(tmp_path_factory):
    """Return a run of 70 frames in 7 trains."""
    return simulate_run(tmp_path_factory.mktemp("runs") / "run")


def image_of(sim, how, frames=slice(None)):
    present = sim.run.present()[frames]
    return assemble_data(sim.frames[frames], SMALL, present=present, reduce=how).data


def read(path, name):
    with h5py.File(path) as file:
        return file[name][()]


@pytest.mark.parametrize("suffix", [".h5", ".zarr"])
def test_assembled_images(sim, tmp_path, suffix):
    path = tmp_path / f"images{suffix}"
    seen = []
    outcome = assemble_run(
        sim.run, SMALL, path, block_bytes=20 * sim.run.frame_bytes, progress=seen.append
    )
    assert (outcome.n_frames, outcome.n_blocks, outcome.n_reused) == (70, 4, 0)
    assert sum(seen) == 70
    expected = assemble_data(sim.frames, SMALL, present=sim.run.present()).data
    file = h5py.File(path) if suffix == ".h5" else zarr.open_group(path, mode="r")
    np.testing.assert_array_equal(file["entry/image/data"][:], expected)
    np.testing.assert_array_equal(file["entry/image/train_id"][:], sim.run.train_ids)
    assert file["entry/image/present"][:].sum() == 70 * 7
    assert file["entry/image"].attrs["signal"] == "data"
    assert list(file["entry/image"].attrs["axes"]) == ["frame", "y", "x"]
    assert not list(tmp_path.glob("*.parts"))


def test_viewers_find_the_images(sim, tmp_path):
    assemble_run(sim.run.select(frames=slice(4)), SMALL, tmp_path / "a.h5", about={"command": "c"})
    with silx_open(str(tmp_path / "a.h5")) as file:
        found = nxdata.get_default(file)
        assert found.is_valid
        assert found.signal.shape == (4, 602, 1068)
        assert found.axes_dataset_names == ["frame", "y", "x"]
        assert found.interpretation == "image"
    with h5py.File(tmp_path / "a.h5") as file:
        data = file["entry/image/data"]
        assert data.chunks == (1, 602, 1068)
        # Few photons: compressed to less than half.
        assert data.compression == "gzip"
        assert data.id.get_storage_size() < data.nbytes / 2
        process = file["entry/process"]
        assert process["command"].asstr()[()] == "c"
        assert {"geomlib", "numpy"} <= {"geomlib", *process["versions"]}
        assert file["entry/geometry/detector"].asstr()[()] == "AGIPD-500K"


def test_compression_can_be_chosen(sim, tmp_path):
    few = sim.run.select(frames=slice(2))
    assemble_run(few, SMALL, tmp_path / "plain.h5", compress=False)
    assemble_run(few, SMALL, tmp_path / "packed.h5", compress=True)
    with h5py.File(tmp_path / "plain.h5") as one, h5py.File(tmp_path / "packed.h5") as other:
        assert one["entry/image/data"].compression is None
        np.testing.assert_array_equal(one["entry/image/data"][()], other["entry/image/data"][()])


@pytest.mark.jit
def test_options_of_images(sim, tmp_path):
    few = sim.run.select(frames=slice(3))
    dark = np.full(SMALL.data_shape, 0.5, np.float32)
    options = {"method": "nearest", "binning": 2, "fill": -1.0, "dark": dark}
    assemble_run(few, SMALL, tmp_path / "a.h5", **options)
    expected = assemble_data(sim.frames[:3], SMALL, present=few.present(), **options)
    np.testing.assert_array_equal(read(tmp_path / "a.h5", "entry/image/data"), expected.data)
    assemble_run(few, SMALL, tmp_path / "s.h5", method="split", oversample=1)
    expected = assemble_data(sim.frames[:3], SMALL, present=few.present(), method="split")
    np.testing.assert_array_equal(read(tmp_path / "s.h5", "entry/image/data"), expected.data)


@pytest.mark.parametrize("suffix", [".h5", ".zarr"])
def test_curves(sim, tmp_path, suffix):
    path = tmp_path / f"curves{suffix}"
    integrate_run(
        sim.run, SMALL, path, 300, error_model="poisson", block_bytes=20 * sim.run.frame_bytes
    )
    integrator = StackIntegrator(SMALL, 300, error_model="poisson")
    expected = integrator.integrate(sim.frames, present=sim.run.present())
    file = h5py.File(path) if suffix == ".h5" else zarr.open_group(path, mode="r")
    group = file["entry/pattern"]
    np.testing.assert_array_equal(group["intensity"][:], expected.intensity)
    np.testing.assert_array_equal(group["intensity_errors"][:], expected.sigma)
    np.testing.assert_array_equal(group["count"][:], expected.count)
    np.testing.assert_array_equal(group["q"][:], expected.radial)
    assert list(group.attrs["axes"]) == ["frame", "q"]


def test_cakes_of_a_given_integrator(sim, tmp_path):
    integrator = StackIntegrator(SMALL, 50, npt_azim=36, unit="2th_deg")
    few = sim.run.select(frames=[5, 7])
    integrate_run(few, integrator, tmp_path / "cakes.h5")
    expected = integrator.integrate(sim.frames[[5, 7]], present=few.present())
    found = read(tmp_path / "cakes.h5", "entry/pattern/intensity")
    np.testing.assert_array_equal(found, expected.intensity)
    with pytest.raises(GeometryError, match="unit is an option of the integrator"):
        integrate_run(few, integrator, tmp_path / "x.h5", unit="r_mm")


def test_reductions_in_one_pass(sim, tmp_path):
    reduce_run(sim.run, SMALL, tmp_path / "r.h5", ["mean", "std", "max", "min", "sum"])
    for how in ("max", "min"):
        found = read(tmp_path / "r.h5", f"entry/{how}/data")
        np.testing.assert_array_equal(found, image_of(sim, how))
    # Photons are whole numbers: their sums are exact in any order.
    for how in ("mean", "sum"):
        found = read(tmp_path / "r.h5", f"entry/{how}/data")
        np.testing.assert_array_equal(found, image_of(sim, how))
    found = read(tmp_path / "r.h5", "entry/std/data")
    # Of two leaves, joined about the origin of the first: some rounding of float64, in float32.
    np.testing.assert_allclose(found, image_of(sim, "std"), rtol=3e-7, atol=1e-7)


@pytest.mark.parametrize(("by", "step"), [("pulse", 10), ("cell", 10)])
def test_by_pulse_and_cell(sim, tmp_path, by, step):
    reduce_run(sim.run, SMALL, tmp_path / "r.h5", by=by)
    found = read(tmp_path / "r.h5", "entry/mean/data")
    assert found.shape == (step, 602, 1068)
    for k in (0, 7):
        np.testing.assert_array_equal(found[k], image_of(sim, "mean", slice(k, None, step)))
    assert read(tmp_path / "r.h5", f"entry/mean/{by}_id").tolist() == list(range(step))
    assert read(tmp_path / "r.h5", "entry/mean/n_frames").tolist() == [7] * step


@pytest.mark.parametrize("suffix", [".h5", ".zarr"])
def test_by_train(sim, tmp_path, suffix):
    path = tmp_path / f"r{suffix}"
    reduce_run(sim.run, SMALL, path, "max", by="train", block_bytes=30 * sim.run.frame_bytes)
    file = h5py.File(path) if suffix == ".h5" else zarr.open_group(path, mode="r")
    found = file["entry/max/data"][:]
    assert found.shape == (7, 602, 1068)
    for k in (0, 6):
        expected = image_of(sim, "max", slice(10 * k, 10 * k + 10))
        np.testing.assert_array_equal(found[k], expected)


def test_modules_without_a_geometry(sim, tmp_path):
    reduce_run(sim.run, None, tmp_path / "r.h5", ("mean",))
    found = read(tmp_path / "r.h5", "entry/mean/data")
    expected = np.float32(sim.frames.sum(axis=0, dtype=np.float64) / 70)
    np.testing.assert_array_equal(found, expected)
    assert np.isnan(found[DEAD]).all()
    with pytest.raises(GeometryError, match="fill is an option of images: give a geometry"):
        reduce_run(sim.run, None, tmp_path / "x.h5", fill=0)


def test_scores_and_hits(tmp_path):
    values = np.zeros(150)
    values[[3, 70, 149]] = [5, 9, 7]
    geometry, run = tiny_run(tmp_path, values=values)
    reduce_run(run, geometry, tmp_path / "r.h5", ["mean", "sum"], threshold=4.5, min_pixels=10)
    score = read(tmp_path / "r.h5", "entry/score/score")
    assert np.flatnonzero(score).tolist() == [3, 70, 149]
    assert set(score[score > 0]) == {352 * 384}
    assert read(tmp_path / "r.h5", "entry/score/hit").sum() == 3
    assert read(tmp_path / "r.h5", "entry/score/module_score").shape == (150, 1)
    mean = read(tmp_path / "r.h5", "entry/mean/data")
    assert np.nanmin(mean) == np.nanmax(mean) == 7
    assert np.nanmax(read(tmp_path / "r.h5", "entry/sum/data")) == 21
    reduce_run(run, None, tmp_path / "s.h5", (), threshold=4.5)
    np.testing.assert_array_equal(read(tmp_path / "s.h5", "entry/score/score"), score)
    # A run without a hit has no powder: every pixel is NaN.
    with pytest.warns(GeometryWarning, match="none of 150 frames is a hit"):
        reduce_run(run, geometry, tmp_path / "n.h5", threshold=100, min_pixels=1)
    assert np.isnan(read(tmp_path / "n.h5", "entry/mean/data")).all()


def test_scores_see_treated_numbers(tmp_path):
    geometry, run = tiny_run(tmp_path, n=3, values=[1, 2, 3])
    mask = np.zeros(geometry.data_shape, np.uint8)
    mask[0, :100] = 2
    options = {"dark": np.float32(1), "gain": np.float32(10), "mask": mask, "mask_bits": 2}
    reduce_run(run, geometry, tmp_path / "r.h5", threshold=5, **options)
    left = 252 * 384
    assert read(tmp_path / "r.h5", "entry/score/score").tolist() == [0, left, left]
    mean = read(tmp_path / "r.h5", "entry/mean/data")
    assert np.nanmean(mean) == 15
    # What is masked is NaN, beside the gap of the detector.
    assert np.isfinite(mean).sum() == left


def test_masks_of_the_run_count_by_bits(tmp_path):
    geometry, run = tiny_run(tmp_path, n=4)
    with h5py.File(tmp_path / "stack.h5", "r+") as file:
        flags = np.zeros(run.shape, np.uint32)
        flags[0, 0, 5, 5], flags[1, 0, 6, 6] = 1, 4
        file["entry/mask"] = flags
    run = open_run(tmp_path / "stack.h5", geometry)
    assert run.masks is not None
    sums = {}
    for name, options in {
        "all": {}, "some": {"mask_bits": 4}, "none": {"masked": False},
        "own": {"mask": np.ones(geometry.data_shape, bool) & (np.arange(384) == 7)},
    }.items():  # fmt: skip
        reduce_run(run, None, tmp_path / f"{name}.h5", "sum", **options)
        sums[name] = read(tmp_path / f"{name}.h5", "entry/sum/data")[0]
    # Frame k is full of the number k: 0 + 1 + 2 + 3.
    assert (sums["none"] == 6).all()
    assert (sums["all"][5, 5], sums["all"][6, 6]) == (6, 5)
    assert (sums["some"][5, 5], sums["some"][6, 6]) == (6, 5)
    assert np.isnan(sums["own"][:, 7]).all()
    assert sums["own"][6, 6] == 5


def test_whole_numbers_with_a_missing_module(tmp_path):
    sim = simulate_run(tmp_path / "run", n=20)
    with h5py.File(tmp_path / "run" / "CORR-R0001-SIM00-S00000.h5", "r+") as file:
        for name in list(file["INSTRUMENT/HED_DET_AGIPD500K2G/DET"]):
            group = file[f"INSTRUMENT/HED_DET_AGIPD500K2G/DET/{name}/image"]
            data = group["data"][()].astype(np.uint16)
            del group["data"]
            group["data"] = data
    run = open_run(tmp_path / "run")
    assert run.dtype == np.uint16
    assert (run.frames(0)[DEAD] == 0).all()
    reduce_run(run, SMALL, tmp_path / "r.h5", ["mean", "max"])
    mean = read(tmp_path / "r.h5", "entry/mean/data")
    np.testing.assert_array_equal(mean, image_of(sim._replace(run=run), "mean"))
    assert read(tmp_path / "r.h5", "entry/max/data").dtype == np.uint16


def test_the_bytes_depend_on_neither_threads_nor_blocks(tmp_path):
    # Values whose float64 sums do depend on the order.
    rng = np.random.default_rng(5)
    geometry, run = tiny_run(tmp_path, n=300, values=rng.lognormal(0, 12, 300))
    found = []
    for k, (threads, frames) in enumerate([(1, 300), (2, 64), (1, 128), (2, 256)]):
        path = tmp_path / f"{k}.h5"
        reduce_run(
            run, geometry, path, ("sum", "std"), threads=threads,
            block_bytes=frames * run.frame_bytes,
        )  # fmt: skip
        found.append([read(path, f"entry/{how}/data").tobytes() for how in ("sum", "std")])
    assert all(other == found[0] for other in found)


def test_by_pulse_in_several_units(tmp_path):
    # More frames of a pulse than a leaf has: sums go through part files, and are joined.
    rng = np.random.default_rng(4)
    values = rng.integers(0, 1000, 300)
    geometry, run = tiny_run(tmp_path / "run", n=300, per_train=2, values=values)
    reduce_run(run, geometry, tmp_path / "r.h5", ("sum", "max"), by="pulse", block_bytes=1)
    for how, total in (("sum", np.sum), ("max", np.max)):
        found = np.nanmax(read(tmp_path / "r.h5", f"entry/{how}/data"), axis=(1, 2))
        assert found.tolist() == [total(values[0::2]), total(values[1::2])]


@pytest.mark.parametrize(
    "name",
    [
        *by_size(["AGIPD-1M", "LPD-1M", "DSSC-1M", "JUNGFRAU-500K", "ePix100", "ePix10K", "pnCCD"]),
        pytest.param("JUNGFRAU-4M", marks=[pytest.mark.slow, pytest.mark.jit]),
    ],
)
def test_simulated_runs_of_every_detector(tmp_path, name):
    geometry = example_geometry(name).replace(distance=0.3, photon_energy=9300)
    several = geometry.detector.n_modules > 2
    single = name.startswith(("ePix", "pnCCD"))
    dead = (1,) if several else ()
    sim = simulate_run(tmp_path / "run", geometry, n=4, per_train=1 if single else 2, dead=dead)
    assert sim.run.detector.data_shape == geometry.data_shape
    assert sim.run.stack.missing_modules == dead
    reduce_run(sim.run, geometry, tmp_path / "mean.h5")
    # The mean of photons is exact: worked out by hand, assembled as a picture.
    mean = np.float32(sim.frames.sum(axis=0, dtype=np.float64) / 4)
    there = np.isin(np.arange(geometry.detector.n_modules), dead, invert=True)
    expected = assemble_data(mean, geometry, present=there).data
    np.testing.assert_array_equal(read(tmp_path / "mean.h5", "entry/mean/data"), expected)
    integrate_run(sim.run, geometry, tmp_path / "curves.h5", 60, unit="2th_deg")
    with h5py.File(tmp_path / "curves.h5") as file:
        angle = file["entry/pattern/two_theta"][()]
        curve = np.nanmean(file["entry/pattern/intensity"][()], axis=0)
    # The four rings lie in the middles of four equal ranges of angle: a bin is 1/15 of that.
    edges = np.linspace(angle[0], angle[-1], 5)
    width = angle[1] - angle[0]
    for low, high in pairwise(edges):
        inside = np.flatnonzero((angle >= low) & (angle <= high))
        peak = angle[inside][np.nanargmax(curve[inside])]
        assert abs(peak - (low + high) / 2) <= 1.5 * width


def test_wrong_arguments(sim, tmp_path):
    run, out = sim.run, tmp_path / "x.h5"
    wrong = [
        (lambda: assemble_run(run, SMALL, out, methud="snap"), "no option 'methud'"),
        (lambda: assemble_run(run, SMALL, tmp_path / "x.png"), "suffix decides"),
        (lambda: assemble_run(run, SMALL, tmp_path / "no" / "x.h5"), "there is no folder"),
        (lambda: assemble_run(run, "agipd.geom", out), "geometry"),
        (lambda: assemble_run(run, example_geometry("LPD-1M"), out), "the run is of AGIPD-500K"),
        (lambda: assemble_run(run, SMALL, out, masked=True), "there are no masks beside"),
        (lambda: assemble_run(run, SMALL, out, mask_bits=3), "there is no mask"),
        (lambda: assemble_run(run, SMALL, out, block_bytes=0), "block_bytes must be"),
        (lambda: assemble_run(run, SMALL, out, progress=3), "progress must be callable"),
        (lambda: assemble_run(run, SMALL, out, dark=np.zeros(run.shape)), "same for all frames"),
        (lambda: assemble_run(run, SMALL, run.files[0]), "one of the files of the run"),
        (lambda: assemble_run(run, SMALL, out, scheduler=5), "scheduler must be a dask Client"),
        (lambda: integrate_run(run, SMALL, out, unit="q"), "unit"),
        (lambda: reduce_run(run, SMALL, out, "median"), "how must be one of"),
        (lambda: reduce_run(run, SMALL, out, ()), "nothing to do"),
        (lambda: reduce_run(run, SMALL, out, ("max", "max")), "names one twice"),
        (lambda: reduce_run(run, SMALL, out, by="frame"), "by must be"),
        (lambda: reduce_run(run, SMALL, out, threshold=np.nan), "threshold must be a finite"),
        (lambda: reduce_run(run, SMALL, out, threshold=1, min_pixels=-1), "min_pixels must be"),
    ]
    for call, message in wrong:
        with pytest.raises(GeometryError, match=message):
            call()
        assert not out.exists()
    assert not (tmp_path / "x.h5.parts" / "block-000000.h5").exists()


def test_a_file_that_breaks_off(sim, tmp_path):
    content = (tmp_path / "cut").with_suffix(".h5")
    content.write_bytes(sim.run.files[0].read_bytes())
    run = open_run(content)
    with content.open("r+b") as file:
        file.truncate(content.stat().st_size // 2)
    with pytest.raises(GeometryFileError, match=r"cut\.h5"):
        reduce_run(run, SMALL, tmp_path / "r.h5")
    assert not (tmp_path / "r.h5").exists()


def test_groups(tmp_path):
    _, run = tiny_run(tmp_path, n=7, per_train=3)
    groups = group_frames(run, "pulse")
    assert groups.labels.tolist() == [0, 1, 2]
    assert groups.group.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert groups.rank.tolist() == [0, 0, 0, 1, 1, 1, 2]
    units = groups.cut(frame_bytes=1, state_bytes=2**28, block_bytes=1)
    # Two groups of sums fit into memory; every frame is in one unit.
    assert [(u.start, u.stop) for u in units] == [(0, 2), (2, 3)]
    places = np.concatenate([groups.places(unit) for unit in units])
    assert sorted(places.tolist()) == list(range(7))
