"""What several tests of method "split" share: small geometries, and images of them."""

from dataclasses import replace

import numpy as np

from geomlib import Detector, Geometry, split_plan
from geomlib.assembly.inputs import as_stack
from geomlib.assembly.reduction import mean_dtype
from geomlib.assembly.split import run_split
from geomlib.assembly.treatment import check_treatment


def small(shape=(2, 6, 7), *, hexagons=False, wide=None, gap=3.0, offset=(0.0, 0.0), angle=0.0):
    """Return modules of one tile side by side along x: pixels of 1 m, ss = y, fs = x."""
    n, n_ss, n_fs = shape
    detector = Detector(
        "small",
        shape,
        np.array([(m, 0, n_ss, 0, n_fs) for m in range(n)]),
        (np.sqrt(3) / 2, 1.0) if hexagons else (1.0, 1.0),
        pixel_shape="hexagon" if hexagons else "rectangle",
        wide_edges=None if wide is None else np.tile(wide, (n, 1)),
    )
    corners = [(m * (n_fs + gap) + offset[0], offset[1], 0) for m in range(n)]
    ss, fs = [[(0, detector.pixel_size[0], 0)] * n, [(1.0, 0, 0)] * n]
    geometry = Geometry(detector, *(np.array(v, dtype=float) for v in (corners, ss, fs)))
    return geometry.rotate((0, 0, angle)) if angle else geometry


def image_of(data, geometry, values="intensity", *, plan=None, fill=None, threads=1, **options):
    """Assemble with method "split"; dark, gain, mask and present are treatments."""
    names = ("dark", "gain", "mask", "mask_bits", "present")
    treatments = {name: options.pop(name) for name in names if name in options}
    dtype = options.pop("dtype", None)
    plan = plan or split_plan(geometry, threads=threads, **options)
    stack = as_stack(data, geometry.detector)
    dtype = np.dtype(dtype or mean_dtype(stack.dtype))
    treatment = check_treatment(stack.frames, geometry.detector, dtype, **treatments)
    image = np.full((*stack.frames, *plan.grid.shape), 77, dtype=dtype)
    run_split(plan, stack, treatment, image, values, fill, threads)
    return image


def without_wide_edges(geometry):
    """Return a geometry with nominal pixels only."""
    detector = replace(geometry.detector, wide_edges=None)
    return geometry.replace(detector=detector)


def polygon_areas(corners):
    """Areas of polygons, shape (…, n, 2 or 3), seen along the beam."""
    x, y = corners[..., 0], corners[..., 1]
    twice = np.sum(x * np.roll(y, -1, axis=-1) - np.roll(x, -1, axis=-1) * y, axis=-1)
    return np.abs(twice) / 2
