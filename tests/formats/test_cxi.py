"""CXI files: the specification's rules, those of its validator, and files that lie."""

import os
import re
import warnings
from contextlib import suppress
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geomlib.detector import Detector
from geomlib.detectors import example_geometry, generic
from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
from geomlib.formats.cxi import is_cxi, read_cxi, write_cxi
from geomlib.formats.layout import LAYOUT_KEY
from geomlib.geometry import Geometry
from geomlib.metadata import BadRegion
from geomlib.regions import regions_of_mask

DETECTORS = ("AGIPD-1M", "LPD-1M", "DSSC-1M", "JUNGFRAU-4M", "ePix100", "ePix10K", "pnCCD")
WHERE = "/entry_1/instrument_1/detector_1"
# The distance is added to z and taken off again: two roundings of a number below 1 m.
ROUNDING = 3e-16


def moved(geometry, seed=1):
    """Tilt and shift the modules, a little and each its own way, at a distance."""
    rng = np.random.default_rng(seed)
    n = geometry.n_modules
    turned = geometry.rotate(rng.normal(0, 0.5, (n, 3))).offset(rng.normal(0, 2e-4, (n, 3)))
    return turned.replace(distance=0.2173)


def mixed_sizes():
    """Tiles of 20 × 30, 20 × 30, 10 × 5 and 7 × 30 pixels, of several pitches, askew."""
    bounds = [(0, 0, 20, 0, 30), (1, 0, 20, 0, 30), (2, 0, 10, 0, 5), (2, 13, 20, 0, 30)]
    detector = Detector("mixed", (3, 20, 30), bounds, (1e-4, 1e-4), tile_names=list("abcd"))
    ss, fs = np.zeros((2, 4, 3))
    ss[:2, 1], ss[2:, 0] = 1e-4, -5e-5
    fs[:2, 0], fs[2:, 1] = 1e-4, 2.5e-5
    ss[0, 2] = 1e-6
    ss[1, 0] = 1e-6
    corners = [(0.01, 0.01, 0), (-0.01, 0.01, 0.002), (0, -0.01, 0), (0, -0.02, 0)]
    return Geometry(detector, corners, ss, fs, distance=0.1)


def write(path, **datasets):
    """Write a CXI file with one detector that has some datasets."""
    with h5py.File(path, "w") as file:
        group = file.create_group(WHERE)
        for name, value in datasets.items():
            group[name] = value
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.cxi"


# -- Writing and reading back ---------------------------------------------------------------


@pytest.mark.parametrize("name", DETECTORS)
def test_round_trip(name, path):
    geometry = moved(example_geometry(name)).replace(photon_energy=9300.1)
    write_cxi(geometry, path)
    back = read_cxi(path)
    np.testing.assert_allclose(back.tile_corners, geometry.tile_corners, rtol=0, atol=ROUNDING)
    np.testing.assert_array_equal(back.tile_ss, geometry.tile_ss)
    np.testing.assert_array_equal(back.tile_fs, geometry.tile_fs)
    assert back.detector == geometry.detector
    assert (back.distance, back.photon_energy) == (0.2173, 9300.1)
    assert back.data_path is None
    assert back.source == (str(path), "cxi", None)


def test_without_distance_nothing_is_made_up(path):
    geometry = example_geometry("AGIPD-1M").offset((0, 0, 2e-4))
    write_cxi(geometry, path)
    assert read_cxi(path) == geometry.replace(groups=None)
    with h5py.File(path) as file:
        assert "distance" not in file[WHERE]


def test_tiles_of_several_sizes_with_their_note_and_without(path):
    geometry = mixed_sizes()
    write_cxi(geometry, path)
    back = read_cxi(path)
    assert back.detector == geometry.detector
    np.testing.assert_allclose(back.tile_outlines(), geometry.tile_outlines(), atol=ROUNDING)
    with h5py.File(path, "r+") as file:
        del file[WHERE][LAYOUT_KEY]
    without = read_cxi(path)
    assert without.detector.name == "generic"
    assert without.data_shape == (4, 20, 30)
    assert without.detector.tile_names == tuple("abcd")
    np.testing.assert_array_equal(without.detector.tile_shapes, geometry.detector.tile_shapes)
    np.testing.assert_allclose(without.tile_outlines(), geometry.tile_outlines(), atol=ROUNDING)
    assert without.bad_regions == ()


def test_without_the_note_a_detector_that_is_asked_for(path):
    geometry = moved(example_geometry("LPD-1M"))
    write_cxi(geometry, path)
    with h5py.File(path, "r+") as file:
        del file[WHERE][LAYOUT_KEY]
    assert read_cxi(path).data_shape == (256, 32, 128)
    asked = read_cxi(path, detector="LPD-1M")
    assert asked.detector == geometry.detector
    np.testing.assert_allclose(asked.tile_corners, geometry.tile_corners, rtol=0, atol=ROUNDING)


def test_bad_pixels_come_back(path):
    regions = [
        BadRegion("bad_a", 9, (64, 128), (0, 1)),
        BadRegion("bad_b", 9, (70, 72), (0, 60)),
        BadRegion("bad_c", x=(-0.01, 0.01), y=(0, 0.01)),
    ]
    geometry = example_geometry("AGIPD-1M").replace(bad_regions=regions)
    write_cxi(geometry, path)
    back = read_cxi(path)
    np.testing.assert_array_equal(back.bad_pixels(), geometry.bad_pixels())
    with h5py.File(path) as file:
        mask = file[WHERE]["mask"]
        assert mask.shape == (128, 64, 128)
        # Tile 9 is the second one of module 1.
        assert mask[9, 0, 0] == 0x80
        assert mask[9, 0, 1] == 0


def test_many_bad_pixels_come_back(path):
    geometry = example_geometry("AGIPD-500K")
    mask = np.random.default_rng(1).random(geometry.data_shape) < 0.03
    regions = regions_of_mask(geometry.detector, mask)
    assert len(regions) > 10_000
    write_cxi(geometry.replace(bad_regions=regions), path)
    np.testing.assert_array_equal(read_cxi(path).bad_pixels(), mask)


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "µ\u2028\r"])
def test_odd_names_come_back(name, path):
    geometry = mixed_sizes()
    odd = replace(geometry.detector, name=name, tile_names=[name + t for t in "abcd"])
    write_cxi(geometry.replace(detector=odd), path)
    assert read_cxi(path).detector == odd


def test_the_same_geometry_gives_the_same_bytes(tmp_path):
    geometry = mixed_sizes().replace(photon_energy=1e4)
    for name in ("a.cxi", "b.cxi"):
        write_cxi(geometry, tmp_path / name)
    assert (tmp_path / "a.cxi").read_bytes() == (tmp_path / "b.cxi").read_bytes()


def test_data_takes_no_space(path):
    write_cxi(generic([(0, 0), (1, 0)], (20_000, 20_000), 1e-5), path)
    assert path.stat().st_size < 20_000
    assert read_cxi(path).data_shape == (2, 20_000, 20_000)


# -- What the specification says ------------------------------------------------------------


def test_names_units_and_frame(path):
    geometry = moved(example_geometry("JUNGFRAU-1M")).replace(photon_energy=9300.0)
    write_cxi(geometry, path)
    with h5py.File(path) as file:
        group = file[WHERE]
        assert file["cxi_version"][()] == 160
        assert file["number_of_entries"][()] == 1
        # From the sample, in the same frame, so z has the distance in it.
        np.testing.assert_array_equal(
            group["corner_position"][:] - [0, 0, 0.2173] == geometry.tile_corners,
            [[True, True, z] for z in _exact(group["corner_position"][:, 2], geometry)],
        )
        np.testing.assert_array_equal(group["basis_vectors"][:, 0], geometry.tile_ss)
        np.testing.assert_array_equal(group["basis_vectors"][:, 1], geometry.tile_fs)
        assert group["distance"][()] == 0.2173
        assert group["x_pixel_size"][()] == group["y_pixel_size"][()] == 75e-6
        # 1 eV is 1.602176634e-19 J.
        energy = file["entry_1/instrument_1/source_1/energy"][()]
        assert energy == pytest.approx(9300 * 1.602176634e-19, rel=1e-15)


def _exact(z, geometry):
    return z - 0.2173 == geometry.tile_corners[:, 2]


def validated(path):
    """What CXI's own validate_cxi.py (2025) asks of a file, rule by rule."""
    with h5py.File(path) as file:
        assert file["cxi_version"].dtype.kind in "iu"
        assert [name for name in file if re.fullmatch(r"entry_\d+", name)] == ["entry_1"]
        entry = file["entry_1"]
        assert [name for name in entry if re.fullmatch(r"data_\d+", name)] == ["data_1"]
        group = file[WHERE]
        assert isinstance(group["data"], h5py.Dataset)
        if "module_identifier" in group:
            count = len(group["module_identifier"])
            assert len(group["corner_position"]) == len(group["basis_vectors"]) == count
            assert group["data"].attrs["axes"].split(":")[0] == "module_identifier"
        for parent in (group, entry["data_1"]):
            for data in parent.values():
                _check_axes(parent, data)
        return group["data"].shape


def _check_axes(parent, data):
    if "axes" not in data.attrs:
        assert data.ndim <= 2 or "data" not in data.name
        return
    names = data.attrs["axes"].split(":")
    assert len(names) == data.ndim
    for name, length in zip(names, data.shape, strict=True):
        if name not in ("y", "x", "coordinate", "dimension"):
            assert len(parent[name]) == length


@pytest.mark.parametrize(
    ("geometry", "shape"),
    [
        (moved(example_geometry("AGIPD-1M")), (128, 64, 128)),
        (mixed_sizes(), (4, 20, 30)),
        # libcxi reads no axis of modules.
        (generic([(0, 0)], (10, 20), 1e-4), (10, 20)),
    ],
)
def test_the_rules_of_the_validator(geometry, shape, path):
    write_cxi(geometry, path)
    assert validated(path) == shape
    with h5py.File(path) as file:
        # One array under two names, not a copy.
        assert file["entry_1/data_1/data"] == file[WHERE]["data"]


def test_one_tile_has_plain_vectors(path):
    geometry = generic([(1e-3, 2e-3)], (10, 20), 1e-4).replace(distance=0.25)
    write_cxi(geometry, path)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file[WHERE]["corner_position"], [1e-3, 2e-3, 0.25])
        np.testing.assert_array_equal(file[WHERE]["basis_vectors"], [[0, 1e-4, 0], [1e-4, 0, 0]])
    assert read_cxi(path).tile_corners.tolist() == [[1e-3, 2e-3, 0]]


# -- Files of others ------------------------------------------------------------------------


def modules(n=2, **more):
    basis = np.tile([[0, -1e-4, 0], [-2e-4, 0, 0.0]], (n, 1, 1))
    corners = np.array([[0.01 * i, 0, 0.5] for i in range(n)])
    data = np.zeros((n, 4, 6), "f4")
    return {"corner_position": corners, "basis_vectors": basis, "data": data, **more}


def test_modules_of_others(path):
    geometry = read_cxi(write(path, **modules(distance=0.5)))
    assert geometry.data_shape == (2, 4, 6)
    assert geometry.distance == 0.5
    np.testing.assert_array_equal(geometry.tile_corners, [[0, 0, 0], [0.01, 0, 0]])
    np.testing.assert_array_equal(geometry.tile_ss[0], [0, -1e-4, 0])
    np.testing.assert_array_equal(geometry.tile_fs[0], [-2e-4, 0, 0])
    assert geometry.data_path == f"{WHERE}/data"


def test_a_stack_of_frames(path):
    geometry = read_cxi(write(path, **modules(data=np.zeros((3, 2, 4, 6), "f4"))))
    assert geometry.data_shape == (2, 4, 6)
    # Without a distance, the smallest z is it.
    assert geometry.distance == 0.5


def test_one_module_and_the_default_basis(path):
    write(
        path,
        corner_position=[0.1, 0.2, 0.5],
        x_pixel_size=2e-4,
        y_pixel_size=1e-4,
        data=np.zeros((9, 4, 6)),
    )
    geometry = read_cxi(path)
    assert geometry.data_shape == (1, 4, 6)
    np.testing.assert_array_equal(geometry.tile_ss, [[0, -1e-4, 0]])
    np.testing.assert_array_equal(geometry.tile_fs, [[-2e-4, 0, 0]])


def test_the_misspelling_of_the_examples(path):
    content = modules()
    content["corner_positions"] = content.pop("corner_position")
    write(path, **content)
    assert is_cxi(path, path.read_bytes()[:64])
    with pytest.warns(GeometryWarning, match="taken for 'corner_position'"):
        assert read_cxi(path).n_tiles == 2


def test_z_without_the_distance(path):
    content = modules(distance=0.5)
    content["corner_position"][:, 2] = 1e-3
    with pytest.warns(GeometryWarning, match="z has to include the distance"):
        geometry = read_cxi(write(path, **content))
    assert geometry.distance == 0.5
    assert geometry.tile_corners[0, 2] == 1e-3


def test_a_distance_for_each_frame(path):
    assert read_cxi(write(path, **modules(distance=[0.5, 0.5]))).distance == 0.5
    with pytest.warns(GeometryWarning, match="changes between frames"):
        assert read_cxi(write(path, **modules(distance=[0.5, 0.6]))).distance == 0.5


@pytest.mark.parametrize(
    ("energy", "expected"),
    [(1.602176634e-15, 10000.0), ([1.602176634e-15] * 3, 10000.0), (0.0, None), ([], None)],
)
def test_photon_energy_in_joule(energy, expected, path):
    write(path, **modules())
    with h5py.File(path, "r+") as file:
        file["entry_1/instrument_1/source_1/energy"] = energy
    assert read_cxi(path).photon_energy == expected


def test_photon_energy_in_ev(path):
    write(path, **modules())
    with h5py.File(path, "r+") as file:
        file["entry_1/instrument_1/source_1/energy"] = 9300.0
    with pytest.warns(GeometryWarning, match="too much for J"):
        assert read_cxi(path).photon_energy == 9300.0


def test_masks_of_others(path):
    mask = np.zeros((2, 4, 6), "u4")
    mask[0, 1, 2:4] = 0x4
    # Saturated and bright pixels are good ones in the next frame.
    mask[1, 0, 0] = 0x1002
    geometry = read_cxi(write(path, **modules(mask=mask)))
    expected = np.zeros((2, 4, 6), bool)
    expected[0, 1, 2:4] = True
    np.testing.assert_array_equal(geometry.bad_pixels(), expected)
    # A gap in the middle of a module is bad; it does not cut the module.
    mask[:, 2] = 0x200
    geometry = read_cxi(write(path, **modules(mask=mask)))
    assert geometry.detector.tile_shapes.tolist() == [[4, 6], [4, 6]]
    assert geometry.bad_pixels()[:, 2].all()


def test_masks_that_do_not_fit_are_left_out(path):
    with pytest.warns(GeometryWarning, match="is not a mask of modules"):
        read_cxi(write(path, **modules(mask=np.zeros((7, 2, 4, 6), "u4"))))
    with pytest.warns(GeometryWarning, match="whole numbers, found float64; the mask is left out"):
        read_cxi(write(path, **modules(mask=np.zeros((2, 4, 6)))))
    # Every second pixel, in both directions: 2 x 400 x 400 blocks.
    noise = np.zeros((2, 800, 800), "u4")
    noise[:, ::2, ::2] = 1
    content = modules(mask=noise, data=np.zeros((2, 800, 800), "u1"))
    with pytest.warns(GeometryWarning, match="more than 262144 separate blocks"):
        assert read_cxi(write(path, **content)).bad_regions == ()


def test_several_detectors(path):
    write(path, **modules())
    with h5py.File(path, "r+") as file:
        second = file.create_group("entry_1/instrument_1/detector_2")
        for name, value in modules(3).items():
            second[name] = value
    with pytest.warns(GeometryWarning, match=r"2 detectors.*detector_path='/entry_1.*detector_2'"):
        assert read_cxi(path).n_tiles == 2
    assert read_cxi(path, detector_path="/entry_1/instrument_1/detector_2").n_tiles == 3
    with pytest.raises(GeometryFileError, match=r"detector_9\]: missing"):
        read_cxi(path, detector_path="/entry_1/instrument_1/detector_9")


def test_data_of_european_xfel_has_no_geometry(path):
    write(path, data=np.zeros((2, 16, 512, 128), "u1"), module_identifier=np.arange(16))
    assert not is_cxi(path, path.read_bytes()[:64])
    with h5py.File(path, "r+") as file:
        file["cxi_version"] = [150]
    # It is CXI, so that reading it can say what to do.
    assert is_cxi(path, path.read_bytes()[:64])
    with pytest.raises(GeometryFileError, match=r"no geometry.*\.geom file.*detector_1/data"):
        read_cxi(path)


# -- Recognising, and files that lie --------------------------------------------------------


def test_recognises_by_content(tmp_path):
    path = tmp_path / "a.h5"
    write_cxi(mixed_sizes(), path)
    assert is_cxi(path, path.read_bytes()[:64])
    write(path, **modules())
    assert is_cxi(path, path.read_bytes()[:64])
    with h5py.File(path, "w") as file:
        file["Q1/M1/Position"] = [0.0, 0.0]
    assert not is_cxi(path, path.read_bytes()[:64])
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert not is_cxi(path, path.read_bytes())
    assert not is_cxi(path, b"text")


def changed(**changes):
    content = modules()
    for name, value in changes.items():
        if value is None:
            del content[name]
        else:
            content[name] = value
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(corner_position=None), r"corner_position\]: missing"),
        (changed(corner_position=[[1.0, 2.0]] * 2), r"corner_position\]: expected shape \(3,\)"),
        (changed(corner_position=np.zeros((5, 2, 3))), "expected shape"),
        (changed(corner_position=np.zeros((0, 3)), basis_vectors=np.zeros((0, 2, 3))), "at least"),
        (changed(corner_position=[[0, 0, np.nan]] * 2), "finite"),
        (changed(corner_position="here"), "expected numbers"),
        (changed(basis_vectors=np.zeros((3, 2, 3))), r"basis_vectors\]: expected shape"),
        (changed(basis_vectors=np.zeros((2, 2, 3))), "two positive lengths"),
        (changed(basis_vectors=None), r"y_pixel_size\]: missing"),
        (changed(basis_vectors=None, y_pixel_size=[1.0, 2.0], x_pixel_size=1.0), "one number"),
        (changed(data=None), r"data\]: missing, and so is a mask"),
        (changed(data=np.zeros(5)), r"expected \(…, modules, ss, fs\)"),
        (changed(data=np.zeros((3, 4, 6))), "has 3 modules"),
        (changed(data=np.zeros((2, 0, 6))), r"expected \(…, modules, ss, fs\)"),
    ],
)
def test_errors_say_what_is_wrong_and_where(content, message, path):
    write(path, **content)
    with pytest.raises(GeometryFileError, match=rf"a\.cxi.*{message}"):
        read_cxi(path)


def test_another_detector_than_asked_for(path):
    with pytest.raises(GeometryFileError, match=r"a\.cxi: detector='AGIPD-1M' does not fit"):
        read_cxi(write(path, **modules()), detector="AGIPD-1M")


def test_claims_of_size_cost_nothing(path):
    huge = {"shape": (1 << 30, 3), "dtype": "f8", "chunks": (1, 3)}
    write(path, **changed(corner_position=None))
    with h5py.File(path, "r+") as file:
        file[WHERE].create_dataset("corner_position", **huge)
    with pytest.raises(GeometryFileError, match="claims"):
        read_cxi(path)
    write(path, **changed(data=None))
    with h5py.File(path, "r+") as file:
        file[WHERE].create_dataset("data", (2, 1 << 30, 1 << 30), "u1", chunks=(1, 64, 64))
    with pytest.raises(GeometryFileError, match="pixels"):
        read_cxi(path)


@pytest.mark.parametrize("name", ["distance", "y_pixel_size", "basis_vectors", "corner_position"])
def test_claims_of_unallocated_numbers(name, path):
    write(path, **changed(**({name: None} if name in modules() else {})))
    shape = {"basis_vectors": (1 << 20, 2, 3), "corner_position": (1 << 18, 3)}
    with h5py.File(path, "r+") as file:
        if name == "y_pixel_size":
            del file[WHERE]["basis_vectors"]
        file[WHERE].create_dataset(name, shape.get(name, (1 << 27,)), "f8", chunks=True)
    with pytest.raises(GeometryFileError, match=rf"{name}\]: claims"):
        read_cxi(path)


@pytest.mark.parametrize(
    "names",
    [
        {"shape": (2,), "dtype": "S200000000", "chunks": (1,)},
        {"data": ["one", "two"]},
        {"data": np.arange(2)},
    ],
)
def test_names_of_modules_that_are_not_read(names, path):
    """Those that claim too much, those of variable length, and numbers."""
    write(path, **modules())
    with h5py.File(path, "r+") as file:
        file[WHERE].create_dataset("module_identifier", **names)
    assert read_cxi(path).detector.tile_names == ("p0a0", "p1a0")


@pytest.mark.parametrize("argument", [{"detector_path": 5}, {"detector": 5}, {"path": 5}])
def test_arguments(path, argument):
    write(path, **modules())
    (name,) = argument
    with pytest.raises(GeometryError, match=f"^{name} must be"):
        read_cxi(**{"path": path, **argument})


def test_a_pipe_is_not_opened(path, tmp_path):
    """A link to a pipe would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    write(path, **modules())
    pipe = h5py.ExternalLink(str(tmp_path / "pipe"), "/x")
    with h5py.File(path, "r+") as file:
        file["cxi_version"] = pipe
        file["entry_0"] = pipe
        file["through"] = h5py.SoftLink("/entry_0/x")
        file[f"{WHERE}/distance"] = h5py.SoftLink("/through")
    assert is_cxi(path, path.read_bytes()[:64])
    with pytest.raises(GeometryFileError, match="link to another file"):
        read_cxi(path)


def test_links_out_of_the_file(path, tmp_path):
    write(tmp_path / "other.cxi", **modules())
    write(path, **changed(corner_position=None))
    with h5py.File(path, "r+") as file:
        file[WHERE]["corner_position"] = h5py.ExternalLink("other.cxi", f"{WHERE}/corner_position")
    with pytest.raises(GeometryFileError, match="link to another file"):
        read_cxi(path)


def test_text_and_files_that_are_not_there(path, tmp_path):
    path.write_text("no HDF5")
    with pytest.raises(GeometryFileError, match="not a readable HDF5 file"):
        read_cxi(path)
    with pytest.raises(GeometryFileError, match="no such file"):
        read_cxi(tmp_path / "none.cxi")


@given(data=st.data())
def test_damaged_files_read_or_say_so(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "a.cxi"
    write_cxi(mixed_sizes(), path)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    is_cxi(path, bytes(whole[:64]))
    # Any other exception is a failure; warnings are about notes, masks and units.
    with suppress(GeometryFileError), warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)
        read_cxi(path)
