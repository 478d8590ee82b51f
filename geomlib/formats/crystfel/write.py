"""`write_crystfel`: from a `Geometry` to a ``.geom`` file."""

from __future__ import annotations

import re
from os import PathLike, fspath
from typing import Any

from geomlib.atomic import replacing
from geomlib.errors import GeometryError, warn
from geomlib.formats.crystfel.compose import compose, region_name
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.groups import legal_names
from geomlib.formats.crystfel.options import Options
from geomlib.formats.crystfel.panels import PanelView
from geomlib.formats.crystfel.update import updated
from geomlib.geometry import Geometry

#: Beyond these, a distance (m) or photon energy (eV) is mostly one in another unit.
_FAR, _SOFT = 100.0, 50.0
_NO_VALUE = re.compile(r"[;\r\n\0]")


def write_crystfel(
    geometry: Geometry,
    path: str | PathLike[str],
    **options: Any,
) -> None:
    """Write a geometry as a CrystFEL ``.geom`` file, whole or not at all.

    A geometry that was read from such a file keeps its text: comments, order, spacing and numbers
    stay, and only lines that say something else now are changed. Any other becomes a new text,
    which CrystFEL from 0.9.1 on accepts once distance, photon energy and ADU scale are known;
    where they are not, it has lines to fill in.

    Parameters
    ----------
    geometry : Geometry
        Any detector. Of its attributes, `distance`, `photon_energy`, `bad_regions`, `no_index`,
        `groups`, `data_path`, `mask_path` and `motor_positions` are written.
    path : str or path-like
        The file; an older one is replaced.
    **options
        What is told besides the geometry: see `Options`.

    Raises
    ------
    GeometryError
        If an option is wrong, or a bad region cannot stand in a ``.geom`` file.

    Warns
    -----
    GeometryWarning
        What is left to fill in; a distance or photon energy that looks like one in another unit.
    """
    text, doubts = _text(geometry, Options(**options))
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", "surrogateescape"))
    for doubt in doubts:
        warn(f"{fspath(path)}: {doubt}")


def crystfel_text(geometry: Geometry, **options: Any) -> str:
    """Return the text that `write_crystfel` writes; the parameters are the same.

    Returns
    -------
    str
        Bytes of an older file that are no UTF-8 are surrogate escapes, as in `Document.text`.

    Raises
    ------
    GeometryError
        If an option is wrong, or a bad region cannot stand in a ``.geom`` file.

    Warns
    -----
    GeometryWarning
        As `write_crystfel`, and for hexagons, which the format cannot hold.
    """
    text, doubts = _text(geometry, Options(**options))
    if geometry.detector.pixel_shape == "hexagon":
        doubts.append(
            "a .geom file cannot hold hexagonal pixels: CrystFEL will take them as rectangles, "
            "and odd rows as not shifted"
        )
    for doubt in doubts:
        warn(doubt)
    return text


def _text(geometry: Geometry, options: Options) -> tuple[str, list[str]]:
    """Write the text, and say what is doubtful about it."""
    if options.mask_path is None and geometry.mask_path is None:
        for name in ("mask_good", "mask_bad", "mask_file"):
            if getattr(options, name) is not None:
                raise GeometryError(f"{name} needs mask_path: where the mask is in the data files")
    _check_content(geometry)
    document = document_of(geometry, options)
    distance = geometry.distance if options.distance is None else options.distance
    energy = geometry.photon_energy if options.photon_energy is None else options.photon_energy
    if document is not None:
        # What stays as it was in the file was the user's choice before.
        same = geometry.source is not None and document.to_bytes() == geometry.source.text
        doubts = _doubts(geometry, *((None, None) if same else (distance, energy)))
        return document.text, doubts + _renamed(geometry, document)
    doubts = _doubts(geometry, distance, energy)
    if geometry.source is not None and geometry.source.format == "crystfel":
        doubts.append("the detector is another than in the file it came from, whose text is lost")
    missing = [
        argument
        for argument, known in (
            ("distance (metres)", distance),
            ("photon_energy (eV)", energy),
            ("adu_per_ev or adu_per_photon", options.adu),
        )
        if known is None
    ]
    if missing:
        doubts.append(
            f"CrystFEL will not read the file before these are filled in: {', '.join(missing)}; "
            "give them as arguments, or edit the lines that say SET_ME"
        )
    text = compose(geometry, options)
    return text, doubts + _renamed(geometry, Document(text))


def document_of(geometry: Geometry, options: Options) -> Document | None:
    """Return the ``.geom`` text that a geometry came from, brought up to date; None without one."""
    source = geometry.source
    if source is None or source.format != "crystfel" or source.text is None:
        return None
    return updated(Document.parse(source.text, source.path), geometry, options)


def _renamed(geometry: Geometry, written: Document) -> list[str]:
    """Say which names could not be written as they are."""
    groups = legal_names(dict.fromkeys(geometry.groups or {}, ()), ())
    pairs = {
        "bad regions": [(region.name, region_name(region)) for region in geometry.bad_regions],
        "groups": zip(geometry.groups or {}, groups, strict=True),
    }
    changed = {
        kind: dict(pair for pair in names if pair[0] != pair[1]) for kind, names in pairs.items()
    }
    if not any(changed.values()):
        return []
    view = PanelView(written)
    kept = {
        "bad regions": set(view.regions),
        "groups": {re.sub("^(rigid_)?group_", "", view.key(index)) for index in view.groups},
    }
    found = []
    for kind, names in changed.items():
        new = [f"{old!r} as {name!r}" for old, name in names.items() if old not in kept[kind]]
        more = f" and {len(new) - 5} more" if len(new) > 5 else ""
        if new:
            found.append(f"{kind} have other names in the file: {', '.join(new[:5])}{more}")
    return found


def _check_content(geometry: Geometry) -> None:
    """Refuse what would be read back as something else."""
    for name in ("data_path", "mask_path"):
        path = getattr(geometry, name)
        if path is not None and _NO_VALUE.search(path):
            raise GeometryError(f"{name} must be one line without ';', not {path!r}")
    for name in ("distance", "photon_energy"):
        value = getattr(geometry, name)
        if value is not None and not value > 0:
            raise GeometryError(f"{name} must be positive in a .geom file, not {value!r}")


def _doubts(geometry: Geometry, distance: float | None, energy: float | None) -> list[str]:
    doubts = []
    if distance is not None and distance > _FAR:
        doubts.append(f"distance is {distance:g} m; expected metres, are these millimetres?")
    if energy is not None and energy < _SOFT:
        doubts.append(f"photon_energy is {energy:g} eV; expected eV, are these keV?")
    return doubts
