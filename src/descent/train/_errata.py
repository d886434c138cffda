"""What the notebook of CS7180 problem set 2 prints, and what a run can say about it."""

import numpy as np
import xarray as xr

from descent.maths import network
from descent.maths.images import Images, Pixels
from descent.maths.network import Shape
from descent.result import Erratum, measured

# The notebook's settings, and the norms it prints for them: of layer 1 as epochs 1 to 5, of layer 4
# as 36 to 40. Those of layers 2 and 3 are in its figure only.
NOTEBOOK = {
    "hidden": (128, 128, 128),
    "activation": "relu",
    "initialisation": "uniform",
    "bias": False,
    "batch": 128,
    "rate": 0.01,
}
PRINTED = (0.792060, 0.875295, 0.893819, 0.898508, 0.897839)
PRINTED_LATE = (0.270867, 0.261647, 0.260294, 0.256990, 0.247954)
LATE = 36  # the first of their epochs
PRINTED_DEVIATION = 0.30810780717887876
MNIST = (60_000, 0.13066047627384287, 0.30810780713141817)  # images, mean and deviation of a pixel


def errata(
    config, data: xr.Dataset, pixels: Pixels, images: Images, test: Images
) -> tuple[Erratum, ...]:
    """Those of the notebook's statements that the run speaks about."""
    found = [largest_pixel(pixels, images)]
    if len(test.x) > config.batch and len(test.x) % config.batch:
        found.append(unequal_minibatches(data, config.shape(images), test))
    if of_mnist(pixels, images):
        found.append(deviation(pixels))
    if as_printed(config, pixels, images):
        found.append(first_epoch(data))
    return tuple(found)


def of_mnist(pixels: Pixels, images: Images) -> bool:
    return bool(np.allclose((len(images.x), pixels.mean, pixels.std), MNIST, rtol=1e-9))


def as_printed(config, pixels: Pixels, images: Images) -> bool:
    """Whether the run is the notebook's, and longer than what it prints of the beginning."""
    alike = all(getattr(config, key) == value for key, value in NOTEBOOK.items())
    return alike and config.epochs > len(PRINTED) and of_mnist(pixels, images)


def printed_norms() -> xr.Dataset:
    """The norms that the notebook prints, with the epochs and layers that it prints them for."""
    early, late = len(PRINTED), len(PRINTED_LATE)
    epochs = [*range(1, early + 1), *range(LATE, LATE + late)]
    return xr.Dataset(
        {
            "printed_norm": measured("print", [*PRINTED, *PRINTED_LATE], "printed norm"),
            "printed_epoch": measured("print", epochs, "epoch that it is printed for"),
            "printed_layer": measured("print", [1] * early + [4] * late, "its layer"),
        }
    )


def deviation(pixels: Pixels) -> Erratum:
    """The printed one is right but for the rounding of a sum of 47 million squares."""
    _, _, exact = MNIST
    printed, where = PRINTED_DEVIATION, "CS7180 problem set 2, notebook, output 2"
    name = "standard deviation of a pixel, tenth digit"
    return Erratum(name, where, printed, exact, float(pixels.std), 1e-12)


def largest_pixel(pixels: Pixels, images: Images) -> Erratum:
    return Erratum(
        "largest standardised pixel",
        "CS7180 problem set 2, notebook, comment “range[-1, 1]”",
        printed=1.0,
        correct=(pixels.largest - pixels.mean) / pixels.std,
        measured=float(images.x.max()),
        tol=1e-6 * float(images.x.max()),  # float32
    )


def unequal_minibatches(data: xr.Dataset, shape: Shape, test: Images) -> Erratum:
    last = data.isel(epoch=-1).mean("replicate", skipna=False)
    return Erratum(
        "test NLL from minibatches of unequal size",
        "CS7180 problem set 2, notebook, test_one_epoch and train_one_epoch",
        printed=float(last["test_loss_unweighted"]),
        correct=float(last["test_loss"]),
        measured=loss_at_once(data, shape, test),
        tol=1e-5 * float(last["test_loss"]),  # float32
    )


def loss_at_once(data: xr.Dataset, shape: Shape, test: Images) -> float:
    """The final test NLL over the whole set in float64, mean over replicates."""
    theta, x = data["parameters"].isel(checkpoint=-1).values.astype(float), test.x.astype(float)
    return float(np.mean([network.losses(one, x, test.labels, shape, "softmax") for one in theta]))


def first_epoch(data: xr.Dataset) -> Erratum:
    layer1 = data["gradient_norm"].sel(layer=1).mean("replicate").values
    windows = np.lib.stride_tricks.sliding_window_view(layer1, len(PRINTED))
    closest = np.square(windows - PRINTED).sum(1).argmin()
    return Erratum(
        "epoch whose layer-1 norm the notebook prints as that of epoch 1",
        "CS7180 problem set 2, notebook, output 121",
        printed=1,
        correct=2,
        measured=int(closest) + 1,
        tol=0,
    )
