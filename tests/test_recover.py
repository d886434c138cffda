"""What a killed `dvc repro` leaves in the file of locks, and the parameters that DVC reads once."""

import json
import os
import subprocess
import sys
import time

import psutil
import pytest

from descent.lab import recover
from descent.lab.repro import parameters_parsed_once

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


def test_a_file_of_parameters_is_parsed_again_when_it_changes(tmp_path, monkeypatch):
    param = pytest.importorskip("dvc.dependency.param")
    from dvc.fs import localfs

    path, parsed, usual = tmp_path / "params.yaml", [], param.load_path
    monkeypatch.setattr(param, "load_path", lambda *a, **k: parsed.append(1) or usual(*a, **k))

    def read(*keys):
        return param.read_param_file(localfs, str(path), list(keys), flatten=True)

    with parameters_parsed_once():
        for number, times in ((1, 1), (20, 2)):
            path.write_text(f"a: {{b: {number}, c: [7]}}\n", encoding="utf-8")
            for _ in range(3):
                assert read("a.b", "a") == {"a.b": number, "a": {"b": number, "c": [7]}}
            read("a")["a"]["b"] = 0  # is no one else's
            assert len(parsed) == times
        assert read("a.b", "a.x", "a.c.0") == {"a.b": 20, "a.c.0": 7}
    assert len(parsed) == 3
    assert read("a.b") == {"a.b": 20}
    assert len(parsed) == 4
