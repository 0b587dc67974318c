"""The table of experiments: complete, frozen, and true to the papers where it says so."""

import json
from dataclasses import FrozenInstanceError, asdict, replace

import pytest

from cwlib import experiments, training
from cwlib.experiments import EXPERIMENTS, STUDIES, Experiment, get
from cwlib.importance import READINGS
from cwlib.models.catalogue import KINDS


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_built_and_scheduled(name):
    e = get(name)
    assert e.name == name
    assert e.model in KINDS and e.reading in READINGS
    assert e.optimizer in ("adam", "sgd", "soap", "muon") and e.schedule in training.SCHEDULES
    assert e.lr > 0 and e.batch_size > 0 and e.epochs > 0 and e.lambda_rate >= 0
    assert (e.model in ("hierarchical", "photo")) == (e.dataset == "photos") == (e.lambda_2 > 0)
    assert e.note and "\n" not in e.note


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
        assert Experiment(**json.loads(json.dumps(asdict(e)))) == e


def test_an_unknown_name_lists_all_names():
    with pytest.raises(ValueError) as caught:
        experiments.get("mnist-xyz")
    assert all(name in str(caught.value) for name in EXPERIMENTS)


# --- studies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STUDIES)
def test_the_members_of_a_study_are_experiments_and_it_asks_something(name):
    study = experiments.study(name)
    assert study.name == name and study.question and study.members
    assert len(set(study.members)) == len(study.members)
    assert study.minutes or all(get(member).steps > 0 for member in study.members)
    assert len(set(study.seeds)) == len(study.seeds)


def test_an_unknown_study_is_told_the_known_ones():
    with pytest.raises(ValueError, match="unknown study 'x'.*selection"):
        experiments.study("x")


def test_table_1_is_asked_at_three_rates_with_three_seeds_of_equal_training():
    study = experiments.study("selection")
    assert len(study.seeds) >= 3
    members = [get(name) for name in study.members]
    assert {e.mask for e in members} == {"none", "first", "largest"}
    for rate in ("-low", "", "-high"):
        alike = [get(f"small-{kind}{rate}") for kind in ("m", "m1", "mstar")]
        same = [replace(e, name="", note="", mask="", warm_start=None) for e in alike]
        assert same == [same[0]] * 3
    assert get("small-m-low").lambda_2 < get("small-m").lambda_2 < get("small-m-high").lambda_2


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6])
def test_a_uniform_net_keeps_the_bits_of_its_name(bits):
    e = get(f"tiny-uniform-{bits}")
    assert READINGS[e.reading][e.fixed_level] == bits


def test_the_masks_are_compared_on_the_same_net_and_target():
    same = [
        replace(get(name), name="", note="", mask="", model="")
        for name in experiments.study("masks").members
    ]
    assert same == [same[0]] * 4 and same[0].rate_target > 0
