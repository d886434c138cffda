"""The command line, `descent list | explain | run | probe`: the laboratory without the pipeline.

It runs and shows; it writes no result and tracks nothing, which is DVC's work. Settings have DVC's spelling. Exit
code 0: the claim holds, or says nothing at these settings; 1: it does not hold; 2: refused, in one line.
"""

import os
import sys
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path

from descent.lab.environment import settle
from descent.lab.messages import refuse, refuse_all, say
from descent.lab.streams import opened

# ASCII, so that it can be shown in every locale.
ABOUT = """A laboratory for the dynamics and the implicit bias of gradient descent.

Every experiment states a claim, predicts numbers from theory, measures them, and says
whether the claim holds. These commands look at one experiment after the other:

    descent list                         every experiment: verdict and claim
    descent list momentum                those with this word in name, claim or verdict
    descent explain dynamics.nesterov    claim, reason, formulas, parameters, what was found
    descent run dynamics.nesterov        run it here and now, and compare
    descent run dynamics.nesterov -S 'curvatures=[100,1]' --figure nesterov.svg

`run` writes and tracks nothing. The pipeline does: `dvc repro` runs what is not up to
date, `dvc exp run -S dynamics.nesterov.limit=500` runs with a changed number, writes
metrics/ and plots/, and mirrors the result into MLflow."""

SETTINGS = """settings have DVC's spelling, so that one line serves both:

    -S rank=3                 a number of params.yaml, for this run only
    -S sensing.exact.rank=3   the same, as `dvc exp run` wants it
    -S 'fit=[1e-10,1e-4]'     a list (quoted, since a shell reads brackets)
    -S arguments.lr=0.1       a number within a block of a block

exit code 0: the claim holds, or says nothing at these settings (and why)
          1: a check of the claim does not hold
          2: refused, in one line: no such experiment or parameter, or numbers that
             make no sense or that this machine cannot run with"""

NAME = "FAMILY.NAME"


def parser() -> ArgumentParser:
    """The commands and what they take; an error is one line, exit code 2."""
    look = {"formatter_class": RawDescriptionHelpFormatter, "allow_abbrev": False}
    top = ArgumentParser("descent", description=ABOUT, **look)
    commands = top.add_subparsers(metavar="COMMAND", dest="command")

    def command(name: str, do: Callable, help: str, epilog: str = "") -> ArgumentParser:
        one = commands.add_parser(name, help=help, description=help, epilog=epilog, **look)
        one.set_defaults(do=do)
        one.add_argument("--root", metavar="DIR", help="the project, if not this folder's")
        one.error = refuse
        return one

    one = command("list", listed, "list the experiments with their verdicts and claims")
    one.add_argument("words", nargs="*", metavar="WORD", help="only those that have all of these")
    one = command("explain", explained, "say what an experiment claims, why, and what was found")
    one.add_argument("experiment", metavar=NAME)
    one = command("run", ran, "run an experiment and compare; writes and tracks nothing", SETTINGS)
    one.add_argument("experiment", metavar=NAME)
    settings(one)
    one = command("probe", probed, "run a probe of a network of yours: `run probe.NAME`", SETTINGS)
    one.add_argument("experiment", metavar="NAME", nargs="?", help="without it: list them")
    settings(one)
    top.error = refuse
    return top


def settings(one: ArgumentParser) -> None:
    one.add_argument(
        "-S", "--set-param", action="append", default=[], metavar="NAME=VALUE", dest="changes"
    )
    one.add_argument("--figure", metavar="FILE", help="paint the figure: .svg or .png")
    one.add_argument("--data", metavar="FILE", help="keep the arrays: .nc, for xarray")


def listed(chosen: Namespace) -> int:
    """Print a line an experiment."""
    from descent.lab.api import experiments

    found = experiments(" ".join(chosen.words), root=chosen.root)
    if not len(found):
        refuse(f"{' '.join(chosen.words)}: no experiment has this in its name, claim or verdict")
    say(*repr(found).splitlines())
    return 0


def explained(chosen: Namespace) -> int:
    from descent.lab.api import explain

    say(*repr(explain(chosen.experiment, root=chosen.root)).splitlines())
    return 0


def ran(chosen: Namespace) -> int:
    """Run, print what was found, and write what was asked for."""
    outputs = {"figure": (".svg", ".png"), "data": (".nc",)}
    for option, suffixes in outputs.items():
        require_place(f"--{option}", getattr(chosen, option), suffixes)
    from descent.lab.api import dotted, run
    from descent.lab.files import kept
    from descent.lab.settings import overrides

    start, name = time.perf_counter(), dotted(chosen.experiment)
    found = run(name, overrides(chosen.changes, name), root=chosen.root)
    say(*repr(found).splitlines(), f"  {time.perf_counter() - start:.1f} s")
    with kept():
        for option in outputs:
            if path := getattr(chosen, option):
                found.save(path)
                say(f"  {option}: {path}")
    say(f"nothing else was written, nothing tracked: `{found.keep}` does both")
    return 1 if found.verdict == "does not hold" else 0


def probed(chosen: Namespace) -> int:
    """The family `probe`: list it, or run one of it."""
    from descent.lab.api import experiments

    known = [one for one in experiments(root=chosen.root) if one.name.startswith("probe.")]
    if not known:
        refuse("probe: this project has no experiment of that family (params.yaml, dvc.yaml)")
    if chosen.experiment is None:
        say(*(f"{one.name}: {one.verdict}: {one.claim}" for one in known))
        return 0
    chosen.experiment = "probe." + chosen.experiment.removeprefix("probe.")
    return ran(chosen)


def require_place(option: str, given: str | None, suffixes: tuple[str, ...]) -> None:
    """Refuse before the run a file that could not be written after it."""
    if given is None:
        return
    path = Path(given)
    if path.suffix.lower() not in suffixes:
        refuse(f"{option} {given}: must end in {' or '.join(suffixes)}")
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        refuse(f"{option} {given}: cannot be written: no such folder, or not yours")


def main(arguments: list[str] | None = None) -> int:
    """The exit code; `arguments` are by default those of the command line."""
    try:
        return called(arguments)
    except KeyboardInterrupt:  # the libraries that are loaded first take a second
        refuse("interrupted: nothing was written", 130)


def called(arguments: list[str] | None) -> int:
    settle()
    opened()
    if hasattr(sys.stdout, "reconfigure"):  # a locale may lack a character
        sys.stdout.reconfigure(errors="backslashreplace")
    from descent.config import Refusal

    try:
        commands = parser()
        chosen = commands.parse_args(arguments)
        if chosen.command is None:
            say(commands.format_help().rstrip())
            return 0
        return chosen.do(chosen)
    except Refusal as lines:
        refuse_all(str(lines).splitlines())
    except OSError as error:
        # Of a pipe that nobody reads to its end, or of a full disk: Python must not try again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 141
        refuse(f"{error.filename or 'standard output'}: {error.strerror}", 1)
