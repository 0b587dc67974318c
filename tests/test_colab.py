"""A chapter alone in an empty folder, with the packages that Colab has and without cwlib.

The environment sees torch, torchvision, numpy, matplotlib and a kernel, as Colab's does, through a
folder that pip knows and cannot change. The chapter's own setup cell has to do the rest: git takes
the book from this working tree instead of from the net, and pip installs from there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from packaging.requirements import Requirement

from cwlib import data
from needs import data_or_skip

ROOT = Path(__file__).resolve().parent.parent
BOOK = "https://github.com/cwlib/cwlib-book"
PRESENT = ("torch", "torchvision", "numpy", "matplotlib", "ipykernel")
CHAPTERS = {"mnist/02-cae": "mnist", "kodak/03-importance": "kodak"}  # and the data they need


def with_requirements(names: tuple[str, ...]) -> set[str]:
    """Distributions and all that they require here, by name."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # of another platform
            continue
        found.add(name)
        for line in needed:
            one = Requirement(line)
            if one.marker is None or one.marker.evaluate({"extra": ""}):
                waiting.append(one.name)
    return found


def link(name: str, folder: Path) -> None:
    """Make a distribution visible in a folder, without a copy."""
    site = Path(sysconfig.get_path("purelib"))
    for file in metadata.files(name) or []:
        top = file.parts[0]
        if top not in ("..", "__pycache__") and (site / top).exists():
            target = folder / top
            if not target.exists():
                target.symlink_to(site / top)


@pytest.fixture(scope="module")
def colab(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A folder and environment variables for a kernel `colab` that has what Colab has."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout, and the setup cell clones one")
    home = tmp_path_factory.mktemp("colab")
    subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
    python = home / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q"]
    got = subprocess.run([*pip, "download", "--no-deps", "-d", home / "reached", "tqdm"])
    if got.returncode:
        if os.environ.get("CWLIB_REQUIRE_NETWORK") == "1":
            pytest.fail("CWLIB_REQUIRE_NETWORK=1, but pip reaches no package index", pytrace=False)
        pytest.skip("pip reaches no package index")
    present = home / "present"
    present.mkdir()
    for name in with_requirements(PRESENT):
        link(name, present)
    (site_of(home) / "present.pth").write_text(f"{present}\n", encoding="utf-8")
    kernel = home / "share" / "kernels" / "colab"
    kernel.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Colab", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    return home, {
        "JUPYTER_PATH": str(home / "share"),
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{origin(home).as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": BOOK,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def site_of(home: Path) -> Path:
    return next((home / "venv" / "lib").glob("python*")) / "site-packages"


def origin(home: Path) -> Path:
    """The working tree as it is, committed or not, as a repository to clone from."""
    copy = home / "origin"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, names.decode().split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=copy, check=True)
    return copy


@pytest.fixture
def home(colab, monkeypatch) -> Iterator[Path]:
    """The folder of the environment, whose variables are set; without cwlib before and after."""
    home, variables = colab
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    yield home
    for path in site_of(home).glob("cwlib*"):  # what numba has compiled there too
        shutil.rmtree(path)


@pytest.mark.data
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_alone_installs_what_it_needs_and_runs_to_its_end(home, tmp_path, chapter):
    data_or_skip(lambda: data.fetch(CHAPTERS[chapter]))
    notebook = nbformat.read(ROOT / "book" / f"{chapter}.ipynb", as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name="colab",
        timeout=400,
        resources={"metadata": {"path": str(tmp_path)}},
        extra_arguments=["--log-level=ERROR"],
    )
    client.execute()  # raises where a cell fails
    assert (tmp_path / "cwlib-book" / "book" / f"{chapter}.ipynb").exists(), "nothing was cloned"
    installed = {path.name for path in site_of(home).iterdir()}
    assert "cwlib" in installed
    kept = installed & {"torch", "torchvision", "numpy", "matplotlib"}
    assert not kept, "pip has replaced what Colab brings along"
