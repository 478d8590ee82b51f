"""Small detectors for tests of pictures: quick to assemble even without compiled kernels."""

import numpy as np

from geomlib.assembly import AssembledImage, assemble_data
from geomlib.detector import Detector, grid_tiles
from geomlib.detectors import generic
from geomlib.geometry import Geometry

#: 2 modules of 1 tile, 4 × 6 pixels of 1 mm: 12 × 4 mm with a gap of 2 mm along x.
SMALL = generic([(-7e-3, -2e-3), (1e-3, -2e-3)], (4, 6), 1e-3)

HEXAGONAL = Geometry(
    Detector(
        "hexagons",
        (2, 4, 6),
        grid_tiles(2, (4, 6), [(0, 0)]),
        (0.8e-3, 1e-3),
        pixel_shape="hexagon",
    ),
    [[-7e-3, -2e-3, 0], [1e-3, -2e-3, 0]],
    [[0, 0.8e-3, 0]] * 2,
    [[1e-3, 0, 0]] * 2,
)


def small_image(geometry=SMALL, dtype=np.float32, frames=()) -> AssembledImage:
    """Pixel values 0, 1, 2 … in data order."""
    shape = (*frames, *geometry.data_shape)
    data = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    return assemble_data(data, geometry)
