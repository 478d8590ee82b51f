"""What NeXus files of images and of patterns have in common."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py


def make_group(parent: Any, name: str, nx_class: str, **attributes: str) -> h5py.Group:
    """Make a group of a NeXus class, with attributes."""
    group = parent.create_group(name)
    group.attrs.update({"NX_class": nx_class, **attributes})
    return group


def write_versions(parent: h5py.Group, *packages: str) -> None:
    """Write the versions of Python and of some packages, those that are installed."""
    group = make_group(parent, "versions", "NXcollection")
    group["python"] = sys.version.split()[0]
    for package, found in installed_versions(*packages).items():
        group[package] = found


def installed_versions(*packages: str) -> dict[str, str]:
    """Return the versions of those of some packages that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
