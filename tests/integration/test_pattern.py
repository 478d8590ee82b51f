"""Patterns: selecting frames and unpacking."""

import numpy as np
import pytest

import geomlib
from geomlib import StackIntegrator
from tests.integration.small import counts, same, small_geometry

GEOMETRY = small_geometry()


def test_frames_are_selected_as_from_an_array():
    data = counts(GEOMETRY, 6)
    own = StackIntegrator(GEOMETRY, 20, error_model="poisson")
    found = own.integrate(data)
    assert same(found[4], own.integrate(data[4]))
    assert same(found[1:3], own.integrate(data[1:3]))
    assert same(found[np.arange(6) % 2 == 0], own.integrate(data[::2]))
    q, intensity = found
    np.testing.assert_array_equal(q, own.radial)
    assert intensity is found.intensity
    cake = geomlib.integrate2d(data, GEOMETRY, 20, 6)
    assert cake[5].shape == (6, 20)
    assert cake[5].is_cake
    with pytest.raises(IndexError, match="of one frame"):
        found[4][0]
    with pytest.raises(IndexError, match="2 indices for 1 axes of frames"):
        found[1, 2]


def test_labelled_masks_go_by_their_labels():
    xarray = pytest.importorskip("xarray")
    mask = np.zeros(GEOMETRY.data_shape, bool)
    mask[1] = True
    labelled = xarray.DataArray(
        mask, dims=("module", "slow_scan", "fast_scan"), coords={"module": [0, 1]}
    )[::-1]
    data = counts(GEOMETRY, 2)
    wanted = StackIntegrator(GEOMETRY, 20, mask=mask).integrate(data)
    assert same(StackIntegrator(GEOMETRY, 20, mask=labelled).integrate(data), wanted)
    assert same(StackIntegrator(GEOMETRY, 20, mask={1: mask[1]}).integrate(data), wanted)
    plain = StackIntegrator(GEOMETRY, 20)
    wanted = plain.integrate(data, mask=mask)
    assert same(plain.integrate(data, mask=labelled), wanted)
    assert same(plain.integrate(data, mask={1: mask[1]}), wanted)


def test_the_same_bytes_whatever_modules_others_lack():
    geometry = geomlib.example_geometry("AGIPD-500K").replace(distance=0.2, photon_energy=9e3)
    data = np.random.default_rng(0).normal(size=(9, *geometry.data_shape))
    present = np.ones((9, 8), bool)
    present[3, 2:4] = False
    own = StackIntegrator(geometry, 100, split="bbox", error_model="azimuthal")
    together = own.integrate(data, present=present)
    assert same(together[3], own.integrate(data[3], present=present[3]))


def test_infinite_pixels_are_clipped():
    data = counts(GEOMETRY, 1)[0]
    own = StackIntegrator(GEOMETRY, 20, method="sigma_clip")
    bad, nan = data.copy(), data.copy()
    bad[0, 3, 4], nan[0, 3, 4] = np.inf, np.nan
    assert same(own.integrate(bad), own.integrate(nan))
