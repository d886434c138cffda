"""What a door takes out of its environment, and that the compiled kernels compute the same in any."""

import os
import sys
import warnings

import pytest
from ruamel.yaml import YAML

from descent.lab.environment import settle
from faults.environments import ENVIRONMENTS, of_the_kernels
from toy import toy_params


@pytest.fixture
def settled(monkeypatch):
    """The environment that is left of these variables."""

    def settled(**variables: str) -> dict[str, str]:
        monkeypatch.setattr(os, "environ", dict(variables))
        settle()
        return {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}

    return settled


def test_what_changes_results_is_dropped_and_the_rest_stays(settled):
    foreign = {"NUMBA_DISABLE_JIT": "1", "NPY_PROMOTION_STATE": "legacy", "MATPLOTLIBRC": "mine"}
    stays = {"PATH": "/bin", "NUMBA_CACHE_DIR": "/tmp", "MPLCONFIGDIR": "/tmp", "HOME": "/"}
    assert settled(**foreign, **stays) == stays


@pytest.mark.parametrize("count", ["", "0", "-1", "x", "²", "1.5"])
def test_a_number_of_threads_that_is_none_is_dropped(settled, count):
    assert settled(OMP_NUM_THREADS=count, NUMBA_NUM_THREADS="3") == {"NUMBA_NUM_THREADS": "3"}


def test_warnings_that_are_errors_are_warnings_again(settled, monkeypatch):
    monkeypatch.setattr(sys, "warnoptions", ["error"])
    with warnings.catch_warnings():
        assert settled(PYTHONWARNINGS="error") == {}
        warnings.warn("a library's", DeprecationWarning, stacklevel=1)
    assert sys.warnoptions == []


def test_a_locale_that_the_system_lacks_is_dropped(monkeypatch):
    monkeypatch.setenv("LC_ALL", "xx_YY.KOI8")
    monkeypatch.setenv("MPLBACKEND", "agg")  # so that it is put back
    settle()
    assert "LC_ALL" not in os.environ
    monkeypatch.setenv("LC_ALL", "C")
    settle()
    assert os.environ["LC_ALL"] == "C"


def test_the_kernels_compute_the_same_bits(tmp_path):
    YAML().dump(toy_params(), tmp_path / "params.yaml")
    usual = of_the_kernels(tmp_path, {}, ["polynomial/gd"])
    assert usual["polynomial/gd said"] == "0 "
    assert of_the_kernels(tmp_path, ENVIRONMENTS["kernels"], ["polynomial/gd"]) == usual
