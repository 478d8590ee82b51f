import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from geomlib import example_geometry
from geomlib.detectors import EXAMPLE_NAMES, generic
from geomlib.metadata import Source
from geomlib.plotting import geometry_svg
from geomlib.plotting.svg import MAX_TILES
from tests.plotting.small import SMALL

SVG = "{http://www.w3.org/2000/svg}"


def polygons(root):
    return np.array(
        [
            [[float(c) for c in point.split(",")] for point in polygon.get("points").split()]
            for polygon in root.iter(SVG + "polygon")
        ]
    )


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_one_polygon_a_tile(name):
    geom = example_geometry(name)
    text = geom._repr_svg_()
    root = ET.fromstring(text)
    assert len(polygons(root)) == geom.n_tiles
    assert len(text) < 100 * geom.n_tiles + 2000
    width, height = (float(v) for v in root.get("viewBox").split()[2:])
    assert polygons(root).min() >= 0
    assert (polygons(root) <= (width, height)).all()


def test_front_view_to_scale():
    root = ET.fromstring(geometry_svg(SMALL))
    first, second = polygons(root)
    # 14 mm on 360 units; x grows to the left and y up.
    scale = 360 / 14
    assert np.ptp(first, axis=0) == pytest.approx(np.array([6, 4]) * scale, abs=0.1)
    assert first.min() > 0
    assert first[:, 0].min() > second[:, 0].max()
    corner, end_of_first_row = first[:2]
    assert corner[1] == first[:, 1].max()
    assert end_of_first_row[0] < corner[0]
    (beam,) = root.iter(SVG + "path")
    assert beam.get("d").startswith(f"M{first[:, 0].min() - scale - 6:.1f}")


def test_colours_of_quadrants():
    root = ET.fromstring(geometry_svg(example_geometry("AGIPD-1M")))
    groups = list(root.iter(SVG + "g"))
    assert [len(list(g)) for g in groups] == [32] * 4
    assert len({g.get("fill") for g in groups}) == 4


def test_thousands_of_tiles_stay_small():
    n = 5000
    k = np.arange(n)
    geom = generic(np.stack([k % 100 * 0.01, k // 100 * 0.01], axis=1), (90, 90), 1e-4)
    text = geometry_svg(geom)
    root = ET.fromstring(text)
    assert len(polygons(root)) == MAX_TILES
    assert len(text) < 150_000
    assert f"{MAX_TILES} of 5000 tiles" in next(root.iter(SVG + "text")).text


def test_names_are_escaped():
    bad = '<script>alert("&")</script>\x00\x1b\ud800'
    odd = replace(SMALL.detector, name=bad)
    geom = SMALL.replace(detector=odd, source=Source(f"/tmp/{bad}.geom".replace("/s", "s"), "x"))
    text = geometry_svg(geom)
    text.encode("utf-8")
    root = ET.fromstring(text)
    assert not list(root.iter(SVG + "script"))
    assert '<script>alert("&")' in next(root.iter(SVG + "text")).text


def test_beam_far_away_and_tiles_edge_on():
    far = ET.fromstring(geometry_svg(SMALL.offset((1, 0))))
    assert not list(far.iter(SVG + "path"))
    assert np.ptp(polygons(far)[..., 0]) == pytest.approx(360, abs=0.2)
    edge_on = SMALL.rotate((0, 90, 0))
    assert np.isfinite(polygons(ET.fromstring(geometry_svg(edge_on)))).all()


def test_needs_no_matplotlib():
    code = (
        "import sys, geomlib; geomlib.example_geometry('pnCCD')._repr_svg_();"
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
