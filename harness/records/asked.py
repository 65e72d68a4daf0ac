"""What is asked for: runs, and the plan of a job."""

from __future__ import annotations

import dataclasses

from harness.records.words import Purpose, Round, Side, Tier


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One run to do: all that a worker needs to know."""

    scenario: str
    variant: str
    tier: Tier
    seed: int
    """Sample index, from 0."""
    device: str = "cpu"
    """cpu or cuda."""
    backend: str = "numpy"
    """numpy, torch, tensorflow or jax."""
    threads: int = 2
    """Threads of BLAS, OpenMP and the framework."""
    scenario_paths: tuple[str, ...] = ()
    """Files outside the package that declare scenarios."""
    time_limit: float = 300.0
    """Seconds after which the run is ended."""
    memory_limit: int | None = None
    """Resident memory, bytes, above which the run is ended; None sets no limit."""
    purpose: Purpose = "measure"
    """Whether the run is measured, its work counted, or a profiler watches it; only a measured run's time and memory mean something."""
    repeat: int = 0
    """Which of several runs with all else equal it is, from 0."""
    side: Side = "head"
    """Whose code runs: the one in question, or the one it is held against."""
    round: Round = "screen"
    code: str = ""
    """Folder that the worker imports from before anything else: a side's own worktree; empty for the runner's own code."""
    keep_weights: bool = False
    """Whether the weights are kept beside the result, for a run elsewhere to predict with."""
    weights: str = ""
    """File of another run's weights to predict with too; empty if there is none."""

    @property
    def key(self) -> str:
        """Folder name of the run, unique within a job."""
        parts = [self.scenario, self.variant, self.tier, f"{self.backend}-{self.device}", f"seed{self.seed}"]
        parts += [f"{self.purpose}{self.repeat}"] if self.purpose != "measure" or self.repeat else []
        parts += [part for part in (self.side, self.round) if part not in {"head", "screen"}]
        return "--".join(parts)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """All that a gate's decisions depend on besides what was measured."""

    against: str = ""
    """REF that base runs come from, as typed; empty if stored baselines are the reference."""
    base_commit: str = ""
    """Commit that REF named."""
    head_commit: str = ""
    """Commit of the code in question."""
    seeds: int = 5
    """Runs of each variant in the screen; pairs at the first look where there is a base."""
    coin: int = 0
    """Seed of the coin that orders each pair of base and head."""
    max_runs: int = 1000
    """Runs, of all variants and rounds together, after which what is undecided stays so."""
    max_minutes: float = 60.0
    """Minutes since the start after which no further look is begun."""
    strict: bool = False
    """Whether an undecided runtime fails too."""
    expectations: bool = False
    """Whether a value BELOW or ABOVE its published one fails too, and one that could not be measured."""
    remeasure: bool = True
    """Whether memory whose stored baseline another kind of machine made is measured here at the baseline's commit."""
    why: bool = True
    """Whether one more pair of runs, under a profiler, looks for where a confirmed regression comes from."""
    code_changed: tuple[str, ...] = ()
    """Changed files between base and head that make their times incomparable: what measures."""
    dependencies_changed: tuple[str, ...] = ()
    """Changed dependencies between base and head, one sentence each."""
    notes: tuple[str, ...] = ()
    """What else a reader must know of the two sides, one sentence each."""
    scenario_paths: tuple[str, ...] = ()
    """The user's scenario files in the checkout, absolute; with a base, each side's runs name their own copies."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What a gate writes in addition to terminal and report."""

    junit: str = ""
    """JUnit XML file, absolute; empty for none."""
    summary: str = ""
    """Markdown file that a summary is added to, absolute; empty for none."""
    explained: tuple[str, ...] = ()
    """Metrics whose arithmetic is printed."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a job is to do, stored as ``plan.json`` before its first run."""

    schema: int
    created: str
    """Start of the job, UTC, ISO 8601."""
    command: str
    """Command line that started it."""
    commit: str
    """Commit of the working folder, or empty."""
    baselines: str
    """Folder named for baselines, absolute; empty if none was."""
    requests: tuple[RunRequest, ...]
    """Every run; a gate adds those of its later looks and rounds."""
    gate: GateSettings | None = None
    """How a gate decides; None for a plain run."""
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    """Environment of the runner that began the job; empty in older files."""
    outputs: Outputs = Outputs()
    """What a gate writes; a resumed one writes it too."""
