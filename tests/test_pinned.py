"""Global state of torch and NumPy: set for the codec, and the caller's own afterwards."""

import threading

import numpy as np
import pytest
import torch

from cwlib.pinned import pinned


def float64():
    torch.set_default_dtype(torch.float64)


def meta():
    torch.set_default_device("meta")


@pytest.fixture(autouse=True)
def as_it_was():
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)


def state() -> tuple:
    return (
        torch.get_default_dtype(),
        torch.empty(0).device.type,
        torch.is_autocast_enabled("cpu"),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        {kind: np.geterr()[kind] for kind in ("over", "under", "divide", "invalid")},
    )


QUIET = dict.fromkeys(("over", "under", "divide", "invalid"), "ignore")


def test_the_callers_choice_is_put_aside_and_comes_back():
    float64()
    meta()
    with np.errstate(all="raise"), torch.autocast("cpu"), torch.inference_mode():
        before = state()
        with pinned():
            assert state() == (torch.float32, "cpu", False, False, False, QUIET)
        assert state() == before
        assert before[0] == torch.float64 and before[1] == "meta" and before[2] and before[4]


def test_an_exception_gives_the_callers_choice_back_too():
    float64()
    with pytest.raises(KeyError), pinned():
        raise KeyError
    assert torch.get_default_dtype() == torch.float64


def test_a_thread_that_leaves_first_takes_nothing_from_one_within():
    float64()
    inside, leave, seen = threading.Event(), threading.Event(), []

    def first():
        with pinned():
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(30)
    with pinned():
        leave.set()
        thread.join()
        seen.append(torch.get_default_dtype())
    assert seen == [torch.float32] and torch.get_default_dtype() == torch.float64
