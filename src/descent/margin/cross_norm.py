"""The direction that steepest descent finds in one norm has less margin in every other norm.

The margin of a direction depends on the norm that measures its length. The largest one in a norm is reached by
steepest descent in that norm, and a direction from elsewhere cannot exceed it: the diagonal of the table is the
best of its column.

    row i: w_i = the end of steepest descent in norm i      column j: min_n z_nᵀw_i/‖w_i‖_j ≤ γ_j, equal for i = j
    where one direction ŵ_i only has the largest margin, all of its row is predicted by a programme

How far a run may be from ŵ_i follows from how far its own weights leave its margin open.

See: on the map 1 is the largest margin of the column's norm; every column is lightest on the diagonal.

Source: slides on implicit biases, theorem 4, which says where each row ends; the table follows from it.
"""

import numpy as np
import xarray as xr

from descent.config import experiment_config
from descent.margin import _normed
from descent.margin._normed import CLOSE, EXACT, bests, measured_runs, unsure, width
from descent.margin._norms import Best, Norm
from descent.result import Check, Result, measured, predicted, sweep

RULES = {"normalised": 1.0, "root": 1.0}  # the second encloses γ from above
NORMALISED = "normalised"


@experiment_config
class Config(_normed.Normed):
    def __post_init__(self):
        super().__post_init__()
        self.require_time(len(RULES))
        if len(self.norms) < 2:
            raise ValueError(f"norms {list(self.norms)}: a table needs at least 2")


def table(Z: np.ndarray, ends: np.ndarray, norms: list[Norm]) -> np.ndarray:
    """min zᵀw_i/‖w_i‖_j of directions (i, coordinate)."""
    return (ends @ Z.T).min(1)[:, None] / np.array([which.of(ends) for which in norms]).T


def predict(config: Config, references: list[Best]) -> xr.Dataset:
    """γ of every column, and the rows whose direction is unique."""
    norms, Z = config.all_norms(), config.draw().Z
    gamma = np.array([one.gamma for one in references])
    theory = {"gamma_predicted": predicted("column", gamma, "largest margin γ_j")}
    strict = [place for place in range(len(norms)) if references[place].only(norms[place])]
    if strict:
        rows = table(Z, np.array([references[place].w for place in strict]), norms)
        theory["row_predicted"] = predicted(("strict", "column"), rows, "margins of ŵ_i")
    names = [config.norms[place] for place in strict]
    columns = ("column", list(config.norms), {"long_name": "norm of the margin"})
    labels = ("strict", names, {"long_name": "norm of one direction"})
    return xr.Dataset(theory, {"strict": labels, "column": columns})


def measure(config: Config) -> xr.Dataset:
    """The table of margins, and what every run leaves open of its own."""
    given, norms = config.draw(), config.all_norms()
    found = measured_runs(config, given, RULES)
    ends = found["end"].sel(rule=NORMALISED).transpose("norm", "i").values
    looks = {"long_name": "norm of the margin"}
    return xr.Dataset(
        {
            "margins": measured(("norm", "column"), table(given.Z, ends, norms), "min zᵀw/‖w‖"),
            "open": measured("norm", width(found).sel(rule=NORMALISED).values, "γ is within"),
        },
        coords={
            "norm": sweep(config.norms, "norm", "norm of steepest descent"),
            "column": ("column", list(config.norms), looks),
        },
    )


def run(config: Config) -> Result:
    references = bests(config, config.draw())
    found = measure(config)
    theory = predict(config, references)
    data = found.merge(theory)
    share = found["margins"] / theory["gamma_predicted"]
    share.attrs = {"long_name": "margin over the largest"}
    checks, unchecked = compare(config, found, theory, references)
    open_columns = undecided(found)
    some = 2 * len(open_columns) <= len(
        config.norms
    )  # half of the columns: else nothing is claimed
    if some:
        unchecked |= {f"column_of_{name}": why for name, why in open_columns.items()}
    return Result(
        data=data.assign(share=share),
        metrics={"share": share, "gamma": data["gamma_predicted"]},
        checks=checks,
        no_claim=() if some else tuple(open_columns.values()),
        unchecked=unchecked,
    )


def own(found: xr.Dataset) -> xr.DataArray:
    """The diagonal, by column."""
    diagonal = np.diag(found["margins"].values)
    return xr.DataArray(diagonal, dims="column", coords={"column": found["column"]})


def others(found: xr.Dataset) -> xr.DataArray:
    """The table without its diagonal: column and place among the others."""
    margins, size = found["margins"].values, found.sizes["norm"]
    rest = [np.delete(margins[:, j], j) for j in range(size)]
    return xr.DataArray(rest, dims=("column", "other"), coords={"column": found["column"]})


def undecided(found: xr.Dataset) -> dict[str, str]:
    """Columns whose own run leaves its margin open, and in which another norm does as well."""
    diagonal, reasons = own(found), {}
    open_, most = found["open"].values, others(found).max("other").values
    for place, name in enumerate(map(str, found["column"].values)):
        share = float(open_[place] / (diagonal[place] + open_[place]))
        if not share <= CLOSE:
            reasons[name] = f"not converged: {name} leaves {share:.1%} of a margin open"
        elif not most[place] < float(diagonal[place]) - open_[place]:
            why = "another norm comes within what the run leaves open of the largest margin"
            reasons[name] = f"{name}: {why}"
    return reasons


def compare(
    config: Config, found: xr.Dataset, theory: xr.Dataset, references: list[Best]
) -> tuple[tuple[Check, ...], dict[str, str]]:
    margins, gamma = found["margins"], theory["gamma_predicted"]
    rounding = unsure(config, references).rename(norm="column")
    open_ = xr.DataArray(found["open"].values, dims="column", coords={"column": found["column"]})
    enclosed = "what the run's own mean weights leave open"
    checks = [
        Check("largest_margin", margins, "<=", gamma, rounding, "rounding and the programme"),
        Check("diagonal", own(found), "==", gamma, open_ + rounding, enclosed),
        Check("best_of_its_column", own(found), ">=", others(found), open_, enclosed),
    ]
    unchecked = {}
    for which, reference in zip(config.all_norms(), references, strict=True):
        name = f"row_of_{which.name}"
        tol = reach(config, which, reference, found)
        if not reference.only(which) or not tol.max() < 1:
            unchecked[name] = "its direction is not known closely enough, or not unique"
            continue
        row = margins.sel(norm=which.name, drop=True)
        to = theory["row_predicted"].sel(strict=which.name, drop=True)
        checks.append(
            Check(name, row, "==", to, tol * abs(row) + rounding, "how far w_i may be from ŵ_i")
        )
    return tuple(checks), unchecked


def reach(config: Config, which: Norm, reference: Best, found: xr.Dataset) -> xr.DataArray:
    """By how much, relative, a row may be off: its margin, and its lengths in the other norms."""
    one = found.sel(norm=which.name)
    short = abs(float(one["open"] / (one["margins"].sel(column=which.name) + one["open"])))
    far = reference.reach(which, short + EXACT)
    lengths = own_lengths(found, which.name)
    ratios = [largest_ratio(other, which) for other in config.all_norms()]
    return short + far * xr.DataArray(ratios, dims="column") / abs(lengths)


def own_lengths(found: xr.Dataset, name: str) -> xr.DataArray:
    """‖w_i‖_j of the w_i of length 1 in its own norm."""
    row = found["margins"].sel(norm=name, drop=True)
    return row.sel(column=name, drop=True) / row


def largest_ratio(one: Norm, other: Norm) -> float:
    """A bound on ‖u‖_one/‖u‖_other over all u, by way of ℓ₂."""
    d = len(one.root)
    up = np.linalg.norm(one.root, 2) * d ** max(1 / one.p - 0.5, 0)
    down = np.linalg.norm(np.linalg.inv(other.root), 2) * d ** max(0.5 - 1 / other.p, 0)
    return float(up * down)
