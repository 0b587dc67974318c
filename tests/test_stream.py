"""The file format, held to bytes that were spelt by hand."""

import array
import random
import struct
import tracemalloc
from binascii import crc32

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import damage
from cwlib.coding.stream import Header, StreamError, pack, read_header, unpack

MODEL = bytes.fromhex("deadbeef")

# magic, version, model id, height 128, width 300, RGB, 2 sections, the first of 3 bytes
GOLDEN_BODY = bytes.fromhex("4357 01 deadbeef 8001 ac02 03 02 03 616263 7879")
GOLDEN = GOLDEN_BODY + bytes.fromhex("fecdc130")
GOLDEN_HEADER = Header(1, MODEL, height=128, width=300, channels=3, section_lengths=(3, 2))


def signed(body: str | bytes) -> bytes:
    """`body` (bytes, or hex after the model id) with the checksum that it should have."""
    if isinstance(body, str):
        body = bytes.fromhex("4357 01 deadbeef" + body)
    return body + struct.pack("<I", crc32(body))


def refusal(blob: bytes, **limits: int) -> str:
    with pytest.raises(StreamError) as caught:
        unpack(blob, **limits)
    return str(caught.value)


def test_the_golden_checksum_is_the_one_of_binascii():
    assert signed(GOLDEN_BODY) == GOLDEN


def test_pack_writes_the_golden_bytes():
    assert pack(MODEL, 128, 300, 3, [b"abc", b"xy"]) == GOLDEN


def test_unpack_reads_the_golden_bytes():
    assert unpack(GOLDEN) == (GOLDEN_HEADER, [b"abc", b"xy"])
    assert read_header(GOLDEN) == GOLDEN_HEADER


def test_any_bytes_like_object_is_read():
    assert unpack(bytearray(GOLDEN)) == unpack(memoryview(GOLDEN)) == unpack(GOLDEN)


def test_sections_are_taken_by_their_bytes_whatever_they_count():
    wide = array.array("I", [1, 2, 3])
    assert unpack(pack(MODEL, 1, 1, 1, [wide, b"xy"]))[1] == [wide.tobytes(), b"xy"]
    for section in (3, "abc", None):
        with pytest.raises(TypeError, match="a stream is bytes, got"):
            pack(MODEL, 1, 1, 1, [section])


@given(
    st.binary(min_size=4, max_size=4),
    st.integers(1, 2**32 - 1),
    st.integers(1, 2**32 - 1),
    st.sampled_from([1, 3]),
    st.lists(st.binary(max_size=300), max_size=5),
)
def test_unpack_gives_back_what_pack_took(model_id, height, width, channels, sections):
    blob = pack(model_id, height, width, channels, sections)
    lengths = tuple(len(section) for section in sections)
    header = Header(1, model_id, height, width, channels, lengths)
    assert unpack(blob, max_pixels=2**64) == (header, sections)
    assert read_header(blob) == header


@pytest.mark.parametrize("sizes", [(0,), (100,), (5000,), (10, 20), (127, 500), (5000, 5000)])
def test_on_a_digit_all_but_the_payload_is_at_most_20_bytes(sizes):
    sections = [bytes(size) for size in sizes]
    assert len(pack(MODEL, 128, 128, 1, sections)) - sum(sizes) <= 20


@pytest.mark.parametrize(
    "arguments",
    [
        (b"abc", 1, 1, 1, []),
        (MODEL, 0, 1, 1, []),
        (MODEL, 1, -1, 1, []),
        (MODEL, 1, 2**32, 1, []),
        (MODEL, 1, 1, 4, []),
        (MODEL, 1, 1, 1, 129 * [b""]),
    ],
)
def test_pack_refuses_what_unpack_would_refuse(arguments):
    with pytest.raises(ValueError):
        pack(*arguments)


@pytest.mark.parametrize("blob", [None, "CW", 7, [67, 87]])
def test_what_is_not_bytes_raises_type_error(blob):
    with pytest.raises(TypeError, match="bytes"):
        unpack(blob)


@pytest.mark.parametrize("size", range(len(GOLDEN)))
def test_a_truncated_stream_raises_stream_error(size):
    message = refusal(GOLDEN[:size])
    assert "empty" in message if size == 0 else "cut short" in message


def test_a_foreign_file_is_told_apart_by_its_first_bytes():
    message = refusal(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert message.startswith("not a cwlib stream (it starts with b'\\x89PNG'")


def test_a_newer_version_asks_for_an_update():
    # Told before the checksum: a newer format may sign its streams in another way.
    message = refusal(b"CW\x07" + GOLDEN[3:])
    assert message == ("made by a newer format version 7; this cwlib reads up to 1: update cwlib")


def test_version_0_does_not_exist():
    assert "no format version 0" in refusal(b"CW\x00" + GOLDEN[3:])


def test_a_wrong_checksum_is_told_with_both_values():
    assert "checksum 30c1cdfe, expected 30c1cdff" in refusal(GOLDEN[:-4] + b"\xff\xcd\xc1\x30")


def test_read_header_checks_the_checksum_too():
    with pytest.raises(StreamError, match="checksum"):
        read_header(GOLDEN[:-1] + b"?")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("00 01 01 00", "0x1 pixels"),
        ("01 00 01 00", "1x0 pixels"),
        ("01 01 02 00", "2 channels"),
        ("8000 01 01 00", "height is not written in its shortest form"),
        ("01 8100 01 00", "width is not written in its shortest form"),
        ("ffffffff1f 01 01 00", "height is larger than"),
        ("ffffffffff01 01 01 00", "height is larger than"),
        ("ffff ffff", "ends inside its height"),
        ("01 ffffff", "ends inside its width"),
        ("8101 8101", "ends before its number of channels"),
        ("8101 01 01", "ends inside its number of sections"),
        ("01 01 01 04 00 00", "4 sections do not fit in the 2 bytes left"),
        ("01 01 01 ffffffff0f 00", "4294967295 sections: at most 128 exist"),
        ("01 01 01 8101" + 128 * "00", "129 sections: at most 128 exist"),
        ("01 01 01 02 05 61", "section 0 claims 5 bytes, 1 are left"),
        ("01 01 01 02 ffffffff0f 61", "section 0 claims 4294967295 bytes"),
        ("01 01 01 02 80 61", "section 0 claims 12416 bytes, 0 are left"),
        ("01 01 01 02 8000 61", "length of section 0 is not written in its shortest form"),
        ("01 01 01 03 00 81", "ends inside its length of section 1"),
        ("01 01 01 00 6162", "2 bytes follow the header of a stream without sections"),
    ],
)
def test_a_signed_stream_with_a_bad_field_is_refused_for_that_field(body, complaint):
    with pytest.raises(StreamError, match=complaint):
        unpack(signed(body))


def test_bytes_after_the_stream_are_refused():
    assert "damaged" in refusal(GOLDEN + b"\0")


def test_a_picture_over_the_limit_is_refused_before_anything_is_allocated():
    bomb = pack(MODEL, 2**20, 2**20, 3, [b"x"])
    tracemalloc.start()
    try:
        message = refusal(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "1048576x1048576 pixels" in message and "max_pixels" in message
    assert peak < 100_000
    assert read_header(bomb).height == 2**20


def test_the_limit_itself_is_allowed():
    blob = pack(MODEL, 10, 10, 1, [b""])
    assert unpack(blob, max_pixels=100)[1] == [b""]
    assert "more than the limit of 99" in refusal(blob, max_pixels=99)


SOUND = [
    pack(MODEL, 128, 128, 1, [bytes(range(150))]),
    pack(MODEL, 512, 768, 3, [b"side", b"a few words", b""]),
    pack(MODEL, 1, 2**28, 1, []),
]


@settings(max_examples=500)
@given(damage.bodies(SOUND))
def test_damage_is_refused_where_the_checksum_was_not_repaired(damaged):
    blob, body = damaged
    assume(body != blob[:-4])
    with pytest.raises(StreamError) as caught:
        unpack(body + blob[-4:])
    assert "\n" not in str(caught.value)


@settings(max_examples=500)
@given(damage.bodies(SOUND))
def test_damage_under_a_right_checksum_is_refused_or_is_another_sound_stream(damaged):
    # A stream has only one valid form: what is accepted packs to itself.
    blob = damage.sealed(damaged[1])
    try:
        header, sections = unpack(blob)
    except StreamError:
        return
    assert header.height * header.width <= 2**28
    assert pack(header.model_id, header.height, header.width, header.channels, sections) == blob


def leb128(value: int) -> bytes:
    """The bits of `value` in groups of seven, as text, the lowest group first."""
    bits = f"{value:b}"
    bits = bits.zfill(-(-len(bits) // 7) * 7)
    groups = [bits[k : k + 7] for k in range(0, len(bits), 7)][::-1]
    return bytes(int("1" + g, 2) for g in groups[:-1]) + bytes([int(groups[-1], 2)])


@given(
    st.integers(0, 255),
    st.integers(0, 2**35 - 1) | st.integers(0, 300),
    st.integers(0, 2**35 - 1) | st.integers(0, 300),
    st.integers(0, 255) | st.sampled_from([1, 3]),
)
def test_header_edits_under_a_right_checksum_are_read_as_written_or_refused(
    version, height, width, channels
):
    sizes = leb128(height) + leb128(width)
    blob = signed(b"CW" + bytes([version]) + MODEL + sizes + bytes([channels]) + b"\x01xyz")
    sound = version == 1 and channels in (1, 3)
    sound = sound and 0 < height < 2**32 and 0 < width < 2**32
    if sound:
        assert read_header(blob) == Header(1, MODEL, height, width, channels, (3,))
    else:
        with pytest.raises(StreamError):
            read_header(blob)
    if not sound or height * width > 2**28:
        with pytest.raises(StreamError):
            unpack(blob)


@given(st.lists(st.binary(max_size=200), min_size=2, max_size=4), st.data())
def test_swapped_sections_come_back_swapped_and_none_reads_into_its_neighbour(sections, data):
    header = signed("01 01 01")[:-4] + leb128(len(sections))
    order = data.draw(st.permutations(range(len(sections))))
    body = header
    for place, k in enumerate(order):
        last = place == len(order) - 1
        body += (b"" if last else leb128(len(sections[k]))) + sections[k]
    assert unpack(signed(body))[1] == [sections[k] for k in order]

    first = len(sections[order[0]])
    rest = body[len(header) + len(leb128(first)) :]
    claimed = first + data.draw(st.integers(1, 300) | st.integers(1, 2**32 - 301))
    try:
        found = unpack(signed(header + leb128(claimed) + rest))[1]
    except StreamError:
        return
    assert found[0] == rest[:claimed] and len(found[0]) == claimed  # what it claims, or nothing


def test_the_default_limit_is_two_to_the_28_pixels():
    assert unpack(pack(MODEL, 2**14, 2**14, 1, [b""]))[0].height == 2**14
    message = refusal(pack(MODEL, 17, 15790321, 1, [b""]))  # one pixel more
    assert "17x15790321 pixels, more than the limit of 268435456" in message


def test_signed_noise_is_refused_or_packs_to_itself():
    # With a right checksum the other checks stand alone; a stream has only one valid form.
    rng = random.Random(1)
    accepted = 0
    for _ in range(4000):
        fields = bytes(rng.choice([0, 1, 2, 3, 127, 128, 255, 7]) for _ in range(rng.randrange(20)))
        blob = signed(b"CW\x01" + MODEL + fields)
        try:
            header, sections = unpack(blob)
        except StreamError:
            continue
        accepted += 1
        again = pack(header.model_id, header.height, header.width, header.channels, sections)
        assert again == blob
    assert accepted > 20
