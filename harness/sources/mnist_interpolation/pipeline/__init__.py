"""Average-pool down, interpolate up, classify.

Source: 'Exploring Compression and Interpolation in Deep Image Classification', Landon Buell, 2022. Usable on
its own: ``repeat(images, labels, CASES[2], seed=0)`` runs one repeat of case study 2 on the Keras backend
that ``KERAS_BACKEND`` names.
"""

from harness.sources.mnist_interpolation.pipeline.experiment import (
    BATCH_SIZE,
    Repeat,
    Split,
    build,
    evaluate,
    f1,
    repeat,
    split,
    train,
)
from harness.sources.mnist_interpolation.pipeline.operators import (
    CASES,
    Case,
    operator,
    resample,
    restore,
    store,
)

__all__ = [
    "BATCH_SIZE",
    "CASES",
    "Case",
    "Repeat",
    "Split",
    "build",
    "evaluate",
    "f1",
    "operator",
    "repeat",
    "resample",
    "restore",
    "split",
    "store",
    "train",
]
