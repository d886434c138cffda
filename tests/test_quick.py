"""make quick: toy runs and their page in a folder of its own, and nothing else is touched."""

import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from toy import ROOT, clean_environment

CALL = """
import sys
sys.path[:0] = [{src!r}, {tests!r}]
from pathlib import Path
import descent.lab.quick as quick
quick.TOY = Path("few.yaml")
if __name__ == "__main__":
    sys.exit(quick.main())
"""


@pytest.mark.long
def test_a_first_look_has_its_results_and_its_page_apart_and_goes_on_without_what_fails(tmp_path):
    for name in ("src", "params.yaml", "dvc.yaml", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    toy = YAML(typ="safe").load(ROOT / "tests/toy.yaml")
    few = {"linear": {"plane": toy["linear"]["plane"], "row_space": {"seed": -1}}}
    YAML().dump(few, tmp_path / "few.yaml")
    script = tmp_path / "call.py"
    script.write_text(CALL.format(src=f"{ROOT / 'src'}", tests=f"{ROOT / 'tests'}"), "utf-8")
    before = {path.name for path in tmp_path.iterdir()}
    environment = clean_environment() | {"DESCENT_JOBS": "1"}
    streams = {"capture_output": True, "encoding": "utf-8", "timeout": 300}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, **streams)
    assert done.returncode == 1, done.stderr
    failed, claims, last = done.stdout.splitlines()
    assert failed.startswith("linear@row_space: params.yaml: linear.row_space.seed: ")
    assert claims == "1 claim: 1 hold"
    assert last.endswith("open artifacts/quick/report/index.html")
    assert {path.name for path in tmp_path.iterdir()} == before | {"artifacts"}
    page = (tmp_path / "artifacts/quick/report/index.html").read_text(encoding="utf-8")
    assert "A first look at toy size" in page
    assert "linear@plane" in page
    drawn = {path.name for path in (tmp_path / "artifacts/quick/plots/linear").iterdir()}
    assert drawn == {"plane.svg", "plane.json"}
