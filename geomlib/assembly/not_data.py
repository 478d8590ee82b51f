"""What people pass as data though it only leads to some: the way on, in words."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from geomlib.assembly.image import AssembledImage
from geomlib.detector import Detector
from geomlib.errors import GeometryError, warn


def check_is_data(value: Any, name: str) -> None:
    """Refuse what holds, or makes, or names arrays, but is none.

    Parameters
    ----------
    value : object
        What was given.
    name : str
        The argument: ``"data"``, or the option that was given with it.

    Raises
    ------
    GeometryError
        The message says what to pass instead.
    """
    advice = _advice(value, name)
    if advice:
        raise GeometryError(f"{name} is {advice}")


def check_gain_axis(
    frames: tuple[int, ...], dtype: np.dtype[Any], detector: Detector, *, certain: bool = False
) -> None:
    """Warn of frames about to be reduced whose last axis looks like the gain axis of raw data.

    Raw AGIPD and LPD data holds pixel values and gains side by side: a mean of the two is nothing.

    Parameters
    ----------
    frames, dtype, detector
        Of the data.
    certain : bool
        Refuse them.

    Raises
    ------
    GeometryError
        If `certain`.
    """
    raw = detector.name.startswith(("AGIPD", "LPD")) and dtype.newbyteorder("=") == np.uint16
    if not raw or len(frames) < 2 or frames[-1] != 2:
        return
    found = f"data has the frames {frames}, whose last axis looks like the gain axis of raw data"
    if certain:
        raise GeometryError(
            f"{found}; reduce= would mix pixel values and gains. Pixel values only: "
            "data.dask_array(labelled=True)[:, :, 0]"
        )
    warn(f"{found}, which reduce= takes in as well: take index 0 of it for the pixel values only")


def is_instance(value: object, module: str, name: str) -> bool:
    """Tell whether a value is of a class of some package, without importing the package."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(value, kind)


def _advice(value: Any, name: str) -> str:
    kind = type(value).__name__
    if name == "data" and value is None:
        return "None, but must be an array (…, modules, ss, fs), or one for each module"
    if name == "data" and isinstance(value, str | bytes | os.PathLike):
        return f"a {kind}: open_frames(path, geometry) gives the frames in a file"
    if is_instance(value, "h5py", "Group"):
        return f"a {kind} of h5py: pass a dataset in it, such as {name}['entry/data']"
    if is_instance(value, "h5py", "Dataset") and not value:
        return "a dataset whose file is closed"
    if isinstance(value, AssembledImage):
        if name == "data":
            return "an AssembledImage: dismantle_image takes images apart into module data"
        return f"an image: dismantle_mask({name}, geometry) takes a mask to the modules"
    if isinstance(value, Iterator) and not hasattr(value, "__array__"):
        return f"a {kind}: pass a list, or assemble one entry after the other"
    if is_instance(value, "xarray", "Dataset"):
        return (
            f"an xarray Dataset: pass one of its arrays, {', '.join(map(str, value)) or 'if any'}"
        )
    if type(value).__module__.split(".")[0] == "extra_data" and not hasattr(value, "shape"):
        return f"a {kind} of EXtra-data: pass one of its keys, such as {name}['image.data']"
    return ""
