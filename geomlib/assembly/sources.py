"""Module data that is not in memory, read a block of frames at a time.

A `Source` stands for stored data as a `Stack` does for data in memory: it knows its leading axes
and dtype, and reads some frames in a form that `geomlib.assemble_data` takes.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.fill import check_dtype
from geomlib.assembly.inputs import (
    Axes,
    as_stack,
    is_labelled,
    module_arrays,
    plain_array,
    to_modules,
)
from geomlib.assembly.not_data import is_instance
from geomlib.detector import Detector, IntArray
from geomlib.errors import GeometryError

NDArray = npt.NDArray[Any]
#: One slice for each leading axis of a stack.
Block = tuple[slice, ...]
#: Frames are read in blocks of about this many bytes.
BLOCK_BYTES = 64 * 2**20
_DASK = ("dask.array", "Array")


@dataclass(frozen=True, eq=False)
class Source:
    """Stored frames of a detector.

    Attributes
    ----------
    frames : tuple of int
        The leading axes.
    dtype : dtype
        In native byte order.
    frame_bytes : int
        Size of a frame.
    read : callable
        Takes a block; returns its data as `geomlib.assemble_data` takes it, and which modules are
        there, shape (*block, modules), or None for all of those that the data holds.
    steps : tuple of int
        Along each leading axis, the numbers of frames that are stored together.
    key_data : bool
        It is EXtra-data's key data of a detector.
    cuts : ndarray of int, optional
        Where the first axis can be cut only: rising, from 0 to its size.
    """

    frames: tuple[int, ...]
    dtype: np.dtype[Any]
    frame_bytes: int
    read: Callable[[Block], tuple[Any, NDArray | None]]
    steps: tuple[int, ...] = ()
    cuts: IntArray | None = None
    key_data: bool = False

    def blocks(self, steps: tuple[int, ...] = ()) -> list[Block]:
        """Cut the frames into blocks of at most `BLOCK_BYTES`, or of one frame.

        Parameters
        ----------
        steps : tuple of int
            Frames that are stored together where the result goes: blocks hold whole numbers of
            these too, where memory allows.
        """
        limit = max(1, BLOCK_BYTES // max(self.frame_bytes, 1))
        axes = []
        inner = 1
        for axis in reversed(range(len(self.frames))):
            size = self.frames[axis]
            count = max(1, limit // inner)
            if axis == 0 and self.cuts is not None:
                axes.append(_cut_at(self.cuts, count))
            else:
                axes.append(_cut(size, _whole(count, self.steps, steps, axis)))
            # An axis that is cut is the last one of which a block may hold more than one.
            inner = limit if len(axes[-1]) > 1 else inner * max(size, 1)
        return list(product(*reversed(axes)))


def _whole(count: int, read: tuple[int, ...], write: tuple[int, ...], axis: int) -> int:
    """Round a number of frames down to whole chunks: of both files, else of that which is read."""
    one, other = (steps[axis] if axis < len(steps) else 1 for steps in (read, write))
    for step in (math.lcm(one, other), one):
        if step <= count:
            return count - count % step
    return count


def _cut(size: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, size)) for start in range(0, size, step)] or [
        slice(0, 0)
    ]


def _cut_at(cuts: IntArray, count: int) -> list[slice]:
    """Join neighbouring pieces while they hold at most ``count`` frames."""
    bounds = [int(cuts[0])]
    for before, after in pairwise(cuts):
        if after - bounds[-1] > count and before > bounds[-1]:
            bounds.append(int(before))
    if cuts[-1] > bounds[-1] or len(bounds) == 1:
        bounds.append(int(cuts[-1]))
    return [slice(a, b) for a, b in pairwise(bounds)]


@dataclass(frozen=True, eq=False)
class _Reader:
    """One stored array: what is known of it, and how to read entries of its leading axes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[tuple[Any, ...]], Any]
    chunks: tuple[int, ...] = ()
    cuts: IntArray | None = None

    def stand_in(self) -> NDArray:
        """Return an array of this shape and dtype that takes no memory."""
        return np.broadcast_to(np.zeros((), check_dtype(self.dtype, "data")), self.shape)


def is_lazy(data: object, out: object = None) -> bool:
    """Tell whether data, or where it goes, is not in memory as a whole."""
    return is_stored(data) or is_dask(data) or (out is not None and is_dataset(out))


def is_dask(data: object) -> bool:
    """Tell whether data is a dask array, an xarray of one, or has modules that are."""
    if "dask.array" not in sys.modules:
        return False

    def one(array: object) -> bool:
        labelled = is_instance(array, "xarray", "DataArray")
        return is_instance(getattr(array, "data", None) if labelled else array, *_DASK)

    return any(map(one, _arrays(data)))


def is_stored(data: object) -> bool:
    """Tell whether data is not in memory, or should be converted a block at a time.

    These are h5py datasets and what is like them (zarr arrays), EXtra-data's key data, anything
    with the methods of a `geomlib.data.FrameStack`, large numpy arrays in foreign byte order or of
    half precision, and mappings and lists of modules with such arrays.
    """
    return any(map(_is_stored_array, _arrays(data)))


def _arrays(data: object) -> Iterable[object]:
    """Return what may be arrays of modules, or the one array; numbers in lists are not searched."""
    if isinstance(data, Mapping):
        return data.values()
    return data if isinstance(data, list | tuple) else (data,)


def _is_stored_array(data: object) -> bool:
    if isinstance(data, np.ndarray):
        if isinstance(data, np.ma.MaskedArray) or data.nbytes <= BLOCK_BYTES:
            return False
        foreign = not data.dtype.isnative or data.dtype == np.float16
        # A block of one frame is not cut any further, in either order of the axes.
        return foreign and bool(min(data.shape[0], data.shape[-1]) > 1)
    return is_frames(data) or key_data(data) is not None or is_dataset(data)


def is_dataset(data: object) -> bool:
    """Tell whether data is like an h5py dataset: shape, dtype and indexing, but not in memory.

    Raises
    ------
    GeometryError
        For a dataset whose file is closed.
    """
    if isinstance(data, np.ndarray | np.generic) or hasattr(data, "__array_interface__"):
        return False
    if hasattr(data, "__dlpack__"):
        return False  # in memory, of another library
    known = (_DASK, ("xarray", "DataArray"), ("extra_data.stacking", "StackView"))
    if any(is_instance(data, module, name) for module, name in known):
        return False
    if is_instance(data, "h5py", "Dataset") and not data:
        raise GeometryError("the file of a dataset that is given is closed")
    shape, dtype = getattr(data, "shape", None), getattr(data, "dtype", None)
    return isinstance(shape, tuple) and isinstance(dtype, np.dtype) and hasattr(data, "__getitem__")


def is_frames(data: object) -> bool:
    """Tell whether data has the methods of a `geomlib.data.FrameStack`."""
    names = ("frame_bytes", "present", "read", "shape", "dtype")
    return not isinstance(data, type) and all(hasattr(data, name) for name in names)


def key_data(data: object) -> str | None:
    """Tell whether data is EXtra-data's, of a ``"detector"`` or a ``"module"``; None if not."""
    if is_instance(data, "extra_data.components", "MultimodKeyData"):
        return "detector"
    return "module" if is_instance(data, "extra_data.keydata", "KeyData") else None


def as_source(data: Any, detector: Detector, axes: Axes | None = None) -> Source:
    """Bring stored data into the form of a `Source`, without reading it.

    Parameters
    ----------
    data : object
        See `is_stored`; arrays in memory are taken as well.
    detector : Detector
        What the data is from.
    axes : {"stream"}, optional
        As for `geomlib.assemble_data`.

    Raises
    ------
    GeometryError
        If shape, dtype or module numbers do not fit the detector.
    """
    frames, detector_data = is_frames(data), key_data(data) == "detector"
    if axes is not None and (frames or detector_data):
        raise GeometryError(f"axes={axes!r} is for arrays, not for {type(data).__name__}")
    if frames:
        return _frame_stack_source(data, detector)
    if detector_data:
        return _key_data_source(data, detector)
    if is_labelled(data):
        # In memory: labels say what is what, and then the order is that of all other data.
        parts = as_stack(data, detector, axes).parts
        data = {n: array[..., i, :, :] for array, held in parts for i, n in enumerate(held)}
        axes = None
    modules = module_arrays(data, detector, axes)
    if modules is not None:
        readers = {number: _reader(value) for number, value in modules.items()}
        return _module_source(readers, detector, axes)
    reader = _reader(data)
    stack = as_stack(reader.stand_in(), detector, axes)

    def read(block: Block) -> tuple[Any, None]:
        array = reader.read(_index(block, axes, 3))
        if axes == "stream":
            return array, None
        # A block of one frame of a single module must not be taken for the module's own axis.
        shape = tuple(s.stop - s.start for s in block)
        return to_modules(array, detector).reshape(*shape, *detector.data_shape), None

    return _source(stack.frames, reader, detector.n_modules, read, axes, detector)


def _module_source(readers: Mapping[Any, _Reader], detector: Detector, axes: Axes | None) -> Source:
    stack = as_stack({n: reader.stand_in() for n, reader in readers.items()}, detector, axes)
    first = next(iter(readers.values()))
    for number, reader in readers.items():
        one, other = (np.zeros(0) if r.cuts is None else r.cuts for r in (first, reader))
        if not np.array_equal(one, other):
            raise GeometryError(
                f"data[{number!r}] has its frames in other trains than the first module: read them "
                "together, as extra_data.components does"
            )

    def read(block: Block) -> tuple[Any, None]:
        index = _index(block, axes, 2)
        return {int(n): np.asarray(reader.read(index)) for n, reader in readers.items()}, None

    return _source(stack.frames, first, len(readers), read, axes, detector)


def _index(block: Block, axes: Axes | None, n_pixel_axes: int) -> tuple[Any, ...]:
    if axes == "stream":
        return (*block[:-1], *(slice(None),) * n_pixel_axes, block[-1])
    return (*block, ...)


def _source(
    frames: tuple[int, ...],
    reader: _Reader,
    n_modules: int,
    read: Callable[[Block], tuple[Any, NDArray | None]],
    axes: Axes | None,
    detector: Detector,
) -> Source:
    chunks = reader.chunks
    steps = chunks[: len(frames)] if axes is None else (*chunks[: len(frames) - 1], *chunks[-1:])
    size = n_modules * math.prod(detector.data_shape[1:]) * reader.dtype.itemsize
    return Source(frames, reader.dtype.newbyteorder("="), size, read, steps, reader.cuts)


def _reader(data: Any) -> _Reader:
    if key_data(data) == "module":
        cuts = _train_cuts(data)

        def read(index: tuple[Any, ...]) -> Any:
            return _trains(data, cuts, index[0]).ndarray()[(slice(None), *index[1:])]

        return _Reader(data.shape, data.dtype, read, (), cuts)
    if not is_dataset(data):
        array = plain_array(data, "data") if isinstance(data, np.ma.MaskedArray) else data
        array = np.asarray(array)
        return _Reader(array.shape, array.dtype, array.__getitem__)
    return _Reader(data.shape, data.dtype, data.__getitem__, chunk_shape(data))


def chunk_shape(dataset: Any) -> tuple[int, ...]:
    """Shape of the chunks that a dataset is stored in; () where it is not, or does not tell."""
    chunks = getattr(dataset, "chunks", None)
    plain = isinstance(chunks, tuple) and all(isinstance(n, int) and n > 0 for n in chunks)
    return tuple(chunks or ()) if plain else ()


def _frame_stack_source(stack: Any, detector: Detector) -> Source:
    if tuple(stack.shape[1:]) != detector.data_shape:
        raise GeometryError(
            f"data has shape {stack.shape}; {detector.name} needs (…, {detector.n_modules}, "
            f"{detector.data_shape[1]}, {detector.data_shape[2]})"
        )
    fill = None if stack.dtype.kind in "fc" else 0

    def read(block: Block) -> tuple[Any, NDArray | None]:
        numbers = range(block[0].start, block[0].stop)
        return stack.read(numbers, fill=fill), stack.present(numbers)

    return Source(tuple(stack.shape[:1]), stack.dtype, stack.frame_bytes, read)


def _key_data_source(data: Any, detector: Detector) -> Source:
    """Key data of several modules, (modules, frames, …, ss, fs), with labels of the modules."""
    numbers = [int(label) - detector.first_module_label for label in data.modules]
    cuts = _train_cuts(data)
    _, *shape = data.shape
    one = _Reader(tuple(shape), data.dtype, lambda index: None, (), cuts)
    stack = as_stack({number: one.stand_in() for number in numbers}, detector)

    def read(block: Block) -> tuple[Any, NDArray]:
        part = _trains(data, cuts, block[0])
        values = part.ndarray()[(slice(None), slice(None), *block[1:])]
        present = np.zeros((values.shape[1], detector.n_modules), dtype=np.bool_)
        present[:, numbers] = _availability(part)
        middle = (1,) * (len(block) - 1)
        present = present.reshape(len(present), *middle, detector.n_modules)
        return dict(zip(numbers, values, strict=True)), present

    source = _source(stack.frames, one, len(numbers), read, None, detector)
    return replace(source, key_data=True)


def _availability(data: Any) -> NDArray:
    """Tell which modules of key data have each entry, shape (entries, modules)."""
    # Data of selected pulses cannot tell; a module has data of all pulses of a train, or of none.
    whole = data.det[data.key]
    first = np.searchsorted(whole.train_id_coordinates(), data.train_id_coordinates())
    available: NDArray = whole.data_availability().T[first]
    return available


def _train_cuts(data: Any) -> IntArray:
    """Where trains begin and end among the entries of key data."""
    trains = np.asarray(data.train_ids)
    counts = np.bincount(
        np.searchsorted(trains, np.asarray(data.train_id_coordinates())), minlength=len(trains)
    )
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _trains(data: Any, cuts: IntArray, entries: slice) -> Any:
    """Select the trains that hold some entries of key data; these begin and end at cuts."""
    start = int(np.searchsorted(cuts, entries.start, side="right")) - 1
    stop = int(np.searchsorted(cuts, entries.stop, side="left"))
    return data.select_trains(np.s_[start:stop])
