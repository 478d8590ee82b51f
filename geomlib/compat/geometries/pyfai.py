"""Detectors of pyFAI by EXtra-geom's names; importing this imports pyFAI.

`.poni` files that were written with EXtra-geom name these classes, and pyFAI finds them again by
their names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from pyFAI.detectors import Detector

from geomlib.detectors.dssc import PITCH_FS, PITCH_SS
from geomlib.errors import GeometryError
from geomlib.geometry import Geometry
from geomlib.integration.pyfai_detector import GeomlibDetector, HexagonalDetector


class _Named(GeomlibDetector):
    """A detector of geomlib that can be in a `.poni` file without a file of its own.

    pyFAI gives no geometry where it reads a `.poni` file: pixels lie on its regular grid until
    `set_pixel_corners` puts them in place, as in EXtra-geom.

    Parameters
    ----------
    pixel1, pixel2 : float, optional
        Nominal pixel size along slow scan and fast scan, in metres.
    orientation : int
        Only 3, or 0 for the default, which is 3: pyFAI's corners and centres disagree in others.
    sensor : optional
        Material and thickness, as pyFAI's ``Detector`` takes them.
    n_modules : int
        Where there is no geometry, and their number varies.
    max_shape : sequence of int, shape (2,), optional
        The same, as `.poni` files say it.
    geometry : Geometry, optional
        Where the pixels are.
    wide : bool
        As for `geomlib.to_pyfai_detector`.
    """

    #: Of the data; of one module, if their number varies.
    MAX_SHAPE: ClassVar[tuple[int, int]]
    #: Of the pixels along slow scan and fast scan, in metres.
    PITCH: ClassVar[tuple[float, float]]

    def __init__(
        self,
        pixel1: float | None = None,
        pixel2: float | None = None,
        orientation: int = 3,
        sensor: Any = None,
        n_modules: int = 1,
        max_shape: Sequence[int] | None = None,
        *,
        geometry: Geometry | None = None,
        wide: bool = False,
    ) -> None:
        super().__init__(geometry, wide)
        if orientation not in (0, 3):
            raise GeometryError(f"orientation must be 3, not {orientation}")
        if geometry is None:
            ss, fs = self.MAX_SHAPE
            self.shape = self.max_shape = tuple(max_shape or (n_modules * ss, fs))
            self._pixel1, self._pixel2 = self.PITCH
        # Its names are EXtra-geom's, whatever the geometry is called.
        self.aliases = getattr(type(self), "aliases", [])
        self.set_config({"pixel1": pixel1, "pixel2": pixel2, "sensor": sensor})

    @property
    def name(self) -> str:
        """Name of the detector."""
        return str(self.aliases[0] if self.aliases else type(self).__name__)

    def get_config(self) -> dict[str, Any]:
        """Return what a `.poni` file says of the detector; as EXtra-geom, not where pixels are."""
        config: dict[str, Any] = Detector.get_config(self)
        return config

    def set_config(self, config: dict[str, Any] | str) -> _Named:
        """Take what a `.poni` file says of the detector."""
        known = json.loads(config) if isinstance(config, str) else config
        for name in ("pixel1", "pixel2"):
            if known.get(name) is not None:
                setattr(self, f"_{name}", float(known[name]))
        if known.get("max_shape") is not None and self.geometry is None:
            self.shape = self.max_shape = tuple(known["max_shape"])
        if known.get("sensor") is not None:
            self.sensor = known["sensor"]
        return self


class AGIPD1M(_Named):
    """AGIPD-1M."""

    MAX_SHAPE = (8192, 128)
    PITCH = (200e-6, 200e-6)
    aliases = ["AGIPD 1M"]  # noqa: RUF012 - pyFAI wants a list


class AGIPD500K(_Named):
    """AGIPD-500K."""

    MAX_SHAPE = (4096, 128)
    PITCH = (200e-6, 200e-6)
    aliases = ["AGIPD 500K"]  # noqa: RUF012


class DSSC1M(_Named, HexagonalDetector):
    """DSSC-1M."""

    MAX_SHAPE = (2048, 512)
    PITCH = (PITCH_SS, PITCH_FS)
    aliases = ["DSSC 1M"]  # noqa: RUF012


class LPD1M(_Named):
    """LPD-1M."""

    MAX_SHAPE = (4096, 256)
    PITCH = (5e-4, 5e-4)
    aliases = ["LPD 1M"]  # noqa: RUF012


class LPDMINI(_Named):
    """LPD Mini."""

    MAX_SHAPE = (32, 256)
    PITCH = (5e-4, 5e-4)
    aliases = ["LPD Mini"]  # noqa: RUF012


class JUNGFRAU_EuXFEL(_Named):  # noqa: N801
    """JUNGFRAU."""

    MAX_SHAPE = (512, 1024)
    PITCH = (7.5e-5, 7.5e-5)
    # It has none in EXtra-geom, and pyFAI does not find it again.
    aliases = ["JUNGFRAU_EuXFEL"]  # noqa: RUF012


class PNCCD1MP(_Named):
    """The pnCCD."""

    MAX_SHAPE = (1024, 1024)
    PITCH = (75e-6, 75e-6)
    aliases = ["PNCCD 1MP"]  # noqa: RUF012


class Epix100(_Named):
    """ePix100."""

    MAX_SHAPE = (704, 768)
    PITCH = (50e-6, 50e-6)
    aliases = ["ePix 100"]  # noqa: RUF012


class Epix10K(_Named):
    """ePix10K."""

    MAX_SHAPE = (352, 384)
    PITCH = (100e-6, 100e-6)
    aliases = ["ePix 10K"]  # noqa: RUF012
