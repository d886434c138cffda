"""The MLflow UI on a real store, in a real browser: its menus and pages answer without set-up."""

import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from descent.lab.tracking import mirror as track
from store import lay_out, result, save, serving

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
]

# What the UI says of itself: it asks who is logged in, and resizes its charts late.
ITS_OWN = ("Failed to load resource", "ResizeObserver loop")
POINTS = ("one alpha=1e-05", "one alpha=0.1")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server on a store with two results of one block; in the second a check fails no longer."""
    root = tmp_path_factory.mktemp("ui")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(track, "ROOT", root)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        lay_out()
        spent = Path("artifacts/cost/toy/one.json")
        spent.parent.mkdir(parents=True)
        spent.write_text('{"seconds": 12.5, "peak_mib": 300}', encoding="utf-8")
        track.main()
        better = result(bad=3.0)
        save(type(better)(better.data, better.metrics, better.checks[:1]))
        track.main()
        with serving(root, "mlflow.db") as uri:
            yield uri


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, address):
    """The runs of the toy family, reached as a person would; no other host, no error of ours."""
    errors, elsewhere = [], []

    def pass_on(route):
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            elsewhere.append(route.request.url)
            route.abort()

    shown = browser.new_page(viewport={"width": 1600, "height": 1000})
    shown.set_default_timeout(20_000)
    shown.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    shown.on("pageerror", lambda error: errors.append(str(error)))
    shown.route("**/*", pass_on)
    shown.goto(f"{address}/#/experiments")
    shown.get_by_role("button", name="Model training").click()
    shown.get_by_role("link", name="toy", exact=True).click()
    yield shown
    shown.close()
    assert [text for text in errors if not any(own in text for own in ITS_OWN)] == []
    assert elsewhere == []


def choose(page, view):
    """A saved view from the menu."""
    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name=view).click()


def see(page, *texts):
    for text in texts:
        sync_api.expect(page.get_by_text(text, exact=True).first).to_be_visible()


def see_row(page, index, text):
    """A cell of a row of the table, from the top."""
    cell = page.locator(f".ag-row[row-index='{index}'] .ag-cell")
    sync_api.expect(cell.get_by_text(text, exact=True).first).to_be_visible()


def compare(page, *rows):
    for row in rows:
        row.locator("input[type=checkbox]").first.click()
    page.get_by_role("button", name="Compare").click()


def test_the_runs_and_the_question_of_a_family(page):
    see(page, "What does a toy do?", "one")


def test_a_sweep_is_charted_and_compared(page):
    choose(page, "one: each alpha")
    see(page, *POINTS)
    page.locator("label").filter(has=page.locator("input[value=CHART]")).click()
    see(page, "each alpha", "distance/mean", "reached")
    page.locator("label").filter(has=page.locator("input[value=TABLE]")).click()
    compare(page, *(page.locator(".ag-row").filter(has_text=name) for name in POINTS))
    see(page, "Comparing 2 Runs from 1 Experiment", *POINTS, "Parallel Coordinates Plot")
    see(page, "alpha", "1e-05", "0.1", "reached", "4", "2")


def test_a_final_value_is_charted_over_the_sweep(page):
    choose(page, "one: over alpha")
    page.locator("label").filter(has=page.locator("input[value=CHART]")).click()
    see(page, "over_alpha", "one (over_alpha/error)", "one (over_alpha/reached)")


def test_a_run_shows_its_claim_and_every_check(page):
    choose(page, "Which checks failed?")
    see_row(page, 0, "does not hold")
    page.locator(".ag-row[row-index='0'] a").filter(has_text="one").first.click()
    see(page, "A toy is a toy.", "why this tolerance", "a bound", "exact")


def test_a_failed_check_is_named_and_differs_from_the_run_before(page):
    choose(page, "Which checks failed?")
    see(page, "checks.failed", "checks.held", "seconds", "verdict", "verdict.why")
    rows = page.locator(".ag-row").filter(has_text="one")
    see_row(page, 0, "does not hold")  # what fails comes first
    see_row(page, 0, "12.5")
    see_row(page, 1, "holds")
    compare(page, rows.nth(0), rows.nth(1))
    see(page, "Comparing 2 Runs from 1 Experiment", "check/good_ _yes_", "checks.failed")
    page.get_by_label("Metrics - Show diff only").click()
    sync_api.expect(page.get_by_text("check/good_ _yes_", exact=True)).to_have_count(0)
    see(page, "check/bad", "checks.failed")
