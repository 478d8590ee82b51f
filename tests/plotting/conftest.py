import matplotlib as mpl
import pytest


@pytest.fixture(autouse=True)
def figures():
    """Draw without a screen, and leave no figure open."""
    from matplotlib import pyplot as plt

    mpl.use("Agg")
    yield
    plt.close("all")
