"""PNG files of rendered images: written here, so that nothing but the pixels goes into them."""

from __future__ import annotations

import struct
import zlib
from os import PathLike
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from geomlib import checks
from geomlib.atomic import replacing
from geomlib.errors import GeometryError
from geomlib.plotting.rendering import Colours, Norm, Picture, pixels_of, render
from geomlib.plotting.value_range import colour_limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geomlib.assembly import AssembledImage

#: Longest side of the preview in a notebook, in pixels.
PREVIEW = 800

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE, _RGB, _RGBA = 3, 2, 6


class RenderOptions(TypedDict, total=False):
    """Options of `geomlib.render`, for one image."""

    cmap: Colours | None
    vmin: float | None
    vmax: float | None
    norm: Norm | None
    bad: Sequence[int] | None
    front_view: bool


def save_png(
    image: AssembledImage | npt.ArrayLike,
    path: str | PathLike[str],
    *,
    scale: int = 1,
    max_size: int | None = None,
    frame: int | Sequence[int] | None = None,
    **options: Unpack[RenderOptions],
) -> None:
    """Write an image as a PNG file: pixels only, no text, no time stamp.

    Parameters
    ----------
    image : AssembledImage or array_like, shape (…, y, x)
        What to draw; of a stack, `frame` chooses one image.
    path : str or path-like
        The file. It is replaced only when the new one is complete.
    scale : int
        Side of an image pixel in the picture.
    max_size : int, optional
        Longest side of the picture, in pixels: of larger images, blocks of pixels are averaged
        first, leaving out missing ones.
    frame : int or sequence of int, optional
        Index along the leading axes, to draw one image of a stack.
    **options
        As `geomlib.render`: ``cmap``, ``vmin``, ``vmax``, ``norm``, ``bad``, ``front_view``.

    Raises
    ------
    GeometryError
        If an argument is not as described, or a stack is given without `frame`.
    GeometryFileError
        If the file cannot be written.
    """
    content = png_bytes(image, scale=scale, max_size=max_size, frame=frame, **options)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def png_bytes(
    image: AssembledImage | npt.ArrayLike,
    *,
    scale: int = 1,
    max_size: int | None = None,
    frame: int | Sequence[int] | None = None,
    **options: Unpack[RenderOptions],
) -> bytes:
    """Return an image as the content of a PNG file; the arguments are those of `save_png`.

    The pixels are the same everywhere; how tightly they are packed depends on the version of zlib.

    Returns
    -------
    bytes

    Raises
    ------
    GeometryError
        If an argument is not as described, or a stack is given without `frame`.
    """
    scale = checks.integer("scale", scale, 1)
    if max_size is not None:
        max_size = checks.integer("max_size", max_size, 1)
    data = pixels_of(image, frame)
    if data.ndim > 2:
        raise GeometryError(
            f"a PNG file holds one image, and this is a stack {data.shape[:-2]} of them: "
            f"choose one with frame="
        )
    if max_size is not None:
        limit = max(1, max_size // scale)
        factor = -(-max(data.shape) // limit)
        if factor > 1:
            low, high = colour_limits(
                data,
                options.get("vmin"),
                options.get("vmax"),
                log=options.get("norm") == "log",
            )
            options["vmin"], options["vmax"] = low, high
            data = shrink(data, factor)
    picture = render(data, **options)
    picture = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    return encode_png(picture)


def preview_png(image: AssembledImage) -> bytes:
    """Return a picture of at most 800 × 800 pixels for a notebook: of a stack, the first image."""
    leading = image.data.shape[:-2]
    return png_bytes(image, frame=(0,) * len(leading) if leading else None, max_size=PREVIEW)


def shrink(data: npt.NDArray[Any], factor: int) -> npt.NDArray[np.float32]:
    """Average blocks of ``factor`` × ``factor`` pixels, leaving out NaN and masked ones.

    Blocks at the high end of an axis may be smaller.

    Returns
    -------
    ndarray of float32, shape (ceil(y / factor), ceil(x / factor))
        NaN where a whole block is missing.
    """
    if isinstance(data, np.ma.MaskedArray):
        data = np.ma.filled(data.astype(np.float32), np.nan)
    shape = tuple(-(-n // factor) for n in data.shape)
    total, count = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # Plane by plane, in this order: numpy's own sums are cut up as suits the processor.
        for y in range(factor):
            for x in range(factor):
                part = data[y::factor, x::factor].astype(np.float32)
                valid = ~np.isnan(part)
                where = np.s_[: part.shape[0], : part.shape[1]]
                total[where] += np.where(valid, part, np.float32(0))
                count[where] += valid
        return np.divide(total, count, dtype=np.float32)


def encode_png(picture: Picture) -> bytes:
    """Pack RGBA pixels (y, x, 4) as a PNG file: with a palette if there are few colours."""
    height, width = picture.shape[:2]
    if not picture.size:
        raise GeometryError("a PNG file holds at least one pixel")
    opaque = bool((picture[..., 3] == 255).all())
    packed = np.ascontiguousarray(picture).view(np.uint32)[..., 0]
    colours, index = np.unique(packed, return_inverse=True)
    chunks = []
    if len(colours) <= 256:
        kind, rows = _PALETTE, index.reshape(height, width).astype(np.uint8)
        entries = colours.view(np.uint8).reshape(-1, 4)
        chunks.append(_chunk(b"PLTE", entries[:, :3].tobytes()))
        if not opaque:
            chunks.append(_chunk(b"tRNS", entries[:, 3].tobytes()))
    else:
        kind, rows = (_RGB, picture[..., :3]) if opaque else (_RGBA, picture)
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    # Each row begins with the number of its filter: 0, none.
    lines = np.zeros((height, 1 + rows.size // height), dtype=np.uint8)
    lines[:, 1:] = rows.reshape(height, -1)
    return b"".join(
        [
            _SIGNATURE,
            _chunk(b"IHDR", header),
            *chunks,
            _chunk(b"IDAT", zlib.compress(lines.tobytes(), 6)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(name: bytes, content: bytes) -> bytes:
    checked = name + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
