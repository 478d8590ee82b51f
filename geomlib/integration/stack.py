"""`StackIntegrator`: azimuthal integration of whole stacks, straight from module data."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from inspect import signature
from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.assembly.inputs import Axes, as_stack, check_geometry
from geomlib.assembly.module_options import as_arrays
from geomlib.assembly.not_data import check_gain_axis, check_is_data
from geomlib.assembly.sources import is_lazy
from geomlib.assembly.treatment import check_treatment
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.integration.adapter import read_poni
from geomlib.integration.beam import find_beam
from geomlib.integration.operator import Operator, Request, make_operator
from geomlib.integration.options import (
    ErrorModel,
    Method,
    Settings,
    Split,
    Unit,
    check_binning,
    check_settings,
)
from geomlib.integration.pattern import Pattern
from geomlib.threads import check_threads

NDArray = npt.NDArray[Any]
Data = npt.ArrayLike | Mapping[int, npt.ArrayLike] | Sequence[npt.ArrayLike | None]
Progress = Callable[[int], object]
#: Below so many bytes of data a second thread takes longer to wake than to help.
SERIAL_BYTES = 2 * 2**20
#: Options of `StackIntegrator.integrate`; the others are those of `StackIntegrator`.
FRAME_OPTIONS = ("axes", "mask", "mask_bits", "dark", "gain", "present", "progress")


class StackIntegrator:
    """Integrate stacks of module data azimuthally: curves or cakes, frame by frame.

    Everything that does not depend on the data is worked out once, by pyFAI, and shared by
    integrators of the same geometry and options. No image is assembled.

    Parameters
    ----------
    geometry : Geometry
        Where the pixels are. Its bad regions do not count.
    npt : int
        Bins along the radius.
    distance : float, optional
        From the sample to z = 0, in metres; default: that of the geometry, or of `poni`.
    energy, wavelength : float, optional
        Of the photons: in eV, or in metres; default: likewise. Needed for q only.
    unit : {"q_A^-1", "q_nm^-1", "2th_deg", "2th_rad", "r_mm", "chi_deg", "chi_rad"}
        Of the radius; with ``chi`` the bins run around the beam instead, from +x (left, looking
        along the beam) towards +y (up).
    range : (float, float), optional
        Of the bins, in this unit; default: what the pixels cover.
    azimuth_range : (float, float), optional
        In degrees: use only pixels in this sector.
    radial_range : (float, float), optional
        With a ``chi`` unit: use only pixels whose centres have a 2θ, in degrees, in this range.
    npt_azim : int, optional
        Make cakes with so many bins around the beam.
    split : {"no", "bbox", "full"}
        How pixels that reach over bins are shared out: by their centres, by the box around them in
        radius and azimuth, or by their true shape.
    mask : array_like of bool or integers, shape (modules, ss, fs), optional
        True, or not 0, for pixels that never count. Unlike a mask of `integrate`, it shortens the
        default range to that of the pixels left.
    polarisation : float, optional
        Correct for polarisation: 1 is horizontal (in the plane of x), -1 vertical.
    solid_angle : bool
        Correct for the solid angle of pixels.
    error_model : {"poisson", "azimuthal"}, optional
        Errors from counts (the variance of a pixel is its value, at least 1), or from the spread in
        each bin.
    method : {"mean", "median", "sigma_clip"}
        How the pixels of a bin become one number. The mean is Σ signal / Σ norm. The median is that
        of signal / norm. Clipping leaves out what is more than `clip` standard deviations from the
        mean, again and again, up to `max_iterations` times.
    clip : float
        For ``"sigma_clip"``.
    max_iterations : int
        For ``"sigma_clip"``.
    poni : str, path-like or pyFAI object, optional
        Take distance, wavelength, point of normal incidence and rotations from it, as
        `geomlib.to_pyfai_integrator` does.
    wide : bool
        Border pixels have their true shapes where pixels are split.
    threads : int, optional
        Default: the processors that this process may use, or 1 where there is little to do. The
        result does not depend on it.

    Raises
    ------
    GeometryError
        If an option does not fit; the message names the likely mistake.

    Examples
    --------
    >>> import numpy as np, geomlib
    >>> geom = geomlib.example_geometry("JUNGFRAU-500K").replace(distance=0.2, photon_energy=9000)
    >>> integrator = geomlib.StackIntegrator(geom, 500)
    >>> integrator.integrate(np.ones((3, *geom.data_shape))).shape
    (3, 500)
    """

    def __init__(
        self,
        geometry: Geometry,
        npt: int,
        *,
        distance: float | None = None,
        energy: float | None = None,
        wavelength: float | None = None,
        unit: Unit = "q_A^-1",
        range: tuple[float, float] | None = None,
        azimuth_range: tuple[float, float] | None = None,
        radial_range: tuple[float, float] | None = None,
        npt_azim: int | None = None,
        split: Split = "no",
        mask: npt.ArrayLike | None = None,
        polarisation: float | None = None,
        solid_angle: bool = True,
        error_model: ErrorModel | None = None,
        method: Method = "mean",
        clip: float = 5.0,
        max_iterations: int = 5,
        poni: str | os.PathLike[str] | Any = None,
        wide: bool = False,
        threads: int | None = None,
    ) -> None:
        check_geometry(geometry, "StackIntegrator(geometry, npt)")
        binning = check_binning(npt, npt_azim, unit, range, azimuth_range, radial_range, split)
        settings = check_settings(method, error_model, clip, max_iterations)
        places: dict[str, float] = {}
        if poni is not None:
            places = read_poni(poni)
            away, own = places.pop("dist"), places.pop("wavelength", None)
            distance = away if distance is None else distance
            wavelength = own if energy is None and wavelength is None else wavelength
        needed = f"unit={unit!r}" if binning.needs_wavelength else None
        beam = find_beam(geometry, distance, energy, wavelength, needed)
        request = Request(
            geometry,
            binning,
            beam.distance,
            beam.wavelength if binning.needs_wavelength else None,
            tuple(sorted(places.items())),
            _mask_bytes(mask, geometry),
            checks.flag("solid_angle", solid_angle),
            _polarisation(polarisation),
            checks.flag("wide", wide),
        )
        self._set_up(request, make_operator(request), threads, settings)

    def _set_up(
        self, request: Request, operator: Operator, threads: int | None, settings: Settings
    ) -> None:
        """Keep what was worked out, now or by an earlier program."""
        self.geometry, self.binning, self.settings = request.geometry, request.binning, settings
        self.request, self.operator = request, operator
        self.threads = None if threads is None else check_threads(threads)

    @property
    def error_model(self) -> ErrorModel | None:
        """How errors are estimated."""
        return self.settings.error_model

    @property
    def method(self) -> Method:
        """How the pixels of a bin become one number."""
        return self.settings.method

    @property
    def radial(self) -> npt.NDArray[np.float64]:
        """Centres of the bins, in the unit of the integrator."""
        return self.operator.radial

    @property
    def azimuth(self) -> npt.NDArray[np.float64] | None:
        """Centres of the bins around the beam, in degrees; None but for cakes."""
        return self.operator.azimuth

    def integrate(
        self,
        data: Data,
        *,
        axes: Axes | None = None,
        mask: npt.ArrayLike | None = None,
        mask_bits: int | None = None,
        dark: npt.ArrayLike | None = None,
        gain: npt.ArrayLike | None = None,
        present: npt.ArrayLike | None = None,
        progress: Progress | None = None,
    ) -> Pattern:
        """Integrate frames.

        Parameters
        ----------
        data : array_like, mapping, sequence, dataset or lazy array
            In any form that `geomlib.assemble_data` takes. NaN does not count. HDF5 datasets and
            other stored arrays are read a block at a time; a dask array stays lazy.
        axes : {"stream"}, optional
            Data has the axes (…, module, fs, ss, pulse).
        mask : array_like of bool or integers, optional
            Pixels to leave out besides those of the integrator, for all frames or for each.
        mask_bits : int, optional
            Which bits of an integer `mask` count; default all.
        dark, gain : array_like, optional
            Numbers become ``(number - dark) * gain``.
        present : array_like of bool, optional
            Which modules are there, shape (modules,) or (…, modules).
        progress : callable, optional
            Called with the number of frames that were just finished.

        Returns
        -------
        Pattern
            Of float32 for data of float32 or up to 16 bits, else float64. The count is that of the
            pixels that were used.

        Raises
        ------
        GeometryError
            If the data or an option do not fit.
        """
        given = {
            "axes": axes, "mask": mask, "mask_bits": mask_bits, "dark": dark, "gain": gain,
            "present": present,
        }  # fmt: skip
        check_is_data(data, "data")
        if progress is not None and not callable(progress):
            raise GeometryError(f"progress must be callable, not {checks.shown(progress)}")
        if isinstance(mask, bool | int | float | np.generic):
            raise GeometryError(
                f"mask must be an array, True or not 0 for pixels to leave out, not {mask!r}"
            )
        detector = self.geometry.detector
        options = given | as_arrays(given, data, detector, axes)
        if is_lazy(data):
            from geomlib.integration.lazy import integrate_lazily

            return integrate_lazily(self, data, options, progress)
        arrays = self.integrate_arrays(data, options)
        if progress is not None:
            progress(int(np.prod(arrays[0].shape[: arrays[0].ndim - len(self.binning.shape)])))
        return self.pattern(*arrays)

    def integrate_arrays(
        self, data: Any, options: Mapping[str, Any], threads: int | None = None
    ) -> tuple[NDArray, NDArray | None, NDArray]:
        """Return intensity, error and count of data in memory; see `integrate`."""
        from geomlib.integration.run import make_output, run_mean, value_dtype

        detector = self.geometry.detector
        stack = as_stack(data, detector, options.get("axes"))
        if stack.dtype.kind == "c":
            raise GeometryError(f"data must be real numbers to be integrated, not {stack.dtype}")
        check_gain_axis(stack.frames, stack.dtype, detector)
        names = ("mask", "mask_bits", "dark", "gain", "present")
        treatment = check_treatment(
            stack.frames, detector, stack.dtype, **{n: options.get(n) for n in names}
        )
        operator, dtype = self.operator, value_dtype(stack.dtype, treatment)
        with_sigma = self.error_model is not None
        output = make_output(stack.frames, operator.n_bins, dtype, with_sigma)
        workers = self._workers(stack, threads)
        if self.method == "mean":
            run_mean(operator, stack, treatment, output, self.error_model, workers)
        else:
            from geomlib.integration.robust import run_robust

            own = self.settings
            clip = (own.clip, own.max_iterations) if own.method == "sigma_clip" else None
            run_robust(operator, stack, treatment, output, clip, workers)
        shape = (*stack.frames, *self.binning.shape)
        sigma = None if output.sigma is None else output.sigma.reshape(shape)
        return output.intensity.reshape(shape), sigma, output.count.reshape(shape)

    def _workers(self, stack: Any, threads: int | None) -> int:
        chosen = self.threads if threads is None else threads
        if chosen is not None:
            return chosen
        n_bytes = sum(data.nbytes for data, _ in stack.parts)
        return 1 if n_bytes < SERIAL_BYTES else check_threads(None)

    def pattern(self, intensity: Any, sigma: Any, count: Any) -> Pattern:
        """Put results together."""
        operator = self.operator
        return Pattern(
            operator.radial, intensity, sigma, count, self.binning.unit, operator.azimuth
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what was worked out to an HDF5 file, for programs that start often.

        Parameters
        ----------
        path : str or path-like
            The file; an older one is replaced.

        Raises
        ------
        GeometryFileError
            If it cannot be written.
        """
        from geomlib.integration.saved import save_integrator

        save_integrator(self, path)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], geometry: Geometry, *, threads: int | None = None
    ) -> StackIntegrator:
        """Read what `save` wrote; pyFAI is not needed.

        Parameters
        ----------
        path : str or path-like
            The file.
        geometry : Geometry
            The one that it was worked out for.
        threads : int, optional
            As for `StackIntegrator`.

        Raises
        ------
        GeometryError
            If it was worked out for another geometry.
        GeometryFileError
            If the file cannot be read, or what it holds is no integrator.
        """
        from geomlib.integration.saved import load_integrator

        return load_integrator(cls, path, geometry, threads)

    def __repr__(self) -> str:
        bins = " × ".join(map(str, self.binning.shape))
        low, high = float(self.radial[0]), float(self.radial[-1])
        return (
            f"<StackIntegrator of {self.geometry.detector.name}: {bins} bins, {low:.4g} to "
            f"{high:.4g} {self.binning.unit}, split={self.binning.split!r}, {self.method}>"
        )


def integrate1d(data: Data, geometry: Geometry, npt: int = 1000, **options: Any) -> Pattern:
    """Integrate frames to curves.

    Parameters
    ----------
    data, geometry, npt
        As for `StackIntegrator`; what it works out is kept for the next call.
    **options
        Of `StackIntegrator` and of `StackIntegrator.integrate`; a `mask` is that of the latter.

    Returns
    -------
    Pattern

    Raises
    ------
    GeometryError
        If the data or an option do not fit.
    """
    check_geometry(geometry, "integrate1d(data, geometry, npt)")
    if options.get("npt_azim") is not None:
        raise GeometryError("npt_azim makes cakes: call integrate2d(data, geometry, npt, npt_azim)")
    return _integrate(data, geometry, npt, options)


def integrate2d(
    data: Data, geometry: Geometry, npt: int = 1000, npt_azim: int = 360, **options: Any
) -> Pattern:
    """Integrate frames to cakes: radius against the angle around the beam.

    Parameters
    ----------
    data, geometry, npt, **options
        As for `integrate1d`.
    npt_azim : int
        Bins around the beam.

    Returns
    -------
    Pattern
        Of shape (…, npt_azim, npt).

    Raises
    ------
    GeometryError
        If the data or an option do not fit.
    """
    check_geometry(geometry, "integrate2d(data, geometry, npt, npt_azim)")
    checks.integer("npt_azim", npt_azim, 1)
    return _integrate(data, geometry, npt, options | {"npt_azim": npt_azim})


def _integrate(data: Data, geometry: Geometry, npt: int, options: dict[str, Any]) -> Pattern:
    mine = {name: options.pop(name) for name in FRAME_OPTIONS if name in options}
    known = {*signature(StackIntegrator).parameters, *FRAME_OPTIONS}
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"; is {near[0]!r} meant?" if near else f": there are {', '.join(sorted(known))}"
            raise GeometryError(f"there is no option {name!r}{hint}")
    return StackIntegrator(geometry, npt, **options).integrate(data, **mine)


def _mask_shapes(geometry: Geometry) -> tuple[tuple[int, ...], ...]:
    modules, ss, fs = geometry.data_shape
    single = ((ss, fs),) if modules == 1 else ()
    return (geometry.data_shape, (modules * ss, fs), *single)


def _mask_bytes(mask: Any, geometry: Geometry) -> bytes | None:
    """Bring a mask into the shape of the data, True for pixels to leave out."""
    if mask is None:
        return None
    given = as_arrays({"mask": mask}, None, geometry.detector)["mask"]
    array = np.asarray(given)
    if array.dtype.kind not in "biu":
        raise GeometryError(
            "mask must be boolean, True for pixels to leave out, or integers that are not 0 there, "
            f"not {array.dtype}; pass np.isnan(mask) where NaN marks bad pixels"
        )
    if array.shape not in _mask_shapes(geometry):
        raise GeometryError(
            f"mask must have shape {geometry.data_shape} (modules, ss, fs), not {array.shape}; one "
            "for each frame goes to integrate(data, mask=…), and one drawn on an image through "
            "dismantle_mask(mask, geometry)"
        )
    wanted = np.asarray(array != 0).reshape(geometry.data_shape)
    return bytes(wanted.tobytes())


def _polarisation(given: float | None) -> float | None:
    if given is None:
        return None
    factor = checks.number("polarisation", given)
    if not -1 <= factor <= 1:
        raise GeometryError(
            f"polarisation must be from -1 (vertical) to 1 (horizontal), not {factor:g}"
        )
    return factor
