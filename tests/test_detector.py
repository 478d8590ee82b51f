import pickle

import numpy as np
import pytest

from geomlib import Detector, GeometryError
from geomlib.detector import Motors, Quadrants, describe_pitch, grid_tiles, seams, tile_map

BOUNDS = [(0, 0, 2, 0, 3), (0, 2, 4, 0, 3), (1, 0, 4, 0, 3)]


def make(**changes):
    arguments = {
        "name": "toy",
        "data_shape": (2, 4, 3),
        "tile_bounds": BOUNDS,
        "pixel_size": (1e-3, 2e-3),
    }
    return Detector(**(arguments | changes))


def test_derived_values():
    detector = make()
    assert detector.n_modules == 2
    assert detector.n_tiles == 3
    assert detector.tile_shapes.tolist() == [[2, 3], [2, 3], [4, 3]]
    assert [list(detector.tiles_of(m)) for m in range(2)] == [[0, 1], [2]]
    assert detector.tile_names == ("p0a0", "p0a1", "p1a0")
    assert detector.module_names == ("M0", "M1")
    assert detector.tile_slice(1) == (0, slice(2, 4), slice(0, 3))
    assert repr(detector) == "<Detector toy: 2 × 4 × 3 pixels of 1000 × 2000 µm, 3 tiles>"


def test_modules_stacked_along_slow_scan():
    detector = Detector("a", (3, 8, 6), [(0, 0, 4, 0, 6), (2, 4, 8, 1, 5)], (1e-4, 1e-4))
    assert detector.stacked_shape == (24, 6)
    assert detector.stacked_bounds.tolist() == [[0, 4, 0, 6], [20, 24, 1, 5]]
    # The same pixels as in data with an axis of modules.
    data = np.arange(3 * 8 * 6).reshape(detector.data_shape)
    for tile, (ss0, ss1, fs0, fs1) in enumerate(detector.stacked_bounds):
        part = data.reshape(detector.stacked_shape)[ss0:ss1, fs0:fs1]
        np.testing.assert_array_equal(part, data[detector.tile_slice(tile)])


def test_tile_map_marks_data_that_no_tile_uses():
    detector = make(tile_bounds=[(0, 0, 2, 0, 3), (1, 1, 4, 0, 2)])
    expected = np.full((2, 4, 3), -1)
    expected[0, :2] = 0
    expected[1, 1:, :2] = 1
    np.testing.assert_array_equal(tile_map(detector), expected)


def test_is_a_value():
    detector = make()
    assert detector == make()
    assert hash(detector) == hash(make())
    assert detector != make(pixel_size=(1e-3, 1e-3))
    assert detector != make(wide_edges=np.ones((3, 4)))
    assert detector != "toy"
    copy = pickle.loads(pickle.dumps(detector))
    assert copy == detector
    for name in ("tile_bounds", "wide_edges"):
        assert not getattr(copy, name).flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            getattr(detector, name)[0, 0] = 1
    with pytest.raises(AttributeError):
        detector.name = "other"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data_shape": (2, 4)}, "three positive numbers"),
        ({"data_shape": (0, 4, 3)}, "three positive numbers"),
        ({"tile_bounds": []}, "at least one tile"),
        ({"tile_bounds": BOUNDS[::-1]}, "sorted by module"),
        ({"tile_bounds": [(2, 0, 4, 0, 3)]}, "do not fit in the data shape"),
        ({"tile_bounds": [(0, 0, 5, 0, 3)]}, "do not fit in the data shape"),
        ({"tile_bounds": [(0, -1, 4, 0, 3)]}, "do not fit in the data shape"),
        ({"tile_bounds": [(0, 2, 2, 0, 3)]}, "are empty"),
        ({"pixel_size": (1e-3, 0)}, "two positive lengths"),
        ({"pixel_size": (1e-3, np.nan)}, "two positive lengths"),
        ({"pixel_shape": "triangle"}, "not 'triangle'"),
        ({"wide_edges": np.zeros((2, 4))}, r"shape \(3, 4\)"),
        ({"module_names": ("a",)}, "module_names must hold 2 names, not 1"),
        ({"tile_names": ("a",)}, "tile_names must hold 3 names, not 1"),
        ({"name": 3}, "name must be text, not 3"),
        ({"data_shape": None}, "three positive numbers .* not None"),
        ({"data_shape": "243"}, "three positive numbers .* not '243'"),
        ({"data_shape": (2, 4.0, 3)}, "three positive numbers"),
        ({"data_shape": (2, 2**16, 2**16)}, "holds 8.6e.09 pixels, more than 4.3e.09"),
        ({"tile_bounds": [(0.5, 0, 4, 0, 3)]}, "tile_bounds must be whole numbers"),
        ({"tile_bounds": np.array(BOUNDS, dtype=float)}, "tile_bounds must be whole numbers"),
        ({"tile_bounds": [(0, 0, 4, 0)]}, r"tile_bounds must .* shape \(tiles, 5\)"),
        ({"tile_bounds": BOUNDS[0]}, r"tile_bounds must .* shape \(tiles, 5\)"),
        ({"tile_bounds": [(0, 0), (1,)]}, r"tile_bounds must .* shape \(tiles, 5\)"),
        ({"tile_bounds": "abc"}, "tile_bounds must be whole numbers"),
        ({"pixel_size": 1e-3}, "two positive lengths in metres .* not 0.001"),
        ({"pixel_size": ("a", "b")}, "two positive lengths"),
        ({"pixel_shape": ["hexagon"]}, "'rectangle' or 'hexagon', not"),
        ({"wide_edges": np.full((3, 4), np.nan)}, r"wide_edges\[0, 0\] is nan"),
        ({"wide_edges": "abc"}, "wide_edges must be an array of real numbers"),
        ({"module_names": "ab"}, "module_names must be a sequence of names"),
        ({"module_names": (1, 2)}, "a name in module_names must be text, not 1"),
        ({"tile_names": 3}, "tile_names must be a sequence of names"),
        ({"quadrants": ((0, 1), "first", 1.0)}, "quadrants must be Quadrants or None"),
        ({"quadrants": Quadrants(((0, 2),), "first", 1.0)}, "quadrants.modules .* from 0 to 1"),
        ({"quadrants": Quadrants(((),), "first", 1.0)}, "at least one module"),
        ({"quadrants": Quadrants((), "first", 1.0)}, "at least one module"),
        ({"quadrants": Quadrants(((0,),), "left", 1.0)}, "quadrants.corner must be"),
        ({"quadrants": Quadrants(((0,),), "low", 0.0)}, "quadrants.unit must be a positive"),
        ({"motors": "two"}, "motors must be Motors or None"),
        ({"motors": Motors(((0, 5),), (((1.0,), (0.0,)),))}, "motors.modules .* from 0 to 1"),
        ({"motors": Motors(((0,),), (((1.0,),),))}, r"motors.axes must have shape \(1, 2, motors"),
        ({"motors": Motors(((0,),), (((np.nan,), (0,)),))}, r"motors.axes\[0, 0, 0\] is nan"),
        ({"first_module_label": "1"}, "first_module_label must be a whole number"),
        ({"calibration_rows": -1}, "calibration_rows must be a whole number, at least 0"),
        ({"cut_out": 3}, "cut_out must be 2 whole numbers"),
    ],
)
def test_bad_arguments(changes, message):
    with pytest.raises(GeometryError, match=message):
        make(**changes)


def test_groups_given_as_lists_can_be_hashed():
    quadrants, motors = Quadrants([[0], [1]], "low", 1e-3), Motors([[0]], [[[1], [0]]])
    detector = make(quadrants=quadrants, motors=motors, cut_out=[1, 2])
    assert detector.quadrants == (((0,), (1,)), "low", 1e-3)
    assert detector.motors == (((0,),), (((1.0,), (0.0,)),))
    again = make(
        quadrants=Quadrants(((0,), (1,)), "low", 1e-3),
        motors=Motors(((0,),), (((1.0,), (0.0,)),)),
        cut_out=(1, 2),
    )
    assert hash(detector) == hash(again)
    assert detector == again


def test_grid_tiles_and_seams():
    bounds = grid_tiles(2, (2, 3), [(1, 0), (0, 1)])
    assert bounds.tolist() == [
        [0, 2, 4, 0, 3],
        [0, 0, 2, 3, 6],
        [1, 2, 4, 0, 3],
        [1, 0, 2, 3, 6],
    ]
    wide = seams(bounds, (2, 4, 6), ss=1.0, fs=2.5)
    assert wide[:2].tolist() == [[1, 0, 0, 2.5], [0, 1, 2.5, 0]]


def test_describe_pitch():
    assert describe_pitch((2e-4, 2e-4)) == "200 µm"
    assert describe_pitch((204.382e-6, 236e-6)) == "204.4 × 236 µm"
