// Renders maths with the KaTeX beside it: in node while the book is built (standard input: a JSON
// list of [formula, displayed?]; standard output: a list of [html, error]), or else, where the book
// was built without node, in the browser.
function renderStandardInput() {
  const katex = require("./katex.min.js");
  const task = JSON.parse(require("fs").readFileSync(0, "utf-8"));
  const done = task.map(([formula, displayMode]) => {
    try {
      return [katex.renderToString(formula, { displayMode }), null];
    } catch (error) {
      return [katex.renderToString(formula, { displayMode, throwOnError: false }), error.message];
    }
  });
  process.stdout.write(JSON.stringify(done));
}

function renderPage() {
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
}

if (typeof document === "undefined") renderStandardInput();
else document.addEventListener("DOMContentLoaded", renderPage);
