import numpy as np
import pytest
from matplotlib.quiver import Quiver

from geomlib import GeometryError, example_geometry
from geomlib.plotting import compare
from geomlib.plotting.comparison import difference
from tests.plotting.small import SMALL


def arrows(ax):
    """Start and vector of the arrows at first and at opposite corners."""
    return [
        (c.get_offsets(), np.stack([c.U, c.V], axis=1))
        for c in ax.collections
        if isinstance(c, Quiver)
    ]


def summary(ax):
    return ax.texts[-1].get_text()


def test_shift_of_one_module():
    moved = SMALL.offset((20e-6, -10e-6, 0), modules=1)
    ax = SMALL.compare(moved, scale=10, units="mm")
    (first_at, first), (opposite_at, opposite) = arrows(ax)
    # Only what moved has arrows: from its first corner and the one across, ten times as long.
    assert np.allclose(first_at, [[1, -2]])
    assert np.allclose(opposite_at, [[7, 2]])
    assert np.allclose(first, [[0.2, -0.1]])
    assert np.allclose(opposite, [[0.2, -0.1]])
    assert summary(ax) == "largest shift 22.4 µm (p1a0), median 11.2 µm; arrows × 10"
    assert len(ax.collections[0].get_paths()) == 2
    left, right = ax.get_xlim()
    assert left > right


def test_rotation_and_z():
    turned = SMALL.rotate((0, 0, 0.5), modules=0).offset((0, 0, 30e-6), modules=1)
    change = difference(SMALL, turned)
    assert change.rotations == pytest.approx([0.5, 0], abs=1e-9)
    assert np.allclose(change.corners[1], [0, 0, 30e-6], atol=1e-12)
    # Corners of 6 × 4 mm turn about the middle: 0.5° × half a diagonal.
    assert np.linalg.norm(change.corners[0], axis=-1) == pytest.approx(
        2 * np.sin(np.radians(0.25)) * np.hypot(3e-3, 2e-3)
    )
    text = summary(SMALL.compare(turned))
    assert "largest rotation 0.5° (p0a0)" in text
    assert "z shift 0 µm … 30 µm" in text


@pytest.mark.parametrize("angle", [1e-7, 1e-3, 1.0, 90.0, 180.0])
def test_small_and_large_rotations(angle):
    for axis in np.eye(3):
        assert difference(SMALL, SMALL.rotate(angle * axis)).rotations == pytest.approx(
            [angle] * 2, rel=1e-6
        )


def test_no_difference():
    ax = SMALL.compare(SMALL)
    assert summary(ax) == "no difference"
    assert all(len(at) == 0 for at, _ in arrows(ax))
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("shift", "scale"), [(1e-9, 1e6), (1e-6, 1000), (3e-6, 200), (0.5e-3, 2), (0.1, 1)]
)
def test_automatic_scale_is_round_and_keeps_arrows_short(shift, scale):
    # At most 8 % of the detector's 14 mm, in steps of 1, 2 and 5; never reduced.
    ax = SMALL.compare(SMALL.offset((shift, 0)))
    assert f"arrows × {scale:g}" in summary(ax)


def test_stretched_pixels_are_told():
    wider = SMALL.replace(tile_fs=SMALL.tile_fs * 1.01)
    assert "pixel lengths differ by up to 1 %" in summary(SMALL.compare(wider))


def test_real_detector_in_millimetres():
    geom = example_geometry("AGIPD-1M")
    ax = compare(geom, geom.offset((1e-4, 0), group="q2"), units="mm", title="refined")
    assert len(arrows(ax)[0][0]) == 32
    assert ax.get_title() == "refined"
    ax.figure.canvas.draw()


def test_geometries_must_match():
    with pytest.raises(GeometryError, match=r"AGIPD-1M has 128 in data of shape .* LPD-1M has 256"):
        example_geometry("AGIPD-1M").compare(example_geometry("LPD-1M"))
    with pytest.raises(GeometryError, match="other must be a Geometry, not str"):
        SMALL.compare("other.geom")
    for scale in (0, -1, np.nan, "a", [2]):
        with pytest.raises(GeometryError, match="scale must be a positive, finite number"):
            SMALL.compare(SMALL, scale=scale)
