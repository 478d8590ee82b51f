"""Numbers of stacks against pyFAI's, frame by frame; data in every form; any number of threads."""

import warnings
from itertools import pairwise

import dask.array as da
import h5py
import numpy as np
import pytest

import geomlib
from geomlib import StackIntegrator
from geomlib.assembly import sources
from geomlib.errors import GeometryError, GeometryWarning
from tests.integration.small import counts, placed, same, small_geometry, small_hexagons
from tests.shared import SHARED_DATA, needs_shared_data

#: Data and results are float32 in pyFAI, its sums float64 or, in Python, float32.
CLOSE = 1e-5


def pyfai_pattern(geometry, frame, npt, split, unit="q_A^-1", npt_azim=None, **options):
    """One frame in pyFAI; its azimuthal errors are exact in its Python engine only."""
    ai = geomlib.to_pyfai_integrator(geometry)
    engine = "python" if options.get("error_model") == "azimuthal" else "cython"
    method = (split, "csr", engine)
    image = frame.reshape(ai.detector.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if npt_azim is not None:
            return ai.integrate2d(image, npt, npt_azim, unit=unit, method=method, **options)
        return ai.integrate1d(image, npt, unit=unit, method=method, **options)


def check_same(pattern, frame, peer, azimuthal=False):
    """Compare one frame of a pattern with pyFAI's, where any pixel counts."""
    # A single pixel has no spread, which is 0 to pyFAI and NaN here.
    seen = peer.count > (1 if azimuthal else 0)
    np.testing.assert_allclose(pattern.count[frame], peer.count, rtol=CLOSE, atol=1e-4)
    np.testing.assert_allclose(
        pattern.intensity[frame][seen], peer.intensity[seen], rtol=CLOSE, atol=0
    )
    assert np.isnan(pattern.intensity[frame][peer.count == 0]).all()
    if pattern.sigma is not None:
        scale = np.nanmax(pattern.sigma[frame])
        np.testing.assert_allclose(
            pattern.sigma[frame][seen], peer.sigma[seen], rtol=CLOSE, atol=CLOSE * scale
        )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"polarisation": 0.97, "error_model": "poisson"},
        {"error_model": "azimuthal", "unit": "2th_deg"},
        {"unit": "r_mm", "solid_angle": False},
        {"unit": "q_nm^-1", "solid_angle": False, "polarisation": -0.5},
        {"unit": "chi_deg"},
    ],
    ids=str,
)
@pytest.mark.parametrize("split", ["no", "bbox", "full"])
@pytest.mark.parametrize("dtype", ["f4", "u2"])
def test_curves_are_those_of_pyfai(split, dtype, options):
    if options.get("error_model") == "azimuthal" and split != "no":
        pytest.skip("pyFAI has azimuthal errors without splitting only")
    if options.get("unit") == "chi_deg" and split == "full":
        pytest.skip("pyFAI splits shapes without an area there: see test_shapes")
    geometry = small_geometry()
    data = counts(geometry, 9, dtype)
    pattern = StackIntegrator(geometry, 40, split=split, **options).integrate(data)
    theirs = {
        {"polarisation": "polarization_factor", "solid_angle": "correctSolidAngle"}.get(
            name, name
        ): value
        for name, value in options.items()
    }
    for frame in (0, 8):
        peer = pyfai_pattern(geometry, data[frame], 40, split, **theirs)
        np.testing.assert_allclose(pattern.radial, peer.radial, rtol=1e-12)
        check_same(pattern, frame, peer, options.get("error_model") == "azimuthal")


@pytest.mark.parametrize("split", ["no", "bbox"])
def test_cakes_are_those_of_pyfai(split):
    geometry = small_geometry()
    data = counts(geometry, 2)
    pattern = StackIntegrator(geometry, 30, npt_azim=12, split=split).integrate(data)
    assert pattern.shape == (2, 12, 30)
    peer = pyfai_pattern(geometry, data[1], 30, split, npt_azim=12)
    np.testing.assert_allclose(pattern.azimuth, peer.azimuthal, rtol=1e-12)
    np.testing.assert_allclose(pattern.count[1], peer.count, rtol=CLOSE, atol=1e-4)
    # Slivers of pixels: pyFAI's sums of their parts are float32.
    seen = peer.count > 1e-3
    np.testing.assert_allclose(pattern.intensity[1][seen], peer.intensity[seen], rtol=1e-4)


@pytest.mark.jit
@pytest.mark.parametrize("name", ["AGIPD-1M", "LPD-1M", "DSSC-1M", "JUNGFRAU-500K"])
@pytest.mark.parametrize("split", ["no", "bbox"])
def test_detectors_are_those_of_pyfai(name, split):
    geometry = placed(name)
    data = counts(geometry, 1)
    data[0, 0, :9] = np.nan
    mask = np.zeros(geometry.data_shape, dtype=bool)
    mask[-1, 5:20] = True
    pattern = StackIntegrator(geometry, 300, split=split, mask=mask).integrate(data)
    peer = pyfai_pattern(
        geometry, data[0], 300, split, mask=mask.reshape(-1, mask.shape[-1]).astype(np.int8)
    )
    check_same(pattern, 0, peer)


@needs_shared_data
@pytest.mark.jit
@pytest.mark.parametrize("split", ["no", "bbox", "full"])
def test_real_frame_of_agipd(split):
    path = SHARED_DATA / "crystfel" / "AGIPD_European-XFEL_geoAssembler_test.geom"
    with pytest.warns(GeometryWarning, match="CrystFEL"):
        geometry = geomlib.read_geometry(path)
    geometry = geometry.replace(distance=5.5, photon_energy=10235.0)
    frame = np.load(SHARED_DATA / "frames" / "agipd_rings.npz")
    data = frame[frame.files[0]][np.newaxis]
    options = {"distance": 5.5, "energy": 10235.0}
    pattern = StackIntegrator(geometry, 500, split=split, **options).integrate(data)
    check_same(pattern, 0, pyfai_pattern(geometry, data[0], 500, split))
    # Powder rings: some bins stand out of the smooth rest.
    curve = pattern.intensity[0]
    assert np.nanmax(curve) > 2 * np.nanmedian(curve)


@needs_shared_data
@pytest.mark.jit
def test_real_frame_of_lpd_with_nan_and_dead_tiles():
    quadrants = [(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)]
    path = SHARED_DATA / "euxfel_h5" / "lpd_mar_18_axesfixed.h5"
    with pytest.warns(GeometryWarning, match="Q2/M2"):
        geometry = geomlib.read_geometry(path, quad_positions=quadrants)
    geometry = geometry.replace(distance=0.3, photon_energy=9300.0)
    frame = np.load(SHARED_DATA / "frames" / "lpd_liquid.npz")
    data = frame[frame.files[0]][np.newaxis]
    assert np.isnan(data).any()
    for split in ("no", "bbox", "full"):
        pattern = StackIntegrator(geometry, 400, split=split).integrate(data)
        check_same(pattern, 0, pyfai_pattern(geometry, data[0], 400, split))


# -- Forms of data --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def integrator():
    return StackIntegrator(small_geometry(), 40, error_model="azimuthal", threads=2)


@pytest.fixture(scope="module")
def frames():
    return counts(small_geometry(), 11, "u2")


@pytest.fixture(scope="module")
def expected(integrator, frames):
    """One frame at a time, alone."""
    alone = [integrator.integrate(frame) for frame in frames]
    return geomlib.Pattern(
        integrator.radial,
        *(np.stack([getattr(a, n) for a in alone]) for n in ("intensity", "sigma", "count")),
        "q_A^-1",
    )


def test_frames_are_the_same_alone_and_in_company(integrator, frames, expected):
    assert same(integrator.integrate(frames), expected)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [1, 2, 4, 11])
def test_threads_do_not_change_a_byte(frames, expected, threads, count):
    own = StackIntegrator(small_geometry(), 40, error_model="azimuthal", threads=threads)
    found = own.integrate(frames[:count])
    for name in ("intensity", "sigma", "count"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name)[:count])


def test_any_layout(integrator, frames, expected):
    stream = np.ascontiguousarray(frames.transpose(1, 3, 2, 0))
    assert same(integrator.integrate(stream, axes="stream"), expected)
    assert same(integrator.integrate(np.asfortranarray(frames)), expected)
    assert same(integrator.integrate(np.repeat(frames, 2, axis=-1)[..., ::2]), expected)
    assert same(integrator.integrate(frames.astype(">u2")), expected)
    assert same(integrator.integrate(list(frames)), expected)
    assert same(integrator.integrate({0: frames[:, 0], 1: frames[:, 1]}), expected)
    assert same(integrator.integrate(frames.reshape(11, 40, 32)), expected)
    folded = integrator.integrate(frames[:10].reshape(5, 2, 2, 20, 32))
    assert folded.shape == (5, 2, 40)
    np.testing.assert_array_equal(folded.intensity.reshape(10, 40), expected.intensity[:10])


def test_float_dtypes(frames, expected):
    own = StackIntegrator(small_geometry(), 40)
    for kind, wanted in [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("i4", "f8"), ("u1", "f4")]:
        found = own.integrate(frames.astype(kind))
        assert found.intensity.dtype == wanted
        np.testing.assert_allclose(found.intensity, expected.intensity, rtol=1e-6)


def test_stored_data_comes_in_blocks(integrator, frames, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BLOCK_BYTES", 4 * frames[0].nbytes)
    done = []
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        dataset = file.create_dataset("data", data=frames)
        found = integrator.integrate(dataset, progress=done.append)
    assert same(found, expected)
    assert done == [4, 4, 3]


def test_a_mask_for_each_frame_in_a_file(integrator, frames, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BLOCK_BYTES", 4 * frames[0].nbytes)
    mask = np.random.default_rng(3).random(frames.shape) < 0.1
    wanted = integrator.integrate(frames, mask=mask)
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        data, own = file.create_dataset("data", data=frames), file.create_dataset("m", data=mask)
        assert same(integrator.integrate(data, mask=own), wanted)


def test_dask_stays_lazy(integrator, frames, expected):
    lazy = integrator.integrate(da.from_array(frames, chunks=(4, 1, -1, -1)))
    assert isinstance(lazy.intensity, da.Array)
    assert lazy.intensity.chunks[0] == (4, 4, 3)
    got = da.compute(lazy.intensity, lazy.sigma, lazy.count)
    assert same(geomlib.Pattern(lazy.radial, *got, lazy.unit), expected)


def test_dask_with_a_mask_for_each_frame(integrator, frames):
    mask = np.random.default_rng(3).random(frames.shape) < 0.1
    wanted = integrator.integrate(frames, mask=mask)
    chunked = {
        name: da.from_array(a, chunks=(4, -1, -1, -1)) for name, a in [("d", frames), ("m", mask)]
    }
    lazy = integrator.integrate(chunked["d"], mask=chunked["m"])
    got = da.compute(lazy.intensity, lazy.sigma, lazy.count)
    assert same(geomlib.Pattern(lazy.radial, *got, lazy.unit), wanted)


def test_dask_cakes(frames):
    own = StackIntegrator(small_geometry(), 20, npt_azim=6)
    lazy = own.integrate(da.from_array(frames, chunks=(3, -1, -1, -1)))
    assert lazy.shape == (11, 6, 20)
    np.testing.assert_array_equal(lazy.intensity.compute(), own.integrate(frames).intensity)


# -- What does not count --------------------------------------------------------------------


def with_nan(frames, where):
    data = frames.astype("f4")
    data[where] = np.nan
    return data


@pytest.mark.parametrize("split", ["no", "bbox"])
def test_what_is_missing_is_as_nan(frames, split):
    own = StackIntegrator(small_geometry(), 40, split=split, error_model="azimuthal")
    mask = np.random.default_rng(3).random(frames.shape) < 0.1
    assert same(own.integrate(frames, mask=mask), own.integrate(with_nan(frames, mask)))
    flags = np.where(mask, 5, 2).astype("u4")
    assert same(
        own.integrate(frames, mask=flags, mask_bits=4), own.integrate(with_nan(frames, mask))
    )
    present = np.ones((11, 2), dtype=bool)
    present[3, 0] = present[8:, 1] = False
    found = own.integrate(frames, present=present)
    wanted = own.integrate(with_nan(frames, ~present))
    for name in ("intensity", "sigma", "count"):
        # Sums of what is left out, or of what is there: rounding of float64.
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-6)
    one = own.integrate({1: frames[:, 1]})
    rest = own.integrate(with_nan(frames, np.s_[:, 0]))
    np.testing.assert_allclose(one.intensity, rest.intensity, rtol=1e-6)
    np.testing.assert_allclose(one.count, rest.count, rtol=1e-6)


def test_an_even_field_stays_even_whatever_is_missing():
    geometry = small_geometry()
    own = StackIntegrator(geometry, 40, split="bbox")
    norms = own.operator.entries.norms.reshape(geometry.data_shape)
    data = np.broadcast_to(3 * norms, (9, *geometry.data_shape)).copy()
    data[np.random.default_rng(0).random(data.shape) < 0.5] = np.nan
    found = own.integrate(data)
    seen = found.count > 1e-3
    # Data and result are float32: half a unit in the last place each.
    np.testing.assert_allclose(found.intensity[seen], 3, rtol=2e-7)


def test_bins_without_a_pixel_are_nan_and_count_nothing():
    geometry = small_geometry()
    data = np.full((2, *geometry.data_shape), np.nan, dtype=np.float32)
    found = StackIntegrator(geometry, 40, error_model="poisson").integrate(data)
    assert np.isnan(found.intensity).all()
    assert np.isnan(found.sigma).all()
    assert (found.count == 0).all()


def test_dark_and_gain(frames):
    own = StackIntegrator(small_geometry(), 40)
    rng = np.random.default_rng(1)
    dark, gain = (rng.random(small_geometry().data_shape).astype("f4") for _ in range(2))
    wanted = own.integrate((frames - dark) * gain)
    assert same(own.integrate(frames, dark=dark, gain=gain), wanted)


def test_shortcuts_and_static_masks(frames):
    geometry = small_geometry()
    mask = np.zeros(geometry.data_shape, dtype=bool)
    mask[0, :, :15] = True
    wanted = StackIntegrator(geometry, 30, unit="2th_deg").integrate(frames, mask=mask)
    assert same(geomlib.integrate1d(frames, geometry, 30, mask=mask, unit="2th_deg"), wanted)
    each = np.broadcast_to(mask, frames.shape)
    found = geomlib.integrate1d(frames, geometry, 30, mask=each, unit="2th_deg")
    own = StackIntegrator(geometry, 30, unit="2th_deg")
    assert same(found, own.integrate(with_nan(frames, each)))
    cake = geomlib.integrate2d(frames[0], geometry, 30, 8)
    assert cake.shape == (8, 30)
    assert cake.is_cake


def test_hexagons_by_their_centres_and_boxes(frames):
    geometry = small_hexagons()
    data = counts(geometry, 2)
    for split in ("no", "bbox"):
        pattern = StackIntegrator(geometry, 25, split=split).integrate(data)
        check_same(pattern, 1, pyfai_pattern(geometry, data[1], 25, split))


def test_what_data_cannot_be():
    own = StackIntegrator(small_geometry(), 40)
    with pytest.raises(GeometryError, match="complex64"):
        own.integrate(np.zeros(small_geometry().data_shape, "c8"))
    with pytest.raises(GeometryError, match=r"data has shape \(3, 20, 32\)"):
        own.integrate(np.zeros((3, 20, 32)))
    with pytest.raises(GeometryError, match="there is no option 'nonsense': there are "):
        geomlib.integrate1d(np.zeros((2, 20, 32)), small_geometry(), 10, nonsense=3)
    with pytest.raises(GeometryError, match="the order is integrate1d"):
        geomlib.integrate1d(small_geometry(), np.zeros((2, 20, 32)), 10)
    with pytest.raises(GeometryError, match="call integrate2d"):
        geomlib.integrate1d(np.zeros((2, 20, 32)), small_geometry(), 10, npt_azim=3)


def test_integrators_travel(integrator, frames, expected):
    import copy
    import pickle

    for other in (pickle.loads(pickle.dumps(integrator)), copy.deepcopy(integrator)):
        assert same(other.integrate(frames), expected)
        assert not other.operator.entries.bins.flags.writeable
        assert other.request == integrator.request


@pytest.mark.jit
def test_azimuthal_errors_are_exact_where_pyfai_in_cython_is_off():
    # Near the sample, so that the norms of a bin differ.
    geometry = placed("ePix10K").replace(distance=0.02)
    data = counts(geometry, 1)
    own = StackIntegrator(geometry, 40, unit="chi_deg", error_model="azimuthal")
    found = own.integrate(data[0])
    starts, pixels, _ = own.operator.by_bins()
    norms = own.operator.entries.norms.astype("f8")
    expected = []
    for first, last in pairwise(starts):
        signal, norm = data[0].ravel()[pixels[first:last]], norms[pixels[first:last]]
        mean = signal.sum() / norm.sum()
        expected.append(np.sqrt(((signal - mean * norm) ** 2).sum()) / norm.sum())
    # The result is float32.
    np.testing.assert_allclose(found.sigma, expected, rtol=1e-6)
    ai = geomlib.to_pyfai_integrator(geometry)
    peer = ai.integrate1d(
        data[0].reshape(ai.detector.shape), 40, unit="chi_deg", error_model="azimuthal",
        method=("no", "csr", "cython"),
    )  # fmt: skip
    assert np.abs(peer.sigma / expected - 1).max() > 1e-2
