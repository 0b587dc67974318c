"""The reference part and the papers for maintainers say what is so: names exist, links lead."""

import ast
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import yaml

import cwlib
import test_architecture
from cwbook import __main__ as book_commands
from cwlib import experiments
from cwlib.cli import parser as command_line
from cwlib.coding import stream
from cwlib.experiments import Experiment
from cwlib.models import autoencoders, catalogue, hierarchical
from prose import ROOT, toc_pages
from test_book import markdown

REFERENCE = ROOT / "book" / "reference"


def page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def table_rows(text: str) -> list[list[str]]:
    """The cells of every row of every table, without heads and rules."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = [k for k, row in enumerate(rows) if not set("".join(row)) - set("-: ")]
    return [row for k, row in enumerate(rows) if k not in rules and k + 1 not in rules]


def sections(text: str) -> dict[str, str]:
    """The text below each `## heading`."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def exists(name: str) -> bool:
    """Whether `codec.compress`, a field `codec.info.x` or a parameter `codec.compress(x=)` is."""
    path, _, parameter = name.partition("(")
    path = path if path.split(".")[0] in test_architecture.HOUSES else f"cwlib.{path}"
    head, _, last = path.rpartition(".")
    try:
        found = pkgutil.resolve_name(path)
    except (ImportError, AttributeError):
        try:
            owner = pkgutil.resolve_name(head)
        except (ImportError, AttributeError):
            return False
        return last in getattr(owner, "__dataclass_fields__", {})
    if not parameter:
        return True
    return parameter.removesuffix("=)") in inspect.signature(found).parameters


# Notation ----------------------------------------------------------------------------------------

# What `net` and `out` mean in a part of the page.
PAPERS = {
    "The first paper: digits": ("mnist-cw1", autoencoders.Output),
    "The second paper: photographs": ("kodak-any-n64", hierarchical.Output),
}


@cache
def net_of(paper: str):
    return catalogue.build(experiments.get(PAPERS[paper][0]))


def known(name: str, section: str) -> bool:
    """Whether a name in the last column of the notation page is one of the code's."""
    kind, _, rest = name.partition(".")
    if kind == "e":
        return rest in {field.name for field in fields(Experiment)}
    if kind == "out":
        output = PAPERS[section][1]
        return hasattr(output, rest) or rest in output.__dataclass_fields__
    if kind == "net":
        attribute, _, parameter = rest.partition("(")
        found = getattr(net_of(section), attribute, None)
        if not parameter or found is None:
            return found is not None
        return parameter.removesuffix("=)") in inspect.signature(found).parameters
    return name in experiments.EXPERIMENTS or exists(name)


def names_in_code() -> Iterator[tuple[str, str]]:
    for section, text in sections(page("notation")).items():
        for row in table_rows(text):
            yield from ((section, name) for name in re.findall(r"`([^`]+)`", row[-1]))


def test_every_row_of_the_notation_page_names_something_in_the_code_that_exists():
    for row in table_rows(page("notation")):
        assert "`" in row[-1], f"no code for {row[0] or row[2]}"
    assert [(section, name) for section, name in names_in_code() if not known(name, section)] == []


def test_a_name_that_does_not_exist_would_be_noticed():
    for name in (
        "e.nope",
        "out.nope",
        "net.nope",
        "net.forward(no=)",
        "codec.no",
        "codec.pack(no=)",
    ):
        assert not known(name, "The second paper: photographs"), name


def test_the_notation_page_goes_through_all_equations_of_the_second_paper():
    text = sections(page("notation"))["The second paper: photographs"]
    column = " ".join(row[3] for row in table_rows(text))
    assert {int(n) for n in re.findall(r"\((\d+)\)", column)} == set(range(1, 13))


# Figures, tables, equations ----------------------------------------------------------------------


def papers_items() -> dict[str, list[str]]:
    text = sections(page("figures"))
    return {paper: [row[0] for row in table_rows(text[paper])] for paper in text}


def numbered(kind: str, last: int) -> list[str]:
    return [f"{kind} {number}" for number in range(1, last + 1)]


def test_every_figure_table_and_equation_of_the_papers_has_its_row():
    assert papers_items() == {
        "The first paper": numbered("Figure", 3) + numbered("Table", 3),
        "The second paper": numbered("Figure", 5) + numbered("Table", 1) + numbered("Equation", 12),
    }


def slug(heading: str) -> str:
    """The anchor of a heading as GitHub and MyST make it: 'Eq. 9, by hand' -> 'eq-9-by-hand'."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def headings(path: Path) -> set[str]:
    text = "".join(markdown(path)) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")
    return {slug(title) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def broken_links(path: Path) -> list[str]:
    """The links of a Markdown page to files or headings of this repository that lead nowhere."""
    broken = []
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", link):
            continue
        target, _, anchor = link.partition("#")
        file = path.parent / target if target else path
        found = [f for f in (file, *map(file.with_suffix, (".md", ".ipynb"))) if f.is_file()]
        if not found or (anchor and anchor not in headings(found[0])):
            broken.append(link)
    return broken


PAPERS_FOR_MAINTAINERS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]


def test_every_link_leads_somewhere():
    paths = [*REFERENCE.rglob("*.md"), *PAPERS_FOR_MAINTAINERS]
    assert [(path.name, link) for path in paths for link in broken_links(path)] == []


def test_a_broken_link_would_be_noticed(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(
        "# A b, c\n[good](#a-b-c) [bad](#a-b) [gone](x.md) [far](https://example.org)",
        encoding="utf-8",
    )
    assert broken_links(path) == ["#a-b", "x.md"]


def test_every_row_of_the_figures_page_leads_to_a_chapter_and_to_code():
    chapters = {f"../{page.removeprefix('book/')}" for page in toc_pages()}
    for text in sections(page("figures")).values():
        for row in table_rows(text):
            links = re.findall(r"\]\(([^)#]+)", row[2])
            assert links and {re.sub(r"\.ipynb$", "", link) for link in links} <= chapters, row[0]
            assert "{cw}`" in row[3], row[0]


# The API -----------------------------------------------------------------------------------------

API_PAGES = sorted((REFERENCE / "api").glob("*.md"))


def shown(path: Path) -> list[str]:
    lines = re.findall(r"^\.\. api:: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [name for line in lines for name in line.split()]


def test_every_public_module_is_on_one_page_of_the_api():
    own = {name for name in test_architecture.NAMES if name.startswith("cwlib.")}
    names = {"benchmarks"} | {test_architecture.top(name) for name in own}
    for name in test_architecture.NAMES - own:
        if name.startswith("cwbook.") and not name.endswith("__main__"):
            names.add(".".join(name.split(".")[:2]))
    listed = [name for path in API_PAGES for name in shown(path)]
    missing = {name for name in names if not name.startswith("_")} - set(listed)
    assert not missing, f"add {missing} to an `.. api::` line in book/reference/api"
    assert sorted(listed) == sorted(set(listed) & names), "listed twice, or gone"


def test_every_link_into_the_api_names_something_public():
    for path in REFERENCE.rglob("*.md"):
        for name in re.findall(r"\{cw\}`([^`]+)`", path.read_text(encoding="utf-8")):
            assert exists(name) and "._" not in f".{name}", f"{path}: {name}"


def undocumented(source: str) -> list[str]:
    """Public functions, classes and methods of a module that lack a docstring.

    A network's `forward` may be told by its class.
    """
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

    def public(body: list[ast.stmt]) -> list:
        named = [n for n in body if isinstance(n, kinds) and not n.name.startswith("_")]
        return [n for n in named if n.name != "forward"]

    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else ["the module"]
    for node in public(tree.body):
        inner = public(node.body) if isinstance(node, ast.ClassDef) else []
        found += [node.name] * (not ast.get_docstring(node))
        found += [f"{node.name}.{n.name}" for n in inner if not ast.get_docstring(n)]
    return found


def test_everything_public_has_a_docstring():
    for path in test_architecture.EVERYWHERE:
        assert undocumented(path.read_text(encoding="utf-8")) == [], path


def test_a_missing_docstring_would_be_noticed():
    lines = ['"""M."""', "def f(): pass", "class C:", '    """C."""', "    def g(self): pass"]
    source = "\n".join([*lines, "    def _h(self): pass", "    def forward(self): pass"])
    assert undocumented(source) == ["f", "C.g"]


TRIED_FIRST = """
codec coding.arithmetic.encode coding.frequencies.from_probabilities coding.huffman.Code
coding.rans.encode coding.stream.pack models.gdn.lower_bound models.importance.bit_mask
models.importance.channel_mask losses.rate_distortion metrics.bd_rate metrics.psnr
models.quantize.straight_through models.quantize.truncate
"""


def test_what_a_reader_tries_first_has_an_example():
    # `make test` runs the examples: pytest --doctest-modules cwlib
    for name in TRIED_FIRST.split():
        assert ">>> " in (inspect.getdoc(pkgutil.resolve_name(f"cwlib.{name}")) or ""), name


# Architecture ------------------------------------------------------------------------------------


def test_the_architecture_page_has_the_floors_that_the_imports_are_held_to():
    steps = re.findall(r"^- \*\*(\d+)\*\* (.+)$", page("architecture"), re.MULTILINE)
    floors = {
        int(number): set(re.findall(r"`(\w+)`", step.split(": ")[0])) for number, step in steps
    }
    assert list(floors) == sorted(floors, reverse=True), "the ground is at the bottom"
    assert floors == {k: set(names) for k, names in enumerate(test_architecture.FLOORS)}


def test_the_stream_on_the_architecture_page_is_a_stream():
    rows = table_rows(sections(page("architecture"))["The bytes of a stream"])
    blob = bytes.fromhex(" ".join(row[0].strip("`") for row in rows))
    assert blob == stream.pack(bytes.fromhex("1badc0de"), 128, 128, 1, [b"one"])
    header, (section,) = stream.unpack(blob)
    assert (header.height, header.width, section) == (128, 128, b"one")


def test_files_that_the_page_sends_one_to_exist():
    text = page("architecture") + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = re.findall(r"`((?:cwlib|tests|scripts|book)/[\w./-]*)`", text)
    assert names and [name for name in names if not (ROOT / name).exists()] == []


def test_the_command_line_page_has_every_command():
    listed = {row[0].strip("`") for row in table_rows(page("api/command"))}
    for prog, parser in (("cwlib", command_line), ("python -m cwbook", book_commands)):
        (commands,) = (a.choices for a in parser.build()._actions if a.choices)
        own = {words for words in listed if words.startswith(f"{prog} ")}
        assert own == {f"{prog} {command}" for command in commands}


# Papers for maintainers --------------------------------------------------------------------------


def test_the_citation_file_names_this_version_and_both_papers():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cff["cff-version"] == "1.2.0" and cff["type"] == "software" and cff["message"]
    assert cff["version"] == cwlib.__version__ and cff["license"] == "MIT"
    assert cff["authors"] == [{"name": "The cwlib authors"}]
    titles = " ".join(reference["title"].lower() for reference in cff["references"])
    assert "content-weighted autoencoder" in titles and "adaptive importance channel" in titles


def test_contributing_names_only_targets_that_make_has():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = set(
        re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert set(re.findall(r"\bmake ([a-z][\w-]*)", text)) <= targets
