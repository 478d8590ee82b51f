import os

import pytest

from geomlib.atomic import replacing
from geomlib.errors import GeometryFileError


def test_file_appears_at_the_end(tmp_path):
    path = tmp_path / "new.txt"
    with replacing(path) as temporary:
        temporary.write_text("content")
        assert temporary.parent == tmp_path
        assert not path.exists()
    assert path.read_text() == "content"
    assert [p.name for p in tmp_path.iterdir()] == ["new.txt"]


def test_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "old.txt"
    path.write_text("old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["old.txt"]


def test_permissions_and_links_are_kept(tmp_path):
    path, link = tmp_path / "real.txt", tmp_path / "link.txt"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    with replacing(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_new_file_obeys_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        with replacing(tmp_path / "new.txt"):
            pass
    finally:
        os.umask(old)
    assert (tmp_path / "new.txt").stat().st_mode & 0o777 == 0o640


def test_missing_folder(tmp_path):
    path = tmp_path / "no" / "file.txt"
    with pytest.raises(GeometryFileError) as caught, replacing(path):
        pass
    assert str(caught.value) == f"{path}: there is no such folder"


def test_errors_name_the_file_and_not_the_temporary_one(tmp_path):
    path = tmp_path / "file.txt"
    with pytest.raises(GeometryFileError) as caught, replacing(path) as temporary:
        raise PermissionError(13, "Permission denied", str(temporary))
    assert str(caught.value) == f"{path}: cannot be written: Permission denied"
    assert not list(tmp_path.iterdir())


def test_long_names(tmp_path):
    # 243 bytes; systems allow 255.
    path = tmp_path / ("漢" * 78 + ".cxi.data")
    with replacing(path) as temporary:
        temporary.write_text("content")
    assert path.read_text() == "content"


def test_a_folder_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(GeometryFileError) as caught, replacing(tmp_path):
        pytest.fail("was given a file to write")
    assert str(caught.value) == f"{tmp_path}: is a folder; expected a file"
    assert not list(tmp_path.iterdir())


def test_devices_and_pipes_are_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with (
        pytest.raises(GeometryFileError, match="is a device or a pipe; expected a file"),
        replacing(pipe),
    ):
        pass
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
