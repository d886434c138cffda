"""Where the tests run: one thread and one process each, tests that share something in one worker, and what they took."""

import os

# xdist runs one process a core already. Processes of joblib that each start, import and compile would cost more than
# the toy experiments that they run; the tests that need several ask for them.
os.environ["LOKY_MAX_CPU_COUNT"] = "1"
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import atexit
import gc
from inspect import unwrap

import pytest
from threadpoolctl import threadpool_limits

from descent.lab import rulers
from descent.lab.collecting import SELDOM
from harness import work_unit

# Called for every number of every figure. To check the types of a float each time took three quarters of what the
# figures took; `digits` calls the same function with its types checked.
rulers.rounded = unwrap(rulers.rounded)

FIRST = ("test_pipeline", "test_faults", "test_page", "test_track", "test_mlflow_ui")  # the longest
MOST = 1.0  # second of a processor that a test may take without the mark `long`
SLACK = 4  # what a busy machine and a first compilation make of it
LEFT_OUT = pytest.StashKey[list]()


def pytest_configure(config):
    threadpool_limits(1)
    gc.set_threshold(*SELDOM)
    config.stash[LEFT_OUT] = []


def pytest_collection_modifyitems(items):
    """The longest first, and the many small ones of the experiments last, so that all workers end together."""
    last = len(FIRST)
    order = {name: k for k, name in enumerate(FIRST)} | dict.fromkeys(
        ("test_experiments", "test_planted"), last + 1
    )
    items.sort(key=lambda item: order.get(item.path.stem, last))


def pytest_collection_finish():
    gc.freeze()  # a million objects stay to the end


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """What one worker runs: see `work_unit`. (The marks of `--dist loadgroup` do nothing under pytest 9.2.)"""
    from xdist.scheduler import LoadScopeScheduling

    class Units(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return work_unit(nodeid)

    config.option.loadscopereorder = False
    return Units(config, log)


# ---- What is left to `make test-all`, and what should be.


def spent() -> float:
    """Seconds of processors that this process and those that it waited for have taken."""
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """The test itself, without the fixtures, which others may share."""
    before = spent()
    try:
        return (yield)
    finally:
        item.user_properties.append(("spent", spent() - before))


def pytest_deselected(items):
    for item in items:
        if item.get_closest_marker("long"):
            item.config.stash[LEFT_OUT].append(item.nodeid)


def pytest_sessionfinish(session):
    """Every worker deselects the same ones, and tells the first process."""
    gc.unfreeze()  # libraries look at the end whether all that is theirs is gone
    atexit.unregister(gc.freeze)  # of a door that a test ran in this process
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", [])


def pytest_terminal_summary(terminalreporter):
    """Tests that belong among the long ones, as a line each: a slow machine must fail nobody."""
    done = [r for key in ("passed", "failed") for r in terminalreporter.stats.get(key, ())]
    for report in done:
        seconds = dict(report.user_properties).get("spent", 0.0)
        if report.when == "call" and "long" not in report.keywords and seconds > SLACK * MOST:
            terminalreporter.write_line(f"{report.nodeid} took {seconds:.1f} s and is not `long`")


def pytest_unconfigure(config):
    reporter, left = config.pluginmanager.get_plugin("terminalreporter"), config.stash[LEFT_OUT]
    if reporter and left and not hasattr(config, "workerinput"):
        reporter.write_line(f"{len(left)} long tests were left out: `make test-all` runs them too")
