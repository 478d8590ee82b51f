"""NXmx, written and read: what comes back, files of others, and files that lie."""

import re
import time
import warnings
from dataclasses import replace

import h5py
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from geomlib.detectors import example_geometry
from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
from geomlib.fixed_text import fixed
from geomlib.formats import hdf5
from geomlib.formats.nxmx import is_nxmx, read_nxmx
from geomlib.formats.nxmx_write import legal_names, write_nxmx
from geomlib.metadata import BadRegion
from tests.formats.geometries import DISTANCE, ENERGY, NAMES, geometry, mixed_pitches

DETECTOR = "/entry/instrument/ELE_D0"
AXES = f"{DETECTOR}/transformations"


@pytest.fixture
def path(tmp_path):
    """The file of a small detector: pnCCD, two tiles p0a0 and p1a0."""
    write_nxmx(small(), tmp_path / "a.nxs")
    return tmp_path / "a.nxs"


def small():
    return example_geometry("pnCCD").replace(distance=0.2, photon_energy=8000.0)


def module_of(tile):
    return f"{DETECTOR}/p{tile}a0"


# -- There and back -------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_round_trip(name, tmp_path):
    known = geometry(name)
    write_nxmx(known, tmp_path / "a.nxs")
    back = read_nxmx(tmp_path / "a.nxs")
    assert back.detector == known.detector
    np.testing.assert_array_equal(back.tile_corners, known.tile_corners)
    # Products of a length and a direction: `factors`.
    for ours, theirs in ((known.tile_ss, back.tile_ss), (known.tile_fs, back.tile_fs)):
        assert (np.abs(ours - theirs) <= np.spacing(np.abs(ours))).all()
        assert (ours == theirs).mean() > 0.99
    assert back.distance == DISTANCE
    assert back.photon_energy == ENERGY
    np.testing.assert_array_equal(back.bad_pixels(), known.bad_pixels())
    assert back.source == (str(tmp_path / "a.nxs"), "nxmx", None)


@pytest.mark.parametrize("name", ["AGIPD-1M", "LPD-1M", "JUNGFRAU-4M"])
def test_detectors_are_known_without_the_note(name, tmp_path):
    known = geometry(name)
    write_nxmx(known, tmp_path / "a.nxs")
    with h5py.File(tmp_path / "a.nxs", "r+") as file:
        del file[f"{DETECTOR}/geomlib"]
    back = read_nxmx(tmp_path / "a.nxs")
    assert back.detector == known.detector
    np.testing.assert_array_equal(back.tile_corners, known.tile_corners)
    np.testing.assert_array_equal(back.bad_pixels(), known.bad_pixels())


def test_names_come_from_groups(tmp_path):
    write_nxmx(geometry("mixed"), tmp_path / "a.nxs")
    assert read_nxmx(tmp_path / "a.nxs").detector == mixed_pitches().detector
    back = read_nxmx(tmp_path / "a.nxs", detector="generic")
    assert back.detector.tile_names == ("left", "right", "top_row", "other_one")
    assert back.data_shape == (1, 115, 50)


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "µ\u2028\r"])
def test_odd_names_come_back(name, tmp_path):
    known = small()
    odd = replace(known.detector, name=name, tile_names=[f"{name}1", f"{name}2"])
    write_nxmx(known.replace(detector=odd), tmp_path / "a.nxs")
    assert read_nxmx(tmp_path / "a.nxs").detector == odd


def test_legal_names():
    given = ["p0a0", "top row", "top_row", "α/β", "", "data", "x" * 99]
    legal = legal_names(given, ["data"])
    assert legal == ["p0a0", "top_row", "top_row_2", "___", "_", "data_2", "x" * 60]


def test_skewed_tiles_are_made_orthogonal(tmp_path):
    known = small()
    fs = known.tile_fs + 1e-3 * known.tile_ss * np.array([[1], [0]])
    write_nxmx(known.replace(tile_fs=fs), tmp_path / "a.nxs")
    back = read_nxmx(tmp_path / "a.nxs")
    assert abs(back.tile_fs[0] @ back.tile_ss[0]) < 1e-16
    np.testing.assert_allclose(
        back.tile_centres, known.replace(tile_fs=fs).tile_centres, rtol=0, atol=1e-16
    )
    np.testing.assert_array_equal(back.tile_corners[1], known.tile_corners[1])


def test_same_bytes(tmp_path):
    write_nxmx(geometry("mixed"), tmp_path / "a.nxs")
    time.sleep(1.1)  # HDF5 counts its time stamps in seconds
    write_nxmx(geometry("mixed"), tmp_path / "b.nxs")
    assert (tmp_path / "a.nxs").read_bytes() == (tmp_path / "b.nxs").read_bytes()


def test_options(tmp_path):
    bare = example_geometry("ePix100").replace(distance=0.3, photon_energy=7000.0)
    with pytest.raises(GeometryError, match="sensor_material must be one of 'Si'"):
        write_nxmx(bare, tmp_path / "a.nxs", sensor_material="Ge")
    with pytest.raises(GeometryError, match="pixel_mask must be one of"):
        write_nxmx(bare, tmp_path / "a.nxs", pixel_mask="mask")
    with pytest.raises(GeometryError, match="sensor_thickness must be a positive"):
        write_nxmx(bare, tmp_path / "a.nxs", sensor_thickness=0)
    assert list(tmp_path.iterdir()) == []
    write_nxmx(bare, tmp_path / "a.nxs", sensor_material="CdTe", sensor_thickness=1e-3)
    with pytest.warns(GeometryWarning, match="the sensor, 1 mm of CdTe, is not part"):
        back = read_nxmx(tmp_path / "a.nxs")
    assert (back.distance, back.photon_energy) == (0.3, 7000.0)
    with h5py.File(tmp_path / "a.nxs") as file:
        assert file[f"{DETECTOR}/sensor_material"].asstr()[()] == "CdTe"
        assert file[f"{DETECTOR}/sensor_thickness"][()] == 1e-3


@pytest.mark.parametrize(
    ("name", "thickness"), [("JUNGFRAU-500K", 320e-6), ("pnCCD", 450e-6), ("ePix100", 500e-6)]
)
def test_nominal_sensors(name, thickness, tmp_path):
    known = example_geometry(name).replace(distance=1.0, photon_energy=9000.0)
    write_nxmx(known, tmp_path / "a.nxs")
    with h5py.File(tmp_path / "a.nxs") as file:
        assert file[f"{DETECTOR}/sensor_thickness"][()] == thickness


def test_data_takes_no_room(tmp_path):
    write_nxmx(small(), tmp_path / "a.nxs")
    with h5py.File(tmp_path / "a.nxs") as file:
        assert file["/entry/data/data"].shape == (1, 1024, 1024)
        assert file["/entry/data/data"].id.get_storage_size() == 0
    assert (tmp_path / "a.nxs").stat().st_size < 50_000


def test_bits_and_name_of_the_mask(tmp_path):
    bad = [BadRegion("bad_a", tile=0, ss=(1, 3), fs=(4, 6))]
    write_nxmx(small().replace(bad_regions=bad), tmp_path / "a.nxs")
    with h5py.File(tmp_path / "a.nxs") as file:
        mask = file[f"{DETECTOR}/pixel_mask"][()]
    # NXmx: bit 8, masked by the user; bit 0, no pixel.
    assert (mask[1:3, 4:6] == 1 << 8).all()
    assert np.count_nonzero(mask) == 4
    write_nxmx(geometry("mixed"), tmp_path / "b.nxs")
    with h5py.File(tmp_path / "b.nxs") as file:
        assert "pixel_mask" not in file[DETECTOR]
        assert set(np.unique(file[f"{DETECTOR}/pixel_mask_2"][()])) == {0, 1, 1 << 8}
    write_nxmx(geometry("mixed"), tmp_path / "b.nxs", pixel_mask="pixel_mask")
    with h5py.File(tmp_path / "b.nxs") as file:
        assert "pixel_mask" in file[DETECTOR]


def test_rectangles_of_the_lab_are_masked(tmp_path):
    known = small().replace(bad_regions=[BadRegion("bad_a", x=(0, 1e-3), y=(2e-3, 3e-3))])
    assert known.bad_pixels().any()
    write_nxmx(known, tmp_path / "a.nxs")
    np.testing.assert_array_equal(read_nxmx(tmp_path / "a.nxs").bad_pixels(), known.bad_pixels())


def test_recognised(path, tmp_path):
    assert is_nxmx(path, path.read_bytes()[:64])
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = 1
    assert not is_nxmx(tmp_path / "b.h5", (tmp_path / "b.h5").read_bytes()[:64])
    assert not is_nxmx(path, b"; text")
    path.write_bytes(path.read_bytes()[:3000])
    assert not is_nxmx(path, path.read_bytes())


# -- Files of others ------------------------------------------------------------------------


def set_axis(file, name, value, units="m", **attributes):
    if name in file:
        del file[name]
    file[name] = value
    file[name].attrs["units"] = units
    for key, attribute in attributes.items():
        file[name].attrs[key] = attribute


def edited(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def test_rotations_offsets_and_units(path):
    def change(file):
        turn = {"transformation_type": "rotation", "vector": [0, 0, 2.0], "depends_on": "rail"}
        set_axis(file, f"{AXES}/turn", 30.0, "deg", **turn, offset=[1.0, 2, 0], offset_units="mm")
        shift = {"transformation_type": "translation", "depends_on": "turn"}
        set_axis(file, f"{AXES}/p0a0", 5.0, "cm", **shift, vector=[1.0, 0, 0], offset=[0, 1.0, 0])
        fast = file[f"{module_of(0)}/fast_pixel_direction"]
        fast.attrs["offset"], fast.attrs["offset_units"] = [0.0, 0.0, 700.0], "um"

    back = read_nxmx(edited(path, change))
    turn = Rotation.from_euler("z", 30, degrees=True)
    # offset of fast_pixel_direction, then the shift with its offset in cm, then the rotation.
    expected = turn.apply([0.05, 0.01, 700e-6]) + np.array([1e-3, 2e-3, 0])
    np.testing.assert_allclose(back.tile_corners[0], expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(back.tile_fs[0], turn.apply([75e-6, 0, 0]), rtol=0, atol=1e-19)
    assert back.distance == 0.2
    # The slow direction stands on the same axes, by its own depends_on.
    np.testing.assert_allclose(back.tile_ss[0], turn.apply([0, -75e-6, 0]), rtol=0, atol=1e-19)


def test_paths_may_be_relative_or_lead_round(path):
    def change(file):
        fast = file[f"{module_of(0)}/fast_pixel_direction"]
        shift = {"transformation_type": "translation", "vector": [0, 1.0, 0]}
        set_axis(file, f"{module_of(0)}/module_offset", 2.0, "mm", **shift, depends_on="./inner/a")
        file[module_of(0)].create_group("inner")
        set_axis(file, f"{module_of(0)}/inner/a", 3.0, "mm", **shift, depends_on=f"{AXES}/rail")
        fast.attrs["depends_on"] = "module_offset"

    back = read_nxmx(edited(path, change))
    np.testing.assert_allclose(back.tile_corners[0], [0, 5e-3, 0], rtol=0, atol=1e-17)


def stacked_in_three(file):
    for tile in (0, 1):
        group = file[module_of(tile)]
        del group["data_origin"], group["data_size"]
        group["data_origin"], group["data_size"] = [tile, 0, 0], [1, 512, 1024]
    del file[f"{DETECTOR}/geomlib"]


def test_data_with_an_axis_of_modules(path):
    back = read_nxmx(edited(path, stacked_in_three))
    assert back.detector == example_geometry("pnCCD").detector
    np.testing.assert_array_equal(back.tile_corners, small().tile_corners)


@pytest.mark.parametrize("three", [False, True])
def test_masks_of_others(path, three):
    def change(file):
        mask = np.zeros((1024, 1024), np.uint32)
        mask[600:610, 5:8] = 1 << 1  # dead
        mask[0, 0] = 1 << 31  # a remark: this pixel is interpolated
        more = np.zeros((1024, 1024), bool)
        more[3, 4] = True
        if three:
            stacked_in_three(file)
            mask, more = mask.reshape(2, 512, 1024), more.reshape(2, 512, 1024)
        file[f"{DETECTOR}/pixel_mask"], file[f"{DETECTOR}/pixel_mask_2"] = mask, more.astype("u1")

    back = read_nxmx(edited(path, change))
    assert back.bad_regions == (
        BadRegion("bad_mask0", 0, (3, 4), (4, 5)),
        BadRegion("bad_mask1", 1, (88, 98), (5, 8)),
    )


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ({"data": np.ones((10, 10), "u1")}, r"\(10, 10\) does not cover"),
        ({"data": "text"}, "expected numbers"),
        ({"data": np.indices((1024, 1024)).sum(axis=0) % 2}, "separate blocks"),
        ({"shape": (1 << 20, 1 << 20), "dtype": "u1", "chunks": (64, 64)}, "claims"),
    ],
)
def test_masks_that_cannot_be_used_are_left_out(path, dataset, said):
    edited(path, lambda file: file.create_dataset(f"{DETECTOR}/pixel_mask", **dataset))
    with pytest.warns(GeometryWarning, match=f"{said}.*the mask is left out"):
        assert read_nxmx(path).bad_regions == ()


def test_mask_in_another_file(path):
    edited(
        path,
        lambda file: file[DETECTOR].__setitem__("pixel_mask", h5py.ExternalLink("m.h5", "/mask")),
    )
    with pytest.warns(GeometryWarning, match=r"link to another file.*the mask is left out"):
        read_nxmx(path)


def test_several_detectors(path):
    edited(path, lambda file: file.copy(DETECTOR, "/entry/instrument/other"))
    with pytest.warns(GeometryWarning, match="ELE_D0, other; the first is read"):
        read_nxmx(path)
    assert read_nxmx(path, nx_detector="other").n_tiles == 2
    with pytest.raises(GeometryFileError, match=r"NXdetector 'third'.*there are ELE_D0, other"):
        read_nxmx(path, nx_detector="third")


def without_rail(file):
    for name in ("module_0", "module_1"):
        file[f"{AXES}/{name}"].attrs["depends_on"] = "."
    for tile in (0, 1):
        offset = file[f"{AXES}/p{tile}a0"].attrs["offset"]
        file[f"{AXES}/p{tile}a0"].attrs["offset"] = offset + np.array([0, 0, 0.31])


def test_distance_without_a_rail(path):
    back = read_nxmx(edited(path, without_rail))  # the field says 0.2
    assert back.distance == 0.2
    np.testing.assert_allclose(back.tile_corners[:, 2], 0.11, rtol=0, atol=1e-16)
    edited(path, lambda file: file.__delitem__(f"{DETECTOR}/distance"))
    back = read_nxmx(path)
    assert back.distance == pytest.approx(0.31, rel=1e-15)
    np.testing.assert_allclose(back.tile_corners[:, 2], 0, rtol=0, atol=1e-16)


def test_two_theta_arm(path):
    """The rail stands on an arm that is turned: the detector is not at right angles to the beam."""

    def change(file):
        turn = {"transformation_type": "rotation", "vector": [0, 1.0, 0], "depends_on": "."}
        set_axis(file, f"{AXES}/arm", 0.1, "rad", **turn)
        file[f"{AXES}/rail"].attrs["depends_on"] = "arm"

    back = read_nxmx(edited(path, change))
    turn, away = Rotation.from_euler("y", 0.1), np.array([0, 0, 0.2])
    expected = turn.apply(small().tile_corners + away)
    assert back.distance == 0.2
    np.testing.assert_allclose(back.tile_corners + away, expected, rtol=0, atol=1e-15)
    edited(path, lambda file: file[f"{AXES}/arm"].write_direct(np.zeros(1)))
    np.testing.assert_array_equal(read_nxmx(path).tile_corners, small().tile_corners)


def test_values_of_every_frame(path):
    edited(path, lambda file: file.__delitem__(f"{AXES}/rail"))
    rail = {"transformation_type": "translation", "vector": [0, 0, 1.0], "depends_on": "."}
    edited(path, lambda file: set_axis(file, f"{AXES}/rail", [150.0, 150.0], "mm", **rail))
    assert read_nxmx(path).distance == pytest.approx(0.15, rel=1e-15)
    edited(path, lambda file: set_axis(file, f"{AXES}/rail", [150.0, 151.0], "mm", **rail))
    with pytest.warns(GeometryWarning, match="2 values that differ; the first is taken"):
        assert read_nxmx(path).distance == pytest.approx(0.15, rel=1e-15)


@pytest.mark.parametrize(
    ("place", "value", "units"),
    [
        ("/entry/instrument/beam", 0.15, "nm"),
        ("/entry/sample/beam", [1.5, 1.5], "angstrom"),
        ("/entry/sample/beam", 150, "pm"),
    ],
)
def test_wavelength(path, place, value, units):
    def change(file):
        del file["/entry/instrument/beam"]
        file.require_group(place).attrs["NX_class"] = "NXbeam"
        set_axis(file, f"{place}/incident_wavelength", value, units)

    energy = read_nxmx(edited(path, change)).photon_energy
    assert energy == pytest.approx(12398.419843320026 / 1.5, rel=1e-14)
    edited(path, lambda file: file.__delitem__(place))
    assert read_nxmx(path).photon_energy is None


def test_units_that_are_missing(path):
    edited(path, lambda file: file[f"{AXES}/rail"].attrs.__delitem__("units"))
    with pytest.warns(GeometryWarning, match="without units; taken as m"):
        assert read_nxmx(path).distance == 0.2


def test_one_tile_with_a_beam_centre(path):
    def change(file):
        del file[module_of(1)], file[f"{DETECTOR}/geomlib"]
        file[f"{AXES}/p0a0"].attrs["offset"] = [0.0, 0.0, 0.0]
        file[f"{DETECTOR}/beam_center_x"], file[f"{DETECTOR}/beam_center_y"] = 500.0, 200.0
        for axis in "xy":
            file[f"{DETECTOR}/beam_center_{axis}"].attrs["units"] = "pixel"

    back = read_nxmx(edited(path, change))
    beam = back.tile_corners[0] + 500 * back.tile_fs[0] + 200 * back.tile_ss[0]
    np.testing.assert_allclose(beam, 0, atol=1e-17)
    edited(path, lambda file: file[f"{DETECTOR}/beam_center_x"].attrs.__setitem__("units", "m"))
    assert read_nxmx(path).tile_corners[0].tolist() == [0, 0, 0]


# -- Files that lie -------------------------------------------------------------------------


def remove(key):
    return lambda file: file.__delitem__(key)


def attribute(key, name, value=None):
    def change(file):
        if value is None:
            del file[key].attrs[name]
        else:
            file[key].attrs[name] = value

    return change


def put(key, **dataset):
    def change(file):
        attributes = dict(file[key].attrs)
        del file[key]
        file.create_dataset(key, **dataset)
        file[key].attrs.update(attributes)

    return change


FAST = f"{DETECTOR}/p1a0/fast_pixel_direction"
AXIS = f"{AXES}/p1a0"


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        (attribute(f"{AXES}/rail", "depends_on", "p0a0"), f"{AXES}/rail@dep", "round in a circle"),
        (attribute(f"{AXES}/rail", "depends_on", "rail"), f"{AXES}/rail@dep", "round in a circle"),
        (attribute(AXIS, "depends_on", "no"), f"{AXIS}@depends_on", f"{AXES}/no, .*: missing"),
        (attribute(AXIS, "depends_on", "/entry"), f"{AXIS}@depends_on", "/entry, .*: .* a group"),
        (attribute(AXIS, "depends_on", "a/../b"), f"{AXIS}@depends_on", "missing"),
        (attribute(AXIS, "transformation_type", "shear"), f"{AXIS}@transformation_type", "'shear'"),
        (attribute(AXIS, "units", "furlong"), f"{AXIS}@units", "'furlong'; expected one of"),
        (attribute(AXIS, "units", "deg"), f"{AXIS}@units", "unknown unit 'deg'"),
        (attribute(AXIS, "offset", [0.0, np.nan, 0.0]), f"{AXIS}@offset", "three finite numbers"),
        (attribute(AXIS, "offset", "0 0 0"), f"{AXIS}@offset", "three finite numbers"),
        (attribute(FAST, "vector"), f"{FAST}@vector", "missing; expected three"),
        (attribute(FAST, "vector", [0.0, 0.0, 0.0]), f"{FAST}@vector", "expected a direction"),
        (attribute(FAST, "vector", [1.0, 0.0]), f"{FAST}@vector", "three finite numbers"),
        (remove(FAST), FAST, "missing"),
        (put(FAST, data=0.0), FAST, "expected the size of a pixel, found 0"),
        (put(FAST, data=np.nan), FAST, "NaN"),
        (put(FAST, data="x"), FAST, "expected numbers"),
        (put(FAST, data=np.zeros(0)), FAST, "empty"),
        (put(AXIS, shape=(1 << 40,), dtype="f8", chunks=(64,)), f"{FAST}@", "claims"),
        (put(f"{DETECTOR}/p1a0/data_size", data=[0, 5]), None, "sizes, as many"),
        (put(f"{DETECTOR}/p1a0/data_size", data=[1, 1, 5]), None, "as many as there are"),
        (put(f"{DETECTOR}/p1a0/data_size", data=[1.5, 1]), None, "indices of data"),
        (put(f"{DETECTOR}/p1a0/data_size", data=[1 << 30, 1 << 30]), None, "pixels, more than"),
        (put(f"{DETECTOR}/p1a0/data_origin", data=[-1, 0]), None, "indices of data, found"),
        (put(f"{DETECTOR}/p1a0/data_origin", data=[1 << 62, 0]), None, "indices of data, found"),
        (
            put("/entry/instrument/beam/incident_wavelength", data=-1.0),
            "/entry/instrument/beam/incident_wavelength",
            "expected a wavelength",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::geomlib.GeometryWarning")
def test_files_that_lie(path, change, key, said):
    edited(path, change)
    with pytest.raises(GeometryFileError, match=said) as caught:
        read_nxmx(path)
    assert caught.value.path == str(path)
    if key is not None:
        assert f"[{key}" in str(caught.value)


def test_two_and_three_numbers(path):
    def change(file):
        group = file[module_of(0)]
        del group["data_origin"], group["data_size"]
        group["data_origin"], group["data_size"] = [0, 0, 0], [1, 512, 1024]

    with pytest.raises(GeometryFileError, match="two numbers in some modules and three in others"):
        read_nxmx(edited(path, change))


def test_detector_without_modules(path):
    edited(path, lambda file: [file.__delitem__(module_of(tile)) for tile in (0, 1)])
    with pytest.raises(
        GeometryFileError, match=r"has no NXdetector_module.*NXmx demands"
    ) as caught:
        read_nxmx(path)
    assert caught.value.key == DETECTOR
    edited(path, lambda file: file.__delitem__("/entry"))
    with pytest.raises(GeometryFileError, match=r"expected an NXdetector.*there is none"):
        read_nxmx(path)


def test_note_that_does_not_fit(path):
    def change(file):
        del file[f"{DETECTOR}/geomlib/geomlib_layout"], file[f"{DETECTOR}/geomlib/tiles"]
        file[f"{DETECTOR}/geomlib/geomlib_layout"] = fixed('{"detector": "AGIPD-1M"}')
        file[f"{DETECTOR}/geomlib/tiles"] = fixed("a b")

    with pytest.warns(GeometryWarning, match="note on the layout"):
        assert read_nxmx(edited(path, change)).detector == example_geometry("pnCCD").detector


def test_notes_are_of_fixed_length(path):
    with h5py.File(path) as file:
        for note in file[f"{DETECTOR}/geomlib"].values():
            assert note.dtype.kind == "S"

    def change(file):
        del file[f"{DETECTOR}/geomlib/geomlib_layout"]
        file[f"{DETECTOR}/geomlib/geomlib_layout"] = '{"detector": "pnCCD"}'

    with pytest.warns(GeometryWarning, match="expected a text of fixed length"):
        assert read_nxmx(edited(path, change)).detector == example_geometry("pnCCD").detector


def test_links_inside_the_file(path):
    def change(file):
        file.move(f"{AXES}/rail", "/rail")
        file[f"{AXES}/rail"] = h5py.SoftLink("/rail")

    assert read_nxmx(edited(path, change)).distance == 0.2


@pytest.mark.parametrize("argument", [{"nx_detector": 5}, {"detector": 5}, {"path": 5}])
def test_arguments(path, argument):
    (name,) = argument
    with pytest.raises(GeometryError, match=f"^{name} must be"):
        read_nxmx(**{"path": path, **argument})


def test_groups_that_are_members_of_many(path):
    """Entries without end, each with instruments without end, without detectors."""

    def change(file):
        many, inner = file.create_group("many"), file.create_group("inner")
        many.attrs["NX_class"], inner.attrs["NX_class"] = "NXentry", "NXinstrument"
        for i in range(200):
            file[f"a{i}"], many[f"i{i}"], inner[f"i{i}"] = many, inner, h5py.SoftLink("/no")
        del file["entry"]

    edited(path, change)
    with h5py.File(path) as file:
        turns = iter(range(hdf5.MOST_LOOKED_AT))
        assert not list(hdf5.find(file, "NXentry", "NXinstrument", "NXdetector", turns=turns))
    # All 200 × 200 × 200 members would be more.
    assert next(turns, None) is None
    assert not is_nxmx(path, path.read_bytes()[:64])


def test_links_out_of_the_file(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["rail"] = 0.5

    def change(file):
        del file[f"{AXES}/rail"]
        file[f"{AXES}/rail"] = h5py.ExternalLink(tmp_path / "other.h5", "/rail")

    with pytest.raises(GeometryFileError, match="link to another file"):
        read_nxmx(edited(path, change))


def test_no_file(tmp_path):
    with pytest.raises(GeometryFileError, match="there is no such file"):
        read_nxmx(tmp_path / "none.nxs")
    (tmp_path / "a.nxs").write_text("text")
    with pytest.raises(GeometryFileError, match="not a readable HDF5 file"):
        read_nxmx(tmp_path / "a.nxs")


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files(path, seed):
    whole = path.read_bytes()
    rng = np.random.default_rng(seed)
    for cut in range(40):
        damaged = np.frombuffer(whole, dtype=np.uint8).copy()
        damaged[rng.integers(len(whole), size=30)] = rng.integers(256, size=30)
        path.write_bytes(damaged[: rng.integers(len(whole)) if cut % 3 == 0 else None])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GeometryWarning)
            is_nxmx(path, path.read_bytes()[:64])
            try:
                read_nxmx(path)
            except GeometryFileError as problem:
                assert problem.path == str(path)  # noqa: PT017


# -- What is not part of a geometry ---------------------------------------------------------


def test_a_sensor_that_would_be_lost_is_said(tmp_path):
    geom = geometry("ePix10K", bad_regions=False)
    write_nxmx(geom, tmp_path / "a.nxs")
    read_nxmx(tmp_path / "a.nxs")
    write_nxmx(geom, tmp_path / "b.nxs", sensor_material="CdTe", sensor_thickness=0.001)
    with pytest.warns(GeometryWarning, match=r"the sensor, 1 mm of CdTe, is not part"):
        read_nxmx(tmp_path / "b.nxs")
    with pytest.raises(GeometryError, match="sensor_thickness is in metres: 500 m"):
        write_nxmx(geom, tmp_path / "b.nxs", sensor_thickness=500)


def test_units_that_look_wrong_when_written(tmp_path):
    geom = geometry("ePix10K", bad_regions=False)
    with pytest.warns(GeometryWarning, match="distance is in metres: is 200 m meant"):
        write_nxmx(geom.replace(distance=200), tmp_path / "a.nxs")
    with pytest.warns(GeometryWarning, match=r"photon_energy is in eV: is 9\.3 eV meant"):
        write_nxmx(geom.replace(photon_energy=9.3), tmp_path / "a.nxs")


def test_missing_units_are_one_warning(tmp_path):
    write_nxmx(geometry("ePix10K", bad_regions=False), tmp_path / "a.nxs")
    with h5py.File(tmp_path / "a.nxs", "r+") as file:
        file.visititems(lambda _, item: item.attrs.pop("units", None) and None)
    with pytest.warns(GeometryWarning) as caught:
        read_nxmx(tmp_path / "a.nxs")
    said = sorted(str(w.message).partition(".nxs: ")[2] for w in caught)
    assert said[0] == "an axis or a length without units; taken as angstrom"
    # Four tiles with an axis and two directions each, the axes that they stand on, the sensor.
    assert re.fullmatch(r"an axis or a length without units; taken as m \(\d\d times\)", said[1])
    assert len(said) == 2
