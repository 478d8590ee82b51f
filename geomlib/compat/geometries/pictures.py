"""Pictures: geomlib's, with the arguments of EXtra-geom's methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib.assembly import AssembledImage, assemble_data
from geomlib.assembly.plan import make_plan
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from geomlib.compat.geometries.base import DetectorGeometryBase

NDArray = npt.NDArray[Any]
#: Colours span all but these percentiles at either end, as in EXtra-geom.
_LOW, _HIGH = 2.0, 98.0


class View(NamedTuple):
    """What pictures of data have in common: arguments of `DetectorGeometryBase.plot_data`."""

    units: str
    front_view: bool
    ax: Axes | None
    figsize: tuple[float, float] | None
    colorbar: bool | dict[str, Any]

    def axes(self) -> Axes | None:
        """Return the axes given, or those of a figure of the size given, or neither."""
        if self.ax is not None or self.figsize is None:
            return self.ax
        from matplotlib import pyplot as plt

        return plt.subplots(figsize=self.figsize)[1]

    def plot(self, image: AssembledImage, **options: Any) -> Axes:
        """Draw an image."""
        check_units(self.units)
        custom = isinstance(self.colorbar, dict)
        ax = image.plot(
            ax=self.axes(),
            units=self.units,
            front_view=self.front_view,
            colorbar=bool(self.colorbar) and not custom,
            **options,
        )
        if isinstance(self.colorbar, dict):
            drawn: Any = ax.images[-1] if ax.images else ax.collections[-1]
            figure: Any = ax.get_figure()
            figure.colorbar(drawn, ax=ax, **{"fraction": 0.07, **self.colorbar})
        return ax


def check_units(axis_units: str) -> None:
    """Check the unit of axes.

    Raises
    ------
    GeometryError
        If there is no such unit.
    """
    if axis_units not in ("px", "m"):
        raise GeometryError(f"axis_units must be 'px' or 'm', not {axis_units!r}")


def plot_data(
    geom: DetectorGeometryBase, data: Any, view: View, interpolate: bool, imshow: dict[str, Any]
) -> Axes:
    """Draw one frame; see `DetectorGeometryBase.plot_data`."""
    options = dict(imshow)
    extent, aspect = options.pop("extent", None), options.pop("aspect", None)
    if options.pop("origin", "lower") != "lower":
        raise GeometryError("origin can only be 'lower': y grows upwards")
    if interpolate:
        image = _interpolated(geom, data)
    else:
        pixels, centre = geom.position_modules(data)
        size = make_plan(geom.geometry, "snap", False).grid.pixel_size
        image = AssembledImage(pixels, centre, size, geom.geometry)
    if image.data.ndim != 2:
        raise GeometryError(f"data must be one frame, (modules, ss, fs), not {np.shape(data)}")
    ax = view.plot(image, **value_range(image.data, options))
    if extent is not None:
        left, right, low, high = extent
        ax.images[-1].set_extent((left, right, low, high))
        ax.set(xlim=(right, left) if view.front_view else (left, right), ylim=(low, high))
    if aspect is not None:
        ax.set_aspect(aspect)
    return ax


def _interpolated(geom: DetectorGeometryBase, data: Any) -> AssembledImage:
    pixels, centre = geom.position_modules_interpolate(data)
    size_x, size_y = geom._pixel_shape.tolist()
    # Counted from the centre of the first pixel there, from its outer corner here.
    return AssembledImage(pixels, centre + 0.5, (size_y, size_x), geom.geometry)


def value_range(values: NDArray, imshow: dict[str, Any]) -> dict[str, Any]:
    """Add the range of the colours that EXtra-geom has to arguments that do not say it."""
    norm, look = imshow.get("norm"), dict(imshow)
    finite = values[np.isfinite(values)]
    if values.dtype == np.bool_ or not finite.size:
        return look
    if norm is not None and not isinstance(norm, str):
        norm.autoscale_None(finite)
        return look
    if norm is not None or {"vmin", "vmax"} <= look.keys():
        # All of it, as matplotlib has it.
        shown = finite[finite > 0] if norm == "log" and (finite > 0).any() else finite
        low, high = float(shown.min()), float(shown.max())
    else:
        low, high = (float(v) for v in np.percentile(finite, (_LOW, _HIGH)))
    limits = {
        "vmin": low if look.get("vmin") is None else look["vmin"],
        "vmax": high if look.get("vmax") is None else look["vmax"],
    }
    # Where nearly all values are the same, geomlib finds a range.
    return look | limits if limits["vmin"] != limits["vmax"] else look


def inspect(
    geom: DetectorGeometryBase, geometry: Geometry, axis_units: str, frontview: bool
) -> Axes:
    """Draw the tiles; see `DetectorGeometryBase.inspect`."""
    check_units(axis_units)
    title = f"{geom.detector_type_name} detector geometry ({geom.filename})"
    return geometry.inspect(units=axis_units, front_view=frontview, title=title)


def compare(geom: DetectorGeometryBase, other: DetectorGeometryBase, scale: float) -> Axes:
    """Draw arrows; see `DetectorGeometryBase.compare`."""
    title = f"Geometry comparison: {geom.filename} → {other.filename}"
    return geom.geometry.compare(other.geometry, scale=scale, title=title)


def plot_hexagons(
    geom: DetectorGeometryBase, data: Any, module: int | None, view: View, look: dict[str, Any]
) -> Axes:
    """Draw hexagonal pixels; see `DSSC_1MGeometry.plot_data_hexes`."""
    expected = geom.expected_data_shape if module is None else geom.expected_data_shape[1:]
    if np.shape(data) != expected:
        raise GeometryError(f"data must have shape {expected}, not {np.shape(data)}")
    if module is not None:
        # Counted from the end if negative, as in a list.
        module = range(geom.expected_data_shape[0])[module]
    frame = data if module is None else {module: data}
    image = assemble_data(frame, geom.geometry).compute()
    # From the lowest value to the highest: there are limits, if they are not known yet.
    look = value_range(image.data, look)
    return view.plot(image, hexagons=True, modules=module, **look)
