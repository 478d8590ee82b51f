"""`integrate_run`: a curve or a cake of every frame of a run."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geomlib.assembly.inputs import check_geometry
from geomlib.data.nexus import make_group
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.integration.files import write_axis
from geomlib.integration.stack import StackIntegrator
from geomlib.runs.assemble import as_run, check_names
from geomlib.runs.blocks import Block, block_size, cut
from geomlib.runs.execute import Progress, execute
from geomlib.runs.job import TREATMENT, Column, Job, Put, Tick, check_treatment_options, static_part
from geomlib.runs.outcome import Outcome
from geomlib.runs.output import write_frames
from geomlib.runs.run import Run

if TYPE_CHECKING:
    import h5py

NDArray = npt.NDArray[Any]
#: Size of a chunk of curves.
_CHUNK_BYTES = 2**19
_NAMES = ("intensity", "intensity_errors", "count")


def integrate_run(
    run: Run | Any,
    geometry: Geometry | StackIntegrator,
    output: str | os.PathLike[str],
    npt: int | None = None,
    *,
    masked: bool | None = None,
    scheduler: Any = None,
    threads: int | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
    block_bytes: int | None = None,
    about: dict[str, str] | None = None,
    **options: Any,
) -> Outcome:
    """Integrate every frame of a run, in bounded memory, and go on after an interruption.

    Parameters
    ----------
    run, output, masked, scheduler, threads, progress, overwrite, block_bytes, about
        As for `assemble_run`.
    geometry : Geometry or StackIntegrator
        Where the pixels are, or an integrator with all its options.
    npt : int, optional
        Bins along the radius, default 1000. Not with an integrator, which has its own.
    **options
        Of `StackIntegrator`: `distance`, `energy`, `unit`, `npt_azim` (cakes) …; and `mask`,
        `mask_bits`, `dark` and `gain`, the same for all frames.

    Returns
    -------
    Outcome

    Raises
    ------
    GeometryError, GeometryFileError
        As `assemble_run` and `StackIntegrator`.
    """
    job = _make_job(run, geometry, npt, masked, block_bytes, options)
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
    geometry: Geometry | StackIntegrator,
    npt: int | None,
    masked: bool | None,
    block_bytes: int | None,
    options: dict[str, Any],
) -> IntegrateJob:
    own = {n: v for n, v in options.items() if n not in TREATMENT}
    if isinstance(geometry, StackIntegrator):
        if npt is not None:
            own = {"npt": npt} | own
        if own:
            raise GeometryError(f"{next(iter(own))} is an option of the integrator that is given")
        integrator = geometry
    else:
        check_geometry(geometry, "integrate_run(run, geometry, output)")
        known = set(signature(StackIntegrator).parameters) - {"geometry", "npt", "threads", "mask"}
        check_names(own, (*sorted(known), *TREATMENT), "integrate_run")
        integrator = StackIntegrator(geometry, 1000 if npt is None else npt, **own)
    found = as_run(run, integrator.geometry)
    treatment, use = check_treatment_options(found, masked, options)
    sample = integrator.integrate_arrays(
        np.zeros((1, *found.shape[1:]), found.dtype), static_part(treatment), 1
    )
    size = block_size(found.n_frames * found.frame_bytes, block_bytes)
    row_bytes = int(np.prod(integrator.binning.shape)) * sample[0].dtype.itemsize
    step = max(1, size // max(found.frame_bytes, 1))
    chunk_rows = min(max(1, _CHUNK_BYTES // row_bytes), step)
    # No chunk of the result belongs to two blocks.
    blocks = cut(found.n_frames, 1, step - step % chunk_rows)
    columns = {
        name: Column(f"/entry/pattern/{name}", (found.n_frames, *array.shape[1:]), array.dtype,
                     chunk_rows)
        for name, array in zip(_NAMES, sample, strict=True)
        if array is not None
    }  # fmt: skip
    return IntegrateJob(
        found, integrator.geometry, treatment, use, columns, blocks, integrator=integrator
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class IntegrateJob(Job):
    """Integrating every frame."""

    integrator: StackIntegrator
    kind = "integrate"

    def options(self) -> dict[str, Any]:
        """Return all that the integrator was made with."""
        request = self.integrator.request
        names = ("distance", "wavelength", "places", "solid_angle", "polarisation", "wide")
        own = {name: getattr(request, name) for name in names}
        mask = None if request.mask is None else np.frombuffer(request.mask, np.uint8)
        return (
            asdict(self.integrator.binning)
            | asdict(self.integrator.settings)
            | own
            | {"pixel mask": mask}
        )

    def n_frames(self, block: Block) -> int:
        """Return the number of frames of a block."""
        return block.stop - block.start

    def compute(self, block: Block, threads: int, put: Put, tick: Tick) -> dict[str, NDArray]:
        """Integrate the frames of a block."""
        for chunk in self.chunks(np.arange(block.start, block.stop), threads):
            arrays = self.integrator.integrate_arrays(chunk.data, chunk.options, threads)
            for name, array in zip(_NAMES, arrays, strict=True):
                if array is not None:
                    put(name, int(chunk.places[0]), array)
            tick(len(chunk.places))
        return {}

    def write_about(self, entry: h5py.Group) -> None:
        """Write axes, whose frames they are, and the beam."""
        group = entry["pattern"]
        for name in self.columns:
            kind = "image" if self.integrator.azimuth is not None else "spectrum"
            group[name].attrs["interpretation"] = kind
        group["count"].attrs["description"] = "pixels that count in a bin, parts of pixels as parts"
        operator = self.integrator.operator
        axes = ["frame"]
        if operator.azimuth is not None:
            axes.append(write_axis(group, "chi_deg", operator.azimuth))
        axes.append(write_axis(group, self.integrator.binning.unit, operator.radial))
        group.attrs["axes"] = axes
        write_frames(group, self)
        request = self.integrator.request
        beam = make_group(entry, "beam", "NXcollection")
        for name in ("distance", "wavelength"):
            value = getattr(request, name)
            if value is not None:
                beam[name] = value
                beam[name].attrs["units"] = "m"
