"""European XFEL HDF5 geometry: against EXtra-geom, real files, and files that lie."""

import os
import time
import warnings

import extra_geom
import h5py
import numpy as np
import pytest

from geomlib.detectors import agipd_1m, dssc_1m, example_geometry
from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
from geomlib.formats.euxfel import is_euxfel_geometry, read_euxfel, write_euxfel
from tests.shared import SHARED_DATA, needs_shared_data

LPD_QUADS = [(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)]
DSSC_QUADS = [(-130, 5), (-130, -125), (5, -125), (5, 5)]
EXTRA_GEOM = {"LPD-1M": extra_geom.LPD_1MGeometry, "DSSC-1M": extra_geom.DSSC_1MGeometry}
# A sum of three positions below 1 m in millimetres: a few roundings of 1e-13 mm each.
ROUNDING = 1e-15


def corners_of(theirs):
    return np.array([tile.corner_pos for module in theirs.modules for tile in module])


def assert_equals_extra_geom(geometry, theirs):
    tiles = [tile for module in theirs.modules for tile in module]
    np.testing.assert_allclose(geometry.tile_corners, corners_of(theirs), rtol=0, atol=ROUNDING)
    np.testing.assert_array_equal(geometry.tile_ss, [tile.ss_vec for tile in tiles])
    np.testing.assert_array_equal(geometry.tile_fs, [tile.fs_vec for tile in tiles])


@pytest.fixture(params=["LPD-1M", "DSSC-1M"])
def detector(request):
    return request.param


@pytest.fixture
def lpd_file(tmp_path):
    path = tmp_path / "lpd.h5"
    write_euxfel(example_geometry("LPD-1M"), path)
    return path


# -- Writing and reading back ---------------------------------------------------------------


def test_round_trip(detector, tmp_path):
    geometry = example_geometry(detector)
    write_euxfel(geometry, tmp_path / "a.h5")
    back = read_euxfel(tmp_path / "a.h5")
    np.testing.assert_allclose(back.tile_corners, geometry.tile_corners, rtol=0, atol=ROUNDING)
    np.testing.assert_array_equal(back.tile_ss, geometry.tile_ss)
    np.testing.assert_array_equal(back.tile_fs, geometry.tile_fs)
    assert back.detector == geometry.detector
    assert back.source == (str(tmp_path / "a.h5"), "euxfel", None)


def test_extra_geom_reads_what_is_written(detector, tmp_path):
    rng = np.random.default_rng(3)
    geometry = example_geometry(detector)
    geometry = geometry.offset(np.c_[rng.normal(0, 1e-3, (16, 2))])
    write_euxfel(geometry, tmp_path / "a.h5")
    cls = EXTRA_GEOM[detector]
    assert_equals_extra_geom(geometry, cls.from_h5_file(tmp_path / "a.h5"))
    quads = geometry.quad_positions()
    np.testing.assert_allclose(
        [h5py.File(tmp_path / "a.h5")[f"Q{q}/Position"][:] for q in (1, 2, 3, 4)],
        quads,
        rtol=0,
        atol=1e-12,
    )
    theirs = cls.from_h5_file_and_quad_positions(tmp_path / "a.h5", quads)
    assert_equals_extra_geom(geometry, theirs)


def test_reads_what_extra_geom_writes(detector, tmp_path):
    theirs = EXTRA_GEOM[detector].example()
    theirs.to_h5_file_and_quad_positions(tmp_path / "a.h5")
    assert_equals_extra_geom(read_euxfel(tmp_path / "a.h5"), theirs)


def test_the_same_geometry_gives_the_same_bytes(detector, tmp_path):
    write_euxfel(example_geometry(detector), tmp_path / "a.h5")
    time.sleep(1.1)  # HDF5 counts its time stamps in seconds
    write_euxfel(example_geometry(detector), tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_given_quadrants_override_those_in_the_file(lpd_file):
    moved = np.add(LPD_QUADS, (3, -2))
    geometry = read_euxfel(lpd_file, quad_positions=moved)
    expected = example_geometry("LPD-1M").tile_corners + np.array([3e-3, -2e-3, 0])
    np.testing.assert_allclose(geometry.tile_corners, expected, rtol=0, atol=ROUNDING)


# -- Real files -----------------------------------------------------------------------------


@needs_shared_data
@pytest.mark.parametrize(
    ("name", "cls", "quads"),
    [
        ("lpd_mar_18_axesfixed.h5", extra_geom.LPD_1MGeometry, LPD_QUADS),
        ("dssc_geo_june19.h5", extra_geom.DSSC_1MGeometry, DSSC_QUADS),
    ],
)
@pytest.mark.filterwarnings("ignore::geomlib.GeometryWarning")
def test_real_files_as_extra_geom_reads_them(name, cls, quads):
    path = SHARED_DATA / "euxfel_h5" / name
    geometry = read_euxfel(path, quad_positions=quads)
    assert_equals_extra_geom(geometry, cls.from_h5_file_and_quad_positions(path, quads))
    in_metres = read_euxfel(path, quad_positions=quads, unit=1.0)
    np.testing.assert_allclose(
        in_metres.tile_corners[0] - in_metres.tile_corners[1],
        1e3 * (geometry.tile_corners[0] - geometry.tile_corners[1]),
        rtol=1e-12,
        atol=1e-12,
    )


@needs_shared_data
def test_inverted_file_with_impossible_tiles():
    path = SHARED_DATA / "euxfel_h5" / "lpd_mar_18.h5"
    with pytest.warns(GeometryWarning) as caught:
        read_euxfel(path, quad_positions=LPD_QUADS)
    said = " | ".join(str(warning.message) for warning in caught)
    assert "invert=True" in said
    assert "16 of 16 tiles of Q2/M2 lie on other tiles" in said

    with pytest.warns(GeometryWarning, match="impossible") as caught:
        geometry = read_euxfel(path, quad_positions=LPD_QUADS, invert=True)
    assert len(caught) == 1
    with pytest.warns(GeometryWarning, match="impossible"):
        fixed = read_euxfel(path.with_name("lpd_mar_18_axesfixed.h5"), quad_positions=LPD_QUADS)
    np.testing.assert_array_equal(geometry.tile_corners, fixed.tile_corners)


@needs_shared_data
def test_file_without_quadrants_says_how_to_give_them():
    path = SHARED_DATA / "euxfel_h5" / "dssc_geo_june19.h5"
    with pytest.raises(GeometryFileError, match=r"quad_positions=\[\(x, y\), …\]") as caught:
        read_euxfel(path)
    assert caught.value.path == str(path)


# -- Warnings -------------------------------------------------------------------------------


def test_invert_changes_everything_that_the_file_holds(detector, tmp_path):
    geometry = example_geometry(detector)
    write_euxfel(geometry, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.visititems(lambda name, item: item.write_direct(-item[:]) if "Pos" in name else None)
    back = read_euxfel(tmp_path / "a.h5", invert=True)
    np.testing.assert_allclose(back.tile_corners, geometry.tile_corners, rtol=0, atol=ROUNDING)
    with pytest.warns(GeometryWarning, match="read it with invert=True"):
        read_euxfel(tmp_path / "a.h5")


def test_needless_invert_is_reported(lpd_file):
    with pytest.warns(GeometryWarning, match="without invert"):
        read_euxfel(lpd_file, invert=True)


@pytest.mark.parametrize("factor", [1e-3, 2])
def test_quadrants_in_another_unit(lpd_file, factor):
    # Millimetres are expected; metres, or pixels of half a millimetre, are what people give.
    with pytest.warns(GeometryWarning, match="multiples of 0.001 m"):
        read_euxfel(lpd_file, quad_positions=np.array(LPD_QUADS) * factor * factor)


def test_other_detectors_are_refused(tmp_path):
    with pytest.raises(GeometryError, match="AGIPD-1M"):
        write_euxfel(agipd_1m([(-525, 625), (-550, -10), (520, -160), (542.5, 475)]), "a.h5")
    assert list(tmp_path.iterdir()) == []


def test_expected_detector(lpd_file):
    assert read_euxfel(lpd_file, detector="lpd-1m").detector.name == "LPD-1M"
    with pytest.raises(GeometryFileError, match="LPD-1M geometry, not DSSC-1M"):
        read_euxfel(lpd_file, detector=dssc_1m(DSSC_QUADS).detector)


# -- Files that lie -------------------------------------------------------------------------


def replace_by(key, **dataset):
    def change(file):
        del file[key]
        file.create_dataset(key, **dataset)

    return change


def link(key, target):
    def change(file):
        del file[key]
        file[key] = target

    return change


def remove(key):
    def change(file):
        del file[key]

    return change


TILE = "/Q2/M3/T05/Position"


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        (remove("/Q2/M3/T05"), "/Q2/M3/T05", "missing"),
        (remove("/Q2/M3/T05/Position"), TILE, "missing"),
        (remove("/Q4"), "/Q4", "missing"),
        (remove("/Q1/M1/T16"), "/Q1/M1", "15 tiles; expected 16 .* or 2"),
        (remove("/Q3/Position"), "/Q3/Position", "missing"),
        (replace_by(TILE, data=[1.0]), TILE, r"shape \(1,\)"),
        (replace_by(TILE, data=1.0), TILE, r"shape \(\)"),
        (replace_by(TILE, data=[[1.0, 2.0]]), TILE, r"shape \(1, 2\)"),
        (replace_by(TILE, data=[b"a", b"b"]), TILE, "found"),
        (replace_by(TILE, data=[1j, 2j]), TILE, "complex"),
        (replace_by(TILE, data=[np.nan, 0]), TILE, "nan"),
        (replace_by(TILE, data=[0, np.inf]), TILE, "inf"),
        (replace_by(TILE, data=[0, 1e300]), TILE, "1e\\+300"),
        (replace_by(TILE, shape=(1 << 60,), dtype="f8", chunks=(1,)), TILE, "claims"),
        (
            replace_by(TILE, shape=(2,), maxshape=(None,), dtype="f8", chunks=(1 << 28,)),
            TILE,
            "chunks",
        ),
        (link(TILE, h5py.SoftLink("/nowhere")), TILE, "link to nowhere"),
        (link(TILE, h5py.ExternalLink("other.h5", "/x")), TILE, "link"),
        (link("/Q2/M3", np.zeros(2)), "/Q2/M3", "expected a group"),
        (remove("/Q1/M1"), "/Q1/M1", "missing"),
    ],
)
def test_lying_files(lpd_file, change, key, said):
    with h5py.File(lpd_file, "r+") as file:
        change(file)
    with pytest.raises(GeometryFileError, match=said) as caught:
        read_euxfel(lpd_file)
    assert caught.value.path == str(lpd_file)
    assert caught.value.key == key


def test_group_in_place_of_numbers(lpd_file):
    with h5py.File(lpd_file, "r+") as file:
        del file[TILE]
        file.create_group(TILE)
    with pytest.raises(GeometryFileError, match="found a group"):
        read_euxfel(lpd_file)


def test_numbers_in_another_file(lpd_file, tmp_path):
    with h5py.File(lpd_file, "r+") as file:
        del file[TILE]
        file.create_dataset(TILE, (2,), "f8", external=[(str(tmp_path / "raw"), 0, 16)])
    with pytest.raises(GeometryFileError, match="another file"):
        read_euxfel(lpd_file)


def test_three_coordinates_and_other_types_are_fine(lpd_file):
    expected = read_euxfel(lpd_file).tile_corners
    with h5py.File(lpd_file, "r+") as file:
        x, y = file["/Q1/Position"][:]
        del file["/Q1/Position"], file["/Q2/Position"]
        file["/Q1/Position"] = [x, y, 0.0]
        file["/Q2/Position"] = np.array([-11.5, 8], dtype=">f4")
    np.testing.assert_allclose(read_euxfel(lpd_file).tile_corners, expected, atol=1e-9)


def test_units_have_names(lpd_file):
    expected = read_euxfel(lpd_file).tile_corners
    np.testing.assert_array_equal(read_euxfel(lpd_file, unit="mm").tile_corners, expected)
    quads = np.array([(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)])
    in_pixels = read_euxfel(lpd_file, unit="pixels", quad_positions=quads)
    in_metres = read_euxfel(lpd_file, unit=500e-6, quad_positions=quads)
    np.testing.assert_array_equal(in_pixels.tile_corners, in_metres.tile_corners)


@pytest.mark.parametrize("argument", [{"detector": 5}, {"path": 5}, {"unit": "ell"}, {"unit": -1}])
def test_arguments(lpd_file, argument):
    (name,) = argument
    with pytest.raises(GeometryError, match=f"^{name} must be"):
        read_euxfel(**{"path": lpd_file, **argument})


@pytest.mark.parametrize("name", ["Q1", "Q1/M1"])
def test_a_pipe_is_not_opened(name, lpd_file, tmp_path):
    """A link to a pipe would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    with h5py.File(lpd_file, "r+") as file:
        del file[name]
        file[name] = h5py.ExternalLink(str(tmp_path / "pipe"), "/x")
    assert not is_euxfel_geometry(lpd_file, lpd_file.read_bytes()[:64])
    with pytest.raises(GeometryFileError, match="link to another file"):
        read_euxfel(lpd_file)


def test_not_hdf5(tmp_path):
    with pytest.raises(GeometryFileError, match="no such file"):
        read_euxfel(tmp_path / "none.h5")
    text = tmp_path / "text.h5"
    text.write_text("; not HDF5")
    with pytest.raises(GeometryFileError, match="not a readable HDF5 file"):
        read_euxfel(text)


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files(lpd_file, seed):
    whole = lpd_file.read_bytes()
    rng = np.random.default_rng(seed)
    for cut in range(30):
        damaged = np.frombuffer(whole, dtype=np.uint8).copy()
        damaged[rng.integers(len(whole), size=20)] = rng.integers(256, size=20)
        lpd_file.write_bytes(damaged[: rng.integers(len(whole)) if cut % 3 == 0 else None])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GeometryWarning)
            try:
                assert read_euxfel(lpd_file).n_tiles in (256, 32)
            except GeometryFileError as err:
                assert err.path == str(lpd_file)  # noqa: PT017


def test_failed_write_leaves_the_old_file(lpd_file, monkeypatch):
    before = lpd_file.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(h5py.Group, "__setitem__", fail)
    with pytest.raises(GeometryFileError, match=r"lpd.*\.h5: cannot be written: disk full"):
        write_euxfel(example_geometry("DSSC-1M"), lpd_file)
    assert lpd_file.read_bytes() == before
    assert [p.name for p in lpd_file.parent.iterdir()] == [lpd_file.name]
