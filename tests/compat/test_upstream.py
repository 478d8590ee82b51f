"""EXtra-geom's own tests pass with the replacement in its place."""

from pathlib import Path

import pytest

from tests.compat import upstream
from tests.compat.deselected import DESELECTED

PAGE = Path(__file__).parents[2] / "docs" / "from-extra-geom.md"
#: Tests of EXtra-geom 1.17.0.
COUNT = 117


@pytest.mark.jit
@pytest.mark.slow
def test_extra_geoms_own_tests(tmp_path, capsys):
    try:
        folder = upstream.fetched()
    except upstream.NotHereError as reason:
        pytest.skip(str(reason))
    outcome = upstream.run(folder, list(DESELECTED), tmp_path)
    with capsys.disabled():
        print(
            f"\nEXtra-geom {upstream.VERSION}'s own tests: {len(outcome.passed)} passed, "
            f"{len(outcome.failed)} failed, {len(outcome.skipped)} skipped, "
            f"{len(DESELECTED)} left out"
        )
    assert outcome.failed == {}, outcome.log[-4000:]
    assert outcome.skipped == []
    assert len(outcome.passed) + len(DESELECTED) == COUNT


def test_the_page_says_what_is_left_out():
    text = PAGE.read_text()
    for name, reason in DESELECTED.items():
        assert f"`{name}`" in text
        assert reason in text
    assert f"{COUNT - len(DESELECTED)} of {COUNT}" in text
