"""What is kept of frames while they are reduced, and what becomes of it at the end.

The loops that fill the accumulators are in `geomlib.kernels.reduce`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.assembly.treatment import mean_dtype
from geomlib.errors import GeometryError

How = Literal["mean", "sum", "max", "min", "std"]
NDArray = npt.NDArray[Any]
State = dict[str, NDArray]


def check_how(how: object, name: str = "reduce") -> How:
    """Return a way to reduce; ``name`` is that of the argument.

    Raises
    ------
    GeometryError
        If it is none.
    """
    names = get_args(How)
    if not isinstance(how, str) or how not in names:
        none = " or None" if name == "reduce" else ""
        raise GeometryError(
            f"{name} must be one of {', '.join(names)}{none}, not {checks.shown(how)}"
        )
    return cast("How", how)


def new_state(how: How, shape: tuple[int, ...], dtype: np.dtype[Any]) -> State:
    """Start the accumulators, each (modules, …pixels in the order of memory)."""
    count = np.zeros(shape, dtype=np.int32)
    if how in ("max", "min"):
        kind = np.dtype(np.float32) if dtype == np.float16 else dtype
        if kind.kind == "f":
            return {"best": np.full(shape, np.nan, dtype=kind)}
        kind = np.dtype(np.uint8) if kind.kind == "b" else kind
        limits = np.iinfo(kind.type)
        worst = limits.min if how == "max" else limits.max
        return {"best": np.full(shape, worst, dtype=kind), "count": count}
    if how == "std":
        return {name: np.zeros(shape) for name in ("origin", "first", "second")} | {"count": count}
    # The sum of 64-bit integers may not fit in 64 bits, though their mean does.
    floating = dtype.kind == "f" or (how == "mean" and dtype.itemsize == 8)
    return {"total": np.zeros(shape, np.float64 if floating else np.int64), "count": count}


def merged(how: How, a: State, b: State) -> State:
    """Return the accumulators of the frames of both."""
    both = {"count": a["count"] + b["count"]} if "count" in a else {}
    if how in ("max", "min"):
        # Of a number and NaN these two take the number.
        pick = np.fmax if how == "max" else np.fmin
        return both | {"best": pick(a["best"], b["best"])}
    if how != "std":
        return both | {"total": a["total"] + b["total"]}
    # The sums of b about the origin of a, which is one of the values.
    n = b["count"]
    origin = np.where(a["count"] == 0, b["origin"], a["origin"])
    with np.errstate(invalid="ignore"):
        step = np.where(n == 0, 0.0, b["origin"] - origin)
        second = a["second"] + b["second"] + step * (2 * b["first"] + n * step)
        first = a["first"] + b["first"] + n * step
    return both | {"origin": origin, "first": first, "second": second}


def result_dtype(how: How, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of a result; see `geomlib.assembly.reduction.Reduction.result`."""
    if how in ("max", "min"):
        return dtype
    if how == "sum":
        return np.dtype({"u": np.uint64, "i": np.int64, "b": np.int64}.get(dtype.kind, np.float64))
    return mean_dtype(dtype)


def _total(state: State, dtype: np.dtype[Any]) -> NDArray:
    total = state["total"]
    if dtype.kind == "f":
        return np.where(state["count"] == 0, np.nan, total)
    return total.view(np.uint64) if dtype.kind == "u" else total


def _mean(state: State, dtype: np.dtype[Any]) -> NDArray:
    total = state["total"]
    whole = dtype.kind == "u" and total.dtype.kind != "f"
    mean: NDArray = (total.view(np.uint64) if whole else total) / state["count"]
    return mean


def _deviation(state: State, _: np.dtype[Any]) -> NDArray:
    n = state["count"]
    squares = state["second"] - state["first"] ** 2 / n
    deviation: NDArray = np.sqrt(np.maximum(squares, 0) / n)
    return deviation


def _best(state: State, _: np.dtype[Any]) -> NDArray:
    best = state["best"]
    return best if best.dtype.kind == "f" else np.where(state["count"] == 0, 0, best)


#: For each way: the reduced pixels from their accumulators and the dtype of the values.
FINISH: dict[str, Callable[[State, np.dtype[Any]], NDArray]] = {
    "mean": _mean,
    "sum": _total,
    "std": _deviation,
    "max": _best,
    "min": _best,
}
