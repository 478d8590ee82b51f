"""`render`: images as coloured pixels, without text or figures; the same bytes everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.errors import GeometryError
from geomlib.plotting.colours import DEFAULT_MAP, MISSING
from geomlib.plotting.gaps import gaps_of
from geomlib.plotting.value_range import colour_limits

if TYPE_CHECKING:
    from geomlib.assembly import AssembledImage

Colours = str | npt.ArrayLike
Picture = npt.NDArray[np.uint8]
Norm = Literal["linear", "log", "sqrt"]

#: Colours that values are cut into.
LEVELS = 256


class Scale(NamedTuple):
    """How values become colours.

    Attributes
    ----------
    low, high : float
        Values of the first and last colour.
    norm : {"linear", "log", "sqrt"}
        How the colours are spread between them.
    table : ndarray of uint32, shape (257,)
        RGBA of each level, four bytes in one number, and last the colour of missing pixels.
    """

    low: float
    high: float
    norm: Norm
    table: npt.NDArray[np.uint32]


def render(
    image: AssembledImage | npt.ArrayLike,
    *,
    cmap: Colours | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    norm: Norm | None = None,
    bad: Sequence[int] | None = None,
    front_view: bool = True,
    frame: int | Sequence[int] | None = None,
) -> Picture:
    """Turn an image into coloured pixels: one pixel of the picture for one of the image.

    No text, no fonts and no arithmetic that differs between processors: the same data and options
    give the same bytes everywhere.

    Parameters
    ----------
    image : AssembledImage or array_like, shape (…, y, x)
        One image or a stack, real numbers or booleans. Row 0 becomes the bottom of the picture.
    cmap : str or array_like, shape (n, 3) or (n, 4), optional
        Name of a matplotlib colour map, or the colours themselves: 0 … 1, or 0 … 255 as integers.
        Default: ``"viridis"``.
    vmin, vmax : float, optional
        Values of the first and last colour. Default: a range that hot pixels do not change, the
        same for all images of a stack.
    norm : {"linear", "log", "sqrt"}, optional
        How the colours are spread over that range; default linear.
    bad : sequence of int, optional
        RGB or RGBA, 0 … 255, of NaN, of masked pixels and, in an `AssembledImage` of integers, of
        gaps between tiles; default dark grey. Infinities take the first and last colour.
    front_view : bool
        With x to the left, as seen looking along the beam; otherwise column 0 is at the left.
    frame : int or sequence of int, optional
        Index along the leading axes, to render one image of a stack.

    Returns
    -------
    ndarray of uint8, shape (…, y, x, 4)
        RGBA, the first row at the top.

    Raises
    ------
    GeometryError
        If an argument is not as described.
    """
    data = pixels_of(image, frame)
    scale = make_scale(data, cmap=cmap, vmin=vmin, vmax=vmax, norm=norm, bad=bad)
    out = np.empty((*data.shape, 4), dtype=np.uint8)
    for index in np.ndindex(data.shape[:-2]):
        level = levels(data[index], scale)[::-1, :: -1 if front_view else 1]
        out[index] = scale.table[level].view(np.uint8).reshape(*level.shape, 4)
    return out


def pixels_of(
    image: AssembledImage | npt.ArrayLike, frame: int | Sequence[int] | None = None
) -> npt.NDArray[Any]:
    """Return the pixels of an image or of one frame of a stack, checked.

    Returns
    -------
    ndarray or masked array, shape (…, y, x)
        Of an `AssembledImage` of integers, the gaps between tiles are masked.
    """
    pixels = getattr(image, "data", None) if hasattr(image, "geometry") else None
    if pixels is not None and not isinstance(pixels, np.ndarray) and frame is not None:
        # Not in memory: only what is to be shown is read, or worked out.
        image = replace(cast("AssembledImage", image), data=pixels[frame_index(pixels, frame)])
        frame = None
    try:
        data = np.asanyarray(image)
    except ValueError as error:
        raise GeometryError(f"image must be an array of shape (…, y, x): {error}") from None
    if data.dtype.kind not in "biuf":
        raise GeometryError(f"image must hold real numbers or booleans, not {data.dtype}")
    if data.ndim < 2 or not data.size:
        raise GeometryError(f"image must have shape (…, y, x) and hold pixels, not {data.shape}")
    if data.dtype.kind != "f" and hasattr(image, "geometry"):
        gaps = gaps_of(cast("AssembledImage", image))
        data = np.ma.MaskedArray(data, mask=np.broadcast_to(gaps, data.shape))
    return data if frame is None else data[frame_index(data, frame)]


def frame_index(data: npt.NDArray[Any], frame: int | Sequence[int]) -> tuple[int, ...]:
    """Check the index of one image in a stack (…, y, x)."""
    leading = data.shape[:-2]
    try:
        index = np.atleast_1d(frame)
    except ValueError:
        index = np.empty(0)
    if index.dtype.kind not in "iu" or index.shape != (len(leading),) or not leading:
        expected = f"{len(leading)} whole numbers, one" if len(leading) > 1 else "a whole number"
        raise GeometryError(
            f"frame must be {expected} for the leading axes {leading} of the image, not {frame!r}"
            if leading
            else f"frame must be None for a single image, not {frame!r}"
        )
    if (index < np.negative(leading)).any() or (index >= leading).any():
        raise GeometryError(f"frame {frame!r} is outside of the image's leading axes {leading}")
    return tuple(index.tolist())


def make_scale(
    data: npt.NDArray[Any],
    *,
    cmap: Colours | None,
    vmin: float | None,
    vmax: float | None,
    norm: Norm | None,
    bad: Sequence[int] | None,
) -> Scale:
    """Check the options of `render` and work out how its values become colours."""
    norm = "linear" if norm is None else norm
    if not isinstance(norm, str) or norm not in ("linear", "log", "sqrt"):
        raise GeometryError(f"norm must be 'linear', 'log' or 'sqrt', not {checks.shown(norm)}")
    low, high = colour_limits(data, vmin, vmax, log=norm == "log")
    missing = _rgba("bad", [MISSING if bad is None else bad])
    table = np.concatenate([colour_table(DEFAULT_MAP if cmap is None else cmap), missing])
    return Scale(low, high, norm, np.ascontiguousarray(table).view(np.uint32)[:, 0])


def levels(data: npt.NDArray[Any], scale: Scale) -> npt.NDArray[np.uint16]:
    """Level of each pixel: 0 … 255, or 256 for a missing one.

    Level k holds the values from k/256 to (k + 1)/256 of the range.
    """
    values = np.asarray(data)
    work = np.result_type(values.dtype, np.float32)
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, np.bool_)
    if isinstance(data, np.ma.MaskedArray):
        missing = missing | np.ma.getmaskarray(data)
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        if scale.norm == "log":
            # Rounded thresholds, since the last bit of a logarithm depends on the processor.
            ratio = scale.high / scale.low
            steps = scale.low * ratio ** (np.arange(1, LEVELS) / LEVELS)
            found = np.searchsorted(steps.astype(np.float32), values.astype(np.float32), "right")
        else:
            share = (values - work.type(scale.low)) * work.type(1 / (scale.high - scale.low))
            if scale.norm == "sqrt":
                share = np.sqrt(np.fmax(share, 0))
            # fmin and fmax turn NaN into a number, so that the cast is defined.
            found = np.fmax(np.fmin(share * work.type(LEVELS), LEVELS - 1), 0)
    out = found.astype(np.uint16)
    out[missing] = LEVELS
    return out


def colour_table(cmap: Colours) -> Picture:
    """RGBA of each level, shape (256, 4)."""
    if not isinstance(cmap, str):
        colours = _rgba("cmap", cmap)
        # Level k takes the colour in whose share of the range it lies: no mixing.
        return colours[np.arange(LEVELS) * len(colours) // LEVELS]
    import matplotlib

    if cmap not in matplotlib.colormaps:
        raise GeometryError(
            f"cmap must be colours or the name of a matplotlib colour map such as 'viridis', "
            f"'magma' or 'gray', not {cmap!r}"
        )
    return _rgba("cmap", matplotlib.colormaps[cmap](np.linspace(0, 1, LEVELS)))


def _rgba(name: str, colours: npt.ArrayLike) -> Picture:
    """Return colours as bytes (n, 4), opaque where no alpha is given."""
    try:
        array = np.asarray(colours)
    except ValueError:
        array = np.empty(0)
    if array.ndim != 2 or array.shape[1] not in (3, 4) or not len(array):
        raise GeometryError(f"{name} must hold RGB or RGBA colours, not {checks.shown(colours)}")
    top = 1 if array.dtype.kind == "f" else 255
    if array.dtype.kind not in "iuf" or not ((array >= 0) & (array <= top)).all():
        raise GeometryError(f"{name}: colours are integers 0 … 255 or numbers 0.0 … 1.0")
    if top == 1:
        array = np.floor(array * 255 + 0.5)
    out = np.full((len(array), 4), 255, dtype=np.uint8)
    out[:, : array.shape[1]] = array
    return out
