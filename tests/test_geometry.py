"""The model: positions, changes, value semantics, bad input."""

import pickle

import numpy as np
import pytest

import geomlib
from geomlib import BadRegion, Detector, Geometry, GeometryError, coordinates
from geomlib.detector import Quadrants
from geomlib.detectors import EXAMPLE_NAMES
from geomlib.metadata import Source

#: Rounding of a few operations on numbers of the size of a detector (1 m), in metres.
ROUNDING = 4 * np.finfo(float).eps


BLOCK = BadRegion("bad", tile=1, ss=(0, 2), fs=(0, 3))


def tilted(name):
    """A geometry with every tile tilted, turned and moved, reproducibly, without overlap."""
    geometry = geomlib.example_geometry(name)
    rng = np.random.default_rng(1)
    shape = (geometry.n_modules, geometry.n_tiles // geometry.n_modules, 3)
    angles, shifts = rng.normal(0, 1, shape), rng.normal(0, 1, shape)
    return geometry.rotate(angles * [1, 1, 0.02]).offset(shifts * [1e-5, 1e-5, 1e-3])


def toy(**changes):
    detector = Detector(
        "toy", (2, 4, 3), [(0, 0, 4, 0, 3), (1, 0, 2, 0, 3), (1, 2, 4, 0, 3)], (1e-3, 2e-3)
    )
    arguments = {
        "detector": detector,
        "tile_corners": np.array([[0, 0, 0], [0.1, 0, 0], [0.1, 0.01, 0.001]]),
        "tile_ss": np.array([[0, 1e-3, 0]] * 3),
        "tile_fs": np.array([[2e-3, 0, 0]] * 3),
    }
    return Geometry(**(arguments | changes))


# -- Positions --------------------------------------------------------------------------


def test_pixel_positions_by_hand():
    positions = toy().pixel_positions()
    np.testing.assert_allclose(positions[0, 0, 0], [1e-3, 0.5e-3, 0], atol=ROUNDING)
    np.testing.assert_allclose(positions[1, 3, 2], [0.105, 0.0115, 0.001], atol=ROUNDING)
    corners = toy().pixel_positions(reference="corner")
    np.testing.assert_allclose(corners[1, 3, 2], [0.104, 0.011, 0.001], atol=ROUNDING)


def test_pixels_without_a_tile_have_no_position():
    detector = Detector("toy", (1, 4, 3), [(0, 1, 4, 0, 2)], (1e-3, 1e-3))
    geometry = Geometry(detector, [[0, 0, 0]], [[0, 1e-3, 0]], [[1e-3, 0, 0]])
    known = np.isfinite(geometry.pixel_positions()).all(axis=-1)
    assert known.sum() == 6
    assert known[0, 1:, :2].all()
    assert np.isnan(geometry.data_to_lab(0, 0.5, 0.5)).all()
    np.testing.assert_array_equal(geometry.bad_pixels(), ~known)


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_centre_is_the_mean_of_the_corners(name):
    geometry = tilted(name)
    np.testing.assert_allclose(
        geometry.pixel_corners().mean(axis=-2), geometry.pixel_positions(), atol=ROUNDING
    )


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_data_to_lab_and_back(name):
    geometry = tilted(name)
    rng = np.random.default_rng(2)
    module, s, f = (rng.integers(0, n, 3000) for n in geometry.data_shape)
    # Inside the pixel, and for hexagons inside the hexagon.
    ds, df = rng.uniform(0.3, 0.7, (2, 3000))
    there = geometry.data_to_lab(module, s + ds, f + df)
    back = geometry.lab_to_data(there[:, 0], there[:, 1])
    np.testing.assert_array_equal(back[0], module)
    # u and v are differences of coordinates of up to 1 m, in steps of 50 µm or more, and a tile
    # has up to 1024 of them.
    np.testing.assert_allclose(back[1], s + ds, rtol=0, atol=1e-10)
    np.testing.assert_allclose(back[2], f + df, rtol=0, atol=1e-10)
    centres = geometry.data_to_lab(module, s + 0.5, f + 0.5)
    np.testing.assert_allclose(
        centres, geometry.pixel_positions()[module, s, f], rtol=0, atol=ROUNDING
    )


def test_lab_to_data_finds_nothing_in_gaps():
    geometry = geomlib.example_geometry("AGIPD-1M")
    module, s, f = geometry.lab_to_data([0.0, 1.0, np.nan], [0.0, 0.0, 0.0])
    assert module.tolist() == [-1, -1, -1]
    assert np.isnan(s).all()
    assert np.isnan(f).all()


def test_lab_to_data_is_half_open_and_prefers_the_later_tile():
    geometry = toy(tile_corners=np.array([[0, 0, 0], [0, 0, 0], [0, 0.002, 0]]))
    module, s, f = geometry.lab_to_data(0.0, 0.0)
    assert (int(module), float(s), float(f)) == (1, 0.0, 0.0)
    assert int(geometry.lab_to_data(6e-3, 0.0)[0]) == -1


def test_hexagons_tile_the_plane():
    """Every point inside a DSSC tile lies in the hexagon whose centre is nearest to it.

    The hexagons are regular but for a stretch of rows (their centres are 1.5/√3 of the width
    apart, as for a regular hexagon), so nearest centre and containing hexagon agree.
    """
    geometry = geomlib.example_geometry("DSSC-1M")
    positions = geometry.pixel_positions()[5]
    centre = positions[60, 100]
    rng = np.random.default_rng(3)
    points = centre[:2] + rng.uniform(-1, 1, (500, 2)) * 1e-3
    module, s, f = geometry.lab_to_data(points[:, 0], points[:, 1])
    assert (module == 5).all()
    window = positions[50:70, 90:110, :2].reshape(-1, 2)
    nearest = np.argmin(((points[:, np.newaxis] - window) ** 2).sum(axis=-1), axis=1)
    found = (np.floor(s).astype(int) - 50) * 20 + np.floor(f).astype(int) - 90
    np.testing.assert_array_equal(found, nearest)


@pytest.mark.parametrize(
    ("name", "tiles_area"),
    [
        # A module of AGIPD: 512 rows and 7 seams of 2 rows, all of them sensitive.
        ("AGIPD-1M", 16 * (512 + 14) * 128 * 200e-6**2),
        ("JUNGFRAU-500K", (512 + 2) * (1024 + 6) * 75e-6**2),
        ("ePix100", (704 + 5) * (768 + 5) * 50e-6**2),
        ("ePix10K", (352 + 3) * (384 + 3) * 100e-6**2),
        ("LPD-1M", 16 * 256 * 256 * 500e-6**2),
    ],
)
def test_wide_pixels_fill_the_seams(name, tiles_area):
    corners = geomlib.example_geometry(name).pixel_corners(wide=True)[..., :2]
    diagonals = corners[..., 2, :] - corners[..., 0, :], corners[..., 3, :] - corners[..., 1, :]
    a, b = diagonals
    area = 0.5 * np.abs(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).sum()
    assert area == pytest.approx(tiles_area, rel=1e-9)


def test_wide_pixel_of_epix100_is_175_micrometres():
    corners = geomlib.example_geometry("ePix100").pixel_corners(wide=True)[0, 351, 383]
    np.testing.assert_allclose(np.ptp(corners, axis=0), [175e-6, 175e-6, 0], atol=ROUNDING)


def test_outlines_and_centres():
    outline = toy().tile_outlines()[0]
    expected = [[0, 0, 0], [6e-3, 0, 0], [6e-3, 4e-3, 0], [0, 4e-3, 0]]
    np.testing.assert_allclose(outline, expected, atol=ROUNDING)
    np.testing.assert_allclose(toy().tile_centres[0], [3e-3, 2e-3, 0], atol=ROUNDING)
    np.testing.assert_allclose(
        toy().module_centres[1], [0.103, (0.001 + 0.011) / 2, 0.0005], atol=ROUNDING
    )


def test_centre_of_a_module_without_tiles_is_missing():
    detector = Detector("toy", (3, 4, 3), [(0, 0, 4, 0, 3), (2, 0, 4, 0, 3)], (1e-3, 1e-3))
    steps = np.zeros((2, 2, 3))
    steps[0, :, 1] = steps[1, :, 0] = 1e-3
    centres = Geometry(detector, np.zeros((2, 3)), *steps).module_centres
    np.testing.assert_allclose(centres[[0, 2]], [[1.5e-3, 2e-3, 0]] * 2, atol=ROUNDING)
    assert np.isnan(centres[1]).all()


def test_centres_of_modules_take_those_of_the_tiles_once(monkeypatch):
    calls = []
    plain = coordinates.tile_centres

    def counted(*arguments):
        calls.append(arguments)
        return plain(*arguments)

    monkeypatch.setattr(coordinates, "tile_centres", counted)
    assert geomlib.example_geometry("LPD-1M").module_centres.shape == (16, 3)
    assert len(calls) == 1


def test_quadrant_without_a_tile_has_no_position():
    detector = Detector(
        "toy",
        (2, 4, 3),
        [(1, 0, 4, 0, 3)],
        (1e-3, 1e-3),
        quadrants=Quadrants(((0,), (1,)), "first", 1e-3),
    )
    geometry = Geometry(detector, [[0.1, 0.2, 0]], [[0, 1e-3, 0]], [[1e-3, 0, 0]])
    np.testing.assert_allclose(geometry.quad_positions(), [[np.nan, np.nan], [100, 200]])


# -- Changes ----------------------------------------------------------------------------


def test_offset_selects_modules_tiles_and_groups():
    geometry = geomlib.example_geometry("AGIPD-1M")
    module = geometry.detector.tile_modules

    def moved(**selection):
        shifted = geometry.offset((1e-3, 2e-3, 3e-3), **selection)
        step = shifted.tile_corners - geometry.tile_corners
        changed = np.any(step != 0, axis=1)
        np.testing.assert_allclose(
            step[changed], np.broadcast_to([1e-3, 2e-3, 3e-3], (changed.sum(), 3)), atol=ROUNDING
        )
        np.testing.assert_array_equal(shifted.tile_ss, geometry.tile_ss)
        return np.flatnonzero(changed).tolist()

    assert moved() == list(range(128))
    assert moved(modules=3) == list(range(24, 32))
    assert moved(modules=np.s_[0:4]) == np.flatnonzero(module < 4).tolist()
    assert moved(modules=[0, 15], tiles=np.s_[::7]) == [0, 7, 120, 127]
    assert moved(modules=module.reshape(16, 8)[:, 0] == 2, tiles=-1) == [23]
    assert moved(modules=(0, 15), tiles=(0, 7)) == [0, 7, 120, 127]
    assert moved(group="q1") == list(range(32, 64))
    assert moved(group="p15") == list(range(120, 128))


def test_offset_with_a_shift_a_module_or_a_tile():
    geometry = geomlib.example_geometry("AGIPD-1M")
    each = np.random.default_rng(0).normal(size=(16, 2))
    step = geometry.offset(each).tile_corners - geometry.tile_corners
    np.testing.assert_allclose(step[:, :2], np.repeat(each, 8, axis=0), atol=ROUNDING)
    assert (step[:, 2] == 0).all()
    each = np.random.default_rng(0).normal(size=(2, 3, 3))
    step = geometry.offset(each, modules=[4, 2], tiles=np.s_[:3]).tile_corners
    step = (step - geometry.tile_corners).reshape(16, 8, 3)
    np.testing.assert_allclose(step[[4, 2], :3], each, atol=ROUNDING)


def test_rotation_is_right_handed():
    geometry = toy()
    turned = geometry.rotate((0, 0, 90))
    x_to_y = [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]
    np.testing.assert_allclose(turned.tile_fs, geometry.tile_fs @ x_to_y, atol=ROUNDING)
    np.testing.assert_allclose(turned.tile_corners, geometry.tile_corners @ x_to_y, atol=ROUNDING)
    about_x = geometry.rotate((np.pi / 2, 0, 0), degrees=False)
    np.testing.assert_allclose(about_x.tile_ss[0], [0, 0, 1e-3], atol=ROUNDING)
    about_y = geometry.rotate((0, 90, 0))
    np.testing.assert_allclose(about_y.tile_fs[0], [0, 0, -2e-3], atol=ROUNDING)


def test_rotation_keeps_the_right_point_in_place():
    geometry = geomlib.example_geometry("JUNGFRAU-4M")
    angles = (3, -5, 7)
    modules = geometry.rotate(angles, modules=np.s_[1:3])
    np.testing.assert_allclose(modules.module_centres, geometry.module_centres, atol=ROUNDING)
    assert np.abs(modules.tile_centres - geometry.tile_centres).max() > 1e-3
    tiles = geometry.rotate(angles, tiles=np.s_[:2])
    np.testing.assert_allclose(tiles.tile_centres, geometry.tile_centres, atol=ROUNDING)
    each = geometry.rotate(np.tile(angles, (8, 8, 1)))
    np.testing.assert_allclose(each.tile_centres, geometry.tile_centres, atol=ROUNDING)
    group = geometry.rotate(angles, group="p2")
    np.testing.assert_allclose(group.module_centres, geometry.module_centres, atol=ROUNDING)
    centre = geometry.tile_corners[9]
    whole = geometry.rotate(angles, centre=centre)
    np.testing.assert_allclose(whole.tile_corners[9], centre, atol=ROUNDING)


def test_rotation_keeps_lengths_and_angles():
    geometry = tilted("LPD-1M")
    for vectors in (geometry.tile_ss, geometry.tile_fs):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 5e-4, rtol=1e-12)
    dot = (geometry.tile_ss * geometry.tile_fs).sum(axis=1)
    np.testing.assert_allclose(dot / 25e-8, 0, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g.offset(1.0), "shift must hold 2 or 3 numbers"),
        (lambda g: g.offset((1, 2, 3, 4)), "shift must hold 2 or 3 numbers"),
        (lambda g: g.offset(np.zeros((5, 3))), "one a module"),
        (lambda g: g.offset((0, np.inf)), "not finite"),
        (lambda g: g.offset((0, 0), modules=16), "modules must select some of 0 … 15"),
        (lambda g: g.offset((0, 0), modules=[1, 1]), "each once"),
        (lambda g: g.offset((0, 0), tiles=np.s_[8:]), "tiles must select some of 0 … 7"),
        (lambda g: g.offset((0, 0), group="q9"), "no group 'q9'; this geometry has q0, q1"),
        (lambda g: g.offset((0, 0), group="q0", modules=1), "not both"),
        (lambda g: g.rotate((1, 2)), "angles must hold 3 numbers"),
        (lambda g: g.rotate((0, 0, 1), centre=(1, 2)), "centre must hold 3 numbers"),
        (lambda g: g.pixel_positions("center"), "'centre' or 'corner', not 'center'"),
        (lambda g: g.data_to_lab(16, 0, 0), "whole numbers from 0 to 15"),
        (lambda g: g.data_to_lab(1.5, 0, 0), "whole numbers from 0 to 15"),
        (lambda g: g.replace(colour="red"), "no 'colour'"),
        (lambda g: g.move_motors(np.zeros((4, 1))), r"shape \(4, 2\)"),
        (lambda g: g.at_motor_positions(np.zeros((4, 2))), "does not know its motor positions"),
        (lambda g: g.move_motors(np.zeros((4, 2)), axes=np.eye(2)), "axes must have shape"),
        (lambda g: geomlib.example_geometry("ePix100").quad_positions(), "has no quadrants"),
        (lambda g: geomlib.example_geometry("LPD-1M").move_motors([[1]]), "has no motors"),
        (lambda g: g.offset("ab"), "shift must be an array of real numbers, not 'ab'"),
        (lambda g: g.offset(None), "shift must be an array of real numbers, not None"),
        (lambda g: g.offset((0, 0), group=["q0"]), r"group must be text, not \['q0'\]"),
        (lambda g: g.offset((0, 0), modules="q0"), "modules must select .* got 'q0'"),
        (lambda g: g.offset((0, 0), modules=np.s_[0.5:]), "modules must select"),
        (lambda g: g.replace(groups={"a": ()}).offset((0, 0), group="a"), "'a' holds no tiles"),
        (lambda g: g.rotate("xyz"), "angles must be an array of real numbers"),
        (lambda g: g.rotate((0, 0, 1), centre="abc"), "centre must be an array of real numbers"),
        (lambda g: g.pixel_positions(["centre"]), "'centre' or 'corner', not"),
        (lambda g: g.pixel_corners(dtype=int), "dtype must be float64 or float32"),
        (lambda g: g.pixel_corners(dtype="single precision"), "dtype must be float64 or float32"),
        (lambda g: g.lab_to_data("a", 0), "x must be an array of real numbers, not 'a'"),
        (lambda g: g.lab_to_data(0, None), "y must be an array of real numbers, not None"),
        (lambda g: g.lab_to_data([0, 1], [0, 1, 2]), r"x and y must .* not \(2,\), \(3,\)"),
        (lambda g: g.data_to_lab(0, "a", 0), "ss must be an array of real numbers"),
        (lambda g: g.data_to_lab([[0], [1, 2]], 0, 0), "module must hold whole numbers"),
        (lambda g: g.data_to_lab([0, 1], [0, 1, 2], 0), "module, ss and fs must"),
        (lambda g: g.quad_positions(unit="mm"), "unit must be a positive, finite number"),
        (lambda g: g.quad_positions(unit=0), "unit must be a positive, finite number"),
        (lambda g: g.move_motors("up"), "shifts must be an array of real numbers"),
        (lambda g: g.move_motors(np.ones((4, 2)), axes="xy"), "axes must be an array of real"),
        (lambda g: geomlib.example_geometry("FooPix"), "there are AGIPD-1M, AGIPD-500K"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(GeometryError, match=message):
        call(geomlib.example_geometry("AGIPD-1M"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"detector": "AGIPD"}, "must be a Detector, not str"),
        ({"tile_ss": np.zeros((2, 3))}, r"tile_ss must have shape \(3, 3\), not \(2, 3\)"),
        ({"tile_corners": np.full((3, 3), np.nan)}, r"tile_corners\[0, 0\] is nan"),
        ({"tile_corners": "abc"}, "tile_corners must be an array of real numbers, not 'abc'"),
        ({"tile_corners": [[0, 0], [0]]}, "tile_corners must be an array of real numbers"),
        ({"tile_corners": np.zeros((3, 3), complex)}, "tile_corners must be an array of real"),
        ({"tile_ss": np.zeros((3, 3))}, "tile_ss and tile_fs of tile 0 span no pixel"),
        ({"tile_fs": [[1, 0, 0], [0, 2, 0], [1, 0, 0]]}, "of tile 1 span no pixel: .* parallel"),
        ({"tile_fs": np.full((3, 3), 1e200)}, "span no pixel"),
        ({"distance": np.inf}, "distance must be a positive, finite number, not inf"),
        ({"distance": 0}, "distance must be a positive, finite number, not 0"),
        ({"distance": "0.2"}, "distance must be a positive, finite number, not '0.2'"),
        ({"distance": [0.2]}, "distance must be a positive, finite number"),
        ({"photon_energy": -9000}, "photon_energy must be a positive, finite number"),
        ({"groups": {"a": [3]}}, r"groups\['a'\] must be whole numbers, from 0 to 2, not \[3\]"),
        ({"groups": {"a": "01"}}, r"groups\['a'\] must be whole numbers"),
        ({"groups": {"a": [0.5]}}, r"groups\['a'\] must be whole numbers"),
        ({"groups": {1: [0]}}, "a name in groups must be text, not 1"),
        ({"groups": [1]}, r"groups must map names to tile numbers, not be \[1\]"),
        ({"no_index": (999,)}, r"no_index must be whole numbers, from 0 to 2, not \(999,\)"),
        ({"no_index": (-1,)}, "no_index must be whole numbers, from 0 to 2"),
        ({"no_index": None}, "no_index must be whole numbers"),
        ({"data_path": 3}, "data_path must be text, not 3"),
        ({"mask_path": b"/mask"}, "mask_path must be text"),
        ({"source": "agipd.geom"}, "source must be a Source or None, not 'agipd.geom'"),
        ({"bad_regions": None}, "bad_regions must be a sequence of BadRegion, not None"),
        ({"bad_regions": BLOCK}, "bad_regions must be a sequence of BadRegion"),
        ({"bad_regions": ["bad"]}, r"bad_regions\[0\] must be a BadRegion, not 'bad'"),
        (
            {"bad_regions": [BLOCK, BLOCK._replace(tile=3)]},
            r"\[1\]\): tile .* from 0 to 2",
        ),
        ({"bad_regions": [BLOCK._replace(tile=0.5)]}, "bad region .bad. .*: tile must be a whole"),
        ({"bad_regions": [BLOCK._replace(ss=(0, 5))]}, r"\[0\]\): ss .* from 0 to 4, not \(0, 5\)"),
        ({"bad_regions": [BLOCK._replace(fs=(-1, 2))]}, r"\[0\]\): fs .* from 0 to 3"),
        ({"bad_regions": [BLOCK._replace(ss=(2, 2))]}, r"ss must be \(first, last plus one\)"),
        ({"bad_regions": [BLOCK._replace(ss=(2,))]}, "ss must be 2 whole numbers"),
        ({"bad_regions": [BLOCK._replace(ss=None)]}, "expected tile, ss and fs, or x and y"),
        ({"bad_regions": [BLOCK._replace(x=(0, 1), y=(0, 1))]}, "and nothing else"),
        ({"bad_regions": [BLOCK._replace(name=1)]}, r"bad_regions\[0\].name must be text"),
        ({"bad_regions": [BadRegion("bad")]}, "expected tile, ss and fs, or x and y"),
        ({"bad_regions": [BadRegion("bad", x=(1, 0), y=(0, 1))]}, r"x must be \(smallest, larg"),
        ({"bad_regions": [BadRegion("bad", x=(0, 1), y=(0, np.inf))]}, r": y\[1\] is inf"),
        ({"bad_regions": [BadRegion("bad", x="ab", y=(0, 1))]}, ": x must be an array"),
        ({"motor_positions": [[0, 0]]}, "has no motors"),
    ],
)
def test_bad_construction(changes, message):
    with pytest.raises(GeometryError, match=message):
        toy(**changes)


# -- Motors and quadrants ---------------------------------------------------------------


def test_motors_of_agipd():
    geometry = geomlib.example_geometry("AGIPD-1M")
    shifts = np.arange(1, 9).reshape(4, 2)
    step = geometry.move_motors(shifts).tile_corners - geometry.tile_corners
    # x, y of each quadrant in mm: [[0,-1],[-1,0]], [[0,-1],[1,0]], [[0,1],[1,0]], [[0,1],[-1,0]].
    expected = np.array([[-2, -1], [-4, 3], [6, 5], [8, -7]]) * 1e-3
    np.testing.assert_allclose(step[::32, :2], expected, atol=ROUNDING)
    np.testing.assert_allclose(step[31::32, :2], expected, atol=ROUNDING)


def test_motors_of_jungfrau_4m():
    geometry = geomlib.example_geometry("JUNGFRAU-4M")
    step = geometry.move_motors([[1.0], [2.0]]).tile_corners - geometry.tile_corners
    np.testing.assert_allclose(step[:32], np.tile([1e-3, 0, 0], (32, 1)), atol=ROUNDING)
    np.testing.assert_allclose(step[32:], np.tile([-2e-3, 0, 0], (32, 1)), atol=ROUNDING)


def test_absolute_motor_positions():
    reference = np.ones((4, 2))
    geometry = geomlib.example_geometry("AGIPD-1M").replace(motor_positions=reference)
    there = geometry.at_motor_positions(reference + 1)
    assert there == geometry.move_motors(np.ones((4, 2)))
    assert (there.motor_positions == 2).all()
    assert there.at_motor_positions(reference).motor_positions.tolist() == reference.tolist()
    axes = np.zeros((4, 2, 2))
    assert (
        geometry.move_motors(np.ones((4, 2)), axes=axes).tile_corners == geometry.tile_corners
    ).all()


@pytest.mark.parametrize("name", ["AGIPD-1M", "LPD-1M", "DSSC-1M"])
def test_quad_positions_rebuild_the_geometry(name):
    geometry = geomlib.example_geometry(name).offset((1e-3, -2e-3))
    build = getattr(geomlib.detectors, name.lower().replace("-", "_"))
    again = build(geometry.quad_positions())
    np.testing.assert_allclose(again.tile_corners, geometry.tile_corners, atol=ROUNDING)
    again = build(geometry.quad_positions(unit=1.0), unit=1.0, **gaps(name))
    np.testing.assert_allclose(again.tile_corners, geometry.tile_corners, atol=ROUNDING)


def gaps(name):
    return {"asic_gap": 4e-4, "panel_gap": 29 * 2e-4} if name == "AGIPD-1M" else {}


# -- Bad regions ------------------------------------------------------------------------


def test_bad_pixels():
    regions = (
        BadRegion("bad_block", tile=2, ss=(2, 4), fs=(1, 2)),
        BadRegion("bad_lab", x=(0, 2.5e-3), y=(-1, 1.7e-3)),
    )
    bad = toy(bad_regions=regions).bad_pixels()
    expected = np.zeros((2, 4, 3), dtype=bool)
    expected[1, 2:4, 1] = True
    expected[0, :2, 0] = True  # centres at x = 1, 3, 5 mm and y = 0.5, 1.5, 2.5, 3.5 mm
    np.testing.assert_array_equal(bad, expected)


def test_bad_regions_given_as_lists_can_be_hashed():
    given = [BadRegion("bad", 1, [0, np.int64(2)], [0, 3]), BadRegion("bad", x=[0, 1], y=[-1, 1])]
    geometry = toy(bad_regions=given)
    assert geometry.bad_regions == (BLOCK, BadRegion("bad", x=(0.0, 1.0), y=(-1.0, 1.0)))
    assert hash(geometry) == hash(toy(bad_regions=geometry.bad_regions))


# -- A value ----------------------------------------------------------------------------


def test_equality_and_hash():
    assert toy() == toy()
    assert hash(toy()) == hash(toy())
    # -0.0 is the same number as 0.0.
    assert toy(tile_corners=toy().tile_corners * -1 * -1 + -0.0) == toy()
    negative_zero = toy().tile_corners.copy()
    negative_zero[0] = -0.0
    assert toy(tile_corners=negative_zero) == toy()
    assert hash(toy(tile_corners=negative_zero)) == hash(toy())
    assert toy(source=Source("x.geom", "crystfel", b"")) == toy()
    for changes in (
        {"distance": 1.0},
        {"photon_energy": 9000},
        {"bad_regions": (BLOCK,)},
        {"no_index": (1,)},
        {"groups": {"a": (0,)}},
        {"data_path": "/data"},
        {"mask_path": "/mask"},
    ):
        assert toy(**changes) != toy()
    assert toy() != toy().offset((0, 1e-9))
    assert toy() != 1


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_pickles_before_and_after_use(name):
    geometry = geomlib.example_geometry(name).replace(distance=0.2, photon_energy=9300)
    for _ in range(2):
        copy = pickle.loads(pickle.dumps(geometry))
        assert copy == geometry
        assert hash(copy) == hash(geometry)
        assert copy.groups == geometry.groups
        for array in (copy.tile_corners, copy.tile_ss, copy.tile_fs):
            assert not array.flags.writeable
        geomlib.output_array(geometry)
        geometry.pixel_positions()


def test_is_immutable():
    geometry = toy()
    with pytest.raises(ValueError, match="read-only"):
        geometry.tile_corners[0, 0] = 1
    with pytest.raises(AttributeError):
        geometry.distance = 1.0
    with pytest.raises(TypeError):
        geometry.groups["new"] = (0,)
    mine = np.zeros((3, 3))
    other = toy(tile_corners=mine)
    mine[0] = 5
    assert (other.tile_corners == 0).all()


def test_repr_is_one_line():
    geometry = geomlib.example_geometry("AGIPD-1M").replace(
        distance=0.2, photon_energy=9300, source=Source("/data/agipd.geom", "crystfel")
    )
    assert repr(geometry) == (
        "<Geometry AGIPD-1M: 16 × 512 × 128 pixels of 200 µm, 128 tiles, distance 0.2 m, "
        "9300 eV, from agipd.geom>"
    )


def test_groups_default_to_quadrants_and_modules():
    groups = geomlib.example_geometry("DSSC-1M").groups
    assert list(groups) == ["q0", "q1", "q2", "q3", *(f"p{m}" for m in range(16))]
    assert groups["q1"] == tuple(range(8, 16))
    assert groups["p15"] == (30, 31)
