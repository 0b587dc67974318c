"""Widgets of the chapters. `Scrubber` needs no kernel, no network and no widget state."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import ipywidgets as widgets
    from IPython.display import Markdown

    from cwlib import zoo

Frame = np.ndarray | bytes

# data-lm-suppress-shortcuts keeps JupyterLab from taking the arrow keys; class="dark-light" keeps
# the theme's dark mode from changing the pixels; no ids, so that a page may hold it twice.
_HTML = """\
<div class="scrubber" data-scrubber="{key}" role="group" aria-label="{label}" \
style="max-width:{width}px;margin:1rem 0">
<img class="dark-light" alt="{alt}" src="{src}" \
style="display:block;width:100%;height:auto;aspect-ratio:{ratio};margin:0;padding:0;\
border-radius:4px;image-rendering:{rendering}">
<label style="display:none;margin:.6rem 0 0">{label} \
<b aria-hidden="true" style="float:right">{value}</b>\
<input type="range" min="0" max="{last}" step="1" value="{start}" autocomplete="off" \
aria-valuetext="{value}" data-lm-suppress-shortcuts="true" \
style="display:block;width:100%;height:2.25rem;margin:0;cursor:pointer"></label>
<p style="margin:.3rem 0 0">{caption}</p>
<script>
(() => {{
  const root = document.querySelector('[data-scrubber="{key}"]:not([data-ready])');
  if (!root) return;
  root.dataset.ready = "";
  const frames = {frames};
  const [img, label, caption] = [...root.children];
  const [value, input] = label.children;
  frames[{start}][0] = img.src;
  label.style.display = "block";
  input.addEventListener("input", () => {{
    [img.src, img.alt, caption.textContent, value.textContent] = frames[input.value];
    input.setAttribute("aria-valuetext", value.textContent);
  }});
}})();
</script>
</div>"""


class Scrubber:
    """A slider over pictures that were computed beforehand; without JavaScript, the start frame.

    frames: uint8 arrays (H, W) or (H, W, 3) of one shape, or PNG/WebP files as bytes.
    captions: one line of plain text per frame. label: what the slider changes ("Bits kept").
    alt: what one sees, one text for all frames or one per frame. values: what the slider's
    position is called, shown and spoken; by default "3 of 16". start: the first frame shown.
    width: in CSS pixels, by default the frame's own; pixelated: enlarge without smoothing.
    Raises ValueError where these do not fit together.
    """

    def __init__(
        self,
        frames: Sequence[Frame],
        captions: Sequence[str],
        label: str,
        alt: str | Sequence[str],
        *,
        values: Sequence[str] | None = None,
        start: int = 0,
        width: int | None = None,
        pixelated: bool = True,
    ) -> None:
        n = len(frames)
        if n == 0:
            raise ValueError("a Scrubber needs at least one frame")
        if not label.strip():
            raise ValueError("label is empty: it is the slider's accessible name")
        if not 0 <= start < n:
            raise ValueError(f"start is {start}, but the frames are 0 to {n - 1}")
        pictures = [_encode(frame, i) for i, frame in enumerate(frames)]
        self._size = _common_size(pictures)
        self._sources = [f"data:image/{kind};base64,{text}" for kind, text, _ in pictures]
        self._captions = _one_each("captions", captions, n)
        self._alts = _one_each("alt", [alt] * n if isinstance(alt, str) else alt, n)
        positions = [f"{i + 1} of {n}" for i in range(n)] if values is None else values
        self._values = _one_each("values", positions, n)
        if not all(text.strip() for text in self._alts):
            raise ValueError("alt is empty: say what one sees in the picture")
        self._label = label
        self._start = start
        self._width = self._size[0] if width is None else width
        self._pixelated = pixelated

    def __repr__(self) -> str:
        return f"Scrubber({self._label!r}, {len(self._sources)} frames)"

    def _repr_html_(self) -> str:
        rows = zip(self._sources, self._alts, self._captions, self._values, strict=True)
        states = [list(row) for row in rows]
        digest = hashlib.sha256(json.dumps([self._label, states]).encode())
        source, alt, caption, value = states[self._start]
        states[self._start][0] = ""  # the script reads it from the <img>
        return _HTML.format(
            key=digest.hexdigest()[:16],
            label=escape(self._label),
            alt=escape(alt),
            caption=escape(caption),
            value=escape(value),
            src=source,
            start=self._start,
            last=len(states) - 1,
            width=self._width,
            ratio="{}/{}".format(*self._size),
            rendering="pixelated" if self._pixelated else "auto",
            frames=json.dumps(states, ensure_ascii=False).replace("<", "\\u003c"),
        )


def _encode(frame: Frame, i: int) -> tuple[str, str, tuple[int, int]]:
    """(png or webp, base64 text, (width, height)) of one frame."""
    if isinstance(frame, np.ndarray):
        if frame.dtype != np.uint8 or not (
            frame.ndim == 2 or (frame.ndim == 3 and frame.shape[2] == 3)
        ):
            raise ValueError(
                f"frame {i} is {frame.dtype} {frame.shape}: expected uint8 (H, W) or (H, W, 3)"
            )
        if frame.size == 0:
            raise ValueError(f"frame {i} has no pixels: its shape is {frame.shape}")
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "PNG", optimize=True)
        frame = buffer.getvalue()
    try:
        with Image.open(io.BytesIO(frame), formats=["PNG", "WEBP"]) as image:
            kind, size = image.format.lower(), image.size
    except (OSError, TypeError) as error:
        raise ValueError(f"frame {i} is neither an array nor a PNG or WebP file") from error
    return kind, base64.b64encode(frame).decode("ascii"), size


def _common_size(pictures: Sequence[tuple[str, str, tuple[int, int]]]) -> tuple[int, int]:
    first = pictures[0][2]
    for i, (_, _, size) in enumerate(pictures):
        if size != first:
            raise ValueError(
                f"frame {i} is {size[0]}x{size[1]}, but frame 0 is {first[0]}x{first[1]}: "
                "the picture would jump"
            )
    return first


def _one_each(name: str, texts: Sequence[str], n: int) -> list[str]:
    if isinstance(texts, str) or len(texts) != n:
        given = "one string" if isinstance(texts, str) else str(len(texts))
        raise ValueError(f"{name}: expected {n}, one per frame, got {given}")
    return [str(text) for text in texts]


def importance_frame(
    model: zoo.TrainedModel, image: np.ndarray, factor: float = 1.0, threshold: float = 0.0
) -> tuple[np.ndarray, str]:
    """Original | reconstruction | kept bits as one picture, and a caption with the stream's size.

    image: uint8 (H, W), sides multiples of 8; model: one with a map. The map m becomes
    factor * m where m >= threshold and 0 elsewhere; what is shown is decoded from a real stream.
    """
    import torch

    from cwlib import codec, importance, metrics, viz

    with torch.no_grad():
        z, m = model.net.analyse(torch.from_numpy(image)[None, None].float() / 255)
        symbols, levels = model.net.symbols(z, factor * m * (m >= threshold))
    kept = importance.kept_bits(levels, model.experiment.reading)[0].numpy()
    sent = levels[0, 0].numpy().astype(np.int64) if model.experiment.model == "cw1" else None
    latents = codec.Latents(symbols[0].numpy().astype(np.int64), sent)
    blob = codec.pack(model, latents, image.shape)
    decoded = codec.decompress(blob)
    picture = viz.side_by_side([image, decoded, viz.colour_map(kept, *image.shape)])
    caption = (
        f"{len(blob)} bytes, {metrics.bpp(len(blob), image.shape):.4f} bpp, "
        f"{metrics.psnr(image, decoded):.2f} dB; {kept.mean():.2f} bits kept per symbol"
    )
    return picture, caption


def explore_importance(model: zoo.TrainedModel, digits: np.ndarray) -> widgets.VBox:
    """Sliders for a live kernel: which digit, the map's factor, a threshold on the map.

    digits: uint8 (N, 128, 128). Every move encodes and decodes again with the real model.
    """
    number = _slider("digit", 0, 0, len(digits) - 1, 1)
    factor = _slider("factor", 1.0, 0.0, 1.0, 0.05)
    threshold = _slider("threshold", 0.0, 0.0, 1.0, 0.02)

    def frame() -> tuple[np.ndarray, str]:
        return importance_frame(model, digits[number.value], factor.value, threshold.value)

    return _explorer([number, factor, threshold], frame)


def photo_frame(
    model: zoo.TrainedModel, image: np.ndarray, importance: float = 1.0
) -> tuple[np.ndarray, str]:
    """Original | reconstruction | kept channels in one picture; a caption with the stream's size.

    image: uint8 (H, W, 3), sides multiples of 8; model: of photographs. The third part is there
    where the model has a mask. What is shown is decoded from a real stream.
    """
    import torch

    from cwlib import codec, metrics, viz

    blob = codec.compress(model, image, importance)
    decoded = codec.synthesise(model, [codec.unpack(model, blob)], image.shape)[0]
    shown = [image, decoded]
    rate, psnr = metrics.bpp(len(blob), image.shape), metrics.psnr(image, decoded)
    caption = f"{len(blob):,} bytes, {rate:.4f} bpp, {psnr:.2f} dB"
    if model.experiment.mask != "none":
        x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            _, f = model.net.mask(model.net.g_a(x), importance)  # (1, 1, H/8, W/8)
        channels = model.net.channels
        shown.append(viz.colour_map(f[0, 0].numpy(), *image.shape[:2], vmax=channels))
        caption += f"; {f.mean():.1f} of {channels} channels kept"
    return viz.side_by_side(shown), caption


def explore_photo(model: zoo.TrainedModel, photos: Sequence[np.ndarray]) -> widgets.VBox:
    """Sliders for a live kernel: which photograph, where in it, and how much its file may take.

    photos: uint8 (H, W, 3) each. Every move encodes and decodes a part of at most 256x256 again.
    The last slider is the quality of a model of many rates, else the factor of the map, if any.
    """
    from cwlib import codec

    e = model.experiment
    number = _slider("photograph", 1, 1, len(photos), 1)
    down, across = _slider("down", 0.5, 0.0, 1.0, 0.05), _slider("across", 0.5, 0.0, 1.0, 0.05)
    sliders = [number, down, across]
    if e.gains:
        sliders.append(_slider("quality", 1.0, 0.0, 1.0, 0.02))
    elif e.mask != "none":
        sliders.append(_slider("factor", 1.0, 0.0, 1.0, 0.05))

    def frame() -> tuple[np.ndarray, str]:
        part = _part(photos[number.value - 1], down.value, across.value)
        last = sliders[-1].value if len(sliders) > 3 else 1.0
        return photo_frame(model, part, codec.strength(model, last) if e.gains else last)

    return _explorer(sliders, frame)


def _part(photo: np.ndarray, down: float, across: float, side: int = 256) -> np.ndarray:
    """A part of at most side x side, in whole places of 8; down, across: 0..1 of the way."""
    h, w = (min(side, n // 8 * 8) for n in photo.shape[:2])
    top, left = round(down * (photo.shape[0] - h)), round(across * (photo.shape[1] - w))
    return photo[top : top + h, left : left + w]


def _slider(
    name: str, value: float, least: float, most: float, step: float
) -> widgets.IntSlider | widgets.FloatSlider:
    import ipywidgets as widgets

    kind = widgets.IntSlider if isinstance(step, int) else widgets.FloatSlider
    layout = widgets.Layout(width="32rem", max_width="100%")
    style = {"description_width": "7rem"}
    return kind(value, min=least, max=most, step=step, description=name, layout=layout, style=style)


def _explorer(
    sliders: Sequence[widgets.IntSlider | widgets.FloatSlider],
    frame: Callable[[], tuple[np.ndarray, str]],
) -> widgets.VBox:
    """Sliders, and below them the picture and caption that `frame` makes of where they stand."""
    import ipywidgets as widgets

    picture = widgets.Image(format="png", layout=widgets.Layout(width="40rem", max_width="100%"))
    caption = widgets.Label()

    def draw(_change: object = None) -> None:
        pixels, text = frame()
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        picture.value, caption.value = buffer.getvalue(), text

    for slider in sliders:
        slider.observe(draw, names="value")
    draw()
    return widgets.VBox([*sliders, picture, caption])


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> Markdown:
    """Rows of cells as a Markdown table to display; the first column is text, the others figures.

    >>> print(table(["codec", "bpp"], [["jpeg", 0.25]]).data)
    | codec | bpp |
    | --- | ---: |
    | jpeg | 0.25 |
    """
    from IPython.display import Markdown

    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return Markdown("\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines))
