"""DSSC-1M, whose pixels are hexagons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from geomlib.compat.geometries.assembling import is_labelled
from geomlib.compat.geometries.base import DetectorGeometryBase
from geomlib.compat.geometries.fragment import Modules
from geomlib.compat.geometries.xfel_h5 import XFELFileGeometry
from geomlib.detector import Detector, FloatArray, grid_tiles
from geomlib.detectors.dssc import DSSC_1M, PITCH_FS, PITCH_SS, dssc_1m
from geomlib.detectors.examples import example_geometry
from geomlib.errors import GeometryError, warn
from geomlib.geometry import Geometry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NDArray = npt.NDArray[Any]
#: Side of a square with the area of a hexagon, and such pixels of a tile along ss and fs.
SQUARE = PITCH_FS * 3**0.25 / 2**0.5
SQUARE_SS, SQUARE_FS = 119, 275
_SQUARES = Detector(
    "DSSC-1M, square pixels",
    (16, SQUARE_SS, 2 * SQUARE_FS),
    grid_tiles(16, (SQUARE_SS, SQUARE_FS), [(0, 0), (0, 1)]),
    (SQUARE, SQUARE),
)


class DSSC_1MGeometry(XFELFileGeometry):  # noqa: N801
    """DSSC-1M: 16 modules of 2 tiles, in four quadrants."""

    detector_type_name = "DSSC-1M"
    pixel_size = PITCH_FS
    frag_ss_pixels = 128
    frag_fs_pixels = 256
    n_quads = 4
    n_modules = 16
    n_tiles_per_module = 2
    expected_data_shape = (16, 128, 512)
    _layout: ClassVar[Detector | None] = DSSC_1M
    _pyfai_cls_name = "DSSC1M"
    _reference: ClassVar[tuple[int, int, Literal["max", "min"]]] = (0, 0, "min")

    @classmethod
    def from_quad_positions(
        cls,
        quad_pos: npt.ArrayLike,
        *,
        unit: float = 1e-3,
        asic_gap: float | None = None,
        panel_gap: float | None = None,
    ) -> Self:
        """Build it from the low corner of each quadrant; see `geomlib.detectors.dssc_1m`."""
        return cls(dssc_1m(quad_pos, asic_gap=asic_gap, panel_gap=panel_gap, unit=unit))

    @classmethod
    def example(cls) -> Self:
        """Build an example."""
        return cls(example_geometry("DSSC-1M"))

    @property
    def _pixel_shape(self) -> FloatArray:
        return np.array([PITCH_FS, PITCH_SS])

    def plot_data(
        self, data: Any, *, colorbar: bool | dict[str, Any] = False, **kwargs: Any
    ) -> Axes:
        """Draw one frame; as for other detectors, but without a colour bar."""
        return super().plot_data(data, colorbar=colorbar, **kwargs)

    def plot_data_hexes(
        self,
        data: Any,
        *,
        frontview: bool = True,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
        colorbar: bool | dict[str, Any] = False,
        vmin: float | None = None,
        vmax: float | None = None,
        norm: Any = None,
        cmap: Any = None,
        module: int | None = None,
    ) -> Axes:
        """Draw the true hexagons of one frame; with `module`, of one module.

        Parameters
        ----------
        data : array_like, shape (16, 128, 512), or (128, 512) with `module`
            What to draw.
        frontview, ax, figsize, colorbar
            As for `plot_data`.
        vmin, vmax, norm, cmap
            Of the colours, as for matplotlib.
        module : int, optional
            Number of the only module.

        Returns
        -------
        Axes
            In metres.
        """
        from geomlib.compat.geometries import pictures

        view = pictures.View("m", frontview, ax, figsize, colorbar)
        look = {"vmin": vmin, "vmax": vmax, "norm": norm, "cmap": cmap}
        return pictures.plot_hexagons(self, data, module, view, look)

    # -- Square pixels ------------------------------------------------------------------

    @property
    def _cartesian_geom(self) -> DSSC_1MGeometryCartesian:
        own, ratio = self.geometry, SQUARE / PITCH_FS
        return DSSC_1MGeometryCartesian(
            Geometry(
                _SQUARES, own.tile_corners, own.tile_ss * (SQUARE / PITCH_SS), own.tile_fs * ratio
            )
        )

    def position_modules_cartesian(
        self, data: Any, out: NDArray | None = None, threadpool: Any = None
    ) -> tuple[NDArray, NDArray]:
        """Convert data to square pixels, and assemble it; otherwise as `position_modules`.

        Needs the package condat_gridconv, as in EXtra-geom. ``geomlib.assemble_data(data,
        geom.geometry, method="split", pixel_size=2.2e-4)`` does not, and is exact.
        """
        squares = self._cartesian_geom
        return squares.position_modules(squares.transform_data(data), out, threadpool)

    def plot_data_cartesian(self, data: Any, **kwargs: Any) -> Axes:
        """Convert data to square pixels, and draw it; otherwise as `plot_data`."""
        squares = self._cartesian_geom
        return squares.plot_data(squares.transform_data(data), **{"colorbar": True, **kwargs})


class DSSC_1MGeometryCartesian(DetectorGeometryBase):  # noqa: N801
    """DSSC-1M with data that was converted to square pixels."""

    detector_type_name = "DSSC-1M"
    pixel_size = SQUARE
    frag_ss_pixels = SQUARE_SS
    frag_fs_pixels = SQUARE_FS
    n_quads = 4
    n_modules = 16
    n_tiles_per_module = 2
    expected_data_shape = (16, SQUARE_SS, 2 * SQUARE_FS)
    _layout: ClassVar[Detector | None] = _SQUARES

    @staticmethod
    def transform_data(data: Any) -> Any:
        """Convert data (…, 128, 512) of hexagons to squares, (…, 119, 550); labels stay.

        Raises
        ------
        GeometryError
            If the data has another shape.
        ImportError
            If condat_gridconv is not installed.
        """
        from condat_gridconv import hex2cart

        # It takes nothing else.
        values = np.asarray(data, dtype=np.float64)
        if values.shape[-2:] != (128, 512):
            raise GeometryError(f"data must have shape (…, 128, 512), not {values.shape}")
        tiles = values.reshape(-1, 128, 2, 256).swapaxes(1, 2)
        squares = [np.concatenate([hex2cart(t) for t in pair], axis=-1) for pair in tiles]
        out = np.array(squares).reshape(*values.shape[:-2], SQUARE_SS, 2 * SQUARE_FS)
        if not is_labelled(data):
            return out
        from xarray import DataArray

        labels = {name: data.coords[name] for name in data.dims[:-2] if name in data.coords}
        return DataArray(out, dims=data.dims, coords=labels)


class DSSC_Geometry(DSSC_1MGeometry):  # noqa: N801
    """The old name of `DSSC_1MGeometry`."""

    def __init__(self, modules: Modules | Geometry, *args: Any, **kwargs: Any) -> None:
        super().__init__(modules, *args, **kwargs)
        warn("DSSC_Geometry is the old name of DSSC_1MGeometry")
