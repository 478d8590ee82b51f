"""The values of a ``.geom`` file: numbers, vectors, switches and layouts of the data.

Each function returns None for a text that is no such value: the caller knows file, line and key.
Two ways of reading numbers: `number` takes what is a number and nothing else, `c_number` what the C
library makes of any text, for judging what CrystFEL itself does with a file.
"""

from __future__ import annotations

import re

import numpy as np

from geomlib.detector import FloatArray

_C_NUMBER = re.compile(
    r"\s*([+-]?)(?:(0[xX][0-9a-fA-F]{1,16})|((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(inf|nan))",
    re.ASCII | re.IGNORECASE,
)
_TERM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)?)([xyz])", re.ASCII)
_VECTOR = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)?[xyz](?:[+-](?:\d+\.?\d*|\.\d+)?[xyz])*+", re.ASCII)
# What most files hold; few enough digits for no number to be large.
_USUAL_VECTOR = re.compile(
    r"([+-]?\d{1,9}\.\d*)x[ \t]*([+-]\d{1,9}\.\d*)y(?:[ \t]*([+-]\d{1,9}\.\d*)z)?", re.ASCII
)
_TEMPLATE_BLANK = re.compile(r"\$\w+", re.ASCII)
#: Pixels per metre that make sense.
MIN_RES, MAX_RES = 1e-3, 1e12
#: More characters than any vector has.
_LONG = 1000
_AXES = {"x": 0, "y": 1, "z": 2}
_INT32 = 2**31
#: Larger than any length in pixels, and small enough for products of four.
_HUGE = 1e30

Vector = tuple[float, float, float]


def number(text: str) -> float | None:
    """Read a finite number. A hexadecimal whole number is one too, as it is in C."""
    try:
        value = float(text)
    except ValueError:
        match = _C_NUMBER.fullmatch(text)
        if match is None or match[2] is None:
            return None
        return float(int(match[1] + match[2], 16))
    # Python reads 1_000 and the digits of every script; C does not.
    plain = "_" not in text and text.strip().isascii()
    return value if plain and abs(value) < _HUGE else None


def plain_numbers(texts: list[str]) -> FloatArray | None:
    """Read many numbers at once; None if one of them is not plain, or too large."""
    together = "".join(texts)
    if "_" in together or not together.isascii():
        return None
    try:
        numbers = np.array(list(map(float, texts)))
    except ValueError:
        return None
    return numbers if (np.abs(numbers) < _HUGE).all() else None


def without_comment(text: str) -> str | None:
    """Return what stands before `` #``, which people take for a comment; None if there is none."""
    at = text.find("#")
    return text[:at].rstrip(" \t") if at > 0 and text[at - 1] in " \t" else None


def c_number(text: str) -> float:
    """Read the number that a text begins with, 0 if with none, as ``atof`` of C does."""
    match = _C_NUMBER.match(text)
    if match is None:
        return 0.0
    sign, hexadecimal, decimal, word = match.groups()
    value = float.fromhex(hexadecimal) if hexadecimal else float(decimal or word)
    return -value if sign == "-" else value


def whole(text: str) -> int | None:
    """Read a whole number that fits in 32 bits; a fraction is cut off."""
    value = number(text)
    return None if value is None or abs(value) >= _INT32 else int(value)


def pixel_index(text: str) -> int | None:
    """Read an index of a pixel that is not negative."""
    value = whole(text)
    return value if value is not None and value >= 0 else None


def corner(text: str) -> float | None:
    """Read a position in pixels. The blanks of templates count as 0, as CrystFEL reads them."""
    return 0.0 if _TEMPLATE_BLANK.fullmatch(text) else number(text)


def resolution(text: str) -> float | None:
    """Read pixels per metre."""
    value = number(text)
    return value if value is not None and MIN_RES <= value <= MAX_RES else None


def vector(text: str) -> Vector | None:
    """Read a direction such as ``-0.002x +0.999998y``: axes not named are 0, repeated ones add."""
    match = _USUAL_VECTOR.fullmatch(text)
    if match is not None:
        x, y, z = match.groups()
        return float(x), float(y), float(z or 0)
    if len(text) > _LONG:
        return None
    compact = text.replace(" ", "").replace("\t", "")
    if _VECTOR.fullmatch(compact) is None:
        return None
    out = [0.0, 0.0, 0.0]
    for size, axis in _TERM.findall(compact):
        out[_AXES[axis]] += float(size) if len(size) > 1 or size.isdigit() else float(size + "1")
    return (out[0], out[1], out[2]) if max(map(abs, out)) < _HUGE else None


def switch(text: str) -> bool | None:
    """Read ``true``, ``false`` (upper or lower case) or a whole number."""
    word = text.lower()
    if word in ("true", "false"):
        return word == "true"
    value = whole(text)
    return None if value is None else value != 0


def mask_bits(text: str) -> int | None:
    """Read the bits of a mask, 32 of them: decimal, or hexadecimal with ``0x``."""
    value = number(text)
    return int(value) if value is not None and 0 <= value < 2**32 else None


def dimension(text: str) -> str | int | None:
    """Read what one axis of the data is: ``ss``, ``fs``, ``%`` (frames) or an index."""
    if text in ("ss", "fs", "%"):
        return text
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
