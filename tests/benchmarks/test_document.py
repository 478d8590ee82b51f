"""Tables of benchmarks go into the documentation by a program."""

import re
from pathlib import Path

import pytest

from benchmarks import document

PRINTED = """a processor, 2 threads

First

| what | time |
|---|---|
| one | 1.00 |

| what | time |
|---|---|
| two | 2.00 |
| three | 3.00 |
"""
PAGE = """# Times

<!-- fast, table 2 -->
| what | time |
|---|---|
| two | 9.00 |

| another | table |

<!-- slow, table 1 -->
| what |
|---|
"""


def test_a_table_is_replaced_by_the_one_that_was_printed():
    printed = document.tables(PRINTED)
    assert [len(table) for table in printed] == [3, 4]
    new = document.with_tables(PAGE, {"fast": printed})
    # What is not marked, or was not run, stays.
    assert new == PAGE.replace("| two | 9.00 |", "| two | 2.00 |\n| three | 3.00 |")


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (PAGE.replace("table 2", "table 3"), "benchmark fast printed 2 tables"),
        ("<!-- fast, table 1 -->\n\n| what |\n", "no table follows <!-- fast, table 1 -->"),
    ],
)
def test_a_mark_without_a_table_is_an_error(page, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        document.with_tables(page, {"fast": document.tables(PRINTED)})


def test_every_table_of_the_pages_has_a_benchmark():
    marks = [mark for page in document.DOCS.glob("*.md") for mark in _marks(page)]
    assert len(marks) > 20
    for name, _ in marks:
        assert (Path(document.__file__).parent / f"{name}.py").is_file(), name


def _marks(page):
    text = page.read_text("utf-8")
    # Each is understood, and has a table.
    document.with_tables(text, {})
    return document.MARK.findall(text)
