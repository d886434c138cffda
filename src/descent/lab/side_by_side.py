"""How `dvc repro` is made to run stages side by side (ahead.py). Where DVC no longer has the functions, nothing is changed."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from descent.lab.ahead import Ahead
from descent.lab.messages import refuse

JOBS = "DESCENT_JOBS"  # how many stages at a time; as many as there are cores where it is not set
GIB = 2  # of memory that a stage is given at the least
PLANS = ("_reproduce", "_reproduce_stage")  # what is used of DVC here and in ahead.py
RUNS = ("cmd_run", "_make_cmd", "get_executable", "prepare_kwargs", "display_command", "logger")


def jobs() -> int:
    """How many stages are run side by side on this machine; one line and exit code 2 for no such number."""
    wanted = os.environ.get(JOBS, "")
    if wanted.isascii() and wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    if wanted:
        refuse(f"{JOBS}: must be a whole number from 1 on, not {wanted!r}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, psutil.virtual_memory().available // (GIB * 2**30)))


@contextmanager
def side_by_side(prepare: Callable = lambda: None) -> Iterator[list[str]]:
    """Meanwhile `dvc repro` runs stages side by side; the names of those that it ran.

    Args:
        prepare: called before a command begins.
    """
    import dvc.repo.reproduce as plan
    import dvc.stage.run as run
    from dvc.stage.exceptions import StageCmdFailedError

    most, ran = jobs(), []
    known = all(hasattr(plan, n) for n in PLANS) and all(hasattr(run, n) for n in RUNS)
    if not known:
        yield ran
        return
    reproduce, reproduce_stage, usual = plan._reproduce, plan._reproduce_stage, run.cmd_run
    now: list[Ahead] = []  # of the `dvc repro` that runs

    def planned(stages, graph=None, force=False, **options):
        if graph is None or options.get("dry") or options.get("interactive"):
            return reproduce(stages, graph=graph, force=force, **options)
        now.append(Ahead(stages, graph, force, most, prepare))

        def one(stage, **given):
            done = reproduce_stage(stage, **given)
            now[-1].settled.add(stage)
            return done

        try:
            return reproduce(stages, graph=graph, force=force, **options, repro_fn=one)
        finally:
            now.pop().stop()

    def command(stage, dry=False, run_env=None):
        ran.extend([] if dry else [stage.addressing])
        code = now[-1].run(stage) if now and not (dry or run_env) else None
        if code is None:
            usual(stage, dry=dry, run_env=run_env)
        elif code:
            raise StageCmdFailedError(stage.cmd, code)

    plan._reproduce, run.cmd_run = planned, command
    try:
        yield ran
    finally:
        plan._reproduce, run.cmd_run = reproduce, usual
