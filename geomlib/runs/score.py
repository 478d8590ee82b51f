"""How many pixels of a frame are over a threshold: a simple sign of a hit."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.treatment import Treatment
from geomlib.threads import run_pieces

NDArray = npt.NDArray[Any]


def count_over(
    data: NDArray, treatment: Treatment | None, threshold: float, threads: int
) -> npt.NDArray[np.int32]:
    """Count the pixels over a threshold.

    Parameters
    ----------
    data : ndarray, shape (frames, modules, ss, fs)
        NaN is not over anything.
    treatment : Treatment, optional
        What is done to the numbers first; masked pixels and missing modules do not count.
    threshold : float
        In units of the treated numbers.
    threads : int
        Do not change the result.

    Returns
    -------
    ndarray of int, shape (frames, modules)
    """
    scores = np.zeros(data.shape[:2], dtype=np.int32)
    given = treatment or Treatment()
    pieces = [partial(_count_frame, data, given, threshold, scores, k) for k in range(len(data))]
    run_pieces(pieces, threads)
    return scores


def _count_frame(
    data: NDArray, treatment: Treatment, threshold: float, scores: NDArray, frame: int
) -> None:
    own = treatment.block((slice(frame, frame + 1),))
    for module in range(data.shape[1]):
        part = own.of_modules((module,))
        if part.present is not None and not part.present.any():
            continue
        values = data[frame, module]
        with np.errstate(all="ignore"):
            if part.dark is not None:
                values = values - part.dark[0, 0]
            if part.gain is not None:
                values = values * part.gain[0, 0]
            over = values > threshold
        if part.mask is not None:
            over &= (part.mask[0, 0] & part.mask.dtype.type(part.bits)) == 0
        scores[frame, module] = np.count_nonzero(over)
