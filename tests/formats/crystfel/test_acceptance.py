"""Which versions of CrystFEL accept a file: all verdicts on real files, and each rule alone."""

import pytest

from geomlib.formats.crystfel.acceptance import VERSIONS, rejection_summary, rejections
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.panels import PanelView
from tests.formats.crystfel.samples import (
    FOLDER,
    HEAD,
    REAL_FILES,
    SMALL,
    changed,
    panel,
    reference,
)
from tests.shared import needs_shared_data

ALL = set(VERSIONS)
NEW, OLD, SINCE_10 = {"0.12"}, {"0.9.1", "0.10.2"}, {"0.10.2", "0.12"}


def rejecting(text: str) -> set[str]:
    document = Document.parse(text.encode())
    return {version for version in VERSIONS if rejections(document, version)}


@needs_shared_data
@pytest.mark.parametrize("name", REAL_FILES)
def test_verdicts_on_real_files(name):
    document = Document.parse((FOLDER / name).read_bytes(), name)
    found = {v: "rejected" if rejections(document, v) else "accepted" for v in VERSIONS}
    assert found == reference()[name]["crystfel"]


REGION = "bad_a/min_fs = 0\nbad_a/max_fs = 3\nbad_a/min_ss = 0\nbad_a/max_ss = 3\n"
SECOND = panel("p1")

CASES = {
    "small": (SMALL, set()),
    "stray line": (SMALL + "# hello\n", SINCE_10),
    "byte order mark": ("\ufeff" + SMALL, SINCE_10),
    "no spaces": (changed("res = 5000", "res=5000"), {"0.9.1"}),
    "no beam": (changed("photon_energy = 9000\n", ""), SINCE_10),
    "two spaces before the unit": (changed("= 9000", "= 9000  eV"), SINCE_10),
    "keV": (changed("= 9000", "= 9 keV"), set()),
    "energy from a place": (changed("= 9000", "= /a/b eV"), set()),
    "wavelength": (changed("photon_energy = 9000", "wavelength = 1.0 A"), set()),
    "wavelength without a unit": (changed("photon_energy = 9000", "wavelength = 1.0"), SINCE_10),
    "wavelength in nm": (changed("photon_energy = 9000", "wavelength = 1.0 nm"), SINCE_10),
    "electrons": (changed("photon_energy = 9000", "electron_voltage = 300 kV"), set()),
    "a bad beam line before a good one": ("wavelength = 1.0\n" + SMALL, SINCE_10),
    "no clen": (changed("clen = 0.1\n", ""), ALL),
    "clen of a panel": (SMALL + "p0/clen = 0.1\n", NEW),
    "clen at the end": (changed("clen = 0.1\n", "") + "clen = 0.1\n", OLD),
    "no panels": (HEAD, ALL),
    "no range": (changed("p0/max_fs = 9\n", ""), ALL),
    "negative range": (changed("min_fs = 0", "min_fs = -1"), ALL),
    "turned range": (changed("min_fs = 0", "min_fs = 12"), set()),
    "no corner": (changed("p0/corner_y = -2.5\n", ""), ALL),
    "NaN corner": (changed("-2.5", "nan"), ALL),
    "corner that is no number": (changed("-2.5", "abc"), set()),
    "no res": (changed("res = 5000\n", ""), ALL),
    "negative res": (changed("5000", "-1"), ALL),
    "res of 0": (changed("5000", "0"), set()),
    "no fs": (changed("p0/fs = x\n", ""), SINCE_10),
    "vector with exponent": (changed("fs = x", "fs = 1e-3x"), ALL),
    "no adu": (changed("adu_per_eV = 1\n", ""), ALL),
    "no ss in dims": ("dim0 = %\n" + SMALL, ALL),
    "fs before ss": ("dim0 = fs\ndim1 = ss\n" + SMALL, NEW),
    "bad dim is ignored": ("dim0 = foo\n" + SMALL, set()),
    "bits without mask": ("mask_bad = 1\n" + SMALL, NEW),
    "no bits without mask": ("mask_bad = 0\n" + SMALL, set()),
    "mask without slash": ("mask = here\nmask_bad = 1\n" + SMALL, NEW),
    "mask file without mask": ("mask_file = m.h5\n" + SMALL, NEW),
    "mask with more %": ("mask = /a/%/b\n" + SMALL, NEW),
    "mask with as many %": ("data = /%/b\nmask = /a/%/b\n" + SMALL, set()),
    "wrong mask key": ("mask0_foo = /m\n" + SMALL, NEW),
    "edge of 2.5 pixels": ("mask_edge_pixels = 2.5\n" + SMALL, NEW),
    "17 flags": ("flag_equal = 1\n" * 17 + SMALL, NEW),
    "16 flags": ("flag_equal = 1\n" * 16 + SMALL, set()),
    "trailing default": (SMALL + "coffset = 0.1\n", SINCE_10),
    "unknown key at the end": (SMALL + "foo = 0.1\n", SINCE_10),
    "unknown key": ("foo = 0.1\n" + SMALL, set()),
    "region without panel": (SMALL + REGION, set()),
    "region without panel, two panels": (SMALL + SECOND + REGION, SINCE_10),
    "region of a panel": (SMALL + SECOND + REGION + "bad_a/panel = p1\n", set()),
    "region of an unknown panel": (SMALL + REGION + "bad_a/panel = pp\n", SINCE_10),
    "region out of its panel": (
        SMALL + REGION.replace("= 3", "= 30") + "bad_a/panel = p0\n",
        SINCE_10,
    ),
    "mixed region": (SMALL + REGION + "bad_a/min_x = 3\n", ALL),
    "group": ("group_all = p0\n" + SMALL, set()),
    "group at the end": (SMALL + "group_all = p0\n", {"0.10.2"}),
    "group with blanks": ("group_all = p0, p1\n" + SMALL + SECOND, NEW),
    "group with a panel's name": ("group_p0 = p0\n" + SMALL, NEW),
    "group of 65": (
        f"group_all = {','.join(f'p{i}' for i in range(65))}\n"
        + SMALL
        + "".join(panel(f"p{i}") for i in range(1, 65)),
        NEW,
    ),
    "rigid group of an unknown panel": (SMALL + "rigid_group_a = p7\n", OLD),
    "collection of an unknown group": (SMALL + "rigid_group_collection_a = p7\n", OLD),
    "wrong peak list": ("peak_list_type = foo\n" + SMALL, NEW),
}


@pytest.mark.parametrize(("text", "versions"), CASES.values(), ids=CASES.keys())
def test_rule(text, versions):
    assert rejecting(text) == versions


def test_a_reason_names_line_and_key():
    document = Document.parse((SMALL + "p0/clen = 0.1\n").encode())
    (reason,) = rejections(document, "0.12")
    assert (reason.line, reason.key) == (13, "p0/clen")
    assert "single panels" in reason.message


def test_the_summary_says_who_minds_what():
    view = PanelView(Document.parse(changed("photon_energy = 9000\n", "").encode()))
    assert rejection_summary(view) == (
        "CrystFEL 0.10.2 and 0.12 reject this file: "
        "no photon_energy, wavelength or electron_voltage"
    )
    assert rejection_summary(PanelView(Document.parse(SMALL.encode()))) == ""
