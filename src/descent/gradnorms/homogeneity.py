"""Every layer of a ReLU network has the same inner product of weights and gradient, at every step.

Scaling any one layer by c > 0 scales the output by c, whichever layer it is, because ReLU lets positive factors
through. So the loss changes at one rate along every layer, and that rate is the inner product.

    ⟨W_l, ∂f/∂W_l⟩ + Σ_{k ≥ l} ⟨b_k, ∂f/∂b_k⟩ = ∂f/∂(log of a growing output)   for every layer l
    hence, along SGD at rate η:   Δ(‖W_l‖² + Σ_{k ≥ l} ‖b_k‖²) = −2ηΣ_t (the same) + η²Σ_t ‖G_l‖²

In float64 and along steps of SGD from the network at its start both hold to rounding; training in float32 is
train@mnist.

See: left, the inner products of all layers lie on one curve; right, the layers' squared norms, each less its own
η²Σ‖G‖², move together.

Source: CS7180 problem set 2, question 1b, part 3, which compares the layers' norms; arXiv 1806.00900, Theorem 2.1.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from descent.config import Count, Seed, experiment_config
from descent.gradnorms._noise import Architecture, architecture, require_same
from descent.maths import network
from descent.maths.homogeneity import products_along_the_output, squared_layer_norms
from descent.maths.images import Images, standardised
from descent.maths.limits import CALL, PRODUCT, require_time
from descent.maths.replicates import replicate
from descent.result import Check, Result, measured, over_replicates, predicted, steps

ROUNDING = 1e-11  # some 10⁵ products a layer and a few hundred steps, at 1.1e-16 each
NORMS = 10  # operations for each parameter: norms, products and the step


@experiment_config
class Config:
    seed: Seed
    law_steps: Count  # of SGD in float64


def predict(found: xr.Dataset) -> xr.Dataset:
    """Every layer's inner product from that of the last, and its growth from its gradients'."""
    last, kicks = found["product"].isel(layer=-1), found["kicks"]
    product = last.broadcast_like(found["product"])
    growth = found["growth"].isel(layer=-1) - kicks.isel(layer=-1) + kicks
    cell, each = ("replicate", "k", "layer"), ("replicate", "layer")
    return xr.Dataset(
        {
            "product_predicted": predicted(cell, product.transpose(*cell).values, "last layer's"),
            "growth_predicted": predicted(each, growth.transpose(*each).values, "law"),
        }
    )


def measure(config: Config, images: Images, train: xr.Dataset) -> xr.Dataset:
    """SGD in float64 from the first network that each training run kept."""
    of = architecture(train)
    starts = train["parameters"].isel(checkpoint=0).values.astype(float)
    tasks = [(start, images, of, config.law_steps) for start in starts]
    found = over_replicates(replicate(_measure_one, config.seed, tasks))
    return found.assign_coords(layer=train["layer"])


def _measure_one(
    rng, theta: Float[np.ndarray, " P"], images: Images, of: Architecture, count: int
) -> xr.Dataset:
    shape, start = of.shape, squared_layer_norms(theta, of.shape)
    products, sizes = np.empty((2, count, len(start)))
    kicks = np.zeros(len(start))
    for k in range(count):
        chosen = rng.choice(len(images.x), of.batch, replace=False)
        passed = network.forward(theta, images.x[chosen].astype(float), shape)
        back = network.differentiate(passed, images.labels[chosen], "softmax", each=True)
        g = network.gradient(back)
        products[k] = products_along_the_output(theta, g, shape)
        sizes[k] = np.sqrt(squared_layer_norms(theta, shape) * squared_layer_norms(g, shape))
        kicks += of.rate**2 * squared_layer_norms(g, shape)
        theta = theta - of.rate * g
    growth = squared_layer_norms(theta, shape) - start
    return xr.Dataset(
        {
            "product": measured(("k", "layer"), products, "⟨W_l, G_l⟩"),
            "size": measured(("k", "layer"), sizes, "‖W_l‖ ‖G_l‖"),
            "growth": measured("layer", growth, "Δ‖W_l‖²"),
            "kicks": measured("layer", kicks, "η² Σ ‖G_l‖²"),
            "square": measured("layer", start + growth, "‖W_l‖² at the end"),
        },
        coords={"k": steps(np.arange(count), "k", "step k")},
    )


def require_hour(config: Config, train: xr.Dataset) -> None:
    """Refuse more steps than the networks take in an hour, which are those that training kept, of any size.

    Raises:
        Refusal: naming the numbers.
    """
    starts, batch = train["parameters"].isel(checkpoint=0), architecture(train).batch
    each = (2 * 6 * PRODUCT * batch + NORMS) * starts.size + 5 * CALL * starts[..., 0].size
    rule = f"law_steps {config.law_steps}, {starts.size} parameters, batch {batch} of train.mnist"
    require_time(rule, config.law_steps * each)


def run(config: Config, mnist: xr.Dataset, train: xr.Dataset) -> Result:
    images = standardised(mnist, "train")
    require_same(images, architecture(train))
    require_hour(config, train)
    found = measure(config, images, train)
    theory = predict(found)
    product, growth = theory["product_predicted"], theory["growth_predicted"]
    terms = ROUNDING * found["size"].max("layer")
    squares = ROUNDING * found["square"].max("layer")
    why = "float64 rounding of its terms"
    activation, no_claim = architecture(train).shape.activation, []
    if activation not in ("relu", "linear"):
        no_claim.append(f"the networks are {activation}: φ(cz) ≠ cφ(z), so no law is claimed")
    if not np.isfinite(found["growth"]).all():
        no_claim.append("a run left float64")
    checks = (
        Check("inner_products", found["product"], "==", product, terms, why),
        Check("growth", found["growth"], "==", growth, squares, why),
    )
    spread = (found["product"].max("layer") - found["product"].min("layer")).max()
    return Result(
        data=found.merge(theory),
        metrics={"inner_product": found["product"].mean(), "largest_spread": spread},
        checks=() if no_claim else checks,
        no_claim=tuple(no_claim),
    )
