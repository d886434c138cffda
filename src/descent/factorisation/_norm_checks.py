"""What the flows of 2 × 2 products are compared with, and whether they have come near their laws, for norms."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from descent.factorisation._two_by_two import ACCURACY, DECADE
from descent.result import Check

BACK = (0, 1, 2)  # decades before the last
STEADY = 0.01  # change of a slope from decade to decade, up to which it is near its limit


def _decades(x: xr.DataArray) -> Iterator[xr.DataArray]:
    """Its values at the end, a decade before and two."""
    for k in BACK:
        yield x.sel(back=k, drop=True) if "back" in x.dims else x.isel(t=-1 - k * DECADE, drop=True)


def _left(fall, now, before, earlier):
    """Twice what is left of a remainder that falls by `fall` in a decade.

    Its change would do, over fall − 1, but may vanish where two terms of it meet; hence the change before it too.
    """
    return 2 / (fall - 1) * np.maximum(abs(now - before), abs(before - earlier) / fall)


def _turned(now, before, earlier) -> bool:
    """Whether the change has another sign than the one before: then more than one term of the remainder counts."""
    change = now - before
    return bool(((change * (before - earlier) < 0) & (abs(change) > 1e4 * ACCURACY)).any())


def presuppose(config, found: xr.Dataset, theory: xr.Dataset) -> tuple[str, ...]:
    """What is not so of these flows: that they came to their end, and that the power is steady there."""
    lost = int((~np.isfinite(found["loss"]).all("t")).sum())
    if lost:
        return (f"{lost} flows could not be followed to their end",)
    far = float(np.sqrt(2 * found["loss"].isel(t=-1)).max())
    least = min(map(abs, config.targets)) / 2
    if far > least:
        return (f"decades {config.decades}: at the end √(2ℓ) = {far:.2g} > {least:.2g}, too far",)
    power, asked = found["power"], found["missing"].sel(sign="asked_for", drop=True)
    change = float(abs(power.diff("back").isel(back=0)).max())
    if change > STEADY:
        return (f"decades {config.decades}: the power changes by {change:.2g} in the last decade",)
    if _turned(*_decades(power)) or _turned(*_decades(asked / theory["missing_predicted"])):
        return (f"decades {config.decades}: in the last two of them a power turns",)
    return ()


def compare(config, found: xr.Dataset, theory: xr.Dataset) -> tuple[Check, ...]:
    asked = found.sel(sign="asked_for", drop=True)
    bounds = theory[["missing_bound", "rank_bound"]].sel(sign="asked_for", drop=True)
    N = theory["depth"].astype(float)
    fall = 10 ** np.minimum(N / (N + 1), 2 * N / (np.maximum(N - 2, 1e-9) * (N + 1)))  # a decade
    steady = "twice what 1/W₁₁² and det W leave, from the two decades before"
    near = 1e4 * ACCURACY
    late = found["power"].sel(back=0, drop=True)
    moved = _left(fall, *_decades(found["power"])) + near
    law = {n: asked[n] / theory[f"{n}_predicted"] for n in ("missing", "loss")}
    off = {n: _left(fall, *_decades(x)) + near for n, x in law.items()}
    last = {n: theory[f"{n}_predicted"].isel(t=-1, drop=True) for n in law}
    expected = {"missing": theory["power_predicted"], "loss": -2 * theory["power_predicted"]}
    least, most = bounds["missing_bound"], bounds["rank_bound"]
    size, exact = near * abs(asked["missing"]), "the flow's integration"
    checks = [
        Check("missing_entry", asked["missing"], ">=", least, size, exact),
        Check("norms", asked["norm"], ">=", least, size, exact),
        Check("effective_rank", asked["effective_rank"], "<=", most, near, exact),
    ]
    for n in law:
        name, one, tol = f"power_of_the_{n}", late.sel(of=n, drop=True), moved.sel(of=n, drop=True)
        checks.append(Check(name, one, "==", expected[n], tol, steady))
        end, tol = asked[n].isel(t=-1, drop=True), off[n] * last[n]
        checks.append(Check(f"{n}_at_the_end", end, "==", last[n], tol, steady))
    control = found.isel(t=-1).sel(sign="opposite", drop=True)
    det, e = control["determinant"], np.sqrt(2 * control["loss"])
    slack = e * (control["missing"] + sum(map(abs, config.targets)) + e) + near
    why, other = "what the loss leaves of det W", theory["determinant_predicted"]
    checks.append(Check("determinant_of_the_control", det, "==", other, slack, why))
    return tuple(checks)
