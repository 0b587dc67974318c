"""Trained networks: NAME.safetensors (never pickle) and NAME.json, the card with its origin.

A trained network is more than its weights: it carries the tables that its entropy coder uses, and
an identity (the first 4 bytes of the file's SHA-256) that every stream names. The identity is a
name, not a signature: other weights with the same one can be made in minutes. That the weights are
those of the card is checked with all 32 bytes, which the card holds, beside those of its settings.

Files may come from anywhere. What they cost is bounded by their size, before it is spent.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from torch import Tensor
from torch.overrides import TorchFunctionMode

from cwlib import experiments, files
from cwlib.coding import checkerboard, context, huffman, hyperprior
from cwlib.experiments import Experiment
from cwlib.models import autoencoders, catalogue, hierarchical, photo
from cwlib.pinned import pinned

WEIGHTS = Path(__file__).parent / "weights"
STUDIES = "studies"  # folder in it: small nets, seed 0 of the studies that chapters show at work
_CARD_BYTES = 2**20
_CARD_KINDS = {"steps": int, "before": list, "curve": list, "metrics": dict}  # where it has them

Network = autoencoders.Autoencoder | hierarchical.Hierarchical | photo.Photo
Coder = huffman.Code | context.Coder | hyperprior.Coder | checkerboard.Coder


class UnknownModel(ValueError):
    """No weights of that name or identity, or none that can be trusted; the message says why."""


@dataclass(frozen=True, eq=False)
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
    return [path.stem for path in _weights_in(WEIGHTS)]


def study_names() -> list[str]:
    """Names of the small nets of the studies that are in the package, sorted.

    They show a difference and are far from converged; they load and decode like all others.
    """
    return [path.stem for path in _weights_in(WEIGHTS / STUDIES)]


def _weights_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"), key=lambda path: path.stem)


def _path(name: str) -> Path:
    """Where the weights of that name are, or would be."""
    small = WEIGHTS / STUDIES / f"{name}.safetensors"
    return small if os.path.isfile(small) else WEIGHTS / f"{name}.safetensors"


def load(name: str | os.PathLike) -> TrainedModel:
    """The trained model of that name, or of a .safetensors file that has its card beside it.

    It is the caller's own: what he does to its net changes no other, and no decoding. Read once per
    process. Raises UnknownModel listing what there is.
    """
    path = Path(name)
    if path.suffix == ".safetensors":
        if not os.path.isfile(path):
            raise UnknownModel(f"no weights at {path}")
    else:
        path = _path(str(name))
        if not os.path.isfile(path):
            known = ", ".join([*names(), *study_names()])
            raise UnknownModel(f"unknown model {str(name)!r}: there are {known}")
    return _copy(_once(_load, path))


def by_id(model_id: bytes) -> TrainedModel:
    """The model that made a stream, the caller's own as with `load`.

    Raises UnknownModel with this identity and the known ones, or where two files have it.
    """
    return _copy(shared(model_id))


def shared(model_id: bytes) -> TrainedModel:
    """`by_id` without a copy, for the codec: one for all streams, so nobody may change it."""
    if not isinstance(model_id, bytes):
        raise TypeError(f"expected the 4 bytes of an identity, got {type(model_id).__name__}")
    paths = [path for folder in (WEIGHTS, WEIGHTS / STUDIES) for path in _weights_in(folder)]
    known = {path: _once(_sha256, path)[: len(model_id)] for path in paths}
    owners = [path for path, own in known.items() if own == model_id]
    if len(owners) > 1:
        raise UnknownModel(
            f"{owners[0]} and {owners[1]} have the same identity, {model_id.hex()}: remove the one "
            "that you do not trust"
        )
    if not owners:
        listed = ", ".join(f"{path.stem} {own.hex()}" for path, own in known.items())
        raise UnknownModel(f"no model here has the identity {model_id.hex()}: there are {listed}")
    return _once(_load, owners[0])


@pinned()
def _copy(model: TrainedModel) -> TrainedModel:
    return copy.deepcopy(model)


def _once(read: Callable, path: Path):
    """What `read`, which remembers, makes of a weights file and its card as they are now."""
    return read(path, (_stamp(path), _stamp(path.with_suffix(".json"))))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        there = os.stat(path)
    except OSError:
        return None
    return there.st_mtime_ns, there.st_size


@functools.lru_cache(maxsize=64)
def _sha256(path: Path, _stamps: tuple) -> bytes:
    """Hashing every file again for every stream would cost more than decoding a digit."""
    return hashlib.sha256(_read_weights(path)).digest()


@functools.lru_cache(maxsize=16)
@pinned()
def _load(path: Path, _stamps: tuple) -> TrainedModel:
    card_path = path.with_suffix(".json")
    try:
        card, experiment = _read_card(card_path)
    except (OSError, RecursionError, ValueError) as error:
        raise UnknownModel(f"{card_path} is not a readable card: {error}") from error
    blob = _read_weights(path)
    refusal = f"{path} does not hold the weights of its card"
    _compare(card, "sha256", hashlib.sha256(blob).hexdigest(), card_path, "its weights", refusal)
    try:
        tensors = read_tensors(blob)
        net = _filled(experiment, tensors)
        coder = net.coder(tensors)
    except (
        *(SafetensorError, RuntimeError, ValueError),
        *(ArithmeticError, AttributeError, LookupError, TypeError),  # tensors of other kinds
    ) as error:
        raise UnknownModel(f"{refusal}: {error}") from error
    # settings that fit the weights as well may decode to something else
    settings = _settings_sha256(card["experiment"])
    changed = f"{card_path} does not hold the settings that its weights were saved with"
    _compare(card, "experiment_sha256", settings, card_path, "its experiment", changed)
    return TrainedModel(experiment.name, net.eval(), card, identity(blob), coder)


def _compare(
    card: dict, entry: str, sha256: str, card_path: Path, of_what: str, refusal: str
) -> None:
    """Raise UnknownModel unless the card holds this checksum."""
    if entry not in card:
        raise UnknownModel(
            f"{card_path} lacks the SHA-256 of {of_what}: train or save the model again or, if "
            f'you trust both files, add the entry "{entry}": "{sha256}"'
        )
    if card[entry] != sha256:
        raise UnknownModel(f"{refusal}: its SHA-256 is {sha256}, fetch both again")


def _settings_sha256(settings: dict) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _read_weights(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnknownModel(f"{path} cannot be read: {error}") from error


def _read_card(path: Path) -> tuple[dict, Experiment]:
    """A card and its experiment. Raises OSError, ValueError, RecursionError."""
    if path.stat().st_size > _CARD_BYTES:
        raise ValueError(f"a card has at most {_CARD_BYTES} bytes")
    card = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(card, dict):
        raise ValueError("its entries have no names")
    experiment = experiments.from_card(card.get("experiment"))
    if card.get("name") != experiment.name:
        raise ValueError(f"its name is not that of its experiment, {experiment.name}")
    for key, kind in _CARD_KINDS.items():
        if not isinstance(card.get(key, kind()), kind):
            raise ValueError(f"its {key} must be of type {kind.__name__}")
    return card, experiment


class _Allowance(TorchFunctionMode):
    """Within it, no more elements than `left` are made for weights: the next one is an error."""

    FACTORIES = (torch.empty, torch.zeros, torch.ones, torch.full, torch.randn, torch.eye)

    def __init__(self, left: int):
        super().__init__()
        self.left = left

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in self.FACTORIES:
            size = args[0] if isinstance(args[0], tuple) else args
            self.left -= math.prod(size * 2 if func is torch.eye else size)
            if self.left < 0:
                raise ValueError("its experiment builds a larger net")
        return func(*args, **(kwargs or {}))


def _filled(experiment: Experiment, tensors: dict[str, Tensor]) -> Network:
    """The experiment's net with the weights of a file. Raises ValueError where they do not fit."""
    held = {name[4:]: value for name, value in tensors.items() if name.startswith("net.")}
    # a net may make a part twice, and a few numbers besides
    allowance = 2 * sum(value.numel() for value in held.values()) + 1000
    with torch.random.fork_rng(devices=[]), _Allowance(allowance):
        net = catalogue.build(experiment)
    own = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    for name in {**own, **held}:
        if name not in held or name not in own:
            raise ValueError(f"{name} is only in the {'file' if name in held else 'net'}")
        value, like = held[name], own[name]
        if value.shape != like.shape or value.is_floating_point() != like.is_floating_point():
            raise ValueError(
                f"{name} is {value.dtype} {tuple(value.shape)}, not {tuple(like.shape)}"
            )
        held[name] = value.to(like.dtype)
        if not held[name].isfinite().all():
            raise ValueError(f"{name} has values that are not finite")
    net.load_state_dict(held, strict=False)  # batches were not counted
    return net


def identity(blob: bytes) -> bytes:
    """What streams call a model: the first 4 bytes of the SHA-256 of its weights file."""
    return hashlib.sha256(blob).digest()[:4]


@pinned()
def save(net: Network, folder: Path, card: dict, digits: np.ndarray | None = None) -> TrainedModel:
    """Round weights to half precision, learn the coder's tables, write weights and card, reload.

    digits: (N, 128, 128) uint8 training images, for models that have a Huffman code to learn.
    Both files appear whole or not at all. Raises ValueError for weights that cannot be stored.
    """
    net = copy.deepcopy(net).eval().cpu().to(memory_format=torch.contiguous_format)
    tensors = {f"net.{k}": _stored(k, v) for k, v in net.state_dict().items()}
    tensors = {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}
    net.load_state_dict({k[4:]: v.float() for k, v in tensors.items()}, strict=False)
    tensors |= net.coder_tensors(digits)
    net.coder(tensors)  # what could not be loaded again is refused before anything is written
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    name = net.experiment.name
    blob = write_tensors(tensors)
    settings = asdict(net.experiment)
    sums = {"sha256": hashlib.sha256(blob).hexdigest()}
    sums["experiment_sha256"] = _settings_sha256(settings)
    card = {"name": name, **card, **sums, "experiment": settings}
    files.write(folder / f"{name}.safetensors", blob)
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
