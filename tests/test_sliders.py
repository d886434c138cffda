"""The sliders of the page: every formula, as Vega computes it in a browser, against the Python function it names."""

import json
from importlib import import_module

import numpy as np
import pytest
import xarray as xr
from ruamel.yaml import YAML

from browser import browser, listen, needs_chromium
from descent.features import lost_sides
from descent.lab.files import Damaged
from descent.lab.page.pictures import embeddable
from descent.lab.page.sliders import movable, number, sliders
from descent.lab.vega import embedded
from descent.linear import risk
from descent.noise._chain import Chain
from descent.sensing._problem import degrees_of_freedom, uniqueness_threshold
from harness import experiments
from toy import ROOT

POINTS = 20
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")
PAGE = ROOT / "src/descent/lab/page"
ALL = sliders()
CURVES = [(one, k) for one in ALL for k in range(len(one.curves))]
NAMES = [f"{one.experiment} {one.panel} {one.curves[k].label}" for one, k in CURVES]


def sensed(function, v, x):
    lam, eta, alpha = (
        xr.DataArray([[[v[key]]]], dims=("replicate", "alpha", "i"))
        for key in ("eigenvalue", "eta", "alpha")
    )
    return function(lam, eta, alpha, int(v["d"])).item()


def chain(v):
    return Chain(v["input"], v["sigma"], v["target"])


def law(function, v, x):
    names = {"full_norm": v["norm"], "trace": v["noise"] * v["norm"] ** 2, "minibatch_square": 0.0}
    found = xr.Dataset(
        {k: xr.DataArray([[float(one)]], dims=("batch", "layer")) for k, one in names.items()}
    )
    found["full_norm"], found["trace"] = found["full_norm"][0], found["trace"][0]
    found = found.assign_coords(batch=[float(x)])
    return np.sqrt(function(found, int(v["n"]))["predicted_square"].item())


def missed(predict, v, x):
    block = {"seed": 0, "replicates": 1, "features": int(v["d"]), "samples": (int(x),)}
    return predict(risk.Config(**block))["missed_predicted"].item()


def on(chance, v, x):
    block = {"seed": 0, "replicates": 400, "widths": (int(v["n"]),), "depths": (int(x),)}
    return chance(lost_sides.Config(**block)).item()


# How the science's own functions are asked: the function, the values by name, and x.
ASKED = {
    "iterations": lambda f, v, x: f(1 - 2 * x, v["accuracy"], 10**9) if 0 < x < 1 else np.nan,
    "radius": lambda f, v, x: max(f(v["beta"], x * v["beta"] * v[s]) for s in ("large", "small")),
    "trajectory": lambda f, v, x: f(v["beta"], v["h"], 1 - 2 * v["h"], np.array([x]))[0],
    "highest": lambda f, v, x: 2 * f(v["beta"]) / (v["beta"] * v["eta"]),
    "predict": missed,
    "evolved": lambda f, v, x: f(chain(v), np.array([v["eta"]]), int(x)).mean[0],
    "stationary": lambda f, v, x: f(chain(v), np.array([x])).variance[0],
    "thresholds": lambda f, v, x: (t := f(v["input"], x)).mean_square / t.mean,
    "kurtosis": lambda f, v, x: f(int(v["n"])) ** x,
    "chance": on,
    "predicted_times": sensed,
    "edge": lambda f, v, x: f(int(v["d"]), np.array([x]))[0],
    "outlier": lambda f, v, x: -f(int(v["d"]), np.array([x]))[0],
    "least_squares_error": lambda f, v, x: f(int(v["m"]), degrees_of_freedom(int(v["d"]), int(v["r"]))),
    "cone_error": lambda f, v, x: f(int(v["m"]), uniqueness_threshold(int(v["d"]), int(v["r"]))),
    "predict_law": law,
    "Initial": lambda f, v, x: np.divide(
        *f("gaussian", v["weight"], v["bias"]).zeta().value(np.array([x, 0.0]))
    ),
}  # fmt: skip

# Vega's own expressions, with the names put in as chart.js does.
EVALUATE = """async ([moved, k, settings]) => {
  const expr = inlined(moved.curves[k].formula, moved);
  const data = [{ name: "points", values: settings.map(([, x]) => ({ x })), transform: [{ type: "formula", as: "y", expr }] }];
  const spec = { signals: signals(moved), data };
  const { view } = await vegaEmbed(document.createElement("div"), spec, { mode: "vega", actions: false });
  const found = [];
  for (const [i, [values]] of settings.entries()) {
    for (const [name, value] of Object.entries(values)) view.signal(name, value);
    await view.runAsync();
    found.push(view.data("points")[i].y);
  }
  view.finalize();
  return found;
}"""


def panels(stage: str) -> list[dict]:
    path = f"plots/{experiments()[stage].path}.json"
    return json.loads((ROOT / path).read_text(encoding="utf-8"))["panels"]


def places(one) -> np.ndarray:
    """Points of the figure's own axis that a formula is asked at."""
    rng, axis = np.random.default_rng(0), panels(one.experiment)[one.panel]["x"]
    low, high = sorted(axis["domain"])
    if axis["scale"] == "log":
        found = np.exp(rng.uniform(np.log(low), np.log(high), POINTS))
    else:
        found = rng.uniform(max(low, 0), high, POINTS)
    return np.round(found) if one.whole else found


def settings(one) -> list[tuple[dict, float]]:
    """Random places of the sliders, whole numbers where a slider has whole steps, and of x."""
    rng, found = np.random.default_rng(1), []
    for x in places(one):
        values = {}
        for s in one.sliders:
            share = rng.uniform()
            value = (
                s.low * (s.high / s.low) ** share
                if s.scale == "log"
                else s.low + share * (s.high - s.low)
            )
            values[s.name] = float(round(value)) if s.step else value
        found.append((values, float(x)))
    return found  # fmt: skip


@pytest.fixture(scope="module")
def opened():
    """A page with Vega, chart.js and one figure that has sliders."""
    import vl_convert

    stage = "dynamics@momentum_step"
    shown = panels(stage)
    moved = embedded(movable(ALL, stage, PARAMS, len(shown)))
    page = f"""<!doctype html><meta charset="utf-8"><article id="one"><figure data-live><img alt="">
<div class="chart"></div><script type="application/json">{embedded(shown)}</script>
<script type="application/json" class="moved">{moved}</script></figure></article>
<script>{embeddable(vl_convert.javascript_bundle())}</script>
<script>{(PAGE / "chart.js").read_text(encoding="utf-8")}</script>"""
    with browser() as chromium:
        found = chromium.new_context(offline=True).new_page()
        wrong = listen(found)
        found.set_content(page)
        yield found
        assert wrong == []


@needs_chromium
@pytest.mark.parametrize(("one", "k"), CURVES, ids=NAMES)
def test_a_formula_is_the_python_function_at_20_points(opened, one, k):
    curve = one.curves[k]
    module, _, name = curve.function.rpartition(".")
    function = getattr(import_module(module), name)
    moved = movable(ALL, one.experiment, PARAMS, one.panel + 1)
    moved = next(m for m in moved if m["panel"] == one.panel)
    asked = settings(one)
    drawn = opened.evaluate(EVALUATE, [moved, k, asked])
    expected = [ASKED[name](function, moved["constants"] | values, x) for values, x in asked]
    np.testing.assert_allclose(drawn, np.array(expected, float), rtol=1e-9, atol=1e-12)


@needs_chromium
def test_a_slider_moves_the_prediction_and_nothing_that_was_measured(opened):
    opened.wait_for_selector("figure.live")
    paths = (
        "() => Array.from(document.querySelectorAll('.mark-line path'), (p) => p.getAttribute('d'))"
    )
    before = opened.evaluate(paths)
    slider = opened.locator(".sliders input").first
    assert slider.get_attribute("name") == "beta"
    slider.fill("0.5")
    assert opened.locator(".sliders output").first.inner_text() == "0.5"
    opened.wait_for_function(
        f"JSON.stringify(({paths})()) !== {json.dumps(json.dumps(before, separators=(',', ':')))}"
    )
    after = opened.evaluate(paths)
    assert sum(a != b for a, b in zip(after, before, strict=True)) == 1


@needs_chromium
def test_a_slider_plays_once_round_pauses_and_comes_back(opened):
    opened.wait_for_selector("figure.live")
    slider = opened.locator(".sliders input").first
    slider.fill("0.3")
    before, output = slider.input_value(), opened.locator(".sliders output").first.inner_text()
    opened.clock.install()
    opened.get_by_role("button", name="Play β").click()
    opened.clock.run_for(3000)
    assert 0.7 < float(slider.input_value()) < 0.95
    opened.get_by_role("button", name="Pause β").click()
    held = slider.input_value()
    opened.clock.run_for(3000)
    assert slider.input_value() == held
    slider.fill("0.3")
    opened.get_by_role("button", name="Play β").click()
    opened.clock.run_for(5000)
    assert float(slider.input_value()) < 0.3  # on from the other end
    opened.clock.run_for(2000)
    assert slider.input_value() == before
    assert opened.locator(".sliders output").first.inner_text() == output
    assert opened.get_by_role("button", name="Play β").is_enabled()


def test_at_least_ten_experiments_have_sliders_on_panels_that_are_there():
    assert len({one.experiment for one in ALL}) >= 10
    for one in ALL:
        assert one.panel < len(panels(one.experiment)), one.experiment
        assert movable(ALL, one.experiment, PARAMS, one.panel + 1)
        for slider in one.sliders:
            assert slider.low <= slider.start <= slider.high
            assert slider.scale == "linear" or slider.low > 0


def test_a_constant_that_a_block_lacks_takes_the_sliders_away():
    params = {"one": {"a": {"b": [1, 2.5], "flag": True}}}
    assert number(params, "one@a", "b.-1") == 2.5
    assert number(params, "other@c", "one.a.b.0") == 1
    for place in ("b.2", "c", "b.x", "flag", "b"):
        assert number(params, "one@a", place) is None
    assert (
        movable(ALL, "dynamics@momentum_step", {"dynamics": {"momentum_step": {"squares": []}}}, 2)
        == []
    )
    assert movable(ALL, "dynamics@momentum_step", PARAMS, 0) == []


def test_a_slider_of_another_form_is_refused_with_its_place(tmp_path):
    (tmp_path / "sliders.yaml").write_text(
        "- {experiment: a@b, panel: 0, try: c}", encoding="utf-8"
    )
    with pytest.raises(Damaged, match=r"sliders\.yaml: 0\.sliders: "):
        sliders(tmp_path)
