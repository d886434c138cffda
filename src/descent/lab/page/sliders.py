"""Claims whose closed form a reader may move over what was measured: descent/lab/guide/sliders.yaml.

A formula is a Vega expression in x, the figure's own axis, in the names of sliders and constants, and in `lets`, which
stand for expressions. It is written once; `function` names the Python function with which tests/test_sliders.py
compares it.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from descent.lab.page.guide import FOLDER
from descent.lab.page.reading import Form, Stage, Words, read

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*$")]
Place = Annotated[
    str, StringConstraints(pattern=r"^[\w.-]+$")
]  # squares.-1, sensing.overparam.size


class Slider(Form):
    """A number that the reader chooses."""

    name: Name
    symbol: Words
    low: float = Field(alias="from")
    high: float = Field(alias="to")
    start: float
    step: float | None = None  # None: a hundredth of the range, as it is drawn
    scale: Literal["linear", "log"] = "linear"


class Curve(Form):
    """A prediction: a curve over x, a horizontal line (level) or a vertical one (moment)."""

    formula: Words
    kind: Literal["curve", "level", "moment"] = "curve"
    function: Annotated[str, StringConstraints(pattern=r"^descent\.[\w.]+$")]
    label: Words


class Moved(Form):
    """The sliders of one panel. `constants` are places in the experiment's block, or in another's by its full name."""

    experiment: Stage
    panel: int
    attempt: Words = Field(alias="try")
    sliders: tuple[Slider, ...]
    constants: dict[Name, Place] = Field(default_factory=dict)
    lets: dict[Name, Words] = Field(default_factory=dict)
    whole: bool = False  # x is a whole number: a count of steps
    curves: tuple[Curve, ...]


def sliders(folder: Path = FOLDER) -> list[Moved]:
    """Raises Damaged where the file is not of this form."""
    return read(folder / "sliders.yaml", list[Moved])


def number(params: dict, stage: str, place: str) -> float | None:
    """A constant of params.yaml, or None where the block has none in that place."""
    family, _, name = stage.partition("@")
    for start in (params.get(family, {}).get(name), params):
        found: Any = start
        for key in place.split("."):
            try:
                found = found[int(key)] if isinstance(found, list) else found[key]
            except (KeyError, IndexError, ValueError, TypeError):
                found = None
                break
        if isinstance(found, int | float) and not isinstance(found, bool):
            return float(found)
    return None


def movable(known: list[Moved], stage: str, params: dict, panels: int) -> list[dict]:
    """The sliders of an experiment as chart.js reads them; without those whose panel or constant is not there."""
    found = []
    for one in known:
        if one.experiment != stage or one.panel >= panels:
            continue
        constants = {key: number(params, stage, at) for key, at in one.constants.items()}
        if None not in constants.values():
            shown = one.model_dump(exclude={"experiment", "curves"})
            curves = [curve.model_dump(exclude={"function"}) for curve in one.curves]
            found.append(shown | {"constants": constants, "curves": curves})
    return found
