"""Work that DVC does once a stage and needs to do once: files parsed again, locks taken again.

With a hundred and sixty stages it is most of a `dvc repro` that has nothing to do. Where DVC no longer has the
functions, nothing is changed.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy


@contextmanager
def spared() -> Iterator[None]:
    """Meanwhile DVC does each of these once."""
    with ExitStack() as stack:
        for one in (parameters_parsed_once, yaml_parsed_once, locked_once):
            stack.enter_context(one())
        yield


@contextmanager
def parameters_parsed_once() -> Iterator[None]:
    """Meanwhile DVC parses a file of parameters again only if it has changed.

    DVC 3 parses the whole of params.yaml, and walks through it, for each stage that depends on a part of it.
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


@contextmanager
def yaml_parsed_once() -> Iterator[None]:
    """Meanwhile DVC parses dvc.yaml, dvc.lock and what they include again only if they say something else."""
    import dvc.utils.serialize._yaml as module
    import dvc.utils.strictyaml as strict

    parse, parsed = getattr(module, "parse_yaml", None), {}
    if parse is None or getattr(strict, "parse_yaml", None) is not parse:
        yield
        return

    def parse_once(text, path, typ="safe"):
        if typ != "safe":
            return parse(text, path, typ=typ)
        if parsed.get(path, ("", None))[0] != text:
            parsed[path] = text, parse(text, path)
        return deepcopy(parsed[path][1])

    module.parse_yaml = strict.parse_yaml = parse_once
    try:
        yield
    finally:
        module.parse_yaml = strict.parse_yaml = parse


@contextmanager
def locked_once() -> Iterator[None]:
    """Meanwhile DVC does not lock again what it holds itself.

    While it reproduces a stage it holds the locks of its files, and yet takes them again for each of three checks of
    that stage, which reads and writes the file of locks six times more.
    """
    import dvc.rwlock as module

    lock = getattr(module, "rwlock", None)
    if lock is None:
        yield
        return
    held: list[tuple[set, set]] = []  # what is read and what is written, the innermost last

    @contextmanager
    def once(tmp_dir, fs, cmd, read, write, hardlink):
        reads = set().union(*(r | w for r, w in held))
        writes = set().union(*(w for _, w in held))
        if held and reads.issuperset(read) and writes.issuperset(write):
            yield
            return
        with lock(tmp_dir, fs, cmd, read, write, hardlink):
            held.append((set(read), set(write)))
            try:
                yield
            finally:
                held.pop()

    module.rwlock = once
    try:
        yield
    finally:
        module.rwlock = lock
