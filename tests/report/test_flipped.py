"""The report's section on flipped images: counts, pictures from both sides, what is missing."""

from __future__ import annotations

import base64
import dataclasses
import io
import typing

import numpy as np
import pytest
from PIL import Image

from harness.records import Flip, Flips
from harness.report import flipped, render
from harness.store import files

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Job

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (60, 8, 8)).astype(np.uint8)


def keep(folder: Path, place: str, images: typing.Any = PICTURES, wrong: typing.Any = None) -> None:
    """Leave a run's wrong images: image k at position k, unless said otherwise."""
    positions = np.arange(len(images)) if wrong is None else wrong
    files.write_npz(
        folder / place / "predictions.npz", {"test/wrong": positions, "test/wrong_images": images}
    )


def record(seed: int = 0, worse: int = 2, better: int = 1, **changes: typing.Any) -> Flips:
    """Flip the first images to worse, those from 30 on to better."""
    fields: dict[str, typing.Any] = {
        "seed": seed, "set": "test", "against": "base main", "images": 100, "folder": "head", "base_folder": "base",
        "worse": tuple(Flip(k, 3, 3, 5) for k in range(worse)), "worse_count": worse,
        "better": tuple(Flip(30 + k, 4, 9, 4) for k in range(better)), "better_count": better,
    }  # fmt: skip
    return Flips(**{**fields, **changes})


def part(folder: Path, *flips: Flips) -> flipped.Part:
    """Gather flips whose pictures lie in both folders."""
    for place in ("head", "base"):
        keep(folder, place)
    gathered = flipped.part(flips, folder)
    assert gathered is not None
    return gathered


def pixels(address: str) -> typing.Any:
    """Decode a data address."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def test_worse_is_drawn_from_the_run_and_better_from_the_base(tmp_path: Path) -> None:
    """Each side keeps what it got wrong: the picture is the one at the flip's position."""
    keep(tmp_path, "head")
    keep(tmp_path, "base", 255 - PICTURES)
    gathered = flipped.part([record()], tmp_path)
    assert gathered is not None
    worse, better = gathered.galleries
    assert (worse.turn, len(worse.pictures), better.turn, len(better.pictures)) == ("worse", 2, "better", 1)
    assert np.array_equal(pixels(worse.pictures[1].address), PICTURES[1])
    assert np.array_equal(pixels(better.pictures[0].address), 255 - PICTURES[30])


@pytest.mark.parametrize(
    ("worse", "better", "shown"), [(20, 20, (12, 12)), (30, 3, (21, 3)), (2, 30, (2, 22)), (30, 0, (24,))]
)
def test_both_directions_share_the_pictures(
    tmp_path: Path, worse: int, better: int, shown: tuple[int, ...]
) -> None:
    """At most 24 pictures; what one direction does not need the other takes, and all flips are counted."""
    gathered = part(tmp_path, record(worse=worse, better=better))
    assert tuple(len(gallery.pictures) for gallery in gathered.galleries) == shown
    assert sum(gallery.total for gallery in gathered.galleries) == gathered.flips == worse + better


def test_an_image_that_flips_alike_on_every_seed_is_shown_once(tmp_path: Path) -> None:
    """One checkpoint on five seeds: each picture once with all its seeds, and one row of counts."""
    gathered = part(tmp_path, *(record(seed) for seed in range(5)))
    assert [picture.seeds for picture in gathered.galleries[0].pictures] == [(0, 1, 2, 3, 4)] * 2
    assert [row.seeds for row in gathered.rows] == [(0, 1, 2, 3, 4)]


def test_a_stored_baseline_has_no_pictures_of_what_got_better(tmp_path: Path) -> None:
    """Only positions are known of what the baseline got wrong; they are told in words."""
    gathered = part(tmp_path, record(base_folder=""))
    assert [len(gallery.pictures) for gallery in gathered.galleries] == [2, 0]
    assert flipped.in_words(gathered.compared[0].better, 1) == "30 (4: 9 → 4)"
    assert gathered.unreadable == ()


def test_words_end_with_how_many_more_there_are() -> None:
    """A list of 60 says what it leaves out; none is said as such."""
    flips = [Flip(k, 1, 1, 2) for k in range(100)]
    assert flipped.in_words(flips, 130).endswith("59 (1: 1 → 2), and 70 more")
    assert flipped.in_words((), 0) == "none"


@pytest.mark.parametrize(
    ("which", "of", "words"),
    [((4,), 1, "seed 4"), ((0, 1), 2, "all 2 seeds"), ((0, 1), 3, "seeds 0, 1"), (tuple(range(5)), 9, "seeds 0, 1, 2 and 2 more")],
)  # fmt: skip
def test_seeds_are_named_in_few_words(which: tuple[int, ...], of: int, words: str) -> None:
    """One, all, some, many."""
    assert flipped.seeds(which, of) == words


@pytest.mark.parametrize(
    ("images", "wrong"),
    [
        (PICTURES.astype(np.float32), None),
        (PICTURES.reshape(60, 64), None),
        (PICTURES, np.arange(7)),
        (PICTURES, np.arange(60.0)),
        (np.zeros((60, 0, 8), np.uint8), None),
        (np.zeros((60, 8, 8, 4), np.uint8), None),
    ],
)
def test_what_cannot_be_shown_is_said(tmp_path: Path, images: typing.Any, wrong: typing.Any) -> None:
    """Other arrays than a run writes leave the counts and one sentence."""
    keep(tmp_path, "head", images, wrong)
    gathered = flipped.part([record(better=0)], tmp_path)
    assert gathered is not None
    assert "holds no images of set 'test' that can be shown" in gathered.unreadable[0]
    assert gathered.galleries[0].pictures == ()


def test_missing_files_and_folders_elsewhere_leave_the_counts(tmp_path: Path) -> None:
    """Without files nothing is drawn, and each is named once."""
    lost = flipped.part([record(0), record(1), record(2, folder="../elsewhere")], tmp_path)
    assert lost is not None
    assert [reason.partition(" ")[0] for reason in lost.unreadable] == [
        "head/predictions.npz", "../elsewhere/predictions.npz", "base/predictions.npz",
    ]  # fmt: skip
    assert lost.flips == 9


def test_a_run_without_images_shows_none(tmp_path: Path) -> None:
    """A scenario that gives no images has counts and positions only; nothing is missing."""
    files.write_npz(tmp_path / "head" / "predictions.npz", {"test/labels": np.zeros(3, np.uint8)})
    gathered = flipped.part([record(better=0)], tmp_path)
    assert gathered is not None
    assert (gathered.galleries[0].pictures, gathered.unreadable) == ((), ())


def test_large_and_coloured_pictures_stay_small(tmp_path: Path) -> None:
    """A picture of a thousand pixels a side is drawn with 125, colour and proportions kept."""
    keep(tmp_path, "head", np.full((2, 1000, 500, 3), (200, 10, 10), np.uint8))
    gathered = flipped.part([record(better=0)], tmp_path)
    assert gathered is not None
    drawn = pixels(gathered.galleries[0].pictures[0].address)
    assert drawn.shape == (125, 63, 3)
    assert tuple(drawn[0, 0]) == (200, 10, 10)


def page_with(job: Job, folder: Path, *flips: Flips) -> str:
    """Render a job whose first comparison has these flips."""
    first, *rest = job.comparisons
    return render(
        dataclasses.replace(job, comparisons=(dataclasses.replace(first, flips=flips), *rest)), folder, {}
    )


def test_the_page_says_what_the_flips_mean(job: Job, folder: Path) -> None:
    """Zero flips are a finding; who decides depends on the weights; what was not compared has its reason with its seeds."""
    none = page_with(job, folder, record(worse=0, better=0))
    assert "zero flips</span> Each of 100 images over 1 seed is right or wrong as before." in none
    assert "the spread over seeds decides" in page_with(job, folder, record())
    same = page_with(job, folder, record(same_weights=True))
    assert "an exact test of these images decides the accuracy" in same
    lacking = [record(seed, images=0, problem="the baseline keeps no predictions") for seed in (0, 3)]
    page = page_with(job, folder, *lacking)
    assert "Not compared, seed 0, 3: the baseline keeps no predictions." in page
    assert "Got worse" not in page
