"""Opening HDF5 files that somebody else wrote, and what to say when nothing in them fits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomlib.errors import GeometryError, GeometryFileError, system_error

if TYPE_CHECKING:
    import h5py

#: Objects looked at before a search in a file is given up, and datasets listed in a message.
MAX_OBJECTS, MAX_LISTED = 20_000, 8


@contextmanager
def open_hdf5(path: str | PathLike[str]) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises
    ------
    GeometryFileError
        If there is no such file, it may not be read, is damaged or no HDF5 file.
    """
    import h5py

    with suppress(ImportError):
        # Where it is installed, it brings the compression filters that detector files use.
        import_module("hdf5plugin")
    try:
        with Path(path).open("rb"):
            pass  # h5py's message for a missing or forbidden file does not say which
    except OSError as error:
        raise system_error(error, path, "read") from error
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise GeometryFileError(f"no readable HDF5 file: {error}", path=path) from error
    with file:
        try:
            yield file
        except GeometryError:
            raise
        except (OSError, RuntimeError, KeyError, UnicodeDecodeError) as error:
            raise GeometryFileError(f"damaged: {error}", path=path) from error


def get_dataset(file: h5py.File | h5py.Group, name: str) -> h5py.Dataset | None:
    """Return a dataset by its path, or None where there is none (or only a broken link)."""
    import h5py

    try:
        found = file.get(name)
    except (KeyError, OSError, RuntimeError, ValueError):
        return None
    return found if isinstance(found, h5py.Dataset) else None


def image_datasets(file: h5py.File) -> list[tuple[str, tuple[int, ...], Any]]:
    """Path, shape and dtype of the numeric datasets of two or more axes, in file order.

    Soft and external links are not followed; the search ends after `MAX_OBJECTS` objects.
    """
    import h5py

    found: list[tuple[str, tuple[int, ...], Any]] = []
    seen = 0

    def look(name: str, item: object) -> bool | None:
        nonlocal seen
        seen += 1
        if isinstance(item, h5py.Dataset) and is_image(item):
            found.append((f"/{name}", tuple(item.shape), item.dtype))
        return True if seen >= MAX_OBJECTS else None

    file.visititems(look)
    return found


def is_image(dataset: h5py.Dataset) -> bool:
    """Tell whether a dataset could hold images: numbers, two or more axes, not tiny."""
    if dataset.shape is None:
        return False
    return dataset.dtype.kind in "uifb" and dataset.ndim >= 2 and min(dataset.shape[-2:]) > 7


def list_datasets(found: list[tuple[str, tuple[int, ...], Any]]) -> str:
    """Say which datasets there are, for a message on one line."""
    if not found:
        return "no dataset in it looks like images"
    shown = [f"{name} {shape} {dtype}" for name, shape, dtype in found[:MAX_LISTED]]
    more = len(found) - len(shown)
    return "it holds " + "; ".join(shown) + (f"; and {more} more" if more > 0 else "")
