"""The source's first program: train on class folders, print how the test part is predicted, save the model.

``python -m harness.sources.digits1000_cnn.pipeline FOLDER MODEL.keras [--variant final] [--seed 0]``; then
``python -m harness.sources.digits1000_cnn.pipeline.predict MODEL.keras IMAGE...``.
"""

from __future__ import annotations

import argparse
import sys
import typing
from pathlib import Path

from harness.sources.digits1000_cnn.pipeline import experiment, model_file
from harness.sources.digits1000_cnn.pipeline.folders import read_folder

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

VARIANTS = {variant.name: variant for variant in experiment.VARIANTS}


def main(argv: Sequence[str] | None = None) -> int:
    """Train, print, save; 0, or 2 with one line on folders or a name that it cannot use."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.sources.digits1000_cnn.pipeline",
        description="Train on class folders of 28x28 PNG images and save the model.",
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="holds train/0 ... train/9 and test/0 ... test/9"
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="file to write, named *.keras")
    parser.add_argument("--variant", choices=VARIANTS, default="final")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    try:
        model_file.check_target(options.model)
        training, testing = (read_folder(options.folder / part) for part in ("train", "test"))
        model, outcome = experiment.run(VARIANTS[options.variant], training, testing, seed=options.seed)
        model_file.save(model, options.model)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(summary(outcome) + f"Model: {options.model}\n")
    return 0


def summary(outcome: experiment.Outcome) -> str:
    """Write what the source prints after training: loss and accuracy of the test part, its matrix and its table by class."""
    from sklearn.metrics import classification_report, confusion_matrix

    right = int((outcome.labels == outcome.predicted).sum())
    matrix = confusion_matrix(outcome.labels, outcome.predicted)  # (10, 10), rows are true classes
    # a class that is never predicted has no precision; it is shown as 0, as the source shows it
    report = classification_report(outcome.labels, outcome.predicted, zero_division=0.0)
    share = f"{right / len(outcome.labels):.4f} ({right} of {len(outcome.labels)})"
    return f"val_loss: {outcome.losses.mean():.4f} - val_accuracy: {share}\nConfusion Matrix\n{matrix}\nClassification report\n{report}"


if __name__ == "__main__":
    sys.exit(main())
