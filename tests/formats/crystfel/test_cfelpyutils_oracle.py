"""cfelpyutils reads the same where it is right; each place where it is wrong is shown."""

import pytest

from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.crystfel.read import read_crystfel
from tests.formats.crystfel.samples import FOLDER, REAL_FILES, SMALL, changed
from tests.shared import needs_shared_data

geometry = pytest.importorskip("cfelpyutils.geometry")

# Its vectors keep the axes that a later line does not name.
WRONG_VECTORS = "CSPAD_biochem-fan_CrystFEL_cspad-feb2011"


def cfel(path):
    return geometry.load_crystfel_geometry(str(path)).detector["panels"]


@needs_shared_data
@pytest.mark.parametrize("name", REAL_FILES)
def test_panels_agree(name):
    view = PanelView(Document.parse((FOLDER / name).read_bytes()))
    try:
        panels = cfel(FOLDER / name)
    except (RuntimeError, ValueError):
        assert len(view.corners) > 0  # a file that only we read
        return
    assert list(view.names) == list(panels)
    assert view.corners.tolist() == [[p["cnx"], p["cny"]] for p in panels.values()]
    assert view.coffset.tolist() == [p["coffset"] for p in panels.values()]
    keys = ("orig_min_ss", "orig_max_ss", "orig_min_fs", "orig_max_fs")
    assert view.bounds.tolist() == [[p[key] for key in keys] for p in panels.values()]
    if not name.startswith(WRONG_VECTORS):
        assert view.fs.tolist() == [[p["fsx"], p["fsy"], p["fsz"]] for p in panels.values()]
        assert view.ss.tolist() == [[p["ssx"], p["ssy"], p["ssz"]] for p in panels.values()]


def test_where_cfelpyutils_is_wrong(tmp_path):
    path = tmp_path / "a.geom"

    # A vector that does not name an axis keeps what it was by default: here fs = (1, 1, 0).
    path.write_text(changed("fs = x", "fs = +y").replace("ss = y", "ss = -x"))
    theirs = cfel(path)["p0"]
    assert (theirs["fsx"], theirs["fsy"], theirs["ssx"], theirs["ssy"]) == (1, 1, -1, 1)
    ours = read_crystfel(path)
    assert ours.tile_fs.tolist() == [[0, 1 / 5000, 0]]
    assert ours.tile_ss.tolist() == [[-1 / 5000, 0, 0]]

    # "0" and "false" are text, and text is true.
    path.write_text(SMALL + "p0/no_index = 0\n")
    assert cfel(path)["p0"]["no_index"]
    assert read_crystfel(path).no_index == ()

    # Units: a distance in millimetres becomes a place in the data files.
    path.write_text(changed("clen = 0.1", "clen = 100 mm"))
    assert (cfel(path)["p0"]["clen"], cfel(path)["p0"]["clen_from"]) == (-1, "100mm")
    assert read_crystfel(path).distance == 0.1

    # An assignment without spaces is not seen.
    path.write_text(SMALL + "p0/coffset=0.5\n")
    assert cfel(path)["p0"]["coffset"] == 0
    assert read_crystfel(path).tile_corners[0, 2] == 0.5
