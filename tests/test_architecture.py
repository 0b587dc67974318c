"""Three houses, and cwlib is one staircase: imports only go down. They are read, not run."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "cwlib"
# Each may import the one before it, and no other: the book and the clocks do not know each other.
HOUSES = {"cwlib": PACKAGE, "cwbook": ROOT / "book" / "cwbook", "benchmarks": ROOT / "benchmarks"}

# From the ground up. A module imports only from floors below its own; `coding` and
# `models` are packages, each on one floor, whose modules may import each other as long as there is
# no circle.
FLOORS = [
    [
        "coding",
        "metrics",
        "sources",
        "files",
        "imagefiles",
        "progress",
        "experiments",
        "averages",
        "pinned",
    ],
    ["data", "losses", "checkpoints", "parallel"],
    ["batches", "baselines"],
    ["models"],
    ["zoo"],
    ["codec", "training"],
    ["runs"],
    ["evaluate"],
    ["cli"],
    ["__main__"],
]
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}

# What a module of cwlib must not know, whatever its floor.
FORBIDDEN = {
    "coding": {"torch", "torchvision", "matplotlib", "PIL"},
    "models": {"pathlib", "io", "os", "json", "safetensors", "shutil"},
    "experiments": {"torch", "numpy"},
    "metrics": {"matplotlib", "PIL"},
}

FIGURES = {"torch", "torchvision", "PIL", "cwlib"}  # a figure can be drawn from anything

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
EVERYWHERE = sorted(path for house in HOUSES.values() for path in house.rglob("*.py"))


def dotted(path: Path) -> str:
    """cwlib/coding/rans.py -> cwlib.coding.rans, book/cwbook/ledger.py -> cwbook.ledger"""
    (house,) = (house for house in HOUSES.values() if path.is_relative_to(house))
    parts = path.relative_to(house.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def top(module: str) -> str:
    """cwlib.coding.rans -> coding"""
    return module.split(".")[1]


NAMES = {dotted(path) for path in EVERYWHERE} - {"cwlib"}


def imports(source: str, package: str) -> set[str]:
    """Dotted names of every module that the source imports, wherever in it: within functions too.

    package: the dotted package that relative imports start from.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join((parts if node.level else []) + [node.module] * bool(node.module))
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                # `from cwlib import x` names a module even where its file is missing
                found.add(inner if inner in NAMES or base in HOUSES else base)
    return found


def imports_of(path: Path) -> set[str]:
    module = dotted(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return imports(path.read_text(encoding="utf-8"), package)


def own_imports(path: Path) -> set[str]:
    names = {name for name in imports_of(path) if name.startswith("cwlib.")}
    return names - {"cwlib.StreamError", "cwlib.__version__"}


@pytest.mark.parametrize("house", HOUSES)
def test_the_book_and_the_clocks_know_cwlib_and_it_knows_neither(house):
    for path in HOUSES[house].rglob("*.py"):
        others = {name.split(".")[0] for name in imports_of(path)} & set(HOUSES)
        assert others <= {house, "cwlib"}, f"{dotted(path)} imports from {sorted(others)}"


def test_figures_know_arrays_and_no_models():
    for path in (HOUSES["cwbook"] / "figures").glob("*.py"):
        banned = {name.split(".")[0] for name in imports_of(path)} & FIGURES
        assert not banned, f"{dotted(path)} must not know {', '.join(sorted(banned))}"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_every_module_has_a_floor(path):
    name = top(dotted(path))
    assert name in FLOOR_OF, (
        f"{dotted(path)} has no floor: put {name!r} into FLOORS of {Path(__file__).name}, on the "
        "lowest floor that lies above everything it imports"
    )


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_only_go_down(path):
    me = top(dotted(path))
    for name in own_imports(path):
        other = top(name)
        assert other in FLOOR_OF, f"{dotted(path)} imports {name}, which has no floor in FLOORS"
        if other != me:
            assert FLOOR_OF[other] < FLOOR_OF[me], (
                f"{dotted(path)} (floor {FLOOR_OF[me]}) imports {name} (floor {FLOOR_OF[other]}): "
                "imports only go down"
            )


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_no_module_knows_what_is_not_its_business(path):
    known = {name.split(".")[0] for name in imports_of(path)}
    banned = known & FORBIDDEN.get(top(dotted(path)), set())
    assert not banned, f"{dotted(path)} must not know {', '.join(sorted(banned))}"


def test_the_package_itself_imports_only_from_the_ground():
    for name in own_imports(PACKAGE / "__init__.py"):
        assert FLOOR_OF.get(top(name)) == 0, (
            f"cwlib/__init__.py imports {name}: `import cwlib` is light"
        )


def test_every_folder_of_modules_is_installed():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^packages = (\[.*?\])$", text, re.MULTILINE | re.DOTALL)
    folders = {dotted(path / "__init__.py") for path in {path.parent for path in EVERYWHERE}}
    assert set(ast.literal_eval(listed)) == folders


def test_there_is_no_circle():
    inside = [path for path in EVERYWHERE if path.parent not in HOUSES.values()]
    inside += [path for path in EVERYWHERE if path.parent in HOUSES.values()]
    graph = {dotted(path): imports_of(path) & NAMES for path in inside} | {"cwlib": set()}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, "a circle of imports: " + " -> ".join([*trail, module])
        if module not in done:
            for name in sorted(graph[module]):
                visit(name, (*trail, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_relative_and_hidden_imports_are_seen():
    source = (
        "def f():\n    from . import jit\n    from ..metrics import psnr\n    import numpy as np\n"
    )
    assert imports(source, "cwlib.coding") == {"cwlib.coding.jit", "cwlib.metrics", "numpy"}


def test_what_holds_arrays_compares_as_a_whole():
    # == of two arrays is an array, and none has a hash: what a dataclass makes of them raises.
    held = re.compile(r"ndarray|Tensor|dict|list")
    for path in EVERYWHERE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.decorator_list:
                made = ast.unparse(node.decorator_list[0])
                kinds = [
                    ast.unparse(f.annotation) for f in node.body if isinstance(f, ast.AnnAssign)
                ]
                if made.startswith("dataclass") and any(
                    held.search(kind) and "Callable" not in kind for kind in kinds
                ):
                    assert "eq=False" in made, f"{dotted(path)}.{node.name} needs eq=False"
