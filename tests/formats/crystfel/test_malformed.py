"""Bad files: an error that names file, line and key, or a warning; never anything else."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geomlib.errors import GeometryFileError, GeometryWarning
from geomlib.formats.crystfel.read import parse_crystfel, read_crystfel
from geomlib.geometry import Geometry
from tests.formats.crystfel.samples import FOLDER, HEAD, REAL_FILES, SMALL, changed, panel

REGION = "bad_a/min_fs = 0\nbad_a/max_fs = 3\nbad_a/min_ss = 0\nbad_a/max_ss = 3\n"

#: Name of the case -> text, line and key that the error names.
ERRORS = {
    "missing corner": (changed("p0/corner_x = -5\n", ""), 11, "p0/corner_x"),
    "NaN corner": (changed("-2.5", "nan"), 10, "p0/corner_y"),
    "infinite corner": (changed("-2.5", "inf"), 10, "p0/corner_y"),
    "huge corner": (changed("-2.5", "1e300"), 10, "p0/corner_y"),
    "corner abc": (changed("-2.5", "abc"), 10, "p0/corner_y"),
    "corner 5px": (changed("-2.5", "5px"), 10, "p0/corner_y"),
    "decimal comma": (changed("-2.5", "1,5"), 10, "p0/corner_y"),
    "underscore": (changed("-2.5", "1_000"), 10, "p0/corner_y"),
    "Arabic digit": (changed("-2.5", "٣"), 10, "p0/corner_y"),
    "empty corner": (changed("-2.5", ""), 10, "p0/corner_y"),
    "no res": (changed("res = 5000\n", ""), 11, "p0/res"),
    "res 0": (changed("5000", "0"), 4, "res"),
    "negative res": (changed("5000", "-1"), 4, "res"),
    "res abc": (changed("5000", "abc"), 4, "res"),
    "res NaN": (changed("5000", "nan"), 4, "res"),
    "res empty": (changed("5000", ""), 4, "res"),
    "range abc": (changed("max_fs = 9", "max_fs = abc"), 6, "p0/max_fs"),
    "negative range": (changed("min_fs = 0", "min_fs = -1"), 5, "p0/min_fs"),
    "max below min": (changed("min_fs = 0", "min_fs = 12"), 6, "p0/max_fs"),
    "range beyond 32 bits": (changed("max_fs = 9", "max_fs = 1e12"), 6, "p0/max_fs"),
    "no range": (changed("p0/max_fs = 9\n", ""), 11, "p0/max_fs"),
    "exponent in a vector": (changed("fs = x", "fs = 1e-3x"), 11, "p0/fs"),
    "upper case vector": (changed("fs = x", "fs = X"), 11, "p0/fs"),
    "vector without signs": (changed("fs = x", "fs = 0.1x 0.9y"), 11, "p0/fs"),
    "empty vector": (changed("fs = x", "fs ="), 11, "p0/fs"),
    "NaN vector": (changed("fs = x", "fs = nanx"), 11, "p0/fs"),
    "vector with a loose sign": (changed("fs = x", "fs = +1.0x +"), 11, "p0/fs"),
    "vector with commas": (changed("fs = x", "fs = 1,0x"), 11, "p0/fs"),
    "zero vector": (changed("fs = x", "fs = 0x"), 11, "p0/fs"),
    "parallel vectors": (changed("fs = x", "fs = y"), 11, "p0/fs"),
    "no fs in dims": ("dim0 = ss\ndim1 = %\n" + SMALL, 2, "dim1"),
    "wrong dim": ("dim0 = foo\n" + SMALL, 1, "dim0"),
    "negative dim": ("dim2 = -1\n" + SMALL, 1, "dim2"),
    "coffset with a unit": (SMALL + "p0/coffset = 1 mm\n", 13, "p0/coffset"),
    "adu abc": (changed("adu_per_eV = 1", "adu_per_eV = abc"), 3, "adu_per_eV"),
    "no_index": (SMALL + "p0/no_index = yes\n", 13, "p0/no_index"),
    "hexadecimal mask without 0x": ("mask = /m\nmask_bad = ffff\n" + SMALL, 2, "mask_bad"),
    "negative mask": ("mask = /m\nmask_bad = -1\n" + SMALL, 2, "mask_bad"),
    "flag abc": ("flag_equal = abc\n" + SMALL, 1, "flag_equal"),
    "region of an unknown panel": (SMALL + REGION + "bad_a/panel = zz\n", 17, "bad_a/panel"),
    "region of numbers that are none": (
        SMALL + REGION.replace("max_ss = 3", "max_ss = c"),
        16,
        "bad_a/max_ss",
    ),
    "mixed region": (SMALL + REGION + "bad_a/min_x = 1\n", 17, "bad_a/min_x"),
    "panel with nothing but one key": (SMALL + "p1/fs = x\n", 13, "p1/min_ss"),
    "name with a space": (SMALL + "p0 /res = 1\n", 13, "p0 /min_ss"),
    "second slash": (SMALL + "a/b/c = 3\n", 13, "a/min_ss"),
    "module number": (
        HEAD
        + "dim1 = ss\ndim2 = fs\n"
        + panel("p0", "dim0 = 900000000")
        + panel("p1", "dim0 = 900000001"),
        24,
        "p1/dim0",
    ),
}


@pytest.mark.parametrize(("text", "line", "key"), ERRORS.values(), ids=ERRORS.keys())
def test_error_names_file_line_and_key(tmp_path, text, line, key):
    path = tmp_path / "bad.geom"
    path.write_text(text, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)
        with pytest.raises(GeometryFileError) as caught:
            read_crystfel(path)
    assert (caught.value.path, caught.value.line) == (str(path), line)
    assert caught.value.key == key
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["", "\n", "; only a comment\n", HEAD, REGION])
def test_no_panels(text, tmp_path):
    path = tmp_path / "none.geom"
    path.write_text(text)
    with pytest.raises(GeometryFileError, match="found no panel"):
        read_crystfel(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(GeometryFileError, match="there is no such file") as caught:
        read_crystfel(tmp_path / "nothing.geom")
    assert caught.value.path == str(tmp_path / "nothing.geom")
    with pytest.raises(GeometryFileError, match="is a folder"):
        read_crystfel(tmp_path)


#: Name of the case -> text, and what the warning says.
DOUBTS = {
    "comment that is none": (changed("= -5", "= -5 # px"), "'#' starts no comment"),
    "fraction of a pixel": (changed("max_fs = 9", "max_fs = 9.7"), "no whole number"),
    "no vector": (changed("p0/fs = x\n", ""), "has no fs, taken as x"),
    "template": (changed("corner_x = -5", "corner_x = $ORGX"), "blank of a template"),
    "incomplete region": (SMALL + "bad_a/min_x = 0\n", "has no max_x, min_y, max_y, left out"),
    "region nowhere": (SMALL + REGION.replace("ss = ", "ss = 5"), "lies on no panel"),
    "turned region": (
        SMALL + "bad_a/min_x = 4\nbad_a/max_x = 1\nbad_a/min_y = 1\nbad_a/max_y = 3\n",
        "is empty",
    ),
    "energy 0": (changed("= 9000", "= 0"), "no photon energy"),
    "negative energy": (changed("= 9000", "= -3"), "no photon energy"),
    "electrons": (
        changed("photon_energy = 9000", "electron_voltage = 300 kV"),
        "an electron beam has no photon energy",
    ),
    "NaN distance": (changed("clen = 0.1", "clen = nan"), "no distance, left out"),
    "distance -1": (changed("clen = 0.1", "clen = -1"), "no distance, left out"),
    "distance in cm": (changed("clen = 0.1", "clen = 10 cm"), "expected metres, or 'N mm'"),
    "data turned": ("dim0 = fs\ndim1 = ss\n" + SMALL, "fs before ss"),
    "clen abc": (changed("clen = 0.1", "clen = abc"), "line 1 [clen]: 'abc' is no distance"),
    "clen empty": (changed("clen = 0.1", "clen ="), "line 1 [clen]: '' is no distance"),
    "clen inf": (changed("clen = 0.1", "clen = inf"), "'inf' is no distance"),
    **{
        f"energy {text!r}": (changed("= 9000", f"= {text}"), f"'{text}' is no photon energy")
        for text in ("nan", "inf", "1e400", "0x10", "abc", "")
    },
    "bandwidth": ("bandwidth = abc\n" + SMALL, "line 1 [bandwidth]: 'abc' is no bandwidth"),
    "mask without a slash": ("mask = m\n" + SMALL, "line 1 [mask]: 'm' is no place"),
    "negative ADU scale": (changed("adu_per_eV = 1", "adu_per_eV = -1"), "'-1': expected a scale"),
    "ADU scale 0": (changed("adu_per_eV = 1", "adu_per_eV = 0"), "'0': expected a scale"),
    "unknown keys": (
        "photon_energi = 3\ndim16 = ss\n" + SMALL + "p0/cofset = 1\n",
        "line 1 [photon_energi]: CrystFEL knows no such key, it has no effect; neither 'dim16', "
        "'cofset'",
    ),
    "shift in metres": (
        "detector_shift_x = 0.002\n" + SMALL,
        "line 1 [detector_shift_x]: CrystFEL moves the detector along x by '0.002'; these "
        "positions are without that: geom.offset((0.002, 0)) applies it",
    ),
    "shift in mm": ("detector_shift_y = -2 mm\n" + SMALL, "geom.offset((0, -0.002)) applies it"),
    "shift in the data": (
        "detector_shift_y = /entry/y mm\n" + SMALL,
        "by what is in the data files at '/entry/y mm'; these positions are without that: "
        "geom.offset((0, shift)), in metres,",
    ),
    "unknown member of a group": ("rigid_group_a = p0,p7\n" + SMALL, "no panel 'p7'"),
}


@pytest.mark.parametrize(("text", "message"), DOUBTS.values(), ids=DOUBTS.keys())
def test_doubtful_values_are_read_with_a_warning(text, message):
    with pytest.warns(GeometryWarning) as caught:
        assert parse_crystfel(text).n_tiles == 1
    messages = [str(w.message) for w in caught]
    doubts = [text for text in messages if not text.startswith("the text: CrystFEL")]
    assert len(doubts) == 1  # one warning for all that is doubtful
    assert message in doubts[0]


def doubts_of(text: str) -> str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        parse_crystfel(text)
    return "\n".join(str(w.message) for w in caught)


@pytest.mark.parametrize(
    "line",
    [
        *("n_panels = 1", "integr_radius = 4", "peak_sep = 6", "photon_energy_bandwidth = 1e-3"),
        *("rail_direction = z", "clen_for_centering = 0.1", "photon_energy = /entry/energy"),
        *("clen = /entry/distance", "detector_shift_x = 0 mm", "bandwidth = 0.01"),
    ],
)
def test_keys_of_other_times_and_places_in_the_data_are_no_doubt(line):
    assert doubts_of(f"{line}\n" + SMALL.replace(line.partition("=")[0] + "= ", ";")) == ""


def test_former_keys_of_panels_are_no_doubt():
    extra = "p0/badrow_direction = y\np0/peak_sep = 6\np0/integr_radius = 2\np0/rigid_group = q\n"
    assert doubts_of(SMALL + extra) == ""


@pytest.mark.parametrize(
    ("second", "shares"),
    [
        ({}, True),
        ({"min_fs": 9, "max_fs": 12}, True),
        ({"min_ss": 4, "max_ss": 12}, True),
        ({"min_fs": 3, "max_fs": 4, "min_ss": 1, "max_ss": 2}, True),
        ({"min_fs": 10, "max_fs": 12}, False),
        ({"min_ss": 5, "max_ss": 12}, False),
    ],
)
def test_panels_that_share_pixels(second, shares):
    far = panel("p2", min_ss=2, max_ss=3, min_fs=50, max_fs=60)
    found = doubts_of(HEAD + far + panel("p0") + panel("p1", **second))
    assert ("panels 'p0' and 'p1' share pixels of the data" in found) == shares
    assert shares or found == ""


def test_panels_in_other_modules_share_nothing():
    dims = "dim0 = %\ndim2 = ss\ndim3 = fs\n"
    assert doubts_of(HEAD + dims + panel("p0", "dim1 = 0") + panel("p1", "dim1 = 1")) == ""


def test_one_warning_names_all_versions_and_reasons():
    with pytest.warns(GeometryWarning) as caught:
        parse_crystfel(changed("photon_energy = 9000\n", "") + "p0/clen = 0.2\n")
    assert [str(w.message) for w in caught] == [
        "the text: CrystFEL 0.10.2 and 0.12 reject this file: no photon_energy, wavelength or "
        "electron_voltage. CrystFEL 0.12 rejects this file: clen given for single panels"
    ]


def test_a_huge_range_takes_no_memory():
    geom = parse_crystfel(changed("max_fs = 9", "max_fs = 800000000"))
    assert geom.data_shape == (1, 5, 800_000_001)
    with pytest.raises(GeometryFileError, match="data_shape"):
        parse_crystfel(changed("max_fs = 9", "max_fs = 1000000000"))


@pytest.mark.parametrize(
    "text",
    [
        changed("fs = x", "fs = " + "+1x" * 100_000),
        changed("-2.5", "1" * 100_000),
        changed("= -5", "= -5" + " " * 500_000 + "x"),
        "a" + " " * 500_000 + "\n" + SMALL + "!",
        HEAD + "".join(panel(f"p{i}") for i in range(300)) + "bad/min_x = 1\n" * 1000,
        "group_g0 = p0\n" + "".join(f"group_g{i} = g{i - 1}\n" for i in range(1, 2000)) + SMALL,
        SMALL + REGION.replace("bad_a", "bad") * 5000,
    ],
    ids=["vector", "digits", "blanks", "stray", "repeats", "groups", "regions"],
)
def test_long_input_is_no_trouble(text):
    assert is_read_or_refused(text)


def is_read_or_refused(text: str | bytes) -> bool:
    """A geometry with finite positions, or the one error that files may raise; nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", GeometryWarning)
        try:
            geom = parse_crystfel(text if isinstance(text, str) else as_text(text))
        except GeometryFileError:
            return True
    return isinstance(geom, Geometry) and bool(np.isfinite(geom.tile_outlines()).all())


def as_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape") + "\n"


RUBBISH = [
    b"",
    b"nan",
    b"-inf",
    b"1e308",
    b"-1",
    b"0",
    b"99999999999999999999",
    b"0x7fffffff",
    b"1e-3x +y",
    b"x",
    b"%",
    b"ss",
    b"\xff\xfe",
    b"\0",
    b"= = =",
    b"/",
    b"p0a0",
    b"true",
]
BASES = [SMALL.encode(), (HEAD + "".join(panel(f"p{i}", f"dim2 = {i}") for i in range(4))).encode()]
PICKED = [n for n in REAL_FILES if (FOLDER / n).stat().st_size < 80_000]


@st.composite
def mutated(draw):
    """A real file (or a built-in text) with a few things wrong."""
    if PICKED and draw(st.booleans()):
        data = (FOLDER / draw(st.sampled_from(PICKED))).read_bytes()
    else:
        data = draw(st.sampled_from(BASES))
    for _ in range(draw(st.integers(1, 4))):
        lines = data.split(b"\n")
        at, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        kind = draw(st.sampled_from(["flip", "drop", "double", "swap", "value", "key", "cut"]))
        if kind == "flip" and data:
            place = draw(st.integers(0, len(data) - 1))
            data = data[:place] + bytes([draw(st.integers(0, 255))]) + data[place + 1 :]
            continue
        if kind == "drop":
            del lines[at]
        elif kind == "double":
            lines.insert(other, lines[at])
        elif kind == "swap":
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == "value":
            lines[at] = lines[at].partition(b"=")[0] + b"= " + draw(st.sampled_from(RUBBISH))
        elif kind == "key":
            value = lines[at].partition(b"=")[2]
            lines[at] = lines[other].partition(b"=")[0] + b"=" + value
        else:
            lines = lines[: at + 1]
        data = b"\n".join(lines)
    return data


@settings(max_examples=800, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=mutated())
def test_mutated_files_are_read_or_refused(data):
    assert is_read_or_refused(data)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    assert is_read_or_refused(data)


def test_messages_can_be_printed_whatever_the_bytes():
    with pytest.raises(GeometryFileError) as caught:
        parse_crystfel(as_text(changed("-2.5", "@").encode().replace(b"@", b"\xff\xfe")))
    str(caught.value).encode("utf-8")
    assert re.search(r"line 10 \[p0/corner_y\]", str(caught.value))
