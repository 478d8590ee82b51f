"""`plot_pattern`: curves and cakes of azimuthal integration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.ticker import MaxNLocator, MultipleLocator

from geomlib import checks
from geomlib.errors import GeometryError
from geomlib.integration.pattern import Pattern
from geomlib.plotting.images import MISSING_COLOUR, colour_map, draw_colour_bar
from geomlib.plotting.value_range import colour_limits
from geomlib.plotting.view import write_heading

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

FloatArray = npt.NDArray[np.float64]

#: What stands on the axis of each unit.
AXIS_LABELS = {
    "q_A^-1": "q (Å⁻¹)",
    "q_nm^-1": "q (nm⁻¹)",
    "2th_deg": "2θ (°)",
    "2th_rad": "2θ (rad)",
    "r_mm": "r (mm)",
    "chi_deg": "azimuth χ (°)",
    "chi_rad": "azimuth χ (rad)",
}
#: Of inches, for a new figure.
FIGURE_SIZE = (7.5, 4.8)
#: More curves than these are drawn as an image.
MOST_CURVES = 10
#: More frames than these share rows of the image: no screen shows more.
MOST_ROWS = 2000


class _Look(NamedTuple):
    """How values become heights or colours."""

    log: bool
    vmin: float | None
    vmax: float | None
    cmap: Colormap | None


def plot_pattern(
    pattern: Pattern,
    ax: Axes | None = None,
    *,
    frame: int | Sequence[int] | None = None,
    log: bool = False,
    sigma: bool = True,
    label: str | None = None,
    title: str | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    cmap: str | Colormap | None = None,
    numbers: Sequence[int] | None = None,
) -> Axes:
    """Draw curves as lines, many curves or a cake as an image.

    Up to ten curves are lines; more are an image of frames against radius, in which more than two
    thousand frames share rows: their means. Bins without pixels are gaps in a line, and dark grey
    in an image. The default range of colours leaves out half a percent of the bins at each end.

    Parameters
    ----------
    pattern : Pattern
        What to draw. Dask arrays are computed.
    ax : Axes, optional
        Where to draw; default: a new figure. Curves of several calls stand side by side.
    frame : int or sequence of int, optional
        Which of several frames; one number for each of the leading axes. Default: of curves all,
        of cakes the mean, to which bins without pixels do not count.
    log : bool
        Intensity on a logarithmic scale.
    sigma : bool
        Shade a single curve by its standard error, where it has one.
    label : str, optional
        Name of the curve, in a legend; of several curves what stands before their numbers.
    title : str, optional
        Above the axes.
    vmin, vmax : float, optional
        Range of the colours; of curves, ends of the axis of intensity.
    cmap : str or Colormap, optional
        Colours of an image; default ``"viridis"``. Of several lines too, where it is given.
    numbers : sequence of int, optional
        What to call the frames of several curves along one axis; default: 0, 1, 2 ….

    Returns
    -------
    Axes

    Raises
    ------
    GeometryError
        If an argument is not as described, or there is nothing to draw.
    """
    frames = _leading_axes(pattern)
    index = None if frame is None else _frame_index(frames, frame)
    look = _look(log, vmin, vmax, cmap)
    shade = checks.flag("sigma", sigma)
    heading = "" if title is None else checks.text("title", title)
    name = None if label is None else checks.text("label", label)
    called = _check_numbers(frames, numbers)
    ax = _axes_for(ax)
    note = ""
    if pattern.is_cake:
        note = _draw_cake(ax, pattern, index, look)
    elif index is None and math.prod(frames) > MOST_CURVES:
        note = _draw_frames(ax, pattern, look, called)
    elif index is None and frames:
        _draw_curves(ax, pattern, look, called, name)
    else:
        _draw_curve(ax, pattern, index or (), look, shade, name)
    if heading or note:
        write_heading(ax, heading, note)
    return ax


def _leading_axes(pattern: Pattern) -> tuple[int, ...]:
    if not isinstance(pattern, Pattern):
        raise GeometryError(
            f"pattern must be a Pattern, as StackIntegrator.integrate returns it, not "
            f"{type(pattern).__name__}"
        )
    if 0 in pattern.shape:
        raise GeometryError(f"there is nothing to draw in a pattern of shape {pattern.shape}")
    return pattern.shape[: -2 if pattern.is_cake else -1]


def _frame_index(frames: tuple[int, ...], frame: int | Sequence[int]) -> tuple[int, ...]:
    """Check the index of one frame."""
    if not frames:
        raise GeometryError(f"frame must be None for a single frame, not {checks.shown(frame)}")
    given = tuple(frame) if isinstance(frame, Sequence) else (frame,)
    if len(given) != len(frames):
        expected = "a whole number" if len(frames) == 1 else f"{len(frames)} whole numbers"
        raise GeometryError(
            f"frame must be {expected} for the leading axes {frames}, not {checks.shown(frame)}"
        )
    return tuple(
        checks.integer("frame", number, -n, n - 1) for number, n in zip(given, frames, strict=True)
    )


def _check_numbers(
    frames: tuple[int, ...], numbers: Sequence[int] | None
) -> tuple[int, ...] | None:
    """Check what the frames are to be called."""
    if numbers is None:
        return None
    if len(frames) != 1:
        raise GeometryError(f"numbers is for frames along one axis, not for axes {frames}")
    return checks.integers("numbers", numbers, 0, count=frames[0])


def _look(log: bool, vmin: float | None, vmax: float | None, cmap: str | Colormap | None) -> _Look:
    log = checks.flag("log", log)
    # For its checks: whatever the data are, the limits must make sense.
    colour_limits(np.ones((1, 1)), vmin, vmax, log=log)
    return _Look(log, vmin, vmax, None if cmap is None else colour_map(cmap))


def _axes_for(ax: Axes | None) -> Axes:
    if ax is not None:
        if not isinstance(ax, Axes):
            raise GeometryError(f"ax must be matplotlib axes, not {checks.shown(ax)}")
        return ax
    # Only here: a figure of the caller's own needs no window system.
    from matplotlib import pyplot as plt

    figure: Figure = plt.figure(figsize=FIGURE_SIZE, layout="constrained")
    return figure.add_subplot()


# -- Lines --------------------------------------------------------------------------------


def _draw_curve(
    ax: Axes,
    pattern: Pattern,
    index: tuple[int, ...],
    look: _Look,
    shade: bool,
    label: str | None,
) -> None:
    """Draw one curve, with its standard error as a band."""
    intensity = np.asarray(pattern.intensity[index], dtype=np.float64)
    if label is None and index:
        label = f"frame {_numbered(index)}"
    (line,) = ax.plot(pattern.radial, intensity, linewidth=1.2, label=label)
    _mark_lonely(ax, pattern.radial, intensity, line.get_color())
    if shade and pattern.sigma is not None:
        error = np.asarray(pattern.sigma[index], dtype=np.float64)
        low, high = intensity - error, intensity + error
        positive = intensity[intensity > 0]
        if look.log and positive.size:
            # A band that reaches zero would pull the axis down without end.
            low = np.fmax(low, positive.min())
        colour = line.get_color()
        ax.fill_between(pattern.radial, low, high, color=colour, alpha=0.25, linewidth=0)
    _dress_curves(ax, pattern, look, legend=label is not None)


def _draw_curves(
    ax: Axes, pattern: Pattern, look: _Look, numbers: Sequence[int] | None, label: str | None
) -> None:
    """Draw a few curves, each with its number."""
    intensity = np.asarray(pattern.intensity, dtype=np.float64)
    frames = list(np.ndindex(intensity.shape[:-1]))
    shades = np.linspace(0, 0.92, len(frames))
    for place, (index, shade) in enumerate(zip(frames, shades, strict=True)):
        colour = {} if look.cmap is None else {"color": look.cmap(shade)}
        number = _numbered(index) if numbers is None else numbers[place]
        name = f"{'frame' if label is None else label} {number}"
        (line,) = ax.plot(pattern.radial, intensity[index], linewidth=1.1, label=name, **colour)
        _mark_lonely(ax, pattern.radial, intensity[index], line.get_color())
    _dress_curves(ax, pattern, look, legend=True)


def _mark_lonely(
    ax: Axes, radial: npt.NDArray[Any], intensity: npt.NDArray[Any], colour: Any
) -> None:
    """Mark bins between two without pixels, which no line reaches; say so where there is none."""
    there = np.isfinite(intensity)
    beside = np.zeros_like(there)
    beside[:-1] |= there[1:]
    beside[1:] |= there[:-1]
    lonely = there & ~beside
    if lonely.any():
        ax.scatter(radial[lonely], intensity[lonely], 6, color=colour)
    if not there.any():
        where = ax.transAxes
        ax.text(0.5, 0.5, "no pixel counts", transform=where, ha="center", va="center")


def _numbered(index: tuple[int, ...]) -> str:
    return ", ".join(map(str, index))


def _dress_curves(ax: Axes, pattern: Pattern, look: _Look, *, legend: bool) -> None:
    ax.set_xlabel(_axis_label(pattern))
    ax.set_ylabel("intensity")
    ax.margins(x=0.01)
    if pattern.unit == "chi_deg":
        _tick_degrees(ax.xaxis, pattern.radial)
    if look.log:
        ax.set_yscale("log", nonpositive="mask")
    if look.vmin is not None or look.vmax is not None:
        ax.set_ylim(look.vmin, look.vmax)
    if legend:
        ax.legend(frameon=False, fontsize=8.5)


def _axis_label(pattern: Pattern) -> str:
    return AXIS_LABELS.get(pattern.unit, pattern.unit)


def _tick_degrees(axis: Axis, angles: FloatArray) -> None:
    """Put ticks of a nearly full turn where people look for them."""
    if abs(angles[-1] - angles[0]) > 300:
        axis.set_major_locator(MultipleLocator(60))


# -- Images -------------------------------------------------------------------------------


def _draw_frames(ax: Axes, pattern: Pattern, look: _Look, numbers: Sequence[int] | None) -> str:
    """Draw curves as rows of an image; return what is to be said about it."""
    curves = pattern.intensity.reshape(-1, pattern.shape[-1])
    n = len(curves)
    step = math.ceil(n / MOST_ROWS)
    whole = n // step * step
    rows = _mean(curves[:whole].reshape(-1, step, curves.shape[-1]), 1)
    if whole < n:
        rows = np.concatenate([rows, _mean(curves[whole:], 0)[np.newaxis]])
    edges = np.minimum(np.arange(len(rows) + 1) * step, n) - 0.5
    _draw_image(ax, _edges(pattern.radial), edges, rows, look)
    ax.set_xlabel(_axis_label(pattern))
    ax.set_ylabel("frame")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    if numbers is not None:

        def name(place: float, _: object) -> str:
            return str(numbers[round(place)]) if -0.5 < place < n - 0.5 else ""

        ax.yaxis.set_major_formatter(name)
    leading = pattern.shape[:-1]
    shared = f"{n} frames, each row the mean of {step}" if step > 1 else ""
    numbered = f"{' × '.join(map(str, leading))} frames, counted through" * (len(leading) > 1)
    return ", ".join(filter(None, (shared, numbered)))


def _draw_cake(ax: Axes, pattern: Pattern, index: tuple[int, ...] | None, look: _Look) -> str:
    """Draw a cake, or the mean of several; return which one it is."""
    assert pattern.azimuth is not None
    frames = pattern.shape[:-2]
    of = " × ".join(map(str, frames))
    if index is not None or not frames:
        cake = np.asarray(pattern.intensity[index or ()], dtype=np.float64)
        note = f"frame {_numbered(index)} of {of}" if index else ""
    else:
        cake = _mean(pattern.intensity.reshape(-1, *pattern.shape[-2:]), 0)
        note = f"mean of {of} frames" if math.prod(frames) > 1 else ""
    edges = _edges(pattern.azimuth)
    _draw_image(ax, _edges(pattern.radial), edges, cake, look)
    ax.set_xlabel(_axis_label(pattern))
    ax.set_ylabel(AXIS_LABELS["chi_deg"])
    _tick_degrees(ax.yaxis, edges)
    return note


def _draw_image(ax: Axes, x: FloatArray, y: FloatArray, values: FloatArray, look: _Look) -> None:
    low, high = colour_limits(values, look.vmin, look.vmax, log=look.log)
    # Clipped: a bin without photons is the lowest colour, not that of a bin without pixels.
    norm = LogNorm(low, high, clip=True) if look.log else Normalize(low, high)
    cmap = colour_map(None) if look.cmap is None else look.cmap
    drawn = ax.pcolormesh(x, y, values, norm=norm, cmap=cmap, rasterized=True)
    ax.set_facecolor(MISSING_COLOUR)
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(y[0], y[-1])
    draw_colour_bar(ax, drawn, values, norm)
    ax.child_axes[-1].set_ylabel("intensity")


def _edges(centres: FloatArray) -> FloatArray:
    """Edges of bins with given centres."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    inner = 0.5 * (centres[1:] + centres[:-1])
    return np.concatenate([[2 * centres[0] - inner[0]], inner, [2 * centres[-1] - inner[-1]]])


def _mean(values: Any, axis: int) -> FloatArray:
    """Mean of what is no NaN; of dask arrays too, which are computed once for it."""
    there = ~np.isnan(values)
    total = np.where(there, values, 0.0).sum(axis=axis, dtype=np.float64)
    both = np.asarray(np.stack([total, there.sum(axis=axis)]))
    with np.errstate(invalid="ignore"):
        return np.asarray(both[0] / both[1])
