"""What is declared in code: sources, variants, expectations, scenarios."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from harness.records.metrics import OWN, Metric, find
from harness.records.words import TIERS, Direction, Rule, Tier, Value


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A publication, or a user's own document, whose numbers a scenario declares."""

    slug: str
    """Names the pipeline and the scenario."""
    title: str
    """Title as printed."""
    authors: str = ""
    """Authors as printed."""
    note: str = ""
    """What a reader should know, e.g. which figures the text does not print."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One declared configuration of a scenario."""

    name: str
    """Unique within its scenario."""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Options laid over those of the tier."""
    tiers: tuple[Tier, ...] | None = None
    """Tiers in which this variant makes sense; None for all of its scenario."""
    doc: str = ""
    """One sentence."""
    fails: str = ""
    """Why an identity of this variant is violated by design; empty if it is not. The violation then fails nothing, and its absence does."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A declared expected value with its place in the source and the rule that judges it.

    Rules: `spread` (one published run on the same test set), `draw` (one published run, test images drawn per seed), `mean` (a
    published mean of `runs` runs), `split` (one published run on another test set), `exact` (equality to the printed digits),
    `at_most` and `at_least` (a bound that every run keeps), `ordering` (the metrics in `order`: the first is at least as good as
    each of the others). All but `exact` and the bounds have a tolerance (`harness.judging.expectations.tolerance`).
    """

    metric: str
    """Name of the metric that is judged; for an ordering, what is ordered."""
    variant: str
    """Variant whose runs are judged."""
    value: Value | None
    """Published number or array, in `unit`; None for an ordering or an unreadable print."""
    unit: str
    """Unit of `value`."""
    place: str
    """Table, figure or section of the source."""
    row: str = ""
    """Row and column, or the sentence, within `place`."""
    rule: Rule = "spread"
    """How it is judged."""
    half_width: float = 0.0
    """Half the last printed digit, in `unit`."""
    tolerance: float | None = None
    """Largest difference beyond rounding that counts as agreement, in `unit`, of an array the root mean square over its elements; None
    for half a point of a share of test images, 10% of a loss, and half the last printed digit of other values."""
    tolerance_reason: str = ""
    """Why `tolerance` is so large."""
    source_sd: float = 0.0
    """Standard deviation of a single run of the source over its seeds, in `unit`; 0 where it is not known. A value that is known no better
    widens the tolerance."""
    runs: int = 1
    """How many runs the published value is a mean of."""
    test_images: int = 0
    """Size of the published test set, images; 0 where the metric is no share of test images."""
    order: tuple[str, ...] = ()
    """Metrics of an ordering, the one said to be best first."""
    better: Direction = "higher"
    """Direction in which an ordering ranks."""
    tiers: tuple[Tier, ...] = ("paper",)
    """Tiers whose runs may be judged against it."""
    needs_complete: bool = True
    """Whether an incomplete data set rules the judgement out."""
    unreadable: str = ""
    """Why the print cannot be read, if it cannot."""
    fact: bool = False
    """Whether it states the protocol (epochs, shapes, counts, data sizes) and no result; the ledger counts both apart."""
    claim: bool = False
    """Whether the source is known for it: pages show such values on top."""
    gap: str = ""
    """A known, explained gap; judged KNOWN_GAP while it lasts."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The adapter round one source's protocol; it declares variants, gated metrics and expectations."""

    name: str
    """Slug."""
    version: int
    """Raised whenever measured values may change by design; results of different versions are never compared."""
    source: Source
    """What it reproduces."""
    measure: Callable[..., None]
    """`measure(run: harness.measure.run.Run)`: the stages, executed in the worker process."""
    variants: tuple[Variant, ...]
    """Declared configurations; the first is the default."""
    tiers: Mapping[Tier, Mapping[str, Any]]
    """Options of each tier, below those of the variant; the quickest tier first, unless all are names in `TIERS`."""
    gated: tuple[str, ...] = ()
    """Metrics that a gate judges: names of the harness's own, and those in `metrics` that are declared gated."""
    metrics: tuple[Metric, ...] = ()
    """What the scenario records, derives or scores itself."""
    scores: tuple[str, ...] = ()
    """Scores of scikit-learn, by name, of the prediction set ``test``: short for metrics with such a `Metric.score`."""
    noun: str = "images"
    """What a row of the data is called in tables, in the plural."""
    expectations: tuple[Expectation, ...] = ()
    """What the source claims."""
    derive: Callable[[Mapping[str, Value]], Mapping[str, Value]] | None = None
    """Values of declared metrics that follow from scored ones, computed after the run, in the runner."""
    needs: tuple[str, ...] = ()
    """Extras whose packages it imports, e.g. ``("torch",)``."""
    backends: tuple[str, ...] = ("numpy",)
    """Backends it runs on; the first is the default."""
    devices: tuple[str, ...] = ("cpu",)
    """Devices it runs on."""
    deterministic: bool = False
    """Whether seeds are declared to change nothing (no random draw)."""

    def __post_init__(self) -> None:
        listed = self.metrics if isinstance(self.metrics, tuple | list) else ()
        own = [metric.name for metric in listed if getattr(metric, "gated", False)]
        scored = self.scores if isinstance(self.scores, tuple | list) else ()
        known = {getattr(metric, "name", "") for metric in (*listed, *OWN)}
        new = tuple(
            Metric(name, score=name)
            for name in dict.fromkeys(scored)
            if isinstance(name, str) and name not in known
        )
        if new:
            object.__setattr__(self, "metrics", (*listed, *new))
        if own:  # what else is wrong with a declaration is said when it is checked, with its name
            object.__setattr__(self, "gated", tuple(dict.fromkeys((*self.gated, *own))))

    def metric(self, name: str) -> Metric | None:
        """Return the declaration of a metric, the harness's own among them; None if nothing declares it."""
        return find(self.metrics, name)

    def tiers_of(self, variant: str) -> list[Tier]:
        """List the tiers that a variant has, the quickest first; KeyError if there is no such variant."""
        own = self.variant(variant).tiers
        known = TIERS if set(self.tiers) <= set(TIERS) else tuple(self.tiers)
        return [tier for tier in known if tier in self.tiers and (own is None or tier in own)]

    def variant(self, name: str) -> Variant:
        """Return the variant called `name`; KeyError if there is none."""
        return {variant.name: variant for variant in self.variants}[name]
