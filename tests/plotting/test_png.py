import struct
import zlib

import matplotlib.image
import numpy as np
import pytest

from geomlib import GeometryError, GeometryFileError, render
from geomlib.plotting import png_bytes, preview_png, save_png
from geomlib.plotting.png import PREVIEW, encode_png, shrink
from tests.plotting.small import small_image


def chunks(content):
    """Names and contents of the chunks of a PNG file, with their check sums verified."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    position, found = 8, []
    while position < len(content):
        (length,) = struct.unpack_from(">I", content, position)
        name = content[position + 4 : position + 8]
        body = content[position + 8 : position + 8 + length]
        (check,) = struct.unpack_from(">I", content, position + 8 + length)
        assert check == zlib.crc32(name + body)
        found.append((name, body))
        position += 12 + length
    return found


def decoded(content, tmp_path):
    """RGBA as another program decodes it."""
    from PIL import Image

    path = tmp_path / "decoded.png"
    path.write_bytes(content)
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGBA"))


@pytest.mark.parametrize(
    "data",
    [
        np.arange(35.0).reshape(5, 7),  # few colours
        np.linspace(0, 1, 400).reshape(20, 20),  # 256 of them
        np.where(np.arange(600) < 10, np.nan, np.arange(600)).reshape(20, 30),  # and missing ones
        np.zeros((1, 1)),
        np.full((3, 2), np.nan),
    ],
)
@pytest.mark.parametrize("bad", [(64, 64, 64, 255), (0, 0, 0, 0)])
def test_decodes_to_what_render_gives(data, bad, tmp_path):
    content = png_bytes(data, bad=bad)
    assert np.array_equal(decoded(content, tmp_path), render(data, bad=bad))


def test_file_holds_pixels_only(tmp_path):
    save_png(np.arange(6.0).reshape(2, 3), tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    assert [name for name, _ in chunks(content)] == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    many = np.random.default_rng(0).integers(0, 255, (20, 20, 4), dtype=np.uint8)
    assert [name for name, _ in chunks(encode_png(many))] == [b"IHDR", b"IDAT", b"IEND"]
    assert matplotlib.image.imread(tmp_path / "a.png").shape[:2] == (2, 3)


def test_pixels_in_the_file_are_these():
    # Two grey levels and no compression worth the name: known bytes all through.
    content = png_bytes([[0.0, 1.0], [1.0, 0.0]], cmap=[[0, 0, 0], [255, 255, 255]])
    parts = dict(chunks(content))
    assert parts[b"IHDR"] == struct.pack(">IIBBBBB", 2, 2, 8, 3, 0, 0, 0)
    assert parts[b"PLTE"] == b"\x00\x00\x00\xff\xff\xff"
    # The upper row is [1, 0] and x grows to the left.
    assert zlib.decompress(parts[b"IDAT"]) == b"\x00\x00\x01\x00\x01\x00"


def test_same_bytes_every_time(tmp_path):
    image = small_image()
    image.save_png(tmp_path / "a.png")
    save_png(image, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_scale_repeats_pixels(tmp_path):
    data = np.arange(6.0).reshape(2, 3)
    large = decoded(png_bytes(data, scale=3), tmp_path)
    assert np.array_equal(large, render(data).repeat(3, axis=0).repeat(3, axis=1))


def test_max_size_averages_blocks_and_keeps_the_range(tmp_path):
    data = np.zeros((8, 10))
    data[:4, :5] = 100
    data[7, 9] = np.nan
    small = decoded(png_bytes(data, max_size=5, front_view=False), tmp_path)
    blocks = [[100, 100, 50, 0, 0]] * 2 + [[0] * 5] * 2
    expected = render(np.array(blocks), vmin=0, vmax=100, front_view=False)
    assert np.array_equal(small, expected)
    assert np.array_equal(decoded(png_bytes(data, max_size=10), tmp_path), render(data))
    assert decoded(png_bytes(data, scale=2, max_size=10), tmp_path).shape == (8, 10, 4)


def test_shrink_leaves_out_missing_pixels():
    data = np.array([[1.0, np.nan, np.nan], [3.0, 8.0, np.nan], [5.0, 7.0, 9.0]])
    assert np.array_equal(shrink(data, 2), [[4, np.nan], [6, 9]], equal_nan=True)
    counts = np.ma.MaskedArray([[2, 9], [4, 9]], mask=[[False, True], [False, True]])
    assert shrink(counts, 2).tolist() == [[3]]


def test_write_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("old")
    with pytest.raises(GeometryError):
        save_png(np.zeros((2, 2)), path, norm="wrong")
    assert path.read_text() == "old"
    with pytest.raises(GeometryFileError, match="no such folder"):
        save_png(np.zeros((2, 2)), tmp_path / "no" / "a.png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0}, "scale must be"),
        ({"scale": 1.5}, "scale must be"),
        ({"scale": "a"}, "scale must be a whole number, at least 1, not 'a'"),
        ({"scale": None}, "scale must be a whole number"),
        ({"max_size": 0}, "max_size must be"),
        ({"max_size": "a"}, "max_size must be a whole number"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(GeometryError, match=message):
        png_bytes(np.zeros((2, 2)), **options)


def test_a_stack_needs_a_frame(tmp_path):
    stack = np.arange(8.0).reshape(2, 2, 2)
    with pytest.raises(GeometryError, match="frame="):
        png_bytes(stack)
    assert np.array_equal(decoded(png_bytes(stack, frame=1), tmp_path), render(stack[1]))


def test_notebooks_show_the_first_frame(tmp_path):
    image = small_image(frames=(3, 2))
    first = decoded(image._repr_png_(), tmp_path)
    assert np.array_equal(first, render(image, frame=(0, 0)))
    assert np.array_equal(decoded(small_image()._repr_png_(), tmp_path), render(small_image()))


def test_notebooks_show_large_images_small(tmp_path):
    from dataclasses import replace

    large = replace(small_image(), data=np.zeros((PREVIEW * 2, 100), np.float32))
    assert decoded(preview_png(large), tmp_path).shape == (PREVIEW, 50, 4)
