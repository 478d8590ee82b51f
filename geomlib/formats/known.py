"""The formats that geomlib knows, in the order in which files are tried."""

from __future__ import annotations

from geomlib.formats.format import Format
from geomlib.formats.losses import EVERYTHING, Content

_HERE, _PYFAI = "geomlib.formats", "geomlib.integration.pyfai_files"
#: Files that say where tiles are, with a note on the layout of the data for geomlib.
_TILES: frozenset[Content] = frozenset(
    {
        "distance",
        "name of the detector",
        "names of tiles and modules",
        "wide border pixels",
        "facts of the detector",
        "layout of the data",
    }
)
_FLAT: frozenset[Content] = frozenset({"hexagons", "layout of the data"})

KNOWN: tuple[Format, ...] = (
    Format(
        "crystfel",
        (".geom",),
        f"{_HERE}.crystfel.connect:is_crystfel",
        f"{_HERE}.crystfel.read:read_crystfel",
        f"{_HERE}.crystfel.write:write_crystfel",
        text=True,
        holds=EVERYTHING
        - {"hexagons", "name of the detector", "wide border pixels", "facts of the detector"},
        # EXtra-geom and geomlib; CrystFEL takes the pixels of a DSSC as rectangles.
        by_layout=True,
        write_options=f"{_HERE}.crystfel.options:Options",
    ),
    Format(
        "euxfel",
        (".h5", ".hdf5"),
        f"{_HERE}.euxfel:is_euxfel_geometry",
        f"{_HERE}.euxfel:read_euxfel",
        f"{_HERE}.euxfel:write_euxfel",
        text=False,
        holds=_FLAT,
        # Several formats are HDF5: the caller says which one to write.
        suffix_decides=False,
    ),
    Format(
        "pyfai",
        (".h5", ".hdf5", ".nxs"),
        f"{_PYFAI}:is_pyfai_detector_file",
        f"{_PYFAI}:read_pyfai",
        f"{_PYFAI}:write_pyfai",
        text=False,
        holds=_TILES - {"distance"} | {"hexagons", "bad pixels"},
        suffix_decides=False,
        float32=True,
    ),
    Format(
        "poni",
        (".poni",),
        f"{_PYFAI}:is_poni",
        f"{_PYFAI}:read_poni_geometry",
        f"{_PYFAI}:write_poni_geometry",
        text=True,
        holds=_TILES | {"hexagons", "bad pixels", "photon energy"},
        float32=True,
    ),
    Format(
        "nxmx",
        (".nxs",),
        f"{_HERE}.nxmx:is_nxmx",
        f"{_HERE}.nxmx:read_nxmx",
        f"{_HERE}.nxmx_write:write_nxmx",
        text=False,
        holds=_TILES | {"photon energy", "bad pixels"},
    ),
    Format(
        "dials",
        (".expt",),
        f"{_HERE}.dials:is_dials",
        f"{_HERE}.dials:read_dials",
        f"{_HERE}.dials_write:write_dials",
        text=True,
        holds=_TILES | {"photon energy", "bad pixels"},
    ),
    Format(
        "psana",
        (".data",),
        f"{_HERE}.psana:is_psana",
        f"{_HERE}.psana:read_psana",
        f"{_HERE}.psana:write_psana",
        text=True,
        holds=_TILES,
    ),
    Format(
        "cxi",
        (".cxi",),
        f"{_HERE}.cxi:is_cxi",
        f"{_HERE}.cxi:read_cxi",
        f"{_HERE}.cxi:write_cxi",
        text=False,
        holds=_TILES | {"photon energy", "bad pixels"},
    ),
    Format(
        "dragonfly",
        (".h5",),
        f"{_HERE}.dragonfly:is_dragonfly",
        None,
        f"{_HERE}.dragonfly:write_dragonfly",
        text=False,
        holds=frozenset({"distance", "bad pixels", "no_index flags", "hexagons"}),
        suffix_decides=False,
    ),
    Format(
        "pixelmap",
        (".h5", ".hdf5"),
        f"{_HERE}.pixel_map_file:recognise_pixel_map",
        f"{_HERE}.pixel_map:read_pixel_map",
        f"{_HERE}.pixel_map_write:write_pixel_map",
        text=False,
        holds=_TILES | {"photon energy", "hexagons"},
        suffix_decides=False,
        float32=True,
    ),
    Format(
        "quadrants",
        (".csv", ".json", ".yaml", ".yml", ".txt"),
        f"{_HERE}.quadrants:recognise_quadrants",
        f"{_HERE}.quadrants:read_quadrants",
        f"{_HERE}.quadrants:write_quadrants",
        text=True,
        holds=_FLAT,
        suffix_decides=False,
        needs_detector=True,
    ),
)
