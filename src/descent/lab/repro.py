"""`dvc repro`, but better guarded and faster.

What an interrupt has torn is mended before, what belongs to no block is removed, dvc.lock is replaced in one piece, and
params.yaml is parsed once instead of once a stage.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path

from descent.lab.environment import require_clone, require_system
from descent.lab.files import kept
from descent.lab.leftovers import forget, sweep
from descent.lab.lockfile import written_in_one_piece
from descent.lab.messages import say
from descent.lab.recover import keep, mend
from descent.lab.scratch import clear


def repro(*arguments: str) -> int:
    """`dvc repro`, mended before and watched meanwhile; its exit code."""
    require_system()
    require_clone()
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
    try:
        with written_in_one_piece(), parameters_parsed_once():
            return main(["repro", *arguments])
    finally:
        with suppress(OSError):  # a full disk: the copy before is kept
            keep()


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
