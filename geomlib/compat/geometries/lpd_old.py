"""The first interface for LPD, long replaced: a tree of offsets, x to the right and y down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from geomlib.compat.geometries.lpd import LPD_1MGeometry
from geomlib.detector import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NDArray = npt.NDArray[Any]
_TILE = (32, 128)
#: Pixels around all tiles.
_MARGIN = 20


def splitChannelDataIntoTiles(  # noqa: N802
    channelData: NDArray,  # noqa: N803
    clockwiseOrder: bool = False,  # noqa: N803
) -> NDArray:
    """Cut the data of a module, (…, 256, 256), into tiles: (16, …, 32, 128).

    In the order of the data, down and then across, or by number (`clockwiseOrder`).
    """
    by_number = LPD_1MGeometry.split_tiles(channelData)
    return np.array(by_number if clockwiseOrder else by_number[7::-1] + by_number[8:])


class GeometryFragment:
    """An offset, and what stands relative to it.

    Parameters
    ----------
    offset : array_like, shape (2,)
        In metres.
    children : mapping of str to GeometryFragment
        By name.
    """

    def __init__(self, offset: npt.ArrayLike, children: Mapping[str, GeometryFragment]) -> None:
        self.offset, self.children = np.asarray(offset), dict(children)

    @classmethod
    def from_h5_group(cls, group: Any, unit: float = 1e-3) -> GeometryFragment:
        """Read a group of a European XFEL HDF5 geometry file, and the groups in it."""
        children = {
            name: GeometryFragment.from_h5_group(item, unit)
            for name, item in group.items()
            if not hasattr(item, "dtype")
        }
        return cls(group["Position"][:] * unit, children)

    def find_offset(self, name_parts: Sequence[str]) -> FloatArray:
        """Sum of the offsets along a path of names."""
        if not name_parts:
            return np.asarray(self.offset)
        return np.asarray(self.offset + self.children[name_parts[0]].find_offset(name_parts[1:]))

    def iter_leaf_paths(self) -> Iterator[tuple[str, ...]]:
        """Paths of all that holds nothing further."""
        if not self.children:
            yield ()
        for name, child in sorted(self.children.items()):
            yield from ((name, *path) for path in child.iter_leaf_paths())

    def __str__(self) -> str:
        lines = []
        for name, child in sorted(self.children.items()):
            lines.append(f"{name}: {child.offset}")
            lines += [f"  {line}" for line in str(child).splitlines()]
        return "\n".join(lines)


class LPDGeometry(GeometryFragment):
    """LPD-1M; `LPD_1MGeometry` replaced it."""

    pixel_size = 0.5e-3

    @classmethod
    def from_h5_file_and_quad_positions(
        cls, file: Any, positions: Sequence[Sequence[float]], unit: float = 1e-3
    ) -> Self:
        """Read an open HDF5 file, with positions of the quadrants in the same unit."""
        quadrants = {}
        for number, position in enumerate(positions, start=1):
            modules = {
                name: GeometryFragment.from_h5_group(group, unit)
                for name, group in file[f"Q{number}"].items()
                if not hasattr(group, "dtype")
            }
            quadrants[f"Q{number}"] = GeometryFragment(np.asarray(position) * unit, modules)
        return cls((0, 0), quadrants)

    def _pixel(self, centre: NDArray, *path: str) -> NDArray:
        """Pixel of the image, (x, y), at which something begins; the beam is at `centre`."""
        return np.asarray(self.find_offset(path) // self.pixel_size + centre, dtype=np.int64)

    def _plotting_dimensions(self) -> tuple[tuple[int, int], NDArray]:
        """Size of the image, and the beam in it, both as (x, y)."""
        places = np.array([self.find_offset(path) for path in self.iter_leaf_paths()])
        low = np.minimum(places.min(axis=0), 0) // self.pixel_size - _MARGIN
        high = np.maximum(places.max(axis=0), 0) // self.pixel_size + _TILE[::-1] + _MARGIN
        n_x, n_y = (int(n) for n in high - low)
        return (n_x, n_y), -low.astype(np.int64)

    def position_all_modules(self, data: NDArray) -> tuple[NDArray, NDArray]:
        """Assemble data (…, 16, 256, 256) into images; the beam is at (x, y)."""
        if data.shape[-3:] != (16, 256, 256):
            raise ValueError(f"data must have shape (…, 16, 256, 256), not {data.shape}")
        (n_x, n_y), centre = self._plotting_dimensions()
        gap = np.nan if np.issubdtype(data.dtype, np.inexact) else 0
        out = np.full((*data.shape[:-3], n_y, n_x), gap, dtype=data.dtype)
        for module in range(16):
            tiles = splitChannelDataIntoTiles(data[..., module, :, :], clockwiseOrder=True)
            for number, tile in enumerate(tiles, start=1):
                x, y = self._pixel(centre, *self._module(module), f"T{number:02}")
                box = out[..., y : y + _TILE[0], x : x + _TILE[1]]
                box[...] = tile[..., ::-1, ::-1]
        return out, centre

    @staticmethod
    def _module(number: int) -> tuple[str, str]:
        return f"Q{number // 4 + 1}", f"M{number % 4 + 1}"

    def plot_data(self, modules_data: NDArray) -> Figure:
        """Draw one frame (16, 256, 256)."""
        from matplotlib import colormaps

        figure, ax = self._figure()
        image, centre = self.position_all_modules(modules_data)
        ax.imshow(image, cmap=colormaps["viridis"].with_extremes(bad="0.25"))
        ax.plot(*centre, "w+", markersize=12)
        return figure

    def inspect(self) -> Figure:
        """Draw the tiles."""
        from matplotlib.patches import Rectangle

        figure, ax = self._figure()
        (n_x, n_y), centre = self._plotting_dimensions()
        for module in range(16):
            path = self._module(module)
            for number in range(1, 17):
                x, y = self._pixel(centre, *path, f"T{number:02}").tolist()
                ax.add_patch(Rectangle((x, y), _TILE[1], _TILE[0], facecolor="#cfe8cf"))
                if number in (1, 8, 9):
                    ax.text(x, y, str(number), va="top")
            x, y = self._pixel(centre, *path).tolist()
            ax.text(x, y, "".join(path), va="top", fontweight="bold")
        ax.plot(*centre, "k+", markersize=12)
        ax.set(xlim=(0, n_x), ylim=(n_y, 0), aspect="equal", title="LPD detector geometry")
        return figure

    @staticmethod
    def _figure() -> tuple[Figure, Axes]:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 10))
        return figure, figure.add_subplot()
