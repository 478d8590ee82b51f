"""`assemble_data` against EXtra-geom, bit for bit, and what EXtra-geom does not have."""

import extra_geom
import numpy as np
import pytest
import xarray

import geomlib
from geomlib import GeometryError, assemble_data, dismantle_image, output_array
from geomlib.assembly.plan import make_plan
from geomlib.detectors import EXAMPLE_NAMES
from tests.shared import by_size

WIDTH, HEIGHT = 4 * 256 + 6, 2 * 256 + 2
JF_POSITIONS = [(1125 - WIDTH, 1078 - HEIGHT - i * (HEIGHT + 33)) for i in range(4)] + [
    (-1125, -1078 + i * (HEIGHT + 33)) for i in range(4)
]

ORACLES = {
    "AGIPD-1M": lambda: extra_geom.AGIPD_1MGeometry.example(),
    "AGIPD-500K": lambda: extra_geom.AGIPD_500K2GGeometry.example(),
    "LPD-1M": lambda: extra_geom.LPD_1MGeometry.example(),
    "LPD-Mini": lambda: extra_geom.LPD_MiniGeometry.from_module_positions([(0, 0)]),
    "DSSC-1M": lambda: extra_geom.DSSC_1MGeometry.example(),
    "JUNGFRAU-4M": lambda: extra_geom.JUNGFRAUGeometry.from_module_positions(
        JF_POSITIONS, [(-1, -1)] * 4 + [(1, 1)] * 4
    ),
    "pnCCD": lambda: extra_geom.PNCCDGeometry.example(),
    "ePix100": lambda: extra_geom.Epix100Geometry.example(),
    "ePix10K": lambda: extra_geom.Epix10KGeometry.example(),
}


def random_data(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    data = rng.integers(1, 60000, shape)
    if np.dtype(dtype).kind == "f":
        data = data * 0.37
    return data.astype(dtype)


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("name", by_size(ORACLES))
def test_snap_equals_extra_geom(name, dtype):
    geometry, oracle = geomlib.example_geometry(name), ORACLES[name]()
    data = random_data((2, *geometry.data_shape), dtype)
    image = assemble_data(data, geometry)
    expected, centre = oracle.position_modules(data)
    assert image.data.dtype == expected.dtype
    np.testing.assert_array_equal(image.data, expected)
    np.testing.assert_array_equal(image.centre, centre)
    assert image.centre.dtype.kind == "i"


@pytest.mark.parametrize("name", by_size(["AGIPD-1M", "LPD-1M", "JUNGFRAU-4M", "ePix100"]))
def test_snap_of_turned_tiles_equals_extra_geom(name):
    angles, shift = (1.5, -2, 3), (3.3e-3, -1.7e-3, 0.01)
    geometry = geomlib.example_geometry(name).rotate(angles).offset(shift)
    oracle = ORACLES[name]().rotate(angles).offset(shift)
    data = random_data(geometry.data_shape, "float32")
    image, centre = assemble_data(data, geometry)
    expected, expected_centre = oracle.position_modules(data)
    np.testing.assert_array_equal(image, expected)
    np.testing.assert_array_equal(centre, expected_centre)


@pytest.mark.parametrize("frames", [(), (1,), (3,), (2, 3), (2, 1, 3), (0,)])
def test_any_leading_axes(frames):
    geometry = geomlib.example_geometry("LPD-Mini")
    data = random_data((*frames, *geometry.data_shape), "uint16")
    image = assemble_data(data, geometry)
    assert image.shape[:-2] == frames
    for index in np.ndindex(frames):
        single = assemble_data(data[index], geometry).data
        np.testing.assert_array_equal(image.data[index], single)


@pytest.mark.parametrize("name", by_size(EXAMPLE_NAMES))
@pytest.mark.parametrize("centred", [False, True])
def test_dismantle_is_the_inverse(name, centred):
    geometry = geomlib.example_geometry(name)
    data = random_data((2, *geometry.data_shape), "int32")
    image = assemble_data(data, geometry, centred=centred)
    np.testing.assert_array_equal(dismantle_image(image, geometry, centred=centred), data)
    array = image.data
    np.testing.assert_array_equal(dismantle_image(array, geometry, centred=centred), data)


def test_dismantle_equals_extra_geom():
    geometry, oracle = geomlib.example_geometry("DSSC-1M"), ORACLES["DSSC-1M"]()
    mask = np.random.default_rng(0).random(output_array(geometry).shape) < 0.1
    np.testing.assert_array_equal(dismantle_image(mask, geometry), oracle.take_modules(mask))


# -- Layouts of the input ---------------------------------------------------------------


@pytest.mark.parametrize(
    "arrange",
    [
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
        lambda a: a[:, ::-1].copy()[:, ::-1],
        lambda a: a.astype(a.dtype.newbyteorder(">")),
        lambda a: a.tolist() if a.size < 0 else np.ascontiguousarray(a).view(),
        lambda a: np.lib.stride_tricks.as_strided(a, a.shape, a.strides, writeable=False),
    ],
)
def test_memory_layouts(arrange):
    geometry = geomlib.example_geometry("ePix10K")
    data = random_data((3, *geometry.data_shape), "float32")
    expected = assemble_data(data, geometry).data
    arranged = arrange(data)
    result = assemble_data(arranged, geometry)
    np.testing.assert_array_equal(result.data, expected)
    assert result.data.dtype.isnative


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "int16", "uint32", "int64", "uint64", "f2", "c8", "c16"]
)
def test_other_dtypes(dtype):
    geometry = geomlib.example_geometry("ePix10K")
    data = (random_data(geometry.data_shape, "uint8") % 7).astype(dtype)
    image = assemble_data(data, geometry).data
    assert image.dtype == data.dtype
    np.testing.assert_array_equal(dismantle_image(image, geometry), data)
    gap = image[176:180]
    assert (np.isnan(gap) if data.dtype.kind in "fc" else gap == 0)[:, 0].all()


@pytest.mark.parametrize(
    ("given", "wanted"), [("u2", "f4"), ("i4", "f8"), ("f8", "f4"), ("f2", "f4"), ("u1", "i8")]
)
@pytest.mark.parametrize("method", ["snap", "nearest"])
def test_conversion_on_the_way(given, wanted, method):
    geometry = geomlib.example_geometry("ePix10K")
    data = (random_data((2, *geometry.data_shape), "u1") % 100).astype(given)
    image = assemble_data(data, geometry, dtype=wanted, method=method).data
    assert image.dtype == wanted
    expected = assemble_data(data.astype(wanted), geometry, method=method).data
    np.testing.assert_array_equal(image, expected)


@pytest.mark.jit
def test_stream_order():
    geometry = geomlib.example_geometry("AGIPD-1M")
    stream = random_data((16, 128, 512, 3), "uint16")  # module, fs, ss, pulse
    image = assemble_data(stream, geometry, axes="stream")
    expected = assemble_data(stream.transpose(3, 0, 2, 1).copy(), geometry)
    np.testing.assert_array_equal(image.data, expected.data)
    trains = assemble_data(np.stack([stream, stream + 1]), geometry, axes="stream")
    assert trains.shape[:2] == (2, 3)
    np.testing.assert_array_equal(trains.data[0], expected.data)


@pytest.mark.jit
def test_dict_of_modules():
    geometry = geomlib.example_geometry("AGIPD-1M")
    data = random_data((2, *geometry.data_shape), "float32")
    some = {m: data[:, m] for m in (12, 0, 7)}
    image = assemble_data(some, geometry).data
    data[:, [m for m in range(16) if m not in some]] = np.nan
    np.testing.assert_array_equal(image, assemble_data(data, geometry).data)
    stream = {m: np.moveaxis(a, 0, -1).swapaxes(0, 1) for m, a in some.items()}
    np.testing.assert_array_equal(assemble_data(stream, geometry, axes="stream").data, image)
    nearest = assemble_data(some, geometry, method="nearest").data
    np.testing.assert_array_equal(nearest, assemble_data(data, geometry, method="nearest").data)


def test_labelled_arrays():
    geometry = geomlib.example_geometry("AGIPD-1M")
    data = random_data((3, 2, 512, 128), "float32")
    labelled = xarray.DataArray(
        data, dims=("module", "pulse", "ss", "fs"), coords={"module": [3, 15, 4]}
    )
    image = assemble_data(labelled, geometry).data
    expected, _ = ORACLES["AGIPD-1M"]().position_modules(labelled)
    np.testing.assert_array_equal(image, expected)


def test_labels_of_jungfrau_count_from_one():
    geometry = geomlib.example_geometry("JUNGFRAU-4M")
    data = random_data((2, 512, 1024), "float32")
    labelled = xarray.DataArray(data, dims=("module", "ss", "fs"), coords={"module": [1, 8]})
    image = assemble_data(labelled, geometry).data
    np.testing.assert_array_equal(image, assemble_data({0: data[0], 7: data[1]}, geometry).data)
    expected, _ = ORACLES["JUNGFRAU-4M"]().position_modules(labelled)
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("pnCCD", (3, 1024, 1024)),
        ("ePix100", (3, 704, 768)),
        ("ePix10K", (3, 352, 384)),
    ],
)
def test_stored_as_one_image(name, stored):
    geometry = geomlib.example_geometry(name)
    data = random_data(stored, "float32")
    image = assemble_data(data, geometry)
    np.testing.assert_array_equal(image.data, ORACLES[name]().position_modules(data)[0])


@pytest.mark.jit
def test_other_stored_forms():
    agipd = geomlib.example_geometry("AGIPD-1M")
    data = random_data(agipd.data_shape, "float32")
    joined = assemble_data(data.reshape(8192, 128), agipd)
    np.testing.assert_array_equal(joined.data, assemble_data(data, agipd).data)
    jungfrau = geomlib.example_geometry("JUNGFRAU-500K")
    single = random_data((512, 1024), "uint16")
    np.testing.assert_array_equal(
        assemble_data(single, jungfrau).data, assemble_data(single[np.newaxis], jungfrau).data
    )
    epix = geomlib.example_geometry("ePix100")
    raw = random_data((2, 708, 768), "int16")
    np.testing.assert_array_equal(
        assemble_data(raw, epix).data, assemble_data(raw[:, 2:-2], epix).data
    )


# -- Options ----------------------------------------------------------------------------


def test_out_is_written_gaps_and_all():
    geometry = geomlib.example_geometry("JUNGFRAU-1M")
    data = random_data((2, *geometry.data_shape), "uint16")
    out = output_array(geometry, (2,), "uint16")
    out[...] = 9
    image = assemble_data(data, geometry, out=out)
    assert image.data is out
    np.testing.assert_array_equal(out, assemble_data(data, geometry).data)
    gaps = np.isnan(assemble_data(data, geometry, dtype="float32").data)
    assert (out[gaps] == 0).all()
    assert gaps.any()
    assemble_data({1: data[:, 1]}, geometry, out=out)
    back = dismantle_image(out, geometry)
    assert (back[:, 0] == 0).all()  # a missing module is not left over from before
    np.testing.assert_array_equal(back[:, 1], data[:, 1])
    assemble_data(data, geometry, out=out, fill=5)
    np.testing.assert_array_equal(out, assemble_data(data, geometry, fill=5).data)


def test_output_array():
    geometry = geomlib.example_geometry("LPD-Mini")
    assert output_array(geometry).shape == (68, 128)
    assert output_array(geometry).dtype == np.float32
    assert np.isnan(output_array(geometry)).all()
    assert output_array(geometry, 3, "uint16").shape == (3, 68, 128)
    assert (output_array(geometry, (2, 1), int, fill=-1) == -1).all()
    assert output_array(geometry, centred=True).shape == (136, 256)


def test_fill():
    geometry = geomlib.example_geometry("LPD-Mini")
    data = np.ones(geometry.data_shape, dtype="float32")
    image = assemble_data(data, geometry, fill=-3).data
    assert (image[32:36] == -3).all()
    assert (image[:32] == 1).all()


def test_centred():
    geometry = geomlib.example_geometry("AGIPD-1M")
    data = random_data(geometry.data_shape, "float32")
    image = assemble_data(data, geometry, centred=True)
    n_y, n_x = image.shape
    assert image.centre.tolist() == [n_y // 2, n_x // 2]
    expected = ORACLES["AGIPD-1M"]().position_modules_symmetric(data)
    np.testing.assert_array_equal(image.data, expected)


def test_centred_with_the_beam_off_the_detector():
    geometry = geomlib.example_geometry("LPD-Mini").offset((0.1, 0.02))
    data = random_data(geometry.data_shape, "float32")
    image = assemble_data(data, geometry, centred=True)
    assert image.centre.tolist() == [s / 2 for s in image.shape]
    assert np.isfinite(image.data).sum() == data.size


def test_mask():
    geometry = geomlib.example_geometry("JUNGFRAU-500K")
    data = random_data((2, *geometry.data_shape), "uint16")
    mask = np.random.default_rng(1).random(geometry.data_shape) < 0.3
    image = assemble_data(data, geometry, mask=mask)
    np.testing.assert_array_equal(dismantle_image(image, geometry), np.where(mask, 0, data))
    image = assemble_data(data, geometry, mask=mask[0], dtype="float32", fill=-1)
    np.testing.assert_array_equal(dismantle_image(image, geometry), np.where(mask, -1.0, data))
    each = np.stack([mask, ~mask])
    image = assemble_data(data.astype("f4"), geometry, mask=each)
    np.testing.assert_array_equal(dismantle_image(image, geometry), np.where(each, np.nan, data))


@pytest.mark.parametrize("how", ["mean", "sum", "max", "min", "std"])
def test_reduce(how):
    geometry = geomlib.example_geometry("ePix10K")
    data = random_data((4, 3, *geometry.data_shape), "float32")
    data[np.random.default_rng(1).random(data.shape) < 0.2] = np.nan
    mask = np.random.default_rng(2).random((3, *geometry.data_shape)) < 0.1
    image = assemble_data(data, geometry, reduce=how, mask=mask)
    flat = np.where(mask, np.nan, data).reshape(12, *geometry.data_shape).astype("f8")
    expected = getattr(np.ma.masked_invalid(flat), how)(axis=0).filled(np.nan)
    found = dismantle_image(image, geometry)
    np.testing.assert_allclose(found, expected, rtol=2 * np.finfo(np.float32).eps)
    assert image.data.dtype == ("float64" if how == "sum" else "float32")


def test_reduce_of_missing_modules_and_whole_numbers():
    geometry = geomlib.example_geometry("JUNGFRAU-1M")
    data = random_data((5, 512, 1024), "uint16")
    image = assemble_data({1: data}, geometry, reduce="sum")
    found = dismantle_image(image, geometry)
    assert found.dtype == np.uint64
    np.testing.assert_array_equal(found[1], data.sum(axis=0, dtype=np.uint64))
    assert (found[0] == 0).all()
    image = assemble_data({1: data}, geometry, reduce="mean")
    found = dismantle_image(image, geometry)
    np.testing.assert_allclose(found[1], data.mean(axis=0), rtol=np.finfo(np.float32).eps)
    assert np.isnan(found[0]).all()


@pytest.mark.parametrize("method", ["snap", "nearest"])
def test_region(method):
    geometry = geomlib.example_geometry("AGIPD-1M").rotate((0, 0, 2))
    data = random_data((2, *geometry.data_shape), "float32")
    whole = assemble_data(data, geometry, method=method)
    window = np.s_[300:707, 111:-200]
    part = assemble_data(data, geometry, method=method, region=window)
    np.testing.assert_array_equal(part.data, whole.data[(..., *window)])
    assert part.centre.tolist() == (whole.centre - [300, 111]).tolist()
    assert part.extent[0] == pytest.approx(whole.extent[0] + 111 * 2e-4)
    if method == "snap":
        back = dismantle_image(part, geometry)
        inside = np.isfinite(back)
        np.testing.assert_array_equal(back[inside], data[inside])
        assert inside.sum() == np.isfinite(part.data).sum()


@pytest.mark.jit
def test_binning():
    geometry = geomlib.example_geometry("AGIPD-1M")
    data = random_data((2, *geometry.data_shape), "uint16")
    whole = assemble_data(data, geometry, dtype="float32")
    binned = assemble_data(data, geometry, dtype="float32", binning=5)
    n_y, n_x = (n // 5 for n in whole.shape[-2:])
    blocks = whole.data[..., : 5 * n_y, : 5 * n_x].reshape(2, n_y, 5, n_x, 5).astype("f8")
    count = np.isfinite(blocks).sum(axis=(2, 4))
    expected = np.nansum(blocks, axis=(2, 4)) / np.maximum(count, 1)
    np.testing.assert_allclose(
        binned.data[count > 0], expected[count > 0], rtol=np.finfo(np.float32).eps
    )
    assert np.isnan(binned.data[count == 0]).all()
    assert binned.centre.tolist() == (whole.centre / 5).tolist()
    assert binned.pixel_size == pytest.approx((1e-3, 1e-3))


@pytest.mark.jit
@pytest.mark.parametrize("method", ["snap", "nearest"])
def test_same_bytes_on_any_number_of_threads(method):
    geometry = geomlib.example_geometry("AGIPD-1M").rotate((0, 0, 1))
    for frames in (1, 5):
        data = random_data((frames, *geometry.data_shape), "float32")
        images = [
            assemble_data(data, geometry, method=method, threads=n).data.tobytes()
            for n in (1, 2, 8)
        ]
        assert images[0] == images[1] == images[2]


@pytest.mark.parametrize("method", ["snap", "nearest"])
def test_of_overlapping_tiles_the_later_one_wins(method):
    geometry = geomlib.detectors.generic([(0, 0), (4e-4, 0), (2e-4, 2e-4)], (4, 6), 1e-4)
    data = np.arange(1, 4, dtype="u2").repeat(24).reshape(3, 4, 6)
    expected = np.zeros((6, 10), dtype="u2")
    expected[:4, :6] = 1
    expected[:4, 4:] = 2
    expected[2:, 2:8] = 3
    for given in (data, {2: data[2], 0: data[0], 1: data[1]}):
        for threads in (1, 4):
            image = assemble_data(given, geometry, method=method, threads=threads)
            np.testing.assert_array_equal(image.data, expected)


def test_a_generic_detector_of_mixed_tiles():
    detector = geomlib.Detector(
        "mixed", (2, 6, 8), [(0, 0, 6, 0, 8), (1, 0, 2, 0, 3), (1, 2, 6, 4, 8)], (1e-4, 1e-4)
    )
    geometry = geomlib.Geometry(
        detector,
        [[0, 0, 0], [1e-3, 0, 0], [1e-3, 1e-3, 0]],
        [[0, 1e-4, 0], [1e-4, 0, 0], [0, -1e-4, 0]],
        [[1e-4, 0, 0], [0, 1e-4, 0], [-1e-4, 0, 0]],
    )
    data = random_data(detector.data_shape, "f4")
    for method in ("snap", "nearest"):
        image = assemble_data(data, geometry, method=method)
        assert image.shape == (10, 12)
        np.testing.assert_array_equal(image.data[:6, :8], data[0])
        np.testing.assert_array_equal(image.data[:3, 10:12], data[1, :2, :3].T)
        np.testing.assert_array_equal(image.data[6:10, 6:10], data[1, 2:6, 4:8][::-1, ::-1])
        assert np.isfinite(image.data).sum() == 48 + 6 + 16
        back = dismantle_image(image, geometry)
        np.testing.assert_array_equal(np.isnan(back[1, 2:, :4]), True)
        np.testing.assert_array_equal(back[0], data[0])


# -- Nearest ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", by_size(EXAMPLE_NAMES))
def test_nearest_takes_the_pixel_that_covers_the_centre(name):
    geometry = geomlib.example_geometry(name).rotate((1, 2, 17)).offset((1.23e-3, -4.5e-3))
    number = np.arange(np.prod(geometry.data_shape)).reshape(geometry.data_shape)
    image = assemble_data(number, geometry, method="nearest", fill=-1)
    rng = np.random.default_rng(0)
    y, x = (rng.integers(0, n, 5000) for n in image.shape)
    lab_y = (y + 0.5 - image.centre[0]) * image.pixel_size[0]
    lab_x = (x + 0.5 - image.centre[1]) * image.pixel_size[1]
    module, s, f = geometry.lab_to_data(lab_x, lab_y)
    found = image.data[y, x]
    assert (found >= 0).any()
    np.testing.assert_array_equal(found >= 0, module >= 0)
    hit = module >= 0
    expected = number[module[hit], s[hit].astype(int), f[hit].astype(int)]
    np.testing.assert_array_equal(found[hit], expected)


@pytest.mark.parametrize("angle", [0, 12, 45, 90, 133])
def test_nearest_leaves_no_holes_in_a_tile(angle):
    geometry = geomlib.detectors.generic([(1e-3, 2.05e-3)], (50, 80), 1e-4).rotate((0, 0, angle))
    image = assemble_data(np.ones(geometry.data_shape), geometry, method="nearest").data
    for row in np.isfinite(image):
        inside = np.flatnonzero(row)
        if len(inside):
            assert row[inside[0] : inside[-1] + 1].all()
    # As many pixels as the tile's area, but for the border.
    assert abs(np.isfinite(image).sum() - 50 * 80) <= 2 * (50 + 80)


def test_nearest_equals_snap_on_the_grid():
    geometry = geomlib.example_geometry("LPD-Mini")
    data = random_data((2, *geometry.data_shape), "float32")
    a, b = (assemble_data(data, geometry, method=m) for m in ("snap", "nearest"))
    np.testing.assert_array_equal(a.data, b.data)
    np.testing.assert_array_equal(a.centre, b.centre)


def test_nearest_repeats_and_loses_nothing_half_way_between_pixels():
    geometry = geomlib.detectors.generic([(0.5e-4, 1.5e-4)], (30, 40), 1e-4)
    data = random_data(geometry.data_shape, "float32")
    image = assemble_data(data, geometry, method="nearest").data
    assert sorted(image[np.isfinite(image)]) == sorted(data.ravel())


def test_plans_are_shared():
    first = make_plan(geomlib.example_geometry("AGIPD-1M"), "snap", False)
    assert make_plan(geomlib.example_geometry("AGIPD-1M"), "snap", False) is first


# -- Bad input --------------------------------------------------------------------------

AGIPD = geomlib.example_geometry("AGIPD-1M")
FRAME = np.zeros(AGIPD.data_shape, dtype="float32")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": np.zeros((16, 512, 127))}, r"needs \(…, 16, 512, 128\)"),
        ({"data": np.zeros((15, 512, 128))}, "pass a dict"),
        ({"data": np.zeros((4, 16, 2, 512, 128))}, "gain axis of raw data"),
        ({"data": np.zeros((16, 128, 512, 4))}, "axes='stream'"),
        ({"data": np.zeros((16, 128, 512))}, "swapped"),
        ({"data": np.zeros((16, 30, 512, 128))}, r"np.moveaxis\(data, 0, -3\)"),
        ({"data": np.zeros((5,))}, "has shape"),
        ({"data": FRAME.astype(object)}, "not object"),
        ({"data": "a file"}, r"data is a str: open_frames\(path, geometry\)"),
        ({"data": [[1], [1, 2]]}, "data is no array of numbers"),
        ({"data": np.ma.masked_array(FRAME)}, "mask=data.mask"),
        ({"data": np.zeros((16, 5, 512, 128))}, r"np.moveaxis\(data, 0, -3\)"),
        ({"data": {True: FRAME[0]}}, "key True"),
        ({"dtype": "foo"}, "numpy does not know"),
        ({"dtype": object}, "dtype must be of booleans"),
        ({"fill": 1j}, "fill=1j cannot be held"),
        ({"fill": [1, 2]}, "cannot be held"),
        ({"data": FRAME.astype("c8"), "reduce": "mean"}, "takes real numbers"),
        ({"data": FRAME.astype("c8"), "binning": 2}, "real floating numbers"),
        ({"binning": 2, "dtype": "u2"}, "real floating numbers, not uint16"),
        ({"binning": 1.5}, "binning must be a whole number"),
        ({"method": ["snap"]}, "method must be"),
        ({"data": {}}, "empty dict"),
        ({"data": {16: FRAME[0]}}, "key 16; keys are module numbers from 0 to 15"),
        ({"data": {"Q1": FRAME[0]}}, "key 'Q1'"),
        ({"data": {0: FRAME[0, :-1]}}, r"data\[0\] has shape"),
        ({"data": {0: FRAME[0], 1: FRAME[:2]}}, "all modules must be alike"),
        ({"data": {0: FRAME[0], 1: FRAME[1].astype("u2")}}, "all modules must be alike"),
        ({"geometry": FRAME}, r"order is assemble_data\(data, geometry\)"),
        ({"method": "split2"}, "method must be"),
        ({"axes": "streams"}, "axes must be None or 'stream'"),
        ({"axes": "stream"}, r"\(…, module, fs, ss, pulse\)"),
        ({"out": np.zeros((3, 3))}, "out must have the shape"),
        ({"out": [1]}, "not list"),
        ({"out": output_array(AGIPD, dtype="u2")}, "float32 cannot be assembled into uint16"),
        ({"out": output_array(AGIPD), "dtype": "f8"}, "contradict"),
        ({"data": FRAME.astype("u2"), "fill": np.nan}, "cannot be held by uint16"),
        ({"data": FRAME.astype("u2"), "fill": -1}, "cannot be held by uint16"),
        ({"mask": np.zeros(AGIPD.data_shape, dtype="f4")}, "mask must be"),
        ({"mask": np.zeros((3, 4), dtype=bool)}, "mask has shape"),
        ({"mask": np.zeros((3, *AGIPD.data_shape), dtype=bool)}, "does not broadcast"),
        ({"reduce": "median"}, "reduce must be one of mean, sum"),
        ({"region": 5}, "two slices"),
        ({"region": np.s_[5:5, :]}, "rows 5:5, which holds none of the 1256"),
        ({"region": np.s_[::2, :]}, "rows ::2: only steps of 1"),
        ({"binning": 0}, "at least 1"),
        ({"binning": 5000}, "more than the image has"),
        ({"binning": 2, "out": output_array(AGIPD)}, r"shape \(628, 546\)"),
        ({"threads": 0}, "threads must be"),
    ],
)
def test_bad_arguments(arguments, message):
    call = {"data": FRAME, "geometry": AGIPD} | arguments
    with pytest.raises(GeometryError, match=message):
        assemble_data(call.pop("data"), call.pop("geometry"), **call)


def test_big_endian_dtype_and_float16():
    geometry = geomlib.example_geometry("ePix10K")
    data = (random_data((2, *geometry.data_shape), "u1") % 100).astype("f2")
    for method in ("snap", "nearest"):
        image = assemble_data(data, geometry, method=method)
        assert image.data.dtype == np.float16
        np.testing.assert_array_equal(dismantle_image(image, geometry), data)
        image = assemble_data(data, geometry, method=method, dtype=">f4")
        assert image.data.dtype.isnative
        np.testing.assert_array_equal(dismantle_image(image, geometry), data)


@pytest.mark.parametrize("far", [1e9, 1e15, 1e300])
def test_a_tile_at_the_end_of_the_world(far):
    geometry = geomlib.detectors.generic([(0, 0), (far, 0)], (8, 8), 1e-4)
    alone = geomlib.detectors.generic([(far, 0)], (8, 8), 1e-4)
    for method in ("snap", "nearest"):
        with pytest.raises(GeometryError, match="far away by mistake"):
            assemble_data(np.ones(geometry.data_shape), geometry, method=method)
        with pytest.raises(GeometryError, match="far away by mistake"):
            assemble_data(np.ones(alone.data_shape), alone, method=method)


def test_edge_on():
    geometry = geomlib.detectors.generic([(0, 0)], (8, 8), 1e-4).rotate((90, 0, 0))
    with pytest.raises(GeometryError, match="edge-on"):
        assemble_data(np.ones(geometry.data_shape), geometry, method="nearest")


@pytest.mark.parametrize("name", ["axis order", "stream"])
def test_names_of_axes_the_wrong_way_round(name):
    lpd = geomlib.example_geometry("LPD-1M")
    dims = ("module", "fast_scan", "slow_scan")
    data = xarray.DataArray(np.zeros(lpd.data_shape, "f4"), dims=dims)
    if name == "stream":
        data = xarray.DataArray(
            np.zeros((*lpd.data_shape, 2), "f4"), dims=("module", "ss", "fs", "pulse")
        )
    with pytest.raises(GeometryError, match="has the dimensions"):
        assemble_data(data, lpd, axes="stream" if name == "stream" else None)


def test_infinite_values_count():
    geometry = geomlib.example_geometry("LPD-Mini")
    data = np.full((3, *geometry.data_shape), np.inf, dtype="f4")
    data[0] = 1
    for how in ("mean", "max", "sum"):
        found = dismantle_image(assemble_data(data, geometry, reduce=how), geometry)
        assert np.isposinf(found).all()


def test_binning_does_not_count_gaps_of_whole_numbers():
    geometry = geomlib.example_geometry("AGIPD-500K")
    data = np.ones(geometry.data_shape, dtype="u2")
    mask = np.zeros(geometry.data_shape, dtype=bool)
    mask[:, ::2] = True
    for options in ({}, {"mask": mask}):
        image = assemble_data(data, geometry, binning=3, **options)
        assert image.data.dtype == np.float32
        assert set(np.unique(image.data[np.isfinite(image.data)])) == {1.0}
        assert np.isnan(image.data).any()
    filled = assemble_data(data, geometry, binning=3, fill=-1).data
    assert set(np.unique(filled)) == {-1.0, 1.0}


def test_dismantle_fills_data_without_a_tile_and_outside_a_region():
    # Two tiles on the same data, and data that no tile uses.
    detector = geomlib.Detector(
        "shared", (1, 40, 8), [(0, 0, 20, 0, 8), (0, 0, 20, 0, 8)], (1e-4, 1e-4)
    )
    steps = np.array([[0, 1e-4, 0]] * 2), np.array([[1e-4, 0, 0]] * 2)
    geometry = geomlib.Geometry(detector, np.array([[0, 0, 0], [0, 3e-3, 0]]), *steps)
    image = assemble_data(np.ones(detector.data_shape, "i4"), geometry)
    out = np.full(detector.data_shape, 777, dtype="i4")
    dismantle_image(image, geometry, out=out)
    assert (out[0, :20] == 1).all()
    assert (out[0, 20:] == 0).all()


def test_an_image_of_another_geometry():
    image = assemble_data(FRAME, AGIPD)
    with pytest.raises(GeometryError, match="assembled with another geometry"):
        dismantle_image(image, AGIPD.offset((1e-3, 0)))
    with pytest.raises(GeometryError, match="image is of"):
        dismantle_image(image, geomlib.example_geometry("LPD-1M"))
    assert dismantle_image(image, AGIPD.replace(distance=1.0)).shape == AGIPD.data_shape


def test_plans_do_not_depend_on_what_is_no_place():
    first = make_plan(AGIPD, "snap", False)
    assert make_plan(AGIPD.replace(photon_energy=9000.0), "snap", False) is first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"geometry": FRAME}, "geometry must be a Geometry"),
        ({"frames_shape": "a"}, "frames_shape must be"),
        ({"frames_shape": -1}, "frames_shape must be"),
        ({"frames_shape": (1.5,)}, "frames_shape must be"),
        ({"dtype": "abc"}, "numpy does not know"),
        ({"method": "split2"}, "method must be"),
    ],
)
def test_bad_arguments_of_output_array(arguments, message):
    with pytest.raises(GeometryError, match=message):
        output_array(**({"geometry": AGIPD} | arguments))


def test_read_only_out():
    out = output_array(AGIPD)
    out.flags.writeable = False
    with pytest.raises(GeometryError, match="read-only"):
        assemble_data(FRAME, AGIPD, out=out)


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0, 16], "has modules 0 to 15"), ([1, 1], "not unique"), (["a", "b"], "has modules 0 to")],
)
def test_bad_labels(labels, message):
    data = xarray.DataArray(FRAME[:2], dims=("module", "ss", "fs"), coords={"module": labels})
    with pytest.raises(GeometryError, match=message):
        assemble_data(data, AGIPD)


def test_jungfrau_labels_in_a_dict():
    geometry = geomlib.example_geometry("JUNGFRAU-1M")
    with pytest.raises(GeometryError, match="labels of JUNGFRAU-1M modules start at 1"):
        assemble_data({1: np.zeros((512, 1024)), 2: np.zeros((512, 1024))}, geometry)


def test_tiles_that_cannot_snap():
    geometry = AGIPD.rotate((0, 0, 45))
    with pytest.raises(GeometryError, match="use method='nearest'"):
        assemble_data(FRAME, geometry)
    assert assemble_data(FRAME, geometry, method="nearest").data.ndim == 2


def test_a_tile_far_away_is_no_reason_to_fill_the_memory():
    geometry = AGIPD.offset((1000, 1000), modules=0)
    with pytest.raises(GeometryError, match="far away by mistake"):
        assemble_data(FRAME, geometry)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": np.zeros((5, 5))}, "assembles into"),
        ({"image": np.zeros(5)}, "assembles into"),
        ({"out": np.zeros(3)}, "out must be a float32 array"),
        ({"method": "split2"}, "method must be"),
        ({"image": np.ma.masked_array(np.zeros((5, 5)))}, "masked array"),
        ({"image": assemble_data(FRAME, AGIPD, binning=2)}, "binned image"),
    ],
)
def test_bad_images(arguments, message):
    call = {"image": assemble_data(FRAME, AGIPD).data} | arguments
    with pytest.raises(GeometryError, match=message):
        dismantle_image(call.pop("image"), AGIPD, **call)


def test_image_unpacks_and_describes_itself():
    image = assemble_data(np.stack([FRAME] * 2), AGIPD)
    data, centre = image
    assert data is image.data
    assert centre is image.centre
    assert np.asarray(image) is not None
    assert image.shape == (2, 1256, 1092)
    assert repr(image) == (
        "<AssembledImage AGIPD-1M: 2 frames of 1256 × 1092 pixels (y, x), float32, "
        "centre (631, 550)>"
    )
    low_x, high_x, low_y, high_y = image.extent
    assert low_x == pytest.approx(-550 * 2e-4)
    assert high_x == pytest.approx((1092 - 550) * 2e-4)
    assert low_y == pytest.approx(-631 * 2e-4)
    assert high_y == pytest.approx((1256 - 631) * 2e-4)
