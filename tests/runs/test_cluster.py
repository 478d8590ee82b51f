"""The same calls on a cluster of two processes, of which one is killed."""

import os
import signal

import pytest

from geomlib import assemble_run, integrate_run, reduce_run
from geomlib.errors import GeometryError
from geomlib.runs.parts import Parts
from tests.runs.simulated import tiny_run

distributed = pytest.importorskip("distributed")
FRAMES = 96


@pytest.fixture(scope="module")
def cluster():
    """Start two workers in processes of their own."""
    # Not the usual port of the dashboard: tests run side by side.
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as found:
        yield found


@pytest.fixture(scope="module")
def client(cluster):
    """Return a client of it."""
    with distributed.Client(cluster, set_as_default=False) as found:
        yield found


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Return a geometry and a run."""
    return tiny_run(tmp_path_factory.mktemp("cluster") / "run", n=FRAMES, per_train=8)


def calls(run, geometry):
    """Return calls by name, each in 24 blocks or more."""
    size = 4 * run.frame_bytes
    return {
        "images": lambda path, **o: assemble_run(run, geometry, path, block_bytes=size, **o),
        "curves": lambda path, **o: integrate_run(run, geometry, path, 50, block_bytes=size, **o),
        "means": lambda path, **o: reduce_run(
            run, geometry, path, ("mean", "std"), threshold=20, block_bytes=size, **o
        ),
    }


@pytest.mark.parametrize("name", ["images", "curves", "means"])
def test_the_result_is_that_of_one_process(client, small, tmp_path, name):
    geometry, run = small
    call = calls(run, geometry)[name]
    seen = []
    call(tmp_path / "cluster.h5", scheduler=client, progress=seen.append)
    call(tmp_path / "here.h5")
    assert (tmp_path / "cluster.h5").read_bytes() == (tmp_path / "here.h5").read_bytes()
    assert sum(seen) == FRAMES


@pytest.mark.parametrize("suffix", [".h5", ".zarr"])
def test_a_worker_is_killed_in_the_middle(client, small, tmp_path, suffix):
    geometry, run = small
    call = calls(run, geometry)["images"]
    pids = set(client.run(os.getpid).values())
    killed = []

    def kill_one(n):
        if n and not killed:
            killed.append(min(pids))
            os.kill(killed[0], signal.SIGKILL)

    path = tmp_path / f"cluster{suffix}"
    outcome = call(path, scheduler=client, progress=kill_one)
    assert killed
    assert outcome.n_blocks == 24
    call(tmp_path / f"here{suffix}")
    if suffix == ".h5":
        assert path.read_bytes() == (tmp_path / "here.h5").read_bytes()
    else:
        files = sorted(p.relative_to(path) for p in path.rglob("*") if p.is_file())
        assert len(files) > FRAMES
        for name in files:
            assert (path / name).read_bytes() == (tmp_path / "here.zarr" / name).read_bytes()
    client.wait_for_workers(2, timeout=60)
    assert killed[0] not in client.run(os.getpid).values()


def test_an_address_and_what_an_earlier_attempt_did(cluster, client, small, tmp_path):
    geometry, run = small
    call = calls(run, geometry)["images"]

    def stop(_):
        if len(Parts(tmp_path / "a.h5").done()) > 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(tmp_path / "a.h5", progress=stop)
    outcome = call(tmp_path / "a.h5", scheduler=cluster.scheduler_address)
    assert outcome.n_reused == 5
    assert outcome.path.exists()


def test_ctrl_c_cancels_what_is_left(client, small, tmp_path):
    geometry, run = small
    call = calls(run, geometry)["images"]

    def stop(n):
        if n:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(tmp_path / "a.h5", scheduler=client, progress=stop)
    # The workers are free again, and what was done is kept.
    assert client.submit(abs, -3).result(timeout=30) == 3
    assert call(tmp_path / "a.h5", scheduler=client).n_reused > 0


def test_an_error_on_a_worker_is_that_of_one_process(client, small, tmp_path):
    geometry, run = small
    call = calls(run, geometry)["images"]
    path = run.files[0]
    away = path.with_suffix(".away")

    def hide(_):
        if path.exists():
            path.rename(away)

    try:
        with pytest.raises(GeometryError, match="there is no such file"):
            call(tmp_path / "a.h5", scheduler=client, progress=hide)
    finally:
        away.rename(path)


def test_no_scheduler(small, tmp_path):
    geometry, run = small
    with pytest.raises(GeometryError, match="no scheduler answers at 'nonsense://x'"):
        assemble_run(run, geometry, tmp_path / "a.h5", scheduler="nonsense://x")
