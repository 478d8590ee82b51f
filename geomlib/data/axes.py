"""What the axes of a stored array mean, for a given detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from geomlib.detector import Detector


class Axes(NamedTuple):
    """How the axes of a stored array give frames of modules.

    Attributes
    ----------
    frames : tuple of int
        Sizes of the leading axes that count frames (trains and memory cells, for example).
    gain_axis : int, optional
        Which of the axes after those counts gain stages, of which the first is the image.
    crop : int
        Rows to leave out at each end of the slow scan axis: calibration rows.
    modules : int
        How many modules each entry holds, along their own axis or stacked along slow scan.
    """

    frames: tuple[int, ...]
    gain_axis: int | None
    crop: int
    modules: int

    @property
    def n_frames(self) -> int:
        """How many frames the leading axes count."""
        total = 1
        for size in self.frames:
            total *= size
        return total


def whole_detector_axes(shape: Sequence[int], detector: Detector) -> Axes | None:
    """Axes of an array whose entries hold all modules; None where the shape does not fit.

    Understood are (…, modules, ss, fs), (…, modules, gain, ss, fs) as in virtual CXI files of raw
    data, (…, modules · ss, fs) as Cheetah stacks them, and for a detector of one module (…, ss, fs)
    with or without its calibration rows.
    """
    shape = tuple(shape)
    modules, ss, fs = detector.data_shape
    if shape[-3:] == (modules, ss, fs):
        return Axes(shape[:-3], None, 0, modules)
    if len(shape) >= 4 and shape[-2:] == (ss, fs) and shape[-4] == modules and shape[-3] <= 2:
        return Axes(shape[:-4], 1, 0, modules)
    if shape[-2:] == (modules * ss, fs):
        return Axes(shape[:-2], None, 0, modules)
    extra = detector.calibration_rows
    if modules == 1 and extra and shape[-2:] == (ss + 2 * extra, fs):
        return Axes(shape[:-2], None, extra, 1)
    return None


def module_axes(shape: Sequence[int], detector: Detector, *, gain: bool) -> Axes | None:
    """Axes of a European XFEL dataset that holds one module, or the whole detector.

    With ``gain``, an axis between frames and pixels counts gain stages (AGIPD, LPD and DSSC raw
    data); else memory cells (JUNGFRAU).
    """
    shape = tuple(shape)
    modules, ss, fs = detector.data_shape
    crop = detector.calibration_rows
    heights = {ss: (0, 1), modules * ss: (0, modules), ss + 2 * crop: (crop, 1)}
    if len(shape) not in (3, 4) or shape[-1] != fs or shape[-2] not in heights:
        return None
    rows, held = heights[shape[-2]]
    if gain and len(shape) == 4:
        return Axes(shape[:1], 0, rows, held)
    return Axes(shape[:-2], None, rows, held)
