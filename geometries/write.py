"""Write the example geometry files of every detector: ``python -m geometries.write``."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from geomlib.detectors import EXAMPLE_NAMES, example_geometry
from geomlib.errors import GeometryWarning
from geomlib.formats.crystfel.write import crystfel_text
from geomlib.formats.euxfel import write_euxfel

FOLDER = Path(__file__).parent
#: Distance in metres and photon energy in eV, as the detector is often used.
NOMINAL = {
    "AGIPD-1M": (0.12, 9300),
    "AGIPD-500K": (0.3, 9300),
    "LPD-1M": (0.4, 9300),
    "LPD-Mini": (0.4, 9300),
    "DSSC-1M": (3, 1000),
    "JUNGFRAU-500K": (0.12, 9300),
    "JUNGFRAU-1M": (0.12, 9300),
    "JUNGFRAU-4M": (0.12, 9300),
    "pnCCD": (0.35, 1500),
    "ePix100": (0.3, 9300),
    "ePix10K": (0.3, 9300),
}
#: For data that is calibrated in keV.
ADU_PER_EV = 0.001
#: Detectors that have geometry files in the HDF5 format of European XFEL too.
IN_HDF5 = ("LPD-1M", "DSSC-1M")
_NOTE = (
    "; An example: distance, photon energy and ADU scale (data in keV) are nominal.\n"
    "; Put in those of the experiment, and the positions of its detector.\n;\n"
)


def example_text(name: str) -> str:
    """Return the text of the ``.geom`` file of a detector."""
    distance, energy = NOMINAL[name]
    with warnings.catch_warnings():
        # That a .geom file cannot hold the hexagons of DSSC is said in the README here.
        warnings.filterwarnings("ignore", "a .geom file cannot hold hexagonal", GeometryWarning)
        return _NOTE + crystfel_text(
            example_geometry(name),
            distance=distance,
            photon_energy=energy,
            adu_per_ev=ADU_PER_EV,
        )


def write_all(folder: Path) -> list[Path]:
    """Write the files of all detectors, and return their paths."""
    written = []
    for name in EXAMPLE_NAMES:
        written.append(folder / f"{name}.geom")
        written[-1].write_text(example_text(name), encoding="ascii", newline="\n")
    for name in IN_HDF5:
        written.append(folder / f"{name}.h5")
        write_euxfel(example_geometry(name), written[-1])
    return written


if __name__ == "__main__":
    for path in write_all(FOLDER):
        sys.stdout.write(f"{path}\n")
