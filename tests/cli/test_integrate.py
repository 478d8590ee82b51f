"""``geomlib integrate``."""

import h5py
import numpy as np
import pytest
from PIL import Image

import geomlib
from geomlib import example_geometry, write_geometry
from geomlib.data.stack import FrameStack
from geomlib.detectors import generic
from geomlib.integration.stack import StackIntegrator
from geomlib.simulate import Powder, simulate_frames, two_theta, write_euxfel_file
from tests.cli.command import run, run_wrong

DISTANCE, ENERGY = 0.1, 9300.0
#: Two modules of 40 × 80 pixels of 200 µm, above and below the beam: 2θ to 6.6°.
GEOMETRY = generic([(-8e-3, 0.4e-3), (-8e-3, -8.4e-3)], (40, 80), 2e-4).replace(
    distance=DISTANCE, photon_energy=ENERGY
)
RINGS, WIDTH, PHOTONS = np.array([1.5, 3.0, 4.5]), 0.15, 2000.0
POWDER = Powder(
    tuple(RINGS),
    (PHOTONS,),
    WIDTH,
    background=50.0,
    background_width=20.0,
    polarisation=1.0,
    solid_angle=True,
)
#: In Å.
WAVELENGTH = 12398.419843320026 / ENERGY
RINGS_Q = 4 * np.pi * np.sin(np.radians(RINGS / 2)) / WAVELENGTH
POLARISED = ["--polarisation", 1]


@pytest.fixture
def small(tmp_path):
    """Frames of a small detector, and the beginning of a command that integrates them."""
    frames = simulate_frames(GEOMETRY, 5, seed=3, pattern=POWDER, dtype="float32")
    np.save(tmp_path / "data.npy", frames)
    write_geometry(GEOMETRY, tmp_path / "a.geom", adu_per_ev=0.001)
    return frames, ["integrate", tmp_path / "data.npy", "-g", tmp_path / "a.geom"]


def read_csv(path):
    return np.genfromtxt(path, delimiter=",", names=True)


def centres(table, rings):
    """Centres of gravity of rings, of what is above the background."""
    reach = 0.4 * np.diff(rings).min()
    above = table["intensity"] - np.nanmedian(table["intensity"])
    near = [np.abs(table["radial"] - ring) < reach for ring in rings]
    return np.array([np.average(table["radial"][n], weights=above[n]) for n in near])


def model_mean(to_unit, step):
    """Mean of the model over the pixels with their centres in each bin."""
    angle = two_theta(GEOMETRY).ravel()
    photons = 50 / (1 + (angle / 20) ** 2) ** 2
    photons += (PHOTONS * np.exp(-0.5 * ((angle[:, None] - RINGS) / WIDTH) ** 2)).sum(axis=1)
    edges = step * np.arange(81)
    weights, counts = (
        np.histogram(to_unit(np.radians(angle)), edges, weights=w)[0] for w in (photons, None)
    )
    return weights / np.maximum(counts, 1)


def expected(data, npt=1000, **options):
    return StackIntegrator(geomlib.read_geometry(data[1][-1]), npt, **options)


# -- Where the rings are ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "to_unit", "step"),
    [
        ("q_A^-1", lambda angle: 4 * np.pi * np.sin(angle / 2) / WAVELENGTH, 0.01),
        ("q_nm^-1", lambda angle: 40 * np.pi * np.sin(angle / 2) / WAVELENGTH, 0.1),
        ("2th_deg", np.degrees, 0.1),
        ("2th_rad", lambda angle: angle, 0.002),
        ("r_mm", lambda angle: 1e3 * DISTANCE * np.tan(angle), 0.2),
    ],
)
def test_rings_are_where_they_should_be(tmp_path, small, unit, to_unit, step):
    rings = to_unit(np.radians(RINGS))
    _, command = small
    output = tmp_path / "curve.csv"
    options = ["--unit", unit, "--range", f"0,{80 * step}", "--npt", 80, *POLARISED]
    assert run(*command, "-o", output, *options) == 0
    table = read_csv(output)
    assert table["radial"] == pytest.approx((np.arange(80) + 0.5) * step)
    # A tenth of a bin, where bins have few pixels, not evenly spread over them.
    np.testing.assert_allclose(centres(table, rings), rings, rtol=0, atol=step / 10)
    # In the bins at the tops 20 to 60 pixels of 5 frames of 2000 photons: 0.2 %.
    tops = [np.abs(table["radial"] - ring).argmin() for ring in rings]
    heights = model_mean(to_unit, step)[tops]
    np.testing.assert_allclose(table["intensity"][tops], heights, rtol=0.01)
    assert f"# unit: {unit}" in output.read_text(encoding="utf-8").splitlines()


def test_distance_and_energy_of_the_command_line_count_more(tmp_path, small, capsys):
    _, command = small
    output = tmp_path / "curve.csv"
    options = ["--unit", "2th_deg", "--distance", 0.2, "--npt", 120, *POLARISED]
    assert run(*command, "-o", output, *options) == 0
    nearer = np.degrees(np.arctan(np.tan(np.radians(RINGS)) / 2))
    np.testing.assert_allclose(centres(read_csv(output), nearer), nearer, rtol=0, atol=0.005)
    assert "generic, 0.2 m" in output.read_text(encoding="utf-8")
    for given in (["--energy", 2 * ENERGY], ["--wavelength", 1e-10 * WAVELENGTH / 2]):
        assert run(*command, "-o", output, "--npt", 120, *given, *POLARISED) == 0
        rings = 2 * RINGS_Q
        np.testing.assert_allclose(centres(read_csv(output), rings), rings, rtol=0, atol=0.002)
        assert "generic, 0.1 m, 18600 eV" in output.read_text(encoding="utf-8")


def test_a_geometry_that_knows_neither(tmp_path, small, capsys):
    _, command = small
    geometry = GEOMETRY.replace(distance=None, photon_energy=None)
    with pytest.warns(geomlib.GeometryWarning):
        write_geometry(geometry, tmp_path / "a.geom", adu_per_ev=0.001)
    output = tmp_path / "curve.csv"
    error = run_wrong(capsys, *command, "-o", output)
    assert "--distance is not known: give --distance, in metres" in error
    error = run_wrong(capsys, *command, "-o", output, "--distance", 0.1)
    assert "the photon energy is not known, which --unit q_A^-1 needs: give --energy" in error
    assert "--unit 2th_deg or r_mm" in error
    assert not output.exists()
    assert run(*command, "-o", output, "--distance", 0.1, "--energy", ENERGY, *POLARISED) == 0
    (tmp_path / "b.poni").write_text(
        "poni_version: 2.1\nDistance: 0.1\nWavelength: 1.3331634e-10\n"
    )
    other = tmp_path / "poni.csv"
    assert run(*command, "-o", other, "--poni", tmp_path / "b.poni", *POLARISED) == 0
    a, b = read_csv(output), read_csv(other)
    np.testing.assert_allclose(a["radial"], b["radial"], rtol=1e-7)


# -- What is written ----------------------------------------------------------------------


def test_text_is_the_mean_of_frames(tmp_path, small, capsys):
    frames, command = small
    output = tmp_path / "curve.csv"
    assert run(*command, "-o", output, "--frames", "1:") == 0
    table = read_csv(output)
    made = expected(small).integrate(frames[1:].astype(np.float64).mean(axis=0))
    np.testing.assert_allclose(table["intensity"], made.intensity, rtol=1e-6)
    np.testing.assert_array_equal(table["count"], made.count)
    np.testing.assert_array_equal(table["radial"], made.radial)
    low, high = made.radial[[0, -1]]
    assert capsys.readouterr().out == (
        f"{output}: 1000 bins, {low:.4g} to {high:.4g} q_A^-1, mean of 4 of 5 frames\n"
    )
    lines = output.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "radial,intensity,count"
    assert "# note: data.npy: mean of 4 of 5 frames" in lines
    assert "# reduce: mean" in lines
    assert any(line.startswith(f"# command: geomlib integrate {command[1]} -g") for line in lines)


def test_errors_of_a_mean_are_those_of_all_counts(tmp_path, small):
    frames, command = small
    output = tmp_path / "curve.csv"
    assert run(*command, "-o", output, "--error-model", "poisson") == 0
    each = expected(small, error_model="poisson").integrate(frames)
    together = np.sqrt((each.sigma.astype(np.float64) ** 2).sum(axis=0)) / 5
    # The sums of one frame are of float32, and those of the mean are not.
    np.testing.assert_allclose(read_csv(output)["sigma"], together, rtol=1e-5)
    assert run(*command, "-o", output, "--error-model", "azimuthal") == 0
    mean = expected(small, error_model="azimuthal").integrate(frames.astype(float).mean(axis=0))
    np.testing.assert_allclose(read_csv(output)["sigma"], mean.sigma, rtol=1e-4)


def test_few_photons_have_the_errors_of_their_sum(tmp_path, small):
    _, command = small
    frames = np.zeros((8, *GEOMETRY.data_shape), np.uint16)
    frames[::4] = 1
    np.save(tmp_path / "data.npy", frames)
    options = ["--error-model", "poisson", "--no-solid-angle", "--npt", 20]
    assert run(*command, "-o", tmp_path / "a.csv", *options) == 0
    table = read_csv(tmp_path / "a.csv")
    np.testing.assert_allclose(table["intensity"], 0.25, rtol=1e-12)
    # Two photons a pixel in eight frames.
    np.testing.assert_allclose(table["sigma"], np.sqrt(2 / table["count"]) / 8, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ([], {}),
        (["--split", "bbox", "--npt", 200], {"split": "bbox", "npt": 200}),
        (["--split", "full", "--npt", 200], {"split": "full", "npt": 200}),
        (["--method", "median"], {"method": "median"}),
        (
            ["--method", "sigma_clip", "--error-model", "azimuthal"],
            {"method": "sigma_clip", "error_model": "azimuthal"},
        ),
        (["--polarisation", -0.5], {"polarisation": -0.5}),
        (["--no-solid-angle"], {"solid_angle": False}),
        (["--range", "0.1,0.6"], {"range": (0.1, 0.6)}),
        (["--azimuth-range", "-30,45.5"], {"azimuth_range": (-30, 45.5)}),
        (
            ["--unit", "chi_deg", "--npt", 90, "--radial-range", "3.5,4.5"],
            {"unit": "chi_deg", "npt": 90, "radial_range": (3.5, 4.5)},
        ),
        (["--2d", "--npt", 50], {"npt_azim": 360, "npt": 50}),
        (["--2d", "--npt", 50, "--npt-azim", 12], {"npt_azim": 12, "npt": 50}),
    ],
)
def test_nexus_has_every_frame(tmp_path, small, options, meant):
    frames, command = small
    assert run(*command, "-o", tmp_path / "a.h5", *options) == 0
    made = expected(small, **meant).integrate(frames)
    with h5py.File(tmp_path / "a.h5") as file:
        group = file["entry/pattern"]
        np.testing.assert_array_equal(group["intensity"], made.intensity)
        np.testing.assert_array_equal(group["count"], made.count)
        assert ("intensity_errors" in group) == (made.sigma is not None)
        *_, radial = group.attrs["axes"]
        np.testing.assert_array_equal(group[radial], made.radial)


def test_nexus_tells_where_frames_come_from(tmp_path, small):
    frames, command = small
    assert run(*command, "-o", tmp_path / "a.h5", "--frames", "1,4,2", "--npt", 30) == 0
    with h5py.File(tmp_path / "a.h5") as file:
        group = file["entry/pattern"]
        assert list(group.attrs["axes"]) == ["frame", "q"]
        assert group["frame"][:].tolist() == [1, 4, 2]
        made = expected(small, 30).integrate(frames[[1, 4, 2]])
        np.testing.assert_array_equal(group["intensity"], made.intensity)
        process = file["entry/process"]
        assert process["command"].asstr()[()].endswith("--frames 1,4,2 --npt 30")
        assert process["data"].asstr()[()] == str(tmp_path / "data.npy")
        note = "data.npy: 3 of 5 frames\ngeneric, 0.1 m, 9300 eV"
        assert process["note"].asstr()[()] == note


def test_one_frame_has_no_axis_of_frames(tmp_path, small, capsys):
    frames, command = small
    assert run(*command, "-o", tmp_path / "a.h5", "--frames", 2) == 0
    assert "frame 2 of 5" in capsys.readouterr().out
    made = expected(small).integrate(frames[2])
    with h5py.File(tmp_path / "a.h5") as file:
        assert list(file["entry/pattern"].attrs["axes"]) == ["q"]
        np.testing.assert_array_equal(file["entry/pattern/intensity"], made.intensity)
    assert run(*command, "-o", tmp_path / "a.csv", "--frames", 2) == 0
    np.testing.assert_array_equal(read_csv(tmp_path / "a.csv")["intensity"], made.intensity)


def test_results_are_written_as_they_come(tmp_path, small, monkeypatch):
    frames, command = small
    # Two curves of 3 × 25 doubles at a time.
    monkeypatch.setattr("geomlib.data.stack.CHUNK_BYTES", 2 * 3 * 8 * 25)
    read = []
    original = FrameStack.present
    monkeypatch.setattr(
        FrameStack, "present", lambda self, f: (read.append(list(f)), original(self, f))[1]
    )
    assert run(*command, "-o", tmp_path / "a.h5", "--npt", 25) == 0
    assert read == [[0, 1], [2, 3], [4]]
    with h5py.File(tmp_path / "a.h5") as file:
        made = expected(small, 25).integrate(frames)
        np.testing.assert_array_equal(file["entry/pattern/intensity"], made.intensity)


def test_reductions_can_be_asked_for(tmp_path, small):
    frames, command = small
    assert run(*command, "-o", tmp_path / "a.csv", "--reduce", "none", "--frames", "3:") == 0
    table = read_csv(tmp_path / "a.csv")
    assert table.dtype.names == ("radial", "frame_3", "frame_4")
    np.testing.assert_array_equal(table["frame_4"], expected(small).integrate(frames[4]).intensity)
    assert run(*command, "-o", tmp_path / "a.h5", "--reduce", "mean", "--frames", "3:") == 0
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["entry/pattern/intensity"].shape == (1000,)
        assert file["entry/process/reduce"].asstr()[()] == "mean"
        assert file["entry/process/frames"][:].tolist() == [3, 4]


def test_a_cake_as_text(tmp_path, small):
    frames, command = small
    options = ["--2d", "--npt", 40, "--npt-azim", 24]
    assert run(*command, "-o", tmp_path / "a.csv", *options) == 0
    table = read_csv(tmp_path / "a.csv")
    made = expected(small, 40, npt_azim=24).integrate(frames.astype(float).mean(axis=0))
    np.testing.assert_allclose(table["intensity"].reshape(24, 40), made.intensity, rtol=1e-6)
    np.testing.assert_array_equal(table["azimuth"][::40], made.azimuth)
    error_file = tmp_path / "b.csv"
    assert run(*command, "-o", error_file, *options, "--reduce", "none") == 2


@pytest.mark.parametrize("options", [[], ["--2d"], ["--reduce", "none"]])
def test_pictures(tmp_path, small, options):
    _, command = small
    assert run(*command, "-o", tmp_path / "a.png", *options) == 0
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (1125, 720)
        assert picture.info["Comment"].startswith("geomlib integrate")


# -- What does not count ------------------------------------------------------------------


def test_masks(tmp_path, small):
    frames, command = small
    mask = np.random.default_rng(1).random(GEOMETRY.data_shape) < 0.3
    np.save(tmp_path / "mask.npy", mask)
    np.save(tmp_path / "stacked.npy", mask.reshape(80, 80).astype(np.uint32) << 5)
    with h5py.File(tmp_path / "mask.h5", "w") as file:
        file["entry/mask"], file["entry/other"] = mask, ~mask
    made = expected(small, 50, mask=mask).integrate(frames[0])
    for given in ("mask.npy", "stacked.npy", "mask.h5:/entry/mask"):
        options = ["--npt", 50, "--mask", tmp_path / given, "--frames", 0]
        assert run(*command, "-o", tmp_path / "a.csv", *options) == 0
        table = read_csv(tmp_path / "a.csv")
        np.testing.assert_array_equal(table["intensity"], made.intensity)
        np.testing.assert_array_equal(table["count"], made.count)


def test_masks_that_are_none(tmp_path, small, capsys):
    _, command = small
    np.save(tmp_path / "float.npy", np.zeros(GEOMETRY.data_shape))
    np.save(tmp_path / "shape.npy", np.zeros((2, 9, 9), bool))
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a"] = file["b"] = np.zeros(GEOMETRY.data_shape, bool)
    for given, message in (
        ("nope.npy", "there is no such file"),
        ("float.npy", "holds float64; a mask is of booleans or whole numbers"),
        ("shape.npy", "shape (2, 9, 9) does not fit generic"),
        ("data.npy", "holds 5 masks; --mask is one for all frames"),
        ("two.h5:/c", "no dataset of that name; it holds /a"),
        ("two.h5", "several datasets fit generic"),
    ):
        error = run_wrong(capsys, *command, "-o", tmp_path / "a.csv", "--mask", tmp_path / given)
        assert message in error


def test_nan_does_not_count(tmp_path, small):
    frames, command = small
    frames[:, 0, 10:20] = np.nan
    frames[2, 1] = np.nan
    np.save(tmp_path / "data.npy", frames)
    assert run(*command, "-o", tmp_path / "a.csv", "--npt", 50) == 0
    mean = np.full(GEOMETRY.data_shape, np.nan)
    there = np.isfinite(frames).any(axis=0)
    mean[there] = np.nanmean(frames[:, there].astype(float), axis=0)
    made = expected(small, 50).integrate(mean)
    table = read_csv(tmp_path / "a.csv")
    np.testing.assert_array_equal(table["count"], made.count)
    np.testing.assert_allclose(table["intensity"], made.intensity, rtol=1e-6)


@pytest.mark.jit
def test_missing_modules_of_a_run(tmp_path, capsys):
    geometry = example_geometry("JUNGFRAU-1M").replace(distance=0.3, photon_energy=ENERGY)
    frames = simulate_frames(geometry, 3, dtype="uint16")
    write_euxfel_file(tmp_path / "run.h5", frames, geometry, missing_modules=[1])
    write_geometry(geometry, tmp_path / "g.geom", adu_per_ev=0.001)
    command = ["integrate", tmp_path / "run.h5", "-g", tmp_path / "g.geom", "--npt", 100]
    integrator = StackIntegrator(geomlib.read_geometry(tmp_path / "g.geom"), 100)
    assert run(*command, "-o", tmp_path / "a.h5") == 0
    assert "missing modules: 1" in capsys.readouterr().out
    made = integrator.integrate({0: frames[:, 0]})
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["entry/pattern/intensity"], made.intensity)
        assert file["entry/pattern/train_id"].shape == (3,)
    assert run(*command, "-o", tmp_path / "a.csv") == 0
    table = read_csv(tmp_path / "a.csv")
    made = integrator.integrate({0: frames[:, 0].mean(axis=0)})
    np.testing.assert_allclose(table["intensity"], made.intensity, rtol=1e-6)
    np.testing.assert_array_equal(table["count"], made.count)


# -- What goes wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--energy", 9.3], "--energy is in eV: 9.3 eV is no X-ray; 9.3 keV are 9300 eV"),
        (
            ["--distance", 125],
            "--distance is in metres: 125 m is no detector's; 125 mm are 0.125 m",
        ),
        (
            ["--wavelength", 1.3],
            "--wavelength is in metres: 1.3 m is no X-ray; 1.3 Å are 1.3e-10 m",
        ),
        (["--energy", 9300, "--wavelength", 1e-10], "give --energy (in eV) or --wavelength (in"),
        (["--range", "3,2"], "--range is empty: it goes from 3 to 2"),
        (["--range", "3"], "--range must be two numbers such as 0.5,4.5, not '3'"),
        (["--range", "a,b"], "--range must be two numbers"),
        (["--range", "nan,1"], "--range must be two numbers"),
        (["--range", "-3,-2"], "--range goes from -3 to -2 q_A^-1: nothing is there"),
        (["--azimuth-range", "30,20"], "--azimuth-range is empty"),
        (["--radial-range", "3,4"], "--radial-range goes with a unit around the beam"),
        (["--polarisation", 2], "--polarisation must be from -1 (vertical) to 1 (horizontal)"),
        (["--npt-azim", 10], "--npt-azim goes with --2d"),
        (["--2d", "--unit", "chi_deg"], "whose radius cannot be --unit chi_deg"),
        (
            ["--method", "median", "--error-model", "poisson"],
            "--method median takes its errors from the spread: --error-model azimuthal",
        ),
        (["--unit", "furlong"], "Invalid value for '--unit'"),
        (["--npt", 0], "Invalid value for '--npt'"),
        (["--2d", "--npt", 10**6, "--npt-azim", 10**6], "bins; at most"),
        (["--frames", 9], "no frame 9"),
    ],
)
def test_wrong_options(tmp_path, small, options, message, capsys):
    _, command = small
    error = run_wrong(capsys, *command, "-o", tmp_path / "a.csv", *options)
    assert message in error
    assert not (tmp_path / "a.csv").exists()


def test_outputs_that_cannot_be(tmp_path, small, capsys):
    _, command = small
    error = run_wrong(capsys, *command, "-o", tmp_path / "a.dat")
    assert "must be one of .csv, .h5, .hdf5, .nxs, .png" in error
    assert "no folder" in run_wrong(capsys, *command, "-o", tmp_path / "no" / "a.csv")
    for suffix in (".csv", ".png"):
        error = run_wrong(
            capsys, *command, "-o", tmp_path / f"a{suffix}", "--2d", "--reduce", "none"
        )
        assert f"a {suffix} file holds one cake, not 5" in error


def test_inputs_are_never_overwritten(tmp_path, small, capsys):
    frames, command = small
    for name in ("data.h5", "mask.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file["data"] = frames if name == "data.h5" else np.zeros(GEOMETRY.data_shape, bool)
    (tmp_path / "b.csv").write_text("Distance: 0.1\n")
    command = ["integrate", tmp_path / "data.h5", *command[2:]]
    options = ["--mask", f"{tmp_path / 'mask.h5'}:/data", "--poni", tmp_path / "b.csv"]
    for name in ("data.h5", "mask.h5", "b.csv"):
        before = (tmp_path / name).read_bytes()
        error = run_wrong(capsys, *command, "-o", tmp_path / name, *options)
        assert f"--output {tmp_path / name} is the same file as the input" in error
        assert (tmp_path / name).read_bytes() == before


def test_a_failure_leaves_the_old_output(tmp_path, small, capsys):
    frames, command = small
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.create_dataset("data", data=frames, chunks=(1, 2, 40, 80), fletcher32=True)
        offset = file["data"].id.get_chunk_info(4).byte_offset
    raw = bytearray((tmp_path / "data.h5").read_bytes())
    raw[offset] ^= 0xFF  # the last frame no longer has its check sum
    (tmp_path / "data.h5").write_bytes(raw)
    for name in ("a.csv", "a.h5", "a.png"):
        (tmp_path / name).write_text("old")
        command = ["integrate", tmp_path / "data.h5", *command[2:]]
        error = run_wrong(capsys, *command, "-o", tmp_path / name)
        assert "data.h5 [/data]: cannot be read" in error
        assert (tmp_path / name).read_text() == "old"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
