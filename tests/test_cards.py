"""cwbook.cards: the HTML that it promises, read back with the standard library's parser."""

from __future__ import annotations

import re

from cwbook import cards
from test_widgets import Tree


def claim(**changes) -> dict:
    row = {
        "id": "1-07",
        "place": "2, 3.2, Fig. 2",
        "claim": 'More <b>bits</b>, "fewer" & `b = 2i`',
        "quote": "the paper's words",
        "paper_value": "0.3566 bpp",
        "ours": "0.3051 bpp",
        "verdict": "not reproduced",
        "command": "cwlib eval mnist-cw",
        "compute": "1 training",
        "needed": "",
        "chapter": "mnist/06-results#table-1-the-rate",
        "why": "because",
    }
    return {**row, **changes}


def tree(html: str) -> Tree:
    return Tree(re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL))


def test_words_are_escaped_and_code_stands_between_backticks():
    assert cards.text('"a" < `x & "y"` isn\'t') == '“a” &lt; <code>x &amp; "y"</code> isn’t'
    assert cards.text("<script>") == "&lt;script&gt;"


def test_a_claim_has_an_anchor_its_verdict_in_words_and_both_values():
    shown = cards.ledger([claim()], "Paper 1")
    found = tree(shown._repr_html_())
    assert found.one("article")["id"] == "claim-1-07"
    links = [a["href"] for tag, a in found.elements if tag == "a"]
    assert links == ["#claim-1-07", "../mnist/06-results.html#table-1-the-rate"]
    html = shown.html
    for words in ("1-07 · § 2, § 3.2, Fig. 2", "not reproduced", "0.3566 bpp", "0.3051 bpp"):
        assert words in html
    assert "More &lt;b&gt;bits" in html and "<code>b = 2i</code>" in html
    assert "because" in html and "<dt>To judge it</dt>" not in html  # what is empty is left out
    assert repr(shown) == "Paper 1: 1 claims"


def test_the_mark_of_a_verdict_is_not_read_aloud():
    html = cards.ledger([claim()], "Paper 1").html
    assert '<span aria-hidden="true">✗</span> not reproduced' in html


def test_a_row_that_waits_says_so_plainly():
    html = cards.ledger([claim(verdict="pending", ours="")], "Paper 1").html
    assert "being measured" in html and "<dt>Here</dt>" not in html


def test_the_buttons_show_one_verdict_each_by_css_alone():
    verdicts = ["reproduced", "not reproduced", "reproduced", "cannot be judged"]
    rows = [claim(id=f"1-{k}", verdict=v) for k, v in enumerate(verdicts)]
    html = cards.ledger(rows, "Paper 1").html
    buttons = [a for tag, a in tree(html).elements if tag == "input"]
    assert [b["value"] for b in buttons] == [
        "all",
        "reproduced",
        "not-reproduced",
        "cannot-be-judged",
    ]
    assert ["checked" in b for b in buttons] == [True, False, False, False]
    groups = [a["data-group"] for tag, a in tree(html).elements if tag == "article"]
    assert groups == [v.replace(" ", "-") for v in verdicts]
    for value in ("reproduced", "not-reproduced", "cannot-be-judged"):
        rule = f'.cards:has(input[value="{value}"]:checked) article:not([data-group="{value}"])'
        assert rule + "{display:none}" in html
    assert "reproduced (2)" in html and "all (4)" in html
    assert "<script" not in html


def test_two_sets_on_a_page_have_buttons_of_their_own():
    rows = [claim(), claim(verdict="reproduced")]
    names = set()
    for name in ("Paper 1", "Paper 2"):
        html = cards.ledger(rows, name).html
        names |= {a["name"] for tag, a in tree(html).elements if tag == "input"}
    assert len(names) == 2


def test_a_set_of_one_verdict_needs_no_buttons():
    assert "<input" not in cards.ledger([claim(), claim(id="2")], "x").html


def test_a_decision_shows_choice_alternative_field_and_effect():
    row = {
        "id": "13",
        "topic": "The map",
        "question": "How many?",
        "choice": "2i",
        "alternatives": "i + 3",
        "fields": ["reading"],
        "effect": "",
        "measured": "not",
    }
    known = {**row, "id": "14", "effect": "3 dB", "measured": "results"}
    links = [("../mnist/04-importance.html#silent", "mnist/04")]
    html = cards.decisions([row, known], [links, links], "Digits").html
    found = tree(html)
    ids = [a["id"] for tag, a in found.elements if tag == "article"]
    assert ids == ["decision-13", "decision-14"]
    assert html.count(">not measured<") == 1 and "<dd>3 dB</dd>" in html
    assert html.count("<dt>Effect</dt>") == 1  # what was not measured has none
    assert "<code>reading</code>" in html and 'href="../mnist/04-importance.html#silent"' in html
