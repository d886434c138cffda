"""`descent list | explain | run | probe`: what it prints, its exit codes, and its refusals of one line."""

import os
import subprocess
import sys

import pytest

from descent.lab import cli, running
from descent.lab.settings import overrides
from descent.result import Check
from toy import ROOT

TIES = "margin.ties"
PROGRAM = "import sys; from descent.lab.cli import main; sys.exit(main())"


@pytest.fixture
def call(monkeypatch, capsys):
    """Exit code, standard output and the lines on standard error of `descent …` in this process."""
    monkeypatch.setattr(os, "environ", dict(os.environ))

    def called(*arguments):
        try:
            code = cli.main([*arguments])
        except SystemExit as stop:
            code = stop.code
        said = capsys.readouterr()
        return code, said.out, said.err.splitlines()

    return called


@pytest.fixture
def here(monkeypatch):
    monkeypatch.chdir(ROOT / "tests")


def test_run_says_what_it_found_what_changed_and_how_to_keep_it(call, here):
    code, out, err = call(
        "run", "margin@ties", "-S", "steps=50", "-S", "margin.ties.sample=[3,-3,1]"
    )
    lines = out.splitlines()
    assert (code, err) == (0, [])
    assert lines[0].startswith("margin.ties: With several directions")
    assert lines[1:4] == [
        "  changed: sample: [1, 1] → [3, -3, 1]",
        "  changed: steps: 100 → 50",
        "  holds",
    ]
    assert lines[4].startswith("  ✓ end ")
    assert lines[-1] == (
        "nothing else was written, nothing tracked: "
        "`dvc exp run -S 'margin.ties.sample=[3,-3,1]' -S margin.ties.steps=50` does both"
    )


def test_a_claim_that_does_not_hold_is_exit_code_1(call, here, monkeypatch):
    experiment = running.found("descent.margin.ties")
    wrong = Check("end", 1.0, "==", 2.0, 0.1, "planted")
    found = experiment.run

    def planted(config):
        result = found(config)
        return type(result)(result.data, result.metrics, (wrong,))

    monkeypatch.setattr(experiment, "run", planted)
    code, out, _ = call("run", TIES)
    assert code == 1
    assert "  ✗ end 1.000 = 2 ± 0.1: planted" in out.splitlines()


def test_no_claim_is_exit_code_0(call, here):
    code, out, _ = call("run", "dynamics.momentum_oscillation", "-S", "step=1e-3")
    assert code == 0
    assert "  no claim: " in out


def test_files_that_are_asked_for_are_written_and_no_others(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(
        "run", TIES, "--root", str(ROOT), "--figure", "a.svg", "--data", str(tmp_path / "a.nc")
    )
    assert code == 0
    assert "  figure: a.svg" in out.splitlines()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nc", "a.svg"]


def test_list_has_a_line_an_experiment(call, here):
    code, out, _ = call("list", "margin.")
    assert code == 0
    assert len(out.splitlines()) == sum(1 for _ in (ROOT / "metrics/margin").iterdir())
    assert all(line.split()[1].startswith("margin.") for line in out.splitlines())


def test_explain_has_claim_parameters_and_checks(call, here):
    code, out, _ = call("explain", TIES)
    assert code == 0
    for words in ("margin.ties\n\nWith several", "See: ", "Source: ", "steps: 100", "✓ margin 1.0"):
        assert words in out


def test_help_teaches_in_ascii(call):
    for arguments in ([], ["--help"], ["run", "--help"], ["list", "--help"]):
        code, out, err = call(*arguments)
        assert (code, err) == (0, [])
        assert out.isascii()
        assert "descent" in out
    assert "exit code 0" in call("run", "--help")[1]
    assert "descent run dynamics.nesterov -S" in call()[1]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("run", "the following arguments are required: FAMILY.NAME"),
        ("runn x", "invalid choice: 'runn'"),
        ("run margin.ties --fig a.svg", "unrecognized arguments: --fig"),
        ("run margin.ties -S", "expected one argument"),
        ("run margin.ties -S steps", "-S steps: must be NAME=VALUE"),
        ("run margin.ties -S =3", "must be NAME=VALUE"),
        ("run margin.ties -S steps=1,2", "one value at a time; `dvc exp run --queue -S …` queues"),
        ("run margin.ties -S ~steps", "no parameter can be left out"),
        ("run margin.ties -S margin.rates.steps=3", "names no parameter of margin.ties"),
        ("run margin.ties -S stesp=3", "did you mean steps?"),
        (
            "run margin.ties -S steps=three",
            "params.yaml: margin.ties.steps: Input should be a valid",
        ),
        ("run margin.ties -S steps=inf", "margin.ties.steps"),
        ("run margin.ties -S sample=[1,2]", "params.yaml: margin.ties: sample: |z_2| alone"),
        ("run margin.tie", "did you mean margin.ties"),
        ("run margin.ties --figure a.pdf", "--figure a.pdf: must end in .svg or .png"),
        ("run margin.ties --data /no/such/a.nc", "--data /no/such/a.nc: cannot be written"),
        ("explain margin", "is a family"),
        ("list zebra", "zebra: no experiment has this"),
        ("list --root /tmp", "/tmp: no project"),
        ("run probe.no_such", "no such experiment"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(call, here, arguments, line):
    code, out, err = call(*arguments.split())
    assert (code, out, len(err)) == (2, "", 1), err
    assert line in err[0]


def test_probe_is_run_of_its_family(call, here, monkeypatch):
    from descent.lab import api
    from descent.lab.records import Experiment, Experiments

    monkeypatch.setattr(api, "experiments", lambda **_: Experiments(()))
    code, _, err = call("probe", "lenet")
    assert (code, len(err)) == (2, 1)
    assert "no experiment of that family" in err[0]
    known = Experiments((Experiment("probe.lenet", "A claim.", "holds"),))
    monkeypatch.setattr(api, "experiments", lambda **_: known)
    assert call("probe")[1] == "probe.lenet: holds: A claim.\n"
    asked = []

    def run(name, changes, root):
        asked.append((name, changes))
        raise api.Refused("stop")

    monkeypatch.setattr(api, "run", run)
    assert call("probe", "lenet", "-S", "probe.lenet.batch=8") == (2, "", ["stop"])
    assert asked == [("probe.lenet", {"batch": 8})]


def test_an_interrupt_is_a_line(call, here, monkeypatch):
    def stopped(config):
        raise KeyboardInterrupt

    monkeypatch.setattr(running.found("descent.margin.ties"), "run", stopped)
    assert call("run", TIES) == (130, "", ["interrupted: nothing was written"])


def test_an_interrupt_before_anything_is_loaded_is_the_same_line(call, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "settle", interrupted)
    assert call("list") == (130, "", ["interrupted: nothing was written"])


def test_settings_are_read_as_dvc_reads_them():
    words = ["a=3", "f.n.b=1e-3", "params.yaml:f.n.c=[l1.5,x]", "d.e=true", "+g=null", "h='1 2'"]
    assert overrides(words[:2] + words[3:], "f.n") == {
        "a": 3,
        "b": 0.001,
        "d.e": True,
        "g": None,
        "h": "1 2",
    }
    assert overrides(words[2:3], "f.n") == {"c": ["l1.5", "x"]}


def test_a_pipe_that_nobody_reads_is_no_traceback():
    read, write = os.pipe()
    os.close(read)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.long
def test_what_a_locale_lacks_is_escaped():
    environment = {"PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "latin-1", "NO_COLOR": "1"}
    command = [sys.executable, "-c", PROGRAM, "explain", TIES, "--root", str(ROOT)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True)
    said = done.stdout.decode("latin-1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert said.startswith("margin.ties")
    assert "\\u2113\\u2081 margin" in said  # ℓ₁
    assert "\x1b" not in said


def called_from_a_shell(arguments: str, streams: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    shell = ["sh", "-c", f'exec "$0" -c "$1" {arguments} {streams}', sys.executable, PROGRAM]
    return subprocess.run(shell, env=environment, cwd=ROOT, capture_output=True)


@pytest.fixture(scope="module", params=["list ties", "run"])
def usual(request):
    """The words of a call, and what it does where all streams are open."""
    return request.param, called_from_a_shell(request.param, "</dev/null")


@pytest.mark.long
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_as_good_as_dev_null(closed, usual):
    """Exit code and lines are those of a call whose streams are open, on the streams that still are."""
    arguments, expected = usual
    done = called_from_a_shell(arguments, closed)
    assert done.returncode == expected.returncode
    assert done.stdout == (b"" if ">&-" in closed.split() else expected.stdout)
    assert done.stderr == (b"" if "2>&-" in closed.split() else expected.stderr)
