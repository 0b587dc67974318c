"""The global state of torch and NumPy, set to what the networks and coders here were made for.

A caller may have chosen another default type or device, autocast, gradients, or errors where NumPy
warns; what is compressed and decoded must not depend on it, and the caller's choice must not be
lost. So the codec and whatever builds a net work within `pinned`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def pinned() -> Iterator[None]:
    """Default type float32 and device CPU, no autocast, no gradients, silent NumPy.

    A decorator too: `@pinned()`.
    """
    with (
        _FLOAT32,
        torch.device("cpu"),
        torch.inference_mode(False),
        torch.no_grad(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
        np.errstate(all="ignore"),
    ):
        yield


class _DefaultFloat32:
    """The default type belongs to the whole process: the last thread that leaves gives it back."""

    def __init__(self):
        self.lock, self.inside, self.before = threading.Lock(), 0, torch.float32

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                self.before = torch.get_default_dtype()
                torch.set_default_dtype(torch.float32)
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                torch.set_default_dtype(self.before)


_FLOAT32 = _DefaultFloat32()
