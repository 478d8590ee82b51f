"""Patterns in files."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
from PIL import Image

import geomlib
from geomlib import GeometryError, GeometryFileError
from geomlib.data import Origin
from geomlib.integration.files import About, save_pattern, write_patterns
from geomlib.integration.pattern import Pattern

RNG = np.random.default_rng(7)
RADIAL = np.linspace(0.5, 2.5, 6) + 1 / 3
AZIMUTH = np.array([-120.0, 0.0, 120.0])


def pattern(*frames, cake=False, sigma=True, unit="q_A^-1", dtype=np.float64):
    """Numbers without a short text; one empty bin."""
    shape = (*frames, 3, 6) if cake else (*frames, 6)
    intensity = (RNG.normal(size=shape) * 1e5).astype(dtype)
    count = RNG.uniform(size=shape)
    intensity[..., 2], count[..., 2] = np.nan, 0
    error = np.abs(intensity) / 7 if sigma else None
    return Pattern(RADIAL, intensity, error, count, unit, AZIMUTH if cake else None)


def lazy(made, chunks):
    da = pytest.importorskip("dask.array")
    arrays = (made.intensity, made.sigma, made.count)
    return Pattern(
        made.radial,
        *(None if a is None else da.from_array(a, chunks=chunks) for a in arrays),
        made.unit,
        made.azimuth,
    )


def read_csv(path):
    return np.genfromtxt(path, delimiter=",", names=True)


def comments(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("#")]


# -- Text ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_curve_reads_as_the_same_doubles(tmp_path, dtype):
    made = pattern(dtype=dtype)
    made.save(tmp_path / "a.csv", command="geomlib integrate x -o a.csv", note="first\nsecond")
    table = read_csv(tmp_path / "a.csv")
    assert table.dtype.names == ("radial", "intensity", "sigma", "count")
    for name in table.dtype.names:
        np.testing.assert_array_equal(table[name], getattr(made, name).astype(np.float64))
    assert comments(tmp_path / "a.csv") == [
        "# unit: q_A^-1",
        f"# geomlib: {geomlib.__version__}",
        "# command: geomlib integrate x -o a.csv",
        "# note: first",
        "# second",
    ]


def test_a_curve_without_errors_and_of_one_frame(tmp_path):
    made = pattern(1, sigma=False)
    save_pattern(made, tmp_path / "a.csv")
    table = read_csv(tmp_path / "a.csv")
    assert table.dtype.names == ("radial", "intensity", "count")
    np.testing.assert_array_equal(table["intensity"], made.intensity[0])


def test_several_curves_are_columns(tmp_path):
    made = pattern(2, 3)
    save_pattern(made, tmp_path / "a.csv")
    table = read_csv(tmp_path / "a.csv")
    names = ["frame_0_0", "frame_0_1", "frame_0_2", "frame_1_0", "frame_1_1", "frame_1_2"]
    assert table.dtype.names == ("radial", *names)
    np.testing.assert_array_equal(table["radial"], RADIAL)
    np.testing.assert_array_equal(table["frame_1_0"], made.intensity[1, 0])
    assert "a column of intensity for each frame; sigma" in comments(tmp_path / "a.csv")[-1]
    origin = Origin("run.h5", "/entry/data", frames=np.array([4, 9]))
    save_pattern(pattern(2), tmp_path / "a.csv", origin=origin)
    assert read_csv(tmp_path / "a.csv").dtype.names == ("radial", "frame_4", "frame_9")
    assert "# data: run.h5" in comments(tmp_path / "a.csv")
    assert "# dataset: /entry/data" in comments(tmp_path / "a.csv")


def test_a_cake_has_a_row_for_each_bin(tmp_path):
    made = pattern(cake=True)
    save_pattern(made, tmp_path / "a.csv")
    table = read_csv(tmp_path / "a.csv")
    assert table.dtype.names == ("azimuth", "radial", "intensity", "sigma", "count")
    for name in ("intensity", "sigma", "count"):
        np.testing.assert_array_equal(table[name].reshape(3, 6), getattr(made, name))
    np.testing.assert_array_equal(table["azimuth"].reshape(3, 6)[:, 4], AZIMUTH)
    np.testing.assert_array_equal(table["radial"].reshape(3, 6)[1], RADIAL)
    with pytest.raises(GeometryError, match=r"holds one cake, not 2: choose \.h5"):
        save_pattern(pattern(2, cake=True), tmp_path / "b.csv")
    assert not (tmp_path / "b.csv").exists()


def test_pandas_reads_it_as_the_docstring_says(tmp_path):
    pandas = pytest.importorskip("pandas")
    made = pattern()
    save_pattern(made, tmp_path / "a.csv", command="a, b # c")
    table = pandas.read_csv(tmp_path / "a.csv", comment="#")
    assert list(table.columns) == ["radial", "intensity", "sigma", "count"]
    np.testing.assert_array_equal(table["intensity"], made.intensity)


# -- NeXus --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".nxs", ".NXS"])
def test_a_curve_in_nexus(tmp_path, suffix):
    made = pattern()
    path = tmp_path / f"a{suffix}"
    save_pattern(made, path, command="geomlib integrate", note="LaB6")
    with h5py.File(path) as file:
        assert dict(file.attrs) == {"NX_class": "NXroot", "default": "entry"}
        entry = file[file.attrs["default"]]
        assert entry.attrs["NX_class"] == "NXentry"
        group = entry[entry.attrs["default"]]
        assert group.attrs["NX_class"] == "NXdata"
        assert group.attrs["signal"] == "intensity"
        assert list(group.attrs["axes"]) == ["q"]
        np.testing.assert_array_equal(group["intensity"], made.intensity)
        np.testing.assert_array_equal(group["intensity_errors"], made.sigma)
        np.testing.assert_array_equal(group["count"], made.count)
        np.testing.assert_array_equal(group["q"], RADIAL)
        assert group["q"].attrs["units"] == "1/angstrom"
        assert group["q"].attrs["long_name"] == "q (1/Å)"
        assert group["intensity"].attrs["interpretation"] == "spectrum"
        process = entry["process"]
        assert process["version"].asstr()[()] == geomlib.__version__
        assert process["command"].asstr()[()] == "geomlib integrate"
        assert process["note"].asstr()[()] == "LaB6"
        assert process["versions/numpy"].asstr()[()] == np.__version__


@pytest.mark.parametrize(
    ("unit", "name", "units"),
    [
        ("q_nm^-1", "q", "1/nm"),
        ("2th_deg", "two_theta", "deg"),
        ("2th_rad", "two_theta", "rad"),
        ("r_mm", "r", "mm"),
        ("chi_deg", "chi", "deg"),
        ("chi_rad", "chi", "rad"),
        ("furlongs", "radial", "furlongs"),
    ],
)
def test_axes_in_nexus(tmp_path, unit, name, units):
    save_pattern(pattern(unit=unit, sigma=False), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        group = file["entry/pattern"]
        assert list(group.attrs["axes"]) == [name]
        assert group[name].attrs["units"] == units
        assert "intensity_errors" not in group


def test_cakes_of_frames_in_nexus(tmp_path):
    made = pattern(4, cake=True, dtype=np.float32)
    origin = Origin(
        "run.h5", "AGIPD", frames=np.array([2, 3, 5, 7]), train_ids=np.array([10, 10, 11, 11])
    )
    save_pattern(made, tmp_path / "a.h5", origin=origin)
    with h5py.File(tmp_path / "a.h5") as file:
        group = file["entry/pattern"]
        assert list(group.attrs["axes"]) == ["frame", "chi", "q"]
        assert group["intensity"].dtype == np.float32
        np.testing.assert_array_equal(group["intensity"], made.intensity)
        np.testing.assert_array_equal(group["chi"], AZIMUTH)
        assert group["chi"].attrs["units"] == "deg"
        assert group["frame"][:].tolist() == [2, 3, 5, 7]
        assert group["train_id"][:].tolist() == [10, 10, 11, 11]
        assert group["intensity"].attrs["interpretation"] == "image"
        assert file["entry/process/dataset"].asstr()[()] == "AGIPD"


def test_several_axes_of_frames_in_nexus(tmp_path):
    made = pattern(2, 3)
    save_pattern(made, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        group = file["entry/pattern"]
        assert list(group.attrs["axes"]) == [".", ".", "q"]
        np.testing.assert_array_equal(group["intensity"], made.intensity)


def test_silx_finds_the_curve_and_its_errors(tmp_path):
    nxdata = pytest.importorskip("silx.io.nxdata")
    save_pattern(pattern(5), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        found = nxdata.get_default(file)
        assert found.is_valid
        assert found.signal_name == "intensity"
        assert found.axes_dataset_names == ["frame", "q"]
        np.testing.assert_array_equal(found.errors[()], file["entry/pattern/intensity_errors"])


@pytest.mark.parametrize(("frames", "cake", "chunks"), [((9,), False, (2, 6)), ((), True, (3, 6))])
def test_dask_arrays_to_nexus(tmp_path, frames, cake, chunks):
    made = pattern(*frames, cake=cake)
    save_pattern(lazy(made, chunks), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        group = file["entry/pattern"]
        np.testing.assert_array_equal(group["intensity"], made.intensity)
        np.testing.assert_array_equal(group["intensity_errors"], made.sigma)
        np.testing.assert_array_equal(group["count"], made.count)


def test_each_chunk_is_computed_once_and_a_few_at_a_time(tmp_path, monkeypatch):
    da = pytest.importorskip("dask.array")
    made = pattern(12, sigma=False)
    computed = []

    def look(block, block_info):
        computed.append(block_info[0]["chunk-location"][0])
        return block

    source = da.from_array(made.intensity, chunks=(2, 6)).map_blocks(look, dtype=float)
    lazily = Pattern(RADIAL, source + 1, None, source * 0, "q_A^-1")
    seen = []
    # Two chunks of 2 frames, 3 arrays of 6 doubles each, fit; the third does not.
    monkeypatch.setattr("geomlib.integration.files.BLOCK_BYTES", 4 * 3 * 6 * 8)
    write = h5py.Dataset.__setitem__
    monkeypatch.setattr(
        h5py.Dataset,
        "__setitem__",
        lambda self, where, value: (seen.append(len(value)), write(self, where, value))[1],
    )
    computed.clear()
    save_pattern(lazily, tmp_path / "a.h5")
    assert sorted(computed) == [0, 1, 2, 3, 4, 5]
    assert seen == [4, 4] * 3
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["entry/pattern/intensity"], made.intensity + 1)


def test_dask_arrays_to_csv(tmp_path):
    made = pattern(3)
    save_pattern(lazy(made, (1, 6)), tmp_path / "a.csv")
    np.testing.assert_array_equal(read_csv(tmp_path / "a.csv")["frame_2"], made.intensity[2])


def test_patterns_are_written_as_they_come(tmp_path):
    made = pattern(5)

    def parts():
        for where in (slice(0, 2), slice(2, 5)):
            yield Pattern(
                RADIAL, made.intensity[where], made.sigma[where], made.count[where], "q_A^-1"
            )

    assert write_patterns(parts(), tmp_path / "a.h5", (5,), About()) == (5, 6)
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["entry/pattern/intensity"], made.intensity)
    with pytest.raises(GeometryError, match="no frames"):
        write_patterns([], tmp_path / "b.h5", (0,), About())


# -- Pictures -----------------------------------------------------------------------------


@pytest.mark.parametrize("made", [pattern(), pattern(30), pattern(cake=True)])
def test_a_picture(tmp_path, made):
    save_pattern(made, tmp_path / "a.png", command="geomlib integrate", note="one\ntwo")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (1125, 720)
        assert picture.info["Comment"] == "geomlib integrate"
        assert len(set(picture.convert("L").tobytes())) > 20


def test_a_picture_calls_frames_as_their_file_does(tmp_path, monkeypatch):
    from geomlib.plotting import patterns

    drawn = []
    draw = patterns.plot_pattern

    def look(*arguments, **options):
        drawn.append(draw(*arguments, **options))
        return drawn[-1]

    monkeypatch.setattr(patterns, "plot_pattern", look)
    origin = Origin("run.h5", "/entry/data", frames=np.array([4, 9]))
    save_pattern(pattern(2), tmp_path / "a.png", origin=origin)
    assert [line.get_label() for line in drawn[0].lines] == ["frame 4", "frame 9"]


def test_a_picture_leaves_pyplot_alone(tmp_path):
    code = (
        "import sys, numpy as np\n"
        "from geomlib.integration.pattern import Pattern\n"
        "ones = np.ones(5)\n"
        "Pattern(np.arange(5.), ones, None, ones, 'r_mm').save(sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    path = tmp_path / "a.png"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert path.read_bytes().startswith(b"\x89PNG")


# -- What goes wrong ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.txt", "a", "a.tif", "csv"])
def test_an_unknown_suffix_lists_those_known(tmp_path, name):
    message = r"the suffix decides .* must be one of \.csv, \.h5, \.hdf5, \.nxs, \.png"
    with pytest.raises(GeometryError, match=message):
        pattern().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("made", "path", "options", "message"),
    [
        (pattern(), 5, {}, "path must be the path of a file, not 5"),
        (pattern(0), "a.h5", {}, r"nothing to write in a pattern of shape \(0, 6\)"),
        (RADIAL, "a.h5", {}, "pattern must be a Pattern, .* not ndarray"),
        (pattern(), "a.h5", {"note": 5}, "note must be text, not 5"),
        (pattern(), "a.csv", {"command": ["a"]}, "command must be text"),
    ],
)
def test_what_cannot_be_written(made, path, options, message):
    with pytest.raises(GeometryError, match=message):
        save_pattern(made, path, **options)


@pytest.mark.parametrize("suffix", [".csv", ".h5", ".png"])
def test_a_failure_leaves_the_old_file(tmp_path, suffix):
    da = pytest.importorskip("dask.array")

    def broken(block):
        raise GeometryError("data.h5 is damaged")

    made = pattern(4)
    source = da.from_array(made.intensity, chunks=(2, 6)).map_blocks(broken, meta=np.empty(0))
    path = tmp_path / f"a{suffix}"
    path.write_text("old")
    with pytest.raises(GeometryError, match=r"data\.h5 is damaged"):
        save_pattern(Pattern(RADIAL, source, None, made.count, "r_mm"), path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_folder_that_is_not_there(tmp_path):
    for suffix in (".csv", ".h5", ".png"):
        with pytest.raises(GeometryFileError, match="there is no such folder"):
            save_pattern(pattern(), tmp_path / "no" / f"a{suffix}")
