"""Treatments at the door: what is taken, what form it gets, and what is refused."""

import numpy as np
import pytest

import geomlib
from geomlib import GeometryError
from geomlib.assembly.treatment import check_treatment

AGIPD = geomlib.example_geometry("AGIPD-1M").detector
EPIX = geomlib.example_geometry("ePix100").detector
SMALL = geomlib.Detector("small", (3, 4, 5), [(m, 0, 4, 0, 5) for m in range(3)], (1e-4, 1e-4))
WHOLE = SMALL.data_shape


def check(frames=(2, 6), detector=SMALL, dtype="f4", **options):
    return check_treatment(frames, detector, dtype, **options)


def test_nothing_to_do():
    assert check() is None
    assert check(present=np.ones(3, dtype=bool)) is None


@pytest.mark.parametrize(
    ("shape", "padded"),
    [
        ((), (1, 1, 1, 1, 1)),
        ((5,), (1, 1, 1, 1, 5)),
        ((4, 5), (1, 1, 1, 4, 5)),
        ((3, 1, 1), (1, 1, 3, 1, 1)),
        (WHOLE, (1, 1, *WHOLE)),
        ((12, 5), (1, 1, *WHOLE)),  # joined modules
        ((6, 12, 5), (1, 6, *WHOLE)),
        ((6, *WHOLE), (1, 6, *WHOLE)),
        ((2, 1, *WHOLE), (2, 1, *WHOLE)),
        ((2, 6, 1, 1, 1), (2, 6, 1, 1, 1)),
    ],
)
def test_axes(shape, padded):
    given = np.random.default_rng(0).random(shape)
    found = check(mask=given < 0.5, dark=given, gain=given.tolist())
    for array in (found.mask, found.dark, found.gain):
        assert array.shape == padded
    np.testing.assert_array_equal(found.dark.ravel(), given.astype("f4").ravel())


def test_stored_forms_of_detectors_with_one_module():
    raw = np.arange(708 * 768).reshape(708, 768)
    found = check((7,), EPIX, gain=raw)
    np.testing.assert_array_equal(found.gain, raw[np.newaxis, np.newaxis, 2:-2])
    assert check((7,), EPIX, dark=np.ones((7, 704, 768))).dark.shape == (7, 1, 704, 768)


@pytest.mark.parametrize(
    ("given", "stored"),
    [("f4", "f4"), ("u2", "f4"), ("f2", "f4"), ("f8", "f8"), ("i4", "f8"), (bool, "f4")],
)
def test_dark_and_gain_have_the_dtype_of_a_mean(given, stored):
    found = check(dtype=given, dark=np.array(3, ">i2"), gain=True)
    assert found.dark.dtype == found.gain.dtype == stored
    assert found.dark.dtype.isnative
    assert (found.dark, found.gain) == (3, 1)


@pytest.mark.parametrize("dtype", [bool, "u1", "i1", ">u2", "i4", "u8", "i8"])
def test_masks_become_unsigned(dtype):
    flags = np.array([0, 1, 1, 0, 1]).astype(dtype)
    found = check(mask=flags)
    assert found.mask.dtype == f"u{np.dtype(dtype).itemsize}"
    assert found.bits == 2 ** (8 * found.mask.itemsize) - 1
    assert ((found.mask & found.mask.dtype.type(found.bits)) != 0).ravel().tolist() == [
        False,
        True,
        True,
        False,
        True,
    ]


def test_bits():
    assert check(mask=np.zeros(WHOLE, "u4"), mask_bits=6).bits == 6
    assert check(mask=np.zeros(WHOLE, "u1"), mask_bits=np.uint32(0xFFFF0004)).bits == 4
    negative = check(mask=np.full(WHOLE, -1, "i2"), mask_bits=0x8000)
    assert (negative.mask & np.uint16(negative.bits)).all()


def test_a_mask_is_no_copy():
    mask = np.zeros((2, 6, *WHOLE), dtype=bool)
    assert np.shares_memory(check(mask=mask).mask, mask)


def test_present():
    present = np.array([True, False, True])
    assert check(present=present).present.shape == (1, 1, 3)
    each = np.ones((2, 6, 3), dtype=bool)
    each[1, 2, 0] = False
    assert check(present=each.tolist()).present.tolist() == each.tolist()
    assert check((), present=present).present.shape == (3,)


def test_blocks_of_frames():
    mask = np.random.default_rng(1).random((6, *WHOLE)) < 0.5
    present = np.random.default_rng(2).random((2, 6, 3)) < 0.5
    whole = check(mask=mask, gain=np.ones((2, 1, 1, 1, 1)), dark=4, present=present)
    block = whole.block((1, slice(2, 5)))
    np.testing.assert_array_equal(block.mask, mask[2:5])
    np.testing.assert_array_equal(block.present, present[1, 2:5])
    assert block.gain.shape == block.dark.shape == (1, 1, 1, 1)
    assert block.bits == whole.bits
    single = whole.block((0, 3))
    np.testing.assert_array_equal(single.mask, mask[3])
    assert single.present.shape == (3,)
    half = whole.block((slice(0, 1),))
    assert half.mask.shape == (1, *mask.shape)
    assert half.present.shape == (1, 6, 3)


@pytest.mark.parametrize("numbers", [(0, 1, 2), (1, 2), (2, 0), (1,)])
def test_some_modules(numbers):
    mask = np.random.default_rng(1).random((6, *WHOLE)) < 0.5
    present = np.random.default_rng(2).random((2, 6, 3)) < 0.5
    some = check(mask=mask, dark=np.arange(3)[:, None, None], gain=2, present=present).of_modules(
        numbers
    )
    np.testing.assert_array_equal(some.mask[0], mask[:, list(numbers)])
    np.testing.assert_array_equal(some.present, present[..., list(numbers)])
    assert some.dark.ravel().tolist() == list(numbers)
    assert some.gain.shape == (1, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": np.zeros(WHOLE)}, r"mask must be boolean.*not float64; pass mask != 0, or np"),
        ({"mask": np.zeros((3, 4, 6), bool)}, r"mask has shape \(3, 4, 6\), which does not broad"),
        ({"mask": np.zeros((3, 5, 4), bool)}, r"swapped: pass mask.swapaxes\(-1, -2\)"),
        ({"mask": np.zeros((3, *WHOLE), bool)}, "does not broadcast to the data, of shape"),
        ({"mask": np.zeros((4, 2, 6, *WHOLE), bool)}, "does not broadcast"),
        ({"mask": [[True], [True, False]]}, "mask is no array of numbers"),
        ({"mask": np.ma.masked_array(np.zeros(WHOLE, bool))}, "mask is a masked array"),
        ({"mask": np.zeros(WHOLE, bool), "mask_bits": 1}, "mask is boolean"),
        ({"mask_bits": 1}, "given without mask"),
        ({"mask": np.zeros(WHOLE, "u1"), "mask_bits": 0}, "positive whole number.* not 0"),
        ({"mask": np.zeros(WHOLE, "u1"), "mask_bits": -2}, "positive whole number"),
        ({"mask": np.zeros(WHOLE, "u1"), "mask_bits": True}, "not True"),
        ({"mask": np.zeros(WHOLE, "u1"), "mask_bits": 1.0}, "not 1.0"),
        ({"mask": np.zeros(WHOLE, "u1"), "mask_bits": "hot"}, "not 'hot'"),
        ({"mask": np.zeros(WHOLE, "u1"), "mask_bits": 256}, "selects nothing: mask is uint8"),
        ({"dark": np.zeros(WHOLE, complex)}, "dark is for real numbers, but it is complex128"),
        ({"gain": 1, "dtype": "c8"}, "gain is for real numbers, but the data are complex64"),
        ({"gain": "high"}, "gain must be an array of real numbers.* not <U4"),
        ({"gain": np.zeros((2, 1, 1))}, r"gain has shape \(2, 1, 1\)"),
        ({"present": np.ones(3)}, "present must be boolean.* not float64"),
        ({"present": np.ones(4, bool)}, r"present has shape \(4,\).*\(2, 6, 3\)"),
        ({"present": np.ones((2, 6), bool)}, r"present\[..., np.newaxis\]"),
        ({"present": np.ones((1, 2, 6, 3), bool)}, "does not broadcast"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(GeometryError, match=message):
        check(**options)


def test_numbers_out_of_range_become_infinite_without_a_word():
    assert np.isinf(check(gain=1e300).gain).all()


def test_agipd_bad_pixel_maps():
    flags = np.zeros((16, 512, 128), "u4")
    flags[3, 5, 7] = 1 << 3
    found = check_treatment((64,), AGIPD, "u2", mask=flags, mask_bits=1 << 3, dark=np.nan)
    assert ((found.mask & np.uint32(found.bits)) != 0).sum() == 1
    assert np.isnan(found.dark).all()
