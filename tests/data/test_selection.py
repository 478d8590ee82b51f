"""Frame selections as they are written on the command line."""

import pytest

from geomlib.data import select_frames
from geomlib.errors import GeometryError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, list(range(100))),
        ("0", [0]),
        ("-1", [99]),
        ("0:4", [0, 1, 2, 3]),
        ("98:200", [98, 99]),
        ("::25", [0, 25, 50, 75]),
        ("3:0:-1", [3, 2, 1]),
        ("-2:", [98, 99]),
        ("10,20, 30", [10, 20, 30]),
        ("5,0:2,-1", [5, 0, 1, 99]),
    ],
)
def test_frames_that_a_selection_means(text, expected):
    assert list(select_frames(text, 100)) == expected


def test_a_slice_of_very_many_frames_costs_nothing():
    chosen = select_frames("::2", 10**12)
    assert isinstance(chosen, range)
    assert len(chosen) == 5 * 10**11


@pytest.mark.parametrize(
    "text", ["", "a", "1.5", "0x10", "1:2:3:4", "1,,2", "1;2", "0-4", "9" * 40]
)
def test_what_is_no_selection_is_refused(text):
    with pytest.raises(GeometryError, match="expected numbers or slices"):
        select_frames(text, 10)


@pytest.mark.parametrize("text", ["10", "-11", "0,10"])
def test_a_frame_out_of_range_is_named(text):
    with pytest.raises(GeometryError, match=r"no frame -?1[01]; there are 10 frames, 0 to 9"):
        select_frames(text, 10)


@pytest.mark.parametrize("text", ["5:5", "20:30", "3:1"])
def test_an_empty_selection_is_refused(text):
    with pytest.raises(GeometryError, match="select nothing"):
        select_frames(text, 10)


def test_a_step_of_zero_is_refused():
    with pytest.raises(GeometryError, match="step of a slice cannot be 0"):
        select_frames("::0", 10)


def test_repeated_slices_do_not_grow_without_bound():
    with pytest.raises(GeometryError, match="repeat more frames"):
        select_frames(",".join([":"] * 200), 10**6)
