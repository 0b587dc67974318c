"""The HTML of Scrubber and Explorer, read back by the standard library's parser."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cwbook.widgets import Explorer, Scrubber

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


# --- Explorer ------------------------------------------------------------------------------------


def explorer(**changes) -> Explorer:
    other = scrubber(frames=ramps()[::-1], captions=["x", "y", "z"])
    choices = {"A": scrubber(start=1), "B & C": other}
    return Explorer(**{**dict(choices=choices, label="Codec"), **changes})


def test_an_explorer_lists_its_choices_and_where_their_frames_begin():
    tree = Tree(explorer()._repr_html_())
    options = [attributes["value"] for tag, attributes in tree.elements if tag == "option"]
    assert options == ["0", "3"]
    assert tree.text["option"] == "AB & C"
    assert "display:none" in [a for t, a in tree.elements if t == "label"][0]["style"]
    assert tree.one("select")["autocomplete"] == "off"
    assert tree.one("select")["data-lm-suppress-shortcuts"] == "true"


def test_an_explorer_holds_all_frames_choice_after_choice_and_shows_the_first_ones_start():
    html = explorer()._repr_html_()
    assert [row[2] for row in states(html)] == ["none", "some", "all", "x", "y", "z"]
    shown = [pixels(row[0])[0, 0] if row[0] else None for row in states(html)]
    assert shown == [0, None, 80, 80, 40, 0]
    tree = Tree(html)
    assert np.array_equal(pixels(tree.one("img")["src"]), ramps()[1])
    assert tree.text["p"] == "some" and tree.one("input")["value"] == "1"
    assert tree.one("input")["max"] == "2", "the slider runs within one choice"


def test_an_explorer_tells_screen_readers_what_its_list_changes():
    tree = Tree(explorer()._repr_html_())
    assert tree.one("p")["aria-live"] == "polite"
    assert tree.one("div")["aria-label"] == "Codec, Bits kept"


def test_an_explorer_loads_nothing_has_no_id_and_is_reproducible():
    html = explorer()._repr_html_()
    assert "http" not in html
    assert not any("id" in attributes for _, attributes in Tree(html).elements)
    assert html == explorer()._repr_html_() != explorer(label="Method")._repr_html_()
    assert repr(explorer()) == "Explorer('Codec', 2 x Scrubber('Bits kept', 3 frames))"


@pytest.mark.parametrize("text", ["</script><b>", 'a "quoted" <tag> & more'])
def test_an_explorers_texts_cannot_break_the_page(text):
    html = explorer(choices={text: scrubber()}, label=text)._repr_html_()
    tree = Tree(html)
    assert tree.text["option"] == text
    assert html.count("<script") == html.count("</script>") == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(choices={}), "at least one Scrubber"),
        (dict(label=" "), "accessible name"),
        (
            dict(choices={"A": scrubber(), "B": scrubber(label="Rate")}),
            "'B' has 3 frames of 8x6 for 'Rate', but 'A' has 3 frames of 8x6 for 'Bits kept'",
        ),
        (
            dict(choices={"A": scrubber(), "B": scrubber(frames=ramps(2), captions=["a", "b"])}),
            "'B' has 2 frames of 8x6",
        ),
        (
            dict(choices={"A": scrubber(), "B": scrubber(frames=ramps(3, (8, 6)))}),
            "'B' has 3 frames of 6x8",
        ),
    ],
)
def test_scrubbers_that_do_not_fit_together_raise_value_error(changes, message):
    with pytest.raises(ValueError, match=message):
        explorer(**changes)


@given(st.integers(1, 4), st.integers(1, 5))
def test_a_choices_frames_begin_where_its_option_says(n_choices, n_frames):
    captions = [[f"{i}.{j}" for j in range(n_frames)] for i in range(n_choices)]
    frames = ramps(n_frames)
    choices = {str(i): Scrubber(frames, text, "Rate", "Grey") for i, text in enumerate(captions)}
    html = Explorer(choices, "Codec")._repr_html_()
    begins = [int(a["value"]) for tag, a in Tree(html).elements if tag == "option"]
    listed = [row[2] for row in states(html)]
    for i, begin in enumerate(begins):
        assert listed[begin : begin + n_frames] == captions[i]
    assert int(Tree(html).one("input")["max"]) == n_frames - 1
