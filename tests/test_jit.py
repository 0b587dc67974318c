"""The switch between compiled and plain Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cwlib.coding import jit

CODING = Path(jit.__file__).parent

numba_only = pytest.mark.skipif(jit.numba is None, reason="numba is absent or switched off")


def run(code: str, root: Path = CODING.parent.parent, **env: str) -> str:
    """What a fresh Python prints for `code`, with the package that lies in `root`."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), **env},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@numba_only
@pytest.mark.parametrize("value", ["0", "", "false", "no"])
def test_jit_compiles_where_numba_is_present(value):
    out = run("from cwlib.coding.jit import COMPILED; print(COMPILED)", CWLIB_NO_JIT=value)
    assert out == "True"


@pytest.mark.parametrize(
    "switch",
    [{"CWLIB_NO_JIT": value} for value in ("1", "true", "Yes", "ON")]
    + [{"NUMBA_DISABLE_JIT": "1"}],
)
def test_a_switch_in_the_environment_gives_the_function_back_unchanged(switch):
    code = "from cwlib.coding.jit import jit, COMPILED\ndef f(): pass\nprint(jit(f) is f, COMPILED)"
    assert run(code, **switch) == "True False"


def test_without_numba_the_function_comes_back_unchanged():
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "from cwlib.coding.jit import jit, COMPILED\n"
        "def f(): pass\n"
        "print(jit(f) is f, COMPILED)"
    )
    assert run(code) == "True False"


def test_with_the_switch_numba_is_not_even_imported():
    code = "import cwlib.coding.huffman, sys; print('numba' in sys.modules)"
    assert run(code, CWLIB_NO_JIT="1") == "False"


# --- machine code on disk ------------------------------------------------------------------------

LESSON = """
from cwlib.coding.jit import jit

@jit
def double(x):
    return 2 * x

print(double(21), double.stats.cache_hits.total())
"""


@pytest.fixture
def copy(tmp_path):
    """A copy of the coders in a folder of its own, with a small function of ours beside them."""
    coding = tmp_path / "site" / "cwlib" / "coding"
    shutil.copytree(CODING, coding, ignore=shutil.ignore_patterns("__pycache__"))
    (coding.parent / "__init__.py").touch()
    (coding / "lesson.py").write_text(LESSON, encoding="utf-8")
    return coding


def run_copy(coding: Path, code: str = "import cwlib.coding.lesson", **env: str) -> str:
    env = {"CWLIB_NO_JIT": "0", "NUMBA_CACHE_DIR": "", **env}
    return run(code, coding.parent.parent, **env)


def machine_code(coding: Path) -> list[Path]:
    return list(coding.glob("__pycache__/lesson.double*.nbc"))


@numba_only
def test_machine_code_is_kept_for_the_next_process(copy):
    assert run_copy(copy) == "42 0"
    assert run_copy(copy) == "42 1"


def flip(path: Path) -> None:
    """One bit of the machine code: LLVM would end the process, or worse."""
    blob = bytearray(path.read_bytes())
    at = blob.index(b"\x7fELF") if b"\x7fELF" in blob else len(blob) // 2
    blob[at] ^= 1
    path.write_bytes(blob)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    path.write_bytes(b"not machine code" * 99)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@numba_only
@pytest.mark.parametrize("damage", [flip, cut, empty, foreign, folder])
def test_damaged_machine_code_is_made_anew(copy, damage):
    run_copy(copy)
    (path,) = machine_code(copy)
    damage(path)
    assert run_copy(copy) == "42 0"
    assert run_copy(copy) == ("42 0" if damage is folder else "42 1")


@numba_only
def test_a_full_disk_costs_the_cache_and_nothing_else(copy):
    pytest.importorskip("resource")
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"  # no file may grow further
        "import cwlib.coding.lesson"
    )
    assert run_copy(copy, code, PYTHONDONTWRITEBYTECODE="1") == "42 0"
    assert run_copy(copy) == "42 0"  # what was cut short is no machine code
    assert run_copy(copy) == "42 1"


@numba_only
def test_a_function_compiles_where_no_folder_takes_the_cache(copy, tmp_path):
    # Plain files stand where the cache folders would be: that stops root too.
    (copy / "__pycache__").write_text("not a folder", encoding="utf-8")
    (tmp_path / "home").write_text("not a folder", encoding="utf-8")
    home = str(tmp_path / "home")
    assert run_copy(copy, HOME=home, XDG_CACHE_HOME=home) == "42 0"
    assert run_copy(copy, HOME=home, XDG_CACHE_HOME=home) == "42 0"


@numba_only
def test_an_edit_in_any_file_of_the_coders_reaches_compiled_code(copy):
    code = (
        "import numpy as np\nfrom cwlib.coding import adaptive\n"
        "print(adaptive.encode(np.arange(3000) % 41, 41).hex())"
    )
    before = run_copy(copy, code)
    source = (copy / "arithmetic.py").read_text(encoding="utf-8")
    assert "SMALL = 1 << 40" in source
    (copy / "arithmetic.py").write_text(
        source.replace("SMALL = 1 << 40", "SMALL = 1 << 36"), encoding="utf-8"
    )
    after = run_copy(copy, code)
    assert after == run_copy(copy, code, CWLIB_NO_JIT="1") != before
