// What the theme and Sphinx leave undone: for keyboards, screen readers, paper, and without a server.
(() => {
  const each = (selector, change) => document.querySelectorAll(selector).forEach(change);

  // The arrow that unfolds a part of the table of contents has no text.
  const nameFolds = () =>
    each("nav li.has-children > details > summary", (summary) => {
      const link = summary.closest("li").querySelector("a");
      summary.setAttribute("aria-label", `Pages of ${link.textContent.trim()}`);
    });

  // A signature of several lines is a <dl> without a single <dt>: not a list of definitions.
  const unlistSignatures = () =>
    each("dt > dl", (list) => list.setAttribute("role", "presentation"));

  // A formula wider than its column scrolls, with the arrow keys too; one that fits is no stop.
  const stopAtWideFormulas = () =>
    each(".katex-display", (formula) => {
      if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
      else formula.removeAttribute("tabindex");
    });

  // What scrolls sideways fades at the edge behind which it goes on (custom.css).
  const SIDEWAYS = ".pst-scrollable-table-container, .katex-display, div.highlight pre";
  const fade = (box) =>
    box.toggleAttribute("data-more", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
  const fadeEdges = () => each(SIDEWAYS, fade);
  document.addEventListener(
    "scroll",
    ({ target }) => target.matches?.(SIDEWAYS) && fade(target),
    { capture: true, passive: true }, // a scroll of an element does not bubble
  );

  // From file:// a page may not read the pages that it found: results come without excerpts.
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

  // Paper is white: letters of the dark mode would be pale on it.
  const look = document.documentElement.dataset;
  let theme;
  window.addEventListener("beforeprint", () => ([theme, look.theme] = [look.theme, "light"]));
  window.addEventListener("afterprint", () => (look.theme = theme));

  document.addEventListener("DOMContentLoaded", () => {
    nameFolds();
    unlistSignatures();
  });
  for (const moment of ["DOMContentLoaded", "load", "resize"]) {
    // load: the fonts have come
    window.addEventListener(moment, stopAtWideFormulas);
    window.addEventListener(moment, fadeEdges);
  }
  document.addEventListener("toggle", fadeEdges, true); // an unfolded cell has its width only now
})();
