"""NumPy logistic regression on SVD-compressed KMNIST (source ``kmnist_svd_logreg``), usable on its own.

The flow is ``select_pair -> compress -> reconstruct -> design_matrix -> train -> predict``; `grid` runs it
for all settings of one pair. Everything follows the array library and the device of the images it is given.
See README.md.
"""

from .arrays import to_backend, to_numpy
from .compression import Factors, QuantisedFactors, byte_ratio, compress, percent_size, quantise
from .folds import Schedule, Split, Windows, split_folds
from .grid import SETTINGS, Setting, SettingResult, grid
from .plain import train_plain
from .preparation import Pair, design_matrix, select_pair
from .training import Curves, Prediction, Training, predict, train

__all__ = [
    "SETTINGS",
    "Curves",
    "Factors",
    "Pair",
    "Prediction",
    "QuantisedFactors",
    "Schedule",
    "Setting",
    "SettingResult",
    "Split",
    "Training",
    "Windows",
    "byte_ratio",
    "compress",
    "design_matrix",
    "grid",
    "percent_size",
    "predict",
    "quantise",
    "select_pair",
    "split_folds",
    "to_backend",
    "to_numpy",
    "train",
    "train_plain",
]
