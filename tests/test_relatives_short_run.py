"""The training loop of toys: against a closed form; its learning rate against its description."""

import pytest
import torch
from torch import nn

from cwbook.relatives import short_run


def test_it_finds_the_line_of_least_squares():
    torch.manual_seed(0)
    a, b = torch.randn(64, 3), torch.randn(64, 1)
    best = torch.linalg.lstsq(a, b).solution
    net = nn.Linear(3, 1, bias=False)
    course = short_run.minimise(net, lambda step: (net(a) - b).square().mean(), 400, lr=0.05)
    torch.testing.assert_close(net.weight.T, best, atol=2e-3, rtol=0)
    assert len(course) == 400 and course[-1] == pytest.approx((a @ best - b).square().mean().item())


def test_the_loss_is_told_the_step_and_the_net_is_left_ready_for_use():
    net, steps = nn.Sequential(nn.Linear(1, 1), nn.Dropout()), []

    def loss(step):
        steps.append((step, net.training))
        return net(torch.ones(1, 1)).sum()

    short_run.minimise(net, loss, 3)
    assert steps == [(0, True), (1, True), (2, True)]
    assert not net.training


def test_the_learning_rate_rises_stays_and_falls_to_nearly_nothing():
    rates = [short_run.learning_rate(k, 100, 0.5) for k in range(100)]
    assert rates[0] == pytest.approx(0.5 / 20)
    assert rates[19:61] == pytest.approx([0.5] * 42)
    assert rates[80] == pytest.approx(0.25)  # half way down a half cosine
    assert 0 < rates[99] < 0.002 and rates[60:] == sorted(rates[60:], reverse=True)
