"""Which device, how much memory, and what is said when there is not enough."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from ruamel.yaml import YAML

from descent.config import Refusal
from descent.lab import running
from descent.lab.tracking.store import provenance
from descent.maths import device
from descent.sensing import _memory, _operators, _problem, exact, overparam
from descent.sensing._memory import GIB, peak, require_memory
from fake_cupy import fake_cupy
from toy import ROOT, toy_params


@pytest.fixture
def present(monkeypatch, tmp_path):
    """Say whether there is a CUDA device."""

    def say(there: bool):
        fake = fake_cupy(tmp_path) if there else None
        monkeypatch.setattr(device, "cupy", lambda: fake)

    return say


@pytest.mark.parametrize(
    ("asked", "there", "name"),
    [
        (None, False, "cpu"),
        (None, True, "cuda"),
        ("auto", False, "cpu"),
        ("auto", True, "cuda"),
        ("cpu", True, "cpu"),
        ("cpu", False, "cpu"),
        ("cuda", True, "cuda"),
    ],
)
def test_the_environment_names_the_device(monkeypatch, present, asked, there, name):
    present(there)
    if asked is None:
        monkeypatch.delenv("DESCENT_DEVICE", raising=False)
    else:
        monkeypatch.setenv("DESCENT_DEVICE", asked)
    assert device.name() == name
    assert device.module() is (np if name == "cpu" else device.cupy())
    assert provenance()["device"] == name


@pytest.mark.parametrize(
    ("asked", "there", "rule"),
    [
        ("cuda", False, "DESCENT_DEVICE=cuda: CuPy is not installed or finds no CUDA device"),
        ("gpu", True, "DESCENT_DEVICE=gpu: must be auto, cpu or cuda"),
        ("", True, "DESCENT_DEVICE=: must be auto, cpu or cuda"),
    ],
)
def test_a_device_that_is_not_here_is_refused(monkeypatch, present, asked, there, rule):
    present(there)
    monkeypatch.setenv("DESCENT_DEVICE", asked)
    with pytest.raises(Refusal, match=f"^{rule}$"):
        device.name()


@pytest.mark.long
def test_cupy_is_imported_by_nothing_but_the_device():
    code = "import descent.sensing.overparam, sys; assert 'cupy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": f"{ROOT}/src"})
    found = [
        p for p in (ROOT / "src").rglob("*.py") if "import cupy" in p.read_text(encoding="utf-8")
    ]
    assert found == [ROOT / "src/descent/maths/device.py"]


# --- memory ---


@pytest.mark.long
@pytest.mark.parametrize(("size", "m", "held_out"), [(60, 400, 10), (60, 4000, 10), (40, 50, 3000)])
def test_the_peak_of_a_draw_is_what_is_predicted(monkeypatch, size, m, held_out):
    """NumPy reports its allocations to tracemalloc; vectors of p numbers are what is left out."""
    block = {"seed": 0, "replicates": 1, "size": size, "rank": 1, "oversampling": m / size}
    block |= {
        "held_out": held_out,
        "step": 0.1,
        "steps": 1,
        "milestones": [],
        "snapshots": 1,
        "target": [],
    }
    monkeypatch.setenv("DESCENT_DEVICE", "cpu")
    config = _problem.Config(**block)
    _problem.draw(np.random.default_rng(0), config)  # what is cached once
    tracemalloc.start()
    _problem.draw(np.random.default_rng(0), config)
    measured = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert measured == pytest.approx(peak(size, config.measurements, held_out), rel=0.02)


def test_processes_that_run_side_by_side_share_the_memory(monkeypatch):
    monkeypatch.setenv("DESCENT_DEVICE", "cpu")
    monkeypatch.setattr(_memory, "beside", lambda count: min(count, 4))
    one = peak(50, 100, 7)
    for replicates, processes in ((1, 1), (3, 3), (9, 4)):
        monkeypatch.setattr(device, "free_memory", lambda n=processes: n * one)
        require_memory(50, 100, 7, replicates)
        monkeypatch.setattr(device, "free_memory", lambda n=processes: n * one - 1)
        with pytest.raises(Refusal, match="size 50: making G needs"):
            require_memory(50, 100, 7, replicates)


@pytest.mark.parametrize(
    ("gib", "form"),
    [(60, r"the two-pass form on S .* needs 44\.7 GiB"), (30, "the matrix-free form .* fits")],
)
def test_the_refusal_names_the_sizes_and_the_form_that_fits(monkeypatch, gib, form):
    """p = 2 001 000: G is 29 832 GiB, its tiles half of that, 3000 rows of S are 44.7 GiB."""
    monkeypatch.setenv("DESCENT_DEVICE", "cpu")
    monkeypatch.setattr(device, "free_memory", lambda: gib * GIB)
    sizes = rf"size 2000: making G needs 44794\.2 GiB, {gib}\.0 GiB are available; "
    with pytest.raises(Refusal, match=sizes + ".*" + form):
        require_memory(2000, 3000)


@pytest.mark.parametrize("module", [exact, overparam])
def test_nothing_is_drawn_of_what_does_not_fit(monkeypatch, module):
    def draws(*_):
        raise AssertionError("drawn")

    monkeypatch.setenv("DESCENT_DEVICE", "cpu")
    monkeypatch.setattr(module, "replicate", draws, raising=False)
    monkeypatch.setattr("descent.sensing._trajectories.replicate", draws)
    block = toy_params()["sensing"][module.__name__.split(".")[-1]] | {"size": 3000}
    with pytest.raises(Refusal, match="size 3000: making G needs"):
        module.run(module.Config(**block))
    rng, unused = np.random.default_rng(0), np.random.default_rng(0)
    with pytest.raises(
        Refusal, match="size 3000: making G needs"
    ):  # in the process that draws, too
        _problem.draw(rng, module.Config(**block))
    assert rng.random() == unused.random()


def test_a_device_too_small_for_the_measurements_is_refused(monkeypatch, tmp_path):
    free = 8 * 20 * 10 * _operators.SHARE
    monkeypatch.setattr(device, "cupy", lambda: fake_cupy(tmp_path, free=free))
    _operators.placed(np.ones((20, 10)))
    with pytest.raises(Refusal, match=r"S of 21 measurements needs .* DESCENT_DEVICE=cpu"):
        _operators.placed(np.ones((21, 10)))


@pytest.mark.parametrize(
    ("asked", "rule"),
    [("cpu", "size 3000: making G needs"), ("tpu", "DESCENT_DEVICE=tpu: must be")],
)
def test_a_refusal_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capfd, asked, rule):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DESCENT_DEVICE", asked)
    block = toy_params()["sensing"]["exact"] | {"size": 3000}
    YAML().dump({"sensing": {"exact": block}}, tmp_path / "params.yaml")
    with pytest.raises(SystemExit) as stop:
        running.run("descent.sensing.exact", "sensing/exact")
    (line,) = capfd.readouterr().err.splitlines()
    assert stop.value.code == 2
    assert line.startswith(f"params.yaml: sensing.exact: {rule}")
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
