"""dvc.yaml tells the truth: a stage depends on exactly the files its command can read as code."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")
STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]


def first_party_imports(path: Path) -> set[Path]:
    """Files of src/descent, or beside a stage, that this file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] == "descent" for alias in node.names), path
        if isinstance(node, ast.ImportFrom):
            base = ROOT / "src" / node.module.replace(".", "/")
            found |= {base.with_suffix(".py"), path.parent / f"{node.module}.py"}
            found |= {base / f"{alias.name}.py" for alias in node.names}
    return {file for file in found if file.exists()}


def closure(*paths: Path) -> set[Path]:
    seen, todo = set(), list(paths)
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo += first_party_imports(file)
    return seen


def expanded(stage: dict) -> dict[str, dict]:
    """The stage for every key of its foreach, or itself."""
    if "foreach" not in stage:
        return {"": stage}
    keys = stage["foreach"]
    keys = PARAMS[keys[2:-1]] if isinstance(keys, str) else keys

    def fill(text, key):
        return text.replace("${key}", key).replace("${item}", key)

    return {
        key: {
            "cmd": fill(stage["do"]["cmd"], key),
            "deps": [fill(dep, key) for dep in stage["do"]["deps"]],
        }
        for key in keys
    }


def needed(stage: dict) -> set[Path]:
    """Code and inputs of the stage's command."""
    _, script, *arguments = stage["cmd"].split()
    files = [ROOT / script]
    if script == "stages/run.py":
        files.append(ROOT / "src" / f"{arguments[0].replace('.', '/')}.py")
        inputs = {ROOT / path for path in arguments[2:]}
    elif script == "stages/draw.py":
        files.append(ROOT / f"src/descent/{arguments[0]}/figures.py")
        inputs = {ROOT / f"artifacts/{arguments[0]}"}
    else:
        inputs = {ROOT / dep for dep in stage["deps"] if not dep.endswith(".py")}
    return closure(*files) | inputs


@pytest.mark.parametrize("group", STAGES)
def test_a_stage_depends_on_exactly_what_it_reads(group):
    spare = None
    for key, stage in expanded(STAGES[group]).items():
        declared = {ROOT / dep for dep in stage["deps"]}
        missing = needed(stage) - declared
        assert not missing, f"stale results: {group}@{key} does not declare {missing}"
        unread = {dep for dep in declared - needed(stage) if dep.name != f"{key}.py"}
        spare = unread if spare is None else spare & unread
    assert not spare, f"needless reruns: nothing in {group} reads {spare}"


def test_report_and_track_see_every_family():
    families = {f for f in PARAMS if "stages/run.py" in STAGES[f]["do"]["cmd"]}
    assert set(STAGES["draw"]["foreach"]) == families
    for stage in ("report", "track"):
        assert {f"artifacts/{family}" for family in families} <= set(STAGES[stage]["deps"])
    assert set(STAGES["report"]["params"]) == set(STAGES["track"]["params"]) == families


def test_package_inits_are_empty():
    """An __init__ that imports would make every stage depend on every module."""
    assert not [p for p in (ROOT / "src").rglob("__init__.py") if p.read_text().strip()]


@pytest.mark.parametrize(
    ("folder", "suffix"), [("metrics", ".json"), ("plots", ".svg"), ("plots", ".json")]
)
def test_blocks_and_committed_files_are_one_to_one(folder, suffix):
    families = {f: PARAMS[f] for f in PARAMS if "stages/run.py" in STAGES[f]["do"]["cmd"]}
    expected = {f"{family}/{name}{suffix}" for family in families for name in families[family]}
    found = {str(p.relative_to(ROOT / folder)) for p in (ROOT / folder).rglob(f"*{suffix}")}
    assert found == expected


def test_every_pair_of_scales_of_a_curve_is_declared_as_plots_and_has_a_template():
    pipeline = YAML(typ="safe").load(ROOT / "dvc.yaml")
    declared = {path: look["template"] for plot in pipeline["plots"] for path, look in plot.items()}
    assert {f"curves/{p.name}" for p in (ROOT / "curves").iterdir()} <= set(declared)
    templates = {p.stem: p.read_text() for p in (ROOT / ".dvc/plots").glob("*.json")}
    assert set(declared.values()) == set(templates)
    # They differ in nothing but the scales of their axes.
    linear, log = '"zero": false', '"type": "log"'
    assert len({text.replace(log, linear) for text in templates.values()}) == 1
    assert len(set(templates.values())) == len(templates)
