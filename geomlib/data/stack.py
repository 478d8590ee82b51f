"""`FrameStack`: frames of module data in files, read a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast, overload

import numpy as np
import numpy.typing as npt

from geomlib.assembly.fill import fill_value
from geomlib.assembly.memory import image_room
from geomlib.data.axes import Axes
from geomlib.data.hdf5 import open_hdf5
from geomlib.detector import IntArray
from geomlib.errors import GeometryError, GeometryFileError

NDArray = npt.NDArray[Any]

#: How much `FrameStack.chunks` reads at a time, in bytes.
CHUNK_BYTES = 64 * 2**20


class Segment(NamedTuple):
    """A stored array that holds some entries, one after another.

    Attributes
    ----------
    path : Path
        The file.
    dataset : str, optional
        The HDF5 dataset; None for a ``.npy`` file or an array in memory.
    axes : Axes
        What its axes mean.
    array : ndarray, optional
        The array itself, where it is in memory already (``.npz``).
    """

    path: Path
    dataset: str | None
    axes: Axes
    array: NDArray | None = None


class Part(NamedTuple):
    """Some modules' share of the frames: entries in segments that follow each other.

    Attributes
    ----------
    modules : slice
        The modules that each entry holds.
    segments : tuple of Segment
        Their entries are numbered through, from 0.
    rows : ndarray of int, optional
        Which entry holds each frame, -1 where none does. None: entry and frame number are equal.
    """

    modules: slice
    segments: tuple[Segment, ...]
    rows: IntArray | None = None


@dataclass(frozen=True, eq=False, repr=False)
class FrameStack:
    """Frames of module data in files. Nothing is read, and no file held open, until asked for.

    Attributes
    ----------
    path : str
        The file or folder, for messages.
    name : str
        What was found in it: a dataset, or the name of a detector.
    shape : (int, int, int, int)
        Frames, modules, slow scan, fast scan.
    dtype : dtype
        As it is stored, in native byte order.
    parts : tuple of Part
        Where the modules lie.
    train_ids, pulse_ids, cell_ids : ndarray of int, shape (frames,), optional
        Where the file tells: train, pulse and memory cell of each frame.
    gaps : ndarray of bool, shape (frames, modules), optional
        Where the file has room for a module, but nothing in it.
    """

    path: str
    name: str
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    parts: tuple[Part, ...]
    train_ids: IntArray | None = None
    pulse_ids: IntArray | None = None
    cell_ids: IntArray | None = None
    gaps: npt.NDArray[np.bool_] | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.shape[0]

    @property
    def frame_bytes(self) -> int:
        """Size of a frame in bytes."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    @property
    def modules(self) -> tuple[int, ...]:
        """Modules that have data in at least one frame."""
        n = self.shape[1]
        found: set[int] = set()
        for part in self.parts:
            if part.rows is None or (part.rows >= 0).any():
                found.update(range(n)[part.modules])
        if self.gaps is not None:
            found -= set(np.flatnonzero(self.gaps.all(axis=0)).tolist())
        return tuple(sorted(found))

    @property
    def missing_modules(self) -> tuple[int, ...]:
        """Modules that have no data in any frame."""
        return tuple(sorted(set(range(self.shape[1])) - set(self.modules)))

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.n_frames

    def __getitem__(
        self, frames: int | slice | Sequence[int] | IntArray
    ) -> NDArray | dict[int, NDArray]:
        """Read a frame, or some, as `read` does: ``frames[0]``, ``frames[-1]``, ``frames[2:5]``.

        Returns
        -------
        ndarray or dict of int to ndarray
            As `read`; without the axis of frames for a single number.

        Raises
        ------
        GeometryError, GeometryFileError
            As `read`.
        """
        if isinstance(frames, slice):
            return self.read(range(self.n_frames)[frames])
        if isinstance(frames, bool) or not isinstance(frames, int | np.integer):
            return self.read(cast("Sequence[int]", frames))
        number = int(frames)
        found = self.read([number + self.n_frames if number < 0 else number])
        if isinstance(found, dict):
            return {module: data[0] for module, data in found.items()}
        return cast("NDArray", found[0])

    def __iter__(self) -> Iterator[NDArray | dict[int, NDArray]]:
        """Read one frame after another; `chunks` is faster."""
        return (self[number] for number in range(self.n_frames))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> NDArray:
        """Read all frames into an array, shape (frames, modules, ss, fs)."""
        found = self.read()
        if isinstance(found, dict):
            missing = ", ".join(map(str, sorted(set(range(self.shape[1])) - found.keys())))
            raise GeometryError(
                f"modules without data: {missing}; {self.dtype} cannot say so in an array: use "
                "read(fill=…), or read() for a dict of the modules that have data"
            )
        return found if dtype is None else found.astype(dtype, copy=False)

    def present(self, frames: Sequence[int] | IntArray) -> npt.NDArray[np.bool_]:
        """Tell which modules have data in each of some frames, shape (frames, modules)."""
        numbers = self._numbers(frames)
        out = np.zeros((len(numbers), self.shape[1]), dtype=bool)
        for part in self.parts:
            there = True if part.rows is None else part.rows[numbers] >= 0
            out[:, part.modules] = np.asarray(there).reshape(-1, 1)
        return out if self.gaps is None else out & ~self.gaps[numbers]

    def take(self, frames: Sequence[int] | IntArray) -> FrameStack:
        """Return a stack of some of the frames, in the order asked for; nothing is read.

        Parameters
        ----------
        frames : sequence of int
            Frame numbers.

        Returns
        -------
        FrameStack
            Its frames are numbered from 0.

        Raises
        ------
        GeometryError
            If a frame does not exist.
        """
        numbers = self._numbers(frames)
        names = ("train_ids", "pulse_ids", "cell_ids", "gaps")
        given = ((name, getattr(self, name)) for name in names)
        ids: dict[str, Any] = {n: None if array is None else array[numbers] for n, array in given}
        parts = tuple(
            part._replace(rows=numbers if part.rows is None else part.rows[numbers])
            for part in self.parts
        )
        return replace(
            self,
            shape=(len(numbers), *self.shape[1:]),
            parts=parts,
            **ids,
        )

    @overload
    def read(self, frames: Sequence[int] | None = None, *, fill: float) -> NDArray: ...

    @overload
    def read(
        self, frames: Sequence[int] | None = None, *, fill: None = None
    ) -> NDArray | dict[int, NDArray]: ...

    def read(
        self, frames: Sequence[int] | None = None, *, fill: float | None = None
    ) -> NDArray | dict[int, NDArray]:
        """Read some frames, or all, as `assemble_data` takes them.

        Modules without data are NaN. Whole numbers have no NaN: of those, modules that have no
        data in any of the frames are left out, unless `fill` says what they are to be.

        Parameters
        ----------
        frames : sequence of int, optional
            Frame numbers; a range is best. Default: all.
        fill : float, optional
            Value for modules that have no data.

        Returns
        -------
        ndarray, shape (frames, modules, ss, fs)
            If nothing is missing, or the data are not whole numbers, or `fill` is given.
        dict of int to ndarray, shape (frames, ss, fs)
            Otherwise: the modules that have data.

        Raises
        ------
        GeometryError
            If a frame does not exist, the dtype cannot hold the fill value, or, in whole numbers
            and without `fill`, a module has data in some of the frames only, or none has any.
        GeometryFileError
            If a file cannot be read.
        """
        numbers = self._numbers(range(self.n_frames) if frames is None else frames)
        if fill is not None or self.dtype.kind == "f" or not len(numbers):
            return self._read_filled(numbers, fill)
        present = self.present(numbers)
        if present.all():
            return self._read_filled(numbers, fill)
        there = np.flatnonzero(present.any(axis=0))
        self._check_whole(numbers, present, there)
        return self._read_modules(numbers, there)

    def _check_whole(
        self, numbers: IntArray, present: npt.NDArray[np.bool_], there: IntArray
    ) -> None:
        """Refuse whole numbers with gaps that nothing could tell from zeros."""
        advice = (
            f"{self.dtype} cannot say so: give fill=… to read, or use reduce_frames or "
            "assemble_frames, which leave out what is missing"
        )
        if not len(there):
            raise GeometryError(f"no module has data in the frames asked for; {advice}")
        partial = np.flatnonzero(~present[:, there].all(axis=0))
        if len(partial):
            module = there[partial[0]]
            lacking = numbers[~present[:, module]]
            raise GeometryError(
                f"module {module} has no data in {len(lacking)} of {len(numbers)} frames "
                f"(frame {lacking[0]} first); {advice}"
            )

    def _read_modules(self, numbers: IntArray, modules: IntArray) -> dict[int, NDArray]:
        """Read modules that have data in all frames."""
        out: dict[int, NDArray] = {}
        for part in self.parts:
            held = range(self.shape[1])[part.modules]
            if held[0] not in modules:
                continue
            rows = numbers if part.rows is None else part.rows[numbers]
            block = np.empty((len(numbers), len(held), *self.shape[2:]), dtype=self.dtype)
            _read_part(part, rows, block, 0)
            out.update((module, block[:, place]) for place, module in enumerate(held))
        return dict(sorted(out.items()))

    def _read_filled(self, numbers: IntArray, fill: float | None) -> NDArray:
        out = image_room((len(numbers), *self.shape[1:]), self.dtype)
        value = fill_value(fill, self.dtype)
        uncovered = np.ones(self.shape[1], dtype=bool)
        for part in self.parts:
            uncovered[part.modules] = False
            rows = numbers if part.rows is None else part.rows[numbers]
            _read_part(part, rows, out[:, part.modules], value)
        out[:, uncovered] = value
        if self.gaps is not None:
            out[self.gaps[numbers]] = value
        return out

    def chunks(
        self,
        frames: Sequence[int] | None = None,
        *,
        max_bytes: int = CHUNK_BYTES,
        fill: float | None = None,
    ) -> Iterator[tuple[Sequence[int], NDArray]]:
        """Read frames a few at a time.

        Parameters
        ----------
        frames : sequence of int, optional
            Which; default all.
        max_bytes : int
            Size of a chunk; at least one frame is read.
        fill : float, optional
            Value for modules that have no data, which `present` tells from data; default NaN, or 0
            in whole numbers.

        Yields
        ------
        numbers : sequence of int
            Frame numbers of this chunk.
        data : ndarray, shape (n, modules, ss, fs)
        """
        frames = range(self.n_frames) if frames is None else frames
        numbers = self._numbers(frames)
        step = max(1, int(max_bytes) // max(self.frame_bytes, 1))
        for start in range(0, len(numbers), step):
            chunk = slice(start, start + step)
            yield frames[chunk], self._read_filled(numbers[chunk], fill)

    def _numbers(self, frames: Sequence[int] | IntArray) -> IntArray:
        given = np.asarray(frames)
        expected = f"frames must be a sequence of whole numbers from 0 to {self.n_frames - 1}"
        if given.ndim != 1 or (len(given) and given.dtype.kind not in "iu"):
            raise GeometryError(f"{expected}, not {frames!r}")
        numbers = given.astype(np.int64)
        wrong = (numbers < 0) | (numbers >= self.n_frames)
        if wrong.any():
            raise GeometryError(f"no frame {numbers[wrong][0]}: {expected}")
        return numbers

    def __repr__(self) -> str:
        frames, modules, ss, fs = self.shape
        return (
            f"<FrameStack {self.name}: {frames} frames of {modules} × {ss} × {fs} pixels, "
            f"{self.dtype}, {len(self.modules)} of {modules} modules, from {Path(self.path).name}>"
        )


def _read_part(part: Part, rows: IntArray, out: NDArray, fill: Any) -> None:
    out[rows < 0] = fill
    first, lowest, highest = 0, rows.min(initial=2**62), rows.max(initial=-1)
    for segment in part.segments:
        last = first + segment.axes.n_frames
        if lowest >= last or highest < first:
            # Long runs have hundreds of files, of which a few frames need one.
            first = last
            continue
        inside = np.flatnonzero((rows >= first) & (rows < last))
        if len(inside):
            with _opened(segment) as array:
                _read_entries(segment, array, rows[inside] - first, inside, out)
        first = last


@contextmanager
def _opened(segment: Segment) -> Iterator[Any]:
    if segment.array is not None:
        yield segment.array
    elif segment.dataset is None:
        yield np.load(segment.path, mmap_mode="r", allow_pickle=False)
    else:
        with open_hdf5(segment.path) as file:
            yield file[segment.dataset]


def _read_entries(
    segment: Segment, array: Any, entries: IntArray, places: IntArray, out: NDArray
) -> None:
    """Read entries into ``out[places]``, in as few requests as their order allows."""
    axes = segment.axes
    rows = slice(axes.crop, -axes.crop) if axes.crop else slice(None)
    gain = () if axes.gain_axis is None else (*[slice(None)] * axes.gain_axis, 0)
    inner = axes.frames[-1] if axes.frames else 1
    shape = out.shape[1:]
    if _stored_plainly(segment, array, out) and _read_chunks(array, entries, places, out):
        return
    for where, run in _runs(entries, inner):
        outer = np.unravel_index(run.start // inner, axes.frames[:-1]) if axes.frames else ()
        last = (_within(run, inner),) if axes.frames else ()
        try:
            block = array[(*(int(i) for i in outer), *last, *gain, ..., rows, slice(None))]
        except (OSError, RuntimeError) as error:
            raise GeometryFileError(
                f"cannot be read: {error}", path=segment.path, key=segment.dataset
            ) from error
        if block.size != len(run) * int(np.prod(shape)):
            raise GeometryFileError(
                f"has frames of shape {block.shape} where {(len(run), *shape)} were when it was "
                "opened: has it been written anew?",
                path=segment.path,
                key=segment.dataset,
            )
        out[places[where]] = np.reshape(block, (len(run), *shape))


def _stored_plainly(segment: Segment, array: Any, out: NDArray) -> bool:
    """Tell whether each entry is a chunk of its own in the file, as it is to be in memory."""
    axes, pixels = segment.axes, out.shape[2:]
    plain = out.shape[1] == 1 and not axes.crop and axes.gain_axis is None and axes.frames
    if not plain or getattr(array, "chunks", None) != (1,) * len(axes.frames) + pixels:
        return False
    native = array.dtype == out.dtype and array.dtype.isnative
    return bool(native and array.id.get_create_plist().get_nfilters() == 0)


def _read_chunks(array: Any, entries: IntArray, places: IntArray, out: NDArray) -> bool:
    """Read entries straight to where they belong, without the copy that slicing makes.

    False where a chunk was never written: HDF5 then has to tell what stands for it.
    """
    rest = (0,) * (array.ndim - len(array.shape[:-2]))
    outer = np.stack(np.unravel_index(entries, array.shape[:-2]), axis=1)
    try:
        for place, index in zip(places.tolist(), outer.tolist(), strict=True):
            room = memoryview(out[place, 0].reshape(-1).view(np.uint8))
            array.id.read_direct_chunk((*index, *rest), out=room)
    except (OSError, RuntimeError, ValueError):
        return False
    return True


def _within(run: range, inner: int) -> slice:
    start = run.start % inner
    return slice(start, start + len(run) * run.step, run.step)


def _runs(entries: IntArray, inner: int) -> Iterator[tuple[slice, range]]:
    """Cut entry numbers into evenly rising runs that stay within one row of the outer axes."""
    start, n = 0, len(entries)
    while start < n:
        first = int(entries[start])
        stop, step = start + 1, 1
        if stop < n and entries[stop] > first:
            step = int(entries[stop]) - first
            block = first // inner
            while (
                stop < n
                and entries[stop] - entries[stop - 1] == step
                and entries[stop] // inner == block
            ):
                stop += 1
        yield slice(start, stop), range(first, first + (stop - start - 1) * step + 1, step)
        start = stop
