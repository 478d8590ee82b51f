"""`Run`: the frames of a run by train, pulse and memory cell; nothing is read until asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.data.beside import files_of, open_beside
from geomlib.data.stack import CHUNK_BYTES, FrameStack
from geomlib.detector import Detector, IntArray
from geomlib.errors import GeometryError, warn

NDArray = npt.NDArray[Any]
#: Which trains, pulses, cells or frames: numbers of them, or a slice.
Selection = int | slice | range | Sequence[int] | IntArray


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """Frames of a run: where they are, and which trains, pulses and modules they belong to.

    Made by `geomlib.open_run`. `geomlib.assemble_data` and `StackIntegrator` take it as data.

    Attributes
    ----------
    stack : FrameStack
        The frames.
    detector : Detector
        What they are from.
    numbers : ndarray of int, shape (frames,)
        The number that each frame has in the whole run.
    masks : FrameStack, optional
        The masks of the frames, where the files have them.
    """

    stack: FrameStack
    detector: Detector
    numbers: IntArray
    masks: FrameStack | None = None

    # -- What there is --------------------------------------------------------------------

    @property
    def detector_name(self) -> str:
        """Name of the detector in the files, such as ``"SPB_DET_AGIPD1M-1"``, or of a dataset."""
        return self.stack.name

    @property
    def path(self) -> str:
        """The file or folder."""
        return self.stack.path

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that the frames lie in."""
        return tuple(files_of(self.stack))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Frames, modules, slow scan, fast scan."""
        return self.stack.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers as they are stored."""
        return self.stack.dtype

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.stack.n_frames

    @property
    def frame_bytes(self) -> int:
        """Size of a frame in bytes."""
        return self.stack.frame_bytes

    @property
    def train_ids(self) -> IntArray | None:
        """Train of each frame; None where the files do not tell."""
        return self.stack.train_ids

    @property
    def pulse_ids(self) -> IntArray | None:
        """Pulse of each frame; of JUNGFRAU, its place in the train."""
        return self.stack.pulse_ids

    @property
    def cell_ids(self) -> IntArray | None:
        """Memory cell of each frame."""
        return self.stack.cell_ids

    @property
    def trains(self) -> IntArray:
        """The different trains, in rising order; none where the files do not tell."""
        ids = self.train_ids
        return np.zeros(0, np.int64) if ids is None else np.unique(ids)

    @property
    def is_raw(self) -> bool:
        """Whether these are numbers of the detector, not corrected: whole numbers without masks."""
        return self.dtype.kind in "ui" and self.masks is None

    def present(self, frames: Selection | None = None) -> npt.NDArray[np.bool_]:
        """Tell which modules there are in each frame, shape (frames, modules)."""
        return self.stack.present(self._places(frames))

    # -- Reading --------------------------------------------------------------------------

    def frames(self, frames: Selection | None = None) -> NDArray:
        """Read frames.

        Parameters
        ----------
        frames : int, slice or sequence of int, optional
            Which of them, counted from 0 in this run; default all.

        Returns
        -------
        ndarray, shape (frames, modules, ss, fs)
            Without the first axis for a single number. Modules that are missing (`present` tells)
            are NaN, in whole numbers 0.

        Raises
        ------
        GeometryError
            If there are no such frames.
        GeometryFileError
            If a file cannot be read.
        """
        fill = None if self.dtype.kind in "fc" else 0
        found = cast("NDArray", self.stack.read(self._places(frames), fill=fill))
        return found[0] if isinstance(frames, int | np.integer) else found

    def mask(self, frames: Selection | None = None) -> NDArray:
        """Read the masks of frames: flags, of which any stands for a bad pixel.

        Parameters
        ----------
        frames : int, slice or sequence of int, optional
            As for `frames`.

        Returns
        -------
        ndarray of unsigned integers, shape (frames, modules, ss, fs)
            All bits are set in modules that are missing.

        Raises
        ------
        GeometryError
            If the files have no masks (raw data), or there are no such frames.
        """
        if self.masks is None:
            raise GeometryError(f"{self.path}: there are no masks beside {self.detector_name}")
        places = self._places(frames)
        fill = None if self.masks.dtype.kind not in "ui" else np.iinfo(self.masks.dtype).max
        found = self.masks.read(places, fill=1 if fill is None else int(fill))
        return found[0] if isinstance(frames, int | np.integer) else found

    def read(
        self, frames: Sequence[int] | None = None, *, fill: float | None = None
    ) -> NDArray | dict[int, NDArray]:
        """Read frames as `FrameStack.read` does: `assemble_data` takes a run for its data."""
        return self.stack.read(frames) if fill is None else self.stack.read(frames, fill=fill)

    def dask(self, *, chunk_bytes: int = CHUNK_BYTES) -> Any:
        """Return the frames as a dask array, shape (frames, modules, ss, fs), in chunks of frames.

        Parameters
        ----------
        chunk_bytes : int
            Size of a chunk, at least a frame.
        """
        import dask.array as da

        each = max(1, chunk_bytes // max(self.frame_bytes, 1))
        chunks = (each, *self.shape[1:])
        return da.from_array(_Array(self), chunks=chunks, asarray=False)

    # -- Selecting ------------------------------------------------------------------------

    def select(
        self,
        *,
        trains: Selection | None = None,
        pulses: Selection | None = None,
        cells: Selection | None = None,
        frames: Selection | None = None,
    ) -> Run:
        """Return a run of some of the frames; nothing is read.

        Numbers are identities, a slice counts: ``trains=10002`` is train 10002, and
        ``trains=slice(10)`` are the first ten; ``pulses=[0, 4]`` are pulses 0 and 4, and
        ``pulses=slice(0, None, 2)`` is every second frame of each train. Cells are numbered from 0,
        so that a slice of them means their numbers.

        Parameters
        ----------
        trains, pulses, cells : int, slice or sequence of int, optional
            Which; default all. What is given has to hold all at once.
        frames : int, slice or sequence of int, optional
            Which of those that are left, counted from 0.

        Returns
        -------
        Run

        Raises
        ------
        GeometryError
            If nothing is left, or the files do not tell trains, pulses or cells.
        """
        kept = np.ones(self.n_frames, dtype=np.bool_)
        if trains is not None:
            ids = self._known("trains", self.train_ids)
            kept &= self._with("trains", trains, ids, np.unique(ids))
        if pulses is not None:
            ids = self._known("pulses", self.pulse_ids)
            if isinstance(pulses, slice):
                kept &= _places_in_trains(self.train_ids, len(ids), pulses)
            else:
                kept &= self._with("pulses", pulses, ids, ids)
        if cells is not None:
            ids = self._known("cells", self.cell_ids)
            kept &= self._with("cells", cells, ids, np.arange(int(ids.max(initial=0)) + 1))
        places = np.flatnonzero(kept)
        if not len(places):
            raise GeometryError(f"{self.path}: no frame has these trains, pulses and cells at once")
        if frames is not None:
            places = places[_places(frames, len(places))]
        return self._take(places)

    def by_train(self) -> Iterator[tuple[int, Run]]:
        """Yield each train: its number, and a run of its frames."""
        ids = self._known("trains", self.train_ids)
        order = np.argsort(ids, kind="stable")
        numbers, starts = np.unique(ids[order], return_index=True)
        for number, places in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
            yield int(number), self._take(places)

    def bare(self) -> Run:
        """Return the run without the numbers of its frames, for what only reads them."""
        none: dict[str, Any] = {"train_ids": None, "pulse_ids": None, "cell_ids": None}
        masks = None if self.masks is None else replace(self.masks, **none)
        nothing = np.zeros(0, dtype=np.int64)
        return replace(self, stack=replace(self.stack, **none), masks=masks, numbers=nothing)

    def _take(self, places: IntArray) -> Run:
        masks = None if self.masks is None else self.masks.take(places)
        return replace(
            self, stack=self.stack.take(places), numbers=self.numbers[places], masks=masks
        )

    def _with(
        self, name: str, wanted: Selection, ids: IntArray, counted: IntArray
    ) -> npt.NDArray[np.bool_]:
        """Tell which frames have one of some numbers; a slice is one of those that are `counted`.

        Raises
        ------
        GeometryError
            If none has.
        """
        chosen = _chosen(name, wanted, counted)
        kept = np.isin(ids, chosen)
        if not kept.any():
            numbers = np.unique(ids)
            there = f"{len(numbers)}, {numbers[0]} to {numbers[-1]}" if len(numbers) else "none"
            hint = ""
            if isinstance(wanted, slice) and name == "trains":
                hint = "; a slice counts trains, range(…) or a list has their numbers"
            raise GeometryError(
                f"{self.path}: no frame has {name}={checks.shown(wanted)}; there are {there}{hint}"
            )
        if not isinstance(wanted, slice | range):
            unknown = np.setdiff1d(chosen, ids).tolist()
            if unknown:
                warn(f"{self.path}: there are no {name} {checks.shown(unknown)}; left out")
        return kept

    def _known(self, name: str, ids: IntArray | None) -> IntArray:
        if ids is None:
            raise GeometryError(f"{self.path}: it does not tell the {name} of its frames")
        return ids

    def _places(self, frames: Selection | None) -> Any:
        return range(self.n_frames) if frames is None else _places(frames, self.n_frames)

    def __repr__(self) -> str:
        frames, modules, ss, fs = self.shape
        n_trains = f" in {len(self.trains)} trains" if self.train_ids is not None else ""
        kind = "raw " if self.is_raw else ""
        found = len(self.stack.modules)
        masks = "" if self.masks is None else ", with masks"
        return (
            f"<Run of {self.detector.name} ({self.detector_name}): {frames} {kind}frames{n_trains} "
            f"of {modules} × {ss} × {fs} pixels, {self.dtype}, {found} of {modules} modules{masks}>"
        )


def make_run(stack: FrameStack, detector: Detector) -> Run:
    """Make a run of all frames of a stack, with the masks beside them."""
    return Run(stack, detector, np.arange(stack.n_frames), open_beside(stack, "mask"))


class _Array:
    """The frames as dask takes them: by indexing."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.shape, self.dtype, self.ndim = run.shape, run.dtype, 4

    def __getitem__(self, index: Any) -> NDArray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        single = isinstance(first, int | np.integer)
        found = self._run.frames(first)
        kept: tuple[Any, ...] = tuple(rest) if single else (slice(None), *rest)
        chosen: NDArray = found[kept]
        return chosen


def _places(frames: Selection, n_frames: int) -> Any:
    """Places of frames, from 0; those after the last are refused by who reads them."""
    if isinstance(frames, slice):
        return range(n_frames)[frames]
    if isinstance(frames, int | np.integer) and not isinstance(frames, bool):
        frames = [int(frames)]
    places = np.asarray(frames)
    if places.ndim != 1 or (len(places) and places.dtype.kind not in "iu"):
        raise GeometryError(
            f"frames must be a number, a slice or a sequence of numbers, not {checks.shown(frames)}"
        )
    places = np.where(places < 0, places + n_frames, places)
    wrong = (places < 0) | (places >= n_frames)
    if wrong.any():
        raise GeometryError(f"no frame {np.asarray(frames)[wrong][0]}: there are {n_frames} frames")
    return places.astype(np.int64)


def _chosen(name: str, wanted: Selection, there: IntArray) -> IntArray:
    """Identities that are asked for; a slice counts those that are there."""
    if isinstance(wanted, slice):
        return there[wanted]
    single = isinstance(wanted, int | np.integer) and not isinstance(wanted, bool)
    found = np.asarray([wanted] if single else wanted)
    if found.ndim != 1 or (len(found) and found.dtype.kind not in "iu"):
        raise GeometryError(
            f"{name} must be a number, a slice or a sequence of numbers, not {checks.shown(wanted)}"
        )
    return found.astype(np.int64)


def _places_in_trains(trains: IntArray | None, n: int, wanted: slice) -> npt.NDArray[np.bool_]:
    """Tell which frames have a place in their train that a slice selects."""
    kept = np.zeros(n, dtype=np.bool_)
    ids = np.zeros(n, dtype=np.int64) if trains is None else trains
    order = np.argsort(ids, kind="stable")
    _, starts = np.unique(ids[order], return_index=True)
    for places in np.split(order, starts[1:]):
        kept[places[wanted]] = True
    return kept
