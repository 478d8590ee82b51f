"""Pictures of the replacement, next to EXtra-geom's."""

import extra_geom as original
import numpy as np
import pytest

from geomlib.compat import extra_geom as replacement
from geomlib.errors import GeometryError
from tests.compat.examples import EXAMPLES


@pytest.fixture
def agipd():
    return EXAMPLES["AGIPD-500K"](replacement)


@pytest.fixture
def pyplot():
    from matplotlib import pyplot as plt

    return plt


@pytest.mark.parametrize("name", ["AGIPD-500K", "JUNGFRAU-500K", "pnCCD", "ePix10K", "generic"])
def test_pictures(pyplot, name):
    geom = EXAMPLES[name](replacement)
    data = np.random.default_rng(0).random(geom.expected_data_shape)
    for ax in (
        geom.plot_data(data),
        geom.plot_data_fast(data, axis_units="m", frontview=False, figsize=(3, 3), colorbar=False),
        geom.plot_data(data, ax=pyplot.subplots()[1], colorbar={"shrink": 0.5}, cmap="gray"),
        geom.inspect(),
        geom.inspect(axis_units="m", frontview=False),
        geom.compare(geom.offset((1e-3, 0)), scale=3),
    ):
        assert isinstance(ax, pyplot.Axes)
    with pytest.raises(GeometryError, match="axis_units"):
        geom.inspect(axis_units="mm")
    with pytest.raises(GeometryError, match="axis_units"):
        geom.plot_data(data, axis_units="mm")


@pytest.mark.filterwarnings("ignore:The set_bad function:PendingDeprecationWarning")
def test_colours_and_sizes_are_those_of_extra_geom(pyplot, agipd):
    old = EXAMPLES["AGIPD-500K"](original)
    data = np.random.default_rng(0).random(agipd.expected_data_shape)
    mine, theirs = (g.plot_data(data).images[0] for g in (agipd, old))
    assert mine.get_clim() == theirs.get_clim()
    np.testing.assert_array_equal(mine.get_array(), theirs.get_array())
    # There, the image is a pixel wider and higher than its pixels.
    assert np.subtract(mine.get_extent(), theirs.get_extent()).tolist() == [0.5, -0.5, 0.5, -0.5]
    assert agipd.plot_data(data, figsize=(4, 3)).figure.get_size_inches().tolist() == [4, 3]
    assert agipd.plot_data(data, vmin=0, vmax=9).images[0].get_clim() == (0, 9)
    assert agipd.plot_data(np.zeros_like(data)).images[0].get_clim()[0] == 0
    assert agipd.inspect().get_title(loc="left") or agipd.inspect().get_title()
    with pytest.raises(GeometryError, match="one frame"):
        agipd.plot_data(data[np.newaxis])


@pytest.mark.filterwarnings("ignore:The set_bad function:PendingDeprecationWarning")
@pytest.mark.parametrize("name", ["AGIPD-500K", "DSSC-1M"])
@pytest.mark.parametrize(
    "look",
    [
        {"norm": "LogNorm"}, {"norm": "log"}, {"norm": "linear"}, {"vmin": None, "vmax": None},
        {"vmin": 90}, {"vmax": 110}, {"vmin": 90, "vmax": None},
    ],
    ids=str,
)  # fmt: skip
def test_ranges_of_colours_are_those_of_extra_geom(pyplot, name, look):
    from matplotlib.colors import LogNorm

    old, new = (EXAMPLES[name](package) for package in (original, replacement))
    data = np.random.default_rng(0).normal(100, 10, old.expected_data_shape)
    limits = []
    for geom in (old, new):
        own = {k: LogNorm() if v == "LogNorm" else v for k, v in look.items()}
        limits.append(geom.plot_data(data, **own).images[0].get_clim())
    assert limits[1] == limits[0]


@pytest.mark.filterwarnings("ignore:The set_bad function:PendingDeprecationWarning")
def test_ranges_of_hexagons_are_those_of_extra_geom(pyplot):
    old, new = (EXAMPLES["DSSC-1M"](package) for package in (original, replacement))
    data = np.random.default_rng(0).normal(100, 10, (128, 512))
    for look in ({}, {"vmin": 90}, {"vmin": 90, "vmax": 100}):
        limits = [
            geom.plot_data_hexes(data, module=3, **look).collections[0].get_clim()
            for geom in (old, new)
        ]
        assert limits[1] == limits[0]
    last, same = (new.plot_data_hexes(data, module=n).collections[0] for n in (-1, 15))
    np.testing.assert_array_equal(last.get_array(), same.get_array())


def test_places_of_pictures(pyplot, agipd):
    data = np.ones(agipd.expected_data_shape)
    ax = agipd.plot_data(data, extent=(0, 1, 2, 5), aspect="auto")
    assert tuple(ax.images[0].get_extent()) == (0, 1, 2, 5)
    assert (ax.get_xlim(), ax.get_ylim(), ax.get_aspect()) == ((1, 0), (2, 5), "auto")
    ax = agipd.plot_data(data, extent=(0, 1, 2, 5), frontview=False, origin="lower")
    assert ax.get_xlim() == (0, 1)
    with pytest.raises(GeometryError, match="origin can only be 'lower'"):
        agipd.plot_data(data, origin="upper")


def test_hexagons_that_are_turned_lie_on_a_turned_grid(pyplot):
    """In EXtra-geom, images keep the size of upright hexagons."""
    geom = EXAMPLES["DSSC-1M"](replacement).rotate((0, 0, 90))
    data = np.random.default_rng(0).random(geom.expected_data_shape)
    image, centre = geom.position_modules(data)
    grid = geom._snapped()
    assert grid.size_yx == image.shape
    np.testing.assert_array_equal(grid.centre, centre)
    put = np.full_like(image, np.nan)
    for module, tiles in zip(data, grid.modules, strict=True):
        for part, tile in zip(geom.split_tiles(module), tiles, strict=True):
            (y, x), (height, width) = tile.corner_idx, tile.pixel_dims
            put[y : y + height, x : x + width] = tile.transform(part)
    np.testing.assert_array_equal(put, image)
    places = geom.get_pixel_positions()[..., :2]
    left, right, low, high = geom.plot_data(data, axis_units="m").images[0].get_extent()
    drawn = [(left, right), (low, high)]
    for (first, last), axis in zip(drawn, (places[..., 0], places[..., 1]), strict=True):
        # From the centres of the outer pixels to the edges of the image, which is whole pixels.
        assert 0 < axis.min() - first < 2 * 236e-6
        assert 0 < last - axis.max() < 2 * 236e-6


@pytest.mark.jit
def test_an_interpolated_picture(pyplot):
    geom = EXAMPLES["LPD-Mini"](replacement)
    ax = geom.plot_data(np.ones(geom.expected_data_shape), interpolate=True)
    low_x, _, low_y, _ = ax.images[0].get_extent()
    corner = geom.geometry.tile_outlines()[..., :2].min(axis=(0, 1)) / geom.pixel_size
    assert (low_x, low_y) == pytest.approx(tuple(corner))


def test_names_of_modules(pyplot):
    geom = EXAMPLES["JUNGFRAU, gaps"](replacement)
    texts = [t.get_text() for t in geom.inspect(module_names=["left", "right"]).texts]
    assert {"left", "right"} <= set(texts)
    texts = [t.get_text() for t in geom.inspect(module_names=np.array([71, 72])).texts]
    assert {"71", "72"} <= set(texts)
    plain = [t.get_text() for t in geom.inspect().texts]
    assert [t.get_text() for t in geom.inspect(module_names=None).texts] == plain


def test_hexagons(pyplot):
    dssc = EXAMPLES["DSSC-1M"](replacement)
    data = np.random.default_rng(0).random((128, 512))
    ax = dssc.plot_data_hexes(data, module=4, colorbar={"orientation": "horizontal"})
    assert len(ax.collections) >= 2
    assert len(ax.figure.axes) == 2
    with pytest.raises(GeometryError, match="data must have shape"):
        dssc.plot_data_hexes(data)
    ax = dssc.plot_data(np.ones(dssc.expected_data_shape))
    assert len(ax.figure.axes) == 1, "no colour bar"
