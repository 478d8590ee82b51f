import hashlib
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest

from geomlib import GeometryError, render
from geomlib.plotting.rendering import colour_table
from tests.plotting.small import SMALL, small_image

GREYS = np.arange(256)[:, np.newaxis].repeat(3, axis=1)
BAD = (64, 64, 64, 255)


def grey(image, **options):
    """Level of each pixel: the colour map is grey level k for level k."""
    return render(image, cmap=GREYS, **options)[..., 0]


@pytest.mark.parametrize(
    ("norm", "digest"),
    [
        ("linear", "5a3990dd27b6eeb0"),
        ("log", "599fa9c7ca20aae9"),
        ("sqrt", "86709cb010c71eb2"),
    ],
)
def test_the_same_bytes_everywhere(norm, digest):
    y, x = np.mgrid[:60, :80]
    values = ((x - 30) ** 2 + (y - 25) ** 2).astype(np.float32)
    values[10:15] = np.nan
    out = render(values, norm=norm)
    assert hashlib.sha256(out.tobytes()).hexdigest()[:16] == digest


def test_shape_dtype_and_alpha():
    out = render(np.zeros((2, 3, 4, 5)))
    assert out.shape == (2, 3, 4, 5, 4)
    assert out.dtype == np.uint8
    assert (out[..., 3] == 255).all()


def test_levels_are_equal_parts_of_the_range():
    # Range 0 … 256: level k holds the values from k to k + 1.
    values = np.array([[-5, 0, 0.99, 1, 127.5, 255, 256, 1e9]])
    assert grey(values, vmin=0, vmax=256, front_view=False).tolist() == [
        [0, 0, 0, 1, 127, 255, 255, 255]
    ]


@pytest.mark.parametrize(
    "dtype", ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">f4", ">u2"]
)
def test_every_dtype_gives_the_same_levels(dtype):
    values = np.arange(0, 120, 7).reshape(1, -1)
    expected = np.floor(values * 256 / 119.0).clip(0, 255)
    assert np.array_equal(grey(values.astype(dtype), vmin=0, vmax=119, front_view=False), expected)


def test_booleans():
    assert grey(np.array([[True, False]]), front_view=False).tolist() == [[255, 0]]


def test_first_row_is_at_the_bottom_and_x_to_the_left():
    values = np.array([[0, 1], [2, 3]])
    assert grey(values, vmin=0, vmax=256).tolist() == [[3, 2], [1, 0]]
    assert grey(values, vmin=0, vmax=256, front_view=False).tolist() == [[2, 3], [0, 1]]


def test_missing_and_infinite_pixels():
    values = np.array([[np.nan, -np.inf, np.inf, 1.0]])
    out = render(values, cmap=GREYS, vmin=0, vmax=2, front_view=False, bad=(1, 2, 3, 4))
    assert out[0].tolist() == [[1, 2, 3, 4], [0, 0, 0, 255], [255] * 4, [128, 128, 128, 255]]
    masked = np.ma.MaskedArray([[5, 6]], mask=[[True, False]])
    out = render(masked, cmap=GREYS, vmin=0, vmax=256, front_view=False)
    assert out[0].tolist() == [list(BAD), [6, 6, 6, 255]]


def test_bad_without_alpha_is_opaque():
    assert render(np.array([[np.nan]]), bad=(9, 8, 7))[0, 0].tolist() == [9, 8, 7, 255]


def test_log():
    # Four decades in 256 levels: 64 a decade.
    values = np.array([[0, -1, 1, 1.03, 1.04, 10, 100, 1e4, 1e7, np.nan]])
    out = render(values, cmap=GREYS, norm="log", vmin=1, vmax=1e4, front_view=False)
    assert out[0, :-1, 0].tolist() == [0, 0, 0, 0, 1, 64, 128, 255, 255]
    assert tuple(out[0, -1]) == BAD


def test_sqrt():
    values = np.array([[-1, 0, 1, 4, 9, 16]])
    expected = [0, 0, 64, 128, 192, 255]
    assert grey(values, norm="sqrt", vmin=0, vmax=16, front_view=False).tolist() == [expected]


def test_named_colours_are_those_of_matplotlib():
    values = np.linspace(0, 1, 40).reshape(4, 10)
    expected = mpl.colormaps["magma"](values, bytes=True)
    out = render(values, cmap="magma", vmin=0, vmax=1, front_view=False)[::-1]
    # matplotlib's own rounding of colours to bytes has changed over time.
    assert np.abs(out.astype(int) - expected).max() <= 1


def test_a_few_colours_share_the_range():
    table = colour_table([[0.0, 0.0, 0.0], [1.0, 0.5, 0.0]])
    assert (table[:128] == (0, 0, 0, 255)).all()
    assert (table[128:] == (255, 128, 0, 255)).all()


def test_stack_has_one_range_and_frames_can_be_chosen():
    stack = np.stack([np.full((2, 2), 10.0), np.full((2, 2), 20.0)])
    stack[:, 0, 0] = 0, 40
    both = render(stack)
    assert np.array_equal(both[1], render(stack, frame=1, vmin=0, vmax=40))
    assert np.array_equal(render(stack[np.newaxis], frame=(0, 1)), render(stack, frame=1))
    assert not np.array_equal(both[0], both[1])


def test_hot_pixels_do_not_change_the_picture():
    rng = np.random.default_rng(0)
    values = rng.normal(100, 10, (300, 300))
    hot = values.copy()
    hot[::75, ::75] = 1e7
    same = render(values)[hot[::-1, ::-1] == values[::-1, ::-1]]
    other = render(hot)[hot[::-1, ::-1] == values[::-1, ::-1]]
    assert np.abs(same.astype(int) - other).max() <= 8


def test_gaps_of_integer_images_are_missing():
    image = small_image(dtype=np.uint16)
    out = render(image, front_view=False)
    assert (out[:, 6:8] == BAD).all()
    assert not (out[:, :6] == BAD).all(axis=-1).any()


def test_image_and_array_agree():
    image = small_image()
    assert np.array_equal(render(image), render(image.data))


def test_extreme_numbers_pass_without_a_warning():
    values = np.array([[1e300, -1e300, 5e-324, 0.0, np.inf, np.nan]])
    out = grey(values, vmin=0, vmax=1, front_view=False)
    assert out.tolist() == [[255, 0, 0, 0, 255, 64]]
    render(values)
    render(values, norm="log")
    render(values, norm="sqrt")
    render(np.full((2, 2), np.nan))


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros(3), {}, r"\(…, y, x\)"),
        (np.zeros((0, 3)), {}, "hold pixels"),
        (np.zeros((2, 2), complex), {}, "real numbers"),
        ("picture.png", {}, "real numbers"),
        ([[1, 2], [3]], {}, "array of shape"),
        (np.zeros((2, 2)), {"norm": "cubic"}, "norm must be"),
        (np.zeros((2, 2)), {"cmap": "no such"}, "cmap must be"),
        (np.zeros((2, 2)), {"cmap": [[300, 0, 0]]}, "0 … 255"),
        (np.zeros((2, 2)), {"cmap": [[1.5, 0, 0]]}, "0.0 … 1.0"),
        (np.zeros((2, 2)), {"cmap": [1, 2, 3]}, "cmap must hold"),
        (np.zeros((2, 2)), {"bad": (1, 2)}, "bad must hold"),
        (np.zeros((2, 2)), {"vmin": 2, "vmax": 1}, "vmin must be below"),
        (np.zeros((2, 2)), {"vmin": np.nan}, "vmin must be a finite"),
        (np.zeros((2, 2)), {"vmax": "a"}, "vmax must be a finite number, not 'a'"),
        (np.zeros((2, 2)), {"norm": ["log"]}, "norm must be"),
        (np.zeros((2, 2)), {"cmap": [[1, 2, 3], [1]]}, "cmap must hold"),
        (np.zeros((2, 2)), {"frame": [[0], [1, 2]]}, "frame must be None"),
        (np.zeros((2, 2)), {"vmin": 0, "norm": "log"}, "vmin must be positive"),
        (np.zeros((2, 2)), {"frame": 0}, "frame must be None"),
        (np.zeros((3, 2, 2)), {"frame": 3}, "outside"),
        (np.zeros((3, 2, 2)), {"frame": -4}, "outside"),
        (np.zeros((3, 2, 2)), {"frame": 0.5}, "whole number"),
        (np.zeros((3, 2, 2)), {"frame": (0, 1)}, "whole number"),
    ],
)
def test_wrong_arguments(image, options, message):
    with pytest.raises(GeometryError, match=message):
        render(image, **options)


def test_none_means_the_default():
    data = np.array([[0.0, 1.0], [np.nan, 3.0]])
    plain = render(data, cmap=None, norm=None, bad=None)
    assert np.array_equal(plain, render(data, cmap="viridis", norm="linear", bad=(64, 64, 64, 255)))


def test_needs_neither_pyplot_nor_kernels():
    code = (
        "import sys, numpy as np, geomlib;"
        "geomlib.render(np.ones((2, 2)));"
        "assert 'matplotlib.pyplot' not in sys.modules;"
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_region_of_an_integer_image_has_its_own_gaps():
    from geomlib import assemble_data

    data = np.ones(SMALL.data_shape, dtype=np.uint8)
    whole = render(assemble_data(data, SMALL), front_view=False)
    part = render(assemble_data(data, SMALL, region=np.s_[1:3, 5:9]), front_view=False)
    assert np.array_equal(part, whole[1:3, 5:9])
    centred = assemble_data(data, SMALL.offset((1e-3, 0)), centred=True)
    gaps = (render(centred, front_view=False) == BAD).all(axis=-1)
    assert np.array_equal(gaps, centred.data[::-1] == 0)
