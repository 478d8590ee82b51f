"""Writing a geometry back into the ``.geom`` file that it came from: what has to change."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from geomlib.errors import GeometryError
from geomlib.formats.crystfel import values
from geomlib.formats.crystfel.beam import distances
from geomlib.formats.crystfel.compose import (
    DATA_PATH,
    data_axes,
    dimension_lines,
    mask_bits,
    motor_lines,
    panel_texts,
    ranges_in_file,
)
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.edit import Edits
from geomlib.formats.crystfel.groups import group_lines
from geomlib.formats.crystfel.numerals import in_metres, positional
from geomlib.formats.crystfel.options import Layout, Options
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.crystfel.read import geometry_of
from geomlib.formats.crystfel.stored import recognise_panels
from geomlib.formats.crystfel.update_regions import update_regions
from geomlib.geometry import Geometry

_DIMENSION = re.compile(r"dim\d+")
_MASK = re.compile(r"mask(0_(data|file|goodbits|badbits)|_file|_good|_bad)?")
_MOTORS = re.compile(r";XGEOM MOTOR[^\r\n]*(?:\r\n|\r|\n|$)")
#: How far the positions that the new text gives may be from those asked for, metres.
_ACCURACY = 1e-12


class _Task(NamedTuple):
    """What a text says, what it has to say, and the edits that lead from one to the other.

    Attributes
    ----------
    view : PanelView
        The text.
    old, new : Geometry
        What it says now, and what it has to say.
    options : Options
        What it has to say besides.
    tiles : list of int
        Tile of each panel.
    edits : Edits
        Where changes are collected.
    """

    view: PanelView
    old: Geometry
    new: Geometry
    options: Options
    tiles: list[int]
    edits: Edits

    def set_all(self, key: str, text: str) -> None:
        """Give every panel the same value."""
        self.edits.set_panel_values(key, dict.fromkeys(self.view.panels, text))

    def remove(self, keys: set[str]) -> None:
        """Remove some keys of panels wherever they stand."""
        for index, assignment in enumerate(self.view.document.assignments):
            if assignment.key in keys and not (assignment.panel or "").startswith("bad"):
                self.edits.remove(index)


def updated(document: Document, geometry: Geometry, options: Options) -> Document | None:
    """Change a document so that it describes a geometry.

    Parameters
    ----------
    document : Document
        The text that the geometry came from.
    geometry : Geometry
        What the new text has to say.
    options : Options
        What it has to say besides.

    Returns
    -------
    Document or None
        The same bytes where nothing changed; else with as few lines changed as possible. None if
        the text describes another detector, so that nothing of it can be kept.

    Raises
    ------
    GeometryError
        If a bad region cannot stand in a ``.geom`` file.
    """
    view = PanelView(document)
    for wanted in (None, "generic", geometry.detector):
        try:
            found = recognise_panels(view, wanted)
        except GeometryError:
            continue
        if found.detector == geometry.detector:
            break
    else:
        return None
    tiles = found.tiles.tolist()
    task = _Task(view, geometry_of(view, wanted), geometry, options, tiles, Edits(view))
    for step in _STEPS:
        step(task)
    changed = task.edits.apply()
    _check(changed, task)
    return changed


def _check(changed: Document, task: _Task) -> None:
    """Refuse to hand out a text that would put a tile in another place than asked for."""
    view, new = PanelView(changed), task.new
    # Panel by panel: in another layout, tiles that geomlib does not know may have another order.
    found = geometry_of(view, "generic")
    tile_of = dict(zip(view.names, recognise_panels(view, "generic").tiles, strict=True))
    order = [tile_of[panel] for panel in task.view.names]
    shift = np.abs(found.tile_outlines()[order] - new.tile_outlines()[task.tiles]).max()
    wrong = []
    if not shift <= _ACCURACY:
        wrong.append(f"tiles would be {shift:.3g} m away")
    for name, is_now, wanted in (
        ("distance", found.distance, _wanted_distance(task)),
        ("photon energy", found.photon_energy, _wanted_energy(task)),
    ):
        if is_now != wanted:
            wrong.append(f"the {name} would be {is_now} instead of {wanted}")
    if wrong:
        raise changed.error(
            f"cannot be changed to what is asked for: {', '.join(wrong)}; write the geometry as a "
            "new file: geom.replace(source=None)"
        )


# -- Where tiles are ------------------------------------------------------------------------


def _positions(task: _Task) -> None:
    view, old, new = task.view, task.old, task.new
    moved = old.tile_corners != new.tile_corners
    # z also holds what the panel's own clen differs from that of the first panel.
    more = old.tile_corners[task.tiles, 2] - view.coffset
    if _wanted_distance(task) is None and old.distance is not None:
        # There will be no clen, so that coffset has to say all of it.
        moved[np.array(task.tiles)[more != 0], 2] = True
        more[:] = 0
    differ = {
        "corner_x": moved[:, 0],
        "corner_y": moved[:, 1],
        "coffset": moved[:, 2],
        "fs": (old.tile_fs != new.tile_fs).any(axis=1),
        "ss": (old.tile_ss != new.tile_ss).any(axis=1),
    }
    changed = np.any(list(differ.values()), axis=0)
    texts: dict[str, dict[str, str]] = {key: {} for key in differ}
    for row, (panel, tile) in enumerate(zip(view.names, task.tiles, strict=True)):
        if not changed[tile]:
            continue
        panel_new = panel_texts(new, tile, float(view.pitch[row]))
        z = float(new.tile_corners[tile, 2] - more[row])
        panel_new["coffset"] = positional(in_metres(z))
        for key, tiles in differ.items():
            if tiles[tile]:
                texts[key][panel] = panel_new[key]
    for key, panels in texts.items():
        task.edits.set_panel_values(key, panels)


# -- The beam -------------------------------------------------------------------------------


def _wanted_distance(task: _Task) -> float | None:
    return task.new.distance if task.options.distance is None else task.options.distance


def _wanted_energy(task: _Task) -> float | None:
    wanted = task.options.photon_energy
    return task.new.photon_energy if wanted is None else wanted


def _distance(task: _Task) -> None:
    wanted = _wanted_distance(task)
    if wanted == task.old.distance:
        return
    view, edits = task.view, task.edits
    found = {edits.origin("clen", panel) for panel in view.panels}
    origins = sorted(index for index in found if index is not None)
    if wanted is None:
        for index in origins:
            edits.comment_out(index)
        return
    # Panels with a clen of their own keep what theirs differs from the first one's.
    known = distances(view)
    texts = {}
    for panel, distance in zip(view.panels, known, strict=True):
        more = 0.0 if known[0] is None or distance is None else distance - known[0]
        texts[panel] = positional(in_metres(wanted + more) if more else wanted)
    edits.set_panel_values("clen", texts)
    for index in origins:
        _remember_place(task, index)


def _photon_energy(task: _Task) -> None:
    wanted = _wanted_energy(task)
    if wanted == task.old.photon_energy:
        return
    view, edits = task.view, task.edits
    if wanted is None:
        for index in view.beam:
            edits.comment_out(index)
    elif not view.beam:
        edits.add_before_panels([f"photon_energy = {positional(wanted)}"])
    else:
        index = view.beam[-1]
        if view.document.assignments[index].key == "photon_energy":
            edits.set_value(index, positional(wanted))
        else:
            edits.set_assignment(index, "photon_energy", positional(wanted))
        _remember_place(task, index)


def _remember_place(task: _Task, index: int) -> None:
    """Keep, as a comment, where in the data files a number is found that is now fixed."""
    value = task.view.value(index)
    if values.number(value.partition(" ")[0]) is None:
        task.edits.add_comment(index, f"was {value}")


def _adu(task: _Task) -> None:
    if task.options.adu is not None:
        key, scale = task.options.adu
        task.remove({"adu_per_photon" if key == "adu_per_eV" else "adu_per_eV"})
        task.set_all(key, positional(scale))


# -- The data -------------------------------------------------------------------------------


def _paths(task: _Task) -> None:
    old, new, options = task.old, task.new, task.options
    data = options.data_path or new.data_path
    if data is not None and (options.data_path or data != old.data_path):
        task.set_all("data", data)
    mask = options.mask_path or new.mask_path
    if mask is None and old.mask_path is not None:
        keys = {assignment.key for assignment in task.view.document.assignments}
        task.remove({key for key in keys if _MASK.fullmatch(key)})
        return
    if mask is not None and (options.mask_path or mask != old.mask_path):
        task.set_all("mask", mask)
    if options.mask_file:
        task.set_all("mask_file", options.mask_file)
    given = options.mask_good is not None or options.mask_bad is not None
    if given or (mask is not None and old.mask_path is None):
        for key, bits in mask_bits(options).items():
            task.set_all(key, bits)


def _layout(task: _Task) -> None:
    layout, gain = task.options.layout, task.options.gain_axis
    if layout is None:
        return
    view, edits, detector = task.view, task.edits, task.new.detector
    ranges: dict[str, dict[str, str]] = {}
    new_axes = False
    for row, (panel, tile) in enumerate(zip(view.names, task.tiles, strict=True)):
        module = int(detector.tile_bounds[tile, 0])
        new_axes |= view.dimensions[row] != data_axes(layout, module, gain)
        present = dict(zip(("min_ss", "max_ss", "min_fs", "max_fs"), view.bounds[row], strict=True))
        for key, wanted in ranges_in_file(detector, tile, layout).items():
            if present[key] != wanted:
                ranges.setdefault(key, {})[panel] = str(wanted)
    if new_axes:
        _axes(task, layout, gain)
    for key, texts in ranges.items():
        edits.set_panel_values(key, texts)
    if len(set(view.data)) > 1 and not task.options.data_path:
        task.set_all("data", DATA_PATH)


def _axes(task: _Task, layout: Layout, gain: int | None) -> None:
    """Say what the axes of the data are, with the lines that say so already where there are any."""
    view, edits = task.view, task.edits
    modules = {
        panel: int(task.new.detector.tile_bounds[tile, 0])
        for panel, tile in zip(view.names, task.tiles, strict=True)
    }
    assignments = view.document.assignments
    first_panel = next(i for i, a in enumerate(assignments) if a.panel in view.panels)
    shared = _keys_and_values(dimension_lines(layout, None, gain))
    kept: set[tuple[str | None, str]] = set()
    for index, (_, panel, key, value, *_) in enumerate(assignments):
        if not _DIMENSION.fullmatch(key) or (panel is not None and panel not in view.panels):
            continue
        wanted = shared
        if panel is not None:
            own = dimension_lines(layout, modules[panel], gain)
            wanted = {**shared, **_keys_and_values(own)}
        fits = wanted.get(key) == value and (panel, key) not in kept
        if fits and (panel is not None or index == view.top[key] < first_panel):
            kept.add((panel, key))
        else:
            edits.remove(index)
    missing = [
        f"{key} = {value}"
        for key, value in shared.items()
        if (None, key) not in kept and not all((panel, key) in kept for panel in view.panels)
    ]
    edits.add_before_panels(missing)
    for panel, module in modules.items():
        for line in dimension_lines(layout, module, gain):
            if (panel, line.partition(" ")[0]) not in kept:
                edits.add_to_panel(panel, line)


def _keys_and_values(lines: list[str]) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition(" = ") for line in lines)}


# -- Tiles not to be used, groups, motors ---------------------------------------------------


def _no_index(task: _Task) -> None:
    changed = set(task.old.no_index) ^ set(task.new.no_index)
    flags = {
        panel: str(int(tile in task.new.no_index))
        for panel, tile in zip(task.view.names, task.tiles, strict=True)
        if tile in changed
    }
    task.edits.set_panel_values("no_index", flags)


def _regions(task: _Task) -> None:
    update_regions(task.edits, task.old, task.new, task.tiles, task.options.layout)


def _groups(task: _Task) -> None:
    new = dict(task.new.groups or {})
    if dict(task.old.groups or {}) == new:
        return
    for index in task.view.groups:
        task.edits.remove(index)
    panel_of = dict(zip(task.tiles, task.view.names, strict=True))
    named = {name: [panel_of[tile] for tile in tiles] for name, tiles in new.items()}
    task.edits.add_before_panels(["", *group_lines(named, task.view.names)])


def _motors(task: _Task) -> None:
    old, new = task.old.motor_positions, task.new.motor_positions
    if new is None or (old is not None and np.array_equal(old, new)):
        return
    lines = motor_lines(new)
    found = list(_MOTORS.finditer(task.view.document.text))
    if not found:
        task.edits.add_at_start(lines)
        return
    newline = task.view.document.newline
    task.edits.replace_text(*found[0].span(), "".join(line + newline for line in lines))
    for match in found[1:]:
        task.edits.replace_text(*match.span(), "")


_STEPS: tuple[Callable[[_Task], None], ...] = (
    # First, so that lines that it removes count as absent for the others.
    _layout,
    _positions,
    _distance,
    _photon_energy,
    _adu,
    _paths,
    _no_index,
    _regions,
    _groups,
    _motors,
)
