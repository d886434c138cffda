"""dvc.yaml tells the truth: a stage depends on the code that it uses, its parameters, its inputs, and nothing else."""

import ast
import re
from modulefinder import ModuleFinder
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from descent import lab
from descent.lab.closure import Dynamic, closure, code_digest, imported
from descent.lab.digests import SAID, digests, experiments
from descent.lab.project import blocks, families
from toy import EXPERIMENTS, ROOT, copy_code

SRC = ROOT / "src"
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")
PIPELINE = YAML(typ="safe").load(ROOT / "dvc.yaml")
STAGES = PIPELINE["stages"]
FAMILIES = families(ROOT / "dvc.yaml")
SCIENCE = [
    p for p in sorted(SRC.rglob("*.py")) if "lab" not in p.relative_to(SRC / "descent").parts
]


# ---- dvc.yaml.


@pytest.mark.parametrize("family", FAMILIES)
def test_an_experiment_depends_on_its_code_its_parameters_and_its_inputs(family):
    stage = STAGES[family]
    assert stage["foreach"] == f"${{{family}}}"
    body = stage["do"]
    _, door, module, block, *inputs = body["cmd"].split()
    package, _, name = module.rpartition(".")
    assert (door, package, block) == ("stages/run.py", f"descent.{family}", f"{family}/${{key}}")
    assert body["deps"] == [f"artifacts/code/{family}/{name}.txt", *inputs]
    assert body["params"] == [f"{family}.${{key}}"]
    (out,), (metrics,) = body["outs"], body["metrics"]
    assert list(out) == [f"artifacts/{family}/${{key}}.nc"]
    assert list(metrics) == [f"metrics/{family}/${{key}}.json"]
    assert body["desc"].endswith("?")


def test_the_other_stages_depend_on_their_code_and_on_what_they_read():
    def deps(stage):
        return STAGES[stage].get("do", STAGES[stage])["deps"]

    assert deps("code") == ["src/descent", "stages"]
    assert deps("download") == ["artifacts/code/download.txt"]
    assert deps("own") == ["artifacts/code/own.txt", "data", "examples"]
    assert STAGES["own"]["params"] == ["probe"]
    assert deps("draw") == ["artifacts/code/${item}/figures.txt", "artifacts/${item}"]
    assert deps("curves") == ["artifacts/code/curves.txt", "plots"]
    assert deps("report") == ["artifacts/code/report.txt", "params.yaml", "metrics", "plots"]
    assert deps("track") == ["artifacts/code/track.txt", "params.yaml", "metrics", "plots"]
    others = {"code", "download", "own", "draw", "curves", "report", "track"}
    assert set(STAGES) == others | set(FAMILIES)


def test_every_family_is_drawn():
    assert STAGES["draw"]["foreach"] == list(FAMILIES)
    assert set(FAMILIES) == set(PARAMS) - {"download"}


def test_no_experiment_waits_for_data_that_it_does_not_read():
    """The stages of a foreach group share one template, so a family is of experiments that take the same inputs."""
    waiting = [
        block.stage
        for block in blocks(ROOT / "params.yaml", ROOT / "dvc.yaml")
        if len(block.upstream) > len(_run_arguments(ROOT / block.source))
    ]
    assert waiting == []


def _run_arguments(source: Path) -> list[str]:
    """Of `run`, without the Config."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    (run,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "run")
    return [argument.arg for argument in run.args.args[1:]]


# ---- Blocks, modules and files.


def test_every_experiment_has_its_digest():
    """Which modules are experiments is what tests/test_house.py says; here, that the digests know it."""
    used = {block.module for block in blocks(ROOT / "params.yaml", ROOT / "dvc.yaml")}
    found = {".".join(path.relative_to(SRC).with_suffix("").parts) for path in experiments(SRC)}
    assert found == used


def test_package_inits_are_empty():
    """An __init__ that imports would make every stage depend on every module.

    That of the lab imports too, but only when a person asks it for `lab.run`, say.
    """
    full = [p for p in SRC.rglob("__init__.py") if p.read_text(encoding="utf-8").strip()]
    assert full == [SRC / "descent/lab/__init__.py"]


def test_no_stage_asks_the_lab_for_what_it_looks_up():
    """Neither through what it imports nor by name, so nothing that a stage does depends on that code."""
    doors = sorted((ROOT / "stages").glob("*.py"))
    used = closure(*doors, *experiments(SRC), src=SRC)
    assert SRC / "descent/lab/api.py" not in used
    for path in used:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text if re.search(r"from descent(\.lab)? import", text) else "")
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in ("descent", "descent.lab"):
                assert not {alias.name for alias in node.names} & {"lab", *lab.PUBLIC}, path


@pytest.mark.parametrize(
    ("folder", "suffix"), [("metrics", ".json"), ("plots", ".svg"), ("plots", ".json")]
)
def test_blocks_and_committed_files_are_one_to_one(folder, suffix):
    expected = {f"{family}/{name}{suffix}" for family in FAMILIES for name in PARAMS[family]}
    found = {str(p.relative_to(ROOT / folder)) for p in (ROOT / folder).rglob(f"*{suffix}")}
    assert found == expected


def test_every_pair_of_scales_of_a_curve_is_declared_as_plots_and_has_a_template():
    declared = {path: look["template"] for plot in PIPELINE["plots"] for path, look in plot.items()}
    assert {f"curves/{p.name}" for p in (ROOT / "curves").iterdir()} <= set(declared)
    files = (ROOT / ".dvc/plots").glob("*.json")
    templates = {p.stem: p.read_text(encoding="utf-8") for p in files}
    assert set(declared.values()) == set(templates)
    # They differ in nothing but the scales of their axes.
    linear, log = '"zero": false', '"type": "log"'
    assert len({text.replace(log, linear) for text in templates.values()}) == 1
    assert len(set(templates.values())) == len(templates)


# ---- The digests: of the project.


def followed(node: ast.AST) -> bool:
    """Whether the closure of a module sees what this statement imports."""
    if isinstance(node, ast.Import):
        return not {alias.name.split(".")[0] for alias in node.names} & {"descent", "importlib"}
    if isinstance(node, ast.ImportFrom):
        of = (node.module or "").split(".")[0]
        return node.level == 0 and of != "importlib" and node.names[0].name != "*"
    return not (isinstance(node, ast.Name) and node.id in {"__import__", "exec", "eval"})


def test_science_imports_in_a_form_that_can_be_followed():
    for path in SCIENCE:
        tree = ast.parse(path.read_bytes())
        assert [n.lineno for n in ast.walk(tree) if not followed(n)] == [], path


@pytest.mark.parametrize("path", experiments(SRC), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_the_closure_is_what_python_finds_in_the_bytecode(path):
    finder = ModuleFinder(path=[str(SRC)])
    finder.run_script(str(path))
    found = {Path(m.__file__) for m in finder.modules.values() if m.__file__}
    family = {path.parent / "__init__.py", SRC / "descent/__init__.py"}  # of the script itself
    assert closure(path, src=SRC) | family == found | family


def test_every_module_is_used_by_somebody():
    doors = [ROOT / door for door in set(re.findall(r"stages/\w+\.py", str(PIPELINE)))]
    doors.append(SRC / "descent/sensing/sharded/__main__.py")  # of its own, for torchrun
    figures = SRC.glob("descent/*/figures.py")
    called = closure(*doors, *figures, *experiments(SRC), src=SRC)
    used = {path.relative_to(ROOT).as_posix() for path in called}
    tools = {
        "attempt",
        "claims",
        "closure",
        "digests",
        "form",
        "leftovers",
        "lockfile",
    }  # no stage's
    tools |= {
        "recover",
        "repro",
        "verify",
        "ahead",
        "side_by_side",
        "spared",
        "warm",
        "woken",
        "progress",
        "outcome",
        "dated",
    }
    tools |= {"quick", "compare", "reports", "standing", "shown"}  # the last four of the gate
    tools |= {"compared", "over", "two_times"}  # of the page that the gate writes
    tools |= {
        "api",
        "asked",
        "cli",
        "painted",
        "ran",
        "reading",
        "records",
        "roots",
        "settings",
        "stored",
        "tables",
    }
    found = {p.relative_to(ROOT).as_posix() for p in SRC.rglob("*.py") if p.stem not in tools}
    assert {p for p in found - used if not p.endswith("__init__.py")} == set()


# ---- The digests: of the toy science, changed in every way.


@pytest.fixture
def toy(tmp_path):
    copy_code(tmp_path)
    return tmp_path


USERS = {
    "descent/maths/ladder.py": {"alpha/quick", "alpha/swept", "beta/ends"},
    "descent/alpha/_sums.py": {"alpha/quick", "alpha/swept"},
    "descent/alpha/_noise.py": {"alpha/swept"},
    "descent/alpha/quick.py": {"alpha/quick"},
    "descent/alpha/swept.py": {"alpha/swept"},
    "descent/alpha/figures.py": {"alpha/figures"},
    "descent/beta/ends.py": {"beta/ends"},
    "descent/maths/replicates.py": {"alpha/swept"},
    "descent/maths/elsewhere.py": {"alpha/quick", "alpha/swept", "beta/ends", "photos/count"},
    "descent/figure.py": {"alpha/figures", "beta/figures", "photos/figures"},
    "descent/lab/results.py": {"alpha/quick", "alpha/swept", "beta/ends", "photos/count"},
    "descent/lab/sources.py": {"download"},
    "descent/lab/page/entries.py": {"report"},
    "descent/lab/page/report.css": {"report"},
    "descent/lab/tracking/store.py": {"track"},
    "descent/lab/gate/compare.py": set(),
    "descent/alpha/__init__.py": {"alpha/quick", "alpha/swept", "alpha/figures"},
}
DOORS = {"report", "track", "curves", "alpha/figures", "beta/figures", "photos/figures"}


def moved(before, after):
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    return {name.removesuffix(".txt") for name in changed}


@pytest.mark.parametrize("path", USERS)
def test_code_that_changes_moves_the_digests_of_who_uses_it_and_no_others(toy, path):
    before = digests(toy)
    with (toy / "src" / path).open("a", encoding="utf-8") as file:
        file.write("\nadded_by_a_test = 1\n")
    found = moved(before, digests(toy))
    # What the doors share with the experiments moves theirs, too.
    shared = DOORS - USERS[path] if "/lab/" in path or path == "descent/figure.py" else set()
    assert found - shared == USERS[path]


@pytest.mark.parametrize("family", EXPERIMENTS)
def test_every_statement_of_a_module_is_in_its_digest(toy, family):
    """Each removed in turn; what is left need not run."""
    for path in sorted((toy / "src/descent" / family).glob("*.py")):
        text = path.read_text(encoding="utf-8")
        whole = code_digest(path)
        lines = text.splitlines(keepends=True)
        for node in ast.parse(text).body[1:]:
            path.write_text(
                "".join(lines[: node.lineno - 1] + lines[node.end_lineno :]), encoding="utf-8"
            )
            assert code_digest(path) != whole, ast.unparse(node)
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def partial(", "# a comment\n\n\ndef partial("),
        ('"""Sums of powers."""', '"""Other words."""'),
        ('"""Sums of powers."""\n', ""),
        ("SCALE = 1.0  #", "SCALE = (\n    1.0\n)  # another comment"),
        ('"""SCALE · (q⁰ + … + qᵏ) for k = 0, …, count."""', '"""Words."""'),
        ("(q: float, count: int)", "(\n    q: float,\n    count: int,\n)"),
        ("import numpy as np", "import  numpy  as  np"),
    ],
)
def test_comments_docstrings_and_layout_move_nothing(toy, old, new):
    path, before = toy / "src/descent/alpha/_sums.py", digests(toy)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert digests(toy) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SCALE = 1.0", "SCALE = 1"),
        ("SCALE = 1.0", 'SCALE = "1.0"'),
        ("count + 1.0", "count + 1.5"),
        ("return SCALE", "return -SCALE"),
        ("q: float, count: int", "q: float, count: int = 3"),
        ("np.cumsum(q", "np.cumsum(count"),
    ],
)
def test_any_other_change_is_one(toy, old, new):
    path = toy / "src/descent/alpha/_sums.py"
    before, text = code_digest(path), path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert code_digest(path) != before


def test_the_words_of_an_experiment_move_the_page_and_what_to_see_its_figure(toy):
    path, before = toy / "src/descent/alpha/quick.py", digests(toy)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("shrinks by q", "becomes smaller by q"), encoding="utf-8")
    assert moved(before, digests(toy)) == {"report"}
    assert digests(toy)["report.txt"].split(SAID)[0] == before["report.txt"].split(SAID)[0]
    path.write_text(text.replace("See: the sums", "See: both sums"), encoding="utf-8")
    assert moved(before, digests(toy)) == {"report", "alpha/figures"}


@pytest.mark.parametrize(
    "statement",
    [
        "from descent.maths.extra import one",
        "from descent.maths import extra",
        "import descent.maths.extra",
        "from ..maths import extra",
        "def later():\n    from descent.maths.extra import one\n",
        "try:\n    from descent.maths import extra as other\nexcept ImportError:\n    pass\n",
    ],
)
def test_a_module_counts_however_it_is_imported(toy, statement):
    extra = toy / "src/descent/maths/extra.py"
    extra.write_text("one = 1\n", encoding="utf-8")
    before = digests(toy)
    with (toy / "src/descent/beta/ends.py").open("a", encoding="utf-8") as file:
        file.write(f"\n{statement}\n")
    used = digests(toy)
    assert moved(before, used) == {"beta/ends"}
    extra.write_text("one = 2\n", encoding="utf-8")
    assert moved(used, digests(toy)) == {"beta/ends"}


def test_an_import_of_everything_is_refused():
    with pytest.raises(Dynamic, match=r"from descent\.maths import \*"):
        imported(ast.parse("from descent.maths import *"), "")


def test_a_new_module_and_one_that_goes_have_a_file_and_have_none(toy):
    before = digests(toy)
    text = (toy / "src/descent/alpha/quick.py").read_text(encoding="utf-8")
    (toy / "src/descent/alpha/other.py").write_text(text, encoding="utf-8")
    assert moved(before, digests(toy)) == {"alpha/other", "alpha/figures", "report"}
    (toy / "src/descent/alpha/quick.py").unlink()
    assert "alpha/quick.txt" not in digests(toy)
