"""The family `probe`: networks and data of the user's own, by the names that a block has for them."""

import gzip
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from descent.lab.own import given, listing

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
        ("/tmp/net.py:net", "lies outside examples/ and data/"),
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
