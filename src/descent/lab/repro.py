"""`dvc repro`, but better guarded and faster.

What an interrupt has torn is mended before, what belongs to no block is removed, dvc.lock is replaced in one piece,
params.yaml is parsed once instead of once a stage, and stages that do not wait for each other run side by side.
"""

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from copy import deepcopy
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


def repro(*arguments: str) -> int:
    """`dvc repro`, mended before and watched meanwhile; its exit code."""
    require_system()
    require_clone()
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
            parameters_parsed_once(),
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


@contextmanager
def parameters_parsed_once() -> Iterator[None]:
    """Meanwhile DVC parses a file of parameters again only if it has changed.

    DVC 3 parses the whole of params.yaml, and walks through it, for each stage that depends on a part of it: with a
    hundred stages these are two thirds of a `dvc repro` that has nothing to do. Where DVC no longer has the function,
    nothing is changed.
    """
    import dvc.dependency.param as module

    read, parsed = getattr(module, "read_param_file", None), {}
    if read is None:
        yield
        return

    def read_once(fs, path, key_paths=None, flatten=False, **options):
        if not (key_paths and flatten) or options:
            return read(fs, path, key_paths, flatten, **options)
        state = os.stat(path)  # the file is there: DVC has looked
        version = (path, state.st_mtime_ns, state.st_size, state.st_ino)
        if version not in parsed:
            parsed[version] = read(fs, path)
        try:
            return {name: deepcopy(part(parsed[version], name)) for name in key_paths}
        except (KeyError, TypeError):  # not there, or in a list
            return read(fs, path, key_paths, flatten)

    module.read_param_file = read_once
    try:
        yield
    finally:
        module.read_param_file = read


def part(tree, name: str):
    """What is at a.b.c of nested mappings."""
    for key in name.split("."):
        tree = tree[key]
    return tree
