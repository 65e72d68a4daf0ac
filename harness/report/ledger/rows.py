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

    source: str  # slug
    scenario: str
    expected: Expectation  # what is published: value, place, row, rule
    also: tuple[Expectation, ...]  # the same statement in other places of the source
    judgement: Judgement
    tier: Tier | None  # of the runs; None without a run
    datasets: tuple[DatasetUse, ...] = ()
    explanation: str = ""  # why it is not reproduced, as tested; empty if it is, or nothing is known

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

    source: str  # slug
    sort: Sort
    verdicts: Mapping[str, int]  # verdicts that do not occur are absent
    would_be: Mapping[str, int]  # of those NOT_JUDGED, what they would be on the training data that are here
    places: int  # in how many places they are printed

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.verdicts.values())


class _Candidate(typing.NamedTuple):
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
    across = {
        s.name: {name for e in s.expectations if e.variant == ACROSS for name in _named(e, s)}
        for s in scenarios.values()
    }
    for job in jobs:
        for group, results in _grouped(job.results, scenarios):
            scenario = scenarios[group.scenario]
            data = next((run.measurement.datasets for run in results if run.measurement), ())
            declared = [expected for expected in scenario.expectations if expected.variant == group.variant]
            judged = _judge(scenario, group.variant, declared, group.tier, results)
            for expected, judgement in zip(declared, judged, strict=True):
                candidate = _Candidate(judgement, group.tier, job.created, data)
                candidates.setdefault(_key(scenario.name, expected), []).append(candidate)
            if group.variant in across[group.scenario]:
                pooled.setdefault(group, []).extend(results)
    for scenario in scenarios.values():
        for name, candidate in _judged_across(pooled, scenario):
            candidates.setdefault(name, []).append(candidate)
    return [
        _row(scenario, places, candidates)
        for scenario in scenarios.values()
        for places in _statements(scenario)
    ]


def counts(rows: Iterable[Row]) -> list[Count]:
    """Count verdicts by source and sort, sources in the order of the rows."""
    by_sort: dict[tuple[str, Sort], list[Row]] = {}
    for row in rows:
        by_sort.setdefault((row.source, row.sort), []).append(row)
    sources = dict.fromkeys(source for source, _ in by_sort)
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
        if (alike := by_sort.get((source, sort)))
    ]


def _statements(scenario: Scenario) -> list[list[Expectation]]:
    """Gather the places that state the same: one value, bound or order of one metric. What cannot be read is told apart by its row."""
    statements: dict[tuple[str, ...], list[Expectation]] = {}
    for expected in scenario.expectations:
        said = expected.row if expected.unreadable else str((expected.value, expected.order))
        same = expected.variant, expected.metric, expected.rule, expected.unit, said
        statements.setdefault(same, []).append(expected)
    return list(statements.values())


def _key(scenario: str, expected: Expectation) -> _Key:
    return scenario, expected.variant, expected.metric, expected.place, expected.row


def _grouped(
    results: Sequence[RunResult], scenarios: Mapping[str, Scenario]
) -> Iterator[tuple[_Group, list[RunResult]]]:
    """Yield the runs that succeeded with the scenario's present version, group by group, as far as expectations look at them."""
    for (name, _, _), runs in stored.groups(results).items():
        scenario, lighter = find(scenarios, name), reduced.Lighter()
        named = [
            metric for expected in scenario.expectations for metric in (expected.metric, *expected.order)
        ]
        # an ordering over variants names the metrics of single runs after the variants
        own = [
            m.removeprefix(f"{v.name}.")
            for v in scenario.variants
            for m in named
            if m.startswith(f"{v.name}.")
        ]
        metrics = list(dict.fromkeys(("test_images", *named, *own)))
        groups: _Groups = {}
        for run in runs:
            request, measured = run.request, run.measurement
            if run.status == "ok" and measured is not None and measured.scenario_version == scenario.version:
                group = _Group(
                    request.scenario, request.variant, request.tier, request.backend, request.device
                )
                groups.setdefault(group, []).append(lighter(run, metrics))
        yield from groups.items()


def _judge(
    scenario: Scenario,
    variant: str,
    declared: Sequence[Expectation],
    tier: Tier,
    results: Sequence[RunResult],
) -> list[Judgement]:
    """Judge `declared` alone; baselines and gates are another matter."""
    alone = dataclasses.replace(scenario, expectations=tuple(declared), gated=())
    judged = compare(alone, variant, tier, results).judgements
    return [judgement for judgement in judged if judgement.against == "expectation"]


def _judged_across(groups: _Groups, scenario: Scenario) -> Iterator[tuple[_Key, _Candidate]]:
    """Judge what is said of several variants together, seed by seed on one backend and device."""
    settings = dict.fromkeys(group[2:] for group in groups if group.scenario == scenario.name)
    for expected in scenario.expectations:
        if expected.variant != ACROSS:
            continue
        for tier, backend, device in settings:
            merged = _side_by_side(
                {
                    name: groups.get(_Group(scenario.name, name, tier, backend, device), [])
                    for name in _named(expected, scenario)
                }
            )
            if merged:
                (judgement,) = _judge(scenario, ACROSS, [expected], tier, merged)
                yield _key(scenario.name, expected), _Candidate(judgement, tier, "")


def _named(expected: Expectation, scenario: Scenario) -> list[str]:
    """Return the variants whose metrics an ordering compares."""
    return [
        v.name for v in scenario.variants if any(name.startswith(f"{v.name}.") for name in expected.order)
    ]


def _side_by_side(runs: Mapping[str, Sequence[RunResult]]) -> list[RunResult]:
    """Merge the runs of each seed that every variant has: metric ``m`` of variant ``v`` becomes ``v.m``."""
    by_seed = {variant: {run.request.seed: run for run in done} for variant, done in runs.items()}
    merged = []
    for seed in sorted(set.intersection(*(set(done) for done in by_seed.values()))) if by_seed else ():
        sides = {variant: done[seed] for variant, done in by_seed.items()}
        metrics = {
            f"{variant}.{name}": value
            for variant, run in sides.items()
            for name, value in run.metrics.items()
        }
        merged.append(dataclasses.replace(next(iter(sides.values())), metrics=metrics))
    return merged


def _row(
    scenario: Scenario, places: Sequence[Expectation], candidates: Mapping[_Key, Sequence[_Candidate]]
) -> Row:
    expected, *others = places
    every = [one for place in places for one in candidates.get(_key(scenario.name, place), ())]
    best = max(every, key=lambda candidate: candidate.rank, default=None)
    judgement = best.judgement if best else _without_run(scenario, expected)
    row = Row(
        source=scenario.source.slug, scenario=scenario.name, expected=expected, also=tuple(others), judgement=judgement,
        tier=best.tier if best and judgement.n else None, datasets=best.datasets if best else (),
    )  # fmt: skip
    explanation = EXPLANATIONS.get(key(row.scenario, expected), expected.gap) if row.missed else ""
    return dataclasses.replace(row, explanation=explanation)


def _without_run(scenario: Scenario, expected: Expectation) -> Judgement:
    """Return what can be said without a run: that it cannot be read, or is not judged."""
    variants = _named(expected, scenario) if expected.variant == ACROSS else [expected.variant]
    names = " ".join(f"{scenario.name}:{variant}" for variant in variants)
    return Judgement(
        against="expectation", metric=expected.metric, verdict="NOT_JUDGED", unit=expected.unit, reference=expected.value,
        place=expected.place, row=expected.row,
        reason=expected.unreadable or f"no finished run of version {scenario.version} among those given",
        next_step=f"harness run {names} --tier {expected.tiers[0]} --seeds 10",
    )  # fmt: skip
