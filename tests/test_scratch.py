"""Shared memory of the workers ends with their process, in silence."""

import os
import subprocess
import sys
from pathlib import Path

from descent.lab.scratch import FOLDER, shared_memory
from toy import ROOT

# joblib makes its folders so, and leaves one to its tracker where a worker has not let go of it yet.
LEFT = """
import os
from pathlib import Path
from joblib.externals.loky.backend.resource_tracker import register
from descent.lab.scratch import FOLDER, shared_memory
with shared_memory():
    folder = Path(os.environ[FOLDER], "joblib_memmapping_folder_1")
    folder.mkdir()
    register(str(folder), "folder")
print(folder)
"""


def test_a_folder_that_joblib_has_left_goes_without_a_word():
    done = subprocess.run(
        [sys.executable, "-c", LEFT],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not Path(done.stdout.strip()).exists()


def test_the_folder_of_before_is_put_back(monkeypatch):
    monkeypatch.setenv(FOLDER, "mine")
    with shared_memory():
        assert Path(os.environ[FOLDER]).is_dir()
    assert os.environ[FOLDER] == "mine"
