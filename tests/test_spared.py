"""What DVC does once instead of once a stage comes to the same."""

import json
import os

import pytest

from descent.lab.spared import locked_once, parameters_parsed_once, yaml_parsed_once


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


def test_a_yaml_file_is_parsed_again_when_it_says_something_else(tmp_path, monkeypatch):
    strict = pytest.importorskip("dvc.utils.strictyaml")
    import dvc.utils.serialize._yaml as module

    usual, parsed = module.parse_yaml, []

    def parse(text, path, typ="safe"):
        parsed.append(typ)
        return usual(text, path, typ=typ)

    monkeypatch.setattr(module, "parse_yaml", parse)
    monkeypatch.setattr(strict, "parse_yaml", parse)
    path = tmp_path / "dvc.yaml"
    with yaml_parsed_once():
        for number, times in ((1, 1), (2, 2)):
            path.write_text(f"a: [{number}]\n", encoding="utf-8")
            for _ in range(3):
                tree, text = strict.load(str(path))
                assert (tree, text) == ({"a": [number]}, f"a: [{number}]\n")
                tree["a"].append(0)  # is no one else's
            assert len(parsed) == times
        strict.load(str(path), round_trip=True)
        assert parsed[-1] == "rt"
        path.write_text("a: [\n", encoding="utf-8")
        for _ in range(2):
            with pytest.raises(strict.YAMLSyntaxError):
                strict.load(str(path))
    assert module.parse_yaml is strict.parse_yaml is parse


def test_what_is_held_is_not_locked_again(tmp_path):
    rwlock = pytest.importorskip("dvc.rwlock")
    from dvc.fs import localfs

    usual, path = rwlock.rwlock, tmp_path / "rwlock"

    def lock(read, write):
        return rwlock.rwlock(str(tmp_path), localfs, "dvc repro", read, write, False)

    def held():
        books = json.loads(path.read_text("utf-8"))
        return set(books.get("read", {})), set(books.get("write", {}))

    with locked_once():
        with lock(["/in"], ["/out"]):
            assert held() == ({"/in"}, {"/out"})
            written = path.stat().st_mtime_ns
            with lock(["/in", "/out"], []), lock([], ["/out"]):
                assert path.stat().st_mtime_ns == written
            with lock(["/in"], ["/in/other"]):  # to write is more than to read
                assert held()[1] == {"/out", "/in/other"}
            assert held() == ({"/in"}, {"/out"})
        assert held() == (set(), set())
        with lock(["/in"], []):  # nothing is remembered
            assert held() == ({"/in"}, set())
    assert rwlock.rwlock is usual


def test_what_another_process_holds_stays_locked(tmp_path):
    rwlock = pytest.importorskip("dvc.rwlock")
    from dvc.fs import localfs
    from dvc.lock import LockError

    other = {"pid": os.getppid(), "cmd": "dvc repro"}
    (tmp_path / "rwlock").write_text(json.dumps({"read": {}, "write": {"/out": other}}), "utf-8")
    with locked_once():
        taken = rwlock.rwlock(str(tmp_path), localfs, "dvc repro", [], ["/out"], False)
        with pytest.raises(LockError, match="busy"), taken:
            pass
