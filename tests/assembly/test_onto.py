"""Tiles are written, and nothing else."""

import numpy as np
import pytest

import geomlib
from geomlib import GeometryError
from geomlib.assembly.onto import assemble_onto
from tests.shared import by_size


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", by_size(["AGIPD-500K", "LPD-Mini", "DSSC-1M"]))
def test_gaps_and_missing_modules_stay_as_they_are(name, threads):
    geom = geomlib.example_geometry(name)
    data = np.random.default_rng(0).random((2, 3, *geom.data_shape), dtype="f4")
    some = {module: data[:, :, module] for module in range(0, geom.n_modules, 2)}
    for given in (data, some):
        plain = geomlib.assemble_data(given, geom).data
        out = np.full(plain.shape, -1.0)
        assert assemble_onto(given, geom, out, threads=threads) is out
        np.testing.assert_array_equal(out, np.where(np.isnan(plain), -1, plain))


def test_any_layout_and_a_part_of_an_array():
    geom = geomlib.example_geometry("AGIPD-500K")
    data = np.moveaxis(np.random.default_rng(1).random((8, 128, 512, 4)), 1, 2)
    data = np.moveaxis(data, -1, 0)
    plain = geomlib.assemble_data(data, geom).data
    whole = np.zeros((4, plain.shape[1] + 3, 2 * plain.shape[2]))
    assemble_onto(data, geom, whole[:, 3:, ::2])
    np.testing.assert_array_equal(whole[:, 3:, ::2], np.nan_to_num(plain))
    assert not whole[:, :3].any()
    assert not whole[:, :, 1::2].any()


def test_what_does_not_fit():
    geom = geomlib.example_geometry("AGIPD-500K")
    data = np.zeros(geom.data_shape)
    with pytest.raises(GeometryError, match=r"out has shape \(2, 2\); expected \(602, 1068\)"):
        assemble_onto(data, geom, np.zeros((2, 2)))
    frozen = geomlib.output_array(geom, (), float)
    frozen.flags.writeable = False
    with pytest.raises(GeometryError, match="read-only"):
        assemble_onto(data, geom, frozen)
    room = np.zeros(602 * 1068)
    with pytest.raises(GeometryError, match="memory"):
        assemble_onto(room[: data.size].reshape(data.shape), geom, room.reshape(602, 1068))
