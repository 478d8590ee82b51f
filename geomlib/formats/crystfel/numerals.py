"""Numbers as a ``.geom`` file should have them: few digits, no exponents, nothing lost."""

from __future__ import annotations

import math

import numpy as np

from geomlib.detector import FloatArray

_AXES = "xyz"
#: Rounding of sums of positions, metres (a proton has 8e-16); and of one step from pixel to pixel,
#: so that the far side of a tile of a thousand pixels is as good.
POSITION_NOISE = 1e-16
STEP_NOISE = 1e-19
#: Decimals of numbers that people mean, in pixels and in metres.
_ROUND, _ROUND_METRES = 4, 9


def positional(value: float) -> str:
    """Write a number with as few digits as read back to the same double, without an exponent."""
    return np.format_float_positional(value + 0.0, trim="-")


def vector_text(vector: FloatArray) -> str:
    """Write a vector, such as ``+1.0x -0.5y``.

    x and y always, for programs that take an absent axis from an earlier vector; z where it is
    not zero.
    """
    return " ".join(
        np.format_float_positional(value + 0.0, sign=True, trim="0") + axis
        for axis, value in zip(_AXES, vector, strict=True)
        if axis != "z" or value != 0
    )


def quotient(target: float, scale: float) -> float:
    """Find the number with the fewest decimals that times ``scale`` is exactly ``target``.

    Where rounding leaves no such double, the one that comes closest.
    """
    exact = float(target / scale)
    for decimals in range(17):
        rounded = round(exact, decimals)
        if rounded * scale == target:
            return rounded
    near = (exact, math.nextafter(exact, math.inf), math.nextafter(exact, -math.inf))
    return min(near, key=lambda number: abs(number * scale - target))


def in_pixels(length: float, pitch: float, noise: float = POSITION_NOISE) -> float:
    """Write a length in pixels: a round number if it is one but for noise, else exactly.

    Sums of round numbers come out as -257.00000000000006 and the cosine of 90° as 6e-17. A number
    of few decimals within the noise is taken to be meant; by chance that happens to one position
    in 10⁷.
    """
    rounded = round(float(length / pitch), _ROUND)
    return rounded if abs(rounded * pitch - length) <= noise else quotient(length, pitch)


def in_metres(length: float) -> float:
    """Write a length in metres: whole nanometres if it is that but for noise, else exactly."""
    rounded = round(float(length), _ROUND_METRES)
    return rounded if abs(rounded - length) <= POSITION_NOISE else float(length)


def resolution(pitch: float) -> float:
    """Pixels per metre, with the fewest decimals that give back the pitch."""
    exact = 1 / pitch
    for decimals in range(17):
        rounded = round(exact, decimals)
        if rounded > 0 and 1 / rounded == pitch:
            return rounded
    return exact
