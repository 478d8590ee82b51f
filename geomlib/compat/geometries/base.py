"""`DetectorGeometryBase`: what the geometries of all detectors have in common."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from geomlib.compat.geometries import assembling, crystfel, pixels
from geomlib.compat.geometries.fragment import GeometryFragment, Modules, tile_vectors
from geomlib.compat.geometries.snapped import SnappedGeometry, snapped
from geomlib.detector import Detector, FloatArray
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NDArray = npt.NDArray[Any]
Selection = slice | int | Sequence[int]
_ALL = slice(None)


class DetectorGeometryBase:
    """A geometry with the methods of EXtra-geom, which holds a `geomlib.Geometry`.

    Mostly made by the class methods of its subclasses.

    Parameters
    ----------
    modules : list of list of GeometryFragment, or geomlib.Geometry
        The tiles of each module.
    filename : str or path-like
        Where it came from, for pictures.
    metadata : dict, optional
        ``metadata["crystfel"]`` holds what a ``.geom`` file says besides: ``data``, ``mask``,
        ``adu_per_eV``, ``clen``, ``photon_energy`` and ``bad``; it is written back.
    """

    detector_type_name: ClassVar[str] = ""
    pixel_size: float = 0.0
    frag_ss_pixels: int = 0
    frag_fs_pixels: int = 0
    n_quads: ClassVar[int] = 0
    n_modules: int = 0
    n_tiles_per_module: int = 0
    expected_data_shape: tuple[int, int, int] = (0, 0, 0)
    #: One module of the detector, or the detector if its number of modules is fixed.
    _layout: ClassVar[Detector | None] = None
    #: Class in `geomlib.compat.geometries.pyfai`.
    _pyfai_cls_name: ClassVar[str | None] = None
    motor_positions: NDArray

    def __init__(
        self,
        modules: Modules | Geometry,
        filename: str | PathLike[str] = "No file",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._geometry: Geometry | None = None
        self._modules: Modules | None = None
        if isinstance(modules, Geometry):
            self._geometry, count = modules, modules.n_modules
            if modules.motor_positions is not None:
                self.motor_positions = np.array(modules.motor_positions)
        else:
            self._modules, count = modules, len(modules)
        self.filename = filename
        self._metadata = metadata
        if type(self).n_modules == 0:
            self.n_modules = count
            self.expected_data_shape = (count, *type(self).expected_data_shape[1:])

    # -- The geometry inside ------------------------------------------------------------

    @property
    def geometry(self) -> Geometry:
        """The same as a `geomlib.Geometry`, with what was changed in `modules` since.

        Raises
        ------
        GeometryError
            If the tiles are not those of the detector.
        """
        if self._modules is not None:
            self._take_over(self._modules)
        assert self._geometry is not None
        return self._geometry

    def _take_over(self, modules: Modules) -> None:
        vectors = tile_vectors(modules)
        known = self._geometry
        if known is None or known.n_tiles != vectors.shape[1]:
            self._geometry = Geometry(self._detector(len(modules)), *vectors)
        elif not np.array_equal(vectors, known.tiles):
            corners, ss, fs = vectors
            self._geometry = known.replace(tile_corners=corners, tile_ss=ss, tile_fs=fs)

    @property
    def modules(self) -> Modules:
        """The tiles of each module. Tiles may be changed in place."""
        if self._modules is None:
            geometry = self.geometry
            sizes = geometry.detector.tile_shapes.tolist()
            # Copies, since arrays of a Geometry are read-only.
            vectors = zip(*(np.array(a) for a in geometry.tiles), sizes, strict=True)
            tiles = [GeometryFragment(*places, *size) for *places, size in vectors]
            members = map(geometry.detector.tiles_of, range(geometry.n_modules))
            self._modules = [[tiles[t] for t in numbers] for numbers in members]
        return self._modules

    @modules.setter
    def modules(self, modules: Modules) -> None:
        self._modules = modules

    @property
    def metadata(self) -> dict[str, Any]:
        """What a file said besides positions; may be changed, and is written."""
        if self._metadata is None:
            self._metadata = crystfel.metadata_of(self.geometry)
        return self._metadata

    @metadata.setter
    def metadata(self, metadata: dict[str, Any]) -> None:
        self._metadata = metadata

    def _detector(self, n_modules: int) -> Detector:
        """Describe this detector, with some number of modules."""
        known = self._of_modules(n_modules)
        if known is not None:
            if n_modules != known.n_modules:
                raise GeometryError(f"{known.name} has {known.n_modules} modules, not {n_modules}")
            return known
        return pixels.described(self, n_modules)

    @classmethod
    def _of_modules(cls, n_modules: int) -> Detector | None:
        """Return the detector with so many modules, or the only one; None if it is none of ours."""
        return cls._layout

    @property
    def _pixel_shape(self) -> FloatArray:
        """Size of the pixels of images along (x, y)."""
        return np.array([1.0, 1.0]) * self.pixel_size

    def __getstate__(self) -> dict[str, Any]:
        # The Geometry is the smaller half, and has what its file said.
        return {**self.__dict__, "_geometry": self.geometry, "_modules": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "modules" in state:
            # Pickled by EXtra-geom itself.
            state = {key: state[key] for key in state if not key.startswith("_")}
            # What the shape of the data depends on, before tiles are looked at.
            self.__dict__.update({key: state[key] for key in state if key.endswith("_tiles")})
            self.__init__(  # type: ignore[misc]
                state.pop("modules"), state.pop("filename"), state.pop("metadata")
            )
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.geometry!r}>"

    # -- Files --------------------------------------------------------------------------

    @classmethod
    def from_crystfel_geom(cls, filename: str | PathLike[str]) -> Self:
        """Read a CrystFEL ``.geom`` file of this detector; see `geomlib.read_geometry`."""
        return crystfel.read(cls, filename)

    def write_crystfel_geom(
        self,
        filename: str | PathLike[str],
        *,
        data_path: str | None = None,
        mask_path: str | None = None,
        dims: Sequence[str | int] = crystfel.DIMS,
        nquads: int | None = None,
        adu_per_ev: float | None = None,
        clen: float | str | None = None,
        photon_energy: float | str | None = None,
    ) -> None:
        """Write a CrystFEL ``.geom`` file, as `geomlib.write_geometry` does.

        Parameters
        ----------
        filename : str or path-like
            The file.
        data_path, mask_path : str, optional
            Where data and mask are in the data files.
        dims : sequence of str and int
            Axes of the data: ``"frame"``, ``"modno"``, ``"ss"``, ``"fs"``, and numbers for axes of
            which one index counts, such as ``("frame", "modno", 0, "ss", "fs")`` for raw data.
            Without ``"modno"``, modules are joined along slow scan.
        nquads : int, optional
            Number of quadrants, each a group.
        adu_per_ev : float, optional
            Detector units for one eV.
        clen : float or str, optional
            Detector distance in metres, or where it is in the data files.
        photon_energy : float or str, optional
            In eV, or a text such as ``"9.3 keV"``, or where it is in the data files.

        What is None is taken from ``metadata["crystfel"]``. A geometry that was read from a
        ``.geom`` file keeps its text but for what has changed.

        Raises
        ------
        GeometryError
            If an argument is wrong.
        """
        given = {
            "data": data_path,
            "mask": mask_path,
            "adu_per_eV": adu_per_ev,
            "clen": clen,
            "photon_energy": photon_energy,
        }
        crystfel.write(self, filename, given, dims, nquads)
        if self.filename == "No file":
            self.filename = filename

    # -- Changes ------------------------------------------------------------------------

    def _with(self, geometry: Geometry) -> Self:
        """Return another geometry of this detector, with what the file of this one said."""
        if geometry.motor_positions is not None:
            # They are where they were before.
            geometry = geometry.replace(motor_positions=None)
        return type(self)(geometry, metadata=deepcopy(self._metadata))

    def offset(
        self, shift: npt.ArrayLike, *, modules: Selection = _ALL, tiles: Selection = _ALL
    ) -> Self:
        """Return a geometry that is moved, or a part of it; see `geomlib.Geometry.offset`."""
        return self._with(self.geometry.offset(shift, modules=modules, tiles=tiles))

    def rotate(
        self,
        angles: npt.ArrayLike,
        center: npt.ArrayLike | None = None,
        modules: Selection = _ALL,
        tiles: Selection = _ALL,
        degrees: bool = True,
    ) -> Self:
        """Return a geometry that is turned, or a part of it; see `geomlib.Geometry.rotate`."""
        if center is not None and np.shape(center) != np.shape(angles):
            raise GeometryError(
                f"center must have the shape of angles, {np.shape(angles)}, not {np.shape(center)}"
            )
        turned = self.geometry.rotate(
            angles, centre=center, modules=modules, tiles=tiles, degrees=bool(degrees)
        )
        return self._with(turned)

    # -- Tiles in the data --------------------------------------------------------------

    @classmethod
    def _tile_slice(cls, tileno: int) -> tuple[slice, slice]:
        """Rows and columns of a tile in the data of its module."""
        if cls._layout is None:
            raise NotImplementedError
        _, rows, columns = cls._layout.tile_slice(tileno)
        return rows, columns

    @classmethod
    def split_tiles(cls, module_data: NDArray) -> list[NDArray]:
        """Cut the data of a module, (…, ss, fs), into views of its tiles."""
        cuts = (cls._tile_slice(t) for t in range(cls.n_tiles_per_module))
        return [module_data[..., rows, columns] for rows, columns in cuts]

    def _module_coords_to_tile(
        self, slow_scan: npt.ArrayLike, fast_scan: npt.ArrayLike
    ) -> tuple[NDArray, FloatArray, FloatArray]:
        """Tile of points of a module, and where they are in it."""
        return pixels.tile_of_points(self.geometry.detector, slow_scan, fast_scan)

    # -- Where pixels are ---------------------------------------------------------------

    def get_pixel_positions(self, centre: bool = True) -> FloatArray:
        """Position of every pixel, shape (modules, ss, fs, 3): its centre, or its first corner."""
        return self.geometry.pixel_positions("centre" if centre else "corner")

    def data_coords_to_positions(
        self, module_no: npt.ArrayLike, slow_scan: npt.ArrayLike, fast_scan: npt.ArrayLike
    ) -> FloatArray:
        """Lab position of points of the data, shape (…, 3); see `geomlib.Geometry.data_to_lab`."""
        return self.geometry.data_to_lab(module_no, slow_scan, fast_scan)

    def to_distortion_array(self, allow_negative_xy: bool = False) -> npt.NDArray[np.float32]:
        """Corners of all pixels as pyFAI has them.

        Parameters
        ----------
        allow_negative_xy : bool
            The beam is the origin; else the lowest x and y are.

        Returns
        -------
        ndarray of float32, shape (modules · ss, fs, 4 or 6, 3)
            z, y, x in metres.
        """
        return pixels.distortion_array(self.geometry, allow_negative_xy)

    def to_pyfai_detector(self, **kwargs: Any) -> Any:
        """Return a detector of pyFAI, as `geomlib.to_pyfai_detector` does.

        Keywords are those of pyFAI's detectors: ``pixel1``, ``pixel2``, ``sensor``,
        ``orientation``, which can only be 3.
        """
        from geomlib.compat.geometries import pyfai

        if self._pyfai_cls_name is None:
            raise NotImplementedError
        cls: Any = getattr(pyfai, self._pyfai_cls_name)
        # As in EXtra-geom, bad regions are not masked.
        return cls(geometry=self.geometry.replace(bad_regions=()), **kwargs)

    # -- Images -------------------------------------------------------------------------

    def _snapped(self) -> SnappedGeometry:
        return snapped(self)

    def _ensure_shape(self, data: Any) -> Any:
        """Give data its axis of modules, where it is stored without one."""
        return data

    def output_array_for_position(
        self, extra_shape: tuple[int, ...] = (), dtype: npt.DTypeLike = np.float32
    ) -> NDArray:
        """Make an array for `position_modules`; see `geomlib.output_array`."""
        from geomlib.assembly import output_array

        return output_array(self.geometry, tuple(extra_shape), dtype)

    def output_array_for_position_fast(
        self, extra_shape: tuple[int, ...] = (), dtype: npt.DTypeLike = np.float32
    ) -> NDArray:
        """Do what `output_array_for_position` does: an old name."""
        return self.output_array_for_position(extra_shape, dtype)

    def position_modules(
        self, data: Any, out: NDArray | None = None, threadpool: Any = None
    ) -> tuple[NDArray, NDArray]:
        """Assemble data into images, as `geomlib.assemble_data` does.

        Parameters
        ----------
        data : array_like
            Shape (…, modules, ss, fs), or what else `geomlib.assemble_data` takes.
        out : ndarray, optional
            Where to write. Gaps and missing modules are left as they are.
        threadpool : ThreadPoolExecutor, optional
            Only its number of threads is used; default: as many as the process may use.

        Returns
        -------
        image : ndarray, shape (…, y, x)
        centre : ndarray
            The beam as (y, x), in pixels.

        Raises
        ------
        GeometryError
            If shapes or module numbers do not fit.
        TypeError
            If the data does not fit the dtype of `out`.
        """
        return assembling.position(self, data, out, threadpool)

    def position_modules_fast(
        self, data: Any, out: NDArray | None = None, threadpool: Any = None
    ) -> tuple[NDArray, NDArray]:
        """Do what `position_modules` does: an old name."""
        return self.position_modules(data, out=out, threadpool=threadpool)

    def position_all_modules(
        self, data: Any, out: NDArray | None = None
    ) -> tuple[NDArray, NDArray]:
        """Do what `position_modules` does: an old name."""
        return self.position_modules(data, out=out)

    def position_modules_symmetric(
        self, data: Any, out: NDArray | None = None, threadpool: Any = None
    ) -> NDArray:
        """Assemble data with the beam in the middle of the image; `out` may be larger than it."""
        return assembling.position_symmetric(self, data, out, threadpool)

    def position_modules_interpolate(
        self,
        data: Any,
        *,
        oversample: int = 1,
        output_pixel_size: float | Sequence[float] | None = None,
        resize: bool = True,
        method: str = "LUT",
        empty: float = np.nan,
        device: str | None = None,
        dis_kwargs: dict[str, Any] | None = None,
    ) -> tuple[NDArray, FloatArray]:
        """Share out the counts of pixels over the pixels of a regular grid.

        By `geomlib.assemble_data` with ``method="split"``; with ``resize=False``, `device` or
        `dis_kwargs`, by pyFAI's ``Distortion``.

        Parameters
        ----------
        data : array_like, shape (…, modules, ss, fs)
            The counts.
        oversample : int
            Divide the pixel size by this.
        output_pixel_size : float or (float, float), optional
            Of the image along (x, y), in metres; default: that of the detector.
        resize : bool
            The image holds all pixels.
        empty : float
            Value of gaps.
        method, device, dis_kwargs
            For pyFAI's ``Distortion``, and its ``correct``.

        Returns
        -------
        image : ndarray of float32, shape (…, y, x)
        centre : ndarray
            The beam as (y, x), counted from the centre of the first pixel.

        Raises
        ------
        NotImplementedError
            For hexagonal pixels, as in EXtra-geom.
        """
        from geomlib.compat.geometries import interpolation

        grid = interpolation.grid_of(self, oversample, output_pixel_size)
        if resize and device is None and not dis_kwargs:
            return interpolation.split(self, data, grid, empty)
        options = {"resize": resize, "method": method, "empty": empty, "device": device}
        return interpolation.by_pyfai(self, data, grid, options, dis_kwargs or {})

    def take_modules(self, image: NDArray) -> NDArray:
        """Take an image apart into module data, (modules, ss, fs)."""
        return assembling.take_apart(self, image)

    # -- Pictures -----------------------------------------------------------------------

    def plot_data(
        self,
        data: Any,
        *,
        axis_units: str = "px",
        frontview: bool = True,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
        colorbar: bool | dict[str, Any] = True,
        interpolate: bool = False,
        **kwargs: Any,
    ) -> Axes:
        """Draw one frame (modules, ss, fs), and return the axes.

        Parameters
        ----------
        axis_units : {"px", "m"}
            Of the axes.
        frontview : bool
            x grows to the left, as seen looking along the beam.
        ax, figsize
            Where to draw, or the size of a new figure in inches.
        colorbar : bool or dict
            Draw a colour bar; a dict holds options of matplotlib's ``colorbar``.
        interpolate : bool
            Assemble with `position_modules_interpolate`.
        **kwargs
            Of matplotlib's ``imshow``.
        """
        from geomlib.compat.geometries import pictures

        view = pictures.View(axis_units, frontview, ax, figsize, colorbar)
        return pictures.plot_data(self, data, view, interpolate, kwargs)

    def plot_data_fast(self, data: Any, **kwargs: Any) -> Axes:
        """Do what `plot_data` does: an old name."""
        return self.plot_data(data, **kwargs)

    def inspect(self, axis_units: str = "px", frontview: bool = True) -> Axes:
        """Draw the tiles; see `geomlib.Geometry.inspect`."""
        from geomlib.compat.geometries import pictures

        return pictures.inspect(self, self.geometry, axis_units, frontview)

    def compare(self, other: DetectorGeometryBase, scale: float = 1.0) -> Axes:
        """Draw arrows, magnified by `scale`, to where the tiles of another geometry are."""
        from geomlib.compat.geometries import pictures

        return pictures.compare(self, other, scale)
