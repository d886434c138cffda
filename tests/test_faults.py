"""Faults of parameters, files, figures and disks: the short forms of the programs in tests/faults."""

import subprocess
import sys

import pytest

from toy import ROOT, clean_environment

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    "name", ["params", "files", "inputs", "figures", "disks", "endless", "settings"]
)
def test_nothing_ends_in_a_traceback_or_in_many_lines(name):
    program = ROOT / f"tests/faults/{name}.py"
    done = subprocess.run(
        [sys.executable, str(program), "--short"],
        env=clean_environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
