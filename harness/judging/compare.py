"""What needs no reference: identities, published values, failed runs. Pure."""

from __future__ import annotations

import dataclasses
import typing

from harness.judging import expectations, reduced
from harness.records import Comparison, Judgement

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.records import IdentityCheck, RunResult, Scenario, Tier


def compare(scenario: Scenario, variant: str, tier: Tier, results: Sequence[RunResult]) -> Comparison:
    """Judge identities and published values over all runs of one variant and tier, failed ones included."""
    done = [run for run in results if run.status == "ok"]
    declared = [expected for expected in scenario.expectations if expected.variant == variant]
    key = f"{scenario.name}:{variant}"
    return Comparison(
        scenario=scenario.name,
        variant=variant,
        tier=tier,
        seeds=tuple(run.request.seed for run in done),
        failed=tuple(run.error for run in results if run.status != "ok"),
        judgements=(
            *_identities(scenario, variant, done),
            *(expectations.judge(expected, key, tier, done) for expected in declared),
        ),
    )


def judged_metrics(scenario: Scenario) -> list[str]:
    """Name every metric that a judgement of the scenario may look at."""
    expected = (name for each in scenario.expectations for name in (each.metric, *each.order))
    scored = ("test_images", "accuracy", "f1_macro", "loss")
    return list(dict.fromkeys((*scored, *scenario.gated, *expected)))


def _identities(scenario: Scenario, variant: str, done: Sequence[RunResult]) -> Iterator[Judgement]:
    """Judge each identity by its worst check; no statistics, the tolerance decides."""
    fails = next((known.fails for known in scenario.variants if known.name == variant), "")
    checks: dict[str, list[IdentityCheck]] = {}
    for run in done:
        for check in run.measurement.identities if run.measurement else ():
            checks.setdefault(check.name, []).append(check)
    for name, found in checks.items():
        worst, broken = max(found, key=reduced.violation), sum(not check.holds for check in found)
        violated = f"{worst.formula}: violated in {broken} of {len(found)} checks. {worst.detail}"
        judged = Judgement(
            against="identity", metric=name, kind="identity", verdict="PASS", cause="holds", n=len(found), value=worst.error,
            reference=worst.tolerance, upper=worst.tolerance, reason=worst.formula, gated=True,
            test="tolerance from dtype, shape and norm" if worst.tolerance else "nothing may differ",
        )  # fmt: skip
        if broken and fails:
            reason = f"by design, {fails}: {violated}"
            judged = dataclasses.replace(judged, verdict="KNOWN_GAP", cause="by_design", reason=reason)
        elif broken:
            judged = dataclasses.replace(judged, verdict="REGRESSED", cause="violated", reason=violated)
        yield judged
    if fails and done and all(check.holds for found in checks.values() for check in found):
        yield Judgement(
            against="identity", metric="declared failure", kind="identity", verdict="ERROR", cause="unexpected_pass", gated=True,
            reason=f"the variant is declared to violate an identity ({fails}), and violates none",
            next_step="remove the variant's `fails`, or mend what should fail",
        )  # fmt: skip
