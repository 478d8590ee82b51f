"""EXtra-geom's own tests, from its source distribution, with `extra_geom` replaced.

What they need is fetched into ``.cache/compat`` in the repository, once, and only if the
environment variable GEOMLIB_FETCH is set, as ``make test-compat`` does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]
CACHE = REPOSITORY / ".cache" / "compat"
FETCH = "GEOMLIB_FETCH"
VERSION = "1.17.0"
#: What the tests import besides what is installed for our own.
NEEDED = ("testpath==0.6.0", "condat_gridconv==0.3")

#: Stands in the folder above the tests: replaces the package before any of them is imported, and
#: makes sure that nothing of the original was.
CONFTEST = """
import sys
from geomlib.compat import use_as_extra_geom

use_as_extra_geom()


def pytest_sessionfinish(session):
    ours = sys.modules["geomlib"].__path__[0]
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "extra_geom" and not module.__file__.startswith(ours):
            raise SystemExit(f"{name} is not replaced: {module.__file__}")
"""


class Outcome(NamedTuple):
    """What came of a run."""

    passed: list[str]
    #: With what pytest said.
    failed: dict[str, str]
    skipped: list[str]
    log: str


class NotHereError(Exception):
    """The tests have not been fetched, and could not be."""


def fetched() -> Path:
    """Return the folder of EXtra-geom's source distribution.

    Raises
    ------
    NotHereError
        If it is not there, and may not or cannot be fetched.
    """
    folder = CACHE / f"extra_geom-{VERSION}"
    if folder.is_dir():
        return folder
    if not os.environ.get(FETCH):
        raise NotHereError("EXtra-geom's tests are not here: `make test-compat` fetches them")
    staging = CACHE.with_name("compat.new")
    shutil.rmtree(staging, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    source = ["--no-deps", "--no-binary", ":all:", f"extra-geom=={VERSION}"]
    try:
        for command in (
            ["download", "--dest", str(staging), *source],
            ["install", "--no-deps", "--target", str(staging / "packages"), *NEEDED],
        ):
            subprocess.run([*pip, *command], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as problem:
        last = (problem.stderr or "pip failed").strip().splitlines()[-1]
        raise NotHereError(f"EXtra-geom's tests could not be fetched: {last}") from problem
    with tarfile.open(next(staging.glob("*.tar.gz"))) as archive:
        archive.extractall(staging, filter="data")
    shutil.rmtree(CACHE, ignore_errors=True)
    staging.rename(CACHE)
    return folder


def run(folder: Path, deselected: list[str], temporary: Path) -> Outcome:
    """Run the tests, unmodified, in a process of their own.

    Parameters
    ----------
    folder : Path
        Of EXtra-geom's source distribution.
    deselected : list of str
        Tests to leave out, relative to its folder of tests.
    temporary : Path
        An empty folder.
    """
    # Under another name, so that `extra_geom` is not found there.
    shutil.copytree(folder / "extra_geom" / "tests", temporary / "upstream")
    (temporary / "conftest.py").write_text(CONFTEST)
    (temporary / "pytest.ini").write_text("[pytest]\n")
    report = temporary / "report.xml"
    command = [
        sys.executable, "-m", "pytest", "upstream", "-q", "-p", "no:cacheprovider",
        f"--junitxml={report}", *(f"--deselect=upstream/{name}" for name in deselected),
    ]  # fmt: skip
    paths = [str(REPOSITORY), str(CACHE / "packages")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": "agg"}
    done = subprocess.run(command, cwd=temporary, env=environment, capture_output=True, text=True)
    log = done.stdout + done.stderr
    if not report.exists():
        raise RuntimeError(log)
    passed, failed, skipped = [], {}, []
    for case in ElementTree.parse(report).iter("testcase"):
        file = case.get("classname", "").removeprefix("upstream.").replace(".", "/")
        name = f"{file}.py::{case.get('name')}"
        outcome = next((part for part in case if part.tag in ("failure", "error", "skipped")), None)
        if outcome is None:
            passed.append(name)
        elif outcome.tag == "skipped":
            skipped.append(name)
        else:
            failed[name] = outcome.get("message", "")
    if done.returncode not in (0, 1):
        failed["the run as a whole"] = log[-2000:]
    return Outcome(passed, failed, skipped, log)
