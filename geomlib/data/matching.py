"""Which entries of several modules belong to the same frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from geomlib.detector import IntArray


class Entries(NamedTuple):
    """Identity of the stored entries of one module, in the order in which they are stored.

    Attributes
    ----------
    train, pulse : ndarray of int
        Train 0 marks an entry that is padding.
    cell : ndarray of int, optional
        Memory cell.
    """

    train: IntArray
    pulse: IntArray
    cell: IntArray | None

    @classmethod
    def joined(cls, pieces: Sequence[Entries]) -> Entries:
        """Join the entries of several files that follow each other."""
        cells = [piece.cell for piece in pieces if piece.cell is not None]
        return cls(
            np.concatenate([piece.train for piece in pieces]),
            np.concatenate([piece.pulse for piece in pieces]),
            np.concatenate(cells) if len(cells) == len(pieces) else None,
        )


class Matched(NamedTuple):
    """Frames, and the entry of each module that belongs to each.

    Attributes
    ----------
    train, pulse : ndarray of int, shape (frames,)
        In rising order.
    cell : ndarray of int, shape (frames,), optional
        Where every module tells its memory cells.
    rows : list of ndarray of int, shape (frames,)
        For each module: the entry of each frame, -1 where it has none.
    """

    train: IntArray
    pulse: IntArray
    cell: IntArray | None
    rows: list[IntArray]


def match_entries(modules: Sequence[Entries]) -> Matched:
    """Match the entries of modules by train and pulse.

    Where a train has entries with the same pulse (LPD with parallel gain), the first belongs to
    the first, the second to the second.

    Parameters
    ----------
    modules : sequence of Entries
        At least one.

    Returns
    -------
    Matched
    """
    orders = [_order(entries) for entries in modules]
    keys = [_keys(entries, order) for entries, order in zip(modules, orders, strict=True)]
    if all(np.array_equal(keys[0], other) for other in keys[1:]):
        frames, rows = keys[0], orders
    else:
        frames, owners = _union(keys)
        rows = []
        for owner, order in zip(owners, orders, strict=True):
            row = np.full(frames.shape[1], -1, dtype=np.int64)
            row[owner] = order
            rows.append(row)
    cell: IntArray | None = None
    if all(entries.cell is not None for entries in modules):
        cell = np.zeros(frames.shape[1], dtype=np.int64)
        for entries, row in zip(modules, rows, strict=True):
            assert entries.cell is not None
            cell[row >= 0] = entries.cell[row[row >= 0]]
    return Matched(frames[0], frames[1], cell, rows)


def _order(entries: Entries) -> IntArray:
    """Entries that are no padding, by train and pulse, else as they are stored."""
    order: IntArray = np.lexsort((entries.pulse, entries.train)).astype(np.int64)
    kept: IntArray = order[entries.train[order] != 0]
    return kept


def _keys(entries: Entries, order: IntArray) -> IntArray:
    """Train, pulse and how many of the same came before, shape (3, n)."""
    train, pulse = entries.train[order], entries.pulse[order]
    n = np.arange(len(order))
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (train[1:] != train[:-1]) | (pulse[1:] != pulse[:-1])
    return np.stack([train, pulse, n - np.maximum.accumulate(np.where(fresh, n, 0))])


def _union(keys: Sequence[IntArray]) -> tuple[IntArray, list[IntArray]]:
    """All different keys in rising order, and where each module's keys are among them."""
    joined = np.concatenate(keys, axis=1)
    order = np.lexsort(joined[::-1])
    arranged = joined[:, order]
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (arranged[:, 1:] != arranged[:, :-1]).any(axis=0)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(fresh) - 1
    ends = np.cumsum([part.shape[1] for part in keys])[:-1]
    return arranged[:, fresh], np.split(number, ends)
