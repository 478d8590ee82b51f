"""Mean, sum, maximum, minimum and standard deviation over frames, a chunk at a time."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from geomlib.errors import GeometryError

How = Literal["mean", "sum", "max", "min", "std"]
NDArray = npt.NDArray[Any]


class Reduction:
    """Reduce frames pixel by pixel; NaN counts as missing.

    Sums are kept in float64 (int64 and uint64 for whole numbers), so that many frames lose
    nothing. A pixel without a single value becomes NaN; in a sum, or where the data are whole
    numbers, that cannot happen without ``keep``, and it then becomes 0.

    Parameters
    ----------
    how : {"mean", "sum", "max", "min", "std"}
        ``std`` is the population standard deviation (divided by the number of values).

    Raises
    ------
    GeometryError
        If `how` is something else.
    """

    def __init__(self, how: How) -> None:
        if how not in get_args(How):
            raise GeometryError(
                f"reduce must be one of {', '.join(get_args(How))} or None, not {how!r}"
            )
        self.how = how
        self._count: NDArray | None = None
        self._dtype = np.dtype(np.float64)
        self._state: NDArray | None = None
        self._squares: NDArray | None = None

    def add(self, frames: NDArray, valid: NDArray | None = None) -> None:
        """Add frames, shape (n, …); ``valid`` (broadcastable, bool) marks the values to use.

        Raises
        ------
        GeometryError
            If the frames are complex.
        """
        if frames.dtype.kind == "c":
            raise GeometryError(f"reduce={self.how!r} takes real numbers, not {frames.dtype}")
        self._dtype = frames.dtype
        good = is_value(frames)
        if valid is not None:
            good = good & valid
        good = np.broadcast_to(good, frames.shape)
        count = good.sum(axis=0)
        if self.how in ("max", "min"):
            pick = np.maximum if self.how == "max" else np.minimum
            worst = _worst(frames.dtype, self.how)
            found = pick.reduce(np.where(good, frames, worst), axis=0, initial=worst)
            self._state = found if self._state is None else pick(self._state, found)
        else:
            self._add_moments(frames, good, count)
        self._count = count if self._count is None else self._count + count

    def _add_moments(self, frames: NDArray, good: NDArray, count: NDArray) -> None:
        total = np.sum(frames, axis=0, where=good, dtype=_accumulator(frames.dtype))
        if self.how == "std":
            # Chan, Golub and LeVeque (1979): squares about the mean of each chunk, then merged;
            # the plain sum of squares would lose the digits of a small spread on a large mean.
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = total / count
                spread = (frames - mean) ** 2
                squares = np.asarray(np.sum(spread, axis=0, where=good, dtype=np.float64))
                if self._state is not None and self._squares is not None:
                    n_a, n_b = self._count, count
                    assert n_a is not None
                    between = (mean - self._state / n_a) ** 2 * n_a * n_b / (n_a + n_b)
                    squares = squares + self._squares + np.nan_to_num(between)
            self._squares = squares
        self._state = total if self._state is None else self._state + total

    def result(self) -> NDArray:
        """Return the reduced frame, shape (…).

        Means and deviations are float64 for float64 and wide integers, else float32; a maximum or
        minimum has the dtype of the frames; a sum float64, or 64-bit integers.

        Raises
        ------
        GeometryError
            If no frame was added.
        """
        if self._state is None or self._count is None:
            raise GeometryError(f"reduce={self.how!r}: there are no frames to reduce")
        empty = self._count == 0
        if self.how in ("max", "min"):
            return np.where(empty, _missing(self._dtype), self._state).astype(self._dtype)
        if self.how == "sum":
            return np.where(empty, _missing(self._state.dtype), self._state)
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.how == "mean":
                value = self._state / self._count
            else:
                assert self._squares is not None
                value = np.sqrt(self._squares / self._count)
        value[empty] = np.nan
        return value.astype(mean_dtype(self._dtype))


def is_value(array: NDArray) -> npt.NDArray[np.bool_]:
    """Mark what counts in a mean: everything but NaN."""
    if array.dtype.kind == "f":
        return ~np.isnan(array)
    return np.ones((1,) * array.ndim, dtype=np.bool_)


def mean_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return the dtype of a mean: float32 keeps all digits of small data, else float64."""
    kind = np.dtype(dtype)
    narrow = kind.itemsize <= 2 or kind == np.float32
    return np.dtype(np.float32 if narrow else np.float64)


def _accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype({"u": np.uint64, "i": np.int64, "b": np.int64}.get(dtype.kind, np.float64))


def _worst(dtype: np.dtype[Any], how: str) -> Any:
    if dtype.kind == "f":
        return dtype.type(-np.inf if how == "max" else np.inf)
    if dtype.kind == "b":
        return how == "min"
    info = np.iinfo(dtype)
    return dtype.type(info.min if how == "max" else info.max)


def _missing(dtype: np.dtype[Any]) -> Any:
    return dtype.type(np.nan if dtype.kind == "f" else 0)
