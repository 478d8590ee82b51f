"""The frames of a module as rows of pixels, whatever their order in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

NDArray = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]
#: Between rows that are put into another order, beyond their pixels: rows that are a multiple of
#: 4 KiB apart would all want the same places in the cache.
GAP_BYTES = 64


@dataclass(frozen=True, eq=False)
class FrameRows:
    """Frames of lines of pixels, and how to get at them.

    Attributes
    ----------
    array : ndarray, shape (frames, lines, width)
        The frames. A single one stands for any number of them.
    order : {"rows", "stream", "other"}
        ``"rows"``: the pixels of each frame lie one after another. ``"stream"``: the frames of each
        pixel do. Both are read as they lie; anything else is copied a piece at a time.
    step : int
        From frame to frame, or in stream order from pixel to pixel, in numbers.
    """

    array: NDArray
    order: str
    step: int

    @classmethod
    def of(cls, array: NDArray) -> FrameRows:
        """Look at how an array, shape (frames, lines, width), lies in memory."""
        if len(array) == 1 or array.strides[0] == 0:
            # float16, which the compiler lacks, is converted here and in `rows`.
            kind = np.float32 if array.dtype == np.float16 else array.dtype
            return cls(np.ascontiguousarray(array[:1], dtype=kind), "rows", 0)
        _, lines, width = array.shape
        frame, line, pixel = array.strides
        item = array.itemsize
        joined = lines == 1 or line == width * pixel
        if array.dtype != np.float16 and joined:
            if pixel == item and frame > 0 and frame % item == 0:
                return cls(array, "rows", frame // item)
            if frame == item and pixel > 0 and pixel % item == 0:
                return cls(array, "stream", pixel // item)
        return cls(array, "other", 0)

    @property
    def direct(self) -> bool:
        """Whether rows can be read where they lie."""
        return self.order == "rows"

    def rows(self, lines: slice, frames: IntArray) -> tuple[NDArray, IntArray]:
        """Return the pixels of some lines in some frames.

        Parameters
        ----------
        lines : slice
            Start and stop are given.
        frames : ndarray of int64
            Numbers of frames, counting up.

        Returns
        -------
        ndarray, shape (n,)
            Read-only.
        ndarray of int64
            Index of the first pixel of each frame in it.
        """
        n, _, width = self.array.shape
        size = (lines.stop - lines.start) * width
        part = self.array[:, lines]
        item = self.array.itemsize
        if self.direct:
            length = (n - 1) * self.step + size
            return as_strided(part, (length,), (item,), writeable=False), frames * self.step
        kind = np.dtype(np.float32) if self.array.dtype == np.float16 else self.array.dtype
        pitch = size + GAP_BYTES // kind.itemsize
        if self.order == "stream":
            from geomlib.kernels.reduce import transpose

            first, count = int(frames[0]), int(frames[-1] - frames[0]) + 1
            out = np.empty(count * pitch, dtype=kind)
            length = (size - 1) * self.step + count
            flat = as_strided(part[first:], (length,), (item,), writeable=False)
            transpose(flat, self.step, size, count, out, pitch)
            starts = (frames - first) * pitch
        else:
            out = np.empty(len(frames) * pitch, dtype=kind)
            for row, frame in zip(out.reshape(-1, pitch), frames, strict=True):
                row[:size].reshape(-1, width)[...] = part[frame]
            starts = np.arange(len(frames)) * pitch
        out.flags.writeable = False
        return out, starts


def swapped(modules: NDArray) -> bool:
    """Whether, in frames of shape (…, ss, fs), neighbours along ss lie closer in memory."""
    ss, fs = modules.shape[-2:]
    return bool(ss > 1 and fs > 1 and abs(modules.strides[-2]) < abs(modules.strides[-1]))
