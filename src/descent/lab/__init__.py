"""What the doors in stages/ share, and the laboratory in Python: `from descent import lab`, then `help(lab)`.

    lab.experiments()           every experiment with its claim and its verdict
    lab.explain("margin.ties")  the claim, why it is so, the formulas, the parameters, the stored checks
    lab.run("margin.ties", …)   runs it with params.yaml, or with what you change by keyword
    lab.load("margin.ties")     the stored arrays of the last `dvc repro`

The five names come from descent/lab/api.py, and are looked up only when somebody asks this package for them. No
door and no experiment does, so that what they depend on does not grow by it (tests/test_dag.py).
"""

from importlib import import_module

PUBLIC = ("Refused", "experiments", "explain", "load", "run")


def __getattr__(name: str):
    if name in PUBLIC:
        return getattr(import_module("descent.lab.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *PUBLIC]
