"""How every kernel is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile a loop: serial, without the interpreter lock, kept on disk for the next process.

    Where no folder can be written to (containers, batch nodes with a read-only home), it is
    compiled anew in each process.
    """
    try:
        compiled: Function = njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba: "no locator available"
        compiled = njit(nogil=True)(function)
    return compiled
