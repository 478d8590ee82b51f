"""Options of azimuthal integration, checked; errors name the likely mistake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from geomlib import checks
from geomlib.errors import GeometryError

Unit = Literal["q_A^-1", "q_nm^-1", "2th_deg", "2th_rad", "r_mm", "chi_deg", "chi_rad"]
Split = Literal["no", "bbox", "full"]
ErrorModel = Literal["poisson", "azimuthal"]
Method = Literal["mean", "median", "sigma_clip"]
#: Most bins of a curve, or of a cake.
MAX_BINS = 50_000_000


@dataclass(frozen=True)
class Binning:
    """How pixels are shared out to bins.

    Attributes
    ----------
    npt : int
        Bins along the radius, or around the beam for a ``chi`` unit.
    npt_azim : int, optional
        Bins around the beam, of a cake.
    unit : str
        Of the radius.
    range : (float, float), optional
        Of the bins, in that unit; default: what the pixels cover.
    azimuth_range : (float, float), optional
        In degrees; pixels elsewhere do not count.
    radial_range : (float, float), optional
        For a ``chi`` unit, 2θ in degrees: pixels elsewhere do not count.
    split : str
        ``"no"``, ``"bbox"`` or ``"full"``.
    """

    npt: int
    npt_azim: int | None
    unit: Unit
    range: tuple[float, float] | None
    azimuth_range: tuple[float, float] | None
    radial_range: tuple[float, float] | None
    split: Split

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a curve, or of a cake."""
        return (self.npt,) if self.npt_azim is None else (self.npt_azim, self.npt)

    @property
    def is_around(self) -> bool:
        """Whether the curve runs around the beam."""
        return self.unit.startswith("chi")

    @property
    def around(self) -> tuple[float, float] | None:
        """Range around the beam in degrees, whether it is that of a curve or of a selection."""
        if not self.is_around or self.range is None:
            return self.azimuth_range
        scale = 1.0 if self.unit == "chi_deg" else 180.0 / np.pi
        return scale * self.range[0], scale * self.range[1]

    @property
    def needs_wavelength(self) -> bool:
        """Whether the photon energy must be known."""
        return self.unit.startswith("q_")


def check_binning(
    npt: Any,
    npt_azim: Any,
    unit: Any,
    range_: Any,
    azimuth_range: Any,
    radial_range: Any,
    split: Any,
) -> Binning:
    """Check options.

    Raises
    ------
    GeometryError
        The message names the option, what was given, and what is expected.
    """
    units = get_args(Unit)
    if not isinstance(unit, str) or unit not in units:
        raise GeometryError(f"unit must be one of {', '.join(units)}, not {checks.shown(unit)}")
    choice("split", split, Split)
    count = checks.integer("npt", npt, 1, MAX_BINS)
    around = None if npt_azim is None else checks.integer("npt_azim", npt_azim, 1, MAX_BINS)
    if around is not None and count * around > MAX_BINS:
        raise GeometryError(f"npt · npt_azim = {count * around} bins; at most {MAX_BINS} are made")
    binning = Binning(
        count,
        around,
        unit,  # type: ignore[arg-type]
        _interval("range", range_, unit),
        _interval("azimuth_range", azimuth_range, "degrees"),
        _interval("radial_range", radial_range, "degrees of 2θ"),
        split,
    )
    if binning.is_around and around is not None:
        raise GeometryError(f"npt_azim makes a cake, whose radius cannot be unit={unit!r}")
    if binning.is_around and binning.azimuth_range is not None:
        raise GeometryError(f"with unit={unit!r}, range is the range around the beam")
    if not binning.is_around and binning.radial_range is not None:
        raise GeometryError(f"radial_range goes with a unit around the beam, not with {unit!r}")
    _check_sizes(binning)
    return binning


@dataclass(frozen=True)
class Settings:
    """How the pixels of a bin become one number; see `StackIntegrator`."""

    method: Method
    error_model: ErrorModel | None
    clip: float
    max_iterations: int


def check_settings(method: Any, error_model: Any, clip: Any, max_iterations: Any) -> Settings:
    """Check options.

    Raises
    ------
    GeometryError
        The message names the option, what was given, and what is expected.
    """
    choice("method", method, Method)
    if error_model is not None:
        choice("error_model", error_model, ErrorModel)
    if method != "mean" and error_model == "poisson":
        raise GeometryError(
            f"method={method!r} takes its errors from the spread: error_model='azimuthal', or none"
        )
    return Settings(
        method,
        error_model,
        checks.number("clip", clip, positive=True),
        checks.integer("max_iterations", max_iterations, 0),
    )


def choice(name: str, given: Any, kind: Any) -> None:
    """Refuse what is none of a few texts.

    Raises
    ------
    GeometryError
        It lists them.
    """
    known = get_args(kind)
    if not isinstance(given, str) or given not in known:
        expected = ", ".join(map(repr, known[:-1])) + f" or {known[-1]!r}"
        raise GeometryError(f"{name} must be {expected}, not {checks.shown(given)}")


def _interval(name: str, given: Any, unit: str) -> tuple[float, float] | None:
    if given is None:
        return None
    try:
        low, high = (float(value) for value in given)
    except (TypeError, ValueError):
        low = high = np.nan
    if not np.isfinite([low, high]).all():
        raise GeometryError(
            f"{name} must be two numbers (low, high) in {unit}, not {checks.shown(given)}"
        )
    if not low < high:
        swapped = f"; ({high:.10g}, {low:.10g})?" if high < low else ""
        raise GeometryError(f"{name} is empty: it goes from {low:.10g} to {high:.10g}{swapped}")
    return low, high


def _check_sizes(binning: Binning) -> None:
    azimuth = binning.around
    if azimuth is not None:
        low, high = azimuth
        # Rounding of 2π.
        fits = high - low <= 360.0 * (1 + 1e-12)
        if fits and high > 360:
            raise GeometryError(
                f"a range around the beam from {low:g}° to {high:g}°: write it as {low - 360:g}° "
                f"to {high - 360:g}°"
            )
        if not fits or low < -180:
            raise GeometryError(
                f"a range around the beam from {low:g}° to {high:g}°: expected at most a turn, "
                "between -180° and 180°, or 0° and 360°"
            )
        if low < 0 and high > 180 and high - low >= 360.0 * (1 - 1e-12):
            raise GeometryError(
                f"a range around the beam from {low:g}° to {high:g}° is all of a turn: leave it "
                "out, or write -180° to 180°"
            )
        if low < 0 and high > 180:
            raise GeometryError(
                f"a range around the beam from {low:g}° to {high:g}° crosses both 0° and 180°: "
                f"ask for two ranges, such as {low + 360:g}° to 360° and 0° to {high:g}°"
            )
    if binning.range is not None and not binning.is_around and binning.range[1] <= 0:
        low, high = binning.range
        raise GeometryError(f"range goes from {low:g} to {high:g} {binning.unit}: nothing is there")
