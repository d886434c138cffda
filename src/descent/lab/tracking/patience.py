"""Work on a store that may never answer: it is left when nothing comes any more, or when it takes too long."""

import time
from collections.abc import Callable
from threading import Event, Thread

SLICE = 0.5  # seconds between two looks
SILENCE = 25.0  # seconds without an answer, while this process has nothing to do
WHOLE = 600.0  # seconds for all
IDLE = 0.01  # of a slice: who computes more, or imports, is not waiting, however little it gets


class Left(Exception):
    """It has been given up, and what is still at work is to end."""


class Patience:
    """What is at work says whenever it has an answer; time in which this process is stopped does not count."""

    def __init__(self):
        self.quiet = 0.0
        self.over = False

    def answered(self) -> None:
        """There was an answer."""
        if self.over:
            raise Left
        self.quiet = 0.0

    def until(self, work: Callable[[], None]) -> str:
        """Do the work, or say why it was left; what it raises is raised here."""
        done, caught = Event(), []
        Thread(target=self._work, args=(work, done, caught), daemon=True).start()
        total, busy = 0.0, time.process_time()
        while not done.wait(SLICE):
            total, before, busy = total + SLICE, busy, time.process_time()
            self.quiet = self.quiet + SLICE if busy - before < IDLE * SLICE else 0.0
            if self.quiet >= SILENCE or total >= WHOLE:
                self.over = True
                quiet = f"no answer for {SILENCE:g} s"
                return quiet if self.quiet >= SILENCE else f"not done in {WHOLE:g} s"
        if caught:
            raise caught[0]
        return ""

    def _work(self, work: Callable[[], None], done: Event, caught: list[BaseException]) -> None:
        try:
            work()
        except BaseException as error:
            caught.append(error)
        finally:
            done.set()


class Watched:
    """A client of the store, each of whose answers counts."""

    def __init__(self, client, answered: Callable[[], None]):
        self.client, self.said = client, answered

    def __getattr__(self, name: str):
        call = getattr(self.client, name)

        def watched(*arguments, **named):
            answer = call(*arguments, **named)
            self.said()
            return answer

        return watched
