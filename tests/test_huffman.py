"""Huffman coding, held to brute force, closed forms, worked examples and a peer's decoder."""

import dataclasses
import hashlib
import heapq
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwlib.coding import huffman, jit
from cwlib.coding.huffman import Code
from cwlib.coding.stream import StreamError

ROOT = Path(__file__).parent.parent

#: Counts of which at least two are not 0.
COUNTS = st.lists(st.integers(0, 10**6), min_size=2, max_size=200).filter(
    lambda counts: np.count_nonzero(counts) > 1
)


def bell(n: int, n_symbols: int = 64, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(n_symbols / 2, n_symbols / 8, n)
    return np.clip(np.rint(values), 0, n_symbols - 1).astype(np.int64)


def code_for(symbols: np.ndarray, n_symbols: int = 64, **kwargs) -> Code:
    return Code.from_counts(np.bincount(symbols, minlength=n_symbols), **kwargs)


def cost(counts, lengths) -> int:
    return sum(int(c) * int(bits) for c, bits in zip(counts, lengths, strict=True))


def huffman_cost(counts) -> int:
    """Huffman's own greedy algorithm: the sum of all merged weights."""
    heap = [c for c in counts if c]
    heapq.heapify(heap)
    total = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        total += merged
        heapq.heappush(heap, merged)
    return total


def best_cost(counts, max_length: int) -> int:
    """The least cost among all lengths that satisfy Kraft's inequality, tried one by one."""
    return min(
        cost(counts, lengths)
        for lengths in itertools.product(range(1, max_length + 1), repeat=len(counts))
        if sum(2.0**-bits for bits in lengths) <= 1
    )


# ---- the lengths are the best ones ----


def test_the_textbook_example_has_its_textbook_lengths():
    # Cormen, Leiserson, Rivest, Stein, Introduction to Algorithms, the chapter on Huffman codes:
    # a:45 b:13 c:12 d:16 e:9 f:5 (in thousands) takes 224,000 bits.
    counts = np.array([45, 13, 12, 16, 9, 5]) * 1000
    code = Code.from_counts(counts)
    assert code.lengths.tolist() == [1, 3, 3, 3, 4, 4]
    assert code.bits(counts) == 224_000


def test_canonical_words_are_those_of_rfc_1951():
    # RFC 1951, section 3.2.2: A...H with lengths (3, 3, 3, 3, 3, 2, 4, 4)
    code = Code.from_lengths([3, 3, 3, 3, 3, 2, 4, 4])
    words = ["010", "011", "100", "101", "110", "00", "1110", "1111"]
    assert code.codewords == dict(enumerate(words))
    assert code.codes.tolist() == [int(word, 2) for word in words]


@pytest.mark.parametrize("max_length", [3, 4, 5])
def test_no_code_within_the_limit_is_shorter_than_ours(max_length):
    rng = np.random.default_rng(max_length)
    for n_symbols in (2, 3, 4, 5, 6):
        for _ in range(3):
            counts = rng.integers(1, 4 ** rng.integers(1, 7), n_symbols)
            code = Code.from_counts(counts, max_length=max_length)
            assert code.lengths.max() <= max_length
            assert cost(counts, code.lengths) == best_cost(counts, max_length)


@given(COUNTS)
@settings(deadline=None)
def test_the_merges_cost_what_the_best_code_costs(counts):
    steps = huffman.tree_steps(counts)
    assert len(steps) == np.count_nonzero(counts) - 1
    # Every merge lengthens all words below it by one bit, so it costs its own weight.
    code = Code.from_counts(counts, max_length=24)
    if code.lengths.max() < 24:
        assert sum(step.weight for step in steps) == code.bits(counts)
    assert steps[-1].weight == sum(counts)


@given(COUNTS)
@settings(deadline=None)
def test_each_merge_takes_the_two_lightest_nodes_there_are(counts):
    waiting = {s: c for s, c in enumerate(counts) if c}
    for k, step in enumerate(huffman.tree_steps(counts)):
        assert step.node == len(counts) + k and step.weight == step.left_weight + step.right_weight
        lightest = sorted((weight, node) for node, weight in waiting.items())[:2]
        pair = [(step.left_weight, step.left), (step.right_weight, step.right)]
        assert pair == lightest
        del waiting[step.left], waiting[step.right]
        waiting[step.node] = step.weight
    assert len(waiting) == 1


def leaves(node, depth=0) -> dict[int, int]:
    """{symbol: its depth in a tree of nested pairs}."""
    if isinstance(node, int):
        return {node: depth}
    return leaves(node[0], depth + 1) | leaves(node[1], depth + 1)


@given(COUNTS)
@settings(deadline=None)
def test_the_tree_puts_the_symbols_at_the_depths_of_the_best_code(counts):
    depths = leaves(huffman.tree(counts))
    assert set(depths) == set(np.flatnonzero(counts).tolist())
    assert sum(counts[s] * depth for s, depth in depths.items()) == huffman_cost(counts)


def test_the_merges_of_the_textbook_example():
    # Cormen et al., the figure that follows the example above: f+e, c+b, 14+d, 25+30, a+55
    merges = huffman.tree_steps([45, 13, 12, 16, 9, 5])
    weights = [(step.left_weight, step.right_weight, step.weight) for step in merges]
    assert weights == [(5, 9, 14), (12, 13, 25), (14, 16, 30), (25, 30, 55), (45, 55, 100)]
    assert huffman.tree([45, 13, 12, 16, 9, 5]) == (0, ((2, 1), ((5, 4), 3)))


def test_trees_of_few_symbols():
    assert huffman.tree_steps([]) == huffman.tree_steps([0, 7]) == []
    assert huffman.tree([0, 0]) is None and huffman.tree([0, 7]) == 1
    assert huffman.tree([45, 13, 12]) == ((2, 1), 0)
    with pytest.raises(ValueError, match="counts are at least 0"):
        huffman.tree_steps([1, -1])


def test_the_limit_binds_where_it_must():
    counts = [1, 1, 2, 3, 5, 8]  # Fibonacci: the unlimited words have 5, 5, 4, 3, 2, 1 bits
    assert sorted(Code.from_counts(counts, max_length=5).lengths) == [1, 2, 3, 4, 5, 5]
    limited = Code.from_counts(counts, max_length=3)
    assert limited.lengths.max() == 3
    assert cost(counts, limited.lengths) == best_cost(counts, 3)


@given(COUNTS)
@settings(deadline=None)
def test_without_a_binding_limit_the_cost_is_that_of_the_greedy_algorithm(counts):
    code = Code.from_counts(counts, max_length=24)
    if code.lengths.max() < 24:
        assert cost(counts, code.lengths) == huffman_cost(counts)
    assert cost(counts, Code.from_counts(counts).lengths) >= huffman_cost(counts)


@given(COUNTS)
@settings(deadline=None)
def test_the_mean_length_lies_within_one_bit_of_the_entropy(counts):
    p = np.array(counts) / sum(counts)
    entropy = -sum(q * np.log2(q) for q in p if q)
    mean = Code.from_counts(counts, max_length=24).bits(counts) / sum(counts)
    assert entropy - 1e-9 <= mean < entropy + 1


@given(COUNTS)
@settings(deadline=None)
def test_an_optimal_code_wastes_no_word(counts):
    lengths = Code.from_counts(counts).lengths
    assert sum(2.0 ** -int(bits) for bits in lengths if bits) == 1
    assert ((lengths > 0) == (np.array(counts) > 0)).all()


def test_no_word_begins_another():
    words = sorted(code_for(bell(5000)).codewords.values())
    assert not any(b.startswith(a) for a, b in itertools.pairwise(words))


# ---- round trips ----


def test_the_bits_of_a_message_are_its_words_in_order():
    code = Code.from_lengths([1, 2, 3, 3])  # 0, 10, 110, 111
    assert code.encode([0, 1, 2, 3, 0]) == bytes([0b01011011, 0b10000000])
    assert code.decode(bytes([0b01011011, 0b10000000]), 5).tolist() == [0, 1, 2, 3, 0]


@given(
    st.lists(st.integers(0, 10**5), min_size=1, max_size=80).filter(any),
    st.lists(st.integers(0, 10**9), max_size=200),
    st.integers(8, 24),
)
@settings(deadline=None)
def test_every_message_comes_back(counts, picks, max_length):
    used = np.flatnonzero(counts)
    symbols = used[np.array(picks, dtype=np.int64) % used.size]
    code = Code.from_counts(counts, max_length=max_length)
    data = code.encode(symbols)
    assert len(data) == -(-code.bits(np.bincount(symbols, minlength=len(counts))) // 8)
    assert np.array_equal(code.decode(data, symbols.size), symbols)
    assert Code.from_bytes(code.to_bytes(), len(counts)) == code


def test_words_longer_than_the_lookup_come_back():
    # 1, 2, 3 ... 23, 24, 24 bits: the longest words that there are
    code = Code.from_lengths([*range(1, 25), 24])
    symbols = np.random.default_rng(0).integers(0, 25, 3000)
    data = code.encode(symbols)
    assert data == bits_to_bytes("".join(code.codewords[s] for s in symbols))
    assert np.array_equal(code.decode(data, symbols.size), symbols)


def bits_to_bytes(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return int("1" + bits, 2).to_bytes(len(bits) // 8 + 1, "big")[1:]


def test_65536_symbols_come_back():
    symbols = np.random.default_rng(0).permutation(np.arange(2**16).repeat(2))
    code = Code.from_counts(np.bincount(symbols) + (np.arange(2**16) < 9), max_length=24)
    assert np.array_equal(code.decode(code.encode(symbols), symbols.size), symbols)
    assert Code.from_bytes(code.to_bytes(), 2**16) == code


def test_bitarray_decodes_our_bytes_with_our_words():
    bitarray = pytest.importorskip("bitarray").bitarray
    symbols = bell(5000)
    code = code_for(symbols)
    bits = bitarray()
    bits.frombytes(code.encode(symbols))
    bits = bits[: code.bits(np.bincount(symbols, minlength=64))]
    words = {s: bitarray(word) for s, word in code.codewords.items()}
    assert list(bits.decode(words)) == symbols.tolist()


def test_compiled_and_plain_python_agree_and_plain_python_reads_within_bounds():
    script = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "import test_huffman as t\n"
        "print(t.jit.COMPILED, t.digest())"
    )
    outs = []
    for off in "01":
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            env={**os.environ, "CWLIB_NO_JIT": off},
            cwd=ROOT,
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr
        outs.append(done.stdout.split())
    assert outs[1][0] == "False"
    assert outs[0][1] == outs[1][1]


def digest() -> str:
    """What the coder makes of sound and of damaged data, as one string."""
    h = hashlib.sha256()
    for code, symbols in fuzz_material():
        data = code.encode(symbols)
        h.update(data + code.decode(data, symbols.size).tobytes())
    for code, data, n in damaged_data(300):
        try:
            h.update(code.decode(data, n).tobytes())
        except StreamError as error:
            h.update(str(error).encode())
    return h.hexdigest()


# ---- edges ----


def test_an_empty_message_is_no_bytes():
    for code in (Code.from_counts([]), Code.from_counts([0, 0]), Code.from_counts([3, 4])):
        assert code.encode([]) == b""
        assert code.decode(b"", 0).tolist() == []


def test_one_symbol_takes_one_bit():
    code = Code.from_counts([0, 7, 0])
    assert code.codewords == {1: "0"}
    assert code.encode([1] * 9) == b"\0\0"
    assert code.decode(b"\0\0", 9).tolist() == [1] * 9
    assert code.bits([0, 9, 0]) == 9


def test_the_shape_of_the_symbols_is_read_row_by_row():
    code = Code.from_lengths([1, 1])
    assert code.encode(np.array([[0, 1], [1, 1]]).T) == bytes([0b01110000])


def test_every_integer_dtype_gives_the_same_bytes_without_a_second_compilation():
    symbols = bell(100)
    code = code_for(symbols)
    expected = code.encode(symbols)
    read_only = symbols.copy()
    read_only.flags.writeable = False
    kinds = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", ">i8", ">u2"]
    for array in [symbols.astype(kind) for kind in kinds] + [read_only, symbols.repeat(2)[::2]]:
        assert code.encode(array) == expected
    assert code.encode(symbols.tolist()) == expected
    assert code.decode(bytearray(expected), 100).tolist() == symbols.tolist()
    assert code.decode(memoryview(expected), 100).tolist() == symbols.tolist()
    if jit.COMPILED:
        assert len(huffman._encode.signatures) == len(huffman._decode.signatures) == 1


def test_a_code_cannot_be_changed():
    code = Code.from_counts([1, 2, 3])
    with pytest.raises(dataclasses.FrozenInstanceError):
        code.lengths = np.zeros(3)
    for array in (code.lengths, code.codes):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_code_does_not_follow_the_array_that_it_was_made_from():
    lengths = np.array([1, 2, 2], dtype=np.uint8)
    code = Code.from_lengths(lengths)
    lengths[0] = 9
    assert code.lengths.tolist() == [1, 2, 2]


def test_equal_lengths_make_equal_codes():
    code = Code.from_counts([4, 2, 1, 1])
    assert (
        code == Code.from_lengths([1, 2, 3, 3])
        and len({code, Code.from_lengths([1, 2, 3, 3])}) == 1
    )
    assert code != Code.from_lengths([3, 2, 1, 3])


# ---- misuse ----


@pytest.mark.parametrize("symbol", [-1, 2, 3, 2**40])
def test_a_symbol_without_a_word_is_named(symbol):
    code = Code.from_counts([5, 5, 0])
    with pytest.raises(ValueError, match=f"symbol {symbol} at position 2 has no word"):
        code.encode([0, 1, symbol, 0])


def test_symbols_that_are_not_integers_are_refused():
    code = Code.from_counts([1, 1])
    with pytest.raises(ValueError, match="symbols are integers, got float64"):
        code.encode(np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="integers"):
        code.encode(np.array([True, False]))
    with pytest.raises(ValueError, match="below 2"):
        code.encode(np.array([2**63], dtype=np.uint64))


def test_more_symbols_than_short_words_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match="9 symbols do not fit .* use max_length=4"):
        Code.from_counts([1] * 9, max_length=3)
    assert Code.from_counts([1] * 8, max_length=3).lengths.tolist() == [3] * 8


@pytest.mark.parametrize("counts", [[-1, 2], [0.5, 0.5], [[1, 2]], [2**57, 2**57]])
def test_counts_that_are_no_counts_are_refused(counts):
    with pytest.raises(ValueError, match="counts"):
        Code.from_counts(counts)


@pytest.mark.parametrize("max_length", [0, 25, -3])
def test_a_limit_out_of_range_is_refused(max_length):
    with pytest.raises(ValueError, match="between 1 and 24"):
        Code.from_counts([1, 1], max_length=max_length)


def test_lengths_that_no_prefix_code_has_are_refused():
    with pytest.raises(ValueError, match="Kraft sum is 1.25"):
        Code.from_lengths([1, 1, 2])
    with pytest.raises(ValueError, match="between 0 and 24"):
        Code.from_lengths([25, 1])
    with pytest.raises(ValueError, match="only symbol"):
        Code.from_lengths([2])


def test_bits_refuses_counts_of_another_alphabet_or_of_symbols_without_a_word():
    code = Code.from_counts([1, 1, 0])
    with pytest.raises(ValueError, match="expected 3 counts, got 2"):
        code.bits([1, 1])
    with pytest.raises(ValueError, match="symbol 2 has no word"):
        code.bits([1, 1, 1])


# ---- the table ----


def test_a_table_of_64_symbols_takes_32_bytes():
    table = code_for(bell(10_000)).to_bytes()
    assert len(table) == 32


def test_a_packed_table_has_the_first_length_in_the_high_half():
    assert Code.from_lengths([1, 2, 3, 3]).to_bytes() == bytes.fromhex("1233")
    assert Code.from_lengths([1, 2, 2]).to_bytes() == bytes.fromhex("1220")
    assert Code.from_bytes(bytes.fromhex("1220"), 3) == Code.from_lengths([1, 2, 2])


def test_a_table_with_a_word_over_15_bits_takes_a_byte_a_symbol():
    lengths = [*range(1, 17), 16]
    assert Code.from_lengths(lengths).to_bytes() == bytes(lengths)
    assert Code.from_bytes(bytes(lengths), 17) == Code.from_lengths(lengths)


@pytest.mark.parametrize(
    ("table", "n_symbols", "complaint"),
    [
        ("", 4, "2 or 4 bytes, got 0"),
        ("123300", 4, "2 or 4 bytes, got 3"),
        ("1111", 4, "Kraft"),
        ("1221", 3, "shortest form"),  # the unused half byte is not 0
        ("010202", 3, "shortest form"),  # a byte a symbol, without need
        ("011920", 3, "between 0 and 24"),
        ("30", 1, "only symbol"),
        ("12", 2**60, "bytes, got 1"),
        ("12", -1, "bytes, got 1"),
    ],
)
def test_a_damaged_table_raises_stream_error(table, n_symbols, complaint):
    with pytest.raises(StreamError, match=complaint):
        Code.from_bytes(bytes.fromhex(table), n_symbols)


# ---- damaged data ----


def test_data_cut_short_raise_stream_error_at_every_length():
    symbols = bell(300)
    code = code_for(symbols)
    data = code.encode(symbols)
    for size in range(len(data)):
        with pytest.raises(StreamError):
            code.decode(data[:size], symbols.size)


def test_bytes_after_the_last_word_raise_stream_error():
    code = code_for(bell(300))
    data = code.encode(bell(300))
    with pytest.raises(StreamError, match="too long"):
        code.decode(data + b"\0", 300)
    with pytest.raises(StreamError, match="too long: 0 symbols take 0 bytes, got 1"):
        code.decode(b"\0", 0)


def test_padding_that_is_not_zero_raises_stream_error():
    code = Code.from_lengths([1, 2, 2])
    with pytest.raises(StreamError, match="not padded with zeros"):
        code.decode(bytes([0b01000100]), 3)


def test_a_word_that_is_not_in_the_code_raises_stream_error():
    for lengths in ([1, 0], [1, 3], [2, 14], [0, 24]):
        with pytest.raises(StreamError, match="not in the code"):
            Code.from_lengths(lengths).decode(b"\xff" * 12, 4)


def test_more_symbols_than_the_data_can_hold_are_refused_before_anything_is_allocated():
    for lengths in ([1, 1], [0, 1], [0, 0]):
        with pytest.raises(StreamError):
            Code.from_lengths(lengths).decode(bytes(10), 2**50)
    with pytest.raises(StreamError):  # no word has 1 bit: 80 bits hold 40 symbols at most
        Code.from_lengths([2] * 4).decode(bytes(10), 41)
    with pytest.raises(ValueError, match="-1 symbols"):
        Code.from_lengths([1, 1]).decode(b"", -1)


def fuzz_material() -> list[tuple[Code, np.ndarray]]:
    """Codes of several kinds, each with a message: short and long words, full and with holes."""
    rng = np.random.default_rng(5)
    material = [(code_for(bell(400)), bell(400))]
    for lengths in ([*range(1, 25), 24], [1, 0, 3, 12, 20], [0, 1], [2, 2, 2], [16] * 300):
        code = Code.from_lengths(lengths)
        material.append((code, rng.choice(np.flatnonzero(lengths), 150)))
    return material


def damaged_data(n: int):
    """`n` triples of a code, data with an accident, and the number of symbols wanted."""
    rng = np.random.default_rng(6)
    material = fuzz_material()
    for i in range(n):
        code, symbols = material[i % len(material)]
        data = np.frombuffer(code.encode(symbols), dtype=np.uint8).copy()
        kind = rng.integers(4)
        if kind == 0:
            data[rng.integers(data.size)] ^= 1 << rng.integers(8)
        elif kind == 1:
            data = data[: rng.integers(data.size)]
        elif kind == 2:
            data = rng.integers(0, 256, rng.integers(1, 60)).astype(np.uint8)
        wanted = symbols.size if kind < 2 else int(rng.integers(0, 200))
        yield code, data.tobytes(), wanted


def test_damaged_data_give_symbols_of_the_code_or_stream_error():
    refused = 0
    for code, data, n in damaged_data(2500):
        try:
            symbols = code.decode(data, n)
        except StreamError:
            refused += 1
            continue
        assert symbols.shape == (n,)
        assert code.encode(symbols) == data  # so each message has one form only
    assert refused > 1500
