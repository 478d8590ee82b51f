"""`reduce_run`: mean, maximum, sum … of the frames of a run, of all or by pulse, cell or train."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.assembly.accumulators import How, check_how, new_state
from geomlib.assembly.assemble import assemble_data
from geomlib.assembly.image import AssembledImage
from geomlib.assembly.inputs import check_geometry
from geomlib.assembly.not_data import check_gain_axis
from geomlib.assembly.reduction import Reduction
from geomlib.assembly.treatment import Treatment, check_treatment
from geomlib.data.image_files import Origin, write_axes
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.runs.assemble import IMAGE_OPTIONS, as_run, check_names, with_plan
from geomlib.runs.blocks import block_size
from geomlib.runs.execute import Progress, execute
from geomlib.runs.groups import By, Groups, Unit, group_frames
from geomlib.runs.job import (
    TREATMENT,
    Chunk,
    Column,
    Job,
    Put,
    Tick,
    check_treatment_options,
    static_part,
)
from geomlib.runs.outcome import Outcome
from geomlib.runs.output import write_frames
from geomlib.runs.parts import Parts
from geomlib.runs.run import Run
from geomlib.runs.score import count_over
from geomlib.runs.tree import Leaves, Sums, Tree, nodes_of, to_arrays
from geomlib.threads import check_threads

if TYPE_CHECKING:
    import h5py

NDArray = npt.NDArray[Any]
#: Scores of so many frames make a chunk.
_SCORE_ROWS = 65_536


def reduce_run(
    run: Run | Any,
    geometry: Geometry | None,
    output: str | os.PathLike[str],
    how: How | Sequence[How] = "mean",
    *,
    by: By | None = None,
    threshold: float | None = None,
    min_pixels: int = 1,
    masked: bool | None = None,
    scheduler: Any = None,
    threads: int | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
    block_bytes: int | None = None,
    about: dict[str, str] | None = None,
    **options: Any,
) -> Outcome:
    """Reduce the frames of a run pixel by pixel, in bounded memory; go on after an interruption.

    NaN, masked pixels and missing modules do not count. Sums are kept in float64, of whole numbers
    in 64-bit integers, and are added up in an order that depends on the frames alone: the bytes of
    the result are the same on any number of threads and workers, and after any interruption.

    Parameters
    ----------
    run, output, masked, scheduler, threads, progress, overwrite, block_bytes, about
        As for `assemble_run`.
    geometry : Geometry, optional
        Where the pixels are. None: the result is not assembled, but written as modules.
    how : {"mean", "sum", "max", "min", "std"} or a sequence of them
        All are worked out in one pass. Empty: only scores, see `threshold`.
    by : {"pulse", "cell", "train"}, optional
        Make a result for each pulse, memory cell or train; default one of all frames.
    threshold : float, optional
        Count in each frame, and each of its modules, the pixels over it: its score. A frame with
        fewer than `min_pixels` does not count: a virtual powder, of hits only.
    min_pixels : int
        For that.
    **options
        As for `assemble_run`.

    Returns
    -------
    Outcome

    Raises
    ------
    GeometryError, GeometryFileError
        As `assemble_run`.
    """
    call = (threshold, min_pixels, masked, block_bytes)
    job = _make_job(run, geometry, how, by, call, options)
    return execute(
        job,
        output,
        scheduler=scheduler,
        threads=threads,
        progress=progress,
        overwrite=overwrite,
        about=about,
    )


def _make_job(
    run: Any,
    geometry: Geometry | None,
    how: How | Sequence[How],
    by: By | None,
    call: tuple[float | None, int, bool | None, int | None],
    options: dict[str, Any],
) -> ReduceJob:
    threshold, min_pixels, masked, block_bytes = call
    if geometry is not None:
        check_geometry(geometry, "reduce_run(run, geometry, output)")
    check_names(options, (*IMAGE_OPTIONS, *TREATMENT), "reduce_run")
    image_options = {n: v for n, v in options.items() if n in IMAGE_OPTIONS}
    if geometry is None and image_options:
        raise GeometryError(f"{next(iter(image_options))} is an option of images: give a geometry")
    if geometry is not None:
        image_options = with_plan(geometry, image_options)
    found = as_run(run, geometry)
    hows = _hows(how, threshold)
    limit = None if threshold is None else checks.number("threshold", threshold)
    if checks.integer("min_pixels", min_pixels, 0) != 1 and limit is None:
        raise GeometryError("min_pixels goes with threshold=…: it counts the pixels over that")
    treatment, use = check_treatment_options(found, masked, options)
    check_gain_axis((found.n_frames,), found.dtype, found.detector)
    groups = group_frames(found, by)
    job = ReduceJob(
        found, geometry, treatment, use, {}, (),
        hows=hows, groups=groups, threshold=limit, min_pixels=min_pixels,
        image_options=image_options, samples={},
    )  # fmt: skip
    samples = job.make_samples()
    size = block_size(found.n_frames * found.frame_bytes, block_bytes)
    units = groups.cut(found.frame_bytes, job.state_bytes(), size)
    job = replace(job, samples=samples, blocks=units)
    return replace(job, columns=_columns(job))


def _hows(how: object, threshold: object) -> tuple[How, ...]:
    given = (how,) if isinstance(how, str) else how
    if not isinstance(given, list | tuple):
        raise GeometryError(f"how must be a name or a sequence of names, not {checks.shown(how)}")
    if not given and threshold is None:
        raise GeometryError("how is empty, and there is no threshold for scores: nothing to do")
    if len(set(map(str, given))) != len(given):
        raise GeometryError(f"how names one twice: {checks.shown(how)}")
    return tuple(check_how(name, "how") for name in given)


def _columns(job: ReduceJob) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for how, sample in job.samples.items():
        data = sample.data if isinstance(sample, AssembledImage) else sample
        path = f"/entry/{how}/data"
        if job.groups.by is None:
            columns[how] = Column(path, data.shape, data.dtype, data.shape[0], early=False)
        else:
            shape = (len(job.groups.labels), *data.shape)
            columns[how] = Column(path, shape, data.dtype, early=job.whole)
    if job.threshold is not None:
        n, modules = job.run.shape[:2]
        rows = min(n, _SCORE_ROWS)
        kinds = {"score": ((n,), np.int32), "module_score": ((n, modules), np.int32),
                 "hit": ((n,), np.uint8)}  # fmt: skip
        for name, (shape, dtype) in kinds.items():
            columns[name] = Column(f"/entry/score/{name}", shape, np.dtype(dtype), rows,
                                   early=False)  # fmt: skip
    return columns


@dataclass(frozen=True, eq=False, kw_only=True)
class ReduceJob(Job):
    """Reducing frames."""

    hows: tuple[How, ...]
    groups: Groups
    threshold: float | None
    min_pixels: int
    image_options: dict[str, Any]
    #: What a result is like.
    samples: dict[How, AssembledImage | NDArray]
    kind = "reduce"

    @property
    def whole(self) -> bool:
        """Whether all frames of each group are in one unit, which has its result."""
        return self.groups.by is not None and self.blocks[0].last >= self.groups.largest

    def options(self) -> dict[str, Any]:
        """Return what is asked for."""
        image = dict(self.image_options)
        plan = image.pop("plan", None)
        return image | {
            "plan": None if plan is None else [plan.digest, plan.grid],
            "how": "+".join(self.hows),
            "by": self.groups.by,
            "threshold": self.threshold,
            "min_pixels": self.min_pixels if self.threshold is not None else None,
        }

    def n_frames(self, block: Unit) -> int:
        """Return the number of frames of a unit."""
        return len(self.groups.places(block))

    def state_bytes(self) -> int:
        """Size of the running sums of one group."""
        dtype = self._treated_dtype()
        sizes = [
            array.itemsize for how in self.hows for array in new_state(how, (1,), dtype).values()
        ]
        return int(np.prod(self.run.shape[1:])) * sum(sizes)

    def _treated_dtype(self) -> np.dtype[Any]:
        own = static_part(self.treatment)
        treatment = self._treatment(Chunk(np.zeros(1), np.zeros((1, 1, 1, 1)), own))
        for name in ("dark", "gain"):
            array = None if treatment is None else getattr(treatment, name)
            if array is not None:
                return cast("np.dtype[Any]", array.dtype)
        return self.run.dtype

    def make_samples(self) -> dict[How, AssembledImage | NDArray]:
        """Reduce a frame of zeros: what is wrong with the options shows here."""
        data = np.zeros((1, *self.run.shape[1:]), self.run.dtype)
        treatment = self._treatment(Chunk(np.zeros(1), data, static_part(self.treatment)))
        found: dict[How, AssembledImage | NDArray] = {}
        for how in self.hows:
            reduction = Reduction(how, threads=1)
            reduction.add(data, treatment=treatment)
            found[how] = self._result(reduction, np.ones(data.shape[1], dtype=np.bool_))
        return found

    def _treatment(self, chunk: Chunk) -> Treatment | None:
        names = (*TREATMENT, "present")
        given = {name: chunk.options[name] for name in names if name in chunk.options}
        n = (len(chunk.places),)
        return check_treatment(n, self.run.detector, self.run.dtype, **given)

    def _result(
        self, reduction: Reduction, present: npt.NDArray[np.bool_]
    ) -> AssembledImage | NDArray:
        modules = reduction.result()
        if self.geometry is None:
            return modules
        options = dict(self.image_options)
        if options.get("fill") is not None or modules.dtype.kind != "f":
            # What has no value looks alike, be it a pixel or a module; whole numbers do not tell.
            options["mask"] = np.isnan(modules) | reduction.blank()
        return assemble_data(modules, self.geometry, present=present, threads=1, **options)

    def compute(self, block: Unit, threads: int, put: Put, tick: Tick) -> dict[str, NDArray]:
        """Reduce the frames of a unit."""
        leaves = {g: Leaves(self.hows, threads) for g in range(block.start, block.stop)}
        scores: list[NDArray] = []
        places = self.groups.places(block)
        for chunk in self.chunks(places, threads):
            treatment = self._treatment(chunk)
            if self.threshold is not None:
                score = count_over(chunk.data, treatment, self.threshold, threads)
                scores.append(score)
                treatment = _only(treatment, score.sum(axis=1) >= self.min_pixels, score.shape)
            if self.hows:
                for group, some in self._runs(chunk.places):
                    own = None if treatment is None else treatment.block((some,))
                    leaves[group].add(chunk.data[some], own)
            tick(len(chunk.places))
        found: dict[str, NDArray] = {}
        if scores:
            found = {"scores/place": places, "scores/score": np.concatenate(scores)}
        return found | self._ends(leaves, put)

    def _runs(self, places: NDArray) -> Iterator[tuple[int, slice]]:
        """Yield groups, and frames of them that follow each other."""
        group = self.groups.group[places]
        cuts = np.flatnonzero(np.diff(group)) + 1
        for first, last in pairwise([0, *cuts.tolist(), len(group)]):
            if first < last:
                yield int(group[first]), slice(first, last)

    def _ends(self, leaves: dict[int, Leaves], put: Put) -> dict[str, NDArray]:
        """Put groups that are whole, and return the sums of others."""
        found: dict[str, NDArray] = {}
        for group, own in leaves.items():
            own.close()
            if not own.tree.nodes:
                continue
            if self.whole:
                self._put(group, own.tree.total(), put)
            else:
                found |= to_arrays(f"sums/{group}", own.tree, self.hows)
        return found

    def _put(self, group: int, sums: Sums, put: Put) -> None:
        for how, reduction in zip(self.hows, sums.reductions, strict=True):
            image = self._result(reduction, sums.present)
            pixels = image.data if isinstance(image, AssembledImage) else image
            if self.groups.by is None:
                put(how, 0, pixels)
            else:
                put(how, group, pixels[np.newaxis])

    def finish(self, parts: Parts, put: Put) -> None:
        """Join the sums of units, group by group, and the scores of frames."""
        threads = check_threads(None)
        if self.hows and not self.whole:
            for _, some in groupby(self.blocks, key=lambda unit: unit.start):
                units = list(some)
                for group in range(units[0].start, units[0].stop):
                    self._put(group, self._total(parts, units, group, threads), put)
        if self.threshold is not None:
            self._put_scores(parts, put)

    def _total(self, parts: Parts, units: list[Unit], group: int, threads: int) -> Sums:
        tree = Tree()
        for unit in units:
            with parts.reading(unit.number) as part:
                if f"sums/{group}" in part:
                    for node in nodes_of(part[f"sums/{group}"], self.hows, threads):
                        tree.add(node)
        return tree.total()

    def _put_scores(self, parts: Parts, put: Put) -> None:
        scores = np.zeros(self.run.shape[:2], dtype=np.int32)
        for unit in self.blocks:
            with parts.reading(unit.number) as part:
                if "scores" in part:
                    scores[part["scores/place"][()]] = part["scores/score"][()]
        whole = scores.sum(axis=1, dtype=np.int32)
        put("module_score", 0, scores)
        put("score", 0, whole)
        put("hit", 0, (whole >= self.min_pixels).astype(np.uint8))

    def write_about(self, entry: h5py.Group) -> None:
        """Write axes, and how many frames there are in each result."""
        by, labels = self.groups.by, self.groups.labels
        counts = np.bincount(self.groups.group, minlength=len(labels))
        for how, sample in self.samples.items():
            group = entry[how]
            if isinstance(sample, AssembledImage):
                write_axes(group, sample, None, Origin("", ""))
            else:
                group.attrs["axes"] = ["module", ".", "."]
                group["module"] = np.arange(self.run.shape[1])
            if by is not None:
                group.attrs["axes"] = [f"{by}_id", *group.attrs["axes"]]
                group[f"{by}_id"] = labels
            group["n_frames"] = counts if by is not None else counts[0]
            group["n_frames"].attrs["description"] = "frames there were, hits or not"
        if self.threshold is not None:
            group = entry["score"]
            group.attrs["axes"] = ["frame"]
            group["threshold"], group["min_pixels"] = self.threshold, self.min_pixels
            write_frames(group, self)


def _only(
    treatment: Treatment | None, kept: npt.NDArray[np.bool_], shape: tuple[int, ...]
) -> Treatment | None:
    """Treat frames that are not kept as missing."""
    if kept.all():
        return treatment
    own = treatment or Treatment()
    there = np.broadcast_to(True if own.present is None else own.present, shape)
    return replace(own, present=there & kept[:, np.newaxis])
