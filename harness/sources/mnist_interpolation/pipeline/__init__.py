"""Average-pool down, interpolate up, classify.

Source: 'Exploring Compression and Interpolation in Deep Image Classification', Landon Buell, 2022. Usable on its own, on the Keras backend
that ``KERAS_BACKEND`` names::

    data = split(resample(images, CASES[2]), labels, seed=0)
    model = build()
    repeat = evaluate(model, data, train(model, data, rng=rng))
"""

from harness.sources.mnist_interpolation.pipeline.experiment import (
    Repeat,
    Split,
    build,
    evaluate,
    f1,
    split,
    train,
)
from harness.sources.mnist_interpolation.pipeline.operators import CASES, Case, operator, resample, store

__all__ = [
    "CASES",
    "Case",
    "Repeat",
    "Split",
    "build",
    "evaluate",
    "f1",
    "operator",
    "resample",
    "split",
    "store",
    "train",
]
