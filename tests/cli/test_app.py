"""The command as a whole: help, version, mistakes in its use."""

import subprocess
import sys

import pytest

import geomlib
from geomlib.cli import app as application
from geomlib.cli.console import one_line
from tests.cli.command import run, run_wrong, small_geometry

COMMANDS = ["info", "inspect", "assemble", "convert", "integrate", "demo", "warmup"]


def test_without_arguments_it_shows_its_help(capsys):
    assert run() == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_an_example(command, capsys):
    assert run(command, "--help") == 0
    assert f"Example: geomlib {command}" in capsys.readouterr().out


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"geomlib {geomlib.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "No such command 'nope'"),
        (["info"], "Missing argument"),
        (["info", "a", "b"], "unexpected extra argument"),
        (["info", "--nope", "a"], "No such option"),
        (["assemble", "a.npy", "-o", "a.png"], "Missing option '--geometry'"),
        (["assemble", "a.npy", "-g", "g", "-o", "a.png", "--reduce", "median"], "'median' is not"),
        (["inspect", "a", "--dpi", "5000"], "Invalid value for '--dpi'"),
    ],
)
def test_wrong_use_is_one_line(arguments, message, capsys):
    error = run_wrong(capsys, *arguments)
    assert message in error
    assert "--help" in error


def test_the_command_is_installed_and_its_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from geomlib.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit as left:\n    assert not left.code\n"
        "heavy = {'numpy', 'h5py', 'numba', 'matplotlib', 'pyFAI'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "assemble" in done.stdout


def test_errors_and_warnings_of_a_process(tmp_path):
    code = "from geomlib.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "info", str(tmp_path / "nope.geom")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "nope.geom" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unforeseen_exception_is_one_line_and_its_traceback_to_be_had(monkeypatch, capsys):
    def broken(**_: object) -> None:
        raise KeyError("a mistake of ours")

    monkeypatch.setattr(application, "app", broken)
    monkeypatch.delenv("GEOMLIB_DEBUG", raising=False)
    error = run_wrong(capsys, "info", "x")
    assert "a fault of geomlib: KeyError: 'a mistake of ours' (GEOMLIB_DEBUG=1" in error
    monkeypatch.setenv("GEOMLIB_DEBUG", "1")
    with pytest.raises(KeyError):
        application.main([])


def test_a_batch_system_that_stops_it_leaves_no_half_written_file(tmp_path):
    code = (
        "import os, signal, sys, time\n"
        "from geomlib.atomic import replacing\n"
        "from geomlib.cli import app, main\n"
        "def writing(**_):\n"
        "    with replacing(sys.argv[1]) as temporary:\n"
        "        temporary.write_bytes(b'half')\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        time.sleep(60)\n"
        "app.app = writing\n"
        "main([])\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "large.h5")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (143, "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("problem", "code", "message"),
    [
        (MemoryError(), 2, "error: not enough memory"),
        (KeyboardInterrupt(), 130, "error: stopped"),
        (PermissionError(13, "Permission denied", "a.png"), 2, "Permission denied: 'a.png'"),
    ],
)
def test_what_goes_wrong_outside(problem, code, message, monkeypatch, capsys):
    def failing(**_: object) -> None:
        raise problem

    monkeypatch.setattr(application, "app", failing)
    assert run("info", "x") == code
    assert message in capsys.readouterr().err


def test_messages_stay_on_one_line_and_move_no_cursor():
    assert one_line("a\nb\t\x1b[31mc  d\r\n") == "a b \ufffd[31mc d"


def test_a_file_name_with_markup_is_printed_as_it_is(tmp_path, capsys):
    assert "[bold]x[/nope].geom" in run_wrong(capsys, "info", tmp_path / "[bold]x[/nope].geom")


def test_a_closed_pipe_is_no_traceback(tmp_path):
    geometry = small_geometry(tmp_path)
    code = f"{sys.executable} -c 'from geomlib.cli import main; main()' info {geometry} | true"
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
