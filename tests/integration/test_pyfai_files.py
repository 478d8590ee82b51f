"""pyFAI's files as formats: pyFAI finds every pixel where it is; what it wrote is read right."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import fabio
import h5py
import numpy as np
import pyFAI
import pytest
from pyFAI.detectors import Detector, Pilatus100k, detector_factory
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

import geomlib
from geomlib.detectors import EXAMPLE_NAMES
from geomlib.errors import GeometryError, GeometryFileError, GeometryWarning
from geomlib.formats.registry import format_of
from geomlib.integration.pyfai_files import (
    read_poni_geometry,
    read_pyfai,
    write_poni_geometry,
    write_pyfai,
)
from geomlib.metadata import BadRegion

pytestmark = pytest.mark.jit

#: Half a unit in the last place of float32, relative.
FLOAT32 = 2.0**-24


def disordered(name):
    geom = geomlib.example_geometry(name).replace(distance=0.35, photon_energy=9300.0)
    rng = np.random.default_rng(3)
    shape = (geom.n_modules, geom.n_tiles // geom.n_modules, 3)
    return geom.rotate(rng.uniform(-1, 1, shape)).offset(rng.uniform(-1e-4, 1e-4, shape))


def assert_same_tiles(found, geom):
    assert found.detector == geom.detector
    outlines = geom.tile_outlines()
    # The fit weighs roundings of float32 by at most 2.2 in all: see test_from_pyfai.
    limit = 2.5 * FLOAT32 * np.abs(outlines).max()
    assert np.abs(found.tile_outlines() - outlines).max() < limit


@pytest.mark.parametrize(
    "name",
    # Four megapixels take ten seconds.
    [pytest.param(n, marks=[pytest.mark.slow] * (n == "JUNGFRAU-4M")) for n in EXAMPLE_NAMES],
)
def test_pyfai_finds_every_pixel(name, tmp_path):
    geom = disordered(name)
    write_poni_geometry(geom, tmp_path / "a.poni")
    ai = pyFAI.load(str(tmp_path / "a.poni"))
    assert ai.dist == 0.35
    # The wavelength is one division away from the energy, and back.
    assert ai.wavelength * geom.photon_energy == pytest.approx(1.2398419843320026e-6, rel=4e-16)
    corners = ai.detector.get_pixel_corners()
    ours = geom.pixel_corners()
    assert corners.dtype == np.float32
    limit = FLOAT32 * np.abs(ours).max()
    assert np.abs(corners[..., ::-1] - ours.reshape(corners.shape)).max() <= limit
    for path in (tmp_path / "a.poni", tmp_path / "a.detector.h5"):
        back = geomlib.read_geometry(path)
        assert_same_tiles(back, geom)
        poni = path.suffix == ".poni"
        assert format_of(path).name == ("poni" if poni else "pyfai")
        assert (back.distance, back.photon_energy) == ((0.35, 9300.0) if poni else (None, None))
        assert back.source.format == format_of(path).name


def test_bad_regions_are_the_mask(tmp_path):
    geom = geomlib.example_geometry("ePix10K").replace(
        bad_regions=[
            BadRegion("bad_a", tile=1, ss=(2, 9), fs=(200, 215)),
            BadRegion("bad_b", x=(-1e-3, 1e-3), y=(-5e-4, 1e-3)),
        ]
    )
    write_pyfai(geom, tmp_path / "a.h5")
    bad = geom.bad_pixels()
    assert bad.sum() > 7 * 15
    np.testing.assert_array_equal(detector_factory(str(tmp_path / "a.h5")).mask, bad[0])
    np.testing.assert_array_equal(read_pyfai(tmp_path / "a.h5").bad_pixels(), bad)


def test_wide_pixels(tmp_path):
    geom = geomlib.example_geometry("ePix10K")
    write_pyfai(geom, tmp_path / "a.h5", wide=True)
    theirs = detector_factory(str(tmp_path / "a.h5")).get_pixel_corners()[..., ::-1]
    ours = geom.pixel_corners(wide=True)[0]
    assert np.abs(theirs - ours).max() <= FLOAT32 * np.abs(ours).max()
    assert_same_tiles(read_pyfai(tmp_path / "a.h5"), geom)


def test_the_same_bytes(tmp_path):
    geom = disordered("ePix10K")
    for name in ("a.h5", "b.h5"):
        write_pyfai(geom, tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_without_the_note_tiles_are_found(tmp_path):
    geom = disordered("ePix10K")
    write_pyfai(geom, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["entry_0000/pyFAI/ePix10K/geomlib_layout"]
    assert_same_tiles(read_pyfai(tmp_path / "a.h5"), geom)
    assert_same_tiles(read_pyfai(tmp_path / "a.h5", detector="epix10k"), geom)
    with pytest.raises(GeometryFileError, match=r"a\.h5: detector='AGIPD-1M' does not fit .* 352"):
        read_pyfai(tmp_path / "a.h5", detector="AGIPD-1M")


def test_a_layout_that_is_none_of_these_tiles(tmp_path):
    write_pyfai(disordered("ePix10K"), tmp_path / "a.h5")
    whole = geomlib.detectors.generic([(0, 0)], (352, 384), 1e-4).detector
    with pytest.raises(GeometryFileError, match=r"columns 0 to 383 are no tile of .*: they do not"):
        read_pyfai(tmp_path / "a.h5", detector=whole)


# -- Files of pyFAI -------------------------------------------------------------------------


def positions(ai):
    """Centres of pixels in the lab as pyFAI has them: x, y, z from the sample."""
    z, y, x = ai.calc_pos_zyx(corners=False)
    return np.stack([x, y, z], axis=-1)


@pytest.mark.parametrize("angles", [(0, 0, 0), (0.1, -0.2, 0.7), (0, 0.4, 0), (-0.3, 0, 3.0)])
def test_poni_and_rotations_become_positions(angles, tmp_path):
    ai = AzimuthalIntegrator(
        0.123, 0.004, -0.011, *angles, detector=Pilatus100k(orientation=3), wavelength=1.1e-10
    )
    ai.save(str(tmp_path / "a.poni"))
    geom = read_poni_geometry(tmp_path / "a.poni")
    ours = geom.pixel_positions()[0] + [0, 0, geom.distance]
    # Corners come from float32, the furthest 0.1 m from the point of normal incidence.
    limit = 2.5 * FLOAT32 * 0.15
    assert np.abs(ours - positions(ai)).max() < limit
    assert (geom.distance, geom.detector.name) == (0.123, "Pilatus 100k")
    assert geom.photon_energy == pytest.approx(1.2398419843320026e-6 / 1.1e-10, rel=4e-16)
    if any(angles):
        assert np.ptp(geom.tile_outlines()[..., 2]) > 1e-3


def test_moved_and_relative(tmp_path, monkeypatch):
    geom = disordered("ePix10K")
    write_poni_geometry(geom, tmp_path / "a.poni")
    away = tmp_path / "away"
    away.mkdir()
    for name in ("a.poni", "a.detector.h5"):
        shutil.move(tmp_path / name, away / name)
    assert_same_tiles(read_poni_geometry(away / "a.poni"), geom)
    text = (away / "a.poni").read_text()
    config = json.loads(text.split("Detector_config: ")[1].splitlines()[0])
    assert config == {"filename": str(tmp_path / "a.detector.h5"), "orientation": 3}
    relative = text.replace(config["filename"], "a.detector.h5")
    (away / "b.poni").write_text(relative)
    monkeypatch.chdir(tmp_path)
    assert_same_tiles(read_poni_geometry("away/b.poni"), geom)
    (away / "a.detector.h5").unlink()
    with pytest.raises(GeometryFileError, match=r"b\.poni \[Detector_config\]: there is no file"):
        read_poni_geometry("away/b.poni")


def test_old_files_and_the_last_block(tmp_path):
    (tmp_path / "a.poni").write_text(
        "# Nota: C-Order\nPixelSize1: 1.72e-04\nPixelSize2: 1.72e-04\nDetector: Pilatus100k\n"
        "Distance: 0.1\nPoni1: 0\nPoni2: 0\nRot1: 0\nRot2: 0\nRot3: 0\n"
        "# saved again\nDistance: 0.2\n"
    )
    geom = read_poni_geometry(tmp_path / "a.poni")
    assert (geom.distance, geom.data_shape) == (0.2, (1, 195, 487))
    assert geom.photon_energy is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("Distance: 0.35", "Distance: -1"), r"\[Distance\]: must be positive, not -1"),
        (("Distance: 0.35", "Distance: far"), r":5 \[Distance\]: must be a number, not 'far'"),
        (('{"filename"', '{filename"'), r":4 \[Detector_config\]: expected a JSON object"),
        (("NexusDetector", "Nonsense"), r"\[Detector\]: pyFAI knows no detector"),
        (("NexusDetector", "Detector"), r"\[Detector\]: pyFAI knows no|not how many pixels"),
    ],
)
def test_wrong_poni_files(change, said, tmp_path):
    write_poni_geometry(disordered("ePix10K"), tmp_path / "a.poni")
    text = (tmp_path / "a.poni").read_text()
    assert change[0] in text
    (tmp_path / "a.poni").write_text(text.replace(*change))
    with pytest.raises(GeometryFileError, match=said):
        read_poni_geometry(tmp_path / "a.poni")


def test_a_detector_without_pixels(tmp_path):
    AzimuthalIntegrator(0.1, detector=Detector(1e-4, 1e-4)).save(str(tmp_path / "a.poni"))
    with pytest.raises(GeometryFileError, match="not how many pixels"):
        geomlib.read_geometry(tmp_path / "a.poni")


def test_damaged_detector_files(tmp_path):
    write_pyfai(disordered("ePix10K"), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        group = file["entry_0000/pyFAI/ePix10K"]
        del group["pixel_corners"], group["geomlib_layout"]
        group["geomlib_layout"] = np.bytes_(b"{nonsense")
        group.create_dataset("pixel_corners", (1 << 20, 1 << 20, 4, 3), "f4", chunks=(1, 1, 4, 3))
    with pytest.raises(GeometryFileError, match=r"pixel_corners\]: claims 1\.3e\+13 numbers"):
        geomlib.read_geometry(tmp_path / "a.h5")
    (tmp_path / "b.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:2000])
    with pytest.raises(GeometryFileError, match="not a readable HDF5 file"):
        geomlib.read_geometry(tmp_path / "b.h5")


# -- Writing --------------------------------------------------------------------------------


def test_what_a_poni_file_needs(tmp_path):
    geom = geomlib.example_geometry("ePix10K")
    with pytest.raises(GeometryError, match="distance is not known"):
        write_poni_geometry(geom, tmp_path / "a.poni")
    with pytest.raises(GeometryError, match=r"200 mm are 0\.2 m"):
        write_poni_geometry(geom.replace(distance=200), tmp_path / "a.poni")
    assert list(tmp_path.iterdir()) == []
    write_poni_geometry(geom.replace(distance=0.2), tmp_path / "a.poni")
    assert "Wavelength" not in (tmp_path / "a.poni").read_text()
    assert read_poni_geometry(tmp_path / "a.poni").distance == 0.2


def test_data_are_not_replaced_by_the_detector(tmp_path):
    (tmp_path / "a.detector.h5").write_bytes(b"years of work")
    geom = disordered("ePix10K")
    with pytest.raises(GeometryFileError, match=r"a\.detector\.h5: is there, and is no detector"):
        write_poni_geometry(geom, tmp_path / "a.poni")
    assert (tmp_path / "a.detector.h5").read_bytes() == b"years of work"


def test_both_files_or_none(tmp_path):
    geom = disordered("ePix10K")
    (tmp_path / "a.poni").mkdir()
    with pytest.raises(GeometryFileError, match=r"a\.poni: is a folder"):
        write_poni_geometry(geom, tmp_path / "a.poni")
    assert [p.name for p in tmp_path.iterdir()] == ["a.poni"]
    write_poni_geometry(geom, tmp_path / "b.poni")
    before = (tmp_path / "b.detector.h5").read_bytes()
    far = geom.offset((60, 0, 0))
    with pytest.raises(GeometryError, match="cannot hold"):
        geomlib.write_geometry(far, tmp_path / "b.poni")
    assert (tmp_path / "b.detector.h5").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.poni", "b.detector.h5", "b.poni"]


def test_another_detector_beside_the_file(tmp_path):
    geom = disordered("ePix10K")
    write_poni_geometry(geom, tmp_path / "a.poni")
    copy = shutil.copytree(tmp_path, tmp_path.with_name("copied"))
    # The copy is the same file: no word.
    assert_same_tiles(read_poni_geometry(copy / "a.poni"), geom)
    moved = geom.offset((1e-3, 0))
    write_poni_geometry(moved, tmp_path / "a.poni")
    with pytest.warns(GeometryWarning, match=r"names the detector .*, which is read, as pyFAI"):
        assert_same_tiles(read_poni_geometry(copy / "a.poni"), moved)


def test_orientations_of_files_are_said(tmp_path):
    geom = disordered("ePix10K")
    write_poni_geometry(geom, tmp_path / "a.poni")
    text = (tmp_path / "a.poni").read_text().replace('"orientation": 3', '"orientation": 1')
    (tmp_path / "b.poni").write_text(text)
    with pytest.warns(GeometryWarning, match=r"a\.detector\.h5: orientation 1: .* corners count"):
        assert_same_tiles(read_poni_geometry(tmp_path / "b.poni"), geom)


def test_files_of_flat_detectors_without_corners(tmp_path):
    Pilatus100k(orientation=3).save(str(tmp_path / "a.h5"))
    with h5py.File(tmp_path / "a.h5") as file:
        assert "pixel_corners" not in file["entry_0000/pyFAI/Pilatus_100k"]
    geom = geomlib.read_geometry(tmp_path / "a.h5")
    assert geom.source.format == "pyfai"
    assert (geom.data_shape, geom.n_tiles) == ((1, 195, 487), 1)
    theirs = Pilatus100k(orientation=3).get_pixel_corners()[..., ::-1]
    assert np.abs(geom.pixel_corners()[0] - theirs).max() <= 2.5 * FLOAT32 * theirs.max()
    assert geom.detector.pixel_size == (172e-6, 172e-6)


def test_the_detector_that_pyfai_takes(tmp_path):
    geom = disordered("ePix10K")
    write_pyfai(geom, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        other = file.create_group("entry_0000/pyFAI/AAA")
        other.attrs["NX_class"] = "NXdetector"
    with pytest.raises(GeometryFileError, match="no geometry in this HDF5 file"):
        geomlib.read_geometry(tmp_path / "a.h5")
    with pytest.raises(GeometryFileError, match="holds no detector of pyFAI"):
        read_pyfai(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('{"pixel1": 1e-4, "pixel2": 1e-4, "max_shape": [100000, 100000]}', "claims"),
        ('{"pixel1": 1e-4, "pixel2": 1e-4, "max_shape": "x"}', "knows no|claims"),
        ('{"pixel1": 1e-4, "pixel2": 1e-4, "max_shape": [-5, 10]}', "claims"),
        ('{"pixel1": 1e-4, "pixel2": 1e-4, "max_shape": [0, 10]}', "claims"),
    ],
)
def test_claims_of_poni_files(config, said, tmp_path):
    (tmp_path / "a.poni").write_text(
        f"poni_version: 2\nDetector: Detector\nDetector_config: {config}\nDistance: 0.1\nPoni1: 0\n"
    )
    with pytest.raises(GeometryFileError, match=rf"a\.poni.*({said})"):
        geomlib.read_geometry(tmp_path / "a.poni")


@pytest.mark.parametrize("wavelength", ["0", "-1e-10"])
def test_wavelengths_that_are_none(wavelength, tmp_path):
    write_poni_geometry(disordered("ePix10K"), tmp_path / "a.poni")
    text = (tmp_path / "a.poni").read_text().partition("Wavelength")[0]
    (tmp_path / "a.poni").write_text(f"{text}Wavelength: {wavelength}\n")
    with pytest.raises(GeometryFileError, match=r"a\.poni \[Wavelength\]: must be positive"):
        geomlib.read_geometry(tmp_path / "a.poni")


def test_a_huge_mask(tmp_path):
    write_pyfai(disordered("ePix10K"), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        group = file["entry_0000/pyFAI/ePix10K"]
        group.create_dataset("mask", (2**17, 2**16), "i1", chunks=(1, 2**16))
    with pytest.raises(GeometryFileError, match=r"mask\]: expected shape \(352, 384\)"):
        geomlib.read_geometry(tmp_path / "a.h5")


def test_float32_is_a_loss_that_is_said(tmp_path):
    geom = disordered("ePix10K")
    with pytest.warns(GeometryWarning, match=r"tiles are up to 0\.00\d+ µm away"):
        report = geomlib.write_geometry(geom, tmp_path / "a.poni")
    assert report.lost == ()
    corners = geom.tile_outlines()
    assert report.moved <= np.sqrt(3) * 3.5 * FLOAT32 * np.abs(corners).max()
    assert report.moved >= FLOAT32 * np.abs(corners).max() / 2


def test_the_command_line_of_pyfai_sees_the_rings(tmp_path):
    geom = disordered("ePix10K").offset((0, 0, 1e-3), tiles=[1])
    with warnings.catch_warnings(action="ignore", category=GeometryWarning):
        geomlib.write_geometry(geom, tmp_path / "a.poni")
    x, y, z = np.moveaxis(geom.pixel_positions()[0], -1, 0)
    angle = np.degrees(np.arctan2(np.hypot(x, y), z + geom.distance))
    width = 0.03
    image = sum(np.exp(-(((angle - ring) / width) ** 2)) for ring in (1.2, 2.4))
    fabio.edfimage.EdfImage(data=image.astype(np.float32)).write(tmp_path / "rings.edf")
    command = [Path(sys.executable).with_name("pyFAI-waxs"), "-p", "a.poni", "rings.edf"]
    subprocess.run(
        [*command, "-n", "400", "--unit", "2th_deg"],
        cwd=tmp_path,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        check=True,
        capture_output=True,
    )
    found, intensity = np.loadtxt(tmp_path / "rings.xy", unpack=True)
    for ring in (1.2, 2.4):
        near = np.abs(found - ring) < 4 * width
        middle = np.average(found[near], weights=intensity[near])
        # The middle of a Gaussian sampled in bins of a fifth of its width is right to a small part
        # of a bin; pixels one bin wide spread it evenly to both sides.
        assert middle == pytest.approx(ring, abs=0.1 * (found[1] - found[0]))
