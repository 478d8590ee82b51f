"""Detectors of pyFAI as geometries: tiles are found again, in float64, from float32 corners."""

import numpy as np
import pyFAI.detectors
import pytest
from extra_geom import AGIPD_1MGeometry, JUNGFRAUGeometry
from pyFAI.detectors import NexusDetector, detector_factory
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

import geomlib
from geomlib.detectors import EXAMPLE_NAMES
from geomlib.integration.adapter import to_pyfai_detector
from geomlib.integration.from_pyfai import from_pyfai_detector

# None of our loops runs here: once, with the compiler, is enough.
pytestmark = pytest.mark.jit

#: Half a unit in the last place of float32, relative.
FLOAT32 = 2.0**-24
RNG_SEED = 7


def as_file(geom, tmp_path, wide=False):
    path = tmp_path / "detector.h5"
    to_pyfai_detector(geom, wide=wide).save(path)
    return detector_factory(str(path))


def cornered(corners, pitch=1e-4, mask=None):
    """A detector of pyFAI with these corners, in x, y, z."""
    detector = NexusDetector()
    detector.CORNERS = corners.shape[2]
    detector._pixel1 = detector._pixel2 = pitch
    detector.shape = detector.max_shape = corners.shape[:2]
    detector._pixel_corners = np.ascontiguousarray(corners[..., ::-1], dtype=np.float32)
    detector.uniform_pixel = detector.IS_CONTIGUOUS = False
    detector.mask = mask
    return detector


def disordered(name, seed=RNG_SEED):
    """A detector whose tiles are tilted by up to a degree and moved by up to 100 µm."""
    geom = geomlib.example_geometry(name)
    rng = np.random.default_rng(seed)
    n_tiles = geom.n_tiles // geom.n_modules
    shape = (geom.n_modules, n_tiles, 3)
    return geom.rotate(rng.uniform(-1, 1, shape)).offset(rng.uniform(-1e-4, 1e-4, shape))


def assert_found(found, geom):
    """Corners of pixels are where they were, within the rounding of what was read."""
    assert found.detector == geom.detector
    corners = geom.pixel_corners()
    used = np.isfinite(corners)
    # A coordinate of the fit is a weighted sum of those that were read, each rounded to float32. In
    # the corner of a tile, where it is worst, the weights are (1 + 3 s + 3 t) / n with s and t from
    # -1 to 1 over the tile: their absolute values add up to 2.2, whatever the roundings.
    limit = 2.5 * FLOAT32 * np.abs(corners[used]).max()
    assert np.abs(found.pixel_corners()[used] - corners[used]).max() < limit


@pytest.mark.parametrize("name", [n for n in EXAMPLE_NAMES if n != "JUNGFRAU-4M"])
def test_tiles_of_every_detector(name, tmp_path):
    geom = geomlib.example_geometry(name)
    assert_found(from_pyfai_detector(as_file(geom, tmp_path)), geom)


@pytest.mark.parametrize("name", ["AGIPD-500K", "JUNGFRAU-500K", "ePix100", "ePix10K"])
def test_wide_pixels_are_no_tiles_of_their_own(name, tmp_path):
    geom = geomlib.example_geometry(name)
    assert_found(from_pyfai_detector(as_file(geom, tmp_path, wide=True)), geom)


@pytest.mark.parametrize("name", ["AGIPD-500K", "LPD-Mini", "DSSC-1M", "ePix10K"])
def test_tilted_tiles(name, tmp_path):
    geom = disordered(name)
    found = from_pyfai_detector(as_file(geom, tmp_path))
    assert_found(found, geom)
    assert found.groups == geom.groups


def test_far_from_the_origin_the_rounding_is_larger(tmp_path):
    geom = disordered("ePix10K").offset((1.5, -0.7, 0.3))
    assert_found(from_pyfai_detector(as_file(geom, tmp_path)), geom)
    with pytest.raises(geomlib.GeometryError, match="no pixels larger than the rounding at 201"):
        from_pyfai_detector(as_file(geom.offset((200, 0)), tmp_path))


def test_any_number_of_modules(tmp_path):
    mini = geomlib.detectors.lpd_mini([(0, 0), (200, 0)], [0, 30])
    assert_found(from_pyfai_detector(as_file(mini, tmp_path)), mini)


def test_a_detector_of_the_same_size_and_another_pitch_is_another_one(tmp_path):
    geom = geomlib.example_geometry("ePix10K")
    half = geomlib.Geometry(
        geom.detector, geom.tile_corners / 2, geom.tile_ss / 2, geom.tile_fs / 2
    )
    detector = from_pyfai_detector(as_file(half, tmp_path)).detector
    assert detector.data_shape == (1, 352, 384)
    assert detector.n_tiles == 4
    assert detector.calibration_rows == 0
    assert detector.pixel_size == pytest.approx((50e-6, 50e-6), rel=1e-5)


def test_mixed_pitches_and_unused_data(tmp_path):
    # Pitches 100, 150 × 50 and 75 µm; the last two touch. Data between them is no tile's.
    bounds = np.array([[0, 0, 12, 0, 8], [0, 2, 12, 10, 20], [0, 12, 18, 10, 20]])
    layout = geomlib.Detector("mixed", (1, 18, 20), bounds, (1e-4, 1e-4))
    second = np.array([-3e-3, 2e-3, 1e-3])
    geom = geomlib.Geometry(
        layout,
        [[1e-3, 1e-3, 0], second, np.add(second, [0, -10 * 5e-5, 0])],
        [[0, 1e-4, 0], [0, -5e-5, 0], [0, -7.5e-5, 0]],
        [[1e-4, 0, 0], [1.5e-4, 0, 0], [1.5e-4, 0, 0]],
    )
    found = from_pyfai_detector(as_file(geom, tmp_path))
    assert found.detector.name == "mixed"
    assert np.array_equal(found.detector.tile_bounds, bounds)
    assert not found.bad_regions
    for one, other in zip(found.tiles, geom.tiles, strict=True):
        # See assert_found; steps are found better than corners.
        assert np.abs(one - other).max() < 2.5 * FLOAT32 * 4.5e-3


def test_corners_that_are_not_finite(tmp_path):
    geom = geomlib.example_geometry("LPD-Mini")
    corners = geom.pixel_corners()[0]
    corners[4:9, 128:140] = np.nan
    corners[30:, 250:, 2] = np.inf
    found = from_pyfai_detector(cornered(corners, 5e-4))
    unused = np.isnan(found.pixel_positions()[0, ..., 0])
    assert np.array_equal(unused, ~np.isfinite(corners).all(axis=(2, 3)))
    there = ~unused
    error = found.pixel_positions()[0][there] - geom.pixel_positions()[0][there]
    assert np.abs(error).max() < 2.5 * FLOAT32 * np.abs(geom.pixel_corners()).max()
    with pytest.raises(geomlib.GeometryError, match="has no pixels"):
        from_pyfai_detector(cornered(np.full((4, 5, 4, 3), np.nan)))


def test_tiles_that_touch_at_a_small_angle():
    # Two halves of a module that share an edge and are bent by 1 mrad: a step of a pixel tells
    # 0.05 µm, less than two roundings; the whole tile tells 5 µm.
    n_ss, n_fs, pitch, angle = 40, 100, 5e-5, 1e-3
    bend = np.array([np.cos(angle), 0, np.sin(angle)])
    layout = geomlib.Detector(
        "bent",
        (1, n_ss, 2 * n_fs),
        np.array([[0, 0, n_ss, 0, 100], [0, 0, n_ss, 100, 200]]),
        (pitch,) * 2,
    )
    corner = np.array([0.3, -0.2, 0.0])
    geom = geomlib.Geometry(
        layout,
        [corner, np.add(corner, [n_fs * pitch, 0, 0])],
        [[0, pitch, 0]] * 2,
        np.stack([[pitch, 0, 0], bend * pitch]),
    )
    found = from_pyfai_detector(cornered(geom.pixel_corners()[0], pitch), name="bent")
    # The bend is known to a few columns: that far from it both fit.
    assert found.n_tiles <= 3
    assert np.abs(found.pixel_corners() - geom.pixel_corners()).max() < 5 * FLOAT32 * 0.3


def test_no_set_of_tiles():
    # A smooth distortion of 20 µm in each of 200 columns and rows.
    geom = geomlib.example_geometry("ePix10K")
    corners = geom.pixel_corners()[0].copy()
    corners[..., 0] += 20e-6 * np.sin(corners[..., 1] * 3e4) * np.sin(corners[..., 0] * 3e4)
    with pytest.raises(geomlib.GeometryError, match=r"^detector is no set of tiles"):
        from_pyfai_detector(cornered(corners))


@pytest.mark.parametrize("first_shift", [0, 1])
def test_hexagons_of_other_detectors(first_shift):
    # Pixirad: 60 µm hexagons. A tile begins with an unshifted row: one more tile, if it does not.
    whole = pyFAI.detectors.Pixirad1().get_pixel_corners()[..., ::-1]
    corners = whole[first_shift : first_shift + 40, :50]
    found = from_pyfai_detector(cornered(corners, 60e-6), name="hexagons")
    assert found.detector.pixel_shape == "hexagon"
    assert found.n_tiles == 1 + first_shift
    assert found.detector.pixel_size == pytest.approx((60e-6 * np.sqrt(0.75), 60e-6), rel=1e-5)
    # pyFAI works them out in float32: four roundings.
    error = np.abs(found.pixel_corners()[0] - corners).max()
    assert error < 4 * FLOAT32 * np.abs(corners).max()


# -- Masks ------------------------------------------------------------------------------


def test_masks_become_bad_regions(tmp_path):
    geom = geomlib.example_geometry("AGIPD-500K")
    detector = as_file(geom, tmp_path)
    mask = np.zeros(detector.shape, np.int8)
    mask[100:200, 5:9] = 1  # over the border of two tiles
    mask[1030] = 1  # a row of module 2
    mask[3000, [0, 2, 127]] = 1
    detector.mask = mask
    found = from_pyfai_detector(detector)
    assert np.array_equal(found.bad_pixels().reshape(mask.shape), mask != 0)
    assert [region[1:4] for region in found.bad_regions] == [
        (1, (100, 128), (5, 9)),
        (2, (128, 192), (5, 9)),
        (3, (192, 200), (5, 9)),
        (16, (6, 7), (0, 128)),
        (46, (440, 441), (0, 1)),
        (46, (440, 441), (2, 3)),
        (46, (440, 441), (127, 128)),
    ]
    assert all(region.name.startswith("bad") for region in found.bad_regions)


def test_random_mask_and_masked_tile(tmp_path):
    geom = geomlib.example_geometry("LPD-Mini")
    detector = as_file(geom, tmp_path)
    mask = np.random.default_rng(RNG_SEED).random(detector.shape) < 0.05
    mask[:, :128] = True
    detector.mask = mask
    found = from_pyfai_detector(detector)
    assert_found(found, geom)
    assert np.array_equal(found.bad_pixels()[0], mask)


# -- Whose detector it is ---------------------------------------------------------------


def test_our_own_comes_back_as_it_was():
    region = geomlib.BadRegion("bad_beam", x=(0, 1e-3), y=(0, 1e-3))
    geom = geomlib.example_geometry("ePix10K").replace(
        distance=0.2, photon_energy=9000, bad_regions=(region,)
    )
    detector = to_pyfai_detector(geom)
    assert from_pyfai_detector(detector) == geom
    named = from_pyfai_detector(detector, name="mine")
    assert named.detector.name == "mine"
    assert np.array_equal(named.tile_corners, geom.tile_corners)
    mask = detector.mask.copy()
    mask[300, 300] = 1
    detector.mask = mask
    more = from_pyfai_detector(detector)
    assert more.bad_regions[0] == region
    assert np.array_equal(more.bad_pixels()[0], mask != 0)
    detector.mask = np.zeros_like(mask)
    assert from_pyfai_detector(detector).bad_regions == ()


@pytest.mark.parametrize("name", ["AGIPD-1M", "JUNGFRAU-500K"])
def test_files_of_extra_geom(name, tmp_path):
    if name == "AGIPD-1M":
        other = AGIPD_1MGeometry.from_quad_positions(
            [(-525, 625), (-550, -10), (520, -160), (542.5, 475)]
        )
    else:
        other = JUNGFRAUGeometry.from_module_positions([(-515, -257)])
    path = str(tmp_path / "extra.h5")
    other.to_pyfai_detector().save(path)
    assert_found(from_pyfai_detector(detector_factory(path)), geomlib.example_geometry(name))


@pytest.mark.parametrize(
    ("name", "pitch", "tiles", "bad_regions"),
    [
        ("Pilatus 100k", 172e-6, 1, 0),
        ("Pilatus 200k", 172e-6, 1, 1),
        ("Mythen 1280", 8e-3, 1, 0),
    ],
)
def test_regular_detectors_of_pyfai(name, pitch, tiles, bad_regions):
    detector = detector_factory(name)
    found = from_pyfai_detector(detector)
    assert found.detector.name == detector.name
    assert found.data_shape == (1, *detector.shape)
    assert (found.n_tiles, len(found.bad_regions)) == (tiles, bad_regions)
    assert found.detector.pixel_size == (detector.pixel1, detector.pixel2)
    assert found.detector.pixel_size[0] == pitch
    mask = np.zeros(detector.shape) if detector.mask is None else detector.mask
    assert np.array_equal(found.bad_pixels()[0], mask != 0)
    y, x, _ = detector.calc_cartesian_positions()
    # Both products of pyFAI are rounded to float32.
    limit = 4 * FLOAT32 * max(x.max(), y.max())
    assert np.abs(found.pixel_positions()[0, ..., 0] - x).max() < limit
    assert np.abs(found.pixel_positions()[0, ..., 1] - y).max() < limit


def test_a_module_that_pyfai_knows_and_we_do():
    found = from_pyfai_detector(detector_factory("Jungfrau"))
    assert found.detector == geomlib.example_geometry("JUNGFRAU-500K").detector
    # pyFAI has the double pixels too: a gap of two between nominal grids.
    step = found.tile_corners[1, 0] - found.tile_corners[0, 0]
    assert step == pytest.approx(258 * 75e-6, rel=1e-6)


def test_wide_borders_of_other_detectors():
    # XPAD: chips of 120 × 80 pixels of 130 µm; where chips meet along fs, pixels are 2.5 times as
    # wide.
    found = from_pyfai_detector(detector_factory("ImXPad S140"))
    assert found.data_shape == (1, 240, 560)
    assert found.n_tiles == 14
    assert found.detector.wide_edges[1] == pytest.approx([0, 1.5, 1.5, 1.5], abs=1e-3)
    corners = detector_factory("ImXPad S140").get_pixel_corners()[..., ::-1]
    error = np.abs(found.pixel_corners(wide=True)[0] - corners).max()
    assert error < 4 * FLOAT32 * corners.max()


def test_orientation():
    for orientation in (1, 2, 3, 4):
        detector = detector_factory("Pilatus 100k", {"orientation": orientation})
        corners = detector.get_pixel_corners()[..., ::-1]
        found = from_pyfai_detector(detector)
        assert np.abs(found.pixel_corners()[0] - corners).max() < 4 * FLOAT32 * corners.max()
    # pyFAI turns the centres of a file's pixels, but not their corners.
    detector = cornered(geomlib.example_geometry("LPD-Mini").pixel_corners()[0], 5e-4)
    detector._orientation = pyFAI.detectors.Orientation(1)
    with pytest.warns(geomlib.GeometryWarning, match=r"^orientation 1 of detector NexusDetector"):
        found = from_pyfai_detector(detector)
    assert found.detector.name == "LPD-Mini"


def test_binned_detector():
    detector = pyFAI.detectors.Detector(1e-4, 1e-4, max_shape=(40, 60))
    detector.get_pixel_corners()
    detector.binning = (2, 3)
    found = from_pyfai_detector(detector)
    assert found.data_shape == (1, 20, 20)
    assert found.detector.pixel_size == pytest.approx((2e-4, 3e-4), rel=1e-6)


def test_names():
    corners = geomlib.example_geometry("ePix10K").pixel_corners()[0]
    assert from_pyfai_detector(cornered(corners[:50, :40])).detector.name == "generic"
    assert from_pyfai_detector(cornered(corners), name="mine").detector.name == "mine"
    plain = pyFAI.detectors.Detector(172e-6, 172e-6, max_shape=(195, 487))
    assert from_pyfai_detector(plain).detector.name == "Pilatus-100K"


# -- What is no detector ----------------------------------------------------------------


def test_what_is_no_detector():
    with pytest.raises(
        geomlib.GeometryError, match=r"^detector must be a detector of pyFAI, not 3"
    ):
        from_pyfai_detector(3)
    with pytest.raises(geomlib.GeometryError, match=r"^detector must be .* not 'Pilatus100k'$"):
        from_pyfai_detector("Pilatus100k")
    ai = AzimuthalIntegrator(dist=1, detector=detector_factory("Pilatus 100k"))
    with pytest.raises(geomlib.GeometryError, match=r"it has one: pass its \.detector$"):
        from_pyfai_detector(ai)
    detector = detector_factory("Pilatus 100k")
    with pytest.raises(geomlib.GeometryError, match=r"^name must be text, not 7"):
        from_pyfai_detector(detector, name=7)
    with pytest.raises(geomlib.GeometryError, match=r"^detector has no shape"):
        from_pyfai_detector(pyFAI.detectors.Detector(1e-4, 1e-4))
    with pytest.raises(geomlib.GeometryError, match="has no pixel corners"):
        from_pyfai_detector(pyFAI.detectors.Detector(max_shape=(10, 10)))
    detector.mask = None
    detector._mask = np.zeros((3, 3), np.int8)
    with pytest.raises(geomlib.GeometryError, match=r"^detector.mask must have shape \(195, 487\)"):
        from_pyfai_detector(detector)
    detector = cornered(np.zeros((4, 5, 4, 3)))
    detector._pixel_corners = np.zeros((4, 5, 3, 3), np.float32)
    with pytest.raises(geomlib.GeometryError, match=r"^detector must have corners of shape"):
        from_pyfai_detector(detector)
    with pytest.raises(geomlib.GeometryError, match=r"^detector is empty"):
        from_pyfai_detector(type(to_pyfai_detector(geomlib.example_geometry("LPD-Mini")))())
