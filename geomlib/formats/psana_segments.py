"""The segments that psana knows by name: how many pixels they have, and where, in their own frame.

A segment is what psana takes from the data as one array of rows (slow scan) and columns (fast
scan): one ASIC, or a sensor with several. Positions in a segment are micrometres; the origin is the
middle of its pixels, except for the first matrices, whose origin is the centre of the first pixel.
The numbers are those of psana 4.3 (``psana.pscalib.geometry.SegGeometry*``), compared with the
coordinates that it computes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from geomlib.detector import MAX_PIXELS, FloatArray, IntArray, grid_tiles

_RIGHT, _UP, _DOWN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, -1.0, 0.0)
#: Rows, columns, height and width of a pixel in µm. Names without a version are the first one.
_MATRIX = re.compile(r"MTRX(?::(V1|V2))?:(\d{1,9}):(\d{1,9}):([^:]+):([^:]+)")


class Segment(NamedTuple):
    """A segment: equal ASICs in rows and columns.

    Attributes
    ----------
    asics : (int, int)
        Rows and columns of ASICs.
    shape : (int, int)
        Pixels of an ASIC along slow scan and fast scan.
    pitch : (float, float)
        Of pixels along slow scan and fast scan, µm.
    gap : float
        Between ASICs, in µm. The pixels at its border are wider and fill it.
    ss, fs : tuple of float
        Directions of slow scan and fast scan in the frame of the segment.
    centred : bool
        Whether the origin is the middle of the pixels; else it is the centre of the first one.
    """

    asics: tuple[int, int]
    shape: tuple[int, int]
    pitch: tuple[float, float]
    gap: float = 0.0
    ss: tuple[float, float, float] = _DOWN
    fs: tuple[float, float, float] = _RIGHT
    centred: bool = True

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of pixels."""
        return self.asics[0] * self.shape[0], self.asics[1] * self.shape[1]

    @property
    def bounds(self) -> IntArray:
        """First and last-plus-one row and column of each ASIC, shape (n, 4)."""
        return grid_tiles(1, self.shape, self._order)[:, 1:]

    @property
    def corners(self) -> FloatArray:
        """Outer corner of the first pixel of each ASIC in the segment's frame, shape (n, 3), µm."""
        size = np.array(self.shape) * self.pitch
        steps = np.array(self._order) * (size + self.gap)
        start = -0.5 * np.array(self.pitch)
        if self.centred:
            start = -0.5 * (np.array(self.asics) * (size + self.gap) - self.gap)
        along = start + steps
        corners: FloatArray = along[:, :1] * np.array(self.ss) + along[:, 1:] * np.array(self.fs)
        return corners

    @property
    def _order(self) -> list[tuple[int, int]]:
        rows, columns = self.asics
        return [(row, column) for row in range(rows) for column in range(columns)]


#: Pixels at it are wider by half of it: 175 µm (ePix100) and 225 µm (ePix10ka).
_EPIX_GAP = 250.0
SEGMENTS = {
    # A sensor of the CSPAD, with pixels of 274.8 µm where its ASICs meet.
    "SENS2X1:V1": Segment((1, 2), (185, 194), (109.92, 109.92), gap=3 * 109.92),
    "EPIX100:V1": Segment((2, 2), (352, 384), (50.0, 50.0), gap=_EPIX_GAP, ss=_UP),
    "EPIX10KA:V1": Segment((2, 2), (176, 192), (100.0, 100.0), gap=_EPIX_GAP),
    "EPIXHR2X2:V1": Segment((2, 2), (144, 192), (100.0, 100.0), gap=_EPIX_GAP),
    "EPIXMASIC:V1": Segment((1, 1), (192, 384), (50.0, 50.0)),
    "EPIXUHRASIC:V1": Segment((1, 1), (168, 192), (100.0, 100.0)),
    "EPIXUHR3X2:V1": Segment((2, 3), (168, 192), (100.0, 100.0), gap=325.0),
    "JUNGFRAU:V1": Segment((2, 4), (256, 256), (75.0, 75.0), gap=150.0),
    "JUNGFRAU:V2": Segment((2, 4), (256, 256), (75.0, 75.0), gap=150.0, ss=_UP),
    "PNCCD:V1": Segment((1, 1), (512, 512), (75.0, 75.0), ss=_RIGHT, fs=_UP, centred=False),
}


def segment_named(name: str) -> Segment | None:
    """Return the segment of a name, None if it is not known or its numbers make no sense."""
    found = _MATRIX.fullmatch(name)
    if found is None:
        return SEGMENTS.get(name)
    version, rows, columns = found[1], int(found[2]), int(found[3])
    try:
        pitch = (float(found[4]), float(found[5]))
    except ValueError:
        return None
    if not 0 < rows * columns <= MAX_PIXELS or not all(0 < p < 1e6 for p in pitch):
        return None
    if version == "V2":
        return Segment((1, 1), (rows, columns), pitch)
    return Segment((1, 1), (rows, columns), pitch, ss=_RIGHT, fs=_UP, centred=False)


def known_segments() -> str:
    """Names of the segments, for messages."""
    return ", ".join([*SEGMENTS, "MTRX:V2:rows:columns:height:width (pixels in µm)"])
