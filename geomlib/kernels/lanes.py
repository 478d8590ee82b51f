"""Eight frames side by side in vector registers: what azimuthal integration adds up.

Neighbouring pixels mostly fall into the same bin, and a sum in memory can take only one number each
time it has gone round through the store and the load, some eight cycles. With the sums of eight
frames in one vector that is a cycle a pixel. The pixels of eight frames are brought side by side by
`gather_block`, in registers. LLVM lowers the vectors to whatever the processor has.

All take addresses, and an array only for its dtype; see `geomlib.kernels.vector`. NaN adds nothing
to a sum. Products are rounded before they are added, as in plain loops, so that one frame gives the
same bytes alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from geomlib.kernels.vector import LANES, convert, load, store, transposed

_I8, _I64, _DOUBLE = ir.IntType(8), ir.IntType(64), ir.DoubleType()
_SUMS = ir.VectorType(_DOUBLE, LANES)
#: Where the numbers lie, where the sums do, and a weight.
_PLACES = (types.int64, types.int64, types.float64)


@intrinsic
def gather_block(typingctx, source, target, addresses, offset, to_address):  # type: ignore[no-untyped-def]
    """Read 8 numbers ``offset`` bytes behind each of 8 addresses; write them frame by frame.

    ``addresses`` is where the addresses lie; number j of all frames goes to row j of the target.
    """
    given, wanted = source.dtype, target.dtype
    signature = types.void(source, target, *[types.int64] * 3)

    def generate(context, builder, _, arguments):  # type: ignore[no-untyped-def]
        where, offset, to = arguments[2:]
        table = builder.inttoptr(where, _I64.as_pointer())
        rows = []
        for k in range(LANES):
            start = builder.load(builder.gep(table, [_I64(k)]))
            row = load(builder, builder.add(start, offset), context, given, LANES)
            rows.append(convert(builder, row, context, given, wanted, LANES))
        step = _I64(LANES * int(wanted.bitwidth) // 8)
        for k, row in enumerate(transposed(builder, rows)):
            store(builder, row, builder.add(to, builder.mul(step, _I64(k))), wanted)
        return context.get_dummy_value()

    return signature, generate


def _numbers(builder: Any, address: Any, context: Any, dtype: Any) -> tuple[Any, Any]:
    """Load 8 numbers as doubles, and which of them are NaN."""
    value = load(builder, address, context, dtype, LANES)
    nan = builder.fcmp_unordered("uno", value, value)
    if dtype.bitwidth < 64:
        value = builder.fpext(value, _SUMS)
    return value, nan


def _spread(builder: Any, number: Any) -> Any:
    """Return a vector that holds a number 8 times."""
    one = builder.insert_element(ir.Constant(_SUMS, ir.Undefined), number, ir.IntType(32)(0))
    order = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, one, order)


def _add(builder: Any, address: Any, value: Any, skipped: Any) -> None:
    """Add to 8 sums, nothing where it is skipped."""
    zero = ir.Constant(_SUMS, [0.0] * LANES)
    pointer = builder.inttoptr(address, _SUMS.as_pointer())
    sums = builder.load(pointer)
    sums.align = 8
    total = builder.fadd(sums, builder.select(skipped, zero, value))
    builder.store(total, pointer).align = 8


def _add_weighted(
    context: Any, builder: Any, arguments: Any, dtype: Any, change: Callable[..., Any] | None = None
) -> Any:
    """Add 8 numbers, changed and then weighted, to sums; returns which of them are NaN."""
    _, values, sums, weight = arguments
    value, nan = _numbers(builder, values, context, dtype)
    if change is not None:
        value = change(builder, value)
    _add(builder, sums, builder.fmul(value, _spread(builder, weight)), nan)
    return nan


@intrinsic
def add_lanes(typingctx, like, values, sums, weight):  # type: ignore[no-untyped-def]
    """Add weighted numbers to sums; returns the bits of those that are NaN."""

    def generate(context, builder, _, arguments):  # type: ignore[no-untyped-def]
        nan = _add_weighted(context, builder, arguments, like.dtype)
        return builder.zext(builder.bitcast(nan, _I8), _I64)

    return types.int64(like, *_PLACES), generate


@intrinsic
def add_poisson(typingctx, like, values, sums, weight):  # type: ignore[no-untyped-def]
    """Add weighted variances of counts: the number itself, but at least 1."""

    def at_least_one(builder: Any, value: Any) -> Any:
        one = ir.Constant(_SUMS, [1.0] * LANES)
        return builder.select(builder.fcmp_ordered(">", value, one), value, one)

    def generate(context, builder, _, arguments):  # type: ignore[no-untyped-def]
        _add_weighted(context, builder, arguments, like.dtype, at_least_one)
        return context.get_dummy_value()

    return types.void(like, *_PLACES), generate


@intrinsic
def add_squares(typingctx, like, values, sums, weight):  # type: ignore[no-untyped-def]
    """Add weighted squares to sums."""

    def square(builder: Any, value: Any) -> Any:
        return builder.fmul(value, value)

    def generate(context, builder, _, arguments):  # type: ignore[no-untyped-def]
        _add_weighted(context, builder, arguments, like.dtype, square)
        return context.get_dummy_value()

    return types.void(like, *_PLACES), generate


@intrinsic
def add_missing(typingctx, like, values, sums, weight):  # type: ignore[no-untyped-def]
    """Add a weight to the sums of the numbers that are NaN."""

    def generate(context, builder, _, arguments):  # type: ignore[no-untyped-def]
        _, values, sums, weight = arguments
        _, nan = _numbers(builder, values, context, like.dtype)
        there = builder.xor(nan, ir.Constant(nan.type, [1] * LANES))
        _add(builder, sums, _spread(builder, weight), there)
        return context.get_dummy_value()

    return types.void(like, *_PLACES), generate
