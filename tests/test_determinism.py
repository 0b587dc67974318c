"""The same symbols give the same bytes: compiled or not, on 1 thread or 8, now and later."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import digests
from cwlib.coding import jit

ROOT = Path(__file__).parent.parent


def golden() -> dict[str, str]:
    return json.loads(digests.GOLDEN.read_text(encoding="utf-8"))


def in_a_fresh_python(**env: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "tests" / "digests.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_tables_and_streams_are_those_of_the_golden_file():
    assert digests.all_digests() == golden()


@pytest.mark.skipif(not jit.COMPILED, reason="numba is absent or switched off: nothing to compare")
@pytest.mark.parametrize("switch", ["CWLIB_NO_JIT", "NUMBA_DISABLE_JIT"])
def test_plain_python_writes_the_golden_bytes_too(switch):
    assert in_a_fresh_python(**{switch: "1"}) == golden()


@pytest.mark.parametrize("threads", ["1", "8"])
def test_the_number_of_threads_that_libraries_may_use_changes_no_byte(threads):
    names = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    assert in_a_fresh_python(**dict.fromkeys(names, threads)) == golden()


def test_eight_threads_that_code_at_once_do_not_disturb_each_other():
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: digests.all_digests(), range(8)))
    assert found == [golden()] * 8
