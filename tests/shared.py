"""Where the real files lie that some tests read; they are not part of the repository."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

needs_shared_data = pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason="real detector files (../shared/data) are not here"
)

#: Detectors of at most about half a megapixel: these run in seconds even without the compiler.
SMALL = ("AGIPD-500K", "LPD-Mini", "JUNGFRAU-500K", "ePix100", "ePix10K")


def by_size(names):
    """Parameters of a test, the large detectors marked as needing the compiler."""
    return [n if n in SMALL else pytest.param(n, marks=pytest.mark.jit) for n in names]
