"""The README keeps up with the project: its table of claims is what the docstrings say."""

import re

import pytest
from ruamel.yaml import YAML

from descent.lab.claims import HEADER, renewed
from descent.lab.project import blocks
from toy import ROOT


@pytest.fixture
def readme(monkeypatch):
    monkeypatch.chdir(ROOT)
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_claims_is_made_from_the_docstrings(readme):
    assert renewed(readme) == readme, "make readme"


@pytest.mark.long
def test_the_table_is_all_that_is_renewed(readme):
    before, _, after = renewed(readme).partition(HEADER)
    assert readme.startswith(before)
    rest = after[after.index("\n\n") :]
    assert readme.endswith(rest)
    assert renewed(renewed(readme)) == renewed(readme)


def test_a_readme_without_a_table_is_refused():
    with pytest.raises(ValueError, match="there is no table"):
        renewed("# words\n")


def test_every_experiment_that_the_readme_names_exists(readme):
    named = set(re.findall(r"`(\w+@\w+)`", readme))
    run = {b.stage for b in blocks()}
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    assert run <= named <= {f"{f}@{n}" for f, names in params.items() for n in names}
