"""Save and load the trained network as ``.keras``; a foreign, damaged or other version's file is named."""

from __future__ import annotations

import json
import tempfile
import typing
import zipfile
from pathlib import Path

if typing.TYPE_CHECKING:
    import keras

SUFFIX = ".keras"
INPUT = (None, 28, 28, 3)
OUTPUT = (None, 10)


def check_target(path: Path) -> None:
    """Say before a training that its model could not be saved there.

    Raises
    ------
    ValueError
        If the name does not end in ``.keras``, is a folder's, or lies in no folder.
    """
    if path.suffix != SUFFIX:
        raise ValueError(f"A model is saved as {SUFFIX}, not as '{path.name}'.")
    if path.is_dir():
        raise ValueError(f"'{path}' is a folder; give the name of a file.")
    if not path.parent.is_dir():
        raise ValueError(f"There is no folder '{path.parent}' to save '{path.name}' in; make it first.")


def save(model: keras.Model, path: Path) -> None:
    """Write the model, whole or not at all.

    Raises
    ------
    ValueError
        As in `check_target`.
    """
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
        If the file is missing, foreign, damaged, from another major version of Keras, or another network.
    """
    import keras

    _check_version(path, _written_with(path), keras.__version__)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # a damaged file raises whatever the layer that it reaches raises
        why = str(error).rstrip(".")
        raise ValueError(f"'{path}' cannot be loaded as a Keras model: {why}. Save it again.") from error
    if tuple(model.input_shape) != INPUT or tuple(model.output_shape) != OUTPUT:
        raise ValueError(
            f"'{path}' is another network: it maps {model.input_shape} to {model.output_shape}, "
            f"not {INPUT} to {OUTPUT}."
        )
    return model


def _written_with(path: Path) -> str:
    if path.is_dir():
        raise ValueError(f"'{path}' is a folder, not a {SUFFIX} model file.")
    if not path.is_file():
        raise ValueError(f"There is no model file '{path}'; train and save one first.")
    if path.suffix != SUFFIX:
        raise ValueError(f"'{path}' is not named *{SUFFIX}; only models that are saved so are loaded.")
    try:
        with zipfile.ZipFile(path) as archive:
            return str(json.loads(archive.read("metadata.json"))["keras_version"])
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, OSError) as error:
        raise ValueError(
            f"'{path}' is not a {SUFFIX} model file, or it is damaged; save it again."
        ) from error


def _check_version(path: Path, written: str, running: str) -> None:
    if written.partition(".")[0] != running.partition(".")[0]:
        raise ValueError(f"'{path}' was written by Keras {written}, this is Keras {running}; save it again.")
