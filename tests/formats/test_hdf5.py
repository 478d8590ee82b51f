"""HDF5 files that are not to be trusted: links, texts, and very many members."""

import os

import h5py
import numpy as np
import pytest

from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
from geomlib.fixed_text import fixed
from geomlib.formats import hdf5
from geomlib.formats.cxi import is_cxi
from geomlib.formats.dragonfly import is_dragonfly
from geomlib.formats.euxfel import is_euxfel_geometry
from geomlib.formats.nxmx import is_nxmx
from geomlib.formats.pixel_map_file import recognise_pixel_map

RECOGNISERS = [is_cxi, is_dragonfly, is_euxfel_geometry, is_nxmx, recognise_pixel_map]
#: What each of them looks for first.
NAMES = ["cxi_version", "entry_1", "qx", "qy", "qz", "corr", "Q1", "entry", "x", "y", "z"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


# -- Errors ---------------------------------------------------------------------------------


def test_what_h5py_raises_is_damage(path):
    with h5py.File(path, "w") as file:
        file["a"] = 1.0
    with pytest.raises(GeometryFileError, match=r"a\.h5: not a readable HDF5 file") as caught:  # noqa: SIM117
        with hdf5.opened(path) as file:
            file["b"]
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(
    "mistake", [KeyError("b"), TypeError("b"), ValueError("b"), AttributeError("b"), OSError("b")]
)
def test_mistakes_of_ours_stay_visible(mistake, path):
    h5py.File(path, "w").close()
    with pytest.raises(type(mistake)) as caught, hdf5.opened(path):
        raise mistake
    assert caught.value is mistake


def test_other_errors_pass(path):
    h5py.File(path, "w").close()
    with pytest.raises(GeometryError, match=r"^a must be b$") as caught, hdf5.opened(path):
        raise GeometryError("a must be b")
    assert type(caught.value) is GeometryError


# -- Links ----------------------------------------------------------------------------------


def test_links_inside_are_followed_and_others_are_not(path):
    with h5py.File(path, "w") as file:
        file["a/b"] = 5.0
        file["out"] = h5py.ExternalLink("other.h5", "/a")
        links = {
            "here": "/a/b",
            "twice": "here",
            "a/relative": "b",
            "dots": "././a//b",
            "nowhere": "/a/c",
            "through": "/out/b",
            "in_a_number": "/a/b/c",
            "round": "round",
            "one": "two",
            "two": "one",
        }
        for name, target in links.items():
            file[name] = h5py.SoftLink(target)
    with h5py.File(path) as file:
        for name in ("here", "twice", "dots"):
            assert hdf5.child(file, name)[()] == 5
        assert hdf5.child(file["a"], "relative")[()] == 5
        for name, said in {
            "nowhere": r"\[/nowhere\]: is a link to nowhere",
            "through": r"\[/out\]: is a link to another file, 'other\.h5'",
            "in_a_number": "leads nowhere, or round in a circle",
            "round": "leads nowhere, or round in a circle",
            "one": "leads nowhere, or round in a circle",
            "gone": r"\[/gone\]: missing",
        }.items():
            with pytest.raises(GeometryFileError, match=said):
                hdf5.child(file, name)
        assert hdf5.has(file, "nowhere")
        assert not hdf5.has(file, "gone")
        assert hdf5.is_here(file, "a")
        assert not hdf5.is_here(file, "here")


@pytest.mark.parametrize("link", [h5py.ExternalLink, None])
def test_recognisers_open_no_pipe(link, path, tmp_path):
    """A link to a pipe would wait for ever, behind a soft link, too."""
    os.mkfifo(tmp_path / "pipe")
    outside = h5py.ExternalLink(str(tmp_path / "pipe"), "/x")
    with h5py.File(path, "w") as file:
        file["outside"] = outside
        for name in NAMES:
            file[name] = outside if link else h5py.SoftLink("/outside/x")
    found = [test(path, path.read_bytes()[:64]) for test in RECOGNISERS]
    # That there is a version of CXI says enough.
    assert found == [True, False, False, False, False]


# -- Members --------------------------------------------------------------------------------


def test_members_of_a_small_group_in_the_order_of_h5py(path):
    with h5py.File(path, "w", track_order=True) as file:
        for name in ("b", "a", "ä", "c"):
            file[name] = 1
        file["d"] = h5py.ExternalLink("other.h5", "/d")
        file["e"] = h5py.SoftLink("/a")
        assert list(hdf5.members(file)) == ["b", "a", "ä", "c"]
        assert len(list(hdf5.members(file, 2))) == 2


def test_very_many_members_are_not_looked_at(path, monkeypatch):
    with h5py.File(path, "w") as file:
        inner = file.create_group("a0")
        for i in range(1, 20_000):
            file[f"a{i}"] = inner
    looked_at = []
    get = h5py.Group.get

    def counted(group, name, *args, **options):
        looked_at.append(name)
        return get(group, name, *args, **options)

    monkeypatch.setattr(h5py.Group, "get", counted)
    for test in RECOGNISERS:
        looked_at.clear()
        assert not test(path, path.read_bytes()[:64])
        # Those in the file, and single names.
        assert len(looked_at) <= hdf5.MOST_MEMBERS + 10


def test_groups_are_found_by_class(path):
    with h5py.File(path, "w") as file:
        for name, kind in {"e": "NXentry", "e/i": "NXinstrument", "e/i/d": b"NXdetector"}.items():
            file.create_group(name).attrs["NX_class"] = kind
        file.create_group("odd").attrs["NX_class"] = ["NXentry", "NXentry"]
        file.create_group("e/x").attrs["NX_class"] = np.zeros(2)
        file["e/i/data"] = 1
        found = list(hdf5.find(file, "NXentry", "NXinstrument", "NXdetector"))
        assert [group.name for group in found] == ["/e/i/d"]
        assert not list(hdf5.find(file, "NXentry", "NXdetector"))
        assert not list(hdf5.find(file, "NXentry", "NXinstrument", turns=iter([0])))


# -- Texts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["one", "", "µ\u2028", "a\0b", "\ud800"])
def test_notes_there_and_back(text, path):
    with h5py.File(path, "w") as file:
        file["a"] = fixed(text)
        assert file["a"].dtype.kind == "S"
        # As JSON has it, for notes are JSON.
        assert hdf5.note(file, "a") == text.replace("\ud800", "\\ud800")
        assert hdf5.note(file, "b") is None


@pytest.mark.parametrize(
    "note",
    [
        {"data": "of variable length"},
        {"data": [b"two", b"of them"]},
        {"data": 5.0},
        {"shape": (), "dtype": "S2000000000"},
        {"shape": (1,), "dtype": "S10", "maxshape": (None,), "chunks": (1 << 27,)},
    ],
)
def test_notes_that_are_not_read(note, path):
    with h5py.File(path, "w") as file:
        file.create_dataset("a", **note)
        with pytest.warns(GeometryWarning, match=r"a\.h5 \[/a\]: expected a text of fixed length"):
            assert hdf5.note(file, "a") is None


def test_short_texts_of_others(path):
    with h5py.File(path, "w") as file:
        file["a"], file["b"] = "variable", np.bytes_(b"fixed")
        file.create_dataset("c", (), "S70000")
        assert hdf5.text(file, "a") == "variable"
        assert hdf5.text(file, "b") == "fixed"
        assert hdf5.text(file, "d") is None
        with pytest.raises(GeometryFileError, match=r"\[/c\]: expected a short text"):
            hdf5.text(file, "c")
        file.attrs["a"], file.attrs["b"], file.attrs["c"] = "x", [b"y"], ["x", "y"]
        assert hdf5.attribute(file, "a") == "x"
        assert hdf5.attribute(file, "b") == "y"
        assert hdf5.attribute(file, "z", "default") == "default"
        with pytest.raises(GeometryFileError, match=r"\[/@c\]: expected a short text"):
            hdf5.attribute(file, "c")


def test_claims_of_chunks_are_not_believed(path):
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset("a", (2, 2), "u1", maxshape=(None, None), chunks=(1 << 16, 1 << 15))
    with h5py.File(path) as file, pytest.raises(GeometryFileError, match="claims"):
        hdf5.numbers(file, "a")
