"""What a killed `dvc repro` leaves in the file of locks, and the parameters that DVC reads once."""

import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext

import psutil
import pytest

from descent.lab import recover
from descent.lab.lockfile import written_in_one_piece

HELD = {"write": {"/somewhere/artifacts/code": "holder"}, "read": {"/somewhere/src": ["holder"]}}


@pytest.fixture
def locks(tmp_path):
    def hold(pid: int):
        text = json.dumps(HELD).replace('"holder"', json.dumps({"pid": pid, "cmd": "dvc repro"}))
        path = tmp_path / "rwlock"
        path.write_text(text, encoding="utf-8")
        return path

    return hold


@pytest.fixture
def child():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def released(path) -> bool:
    recover.release(path)
    left = json.loads(path.read_text(encoding="utf-8"))
    return not left["write"] and not any(left["read"].values())


def test_a_lock_is_kept_as_long_as_its_process_runs(locks, child, capsys):
    assert not released(locks(child.pid))
    assert not capsys.readouterr().out


def test_a_lock_of_a_dead_process_is_released(locks, child, capsys):
    child.kill()
    child.wait()
    assert released(locks(child.pid))
    assert "rwlock was held by a process that has ended: released\n" in capsys.readouterr().out


def test_a_lock_of_a_process_that_nobody_waited_for_is_released(locks, child):
    child.kill()
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert released(locks(child.pid))


def test_a_later_process_of_the_same_number_holds_nothing(locks, child):
    path = locks(child.pid)
    before = psutil.Process(child.pid).create_time() - 60
    os.utime(path, (before, before))
    assert released(path)


LOCKED = {
    "schema": "2.0",
    "stages": {
        "code": {"cmd": "python stages/digests.py", "deps": [{"path": "src", "hash": "md5"}]},
        "a@b": {
            "cmd": "x " * 60,
            "params": {"params.yaml": {"a.b": {"c": [1, 2.5, [1e-9]], "d": {}, "e": [], "f": "é"}}},
        },
        "a@c": {"cmd": ["one", "two"], "params": {"params.yaml": {"a.c": {"long": "0" * 90}}}},
    },
}
CHANGES = [
    lambda stages, n: stages["a@b"]["params"]["params.yaml"]["a.b"].update(c=[n, 1e-7], g=True),
    lambda stages, n: stages.update({f"new@{n}": {"cmd": "y"}}),
    lambda stages, n: stages.pop("code", None),
    lambda stages, n: stages.clear(),
    lambda stages, n: stages.update({"a@c": {"cmd": "z"}, f"d@{n}": {"cmd": "w"}}),
    lambda stages, n: None,
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_lock_file_is_written_as_dvc_writes_it(tmp_path, change):
    dvcfile = pytest.importorskip("dvc.dvcfile")
    dumps = pytest.importorskip("dvc.utils.serialize").dumps_yaml
    paths = [tmp_path / folder / "dvc.lock" for folder in ("ours", "theirs")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(dumps(LOCKED), encoding="utf-8")
    for number in (3, 4):
        for path, how in zip(paths, (written_in_one_piece, nullcontext), strict=True):
            with how(), dvcfile.modify_yaml(path) as tree:
                change(tree["stages"], number)
        assert paths[0].read_bytes() == paths[1].read_bytes()
        assert recover.whole(paths[0].read_bytes())


@pytest.mark.parametrize("text", ["", "schema: '2.0'\nstages:\n  a:\n    cmd: x # why\n"])
def test_a_lock_file_that_dvc_did_not_write_is_left_to_dvc(tmp_path, text):
    dvcfile = pytest.importorskip("dvc.dvcfile")
    path = tmp_path / "dvc.lock"
    path.write_text(text, encoding="utf-8")
    with written_in_one_piece(), dvcfile.modify_yaml(path) as tree:
        tree["stages"] = tree.get("stages", {}) | {"b": {"cmd": "y"}}
    assert "cmd: y" in path.read_text(encoding="utf-8")
    assert ("# why" in path.read_text(encoding="utf-8")) == ("# why" in text)


def test_the_first_lock_file_is_dvc_s(tmp_path):
    dvcfile = pytest.importorskip("dvc.dvcfile")
    texts = []
    for how in (written_in_one_piece, nullcontext):
        with how(), dvcfile.modify_yaml(tmp_path / "dvc.lock") as tree:
            tree.update({"schema": "2.0"} if not tree else {})
            tree["stages"] = tree.get("stages", {}) | {"b": {"cmd": "y"}}
        texts.append((tmp_path / "dvc.lock").read_text(encoding="utf-8"))
        (tmp_path / "dvc.lock").unlink()
    assert texts[0] == texts[1]


def test_what_fails_on_the_way_leaves_the_lock_file_as_it_was(tmp_path):
    dvcfile = pytest.importorskip("dvc.dvcfile")
    path = tmp_path / "dvc.lock"
    path.write_text("schema: '2.0'\nstages:\n  a:\n    cmd: x\n", encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), written_in_one_piece(), dvcfile.modify_yaml(path):
        raise KeyboardInterrupt
    assert path.read_bytes() == before


@pytest.mark.parametrize("part", [0.0, 0.1, 0.37, 0.6, 0.9, 0.98])
def test_a_torn_lock_file_is_seen_and_restored(tmp_path, monkeypatch, capsys, part):
    """Cut off anywhere: either it is not whole, or no line of what is left is cut off."""
    dumps = pytest.importorskip("dvc.utils.serialize").dumps_yaml
    monkeypatch.chdir(tmp_path)
    data = dumps(LOCKED).encode()
    recover.LOCK.write_bytes(data)
    recover.keep()
    start = int(part * len(data))
    for cut in range(start, min(start + 40, len(data))):
        recover.LOCK.write_bytes(data[:cut])
        recover.mend()
        if recover.LOCK.read_bytes() == data:
            said = capsys.readouterr().out
            assert said == "dvc.lock was torn by an interrupt: restored from the last good copy\n"
        else:
            assert recover.whole(data[:cut])
    assert recover.whole(recover.LOCK.read_bytes())
