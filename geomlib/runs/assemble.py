"""`assemble_run`: every frame of a run as an image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.assembly.assemble import assemble_data
from geomlib.assembly.image import AssembledImage
from geomlib.assembly.inputs import check_geometry
from geomlib.assembly.split import split_plan
from geomlib.data.image_files import Origin, write_axes
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.runs.blocks import Block, block_size, cut
from geomlib.runs.execute import Progress, execute
from geomlib.runs.job import TREATMENT, Column, Job, Put, Tick, check_treatment_options, static_part
from geomlib.runs.open import open_run
from geomlib.runs.outcome import Outcome
from geomlib.runs.output import PAYS, compressed, write_frames
from geomlib.runs.run import Run

if TYPE_CHECKING:
    import h5py

NDArray = npt.NDArray[Any]
#: Options of `assemble_data` that are the same for all frames and say how images are made.
IMAGE_OPTIONS = (
    "method", "dtype", "fill", "centred", "region", "binning", "binning_mode", "values",
    "pixel_size", "oversample", "distance", "plan",
)  # fmt: skip


def assemble_run(
    run: Run | Any,
    geometry: Geometry,
    output: str | os.PathLike[str],
    *,
    masked: bool | None = None,
    compress: bool | None = None,
    scheduler: Any = None,
    threads: int | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
    block_bytes: int | None = None,
    about: dict[str, str] | None = None,
    **options: Any,
) -> Outcome:
    """Assemble every frame of a run, in bounded memory, and go on after an interruption.

    Parameters
    ----------
    run : Run, str or path-like
        The frames, or what `open_run` takes.
    geometry : Geometry
        Where the pixels are.
    output : str or path-like
        What to write: ``.h5`` (NeXus; silx view, h5web and DAWN show it) or ``.zarr``. Until it is
        complete, parts lie in a folder beside it, ``NAME.parts``; the same call goes on from there.
    masked : bool, optional
        Leave out pixels that the masks of the run flag; default: if it has masks.
    compress : bool, optional
        Default: if that halves a frame, as it does where few pixels have counts.
    scheduler : distributed.Client or str, optional
        Work on a cluster: a client, or the address of a scheduler. All workers must see the files
        of the run and the folder of the output.
    threads : int, optional
        Default: what this process may use, or on a cluster one for each task. Does not change the
        result.
    progress : callable, optional
        Called with the number of frames that were just done.
    overwrite : bool
        Replace an output, or parts, of another call.
    block_bytes : int, optional
        How much of the run makes a block, which is done once and kept; default 256 MiB, or more
        for long runs.
    about : dict of str to str, optional
        Texts to be kept in the output, such as ``{"command": …}``.
    **options
        Of `assemble_data`: `method`, `dtype`, `fill`, `centred`, `region`, `binning` …; `mask`,
        `mask_bits`, `dark` and `gain`, the same for all frames.

    Returns
    -------
    Outcome
        What was written, and how many blocks an earlier attempt had done.

    Raises
    ------
    GeometryError
        If an argument does not fit, or there is an output, or parts, of another call.
    GeometryFileError
        If a file cannot be read or written.
    """
    job = make_assemble_job(run, geometry, masked, compress, block_bytes, options)
    return execute(
        job,
        output,
        scheduler=scheduler,
        threads=threads,
        progress=progress,
        overwrite=overwrite,
        about=about,
    )


def as_run(run: Any, geometry: Geometry | None) -> Run:
    """Return a run, or open one; it has to fit the geometry.

    Raises
    ------
    GeometryError
        If it does not.
    """
    if isinstance(run, np.ndarray):
        raise GeometryError(
            "run must be a Run, or what open_run takes, not an array: assemble_data, integrate1d "
            "and reduce_frames take arrays"
        )
    found = run if isinstance(run, Run) else open_run(run, geometry)
    if geometry is not None and found.detector.data_shape != geometry.data_shape:
        raise GeometryError(
            f"the run is of {found.detector.name}, {found.detector.data_shape}; the geometry of "
            f"{geometry.detector.name}, {geometry.data_shape}"
        )
    return found


def check_names(options: dict[str, Any], known: tuple[str, ...], function: str) -> None:
    """Refuse options that are not known.

    Raises
    ------
    GeometryError
        If there are any; it lists those that there are.
    """
    for name in options:
        if name not in known:
            raise GeometryError(
                f"{function} has no option {name!r}; there are {', '.join(sorted(known))}"
            )


def with_plan(geometry: Geometry, options: dict[str, Any]) -> dict[str, Any]:
    """Work the plan of method split out once, for all blocks."""
    if options.get("method") != "split" or options.get("plan") is not None:
        return options
    names = ("centred", "pixel_size", "oversample", "distance")
    given = {name: options[name] for name in names if name in options}
    left = {name: value for name, value in options.items() if name not in names}
    return left | {"plan": split_plan(geometry, **given)}


def make_assemble_job(
    run: Any,
    geometry: Geometry,
    masked: bool | None,
    compress: bool | None,
    block_bytes: int | None,
    options: dict[str, Any],
) -> AssembleJob:
    """Check what is asked for, and make a job of it."""
    check_geometry(geometry, "assemble_run(run, geometry, output)")
    check_names(options, (*IMAGE_OPTIONS, *TREATMENT), "assemble_run")
    found = as_run(run, geometry)
    treatment, use = check_treatment_options(found, masked, options)
    image_options = with_plan(geometry, {n: v for n, v in options.items() if n in IMAGE_OPTIONS})
    sample = assemble_data(
        np.zeros((1, *found.shape[1:]), found.dtype),
        geometry,
        **static_part(treatment),
        **image_options,
    )
    column = Column("/entry/image/data", (found.n_frames, *sample.shape[1:]), sample.data.dtype)
    size = block_size(found.n_frames * found.frame_bytes, block_bytes)
    blocks = cut(found.n_frames, found.frame_bytes, size)
    job = AssembleJob(
        found, geometry, treatment, use, {"image": column}, blocks,
        image_options=image_options, sample=sample,
    )  # fmt: skip
    pays = job.compression_pays() if compress is None else checks.flag("compress", compress)
    return replace(job, columns={"image": column._replace(compress=pays)})


@dataclass(frozen=True, eq=False, kw_only=True)
class AssembleJob(Job):
    """Assembling every frame."""

    image_options: dict[str, Any]
    sample: AssembledImage
    kind = "assemble"

    def options(self) -> dict[str, Any]:
        """Return how images are made, the default ones too."""
        defaults = signature(assemble_data).parameters
        given = {name: defaults[name].default for name in IMAGE_OPTIONS} | self.image_options
        plan = given.pop("plan")
        plan = None if plan is None else [plan.digest, plan.grid]
        return given | {"plan": plan, "compress": self.columns["image"].compress}

    def n_frames(self, block: Block) -> int:
        """Return the number of frames of a block."""
        return block.stop - block.start

    def images(self, places: NDArray, threads: int) -> Iterator[tuple[NDArray, NDArray]]:
        """Yield numbers of frames, and their images."""
        assert self.geometry is not None
        for chunk in self.chunks(places, threads):
            options = chunk.options | self.image_options
            image = assemble_data(chunk.data, self.geometry, threads=threads, **options)
            yield chunk.places, image.data

    def compute(self, block: Block, threads: int, put: Put, tick: Tick) -> dict[str, NDArray]:
        """Assemble the frames of a block."""
        for places, pixels in self.images(np.arange(block.start, block.stop), threads):
            put("image", int(places[0]), pixels)
            tick(len(places))
        return {}

    def compression_pays(self) -> bool:
        """Try it on a frame at the beginning and one in the middle."""
        places = np.unique([0, self.run.n_frames // 2])
        sizes = [
            (len(compressed(frame)), frame.nbytes)
            for _, pixels in self.images(places, 1)
            for frame in pixels
        ]
        small, large = map(sum, zip(*sizes, strict=True))
        return small < PAYS * large

    def write_about(self, entry: h5py.Group) -> None:
        """Write axes, and whose frames they are."""
        group = entry["image"]
        write_axes(group, self.sample, self.run.n_frames, Origin("", ""))
        del group["frame"]
        write_frames(group, self)
