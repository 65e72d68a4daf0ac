"""Convolutional autoencoder, then a classifier on its encoder.

Source: 'Image Processing: Handwritten Digit Classification', Vasileios-Marios Panagakis, 2021. Usable on its own, on the Keras backend
that ``KERAS_BACKEND`` names: `divide`, `build_autoencoder`, `train_autoencoder`, `encode`, `build_classifier`, `freeze`, `train_head`,
`fine_tune`, `evaluate`.
"""

from harness.sources.mnist_autoencoder.pipeline.experiment import (
    Labelled,
    Outcome,
    Setting,
    Settings,
    divide,
    encode,
    evaluate,
    fine_tune,
    fit_setting,
    normalise,
    reconstruct,
    train_autoencoder,
    train_head,
    train_through_encoder,
)
from harness.sources.mnist_autoencoder.pipeline.network import (
    Autoencoder,
    Classifier,
    build_autoencoder,
    build_classifier,
    build_head,
    freeze,
)

__all__ = [
    "Autoencoder",
    "Classifier",
    "Labelled",
    "Outcome",
    "Setting",
    "Settings",
    "build_autoencoder",
    "build_classifier",
    "build_head",
    "divide",
    "encode",
    "evaluate",
    "fine_tune",
    "fit_setting",
    "freeze",
    "normalise",
    "reconstruct",
    "train_autoencoder",
    "train_head",
    "train_through_encoder",
]
