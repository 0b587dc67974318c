"""Fixtures that every test file shares: the real data sets, or the reason why there are none."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

import own
import scenes
import strokes
import tiny
from browser import address, browser, html, phone, watched  # noqa: F401 (fixtures)
from cwlib import cli, data, evaluate, zoo
from cwlib.evaluate import Pictures
from needs import data_or_skip

# A busy machine makes single examples slow, which is no fault of the code under test.
# Under CI the examples are the same in every run: a red run then says something about the change.
settings.register_profile("cwlib", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("cwlib")

# A shell lets what it runs in the background ignore Ctrl-C, and `nohup` the end of the terminal; so
# would all that this starts in turn.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _read_only(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)  # one test must not change what the next one sees
    return array


@pytest.fixture(scope="session")
def mnist_test() -> tuple[np.ndarray, np.ndarray]:
    """The raw test digits: uint8 (10000, 28, 28) and int64 (10000,), read-only."""
    images, labels = data_or_skip(lambda: data.mnist28("test"))
    return _read_only(images), _read_only(labels)


@pytest.fixture(scope="session")
def kodak_images() -> list[np.ndarray]:
    """The 24 Kodak images, uint8 (H, W, 3), read-only."""
    return [_read_only(image) for image in data_or_skip(data.kodak)]


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights of the four tiny networks; whoever changes it works on a copy."""
    where = tmp_path_factory.mktemp("weights")
    tiny.save_all(where)
    return where


@pytest.fixture(scope="session")
def tiny_photo_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of the tiny networks of paper 2."""
    where = tmp_path_factory.mktemp("photo-weights")
    tiny.save_photo_nets(where)
    return where


@pytest.fixture
def both_zoo(
    tiny_weights: Path,
    tiny_photo_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A zoo of the tiny networks of both papers and nothing else, the test's own copy."""
    for weights in (tiny_weights, tiny_photo_weights):
        for path in weights.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)


@pytest.fixture(scope="session")
def pages() -> Pictures:
    """Three digits."""
    return evaluate.digits("pages", strokes.digits(3))


@pytest.fixture(scope="session")
def two_pictures() -> Pictures:
    """A colour and a grey picture."""
    return Pictures("two", ("a.png", 7), (scenes.scene(90, 120), scenes.scene(64, 70)[..., 0]))


@pytest.fixture(scope="session")
def many_rates(tmp_path_factory) -> Path:
    """The weights of a tiny net of many rates."""
    folder = tmp_path_factory.mktemp("own")
    own.save(folder)
    return folder / "tiny-own.safetensors"


@pytest.fixture(scope="session")
def two_of_colour() -> Pictures:
    """Two colour pictures of other sides."""
    return Pictures("two", ("a", "b"), (own.scene(192, 176), own.scene(160, 200)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses a data fixture carries the `data` mark, so that `-m 'not data'` is complete.

    The chapters need the digits too: without files and network their cells are skipped, with a
    reason, unless CWLIB_REQUIRE_DATA=1.
    """
    for item in items:
        if {"mnist_test", "kodak_images"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.data)
    cells = [item for item in items if item.path.suffix == ".ipynb"]
    if not cells or os.environ.get("CWLIB_REQUIRE_DATA") == "1" or data.available("mnist"):
        return
    try:
        data.fetch("mnist")
    except data.DataUnavailable as error:
        for item in cells:
            item.add_marker(pytest.mark.skip(reason=" ".join(str(error).split())))


@pytest.fixture
def complaint(capsys):
    """Run the command, expect a failure, return the one line that it says."""

    def run(*words: object, status: int = 2) -> str:
        assert cli.main([str(word) for word in words]) == status
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("cwlib: ")
        assert err.endswith("\n") and err.count("\n") == 1
        return err[len("cwlib: ") : -1]

    return run
