"""Numbers of a bin that outliers do not move: the median, and the mean of what is left of clipping.

Here the entries of an operator are in the order of bins: which pixels a bin takes parts of.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from geomlib.kernels.compile import kernel

NDArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]


@kernel
def _spread(values, weights, n, mean):  # type: ignore[no-untyped-def]
    """Σ w² (x - mean)² and Σ w² of the first ``n`` values."""
    squares = rest = 0.0
    for i in range(n):
        weight = weights[i] * weights[i]
        squares += weight * (values[i] - mean) ** 2
        rest += weight
    return squares, rest


@kernel
def _mean(values, weights, n):  # type: ignore[no-untyped-def]
    total = norm = 0.0
    for i in range(n):
        total += weights[i] * values[i]
        norm += weights[i]
    return total / norm if norm > 0 else np.nan, norm


@kernel
def clip_bins(
    pixels: NDArray,
    starts: IntArray,
    members: IntArray,
    parts: npt.NDArray[np.float32],
    norms: npt.NDArray[np.float32],
    bins: tuple[int, int],
    limit: tuple[float, int],
    out: FloatArray,
) -> None:
    """Average what lies within some standard deviations of the mean of each bin.

    Parameters
    ----------
    pixels : ndarray, shape (pixels,)
        A frame; NaN does not count.
    starts : ndarray of int32, shape (bins + 1,)
        Where the entries of each bin begin.
    members, parts : ndarray, shape (entries,)
        Pixel of each entry, and which part of it lies in the bin.
    norms : ndarray of float32, shape (pixels,)
        What an even intensity of 1 counts in each.
    bins : (int, int)
        First and last-plus-one bin to work out.
    limit : (float, int)
        Standard deviations that are left in, and how often to clip at most.
    out : ndarray, shape (3, bins)
        The output: mean, its standard error, and the count of (parts of) pixels left.
    """
    most = 0
    for b in range(bins[0], bins[1]):
        most = max(most, starts[b + 1] - starts[b])
    values, weights, counts = np.empty(most), np.empty(most), np.empty(most)
    for b in range(bins[0], bins[1]):
        n = 0
        for e in range(starts[b], starts[b + 1]):
            value, norm = np.float64(pixels[members[e]]), np.float64(norms[members[e]])
            # Neither NaN nor infinite, which is as far from any mean as can be.
            if np.isfinite(value):
                part = np.float64(parts[e])
                values[n], weights[n], counts[n] = value / norm, part * norm, part
                n += 1
        mean, norm = _mean(values, weights, n)
        squares, rest = _spread(values, weights, n, mean)
        for _ in range(limit[1]):
            if n < 2:
                break
            furthest = limit[0] * np.sqrt(squares / rest)
            kept = 0
            for i in range(n):
                if abs(values[i] - mean) <= furthest:
                    values[kept], weights[kept], counts[kept] = values[i], weights[i], counts[i]
                    kept += 1
            if kept == n or kept == 0:
                break
            n = kept
            mean, norm = _mean(values, weights, n)
            squares, rest = _spread(values, weights, n, mean)
        out[0, b] = mean
        # A single pixel has no spread.
        out[1, b] = np.sqrt(squares) / norm if n > 1 else np.nan
        out[2, b] = counts[:n].sum()


@kernel
def median_bins(
    pixels: NDArray,
    starts: IntArray,
    members: IntArray,
    parts: npt.NDArray[np.float32],
    norms: npt.NDArray[np.float32],
    bins: tuple[int, int],
    out: FloatArray,
) -> None:
    """Take the median of each bin, of signal / norm; parts of pixels count as parts.

    The standard error is that of the median of a normal distribution, 1.2533 σ / √n, with σ from
    the median of the distances from the median, 1.4826 of them.

    Parameters
    ----------
    pixels, starts, members, parts, norms, bins, out
        As in `clip_bins`.
    """
    most = 0
    for b in range(bins[0], bins[1]):
        most = max(most, starts[b + 1] - starts[b])
    values, weights = np.empty(most), np.empty(most)
    for b in range(bins[0], bins[1]):
        n = 0
        whole = True
        for e in range(starts[b], starts[b + 1]):
            value, norm = np.float64(pixels[members[e]]), np.float64(norms[members[e]])
            if value == value:
                values[n], weights[n] = value / norm, np.float64(parts[e])
                whole &= parts[e] == 1
                n += 1
        if n == 0:
            out[0, b], out[1, b], out[2, b] = np.nan, np.nan, 0
            continue
        count = weights[:n].sum()
        middle = np.median(values[:n]) if whole else _weighted_median(values[:n], weights[:n])
        # After the median, since this changes the values.
        for i in range(n):
            values[i] = abs(values[i] - middle)
        away = np.median(values[:n]) if whole else _weighted_median(values[:n], weights[:n])
        out[0, b] = middle
        out[1, b] = (
            np.nan if n < 2 else 1.2533141373155001 * 1.482602218505602 * away / np.sqrt(count)
        )
        out[2, b] = count


@kernel
def _weighted_median(values, weights):  # type: ignore[no-untyped-def]
    """Value at half of the weight; between two values where it falls exactly between them."""
    order = np.argsort(values)
    half = 0.5 * weights.sum()
    total = 0.0
    for i in range(len(order)):
        total += weights[order[i]]
        if total > half * (1 + 1e-12):
            return values[order[i]]
        if total >= half * (1 - 1e-12) and i + 1 < len(order):
            return 0.5 * (values[order[i]] + values[order[i + 1]])
    return values[order[-1]]
