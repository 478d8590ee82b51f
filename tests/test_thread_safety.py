"""Every kernel from many threads at once, in forked children, in one thread only; and Ctrl-C."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import geomlib
from geomlib import StackIntegrator, assemble_data, dismantle_image, dismantle_mask, split_plan
from geomlib.assembly import memory, prepared, run
from tests.assembly.oracle import stack_of

GEOMETRY = geomlib.example_geometry("LPD-Mini")
PLACED = GEOMETRY.replace(distance=0.2, photon_energy=9000.0)
TURNED = GEOMETRY.rotate((0, 0, 27))
UPRIGHT = GEOMETRY.rotate((0, 0, 90))
PATTERN = np.random.default_rng(0).random(GEOMETRY.data_shape)
TREATED = {"dark": 3.5, "gain": 1 + PATTERN, "mask": PATTERN < 0.1, "dtype": "f4"}
FRESH = iter(range(10**9))


class Stored:
    """Frames that are read a block at a time, as from a file."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, index):
        return self.array[index].copy()


def reduced(how):
    return lambda data, n: assemble_data(data, GEOMETRY, reduce=how, threads=n, **TREATED).data


def stream(data, threads):
    return assemble_data(
        data.transpose(1, 3, 2, 0).copy(), GEOMETRY, axes="stream", dtype="f4", threads=threads
    ).data


def out_of_line(data, threads):
    out = np.empty((len(data), *assemble_data(data[0], GEOMETRY).shape, 2), "f4")
    assemble_data(data, GEOMETRY, out=out[..., 1], threads=threads)
    return out[..., 1]


def new_plan(data, threads):
    # At a place of its own, so that the plan is not yet known.
    geometry = GEOMETRY.offset((1e-9 * (1 + next(FRESH)), 0, 0))
    plan = split_plan(geometry, threads=threads)
    return np.concatenate([plan.overlaps.starts, plan.overlaps.pixels, plan.overlaps.areas])


def taken_apart(data, threads):
    image = assemble_data(data, GEOMETRY, threads=1)
    return dismantle_image(image, GEOMETRY, threads=threads)


def mask_back(rule):
    def go(data, threads):
        image = assemble_data(data, TURNED, method="nearest", fill=0, threads=1).data
        options = {"rule": rule, "method": "nearest", "threads": threads}
        return dismantle_mask(image > 20000, TURNED, **options)

    return go


def integrator(threads, **options):
    return StackIntegrator(PLACED, 60, threads=threads, **options)


def integrated(**options):
    def go(data, threads):
        found = integrator(threads, **options).integrate(data)
        return np.stack([a for a in (found.intensity, found.sigma, found.count) if a is not None])

    return go


#: What is called with data (frames, …) and a number of threads.
CALLS = {
    "snap": lambda d, n: assemble_data(d, GEOMETRY, threads=n).data,
    "snap, converted": lambda d, n: assemble_data(d, GEOMETRY, dtype="f4", threads=n).data,
    "snap, columns": lambda d, n: assemble_data(d, UPRIGHT, dtype="f4", threads=n).data,
    "snap, out of line": out_of_line,
    "stream": stream,
    "dict": lambda d, n: (
        assemble_data({0: np.asfortranarray(d[:, 0])}, GEOMETRY, dtype="f4", threads=n).data
    ),
    "nearest": lambda d, n: assemble_data(d, TURNED, method="nearest", threads=n).data,
    "treated": lambda d, n: assemble_data(d, GEOMETRY, threads=n, **TREATED).data,
    "treated nearest": lambda d, n: (
        assemble_data(d, TURNED, method="nearest", threads=n, **TREATED).data
    ),
    "binned": lambda d, n: assemble_data(d, GEOMETRY, binning=3, threads=n, **TREATED).data,
    **{how: reduced(how) for how in ("mean", "sum", "max", "min", "std")},
    "split": lambda d, n: assemble_data(d, TURNED, method="split", threads=n).data,
    "split, treated": lambda d, n: (
        assemble_data(d, TURNED, method="split", values="counts", threads=n, **TREATED).data
    ),
    "split plan": new_plan,
    "stored": lambda d, n: assemble_data(Stored(d), GEOMETRY, threads=n).data,
    "stored mean": lambda d, n: assemble_data(Stored(d), GEOMETRY, reduce="mean", threads=n).data,
    "integrate": integrated(error_model="azimuthal"),
    "integrate, treated": lambda d, n: (
        integrator(n).integrate(d, dark=3.5, mask=PATTERN < 0.1).intensity
    ),
    "integrate, one frame": lambda d, n: integrator(n).integrate(d[0]).intensity,
    "integrate, boxes": integrated(split="bbox"),
    "integrate, cake": integrated(npt_azim=300, split="bbox"),
    "integrate, median": integrated(method="median"),
    "integrate, clipped": integrated(method="sigma_clip"),
    "dismantle": taken_apart,
    "dismantle_mask nearest": mask_back("nearest"),
    "dismantle_mask any": mask_back("any"),
}


@pytest.fixture(params=["directly", "in bands"])
def way(request, monkeypatch):
    prepared._known.clear()
    monkeypatch.setattr(run, "SMALL_BYTES", 0 if request.param == "in bands" else 2**60)
    monkeypatch.setattr(run, "BAND_BYTES", 9_999)
    if request.param == "in bands":
        # Memory of images that are gone serves the next ones, as otherwise only that of large ones.
        monkeypatch.setattr(memory, "LEAST_BYTES", 0)
    return request.param


#: Pixel by pixel, these take long without the compiler.
SLOW = ("nearest", "split", "dismantle_mask", "median", "clipped")
NAMES = [pytest.param(n, marks=pytest.mark.jit) if any(w in n for w in SLOW) else n for n in CALLS]


def frames(seed):
    return stack_of(GEOMETRY, 6, "u2", seed)


@pytest.mark.parametrize("name", NAMES)
def test_from_eight_threads_at_once(name, way):
    call = CALLS[name]
    expected = [call(frames(seed), 1) for seed in range(8)]
    ready = threading.Barrier(8)

    def work(seed):
        data = frames(seed)
        ready.wait(60)
        return [call(data, threads) for threads in (1, 2, 8, 2)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(8)))
    for results, wanted in zip(found, expected, strict=True):
        for result in results:
            if name == "split plan":
                assert abs(len(result) - len(wanted)) < 0.2 * len(wanted)  # of another geometry
            else:
                np.testing.assert_array_equal(result, wanted)


@pytest.mark.jit
def test_one_plan_from_many_threads_at_once():
    geometries = [TURNED.offset((1e-6 * (i + 1), 0, 0)) for i in range(8)]
    expected = [split_plan(g, threads=1).overlaps for g in geometries]
    for _ in range(3):
        again = [g.offset((0, 0, 1e-3)) for g in geometries]  # z does not count, but is not known
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda g: split_plan(g, threads=2).overlaps, again))
        for mine, wanted in zip(found, expected, strict=True):
            for field in ("starts", "pixels", "areas", "pixel_areas"):
                np.testing.assert_array_equal(getattr(mine, field), getattr(wanted, field))


# -- One thread --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_one_thread_never_starts_another(name, way, monkeypatch):
    data = frames(1)
    expected = CALLS[name](data, 2)

    def refuse(*_, **__):
        raise AssertionError("a thread was started")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
    found = CALLS[name](data, 1)
    if name != "split plan":
        np.testing.assert_array_equal(found, expected)


@pytest.mark.jit
def test_one_thread_makes_the_plan_too(monkeypatch):
    geometry = GEOMETRY.rotate((0, 0, 11.1))

    def refuse(*_, **__):
        raise AssertionError("a thread was started")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
    monkeypatch.setenv("GEOMLIB_NUM_THREADS", "4")
    for method in ("snap", "nearest", "split"):
        where = GEOMETRY if method == "snap" else geometry
        image = assemble_data(frames(0), where, method=method, threads=1)
        assert np.isfinite(image.data.astype("f4")).any()


# -- Forked children ---------------------------------------------------------------------------

fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
forking = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def agrees(name, seed, threads):
    """Called in a child: compare with what one thread gives there."""
    data = frames(seed)
    a, b = CALLS[name](data, threads), CALLS[name](data, 1)
    return name == "split plan" or np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


@fork
@forking
@pytest.mark.parametrize("name", NAMES)
def test_in_a_forked_child_after_use_in_the_parent(name):
    data = frames(3)
    expected = CALLS[name](data, 2)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            found = CALLS[name](data, 2)
            same = np.array_equal(found, expected, equal_nan=found.dtype.kind == "f")
            code = 0 if same or name == "split plan" else 2
        finally:
            os._exit(code)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.005)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.jit
@fork
@forking
def test_in_a_pool_of_forked_children():
    for name in CALLS:
        assert agrees(name, 0, 2)
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        results = [pool.submit(agrees, name, seed, 2) for name in CALLS for seed in (1, 2)]
        assert all(result.result(timeout=120) for result in results)


# -- A fresh process ---------------------------------------------------------------------------

FIRST_CALL = """
import threading
import numpy as np
import geomlib

geometry = geomlib.example_geometry("LPD-Mini")
data = np.random.default_rng(0).random((3, *geometry.data_shape), dtype="f4")
ready, results = threading.Barrier(8), {}

def work(i):
    ready.wait()
    method = ("snap", "nearest")[i % 2]
    results[i] = geomlib.assemble_data(data, geometry, method=method, threads=2).data

workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
expected = geomlib.assemble_data(data, geometry, threads=1).data
assert sorted(results) == list(range(8))
for image in results.values():
    np.testing.assert_array_equal(image, expected)
print("the same")
"""


@pytest.mark.jit
def test_the_first_calls_of_a_process_from_eight_threads(tmp_path):
    # With nothing compiled yet.
    done = subprocess.run(
        [sys.executable, "-c", FIRST_CALL],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("the same\n", 0), done.stderr


# -- Ctrl-C ------------------------------------------------------------------------------------

# Frames without end: the same memory again and again. Each call would take many minutes.
ENDLESS = """
import signal, sys, time
import numpy as np
import geomlib
from numpy.lib.stride_tricks import as_strided

signal.signal(signal.SIGINT, signal.default_int_handler)
geometry = geomlib.example_geometry("JUNGFRAU-500K").rotate((0, 0, 90))
turned = geometry.rotate((0, 0, 3))
frame = np.ones(geometry.data_shape, "f4")
image = geomlib.assemble_data(frame, geometry).data
half = geomlib.assemble_data(frame, geometry, binning=2).data
wide = np.empty((*image.shape, 2), "f4")
stream = np.ones((1, 1024, 512, 64), "u2")
pulses = np.empty((64, *image.shape), "f4")
nearest, split = (geomlib.assemble_data(frame, turned, method=m).data for m in ("nearest", "split"))

def assemble(d, g, out, **options):
    return lambda n: geomlib.assemble_data(d, g, out=out, threads=n, **options)

def make_jobs(size):
    def many(array):
        return as_strided(array, (size, *array.shape), (0, *array.strides))

    class Stored:
        shape, dtype = (size, *geometry.data_shape), np.dtype("f4")
        def __getitem__(self, index):
            return np.broadcast_to(frame, (size, *frame.shape))[index]

    data, streams, images = many(frame), many(stream), many(image)
    return {
        "snap": assemble(data, geometry, images),
        "snap, out of line": assemble(data, geometry, many(wide)[..., 1]),
        "stream": assemble(streams, geometry, many(pulses), axes="stream"),
        "treated": assemble(data, geometry, images, dark=1, mask=frame > 2),
        "binned": assemble(data, geometry, many(half), binning=2),
        "nearest": assemble(data, turned, many(nearest), method="nearest"),
        "split": assemble(data, turned, many(split), method="split"),
        "mean": assemble(data, geometry, None, reduce="mean"),
        "std": assemble(data, geometry, None, reduce="std", dark=1),
        "mean of streams": assemble(streams, geometry, None, reduce="mean", axes="stream"),
        "stored": assemble(Stored(), geometry, images),
        "stored mean": assemble(Stored(), geometry, None, reduce="mean"),
        "dismantle": lambda n: geomlib.dismantle_image(
            images, geometry, out=many(frame), threads=n
        ),
    }

# The compiler swallows an interrupt that reaches it: everything is compiled first.
for job in make_jobs(8).values():
    job(2)
for name, job in make_jobs(1_000_000).items():
    for threads in (1, 2):
        try:
            print("begins", name, threads, flush=True)
            job(threads)
            print("ended on its own", flush=True)
        except KeyboardInterrupt:
            print("interrupted", time.monotonic(), flush=True)
print("done", flush=True)
"""


@pytest.mark.jit
def test_ctrl_c_is_heard():
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, text=True
    ) as child:
        guard = threading.Timer(240, child.kill)
        guard.start()
        try:
            waits = {}
            while (line := child.stdout.readline().strip()).startswith("begins"):
                time.sleep(0.2)
                sent = time.monotonic()
                child.send_signal(signal.SIGINT)
                word, _, at = child.stdout.readline().partition(" ")
                assert word == "interrupted", line
                waits[line] = float(at) - sent
            assert line == "done"
        finally:
            guard.cancel()
            child.kill()
    # The work would take minutes; within a second on a machine that is not busy otherwise.
    assert max(waits.values()) < 5, waits
