"""Reductions against plain numpy in float64, for dtypes, layouts and treatments."""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import geomlib
from geomlib import GeometryError
from geomlib.assembly.inputs import Stack, as_stack
from geomlib.assembly.reduction import Reduction, mean_dtype, reduce_stack
from geomlib.assembly.treatment import check_treatment

HOWS = ("mean", "sum", "max", "min", "std")
#: Widths that are no multiple of anything, and 5 modules.
DETECTOR = geomlib.Detector("odd", (5, 7, 13), [(m, 0, 7, 0, 13) for m in range(5)], (1e-4, 1e-4))
SHAPE = DETECTOR.data_shape


def random_stack(frames, dtype, seed=0, holes=0.2):
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return rng.random((*frames, *SHAPE)) < 0.5
    low = 0 if kind.kind == "u" else -100
    data = rng.integers(low, 120, (*frames, *SHAPE)).astype(kind)
    if kind.kind == "f":
        data += rng.random(data.shape).astype(kind)
        data[rng.random(data.shape) < holes] = np.nan
        data[..., 1, 2, 3] = np.nan
    return data


def by_numpy(data, how, axes, treatment):
    """Treat in the dtype that is documented, reduce in float64 or whole numbers."""
    mask, dark, gain, present = (
        treatment.get(name) for name in ("mask", "dark", "gain", "present")
    )
    values = data
    if dark is not None or gain is not None:
        kind = mean_dtype(data.dtype).type
        values = data.astype(kind)
        values = values - (kind(0) if dark is None else np.asarray(dark, kind))
        values = values * (kind(1) if gain is None else np.asarray(gain, kind))
    good = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(data.shape, bool)
    if mask is not None:
        good &= (np.asarray(mask) & treatment.get("mask_bits", ~0)) == 0
    if present is not None:
        good &= np.asarray(present)[..., None, None]
    count = good.sum(axis=axes)
    wide = {"u": np.uint64, "i": np.int64, "b": np.int64}.get(values.dtype.kind, np.float64)
    if how in ("max", "min"):
        limits = (
            np.finfo(values.dtype)
            if values.dtype.kind == "f"
            else np.iinfo(values.dtype if values.dtype != bool else np.uint8)
        )
        worst = limits.min if how == "max" else limits.max
        with np.errstate(invalid="ignore"):
            found = getattr(np, how)(np.where(good, values, worst), axis=axes)
        missing = np.nan if values.dtype.kind == "f" else 0
        return np.where(count, found, missing).astype(values.dtype)
    total = np.sum(values, axis=axes, where=good, dtype=wide)
    if how == "sum":
        return np.where(count, total, np.nan) if wide is np.float64 else total
    with np.errstate(invalid="ignore"):
        mean = total / count
        if how == "std":
            squares = np.where(good, values.astype("f8") - mean, 0) ** 2
            mean = np.sqrt(squares.sum(axis=axes) / count)
    return mean.astype(mean_dtype(values.dtype))


def check(data, how, treatment=None, stack=None, threads=None):
    treatment = treatment or {}
    frames = data.shape[:-3]
    stack = stack or as_stack(data, DETECTOR)
    checked = check_treatment(frames, DETECTOR, data.dtype, **treatment)
    ((found, numbers),) = reduce_stack(stack, how, checked, threads)[0].parts
    axes = tuple(range(len(frames)))
    expected = by_numpy(data, how, axes, treatment)
    assert found.dtype == expected.dtype.newbyteorder("=")
    # Modules that are in no frame are left out.
    held = np.broadcast_to(treatment.get("present", True), data.shape[:-2]).any(axis=axes)
    held = held if held.any() else np.ones(5, dtype=bool)
    assert numbers == tuple(np.flatnonzero(held))
    whole = np.full(SHAPE, np.nan if found.dtype.kind == "f" else 0, found.dtype)
    whole[held] = found
    found = whole
    if how in ("max", "min") or found.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
        return found
    # Sums of n numbers in float64, each term rounded; the deviation magnifies by n + 1 at most.
    n = int(np.prod(frames))
    eps = n * np.finfo("f8").eps
    size = np.nanmax(np.abs(expected), initial=1)
    if how == "std":
        eps = np.sqrt(eps * (n + 1))
    tolerance = np.finfo(found.dtype).eps + eps
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=eps * size)
    return found


DTYPES = ["?", "u1", "u2", "i4", "u8", "i8", "f2", "f4", "f8"]
#: No other code than for those, but loops of their own.
DTYPES += [pytest.param(dtype, marks=pytest.mark.slow) for dtype in ("i1", "i2", "u4")]


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype):
    data = random_stack((6,), dtype)
    for how in HOWS:
        check(data, how)


LAYOUTS = {
    "C": lambda a: a,
    "F": np.asfortranarray,
    "stream": lambda a: np.moveaxis(
        np.ascontiguousarray(np.moveaxis(a, (-4, -3, -2, -1), (-1, -4, -2, -3))),
        (-1, -4, -2, -3),
        (-4, -3, -2, -1),
    ),
    "frames last": lambda a: np.moveaxis(np.moveaxis(a, -4, -1).copy(), -1, -4),
    "fs and ss exchanged": lambda a: a.swapaxes(-1, -2).copy().swapaxes(-1, -2),
    "every second pixel": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "every second frame": lambda a: np.repeat(a, 2, axis=-4)[..., ::2, :, :, :],
    "backwards": lambda a: a[..., ::-1, :, :, ::-1].copy()[..., ::-1, :, :, ::-1],
    "frames backwards": lambda a: a[..., ::-1, :, :, :].copy()[..., ::-1, :, :, :],
    "the same frame": lambda a: np.broadcast_to(a[..., :1, :, :, :], a.shape),
    "unaligned frames": lambda a: as_records(a),
    "read-only": lambda a: np.lib.stride_tricks.as_strided(a, a.shape, a.strides, writeable=False),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
}


def as_records(array):
    """Frames with a time stamp between them, whose size is no multiple of a pixel's."""
    if array.ndim != 4:
        return array
    kind = np.dtype(
        {
            "names": ["data"],
            "formats": [(array.dtype, array.shape[1:])],
            "offsets": [0],
            "itemsize": array[0].nbytes + 2,
        }
    )
    records = np.zeros(len(array), kind)
    records["data"] = array
    return records["data"]


@pytest.mark.parametrize("dtype", ["f4", "u2"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, dtype):
    for frames in ((11,), (2, 5)):
        data = LAYOUTS[layout](random_stack(frames, dtype))
        rng = np.random.default_rng(3)
        treatment = {"mask": rng.random(SHAPE) < 0.2, "present": rng.random((*frames, 5)) < 0.7}
        for how in HOWS:
            check(data, how)
            check(data, how, treatment)


def options(frames, seed=5):
    """For each treatment: nothing, the same for all frames, one for each frame, …."""
    rng = np.random.default_rng(seed)
    whole = (*frames, *SHAPE)
    flags = rng.integers(0, 8, whole)
    gain = rng.random(whole) + 0.5
    gain[..., 2, 3, 4] = np.nan
    return {
        "mask": [
            {},
            {"mask": flags[0, 0].astype("i2"), "mask_bits": 4},
            {"mask": flags > 5},
            {"mask": flags[:, :, :1].astype("u4"), "mask_bits": 5},
        ],
        "dark": [{}, {"dark": rng.random(SHAPE)}, {"dark": rng.random((*frames, 1, 1, 1))}],
        "gain": [{}, {"gain": gain}],
        "present": [{}, {"present": rng.random((*frames, 5)) < 0.6}],
    }


FRAMES = (2, 4)
EVERY = list(itertools.product(*(range(len(v)) for v in options(FRAMES).values())))


@pytest.mark.parametrize("dtype", ["f4", "u2"])
@pytest.mark.parametrize("how", HOWS)
def test_treatments_in_all_combinations(how, dtype):
    data = random_stack(FRAMES, dtype)
    given = list(options(FRAMES).values())
    for choice in EVERY:
        treatment = {}
        for number, values in zip(choice, given, strict=True):
            treatment |= values[number]
        check(data, how, treatment)


@pytest.mark.parametrize("dtype", [pytest.param("f8", marks=pytest.mark.slow), "i4", "f2"])
def test_treatments_of_other_dtypes(dtype):
    data = random_stack(FRAMES, dtype)
    given = options(FRAMES)
    for how in HOWS:
        check(data, how, given["mask"][2] | given["present"][1])
        check(data, how, given["mask"][1] | given["dark"][1] | {"gain": np.ones((5, 1, 1))})


@settings(max_examples=40, deadline=None)
@given(
    frames=st.lists(st.integers(1, 9), min_size=1, max_size=2).map(tuple),
    layout=st.sampled_from(sorted(LAYOUTS)),
    how=st.sampled_from(HOWS),
    choice=st.sampled_from(EVERY),
    seed=st.integers(0, 99),
)
def test_anything_together(frames, layout, how, choice, seed):
    data = LAYOUTS[layout](random_stack(frames, "f4", seed))
    treatment = {}
    given = options(frames if len(frames) == 2 else (1, *frames), seed).values()
    for number, values in zip(choice, given, strict=True):
        for name, value in values[number].items():
            per_frame = np.ndim(value) == (3 if name == "present" else 5)
            treatment[name] = value[0] if per_frame and len(frames) == 1 else value
    check(data, how, treatment)


# -- Modules ----------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [None, "stream"])
def test_dict_of_modules(axes):
    data = random_stack((2, 6), "f4")
    rng = np.random.default_rng(1)
    given = {"mask": rng.random((6, *SHAPE)) < 0.3, "present": rng.random((6, 5)) < 0.5}
    treatment = check_treatment((2, 6), DETECTOR, "f4", **given, gain=np.arange(5)[:, None, None])
    ((whole, _),) = reduce_stack(as_stack(data, DETECTOR), "mean", treatment)[0].parts
    some = {m: data[:, :, m] for m in (4, 1, 2)}
    if axes:
        some = {m: np.moveaxis(a, 1, -1).swapaxes(1, 2).copy() for m, a in some.items()}
    stack = as_stack(some, DETECTOR, axes)
    reduced, _ = reduce_stack(stack, "mean", treatment)
    assert [numbers for _, numbers in reduced.parts] == [(1,), (2,), (4,)]
    assert reduced.frames == ()
    assert reduced.dtype == np.float32
    for found, (number,) in reduced.parts:
        np.testing.assert_array_equal(found[0], whole[number])


def test_a_missing_module_is_never_looked_at():
    data = np.ones((3, *SHAPE), "f4")
    data[1, 2], data[:, 4] = 1e30, np.inf
    present = np.ones((3, 5), bool)
    present[1, 2] = False
    present[:, 4] = False
    for how in HOWS:
        found = check(data, how, {"present": present})
        assert np.isnan(found[4]).all()
    assert (check(data.astype("f8"), "mean", {"present": present})[2] == 1).all()
    whole = check(np.ones((3, *SHAPE), "u2"), "min", {"present": present})
    assert (whole[:4] == 1).all()
    assert (whole[4] == 0).all()


def test_a_single_frame_without_an_axis():
    data = random_stack((), "f4")
    for how in HOWS:
        ((found, _),) = reduce_stack(as_stack(data, DETECTOR), how)[0].parts
        np.testing.assert_array_equal(found, np.zeros(SHAPE) + 0 * data if how == "std" else data)


# -- Numbers ----------------------------------------------------------------------------


def test_sums_of_whole_numbers_do_not_overflow():
    data = np.full((300, *SHAPE), 65535, "u2")
    assert (check(data, "sum") == 300 * 65535).all()
    data = np.full((3, *SHAPE), 2**62 - 1, "i8")
    data[2] = -(2**61) - 5
    assert (check(data, "sum") == 2 * (2**62 - 1) - 2**61 - 5).all()
    data = np.full((3, *SHAPE), 2**62 + 3, "u8")
    assert (check(data, "sum") == 3 * (2**62 + 3)).all()
    mask = np.zeros((3, *SHAPE), bool)
    mask[1] = True
    assert (check(data, "sum", {"mask": mask}) == 2 * (2**62 + 3)).all()


@pytest.mark.parametrize("n", [7, 4000])
def test_means_of_many_frames_in_single_precision(n):
    detector = geomlib.Detector("line", (1, 1, 3), [(0, 0, 1, 0, 3)], (1e-4, 1e-4))
    data = np.broadcast_to(np.array([0.1, 1e7, 1e-30], "f4"), (n, 1, 1, 3)).copy()
    ((found, _),) = reduce_stack(as_stack(data, detector), "mean")[0].parts
    np.testing.assert_array_equal(found, data[0])


@pytest.mark.parametrize("chunks", [1, 3])
@pytest.mark.parametrize("outlier", [None, 0, 40])
def test_a_small_spread_on_a_large_mean(outlier, chunks):
    """Of float32 at 1e6 (16 steps of 1/16 in ±0.5): the steps themselves are exact."""
    rng = np.random.default_rng(0)
    data = (1e6 + np.round(rng.normal(0, 0.2, (90, 40)) * 16) / 16).astype("f4")
    if outlier is not None:
        data[outlier] = 0  # the first value is where sums are counted from
    reduction = Reduction("std")
    for part in np.split(data, chunks):
        reduction.add(part)
    n = len(data)
    expected = data.astype("f8").std(axis=0)
    # Both sums round by n eps of themselves at most, which the subtraction magnifies by n + 1.
    tolerance = n * (n + 1) * np.finfo("f8").eps + np.finfo("f4").eps
    np.testing.assert_allclose(reduction.result(), expected, rtol=tolerance)


def test_a_spread_of_a_thousandth_on_a_million():
    data = 1e6 + np.random.default_rng(0).normal(0, 1e-3, (64, 50))
    reduction = Reduction("std")
    reduction.add(data)
    exact = (data - 1e6).std(axis=0)  # the subtraction is exact
    np.testing.assert_allclose(reduction.result(), exact, rtol=64 * 65 * np.finfo("f8").eps)


def test_infinities_are_values():
    data = np.ones((5, *SHAPE), "f4")
    data[1], data[2, 0] = np.inf, -np.inf
    mean, top, low = (check(data[:2], how) for how in ("mean", "max", "min"))
    assert np.isposinf(mean).all()
    assert np.isposinf(top).all()
    assert (low == 1).all()
    assert np.isneginf(reduced(data, "min")[0]).all()
    assert np.isnan(reduced(data, "mean")[0]).all()
    assert np.isnan(reduced(data, "std")).all()
    only = np.full((2, *SHAPE), -np.inf, "f4")
    assert np.isneginf(reduced(only, "max")).all()


def reduced(data, how):
    return reduce_stack(as_stack(data, DETECTOR), how)[0].parts[0][0]


@pytest.mark.jit
@pytest.mark.parametrize("order", ["C", "stream"])
@pytest.mark.parametrize("how", HOWS)
def test_the_same_bytes_on_any_number_of_threads(how, order):
    geometry = geomlib.example_geometry("AGIPD-500K")
    rng = np.random.default_rng(0)
    data = rng.normal(1e3, 1, (13, *geometry.data_shape)).astype("f4")
    data[rng.random(data.shape) < 0.1] = np.nan
    if order == "stream":
        data = LAYOUTS["stream"](data)
    treatment = check_treatment(
        (13,), geometry.detector, "f4", dark=rng.random(geometry.data_shape)
    )
    stack = as_stack(data, geometry.detector)
    found = [reduce_stack(stack, how, treatment, n)[0].parts[0][0].tobytes() for n in (1, 2, 8)]
    assert found[0] == found[1] == found[2]


# -- Chunks -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f4", "u2", "?", "f2"])
@pytest.mark.parametrize("how", HOWS)
def test_chunks_and_merging(how, dtype):
    data = random_stack((10,), dtype, holes=0.6)
    valid = np.random.default_rng(7).random((10, 5, 1, 1)) < 0.7
    whole, chunks, late = Reduction(how), Reduction(how), Reduction(how)
    whole.add(data, valid)
    for k in (slice(0, 3), slice(3, 3), slice(3, 4)):
        chunks.add(data[k], valid[k])
    np.testing.assert_array_equal(Reduction(how).merge(chunks).result(), chunks.result())
    np.testing.assert_array_equal(chunks.merge(Reduction(how)).result(), chunks.result())
    late.add(LAYOUTS["stream"](data[4:]), valid[4:])
    merged = pickle.loads(pickle.dumps(chunks)).merge(late)
    chunks.add(LAYOUTS["F"](data[4:]), valid[4:])
    expected = whole.result()
    tolerance = 0 if how in ("max", "min") else 100 * np.finfo(mean_dtype(dtype)).eps
    for found in (chunks.result(), merged.result()):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [(), (6,), (4, 5), (2, 3, 4, 5)])
def test_frames_of_any_shape(shape):
    data = np.random.default_rng(0).random((7, *shape))
    valid = np.random.default_rng(1).random((7, *shape)) < 0.8
    reduction = Reduction("mean", threads=2)
    reduction.add(data, valid)
    expected = np.sum(data, axis=0, where=valid) / valid.sum(axis=0)
    np.testing.assert_allclose(reduction.result(), expected, rtol=8 * np.finfo(float).eps)


# -- What is refused --------------------------------------------------------------------


def test_what_is_refused():
    with pytest.raises(GeometryError, match=r"reduce must be one of mean, sum.*not 'median'"):
        Reduction("median")
    with pytest.raises(GeometryError, match="threads must be"):
        Reduction("mean", threads=0)
    with pytest.raises(GeometryError, match="takes real numbers, not complex64"):
        Reduction("mean").add(np.zeros((2, 3), "c8"))
    with pytest.raises(GeometryError, match="there are no frames to reduce"):
        Reduction("mean").result()
    empty = Stack(((np.zeros((0, *SHAPE)), tuple(range(5))),), (0,), np.dtype("f8"))
    with pytest.raises(GeometryError, match="there are no frames to reduce"):
        reduce_stack(empty, "sum")
    reduction = Reduction("max")
    reduction.add(np.zeros((2, 3)))
    with pytest.raises(GeometryError, match=r"float32 \(3,\) after frames of float64 \(3,\)"):
        reduction.add(np.zeros((2, 3), "f4"))
    other = Reduction("min")
    other.add(np.zeros((2, 3)))
    with pytest.raises(GeometryError, match="cannot be merged"):
        reduction.merge(other)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_modules_that_are_in_no_frame_are_gaps(dtype):
    geometry = geomlib.example_geometry("JUNGFRAU-1M")
    data = np.full((3, *geometry.data_shape), 7, dtype=dtype)
    there = np.array([[True, False], [True, False], [False, False]])
    image = geomlib.assemble_data(data, geometry, reduce="max", present=there, fill=3)
    back = geomlib.dismantle_image(image, geometry)
    assert (back[0] == 7).all()
    assert (back[1] == 3).all()
