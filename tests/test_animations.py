"""The animations of the page: frames from artifacts, and what plays, pauses and steps in a browser."""

import json

import numpy as np
import pytest
import xarray as xr

from browser import browser, listen, needs_chromium
from descent.lab.files import Damaged
from descent.lab.page.animations import FRAMES, animations, playable
from descent.lab.page.pictures import embeddable
from descent.lab.vega import embedded
from toy import ROOT

PAGE = ROOT / "src/descent/lab/page"
WELLS = {"minima": {"sharp_well": {"centre": 5, "margin": 1}, "flat_sharp": {"centre": 5}}}
X_GD = np.linspace(5, 4, 501)


@pytest.fixture
def artifacts(tmp_path, monkeypatch):
    """The two wells with f = x², as xarray writes them."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "artifacts/minima"
    folder.mkdir(parents=True)
    grid = np.linspace(-6, 7, 1301)
    figure = xr.Dataset({"f": ("x_grid", grid**2)}, coords={"x_grid": grid})
    figure.to_netcdf(folder / "sharp_well.nc", engine="scipy")
    walk = {"x_sgd": ("k", -X_GD), "x_gd": ("k", X_GD)}
    run = xr.Dataset(walk, coords={"k": 4 * np.arange(501)})
    run.to_netcdf(folder / "flat_sharp.nc", engine="scipy")
    return folder


def test_the_walk_is_on_the_function_at_every_frame(artifacts):
    (found,) = playable(animations(), "minima@sharp_well", WELLS, 4)
    assert len(found["times"]) == FRAMES
    assert (found["times"][0], found["times"][-1]) == (0, 2000)
    for dots in found["dots"]:
        np.testing.assert_allclose(dots["y"], np.square(dots["x"]), atol=1e-3)
    sgd, gd = (np.array(dots["x"])[:, 0] for dots in found["dots"])
    np.testing.assert_array_equal(sgd, -gd)
    np.testing.assert_allclose(gd, 5 - np.array(found["times"]) / 2000, atol=1e-4)


def test_no_animation_without_its_panel_its_run_or_the_same_parameters(artifacts):
    name = "minima@sharp_well"
    other = {"minima": WELLS["minima"] | {"flat_sharp": {"centre": 4}}}
    assert playable(animations(), name, WELLS, 0) == []
    assert playable(animations(), name, other, 4) == []
    assert playable(animations(), name, {"minima": {"sharp_well": {}}}, 4) == []
    assert playable(animations(), "minima@flat_sharp", WELLS, 4) == []
    (artifacts / "flat_sharp.nc").unlink()
    assert playable(animations(), name, WELLS, 4) == []


def test_an_artifact_without_the_run_is_damaged(artifacts):
    (artifacts / "flat_sharp.nc").write_bytes((artifacts / "sharp_well.nc").read_bytes())
    with pytest.raises(Damaged, match=r"flat_sharp\.nc"):
        playable(animations(), "minima@sharp_well", WELLS, 4)


def test_an_animation_of_another_form_is_refused_with_its_place(tmp_path):
    (tmp_path / "animations.yaml").write_text("- {experiment: a@b, panel: 0}", encoding="utf-8")
    with pytest.raises(Damaged, match=r"animations\.yaml: 0\.try: "):
        animations(tmp_path)


def test_the_three_animations_are_on_panels_that_are_there():
    names = {one.experiment for one in animations()}
    assert names >= {"spectra@overparam", "minima@sharp_well", "wide_relu@trajectory"}
    for one in animations():
        path = ROOT / f"plots/{one.experiment.replace('@', '/')}.json"
        assert one.panel < len(json.loads(path.read_text(encoding="utf-8"))["panels"])


def page() -> str:
    import vl_convert

    plot = ROOT / "plots/minima/sharp_well.json"
    shown = json.loads(plot.read_text(encoding="utf-8"))["panels"][:1]
    played = playable(animations(), "minima@sharp_well", WELLS, 4)
    return f"""<!doctype html><meta charset="utf-8"><article id="one"><figure data-live><img alt="">
<div class="chart"></div><script type="application/json">{embedded(shown)}</script>
<script type="application/json" class="played">{embedded(played)}</script></figure></article>
<script>{embeddable(vl_convert.javascript_bundle())}</script>
<script>{(PAGE / "chart.js").read_text(encoding="utf-8")}</script>"""


DOTS = "() => Array.from(document.querySelectorAll('.mark-symbol path'), (p) => p.getAttribute('transform')).join()"


@needs_chromium
def test_time_plays_pauses_and_steps_and_never_by_itself(artifacts):
    with browser() as chromium:
        found = chromium.new_context(offline=True).new_page()
        wrong = listen(found)
        found.set_content(page())
        found.wait_for_selector("figure.live")
        time, before = found.locator("input[name=frame]"), found.evaluate(DOTS)
        time.press("ArrowRight")
        assert time.get_attribute("aria-valuetext") == "k = 16"
        found.wait_for_function(f"({DOTS})() !== {json.dumps(before)}")
        found.clock.install()
        found.clock.run_for(3000)
        assert time.input_value() == "1"
        found.get_by_role("button", name="Play k").click()
        found.clock.run_for(4000)
        assert 40 < int(time.input_value()) < 80
        found.get_by_role("button", name="Pause k").click()
        held = time.input_value()
        found.clock.run_for(3000)
        assert time.input_value() == held
        found.get_by_role("button", name="Play k").click()
        found.clock.run_for(9000)
        assert time.input_value() == str(FRAMES - 1)
        assert found.get_by_role("button", name="Play k").is_enabled()

        calm = chromium.new_context(offline=True, reduced_motion="reduce").new_page()
        calm.set_content(page())
        calm.wait_for_selector("figure.live")
        step = calm.get_by_role("button", name="Next k")
        for k in range(1, 11):
            step.click()
            assert calm.locator("input[name=frame]").input_value() == str(min(12 * k, FRAMES - 1))
        assert wrong == []
