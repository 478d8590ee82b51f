"""Medians and clipped means against numpy and pyFAI."""

from itertools import pairwise

import numpy as np
import pytest

import geomlib
from geomlib import StackIntegrator
from geomlib.errors import GeometryError
from tests.integration.small import counts, same, small_geometry


def rings(integrator):
    """Pixels of each bin, and their norms."""
    starts, pixels, _ = integrator.operator.by_bins()
    norms = integrator.operator.entries.norms
    return [pixels[a:b] for a, b in pairwise(starts)], norms


def hot(frames, seed=5):
    data = counts(small_geometry(), frames)
    data[np.random.default_rng(seed).random(data.shape) < 0.01] = 1e6
    return data


def test_median_is_numpys():
    own = StackIntegrator(small_geometry(), 30, method="median", error_model="azimuthal")
    data = hot(3)
    data[1, 0, :4] = np.nan
    found = own.integrate(data)
    members, norms = rings(own)
    for frame in range(3):
        values = data[frame].ravel() / norms.astype("f8")
        for b, pixels in enumerate(members):
            ring = values[pixels][np.isfinite(values[pixels])]
            assert found.count[frame, b] == len(ring)
            if len(ring):
                # The result is float32.
                assert found.intensity[frame, b] == pytest.approx(np.median(ring), rel=1e-7)
                spread = 1.482602218505602 * np.median(np.abs(ring - np.median(ring)))
                expected = 1.2533141373155001 * spread / np.sqrt(len(ring))
                if len(ring) == 1:
                    assert np.isnan(found.sigma[frame, b])
                    continue
                assert found.sigma[frame, b] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_parts_of_pixels_count_as_parts_in_a_median():
    own = StackIntegrator(small_geometry(), 30, method="median", split="bbox")
    data = hot(1)
    found = own.integrate(data[0])
    starts, pixels, parts = own.operator.by_bins()
    values = data[0].ravel() / own.operator.entries.norms.astype("f8")
    for b in (3, 10, 20):
        ring = slice(starts[b], starts[b + 1])
        order = np.argsort(values[pixels[ring]])
        weight = np.cumsum(parts[ring][order].astype("f8"))
        middle = values[pixels[ring]][order][np.searchsorted(weight, 0.5 * weight[-1])]
        assert found.intensity[b] == pytest.approx(middle, rel=1e-7)


def test_clipping_is_that_of_pyfai():
    geometry = small_geometry()
    own = StackIntegrator(
        geometry, 20, method="sigma_clip", error_model="azimuthal", clip=3.0, max_iterations=4
    )
    data = hot(2)
    found = own.integrate(data)
    ai = geomlib.to_pyfai_integrator(geometry)
    peer = ai.sigma_clip(
        data[1].reshape(ai.detector.shape), 20, unit="q_A^-1", error_model="azimuthal", thres=3.0,
        max_iter=4, method=("no", "csr", "python"),
    )  # fmt: skip
    seen = peer.count > 1
    np.testing.assert_array_equal(found.count[1][seen], peer.count[seen])
    # Its sums are float32.
    np.testing.assert_allclose(found.intensity[1][seen], peer.intensity[seen], rtol=1e-5)
    np.testing.assert_allclose(found.sigma[1][seen], peer.sem[seen], rtol=1e-4)


def test_hot_pixels_move_the_mean_and_nothing_else():
    geometry = small_geometry()
    data = np.full((1, *geometry.data_shape), 7.0, "f4")
    clean = StackIntegrator(geometry, 20, solid_angle=False).integrate(data)
    data[np.random.default_rng(5).random(data.shape) < 0.02] = 1e5
    mean = StackIntegrator(geometry, 20, solid_angle=False).integrate(data)
    assert np.nanmax(mean.intensity) > 100
    for method in ("median", "sigma_clip"):
        own = StackIntegrator(geometry, 20, solid_angle=False, method=method, clip=2.0)
        found = own.integrate(data)
        # One hot pixel of five or more is more than two standard deviations away.
        many = clean.count > 6
        np.testing.assert_array_equal(found.intensity[many], 7.0)


def test_no_iterations_is_the_mean():
    geometry, data = small_geometry(), hot(2)
    plain = StackIntegrator(geometry, 20).integrate(data)
    own = StackIntegrator(geometry, 20, method="sigma_clip", max_iterations=0).integrate(data)
    np.testing.assert_allclose(own.intensity, plain.intensity, rtol=1e-6)
    np.testing.assert_allclose(own.count, plain.count)


@pytest.mark.parametrize("method", ["median", "sigma_clip"])
def test_any_layout_and_threads(method):
    geometry = small_geometry()
    data = counts(geometry, 5, "u2")
    own = StackIntegrator(geometry, 20, method=method, error_model="azimuthal", threads=1)
    wanted = own.integrate(data)
    stream = np.ascontiguousarray(data.transpose(1, 3, 2, 0))
    assert same(own.integrate(stream, axes="stream"), wanted)
    many = StackIntegrator(geometry, 20, method=method, error_model="azimuthal", threads=8)
    assert same(many.integrate(data), wanted)
    present = np.ones((5, 2), dtype=bool)
    present[2, 1] = False
    nan = data.astype("f4")
    nan[2, 1] = np.nan
    assert same(own.integrate(data, present=present), own.integrate(nan))


def test_poisson_errors_are_for_means():
    with pytest.raises(GeometryError, match="error_model='azimuthal', or none"):
        StackIntegrator(small_geometry(), 10, method="median", error_model="poisson")
