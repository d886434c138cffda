"""How `dvc repro` is made to run stages side by side (ahead.py). Where DVC no longer has the functions, nothing is changed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from descent.lab.ahead import Ahead
from descent.lab.messages import refuse

JOBS = "DESCENT_JOBS"  # how many stages at a time; as many as there are cores where it is not set
GIB = 2  # of memory that a stage is given at the least


def jobs() -> int:
    """How many stages are run side by side on this machine; one line and exit code 2 for no such number."""
    wanted = os.environ.get(JOBS, "")
    if wanted.isascii() and wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    if wanted:
        refuse(f"{JOBS}: must be a whole number from 1 on, not {wanted!r}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with suppress(OSError, ValueError):  # a system that does not tell
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        cores = min(cores or 1, free // (GIB * 2**30))
    return max(1, cores or 1)


@contextmanager
def side_by_side() -> Iterator[None]:
    """Meanwhile `dvc repro` runs stages side by side."""
    import dvc.repo.reproduce as plan
    import dvc.stage.run as run
    from dvc.stage.exceptions import StageCmdFailedError

    reproduce, reproduce_stage = (
        getattr(plan, n, None) for n in ("_reproduce", "_reproduce_stage")
    )
    most, usual = jobs(), getattr(run, "cmd_run", None)
    if most < 2 or None in (reproduce, reproduce_stage, usual):
        yield
        return
    now: list[Ahead] = []  # of the `dvc repro` that runs

    def planned(stages, graph=None, force=False, **options):
        if graph is None or options.get("dry") or options.get("interactive"):
            return reproduce(stages, graph=graph, force=force, **options)
        now.append(Ahead(stages, graph, force, most))

        def one(stage, **given):
            done = reproduce_stage(stage, **given)
            now[-1].settled.add(stage)
            return done

        try:
            return reproduce(stages, graph=graph, force=force, **options, repro_fn=one)
        finally:
            now.pop().stop()

    def command(stage, dry=False, run_env=None):
        code = now[-1].run(stage) if now and not (dry or run_env) else None
        if code is None:
            usual(stage, dry=dry, run_env=run_env)
        elif code:
            raise StageCmdFailedError(stage.cmd, code)

    plan._reproduce, run.cmd_run = planned, command
    try:
        yield
    finally:
        plan._reproduce, run.cmd_run = reproduce, usual
