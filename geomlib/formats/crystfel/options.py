"""What a writer of ``.geom`` files is told besides the geometry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from geomlib import checks
from geomlib.errors import GeometryError

Layout = Literal["vcxi", "cheetah"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
_NO_PATH = re.compile(r"[;=\s\0]")


@dataclass(frozen=True)
class Options:
    """Arguments of `write_crystfel`, checked; None leaves it to the geometry or its file.

    Parameters
    ----------
    layout : {"vcxi", "cheetah"}, optional
        How the data lies in the file: with an axis of modules (frame, module, ss, fs), as in
        virtual CXI files of European XFEL, or with modules stacked along slow scan
        (frame, ss, fs), as in files of Cheetah. Default: as in the file that the geometry came
        from; else stacked for one module or a pnCCD, and with an axis of modules for others.
    gain_axis : int, optional
        For ``"vcxi"``: the data is raw and has an axis behind the modules; 0 for the signal.
    distance : float, optional
        In metres, instead of `Geometry.distance`.
    photon_energy : float, optional
        In eV, instead of `Geometry.photon_energy`.
    adu_per_ev, adu_per_photon : float, optional
        Detector units for one eV, or for one photon. Give one of them.
    data_path, mask_path : str, optional
        Where data and mask are in the data files, instead of the geometry's.
    mask_file : str, optional
        File that holds the mask, if it is not the data file.
    mask_good, mask_bad : int, optional
        Bits of the mask that good pixels must have, and must not have. Default for a new mask: none
        and all.

    Raises
    ------
    GeometryError
        If one is wrong, or two contradict each other.
    """

    layout: Layout | None = None
    gain_axis: int | None = None
    distance: float | None = None
    photon_energy: float | None = None
    adu_per_ev: float | None = None
    adu_per_photon: float | None = None
    data_path: str | None = None
    mask_path: str | None = None
    mask_file: str | None = None
    mask_good: int | None = None
    mask_bad: int | None = None

    def __post_init__(self) -> None:
        if self.layout is not None and self.layout not in LAYOUTS:
            expected = " or ".join(map(repr, LAYOUTS))
            raise GeometryError(f"layout must be {expected}, not {self.layout!r}")
        if self.gain_axis is not None:
            checks.integer("gain_axis", self.gain_axis, 0)
            if self.layout == "cheetah":
                raise GeometryError("gain_axis goes with layout='vcxi', not with 'cheetah'")
            object.__setattr__(self, "layout", "vcxi")
        if self.adu_per_ev is not None and self.adu_per_photon is not None:
            raise GeometryError("give adu_per_ev or adu_per_photon, not both")
        for name in ("distance", "photon_energy", "adu_per_ev", "adu_per_photon"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, checks.number(name, value, positive=True))
        for name in ("mask_good", "mask_bad"):
            if getattr(self, name) is not None:
                checks.integer(name, getattr(self, name), 0, 2**32 - 1)
        for name in ("data_path", "mask_path", "mask_file"):
            if getattr(self, name) is None:
                continue
            path = checks.text(name, getattr(self, name))
            in_hdf5 = name != "mask_file"
            if not path or (_NO_PATH.search(path) or (in_hdf5 and path[:1] != "/")):
                raise GeometryError(
                    f"{name} must be a path such as '/entry_1/data', without spaces, ';' or '=', "
                    f"not {path!r}"
                )

    @property
    def adu(self) -> tuple[str, float] | None:
        """Key and value of the ADU scale."""
        if self.adu_per_ev is not None:
            return "adu_per_eV", self.adu_per_ev
        if self.adu_per_photon is not None:
            return "adu_per_photon", self.adu_per_photon
        return None
