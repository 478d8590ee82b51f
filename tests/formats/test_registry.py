"""Formats are found by content, named in errors, and written by suffix."""

import subprocess
import sys

import h5py
import pytest

import geomlib
from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
from geomlib.formats import registry
from geomlib.formats.format import Format
from geomlib.formats.losses import GeometryLossError
from geomlib.formats.registry import format_named, formats, register
from tests.formats.crystfel.samples import SMALL


def test_a_file_is_recognised_by_its_content(tmp_path):
    for name in ("a.geom", "b.txt", "c"):
        path = tmp_path / name
        path.write_text("; a long head\n" * 100 + SMALL)
        assert geomlib.read_geometry(path).source.format == "crystfel"
    assert geomlib.read_geometry(str(path), format="crystfel", detector="generic").n_tiles == 1


def test_a_suffix_decides_when_the_content_does_not(tmp_path):
    path = tmp_path / "odd.geom"
    path.write_text("hello = world\n")
    with pytest.raises(GeometryFileError, match="found no panel"):
        geomlib.read_geometry(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty; expected a geometry"),
        (b" \n\n", "is empty"),
        (b"hello world\nmore", "found text that begins with 'hello world'; known are 'crystfel'"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", r"found binary data that begins with b'\\x89PNG"),
        (b"\xff\xff", "found text that begins with"),
    ],
)
def test_files_that_are_no_geometry(tmp_path, data, message):
    path = tmp_path / "some.dat"
    path.write_bytes(data)
    with pytest.raises(GeometryFileError, match=message) as caught:
        geomlib.read_geometry(path)
    assert caught.value.path == str(path)


def test_hdf5_files_without_a_geometry(tmp_path):
    path = tmp_path / "run.h5"
    with h5py.File(path, "w") as file:
        file["Q1/Position"] = [1.0, 2.0]
    with pytest.raises(GeometryFileError, match=r"run\.h5: no geometry in this HDF5 file"):
        geomlib.read_geometry(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(GeometryFileError, match=r"run\.h5: not a readable HDF5 file"):
        geomlib.read_geometry(path)


def test_an_option_that_there_is_not_names_the_file(tmp_path):
    path = tmp_path / "a.geom"
    path.write_text(SMALL)
    with pytest.raises(GeometryFileError, match=r"a\.geom: to read 'crystfel' files .*'nope'"):
        geomlib.read_geometry(path, nope=1)
    with pytest.raises(GeometryFileError, match=r"b\.geom: .*'nope'; the options are adu_per_ev,"):
        geomlib.write_geometry(geomlib.read_geometry(path), tmp_path / "b.geom", nope=1)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(GeometryFileError, match="there is no such file"):
        geomlib.read_geometry(tmp_path / "none.geom")
    with pytest.raises(GeometryFileError, match="is a folder"):
        geomlib.read_geometry(tmp_path)


def test_unknown_format(tmp_path):
    path = tmp_path / "a.geom"
    path.write_text(SMALL)
    with pytest.raises(GeometryError, match=r"format='cif' is not known; there are 'crystfel'"):
        geomlib.read_geometry(path, format="cif")
    with pytest.raises(GeometryError, match="is not known"):
        geomlib.write_geometry(geomlib.read_geometry(path), path, format="cif")


def test_the_suffix_says_how_to_write(tmp_path):
    path = tmp_path / "a.geom"
    path.write_text(SMALL)
    geom = geomlib.read_geometry(path)
    geomlib.write_geometry(geom, tmp_path / "b.GEOM")
    assert (tmp_path / "b.GEOM").read_text() == SMALL
    with pytest.raises(GeometryError, match=r"end with '.h5': say format='euxfel'"):
        geomlib.write_geometry(geom, tmp_path / "b.h5")
    with pytest.raises(GeometryError, match=r"suffix '\.foo' does not say how to write"):
        geomlib.write_geometry(geom, tmp_path / "b.foo")
    with pytest.raises(GeometryError, match="name without a suffix"):
        geomlib.write_geometry(geom, tmp_path / "b")
    with pytest.raises(GeometryError, match="must be a Geometry, not str"):
        geomlib.write_geometry("a.geom", tmp_path / "b.geom")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.geom", "b.GEOM"]


def test_a_format_registers_once(monkeypatch):
    monkeypatch.setattr(registry, "_FORMATS", dict(registry._FORMATS))
    fmt = Format("mine", (".mine",), "os.path:samefile", "json:loads", "json:dumps", text=True)
    register(fmt)
    assert format_named("mine") is fmt
    assert list(formats())[-1] is fmt
    with pytest.raises(GeometryError, match="there is a format 'mine' already"):
        register(fmt)
    with pytest.raises(GeometryError, match="'crystfel' already"):
        register(format_named("crystfel"))


def test_finding_formats_imports_none_of_them():
    code = (
        "import sys, geomlib.formats\n"
        "list(geomlib.formats.registry.formats())\n"
        "late = ['geomlib.formats.euxfel', 'geomlib.formats.crystfel.read', 'h5py']\n"
        "assert not [m for m in late if m in sys.modules]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_other_packages_add_formats(monkeypatch, tmp_path):
    (tmp_path / "their_formats.py").write_text(
        "from pathlib import Path\n"
        "from geomlib.formats.registry import Format\n"
        "import geomlib\n"
        "def recognise(path, first): return first.startswith(b'grid of ')\n"
        "def read(path, *, detector=None):\n"
        "    n = int(Path(path).read_text().split()[-1])\n"
        "    return geomlib.detectors.generic([(0, 0)], (n, n), 1e-4, name='theirs')\n"
        "def write(geometry, path): Path(path).write_text(f'grid of {geometry.data_shape[1]}')\n"
        "place = 'their_formats:'\n"
        "GRID = Format('grid', ('.grid',), place + 'recognise', place + 'read', place + 'write',\n"
        "              text=True)\n"
        "NOTHING = 3\n"
    )
    package = tmp_path / "their_formats-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: their-formats\nVersion: 1\n")
    (package / "entry_points.txt").write_text(
        "[geomlib.formats]\ngrid = their_formats:GRID\nbroken = their_formats:NOTHING\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_FORMATS", dict(registry._FORMATS))
    monkeypatch.setitem(registry._state, "others", False)
    (tmp_path / "a.grid").write_text("grid of 7")
    broken = r"the format 'broken' \(their_formats:NOTHING\) is left out: expected a Format, .* int"
    with pytest.warns(GeometryWarning, match=broken):
        geom = geomlib.read_geometry(tmp_path / "a.grid")
    assert geom.data_shape == (1, 7, 7)
    report = geomlib.write_geometry(geom, tmp_path / "b.grid")
    assert (tmp_path / "b.grid").read_text() == "grid of 7"
    assert not report
    with pytest.raises(GeometryLossError, match=r"up to 1e\+06 µm away \(p0a0\)"):
        geomlib.write_geometry(geom.offset((0, 0, 1)), tmp_path / "b.grid")
    assert format_named("grid").text
