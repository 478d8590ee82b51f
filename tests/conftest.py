"""Settings of the whole suite."""

import os
import sys

import matplotlib as mpl
import pytest
from hypothesis import settings

# In CI the same examples every time: a verdict on a change must not hang on a lucky draw. Everybody
# else's runs look for new ones.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

# Draw without a screen.
mpl.use("Agg")


@pytest.fixture(autouse=True)
def figures():
    """Leave no figure open: the next test of the process may count them."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
