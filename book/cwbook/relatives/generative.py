"""Generative compression, as a toy: the latent vector of a VAE, cut to a few bits, is the stream.

    digit x (28, 28) --E--> z (10) --quantise--> k (10), b bits each --pack--> 10 b bits
    x_hat (28, 28) <--g-- z_hat (10) <------------ k <------unpack-------------- 10 b bits

The VAE is trained so that z is distributed like a standard normal. Cut into 2^b bins of equal
probability, its values take all k alike: words of b plain bits are then as short as an entropy
coder's, and *every* string of 10 b bits is some picture. No header, no table, nothing to get out of
step: a wrong bit moves one number of ten.

References
    S. Santurkar, D. Budden, N. Shavit, Generative compression, 2018 (arXiv:1703.01467). Its decoder
    comes from a GAN and is finished adversarially; here it is that of a plain VAE.
    D. P. Kingma, M. Welling, Auto-encoding variational Bayes, ICLR 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cwbook.relatives import short_run
from cwlib.coding import huffman

SIDE = 28  # pixels of a digit
LATENTS = 10
RISE = 0.5  # share of the training in which the price of the latents rises from 0 to 1
Bits = int | Sequence[int]  # of every latent alike, or of each


class Codec(Protocol):
    """What turns digits into vectors and back: the VAE, or straight lines in its place."""

    def latents(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, 28, 28) -> (N, d), each value roughly standard normal."""

    def draw(self, z: np.ndarray) -> np.ndarray:
        """(N, d) -> uint8 (N, 28, 28)."""


# --- two codecs --------------------------------------------------------------------------------


class VAE(nn.Module):
    """Encoder E and generator g, three linear layers each; 28x28 pixels to `latents` numbers."""

    def __init__(self, latents: int = LATENTS, width: int = 400):
        super().__init__()
        half = width // 2
        self.E = nn.Sequential(
            nn.Flatten(),
            nn.Linear(SIDE * SIDE, width),
            nn.ReLU(),
            nn.Linear(width, half),
            nn.ReLU(),
            nn.Linear(half, 2 * latents),
        )
        self.g = nn.Sequential(
            nn.Linear(latents, half),
            nn.ReLU(),
            nn.Linear(half, width),
            nn.ReLU(),
            nn.Linear(width, SIDE * SIDE),
        )

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, 28, 28) in [0, 1] -> mu, log sigma^2 (N, d) of q(z | x)."""
        mu, log_var = self.E(x).chunk(2, dim=1)
        return mu, log_var

    @torch.no_grad()
    def latents(self, images: np.ndarray) -> np.ndarray:
        """The middle of q(z | x): uint8 (N, 28, 28) -> (N, d)."""
        return self.posterior(_unit(images))[0].numpy()

    @torch.no_grad()
    def draw(self, z: np.ndarray) -> np.ndarray:
        """(N, d) -> uint8 (N, 28, 28)."""
        x_hat = torch.sigmoid(self.g(torch.from_numpy(z).float()))
        return torch.round(255 * x_hat).to(torch.uint8).numpy().reshape(-1, SIDE, SIDE)


class Linear:
    """The honest rival: the same number of coefficients, but of a mean and straight directions.

    Principal components, fitted to uint8 (N, 28, 28).
    """

    def __init__(self, images: np.ndarray, latents: int = LATENTS):
        x = images.reshape(len(images), -1) / 255.0
        self.mean = x.mean(axis=0)
        variances, directions = np.linalg.eigh(np.cov(x, rowvar=False))  # smallest first
        self.scale = np.sqrt(variances[-latents:])
        self.directions = directions[:, -latents:]  # (784, d)

    def latents(self, images: np.ndarray) -> np.ndarray:
        """Coefficients of unit variance: uint8 (N, 28, 28) -> (N, d)."""
        return (images.reshape(len(images), -1) / 255.0 - self.mean) @ self.directions / self.scale

    def draw(self, z: np.ndarray) -> np.ndarray:
        """(N, d) -> uint8 (N, 28, 28)."""
        x_hat = self.mean + (z * self.scale) @ self.directions.T
        return np.round(255 * np.clip(x_hat, 0, 1)).astype(np.uint8).reshape(-1, SIDE, SIDE)


def loss_terms(net: VAE, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Distortion and rate of the ELBO in nats per digit, means over the batch.

    x: (N, 28, 28) in [0, 1]; noise: (N, d), standard normal.
    """
    mu, log_var = net.posterior(x)
    z = mu + torch.exp(0.5 * log_var) * noise
    # D = -log p(x | z) of Bernoulli pixels
    logits = net.g(z).view_as(x)
    distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
    # R = KL(q(z | x) || N(0, 1)) = sum (mu^2 + sigma^2 - 1 - log sigma^2) / 2
    rate = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum() / len(x)
    return distortion, rate


def train(images: np.ndarray, steps: int, seed: int = 0, batch: int = 128) -> VAE:
    """A VAE fitted to uint8 (N, 28, 28); the same numbers give the same weights."""
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = VAE()

        def loss(step: int) -> Tensor:
            x = _unit(images[rng.integers(len(images), size=batch)])
            distortion, rate = loss_terms(net, x, torch.randn(batch, LATENTS))
            # Full price from the start would shut latents for good before they have learnt anything
            return (distortion + min(1.0, step / steps / RISE) * rate) / SIDE**2

        short_run.minimise(net, loss, steps, lr=2e-3)
    return net


@torch.no_grad()
def latent_bits(net: VAE, images: np.ndarray) -> np.ndarray:
    """What each latent tells of a digit on average, in bits: the terms of R, (d,)."""
    mu, log_var = net.posterior(_unit(images))
    return (0.5 * (mu**2 + log_var.exp() - 1 - log_var)).mean(dim=0).numpy() / np.log(2)


# --- vectors to bits -----------------------------------------------------------------------------


def quantise(z: np.ndarray, bits: Bits) -> np.ndarray:
    """Numbers of equally likely bins: z (N, d) -> int64 (N, d), each 0 ... 2^b - 1."""
    bins = 2.0 ** np.broadcast_to(bits, z.shape[1])
    # k = floor(2^b Phi(z))
    share = torch.special.ndtr(torch.from_numpy(np.asarray(z, dtype=np.float64))).numpy()
    return np.minimum(np.floor(bins * share), bins - 1).astype(np.int64)


def dequantise(k: np.ndarray, bits: Bits) -> np.ndarray:
    """The median of each bin: k (N, d) -> z_hat (N, d)."""
    bins = 2.0 ** np.broadcast_to(bits, k.shape[1])
    # z_hat = Phi^-1((k + 1/2) / 2^b)
    return torch.special.ndtri(torch.from_numpy((k + 0.5) / bins)).numpy()


def pack(k: np.ndarray, bits: Bits) -> np.ndarray:
    """Numbers as plain bits, highest first: (N, d) -> uint8 (N, bytes), zeros up to whole bytes."""
    widths = np.broadcast_to(bits, k.shape[1])
    columns = [k[:, [j]] >> np.arange(b)[::-1] & 1 for j, b in enumerate(widths)]
    return np.packbits(np.concatenate(columns, axis=1).astype(np.uint8), axis=1)


def unpack(streams: np.ndarray, bits: Bits, latents: int = LATENTS) -> np.ndarray:
    """The numbers that `pack` was given: uint8 (N, bytes) -> int64 (N, d).

    Raises ValueError where the streams have another length.
    """
    widths = np.broadcast_to(bits, latents)
    if streams.shape[1] != -(-int(widths.sum()) // 8):
        raise ValueError(
            f"{widths.sum()} bits are {-(-int(widths.sum()) // 8)} bytes a digit, "
            f"got {streams.shape[1]}"
        )
    flat = np.unpackbits(streams, axis=1).astype(np.int64)
    ends = np.cumsum(widths)
    columns = [
        flat[:, end - b : end] @ (1 << np.arange(b)[::-1])
        for b, end in zip(widths, ends, strict=True)
    ]
    return np.stack(columns, axis=1)


def compress(codec: Codec, images: np.ndarray, bits: Bits) -> np.ndarray:
    """uint8 (N, 28, 28) -> streams, uint8 (N, bytes): one row a digit."""
    return pack(quantise(codec.latents(images), bits), bits)


def decompress(codec: Codec, streams: np.ndarray, bits: Bits, latents: int = LATENTS) -> np.ndarray:
    """Streams, uint8 (N, bytes) -> uint8 (N, 28, 28). No stream of this length is invalid."""
    return codec.draw(dequantise(unpack(streams, bits, latents), bits))


# --- what can go wrong ---------------------------------------------------------------------------


def flip_bits(streams: np.ndarray, p: float, rng: np.random.Generator) -> np.ndarray:
    """Each bit turned round with probability p, independently: a binary symmetric channel.

    streams: uint8 of any shape, not changed.
    """
    wrong = rng.random((*streams.shape, 8)) < p
    return streams ^ np.packbits(wrong, axis=-1)[..., 0]


def read_words(code: huffman.Code, data: bytes, n: int, missing: int = 0) -> np.ndarray:
    """What a Huffman decoder makes of damaged data if nobody checks anything: (n,) int64.

    It reads on whatever comes, in step or not; symbols that the data no longer hold are `missing`.
    """
    symbols, word = [], ""
    symbol_of = {word: symbol for symbol, word in code.codewords.items()}
    for bit in "".join(f"{byte:08b}" for byte in data):
        word += bit
        if word in symbol_of:
            symbols.append(symbol_of[word])
            word = ""
    return np.array((symbols + [missing] * n)[:n], dtype=np.int64)


def nearest_labels(images: np.ndarray, references: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The label of the reference nearest to each image, by squared distance: int64 (N,).

    images, references: uint8 (N, H, W), (M, H, W); labels: (M,).
    """
    a, b = (x.reshape(len(x), -1).astype(np.float32) / 255 for x in (images, references))
    # |a - b|^2 = |a|^2 - 2 a b + |b|^2, and |a|^2 is the same for all b
    return labels[((b**2).sum(axis=1) - 2 * a @ b.T).argmin(axis=1)]


def _unit(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).float() / 255
