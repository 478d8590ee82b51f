"""`Geometry`: where every tile of a detector is. Immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from geomlib import checks, coordinates, movement
from geomlib.coordinates import BoolArray
from geomlib.detector import Detector, FloatArray, IntArray, describe_pitch
from geomlib.errors import GeometryError
from geomlib.metadata import BadRegion, Source, bad_pixels, checked_groups, checked_regions
from geomlib.value import Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from geomlib.movement import Selection


@dataclass(frozen=True, eq=False, repr=False)
class Geometry(Value):
    """Where every tile of a detector is, in the lab frame (x left, y up, z downstream, metres).

    A value: its arrays are read-only, every change returns a new one, equal content is equal and
    hashes alike, and it pickles. Where it came from (`source`) does not count as content.

    Parameters
    ----------
    detector : Detector
        How the data is cut into tiles.
    tile_corners : array_like, shape (n_tiles, 3)
        Outer corner of the first stored pixel of each tile, metres.
    tile_ss, tile_fs : array_like, shape (n_tiles, 3)
        Steps of one pixel along slow scan and fast scan, metres; not parallel.
    distance : float, optional
        From the sample to z = 0, in metres; positive.
    photon_energy : float, optional
        In eV; positive.
    bad_regions : sequence of BadRegion
        Parts not to be used.
    no_index : sequence of int
        Tiles that a file flags as not to be used for indexing.
    groups : mapping of str to sequence of int, optional
        Named groups of tiles; default: the quadrants and modules of the detector.
    data_path, mask_path : str, optional
        Where the data and its mask lie in the HDF5 files that belong to this geometry.
    motor_positions : array_like, shape (groups, motors), optional
        Positions of the detector's motors for this geometry, in millimetres.
    source : Source, optional
        The file that it came from.

    Raises
    ------
    GeometryError
        If an argument is not as described; it names the argument and what was found.
    """

    detector: Detector
    tile_corners: FloatArray
    tile_ss: FloatArray
    tile_fs: FloatArray
    distance: float | None = None
    photon_energy: float | None = None
    bad_regions: tuple[BadRegion, ...] = ()
    no_index: tuple[int, ...] = ()
    groups: Mapping[str, tuple[int, ...]] | None = None
    data_path: str | None = None
    mask_path: str | None = None
    motor_positions: FloatArray | None = None
    source: Source | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.detector, Detector):
            raise GeometryError(f"detector must be a Detector, not {type(self.detector).__name__}")
        n = self.detector.n_tiles
        for name in ("tile_corners", "tile_ss", "tile_fs"):
            self._set(**{name: checks.array(name, getattr(self, name), (n, 3))})
        coordinates.check_steps(self.tile_ss, self.tile_fs)
        for name in ("distance", "photon_energy"):
            if getattr(self, name) is not None:
                self._set(**{name: checks.number(name, getattr(self, name), positive=True)})
        for name in ("data_path", "mask_path"):
            if getattr(self, name) is not None:
                checks.text(name, getattr(self, name))
        flagged = checks.integers("no_index", self.no_index, 0, n - 1)
        self._set(
            bad_regions=checked_regions(self.detector, self.bad_regions),
            no_index=tuple(sorted(set(flagged))),
            groups=MappingProxyType(checked_groups(self.detector, self.groups)),
        )
        if self.motor_positions is not None:
            shape = movement.motor_shape(self.detector)
            motors = checks.array("motor_positions", self.motor_positions, shape)
            self._set(motor_positions=motors)
        if not isinstance(self.source, Source | None):
            raise GeometryError(f"source must be a Source or None, not {checks.shown(self.source)}")

    @property
    def tiles(self) -> coordinates.Tiles:
        """The three arrays of tiles as one tuple: corners, ss, fs."""
        return coordinates.Tiles(self.tile_corners, self.tile_ss, self.tile_fs)

    # -- Sizes --------------------------------------------------------------------------

    @property
    def data_shape(self) -> tuple[int, int, int]:
        """Shape of one frame of data: (modules, ss, fs)."""
        return self.detector.data_shape

    @property
    def n_modules(self) -> int:
        """Number of modules."""
        return self.detector.n_modules

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return self.detector.n_tiles

    @property
    def tile_centres(self) -> FloatArray:
        """Centre of each tile, shape (n_tiles, 3), metres."""
        return coordinates.tile_centres(self.detector, self.tiles)

    @property
    def module_centres(self) -> FloatArray:
        """Mean of the tile centres of each module, shape (modules, 3), metres; NaN for no tiles."""
        return coordinates.module_centres(self.detector, self.tiles)

    def tile_outlines(self) -> FloatArray:
        """Four outer corners of each tile's pixel grid, shape (n_tiles, 4, 3), metres.

        In the order first pixel, end of first row, last pixel, start of last row.
        """
        return coordinates.tile_outlines(self.detector, self.tiles)

    # -- Where pixels are ---------------------------------------------------------------

    def pixel_positions(self, reference: Literal["centre", "corner"] = "centre") -> FloatArray:
        """Position of every data pixel in the lab.

        Parameters
        ----------
        reference : {"centre", "corner"}
            The middle of the pixel, or its first corner (for hexagons, of its bounding box).

        Returns
        -------
        ndarray, shape (modules, ss, fs, 3)
            x, y, z in metres; NaN for data that belongs to no tile.

        Raises
        ------
        GeometryError
            If there is no such reference.
        """
        return coordinates.pixel_positions(self.detector, self.tiles, reference)

    def pixel_corners(
        self, *, wide: bool = False, dtype: type[np.floating] = np.float64
    ) -> FloatArray:
        """Corners of every data pixel in the lab.

        Parameters
        ----------
        wide : bool
            With the true shape of the wide pixels at the border of tiles (AGIPD, JUNGFRAU, ePix)
            instead of the nominal grid.
        dtype : dtype
            float64, or float32 to halve the memory.

        Returns
        -------
        ndarray, shape (modules, ss, fs, 4, 3), or (…, 6, 3) for hexagons
            x, y, z in metres; NaN for data that belongs to no tile.

        Raises
        ------
        GeometryError
            If `dtype` is another.
        """
        return coordinates.pixel_corners(self.detector, self.tiles, wide, dtype)

    def data_to_lab(
        self, module: npt.ArrayLike, ss: npt.ArrayLike, fs: npt.ArrayLike
    ) -> FloatArray:
        """Lab position of points given in data coordinates.

        Parameters
        ----------
        module : array_like of int
            Module number, from 0.
        ss, fs : array_like of float
            Position in the module: 0.5 is the centre of the first pixel. The three broadcast.

        Returns
        -------
        ndarray, shape (…, 3)
            x, y, z in metres; NaN where the point belongs to no tile.

        Raises
        ------
        GeometryError
            If a module number is out of range or not whole, or a position is not a number.
        """
        return coordinates.data_to_lab(self.detector, self.tiles, module, ss, fs)

    def lab_to_data(
        self, x: npt.ArrayLike, y: npt.ArrayLike
    ) -> tuple[IntArray, FloatArray, FloatArray]:
        """Find the pixel seen at (x, y) looking along the beam: the inverse of `data_to_lab`.

        For hexagons it is the inverse inside each hexagon; the corners of the square that a pixel
        is in data coordinates lie in the hexagons of its neighbours.

        Parameters
        ----------
        x, y : array_like of float
            Lab position in metres. The two broadcast.

        Returns
        -------
        module : ndarray of int
            -1 where there is no pixel.
        ss, fs : ndarray of float
            Position in the module (0.5 is the centre of the first pixel); NaN where there is none.
            Where tiles overlap, the later tile in data order counts.

        Raises
        ------
        GeometryError
            If x or y are not numbers, or do not broadcast.
        """
        return coordinates.lab_to_data(self.detector, self.tiles, x, y)

    def bad_pixels(self) -> BoolArray:
        """Return a mask of the data, True where a bad region lies or no tile uses the data.

        Returns
        -------
        ndarray of bool, shape `data_shape`
            Tiles flagged `no_index` count as good: they hold data, only not for indexing.
        """
        return bad_pixels(self.detector, self.pixel_positions, self.bad_regions)

    # -- Changes ------------------------------------------------------------------------

    def replace(self, **changes: Any) -> Geometry:
        """Return a geometry with some attributes changed, such as ``distance=0.2``.

        Raises
        ------
        GeometryError
            If there is no such attribute.
        """
        known = [f.name for f in fields(self)]
        if unknown := sorted(set(changes) - set(known)):
            raise GeometryError(f"a Geometry has no {unknown[0]!r}; it has {', '.join(known)}")
        return replace(self, **changes)

    def offset(
        self,
        shift: npt.ArrayLike,
        *,
        modules: Selection | None = None,
        tiles: Selection | None = None,
        group: str | None = None,
    ) -> Geometry:
        """Move the detector, or a part of it.

        Parameters
        ----------
        shift : array_like, shape (2,) or (3,), (modules, 2 or 3), (modules, tiles, 2 or 3)
            x, y and z in metres: one for all that is selected, one a selected module, or one a
            selected tile of a selected module.
        modules : slice, int or sequence, optional
            Modules to move; default all.
        tiles : slice, int or sequence, optional
            Tiles to move in each of them; default all.
        group : str, optional
            Instead of modules and tiles: the name of a group, such as ``"q0"``.

        Returns
        -------
        Geometry

        Raises
        ------
        GeometryError
            If there is no such part, or the shift has another shape or is not finite.

        Examples
        --------
        >>> import geomlib
        >>> geom = geomlib.example_geometry("AGIPD-1M")
        >>> up = geom.offset((0, 2e-3), group="q0")  # first quadrant up by 2 mm
        """
        selected = self._select(modules, tiles, group)
        each = movement.spread("shift", shift, selected, (2, 3))
        corners = self.tile_corners.copy()
        corners[selected.tiles, : each.shape[1]] += each
        return replace(self, tile_corners=corners)

    def rotate(
        self,
        angles: npt.ArrayLike,
        *,
        centre: npt.ArrayLike | None = None,
        modules: Selection | None = None,
        tiles: Selection | None = None,
        group: str | None = None,
        degrees: bool = True,
    ) -> Geometry:
        """Rotate the detector, or a part of it.

        The matrix is Rx · Ry · Rz of right-handed rotations about the lab axes: positive z turns x
        (left) towards y (up), clockwise looking along the beam.

        Parameters
        ----------
        angles : array_like, shape (3,), (modules, 3) or (modules, tiles, 3)
            About x, y and z: one for all that is selected, one a module, or one a tile.
        centre : array_like, optional
            The fixed point, in metres; shaped as `angles` may be. Default: the origin when the
            whole detector turns as one; else the centre of each module; of each tile, if `tiles`
            are selected or angles are given a tile; of the group's tiles for a `group`.
        modules, tiles, group
            What to rotate, as in `offset`.
        degrees : bool
            Angles are in degrees; False for radians.

        Returns
        -------
        Geometry

        Raises
        ------
        GeometryError
            If there is no such part, or angles or centre have another shape or are not finite.
        """
        selected = self._select(modules, tiles, group)
        turned = movement.rotate(self.detector, self.tiles, selected, angles, centre, degrees)
        return replace(self, tile_corners=turned.corners, tile_ss=turned.ss, tile_fs=turned.fs)

    def _select(
        self, modules: Selection | None, tiles: Selection | None, group: str | None
    ) -> movement.Selected:
        choice = movement.Choice(modules, tiles, group)
        return movement.select(self.detector, self.groups or {}, choice)

    # -- Quadrants and motors -----------------------------------------------------------

    def quad_positions(self, *, unit: float | None = None) -> FloatArray:
        """Positions of the quadrants, as their detector's constructor takes them.

        Parameters
        ----------
        unit : float, optional
            In metres; default: pixels for AGIPD-1M, millimetres for LPD-1M and DSSC-1M.

        Returns
        -------
        ndarray, shape (quadrants, 2)
            x and y of the point that the detector's users quote (`Quadrants.corner`).

        Raises
        ------
        GeometryError
            If the detector has no quadrants, or the unit is not a positive number.
        """
        return movement.quadrant_positions(self.detector, self.tiles, unit)

    def move_motors(self, shifts: npt.ArrayLike, *, axes: npt.ArrayLike | None = None) -> Geometry:
        """Move groups of modules as their motors do.

        Parameters
        ----------
        shifts : array_like, shape (groups, motors)
            Change of each motor position, in millimetres. AGIPD-1M: 4 quadrants × 2 motors;
            JUNGFRAU-4M: 2 halves × 1 motor.
        axes : array_like, shape (groups, 2, motors), optional
            Direction of each motor in the lab (rows x and y), instead of the detector's own.

        Returns
        -------
        Geometry
            With `motor_positions` moved on, where they are known.

        Raises
        ------
        GeometryError
            If the detector has no motors or a shape is wrong.
        """
        moved = checks.array("shifts", shifts, movement.motor_shape(self.detector))
        corners = self.tile_corners + movement.motor_shifts(self.detector, moved, axes)
        known = self.motor_positions
        return replace(
            self, tile_corners=corners, motor_positions=None if known is None else known + moved
        )

    def at_motor_positions(
        self, positions: npt.ArrayLike, *, axes: npt.ArrayLike | None = None
    ) -> Geometry:
        """Return the geometry for given positions of the motors.

        This geometry's `motor_positions` are the reference; set them with
        ``geom.replace(motor_positions=…)`` if its file did not.

        Parameters
        ----------
        positions : array_like, shape (groups, motors)
            In millimetres.
        axes : array_like, optional
            As in `move_motors`.

        Returns
        -------
        Geometry

        Raises
        ------
        GeometryError
            If this geometry does not know where its motors were, or a shape is wrong.
        """
        target = checks.array("positions", positions, movement.motor_shape(self.detector))
        if self.motor_positions is None:
            raise GeometryError(
                "this geometry does not know its motor positions; "
                "give them with geom.replace(motor_positions=…)"
            )
        moved = self.move_motors(target - self.motor_positions, axes=axes)
        return replace(moved, motor_positions=target)

    # -- Looking ------------------------------------------------------------------------

    def inspect(
        self,
        *,
        units: str = "px",
        front_view: bool = True,
        ax: Axes | None = None,
        labels: bool = True,
        title: str | None = None,
    ) -> Axes:
        """Draw the tiles, as `geomlib.plotting.inspect` does."""
        from geomlib.plotting import inspect

        return inspect(self, units=units, front_view=front_view, ax=ax, labels=labels, title=title)

    def compare(
        self,
        other: Geometry,
        *,
        scale: float | None = None,
        units: str = "px",
        front_view: bool = True,
        ax: Axes | None = None,
        title: str | None = None,
    ) -> Axes:
        """Draw arrows to where the tiles are in another one, as `geomlib.plotting.compare` does."""
        from geomlib.plotting import compare

        return compare(
            self, other, scale=scale, units=units, front_view=front_view, ax=ax, title=title
        )

    def _repr_svg_(self) -> str:
        from geomlib.plotting.svg import geometry_svg

        return geometry_svg(self)

    def __repr__(self) -> str:
        modules, ss, fs = self.data_shape
        parts = [
            f"{modules} × {ss} × {fs} pixels of {describe_pitch(self.detector.pixel_size)}",
            f"{self.n_tiles} tile{'s' * (self.n_tiles != 1)}",
        ]
        if self.distance is not None:
            parts.append(f"distance {self.distance:g} m")
        if self.photon_energy is not None:
            parts.append(f"{self.photon_energy:g} eV")
        if self.source is not None and self.source.path is not None:
            parts.append(f"from {Path(self.source.path).name}")
        return f"<Geometry {self.detector.name}: {', '.join(parts)}>"
