"""`compare`: how the tiles of two geometries differ, as arrows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D

from geomlib import checks
from geomlib.coordinates import grid_pixel_size
from geomlib.detector import FloatArray
from geomlib.errors import GeometryError
from geomlib.plotting.extent import padded, with_beam
from geomlib.plotting.view import (
    BEAM_COLOUR,
    BEAM_MARK,
    axes_for,
    dress_axes,
    mark_beam,
    plot_unit,
    write_heading,
    write_legend,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from geomlib.geometry import Geometry

#: Colours of the arrows at the first corner and at the corner across from it.
FIRST, OPPOSITE = "#0072b2", "#d55e00"
#: The longest arrow is at most this share of the detector's size, by default.
LONGEST = 0.08
#: Differences below this, in metres, count as none: a thousandth of an ångström.
NOTHING = 1e-13


class Difference(NamedTuple):
    """How the tiles of two geometries differ.

    Attributes
    ----------
    corners : ndarray, shape (n_tiles, 4, 3)
        Shift of each corner of the pixel grid, in metres, in the order of `tile_outlines`.
    rotations : ndarray, shape (n_tiles,)
        Angle by which each tile is turned about whatever axis, in degrees.
    stretch : float
        Largest relative change of a pixel's length.
    """

    corners: FloatArray
    rotations: FloatArray
    stretch: float


def compare(
    geometry: Geometry,
    other: Geometry,
    *,
    scale: float | None = None,
    units: str = "px",
    front_view: bool = True,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the tiles of a geometry with arrows to where they are in another.

    An arrow leaves the first corner of each tile and the corner across from it: both alike for a
    shift, different for a rotation. The text tells the largest shift, the largest rotation, shifts
    along the beam, and by how much the arrows are magnified.

    Parameters
    ----------
    geometry, other : Geometry
        From and to; their data must be cut into the same tiles.
    scale : float, optional
        Magnification of the arrows; default: a round number that makes small shifts visible.
    units, front_view, ax, title
        As for `geomlib.plotting.inspect`.

    Returns
    -------
    Axes

    Raises
    ------
    GeometryError
        If the tiles do not match, or `scale` is not positive.
    """
    _check_match(geometry, other)
    unit = plot_unit(units, *grid_pixel_size(geometry.detector, geometry.tiles))
    outlines = geometry.tile_outlines()[..., :2]
    change = difference(geometry, other)
    if scale is None:
        scale = _automatic_scale(outlines, change.corners[..., :2])
    else:
        scale = checks.number("scale", scale, positive=True)
    tips = outlines + scale * change.corners[..., :2]
    both = np.concatenate([outlines, tips[:, [0, 2]]], axis=1) / unit.lengths
    low, high, beam = with_beam(both.min(axis=(0, 1)), both.max(axis=(0, 1)))
    low, high = padded(low, high, 0.04)
    ax = axes_for(ax, low, high, unit)
    dress_axes(ax, unit, low, high, front_view)
    tiles = PolyCollection(
        list(outlines / unit.lengths), facecolors="0.95", edgecolors="0.7", linewidths=0.6
    )
    ax.add_collection(tiles, autolim=False)
    moved = np.linalg.norm(change.corners[..., :2], axis=-1) > NOTHING
    for corner, colour in ((0, FIRST), (2, OPPOSITE)):
        start, end = (a[moved[:, corner], corner] / unit.lengths for a in (outlines, tips))
        _draw_arrows(ax, start, end, colour)
    handles = [
        Line2D([], [], color=FIRST, marker=">", markersize=4, label="first corner"),
        Line2D([], [], color=OPPOSITE, marker=">", markersize=4, label="opposite corner"),
    ]
    if beam:
        mark_beam(ax)
        handles.append(Line2D([], [], color=BEAM_COLOUR, label="beam", **BEAM_MARK))
    write_heading(
        ax,
        f"{geometry.detector.name}: differences" if title is None else title,
        describe(geometry, change, scale),
    )
    write_legend(ax, handles)
    return ax


def difference(geometry: Geometry, other: Geometry) -> Difference:
    """Work out how the tiles of two geometries of the same detector differ."""
    before, after = (_frames(g) for g in (geometry, other))
    # |R - 1| (Frobenius) = 2 √2 sin(angle / 2); for small angles, exact where the trace is not.
    change = np.linalg.norm(after - before, axis=(1, 2)) / np.sqrt(8)
    lengths = [np.linalg.norm(np.stack([g.tile_ss, g.tile_fs]), axis=-1) for g in (geometry, other)]
    return Difference(
        other.tile_outlines() - geometry.tile_outlines(),
        np.degrees(2 * np.arcsin(np.minimum(change, 1))),
        float(np.abs(lengths[1] / lengths[0] - 1).max()),
    )


def describe(geometry: Geometry, change: Difference, scale: float) -> str:
    """Say in two lines how two geometries differ."""
    shifts = np.linalg.norm(change.corners, axis=-1).max(axis=1)
    if shifts.max() < NOTHING:
        return "no difference"
    names = geometry.detector.tile_names
    lines = [
        f"largest shift {_length(shifts.max())} ({names[int(shifts.argmax())]}), "
        f"median {_length(float(np.median(shifts)))}; arrows × {scale:g}"
    ]
    parts = []
    if change.rotations.max() > 1e-9:
        tile = names[int(change.rotations.argmax())]
        parts.append(f"largest rotation {change.rotations.max():.3g}° ({tile})")
    z = change.corners[..., 2]
    if np.abs(z).max() > NOTHING:
        parts.append(f"z shift {_length(z.min())} … {_length(z.max())}")
    if change.stretch > 1e-9:
        parts.append(f"pixel lengths differ by up to {100 * change.stretch:.2g} %")
    return "\n".join([*lines, *([", ".join(parts)] if parts else [])])


def _length(metres: float) -> str:
    return f"{1e3 * metres:.4g} mm" if abs(metres) >= 1e-3 else f"{1e6 * metres:.3g} µm"


def _check_match(geometry: Geometry, other: Geometry) -> None:
    a, b = geometry.detector, getattr(other, "detector", None)
    if b is None:
        raise GeometryError(f"other must be a Geometry, not {type(other).__name__}")
    if a.data_shape != b.data_shape or not np.array_equal(a.tile_bounds, b.tile_bounds):
        raise GeometryError(
            f"the two geometries do not have the same tiles: {a.name} has {a.n_tiles} in data of "
            f"shape {a.data_shape}, {b.name} has {b.n_tiles} in data of shape {b.data_shape}"
        )


def _automatic_scale(outlines: FloatArray, shifts: FloatArray) -> float:
    """Round magnification, 1, 2 or 5 times a power of ten, that makes the arrows long enough."""
    longest = float(np.linalg.norm(shifts, axis=-1).max())
    size = float(np.ptp(outlines, axis=(0, 1)).max())
    if longest < NOTHING:
        return 1.0
    wanted = LONGEST * size / longest
    power = 10.0 ** np.floor(np.log10(wanted))
    return max(1.0, float(power * max(m for m in (1, 2, 5) if m * power <= wanted * (1 + 1e-9))))


def _draw_arrows(ax: Axes, start: FloatArray, end: FloatArray, colour: str) -> None:
    ax.quiver(
        *start.T, *(end - start).T, angles="xy", scale_units="xy", scale=1, color=colour,
        units="dots", width=1.4, headwidth=5, headlength=6, headaxislength=5, zorder=3,
    )  # fmt: skip


def _frames(geometry: Geometry) -> FloatArray:
    """Orientation of each tile: unit vectors along fs, its normal and across; (n_tiles, 3, 3)."""
    fs, normal = geometry.tile_fs, np.cross(geometry.tile_fs, geometry.tile_ss)
    frame = np.stack([fs, normal, np.cross(normal, fs)], axis=2)
    # A tile whose vectors are parallel has no orientation.
    length = np.linalg.norm(frame, axis=1, keepdims=True)
    return np.asarray(frame / np.where(length > 0, length, 1))
