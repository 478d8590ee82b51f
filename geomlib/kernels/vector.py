"""Blocks of eight numbers at a time: what loops that the compiler unrolls do not reach.

Operations written as LLVM instructions through numba's `intrinsic`. Both take addresses, not
arrays, and convert from the dtype of one array to that of the other on the way; the arrays are
given for their dtypes only. LLVM lowers the vectors to whatever the processor has.

`transpose_block` reads 8 runs of 8 numbers and writes them as 8 runs across: rows of a tile that
become columns of the image. Element by element this costs a load and a store a number; as three
rounds of shuffles it costs 2 loads, 6 shuffles and 2 stores for 16 numbers.

`copy_row` copies a run, forwards or backwards, always reading upwards in memory: that is the way
the processor reads ahead.

`stream_lines` copies lines to memory past the caches. An ordinary store first reads the cache line
that it writes to; these do not, so that writing an image costs half the traffic. `fence` makes what
was streamed visible to other threads. `geomlib.kernels.streams` streams what is not whole lines.

`prefetch` asks for a cache line, for the second-level cache. It may point anywhere.

None of this exists where the compiler is switched off; `geomlib.kernels.snap` then copies with
numpy.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

#: Side of a block that `transpose_block` moves.
LANES = 8
#: Numbers that `copy_row` moves at once.
ROW_LANES = 16
#: Bytes of a cache line.
LINE = 64

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_WHOLE_LINE = ir.VectorType(_I64, LINE // 8)


def _size(dtype: Any) -> int:
    return int(dtype.bitwidth) // 8


def _at(builder: Any, base: Any, stride: Any, index: int) -> Any:
    return builder.add(base, builder.mul(stride, _I64(index)))


def load(builder: Any, address: Any, context: Any, dtype: Any, lanes: int) -> Any:
    """Load a vector of numbers that may lie anywhere; one number for a single lane."""
    element = context.get_data_type(dtype)
    kind = ir.VectorType(element, lanes) if lanes > 1 else element
    value = builder.load(builder.inttoptr(address, kind.as_pointer()))
    value.align = _size(dtype)
    return value


def store(builder: Any, value: Any, address: Any, dtype: Any) -> None:
    """Store a vector of numbers, or one, at any address."""
    instruction = builder.store(value, builder.inttoptr(address, value.type.as_pointer()))
    instruction.align = _size(dtype)


def convert(builder: Any, value: Any, context: Any, given: Any, wanted: Any, lanes: int) -> Any:
    """Convert numbers as numpy does, for the pairs of dtypes that `assemble_data` allows."""
    element = context.get_data_type(wanted)
    kind = ir.VectorType(element, lanes) if lanes > 1 else element
    if given == wanted:
        return value
    if isinstance(given, types.Integer):
        if isinstance(wanted, types.Integer):
            if given.bitwidth == wanted.bitwidth:
                return value
            return builder.sext(value, kind) if given.signed else builder.zext(value, kind)
        return builder.sitofp(value, kind) if given.signed else builder.uitofp(value, kind)
    if given.bitwidth < wanted.bitwidth:
        return builder.fpext(value, kind)
    return builder.fptrunc(value, kind)


def _shuffle(builder: Any, a: Any, b: Any, order: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_I32, len(order)), order)
    return builder.shuffle_vector(a, b, mask)


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Transpose 8 vectors of 8: pairs of numbers, then fours, then halves change places."""
    pairs = []
    for i in range(0, 8, 2):
        pairs.append(_shuffle(builder, rows[i], rows[i + 1], [0, 8, 1, 9, 4, 12, 5, 13]))
        pairs.append(_shuffle(builder, rows[i], rows[i + 1], [2, 10, 3, 11, 6, 14, 7, 15]))
    fours = []
    for i in (0, 4):
        for first, second in ((i, i + 2), (i + 1, i + 3)):
            a, b = pairs[first], pairs[second]
            fours.append(_shuffle(builder, a, b, [0, 1, 8, 9, 4, 5, 12, 13]))
            fours.append(_shuffle(builder, a, b, [2, 3, 10, 11, 6, 7, 14, 15]))
    low = [_shuffle(builder, fours[i], fours[i + 4], [0, 1, 2, 3, 8, 9, 10, 11]) for i in range(4)]
    high = [
        _shuffle(builder, fours[i], fours[i + 4], [4, 5, 6, 7, 12, 13, 14, 15]) for i in range(4)
    ]
    return low + high


@intrinsic
def transpose_block(  # type: ignore[no-untyped-def]
    typingctx, source, target, from_address, from_step, to_address, to_step
):
    """Read 8 runs of 8 numbers, ``from_step`` bytes apart; write run j to ``to_step * j``."""
    given, wanted = source.dtype, target.dtype
    signature = types.void(source, target, *[types.int64] * 4)

    def generate(context, builder, _, arguments):  # type: ignore[no-untyped-def]
        start, step, end, end_step = arguments[2:]
        rows = []
        for k in range(LANES):
            row = load(builder, _at(builder, start, step, k), context, given, LANES)
            rows.append(convert(builder, row, context, given, wanted, LANES))
        for k, row in enumerate(transposed(builder, rows)):
            store(builder, row, _at(builder, end, end_step, k), wanted)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def copy_row(  # type: ignore[no-untyped-def]
    typingctx, source, target, from_address, to_address, count, direction
):
    """Copy ``count`` numbers; ``direction`` -1 reads them backwards from ``from_address``."""
    given, wanted = source.dtype, target.dtype
    signature = types.void(source, target, *[types.int64] * 4)

    def generate(context, builder, _, arguments):  # type: ignore[no-untyped-def]
        start, end, count, direction = arguments[2:]
        in_step, out_step, lanes = _I64(_size(given)), _I64(_size(wanted)), _I64(ROW_LANES)

        def block(i: Any, reverse: bool) -> None:
            if reverse:
                # The last numbers of the run lie lowest in memory.
                last = builder.add(i, _I64(ROW_LANES - 1))
                address = builder.sub(start, builder.mul(last, in_step))
            else:
                address = builder.add(start, builder.mul(i, in_step))
            row = load(builder, address, context, given, ROW_LANES)
            if reverse:
                row = _shuffle(builder, row, row, list(range(ROW_LANES))[::-1])
            row = convert(builder, row, context, given, wanted, ROW_LANES)
            store(builder, row, builder.add(end, builder.mul(i, out_step)), wanted)

        def blocks(reverse: bool) -> None:
            # The first and the last one lie anywhere, and over their neighbours; all others begin
            # where vectors do: a store that reaches over a line, or a page, takes longer.
            away = builder.and_(builder.neg(end), _I64(min(LINE, ROW_LANES * _size(wanted)) - 1))
            lead = builder.udiv(away, out_step)
            lead = builder.select(builder.icmp_signed("==", lead, _I64(0)), lanes, lead)
            final = builder.sub(count, lanes)
            whole = builder.and_(builder.sub(count, lead), _I64(-ROW_LANES))
            block(final if reverse else _I64(0), reverse)
            with cgutils.for_range_slice(builder, _I64(0), whole, lanes) as (i, _):
                if reverse:
                    i = builder.sub(builder.sub(whole, lanes), i)
                block(builder.add(lead, i), reverse)
            block(_I64(0) if reverse else final, reverse)

        forwards = builder.icmp_signed("==", direction, _I64(1))
        with builder.if_else(builder.icmp_signed(">=", count, lanes)) as (many, few):
            with many, builder.if_else(forwards) as (then, otherwise):
                with then:
                    blocks(reverse=False)
                with otherwise:
                    blocks(reverse=True)
            with few, cgutils.for_range_slice(builder, _I64(0), count, _I64(1)) as (i, _):
                step = builder.mul(builder.mul(i, direction), in_step)
                number = load(builder, builder.add(start, step), context, given, 1)
                number = convert(builder, number, context, given, wanted, 1)
                store(builder, number, builder.add(end, builder.mul(i, out_step)), wanted)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def copy_bytes(typingctx, from_address, to_address, count):  # type: ignore[no-untyped-def]
    """Copy some bytes."""
    signature = types.void(*[types.int64] * 3)

    def generate(context, builder, _, arguments):  # type: ignore[no-untyped-def]
        pointer = ir.IntType(8).as_pointer()
        source, target = (builder.inttoptr(address, pointer) for address in arguments[:2])
        cgutils.raw_memcpy(builder, target, source, arguments[2], 1)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def copy_line(typingctx, from_address, to_address):  # type: ignore[no-untyped-def]
    """Copy as many bytes as a cache line has, from anywhere to anywhere."""
    signature = types.void(*[types.int64] * 2)

    def generate(context, builder, _, arguments):  # type: ignore[no-untyped-def]
        source, target = arguments
        _store_line(builder, _load_line(builder, source), target)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def stream_lines(typingctx, from_address, to_address, count):  # type: ignore[no-untyped-def]
    """Copy ``count`` bytes, whole lines, from anywhere to lines of memory, past the caches."""
    signature = types.void(*[types.int64] * 3)

    def generate(context, builder, _, arguments):  # type: ignore[no-untyped-def]
        start, end, count = arguments
        hint = builder.module.add_metadata([ir.Constant(_I32, 1)])
        with cgutils.for_range_slice(builder, _I64(0), count, _I64(LINE)) as (i, _):
            value = _load_line(builder, builder.add(start, i))
            store = _store_line(builder, value, builder.add(end, i))
            store.align = LINE
            store.set_metadata("nontemporal", hint)
        return context.get_dummy_value()

    return signature, generate


def _load_line(builder: Any, address: Any) -> Any:
    value = builder.load(builder.inttoptr(address, _WHOLE_LINE.as_pointer()))
    value.align = 1
    return value


def _store_line(builder: Any, value: Any, address: Any) -> Any:
    store = builder.store(value, builder.inttoptr(address, _WHOLE_LINE.as_pointer()))
    store.align = 1
    return store


@intrinsic
def fence(typingctx):  # type: ignore[no-untyped-def]
    """Wait until all stores, streamed ones too, can be seen by every thread."""

    def generate(context, builder, _, arguments):  # type: ignore[no-untyped-def]
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def prefetch(typingctx, address):  # type: ignore[no-untyped-def]
    """Ask for the cache line at an address, for the second-level cache."""
    signature = types.void(types.int64)

    def generate(context, builder, _, arguments):  # type: ignore[no-untyped-def]
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, *[_I32] * 3])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        # To read, into the second-level cache (2 of 0 … 3), data and not code.
        order = [builder.inttoptr(arguments[0], pointer), _I32(0), _I32(2), _I32(1)]
        builder.call(function, order)
        return context.get_dummy_value()

    return signature, generate
