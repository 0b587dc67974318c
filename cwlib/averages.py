"""The moving average of a network's weights, which often is the better network.

While the learning rate is high, the weights wander around what they aim at; their mean lies nearer
to it. Source: Polyak and Juditsky 1992; with exponential weights in most trained codecs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of all weights and statistics of a model.

    values: name -> tensor, like a state_dict. decay: share of the old average that a step keeps.
    """

    def __init__(self, model: nn.Module, decay: float):
        if not 0 < decay < 1:
            raise ValueError(f"ema {decay}: a decay lies between 0 and 1, such as 0.999")
        self.decay = decay
        self.values = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after a step, counted from 1.

        In the beginning less is kept, or the random start would stay in the average for long.
        """
        # a_t = d_t a_(t-1) + (1 - d_t) w_t,  d_t = min(d, t / (t + 9))
        keep = min(self.decay, step / (step + 9))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value, 1 - keep)
            else:  # a counter
                self.values[name].copy_(value)

    def load(self, values: dict[str, Tensor]) -> None:
        """Take up the values of another average of the same model."""
        for name, value in self.values.items():
            value.copy_(values[name])
