"""`save_pattern`: curves and cakes as text, as NeXus files and as pictures."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib._version import __version__
from geomlib.assembly.sources import BLOCK_BYTES, is_dask
from geomlib.atomic import replacing
from geomlib.data.nexus import make_group, write_versions
from geomlib.errors import GeometryError
from geomlib.integration.pattern import Pattern

if TYPE_CHECKING:
    import h5py

    from geomlib.data import Origin

NDArray = npt.NDArray[Any]

#: What `save_pattern` knows.
SUFFIXES = (".csv", ".h5", ".hdf5", ".nxs", ".png")
#: Of each unit: name of the axis and its unit as NeXus writes them, and its label in a viewer.
_AXES = {
    "q_A^-1": ("q", "1/angstrom", "q (1/Å)"),
    "q_nm^-1": ("q", "1/nm", "q (1/nm)"),
    "2th_deg": ("two_theta", "deg", "2θ (°)"),
    "2th_rad": ("two_theta", "rad", "2θ (rad)"),
    "r_mm": ("r", "mm", "r (mm)"),
    "chi_deg": ("chi", "deg", "azimuth χ (°)"),
    "chi_rad": ("chi", "rad", "azimuth χ (rad)"),
}
#: Size of a chunk of a NeXus file.
_CHUNK_BYTES = 2**19
#: Pixels an inch of a picture.
_DPI = 150
#: Packages whose version may matter to the numbers.
_PACKAGES = ("numpy", "h5py", "numba", "pyFAI")


class About(NamedTuple):
    """What is to be told about a pattern beside its numbers.

    Attributes
    ----------
    command : str, optional
        The command line that made it.
    note : str, optional
        Anything else. Its first line is the title of a picture.
    origin : geomlib.data.Origin, optional
        The frames it was made of.
    """

    command: str | None = None
    note: str | None = None
    origin: Origin | None = None

    def texts(self) -> dict[str, str]:
        """Return what there is to be told, by name."""
        data = self.origin
        command = data.command if self.command is None and data is not None else self.command
        found = {
            "command": command,
            "data": None if data is None else data.data,
            "dataset": None if data is None else data.dataset,
            "reduce": None if data is None else data.reduce,
            "note": self.note,
        }
        return {name: text for name, text in found.items() if text is not None}


def save_pattern(
    pattern: Pattern,
    path: str | os.PathLike[str],
    *,
    command: str | None = None,
    note: str | None = None,
    origin: Origin | None = None,
) -> None:
    """Write a pattern; the suffix says how.

    ``.csv``: names of the columns in the first row, then lines that begin with ``#`` and tell unit,
    version and command, then numbers, which read as the very doubles that they were. A curve has
    the columns ``radial``, ``intensity``, ``sigma`` (with an error model) and ``count``. Several
    curves have ``radial`` and an intensity for each: ``frame_0``, ``frame_1`` …, without sigma and
    count. A cake has a row for each bin, in the columns ``azimuth`` (degrees), ``radial``,
    ``intensity``, ``sigma`` and ``count``, radius by radius for each azimuth in turn, so that
    ``intensity.reshape(n_azimuth, -1)`` is the cake; several go to ``.h5`` only. To read it::

        numpy.genfromtxt(path, delimiter=",", names=True)
        pandas.read_csv(path, comment="#")  # older ones: float_precision="round_trip"

    ``.h5``, ``.hdf5``, ``.nxs``: NeXus, with all there is; silx, h5web and others show it at once.
    ``/entry/pattern`` (NXdata) holds ``intensity``, ``intensity_errors``, ``count`` and the axes,
    ``/entry/process`` what made them. Dask arrays are computed and written a part at a time.

    ``.png``: what `Pattern.plot` draws.

    Parameters
    ----------
    pattern : Pattern
        Curves or cakes.
    path : str or path-like
        The file; an older one of that name is replaced when the new one is complete.
    command : str, optional
        The command line that made the pattern, to be kept in the file.
    note : str, optional
        Anything else to be kept; its first line is the title of a picture.
    origin : geomlib.data.Origin, optional
        The frames it was made of. Their numbers are those of the file.

    Raises
    ------
    GeometryError
        If an argument is not as described, the suffix is none of these, or the pattern does not
        fit the kind of file.
    GeometryFileError
        If the file cannot be written.
    """
    suffix = _suffix(path)
    _check_pattern(pattern)
    for name, text in (("command", command), ("note", note)):
        if text is not None:
            checks.text(name, text)
    about = About(command, note, origin)
    if suffix == ".csv":
        _write_csv(pattern, path, about)
    elif suffix == ".png":
        _write_png(pattern, path, about)
    else:
        write_patterns(_blocks(pattern), path, _leading(pattern), about)


def write_patterns(
    patterns: Iterable[Pattern],
    path: str | os.PathLike[str],
    frames: tuple[int, ...],
    about: About,
) -> tuple[int, ...]:
    """Write patterns to a NeXus file as they come.

    Parameters
    ----------
    patterns : iterable of Pattern
        In memory; parts of one along its first axis, or a single one without leading axes.
    path : str or path-like
        The file.
    frames : tuple of int
        The leading axes in all.
    about : About
        What else to write.

    Returns
    -------
    tuple of int
        Shape of the intensity.
    """
    import h5py

    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry"})
        entry = make_group(file, "entry", "NXentry", default="pattern")
        group = make_group(entry, "pattern", "NXdata", signal="intensity")
        shape: tuple[int, ...] | None = None
        start = 0
        for part in patterns:
            if shape is None:
                shape = (*frames, *part.shape[len(frames) :])
                _make_room(group, part, shape)
                _write_axes(group, part, frames, about.origin)
            stop = start + (part.shape[0] if frames else 0)
            _write_part(group, part, slice(start, stop) if frames else ...)
            start = stop
        if shape is None:
            raise GeometryError("there are no frames to write")
        _write_process(entry, about)
    return shape


# -- What is given ------------------------------------------------------------------------


def _suffix(path: str | os.PathLike[str]) -> str:
    suffix = checks.path("path", path).suffix.lower()
    if suffix not in SUFFIXES:
        raise GeometryError(
            f"path {os.fspath(path)!r}: the suffix decides what is written, and must be one of "
            f"{', '.join(SUFFIXES)}"
        )
    return suffix


def _check_pattern(pattern: Pattern) -> None:
    if not isinstance(pattern, Pattern):
        raise GeometryError(
            f"pattern must be a Pattern, as StackIntegrator.integrate returns it, not "
            f"{type(pattern).__name__}"
        )
    if 0 in pattern.shape:
        raise GeometryError(f"there is nothing to write in a pattern of shape {pattern.shape}")


def _leading(pattern: Pattern) -> tuple[int, ...]:
    """Return the axes of frames."""
    return pattern.shape[: -2 if pattern.is_cake else -1]


def _computed(pattern: Pattern, rows: slice | None = None) -> Pattern:
    """Return a pattern, or some rows of its first axis, in memory."""
    names = ("intensity", "sigma", "count")
    arrays: dict[str, Any] = {
        name: getattr(pattern, name) for name in names if getattr(pattern, name) is not None
    }
    if rows is not None:
        arrays = {name: array[rows] for name, array in arrays.items()}
    if any(is_dask(array) for array in arrays.values()):
        from dask import compute

        # Together: all of them come from the same frames, which are to be read once.
        arrays = dict(zip(arrays, compute(*arrays.values()), strict=True))
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    return replace(pattern, **arrays)


def _blocks(pattern: Pattern) -> Iterator[Pattern]:
    """Cut a pattern that is not in memory into parts that are, along its first axis."""
    if not is_dask(pattern.intensity) or not _leading(pattern):
        yield _computed(pattern)
        return
    row_bytes = 3 * math.prod(pattern.shape[1:]) * pattern.intensity.dtype.itemsize
    start = stop = 0
    for size in pattern.intensity.chunks[0]:
        if start < stop and (stop + size - start) * row_bytes > BLOCK_BYTES:
            yield _computed(pattern, slice(start, stop))
            start = stop
        stop += size
    yield _computed(pattern, slice(start, stop))


# -- Text ---------------------------------------------------------------------------------


def _write_csv(pattern: Pattern, path: str | os.PathLike[str], about: About) -> None:
    if pattern.is_cake and math.prod(_leading(pattern)) > 1:
        raise GeometryError(
            f"a .csv file holds one cake, not {math.prod(_leading(pattern))}: choose .h5"
        )
    names, columns = _columns(_computed(pattern), about)
    comments = [f"unit: {pattern.unit}", f"geomlib: {__version__}"]
    comments += [f"{name}: {text}" for name, text in about.texts().items()]
    if names[1].startswith("frame_"):
        comments.append("a column of intensity for each frame; sigma and count are in .h5 files")
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.write(",".join(names) + "\n")
        file.writelines(f"# {line}\n" for text in comments for line in text.splitlines())
        # Doubles, since what is shorter has another shortest text.
        rows = np.column_stack([np.asarray(c, dtype=np.float64) for c in columns])
        file.writelines(",".join(map(repr, row.tolist())) + "\n" for row in rows)


def _columns(pattern: Pattern, about: About) -> tuple[list[str], list[NDArray]]:
    """Names and values of the columns of a table."""
    n = len(pattern.radial)
    if math.prod(_leading(pattern)) > 1:
        curves = pattern.intensity.reshape(-1, n)
        return ["radial", *_frame_names(pattern, about)], [pattern.radial, *curves]
    columns = {"radial": pattern.radial}
    if pattern.azimuth is not None:
        columns = {
            "azimuth": np.repeat(pattern.azimuth, n),
            "radial": np.tile(pattern.radial, len(pattern.azimuth)),
        }
    for name in ("intensity", "sigma", "count"):
        if getattr(pattern, name) is not None:
            columns[name] = getattr(pattern, name).reshape(-1)
    return list(columns), list(columns.values())


def _frame_names(pattern: Pattern, about: About) -> list[str]:
    numbers = _numbers(pattern, about)
    if numbers is not None:
        return [f"frame_{number}" for number in numbers]
    return ["_".join(map(str, ("frame", *index))) for index in np.ndindex(_leading(pattern))]


def _numbers(pattern: Pattern, about: About) -> list[int] | None:
    """Return the numbers that the frames have in their file."""
    frames = None if about.origin is None else about.origin.frames
    return None if frames is None or _leading(pattern) != (len(frames),) else frames.tolist()


# -- Pictures -----------------------------------------------------------------------------


def _write_png(pattern: Pattern, path: str | os.PathLike[str], about: About) -> None:
    # Not pyplot: its figures, and the window system that it has chosen, are the user's.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from geomlib.plotting.patterns import FIGURE_SIZE, plot_pattern

    figure = Figure(figsize=FIGURE_SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    title = about.note.splitlines()[0] if about.note else None
    plot_pattern(pattern, figure.add_subplot(), title=title, numbers=_numbers(pattern, about))
    about_it = {"Software": f"geomlib {__version__}", "Comment": about.texts().get("command")}
    metadata = {name: text for name, text in about_it.items() if text is not None}
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, metadata=metadata)


# -- NeXus --------------------------------------------------------------------------------


def _arrays(pattern: Pattern) -> dict[str, NDArray]:
    """Return the datasets of a pattern."""
    found = {
        "intensity": pattern.intensity,
        "intensity_errors": pattern.sigma,
        "count": pattern.count,
    }
    return {name: array for name, array in found.items() if array is not None}


def _make_room(group: h5py.Group, pattern: Pattern, shape: tuple[int, ...]) -> None:
    inner = 2 if pattern.is_cake else 1
    for name, array in _arrays(pattern).items():
        chunks = None
        if len(shape) > inner:
            frame_bytes = math.prod(shape[-inner:]) * array.dtype.itemsize
            together = min(max(_CHUNK_BYTES // frame_bytes, 1), shape[-inner - 1])
            chunks = (*(1,) * (len(shape) - inner - 1), together, *shape[-inner:])
        dataset = group.create_dataset(name, shape, array.dtype, chunks=chunks)
        dataset.attrs["interpretation"] = "image" if pattern.is_cake else "spectrum"
    group["count"].attrs["description"] = "pixels that count in a bin, parts of pixels as parts"


def _write_part(group: h5py.Group, pattern: Pattern, where: Any) -> None:
    for name, array in _arrays(pattern).items():
        group[name][where] = array


def _write_axes(
    group: h5py.Group, pattern: Pattern, frames: tuple[int, ...], origin: Origin | None
) -> None:
    axes = []
    if len(frames) == 1:
        axes.append("frame")
        known = None if origin is None else origin.frames
        group["frame"] = np.arange(frames[0]) if known is None else known
        if origin is not None:
            for name, ids in (("train_id", origin.train_ids), ("pulse_id", origin.pulse_ids)):
                if ids is not None:
                    group[name] = ids
    else:
        # A dot stands for an axis without values of its own.
        axes += ["."] * len(frames)
    if pattern.azimuth is not None:
        axes.append(write_axis(group, "chi_deg", pattern.azimuth))
    axes.append(write_axis(group, pattern.unit, pattern.radial))
    group.attrs["axes"] = axes


def write_axis(group: h5py.Group, unit: str, values: NDArray) -> str:
    """Write the centres of bins; returns the name of the dataset."""
    name, units, label = _AXES.get(unit, ("radial", unit, unit))
    group[name] = values
    group[name].attrs.update({"units": units, "long_name": label})
    return name


def _write_process(entry: h5py.Group, about: About) -> None:
    group = make_group(entry, "process", "NXprocess")
    group["program"] = "geomlib"
    group["version"] = __version__
    for name, text in about.texts().items():
        group[name] = text
    origin = about.origin
    if origin is not None and origin.reduce is not None and origin.frames is not None:
        group["frames"] = origin.frames
    write_versions(group, *_PACKAGES)
