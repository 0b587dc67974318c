"""The table of experiments: complete, frozen, and true to the papers where it says so."""

import json
from dataclasses import FrozenInstanceError, asdict, replace

import pytest

from cwlib import experiments, losses, training
from cwlib.experiments import EXPERIMENTS, Experiment, get
from cwlib.experiments.settings import CHOICES
from cwlib.models import importance, variants
from cwlib.models.catalogue import KINDS
from cwlib.models.importance import READINGS


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_built_and_scheduled(name):
    e = get(name)
    assert e.name == name and experiments.check(e) is e
    assert e.lr > 0 and e.batch_size > 0 and e.epochs > 0 and e.lambda_rate >= 0
    assert (e.model in ("hierarchical", "photo")) == (e.dataset == "photos") == (e.lambda_2 > 0)
    assert e.note


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_warm_start_is_another_experiment_with_a_net_of_the_same_shape(name):
    e = get(name)
    if e.warm_start is not None:
        other = get(e.warm_start)
        assert other.name != name and other.warm_start is None
        shape = ("model", "width", "channels", "units", "map_channels", "reading", "last_norm")
        shape += ("strides", "mask", "fixed_level", "quantiser", "code_bits")
        assert [getattr(e, k) for k in shape] == [getattr(other, k) for k in shape]


def test_the_names_of_the_design_are_there():
    assert {"mnist-cae", "mnist-resnet", "mnist-cw", "mnist-cw1"} <= set(EXPERIMENTS)
    assert {"kodak-m", "kodak-m1", "kodak-mstar", "kodak-mp"} <= set(EXPERIMENTS)


def test_a_rate_point_carries_its_lambda_in_its_name():
    for name, e in EXPERIMENTS.items():
        if "-l0" in name:
            assert float(name.rpartition("-l")[2]) == e.lambda_rate + e.lambda_2


@pytest.mark.parametrize("name", ["mnist-cae-sgd", "mnist-resnet-sgd", "mnist-cw-sgd"])
def test_the_faithful_experiments_train_as_the_papers_figures_say(name):
    e = get(name)
    assert (e.optimizer, e.lr, e.batch_size, e.schedule) == ("sgd", 1e-3, 100, "constant")
    assert (e.width, e.channels, e.units, e.lambda_rate, e.last_norm) == (64, 4, 3, 0.0, True)


def test_table_1_compares_models_that_differ_in_their_mask_alone():
    m, m1, mstar, mp = (get(f"kodak-{name}") for name in ("m", "m1", "mstar", "mp"))
    assert [e.mask for e in (m, m1, mstar, mp)] == ["none", "first", "largest", "none"]
    assert [e.lambda_1 for e in (m, m1, mstar, mp)] == [0, 0, 0, 10]
    same = [replace(e, name="", note="", mask="", lambda_1=0.0) for e in (m, m1, mstar, mp)]
    assert same == [same[0]] * 4
    assert (m.width, m.crop) == (128, 128)


def test_above_half_a_bit_there_are_192_filters_as_in_4_1():
    assert {get(f"kodak-mstar-l{x}").width for x in (0.0018, 0.0035, 0.013)} == {128}
    assert {get(f"kodak-mstar-l{x}").width for x in (0.025, 0.0483)} == {192}


def test_settings_cannot_be_changed_in_place():
    with pytest.raises(FrozenInstanceError):
        get("mnist-cw").width = 8


def test_settings_survive_the_way_through_a_card():
    for e in EXPERIMENTS.values():
        assert experiments.from_card(json.loads(json.dumps(asdict(e)))) == e


LEAST = {"name": "x", "model": "cw", "note": ""}


def test_a_card_that_is_older_than_a_setting_has_its_default():
    assert experiments.from_card(LEAST) == Experiment("x", "cw", "")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (None, "have names, got None"),
        (["cw"], r"have names, got \['cw'\]"),
        ({"name": "x", "note": ""}, "setting model is missing"),
        (LEAST | {"nope": 1}, "unknown setting 'nope'"),
        (LEAST | {"model": "vae"}, "model must be one of cae, resnet, cw.*, got 'vae'"),
        (LEAST | {"model": ["cw"]}, "model must be one of"),
        (LEAST | {"schedule": None}, "schedule must be one of constant, cosine, long, got None"),
        (LEAST | {"name": "../x"}, "name must be letters, .* got '../x'"),
        (LEAST | {"name": ""}, "name must be letters"),
        (LEAST | {"name": 3}, "name must be letters, .* got 3"),
        (LEAST | {"warm_start": "a/b"}, "warm_start must be letters"),
        (LEAST | {"note": "\x1b[2J"}, "note must be one line"),
        (LEAST | {"note": "two\nlines"}, "note must be one line"),
        (LEAST | {"width": 1}, "width must be a whole number of 2 to 4096, got 1"),
        (LEAST | {"width": 64.0}, "width must be a whole number"),
        (LEAST | {"width": True}, "width must be a whole number"),
        (LEAST | {"width": None}, "width must be a whole number"),
        (LEAST | {"units": 3000}, "units must be a whole number of 1 to 1000, got 3000"),
        (LEAST | {"channels": 10000}, "channels must be a whole number"),
        (
            LEAST | {"seed": 10**1000},
            "seed must be a whole number of 0 to 9223372036854775807, got 1",
        ),
        (LEAST | {"lr": "fast"}, "lr must be a number of 0 to 1000000000, got 'fast'"),
        (LEAST | {"lr": float("nan")}, "lr must be a number .* got nan"),
        (LEAST | {"epochs": float("inf")}, "epochs must be a number .* got inf"),
        (LEAST | {"lambda_2": 10**1000}, "lambda_2 must be a number"),
        (LEAST | {"strength_min": 1.5}, "strength_min must be a number of 0 to 1, got 1.5"),
        (LEAST | {"last_norm": 1}, "last_norm must be true or false, got 1"),
        (LEAST | {"fixed_level": 4}, "fixed_level must be a whole number of 0 to 3, got 4"),
        (LEAST | {"strides": 8}, "strides must be four whole numbers of 1 to 8, got 8"),
        (LEAST | {"strides": [2, 2, 2]}, "strides must be four"),
        (LEAST | {"strides": [1, 2, 2, 2.0]}, "strides must be four"),
        (LEAST | {"strides": "1222"}, "strides must be four"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, says):
    with pytest.raises(ValueError, match=says) as caught:
        experiments.from_card(settings)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("field", "known"),
    [
        ("model", KINDS),
        ("reading", READINGS),
        ("schedule", training.SCHEDULES),
        ("mask", {*importance.SELECTIONS, *variants.MASKS}),
        ("lambda_1_of", {"encoder", *losses.FEATURES}),
        ("quantiser", variants.QUANTISERS),
    ],
)
def test_the_choices_of_a_setting_are_those_that_there_are(field, known):
    assert set(CHOICES[field]) == set(known)


def test_an_unknown_name_lists_all_names():
    with pytest.raises(ValueError) as caught:
        experiments.get("mnist-xyz")
    assert all(name in str(caught.value) for name in EXPERIMENTS)


def test_rate_points_of_paper_2_lie_in_its_order_around_the_middle_one():
    """4.1: lambda_2 from 0.001 to 0.02; the nets of Table 1 share one between its neighbours."""
    middle = {experiments.get(f"kodak-{name}").lambda_2 for name in ("m", "m1", "mstar", "mp")}
    assert len(middle) == 1
    points = [e.lambda_2 for e in experiments.EXPERIMENTS.values() if "kodak-mstar-l" in e.name]
    below, above = (max(p for p in points if p < 0.005), min(p for p in points if p > 0.01))
    assert below < middle.pop() < above
    for name, value in (("n64-l0.001", 0.001), ("n64-l0.02", 0.02), ("l0.013", 0.013)):
        assert experiments.get(f"kodak-mstar-{name}").lambda_2 == value
