"""What a door takes out of its environment, and that the compiled kernels compute the same in any."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from descent.lab import environment, running
from descent.lab.environment import require_clone, require_system, settle
from faults.environments import ENVIRONMENTS, of_the_kernels
from toy import clean_environment, toy_params


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


@pytest.mark.long
def test_the_kernels_compute_the_same_bits(tmp_path):
    YAML().dump(toy_params(), tmp_path / "params.yaml")
    usual = of_the_kernels(tmp_path, {}, ["polynomial/gd"])
    assert usual["polynomial/gd said"] == "0 "
    assert of_the_kernels(tmp_path, ENVIRONMENTS["kernels"], ["polynomial/gd"]) == usual


@pytest.fixture
def tarball(tmp_path, monkeypatch):
    """The project as an archive has it: without .git."""
    (tmp_path / "dvc.yaml").write_text("stages: {}", encoding="utf-8")
    (tmp_path / ".dvc").mkdir()
    ceiling = {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    monkeypatch.setattr(environment, "without_git", lambda: clean_environment() | ceiling)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys) -> str:
    """The line with which a clone is refused."""
    with pytest.raises(SystemExit) as stop:
        require_clone()
    (line,) = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2
    return line


def test_a_tarball_is_refused_with_what_to_do(tarball, capsys):
    line = refused(capsys)
    assert line.startswith("this folder is no clone (fatal: not a git repository")
    assert "`git init && git add -A && git commit -m start`" in line
    subprocess.run(["git", "init", "-q"], check=True, env=clean_environment())
    require_clone()


@pytest.mark.parametrize("closed", [".", ".dvc"])
def test_a_clone_that_cannot_be_written_is_refused(tarball, capsys, monkeypatch, closed):
    subprocess.run(["git", "init", "-q"], check=True, env=clean_environment())
    # Root may write anywhere, so the system's answer is not asked for.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != Path(closed))
    assert refused(capsys) == f"{Path(closed).resolve()}: cannot be written: " + (
        "clone to a folder of your own"
    )


def test_elsewhere_and_without_git_are_lines(tarball, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert refused(capsys).startswith("git cannot be called (No such file or directory)")
    Path("dvc.yaml").unlink()
    assert refused(capsys) == "dvc.yaml: not found; run this from the root of the repository"


@pytest.mark.parametrize("platform", ["win32", "cygwin", "emscripten"])
def test_a_system_that_nobody_has_tried_is_a_line(platform, monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(SystemExit) as stop:
        require_system()
    (line,) = capsys.readouterr().err.splitlines()
    assert (stop.value.code, line) == (
        2,
        f"{platform} is not supported: use Linux, macOS, or WSL on Windows",
    )


def test_memory_is_told_in_mib_and_not_at_all_without_resource(monkeypatch):
    usual = running.peak()
    assert 10 < usual < 100_000
    monkeypatch.setattr(sys, "platform", "darwin")  # bytes there, KiB elsewhere
    assert running.peak() == pytest.approx(usual / 1024, abs=1 + usual / 100)
    monkeypatch.setitem(sys.modules, "resource", None)
    assert running.peak() == 0
