"""What a job answers: one line a variant, and one sentence that names the finding that decides.

Terminal, pages and the Markdown summary all show these, so that they agree to the last digit. Pure.
"""

from __future__ import annotations

import collections
import dataclasses
import typing

from harness.judging import outcome, wording
from harness.records.metrics import is_share
from harness.store import stored

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from harness.records import Comparison, Job, Judgement, RunResult, Verdict

SCORE, TIME, MEMORY = "accuracy", "total.seconds", "total.above_imports_bytes"
"""Metrics of the table, where a scenario has them."""
WORDS = {
    "PASS": "same", "REGRESSED": "worse", "IMPROVED": "better", "CHANGED": "changed", "INCONCLUSIVE": "unsure", "NO_BASELINE": "new",
    "INCOMPARABLE": "other", "WAIVED": "waived", "ERROR": "ERROR",
}  # fmt: skip
"""Verdict against a baseline -> the word of the table's last column."""
MOST_HEADING = 12
"""Characters of a metric's name that may head a column."""
_FIRST = (SCORE, TIME, MEMORY)
_KINDS = ("accuracy", "identity", "memory", "runtime", "size", "work", "trajectory")
"""Kinds of metric in the order in which a reader wants to hear of them."""
_OF_CODE: dict[int, tuple[Verdict, ...]] = {
    1: ("REGRESSED", "BELOW", "ABOVE"),
    2: ("ERROR", "INCONCLUSIVE", "INCOMPARABLE"),
    3: ("IMPROVED", "CHANGED", "NO_BASELINE", "INCOMPARABLE", "WAIVED"),
}
"""Verdicts that a gate's exit code can come from."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The answer on one variant in one tier, written out; what is not known is empty."""

    scenario: str
    variant: str
    tier: str
    runs: int
    """How many runs finished."""
    metric: str
    """Score that the line is about."""
    score: str
    """Its mean over the runs."""
    published: str
    """What the source prints for it."""
    before: str
    """Its mean in the baseline, or in a gate's base."""
    delta: str
    """Score less before, signed."""
    lost: bool
    """Whether the score itself regressed."""
    interval: str
    """The 99% interval of that, signed; only a gate has one."""
    values: tuple[float, ...]
    """Score of single runs."""
    base: tuple[float, ...]
    """Score of the single runs that they are compared with."""
    time: str
    """Mean of the total time."""
    time_change: str
    """Its change, in percent."""
    memory: str
    """Mean of the peak memory above imports."""
    memory_change: str
    """Its change, in percent."""
    held: int
    """Identities that hold."""
    broken: int
    """Identities that do not."""
    verdict: Verdict | None
    """Worst verdict of its identities and of the gated metrics that could be compared; None if nothing was judged."""

    @property
    def identities(self) -> str:
        """Say how many identities hold; if any does not, how many."""
        if self.broken:
            return f"{self.broken} broken"
        return f"{self.held} hold{'s' * (self.held == 1)}" if self.held else ""


def lines(job: Job) -> list[Line]:
    """Write a line for every variant of a job that was judged, in its order; `rank` gives another."""
    groups = stored.groups(job.results)
    return [
        _line(comparison, groups.get((comparison.scenario, comparison.variant, comparison.tier), ()))
        for comparison in job.comparisons
    ]


def heading(found: Sequence[Line]) -> str:
    """Name the score that lines show: the metric, where all have the same and it is short, else ``score``."""
    metrics = {line.metric for line in found} or {SCORE}
    metric = min(metrics, key=len)
    return metric if len(metrics) == 1 and len(metric) <= MOST_HEADING else "score"


def rank(verdict: Verdict | None) -> int:
    """Order verdicts worst first: what needs a person, then what is well, then None, where nothing was judged."""
    worst = outcome.ATTENTION
    return worst.index(verdict) if verdict in worst else len(worst) + (verdict is None)


def _line(comparison: Comparison, results: Iterable[RunResult]) -> Line:
    compared = [judged for judged in comparison.judgements if judged.against == "baseline"]
    gated = [judged for judged in compared if judged.gated]
    scored = [judged for judged in gated if judged.cause != "constant_seeds"]  # which is of no metric
    score = _leading(scored, "accuracy", "")  # in the order in which the scenario gates them
    metric = score.metric if score else SCORE
    runs, numbers = 0, {name: list[float]() for name in (metric, TIME, MEMORY)}
    for run in results:  # each may be decoded anew
        runs += run.status == "ok"
        for name, values in numbers.items() if run.status == "ok" else ():
            value = run.metrics[name].value if name in run.metrics else None
            if isinstance(value, float | int):
                values.append(float(value))
    values, seconds, peaks = (numbers[name] for name in (metric, TIME, MEMORY))
    before = score.reference if score else None
    after = score.value if score else None
    if after is None and values:
        after = sum(values) / len(values)
    known = [value for value in (before, after, *values) if isinstance(value, float)]
    share = is_share(metric, score.unit if score else "", known)
    write: Callable[[float], str] = wording.percent if share else wording.short
    counted = collections.Counter(j.verdict for j in comparison.judgements if j.against == "identity")
    published = (
        j.reference for j in comparison.judgements if j.against == "expectation" and j.metric == metric
    )
    printed = next((value for value in published if isinstance(value, float)), None)
    return Line(
        scenario=comparison.scenario, variant=comparison.variant, tier=comparison.tier, runs=runs, metric=metric,
        score=write(after) if isinstance(after, float) else "", published="" if printed is None else write(printed),
        before=write(before) if isinstance(before, float) else "", delta=wording.change(after, before, share=share),
        lost=score is not None and score.verdict == "REGRESSED",
        interval=_interval(comparison, metric, share=share),
        values=tuple(values), base=score.reference_runs if score else (),
        time=wording.seconds(sum(seconds) / len(seconds)) if seconds else "",
        time_change=_percent(_leading(gated or compared, "runtime", TIME)),
        memory=wording.mebibytes(sum(peaks) / len(peaks)) if peaks else "",
        memory_change=_percent(_leading(gated or compared, "memory", MEMORY)),
        held=counted["PASS"], broken=counted["REGRESSED"], verdict=_verdict(comparison),
    )  # fmt: skip


def _leading(judged: Iterable[Judgement], kind: str, name: str) -> Judgement | None:
    """Return the judgement of the metric called `name`; else the first one of its kind."""
    return min(
        (judgement for judgement in judged if judgement.kind == kind),
        key=lambda j: j.metric != name,
        default=None,
    )


def _percent(judged: Judgement | None) -> str:
    """Write by how many percent a time or a size changed; empty where nothing is compared."""
    if judged is None or not isinstance(judged.value, float) or not isinstance(judged.reference, float):
        return ""
    return f"{100 * (judged.value / judged.reference - 1):+.0f}%" if judged.reference else ""


def _interval(comparison: Comparison, metric: str, *, share: bool) -> str:
    """Write the interval of the difference from the look that the verdict rests on."""
    for trial in sorted(comparison.trials, key=lambda trial: trial.verdict == "PASS"):
        look = trial.decisive(metric) if trial.kind == "accuracy" else None
        if look is not None:
            sign = -1 if look.worse == "lower" else 1  # an estimate is positive towards what is tested
            low, high = sorted((sign * look.lower, sign * look.upper))
            factor, digits = (100, ".2f") if share else (1, ".3g")
            return f"{factor * low:+{digits}} to {factor * high:+{digits}}"
    return ""


def _verdict(comparison: Comparison) -> Verdict | None:
    if comparison.failed:
        return "ERROR"
    verdicts = {
        judged.verdict
        for judged in comparison.judgements
        if judged.against == "identity" or (judged.against == "baseline" and judged.gated)
    }
    compared = verdicts - {"INCOMPARABLE"} if "PASS" in verdicts else verdicts
    worst = min(compared, key=rank, default=None)
    return worst if worst in outcome.ATTENTION else ("PASS" if verdicts else None)


def follows(comparison: Comparison, judgement: Judgement) -> str:
    """Name the metric that carries the verdict of this one's group; empty if it has one of its own."""
    direction = "better" if judgement.verdict == "IMPROVED" else "worse"
    for trial in comparison.trials if judgement.against == "baseline" else ():
        ours = (trial.direction, trial.verdict) == (direction, judgement.verdict)
        if ours and trial.metric != judgement.metric and trial.holds(judgement.metric):
            return trial.metric
    return ""


def headline(job: Job) -> str:
    """Say in one sentence, without its full stop, what decides: the worst finding with variant and amount, or that all is well."""
    if outcome.interrupted(job):
        missing = outcome.sentence({"unfinished": sum(job.unfinished.values())}).rstrip(".")
        return f"Interrupted: {missing}" if job.unfinished else "Interrupted"
    code, counted = outcome.exit_code(job), outcome.counts(job)
    if counted["runs"] and code != 1:
        failed = [
            f"{run.request.scenario}:{run.request.variant}" for run in outcome.runs(job) if run.status != "ok"
        ]
        others = " and others" if len(set(failed)) > 1 else ""
        return f"{len(failed)} run{'s' * (len(failed) != 1)} failed, of {failed[0]}{others}"
    worst = min(_findings(job, code), key=_order, default=None)
    quiet = worst is None or (worst[1].verdict in {"NO_BASELINE", "INCOMPARABLE"} and counted["REPRODUCED"])
    if worst is not None and not quiet:
        comparison, judgement = worst
        return wording.opening(wording.finding(f"{comparison.scenario}:{comparison.variant}", judgement))
    if counted["PASS"]:
        undecided = outcome.undecided(job)
        names = [f"{comparison.scenario}:{comparison.variant}" for comparison in job.comparisons]
        one = len(names) == 1
        who = (
            f"{names[0]} is no worse than its baseline"
            if one
            else f"{len(names)} variants are no worse than their baselines"
        )
        return who + (f"; {undecided}" if undecided else "")
    if not counted["REPRODUCED"] and not counted["holds"]:
        return "Nothing was judged"
    return outcome.sentence({word: counted[word] for word in ("REPRODUCED", "holds")}).rstrip(".")


def _findings(job: Job, code: int) -> Iterator[tuple[Comparison, Judgement]]:
    """Yield what needs a person; of a gate that ended with a code, only what that code can come from."""
    settings = job.gate.settings if job.gate else None
    verdicts = _OF_CODE.get(code, () if settings else outcome.ATTENTION)
    for comparison in job.comparisons:
        for judgement in comparison.judgements:
            acts = (
                settings is None
                or judgement.against == "identity"
                or judgement.gated
                or settings.expectations
            )
            if acts and judgement.verdict in verdicts and outcome.needs_attention(judgement):
                yield comparison, judgement


def _order(finding: tuple[Comparison, Judgement]) -> tuple[int, bool, int, bool]:
    judgement = finding[1]
    kind = _KINDS.index(judgement.kind)
    return rank(judgement.verdict), judgement.against == "expectation", kind, judgement.metric not in _FIRST
