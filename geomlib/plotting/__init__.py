"""Views of a geometry and of images: with matplotlib, as text-free pictures, as SVG.

The modules load at first use: `render`, PNG files and SVG do without matplotlib's figures.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geomlib.plotting.comparison import compare
    from geomlib.plotting.images import plot_image
    from geomlib.plotting.inspection import inspect
    from geomlib.plotting.png import png_bytes, preview_png, save_png
    from geomlib.plotting.rendering import render
    from geomlib.plotting.svg import geometry_svg

_HOME = {
    "compare": "comparison",
    "geometry_svg": "svg",
    "inspect": "inspection",
    "plot_image": "images",
    "png_bytes": "png",
    "preview_png": "png",
    "render": "rendering",
    "save_png": "png",
}

__all__ = [
    "compare",
    "geometry_svg",
    "inspect",
    "plot_image",
    "png_bytes",
    "preview_png",
    "render",
    "save_png",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'geomlib.plotting' has no attribute {name!r}")
    value = getattr(import_module(f"geomlib.plotting.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
