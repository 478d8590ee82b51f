"""Pixels shared out over bins as polygons: true shapes, or the boxes around them.

What pyFAI does with ``"full"`` and ``"bbox"``, but for any polygon, and exactly: the corners of a
pixel, six of them for a hexagon, are joined by straight lines in the plane of radius and azimuth,
and the polygon is cut at the borders of the bins. What lies outside of them does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geomlib.integration.options import Binning

if TYPE_CHECKING:
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

FloatArray = npt.NDArray[np.float64]
TURN = 2 * np.pi
#: The last bin reaches this much further, so that the outermost corner lies in it.
BEYOND = 1e-7
#: Pixels that cover more of a turn than this cover all of it.
NEARLY = 0.99
#: Pixels that are shared out in one go.
PIECE = 2**17


def split_shapes(
    integrator: AzimuthalIntegrator, binning: Binning, mask: npt.NDArray[np.bool_]
) -> tuple[Any, FloatArray, FloatArray | None]:
    """Share pixels out over bins.

    Parameters
    ----------
    integrator : pyFAI.integrator.azimuthal.AzimuthalIntegrator
        Where the pixels are.
    binning : Binning
        The bins.
    mask : ndarray of bool, shape (modules · ss, fs)
        Pixels that never count.

    Returns
    -------
    scipy.sparse.csr_matrix, shape (bins, pixels)
        In the order of pyFAI: for each bin along the radius those along azimuth.
    ndarray, ndarray or None
        Centres of the bins: along the radius; and of a cake around the beam, in degrees.
    """
    from scipy.sparse import csr_matrix

    make = _corners if binning.split == "full" else _boxes
    radius, azimuth = make(integrator, binning)
    good = ~mask.reshape(-1)
    low, high = _around(binning, azimuth[good])
    wanted_azimuth = binning.npt if binning.is_around else (binning.npt_azim or 1)
    whole_turn = bool(np.isclose(high - low, TURN, rtol=1e-9))
    if binning.is_around or binning.npt_azim is not None or not whole_turn:
        around = _shifted(azimuth, low, high) * (wanted_azimuth / (high - low))
        turn = wanted_azimuth if whole_turn else 0
    else:
        around, turn = _fitted(azimuth), 0
    if binning.is_around:
        n_radius, along, first, last = 1, _fitted(radius), 0.0, 1.0
    else:
        n_radius = binning.npt
        first, last = binning.range or (radius[good].min(), radius[good].max())
        beyond = 1 + BEYOND * (binning.range is None)
        along = (radius - first) * (n_radius / ((last - first) * beyond))
    places = np.ascontiguousarray(np.stack([around, along], axis=-1))
    bins = (wanted_azimuth, n_radius)
    cells, pixels, parts = _share_out(places, ~good, bins, turn)
    if binning.npt_azim is not None:
        cells = cells % n_radius * wanted_azimuth + cells // n_radius
    n_bins = wanted_azimuth * n_radius
    matrix = csr_matrix((parts, (cells, pixels)), shape=(n_bins, len(places)))
    radial = _centres(first, last, n_radius)
    angles = np.rad2deg(_centres(low, high, wanted_azimuth))
    if binning.is_around:
        return matrix, angles if binning.unit == "chi_deg" else np.deg2rad(angles), None
    return matrix, radial, angles if binning.npt_azim is not None else None


def _share_out(
    places: FloatArray, left_out: npt.NDArray[np.bool_], bins: tuple[int, int], turn: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Bin, pixel and part of every overlap, a piece of the pixels at a time: Ctrl-C is heard."""
    from geomlib.kernels.sectors import overlap_bins

    found = []
    room = 4 * PIECE
    for first in range(0, len(places), PIECE):
        piece = (first, min(first + PIECE, len(places)))
        while True:
            entries = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.float32)
            count = overlap_bins(places, left_out, bins, turn, piece, entries)
            if count <= room:
                break
            room = count
        found.append([array[:count].copy() for array in entries])
    cells, pixels, parts = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return cells, pixels, parts


def _boxes(integrator: AzimuthalIntegrator, binning: Binning) -> tuple[FloatArray, FloatArray]:
    """Radius and azimuth of the corners of the box around each pixel, as pyFAI measures it."""
    shape = integrator.detector.shape
    unit = "r_mm" if binning.is_around else binning.unit
    radius, azimuth = (
        (
            np.asarray(integrator.array_from_unit(shape, "center", u, scale=True), np.float64),
            np.asarray(integrator.array_from_unit(shape, "delta", u, scale=True), np.float64),
        )
        for u in (unit, "chi_rad")
    )
    sides = [(-1, -1), (-1, 1), (1, 1), (1, -1)]
    along = np.stack([radius[0] + i * radius[1] for i, _ in sides], axis=-1).reshape(-1, 4)
    around = np.stack([azimuth[0] + j * azimuth[1] for _, j in sides], axis=-1).reshape(-1, 4)
    return np.maximum(along, 0.0), around


def _corners(integrator: AzimuthalIntegrator, binning: Binning) -> tuple[FloatArray, FloatArray]:
    """Radius, in its unit, and azimuth in radians of all corners, each (pixels, corners)."""
    from pyFAI.units import to_unit

    shape = integrator.detector.shape
    z, y, x = np.moveaxis(integrator.position_array(shape, corners=True).astype(np.float64), -1, 0)
    # Around the beam, any radius does for the shape.
    unit = to_unit("r_mm" if binning.is_around else binning.unit)
    radius = unit.equation(x, y, z, integrator.wavelength) * unit.scale
    azimuth = np.arctan2(y, x)
    n_corners = x.shape[-1]
    radius, azimuth = radius.reshape(-1, n_corners), azimuth.reshape(-1, n_corners)
    # Corners of a pixel lie less than half a turn from each other, but for the pixel on the beam,
    # which is none of any one azimuth: it counts for where its first corner is.
    first = azimuth[:, :1]
    azimuth = first + (azimuth - first + np.pi) % TURN - np.pi
    return radius, azimuth


def _around(binning: Binning, azimuth: FloatArray) -> tuple[float, float]:
    """Range around the beam in radians: what is asked for, else what pixels cover."""
    given = binning.around
    if given is not None:
        return float(np.deg2rad(given[0])), float(np.deg2rad(given[1]))
    low, high = float(azimuth.min()), float(azimuth.max())
    # Pixels on both sides of ±π: the detector lies around the beam.
    return (-np.pi, np.pi) if high - low > NEARLY * TURN else (low, high)


def _shifted(azimuth: FloatArray, low: float, high: float) -> FloatArray:
    """Azimuth from the beginning of the range, turned so that pixels lie around its middle."""
    middle = 0.5 * (low + high)
    centre = azimuth.mean(axis=1, keepdims=True)
    turns = np.round((centre - middle) / TURN)
    shifted: FloatArray = azimuth - TURN * turns - low
    return shifted


def _fitted(values: FloatArray) -> FloatArray:
    """Fit each pixel's own extent into one bin: only its shape counts."""
    low = values.min(axis=1, keepdims=True)
    size = values.max(axis=1, keepdims=True) - low
    fitted: FloatArray = (values - low) / np.where(size > 0, size * (1 + BEYOND), 1.0)
    return fitted


def _centres(low: float, high: float, count: int) -> FloatArray:
    centres: FloatArray = low + (high - low) * (np.arange(count) + 0.5) / count
    return centres
