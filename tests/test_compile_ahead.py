"""Compiling ahead: afterwards a fresh process compiles nothing."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import geomlib
from geomlib import compile_ahead, kernels
from geomlib.compile_ahead import Compiled
from geomlib.errors import GeometryError

#: What people do with the data of a detector; each line prints what was compiled for it.
PROBE = """
import sys
import numpy as np
import geomlib
from numba.core import event

parts, dtype = sys.argv[1].split(","), np.dtype(sys.argv[2])
geom = geomlib.example_geometry("AGIPD-500K")
frames = np.ones((5, *geom.data_shape), dtype)
flags = np.zeros(frames.shape, "u4")
bad, scale = flags[0] != 0, np.ones(geom.data_shape, "f4")
stream = np.ascontiguousarray(frames.transpose(1, 3, 2, 0))
fixed = frames.view()
fixed.flags.writeable = False
image = np.ones((3, *geomlib.output_array(geom).shape), dtype)
placed = geom.replace(distance=0.2, photon_energy=9000.0)
window = np.s_[100:400, 50:]
modules = {0: frames[:, 0], 3: frames[:, 3]}
assemble = geomlib.assemble_data
todo = {
    "assemble": [
        lambda: assemble(frames[0], geom),
        lambda: assemble(frames, geom),
        lambda: assemble(fixed, geom, threads=2),
        lambda: assemble(frames[:, :, ::-1], geom),
        lambda: assemble(np.asfortranarray(frames), geom),
        lambda: assemble(frames.astype(dtype.newbyteorder(">")), geom),
        lambda: assemble(list(frames), geom, centred=True),
        lambda: assemble(modules, geom),
        lambda: assemble(frames, geom, region=window),
        lambda: assemble(frames, geom, present=np.arange(8) != 2),
        lambda: assemble(frames, geom, out=np.empty((image.shape[1], 5, image.shape[2]), dtype)
                         .transpose(1, 0, 2)),
        lambda: assemble(stream, geom, axes="stream"),
        lambda: geomlib.dismantle_image(image, geom),
    ],
    "treat": [
        lambda: assemble(frames, geom, mask=bad),
        lambda: assemble(frames[0], geom, mask=flags[0], mask_bits=3),
        lambda: assemble(frames, geom, mask=flags, dark=scale, gain=flags),
        lambda: assemble(frames, geom, dark=scale, region=window),
        lambda: assemble(stream, geom, axes="stream", gain=scale, mask=bad),
        lambda: assemble(modules, geom, gain=scale, binning=4),
        lambda: geomlib.dismantle_mask(image[0] != 1, geom, rule="any"),
    ],
    "reduce": [
        lambda: [assemble(frames, geom, reduce=how) for how in ("mean", "sum", "max", "std")],
        lambda: [assemble(fixed, geom, reduce=how, mask=bad) for how in ("mean", "min")],
        lambda: [assemble(frames, geom, reduce=how, mask=flags) for how in ("sum", "std")],
        lambda: assemble(frames, geom, reduce="mean", dark=scale, gain=flags, mask=flags[0]),
        lambda: assemble(frames[:, :, ::-1], geom, reduce="std", gain=scale),
        lambda: assemble(modules, geom, reduce="max", present=np.ones((5, 8), bool)),
        lambda: assemble(stream, geom, axes="stream", reduce="mean", mask=bad),
    ],
    "nearest": [
        lambda: assemble(frames, geom, method="nearest"),
        lambda: assemble(fixed, geom, method="nearest", region=window),
        lambda: assemble(modules, geom, method="nearest"),
        lambda: geomlib.dismantle_image(image, geom, method="nearest"),
    ],
    "split": [
        lambda: assemble(frames, geom, method="split"),
        lambda: assemble(fixed, geom, method="split", values="counts", oversample=2),
        lambda: assemble(frames[0], geom, method="split", mask=bad, region=window),
    ],
    "integrate": [
        lambda: geomlib.integrate1d(frames, placed, 50, error_model="poisson"),
        lambda: geomlib.integrate1d(frames[:2], placed, 50, split="bbox", mask=bad),
        lambda: geomlib.integrate1d(fixed, placed, 50, dark=scale, error_model="azimuthal"),
        lambda: geomlib.integrate1d(stream, placed, 50, axes="stream", present=np.arange(8) != 2),
        lambda: geomlib.integrate1d(modules, placed, 50, split="full", unit="chi_deg"),
        lambda: geomlib.integrate2d(frames[0], placed, 50, 20, split="full"),
        lambda: geomlib.integrate1d(frames, placed, 50, method="median"),
        lambda: geomlib.integrate1d(frames, placed, 50, method="sigma_clip", split="bbox"),
    ],
}
for part in parts:
    for number, call in enumerate(todo[part]):
        with event.install_recorder("numba:compile") as recorder:
            call()
        for _, seen in recorder.buffer:
            function = seen.data["dispatcher"].py_func
            if seen.is_start and function.__module__.startswith("geomlib"):
                print(part, number, function.__name__, seen.data["args"])
"""


#: Says what `warmup` did.
WARMUP = """
import sys
import geomlib

done = geomlib.warmup(sys.argv[1].split(","), sys.argv[2:])
print(done.compiled, done.found, done.seconds, done.folder)
"""


def run(code, *arguments, **environment):
    """Run code in a process of its own and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.jit
@pytest.mark.parametrize(
    "parts",
    [
        "nearest,split",
        pytest.param("assemble,treat,reduce,nearest,split,integrate", marks=pytest.mark.slow),
    ],
)
def test_afterwards_a_fresh_process_compiles_nothing(tmp_path, parts):
    """float64: the fewest versions, since it is converted to nothing."""
    empty = {"NUMBA_CACHE_DIR": str(tmp_path)}
    # The probe sees what is compiled.
    assert "nearest 0 gather" in run(PROBE, "nearest", "float32", **empty)
    compiled, _, seconds, folder = run(WARMUP, parts, "float64", **empty).split()
    assert int(compiled) > 4
    assert float(seconds) > 0
    assert folder.startswith(str(tmp_path))
    assert run(PROBE, parts, "float64", **empty) == ""
    # Once more: all is read, and nothing compiled.
    compiled, found, _, _ = run(WARMUP, parts, "float64", **empty).split()
    assert int(compiled) == 0
    assert int(found) > 3


@pytest.mark.jit
def test_nor_with_what_takes_longer_to_compile():
    """In the folder of the suite, whose other tests need the same."""
    parts = "assemble,treat,reduce"
    assert run(WARMUP, parts, "float32")
    assert run(PROBE, parts, "float32") == ""


@pytest.mark.jit
def test_what_was_compiled_is_counted_once():
    before = geomlib.warmup(["nearest"], ["float64"])
    again = geomlib.warmup(["nearest"], ["float64"])
    assert isinstance(before, Compiled)
    assert (again.compiled, again.found) == (0, 0)


def test_progress_goes_step_by_step():
    done = []
    geomlib.warmup("nearest", [np.float64], progress=done.append)
    assert done == [1] * len(compile_ahead.steps("nearest", [np.float64]))


@pytest.mark.jit
def test_all_parts_and_usual_dtypes_by_default():
    everything = compile_ahead.steps()
    parts = [compile_ahead.steps([part]) for part in ("assemble", "treat", "reduce")]
    parts += [compile_ahead.steps([part]) for part in ("nearest", "split", "integrate")]
    assert len(everything) == sum(len(part) for part in parts)
    assert all(len(part) > 1 for part in parts)
    each = [compile_ahead.steps(["reduce"], [dtype]) for dtype in compile_ahead.USUAL]
    assert sum(len(one) for one in each) == len(parts[2])


def test_each_loop_is_known():
    """A new module of kernels that is forgotten here would not be compiled, nor counted."""
    modules = {path.stem for path in Path(kernels.__file__).parent.glob("*.py")}
    assert modules - {"__init__", "compile", "lanes", "vector"} == set(compile_ahead.KERNELS)


def test_without_the_compiler_there_is_nothing_to_do():
    compiled, found, _, folder = run(WARMUP, "split", "float64", NUMBA_DISABLE_JIT="1").split()
    assert (compiled, found, folder) == ("0", "0", "None")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (["everything"],),
            "parts must be of assemble, treat, reduce, nearest, split, integrate, not 'every",
        ),
        ((None, ["nonsense"]), "dtype is 'nonsense', which numpy does not know"),
        ((None, ["complex64"]), "dtype must be of real numbers .* not complex64"),
        ((None, ["float16"]), "dtype must be of real numbers .* not float16"),
        ((None, ["S8"]), "dtype must be of booleans, integers"),
        ((3,), "parts must be a sequence, not 3"),
        (([["f4"]],), r"parts must be of assemble, .* not \['f4'\]"),
        ((None, 3), "dtypes must be a sequence, not 3"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(GeometryError, match=message):
        geomlib.warmup(*arguments)
