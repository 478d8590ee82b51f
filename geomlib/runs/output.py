"""What a whole-run call writes: NeXus in one HDF5 file, or the same in a zarr folder.

Workers write rows straight to where they belong: in a zarr folder, of which every chunk is a file,
and in an HDF5 file that has room for them (`geomlib.runs.placed`). Where their places cannot be
known, since rows are compressed or come at the end only, workers write files of their own, one a
block, which are joined at the end. The output does not have its name before it is complete.
"""

from __future__ import annotations

import json
import shlex
import shutil
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geomlib._version import __version__
from geomlib.atomic import replacing
from geomlib.data.hdf5 import get_dataset
from geomlib.data.image_files import write_geometry
from geomlib.data.nexus import make_group, write_versions
from geomlib.errors import GeometryError, system_error
from geomlib.runs.job import PACKAGES, Column, Job, Put
from geomlib.runs.parts import Parts
from geomlib.runs.placed import Placer, can_be_placed, chunks_of, create_placed
from geomlib.threads import run_pieces

if TYPE_CHECKING:
    import h5py

NDArray = npt.NDArray[Any]
#: Suffixes that say what is written.
HDF5, ZARR = (".h5", ".hdf5", ".nxs"), (".zarr",)
#: Where the description of the job is kept, as JSON.
_JOB = "job"
#: Names in the group of the process that others may not use.
PROCESS_NAMES = (
    "program", "version", "what", "detector", "data", "dataset", "files", "options", "versions",
    _JOB,
)  # fmt: skip
#: Compression pays where it leaves less than so much of a frame.
PAYS = 0.5
#: Rows copied at a time when parts are joined.
_COPY_BYTES = 16 * 2**20


def make_output(path: Path) -> Output:
    """Return what writes to a path, by its suffix.

    Raises
    ------
    GeometryError
        If the suffix is unknown, there is no such folder, or zarr is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in (*HDF5, *ZARR):
        raise GeometryError(
            f"output {path}: the suffix decides what is written, and must be one of "
            f"{', '.join((*HDF5, *ZARR))}"
        )
    if not path.parent.is_dir():
        raise GeometryError(f"output {path}: there is no folder {path.parent}")
    # Workers may be in another folder.
    where = path.absolute()
    if suffix in HDF5:
        if where.is_dir():
            raise GeometryError(f"output {path} is a folder")
        return Hdf5Output(Parts(where))
    try:
        import_module("zarr")
    except ImportError:
        raise GeometryError(
            f"output {path} needs the package zarr: pip install 'geomlib[zarr]'"
        ) from None
    return ZarrOutput(Parts(where))


@dataclass(frozen=True)
class Output(ABC):
    """Where results go. It can be sent to other processes."""

    parts: Parts

    @property
    def path(self) -> Path:
        """The output."""
        return self.parts.output

    @abstractmethod
    def description(self) -> object:
        """Return the description of the job that wrote the output; None of what is another's."""

    @abstractmethod
    def holds(self, columns: Iterable[Column]) -> bool:
        """Tell whether columns are in the output, with the shapes that they should have."""

    @abstractmethod
    def read(self, column: Column) -> NDArray:
        """Read a column of the output."""

    def check_replaceable(self) -> None:  # noqa: B027 (a file always is)
        """Refuse to delete what is no output.

        Raises
        ------
        GeometryError
            If there is a folder of something else.
        """

    @abstractmethod
    def begin(self, job: Job, description: Mapping[str, Any]) -> None:
        """Make ready for workers."""

    @abstractmethod
    def writing(self, job: Job, block: Any, threads: int) -> Any:
        """Open a block for writing, as a context: of the part file, and of what takes rows."""

    @abstractmethod
    def complete(self, job: Job, description: Mapping[str, Any]) -> None:
        """Make the output of finished blocks."""


class Hdf5Output(Output):
    """One HDF5 file, into which blocks are written, or joined."""

    @property
    def _file(self) -> Path:
        return self.parts.folder / "data.h5"

    def description(self) -> object:
        """Return what the file says."""
        import h5py

        try:
            with h5py.File(self.path, "r") as file:
                found = get_dataset(file, f"entry/process/{_JOB}")
                return None if found is None else json.loads(found.asstr()[()])
        except (OSError, TypeError, ValueError):
            return None

    def holds(self, columns: Iterable[Column]) -> bool:
        """Look at the shapes of datasets."""
        import h5py

        with h5py.File(self.path, "r") as file:
            found = [(get_dataset(file, column.path), column) for column in columns]
            return all(there is not None and there.shape == c.shape for there, c in found)

    def read(self, column: Column) -> NDArray:
        """Read a dataset."""
        import h5py

        with h5py.File(self.path, "r") as file:
            return np.asarray(file[column.path][()])

    def begin(self, job: Job, description: Mapping[str, Any]) -> None:
        """Make the file, if rows are to be placed in it."""
        import h5py

        if can_be_placed(job.columns) and not self._file.exists():
            with replacing(self._file) as temporary, h5py.File(temporary, "w") as file:
                write_skeleton(file, job, description, placed=True)

    @contextmanager
    def writing(self, job: Job, block: Any, threads: int) -> Iterator[tuple[Any, Put]]:
        """Write rows to their places, or to the part file."""
        if can_be_placed(job.columns):
            placer = Placer(self._file, job.columns, block.start, block.stop)
            with closing(placer), self.parts.writing(block.number) as file:
                yield file, placer.put
            return
        with self.parts.writing(block.number) as file:

            def put(name: str, first: int, rows: NDArray) -> None:
                column = job.columns[name]
                if name not in file:
                    shape = (block.stop - block.start, *column.shape[1:])
                    _create(file, name, column, shape)
                _write_rows(file[name], column, first - block.start, rows, threads)

            yield file, put

    def complete(self, job: Job, description: Mapping[str, Any]) -> None:
        """Give the file its name, or join the parts."""
        import h5py

        if can_be_placed(job.columns):
            try:
                self._file.replace(self.path)
            except OSError as problem:
                raise system_error(problem, self.path, "written") from problem
            return

        with replacing(self.path) as temporary, h5py.File(temporary, "w") as file:
            write_skeleton(file, job, description)
            for name, column in job.columns.items():
                if column.early:
                    self._join(job, name, file[column.path])

            def put(name: str, first: int, rows: NDArray) -> None:
                column = job.columns[name]
                _write_rows(file[column.path], column, first, rows, 1)

            job.finish(self.parts, put)

    def _join(self, job: Job, name: str, target: h5py.Dataset) -> None:
        for block in job.blocks:
            with self.parts.reading(block.number) as part:
                _copy(part[name], target, block.start, job.columns[name].chunk_rows)


class ZarrOutput(Output):
    """A zarr folder (format 3)."""

    @property
    def _folder(self) -> Path:
        return self.parts.folder / "data.zarr"

    def description(self) -> object:
        """Return what the folder says."""
        import zarr

        try:
            group = zarr.open_group(self.path, path="entry/process", mode="r")
            found = group.attrs.get(_JOB)
            return json.loads(found) if isinstance(found, str) else None
        except (OSError, ValueError, KeyError):
            return None

    def holds(self, columns: Iterable[Column]) -> bool:
        """Look at the shapes of arrays."""
        import zarr

        for column in columns:
            try:
                array = zarr.open_array(self.path, path=column.path.strip("/"), mode="r")
            except (OSError, ValueError, KeyError):
                return False
            if array.shape != column.shape:
                return False
        return True

    def read(self, column: Column) -> NDArray:
        """Read an array."""
        import zarr

        array = zarr.open_array(self.path, path=column.path.strip("/"), mode="r")
        return np.asarray(array[...])

    def check_replaceable(self) -> None:
        """Refuse to delete a folder that is no zarr one."""
        folder = self.path.is_dir() and any(self.path.iterdir())
        if folder and not (self.path / "zarr.json").is_file():
            raise GeometryError(
                f"output {self.path} is a folder without zarr.json, which would be lost: give "
                "another name, or remove it"
            )

    def begin(self, job: Job, description: Mapping[str, Any]) -> None:
        """Make the arrays, unless they are there."""
        import zarr

        if self._folder.is_dir() and not self.parts.done():
            shutil.rmtree(self._folder)
        if self._folder.is_dir():
            return
        root = zarr.open_group(self._folder, mode="w")
        for column in job.columns.values():
            _create_zarr(root, column)

    @contextmanager
    def writing(self, job: Job, block: Any, threads: int) -> Iterator[tuple[Any, Put]]:
        """Write rows to the folder, then the part file, which says that they are there."""
        with self.parts.writing(block.number) as file:
            yield file, self._put(job)

    def _put(self, job: Job) -> Put:
        import zarr

        arrays = {
            name: zarr.open_array(self._folder, path=column.path.strip("/"), mode="r+")
            for name, column in job.columns.items()
        }

        def put(name: str, first: int, rows: NDArray) -> None:
            arrays[name][first : first + len(rows)] = rows

        return put

    def complete(self, job: Job, description: Mapping[str, Any]) -> None:
        """Write what is not in the columns yet, and give the folder its name."""
        import h5py
        import zarr

        job.finish(self.parts, self._put(job))
        root = zarr.open_group(self._folder, mode="r+")
        # The same groups and attributes as in an HDF5 file, made in memory.
        with h5py.File("skeleton", "w", driver="core", backing_store=False) as file:
            write_skeleton(file, job, description)
            _copy_to_zarr(file, root, {column.path for column in job.columns.values()})
        if self.path.exists():
            aside = self.parts.folder / "replaced"
            if aside.exists():
                shutil.rmtree(aside)
            self.path.rename(aside)
        self._folder.rename(self.path)


# -- NeXus --------------------------------------------------------------------------------


def write_skeleton(
    file: h5py.File, job: Job, description: Mapping[str, Any], *, placed: bool = False
) -> None:
    """Write everything but the rows of columns; with room for them where they are `placed`."""
    file.attrs.update({"NX_class": "NXroot", "default": "entry"})
    names = [column.path.split("/")[2] for column in job.columns.values()]
    entry = make_group(file, "entry", "NXentry", default=names[0])
    for column in job.columns.values():
        _, _, name, dataset = column.path.split("/")
        group = entry.get(name)
        if group is None:
            group = make_group(entry, name, "NXdata", signal=dataset)
        if placed:
            made = create_placed(group, dataset, column)
        else:
            made = _create(group, dataset, column, column.shape)
        if len(column.shape) == 3:
            made.attrs["interpretation"] = "image"
    job.write_about(entry)
    if job.geometry is not None:
        write_geometry(entry, job.geometry)
    _write_process(entry, job, description)


def _write_process(entry: h5py.Group, job: Job, description: Mapping[str, Any]) -> None:
    group = make_group(entry, "process", "NXprocess")
    group["program"], group["version"] = "geomlib", __version__
    group["what"] = f"{job.kind}_run"
    group["detector"] = job.run.detector.name
    group["data"], group["dataset"] = job.run.path, job.run.detector_name
    group["files"] = [str(path) for path in job.run.files]
    options = job.options() | {"masked": job.masked} | job.treatment
    group["options"] = json.dumps({n: _plain(v) for n, v in options.items()}, sort_keys=True)
    for name, text in job.about.items():
        group[name] = text
    group[_JOB] = json.dumps(description, sort_keys=True)
    write_versions(group, *PACKAGES)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.ndim:
        # Its content is in the description of the job, as a digest.
        return f"{value.dtype} {value.shape}"
    if isinstance(value, np.ndarray):
        value = value.item()
    plain = value is None or isinstance(value, bool | int | float | str)
    return value if plain else repr(value)


def write_frames(group: h5py.Group, job: Job, places: NDArray | None = None) -> None:
    """Write number, train, pulse and cell of each frame beside a signal."""
    run = job.run if places is None else job.run.select(frames=places)
    group["frame"] = run.numbers
    for name in ("train", "pulse", "cell"):
        ids = getattr(run, f"{name}_ids")
        if ids is not None:
            group[f"{name}_id"] = ids
    present = run.present()
    if not present.all():
        group["present"] = present.astype(np.uint8)
        group["present"].attrs["description"] = "1 where a module (second axis) has the frame"


# -- HDF5 ---------------------------------------------------------------------------------


def _create(parent: Any, name: str, column: Column, shape: tuple[int, ...]) -> h5py.Dataset:
    chunks = (min(column.chunk_rows, max(shape[0], 1)), *shape[1:])
    options = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    return parent.create_dataset(
        name, shape, column.dtype, chunks=chunks, **(options if column.compress else {})
    )


def _write_rows(
    dataset: h5py.Dataset, column: Column, first: int, rows: NDArray, threads: int
) -> None:
    if not column.compress or column.chunk_rows != 1:
        dataset[first : first + len(rows)] = rows
        return
    packed: list[bytes] = [b""] * len(rows)

    def pack(k: int) -> None:
        packed[k] = compressed(rows[k])

    # HDF5 compresses on one thread; zlib lets others run.
    run_pieces([partial(pack, k) for k in range(len(rows))], threads)
    for k, content in enumerate(packed):
        dataset.id.write_direct_chunk((first + k, *(0,) * (rows.ndim - 1)), content)


def compressed(frame: NDArray) -> bytes:
    """Compress a frame so that HDF5's filters shuffle and gzip read it."""
    size = frame.dtype.itemsize
    shuffled = np.ascontiguousarray(frame).view(np.uint8).reshape(-1, size).T
    # Bytes of the same weight follow each other: looking for runs of one byte alone is faster than
    # gzip's usual search, and the result is smaller.
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 8, zlib.Z_RLE)
    return packer.compress(np.ascontiguousarray(shuffled).data) + packer.flush()


def _copy(source: h5py.Dataset, target: h5py.Dataset, start: int, chunk_rows: int) -> None:
    """Copy rows; chunks of a row each go as they are stored."""
    if chunk_rows == 1:
        rest = (0,) * (source.ndim - 1)
        for k in range(len(source)):
            filters, content = source.id.read_direct_chunk((k, *rest))
            target.id.write_direct_chunk((start + k, *rest), content, filters)
        return
    step = max(1, _COPY_BYTES // max(source.nbytes // max(len(source), 1), 1))
    for first in range(0, len(source), step):
        rows = source[first : first + step]
        target[start + first : start + first + len(rows)] = rows


# -- zarr ---------------------------------------------------------------------------------


def _create_zarr(root: Any, column: Column) -> None:
    root.create_array(
        column.path.strip("/"),
        shape=column.shape,
        chunks=chunks_of(column),
        dtype=column.dtype,
        compressors="auto" if column.compress else None,
    )


def _copy_to_zarr(group: Any, target: Any, columns: set[str]) -> None:
    """Copy groups, attributes and small datasets; texts become attributes."""
    import h5py

    # Lists: h5py holds its lock while one iterates, and zarr works in another thread, which needs
    # that lock where it happens to clean up objects of h5py. They would wait for each other.
    for name, value in list(group.attrs.items()):
        target.attrs[name] = _for_json(value)
    for name, item in list(group.items()):
        if isinstance(item, h5py.Group):
            _copy_to_zarr(item, target.require_group(name), columns)
        elif item.name in columns:
            target[name].attrs.update(_attributes(item))
        elif item.dtype.kind in "SO":
            target.attrs[name] = _for_json(item[()])
        else:
            # An earlier attempt may have been stopped here.
            made = target.create_array(name, data=np.asarray(item[()]), overwrite=True)
            made.attrs.update(_attributes(item))


def _attributes(item: Any) -> dict[str, Any]:
    return {name: _for_json(value) for name, value in list(item.attrs.items())}


def _for_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        return [_for_json(item) for item in value.tolist()]
    return value.item() if isinstance(value, np.generic) else value


def command_line(arguments: list[str]) -> str:
    """Return a command as it is typed."""
    return shlex.join(["geomlib", *arguments])
