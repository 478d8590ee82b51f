import inspect

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import LogNorm, PowerNorm, SymLogNorm

from geomlib import GeometryError, example_geometry, plotting, render
from geomlib.plotting import plot_image
from tests.plotting.small import HEXAGONAL, SMALL, small_image


def test_extent_and_orientation():
    image = small_image()
    ax = image.plot()
    (drawn,) = ax.images
    assert drawn.origin == "lower"
    assert drawn.get_extent() == [-7, 7, -2, 2]
    assert np.array_equal(drawn.get_array(), image.data, equal_nan=True)
    # x to the left: the high end of x is at the left of the axes.
    assert ax.get_xlim() == (7, -7)
    assert ax.get_ylim() == (-2, 2)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (pixels)", "y (pixels)")
    assert image.plot(front_view=False).get_xlim() == (-7, 7)


def test_units():
    image = small_image(HEXAGONAL)
    size_y, size_x = image.pixel_size
    assert (size_y, size_x) == (0.8e-3, 1e-3)
    millimetres = image.plot(units="mm")
    left, right, bottom, top = np.array(image.extent) * 1e3
    assert millimetres.images[0].get_extent() == pytest.approx([left, right, bottom, top])
    assert millimetres.get_aspect() == 1
    # In pixels that are not square, the picture keeps its true proportions.
    assert image.plot(units="px").get_aspect() == pytest.approx(0.8)


def test_missing_pixels_are_dark_grey():
    for dtype in (np.float32, np.uint16):
        drawn = small_image(dtype=dtype).plot(vmin=0, vmax=50).images[0]
        colours = drawn.to_rgba(drawn.get_array(), bytes=True)
        assert (colours[:, 6:8] == (64, 64, 64, 255)).all()
        assert not (colours[:, :6] == (64, 64, 64, 255)).all(axis=-1).any()


def test_colours_and_range():
    image = small_image()
    image.data[0, 0] = 1e9
    drawn = image.plot(cmap="magma", vmin=2).images[0]
    assert drawn.cmap.name == "magma"
    assert drawn.norm.vmin == 2
    values = np.random.default_rng(0).normal(100, 1, (64, 64))
    values[::16, ::32] = 1e9
    from dataclasses import replace

    drawn = replace(image, data=values).plot().images[0]
    assert 95 < drawn.norm.vmin < drawn.norm.vmax < 105
    assert mpl.colormaps["magma"].get_bad()[0] != 64 / 255  # the shared colour map is untouched


def test_norms():
    image = small_image()
    assert isinstance(image.plot(norm="log").images[0].norm, LogNorm)
    assert image.plot(norm="log", vmin=1, vmax=40).images[0].norm.vmin == 1
    square_root = image.plot(norm="sqrt").images[0].norm
    assert isinstance(square_root, PowerNorm)
    assert square_root.gamma == 0.5
    given = SymLogNorm(1.0)
    assert image.plot(norm=given).images[0].norm is given
    assert given.vmin is not None
    for norm in ("cubic", 3):
        with pytest.raises(GeometryError, match="norm must be"):
            image.plot(norm=norm)
    with pytest.raises(GeometryError, match="inside of a Normalize"):
        image.plot(norm=given, vmin=1)


def test_frames_of_a_stack():
    image = small_image(frames=(3,))
    ax = image.plot()
    assert np.array_equal(ax.images[0].get_array(), image.data[0], equal_nan=True)
    assert ax.texts[-1].get_text() == "first frame of 3, looking along the beam"
    ax = image.plot(frame=-1)
    assert np.array_equal(ax.images[0].get_array(), image.data[2], equal_nan=True)
    assert "frame 2 of 3" in ax.texts[-1].get_text() or "frame -1 of 3" in ax.texts[-1].get_text()
    nested = small_image(frames=(2, 3))
    assert "frame (1, 2) of 2 × 3" in nested.plot(frame=(1, 2)).texts[-1].get_text()
    with pytest.raises(GeometryError, match="outside"):
        image.plot(frame=3)


def test_colour_bar():
    assert not small_image().plot(colorbar=False).child_axes
    ax = small_image().plot(vmin=1, vmax=100)
    (bar,) = ax.child_axes
    assert bar.get_ylim() == (1, 100)
    colour_bar = ax.images[0].colorbar
    assert colour_bar.extend == "min"
    assert small_image().plot(vmin=0, vmax=100).images[0].colorbar.extend == "neither"
    assert small_image().plot(vmin=1, vmax=2).images[0].colorbar.extend == "both"


def test_beam_mark():
    assert len(small_image().plot().lines) == 2
    assert not small_image().plot(centre_mark=False).lines
    assert not small_image(SMALL.offset((1, 0))).plot().lines


def test_draws_where_it_is_told():
    _, ax = plt.subplots()
    before = plt.get_fignums()
    assert plot_image(small_image(), ax=ax, title="mine", interpolation="nearest") is ax
    assert plt.get_fignums() == before
    assert ax.get_title() == "mine"
    assert ax.images[0].get_interpolation() == "nearest"


@pytest.mark.parametrize("fill", [np.nan, 0, 5])
def test_images_without_a_spread_draw(fill):
    from dataclasses import replace

    data = np.full((4, 14), fill, dtype=np.float64)
    for norm in (None, "log"):
        ax = replace(small_image(), data=data).plot(norm=norm)
        ax.figure.canvas.draw()
        low, high = ax.images[0].get_clim()
        assert low < high
    ax = replace(small_image(), data=data > 1).plot()
    ax.figure.canvas.draw()
    assert ax.images[0].get_clim() == (0, 1)


def test_wrong_arguments():
    with pytest.raises(GeometryError, match=r"AssembledImage.*render\(\)"):
        plot_image(np.zeros((3, 3)))
    image = small_image()
    for options, message in (
        ({"units": "inch"}, "units must be"),
        ({"units": ["m"]}, "units must be"),
        ({"cmap": "no such"}, "cmap must be"),
        ({"cmap": 3}, "cmap must be a colour map .* not 3"),
        ({"norm": ["log"]}, "norm must be"),
        ({"vmin": "a"}, "vmin must be a finite number, not 'a'"),
        ({"vmax": [1, 2]}, "vmax must be a finite number"),
        ({"frame": [[0], [1, 2]]}, "frame must be None"),
        ({"modules": 0}, "hexagons=True"),
        ({"hexagons": True}, "those of generic are"),
        ({"vmin": 3, "vmax": 3}, "vmin must be below"),
    ):
        with pytest.raises(GeometryError, match=message):
            image.plot(**options)


def test_no_colour_map_means_the_default():
    assert small_image().plot(cmap=None).images[0].get_cmap().name == "viridis"


def test_methods_have_the_options_of_the_functions():
    def options(call):
        parameters = inspect.signature(call).parameters.values()
        keywords = (p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD))
        return {p.name: p.default for p in keywords}

    image, geometry = small_image(), example_geometry("pnCCD")
    for method, function in (
        (image.plot, plot_image),
        (geometry.inspect, plotting.inspect),
        (geometry.compare, plotting.compare),
    ):
        assert options(method) == options(function)
    png = options(plotting.save_png) | options(render)
    assert options(image.save_png) == {k: v for k, v in png.items() if k != "options"}


def test_methods_hand_their_options_on(tmp_path):
    image, geometry = small_image(frames=(2,)), example_geometry("pnCCD")
    ax = image.plot(
        frame=1, front_view=False, units="mm", vmin=1, vmax=7, norm="sqrt", cmap="gray",
        colorbar=False, centre_mark=False, title="mine", alpha=0.5,
    )  # fmt: skip
    assert ax.get_title() == "mine"
    assert ax.get_xlabel() == "x (mm)"
    drawn = ax.images[0]
    assert (drawn.norm.vmin, drawn.norm.vmax) == (1, 7)
    assert (drawn.get_cmap().name, drawn.get_alpha()) == ("gray", 0.5)
    assert ax.get_xlim()[0] < ax.get_xlim()[1]
    assert not ax.child_axes
    assert image.plot(ax=ax) is ax
    for view in (
        geometry.inspect(units="cm", front_view=False, labels=False, title="mine"),
        geometry.compare(geometry, scale=3, units="cm", front_view=False, title="mine"),
    ):
        assert view.get_title() == "mine"
        assert view.get_xlabel() == "x (cm)"
        assert view.get_xlim()[0] < view.get_xlim()[1]
    look = {"cmap": "gray", "vmin": 1, "vmax": 7, "norm": "sqrt", "bad": (1, 2, 3)}
    look |= {"front_view": False, "frame": 1, "scale": 2, "max_size": 100}
    image.save_png(tmp_path / "a.png", **look)
    assert (tmp_path / "a.png").read_bytes() == plotting.png_bytes(image, **look)


@pytest.mark.jit
def test_picture_of_a_detector_has_its_rings_in_place():
    geom = example_geometry("JUNGFRAU-500K")
    x, y, _ = np.moveaxis(geom.pixel_positions(), -1, 0)
    spot = (np.hypot(x - 10e-3, y - 5e-3) < 1e-3).astype(np.float32)
    from geomlib import assemble_data

    ax = assemble_data(spot, geom).plot(units="mm", vmin=0, vmax=1)
    rows, columns = np.nonzero(np.nan_to_num(ax.images[0].get_array().filled(0)))
    left, right, bottom, top = ax.images[0].get_extent()
    n_y, n_x = ax.images[0].get_array().shape
    assert left + (columns.mean() + 0.5) * (right - left) / n_x == pytest.approx(10, abs=0.1)
    assert bottom + (rows.mean() + 0.5) * (top - bottom) / n_y == pytest.approx(5, abs=0.1)
