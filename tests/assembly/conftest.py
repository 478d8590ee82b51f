"""Runs of European XFEL, as EXtra-data opens them."""

import numpy as np
import pytest
from extra_data import H5File

import geomlib
from geomlib.simulate import write_euxfel_file


@pytest.fixture(scope="session")
def agipd_run(tmp_path_factory):
    """Two trains of three frames; module 5 has no data in the first, module 2 none in the second.

    Geometry, frames, which modules are there in each frame, and the open run.
    """
    folder = tmp_path_factory.mktemp("run")
    geometry = geomlib.example_geometry("AGIPD-500K")
    data = np.random.default_rng(3).normal(100, 9, (6, *geometry.data_shape)).astype("f4")
    present = np.ones((6, 8), dtype=bool)
    present[:3, 5] = present[3:, 2] = False
    for number, missing in ((0, 5), (1, 2)):
        write_euxfel_file(
            folder / f"RAW-R0001-AGIPD{number:02d}-S00000.h5",
            data[3 * number : 3 * number + 3],
            geometry,
            missing_modules=[missing],
            first_train=1000 + number,
        )
    first, second = (H5File(path) for path in sorted(folder.iterdir()))
    run = first.union(second)
    yield geometry, data, present, run
    for file in run.files:
        file.close()
