"""Draw book/_static/hero.png: digits, their importance maps, and what comes back from the files.

python scripts/make_hero.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from cwbook import figures
from cwlib import codec, data, files, metrics, zoo

ROOT = Path(__file__).resolve().parent.parent
DIGITS = (0, 2, 4, 18)  # of the test set: a seven, a one, a four, a three
MODEL = "mnist-cw1"


def main() -> None:
    """Three rows (digit, bits kept, decoded), one column per digit."""
    figures.style()
    model = zoo.load(MODEL)
    images = data.resize_digits(data.mnist28("test")[0][list(DIGITS)])
    kept = np.array([0, 2, 4, 6])
    _, axes = plt.subplots(3, len(images), figsize=(6.4, 5.1))
    for column, image in zip(axes.T, images, strict=True):
        blob = codec.compress(model, image)
        back = codec.decompress(blob)
        bits = kept[codec.unpack(model, blob).levels]
        column[0].imshow(image, cmap="gray", vmin=0, vmax=255)
        column[1].imshow(bits, cmap="viridis", vmin=0, vmax=6)
        column[2].imshow(back, cmap="gray", vmin=0, vmax=255)
        column[2].set_xlabel(f"{len(blob)} bytes, {metrics.psnr(image, back):.1f} dB")
    for row, text in zip(axes, ("digit", "bits kept", "from the file"), strict=True):
        row[0].set_ylabel(text)
        for ax in row:
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
    files.write(ROOT / "book" / "_static" / "hero.png", figures.as_png(axes[0, 0]))


if __name__ == "__main__":
    main()
