"""Detector files of Dragonfly: its coordinates, found from q as its own `Detector` finds them."""

import h5py
import numpy as np
import pytest

from geomlib.detector import Detector
from geomlib.detectors import example_geometry, generic
from geomlib.errors import GeometryError
from geomlib.formats.dragonfly import write_dragonfly
from geomlib.geometry import Geometry
from geomlib.metadata import BadRegion

# q of up to some 1000 voxels loses 1e-13 of them, and detd / (R + qz), about 1 here, no more.
ROUNDING = 2e-12


def moved(name, distance=0.2173, seed=1):
    geometry = example_geometry(name)
    rng = np.random.default_rng(seed)
    n = geometry.n_modules
    turned = geometry.rotate(rng.normal(0, 0.5, (n, 3))).offset(rng.normal(0, 2e-4, (n, 3)))
    return turned.replace(distance=distance)


def written(geometry, path, **options):
    write_dragonfly(geometry, path, **options)
    with h5py.File(path) as file:
        return {name: data[()] for name, data in file.items()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "det.h5"


def square(n=11, distance=0.1, **options):
    """A flat sensor of n × n pixels of 100 µm, the beam in the middle of it."""
    half = n / 2 * 1e-4
    return generic([(-half, -half)], (n, n), 1e-4, **options).replace(distance=distance)


@pytest.mark.parametrize("name", ["AGIPD-500K", "DSSC-1M", "ePix10K", "pnCCD"])
def test_coordinates_come_back(name, path):
    geometry = moved(name)
    file = written(geometry, path)
    pixel = min(geometry.detector.pixel_size)
    scale = file["detd"] / (file["ewald_rad"] + file["qz"])
    x, y, z = np.moveaxis(geometry.pixel_positions().reshape(-1, 3), 1, 0)
    # Where the ray to a pixel meets the plane of the detector.
    onto_plane = geometry.distance / (z + geometry.distance) / pixel
    np.testing.assert_allclose(file["qx"] * scale, x * onto_plane, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(file["qy"] * scale, y * onto_plane, rtol=0, atol=ROUNDING)
    assert file["detd"] == pytest.approx(geometry.distance / pixel, rel=1e-15)
    # All q lie on the Ewald sphere.
    radius = file["ewald_rad"]
    np.testing.assert_allclose(
        np.sqrt(file["qx"] ** 2 + file["qy"] ** 2 + (file["qz"] + radius) ** 2),
        radius,
        rtol=1e-15 * 10,
    )


def test_types_and_sizes(path):
    file = written(moved("ePix10K"), path)
    n = 352 * 384
    for name in ("qx", "qy", "qz", "corr"):
        assert (file[name].dtype, file[name].shape) == (np.float64, (n,))
    assert (file["mask"].dtype, file["mask"].shape) == (np.uint8, (n,))
    assert np.ndim(file["detd"]) == np.ndim(file["ewald_rad"]) == 0
    assert set(file) == {"qx", "qy", "qz", "corr", "mask", "detd", "ewald_rad"}


def test_one_pixel_by_hand(path):
    file = written(square(), path)
    # detd = 1000 pixels. Row 7, column 10: y = +2, x = +5.
    i = 7 * 11 + 10
    r = np.sqrt(1000**2 + 25 + 4)
    assert file["detd"] == file["ewald_rad"] == pytest.approx(1000, rel=1e-15)
    assert file["qx"][i] == pytest.approx(1000 * 5 / r, rel=1e-13)
    assert file["qy"][i] == pytest.approx(1000 * 2 / r, rel=1e-13)
    # A difference of two numbers near 1: absolute rounding.
    assert file["qz"][i] == pytest.approx(1000 * (1000 / r - 1), abs=1e-12)
    assert file["corr"][i] == pytest.approx(1000 / r**3 * (1 - 25 / r**2), rel=1e-13)


@pytest.mark.parametrize(("polarization", "across"), [("x", 25), ("y", 4), ("none", (25 + 4) / 2)])
def test_polarization(polarization, across, path):
    file = written(square(), path, polarization=polarization)
    r2 = 1000**2 + 25 + 4
    assert file["corr"][87] == pytest.approx(1000 / r2**1.5 * (1 - across / r2), rel=1e-13)


def test_solid_angles_of_tilted_tiles(path):
    # Facing the sample at 45°: on the axis of the tile, its pixels are seen whole.
    tile = generic([(0, 0)], (1, 1), 1e-4).offset((-5e-5, -5e-5, 0)).rotate((0, 45, 0))
    geometry = tile.offset((0.1, 0, 0)).replace(distance=0.1)
    file = written(geometry, path, polarization="y")
    r = np.hypot(1000, 1000)
    assert file["corr"][0] == pytest.approx(1 / r**2, rel=1e-12)


def test_ewald_radius_and_pixel_size(path):
    file = written(square(), path, ewald_radius=500.0, pixel_size=5e-5)
    r = np.sqrt(1000**2 + 25 + 4)
    assert file["detd"] == pytest.approx(2000, rel=1e-15)
    assert file["qx"][87] == pytest.approx(500 * 5 / r, rel=1e-13)
    # Four small pixels in one.
    assert file["corr"].sum() == pytest.approx(written(square(), path)["corr"].sum(), rel=1e-13)


def test_masks(path):
    geometry = square().replace(bad_regions=[BadRegion("bad", 0, (0, 1), (0, 11))])
    mask = written(geometry, path, stop_radius=1.2)["mask"].reshape(11, 11)
    # The circle in the sensor: up to 5 pixels from the beam.
    # Its very border is a matter of rounding, and left out.
    y, x = np.mgrid[-5:6, -5:6]
    border = np.hypot(x, y) == 5
    expected = np.where(np.hypot(x, y) > 5, 1, 0)
    expected[np.hypot(x, y) < 1.2] = 2
    expected[0] = 2
    np.testing.assert_array_equal(mask[~border], expected[~border])
    smaller = written(geometry, path, orientation_radius=2.5)["mask"].reshape(11, 11)
    np.testing.assert_array_equal(smaller[1:] == 1, (np.hypot(x, y) > 2.5)[1:])


def test_tiles_flagged_no_index_orient_nothing(path):
    geometry = example_geometry("AGIPD-500K").replace(distance=0.2, no_index=(3,))
    mask = written(geometry, path, orientation_radius=1e6)["mask"].reshape(geometry.data_shape)
    assert (mask[geometry.detector.tile_slice(3)] == 1).all()
    assert (mask != 0).sum() == 64 * 128


def test_beside_the_beam_everything_may_orient(path):
    file = written(square().offset((0.01, 0, 0)), path)
    assert (file["mask"] == 0).all()


def test_data_of_no_tile_is_bad(path):
    detector = Detector("holes", (1, 4, 8), [(0, 0, 4, 0, 3)], (1e-4, 1e-4))
    geometry = Geometry(detector, [(0, 0, 0)], [(0, 1e-4, 0)], [(1e-4, 0, 0)], distance=0.1)
    file = written(geometry, path, orientation_radius=100)
    assert file["mask"].reshape(4, 8).tolist() == [[0, 0, 0, 2, 2, 2, 2, 2]] * 4
    for name in ("qx", "qy", "qz", "corr"):
        assert np.isfinite(file[name]).all()
        assert (file[name].reshape(4, 8)[:, 3:] == 0).all()


def test_the_same_geometry_gives_the_same_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_dragonfly(square(), tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"distance": None}, {}, "no distance, which Dragonfly needs: pass distance=…"),
        ({"distance": 1e-9, "tile_corners": [(0, 0, -1)]}, {}, "upstream of the sample"),
        ({}, {"polarization": "z"}, "polarization must be 'x', 'y' or 'none', not 'z'"),
        ({}, {"polarization": 0}, "polarization must be"),
        ({}, {"ewald_radius": -1}, "ewald_radius must be a positive"),
        ({}, {"ewald_radius": np.nan}, "ewald_radius must be a positive"),
        ({}, {"pixel_size": 0}, "pixel_size must be a positive"),
        ({}, {"orientation_radius": "5"}, "orientation_radius must be a positive"),
        ({}, {"stop_radius": None}, "stop_radius must be a finite number"),
    ],
)
def test_errors(change, options, message, path):
    with pytest.raises(GeometryError, match=message):
        write_dragonfly(square().replace(**change), path, **options)
    assert not path.exists()
