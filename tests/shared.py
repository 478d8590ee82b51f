"""Where the real files lie that some tests read; they are not part of the repository."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

needs_shared_data = pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason="real detector files (../shared/data) are not here"
)
