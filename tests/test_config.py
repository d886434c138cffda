"""config.py: what params.yaml may hold, and that equal numbers are one value."""

import math

import pytest
from pydantic import ValidationError

from descent.config import (
    Count,
    Flag,
    Index,
    Positive,
    Seed,
    experiment_config,
    require_increasing,
)


@experiment_config
class Config:
    count: Count
    index: Index
    seed: Seed
    positive: Positive
    flag: Flag


GOOD = {"count": 1, "index": 1, "seed": 1, "positive": 1, "flag": True}


@pytest.mark.parametrize("one", [1, 1.0, True])
def test_the_spellings_of_one_are_one_value(one):
    config = Config(**dict.fromkeys(GOOD, one))
    assert config == Config(**GOOD)
    assert [type(getattr(config, name)) for name in GOOD] == [int, int, int, float, bool]


@pytest.mark.parametrize("zero", [0, 0.0, False])
def test_the_spellings_of_zero_are_one_value(zero):
    config = Config(**GOOD | {"index": zero, "seed": zero, "flag": zero})
    assert (config.index, config.seed, config.flag) == (0, 0, False)
    assert config.flag is False


@pytest.mark.parametrize("value", ["1", "true", "", None, math.nan, math.inf, -math.inf, -1, [1]])
@pytest.mark.parametrize("name", GOOD)
def test_what_is_not_such_a_number_is_refused(name, value):
    with pytest.raises(ValidationError) as caught:
        Config(**GOOD | {name: value})
    assert [error["loc"] for error in caught.value.errors()] == [(name,)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("count", 0.5), ("count", 0), ("count", False), ("index", 0.5), ("seed", 1.5)),
        *(("positive", 0), ("positive", False), ("flag", 2), ("flag", 0.5)),
    ],
)
def test_a_number_outside_the_range_is_refused(name, value):
    with pytest.raises(ValidationError):
        Config(**GOOD | {name: value})


def test_a_count_stays_whole_however_large():
    config = Config(**GOOD | {"count": 10**7, "seed": 4.0e9})
    assert (config.count, config.seed) == (10**7, 4 * 10**9)


@experiment_config
class Lists(Config):
    sweep: tuple[Positive, ...]
    nested: tuple[tuple[Count, ...], ...]


LISTS = GOOD | {"sweep": [1e-100, 1e100], "nested": [[1], [1, 2]]}


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("count", 2**53 + 1, "at most 9007199254740992, up to which float64"),
        ("index", 1e308, "at most 9007199254740992"),
        ("count", 10**400, "every whole number"),
        ("positive", 1e155, "1e.155 must be 0 or of a size from 1e-100 to 1e.100"),
        ("positive", 5e-324, "4.94066e-324 must be"),
        ("sweep", [1, 1e101], "1e.101 must be"),
        ("sweep", list(range(1, 202)), "201 values > 200"),
        ("nested", [[1], [2**60]], "every whole number"),
    ],
)
def test_every_number_has_a_range_also_in_lists_and_in_what_a_config_inherits(name, value, rule):
    assert Lists(**LISTS).sweep == (1e-100, 1e100)
    with pytest.raises(ValidationError, match=rule) as caught:
        Lists(**LISTS | {name: value})
    assert [error["loc"][:1] for error in caught.value.errors()] == [(name,)]


@pytest.mark.parametrize("name", GOOD)
def test_every_field_is_required(name):
    with pytest.raises(ValidationError, match=name):
        Config(**{key: value for key, value in GOOD.items() if key != name})


def test_an_unknown_field_is_refused():
    with pytest.raises(ValidationError, match="extra"):
        Config(**GOOD, extra=1)


def test_a_count_that_no_loop_ends_over_is_refused_after_the_rules_of_its_class():
    @experiment_config
    class Few(Config):
        replicates: Count
        seeds: tuple[Seed, ...]

        def __post_init__(self):
            if self.index > 10**8:
                raise ValueError("the index is of no use")

    good = GOOD | {"replicates": 10**6, "seeds": [4 * 10**9]}
    Few(**good)
    for change, rule in (
        ({"count": 10**7 + 1}, "count 10000001 > 10000000: a loop over so many takes hours"),
        ({"replicates": 10**6 + 1}, "replicates 1000001 > 1000000"),
        ({"count": 10**8, "index": 10**9}, "the index is of no use"),
    ):
        with pytest.raises(ValidationError, match=rule):
            Few(**good | change)


def test_a_config_cannot_be_changed():
    with pytest.raises((ValidationError, AttributeError)):
        Config(**GOOD).count = 2


@pytest.mark.parametrize("values", [(1,), (1, 2), (1e-5, 1e-4, 10)])
def test_increasing_values_pass(values):
    require_increasing("alphas", values)


@pytest.mark.parametrize(
    ("values", "listed"),
    [
        ((), r"\[\]"),
        ((1, 1), r"\[1, 1\]"),
        ((0.1, 0.01), r"\[0\.1, 0\.01\]"),
        ((1, 3, 2), "1, 3, 2"),
    ],
)
def test_values_that_do_not_increase_are_named(values, listed):
    with pytest.raises(ValueError, match=f"^alphas .*{listed}.* must be"):
        require_increasing("alphas", values)
