"""One wrong thing for each argument of the functions that touch files and axes."""

import numpy as np
import pytest

import geomlib
from geomlib import GeometryError, read_geometry, write_geometry

SMALL = geomlib.example_geometry("LPD-Mini")


@pytest.mark.parametrize("path", [None, 5, b"a.geom", "a\0b", ["a.geom"]])
def test_what_is_no_path(path):
    image = geomlib.assemble_data(np.zeros(SMALL.data_shape), SMALL)
    for call in (
        lambda: read_geometry(path),
        lambda: write_geometry(SMALL, path),
        lambda: image.save_png(path),
    ):
        with pytest.raises(GeometryError, match="path must be the path of a file, not"):
            call()


@pytest.mark.parametrize("path", [None, 5, [5], ["a\0b"]])
def test_what_is_no_path_of_data(path):
    with pytest.raises(GeometryError, match="path must be the path of a file, not"):
        geomlib.open_frames(path, SMALL)


@pytest.mark.parametrize("name", [["crystfel"], 5])
def test_what_is_no_format(name, tmp_path):
    for call in (
        lambda: read_geometry(tmp_path / "a.geom", format=name),
        lambda: write_geometry(SMALL, tmp_path / "a.geom", format=name),
    ):
        with pytest.raises(GeometryError, match="format must be text, not"):
            call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"unit": "ell"},
            "unit must be 'm', 'mm', 'um', 'pixels' or a positive .* not 'ell'",
        ),
        ({"unit": 0}, "unit must be .* a positive number of metres, not 0"),
        ({"invert": "no"}, "invert must be True or False, not 'no'"),
    ],
)
def test_options_of_a_reader(options, message, tmp_path):
    path = tmp_path / "lpd.h5"
    write_geometry(geomlib.example_geometry("LPD-1M"), path, format="euxfel")
    with pytest.raises(GeometryError, match=message):
        read_geometry(path, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"adu_per_ev": "a"}, "adu_per_ev must be a positive, finite number, not 'a'"),
        ({"distance": "1 m"}, "distance must be a positive, finite number, not '1 m'"),
        ({"photon_energy": -1}, "photon_energy must be a positive, finite number, not -1"),
        ({"gain_axis": "a"}, "gain_axis must be a whole number, at least 0, not 'a'"),
        ({"gain_axis": -1}, "gain_axis must be a whole number, at least 0, not -1"),
        ({"gain_axis": 0, "layout": "cheetah"}, "gain_axis goes with layout='vcxi'"),
        ({"mask_good": "x"}, "mask_good must be a whole number, from 0 to 4294967295"),
        ({"mask_bad": 2**32}, "mask_bad must be a whole number, from 0 to 4294967295"),
        ({"data_path": 5}, "data_path must be text, not 5"),
        ({"mask_file": ""}, "mask_file must be a path"),
    ],
)
def test_options_of_a_writer(options, message, tmp_path):
    with pytest.raises(GeometryError, match=message):
        write_geometry(SMALL, tmp_path / "a.geom", **options)
    assert not list(tmp_path.iterdir())


def test_what_is_no_geometry():
    with pytest.raises(GeometryError, match="geometry must be a Geometry, not NoneType"):
        geomlib.to_cfelpyutils(None)


def test_what_are_no_axes():
    image = geomlib.assemble_data(np.zeros(SMALL.data_shape), SMALL)
    for call in (image.plot, SMALL.inspect, lambda ax: SMALL.compare(SMALL, ax=ax)):
        with pytest.raises(GeometryError, match="ax must be matplotlib axes, not 5"):
            call(ax=5)
