"""Whether the sharpness stays within the stability limit of the optimiser, where every step is on all samples.

The claim is about two looks at least `APART` steps apart: above the limit a step multiplies what is along the top
eigenvector by more than 1, so one of the two has a sharpness at or below the limit unless the run leaves the numbers.
How far above it the sharpness hovers at the edge of stability no theory gives; `EXCESS` is allowed for it.
"""

from descent.probe._optimisers import limit
from descent.probe._record import Row
from descent.result import Check

EXCESS = 0.25  # of the limit; runs at the edge of stability have up to a fifth
KNOWN = 0.1  # residual of an eigenvalue over it, at the most
APART = 20  # steps: 1.5²⁰ = 3000
SAME = 1e-4  # mismatch up to which the applied gradient is that of the minibatch
MISMATCH = (
    "the applied gradient is not that of loss_fn on the minibatch in evaluation mode "
    "(dropout, statistics of the batch, accumulation, clipping, further losses, lower precision)"
)
Rows = dict[int, Row]


def stability(rows: Rows, has_data: bool) -> tuple[list[Check], list[str]]:
    name = "stability_limit"
    if not has_data:
        return [], [f"{name}: claimed for full batches only, and data=(X, y) was not given"]
    looked = {k: row for k, row in rows.items() if "loss" in row.scalars}
    if not looked or not all(row.is_full_batch for row in looked.values()):
        return [], [f"{name}: claimed for full batches only, and steps are on minibatches"]
    rules = [row.rule for row in looked.values() if row.rule is not None]
    bound = limit(rules[-1] if rules else None)
    if bound.reason:
        return [], [f"{name}: {bound.reason}"]
    if any(limit(rule).value != bound.value for rule in rules):
        return [], [f"{name}: the learning rate changed on the way"]
    if any(not row.scalars.get("mismatch", 0.0) <= SAME for row in looked.values()):
        return [], [f"{name}: {MISMATCH}"]
    sharp = {k: row for k, row in rows.items() if "sharpness" in row.scalars and row.is_full_batch}
    late = max(sharp, default=0)
    early = max((k for k in sharp if k <= late - APART), default=None)
    if early is None:
        return [], [f"{name}: takes two sharpnesses at least {APART} steps apart"]
    last = [sharp[early].scalars, sharp[late].scalars]
    if any(one["sharpness_residual"] > KNOWN * abs(one["sharpness"]) for one in last):
        return [], [f"{name}: Lanczos had not converged: more products"]
    least = min(one["sharpness"] for one in last)
    why = "hovers above it by an amount that no theory gives"
    return [Check(name, least, "<=", bound.value, EXCESS * abs(bound.value), why)], []
