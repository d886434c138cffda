"""The family `probe`: networks and data of the user's own, by the names that a block has for them."""

import gzip
import json
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from pydantic import ValidationError
from torch import nn

from descent.config import Refusal
from descent.lab import own, running
from descent.lab.files import dataset
from descent.lab.own import given, listing
from descent.lab.results import load_report
from descent.maths import network
from descent.maths.homogeneity import squared_norms
from descent.maths.initialise import initialise
from descent.maths.network import Shape
from descent.probe import figures, trained
from descent.probe._sets import classes, samples
from descent.probe._verdicts import listed
from descent.result import Result
from harness import inputs_of, module_of
from toy import ROOT

NETWORK = "from torch import nn\nfrom parts import width\n\n\ndef net():\n    return nn.Linear(width, 2)\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a network in two files, and an empty data folder."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("examples").mkdir()
    Path("examples/net.py").write_text(NETWORK, encoding="utf-8")
    Path("examples/parts.py").write_text("width = 3\n", encoding="utf-8")
    Path("examples/other.py").write_text("width = 4\n", encoding="utf-8")
    return tmp_path


SETTING = {
    "network": "examples/net.py:net",
    "data": "mine",
    "samples": 1000,
    "loss": "cross_entropy",
    "optimiser": "SGD",
    "arguments": {"lr": 0.1},
    "batch": 32,
    "epochs": 1,
    "every": 4,
    "moments": 2,
    "replicates": 1,
    "seed": 0,
    "device": "cpu",
}


def idx(path: str, array: np.ndarray) -> None:
    """Write an IDX file of bytes, packed if the name says so."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    data = struct.pack(f">{array.ndim + 1}I", 0x800 + array.ndim, *array.shape)
    data += array.astype(np.uint8).tobytes()
    file.write_bytes(gzip.compress(data) if path.endswith(".gz") else data)


def pictures(count: int = 6, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(count).integers(0, 256, (count, 4, 5))
    return images, np.arange(count) % 3 + first


def data_of(reference):
    return given("artifacts/own/data/mine.txt", SimpleNamespace(data=reference))


def refused(kind: str, reference, capsys) -> str:
    """The line that it is refused with."""
    with pytest.raises(SystemExit) as end:
        given(f"artifacts/own/{kind}/mine.txt", SimpleNamespace(**{kind: reference}))
    assert end.value.code == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith(f"params.yaml: probe.mine.{kind}: {reference}: ")
    return line


# ---- What a stage depends on.


def digests(kind: str, reference: str) -> dict[str, str]:
    lines = listing(kind, reference).splitlines()
    assert lines[0] == reference
    return {line.split()[1]: line.split()[0] for line in lines[1:]}


def test_a_network_depends_on_its_file_and_on_what_that_imports_beside_it(here):
    before = digests("network", "examples/net.py:net")
    assert set(before) == {"examples/net.py", "examples/parts.py"}
    Path("examples/other.py").write_text("width = 5\n", encoding="utf-8")
    Path("examples/net.py").write_text(NETWORK + "# a comment\n", encoding="utf-8")
    assert digests("network", "examples/net.py:net") == before
    Path("examples/parts.py").write_text("width = 5\n", encoding="utf-8")
    after = digests("network", "examples/net.py:net")
    assert {name for name in before if before[name] != after[name]} == {"examples/parts.py"}


@pytest.mark.parametrize("code", ["from parts import *\n", "def net(:\n"])
def test_code_that_cannot_be_followed_depends_on_all_beside_it(here, code):
    Path("examples/net.py").write_text(code, encoding="utf-8")
    beside = {"examples/net.py", "examples/parts.py", "examples/other.py"}
    assert set(digests("network", "examples/net.py:net")) == beside


def test_data_depend_on_the_bytes_of_the_training_set_alone(here):
    for part in ("train", "t10k"):
        images, labels = pictures()
        idx(f"data/mine/{part}-images-idx3-ubyte", images)
        idx(f"data/mine/{part}-labels-idx1-ubyte", labels)
    before = digests("data", "mine")
    assert {Path(name).name[:12] for name in before} == {"train-images", "train-labels"}
    idx("data/mine/t10k-labels-idx1-ubyte", pictures(6, 1)[1])
    assert digests("data", "mine") == before
    idx("data/mine/train-labels-idx1-ubyte", pictures(6, 1)[1])
    assert digests("data", "mine") != before


def test_what_is_not_there_is_listed_and_stops_no_other_block(here):
    assert listing("network", "examples/no.py:net").count("\n") == 2
    assert listing("network", None).startswith("None\nexpected FILE.py:FUNCTION")


# ---- Data.


@pytest.mark.parametrize(
    "names",
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("raw/Train_Images.idx", "raw/Train_Labels.idx"),
        ("images", "labels"),
        ("emnist-like/kmnist-train-images-idx3-ubyte", "kmnist-train-labels-idx1-ubyte.gz"),
    ],
)
def test_a_folder_of_idx_files_under_any_common_name(here, names):
    images, labels = pictures()
    for name, array in zip(names, (images, labels), strict=True):
        idx(f"data/mine/{name}", array)
    idx("data/mine/t10k-images-idx3-ubyte", images[:2])
    idx("data/mine/t10k-labels-idx1-ubyte", labels[:2])
    found = data_of("mine")
    expected = images.swapaxes(1, 2) if "emnist" in names[0] else images
    np.testing.assert_array_equal(found["X"], expected)
    np.testing.assert_array_equal(found["y"], labels)


def test_of_several_sets_the_beginning_of_their_names_chooses_one(here, capsys):
    images, labels = pictures()
    for kind in ("letters", "digits"):
        idx(f"data/emnist/emnist-{kind}-train-images-idx3-ubyte", images)
        idx(f"data/emnist/emnist-{kind}-train-labels-idx1-ubyte.gz", labels + (kind == "letters"))
    assert "emnist-digits-train, emnist-letters-train" in refused("data", "emnist", capsys)
    found = data_of("data/emnist/emnist-letters")
    np.testing.assert_array_equal(found["y"], labels + 1)
    np.testing.assert_array_equal(found["X"], images.swapaxes(1, 2))


@pytest.mark.parametrize(("X", "y"), [("X", "y"), ("x_train", "y_train")])
def test_arrays_of_an_npz(here, X, y):
    images, labels = pictures()
    np.savez("data/mine.npz", **{X: images / 7, y: labels, "x_test": images})
    for name in ("mine", "mine.npz", "data/mine.npz"):
        np.testing.assert_array_equal(data_of(name)["X"], images / 7)


def test_a_function_gives_arrays_or_tensors(here):
    code = (
        "import torch\ndef made():\n    return torch.ones(4, 2, requires_grad=True), [0, 1, 0, 1]\n"
    )
    Path("examples/set.py").write_text(code, encoding="utf-8")
    found = data_of("examples/set.py:made")
    assert found["X"].shape == (4, 2)
    assert found["y"].values.tolist() == [0, 1, 0, 1]


def test_files_of_one_name_in_two_folders_are_two(here):
    for folder, width in (("a", 1), ("b", 2)):
        Path("examples", folder).mkdir()
        Path("examples", folder, "parts.py").write_text(f"width = {width}\n", encoding="utf-8")
        Path("examples", folder, "net.py").write_text(NETWORK, encoding="utf-8")
    widths = [
        given("artifacts/own/network/x.txt", SimpleNamespace(network=f"examples/{f}/net.py:net"))()
        for f in ("a", "b", "a")
    ]
    assert [net.in_features for net in widths] == [1, 2, 1]


# ---- What is refused.


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("lenet", "expected FILE.py:FUNCTION"),
        ("examples/no.py:net", "there is no file examples/no.py"),
        ("examples/net.py:no", "examples/net.py has no function no"),
        ("examples/parts.py:width", "has no function width"),
        ("../net.py:net", "lies outside examples/ and data/"),
        ("/elsewhere/net.py:net", "lies outside examples/ and data/"),
        ("examples/link.py:net", "is a link"),
        ("examples/raises.py:net", "it raised ZeroDivisionError: division by zero (line 2)"),
        ("examples/ends.py:net", "it raised SystemExit: 3 (line 1)"),
        ("examples/wrong.py:net", "it raised SyntaxError"),
    ],
)
def test_a_network_that_cannot_be_had_is_one_line(here, capsys, reference, said):
    outside = here.parent / f"{here.name}-outside.py"
    outside.write_text(NETWORK, encoding="utf-8")
    Path("examples/link.py").symlink_to(outside)
    Path("examples/raises.py").write_text("x = 0\ny = 1 / x\n", encoding="utf-8")
    Path("examples/ends.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    Path("examples/wrong.py").write_text("def net(:\n", encoding="utf-8")
    assert said in refused("network", reference, capsys)


SETS = """
import numpy as np
def one(): return np.ones(3)
def short(): return np.ones((3, 2)), np.ones(2)
def text(): return np.array(["a"]), np.ones(1)
def none(): return np.ones((0, 2)), np.ones(0)
def ragged(): return [[1], [1, 2]], [0, 1]
def raises(): raise KeyError("lost")
"""


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("fashion", "there is no folder data/fashion"),
        ("empty", "expected IDX files of training images and labels, got none"),
        ("torn", "number than its header says"),
        ("odd", "5 images, 6 labels"),
        ("data/no.npz", "there is no file data/no.npz"),
        ("text.npz", "no .npz file"),
        ("other.npz", "expected arrays X and y, got a, b"),
        ("examples/sets.py", "expected the name of a data set"),
        ("examples/sets.py:one", "expected a pair (X, y) of arrays, got a ndarray"),
        ("examples/sets.py:short", "expected as many y as X, got 2 and 3"),
        ("examples/sets.py:text", "X: expected numbers, got <U1"),
        ("examples/sets.py:none", "X: expected samples, got shape (0, 2)"),
        ("examples/sets.py:ragged", "expected a pair (X, y) of arrays ("),
        ("examples/sets.py:raises", "it raised KeyError: 'lost' (line 8)"),
    ],
)
def test_data_that_cannot_be_had_are_one_line(here, capsys, reference, said):
    Path("examples/sets.py").write_text(SETS, encoding="utf-8")
    Path("data/text.npz").write_text("no archive", encoding="utf-8")
    np.savez("data/other.npz", a=1, b=2)
    Path("data/empty").mkdir()
    Path("data/empty/readme.txt").write_text("nothing", encoding="utf-8")
    images, labels = pictures()
    idx("data/odd/train-images-idx3-ubyte", images[:5])
    idx("data/odd/train-labels-idx1-ubyte", labels)
    idx("data/torn/train-images-idx3-ubyte", images)
    idx("data/torn/train-labels-idx1-ubyte", labels)
    torn = Path("data/torn/train-images-idx3-ubyte")
    torn.write_bytes(torn.read_bytes()[:-3])
    assert said in refused("data", reference, capsys)


# ---- Training.


def points(n: int = 160, classes: int = 3) -> xr.Dataset:
    rng = np.random.default_rng(n)
    X, y = rng.normal(size=(n, 6)), rng.integers(0, classes, n)
    return xr.Dataset({"X": (("sample", "X1"), X), "y": ("sample", y)})


def net(*more: nn.Module):
    return lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), *more, nn.Linear(5, 3))


def borne_out(result: Result) -> bool:
    """Whether every check holds; with so few samples the law itself may be left to chance, which is said."""
    said = all("chance" in reason or "too few" in reason for reason in result.no_claim)
    return bool(result.checks) and all(check.holds for check in result.checks) and said


def train(made=None, data=None, **changes):
    config = trained.Config(**SETTING | changes)
    return trained.run(config, points() if data is None else data, made or net())


def test_the_document_s_network_has_the_gradient_norms_of_train_mnist():
    """The same minibatches and the same start: layer by layer, and along the training, to float32 rounding."""
    name, rate = "probe@mlp", 0.1
    config, (data, made) = module_of(name).Config(**SETTING), inputs_of(name)
    of, shape = (
        samples(data, 160, config.loss, "cpu"),
        Shape((784, 128, 128, 128, 10), "relu", False),
    )
    start = np.random.default_rng(1)
    theta = initialise(start, "uniform", shape).astype(np.float32)
    model = made()
    for p, (W, _) in zip(model.parameters(), shape.layers(theta[0]), strict=True):
        p.data = torch.from_numpy(W.copy())
    rule = torch.optim.SGD(model.parameters(), lr=rate)
    probe = trained.Probe(model, nn.functional.cross_entropy, every=1)
    expected = []
    for k in range(5):
        rows = slice(32 * k, 32 * (k + 1))
        x, y = of.X[rows], of.y[rows]
        with probe.step(x, y):
            rule.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            rule.step()
        passed = network.forward(theta, x.numpy().reshape(32, -1), shape)
        g = network.gradient(network.differentiate(passed, y.numpy(), "softmax", each=True))
        expected.append(np.sqrt(squared_norms(g, shape).weights[0]))
        theta = theta - np.float32(rate) * g
    np.testing.assert_allclose(probe.result()["minibatch_norm"], expected, rtol=2e-5)


@pytest.mark.long
def test_replicates_differ_and_a_seed_gives_the_same_run():
    first, again = (train(replicates=2, epochs=2) for _ in range(2))
    assert first.data.identical(again.data)
    assert borne_out(first)
    one, other = first.data["loss"].values
    assert (one != other).all()
    state = torch.get_rng_state()
    train(seed=1)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.long
@pytest.mark.parametrize(
    ("loss", "made", "y"),
    [
        ("mse_loss", lambda: nn.Linear(6, 2), np.ones((160, 2))),
        ("nll_loss", net(), np.arange(160) % 3),
        ("cross_entropy", net(), np.arange(160) % 3 + 1.0),
        ("binary_cross_entropy_with_logits", lambda: nn.Linear(6, 2), np.ones((160, 2))),
    ],
)
def test_other_losses(loss, made, y):
    data = points().drop_vars("y").assign(y=(("sample", "y1")[: y.ndim], y))
    assert borne_out(train(made, data, loss=loss))


def test_labels_counted_from_one_are_counted_from_zero():
    assert classes(np.array([1, 26, 3]), "cross_entropy").tolist() == [1, 26, 3]
    assert classes(np.arange(1, 27), "cross_entropy").tolist() == list(range(26))
    assert classes(np.array([0, 2, 1]), "cross_entropy").tolist() == [0, 2, 1]


@pytest.mark.long
def test_what_is_no_claim_of_this_network_is_said_with_its_reason():
    result = train(net(nn.Dropout(0.5)), optimiser="Adam", arguments={"lr": 0.01})
    assert borne_out(result)
    assert "Adam" in result.unchecked["balancedness"]
    assert "full batches" in result.unchecked["stability_limit"]


def gru():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.GRU(2, 4, batch_first=True), nn.Linear(4, 3)
            self.body.weight_ih_l0.requires_grad_(False)

        def forward(self, x):
            return self.head(self.body(x.reshape(len(x), 3, 2))[0][:, -1])

    return Last()


@pytest.mark.long
@pytest.mark.parametrize("made", [gru, net(nn.BatchNorm1d(5)), net(nn.LayerNorm(5), nn.Tanh())])
def test_networks_that_stand_in_no_file(made):
    assert borne_out(train(made))


def bare(output):
    """A network of one trained number that gives this of x."""

    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return output(self.w, x)

    return Bare


def frozen():
    return nn.Linear(6, 3).requires_grad_(False)


def fails():
    raise OSError("no weights")


@pytest.mark.parametrize(
    ("made", "changes", "said"),
    [
        (lambda: nn.Linear(7, 3), {}, "for float32 x of shape (32, 6): RuntimeError: "),
        (lambda: 3, {}, "expected a torch module, got a int"),
        (fails, {}, "network examples/net.py:net: OSError: no weights"),
        (lambda: nn.GRU(6, 3), {}, "expected a tensor, got a tuple"),
        (lambda: nn.Linear(6, 2), {}, "expected 0 … 1, one for each output"),
        (bare(lambda w, x: w * x.sum()), {}, "expected (B, classes) for labels (32,), got ()"),
        (frozen, {}, "network examples/net.py:net: it has no parameter that is trained"),
        (lambda: nn.LazyLinear(3), {}, "network examples/net.py:net: it has lazy layers without"),
        (lambda: nn.Linear(6, 3, dtype=torch.cfloat), {}, "net.py:net: it has complex parameters"),
        (bare(lambda w, x: x[:, :3]), {}, "its output does not depend on a trained parameter"),
        (net(nn.BatchNorm1d(5)), {"batch": 159}, "for float32 x of shape (1, 6): ValueError"),
        (net(), {"optimiser": "Sgd"}, "optimiser Sgd: expected one of torch.optim, ASGD, "),
        (net(), {"optimiser": "LBFGS"}, "optimiser LBFGS (it asks for the loss several times"),
        (
            net(),
            {"arguments": {"rl": 1}},
            "arguments.rl: SGD has no such argument, expected lr, mom",
        ),
        (net(), {"arguments": {"lr": 0.1, "differentiable": True}}, "optimiser SGD: RuntimeError"),
        (net(), {"arguments": {"lr": -1}}, "arguments lr -1: SGD refuses them: Invalid learning"),
        (net(), {"arguments": {"lr": "x"}}, "arguments lr x: SGD refuses them"),
        (net(), {"arguments": {"lr": 1e30}}, "loss cross_entropy: expected a finite number, got"),
        (net(), {"batch": 161}, "batch 161 > 160 samples"),
        (net(), {"loss": "mse_loss"}, "expected (32,), the shape of y, got (32, 3)"),
        (net(), {"epochs": 10**7}, "hours, at most 1"),
        (net(), {"device": "cuda"}, "torch finds no CUDA device"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(made, changes, said):
    if changes.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(Refusal) as refusal:
        train(made, **changes)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.long
def test_too_few_samples_are_told_with_how_many_it_takes():
    assert "it takes 64, and minibatches of 2" in train(data=points(63)).no_claim[0]
    assert not any("it takes" in reason for reason in train(data=points(64)).no_claim)


@pytest.mark.long
def test_a_reason_is_short_however_many_steps_and_layers_it_holds_for():
    """Of two replicates, too, it is told once."""
    deep = net(*(nn.Linear(5, 5) for _ in range(20)))
    reasons = train(deep, points(64), moments=3, replicates=2).no_claim
    assert reasons == (
        "minibatch_law: chance may be 50% of it or more at every step and layer: too few samples",
    )
    assert listed([f"step {k}" for k in range(7)]) == (
        "step 0; step 1; step 2; step 3; step 4 and 2 more"
    )
    assert listed(["step 0", "step 1"]) == "step 0; step 1"


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("X", np.full((160, 6), np.nan), "X of sample 0 is not finite in float32"),
        ("X", np.full((160, 6), 1e200), "X of sample 0 is not finite in float32"),
        ("X", np.ones((160, 6), int), "for int64 x of shape (32, 6): RuntimeError"),
        ("X", np.zeros((160, 4, 5), np.uint8), "all pixels are equal"),
        ("y", np.zeros((160, 1)), "data: expected y of shape (32,), a label for each sample of"),
        ("y", np.eye(3)[np.arange(160) % 3], "each sample of examples/net.py:net, got (32, 3)"),
        ("y", np.full(160, -1), "counted from 0 or from 1, got -1"),
        ("y", np.full(160, 0.5), "takes whole labels, got 0.5"),
        ("y", np.full(160, 3), "expected 0 … 2, one for each output of examples/net.py:net, got"),
    ],
)
def test_data_that_cannot_be_learnt_are_refused(name, values, said):
    dims = ("sample", *(f"{name}{k}" for k in range(1, values.ndim)))
    data = points().drop_vars(name).drop_dims("X1", errors="ignore") if name == "X" else points()
    with pytest.raises(Refusal) as refusal:
        train(data=data.assign({name: (dims, values)}))
    assert said in str(refusal.value)


def test_more_moments_than_steps_are_every_step_and_cost_no_more(monkeypatch):
    """Ten steps: the eleven looks are what is held against an hour, not 200."""
    config = trained.Config(**SETTING | {"moments": 200, "epochs": 2})
    assert trained.looked_at(config, 160) == set(range(11))
    of = samples(points(), 160, config.loss, "cpu")
    monkeypatch.setattr(trained._networks, "tried", lambda *_: 1.0)
    trained.require(config, of, net())
    monkeypatch.setattr(trained._networks, "tried", lambda *_: 20.0)
    with pytest.raises(Refusal, match=r"11 looks at the set \(moments 200\): about 1.89 hours"):
        trained.require(config, of, net())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("loss", "cosine"),
        ("device", "tpu"),
        ("moments", 1),
        ("arguments", {"lr": {}}),
        ("network", ""),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_with_its_name(key, value):
    with pytest.raises(ValidationError, match=key):
        trained.Config(**SETTING | {key: value})


# ---- The doors.


def project(**changes) -> None:
    """A params.yaml with one block, and the pipeline."""
    block = SETTING | {"data": "examples/sets.py:some", "samples": 64} | changes
    Path("params.yaml").write_text(json.dumps({"probe": {"mine": block}}), encoding="utf-8")
    Path("dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    code = (
        "import numpy as np\ndef some():\n    x = np.random.default_rng(0).normal(size=(64, 3))\n"
    )
    code += "    return x, (x[:, 0] > 0).astype(int)\n"
    Path("examples/sets.py").write_text(code, encoding="utf-8")


def stage() -> None:
    inputs = [f"artifacts/own/{kind}/mine.txt" for kind in ("data", "network")]
    running.run("descent.probe.trained", "probe/mine", *inputs)


@pytest.mark.long
def test_a_block_of_your_own_runs_and_a_changed_network_reruns_it(here):
    project()
    own.main()
    stage()
    assert load_report(Path("metrics/probe/mine.json"))["verdict"] != "does not hold"
    assert figures.mine(dataset("artifacts/probe/mine.nc")).panels
    network, data = (Path(f"artifacts/own/{kind}/mine.txt") for kind in ("network", "data"))
    before = network.read_bytes(), data.read_bytes()
    own.main()
    assert (network.read_bytes(), data.read_bytes()) == before
    Path("examples/parts.py").write_text("width = 1 + 2\n", encoding="utf-8")
    own.main()
    assert network.read_bytes() != before[0]
    assert data.read_bytes() == before[1]
    Path("params.yaml").write_text("{probe: {}}", encoding="utf-8")
    own.main()
    assert not network.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network": "examples/no.py:net"}, "probe.mine.network: examples/no.py:net: there is no"),
        ({"network": "examples/net.py:width"}, "has no function width"),
        ({"data": "fashion"}, "probe.mine.data: fashion: there is no folder data/fashion"),
        ({"optimiser": "Best"}, "probe.mine: optimiser Best: expected one of torch.optim"),
        ({"batch": 0}, "probe.mine.batch: "),
        ({"rate": 1}, "probe.mine.rate: "),
    ],
)
def test_what_a_stage_cannot_use_is_one_line_and_nothing_is_written(here, capsys, changes, said):
    project(**changes)
    own.main()
    with pytest.raises(SystemExit) as end:
        stage()
    assert end.value.code == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.startswith("params.yaml: probe.mine")
    assert line.count("\n") == 1
    assert not Path("metrics").exists()
    assert not list(Path("artifacts").rglob("*.nc"))
