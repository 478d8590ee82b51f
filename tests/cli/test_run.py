"""``geomlib run …``."""

import h5py
import numpy as np
import pytest
from extra_data.tests import make_examples

from geomlib import write_geometry
from geomlib.detectors import example_geometry
from tests.cli.command import run, run_wrong
from tests.runs.simulated import SMALL, simulate_run, tiny_run


@pytest.fixture(scope="module")
def sim(tmp_path_factory):
    """Return a simulated run, its folder and a geometry file."""
    folder = tmp_path_factory.mktemp("sim")
    found = simulate_run(folder / "run", n=12, per_train=4)
    write_geometry(SMALL, folder / "a.geom", adu_per_ev=0.001)
    return found, folder / "run", folder / "a.geom"


def test_info(sim, capsys):
    _, data, _ = sim
    assert run("run", "info", data) == 0
    out = capsys.readouterr().out
    for text in (
        "detector   AGIPD-500K (HED_DET_AGIPD500K2G)",
        "data       12 × 8 × 512 × 128 float32, 0.02517 GB, corrected",
        "trains     3, 2000000000 to 2000000002",
        "missing    modules (frames): 3 (12)",
        "masks      none",
    ):
        assert text in out


def test_assemble_and_again(sim, tmp_path, capsys):
    _, data, geom = sim
    out = tmp_path / "images.h5"
    command = ("run", "assemble", data, "-g", geom, "-o", out, "--trains", "1:", "--pulses", "0,2")
    assert run(*command) == 0
    assert f"{out}: /entry/image/data 4 × 602 × 1068; of 4 frames" in capsys.readouterr().out
    with h5py.File(out) as file:
        assert file["entry/image/frame"][()].tolist() == [4, 6, 8, 10]
        assert "run assemble" in file["entry/process/command"].asstr()[()]
    assert run(*command) == 0
    assert "1 of 1 blocks were there already" in capsys.readouterr().out
    message = run_wrong(capsys, *command[:-4])
    assert "--overwrite" in message
    assert run(*command[:-4], "--overwrite") == 0


def test_integrate(sim, tmp_path, capsys):
    _, data, geom = sim
    out = tmp_path / "curves.h5"
    assert run("run", "integrate", data, "-g", geom, "-o", out, "--npt", 80, "--unit", "r_mm") == 0
    with h5py.File(out) as file:
        assert file["entry/pattern/intensity"].shape == (12, 80)
        assert file["entry/pattern"].attrs["axes"].tolist() == ["frame", "r"]
    capsys.readouterr()


def test_reduce_powder_and_score(sim, tmp_path, capsys):
    _, data, geom = sim
    assert run(
        "run", "reduce", data, "-g", geom, "-o", tmp_path / "r.h5",
        "--how", "mean", "--how", "max", "--by", "train",
    ) == 0  # fmt: skip
    with h5py.File(tmp_path / "r.h5") as file:
        assert file["entry/mean/data"].shape == file["entry/max/data"].shape == (3, 602, 1068)
    assert run("run", "reduce", data, "-o", tmp_path / "m.h5") == 0
    with h5py.File(tmp_path / "m.h5") as file:
        assert file["entry/mean/data"].shape == (8, 512, 128)
    png = tmp_path / "p.png"
    assert run(
        "run", "powder", data, "-g", geom, "-o", tmp_path / "p.h5", "--threshold", 3,
        "--min-pixels", 10, "--picture", png,
    ) == 0  # fmt: skip
    assert png.read_bytes().startswith(b"\x89PNG")
    assert run("run", "score", data, "-o", tmp_path / "s.h5", "--threshold", 3) == 0
    with h5py.File(tmp_path / "s.h5") as one, h5py.File(tmp_path / "p.h5") as other:
        scores = one["entry/score/score"][()]
        assert scores.min() > 0
        np.testing.assert_array_equal(scores, other["entry/score/score"][()])
        assert one.attrs["default"] == "entry"
        assert one["entry"].attrs["default"] == "score"
    capsys.readouterr()


def test_masks(tmp_path, capsys):
    geometry, _ = tiny_run(tmp_path / "run", n=4)
    with h5py.File(tmp_path / "run" / "stack.h5", "r+") as file:
        flags = np.zeros(file["entry/data"].shape, np.uint32)
        flags[:, 0, 0, 0] = 8
        file["entry/mask"] = flags
    data = tmp_path / "run" / "stack.h5"
    counts = []
    for k, more in enumerate([(), ("--no-mask",), ("--mask-bits", "0x8"), ("--mask-bits", "0x7")]):
        assert run("run", "reduce", data, "-o", tmp_path / f"{k}.h5", *more) == 0
        with h5py.File(tmp_path / f"{k}.h5") as file:
            counts.append(int(np.isnan(file["entry/mean/data"][()]).sum()))
    assert counts == [1, 0, 1, 0]
    capsys.readouterr()
    assert "--mask-bits must be" in run_wrong(
        capsys, "run", "reduce", data, "-o", tmp_path / "x.h5", "--mask-bits", "all"
    )
    assert geometry.detector.name == "ePix10K"


def test_cxi_and_check(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    make_examples.make_modern_spb_proc_run(tmp_path / "run")
    geometry = example_geometry("AGIPD-1M").replace(distance=0.2, photon_energy=9300)
    write_geometry(geometry, tmp_path / "a.geom", adu_per_ev=0.001)
    cxi = tmp_path / "v.cxi"
    assert run(
        "run", "cxi", tmp_path / "run", "-g", tmp_path / "a.geom", "-o", cxi, "--adu-per-ev", 0.001
    ) == 0  # fmt: skip
    assert capsys.readouterr().out.splitlines() == [
        f"{cxi}: 2048 frames of AGIPD-1M, virtual",
        f"{tmp_path / 'v.geom'}: fits it",
    ]
    assert run("run", "check", cxi, tmp_path / "v.geom") == 0
    assert "agree" in capsys.readouterr().out
    assert run("run", "check", cxi, tmp_path / "a.geom") == 1
    assert "no mask is named" in capsys.readouterr().out
    same = ("run", "cxi", tmp_path / "run", "-g", tmp_path / "v.geom", "-o", cxi)
    assert "name another with --geom" in run_wrong(capsys, *same)
    assert "must be a .cxi file" in run_wrong(capsys, *same[:-1], tmp_path / "v.h5")


def test_wrong_options(sim, tmp_path, capsys):
    _, data, geom = sim
    out = ("-o", tmp_path / "x.h5")
    for command, message in [
        (("info", tmp_path / "none"), "there is no such file"),
        (("info", tmp_path), "a folder without .h5 files"),
        (("reduce", data, *out, "--trains", "a"), "--trains must be numbers"),
        (("reduce", data, *out, "--trains", "::0"), "--trains must be numbers"),
        (("reduce", data, *out, "--pulses", "99"), "no frame has pulses=[99]; there are 4, 0 to 3"),
        (("reduce", data, "-o", tmp_path / "x.png"), "suffix decides"),
        (("score", data, *out), "threshold"),
        (("powder", data, "-g", geom, *out, "--picture", tmp_path / "x.jpg"), "a .png"),
        (("assemble", data, "-g", geom, *out, "--scheduler", "tcp:/"), "no scheduler answers"),
    ]:
        assert message in run_wrong(capsys, "run", *command)
    assert not (tmp_path / "x.h5").exists()


def test_nothing_that_is_there_is_lost(sim, tmp_path, capsys):
    _, data, geom = sim
    own = tmp_path / "a.h5"
    own.write_bytes(geom.read_bytes())
    message = run_wrong(capsys, "run", "reduce", data, "-g", own, "-o", own, "--overwrite")
    assert "is the geometry file, which would be lost" in message
    assert own.read_bytes() == geom.read_bytes()
    cxi = tmp_path / "v.cxi"
    assert run("run", "cxi", data, "-g", geom, "-o", cxi, "--adu-per-ev", 0.001) == 0
    assert "12 frames of AGIPD-500K, virtual" in capsys.readouterr().out
    message = run_wrong(capsys, "run", "cxi", data, "-o", cxi)
    assert "v.cxi is there already: --overwrite replaces it" in message
    assert run("run", "cxi", data, "-o", cxi, "--overwrite") == 0
    cxi.unlink()
    capsys.readouterr()
    message = run_wrong(capsys, "run", "cxi", data, "-g", geom, "-o", cxi)
    assert "v.geom is there already" in message


def test_a_detector_file_that_is_not_there(sim, capsys):
    _, data, _ = sim
    message = run_wrong(capsys, "run", "info", data, "--detector", "nix.geom")
    assert "nix.geom: there is no such file" in message


def test_messages_name_options_of_the_command(tmp_path, capsys):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros((3, 7, 9))
    message = run_wrong(capsys, "run", "info", tmp_path / "a.h5")
    assert "source=… (--source) or detector=… (--detector)" in message


def test_hits_are_said(tmp_path, capsys):
    tiny_run(tmp_path / "run")
    out = tmp_path / "hits.h5"
    command = ("run", "score", tmp_path / "run/stack.h5", "--detector", "ePix10K", "-o", out)
    assert run(*command, "--threshold", 99.5) == 0
    assert "of 150 frames, 50 of them hits" in capsys.readouterr().out
