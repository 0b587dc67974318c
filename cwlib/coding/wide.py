"""The one product that numba lacks: 64 x 64 bits, of which the upper 64 are wanted.

Python's whole numbers have no limit, so the plain version is the definition. Compiled, it is a
single instruction on every 64-bit processor.
"""

from cwlib.coding.jit import COMPILED


def high_product(a, b):
    """floor(a * b / 2^64) for whole numbers a below 2^63 and b below 2^64, both at least 0."""
    return a * b >> 64


if COMPILED:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    @intrinsic
    def high_product(typing_context, a, b):
        """The same for compiled callers: int64 a and uint64 b."""

        def generate(context, builder, signature, arguments):
            wide = ir.IntType(128)
            a, b = (builder.zext(argument, wide) for argument in arguments)
            upper = builder.lshr(builder.mul(a, b), ir.Constant(wide, 64))
            return builder.trunc(upper, ir.IntType(64))

        return types.int64(types.int64, types.uint64), generate
