"""The lexical layer: nothing is lost, and every line is seen as CrystFEL 0.12 sees it."""

import pytest

from geomlib.errors import GeometryFileError
from geomlib.formats.crystfel.document import MAX_ASSIGNMENTS, Assignment, Document
from tests.formats.crystfel.samples import FOLDER, REAL_FILES
from tests.shared import needs_shared_data


def parse(text: str | bytes) -> Document:
    return Document.parse(text.encode() if isinstance(text, str) else text)


def pairs(document: Document) -> list[tuple[str | None, str, str]]:
    return [(a.panel, a.key, a.value) for a in document.assignments]


@needs_shared_data
@pytest.mark.parametrize("name", REAL_FILES)
def test_real_files_keep_every_byte(name):
    data = (FOLDER / name).read_bytes()
    document = Document.parse(data)
    assert document.to_bytes() == data
    for a in document.assignments:
        assert document.text[a.start : a.stop] == a.value
    assert [a.value for a in document.assignments] == document.values


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a = \xff\xfe ; \xb0C\r\n",
        "; µm °\na = 1\r; x".encode(),
        b"a = 1\0b = 2",
        b"\r\r\n\n\r",
    ],
)
def test_any_bytes_are_kept(data):
    assert Document.parse(data).to_bytes() == data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = b", [(None, "a", "b")]),
        ("a=b\nc= d\ne =f", [(None, "a", "b"), (None, "c", "d"), (None, "e", "f")]),
        ("  \t a \t=\t b c  \t", [(None, "a", "b c")]),
        ("a = 1 ; b = 2\n;c = 3\n  ; d = 4", [(None, "a", "1")]),
        ("a = b = c", [(None, "a", "b = c")]),
        ("p0/a/b = 1", [("p0", "a/b", "1")]),
        ("p0 /min_fs = 1", [("p0 ", "min_fs", "1")]),
        ("a = p/q", [(None, "a", "p/q")]),
        (
            "a = 1\rb = 2\r\nc = 3\nd = 4",
            [(None, k, v) for k, v in zip("abcd", "1234", strict=True)],
        ),
        ("a =\nb = 2", [(None, "a", ""), (None, "b", "2")]),
        ("a = 1\0\nb = 2", [(None, "a", "1")]),
        (" = 3", [(None, "", "3")]),
        ("\ufeffa = 1", [(None, "a", "1")]),
        ("hello\na = 1", [(None, "a", "1")]),
    ],
)
def test_assignments(text, expected):
    assert pairs(parse(text)) == expected


def test_line_numbers_count_every_kind_of_line_end():
    document = parse("; one\r\na = 1\rb = 2\n\nc = 3")
    assert [a.line for a in document.assignments] == [2, 3, 5]
    assert document.assignments[0] == Assignment(2, None, "a", "1", 11, 12)


def test_stray_lines_and_comments():
    document = parse("# Pilatus\na = 1 ; note\nnonsense ; more\n;\n")
    assert document.stray_lines == ((1, "# Pilatus"), (3, "nonsense"))
    assert document.comments == ((2, "; note"), (3, "; more"), (4, ";"))


def test_preamble_is_what_stands_before_the_first_assignment():
    assert parse("; a\n\n ; b\n\nx = 1\n; c\n").preamble == "; a\n\n ; b\n"
    assert parse("x = 1").preamble == ""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_end_of_the_file(end):
    assert parse(end.join(["; head", "a = 1"])).newline == end


def test_a_file_too_large_for_a_geometry_is_refused():
    with pytest.raises(GeometryFileError, match="more than a geometry file holds"):
        parse("=\n" * (MAX_ASSIGNMENTS + 1))
