"""What each data set should be: files, shapes, hashes, class names."""

from __future__ import annotations

import dataclasses

from harness.errors import unknown

SIDE = 28
"""Height and width of every image, pixels."""
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


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
    """mnist, kmnist, or one of their excerpts: mnist-excerpt, kmnist-excerpt."""
    folder: str
    """Name of its folder in torchvision's layout; empty for an excerpt that travels in the package."""
    address: str
    """Where its gzip files are downloaded from, with a slash at the end; empty for an excerpt."""
    classes: tuple[str, ...]
    """What the labels 0, 1, ... stand for."""
    parts: tuple[Part, ...]
    """Train images, train labels, test images, test labels."""


def _parts(title: str, train: int, test: int, *hashes: str) -> tuple[Part, ...]:
    """Return the four parts; a hash of 32 digits is the MD5 of the gzip file, a longer one the SHA-256 of the unpacked file."""
    names = ("train images", "train labels", "test images", "test labels")
    shapes: tuple[tuple[int, ...], ...] = ((train, SIDE, SIDE), (train,), (test, SIDE, SIDE), (test,))
    return tuple(
        Part(title=f"{title} {name}", file=file, shape=shape, **{"gz_md5" if len(digest) == 32 else "sha256": digest})
        for name, file, shape, digest in zip(names, FILES, shapes, hashes, strict=True)
    )  # fmt: skip


MNIST = Declared(
    name="mnist",
    folder="MNIST",
    address="https://ossci-datasets.s3.amazonaws.com/mnist/",
    classes=tuple("0123456789"),
    parts=_parts(
        "MNIST", 60_000, 10_000,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)  # fmt: skip
"""LeCun, Cortes and Burges; CC BY-SA 3.0."""

KMNIST = Declared(
    name="kmnist",
    folder="KMNIST",
    address="https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    classes=tuple("おきすつなはまやれを"),
    parts=_parts(
        "KMNIST", 60_000, 10_000,
        "bdb82020997e1d708af4cf47b453dcf7",
        "e144d726b3acfaa3e44228e80efcd344",
        "76fbd229ce87db80dd281af5e6670de4ad0e42fb30a7bd643972994c47c1f42e",
        "a11dc742be8e781a40a92f53d6a4957e7b7d36df2faa097659131ebfd8fd60c6",
    ),
)  # fmt: skip
"""CODH, adapted from the Kuzushiji Dataset of NIJL; CC BY-SA 4.0. doi:10.20676/00000341."""

MNIST_EXCERPT = Declared(
    name="mnist-excerpt",
    folder="",
    address="",
    classes=MNIST.classes,
    parts=_parts(
        "MNIST excerpt", 6_000, 2_000,
        "2782ff6f3467f3487a520503c34fe99b761aa97623af029969e59716ac3585c3",
        "0d830540a6191e75a9f5cd63cd5b4bde38960b893784bbf456d560179296d7cd",
        "3f6bd66dee48df299584c67669bceee490faa25f931496bd7473b42106d7daed",
        "7b098e5f6a3065807cebeabf36fb1724a8aff19f2673ac08b4923e0e8c715bce",
    ),
)  # fmt: skip
"""The first 6,000 training and the first 2,000 test images of MNIST; CC BY-SA 3.0."""

KMNIST_EXCERPT = Declared(
    name="kmnist-excerpt",
    folder="",
    address="",
    classes=KMNIST.classes,
    parts=_parts(
        "KMNIST excerpt", 1_861, 3_000,
        "8fa713d0bb8b7535253240bbb5d1e6f7d616262d78edcf976d579c4ef3b9eaf9",
        "7363a55c3a25ea5283495a6cb221355d43000c3f62a38fa96549379a5bd99735",
        "957049492223c9afe8f8c9333e0e06c42aaff0a6d06835ac08c55be0cfdfccdf",
        "f3398a9f44ab8a5247c8fc73a889e24fec68e468ee6a0c6dabed7ec74d6eddf6",
    ),
)  # fmt: skip
"""Every お (0), す (2) and ま (6) among the first 6,284 training images of KMNIST and in its whole test set; CC BY-SA 4.0."""

DECLARED = {declared.name: declared for declared in (MNIST_EXCERPT, KMNIST_EXCERPT, MNIST, KMNIST)}


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
