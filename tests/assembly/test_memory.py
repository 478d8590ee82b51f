"""Memory that is kept: for the next image, and for scratch."""

import gc
import multiprocessing
import threading

import numpy as np
import pytest

import geomlib
from geomlib.assembly import memory

FLOATS = np.dtype(np.float32)
LARGE = (memory.LEAST_BYTES // 4 // 1024, 1024)
needs_recycling = pytest.mark.skipif(
    not hasattr(memory.mmap, "MADV_FREE"), reason="the system keeps no freed memory"
)


@pytest.fixture(autouse=True)
def _nothing_kept():
    memory._kept.clear()
    yield
    gc.collect()
    memory._kept.clear()


def address(array):
    return array.__array_interface__["data"][0]


@needs_recycling
def test_memory_of_a_dropped_image_serves_the_next():
    first = memory.image_room(LARGE, FLOATS)
    first[...] = 7
    place = address(first)
    del first
    again = memory.image_room(LARGE, FLOATS)
    assert again.flags.writeable
    assert again.flags.c_contiguous
    assert again.shape == LARGE
    assert again.dtype == FLOATS
    assert address(again) == place


@needs_recycling
@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[3:5, ::7],
        lambda a: a.reshape(-1).view(np.uint8)[9:10],
        lambda a: memoryview(a[1]),
        lambda a: np.asarray(a.T),
        lambda a: a.view(np.ma.MaskedArray),
    ],
)
def test_no_view_ever_sees_its_memory_taken(view):
    image = memory.image_room(LARGE, FLOATS)
    image[...] = 7
    place, part = address(image), view(image)
    before = np.array(part)
    del image
    gc.collect()
    other = memory.image_room(LARGE, FLOATS)
    assert address(other) != place
    other[...] = 1
    np.testing.assert_array_equal(np.array(part), before)
    del part, other
    gc.collect()
    assert len(memory._kept) == 1


@needs_recycling
def test_another_size_gets_memory_of_its_own():
    kept = memory.image_room(LARGE, FLOATS)
    del kept
    other = memory.image_room((2 * LARGE[0], LARGE[1]), FLOATS)
    other[...] = 1
    assert len(memory._kept) == 1
    small = memory.image_room((4, 4), FLOATS)
    assert small.base is None


@needs_recycling
def test_a_forked_child_writes_to_memory_of_its_own():
    kept = memory.image_room(LARGE, FLOATS)
    kept[...] = 7
    child = multiprocessing.get_context("fork").Process(target=kept.fill, args=(8,))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert (kept == 7).all()


def test_images_do_not_share_memory():
    geometry = geomlib.example_geometry("JUNGFRAU-1M")
    data = np.zeros((10, *geometry.data_shape), dtype=np.float32)
    images = []
    for value in range(3):
        data[...] = value
        images.append(geomlib.assemble_data(data, geometry).data)
    for value, image in enumerate(images):
        assert set(np.unique(image[~np.isnan(image)])) == {value}


def test_scratch_belongs_to_a_thread():
    found = {}

    def ask(name):
        rooms = [memory.scratch((3, 4), FLOATS), memory.scratch((2, 4), FLOATS)]
        other = memory.scratch((3, 4), FLOATS, "other")
        found[name] = [address(room) for room in (*rooms, other)]
        assert rooms[0].shape == (3, 4)
        assert rooms[0].dtype == FLOATS

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(2)]
    ask("here")
    for thread in threads:
        thread.start()
        thread.join()
    for one, two, other in found.values():
        assert one == two != other


@needs_recycling
def test_a_system_that_refuses_advice(monkeypatch):
    class Refusing(memory.mmap.mmap):
        def madvise(self, *_):
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(memory.mmap, "mmap", Refusing)
    image = memory.image_room(LARGE, FLOATS)
    image[...] = 1
    del image
    gc.collect()
    assert not memory._kept

    def full(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(memory.mmap, "mmap", full)
    assert memory.image_room(LARGE, FLOATS).shape == LARGE


def test_large_scratch_is_not_kept():
    room = memory.scratch((memory.MOST_SCRATCH + 1,), np.dtype(np.uint8), "large")
    assert "large" not in memory._own.__dict__
    assert room.base is None


@pytest.mark.parametrize("threads", [1, 2])
def test_out_that_shares_memory_with_data(threads):
    geometry = geomlib.example_geometry("LPD-Mini")
    room = np.zeros((3, 68, 256), dtype=np.float32)
    data = room.reshape(-1)[: 2 * 8192].reshape(2, *geometry.data_shape)
    out = room.reshape(-1)[8192 : 8192 + 2 * 68 * 128].reshape(2, 68, 128)
    for _ in range(2):
        with pytest.raises(geomlib.GeometryError, match="shares memory"):
            geomlib.assemble_data(data, geometry, out=out, threads=threads)
    # Mingled, but apart: every other number.
    mingled = np.zeros((2, 2 * 68 * 128 * 2), dtype=np.float32).reshape(-1)
    data = mingled[::2][: 2 * 8192].reshape(2, *geometry.data_shape)
    out = mingled[1::2][: 2 * 68 * 128].reshape(2, 68, 128)
    data[...] = 3
    image = geomlib.assemble_data(data, geometry, out=out, threads=threads).data
    assert set(np.unique(image[~np.isnan(image)])) == {3}
