"""Dark, gain, masks, missing modules and binning on the way, against the same in plain numpy.

What is done to the numbers is done in the dtype of the image (float32 for half precision), or in
that of a mean of the data if it is wider, so that numpy gives the same bits.
"""

from functools import cache

import numpy as np
import pytest

from geomlib import GeometryError, assemble_data
from geomlib.assembly import run
from geomlib.assembly.treatment import mean_dtype
from tests.assembly.oracle import assert_same_bytes, odd_geometry, pictured, snap_table, stack_of

GEOMETRY = odd_geometry(1)
TURNED = odd_geometry(2).rotate((0, 0, 27))
SHAPE = GEOMETRY.data_shape
WAYS = {"as it is": (2**24, 3 * 2**19), "in bands": (0, 12_011)}


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """Put images together in one scratch array, or in narrow ones."""
    for name, value in zip(("SMALL_BYTES", "BAND_BYTES"), WAYS[request.param], strict=True):
        monkeypatch.setattr(run, name, value)
    return request.param


@pytest.fixture(scope="module")
def tables():
    """For each method a geometry, and the table of its image when only some modules are there.

    With ``"snap"``, what lies under a missing module shows.
    """
    number = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    nearest = assemble_data(number, TURNED, method="nearest", fill=-1, threads=1).data

    @cache
    def snapped(modules=None):
        return snap_table(GEOMETRY, modules)

    def looked_up(modules=None):
        module = nearest // (SHAPE[1] * SHAPE[2])
        return nearest if modules is None else np.where(np.isin(module, modules), nearest, -1)

    return {"snap": (GEOMETRY, snapped), "nearest": (TURNED, looked_up)}


def some_scale(rng, frames, low):
    shape = [None, (), (8, 1, 1), SHAPE, (*frames, 1, 1, 1), (*frames, *SHAPE)][rng.integers(6)]
    return None if shape is None else (low + rng.random(shape)).astype(rng.choice(["f4", "f8"]))


def some_mask(rng, frames):
    kind = rng.choice(["none", "bool", "u1", "u2", "u4", "u8", "i2"])
    if kind == "none":
        return None, None
    shape = [SHAPE, (*frames, *SHAPE), (8, 1, 1)][rng.integers(3)]
    if kind == "bool":
        return rng.random(shape) < 0.1, None
    flags = rng.integers(0, 100, shape).astype(kind)
    return flags, [None, 1, 6, 64][rng.integers(4)]


def some_present(rng, frames):
    shape = [None, (8,), (*frames, 8), (*frames, 1)][rng.integers(4)]
    return None if shape is None else rng.random(shape) < 0.7


def some_options(seed, frames):
    rng = np.random.default_rng(seed)
    mask, bits = some_mask(rng, frames)
    options = {
        "dark": some_scale(rng, frames, 100),
        "gain": some_scale(rng, frames, 0.5),
        "mask": mask,
        "mask_bits": bits,
        "present": some_present(rng, frames),
    }
    return {name: value for name, value in options.items() if value is not None}


def masked(options, shape):
    """True for what is masked, in the shape of the data."""
    mask = np.asarray(options.get("mask", False))
    if "mask_bits" in options:
        mask = mask & mask.dtype.type(options["mask_bits"])
    return np.broadcast_to(mask != 0, shape)


def missing(options, shape):
    """True for modules that are missing, in the shape of the data."""
    there = np.broadcast_to(options.get("present", True), shape[:-2])
    return np.broadcast_to(~there[..., np.newaxis, np.newaxis], shape)


def values_of(data, options, dtype):
    """Treated numbers, but for what is masked or missing."""
    values = data.astype(dtype)
    if "dark" in options:
        values = values - np.asarray(options["dark"]).astype(dtype)
    if "gain" in options:
        values = values * np.asarray(options["gain"]).astype(dtype)
    return values


def expected_image(data, options, tables, dtype, fill=None, window=np.s_[:, :]):
    """Images, one after the other, as numpy makes them."""
    dtype = np.dtype(dtype)
    work = np.dtype("f4") if dtype == "f2" else dtype
    if options.keys() & {"dark", "gain"}:
        # Subtracted before digits are lost.
        work = np.result_type(work, mean_dtype(data.dtype))
    values = values_of(data, options, work)
    if fill is None:
        fill = np.nan if work.kind in "fc" else 0
    values[masked(options, data.shape)] = fill
    present = np.broadcast_to(options.get("present", True), data.shape[:-2])
    images = np.empty((*data.shape[:-3], *tables()[window].shape), work)
    for frame in np.ndindex(data.shape[:-3]):
        modules = tuple(np.flatnonzero(present[frame]).tolist())
        images[frame] = pictured(values[frame], tables(modules)[window], work, fill)
    return images.astype(dtype)


# -- All together ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["snap", pytest.param("nearest", marks=pytest.mark.jit)])
@pytest.mark.parametrize("frames", [(), (5,), (2, 3)])
def test_anything_together(method, frames, tables, way):
    geometry, table = tables[method]
    for seed in range(8):
        data = stack_of(geometry, frames, "u2", seed)
        options = some_options(seed, frames)
        expected = expected_image(data, options, table, "f4", -3)
        for threads in (1, 8):
            given = {"method": method, "dtype": "f4", "fill": -3, "threads": threads}
            image = assemble_data(data, geometry, **given, **options)
            assert_same_bytes(image.data, expected)
            out = np.zeros((*expected.shape, 2), "f4")
            assemble_data(data, geometry, out=out[..., 0], **given, **options)
            assert_same_bytes(out[..., 0], expected)
            assert not out[..., 1].any()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("u2", None),
        ("i4", None),
        ("f4", None),
        ("f8", "f4"),
        ("f4", "f8"),
        ("f2", None),
        ("u2", "f2"),
    ],
)
@pytest.mark.parametrize("method", ["snap", pytest.param("nearest", marks=pytest.mark.jit)])
def test_dtypes(given, wanted, method, tables, way):
    geometry, table = tables[method]
    data = stack_of(geometry, 3, given)
    options = {"dark": np.float32(1.5), "mask": np.arange(40) % 7 == 0}
    options["gain"] = 1 + np.random.default_rng(0).random(SHAPE)
    kind = wanted or {"i4": "f8"}.get(given, "f4")
    expected = expected_image(data, options, table, kind)
    image = assemble_data(data, geometry, method=method, dtype=wanted, **options)
    assert_same_bytes(image.data, expected)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "u8", "bool", "f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("method", ["snap", pytest.param("nearest", marks=pytest.mark.jit)])
def test_masks_and_missing_modules_of_any_dtype(dtype, method, tables, way):
    geometry, table = tables[method]
    real = dtype if dtype[0] in "uibf" and dtype != "f2" else "f4"
    data = stack_of(geometry, 4, real).astype(dtype)
    rng = np.random.default_rng(5)
    options = {"mask": rng.random((4, *SHAPE)) < 0.2, "present": rng.random((4, 8)) < 0.6}
    for fill in (None, 1):
        expected = expected_image(data, options, table, dtype, fill)
        image = assemble_data(data, geometry, method=method, fill=fill, threads=2, **options)
        assert_same_bytes(image.data, expected)


@pytest.mark.parametrize("pulses", [1, 7, 65])
@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_stream_order(pulses, dtype, tables, way):
    geometry, table = tables["snap"]
    data = stack_of(geometry, pulses, dtype)
    stream = data.transpose(1, 3, 2, 0).copy()
    for seed in range(3):
        options = some_options(pulses + seed, (pulses,))
        expected = expected_image(data, options, table, "f4")
        for threads in (1, 2):
            image = assemble_data(
                stream, geometry, axes="stream", dtype="f4", threads=threads, **options
            )
            assert_same_bytes(image.data, expected)


@pytest.mark.jit
def test_modules_in_a_dict_and_others_missing(tables, way):
    for method, (geometry, table) in tables.items():
        for seed in range(6):
            data = stack_of(geometry, 4, "u2", seed)
            held = (6, 0, 3, 5)
            options = some_options(seed, (4,))
            there = np.isin(np.arange(8), held) & options.get("present", np.True_)
            expected = expected_image(data, options | {"present": there}, table, "f4")
            some = {m: np.asfortranarray(data[:, m]) if m % 2 else data[:, m] for m in held}
            for threads in (1, 8):
                image = assemble_data(
                    some, geometry, method=method, dtype="f4", threads=threads, **options
                )
                assert_same_bytes(image.data, expected)


def test_leading_axes_of_which_the_treatment_knows_some(tables, way):
    # As in a run: trains, and cells with their own constants.
    geometry, table = tables["snap"]
    data = stack_of(geometry, (3, 4), "u2")
    rng = np.random.default_rng(7)
    options = {
        "dark": rng.random((4, *SHAPE), "f4"),
        "gain": rng.random((3, 1, 8, 1, 1), "f4"),
        "mask": rng.random(SHAPE) < 0.1,
        "present": rng.random((3, 1, 8)) < 0.7,
    }
    expected = expected_image(data, options, table, "f4")
    for threads in (1, 2, 8):
        for given in (data, data.swapaxes(0, 1).copy().swapaxes(0, 1)):
            image = assemble_data(given, geometry, dtype="f4", threads=threads, **options)
            assert_same_bytes(image.data, expected)


def test_a_missing_module_is_never_looked_at(tables, way):
    for method, (geometry, table) in tables.items():
        clean = stack_of(geometry, 3, "u2").astype("f4")
        present = np.ones((3, 8), dtype=bool)
        present[0, 2] = present[1, [0, 7]] = present[2] = False
        options = {"present": present, "dark": np.float32(1)}
        expected = expected_image(clean, options, table, "f4")
        assert np.isnan(expected[2]).all()
        for garbage in (np.nan, np.inf):
            dirty = clean.copy()
            dirty[~present] = garbage
            image = assemble_data(dirty, geometry, method=method, **options)
            assert_same_bytes(image.data, expected)


@pytest.mark.jit
def test_a_window_of_treated_data(tables, way):
    for method, (geometry, table) in tables.items():
        data, options = stack_of(geometry, 3, "u2"), some_options(3, (3,))
        for window in (np.s_[5:-7, 11:90], np.s_[30:31, :], np.s_[:, 44:45]):
            expected = expected_image(data, options, table, "f4", window=window)
            image = assemble_data(
                data, geometry, method=method, dtype="f4", region=window, threads=2, **options
            )
            assert_same_bytes(image.data, expected)


def test_nan_in_dark_or_gain_marks_bad_pixels(tables, way):
    geometry, table = tables["snap"]
    data = stack_of(geometry, 3, "u2")
    bad = np.random.default_rng(0).random(SHAPE) < 0.3
    for name in ("dark", "gain"):
        image = assemble_data(data, geometry, **{name: np.where(bad, np.nan, 1)}).data
        values = data.astype("f4") - (name == "dark")
        assert_same_bytes(image, pictured(np.where(bad, np.float32(np.nan), values), table()))


# -- Binning -----------------------------------------------------------------------------------


def binned(image, side, how):
    """Blocks of an image whose NaN do not count; and how far they may be off by rounding."""
    n_y, n_x = (n // side for n in image.shape[-2:])
    cut = image[..., : n_y * side, : n_x * side].astype("f8")
    blocks = cut.reshape(*image.shape[:-2], n_y, side, n_x, side)
    total = np.nansum(blocks, axis=(-3, -1))
    count = np.isfinite(blocks).sum(axis=(-3, -1))
    total[count == 0] = np.nan
    with np.errstate(invalid="ignore"):
        result = total / count if how == "mean" else total
    return result.astype(image.dtype)


@pytest.mark.parametrize("method", ["snap", pytest.param("nearest", marks=pytest.mark.jit)])
@pytest.mark.parametrize("how", ["mean", "sum"])
@pytest.mark.parametrize("side", [1, 2, 7, 64])
def test_binning(method, how, side, tables, way):
    geometry, table = tables[method]
    for seed, kind in enumerate(("u2", "f4", "f8")):
        # Whole numbers below 2^15: every sum is exact, whatever its order.
        data = np.trunc(stack_of(geometry, 3, kind, seed) * (1 if kind == "u2" else 3e4))
        data = data.astype(kind)
        options = some_options(seed + 20, (3,))
        options |= {name: np.rint(options[name]) for name in ("dark", "gain") if name in options}
        for window in (np.s_[:, :], np.s_[3:-4, 10:80]):
            wanted = "f8" if kind == "f8" else "f4"
            whole = expected_image(data, options, table, wanted, window=window)
            expected = binned(whole, side, how)
            given = {"method": method, "region": window, "binning": side, "binning_mode": how}
            for threads in (1, 8):
                image = assemble_data(data, geometry, **given, threads=threads, **options)
                assert_same_bytes(image.data, expected)
            if side == 1:
                continue  # not binned: NaN stays NaN
            filled = assemble_data(data, geometry, fill=-9, **given, **options).data
            assert_same_bytes(filled, np.where(np.isnan(expected), -9, expected).astype(wanted))


def test_binning_in_half_precision_and_of_streams(tables, way):
    geometry, table = tables["snap"]
    data = (stack_of(geometry, 70, "u2") % 40).astype("f2")
    expected = binned(pictured(data, table(), "f4"), 2, "mean")
    for threads in (1, 8):
        image = assemble_data(data, geometry, dtype="f2", binning=2, threads=threads).data
        assert_same_bytes(image, expected.astype("f2"))
    stream = data.astype("u2").transpose(1, 3, 2, 0).copy()
    assert_same_bytes(assemble_data(stream, geometry, axes="stream", binning=2).data, expected)


def test_a_sum_that_half_precision_cannot_hold_is_infinite_without_a_word():
    data = np.full((2, *SHAPE), 60000, "f2")
    for options in ({"binning": 2, "binning_mode": "sum"}, {"gain": 2}):
        image = assemble_data(data, GEOMETRY, dtype="f2", **options).data
        assert np.isinf(image).any()


# -- Split and reductions ----------------------------------------------------------------------


@pytest.mark.jit
@pytest.mark.parametrize("values", ["intensity", "counts"])
def test_split(values):
    for seed in range(6):
        for frames in ((), (3,)):
            data = stack_of(TURNED, frames, "u2", seed)
            options = some_options(seed, frames)
            treated = values_of(data, options, "f4")
            treated[masked(options, data.shape) | missing(options, data.shape)] = np.nan
            given = {"method": "split", "values": values, "fill": -2, "region": np.s_[5:, :-5]}
            expected = assemble_data(treated, TURNED, **given, threads=1).data
            for threads in (1, 2, 8):
                image = assemble_data(data, TURNED, **given, threads=threads, **options).data
                assert_same_bytes(image, expected)


@pytest.mark.parametrize("how", ["mean", "sum", "max", "min", "std"])
@pytest.mark.parametrize(
    "method",
    [
        "snap",
        pytest.param("nearest", marks=pytest.mark.jit),
        pytest.param("split", marks=pytest.mark.jit),
    ],
)
@pytest.mark.filterwarnings("ignore:.*(empty slice|All-NaN|Degrees of freedom):RuntimeWarning")
def test_reductions(how, method, tables):
    geometry = TURNED if method == "split" else tables[method][0]
    of = {"max": np.nanmax, "min": np.nanmin, "mean": np.nanmean, "std": np.nanstd}
    for seed in range(4):
        frames = ((5,), (2, 3))[seed % 2]
        axes = tuple(range(len(frames)))
        data = stack_of(geometry, frames, "u2", seed)
        options = some_options(seed, frames) | {"dark": np.float32(seed)}
        if "mask_bits" in options:
            # Flags of other widths would each be compiled: `test_anything_together` has them.
            options["mask"] = options["mask"].astype("u4")
        values = values_of(data, options, "f4").astype("f8")
        values[masked(options, data.shape) | missing(options, data.shape)] = np.nan
        if how == "sum":
            one = np.where(np.isnan(values).all(axis=axes), np.nan, np.nansum(values, axis=axes))
        else:
            one = of[how](values, axis=axes)
        kind = "f8" if how == "sum" else "f4"
        extra = {"method": method, "fill": -7, "binning": 3 if method == "snap" else None}
        if method == "nearest":
            one[np.isnan(one)] = -7
        # What is binned or split gets its fill at the end: it is not mixed with numbers.
        held = np.broadcast_to(options.get("present", True), data.shape[:-2]).any(axis=axes)
        once = assemble_data({m: one[m] for m in np.flatnonzero(held)}, geometry, **extra).data
        results = [
            assemble_data(data, geometry, reduce=how, threads=n, **extra, **options).data
            for n in (1, 2, 8)
        ]
        assert results[0].dtype == kind
        top = np.abs(once).max()
        np.testing.assert_allclose(results[0], once, rtol=3e-7, atol=1e-6 * top)
        assert_same_bytes(results[1], results[0])
        assert_same_bytes(results[2], results[0])


# -- What is refused ---------------------------------------------------------------------------

DATA = np.zeros((3, *SHAPE), "u2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dark": 1, "dtype": "i4"}, "of real floating numbers, not int32"),
        ({"gain": 1, "out": np.zeros((3, 5, 5), "u2")}, "of real floating numbers, not uint16"),
        ({"binning": 2, "dtype": "u2"}, "of real floating numbers, not uint16"),
        ({"dark": np.zeros((4, *SHAPE))}, r"dark has shape \(4, 8, 46, 40\).*not broadcast"),
        ({"gain": np.zeros((8, 40, 46))}, "swapped: pass gain.swapaxes"),
        ({"mask": np.zeros(SHAPE, complex)}, "mask must be boolean"),
        ({"mask": np.zeros((7, 1, 1), bool)}, r"mask has shape \(7, 1, 1\)"),
        ({"mask": np.zeros(SHAPE, "f4")}, "mask must be boolean.*not float32"),
        ({"mask": np.zeros(SHAPE, "u1"), "mask_bits": 512}, "selects nothing"),
        ({"mask_bits": 1}, "without mask"),
        ({"present": np.ones(3, bool)}, r"present has shape \(3,\)"),
        ({"present": np.ones(8)}, "present must be boolean"),
        ({"binning": 2, "method": "split"}, "binning cannot be given with method='split'"),
        ({"binning": 0}, "binning must be a whole number, at least 1"),
        ({"binning": 10**6}, "more than the image has pixels"),
        ({"binning_mode": "median"}, "binning_mode must be 'mean' or 'sum'"),
        ({"values": "counts"}, "values='counts' goes with method='split'"),
        ({"dark": 1, "out": np.zeros((3, 5, 5), "f4")}, "out must have the shape"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(GeometryError, match=message):
        assemble_data(DATA, GEOMETRY, **options)


@pytest.mark.parametrize("name", ["dark", "gain"])
def test_complex_data_is_not_scaled(name):
    with pytest.raises(GeometryError, match=f"{name} is for real numbers, but the data are compl"):
        assemble_data(DATA.astype("c8"), GEOMETRY, **{name: 1})
    with pytest.raises(GeometryError, match="real floating numbers, not complex64"):
        assemble_data(DATA.astype("c8"), GEOMETRY, binning=2)


class Stored:
    """Frames that are read a block at a time, as from a file."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, index):
        return self.array[index].copy()


@pytest.mark.parametrize(
    "options",
    [pytest.param({"method": "split"}, marks=pytest.mark.jit), {"binning": 3}, {"binning": 1}, {}],
)
def test_the_fill_value_of_reduced_frames_is_not_mixed_with_numbers(options):
    data = stack_of(GEOMETRY, 3, "u2").astype("f4")
    data[:, np.random.default_rng(0).random(SHAPE) < 0.3] = np.nan
    expected = assemble_data(data, GEOMETRY, reduce="mean", **options).data
    expected = np.where(np.isnan(expected), np.float32(-1e6), expected)
    for given in (data, Stored(data)):
        image = assemble_data(given, GEOMETRY, reduce="mean", fill=-1e6, **options)
        assert_same_bytes(image.data, expected)
