"""What the plots share: units, axes in front view, and room for labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from geomlib import checks
from geomlib.detector import FloatArray
from geomlib.errors import GeometryError

_LENGTHS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "µm": 1e-6}

#: The cross at the beam; its size in points.
BEAM_COLOUR, BEAM_SIZE = "#d00000", 14.0
BEAM_MARK: dict[str, Any] = {
    "marker": "+", "markersize": BEAM_SIZE, "markeredgewidth": 1.5, "linestyle": "none"
}  # fmt: skip

#: Width of a letter, on average, plain and bold, and height of a line, in units of the font size.
_LETTER, _BOLD_LETTER, _LINE = 0.62, 0.8, 1.2


class Unit(NamedTuple):
    """The unit of a plot's axes.

    Attributes
    ----------
    x, y : float
        Its length along x and y, in metres.
    label : str
        Its name on the axes.
    """

    x: float
    y: float
    label: str

    @property
    def lengths(self) -> FloatArray:
        """Its length along (x, y), in metres."""
        return np.array([self.x, self.y])


def plot_unit(units: str, pixel_x: float, pixel_y: float) -> Unit:
    """Look up a unit; ``"px"`` are pixels of the given size in metres.

    Raises
    ------
    GeometryError
        If there is no such unit.
    """
    if isinstance(units, str) and units == "px":
        return Unit(pixel_x, pixel_y, "pixels")
    if not isinstance(units, str) or units not in _LENGTHS:
        known = ", ".join(map(repr, _LENGTHS))
        raise GeometryError(f"units must be 'px', {known}, not {checks.shown(units)}")
    length = _LENGTHS[units]
    return Unit(length, length, "µm" if units == "um" else units)


def axes_for(ax: Axes | None, low: FloatArray, high: FloatArray, unit: Unit) -> Axes:
    """Return the axes given, or make a figure whose axes fit a view.

    Parameters
    ----------
    ax : Axes, optional
        What the caller was given.
    low, high : ndarray, shape (2,)
        Corners of the view as (x, y), in that unit.
    unit : Unit
        Of the axes.

    Raises
    ------
    GeometryError
        If `ax` is something else.
    """
    from matplotlib import pyplot as plt
    from matplotlib.axes import Axes

    if ax is not None:
        if not isinstance(ax, Axes):
            raise GeometryError(f"ax must be matplotlib axes, not {checks.shown(ax)}")
        return ax
    width, height = (high - low) * unit.lengths
    # Inches: room for a square of 5.9, and for what stands around it.
    size = 7.5, float(np.clip(5.9 * height / width, 1.4, 7.0)) + 1.3
    return plt.subplots(figsize=size, layout="compressed")[1]


def dress_axes(ax: Axes, unit: Unit, low: FloatArray, high: FloatArray, front_view: bool) -> None:
    """Set limits, aspect and labels of axes that show the plane across the beam.

    Parameters
    ----------
    ax : Axes
        The axes.
    unit : Unit
        Of the axes.
    low, high : ndarray, shape (2,)
        Corners of the view as (x, y), in that unit.
    front_view : bool
        x grows to the left.
    """
    ax.set_xlim(*((high[0], low[0]) if front_view else (low[0], high[0])))
    ax.set_ylim(low[1], high[1])
    ax.set_aspect(unit.y / unit.x)
    ax.set_xlabel(f"x ({unit.label})")
    ax.set_ylabel(f"y ({unit.label})")


def mark_beam(ax: Axes) -> None:
    """Draw a cross at the origin, visible on any ground."""
    halo = BEAM_MARK | {"markeredgewidth": 3.0}
    ax.plot([0], [0], color="white", zorder=6, **halo)
    ax.plot([0], [0], color=BEAM_COLOUR, zorder=6, label="beam", **BEAM_MARK)


def write_heading(ax: Axes, title: str, subtitle: str) -> None:
    """Write a title and, smaller below it, what else one should know."""
    pad = 9 + 11 * len(subtitle.splitlines())
    # Names come from files: a dollar sign in one does not begin a formula.
    ax.set_title(title, fontsize=12, pad=pad, parse_math=False)
    ax.annotate(
        subtitle, (0.5, 1), xytext=(0, 5), xycoords="axes fraction", textcoords="offset points",
        ha="center", va="bottom", fontsize=8.5, color="0.35", parse_math=False,
    )  # fmt: skip


def write_legend(ax: Axes, handles: Sequence[Artist]) -> None:
    """Write a legend below the label of the x axis, whatever the height of the axes."""
    figure = ax.get_figure()
    assert figure is not None
    below = ax.transAxes + ScaledTranslation(0, -36 / 72, figure.dpi_scale_trans)
    ax.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below,
        ncols=len(handles), frameon=False, fontsize=8.5, borderaxespad=0, columnspacing=1.4,
        handlelength=1.4,
    )  # fmt: skip


class Labels:
    """Texts on axes that keep clear of each other.

    Sizes are estimated from the number of letters, so that no drawing is needed to place them.

    Parameters
    ----------
    ax : Axes
        With limits and aspect set.
    """

    def __init__(self, ax: Axes) -> None:
        self._ax = ax
        self._points = points_per_unit(ax)
        self._taken: list[tuple[float, float, float, float]] = []

    def size_for(
        self, texts: Iterable[str], room: FloatArray, largest: float, *, bold: bool = False
    ) -> float:
        """Font size, in points, at which three of four texts fit.

        Parameters
        ----------
        texts : iterable of str
            The texts.
        room : ndarray, shape (n, 2)
            Width and height that each may take, in units of the axes.
        largest : float
            Never larger than this.
        bold : bool
            For bold letters.
        """
        letters = np.array([max(len(text), 1) for text in texts])
        wide, high = 0.9 * (room * self._points).T
        fits = np.minimum(wide / (letters * (_BOLD_LETTER if bold else _LETTER)), high / _LINE)
        return float(min(largest, np.percentile(fits, 25)))

    def reserve(self, place: FloatArray, width: float, height: float) -> None:
        """Keep a box free of labels: its centre in units of the axes, its size in points."""
        self._taken.append(self._box(place, width, height))

    def text_size(self, text: str, size: float) -> FloatArray:
        """Width and height of a plain text, in units of the axes."""
        return np.array([_LETTER * len(text), _LINE]) * size / self._points

    def is_free(self, place: FloatArray, text: str, size: float) -> bool:
        """Tell whether a plain text with its centre there would keep clear of all others."""
        return self._clear(self._box(place, _LETTER * len(text) * size, _LINE * size))

    def put(
        self,
        places: Iterable[FloatArray],
        text: str,
        size: float,
        colour: object,
        *,
        bold: bool = False,
    ) -> bool:
        """Write a text with its centre at the first free place; tell whether there was one."""
        width = (_BOLD_LETTER if bold else _LETTER) * len(text) * size
        for place in places:
            box = self._box(place, width, _LINE * size)
            if self._clear(box):
                break
        else:
            return False
        self._taken.append(box)
        ground = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
        weight = "bold" if bold else "normal"
        self._ax.text(
            float(place[0]), float(place[1]), text, fontsize=size, fontweight=weight,
            color=colour, ha="center", va="center_baseline", clip_on=True, zorder=5,
            bbox=ground if bold else None, parse_math=False,
        )  # fmt: skip
        return True

    def _box(
        self, place: FloatArray, width: float, height: float
    ) -> tuple[float, float, float, float]:
        """Low x, high x, low y, high y in points, from the origin of the axes."""
        x, y = place * self._points
        return x - width / 2, x + width / 2, y - height / 2, y + height / 2

    def _clear(self, a: tuple[float, float, float, float]) -> bool:
        return not any(
            a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3] for b in self._taken
        )


def points_per_unit(ax: Axes) -> FloatArray:
    """Size of one unit along x and y, in points (1/72 inch), for the figure's present size."""
    figure = ax.get_figure()
    assert figure is not None
    box = ax.get_position()
    inches = np.array(figure.bbox.size) / figure.dpi
    space = 72 * inches * np.array([box.width, box.height])
    span = np.abs([np.diff(ax.get_xlim())[0], np.diff(ax.get_ylim())[0]])
    aspect = ax.get_aspect()
    if aspect == "auto":
        return np.asarray(space / span)
    # The aspect makes one of the two sides smaller than the space.
    ratio = float(aspect)
    scale = min(space[0] / span[0], space[1] / (ratio * span[1]))
    return np.array([scale, ratio * scale])
