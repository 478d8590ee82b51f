"""The sparse operator of an integration: which pixel counts how much in which bin.

pyFAI works it out (its bins are to be ours, edges and all), but for what it cannot split, or
splits wrongly: `geomlib.integration.shapes` does that. pyFAI orders it by bins; here it is ordered
by pixels, so that frames are read as they lie in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.integration.adapter import make_integrator
from geomlib.integration.beam import Beam
from geomlib.integration.options import Binning
from geomlib.kernels.integrate import Entries

if TYPE_CHECKING:
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

NDArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
#: Most entries of an operator: their numbers are int32.
MAX_ENTRIES = 2**31 - 1


@dataclass(frozen=True, eq=False, repr=False)
class Operator:
    """From the pixels of a frame to bins.

    Attributes
    ----------
    data_shape : (int, int, int)
        Modules, slow scan, fast scan; the pixels are counted through them.
    shape : tuple of int
        Of the bins: (npt,), or (npt_azim, npt).
    entries : Entries
        Where each pixel goes.
    radial : ndarray, shape (npt,)
        Centres of the bins.
    azimuth : ndarray, shape (npt_azim,), optional
        In degrees.
    """

    data_shape: tuple[int, int, int]
    shape: tuple[int, ...]
    entries: Entries
    radial: FloatArray
    azimuth: FloatArray | None
    _totals: dict[tuple[int, ...], FloatArray] = field(default_factory=dict)
    _kept: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._freeze()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._freeze()

    def __getstate__(self) -> dict[str, Any]:
        # What can be worked out again does not travel.
        return self.__dict__ | {"_totals": {}, "_kept": {}}

    def _freeze(self) -> None:
        # Shared by many; and loops are compiled anew for arrays that can be written.
        for array in (*self.entries, self.radial, self.azimuth):
            if array is not None:
                array.flags.writeable = False

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return int(np.prod(self.shape))

    def totals(self, modules: tuple[int, ...]) -> FloatArray:
        """Sum of norms, of parts, and of squared norms of all pixels of some modules in each bin.

        Returns
        -------
        ndarray, shape (3, bins)
        """
        found = self._totals.get(modules)
        if found is None:
            found = self._totals[modules] = self._sum_up(modules)
        return found

    def _sum_up(self, modules: tuple[int, ...]) -> FloatArray:
        _, ss, fs = self.data_shape
        out = np.zeros((3, self.n_bins))
        for module in modules:
            first, last = module * ss * fs, (module + 1) * ss * fs
            bins, parts, norms = pixel_entries(self.entries, first, last)
            for row, weights in enumerate((parts * norms, parts, (parts * norms) ** 2)):
                out[row] += np.bincount(bins, weights=weights, minlength=self.n_bins)
        return out

    def by_bins(
        self,
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Return the entries in the order of bins; they are kept.

        Returns
        -------
        starts : ndarray of int32, shape (bins + 1,)
            Where the entries of each bin begin.
        pixels, parts : ndarray, shape (entries,)
        """
        found = self._kept.get("by bins")
        if found is None:
            from scipy.sparse import csc_matrix

            starts, bins, parts, norms = self.entries
            if not starts.size:
                starts = np.concatenate([[0], np.cumsum(bins >= 0)]).astype(np.int32)
                bins = bins[bins >= 0]
                parts = np.ones(len(bins), np.float32)
            rows = csc_matrix((parts, bins, starts), shape=(self.n_bins, len(norms))).tocsr()
            found = (
                rows.indptr.astype(np.int32),
                rows.indices.astype(np.int32),
                rows.data.astype(np.float32),
            )
            self._kept["by bins"] = found
        return found

    def swapped(self) -> Operator:
        """Return the operator for modules whose slow and fast scan are exchanged; it is kept."""
        found = self._kept.get("swapped")
        if found is None:
            found = self._kept["swapped"] = self._exchange()
        return found

    def _exchange(self) -> Operator:
        modules, ss, fs = self.data_shape
        order = np.arange(modules * ss * fs).reshape(self.data_shape).swapaxes(-1, -2).ravel()
        starts, bins, parts, norms = self.entries
        if not starts.size:
            entries = Entries(starts, bins[order], parts, norms[order])
        else:
            counts = np.diff(starts)[order]
            moved = np.zeros(len(starts), starts.dtype)
            np.cumsum(counts, out=moved[1:])
            where = np.repeat(starts[:-1][order] - moved[:-1], counts) + np.arange(moved[-1])
            entries = Entries(moved, bins[where], parts[where], norms[order])
        shape = (modules, fs, ss)
        return Operator(shape, self.shape, entries, self.radial, self.azimuth)


def pixel_entries(
    entries: Entries, first: int, last: int
) -> tuple[npt.NDArray[np.int32], FloatArray, FloatArray]:
    """Bins, parts and norms of all entries of some pixels, the norm of its pixel for each."""
    starts, bins, parts, norms = entries
    if not starts.size:
        there = bins[first:last] >= 0
        own = norms[first:last][there].astype(np.float64)
        return bins[first:last][there], np.ones(len(own)), own
    a, b = starts[first], starts[last]
    counts = np.diff(starts[first : last + 1])
    own = np.repeat(norms[first:last].astype(np.float64), counts)
    return bins[a:b], parts[a:b].astype(np.float64), own


@dataclass(frozen=True)
class Request:
    """All that an operator depends on."""

    geometry: Geometry
    binning: Binning
    distance: float
    wavelength: float | None
    #: Point of normal incidence and rotations, as pyFAI has them.
    places: tuple[tuple[str, float], ...]
    mask: bytes | None
    solid_angle: bool
    polarisation: float | None
    wide: bool


# 8 bytes a pixel, or 8 for each of its entries (two to four) and 8 more; and as much again for each
# other order that is asked for (`by_bins`, `swapped`).
@lru_cache(maxsize=4)
def make_operator(request: Request) -> Operator:
    """Work an operator out, or remember it.

    Raises
    ------
    GeometryError
        If no pixel is left, or none lies in the range.
    """
    geometry, binning = request.geometry, request.binning
    beam = Beam(request.distance, request.wavelength)
    integrator = make_integrator(geometry, beam, dict(request.places), request.wide)
    mask = _mask(integrator, request)
    norms = _norms(integrator, request)
    mask |= ~(np.isfinite(norms) & (norms > 0))
    norms[mask] = 1  # of no interest, but a number
    if mask.all():
        raise GeometryError(
            "all pixels are masked: the mask is True, or not 0, for pixels to leave out"
        )
    if binning.radial_range is not None:
        _select_radii(integrator, binning.radial_range, mask)
    if binning.split == "no":
        # pyFAI counts what lies less than a bin before the range into the first bin.
        mask |= ~_inside(integrator, binning)
        if mask.all():
            _refuse_range(integrator, binning)
    else:
        _check_entries(integrator, binning)
    hexagonal = geometry.detector.pixel_shape == "hexagon"
    # pyFAI splits no hexagons. Around the beam it gives its splitter the azimuth for the radius,
    # too: shapes without area. In cakes it puts up to a twentieth of a pixel into the next bin, and
    # leaves some entries undefined. Of a range it counts pixels whole that only reach into it, or
    # lie less than a bin before it. (Seen in 2026.9.)
    special = hexagonal or binning.is_around or binning.npt_azim is not None
    ranged = binning.range is not None or binning.azimuth_range is not None
    if (binning.split == "full" and special) or (binning.split != "no" and ranged):
        from geomlib.integration.shapes import split_shapes

        matrix, radial, azimuth = split_shapes(integrator, binning, mask)
    else:
        matrix, radial, azimuth = _from_pyfai(integrator, binning, mask)
    operator = _order_by_pixels(matrix, binning, norms, geometry.data_shape, radial, azimuth)
    if not operator.entries.bins.size or operator.entries.bins.max() < 0:
        _refuse_range(integrator, binning)
    return operator


def _mask(integrator: AzimuthalIntegrator, request: Request) -> npt.NDArray[np.bool_]:
    """Pixels that never count, shape (modules · ss, fs)."""
    detector = integrator.detector
    mask = np.zeros(detector.shape, dtype=np.bool_)
    if detector.mask is not None:
        mask |= detector.mask != 0
    if request.mask is not None:
        mask |= np.frombuffer(request.mask, dtype=np.bool_).reshape(mask.shape)
    return mask


def _select_radii(
    integrator: AzimuthalIntegrator, wanted: tuple[float, float], mask: npt.NDArray[np.bool_]
) -> None:
    """Mask pixels whose centres lie outside of a range of 2θ, in degrees."""
    angle = integrator.center_array(mask.shape, unit="2th_deg")
    mask |= (angle < wanted[0]) | (angle > wanted[1])
    if mask.all():
        raise GeometryError(
            f"no pixel lies in radial_range, {wanted[0]:.10g}° to {wanted[1]:.10g}° of 2θ: they "
            f"reach from {angle.min():.4g}° to {angle.max():.4g}°"
        )


def _norms(integrator: AzimuthalIntegrator, request: Request) -> npt.NDArray[np.float32]:
    """Return what an even intensity of 1 counts in each pixel, shape (modules · ss, fs)."""
    shape = integrator.detector.shape
    norms = np.ones(shape, dtype=np.float32)
    if request.polarisation is not None:
        norms *= integrator.polarization(shape, request.polarisation).astype(np.float32)
    if request.solid_angle:
        norms *= integrator.solidAngleArray(shape).astype(np.float32)
    return norms


def _from_pyfai(
    integrator: AzimuthalIntegrator, binning: Binning, mask: npt.NDArray[np.bool_]
) -> tuple[Any, FloatArray, FloatArray | None]:
    """Let pyFAI work it out; returns its matrix (bins × pixels), and the centres of bins."""
    from pyFAI.units import to_unit
    from scipy.sparse import csr_matrix

    around = binning.around
    if around is not None and around[1] > 180:
        integrator.setChiDiscAtZero()
    cake = binning.npt_azim is not None
    engine = integrator.setup_sparse_integrator(
        mask.shape,
        (binning.npt, binning.npt_azim) if cake else binning.npt,
        mask=mask.astype(np.int8),
        pos0_range=binning.range,
        # Of a curve the mask has made the choice.
        pos1_range=binning.azimuth_range if cake else None,
        unit=(binning.unit, "chi_deg") if cake else binning.unit,
        split=binning.split,
        algo="CSR",
    )
    matrix = csr_matrix(
        (engine.data, engine.indices, engine.indptr), shape=(len(engine.indptr) - 1, mask.size)
    )
    scale = to_unit(binning.unit).scale
    if not cake:
        return matrix, np.array(engine.bin_centers, np.float64) * scale, None
    radial = np.array(engine.bin_centers0, np.float64) * scale
    return matrix, radial, np.rad2deg(np.array(engine.bin_centers1, np.float64))


def _order_by_pixels(
    matrix: Any,
    binning: Binning,
    norms: npt.NDArray[np.float32],
    data_shape: tuple[int, int, int],
    radial: FloatArray,
    azimuth: FloatArray | None,
) -> Operator:
    """Bring a matrix of bins (radius, then azimuth) and pixels into the order of pixels."""
    columns = matrix.tocsc()
    starts, bins = columns.indptr.astype(np.int32), columns.indices.astype(np.int32)
    parts = columns.data.astype(np.float32)
    if binning.npt_azim is not None:
        bins = bins % binning.npt_azim * binning.npt + bins // binning.npt_azim
    counts = np.diff(starts)
    if counts.max(initial=0) <= 1 and (parts == 1).all():
        single = np.full(len(counts), -1, dtype=np.int32)
        single[counts == 1] = bins
        starts, bins, parts = np.empty(0, np.int32), single, np.empty(0, np.float32)
    entries = Entries(starts, bins, parts, np.ascontiguousarray(norms.reshape(-1)))
    return Operator(data_shape, binning.shape, entries, radial, azimuth)


def _inside(integrator: AzimuthalIntegrator, binning: Binning) -> npt.NDArray[np.bool_]:
    """Tell which pixels have their centre in the range, shape (modules · ss, fs)."""
    shape = integrator.detector.shape
    inside = np.ones(shape, dtype=np.bool_)
    for given, unit in ((binning.range, binning.unit), (binning.azimuth_range, "chi_deg")):
        if given is not None:
            place = integrator.center_array(shape, unit=unit)
            turn = {"chi_deg": 360.0, "chi_rad": 2 * np.pi}.get(unit)
            if turn is not None and given[1] > turn / 2:
                place = place % turn
            inside &= (place >= given[0]) & (place <= given[1])
    return inside


def _check_entries(integrator: AzimuthalIntegrator, binning: Binning) -> None:
    """Refuse bins so small that pixels would have more entries than can be counted."""
    shape = integrator.detector.shape
    steps = [(binning.unit, binning.npt, binning.range)]
    if binning.npt_azim is not None:
        steps.append(("chi_deg", binning.npt_azim, binning.azimuth_range))
    entries = np.ones(shape)
    for unit, count, given in steps:
        width = 2 * integrator.array_from_unit(shape, "delta", unit, scale=True)
        if given is None:
            place = integrator.center_array(shape, unit=unit)
            given = (float(place.min()), float(place.max()))
        entries *= np.minimum(1 + width * (count / max(given[1] - given[0], 1e-300)), count)
    if entries.sum() > MAX_ENTRIES:
        raise GeometryError(
            f"split={binning.split!r} with so many bins: a pixel lies in {entries.mean():.3g} of "
            f"them on average; make fewer (npt={binning.npt}"
            + (f", npt_azim={binning.npt_azim}" if binning.npt_azim is not None else "")
            + "), or take split='no'"
        )


def _refuse_range(integrator: AzimuthalIntegrator, binning: Binning) -> NoReturn:
    """Raise an error that says where the pixels are."""
    shape = integrator.detector.shape
    seen = integrator.center_array(shape, unit=binning.unit)
    hint = ""
    if binning.range is not None:
        hint = f"; range is ({binning.range[0]:.10g}, {binning.range[1]:.10g})"
    if binning.azimuth_range is not None:
        low, high = binning.azimuth_range
        chi = integrator.center_array(shape, unit="chi_deg")
        hint += f"; azimuth_range is ({low:.10g}, {high:.10g})°, and the pixels lie from "
        hint += f"{chi.min():.4g}° to {chi.max():.4g}°"
    raise GeometryError(
        f"no pixel lies in the range: they reach from {seen.min():.4g} to {seen.max():.4g} "
        f"{binning.unit}{hint}"
    )
