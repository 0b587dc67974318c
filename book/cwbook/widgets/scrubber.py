"""Pictures made beforehand, with a slider: no kernel, no network, no widget state.

A `Scrubber` has one slider; an `Explorer` is several of them with a list to choose from.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from PIL import Image

Frame = np.ndarray | bytes

# data-lm-suppress-shortcuts keeps JupyterLab from taking the arrow keys; class="dark-light" keeps
# the theme's dark mode from changing the pixels; no ids, so that a page may hold it twice.
# {choice}, {first}, {show}, {heard}, {place} and {live} are what an Explorer adds.
_HTML = """\
<div class="scrubber" data-scrubber="{key}" role="group" aria-label="{name}" \
style="max-width:{width}px;margin:1rem 0">
{choice}<img class="dark-light" alt="{alt}" src="{src}" \
style="display:block;width:100%;height:auto;aspect-ratio:{ratio};margin:0;padding:0;\
border-radius:4px;image-rendering:{rendering}">
<label style="display:none;margin:.6rem 0 0">{label} \
<b aria-hidden="true" style="float:right">{value}</b>\
<input type="range" min="0" max="{last}" step="1" value="{start}" autocomplete="off" \
aria-valuetext="{value}" data-lm-suppress-shortcuts="true" \
style="display:block;width:100%;height:2.25rem;margin:0;cursor:pointer"></label>
<p {live}style="margin:.3rem 0 0">{caption}</p>
<script>
(() => {{
  const root = document.querySelector('[data-scrubber="{key}"]:not([data-ready])');
  if (!root) return;
  root.dataset.ready = "";
  const frames = {frames};
  const [{first}img, label, caption] = [...root.children];
  const [value, input] = label.children;
  frames[{start}][0] = img.src;
{show}  label.style.display = "block";
  {heard}.addEventListener("input", () => {{
    [img.src, img.alt, caption.textContent, value.textContent] = frames[{place}];
    input.setAttribute("aria-valuetext", value.textContent);
  }});
}})();
</script>
</div>"""
_SCRUBBER = {
    "choice": "", "first": "", "show": "", "heard": "input", "place": "input.value", "live": "",
}  # fmt: skip
# All frames stand in one list, choice after choice; an option's value is where its frames begin.
_EXPLORER = {
    "first": "choice, ",
    "show": '  choice.style.display = "block";\n',
    "heard": "root",
    "place": "+choice.firstElementChild.value + +input.value",
    "live": 'aria-live="polite" ',
}
_CHOICE = """\
<label style="display:none;margin:0 0 .6rem">{label} \
<select autocomplete="off" data-lm-suppress-shortcuts="true" \
style="font:inherit;max-width:100%;min-height:2.25rem;margin-left:.4rem">{options}</select></label>
"""


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
        return _page(self, self._states(), self._label, _SCRUBBER)

    def _states(self) -> list[list[str]]:
        """[source, alt, caption, value] of every frame."""
        rows = zip(self._sources, self._alts, self._captions, self._values, strict=True)
        return [list(row) for row in rows]


class Explorer:
    """Scrubbers of one kind with a list to choose from; a choice keeps the slider where it is.

    choices: {name: Scrubber}, alike in label, number of frames and their size; the first one, at
    its start, is what one sees first, and all there is without JavaScript. label: what one chooses
    ("Codec"). Raises ValueError where these do not fit together.
    """

    def __init__(self, choices: Mapping[str, Scrubber], label: str) -> None:
        if not choices:
            raise ValueError("an Explorer needs at least one Scrubber to choose")
        if not label.strip():
            raise ValueError("label is empty: it is the list's accessible name")
        self._label = label
        self._choices = dict(choices)
        name, self._first = next(iter(self._choices.items()))
        for other, scrubber in self._choices.items():
            if _kind(scrubber) != _kind(self._first):
                raise ValueError(
                    f"{other!r} has {_told(scrubber)}, but {name!r} has {_told(self._first)}"
                )

    def __repr__(self) -> str:
        return f"Explorer({self._label!r}, {len(self._choices)} x {self._first!r})"

    def _repr_html_(self) -> str:
        n = len(self._first._sources)
        states = [state for one in self._choices.values() for state in one._states()]
        options = "".join(
            f'<option value="{i * n}">{escape(name)}</option>'
            for i, name in enumerate(self._choices)
        )
        choice = _CHOICE.format(label=escape(self._label), options=options)
        name = f"{self._label}, {self._first._label}"
        return _page(self._first, states, name, {**_EXPLORER, "choice": choice})


def _kind(scrubber: Scrubber) -> tuple[str, int, tuple[int, int]]:
    return scrubber._label, len(scrubber._sources), scrubber._size


def _told(scrubber: Scrubber) -> str:
    label, n, (width, height) = _kind(scrubber)
    return f"{n} frames of {width}x{height} for {label!r}"


def _page(first: Scrubber, states: list[list[str]], name: str, parts: Mapping[str, str]) -> str:
    """The HTML of all states, of which those of `first` come first; its look, and its start."""
    digest = hashlib.sha256(json.dumps([name, states]).encode())
    source, alt, caption, value = states[first._start]
    states[first._start][0] = ""  # the script reads it from the <img>
    return _HTML.format(
        key=digest.hexdigest()[:16],
        name=escape(name),
        label=escape(first._label),
        alt=escape(alt),
        caption=escape(caption),
        value=escape(value),
        src=source,
        start=first._start,
        last=len(first._sources) - 1,
        width=first._width,
        ratio="{}/{}".format(*first._size),
        rendering="pixelated" if first._pixelated else "auto",
        frames=json.dumps(states, ensure_ascii=False).replace("<", "\\u003c"),
        **parts,
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
