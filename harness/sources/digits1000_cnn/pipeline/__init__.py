"""Keras CNN on 1,000 digit images in class folders.

Source: 'Assignment IV, Image Processing and Pattern Recognition', L. Ravinthiran and J. L. Quinones Gonzalez,
2022. Usable on its own: `write_folders`, `read_folder` for each part, `run` a variant, `save` the model; then
``python -m harness.sources.digits1000_cnn.pipeline.predict MODEL IMAGE...``.
"""

from harness.sources.digits1000_cnn.pipeline.experiment import (
    ASSUMED,
    VARIANTS,
    Misaligned,
    Outcome,
    Ranges,
    Variant,
    augment,
    build,
    evaluate,
    misaligned,
    run,
    train,
)
from harness.sources.digits1000_cnn.pipeline.folders import Part, draw, read_folder, write_folders
from harness.sources.digits1000_cnn.pipeline.model_file import load, save
from harness.sources.digits1000_cnn.pipeline.pictures import read_picture, read_pictures

__all__ = [
    "ASSUMED",
    "VARIANTS",
    "Misaligned",
    "Outcome",
    "Part",
    "Ranges",
    "Variant",
    "augment",
    "build",
    "draw",
    "evaluate",
    "load",
    "misaligned",
    "read_folder",
    "read_picture",
    "read_pictures",
    "run",
    "save",
    "train",
    "write_folders",
]
