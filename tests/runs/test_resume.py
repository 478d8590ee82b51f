"""Going on after an interruption: nothing is redone, and the result is the same, byte for byte."""

import json
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from geomlib import assemble_run, integrate_run, reduce_run
from geomlib.errors import GeometryError, GeometryFileError
from geomlib.runs.parts import Parts
from tests.runs.simulated import tiny_run

FRAMES, BLOCKS = 128, 16
# A process that works slowly, so that it is killed in the middle.
SLOW = """
import sys, time
from tests.runs.test_resume import call
from geomlib import open_run
from geomlib.detectors import example_geometry
kind, folder, out = sys.argv[1:]
geometry = example_geometry("ePix10K").replace(distance=0.2, photon_energy=9300)
run = open_run(folder + "/stack.h5", geometry)
call(kind, run, geometry, out, progress=lambda n: time.sleep(0.15))
"""


def call(kind, run, geometry, out, **options):
    """Do one of the calls, in blocks of 8 frames (64 for sums)."""
    size = FRAMES // BLOCKS * run.frame_bytes
    if kind == "assemble":
        return assemble_run(run, geometry, out, block_bytes=size, **options)
    if kind == "integrate":
        return integrate_run(run, geometry, out, 100, block_bytes=size, **options)
    by = {"sums": "pulse", "trains": "train"}[kind]
    return reduce_run(run, geometry, out, ("mean", "std"), by=by, block_bytes=size, **options)


def content(path):
    """Return all bytes of a file, or of the files in a folder."""
    if path.is_file():
        return path.read_bytes()
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("assemble", ".h5"), ("assemble", ".zarr"), ("integrate", ".h5"), ("trains", ".h5")],
)
def test_killed_and_resumed(tmp_path, kind, suffix):
    geometry, run = tiny_run(tmp_path / "run", n=FRAMES, per_train=8)
    out = tmp_path / f"killed{suffix}"
    parts = Parts(out)
    command = [sys.executable, "-c", SLOW, kind, str(tmp_path / "run"), str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + 60
        while len(parts.done()) < 3 and time.monotonic() < end and process.poll() is None:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    assert not out.exists()
    done = parts.done()
    assert 3 <= len(done) < BLOCKS
    before = {number: parts.path(number).stat().st_mtime_ns for number in done}
    seen = []
    outcome = call(kind, run, geometry, out, progress=seen.append)
    assert (outcome.n_blocks, outcome.n_reused) == (BLOCKS, len(done))
    # The first call of progress tells of what was there.
    assert seen[0] == len(done) * FRAMES // BLOCKS
    assert len(seen) == 1 + BLOCKS - len(done)
    assert sum(seen) == FRAMES
    assert len(before) == len(done)
    assert not parts.folder.exists()
    whole = tmp_path / f"whole{suffix}"
    call(kind, run, geometry, whole)
    assert content(out) == content(whole)


class InterruptedHereError(Exception):
    """Stands for Ctrl-C."""


def stop_after(frames):
    """Return a progress that raises after so many frames."""
    left = [frames]

    def progress(n):
        left[0] -= n
        if left[0] <= 0:
            raise InterruptedHereError

    return progress


def test_sums_go_on_in_the_same_order(tmp_path):
    rng = np.random.default_rng(2)
    values = rng.lognormal(0, 12, 400)
    geometry, run = tiny_run(tmp_path / "run", n=400, per_train=2, values=values)
    with pytest.raises(InterruptedHereError):
        call("sums", run, geometry, tmp_path / "a.h5", progress=stop_after(200))
    done = len(Parts(tmp_path / "a.h5").done())
    assert done > 0
    assert call("sums", run, geometry, tmp_path / "a.h5").n_reused == done
    call("sums", run, geometry, tmp_path / "b.h5")
    assert content(tmp_path / "a.h5") == content(tmp_path / "b.h5")


def test_parts_of_another_job_are_refused(tmp_path):
    geometry, run = tiny_run(tmp_path / "run", n=FRAMES, per_train=8)
    out = tmp_path / "a.h5"
    with pytest.raises(InterruptedHereError):
        call("assemble", run, geometry, out, progress=stop_after(30))
    moved = geometry.offset((1e-4, 0))
    with pytest.raises(GeometryFileError, match="another job than this, with other geometry"):
        call("assemble", run, moved, out)
    with pytest.raises(GeometryFileError, match=r"with other .*kind.*overwrite=True"):
        call("integrate", run, geometry, out)
    with pytest.raises(GeometryFileError, match="with other frames"):
        call("assemble", run.select(frames=slice(0, 127)), geometry, out, compress=True)
    done = Parts(out).done()
    assert len(done) == 3
    assert call("assemble", run, moved, out, overwrite=True).n_reused == 0
    # The data changed since.
    with pytest.raises(InterruptedHereError):
        call("assemble", run, geometry, tmp_path / "b.h5", progress=stop_after(30))
    os.utime(run.files[0], ns=(1, 1))
    with pytest.raises(GeometryFileError, match="with other data files"):
        call("assemble", run, geometry, tmp_path / "b.h5")


def test_an_output_that_is_complete(tmp_path):
    geometry, run = tiny_run(tmp_path / "run", n=FRAMES, per_train=8)
    for name in ("a.h5", "a.zarr"):
        out = tmp_path / name
        call("assemble", run, geometry, out)
        before = content(out)
        again = call("assemble", run, geometry, out)
        assert again.n_reused == again.n_blocks == BLOCKS
        with pytest.raises(GeometryError, match=f"{name} is there already, with other options"):
            assemble_run(run, geometry, out, fill=0)
        assert content(out) == before
        assemble_run(run, geometry, out, fill=0, overwrite=True)
        assert content(out) != before
    (tmp_path / "other.h5").write_text("of somebody else")
    with pytest.raises(GeometryError, match="is there already"):
        call("assemble", run, geometry, tmp_path / "other.h5")


def test_a_note_that_cannot_be_read(tmp_path):
    geometry, run = tiny_run(tmp_path / "run", n=FRAMES, per_train=8)
    out = tmp_path / "a.h5"
    with pytest.raises(InterruptedHereError):
        call("assemble", run, geometry, out, progress=stop_after(30))
    note = Parts(out).folder / "job.json"
    assert json.loads(note.read_text())["kind"] == "assemble"
    for text in ("{", "[1]"):
        note.write_text(text)
        with pytest.raises(GeometryFileError, match="it cannot be read"):
            call("assemble", run, geometry, out)
    note.unlink()
    with pytest.raises(GeometryFileError, match="it is missing"):
        call("assemble", run, geometry, out)


def test_a_part_that_is_damaged(tmp_path):
    geometry, run = tiny_run(tmp_path / "run", n=FRAMES, per_train=8)
    out = tmp_path / "a.h5"
    with pytest.raises(InterruptedHereError):
        call("assemble", run, geometry, out, progress=stop_after(30))
    Parts(out).path(0).write_bytes(b"")
    with pytest.raises(GeometryFileError, match=r"block-000000\.h5"):
        call("assemble", run, geometry, out)
    assert not out.exists()


def test_two_processes_at_the_same_output(tmp_path):
    geometry, run = tiny_run(tmp_path / "run", n=FRAMES, per_train=8)
    out = tmp_path / "a.h5"

    def second(_):
        call("assemble", run, geometry, out)

    with pytest.raises(GeometryError, match="another process is at work on it"):
        call("assemble", run, geometry, out, progress=second)
    assert call("assemble", run, geometry, out).n_frames == FRAMES


# Collects garbage as often as can be, with objects of h5py in it.
GARBAGE = """
import gc, sys
import h5py
from geomlib import assemble_run, open_run
from geomlib.detectors import example_geometry

class Cycle:
    pass

gc.set_threshold(5, 2, 2)
folder, out = sys.argv[1:]
run = open_run(folder + "/stack.h5", "ePix10K")
for _ in range(5):
    cycle = Cycle()
    cycle.own, cycle.file = cycle, h5py.File(run.files[0])
    cycle.data = cycle.file["entry/data"]
    del cycle
    assemble_run(run, example_geometry("ePix10K"), out, overwrite=True)
"""


def test_zarr_and_h5py_do_not_wait_for_each_other(tmp_path):
    # zarr works in a thread of its own; if that collects objects of h5py, it needs h5py's lock.
    tiny_run(tmp_path / "run", n=4)
    command = [sys.executable, "-c", GARBAGE, str(tmp_path / "run"), str(tmp_path / "a.zarr")]
    subprocess.run(command, check=True, timeout=120)


# Assembles, and prints by how much its memory grew.
MEMORY = """
import resource, sys
from geomlib import assemble_run, reduce_run, open_run
from geomlib.detectors import example_geometry
folder, out = sys.argv[1:]
geometry = example_geometry("ePix10K")
run = open_run(folder + "/stack.h5", geometry)
few = run.select(frames=slice(0, 8))
for part, name in ((few, "a"), (run, "b")):
    assemble_run(part, geometry, f"{out}{name}.h5", compress=False, block_bytes=40 * 2**20)
    reduce_run(part, geometry, f"{out}{name}r.h5", ("mean", "std"), by="pulse")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.jit
def test_memory_is_bounded(tmp_path):
    # Of 1200 frames, 619 MiB (stored: nothing but the one value of a chunk, compressed).
    geometry, run = tiny_run(tmp_path / "run", n=8)
    shape = (1200, *geometry.data_shape)
    with h5py.File(tmp_path / "run" / "stack.h5", "r+") as file:
        for name in ("data", "train_id", "pulse_id", "cell_id"):
            del file[f"entry/{name}"]
        file.create_dataset("entry/data", shape, "f4", chunks=(1, *shape[1:]))
        file["entry/pulse_id"] = np.arange(1200) % 4
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "run"), str(tmp_path / "out")]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    few, all_frames = map(int, process.stdout.split())
    # Two chunks of 64 MiB, one of images, and the running sums, in MiB; half of what the run is.
    assert all_frames - few < 310
    assert run.frame_bytes * 1200 > 2**29
