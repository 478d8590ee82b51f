"""Checks of positions: every example is clean, and each mistake is found and named."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from geomlib import check_geometry, detectors, example_geometry
from geomlib.checking.separation import box_gaps, close_pairs, penetration
from geomlib.detectors import EXAMPLE_NAMES, agipd_1m, dssc_1m, jungfrau, lpd_1m
from geomlib.errors import GeometryError, GeometryWarning

AGIPD_QUADS = np.array([(-525, 625), (-550, -10), (520, -160), (542.5, 475)])
#: The directions in which the quadrants of AGIPD-1M open.
OUTWARDS = np.array([(-1, 1), (-1, -1), (1, -1), (1, 1)])
UP, BEHIND = np.array([0, 0.3, 0]), np.array([0, 0, 0.5])
LPD_QUADS = np.array([(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)])
DSSC_QUADS = np.array([(-130, 5), (-130, -125), (5, -125), (5, 5)])


def found(geometry):
    """Codes of errors and warnings, with their tiles."""
    return {f.code: f.tiles for f in check_geometry(geometry) if f.severity != "note"}


def example(name):
    return example_geometry(name).replace(distance=0.2, photon_energy=9300.0)


def tiles_changed(geometry, tiles, **change):
    """Change arrays of some tiles by functions of them."""
    arrays = {}
    for name, function in change.items():
        array = getattr(geometry, name).copy()
        array[tiles] = function(array[tiles])
        arrays[name] = array
    return geometry.replace(**arrays)


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_examples_are_clean(name):
    report = check_geometry(example(name))
    assert report.is_clean
    assert len(report) == 0
    assert list(report) == []
    # Turned, moved and tilted as a whole, as real ones are.
    moved = example(name).rotate((1, -0.5, 0.7)).offset((0.003, -0.002, 0.1))
    assert check_geometry(moved).is_clean


def test_other_arrangements_are_clean():
    for geometry in (
        detectors.epix100_pair(),
        jungfrau([(0, 0), (1100, 30)], [(-1, -1), (1, 1)]),
        detectors.lpd_mini([(0, 0), (200, 80), (-160, 7)], [0, 77, -90]),
        agipd_1m(AGIPD_QUADS, asic_gap=2.5, panel_gap=27),
        agipd_1m(AGIPD_QUADS + 60 * OUTWARDS),
    ):
        assert check_geometry(geometry).is_clean


# -- Steps --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["AGIPD-1M", "JUNGFRAU-4M", "LPD-1M", "DSSC-1M"])
def test_wrong_pixel_size(name):
    geometry = example(name)
    wrong = geometry.replace(tile_ss=geometry.tile_ss * 1.05, tile_fs=geometry.tile_fs * 1.05)
    assert "pixel-size" in found(wrong)
    unknown = wrong.replace(detector=replace(wrong.detector, name="generic", quadrants=None,
                                             motors=None), groups=None)  # fmt: skip
    (finding,) = [f for f in check_geometry(unknown) if f.code == "pixel-size"]
    assert name in finding.message
    # Right for that detector, whatever it is called.
    right = geometry.replace(detector=unknown.detector, groups=None)
    assert "pixel-size" not in found(right)


def test_pixel_size_of_an_image():
    geometry = detectors.generic([(0, 0)], (4362, 4148), 172e-6)
    (finding,) = [f for f in check_geometry(geometry) if f.code == "pixel-size"]
    assert "Eiger2-16M, whose pixels are 75 µm; here they are 172 µm" in finding.message
    assert "make them 75 µm (13333.33333 a metre)" in finding.mend


def test_steps_that_are_no_pixel():
    geometry = tiles_changed(example("AGIPD-1M"), [5], tile_ss=lambda s: s * 0.9)
    assert found(geometry) == {"step-length": ("p0a5",)}
    stretched = tiles_changed(example("AGIPD-1M"), [5], tile_ss=lambda s: s * 0.99)
    (note,) = check_geometry(stretched)
    assert (note.severity, note.code) == ("note", "step-length")


@pytest.mark.parametrize(("degrees", "severity"), [(3, "error"), (0.5, "note")])
def test_skewed_steps(degrees, severity):
    slope = np.tan(np.radians(degrees))
    geometry = tiles_changed(
        example("JUNGFRAU-500K"), [2], tile_ss=lambda s: s + np.array([slope * 75e-6, 0, 0])
    )
    skewed = [f for f in check_geometry(geometry) if f.code == "skewed-steps"]
    assert [(f.severity, f.tiles) for f in skewed] == [(severity, ("p0a2",))]
    assert f"{degrees:.2g}°" in skewed[0].message


# -- How tiles lie to each other ----------------------------------------------------------


def test_overlapping_tiles():
    geometry = tiles_changed(
        example("JUNGFRAU-1M"), [3], tile_corners=lambda c: c - [40 * 75e-6, 0, 0]
    )
    wrong = found(geometry)
    assert wrong["overlapping-tiles"] == ("p0a2", "p0a3")
    assert wrong["tile-gap"] == ("p0a3",)
    (overlap,) = [f for f in check_geometry(geometry) if f.code == "overlapping-tiles"]
    assert "p0a2 and p0a3 by 38 pixels" in overlap.message  # 40 less the gap of 2


def test_tiles_that_stand_behind_each_other():
    geometry = detectors.generic([(0, 0, 0), (0.003, 0, 0.02)], (100, 100), 100e-6)
    (overlap,) = [f for f in check_geometry(geometry) if f.code == "overlapping-tiles"]
    assert overlap.severity == "note"
    assert "by 70 pixels: one stands behind the other" in overlap.message


def test_a_tile_far_away():
    geometry = tiles_changed(example("AGIPD-1M"), [77], tile_corners=lambda c: c + UP)
    wrong = found(geometry)
    assert wrong["far-tiles"] == ("p9a5",)
    assert wrong["tile-gap"] == ("p9a5",)
    # Along the beam too: a coffset in millimetres.
    behind = tiles_changed(example("AGIPD-1M"), [77], tile_corners=lambda c: c + BEHIND)
    assert found(behind) == {"far-tiles": ("p9a5",)}


def test_a_detector_far_away():
    assert set(found(example("ePix100").offset((3.0, 0)))) == {"far-from-beam"}
    assert set(found(example("ePix100").offset((-3.0, 0)))) == {"far-from-beam"}
    assert found(example("ePix100").offset((0.5, 0))) == {}


# -- Handedness and orientation -----------------------------------------------------------


def mirrored(geometry, tiles):
    """The same pixels, with fs backwards: the corner is at the other end of the row."""
    n_fs = geometry.detector.tile_shapes[tiles, 1][:, np.newaxis]
    corners, fs = geometry.tile_corners.copy(), geometry.tile_fs.copy()
    corners[tiles] += n_fs * fs[tiles]
    fs[tiles] *= -1
    return geometry.replace(tile_corners=corners, tile_fs=fs)


def half_turned(geometry, modules):
    return geometry.rotate((0, 0, 180), modules=modules)


def test_mirrored_tiles():
    geometry = mirrored(example("AGIPD-1M"), np.arange(8, 16))
    assert found(geometry) == {"mirrored-tiles": tuple(f"p1a{a}" for a in range(8))}
    some = mirrored(example("JUNGFRAU-4M"), np.array([3]))
    assert found(some) == {"mirrored-tiles": ("p0a3",)}


@pytest.mark.parametrize("name", ["AGIPD-1M", "LPD-1M", "DSSC-1M", "ePix100", "AGIPD-500K"])
def test_a_mirrored_detector(name):
    geometry = example(name)
    geometry = mirrored(geometry, np.arange(geometry.n_tiles))
    assert set(found(geometry)) == {"mirrored-detector"}


@pytest.mark.parametrize("name", ["JUNGFRAU-4M", "pnCCD"])
def test_detectors_that_may_be_mirrored(name):
    geometry = example(name)
    mirror = np.array([-1, 1, 1])
    whole = geometry.replace(
        tile_corners=geometry.tile_corners * mirror,
        tile_ss=geometry.tile_ss * mirror,
        tile_fs=geometry.tile_fs * mirror,
    )
    assert found(whole) == {}


def test_turned_modules():
    geometry = half_turned(example("LPD-1M"), [6])
    assert found(geometry) == {"turned-modules": tuple(f"p6a{a}" for a in range(16))}
    tile = example("JUNGFRAU-4M").rotate((0, 0, 180), modules=[2], tiles=[1])
    assert found(tile) == {"turned-tiles": ("p2a1",)}
    # Free modules may be turned as a whole.
    assert found(example("JUNGFRAU-4M").rotate((0, 0, 180), modules=[2])) == {}


def test_a_turned_detector():
    report = check_geometry(example("AGIPD-1M").rotate((0, 0, 90)))
    assert [(f.severity, f.code) for f in report] == [("note", "turned-detector")]
    assert "by 90°" in report.findings[0].message


# -- Order and gaps -----------------------------------------------------------------------


def exchanged(geometry, a, b):
    """Exchange the places of tiles, not those of their data."""
    order = np.arange(geometry.n_tiles)
    order[[*a, *b]] = [*b, *a]
    return geometry.replace(
        tile_corners=geometry.tile_corners[order],
        tile_ss=geometry.tile_ss[order],
        tile_fs=geometry.tile_fs[order],
    )


def test_tiles_out_of_order():
    assert found(exchanged(example("AGIPD-1M"), [3], [6])) == {"tile-order": ("p0a3", "p0a6")}
    order = np.arange(128).reshape(16, 8)[:, ::-1].ravel()
    geometry = example("AGIPD-1M")
    backwards = geometry.replace(tile_corners=geometry.tile_corners[order])
    assert set(found(backwards)) == {"tile-order"}


def test_modules_out_of_order():
    geometry = exchanged(example("AGIPD-1M"), range(8), range(16, 24))
    wrong = found(geometry)
    assert set(wrong) == {"module-order"}
    assert set(wrong["module-order"]) == {f"p{m}a{a}" for m in (0, 2) for a in range(8)}


def test_quadrants_out_of_order():
    # Turned halves have other directions, so that only neighbours of the same side go unseen.
    geometry = exchanged(example("AGIPD-1M"), range(32), range(32, 64))
    assert set(found(geometry)) == {"quadrant-order"}


def test_unusual_gaps():
    assert set(found(agipd_1m(AGIPD_QUADS, asic_gap=10))) >= {"tile-gap"}
    opened = AGIPD_QUADS + 300 * OUTWARDS
    assert "module-gap" in found(agipd_1m(opened, panel_gap=80))
    assert "tile-gap" in found(detectors.epix10k(asic_gap=30))
    assert "overlapping-tiles" in found(agipd_1m(AGIPD_QUADS, asic_gap=-20))


# -- Quadrants ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "quads", "unit", "factor", "said"),
    [
        (agipd_1m, AGIPD_QUADS * 0.2, 200e-6, 5, "are millimetres, and were taken as pixels"),
        (agipd_1m, AGIPD_QUADS, 1e-3, 0.2, "are pixels, and were taken as millimetres"),
        (lpd_1m, LPD_QUADS, 1.0, 1e-3, "are millimetres, and were taken as metres"),
        (lpd_1m, LPD_QUADS * 2, 1e-3, 0.5, "are pixels, and were taken as millimetres"),
        (dssc_1m, DSSC_QUADS * 1e-3, 1e-3, 1000, "are metres, and were taken as millimetres"),
    ],
)
def test_quadrants_in_the_wrong_unit(build, quads, unit, factor, said):
    gaps = {"asic_gap": 2, "panel_gap": 29} if build is agipd_1m else {}
    scale = 200e-6 if build is agipd_1m else 1.0
    with warnings.catch_warnings():
        # The constructor warns of some of these as well.
        warnings.simplefilter("ignore", GeometryWarning)
        geometry = build(quads, unit=unit, **{k: v * scale / unit for k, v in gaps.items()})
    report = [f for f in check_geometry(geometry) if f.severity != "note"]
    assert [f.code for f in report] == ["quadrants-unit"]
    assert said in report[0].message
    assert f"multiply them by {factor:g}" in report[0].mend


def test_quadrants_on_top_of_each_other():
    with pytest.warns(GeometryWarning, match="on top of each other"):
        geometry = agipd_1m([(0, 0)] * 4)
    # No unit helps.
    assert "overlapping-tiles" in found(geometry)
    assert "quadrants-unit" not in found(geometry)


# -- Experiment ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distance", "energy", "expected"),
    [
        (200.0, 9300.0, [("error", "distance")]),
        (2e-4, 9300.0, [("error", "distance")]),
        (50.0, 9300.0, [("warning", "distance")]),
        (0.2, 9.3, [("error", "energy")]),
        (0.2, 9.3e6, [("error", "energy")]),
        (0.2, 80.0, [("warning", "energy")]),
        (0.2, 250e3, [("warning", "energy")]),
        (2.0, 500e3, [("note", "energy")]),
        (0.2, 9300.0, []),
        (None, None, [("note", "no-distance"), ("note", "no-energy")]),
    ],
)
def test_experiment(distance, energy, expected):
    geometry = example_geometry("ePix100").replace(distance=distance, photon_energy=energy)
    assert [(f.severity, f.code) for f in check_geometry(geometry)] == expected


# -- Arguments and arithmetic -------------------------------------------------------------


def test_arguments():
    with pytest.raises(GeometryError, match="for files"):
        check_geometry(example("ePix100"), format="crystfel")
    with pytest.raises(GeometryError, match="geometry must be the path"):
        check_geometry(3)


def square(x, y, size=1.0, angle=0.0):
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * size - size / 2
    sin, cos = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    return corners @ np.array([[cos, sin], [-sin, cos]]) + [x, y]


@pytest.mark.parametrize(
    ("other", "depth"),
    [
        (square(0.75, 0), 0.25),
        (square(1.5, 0), -0.5),
        (square(0, 0), 1.0),
        # A corner of a square on its tip points into the other's side: half a diagonal long.
        (square(1.0, 0, angle=45), 0.5 + np.sqrt(0.5) - 1.0),
    ],
)
def test_penetration(other, depth):
    outlines = np.stack([square(0, 0), other])
    found = penetration(outlines, np.array([(0, 1), (1, 0)]))
    assert found == pytest.approx([depth, depth], abs=1e-12)


def test_close_pairs_are_all_pairs_of_overlapping_boxes():
    rng = np.random.default_rng(5)
    outlines = np.array([square(*rng.uniform(0, 6, 2), angle=a) for a in rng.uniform(0, 90, 40)])
    low, high = outlines.min(axis=1), outlines.max(axis=1)
    expected = {
        (a, b)
        for b in range(40)
        for a in range(b)
        if (low[a] < high[b]).all() and (low[b] < high[a]).all()
    }
    assert set(map(tuple, close_pairs(outlines).tolist())) == expected


def test_widest_gaps():
    places = [(0, 0), (2, 0), (4, 0), (14, 0), (16, 0)]
    flat = np.array([square(x, y) for x, y in places])
    outlines = np.concatenate([flat, np.zeros((5, 4, 1))], axis=2)
    gap, large, small = box_gaps(outlines)[0]
    assert gap == pytest.approx(9)
    assert (large.tolist(), small.tolist()) == ([0, 1, 2], [3, 4])
    assert box_gaps(outlines[:1]) == []
