"""The tour of notebooks/ runs, and says what is committed."""

from copy import deepcopy
from shutil import copytree, ignore_patterns

import nbformat
import pytest

from tour import ROOT, TOUR, differences, executed, said, same

SIZE = 400_000  # bytes of the notebook with its outputs


@pytest.fixture(scope="module")
def committed():
    return nbformat.read(TOUR, as_version=4)


@pytest.mark.long
def test_the_tour_says_what_is_committed(committed, tmp_path):
    """Run in a folder of another clone that has metrics/ and no artifacts, as a fresh one; nothing is written."""
    for name in ("src", "params.yaml", "dvc.yaml", "dvc.lock", "metrics"):
        (tmp_path / name).symlink_to(ROOT / name)
    # What a block of probe names must be no link: `dvc repro` would see no change behind it.
    copytree(ROOT / "examples", tmp_path / "examples", ignore=ignore_patterns("__pycache__"))
    folder = tmp_path / "notebooks"
    folder.mkdir()
    assert differences(committed, executed(committed, folder)) == []
    assert list(folder.iterdir()) == []


def test_it_is_small_and_has_its_pictures_and_no_trace_of_a_machine(committed):
    text = TOUR.read_text(encoding="utf-8")
    assert len(text.encode()) < SIZE
    assert str(ROOT) not in text
    assert "/home/" not in text
    kinds = [
        kind for cell in committed.cells for one in cell.get("outputs", ()) for kind in said(one)
    ]
    assert kinds.count("image/png") >= 5
    assert all(cell.execution_count for cell in committed.cells if cell.cell_type == "code")
    assert committed.metadata.keys() == {"kernelspec", "language_info"}


def changes(committed, where, kind, new):
    """What the comparison finds if one output says something else."""
    other = deepcopy(committed)
    (cell,) = (cell for cell in other.cells if cell.id == where)
    output = next(one for one in cell.outputs if kind in said(one))
    if output.output_type == "stream":
        output.text = new(output.text)
    elif output.output_type == "error":
        output.evalue = new(output.evalue)
    else:
        output.data[kind] = new(output.data[kind])
    return differences(committed, other)


@pytest.mark.parametrize(
    ("where", "kind", "old", "new"),
    [
        ("import", "text/html", "<td", "<th"),
        ("import", "text/plain", "holds", "no claim"),
        ("run", "text/plain", "= 0.998 ±", "= 0.997 ±"),
        ("run", "text/html", "✓</td>", "✗</td>"),
        ("check", "stdout", "True", "False"),
        ("plant", "text/plain", "False", "True"),
        ("probe-verdicts", "stdout", "minibatch_law holds", "minibatch_law does not hold"),
        ("block", "text/plain", "5.9 standard errors", "6.9 standard errors"),
        ("refused", "error", "greater than 0", "greater than 1 or so"),
    ],
)
def test_stale_words_and_numbers_are_found(committed, where, kind, old, new):
    def planted(text):
        return text.replace(old, new)

    assert changes(committed, where, kind, planted)


def test_a_stale_picture_is_found_and_roundings_are_none(committed):
    pictures = [
        said(one)["image/png"]
        for cell in committed.cells
        for one in cell.get("outputs", ())
        if "image/png" in said(one)
    ]
    assert not same("image/png", pictures[0], pictures[1])
    assert same("image/png", pictures[0], pictures[0])
    assert same(
        "text/plain", "rate 0.75000001 (worst of 3, t = 4)", "rate 0.75 (worst of 3, t = 4)"
    )
    assert not same("text/plain", "rate 0.75 (worst of 3, t = 4)", "rate 0.76 (worst of 3, t = 4)")
    assert same("text/plain", "x 0.1 (worst of 3, t = 4)", "x 0.9 (worst of 3, t = 5)")
    assert not same("text/plain", "x 0.1 (worst of 3, t = 4)", "x 0.9 (worst of 4, t = 5)")
