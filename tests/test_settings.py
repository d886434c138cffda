"""Settings at which a check failed that should not have; `python tests/faults/settings.py` looks for more."""

import pytest

from descent.config import Refusal
from harness import run

ALARMS = [
    ("factorisation@balanced_start", {"stretch": 6, "seed": 31278}),
    ("factorisation@completion", {"depths": [2, 3, 4, 6], "seed": 865710}),
    ("factorisation@least_trace", {"measurements": 2, "seed": 307814}),
    ("factorisation@least_trace", {"small": [2e-60, 2e-40, 2e-20], "seed": 966472}),
    ("factorisation@norms", {"depths": [7], "seed": 0}),
    ("factorisation@norms", {"depths": [9], "seed": 636170}),
    ("factorisation@norms", {"depths": [10], "seed": 3}),
    ("factorisation@singular_growth", {"start": 0.05, "seed": 645516}),
    ("factorisation@singular_growth", {"start": 0.05, "seed": 764264}),
    ("geometry@flat_loss", {"samples": 4, "seed": 770283}),
    ("geometry@flat_loss", {"share": 0.66, "seed": 214084}),
    ("geometry@flat_loss", {"share": 0.66, "start": 2.0, "seed": 976356}),
    ("mlp1d@growth", {"epochs": 150, "seed": 315206}),
    ("mlp1d@growth", {"rate": 0.075, "seed": 261045}),
    ("polynomial@gd_average", {"degrees": [9, 12], "iterations": 9000}),
    ("polynomial@networks", {"interval": [-3, 3], "seed": 248757}),
    ("polynomial@sgd", {"interval": [-3, 3], "seed": 634873}),
    ("polynomial@stability", {"frequency": 3.5, "seed": 422689}),
    ("sensing@emergence", {"rank": 4, "seed": 921072}),
    ("sensing@noise", {"claim_excess": 0.025, "seed": 453951}),
    ("sensing@noise", {"start": 0.007, "seed": 944022}),
    ("sensing@noise", {"start": 0.03, "seed": 94793}),
    ("sensing@phase", {"step": 0.021, "seed": 310235}),
    ("sensing@published_length", {"rank": 9, "seed": 271671}),
    ("sensing@published_length", {"rank": 9, "seed": 271681}),
    ("sensing@width", {"seed": 930841}),
    ("sensing@width", {"reached": 0.07, "seed": 930836}),
    ("train@edge_of_stability", {"betas": [0.3, 0.75], "seed": 362493}),
    ("train@edge_of_stability", {"steps": 200, "start": 0.35, "seed": 169766}),
    ("train@edge_of_stability", {"tail": 0.15, "pool": 2, "seed": 717258}),
    ("train@edge_of_stability", {"plateau": 6.0, "betas": [0.3, 0.75], "seed": 202243}),
    ("train@edge_of_stability", {"plateau": 6.0, "products": 4, "seed": 188261}),
]


@pytest.mark.long
@pytest.mark.parametrize(("name", "changes"), ALARMS)
def test_no_false_alarm(name, changes):
    """A claim that holds, a reason to claim nothing, or a refusal."""
    try:
        result = run(name, **changes)
    except Refusal:
        return
    assert [(check.name, check.worst) for check in result.checks if not check.holds] == []
    assert result.verdict in ("holds", "no claim")
