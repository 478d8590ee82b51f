"""``geomlib integrate``: curves and cakes from detector data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geomlib.cli.assemble import (
    DataFiles,
    DatasetName,
    FrameNumbers,
    GeometryPath,
    Request,
    files_used,
    origin_of,
)
from geomlib.cli.console import in_the_shell, progress_bar, stdout
from geomlib.cli.options import (
    DetectorName,
    Invert,
    QuadPositions,
    ReadingHints,
    ReadOptions,
    check_output,
    read_geometry_file,
)
from geomlib.errors import GeometryError, GeometryFileError, warn

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from geomlib.data import FrameStack
    from geomlib.data.images import Progress
    from geomlib.geometry import Geometry
    from geomlib.integration.files import About
    from geomlib.integration.pattern import Pattern
    from geomlib.integration.stack import StackIntegrator

#: Bins around the beam, unless others are asked for.
_NPT_AZIM = 360
#: Arguments of the library that messages begin with; as options they have a hyphen for each `_`.
_ARGUMENTS = (
    "azimuth_range", "distance", "energy", "error_model", "mask", "method", "npt_azim", "npt",
    "polarisation", "poni", "radial_range", "range", "split", "unit", "wavelength",
)  # fmt: skip


class Reduce(StrEnum):
    """How frames become one curve."""

    NONE = "none"
    MEAN = "mean"


class Unit(StrEnum):
    """Units of the radius, or of the angle around the beam."""

    Q_A = "q_A^-1"
    Q_NM = "q_nm^-1"
    TTH_DEG = "2th_deg"
    TTH_RAD = "2th_rad"
    R_MM = "r_mm"
    CHI_DEG = "chi_deg"
    CHI_RAD = "chi_rad"


class Split(StrEnum):
    """How pixels are shared out to bins."""

    NO = "no"
    BBOX = "bbox"
    FULL = "full"


class Method(StrEnum):
    """How the pixels of a bin become one number."""

    MEAN = "mean"
    MEDIAN = "median"
    SIGMA_CLIP = "sigma_clip"


class ErrorModel(StrEnum):
    """Where errors come from."""

    POISSON = "poisson"
    AZIMUTHAL = "azimuthal"


_Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", help="What to write: .csv, .h5, .nxs or .png.", show_default=False
    ),
]
_Distance = Annotated[
    float | None,
    typer.Option(help="From the sample to the detector, in metres. Default: the geometry file's."),
]
_Energy = Annotated[
    float | None, typer.Option(help="Of the photons, in eV. Default: the geometry file's.")
]
_Wavelength = Annotated[
    float | None, typer.Option(help="In metres, instead of --energy.", show_default=False)
]
_Poni = Annotated[
    Path | None,
    typer.Option(help="A .poni file of pyFAI: distance, beam, rotations, wavelength."),
]
_Npt = Annotated[int, typer.Option(metavar="N", min=1, help="Bins along the radius.")]
_Unit = Annotated[
    Unit, typer.Option(help="Of the radius; with chi the bins run around the beam instead.")
]
_Range = Annotated[
    str | None,
    typer.Option(
        "--range", metavar="LO,HI", help="Of the bins, in that unit. Default: all pixels."
    ),
]
_AzimuthRange = Annotated[
    str | None,
    typer.Option(
        metavar="LO,HI", help="Use a sector only: degrees from +x (left along the beam) to +y (up)."
    ),
]
_RadialRange = Annotated[
    str | None,
    typer.Option(metavar="LO,HI", help="For --unit chi_…: use a ring only, 2θ in degrees."),
]
_TwoD = Annotated[
    bool, typer.Option("--2d", help="Make a cake: radius against the angle around the beam.")
]
_NptAzim = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help=f"For --2d: bins around the beam. Default: {_NPT_AZIM}."),
]
_Split = Annotated[
    Split,
    typer.Option(help="Share out pixels by centre (no), by the box around them, or by true shape."),
]
_Method = Annotated[Method, typer.Option(help="How the pixels of a bin become one number.")]
_Clip = Annotated[
    float, typer.Option(metavar="S", help="For sigma_clip: standard deviations that are left in.")
]
_MaxIterations = Annotated[
    int, typer.Option(metavar="N", min=0, help="For sigma_clip: how often to clip at most.")
]
_ErrorModel = Annotated[
    ErrorModel | None,
    typer.Option(help="Errors too: from counts, or from the spread in each bin. Default: none."),
]
_Polarisation = Annotated[
    float | None,
    typer.Option(metavar="F", help="Correct for polarisation: 1 horizontal, -1 vertical."),
]
_NoSolidAngle = Annotated[
    bool, typer.Option("--no-solid-angle", help="Do not correct for the solid angle of pixels.")
]
_Mask = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Pixels to leave out, where it is not 0: .npy, or HDF5 as FILE or FILE:/dataset.",
    ),
]
_ReduceOption = Annotated[
    Reduce | None,
    typer.Option(help="One curve of the mean of all frames. Default: none for .h5, else mean."),
]


def integrate(
    context: typer.Context,
    data: DataFiles,
    geometry: GeometryPath,
    output: _Output,
    distance: _Distance = None,
    energy: _Energy = None,
    wavelength: _Wavelength = None,
    poni: _Poni = None,
    npt: _Npt = 1000,
    unit: _Unit = Unit.Q_A,
    range_: _Range = None,
    azimuth_range: _AzimuthRange = None,
    radial_range: _RadialRange = None,
    two_d: _TwoD = False,
    npt_azim: _NptAzim = None,
    split: _Split = Split.NO,
    method: _Method = Method.MEAN,
    clip: _Clip = 5.0,
    max_iterations: _MaxIterations = 5,
    error_model: _ErrorModel = None,
    polarisation: _Polarisation = None,
    no_solid_angle: _NoSolidAngle = False,
    mask: _Mask = None,
    dataset: DatasetName = None,
    frames: FrameNumbers = None,
    reduce: _ReduceOption = None,
    quad_positions: QuadPositions = None,
    invert: Invert = False,
    detector: DetectorName = None,
    read: ReadOptions = None,
) -> None:
    """Integrate detector data around the beam: a curve, or a cake, as text, NeXus or a picture.

    A .csv or .png file gets one curve: frames are averaged pixel by pixel, leaving out what is
    missing, and their mean is integrated. A .h5 file gets a curve for each frame, in bounded
    memory. --reduce changes that.

    Example: geomlib integrate run.h5 -g agipd.geom --distance 0.2 --energy 9300 -o curve.csv
    """
    from geomlib.data import open_frames, select_frames
    from geomlib.integration.files import SUFFIXES, About

    if npt_azim is not None and not two_d:
        raise GeometryError("--npt-azim goes with --2d")
    if two_d and unit.value.startswith("chi"):
        raise GeometryError(f"--2d makes a cake, whose radius cannot be --unit {unit.value}")
    mask_file, mask_dataset = _mask_place(mask)
    inputs = [*data, geometry, *(path for path in (mask_file, poni) if path is not None)]
    suffix = check_output(output, SUFFIXES, inputs)
    layout = read_geometry_file(geometry, ReadingHints(quad_positions, invert, detector, more=read))
    stack = open_frames(data, layout, dataset=dataset)
    chosen = select_frames(frames, stack.n_frames)
    options = {
        "distance": distance, "energy": energy, "wavelength": wavelength, "poni": poni,
        "unit": unit.value, "split": split.value, "method": method.value,
        "range": _interval("--range", range_),
        "azimuth_range": _interval("--azimuth-range", azimuth_range),
        "radial_range": _interval("--radial-range", radial_range),
        "npt_azim": (npt_azim or _NPT_AZIM) if two_d else None,
        "error_model": None if error_model is None else error_model.value,
        "clip": clip, "max_iterations": max_iterations,
        "polarisation": polarisation, "solid_angle": not no_solid_angle,
        "mask": None if mask_file is None else _read_mask(mask_file, mask_dataset, layout),
    }  # fmt: skip
    how = _reduction(reduce, suffix, len(chosen), two_d)
    if error_model is not None and suffix == ".csv" and not how and len(chosen) > 1:
        warn(f"{output}: curves of several frames in a .csv have no errors; a .h5 file has them")
    request = Request(stack, layout, chosen, "mean" if how else None, options)
    integrator = _integrator(layout, npt, options)
    about = About(note=_note(request, integrator), origin=origin_of(request, context.obj))
    with progress_bar("integrating", len(chosen)) as progress:
        _write(request, integrator, output, about, progress)
    _report(request, output, integrator, files_used(data, stack))


# -- What is asked for --------------------------------------------------------------------


def _interval(option: str, text: str | None) -> tuple[float, float] | None:
    """Read two numbers with a comma between them."""
    if text is None:
        return None
    try:
        low, high = (float(number) for number in text.split(","))
    except ValueError:
        raise GeometryError(f"{option} must be two numbers such as 0.5,4.5, not {text!r}") from None
    return low, high


def _mask_place(text: str | None) -> tuple[Path | None, str | None]:
    """Tell the file of a mask, and the dataset that may be named after a colon."""
    if text is None:
        return None, None
    path, colon, dataset = text.rpartition(":")
    if colon and not Path(text).exists() and Path(path).exists():
        return Path(path), dataset
    return Path(text), None


def _read_mask(path: Path, dataset: str | None, layout: Geometry) -> npt.NDArray[Any]:
    """Read a mask in any form that frames have."""
    import numpy as np

    from geomlib.data import open_frames

    found = open_frames(path, layout.detector, dataset=dataset)
    if found.n_frames != 1:
        raise GeometryFileError(
            f"holds {found.n_frames} masks; --mask is one for all frames", path=path, key=found.name
        )
    if found.dtype.kind == "f":
        raise GeometryFileError(
            f"holds {found.dtype}; a mask is of booleans or whole numbers, not 0 where a pixel is "
            "to be left out",
            path=path,
            key=found.name,
        )
    return np.asarray(found.read(fill=1)[0] != 0)


def _reduction(wanted: Reduce | None, suffix: str, n_frames: int, two_d: bool) -> bool:
    """Tell whether frames are to be averaged."""
    one = suffix in (".csv", ".png")
    if wanted is Reduce.NONE and one and two_d and n_frames > 1:
        raise GeometryError(
            f"a {suffix} file holds one cake, not {n_frames}: choose one with --frames, or write "
            "a .h5 file"
        )
    if wanted is None:
        wanted = Reduce.MEAN if one else Reduce.NONE
    return wanted is Reduce.MEAN and n_frames > 1


def _integrator(layout: Geometry, npt: int, options: dict[str, Any]) -> StackIntegrator:
    from geomlib.integration.stack import StackIntegrator

    with _in_options():
        return StackIntegrator(layout, npt, **options)


@contextmanager
def _in_options() -> Iterator[None]:
    """Name options where the library names arguments."""
    try:
        yield
    except GeometryFileError:
        raise
    except GeometryError as problem:
        names = "|".join(_ARGUMENTS)
        message = in_the_shell(str(problem))
        message = re.sub(rf"\b({names})='(\w\S*?)'", _option_with_value, message)
        raise GeometryError(re.sub(rf"^(?:{names})\b", _option, message)) from problem


def _option(argument: re.Match[str]) -> str:
    return f"--{argument[0].replace('_', '-')}"


def _option_with_value(argument: re.Match[str]) -> str:
    return f"--{argument[1].replace('_', '-')} {argument[2]}"


# -- What is done -------------------------------------------------------------------------


class _Chosen:
    """Some frames of a stack, as the integrator takes them: read a block at a time."""

    def __init__(self, stack: FrameStack, frames: Sequence[int]) -> None:
        self._stack, self._frames = stack, frames
        self.shape = (len(frames), *stack.shape[1:])
        self.dtype, self.frame_bytes = stack.dtype, stack.frame_bytes

    def read(self, numbers: range, *, fill: float | None = None) -> Any:
        """Read frames, by their place among those chosen."""
        return self._stack.read(self._of(numbers), fill=fill)

    def present(self, numbers: range) -> npt.NDArray[np.bool_]:
        """Tell which modules they have."""
        return self._stack.present(self._of(numbers))

    def _of(self, numbers: range) -> Sequence[int]:
        return self._frames[numbers.start : numbers.stop]


def _write(
    request: Request,
    integrator: StackIntegrator,
    output: Path,
    about: About,
    progress: Progress,
) -> None:
    from geomlib.integration.files import save_pattern, write_patterns

    n = len(request.frames)
    if request.reduce is not None:
        pattern = _integrate_mean(request, integrator, progress)
    elif n == 1 or output.suffix.lower() in (".csv", ".png"):
        pattern = _integrate(request, integrator, request.frames, progress)
        pattern = _without_axis(pattern) if n == 1 else pattern
    else:
        parts = _parts(request, integrator, progress)
        write_patterns(parts, output, (n,), about)
        return
    save_pattern(pattern, output, note=about.note, origin=about.origin)


def _parts(request: Request, integrator: StackIntegrator, progress: Progress) -> Iterator[Pattern]:
    """Integrate as many frames at a time as their results fit into memory."""
    import math

    from geomlib.data.stack import CHUNK_BYTES

    frame_bytes = 3 * 8 * math.prod(integrator.binning.shape)
    step = max(1, CHUNK_BYTES // frame_bytes)
    for start in range(0, len(request.frames), step):
        yield _integrate(request, integrator, request.frames[start : start + step], progress)


def _integrate(
    request: Request,
    integrator: StackIntegrator,
    frames: Sequence[int],
    progress: Progress,
) -> Pattern:
    chosen: Any = _Chosen(request.stack, frames)
    return integrator.integrate(chosen, progress=progress)


def _integrate_mean(request: Request, integrator: StackIntegrator, progress: Progress) -> Pattern:
    """Integrate the mean of frames.

    Errors from counts are those of the counts of all frames, as if each pixel was there in all of
    them: the variance of a mean is not the mean.
    """
    import numpy as np

    from geomlib.data import reduce_frames

    modules = reduce_frames(request.stack, "mean", request.frames, progress=progress)
    mean = np.full(request.geometry.data_shape, np.nan)
    for number, module in modules.items():
        mean[number] = module
    n = len(request.frames) if integrator.error_model == "poisson" else 1
    pattern = integrator.integrate(n * mean)
    sigma = None if pattern.sigma is None else pattern.sigma / n
    return replace(pattern, intensity=pattern.intensity / n, sigma=sigma)


def _without_axis(pattern: Pattern) -> Pattern:
    """Return the one frame of a pattern without the axis of frames."""
    sigma = None if pattern.sigma is None else pattern.sigma[0]
    return replace(pattern, intensity=pattern.intensity[0], sigma=sigma, count=pattern.count[0])


# -- What is said -------------------------------------------------------------------------


def _what(request: Request) -> str:
    n, of = len(request.frames), request.stack.n_frames
    what = f"frame {request.frames[0]} of {of}" if n == 1 else f"{n} of {of} frames"
    return what if request.reduce is None else f"{request.reduce} of {what}"


def _note(request: Request, integrator: StackIntegrator) -> str:
    from geomlib.units import energy_from_wavelength

    asked = integrator.request
    beam = f"{asked.distance:g} m"
    if asked.wavelength is not None:
        beam += f", {energy_from_wavelength(asked.wavelength):g} eV"
    name = Path(request.stack.path).name
    return f"{name}: {_what(request)}\n{request.geometry.detector.name}, {beam}"


def _report(request: Request, output: Path, integrator: StackIntegrator, files: str) -> None:
    missing = request.stack.missing_modules
    gaps = f"; missing modules: {', '.join(map(str, missing))}" if missing else ""
    radial = integrator.radial
    size = " × ".join(map(str, integrator.binning.shape))
    span = f"{radial[0]:.4g} to {radial[-1]:.4g} {integrator.binning.unit}"
    stdout().print(
        f"{output}: {size} bins, {span}, {_what(request)}{gaps}{files}",
        markup=False,
        soft_wrap=True,
    )
