"""The moving average of weights, against sums written out by hand."""

import pytest
import torch

from cwlib.training import Average


def test_the_first_steps_of_an_average_by_hand():
    net = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(100.0)  # a start far off
    average = Average(net, 0.15)
    by_hand = [
        0.1 * 100 + 0.9 * 1,  # 1 / (1 + 9) is below 0.15
        0.15 * (0.1 * 100 + 0.9 * 1) + 0.85 * 2,  # 2 / (2 + 9) is above it
        0.15 * (0.15 * (0.1 * 100 + 0.9 * 1) + 0.85 * 2) + 0.85 * 3,
    ]
    for step, wanted in enumerate(by_hand, start=1):
        with torch.no_grad():
            net.weight.fill_(float(step))
        average.update(net, step)
        assert average.values["weight"].item() == pytest.approx(wanted)
    assert net.weight.item() == 3


def test_weights_that_stay_are_their_own_average():
    net = torch.nn.Conv2d(2, 3, 3)
    average = Average(net, 0.99)
    for step in range(1, 5):
        average.update(net, step)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(average.values[name], value)


def test_counters_are_taken_over_and_statistics_averaged():
    net = torch.nn.BatchNorm1d(1)
    average = Average(net, 0.9)
    net.running_mean.fill_(10.0)
    net.num_batches_tracked.fill_(5)
    average.update(net, 1)
    assert average.values["running_mean"].item() == pytest.approx(9.0)
    assert average.values["num_batches_tracked"].item() == 5


def test_an_average_goes_on_where_another_stopped():
    net = torch.nn.Linear(2, 2)
    first, second = Average(net, 0.5), Average(torch.nn.Linear(2, 2), 0.5)
    second.load(first.values)
    first.values["bias"].add_(1)  # a copy, not the same memory
    torch.testing.assert_close(second.values["bias"], net.bias.detach())


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.1, 1.5])
def test_a_decay_that_makes_no_sense_is_refused(decay):
    with pytest.raises(ValueError, match="ema"):
        Average(torch.nn.Linear(1, 1), decay)
