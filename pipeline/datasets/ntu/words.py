"""Bytes of a text taken many at a time in numba's compiled code, where a loop over single bytes is several times slower.

Each is one or two instructions of the processor, for which numba has no name. `equal` and `eight` read up to `AHEAD` bytes beyond
the place that they are asked for and check no bounds: the caller has a guard behind the text. For little-endian processors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

AHEAD = 64
_BYTE, _INDEX, _WORD = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_BYTES = ir.VectorType(_BYTE, AHEAD)
_intrinsic: Any = intrinsic  # numba types what it makes as the function below it, which takes one argument more
Made = tuple[Any, Callable[..., Any]]  # the signature, and what writes the code


def _load(array: Any, builder: Any, at: Any, kind: ir.Type) -> Any:
    """The bytes of an array from a place on as one value, wherever in memory they begin."""
    value = builder.load(builder.bitcast(builder.gep(array.data, [at]), kind.as_pointer()))
    value.align = 1
    return value


@_intrinsic  # type: ignore[untyped-decorator]
def equal(_typing: Any, text: Any, at: Any, byte: Any) -> Made:
    """Which of the 64 bytes of `text` from `at` on are `byte`: a bit each, the first byte's the lowest. All but `text` uint64."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        wanted = builder.insert_element(ir.Constant(_BYTES, ir.Undefined), builder.trunc(arguments[2], _BYTE), _INDEX(0))
        everywhere = builder.shuffle_vector(wanted, wanted, ir.Constant(ir.VectorType(_INDEX, AHEAD), [0] * AHEAD))
        return builder.bitcast(builder.icmp_unsigned("==", _load(array, builder, arguments[1], _BYTES), everywhere), _WORD)

    return types.uint64(text, at, byte), code


@_intrinsic  # type: ignore[untyped-decorator]
def eight(_typing: Any, text: Any, at: Any) -> Made:
    """The 8 bytes of `text` from `at` on as uint64, the first byte the lowest."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return _load(array, builder, arguments[1], _WORD)

    return types.uint64(text, at), code


@_intrinsic  # type: ignore[untyped-decorator]
def ones(_typing: Any, bits: Any) -> Made:
    """How many bits of a uint64 are set."""
    return types.uint64(bits), lambda _context, builder, _signature, arguments: builder.ctpop(arguments[0])


@_intrinsic  # type: ignore[untyped-decorator]
def first(_typing: Any, bits: Any) -> Made:
    """The place of the lowest bit of a uint64 that is set; 64 where none is."""
    return types.uint64(bits), lambda _context, builder, _signature, arguments: builder.cttz(arguments[0], ir.IntType(1)(0))
