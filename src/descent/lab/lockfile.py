"""dvc.lock written in one piece and in a hundredth of the time.

DVC 3 parses the whole of dvc.lock with a pure-Python reader and dumps it with a pure-Python writer after every stage,
more than a second each time at a hundred stages, into the file that it has just emptied. Here only the stage that has
changed is formatted, by DVC's own writer, and the file is replaced by the new one when that is whole. Where DVC no
longer has the function, nothing is changed.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import pairwise
from pathlib import Path

from ruamel.yaml import YAML

from descent.lab.files import write

HEAD = "schema: '2.0'\nstages:\n"
STAGE = re.compile(r"^  (?=\S)", re.MULTILINE)  # where a stage begins


@contextmanager
def written_in_one_piece() -> Iterator[None]:
    """Meanwhile DVC writes dvc.lock so."""
    import dvc.dvcfile as module

    usual, known = getattr(module, "modify_yaml", None), {}
    if usual is None:
        yield
        return

    @contextmanager
    def modify(path, fs=None):
        text = _text(path)
        parts = None if text is None else pieces(text)
        if parts is None or Path(path).name != "dvc.lock":
            with usual(path, fs=fs) as tree:
                yield tree
            return
        before = known.get(text) or YAML(typ="safe").load(text)
        before["stages"] = before["stages"] or {}
        tree = deepcopy(before)
        yield tree
        new = renewed(parts, before, tree)
        write(Path(path), lambda partial: partial.write_bytes(new.encode("utf-8")))
        known.clear()  # what was written is not parsed again
        known[new] = tree

    module.modify_yaml = modify
    try:
        yield
    finally:
        module.modify_yaml = usual


def _text(path) -> str | None:
    try:
        return Path(path).read_bytes().decode("utf-8")
    except FileNotFoundError:
        return HEAD
    except (OSError, ValueError):
        return None


def pieces(text: str) -> dict[str, str] | None:
    """The text of every stage; None if the file is laid out otherwise, by a person, say."""
    if not text.startswith(HEAD) or "#" in text or "\n\n" in text or not text.endswith("\n"):
        return None
    places = [*(found.start() for found in STAGE.finditer(text)), len(text)]
    texts = [text[a:b] for a, b in pairwise(places)]
    named = {one.partition(":")[0].strip(): one for one in texts}
    return named if len(named) == len(texts) and HEAD + "".join(texts) == text else None


def renewed(parts: dict[str, str], before: dict, after: dict) -> str:
    """The file with the stages of `after`, of which those that are as before are not formatted anew."""
    from dvc.utils.serialize import dumps_yaml

    if after.keys() != {"schema", "stages"} or str(after["schema"]) != "2.0":
        return dumps_yaml(after)
    texts = []
    for name, stage in after["stages"].items():
        if name in parts and stage == before["stages"].get(name):
            texts.append(parts[name])
        else:
            texts.append(dumps_yaml({"stages": {name: stage}}).partition("\n")[2])
    return HEAD + "".join(texts) if texts else dumps_yaml(after)
