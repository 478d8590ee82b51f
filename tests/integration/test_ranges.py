"""Ranges of radius and azimuth: what lies outside does not count, whole or in part."""

import numpy as np
import pytest

import geomlib
from geomlib import StackIntegrator
from tests.integration.small import counts, small_geometry, small_hexagons

GEOMETRY = small_geometry()


def centres(geometry, unit="2th_deg"):
    ai = geomlib.to_pyfai_integrator(geometry)
    shape = ai.detector.shape
    good = np.ones(shape, bool) if ai.detector.mask is None else ai.detector.mask == 0
    return ai, good, ai.center_array(shape, unit=unit), ai.center_array(shape, unit="chi_deg")


@pytest.mark.parametrize("azimuth_range", [None, (-30.0, 65.0)])
@pytest.mark.parametrize("npt", [1, 20])
def test_centres_are_counted_as_by_numpy(npt, azimuth_range):
    range_ = (2.05, 6.05)
    data = counts(GEOMETRY, 1)[0]
    own = StackIntegrator(
        GEOMETRY, npt, unit="2th_deg", range=range_, azimuth_range=azimuth_range, solid_angle=False
    )
    _, good, radius, chi = centres(GEOMETRY)
    if azimuth_range is not None:
        good = good & (chi >= azimuth_range[0]) & (chi <= azimuth_range[1])
    count, _ = np.histogram(radius[good], npt, range_)
    total, _ = np.histogram(radius[good], npt, range_, weights=data.reshape(good.shape)[good])
    found = own.integrate(data)
    np.testing.assert_array_equal(found.count, count)
    np.testing.assert_allclose(found.intensity, total / np.where(count, count, np.nan), rtol=1e-6)


def test_pyfai_counts_pixels_before_the_range_into_its_first_bin():
    ai, good, radius, _ = centres(GEOMETRY)
    data = np.ones(radius.shape)
    options = {"unit": "2th_deg", "method": ("no", "csr", "cython"), "radial_range": (4.05, 6.05)}
    peer = ai.integrate1d(data, 1, **options)
    inside = np.count_nonzero((radius[good] >= 4.05) & (radius[good] <= 6.05))
    assert peer.count[0] > 1.3 * inside
    own = StackIntegrator(GEOMETRY, 1, unit="2th_deg", range=(4.05, 6.05))
    assert own.integrate(data.reshape(GEOMETRY.data_shape)).count[0] == inside


@pytest.mark.parametrize("azimuth_range", [None, (-30.0, 65.0), (150.0, 210.0)])
def test_boxes_are_cut_at_the_borders_of_the_range(azimuth_range):
    npt, range_ = 15, (2.05, 6.05)
    ai, good, radius, chi = centres(GEOMETRY)
    half = ai.array_from_unit(radius.shape, "delta", "2th_deg", scale=True)
    half_chi = ai.array_from_unit(radius.shape, "delta", "chi_deg", scale=True)
    edges = np.linspace(*range_, npt + 1)
    low, high = (radius - half)[good, None], (radius + half)[good, None]
    share = np.clip(np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1]), 0, None)
    share = share / (high - low)
    if azimuth_range is not None:
        a, b = azimuth_range
        turned = chi[good] + 360 * np.round((0.5 * (a + b) - chi[good]) / 360)
        up, down = turned + half_chi[good], turned - half_chi[good]
        share *= (np.clip(np.minimum(up, b) - np.maximum(down, a), 0, None) / (up - down))[:, None]
    own = StackIntegrator(
        GEOMETRY, npt, unit="2th_deg", range=range_, azimuth_range=azimuth_range, split="bbox"
    )
    # Angles and parts are float32 in pyFAI and in the operator.
    np.testing.assert_allclose(own.operator.totals((0, 1))[1], share.sum(axis=0), rtol=1e-5)


@pytest.mark.parametrize("split", ["no", "bbox", "full"])
@pytest.mark.parametrize("geometry", [GEOMETRY, small_hexagons()], ids=["tiles", "hexagons"])
def test_a_range_is_a_part_of_the_whole(geometry, split):
    modules = tuple(range(geometry.n_modules))

    def totals(npt, range_, **options):
        own = StackIntegrator(geometry, npt, unit="r_mm", split=split, range=range_, **options)
        return own.operator.totals(modules)[1].reshape(own.binning.shape)

    whole = totals(40, (0.01, 20.01))
    np.testing.assert_allclose(totals(20, (5.01, 15.01)), whole[10:30], rtol=1e-6, atol=1e-6)
    sectors = [(-180, -47), (-47, 38), (38, 180)]
    parts = [totals(40, (0.01, 20.01), azimuth_range=sector) for sector in sectors]
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-5, atol=1e-5)
    cake = totals(40, (0.01, 20.01), npt_azim=9, azimuth_range=(-180.0, 180.0))
    np.testing.assert_allclose(cake.sum(axis=0), whole, rtol=1e-5, atol=1e-4)
    part = totals(40, (0.01, 20.01), npt_azim=3, azimuth_range=(-60.0, 60.0))
    if split == "no" and geometry.n_modules == 1:
        return  # Hexagons: centres on the borders of sectors go either way.
    np.testing.assert_allclose(part, cake[3:6], rtol=1e-5, atol=1e-5)


def test_a_narrow_range_takes_no_longer_than_a_wide_one():
    """Pixels are cut to the range before they are shared out over its bins."""
    options = {"npt_azim": 36, "split": "full", "unit": "2th_deg"}
    own = StackIntegrator(GEOMETRY, 1000, range=(3, 3 + 1e-7), **options)
    # Bins of 1e-10 degrees, a pixel would lie in 4e9 of them.
    assert 0 < own.operator.entries.bins.size < 1e6


def test_bins_too_many_to_be_counted_are_refused():
    from geomlib.errors import GeometryError

    geometry = geomlib.example_geometry("ePix100").replace(distance=0.2, photon_energy=9e3)
    with pytest.raises(GeometryError, match=r"a pixel lies in .* of them on average"):
        StackIntegrator(geometry, 40_000_000, split="bbox")
