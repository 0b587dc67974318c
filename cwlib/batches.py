"""What training step k sees: batches that depend on the seed and on k alone.

So a resumed run sees what an uninterrupted one would have seen, and several processes agree on a
batch without talking to each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from cwlib import data
from cwlib.experiments import Experiment

SMALLEST_SCALE = 0.5  # of a photograph, before it is cropped


class Digits:
    """MNIST digits at 128x128; every epoch is one shuffle without replacement.

    images: (N, 28, 28) uint8.
    """

    def __init__(self, images: np.ndarray, batch_size: int, seed: int):
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.per_epoch = max(1, len(images) // batch_size)

    def chosen(self, step: int) -> np.ndarray:
        """Indices of the digits of a step; a last batch that is not full is left out."""
        epoch, k = divmod(step, self.per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))
        return order[k * self.batch_size : (k + 1) * self.batch_size]

    def at(self, step: int) -> Tensor:
        """The batch of a step: (B, 1, 128, 128) uint8."""
        return torch.from_numpy(data.resize_digits(self.images[self.chosen(step)])).unsqueeze(1)


class Crops:
    """Random crops of photographs: scaled by 0.5 to 1, cut to size x size, half of them mirrored.

    photos: uint8 (H, W, 3) each; all are decoded once and stay in memory (3 bytes a pixel). Those
    with a side below `size` are left out; raises ValueError where none is left.
    """

    def __init__(self, photos: Sequence[np.ndarray], batch_size: int, seed: int, size: int = 128):
        self.batch_size, self.seed, self.size = batch_size, seed, size
        bar = tqdm(range(len(photos)), desc="photographs", disable=len(photos) < 50)
        loaded = (photos[k] for k in bar)
        self.photos = [p for p in loaded if min(p.shape[:2]) >= size]
        if not self.photos:
            raise ValueError(f"no photograph is at least {size} pixels high and wide")
        self.per_epoch = max(1, len(self.photos) // batch_size)

    def crop(self, rng: np.random.Generator) -> np.ndarray:
        """One random crop: (size, size, 3) uint8."""
        photo = self.photos[rng.integers(len(self.photos))]
        h, w = photo.shape[:2]
        # Scaling the photograph by s and cutting `size` is cutting size / s and scaling that.
        side = min(round(self.size / rng.uniform(SMALLEST_SCALE, 1.0)), h, w)
        top, left = rng.integers(h - side + 1), rng.integers(w - side + 1)
        patch = photo[top : top + side, left : left + side]
        if rng.random() < 0.5:
            patch = patch[:, ::-1]
        if side == self.size:
            return patch
        picture = Image.fromarray(np.ascontiguousarray(patch))
        return np.asarray(picture.resize((self.size, self.size), Image.Resampling.BICUBIC))

    def at(self, step: int) -> Tensor:
        """The batch of a step: (B, 3, size, size) uint8."""
        rng = np.random.default_rng([self.seed, step])
        crops = np.stack([self.crop(rng) for _ in range(self.batch_size)])
        return torch.from_numpy(crops).permute(0, 3, 1, 2)  # channels-last in memory


def source(experiment: Experiment, images: Sequence[np.ndarray]) -> Digits | Crops:
    """The batches of an experiment from its data set's images."""
    if experiment.dataset == "mnist":
        return Digits(images, experiment.batch_size, experiment.seed)
    return Crops(images, experiment.batch_size, experiment.seed, experiment.crop)
