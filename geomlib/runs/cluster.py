"""Blocks on the workers of a dask scheduler, which may be on other machines.

The job (geometry, plan, options, where the frames are) travels once to every worker. A task is one
block: its number goes out, a number of frames comes back; frames and results never travel, since
workers read the files of the run and write parts themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from geomlib.errors import GeometryError
from geomlib.runs.execute import run_block
from geomlib.runs.job import Job, Tick
from geomlib.runs.output import Output

#: How often blocks are handed out again that were lost with their workers, beyond dask's own tries.
ROUNDS = 4


def run_on_cluster(
    scheduler: Any, job: Job, output: Output, todo: Sequence[Any], threads: int, tick: Tick
) -> None:
    """Work blocks out on a cluster.

    Parameters
    ----------
    scheduler : distributed.Client or str
        A client, or the address of a scheduler.
    job, output : Job, Output
        What is to be done.
    todo : sequence
        The blocks that are left.
    threads : int
        Of each task.
    tick : callable
        Told the number of frames of each block that is done.

    Raises
    ------
    GeometryError
        If no scheduler answers, blocks are lost again and again, or the workers do not see the
        folder of the output.
    """
    left = list(todo)
    job = replace(job, run=job.run.bare())
    with _client(scheduler) as client:
        for _ in range(ROUNDS):
            if not left:
                return
            lost = _round(client, job, output, left, threads, tick)
            done = output.parts.done()
            unseen = [b for b in left if b.number not in done and b.number not in lost]
            if unseen:
                raise GeometryError(
                    f"{output.parts.folder}: workers say that they wrote block "
                    f"{unseen[0].number}, but it is not there; the output has to be on a file "
                    "system that all workers share"
                )
            left = [block for block in left if block.number in lost]
    if left:
        raise GeometryError(
            f"{len(left)} blocks (block {left[0].number} first) were lost {ROUNDS} times with the "
            "workers that had them: do workers run out of memory, or of time? What is done is "
            "kept, and the same call goes on from there"
        )


def _round(
    client: Any, job: Job, output: Output, todo: Sequence[Any], threads: int, tick: Tick
) -> set[int]:
    """Hand blocks out once; returns the numbers of those that were lost with their workers."""
    from distributed import as_completed
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    shared = client.scatter((job, output, threads), broadcast=True, hash=False)
    futures = {client.submit(_work, shared, block, pure=False): block for block in todo}
    lost: set[int] = set()
    try:
        for future in as_completed(futures, loop=client.loop):
            error = future.exception() if future.status != "finished" else None
            if isinstance(error, KilledWorker | FutureCancelledError) or future.cancelled():
                lost.add(futures[future].number)
            elif error is not None:
                raise error
            else:
                tick(future.result())
            # The scheduler may forget it.
            future.release()
    except BaseException:
        # Also Ctrl-C: nobody waits for the rest.
        client.cancel(list(futures))
        raise
    return lost


def _work(shared: tuple[Job, Output, int], block: Any) -> int:
    """Work a block out, on a worker; returns its number of frames."""
    job, output, threads = shared
    if output.parts.path(block.number).exists():
        # The worker that did it was lost with its answer.
        return job.n_frames(block)
    run_block(job, output, block, threads, lambda _: None)
    return job.n_frames(block)


def check_scheduler(scheduler: Any) -> None:
    """Refuse what is no scheduler.

    Raises
    ------
    GeometryError
        If it is neither a client nor an address, or the package distributed is not installed.
    """
    try:
        from distributed import Client
    except ImportError:
        raise GeometryError(
            "scheduler=… needs the package distributed: pip install 'geomlib[cluster]'"
        ) from None
    if not isinstance(scheduler, Client | str):
        raise GeometryError(
            "scheduler must be a dask Client, or the address of a scheduler such as "
            f"'tcp://host:8786', not {type(scheduler).__name__}"
        )


@contextmanager
def _client(scheduler: Any) -> Iterator[Any]:
    from distributed import Client

    if isinstance(scheduler, Client):
        yield scheduler
        return
    try:
        client = Client(scheduler, set_as_default=False)
    except (OSError, ValueError) as error:
        raise GeometryError(f"no scheduler answers at {scheduler!r}: {error}") from error
    with client:
        yield client
