"""Texts of fixed length in HDF5 files.

Texts of variable length, which h5py writes by itself, lie elsewhere in a file, behind pointers: one
damaged byte can keep the HDF5 library busy for ever, where nobody can stop it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import h5py


def fixed(text: str) -> np.bytes_:
    """Return a text of fixed length for a dataset or attribute.

    What UTF-8 cannot hold is written as JSON has it.
    """
    return np.bytes_(text.encode("utf-8", "backslashreplace"))


def fixed_attribute(item: h5py.Group | h5py.Dataset, name: str) -> str | None:
    """Read an attribute that `fixed` wrote; None if it is missing or anything else."""
    if name not in item.attrs:
        return None
    found = item.attrs.get_id(name)
    if found.shape != () or found.dtype.kind != "S":
        return None
    return bytes(item.attrs[name]).decode("utf-8", "replace")
