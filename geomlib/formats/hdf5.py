"""HDF5: reading what is not to be trusted, writing the same bytes for the same geometry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geomlib.errors import GeometryFileError, system_error

if TYPE_CHECKING:
    import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: Compact groups, and readable by every HDF5 library since 1.8 (2008).
VERSIONS = ("v108", "v108")
#: What h5py raises for damaged files depends on the damage.
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError)
#: Most numbers in one dataset: a map of 256 megapixels. Files that claim more are wrong.
MAX_SIZE = 2**28


def recognised(path: Path, first_bytes: bytes, test: Callable[[h5py.File], bool]) -> bool:
    """Tell whether a file is HDF5 and passes a test; one that cannot be opened does not."""
    if not first_bytes.startswith(SIGNATURE):
        return False
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return bool(test(file))
    except DAMAGE:
        return False


@contextmanager
def opened(path: str | PathLike[str]) -> Iterator[h5py.File]:
    """Open a file to read.

    Raises
    ------
    GeometryFileError
        If it cannot be opened, or something in it turns out to be damaged.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except GeometryFileError:
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as problem:
        raise system_error(problem, path, "read") from None
    except DAMAGE as problem:
        raise GeometryFileError(f"not a readable HDF5 file ({problem})", path=path) from problem


def child(parent: h5py.Group, name: str) -> Any:
    """Open a member, and refuse links out of the file, or to nowhere.

    Raises
    ------
    GeometryFileError
        If there is no such member, or it lies in another file.
    """
    import h5py

    path, key = parent.file.filename, key_of(parent, name)
    link = parent.get(name, getlink=True)
    if link is None:
        raise GeometryFileError("missing", path=path, key=key)
    if isinstance(link, h5py.ExternalLink):
        raise GeometryFileError(
            f"is a link to another file, {link.filename!r}; expected the data itself",
            path=path,
            key=key,
        )
    found = parent.get(name)
    if found is None:
        raise GeometryFileError("is a link to nowhere", path=path, key=key)
    if found.file.filename != parent.file.filename:
        raise GeometryFileError("lies in another file", path=path, key=key)
    return found


def group(parent: h5py.Group, name: str) -> h5py.Group:
    """Open a group.

    Raises
    ------
    GeometryFileError
        If there is none.
    """
    import h5py

    found = child(parent, name)
    if not isinstance(found, h5py.Group):
        raise GeometryFileError(
            "expected a group, found a dataset",
            path=parent.file.filename,
            key=key_of(parent, name),
        )
    return found


def numbers(
    parent: h5py.Group,
    name: str,
    shape: tuple[int | None, ...] | None = None,
    *,
    largest: int = MAX_SIZE,
) -> npt.NDArray[np.float64]:
    """Read a dataset of finite numbers.

    Parameters
    ----------
    parent : Group
        Where it is.
    name : str
        Its name.
    shape : tuple, optional
        What it has to be; None for a length that does not matter.
    largest : int
        Most numbers that it may claim to have.

    Raises
    ------
    GeometryFileError
        If it is missing, not made of numbers, of another shape, or larger.
    """
    data = dataset(parent, name, shape, largest=largest)
    values = np.asarray(data[()], dtype=np.float64)
    if not np.isfinite(values).all():
        raise error(parent, name, "expected finite numbers, found NaN or infinity")
    return values


def dataset(
    parent: h5py.Group,
    name: str,
    shape: tuple[int | None, ...] | None = None,
    *,
    largest: int = MAX_SIZE,
) -> h5py.Dataset:
    """Open a dataset of numbers that may be read; otherwise as `numbers`."""
    import h5py

    data = child(parent, name)
    if not isinstance(data, h5py.Dataset):
        raise error(parent, name, "expected a dataset of numbers, found a group")
    if data.dtype.kind not in "fiu" or data.shape is None:
        raise error(parent, name, f"expected numbers, found {data.dtype}")
    if shape is not None and not _is_shape(data.shape, shape):
        expected = "(" + ", ".join("…" if n is None else str(n) for n in shape) + ")"
        raise error(parent, name, f"expected shape {expected}, found {data.shape}")
    if data.is_virtual or data.external:
        raise error(parent, name, "the numbers lie in another file; expected them in this one")
    claimed = max(data.size, int(np.prod(data.chunks or (1,), dtype=np.int64)))
    if claimed > largest:
        raise error(parent, name, f"claims {claimed:.2g} numbers, more than {largest:.2g}")
    return data


def text(parent: h5py.Group, name: str) -> str | None:
    """Read a dataset that is one text; None if there is none of that name.

    Raises
    ------
    GeometryFileError
        If it is something else.
    """
    import h5py

    if parent.get(name, getlink=True) is None:
        return None
    data = child(parent, name)
    if isinstance(data, h5py.Dataset) and data.size == 1 and data.dtype.kind in "SO":
        return as_text(np.asarray(data[()]).reshape(-1)[0])
    raise error(parent, name, "expected a text")


def as_text(value: object) -> str:
    """Return an attribute or an element that is a text, bytes or not, as a text."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def nx_class(item: h5py.Group | h5py.Dataset) -> str:
    """NeXus class of a group, empty without one."""
    return as_text(item.attrs.get("NX_class", ""))


def error(parent: h5py.Group, name: str, message: str) -> GeometryFileError:
    """Return the error that something is wrong with a member of a group."""
    return GeometryFileError(message, path=parent.file.filename, key=key_of(parent, name))


def key_of(parent: h5py.Group, name: str) -> str:
    """Whole path of a member in its file."""
    return f"{(parent.name or '').rstrip('/')}/{name}"


def _is_shape(found: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(found) == len(expected) and all(
        want in (None, have) for have, want in zip(found, expected, strict=True)
    )


# -- Writing --------------------------------------------------------------------------------


@contextmanager
def created(path: str | PathLike[str]) -> Iterator[h5py.File]:
    """Make a new file, whole or not at all; see `replacing`."""
    import h5py

    from geomlib.atomic import replacing

    with replacing(path) as temporary, h5py.File(fspath(temporary), "w", libver=VERSIONS) as file:
        yield file


def new_group(parent: h5py.Group, name: str, nx_class: str | None = None) -> h5py.Group:
    """Make a group without the time of day in it: the same geometry gives the same bytes."""
    import h5py

    properties = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    properties.set_obj_track_times(False)
    made = h5py.Group(h5py.h5g.create(parent.id, name.encode(), gcpl=properties))
    if nx_class is not None:
        made.attrs["NX_class"] = nx_class
    return made


def fixed(text: str) -> np.bytes_:
    """Return a text of fixed length for a dataset or attribute.

    A damaged file with texts of variable length can keep the HDF5 library busy for ever.
    """
    return np.bytes_(text.encode())
