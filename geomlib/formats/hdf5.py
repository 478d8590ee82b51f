"""HDF5: reading what is not to be trusted, writing the same bytes for the same geometry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from os import PathLike, fspath
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geomlib.errors import GeometryError, GeometryFileError, system_error, warn
from geomlib.formats.layout import LAYOUT_KEY

if TYPE_CHECKING:
    import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: Compact groups, and readable by every HDF5 library since 1.8 (2008).
VERSIONS = ("v108", "v108")
#: What h5py raises for damaged files depends on the damage.
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError)
#: Most numbers in one dataset: a map of 256 megapixels. Files that claim more are wrong.
MAX_SIZE = 2**28
#: Most numbers that a field with one number a frame may have.
MAX_FRAMES = 2**22
#: Bytes of a name, or another short text, and of a note of geomlib's.
LONGEST_NAME, LONGEST_NOTE = 1 << 16, 1 << 24
#: Members that are looked at in search of something: in one group, and in all of them together.
MOST_MEMBERS, MOST_LOOKED_AT = 1000, 5000
#: Links that lead to links, before it is a circle.
_MOST_LINKS = 16


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
    except GeometryError:
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as problem:
        raise system_error(problem, path, "read") from None
    except DAMAGE as problem:
        if not _is_of_h5py(problem):
            raise
        raise GeometryFileError(f"not a readable HDF5 file ({problem})", path=path) from problem


def _is_of_h5py(problem: BaseException) -> bool:
    """Tell whether h5py raised it, or what h5py called; any other error is a mistake of ours."""
    names = (f.f_globals.get("__name__", "") for f, _ in walk_tb(problem.__traceback__))
    return any(name.partition(".")[0] == "h5py" for name in names)


# -- Links and members ----------------------------------------------------------------------


def has(parent: h5py.Group, name: str) -> bool:
    """Tell whether there is a member of a name, without opening it: it may be in another file."""
    return parent.get(name, getlink=True) is not None


def is_here(parent: h5py.Group, name: str) -> bool:
    """Tell whether there is a member of a name that is no link to elsewhere."""
    import h5py

    return isinstance(parent.get(name, getlink=True), h5py.HardLink)


def members(
    parent: h5py.Group, limit: int = MOST_MEMBERS, turns: Iterator[int] | None = None
) -> Iterator[str]:
    """Go through the names of the first members of a group; links to elsewhere are left out.

    Parameters
    ----------
    parent : Group
        Whose members.
    limit : int
        Most of them that are looked at. Names come as h5py orders them, or in no order where there
        are more.
    turns : iterator, optional
        One is taken for each of them; none are looked at after its end.
    """
    import h5py

    found: list[bytes] = []

    def add(name: bytes) -> bool | None:
        found.append(name)
        return True if len(found) > limit else None

    # h5py's own iteration reads the names of all.
    parent.id.links.iterate(add, order=h5py.h5.ITER_NATIVE)
    first = (name.decode("utf-8", "surrogateescape") for name in found[:limit])
    names = first if len(found) > limit else iter(parent)
    for name, _ in zip(names, count() if turns is None else turns, strict=False):
        if is_here(parent, name):
            yield name


def find(
    parent: h5py.Group, *classes: str, limit: int = MOST_MEMBERS, turns: Iterator[int] | None = None
) -> Iterator[h5py.Group]:
    """Go through groups of a NeXus class, in groups of another class, and so on.

    Parameters
    ----------
    parent : Group
        Where to begin, such as the file.
    *classes : str
        Of the groups on the way, such as ``"NXentry", "NXinstrument"``, and of those to find.
    limit : int
        Most members of each group that are looked at.
    turns : iterator, optional
        As long as members of all groups together may be looked at, `MOST_LOOKED_AT` if not given:
        one group can be a member of many.
    """
    import h5py

    turns = iter(range(MOST_LOOKED_AT)) if turns is None else turns
    for name in members(parent, limit, turns):
        found = parent[name]
        if isinstance(found, h5py.Group) and nx_class(found) == classes[0]:
            if len(classes) == 1:
                yield found
            else:
                yield from find(found, *classes[1:], limit=limit, turns=turns)


def child(parent: h5py.Group, name: str) -> Any:
    """Open a member, and refuse links out of the file, or to nowhere.

    Raises
    ------
    GeometryFileError
        If there is no such member, or it lies in another file.
    """
    return _open(parent, name, iter(range(_MOST_LINKS)))


def _open(parent: h5py.Group, name: str, turns: Iterator[int]) -> Any:
    """Open a member step by step: HDF5 would follow a link through another file, or a pipe."""
    import h5py

    link = parent.get(name, getlink=True)
    if isinstance(link, h5py.HardLink):
        return parent[name]
    if link is None:
        raise error(parent, name, "missing")
    if not isinstance(link, h5py.SoftLink):
        raise error(
            parent,
            name,
            f"is a link to another file, {link.filename!r}; expected the data itself",
        )
    place: Any = parent.file if link.path.startswith("/") else parent
    for part in link.path.split("/"):
        if part in ("", "."):
            continue
        if next(turns, None) is None or not isinstance(place, h5py.Group):
            raise error(parent, name, "is a link that leads nowhere, or round in a circle")
        if not has(place, part):
            raise error(parent, name, "is a link to nowhere")
        place = _open(place, part, turns)
    return place


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
        raise error(parent, name, "expected a group, found a dataset")
    return found


# -- Numbers and texts ----------------------------------------------------------------------


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
    claimed = max(data.size, np.prod(data.chunks or (1,), dtype=float))
    if claimed > largest:
        raise error(parent, name, f"claims {claimed:.2g} numbers, more than {largest:.2g}")
    return data


def note(parent: h5py.Group, name: str = LAYOUT_KEY) -> str | None:
    """Read a note that geomlib wrote, that on the layout or another; None if there is none.

    A damaged file with texts of variable length can keep the HDF5 library busy for ever, so that
    notes are written by `fixed`, and read only so.

    Warns
    -----
    GeometryWarning
        If it is something else, or too long.
    """
    if not has(parent, name):
        return None
    found = texts(parent, name, (), LONGEST_NOTE)
    if found is None:
        where = f"{parent.file.filename} [{key_of(parent, name)}]"
        warn(f"{where}: expected a text of fixed length; the note is not used")
        return None
    return found[0]


def text(parent: h5py.Group, name: str) -> str | None:
    """Read a short text of another program, of variable length perhaps; None if there is none.

    Raises
    ------
    GeometryFileError
        If it is something else.
    """
    import h5py

    if not has(parent, name):
        return None
    data = child(parent, name)
    is_text = isinstance(data, h5py.Dataset) and data.size == 1 and data.dtype.kind in "SO"
    if not is_text or data.dtype.itemsize > LONGEST_NAME or data.is_virtual or data.external:
        raise error(parent, name, "expected a short text")
    return as_text(np.asarray(data[()]).reshape(-1)[0])


def texts(
    parent: h5py.Group, name: str, shape: tuple[int, ...], longest: int = LONGEST_NAME
) -> list[str] | None:
    """Read a dataset of texts of fixed length; None if it is anything else.

    Parameters
    ----------
    parent : Group
        Where it is.
    name : str
        Its name.
    shape : tuple
        What it has to be.
    longest : int
        Most bytes of a text; all together have no more than `LONGEST_NOTE`.

    Raises
    ------
    GeometryFileError
        If it is missing, or in another file.
    """
    import h5py

    data = child(parent, name)
    if not isinstance(data, h5py.Dataset) or data.shape != shape or data.dtype.kind != "S":
        return None
    claimed = max(data.size, np.prod(data.chunks or (1,), dtype=float)) * data.dtype.itemsize
    if data.dtype.itemsize > longest or claimed > LONGEST_NOTE or data.is_virtual or data.external:
        return None
    return [as_text(text) for text in np.asarray(data[()]).reshape(-1)]


def attribute(item: h5py.Group | h5py.Dataset, name: str, default: str = "") -> str:
    """Read a short attribute as a text; those of NeXus files are of variable length, mostly.

    Raises
    ------
    GeometryFileError
        If it is an array, or too long.
    """
    if name not in item.attrs:
        return default
    found = item.attrs.get_id(name)
    if found.shape not in ((), (1,)) or found.dtype.itemsize > LONGEST_NAME:
        raise GeometryFileError(
            "expected a short text", path=item.file.filename, key=f"{item.name}@{name}"
        )
    return as_text(item.attrs[name])


def as_text(value: object) -> str:
    """Return an attribute or an element that is a text, bytes or not, as a text."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def nx_class(item: h5py.Group | h5py.Dataset) -> str:
    """NeXus class of a group, empty without one."""
    try:
        return attribute(item, "NX_class")
    except GeometryFileError:
        return ""


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
