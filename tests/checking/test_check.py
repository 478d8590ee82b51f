"""`check_geometry` of files of every format, and from several threads."""

import re
import threading
import time
import warnings

import h5py
import numpy as np
import pytest

from geomlib import GeometryError, check_geometry, detectors, example_geometry, write_geometry
from geomlib.errors import quiet
from geomlib.formats.known import KNOWN
from geomlib.integration.beam import find_beam

FORMATS = [fmt.name for fmt in KNOWN if fmt.reader is not None and fmt.writer is not None]
SUFFIXES = {fmt.name: fmt.suffixes[0] for fmt in KNOWN}
#: What only .geom files have.
KEYS = re.compile(r"min_|max_|corner_|coffset|clen|\bres\b|dim[0-9…]|\.geom")


def refined(geometry, parts):
    """Move and turn parts at random, as a refinement does: by up to 0.3 pixels and 0.2°.

    ``parts`` has a number for each tile: those with the same one move together.
    """
    rng = np.random.default_rng(geometry.n_tiles)
    n = parts.max() + 1
    centres = np.array([geometry.tile_centres[parts == i].mean(axis=0) for i in range(n)])[parts]
    turns = np.radians(rng.uniform(-0.2, 0.2, (n, 3)))[parts]
    shifts = rng.uniform(-0.3, 0.3, (n, 3))[parts] * min(geometry.detector.pixel_size)

    def turned(vectors):
        # Lengths change by 0.2° squared, 1e-5.
        return vectors + np.cross(turns, vectors)

    return geometry.replace(
        tile_corners=centres + turned(geometry.tile_corners - centres) + shifts,
        tile_ss=turned(geometry.tile_ss),
        tile_fs=turned(geometry.tile_fs),
    )


def written(geometry, folder, name):
    """Write a file of a format."""
    path = folder / f"a{SUFFIXES[name]}"
    options = {"adu_per_ev": 0.001} if name == "crystfel" else {}
    with quiet():
        write_geometry(geometry, path, format=name, allow_loss=True, **options)
    return path


def findings(path, **options):
    """Findings besides what a format has no place for."""
    absent = {"no-distance", "no-energy"}
    return [f for f in check_geometry(path, **options) if f.code not in absent]


#: Formats that only detectors with quadrants have.
OF_QUADRANTS = {"euxfel", "quadrants"}
#: A large detector where no pixel is written by itself, which takes long.
CASES = [
    *[("LPD-Mini", name) for name in FORMATS if name not in OF_QUADRANTS],
    *[("AGIPD-1M", name) for name in ("crystfel", "dials", "psana", "cxi", "quadrants")],
    *[(name, fmt) for name in ("LPD-1M", "DSSC-1M") for fmt in ("crystfel", "euxfel", "quadrants")],
]


@pytest.mark.parametrize(("detector", "name"), CASES)
def test_no_false_alarms(detector, name, tmp_path):
    geometry = example_geometry(detector).replace(distance=0.3, photon_energy=9300.0)
    modules, tiles = geometry.detector.tile_modules, np.arange(geometry.n_tiles)
    tilted = geometry.rotate((3, -4, 1))
    for variant in (refined(tilted, modules), refined(geometry, tiles)):
        path = written(variant, tmp_path, name)
        needed = {"detector": detector} if name == "quadrants" else {}
        assert findings(path, **needed) == []


@pytest.mark.parametrize("name", [n for n in FORMATS if n not in {"crystfel", *OF_QUADRANTS}])
def test_mistakes_are_found_in_every_format(name, tmp_path):
    geometry = example_geometry("JUNGFRAU-500K").replace(distance=0.3, photon_energy=9300.0)
    corners, fs, ss = (getattr(geometry, a).copy() for a in ("tile_corners", "tile_fs", "tile_ss"))
    corners[[2, 3]] = corners[[3, 2]]
    corners[7] += [0, 0.3, 0]
    wrong = geometry.replace(tile_corners=corners, tile_fs=1.5 * fs, tile_ss=1.5 * ss)
    report = findings(written(wrong, tmp_path, name))
    assert {"pixel-size", "far-tiles"} <= {f.code for f in report}
    for finding in report:
        assert not KEYS.search(finding.mend)


def test_mends_of_geom_files_name_their_keys(tmp_path):
    geometry = example_geometry("JUNGFRAU-500K").replace(distance=0.3, photon_energy=9300.0)
    corners = geometry.tile_corners.copy()
    corners[7] += [0, 0.3, 0]
    path = written(geometry.replace(tile_corners=corners), tmp_path, "crystfel")
    (far,) = [f for f in check_geometry(path) if f.code == "far-tiles"]
    assert "corner_y (pixels)" in far.mend
    assert (far.key, far.line is None) == ("p0a7/corner_x", False)


# -- What readers doubt -------------------------------------------------------------------


def test_doubts_of_readers(tmp_path):
    """A warning of its reader that begins with the path of the file, which the report has."""
    path = tmp_path / "c.yaml"
    write_geometry(example_geometry("LPD-1M"), path, format="quadrants", allow_loss=True)
    path.write_text(path.read_text().replace("LPD:", "LPD:\n        GEOMETRY_FILE: no.h5"))
    (doubt,) = [f for f in check_geometry(path) if f.code == "doubtful"]
    assert doubt.severity == "warning"
    assert doubt.message.startswith("GEOMETRY_FILE no.h5 is not there")


def test_the_key_of_a_doubt(tmp_path):
    path = tmp_path / "a.expt"
    geometry = example_geometry("ePix100").replace(distance=0.3, photon_energy=9300.0)
    write_geometry(geometry, path, allow_loss=True)
    text = path.read_text()
    turned = re.sub(r'("direction": \[)[^]]*\]', r"\g<1>0.6, 0.0, 0.8]", text, count=1)
    assert turned != text
    path.write_text(turned)
    (doubt,) = [f for f in check_geometry(path) if f.code == "doubtful"]
    assert doubt.key == "beam[0].direction"
    assert doubt.message.startswith("the beam is not along z")


def test_what_a_format_never_says_is_a_note(tmp_path):
    """No pixel map but geomlib's own says whether it has corners or centres."""
    path = tmp_path / "a.h5"
    geometry = detectors.generic([(0, 0)], (64, 50), 110e-6)
    write_geometry(geometry, path, format="pixelmap", allow_loss=True)
    plain = tmp_path / "plain.h5"
    with h5py.File(path) as old, h5py.File(plain, "w") as new:
        for name in "xyz":
            new[name] = old[name][()]
    doubts = [f for f in check_geometry(plain) if f.code == "doubtful"]
    assert [f.severity for f in doubts] == ["note"]
    assert "the corner or the centre of a pixel" in doubts[0].message


def test_threads_do_not_hear_each_other(tmp_path):
    """Four checks at once, of a file that its reader doubts, leave `warnings` alone."""
    path = tmp_path / "c.csv"
    rows = enumerate([(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)], 1)
    path.write_text(",Y,X\n" + "".join(f"q{n},{y},{x}\n" for n, (x, y) in rows))
    reports, start = [], threading.Barrier(5)

    def check():
        start.wait(10)
        for _ in range(5):
            reports.append(check_geometry(path, detector="LPD-1M"))

    threads = [threading.Thread(target=check) for _ in range(4)]
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        before = warnings.showwarning
        for thread in threads:
            thread.start()
        start.wait(10)
        said = 0
        # While they check, this thread's own warnings are heard.
        while any(thread.is_alive() for thread in threads):
            warnings.warn("my own", UserWarning, stacklevel=1)
            said += 1
            time.sleep(1e-3)
        for thread in threads:
            thread.join()
        assert warnings.showwarning is before
    assert [str(w.message) for w in heard] == ["my own"] * said
    assert [[f.code for f in r if f.code == "doubtful"] for r in reports] == [["doubtful"]] * 20


# -- Distances and energies ---------------------------------------------------------------


@pytest.mark.parametrize("distance", [0.9e-3, 1.1e-3, 6e-3, 29.0, 31.0, 99.0, 101.0])
def test_checks_and_integration_agree_on_distances(distance):
    geometry = example_geometry("ePix100").replace(distance=distance)
    severities = [f.severity for f in check_geometry(geometry) if f.code == "distance"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            find_beam(geometry, None, None, None, None)
            said = ["warning"] if caught else []
        except GeometryError:
            said = ["error"]
    assert severities == said
