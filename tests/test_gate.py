"""stages/gate.py: what it lets pass, what it fails, what it cannot use."""

import json
import os
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from descent.lab.gate import compare as gate
from descent.lab.gate.rules import tolerances
from descent.lab.outcome import outcome
from toy import ROOT

HELD = {"checks": {"law": {"holds": True}}, "errata": {"print": {"stands": True}}}
LOST = {"checks": {"law": {"holds": False}}, "errata": {"print": {"stands": False}}}
NONE = {"checks": {}, "errata": {}}
DOOR = ROOT / "stages/gate.py"
RULES = """
- {pattern: "a/one:loose.*", relative: 0.1, absolute: 0, reason: noisy}
- {pattern: "a/one:*", relative: 0, absolute: 0.5, reason: coarse}
- {pattern: "*", relative: 1.0e-9, absolute: 1.0e-13, reason: deterministic}
"""


def git(*arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def write(metrics, verdicts=NONE, name="a/one") -> Path:
    path = Path(f"metrics/{name}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"metrics": metrics, **verdicts}), encoding="utf-8")
    return path


def commit() -> None:
    git("add", ".")
    git("commit", "-q", "--allow-empty", "-m", "state")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The current folder: an empty repository with metrics/ and tolerances."""
    for variable in [v for v in os.environ if v.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    Path("rules.yaml").write_text(RULES, encoding="utf-8")
    Path("metrics").mkdir()
    git("init", "-q")
    return tmp_path


@pytest.fixture
def run(repository, capsys):
    """gate.main with these tolerances: its exit code and what it printed, all of it if nothing else is asked."""

    def run(*arguments: str, how: tuple[str, ...] = ("--all",)) -> tuple[int, str]:
        code = gate.main("--tolerances", "rules.yaml", *how, *arguments)
        return code, capsys.readouterr().out

    return run


def rows(report: str) -> list[list[str]]:
    """The cells of the table, as GitHub splits them."""
    lines = [line for line in report.splitlines() if line.startswith("|")]
    cells = [line.replace(r"\\", "\0").replace(r"\|", "\1").split("|") for line in lines]
    assert len({len(row) for row in cells}) <= 1, "a row with a cell too many is no table"
    return [[c.replace("\0", "\\").replace("\1", "|").strip() for c in row[1:-1]] for row in cells]


def verdicts(report: str) -> dict[str, str]:
    return {row[0]: row[-1] for row in rows(report)[2:]}


def listed(report: str, title: str) -> list[str]:
    _, _, after = report.partition(f"\n{title}:\n\n")
    return [line[2:] for line in after.partition("\n\n")[0].splitlines()]


def test_what_did_not_change_passes_with_one_line(run):
    write({"x": 1, "y": {"t=0": 2.5, "t=1": 0}}, HELD)
    write({"x": 3}, LOST, "b/two")
    commit()
    code, report = run()
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, encoding="utf-8"
    ).stdout
    assert code == 0
    assert report == (
        f"gate: 4 metrics in 2 experiments against HEAD ({head[:7]}): 0 moved, 0 failures\n"
    )


@pytest.mark.parametrize(
    ("name", "base", "now", "verdict"),
    [
        ("b/two", 1.0, 1.0 + 5e-13, None),  # too little to speak of
        ("b/two", 1.0, 1.0 + 5e-10, "ok"),
        ("b/two", 1.0, 1.0 + 5e-9, "FAIL"),
        ("b/two", -1.0, -1.0 - 5e-10, "ok"),
        ("b/two", -1.0, -1.0 - 5e-9, "FAIL"),
        ("b/two", 0.0, 9e-14, "ok"),
        ("b/two", 0.0, 2e-13, "FAIL"),
        ("b/two", 1e308, -1e308, "FAIL"),
        ("a/one", 10.0, 10.5, "ok"),
        ("a/one", 10.0, 9.4, "FAIL"),
    ],
)
def test_a_metric_may_move_by_absolute_plus_relative_times_base(run, name, base, now, verdict):
    write({"x": base}, name=name)
    commit()
    write({"x": now}, name=name)
    code, report = run()
    assert verdicts(report) == ({f"{name}:x": verdict} if verdict else {})
    assert code == (verdict == "FAIL")
    assert f" {int(verdict is not None)} moved, {code} failures\n" in report


def test_a_move_below_the_noise_is_shown_if_it_fails(run):
    exact = '- {pattern: "*:count", relative: 0, absolute: 0, reason: a count}'
    Path("rules.yaml").write_text(exact + RULES, encoding="utf-8")
    write({"a": 1.0, "count": 1.0})
    commit()
    write({"a": 3.0, "count": 1.0 + 2.0**-52})
    code, report = run()
    assert code == 1
    assert list(verdicts(report).items()) == [("a/one:count", "FAIL"), ("a/one:a", "FAIL")]


def test_the_first_pattern_that_matches_counts(run):
    write({"loose": {"t=0": 1.0}, "x": 1.0})
    commit()
    write({"loose": {"t=0": 1.3}, "x": 1.3})
    code, report = run()
    assert code == 1
    assert verdicts(report) == {"a/one:loose.t=0": "FAIL", "a/one:x": "ok"}


def test_the_table_has_the_largest_moves_in_units_of_the_tolerance_first(run):
    names = [f"x{k:02}" for k in range(60)]
    write(dict.fromkeys(names, 100.0))
    commit()
    write({name: 100.0 + (1 + k // 2) / 100 for k, name in enumerate(names)})
    code, report = run()
    assert code == 0
    header, rule, *moves = rows(report)
    assert header == ["metric", "base", "now", "change", "tolerance", "verdict"]
    assert set("".join(rule)) == {"-", ":"}
    by_size = sorted(range(60), key=lambda k: (-(k // 2), k))
    assert [move[0] for move in moves] == [f"a/one:x{k:02}" for k in by_size]
    assert moves[0] == ["a/one:x58", "100", "100.3", "+3.00e-01", "5.00e-01", "ok"]
    assert run() == (code, report)
    code, short = run(how=())
    assert code == 0
    assert short.splitlines()[1:] == [
        "",
        "60 metrics moved within tolerance, the largest by 0.6 of it: a/one:x58",
    ]


def test_the_summary_has_what_fails_and_the_parameters_first_and_forty_lines_at_the_most(run):
    numbers = {f"x{k:02}": 1.0 for k in range(60)}
    held = {"checks": {f"c{k}": {"holds": True} for k in range(9)}, "errata": {}}
    lost = {"checks": {f"c{k}": {"holds": False} for k in range(9)}, "errata": {}}
    Path("params.yaml").write_text(
        json.dumps(
            {"a": {"one": {f"p{k}": k for k in range(9)} | {"long": [1] * 99}, "two": {"x": 1}}}
        ),
        encoding="utf-8",
    )
    write(numbers, held)
    write(numbers, lost, "a/two")
    commit()
    write({name: 1.0 + k / 50 for k, name in enumerate(numbers)} | {"new": 1.0, "more": 2.0}, lost)
    write(numbers, held, "a/two")
    changed = {f"p{k}": k + 1 for k in range(9)} | {"long": [2] * 99}
    new = {"deep": {"a": 1, "b": 2}}
    Path("params.yaml").write_text(json.dumps({"a": {"one": changed}, "b": new}), encoding="utf-8")
    code, report = run(how=())
    assert code == 1
    assert len(report.splitlines()) <= 40
    assert max(map(len, report.splitlines())) < 200
    parameters = listed(report, "Parameters")
    assert parameters[:2] == ["a.one.p0: 1, was 0", "a.one.p1: 2, was 1"]
    assert parameters[-1] == "… and 8 more: --all shows them"
    assert listed(run()[1], "Parameters")[-2:] == ["b: new", "a.two: removed"]
    assert listed(report, "Failures")[0] == "a/one: check c0: held, does not hold"
    assert listed(report, "Verdicts")[0] == "a/two: check c0: did not hold, holds"
    assert list(verdicts(report)) == [f"a/one:x{k}" for k in (59, 58, 57, 56)]
    assert "… and 30 more failures" in report
    assert "25 metrics moved within tolerance, the largest by 1 of it: a/one:x25" in report
    assert report.endswith("\nNew: 2 metrics\n")


def test_names_cannot_break_the_table(run):
    name = "‖g‖ a|b\\|c\nd"
    write({name: 1.0})
    commit()
    write({name: 1.1})
    _, report = run()
    assert verdicts(report) == {"a/one:‖g‖ a|b\\|c d": "ok"}


def test_a_lost_verdict_fails(run):
    write({"x": 1}, HELD)
    commit()
    for now, state in ((LOST, "does not hold"), (NONE, "vanished")):
        write({"x": 1}, now)
        code, report = run()
        assert code == 1
        verdict = "does not hold" if now is LOST else "no claim"
        assert listed(report, "Failures") == [
            f"a/one: check law: held, {state}",
            f"a/one: erratum print: held, {state}",
            f"a/one: the claim: was 'holds', is '{verdict}'",
        ]


def second(verdict, **more):
    """A report of the present schema."""
    return {"schema": 2, "verdict": verdict, "no_claim": [], "unchecked": {}, **NONE} | more


@pytest.mark.parametrize(
    ("base", "now", "fails"),
    [
        ("holds", "no claim", True),
        ("holds", "does not hold", True),
        ("no claim", "holds", False),
        ("no claim", "does not hold", False),
        ("does not hold", "holds", False),
        ("does not hold", "no claim", False),
    ],
)
def test_a_claim_that_held_and_now_says_nothing_is_lost(run, base, now, fails):
    write({"x": 1}, second(base))
    commit()
    write({"x": 1}, second(now, no_claim=["3 of 4 runs were lost"]))
    code, report = run()
    assert code == fails
    why = " (3 of 4 runs were lost)" if now == "no claim" else ""
    said = f"a/one: the claim: was {base!r}, is {now!r}{why}"
    assert listed(report, "Failures" if fails else "Remarks") == [said]


def test_a_report_of_the_schema_before_is_compared_with_one_of_now(run):
    write({"x": 1}, HELD)
    commit()
    write({"x": 1}, second("holds", **HELD))
    assert run()[0] == 0


@pytest.mark.parametrize(
    ("base", "now", "remark"),
    [
        (LOST, LOST, None),
        (LOST, HELD, "did not hold, holds"),
        (LOST, NONE, "did not hold, vanished"),
        (NONE, HELD, "new, holds"),
        (NONE, LOST, "new, does not hold"),
    ],
)
def test_a_verdict_that_was_not_there_to_lose_is_a_remark(run, base, now, remark):
    write({"x": 1}, base)
    commit()
    write({"x": 1}, now)
    code, report = run()
    claims = ("check law", "erratum print") if remark else ()
    assert (code, listed(report, "Failures")) == (0, [])
    remarks = [line for line in listed(report, "Remarks") if "the claim: was" not in line]
    assert remarks == [f"a/one: {claim}: {remark}" for claim in claims]


def test_what_vanished_fails(run):
    write({"x": 1, "y": {"t=0": 1, "t=1": 1}})
    write({"x": 1}, HELD, "b/two")
    commit()
    write({"x": {"deeper": 1}, "y": {"t=0": 1}})
    Path("metrics/b/two.json").unlink()
    code, report = run()
    assert code == 1
    assert listed(report, "Failures") == [
        "a/one:x: vanished",
        "a/one:y.t=1: vanished",
        "b/two: vanished",
    ]
    assert listed(report, "Remarks") == ["a/one:x.deeper: new"]
    assert "gate: 2 metrics in 1 experiments" in report


def test_what_is_new_passes(run):
    write({"x": 1})
    commit()
    write({"x": 1, "y": {"t=0": 1}})
    write({"z": 1}, LOST, "b/two")
    code, report = run()
    assert (code, listed(report, "Failures")) == (0, [])
    assert listed(report, "Remarks") == [
        "a/one:y.t=0: new",
        "b/two: check law: new, does not hold",
        "b/two: erratum print: new, does not hold",
        "b/two: new experiment",
        "b/two:z: new",
    ]


NO_NUMBERS = (
    *("NaN", "Infinity", "-Infinity", "null", "1e999", "1" * 400, '"1"', "true", "[1]"),
    *('"NaN"', '"Infinity"', '"-Infinity"'),
)


@pytest.mark.parametrize("base", [None, 1.0, float("nan")], ids=["new", "known", "was nan"])
def test_a_metric_that_is_no_finite_number_fails(run, base):
    names = [f"x{k:02}" for k in range(len(NO_NUMBERS))]
    if base is not None:
        write(dict.fromkeys(names, base) | {"y": 1})
    commit()
    listing = ", ".join(f'"{name}": {v}' for name, v in zip(names, NO_NUMBERS, strict=True))
    path = write({"y": 1})
    path.write_text(
        path.read_text(encoding="utf-8").replace('"y"', f'{listing}, "y"'), encoding="utf-8"
    )
    code, report = run()
    failures = listed(report, "Failures")
    assert code == 1
    assert [line.partition(" (")[0] for line in failures] == [
        f"a/one:{n}: not finite" for n in names
    ]
    assert verdicts(report) == {}


@pytest.mark.parametrize("base", [float("nan"), float("-inf"), None, "text"])
def test_a_metric_may_become_finite(run, base):
    write({"x": base})
    commit()
    write({"x": 1.0})
    code, report = run()
    assert (code, verdicts(report)) == (0, {})
    assert listed(report, "Remarks") == [f"a/one:x: new, was {base!r}"]


CORRUPT = {
    "empty": b"",
    "cut off": b'{"metrics": {"x": 1',
    "not utf-8": b'{"metrics": {"\xff": 1}, "checks": {}, "errata": {}}',
    "a list": b"[]",
    "no errata": b'{"metrics": {}, "checks": {}}',
    "metrics a list": b'{"metrics": [], "checks": {}, "errata": {}}',
    "checks a list": b'{"metrics": {}, "checks": [], "errata": {}}',
    "a check a number": b'{"metrics": {}, "checks": {"law": 1}, "errata": {}}',
    "no verdict": b'{"metrics": {}, "checks": {"law": {}}, "errata": {}}',
    "verdict a number": b'{"metrics": {}, "checks": {"law": {"holds": 1}}, "errata": {}}',
    "verdict null": b'{"metrics": {}, "checks": {}, "errata": {"print": {"stands": null}}}',
    "no verdict of the claim": b'{"schema": 2, "metrics": {}, "checks": {}, "errata": {}}',
    "another verdict": b'{"schema": 2, "verdict": "maybe", "metrics": {}, "checks": {}, "errata": {}}',
    "deep": b'{"metrics": ' + b'{"a":' * 9999 + b"1" + b"}" * 9999 + b', "checks":{},"errata":{}}',
}


@pytest.mark.parametrize("text", CORRUPT.values(), ids=CORRUPT)
def test_a_corrupt_file_fails_now_and_cannot_be_used_as_base(run, capsys, text):
    write({"x": 1})
    write({"x": 1}, name="b/two")
    commit()
    Path("metrics/a/one.json").write_bytes(text)
    code, report = run()
    (failure,) = listed(report, "Failures")
    assert code == 1
    assert failure.startswith("a/one: corrupt: ")
    assert "gate: 1 metrics in 2 experiments" in report

    commit()
    write({"x": 1})
    refused(capsys, "rules.yaml", says="a/one: corrupt: ")
    assert run("--base", "HEAD~1")[0] == 0


def test_any_revision_can_be_the_base_and_other_files_do_not_matter(run):
    Path("metrics/a/folder.json").mkdir(parents=True)
    for x in (1.0, 2.0, 3.0):
        write({"x": x})
        Path("metrics/note.json").write_text(str(x), encoding="utf-8")
        Path("metrics/a/note.txt").write_text(str(x), encoding="utf-8")
        write({"x": x}, name="a/deeper/three")
        commit()
    git("tag", "v3")
    assert run()[0] == run("--base", "v3")[0] == 0
    code, report = run("--base", "HEAD~1")
    assert code == 1
    assert rows(report)[2][:3] == ["a/one:x", "2", "3"]
    assert " against HEAD~1 (" in report


def test_a_project_in_a_subfolder_compares_its_own_metrics(run, monkeypatch):
    write({"x": 1})
    project = Path("project")
    project.mkdir()
    (project / "rules.yaml").write_text(RULES, encoding="utf-8")
    monkeypatch.chdir(project)
    write({"x": 2}, HELD)
    commit()
    code, report = run()
    assert (code, len(report.splitlines())) == (0, 1)


def refused(capsys, rules: str, *arguments: str, says: str) -> None:
    """Exit code 2 and one line that contains `says`."""
    with pytest.raises(SystemExit) as error:
        gate.main("--tolerances", rules, *arguments)
    printed = capsys.readouterr()
    assert (error.value.code, printed.out) == (2, "")
    assert printed.err.count("\n") == 1
    assert says in printed.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--base", "nowhere"), "nowhere"),
        (("--base", "HEAD:metrics"), "HEAD:metrics"),
        (("--base=--all",), "--all"),
        (("--base", ""), "no revision is named"),
        (("--base",), "--base"),
        (("--bas", "HEAD"), "--bas"),
        (("main",), "main"),
    ],
)
def test_a_bad_revision_or_command_line_is_refused(run, capsys, arguments, says):
    commit()
    refused(capsys, "rules.yaml", *arguments, says=says)


def test_a_repository_without_commits_is_refused(repository, capsys):
    refused(capsys, "rules.yaml", says="HEAD")


def test_a_folder_that_is_no_repository_is_refused(repository, capsys):
    Path(".git").rename("elsewhere")
    refused(capsys, "rules.yaml", says="not a git repository")


def test_a_folder_without_metrics_is_refused(repository, capsys):
    Path("metrics").rmdir()
    refused(capsys, "rules.yaml", says="metrics: no such folder")


GOOD = {"pattern": "*", "relative": 0, "absolute": 0.0, "reason": "exact"}


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ([], "last pattern must be *"),
        ([GOOD, GOOD | {"pattern": "a/*"}], "last pattern must be *"),
        ([GOOD | {"unit": "m"}], "0.unit"),
        ([GOOD | {"relative": -1e-9}], "0.relative"),
        ([GOOD, GOOD | {"absolute": -1}], "1.absolute"),
        ([GOOD | {"absolute": float("inf")}], "0.absolute"),
        ([GOOD | {"relative": float("nan")}], "0.relative"),
        ([GOOD | {"relative": "1e-9"}], "0.relative"),
        ([GOOD | {"absolute": True}], "0.absolute"),
        ([GOOD | {"reason": "  "}], "0.reason"),
        ([GOOD | {"pattern": ""}], "0.pattern"),
        *[([{k: GOOD[k] for k in GOOD if k != key}], f"0.{key}") for key in GOOD],
        ({"rules": [GOOD]}, "list"),
        (["*"], "0"),
        (None, "list"),
    ],
)
def test_bad_tolerances_are_refused(tmp_path, monkeypatch, capsys, rules, says):
    monkeypatch.chdir(tmp_path)
    text = json.dumps(rules).replace("Infinity", ".inf").replace("NaN", ".nan")
    Path("bad.yaml").write_text(text, encoding="utf-8")  # JSON is YAML
    refused(capsys, "bad.yaml", says=says)


def test_tolerances_that_cannot_be_read_are_refused(run, capsys):
    commit()
    Path("broken.yaml").write_text("- {pattern: [", encoding="utf-8")
    refused(capsys, "broken.yaml", says="not valid YAML")
    refused(capsys, "nowhere.yaml", says="nowhere.yaml: not found")
    refused(capsys, "metrics", says="metrics")


def test_the_command_reads_the_tolerances_beside_it(repository):
    write({"accuracy": {"epoch=1": 0.9}}, HELD, "train/mnist")
    commit()
    for accuracy, code in ((0.9005, 0), (0.95, 1)):
        write({"accuracy": {"epoch=1": accuracy}}, HELD, "train/mnist")
        done = subprocess.run([sys.executable, DOOR], capture_output=True, encoding="utf-8")
        assert (done.returncode, done.stderr) == (code, "")
        assert done.stdout.startswith("gate: 1 metrics in 1 experiments against HEAD (")


def test_the_last_words_of_a_repro_tell_rounding_from_changes(repository):
    """That nothing moved, or hashes alone, that what moved is rounding, that sources changed too, that the gate fails."""

    def said() -> list[str]:
        return list(outcome(["a@one"], 12.3))

    Path("src").mkdir()
    Path("src/a.py").write_text("a = 1\n", encoding="utf-8")
    write({"accuracy": {"epoch=1": 0.9}}, second("holds", **HELD), "train/mnist")
    write({"x": 1.0}, second("no claim"), "a/one")
    assert said() == ["1 stage run in 12 s", "2 claims: 1 hold, 1 no claim (a@one)"]  # no commit
    commit()
    nothing = "gate: no metric moved against HEAD"
    assert said()[2] == nothing
    Path("dvc.lock").write_text("schema: '2.0'\n", encoding="utf-8")
    assert said()[2] == f"{nothing}; dvc.lock has new hashes, no file of results changed"
    write({"accuracy": {"epoch=1": 0.9005}}, second("holds", **HELD), "train/mnist")
    moved = "gate: 1 metric moved against HEAD, all within tolerance, the largest by 0."
    assert said()[2].startswith(moved)
    rounding = "; 1 file of results changed, though no source is uncommitted: rounding, or "
    assert said()[2].endswith(f"{rounding}results of code that was committed without them")
    Path("src/a.py").write_text("a = 2\n", encoding="utf-8")
    assert said()[2].startswith(moved)
    assert said()[2].endswith(" of it; 1 file of results changed")
    write({"accuracy": {"epoch=1": 0.5}}, second("does not hold", **LOST), "train/mnist")
    assert said()[1:] == [
        "2 claims: 0 hold, 1 does not hold (train@mnist), 1 no claim (a@one)",
        "gate: 4 failures against HEAD: `make gate` shows them",
    ]


def test_every_rule_of_the_project_comes_into_play():
    rules = tolerances(gate.RULES)
    for k, rule in enumerate(rules):
        example = rule.pattern.replace("*", "x")
        first = next(r for r in rules if fnmatchcase(example, r.pattern))
        assert first is rule, f"{rule.pattern} (rule {k}) comes after {first.pattern}"
