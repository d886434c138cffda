"""Add to the store the results that it lacks, and take from it what is double or unfinished.

No result depends on another: one that cannot be described, or that the store refuses, is left out and named.
"""

import sqlite3
import time
from contextlib import nullcontext, suppress
from pathlib import Path

from descent.lab.messages import refusals
from descent.lab.tracking import local, schema
from descent.lab.tracking.address import database, default
from descent.lab.tracking.census import alive, census
from descent.lab.tracking.patience import Left, Patience
from descent.lab.tracking.results import Tracked, results, why

GRACE = 20.0  # seconds in which a run of somebody else may stay as it is
POLL = 0.5  # seconds between two looks at it
IN_A_ROW = 5  # results that the store does not take: then it takes none


class Filling:
    """What is still to be tracked, and what failed, with the reasons."""

    def __init__(self, patience: Patience):
        self.patience = patience
        self.found, self.failed = results()
        self.paths = {one.block.path for one in self.found}
        self.left = list(self.found)
        self.refused = 0  # results in a row that the store did not take
        self.said = ""  # what was set aside

    def work(self, uri: str, root: Path) -> None:
        """Look whether there is anything to do; if so, do it, alone on a store that is a file."""
        path = database(uri)
        ours = path == default(root)  # another database is somebody's, and stays
        if path and not (ours and schema.foreign(path)):
            with suppress(sqlite3.Error):  # whatever is wrong here is left to what follows
                seen = census(local.look(path), alive)
                self.left = [one for one in self.found if one.fingerprint not in seen.there]
                if not (self.left or seen.junk or seen.busy):
                    return
        with local.alone(path, self.patience.answered) if path else nullcontext():
            if path:
                if ours:
                    self.said = schema.set_aside(path)
                local.probe(path)
            from descent.lab.tracking.store import Store

            store = Store(uri, root, self.patience)
            self.fill(store)

    def fill(self, store) -> None:
        """Take away what is too much, add what is missing, and see to what others have begun."""
        places, found = self.places(store)
        store.discard(found.junk)
        pending = dict.fromkeys(found.busy)
        for one in list(self.left):
            if self.add(store, places, one) is False:
                pending[one.fingerprint] = None
        self.wait(store, places, list(pending))

    def places(self, store):
        """The experiment of each family that is to be added to, and what there is in the store."""
        from descent.lab.tracking.describe import question

        found, places = store.census(), {}
        again = False
        self.left = [one for one in self.found if one.fingerprint not in found.there]
        for family in dict.fromkeys(one.block.family for one in self.left):
            ours = [one.block for one in self.found if one.block.family == family]
            places[family], unseen = store.experiment(family, question(ours))
            again = again or unseen
        if again:
            found = store.census()
            self.left = [one for one in self.found if one.fingerprint not in found.there]
        return places, found

    def add(self, store, places: dict[str, str], one: Tracked) -> bool | None:
        """Add a result; false if somebody else may be at work on it, none if it failed."""
        from descent.lab.tracking.content import content  # half a second, and with MLflow 2

        try:
            with refusals():
                described = content(one, store.tags)
        except Exception as error:
            return self.fail(one, error)
        try:
            there = store.add(places[one.block.family], described)
            self.refused = 0
        except Left:
            raise
        except Exception as error:
            self.refused += 1
            if self.refused >= IN_A_ROW:
                raise
            try:
                found = store.census(one.fingerprint)
                store.discard(found.junk)
            except Exception:  # it takes nothing any more
                raise error from None
            if one.fingerprint not in {**found.there, **found.busy}:
                return self.fail(one, error)
            there = one.fingerprint in found.there  # somebody else took it for dead
        if there:
            self.left.remove(one)
        return there

    def fail(self, one: Tracked, error: Exception) -> None:
        self.left.remove(one)
        self.failed[one.block.path] = why(error)

    def wait(self, store, places: dict[str, str], pending: list[str]) -> None:
        """Until others have done what they began; what does not change for a while has no one."""
        last, age = {}, dict.fromkeys(pending, 0.0)
        while pending:
            time.sleep(POLL)
            for fingerprint in list(pending):
                found = store.census(fingerprint)
                busy = found.busy.get(fingerprint)
                same = busy == last.get(fingerprint, busy)
                last[fingerprint] = busy
                age[fingerprint] = age[fingerprint] + POLL if same else 0.0
                if busy and age[fingerprint] < GRACE:
                    continue
                found = store.census(fingerprint, living=not busy)
                store.discard(found.junk)
                ours = [one for one in self.left if one.fingerprint == fingerprint]
                if all(self.add(store, places, one) is not False for one in ours):
                    pending.remove(fingerprint)
