"""Flipped images as the page shows them: how many on each seed, and a gallery of what got worse and better."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.errors import StorageError
from harness.report.figures import png
from harness.store import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.records import Flip, Flips

    Pictures = Mapping[int, NDArray[np.uint8]]
    Turn = Literal["worse", "better"]

MOST_PICTURES = 24
"""Pictures of a section, both directions together."""
MOST_SIDE = 128
"""Pixels a side of what is drawn; of larger pictures every second, third ... pixel."""
MOST_WORDS = 60
"""Flips of a row that are told in words where there is no picture."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One flipped image."""

    address: str
    """The image as a data address."""
    flip: Flip
    """What became of it."""
    seeds: tuple[int, ...]
    """Seeds on which the same image flipped the same way."""
    where: str
    """Position in its set, with the set's name unless it is ``test``."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """What got worse, or better."""

    turn: Turn
    """Direction."""
    count: int
    """Flips of this direction over all seeds and sets."""
    pictures: tuple[Picture, ...]
    """The first of them, each once."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Comparisons of one set that found the very same."""

    seeds: tuple[int, ...]
    """Their seeds."""
    flips: Flips
    """What each of them found."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """All flips of a section."""

    against: str
    """What the runs were held against."""
    compared: tuple[Flips, ...]
    """Comparisons that were made, by seed and set."""
    rows: tuple[Row, ...]
    """The same, those that found the very same in one."""
    problems: tuple[tuple[str, str], ...]
    """Why others were not made, each with the seeds it is true of."""
    galleries: tuple[Gallery, ...]
    """Worse, then better; a direction without any flip is left out."""
    unreadable: tuple[str, ...]
    """Why a run's pictures cannot be shown."""

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
    """Gather the flips of a section; None if it was held against nothing that predicted images.

    Parameters
    ----------
    flips : sequence of Flips
        Those of one comparison.
    folder : Path
        Folder of the job.
    base : Path, optional
        Folder of the reference's job where that is another.
    """
    if not flips:
        return None
    made = tuple(row for row in flips if not row.problem)
    unreadable: dict[str, None] = {}

    @functools.cache
    def pictures(job: Path, place: str, name: str) -> Pictures:
        try:
            return _pictures(job, place, name)
        except StorageError as error:
            unreadable[error.what] = None
            return {}

    drawn = {
        "worse": _drawn(
            (flip, row, pictures(folder, row.folder, row.set)) for row in made for flip in row.worse
        ),
        "better": _drawn(
            (flip, row, pictures(base or folder, row.base_folder, row.set))
            for row in made
            if row.base_folder
            for flip in row.better
        ),
    }
    return Part(
        against=flips[0].against,
        compared=made,
        rows=tuple(_rows(made)),
        problems=_problems(flips),
        galleries=tuple(_galleries(made, drawn)),
        unreadable=tuple(unreadable),
    )


def told(flips: Sequence[Flip], count: int) -> str:
    """Tell flips in words: image, label, both predictions; and how many more there are."""
    words = [f"{flip.image} ({flip.label}: {flip.before} → {flip.after})" for flip in flips[:MOST_WORDS]]
    more = [f"and {count - len(words)} more"] if count > len(words) else []
    return ", ".join([*words, *more]) or "none"


def seeds(which: Sequence[int], of: int) -> str:
    """Name seeds, in few words where there are many."""
    if len(which) == of > 1:
        return f"all {of} seeds"
    named = ", ".join(map(str, which[:3])) + (f" and {len(which) - 3} more" if len(which) > 3 else "")
    return f"seed{'s' * (len(which) > 1)} {named}"


def _rows(made: Iterable[Flips]) -> Iterator[Row]:
    found: dict[Flips, list[int]] = {}
    for one in made:
        alike = dataclasses.replace(one, seed=0, folder="", base_folder="")
        found.setdefault(alike, []).append(one.seed)
    return (Row(seeds=tuple(which), flips=alike) for alike, which in found.items())


def _problems(flips: Iterable[Flips]) -> tuple[tuple[str, str], ...]:
    seeds: dict[str, dict[int, None]] = {}
    for row in flips:
        if row.problem:
            seeds.setdefault(row.problem, {})[row.seed] = None
    return tuple((problem, ", ".join(map(str, which))) for problem, which in seeds.items())


def _galleries(made: Sequence[Flips], drawn: Mapping[str, Sequence[Picture]]) -> Iterator[Gallery]:
    """Share the pictures' number between both directions; what one does not need the other may take."""
    half = MOST_PICTURES // 2
    turns: tuple[tuple[Turn, Turn, Callable[[Flips], int]], ...] = (
        ("worse", "better", lambda row: row.worse_count),
        ("better", "worse", lambda row: row.better_count),
    )
    for turn, other, count in turns:
        most = MOST_PICTURES - min(half, len(drawn[other]))
        if any(count(row) for row in made):
            yield Gallery(turn=turn, count=sum(map(count, made)), pictures=tuple(drawn[turn][:most]))


def _drawn(found: Iterable[tuple[Flip, Flips, Pictures]]) -> list[Picture]:
    """Draw flips that have a picture; one picture that flipped alike on several seeds is drawn once."""
    shown: dict[tuple[bytes, str, int, int], Picture] = {}
    for flip, row, pictures in found:
        if flip.image not in pictures:
            continue
        pixels = pictures[flip.image]
        key = (pixels.tobytes(), row.set, flip.before, flip.after)
        if key in shown:
            seeds = dict.fromkeys((*shown[key].seeds, row.seed))
            shown[key] = dataclasses.replace(shown[key], seeds=tuple(seeds))
        elif len(shown) < MOST_PICTURES:
            where = f"{flip.image}" if row.set == "test" else f"{flip.image} of {row.set}"
            shown[key] = Picture(address=png(_small(pixels)), flip=flip, seeds=(row.seed,), where=where)
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
        told = f"{images.dtype} of shape {images.shape}, positions of shape {wrong.shape}"
        raise StorageError(f"{path} holds no images of set '{name}' that can be shown: {told}")
    return dict(zip(wrong.tolist(), images, strict=True))


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Leave out rows and columns of a picture until no side is above `MOST_SIDE`."""
    step = math.ceil(max(pixels.shape[:2]) / MOST_SIDE)
    return pixels[::step, ::step]
