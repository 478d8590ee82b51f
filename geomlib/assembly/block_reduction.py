"""Reduction of a detector's frames a block at a time, in one process or in many tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.accumulators import How
from geomlib.assembly.assemble import assemble_data
from geomlib.assembly.image import AssembledImage
from geomlib.assembly.inputs import Stack, as_stack
from geomlib.assembly.reduction import Reduction, joined_frames
from geomlib.assembly.treatment import Treatment, check_treatment
from geomlib.detector import Detector
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

NDArray = npt.NDArray[Any]
#: Options of `assemble_data` that are done with once frames are reduced.
TREATMENTS = ("mask", "mask_bits", "dark", "gain", "present")
_DONE = ("reduce", "axes", *TREATMENTS)


class BlockReduction:
    """Reduce blocks of frames to one frame.

    Parameters
    ----------
    how : {"mean", "sum", "max", "min", "std"}
        See `geomlib.assembly.reduction.Reduction`.
    n_modules : int
        Of the detector.
    threads : int, optional
        See `geomlib.assembly.reduction.Reduction`.

    Attributes
    ----------
    present : ndarray of bool, shape (n_modules,)
        Which modules had data in any of the frames so far.
    """

    def __init__(self, how: How, n_modules: int, threads: int | None = None) -> None:
        self.how = how
        self.present = np.zeros(n_modules, dtype=np.bool_)
        self._threads = threads
        self._parts: dict[tuple[int, ...], Reduction] = {}

    def add(self, stack: Stack, treatment: Treatment | None = None) -> None:
        """Add a block.

        Parameters
        ----------
        stack : Stack
            Of the same modules in each block.
        treatment : Treatment, optional
            What is done to the numbers first.
        """
        n_modules = len(self.present)
        there = None if treatment is None else treatment.present
        seen = np.broadcast_to(
            True if there is None else there.reshape(-1, there.shape[-1]).any(axis=0), n_modules
        )
        for data, numbers in stack.parts:
            reduction = self._parts.setdefault(numbers, Reduction(self.how, threads=self._threads))
            own = None if treatment is None else treatment.of_modules(numbers)
            for block, treated in joined_frames(data, stack.frames, own):
                reduction.add(block, treatment=treated)
            self.present[list(numbers)] |= seen[list(numbers)]

    def add_values(self, values: Any, detector: Detector, options: Mapping[str, Any]) -> None:
        """Add a block of anything in memory that `assemble_data` takes, with its options."""
        stack = as_stack(values, detector, options.get("axes"))
        given = {name: options[name] for name in TREATMENTS if name in options}
        treatment = check_treatment(
            stack.frames, detector, stack.dtype, wanted=options.get("dtype"), **given
        )
        self.add(stack, treatment)

    def merge(self, other: BlockReduction) -> BlockReduction:
        """Return the reduction of the frames of both, which are of the same modules."""
        both = BlockReduction(self.how, len(self.present), self._threads)
        both._parts = {
            numbers: reduction.merge(other._parts[numbers])
            for numbers, reduction in self._parts.items()
        }
        both.present = self.present | other.present
        return both

    def result(self) -> dict[int, NDArray]:
        """Return the reduced modules, (ss, fs) each; those that are not `present` mean nothing.

        Raises
        ------
        GeometryError
            If there were no frames.
        """
        if not self._parts:
            raise GeometryError(f"reduce={self.how!r}: there are no frames to reduce")
        return {
            number: module
            for numbers, reduction in self._parts.items()
            for number, module in zip(numbers, reduction.result(), strict=True)
        }

    def assemble(
        self, geometry: Geometry, options: Mapping[str, Any], out: NDArray | None = None
    ) -> AssembledImage:
        """Assemble the reduced frame.

        Parameters
        ----------
        geometry : Geometry
            Where the pixels are.
        options : mapping
            Those of `assemble_data`; what concerned the frames is left out.
        out : ndarray, optional
            As for `assemble_data`.
        """
        modules = self.result()
        given: dict[str, Any] = {k: v for k, v in options.items() if k not in _DONE}
        floating = all(module.dtype.kind == "f" for module in modules.values())
        if given.get("fill") is not None or not floating:
            # What has no value looks alike, be it a pixel or a module; whole numbers do not tell.
            mask = np.zeros(geometry.data_shape, dtype=np.bool_)
            for numbers, reduction in self._parts.items():
                mask[list(numbers)] = reduction.blank()
            for number, module in modules.items():
                mask[number] |= np.isnan(module)
            given["mask"] = mask if mask.any() else None
        return assemble_data(modules, geometry, out=out, present=self.present, **given)
