"""Models whose coders are given by a formula: what was coded with them can be read for ever.

The identity of a shipped model changes whenever it is trained again, and so do its tables. Streams
that are kept as files (tests/regressions) are therefore written for these two, whose identities are
words. Their networks are untrained; only the size of the pictures matters.
"""

from __future__ import annotations

from functools import cache

import numpy as np

import tiny
from cwlib import codec, zoo
from cwlib.coding import context, huffman
from cwlib.models.importance import READINGS

SHAPES = {"shared": (16, 24), "own": (32, 48), "context": (16, 24)}  # pixels of the sound streams


@cache
def models() -> dict[bytes, zoo.TrainedModel]:
    """{identity: model}: HUFF with a shared Huffman code, CTXT with a context coder."""
    coders = {"HUFF": ("tiny-cw", _huffman()), "CTXT": ("tiny-cw1", _context())}
    return {
        name.encode(): zoo.TrainedModel(name, tiny.net(kind), {}, name.encode(), coder)
        for name, (kind, coder) in coders.items()
    }


def shared(model_id: bytes) -> zoo.TrainedModel:
    """In place of `zoo.shared`."""
    if model_id not in models():
        raise zoo.UnknownModel(f"no model here has the identity {model_id.hex()}: there are two")
    return models()[model_id]


def _huffman() -> huffman.Code:
    """0 is the word `0`, every other symbol has 7 bits; the word 1111111 is not used."""
    return huffman.Code.from_lengths(np.array([1] + [7] * 63))


def _context() -> context.Coder:
    """Nets without weights: whatever the neighbours are, mu = 1/4 and s = 1/4."""

    def constant(channels: int, features: int) -> context.Weights:
        mu, log2_s = 32 << 13, -8 << 18  # in steps of 1/128 and of a quarter octave
        return context.Weights(
            np.zeros((channels, 2, features), int),
            np.zeros((channels, 2), int),
            np.zeros((channels, 2, 2), int),
            np.zeros((channels, 2), int),
            np.zeros((channels, 2, 2), int),
            np.tile([mu, log2_s], (channels, 1)),
        )

    return context.Coder(
        constant(1, context.map_features()),
        constant(4, context.code_features(4)),
        READINGS["double"],
    )


def latents(kind: str) -> codec.Latents:
    """What the sound streams hold: `shared` and `own` Huffman code, `context`."""
    h, w = (side // 8 for side in SHAPES[kind])
    k = np.arange(4 * h * w).reshape(4, h, w)
    if kind == "shared":
        return codec.Latents(np.where(k % 3, 0, k * 5 % 64))
    if kind == "own":
        return codec.Latents(k * k % 5 + 40)
    levels = np.arange(6).reshape(2, 3) % 4
    cut = 6 - 2 * levels
    return codec.Latents((k * 11 % 64) >> cut << cut, levels)


def sound(kind: str) -> bytes:
    """The stream of `latents(kind)`, by today's code."""
    model = models()[b"CTXT" if kind == "context" else b"HUFF"]
    return codec.pack(model, latents(kind), SHAPES[kind])
