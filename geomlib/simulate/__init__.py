"""Simulated data with known answers: powder rings, photon noise, defects, whole files."""

from geomlib.simulate.euxfel_file import write_euxfel_file
from geomlib.simulate.frames import Defects, choose_defects, simulate_frames
from geomlib.simulate.pattern import (
    LAB6_Q,
    Powder,
    even_powder,
    expected_photons,
    lab6_powder,
    ring_two_theta,
    two_theta,
)

__all__ = [
    "LAB6_Q",
    "Defects",
    "Powder",
    "choose_defects",
    "even_powder",
    "expected_photons",
    "lab6_powder",
    "ring_two_theta",
    "simulate_frames",
    "two_theta",
    "write_euxfel_file",
]
