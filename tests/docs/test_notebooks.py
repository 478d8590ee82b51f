import json
import re
from pathlib import Path

import pytest

import geomlib

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
#: Seconds that a cell may take; on a busy machine the slowest takes a tenth of that.
CELL_TIMEOUT = 120

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_five():
    assert [path.stem for path in NOTEBOOKS] == [
        "1-first-picture",
        "2-masks",
        "3-runs",
        "4-integration",
        "5-conversion",
    ]


@each_notebook
def test_kept_without_outputs(path):
    """Outputs would make large, unreadable changes; CI shows that the notebooks run."""
    text = path.read_text(encoding="utf-8")
    book = json.loads(text)
    for cell in book["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
    # As Jupyter writes them, so that opening and saving one changes nothing else.
    assert text == json.dumps(book, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    assert book["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


@each_notebook
def test_links_lead_somewhere(path):
    book = json.loads(path.read_text(encoding="utf-8"))
    text = "".join(line for cell in book["cells"] for line in cell["source"])
    for link in re.findall(r"\]\(([^)#:]+)[)#]", text):
        assert (FOLDER / link).is_file(), link


@pytest.mark.notebooks
@each_notebook
def test_runs(path, tmp_path, monkeypatch):
    """Run it in a kernel of its own, in an empty folder, which it leaves empty."""
    import nbformat
    from nbclient import NotebookClient

    # The kernel is a process of its own, so that the settings of this suite do not reach it. It
    # imports the geomlib of this tree, whatever is installed.
    monkeypatch.setenv("PYTHONPATH", str(Path(geomlib.__file__).parents[1]))
    working, temporary = tmp_path / "working", tmp_path / "temporary"
    for name, folder in (("TMPDIR", temporary), ("IPYTHONDIR", tmp_path / "ipython")):
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    working.mkdir()
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    where = {"metadata": {"path": str(working)}}
    NotebookClient(book, timeout=CELL_TIMEOUT, resources=where).execute()
    assert pictures(book) >= 2
    assert list(working.iterdir()) == []
    # Of distributed a folder with locks stays behind.
    assert {path.name for path in temporary.iterdir()} <= {"dask-scratch-space"}


def pictures(book):
    """Count the pictures that a notebook shows."""
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)
