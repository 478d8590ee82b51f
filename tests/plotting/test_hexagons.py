import numpy as np
import pytest

from geomlib import GeometryError, assemble_data
from geomlib.plotting.hexagons import TileHexagons
from tests.plotting.small import HEXAGONAL, small_image


def tiles(ax):
    return [c for c in ax.collections if isinstance(c, TileHexagons)]


def test_hexagons_are_those_of_the_geometry():
    geom = HEXAGONAL.rotate((0, 0, 0.1))
    data = np.arange(48, dtype=np.float32).reshape(geom.data_shape)
    ax = assemble_data(data, geom).plot(hexagons=True, units="m")
    corners = geom.pixel_corners()[..., :2]
    assert len(tiles(ax)) == 2
    for module, tile in enumerate(tiles(ax)):
        shape = tile.get_paths()[0].vertices[:-1]
        drawn = tile.get_offsets()[:, np.newaxis] + shape
        assert np.allclose(drawn.reshape(4, 6, 6, 2), corners[module], rtol=0, atol=1e-12)
        assert np.array_equal(tile.get_array(), data[module].ravel())
    assert ax.get_xlim()[0] > corners[..., 0].max()
    assert ax.get_ylim()[1] > corners[..., 1].max()


def test_each_hexagon_lands_on_its_pixels():
    """The picture itself: the colour at the centre of each hexagon is that of its value."""
    image = small_image(HEXAGONAL)
    ax = image.plot(hexagons=True, units="mm", vmin=0, vmax=47, centre_mark=False)
    figure = ax.figure
    for limits in (None, ((-1.5, -6.5), (-1.4, 0.9))):
        if limits is not None:  # zoomed in and seen from the other side
            ax.set_xlim(*limits[0])
            ax.set_ylim(*limits[1])
        figure.canvas.draw()
        picture = np.asarray(figure.canvas.buffer_rgba())
        centres = 1e3 * HEXAGONAL.pixel_positions()[..., :2].reshape(-1, 2)
        places = ax.transData.transform(centres)
        inside = ax.bbox.padded(-3).contains  # not under the frame
        seen = [i for i, place in enumerate(places) if inside(*place)]
        assert len(seen) >= 6
        expected = tiles(ax)[0].cmap(np.arange(48) / 47, bytes=True).astype(int)
        for i in seen:
            x, y = places[i]
            pixel = picture[picture.shape[0] - 1 - int(y), int(x)].astype(int)
            assert np.abs(pixel - expected[i]).max() <= 2


def test_only_the_chosen_modules():
    ax = small_image(HEXAGONAL).plot(hexagons=True, modules=1, units="mm")
    assert len(tiles(ax)) == 1
    assert min(ax.get_xlim()) > 0
    assert len(tiles(small_image(HEXAGONAL).plot(hexagons=True, modules=[0, 1]))) == 2
    for wrong in (2, -1, [], "a", 0.5):
        with pytest.raises(GeometryError, match="modules must be numbers from 0 to 1"):
            small_image(HEXAGONAL).plot(hexagons=True, modules=wrong)


def test_tiles_out_of_view_are_not_drawn(monkeypatch):
    ax = small_image(HEXAGONAL).plot(hexagons=True, units="mm")
    ax.set_xlim(-1, -6)
    from matplotlib.collections import PolyCollection

    drawn = []
    monkeypatch.setattr(PolyCollection, "draw", lambda self, renderer: drawn.append(self))
    ax.figure.canvas.draw()
    assert [t for t in drawn if isinstance(t, TileHexagons)] == tiles(ax)[:1]


def test_missing_pixels_and_frames():
    image = small_image(HEXAGONAL, frames=(2,))
    image.data[1, 0, 0] = np.nan
    ax = image.plot(hexagons=True, frame=1)
    first = tiles(ax)[0].get_array()
    assert first.mask.tolist() == [True] + [False] * 23
    assert first[1] == 49
    ax.figure.canvas.draw()
    assert ax.child_axes[0].get_ylim()[1] <= 95


def test_integer_images():
    ax = small_image(HEXAGONAL, dtype=np.uint16).plot(hexagons=True)
    assert tiles(ax)[1].get_array().tolist() == list(range(24, 48))


def test_vector_files_can_hold_them_as_pixels():
    import io

    ax = small_image(HEXAGONAL).plot(hexagons=True, rasterized=True)
    file = io.BytesIO()
    ax.figure.savefig(file, format="svg")
    assert b"<image" in file.getvalue()
