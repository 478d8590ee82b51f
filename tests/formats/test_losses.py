"""What a file does not hold: measured, refused or warned about, and never silent."""

import pickle
import tempfile
import warnings
from dataclasses import replace

import numpy as np
import pytest

import geomlib
from geomlib.detector import Detector
from geomlib.errors import GeometryFileError, GeometryWarning, quiet
from geomlib.formats.losses import GeometryLossError, contents
from geomlib.formats.registry import format_named
from geomlib.metadata import BadRegion


@pytest.fixture
def rich():
    """LPD-1M with everything that a geometry can have, all tiles where the detector has them."""
    return geomlib.example_geometry("LPD-1M").replace(
        distance=0.2,
        photon_energy=9000,
        bad_regions=[BadRegion("bad_one", tile=0, ss=(0, 1), fs=(0, 1))],
        no_index=[3],
        groups={"mine": (1, 2)},
        data_path="/data",
    )


def test_nothing_is_lost(tmp_path):
    geometry = geomlib.example_geometry("LPD-1M")
    with warnings.catch_warnings(action="error"):
        report = geomlib.write_geometry(geometry, tmp_path / "a.h5", format="euxfel")
    assert not report
    assert (report.format, report.tile, report.lost) == ("euxfel", None, ())
    assert report.moved == 0
    assert report.messages() == []


def test_what_there_is_no_place_for_is_warned_of(rich, tmp_path):
    with pytest.warns(GeometryWarning) as caught:
        report = geomlib.write_geometry(rich, tmp_path / "a.h5", format="euxfel")
    expected = (
        *("distance", "photon energy", "bad pixels", "no_index flags", "groups"),
        "data and mask paths",
    )
    assert report.lost == expected
    assert [str(w.message) for w in caught] == [
        f"{tmp_path / 'a.h5'}: a 'euxfel' file has no place for: {', '.join(expected)}"
    ]
    assert caught[0].filename == __file__
    with warnings.catch_warnings(action="error"):
        again = geomlib.write_geometry(rich, tmp_path / "a.h5", format="euxfel", allow_loss=True)
    assert again == report


def test_tiles_that_would_move_are_refused(rich, tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"before")
    tilted = rich.rotate((0, 0, 1)).offset((0, 0, 1e-3))
    with pytest.raises(GeometryLossError, match=r"a\.h5: a 'euxfel' file cannot hold") as caught:
        geomlib.write_geometry(tilted, path, format="euxfel")
    assert path.read_bytes() == b"before"
    report = caught.value.report
    assert pickle.loads(pickle.dumps(caught.value)).report == report

    assert geomlib.write_geometry(tilted, path, format="euxfel", allow_loss=True) == report
    back = geomlib.read_geometry(path)
    shift = np.linalg.norm(back.tile_outlines() - tilted.tile_outlines(), axis=-1).max(axis=1)
    assert report.displacement == shift.max()
    assert report.tile == tilted.detector.tile_names[int(shift.argmax())]
    assert f"up to {1e6 * shift.max():.4g} µm away ({report.tile})" in str(caught.value)
    assert 1e-3 < shift.max() < 2e-3  # 1 mm of z, and a tile of 64 mm turned by a degree


@pytest.mark.parametrize("moved", [0.9e-6, 1.1e-6])
def test_a_micrometre_is_the_limit(moved, tmp_path):
    geometry = geomlib.example_geometry("LPD-1M").offset((0, 0, moved), modules=[2])
    name = geometry.detector.tile_names[32]
    if moved < 1e-6:
        with pytest.warns(GeometryWarning, match=rf"tiles are up to 0\.9 µm away .*\({name}\)"):
            geomlib.write_geometry(geometry, tmp_path / "a.h5", format="euxfel")
    else:
        with pytest.raises(GeometryLossError, match=r"up to 1\.1 µm"):
            geomlib.write_geometry(geometry, tmp_path / "a.h5", format="euxfel")
        assert list(tmp_path.iterdir()) == []


def test_turned_modules_are_a_loss(tmp_path):
    # Turned by half a turn, a tile lies on the same place, but its pixels do not.
    geometry = geomlib.example_geometry("DSSC-1M").rotate((0, 0, 180), modules=[0])
    with pytest.raises(GeometryLossError, match="µm away"):
        geomlib.write_geometry(geometry, tmp_path / "a.h5", format="euxfel")


def test_errors_name_the_file_to_be(rich, tmp_path):
    with pytest.raises(geomlib.GeometryError, match=r"no such folder") as caught:
        geomlib.write_geometry(rich, tmp_path / "none" / "a.h5", format="euxfel")
    assert str(tmp_path) in str(caught.value)


def test_contents(rich):
    assert contents(geomlib.example_geometry("AGIPD-1M")) == {"layout of the data"}
    assert "hexagons" in contents(geomlib.example_geometry("DSSC-1M"))
    assert "names of tiles and modules" in contents(
        geomlib.detectors.generic([(0, 0)], (4, 4), 1e-4)
    )
    usual = rich.replace(groups={"top": tuple(range(rich.n_tiles)), "first": tuple(range(64))})
    assert "groups" in contents(rich)
    assert "groups" not in contents(usual)
    assert "motor positions" in contents(
        geomlib.example_geometry("AGIPD-1M").replace(motor_positions=np.zeros((4, 2)))
    )


# -- Lost, though the format has a place for such things ------------------------------------


def written(geometry, path, **options):
    with quiet():
        return geomlib.write_geometry(geometry, path, adu_per_ev=1e-3, allow_loss=True, **options)


def test_names_of_a_layout_that_is_known_by_other_names(tmp_path):
    geometry = geomlib.example_geometry("ePix10K").replace(distance=0.1, photon_energy=9000)
    named = replace(geometry.detector, tile_names=("a", "b", "c", "d"))
    report = written(geometry.replace(detector=named), tmp_path / "a.geom")
    assert report.lost == ("names of tiles and modules",)
    assert {"distance", "photon energy", "wide border pixels"} <= set(report.kept)


def test_motors_of_a_detector_that_is_not_known(tmp_path):
    geometry = geomlib.example_geometry("AGIPD-1M").replace(
        distance=0.1, photon_energy=9000, motor_positions=np.ones((4, 2))
    )
    assert "motor positions" in written(geometry, tmp_path / "a.geom").kept
    mine = replace(geometry.detector, name="mine", pixel_size=(3e-4, 3e-4))
    larger = {"tile_ss": 1.5 * geometry.tile_ss, "tile_fs": 1.5 * geometry.tile_fs}
    report = written(geometry.replace(detector=mine, **larger), tmp_path / "b.geom")
    assert {"motor positions", "name of the detector"} <= set(report.lost)


def test_data_that_no_tile_uses(tmp_path):
    bounds = [(0, 0, 20, 0, 30), (1, 0, 20, 0, 30)]
    detector = Detector("generic", (3, 60, 40), bounds, (1e-4, 1e-4))
    corners, ss, fs = np.zeros((3, 2, 3))
    ss[:, 1] = fs[:, 0] = 1e-4
    corners[1, 0] = 0.01
    geometry = geomlib.Geometry(detector, corners, ss, fs, distance=0.1, photon_energy=9000)
    report = written(geometry, tmp_path / "a.geom")
    assert "layout of the data" in report.lost
    assert report.moved == 0
    assert "layout of the data" in geomlib.write_geometry(geometry, tmp_path / "a.nxs").kept


def test_another_order_of_tiles_moves_none(tmp_path):
    geometry = geomlib.example_geometry("AGIPD-500K").replace(
        distance=0.1, photon_energy=9000, no_index=[5], groups={"mine": (0, 1)}
    )
    turned = np.arange(geometry.n_tiles).reshape(8, 8)[:, ::-1].reshape(-1)
    detector = geometry.detector
    other = replace(
        detector,
        tile_bounds=detector.tile_bounds[turned],
        wide_edges=detector.wide_edges[turned],
        tile_names=[detector.tile_names[t] for t in turned],
    )
    tiles = {
        name: getattr(geometry, name)[turned] for name in ("tile_corners", "tile_ss", "tile_fs")
    }
    report = written(geometry.replace(detector=other, **tiles), tmp_path / "a.geom")
    assert report.moved == 0
    assert report.lost == ()


def test_all_digits_when_asked_for(tmp_path):
    geometry = geomlib.example_geometry("ePix10K").rotate((1, 2, 3)).replace(distance=0.1)
    options = {"format": "pixelmap", "allow_loss": True}
    assert geomlib.write_geometry(geometry, tmp_path / "a.h5", **options).moved > 1e-10
    assert (
        geomlib.write_geometry(geometry, tmp_path / "a.h5", dtype="float64", **options).moved == 0
    )


@pytest.mark.parametrize("format", ["nxmx", "dials", "psana", "cxi"])
def test_hexagons_are_lost_for_other_programs(format, tmp_path):
    geometry = geomlib.example_geometry("DSSC-1M").replace(distance=0.1, photon_energy=9000)
    path = tmp_path / f"a{format_named(format).suffixes[0]}"
    said = r"for other programs, pixels would be rectangles in straight rows, up to 118 µm away"
    with pytest.raises(GeometryLossError, match=said):
        geomlib.write_geometry(geometry, path)
    assert list(tmp_path.iterdir()) == []
    report = geomlib.write_geometry(geometry, path, allow_loss=True)
    assert "hexagons" in report.lost
    assert geomlib.read_geometry(path).detector == geometry.detector


def test_hexagons_of_a_detector_that_is_not_known(tmp_path):
    geometry = geomlib.example_geometry("DSSC-1M").replace(distance=0.1, photon_energy=9000)
    mine = geometry.replace(detector=replace(geometry.detector, name="mine"))
    for path, format in ((tmp_path / "a.poni", "poni"), (tmp_path / "a.h5", "pixelmap")):
        with quiet():
            assert geomlib.write_geometry(mine, path, format=format).lost == ()
            assert geomlib.read_geometry(path).detector == mine.detector


def test_no_room_to_try(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(GeometryFileError, match=r"b\.geom: cannot be tried out .* TMPDIR"):
        geomlib.write_geometry(geomlib.example_geometry("ePix10K"), tmp_path / "b.geom")
    assert list(tmp_path.iterdir()) == []


def test_distance_and_energy_of_any_format(tmp_path):
    geometry = geomlib.example_geometry("ePix10K")
    for name in ("a.nxs", "a.expt", "a.cxi", "a.poni"):
        with quiet():
            geomlib.write_geometry(geometry, tmp_path / name, distance=0.25, photon_energy=9000)
        back = geomlib.read_geometry(tmp_path / name)
        assert (back.distance, back.photon_energy) == (0.25, 9000)
