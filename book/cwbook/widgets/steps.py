"""Single steps of a network, to be turned by hand: rounding a code, dividing by neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cwbook import figures
from cwbook.widgets import live

if TYPE_CHECKING:
    from ipywidgets import interactive

    from cwlib import zoo


def rounding_frame(model: zoo.TrainedModel, image: np.ndarray, bits: int) -> tuple[np.ndarray, str]:
    """A digit's code on 2^bits levels | the decoded digit | its error four times enlarged.

    image: uint8 (H, W), sides multiples of 8; model: of digits, without a map. The caption's
    entropy is what an ideal coder needs that knows how often each level occurs in this code.
    """
    import torch

    from cwlib import metrics
    from cwlib.coding.frequencies import entropy
    from cwlib.models import quantize

    with torch.no_grad():
        z, _ = model.net.analyse(torch.from_numpy(image)[None, None].float() / 255)
        levels = quantize.to_levels(z, bits)  # (1, C, H/8, W/8)
        z_hat = (levels + 0.5) / 2**bits
        x_hat = model.net.synthesise(z_hat)[0, 0]
    decoded = torch.round(255 * x_hat).byte().numpy()
    error = np.minimum(4 * np.abs(image.astype(int) - decoded), 255).astype(np.uint8)
    picture = figures.side_by_side([figures.tile(z_hat[0].numpy()), decoded, error])
    counts = np.bincount(levels.numpy().astype(int).ravel(), minlength=2**bits)
    rate = entropy(counts / counts.sum()) * counts.sum() / image.size
    plain = bits * counts.sum() / image.size
    psnr = metrics.psnr(image, decoded)
    return picture, f"{psnr:.2f} dB; {plain:.4f} bpp as plain bits, {rate:.4f} by its entropy"


def explore_rounding(model: zoo.TrainedModel, digits: np.ndarray) -> interactive:
    """Sliders for a live kernel: which digit, and how many bits each number of its code gets.

    digits: uint8 (N, 128, 128).
    """

    def frame(digit: int = 0, bits: int = 6):
        return rounding_frame(model, digits[digit], bits)

    return live.explorer(frame, digit=(0, len(digits) - 1), bits=(1, 8))


def gdn_frame(pairs: np.ndarray, gamma: float, beta: float = 1.0) -> tuple[bytes, str]:
    """Pairs of numbers before and after both are divided by the same root.

    pairs: (n, 2), of standard deviation 1. A caption with what the division did to them.
    """

    # y_i = x_i / sqrt(beta + gamma sum_j x_j^2)
    after = pairs / np.sqrt(beta + gamma * (pairs**2).sum(1, keepdims=True))
    axes = figures.joint_densities(
        [pairs, after],
        ["before", "after"],
        xlabel="a",
        ylabel="b",
        limits=[6, 3.5 * after.std()],
        bins=51,
    )
    told = [f"kurtosis {_kurtosis(p):.1f}, |a| and |b| {_link(p):+.2f}" for p in (pairs, after)]
    return figures.as_png(axes[0]), f"before: {told[0]}; after: {told[1]}"


def explore_gdn(pairs: np.ndarray) -> interactive:
    """Sliders for a live kernel: gamma and beta. pairs: (n, 2); 50,000 of them are drawn."""
    some = pairs[:: max(1, len(pairs) // 50_000)]

    def frame(gamma: float = 0.5, beta: float = 1.0):
        return gdn_frame(some, gamma, beta)

    return live.explorer(frame, gamma=(0.0, 10.0, 0.05), beta=(0.05, 4.0, 0.05))


def _kurtosis(pairs: np.ndarray) -> float:
    """Fourth moment over the square of the second, mean of both columns; 3 for a normal."""
    centred = pairs - pairs.mean(0)
    return float(((centred**4).mean(0) / (centred**2).mean(0) ** 2).mean())


def _link(pairs: np.ndarray) -> float:
    """Correlation of the sizes."""
    return float(np.corrcoef(np.abs(pairs).T)[0, 1])
