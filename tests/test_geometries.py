"""The files in geometries/ are those that the code writes, and say what it says."""

import h5py
import numpy as np
import pytest

from geometries.write import FOLDER, IN_HDF5, example_text, write_all
from geomlib.assembly import assemble_data
from geomlib.detectors import EXAMPLE_NAMES, example_geometry
from geomlib.formats.crystfel.acceptance import VERSIONS, rejections
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.read import read_crystfel
from geomlib.formats.euxfel import read_euxfel
from tests.shared import by_size

# Positions below 1 m, rounded a few times.
ROUNDING = 1e-15
STALE = "stale: run `make geometries`"


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_geom_files(name):
    path = FOLDER / f"{name}.geom"
    assert path.read_bytes() == example_text(name).encode("ascii"), STALE
    found, wanted = read_crystfel(path), example_geometry(name)
    assert found.detector == wanted.detector
    np.testing.assert_allclose(found.tile_outlines(), wanted.tile_outlines(), rtol=0, atol=ROUNDING)
    assert found.distance is not None
    assert found.photon_energy is not None
    for version in VERSIONS:
        assert rejections(Document.parse(path.read_bytes()), version) == []


@pytest.mark.parametrize("name", by_size(EXAMPLE_NAMES))
def test_geom_files_assemble_to_the_same_image(name):
    """Corners half-way between two pixels must not snap the other way after a round trip."""
    found, wanted = read_crystfel(FOLDER / f"{name}.geom"), example_geometry(name)
    data = np.arange(np.prod(wanted.data_shape), dtype=np.uint32).reshape(wanted.data_shape)
    images = [assemble_data(data, geometry) for geometry in (found, wanted)]
    np.testing.assert_array_equal(images[0].data, images[1].data)
    np.testing.assert_array_equal(images[0].centre, images[1].centre)


def datasets(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]}) if hasattr(item, "dtype") else None
        )
    return found


@pytest.mark.parametrize("name", IN_HDF5)
def test_hdf5_files(name, tmp_path):
    write_all(tmp_path)
    stored, fresh = datasets(FOLDER / f"{name}.h5"), datasets(tmp_path / f"{name}.h5")
    assert stored.keys() == fresh.keys(), STALE
    for key, value in stored.items():
        np.testing.assert_array_equal(value, fresh[key], err_msg=STALE)
    found, wanted = read_euxfel(FOLDER / f"{name}.h5"), example_geometry(name)
    np.testing.assert_allclose(found.tile_outlines(), wanted.tile_outlines(), rtol=0, atol=ROUNDING)


def test_no_other_files():
    expected = {f"{name}.geom" for name in EXAMPLE_NAMES} | {f"{name}.h5" for name in IN_HDF5}
    found = {path.name for path in FOLDER.iterdir() if path.suffix in (".geom", ".h5")}
    assert found == expected
