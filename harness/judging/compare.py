"""What needs no reference: identities, published values, failed runs. Pure."""

from __future__ import annotations

import dataclasses
import typing

from harness.judging import expectations, reduced
from harness.records import Comparison, Judgement

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judging.reduced import Checks
    from harness.records import RunResult, Scenario, Tier


def compare(scenario: Scenario, variant: str, tier: Tier, results: Sequence[RunResult]) -> Comparison:
    """Judge identities and published values over all runs of one variant and tier, failed ones included."""
    found = reduced.reduce(results, judged_metrics(scenario))
    declared = [expected for expected in scenario.expectations if expected.variant == variant]
    key = f"{scenario.name}:{variant}"
    return Comparison(
        scenario=scenario.name,
        variant=variant,
        tier=tier,
        seeds=tuple(result.request.seed for result in found.done),
        failed=tuple(found.failed),
        judgements=(
            *_identities(scenario, variant, found.checks, finished=bool(found.done)),
            *(expectations.judge(expected, key, tier, found.done) for expected in declared),
        ),
    )


def judged_metrics(scenario: Scenario) -> list[str]:
    """Name every metric that a judgement of the scenario may look at."""
    expected = (name for each in scenario.expectations for name in (each.metric, *each.order))
    scored = ("test_images", "accuracy", "f1_macro", "loss")
    return list(dict.fromkeys((*scored, *scenario.gated, *expected)))


def _identities(
    scenario: Scenario, variant: str, checks: dict[str, Checks], *, finished: bool
) -> list[Judgement]:
    fails = next((known.fails for known in scenario.variants if known.name == variant), "")
    judged = [_identity(name, found, fails) for name, found in checks.items()]
    if fails and finished and not any(found.broken for found in checks.values()):
        judged.append(
            Judgement(
                against="identity",
                metric="declared failure",
                kind="identity",
                verdict="ERROR",
                cause="unexpected_pass",
                reason=f"the variant is declared to violate an identity ({fails}), and violates none",
                gated=True,
                next_step="remove the variant's `fails`, or mend what should fail",
            )
        )
    return judged


def _identity(name: str, checks: Checks, fails: str) -> Judgement:
    """Judge an identity by its worst check; no statistics, the tolerance decides."""
    worst, broken = checks.worst, checks.broken
    violated = f"{worst.formula}: violated in {broken} of {checks.count} checks. {worst.detail}"
    judged = Judgement(
        against="identity",
        metric=name,
        kind="identity",
        verdict="PASS",
        cause="holds",
        n=checks.count,
        value=worst.error,
        reference=worst.tolerance,
        upper=worst.tolerance,
        test="tolerance from dtype, shape and norm" if worst.tolerance else "nothing may differ",
        reason=worst.formula,
        gated=True,
    )
    if not broken:
        return judged
    if fails:
        return dataclasses.replace(
            judged, verdict="KNOWN_GAP", cause="by_design", reason=f"by design, {fails}: {violated}"
        )
    return dataclasses.replace(judged, verdict="REGRESSED", cause="violated", reason=violated)
