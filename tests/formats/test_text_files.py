"""Text files that are not to be trusted."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geomlib.errors import GeometryFileError
from geomlib.formats.text_files import ascii_json, read_text


def test_text_is_read_as_it_is(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfone\r\ntwo \xc2\xb5\n")
    assert read_text(tmp_path / "a", 1000) == "one\r\ntwo µ\n"


def test_errors(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 2048)
    assert len(read_text(path, 2048)) == 2048
    with pytest.raises(GeometryFileError, match=r"a: is larger than 1 KiB, more than any"):
        read_text(path, 1024)
    with path.open("wb") as file:
        file.truncate(3 << 20)
    with pytest.raises(GeometryFileError, match=r"a: is larger than 2 MiB, more than any"):
        read_text(path, 2 << 20)
    with pytest.raises(GeometryFileError, match="b: there is no such file"):
        read_text(tmp_path / "b", 1)
    with pytest.raises(GeometryFileError, match="is a folder; expected a file"):
        read_text(tmp_path, 1)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(GeometryFileError, match="a: is no UTF-8 text"):
        read_text(path, 10)
    assert read_text(path, 10, errors="replace") == "\ufffd\ufffd"


@given(st.text(st.characters(exclude_categories=[])))
def test_ascii_json(text):
    written = json.dumps(text, ensure_ascii=False)
    assert ascii_json(written).isascii()
    assert json.loads(ascii_json(written)) == json.loads(written) == text
