"""`stages/repro.py` killed at each of its writes: python tests/faults/kills.py [--stage | --whole | --short]

The toy project (tests/toy.py) is reproduced after a change of a number in each of two blocks. A first, undisturbed run
lists every write of DVC and of ours; then one run for each kind of write and moment (before a file is renamed, a moment
into its writing, after it) is killed there, by SIGKILL, Ctrl-C or SIGTERM, to all of its processes or to the first one
alone. The next run must finish, say nothing of a traceback, and leave what the undisturbed run left: every file, every
run of MLflow once.
"""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from itertools import cycle
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "src")]

from ruamel.yaml import YAML

from toy import Project

HERE = Path(__file__).parent
RESULTS = ("metrics", "plots", "curves", "artifacts")
PATIENCE = 900  # seconds, after which a run is endless
DELAYS = {"open": (0.0005, 0.01), "os.rename": (0, 0.0005), "os.remove": (0.0005,)}
IDLE = r"os\.remove .*\.partial|os\.mkdir"  # almost always changes nothing
SHORT = r"rwlock$|rename dvc\.lock|open metrics/beta"
AFTER = r"plots|curves|report|tracked|dvc\.lock|\.dir|photos|remove \.dvc/cache"  # what only a whole run writes
HOW = (  # the signal, and whether the first process alone gets it
    (signal.SIGKILL, False),
    (signal.SIGINT, False),
    (signal.SIGKILL, True),
    (signal.SIGTERM, False),
    (signal.SIGKILL, False),
    (signal.SIGTERM, True),
    (signal.SIGINT, True),
)
SOME = r"(?<=curves/)[\w-]+/\.?[\w-]+|[0-9a-f]{32}|[0-9a-f]{2}(?=/)|[0-9a-f]{30}|\d{3,}|(?<=\.)[\w-]{22}|tmp\w+"


def kind(write: str) -> str:
    """A write without the numbers that differ from run to run."""
    return re.sub(SOME, "*", write)


def results(project: Project) -> dict[str, object]:
    """What a run leaves behind, but for what it took: the page says that."""
    lock = YAML(typ="safe").load(project.root / "dvc.lock")["stages"]
    del lock["report"]["outs"]
    found = project.files(*RESULTS) | {f"dvc.lock: {name}": stage for name, stage in lock.items()}
    return {path: of for path, of in found.items() if not path.startswith("artifacts/cost/")}


def runs(project: Project) -> Counter:
    """How many top-level runs of MLflow there are of each status and fingerprint."""
    query = """
        SELECT runs.status, mark.value FROM runs
        JOIN tags AS mark ON mark.run_uuid = runs.run_uuid AND mark.key = 'descent.fingerprint'
        LEFT JOIN tags AS parent
            ON parent.run_uuid = runs.run_uuid AND parent.key = 'mlflow.parentRunId'
        WHERE parent.value IS NULL AND lifecycle_stage = 'active'
    """
    with closing(sqlite3.connect(project.root / "mlflow.db")) as database:
        return Counter(database.execute(query).fetchall())


def aimed(
    project: Project, target: tuple, at: int, how: str = "0 0 0", first: bool = False
) -> list[str]:
    """A run that is shot at its write number `at`; every write that it came to."""
    log = project.root.parent / "writes"
    log.unlink(missing_ok=True)
    sites = project.root.parent / "sites"
    sites.mkdir(exist_ok=True)
    shutil.copy(HERE / "aim.py", sites / "sitecustomize.py")
    command = ["python", "stages/repro.py", *target]
    if first:  # the number of the process is known to itself alone
        program = "import os, sys; os.environ['AIM_HOW'] += f' {os.getpid()}'; os.execvp('python', sys.argv[1:])"
        command = [sys.executable, "-S", "-c", program, *command]
    environment = {
        **{"AIM_ROOT": str(project.root), "AIM_LOG": str(log), "AIM_AT": str(at)},
        **{"AIM_HOW": how, "PYTHONPATH": str(sites)},
    }
    process = subprocess.Popen(
        command,
        cwd=project.root,
        env=project.environment | environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(PATIENCE)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def change(project: Project, last: int) -> None:
    """Two blocks that do not wait for each other, so that their stages run side by side."""
    project.params["beta"]["quick"]["last"] = last
    project.params["photos"]["count"]["batch"] = 32 + last
    project.save()


def undisturbed(project: Project, target: tuple[str, ...]) -> tuple[dict[int, dict], list[str]]:
    """What two settings of a number leave behind, and what the way from one to the other writes."""
    left, writes = {}, []
    for last in (5, 3):
        change(project, last)
        writes = aimed(project, target, 0)
        left[last] = results(project)
    return left, writes


def shots(writes: list[str]) -> list[tuple[int, str, float]]:
    """(number, kind, delay): a write of each kind, the middle one, and its moments."""
    places: dict[str, list[int]] = {}
    for number, write in enumerate(writes, 1):
        if not re.match(IDLE, write):
            places.setdefault(kind(write), []).append(number)
    return [
        (numbers[len(numbers) // 2], k, delay)
        for k, numbers in places.items()
        for delay in DELAYS.get(k.split()[0], (0.0005,))
    ]


def trial(project: Project, left: dict, target: tuple, at: int, delay: float, how: tuple):
    """What is wrong after a run was killed and the next one has finished."""
    number, alone = how
    last = 5 if project.params["beta"]["quick"]["last"] == 3 else 3
    change(project, last)
    aimed(project, target, at, f"{int(number)} {delay}" + ("" if alone else " 0"), alone)
    _, done = project.repro(*target)
    if done.returncode:
        yield f"lost: {done.stderr[-300:]}"
    if "Traceback" in done.stdout + done.stderr:
        yield "traceback"
    now = results(project)
    if now != left[last]:
        paths = [p for p in now.keys() | left[last].keys() if now.get(p) != left[last].get(p)]
        yield f"differs: {paths}"
    if any(project.root.rglob(".*.partial")):
        yield "an unfinished file"
    found = runs(project)
    if any(status != "FINISHED" for status, _ in found) or any(n > 1 for n in found.values()):
        yield f"runs of MLflow: {sorted(Counter(s for s, _ in found.elements()).items())}"


def main(project: Project, *target: str, only: str = "", step: int = 1) -> Counter:
    """Counts of kills by signal and of what went wrong after them; every `step`-th kill of those that there are."""
    left, writes = undisturbed(project, target)
    wanted, counts = [shot for shot in shots(writes) if re.search(only, shot[1])], Counter()
    kinds = len({kind(write) for write in writes})
    wanted = wanted[::step]
    print(f"{len(writes)} writes of {kinds} kinds, {len(wanted)} kills", flush=True)
    for (at, name, delay), how in zip(wanted, cycle(HOW), strict=False):
        counts["kills"] += 1
        counts[f"{how[0].name}{' of the first process alone' * how[1]}"] += 1
        for fault in trial(project, left, target, at, delay, how):
            counts[fault.partition(":")[0]] += 1
            print(f"{name} + {delay}, {how[0].name}{' alone' * how[1]}: {fault}", flush=True)
    _, done = project.repro()
    counts["lost"] += done.returncode != 0
    return counts


def program(*arguments: str) -> int:
    counts = Counter()
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder, "a toy"))
        project.repro()
        project.commit("results")
        if "--whole" not in arguments:
            counts += main(project, "beta@quick", only=SHORT if "--short" in arguments else "")
        if not {"--short", "--stage"} & set(arguments):
            counts += main(project, only=AFTER)
    print(", ".join(f"{name} {count}" for name, count in counts.items()))
    return int(any(counts[name] for name in ("lost", "traceback", "differs", "runs of MLflow")))


if __name__ == "__main__":
    sys.exit(program(*sys.argv[1:]))
