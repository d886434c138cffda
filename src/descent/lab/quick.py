"""A first look in a minute or two: every experiment at toy size, and the page of what they found.

    make quick

The numbers are those of tests/toy.yaml over those of params.yaml, and the images of MNIST are made up, so nothing is
downloaded. All of it is written to artifacts/quick, which is made anew each time: nothing of the project's results is
touched, and the page says what it is.
"""

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import chdir, contextmanager, redirect_stderr, suppress
from io import StringIO
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from descent.config import Refusal
from descent.lab import own
from descent.lab.attempt import TOY
from descent.lab.curves import curves
from descent.lab.draw import draw
from descent.lab.environment import SIDE_BY_SIDE, require_system
from descent.lab.files import Damaged, kept, write_text
from descent.lab.messages import refuse, say
from descent.lab.outcome import claims
from descent.lab.page.entries import numbers, picture
from descent.lab.page.report import PAGE, render
from descent.lab.params import PARAMS, mapping
from descent.lab.progress import duration
from descent.lab.project import PIPELINE, Block, blocks
from descent.lab.running import run
from descent.lab.scheduler import one_cluster
from descent.lab.side_by_side import jobs
from descent.lab.warm import warmed

FOLDER = Path("artifacts/quick")
NOTE = (
    "A first look at toy size, with made-up images: its numbers are small. "
    "“make repro” makes the real ones."
)


def main() -> int:
    """Make artifacts/quick; 1 if an experiment could not be run."""
    require_system()
    start = time.perf_counter()
    os.environ |= dict.fromkeys(SIDE_BY_SIDE, "1")  # of the processes that run the experiments
    processes = warmed()
    with kept():
        params = prepare()
    with workers() as start_workers, chdir(FOLDER):
        own.main()
        found = list(blocks())
        waves = [[b for b in found if reads(b) is other] for other in (False, True)]
        families = [family for family, _ in Counter(b.family for b in found).most_common()]
        start_workers()
        with ProcessPoolExecutor(jobs(), processes) as pool:
            said = [(b, line) for w in waves for b, line in zip(w, pool.map(one, w), strict=True)]
            list(pool.map(shown, families))
        failed = [(block, line) for block, line in said if line]
        for block, line in failed:  # the page goes on without them
            say(f"{block.stage}: {line}")
            del params[block.family][block.name]
        write_params(PARAMS, params)
        curves()
        write_text(PAGE, render(note=NOTE))
        say(*claims())
    say(f"{duration(time.perf_counter() - start)}; open {FOLDER / PAGE}")
    return 1 if failed else 0


@contextmanager
def workers() -> Iterator[Callable[[], None]]:
    """What starts the workers that all experiments share, if DESCENT_SCHEDULER asks for some; or a line, exit code 2."""
    try:
        with one_cluster() as start:
            yield start
    except Refusal as line:
        refuse(str(line))


def prepare() -> dict:
    """The folder as a small project: the pipeline, the code, images; its parameters, which are returned.

    What tests/toy.yaml does not have, a block of your own, is left out.
    """
    from fake_mnist import fake_mnist  # of tests/
    from toy import write_idx

    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    given, toy = mapping(PARAMS), mapping(TOY)
    params = {
        family: {name: experiments[name] | numbers for name, numbers in toy[family].items()}
        for family, experiments in given.items()
        if family in toy
    }
    write_params(FOLDER / PARAMS, {"download": given["download"]} | params)
    shutil.copy(PIPELINE, FOLDER)
    shutil.copytree("examples", FOLDER / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    (FOLDER / "src").symlink_to(Path("src").resolve(), target_is_directory=True)
    write_idx(FOLDER / "data/mnist/MNIST/raw", fake_mnist(np.random.default_rng(0), 256, 72))
    return params


def write_params(path: Path, params: dict) -> None:
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(params, file)


def reads(block: Block) -> bool:
    """Whether it takes what another experiment has found."""
    return any(path.startswith("artifacts/") and path.endswith(".nc") for path in block.inputs())


def one(block: Block) -> str:
    """Run an experiment; what it said if it could not be run."""
    said = StringIO()
    with redirect_stderr(said):
        try:
            run(block.module, block.path, *block.inputs())
        except SystemExit:
            return said.getvalue().strip()
    return ""


def shown(family: str) -> None:
    """Draw its figures, and work out beforehand what the page keeps of them and of the results."""
    draw(family)
    for artifact in Path("artifacts", family).glob("*.nc"):
        with suppress(Damaged, OSError):  # the page says so
            picture(Path("plots", family, f"{artifact.stem}.svg"))
            numbers(artifact)
