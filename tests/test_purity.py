"""The science neither reads, writes, prints nor plots: that is the stages' work."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src/descent"
# Figures are data, so they are science too; `lab` is what the doors share.
SCIENCE = [p for p in SRC.rglob("*.py") if p.relative_to(SRC).parts[0] != "lab"]
FORBIDDEN = {"matplotlib", "mlflow", "dvc", "ruamel", "json", "pathlib", "os", "sys", "argparse"}
GLOBAL_RANDOM = {"seed", "rand", "randn", "random", "normal", "uniform", "choice", "permutation"}


@pytest.mark.parametrize("path", SCIENCE, ids=lambda p: str(p.relative_to(SRC)))
def test_science_does_no_io_and_keeps_no_hidden_random_state(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
            allowed = {"os"} if path == SRC / "maths/device.py" else set()  # DESCENT_DEVICE
            assert not {n.split(".")[0] for n in names if n} & (FORBIDDEN - allowed)
        assert not (isinstance(node, ast.Name) and node.id in {"print", "open"})
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "random"):
            assert node.attr not in GLOBAL_RANDOM


@pytest.mark.parametrize(
    "path",
    [p for p in SCIENCE if "def run(" in p.read_text(encoding="utf-8")],
    ids=lambda p: p.stem,
)
def test_an_experiment_states_its_claim_and_its_source(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring.splitlines()[0].endswith(".")
    assert "Source: " in docstring


@pytest.mark.parametrize(
    "path", [*SCIENCE, *SRC.glob("*/figures.py")], ids=lambda p: str(p.relative_to(SRC))
)
def test_science_and_figures_know_nothing_of_the_lab(path):
    """So a change of the page or of the tracking reruns no experiment."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert not node.module.startswith("descent.lab")
            assert (node.module, "lab") not in {("descent", a.name) for a in node.names}
