"""`Value`: what makes dataclasses with arrays behave as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np


class Value:
    """Base of frozen dataclasses whose fields may be read-only arrays and mappings.

    Equal content is equal and hashes alike, and pickles come back read-only. Fields made with
    ``field(compare=False)`` do not count as content.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def _key(self) -> tuple[object, ...]:
        return tuple(_content(getattr(self, f.name)) for f in fields(self) if f.compare)

    def _set(self, **values: object) -> None:
        """Set fields, for use in ``__post_init__``."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, type(self)):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        # Kept, since plans are looked up by it at every call; the content never changes.
        kept: int | None = self.__dict__.get("_hash")
        if kept is None:
            kept = hash(self._key())
            self._set(_hash=kept)
        return kept

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor: numpy forgets in a pickle that an array was read-only, and a
        # mapping proxy cannot be pickled.
        values = (getattr(self, f.name) for f in fields(self))
        return type(self), tuple(dict(v) if isinstance(v, Mapping) else v for v in values)


def _content(value: Any) -> object:
    if isinstance(value, np.ndarray):
        # + 0: -0.0 and 0.0 are equal numbers but different bytes.
        return (value + 0).tobytes()
    return frozenset(value.items()) if isinstance(value, Mapping) else value
