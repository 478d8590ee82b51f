"""Importing geomlib loads nothing heavy, and every public name is there."""

import subprocess
import sys

import pytest

import geomlib

HEAVY = ("numba", "h5py", "matplotlib", "pyFAI", "cfelpyutils", "typer", "rich", "xarray", "scipy")


def loaded_after(code):
    probe = f"import sys\n{code}\nprint(*sorted(m for m in sys.modules if '.' not in m))"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_import_is_light():
    assert loaded_after("import geomlib").isdisjoint({*HEAVY, "numpy"})


def test_building_a_geometry_loads_numpy_only():
    code = "import geomlib; geomlib.example_geometry('AGIPD-1M').pixel_positions()"
    modules = loaded_after(code)
    assert "numpy" in modules
    assert modules.isdisjoint(HEAVY)


@pytest.mark.parametrize(
    "name", ["open_frames", "AssembledImage", "assemble_data", "load_plan", "split_plan", "data"]
)
def test_names_of_assembly_do_not_load_the_compiler(name):
    assert loaded_after(f"import geomlib; geomlib.{name}").isdisjoint(HEAVY)


@pytest.mark.parametrize("name", geomlib.__all__)
def test_public_names(name):
    assert getattr(geomlib, name) is not None
    assert name in dir(geomlib)


@pytest.mark.parametrize(
    "name", ["assembly", "data", "detectors", "formats", "plotting", "simulate"]
)
def test_subpackages_need_no_import(name):
    code = f"import geomlib; assert geomlib.{name}.__name__ == 'geomlib.{name}'"
    assert "geomlib" in loaded_after(code)


def test_unknown_name():
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = geomlib.nonsense
