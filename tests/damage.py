"""What happens to files, as hypothesis strategies: the damage of `test_stream` and `test_codec`."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from hypothesis import strategies as st

CRC_BYTES = 4
HEADER = 11  # bytes before the first section where both sides are below 128 pixels


def sealed(body: bytes) -> bytes:
    """`body` with the checksum that it should have."""
    return bytes(body) + struct.pack("<I", zlib.crc32(body))


def _place(draw: Callable, body: bytes) -> int:
    """A position of `body`: anywhere, or behind the header, where the coders are at work."""
    first = draw(st.sampled_from([0, min(HEADER, len(body))]))
    return draw(st.integers(first, len(body)))


def _flip(draw: Callable, body: bytes, other: bytes) -> bytes:
    out = bytearray(body)
    for _ in range(draw(st.integers(1, 4))):
        out[min(_place(draw, body), len(body) - 1)] ^= 1 << draw(st.integers(0, 7))
    return bytes(out)


def _cut(draw: Callable, body: bytes, other: bytes) -> bytes:
    return body[: _place(draw, body)]


def _insert(draw: Callable, body: bytes, other: bytes) -> bytes:
    at = _place(draw, body)
    return body[:at] + draw(st.binary(min_size=1, max_size=9)) + body[at:]


def _splice(draw: Callable, body: bytes, other: bytes) -> bytes:
    return body[: _place(draw, body)] + other[_place(draw, other) :]


def _swap(draw: Callable, body: bytes, other: bytes) -> bytes:
    a, b, c = sorted(_place(draw, body) for _ in range(3))
    return body[:a] + body[b:c] + body[a:b] + body[c:]


def _repeat(draw: Callable, body: bytes, other: bytes) -> bytes:
    a, b = sorted(_place(draw, body) for _ in range(2))
    return body[:b] + body[a:b] + body[b:]


def _header(draw: Callable, body: bytes, other: bytes) -> bytes:
    """Version, a byte of the model, a side, channels or the number of sections: another value."""
    at = draw(st.integers(2, HEADER - 1))
    return body[:at] + draw(st.binary(min_size=1, max_size=2)) + body[at + 1 :]


ACCIDENTS = {
    "flip": _flip,
    "cut": _cut,
    "insert": _insert,
    "splice": _splice,
    "swap": _swap,
    "repeat": _repeat,
    "header": _header,
}


@st.composite
def bodies(draw: Callable, blobs: list[bytes]) -> tuple[bytes, bytes]:
    """(a stream out of `blobs`, its bytes before the checksum after one accident)."""
    blob, other = draw(st.sampled_from(blobs)), draw(st.sampled_from(blobs))
    accident = ACCIDENTS[draw(st.sampled_from(sorted(ACCIDENTS)))]
    return blob, accident(draw, blob[:-CRC_BYTES], other[:-CRC_BYTES])
