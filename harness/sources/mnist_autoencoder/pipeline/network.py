"""The autoencoder and the classifier on its encoder (sections 3.1.2 and 3.2.3, figures 3, 6 and 9).

Not printed, so assumed: Adam's defaults, mean squared error as reconstruction loss, 'same' padding (28 is
halved twice to 7 and doubled back), ReLU before batch normalisation, and one last 3x3 convolution with a
sigmoid.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass

from harness.sources.keras import steps

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    import keras

POLICIES = ("float32", "mixed_bfloat16")
MOMENTUM = 0.99
"""Keras's default for the running averages of batch normalisation; not printed, so assumed."""
ENCODER = (32, 32, "pool", 64, "pool", 128, 256)
"""Filters of the 3x3 convolutions and the 2x2 poolings between them."""
FEATURES = (7, 7, 256)
"""Shape of one image's encoding: 12,544 values."""


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """Encoder and decoder, and both in a row; all share their weights."""

    encoder: keras.Model
    """(n, 28, 28, 1) in [0, 1] to (n, 7, 7, 256)."""
    whole: keras.Model
    """(n, 28, 28, 1) to (n, 28, 28, 1); compiled."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """The head alone and on its encoder; both end in logits and share their weights."""

    encoder: keras.Model
    """(n, 28, 28, 1) to (n, 7, 7, 256)."""
    head: keras.Model
    """(n, 7, 7, 256) to (n, 10)."""
    whole: keras.Model
    """(n, 28, 28, 1) to (n, 10)."""


def build_autoencoder(policy: str = "float32", momentum: float = MOMENTUM) -> Autoencoder:
    """Build and compile the autoencoder.

    Parameters
    ----------
    policy : str
        ``"mixed_bfloat16"`` computes in bfloat16 and keeps float32 weights; the last layer stays float32.
    momentum : float
        Share of batch normalisation's running averages that a step keeps: they need some ``3 / (1 - momentum)`` steps
        to follow the weights.

    Raises
    ------
    ValueError
        If `policy` is another word.
    """
    import keras
    from keras import layers

    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}, not '{policy}'.")
    last = layers.Conv2D(1, 3, padding="same", activation="sigmoid", dtype="float32")
    encoder = keras.Sequential(
        [layers.Input((28, 28, 1)), *_stack(ENCODER, policy, momentum)], name="encoder"
    )
    decoder = keras.Sequential(
        [layers.Input(FEATURES), *_stack(ENCODER[::-1], policy, momentum, up=True), last], name="decoder"
    )
    whole = keras.Sequential([layers.Input((28, 28, 1)), encoder, decoder])
    whole.compile("adam", "mean_squared_error", jit_compile=steps.compile_jit())
    return Autoencoder(encoder, whole)


def _stack(
    plan: tuple[int | str, ...], policy: str, momentum: float, *, up: bool = False
) -> Iterator[keras.Layer]:
    from keras import layers

    for entry in plan:
        if isinstance(entry, str):
            yield layers.UpSampling2D(2, dtype=policy) if up else layers.MaxPooling2D(2, dtype=policy)
        else:
            yield layers.Conv2D(entry, 3, padding="same", activation="relu", dtype=policy)
            yield layers.BatchNormalization(momentum=momentum, dtype=policy)


def build_head(dense: int = 128) -> keras.Model:
    """Build and compile the fully connected part: flatten, dense ReLU, 10 logits."""
    import keras
    from keras import layers

    hidden, logits = layers.Dense(dense, activation="relu"), layers.Dense(10, name=steps.LOGITS)
    head = keras.Sequential([layers.Input(FEATURES), layers.Flatten(), hidden, logits], name="head")
    steps.compile_logits(head)
    return head


def build_classifier(encoder: keras.Model, dense: int = 128) -> Classifier:
    """Put a new head on `encoder`; `freeze` compiles the whole."""
    import keras

    head = build_head(dense)
    whole = keras.Sequential([keras.layers.Input((28, 28, 1)), encoder, head])
    return Classifier(encoder, head, whole)


def freeze(classifier: Classifier, *, frozen: bool) -> None:
    """Hold the encoder still, batch normalisation in inference mode, or let it train; compiles the whole."""
    classifier.encoder.trainable = not frozen
    steps.compile_logits(classifier.whole)
