"""Every frozen record, in the order of the flow: declared, asked for, measured, gated, compared. No input or output.

All records but `Scenario` travel as JSON; `msgspec` decodes and validates them by their annotations.
"""

from harness.records.asked import GateSettings, Outputs, Plan, RunRequest
from harness.records.compared import Baseline, BaselineMetric, Comparison, Flip, Flips, Job, Judgement
from harness.records.declared import Expectation, Scenario, Source, Variant
from harness.records.equivalence import (
    Amount,
    Compared,
    Contrast,
    Equivalence,
    IdentitySide,
    IdentitySides,
    Likeness,
    SameWeights,
    Score,
    ScoreSide,
    SideJob,
    SideRuns,
    VariantSides,
)
from harness.records.gated import Gate, Look, Place, Probe, Site, Trial, Why
from harness.records.measured import (
    PRECISIONS,
    Attempt,
    DatasetUse,
    Failure,
    Figure,
    IdentityCheck,
    Measured,
    Measurement,
    MemoryTrace,
    RunResult,
    StageResult,
    Trajectory,
    as_declared,
)
from harness.records.metrics import Metric
from harness.records.words import (
    BACKENDS,
    DEVICES,
    EXECUTORS,
    GIVEN,
    MOST,
    TIERS,
    Cause,
    Direction,
    Kind,
    Purpose,
    Round,
    Rule,
    Side,
    Tier,
    Value,
    Verdict,
    finite,
    time_limit,
)

__all__ = [
    "BACKENDS", "DEVICES", "EXECUTORS", "GIVEN", "MOST", "PRECISIONS", "TIERS", "Amount",
    "Attempt", "Baseline", "BaselineMetric", "Cause", "Compared", "Comparison", "Contrast", "DatasetUse",
    "Direction", "Equivalence", "Expectation", "Failure", "Figure", "Flip", "Flips", "Gate", "GateSettings",
    "IdentityCheck", "IdentitySide", "IdentitySides", "Job", "Judgement", "Kind", "Likeness", "Look",
    "Measured", "Measurement", "MemoryTrace", "Metric", "Outputs", "Place", "Plan", "Probe", "Purpose",
    "Round", "Rule", "RunRequest", "RunResult", "SameWeights", "Scenario", "Score", "ScoreSide", "Side",
    "SideJob", "SideRuns", "Site", "Source", "StageResult", "Tier", "Trajectory", "Trial", "Value",
    "Variant", "VariantSides", "Verdict", "Why", "as_declared", "finite", "time_limit",
]  # fmt: skip
