"""With so few measurements that many positive semidefinite matrices fit them, only a small start finds X*.

    U: (d, d),   U₀ = αW,   m < δ = dr − r(r−1)/2 + (d−r)(d−r+1)/4
    small α: ‖U_TU_Tᵀ − X*‖ small beside ‖X*‖;    large α: training loss → 0 at a matrix further from X* than 0 is

Source: CS7180 problem set 2, question 2e asks for evidence of implicit regularisation at m = 10dr;
there the cone alone makes X* unique (arXiv 1806.02046), so the evidence has to come from m < δ.
"""

from descent.config import Positive, experiment_config
from descent.result import Check, Result
from descent.sensing._problem import uniqueness_threshold
from descent.sensing._trajectories import SweepConfig, curves, held_out_check, overparameterised


@experiment_config
class Config(SweepConfig):
    recovered: Positive  # relative distance that counts as recovered
    interpolated: Positive  # training loss relative to f(0) that counts as interpolation

    def __post_init__(self):
        super().__post_init__()
        if len(self.alphas) < 2:
            raise ValueError("alphas: a small and a large start are compared, so two at least")


def run(config: Config) -> Result:
    data = overparameterised(config)
    smallest, largest = (data.isel(alpha=k, t=-1) for k in (0, -1))
    zero_loss = (data["eigenvalue"] ** 2).sum("i") / 2  # E f(0)
    fit = (largest["training_loss"] / zero_loss).values.max()
    threshold = uniqueness_threshold(config.size, config.rank)
    near = smallest["relative_distance"].values.mean()
    far = largest["relative_distance"].values.mean()
    return Result(
        data=data,
        metrics=curves(data, config)
        | {"measurements": config.measurements, "uniqueness_threshold": threshold},
        checks=(
            Check("fewer_measurements_than_threshold", config.measurements, "<=", threshold, 0),
            Check("smallest_alpha_recovers", near, "<=", 0.0, config.recovered),
            Check("largest_alpha_interpolates", fit, "<=", 0.0, config.interpolated),
            Check("largest_alpha_is_worse_than_zero", far, ">=", 1.0, 0.0),
            held_out_check(data, config),
        ),
    )
