"""Flipped images: what one classifier gets right and another wrong, image by image.

They are shown wherever a run is held against one that predicted the same images. They decide only where both predicted with the same
weights: McNemar's test asks whether two given classifiers differ, and two trainings of one program are two classifiers.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import typing
from pathlib import Path

import numpy as np

from harness.errors import StorageError
from harness.records import GIVEN, Flip, Flips
from harness.store import sidecar

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from harness.records import Baseline, RunResult
    from harness.store.predictions import Predictions, Reader, Sets

    Integers = NDArray[np.int64]
    Lookup = Callable[[int], tuple[Sets, str] | str]

MOST_LISTED = 100
"""Flips of each direction that a record lists; all are counted."""
OTHER_IMAGES = "the labels differ: another split, order or data, so that no image can be paired"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Flips of one run in one set, with what a test needs of them."""

    record: Flips
    """What is stored and shown."""
    net: Integers
    """(n,) 1 where an image got worse, -1 where it got better, else 0; empty if not compared."""
    images: str = ""
    """Hash of the labels: two of the same are of the same images in the same order."""
    weights: str = ""
    """Hash of the weights, if both sides have the same."""
    right: tuple[float, float] = (0.0, 0.0)
    """Share of images that the reference and the run got right."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Net:
    """Flips of the same images summed over runs whose weights are the same on both sides."""

    images: Integers
    """(n,) how often each image got worse, less how often it got better."""
    runs: int
    """Runs summed over."""
    checkpoints: int
    """Different weights among them."""
    left_out: int
    """Runs that were not compared, or saw other images."""
    base: tuple[float, ...]
    """Share of images that each run of the reference got right."""
    head: tuple[float, ...]
    """Share of images that each run got right."""


def scored_set(metric: str) -> tuple[str, str]:
    """Return the prediction set that a metric's name points to, and the score: ``head.accuracy`` is of set ``head``."""
    name, _, score = metric.rpartition(".")
    return name or "test", score


def main_sets(gated: Iterable[str]) -> tuple[str, ...]:
    """Name the sets whose images are compared: ``test``, and those that gated metrics may be scored from."""
    return tuple(dict.fromkeys(["test", *(scored_set(metric)[0] for metric in gated)]))


# -- finding -----------------------------------------------------------------------------------


def against_base(
    runs: Iterable[RunResult], base: Iterable[RunResult], names: Sequence[str], read: Reader, against: str,
    base_read: Reader | None = None,
) -> list[Found]:  # fmt: skip
    """Hold finished runs against base runs of the same or another job, seed by seed.

    Parameters
    ----------
    runs, base : iterables of RunResult
        Finished runs of both sides.
    names : sequence of str
        Prediction sets.
    read : callable
        See `harness.store.predictions.reader`.
    against : str
        What the base is called.
    base_read : callable, optional
        Reads the base's predictions where they are another job's.
    """
    by_seed = {run.request.seed: run for run in base}

    def lookup(seed: int) -> tuple[Sets, str] | str:
        if seed not in by_seed:
            return f"there is no base run of seed {seed}"
        return (base_read or read)(by_seed[seed], names), by_seed[seed].folder

    return [flips for run in runs for flips in _of_run(run, names, read, lookup, against)]


def against_baseline(
    runs: Iterable[RunResult], stored: tuple[Baseline, str], names: Sequence[str], read: Reader
) -> list[Found]:
    """Hold finished runs against the predictions that a stored baseline keeps, seed by seed.

    Raises
    ------
    BaselineError
        If the file of predictions beside the baseline is damaged or another's.
    """
    baseline, place = stored
    kept = sidecar.load(Path(place), baseline)

    def lookup(seed: int) -> tuple[Sets, str] | str:
        if not kept:
            return "the baseline keeps no predictions"
        return (kept[seed], "") if seed in kept else f"the baseline has no seed {seed}"

    return [flips for run in runs for flips in _of_run(run, names, read, lookup, place)]


def _of_run(
    run: RunResult, names: Sequence[str], read: Reader, lookup: Lookup, against: str
) -> Iterator[Found]:
    """Compare the prediction sets of a run; `lookup` returns the reference's sets and folder by seed, or why there are none."""
    for name in names:
        if run.measurement is None or name not in run.measurement.predictions:
            continue
        record = Flips(seed=run.request.seed, set=name, against=against, images=0, folder=run.folder)
        # what the reference's weights predict here is held against its own predictions
        of = name.removesuffix(GIVEN)
        try:
            reference = lookup(run.request.seed)
            if isinstance(reference, str):  # nothing is read of a run that nothing is held against
                problem = reference
            elif of not in reference[0]:
                problem = f"the reference has no prediction set '{of}'"
            else:
                base, head = reference[0][of], read(run, (name,))[name]
                problem = "" if np.array_equal(head.labels, base.labels) else OTHER_IMAGES
        except StorageError as error:
            problem = error.what
        if problem:
            yield Found(dataclasses.replace(record, problem=problem), np.zeros(0, np.int64))
        else:
            yield _compared(dataclasses.replace(record, base_folder=reference[1]), base, head)


def _compared(blank: Flips, base: Predictions, head: Predictions) -> Found:
    """Find the flips of two classifiers on the same images."""
    before, after = base.predicted == base.labels, head.predicted == head.labels
    net = before.astype(np.int64) - after  # (n,)
    same = base.weights if base.weights == head.weights else ""
    listed = []
    for chosen in (net > 0, net < 0):
        rows = np.flatnonzero(chosen)[:MOST_LISTED]
        columns = (rows, head.labels[rows], base.predicted[rows], head.predicted[rows])
        listed.append(tuple(Flip(*map(int, row)) for row in zip(*columns, strict=True)))
    record = dataclasses.replace(
        blank,
        images=len(net),
        same_weights=bool(same),
        worse=listed[0],
        better=listed[1],
        worse_count=int((net > 0).sum()),
        better_count=int((net < 0).sum()),
        changed=int((~before & ~after & (base.predicted != head.predicted)).sum()),
    )
    images = hashlib.sha256(head.labels.tobytes()).hexdigest()
    return Found(record, net, images, same, (float(before.mean()), float(after.mean())))


# -- the same weights --------------------------------------------------------------------------


def same_weights(compared: Iterable[Found]) -> dict[str, Net]:
    """Sum each image's net flips over runs, by set, for the sets where every comparison is between the same weights.

    The counts of images that got worse and better are never added up over runs: what one run gets wrong another
    often does too. Runs that saw other images than most are left out, because an image drawn by two of them would count twice.
    """
    by_set: Mapping[str, list[Found]] = collections.defaultdict(list)
    for one in compared:
        by_set[one.record.set].append(one)
    nets = {}
    for name, runs in by_set.items():
        whole = [one for one in runs if not one.record.problem]
        if not whole or not all(one.weights for one in whole):
            continue
        (images, _), *_ = collections.Counter(one.images for one in whole).most_common(1)
        chosen = [one for one in whole if one.images == images]
        nets[name] = Net(
            images=np.sum([one.net for one in chosen], axis=0),
            runs=len(chosen),
            checkpoints=len({one.weights for one in chosen}),
            left_out=len(runs) - len(chosen),
            base=tuple(one.right[0] for one in chosen),
            head=tuple(one.right[1] for one in chosen),
        )
    return nets
