"""Convolutional autoencoder, then a classifier on its encoder.

Source: 'Image Processing: Handwritten Digit Classification', Vasileios-Marios Panagakis, 2021. Usable on its
own: ``run(images, labels, test_images, test_labels, Settings(), seed=0)`` on the Keras backend that
``KERAS_BACKEND`` names.
"""

from harness.sources.mnist_autoencoder.pipeline.experiment import (
    Labelled,
    Outcome,
    Point,
    ReconstructionHistory,
    Run,
    Setting,
    Settings,
    divide,
    evaluate,
    fine_tune,
    first_indices,
    reconstruct,
    run,
    sweep,
    train_autoencoder,
    train_head,
    train_through_encoder,
)
from harness.sources.mnist_autoencoder.pipeline.features import encode, feature_bytes, normalise
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
    "Point",
    "ReconstructionHistory",
    "Run",
    "Setting",
    "Settings",
    "build_autoencoder",
    "build_classifier",
    "build_head",
    "divide",
    "encode",
    "evaluate",
    "feature_bytes",
    "fine_tune",
    "first_indices",
    "freeze",
    "normalise",
    "reconstruct",
    "run",
    "sweep",
    "train_autoencoder",
    "train_head",
    "train_through_encoder",
]
