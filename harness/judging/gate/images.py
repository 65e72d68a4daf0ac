"""Groups that flipped images decide: both sides predicted the same images with the same weights. Pure.

Nothing was trained anew, so there is no spread over seeds to compare a difference with, and fresh runs would have the very same weights. One
exact test on all images, at the level of the confirm round, decides at once. It joins Holm's steps whenever enough images flipped for it to
reach its level at all (Tarone 1990). That depends on how many flipped and not on which way, so that the test's own level is left whole.
"""

from __future__ import annotations

import typing

from harness.judging import flips
from harness.judging.gate import rules, values
from harness.records import Trial
from harness.records.metrics import LABEL_SCORES

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.judging.flips import Net
    from harness.judging.gate.comparable import Candidate
    from harness.judging.gate.values import Evidence

    Way = typing.Literal["worse", "better"]


def divided(each: Evidence, candidates: Iterable[Candidate]) -> tuple[list[Trial], list[Candidate]]:
    """Test what the images decide; return those groups, and the metrics that are left to other tests."""
    nets = flips.same_weights(each.flipped)
    decided: dict[str, list[str]] = {}
    rest: list[Candidate] = []
    for candidate in candidates:
        judgement = candidate.judgement
        name, score = flips.scored_set(judgement.metric)
        if judgement.kind == "accuracy" and name in nets and _of_images(each, judgement.metric, score):
            decided.setdefault(name, []).append(judgement.metric)
        else:
            rest.append(candidate)
    return [trial for name, metrics in decided.items() for trial in _trials(each, metrics, nets[name])], rest


def _of_images(each: Evidence, metric: str, score: str) -> bool:
    """Whether the images decide a score: what follows from the predicted classes, and a loss without a spread to compare it with."""
    if score != "loss":
        return score in LABEL_SCORES
    if each.base is None:
        stored = each.stored[0].metrics[metric].values if each.stored else []
        return len(set(stored)) <= 1
    return len(set(values.numbers(values.having(each.base.get("screen", ()), metric), metric).tolist())) <= 1


def _trials(each: Evidence, metrics: Sequence[str], net: Net) -> list[Trial]:
    lead = min(metrics, key=lambda metric: flips.scored_set(metric)[1] != "accuracy")
    ways: tuple[tuple[Way, rules.Worse], ...] = (("worse", "lower"), ("better", "higher"))
    looks = [(way, rules.flips_look(lead, net, worse=worse)) for way, worse in ways]
    return [
        Trial(
            scenario=each.scenario.name, variant=each.variant, tier=each.tier, kind="accuracy", direction=way, metric=lead,
            screen=(look,), flagged=rules.can_decide(net), ratio=look.share if rules.beyond(look) else None, by_images=True,
            followers=tuple(metric for metric in metrics if metric != lead),
        )
        for way, look in looks
    ]  # fmt: skip
