"""The table of studies: small nets that differ in what is asked, and in nothing else."""

from dataclasses import replace

import pytest

from cwbook import studies
from cwbook.studies import SMALL, STUDIES, get
from cwlib import experiments
from cwlib.models.importance import READINGS


@pytest.mark.parametrize("name", SMALL)
def test_every_small_experiment_can_be_built_and_is_trained_by_a_study(name):
    e = get(name)
    assert e.name == name and experiments.check(e) is e and e.note
    assert name not in experiments.EXPERIMENTS
    assert name in studies.of_member(name).members
    if e.warm_start is not None:
        other = get(e.warm_start)
        assert other.name != name and other.warm_start is None
        shape = ("model", "width", "channels", "units", "map_channels", "reading", "strides")
        assert [getattr(e, k) for k in shape] == [getattr(other, k) for k in shape]


@pytest.mark.parametrize("name", STUDIES)
def test_the_members_of_a_study_are_experiments_and_it_asks_something(name):
    study = studies.study(name)
    assert study.name == name and study.question and study.members
    assert len(set(study.members)) == len(study.members)
    assert study.minutes or all(get(member).steps > 0 for member in study.members)
    assert len(set(study.seeds)) == len(study.seeds)


def test_an_unknown_study_is_told_the_known_ones():
    with pytest.raises(ValueError, match="unknown study 'x'.*selection"):
        studies.study("x")


def test_table_1_is_asked_at_three_rates_with_three_seeds_of_equal_training():
    study = studies.study("selection")
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
        for name in studies.study("masks").members
    ]
    assert same == [same[0]] * 4 and same[0].rate_target > 0
