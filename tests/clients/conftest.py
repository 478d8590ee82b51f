"""Tests of clients run when they are asked for: with ``-m clients``."""

import pytest


def pytest_collection_modifyitems(config, items):
    if "clients" in config.getoption("markexpr"):
        return
    reason = "asks programs outside this environment: run `make test-clients`"
    for item in items:
        if "clients" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=reason))
