"""Which frames of a stack are meant: ``0``, ``0:64``, ``10,20,30``, ``::10``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from geomlib.errors import GeometryError

_NUMBER = re.compile(r"[+-]?\d{1,18}\Z")


def select_frames(text: str | None, n_frames: int) -> Sequence[int]:
    """Frame numbers that a selection means, in a stack of some frames.

    Parameters
    ----------
    text : str, optional
        Numbers and Python slices, separated by commas: ``"0"``, ``"-1"`` (the last), ``"0:64"``,
        ``"10,20,30"``, ``"::10"``, ``"0:4,100:104"``. None: all frames.
    n_frames : int
        Number of frames that there are.

    Returns
    -------
    sequence of int
        From 0 to ``n_frames - 1``, in the order asked for. A range where it is a single slice, so
        that a million frames cost nothing.

    Raises
    ------
    GeometryError
        If the text is no selection, or selects a frame that does not exist, or none at all.
    """
    if text is None:
        return range(n_frames)
    picked = [_piece(piece.strip(), text, n_frames) for piece in text.split(",")]
    if len(picked) == 1:
        return picked[0]
    if sum(map(len, picked)) > n_frames + len(text):
        raise GeometryError(f"frames {text!r} repeat more frames than there are ({n_frames})")
    return [frame for piece in picked for frame in piece]


def _piece(piece: str, text: str, n_frames: int) -> range:
    bounds = [part.strip() for part in piece.split(":")]
    if len(bounds) > 3 or not all(_NUMBER.match(b) or (b == "" and ":" in piece) for b in bounds):
        raise GeometryError(
            f"frames {text!r}: expected numbers or slices such as 0, 0:64, 10,20,30 or ::10"
        )
    there_are = f"there are {n_frames} frames, 0 to {n_frames - 1}"
    if len(bounds) == 1:
        number = int(piece)
        if not -n_frames <= number < n_frames:
            raise GeometryError(f"frames {text!r}: no frame {number}; {there_are}")
        return range(number % n_frames, number % n_frames + 1)
    values = [int(b) if b else None for b in bounds]
    if values[2:] == [0]:
        raise GeometryError(f"frames {text!r}: the step of a slice cannot be 0")
    chosen = range(n_frames)[slice(*values)]
    if not chosen:
        raise GeometryError(f"frames {text!r} select nothing; {there_are}")
    return chosen
