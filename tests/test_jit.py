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


def run(code: str, **env: str) -> str:
    """What a fresh Python prints for `code`."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": str(CODING.parent.parent), **env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@numba_only
def test_jit_compiles_where_numba_is_present():
    out = run("from cwlib.coding.jit import COMPILED; print(COMPILED)", CWLIB_NO_JIT="0")
    assert out == "True"


def test_the_environment_switch_gives_the_function_back_unchanged():
    code = "from cwlib.coding.jit import jit\ndef f(): pass\nprint(jit(f) is f)"
    assert run(code, CWLIB_NO_JIT="1") == "True"


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


@numba_only
def test_a_function_compiles_where_no_folder_takes_the_cache(tmp_path):
    # Plain files stand where the cache folders would be: that stops root too.
    shutil.copy(CODING / "jit.py", tmp_path / "jit.py")
    (tmp_path / "lesson.py").write_text(
        "from jit import jit\n\n@jit\ndef double(x):\n    return 2 * x\n\nprint(double(21))\n"
    )
    (tmp_path / "__pycache__").write_text("not a folder")
    (tmp_path / "home").write_text("not a folder")
    out = run(
        "import lesson; print(lesson.double._cache.__class__.__name__)",
        PYTHONPATH=str(tmp_path),
        HOME=str(tmp_path / "home"),
        XDG_CACHE_HOME=str(tmp_path / "home"),
        NUMBA_CACHE_DIR="",
        CWLIB_NO_JIT="0",
    )
    assert out.split() == ["42", "NullCache"]
