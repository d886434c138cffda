"""`dvc repro`, but better guarded and faster.

What an interrupt has torn is mended before, what belongs to no block is removed, dvc.lock is replaced in one piece,
what DVC does again for every stage it does once, and stages that do not wait for each other run side by side.
"""

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path

from descent.config import Refusal
from descent.lab.environment import require_clone, require_system
from descent.lab.files import kept
from descent.lab.leftovers import forget, sweep
from descent.lab.lockfile import written_in_one_piece
from descent.lab.messages import refuse, say
from descent.lab.outcome import outcome
from descent.lab.params import PARAMS, mapping
from descent.lab.project import PIPELINE
from descent.lab.recover import keep, mend
from descent.lab.scheduler import one_cluster
from descent.lab.scratch import clear
from descent.lab.side_by_side import side_by_side
from descent.lab.spared import spared
from descent.lab.warm import beforehand


def repro(*arguments: str) -> int:
    """`dvc repro`, mended before and watched meanwhile; its exit code."""
    require_system()
    require_clone()
    if not {"--dry", "-n", "--help", "-h"} & set(arguments):
        beforehand()
    require_known(arguments)
    with kept():
        mend()
        keep()
        clear()
        if not {"--dry", "-n"} & set(arguments):
            sweep()
            forget()
    try:
        from dvc.cli import main
    except ImportError:
        say("dvc is not installed here: activate the environment, or use make")
        return 2
    here = str(Path(sys.executable).parent)  # the stages are run by the `python` on the PATH
    os.environ["PATH"] = os.pathsep.join((here, os.environ.get("PATH", os.defpath)))
    if os.name == "posix":
        os.environ["SHELL"] = "/bin/sh"  # not one that runs nothing, as users without a login have
    start, ran = time.perf_counter(), []
    try:
        with (
            one_cluster() as workers,
            written_in_one_piece(),
            spared(),
            no_advice(),
            side_by_side(workers) as ran,
        ):
            return main(["repro", *arguments])
    except Refusal as line:
        refuse(str(line))
    finally:
        with suppress(OSError):  # a full disk: the copy before is kept
            keep()
        if ran:
            say("", *outcome(ran, time.perf_counter() - start))


def require_known(arguments: tuple[str, ...]) -> None:
    """One line and exit code 2 for options that DVC does not have, and for targets that are neither stage nor file."""
    try:
        from dvc.cli import DvcParserError
        from dvc.cli.parser import get_main_parser
    except ImportError:
        return
    said = StringIO()
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stderr(said), redirect_stdout(said):
            parsed = get_main_parser().parse_args(["repro", *arguments])
    except DvcParserError:
        refuse(f"dvc repro {' '.join(arguments)}: not known; `dvc repro --help` tells what is")
    except SystemExit:  # --help, which DVC is to show
        return
    finally:
        logging.disable(logging.NOTSET)
    tree = mapping(PIPELINE)
    stages = tree.get("stages") if isinstance(tree.get("stages"), dict) else {}
    for target in parsed.targets or ():
        name, at, key = target.partition("@")
        known = name in stages and (not at or key in keys(stages[name]))
        if not (known or ":" in target or Path(target).exists()):
            refuse(f"{target}: neither a stage of {PIPELINE} nor a file")


def keys(stage: object) -> Iterable[str]:
    """What may follow the @ of a group: the blocks of its family, or the items of its list."""
    of = stage.get("foreach") if isinstance(stage, dict) else None
    if isinstance(of, str):  # ${family}
        of = mapping(PARAMS).get(of.strip("${}"))
    return map(str, of) if isinstance(of, dict | list) else ()


@contextmanager
def no_advice() -> Iterator[None]:
    """Meanwhile DVC does not advise to push where there is no remote to push to."""
    from dvc.config import Config
    from dvc.ui import ui

    write = ui.write

    def heard(*words, **options) -> None:
        advice = bool(words) and str(words[0]).startswith("Use `dvc push`")
        if not advice or Config().get("remote"):
            write(*words, **options)

    ui.write = heard
    try:
        yield
    finally:
        del ui.write
