"""``geomlib assemble``."""

import h5py
import numpy as np
import pytest
from PIL import Image

import geomlib
from geomlib import example_geometry, read_geometry, write_geometry
from geomlib.formats.euxfel import write_euxfel
from geomlib.simulate import simulate_frames, write_euxfel_file
from tests.cli.command import assembled, run, run_wrong, small_frames, small_geometry
from tests.shared import SHARED_DATA, needs_shared_data


@pytest.fixture
def small(tmp_path):
    """Frames of the small detector, and the beginning of a command that assembles them."""
    frames = small_frames(6)
    np.save(tmp_path / "data.npy", frames)
    return frames, ["assemble", tmp_path / "data.npy", "-g", small_geometry(tmp_path)]


def test_all_frames_to_npy(tmp_path, small, capsys):
    frames, command = small
    assert run(*command, "-o", tmp_path / "a.npy") == 0
    out = np.load(tmp_path / "a.npy")
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, assembled(frames))
    assert capsys.readouterr().out == f"{tmp_path / 'a.npy'}: 6 × 8 × 23 pixels, 6 of 6 frames\n"


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [("2", 2), ("-1", 5), ("2:3", [2]), ("::2", [0, 2, 4]), ("4,1", [4, 1])],
)
def test_frames_can_be_selected(tmp_path, small, selection, numbers):
    frames, command = small
    assert run(*command, "-o", tmp_path / "a.npy", "--frames", selection) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), assembled(frames[numbers]))


@pytest.mark.parametrize("how", ["mean", "max", "min", "sum", "std"])
def test_reductions(tmp_path, small, how):
    frames, command = small
    assert run(*command, "-o", tmp_path / "a.npy", "--frames", "1:5", "--reduce", how) == 0
    expected = getattr(frames[1:5].astype(float), how)(axis=0)
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), assembled(expected), rtol=1e-6)


def test_gaps_can_be_filled_and_the_beam_put_in_the_middle(tmp_path, small):
    frames, command = small
    options = ["--frames", 0, "--fill", -1, "--centred"]
    assert run(*command, "-o", tmp_path / "a.npy", *options) == 0
    out = np.load(tmp_path / "a.npy")
    assert out.shape == (8, 24)  # from -12 to 12 pixels
    np.testing.assert_array_equal(out[:, :23], assembled(frames[0], -1))
    assert (out[:, 23] == -1).all()


def test_nearest(tmp_path, small):
    frames, command = small
    assert run(*command, "-o", tmp_path / "a.npy", "--frames", 0, "--method", "nearest") == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), assembled(frames[0]))


@pytest.mark.jit
@pytest.mark.parametrize(
    ("options", "meant"),
    [
        (["--method", "split"], {"method": "split"}),
        (
            ["--method", "split", "--oversample", 2, "--values", "counts"],
            {"method": "split", "oversample": 2, "values": "counts"},
        ),
        (["--binning", 3], {"binning": 3}),
        (["--binning", 2, "--reduce", "max"], {"binning": 2, "reduce": "max"}),
    ],
)
def test_true_shapes_and_binning(tmp_path, small, options, meant):
    frames, command = small
    assert run(*command, "-o", tmp_path / "a.npy", *options) == 0
    expected = geomlib.assemble_data(frames, read_geometry(command[-1]), **meant)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected.data)
    assert run(*command, "-o", tmp_path / "a.h5", *options) == 0
    with h5py.File(tmp_path / "a.h5") as file:
        x = file["entry/image/x"][()]
        low, high, _, _ = expected.extent
        assert x[0] == pytest.approx(low + expected.pixel_size[1] / 2, abs=1e-9)
        assert x[-1] == pytest.approx(high - expected.pixel_size[1] / 2, abs=1e-9)


def test_picture_of_one_frame(tmp_path, small, capsys):
    frames, command = small
    colours = ["--cmap", "gray", "--vmin", 0, "--vmax", 1000]
    assert run(*command, "-o", tmp_path / "a.png", "--frames", 3, *colours) == 0
    assert "8 × 23 pixels, frame 3 of 6" in capsys.readouterr().out
    expected = geomlib.render(assembled(frames[3]), cmap="gray", vmin=0, vmax=1000)
    with Image.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture.convert("RGBA")), expected)


def test_picture_of_several_frames_is_their_mean(tmp_path, small, capsys):
    frames, command = small
    assert run(*command, "-o", tmp_path / "a.png", "--norm", "sqrt") == 0
    assert "mean of 6 of 6 frames" in capsys.readouterr().out
    mean = assembled(frames.astype(np.float64).mean(axis=0).astype(np.float32))
    with Image.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(
            np.asarray(picture.convert("RGBA")), geomlib.render(mean, norm="sqrt")
        )


def test_hdf5_with_everything_in_it(tmp_path, small):
    frames, command = small
    assert run(*command, "-o", tmp_path / "a.h5", "--frames", "1:4") == 0
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["default"] == "entry"
        entry = file["entry"]
        image = entry[entry.attrs["default"]]
        assert image.attrs["NX_class"] == "NXdata"
        assert image.attrs["signal"] == "data"
        assert list(image.attrs["axes"]) == ["frame", "y", "x"]
        np.testing.assert_array_equal(image["data"][:], assembled(frames[1:4]))
        assert image["data"].chunks == (1, 8, 23)
        assert image["frame"][:].tolist() == [1, 2, 3]
        np.testing.assert_allclose(image["x"][:], (np.arange(23) - 11.5) * 1e-4, atol=1e-18)
        np.testing.assert_allclose(image["y"][:], (np.arange(8) - 3.5) * 1e-4, atol=1e-18)
        assert image["x"].attrs["units"] == "m"
        assert image["centre"][:].tolist() == [4, 12]
        assert image["pixel_size"][:].tolist() == [1e-4, 1e-4]
        geometry = read_geometry(tmp_path / "small.geom")
        assert entry["geometry/text"][()] == (tmp_path / "small.geom").read_bytes()
        np.testing.assert_array_equal(entry["geometry/tile_corners"][:], geometry.tile_corners)
        assert entry["geometry/distance"][()] == 0.1
        assert entry["process/version"].asstr()[()] == geomlib.__version__
        assert entry["process/versions/numpy"].asstr()[()] == np.__version__
        assert entry["process/data"].asstr()[()].endswith("data.npy")
        command = entry["process/command"].asstr()[()]
        assert command.startswith(f"geomlib assemble {tmp_path / 'data.npy'} -g")
        assert command.endswith("--frames 1:4")


def test_hdf5_of_a_reduction(tmp_path, small):
    frames, command = small
    assert run(*command, "-o", tmp_path / "a.h5", "--reduce", "max", "--frames", "0,2") == 0
    with h5py.File(tmp_path / "a.h5") as file:
        image = file["entry/image"]
        assert list(image.attrs["axes"]) == ["y", "x"]
        np.testing.assert_array_equal(image["data"][:], assembled(frames[[0, 2]].max(axis=0)))
        assert file["entry/process/reduce"].asstr()[()] == "max"
        assert file["entry/process/frames"][:].tolist() == [0, 2]


def test_the_path_that_the_geometry_names_is_read(tmp_path, small):
    frames, command = small
    with h5py.File(tmp_path / "data.cxi", "w") as file:
        file["entry/data"] = frames
        file["entry/other"] = frames + 1
    command = ["assemble", tmp_path / "data.cxi", *command[2:], "-o", tmp_path / "a.npy"]
    assert run(*command) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), assembled(frames))
    assert run(*command, "--dataset", "entry/other") == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), assembled(frames) + 1)


def test_whole_numbers_stay_whole(tmp_path, small):
    _, command = small
    frames = small_frames(3, "uint16")
    np.save(tmp_path / "data.npy", frames)
    assert run(*command, "-o", tmp_path / "a.npy") == 0
    out = np.load(tmp_path / "a.npy")
    assert out.dtype == np.uint16
    np.testing.assert_array_equal(out, assembled(frames, 0))


@pytest.mark.jit
@pytest.mark.parametrize(
    "name", ["AGIPD-1M", "DSSC-1M", "JUNGFRAU-1M", "ePix100", "pnCCD", "LPD-1M", "AGIPD-500K"]
)
def test_european_xfel_files_of_each_detector(tmp_path, name):
    geometry = example_geometry(name).replace(distance=0.3, photon_energy=9300)
    frames = simulate_frames(geometry, 3, seed=5)
    missing = [] if geometry.n_modules == 1 or name == "pnCCD" else [1]
    write_euxfel_file(tmp_path / "run.h5", frames, geometry, missing_modules=missing, raw=True)
    if name in ("LPD-1M", "DSSC-1M"):
        path = tmp_path / "g.h5"
        write_euxfel(example_geometry(name), path)
    else:
        path = tmp_path / "g.geom"
        write_geometry(geometry, path, adu_per_ev=0.001)
    output = tmp_path / "a.h5"
    assert run("assemble", tmp_path / "run.h5", "-g", path, "-o", output, "--frames", "1:") == 0
    frames[:, missing] = 0
    expected = geomlib.assemble_data(frames[1:], read_geometry(path))
    with h5py.File(output) as file:
        np.testing.assert_array_equal(file["entry/image/data"][:], expected.data)
        np.testing.assert_array_equal(file["entry/image/centre"][:], expected.centre)
        assert file["entry/image/train_id"].shape == (2,)


@pytest.mark.jit
def test_missing_modules_are_gaps_and_do_not_count(tmp_path, capsys):
    geometry = example_geometry("JUNGFRAU-1M").replace(distance=0.3, photon_energy=9300)
    frames = simulate_frames(geometry, 2, dtype="float32")
    write_euxfel_file(tmp_path / "run.h5", frames, geometry, missing_modules=[1])
    write_geometry(geometry, tmp_path / "g.geom", adu_per_ev=0.001)
    command = ["assemble", tmp_path / "run.h5", "-g", tmp_path / "g.geom"]
    assert run(*command, "-o", tmp_path / "a.npy", "--reduce", "mean") == 0
    assert "missing modules: 1" in capsys.readouterr().out
    frames[:, 1] = np.nan
    expected = geomlib.assemble_data(frames.mean(axis=0, dtype=float).astype("f4"), geometry).data
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), expected, rtol=1e-6)


@pytest.mark.jit
@needs_shared_data
def test_a_real_agipd_frame_equals_extra_geom(tmp_path):
    from extra_geom import AGIPD_1MGeometry

    data = SHARED_DATA / "frames/agipd_rings.npz"
    path = SHARED_DATA / "crystfel/AGIPD_European-XFEL_geoAssembler_test.geom"
    assert run("assemble", data, "-g", path, "-o", tmp_path / "a.npy") == 0
    oracle = AGIPD_1MGeometry.from_crystfel_geom(path)
    expected, _ = oracle.position_modules(np.load(data)["data"])
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected)


@pytest.mark.jit
@needs_shared_data
def test_a_real_lpd_frame_equals_extra_geom(tmp_path):
    from extra_geom import LPD_1MGeometry

    data = SHARED_DATA / "frames/lpd_liquid.npz"
    path = SHARED_DATA / "euxfel_h5/lpd_mar_18_axesfixed.h5"
    positions = [(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)]
    given = " ".join(f"{x},{y}" for x, y in positions)
    command = ["assemble", data, "-g", path, "--quad-positions", given]
    assert run(*command, "-o", tmp_path / "a.npy") == 0
    oracle = LPD_1MGeometry.from_h5_file_and_quad_positions(path, positions)
    expected, _ = oracle.position_modules(np.load(data)["data"])
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected)


# -- What goes wrong ----------------------------------------------------------------------


@pytest.mark.parametrize("selection", ["6", "-7", "9:", "a", "1:2:0", ""])
def test_bad_frames(tmp_path, small, selection, capsys):
    _, command = small
    error = run_wrong(capsys, *command, "-o", tmp_path / "a.npy", f"--frames={selection}")
    assert "frames" in error
    assert not (tmp_path / "a.npy").exists()


def test_one_picture_cannot_hold_several_frames(tmp_path, small, capsys):
    _, command = small
    error = run_wrong(capsys, *command, "-o", tmp_path / "a.png", "--reduce", "none")
    assert "holds one image, not 6" in error


def test_wrong_shape(tmp_path, small, capsys):
    _, command = small
    np.save(tmp_path / "data.npy", np.zeros((4, 3, 8, 10)))
    error = run_wrong(capsys, *command, "-o", tmp_path / "a.npy")
    assert "shape (4, 3, 8, 10) does not fit generic, which needs (frames, 2, 8, 10)" in error


def test_missing_files(tmp_path, small, capsys):
    _, command = small
    gone = ["assemble", tmp_path / "nope.npy", *command[2:], "-o", tmp_path / "a.npy"]
    assert "nope.npy" in run_wrong(capsys, *gone)
    gone = [*command[:3], tmp_path / "nope.geom", "-o", tmp_path / "a.npy"]
    assert "nope.geom" in run_wrong(capsys, *gone)


def test_outputs_that_cannot_be(tmp_path, small, capsys):
    _, command = small
    error = run_wrong(capsys, *command, "-o", tmp_path / "a.tif")
    assert "must be one of .png, .npy, .h5" in error
    assert "no folder" in run_wrong(capsys, *command, "-o", tmp_path / "no" / "a.png")
    (tmp_path / "b.npy").mkdir()
    assert "is a folder" in run_wrong(capsys, *command, "-o", tmp_path / "b.npy")


@pytest.mark.parametrize(
    "options", [["--fill", "300"], ["--cmap", "nope"], ["--vmin", "5", "--vmax", "1"]]
)
def test_bad_options(tmp_path, small, options, capsys):
    _, command = small
    np.save(tmp_path / "data.npy", small_frames(1, "uint16").clip(0, 255).astype("uint8"))
    run_wrong(capsys, *command, "-o", tmp_path / "a.png", *options)
    assert not (tmp_path / "a.png").exists()


def test_a_fill_value_that_images_cannot_hold(tmp_path, capsys):
    np.save(tmp_path / "data.npy", small_frames(3, "uint16"))
    command = ["assemble", tmp_path / "data.npy", "-g", small_geometry(tmp_path)]
    command += ["-o", tmp_path / "a.npy", "--fill"]
    error = run_wrong(capsys, *command, "nan")
    assert "--fill nan: the images hold uint16" in error
    assert "--reduce mean" in error
    assert "--fill -1: " in run_wrong(capsys, *command, -1, "--reduce", "max")
    assert run(*command, "nan", "--reduce", "mean") == 0
    assert run(*command, 70000, "--reduce", "sum") == 0
    assert np.load(tmp_path / "a.npy")[0, 11] == 70000


def test_a_failure_leaves_the_old_output(tmp_path, small, capsys):
    _, command = small
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.create_dataset(
            "entry/data", data=small_frames(6), chunks=(1, 2, 8, 10), fletcher32=True
        )
        offset = file["entry/data"].id.get_chunk_info(5).byte_offset
    raw = bytearray((tmp_path / "data.h5").read_bytes())
    raw[offset] ^= 0xFF  # the last frame no longer has its check sum
    (tmp_path / "data.h5").write_bytes(raw)
    for name in ("a.npy", "a.h5"):
        (tmp_path / name).write_text("old")
        error = run_wrong(
            capsys, "assemble", tmp_path / "data.h5", *command[2:], "-o", tmp_path / name
        )
        assert "data.h5 [/entry/data]: cannot be read" in error
        assert (tmp_path / name).read_text() == "old"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_input_is_never_overwritten(tmp_path, small, capsys):
    _, command = small
    before = (tmp_path / "data.npy").read_bytes()
    (tmp_path / "link.npy").symlink_to("data.npy")
    (tmp_path / "sub").mkdir()
    for name in ("data.npy", "link.npy", "sub/../data.npy"):
        error = run_wrong(capsys, *command, "-o", tmp_path / name)
        assert f"--output {tmp_path / name} is the same file as the input" in error
    assert (tmp_path / "data.npy").read_bytes() == before
    (tmp_path / "geom.h5").write_text((tmp_path / "small.geom").read_text())
    wrong = ["assemble", tmp_path / "data.npy", "-g", tmp_path / "geom.h5"]
    assert "is the same file as the input" in run_wrong(capsys, *wrong, "-o", wrong[-1])


def test_a_folder_of_data_is_not_overwritten_and_its_files_are_named(tmp_path, capsys):
    geometry = example_geometry("JUNGFRAU-500K").replace(distance=0.1, photon_energy=9300)
    write_geometry(geometry, tmp_path / "jf.geom", adu_per_ev=0.001)
    frames = np.ones((2, *geometry.data_shape), dtype=np.float32)
    folder = tmp_path / "run"
    folder.mkdir()
    write_euxfel_file(folder / "RAW-1.h5", frames, geometry)
    command = ["assemble", folder, "-g", tmp_path / "jf.geom", "--frames", 0]
    error = run_wrong(capsys, *command, "-o", folder / "RAW-1.h5")
    assert f"--output {folder / 'RAW-1.h5'} is one of the data files in {folder}" in error
    assert run(*command, "-o", folder / "new.npy") == 0
    assert capsys.readouterr().out.endswith("; from RAW-1.h5\n")


def test_messages_speak_of_options_of_the_shell(tmp_path, small, capsys):
    np.savez(tmp_path / "two.npz", a=small[0], b=small[0])
    command = ["assemble", tmp_path / "two.npz", *small[1][2:], "-o", tmp_path / "a.npy"]
    assert run_wrong(capsys, *command).endswith("say which with --dataset")
