"""The source's second program: load the saved model, predict image files, print the digit of each.

``python -m harness.sources.digits1000_cnn.pipeline.predict MODEL IMAGE...``
"""

from __future__ import annotations

import argparse
import sys
import typing
from pathlib import Path

from harness.sources.digits1000_cnn.pipeline import model_file
from harness.sources.digits1000_cnn.pipeline.pictures import read_pictures
from harness.sources.keras import steps

if typing.TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Print one digit a line, before the file's name where there are several; 2 on input it cannot use."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.sources.digits1000_cnn.pipeline.predict",
        description="Print the digit in each image file.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="a saved .keras file")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="28x28, 8-bit grey or RGB")
    parser.add_argument("--resize", action="store_true", help="bring other sizes to 28x28 (nearest pixel)")
    options = parser.parse_args(argv)
    try:
        images = read_pictures(options.images, resize=options.resize)  # (n, 28, 28, 3)
        model = model_file.load(options.model)
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    digits = steps.predict(steps.trainer_of(model), images).argmax(axis=1)
    names = [f"\t{path}" for path in options.images] if len(options.images) > 1 else [""]
    sys.stdout.writelines(f"{digit}{name}\n" for digit, name in zip(digits, names, strict=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
