"""Value by value: the replacement and EXtra-geom itself, side by side."""

import sys
from concurrent.futures import ThreadPoolExecutor

import extra_geom as original
import extra_geom.lpd_old
import extra_geom.motors
import numpy as np
import pytest

from geomlib.compat import extra_geom as replacement
from geomlib.compat.extra_geom import lpd_old
from geomlib.errors import GeometryError
from tests.compat.examples import EXAMPLES, QUADS_DSSC, QUADS_LPD, TESTS_FOLDER

ALL = pytest.mark.parametrize("name", EXAMPLES)
#: Of each family one, in which everything is looked at.
SOME = pytest.mark.parametrize(
    "name", ["AGIPD-500K", "LPD-Mini, turned", "JUNGFRAU, gaps", "pnCCD, offsets", "ePix10K"]
)
ATTRIBUTES = (
    "detector_type_name", "pixel_size", "frag_ss_pixels", "frag_fs_pixels", "n_quads", "n_modules",
    "n_tiles_per_module", "expected_data_shape", "filename", "metadata", "ss_tiles", "fs_tiles",
    "asic_gap", "inner_pixel_size", "cutout_width", "cutout_height",
)  # fmt: skip


def both(name):
    return EXAMPLES[name](original), EXAMPLES[name](replacement)


def vectors(geom):
    tiles = [tile for module in geom.modules for tile in module]
    return np.array([[t.corner_pos, t.ss_vec, t.fs_vec] for t in tiles], dtype=float)


def frames(geom, leading=(), dtype="f4"):
    rng = np.random.default_rng(0)
    return (rng.random((*leading, *geom.expected_data_shape)) * 1000).astype(dtype)


def assert_same(a, b):
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b, strict=True)


# -- Construction -----------------------------------------------------------------------


@ALL
def test_tiles_are_the_same_to_the_last_bit(name):
    old, new = both(name)
    np.testing.assert_array_equal(vectors(old), vectors(new))
    sizes = [[(t.ss_pixels, t.fs_pixels) for m in g.modules for t in m] for g in (old, new)]
    assert sizes[0] == sizes[1]


@ALL
def test_attributes(name):
    old, new = both(name)
    for attribute in ATTRIBUTES:
        assert getattr(new, attribute, None) == getattr(old, attribute, None), attribute
        of_class = getattr(type(new), attribute, None), getattr(type(old), attribute, None)
        if not isinstance(of_class[1], property) and attribute not in ("filename", "metadata"):
            assert of_class[0] == of_class[1], attribute


@pytest.mark.parametrize("name", [n for n in original.__all__ if n.endswith("Geometry")])
def test_every_public_name_is_there(name):
    old, new = getattr(original, name), getattr(replacement, name)
    public = {n for n in dir(old) if not n.startswith("_")}
    instance = {"filename", "modules", "metadata"}
    assert public - set(dir(new)) == set()
    assert instance <= set(dir(new.example() if hasattr(new, "example") else new)) | {"filename"}


def test_every_module_is_there():
    import geomlib.compat

    for module in geomlib.compat.SUBMODULES:
        old = sys.modules.get(f"extra_geom.{module}")
        new = __import__(f"geomlib.compat.extra_geom.{module}", fromlist=["__all__"])
        assert set(new.__all__) <= set(dir(new))
        assert old is None or set(new.__all__) <= set(dir(old))


# -- Images -----------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("dtype", ["f4", "u2"])
def test_images_are_the_same(name, dtype):
    old, new = both(name)
    for leading in ((), (2,)):
        data = frames(old, leading, dtype)
        (image, centre), (mine, my_centre) = (g.position_modules(data) for g in (old, new))
        assert_same(mine, image)
        assert tuple(my_centre) == tuple(centre)


@ALL
def test_out_keeps_what_no_tile_covers(name):
    old, new = both(name)
    data = frames(old, (2,), "u2")
    outs = [g.output_array_for_position((2,), np.float64) for g in (old, new)]
    assert_same(*outs)
    for geom, out in zip((old, new), outs, strict=True):
        out[:] = -7
        returned, _ = geom.position_modules(data, out=out)
        assert returned is out
    assert_same(*outs)


@SOME
def test_old_names_are_aliases(name):
    _, new = both(name)
    data = frames(new)
    expected = new.position_modules(data)[0]
    out = new.output_array_for_position_fast()
    with ThreadPoolExecutor(2) as pool:
        assert_same(new.position_modules_fast(data, out=out, threadpool=pool)[0], expected)
    assert_same(new.position_all_modules(data)[0], expected)


@SOME
def test_images_are_taken_apart(name):
    old, new = both(name)
    image, _ = old.position_modules(frames(old))
    assert_same(new.take_modules(image), old.take_modules(image))
    with pytest.raises(ValueError, match="shape"):
        new.take_modules(image[1:])


@pytest.mark.parametrize("name", ["AGIPD-1M", "DSSC-1M", "JUNGFRAU-4M", "pnCCD"])
def test_symmetric_images(name):
    old, new = both(name)
    data = frames(old)
    expected = old.position_modules_symmetric(data)
    assert_same(new.position_modules_symmetric(data), expected)
    larger = [np.full((expected.shape[0] + 9, expected.shape[1] + 4), 5, "f4") for _ in "ab"]
    for geom, out in zip((old, new), larger, strict=True):
        geom.position_modules_symmetric(data, out=out)
    assert_same(*larger)
    with pytest.raises(ValueError, match="at least"):
        new.position_modules_symmetric(data, out=np.zeros((10, 10), "f4"))


@pytest.mark.parametrize(
    "name", ["AGIPD-500K", "LPD-Mini", "JUNGFRAU-500K", "ePix100, origin", "generic, one tile"]
)
def test_symmetric_images_where_the_beam_is_near_the_low_side(name):
    """EXtra-geom runs out of the array there: a ValueError."""
    old, new = both(name)
    data = frames(old)
    with pytest.raises(ValueError, match="shape"):
        old.position_modules_symmetric(data)
    image = new.position_modules_symmetric(data)
    part, centre = new.position_modules(data)
    y, x = image.shape[0] // 2 - centre[0], image.shape[1] // 2 - centre[1]
    window = image[y : y + part.shape[0], x : x + part.shape[1]]
    assert_same(window, part)
    assert np.isnan(image).sum() == image.size - np.isfinite(part).sum()


def test_symmetric_images_of_whole_numbers():
    """EXtra-geom fills gaps with NaN, which becomes whatever the processor makes of it."""
    old, new = both("AGIPD-1M")
    data = frames(new, (), "i4") + 1
    with pytest.warns(RuntimeWarning, match="invalid value"):
        old.position_modules_symmetric(data)
    image = new.position_modules_symmetric(data)
    assert image.dtype == data.dtype
    assert image.min() == 0


@pytest.mark.jit
@pytest.mark.parametrize("name", ["AGIPD-500K", "ePix10K", "LPD-Mini, turned"])
def test_interpolated_images(name):
    """But for pyFAI's float32: positions of 0.3 m to 3e-8 m, a part in 2000 of a pixel."""
    old, new = both(name)
    data = np.random.default_rng(1).poisson(5, old.expected_data_shape).astype("f4")
    (image, centre), (mine, my_centre) = (g.position_modules_interpolate(data) for g in (old, new))
    np.testing.assert_allclose(my_centre, centre, rtol=0, atol=1e-9)
    assert mine.dtype == image.dtype
    # The same rounding may give pyFAI's image an empty row more.
    assert all(0 <= a - b <= 1 for a, b in zip(image.shape, mine.shape, strict=True))
    theirs = np.nan_to_num(image)[: mine.shape[0], : mine.shape[1]]
    np.testing.assert_allclose(np.nan_to_num(mine), theirs, rtol=0, atol=1e-3 * data.max())
    assert mine.sum(where=np.isfinite(mine), dtype=float) == pytest.approx(data.sum(), rel=1e-6)


def test_interpolation_by_pyfai_itself():
    old, new = both("ePix10K")
    data = np.random.default_rng(1).poisson(5, (2, *old.expected_data_shape)).astype("f4")
    (image, _), (mine, _) = (g.position_modules_interpolate(data, resize=False) for g in (old, new))
    np.testing.assert_allclose(mine, image, rtol=0, atol=1e-3 * data.max())


@pytest.mark.jit
def test_interpolation_of_jungfrau():
    """EXtra-geom fails: it gives pyFAI the shape twice."""
    old, new = both("JUNGFRAU-500K")
    data = np.ones((512, 1024), "f4")
    with pytest.raises(TypeError, match="max_shape"):
        old.position_modules_interpolate(data)
    image, _ = new.position_modules_interpolate(data)
    assert np.nansum(image, dtype=float) == pytest.approx(data.size)


# -- Where pixels are -------------------------------------------------------------------


@ALL
def test_positions_are_the_same_to_the_last_bit(name):
    old, new = both(name)
    for centre in (True, False):
        assert_same(new.get_pixel_positions(centre), old.get_pixel_positions(centre))


@pytest.mark.parametrize(
    "name",
    [
        "AGIPD-500K, mm",
        "LPD-Mini",
        "LPD-Mini, turned",
        "DSSC-1M, gaps",
        "JUNGFRAU, gaps",
        "ePix10K",
    ],
)
def test_distortion_arrays_are_the_same_to_the_last_bit(name):
    old, new = both(name)
    assert_same(new.to_distortion_array(), old.to_distortion_array())
    assert_same(new.to_distortion_array(True), old.to_distortion_array(True))


def test_distortion_array_of_a_generic_detector():
    """EXtra-geom calls a method of the object without one: a TypeError."""
    old, new = both("generic")
    with pytest.raises(TypeError):
        old.to_distortion_array()
    corners = new.to_distortion_array(True).reshape(3, 64, 256, 4, 3)[:, :, :, 0, ::-1]
    # float32.
    np.testing.assert_allclose(corners, new.get_pixel_positions(False), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", [n for n in EXAMPLES if "DSSC" not in n])
def test_points_of_the_data(name):
    old, new = both(name)
    rng = np.random.default_rng(2)
    n_modules, n_ss, n_fs = old.expected_data_shape
    module = rng.integers(0, n_modules, 500)
    points = module, rng.random(500) * n_ss, rng.random(500) * n_fs
    assert_same(new.data_coords_to_positions(*points), old.data_coords_to_positions(*points))


def test_points_of_dssc():
    """EXtra-geom has not implemented this."""
    old, new = both("DSSC-1M")
    points = np.array([3]), np.array([10.5]), np.array([300.5])
    with pytest.raises(NotImplementedError):
        old.data_coords_to_positions(*points)
    place = new.get_pixel_positions()[3, 10, 300]
    # The last bits of a sum in another order.
    np.testing.assert_allclose(new.data_coords_to_positions(*points)[0], place, atol=1e-15)


@ALL
def test_tiles_in_the_data(name):
    old, new = both(name)
    data = frames(old, (2,))[:, 0]
    for tile in range(old.n_tiles_per_module):
        assert new._tile_slice(tile) == old._tile_slice(tile)
    for mine, theirs in zip(new.split_tiles(data), old.split_tiles(data), strict=True):
        assert_same(mine, theirs)
        assert np.shares_memory(mine, data)


def test_pyfai_detectors_have_the_corners_of_the_distortion_array():
    pytest.importorskip("pyFAI")
    for name in ("LPD-Mini, turned", "JUNGFRAU, gaps", "DSSC-1M"):
        old, new = both(name)
        theirs, mine = (g.to_pyfai_detector() for g in (old, new))
        assert type(mine).__name__ == type(theirs).__name__
        assert theirs.shape in (mine.shape, None)
        # Ours are float64.
        np.testing.assert_allclose(
            mine.get_pixel_corners(), theirs.get_pixel_corners(), rtol=1e-7, atol=1e-9
        )


def test_masks_of_wide_pixels():
    assert_same(replacement.agipd_asic_seams(), original.agipd_asic_seams())
    for name in ("Epix100Geometry", "Epix10KGeometry"):
        old, new = getattr(original, name), getattr(replacement, name)
        assert_same(new.asic_seams(), old.asic_seams())
        assert_same(new.pixel_areas(), old.pixel_areas())
        _, n_ss, n_fs = old.expected_data_shape
        for rows in (n_ss, n_ss + 4):
            data = np.random.default_rng(3).random((2, rows, n_fs))
            assert_same(new.normalize_data(data), old.normalize_data(data))


# -- Changes ----------------------------------------------------------------------------

PARTS = ({}, {"modules": np.s_[:1]}, {"tiles": np.s_[:1]}, {"modules": np.s_[-1:], "tiles": [0]})


@pytest.mark.parametrize("name", [n for n in EXAMPLES if "generic" not in n])
def test_moved_and_turned_to_the_last_bit(name):
    old, new = both(name)
    for part in PARTS[:3]:
        for change in (
            lambda g, part=part: g.offset((1e-3, -2e-3), **part),
            lambda g, part=part: g.rotate((0.3, 0.2, 1.7), **part),
            lambda g, part=part: g.rotate((0.03, 0, 1), degrees=False, center=(0, 1, 2), **part),
        ):
            np.testing.assert_array_equal(vectors(change(new)), vectors(change(old)))


def test_a_shift_or_an_angle_a_module_or_a_tile():
    old, new = both("AGIPD-500K")
    rng = np.random.default_rng(4)
    for shape in ((8, 3), (8, 8, 3), (8, 2)):
        shift = rng.random(shape) * 1e-3
        np.testing.assert_array_equal(vectors(new.offset(shift)), vectors(old.offset(shift)))
        if shape[-1] == 3:
            angles = rng.random(shape)
            a, b = (vectors(g.rotate(angles, center=shift)) for g in (new, old))
            np.testing.assert_array_equal(a, b)
            a, b = (vectors(g.rotate(angles)) for g in (new, old))
            # Means of tile centres are summed in another order.
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-15)
    for wrong in (np.zeros((7, 2)), np.zeros(4)):
        with pytest.raises(ValueError):
            new.offset(wrong)
    with pytest.raises(ValueError, match="shape of angles"):
        new.rotate((1, 2, 3), center=np.zeros((8, 3)))


def test_motors():
    motors = np.random.default_rng(5).random((4, 2))
    old, new = both("AGIPD-1M")
    trackers = original.motors.AGIPD_1MMotors, replacement.motors.AGIPD_1MMotors
    theirs, mine = (
        t(g, motors).geom_at(3 * motors) for t, g in zip(trackers, (old, new), strict=True)
    )
    np.testing.assert_array_equal(vectors(mine), vectors(theirs))
    assert_same(mine.motor_positions, theirs.motor_positions)
    theirs, mine = (t(g).move_geom_by(motors) for t, g in zip(trackers, (old, new), strict=True))
    np.testing.assert_array_equal(vectors(mine), vectors(theirs))
    assert not hasattr(mine, "motor_positions")
    axes = np.ones((4, 2, 2))
    theirs, mine = (
        t(g, motors).with_motor_axes(axes).geom_at(motors * 2)
        for t, g in zip(trackers, (old, new), strict=True)
    )
    np.testing.assert_array_equal(vectors(mine), vectors(theirs))


# -- Files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file", "quads"),
    [
        ("LPD_1MGeometry", "lpd_mar_18.h5", [(-x, -y) for x, y in QUADS_LPD]),
        ("DSSC_1MGeometry", "dssc_geo_june19.h5", QUADS_DSSC),
    ],
)
@pytest.mark.filterwarnings("ignore::geomlib.GeometryWarning")
def test_xfel_files(tmp_path, name, file, quads):
    path = TESTS_FOLDER / file
    old, new = (
        getattr(p, name).from_h5_file_and_quad_positions(path, quads)
        for p in (original, replacement)
    )
    np.testing.assert_array_equal(vectors(new), vectors(old))
    # Rounding of sums of hundreds of millimetres.
    np.testing.assert_allclose(new.quad_positions(), old.quad_positions(), rtol=0, atol=1e-12)
    mine, theirs = (g.quad_positions(path) for g in (new, old))
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12)
    for writer in (old, new):
        written = writer.to_h5_file_and_quad_positions(tmp_path / "written.h5")
        np.testing.assert_allclose(written, old.quad_positions(), rtol=0, atol=1e-12)
        for package in (original, replacement):
            again = getattr(package, name).from_h5_file(tmp_path / "written.h5")
            np.testing.assert_allclose(vectors(again), vectors(old), rtol=0, atol=1e-15)
        (tmp_path / "written.h5").unlink()


DIMS = [
    ("frame", "modno", "ss", "fs"),
    ("frame", "ss", "fs"),
    ("modno", "frame", "ss", "fs"),
    ("frame", "modno", 0, "ss", "fs"),
    (1, "frame", "modno", "fs", "ss"),
]


@pytest.mark.parametrize("dims", DIMS, ids=str)
@pytest.mark.parametrize("name", ["AGIPD-500K", "LPD-Mini, turned", "JUNGFRAU, gaps", "ePix100"])
@pytest.mark.filterwarnings("ignore::geomlib.GeometryWarning")
def test_each_reads_what_the_other_writes(tmp_path, name, dims):
    old, new = both(name)
    for geom, path in ((old, tmp_path / "old.geom"), (new, tmp_path / "new.geom")):
        geom.write_crystfel_geom(path, dims=dims, clen=0.2, adu_per_ev=0.01, photon_energy=9e3)
        assert geom.filename == path
        mine = type(new).from_crystfel_geom(path)
        # A sum of millimetres in pixels and back.
        np.testing.assert_allclose(vectors(mine), vectors(old), rtol=0, atol=1e-15)
        known = {k: v for k, v in mine.metadata["crystfel"].items() if k != "bad"}
        assert known == {
            "data": "/entry_1/instrument_1/detector_1/data", "mask": "", "adu_per_eV": 0.01,
            "clen": 0.2, "photon_energy": 9e3,
        }  # fmt: skip
        if any(isinstance(axis, int) for axis in dims):
            # EXtra-geom cannot read the layout of raw data, though it writes it.
            with pytest.raises(ValueError, match="index dimensions"):
                type(old).from_crystfel_geom(path)
        else:
            theirs = type(old).from_crystfel_geom(path)
            np.testing.assert_allclose(vectors(theirs), vectors(old), rtol=0, atol=1e-15)


# -- The first interface for LPD --------------------------------------------------------


def test_the_first_interface_for_lpd():
    import h5py

    quads = [(-11.4, -299), (11.5, -8), (-254.5, 16), (-278.5, -275)]
    with h5py.File(TESTS_FOLDER / "lpd_mar_18.h5") as file:
        old, new = (
            p.LPDGeometry.from_h5_file_and_quad_positions(file, quads)
            for p in (original.lpd_old, lpd_old)
        )
    assert str(new) == str(old)
    assert list(new.iter_leaf_paths()) == list(old.iter_leaf_paths())
    data = np.random.default_rng(6).random((2, 16, 256, 256))
    (image, centre), (mine, my_centre) = (g.position_all_modules(data) for g in (old, new))
    assert_same(mine, image)
    assert_same(my_centre, centre)
    for order in (False, True):
        mine, theirs = (
            p.splitChannelDataIntoTiles(data[:, 0], order) for p in (lpd_old, original.lpd_old)
        )
        assert_same(mine, theirs)
    with pytest.raises(ValueError, match="shape"):
        new.position_all_modules(data[:, :3])
    assert len(new.inspect().axes) == len(new.plot_data(data[0]).axes) == 1


def test_wrong_numbers_of_modules():
    geom = EXAMPLES["AGIPD-1M"](replacement)
    with pytest.raises(GeometryError, match="16 modules, not 3"):
        _ = replacement.AGIPD_1MGeometry(geom.modules[:3]).geometry
