"""`Format`: what a file format is called, how it is known, and what reads, writes and holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from os import PathLike
from pathlib import Path
from typing import Any, cast

from geomlib.detector import Detector
from geomlib.errors import GeometryFileError
from geomlib.formats.losses import (
    EVERYTHING,
    Content,
    Declared,
    LossReport,
    measure,
    refuse,
    unread,
)
from geomlib.geometry import Geometry


@dataclass(frozen=True)
class Format:
    """A file format.

    Parameters
    ----------
    name : str
        How users call it.
    suffixes : tuple of str
        Of its files, with the dot, lower case.
    recognise : str
        ``recognise(path, first_bytes) -> bool``: cheap, and by content. As all functions here it
        is given as ``"module:function"``, and imported at first use.
    reader, writer : str or None
        ``reader(path, *, detector=None, **options) -> Geometry`` and
        ``writer(geometry, path, *, …) -> None``; None for what cannot be done.
    text : bool
        Whether its files are text.
    holds : set of str
        What of a geometry its files hold besides the positions of tiles; see `losses.Content`. What
        our reader finds again is measured; this counts for other readers, and where there is none.
    suffix_decides : bool
        Whether a suffix alone says that a file is to be written in this format.
    float32 : bool
        Whether each pixel's position is rounded to float32 in its files.
    by_layout : bool
        Whether the programs that read hexagonal detectors from its files know them by their layout,
        though it has no place for hexagons.
    needs_detector : bool
        Whether its files do not say what detector they are about, so that reading one needs it.
    write_options : str, optional
        What has the writer's options as its parameters, if not the writer.
    """

    name: str
    suffixes: tuple[str, ...]
    recognise: str
    reader: str | None
    writer: str | None
    text: bool
    holds: frozenset[Content] = EVERYTHING
    suffix_decides: bool = True
    float32: bool = False
    by_layout: bool = False
    needs_detector: bool = False
    write_options: str | None = None

    def recognises(self, path: Path, first_bytes: bytes) -> bool:
        """Tell whether a file, of which the first bytes are given, is of this format."""
        return bool(_load(self.recognise)(path, first_bytes))

    def read(
        self, path: str | PathLike[str], *, detector: Detector | str | None = None, **options: Any
    ) -> Geometry:
        """Read a geometry from a file of this format."""
        if self.reader is None:
            raise GeometryFileError(f"{self.name!r} files are written only, not read", path=path)
        self._check_options("read", path, options, self.read_options())
        return cast(Geometry, _load(self.reader)(path, detector=detector, **options))

    def read_options(self) -> set[str]:
        """Names of the options of the reader."""
        return set() if self.reader is None else _keywords(_load(self.reader)) - {"detector"}

    def write(
        self,
        geometry: Geometry,
        path: str | PathLike[str],
        *,
        allow_loss: bool = False,
        **options: Any,
    ) -> LossReport:
        """Write a geometry to a file of this format; as `write_geometry`, but without warnings."""
        if self.writer is None:
            raise GeometryFileError(f"{self.name!r} files are read only, not written", path=path)
        self._check_options("write", path, options, self.write_option_names())
        target, writer = Path(path), _load(self.writer)
        # Of the formats of single pixels, some have this option.
        rounded = self.float32 and options.get("dtype", "float32") == "float32"
        declared = Declared(self.name, self.holds, rounded, self.by_layout)

        def write(where: Path) -> None:
            writer(geometry, where, **options)

        def read(where: Path) -> Geometry:
            return self.read(where, detector=geometry.detector if self.needs_detector else None)

        if self.reader is None:
            report = unread(geometry, declared)
        else:
            report = measure(geometry, declared, target, write, read)
            if not allow_loss:
                refuse(report, target)
        write(target)
        return report

    def write_option_names(self) -> set[str]:
        """Names of the options of the writer."""
        takes = self.write_options or self.writer
        return set() if takes is None else _keywords(_load(takes))

    def _check_options(
        self, verb: str, path: str | PathLike[str], options: dict[str, Any], known: set[str]
    ) -> None:
        if unknown := sorted(set(options) - known):
            has = f"the options are {', '.join(sorted(known))}" if known else "there are no options"
            raise GeometryFileError(
                f"to {verb} {self.name!r} files there is no option {unknown[0]!r}; {has}", path=path
            )


def _keywords(function: Callable[..., object]) -> set[str]:
    """Names of the options of a reader or writer, or of the fields of a class of options."""
    parameters = signature(function).parameters.values()
    whole = isinstance(function, type)
    return {p.name for p in parameters if whole or p.kind is p.KEYWORD_ONLY}


def _load(place: str) -> Callable[..., object]:
    module, _, name = place.partition(":")
    return cast(Callable[..., object], getattr(import_module(module), name))
