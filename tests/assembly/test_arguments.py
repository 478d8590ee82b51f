"""Options of assembly that are wrong are refused, by name, whatever the data."""

import dask.array as da
import h5py
import numpy as np
import pytest

import geomlib
from geomlib import GeometryError, assemble_data, dismantle_image, output_array, split_plan
from geomlib.detectors import generic

GEOMETRY = generic([(0, 0), (0, 1e-2), (0, 2e-2)], (8, 10), 1e-3)
SHAPE = GEOMETRY.data_shape
DATA = np.ones((4, *SHAPE), "f4")
BLOCKS = {"sequence": [1, 2], "flag": np.ones(2), "text": "no", "number": 2, "none": None}


@pytest.fixture(scope="module", params=["array", "dataset", "dask"])
def data(request, tmp_path_factory):
    """The same data in memory, in a file, and lazy."""
    if request.param == "array":
        yield DATA
    elif request.param == "dask":
        yield da.from_array(DATA, chunks=2)
    else:
        with h5py.File(tmp_path_factory.mktemp("file") / "a.h5", "w") as file:
            yield file.create_dataset("data", data=DATA)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(({"centred": value}, "centred must be True or False, not") for value in BLOCKS.values()),
        ({"oversample": 1.0}, "oversample must be a whole number"),
        ({"oversample": True}, "oversample must be a whole number, at least 1, not True"),
        ({"oversample": 2}, "oversample goes with method='split', not 'snap'"),
        ({"pixel_size": np.array([1e-3, 1e-3])}, "pixel_size goes with method='split'"),
        ({"distance": 1.0}, "distance goes with method='split'"),
        ({"binning": True}, "binning must be a whole number, at least 1, not True"),
        ({"threads": True}, "threads must be a whole number of at least 1, not True"),
        ({"threads": float("inf")}, "threads must be a whole number of at least 1, not inf"),
        ({"threads": np.True_}, "threads must be a whole number of at least 1, not"),
        ({"dtype": "nonsense"}, "dtype is 'nonsense', which numpy does not know"),
        ({"dtype": "nonsense", "reduce": "mean"}, "dtype is 'nonsense'"),
        ({"reduce": np.array(["mean"])}, "reduce must be one of"),
        ({"method": np.array(["snap"])}, "method must be"),
        ({"values": "numbers"}, "values must be 'intensity' or 'counts', not 'numbers'"),
        ({"values": np.ones(2)}, "values must be 'intensity' or 'counts'"),
        ({"binning_mode": np.ones(2)}, "binning_mode must be 'mean' or 'sum'"),
        ({"out": np.ma.zeros((4, 28, 10), "f4")}, "out is a masked array"),
        ({"dtype": "i2"}, "dtype is int16, but data of float32 cannot be assembled"),
        (
            {"dtype": "i4", "binning": 2},
            "with binning=2 images are of real floating numbers, not int32, as dtype says",
        ),
        ({"dtype": "i4", "dark": 1}, "with dark images are .* not int32, as dtype says"),
        ({"mask": "a"}, "mask must be boolean, True for pixels to leave out, or integers"),
        ({"present": "a"}, "present must be boolean, True for modules that are there, not <U1"),
        ({"dark": "x"}, "dark must be an array of real numbers of up to 64 bits, not <U1"),
        ({"gain": np.array([None])}, "gain must be an array of real numbers"),
    ],
)
def test_assemble_data(data, options, message):
    with pytest.raises(GeometryError, match=message):
        assemble_data(data, GEOMETRY, **options)


def test_of_out_the_message_says_so():
    out = np.zeros((4, 28, 10), "i2")
    with pytest.raises(GeometryError, match="out is int16, but data of float32"):
        assemble_data(DATA, GEOMETRY, out=out)
    with pytest.raises(GeometryError, match="not int16, as out says"):
        assemble_data(DATA, GEOMETRY, out=out, gain=2)


@pytest.mark.parametrize("value", BLOCKS.values(), ids=BLOCKS)
def test_centred_elsewhere(value):
    for call in (
        lambda: output_array(GEOMETRY, centred=value),
        lambda: dismantle_image(np.zeros((28, 10)), GEOMETRY, centred=value),
        lambda: split_plan(GEOMETRY, centred=value),
    ):
        with pytest.raises(GeometryError, match="centred must be True or False"):
            call()


@pytest.mark.parametrize("frames", [True, (True,), "a", (2, 1.5), -1, None])
def test_output_array(frames):
    with pytest.raises(GeometryError, match="frames_shape must be whole numbers, at least 0, not"):
        output_array(GEOMETRY, frames)


def test_output_array_of_frames():
    assert output_array(GEOMETRY, 3).shape == (3, 28, 10)
    assert output_array(GEOMETRY, (np.int64(2), 3)).shape == (2, 3, 28, 10)
    assert output_array(GEOMETRY).shape == (28, 10)


@pytest.mark.parametrize(
    "call",
    [
        lambda: assemble_data(DATA, "geometry"),
        lambda: output_array("geometry"),
        lambda: dismantle_image(DATA, "geometry"),
        lambda: geomlib.dismantle_mask(np.zeros((28, 10), bool), "geometry"),
        lambda: split_plan("geometry"),
    ],
)
def test_geometries(call):
    with pytest.raises(GeometryError, match="geometry must be a Geometry, not str: the order is"):
        call()
