"""How many replicates are done: in a file for who waits, as a bar on a terminal, as a line a minute in a log."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest

from descent.lab import counting
from descent.lab.counting import FILE, Shown, counted, waiting
from descent.maths import replicates
from toy import ROOT, clean_environment


def drawn(rng: np.random.Generator, scale: float) -> float:
    return scale * rng.standard_normal()


def lost(rng: np.random.Generator, scale: float) -> float:
    if scale > 1:
        raise ArithmeticError("left float64")
    return scale


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def seen(monkeypatch):
    """What is told of replicates."""
    found = []
    monkeypatch.setattr(replicates, "seen", lambda done, of: found.append((done, of)))
    return found


def test_every_replicate_is_told_once_and_the_results_are_as_before(seen):
    found = replicates.replicate(drawn, 7, [(1.0,), (2.0,), (3.0,)])
    by_hand = [drawn(np.random.default_rng([7, k]), k + 1.0) for k in range(3)]
    assert found == by_hand
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_replicate_that_fails_ends_the_run_as_before(seen):
    with pytest.raises(ArithmeticError, match="left float64"):
        replicates.replicate(lost, 0, [(1.0,), (2.0,), (1.0,)])
    assert seen in ([], [(1, 3)])


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_on_a_terminal_and_a_line_in_a_log(monkeypatch, terminal):
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    monkeypatch.setattr(counting, "OFTEN", 0.0)
    monkeypatch.setattr(counting, "SELDOM", 0.0)
    monkeypatch.delenv(FILE, raising=False)
    usual = replicates.seen
    with counted("sensing@exact"):
        for done in (1, 2, 3):
            replicates.seen(done, 3)
        shown = sys.stderr.getvalue()
    assert replicates.seen is usual
    said = [f"sensing@exact: {done} of 3 replicates" for done in (1, 2)]
    if terminal:
        assert [line.split("] ")[1] for line in shown.split(counting.CLEAR)[1:]] == said
        assert f"[{'#' * 10}{'.' * 20}]" in shown
        assert sys.stderr.getvalue() == shown + counting.CLEAR  # and nothing of it stays
    else:
        assert shown.splitlines() == said
        assert sys.stderr.getvalue() == shown


def test_a_short_run_says_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with counted("sensing@exact"):
        replicates.replicate(drawn, 0, [(1.0,)] * 3)
    assert sys.stderr.getvalue() == ""


def test_one_process_tells_and_another_shows(monkeypatch, tmp_path):
    place = tmp_path / "count"
    monkeypatch.setenv(FILE, str(place))
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(counting, "OFTEN", 0.0)
    with waiting("a@b", place) as found:
        found.look()  # nothing is there yet
        with counted("a@b"):
            replicates.seen(2, 5)
        found.look()
        assert sys.stderr.getvalue().endswith("a@b: 2 of 5 replicates")
        for torn in ("", "3", "3 of 5"):
            place.write_text(torn, encoding="ascii")
            found.look()
        assert sys.stderr.getvalue().count("replicates") == 1
    assert not place.exists()


def test_what_cannot_be_told_or_shown_costs_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv(FILE, str(tmp_path / "nowhere/count"))
    with counted("a@b"):
        replicates.seen(1, 5)
    monkeypatch.setattr(counting, "OFTEN", -1.0)
    closed = Terminal()
    monkeypatch.setattr(sys, "stderr", closed)
    shown = Shown("a@b")
    closed.close()
    shown.show(1, 5)
    shown.clear()


DOOR = """
import time
from descent.lab.counting import counted
from descent.maths import replicates
with counted("slow@one"):
    for done in range(1, 11):
        time.sleep(0.1)
        replicates.seen(done, 10)
"""


@pytest.mark.long
def test_dvc_repro_shows_the_bar_of_a_stage_whose_words_it_keeps(tmp_path):
    """On a real terminal, with two stages at once."""
    pty = pytest.importorskip("pty")
    from test_side_by_side import CALL, Pipeline

    (tmp_path / "door.py").write_text(DOOR, encoding="utf-8")
    Pipeline(tmp_path, one=(f"{sys.executable} door.py", "given"), two=("sleep 1", "given"))
    (tmp_path / "artifacts").mkdir()
    master, slave = pty.openpty()
    environment = clean_environment() | {"PYTHONPATH": f"{ROOT / 'src'}", "DESCENT_JOBS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", CALL], cwd=tmp_path, env=environment, stdout=slave, stderr=slave
    )
    os.close(slave)
    said = b""
    try:
        while part := os.read(master, 65536):
            said += part
    except OSError:  # the terminal is closed
        pass
    os.close(master)
    assert done.returncode == 0, said.decode()
    assert b" of 10 replicates" in said
    assert not list((tmp_path / "artifacts").iterdir())
