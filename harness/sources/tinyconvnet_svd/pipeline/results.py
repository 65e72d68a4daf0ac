"""Frozen records of NumPy arrays, one per phase; r is the number of singular values, C of classes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Bytes = NDArray[np.uint8]
    Integers = NDArray[np.int64]
    Booleans = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True)
class Weights:
    """The trained parameters; the convolutions have no bias, so each is one matrix."""

    conv1: Floats
    """(8, 1, 3, 3)."""
    conv2: Floats
    """(16, 8, 3, 3)."""
    fc_weight: Floats
    """(C, 400)."""
    fc_bias: Floats
    """(C,)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Training:
    """Phase 1: the trained weights and what each epoch left; scores are for the caller to compute."""

    weights: Weights
    """After the last epoch."""
    train_loss: Doubles
    """(epochs,), mean cross-entropy over the epoch's images as seen while training, nats."""
    test_loss: Doubles
    """(epochs,), mean cross-entropy over the test images after the epoch, nats."""
    test_predictions: Bytes
    """(epochs, n_test), predicted class after each epoch."""
    test_logits: Floats
    """(n_test, C), after the last epoch."""
    first_step_seconds: float
    """Wall time of the very first step, waited for on the device: kernels are loaded and chosen in it."""
    step_seconds: float | None
    """Mean wall time of the first epoch's other steps; None if it had none."""
    first_losses: Doubles
    """(at most 8,), loss of each of the first epoch's first batches before its step, nats."""


@dataclasses.dataclass(frozen=True, slots=True)
class Decomposition:
    """Phase 2: thin SVD of one convolution's matrix, in the matrix's own dtype."""

    name: str
    """``"conv1"`` or ``"conv2"``."""
    matrix: Floats
    """W, (m, n): (8, 9) or (16, 72)."""
    left: Floats
    """U, (m, r): feature directions in columns."""
    sigma: Floats
    """(r,), singular values, largest first."""
    right_t: Floats
    """Vt, (r, n): eigenfilters in rows."""
    energy: Doubles
    """(r,), cumulative share of the squared singular values, 0 to 1; all ones for a zero matrix."""

    def truncated(self, rank: int) -> Floats:
        """Return the rank-k matrix ``U_k diag(sigma_k) Vt_k``, (m, n)."""
        scaled: Floats = self.left[:, :rank] * self.sigma[:rank]  # (m, k)
        return scaled @ self.right_t[:rank]  # (m, n)

    def effective_rank(self, share: float) -> int:
        """Return the smallest rank that holds `share` of the energy, e.g. 0.95."""
        return min(int((self.energy < share).sum()) + 1, len(self.sigma))

    @property
    def reconstruction_error(self) -> float:
        """Largest ``|W - U diag(sigma) Vt|`` over entries, computed in W's dtype as the source prints it."""
        return float(abs(self.matrix - self.truncated(len(self.sigma))).max())

    @property
    def squared_norm(self) -> float:
        """``||W||_F^2``, summed in float64."""
        return float((self.matrix.astype("float64") ** 2).sum())


@dataclasses.dataclass(frozen=True, slots=True)
class LayerVerification:
    """Phases 3, 4 and 7: one layer computed by torch and in SVD coordinates; differences in units of the pre-activation."""

    name: str
    """``"conv1"`` or ``"conv2"``."""
    inputs: Floats
    """(n, c, h, w), what the layer saw in the network."""
    network: Floats
    """(n, m, h - 2, w - 2), torch's convolution."""
    product: Floats
    """Same shape, W times the im2col patches."""
    analytical: Floats
    """Same shape, ``U (sigma (Vt p))``."""
    activated: Floats
    """Same shape, torch's ReLU of its own convolution."""

    @property
    def product_difference(self) -> float:
        """Largest ``|W im2col(x) - conv(x)|``."""
        return float(abs(self.product - self.network).max())

    @property
    def analytical_difference(self) -> float:
        """Largest ``|U (sigma (Vt p)) - conv(x)|``."""
        return float(abs(self.analytical - self.network).max())


@dataclasses.dataclass(frozen=True, slots=True)
class Verification:
    """Phases 3, 4 and 7: both layers and the logits, network against analytical network."""

    layers: tuple[LayerVerification, LayerVerification]
    """conv1 and conv2."""
    network_logits: Floats
    """(n, C), torch."""
    analytical_logits: Floats
    """(n, C), `analytical_logits`."""

    @property
    def logit_difference(self) -> float:
        """Largest difference of a logit."""
        return float(abs(self.analytical_logits - self.network_logits).max())


@dataclasses.dataclass(frozen=True, slots=True)
class RankSweep:
    """Phase 5: one layer at every rank, the rest of the network unchanged."""

    name: str
    """``"conv1"`` or ``"conv2"``."""
    ranks: Integers
    """(r,), 1 to r."""
    relative_error: Doubles
    """(r,), ``||W - W_k||_F / ||W||_F``; 0 for a zero matrix."""
    predictions: Bytes
    """(r, n_test), predicted class with this layer at rank k."""


@dataclasses.dataclass(frozen=True, slots=True)
class Regions:
    """Phase 6: which linear map ReLU leaves active on random patches of the first layer."""

    places: Integers
    """(p, 3), image, row and column of each patch's upper left pixel."""
    patches: Floats
    """(p, 9), normalised pixels."""
    masks: Booleans
    """(p, 8), M(p): true where W p > 0."""
    after: Floats
    """(p, 8), ReLU(W p)."""
    before_in_u: Floats
    """(p, 8), Ut W p."""
    after_in_u: Floats
    """(p, 8), Ut ReLU(W p)."""
    unique_masks: Booleans
    """(q, 8), the different masks, most frequent first."""
    counts: Integers
    """(q,), patches per mask."""


@dataclasses.dataclass(frozen=True, slots=True)
class ClassStructure:
    """Dataset-linked: what the SVD coordinates say about the classes, on a sample of images."""

    labels: Bytes
    """(n,), class of each sampled image."""
    response: Doubles
    """(C, r), mean of ``(sigma_i z_i)^2`` of conv1 over a class's patches; NaN for a class not drawn."""
    scatter1: Floats
    """(n, 8), Ut of conv1's activations averaged over places; the first two columns are the figure."""
    scatter2: Floats
    """(n, 16), the same for conv2."""


@dataclasses.dataclass(frozen=True, slots=True)
class Analysis:
    """Phases 2 to 7 and the dataset-linked analysis of one trained network."""

    decompositions: tuple[Decomposition, Decomposition]
    """Phase 2: conv1 and conv2."""
    verification: Verification
    """Phases 3, 4 and 7."""
    sweeps: tuple[RankSweep, RankSweep]
    """Phase 5: conv1 and conv2."""
    regions: Regions
    """Phase 6."""
    mixing: Doubles
    """(16, 8), share of each conv2 eigenfilter's energy on each conv1 feature direction; rows sum to 1."""
    cosines: Doubles
    """(8, 9), ``|cos|`` between conv1's eigenfilters and the principal directions of the images' own 3x3 patches."""
    classes: ClassStructure
    """Dataset-linked."""
