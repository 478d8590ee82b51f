"""The lexical layer: nothing is lost, and every line is seen as CrystFEL 0.12 sees it."""

import pytest

from geomlib.errors import GeometryError, GeometryFileError
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
def test_edits_change_nothing_else(end):
    text = end.join(["; head", "a = 1   ; keep", "p/b=2", "c = 3"])
    document = parse(text)
    edited = document.replace_values({0: "11.5", 1: "-7"})
    assert edited.text == text.replace("= 1 ", "= 11.5 ").replace("b=2", "b=-7")
    assert document.text == text
    more = edited.insert_after(1, ["p/x = 1", "p/y = 2"])
    assert more.text.split(end)[3:5] == ["p/x = 1", "p/y = 2"]
    assert more.insert_lines(0, ["; first"]).text.startswith(f"; first{end}; head{end}")
    assert document.insert_after(2, ["d = 4"]).text == text + end + "d = 4" + end
    assert document.newline == end


def test_an_edit_may_fill_an_empty_value():
    assert parse("a =\nb = 1").replace_values({0: "5"}).values == ["5", "1"]


@pytest.mark.parametrize("value", ["1 ; 2", "1\n2", " 1", "1\0"])
def test_an_edit_that_would_not_be_read_back_is_refused(value):
    with pytest.raises(GeometryError, match="cannot be a value"):
        parse("a = 1").replace_values({0: value})


def test_a_file_too_large_for_a_geometry_is_refused():
    with pytest.raises(GeometryFileError, match="more than a geometry file holds"):
        parse("=\n" * (MAX_ASSIGNMENTS + 1))
