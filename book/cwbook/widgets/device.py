"""Where a chapter computes: a GPU if there is one, and a word to Colab's users if it is off."""

from __future__ import annotations

import sys

GPU_IS_OFF = (
    "**The GPU is off.** Everything in this chapter also runs without one. "
    "To switch it on: *Runtime → Change runtime type → GPU*, then *Runtime → Run all*."
)


def find_device() -> str:
    """'cuda' where torch sees a GPU, else 'cpu'; on Colab without one, says where to switch it on.

    On a computer of one's own there is no such switch, so nothing is said there.
    """
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if "google.colab" in sys.modules:  # Colab's kernels have imported it before the first cell
        from IPython.display import Markdown, display

        display(Markdown(GPU_IS_OFF))
    return "cpu"
