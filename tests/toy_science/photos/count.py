"""There are as many labels as images, and the labels are counted from zero.

Every image has one.

    n

See: the number of images of a class.

Source: XYZ100 problem set 1, question 4.
"""

import numpy as np
import xarray as xr

from descent.config import Count, Refusal, experiment_config
from descent.result import Check, Result, measured, sweep


@experiment_config
class Config:
    batch: Count


def run(config: Config, mnist: xr.Dataset) -> Result:
    images, labels = mnist["train_images"], mnist["train_labels"]
    if config.batch > len(images):
        raise Refusal(f"batch {config.batch} > {len(images)} training images")
    counts = np.bincount(labels.values)
    data = xr.Dataset(
        {"count": measured("class", counts, "images")},
        coords={"class": sweep(range(len(counts)), "class", "class")},
    )
    return Result(
        data=data,
        metrics={"images": len(images)},
        checks=(Check("labels", float(counts.sum()), "==", float(len(images)), 0, "a count"),),
    )
