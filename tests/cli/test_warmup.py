"""`geomlib warmup`: what it says."""

import os
import re
import subprocess
import sys

import pytest

from tests.cli.command import run, run_wrong


def process(folder, *arguments, **environment):
    code = "from geomlib.cli import main; main()"
    given = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "NUMBA_DISABLE_JIT": "0", **environment}
    return subprocess.run(
        [sys.executable, "-c", code, "warmup", *arguments],
        env=given,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.jit
def test_what_it_says(tmp_path):
    arguments = ("nearest", "--dtype", "float64")
    first = process(tmp_path, *arguments)
    assert (first.returncode, first.stderr) == (0, "")
    assert re.match(r"[1-9]\d* loops compiled, in \d+\.\d s\nkept in ", first.stdout)
    assert str(tmp_path) in first.stdout
    second = process(tmp_path, *arguments)
    assert re.match(r"0 loops compiled, [1-9]\d* found compiled, in \d+\.\d s", second.stdout)


def test_without_the_compiler(tmp_path):
    done = process(tmp_path, NUMBA_DISABLE_JIT="1")
    assert (done.returncode, done.stdout) == (0, "")
    assert "NUMBA_DISABLE_JIT" in done.stderr


@pytest.mark.jit
def test_wrong_arguments(capsys):
    assert "'everything'" in run_wrong(capsys, "warmup", "everything")
    assert "'nonsense'" in run_wrong(capsys, "warmup", "split", "--dtype", "nonsense")


@pytest.mark.jit
def test_nothing_is_compiled_twice_in_a_process(capsys):
    for _ in range(2):
        assert run("warmup", "nearest", "--dtype", "float64", "--dtype", "float32") == 0
    assert "0 loops compiled, in" in capsys.readouterr().out.splitlines()[-2]
