"""What is found in the real files; docs/check.md states the same numbers."""

from collections import Counter
from functools import cache

import pytest

from geomlib import check_geometry
from geomlib.checking import check_document, mend
from geomlib.checking.mend import read_document
from tests.formats.crystfel.samples import FOLDER, REAL_FILES, reference
from tests.shared import SHARED_DATA, needs_shared_data

pytestmark = needs_shared_data

#: Files with each finding. Every one was looked at: none is a false alarm.
EXPECTED = {
    ("error", "distance"): 1,  # 205 m: a Pilatus at 205 mm
    ("warning", "axes-swapped"): 3,
    ("warning", "bad-region"): 5,
    ("warning", "clen-of-panels"): 43,
    ("warning", "doubtful"): 2,  # templates with $BLANKS
    ("warning", "mask"): 3,
    ("warning", "misread"): 14,  # 2 CSPAD by cfelpyutils, 12 pnCCD by EXtra-geom
    ("warning", "no-adu-scale"): 24,
    ("warning", "no-distance"): 7,
    ("warning", "no-energy"): 45,
    ("warning", "no-vector"): 9,
    ("warning", "rows-through-modules"): 1,
    ("warning", "stray-line"): 1,
    ("warning", "trailing-default"): 2,
    ("note", "axes-swapped"): 1,
    ("note", "doubtful"): 6,
    ("note", "energy"): 2,  # electrons
    ("note", "group"): 2,
    ("note", "mirrored-detector"): 6,  # SwissFEL, LCLS, an Eiger
    ("note", "overlapping-tiles"): 2,  # 0.9 and 1.2 pixels
    ("note", "repeated-key"): 1,
    ("note", "skewed-steps"): 4,
    ("note", "step-length"): 4,
    ("note", "tile-gap"): 2,  # tiles of several AGIPD modules stacked as one
    ("note", "trailing-default"): 9,
    ("note", "turned-tiles"): 2,  # the same
}
#: Files that CrystFEL 0.12 reads and that are not clean, and why.
TRUE_ALARMS = {
    "AGIPD_YellowSub17_dfly-p6933_agipd_linear_c305d44.geom": "rows-through-modules",
    "Lambda_galchenm_P09_lambda1M5.geom": "doubtful",
    "Pilatus_galchenm_P09_pilatus6M_219mm.geom": "doubtful",
}


@cache
def report_of(name):
    return check_geometry(FOLDER / name)


def test_counts():
    files = Counter()
    for name in REAL_FILES:
        files.update({(f.severity, f.code) for f in report_of(name)})
    assert files == EXPECTED


def test_no_false_alarms():
    """What the newest CrystFEL reads is clean, but for the mistakes that were looked at."""
    alarms = {}
    for name in REAL_FILES:
        report = report_of(name)
        accepted = reference()[name]["crystfel"]["0.12"] == "accepted"
        if not accepted:
            assert not report.is_clean
        elif not report.is_clean:
            (alarms[name],) = {f.code for f in report if f.severity != "note"}
    assert alarms == TRUE_ALARMS


@pytest.mark.parametrize("name", REAL_FILES)
def test_findings_name_what_is_in_the_file(name):
    document = read_document(FOLDER / name)
    lines = document.text.splitlines()
    panels = {a.panel for a in document.assignments}
    report = report_of(name)
    for finding in report:
        assert set(finding.tiles) <= panels
        if finding.line is not None and finding.key is not None:
            key = finding.key.rpartition("/")[2]
            assert key in lines[finding.line - 1] or finding.code == "bad-region"  # it is missing


@pytest.mark.parametrize("name", REAL_FILES)
def test_mends_make_nothing_worse(name):
    document = read_document(FOLDER / name)
    mended = mend(document)
    before, after = report_of(name), check_document(mended.document)
    if before.is_clean:
        assert after.is_clean
    for old, new in zip(before.readers, after.readers, strict=True):
        assert new.accepts or not old.accepts
        assert old.wrong_positions or not new.wrong_positions
    assert mend(mended.document).changes == ()


def test_a_module_whose_tiles_all_lie_on_each_other():
    quads = [(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)]
    path = SHARED_DATA / "euxfel_h5" / "lpd_mar_18_axesfixed.h5"
    report = check_geometry(path, quad_positions=quads)
    wrong = {f.code: f.tiles for f in report if f.severity != "note"}
    assert set(wrong) == {"overlapping-tiles", "tile-gap", "module-gap", "doubtful"}
    assert wrong["tile-gap"] == tuple(f"p5a{a}" for a in range(16))


def test_positions_with_inverted_signs():
    """The first LPD file, without ``invert``: everything is the wrong way round."""
    quads = [(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)]
    path = SHARED_DATA / "euxfel_h5" / "lpd_mar_18.h5"
    report = check_geometry(path, quad_positions=quads)
    assert {"tile-order", "module-order", "doubtful"} <= {f.code for f in report}
    inverted = check_geometry(path, quad_positions=quads, invert=True)
    assert {"tile-order", "module-order"}.isdisjoint(f.code for f in inverted)


def test_a_good_dssc():
    quads = [(-124.1, 3.112), (-133.068, -110.604), (0.988, -125.236), (4.528, -4.912)]
    report = check_geometry(SHARED_DATA / "euxfel_h5" / "dssc_geo_june19.h5", quad_positions=quads)
    assert report.is_clean


def test_positions_of_the_old_kind():
    """``invert`` turns the tiles; positions for the file as it is have both signs wrong then."""
    quads = [(-11.4, -299), (11.5, -8), (-254.5, 16), (-278.5, -275)]
    path = SHARED_DATA / "euxfel_h5" / "lpd_mar_18.h5"
    report = check_geometry(path, quad_positions=quads, invert=True)
    (wrong,) = [f for f in report if f.severity == "error"]
    assert wrong.code == "quadrants-sign"
    assert "x and y have the wrong sign" in wrong.message
