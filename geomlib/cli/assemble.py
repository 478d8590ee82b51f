"""``geomlib assemble``: pictures and arrays from detector data."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import typer

from geomlib.cli.console import progress_bar, stdout
from geomlib.cli.options import (
    DetectorName,
    Invert,
    QuadPositions,
    ReadingHints,
    ReadOptions,
    check_output,
    read_geometry_file,
)
from geomlib.errors import GeometryError

if TYPE_CHECKING:
    from geomlib.assembly import AssembledImage
    from geomlib.assembly.reduction import How
    from geomlib.data import FrameStack, Origin
    from geomlib.data.images import Progress
    from geomlib.geometry import Geometry

_SUFFIXES = (".png", ".npy", ".h5", ".hdf5", ".nxs")
#: Names of files listed in a message.
_LISTED = 8


class Reduce(StrEnum):
    """How frames become one image."""

    NONE = "none"
    MEAN = "mean"
    MAX = "max"
    MIN = "min"
    SUM = "sum"
    STD = "std"


class Method(StrEnum):
    """Methods of assembly."""

    SNAP = "snap"
    NEAREST = "nearest"
    SPLIT = "split"


class Values(StrEnum):
    """What an image pixel of method split holds."""

    INTENSITY = "intensity"
    COUNTS = "counts"


class Norm(StrEnum):
    """How the colours of a picture are spread over its values."""

    LINEAR = "linear"
    LOG = "log"
    SQRT = "sqrt"


DataFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="DATA...",
        show_default=False,
        help="A European XFEL file, several of one run, or its folder; a CXI or any other HDF5 "
        "file; .npy or .npz.",
    ),
]
GeometryPath = Annotated[
    Path, typer.Option("--geometry", "-g", help="The geometry file.", show_default=False)
]
_Output = Annotated[
    Path,
    typer.Option("--output", "-o", help="What to write: .png, .npy or .h5.", show_default=False),
]
DatasetName = Annotated[
    str | None,
    typer.Option(
        help="Path of the dataset, or name of the array, where it is not obvious; in European XFEL "
        "files also a key such as image/gain, or the name of a detector."
    ),
]
FrameNumbers = Annotated[
    str | None,
    typer.Option(metavar="SEL", help="Frames: 0, -1, 0:64, 10,20,30 or ::10. Default: all."),
]
_Reduce = Annotated[
    Reduce | None,
    typer.Option(help="Make one image of all frames. Default: mean for .png, none for others."),
]
_Method = Annotated[
    Method,
    typer.Option(
        help="snap: whole pixels, fast; nearest: tiles at any angle; split: true areas of pixels."
    ),
]
_Values = Annotated[
    Values,
    typer.Option(help="For --method split: mean over what covers a pixel, or shares of counts."),
]
_Oversample = Annotated[
    int, typer.Option(metavar="N", min=1, help="For --method split: N × N pixels for each.")
]
_Binning = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Average blocks of N × N image pixels.")
]
_Fill = Annotated[
    float | None,
    typer.Option(help="Value of gaps. Default: NaN, or 0 in images of whole numbers."),
]
_Centred = Annotated[
    bool, typer.Option("--centred", help="Make the image larger, with the beam in its middle.")
]
_ColourMap = Annotated[str, typer.Option("--cmap", help="Colour map of a .png.")]
_Low = Annotated[float | None, typer.Option(help="Value of the first colour.")]
_High = Annotated[float | None, typer.Option(help="Value of the last colour.")]
_Norm = Annotated[Norm, typer.Option(help="How the colours are spread.")]


class Request(NamedTuple):
    """What to assemble, checked: frames of a stack, and how."""

    stack: FrameStack
    geometry: Geometry
    frames: Sequence[int]
    reduce: How | None
    options: dict[str, Any]


def assemble(
    context: typer.Context,
    data: DataFiles,
    geometry: GeometryPath,
    output: _Output,
    dataset: DatasetName = None,
    frames: FrameNumbers = None,
    reduce: _Reduce = None,
    method: _Method = Method.SNAP,
    values: _Values = Values.INTENSITY,
    oversample: _Oversample = 1,
    binning: _Binning = None,
    fill: _Fill = None,
    centred: _Centred = False,
    cmap: _ColourMap = "viridis",
    vmin: _Low = None,
    vmax: _High = None,
    norm: _Norm = Norm.LINEAR,
    quad_positions: QuadPositions = None,
    invert: Invert = False,
    detector: DetectorName = None,
    read: ReadOptions = None,
) -> None:
    """Assemble detector data into a picture (.png), an array (.npy) or a NeXus file (.h5).

    A .npy or .h5 file gets an image for each frame, unless --reduce is given or --frames names a
    single one. Memory stays bounded however many frames there are.

    Example: geomlib assemble run.h5 -g agipd.geom --frames 0:64 --reduce max -o max.png
    """
    from geomlib.data import open_frames, select_frames, write_hdf5, write_npy

    suffix = check_output(output, _SUFFIXES, [*data, geometry])
    layout = read_geometry_file(geometry, ReadingHints(quad_positions, invert, detector, more=read))
    stack = open_frames(data, layout, dataset=dataset)
    chosen = select_frames(frames, stack.n_frames)
    how = _reduction(reduce, suffix, len(chosen))
    options = {
        "method": method.value,
        "values": values.value,
        "oversample": oversample,
        "binning": binning,
        "fill": fill,
        "centred": centred,
    }
    request = Request(stack, layout, chosen, how, options)
    _check_fill(request)
    one = how is not None or (
        len(chosen) == 1 and (frames is None or frames.strip("+-0123456789") == "")
    )
    n_frames = None if one else len(chosen)
    with progress_bar("assembling", len(chosen)) as progress:
        images = _images(request, progress)
        if suffix == ".png":
            image = next(images)
            number = None if image.data.ndim == 2 else 0
            image.save_png(output, frame=number, cmap=cmap, vmin=vmin, vmax=vmax, norm=norm.value)
            shape: tuple[int, ...] = image.shape[-2:]
        elif suffix == ".npy":
            shape = write_npy(output, images, n_frames)
        else:
            shape = write_hdf5(output, images, n_frames, origin_of(request, context.obj))
    _report(request, output, shape, files_used(data, stack))


def _reduction(wanted: Reduce | None, suffix: str, n_frames: int) -> How | None:
    if wanted is None:
        wanted = Reduce.MEAN if suffix == ".png" and n_frames > 1 else Reduce.NONE
    if wanted is Reduce.NONE and suffix == ".png" and n_frames > 1:
        raise GeometryError(
            f"a .png file holds one image, not {n_frames}: choose one with --frames, or --reduce"
        )
    return None if wanted is Reduce.NONE else cast("How", wanted.value)


def _check_fill(request: Request) -> None:
    """Refuse a value of gaps that the images cannot hold, before any work is done for them."""
    from geomlib.assembly.accumulators import result_dtype
    from geomlib.assembly.fill import fill_value

    fill, dtype = request.options["fill"], request.stack.dtype
    floating = request.options["method"] == "split" or request.options["binning"] is not None
    if fill is None or floating:
        return
    if request.reduce is not None:
        dtype = result_dtype(request.reduce, dtype)
    try:
        fill_value(fill, dtype)
    except GeometryError as problem:
        raise GeometryError(
            f"--fill {fill:g}: the images hold {dtype}, which has no such value; images of "
            "--reduce mean have"
        ) from problem


def _images(request: Request, progress: Progress) -> Iterator[AssembledImage]:
    from geomlib.data import assemble_frames, assemble_reduced

    stack, geometry, frames, how, options = request
    if how is None:
        yield from assemble_frames(stack, geometry, frames, progress=progress, **options)
        return
    yield assemble_reduced(stack, geometry, how, frames, progress=progress, **options)


def origin_of(request: Request, arguments: Sequence[str]) -> Origin:
    """Tell where results come from: data, frames, and the command with its arguments."""
    import numpy as np

    from geomlib.data import Origin

    stack, numbers = request.stack, np.asarray(request.frames)
    trains, pulses = (
        None if ids is None or request.reduce else ids[numbers]
        for ids in (stack.train_ids, stack.pulse_ids)
    )
    command = shlex.join(["geomlib", *arguments])
    return Origin(stack.path, stack.name, request.reduce, command, numbers, trains, pulses)


def files_used(data: Sequence[Path], stack: FrameStack) -> str:
    """Say which files of a folder, or of several, the frames come from."""
    if len(data) == 1 and not data[0].is_dir():
        return ""
    paths = {segment.path for part in stack.parts for segment in part.segments}
    names = [path.name for path in sorted(paths)]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"; from {', '.join(names[:_LISTED])}{more}"


def _report(request: Request, output: Path, shape: tuple[int, ...], files: str) -> None:
    n, of = len(request.frames), request.stack.n_frames
    what = f"frame {request.frames[0]} of {of}" if n == 1 else f"{n} of {of} frames"
    if request.reduce is not None:
        what = f"{request.reduce} of {what}"
    missing = request.stack.missing_modules
    gaps = f"; missing modules: {', '.join(map(str, missing))}" if missing else ""
    size = " × ".join(map(str, shape))
    stdout().print(f"{output}: {size} pixels, {what}{gaps}{files}", markup=False, soft_wrap=True)
