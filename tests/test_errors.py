import pickle
import warnings

import pytest

import geomlib
from geomlib import GeometryError, GeometryFileError


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


def test_warnings_point_at_the_line_of_the_user():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        geomlib.detectors.agipd_1m([(-525, 625)] * 4)
    assert [w.filename for w in caught] == [__file__]
    assert caught[0].category is geomlib.GeometryWarning
