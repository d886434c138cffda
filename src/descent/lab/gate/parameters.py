"""Which parameters are others than in a git revision."""

from descent.lab.gate.reports import contents, leaves
from descent.lab.messages import one_line
from descent.lab.params import PARAMS, UNREADABLE, parsed

LONGEST = 60  # characters of a parameter


def changed(sha: str) -> list[str]:
    """The parameters that are others than in a commit; none where there is no params.yaml to compare."""
    [text] = contents(sha, [f"{PARAMS}"])
    try:
        base, now = parsed(text.decode()), parsed(PARAMS.read_text(encoding="utf-8"))
        base, now = dict(leaves(base)), dict(leaves(now))
    except (OSError, *UNREADABLE):
        return []
    both = [name for name in now if name in base and now[name] != base[name]]
    moved = [f"{name}: {shown(now[name])}, was {shown(base[name])}" for name in both]
    new = {one_there(name, base): "new" for name in now if name not in base}
    gone = {one_there(name, now): "removed" for name in base if name not in now}
    return moved + [f"{name}: {what}" for name, what in (new | gone).items()]


def one_there(name: str, other: dict[str, object]) -> str:
    """The largest part of the tree with this leaf of which the other has nothing: a whole block, say."""
    parts = name.split(".")
    for count in range(1, len(parts)):
        part = ".".join(parts[:count])
        if not any(one == part or one.startswith(f"{part}.") for one in other):
            return part
    return name


def shown(value: object) -> str:
    text = one_line(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
