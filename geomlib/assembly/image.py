"""`AssembledImage`: pixels on one grid, and where the beam is in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

    from geomlib.geometry import Geometry


@dataclass(frozen=True, eq=False, repr=False)
class AssembledImage:
    """Assembled frames: rows count up in y, columns in x. Unpacks as ``data, centre``.

    Attributes
    ----------
    data : ndarray, shape (…, y, x)
        The pixels; gaps hold NaN in floating images, 0 in integer ones, unless `fill` was given.
        A dask array if the module data was one, and the dataset that was written to if ``out`` was
        one: see `compute`.
    centre : ndarray, shape (2,)
        The origin of the lab (the beam) as (y, x), in pixels from the outer corner of pixel
        ``[0, 0]``. Whole numbers for method ``"snap"``.
    pixel_size : (float, float)
        Size of a pixel of the image along y and x, in metres.
    geometry : Geometry
        The geometry it was assembled with.
    method : str
        The method of assembly.
    distance : float, optional
        From the sample to the plane z = 0, in metres, if method ``"split"`` projected the pixels
        onto it as the sample sees them.
    """

    data: npt.NDArray[Any]
    centre: npt.NDArray[Any]
    pixel_size: tuple[float, float]
    geometry: Geometry
    method: str = "snap"
    distance: float | None = None

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return iter((self.data, self.centre))

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        return np.array(self.data, dtype=dtype, copy=copy)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of `data`: (…, y, x)."""
        return self.data.shape

    def compute(self) -> AssembledImage:
        """Return the image with its pixels in memory: those of a dask array are worked out now.

        Returns
        -------
        AssembledImage
            This one, if they are there already.
        """
        data: Any = self.data
        if isinstance(data, np.ndarray):
            return self
        array = np.asarray(data)
        return replace(self, data=array.astype(array.dtype.newbyteorder("="), copy=False))

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Low x, high x, low y and high y of the image in the lab, in metres."""
        n_y, n_x = self.data.shape[-2:]
        centre_y, centre_x = (float(c) for c in self.centre)
        size_y, size_x = self.pixel_size
        return (
            -centre_x * size_x,
            (n_x - centre_x) * size_x,
            -centre_y * size_y,
            (n_y - centre_y) * size_y,
        )

    def plot(
        self,
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
        """Draw the image, as `geomlib.plotting.plot_image` does."""
        from geomlib.plotting import plot_image

        return plot_image(
            self,
            ax=ax,
            frame=frame,
            front_view=front_view,
            units=units,
            vmin=vmin,
            vmax=vmax,
            norm=norm,
            cmap=cmap,
            colorbar=colorbar,
            hexagons=hexagons,
            modules=modules,
            centre_mark=centre_mark,
            title=title,
            **imshow,
        )

    def save_png(
        self,
        path: str | PathLike[str],
        *,
        scale: int = 1,
        max_size: int | None = None,
        frame: int | Sequence[int] | None = None,
        cmap: str | npt.ArrayLike | None = None,
        vmin: float | None = None,
        vmax: float | None = None,
        norm: Literal["linear", "log", "sqrt"] | None = None,
        bad: Sequence[int] | None = None,
        front_view: bool = True,
    ) -> None:
        """Write a PNG file, without text, as `geomlib.plotting.save_png` does."""
        from geomlib.plotting import save_png

        save_png(
            self,
            path,
            scale=scale,
            max_size=max_size,
            frame=frame,
            cmap=cmap,
            vmin=vmin,
            vmax=vmax,
            norm=norm,
            bad=bad,
            front_view=front_view,
        )

    def _repr_png_(self) -> bytes:
        from geomlib.plotting import preview_png

        return preview_png(self)

    def __repr__(self) -> str:
        *frames, n_y, n_x = self.data.shape
        stack = " × ".join(map(str, frames)) + " frames of " if frames else ""
        centre_y, centre_x = (f"{float(c):g}" for c in self.centre)
        method = "" if self.method == "snap" else f", {self.method}"
        lazy = ", lazy (dask)" if type(self.data).__module__.split(".")[0] == "dask" else ""
        return (
            f"<AssembledImage {self.geometry.detector.name}: {stack}{n_y} × {n_x} pixels (y, x), "
            f"{self.data.dtype}, centre ({centre_y}, {centre_x}){method}{lazy}>"
        )
