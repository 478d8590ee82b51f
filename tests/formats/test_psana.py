"""Geometry files of psana: its frame and its rules, by hand; real files, and files that lie."""

import warnings
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geomlib.detector import Detector
from geomlib.detectors import example_geometry, generic
from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
from geomlib.formats.layout import MARK
from geomlib.formats.psana import is_psana, read_psana, write_psana
from geomlib.geometry import Geometry
from tests.shared import SHARED_DATA, needs_shared_data

# Positions are written to 1e-15 m, angles to 2e-15 rad of tiles of less than 0.2 m, and up to four
# levels of positions add up: a few femtometres.
ROUNDING = 1e-14
UM = 1e-6
DETECTORS = ("AGIPD-1M", "LPD-1M", "DSSC-1M", "JUNGFRAU-4M", "ePix100", "ePix10K", "pnCCD")
SAMPLES = SHARED_DATA / "psana"


def moved(geometry, seed=1):
    """Tilt and shift the modules, a little and each its own way, at a distance."""
    rng = np.random.default_rng(seed)
    n = geometry.n_modules
    turned = geometry.rotate(rng.normal(0, 0.5, (n, 3))).offset(rng.normal(0, 2e-4, (n, 3)))
    return turned.replace(distance=0.2173)


def mixed_pitch():
    """Two sensors of 20 × 30 pixels of 100 µm, one module of two tiles of 50 × 25 µm."""
    bounds = [(0, 0, 20, 0, 30), (1, 0, 20, 0, 30), (2, 0, 20, 0, 30), (2, 20, 40, 0, 30)]
    detector = Detector("mixed", (3, 40, 30), bounds, (1e-4, 1e-4), tile_names=list("abcd"))
    ss, fs = np.zeros((2, 4, 3))
    ss[:2, 1], ss[2:, 0] = 1e-4, -5e-5
    fs[:2, 0], fs[2:, 1] = 1e-4, 2.5e-5
    corners = [(0.01, 0.01, 0), (-0.01, 0.01, 0.002), (0, -0.01, 0), (0, -0.02, 0)]
    return Geometry(detector, corners, ss, fs)


def assert_same_tiles(back, geometry):
    np.testing.assert_allclose(
        back.tile_outlines(), geometry.tile_outlines(), rtol=0, atol=ROUNDING
    )
    # A step is a part of an outline.
    np.testing.assert_allclose(back.tile_ss, geometry.tile_ss, rtol=0, atol=1e-18)
    np.testing.assert_allclose(back.tile_fs, geometry.tile_fs, rtol=0, atol=1e-18)


def read_text(tmp_path, text, **options):
    path = tmp_path / "a.data"
    path.write_text(text, encoding="utf-8")
    return read_psana(path, **options)


# -- Writing and reading back ---------------------------------------------------------------


@pytest.mark.parametrize("name", DETECTORS)
def test_round_trip(name, tmp_path):
    geometry = moved(example_geometry(name)).replace(photon_energy=9300.0)
    path = tmp_path / "a.data"
    write_psana(geometry, path)
    back = read_psana(path)
    assert_same_tiles(back, geometry)
    assert back.detector == geometry.detector
    assert back.distance == geometry.distance
    # The format has no place for it.
    assert back.photon_energy is None
    assert back.source == (str(path), "psana", None)


@pytest.mark.parametrize("name", ["AGIPD-1M", "LPD-1M", "JUNGFRAU-4M", "ePix10K", "pnCCD"])
def test_tiles_along_the_axes_come_back_to_the_bit(name, tmp_path):
    geometry = example_geometry(name)
    write_psana(geometry, tmp_path / "a.data")
    back = read_psana(tmp_path / "a.data")
    np.testing.assert_array_equal(back.tile_ss, geometry.tile_ss)
    np.testing.assert_array_equal(back.tile_fs, geometry.tile_fs)
    np.testing.assert_allclose(back.tile_corners, geometry.tile_corners, rtol=0, atol=ROUNDING)
    assert back.distance is None


def test_the_same_geometry_gives_the_same_bytes_in_plain_decimals(tmp_path):
    geometry = moved(example_geometry("AGIPD-1M")).offset((0, 1e-13, 0))
    for name in ("a.data", "b.data"):
        write_psana(geometry, tmp_path / name)
    text = (tmp_path / "a.data").read_bytes()
    assert text == (tmp_path / "b.data").read_bytes()
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    # IP, quadrants, modules and tiles; psana splits at blanks, and drops lines of other lengths.
    assert len(lines) == 1 + 4 + 16 + 128
    assert all(len(line.split()) == 13 for line in lines)
    assert not any("e" in word for line in lines for word in line.split()[4:])


def test_mixed_pitch_with_its_note_and_without(tmp_path):
    geometry = moved(mixed_pitch())
    path = tmp_path / "a.data"
    write_psana(geometry, path)
    back = read_psana(path)
    assert_same_tiles(back, geometry)
    assert back.detector == geometry.detector
    kept = [line for line in path.read_text().splitlines() if MARK not in line]
    without = read_text(tmp_path, "\n".join(kept))
    assert_same_tiles(without, geometry)
    assert without.detector.name == "generic"
    # As psana has the data: an array for each segment.
    assert without.data_shape == (4, 20, 30)


def test_without_the_note_a_detector_that_is_asked_for(tmp_path):
    geometry = moved(example_geometry("AGIPD-1M"))
    path = tmp_path / "a.data"
    write_psana(geometry, path)
    text = path.read_text().split(f"# {MARK}")[0]
    assert read_text(tmp_path, text).data_shape == (128, 64, 128)
    asked = read_text(tmp_path, text, detector="AGIPD-1M")
    assert asked.detector == geometry.detector
    assert_same_tiles(asked, geometry)
    with pytest.raises(GeometryFileError, match=r"a\.data: detector='LPD-1M' does not fit"):
        read_text(tmp_path, text, detector="LPD-1M")


def test_tiles_of_lpd_are_no_halves_of_lpd_minis(tmp_path):
    write_psana(example_geometry("LPD-1M"), tmp_path / "a.data")
    text = (tmp_path / "a.data").read_text().split(f"# {MARK}")[0]
    assert read_text(tmp_path, text).data_shape == (256, 32, 128)


def test_a_note_that_does_not_fit_is_not_used(tmp_path):
    write_psana(mixed_pitch(), tmp_path / "a.data")
    text = (tmp_path / "a.data").read_text().split(f"# {MARK}")[0]
    with pytest.warns(GeometryWarning, match="note on the layout"):
        back = read_text(tmp_path, f'{text}# {MARK} {{"detector": "AGIPD-1M"}}\n')
    assert back.detector.name == "generic"


def test_quadrants_out_of_order_are_left_out(tmp_path):
    lpd = example_geometry("LPD-1M")
    quadrants = lpd.detector.quadrants._replace(modules=tuple(lpd.detector.quadrants.modules[::-1]))
    detector = Detector(
        "mine",
        lpd.data_shape,
        lpd.detector.tile_bounds,
        lpd.detector.pixel_size,
        quadrants=quadrants,
    )
    geometry = Geometry(detector, *lpd.tiles)
    write_psana(geometry, tmp_path / "a.data")
    assert "QUAD" not in (tmp_path / "a.data").read_text()
    assert_same_tiles(read_psana(tmp_path / "a.data"), geometry)


def test_skewed_tiles_become_the_nearest_rectangles(tmp_path):
    geometry = generic([(0, 0), (0.1, 0)], (100, 50), 1e-4)
    ss = geometry.tile_ss.copy()
    ss[0, 0] += 1e-6
    skewed = geometry.replace(tile_ss=ss)
    write_psana(skewed, tmp_path / "a.data")
    back = read_psana(tmp_path / "a.data")
    np.testing.assert_allclose(back.tile_centres, skewed.tile_centres, rtol=0, atol=ROUNDING)
    assert abs((back.tile_ss[0] * back.tile_fs[0]).sum()) < 1e-22
    # A skew of 0.01 rad: both steps turn by half of it, which moves corners of 10 × 5 mm by 50 µm.
    shift = np.linalg.norm(back.tile_outlines() - skewed.tile_outlines(), axis=-1)
    assert 1e-5 < shift[0].max() < 6e-5
    assert shift[1].max() < ROUNDING


def test_hexagons_become_rectangles_of_the_pitch(tmp_path):
    geometry = example_geometry("DSSC-1M")
    write_psana(geometry, tmp_path / "a.data")
    text = (tmp_path / "a.data").read_text().split(f"# {MARK}")[0]
    back = read_text(tmp_path, text)
    assert back.detector.pixel_shape == "rectangle"
    assert_same_tiles(back, geometry)


@given(angles=st.tuples(*[st.floats(-180, 180)] * 3))
@example(angles=(0, 90, 0))
@example(angles=(30, -90, 20))
@example(angles=(180, 0, 90))
@example(angles=(1e-9, 90 - 1e-7, 45))
@example(angles=(10, 90 - 1e-4, 45))
def test_any_rotation_comes_back(tmp_path_factory, angles):
    geometry = generic([(0.01, -0.02, 0.03)], (100, 50), (2e-4, 1e-4)).rotate(angles)
    path = tmp_path_factory.mktemp("any") / "a.data"
    write_psana(geometry, path)
    back = read_psana(path)
    np.testing.assert_allclose(
        back.tile_outlines(), geometry.tile_outlines(), rtol=0, atol=ROUNDING
    )


def test_sizes_that_psana_cannot_stack(tmp_path):
    detector = Detector("two", (2, 10, 10), [(0, 0, 10, 0, 10), (1, 0, 5, 0, 10)], (1e-4, 1e-4))
    geometry = Geometry(detector, [(0, 0, 0), (0.01, 0, 0)], [(0, 1e-4, 0)] * 2, [(1e-4, 0, 0)] * 2)
    path = tmp_path / "a.data"
    with pytest.raises(GeometryError, match=r"several sizes.*mixed_sizes=True"):
        write_psana(geometry, path)
    assert not path.exists()
    write_psana(geometry, path, mixed_sizes=True)
    back = read_psana(path)
    assert back.detector == detector
    assert_same_tiles(back, geometry)


# -- Frame and rules, by hand ---------------------------------------------------------------


def one_matrix(angles="0 0 0 0 0 0", z0=-100000, name="MTRX:V2:2:4:100:50"):
    return f"IP 0 CAM 0 0 0 {z0} 0 0 0 0 0 0\nCAM 0 {name} 0 1000 2000 30 {angles}\n"


def test_frame(tmp_path):
    geometry = read_text(tmp_path, one_matrix())
    # fs = +x and ss = -y of the segment; (x, y, z) in the lab is (-y, -x, -z).
    np.testing.assert_array_equal(geometry.tile_fs, [[0, -5e-5, 0]])
    np.testing.assert_array_equal(geometry.tile_ss, [[1e-4, 0, 0]])
    # Centre (1000, 2000, 30): first corner 2 columns before it and 1 row above it in y.
    np.testing.assert_allclose(
        geometry.tile_corners, [[-2100 * UM, -900 * UM, -30 * UM]], rtol=0, atol=1e-18
    )
    assert geometry.distance == 0.1


@pytest.mark.parametrize(
    ("angles", "fs", "ss"),
    [
        # psana's x axis is turned to y by 90° about z, and ss = -y to +x: lab -x and -y.
        ("90 0 0 0 0 0", (-1, 0, 0), (0, -1, 0)),
        ("0 0 0 90 0 0", (-1, 0, 0), (0, -1, 0)),
        # About y by 90°: x to -z, which is +z in the lab; y stays.
        ("0 90 0 0 0 0", (0, 0, 1), (1, 0, 0)),
        # About x by 90°: y to z; ss = -y to -z, which is +z in the lab.
        ("0 0 90 0 0 0", (0, -1, 0), (0, 0, 1)),
        # About z comes first, then y: fs = x to y and stays; ss = -y to x to -z.
        ("90 90 0 0 0 0", (-1, 0, 0), (0, 0, 1)),
        ("45 0 180 45 0 0", (1, 0, 0), (0, -1, 0)),
    ],
)
def test_rotations(angles, fs, ss, tmp_path):
    geometry = read_text(tmp_path, one_matrix(angles))
    np.testing.assert_array_equal(geometry.tile_fs[0], 5e-5 * np.array(fs))
    np.testing.assert_array_equal(geometry.tile_ss[0], 1e-4 * np.array(ss))


def test_the_sign_of_z0_in_ip_does_not_count(tmp_path):
    towards, away = (read_text(tmp_path, one_matrix(z0=z)) for z in (-100000, 100000))
    assert towards == away
    assert read_text(tmp_path, one_matrix(z0=0)).distance is None


def test_the_origin_of_first_matrices_is_the_centre_of_the_first_pixel(tmp_path):
    geometry = read_text(tmp_path, one_matrix(name="MTRX:2:4:100:50"))
    # ss = +x and fs = +y: in the lab -y and -x.
    np.testing.assert_array_equal(geometry.tile_ss, [[0, -1e-4, 0]])
    np.testing.assert_array_equal(geometry.tile_fs, [[-5e-5, 0, 0]])
    np.testing.assert_allclose(
        geometry.pixel_positions()[0, 0, 0],
        [-2000 * UM, -1000 * UM, -30 * UM],
        rtol=0,
        atol=1e-18,
    )


def test_segments_follow_the_order_of_lines_and_objects_that_of_their_own(tmp_path):
    text = """
        # any order: the whole after its parts
        B 0  MTRX:V2:2:4:100:50 1   0 0 0  0 0 0 0 0 0
        A 0  MTRX:V2:2:4:100:50 7   0 0 0  0 0 0 0 0 0   # the numbers of segments do not count
        IP:V1 0  B 0  1000 0 0  0 0 0 0 0 0
        B 0  MTRX:V2:2:4:100:50 0   0 9 0  0 0 0 0 0 0
        IP:V1 0  A 0  2000 0 -200  0 0 0 0 0 0
    """
    geometry = read_text(tmp_path, text)
    assert geometry.data_shape == (3, 2, 4)
    np.testing.assert_allclose(
        geometry.tile_centres / UM,
        # The first object in IP has no distance, so the other's is relative to that.
        [(0, -1000, 0), (-9, -1000, 0), (0, -2000, 200)],
        rtol=0,
        atol=1e-9,
    )


def test_without_ip_there_is_no_distance(tmp_path):
    geometry = read_text(tmp_path, "CAM 0 JUNGFRAU:V1 0 0 0 -60 0 0 0 0 0 0\n")
    assert geometry.distance is None
    np.testing.assert_allclose(geometry.tile_centres.mean(axis=0), [0, 0, 6e-5], atol=1e-18)


# -- Real files -----------------------------------------------------------------------------


@needs_shared_data
@pytest.mark.parametrize(
    ("file", "detector", "distance"),
    [
        ("epix100a", "ePix100", 1.0),
        ("epix10kaquad", "ePix10K-4-modules", 0.1),
        ("jungfrau05M", "JUNGFRAU-500K", 0.01),
        ("jungfrau1M", "JUNGFRAU-1M", 0.1),
        ("jungfrau4M", "JUNGFRAU-4M", 0.1),
        ("pnccd", "generic", 0.1),
    ],
)
def test_real_files(file, detector, distance, tmp_path):
    path = SAMPLES / f"geometry-def-{file}.data"
    assert is_psana(path, path.read_bytes())
    geometry = read_psana(path)
    assert geometry.detector.name == detector
    assert geometry.distance == distance
    write_psana(geometry, tmp_path / "a.data")
    back = read_psana(tmp_path / "a.data")
    assert_same_tiles(back, geometry)
    assert back.detector == geometry.detector


@needs_shared_data
def test_the_real_epix100_is_that_of_geomlib():
    ours = example_geometry("ePix100")
    geometry = read_psana(SAMPLES / "geometry-def-epix100a.data")
    np.testing.assert_array_equal(geometry.tile_ss, ours.tile_ss)
    np.testing.assert_array_equal(geometry.tile_fs, ours.tile_fs)
    np.testing.assert_allclose(geometry.tile_corners, ours.tile_corners, rtol=0, atol=1e-17)


@needs_shared_data
def test_the_real_jungfrau_4m():
    geometry = read_psana(SAMPLES / "geometry-def-jungfrau4M.data")
    # Segment 0 at (-56807.1, 44005.5), the camera turned by 90°: (-44005.5, -56807.1) in IP.
    np.testing.assert_allclose(
        geometry.module_centres[0], [56807.1 * UM, 44005.5 * UM, 0], rtol=0, atol=1e-17
    )
    # Segments: x to y by their own 90°, back to -x by the camera's after the turn about y.
    np.testing.assert_allclose(np.abs(geometry.tile_fs[0]), [0, 75e-6, 0], rtol=0, atol=0)
    assert geometry.data_shape == (8, 512, 1024)


@needs_shared_data
def test_the_real_pnccd_has_two_trees_of_two():
    geometry = read_psana(SAMPLES / "geometry-def-pnccd.data")
    assert geometry.data_shape == (4, 512, 512)
    # Turned halves (20°): four corners of one square are as far from each other as its sides.
    a, b, c, d = geometry.tile_centres
    np.testing.assert_allclose(np.linalg.norm(a - b), np.linalg.norm(c - d), rtol=1e-12)
    middle = geometry.tile_centres.mean(axis=0)
    # DETPNCCD shifts both halves by -1 in psana's x, before IP turns it: +1 µm along lab x.
    np.testing.assert_allclose(middle, [1 * UM, 0, 0], rtol=0, atol=1e-12)


# -- Recognising, and files that lie --------------------------------------------------------


def test_recognises_by_content(tmp_path):
    path = tmp_path / "b"
    write_psana(moved(example_geometry("AGIPD-1M")), path)
    first = path.read_bytes()[:65536]
    assert is_psana(path, first)
    assert is_psana(path, b"# 400:HDR PARENT IND OBJECT IND X0\n" + first)
    assert is_psana(path, b"# HDR PARENT IND OBJECT IND X0[um]\n")
    for other in (
        b"",
        b"# a comment\n",
        b"p0a0/fs = +1.0x\n",
        b"\x89HDF\r\n\x1a\n" + bytes(100),
        b"1 2 3 4 5 6 7 8 9 10 11 12 13\n",
        b"A 0 B 0 0 0 0 0 0 0 0 0 nan\n",
    ):
        assert not is_psana(path, other)


LEAF = "IP 0 JUNGFRAU:V2 0 0 0 0 0 0 0 0 0 0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no objects"),
        ("# only remarks\n", "no objects"),
        (f"\n{LEAF} 5\n", ":2: found 14 columns; expected 13"),
        ("IP 0 JUNGFRAU:V2 0 0 0 0\n", ":1: found 7 columns"),
        ("IP zero JUNGFRAU:V2 0 0 0 0 0 0 0 0 0 0", "index of an object is 'zero'"),
        ("IP 0 JUNGFRAU:V2 -1 0 0 0 0 0 0 0 0 0", "index of an object is '-1'"),
        ("IP 0 JUNGFRAU:V2 " + "9" * 5000 + " 0 0 0 0 0 0 0 0 0", "index of an object"),
        ("IP 0 JUNGFRAU:V2 0 0 x 0 0 0 0 0 0 0", "found 'x'; expected a number"),
        ("IP 0 JUNGFRAU:V2 0 0 nan 0 0 0 0 0 0 0", "found 'nan'"),
        ("IP 0 JUNGFRAU:V2 0 0 1e400 0 0 0 0 0 0 0", "found '1e400'"),
        ("IP 0 JUNGFRAU:V2 0 0 0 0 0 0 1e300 0 0 0", "found '1e300'"),
        ("IP 0 EPIX10KA:V2 0 0 0 0 0 0 0 0 0 0", r"EPIX10KA:V2 0 .*known are SENS2X1:V1.*MTRX"),
        ("IP 0 MTRX:V2:0:5:1:1 0 0 0 0 0 0 0 0 0 0", "no segment that is known"),
        ("IP 0 MTRX:V2:5:5:1:x 0 0 0 0 0 0 0 0 0 0", "no segment that is known"),
        ("IP 0 MTRX:V2:5:5:1:-1 0 0 0 0 0 0 0 0 0 0", "no segment that is known"),
        ("IP 0 MTRX:V2:5:5:1:nan 0 0 0 0 0 0 0 0 0 0", "no segment that is known"),
        ("IP 0 MTRX:V2:999999999:999999999:1:1 0 0 0 0 0 0 0 0 0 0", "no segment that is known"),
        (f"{LEAF}\n\nHERE 0 JUNGFRAU:V2 1 0 0 0 0 0 0 0 0 0", ":3: expected parts of one object"),
        (f"{LEAF}\nJUNGFRAU:V2 0 A 0 0 0 0 0 0 0 0 0 0", ":2: JUNGFRAU:V2 0 has no parts"),
        ("A 0 B 0 0 0 0 0 0 0 0 0 0\nB 0 A 0 0 0 0 0 0 0 0 0 0", "in a circle"),
        (
            f"{LEAF}\nA 0 B 0 0 0 0 0 0 0 0 0 0\nB 0 A 0 0 0 0 0 0 0 0 0 0",
            "in a circle",
        ),
        (
            "IP 0 A 0 0 0 0 0 0 0 0 0 0\nIP 0 A 0 0 0 0 0 0 0 0 0 0\n"
            "A 0 JUNGFRAU:V2 0 0 0 0 0 0 0 0 0 0",
            ":2: A 0 is defined in line 1 already",
        ),
    ],
)
def test_errors_say_what_is_wrong_and_where(text, message, tmp_path):
    with pytest.raises(GeometryFileError, match=rf"a\.data.*{message}"):
        read_text(tmp_path, text)


@pytest.mark.parametrize("name", ["a\rb", "Dµ\x85\u2028\U0001f600", "a\x1c\x0b\x0cb", "\ud800", ""])
def test_odd_names_come_back_and_are_ascii(name, tmp_path):
    geometry = example_geometry("ePix100")
    odd = replace(geometry.detector, name=name, tile_names=[name + t for t in "abcd"])
    write_psana(geometry.replace(detector=odd), tmp_path / "a.data")
    content = (tmp_path / "a.data").read_bytes()
    assert content.isascii()
    assert b"\r" not in content
    assert read_psana(tmp_path / "a.data").detector == odd


def test_lines_are_those_of_psana(tmp_path):
    plain = read_text(tmp_path, f"# a\n# b\n{LEAF}\n")
    # The end of a line, for `str.splitlines` alone, in remarks; all three kinds of ends.
    odd = f"# a\x85x\u2028y\x0cz\r# b\r\n{LEAF}\n"
    (tmp_path / "a.data").write_bytes(odd.encode())
    assert read_psana(tmp_path / "a.data") == plain
    (tmp_path / "a.data").write_bytes(odd.replace("IP 0", "IP x").encode())
    with pytest.raises(GeometryFileError, match=":3: the index"):
        read_psana(tmp_path / "a.data")


@pytest.mark.parametrize("argument", [{"detector": 5}, {"path": 5}])
def test_arguments(argument, tmp_path):
    write_psana(example_geometry("ePix100"), tmp_path / "a.data")
    (name,) = argument
    with pytest.raises(GeometryError, match=f"^{name} must be"):
        read_psana(**{"path": tmp_path / "a.data", **argument})


def test_claims_of_size_cost_nothing(tmp_path):
    with pytest.raises(GeometryFileError, match="pixels"):
        read_text(
            tmp_path,
            "\n".join(f"IP 0 MTRX:V2:60000:60000:1:1 {i} 0 0 0 0 0 0 0 0 0" for i in range(100)),
        )
    with pytest.raises(GeometryFileError, match="expected less than 10000"):
        read_text(
            tmp_path, "\n".join(f"IP 0 PNCCD:V1 {i} 0 0 0 0 0 0 0 0 0" for i in range(10_100))
        )
    # One object in another, two thousand times: deeper than Python's own stack.
    chain = [f"A {i + 1} A {i} 0 0 0 0 0 0 0 0 0" for i in range(2000)]
    geometry = read_text(
        tmp_path,
        "\n".join([*chain, "A 0 PNCCD:V1 0 0 0 0 0 0 0 0 0 0", "IP 0 A 2000 0 0 5 0 0 0 0 0 0"]),
    )
    assert geometry.distance == 5e-6


def test_files_that_are_too_large_or_not_there(tmp_path):
    with pytest.raises(GeometryFileError, match="larger than 16 MiB"):
        read_text(tmp_path, "#" * (1 << 24) + "\n")
    with pytest.raises(GeometryFileError, match="no such file"):
        read_psana(tmp_path / "none.data")


@given(data=st.data())
def test_damaged_files_read_or_say_so(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    write_psana(moved(example_geometry("ePix10K")), folder / "a.data")
    whole = bytearray((folder / "a.data").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    (folder / "a.data").write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    is_psana(folder / "a.data", bytes(whole))
    # Any other exception is a failure; warnings are about a damaged note.
    with suppress(GeometryFileError), warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)
        read_psana(folder / "a.data")
