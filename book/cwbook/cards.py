"""Long tables as cards that fit a phone: HTML for the ledger and for the decisions.

A table of nine columns cannot be read at 390 pixels, a stack of cards can. They know rows, which
are dictionaries, and no files. Each card has an id, so that a chapter can point at it:
`<a href="../ledger/01-ledger.html#claim-1-07">`. The radio buttons above the cards show some of
them; that is CSS alone, so it works without a kernel, without JavaScript, and offline.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

Row = Mapping[str, object]

MARKS = {  # beside the words, so that colour is not all there is
    "reproduced": "✓",
    "in part": "◐",
    "not reproduced": "✗",
    "cannot be judged": "?",
    "pending": "…",
}
SHOWN_AS = {"pending": "being measured"}

_STYLE = """\
<style>
.cards { container-type: inline-size; margin: 1rem 0; }
.cards fieldset { border: 0; margin: 0 0 .8rem; padding: 0; display: flex; flex-wrap: wrap; }
.cards legend { font-size: .95em; padding: 0; margin: 0 0 .3rem; float: none; width: auto; }
.cards label { display: inline-flex; align-items: center; gap: .4em; margin: 0 1.1rem 0 0;
  min-height: 2.2rem; cursor: pointer; font-size: .95em; }
.cards input { accent-color: var(--pst-color-primary, #14599c); width: 1.1em; height: 1.1em; }
.cards article { border: 1px solid var(--box-edge, #b9c4cf); border-left-width: 4px;
  border-radius: 4px; padding: .6rem .9rem .7rem; margin: 0 0 .9rem; scroll-margin-top: 5rem; }
.cards article:target { outline: 3px solid var(--pst-color-primary, #14599c);
  outline-offset: -3px; }
.cards header { display: flex; flex-wrap: wrap; justify-content: space-between;
  gap: .1rem 1rem; font-size: .88em; margin: 0; padding: 0; }
.cards header a { color: inherit; }
.cards .verdict { font-weight: 600; white-space: nowrap; }
.cards h3 { font-size: 1.06em; line-height: 1.4; font-weight: 600; margin: .3rem 0 .4rem;
  text-wrap: pretty; }
.cards article:is([data-group="reproduced"], [data-group="results"]) { border-left-color: #2f7fc4; }
.cards article:is([data-group="in-part"], [data-group="chapter"]) { border-left-color: #8ab4dc; }
.cards article:is([data-group="not-reproduced"], [data-group="not"]) { border-left-color: #d3560f; }
.cards q { font-style: italic; }
.cards p { margin: .35rem 0; overflow-wrap: anywhere; }
.cards dl { display: grid; grid-template-columns: 6.2rem 1fr; gap: .15rem .8rem; margin: .4rem 0; }
.cards dt { font-weight: 600; margin: 0; }
.cards dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.cards summary { cursor: pointer; font-size: .9em; padding: .25rem 0; }
.cards details { margin: .3rem 0 0; }
.cards details dl { font-size: .92em; }
.cards code { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .9em; }
@container (max-width: 30rem) {
  .cards dl { grid-template-columns: 1fr; gap: 0; }
  .cards dd { margin: 0 0 .4rem; }
}
html[data-theme="dark"] .bd-content div.cell_output .text_html:has(> div.cards):has(article) {
  background: none; color: inherit; padding: 0; }
html[data-theme="dark"] .cards article { background: var(--box, #1d2228); }
</style>
"""


@dataclass(frozen=True)
class Html:
    """HTML to display; `what` is all that a terminal shows of it."""

    html: str
    what: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.what


def text(words: object) -> str:
    """Words as HTML: escaped, with printers' quotes, and what stands between backticks as code.

    >>> text("`b = 2i` isn't < 7")
    '<code>b = 2i</code> isn’t &lt; 7'
    """
    parts = escape(str(words), quote=False).split("`")
    parts[::2] = [re.sub(r'"([^"]*)"', r"“\1”", part).replace("'", "’") for part in parts[::2]]
    parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]]
    return "".join(parts)


def ledger(rows: Sequence[Row], name: str) -> Html:
    """The rows of the ledger as cards, with buttons for the verdicts. name: of this set."""
    parts = [_claim(row) for row in rows]
    shown = [v for v in MARKS if any(row["verdict"] == v for row in rows)]
    groups = {v: f"{MARKS[v]} {SHOWN_AS.get(v, v)}" for v in shown}
    return _cards(
        parts, [str(row["verdict"]) for row in rows], groups, f"{name}: {len(rows)} claims"
    )


def _claim(row: Row) -> str:
    verdict = str(row["verdict"])
    pairs = {"The paper": row["paper_value"], "Here": row["ours"]}
    checks = {
        "Command": f"`{row['command']}`" if row["command"] else "",
        "Training": row["compute"],
        "To judge it": row.get("needed", ""),
    }
    chapter, _, heading = str(row["chapter"]).partition("#")
    link = f'<a href="../{escape(chapter)}.html#{escape(heading)}">{escape(_words(chapter))}</a>'
    head = _head(f"claim-{row['id']}", f"{row['id']} · {_place(row['place'])}", _badge(verdict))
    return (
        f"{head}<h3>{text(row['claim'])}</h3><p><q>{text(row['quote'])}</q></p>"
        f"{_list(pairs)}<p>{text(row['why'])}</p>"
        f"<details><summary>How to check it</summary>{_list(checks, Chapter=link)}</details>"
    )


def _place(places: object) -> str:
    """`abstract, 4.2, Fig. 3` -> `abstract, § 4.2, Fig. 3`."""
    return re.sub(r"(^|, )(?=\d)", r"\1§ ", str(places))


def _badge(verdict: str) -> str:
    return f'<span aria-hidden="true">{MARKS[verdict]}</span> {SHOWN_AS.get(verdict, verdict)}'


def decisions(rows: Sequence[Row], links: Sequence[Sequence[tuple[str, str]]], name: str) -> Html:
    """Decisions as cards. links: (address, words) of the boxes behind each of them."""
    parts, groups = [], []
    for row, where in zip(rows, links, strict=True):
        groups.append(str(row["measured"]))
        fields = ", ".join(f"`{field}`" for field in row.get("fields", ()))
        pairs = {
            "We chose": row["choice"],
            "Instead": row["alternatives"],
            "Field": fields,
            "Effect": row["effect"],
        }
        boxes = ", ".join(f'<a href="{escape(a)}">{text(words)}</a>' for a, words in where)
        head = _head(f"decision-{row['id']}", str(row["topic"]), _EFFECTS[groups[-1]])
        parts.append(f"{head}<h3>{text(row['question'])}</h3>{_list(pairs, Reasons=boxes)}")
    shown = {kind: words for kind, words in _EFFECTS.items() if kind in groups}
    return _cards(parts, groups, shown, f"{name}: {len(rows)} decisions")


_EFFECTS = {
    "results": "measured, on file",
    "chapter": "measured in a chapter",
    "arithmetic": "by argument",
    "pending": "being measured",
    "not": "not measured",
}


def _cards(
    parts: Sequence[str], groups: Sequence[str], shown: Mapping[str, str], what: str
) -> Html:
    """Articles under a row of buttons. groups: that of each part; shown: the groups' names."""
    group_name = re.sub(r"\W+", "-", what.lower())  # two sets on a page have buttons of their own
    buttons = _button(group_name, "all", f"all ({len(parts)})", checked=True)
    css = ""
    for group, words in shown.items():
        key = group.replace(" ", "-")
        buttons += _button(group_name, key, f"{words} ({groups.count(group)})")
        css += (
            f'.cards:has(input[value="{key}"]:checked) article:not([data-group="{key}"])'
            "{display:none}\n"
        )
    articles = "".join(
        part.replace("<article", f'<article data-group="{group.replace(" ", "-")}"', 1)
        + "</article>"
        for part, group in zip(parts, groups, strict=True)
    )
    fields = f"<fieldset><legend>Show</legend>{buttons}</fieldset>" if len(shown) > 1 else ""
    return Html(f'{_STYLE}<style>{css}</style><div class="cards">{fields}{articles}</div>', what)


def _button(group: str, value: str, words: str, checked: bool = False) -> str:
    # data-lm-suppress-shortcuts keeps JupyterLab from taking the arrow keys
    state = " checked" if checked else ""
    return (
        f'<label><input type="radio" name="{group}" value="{value}"{state} autocomplete="off" '
        f'data-lm-suppress-shortcuts="true">{words}</label>'
    )


def _head(anchor: str, left: str, right: str) -> str:
    return (
        f'<article id="{escape(anchor)}"><header><a href="#{escape(anchor)}">{text(left)}</a>'
        f'<span class="verdict">{right}</span></header>'
    )


def _list(pairs: Mapping[str, object], **links: str) -> str:
    """A list of terms and descriptions; what is empty is left out. links: HTML as it is."""
    items = {term: text(words) for term, words in pairs.items() if words} | links
    return "<dl>" + "".join(f"<dt>{t}</dt><dd>{d}</dd>" for t, d in items.items() if d) + "</dl>"


def _words(chapter: str) -> str:
    """`mnist/06-results` -> `mnist, 06 results`."""
    return chapter.replace("/", ", ").replace("-", " ")
