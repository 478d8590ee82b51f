"""What formats need of the experiment."""

import pytest

from geomlib.detectors import example_geometry
from geomlib.errors import GeometryError
from geomlib.formats.dials_write import write_dials
from geomlib.formats.dragonfly import write_dragonfly
from geomlib.formats.experiment import needed_distance, needed_photon_energy
from geomlib.formats.nxmx_write import write_nxmx


def test_what_is_known():
    geometry = example_geometry("ePix100").replace(distance=0.3, photon_energy=7000.0)
    assert needed_distance(geometry, "X") == 0.3
    assert needed_photon_energy(geometry, "X") == 7000


@pytest.mark.parametrize("write", [write_nxmx, write_dials, write_dragonfly])
def test_what_is_not_known_is_asked_for(write, tmp_path):
    bare = example_geometry("ePix100")
    said = r"the geometry has no distance, which \w+ needs: pass distance=…, in metres$"
    with pytest.raises(GeometryError, match=said):
        write(bare, tmp_path / "a")
    if write is not write_dragonfly:
        said = r"the geometry has no photon energy, which \w+ needs: pass photon_energy=…, in eV$"
        with pytest.raises(GeometryError, match=said):
            write(bare.replace(distance=0.3), tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
