"""Every format and every pair of formats: a geometry is the same after both, where both hold it."""

from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest

import geomlib
from geomlib.detector import Detector
from geomlib.errors import GeometryError, quiet
from geomlib.formats.losses import GeometryLossError, contents
from geomlib.formats.registry import format_named, format_of, formats
from geomlib.metadata import BadRegion

# None of our loops runs here: once, with the compiler, is enough.
pytestmark = pytest.mark.jit

#: By how much a format may move a corner of a tile, relative to the largest coordinate. Formats of
#: doubles store sums and products of a few doubles; each rounds by 1.1e-16.
FLOAT32 = 2.5 * 2.0**-24
ACCURACY = {
    "crystfel": 4e-16,
    "euxfel": 1e-15,
    "quadrants": 1e-15,
    "pyfai": FLOAT32,
    "poni": FLOAT32,
    "nxmx": 1e-15,
    "dials": 1e-15,
    "psana": 4e-15,
    "cxi": 4e-16,
    "pixelmap": FLOAT32,
}
#: Formats that know two or three detectors, flat ones.
FLAT = {"euxfel": ("LPD-1M", "DSSC-1M"), "quadrants": ("AGIPD-1M", "LPD-1M", "DSSC-1M")}
DETECTORS = (
    *("AGIPD-1M", "AGIPD-500K", "LPD-1M", "LPD-Mini", "DSSC-1M", "JUNGFRAU-500K", "JUNGFRAU-4M"),
    *("pnCCD", "ePix100", "ePix10K", "mixed"),
)
#: Formats of single pixels take seconds for a large detector: these stand for the rest in pairs.
IN_PAIRS = ("AGIPD-500K", "LPD-1M", "DSSC-1M", "JUNGFRAU-500K", "ePix10K", "mixed")
READABLE = [fmt.name for fmt in formats() if fmt.reader and fmt.writer]


@cache
def geometry_of(name):
    """A detector with every tile tilted and moved, in z too."""
    geom = (mixed() if name == "mixed" else geomlib.example_geometry(name)).replace(
        distance=0.3217, photon_energy=9314.7
    )
    rng = np.random.default_rng(len(name))
    for tile in range(geom.n_tiles):
        module = int(geom.detector.tile_modules[tile])
        place = {"modules": [module], "tiles": [tile - geom.detector.tiles_of(module)[0]]}
        geom = geom.rotate(rng.uniform(-0.5, 0.5, 3), **place)
        geom = geom.offset(rng.uniform(-2e-4, 2e-4, 3), **place)
    return geom


def mixed():
    """Two modules of tiles that are alike in nothing, neither in size nor in pitch."""
    bounds = [(0, 0, 20, 0, 30), (0, 20, 50, 4, 24), (1, 0, 50, 0, 17), (1, 10, 22, 17, 30)]
    pitch = np.array([(75e-6, 75e-6), (100e-6, 50e-6), (200e-6, 200e-6), (172e-6, 110e-6)])
    corners = [(-2e-3, 1e-3, 0), (3e-3, 4e-3, 1e-4), (-9e-3, -9e-3, 0), (5e-3, -6e-3, -2e-4)]
    detector = Detector(
        "my mixed one", (2, 50, 30), bounds, (100e-6, 100e-6), tile_names=("a", "b2", "c", "d")
    )
    ss, fs = np.zeros((2, 4, 3))
    ss[:, 1], fs[:, 0] = pitch.T
    return geomlib.Geometry(detector, corners, ss, fs)


def can_hold(format, name):
    if format in FLAT:
        return name in FLAT[format]
    if (format, name) == ("psana", "mixed"):
        return False  # its data is a stack of segments of one size
    fmt = format_named(format)
    return name != "DSSC-1M" or "hexagons" in fmt.holds or fmt.by_layout


def held_geometry(name, *names):
    """The geometry as all of these formats can hold it: flat, where one of them is flat."""
    geom = geometry_of(name)
    if not any(format in FLAT for format in names):
        return geom
    if name == "mixed":
        return geom
    flat = geomlib.example_geometry(name)
    return flat.replace(distance=geom.distance, photon_energy=geom.photon_energy)


def write(geom, format, path):
    """Write without the measuring, which `test_one_format` sees."""
    module, _, function = format_named(format).writer.partition(":")
    options = {"adu_per_ev": 0.001} if format == "crystfel" else {}
    with quiet():
        getattr(import_module(module), function)(geom, path, **options)


def read(format, path, detector):
    fmt = format_named(format)
    with quiet():
        if fmt.needs_detector:
            return geomlib.read_geometry(path, detector=detector)
        assert format_of(path).name == format
        return geomlib.read_geometry(path)


def suffix(format):
    return format_named(format).suffixes[0]


def assert_same(back, geom, last, *before):
    """Data layout and tiles as all of these formats hold them; distance and energy as the last."""
    assert back.data_shape == geom.data_shape
    np.testing.assert_array_equal(back.detector.tile_bounds, geom.detector.tile_bounds)
    lost = [contents(geom) - format_named(format).holds for format in (last, *before)]
    if not any("name of the detector" in one for one in lost):
        assert back.detector == geom.detector
    scale = np.abs(geom.tile_outlines()).max() + geom.distance
    limit = sum(ACCURACY[format] for format in (last, *before)) * scale
    assert np.abs(back.tile_outlines() - geom.tile_outlines()).max() <= limit
    for content, attribute in (("distance", "distance"), ("photon energy", "photon_energy")):
        if content in format_named(last).holds:
            assert getattr(back, attribute) == getattr(geom, attribute)
        else:
            assert getattr(back, attribute) is None


#: Writing and reading every corner of a megapixel takes seconds: with `make test-slow`.
BY_PIXEL, LARGE = ("pyfai", "poni"), ("LPD-1M", "DSSC-1M", "JUNGFRAU-4M")
#: A `.poni` file points to a file of pyFAI's, which sees each detector.
TWICE = (*LARGE, "AGIPD-1M", "pnCCD")


def slow_if(large, *values):
    return pytest.param(*values, marks=pytest.mark.slow) if large else values


EACH = [
    slow_if(
        (format in BY_PIXEL and name == "JUNGFRAU-4M") or (format == "poni" and name in TWICE),
        *(format, name),
    )
    for format in READABLE
    for name in DETECTORS
]


@pytest.mark.parametrize(("format", "name"), EACH)
def test_one_format(format, name, tmp_path):
    geom, path = held_geometry(name, format), tmp_path / f"a{suffix(format)}"
    if not can_hold(format, name):
        with pytest.raises(GeometryError) as caught:
            geomlib.write_geometry(geom, path, format=format)
        assert list(tmp_path.iterdir()) == []
        if isinstance(caught.value, GeometryLossError):
            assert caught.value.report.moved > 1e-6
        return
    options = {"adu_per_ev": 0.001} if format == "crystfel" else {}
    with quiet():
        report = geomlib.write_geometry(geom, path, format=format, allow_loss=True, **options)
    lost = contents(geom) - format_named(format).holds
    assert set(report.lost) == lost
    assert report.moved < 1e-7
    assert_same(read(format, path, geom.detector), geom, format)


@pytest.mark.parametrize("format", READABLE)
def test_what_is_declared_is_held(format, tmp_path):
    # A detector that all formats know, and the smallest that has motors.
    name = "LPD-1M" if format == "euxfel" else "AGIPD-1M"
    geom = held_geometry(name, "euxfel").replace(
        bad_regions=[
            BadRegion("bad_block", tile=17, ss=(70, 76), fs=(100, 121)),
            BadRegion("bad_place", x=(-0.02, 0.01), y=(0.03, 0.05)),
        ],
        no_index=[3, 70],
        groups={"all": tuple(range(128)), "mine": (1, 2, 77)},
        data_path="/entry_1/data",
        mask_path="/entry_1/mask",
        motor_positions=np.arange(8).reshape(4, 2) / 7 if name == "AGIPD-1M" else None,
    )
    assert geom.bad_pixels().sum() > 1000
    path = tmp_path / f"a{suffix(format)}"
    write(geom, format, path)
    back = read(format, path, geom.detector)
    attributes = {
        "distance": ("distance",),
        "photon energy": ("photon_energy",),
        "no_index flags": ("no_index",),
        "data and mask paths": ("data_path", "mask_path"),
        "motor positions": ("motor_positions",),
    }
    for content, names in attributes.items():
        for attribute in names:
            same = np.array_equal(getattr(back, attribute), getattr(geom, attribute))
            known = geom.motor_positions is not None or attribute != "motor_positions"
            assert same == (content in format_named(format).holds or not known)
    kept = (back.groups or {}).get("mine") == (1, 2, 77)
    assert kept == ("groups" in format_named(format).holds)
    same = np.array_equal(back.bad_pixels(), geom.bad_pixels())
    assert same == ("bad pixels" in format_named(format).holds)


@cache
def once(format, name, flat):
    """The geometry after one format, for all pairs that begin with it."""
    geom = held_geometry(name, format, *(("euxfel",) if flat else ()))
    path = Path(mkdtemp()) / f"a{suffix(format)}"
    write(geom, format, path)
    return read(format, path, geom.detector)


def large_pair(first, second, name):
    """Whether a pair takes long, and a smaller detector stands for it."""
    if second in BY_PIXEL:
        return name in LARGE
    return name == "LPD-1M" and first not in FLAT and second not in FLAT


PAIRS = [
    slow_if(large_pair(first, second, name), first, second, name)
    for first in READABLE
    for second in READABLE
    for name in IN_PAIRS
    if can_hold(first, name) and can_hold(second, name)
]


@pytest.mark.parametrize(("first", "second", "name"), PAIRS)
def test_pairs(first, second, name, tmp_path):
    flat = first in FLAT or second in FLAT
    geom, path = held_geometry(name, first, second), tmp_path / f"b{suffix(second)}"
    beam = {"distance": geom.distance, "photon_energy": geom.photon_energy}
    # What the first format lost, the second one may need: people give it again.
    between = once(first, name, flat)
    missing = {key: value for key, value in beam.items() if getattr(between, key) is None}
    write(between.replace(**missing), second, path)
    assert_same(read(second, path, geom.detector), geom, second, first)
