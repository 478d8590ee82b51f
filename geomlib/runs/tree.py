"""Adding up in an order that does not depend on how the work was cut.

Sums of floating numbers depend on the order. Here frames are added up in leaves of `LEAF` frames,
one after the other, and leaves in pairs, pairs of pairs …, as in a knock-out tournament. A worker
that has 2, 4, 8 … leaves, from a multiple of that number on, makes nodes of that same tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geomlib.assembly.accumulators import How
from geomlib.assembly.reduction import Reduction
from geomlib.assembly.treatment import Treatment

NDArray = npt.NDArray[Any]
#: Frames that are added one after the other.
LEAF = 64


class Sums(NamedTuple):
    """Frames reduced in one or more ways.

    Attributes
    ----------
    reductions : tuple of Reduction
        One for each way.
    present : ndarray of bool, shape (modules,)
        Which modules there were in any frame.
    """

    reductions: tuple[Reduction, ...]
    present: npt.NDArray[np.bool_]

    def merge(self, other: Sums) -> Sums:
        """Return the sums of the frames of both."""
        pairs = zip(self.reductions, other.reductions, strict=True)
        return Sums(tuple(a.merge(b) for a, b in pairs), self.present | other.present)


class Node(NamedTuple):
    """Sums of ``2**level`` leaves; of fewer only at the very end."""

    level: int
    sums: Sums


@dataclass(eq=False)
class Tree:
    """Sums of leaves that come in their order.

    Attributes
    ----------
    nodes : list of Node
        What is not joined yet, the largest first: few, one for each binary digit.
    """

    nodes: list[Node] = field(default_factory=list)

    def add(self, node: Node) -> None:
        """Add the next node, and join what makes a pair."""
        while self.nodes and self.nodes[-1].level == node.level:
            node = Node(node.level + 1, self.nodes.pop().sums.merge(node.sums))
        self.nodes.append(node)

    def total(self) -> Sums:
        """Return the sums of all, from the smallest node upwards."""
        sums = self.nodes[-1].sums
        for node in reversed(self.nodes[:-1]):
            sums = node.sums.merge(sums)
        return sums


@dataclass(eq=False)
class Leaves:
    """Frames that come one after the other, cut into leaves.

    Attributes
    ----------
    hows : tuple of str
        Ways to reduce.
    threads : int
        Do not change the result.
    tree : Tree
        Of the leaves that are full.
    """

    hows: tuple[How, ...]
    threads: int
    tree: Tree = field(default_factory=Tree)
    _count: int = 0
    _open: Sums | None = None

    def add(self, data: NDArray, treatment: Treatment | None) -> None:
        """Add frames, shape (n, modules, ss, fs)."""
        first = 0
        while first < len(data):
            some = slice(first, min(first + LEAF - self._count, len(data)))
            own = None if treatment is None else treatment.block((some,))
            self._add(data[some], own)
            first = some.stop

    def _add(self, data: NDArray, treatment: Treatment | None) -> None:
        if self._open is None:
            reductions = tuple(Reduction(how, threads=self.threads) for how in self.hows)
            self._open = Sums(reductions, np.zeros(data.shape[1], dtype=np.bool_))
        for reduction in self._open.reductions:
            reduction.add(data, treatment=treatment)
        there = None if treatment is None else treatment.present
        self._open.present[:] |= True if there is None else there.any(axis=0)
        self._count += len(data)
        if self._count == LEAF:
            self.close()

    def close(self) -> None:
        """End the leaf that is open: it is full, or there are no more frames."""
        if self._open is not None:
            self.tree.add(Node(0, self._open))
        self._open, self._count = None, 0


def to_arrays(prefix: str, tree: Tree, hows: tuple[How, ...]) -> dict[str, NDArray]:
    """Name the arrays of a tree, for a file."""
    found: dict[str, NDArray] = {}
    for k, (level, sums) in enumerate(tree.nodes):
        found[f"{prefix}/{k}/level"] = np.array(level)
        found[f"{prefix}/{k}/present"] = sums.present
        for how, reduction in zip(hows, sums.reductions, strict=True):
            state, dtype = reduction.state()
            found[f"{prefix}/{k}/{how}/dtype"] = np.empty(0, dtype)
            for name, array in state.items():
                found[f"{prefix}/{k}/{how}/{name}"] = array
    return found


def nodes_of(group: Any, hows: tuple[How, ...], threads: int) -> Iterator[Node]:
    """Yield the nodes in an HDF5 group that was written of `to_arrays`, one at a time."""
    for k in range(len(group)):
        node = group[str(k)]
        reductions = []
        for how in hows:
            state = {name: node[how][name][()] for name in node[how]}
            dtype = state.pop("dtype").dtype
            reductions.append(Reduction.of_state(how, state, dtype, threads=threads))
        yield Node(int(node["level"][()]), Sums(tuple(reductions), node["present"][()]))
