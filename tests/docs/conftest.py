"""Notebooks run when they are asked for: with ``-m notebooks``."""

import pytest


def pytest_collection_modifyitems(config, items):
    if "notebooks" in config.getoption("markexpr"):
        return
    for item in items:
        if "notebooks" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="takes long: run `make test-notebooks`"))
