"""TinyConvNet on MNIST, trained and then taken apart by SVD: the source's eight phases.

Usable alone::

    training = train(images, labels, test_images, test_labels, epochs=20, seed=0, device="cpu")
    analysis = analyse(training.weights, test_images, test_labels, seed=0, device="cpu")

or ``python -m harness.pipelines.tinyconvnet_svd --help``. The source's places are 'Methodology' (network,
SVD, analytical pass), 'The 8-Phase Pipeline' and 'Results'.
"""

from harness.pipelines.tinyconvnet_svd.analysis import analyse
from harness.pipelines.tinyconvnet_svd.analytical import AnalyticalNet
from harness.pipelines.tinyconvnet_svd.network import full_float32, load_weights, save_weights
from harness.pipelines.tinyconvnet_svd.results import Analysis, Training, Weights
from harness.pipelines.tinyconvnet_svd.training import predict, train

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
