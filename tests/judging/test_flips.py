"""Flipped images: found in the files of real folders, counted, capped, and tested as McNemar would."""

from __future__ import annotations

import dataclasses
import typing
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judging import flips
from harness.judging.gate import rules
from harness.store import files, predictions
from tests.judging import made

if typing.TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.records import RunResult, Side

    Classes = NDArray[np.uint8]

LABELS = (np.arange(400) % 10).astype(np.uint8)
SAME, OTHER = "aa" * 32, "bb" * 32


def wrong_at(*images: int, labels: Classes = LABELS, by: int = 1) -> Classes:
    """Predict every image rightly but these."""
    predicted = labels.copy()
    chosen = list(images)
    predicted[chosen] = (predicted[chosen] + by) % 10
    return predicted


def stored(
    out: Path, seed: int, predicted: Classes, *, side: Side = "head", labels: Classes = LABELS, weights: str = SAME, name: str = "test"
) -> RunResult:  # fmt: skip
    """Leave a run with one prediction set below `out`."""
    request = made.request(seed, side=side)
    weighed = {name: weights} if weights else {}
    run = made.run({}, request, predictions=(name,), weights=weighed)
    files.write_npz(
        out / run.folder / "predictions.npz", {f"{name}/labels": labels, f"{name}/predicted": predicted}
    )
    return run


def beside(out: Path, base: list[RunResult], head: list[RunResult]) -> list[flips.Found]:
    """Hold runs of one folder against base runs of the same."""
    return flips.against_base(head, base, ("test",), predictions.reader(out), "base main")


def pair(out: Path, before: Classes, after: Classes, **changes: typing.Any) -> flips.Found:
    """Hold one run against one base run."""
    (found,) = beside(out, [stored(out, 0, before, side="base")], [stored(out, 0, after, **changes)])
    return found


# -- finding ----------------------------------------------------------------------------------------


def test_flips_are_listed_with_label_and_both_predictions(tmp_path: Path) -> None:
    """Worse, better and wrong in another way are told apart, by position; equal predictions are zero flips."""
    before = wrong_at(1, 2)
    after = wrong_at(2, 7, by=2)
    found = pair(tmp_path, before, after).record
    assert found.worse == ((7, 7, 7, 9),)
    assert found.better == ((1, 1, 2, 1),)
    assert (found.worse_count, found.better_count, found.changed, found.images) == (1, 1, 1, 400)
    assert (found.problem, found.against, found.same_weights) == ("", "base main", True)
    assert found.folder != found.base_folder
    assert (tmp_path / found.base_folder).is_dir()
    same = pair(tmp_path, before, before).record
    assert (same.images, same.worse, same.better, same.changed, same.problem) == (400, (), (), 0, "")


def test_lists_are_capped_and_counts_are_not(tmp_path: Path) -> None:
    """A hundred of each direction are listed; all are counted."""
    found = pair(tmp_path, wrong_at(*range(150, 400)), wrong_at(*range(130))).record
    assert (len(found.worse), len(found.better)) == (100, 100)
    assert (found.worse_count, found.better_count) == (130, 250)
    assert [flip.image for flip in found.worse] == list(range(100))


def test_other_labels_are_never_compared(tmp_path: Path) -> None:
    """Where labels differ an image has no counterpart, and that is said."""
    found = pair(tmp_path, wrong_at(1), wrong_at(1), labels=np.roll(LABELS, 1))
    assert found.record.problem == flips.OTHER_IMAGES
    assert (found.record.images, found.record.same_weights, found.net.size) == (0, False, 0)


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [(SAME, SAME, True), (SAME, OTHER, False), (SAME, "", False), ("", "", False)],
)
def test_weights_are_the_same_only_if_both_sides_say_so(
    tmp_path: Path, before: str, after: str, same: bool
) -> None:
    """Other weights, and unknown ones, on both sides too, are not the same."""
    base = stored(tmp_path, 0, wrong_at(1), side="base", weights=before)
    (found,) = beside(tmp_path, [base], [stored(tmp_path, 0, wrong_at(2), weights=after)])
    assert found.record.same_weights is same
    assert bool(flips.same_weights([found])) is same


def test_what_cannot_be_compared_says_why(tmp_path: Path) -> None:
    """A missing seed, set or file, a damaged file and a folder elsewhere: one sentence each."""
    base = [stored(tmp_path, seed, wrong_at(1), side="base") for seed in range(4)]
    head = [stored(tmp_path, seed, wrong_at(2)) for seed in range(5)]
    base[1] = stored(tmp_path, 1, wrong_at(1), side="base", name="validation")
    (tmp_path / base[2].folder / "predictions.npz").unlink()
    (tmp_path / base[3].folder / "predictions.npz").write_bytes(b"PK\x03\x04 torn")
    told = [found.record.problem for found in beside(tmp_path, base, head)]
    assert told[0] == ""
    assert told[1] == "the reference has no prediction set 'test'"
    assert "is missing" in told[2]
    assert "is damaged" in told[3]
    assert told[4] == "there is no base run of seed 4"


@pytest.mark.parametrize(
    "arrays",
    [
        {"test/labels": LABELS},
        {"test/labels": LABELS, "test/predicted": LABELS[:5]},
        {"test/labels": LABELS, "test/predicted": LABELS.astype(float)},
        {"test/labels": LABELS[None], "test/predicted": LABELS[None]},
    ],
)
def test_stored_sets_that_do_not_pair_up_are_damaged(tmp_path: Path, arrays: dict[str, typing.Any]) -> None:
    """A file with other arrays than a run writes is named, not compared."""
    run = stored(tmp_path, 0, LABELS)
    files.write_npz(tmp_path / run.folder / "predictions.npz", arrays)
    (found,) = beside(tmp_path, [stored(tmp_path, 0, LABELS, side="base")], [run])
    assert "no labels and predictions of set 'test' that pair up" in found.record.problem


def test_a_run_whose_folder_lies_elsewhere_is_not_read(tmp_path: Path) -> None:
    """A hand-made run.json leads to no file outside the job's folder."""
    run = stored(tmp_path / "elsewhere", 0, LABELS)
    (tmp_path / "job").mkdir()
    outside = dataclasses.replace(run, folder=f"../elsewhere/{run.folder}")
    (found,) = beside(tmp_path / "job", [outside], [outside])
    assert "lies outside the job's folder" in found.record.problem


def test_sets_are_those_that_gated_metrics_are_scored_from() -> None:
    """The set test always, and any other that a gated metric names."""
    assert flips.main_sets(("accuracy", "head.accuracy", "head.loss")) == ("test", "head")
    assert flips.scored_set("f1_macro") == ("test", "f1_macro")
    assert flips.scored_set("a.b.accuracy") == ("a.b", "accuracy")


def binomial_p(hits: int, of: int) -> float:
    """Return SciPy's exact one-sided p of so many hits at even odds."""
    from scipy.stats import binomtest

    return float(binomtest(hits, of, 0.5, "greater").pvalue) if of else 1.0


# -- the test ---------------------------------------------------------------------------------------


def net_of(*runs: NDArray[np.int64]) -> flips.Net:
    """Sum made-up net flips of one checkpoint each."""
    count = len(runs)
    return flips.Net(
        images=np.sum(runs, axis=0), runs=count, checkpoints=count, left_out=0, base=(0.9,) * count, head=(0.9,) * count
    )  # fmt: skip


def flipped(worse: int, better: int, images: int = 400) -> NDArray[np.int64]:
    """Let the first images get worse, the next better."""
    net = np.zeros(images, np.int64)
    net[:worse], net[worse : worse + better] = 1, -1
    return net


@given(worse=st.integers(0, 60), better=st.integers(0, 60))
def test_one_checkpoint_is_mcnemar(worse: int, better: int) -> None:
    """For one run the test is the exact binomial test of McNemar, in both directions."""
    net = net_of(flipped(worse, better))
    for way, count in (("lower", worse), ("higher", better)):
        look = rules.flips_look("accuracy", net, worse=typing.cast("rules.Worse", way))
        expected = binomial_p(count, worse + better)
        assert look.p == pytest.approx(expected, rel=1e-9)
        assert look.estimate == pytest.approx((2 * count - worse - better) / 400)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 12))
def test_copies_of_one_checkpoint_prove_nothing_more(worse: int, better: int, copies: int) -> None:
    """The same flips on every run give the p of one run; adding up all flips would not."""
    one, many = net_of(flipped(worse, better)), net_of(*[flipped(worse, better)] * copies)
    looks = [rules.flips_look("accuracy", net, worse="lower") for net in (one, many)]
    assert looks[0].p == pytest.approx(looks[1].p, rel=1e-9)
    assert looks[0].estimate == pytest.approx(looks[1].estimate)


@settings(max_examples=30)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=10))
def test_several_checkpoints_are_a_sign_flip_over_images(net: list[int]) -> None:
    """The p is the share of all sign patterns of the images whose sum is as large."""
    sizes = np.abs([value for value in net if value])
    signs = (
        np.array(np.meshgrid(*[[-1, 1]] * len(sizes))).reshape(len(sizes), -1)
        if len(sizes)
        else np.ones((0, 1))
    )
    sums = sizes @ signs
    look = rules.flips_look("accuracy", net_of(np.array(net)), worse="lower")
    assert look.p == pytest.approx(float(np.mean(sums >= sum(net))))


def test_the_level_holds_where_flips_agree_between_checkpoints() -> None:
    """Flips that agree between checkpoints in 9 of 10 cases: the summed test keeps 5%, adding flips up does not."""
    rng, trials = np.random.default_rng(7), 400
    alarms: Counter[str] = Counter()
    for _ in range(trials):
        common = rng.choice([-1, 1], size=40)
        agree = rng.random((10, 40)) < 0.9
        runs = np.where(agree, common, rng.choice([-1, 1], size=(10, 40)))
        alarms["summed"] += rules.flips_look("accuracy", net_of(*runs), worse="lower").p <= 0.05
        alarms["added"] += binomial_p(int((runs > 0).sum()), runs.size) <= 0.05
    assert alarms["summed"] / trials <= 0.05 + 3 * (0.05 * 0.95 / trials) ** 0.5
    assert alarms["added"] / trials > 0.15


def test_runs_of_the_same_weights_are_summed_image_by_image(tmp_path: Path) -> None:
    """Net flips add up over runs; checkpoints are counted by their weights."""
    hashes = (SAME, SAME, OTHER)
    base = [
        stored(tmp_path, seed, wrong_at(1), side="base", weights=told) for seed, told in enumerate(hashes)
    ]
    head = [stored(tmp_path, seed, wrong_at(2, 3), weights=told) for seed, told in enumerate(hashes)]
    net = flips.same_weights(beside(tmp_path, base, head))["test"]
    assert (net.runs, net.checkpoints, net.left_out) == (3, 2, 0)
    assert {int(image): int(net.images[image]) for image in np.flatnonzero(net.images)} == {1: -3, 2: 3, 3: 3}
    assert net.base == (0.9975,) * 3
    assert net.head == (0.995,) * 3


def test_one_retrained_run_leaves_the_decision_to_the_spread(tmp_path: Path) -> None:
    """If any run has other weights, images decide nothing."""
    base = [stored(tmp_path, seed, wrong_at(1), side="base") for seed in range(3)]
    head = [stored(tmp_path, seed, wrong_at(2), weights=OTHER if seed == 2 else SAME) for seed in range(3)]
    assert flips.same_weights(beside(tmp_path, base, head)) == {}


def test_runs_that_saw_other_images_are_left_out(tmp_path: Path) -> None:
    """Seeds that draw other images do not add up: the most common images are taken."""
    labels = [LABELS, LABELS, np.roll(LABELS, 1)]
    base = [
        stored(tmp_path, seed, wrong_at(1, labels=found), side="base", labels=found)
        for seed, found in enumerate(labels)
    ]
    head = [
        stored(tmp_path, seed, wrong_at(2, labels=found), labels=found) for seed, found in enumerate(labels)
    ]
    net = flips.same_weights(beside(tmp_path, base, head))["test"]
    assert (net.runs, net.left_out) == (2, 1)


@pytest.mark.parametrize(("count", "able"), [(0, False), (7, False), (8, True)])
def test_how_many_flips_the_test_needs(count: int, able: bool) -> None:
    """Seven images that all flip one way reach 1/128 only; eight reach 1/256."""
    assert rules.can_decide(net_of(flipped(count, 0))) is able


def test_many_flips_take_no_time() -> None:
    """Ten thousand images all flipped on ten checkpoints: the exact p, and no memory to speak of."""
    net = net_of(*[flipped(0, 3000, images=3000)] * 10)
    assert rules.flips_look("accuracy", net, worse="lower").p == 1.0
    assert rules.flips_look("accuracy", net, worse="higher").p < 1e-300
