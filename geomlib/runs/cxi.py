"""Virtual CXI files of runs, the ``.geom`` files that fit them, and whether two of them agree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from geomlib import checks
from geomlib.atomic import replacing
from geomlib.data.hdf5 import get_dataset, open_hdf5
from geomlib.data.virtual import lost_files
from geomlib.errors import GeometryError, GeometryFileError, quiet, system_error
from geomlib.formats.crystfel import Document
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.registry import write_geometry
from geomlib.geometry import Geometry
from geomlib.runs.run import Run

#: Where virtual CXI files have their images, and what lies beside.
DATA = "/entry_1/instrument_1/detector_1/data"
MASK = "/entry_1/instrument_1/detector_1/mask"
#: Panels named in a message.
_LISTED = 3
#: Panels of the right detector reach over more than this part of a module.
_REACH = 0.75
# EXtra-data's class for each detector.
_CLASSES = {
    "AGIPD-1M": "AGIPD1M",
    "AGIPD-500K": "AGIPD500K",
    "LPD-1M": "LPD1M",
    "DSSC-1M": "DSSC1M",
}


def write_virtual_cxi(run: Run, path: str | os.PathLike[str], *, min_modules: int = 1) -> int:
    """Write a virtual CXI file of a run: a view of its files, as CrystFEL and Cheetah read it.

    Parameters
    ----------
    run : Run
        Whole trains of a European XFEL run.
    path : str or path-like
        The file; an older one is replaced.
    min_modules : int
        Leave out trains of which fewer modules have data.

    Returns
    -------
    int
        Frames in the file.

    Raises
    ------
    GeometryError
        If the run is of no detector that EXtra-data knows, its trains are not whole, or EXtra-data
        is not installed.
    GeometryFileError
        If the file cannot be written.
    """
    checks.integer("min_modules", min_modules, 1)
    data = _extra_data(run, min_modules)
    with replacing(path) as temporary, redirect_stdout(StringIO()):
        # EXtra-data prints what it finds.
        try:
            data.write_virtual_cxi(str(temporary))
        except OSError:
            raise
        except Exception as problem:
            # It raises bare exceptions for pulses that do not match between modules.
            raise GeometryFileError(f"EXtra-data: {problem}", path=run.path) from problem
    with open_hdf5(path) as file:
        return int(file[DATA].shape[0])


def _extra_data(run: Run, min_modules: int) -> Any:
    """Open the files of a run with EXtra-data, and select its trains."""
    try:
        from extra_data import DataCollection, by_id, components
    except ImportError:
        raise GeometryError(
            "virtual CXI files need the package EXtra-data: pip install 'geomlib[euxfel]'"
        ) from None
    detector = run.detector
    jungfrau = detector.name.startswith("JUNGFRAU")
    name = "JUNGFRAU" if jungfrau else _CLASSES.get(detector.name)
    trains = run.train_ids
    if name is None or trains is None or "/" in run.detector_name:
        raise GeometryError(
            f"{run.path}: EXtra-data makes virtual CXI files of runs of European XFEL with AGIPD, "
            "LPD, DSSC or JUNGFRAU"
        )
    folders = {file.parent for file in run.files}
    files = DataCollection.from_paths(
        [str(file) for file in run.files], is_single_run=len(folders) == 1
    )
    own: dict[str, Any] = {}
    if jungfrau:
        numbers = list(_labels(run))
        first = min(numbers) if max(numbers) > detector.n_modules else 1
        own = {"n_modules": detector.n_modules, "first_modno": first}
    try:
        found = getattr(components, name)(
            files,
            detector_name=run.detector_name,
            min_modules=min_modules,
            raw=run.is_raw,
            **own,
        )
    except ValueError as problem:
        raise GeometryFileError(f"EXtra-data: {problem}", path=run.path) from problem
    chosen = found.select_trains(by_id[np.intersect1d(run.trains, found.train_ids)])
    _check_whole(run, chosen)
    return chosen


def _labels(run: Run) -> Iterator[int]:
    """Yield the numbers in the names of sources."""
    for part in run.stack.parts:
        dataset = part.segments[0].dataset or ""
        member = dataset.partition(":")[0].rpartition("/")[2]
        digits = "".join(c for c in member if c.isdigit())
        yield int(digits or 1)


def _check_whole(run: Run, chosen: Any) -> None:
    """Refuse a selection of pulses: virtual CXI files of EXtra-data have whole trains."""
    each = getattr(chosen, "_frames_per_entry", 1)
    wanted = int(np.isin(np.asarray(run.train_ids), chosen.train_ids).sum())
    there = int(chosen.frame_counts.sum()) * each
    if wanted != there:
        raise GeometryError(
            f"the run has {wanted} frames of these trains, which have {there}: a virtual CXI file "
            "has whole trains; select trains only"
        )


def write_cxi_geometry(
    geometry: Geometry,
    cxi: str | os.PathLike[str],
    path: str | os.PathLike[str],
    **options: Any,
) -> None:
    """Write the CrystFEL ``.geom`` file that fits a virtual CXI file.

    Modules are numbered by their place in the data, from 0: also those of JUNGFRAU, which
    ``module_identifier`` in the file counts from 1. Raw data with an axis of gains is read at 0.

    Parameters
    ----------
    geometry : Geometry
        Where the pixels are.
    cxi : str or path-like
        The virtual CXI file.
    path : str or path-like
        The ``.geom`` file; an older one is replaced.
    **options
        Of the writer of ``.geom`` files: `adu_per_ev`, `distance`, `photon_energy` ….

    Raises
    ------
    GeometryFileError
        If the CXI file cannot be read, or the ``.geom`` file written.
    GeometryError
        If the geometry is of another detector than the data.
    """
    with open_hdf5(cxi) as file:
        data, mask = get_dataset(file, DATA), get_dataset(file, MASK)
        if data is None:
            raise GeometryFileError("no dataset of that name", path=cxi, key=DATA)
        shape = data.shape
    modules, ss, fs = geometry.data_shape
    if shape[1:2] != (modules,) or shape[-2:] != (ss, fs) or len(shape) not in (4, 5):
        raise GeometryError(
            f"{os.fspath(cxi)} has data of shape {shape}; {geometry.detector.name} needs "
            f"(frames, {modules}, {ss}, {fs}), or with an axis of gains behind that of modules"
        )
    given = {
        "layout": "vcxi",
        "data_path": DATA,
        "gain_axis": 0 if len(shape) == 5 else None,
        "mask_path": MASK if mask is not None else None,
    }
    # Its old text has another layout.
    fresh = geometry.replace(source=None, data_path=None, mask_path=None)
    write_geometry(fresh, path, format="crystfel", **given | options)


def check_cxi_pair(cxi: str | os.PathLike[str], geom: str | os.PathLike[str]) -> list[str]:
    """Say what is wrong between a CXI file and a CrystFEL ``.geom`` file.

    Parameters
    ----------
    cxi, geom : str or path-like
        The files.

    Returns
    -------
    list of str
        A sentence for each problem; empty where the two agree.

    Raises
    ------
    GeometryFileError
        If one cannot be read.
    """
    source = checks.path("geom", geom)
    try:
        text = source.read_bytes()
    except OSError as error:
        raise system_error(error, source, "read") from error
    view = PanelView(Document.parse(text, source))
    if not view.panels:
        raise GeometryFileError("found no panel", path=source)
    with open_hdf5(cxi) as file, quiet():
        problems = [*_lost(file, Path(cxi)), *_panels(file, view), *_masks(file, view)]
    return list(dict.fromkeys(problems))


def _lost(file: Any, path: Path) -> Iterator[str]:
    data = get_dataset(file, DATA)
    if data is not None and data.is_virtual:
        lost, n_files = lost_files(data, path)
        if lost:
            yield (
                f"{len(lost)} of the {n_files} files behind the virtual dataset are not there "
                f"({lost[0]} first): HDF5 reads fill values in their place"
            )


def _panels(file: Any, view: PanelView) -> Iterator[str]:
    """Yield what is wrong with panels, alike ones together."""
    found: dict[str, list[str]] = {}
    for name, problem in _panel_problems(file, view):
        found.setdefault(problem, []).append(name)
    for problem, names in found.items():
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        word = "panel" if len(names) == 1 else "panels"
        yield f"{word} {', '.join(names[:_LISTED])}{more}: {problem}"
    yield from _module_problems(file, view)


def _panel_problems(file: Any, view: PanelView) -> Iterator[tuple[str, str]]:
    """Yield names of panels, and what is wrong with each."""
    rows = zip(view.names, view.data, view.dimensions, view.bounds.tolist(), strict=True)
    for name, path, axes, (_, last_ss, _, last_fs) in rows:
        if "%" in path:
            yield name, f"data = {path} has a place holder, for one event a group"
            continue
        data = get_dataset(file, path)
        if data is None:
            yield name, f"data = {path}: the CXI file has no such dataset (virtual ones: {DATA})"
            continue
        problem = _axes_problem(data.shape, axes)
        if problem:
            yield name, problem
            continue
        for scan, last in (("ss", last_ss), ("fs", last_fs)):
            size = data.shape[axes.index(scan)]
            if last >= size:
                yield name, f"max_{scan} is not below {size}, for data of shape {data.shape}"


def _axes_problem(shape: tuple[int, ...], axes: tuple[Any, ...]) -> str | None:
    """Say what is wrong with the axes (``dim0`` …) of a panel; None if nothing is."""
    if len(axes) != len(shape):
        hint = ""
        if len(shape) == 5 and len(axes) == 4:
            hint = ": raw data has an axis of gains behind that of modules, dim2 = 0"
        elif len(shape) == 4 and len(axes) == 5:
            hint = ": corrected data has no axis of gains"
        return f"dim0 … dim{len(axes) - 1} for data of shape {shape}{hint}"
    if axes[0] != "%":
        return f"dim0 is {axes[0]}, but the first axis of the data is that of frames: dim0 = %"
    if axes[-2:] != ("ss", "fs"):
        return f"the last axes are {axes[-2]}, {axes[-1]}, but those of the data are ss, fs"
    for axis, (index, size) in enumerate(zip(axes, shape, strict=True)):
        if isinstance(index, int) and not 0 <= index < size:
            return f"dim{axis} = {index}, but the data of shape {shape} has 0 to {size - 1}"
    if len(shape) == 5 and axes[2] != 0:
        return f"dim2 = {axes[2]} are gains, not the signal, which is 0"
    return None


def _module_problems(file: Any, view: PanelView) -> Iterator[str]:
    """Yield what is wrong with the numbers of modules as a whole."""
    data = get_dataset(file, view.data[0])
    indices = {axes[1] for axes in view.dimensions if len(axes) >= 4}
    used = {index for index in indices if isinstance(index, int)}
    if data is None or data.ndim < 4 or not used:
        return
    modules = data.shape[1]
    reach = (view.bounds[:, [1, 3]].max(axis=0) + 1).tolist()
    if any(last < _REACH * size for last, size in zip(reach, data.shape[-2:], strict=True)):
        yield (
            f"panels reach to {reach[0]} × {reach[1]} (ss, fs) of the {data.shape[-2]} × "
            f"{data.shape[-1]} pixels of a module: is it of another detector?"
        )
    if min(used) == 1 and max(used) == modules:
        yield (
            f"module indices run from 1 to {modules}: the data counts from 0, although "
            "module_identifier of a JUNGFRAU begins with 1"
        )
        return
    left = sorted(set(range(modules)) - used)
    if left:
        yield f"no panel is of module index {', '.join(map(str, left))}, of 0 to {modules - 1}"


def _masks(file: Any, view: PanelView) -> Iterator[str]:
    masks = [mask for each in view.masks for mask in each.values()]
    paths = {mask.data for mask in masks if mask.data is not None and mask.file is None}
    for path in sorted(paths):
        mask, data = get_dataset(file, path), get_dataset(file, view.data[0])
        if mask is None:
            yield f"mask = {path}: the CXI file has no such dataset (raw data has no mask)"
        elif data is not None and mask.shape != data.shape:
            yield f"mask = {path} has shape {mask.shape}, the data {data.shape}"
    if paths and all(mask.good == 0 and mask.bad == 0 for mask in masks):
        yield "mask_good and mask_bad are both 0: the mask has no effect"
    if not masks and get_dataset(file, MASK) is not None:
        yield (
            f"no mask is named, though the CXI file has one, {MASK}: missing modules, whose data is"
            " a fill value, would count as good"
        )
