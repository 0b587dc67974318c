"""The device of a chapter, and what Colab's users are told."""

import sys
import types

import IPython.display
import pytest
import torch

from cwbook.widgets import find_device


@pytest.fixture
def said(monkeypatch) -> list[str]:
    words: list[str] = []
    monkeypatch.setattr(IPython.display, "display", lambda shown: words.append(shown.data))
    return words


@pytest.fixture
def colab(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))


def test_a_gpu_is_taken_without_a_word(monkeypatch, said, colab):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert find_device() == "cuda" and said == []


def test_colab_without_a_gpu_is_told_where_the_switch_is(monkeypatch, said, colab):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device() == "cpu"
    assert len(said) == 1 and "Change runtime type" in said[0]


def test_a_computer_of_ones_own_is_told_nothing(monkeypatch, said):
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device() == "cpu" and said == []
