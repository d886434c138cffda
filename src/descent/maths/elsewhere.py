"""Whether replicates run on other machines: the lab says so, and no experiment asks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# A function, the seed, the replicate's number, and what it takes beside its generator.
Task = tuple[Callable, int, int, tuple]
Seen = Callable[[int, int], None]
Run = Callable[[Callable, list[Task], Seen], list]
_runner: ContextVar[Run | None] = ContextVar("runner", default=None)


def runner() -> Run | None:
    """What runs replicates in place of this machine's own processes; None where nothing does."""
    return _runner.get()


@contextmanager
def run_by(run: Run) -> Iterator[None]:
    """Meanwhile run(alone, tasks, seen) gives [alone(*task) for task in tasks], computed wherever it likes.

    It calls seen(done, of) as they come in.
    """
    token = _runner.set(run)
    try:
        yield
    finally:
        _runner.reset(token)
