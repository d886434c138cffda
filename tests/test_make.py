"""The Makefile: paths with spaces, and values that no shell and no make reads as commands."""

import re
import shutil
import subprocess

import pytest

from toy import ROOT, clean_environment

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


@pytest.fixture
def folder(tmp_path):
    """A folder with a space, the Makefile, and an environment whose programs only say what they were told."""
    root = tmp_path / "my 'own' folder"
    (root / ".venv/bin").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", root)
    for name in ("pyproject.toml", "constraints.txt"):
        (root / name).touch()
    for name in ("python", "mlflow", "dvc", "pytest"):
        program = root / ".venv/bin" / name
        program.write_text(
            '#!/bin/sh\nfor word in "$@"; do echo "<$word>"; done\n', encoding="utf-8"
        )
        program.chmod(0o755)
    (root / ".venv/.ready").touch()
    return root


def told(folder, *arguments, **environment):
    """The words that the program was called with, and the finished process."""
    done = subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=clean_environment() | environment,
        capture_output=True,
        encoding="utf-8",
    )
    return [line[1:-1] for line in done.stdout.splitlines() if line.startswith("<")], done


def test_a_verb_calls_its_door(folder):
    assert told(folder, "repro")[0] == ["stages/repro.py"]
    assert told(folder, "track")[0] == ["stages/track.py"]
    assert told(folder, "readme")[0] == ["stages/claims.py"]
    assert told(folder, "gate")[0] == ["stages/gate.py", "--base=HEAD"]
    assert told(folder, "compare", "REV=v1")[0] == ["stages/gate.py", "--base=v1", "--page"]
    assert told(folder, "compare")[0] == ["stages/gate.py", "--base=", "--page"]
    assert told(folder, "try", "EXP=dynamics@momentum")[0] == [
        "stages/attempt.py",
        "dynamics@momentum",
    ]


def test_the_short_tests_and_all_of_them(folder):
    words, _ = told(folder, "test-all")
    assert "-m" not in words
    assert told(folder, "test")[0] == [*words, "-m", "not long"]


ATTACKS = ["HEAD; touch pwned", "$(touch pwned)", "`touch pwned`", "$(shell touch pwned)", "a b"]


@pytest.mark.parametrize("text", ATTACKS)
@pytest.mark.parametrize(("verb", "name"), [("gate", "BASE"), ("compare", "REV"), ("try", "EXP")])
def test_a_value_is_one_word_and_no_command(folder, verb, name, text):
    prefix = "" if verb == "try" else "--base="
    for words, done in (
        told(folder, verb, f"{name}={text}"),
        told(folder, verb, **{name: text}),
    ):
        assert done.returncode == 0
        assert words[1:] == [prefix + text, *["--page"] * (verb == "compare")]
    assert not (folder / "pwned").exists()


COLUMNS = {
    "Experiment": True,
    "sensing.exact.rank": True,
    "verdict": True,
    "metrics/sensing/exact.json:verdict": True,
    "checks.rate.holds": True,
    "metrics/sensing/exact.json:checks.rate.measured": True,
    "errata.length.stands": True,
    "metrics.error.t=5": False,
    "metrics/sensing/exact.json:metrics.error": False,
    "checks.rate.at.n": False,
    "checks.rate.tol": False,
    "errata.length.printed": False,
    "metrics/sensing/exact.json:errata.length.where": False,
    "src/descent": False,
    "artifacts/sensing/exact.nc": False,
    "stages": False,
}


def test_the_table_of_experiments_has_the_columns_that_a_person_reads(folder):
    words, done = told(folder, "exps")
    assert words[:4] == ["exp", "show", "--only-changed", "--drop"]
    assert words[5:] == ["--md"]  # where there is no terminal, whole at any width
    assert done.returncode == 0
    kept = {name: not re.search(words[4], name) for name in COLUMNS}
    assert kept == COLUMNS


def test_the_ui_is_served_to_this_machine_on_a_port_that_is_a_number(folder):
    words, _ = told(folder, "ui")
    assert words[:2] == ["stages/track.py", "--if-old"]
    assert words[words.index("--host") + 1] == "127.0.0.1"
    assert words[words.index("--port") + 1] == "5000"
    assert words[words.index("--backend-store-uri") + 1] == f"sqlite:///{folder}/mlflow.db"
    assert "5001" in told(folder, "ui", "PORT=5001")[0]
    for port in ("5000 --host 0.0.0.0", "$(touch pwned)", "-1", "$(shell touch pwned)"):
        for words, done in (told(folder, "ui", f"PORT={port}"), told(folder, "ui", PORT=port)):
            assert words == []
            assert done.returncode != 0
            assert "PORT must be a number" in done.stderr
    assert not (folder / "pwned").exists()
