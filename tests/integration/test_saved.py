"""Integrators in files."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

import geomlib
from geomlib import StackIntegrator
from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
from tests.integration.small import counts, same, small_geometry

WAYS = [
    {},
    {"split": "bbox", "npt_azim": 5, "polarisation": 0.9},
    {"unit": "chi_deg", "radial_range": (1, 5)},
    {"method": "sigma_clip", "clip": 2.5, "error_model": "azimuthal"},
    {"mask": np.arange(2 * 20 * 32).reshape(2, 20, 32) % 7 == 0, "range": (0.5, 4.0)},
]


@pytest.mark.parametrize("options", WAYS, ids=lambda way: ", ".join(way) or "plain")
def test_what_is_read_is_what_was_written(options, tmp_path):
    geometry = small_geometry()
    own = StackIntegrator(geometry, 25, **options)
    own.save(tmp_path / "plan.h5")
    back = StackIntegrator.load(tmp_path / "plan.h5", geometry, threads=2)
    assert back.request == own.request
    assert back.settings == own.settings
    data = counts(geometry, 4)
    assert same(back.integrate(data), own.integrate(data))
    np.testing.assert_array_equal(back.radial, own.radial)


def test_reading_needs_no_pyfai(tmp_path):
    geometry = geomlib.example_geometry("ePix10K").replace(distance=0.2, photon_energy=9000.0)
    StackIntegrator(geometry, 25).save(tmp_path / "plan.h5")
    code = (
        "import sys, numpy as np, geomlib\n"
        "geom = geomlib.example_geometry('ePix10K').replace(distance=0.2, photon_energy=9000.0)\n"
        f"own = geomlib.StackIntegrator.load({str(tmp_path / 'plan.h5')!r}, geom)\n"
        "print(own.integrate(np.ones(geom.data_shape, 'f4')).shape, 'pyFAI' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(25,) False\n"


def test_another_geometry_is_refused(tmp_path):
    StackIntegrator(small_geometry(), 25).save(tmp_path / "plan.h5")
    with pytest.raises(GeometryError, match="another geometry"):
        StackIntegrator.load(tmp_path / "plan.h5", small_geometry().offset((1e-3, 0)))


def test_bad_regions_and_the_beam_belong_to_what_was_worked_out(tmp_path):
    geometry = small_geometry()
    StackIntegrator(geometry, 25).save(tmp_path / "plan.h5")
    region = geomlib.BadRegion("bad_half", x=(-1.0, 0.0), y=(-1.0, 1.0))
    with pytest.raises(GeometryError, match="other bad regions"):
        StackIntegrator.load(tmp_path / "plan.h5", geometry.replace(bad_regions=(region,)))
    with pytest.warns(GeometryWarning, match=r"a distance of 0.15 m, which is used; .* 5 m"):
        StackIntegrator.load(tmp_path / "plan.h5", geometry.replace(distance=5.0))
    with pytest.raises(GeometryError, match="geometry must be a Geometry, not str"):
        StackIntegrator.load(tmp_path / "plan.h5", "agipd.geom")


def test_starts_that_would_wrap_around_are_found(tmp_path):
    geometry, path = small_geometry(), tmp_path / "plan.h5"
    StackIntegrator(geometry, 25, split="bbox").save(path)
    with h5py.File(path, "r+") as file:
        starts = file["starts"][()]
        starts[1:4] = 2**31 - 1, -(2**31), -1
        file["starts"][...] = starts
    with pytest.raises(GeometryFileError, match=r"starts.*out of range"):
        StackIntegrator.load(path, geometry)
    for options in ('"method": "foo"', '"clip": "a"', '"max_iterations": -3'):
        StackIntegrator(geometry, 25).save(path)
        with h5py.File(path, "r+") as file:
            name = options.partition(":")[0]
            about = file.attrs["options"].decode()
            start = about.index(name)
            end = min(i for i in (about.find(",", start), about.find("}", start)) if i > 0)
            file.attrs["options"] = np.bytes_(about[:start] + options + about[end:])
        with pytest.raises(GeometryError, match=name.strip('"')):
            StackIntegrator.load(path, geometry)
    StackIntegrator(geometry, 25).save(path)
    with h5py.File(path, "r+") as file:
        del file["radial"]
        file["radial"] = np.zeros(7)
    with pytest.raises(GeometryFileError, match=r"radial.*must be 25 numbers"):
        StackIntegrator.load(path, geometry)


def test_damage_is_found(tmp_path):
    geometry, path = small_geometry(), tmp_path / "plan.h5"
    with pytest.raises(GeometryFileError, match="no such file"):
        StackIntegrator.load(path, geometry)
    path.write_bytes(b"no HDF5")
    with pytest.raises(GeometryFileError, match="no readable HDF5 file"):
        StackIntegrator.load(path, geometry)
    for name, change in [("bins", 25), ("bins", -2), ("parts", np.nan), ("starts", 10**6)]:
        StackIntegrator(geometry, 25, split="bbox").save(path)
        with h5py.File(path, "r+") as file:
            file[name][5] = change
        with pytest.raises(GeometryFileError, match=rf"{name}.*out of range"):
            StackIntegrator.load(path, geometry)
    StackIntegrator(geometry, 25).save(path)
    with h5py.File(path, "r+") as file:
        del file["norms"]
    with pytest.raises(GeometryFileError, match=r"norms.*must be a list of float32"):
        StackIntegrator.load(path, geometry)
    with h5py.File(path, "w") as file:
        file.attrs["format"] = np.bytes_("something else")
    with pytest.raises(GeometryFileError, match="says format 'something else'"):
        StackIntegrator.load(path, geometry)
