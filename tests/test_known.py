"""What the page keeps of a drawing or of a result: used only while it is of that file and that code."""

import json
import os

import pytest

from descent.lab.files import Damaged
from descent.lab.page import known as module
from descent.lab.page.entries import numbers, picture
from descent.lab.page.known import known
from toy import ROOT


@pytest.fixture
def source(tmp_path, monkeypatch):
    """family/name.nc in an empty project, and a module of one line that works on it."""
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "family/name.nc"
    source.parent.mkdir()
    source.write_bytes(b"one")
    (tmp_path / "code.py").write_text("x = 1\n", encoding="utf-8")
    module.made_of.cache_clear()
    yield source
    module.made_of.cache_clear()


def asked(source, answer="found") -> tuple[object, int]:
    """What is said to be known, and how often it was worked out."""
    worked = []

    def work():
        worked.append(1)
        return [answer, (1, 2.5)]

    return known(source, "kind", work, str(source.parents[1] / "code.py")), len(worked)


FOUND = ["found", [1, 2.5]]


def test_it_is_worked_out_once(source):
    assert asked(source) == (FOUND, 1)
    assert asked(source) == (FOUND, 0)


def test_another_file_another_code_and_other_libraries_are_worked_out_again(source, monkeypatch):
    asked(source)
    source.write_bytes(b"two")
    assert asked(source, "other") == (["other", [1, 2.5]], 1)
    (source.parents[1] / "code.py").write_text("x = 2\n", encoding="utf-8")
    module.made_of.cache_clear()
    assert asked(source) == (FOUND, 1)
    monkeypatch.setattr(module, "version", lambda name: "0")
    module.made_of.cache_clear()
    assert asked(source) == (FOUND, 1)
    assert asked(source) == (FOUND, 0)


@pytest.mark.parametrize(
    "torn", [b"", b"{", b"\xff", b"[]", b"3", b'{"is": 1}', b"null", b"[" * 9999]
)
def test_what_is_torn_is_worked_out_again(source, torn):
    asked(source)
    (record,) = module.FOLDER.glob("*/*")
    record.write_bytes(torn)
    assert asked(source) == (FOUND, 1)
    assert asked(source) == (FOUND, 0)


def test_where_nothing_can_be_kept_or_read_it_is_worked_out(source):
    module.FOLDER.parent.mkdir()
    module.FOLDER.write_text("no folder", encoding="utf-8")
    assert asked(source) == (FOUND, 1)
    assert asked(source) == (FOUND, 1)
    source.unlink()
    assert asked(source) == (FOUND, 1)


def test_the_digest_is_of_every_module_that_works_on_it():
    """Down to those that name the coordinates."""
    files = module.closure(ROOT / "src/descent/lab/page/spread.py", src=ROOT / "src")
    assert {"series.py", "results.py", "reported.py", "spread.py"} <= {file.name for file in files}


def test_the_pages_parts_are_the_same_kept_or_not(tmp_path, monkeypatch):
    drawing, artifact = (ROOT / f"{kind}" for kind in ("plots/linear/plane.svg", "artifacts/x.nc"))
    monkeypatch.chdir(tmp_path)
    new, kept = picture(drawing), picture(drawing)
    assert new == kept
    assert new[0].startswith("data:image/svg+xml,%3Csvg")
    (record,) = module.FOLDER.glob("linear/plane.picture")
    assert json.loads(record.read_text(encoding="utf-8"))["is"] == [new[0], list(new[1])]
    with pytest.raises(Damaged, match=r"x\.nc: missing"):
        numbers(artifact)
    assert os.listdir(module.FOLDER) == ["linear"]
