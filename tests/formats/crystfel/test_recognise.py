"""The detector is known by where the panels lie in the data, never by their names."""

import random
import re
import warnings

import pytest

import geomlib
from geomlib.detectors.agipd import AGIPD_1M, AGIPD_500K
from geomlib.detectors.dssc import DSSC_1M, PITCH_FS, PITCH_SS
from geomlib.detectors.epix import EPIX10K, EPIX100
from geomlib.detectors.jungfrau import jungfrau_detector
from geomlib.detectors.known_layouts import SLABS, slab_name
from geomlib.detectors.lpd import LPD_1M, lpd_mini_detector
from geomlib.detectors.pnccd import PNCCD
from geomlib.errors import GeometryError, GeometryWarning
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.crystfel.read import parse_crystfel, read_crystfel
from geomlib.formats.crystfel.stored import recognise_panels
from geomlib.formats.crystfel.write import crystfel_text
from tests.formats.crystfel.samples import FOLDER, REAL_FILES, SMALL
from tests.shared import needs_shared_data


def layout_text(detector, *, stacked=False, keep=None, seed=1, dims="%m", ss="y"):
    """Panels of a detector under meaningless names and in random order."""
    res = 1 / detector.pixel_size[1]
    lines = ["clen = 0.1", "photon_energy = 9000", "adu_per_eV = 1", f"res = {res!r}"]
    if not stacked:
        axes = [*dims, "ss", "fs"]
        lines += [f"dim{n} = {axis}" for n, axis in enumerate(axes) if axis != "m"]
    tiles = list(range(detector.n_tiles) if keep is None else keep)
    random.Random(seed).shuffle(tiles)
    for number, tile in enumerate(tiles):
        module, ss0, ss1, fs0, fs1 = detector.tile_bounds[tile].tolist()
        start = module * detector.data_shape[1] if stacked else 0
        name = f"x{number}"
        if not stacked and "m" in dims:
            lines.append(f"{name}/dim{dims.index('m')} = {module}")
        lines += [
            f"{name}/min_ss = {start + ss0}",
            f"{name}/max_ss = {start + ss1 - 1}",
            f"{name}/min_fs = {fs0}",
            f"{name}/max_fs = {fs1 - 1}",
            f"{name}/corner_x = {tile}",
            f"{name}/corner_y = 0",
            f"{name}/fs = x",
            f"{name}/ss = {ss}",
        ]
    return "\n".join(lines) + "\n"


def check_tiles(geom, expected):
    """Tile numbers were written as corner_x."""
    pitch = geom.tile_fs[0, 0]
    assert (geom.tile_corners[:, 0] / pitch).round().astype(int).tolist() == list(expected)


KNOWN = [AGIPD_1M, AGIPD_500K, LPD_1M, jungfrau_detector(1), jungfrau_detector(8), PNCCD]
KNOWN += [jungfrau_detector(3), EPIX100, EPIX10K]
IDS = [d.name for d in KNOWN]


@pytest.mark.parametrize("detector", [*KNOWN, lpd_mini_detector(2)], ids=[*IDS, "LPD-Mini"])
@pytest.mark.parametrize("stacked", [False, True])
def test_known_detectors_in_both_layouts(detector, stacked):
    geom = parse_crystfel(layout_text(detector, stacked=stacked))
    assert geom.detector == detector
    check_tiles(geom, range(detector.n_tiles))


@pytest.mark.parametrize("stacked", [False, True])
def test_dssc_by_its_two_pitches(stacked):
    ss = f"{PITCH_SS / PITCH_FS:.12f}y"
    geom = parse_crystfel(layout_text(DSSC_1M, stacked=stacked, ss=ss))
    assert geom.detector == DSSC_1M
    assert parse_crystfel(layout_text(DSSC_1M, stacked=stacked)).detector.name == "generic"


def test_raw_data_with_a_gain_axis():
    geom = parse_crystfel(layout_text(AGIPD_1M, dims="%m0"))
    assert geom.detector == AGIPD_1M


def test_a_part_of_a_detector_keeps_the_shape_of_its_data():
    keep = [t for t in range(128) if AGIPD_1M.tile_bounds[t, 0] not in (3, 15)]
    for stacked in (False, True):
        geom = parse_crystfel(layout_text(AGIPD_1M, keep=keep, stacked=stacked))
        assert geom.data_shape == (16, 512, 128)
        assert geom.detector.name == "AGIPD-1M (part)"
        assert geom.n_tiles == 14 * 8
        check_tiles(geom, keep)
        assert geom.detector.tile_names[24] == "p4a0"
    # The last module is missing, then one in the middle.
    assert parse_crystfel(layout_text(jungfrau_detector(8), keep=range(56))).n_modules == 7
    geom = parse_crystfel(layout_text(jungfrau_detector(8), keep=[*range(24), *range(32, 64)]))
    assert geom.data_shape == (8, 512, 1024)


def test_one_module_of_agipd():
    one = range(8)
    geom = parse_crystfel(layout_text(AGIPD_1M, keep=one, stacked=True))
    assert (geom.detector.name, geom.data_shape) == ("AGIPD-module", (1, 512, 128))
    # With an axis of modules, it is the one that the file says.
    geom = parse_crystfel(layout_text(AGIPD_1M, keep=range(40, 48)))
    assert geom.data_shape == (16, 512, 128)
    assert geom.detector.tile_modules.tolist() == [5] * 8


def test_epix10k_of_several_modules():
    one = EPIX10K.tile_bounds
    text = []
    for module in range(16):
        for tile, (_, ss0, ss1, fs0, fs1) in enumerate(one.tolist()):
            name = f"a{module}b{tile}"
            text += [
                f"{name}/min_ss = {ss0 + 352 * module}",
                f"{name}/max_ss = {ss1 + 352 * module - 1}",
                f"{name}/min_fs = {fs0}",
                f"{name}/max_fs = {fs1 - 1}",
                f"{name}/corner_x = 0",
                f"{name}/corner_y = 0",
                f"{name}/fs = x",
                f"{name}/ss = y",
            ]
    head = "clen = 1\nphoton_energy = 9000\nadu_per_eV = 1\nres = 10000\n"
    geom = parse_crystfel(head + "\n".join(text))
    assert (geom.detector.name, geom.data_shape) == ("ePix10K-2M", (16, 352, 384))


@pytest.mark.parametrize("slab", SLABS, ids=[slab.name for slab in SLABS])
def test_detectors_of_one_image(slab):
    assert slab_name(slab.shape, slab.pitch) == slab.name
    text = SMALL.replace("res = 5000", f"res = {1 / slab.pitch!r}")
    text = text.replace("max_ss = 4", f"max_ss = {slab.shape[0] - 1}")
    geom = parse_crystfel(text.replace("max_fs = 9", f"max_fs = {slab.shape[1] - 1}"))
    assert (geom.detector.name, geom.data_shape) == (slab.name, (1, *slab.shape))


def test_other_layouts_are_taken_as_they_are():
    two = SMALL.replace("p0/", "q1/") + SMALL[SMALL.index("p0/") :]
    # One module a data path, in the order of the file.
    geom = parse_crystfel(two + "p0/data = /a\nq1/data = /b\n")
    assert geom.data_shape == (2, 5, 10)
    assert geom.detector.tile_names == ("q1", "p0")
    # An index after the image axes numbers modules as well.
    geom = parse_crystfel(two + "p0/dim2 = 0\nq1/dim2 = 1\n")
    assert geom.detector.tile_names == ("p0", "q1")
    # The same data seen by two panels.
    with pytest.warns(GeometryWarning, match="panels 'q1' and 'p0' share pixels of the data"):
        geom = parse_crystfel(two)
    assert (geom.data_shape, geom.n_tiles) == ((1, 5, 10), 2)
    view = PanelView(Document.parse(two.encode()))
    assert recognise_panels(view, geom.detector).tiles.tolist() == [0, 1]


def test_forced_detector():
    agipd = layout_text(AGIPD_1M)
    assert parse_crystfel(agipd, detector="agipd-1m").detector == AGIPD_1M
    assert parse_crystfel(agipd, detector=AGIPD_1M).detector == AGIPD_1M
    generic = parse_crystfel(agipd, detector="generic")
    assert (generic.detector.name, generic.data_shape) == ("generic", (16, 512, 128))
    assert (
        parse_crystfel(layout_text(jungfrau_detector(32)), detector="JUNGFRAU-16M").n_modules == 32
    )
    with pytest.raises(GeometryError, match="does not fit the file: it has 128 tiles"):
        parse_crystfel(agipd, detector="LPD-1M")
    with pytest.raises(GeometryError, match="'AGIPD' is not known; did you mean AGIPD-1M"):
        parse_crystfel(agipd, detector="AGIPD")
    with pytest.raises(GeometryError, match="must be a Detector or its name"):
        parse_crystfel(agipd, detector=3)


EXPECTED = {
    "AGIPD_European-XFEL_EXtra-Xwiz_agipd_cheetah": ("AGIPD-1M", (16, 512, 128)),
    "AGIPD_European-XFEL_EXtra-Xwiz_agipd_vds": ("AGIPD-1M", (16, 512, 128)),
    "AGIPD_YellowSub17_dfly-p6933_agipd_linear_c305d44": ("AGIPD-1M", (16, 512, 128)),
    "AGIPD_galchenm_cfel_work_agipd_2450_v9_cheetah": ("AGIPD-1M", (16, 512, 128)),
    "AGIPD_galchenm_cfel_work_agipd_2450_vds_v4_inv": ("AGIPD-1M (trimmed)", (16, 512, 128)),
    "AGIPD_galchenm_vdsCsPadMaskMaker_slab-format-agipd_2450_v9_wo_mask_vds": (
        "AGIPD-1M",
        (16, 512, 128),
    ),
    "AGIPD_FXIhub_xfel2145_b1_lowq": ("AGIPD-module", (1, 512, 128)),
    "AGIPD_galchenm_cfel_work_agipd_1pan_darks": ("AGIPD-module", (1, 512, 128)),
    "LPD_European-XFEL_hercules_SFX_2023_lpd1m_p700000_r0299_v01": ("LPD-1M", (16, 256, 256)),
    "JUNGFRAU_European-XFEL_EXtra-Xwiz_jf4m_cheetah": ("JUNGFRAU-4M", (8, 512, 1024)),
    "JUNGFRAU_European-XFEL_EXtra-Xwiz_jf4m_vds": ("JUNGFRAU-4M", (8, 512, 1024)),
    "JUNGFRAU_galchenm_cfel_work_JF_regae_v1": ("JUNGFRAU-1M", (2, 512, 1024)),
    "JUNGFRAU_taw10_crystfel_jf-swissfel-16M": ("JUNGFRAU-16M-stacked", (1, 16448, 1030)),
    "CSPAD_slaclab_psgeom_coffset05": ("CSPAD-2.3M", (1, 1480, 1552)),
    "ePix10k_omdevteam_om_epix10k2M": ("ePix10K-2M", (16, 352, 384)),
    "pnCCD_taw10_crystfel_lcls-dec": ("pnCCD", (2, 512, 1024)),
    "Eiger_nzatsepin_maskmaker_eiger16M": ("Eiger2-16M", (1, 4362, 4148)),
    "Pilatus_taw10_crystfel_pilatus": ("Pilatus-6M", (1, 2527, 2463)),
    "Lambda_galchenm_P09_lambda1M5": ("Lambda-1.5M", (1, 1032, 1556)),
    "other_taw10_crystfel_alignment-test": ("generic", (4, 1025, 1025)),
}


@needs_shared_data
@pytest.mark.filterwarnings("ignore::geomlib.errors.GeometryWarning")
@pytest.mark.parametrize("name", EXPECTED)
def test_real_files(name):
    geom = geomlib.read_geometry(FOLDER / f"{name}.geom")
    assert (geom.detector.name, geom.data_shape) == EXPECTED[name]


def pnccd_text(first: str, first_y: float, second: str, second_y: float) -> str:
    lines = ["clen = 0.5", "photon_energy = 1000", "adu_per_eV = 1", "res = 13333.333"]
    for name, row, y in ((first, 0, first_y), (second, 512, second_y)):
        lines += [f"{name}/min_fs = 0", f"{name}/max_fs = 1023", f"{name}/min_ss = {row}"]
        lines += [f"{name}/max_ss = {row + 511}", f"{name}/fs = x", f"{name}/ss = y"]
        lines += [f"{name}/corner_x = -512", f"{name}/corner_y = {y}"]
    return "\n".join(lines) + "\n"


def test_a_pnccd_whose_second_half_is_above_has_the_names_of_the_file():
    geom = parse_crystfel(pnccd_text("lower", -600, "upper", 60))
    assert (geom.detector.name, geom.data_shape) == ("pnCCD", (2, 512, 1024))
    assert geom.detector.module_names == geom.detector.tile_names == ("lower", "upper")
    assert geom.tile_corners[1, 1] > geom.tile_corners[0, 1]
    assert crystfel_text(geom) == pnccd_text("lower", -600, "upper", 60)
    assert parse_crystfel(pnccd_text("upper", 60, "lower", -600)).detector == PNCCD


@needs_shared_data
def test_every_real_file_has_the_detector_that_its_name_says():
    """The files are named by detector; where a layout is unusual it is at least no other."""
    for name in REAL_FILES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GeometryWarning)
            found = read_crystfel(FOLDER / name).detector.name
        kind = name.partition("_")[0]
        if kind not in ("test", "other", "Rayonix-like") and found != "generic":
            assert found.lower().startswith(kind.lower()), name


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("JUNGFRAU", "did you mean JUNGFRAU-500K, JUNGFRAU-1M, JUNGFRAU-4M"),
        ("lpd", "did you mean LPD-1M, LPD-Mini?"),
        ("AGIPD-2M", "did you mean AGIPD-1M"),
    ],
)
def test_a_name_that_is_nearly_one(name, meant):
    with pytest.raises(GeometryError, match=re.escape(meant)):
        parse_crystfel(SMALL, detector=name)
    with pytest.raises(GeometryError, match=re.escape(meant)):
        geomlib.example_geometry(name)


def test_a_name_that_is_like_no_other():
    with pytest.raises(GeometryError, match="no example geometry of 'xyzzy'; there are AGIPD-1M"):
        geomlib.example_geometry("xyzzy")
