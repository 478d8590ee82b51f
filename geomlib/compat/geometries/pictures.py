"""Pictures: geomlib's, with the arguments of EXtra-geom's methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib.assembly import AssembledImage, assemble_data
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from geomlib.compat.geometries.base import DetectorGeometryBase

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
    if interpolate:
        image = _interpolated(geom, data)
    else:
        pixels, centre = geom.position_modules(data)
        size_x, size_y = geom._pixel_shape.tolist()
        image = AssembledImage(pixels, centre, (size_y, size_x), geom.geometry)
    if image.data.ndim != 2:
        raise GeometryError(f"data must be one frame, (modules, ss, fs), not {np.shape(data)}")
    return view.plot(image, **value_range(image.data, imshow))


def _interpolated(geom: DetectorGeometryBase, data: Any) -> AssembledImage:
    pixels, centre = geom.position_modules_interpolate(data)
    size_x, size_y = geom._pixel_shape.tolist()
    # Counted from the centre of the first pixel there, from its outer corner here.
    return AssembledImage(pixels, centre + 0.5, (size_y, size_x), geom.geometry)


def value_range(values: npt.NDArray[Any], imshow: dict[str, Any]) -> dict[str, Any]:
    """Add the range of the colours to arguments that do not say it."""
    known = imshow.get("norm") is not None or {"vmin", "vmax"} <= imshow.keys()
    if known or values.dtype == np.bool_ or not np.isfinite(values).any():
        return imshow
    low, high = (float(v) for v in np.nanpercentile(values, (_LOW, _HIGH)))
    limits = {"vmin": low, "vmax": high, **imshow}
    # Where nearly all values are the same, geomlib finds a range.
    return limits if limits["vmin"] < limits["vmax"] else imshow


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
    frame = data if module is None else {module: data}
    image = assemble_data(frame, geom.geometry).compute()
    return view.plot(image, hexagons=True, modules=module, **look)
