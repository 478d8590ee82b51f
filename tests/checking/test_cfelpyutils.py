"""The model of cfelpyutils against cfelpyutils: real files, and files spoilt at random."""

import contextlib
import io
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geomlib.checking.cfelpyutils import CfelGeometry, RefusedError
from geomlib.formats.crystfel.document import Document
from tests.formats.crystfel.samples import FOLDER, HEAD, PANEL, REAL_FILES, SMALL, changed, panel
from tests.shared import needs_shared_data

oracle = pytest.importorskip("cfelpyutils.geometry")

REGION = "bad_a/min_fs = 0\nbad_a/max_fs = 3\nbad_a/min_ss = 0\nbad_a/max_ss = 3\n"
_ERRORS = (ValueError, RuntimeError, IndexError, ZeroDivisionError)


def theirs(text):
    """What cfelpyutils reads, as `ours`; the kind of its error if it raises one."""
    try:
        # It prints what it thinks of badrow_direction.
        with contextlib.redirect_stdout(io.StringIO()):
            geometry = oracle.load_crystfel_geometry(io.StringIO(text, newline=None))
    except _ERRORS as problem:
        return type(problem).__name__
    detector = geometry.detector
    panels = {}
    for name, p in detector["panels"].items():
        panels[name] = (
            *(p[key] for key in ("cnx", "cny", "coffset", "res", "clen", "adu_per_eV")),
            *(p[key] for key in ("orig_min_fs", "orig_max_fs", "orig_min_ss", "orig_max_ss")),
            *([p[f"{v}{a}"] for a in "xyz"] for v in ("fs", "ss")),
            *(p[key] for key in ("data", "mask", "mask_file", "clen_from")),
            p["dim_structure"],
            p["no_index"],
        )
    bits = {key: detector[key] for key in ("mask_good", "mask_bad")}
    energy = geometry.beam["photon_energy"], geometry.beam["photon_energy_from"]
    regions = {name: region["panel"] for name, region in detector["bad"].items()}
    return panels, bits, energy, regions


def ours(text):
    try:
        found = CfelGeometry(Document(text))
    except RefusedError as problem:
        return problem.message.rpartition("(")[2].rstrip(")")
    panels = {}
    for name, p in found.panels.items():
        panels[name] = (
            *(
                p.numbers[key]
                for key in ("corner_x", "corner_y", "coffset", "res", "clen", "adu_per_eV")
            ),
            *(p.limits[key] for key in ("min_fs", "max_fs", "min_ss", "max_ss")),
            p.fs,
            p.ss,
            *(p.texts[key] for key in ("data", "mask", "mask_file", "clen_from")),
            p.dims,
            p.flags["no_index"],
        )
    energy = found.photon_energy, found.photon_energy_from
    regions = {name: region["panel"] for name, region in found.regions.items()}
    return panels, found.mask_bits, energy, regions


def same(a, b):
    """Equality in which NaN equals itself."""
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@needs_shared_data
@pytest.mark.parametrize("name", REAL_FILES)
def test_real_files(name):
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert same(ours(text), theirs(text))


LINES = [
    *(SMALL + panel("p1")).splitlines(),
    *("a=b", "res=5000", "res= 5000", "p0/coffset=0.5", "# hello", "# a = b", "", "; a = b"),
    *("p0/fs = y", "p0/ss = -x", "fs = +y", "p0/fs = 1e-3x", "p0/fs = 0.1x 0.9y", "p0/fs = +"),
    *("p0/fs = z", "p0/fs = nanx", "p0/fs = 1,0x", "p0/fs = X", "p0/fs = +1.0x +", "fs = -"),
    *("dim0 = %", "dim1 = ss", "dim2 = fs", "p0/dim0 = 3", "dim10 = ss", "dim = 3", "dimx = 3"),
    *("dim3 = -1", "dim0 = ss", "p1/dim2 = %", "dim1 = ٣"),
    *("p0/min_fs = 0.0", "p0/max_fs = 9e0", "p0/max_fs = 1_0", "p0/max_ss = 2", "p0/min_ss = -3"),
    *("p0/no_index = 0", "no_index = false", "p1/no_index =", "p0/res = 0", "res = nan"),
    *("clen = 100 mm", "clen = /a/b c", "p0/clen = 0.3", "coffset = 1 mm", "coffset = 0.1"),
    *("photon_energy = 9 keV", "photon_energy = /a/b eV", "photon_energy = beam", "wavelength = 1"),
    *("data = /entry 1/data", "data = entry", "mask = /m/%", "mask = m", "mask_file = a b.h5"),
    *("mask_good = 0x1", "mask_bad = ffff", "mask_bad = zz", "p0/mask_bad = 0x3"),
    *("mask0_badbits = 0x3", "mask1_badbits = q", "mask8_badbits = q", "max_adu = abc"),
    *REGION.splitlines(),
    *("bad_a/panel = p0", "bad_a/dim1 = 7", "bad_a/min_x = 3", "bad_b/min_x = abc", "bad_c/x = 1"),
    *("rigid_group_a = p0,p1", "rigid_group_a = p0, p7", "rigid_group_collection_c = a,b"),
    *("p0/rigid_group = a", "rigid_group = p0", "group_all = p0", "rail_direction = z"),
    *("badrow_direction = q", "p0/a/b = 3", "/res = 3", "p0//res = 3", "q/corner_x = 1", "/ = 3"),
]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("before", [True, False])
def test_one_line_more(line, before):
    text = f"{line}\n{SMALL}" if before else f"{SMALL}{line}\n"
    assert same(ours(text), theirs(text))


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=5), st.data())
def test_spoilt_files(lines, data):
    text = (HEAD + PANEL + panel("p1")).splitlines()
    for line in lines:
        text.insert(data.draw(st.integers(0, len(text))), line)
    if data.draw(st.booleans()):
        del text[data.draw(st.integers(0, len(text) - 1))]
    whole = data.draw(st.sampled_from(["\n", "\r\n", "\r"])).join(text)
    assert same(ours(whole), theirs(whole))


def test_lines_it_does_not_see():
    geometry = CfelGeometry(Document(changed("res = 5000", "res=5000") + "p0/res = 5000\n"))
    assert geometry.unseen == [(4, "res=5000")]


def test_other_encodings():
    with pytest.raises(RefusedError, match="UTF-8") as caught:
        CfelGeometry(Document.parse(b"; one\n; \xe9\n" + SMALL.encode()))
    assert caught.value.line == 2
