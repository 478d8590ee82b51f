import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from geomlib.value import Value


@dataclass(frozen=True, eq=False)
class Example(Value):
    array: np.ndarray
    table: Mapping[str, int]
    note: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        array = np.array(self.array)
        array.flags.writeable = False
        self._set(array=array, table=MappingProxyType(dict(self.table)))


def test_equal_content_is_equal_and_hashes_alike():
    one, other = Example([0.0, 1.0], {"a": 1, "b": 2}), Example([-0.0, 1.0], {"b": 2, "a": 1}, "x")
    assert one == other
    assert hash(one) == hash(other)
    assert one != Example([0.0, 2.0], {"a": 1, "b": 2})
    assert one != Example([0.0, 1.0], {"a": 1})
    assert one != "a"


def test_pickles_come_back_read_only():
    copy = pickle.loads(pickle.dumps(Example([1.0], {"a": 1}, "x")))
    assert copy == Example([1.0], {"a": 1})
    assert copy.note == "x"
    assert not copy.array.flags.writeable
    assert isinstance(copy.table, MappingProxyType)
