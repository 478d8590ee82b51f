"""Carrying out a job: block by block, here or on a cluster; going on after an interruption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from geomlib import checks
from geomlib.errors import GeometryError
from geomlib.runs.job import Job, Tick, fingerprint, identity
from geomlib.runs.outcome import Outcome
from geomlib.runs.output import Output, make_output
from geomlib.threads import check_threads

Progress = Callable[[int], object]


def check_call(
    output: Any, run_files: tuple[Path, ...], progress: object, overwrite: object
) -> Path:
    """Check what all whole-run calls have in common, before any work; returns the output's path.

    Raises
    ------
    GeometryError
        If an argument does not fit, or the output is one of the files of the run.
    """
    path = checks.path("output", output)
    make_output(path)
    if progress is not None and not callable(progress):
        raise GeometryError(f"progress must be callable, not {checks.shown(progress)}")
    checks.flag("overwrite", overwrite)
    if path.exists() and any(path.samefile(file) for file in run_files if file.exists()):
        raise GeometryError(f"output {path} is one of the files of the run, which would be lost")
    return path


def execute(
    job: Job,
    path: Path,
    *,
    scheduler: Any = None,
    threads: int | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> Outcome:
    """Carry a job out.

    Parameters
    ----------
    job : Job
        What is to be done.
    path : Path
        The output.
    scheduler : dask Client, str or None
        Where: in this process, or on the workers of a scheduler.
    threads : int, optional
        Of this process; on a cluster, of each task, by default one.
    progress : callable, optional
        Called with the number of frames that were just done, or were done before.
    overwrite : bool
        Replace an output, or parts, of another job.

    Returns
    -------
    Outcome

    Raises
    ------
    GeometryError
        If there is an output of another job already.
    """
    output = make_output(path)
    about = identity(job)
    mark = fingerprint(about)
    tick = progress or _nothing
    shapes = {column.path: column.shape for column in job.columns.values()}
    n_blocks = len(job.blocks)
    if path.exists() and not overwrite:
        if output.fingerprint() == mark:
            tick(sum(map(job.n_frames, job.blocks)))
            return Outcome(path, shapes, job.run.n_frames, n_blocks, n_blocks)
        raise GeometryError(
            f"output {path} is there already, and not what this call would write: "
            "overwrite=True (--overwrite) replaces it"
        )
    done = output.parts.prepare(about, overwrite)
    with output.parts.alone():
        output.begin(job, mark)
        todo = [block for block in job.blocks if block.number not in done]
        tick(sum(job.n_frames(block) for block in job.blocks if block.number in done))
        if scheduler is None:
            workers = check_threads(threads)
            for block in todo:
                run_block(job, output, block, workers, tick)
        else:
            from geomlib.runs.cluster import run_on_cluster

            run_on_cluster(scheduler, job, output, todo, check_threads(threads or 1), tick)
        output.complete(job, mark)
    output.parts.remove()
    return Outcome(path, shapes, job.run.n_frames, n_blocks, len(done))


def run_block(job: Job, output: Output, block: Any, threads: int, tick: Tick) -> None:
    """Work a block out, and write it."""
    with output.writing(job, block, threads) as (file, put):
        for name, array in job.compute(block, threads, put, tick).items():
            file[name] = array


def _nothing(_: int) -> None:
    """Tell nobody."""
