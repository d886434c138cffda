"""Try one experiment in seconds: at toy size its contract, its checks, its figure, its oracle tests.

    make try EXP=dynamics@momentum

The numbers are those of tests/toy.yaml over those of params.yaml. Nothing of the project's results is touched: the
figure goes to artifacts/try/FAMILY-NAME.svg.
"""

import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from descent.config import Refusal
from descent.lab.asked import Refused, named
from descent.lab.environment import require_system
from descent.lab.files import kept, read, write
from descent.lab.messages import refuse, say
from descent.lab.params import configured, parameters
from descent.lab.project import Block
from descent.lab.reading import lines
from descent.lab.results import as_report, dumps
from descent.lab.scratch import shared_memory
from descent.lab.words import words
from descent.result import Result

TOY, FIGURES = Path("tests/toy.yaml"), Path("artifacts/try")
PLANTED = Path("tests/test_planted.py")
PLANTS = (
    "test_an_experiment_has_theory_and_measurement_apart",
    "test_an_error_in_the_theory_makes_a_check_fail",
    "test_every_check_fails_for_some_error_in_the_measurement",
)


def chosen(experiment: str) -> Block:
    """The block of that name, or one line and exit code 2."""
    if not experiment:
        refuse("EXP: no such experiment; EXP=family@name")
    try:
        return named(experiment)
    except Refused as rule:
        refuse(str(rule))


def at_toy_size(block: Block) -> Result:
    """The experiment with the numbers of tests/toy.yaml, on what it takes at that size."""
    toy = parameters(block.family, block.name, TOY)
    if not isinstance(toy, dict):
        refuse(f"{TOY}: {block.family}.{block.name}: must be a block of named parameters")
    experiment = import_module(block.module)
    config = configured(experiment.Config, block.path, block.parameters | toy)
    inputs = [taken(path, config) for path in block.inputs()]
    try:
        with threadpool_limits(1):  # as stages/run.py does
            return experiment.run(config, *inputs)
    except Refusal as rule:
        refuse(f"{TOY}: {block.family}.{block.name}: {rule}")


def taken(path: str, config):
    """An input at toy size: what the Config names, another experiment's data, or images that look like MNIST."""
    if path.startswith("artifacts/own/"):
        return read(path, config)
    if path.startswith("artifacts/"):
        return at_toy_size(chosen("/".join(Path(path).with_suffix("").parts[1:]))).data
    from fake_mnist import fake_mnist  # of tests/

    return fake_mnist(np.random.default_rng(0), 256, 72)


def broken(result: Result) -> list[str]:
    """What of the contract the result does not keep."""
    found = []
    for kind, arrays in (("variable", result.data.data_vars), ("coordinate", result.data.coords)):
        for name, array in arrays.items():
            if "long_name" not in array.attrs:
                found.append(f"{kind} {name} has no long_name")
            if array.dtype.kind in "fc" and not np.isfinite(array).all():
                found.append(f"{kind} {name} is not finite everywhere")
    if not result.checks and not result.no_claim:
        found.append("there is neither a check nor a reason to claim nothing")
    return found


def shown(block: Block, result: Result) -> None:
    """Print the claim, the verdict and every check."""
    report = as_report(result)
    dumps(report)  # strict JSON, or it raises
    say(f"{block.stage}: {words(block.docstring()).claim}")
    say(*(f"  {line}" for line in lines(report)))


def painted(block: Block, result: Result) -> Path:
    """The figure as an SVG."""
    from descent.lab.svg import save

    figure = getattr(import_module(f"descent.{block.family}.figures"), block.name)(result.data)
    path = FIGURES / f"{block.family}-{block.name}.svg"
    with kept():
        write(path, lambda partial: save(figure, partial))
    return path


def tested(block: Block) -> int:
    """Plant errors in the experiment, and run its tests and those of its family that name it; pytest's exit code."""
    tests = Path("tests")
    found = {*tests.glob(f"test_{block.family}*.py"), *tests.glob(f"test_{block.name}*.py")}
    files = sorted(map(str, found))
    if not files:
        say(f"there is no tests/test_{block.family}.py")
    if PLANTED.exists():
        files += [f"{PLANTED}::{test}[{block.stage}]" for test in PLANTS]
    if not files:
        return 5
    quiet = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *quiet, "-k", block.name, *files]
    ).returncode


def main(experiment: str = "") -> int:
    require_system()
    start, block = time.perf_counter(), chosen(experiment)
    with shared_memory():
        result = at_toy_size(block)
    shown(block, result)
    faults = broken(result)
    say(*(f"  contract: {fault}" for fault in faults), f"  figure: {painted(block, result)}")
    code = tested(block)
    if code == 5:
        say(f"  no oracle test has {block.name} in its name")
    say(f"{time.perf_counter() - start:.1f} s")
    return 1 if faults or code or result.verdict == "does not hold" else 0
