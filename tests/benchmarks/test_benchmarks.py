"""The benchmarks run, and their tables say what they say they do."""

import math
import re

import pytest

import geomlib
from benchmarks import (
    assemble,
    first_use,
    fused,
    integrate,
    memory,
    peers,
    reduce,
    scaling,
    split,
    stream,
)
from benchmarks.tables import Table
from benchmarks.timing import describe_machine, medians

pytestmark = pytest.mark.jit


def positive(row, *names):
    assert set(names) <= set(row)
    assert all(value > 0 for value in row.values()), row


def test_calls_take_turns_in_changing_order():
    calls = []
    todo = {name: lambda name=name: calls.append(name) for name in "abcd"}
    times = medians(todo, 8, slow={"d": 2})
    assert list(times) == list("abcd")
    assert all(time >= 0 for time in times.values())
    warm, timed = calls[:4], calls[4:]
    assert warm == list("abcd")
    assert {name: timed.count(name) for name in "abcd"} == {"a": 8, "b": 8, "c": 8, "d": 2}
    late = timed[-9:]
    rounds = [tuple(late[i : i + 3]) for i in range(0, 9, 3)]
    assert all(sorted(one) == list("abc") for one in rounds)
    first = list(calls)
    calls.clear()
    medians(todo, 8, slow={"d": 2})
    assert calls == first, "the order is random, but the same in every run"
    assert len({tuple(timed[i : i + 3]) for i in range(8, 26, 3)}) > 1


def test_a_table_in_markdown(capsys):
    table = Table("Times", "what")
    table.add("one", {"a": 1.234, "b": math.nan})
    table.add("two", {"a": 1234.5, "b": 0.1})
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "",
        "Times",
        "",
        "| what | a | b |",
        "|---|---|---|",
        "| one | 1.23 | – |",
        "| two | 1234 | 0.10 |",
    ]


def test_the_machine_is_described():
    said = describe_machine()
    assert re.search(r"\d+ processors", said)
    assert f"geomlib {geomlib.__version__}" in said


@pytest.mark.parametrize("name", assemble.NAMES)
def test_peers_have_the_same_geometry(name):
    peer = peers.extra_geom_geometry(name)
    frame = assemble.numbers(geomlib.example_geometry(name), 1, "f4")[0]
    theirs, centre = peer.position_modules(frame)
    ours = geomlib.assemble_data(frame, geomlib.example_geometry(name))
    assert theirs.tobytes() == ours.data.tobytes()
    assert tuple(centre) == tuple(ours.centre)


@pytest.mark.parametrize("table", assemble.TABLES)
def test_assemble(table):
    names = {
        "stack": ("copy, 2 threads", "geomlib, 2 threads", "EXtra-geom, pool of 2"),
        "frame": ("geomlib, 1 thread", "EXtra-geom", "reach"),
        "next": ("geomlib, 1 thread", "EXtra-geom", "reach"),
        "convert": ("uint16, 1 thread", "float32, 2 threads", "EXtra-geom, uint16"),
        "allocate": ("geomlib, 1 thread", "EXtra-geom", "× faster"),
        "dismantle": ("assemble, 1 thread", "dismantle, 2 threads"),
    }
    positive(assemble.TABLES[table][0]("AGIPD-1M", 2, 1), "C", "C, ms", *names[table])


def test_stream():
    row = stream.row("AGIPD-1M", 2, "uint16", 1)
    positive(row, "C", "geomlib, 2 threads", "transposed copy, EXtra-geom", "× faster")


def test_fused():
    treated = fused.treated("AGIPD-1M", 2, 1)
    assert list(treated)[-1] == "dark, gain and mask"
    windows = fused.windows("AGIPD-1M", 2, 1)
    assert [round(row["area"], 2) for row in windows.values()] == [1, 0.5, 0.25, 0.06]
    assert windows["whole image"]["time / whole, 1 thread"] == 1
    binned = fused.binned("AGIPD-1M", 2, 1)
    assert list(binned) == ["2 × 2", "4 × 4", "8 × 8"]
    for row in (*treated.values(), *windows.values(), *binned.values()):
        positive(row)


def test_scaling():
    geometry = scaling.modules(3)
    assert geometry.data_shape == (3, 512, 1024)
    row = scaling.row(geometry, 2, 1)
    positive(row, "MB", "C, ms/Mpx", "geomlib, 2 threads / C")
    assert row["MB"] == pytest.approx(2 * 3 * 512 * 1024 * 4 / 1e6)
    assert scaling.rounds(2**40, quick=False) == 3


def test_first_use(tmp_path):
    row = first_use.measure(first_use.USES["nearest"], str(tmp_path))
    names = ["numpy", "geomlib", "numba", "geometry", "first image", "second image"]
    positive(row, *names, "all of it")
    assert row["all of it"] > row["numpy"] + row["numba"] + row["first image"]
    assert any(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_reduce(capsys):
    reduce.tables("AGIPD-1M", 2, "float32", 1)
    rows = capsys.readouterr().out.splitlines()[-5:]
    assert [row.split(" ")[1] for row in rows] == list(reduce.HOWS)
    assert all(float(cell) > 0 for row in rows for cell in row.split("|")[2:-1])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_split(monkeypatch):
    monkeypatch.setattr(split, "FRAMES", 2)
    row = split.row("AGIPD-1M", 0.0, 1)
    positive(row | {"EXtra-geom, a further frame": 1}, "plan, 2 threads", "counts, 1 thread")


def test_integrate():
    geometry = integrate.geometry("ePix10K")
    row = integrate.ratios(geometry, 4, 1, "no", 100)
    positive(row, "geomlib, 1", "geomlib, 2, uint16", "pyFAI", "× faster, 2", "C, ms a frame")
    assert row["C"] == 1
    assert row["× faster, 2"] == pytest.approx(row["pyFAI"] / row["geomlib, 2"])
    assert set(integrate.REACH) == set(integrate.SPLITS)


def test_memory(tmp_path, capsys):
    geometry = geomlib.example_geometry("AGIPD-500K")
    size = memory.write_frames(tmp_path / "frames.h5", geometry, 8)
    assert size == 8 * 8 * 512 * 128 * 2
    memory.run(2, tmp_path / "frames.h5", "AGIPD-500K")
    said = re.match(r"\| HDF5, mean of all frames \| (\d+) \| [\d.]+ \|", capsys.readouterr().out)
    assert int(said[1]) > 20
