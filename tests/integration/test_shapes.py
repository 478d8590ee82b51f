"""Pixels shared out by their shapes: against pyFAI, a polygon clipper and a Monte Carlo."""

import numpy as np
import pytest

import geomlib
from geomlib import StackIntegrator
from geomlib.integration.operator import make_operator, pixel_entries
from geomlib.integration.options import check_binning
from geomlib.integration.shapes import split_shapes
from tests.integration.small import small_geometry, small_hexagons


def binning(npt, npt_azim=None, unit="2th_deg", range_=None, azimuth_range=None, split="full"):
    return check_binning(npt, npt_azim, unit, range_, azimuth_range, None, split)


def shared_out(geometry, wanted):
    """Bins × pixels, dense, and the mask."""
    ai = geomlib.to_pyfai_integrator(geometry)
    mask = np.zeros(ai.detector.shape, bool)
    if ai.detector.mask is not None:
        mask |= ai.detector.mask != 0
    matrix, radial, azimuth = split_shapes(ai, wanted, mask)
    return matrix.toarray(), radial, azimuth, mask


def test_quadrangles_are_split_as_by_pyfai():
    geometry = small_geometry()
    matrix, radial, _, mask = shared_out(geometry, binning(40))
    ai = geomlib.to_pyfai_integrator(geometry)
    engine = ai.setup_sparse_integrator(
        mask.shape, 40, mask=mask.astype(np.int8), unit="2th_deg", split="full", algo="CSR"
    )
    peer = np.zeros_like(matrix)
    rows = np.repeat(np.arange(40), np.diff(engine.indptr))
    peer[rows, engine.indices] = engine.data
    # Its corners are float32: 6e-8 of the largest angle, on pixels of 1/30 of it.
    np.testing.assert_allclose(matrix, peer, atol=1e-5)
    np.testing.assert_allclose(radial, np.rad2deg(engine.bin_centers), rtol=1e-6)


def test_cakes_of_pyfai_put_a_twentieth_of_some_pixels_into_the_wrong_bin():
    """Ours do not, as a Monte Carlo shows; otherwise the two are alike."""
    geometry = small_geometry()
    matrix, radial, azimuth, mask = shared_out(geometry, binning(30, 12, unit="q_A^-1"))
    ai = geomlib.to_pyfai_integrator(geometry)
    engine = ai.setup_sparse_integrator(
        mask.shape, (30, 12), mask=mask.astype(np.int8), unit=("q_A^-1", "chi_deg"), split="full",
        algo="CSR",
    )  # fmt: skip
    peer = np.zeros_like(matrix)
    peer[np.repeat(np.arange(360), np.diff(engine.indptr)), engine.indices] = engine.data
    # ±180°, in float32, and a last bin that reaches a little further.
    np.testing.assert_allclose(azimuth, np.rad2deg(engine.bin_centers1), atol=5e-5)
    away = np.nan_to_num(np.abs(matrix - peer)).max(axis=0)
    assert (away > 1e-4).sum() < 0.25 * away.size
    assert np.median(away) < 1e-6
    corners = geometry.pixel_corners().reshape(-1, 4, 3)
    q_of = 4 * np.pi * 1e-10 / ai.wavelength
    for pixel in (1176, 1093):
        two_theta, chi = angles(corners[pixel], geometry.distance)
        polygon = np.stack([q_of * np.sin(np.deg2rad(two_theta) / 2), chi], axis=1)
        share, n = monte_carlo(polygon, radial, azimuth)
        error = 5 * 0.5 / np.sqrt(n)
        np.testing.assert_allclose(matrix[:, pixel], share.ravel(), atol=error)
        assert np.abs(peer[:, pixel] - share.ravel()).max() > 3 * error


def test_a_curve_around_the_beam_is_split_where_pyfai_has_shapes_without_area():
    geometry = small_geometry()
    found = StackIntegrator(geometry, 24, unit="chi_deg", split="full")
    count = found.operator.totals((0, 1))[1]
    pixels = 2 * 20 * 30
    assert count.sum() == pytest.approx(pixels, rel=1e-6)
    # The same pixels in the cake of a single ring, worked out without this special case.
    cake = StackIntegrator(geometry, 1, npt_azim=24, split="full")
    np.testing.assert_allclose(count, cake.operator.totals((0, 1))[1], rtol=1e-5, atol=1e-3)
    ai = geomlib.to_pyfai_integrator(geometry)
    engine = ai.setup_sparse_integrator(
        ai.detector.shape, 24, mask=ai.detector.mask, unit="chi_deg", split="full", algo="CSR"
    )
    peer = np.add.reduceat(engine.data, engine.indptr[:-1])
    assert not np.allclose(peer, count, rtol=0.05)


def test_hexagons_against_monte_carlo():
    geometry = small_hexagons()
    matrix, radial, azimuth, _ = shared_out(geometry, binning(12, 6))
    corners = geometry.pixel_corners().reshape(-1, 6, 3)
    for pixel in (0, 37, 155, 318):
        polygon = np.stack(angles(corners[pixel], geometry.distance), axis=1)
        share, n = monte_carlo(polygon, radial, azimuth)
        # Five standard deviations.
        np.testing.assert_allclose(matrix[:, pixel], share.ravel(), atol=5 * 0.5 / np.sqrt(n))


def angles(corners, distance):
    """2θ and azimuth of the corners of a pixel, in degrees."""
    x, y, z = corners.T
    two_theta = np.rad2deg(np.arctan2(np.hypot(x, y), z + distance))
    return two_theta, np.rad2deg(np.unwrap(np.arctan2(y, x)))


def monte_carlo(polygon, radial, azimuth):
    """Shares of a polygon, shape (radius, azimuth), and the number of points that tell."""
    rng = np.random.default_rng(0)
    width_r, width_a = np.diff(radial)[0], np.diff(azimuth)[0]
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    points = low + (high - low) * rng.random((100_000, 2))
    inside = points[in_polygon(points, polygon)]
    i = np.floor((inside[:, 0] - radial[0]) / width_r + 0.5).astype(int)
    j = np.floor((inside[:, 1] - azimuth[0]) / width_a + 0.5).astype(int)
    if np.isclose(len(azimuth) * width_a, 360, rtol=1e-6):
        j %= len(azimuth)
    share = np.zeros((len(radial), len(azimuth)))
    good = (i >= 0) & (i < len(radial)) & (j >= 0) & (j < len(azimuth))
    np.add.at(share, (i[good], j[good]), 1 / len(inside))
    return share, len(inside)


def in_polygon(points, polygon):
    """Whether points lie in a polygon: an odd number of edges to their right."""
    odd = np.zeros(len(points), bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        crosses = (y0 > points[:, 1]) != (y1 > points[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            edge = x0 + (points[:, 1] - y0) / (y1 - y0) * (x1 - x0)
        odd ^= crosses & (points[:, 0] < edge)
    return odd


def test_every_hexagon_is_shared_out_whole():
    geometry = small_hexagons()
    for wanted in (binning(20), binning(20, 9), binning(20, unit="chi_deg")):
        matrix, _, _, _ = shared_out(geometry, wanted)
        # The parts are float32.
        np.testing.assert_allclose(matrix.sum(axis=0), 1, atol=3e-7)
        assert (matrix >= 0).all()


def test_what_lies_outside_of_the_range_does_not_count():
    geometry = small_hexagons()
    whole = StackIntegrator(geometry, 40, unit="r_mm", range=(0, 20), split="full")
    part = StackIntegrator(geometry, 20, unit="r_mm", range=(5, 15), split="full")
    np.testing.assert_allclose(
        part.operator.totals((0,))[1], whole.operator.totals((0,))[1][10:30], rtol=1e-6
    )
    sector = StackIntegrator(geometry, 40, unit="r_mm", range=(0, 20), split="full",
                             azimuth_range=(0, 90))  # fmt: skip
    others = StackIntegrator(geometry, 40, unit="r_mm", range=(0, 20), split="full",
                             azimuth_range=(90, 360))  # fmt: skip
    total = sector.operator.totals((0,))[1] + others.operator.totals((0,))[1]
    np.testing.assert_allclose(total, whole.operator.totals((0,))[1], rtol=1e-5, atol=1e-5)


def test_an_even_field_of_hexagons_is_even():
    geometry = small_hexagons()
    own = StackIntegrator(geometry, 30, split="full", npt_azim=7, unit="2th_deg")
    data = own.operator.entries.norms.reshape(geometry.data_shape) * 4
    found = own.integrate(data)
    seen = found.count > 1e-6
    np.testing.assert_allclose(found.intensity[seen], 4, rtol=3e-7)


@pytest.mark.jit
def test_wide_pixels_take_more_bins():
    geometry = geomlib.example_geometry("ePix10K").replace(distance=0.2, photon_energy=9000.0)
    mean = {}
    for wide in (False, True):
        make_operator.cache_clear()
        own = StackIntegrator(geometry, 3000, split="full", wide=wide, unit="chi_deg")
        entries = own.operator.entries
        row = 352 // 2 - 1  # at the inner edge
        bins, _, _ = pixel_entries(entries, row * 384, row * 384 + 100)
        mean[wide] = len(bins) / 100
    # 250 µm instead of 100 µm across the edge, which runs along the radius.
    assert mean[True] > 1.5 * mean[False]
