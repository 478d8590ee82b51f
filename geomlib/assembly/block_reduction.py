"""Reduction of a detector's frames a block at a time, in one process or in many tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.accumulators import How
from geomlib.assembly.fill import fill_value
from geomlib.assembly.inputs import as_stack
from geomlib.assembly.reduction import Reduction, joined_frames
from geomlib.assembly.treatment import check_treatment
from geomlib.detector import Detector
from geomlib.errors import GeometryError

NDArray = npt.NDArray[Any]
#: Options of `assemble_data` that are done with once frames are reduced.
TREATMENTS = ("mask", "mask_bits", "dark", "gain", "present")


class BlockReduction:
    """Reduce blocks of frames, as `assemble_data` takes them, to one frame.

    Parameters
    ----------
    how : {"mean", "sum", "max", "min", "std"}
        See `geomlib.assembly.reduction.Reduction`.
    detector : Detector
        What the frames are from.
    """

    def __init__(self, how: How, detector: Detector) -> None:
        self.how = how
        self.detector = detector
        self._parts: dict[tuple[int, ...], Reduction] = {}
        self._seen = np.zeros(detector.n_modules, dtype=np.bool_)

    def add(self, values: Any, options: Mapping[str, Any]) -> None:
        """Add a block.

        Parameters
        ----------
        values : object
            Any data in memory that `assemble_data` takes; the same modules in each block.
        options : mapping
            The options of `assemble_data` for this block.
        """
        stack = as_stack(values, self.detector, options.get("axes"))
        given = {name: options[name] for name in TREATMENTS if name in options}
        dtype = options.get("dtype", stack.dtype)
        treatment = check_treatment(stack.frames, self.detector, dtype, **given)
        there = None if treatment is None else treatment.present
        for data, numbers in stack.parts:
            reduction = self._parts.setdefault(
                numbers, Reduction(self.how, threads=options.get("threads"))
            )
            own = None if treatment is None else treatment.of_modules(numbers)
            for block, treated in joined_frames(data, stack.frames, own):
                reduction.add(block, treatment=treated)
            held = there is None or there.reshape(-1, there.shape[-1]).any(axis=0)
            self._seen[list(numbers)] |= np.broadcast_to(held, self._seen.shape)[list(numbers)]

    def merge(self, other: BlockReduction) -> BlockReduction:
        """Return the reduction of the frames of both, which are of the same modules."""
        both = BlockReduction(self.how, self.detector)
        both._parts = {
            numbers: reduction.merge(other._parts[numbers])
            for numbers, reduction in self._parts.items()
        }
        both._seen = self._seen | other._seen
        return both

    def result(self, fill: float | None = None) -> dict[int, NDArray]:
        """Return the reduced modules, (ss, fs) each, that had data in any of the frames.

        Parameters
        ----------
        fill : float, optional
            Instead of NaN, where there was not a single value.

        Raises
        ------
        GeometryError
            If there were no frames, or the result cannot hold the fill value.
        """
        if not self._parts:
            raise GeometryError(f"reduce={self.how!r}: there are no frames to reduce")
        modules = {
            number: module
            for numbers, reduction in self._parts.items()
            for number, module in zip(numbers, reduction.result(), strict=True)
        }
        if fill is not None:
            modules = {n: _without_nan(module, fill) for n, module in modules.items()}
        seen = {number: module for number, module in modules.items() if self._seen[number]}
        # With no data at all, every pixel is missing in one module as in all.
        return seen or modules


def _without_nan(module: NDArray, fill: float) -> NDArray:
    if module.dtype.kind != "f":
        return module
    return np.where(np.isnan(module), fill_value(fill, module.dtype), module)
