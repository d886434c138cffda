"""A door that is forked from a warm process does what it does when a shell starts it."""

import os
import signal
import subprocess
import sys
from tempfile import TemporaryFile

import pytest

from descent.lab.warm import Warm, door
from toy import ROOT, clean_environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")

SHOWS = """
import os, sys
print(__name__, __file__, sys.argv[1:], os.getcwd(), sys.path[0], sorted(os.environ.items()))
print(sys.stdin.read() == "", "numba" in sys.modules, file=sys.stderr)
"""
OWN = """
import sys
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("descent", "dvc", "pytest")))
"""
ENDS = {
    "sys.exit(3)": 3,
    "sys.exit('no')": 1,
    "pass": 0,
    "sys.exit(None)": 0,
    "1 / 0": 1,
    "os._exit(7)": 7,
    "os.kill(os.getpid(), 9)": -9,
}


@pytest.fixture
def begin(tmp_path):
    """begin(code, …): the door stages/some.py of this code, run warm: what it said, and its exit code."""
    (tmp_path / "stages").mkdir()

    def begin(code: str, *words: str, **environment: str) -> tuple[str, int]:
        (tmp_path / "stages/some.py").write_text(code, encoding="utf-8")
        with TemporaryFile() as said:
            given = clean_environment() | environment
            process = Warm(["stages/some.py", *words], str(tmp_path), given, said)
            code = process.wait()
            assert process.poll() == process.returncode == code
            said.seek(0)
            return said.read().decode(), code

    return begin


def test_it_sees_what_it_would_see_in_a_shell(begin, tmp_path):
    # Without a locale, Python itself adds one to the environment of a shell's command.
    named = {"SOME": "thing", "LC_ALL": "C.UTF-8"}
    warm, code = begin(SHOWS, "one", "2 3", **named)
    command = [sys.executable, "stages/some.py", "one", "2 3"]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    given = clean_environment() | named
    cold = subprocess.run(command, cwd=tmp_path, env=given, encoding="utf-8", **streams)
    assert (code, cold.returncode) == (0, 0)
    seen = {"__main__" in line: line for line in warm.splitlines()}
    assert seen[True] in cold.stdout.splitlines()
    assert seen[False] == "True True"  # nothing to read, and a library that is there already
    assert "True False" in cold.stdout.splitlines()


def test_none_of_the_projects_code_is_loaded_but_what_forks(begin):
    said, _ = begin(OWN)
    own = "'descent', 'descent.lab', 'descent.lab.environment', 'descent.lab.messages'"
    assert said == f"[{own}, 'descent.lab.warm', 'descent.lab.woken']\n"


def test_what_numba_prepares_at_its_first_call_is_there_already(begin):
    code = "from numba.core.registry import cpu_target as cpu\n"
    code += (
        "print(len(cpu.target_context._defns) > 100, len(cpu.typing_context._functions) > 100)\n"
    )
    said, _ = begin(code)
    assert said == "True True\n"


FORKS = """
import os, sys
sys.path.insert(0, {src!r})
from descent.lab.warm import Warm
sys.exit(Warm(["stages/some.py"], os.getcwd(), dict(os.environ), None).wait())
"""


def test_the_code_that_is_loaded_is_this_one_where_another_is_installed(tmp_path):
    for place, code in (
        ("other/descent", ""),
        ("stages", "import descent\nprint(descent.__file__)\n"),
    ):
        (tmp_path / place).mkdir(parents=True)
        name = "some.py" if code else "__init__.py"
        (tmp_path / place / name).write_text(code, encoding="utf-8")
    script = tmp_path / "forks.py"
    script.write_text(FORKS.format(src=str(ROOT / "src")), encoding="utf-8")
    environment = clean_environment() | {"PYTHONPATH": str(tmp_path / "other")}
    streams = {"capture_output": True, "encoding": "utf-8", "timeout": 120}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, **streams)
    assert done.stdout == f"{ROOT / 'src/descent/__init__.py'}\n", done.stderr


@pytest.mark.parametrize("end", ENDS)
def test_its_exit_code_and_its_last_words(begin, tmp_path, end):
    said, code = begin(f"import os, sys\n{end}\n")
    assert code == ENDS[end]
    assert ("no\n" in said) is ("no" in end)
    assert ("ZeroDivisionError" in said) is ("1 / 0" in end)


def test_it_can_be_ended(tmp_path):
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/some.py").write_text("import time\ntime.sleep(60)\n", encoding="utf-8")
    with TemporaryFile() as said:
        process = Warm(["stages/some.py"], str(tmp_path), dict(os.environ), said)
        assert process.poll() is None
        process.terminate()
        assert process.wait() == -signal.SIGTERM


def test_this_process_keeps_its_threads_and_its_main_program(begin, monkeypatch):
    main = sys.modules["__main__"]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    said, _ = begin("import os\nprint(os.environ['OMP_NUM_THREADS'])\n", OMP_NUM_THREADS="5")
    assert said == "5\n"
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert "NUMBA_NUM_THREADS" not in os.environ
    assert sys.modules["__main__"] is main


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python stages/run.py a b/c", ["stages/run.py", "a", "b/c"]),
        ("python stages/run.py", ["stages/run.py"]),
        ("python stages/run.py 'a b'", None),
        ("python stages/run.py a > b", None),
        ("python stages/run.py $HOME", None),
        ("python -m stages.run", None),
        ("python other/run.py", None),
        ("python3 stages/run.py", None),
        ("python", None),
        ("", None),
        (["python stages/run.py"], None),
    ],
)
def test_which_commands_are_doors(command, words):
    assert door(command) == words


WRITES = """
import importlib, sys
from descent.lab.warm import LIBRARIES
for name in LIBRARIES:
    importlib.import_module(name)
before = {name.partition(".")[0] for name in sys.modules}
import numpy as np, xarray as xr
data = xr.Dataset({"a": ("k", np.arange(3.0))}, coords={"k": np.arange(3)})
data.to_netcdf("some.nc", engine="scipy")
xr.load_dataset("some.nc", engine="scipy")
print(sorted({name.partition(".")[0] for name in sys.modules} - before))
"""


@pytest.mark.long
def test_what_xarray_imports_to_write_a_file_is_there_already(tmp_path):
    """It imports Dask, wherever that is installed: a second for every stage, if not done beforehand."""
    given = clean_environment() | {"PYTHONPATH": str(ROOT / "src")}
    options = {"cwd": tmp_path, "env": given, "encoding": "utf-8"}
    assert subprocess.check_output([sys.executable, "-c", WRITES], **options) == "[]\n"
