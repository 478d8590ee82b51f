"""Calls of the same kind are remembered; nothing of the arrays is."""

import gc
import weakref

import numpy as np
import pytest

import geomlib
from geomlib import GeometryError, assemble_data, output_array
from geomlib.assembly import prepared

pytestmark = [
    pytest.mark.jit,
    pytest.mark.usefixtures("forget"),
]
GEOMETRY = geomlib.example_geometry("LPD-Mini")


@pytest.fixture
def forget():
    prepared._known.clear()
    yield
    prepared._known.clear()


def frames(seed, count=3, dtype="float32"):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 1000, (count, *GEOMETRY.data_shape)).astype(dtype)


def expected(data, geometry=GEOMETRY, **options):
    prepared._known.clear()
    image = assemble_data(data, geometry, **options)
    prepared._known.clear()
    return image


@pytest.mark.parametrize(
    "options",
    [{}, {"dtype": "float64"}, {"fill": -1}, {"centred": True}, {"threads": 1}],
)
def test_the_second_call_gives_what_the_first_would_have(options):
    one, two = frames(1), frames(2)
    wanted = expected(two, **options)
    assemble_data(one, GEOMETRY, **options)
    assert len(prepared._known) == 1
    found = assemble_data(two, GEOMETRY, **options)
    assert len(prepared._known) == 1
    np.testing.assert_array_equal(found.data, wanted.data)
    assert found.data.dtype == wanted.data.dtype
    np.testing.assert_array_equal(found.centre, wanted.centre)
    assert (found.pixel_size, found.method) == (wanted.pixel_size, wanted.method)
    assert found.geometry is GEOMETRY


def test_large_images_too():
    geometry = geomlib.example_geometry("AGIPD-1M")
    data = np.random.default_rng(0).random((2, *geometry.data_shape), dtype=np.float32)
    wanted = expected(data, geometry, threads=1)
    out = output_array(geometry, (2,))
    for _ in range(2):
        out[...] = 5
        assert assemble_data(data, geometry, out=out, threads=1).data is out
        np.testing.assert_array_equal(out, wanted.data)
    assert len(prepared._known) == 1


@pytest.mark.parametrize(
    "other",
    [
        lambda d: d[::2],
        lambda d: d[0],
        lambda d: np.asfortranarray(d),
        lambda d: d.astype("uint16"),
        lambda d: d.astype(">f4"),
        lambda d: np.broadcast_to(d[0], d.shape),
        lambda d: np.frombuffer(b"\0" + d.tobytes(), np.uint8)[1:].view("f4").reshape(d.shape),
    ],
)
def test_another_layout_is_another_kind(other):
    data = other(frames(3))
    wanted = expected(data)
    assemble_data(frames(3), GEOMETRY)
    for _ in range(2):
        np.testing.assert_array_equal(assemble_data(data, GEOMETRY).data, wanted.data)


def test_another_geometry_is_another_kind():
    data = frames(4)
    assemble_data(data, GEOMETRY)
    moved = GEOMETRY.offset((5e-4, 0), modules=[0])
    wanted = expected(data, moved)
    assemble_data(data, GEOMETRY)
    np.testing.assert_array_equal(assemble_data(data, moved).data, wanted.data)


def test_what_is_not_plain_is_not_remembered():
    data = frames(5)
    options = [
        {"mask": np.zeros(GEOMETRY.data_shape, dtype=bool)},
        {"reduce": "mean"},
        {"binning": 2},
        {"region": np.s_[:5, :5]},
        {"method": "nearest"},
        {"method": "split"},
        {"dark": 1.0},
    ]
    for each in options:
        assemble_data(data, GEOMETRY, **each)
    assemble_data({0: data[:, 0]}, GEOMETRY)
    assemble_data(data.tolist(), GEOMETRY)
    assert not prepared._known


def test_bad_arrays_are_refused_after_good_ones():
    out = output_array(GEOMETRY, (3,))
    assemble_data(frames(6), GEOMETRY, out=out)
    out.flags.writeable = False
    with pytest.raises(GeometryError, match="read-only"):
        assemble_data(frames(6), GEOMETRY, out=out)
    with pytest.raises(GeometryError, match="shape"):
        assemble_data(frames(6)[..., :-1], GEOMETRY)


def test_data_is_not_kept_alive():
    data = frames(7)
    gone = weakref.ref(data)
    assemble_data(data, GEOMETRY)
    assert len(prepared._known) == 1
    del data
    gc.collect()
    assert gone() is None


def test_only_so_many_are_kept():
    for count in range(1, prepared.MOST + 5):
        assemble_data(frames(8, count), GEOMETRY)
    assert len(prepared._known) == prepared.MOST


@pytest.mark.parametrize(
    ("given", "wanted"), [("f2", "f4"), ("f4", "f2"), ("u1", "f2"), ("f2", "f2"), ("c8", "c8")]
)
def test_dtypes_that_the_compiler_does_not_have(given, wanted):
    data = frames(9, dtype="u1").astype(given)
    wanted_image = expected(data, dtype=wanted).data
    for _ in range(3):
        found = assemble_data(data, GEOMETRY, dtype=wanted).data
        np.testing.assert_array_equal(found, wanted_image)


def test_the_sign_of_a_zero():
    data = frames(10)
    for fill in (0.0, -0.0, 0.0):
        image = assemble_data(data, GEOMETRY, fill=fill).data
        assert np.signbit(image[33, 0] if image.ndim == 2 else image[0, 33, 0]) == np.signbit(fill)


def test_what_was_used_last_is_kept_longest():
    for count in range(1, prepared.MOST + 8):
        assemble_data(frames(11, 1), GEOMETRY)
        assemble_data(frames(11, count + 1), GEOMETRY)
    known = [kind for kind in prepared._known if kind[1][0][0] == 1]
    assert len(known) == 1


def test_fill_values_are_told_apart_to_the_last_digit():
    data = frames(1, dtype="float64")
    for value in (0.12345678901, 0.12345678902):
        image = assemble_data(data, GEOMETRY, fill=np.array(value)).data
        gap = np.isnan(expected(data).data)
        assert (image[gap] == value).all()
