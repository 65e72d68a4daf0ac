"""TinyConvNet on MNIST, trained and then taken apart by SVD: the source's eight phases.

Usable alone::

    training = train(images, labels, test_images, test_labels, epochs=20, seed=0, device="cpu")
    analysis = analyse(training.weights, test_images, test_labels, seed=0, device="cpu")

or ``python -m harness.sources.tinyconvnet_svd.pipeline --help``. The source's places are 'Methodology' (network,
SVD, analytical pass), 'The 8-Phase Pipeline' and 'Results'.
"""

from harness.sources.tinyconvnet_svd.pipeline.analysis import analyse
from harness.sources.tinyconvnet_svd.pipeline.analytical import AnalyticalNet
from harness.sources.tinyconvnet_svd.pipeline.network import full_float32, load_weights, save_weights
from harness.sources.tinyconvnet_svd.pipeline.results import Analysis, Training, Weights
from harness.sources.tinyconvnet_svd.pipeline.training import predict, train

__all__ = [
    "Analysis",
    "AnalyticalNet",
    "Training",
    "Weights",
    "analyse",
    "full_float32",
    "load_weights",
    "predict",
    "save_weights",
    "train",
]
