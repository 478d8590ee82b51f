"""What a check finds: one `Finding` a problem, and a `Report` of them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
#: Tiles named in full in a message; more of them are counted.
_LISTED = 6


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes
    ----------
    severity : {"error", "warning", "note"}
        Errors give wrong positions, or none. Warnings are very likely mistakes, or make a current
        program refuse the file. Notes are what is good to know; a file with notes only is clean.
    code : str
        A short name for this kind of finding, such as ``"overlapping-tiles"``.
    message : str
        What was found, and what it means.
    mend : str
        How to mend it; empty where there is nothing to do.
    tiles : tuple of str
        Names of the tiles (for ``.geom``: panels) concerned, as they are in the file.
    line : int or None
        Line of the file, counted from 1.
    key : str or None
        Key, dataset or attribute in the file.
    """

    severity: Severity
    code: str
    message: str
    mend: str = ""
    tiles: tuple[str, ...] = ()
    line: int | None = None
    key: str | None = None

    def as_dict(self) -> dict[str, object]:
        """Return it as plain values, for JSON."""
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "mend": self.mend,
            "tiles": list(self.tiles),
            "line": self.line,
            "key": self.key,
        }


@dataclass(frozen=True)
class Reading:
    """What another program makes of a ``.geom`` file.

    Attributes
    ----------
    reader : str
        The program, such as ``"CrystFEL 0.12"``.
    accepts : bool
        Whether it reads the file.
    reasons : tuple of str
        Why it does not.
    wrong : tuple of str
        What it takes otherwise than the file says, without a word; empty if it rejects the file.
    wrong_positions : bool
        Whether that puts pixels in another place.
    """

    reader: str
    accepts: bool
    reasons: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    wrong_positions: bool = False

    def as_dict(self) -> dict[str, object]:
        """Return it as plain values, for JSON."""
        return {
            "reader": self.reader,
            "accepts": self.accepts,
            "reasons": list(self.reasons),
            "wrong": list(self.wrong),
            "wrong_positions": self.wrong_positions,
        }


@dataclass(frozen=True)
class Report:
    """All findings about a geometry, the gravest first.

    Attributes
    ----------
    path : str or None
        The file, if it is one.
    findings : tuple of Finding
        Errors, then warnings, then notes.
    readers : tuple of Reading
        For ``.geom`` files: what other programs make of it.

    Examples
    --------
    >>> import geomlib
    >>> report = geomlib.check_geometry(geomlib.example_geometry("AGIPD-1M"))
    >>> report.is_clean
    True
    """

    path: str | None
    findings: tuple[Finding, ...]
    readers: tuple[Reading, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to mend: no error and no warning."""
        return all(finding.severity == "note" for finding in self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def as_dict(self) -> dict[str, object]:
        """Return it as plain values, for JSON."""
        return {
            "file": self.path,
            "clean": self.is_clean,
            "findings": [finding.as_dict() for finding in self.findings],
            "readers": [reading.as_dict() for reading in self.readers],
        }


def by_gravity(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Sort findings, errors first; those of a kind stay in their order."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))


def listed(names: Sequence[str]) -> str:
    """Names with commas between them; only some if there are many."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def counted(number: int, noun: str) -> str:
    """Write a number and what it counts: ``1 tile``, ``2 tiles``."""
    return f"{number} {noun}{'s' * (number != 1)}"
