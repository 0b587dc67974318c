"""The file format: a small header, the coded sections, and a checksum over all of it.

    bytes    field
    2        magic, b"CW"
    1        format version, 1
    4        model id: the first 4 bytes of the SHA-256 of the model's weights
    1 to 5   height in pixels, varint
    1 to 5   width in pixels, varint
    1        channels, 1 or 3
    1        number of sections, varint, at most 128
    -        the sections one after another: each but the last begins with its length in bytes
             (varint, 1 to 5); the last runs up to the checksum
    4        CRC-32 of all the bytes before it, little-endian

A varint is an unsigned LEB128: 7 bits a byte, the lowest first, the top bit set on every byte but
the last. Only the shortest form is valid, so each content has exactly one stream. For a 128x128
digit all this is 17 bytes with one section, and 18 or 19 with two.
"""

import struct
import zlib
from dataclasses import dataclass

MAGIC = b"CW"
VERSION = 1
MODEL_ID_BYTES = 4
CRC_BYTES = 4
MAX_VARINT = 2**32 - 1
MAX_SECTIONS = 128  # models write up to 4, `relatives.lossless` nine for each halving
#: magic, version, model id, one byte each for height, width, channels and number of sections, CRC
MIN_BYTES = len(MAGIC) + 1 + MODEL_ID_BYTES + 4 + CRC_BYTES


class StreamError(ValueError):
    """A compressed stream is damaged, cut short, foreign or larger than allowed."""


@dataclass(frozen=True)
class Header:
    """What a stream says of itself: sizes in pixels, `section_lengths` in bytes."""

    version: int
    model_id: bytes
    height: int
    width: int
    channels: int
    section_lengths: tuple[int, ...]


def pack(model_id: bytes, height: int, width: int, channels: int, sections: list[bytes]) -> bytes:
    """The stream that holds `sections`; `unpack` takes it apart again.

    model_id: 4 bytes; height, width: pixels, 1 to 2**32 - 1; channels: 1 or 3.
    Raises ValueError for anything that `unpack` would refuse, TypeError for what is not bytes.

    >>> pack(bytes.fromhex("1badc0de"), 128, 128, 1, [b"one"]).hex(" ")
    '43 57 01 1b ad c0 de 80 01 80 01 01 01 6f 6e 65 b6 14 38 df'
    """
    if len(model_id) != MODEL_ID_BYTES:
        raise ValueError(f"a model id has {MODEL_ID_BYTES} bytes, got {len(model_id)}")
    if height < 1 or width < 1:
        raise ValueError(f"an image has at least 1x1 pixels, got {height}x{width}")
    if channels not in (1, 3):
        raise ValueError(f"expected 1 channel (grey) or 3 (RGB), got {channels}")
    if len(sections) > MAX_SECTIONS:
        raise ValueError(f"a stream has at most {MAX_SECTIONS} sections, got {len(sections)}")
    model_id, sections = as_bytes(model_id), [as_bytes(section) for section in sections]
    parts = [MAGIC, bytes([VERSION]), model_id]
    parts += [_varint(height), _varint(width), bytes([channels]), _varint(len(sections))]
    for section in sections[:-1]:
        parts += [_varint(len(section)), section]
    body = b"".join(parts + sections[-1:])
    return body + struct.pack("<I", zlib.crc32(body))


def unpack(blob: bytes, max_pixels: int = 2**28) -> tuple[Header, list[bytes]]:
    """The header and the sections of a stream, after every check.

    max_pixels: the largest height * width to accept, so that a few bytes cannot ask for gigabytes.
    Raises StreamError where the stream is not sound, TypeError where `blob` is not bytes.
    """
    return _parse(blob, max_pixels)


def read_header(blob: bytes) -> Header:
    """The header of a whole stream, of any image size.

    The checksum and the sections are checked too: a damaged header must not be believed.
    Raises as `unpack` does.
    """
    return _parse(blob, max_pixels=None)[0]


def _parse(blob: bytes, max_pixels: int | None) -> tuple[Header, list[bytes]]:
    """Check and split a stream, the most telling complaint first."""
    blob = as_bytes(blob)
    _check_kind(blob)
    stored = struct.unpack("<I", blob[-CRC_BYTES:])[0]
    body = blob[:-CRC_BYTES]
    checksum = zlib.crc32(body)
    if checksum != stored:
        raise StreamError(
            f"the stream is damaged or cut short: checksum {checksum:08x}, expected {stored:08x}; "
            "fetch it or compress the image again"
        )

    # The checksum holds, so from here on a fault is the writer's, by mistake or with intent.
    at = len(MAGIC) + 1
    model_id = body[at : at + MODEL_ID_BYTES]
    height, at = _read_varint(body, at + MODEL_ID_BYTES, "height")
    width, at = _read_varint(body, at, "width")
    if height == 0 or width == 0:
        raise StreamError(f"the header says {height}x{width} pixels: an image has at least 1x1")
    if max_pixels is not None and height * width > max_pixels:
        raise StreamError(f"the header says {height}x{width} pixels, {too_many(max_pixels)}")
    if at == len(body):
        raise StreamError("the stream ends before its number of channels")
    channels = body[at]
    if channels not in (1, 3):
        raise StreamError(f"the header says {channels} channels: only 1 (grey) and 3 (RGB) exist")
    sections = _read_sections(body, at + 1)
    lengths = tuple(len(section) for section in sections)
    return Header(body[len(MAGIC)], model_id, height, width, channels, lengths), sections


def as_bytes(data: bytes) -> bytes:
    """The bytes of any bytes-like object, whatever items it counts itself; TypeError for others."""
    try:
        return bytes(memoryview(data))
    except TypeError:
        raise TypeError(f"a stream is bytes, got {type(data).__name__}") from None


def too_many(limit: int) -> str:
    """How a refusal of a large picture ends: with what lets it through."""
    return (
        f"more than the limit of {limit}: raise max_pixels (decompress --max-pixels) if you trust "
        "the file"
    )


def _check_kind(blob: bytes) -> None:
    """Magic, version and least size: is this ours, and can this version read it?"""
    if not blob:
        raise StreamError("the stream is empty")
    if blob[: len(MAGIC)] != MAGIC[: len(blob)]:
        raise StreamError(f"not a cwlib stream (it starts with {blob[:4]!r}, not {MAGIC!r})")
    version = blob[len(MAGIC)] if len(blob) > len(MAGIC) else VERSION
    if version > VERSION:
        raise StreamError(
            f"made by a newer format version {version}; this cwlib reads up to {VERSION}: "
            "update cwlib"
        )
    if version < VERSION:
        raise StreamError(f"there is no format version {version}: the stream is damaged")
    if len(blob) < MIN_BYTES:
        raise StreamError(f"the stream is cut short: {len(blob)} bytes, at least {MIN_BYTES} exist")


def _read_sections(body: bytes, at: int) -> list[bytes]:
    """The sections from position `at` on; the last one ends where `body` ends."""
    count, at = _read_varint(body, at, "number of sections")
    if count > MAX_SECTIONS:
        raise StreamError(f"the header says {count} sections: at most {MAX_SECTIONS} exist")
    if count > len(body) - at + 1:  # each but the last has a length of at least one byte
        raise StreamError(f"{count} sections do not fit in the {len(body) - at} bytes left")
    if count == 0 and at != len(body):
        raise StreamError(f"{len(body) - at} bytes follow the header of a stream without sections")
    sections = []
    for i in range(count):
        length = len(body) - at
        if i < count - 1:
            length, at = _read_varint(body, at, f"length of section {i}")
        if length > len(body) - at:
            raise StreamError(f"section {i} claims {length} bytes, {len(body) - at} are left")
        sections.append(body[at : at + length])
        at += length
    return sections


def _varint(value: int) -> bytes:
    """Unsigned LEB128 of `value`, 0 to 2**32 - 1."""
    if not 0 <= value <= MAX_VARINT:
        raise ValueError(f"a size lies between 0 and {MAX_VARINT}, got {value}")
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(body: bytes, at: int, what: str) -> tuple[int, int]:
    """The varint at position `at`, and the position after it; `what` names it in errors."""
    value = 0
    for k in range(5):
        if at + k >= len(body):
            raise StreamError(f"the stream ends inside its {what}")
        byte = body[at + k]
        value |= (byte & 127) << (7 * k)
        if byte < 128:
            if byte == 0 and k > 0:
                raise StreamError(f"the {what} is not written in its shortest form")
            if value > MAX_VARINT:
                break
            return value, at + k + 1
    raise StreamError(f"the {what} is larger than {MAX_VARINT}")
