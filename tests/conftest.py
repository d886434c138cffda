"""Where the tests run: one thread and one process each, and tests of one experiment in one worker."""

import os

# xdist runs one process a core already. Processes of joblib that each start, import and compile would cost more than
# the toy experiments that they run; the tests that need several ask for them.
os.environ["LOKY_MAX_CPU_COUNT"] = "1"
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import pytest
from threadpoolctl import threadpool_limits

from harness import experiments


def pytest_configure(config):
    threadpool_limits(1)
    config.addinivalue_line("markers", "xdist_group: the worker that runs it")


def pytest_collection_modifyitems(items):
    """A worker keeps the toy runs that it has made, so all tests of an experiment go to one; else a file does."""
    known = experiments()
    for item in items:
        name = getattr(item, "callspec", None) and item.callspec.params.get("name")
        file = item.path.stem
        ours = file in ("test_experiments", "test_planted") and name in known
        item.add_marker(pytest.mark.xdist_group(name if ours else file))
