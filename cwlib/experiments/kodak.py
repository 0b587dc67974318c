"""Paper 2's nets at its own size, and ours at the size of a CPU."""

from __future__ import annotations

from cwlib.experiments.settings import Experiment

_KODAK_MIDDLE = 0.0067  # lambda_2 of the models that the paper compares in Table 1


def _kodak(name: str, note: str, **more) -> Experiment:
    """Paper 2 at its own size: N = 128, four different scales. For a GPU: about 215 k steps."""
    settings = dict(dataset="photos", width=128, mask="largest", lambda_2=_KODAK_MIDDLE)
    settings |= dict(lr=2e-4, batch_size=16, epochs=5000, grad_clip=1.0)
    return Experiment(name, "hierarchical", note, **(settings | more))


def _kodak_small(name: str, note: str, **more) -> Experiment:
    """Ours, sized for a CPU: N = 64, and the first convolution halves the image already."""
    small = dict(width=64, strides=(2, 2, 2, 1), lr=1e-3, batch_size=8, epochs=500)
    return _kodak(name, note, **(small | more))


KODAK = [
    _kodak("kodak-m", "paper 2: M, no importance mask", mask="none"),
    _kodak("kodak-m1", "paper 2: M_I^1, the first channel is the importance map", mask="first"),
    _kodak("kodak-mstar", "paper 2: M_I^*, the channel with the largest sum is the map"),
    _kodak(
        "kodak-mp", "paper 2: M_p, M with the encoder-perceptual loss", mask="none", lambda_1=10.0
    ),
    _kodak("kodak-mstar-p", "paper 2 whole: M_I^* with the encoder-perceptual loss", lambda_1=10.0),
    *(
        _kodak(f"kodak-mstar-l{x}", "paper 2: M_I^* at another rate", lambda_2=x, **more)
        for x, more in [
            (0.0018, dict(warm_start="kodak-mstar")),
            (0.0035, dict(warm_start="kodak-mstar")),
            (0.013, dict(warm_start="kodak-mstar")),
            (0.025, dict(width=192)),  # 4.1: 192 filters above 0.5 bpp
            (0.0483, dict(width=192, warm_start="kodak-mstar-l0.025")),
        ]
    ),
    _kodak_small(
        "kodak-mstar-n64", "ours: M_I^* for a CPU, N = 64, strides 2, 2, 2, 1", lambda_2=0.0045
    ),
    *(
        _kodak_small(
            f"kodak-mstar-n64-l{x}",
            "ours: M_I^* for a CPU at another rate",
            lambda_2=x,
            epochs=150,
            warm_start="kodak-mstar-n64",
        )
        for x in (0.001, 0.0021, 0.0095, 0.02)
    ),
    _kodak_small(
        "kodak-any-n64",
        "ours: one model for many rates, importance drawn at random in training",
        strength_min=0.25,
        lambda_2=0.02,
        lambda_2_low=0.001,
        gains=4,
        epochs=300,
        warm_start="kodak-mstar-n64",
    ),
]
