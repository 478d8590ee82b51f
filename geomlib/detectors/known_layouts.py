"""Detectors whose data is one image: known by the size of that image and of its pixels."""

from __future__ import annotations

from typing import NamedTuple


class Slab(NamedTuple):
    """The image of a detector: rows (ss), columns (fs), and pixel pitch in metres."""

    name: str
    shape: tuple[int, int]
    pitch: float


#: Sizes of the images that these detectors' own software writes. The Eiger and Pilatus ones include
#: the gaps between their modules.
SLABS = (
    Slab("AGIPD-module", (512, 128), 200e-6),
    Slab("CSPAD-2.3M", (1480, 1552), 110e-6),
    Slab("Eiger-500K", (514, 1030), 75e-6),
    Slab("Eiger-1M", (1065, 1030), 75e-6),
    Slab("Eiger-4M", (2167, 2070), 75e-6),
    Slab("Eiger-9M", (3269, 3110), 75e-6),
    Slab("Eiger-16M", (4371, 4150), 75e-6),
    Slab("Eiger2-500K", (512, 1028), 75e-6),
    Slab("Eiger2-1M", (1062, 1028), 75e-6),
    Slab("Eiger2-4M", (2162, 2068), 75e-6),
    Slab("Eiger2-9M", (3262, 3108), 75e-6),
    Slab("Eiger2-16M", (4362, 4148), 75e-6),
    Slab("Lambda-750K", (516, 1556), 55e-6),
    Slab("Lambda-1.5M", (1032, 1556), 55e-6),
    Slab("Pilatus-100K", (195, 487), 172e-6),
    Slab("Pilatus-200K", (407, 487), 172e-6),
    Slab("Pilatus-300K", (619, 487), 172e-6),
    Slab("Pilatus-300K-W", (195, 1475), 172e-6),
    Slab("Pilatus-1M", (1043, 981), 172e-6),
    Slab("Pilatus-2M", (1679, 1475), 172e-6),
    Slab("Pilatus-6M", (2527, 2463), 172e-6),
    # 225 mm of phosphor; 5760 pixels a side, here binned 4 × 4.
    Slab("Rayonix-MX225-HS", (1440, 1440), 156.25e-6),
    Slab("JUNGFRAU-16M-stacked", (32 * 514, 1030), 75e-6),
    Slab("JUNGFRAU-4M-image", (2164, 2068), 75e-6),
)


def slab_name(shape: tuple[int, int], pitch: float) -> str | None:
    """Name of the detector whose image has this shape, give or take a row, and pixel pitch."""
    for slab in SLABS:
        size_fits = all(abs(a - b) <= 1 for a, b in zip(shape, slab.shape, strict=True))
        if size_fits and abs(pitch / slab.pitch - 1) < 0.01:
            return slab.name
    return None
