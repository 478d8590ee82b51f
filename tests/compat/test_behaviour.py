"""What the replacement does that EXtra-geom does not, or does otherwise."""

import pickle
import subprocess
import sys

import extra_geom as original
import numpy as np
import pytest

import geomlib
from geomlib.compat import extra_geom as replacement
from geomlib.compat.extra_geom import base
from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
from tests.compat.examples import EXAMPLES, QUADS_AGIPD
from tests.compat.test_values import vectors

BAD = {
    "bad_corner": {
        "panel": "p1a7", "is_fsss": True, "min_ss": 500, "max_ss": 511, "min_fs": 0, "max_fs": 9,
        "min_x": np.nan, "max_x": np.nan, "min_y": np.nan, "max_y": np.nan,
    },
    "bad_beam": {
        "panel": "", "is_fsss": False, "min_ss": 0, "max_ss": 0, "min_fs": 0, "max_fs": 0,
        "min_x": -20.0, "max_x": 20.0, "min_y": -3.5, "max_y": 100.0,
    },
}  # fmt: skip
KNOWN = {"clen": 0.25, "photon_energy": 9300, "adu_per_ev": 0.0075}


@pytest.fixture
def agipd():
    return EXAMPLES["AGIPD-500K"](replacement)


# -- The geometry inside ----------------------------------------------------------------


def test_it_holds_a_geometry(agipd):
    inside = agipd.geometry
    assert isinstance(inside, geomlib.Geometry)
    assert agipd.geometry is inside
    again = replacement.AGIPD_500K2GGeometry(inside)
    assert again.geometry is inside
    np.testing.assert_array_equal(vectors(again), vectors(agipd))
    assert agipd.geometry is inside, "looking at the tiles changes nothing"
    assert "AGIPD-500K" in repr(agipd)


def test_modules_can_be_replaced(agipd):
    one = agipd.modules[3][2]
    agipd.modules[3][2] = one.offset((1e-3, 0, 0)).rotate(np.eye(3), (0, 0, 0))
    place = agipd.get_pixel_positions(centre=False)[3, 128, 0]
    np.testing.assert_array_equal(place, one.corner_pos + np.array([1e-3, 0, 0]))
    agipd.modules = [[tile.offset((0, 0, 1)) for tile in module] for module in agipd.modules]
    assert (agipd.get_pixel_positions()[..., 2] == 1).all()
    assert "64 × 128" in repr(one)


def test_a_class_of_ones_own():
    class Pair(base.DetectorGeometryBase):
        detector_type_name = "pair"
        pixel_size = 1e-3
        frag_ss_pixels, frag_fs_pixels = 4, 3
        n_modules, n_tiles_per_module = 2, 2
        expected_data_shape = (2, 8, 3)

        @classmethod
        def _tile_slice(cls, tileno):
            return slice(4 * tileno, 4 * tileno + 4), slice(0, 3)

    tiles = [
        [
            base.GeometryFragment([4e-3 * m, 5e-3 * t, 0], [0, 1e-3, 0], [1e-3, 0, 0], 4, 3)
            for t in range(2)
        ]
        for m in range(2)
    ]
    pair = Pair(tiles, filename="two.txt")
    data = np.arange(48.0).reshape(2, 8, 3)
    image, centre = pair.position_modules(data)
    assert image.shape == (9, 7)
    assert centre.tolist() == [0, 0]
    np.testing.assert_array_equal(image[5:, 4:], data[1, 4:])
    assert isinstance(pair.offset((0, 1e-3)), Pair)
    with pytest.raises(NotImplementedError):
        pair.to_pyfai_detector()


@pytest.mark.parametrize("name", ["AGIPD-500K", "JUNGFRAU, gaps", "generic", "DSSC-1M"])
def test_pickles(name):
    geom = EXAMPLES[name](replacement)
    geom.position_modules(np.zeros(geom.expected_data_shape, "f4"))
    geom.modules[0][0].corner_pos[0] += 1e-3
    geom.metadata["note"] = ["mine"]
    again = pickle.loads(pickle.dumps(geom))
    np.testing.assert_array_equal(vectors(again), vectors(geom))
    assert again.metadata == {"note": ["mine"]}
    assert again.expected_data_shape == geom.expected_data_shape


def test_in_the_place_of_extra_geom(tmp_path):
    """In another process: pickles of EXtra-geom, all imports, and what was imported before."""
    pickled = tmp_path / "old.pickle"
    pickled.write_bytes(pickle.dumps(EXAMPLES["JUNGFRAU, gaps"](original)))
    program = f"""
import pickle, sys
import extra_geom.detectors
old = extra_geom.AGIPD_1MGeometry
from geomlib.compat import use_as_extra_geom
assert use_as_extra_geom() is sys.modules["extra_geom"]
import extra_geom
import extra_geom.base, extra_geom.crystfel_fmt, extra_geom.lpd_old, extra_geom.motors
import extra_geom.pyfai, extra_geom.snapped
from extra_geom.detectors import AGIPD_1MGeometry, GeometryFragment
from geomlib.compat.extra_geom import AGIPD_1MGeometry as ours
assert AGIPD_1MGeometry is ours is extra_geom.AGIPD_1MGeometry is not old
assert GeometryFragment is extra_geom.base.GeometryFragment
geom = pickle.loads(open({str(pickled)!r}, "rb").read())
assert geom.expected_data_shape == (2, 512, 1024) and isinstance(geom, extra_geom.JUNGFRAUGeometry)
assert geom.geometry.n_tiles == 16
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)


# -- Files ------------------------------------------------------------------------------


def test_what_a_file_says_comes_back(agipd, tmp_path):
    agipd.metadata["crystfel"] = {"bad": BAD, "data": "/data", "mask": "/mask"}
    agipd.write_crystfel_geom(tmp_path / "a.geom", **KNOWN)
    again = replacement.AGIPD_500K2GGeometry.from_crystfel_geom(tmp_path / "a.geom")
    assert again.filename == tmp_path / "a.geom"
    found = again.metadata["crystfel"]
    assert {k: found[k] for k in ("clen", "photon_energy", "adu_per_eV", "data", "mask")} == {
        "clen": 0.25, "photon_energy": 9300, "adu_per_eV": 0.0075, "data": "/data", "mask": "/mask",
    }  # fmt: skip
    assert repr(sorted(found["bad"])) == repr(sorted(BAD))
    for name, region in BAD.items():
        np.testing.assert_equal(found["bad"][name], region)
    assert again.geometry.groups["q0"] == tuple(range(64))


def test_a_file_keeps_its_text(agipd, tmp_path):
    """EXtra-geom writes all of it anew, with its own names, and loses what it does not know."""
    agipd.write_crystfel_geom(tmp_path / "a.geom", **KNOWN)
    text = (tmp_path / "a.geom").read_text()
    text = text.replace("p3a2", "left").replace("\n\n", "\n; from me\nmax_adu = 7000\n\n", 1)
    (tmp_path / "b.geom").write_text(text)
    geom = replacement.AGIPD_500K2GGeometry.from_crystfel_geom(tmp_path / "b.geom")
    geom.write_crystfel_geom(tmp_path / "c.geom")
    assert (tmp_path / "c.geom").read_text() == text
    geom.offset((0, 2e-3), modules=[3]).write_crystfel_geom(tmp_path / "d.geom", clen=0.3)
    lines = [(tmp_path / f"{n}.geom").read_text().splitlines() for n in "cd"]
    changed = [b for a, b in zip(*lines, strict=True) if a != b]
    # Eight corners, and the distance.
    assert len(changed) == 9
    assert "left/corner_y = 288.3" in changed


def test_metadata_stays_with_what_moves(agipd, tmp_path):
    agipd.write_crystfel_geom(tmp_path / "a.geom", **KNOWN)
    geom = replacement.AGIPD_500K2GGeometry.from_crystfel_geom(tmp_path / "a.geom")
    for moved in (geom.offset((0, 1e-3)), geom.rotate((0, 0, 1))):
        assert moved.metadata["crystfel"]["clen"] == 0.25
        assert moved.filename == "No file"
        moved.metadata["crystfel"]["clen"] = 0.5
    assert geom.metadata["crystfel"]["clen"] == 0.25


def test_what_is_not_known_is_not_written(agipd, tmp_path):
    """EXtra-geom reads an absent distance as NaN and an absent energy as 0, and writes them."""
    with pytest.warns(GeometryWarning, match="filled in"):
        agipd.write_crystfel_geom(tmp_path / "a.geom")
    with pytest.warns(GeometryWarning, match="reject"):
        geom = replacement.AGIPD_500K2GGeometry.from_crystfel_geom(tmp_path / "a.geom")
    assert repr(geom.metadata["crystfel"]) == repr(
        {
            "data": "/entry_1/instrument_1/detector_1/data", "mask": "", "adu_per_eV": np.nan,
            "clen": np.nan, "photon_energy": 0.0, "bad": {},
        }
    )  # fmt: skip
    geom.write_crystfel_geom(tmp_path / "b.geom")
    assert (tmp_path / "b.geom").read_bytes() == (tmp_path / "a.geom").read_bytes()


def test_quadrants_of_ones_own(agipd, tmp_path):
    agipd.write_crystfel_geom(tmp_path / "a.geom", nquads=2, **KNOWN)
    read = geomlib.read_geometry(tmp_path / "a.geom")
    assert read.groups["q1"] == tuple(range(32, 64))
    with pytest.raises(GeometryError, match="nquads=3 does not divide 8"):
        agipd.write_crystfel_geom(tmp_path / "a.geom", nquads=3, **KNOWN)


def test_motors_of_any_detector(tmp_path):
    mini = EXAMPLES["LPD-Mini"](replacement)
    mini.write_crystfel_geom(tmp_path / "a.geom", **KNOWN)
    text = replacement.crystfel_fmt.motors_to_geom([[1.5], [2]])
    (tmp_path / "a.geom").write_text(text + (tmp_path / "a.geom").read_text())
    again = replacement.LPD_MiniGeometry.from_crystfel_geom(tmp_path / "a.geom")
    assert again.motor_positions.tolist() == [[1.5], [2]]


@pytest.mark.parametrize(
    "dims", [("frame", "ss"), ("frame", "ss", "fs", "fs"), ("x", "frame", "ss", "fs")]
)
def test_wrong_dims(agipd, tmp_path, dims):
    with pytest.raises(GeometryError, match="dims must hold"):
        agipd.write_crystfel_geom(tmp_path / "a.geom", dims=dims)
    assert not (tmp_path / "a.geom").exists()


def test_files_of_another_detector(agipd, tmp_path):
    agipd.write_crystfel_geom(tmp_path / "a.geom", **KNOWN)
    for cls in (replacement.AGIPD_1MGeometry, replacement.JUNGFRAUGeometry):
        with pytest.raises(GeometryFileError, match=r"does not fit|64 of the 128 tiles"):
            cls.from_crystfel_geom(tmp_path / "a.geom")
    with pytest.raises(GeometryFileError, match="no such file"):
        replacement.AGIPD_1MGeometry.from_crystfel_geom(tmp_path / "absent.geom")


def test_a_bad_region_of_no_panel(agipd, tmp_path):
    agipd.metadata["crystfel"] = {"bad": {"bad_one": BAD["bad_corner"] | {"panel": "p9a0"}}}
    with pytest.raises(GeometryError, match=r"bad_one.*'p9a0'"):
        agipd.write_crystfel_geom(tmp_path / "a.geom", **KNOWN)


def test_a_turned_detector_in_an_xfel_file(tmp_path):
    """EXtra-geom writes it as if it were not turned, and says nothing."""
    lpd = EXAMPLES["LPD-1M"](replacement).rotate((0, 0, 1))
    with pytest.warns(GeometryWarning, match="tiles|away|move"):
        lpd.to_h5_file_and_quad_positions(tmp_path / "lpd.h5")


def test_the_sign_of_positions(tmp_path):
    from geomlib.compat.extra_geom.detectors import invert_xfel_lpd_geom
    from tests.compat.examples import TESTS_FOLDER

    invert_xfel_lpd_geom(TESTS_FOLDER / "lpd_mar_18.h5", tmp_path / "out.h5")
    with pytest.raises(FileExistsError):
        invert_xfel_lpd_geom(TESTS_FOLDER / "lpd_mar_18.h5", tmp_path / "out.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(GeometryFileError):
        invert_xfel_lpd_geom(tmp_path / "text.h5", tmp_path / "other.h5")
    assert not (tmp_path / "other.h5").exists()


# -- Images -----------------------------------------------------------------------------


def test_labelled_data():
    xarray = pytest.importorskip("xarray")
    geom = EXAMPLES["JUNGFRAU, 3 modules"](replacement)
    data = np.random.default_rng(0).random((2, 2, 512, 1024), dtype="f4")
    names = ("frame", "module", "y", "x")
    labelled = xarray.DataArray(data, dims=names, coords={"module": [1, 3]})
    image, _ = geom.position_modules(labelled)
    all_three = np.full((2, 3, 512, 1024), np.nan, "f4")
    all_three[:, [0, 2]] = data
    np.testing.assert_array_equal(image, geom.position_modules(all_three)[0])
    with pytest.raises(GeometryError, match=r"range 1-3: the module labels of data are \[0, 2\]"):
        geom.position_modules(labelled.assign_coords(module=[0, 2]))
    with pytest.raises(GeometryError, match="dimension 'module'"):
        geom.position_modules(labelled.rename(module="part"))
    out = geom.output_array_for_position((2,))
    out[:] = 3
    geom.position_modules(labelled, out=out)
    np.testing.assert_array_equal(out, np.where(np.isnan(image), 3, image))


@pytest.mark.parametrize("name", ["AGIPD-500K", "JUNGFRAU, 3 modules"])
def test_modules_without_labels_are_all_of_them_in_order(name):
    xarray = pytest.importorskip("xarray")
    geom = EXAMPLES[name](replacement)
    data = np.random.default_rng(0).random(geom.expected_data_shape, dtype="f4")
    labelled = xarray.DataArray(data, dims=("module", "y", "x"))
    methods = [geom.position_modules, geom.position_modules_interpolate]
    if name != "AGIPD-500K":
        # In EXtra-geom, modules of a JUNGFRAU are counted from 1 here and from 0 there.
        methods.pop()
    for method in methods:
        np.testing.assert_array_equal(method(labelled)[0], method(data)[0])
    with pytest.raises(GeometryError, match="module number labels should be in the range"):
        geom.position_modules(labelled.assign_coords(module=list("abcdefgh")[: len(data)]))
    with pytest.raises(GeometryError, match="holds no modules"):
        geom.position_modules(labelled[:0])
    with pytest.raises(GeometryError, match="Wrong pixel dimensions"):
        geom.position_modules(labelled[..., 1:])


def test_numbers_that_do_not_fit(agipd):
    data = np.zeros(agipd.expected_data_shape)
    with pytest.raises(TypeError, match="float64 cannot be cast safely"):
        agipd.position_modules(data, out=agipd.output_array_for_position())
    with pytest.raises(GeometryError, match="shape"):
        agipd.position_modules(data[:, 1:])
    with pytest.raises(GeometryError, match="out has shape"):
        agipd.position_modules(data, out=np.zeros((3, 3)))
    with pytest.raises(GeometryError, match="out must be an array, not list"):
        agipd.position_modules(data, out=[1.0])
    frozen = agipd.output_array_for_position((), float)
    frozen.flags.writeable = False
    with pytest.raises(GeometryError, match="read-only"):
        agipd.position_modules(data, out=frozen)


@pytest.mark.parametrize("dtype", ["f2", "i1", "?", "c8", ">f4"])
def test_any_kind_of_numbers_onto_an_array(agipd, dtype):
    data = np.ones((2, *agipd.expected_data_shape)).astype(dtype)
    plain, _ = agipd.position_modules(data)
    out = np.zeros_like(plain)
    agipd.position_modules(data, out=out)
    np.testing.assert_array_equal(out, np.nan_to_num(plain))


def test_masked_pixels_are_missing(agipd):
    data = np.ma.masked_less(np.random.default_rng(0).random(agipd.expected_data_shape), 0.5)
    filled = data.filled(np.nan)
    image, _ = agipd.position_modules(data)
    np.testing.assert_array_equal(image, agipd.position_modules(filled)[0])
    onto = agipd.output_array_for_position((), float)
    np.testing.assert_array_equal(agipd.position_modules(data, out=onto)[0], image)
    for method in (agipd.position_modules_symmetric, agipd.position_modules_interpolate):
        np.testing.assert_array_equal(method(data)[0], method(filled)[0])
    whole = np.ma.masked_less(np.arange(data.size).reshape(data.shape), 7)
    np.testing.assert_array_equal(
        agipd.position_modules(whole)[0], agipd.position_modules(whole.filled(0))[0]
    )


def test_modules_without_tiles():
    for cls in (replacement.JUNGFRAUGeometry, replacement.GenericGeometry):
        with pytest.raises(GeometryError, match="at least one tile"):
            _ = cls([]).geometry
    flat = [[base.GeometryFragment([0, 0], [0, 1], [1, 0], 256, 256)] * 8]
    with pytest.raises(GeometryError, match="three numbers"):
        _ = replacement.JUNGFRAUGeometry(flat).geometry


def test_hexagons_are_not_interpolated():
    dssc = EXAMPLES["DSSC-1M"](replacement)
    with pytest.raises(NotImplementedError, match="6 corners"):
        dssc.position_modules_interpolate(np.zeros(dssc.expected_data_shape))


def test_square_pixels_of_dssc():
    dssc = EXAMPLES["DSSC-1M"](replacement)
    squares = dssc._cartesian_geom
    image, centre = squares.position_modules(np.ones(squares.expected_data_shape, "f4"))
    theirs = EXAMPLES["DSSC-1M"](original)._cartesian_geom
    expected, at = theirs.position_modules(np.ones(squares.expected_data_shape, "f4"))
    np.testing.assert_array_equal(image, expected)
    assert tuple(centre) == tuple(at)


# -- Positions --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"corner_coordinates": [[0, 0]]}, r"corner_coordinates must have shape \(modules, 3\)"),
        ({"corner_coordinates": [[0, 0, 0], [1]]}, "corner_coordinates must be an array"),
        ({"tile_gap": "x"}, "tile_gap must be a finite number, not 'x'"),
        ({"tile_vec": [0, 1]}, r"tile_vec must have shape \(3,\), not \(2,\)"),
        ({"ss_vec": "a"}, "ss_vec must be an array of real numbers"),
        ({"ss_vec": [0, 2, 0]}, "must be perpendicular and of length 1"),
        ({"pixel_size": "x"}, "pixel_size must be a positive, finite number"),
        ({"n_tiles_per_module": 0}, "n_tiles_per_module must be a whole number"),
        ({"slow_pixels": 1.5}, "whole numbers"),
    ],
    ids=str,
)
def test_descriptions_that_describe_nothing(wrong, message):
    right = {"pixel_size": 1e-4, "slow_pixels": 40, "fast_pixels": 30}
    with pytest.raises(GeometryError, match=message):
        replacement.GenericGeometry.from_simple_description(**(right | wrong))


def test_quadrants_off_the_plane():
    quads = [(x, y, 5) for x, y in QUADS_AGIPD]
    geom = replacement.AGIPD_1MGeometry.from_quad_positions(quads)
    assert vectors(geom)[:, 0, 2].tolist() == [1e-3] * 128
