"""Motors that move parts of a detector, and their positions in comments of ``.geom`` files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from geomlib.detector import FloatArray
from geomlib.detectors.agipd import AGIPD_1M
from geomlib.detectors.jungfrau import jungfrau_detector
from geomlib.errors import GeometryError
from geomlib.movement import motors_of

if TYPE_CHECKING:
    from geomlib.compat.geometries.base import DetectorGeometryBase

NDArray = npt.NDArray[Any]
_RECORD = re.compile(r";XGEOM ([^=]*)=(.*)")


def read_motors_from_geom(text: str | Iterable[str]) -> FloatArray:
    """Read the positions of motors from the ``;XGEOM`` comments of a ``.geom`` file.

    Parameters
    ----------
    text : str or iterable of str
        The text, or its lines: an open file.

    Returns
    -------
    ndarray, shape (groups, motors)
        In millimetres.

    Raises
    ------
    GeometryError
        If a record is missing or malformed.
    """
    lines = text.splitlines() if isinstance(text, str) else text
    matches = (_RECORD.match(line) for line in lines)
    records = {match[1]: match[2] for match in matches if match}
    if "MOTORS" not in records:
        raise GeometryError("there is no record MOTORS: ';XGEOM MOTORS=<groups>,<motors>'")
    groups, motors = (_whole(n) for n in _numbers("MOTORS", records["MOTORS"], 2))
    rows = []
    for group in range(1, groups + 1):
        key = f"MOTOR_Q{group}"
        if key not in records:
            raise GeometryError(f"there is no record {key}, of {groups}")
        rows.append(_numbers(key, records[key], motors))
    return np.array(rows)


def _numbers(key: str, text: str, count: int) -> list[float]:
    try:
        numbers = [float(item) for item in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise GeometryError(f"{key} must be {count} numbers with commas, not {text.strip()!r}")
    return numbers


def _whole(number: float) -> int:
    # Nobody has more motors; a file could claim any number.
    if number % 1 or not 0 < number < 10_000:
        raise GeometryError(f"MOTORS must be two whole numbers, not {number:g}")
    return int(number)


def motors_to_geom(positions: npt.ArrayLike) -> str:
    """Write positions of motors, (groups, motors), as comments of a ``.geom`` file."""
    rows = np.array(positions)
    groups, motors = rows.shape
    lines = [f";XGEOM MOTORS={groups},{motors}"]
    lines += [
        f";XGEOM MOTOR_Q{group}={','.join(str(value) for value in row)}"
        for group, row in enumerate(rows, start=1)
    ]
    return "\n".join(lines) + "\n"


class BaseMotorTracker:
    """Moves parts of a geometry as motors do.

    Parameters
    ----------
    ref_geom : DetectorGeometryBase
        Where the tiles are.
    ref_motor_positions : array_like, shape (groups, motors), optional
        Where the motors are then, in millimetres; default: as its file says.

    Raises
    ------
    GeometryError
        If the shape is wrong, or `groups` and `default_motor_axes` do not fit.
    """

    #: Modules that move together.
    groups: ClassVar[list[slice]]
    #: Direction of each motor in the lab, shape (groups, 2, motors).
    default_motor_axes: ClassVar[NDArray]

    def __init__(
        self, ref_geom: DetectorGeometryBase, ref_motor_positions: npt.ArrayLike | None = None
    ) -> None:
        self.motor_axes = np.asarray(self.default_motor_axes)
        self.motor_axes_shape = self.motor_axes.shape
        self.num_groups, _, self.num_motors = self.motor_axes.shape
        self.motor_position_shape = (self.num_groups, self.num_motors)
        if self.num_groups != len(self.groups):
            raise GeometryError(
                f"there are {len(self.groups)} groups, but motor axes of {self.num_groups}"
            )
        self.ref_geom = ref_geom
        self.ref_motor_positions = (
            getattr(ref_geom, "motor_positions", None)
            if ref_motor_positions is None
            else self._checked("ref_motor_positions", ref_motor_positions)
        )

    def _checked(self, name: str, positions: npt.ArrayLike) -> NDArray:
        array = np.array(positions)
        if array.shape != self.motor_position_shape:
            raise GeometryError(
                f"{name} must have shape {self.motor_position_shape} (groups, motors), "
                f"not {array.shape}"
            )
        return array

    def with_motor_axes(self, new_motor_axes: npt.ArrayLike) -> BaseMotorTracker:
        """Return a tracker whose motors have other directions, shape (groups, 2, motors)."""
        axes = np.array(new_motor_axes)
        if axes.shape != self.motor_axes_shape:
            raise GeometryError(
                f"new_motor_axes must have shape {self.motor_axes_shape}, not {axes.shape}"
            )
        other = copy(self)
        other.motor_axes = axes
        return other

    def geom_at(self, motor_positions: npt.ArrayLike) -> DetectorGeometryBase:
        """Return the geometry for positions of the motors, in millimetres.

        Raises
        ------
        GeometryError
            If it is not known where the motors of the reference were, or the shape is wrong.
        """
        if self.ref_motor_positions is None:
            raise GeometryError("ref_motor_positions are not known: give them to the tracker")
        target = self._checked("motor_positions", motor_positions)
        moved = self.move_geom_by(target - self.ref_motor_positions)
        moved.motor_positions = target
        return moved

    def move_geom_by(self, motor_diff: npt.ArrayLike) -> DetectorGeometryBase:
        """Return the geometry after changes of the motors, in millimetres."""
        shifts = 1e-3 * self._checked("motor_diff", motor_diff)
        moved = self.ref_geom.offset((0, 0))
        for modules, axes, shift in zip(self.groups, self.motor_axes, shifts, strict=True):
            moved = moved.offset(axes @ shift, modules=modules)
        return moved


class AGIPD_1MMotors(BaseMotorTracker):  # noqa: N801
    """Four quadrants of an AGIPD-1M, two motors each."""

    groups: ClassVar[list[slice]] = [np.s_[q : q + 4] for q in range(0, 16, 4)]
    default_motor_axes: ClassVar[NDArray] = np.array(motors_of(AGIPD_1M).axes)


class JF4MMotors(BaseMotorTracker):
    """Two halves of a JUNGFRAU-4M, one motor each."""

    groups: ClassVar[list[slice]] = [np.s_[0:4], np.s_[4:8]]
    default_motor_axes: ClassVar[NDArray] = np.array(motors_of(jungfrau_detector(8)).axes)
