"""What each data set should be: files, shapes, hashes, class names."""

from __future__ import annotations

import dataclasses
from typing import Literal

from harness.errors import unknown

SIDE = 28
"""Height and width of every image, pixels."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of the four arrays of a data set, and the IDX file that holds it."""

    title: str
    """How messages name it, e.g. ``KMNIST train images``."""
    file: str
    """Name of the unpacked IDX file."""
    shape: tuple[int, ...]
    """(n, 28, 28) for images, (n,) for labels."""
    sha256: str = ""
    """Hash of the unpacked IDX file; empty where it is not known."""
    gz_md5: str = ""
    """Hash of the gzip file as its authors publish it; needed only where `sha256` is not known."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A data set that the harness knows by name."""

    name: str
    """digits, mnist or kmnist."""
    folder: str
    """Name of its folder and class in torchvision; empty for data that ships with scikit-learn."""
    classes: tuple[str, ...]
    """What the labels 0, 1, ... stand for."""
    parts: tuple[Part, Part, Part, Part]
    """Train images, train labels, test images, test labels."""


def _parts(
    title: str, train: int, test: int, sha256: tuple[str, str, str, str], gz_md5: tuple[str, str] = ("", "")
) -> tuple[Part, Part, Part, Part]:
    def part(split: Literal["train", "test"], what: Literal["images", "labels"], index: int) -> Part:
        stem, count = ("train", train) if split == "train" else ("t10k", test)
        return Part(
            title=f"{title} {split} {what}",
            file=f"{stem}-images-idx3-ubyte" if what == "images" else f"{stem}-labels-idx1-ubyte",
            shape=(count, SIDE, SIDE) if what == "images" else (count,),
            sha256=sha256[index],
            gz_md5=gz_md5[index] if split == "train" else "",
        )

    return (
        part("train", "images", 0),
        part("train", "labels", 1),
        part("test", "images", 2),
        part("test", "labels", 3),
    )


DIGITS = Declared(
    name="digits",
    folder="",
    classes=tuple("0123456789"),
    parts=_parts(
        "digits",
        1_437,
        360,
        (
            "8ee954b73ddd5aa2f4a682113542e0d6bee5fba42a802ddd4d0c4be3c3581d94",
            "758ea24dda58850b7a23dc99bf34b7d9eb0e6b680563fbe5406b73b826d71243",
            "232d7795c00d08501247e07d7f299ee9ea65c044b728a179ac8096a9251e1ada",
            "34128b0eac0fff7f74f52eea4c879f532d754c733fdf8ef29f74075e51a5611f",
        ),
    ),
)
"""Test set of UCI's Optical Recognition of Handwritten Digits (Alpaydin, Kaynak), from scikit-learn."""

MNIST = Declared(
    name="mnist",
    folder="MNIST",
    classes=tuple("0123456789"),
    parts=_parts(
        "MNIST",
        60_000,
        10_000,
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
)
"""LeCun, Cortes and Burges; CC BY-SA 3.0."""

KMNIST = Declared(
    name="kmnist",
    folder="KMNIST",
    classes=tuple("おきすつなはまやれを"),
    parts=_parts(
        "KMNIST",
        60_000,
        10_000,
        (
            "",
            "",
            "76fbd229ce87db80dd281af5e6670de4ad0e42fb30a7bd643972994c47c1f42e",
            "a11dc742be8e781a40a92f53d6a4957e7b7d36df2faa097659131ebfd8fd60c6",
        ),
        gz_md5=("bdb82020997e1d708af4cf47b453dcf7", "e144d726b3acfaa3e44228e80efcd344"),
    ),
)
"""CODH, adapted from the Kuzushiji Dataset of NIJL; CC BY-SA 4.0. doi:10.20676/00000341."""

DECLARED: dict[str, Declared] = {declared.name: declared for declared in (DIGITS, MNIST, KMNIST)}


def declared(name: str) -> Declared:
    """Return the declaration of a data set.

    Raises
    ------
    UnknownNameError
        If nothing is declared under that name; it names the nearest one.
    """
    if name not in DECLARED:
        raise unknown("data set", name, DECLARED)
    return DECLARED[name]
