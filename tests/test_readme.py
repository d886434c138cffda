"""The README keeps up with the project."""

import re

from ruamel.yaml import YAML

from descent.lab.project import blocks
from toy import ROOT


def test_the_table_of_claims_names_every_experiment():
    named = re.findall(r"`(\w+@\w+)`", (ROOT / "README.md").read_text())
    run = {b.stage for b in blocks(ROOT / "params.yaml", ROOT / "dvc.yaml")}
    known = {
        f"{f}@{n}"
        for f, names in YAML(typ="safe").load(ROOT / "params.yaml").items()
        for n in names
    }
    assert run <= set(named) <= known
