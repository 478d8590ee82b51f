"""`position_modules_interpolate`: counts, shared out over a regular grid.

The grid is EXtra-geom's: it begins at the lowest x and y of the tiles, wherever the beam is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.assembly import assemble_data
from geomlib.assembly.inputs import module_labels
from geomlib.compat.geometries.assembling import is_labelled, prepared
from geomlib.detector import FloatArray
from geomlib.errors import GeometryError

if TYPE_CHECKING:
    from geomlib.compat.geometries.base import DetectorGeometryBase

NDArray = npt.NDArray[Any]


class OutputGrid(NamedTuple):
    """Size of the pixels of the image along (x, y), and its lowest x and y, in metres."""

    pixel_size: FloatArray
    low: FloatArray

    @property
    def centre(self) -> FloatArray:
        """The beam as (y, x), counted from the centre of the first pixel."""
        return np.asarray((-self.low / self.pixel_size - 0.5)[::-1])


def grid_of(
    geom: DetectorGeometryBase,
    oversample: int,
    output_pixel_size: float | Sequence[float] | None,
) -> OutputGrid:
    """Check the options of the grid, and return it.

    Raises
    ------
    NotImplementedError
        If pixels are hexagons.
    GeometryError
        If `oversample` is no positive whole number, or `output_pixel_size` no size.
    """
    geometry = geom.geometry
    if geometry.detector.pixel_shape == "hexagon":
        raise NotImplementedError(
            "interpolation is for pixels of 4 corners; this geometry has 6 corners per pixel. "
            "geomlib.assemble_data(data, geom.geometry, method='split') takes hexagons too"
        )
    if not isinstance(oversample, int | float | np.number) or oversample < 1 or oversample % 1:
        raise GeometryError(f"oversample must be a positive integer, not {oversample!r}")
    size = geom._pixel_shape if output_pixel_size is None else np.asarray(output_pixel_size)
    pixel = checks.array("output_pixel_size", size, (), (2,)) / int(oversample)
    if np.any(pixel <= 0):
        raise GeometryError(f"output_pixel_size must be positive, not {output_pixel_size!r}")
    return OutputGrid(np.broadcast_to(pixel, 2), geometry.tile_outlines()[..., :2].min(axis=(0, 1)))


def split(
    geom: DetectorGeometryBase, data: Any, grid: OutputGrid, empty: float
) -> tuple[NDArray, FloatArray]:
    """Share out counts by geomlib's own loops."""
    size_x, size_y = grid.pixel_size.tolist()
    geometry = geom.geometry.offset(-grid.low)
    # EXtra-geom takes wide border pixels for nominal ones.
    nominal = replace(geometry.detector, wide_edges=None)
    image = assemble_data(
        prepared(geom, data),
        geometry.replace(detector=nominal),
        method="split",
        values="counts",
        pixel_size=(size_y, size_x),
        dtype=np.float32,
        fill=empty,
    )
    return image.compute().data, grid.centre


def by_pyfai(
    geom: DetectorGeometryBase,
    data: Any,
    grid: OutputGrid,
    options: dict[str, Any],
    dis_kwargs: dict[str, Any],
) -> tuple[NDArray, FloatArray]:
    """Share out counts by pyFAI's ``Distortion``, frame by frame."""
    from pyFAI.distortion import Distortion

    modules, n_ss, n_fs = geom.expected_data_shape
    frames, whole = _all_modules(geom, data), (modules * n_ss, n_fs)
    detector = geom.to_pyfai_detector(pixel1=grid.pixel_size[1], pixel2=grid.pixel_size[0])
    detector.mask = np.zeros(whole, dtype=np.int8)
    shape = None if options["resize"] else whole
    distortion = Distortion(detector, shape=shape, **options)
    images = [
        distortion.correct(frame, **dis_kwargs)
        for frame in frames.reshape(-1, modules * n_ss, n_fs)
    ]
    out = np.array(images)
    return out.reshape(*frames.shape[:-3], *out.shape[1:]), grid.centre


def _all_modules(geom: DetectorGeometryBase, data: Any) -> NDArray:
    """Return data with all modules; those that are missing count nothing."""
    data = prepared(geom, data)
    if is_labelled(data):
        detector = geom.geometry.detector
        data = data.assign_coords(module=list(module_labels(data, detector)))
        data = data.reindex(module=range(detector.n_modules), fill_value=0)
        frames = [name for name in data.dims[:-2] if name != "module"]
        data = data.transpose(*frames, "module", *data.dims[-2:]).values
    array = np.asarray(data)
    if array.shape[-3:] != geom.expected_data_shape:
        raise GeometryError(
            f"data has shape {array.shape}; expected (…, {geom.expected_data_shape})"
        )
    return array
