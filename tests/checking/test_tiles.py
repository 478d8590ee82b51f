"""Checks of positions: every example is clean, and each mistake is found and named."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from geomlib import check_geometry, detectors, example_geometry
from geomlib.checking.separation import box_gaps, close_pairs, penetration
from geomlib.detector import Detector
from geomlib.detectors import EXAMPLE_NAMES, agipd_1m, dssc_1m, jungfrau, lpd_1m
from geomlib.errors import GeometryError, GeometryWarning
from geomlib.geometry import Geometry
from geomlib.metadata import Source
from geomlib.units import energy_from_wavelength

AGIPD_QUADS = np.array([(-525, 625), (-550, -10), (520, -160), (542.5, 475)])
#: The directions in which the quadrants of AGIPD-1M open.
OUTWARDS = np.array([(-1, 1), (-1, -1), (1, -1), (1, 1)])
UP, BEHIND = np.array([0, 0.3, 0]), np.array([0, 0, 0.5])
LPD_QUADS = np.array([(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)])
REAL_DSSC = [(-124.1, 3.112), (-133.068, -110.604), (0.988, -125.236), (4.528, -4.912)]
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


@pytest.mark.parametrize(
    ("build", "quads", "unit"),
    [
        (agipd_1m, AGIPD_QUADS, 200e-6),
        (lpd_1m, LPD_QUADS, 1e-3),
        (dssc_1m, np.array(REAL_DSSC), 1e-3),
    ],
)
@pytest.mark.parametrize(
    ("change", "said", "mend"),
    [
        (lambda q: q * [1, -1], "y has the wrong sign", "change the sign of y"),
        (lambda q: q * [-1, 1], "x has the wrong sign", "change the sign of x"),
        (lambda q: -q, "x and y have the wrong sign", "change the signs of x and y"),
        (lambda q: q[:, ::-1], "x and y are exchanged", "exchange x and y"),
    ],
)
def test_signs_of_quadrant_positions(build, quads, unit, change, said, mend):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)
        geometry = build(change(quads), unit=unit)
    report = [f for f in check_geometry(geometry) if f.severity != "note"]
    assert [f.code for f in report] == ["quadrants-sign"]
    assert said in report[0].message
    assert report[0].mend.startswith(f"{mend}: ")
    right = ", ".join(f"({x:g}, {y:g})" for x, y in quads)
    assert report[0].mend.endswith(f"they are {right}")


@pytest.mark.parametrize(
    ("build", "quads", "unit", "factor", "said"),
    [
        (dssc_1m, np.array(REAL_DSSC) / 0.236, 1e-3, 0.236, "are pixels, and were taken as mill"),
        (dssc_1m, np.array(REAL_DSSC) * 1e-3, 1e-3, 1000, "are metres, and were taken as mill"),
        (agipd_1m, AGIPD_QUADS * 200, 200e-6, 0.005, "are micrometres, and were taken as pixels"),
        (lpd_1m, LPD_QUADS * 1000, 1e-3, 1e-3, "are micrometres, and were taken as millimetres"),
    ],
)
def test_more_units_of_quadrant_positions(build, quads, unit, factor, said):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)
        geometry = build(quads, unit=unit)
    report = [f for f in check_geometry(geometry) if f.severity != "note"]
    assert [f.code for f in report] == ["quadrants-unit"]
    assert said in report[0].message
    assert f"multiply them by {factor:g}: in units of {unit:g} m they are" in report[0].mend


def test_exchanged_quadrants_have_no_wrong_sign():
    for quads, build in ((AGIPD_QUADS, agipd_1m), (LPD_QUADS, lpd_1m)):
        geometry = build(quads[[1, 0, 2, 3]])
        assert set(found(geometry)) == {"quadrant-order"}


def test_a_dssc_with_nominal_gaps():
    """Real gaps inside quadrants are narrower than those of the constructor."""
    report = [f for f in check_geometry(dssc_1m(REAL_DSSC)) if f.severity != "note"]
    assert [(f.severity, f.code) for f in report] == [("warning", "overlapping-tiles")]
    assert "nominal" in report[0].message
    # Overlaps inside a quadrant are no matter of that.
    fs = example("DSSC-1M").tile_fs[0]
    geometry = tiles_changed(example("DSSC-1M"), [0], tile_corners=lambda c: c + 15 * fs)
    assert ("error", "overlapping-tiles") in {
        (f.severity, f.code) for f in check_geometry(geometry)
    }


# -- Corners in another unit --------------------------------------------------------------


@pytest.mark.parametrize("name", ["AGIPD-1M", "LPD-1M", "JUNGFRAU-4M", "ePix10K", "pnCCD"])
@pytest.mark.parametrize(("meant", "size"), [("mm", 1e-3), ("µm", 1e-6), ("metres", 1.0)])
def test_corners_in_another_unit(name, meant, size):
    geometry = example(name)
    pitch = min(geometry.detector.pixel_size)
    text = Source("a.geom", "crystfel")
    wrong = geometry.replace(tile_corners=geometry.tile_corners * (pitch / size), source=text)
    report = check_geometry(wrong)
    assert [(f.severity, f.code) for f in report] == [("error", "corners-unit")]
    assert f"are in {meant}, and were taken as pixels" in report.findings[0].message
    factor = pitch / size
    said = f"divide corner_x and corner_y by {factor:.10g}"
    if meant == "metres":
        said = f"multiply corner_x and corner_y by {1 / factor:.10g}"
    assert report.findings[0].mend.startswith(said)
    if name == "AGIPD-1M":
        assert "at (-525, 625), (-550, -10), (520, -160), (542.5, 475)" in report.findings[0].mend


def test_corners_of_other_formats():
    geometry = example("JUNGFRAU-4M")
    wrong = geometry.replace(tile_corners=geometry.tile_corners * 1000)
    (finding,) = check_geometry(wrong)
    assert "in mm, and were taken as metres" in finding.message
    assert finding.mend == "divide the corners by 1000"


# -- Sizes of tiles -----------------------------------------------------------------------


def with_bounds(geometry, tile, column, value):
    """Change the data of one tile, as a number in a file does."""
    bounds = geometry.detector.tile_bounds.copy()
    bounds[tile, column] = value
    shape = list(geometry.detector.data_shape)
    shape[2] = max(shape[2], value + 1)
    detector = Detector(
        name="generic",
        data_shape=tuple(shape),
        tile_bounds=bounds,
        pixel_size=geometry.detector.pixel_size,
    )
    return Geometry(detector, *geometry.tiles, distance=0.2, photon_energy=9300.0)


@pytest.mark.parametrize("name", ["AGIPD-1M", "JUNGFRAU-500K", "LPD-1M", "ePix100"])
def test_a_tile_of_another_size(name):
    geometry = example(name)
    last = int(geometry.detector.tile_bounds[:, 4].argmax())
    end = geometry.detector.tile_bounds[last, 4]
    wrong = with_bounds(geometry, last, 4, end + 1)
    (finding,) = [f for f in check_geometry(wrong) if f.code == "tile-size"]
    assert finding.severity == "warning"
    assert finding.tiles == (wrong.detector.tile_names[last],)
    assert f"cut as those of {name}" in finding.message


def test_a_tile_of_another_size_in_an_unknown_detector():
    geometry = detectors.generic([(0.02 * i, 0) for i in range(6)], (100, 100), 100e-6)
    assert "tile-size" not in found(geometry)
    assert found(with_bounds(geometry, 2, 4, 120))["tile-size"] == (
        geometry.detector.tile_names[2],
    )


# -- Free modules -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["JUNGFRAU-1M", "pnCCD"])
def test_free_modules_far_apart(name):
    geometry = example(name)
    tiles = np.flatnonzero(geometry.detector.tile_modules == 1)
    away = np.sign(geometry.tile_centres[tiles].mean(axis=0)) * [0, 1, 0]
    moved = tiles_changed(geometry, tiles, tile_corners=lambda c: c + 0.1 * away)
    (note,) = check_geometry(moved)
    assert (note.severity, note.code) == ("note", "far-tiles")
    assert set(found(tiles_changed(geometry, tiles, tile_corners=lambda c: c + 9 * away))) == {
        "far-tiles"
    }


def test_wide_gaps_are_one_finding():
    opened = agipd_1m(AGIPD_QUADS + 600 * OUTWARDS)
    assert [f.code for f in check_geometry(opened)].count("far-tiles") == 1


def test_free_modules_out_of_order():
    geometry = exchanged(example("JUNGFRAU-4M"), range(8), range(8, 16))
    (note,) = check_geometry(geometry)
    assert (note.severity, note.code) == ("note", "module-order")
    assert "another order than at European XFEL" in note.message


def test_a_wrong_sign_of_a_corner():
    for axis in (0, 1):
        geometry = tiles_changed(
            example("JUNGFRAU-4M"), [1], tile_corners=lambda c, i=axis: c * (1 - 2 * np.eye(3)[i])
        )
        (gap,) = [f for f in check_geometry(geometry) if f.code == "tile-gap"]
        assert gap.message.startswith("tile p0a1 is ")
        assert gap.mend == f"change the sign of {'xy'[axis]} of its corner"


def test_a_detector_beside_the_beam():
    report = check_geometry(example("AGIPD-1M").offset((0.4, 0)))
    assert [(f.severity, f.code) for f in report] == [("note", "far-from-beam")]


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


def test_a_wavelength_in_metres():
    geometry = example_geometry("ePix100").replace(
        distance=0.2, photon_energy=energy_from_wavelength(1.33)
    )
    (finding,) = check_geometry(geometry)
    assert finding.code == "energy"
    # hc = 12398.42 eV Å.
    assert "if 1.33 Å are meant, it is 9322.12 eV" in finding.mend


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
