"""Quadrant positions: against EXtra-geom, real configurations, and files of anything else."""

import json
import warnings
from pathlib import Path

import extra_geom
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from geomlib.detectors import agipd_1m, dssc_1m, example_geometry, lpd_1m
from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
from geomlib.formats.euxfel import read_euxfel, write_euxfel
from geomlib.formats.quadrants import read_quadrants, recognise_quadrants, write_quadrants
from tests.shared import SHARED_DATA, needs_shared_data

NAMES = ("AGIPD-1M", "LPD-1M", "DSSC-1M")
#: As users of each have them: pixels, mm, mm.
QUADS = {
    "AGIPD-1M": [(-525, 625), (-550, -10), (520, -160), (542.5, 475)],
    "LPD-1M": [(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)],
    "DSSC-1M": [(-130, 5), (-130, -125), (5, -125), (5, 5)],
}
UNITS = {"AGIPD-1M": 2e-4, "LPD-1M": 1e-3, "DSSC-1M": 1e-3}
BUILDERS = {"AGIPD-1M": agipd_1m, "LPD-1M": lpd_1m, "DSSC-1M": dssc_1m}
EXTRA_GEOM = {
    "AGIPD-1M": extra_geom.AGIPD_1MGeometry,
    "LPD-1M": extra_geom.LPD_1MGeometry,
    "DSSC-1M": extra_geom.DSSC_1MGeometry,
}
# Sums of a few lengths below 1 m: a few roundings of 1e-16 m each.
ROUNDING = 1e-15
SUFFIXES = (".csv", ".txt", ".json", ".yaml", ".yml")


def pandas_form(quads, header=",X,Y"):
    return "\n".join([header, *(f"q{i},{x},{y}" for i, (x, y) in enumerate(quads, 1)), ""])


def lines(quads):
    return "".join(f"{x},{y}\n" for x, y in quads)


def yaml_block(**detectors):
    blocks = {
        name: {
            "QUAD_POSITIONS": {
                f"{a}{i}": q[k] for i, q in enumerate(quads, 1) for k, a in enumerate("xy")
            }
        }
        for name, quads in detectors.items()
    }
    return yaml.safe_dump({"DETECTOR": blocks})


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def put(tmp_path):
    def write(text, file="quads.csv"):
        path = tmp_path / file
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def assert_same_tiles(geometry, expected, atol=ROUNDING):
    assert geometry.detector == expected.detector
    np.testing.assert_allclose(geometry.tile_corners, expected.tile_corners, rtol=0, atol=atol)
    np.testing.assert_array_equal(geometry.tile_ss, expected.tile_ss)
    np.testing.assert_array_equal(geometry.tile_fs, expected.tile_fs)


# -- Reading what others write --------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        pandas_form,
        lines,
        lambda quads: lines(quads).replace(",", " "),
        lambda quads: lines(quads).replace(",", ";\t").replace("\n", "\r\n"),
        lambda quads: json.dumps(quads),
    ],
)
def test_detector_is_recognised_by_its_positions(name, form, put):
    path = put(form(QUADS[name]))
    assert recognise_quadrants(path, path.read_bytes())
    geometry = read_quadrants(path)
    assert geometry == BUILDERS[name](QUADS[name])
    assert geometry.source == (str(path), "quadrants", None)


def test_corners_are_those_of_extra_geom(name, put):
    geometry = read_quadrants(put(pandas_form(QUADS[name])))
    theirs = EXTRA_GEOM[name].from_quad_positions(QUADS[name])
    corners = np.array([tile.corner_pos for module in theirs.modules for tile in module])
    np.testing.assert_allclose(geometry.tile_corners, corners, rtol=0, atol=ROUNDING)


def test_rows_go_by_their_labels(put):
    rows = pandas_form(QUADS["LPD-1M"]).splitlines()
    shuffled = "\n".join([rows[0], rows[3], rows[1], rows[4], rows[2]])
    assert read_quadrants(put(shuffled)) == lpd_1m(QUADS["LPD-1M"])


@needs_shared_data
def test_real_positions_need_no_hint(put):
    table = (SHARED_DATA / "euxfel_h5" / "QUADRANT_POSITIONS.tsv").read_text().splitlines()
    for row in table[1:]:
        known, _, *pairs = row.split("\t")[:6]
        quads = [tuple(map(float, pair.split(","))) for pair in pairs]
        path = put(pandas_form(quads))
        if "old" in known:
            with pytest.warns(GeometryWarning, match="LPD-1M in mm, counted downwards and to the"):
                geometry = read_quadrants(path)
            assert geometry == lpd_1m(-np.array(quads))
        else:
            assert read_quadrants(path) == BUILDERS[known](quads)


@needs_shared_data
def test_real_configurations_use_their_geometry_files():
    folder = SHARED_DATA / "euxfel_h5"
    with pytest.warns(GeometryWarning, match="Q2/M2 lie on other tiles"):
        fxe = read_quadrants(folder / "fxe.config.yaml")
    with pytest.warns(GeometryWarning, match="Q2/M2"):
        expected = read_euxfel(folder / "lpd_mar_18_axesfixed.h5", quad_positions=QUADS["LPD-1M"])
    assert_same_tiles(fxe, expected)
    # Its SAMPLE_DISTANCE has a stray quotation mark in its name: EXtra-foam does not read it.
    assert fxe.distance is None
    scs = read_quadrants(folder / "scs.config.yaml")
    quads = [(-124.1, 3.112), (-133.068, -110.604), (0.988, -125.236), (4.528, -4.912)]
    assert_same_tiles(scs, read_euxfel(folder / "dssc_geo_june19.h5", quad_positions=quads))
    assert (scs.distance, scs.photon_energy) == (0.6, 780)
    assert scs.source == (str(folder / "scs.config.yaml"), "quadrants", None)
    for file in ("fxe.config.yaml", "scs.config.yaml"):
        assert recognise_quadrants(folder / file, (folder / file).read_bytes())


def test_geometry_file_is_relative_to_the_configuration(put, tmp_path):
    shifted = example_geometry("LPD-1M").offset((1e-3, 2e-3), modules=5)
    write_euxfel(shifted, tmp_path / "modules.h5")
    text = yaml_block(LPD=[(10, 300), (-10, 7), (255, -15), (280, 274)])
    named = text.replace("  LPD:\n", "  LPD:\n    GEOMETRY_FILE: modules.h5\n")
    quads = [(10, 300), (-10, 7), (255, -15), (280, 274)]
    expected = read_euxfel(tmp_path / "modules.h5", quad_positions=quads)
    assert_same_tiles(read_quadrants(put(named, "a.yaml")), expected)
    csv = put(pandas_form(quads))
    assert_same_tiles(read_quadrants(csv, geometry_file=tmp_path / "modules.h5"), expected)
    missing = put(named.replace("modules", "gone"), "b.yaml")
    with pytest.warns(GeometryWarning, match="GEOMETRY_FILE gone.h5 is not there"):
        assert read_quadrants(missing) == lpd_1m(quads)
    wrong = put(yaml_block(DSSC=QUADS["DSSC-1M"]), "c.yaml")
    with pytest.raises(GeometryFileError, match="this is a LPD-1M geometry, not DSSC-1M"):
        read_quadrants(wrong, geometry_file=tmp_path / "modules.h5")
    with pytest.raises(GeometryFileError, match=r"c\.yaml"):
        read_quadrants(wrong, geometry_file=wrong)
    with pytest.raises(GeometryFileError, match="no such file"):
        read_quadrants(wrong, geometry_file=tmp_path / "gone.h5")


def test_geom_file_of_a_configuration_is_used_as_it_is(put, tmp_path):
    from geomlib import write_geometry

    tilted = example_geometry("AGIPD-1M").rotate((0, 0, 0.1), modules=3)
    write_geometry(tilted, tmp_path / "a.geom", adu_per_ev=1, distance=0.2, photon_energy=9300)
    text = yaml_block(AGIPD=QUADS["AGIPD-1M"])
    named = text.replace("  AGIPD:\n", "  AGIPD:\n    GEOMETRY_FILE: a.geom\n")
    geometry = read_quadrants(put(named, "a.yaml"))
    np.testing.assert_allclose(geometry.tile_ss, tilted.tile_ss, rtol=0, atol=1e-12)
    with pytest.warns(GeometryWarning, match="QUAD_POSITIONS are up to 1 mm from the quadrants"):
        read_quadrants(put(named.replace("x1: -525", "x1: -520"), "b.yaml"))


def test_several_detectors_in_one_configuration(put):
    path = put(yaml_block(LPD=QUADS["LPD-1M"], AGIPD=QUADS["AGIPD-1M"]), "all.yaml")
    with pytest.raises(GeometryFileError, match=r"has quadrant positions of AGIPD, LPD; choose"):
        read_quadrants(path)
    assert read_quadrants(path, detector="LPD") == lpd_1m(QUADS["LPD-1M"])
    agipd = example_geometry("AGIPD-1M")
    assert read_quadrants(path, detector=agipd.detector) == agipd
    with pytest.raises(GeometryFileError, match=r"of AGIPD, LPD, not of DSSC-1M"):
        read_quadrants(path, detector="DSSC-1M")


# -- Units, signs, detectors ----------------------------------------------------------------


@pytest.mark.parametrize(("unit", "said"), [("m", "metres"), ("um", "µm"), ("mm", "mm")])
@pytest.mark.parametrize("name", NAMES)
def test_other_units_are_named(name, unit, said, put):
    if unit == "mm" and name != "AGIPD-1M":
        return  # their usual unit
    length = {"m": 1.0, "mm": 1e-3, "um": 1e-6}[unit]
    path = put(lines(np.array(QUADS[name]) * UNITS[name] / length))
    with pytest.warns(GeometryWarning, match=f"positions of {name} in {said}"):
        geometry = read_quadrants(path)
    expected = BUILDERS[name](QUADS[name])
    assert_same_tiles(geometry, expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same_tiles(read_quadrants(path, unit=unit), expected)
        assert_same_tiles(read_quadrants(path, unit=length, detector=name), expected)
    with pytest.raises(GeometryFileError, match=rf"look like those of {name} in {said}"):
        read_quadrants(path, unit=0.1 if unit != "um" else "m")


def test_pixels(put):
    path = put(lines(QUADS["AGIPD-1M"]))
    expected = agipd_1m(QUADS["AGIPD-1M"])
    assert read_quadrants(path, unit="pixels") == expected
    doubled = put(lines(np.array(QUADS["LPD-1M"]) * 2))
    with pytest.raises(GeometryFileError, match="fit neither AGIPD-1M in pixels nor LPD-1M"):
        read_quadrants(doubled)
    assert_same_tiles(
        read_quadrants(doubled, detector="LPD-1M", unit="pixels"), lpd_1m(QUADS["LPD-1M"])
    )


def test_positions_of_nothing_ask_for_the_detector(put):
    path = put(lines([(0, 0), (1, 0), (0, 1), (1, 1)]))
    assert not recognise_quadrants(path, path.read_bytes())
    with pytest.raises(GeometryFileError, match="say which detector with detector='AGIPD-1M'"):
        read_quadrants(path)
    with pytest.warns(GeometryWarning, match="lie on top of each other"):
        read_quadrants(path, detector="LPD-1M")


def test_opened_quadrants_are_still_recognised(name, put):
    # Each 20 mm away from the middle, and the beam 50 mm beside it.
    outwards = np.array([(-1, 1), (-1, -1), (1, -1), (1, 1)]) * 20e-3 + (50e-3, 0)
    quads = np.array(QUADS[name]) + outwards / UNITS[name]
    assert read_quadrants(put(lines(quads))).detector.name == name


def test_columns_of_geoassembler_0_6(put):
    nonsense = [(1.1156, 1.0021), (1.2, 1.1), (1.3, 1.4), (1.2, 1.3)]
    path = put(pandas_form(nonsense, ",Y,X"))
    assert not recognise_quadrants(path, b"binary\0")
    for hint in (None, "LPD-1M"):
        with pytest.raises(GeometryFileError, match=r"geoAssembler 0\.6\.0 wrote such files"):
            read_quadrants(path, detector=hint)
    swapped = put(pandas_form([(y, x) for x, y in QUADS["DSSC-1M"]], ",Y,X"))
    with pytest.warns(GeometryWarning, match="has Y before X"):
        assert read_quadrants(swapped) == dssc_1m(QUADS["DSSC-1M"])


def test_other_detectors(put):
    path = put(lines(QUADS["LPD-1M"]))
    with pytest.raises(GeometryError, match="'JUNGFRAU-4M' has no files of quadrant positions"):
        read_quadrants(path, detector="JUNGFRAU-4M")
    own = put(json.dumps({"detector": "LPD-1M", "quad_positions": QUADS["LPD-1M"]}), "a.json")
    with pytest.raises(GeometryFileError, match="holds quadrants of LPD-1M, not of DSSC-1M"):
        read_quadrants(own, detector="DSSC-1M")
    with pytest.raises(GeometryError, match="unit must be"):
        read_quadrants(path, unit="inch")
    with pytest.raises(GeometryError, match=r"unit must be .*, not -1"):
        read_quadrants(path, unit=-1)
    with pytest.raises(GeometryError, match="detector must be text, not 5"):
        read_quadrants(path, detector=5)


# -- Writing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip(name, suffix, tmp_path):
    geometry = example_geometry(name)
    write_quadrants(geometry, tmp_path / f"a{suffix}")
    content = (tmp_path / f"a{suffix}").read_bytes()
    assert recognise_quadrants(tmp_path / f"a{suffix}", content)
    assert_same_tiles(read_quadrants(tmp_path / f"a{suffix}"), geometry)
    write_quadrants(geometry, tmp_path / f"b{suffix}")
    assert (tmp_path / f"b{suffix}").read_bytes() == content


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    away=st.lists(st.floats(-9e-3, 9e-3), min_size=8, max_size=8),
    style=st.sampled_from(["csv", "lines", "json", "list", "yaml"]),
)
def test_any_positions_come_back(name, away, style, tmp_path_factory):
    path = tmp_path_factory.mktemp("quads") / "file"
    quads = np.array(QUADS[name]) + np.reshape(away, (4, 2)) / UNITS[name]
    geometry = BUILDERS[name](quads)
    write_quadrants(geometry, path, style=style)
    # Written to 1e-15 m, and a few roundings.
    assert_same_tiles(read_quadrants(path), geometry, 2e-15)


def test_numbers_are_those_that_users_know(tmp_path):
    write_quadrants(example_geometry("LPD-1M"), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == (
        ",X,Y\nq1,11.4,299.0\nq2,-11.5,8.0\nq3,254.5,-16.0\nq4,278.5,275.0\n"
    )
    write_quadrants(example_geometry("AGIPD-1M"), tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == (
        "-525.0,625.0\n-550.0,-10.0\n520.0,-160.0\n542.5,475.0\n"
    )
    geometry = example_geometry("AGIPD-1M").replace(distance=5.5, photon_energy=9300)
    write_quadrants(geometry, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == {
        "detector": "AGIPD-1M",
        "unit": "pixels",
        "quad_positions": [list(pair) for pair in QUADS["AGIPD-1M"]],
        "distance_m": 5.5,
        "photon_energy_eV": 9300,
    }
    assert read_quadrants(tmp_path / "a.json") == geometry


def test_extra_foam_finds_what_it_looks_for(name, tmp_path):
    geometry = example_geometry(name).replace(distance=0.4, photon_energy=9310.5)
    write_quadrants(geometry, tmp_path / "a.yaml")
    content = yaml.safe_load((tmp_path / "a.yaml").read_text())
    block = content["DETECTOR"][name[:-3]]
    quads = [
        (block["QUAD_POSITIONS"][f"x{i}"], block["QUAD_POSITIONS"][f"y{i}"]) for i in (1, 2, 3, 4)
    ]
    assert quads == QUADS[name]
    assert (block["SAMPLE_DISTANCE"], block["PHOTON_ENERGY"]) == (0.4, 9.3105)
    assert content["SOURCE"]["DEFAULT_TYPE"] == 1
    assert read_quadrants(tmp_path / "a.yaml").photon_energy == 9310.5


def test_pandas_reads_what_is_written(name, tmp_path):
    import pandas

    write_quadrants(example_geometry(name), tmp_path / "a.csv")
    table = pandas.read_csv(tmp_path / "a.csv", index_col=0)
    assert list(table.columns) == ["X", "Y"]
    assert list(table.index) == ["q1", "q2", "q3", "q4"]
    np.testing.assert_array_equal(table.to_numpy(), QUADS[name])


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(GeometryError, match="JUNGFRAU-4M has no quadrants"):
        write_quadrants(example_geometry("JUNGFRAU-4M"), tmp_path / "a.csv")
    with pytest.raises(GeometryError, match=r"the suffix '\.dat' is no way to write quadrants"):
        write_quadrants(example_geometry("LPD-1M"), tmp_path / "a.dat")
    with pytest.raises(GeometryError, match="style='xml' is no way"):
        write_quadrants(example_geometry("LPD-1M"), tmp_path / "a.csv", style="xml")
    assert not list(tmp_path.iterdir())


# -- Files that lie ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found 0 positions"),
        ("1,2\n3,4\n", "found 2 positions"),
        ("1,2\n3,4\n5,6\n7,8\n9,10\n", r":5: found a fifth position"),
        (",X,Y\nq1,1,2\nq1,3,4\n", r":3: found a second position of q1"),
        ("1,2\n3,nan\n5,6\n7,8\n", r":2: found '3,nan'"),
        ("1,2\n3,inf\n5,6\n7,8\n", r":2: found '3,inf'"),
        ("1,2\n3,1e300\n5,6\n7,8\n", r":2: found '3,1e300'"),
        ("7,2,3\n8,5,6\n", r":1: found '7,2,3'"),
        ("a,b,c\n1,2,3\n", r":1: found 'a,b,c'"),
        (",X,Y\nq1\n", r":2: found 'q1'"),
        ("{", "is no JSON"),
        ('{"quad_positions": 3}', "expected four pairs"),
        ('{"detector": "LPD-1M"}', "expected an object with 'quad_positions'"),
        ("[[1, 2], [3, 4], [5, 6]]", "expected four pairs"),
        ("[[1, 2], [3, 4], [5, 6], [7, true]]", "expected four pairs"),
        ("[[1, 2], [3, 4], [5, 6], [7, NaN]]", "expected four pairs"),
        ("[" * 100_000, "nested too deeply|no JSON"),
        ('{"quad_positions": [[1,2],[3,4],[5,6],[7,8]], "unit": "ell"}', "unit must be"),
        ('{"quad_positions": [[1,2],[3,4],[5,6],[7,8]], "detector": "X"}', "detector='X'"),
        ('{"quad_positions": [[1,2],[3,4],[5,6],[7,8]], "distance_m": -1}', r"\[distance_m\]"),
        ("QUAD_POSITIONS: 3", "expected a section DETECTOR"),
        ("DETECTOR:\n  LPD:\n    QUAD_POSITIONS: 3", r"\[DETECTOR.LPD.QUAD_POSITIONS\]"),
        ("DETECTOR:\n  LPD:\n    QUAD_POSITIONS: {x1: 1}", "found no y1"),
        ("DETECTOR:\n  LPD:\n    QUAD_POSITIONS: {x1: !!bool maybe}", "finite numbers, found"),
        ("DETECTOR:\n  LPD:\n    QUAD_POSITIONS: {x1: !!timestamp x}", "finite numbers, found"),
        ("DETECTOR:\n  LPD:\n    QUAD_POSITIONS: {x1: [1]}", "finite numbers, found"),
        ("DETECTOR:\n  FastCCD:\n    QUAD_POSITIONS: {x1: 1}", "of FastCCD"),
        ("DETECTOR:\n  LPD: 1\nX:\n  QUAD_POSITIONS: 3", "no detector has QUAD_POSITIONS"),
        ("QUAD_POSITIONS: [", "is no YAML"),
        ("QUAD_POSITIONS: " + "[" * 50_000, "nested too deeply"),
        ("QUAD_POSITIONS:\n" + "".join(f"{' ' * n}a:\n" for n in range(400)), "nested too deeply"),
        ("QUAD_POSITIONS: !!python/object/apply:os.system [ls]", "expected a section DETECTOR"),
        ("QUAD_POSITIONS: !!int ''", "expected a section DETECTOR"),
        ('QUAD_POSITIONS: "\\UFFFFFFFF"', "is no YAML"),
        ("QUAD_POSITIONS: {[a]: b}", "is no YAML"),
        ("a: &a {b: 1}\nQUAD_POSITIONS: *a", ":2: is no YAML: aliases are not read"),
        ("1" * 300_000, "is larger than 256 KiB"),
        (b"\xff\xfe1,2", "is no UTF-8 text"),
    ],
)
def test_files_that_hold_no_positions(text, message, put):
    path = put(text)
    with pytest.raises(GeometryFileError, match=message):
        read_quadrants(path)


def test_empty_entries_of_a_configuration(put):
    text = yaml_block(LPD=QUADS["LPD-1M"])
    for nothing in ("", " null", " ~"):
        empty = text.replace("  LPD:\n", f"  LPD:\n    GEOMETRY_FILE:{nothing}\n")
        empty = empty.replace("  LPD:\n", f"  LPD:\n    PHOTON_ENERGY:{nothing}\n")
        assert read_quadrants(put(empty)) == lpd_1m(QUADS["LPD-1M"])


def test_missing_file(tmp_path):
    with pytest.raises(GeometryFileError, match="there is no such file"):
        read_quadrants(tmp_path / "gone.csv")


@pytest.mark.parametrize(
    "content",
    [
        b'{"__id__": "ExperimentList", "experiment": []}',
        b"poni_version: 2.1\nDetector: Pilatus1M\nDistance: 0.1\n",
        b"# psana\nIP IP:V1 0 CAMERA:V1 0 0 0 0 0 0 0 0 0\n",
        b"clen = 0.2\np0/corner_x = 3\n",
        b"a,b\n1,2\n3,4\n",
        b"1,2\n3,4\n5,6\n7,8\n",
        b"q (1/nm),I\n0.1,3\n0.2,4\n0.3,5\n0.4,6\n",
        b"DETECTOR:\n  LPD:\n    GEOMETRY_FILE: a.h5\n",
        b"[1, 2, 3, 4]",
        b"\x89HDF\r\n\x1a\n",
        b"",
        b"[" * 60000,
    ],
)
def test_other_files_are_not_claimed(content):
    assert not recognise_quadrants(Path("x.json"), content)


@needs_shared_data
def test_no_other_real_file_is_claimed():
    for path in SHARED_DATA.rglob("*"):
        if path.is_file() and "config.yaml" not in path.name:
            with path.open("rb") as file:
                assert not recognise_quadrants(path, file.read(65536)), path
