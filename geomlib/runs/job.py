"""`Job`: what is to be done with a run. It can be sent to other processes."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib._version import __version__
from geomlib.assembly.fill import check_dtype
from geomlib.assembly.lazy import frame_axes
from geomlib.assembly.split import geometry_digest
from geomlib.data.beside import datasets_of
from geomlib.data.hdf5 import open_hdf5
from geomlib.data.nexus import installed_versions
from geomlib.data.virtual import files_behind
from geomlib.errors import GeometryError, GeometryFileError, system_error
from geomlib.geometry import Geometry
from geomlib.runs.blocks import CHUNK_BYTES
from geomlib.runs.run import Run
from geomlib.threads import read_ahead

if TYPE_CHECKING:
    import h5py

    from geomlib.runs.parts import Parts

NDArray = npt.NDArray[Any]
#: Called with the name of a column, the first row and the rows.
Put = Callable[[str, int, NDArray], None]
#: Called with the number of frames that were just done.
Tick = Callable[[int], object]
#: What is done to the numbers of frames before anything else.
TREATMENT = ("mask", "mask_bits", "dark", "gain")
#: Columns of the scores of frames.
SCORES = ("score", "module_score", "hit")
#: Packages whose version may matter to the numbers.
PACKAGES = ("numpy", "numba", "h5py", "pyFAI")


class Column(NamedTuple):
    """A large dataset of the output, with a row for each frame or group of frames.

    Attributes
    ----------
    path : str
        Where it is to lie in the output.
    shape : tuple of int
        Of all rows.
    dtype : dtype
    chunk_rows : int
        Rows in a chunk.
    compress : bool
        Whether chunks are compressed.
    early : bool
        Its rows are known when a block is done, not only at the end.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk_rows: int = 1
    compress: bool = False
    early: bool = True


class Chunk(NamedTuple):
    """Some frames in memory.

    Attributes
    ----------
    places : ndarray of int
        Their numbers in the run.
    data : ndarray, shape (n, modules, ss, fs)
        What is missing is NaN, or 0 in whole numbers.
    options : dict
        ``present`` and ``mask``, as `geomlib.assemble_data` takes them, and what else is done to
        the numbers.
    """

    places: NDArray
    data: NDArray
    options: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Job(ABC):
    """What is to be done with a run.

    Attributes
    ----------
    run : Run
        The frames.
    geometry : Geometry, optional
        Where the pixels are.
    treatment : dict
        ``mask``, ``mask_bits``, ``dark``, ``gain``: the same for all frames.
    masked : bool
        Whether the masks of the run count.
    columns : dict of str to Column
        The large datasets of the result.
    blocks : sequence
        Each with a ``number``.
    about : dict of str to str
        Texts to be written to the output: the command.
    """

    run: Run
    geometry: Geometry | None
    treatment: dict[str, Any]
    masked: bool
    columns: dict[str, Column]
    blocks: Sequence[Any]
    about: dict[str, str] = field(default_factory=dict)

    #: What is done: "assemble", "integrate" …
    kind = "job"

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Return what else the result depends on."""

    @abstractmethod
    def n_frames(self, block: Any) -> int:
        """Return how many frames a block has."""

    @abstractmethod
    def compute(self, block: Any, threads: int, put: Put, tick: Tick) -> dict[str, NDArray]:
        """Work a block out.

        Parameters
        ----------
        block : object
            One of `blocks`.
        threads : int
            Do not change the result.
        put : callable
            Takes rows of the columns that are known early.
        tick : callable
            Told how many frames are done.

        Returns
        -------
        dict of str to ndarray
            What is needed at the end to make the other columns.
        """

    @abstractmethod
    def write_about(self, entry: h5py.Group) -> None:
        """Write all that is not in the columns; the groups of these exist."""

    def finish(self, parts: Parts, put: Put) -> None:  # noqa: B027 (most have nothing to do)
        """Put the columns that are not known early."""

    def chunks(self, places: NDArray, threads: int) -> Iterator[Chunk]:
        """Read frames a few at a time; the next ones in a second thread, unless ``threads=1``."""
        step = max(1, CHUNK_BYTES // max(self.run.frame_bytes, 1))
        cuts = [places[first : first + step] for first in range(0, len(places), step)]
        with closing(read_ahead(self._read, cuts, threads)) as reading:
            yield from reading

    def _read(self, places: NDArray) -> Chunk:
        run = self.run
        data, present = run.frames(places), run.present(places)
        options: dict[str, Any] = {n: v for n, v in self.treatment.items() if v is not None}
        if not present.all():
            options["present"] = present
        if self.masked:
            options |= _joined(run.mask(places), options)
        return Chunk(places, data, options)


def _joined(flags: NDArray, options: Mapping[str, Any]) -> dict[str, Any]:
    """Join the masks of frames with the one for all of them."""
    bits = options.get("mask_bits")
    own = options.get("mask")
    if own is None:
        return {"mask": flags, "mask_bits": bits}
    return {"mask": _counted(flags, bits) | _counted(own, bits), "mask_bits": None}


def _counted(flags: NDArray, bits: int | None) -> npt.NDArray[np.bool_]:
    """Tell where flags count; booleans always do."""
    counted = flags if bits is None or flags.dtype == np.bool_ else flags & flags.dtype.type(bits)
    return np.asarray(counted != 0)


def static_part(treatment: Mapping[str, Any]) -> dict[str, Any]:
    """Return what can be done to a frame without its own mask: bits may be for that alone."""
    found = dict(treatment)
    mask = found.get("mask")
    if mask is None or mask.dtype == np.bool_:
        found.pop("mask_bits", None)
    return found


def check_treatment_options(
    run: Run, masked: bool | None, given: Mapping[str, Any]
) -> tuple[dict[str, Any], bool]:
    """Check what is to be done to the numbers, and whether the masks of the run count.

    Raises
    ------
    GeometryError
        If one is not the same for all frames, or there are no masks.
    """
    treatment: dict[str, Any] = {}
    for name in TREATMENT:
        value = given.get(name)
        if value is None:
            continue
        if name == "mask_bits":
            checks.integer(name, value, 1, 2**64 - 1)
        else:
            if isinstance(value, str | PathLike | Mapping):
                raise GeometryError(
                    f"{name} must be an array (modules, ss, fs), not {checks.shown(value)}: read "
                    "it first"
                )
            value = np.asarray(value)
            check_dtype(value.dtype, name)
            try:
                frame_axes(name, value.shape, (), run.detector)
            except GeometryError:
                raise GeometryError(
                    f"{name} must be the same for all frames, (modules, ss, fs), not {value.shape}"
                ) from None
        treatment[name] = value
    if masked is not None:
        checks.flag("masked", masked)
    if masked and run.masks is None:
        raise GeometryError(
            f"masked=True: there are no masks beside {run.detector_name} in {run.path}"
        )
    use = run.masks is not None if masked is None else bool(masked)
    if "mask_bits" in treatment and not use and "mask" not in treatment:
        raise GeometryError("mask_bits is given, but there is no mask")
    if "mask_bits" in treatment and use and run.masks is not None:
        kind = run.masks.dtype
        if kind.kind in "ui":
            checks.integer("mask_bits", treatment["mask_bits"], 1, int(np.iinfo(kind).max))
    return treatment, use


def identity(job: Job) -> dict[str, Any]:
    """Return all that the bytes of a result depend on, by names for messages."""
    treatment = {name: _digest(value) for name, value in job.treatment.items()}
    geometry = job.geometry
    beam = None if geometry is None else [geometry.distance, geometry.photon_energy]
    run = job.run
    return {
        "kind": job.kind,
        "geometry": None if geometry is None else [geometry_digest(geometry), *(beam or [])],
        "bad regions": None if geometry is None else _digest(geometry.bad_pixels()),
        "options": {n: _digest(v) for n, v in job.options().items()} | treatment,
        "masks": job.masked,
        "frames": [run.detector_name, list(run.shape), str(run.dtype), _digest(run.numbers)],
        "blocks": [len(job.blocks), repr(job.blocks[0]), repr(job.blocks[-1])],
        "data files": [*map(_file, run.files), *map(_file_behind, _files_behind_run(run))],
        "versions": {"geomlib": __version__} | installed_versions(*PACKAGES),
    }


def _file(path: Path) -> list[Any]:
    try:
        found = path.stat()
    except OSError as error:
        raise system_error(error, path, "read") from error
    # Wherever the call is made.
    return [str(path.absolute()), found.st_size, found.st_mtime_ns]


def _file_behind(path: Path) -> list[Any]:
    """Stand for a file behind a virtual dataset, where fill values are read if it is not there."""
    try:
        return _file(path)
    except GeometryFileError:
        return [str(path.absolute()), None, None]


def _files_behind_run(run: Run) -> list[Path]:
    """Return the files behind virtual datasets of a run, those that are not there too."""
    found: dict[Path, None] = {}
    for stack in (run.stack, run.masks):
        for path, dataset in () if stack is None else datasets_of(stack):
            with open_hdf5(path) as file:
                found |= dict.fromkeys(files_behind(file[dataset], path))
    return list(found)


def _digest(value: Any) -> Any:
    """Stand for an option in a text."""
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return [str(value.dtype), list(value.shape), digest]
    return repr(value)
