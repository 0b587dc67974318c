"""Measurements for claims that no rate and no PSNR can settle: what a map does, what a loss costs.

    python -m cwbook claims --limit 500 --out book/results/claims.json
    python -m cwbook claims --data kodak --out book/results/claims.json

`kind` of a record: `map` (where a trained network spends its bits), `adaptive` (its code behind
another entropy coder), `memory` (what one training step of paper 2 has to keep), `fig3` (paper 2's
own baselines, made again).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from cwlib import baselines, codec, experiments, losses, metrics, zoo
from cwlib.coding import adaptive, huffman
from cwlib.evaluate import BATCH, Pictures, score
from cwlib.models import catalogue, importance, priors
from cwlib.models.autoencoders import DOWNSCALE
from cwlib.models.hierarchical import LATERALS
from cwlib.progress import Bar

LAMBDA_1 = 10.0  # paper 2, 4.1
SHUFFLE_SEED = 0
# paper 2, Fig. 3: number of the photograph -> PSNR of its JPEG, bpp of its JPEG 2000
FIG_3 = {5: (21.41, 0.249), 7: (21.87, 0.146), 8: (20.63, 0.279), 14: (20.74, 0.182)}


def _rounded(record: dict) -> dict:
    return {k: round(float(v), 5) if isinstance(v, float) else v for k, v in record.items()}


def records(test: Pictures) -> list[dict]:
    """All of this module about digits or about photographs, for every trained model of them."""
    digits = test.digits
    family = "digits" if digits else "photos"  # the papers' nets
    names = [n for n in zoo.names() if zoo.load(n).net.codec == family]
    return digit_records(names, test) if digits else photo_records(names, test)


# --- digits --------------------------------------------------------------------------------------


def digit_records(names: Sequence[str], test: Pictures, progress: bool = True) -> list[dict]:
    """For every digit model: its map, if it has one, and its code behind an adaptive coder."""
    records = []
    for name in Bar(names, desc="claims", show=progress):
        model = zoo.load(name)
        base = {"experiment": name, "dataset": test.name, "seed": model.experiment.seed}
        base |= {"image": "mean", "images": len(test.images)}
        if model.experiment.model.startswith("cw"):
            records.append(_rounded(base | {"kind": "map"} | digit_map(model, test.images)))
        if isinstance(model.coder, huffman.Code):
            records.append(_rounded(base | {"kind": "adaptive"} | other_coder(model, test.images)))
    return records


@torch.no_grad()
def digit_map(model: zoo.TrainedModel, images: np.ndarray) -> dict[str, float]:
    """Bits that the map keeps on ink and on paper, and what the picture loses if it is shuffled.

    images: uint8 (N, H, W), sides multiples of 8. A place has ink if any of its 8x8 pixels has.
    `psnr` and `shuffled_psnr`: the same lengths, where the map wants them and anywhere else.
    """
    n, h, w = images.shape
    d = DOWNSCALE
    ink = images.reshape(n, h // d, d, w // d, d).max(axis=(2, 4)) > 0  # (N, h / 8, w / 8)
    order = torch.randperm(ink[0].size, generator=torch.Generator().manual_seed(SHUFFLE_SEED))
    kept, psnr = [], {"psnr": [], "shuffled_psnr": []}
    for k in range(0, n, BATCH):
        part = images[k : k + BATCH]
        z, m = model.net.analyse(torch.from_numpy(part).unsqueeze(1).float() / 255)
        shuffled = m.flatten(2)[:, :, order].view_as(m)
        for name, where in (("psnr", m), ("shuffled_psnr", shuffled)):
            decoded = _decoded(model, z, where, part.shape[1:])
            psnr[name] += [metrics.psnr(a, b) for a, b in zip(part, decoded, strict=True)]
        levels = model.net.symbols(z, m)[1]
        kept.append(importance.kept_bits(levels, model.experiment.reading).mean(1).numpy())
    bits = np.concatenate(kept)  # (N, h / 8, w / 8), mean over the map's channels
    return {
        "kept_bits": float(bits.mean()),
        "kept_on_ink": float(bits[ink].mean()),
        "kept_on_paper": float(bits[~ink].mean()),
        **{name: float(np.mean(values)) for name, values in psnr.items()},
    }


def _decoded(model: zoo.TrainedModel, z: Tensor, m: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    """Code z cut by the map m and decoded: uint8 (N, H, W)."""
    symbols, levels = (part.numpy().astype(np.int64) for part in model.net.symbols(z, m))
    sent = [None] * len(symbols) if isinstance(model.coder, huffman.Code) else levels[:, 0]
    latents = [codec.Latents(q, i) for q, i in zip(symbols, sent, strict=True)]
    return codec.synthesise(model, latents, shape)


def other_coder(model: zoo.TrainedModel, images: np.ndarray) -> dict[str, float]:
    """bpp of the code alone: words of the model's Huffman code, and an adaptive arithmetic coder.

    The adaptive coder keeps counts of its own after each different symbol and starts from nothing
    in every image, so no table is learnt beforehand or sent.
    """
    sizes = {"huffman_bpp": [], "bpp": []}
    for k in range(0, len(images), BATCH):
        for latents in codec.analyse(model, images[k : k + BATCH]):
            symbols = latents.symbols.ravel()
            sizes["huffman_bpp"].append(len(model.coder.encode(symbols)))
            blob = adaptive.encode(symbols, 2**importance.CODE_BITS, order=1)
            sizes["bpp"].append(len(blob))
    return {name: metrics.bpp(np.mean(found), images.shape[1:]) for name, found in sizes.items()}


# --- photographs ---------------------------------------------------------------------------------


def photo_records(names: Sequence[str], photos: Pictures, progress: bool = True) -> list[dict]:
    """For every model with an importance channel its map; and what each loss makes a step keep."""
    records = []
    for name in names:
        model = zoo.load(name)
        if model.experiment.mask == "none":
            continue
        bar = Bar(photos.images, desc=name, show=progress, leave=False)
        found = [photo_map(model, image) for image in bar]
        base = {"experiment": name, "dataset": photos.name, "seed": model.experiment.seed}
        base |= {"kind": "map", "image": "mean", "images": len(found)}
        fields = [f for f in vars(found[0]) if f != "elected"]
        means = {f: float(np.mean([getattr(one, f) for one in found])) for f in fields}
        winners = len({one.elected for one in found})
        records.append(_rounded({**base, "winners": winners, **means}))
    return records + memory_records() + (fig3_records(photos) if photos.name == "kodak" else [])


@dataclass(frozen=True)
class PhotoMap:
    """What the importance channel of paper 2 does to one photograph. Rates are estimated."""

    elected: int  # which channel of f4 has the largest sum
    elected_rank: int  # 1: no other channel of f4 takes more bits
    kept: float  # share of the channels that the mask keeps
    texture_correlation: float  # of the map with how much the pixels behind a place vary
    bpp: float  # with the mask
    open_bpp: float  # without
    psnr: float
    open_psnr: float
    detail: float  # squares of differences between neighbours, decoded / original
    laterals_share: float  # of the bits of z
    feature_share: float  # of lambda_1 d_feat in the distortion of Eq. 12


@torch.no_grad()
def photo_map(model: zoo.TrainedModel, image: np.ndarray) -> PhotoMap:
    """image: uint8 (H, W, 3), sides multiples of the network's `downscale`."""
    net = model.net
    x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
    z = net.g_a(x)  # (1, N + 3, h, w)
    m, f = net.mask(z)
    masked, free = (_coded(net, x, v) for v in (m, torch.ones_like(m)))
    elected = int(
        importance.largest_channel(z[:, LATERALS:] + net.importance_bias.view(1, -1, 1, 1))
    )
    by_channel = masked.bits.flatten(1).sum(1)  # (N + 3,)
    f4 = by_channel[LATERALS:]
    feature = LAMBDA_1 * losses.feature_distance(net.g_a, masked.x_hat, x).item()
    return PhotoMap(
        elected,
        1 + int((f4 > f4[elected]).sum()),
        f.mean().item() / z.shape[1],
        _correlation(f[0, 0].numpy(), _texture(image, z.shape[2:])),
        masked.bpp,
        free.bpp,
        masked.psnr,
        free.psnr,
        _roughness(masked.x_hat) / _roughness(x),
        float(by_channel[:LATERALS].sum() / by_channel.sum()),
        feature / (255**2 * losses.mse(masked.x_hat, x).item() + feature),
    )


@dataclass(frozen=True, eq=False)
class _Coded:
    x_hat: Tensor  # (1, 3, H, W)
    bits: Tensor  # of every latent, (N + 3, h, w)
    bpp: float
    psnr: float


def _coded(net: torch.nn.Module, x: Tensor, m: Tensor) -> _Coded:
    """The codec on x with the mask m, as the model's own likelihoods estimate it."""
    v = net.g_a(x) * m
    y_hat, z_hat = torch.round(net.h_a(v.abs())), torch.round(v)
    bits = -torch.log2(priors.gaussian_likelihood(z_hat, net.scales(y_hat)))[0]
    hyper = net.bits(z_hat, y_hat)[1].item()
    x_hat = net.g_s(z_hat)
    pixels, seen = (
        (255 * t[0].movedim(0, -1)).round().clamp(0, 255).byte().numpy() for t in (x, x_hat)
    )
    rate = (bits.sum().item() + hyper) / x[0, 0].numel()
    return _Coded(x_hat, bits, rate, metrics.psnr(pixels, seen))


def _roughness(x: Tensor) -> float:
    """Sum of the squared differences between a pixel and its right and lower neighbours."""
    return float(sum(x.diff(dim=d).square().sum() for d in (2, 3)))


def _texture(image: np.ndarray, places: Sequence[int]) -> np.ndarray:
    """log(1 + standard deviation) of the grey pixels behind every place: (h, w)."""
    h, w = places
    grey = image.mean(2).reshape(h, image.shape[0] // h, w, image.shape[1] // w)
    return np.log1p(grey.std(axis=(1, 3)))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r; 0 where one of the two is constant."""
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) if a.std() and b.std() else 0.0


# --- what a training step keeps ------------------------------------------------------------------


def memory_records() -> list[dict]:
    """One training step of M, M_p and M with a VGG loss (Eq. 10, 11): what it keeps and computes.

    One 128x128 crop, float32. The counts depend on the layers alone, so VGG's weights are random.
    """
    m_p = experiments.get("kodak-mp")
    nets = [
        experiments.get("kodak-m"),
        m_p,
        replace(m_p, name="kodak-mp, features of VGG-16", lambda_1_of="vgg-standin"),
    ]
    base = {"dataset": "none", "kind": "memory", "image": "mean", "seed": 0}
    return [_rounded({"experiment": e.name, **base, **step_memory(e)}) for e in nets]


def step_memory(experiment: experiments.Experiment) -> dict[str, int | float]:
    """Parameters in the loss, MiB that autograd saves in one step besides them, and its GFLOP."""
    model, extra = catalogue.build(experiment).train(), losses.features(experiment)
    fixed = [*model.parameters(), *(extra.parameters() if extra else ())]
    known, saved = {p.data_ptr() for p in fixed}, {}

    def note(t: Tensor) -> Tensor:
        if t.untyped_storage().data_ptr() not in known:
            saved[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    x = torch.rand(1, 3, experiment.crop, experiment.crop)
    with FlopCounterMode(display=False) as counter:
        with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
            loss = model.loss_terms(x, features=extra)["loss"]
        mib = sum(saved.values()) / 2**20
        loss.backward()
    parameters = sum(p.numel() for p in fixed)
    return {"parameters": parameters, "saved_mib": mib, "gflop": counter.get_total_flops() / 1e9}


# --- the paper's own baselines -------------------------------------------------------------------


def fig3_records(photos: Pictures) -> list[dict]:
    """JPEG at the quality that gives the PSNR in paper 2's Fig. 3, JPEG 2000 at the rate there.

    JPEG has the standard's Huffman tables; `own_tables_bpp` is the same picture with tables that
    were made for it. Both measures of MS-SSIM, since the paper does not say which is its.
    """
    records = []
    for number, image in zip(photos.labels, photos.images, strict=True):
        if number not in FIG_3:
            continue
        psnr, bpp = FIG_3[number]
        coded = {q: baselines.encode("jpeg-standard", image, q) for q in range(1, 11)}
        seen = {q: baselines.decode("jpeg-standard", blob) for q, blob in coded.items()}
        quality = min(seen, key=lambda q: abs(metrics.psnr(image, seen[q]) - psnr))
        own = metrics.bpp(len(baselines.encode("jpeg", image, quality)), image.shape)
        made = {"jpeg-standard": (coded[quality], quality, {"own_tables_bpp": own})}
        made["jpeg2000"] = (*baselines.at_rate("jpeg2000", image, bpp), {})
        for name, (blob, q, more) in made.items():
            row = score(image, baselines.decode(name, blob), len(blob))
            base = {"experiment": name, "dataset": photos.name, "kind": "fig3", "image": number}
            records.append(_rounded({**base, "quality": float(q), **row, **more}))
    return records
