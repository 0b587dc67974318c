"""Trained networks: NAME.safetensors (never pickle) and NAME.json, the card with its origin.

A trained network is more than its weights: it carries the tables that its entropy coder uses, and
an identity (the first 4 bytes of the file's SHA-256) that every stream names.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from torch import Tensor

from cwlib import files, importance, priors
from cwlib.coding import checkerboard, context, huffman, hyperprior
from cwlib.coding.scales import ScaleDecoder
from cwlib.coding.tables import Tables
from cwlib.experiments import Experiment
from cwlib.models import autoencoders, catalogue, hierarchical, photo

WEIGHTS = Path(__file__).parent / "weights"
STUDIES = "studies"  # folder in it: small nets, seed 0 of the studies that chapters show at work
_PRIOR_PARTS = ("w1", "b1", "w2", "b2", "w3", "b3")
_TABLE_PARTS = ("cdfs", "sizes", "offsets")

Network = autoencoders.Autoencoder | hierarchical.Hierarchical | photo.Photo
Coder = huffman.Code | context.Coder | hyperprior.Coder | checkerboard.Coder


class UnknownModel(ValueError):
    """No weights of that name or identity; the message lists what there is."""


@dataclass(frozen=True)
class TrainedModel:
    """A network in eval mode with all that coding needs.

    net: the module; card: what NAME.json says; model_id: 4 bytes;
    coder: a `huffman.Code` shared by all channels, a `context.Coder` (mnist-cw1), a
    `hyperprior.Coder` (paper 2), or a `checkerboard.Coder` (photo).
    """

    name: str
    net: Network
    card: dict
    model_id: bytes
    coder: Coder

    @property
    def experiment(self) -> Experiment:
        """The settings that the network was built from."""
        return self.net.experiment


def names() -> list[str]:
    """Names of all trained models in the package, sorted; without the small nets of the studies."""
    return sorted(p.stem for p in WEIGHTS.glob("*.safetensors"))


def study_names() -> list[str]:
    """Names of the small nets of the studies that are in the package, sorted.

    They show a difference and are far from converged; they load and decode like all others.
    """
    return sorted(p.stem for p in (WEIGHTS / STUDIES).glob("*.safetensors"))


def _path(name: str) -> Path:
    """Where the weights of that name are, or would be."""
    small = WEIGHTS / STUDIES / f"{name}.safetensors"
    return small if small.exists() else WEIGHTS / f"{name}.safetensors"


def load(name: str | os.PathLike) -> TrainedModel:
    """The trained model of that name, or of a .safetensors file that has its card beside it.

    Loaded once per process. Raises UnknownModel listing what there is.
    """
    path = Path(name)
    if path.suffix == ".safetensors":
        if not path.exists():
            raise UnknownModel(f"no weights at {path}")
    else:
        path = _path(str(name))
        if not path.exists():
            known = ", ".join([*names(), *study_names()])
            raise UnknownModel(f"unknown model {str(name)!r}: there are {known}")
    return _load(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _load(path: Path, _changed: int) -> TrainedModel:
    blob = path.read_bytes()
    card_path = path.with_suffix(".json")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        experiment = Experiment(**card["experiment"])
        name = card["name"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UnknownModel(f"{card_path} is not a readable card: {error}") from error
    try:
        tensors = read_tensors(blob)
        net = catalogue.build(experiment)
        state = {k[4:]: v.float() for k, v in tensors.items() if k.startswith("net.")}
        state |= {k: v for k, v in net.state_dict().items() if k.endswith("num_batches_tracked")}
        net.load_state_dict(state)
        coder = _coder(tensors, net)
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise UnknownModel(f"{path} does not hold the weights of its card: {error}") from error
    return TrainedModel(name, net.eval(), card, identity(blob), coder)


def identity(blob: bytes) -> bytes:
    """What streams call a model: the first 4 bytes of the SHA-256 of its weights file."""
    return hashlib.sha256(blob).digest()[:4]


@functools.lru_cache(maxsize=64)
def _identity_of(path: Path, _changed: int) -> bytes:
    """Hashing every file again for every stream would cost more than decoding a digit."""
    return identity(path.read_bytes())


def by_id(model_id: bytes) -> TrainedModel:
    """The model that made a stream. Raises UnknownModel with the wanted hash and the known ones."""
    known = {}
    for name in [*names(), *study_names()]:
        path = _path(name)
        found = _identity_of(path, path.stat().st_mtime_ns)
        if found == model_id:
            return load(name)
        known[name] = found.hex()
    listed = ", ".join(f"{name} {found}" for name, found in known.items())
    raise UnknownModel(f"no model here has the identity {model_id.hex()}: there are {listed}")


def save(net: Network, folder: Path, card: dict, digits: np.ndarray | None = None) -> TrainedModel:
    """Round weights to half precision, learn the coder's tables, write weights and card, reload.

    digits: (N, 128, 128) uint8 training images, for models that have a Huffman code to learn.
    Both files appear whole or not at all. Raises ValueError for weights that cannot be stored.
    """
    net = net.eval().cpu().to(memory_format=torch.contiguous_format)
    tensors = {f"net.{k}": _stored(k, v) for k, v in net.state_dict().items()}
    tensors = {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}
    net.load_state_dict({k[4:]: v.float() for k, v in tensors.items()}, strict=False)
    tensors |= _coder_tensors(net, digits)
    _coder(tensors, net)  # what could not be loaded again is refused before anything is written
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    name = net.experiment.name
    card = {"name": name, **card, "experiment": asdict(net.experiment)}
    files.write(folder / f"{name}.safetensors", write_tensors(tensors))
    files.write(folder / f"{name}.json", _card_text(card))
    return load(folder / f"{name}.safetensors")


def write_metrics(name: str, metrics: dict) -> None:
    """Put what `cwlib eval` measured into the card of a model of the package."""
    path = WEIGHTS / f"{name}.json"
    with files.locked(WEIGHTS):
        card = json.loads(path.read_text(encoding="utf-8"))
        files.write(path, _card_text({**card, "metrics": metrics}))


def _card_text(card: dict) -> bytes:
    """One line per entry, and one per point of the learning curve."""
    curve = ",\n  ".join(json.dumps(point) for point in card.get("curve", []))
    lines = [f' "{k}": {json.dumps(v)}' for k, v in card.items() if k != "curve"]
    return ("{\n" + ",\n".join([*lines, f' "curve": [\n  {curve}\n ]']) + "\n}\n").encode()


def _stored(name: str, value: Tensor) -> Tensor:
    """Half precision for weights; statistics stay in float32 (a variance can exceed 65504)."""
    if not value.is_floating_point():
        return value
    keep = "running_" in name or name.startswith("prior.")
    stored = value.float() if keep else value.half()
    if not stored.isfinite().all():
        raise ValueError(f"{name}: a weight is not finite, or above the 65504 of half precision")
    return stored


def _coder_tensors(net: Network, digits: np.ndarray | None) -> dict[str, Tensor]:
    """What the weights file holds for the entropy coder; `_coder` makes it one again."""
    if hasattr(net, "coder_tensors"):
        return net.coder_tensors()
    if isinstance(net, hierarchical.Hierarchical):
        tables = priors.hyper_tables(net.hyper_prior)
        return {f"hyper.{k}": torch.from_numpy(getattr(tables, k)).int() for k in _TABLE_PARTS}
    if isinstance(net, autoencoders.ContentWeightedAE1):
        return {f"prior.{k}": v.to(torch.int32) for k, v in net.prior.export().items()}
    return {"huffman.lengths": torch.from_numpy(_learn_code(net, digits).lengths.copy())}


def _coder(tensors: dict[str, Tensor], net: Network) -> Coder:
    if hasattr(net, "coder"):
        return net.coder(tensors)
    if "huffman.lengths" in tensors:
        return huffman.Code.from_lengths(tensors["huffman.lengths"].numpy())
    if "hyper.cdfs" in tensors:
        tables = _tables(*(tensors[f"hyper.{k}"].numpy() for k in _TABLE_PARTS))
        layers = [layer for layer in net.h_s if hasattr(layer, "weight")]  # the others are ReLUs
        scales = ScaleDecoder.from_reals(
            [layer.weight.detach().numpy() for layer in layers],
            [layer.bias.detach().numpy() for layer in layers],
        )
        return hyperprior.Coder(tables, scales.scale_indices)
    map_net, code_net = (
        context.Weights(*(tensors[f"prior.{part}.{p}"].numpy() for p in _PRIOR_PARTS))
        for part in ("map", "code")
    )
    return context.Coder(map_net, code_net, importance.READINGS[net.experiment.reading])


def _tables(cdfs: np.ndarray, sizes: np.ndarray, offsets: np.ndarray) -> Tables:
    rows = [row[: size + 1] for row, size in zip(cdfs, sizes, strict=True)]
    return Tables.from_cdfs(rows, offsets)


def _learn_code(net: autoencoders.Autoencoder, digits: np.ndarray) -> huffman.Code:
    """One Huffman code for all channels; every one of the 64 values can be coded."""
    counts = np.ones(2**importance.CODE_BITS, dtype=np.int64)
    with torch.no_grad():
        for k in range(0, len(digits), 50):
            x = torch.from_numpy(digits[k : k + 50]).unsqueeze(1).float() / 255
            symbols, _ = net.symbols(*net.analyse(x))
            counts += np.bincount(symbols.numpy().astype(np.int64).ravel(), minlength=len(counts))
    return huffman.Code.from_counts(counts)
