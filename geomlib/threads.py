"""The one place where geomlib starts threads.

Kernels are serial and release the interpreter lock. A caller cuts its work into pieces that write
disjoint parts of the output and hands them to `run_pieces`, so results cannot depend on the
number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from numbers import Real
from typing import TypeVar

from geomlib.errors import GeometryError

Item = TypeVar("Item")
Result = TypeVar("Result")

_pool: ThreadPoolExecutor | None = None
_pool_size = 0
_lock = threading.Lock()


def default_threads() -> int:
    """Return how many threads geomlib uses when the caller does not say.

    The environment variable ``GEOMLIB_NUM_THREADS`` if set, else the number of processors that
    this process may run on (its affinity, which batch systems set).
    """
    wanted = os.environ.get("GEOMLIB_NUM_THREADS")
    if wanted:
        return check_threads(wanted, "the environment variable GEOMLIB_NUM_THREADS")
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_threads(threads: int | str | None, name: str = "threads") -> int:
    """Return ``threads`` as a number of at least 1, or the default where it is None.

    Raises
    ------
    GeometryError
        If it is not a whole number of at least 1.
    """
    if threads is None:
        return default_threads()
    try:
        # Booleans are numbers to Python.
        plain = isinstance(threads, str | Real) and not isinstance(threads, bool)
        number = int(threads) if plain else 0
    except (TypeError, ValueError, OverflowError):
        number = 0
    if number < 1 or (not isinstance(threads, str) and number != threads):
        raise GeometryError(f"{name} must be a whole number of at least 1, not {threads!r}")
    return number


def run_pieces(pieces: Iterable[Callable[[], None]], threads: int) -> None:
    """Call every piece once and return when all are done; the first exception is raised.

    After an exception no further piece is started. With ``threads=1``, or a single piece, or where
    no thread can be started, everything runs in the calling thread.
    """
    work = list(pieces)
    if threads == 1 or len(work) <= 1:
        for piece in work:
            piece()
        return
    executor = _executor(threads - 1)
    queue = iter(work)
    queue_lock = threading.Lock()

    def drain() -> None:
        nonlocal queue
        while True:
            with queue_lock:
                piece = next(queue, None)
            if piece is None:
                return
            try:
                piece()
            except BaseException:
                with queue_lock:
                    queue = iter(())
                raise

    # A future of our own for each helper, known before it is handed over: the executor may keep
    # what it fails to start a thread for, and pass it to another thread later.
    helpers: list[Future[None]] = []
    try:
        # The interpreter starts no threads while it shuts down, nor a system that has too many.
        with suppress(RuntimeError):
            for _ in range(min(threads, len(work)) - 1):
                helpers.append(Future())
                executor.submit(_help, helpers[-1], drain)
        drain()
        # Helpers that found no free thread have nothing left to do: do not wait for them, or a
        # small call would wait for the long one that keeps the threads busy.
        helpers = [helper for helper in helpers if not helper.cancel()]
        wait(helpers)
    except BaseException:
        # Nobody may still be writing into the caller's array once the exception reaches it.
        with queue_lock:
            queue = iter(())
        wait([helper for helper in helpers if not helper.cancel()])
        raise
    for helper in helpers:
        helper.result()


def _help(task: Future[None], work: Callable[[], None]) -> None:
    """Work, in a thread of the pool, unless the task was cancelled."""
    if not task.set_running_or_notify_cancel():
        return
    try:
        work()
    except BaseException as error:
        task.set_exception(error)
    else:
        task.set_result(None)


def read_ahead(
    read: Callable[[Item], Result], items: Sequence[Item], threads: int
) -> Generator[Result, None, None]:
    """Yield ``read(item)`` for each item in turn; the next is read while the caller uses one.

    With ``threads=1``, or a single item, or where no thread can be started, everything runs in the
    calling thread.
    """
    if threads == 1 or len(items) <= 1:
        yield from map(read, items)
        return
    reader = ThreadPoolExecutor(1, thread_name_prefix="geomlib-read")
    try:
        try:
            coming = reader.submit(read, items[0])
        except RuntimeError:
            yield from map(read, items)
            return
        for item in items[1:]:
            done = coming.result()
            coming = reader.submit(read, item)
            yield done
        yield coming.result()
    finally:
        # Nobody may still be reading from the caller's file once it is closed.
        reader.shutdown(wait=True, cancel_futures=True)


def _executor(size: int) -> ThreadPoolExecutor:
    global _pool, _pool_size
    with _lock:
        if _pool is None or _pool_size < size:
            # A smaller pool may still be at work for another caller: it finishes on its own.
            _pool = ThreadPoolExecutor(size, thread_name_prefix="geomlib")
            _pool_size = size
        return _pool


def _forget_pool() -> None:
    """In a forked child: the parent's threads do not exist here, nor may its lock be held."""
    global _pool, _pool_size, _lock
    _pool, _pool_size, _lock = None, 0, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
