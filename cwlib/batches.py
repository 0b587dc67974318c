"""What training step k sees: images and random numbers that depend on the seed and on k alone.

So a resumed run sees what an uninterrupted one would have seen, and several processes agree on a
batch without talking to each other: each takes its rows of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cwlib import data
from cwlib.experiments import Experiment
from cwlib.losses import Draws
from cwlib.progress import Bar

SMALLEST_SCALE = 0.5  # of a photograph, before it is cropped
REGIONS = 0.25  # share of the images that have a region of another quality
ALL = slice(None)  # every row of a batch
_DRAWS = 1  # sets the random numbers of a step apart from those that choose its crops


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

    def at(self, step: int, rows: slice = ALL) -> Tensor:
        """The batch of a step, or some rows of it: (B, 1, 128, 128) uint8."""
        chosen = self.images[self.chosen(step)[rows]]
        return torch.from_numpy(data.resize_digits(chosen)).unsqueeze(1)


class Crops:
    """Random crops of photographs: scaled by 0.5 to 1, cut to size x size, half of them mirrored.

    photos: uint8 (H, W, 3) each; all are decoded once and stay in memory (3 bytes a pixel). Those
    with a side below `size` are left out; raises ValueError where none is left.
    """

    def __init__(
        self,
        photos: Sequence[np.ndarray],
        batch_size: int,
        seed: int,
        size: int = 128,
        progress_bar: bool = True,
    ):
        self.batch_size, self.seed, self.size = batch_size, seed, size
        quiet = len(photos) < 50 or not progress_bar
        bar = Bar(range(len(photos)), desc="photographs", show=not quiet)
        large = [p for p in (photos[k] for k in bar) if min(p.shape[:2]) >= size]
        if not large:
            raise ValueError(f"no photograph is at least {size} pixels high and wide")
        self.per_epoch = max(1, len(large) // batch_size)
        sizes = (p for photo in large for p in self.sizes_of(photo))
        self.photos = [p for p in sizes if min(p.shape[:2]) >= size]

    def sizes_of(self, photo: np.ndarray) -> list[np.ndarray]:
        """The pictures that crops of a photograph are cut from: itself."""
        return [photo]

    def choose(self, rng: np.random.Generator) -> tuple[int, int, int, int, bool]:
        """A random square: number of the photograph, side, top, left, whether it is mirrored."""
        k = int(rng.integers(len(self.photos)))
        h, w = self.photos[k].shape[:2]
        # Scaling the photograph by s and cutting `size` is cutting size / s and scaling that.
        side = min(round(self.size / rng.uniform(SMALLEST_SCALE, 1.0)), h, w)
        top, left = rng.integers(h - side + 1), rng.integers(w - side + 1)
        return k, side, int(top), int(left), bool(rng.random() < 0.5)

    def crop(self, k: int, side: int, top: int, left: int, mirrored: bool) -> np.ndarray:
        """The pixels of a square: (size, size, 3) uint8."""
        patch = self.photos[k][top : top + side, left : left + side]
        if mirrored:
            patch = patch[:, ::-1]
        if side == self.size:
            return patch
        picture = Image.fromarray(np.ascontiguousarray(patch))
        return np.asarray(picture.resize((self.size, self.size), Image.Resampling.BICUBIC))

    def at(self, step: int, rows: slice = ALL) -> Tensor:
        """The batch of a step, or some rows of it: (B, 3, size, size) uint8."""
        rng = np.random.default_rng([self.seed, step])
        squares = [self.choose(rng) for _ in range(self.batch_size)]
        crops = np.stack([self.crop(*square) for square in squares[rows]])
        return torch.from_numpy(crops).permute(0, 3, 1, 2)  # channels-last in memory


class Pyramid(Crops):
    """Random crops of photographs at three sizes made once, mirrored and transposed at random.

    Cutting alone costs next to nothing, and the sizes are made with a better filter.
    """

    SCALES = (1.0, 0.72, 0.5)

    def sizes_of(self, photo: np.ndarray) -> list[np.ndarray]:
        """The photograph, and it made smaller."""
        whole, (h, w) = Image.fromarray(photo), photo.shape[:2]
        smaller = [(round(w * s), round(h * s)) for s in self.SCALES[1:]]
        return [photo, *(np.asarray(whole.resize(n, Image.Resampling.LANCZOS)) for n in smaller)]

    def choose(self, rng: np.random.Generator) -> tuple[int, int, int, bool, bool]:
        """A random square: number of the picture, top, left, mirrored, transposed."""
        k = int(rng.integers(len(self.photos)))
        top, left = (int(rng.integers(side - self.size + 1)) for side in self.photos[k].shape[:2])
        return k, top, left, *(bool(b) for b in rng.random(2) < 0.5)

    def crop(self, k: int, top: int, left: int, mirrored: bool, transposed: bool) -> np.ndarray:
        """The pixels of a square: (size, size, 3) uint8."""
        patch = self.photos[k][top : top + self.size, left : left + self.size]
        patch = patch[:, ::-1] if mirrored else patch
        return patch.transpose(1, 0, 2) if transposed else patch


def source(
    experiment: Experiment, images: Sequence[np.ndarray], progress_bar: bool = True
) -> Digits | Crops:
    """The batches of an experiment from its data set's images."""
    e = experiment
    if e.dataset == "mnist":
        return Digits(images, e.batch_size, e.seed)
    kind = Pyramid if e.pyramid else Crops
    return kind(images, e.batch_size, e.seed, e.crop, progress_bar)


def draws(
    experiment: Experiment,
    shapes: Sequence[tuple[int, ...]],
    step: int,
    device: torch.device,
    rows: slice = ALL,
    maps: tuple[int, int] | None = None,
) -> Draws:
    """The random numbers of a step, or those of some rows of its batch.

    shapes: of one image's noise at each quantiser; maps: height and width of those of quality, None
    for none. Drawn on the CPU: alike on every device.
    """
    b = experiment.batch_size
    rng = np.random.default_rng([experiment.seed, step, _DRAWS])
    # s = s_min^u is log-uniform: every octave of rates is trained as much as every other. The b-th
    # image has the b-th part of the range, so that every batch has all rates.
    u = (np.arange(b) + rng.random(b)) / b
    strength = (experiment.strength_min**u).astype(np.float32)
    noise = [rng.random((b, *shape), dtype=np.float32) - 0.5 for shape in shapes]
    quality = [_quality_maps(rng, 1 - u, *maps)] if maps else []
    drawn = [torch.from_numpy(a[rows]).to(device) for a in (strength, *noise, *quality)]
    n = len(noise) + 1
    return Draws(drawn[0], tuple(drawn[1:n]), *drawn[n:])


def _quality_maps(rng: np.random.Generator, q: np.ndarray, h: int, w: int) -> np.ndarray:
    """One quality for each image, (B, 1, h, w); some images have a rectangle of another one."""
    maps = np.broadcast_to(q[:, None, None, None], (len(q), 1, h, w)).astype(np.float32)
    for k in np.flatnonzero(rng.random(len(q)) < REGIONS):
        (top, bottom), (left, right) = (np.sort(rng.integers(0, n + 1, 2)) for n in (h, w))
        maps[k, :, top:bottom, left:right] = rng.random()
    return maps
