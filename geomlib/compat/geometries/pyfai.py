"""Detectors of pyFAI by EXtra-geom's names; importing this imports pyFAI.

`.poni` files that were written with EXtra-geom name these classes, and pyFAI finds them again by
their names.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.integration.pyfai_detector import GeomlibDetector, HexagonalDetector


class _Named(GeomlibDetector):
    """A detector of geomlib that can be in a `.poni` file without a file of its own.

    Parameters
    ----------
    geometry : Geometry, optional
        Where the pixels are. pyFAI gives none, where it reads a `.poni` file.
    wide : bool
        As for `geomlib.to_pyfai_detector`.
    pixel1, pixel2 : float, optional
        Nominal pixel size along slow scan and fast scan, in metres.
    orientation : int
        Only 3 is possible.
    **kwargs
        ``n_modules``, where there is no geometry; others are passed over.
    """

    #: Of the data; of one module, if their number varies.
    MAX_SHAPE: ClassVar[tuple[int, int]]

    def __init__(
        self,
        geometry: Geometry | None = None,
        wide: bool = False,
        pixel1: float | None = None,
        pixel2: float | None = None,
        orientation: int = 3,
        **kwargs: Any,
    ) -> None:
        super().__init__(geometry, wide)
        if orientation not in (0, 3):
            raise GeometryError(f"orientation must be 3, not {orientation}")
        if geometry is None:
            modules, ss, fs = kwargs.get("n_modules") or 1, *self.MAX_SHAPE
            self.shape = self.max_shape = (modules * ss, fs)
        self.set_config({"pixel1": pixel1, "pixel2": pixel2})

    def get_config(self) -> dict[str, Any]:
        """Return what a `.poni` file says of the detector; as EXtra-geom, not where pixels are."""
        return {"pixel1": self._pixel1, "pixel2": self._pixel2, "orientation": 3}

    def set_config(self, config: dict[str, Any] | str) -> _Named:
        """Take what a `.poni` file says of the detector."""
        known = json.loads(config) if isinstance(config, str) else config
        for name in ("pixel1", "pixel2"):
            if known.get(name) is not None:
                setattr(self, f"_{name}", float(known[name]))
        return self


class AGIPD1M(_Named):
    """AGIPD-1M."""

    MAX_SHAPE = (8192, 128)
    aliases = ["AGIPD 1M"]  # noqa: RUF012 - pyFAI wants a list


class AGIPD500K(_Named):
    """AGIPD-500K."""

    MAX_SHAPE = (4096, 128)
    aliases = ["AGIPD 500K"]  # noqa: RUF012


class DSSC1M(_Named, HexagonalDetector):
    """DSSC-1M."""

    MAX_SHAPE = (2048, 512)
    aliases = ["DSSC 1M"]  # noqa: RUF012


class LPD1M(_Named):
    """LPD-1M."""

    MAX_SHAPE = (4096, 256)
    aliases = ["LPD 1M"]  # noqa: RUF012


class LPDMINI(_Named):
    """LPD Mini."""

    MAX_SHAPE = (32, 256)
    aliases = ["LPD Mini"]  # noqa: RUF012


class JUNGFRAU_EuXFEL(_Named):  # noqa: N801
    """JUNGFRAU."""

    MAX_SHAPE = (512, 1024)


class PNCCD1MP(_Named):
    """The pnCCD."""

    MAX_SHAPE = (1024, 1024)
    aliases = ["PNCCD 1MP"]  # noqa: RUF012


class Epix100(_Named):
    """ePix100."""

    MAX_SHAPE = (704, 768)
    aliases = ["ePix 100"]  # noqa: RUF012


class Epix10K(_Named):
    """ePix10K."""

    MAX_SHAPE = (352, 384)
    aliases = ["ePix 10K"]  # noqa: RUF012
