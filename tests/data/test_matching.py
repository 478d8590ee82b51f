"""Entries of modules matched by train and pulse."""

import numpy as np

from geomlib.data.matching import Entries, match_entries


def entries(pairs, cell=True):
    train, pulse = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Entries(train, pulse, pulse + 100 if cell else None)


def test_equal_modules_keep_their_entries_in_place():
    module = entries([(7, 0), (7, 1), (8, 0)])
    matched = match_entries([module, module])
    assert matched.train.tolist() == [7, 7, 8]
    assert matched.pulse.tolist() == [0, 1, 0]
    assert matched.cell.tolist() == [100, 101, 100]
    assert [rows.tolist() for rows in matched.rows] == [[0, 1, 2], [0, 1, 2]]


def test_a_missed_train_and_a_missed_pulse_are_gaps():
    first = entries([(7, 0), (7, 1), (8, 0), (8, 1)])
    second = entries([(7, 1), (9, 0)])
    matched = match_entries([first, second])
    assert matched.train.tolist() == [7, 7, 8, 8, 9]
    assert matched.pulse.tolist() == [0, 1, 0, 1, 0]
    assert matched.rows[0].tolist() == [0, 1, 2, 3, -1]
    assert matched.rows[1].tolist() == [-1, 0, -1, -1, 1]
    assert matched.cell.tolist() == [100, 101, 100, 101, 100]


def test_padding_is_left_out_and_stored_order_does_not_matter():
    matched = match_entries([entries([(8, 0), (7, 0), (0, 0), (0, 0)])])
    assert matched.train.tolist() == [7, 8]
    assert matched.rows[0].tolist() == [1, 0]


def test_repeated_pulses_match_in_order():
    first = entries([(7, 0), (7, 0), (7, 1)])
    second = entries([(7, 0), (7, 1), (7, 1)])
    matched = match_entries([first, second])
    assert matched.pulse.tolist() == [0, 0, 1, 1]
    assert matched.rows[0].tolist() == [0, 1, 2, -1]
    assert matched.rows[1].tolist() == [0, -1, 1, 2]


def test_cells_are_told_only_if_every_module_tells_them():
    assert match_entries([entries([(1, 0)]), entries([(1, 0)], cell=False)]).cell is None


def test_random_modules_against_a_plain_dictionary():
    rng = np.random.default_rng(5)
    pairs = [
        [(t, p) for t in range(1, 30) for p in range(5) if rng.random() < 0.7] for _ in range(4)
    ]
    matched = match_entries([entries(p) for p in pairs])
    expected = sorted(set().union(*pairs))
    assert list(zip(matched.train.tolist(), matched.pulse.tolist(), strict=True)) == expected
    for own, rows in zip(pairs, matched.rows, strict=True):
        index = {pair: i for i, pair in enumerate(own)}
        assert rows.tolist() == [index.get(pair, -1) for pair in expected]
