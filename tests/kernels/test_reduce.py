"""The compiled loops against the copies in plain numpy, which the rest of the suite checks too."""

import numpy as np
import pytest

from geomlib.kernels import reduce as kernels

pytestmark = pytest.mark.skipif(
    kernels.transpose is kernels._transpose_with_numpy, reason="the compiler is switched off"
)


def random_rows(rng, n_rows, size, dtype, treated, masked):
    """Rows that start anywhere, a row of dark for all, flags for each."""
    flat = rng.integers(0, 100, 2000 + n_rows * size).astype(dtype)
    starts = rng.integers(0, len(flat) - size, n_rows)
    if flat.dtype.kind == "f":
        flat[rng.random(len(flat)) < 0.3] = np.nan
    fields = {}
    same = np.zeros(n_rows, np.int64)
    if treated:
        fields |= {"dark": rng.random(size, "f4"), "dark_starts": same}
        fields |= {"gain": rng.random(n_rows * size, "f4"), "gain_starts": np.arange(n_rows) * size}
    floating = treated or flat.dtype.kind == "f"
    if masked:
        name = "mask" if floating else "skip"
        flags = rng.integers(0, 4, len(flat)).astype("u1")
        fields |= {name: flags, f"{name}_starts": starts, "bits": np.uint8(2)}
    if treated or (masked and floating):
        fields["work"] = np.empty(4 * kernels.WORK_STEP, "f4")
    # As the library calls the loops: for arrays that can be written to, all of them would be
    # compiled once more.
    for name in ("dark", "gain", "mask", "skip"):
        if name in fields:
            fields[name].flags.writeable = False
    flat.flags.writeable = False
    return kernels.Rows(flat, starts, **fields)


@pytest.mark.parametrize("n_rows", [1, 3, 4, 11])
@pytest.mark.parametrize("size", [1, 1023, kernels.BLOCK + 5])
@pytest.mark.parametrize(
    ("dtype", "treated", "masked"),
    [("f4", 0, 0), ("f4", 0, 1), ("u2", 0, 0), ("u2", 0, 1), ("u2", 1, 0), ("u2", 1, 1)],
)
def test_rows(dtype, treated, masked, size, n_rows):
    rng = np.random.default_rng(size)
    rows = random_rows(rng, n_rows, size, dtype, treated, masked)
    floating = treated or dtype == "f4"
    count, other_count = np.zeros((2, size), np.int32)
    totals = np.zeros((2, size), np.float64 if floating else np.int64)
    kernels.add_sums(rows, size, totals[0], count)
    kernels._add_sums_with_numpy(rows, size, totals[1], other_count)
    np.testing.assert_array_equal(totals[0], totals[1])
    np.testing.assert_array_equal(count, other_count)
    if rows.skip is not None:
        again = np.zeros(size, np.int32)
        kernels.add_counts(rows, size, again)
        np.testing.assert_array_equal(again, count)
    squares, counts = np.zeros((2, 3, size)), np.zeros((2, size), np.int32)
    kernels.add_squares(rows, size, *squares[0], counts[0])
    kernels._add_squares_with_numpy(rows, size, *squares[1], counts[1])
    np.testing.assert_array_equal(counts[0], count)
    np.testing.assert_array_equal(squares[0, 0], squares[1, 0])
    # A compiler may add the square without rounding it first.
    np.testing.assert_allclose(
        squares[0, 1:], squares[1, 1:], rtol=n_rows * np.finfo("f8").eps, atol=1e-12
    )
    for largest in (True, False):
        worst = np.nan if floating else (0 if largest else 65535)
        best = np.full((2, size), worst, "f4" if floating else dtype)
        kernels.add_extremes(rows, size, best[0], largest)
        kernels._add_extremes_with_numpy(rows, size, best[1], largest)
        np.testing.assert_array_equal(best[0], best[1])


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "f8"])
@pytest.mark.parametrize(("size", "rows"), [(1, 1), (8, 8), (7, 30), (41, 16), (64, 65)])
def test_transposing(dtype, size, rows):
    step, pitch = rows + 3, size + 5
    flat = np.random.default_rng(0).integers(0, 200, size * step).astype(dtype)
    flat.flags.writeable = False
    out, expected = np.full((2, rows * pitch), 7, dtype)
    kernels.transpose(flat, step, size, rows, out, pitch)
    kernels._transpose_with_numpy(flat, step, size, rows, expected, pitch)
    np.testing.assert_array_equal(out, expected)
    found = out.reshape(rows, pitch)
    np.testing.assert_array_equal(found[:, :size], flat.reshape(size, step)[:, :rows].T)
    assert (found[:, size:] == 7).all()
