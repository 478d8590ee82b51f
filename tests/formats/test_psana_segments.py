"""Segments of psana: where their pixels are, by the coordinates that psana computes."""

import numpy as np
import pytest

from geomlib.formats.psana import read_psana
from geomlib.formats.psana_segments import SEGMENTS, segment_named

UM = 1e-6


def read_segment(name, tmp_path):
    path = tmp_path / "a.data"
    path.write_text(f"IP 0 {name} 0 0 0 0 0 0 0 0 0 0")
    return read_psana(path)


@pytest.mark.parametrize(
    # Centres of the first and last pixel in µm, as psana's get_pixel_coords gives them.
    ("name", "first", "last"),
    [
        ("JUNGFRAU:V1", (-38587.5, 19237.5), (38587.5, -19237.5)),
        ("JUNGFRAU:V2", (-38587.5, -19237.5), (38587.5, 19237.5)),
        ("EPIX10KA:V1", (-19275.0, 17675.0), (19275.0, -17675.0)),
        ("EPIX100:V1", (-19300.0, -17700.0), (19300.0, 17700.0)),
        ("SENS2X1:V1", (-21434.4, 10112.64), (21434.4, -10112.64)),
        ("EPIXHR2X2:V1", (-19275.0, 14475.0), (19275.0, -14475.0)),
        ("EPIXMASIC:V1", (-9575.0, 4775.0), (9575.0, -4775.0)),
        ("EPIXUHRASIC:V1", (-9550.0, 8350.0), (9550.0, -8350.0)),
        ("EPIXUHR3X2:V1", (-29075.0, 16912.5), (29075.0, -16912.5)),
        ("PNCCD:V1", (0.0, 0.0), (38325.0, 38325.0)),
        ("MTRX:3:5:10:20", (0.0, 0.0), (20.0, 80.0)),
        ("MTRX:V2:3:5:10:20", (-40.0, 10.0), (40.0, -10.0)),
    ],
)
def test_segments(name, first, last, tmp_path):
    geometry = read_segment(name, tmp_path)
    centres = geometry.pixel_positions()[0]
    # Lab (x, y) is (-y, -x).
    for found, expected in ((centres[0, 0], first), (centres[-1, -1], last)):
        np.testing.assert_allclose(-found[1::-1] / UM, expected, rtol=0, atol=1e-9)


def test_steps_over_gaps(tmp_path):
    # Between the centres of pixels on both sides, as in psana: three pixels of 75 µm.
    geometry = read_segment("JUNGFRAU:V1", tmp_path)
    y = -geometry.pixel_positions()[0, 0, :, 1] / UM
    steps = np.diff(y)
    assert np.flatnonzero(np.abs(steps - 75) > 1e-6).tolist() == [255, 511, 767]
    np.testing.assert_allclose(steps[[255, 511, 767]], 225, rtol=0, atol=1e-9)


def test_every_segment_reads(tmp_path):
    for name in SEGMENTS:
        geometry = read_segment(name, tmp_path)
        assert geometry.n_modules == 1


def test_matrices_need_numbers():
    assert segment_named("MTRX:V2:3:5:10") is None
    assert segment_named("MTRX:V3:3:5:10:20") is None
    assert segment_named("MTRX:V1:3:5:10:20") == segment_named("MTRX:3:5:10:20")
