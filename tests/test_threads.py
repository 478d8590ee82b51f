import os
import threading
import time

import pytest

from geomlib import GeometryError, threads


def test_default_is_the_affinity(monkeypatch):
    monkeypatch.delenv("GEOMLIB_NUM_THREADS", raising=False)
    assert threads.default_threads() == len(os.sched_getaffinity(0))
    monkeypatch.setenv("GEOMLIB_NUM_THREADS", "3")
    assert threads.default_threads() == 3
    assert threads.check_threads(None) == 3
    monkeypatch.setenv("GEOMLIB_NUM_THREADS", "many")
    with pytest.raises(GeometryError, match="GEOMLIB_NUM_THREADS must be a whole number"):
        threads.default_threads()


@pytest.mark.parametrize("bad", [0, -1, 1.5, "two", True, float("inf"), float("nan"), [2], 2j])
def test_bad_number(bad):
    with pytest.raises(GeometryError, match="threads must be a whole number of at least 1"):
        threads.check_threads(bad)


def test_one_thread_never_starts_one():
    seen = []
    threads.run_pieces([lambda: seen.append(threading.get_ident())] * 5, 1)
    assert seen == [threading.get_ident()] * 5


@pytest.mark.parametrize("count", [1, 2, 8])
def test_every_piece_runs_once(count):
    done = []
    threads.run_pieces([lambda i=i: done.append(i) for i in range(100)], count)
    assert sorted(done) == list(range(100))


@pytest.mark.parametrize("count", [1, 4])
def test_an_exception_is_raised_and_nothing_runs_afterwards(count):
    done = []

    def fail():
        raise KeyError("no")

    with pytest.raises(KeyError):
        threads.run_pieces([fail] + [lambda: done.append(1)] * 50, count)
    before = len(done)
    threads.run_pieces([lambda: None] * 8, count)
    assert len(done) == before


def test_after_a_failure_in_a_helper_no_piece_is_started():
    caller, failed, done = threading.get_ident(), threading.Event(), []

    def piece():
        if threading.get_ident() == caller:
            # The helper fails while the caller is at its first piece.
            assert failed.wait(60)
            done.append(1)
        else:
            failed.set()
            raise KeyError("no")

    def late():
        # By then the queue is empty, or this runs 200 times.
        time.sleep(0.005)
        done.append(1)

    with pytest.raises(KeyError):
        threads.run_pieces([piece, piece, *[late] * 200], 2)
    assert len(done) < 50


def test_without_new_threads_the_caller_does_all(monkeypatch):
    def submit(*_):
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    done = []
    monkeypatch.setattr(threads.ThreadPoolExecutor, "submit", submit)
    threads.run_pieces([lambda i=i: done.append(i) for i in range(9)], 4)
    assert done == list(range(9))
    assert list(threads.read_ahead(abs, [-1, -2, -3], 4)) == [1, 2, 3]


def test_a_helper_that_comes_late_does_nothing(monkeypatch):
    kept, done = [], []

    def submit(_, *task):
        # What an executor does when it fails to start a thread: the task stays in its queue.
        kept.append(task)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads.ThreadPoolExecutor, "submit", submit)

    def first():
        # Another thread of the pool takes it up meanwhile, and is waited for.
        function, *arguments = kept[0]
        late.append(threading.Thread(target=function, args=arguments))
        late[0].start()

    late = []
    threads.run_pieces([first, *[lambda: (time.sleep(0.01), done.append(1))] * 8], 4)
    assert len(done) == 8
    late[0].join()
    done.clear()
    kept.clear()
    threads.run_pieces([lambda: done.append(1)] * 8, 4)
    function, *arguments = kept[0]
    function(*arguments)
    assert len(done) == 8


def test_works_from_many_threads_at_once():
    results = [0] * 8

    def work(i):
        box = []
        threads.run_pieces([lambda: box.append(1)] * 20, 4)
        results[i] = len(box)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [20] * 8


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_makes_its_own_pool():
    threads.run_pieces([lambda: None] * 8, 4)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        done = []
        threads.run_pieces([lambda: done.append(1)] * 8, 4)
        os.write(writer, bytes([len(done)]))
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 1) == bytes([8])
    os.close(reader)
    assert os.waitpid(child, 0)[1] == 0


def test_a_small_call_does_not_wait_for_a_long_one():
    release, busy = threading.Event(), threading.Event()

    def block():
        busy.set()
        release.wait(60)

    long = threading.Thread(target=threads.run_pieces, args=([block] * 64, 64))
    long.start()
    try:
        assert busy.wait(60)
        done = []
        # All threads of the pool are taken: the caller does the work itself, and returns.
        threads.run_pieces([lambda: done.append(1)] * 4, 2)
        assert done == [1] * 4
    finally:
        release.set()
        long.join(60)


def test_pieces_may_have_pieces():
    done = []
    threads.run_pieces([lambda: threads.run_pieces([lambda: done.append(1)] * 4, 4)] * 4, 4)
    assert len(done) == 16


@pytest.mark.parametrize("n", [0, 1, 2, 9])
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_reading_ahead_keeps_the_order(n, workers):
    assert list(threads.read_ahead(lambda i: i * i, range(n), workers)) == [i * i for i in range(n)]


def test_reading_ahead_is_one_item_ahead_in_one_thread():
    started, names = [], set()

    def read(i):
        started.append(i)
        names.add(threading.current_thread().name)
        return i

    for i in threads.read_ahead(read, range(6), 8):
        assert len(started) <= i + 2
    assert names == {"geomlib-read_0"}
    names.clear()
    for i in threads.read_ahead(read, range(6), 1):
        assert started[-1] == i
    assert names == {threading.current_thread().name}


def test_reading_ahead_ends_with_the_one_who_asks():
    def read(i):
        if i == 2:
            raise OSError("no more")
        return i

    reading = threads.read_ahead(read, range(9), 2)
    assert [next(reading), next(reading)] == [0, 1]
    with pytest.raises(OSError, match="no more"):
        next(reading)
    reading = threads.read_ahead(abs, range(9), 2)
    assert next(reading) == 0
    reading.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("geomlib-read")]
