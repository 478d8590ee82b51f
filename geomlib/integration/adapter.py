"""pyFAI: a geometry as its detector or integrator. pyFAI loads when one is asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomlib import checks
from geomlib.assembly.inputs import check_geometry
from geomlib.errors import GeometryError, GeometryFileError, system_error
from geomlib.geometry import Geometry
from geomlib.integration.beam import Beam, find_beam

if TYPE_CHECKING:
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    from geomlib.integration.pyfai_detector import GeomlibDetector


def to_pyfai_detector(geometry: Geometry, *, wide: bool = False) -> GeomlibDetector:
    """Return a geometry as a detector of pyFAI.

    Parameters
    ----------
    geometry : Geometry
        Any. Its bad regions, and data that belong to no tile, become the mask.
    wide : bool
        Border pixels (AGIPD, JUNGFRAU, ePix) have their true shapes instead of the nominal grid;
        their centres stay those of the nominal grid.

    Returns
    -------
    pyFAI.detectors.Detector
        Of shape (modules · ss, fs): join the modules of a frame along slow scan, as
        ``frame.reshape(detector.shape)`` does. In pyFAI's axes (z, y, x), with orientation 3, the
        lab frame of geomlib as it is. Its `save` writes the file that `.poni` files name.

    Raises
    ------
    GeometryError
        If `geometry` is something else.

    Examples
    --------
    >>> import geomlib
    >>> detector = geomlib.to_pyfai_detector(geomlib.example_geometry("DSSC-1M"))
    >>> detector.shape, detector.get_pixel_corners().shape
    ((2048, 512), (2048, 512, 6, 3))
    """
    check_geometry(geometry, "to_pyfai_detector(geometry)")
    from geomlib.integration.pyfai_detector import make_detector

    return make_detector(geometry, checks.flag("wide", wide))


def to_pyfai_integrator(
    geometry: Geometry,
    *,
    distance: float | None = None,
    energy: float | None = None,
    wavelength: float | None = None,
    poni: str | os.PathLike[str] | Any = None,
    wide: bool = False,
) -> AzimuthalIntegrator:
    """Return an azimuthal integrator of pyFAI.

    Parameters
    ----------
    geometry : Geometry
        Its distance and photon energy are used where the caller gives none.
    distance : float, optional
        From the sample to z = 0, in metres.
    energy : float, optional
        Of the photons, in eV.
    wavelength : float, optional
        In metres, instead of the energy.
    poni : str, path-like or pyFAI object, optional
        A `.poni` file, or an object of pyFAI that has its values: distance, point of normal
        incidence, rotations and wavelength are taken from it, but not its detector. Distance and
        energy given beside it count more.
    wide : bool
        As for `to_pyfai_detector`.

    Returns
    -------
    pyFAI.integrator.azimuthal.AzimuthalIntegrator
        Without a wavelength, where nobody knows it.

    Raises
    ------
    GeometryError
        If the distance is not known, or a value is in another unit.
    GeometryFileError
        If the `.poni` file cannot be read.
    """
    check_geometry(geometry, "to_pyfai_integrator(geometry)")
    places: dict[str, float] = {}
    if poni is not None:
        known = read_poni(poni)
        distance = known.pop("dist") if distance is None else distance
        own = known.pop("wavelength", None)
        wavelength = own if energy is None and wavelength is None else wavelength
        places = {name: known[name] for name in ("poni1", "poni2", "rot1", "rot2", "rot3")}
    beam = find_beam(geometry, distance, energy, wavelength, None)
    return make_integrator(geometry, beam, places, wide)


def make_integrator(
    geometry: Geometry, beam: Beam, places: Mapping[str, float], wide: bool
) -> AzimuthalIntegrator:
    """Return an integrator for what was checked already; see `to_pyfai_integrator`."""
    from geomlib.integration.pyfai_detector import GeomlibIntegrator

    detector = to_pyfai_detector(geometry, wide=wide)
    return GeomlibIntegrator(
        dist=beam.distance, wavelength=beam.wavelength, detector=detector, **places
    )


def read_poni(poni: Any) -> dict[str, Any]:
    """Read the numbers of a `.poni` file, or of what stands for one.

    Returns
    -------
    dict of str to float
        "dist", "poni1", "poni2", "rot1", "rot2", "rot3", and "wavelength" where it is known.

    Raises
    ------
    GeometryError, GeometryFileError
        As `to_pyfai_integrator`.
    """
    names = ("dist", "poni1", "poni2", "rot1", "rot2", "rot3", "wavelength")
    if not isinstance(poni, str | os.PathLike):
        found = {name: getattr(poni, name, None) for name in names}
        if found["dist"] is None:
            raise GeometryError(
                "poni must be the path of a .poni file, or an object of pyFAI such as an "
                f"integrator, not {checks.shown(poni)}"
            )
        known = {n: checks.number(f"poni.{n}", v) for n, v in found.items() if v is not None}
        return dict.fromkeys(names[:-1], 0.0) | known
    path = os.fspath(checks.path("poni", poni))
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as problem:
        raise system_error(problem, path, "read") from problem
    # The detector of the file is of no interest, and may not even be there: only numbers are read.
    keys = {name: name for name in names} | {"distance": "dist"}
    values: dict[str, Any] = {}
    for number, line in enumerate(lines, 1):
        key, colon, text = line.partition(":")
        name = keys.get(key.strip().lower())
        if line.startswith("#") or not colon or name is None or text.strip() == "None":
            continue
        try:
            values[name] = checks.number(name, float(text))
        except ValueError:
            raise GeometryFileError(
                f"must be a number, not {text.strip()!r}", path=path, line=number, key=key.strip()
            ) from None
    if "dist" not in values:
        raise GeometryFileError("has no distance: is it a .poni file?", path=path, key="Distance")
    return dict.fromkeys(("poni1", "poni2", "rot1", "rot2", "rot3"), 0.0) | values
