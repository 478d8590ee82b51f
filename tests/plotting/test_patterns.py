import warnings

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import LogNorm

from geomlib import GeometryError
from geomlib.integration.pattern import Pattern
from geomlib.plotting.patterns import plot_pattern

RADIAL = np.linspace(0.5, 2.5, 5)
EDGES = [0.25, 0.75, 1.25, 1.75, 2.25, 2.75]
AZIMUTH = np.array([-135.0, -45.0, 45.0, 135.0])
GREY = (64, 64, 64, 255)


def curves(*frames, sigma=False, unit="q_A^-1", dtype=np.float64):
    """Intensities 1, 2, 3 … in order, the second bin of each curve empty."""
    intensity = 1.0 + np.arange(np.prod((*frames, 5))).reshape(*frames, 5)
    intensity[..., 1] = np.nan
    error = np.full_like(intensity, 0.5) if sigma else None
    return Pattern(RADIAL, intensity.astype(dtype), error, np.ones_like(intensity), unit)


def cakes(*frames, unit="q_A^-1"):
    intensity = 1.0 + np.arange(np.prod((*frames, 4, 5))).reshape(*frames, 4, 5)
    intensity[..., 2, 3] = np.nan
    return Pattern(RADIAL, intensity, None, np.ones_like(intensity), unit, AZIMUTH)


def image(ax):
    """The values of the only image, and where its edges are."""
    (mesh,) = ax.collections
    corners = mesh.get_coordinates()
    return mesh.get_array(), corners[0, :, 0], corners[:, 0, 1]


def text_of(ax):
    return ax.get_title(), [note.get_text() for note in ax.texts]


@pytest.mark.parametrize(
    ("unit", "label"),
    [
        ("q_A^-1", "q (Å⁻¹)"),
        ("q_nm^-1", "q (nm⁻¹)"),
        ("2th_deg", "2θ (°)"),
        ("2th_rad", "2θ (rad)"),
        ("r_mm", "r (mm)"),
        ("chi_deg", "azimuth χ (°)"),
        ("furlongs", "furlongs"),
    ],
)
def test_axes_are_named_as_in_the_field(unit, label):
    ax = plot_pattern(curves(unit=unit))
    assert (ax.get_xlabel(), ax.get_ylabel()) == (label, "intensity")
    assert text_of(ax) == ("", [])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a letter that the font lacks is a warning
        ax.figure.canvas.draw()


def test_a_curve_has_a_gap_and_a_band():
    pattern = curves(sigma=True)
    ax = pattern.plot(label="a")
    (line,), (dots, band) = ax.lines, ax.collections
    # The first bin has a gap behind it: no line reaches it.
    assert dots.get_offsets().tolist() == [[RADIAL[0], pattern.intensity[0]]]
    np.testing.assert_array_equal(line.get_xydata(), np.column_stack([RADIAL, pattern.intensity]))
    low, high = band.get_datalim(ax.transData).intervaly
    assert (low, high) == (0.5, 5.5)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a"]
    assert len(pattern.plot(sigma=False).collections) == 1
    assert curves().plot().get_legend() is None


def test_it_is_said_where_no_pixel_counts():
    nothing = np.full(len(RADIAL), np.nan)
    ax = Pattern(RADIAL, nothing, None, np.zeros(len(RADIAL)), "q_A^-1").plot()
    assert [text.get_text() for text in ax.texts] == ["no pixel counts"]


def test_a_band_does_not_pull_a_logarithmic_axis_down():
    pattern = curves(sigma=True)
    pattern.sigma[0] = 1.0  # the error of the first bin, 1, reaches zero
    ax = pattern.plot(log=True)
    assert ax.get_yscale() == "log"
    assert ax.get_ylim()[0] > 0.8


def test_up_to_ten_curves_are_lines_with_their_numbers():
    ax = curves(10).plot()
    assert len(ax.lines) == 10
    np.testing.assert_array_equal(ax.lines[7].get_ydata(), curves(10).intensity[7])
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == [f"frame {number}" for number in range(10)]
    ax = curves(2, 2).plot(label="run", cmap="magma")
    assert [line.get_label() for line in ax.lines] == [
        "run 0, 0",
        "run 0, 1",
        "run 1, 0",
        "run 1, 1",
    ]
    assert ax.lines[0].get_color() == mpl.colormaps["magma"](0.0)


def test_frames_can_be_chosen_and_drawn_on_the_same_axes():
    ax = curves(30).plot(frame=3)
    assert curves(30).plot(ax, frame=-1) is ax
    assert [line.get_label() for line in ax.lines] == ["frame 3", "frame -1"]
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), curves(30).intensity[29])
    ax = curves(3, 4).plot(frame=(2, 1))
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), curves(3, 4).intensity[2, 1])


def test_limits_of_the_axis_of_intensity():
    assert curves().plot(vmin=0, vmax=20).get_ylim() == (0, 20)
    assert curves().plot(vmin=-1).get_ylim()[0] == -1
    assert curves(3).plot(vmax=7).get_ylim()[1] == 7


def test_more_than_ten_curves_are_an_image():
    ax = curves(11).plot()
    values, x, y = image(ax)
    np.testing.assert_array_equal(values.filled(np.nan), curves(11).intensity)
    np.testing.assert_array_equal(x, EDGES)
    np.testing.assert_array_equal(y, np.arange(12) - 0.5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("q (Å⁻¹)", "frame")
    assert (ax.get_xlim(), ax.get_ylim()) == ((0.25, 2.75), (-0.5, 10.5))
    assert ax.child_axes[-1].get_ylabel() == "intensity"
    ax = curves(3, 4).plot(title="run 7")
    assert image(ax)[0].shape == (12, 5)
    assert text_of(ax) == ("run 7", ["3 × 4 frames, counted through"])


def test_frames_can_have_numbers_of_their_own():
    ax = curves(3).plot(numbers=[7, 5, 100])
    assert [line.get_label() for line in ax.lines] == ["frame 7", "frame 5", "frame 100"]
    ax = curves(12).plot(numbers=range(100, 124, 2))
    label = ax.yaxis.get_major_formatter()
    assert [label(place, None) for place in (-1, 0, 11, 12)] == ["", "100", "122", ""]
    ax.figure.canvas.draw()


def test_very_many_curves_share_rows():
    pattern = curves(4003)
    pattern.intensity[1, 0] = np.nan
    ax = pattern.plot()
    values, _, y = image(ax)
    assert values.shape == (1335, 5)
    np.testing.assert_array_equal(y[[0, 1, -2, -1]], [-0.5, 2.5, 4001.5, 4002.5])
    # Of frames 0 … 2 the mean is that of frame 1, but where frame 1 has no value: 0 and 2 then.
    np.testing.assert_array_equal(values[0].filled(np.nan), [6, np.nan, 8, 9, 10])
    np.testing.assert_array_equal(values[-1].filled(np.nan), pattern.intensity[4002])
    assert text_of(ax) == ("", ["4003 frames, each row the mean of 3"])


def test_a_cake_is_azimuth_against_radius():
    ax = cakes().plot(title="cake")
    values, x, y = image(ax)
    np.testing.assert_array_equal(values.filled(np.nan), cakes().intensity)
    np.testing.assert_array_equal(x, EDGES)
    np.testing.assert_array_equal(y, [-180, -90, 0, 90, 180])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("q (Å⁻¹)", "azimuth χ (°)")
    assert text_of(ax) == ("cake", [""])
    ticks = ax.get_yticks()
    assert {-120, 0, 120} <= set(ticks)


def test_bins_without_pixels_are_dark_grey():
    for log in (False, True):
        ax = cakes().plot(log=log, cmap="magma")
        (mesh,) = ax.collections
        colours = mesh.to_rgba(mesh.get_array(), bytes=True)
        missing = (colours == GREY).all(axis=-1)
        np.testing.assert_array_equal(missing, np.isnan(cakes().intensity))
    assert mpl.colormaps["magma"].get_bad()[0] != 64 / 255  # the shared colour map is untouched


def test_a_bin_without_photons_is_not_missing_on_a_logarithmic_scale():
    pattern = cakes()
    pattern.intensity[0, 0] = 0
    (mesh,) = pattern.plot(log=True).collections
    assert isinstance(mesh.norm, LogNorm)
    assert tuple(mesh.to_rgba(mesh.get_array(), bytes=True)[0, 0]) == tuple(
        mpl.colormaps["viridis"](0, bytes=True)
    )


def test_of_several_cakes_the_mean_or_one():
    pattern = cakes(2)
    pattern.intensity[1, 0, 0] = np.nan
    ax = pattern.plot()
    expected = pattern.intensity.mean(axis=0)
    expected[0, 0] = 1
    np.testing.assert_array_equal(image(ax)[0].filled(np.nan), expected)
    assert text_of(ax)[1] == ["mean of 2 frames"]
    ax = pattern.plot(frame=1)
    np.testing.assert_array_equal(image(ax)[0].filled(np.nan), pattern.intensity[1])
    assert text_of(ax)[1] == ["frame 1 of 2"]
    ax = cakes(2, 3).plot(frame=(1, 0))
    assert text_of(ax)[1] == ["frame 1, 0 of 2 × 3"]
    assert text_of(cakes(1).plot()) == ("", [])


def test_a_few_hot_bins_do_not_set_the_colours():
    values = np.random.default_rng(0).normal(100, 1, (60, 80))
    values[::20, ::40] = 1e9
    cake = Pattern(np.arange(80.0), values, None, values, "r_mm", np.arange(60.0))
    (mesh,) = cake.plot().collections
    assert 95 < mesh.norm.vmin < mesh.norm.vmax < 105
    (mesh,) = cake.plot(vmin=0, vmax=50).collections
    assert (mesh.norm.vmin, mesh.norm.vmax) == (0, 50)


def test_single_bins():
    one = Pattern(RADIAL[:1], np.ones((1, 1)), None, np.ones((1, 1)), "r_mm", AZIMUTH[:1])
    _, x, y = image(one.plot())
    np.testing.assert_array_equal([x, y], [[0, 1], [-135.5, -134.5]])


def test_dask_arrays_are_computed():
    da = pytest.importorskip("dask.array")

    def lazy(pattern, chunks):
        arrays = {
            name: da.from_array(getattr(pattern, name), chunks=chunks)
            for name in ("intensity", "sigma", "count")
            if getattr(pattern, name) is not None
        }
        return Pattern(
            pattern.radial, arrays["intensity"], arrays.get("sigma"), arrays["count"],
            pattern.unit, pattern.azimuth,
        )  # fmt: skip

    ax = lazy(curves(30, sigma=True), (4, 5)).plot(frame=7)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), curves(30).intensity[7])
    assert len(ax.collections) == 2
    ax = lazy(curves(3), (2, 5)).plot()
    np.testing.assert_array_equal(ax.lines[2].get_ydata(), curves(3).intensity[2])
    values, _, _ = image(lazy(curves(4003), (1000, 5)).plot())
    np.testing.assert_array_equal(values, image(curves(4003).plot())[0])
    values, _, _ = image(lazy(cakes(3), (1, 4, 5)).plot())
    np.testing.assert_array_equal(values.filled(np.nan), cakes(3).intensity.mean(axis=0))


def test_axes_of_a_figure_of_ones_own():
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert cakes().plot(ax) is ax
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("pattern", "options", "message"),
    [
        (curves(3), {"frame": 3}, "frame must be a whole number, from -3 to 2, not 3"),
        (curves(3), {"frame": 1.0}, "frame must be a whole number, from -3 to 2, not 1.0"),
        (curves(3), {"frame": "a"}, "frame must be a whole number, from -3 to 2, not 'a'"),
        (curves(3), {"frame": (1, 2)}, r"a whole number for the .* \(3,\), not \(1, 2\)"),
        (curves(3, 2), {"frame": 1}, "frame must be 2 whole numbers"),
        (cakes(2), {"frame": -3}, "frame must be a whole number, from -2 to 1"),
        (curves(), {"frame": 0}, "frame must be None for a single frame"),
        (curves(), {"ax": 5}, "ax must be matplotlib axes, not 5"),
        (curves(), {"log": "yes"}, "log must be True or False"),
        (curves(), {"sigma": 1}, "sigma must be True or False"),
        (curves(), {"label": 1}, "label must be text"),
        (curves(), {"title": 1}, "title must be text"),
        (curves(), {"vmin": 2, "vmax": 1}, "vmin must be below vmax"),
        (curves(), {"vmin": 0, "log": True}, "vmin must be positive"),
        (curves(), {"cmap": "nope"}, "cmap must be a colour map"),
        (cakes(), {"cmap": 3}, "cmap must be a colour map"),
        (curves(3), {"numbers": [1, 2]}, "numbers must be 3 whole numbers, at least 0"),
        (curves(3, 2), {"numbers": [1, 2]}, r"frames along one axis, not for axes \(3, 2\)"),
        (curves(0), {}, r"nothing to draw in a pattern of shape \(0, 5\)"),
        (RADIAL, {}, "pattern must be a Pattern"),
    ],
)
def test_what_cannot_be_drawn(pattern, options, message):
    with pytest.raises(GeometryError, match=message):
        plot_pattern(pattern, **options)
    assert not plt.get_fignums()
