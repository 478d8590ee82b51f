"""Options of ``geomlib run …``, and how runs are opened for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geomlib.cli.options import read_geometry_file
from geomlib.errors import GeometryError, MissingFileError

if TYPE_CHECKING:
    from geomlib.runs import Run


class Stage(StrEnum):
    """Kinds of data of a run."""

    RAW = "raw"
    PROC = "proc"


class By(StrEnum):
    """What frames of a group have in common."""

    PULSE = "pulse"
    CELL = "cell"
    TRAIN = "train"


class How(StrEnum):
    """Ways to reduce frames."""

    MEAN = "mean"
    MAX = "max"
    MIN = "min"
    SUM = "sum"
    STD = "std"


class Powder(StrEnum):
    """Ways to make a virtual powder."""

    MAX = "max"
    MEAN = "mean"
    SUM = "sum"


Data = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN...",
        show_default=False,
        help="The folder of a European XFEL run, or some of its files; a virtual CXI or any other "
        "HDF5 file.",
    ),
]
GeometryOption = Annotated[
    Path, typer.Option("--geometry", "-g", help="The geometry file.", show_default=False)
]
MaybeGeometry = Annotated[
    Path | None,
    typer.Option("--geometry", "-g", help="The geometry file. Without: modules, not images."),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="What to write: .h5 or .zarr.", show_default=False)
]
Source = Annotated[
    str | None, typer.Option(help="Name of a detector, source or dataset, where there are several.")
]
StageOption = Annotated[
    Stage | None, typer.Option(help="Raw or corrected data. Default: corrected if there is any.")
]
Trains = Annotated[
    str | None,
    typer.Option(metavar="SEL", help="Trains: 10001,10002, or a slice counts them: :100 or ::10."),
]
Pulses = Annotated[
    str | None,
    typer.Option(metavar="SEL", help="Pulses: 0,4,8, or a slice counts frames of a train: ::2."),
]
Cells = Annotated[str | None, typer.Option(metavar="SEL", help="Memory cells: 0,1,2 or 0:64.")]
NoMask = Annotated[
    bool, typer.Option("--no-mask", help="Do not leave out what the masks of the run flag.")
]
MaskBits = Annotated[
    str | None, typer.Option(metavar="BITS", help="Which flags count, as 0x13. Default: all.")
]
Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Of a dask scheduler: tcp://host:8786.")
]
Threads = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Default: the processors there are.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an output, or parts, of another command.")
]
Threshold = Annotated[
    float | None,
    typer.Option(help="Count pixels over it in each frame; frames with too few do not count."),
]
MinPixels = Annotated[
    int, typer.Option(metavar="N", min=0, help="With --threshold: so many make a hit.")
]


# -- What is asked for --------------------------------------------------------------------


def open_data(data: Sequence[Path], detector: Any, source: str | None, stage: Stage | None) -> Run:
    """Open a run for a command."""
    from geomlib.runs import open_run

    paths: Any = data[0] if len(data) == 1 else data
    return open_run(paths, detector, source=source, stage=None if stage is None else stage.value)


def detector_hint(detector: str | None) -> Any:
    """Return what the command line says about the detector: its name, or a geometry of it."""
    if detector is None:
        return None
    path = Path(detector)
    if not path.is_file():
        if path.suffix:
            raise MissingFileError("there is no such file", path=path)
        return detector
    return read_geometry_file(Path(detector))


def selected(
    run: Run, trains: str | None, pulses: str | None = None, cells: str | None = None
) -> Run:
    """Return those frames of a run that are asked for."""
    wanted = {"trains": trains, "pulses": pulses, "cells": cells}
    given = {n: _selection(f"--{n}", text) for n, text in wanted.items() if text is not None}
    return run.select(**given) if given else run


def _selection(option: str, text: str) -> Any:
    """Read numbers with commas between them, or a slice."""
    if not re.fullmatch(r"[-+:,\d\s]{1,10000}", text):
        raise GeometryError(f"{option} must be numbers such as 10,20 or a slice, not {text!r}")
    try:
        if ":" not in text:
            return [int(number) for number in text.split(",")]
        bounds = [int(part) if part.strip() else None for part in text.split(":")]
        if len(bounds) in (2, 3) and bounds[2:] != [0]:
            return slice(*bounds)
    except ValueError:
        pass
    raise GeometryError(f"{option} must be numbers such as 10,20 or a slice, not {text!r}")


def uses_masks(run: Run, no_mask: bool) -> bool:
    """Tell whether the masks of a run count."""
    return run.masks is not None and not no_mask


def bits_option(text: str | None) -> dict[str, Any]:
    """Return the option `mask_bits`, if it is given."""
    if text is None:
        return {}
    try:
        return {"mask_bits": int(text, 0)}
    except ValueError:
        raise GeometryError(f"--mask-bits must be a number such as 0x13, not {text!r}") from None
