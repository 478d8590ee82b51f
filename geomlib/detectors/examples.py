"""An example geometry for every detector: flat, aligned, as its users have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from geomlib.detectors.agipd import agipd_1m, agipd_500k
from geomlib.detectors.dssc import dssc_1m
from geomlib.detectors.epix import epix10k, epix100
from geomlib.detectors.jungfrau import jungfrau
from geomlib.detectors.lpd import lpd_1m, lpd_mini
from geomlib.detectors.pnccd import pnccd
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry

# Size of a JUNGFRAU module with its seams, in pixels along x and y.
_WIDTH, _HEIGHT = 4 * 256 + 3 * 2, 2 * 256 + 2


def _jungfrau_1m() -> Geometry:
    return jungfrau([(-_WIDTH / 2, 18), (-_WIDTH / 2, -18 - _HEIGHT)])


def _jungfrau_4m() -> Geometry:
    """Two halves around the beam, turned by 180° to each other, as at the SPB/SFX instrument."""
    start_x, start_y, gap = 1125, 1078, 33
    step = _HEIGHT + gap
    return jungfrau(
        [(start_x - _WIDTH, start_y - _HEIGHT - i * step) for i in range(4)]
        + [(-start_x, -start_y + i * step) for i in range(4)],
        [(-1, -1)] * 4 + [(1, 1)] * 4,
    )


_EXAMPLES: dict[str, Callable[[], Geometry]] = {
    "AGIPD-1M": lambda: agipd_1m([(-525, 625), (-550, -10), (520, -160), (542.5, 475)]),
    "AGIPD-500K": agipd_500k,
    "LPD-1M": lambda: lpd_1m([(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)]),
    "LPD-Mini": lambda: lpd_mini([(0, 0)]),
    # Positions quoted for the real instrument belong to its measured HDF5 file; with the nominal
    # gaps of the constructor its quadrants 1 and 2 would overlap by 3 mm.
    "DSSC-1M": lambda: dssc_1m([(-130, 5), (-130, -125), (5, -125), (5, 5)]),
    "JUNGFRAU-500K": lambda: jungfrau([(-_WIDTH / 2, -_HEIGHT / 2)]),
    "JUNGFRAU-1M": _jungfrau_1m,
    "JUNGFRAU-4M": _jungfrau_4m,
    "pnCCD": pnccd,
    "ePix100": epix100,
    "ePix10K": epix10k,
}

#: Names that `example_geometry` knows.
EXAMPLE_NAMES = tuple(_EXAMPLES)


def example_geometry(name: str) -> Geometry:
    """Return an example geometry of a detector.

    Parameters
    ----------
    name : str
        Such as ``"AGIPD-1M"``; upper or lower case, and hyphens do not matter.

    Returns
    -------
    Geometry

    Raises
    ------
    GeometryError
        If there is no such detector; the message lists those that there are.
    """
    by_key = {_key(known): make for known, make in _EXAMPLES.items()}
    make = by_key.get(_key(str(name)))
    if make is None:
        raise GeometryError(
            f"no example geometry of {name!r}; {suggestion(str(name))}"
            f"there are {', '.join(EXAMPLE_NAMES)}"
        )
    return make()


def suggestion(name: str, more: Sequence[str] = ()) -> str:
    """Return ``"did you mean LPD-1M, LPD-Mini? "`` for a name that is not known, or nothing.

    Parameters
    ----------
    name : str
        What was given.
    more : sequence of str
        Names that are known besides `EXAMPLE_NAMES`.
    """
    from difflib import get_close_matches

    key = _key(name)
    known = {_key(other): other for other in (*EXAMPLE_NAMES, *more)}
    near = [other for k, other in known.items() if len(key) > 1 and k.startswith(key)]
    near = near or [known[k] for k in get_close_matches(key, known, n=3, cutoff=0.7)]
    return f"did you mean {', '.join(near)}? " if near else ""


def _key(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
