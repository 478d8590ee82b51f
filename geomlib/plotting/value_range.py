"""Which values of an image the colours should span."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.errors import GeometryError

#: Values that are looked at, at most, to find the default range.
SAMPLE = 250_000
#: Percentiles that the colours span: enough is left out for hot pixels, and for Bragg spots.
LOW, HIGH = 0.5, 99.5


def colour_limits(
    data: npt.NDArray[Any], vmin: float | None, vmax: float | None, *, log: bool = False
) -> tuple[float, float]:
    """Range of values that the colours span: what the caller gave, the rest from the data.

    Parameters
    ----------
    data : ndarray, shape (…, y, x)
        The image or images; NaN, infinities and (in a masked array) masked pixels do not count.
    vmin, vmax : float, optional
        Lowest and highest value; None for a default that a few hot pixels do not change.
    log : bool
        The colours are spread over the logarithm: only positive values count.

    Returns
    -------
    (float, float)
        Finite, the first below the second.

    Raises
    ------
    GeometryError
        If `vmin` or `vmax` is not finite, not positive for a logarithm, or not in order.
    """
    vmin, vmax = _limit("vmin", vmin, log), _limit("vmax", vmax, log)
    if vmin is not None and vmax is not None:
        if not vmin < vmax:
            raise GeometryError(f"vmin must be below vmax, got vmin={vmin:g} and vmax={vmax:g}")
        return vmin, vmax
    low, high = _positive_range(data) if log else _default_range(data)
    if vmin is not None:
        return vmin, high if high > vmin else _above(vmin, log)
    if vmax is not None:
        return (low if low < vmax else _below(vmax, log)), vmax
    return low, high


def _limit(name: str, value: float | None, log: bool) -> float | None:
    if value is None:
        return None
    limit = checks.number(name, value)
    if log and limit <= 0:
        raise GeometryError(f"{name} must be positive with norm='log', not {value}")
    return limit


def _above(low: float, log: bool) -> float:
    return low * 10 if log else low + max(1.0, abs(low))


def _below(high: float, log: bool) -> float:
    return high / 10 if log else high - max(1.0, abs(high))


def _default_range(data: npt.NDArray[Any]) -> tuple[float, float]:
    if data.dtype == np.bool_:
        return 0.0, 1.0
    values = _sample(data)
    if not len(values):
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, (LOW, HIGH), method="nearest"))
    if not low < high:
        # Nearly all pixels hold one value, such as no photon: look at those that differ.
        low, high = float(values.min()), _typical_high(values[values > low], low)
    if not low < high:
        high = _above(low, log=False)
    return low, high


def _typical_high(above: npt.NDArray[np.float64], low: float) -> float:
    """Top of the range for a few pixels above a constant: their median tells hot ones apart."""
    if not len(above):
        return low
    return float(min(np.percentile(above, 98), low + 10 * (np.median(above) - low)))


def _positive_range(data: npt.NDArray[Any]) -> tuple[float, float]:
    values = _sample(data)
    values = values[values > 0]
    if not len(values):
        return 1.0, 10.0
    low, high = (float(v) for v in np.percentile(values, (1.0, 99.9)))
    return low, high if low < high else _above(low, log=True)


def _sample(data: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Finite values of evenly spread pixels, of all pixels of a small image."""
    step = int(np.ceil(data.size / SAMPLE))
    if step == 1:
        return _finite(data)
    # Steps that share no factor with the row length see all columns.
    while np.gcd(step, data.shape[-1]) > 1:
        step += 1
    values = _finite(data[np.unravel_index(np.arange(0, data.size, step), data.shape)])
    if len(values) and values.min() < values.max():
        return values
    # Nothing but one value was met: look for pixels that differ, frame by frame.
    usual = values[:1]
    frames = (_finite(data[frame]) for frame in np.ndindex(data.shape[:-2]))
    return np.concatenate([usual, *(v[~np.isin(v, usual)] for v in frames)])


def _finite(data: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    plain = np.ma.compressed(data) if isinstance(data, np.ma.MaskedArray) else data.ravel()
    values: npt.NDArray[np.float64] = plain.astype(np.float64, copy=False)
    return values[np.isfinite(values)]
