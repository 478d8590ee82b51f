"""The command ``geomlib``: one thin file a command."""

from geomlib.cli.app import main

__all__ = ["main"]
