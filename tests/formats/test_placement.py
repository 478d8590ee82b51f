"""Frames that stand in frames."""

import numpy as np
import pytest

from geomlib.errors import GeometryWarning
from geomlib.formats.placement import (
    Step,
    direction_to_lab,
    split_distance,
    take_out_rail,
    to_lab,
)

QUARTER = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # about z: x to y
REST = Step(None, (0.0, 0.0, 0.0))


def test_steps_turn_then_shift_from_the_inside():
    chain = (Step(None, (1.0, 0.0, 0.0)), Step(QUARTER, (0.0, 0.0, 5.0)))
    assert to_lab(chain, np.array([1.0, 0, 0])).tolist() == [0, 2, 5]
    assert direction_to_lab(chain, np.array([1.0, 0, 0])).tolist() == [0, 1, 0]
    assert to_lab((), np.array([1.0, 2, 3])).tolist() == [1, 2, 3]


def test_rail_is_the_outermost_frame_that_is_moved():
    rail, inner = Step(None, (0.1, 0.0, 0.2)), Step(None, (0.0, 0.0, 0.3))
    distance, chains = take_out_rail([(inner, rail, REST), (rail, REST)])
    assert distance == 0.2
    assert [step.shift for step in chains[0]] == [(0, 0, 0.3), (0.1, 0, 0), (0, 0, 0)]
    assert [step.shift for step in chains[1]] == [(0.1, 0, 0), (0, 0, 0)]


@pytest.mark.parametrize(
    "chains",
    [
        [(Step(None, (0.0, 0, 0.2)), Step(QUARTER, (0.0, 0, 0)))],  # turned as a whole
        [(Step(None, (0.0, 0, 0.2)),), (Step(None, (0.0, 0, 0.2)),)],  # not shared
        [(Step(None, (0.0, 0, -0.2)),)],  # upstream
        [(REST,)],
        [()],
    ],
)
def test_no_rail(chains):
    distance, same = take_out_rail(chains)
    assert distance is None
    assert same == chains


def test_distance_of_positions():
    corners = np.array([[0.0, 0, 0.21], [0.0, 0, 0.19]])
    distance, rest = split_distance(corners, 0.2, None, "a")
    assert distance == 0.2
    np.testing.assert_allclose(rest[:, 2], [0.01, -0.01], rtol=0, atol=1e-16)
    assert split_distance(corners, 0.2, 0.15, "a")[0] == 0.15
    with pytest.warns(GeometryWarning, match=r"does not hold the distance of 0\.2 m"):
        distance, rest = split_distance(corners - [0, 0, 0.2], 0.0, 0.2, "a")
    assert distance == 0.2
    assert rest[0, 2] == 0.21 - 0.2
    with pytest.warns(GeometryWarning, match="not downstream"):
        distance, rest = split_distance(-corners, -0.2, None, "a")
    assert distance is None
    assert rest[0, 2] == -0.21
