"""Save and load the trained network as ``.keras``."""

from __future__ import annotations

import tempfile
import typing
from pathlib import Path

if typing.TYPE_CHECKING:
    import keras

INPUT, OUTPUT = (None, 28, 28, 3), (None, 10)


def check_target(path: Path) -> None:
    """Say before a training that its model could not be saved there: ValueError."""
    if path.suffix != ".keras" or path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"A model is saved as a .keras file in a folder that exists, not as '{path}'.")


def save(model: keras.Model, path: Path) -> None:
    """Write the model, whole or not at all; ValueError as in `check_target`."""
    check_target(path)
    with tempfile.TemporaryDirectory(prefix=".saving-", dir=path.parent) as folder:
        whole = Path(folder) / path.name
        model.save(whole)
        whole.replace(path)


def load(path: Path) -> keras.Model:
    """Read a model that `save` wrote; nothing in the file is executed (Keras's safe mode).

    Raises
    ------
    ValueError
        If the file is missing, foreign or damaged, or another network.
    """
    import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # a damaged file raises whatever the layer that it reaches raises
        why = str(error).rstrip(".")
        raise ValueError(f"'{path}' cannot be loaded as a Keras model: {why}. Train and save one.") from error
    if tuple(model.input_shape) != INPUT or tuple(model.output_shape) != OUTPUT:
        shapes = f"it maps {model.input_shape} to {model.output_shape}, not {INPUT} to {OUTPUT}"
        raise ValueError(f"'{path}' is another network: {shapes}.")
    return model
