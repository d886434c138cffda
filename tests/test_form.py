"""params.yaml has the form that DVC writes, and the page shows it as a person writes it."""

import shutil

import pytest
from ruamel.yaml import YAML

from descent.lab import form
from descent.lab.page.listed import listed
from toy import ROOT

pytest.importorskip("dvc.utils.hydra")


def set_by_dvc(path, *settings):
    """The lines that -S takes out, and those that it puts in."""
    from dvc.utils.hydra import apply_overrides

    before = path.read_text(encoding="utf-8").splitlines()
    apply_overrides(str(path), list(settings))
    after = path.read_text(encoding="utf-8").splitlines()
    return [a for a in before if a not in after], [b for b in after if b not in before], after


@pytest.fixture
def params(tmp_path):
    return shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")


def test_a_number_set_by_dvc_changes_its_line_and_no_other(params):
    settings = ("sensing.exact.seed=97531", "train.mnist.rate=0.0625", "mlp1d.width.points=1e-7")
    gone, come, after = set_by_dvc(params, *settings)
    assert come == ["    rate: 0.0625", "    seed: 97531", "    points: 1e-07 # N"]
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()
    assert len(after) == len(text)
    assert sum(a != b for a, b in zip(after, text, strict=True)) == 3
    assert len(gone) <= 3


def test_a_list_set_by_dvc_changes_its_items_and_keeps_its_comment(params):
    _, come, after = set_by_dvc(params, "train.mnist.hidden=[7531,7532]")
    assert come == ["    - 7531", "    - 7532"]
    start = after.index("    - 7531")
    assert after[start - 1] == "    hidden: # widths"
    assert after[start + 2].startswith("    activation: relu # relu")


def test_what_is_written_by_hand_is_brought_into_that_form(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    hand = "a: # first\n  b: {c: [1.0e-5, 2]} # one\n  d: [[1], [2, 3]] # two\n  e: 1e-3 # three\n"
    form.PARAMS.write_text(hand, encoding="utf-8")
    with pytest.raises(SystemExit, match="make params"):
        form.main("--check")
    form.main()
    assert capsys.readouterr().out == "params.yaml: renewed\n"
    with pytest.raises(SystemExit) as done:
        form.main("--check")
    assert done.value.code == 0
    text = form.PARAMS.read_text(encoding="utf-8")
    assert YAML(typ="safe").load(text) == YAML(typ="safe").load(hand)
    assert form.comments(text) == 4
    before = form.PARAMS.read_bytes()
    form.PARAMS.write_text("a:\n  b:\n  - 1 # of an item\n  - 2\n", encoding="utf-8")
    with pytest.raises(SystemExit):
        form.main()
    assert "1 comments stand where DVC drops them" in capsys.readouterr().err
    assert form.PARAMS.read_bytes() != before


def test_params_yaml_has_that_form():
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert form.as_dvc_writes(text) == text


def test_the_page_shows_a_parameter_a_line_with_its_comment_and_the_same_values():
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    safe, shown = YAML(typ="safe"), listed(text)
    params = safe.load(text)
    assert "hidden: [128, 128, 128] # widths\n" in shown["train"]["mnist"]
    for family in params.keys() - {"download"}:
        assert shown[family].keys() == params[family].keys()
        for name, block in params[family].items():
            assert safe.load(shown[family][name]) == block
            assert shown[family][name].count("\n") == len(block) - 1


WRITTEN = """\
"a": # a family
  'b': # a block
    x: 1e-3 # of x
    # of the next line
    y: [1, "é #"] # of y
    "z": # of z
    - 1 # of an item
    - 'é # ''q' # of an item
    long: >
      two
      lines
    # of nothing
    none:
    m: {k: 1.50} #of m
    anchored: &x [1, 2]
    alias: *x # of the alias
    empty: [] # of nothing
    nested: # of nested
      k: 1
      l: 2 # of l
  c: &base
    p: 1 # of p
    q: 2
  d:
    <<: *base
    q: 3 # of q
"""
SHOWN = """\
x: 1e-3 # of x
y: [1, "é #"] # of y
"z": [1, 'é # ''q'] # of z
long: "two lines\\n"
none: null
m: {k: 1.50} #of m
anchored: [1, 2]
alias: [1, 2] # of the alias
empty: [] # of nothing
nested: {k: 1, l: 2} # of nested"""


def test_whatever_yaml_allows_is_a_line_a_parameter():
    shown = listed(WRITTEN)["a"]
    assert shown["b"] == SHOWN
    assert shown["d"] == "p: 1 # of p\nq: 3 # of q"
    safe = YAML(typ="safe")
    for name, block in safe.load(WRITTEN)["a"].items():
        assert safe.load(shown[name]) == block
