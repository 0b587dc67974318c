"""The built book for everybody: on a phone and a wide screen, light and dark, with a screen reader.

Each page is opened once, everything that can be unfolded is, and then it is looked at in the four
settings: by measuring boxes, and with axe-core, which comes with axe-playwright-python.
"""

from pathlib import Path

import pytest

from browser import Watched
from prose import toc_pages

axe_package = pytest.importorskip("axe_playwright_python", reason="it brings axe-core")

pytestmark = pytest.mark.browser

AXE = Path(axe_package.__path__[0], "axe.min.js").read_text(encoding="utf-8")
HEIGHT = 900
SETTINGS = [(1440, "light"), (1440, "dark"), (390, "dark"), (390, "light")]
WITH_AXE = [(1440, "light"), (390, "dark")]  # the first page in all four: they share their frame
# (rule, selector): why. What axe finds in the theme, and what cannot be mended from outside.
ALLOWED: dict[tuple[str, str], str] = {}

UNFOLD = """() => {
  document.querySelectorAll("article details").forEach((part) => { part.open = true; });
  document.querySelectorAll(".toggle-hidden").forEach((e) => e.classList.remove("toggle-hidden"));
}"""

# What is wider than its column and has no box of its own to scroll in; what lies on what.
LAYOUT = """() => {
  const found = [];
  const name = (e) => `${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 30)}`;
  const width = document.documentElement.clientWidth;
  const widest = document.documentElement.scrollWidth;
  if (widest > width) found.push(`the page is ${widest} wide on a screen of ${width}`);
  const article = document.querySelector("article");
  const column = article.getBoundingClientRect();
  const scrolls = (e) =>
    e !== article &&
    (["auto", "scroll"].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  const parts = "img, svg, .scrubber, .admonition, details, table, pre, .katex-display, dl, h1, h2";
  for (const part of article.querySelectorAll(parts)) {
    const box = part.getBoundingClientRect();
    if (box.width && (box.right > column.right + 1 || box.left < column.left - 1)
        && !scrolls(part.parentElement))
      found.push(`${name(part)} pokes out: ${box.left}..${box.right}, ${column.right}`);
  }
  const seen = [...document.querySelectorAll(
    "article :is(h1, h2, h3, h4, summary, .admonition-title, button), .bd-header-article button"
  )].filter((e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true }));
  const boxes = seen.map((e) => e.getBoundingClientRect());
  for (let i = 0; i < seen.length; i++)
    for (let j = 0; j < i; j++) {
      const [a, b] = [boxes[i], boxes[j]];
      const w = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const h = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (w > 2 && h > 2 && !seen[i].contains(seen[j]) && !seen[j].contains(seen[i]))
        found.push(`${name(seen[i])} lies on ${name(seen[j])}`);
    }
  return found;
}"""

# axe measures the contrast of every piece of text, a minute on the longest pages. Two pieces with
# the same colours, size and weight have the same contrast: two of each kind are enough. The other
# two rules that STRUCTURE leaves out are slow and never more than moderate.
STRUCTURE = """async () => {
  const others = ["color-contrast", "link-in-text-block", "region", "hidden-content"];
  const rules = Object.fromEntries(others.map((rule) => [rule, { enabled: false }]));
  return (await axe.run(document, { resultTypes: ["violations"], rules })).violations;
}"""
CONTRAST = """async () => {
  const behind = (e) => {
    const colour = getComputedStyle(e).backgroundColor;
    return e.parentElement && /, 0[)]$/.test(colour) ? behind(e.parentElement) : colour;
  };
  const kinds = new Map();
  for (const e of document.body.querySelectorAll("*")) {
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!text || !e.checkVisibility({ visibilityProperty: true })) continue;
    const look = getComputedStyle(e);
    const kind = [look.color, behind(e), look.opacity, look.fontSize, look.fontWeight].join();
    kinds.set(kind, [...(kinds.get(kind) ?? []), e].slice(0, 2));
  }
  const context = { include: [...kinds.values()].flat() };
  const options = { runOnly: ["color-contrast", "link-in-text-block"] };
  return (await axe.run(context, { resultTypes: ["violations"], ...options })).violations;
}"""


def grave(violations: list[dict]) -> list[str]:
    """The serious and critical ones that are not allowed, one line each."""
    return [
        f"{rule['id']}: {selector}: {node['failureSummary']}"
        for rule in violations
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        for selector in [str(node["target"][-1])]
        if (rule["id"], selector) not in ALLOWED
    ]


def problems_in(page, width: int, scheme: str, with_axe: bool) -> list[str]:
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(f"document.documentElement.dataset.theme === {scheme!r}")
    found = page.evaluate(LAYOUT)
    if with_axe:
        page.wait_for_timeout(400)  # the theme takes 0.3 s to let the keyboard into wide boxes
        found += grave(page.evaluate(CONTRAST)) + grave(page.evaluate(STRUCTURE))
    filters = "[...document.querySelectorAll('article img')].map(i => getComputedStyle(i).filter)"
    if set(page.evaluate(filters)) - {"none"}:
        found.append("the pixels of a picture are changed")
    return [f"{width} {scheme}: {problem}" for problem in found]


@pytest.mark.parametrize("name", [*toc_pages(), "genindex", "py-modindex"])
def test_page_can_be_read_by_everybody(watched, address, name):
    page = watched.open(f"{address}/{name}.html")
    page.evaluate(UNFOLD)
    page.evaluate(AXE)
    found = []
    for width, scheme in SETTINGS:
        with_axe = name == toc_pages()[0] or (width, scheme) in WITH_AXE
        found += problems_in(page, width, scheme, with_axe)
    assert found == []


def test_search_page_can_be_used_by_everybody(watched, address):
    page = watched.open(f"{address}/search.html?q=huffman")
    page.locator("#search-results ul.search li").first.wait_for()
    page.evaluate(AXE)
    assert grave(page.evaluate(STRUCTURE)) + grave(page.evaluate(CONTRAST)) == []


def test_a_page_with_mistakes_would_be_noticed(watched: Watched):
    watched.page.set_content(
        """<html lang="en"><title>t</title><body style="background: #fff"><article>
           <h1>One</h1><h2 style="margin-top: -1em">Two</h2>
           <p style="color: #ccc">Grey on white.</p><img alt="wide" width="2000" height="9"
           src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7">
           <button></button></article></body></html>"""
    )
    watched.page.evaluate(AXE)
    layout = " ".join(watched.page.evaluate(LAYOUT))
    assert "the page is" in layout and "IMG" in layout and "Two lies on H1. One" in layout
    assert [line[:15] for line in grave(watched.page.evaluate(CONTRAST))] == ["color-contrast:"]
    assert any(line.startswith("button-name") for line in grave(watched.page.evaluate(STRUCTURE)))
