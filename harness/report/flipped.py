"""Flipped images as the page shows them: how many on each seed, and a gallery of what got worse and better."""

from __future__ import annotations

import dataclasses
import functools
import math
import typing

import numpy as np

from harness.errors import StorageError
from harness.report.figures import png
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.records import Flip, Flips

    Pictures = Mapping[int, NDArray[np.uint8]]
    Turn = typing.Literal["worse", "better"]

MOST_PICTURES = 24
"""Pictures of a section, both directions together."""
MOST_SIDE = 128
"""Pixels a side of what is drawn; of larger pictures every second, third ... pixel."""
MOST_WORDS = 60
"""Flips of a row that are listed in words."""


class Picture(typing.NamedTuple):
    """One flipped image."""

    address: str  # the image as a data address
    flip: Flip
    seeds: tuple[int, ...]  # on which the same image flipped the same way
    where: str  # position in its set, with the set's name unless it is ``test``


class Gallery(typing.NamedTuple):
    """What got worse, or better."""

    turn: Turn
    total: int  # flips of this direction over all seeds and sets
    pictures: tuple[Picture, ...]  # the first of them, each once


class Row(typing.NamedTuple):
    """Comparisons of one set, on these seeds, that gave the same flips."""

    seeds: tuple[int, ...]
    flips: Flips


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """All flips of a section."""

    against: str
    compared: tuple[Flips, ...]  # comparisons that were made, by seed and set
    rows: tuple[Row, ...]  # the same, equal ones in one
    problems: tuple[tuple[str, str], ...]  # why others were not made, with the seeds
    galleries: tuple[Gallery, ...]  # worse, then better; a direction without any flip is left out
    unreadable: tuple[str, ...]  # why a run's pictures cannot be shown

    @property
    def flips(self) -> int:
        """Images that changed sides, over all seeds and sets."""
        return sum(one.worse_count + one.better_count for one in self.compared)

    @property
    def same_weights(self) -> bool:
        """Whether every comparison is between the same weights."""
        return bool(self.compared) and all(one.same_weights for one in self.compared)

    @property
    def sets(self) -> bool:
        """Whether more than the set ``test`` was compared."""
        return any(one.set != "test" for one in self.compared)


def part(flips: Sequence[Flips], folder: Path, base: Path | None = None) -> Part | None:
    """Gather the flips of one comparison; None if it was with nothing that predicted images.

    `folder` is the job's, `base` that of the reference's job where it is another.
    """
    if not flips:
        return None
    made = tuple(one for one in flips if not one.problem)
    unreadable: dict[str, None] = {}

    @functools.cache
    def pictures(job: Path, place: str, name: str) -> Pictures:
        try:
            return _pictures(job, place, name)
        except StorageError as error:
            unreadable[error.what] = None
            return {}

    worse = _drawn((flip, one, pictures(folder, one.folder, one.set)) for one in made for flip in one.worse)
    of_base = [one for one in made if one.base_folder]
    better = _drawn(
        (flip, one, pictures(base or folder, one.base_folder, one.set))
        for one in of_base
        for flip in one.better
    )
    # what one direction does not need of its half, the other may take
    most_worse, most_better = (
        MOST_PICTURES - min(MOST_PICTURES // 2, len(other)) for other in (better, worse)
    )
    galleries = (
        Gallery("worse", sum(one.worse_count for one in made), tuple(worse[:most_worse])),
        Gallery("better", sum(one.better_count for one in made), tuple(better[:most_better])),
    )
    rows: dict[Flips, list[int]] = {}
    for one in made:
        rows.setdefault(dataclasses.replace(one, seed=0, folder="", base_folder=""), []).append(one.seed)
    problems: dict[str, dict[str, None]] = {}
    for one in flips:
        if one.problem:
            problems.setdefault(one.problem, {})[str(one.seed)] = None
    return Part(
        against=flips[0].against, compared=made, rows=tuple(Row(tuple(which), alike) for alike, which in rows.items()),
        problems=tuple((problem, ", ".join(which)) for problem, which in problems.items()),
        galleries=tuple(gallery for gallery in galleries if gallery.total), unreadable=tuple(unreadable),
    )  # fmt: skip


def in_words(flips: Sequence[Flip], count: int) -> str:
    """List flips in words: image, label, both predictions; and how many more there are."""
    words = [f"{flip.image} ({flip.label}: {flip.before} → {flip.after})" for flip in flips[:MOST_WORDS]]
    more = [f"and {count - len(words)} more"] if count > len(words) else []
    return ", ".join([*words, *more]) or "none"


def seeds(which: Sequence[int], of: int) -> str:
    """Name seeds, in few words where there are many."""
    if len(which) == of > 1:
        return f"all {of} seeds"
    named = ", ".join(map(str, which[:3])) + (f" and {len(which) - 3} more" if len(which) > 3 else "")
    return f"seed{'s' * (len(which) > 1)} {named}"


def _drawn(flips: Iterable[tuple[Flip, Flips, Pictures]]) -> list[Picture]:
    """Draw flips that have a picture; one picture that flipped alike on several seeds is drawn once."""
    shown: dict[tuple[bytes, str, int, int], Picture] = {}
    for flip, row, pictures in flips:
        if flip.image not in pictures:
            continue
        pixels = pictures[flip.image]
        key = (pixels.tobytes(), row.set, flip.before, flip.after)
        if key in shown:
            shown[key] = shown[key]._replace(seeds=tuple(dict.fromkeys((*shown[key].seeds, row.seed))))
        elif len(shown) < MOST_PICTURES:
            step = math.ceil(max(pixels.shape[:2]) / MOST_SIDE)
            where = f"{flip.image}" if row.set == "test" else f"{flip.image} of {row.set}"
            shown[key] = Picture(png(pixels[::step, ::step]), flip, (row.seed,), where)
    return list(shown.values())


def _pictures(folder: Path, place: str, name: str) -> Pictures:
    """Read the images that a run got wrong, by position; empty if its scenario gave none."""
    path = f"{place}/predictions.npz"
    stored = files.read_npz_below(folder, path)
    wrong, images = stored.get(f"{name}/wrong"), stored.get(f"{name}/wrong_images")
    if wrong is None or images is None:
        return {}
    drawable = images.dtype == np.uint8 and (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3))
    if not drawable or wrong.dtype != np.int64 or wrong.shape != images.shape[:1] or 0 in images.shape[1:]:
        shapes = f"{images.dtype} of shape {images.shape}, positions of shape {wrong.shape}"
        raise StorageError(f"{path} holds no images of set '{name}' that can be shown: {shapes}")
    return dict(zip(wrong.tolist(), images, strict=True))
