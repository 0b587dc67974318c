// Used only when the book was built without node: renders \( \) and \[ \] in the browser.
document.addEventListener("DOMContentLoaded", () => {
  for (const element of document.querySelectorAll("span.math, div.math")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).at(-1);
    if (!text) continue;
    const formula = document.createElement("span");
    katex.render(text.data.trim().replace(/^\\[([]|\\[)\]]$/g, ""), formula, {
      displayMode: element.tagName === "DIV",
      throwOnError: false,
    });
    text.replaceWith(formula);
  }
});
