"""Memory for images and scratch: what is written again and again is kept instead of asked for anew.

Fresh memory is not free: at the first touch the system empties each page, which takes as long as
assembling into it. So when the last array on the memory of a large image is gone, the memory is
kept for the next one of the same size. The system may take it back at any time (``MADV_FREE``).
"""

from __future__ import annotations

import math
import mmap
import threading
import weakref
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.errors import GeometryError

NDArray = npt.NDArray[Any]
#: Smaller arrays are left to the allocator, which keeps memory of that size itself.
LEAST_BYTES = 32 * 2**20
#: Memory kept for the next image is at most this.
MOST_BYTES = 2 * 2**30
#: Larger scratch is not kept.
MOST_SCRATCH = 16 * 2**20
_PAGE = 2 * 2**20
#: Bytes of a cache line.
_LINE = 64
#: Appending to and taking from a deque is atomic; a lock could be held by the very thread in which
#: the last array goes away.
_kept: deque[mmap.mmap] = deque(maxlen=1)
_own = threading.local()


class _Lease:
    """Stands between an array and its memory: all views of the array keep it alive."""

    def __init__(self, memory: mmap.mmap, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        address = np.frombuffer(memory, np.uint8).__array_interface__["data"]
        self.__array_interface__ = {
            "version": 3,
            "shape": shape,
            "typestr": dtype.str,
            "data": (address[0], False),
        }
        weakref.finalize(self, _give_back, memory).atexit = False


def image_room(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray:
    """Return an array, like `numpy.empty`, for an image that is written whole."""
    size = math.prod(shape) * dtype.itemsize
    if not LEAST_BYTES <= size <= MOST_BYTES or not hasattr(mmap, "MADV_FREE"):
        return np.empty(shape, dtype)
    whole = -(-size // _PAGE) * _PAGE
    memory = _take(whole)
    if memory is None:
        try:
            # Private: what a forked child writes is its own.
            memory = mmap.mmap(-1, whole, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError:
            return np.empty(shape, dtype)  # which says what is wrong, if it still is
        # Kernels without huge pages refuse.
        with suppress(OSError, AttributeError):
            memory.madvise(mmap.MADV_HUGEPAGE)
    return np.asarray(_Lease(memory, shape, dtype))


def _take(size: int) -> mmap.mmap | None:
    for _ in range(len(_kept)):
        try:
            memory = _kept.popleft()
        except IndexError:
            return None
        if len(memory) == size:
            return memory
        _kept.append(memory)
    return None


def _give_back(memory: mmap.mmap) -> None:
    # What the system cannot take back when it needs to is not kept (Linux before 4.5).
    with suppress(OSError):
        memory.madvise(mmap.MADV_FREE)
        _kept.append(memory)


def scratch(shape: tuple[int, ...], dtype: np.dtype[Any], name: str = "") -> NDArray:
    """Return an array of this thread's own, whose content is not kept from call to call.

    Parameters
    ----------
    shape, dtype
        Of the array.
    name : str
        Arrays of different names are different memory.
    """
    size = math.prod(shape) * dtype.itemsize
    if size > MOST_SCRATCH:
        return np.empty(shape, dtype)
    rooms: dict[str, NDArray] = _own.__dict__
    room = rooms.get(name)
    if room is None or len(room) < size:
        room = np.empty(size + _LINE, np.uint8)
        # Loads and stores that reach over two lines take twice as long.
        start = -room.ctypes.data % _LINE
        room = rooms[name] = room[start : start + size]
    return room[:size].view(dtype).reshape(shape)


def check_apart(image: NDArray, data: Iterable[NDArray]) -> None:
    """Refuse data that lies where the images go.

    Raises
    ------
    GeometryError
        If they share memory.
    """
    for array in data:
        # Bounds first: whether arrays that are mingled share a number can take for ever to find.
        if np.may_share_memory(image, array):
            try:
                shared = np.shares_memory(image, array, max_work=10_000)  # type: ignore[arg-type]
            except np.exceptions.TooHardError:
                shared = True
            if shared:
                raise GeometryError(
                    "out shares memory with data: it would be overwritten as it is read"
                )
