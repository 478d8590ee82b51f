"""`plot_image`: an assembled image with axes, colour bar and beam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.colors import Colormap, LogNorm, Normalize, PowerNorm

from geomlib import checks
from geomlib.errors import GeometryError
from geomlib.plotting.colours import DEFAULT_MAP, MISSING
from geomlib.plotting.rendering import frame_index, pixels_of
from geomlib.plotting.value_range import colour_limits
from geomlib.plotting.view import axes_for, dress_axes, mark_beam, plot_unit, write_heading

MISSING_COLOUR = "#{:02x}{:02x}{:02x}".format(*MISSING)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

    from geomlib.assembly import AssembledImage


def plot_image(
    image: AssembledImage,
    *,
    ax: Axes | None = None,
    frame: int | Sequence[int] | None = None,
    front_view: bool = True,
    units: str = "px",
    vmin: float | None = None,
    vmax: float | None = None,
    norm: str | Normalize | None = None,
    cmap: str | Colormap | None = None,
    colorbar: bool = True,
    hexagons: bool = False,
    modules: int | Sequence[int] | None = None,
    centre_mark: bool = True,
    title: str | None = None,
    **imshow: Any,
) -> Axes:
    """Draw an assembled image in the plane across the beam, which is at (0, 0).

    Missing pixels and gaps are dark grey. The default range of the colours leaves out the half
    percent of pixels at each end, so that hot pixels do not count.

    Parameters
    ----------
    image : AssembledImage
        What to draw.
    ax : Axes, optional
        Where to draw; default: a new figure.
    frame : int or sequence of int, optional
        Which image of a stack; default the first.
    front_view : bool
        x grows to the left, as seen looking along the beam; False: to the right.
    units : {"px", "m", "cm", "mm", "um"}
        Of the axes; ``"px"`` are pixels of the image.
    vmin, vmax : float, optional
        Range of the colours.
    norm : {"linear", "log", "sqrt"} or matplotlib.colors.Normalize, optional
        How the colours are spread over it; default linear.
    cmap : str or Colormap, optional
        Colours; default ``"viridis"``.
    colorbar : bool
        Draw a colour bar.
    hexagons : bool
        Draw the true shape of hexagonal pixels (DSSC), where the tiles really lie, instead of
        the snapped image. A full detector takes a few seconds to draw; zoomed in, only the tiles
        in view are drawn.
    modules : int or sequence of int, optional
        With ``hexagons=True``: draw, and zoom to, these modules only.
    centre_mark : bool
        Draw a cross at the beam.
    title : str, optional
        Instead of the name of the detector.
    **imshow
        Handed on to `matplotlib.axes.Axes.imshow`, or with hexagons to `PolyCollection`.

    Returns
    -------
    Axes

    Raises
    ------
    GeometryError
        If an argument is not as described.
    """
    _check_image(image)
    unit = plot_unit(units, image.pixel_size[1], image.pixel_size[0])
    data, where = _choose_frame(image, frame)
    scale = _make_norm(data, vmin, vmax, norm)
    if modules is not None and not hexagons:
        raise GeometryError("modules= is for hexagons=True")
    look = {"cmap": colour_map(cmap), "norm": scale, **imshow}
    drawn: ScalarMappable
    if hexagons:
        from geomlib.plotting.hexagons import draw_hexagons, hexagon_tiles, hexagon_view

        tiles = hexagon_tiles(image.geometry, modules)
        low, high = hexagon_view(image.geometry, tiles, unit)
        ax = axes_for(ax, low, high, unit)
        if isinstance(data, np.ma.MaskedArray):
            data = np.ma.filled(data.astype(np.float64), np.nan)
        drawn = draw_hexagons(ax, replace(image, data=data), tiles, unit, look)
    else:
        low, high = np.array(image.extent).reshape(2, 2).T / unit.lengths
        ax = axes_for(ax, low, high, unit)
        extent = (*low[:1], *high[:1], *low[1:], *high[1:])
        drawn = ax.imshow(data, origin="lower", extent=extent, **look)
    ax.set_facecolor(MISSING_COLOUR)
    dress_axes(ax, unit, low, high, front_view)
    if centre_mark and (low <= 0).all() and (high >= 0).all():
        mark_beam(ax)
    if colorbar:
        draw_colour_bar(ax, drawn, data, scale)
    name = image.geometry.detector.name if title is None else title
    side = "looking along the beam" if front_view else "looking against the beam"
    write_heading(ax, name, f"{where}, {side}" if where else side)
    return ax


def _check_image(image: AssembledImage) -> None:
    if not hasattr(image, "geometry") or not hasattr(image, "extent"):
        raise GeometryError(
            f"image must be an AssembledImage, as assemble_data returns it, not "
            f"{type(image).__name__}; render() and save_png() draw plain arrays"
        )


def _choose_frame(
    image: AssembledImage, frame: int | Sequence[int] | None
) -> tuple[npt.NDArray[Any], str]:
    """Pixels of the image to draw, and which of a stack it is, in words."""
    leading = image.shape[:-2]
    if 0 in leading or (not leading and frame is None):
        return pixels_of(image), ""
    index = frame_index(image.data, (0,) * len(leading) if frame is None else frame)
    number = index[0] if len(index) == 1 else index
    of = " × ".join(map(str, leading))
    which = "first frame" if frame is None else f"frame {number}"
    return pixels_of(image, index), f"{which} of {of}"


def _make_norm(
    data: npt.NDArray[Any], vmin: float | None, vmax: float | None, norm: str | Normalize | None
) -> Normalize:
    if isinstance(norm, Normalize):
        if vmin is not None or vmax is not None:
            raise GeometryError("give vmin and vmax inside of a Normalize object, not beside it")
        if norm.vmin is None or norm.vmax is None:
            log = isinstance(norm, LogNorm)
            norm.vmin, norm.vmax = colour_limits(data, norm.vmin, norm.vmax, log=log)
        return norm
    if norm is not None and (not isinstance(norm, str) or norm not in ("linear", "log", "sqrt")):
        raise GeometryError(
            f"norm must be 'linear', 'log', 'sqrt' or a matplotlib Normalize, "
            f"not {checks.shown(norm)}"
        )
    low, high = colour_limits(data, vmin, vmax, log=norm == "log")
    if norm == "log":
        return LogNorm(low, high)
    return PowerNorm(0.5, low, high) if norm == "sqrt" else Normalize(low, high)


def colour_map(cmap: str | Colormap | None) -> Colormap:
    """Return a colour map, checked, in which what is missing is dark grey.

    Raises
    ------
    GeometryError
        If there is none of that name.
    """
    cmap = DEFAULT_MAP if cmap is None else cmap
    if isinstance(cmap, str) and cmap in colormaps:
        cmap = colormaps[cmap]
    if not isinstance(cmap, Colormap):
        raise GeometryError(
            f"cmap must be a colour map or the name of one, such as 'viridis', "
            f"not {checks.shown(cmap)}"
        )
    return cmap.with_extremes(bad=MISSING_COLOUR)


def draw_colour_bar(
    ax: Axes, drawn: ScalarMappable, data: npt.NDArray[Any], norm: Normalize
) -> None:
    """Draw the colour bar, with pointed ends where values lie beyond them."""
    figure = ax.get_figure()
    assert figure is not None
    assert norm.vmin is not None
    assert norm.vmax is not None
    with np.errstate(invalid="ignore"):
        below, above = bool((data < norm.vmin).any()), bool((data > norm.vmax).any())
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]
    # Inside of the axes' own space: as high as the image, whatever its shape.
    figure.colorbar(drawn, cax=ax.inset_axes((1.03, 0.0, 0.04, 1.0)), extend=extend)
