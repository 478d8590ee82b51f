"""Carrying out a job: block by block, here or on a cluster; going on after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from geomlib import checks
from geomlib.errors import GeometryError, warn
from geomlib.runs.job import SCORES, Job, Tick, identity
from geomlib.runs.outcome import Outcome
from geomlib.runs.output import PROCESS_NAMES, Output, make_output
from geomlib.runs.parts import difference
from geomlib.runs.placed import check_room
from geomlib.threads import check_threads

Progress = Callable[[int], object]


def execute(
    job: Job,
    output: Any,
    *,
    scheduler: Any = None,
    threads: int | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
    about: Mapping[str, str] | None = None,
) -> Outcome:
    """Carry a job out.

    Parameters
    ----------
    job : Job
        What is to be done.
    output : str or path-like
        What to write.
    scheduler : dask Client, str or None
        Where: in this process, or on the workers of a scheduler.
    threads : int, optional
        Of this process; on a cluster, of each task, by default one.
    progress : callable, optional
        Called with the number of frames that were just done, or were done before.
    overwrite : bool
        Replace an output, or parts, of another job.
    about : mapping of str to str, optional
        Texts for the output.

    Returns
    -------
    Outcome

    Raises
    ------
    GeometryError
        If an argument does not fit, there is an output of another job already, or the output is one
        of the files of the run.
    """
    # All that can be wrong with the arguments, before anything is written.
    path = checks.path("output", output)
    result = make_output(path)
    workers = check_threads(threads if scheduler is None else threads or 1)
    if scheduler is not None:
        from geomlib.runs.cluster import check_scheduler

        check_scheduler(scheduler)
    if progress is not None and not callable(progress):
        raise GeometryError(f"progress must be callable, not {checks.shown(progress)}")
    checks.flag("overwrite", overwrite)
    job = replace(job, about=_texts(about))
    description = identity(job)
    files = [Path(name) for name, *_ in description["data files"]]
    if path.exists() and any(path.samefile(file) for file in files if file.exists()):
        raise GeometryError(f"output {path} is one of the files of the run, which would be lost")
    tick = progress or _nothing
    if path.exists() and not overwrite:
        _check_same(job, path, result, description)
        tick(sum(map(job.n_frames, job.blocks)))
        return _outcome(job, path, result, len(job.blocks))
    result.check_replaceable()
    if not result.parts.folder.exists():
        check_room(path, job.columns.values())
    n_reused = _carry_out(job, result, description, scheduler, workers, tick, overwrite)
    return _outcome(job, path, result, n_reused)


def _texts(about: object) -> dict[str, str]:
    """Check texts for the output."""
    if about is None:
        return {}
    texts = isinstance(about, Mapping) and all(
        isinstance(text, str) for pair in about.items() for text in pair
    )
    if not texts:
        raise GeometryError(f"about must be a dict of texts by names, not {checks.shown(about)}")
    own: dict[str, str] = dict(about)  # type: ignore[call-overload]
    for name in own:
        if name in PROCESS_NAMES or "/" in name or not name.strip("."):
            raise GeometryError(
                f"about has {checks.shown(name)}, which the output uses itself: name it otherwise"
            )
    return own


def _check_same(job: Job, path: Path, result: Output, description: Mapping[str, Any]) -> None:
    """Refuse an output that is there already, unless it is what the job would write."""
    there = result.description()
    differs = None if there is None else difference(description, there)
    if there is None:
        what = "with no description by geomlib"
    elif differs is not None:
        what = f"with other {differs}"
    elif not result.holds(job.columns.values()):
        what = "but damaged: datasets are missing, or of another shape"
    else:
        return
    raise GeometryError(
        f"output {path} is there already, {what}: overwrite=True (--overwrite) replaces it"
    )


def _carry_out(
    job: Job,
    result: Output,
    description: Mapping[str, Any],
    scheduler: Any,
    threads: int,
    tick: Tick,
    overwrite: bool,
) -> int:
    """Do what is left to be done; returns how many blocks were there."""
    done = result.parts.prepare(description, overwrite)
    with result.parts.alone():
        result.begin(job, description)
        todo = [block for block in job.blocks if block.number not in done]
        tick(sum(job.n_frames(block) for block in job.blocks if block.number in done))
        if scheduler is None:
            for block in todo:
                run_block(job, result, block, threads, tick)
        else:
            from geomlib.runs.cluster import run_on_cluster

            run_on_cluster(scheduler, job, result, todo, threads, tick)
        result.complete(job, description)
    result.parts.remove()
    return len(done)


def _outcome(job: Job, path: Path, result: Output, n_reused: int) -> Outcome:
    shapes = {column.path: column.shape for column in job.columns.values()}
    hits = job.columns.get("hit")
    n_hits = None if hits is None else int(result.read(hits).sum(dtype=np.int64))
    n_frames = job.run.n_frames
    if n_hits == 0 and len(job.columns) > len(SCORES):
        warn(f"{path}: none of {n_frames} frames is a hit, so that nothing is in the result")
    return Outcome(path, shapes, n_frames, len(job.blocks), n_reused, n_hits)


def run_block(job: Job, output: Output, block: Any, threads: int, tick: Tick) -> None:
    """Work a block out, and write it."""
    with output.writing(job, block, threads) as (file, put):
        for name, array in job.compute(block, threads, put, tick).items():
            file[name] = array


def _nothing(_: int) -> None:
    """Tell nobody."""
