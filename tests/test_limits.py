"""What a run costs is refused with its fields, their values, and the GiB or the hours."""

from typing import NamedTuple

import pytest

from descent.config import Refusal
from descent.maths import device
from descent.maths.limits import GIB, ROOM, require_at_most, require_cost, require_within


class Config(NamedTuple):
    steps: int = 1000
    rate: float = 1e-5
    sizes: tuple = (1, 2, 5)
    pair: tuple = (0.5, 2)


def test_what_fits_is_let_through():
    require_cost(Config(), "steps", ROOM / 8, 3.6e12)


@pytest.mark.parametrize(
    ("cost", "rule"),
    [
        ({"numbers": 2**30}, "steps 1000, rate 1e-05: 8 GiB at once, 4 GiB are for one experiment"),
        ({"operations": 7.2e12}, "steps 1000, rate 1e-05: about 2 hours of arithmetic, at most 1"),
    ],
)
def test_what_does_not_is_refused_in_one_line(cost, rule):
    with pytest.raises(Refusal) as refusal:
        require_cost(Config(), "steps, rate", **cost)
    assert str(refusal.value) == rule


def test_a_sweep_is_shown_by_its_ends():
    with pytest.raises(Refusal, match=r"sizes \[1 … 5\], pair \[0.5, 2\]: about"):
        require_cost(Config(), "sizes, pair", operations=1e20)


def test_what_is_free_bounds_a_run(monkeypatch):
    monkeypatch.setattr(device, "free_memory", lambda: 16 * GIB)
    require_cost(Config(), "steps", 2 * GIB, free=True)
    with pytest.raises(Refusal, match="steps 1000: 17 GiB at once, 16 GiB are free"):
        require_cost(Config(), "steps", 17 * GIB // 8, free=True)


def test_values_beyond_their_range_are_refused():
    with pytest.raises(Refusal, match="steps 1000 > 999: it is enough"):
        require_at_most(Config(), "it is enough", steps=999)
    with pytest.raises(Refusal, match="sizes 5 must lie in 0 … 4: the rest is noise"):
        require_within("sizes", Config().sizes, 0, 4, "the rest is noise")
