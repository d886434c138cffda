"""Where the tests run: one thread and one process each, and tests that share something in one worker."""

import os

# xdist runs one process a core already. Processes of joblib that each start, import and compile would cost more than
# the toy experiments that they run; the tests that need several ask for them.
os.environ["LOKY_MAX_CPU_COUNT"] = "1"
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import pytest
from threadpoolctl import threadpool_limits

from harness import work_unit

FIRST = ("test_pipeline", "test_faults", "test_page", "test_track", "test_mlflow_ui")  # the longest


def pytest_configure(config):
    threadpool_limits(1)


def pytest_collection_modifyitems(items):
    """The longest first, and the many small ones of the experiments last, so that all workers end together."""
    last = len(FIRST)
    order = {name: k for k, name in enumerate(FIRST)} | dict.fromkeys(
        ("test_experiments", "test_planted"), last + 1
    )
    items.sort(key=lambda item: order.get(item.path.stem, last))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """What one worker runs: see `work_unit`. (The marks of `--dist loadgroup` do nothing under pytest 9.2.)"""
    from xdist.scheduler import LoadScopeScheduling

    class Units(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return work_unit(nodeid)

    config.option.loadscopereorder = False
    return Units(config, log)
