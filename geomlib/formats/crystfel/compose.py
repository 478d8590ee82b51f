"""The text of a ``.geom`` file for a geometry that was built, not read from such a file."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from geomlib._version import __version__
from geomlib.detector import Detector, FloatArray, describe_pitch
from geomlib.errors import GeometryError
from geomlib.formats.crystfel.groups import free_name, group_lines
from geomlib.formats.crystfel.numerals import (
    STEP_NOISE,
    in_metres,
    in_pixels,
    positional,
    quotient,
    resolution,
    vector_text,
)
from geomlib.formats.crystfel.options import Layout, Options
from geomlib.geometry import Geometry
from geomlib.metadata import BadRegion

#: Where European XFEL's virtual CXI files, and Cheetah's, hold the data.
DATA_PATH = "/entry_1/instrument_1/detector_1/data"
#: A tile has pixels of another size when they differ from the nominal by more than this part; what
#: refinement does to the length of vectors is less.
_OTHER_PITCH = 5e-3
_ALL_BITS = 0xFFFFFFFF


def default_layout(detector: Detector) -> Layout:
    """Layout of the data that a detector's files usually have."""
    # The two modules of a pnCCD are read out, and stored, as one image.
    return "cheetah" if detector.n_modules == 1 or detector.name == "pnCCD" else "vcxi"


def compose(geometry: Geometry, options: Options) -> str:
    """Write the text of a ``.geom`` file that all versions of CrystFEL, from 0.9.1 on, can read.

    ASCII only: cfelpyutils reads files in the encoding of the locale. Keys of the beam, the data
    and the groups stand before the panels, as CrystFEL 0.10.2 demands.
    """
    detector = geometry.detector
    layout = options.layout or default_layout(detector)
    names = panel_names(detector)
    pitches = tile_pitches(geometry)
    groups = {
        name: [names[tile] for tile in tiles] for name, tiles in (geometry.groups or {}).items()
    }
    lines = [
        *_header(geometry),
        *_beam(geometry, options),
        *_data(geometry, options, layout),
        *group_lines(groups, names),
        *_bad_regions(geometry, names, pitches[0], layout),
    ]
    for tile, name in enumerate(names):
        lines += _panel(geometry, tile, name, pitches[tile], layout, options.gain_axis)
    return "\n".join(lines) + "\n"


def panel_names(detector: Detector) -> tuple[str, ...]:
    """Names of the tiles if they can stand in a file of any version, else ``p0a0`` and so on."""
    names = detector.tile_names
    legal = all(
        re.fullmatch(r"[A-Za-z0-9_+-]{1,100}", name) and not name.startswith(("bad", "group_"))
        for name in names
    )
    if legal and len(set(names)) == len(names):
        return names
    return tuple(
        f"p{module}a{tile - detector.tiles_of(int(module)).start}"
        for tile, module in enumerate(detector.tile_modules)
    )


def tile_pitches(geometry: Geometry) -> list[float]:
    """Size in metres that a pixel of each tile is written with: along fast scan."""
    nominal = geometry.detector.pixel_size[1]
    lengths = np.linalg.norm(geometry.tile_fs, axis=1)
    return [
        1 / resolution(float(length if abs(length - nominal) > _OTHER_PITCH * nominal else nominal))
        for length in lengths
    ]


def rows_in_file(detector: Detector, module: int, layout: Layout) -> int:
    """Row of the file's data at which a module begins."""
    return module * detector.data_shape[1] if layout == "cheetah" else 0


def ranges_in_file(detector: Detector, tile: int, layout: Layout) -> dict[str, int]:
    """Rows and columns of the file's data where a tile lies, inclusive."""
    module, ss0, ss1, fs0, fs1 = (int(n) for n in detector.tile_bounds[tile])
    first = rows_in_file(detector, module, layout)
    return {
        "min_fs": fs0,
        "max_fs": fs1 - 1,
        "min_ss": first + ss0,
        "max_ss": first + ss1 - 1,
    }


def data_axes(layout: Layout, module: int | None, gain: int | None) -> tuple[str | int | None, ...]:
    """Say what each axis of the file's data is, for the tiles of a module."""
    if layout == "cheetah":
        return "%", "ss", "fs"
    return ("%", module, "ss", "fs") if gain is None else ("%", module, gain, "ss", "fs")


def dimension_lines(layout: Layout, module: int | None, gain: int | None) -> list[str]:
    """Write the axes that all panels share (module None), or what is a panel's own."""
    axes = data_axes(layout, module, gain)
    if module is None:
        return [f"dim{n} = {axis}" for n, axis in enumerate(axes) if axis is not None]
    return [f"dim1 = {module}"] if layout == "vcxi" else []


# -- Parts of the file ----------------------------------------------------------------------


def _ascii(text: str) -> str:
    plain = " ".join(text.split()).replace("µm", "um").replace("×", "x")
    return plain.encode("ascii", "replace").decode()


def _header(geometry: Geometry) -> list[str]:
    detector = geometry.detector
    modules, ss, fs = detector.data_shape
    lines = [
        f"; {_ascii(detector.name)} geometry, written by geomlib {__version__}",
        f"; {modules} x {ss} x {fs} pixels (modules, slow scan, fast scan) of "
        f"{_ascii(describe_pitch(detector.pixel_size))}, {detector.n_tiles} panels",
        ";",
        "; x to the left looking along the beam, y up, z along the beam; the beam is at x = y = 0.",
        "; corner_x, corner_y: outer corner of the first pixel of a panel, in pixels;",
        "; fs, ss: step of one pixel along fast and slow scan, in pixels; coffset: z in metres.",
    ]
    if geometry.motor_positions is not None:
        lines += [";", "; Positions of the motors in mm:", *motor_lines(geometry.motor_positions)]
    return [*lines, ""]


def motor_lines(positions: FloatArray) -> list[str]:
    """Positions of the motors, shape (groups, motors), as comments that EXtra-geom reads too."""
    groups, motors = positions.shape
    rows = [",".join(repr(float(value)) for value in row) for row in positions]
    return [
        f";XGEOM MOTORS={groups},{motors}",
        *(f";XGEOM MOTOR_Q{group}={row}" for group, row in enumerate(rows, start=1)),
    ]


def _beam(geometry: Geometry, options: Options) -> list[str]:
    energy = geometry.photon_energy if options.photon_energy is None else options.photon_energy
    distance = geometry.distance if options.distance is None else options.distance
    unknown = energy is None or distance is None or options.adu is None
    return [
        *(["; Fill these in: CrystFEL will not read the file without them."] if unknown else []),
        ";photon_energy = SET_ME  ; in eV, or where it is found in the data file"
        if energy is None
        else f"photon_energy = {positional(energy)}  ; eV",
        ";clen = SET_ME  ; detector distance in metres, or where it is found in the data file"
        if distance is None
        else f"clen = {positional(distance)}  ; detector distance in metres",
        ";adu_per_eV = SET_ME  ; detector units for one eV of photon energy"
        if options.adu is None
        else f"{options.adu[0]} = {positional(options.adu[1])}",
        "",
    ]


def _data(geometry: Geometry, options: Options, layout: Layout) -> list[str]:
    axes = {"vcxi": "frame, module", "cheetah": "frame"}[layout]
    if layout == "vcxi" and options.gain_axis is not None:
        axes += ", gain"
    stacked = " with modules stacked" if layout == "cheetah" and geometry.n_modules > 1 else ""
    lines = [
        f"; The axes of the data are {axes}, slow scan{stacked}, fast scan.",
        f"data = {options.data_path or geometry.data_path or DATA_PATH}",
        *dimension_lines(layout, None, options.gain_axis),
        f"res = {positional(resolution(geometry.detector.pixel_size[1]))}  ; pixels per metre",
        "",
    ]
    if mask := options.mask_path or geometry.mask_path:
        lines += ["; A pixel is bad if its mask has one of these bits:", f"mask = {mask}"]
        if options.mask_file:
            lines.append(f"mask_file = {options.mask_file}")
        lines += [f"{key} = {bits}" for key, bits in mask_bits(options).items()]
        lines.append("")
    return lines


def mask_bits(options: Options) -> dict[str, str]:
    """Say which bits of the mask count; by default every bit is bad."""
    good, bad = options.mask_good, options.mask_bad
    if good is None and bad is None:
        bad = _ALL_BITS
    return {"mask_good": f"{good or 0:#x}", "mask_bad": f"{bad or 0:#x}"}


def _bad_regions(
    geometry: Geometry, names: Sequence[str], pitch: float, layout: Layout
) -> list[str]:
    lines: list[str] = []
    taken: dict[str, None] = {}
    for region in geometry.bad_regions:
        name = free_name(region_name(region), taken)
        taken[name] = None
        first_row = 0
        if region.tile is not None:
            module = int(geometry.detector.tile_modules[region.tile])
            first_row = rows_in_file(geometry.detector, module, layout)
        texts = region_texts(region, geometry.detector, names, first_row, pitch)
        lines += [*(f"{name}/{key} = {text}" for key, text in texts.items()), ""]
    return lines


def region_name(region: BadRegion) -> str:
    """Name of a bad region, which CrystFEL knows by how it begins."""
    name = re.sub(r"[^A-Za-z0-9_+-]", "_", region.name)[:100]
    return name if name.startswith("bad") else f"bad_{name}"


def region_texts(
    region: BadRegion, detector: Detector, names: Sequence[str], first_row: int, pitch: float
) -> dict[str, str]:
    """Write a bad region: a panel with inclusive ranges in the file, or x and y in pixels.

    Parameters
    ----------
    region : BadRegion
        The region.
    detector : Detector
        The detector.
    names : sequence of str
        Name of the panel of each tile.
    first_row : int
        Row of the file's data at which the region's module begins.
    pitch : float
        What x and y are measured in, metres.

    Raises
    ------
    GeometryError
        If it reaches out of its tile: CrystFEL refuses such files.
    """
    if region.x is not None and region.y is not None:
        return {
            f"{end}_{axis}": positional(in_pixels(value, pitch))
            for axis, limits in (("x", region.x), ("y", region.y))
            for end, value in zip(("min", "max"), limits, strict=True)
        }
    assert region.tile is not None
    assert region.ss is not None
    assert region.fs is not None
    _, ss0, ss1, fs0, fs1 = (int(n) for n in detector.tile_bounds[region.tile])
    (low_ss, high_ss), (low_fs, high_fs) = region.ss, region.fs
    if not (ss0 <= low_ss < high_ss <= ss1 and fs0 <= low_fs < high_fs <= fs1):
        raise GeometryError(
            f"bad region {region.name!r}: ss {region.ss} and fs {region.fs} (from, to) do not lie "
            f"in tile {names[region.tile]}, ss {ss0, ss1} and fs {fs0, fs1}; CrystFEL would "
            "refuse the file"
        )
    return {
        "panel": names[region.tile],
        "min_fs": str(low_fs),
        "max_fs": str(high_fs - 1),
        "min_ss": str(first_row + low_ss),
        "max_ss": str(first_row + high_ss - 1),
    }


def _panel(
    geometry: Geometry,
    tile: int,
    name: str,
    pitch: float,
    layout: Layout,
    gain_axis: int | None,
) -> list[str]:
    detector = geometry.detector
    values = {key: str(n) for key, n in ranges_in_file(detector, tile, layout).items()}
    values |= panel_texts(geometry, tile, pitch)
    if pitch != 1 / resolution(detector.pixel_size[1]):
        values["res"] = positional(resolution(pitch))
    if tile in geometry.no_index:
        values["no_index"] = "1"
    lines = dimension_lines(layout, int(detector.tile_modules[tile]), gain_axis)
    lines += [f"{key} = {value}" for key, value in values.items()]
    return [*(f"{name}/{line}" for line in lines), ""]


def panel_texts(geometry: Geometry, tile: int, pitch: float) -> dict[str, str]:
    """Write where a tile is, for pixels of ``pitch`` metres."""
    x, y, z = geometry.tile_corners[tile]
    return {
        "fs": vector_text(_steps(geometry.tile_fs[tile], pitch)),
        "ss": vector_text(_steps(geometry.tile_ss[tile], pitch)),
        "corner_x": positional(quotient(x, pitch)),
        "corner_y": positional(quotient(y, pitch)),
        "coffset": positional(in_metres(z)),
    }


def _steps(vector: FloatArray, pitch: float) -> FloatArray:
    return np.array([in_pixels(value, pitch, STEP_NOISE) for value in vector])
