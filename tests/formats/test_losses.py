"""What a file does not hold: measured, refused or warned about, and never silent."""

import pickle
import warnings

import numpy as np
import pytest

import geomlib
from geomlib.errors import GeometryWarning
from geomlib.formats.losses import GeometryLossError, contents
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
    assert "names of tiles" in contents(geomlib.detectors.generic([(0, 0)], (4, 4), 1e-4))
    usual = rich.replace(groups={"top": tuple(range(rich.n_tiles)), "first": tuple(range(64))})
    assert "groups" in contents(rich)
    assert "groups" not in contents(usual)
    assert "motor positions" in contents(
        geomlib.example_geometry("AGIPD-1M").replace(motor_positions=np.zeros((4, 2)))
    )
