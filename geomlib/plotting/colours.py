"""Colours of the parts of a detector: told apart with any kind of colour vision."""

from __future__ import annotations

import numpy as np

from geomlib.detector import Detector, IntArray

#: Fill and outline of each kind of tile: pale and strong tones of blue, orange, green, purple, sky
#: and vermilion, the hues that Okabe and Ito recommend (https://jfly.uni-koeln.de/color/).
PALETTE = (
    ("#cfe3f1", "#0072b2"),
    ("#fbe6c2", "#c98500"),
    ("#c9ebdf", "#00805c"),
    ("#f3dfea", "#b5588d"),
    ("#dcf0fb", "#3d94c4"),
    ("#f8dccb", "#c45300"),
)
#: The colour map that is used unless another is asked for.
DEFAULT_MAP = "viridis"
#: Gaps, dead pixels and whatever else has no value.
MISSING = (64, 64, 64, 255)


def tile_colours(detector: Detector) -> IntArray:
    """Row of `PALETTE` for each tile: a colour a quadrant, else a colour a module.

    Returns
    -------
    ndarray of int, shape (n_tiles,)
    """
    modules = detector.tile_modules
    part = np.array(modules)
    if detector.quadrants is not None:
        for quadrant, members in enumerate(detector.quadrants.modules):
            part[np.isin(modules, members)] = quadrant
    return np.asarray(part % len(PALETTE))
