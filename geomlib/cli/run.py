"""``geomlib run …``: whole runs, in bounded memory, resumable, on one machine or many."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geomlib.cli.assemble import Method
from geomlib.cli.console import progress_bar, stdout
from geomlib.cli.integrate import ErrorModel, Split, Unit
from geomlib.cli.integrate import Method as BinMethod
from geomlib.cli.options import (
    DetectorName,
    Invert,
    QuadPositions,
    ReadingHints,
    check_folder,
    read_geometry_file,
)
from geomlib.cli.run_options import (
    By,
    Cells,
    Data,
    GeometryOption,
    How,
    MaskBits,
    MaybeGeometry,
    MinPixels,
    NoMask,
    Output,
    Overwrite,
    Powder,
    Pulses,
    Scheduler,
    Source,
    StageOption,
    Threads,
    Threshold,
    Trains,
    bits_option,
    detector_hint,
    open_data,
    selected,
    uses_masks,
)
from geomlib.errors import GeometryError

if TYPE_CHECKING:
    from geomlib.geometry import Geometry
    from geomlib.runs import Outcome, Run

app = typer.Typer(
    help="Whole runs: in bounded memory, resumable, on one machine or many.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def info(
    data: Data,
    detector: DetectorName = None,
    source: Source = None,
    stage: StageOption = None,
) -> None:
    """Say what is in a run: frames, trains, pulses, modules, masks. Reads no pixel.

    Example: geomlib run info proc/r0012
    """
    run = open_data(data, detector_hint(detector), source, stage)
    for name, text in _facts(run):
        stdout().print(f"{name:<10} {text}", markup=False, soft_wrap=True)


@app.command()
def assemble(
    context: typer.Context,
    data: Data,
    geometry: GeometryOption,
    output: Output,
    method: Annotated[Method, typer.Option(help="As for geomlib assemble.")] = Method.SNAP,
    binning: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Average N × N image pixels.")
    ] = None,
    fill: Annotated[float | None, typer.Option(help="Value of gaps. Default: NaN, or 0.")] = None,
    source: Source = None,
    stage: StageOption = None,
    trains: Trains = None,
    pulses: Pulses = None,
    cells: Cells = None,
    no_mask: NoMask = False,
    mask_bits: MaskBits = None,
    scheduler: Scheduler = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
    quad_positions: QuadPositions = None,
    invert: Invert = False,
    detector: DetectorName = None,
) -> None:
    """Assemble every frame of a run: an image each.

    Example: geomlib run assemble proc/r0012 -g agipd.geom -o images.h5 --trains :100
    """
    from geomlib.runs import assemble_run

    layout = _layout(geometry, ReadingHints(quad_positions, invert, detector), output)
    run = selected(open_data(data, layout, source, stage), trains, pulses, cells)
    options = {"method": method.value, "binning": binning, "fill": fill}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    with _working(context, "assembling", run, output) as call:
        _report(
            assemble_run(
                run, layout, output, masked=uses_masks(run, no_mask),
                scheduler=scheduler, threads=threads, overwrite=overwrite,
                **bits_option(mask_bits), **given, **call,
            )
        )  # fmt: skip


@app.command()
def integrate(
    context: typer.Context,
    data: Data,
    geometry: GeometryOption,
    output: Output,
    distance: Annotated[
        float | None, typer.Option(help="In metres. Default: the geometry file's.")
    ] = None,
    energy: Annotated[
        float | None, typer.Option(help="In eV. Default: the geometry file's.")
    ] = None,
    npt: Annotated[int, typer.Option(metavar="N", min=1, help="Bins along the radius.")] = 1000,
    npt_azim: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Make cakes: bins around the beam.")
    ] = None,
    unit: Annotated[Unit, typer.Option(help="Of the radius.")] = Unit.Q_A,
    split: Annotated[Split, typer.Option(help="How pixels are shared out.")] = Split.NO,
    method: Annotated[
        BinMethod, typer.Option(help="How the pixels of a bin become one number.")
    ] = BinMethod.MEAN,
    error_model: Annotated[
        ErrorModel | None, typer.Option(help="Errors too. Default: none.")
    ] = None,
    polarisation: Annotated[
        float | None, typer.Option(metavar="F", help="1 horizontal, -1 vertical.")
    ] = None,
    source: Source = None,
    stage: StageOption = None,
    trains: Trains = None,
    pulses: Pulses = None,
    cells: Cells = None,
    no_mask: NoMask = False,
    mask_bits: MaskBits = None,
    scheduler: Scheduler = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
    quad_positions: QuadPositions = None,
    invert: Invert = False,
    detector: DetectorName = None,
) -> None:
    """Integrate every frame of a run: a curve or a cake each.

    Example: geomlib run integrate proc/r0012 -g agipd.geom --npt 500 -o curves.h5
    """
    from geomlib.runs import integrate_run

    layout = _layout(geometry, ReadingHints(quad_positions, invert, detector), output)
    run = selected(open_data(data, layout, source, stage), trains, pulses, cells)
    options: dict[str, Any] = {
        "distance": distance, "energy": energy, "npt_azim": npt_azim, "unit": unit.value,
        "split": split.value, "method": method.value, "polarisation": polarisation,
        "error_model": None if error_model is None else error_model.value,
    }  # fmt: skip
    with _working(context, "integrating", run, output) as call:
        _report(
            integrate_run(
                run, layout, output, npt, masked=uses_masks(run, no_mask),
                scheduler=scheduler, threads=threads, overwrite=overwrite,
                **bits_option(mask_bits), **options, **call,
            )
        )  # fmt: skip


@app.command()
def reduce(
    context: typer.Context,
    data: Data,
    output: Output,
    geometry: MaybeGeometry = None,
    how: Annotated[
        list[How] | None, typer.Option("--how", help="Several in one pass: --how mean --how std.")
    ] = None,
    by: Annotated[By | None, typer.Option(help="A result for each. Default: one of all.")] = None,
    threshold: Threshold = None,
    min_pixels: MinPixels = 1,
    source: Source = None,
    stage: StageOption = None,
    trains: Trains = None,
    pulses: Pulses = None,
    cells: Cells = None,
    no_mask: NoMask = False,
    mask_bits: MaskBits = None,
    scheduler: Scheduler = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
    quad_positions: QuadPositions = None,
    invert: Invert = False,
    detector: DetectorName = None,
) -> None:
    """Reduce the frames of a run: mean (the default), max, min, sum, std; of all, or by pulse ….

    Example: geomlib run reduce proc/r0012 -g agipd.geom --how mean --how std --by pulse -o mean.h5
    """
    hints = ReadingHints(quad_positions, invert, detector)
    layout = None if geometry is None else _layout(geometry, hints, output)
    run = open_data(data, layout or detector_hint(detector), source, stage)
    hows = tuple(item.value for item in how or [How.MEAN])
    _reduce(
        context, selected(run, trains, pulses, cells), layout, output, hows,
        by=None if by is None else by.value, threshold=threshold, min_pixels=min_pixels,
        masked=uses_masks(run, no_mask), scheduler=scheduler, threads=threads, overwrite=overwrite,
        **bits_option(mask_bits),
    )  # fmt: skip


@app.command()
def score(
    context: typer.Context,
    data: Data,
    output: Output,
    threshold: Annotated[float, typer.Option(help="Count the pixels over it.", show_default=False)],
    min_pixels: MinPixels = 1,
    source: Source = None,
    stage: StageOption = None,
    trains: Trains = None,
    pulses: Pulses = None,
    cells: Cells = None,
    no_mask: NoMask = False,
    mask_bits: MaskBits = None,
    scheduler: Scheduler = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
    detector: DetectorName = None,
) -> None:
    """Count the pixels over a threshold in each frame, and each module: a sign of hits.

    Example: geomlib run score proc/r0012 --threshold 50 --min-pixels 500 -o hits.h5
    """
    run = open_data(data, detector_hint(detector), source, stage)
    _reduce(
        context, selected(run, trains, pulses, cells), None, output, (),
        threshold=threshold, min_pixels=min_pixels, masked=uses_masks(run, no_mask),
        scheduler=scheduler, threads=threads, overwrite=overwrite, **bits_option(mask_bits),
    )  # fmt: skip


@app.command()
def powder(
    context: typer.Context,
    data: Data,
    geometry: GeometryOption,
    output: Output,
    how: Annotated[Powder, typer.Option(help="How hits become one picture.")] = Powder.MAX,
    threshold: Threshold = None,
    min_pixels: MinPixels = 1,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a .png of it too.")
    ] = None,
    source: Source = None,
    stage: StageOption = None,
    trains: Trains = None,
    pulses: Pulses = None,
    cells: Cells = None,
    no_mask: NoMask = False,
    mask_bits: MaskBits = None,
    scheduler: Scheduler = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
    quad_positions: QuadPositions = None,
    invert: Invert = False,
    detector: DetectorName = None,
) -> None:
    """Make a virtual powder: the maximum, mean or sum of all frames, or of hits (--threshold).

    Example: geomlib run powder proc/r0012 -g agipd.geom --threshold 50 --min-pixels 500 -o sum.h5
    """
    if picture is not None:
        check_folder(picture)
        if picture.suffix.lower() != ".png" or output.suffix.lower() == ".zarr":
            raise GeometryError(
                f"--picture {picture} must be a .png file, and --output {output} a .h5 file"
            )
    layout = _layout(geometry, ReadingHints(quad_positions, invert, detector), output)
    run = open_data(data, layout, source, stage)
    _reduce(
        context, selected(run, trains, pulses, cells), layout, output, (how.value,),
        threshold=threshold, min_pixels=min_pixels, masked=uses_masks(run, no_mask),
        scheduler=scheduler, threads=threads, overwrite=overwrite, **bits_option(mask_bits),
    )  # fmt: skip
    if picture is not None:
        _draw(output, how.value, picture)


@app.command()
def cxi(
    data: Data,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The .cxi file.", show_default=False)
    ],
    geometry: Annotated[
        Path | None,
        typer.Option("--geometry", "-g", help="Write a .geom file that fits, of this geometry."),
    ] = None,
    geom_output: Annotated[
        Path | None, typer.Option("--geom", metavar="FILE", help="Its name. Default: as the .cxi.")
    ] = None,
    adu_per_ev: Annotated[
        float | None, typer.Option("--adu-per-ev", help="For the .geom file.")
    ] = None,
    min_modules: Annotated[
        int, typer.Option(metavar="N", min=1, help="Leave out trains with fewer modules.")
    ] = 1,
    source: Source = None,
    stage: StageOption = None,
    trains: Trains = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace .cxi and .geom files that are there.")
    ] = False,
    quad_positions: QuadPositions = None,
    invert: Invert = False,
    detector: DetectorName = None,
) -> None:
    """Make a virtual CXI file of a run, and the .geom file that fits it.

    Example: geomlib run cxi proc/r0012 -g agipd.geom -o r0012.cxi
    """
    from geomlib.runs import write_cxi_geometry, write_virtual_cxi

    if output.suffix.lower() != ".cxi":
        raise GeometryError(f"--output {output} must be a .cxi file")
    fitting = geom_output or output.with_suffix(".geom")
    if geometry is not None and fitting.exists() and fitting.samefile(geometry):
        raise GeometryError(f"{fitting} is the geometry file given: name another with --geom")
    for written in (output, fitting) if geometry is not None else (output,):
        if written.exists() and not overwrite:
            raise GeometryError(f"{written} is there already: --overwrite replaces it")
    hints = ReadingHints(quad_positions, invert, detector)
    layout = None if geometry is None else read_geometry_file(geometry, hints)
    run = selected(open_data(data, layout or detector_hint(detector), source, stage), trains)
    n_frames = write_virtual_cxi(run, output, min_modules=min_modules)
    _say(f"{output}: {n_frames} frames of {run.detector.name}, virtual")
    if layout is not None:
        write_cxi_geometry(layout, output, fitting, adu_per_ev=adu_per_ev)
        _say(f"{fitting}: fits it")


@app.command()
def check(
    data: Annotated[Path, typer.Argument(metavar="CXI", help="A CXI file.", show_default=False)],
    geometry: Annotated[
        Path, typer.Argument(metavar="GEOM", help="A .geom file.", show_default=False)
    ],
) -> None:
    """Say what is wrong between a virtual CXI file and a .geom file: paths, axes, module numbers.

    The exit code is 0 if they agree, else 1.

    Example: geomlib run check r0012.cxi r0012.geom
    """
    from geomlib.runs import check_cxi_pair

    problems = check_cxi_pair(data, geometry)
    for problem in problems:
        _say(f"{geometry}: {problem}")
    if not problems:
        _say(f"{data} and {geometry} agree")
    raise typer.Exit(1 if problems else 0)


# -- What is done -------------------------------------------------------------------------


def _reduce(
    context: typer.Context,
    run: Run,
    layout: Geometry | None,
    output: Path,
    hows: tuple[str, ...],
    **options: Any,
) -> None:
    from geomlib.runs import reduce_run

    names: Any = hows
    with _working(context, "reducing", run, output) as call:
        _report(reduce_run(run, layout, output, names, **options, **call))


def _layout(geometry: Path, hints: ReadingHints, output: Path) -> Geometry:
    """Read the geometry, whose file is not to be lost."""
    if output.exists() and geometry.exists() and output.samefile(geometry):
        raise GeometryError(f"--output {output} is the geometry file, which would be lost")
    return read_geometry_file(geometry, hints)


@contextmanager
def _working(context: typer.Context, what: str, run: Run, output: Path) -> Iterator[dict[str, Any]]:
    """Show progress, and say after an interruption how to go on."""
    command = shlex.join(["geomlib", *(context.obj or [])])
    try:
        with progress_bar(what, run.n_frames) as progress:
            yield {"progress": progress, "about": {"command": command}}
    except (KeyboardInterrupt, SystemExit):
        parts = output.with_name(output.name + ".parts")
        done = len(list(parts.glob("block-*.h5")))
        if done:
            typer.echo(f"{done} blocks are done and kept: the same command goes on", err=True)
        raise


def _report(outcome: Outcome) -> None:
    shapes = "; ".join(
        f"{path} {' × '.join(map(str, shape))}" for path, shape in outcome.shapes.items()
    )
    again = f", {outcome.n_reused} of {outcome.n_blocks} blocks were there already"
    more = again if outcome.n_reused else ""
    hits = "" if outcome.n_hits is None else f", {outcome.n_hits} of them hits"
    _say(f"{outcome.path}: {shapes}; of {outcome.n_frames} frames{hits}{more}")


def _facts(run: Run) -> list[tuple[str, str]]:
    import numpy as np

    frames, modules, ss, fs = run.shape
    present = run.present()
    whole = int(present.all(axis=1).sum())
    lacking = [
        f"{module} ({missing})"
        for module, missing in enumerate((~present).sum(axis=0).tolist())
        if missing
    ]
    size = frames * run.frame_bytes / 1e9
    facts = [
        ("detector", f"{run.detector.name} ({run.detector_name})"),
        ("data", f"{frames} × {modules} × {ss} × {fs} {run.dtype}, {size:.4g} GB, "
                 f"{'raw' if run.is_raw else 'corrected'}"),
        ("frames", f"{frames}, {whole} of them with all modules"),
        ("missing", f"modules (frames): {', '.join(lacking)}" if lacking else "nothing"),
        ("masks", "none" if run.masks is None else str(run.masks.dtype)),
        ("files", str(len(run.files))),
    ]  # fmt: skip
    known = (("trains", run.train_ids), ("pulses", run.pulse_ids), ("cells", run.cell_ids))
    for name, ids in known:
        if ids is not None:
            numbers = np.unique(ids)
            text = f"{len(numbers)}, {numbers[0]} to {numbers[-1]}"
            facts.insert(3, (name, text))
    return facts


def _draw(output: Path, how: str, picture: Path) -> None:
    """Draw a reduced image as a .png."""
    import h5py

    from geomlib.plotting import save_png

    with h5py.File(output, "r") as file:
        save_png(file[f"entry/{how}/data"][()], picture, norm="sqrt")


def _say(text: str) -> None:
    stdout().print(text, markup=False, soft_wrap=True)
