"""From stored jobs to one row for each published statement. Pure: results are judged again, against today's declarations.

A statement that a source prints in several places is one row. A row shows the best judgement there is: judged before failed before not
judged, the paper tier before others, then the most runs, then the newest job. Runs of different jobs are never pooled, except that a
cross-variant ordering takes each variant's runs where they are.
"""

from __future__ import annotations

import collections
import dataclasses
import typing

from harness.judging import reduced
from harness.judging.compare import compare
from harness.records import Judgement, RunResult
from harness.sources.catalogue import find
from harness.sources.explanations import EXPLANATIONS, key
from harness.sources.published import ACROSS
from harness.store import stored

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.records import DatasetUse, Expectation, Job, Scenario, Tier, Verdict

Sort = typing.Literal["result", "fact", "unreadable"]
SORTS: tuple[Sort, ...] = ("result", "fact", "unreadable")
MISSED: tuple[Verdict, ...] = ("BELOW", "ABOVE", "KNOWN_GAP", "INCONCLUSIVE")
"""Verdicts of judged statements that are not reproduced."""
_RANKS = {"NOT_JUDGED": 0, "ERROR": 1}
"""Verdicts that any other one is preferred to."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One published statement with its best judgement."""

    source: str
    """Slug of the source."""
    scenario: str
    """Scenario name."""
    expected: Expectation
    """What is published: value, place, row, rule."""
    also: tuple[Expectation, ...]
    """The same statement in other places of the source."""
    judgement: Judgement
    """Measured mean, spread, n, verdict, tolerance and reason."""
    tier: Tier | None
    """Tier of the runs; None without a run."""
    datasets: tuple[DatasetUse, ...] = ()
    """Data that the runs read."""
    explanation: str = ""
    """Why it is not reproduced, as tested; empty if it is, or nothing is known."""

    @property
    def sort(self) -> Sort:
        """What is stated: a result, a fact of the protocol, or something that cannot be read; they are counted apart."""
        if self.expected.unreadable:
            return "unreadable"
        return "fact" if self.expected.fact else "result"

    @property
    def missed(self) -> bool:
        """Whether runs contradict the print, or cannot tell."""
        return self.judgement.verdict in MISSED


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many statements of one sort of one source have which verdict."""

    source: str
    """Slug of the source."""
    sort: Sort
    """Sort of statement."""
    verdicts: Mapping[str, int]
    """Number by verdict; verdicts that do not occur are absent."""
    would_be: Mapping[str, int]
    """Of those NOT_JUDGED, how many would have which verdict on the part of the training data that is here."""
    places: int
    """In how many places they are printed."""

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.verdicts.values())


@dataclasses.dataclass(frozen=True, slots=True)
class _Candidate:
    """A judgement that a row may show."""

    judgement: Judgement
    tier: Tier
    created: str
    datasets: tuple[DatasetUse, ...] = ()

    @property
    def rank(self) -> tuple[int, bool, int, str]:
        return _RANKS.get(self.judgement.verdict, 2), self.tier == "paper", self.judgement.n, self.created


class _Group(typing.NamedTuple):
    """What runs must share to be judged together."""

    scenario: str
    variant: str
    tier: Tier
    backend: str
    device: str


_Groups = dict[_Group, list[RunResult]]
_Key = tuple[str, str, str, str, str]


def collect(jobs: Iterable[Job], scenarios: Mapping[str, Scenario]) -> list[Row]:
    """Return one row for every statement of every scenario, in the order declared.

    Parameters
    ----------
    jobs : iterable of Job
        Stored jobs, looked at one after the other; their own comparisons are not used.
    scenarios : mapping
        Scenarios by name.

    Raises
    ------
    UnknownNameError
        If a stored run is of a scenario that is not declared.
    """
    candidates: dict[_Key, list[_Candidate]] = {}
    pooled: _Groups = {}
    across = {scenario.name: _compared_across(scenario) for scenario in scenarios.values()}
    for job in jobs:
        for group, results in _grouped(job.results, scenarios):
            data = next((run.measurement.datasets for run in results if run.measurement), ())
            for name, judgement in _judged(group, results, scenarios[group.scenario]):
                candidates.setdefault(name, []).append(_Candidate(judgement, group.tier, job.created, data))
            if group.variant in across[group.scenario]:
                pooled.setdefault(group, []).extend(results)
    for scenario in scenarios.values():
        for name, judgement, tier in _judged_across(pooled, scenario):
            candidates.setdefault(name, []).append(_Candidate(judgement, tier, ""))
    return [
        _row(scenario, places, candidates)
        for scenario in scenarios.values()
        for places in _statements(scenario)
    ]


def counts(rows: Iterable[Row]) -> list[Count]:
    """Count verdicts by source and sort, sources in the order of the rows."""
    found: dict[tuple[str, Sort], list[Row]] = {}
    for row in rows:
        found.setdefault((row.source, row.sort), []).append(row)
    sources = dict.fromkeys(source for source, _ in found)
    return [
        Count(
            source=source,
            sort=sort,
            verdicts=collections.Counter(row.judgement.verdict for row in alike),
            would_be=collections.Counter(row.judgement.would_be for row in alike if row.judgement.would_be),
            places=sum(1 + len(row.also) for row in alike),
        )
        for source in sources
        for sort in SORTS
        if (alike := found.get((source, sort)))
    ]


def _statements(scenario: Scenario) -> list[list[Expectation]]:
    """Gather the places that state the same: one value, bound or order of one metric. What cannot be read is told apart by its row."""
    found: dict[tuple[str, ...], list[Expectation]] = {}
    for expected in scenario.expectations:
        said = expected.row if expected.unreadable else str((expected.value, expected.order))
        same = expected.variant, expected.metric, expected.rule, expected.unit, said
        found.setdefault(same, []).append(expected)
    return list(found.values())


def _key(scenario: str, expected: Expectation) -> _Key:
    return scenario, expected.variant, expected.metric, expected.place, expected.row


def _grouped(
    results: Sequence[RunResult], scenarios: Mapping[str, Scenario]
) -> Iterator[tuple[_Group, list[RunResult]]]:
    """Yield the runs that succeeded with the scenario's present version, group by group, as far as expectations look at them."""
    for (name, _, _), runs in stored.groups(results).items():
        scenario, lighter = find(scenarios, name), reduced.Lighter()
        looked_at = _looked_at(scenario)
        groups: _Groups = {}
        for run in runs:
            request, measured = run.request, run.measurement
            if run.status == "ok" and measured is not None and measured.scenario_version == scenario.version:
                group = _Group(
                    request.scenario, request.variant, request.tier, request.backend, request.device
                )
                groups.setdefault(group, []).append(lighter(run, looked_at))
        yield from groups.items()


def _looked_at(scenario: Scenario) -> list[str]:
    """Name the metrics of single runs that expectations look at: an ordering over variants names them after the variants."""
    named = [name for expected in scenario.expectations for name in (expected.metric, *expected.order)]
    own = (
        name.removeprefix(f"{v.name}.")
        for v in scenario.variants
        for name in named
        if name.startswith(f"{v.name}.")
    )
    return list(dict.fromkeys(("test_images", *named, *own)))


def _judged(
    group: _Group, results: Sequence[RunResult], scenario: Scenario
) -> Iterator[tuple[_Key, Judgement]]:
    declared = [expected for expected in scenario.expectations if expected.variant == group.variant]
    judged = _judge(scenario, group.variant, declared, group.tier, results)
    for expected, judgement in zip(declared, judged, strict=True):
        yield _key(scenario.name, expected), judgement


def _judge(
    scenario: Scenario,
    variant: str,
    declared: Sequence[Expectation],
    tier: Tier,
    results: Sequence[RunResult],
) -> list[Judgement]:
    """Judge `declared` alone; baselines and gates are another matter."""
    alone = dataclasses.replace(scenario, expectations=tuple(declared), gated=())
    found = compare(alone, variant, tier, results).judgements
    return [judgement for judgement in found if judgement.against == "expectation"]


def _judged_across(groups: _Groups, scenario: Scenario) -> Iterator[tuple[_Key, Judgement, Tier]]:
    """Judge what is said of several variants together, seed by seed on one backend and device."""
    settings = dict.fromkeys(group[2:] for group in groups if group.scenario == scenario.name)
    for expected in scenario.expectations:
        if expected.variant != ACROSS:
            continue
        for tier, backend, device in settings:
            wanted = [
                _Group(scenario.name, name, tier, backend, device) for name in _named(expected, scenario)
            ]
            merged = _side_by_side({group.variant: groups.get(group, []) for group in wanted})
            if merged:
                (judgement,) = _judge(scenario, ACROSS, [expected], tier, merged)
                yield _key(scenario.name, expected), judgement, tier


def _compared_across(scenario: Scenario) -> set[str]:
    """Return the variants that orderings over several of them compare."""
    across = [expected for expected in scenario.expectations if expected.variant == ACROSS]
    return {name for expected in across for name in _named(expected, scenario)}


def _named(expected: Expectation, scenario: Scenario) -> list[str]:
    """Return the variants whose metrics an ordering compares."""
    return [
        v.name for v in scenario.variants if any(name.startswith(f"{v.name}.") for name in expected.order)
    ]


def _side_by_side(runs: Mapping[str, Sequence[RunResult]]) -> list[RunResult]:
    """Merge the runs of each seed that every variant has: metric ``m`` of variant ``v`` becomes ``v.m``."""
    by_seed = {variant: {run.request.seed: run for run in done} for variant, done in runs.items()}
    if not by_seed:
        return []
    seeds = set.intersection(*(set(done) for done in by_seed.values()))
    return [_merged({variant: done[seed] for variant, done in by_seed.items()}) for seed in sorted(seeds)]


def _merged(runs: Mapping[str, RunResult]) -> RunResult:
    metrics = {
        f"{variant}.{name}": value for variant, run in runs.items() for name, value in run.metrics.items()
    }
    return dataclasses.replace(next(iter(runs.values())), metrics=metrics)


def _row(
    scenario: Scenario, places: Sequence[Expectation], candidates: Mapping[_Key, Sequence[_Candidate]]
) -> Row:
    expected, *others = places
    best = max(
        (candidate for place in places for candidate in candidates.get(_key(scenario.name, place), ())),
        key=lambda candidate: candidate.rank,
        default=None,
    )
    judgement = best.judgement if best else _without_run(scenario, expected)
    row = Row(
        source=scenario.source.slug,
        scenario=scenario.name,
        expected=expected,
        also=tuple(others),
        judgement=judgement,
        tier=best.tier if best and judgement.n else None,
        datasets=best.datasets if best else (),
    )
    return dataclasses.replace(row, explanation=_explanation(row)) if row.missed else row


def _without_run(scenario: Scenario, expected: Expectation) -> Judgement:
    """Return what can be said without a run: that it cannot be read, or is not judged."""
    return Judgement(
        against="expectation",
        metric=expected.metric,
        verdict="NOT_JUDGED",
        unit=expected.unit,
        reference=expected.value,
        place=expected.place,
        row=expected.row,
        reason=expected.unreadable or f"no finished run of version {scenario.version} among those given",
        next_step=_next_step(scenario, expected),
    )


def _explanation(row: Row) -> str:
    return EXPLANATIONS.get(key(row.scenario, row.expected), row.expected.gap)


def _next_step(scenario: Scenario, expected: Expectation) -> str:
    wanted = _named(expected, scenario) if expected.variant == ACROSS else [expected.variant]
    names = " ".join(f"{scenario.name}:{variant}" for variant in wanted)
    return f"harness run {names} --tier {expected.tiers[0]} --seeds 10"
