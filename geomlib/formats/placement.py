"""Where things are that stand in frames, which stand in other frames: NXmx and DIALS have both.

A chain of steps leads from a tile out to the lab. Both formats count z from the sample; geomlib
keeps the distance of the detector apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from geomlib.detector import FloatArray
from geomlib.errors import warn


class Step(NamedTuple):
    """From a frame to the one that it stands in: a rotation (None for none), then a shift.

    Attributes
    ----------
    rotation : ndarray, shape (3, 3), optional
        Matrix, in lab axes.
    shift : (float, float, float)
        Metres.
    """

    rotation: FloatArray | None
    shift: tuple[float, float, float]

    @property
    def is_rest(self) -> bool:
        """Whether nothing moves."""
        return self.rotation is None and not any(self.shift)


#: From the innermost frame outwards.
Chain = tuple[Step, ...]


def to_lab(chain: Chain, point: FloatArray) -> FloatArray:
    """Position in the lab of a point in the innermost frame, shape (3,)."""
    for step in chain:
        point = (point if step.rotation is None else step.rotation @ point) + step.shift
    return point


def direction_to_lab(chain: Chain, vector: FloatArray) -> FloatArray:
    """Direction in the lab of a vector in the innermost frame, shape (3,)."""
    for step in chain:
        vector = vector if step.rotation is None else step.rotation @ vector
    return vector


def take_out_rail(chains: Sequence[Chain]) -> tuple[float | None, list[Chain]]:
    """Take the distance out of chains: the z of the outermost frame of all that has been moved.

    Positions that are summed up without the distance are exact; with it, they would have the
    rounding of the larger number.

    Parameters
    ----------
    chains : sequence of tuple of Step
        One for each tile; frames that they share are the same objects.

    Returns
    -------
    distance : float or None
        Metres; None if that frame is a rotation, not shared, or not shifted downstream.
    chains : list
        Without it.
    """
    for steps in zip(*(reversed(chain) for chain in chains), strict=False):
        outer = steps[0]
        if any(step is not outer for step in steps):
            break
        if outer.is_rest:
            continue
        x, y, z = outer.shift
        if outer.rotation is None and z > 0:
            rest = Step(None, (x, y, 0.0))
            return z, [tuple(rest if step is outer else step for step in c) for c in chains]
        break
    return None, list(chains)


def split_distance(
    corners: FloatArray, middle: float, said: float | None, path: str
) -> tuple[float | None, FloatArray]:
    """Take the distance out of positions that count from the sample, where no frame says it.

    Parameters
    ----------
    corners : ndarray, shape (n, 3)
        Metres, from the sample.
    middle : float
        Mean z of the centres of the tiles: the distance, unless the file says one.
    said : float, optional
        What the file says.
    path : str
        The file, for the warning.

    Returns
    -------
    distance : float or None
        None for a detector that is not downstream of the sample.
    corners : ndarray, shape (n, 3)
        With z counted from the distance.
    """
    distance = middle if said is None else said
    if said is not None and abs(middle) < 0.5 * said:
        warn(f"{path}: z of its tiles does not hold the distance of {said:g} m, and stays as it is")
        return said, corners
    if not distance > 0:
        warn(f"{path}: its detector is not downstream of the sample; z stays as it is")
        return None, corners
    return distance, corners - [0.0, 0.0, distance]
