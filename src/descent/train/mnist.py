"""Training an MLP on MNIST by SGD, the layers' squared norms drift apart exactly by the squared minibatch gradients.

    W_l ← W_l − ηG_l,   G_l the gradient of the mean NLL over a minibatch of B images
    ⟨W_l, G_l⟩ is the same for every layer of a ReLU network, so for every run and every l, k
    Δ(‖W_l‖² − ‖W_k‖²) = η² Σ_t (‖G_l‖² − ‖G_k‖²)

Per epoch and layer the mean Frobenius norm of the minibatch gradients is recorded, every minibatch
weighted by its size, and checkpoints are kept for what comes after.

Source: CS7180 problem set 2, question 1. Its notebook averages minibatches without their sizes,
takes standardised pixels to lie in [−1, 1], and prints the norms of a network that had been trained
for an epoch before.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Flag, Index, Positive, Refusal, Seed, experiment_config
from descent.maths import mlp
from descent.maths.images import Images, Pixels, pixel_statistics, standardised
from descent.maths.replicates import replicate
from descent.result import Check, Erratum, Result, replicates, steps
from descent.train.sgd import Run, Settings, train

# The notebook's settings, and the layer-1 norms it prints for them as epochs 1 to 5.
NOTEBOOK = {
    "hidden": (128, 128, 128),
    "activation": "relu",
    "initialisation": "uniform",
    "bias": False,
    "batch": 128,
    "rate": 0.01,
}
PRINTED = (0.792060, 0.875295, 0.893819, 0.898508, 0.897839)


@experiment_config
class Config:
    seed: Seed
    replicates: Count
    hidden: tuple[Count, ...]  # widths of the hidden layers
    activation: mlp.Activation
    initialisation: mlp.Initialisation
    bias: Flag
    batch: Count
    rate: Positive  # η
    epochs: Count
    checkpoints: tuple[Index, ...]  # epochs after which the network is kept, as far as the run goes
    milestones: tuple[Count, ...]  # epochs whose values become metrics, likewise

    @property
    def settings(self) -> Settings:
        return Settings(
            activation=self.activation,
            initialisation=self.initialisation,
            bias=self.bias,
            batch=self.batch,
            rate=self.rate,
            epochs=self.epochs,
            kept=self.reached(self.checkpoints),
        )

    def reached(self, epochs: tuple[int, ...]) -> list[int]:
        """Those of `epochs` that the run reaches, and its end."""
        return sorted({e for e in epochs if e < self.epochs} | {self.epochs})


def labelled(runs: list[Run], widths: list[int], config: Config) -> xr.Dataset:
    """All replicates as one dataset over (replicate, epoch or checkpoint, layer)."""
    per_epoch, per_layer = ("replicate", "epoch"), ("replicate", "layer")
    variables = {
        "gradient_norm": ((*per_epoch, "layer"), "mean minibatch gradient norm ‖G_l‖"),
        "train_loss": (per_epoch, "training NLL"),
        "test_loss": (per_epoch, "test NLL"),
        "test_loss_unweighted": (per_epoch, "test NLL, minibatches unweighted"),
        "accuracy": (per_epoch, "test accuracy"),
        "growth": (per_layer, "Δ‖W_l‖²"),
        "kicks": (per_layer, "η² Σ ‖G_l‖²"),
        "parameters": (("replicate", "checkpoint", "parameter"), "parameters, weights first"),
    }
    return xr.Dataset(
        {
            name: (dims, np.stack([getattr(run, name) for run in runs]), {"long_name": label})
            for name, (dims, label) in variables.items()
        },
        coords={
            "epoch": steps(np.arange(config.epochs) + 1, "epoch", "epoch"),
            "checkpoint": steps(config.reached(config.checkpoints), "checkpoint", "epoch"),
            "layer": ("layer", np.arange(len(widths) - 1) + 1, {"long_name": "layer"}),
            "replicate": replicates(config.replicates),
        },
        attrs={
            "widths": widths,
            "bias": int(config.bias),
            "activation": config.activation,
            "rate": config.rate,
            "batch": config.batch,
        },
    )


def balancedness(data: xr.Dataset, updates: int) -> Check:
    """How far the drift between any two layers is from what the law says, over all replicates.

    An update rounds every weight by at most u = 2⁻²⁴ of itself, so ‖W‖² by at most 2u‖W‖²; the
    roundings of T updates are independent and add up like √T.
    """
    widths = data.attrs["widths"]
    largest = max(
        mlp.squared_layer_norms(mlp.unflattened(vector, widths, bool(data.attrs["bias"]))).max()
        for vector in data["parameters"].isel(checkpoint=-1).values
    )
    deviation = np.ptp((data["growth"] - data["kicks"]).values, axis=1).max()
    rounding = 2 * 2.0**-24 * np.sqrt(updates) * largest
    return Check("balancedness_law", deviation, "<=", 0.0, rounding)


def test_loss_at_once(data: xr.Dataset, test: Images) -> float:
    """The final test NLL over the whole set in float64, mean over replicates."""
    x, losses = test.x.astype(float), []
    for vector in data["parameters"].isel(checkpoint=-1).values.astype(float):
        network = mlp.unflattened(vector, data.attrs["widths"], bool(data.attrs["bias"]))
        _, log_p = mlp.forward(network, x, data.attrs["activation"])
        losses.append(-log_p[np.arange(len(x)), test.labels].mean())
    return float(np.mean(losses))


def errata(
    data: xr.Dataset, pixels: Pixels, images: Images, test: Images, config: Config
) -> tuple[Erratum, ...]:
    """Those of the notebook's statements that the run can speak about."""
    found = [
        Erratum(
            "largest standardised pixel",
            "CS7180 problem set 2, notebook, comment “range[-1, 1]”",
            printed=1.0,
            correct=(pixels.largest - pixels.mean) / pixels.std,
            measured=float(images.x.max()),
            tol=1e-6 * images.x.max(),  # float32
        )
    ]
    last = data.isel(epoch=-1).mean("replicate", skipna=False)
    if len(test.x) > config.batch and len(test.x) % config.batch:
        found.append(
            Erratum(
                "test NLL from minibatches of unequal size",
                "CS7180 problem set 2, notebook, test_one_epoch and train_one_epoch",
                printed=float(last["test_loss_unweighted"]),
                correct=float(last["test_loss"]),
                measured=test_loss_at_once(data, test),
                tol=1e-5 * float(last["test_loss"]),  # float32
            )
        )
    as_printed = all(getattr(config, key) == value for key, value in NOTEBOOK.items())
    if as_printed and config.epochs > len(PRINTED):
        layer1 = data["gradient_norm"].sel(layer=1).mean("replicate").values
        windows = np.lib.stride_tricks.sliding_window_view(layer1, len(PRINTED))
        closest = np.square(windows - PRINTED).sum(1).argmin()
        found.append(
            Erratum(
                "epoch whose layer-1 norm the notebook prints as that of epoch 1",
                "CS7180 problem set 2, notebook, output 121",
                printed=1,
                correct=2,
                measured=int(closest) + 1,
                tol=0,
            )
        )
    return tuple(found)


def run(config: Config, mnist: xr.Dataset) -> Result:
    images, test = standardised(mnist, "train"), standardised(mnist, "test")
    n = len(images.x)
    if test.labels.max() > images.labels.max():
        raise Refusal(f"the test set has the class {test.labels.max()}, the training set has not")
    if config.batch > n:
        raise Refusal(f"batch {config.batch} > {n} training images")
    widths = [images.x.shape[1], *config.hidden, int(images.labels.max()) + 1]
    runs = replicate(
        train, config.seed, [(images, test, widths, config.settings)] * config.replicates
    )
    data = labelled(runs, widths, config)
    pixels = pixel_statistics(mnist)

    diverged = ~np.isfinite(data["parameters"].isel(checkpoint=-1)).all("parameter")
    checks = [Check("diverged_replicates", int(diverged.sum()), "==", 0, 0)]
    if config.activation == "relu":
        checks.append(balancedness(data, config.epochs * -(-n // config.batch)))
    means = data[["gradient_norm", "train_loss", "test_loss", "accuracy"]].mean(
        "replicate", skipna=False
    )
    return Result(
        data=data,
        metrics={
            **means.sel(epoch=config.reached(config.milestones)).data_vars,
            "parameters": data.sizes["parameter"],
            "pixel_mean": pixels.mean,
            "pixel_std": pixels.std,
        },
        checks=tuple(checks),
        errata=errata(data, pixels, images, test, config),
    )
