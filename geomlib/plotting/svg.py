"""A light SVG of a geometry, for notebooks: tiles in front view, drawn without matplotlib."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from geomlib.detector import FloatArray
from geomlib.plotting.colours import PALETTE, tile_colours
from geomlib.plotting.extent import with_beam

if TYPE_CHECKING:
    from geomlib.geometry import Geometry

#: Most tiles that are drawn; of more, evenly chosen ones.
MAX_TILES = 2000
#: Longest side of the drawing, in pixels.
SIZE = 360
_MARGIN, _CAPTION, _CAPTION_WIDTH = 8, 22, 310


def geometry_svg(geometry: Geometry) -> str:
    """Draw the tiles of a geometry in front view (x to the left, y up) with a cross at the beam.

    Parameters
    ----------
    geometry : Geometry
        What to draw.

    Returns
    -------
    str
        An SVG document of at most about 150 kB: one polygon a tile, coloured by quadrant or
        module; of more than 2000 tiles, evenly chosen ones.
    """
    outlines = geometry.tile_outlines()[..., :2]
    shown = np.arange(geometry.n_tiles)
    if len(shown) > MAX_TILES:
        shown = np.unique(np.linspace(0, geometry.n_tiles - 1, MAX_TILES).astype(np.int64))
    low, high = outlines.min(axis=(0, 1)), outlines.max(axis=(0, 1))
    low, high, beam_in_view = with_beam(low, high)
    span = np.maximum(high - low, 1e-3 * max(float((high - low).max()), 1e-9))
    scale = SIZE / float(span.max())
    width, height = (float(s) for s in span * scale + 2 * _MARGIN)
    width = max(width, _CAPTION_WIDTH)
    # Picture coordinates: x grows to the right and y down, against both of the lab's axes.
    points = (high - outlines) * scale + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
        f'height="{height + _CAPTION:.0f}" viewBox="0 0 {width:.1f} {height + _CAPTION:.1f}">',
        f"<title>{_text(geometry)}</title>",
    ]
    colours = tile_colours(geometry.detector)
    for number, (fill, line) in enumerate(PALETTE):
        members = shown[colours[shown] == number]
        if len(members):
            polygons = "".join(_polygon(points[tile]) for tile in members)
            parts.append(f'<g fill="{fill}" stroke="{line}" stroke-width="0.7">{polygons}</g>')
    if beam_in_view:
        x, y = (float(p) for p in high * scale + _MARGIN)
        parts.append(
            f'<path d="M{x - 6:.1f} {y:.1f}h12M{x:.1f} {y - 6:.1f}v12" stroke="#d00000" '
            f'stroke-width="1.5" fill="none"/>'
        )
    parts.append(
        f'<text x="{_MARGIN}" y="{height + 13:.1f}" font-family="sans-serif" font-size="11" '
        f'fill="#808080">{_caption(geometry, len(shown))}</text></svg>'
    )
    return "".join(parts)


def _polygon(corners: FloatArray) -> str:
    return '<polygon points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in corners) + '"/>'


def _text(geometry: Geometry) -> str:
    # Characters that XML does not allow, even escaped, come from names in files.
    line = repr(geometry).removeprefix("<Geometry ").removesuffix(">")
    return escape("".join(c if c.isprintable() else "�" for c in line))


def _caption(geometry: Geometry, shown: int) -> str:
    # Short: an SVG cannot break a line.
    name = geometry.detector.name
    name = "".join(c if c.isprintable() else "�" for c in name)
    name = name if len(name) <= 24 else name[:23] + "…"
    tiles = f"{geometry.n_tiles} tile{'s' * (geometry.n_tiles != 1)}"
    if shown < geometry.n_tiles:
        tiles = f"{shown} of {tiles}"
    return escape(f"{name}: {tiles}, looking along the beam")
