"""TinyConvNet on MNIST, trained and then taken apart by SVD: the source's eight phases, but for the figures.

Usable alone::

    training = train(images, labels, test_images, test_labels, epochs=20, seed=0, device="cpu")
    analysis = analyse(training.weights, test_images, test_labels, seed=0, device="cpu")

or ``python -m harness.sources.tinyconvnet_svd.pipeline --help``. The source's places are 'Methodology' (network,
SVD, analytical pass), 'The 8-Phase Pipeline' and 'Results'.
"""

from harness.sources.tinyconvnet_svd.pipeline.analysis import analyse
from harness.sources.tinyconvnet_svd.pipeline.results import Analysis, Training, Weights
from harness.sources.tinyconvnet_svd.pipeline.training import full_float32, predict, train

__all__ = ["Analysis", "Training", "Weights", "analyse", "full_float32", "predict", "train"]
