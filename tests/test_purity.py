"""The science neither reads, writes, prints nor plots: that is the stages' work."""

import ast
from functools import cache
from pathlib import Path

SRC = Path(__file__).parents[1] / "src/descent"
# Figures are data, so they are science too; `lab` is what the doors share, and `__main__` is a door.
SCIENCE = [
    p for p in SRC.rglob("*.py") if p.relative_to(SRC).parts[0] != "lab" and p.name != "__main__.py"
]
FORBIDDEN = {"matplotlib", "mlflow", "dvc", "ruamel", "json", "pathlib", "os", "sys", "argparse"}
GLOBAL_RANDOM = {"seed", "rand", "randn", "random", "normal", "uniform", "choice", "permutation"}


def where(path: Path) -> str:
    return str(path.relative_to(SRC))


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_bytes())))


def impure(path: Path, node: ast.AST) -> bool:
    """Whether a statement does what science leaves to the stages, or keeps a hidden random state."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
        allowed = {"os"} if path == SRC / "maths/device.py" else set()  # DESCENT_DEVICE
        return bool({n.split(".")[0] for n in names if n} & (FORBIDDEN - allowed))
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "random"):
        return node.attr in GLOBAL_RANDOM
    return isinstance(node, ast.Name) and node.id in {"print", "open"}


def test_science_does_no_io_and_keeps_no_hidden_random_state():
    found = [f"{where(p)}:{n.lineno}" for p in SCIENCE for n in nodes(p) if impure(p, n)]
    assert found == []


def test_an_experiment_states_its_claim_and_its_source():
    found = []
    for path in SCIENCE:
        if "def run(" in (text := path.read_text(encoding="utf-8")):
            docstring = ast.get_docstring(ast.parse(text)) or "?"
            if not (docstring.splitlines()[0].endswith(".") and "Source: " in docstring):
                found.append(where(path))
    assert found == []


def of_the_lab(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and (
        (node.module or "").startswith("descent.lab")
        or ("descent", "lab") in {(node.module, a.name) for a in node.names}
    )


def test_science_and_figures_know_nothing_of_the_lab():
    """So a change of the page or of the tracking reruns no experiment."""
    found = [f"{where(p)}:{n.lineno}" for p in SCIENCE for n in nodes(p) if of_the_lab(n)]
    assert found == []
