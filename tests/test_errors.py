import errno
import pickle
import threading
import warnings

import pytest

import geomlib
from geomlib import GeometryError, GeometryFileError, GeometryWarning
from geomlib.atomic import replacing
from geomlib.errors import collected, quiet, warn


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "bad"),
        ({"path": "a.geom"}, "a.geom: bad"),
        ({"path": "a.geom", "line": 3}, "a.geom:3: bad"),
        ({"path": "a.geom", "line": 3, "key": "p0/fs"}, "a.geom:3 [p0/fs]: bad"),
        ({"line": 3}, "line 3: bad"),
        ({"key": "Q1/Position"}, "[Q1/Position]: bad"),
    ],
)
def test_file_error_says_where(arguments, text):
    error = GeometryFileError("bad", **arguments)
    assert str(error) == text
    assert isinstance(error, GeometryError)
    assert isinstance(error, ValueError)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.path, copy.line, copy.key) == (text, error.path, error.line, error.key)


def test_missing_files_are_what_python_calls_them(tmp_path):
    path = tmp_path / "no" / "a.geom"
    with pytest.raises(FileNotFoundError) as caught:
        geomlib.read_geometry(path)
    error = caught.value
    assert isinstance(error, GeometryFileError)
    assert str(error) == f"{path}: there is no such file"
    assert (error.errno, error.filename, error.path) == (errno.ENOENT, str(path), str(path))
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.filename) == (type(error), str(error), str(path))
    with pytest.raises(FileNotFoundError, match=r"a\.geom: there is no such folder"):
        geomlib.write_geometry(geomlib.example_geometry("LPD-Mini"), path)
    # A missing file that is named inside of the writing of another one.
    with (
        pytest.raises(GeometryFileError, match=r"no/a\.geom: there is no such file"),
        replacing(tmp_path / "b.geom"),
    ):
        geomlib.read_geometry(path)
    assert list(tmp_path.iterdir()) == []


def test_warnings_point_at_the_line_of_the_user():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        geomlib.detectors.agipd_1m([(-525, 625)] * 4)
    assert [w.filename for w in caught] == [__file__]
    assert caught[0].category is geomlib.GeometryWarning


def test_collected_warnings_go_to_the_list_and_nowhere_else():
    # In the suite, a warning that gets out is an error.
    with collected() as outer:
        warn("first")
        with collected() as inner:
            warn("second")
        with quiet():
            warn("nobody hears this")
        warn("third")
    assert (outer, inner) == (["first", "third"], ["second"])
    with pytest.warns(GeometryWarning, match="fourth"):
        warn("fourth")
    assert outer == ["first", "third"]


def test_warnings_are_collected_after_an_error():
    def fail():
        with collected():
            raise GeometryError("bad")

    with pytest.raises(GeometryError, match="bad"):
        fail()
    with pytest.warns(GeometryWarning, match="after"):
        warn("after")


def test_other_threads_keep_their_warnings():
    """What one thread collects changes nothing of the process, nor of other threads."""
    shown, filters = warnings.showwarning, list(warnings.filters)
    entered, spoken = threading.Barrier(3), threading.Barrier(3)
    found = {}

    def collect(name):
        with collected() as messages:
            entered.wait(10)
            warn(name)
            spoken.wait(10)
            found[name] = messages

    threads = [threading.Thread(target=collect, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    entered.wait(10)
    assert warnings.showwarning is shown
    assert list(warnings.filters) == filters
    with pytest.warns(GeometryWarning, match="of this thread"):
        warn("of this thread")
    spoken.wait(10)
    for thread in threads:
        thread.join()
    assert found == {"a": ["a"], "b": ["b"]}
