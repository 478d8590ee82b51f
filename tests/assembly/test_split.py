"""Method "split": what is conserved, what leaks nowhere, and EXtra-geom."""

import extra_geom
import numpy as np
import pytest

import geomlib
from geomlib import GeometryError, check_plan, split_plan
from geomlib.assembly import split
from geomlib.assembly.inputs import as_stack
from geomlib.assembly.split import run_split
from geomlib.detectors import EXAMPLE_NAMES
from tests.assembly.split_images import image_of, polygon_areas, small, without_wide_edges

nan = np.nan


def random_data(shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


# -- Every detector ---------------------------------------------------------------------


# Without the compiler half a megapixel takes a minute: the small geometries below stand in.
@pytest.mark.jit
@pytest.mark.parametrize(
    "name",
    # Four times the tiles of a JUNGFRAU-1M, and nothing else.
    [pytest.param(n, marks=pytest.mark.slow) if n == "JUNGFRAU-4M" else n for n in EXAMPLE_NAMES],
)
def test_every_detector_as_built_and_turned(name):
    built = geomlib.example_geometry(name)
    data = random_data(built.data_shape)
    for geometry in (built, built.rotate((2, -3, 1.3)).offset((0.123e-3, 0.077e-3, 0))):
        plan = split_plan(geometry)
        counts = image_of(data, geometry, "counts", plan=plan)
        assert np.nansum(counts, dtype=float) == pytest.approx(data.sum(dtype=float), rel=1e-6)
        constant = image_of(np.full(data.shape, 3.7, np.float32), geometry, plan=plan)
        covered = plan.coverage()
        np.testing.assert_array_equal(np.isnan(constant), covered < 1e-6)
        np.testing.assert_allclose(constant[covered >= 1e-6], 3.7, rtol=1e-6)
        # Areas by another way: corners of all pixels, and the shoelace formula.
        true = polygon_areas(geometry.pixel_corners(wide=True))
        true /= plan.grid.pixel_size[0] * plan.grid.pixel_size[1]
        np.testing.assert_allclose(plan.overlaps.pixel_areas, true, rtol=1e-5)
        assert covered.sum(dtype=float) == pytest.approx(true.sum(), rel=1e-6)
        assert covered.max() < 1 + 1e-5  # no tiles of the examples overlap


@pytest.mark.jit
@pytest.mark.parametrize("name", ["AGIPD-1M", "LPD-1M"])
@pytest.mark.parametrize("angle", [0, 0.4, 3])
def test_counts_equal_extra_geom(name, angle):
    """EXtra-geom shares out counts, of nominal pixels, on a grid that starts at the lowest corner.

    Its corners are float32: at 0.3 m, that is 3e-8 m or up to 1.5e-4 pixels, and an image pixel has
    up to four edges of neighbours in it. pyFAI, which works it out, takes each edge as level within
    a column of image pixels: where it crosses from one row to the next inside, the triangle that
    lands in the wrong row has up to tan(angle) / 8 of a pixel, at each of two such edges.
    """
    kind = {"AGIPD-1M": extra_geom.AGIPD_1MGeometry, "LPD-1M": extra_geom.LPD_1MGeometry}[name]
    geometry = without_wide_edges(geomlib.example_geometry(name))
    oracle = kind.from_quad_positions(geometry.quad_positions())
    if angle:
        angles = (0, 0, angle)
        geometry, oracle = geometry.rotate(angles), oracle.rotate(angles)
        # Bring the two grids together: the lowest corner on a whole pixel.
        pixel = geometry.detector.pixel_size[0]
        low = geometry.tile_outlines()[..., :2].min(axis=(0, 1))
        shift = (*(np.round(low / pixel) * pixel - low), 0)
        geometry, oracle = geometry.offset(shift), oracle.offset(shift)
    data = random_data(geometry.data_shape)
    expected, centre = oracle.position_modules_interpolate(data)
    plan = split_plan(geometry)
    counts = image_of(data, geometry, "counts", plan=plan, fill=0)
    # Whole pixels counted from the outer corner here, from the middle of the first pixel there.
    np.testing.assert_allclose(plan.grid.centre, centre + 0.5, atol=1e-3)
    rows, columns = np.minimum(counts.shape, expected.shape)
    expected = np.nan_to_num(expected[:rows, :columns])
    difference = np.abs(counts[:rows, :columns] - expected)  # of data between 0 and 1
    slanted = np.tan(np.deg2rad(angle)) / 8
    assert difference.max() < 4 * 1.5e-4 + 2 * slanted
    assert difference.mean() < 4e-5 + 0.2 * slanted


# -- Shapes -----------------------------------------------------------------------------


def test_hexagons_against_points_thrown_at_them():
    """A Monte Carlo oracle: 5 standard deviations of a binomial count for each of the overlaps.

    With some 500 overlaps a right answer fails once in 3000 seeds; this seed does not.
    """
    geometry = small((1, 6, 5), hexagons=True, offset=(0.3, 0.2), angle=13)
    plan = split_plan(geometry)
    (n_y, n_x), (centre_y, centre_x) = plan.grid.shape, plan.grid.centre
    size_y, size_x = plan.grid.pixel_size
    a_cell = 3000
    rng = np.random.default_rng(5)
    cell = np.repeat(np.arange(n_y * n_x), a_cell)
    x = (cell % n_x + rng.random(cell.size) - centre_x) * size_x
    y = (cell // n_x + rng.random(cell.size) - centre_y) * size_y
    module, ss, fs = geometry.lab_to_data(x, y)
    hit = module >= 0
    pixel = np.floor(ss[hit]).astype(int) * 5 + np.floor(fs[hit]).astype(int)
    found = np.zeros((30, n_y * n_x))
    np.add.at(found, (pixel, cell[hit]), 1 / a_cell)
    for number in range(30):
        one = np.zeros(geometry.data_shape, np.float32)
        one.flat[number] = 1
        exact = image_of(one, geometry, "counts", fill=0).ravel()
        exact = exact * plan.overlaps.pixel_areas.ravel()[number]
        deviation = np.sqrt(exact * (1 - np.clip(exact, 0, 1)) / a_cell)
        assert (np.abs(found[number] - exact) <= 5 * deviation + 1e-6).all()


def test_tilted_tiles_are_seen_smaller_and_from_both_sides():
    geometry = small((1, 6, 7), offset=(-3.0, -3.0))
    for angle in (0, 60, 120, 180):
        plan = split_plan(geometry.rotate((angle, 0, 0)))
        area = abs(np.cos(np.deg2rad(angle)))
        np.testing.assert_allclose(plan.overlaps.pixel_areas, area, rtol=1e-6)
        data = random_data(geometry.data_shape)
        image = image_of(data, geometry, "counts", plan=plan)
        assert np.nansum(image, dtype=float) == pytest.approx(data.sum(dtype=float), rel=1e-6)
    # Upside down: rows in the opposite order.
    np.testing.assert_allclose(image, data[0][::-1], rtol=1e-6)


def test_perspective_from_the_sample():
    flat = small((1, 6, 7), offset=(2.0, 1.0))
    behind = flat.offset((0, 0, 10.0))
    near = split_plan(behind, distance=10.0)  # twice as far away: half as large
    np.testing.assert_allclose(near.overlaps.pixel_areas, 0.25, rtol=1e-6)
    assert near.grid.shape == (4, 4)  # y from 0.5 to 3.5, x from 1 to 4.5
    assert near.grid.centre == (0, -1)
    np.testing.assert_allclose(near.coverage()[:, 0], [0.5, 1, 1, 0.5])

    tilted = flat.rotate((20, -15, 5))
    corners = tilted.pixel_corners()
    seen = corners[..., :2] / (1 + corners[..., 2:] / 30.0)
    plan = split_plan(tilted, distance=30.0)
    np.testing.assert_allclose(plan.overlaps.pixel_areas, polygon_areas(seen), rtol=1e-6)
    ones = np.ones(flat.data_shape, np.float32)
    for number in (0, 20, 41):  # whole counts, and only where the pixel is seen
        one = np.zeros_like(ones)
        one.flat[number] = 1
        y, x = np.nonzero(image_of(one, tilted, "counts", plan=plan, fill=0))
        own = seen.reshape(-1, 4, 2)[number]
        low, high = own.min(axis=0), own.max(axis=0)
        centre_y, centre_x = plan.grid.centre
        assert (x.min() - centre_x, x.max() - centre_x) == tuple(np.floor([low[0], high[0]]))
        assert (y.min() - centre_y, y.max() - centre_y) == tuple(np.floor([low[1], high[1]]))
    assert image_of(ones, tilted, "counts", plan=plan, fill=0).sum() == pytest.approx(42, rel=1e-6)


def test_wide_pixels_take_their_true_area():
    geometry = small((1, 2, 3), wide=(0, 0.5, 0, 1.0))
    data = np.array([[[1, 2, 4], [8, 16, 32]]], dtype=np.float32)
    intensity = image_of(data, geometry)
    expected = [[1, 2, 4, 4], [8, 16, 32, 32], [8, 16, 32, 32]]
    np.testing.assert_allclose(intensity, expected, rtol=1e-6)
    counts = image_of(data, geometry, "counts")
    expected = [[1, 2, 2, 2], [8 / 1.5, 16 / 1.5, 32 / 3, 32 / 3], [8 / 3, 16 / 3, 32 / 6, 32 / 6]]
    np.testing.assert_allclose(counts, expected, rtol=1e-6)
    np.testing.assert_allclose(split_plan(geometry).coverage()[2], 0.5)


# -- The grid ---------------------------------------------------------------------------


def test_the_grid_counts_whole_pixels_from_the_origin():
    geometry = small((1, 6, 7), offset=(0.25, -2.5))
    grid = split_plan(geometry).grid
    assert (grid.shape, grid.centre, grid.pixel_size) == ((7, 8), (3, 0), (1.0, 1.0))
    grid = split_plan(geometry, oversample=4).grid
    assert (grid.shape, grid.centre, grid.pixel_size) == ((24, 28), (10, -1), (0.25, 0.25))
    grid = split_plan(geometry, pixel_size=(3, 0.5), oversample=2).grid
    assert (grid.shape, grid.centre, grid.pixel_size) == ((5, 28), (2, -1), (1.5, 0.25))
    grid = split_plan(geometry, centred=True).grid
    assert (grid.shape, grid.centre) == ((8, 16), (4, 8))


@pytest.mark.parametrize("options", [{"pixel_size": 0.13}, {"pixel_size": 5}, {"oversample": 3}])
def test_any_pixel_size_conserves(options):
    geometry = small(offset=(0.1, 0.2), angle=7)
    data = random_data(geometry.data_shape)
    counts = image_of(data, geometry, "counts", **options)
    assert np.nansum(counts, dtype=float) == pytest.approx(data.sum(dtype=float), rel=1e-6)
    constant = image_of(np.ones_like(data), geometry, **options)
    np.testing.assert_allclose(constant[np.isfinite(constant)], 1, rtol=1e-6)


def test_a_window_is_a_part_of_the_image():
    geometry = small(angle=5)
    data = random_data((3, *geometry.data_shape))
    plan = split_plan(geometry)
    part = plan.window(2, 7, 3, 11)
    assert part.grid.shape == (5, 8)
    assert part.grid.centre == (plan.grid.centre[0] - 2, plan.grid.centre[1] - 3)
    whole = image_of(data, geometry, plan=plan)
    np.testing.assert_array_equal(image_of(data, geometry, plan=part), whole[:, 2:7, 3:11])
    np.testing.assert_array_equal(part.coverage(), plan.coverage()[2:7, 3:11])
    again = part.window(1, 3, 2, 4)
    np.testing.assert_array_equal(image_of(data, geometry, plan=again), whole[:, 3:5, 5:7])


# -- Values -----------------------------------------------------------------------------


def test_means_and_sums_by_hand():
    geometry = small((1, 1, 2), offset=(0.25, 0))  # pixels at 0.25 … 1.25 … 2.25
    data = np.array([[[10.0, 30.0]]])
    np.testing.assert_allclose(image_of(data, geometry), [[10, 25, 30]], rtol=1e-6)
    np.testing.assert_allclose(image_of(data, geometry, "counts"), [[7.5, 25, 7.5]], rtol=1e-6)
    np.testing.assert_allclose(split_plan(geometry).coverage(), [[0.75, 1, 0.25]])
    mask = np.array([[[False, True]]])
    np.testing.assert_allclose(split_plan(geometry).coverage(mask), [[0.75, 0.25, 0]])


@pytest.mark.parametrize("how", ["NaN", "mask", "bits"])
def test_what_is_left_out_does_not_leak(how):
    geometry = small((1, 1, 2), offset=(0.25, 0))
    data, options = np.array([[[10.0, 1e30]]]), {}
    if how == "NaN":
        data[0, 0, 1] = nan
    elif how == "mask":
        options = {"mask": np.array([[[False, True]]])}
    else:
        options = {"mask": np.array([[[1, 6]]], dtype=np.uint8), "mask_bits": 4}
    np.testing.assert_allclose(image_of(data, geometry, **options), [[10, 10, nan]], rtol=1e-6)
    counts = image_of(data, geometry, "counts", **options)
    np.testing.assert_allclose(counts, [[7.5, 2.5, nan]], rtol=1e-6)
    filled = image_of(data, geometry, fill=-1, **options)
    np.testing.assert_allclose(filled, [[10, 10, -1]], rtol=1e-6)


def test_missing_modules_are_gaps():
    geometry = small((3, 4, 4), offset=(0.5, 0.5), gap=1.0)
    data = random_data((2, *geometry.data_shape))
    given = {2: data[:, 2], 0: data[:, 0]}
    absent = data.copy()
    absent[:, 1] = nan
    expected = image_of(absent, geometry)
    assert np.isnan(expected[:, :, 6:9]).all()
    np.testing.assert_array_equal(image_of(given, geometry), expected)
    present = np.array([True, False, True])
    np.testing.assert_array_equal(image_of(data, geometry, present=present), expected)
    present = np.array([[True, True, True], [True, False, True]])
    some = image_of(data, geometry, present=present)
    np.testing.assert_array_equal(some[1], expected[1])
    np.testing.assert_array_equal(some[0], image_of(data[0], geometry))


def test_dark_and_gain_come_first():
    geometry = small(angle=3)
    rng = np.random.default_rng(1)
    data = rng.integers(0, 4000, (3, *geometry.data_shape)).astype(np.uint16)
    dark = rng.random(geometry.data_shape)
    gain = rng.random((3, 2, 1, 1))
    result = image_of(data, geometry, dark=dark, gain=gain)
    assert result.dtype == np.float32
    treated = (data.astype(np.float32) - dark.astype(np.float32)) * gain.astype(np.float32)
    np.testing.assert_array_equal(result, image_of(treated, geometry))


def test_overlapping_tiles_count_together():
    geometry = small((2, 2, 2), gap=-2)  # one exactly on the other
    data = np.stack([np.full((2, 2), 1.0), np.full((2, 2), 5.0)])
    np.testing.assert_allclose(image_of(data, geometry), 3)
    np.testing.assert_allclose(image_of(data, geometry, "counts"), 6)
    np.testing.assert_allclose(split_plan(geometry).coverage(), 2)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("u2", "f4"), ("i4", "f8"), ("f2", "f4"), ("?", "f4"), (">f4", "f4"), ("f8", "f8"),
     ("f8", "f4"), ("f4", "f2"), ("u2", "f8")],
)  # fmt: skip
def test_dtypes(given, wanted):
    geometry = small(angle=3)
    data = (100 * random_data((2, *geometry.data_shape))).astype(given)
    result = image_of(data, geometry, dtype=wanted)
    assert result.dtype == wanted
    expected = image_of(data.astype(np.float64), geometry)
    np.testing.assert_allclose(result, expected, rtol=2e-3 if wanted == "f2" else 2e-7)


@pytest.mark.parametrize(
    "arrange",
    [
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
        lambda a: np.lib.stride_tricks.as_strided(a, a.shape, a.strides, writeable=False),
    ],
)
def test_memory_layouts(arrange):
    geometry = small(angle=3)
    data = random_data((2, 3, *geometry.data_shape))
    expected = np.stack([[image_of(frame, geometry) for frame in row] for row in data])
    np.testing.assert_array_equal(image_of(arrange(data), geometry), expected)


def test_infinite_values_stay_where_they_are():
    geometry = small((1, 1, 3))
    data = np.array([[[1.0, np.inf, 3.0]]])
    np.testing.assert_array_equal(image_of(data, geometry), [[1, np.inf, 3]])


# -- Threads and plans ------------------------------------------------------------------


@pytest.mark.parametrize("frames", [(), (9,)])
def test_the_same_bytes_for_any_number_of_threads(frames):
    geometry = small((4, 9, 11), gap=-1.5, offset=(0.3, 0.4), angle=11)
    data = random_data((*frames, *geometry.data_shape))
    results = []
    for threads in (1, 2, 8):
        split._make_plan.cache_clear()
        plan = split_plan(geometry, threads=threads)
        overlaps = plan.overlaps
        arrays = (overlaps.starts, overlaps.pixels, overlaps.areas, overlaps.pixel_areas)
        image = image_of(data, geometry, plan=plan, threads=threads)
        results.append([array.tobytes() for array in (*arrays, image)])
    assert results[0] == results[1] == results[2]


def test_plans_are_kept_and_belong_to_places():
    geometry = small(angle=2)
    plan = split_plan(geometry)
    assert split_plan(geometry.replace(distance=1.0), threads=2) is plan
    assert split_plan(geometry.offset((0.5, 0))) is not plan
    assert split_plan(geometry, oversample=2) is not plan
    check_plan(plan, geometry.replace(photon_energy=9000.0))
    with pytest.raises(GeometryError, match="another geometry"):
        check_plan(plan, geometry.offset((0.5, 0)))
    with pytest.raises(GeometryError, match="must be a SplitPlan"):
        check_plan("plan", geometry)
    assert not plan.overlaps.areas.flags.writeable


# -- Bad arguments ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pixel_size": 0}, "positive length"),
        ({"pixel_size": (1, -1)}, "positive length"),
        ({"pixel_size": (1, 2, 3)}, "pixel_size must have shape"),
        ({"pixel_size": "1"}, "pixel_size"),
        ({"pixel_size": 1e-9}, "is a tile far away"),
        ({"oversample": 0}, "oversample must be a whole number"),
        ({"oversample": 1.5}, "oversample must be a whole number"),
        ({"distance": 0}, "distance must be a positive"),
        ({"distance": nan}, "distance must be a positive"),
        ({"centred": "no"}, "centred must be True or False"),
        ({"threads": 0}, "threads"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(GeometryError, match=message):
        split_plan(small(), **options)


def test_other_bad_arguments():
    geometry = small()
    with pytest.raises(GeometryError, match=r"tile 0 \(p0a0\) reaches to z = -2 m"):
        split_plan(geometry.offset((0, 0, -2.0)), distance=1.5)
    with pytest.raises(GeometryError, match="must be a Geometry"):
        split_plan("AGIPD-1M")
    plan = split_plan(geometry)
    with pytest.raises(GeometryError, match="mask must be boolean and of shape"):
        plan.coverage(np.zeros(geometry.data_shape))
    data = np.zeros(geometry.data_shape)
    with pytest.raises(GeometryError, match="'intensity' or 'counts'"):
        image_of(data, geometry, "mean")
    with pytest.raises(GeometryError, match="floating numbers"):
        run_split(plan, as_stack(data, geometry.detector), None, np.zeros(plan.grid.shape, int),
                  "counts", None, 1)  # fmt: skip
    with pytest.raises(GeometryError, match="floating numbers"):
        image_of(data.astype(complex), geometry, dtype="f8")
