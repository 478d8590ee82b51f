"""Pixel maps: real ones, those of cfelpyutils, round trips of tilted detectors, and bad files."""

import json

import h5py
import numpy as np
import pytest

from geomlib import read_geometry, write_geometry
from geomlib.detector import Detector
from geomlib.detectors import EXAMPLE_NAMES, example_geometry
from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
from geomlib.formats.pixel_map import read_pixel_map
from geomlib.formats.pixel_map_file import recognise_pixel_map
from geomlib.formats.pixel_map_write import write_pixel_map
from geomlib.geometry import Geometry
from tests.shared import SHARED_DATA, needs_shared_data

MAPS = SHARED_DATA / "pixelmaps"
HALF_ULP = 2.0**-24  # of float32: a stored coordinate is off by up to its size times this
NO_REFERENCE = "does not say whether positions are those of the corner or the centre"


def moved(name):
    """An example, each module tilted by some tenths of a degree and moved, also along z."""
    rng = np.random.default_rng(len(name))
    geometry = example_geometry(name)
    turned = geometry.rotate(rng.normal(0, 0.3, (geometry.n_modules, 3)))
    return turned.offset(rng.normal(0, 2e-4, (geometry.n_modules, 3)))


def custom(shape, bounds, pitch, **tiles):
    vectors = {f"tile_{name}": value for name, value in tiles.items()}
    return Geometry(Detector("generic", shape, bounds, (pitch, pitch)), **vectors)


def mixed_pitch():
    """Two modules: one of 75 µm, one of 100 × 150 µm, at an angle."""
    return custom(
        (2, 40, 50),
        [(0, 0, 40, 0, 50), (1, 0, 40, 0, 25), (1, 0, 40, 25, 50)],
        75e-6,
        corners=[(1e-3, 2e-3, 0), (-6e-3, 1e-3, 1e-4), (-3e-3, 1e-3, 0)],
        ss=[(0, 75e-6, 0), (1e-5, 100e-6, 0), (0, -100e-6, 0)],
        fs=[(75e-6, 0, 0), (150e-6, 0, 1e-6), (-150e-6, 0, 0)],
    )


def assert_near(geometry, expected, roundings=3.0):
    """Compare to within what float32 does to the map.

    Each pixel is off by up to HALF_ULP times the largest coordinate. A corner of a plane fitted to
    n pixels moves by at most sqrt(n h) times that, where h <= 7 / n is the weight of a corner pixel
    (1 for the mean, 3 for each slope): sqrt(7) < 3.
    """
    assert geometry.detector == expected.detector
    limit = roundings * HALF_ULP * np.abs(expected.tile_outlines()).max()
    np.testing.assert_allclose(
        geometry.tile_outlines(), expected.tile_outlines(), rtol=0, atol=limit
    )


def put(path, x, y, z=None, **others):
    with h5py.File(path, "w") as file:
        file["x"], file["y"] = x, y
        if z is not None:
            file["z"] = z
        for name, value in others.items():
            file[name] = value
    return path


def slabs(geometry, reference="corner", scale=1.0, dtype=np.float32):
    """x, y and z of a geometry, as another program would store them."""
    positions = geometry.pixel_positions(reference).reshape(-1, geometry.data_shape[2], 3) / scale
    return np.moveaxis(np.nan_to_num(positions), -1, 0).astype(dtype)


# -- Writing and reading back ---------------------------------------------------------------


@pytest.mark.parametrize("reference", ["corner", "centre"])
@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_round_trip(name, reference, tmp_path):
    geometry = moved(name).replace(distance=0.3, photon_energy=9300)
    path = tmp_path / "map.h5"
    write_pixel_map(geometry, path, reference=reference)
    back = read_pixel_map(path)
    assert_near(back, geometry)
    assert (back.distance, back.photon_energy) == (0.3, 9300)
    assert back.source == (str(path), "pixelmap", None)


@pytest.mark.parametrize("name", ["AGIPD-1M", "LPD-1M", "JUNGFRAU-4M", "ePix10K"])
def test_round_trip_in_pixels(name, tmp_path):
    geometry = moved(name)
    write_pixel_map(geometry, tmp_path / "map.h5", unit="pixels")
    assert_near(read_pixel_map(tmp_path / "map.h5"), geometry)


def test_mixed_pitch(tmp_path):
    geometry = mixed_pitch()
    write_pixel_map(geometry, tmp_path / "map.h5")
    assert_near(read_pixel_map(tmp_path / "map.h5"), geometry)
    with pytest.raises(GeometryError, match=r"have several sizes: .* unit='metres'"):
        write_pixel_map(geometry, tmp_path / "b.h5", unit="pixels")
    assert not (tmp_path / "b.h5").exists()


def test_double_precision(tmp_path):
    geometry = moved("AGIPD-500K")
    write_pixel_map(geometry, tmp_path / "map.h5", dtype="float64")
    back = read_pixel_map(tmp_path / "map.h5")
    # A few roundings of doubles of 0.1 m, and of sums over 8192 pixels.
    np.testing.assert_allclose(back.tile_corners, geometry.tile_corners, rtol=0, atol=1e-15)


def test_what_a_file_holds(tmp_path):
    geometry = moved("AGIPD-500K")
    write_pixel_map(geometry, tmp_path / "map.h5")
    centres = geometry.pixel_positions("centre").reshape(4096, 128, 3)
    corners = geometry.pixel_positions("corner").reshape(4096, 128, 3)
    with h5py.File(tmp_path / "map.h5") as file:
        for axis, name in enumerate("xyz"):
            assert file[name].dtype == np.float32
            np.testing.assert_array_equal(file[name][()], corners[..., axis].astype(np.float32))
        assert dict(file.attrs) == {
            "reference": b"corner",
            "unit": b"metres",
            "pixel_size": 2e-4,
        }
        assert "res" not in file
    write_pixel_map(geometry, tmp_path / "map.h5", reference="centre", unit="pixels")
    with h5py.File(tmp_path / "map.h5") as file:
        np.testing.assert_array_equal(file["x"][()], (centres[..., 0] / 2e-4).astype(np.float32))
        assert file["res"][()] == 5000
    write_pixel_map(example_geometry("DSSC-1M"), tmp_path / "hexagons.h5")
    with h5py.File(tmp_path / "hexagons.h5") as file:
        assert file.attrs["reference"] == b"centre"


def test_same_geometry_gives_the_same_bytes(tmp_path):
    for name in "ab":
        write_pixel_map(example_geometry("ePix10K"), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_data_of_no_tile(tmp_path):
    geometry = custom(
        (1, 40, 60),
        [(0, 0, 40, 0, 25), (0, 0, 40, 30, 55)],
        1e-4,
        corners=[(1e-3, 2e-3, 0), (5e-3, 2e-3, 0)],
        ss=[(0, 1e-4, 0)] * 2,
        fs=[(1e-4, 0, 0)] * 2,
    )
    write_pixel_map(geometry, tmp_path / "map.h5")
    assert_near(read_pixel_map(tmp_path / "map.h5"), geometry)
    path = put(tmp_path / "foreign.h5", *slabs(geometry))
    found = read_pixel_map(path, reference="corner")
    np.testing.assert_array_equal(
        found.detector.tile_bounds, [(0, 0, 40, 0, 25), (0, 0, 40, 30, 55)]
    )
    np.testing.assert_allclose(found.tile_corners, geometry.tile_corners, rtol=0, atol=1e-9)
    x, y, _ = slabs(geometry)
    path = put(tmp_path / "far.h5", x, y, np.where((x == 0) & (y == 0), 0, 0.25))
    assert read_pixel_map(path, reference="corner").distance == 0.25


def test_large_detectors_are_written_in_pixels(tmp_path):
    far = example_geometry("AGIPD-500K").offset((2.0, 0), modules=0)
    with pytest.raises(GeometryError, match="m large: readers of pixel maps would take metres for"):
        write_pixel_map(far, tmp_path / "map.h5")
    write_pixel_map(far, tmp_path / "map.h5", unit="pixels")
    assert_near(read_pixel_map(tmp_path / "map.h5"), far)


# -- Maps of others -------------------------------------------------------------------------


@needs_shared_data
def test_real_map_of_cheetah_in_metres():
    path = MAPS / "cspad-2x2-approx1.h5"
    with pytest.warns(GeometryWarning, match=f"{NO_REFERENCE}.*taken as corner"):
        geometry = read_pixel_map(path)
    with pytest.warns(GeometryWarning, match="CrystFEL"):
        truth = read_geometry(MAPS / "cspad-2x2-approx1.geom")
    assert geometry.detector.pixel_size == (110e-6, 110e-6)
    np.testing.assert_array_equal(geometry.detector.tile_bounds, truth.detector.tile_bounds)
    # Its .geom says 9090.91 pixels a metre, not 1 / 110e-6: 1e-7 of 28 mm are 3e-9 m. Its z is 2.9.
    np.testing.assert_allclose(
        geometry.tile_corners[:, :2], truth.tile_corners[:, :2], rtol=0, atol=5e-9
    )
    np.testing.assert_array_equal(geometry.tile_corners[:, 2], 0)
    told = read_pixel_map(path, detector=truth.detector, reference="corner")
    assert told.detector == truth.detector
    assert recognise_pixel_map(path, path.read_bytes()[:65536])


@needs_shared_data
def test_real_map_of_cheetah_in_pixels():
    path = MAPS / "pnccd_pixelmap_real.h5"
    with pytest.warns(GeometryWarning) as warnings:
        geometry = read_pixel_map(path)
    assert [str(w.message).split(": ")[1][:20] for w in warnings] == [
        "is in pixels and doe",
        "does not say whether",
    ]
    np.testing.assert_array_equal(
        geometry.detector.tile_bounds, [(0, 0, 1024, 0, 512), (0, 0, 1024, 512, 1024)]
    )
    corners = [(510.5, 514.5, 0), (515.5, -20.5, 0)]
    # Coordinates are halves, exact in float32; the fit sums a million doubles of 500.
    np.testing.assert_allclose(geometry.tile_corners / 75e-6, corners, rtol=0, atol=1e-9)
    np.testing.assert_allclose(geometry.tile_ss / 75e-6, [(-1, 0, 0)] * 2, rtol=0, atol=1e-12)
    np.testing.assert_allclose(geometry.tile_fs / 75e-6, [(0, -1, 0)] * 2, rtol=0, atol=1e-12)
    centred = read_pixel_map(path, reference="centre", pixel_size=75e-6)
    # Half a step back along ss and fs.
    np.testing.assert_allclose(
        centred.tile_corners - geometry.tile_corners, [(37.5e-6, 37.5e-6, 0)] * 2, atol=1e-12
    )
    with pytest.raises(GeometryFileError, match=r"tile p0a0 is no plane grid of pixels: y is up"):
        read_pixel_map(path, detector="pnCCD", reference="corner")


@pytest.mark.parametrize("name", ["AGIPD-1M", "JUNGFRAU-1M", "ePix10K"])
def test_maps_of_cfelpyutils(name, tmp_path):
    from cfelpyutils.geometry import compute_pix_maps, load_crystfel_geometry

    geometry = example_geometry(name).rotate((0, 0, 0.2), modules=0)
    options = {"adu_per_ev": 1, "distance": 0.25, "photon_energy": 9300}
    write_geometry(geometry, tmp_path / "a.geom", layout="cheetah", allow_loss=True, **options)
    maps = compute_pix_maps(load_crystfel_geometry(tmp_path / "a.geom").detector)
    path = put(tmp_path / "map.h5", maps.x, maps.y, maps.z)
    pitch = geometry.detector.pixel_size[1]
    for hint in ({"detector": name}, {"detector": geometry.detector}, {"pixel_size": pitch}):
        back = read_pixel_map(path, reference="corner", **hint)
        # z is the distance, in metres, while x and y are in pixels. x and y were calculated in
        # doubles and rounded once.
        assert back.distance == np.float32(0.25)
        assert_near(back, geometry)


def test_known_detectors_need_no_hint(tmp_path):
    for name in ("AGIPD-1M", "AGIPD-500K", "LPD-1M", "JUNGFRAU-4M", "ePix100", "pnCCD", "LPD-Mini"):
        geometry = moved(name)
        path = put(tmp_path / "map.h5", *slabs(geometry))
        assert_near(read_pixel_map(path, reference="corner"), geometry)
        with pytest.warns(GeometryWarning, match=NO_REFERENCE):
            read_pixel_map(path)


def test_hexagons_are_taken_by_their_centres(tmp_path):
    geometry = moved("DSSC-1M")
    path = put(tmp_path / "map.h5", *slabs(geometry, "centre"))
    with pytest.warns(GeometryWarning, match="taken as centre, as for hexagons"):
        assert_near(read_pixel_map(path), geometry)
    in_pixels = put(tmp_path / "px.h5", *slabs(geometry, "centre", 236e-6))
    assert_near(read_pixel_map(in_pixels, reference="centre", detector="DSSC-1M"), geometry)


def test_detectors_of_one_size_are_told_apart_by_their_tiles(tmp_path):
    for name in ("JUNGFRAU-1M", "pnCCD"):
        geometry = example_geometry(name)
        path = put(tmp_path / "map.h5", *slabs(geometry))
        assert_near(read_pixel_map(path, reference="corner"), geometry)


def test_res_means_make_pixelmap(tmp_path):
    geometry = example_geometry("JUNGFRAU-500K")
    x, y, z = slabs(geometry, "centre", 75e-6)
    path = put(tmp_path / "map.h5", x, y, z, res=1 / 75e-6)
    with pytest.warns(GeometryWarning, match="taken as centre, as CrystFEL's make_pixelmap"):
        assert_near(read_pixel_map(path), geometry)


@pytest.mark.parametrize("decimals", [0, 1, 3])
def test_rounded_maps(decimals, tmp_path):
    geometry = moved("AGIPD-500K")
    x, y, z = slabs(geometry, "corner", 2e-4, np.float64)
    rounded = (np.round(v, decimals) for v in (x, y, z))
    path = put(tmp_path / "map.h5", *rounded)
    with pytest.warns(GeometryWarning, match=f"are rounded, to {10.0**-decimals:g} in the"):
        back = read_pixel_map(path, reference="corner", pixel_size=2e-4)
    # sqrt(7) of the rounding at worst (see above).
    limit = 3 * 0.5 * 10.0**-decimals * 2e-4
    np.testing.assert_allclose(back.tile_outlines(), geometry.tile_outlines(), atol=limit, rtol=0)


def test_units(tmp_path):
    geometry = moved("AGIPD-500K")
    path = put(tmp_path / "mm.h5", *slabs(geometry, "corner", 1e-3))
    with pytest.raises(GeometryFileError, match="its pixels are 40 × 40 µm, those of AGIPD-500K"):
        read_pixel_map(path, detector="AGIPD-500K", reference="corner")
    for unit in (1e-3, "mm", "Millimetres"):
        assert_near(read_pixel_map(path, unit=unit, reference="corner"), geometry)
    x, y, z = slabs(geometry)
    path = put(tmp_path / "psgeom.h5", x, y, z * 1e6)
    with pytest.warns(GeometryWarning, match="z reaches further than x and y; .* in µm"):
        assert_near(read_pixel_map(path, reference="corner"), geometry)
    path = put(tmp_path / "flat.h5", x, y)
    assert read_pixel_map(path, reference="corner").tile_corners[:, 2].max() == 0
    unknown = put(tmp_path / "px.h5", x[:300] * 1e4, y[:300] * 1e4)
    with pytest.raises(GeometryFileError, match=r"no detector that is known; pass pixel_size="):
        read_pixel_map(unknown, reference="corner")
    found = read_pixel_map(unknown, reference="corner", pixel_size=1e-4)
    assert found.n_tiles == 5


def test_found_tiles_of_a_known_family(tmp_path):
    from geomlib.detectors import jungfrau

    geometry = jungfrau([(0, 0), (0, 600), (1100, 0)], [(1, 1), (-1, 1), (1, -1)])
    path = put(tmp_path / "map.h5", *slabs(geometry))
    assert_near(read_pixel_map(path, reference="corner"), geometry)
    alone = read_pixel_map(path, reference="corner", detector="generic")
    assert (alone.detector.name, alone.data_shape) == ("generic", (1, 1536, 1024))


def test_smooth_distortion_is_refused(tmp_path):
    row, column = np.mgrid[:200, :300] * 1e-4
    path = put(tmp_path / "map.h5", column + 20 * column**2, row, np.zeros_like(row))
    with pytest.raises(GeometryFileError, match=r"found no tiles: .*pass detector="):
        read_pixel_map(path, reference="corner")


# -- Options and files that are wrong -------------------------------------------------------


def test_wrong_options(tmp_path):
    path = tmp_path / "map.h5"
    geometry = example_geometry("ePix10K")
    write_pixel_map(geometry, path)
    for options, message in [
        ({"reference": "middle"}, "reference must be 'corner' or 'centre'"),
        ({"unit": "ell"}, "unit must be 'm', 'mm', 'um', 'pixels' or a positive number"),
        ({"unit": -1}, "unit must be 'm'.* not -1"),
        ({"pixel_size": 0}, "pixel_size must be a positive"),
        ({"detector": "nothing"}, "detector='nothing' is not known"),
        ({"detector": 3}, "detector must be a Detector or its name, not 3"),
        ({"detector": "map.geom"}, "detector='map.geom' is not known"),
        ({"detector": "LPD-1M"}, r"is a map of \(352, 384\) pixels; LPD-1M has \(4096, 256\)"),
    ]:
        with pytest.raises(GeometryError, match=message):
            read_pixel_map(path, **options)
    for options, message in [
        ({"reference": "middle"}, "reference must be"),
        ({"unit": 1e-3}, "unit must be 'pixels' or 'metres'"),
        ({"dtype": "int8"}, "dtype must be"),
    ]:
        with pytest.raises(GeometryError, match=message):
            write_pixel_map(geometry, path, **options)
    assert_near(read_pixel_map(path), geometry)


def test_damaged_notes(tmp_path):
    geometry = example_geometry("ePix10K")
    path = tmp_path / "map.h5"
    write_pixel_map(geometry, path)
    with h5py.File(path, "r+") as file:
        del file["geomlib_layout"]
        file["geomlib_layout"] = np.bytes_(json.dumps({"detector": "LPD-1M"}))
    with pytest.warns(GeometryWarning, match="note on the layout of the data does not fit"):
        assert_near(read_pixel_map(path), geometry)
    with h5py.File(path, "r+") as file:
        file.attrs["pixel_size"] = -1.0
    with pytest.raises(GeometryFileError, match="pixel_size must be a positive"):
        read_pixel_map(path)
    with h5py.File(path, "r+") as file:
        file.attrs.clear()
        file.attrs["unit"] = [1, 2]
        del file["geomlib_layout"]
    with pytest.warns(GeometryWarning, match=NO_REFERENCE):
        assert_near(read_pixel_map(path), geometry)


def test_names_of_units(tmp_path):
    geometry = example_geometry("ePix10K")
    for name, same in (("px", "pixels"), ("m", "metres"), (1.0, "metres")):
        write_pixel_map(geometry, tmp_path / "a.h5", unit=name)
        write_pixel_map(geometry, tmp_path / "b.h5", unit=same)
        assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_notes_that_are_not_read(tmp_path):
    path = tmp_path / "map.h5"
    for note in ({"data": "vary"}, {"shape": (), "dtype": "S2000000000"}):
        write_pixel_map(example_geometry("ePix10K"), path)
        with h5py.File(path, "r+") as file:
            del file["geomlib_layout"]
            file.create_dataset("geomlib_layout", **note)
        with pytest.warns(GeometryWarning, match="expected a text of fixed length"):
            assert read_pixel_map(path).detector.name == "ePix10K"


def bad_maps():
    grid = np.add.outer(np.arange(20.0), np.arange(30.0))
    nan = np.full((20, 30), np.nan)
    yield {"x": grid}, "missing"
    yield {"x": grid, "y": grid[:10]}, r"expected shape \(20, 30\)"
    yield {"x": grid, "y": grid, "z": grid[:3]}, "expected shape"
    yield {"x": grid[0], "y": grid[0]}, "expected shape"
    yield {"x": grid, "y": nan}, "holds no finite position"
    yield {"x": grid > 2, "y": grid > 2}, "expected numbers"
    yield {"x": grid, "y": grid.astype("S3")}, "expected numbers"
    yield {"x": grid[:1, :1], "y": grid[:1, :1]}, "claims"
    yield {"x": np.zeros((20, 30)), "y": np.zeros((20, 30))}, "all pixels of the map are in one"
    yield {"x": grid, "y": grid}, "span no pixel"


@pytest.mark.parametrize(("content", "message"), list(bad_maps()))
def test_bad_maps(content, message, tmp_path):
    path = tmp_path / "map.h5"
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            file[name] = value
    with pytest.raises(GeometryFileError, match=message):
        read_pixel_map(path, reference="corner", pixel_size=1e-4)


def test_nan_in_a_tile(tmp_path):
    x, y, z = slabs(example_geometry("ePix10K"))
    x[10, 10] = np.nan
    path = put(tmp_path / "map.h5", x, y, z)
    with pytest.raises(GeometryFileError, match="tile p0a0 has positions that are not finite"):
        read_pixel_map(path, reference="corner", detector="ePix10K")


def test_huge_claims_and_links(tmp_path):
    path = tmp_path / "map.h5"
    with h5py.File(path, "w") as file:
        for name in "xyz":
            file.create_dataset(name, (100_000, 100_000), "f4", chunks=(10, 10))
    with pytest.raises(GeometryFileError, match="claims"):
        read_pixel_map(path)
    assert recognise_pixel_map(path, path.read_bytes()[:65536])
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink("other.h5", "/x")
        file["y"] = h5py.SoftLink("/nowhere")
    assert not recognise_pixel_map(path, path.read_bytes()[:65536])
    with pytest.raises(GeometryFileError, match="link to another file"):
        read_pixel_map(path)


def test_truncated_files(tmp_path):
    path = tmp_path / "map.h5"
    write_pixel_map(example_geometry("ePix10K"), path)
    whole = path.read_bytes()
    for length in (0, 4, 100, 3000, len(whole) // 2):
        path.write_bytes(whole[:length])
        with pytest.raises(GeometryFileError):
            read_pixel_map(path)
        assert not recognise_pixel_map(path, whole[:length])
    with pytest.raises(GeometryFileError, match="no such file"):
        read_pixel_map(tmp_path / "gone.h5")


@needs_shared_data
def test_other_hdf5_files_are_not_claimed():
    for path in SHARED_DATA.rglob("*.h5"):
        with path.open("rb") as file:
            found = recognise_pixel_map(path, file.read(65536))
        assert found == (path.parent.name == "pixelmaps")
