"""Save where psana finds the centres of all pixels of files; runs in an environment with psana.

Usage: python psana_centres.py FILE… : each FILE.data gives a FILE.npy, (…, rows, columns, 3) in µm
in psana's frame of the lab, and prints the shape.
"""

import sys
from pathlib import Path

import numpy as np
from psana.pscalib.geometry.GeometryAccess import GeometryAccess

for name in sys.argv[1:]:
    centres = np.stack(GeometryAccess(name).get_pixel_coords(cframe=1), axis=-1)
    np.save(Path(name).with_suffix(".npy"), centres)
    print(name, centres.shape)
