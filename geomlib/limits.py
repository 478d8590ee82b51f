"""Which distances of detectors and photon energies are usual, and which are possible at all."""

from __future__ import annotations

#: Distances of detectors, in metres, and photon energies, in eV, that are taken without a word.
DISTANCES = (5e-3, 30.0)
ENERGIES = (100.0, 200e3)
#: Beyond these a number is in another unit: nobody's detector (shorter than a millimetre, longer
#: than a hall), nobody's beam.
POSSIBLE_DISTANCES = (1e-3, 100.0)
POSSIBLE_ENERGIES = (50.0, 2e6)
