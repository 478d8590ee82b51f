"""A real frame, from module data to the picture."""

import numpy as np
import pytest

from geomlib import assemble_data, read_geometry, render
from geomlib.detectors import lpd_1m
from tests.shared import SHARED_DATA, needs_shared_data

MISSING = (64, 64, 64, 255)


def frame(name):
    with np.load(SHARED_DATA / "frames" / f"{name}.npz") as file:
        return file["data"]


@needs_shared_data
@pytest.mark.jit
@pytest.mark.filterwarnings("ignore:.*CrystFEL 0.12 rejects:geomlib.GeometryWarning")
def test_agipd_rings():
    folder = SHARED_DATA / "crystfel"
    geom = read_geometry(folder / "AGIPD_European-XFEL_geoAssembler_test.geom")
    image = assemble_data(frame("agipd_rings"), geom)
    out = render(image, front_view=False)[::-1]
    missing = (out == MISSING).all(axis=-1)
    assert np.array_equal(missing, np.isnan(image.data))
    # The two strong rings at 335 and 425 pixels, brighter than what lies between them, in each
    # of the four directions: viridis grows brighter in green.
    y, x = np.indices(image.data.shape) - np.reshape(image.centre, (2, 1, 1)) + 0.5
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    for start in np.arange(-np.pi, np.pi, np.pi / 2):
        part = ~missing & (angle >= start) & (angle < start + np.pi / 2)
        between = out[..., 1][part & (abs(radius - 380) < 20)].mean()
        ring = max(out[..., 1][part & (abs(radius - r) < 2)].mean() for r in range(415, 435))
        assert ring > between + 30
    # A sensible range: neither black nor burnt out.
    levels = out[..., 1][~missing]
    assert 30 < np.median(levels) < 150
    assert np.mean(levels == levels.max()) < 0.03


@needs_shared_data
@pytest.mark.jit
def test_lpd_liquid():
    geom = lpd_1m([(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)])
    image = assemble_data(frame("lpd_liquid"), geom)
    out = render(image, front_view=False)[::-1]
    assert np.array_equal((out == MISSING).all(axis=-1), np.isnan(image.data))
    # The liquid ring: dark inside, bright at some 300 pixels.
    y, x = np.indices(image.data.shape) - np.reshape(image.centre, (2, 1, 1)) + 0.5
    good = ~np.isnan(image.data)
    inner = out[..., 1][good & (np.hypot(y, x) < 120)].mean()
    ring = out[..., 1][good & (abs(np.hypot(y, x) - 280) < 20)].mean()
    assert ring > inner + 60
    assert image.plot(norm="log").images[0].norm.vmin > 0
