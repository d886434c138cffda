"""The data set that a block of train, gradnorms or first_steps names: any folder of IDX files, or an archive."""

import struct

import numpy as np
import pytest

from descent import lab
from descent.config import Refusal
from descent.gradnorms._noise import Architecture, require_same
from descent.lab.files import Damaged, folder, images
from descent.lab.project import Block, blocks, filled
from descent.maths.images import Images, standardised
from descent.maths.network import Shape
from fake_mnist import fake_mnist
from toy import ROOT, write_idx

RNG = np.random.default_rng(0)


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def letters(classes: int, first: int, count: int = 60):
    """Images of 10 × 12 pixels, column by column, and labels from `first` on."""
    return RNG.integers(0, 256, (count, 12, 10), np.uint8), np.arange(count) % classes + first


def idx(folder, name: str, pixels, labels) -> None:
    for kind, array in (("images", pixels), ("labels", labels)):
        head = struct.pack(f">{array.ndim + 1}I", 0x800 + array.ndim, *array.shape)
        path = folder / f"{name}-{kind}-idx{array.ndim}-ubyte"
        path.write_bytes(head + array.astype(np.uint8).tobytes())


@pytest.mark.long
def test_images_are_those_that_torchvision_reads(here):
    from torchvision.datasets import MNIST

    write_idx(here / "data/mnist/MNIST/raw", fake_mnist(np.random.default_rng(0), 40, 12))
    found = images("data/mnist")
    for name, train in (("train", True), ("test", False)):
        theirs = MNIST("data/mnist", train=train)
        for ours, other in (("images", theirs.data), ("labels", theirs.targets)):
            array = found[f"{name}_{ours}"].values
            assert array.dtype == other.numpy().dtype
            assert np.array_equal(array, other.numpy())


def test_twenty_six_letters_are_turned_and_counted_from_zero(here):
    (here / "data/letters").mkdir()
    of = {name: letters(26, 1) for name in ("train", "test")}
    for name, (pixels, labels) in of.items():
        idx(here / "data/letters", f"emnist-letters-{name}", pixels, labels)
    found = images("data/letters")
    for name, (pixels, labels) in of.items():
        assert np.array_equal(found[f"{name}_images"], pixels.swapaxes(1, 2))
        assert np.array_equal(found[f"{name}_labels"], labels - 1)


@pytest.mark.parametrize("names", [("x_train", "y_train"), ("X", "y")])
def test_an_archive_may_have_no_test_set_and_who_reads_one_says_so(here, names):
    pixels, labels = letters(3, 0)
    np.savez(here / "data/mine.npz", **dict(zip(names, (pixels, labels), strict=True)))
    found = images("data/mine.npz")
    assert standardised(found, "train").x.shape == (60, 120)
    with pytest.raises(Refusal, match="data: it has no test set"):
        standardised(found, "test")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"X": np.zeros((4, 3, 3)), "y": np.arange(4)}, "bytes, got float64 of shape"),
        ({"X": np.zeros((4, 3, 3, 3), np.uint8), "y": np.arange(4)}, "got uint8 of shape"),
        ({"X": np.zeros((4, 3, 3), np.uint8), "y": np.arange(3)}, "for each of 4 images"),
        ({"X": np.zeros((4, 3, 3), np.uint8), "y": np.arange(4) - 1}, "expected a label 0, 1, …"),
        ({"Z": np.zeros(3)}, "expected arrays x_train and y_train, or X and y, got Z"),
    ],
)
def test_an_archive_of_something_else_is_one_line(here, arrays, said):
    np.savez(here / "data/mine.npz", **arrays)
    with pytest.raises(Damaged) as line:
        folder("data/mine.npz")
    assert said in str(line.value)
    assert len(str(line.value).splitlines()) == 1


def test_two_test_sets_are_one_line(here):
    (here / "data/two").mkdir()
    for name in ("train", "test", "val"):
        idx(here / "data/two", name, *letters(3, 0))
    with pytest.raises(Damaged, match=r"2 test sets \(test, val\)"):
        folder("data/two")


# ---- Which set a block reads.


def test_a_block_reads_the_set_that_it_names_and_gradnorms_that_of_its_networks():
    found = {block.stage: block for block in blocks(ROOT / "params.yaml", ROOT / "dvc.yaml")}
    inputs = {name: one.upstream[0] for name, one in found.items() if one.upstream}
    assert inputs["gradnorms@batch"] == "data/mnist"
    for family in ("train", "first_steps"):
        for block in (one for one in found.values() if one.family == family):
            assert block.upstream == ["data/${item.data}"]
            other = block._replace(
                parameters=block.parameters | {"data": "fashion"},
                module=f"descent.{family}.{block.name}",
            )
            assert filled(other.upstream[0], {"item": other.parameters}) == "data/fashion"


def test_names_in_braces_are_put_in_as_dvc_does():
    values = {"key": "a", "item": {"data": "b", "of": {"c": 3}}}
    assert filled("${key} data/${item.data} ${item.of.c}", values) == "a data/b 3"
    assert filled("${item.none} ${item.data.x} ${other}", values) == (
        "${item.none} ${item.data.x} ${other}"
    )


def test_a_set_that_is_not_there_is_one_line():
    with pytest.raises(lab.Refused, match=r"data/nowhere: not there"):
        lab.run("train.mnist", data="nowhere", root=ROOT)


@pytest.mark.parametrize("name", ["../mnist", "/mnist", "", "a/../b", 3])
def test_the_name_of_a_set_is_no_path_out_of_data(name):
    with pytest.raises(lab.Refused, match=r"params.yaml: train.mnist.data"):
        lab.run("train.mnist", data=name, root=ROOT)


def test_networks_for_other_images_are_refused():
    of = Architecture(Shape((100, 5, 3), "relu"), 0.1, 8)
    x, y = np.zeros((6, 100)), np.arange(6) % 3
    require_same(Images(x, y), of)
    with pytest.raises(Refusal, match=r"100 pixels and 4 classes, but train\.mnist kept networks"):
        require_same(Images(x, np.arange(6) % 4), of)
    with pytest.raises(Refusal, match="99 pixels"):
        require_same(Images(x[:, 1:], y), of)


def test_blocks_without_a_set_keep_the_braces():
    block = Block("train", "mnist", {}, "descent.train.mnist", ["data/${item.data}"], "")
    assert filled(block.upstream[0], {"item": block.parameters}) == "data/${item.data}"
