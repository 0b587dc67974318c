"""The Scrubber's HTML, read back by the standard library's parser; explorers show real streams."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import scenes
import strokes
import tiny
from PIL import Image

from cwlib import codec, metrics, widgets, zoo
from cwlib.widgets import Scrubber

VOID = {"img", "input"}


class Tree(HTMLParser):
    """Every element as (tag, attributes), and the text within each tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(html)
        assert not self._open, f"unclosed: {self._open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open:
            self.text[self._open[-1]] = self.text.get(self._open[-1], "") + data

    def one(self, tag: str) -> dict[str, str | None]:
        (attributes,) = [attributes for name, attributes in self.elements if name == tag]
        return attributes


def ramps(n: int = 3, size: tuple[int, int] = (6, 8)) -> list[np.ndarray]:
    """n grey frames, each recognisable by its pixels."""
    return [np.full(size, 40 * i, np.uint8) for i in range(n)]


def scrubber(**changes) -> Scrubber:
    settings = dict(
        frames=ramps(), captions=["none", "some", "all"], label="Bits kept", alt="A grey square"
    )
    return Scrubber(**{**settings, **changes})


def states(html: str) -> list[list[str]]:
    """[source, alt, caption, value] of every frame, from the script."""
    return json.loads(re.search(r"const frames = (\[.*\]);\n", html).group(1))


def pixels(source: str) -> np.ndarray:
    header, _, text = source.partition(",")
    assert header == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_without_javascript_there_is_the_start_picture_its_caption_and_no_dead_slider():
    tree = Tree(scrubber(start=1)._repr_html_())
    assert np.array_equal(pixels(tree.one("img")["src"]), ramps()[1])
    assert tree.one("img")["alt"] == "A grey square"
    assert tree.text["p"] == "some"
    assert "display:none" in tree.one("label")["style"]


def test_every_frame_reaches_the_page_pixel_for_pixel():
    html = scrubber(start=1)._repr_html_()
    sources = [row[0] for row in states(html)]
    assert sources[1] == "", "the start frame is in the <img> and need not be there twice"
    assert np.array_equal(pixels(sources[0]), ramps()[0])
    assert np.array_equal(pixels(sources[2]), ramps()[2])


def test_colour_frames_keep_their_colours():
    frame = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    tree = Tree(Scrubber([frame], ["one"], "Step", "Noise")._repr_html_())
    assert np.array_equal(pixels(tree.one("img")["src"]), frame)


def test_a_webp_file_passes_through_unchanged():
    buffer = io.BytesIO()
    Image.fromarray(ramps()[1]).save(buffer, "WEBP", lossless=True)
    source = Tree(Scrubber([buffer.getvalue()], ["x"], "Step", "Grey")._repr_html_()).one("img")[
        "src"
    ]
    assert source == "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def test_the_slider_has_a_name_a_range_and_a_spoken_value():
    tree = Tree(scrubber(values=["0 bits", "3 bits", "6 bits"], start=2)._repr_html_())
    slider = tree.one("input")
    assert tree.text["label"].strip() == "Bits kept"
    assert (slider["type"], slider["min"], slider["max"], slider["value"]) == (
        "range", "0", "2", "2",
    )  # fmt: skip
    assert slider["aria-valuetext"] == "6 bits"
    assert slider["autocomplete"] == "off", "a reload would leave slider and picture disagreeing"
    assert slider["data-lm-suppress-shortcuts"] == "true", "else JupyterLab eats the arrow keys"


def test_dark_mode_leaves_the_pixels_alone_and_nothing_has_an_id():
    tree = Tree(scrubber()._repr_html_())
    assert tree.one("img")["class"] == "dark-light"
    assert not any("id" in attributes for _, attributes in tree.elements)


def test_it_loads_nothing():
    html = scrubber()._repr_html_()
    assert "http" not in html
    assert not any(tag in ("link", "iframe") for tag, _ in Tree(html).elements)
    assert "src" not in Tree(html).one("script")


@pytest.mark.parametrize("text", ["</script><b>", 'a "quoted" <tag> & more', "{braces} \\u0041"])
def test_texts_are_shown_as_written_and_cannot_break_the_page(text):
    html = scrubber(captions=[text] * 3, label=text, alt=text, values=[text] * 3)._repr_html_()
    tree = Tree(html)
    assert tree.text["p"] == tree.one("img")["alt"] == tree.one("div")["aria-label"] == text
    assert states(html)[0][1:] == [text] * 3
    assert html.count("<script") == html.count("</script>") == 1


def test_alt_texts_may_differ_from_frame_to_frame():
    html = scrubber(alt=["black", "dark", "grey"])._repr_html_()
    assert [row[1] for row in states(html)] == ["black", "dark", "grey"]


def test_output_is_reproducible_and_the_key_follows_the_content():
    def key(widget):
        return Tree(widget._repr_html_()).one("div")["data-scrubber"]

    assert scrubber()._repr_html_() == scrubber()._repr_html_()
    others = [
        scrubber(label="Step"),
        scrubber(captions=list("abc")),
        scrubber(frames=ramps()[::-1]),
    ]
    assert len({key(widget) for widget in [scrubber(), *others]}) == 4


def test_the_text_form_is_short_and_fixed():
    assert repr(scrubber()) == "Scrubber('Bits kept', 3 frames)"


def test_width_is_the_frames_own_unless_given():
    assert "max-width:8px" in Tree(scrubber()._repr_html_()).one("div")["style"]
    assert "max-width:384px" in Tree(scrubber(width=384)._repr_html_()).one("div")["style"]


def test_enlarged_pixels_are_crisp_unless_smoothing_is_wanted():
    assert "image-rendering:pixelated" in scrubber()._repr_html_()
    assert "image-rendering:auto" in scrubber(pixelated=False)._repr_html_()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(frames=[]), "at least one frame"),
        (dict(captions=["a", "b"]), "captions: expected 3, one per frame, got 2"),
        (dict(captions="abc"), "captions: expected 3, one per frame, got one string"),
        (dict(alt=["a"]), "alt: expected 3, one per frame, got 1"),
        (dict(alt=" "), "alt is empty"),
        (dict(values=["1"]), "values: expected 3, one per frame, got 1"),
        (dict(label=""), "accessible name"),
        (dict(start=3), "start is 3, but the frames are 0 to 2"),
        (dict(start=-1), "start is -1"),
        (dict(frames=[f / 255 for f in ramps()]), r"frame 0 is float64 \(6, 8\): expected uint8"),
        (dict(frames=[np.zeros((4, 4, 4), np.uint8)] * 3), r"frame 0 is uint8 \(4, 4, 4\)"),
        (dict(frames=[np.zeros((0, 4), np.uint8)] * 3), "frame 0 has no pixels"),
        (dict(frames=[*ramps(2), ramps(1, (8, 6))[0]]), "frame 2 is 6x8, but frame 0 is 8x6"),
        (dict(frames=[b"GIF89a", *ramps(2)]), "frame 0 is neither an array nor a PNG or WebP"),
        (dict(frames=["picture.png", *ramps(2)]), "frame 0 is neither an array nor"),
    ],
)
def test_what_does_not_fit_together_raises_value_error(changes, message):
    with pytest.raises(ValueError, match=message):
        scrubber(**changes)


# --- explorers -----------------------------------------------------------------------------------


def test_a_frame_of_a_digit_is_decoded_from_a_real_stream(both_zoo):
    model, image = zoo.load("tiny-cw1"), strokes.page(64, 64)
    blob = codec.compress(model, image, 0.5)
    frame, caption = widgets.importance_frame(model, image, factor=0.5)
    assert caption.startswith(f"{len(blob)} bytes, {8 * len(blob) / 64**2:.4f} bpp")
    assert frame.shape == (64, 3 * 64 + 12, 3)  # original, decoded, map, white between them
    assert np.array_equal(frame[:, :64, 0], image)
    assert np.array_equal(frame[:, 70:134, 0], codec.decompress(blob))
    # a threshold above every value of the map keeps nothing
    assert widgets.importance_frame(model, image, threshold=1.1)[1].endswith(
        " 0.00 bits kept per symbol"
    )


@pytest.mark.parametrize("name", ["tiny-photo", "tiny-photo-m"])
def test_a_frame_of_a_photograph_is_decoded_from_a_real_stream(both_zoo, name):
    model, image = zoo.load(name), scenes.scene(64, 96)
    blob = codec.compress(model, image)
    decoded = codec.decompress(blob)
    frame, caption = widgets.photo_frame(model, image)
    psnr = f"{metrics.psnr(image, decoded):.2f} dB"
    assert caption.startswith(f"{len(blob):,} bytes, {8 * len(blob) / image[..., 0].size:.4f} bpp")
    assert psnr in caption
    assert np.array_equal(frame[:, :96], image)
    assert np.array_equal(frame[:, 102:198], decoded)
    has_a_mask = name == "tiny-photo"
    assert frame.shape[1] == (3 * 96 + 12 if has_a_mask else 2 * 96 + 6)
    assert ("of 11 channels kept" in caption) == has_a_mask


def test_less_importance_is_a_smaller_file_and_a_darker_map(both_zoo):
    model, image = zoo.load("tiny-photo"), scenes.scene(64, 96)
    (dark, low), (bright, high) = (widgets.photo_frame(model, image, s) for s in (0.2, 1.0))
    size = [int(caption.split()[0].replace(",", "")) for caption in (low, high)]
    assert size[0] < size[1]
    assert dark[:, 204:].mean() < bright[:, 204:].mean()


def moved(explorer, name: str, value: float) -> tuple[bytes, str]:
    """Move a slider: picture and caption afterwards."""
    *sliders, picture, caption = explorer.children
    (slider,) = (one for one in sliders if one.description == name)
    slider.value = value
    return picture.value, caption.value


def test_every_slider_of_the_digits_draws_again(both_zoo):
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    digits = np.stack([strokes.page(128, 128), strokes.page(128, 128)[::-1]])
    explorer = widgets.explore_importance(zoo.load("tiny-cw1"), digits)
    seen = [(explorer.children[-2].value, explorer.children[-1].value)]
    for name, value in (("digit", 1), ("factor", 0.5), ("threshold", 0.9)):
        seen.append(moved(explorer, name, value))
    assert len(set(seen)) == 4


def test_every_slider_of_the_photographs_draws_again(both_zoo):
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    photos = [scenes.scene(70, 300, seed) for seed in range(2)]
    explorer = widgets.explore_photo(zoo.load("tiny-photo"), photos)
    picture, caption = explorer.children[-2].value, explorer.children[-1].value
    first = np.asarray(Image.open(io.BytesIO(picture)))
    # the middle of a strip that is higher than 64 and wider than 256
    assert np.array_equal(first[:, :256], photos[0][3:67, 22:278])
    seen = [(picture, caption)]
    for name, value in (("photograph", 2), ("down", 0.0), ("across", 1.0), ("factor", 0.3)):
        seen.append(moved(explorer, name, value))
    assert len(set(seen)) == 5
    last = np.asarray(Image.open(io.BytesIO(seen[-1][0])))
    assert np.array_equal(last[:, :256], photos[1][:64, 44:])


def test_a_model_has_the_slider_that_fits_it(both_zoo, tmp_path):
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    photos = [scenes.scene(32, 32)]

    def names(model) -> list[str]:
        return [one.description for one in widgets.explore_photo(model, photos).children[3:-2]]

    assert names(zoo.load("tiny-photo-m")) == []
    assert names(zoo.load("tiny-photo")) == ["factor"]
    plain = tiny.photo_net("tiny-photo")
    settings = dict(name="tiny-any", gains=2, strength_min=0.25, lambda_2=0.02, lambda_2_low=0.001)
    net = type(plain)(replace(plain.experiment, **settings)).eval()
    net.load_state_dict(plain.state_dict(), strict=False)
    card = {"command": "none", "steps": 0, "seconds": 0, "device": "cpu", "curve": []}
    any_rate = zoo.save(net, tmp_path / "any", card)
    assert names(any_rate) == ["quality"]
    *_, quality, _, caption = widgets.explore_photo(any_rate, photos).children
    assert (quality.min, quality.value, quality.max) == (0.0, 1.0, 1.0)
    for value in (1.0, 0.0):
        quality.value = value
        strength = codec.strength(any_rate, value)
        assert caption.value == widgets.photo_frame(any_rate, photos[0], strength)[1]
