import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection, PolyCollection

from geomlib import BadRegion, GeometryError, example_geometry
from geomlib.detectors import EXAMPLE_NAMES, generic
from geomlib.plotting import inspect
from geomlib.plotting.inspection import LARGEST_MARK
from tests.plotting.small import SMALL


def polygons(collection):
    """Corners of each polygon of a collection, without the repeated first one."""
    return np.array([path.vertices[:-1] for path in collection.get_paths()])


def artists(ax):
    """Tiles, first rows and marks at first pixels, in the order they are drawn."""
    tiles, rows, marks = ax.collections[:3]
    assert isinstance(tiles, PolyCollection)
    assert isinstance(rows, LineCollection)
    return tiles, rows, marks


def texts(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
@pytest.mark.parametrize("tilted", [False, True])
def test_every_detector(name, tilted):
    geom = example_geometry(name)
    if tilted:
        geom = geom.rotate((10, -20, 30))
    ax = geom.inspect(units="mm")
    tiles, rows, marks = artists(ax)
    outlines = 1e3 * geom.tile_outlines()[..., :2]
    assert np.allclose(polygons(tiles), outlines, rtol=0, atol=1e-9)
    assert np.allclose(list(rows.get_segments()), outlines[:, :2], rtol=0, atol=1e-9)
    assert len(marks.get_paths()) == geom.n_tiles
    low, high = outlines.min(axis=(0, 1)), outlines.max(axis=(0, 1))
    left, right = ax.get_xlim()
    assert left > high[0]
    assert right < low[0]
    assert ax.get_ylim()[0] < low[1]
    assert ax.get_ylim()[1] > high[1]
    assert ax.get_title() == name
    assert ax.get_aspect() == 1
    ax.figure.canvas.draw()


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_no_two_labels_overlap(name):
    ax = example_geometry(name).inspect()
    renderer = ax.figure.canvas.get_renderer()
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent(renderer) for text in ax.texts if text.get_text()]
    assert len(boxes) > 1
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_labels_lie_in_their_tiles():
    geom = example_geometry("LPD-1M")
    ax = geom.inspect()
    ax.figure.canvas.draw()
    outlines = dict(zip(geom.detector.tile_names, polygons(artists(ax)[0]), strict=True))
    labels = [text for text in ax.texts if text.get_text() in outlines]
    assert len(labels) >= 200
    for label in labels:
        box = label.get_window_extent().transformed(ax.transData.inverted())
        corners = outlines[label.get_text()]
        # A pixel of tolerance: the width of letters is an estimate.
        assert (corners.min(axis=0) - 2 <= (min(box.x0, box.x1), box.y0)).all()
        assert (corners.max(axis=0) + 2 >= (max(box.x0, box.x1), box.y1)).all()


def test_names_of_modules_and_tiles():
    assert {"Q1M1", "Q4M4"} <= set(texts(example_geometry("AGIPD-1M").inspect()))
    jungfrau = texts(example_geometry("JUNGFRAU-1M").inspect())
    assert {"JNGFR01", "JNGFR02", "p0a0", "p1a7"} <= set(jungfrau)
    assert {"top", "bottom"} <= set(texts(example_geometry("pnCCD").inspect()))
    # One tile a module: the module's name says it all.
    assert "p0a0" not in texts(SMALL.inspect())
    assert "M0" not in texts(example_geometry("ePix100").inspect())
    bare = example_geometry("JUNGFRAU-1M").inspect(labels=False)
    assert texts(bare) == ["looking along the beam"]


def test_front_view_of_agipd():
    ax = example_geometry("AGIPD-1M").inspect()
    ax.figure.canvas.draw()
    place = {t.get_text(): ax.transData.transform(t.get_position()) for t in ax.texts}
    # Looking along the beam, quadrants count clockwise from the upper right.
    assert place["Q1M1"][0] > place["Q4M1"][0]
    assert place["Q2M1"][0] > place["Q3M1"][0]
    assert place["Q1M1"][1] > place["Q2M1"][1]
    mirrored = example_geometry("AGIPD-1M").inspect(front_view=False)
    left, right = mirrored.get_xlim()
    assert left < right
    assert "against the beam" in mirrored.texts[-1].get_text()


def test_units():
    geom = example_geometry("DSSC-1M")
    outlines = geom.tile_outlines()[..., :2]
    pixels = geom.inspect()
    ss, fs = geom.detector.pixel_size
    assert np.allclose(polygons(artists(pixels)[0]), outlines / [fs, ss])
    assert pixels.get_aspect() == pytest.approx(ss / fs)
    assert pixels.get_xlabel() == "x (pixels)"
    metres = geom.inspect(units="m")
    assert np.allclose(polygons(artists(metres)[0]), outlines)
    assert metres.get_ylabel() == "y (m)"
    with pytest.raises(GeometryError, match="units must be 'px', 'm'"):
        geom.inspect(units="inch")


def test_marks_show_fast_and_slow_scan():
    ax = SMALL.inspect(units="mm")
    first, along, across = polygons(artists(ax)[2])[0]
    assert first == pytest.approx([-7, -2])
    fs, ss = along - first, across - first
    assert fs[0] > 0
    assert fs[1] == 0
    assert ss[0] == 0
    assert ss[1] == pytest.approx(fs[0] / 2)
    # A quarter of the shorter side (4 mm), or 14 points.
    assert 0 < fs[0] <= 1
    assert LARGEST_MARK == 14


def test_beam_is_marked_where_it_is_in_view():
    near = SMALL.inspect()
    assert [tuple(line.get_xydata()[0]) for line in near.lines] == [(0, 0), (0, 0)]
    moved = SMALL.offset((20e-3, 0)).inspect(units="mm")
    assert len(moved.lines) == 2
    assert min(moved.get_xlim()) < 0
    far = SMALL.offset((1, 0)).inspect(units="mm")
    assert not far.lines
    assert "beam far outside: -1000, 0 mm" in far.texts[-1].get_text()
    assert min(far.get_xlim()) > 900


def test_bad_regions_are_hatched():
    geom = SMALL.replace(
        bad_regions=[
            BadRegion("bad1", tile=1, ss=(1, 3), fs=(0, 6)),
            BadRegion("bad2", x=(-1e-3, 1e-3), y=(-2e-3, 2e-3)),
        ]
    )
    ax = geom.inspect(units="mm")
    regions = ax.collections[3]
    assert regions.get_hatch() == "////"
    assert np.allclose(polygons(regions)[0], [[1, -1], [7, -1], [7, 1], [1, 1]])
    assert np.allclose(polygons(regions)[1], [[-1, -2], [1, -2], [1, 2], [-1, 2]])
    assert "bad region" in [t.get_text() for t in ax.get_legend().get_texts()]
    assert "bad region" not in [t.get_text() for t in SMALL.inspect().get_legend().get_texts()]


def test_cut_out_of_the_pnccd_faces_the_beam():
    ax = example_geometry("pnCCD").inspect()
    top, bottom = polygons(ax.collections[3])
    # 60 × 22 pixels in the middle of the inner sides, a gap of 4 mm (53.33 pixels) apart.
    edge = 2e-3 / 75e-6
    assert np.ptp(top, axis=0) == pytest.approx([60, 22])
    assert top.min(axis=0) == pytest.approx([-30, edge])
    assert bottom.max(axis=0) == pytest.approx([30, -edge])


def test_tilt_is_told():
    ax = SMALL.rotate((0, 90, 0)).inspect()
    assert "z -7 … 7 mm" in ax.texts[-1].get_text()
    assert "z" not in SMALL.inspect().texts[-1].get_text()
    ax.figure.canvas.draw()


@pytest.mark.parametrize("n", [1, 10, 1000])
def test_any_number_of_tiles(n):
    k = np.arange(n)
    geom = generic(np.stack([k % 40 * 0.02, k // 40 * 0.02], axis=1), (100, 150), 1e-4)
    ax = geom.inspect()
    assert len(artists(ax)[0].get_paths()) == n
    ax.figure.canvas.draw()
    # Labels too small to read are left out.
    assert all(text.get_fontsize() >= 6 for text in ax.texts)
    assert len(ax.texts) == {1: 1, 10: 11, 1000: 1}[n]


def test_names_from_files_are_no_formulas():
    from dataclasses import replace

    odd = replace(SMALL.detector, module_names=("$\\frac", "a\\$b"), name="$x")
    ax = SMALL.replace(detector=odd).inspect()
    ax.figure.canvas.draw()
    assert "$\\frac" in texts(ax)


def test_draws_where_it_is_told():
    figure, (left, right) = plt.subplots(1, 2)
    before = plt.get_fignums()
    assert inspect(SMALL, ax=right, title="mine") is right
    assert not left.collections
    assert right.get_title() == "mine"
    assert plt.get_fignums() == before
    sub = plt.figure().subfigures(1, 2)[0].subplots()
    inspect(SMALL, ax=sub)
    figure.canvas.draw()
