"""The upper half of a 128-bit product, against Python's whole numbers."""

from hypothesis import example, given
from hypothesis import strategies as st

from cwlib.coding.jit import jit
from cwlib.coding.wide import high_product


@jit
def product(a, b):
    return high_product(a, b)


@given(st.integers(0, 2**63 - 1), st.integers(2**63, 2**64 - 1))
@example(2**63 - 1, 2**64 - 1)
@example(0, 2**63)
@example(1, 2**64 - 1)
def test_the_upper_64_bits_are_those_of_the_exact_product(a, b):
    assert product(a, b) == (a * b) // 2**64
