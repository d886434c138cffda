"""SGD on a ReLU network keeps ‖W_l‖² − ‖W_k‖² but for η² times squared gradients: the layers stay balanced.

Scaling a layer of a ReLU network scales the output alike, whichever layer it is. So every layer has the same
⟨W_l, G_l⟩, a step changes every ‖W_l‖² by the same −2η⟨W_l, G_l⟩, and only its own η²‖G_l‖² is left over.

    W_l ← W_l − ηG_l,   G_l the gradient of the mean loss (NLL) over a minibatch of B images
    ⟨W_l, G_l⟩ + Σ_{k ≥ l} ⟨b_k, ∂b_k⟩ is one number for all layers l
    so  Δ(‖W_l‖² − ‖W_{l+1}‖² + ‖b_l‖²) = η² Σ_t (the same of the gradients)

Per epoch and layer the mean Frobenius norm of the minibatch gradients is recorded, every minibatch weighted by
its size, and checkpoints are kept for the experiments that read this one.

See: left, the mean norms of the minibatch gradients stay flat or grow although the network learns (crosses: the norms
that the notebook prints, at its epochs); right, the losses fall. What the flat curves are made of is the question of
gradnorms@mnist.

Source: CS7180 problem set 2, question 1b; arXiv 1806.00900, Theorem 2.1. The notebook averages minibatches without
their sizes, takes standardised pixels to lie in [−1, 1], and prints as the norms of epochs 1 to 5 those of a
network that had been trained for an epoch before. Its batch size and its random numbers are lost: 128 is the size whose
norms are the printed ones.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Data, Flag, Index, Positive, Refusal, Seed, experiment_config
from descent.maths.activations import Activation
from descent.maths.homogeneity import squared_layer_norms
from descent.maths.images import Images, pixel_statistics, standardised
from descent.maths.initialise import Name, initialise
from descent.maths.limits import CALL, PRODUCT, require_cost
from descent.maths.network import Shape
from descent.maths.replicates import replicate
from descent.result import Check, Result, measured, over_replicates, predicted
from descent.train._errata import as_printed, errata, printed_norms
from descent.train._sgd import Settings, train

LARGEST = 300_000_000  # float32 numbers of all kept networks: 1.2 GB


@experiment_config
class Config:
    data: Data
    seed: Seed
    replicates: Count
    hidden: tuple[Count, ...]  # widths of the hidden layers
    activation: Activation
    initialisation: Name
    bias: Flag
    batch: Count
    rate: Positive  # η
    epochs: Count
    checkpoints: tuple[Index, ...]  # epochs after which the network is kept, as far as the run goes
    milestones: tuple[Count, ...]  # epochs whose values become metrics, likewise

    def shape(self, images: Images) -> Shape:
        widths = (images.x.shape[1], *self.hidden, int(images.labels.max()) + 1)
        return Shape(widths, self.activation, self.bias)

    @property
    def settings(self) -> Settings:
        return Settings(self.batch, self.rate, self.epochs, self.reached(self.checkpoints))

    def reached(self, epochs: tuple[int, ...]) -> list[int]:
        """Those of `epochs` that the run reaches, and its end."""
        return sorted({e for e in epochs if e < self.epochs} | {self.epochs})


def predict(data: xr.Dataset) -> xr.Dataset:
    """How far each layer drifts from the next, from the gradients that were met."""
    drift = -data["kicks"].diff("layer", label="lower").values
    name = "η² Σ (‖G_l‖² − ‖G_{l+1}‖²)"
    return xr.Dataset({"drift_predicted": predicted(("replicate", "gap"), drift, name)})


def measure(config: Config, images: Images, test: Images) -> xr.Dataset:
    """The runs, and how far each layer has drifted from the next."""
    task = (config, images, test)
    data = over_replicates(replicate(_measure_one, config.seed, [task] * config.replicates))
    drift = -data["growth"].diff("layer", label="lower").values
    gap = ("gap", data["layer"].values[:-1], {"long_name": "layer l, against layer l + 1"})
    name = "Δ(‖W_l‖² − ‖W_{l+1}‖²)"
    return data.assign(drift=measured(("replicate", "gap"), drift, name)).assign_coords(gap=gap)


def _measure_one(
    rng: np.random.Generator, config: Config, images: Images, test: Images
) -> xr.Dataset:
    shape = config.shape(images)
    start = initialise(rng, config.initialisation, shape).astype(np.float32)
    return train(rng, start, shape, images, test, config.settings)


def run(config: Config, mnist: xr.Dataset) -> Result:
    images, test = standardised(mnist, "train"), standardised(mnist, "test")
    require(config, images, test)
    data, pixels = measure(config, images, test), pixel_statistics(mnist)
    data = data.merge(predict(data))
    if as_printed(config, pixels, images):
        data = data.merge(printed_norms())
    named = ["gradient_norm", "train_loss", "test_loss", "accuracy"]
    means, lost = data[named].mean("replicate", skipna=False), data["lost"] >= 0
    no_claim = []
    if config.activation not in ("relu", "linear"):
        no_claim.append(f"{config.activation} does not scale: φ(cz) ≠ cφ(z), so no law is claimed")
    if lost.any():
        no_claim.append(f"{int(lost.sum())} of {config.replicates} runs left float32")
    return Result(
        data=data,
        metrics={
            **means.sel(epoch=config.reached(config.milestones)).data_vars,
            "parameters": data.sizes["parameter"],
            "pixel_mean": pixels.mean,
            "pixel_std": pixels.std,
            "lost_replicates": int(lost.sum()),
        },
        checks=() if no_claim else (balanced(config, data, images),),
        errata=() if lost.any() else errata(config, data, pixels, images, test),
        no_claim=tuple(no_claim),
    )


def require(config: Config, images: Images, test: Images) -> None:
    """Refuse what cannot be run.

    Raises:
        Refusal: naming the numbers.
    """
    n, classes = len(images.x), int(images.labels.max()) + 1
    if test.labels.max() >= classes:
        raise Refusal(f"the test set has the class {test.labels.max()}, the training set has not")
    if classes < 2:
        raise Refusal("one class of labels: there is nothing to learn, and every gradient is 0")
    if config.batch > n:
        raise Refusal(f"batch {config.batch} > {n} training images")
    numbers = config.shape(images).parameters * len(config.settings.kept) * config.replicates
    if numbers > LARGEST:
        raise Refusal(
            f"hidden, checkpoints, replicates: {numbers:.1e} parameters are kept, over 3e8"
        )
    passes, updates = config.epochs * config.replicates, -(-n // config.batch)
    work = passes * (6 * PRODUCT * config.shape(images).parameters * n + CALL * updates)
    require_cost(config, "replicates, hidden, batch, epochs", operations=work)
    if not config.hidden:
        raise Refusal("hidden []: one layer has no other to be balanced with")


def balanced(config: Config, data: xr.Dataset, images: Images) -> Check:
    """An update rounds every weight by at most u = 2⁻²⁴ of itself, so ‖W‖² by at most 2u‖W‖²; the roundings
    of T updates are independent and add up like √T."""
    shape = config.shape(images)
    ends = data["parameters"].isel(checkpoint=-1).values
    largest = squared_layer_norms(ends, shape).max()
    updates = config.epochs * -(-len(images.x) // config.batch)
    tol, why = 2 * 2.0**-24 * np.sqrt(updates) * largest, f"float32 rounding of {updates} updates"
    return Check("balancedness_law", data["drift"], "==", data["drift_predicted"], tol, why)
