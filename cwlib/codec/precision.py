"""Which float type the networks compute in. Symbols never depend on it, pixels by a rounding."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch
from torch import Tensor


def fast(t: Tensor) -> AbstractContextManager:
    """Convolutions in bfloat16 where the device of t has instructions for it."""
    kind = t.device.type
    if kind == "cuda" or (kind == "cpu" and cpu_has_bfloat16()):
        return torch.autocast(kind, torch.bfloat16)
    return nullcontext()


@cache
def cpu_has_bfloat16() -> bool:
    """Emulated, it is slower than float32."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
