"""The Python interface: run, gate, read, judge and compare, and a job as a pandas table. `harness` exports these names; docs/python.md shows them."""

from __future__ import annotations

import dataclasses
import html
import os
import shlex
import typing
from pathlib import Path

from harness.errors import HarnessError
from harness.judging import baselines as stored_baselines
from harness.judging import jobs, outcome, wording
from harness.judging.equivalence import USUAL, Margin
from harness.records import Compared, GateSettings, Job
from harness.records.metrics import is_share
from harness.session import choosing, comparing, execution, procedure, storing
from harness.sources import catalogue as declarations
from harness.store import commands, files, project, table

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from harness.records import Judgement, Tier, Value

    Folder = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ShownJob(Job):
    """A job as Python programs get it: it knows its table, and shows its verdicts in a notebook."""

    @classmethod
    def of(cls, job: Job) -> typing.Self:
        """Return the same job."""
        return cls(**{field.name: getattr(job, field.name) for field in dataclasses.fields(Job)})

    def to_frame(self) -> pd.DataFrame:
        """Return its metrics as a table: see `frame`."""
        return frame(self)

    @property
    def exit_code(self) -> int:
        """Exit code of the command that makes such a job: 0 passed, 1 worse, 2 could not measure, 3 a person must decide."""
        return outcome.exit_code(self)

    def _repr_html_(self) -> str:
        """Show how it ended, and each verdict that a gate acts on or a person should look at; every text is escaped."""
        import pandas as pd

        rows = [
            {
                "variant": f"{comparison.scenario}:{comparison.variant}", "metric": item.metric,
                "value": _quantity(item, item.value),
                "reference": _quantity(item, item.reference), "against": item.against,
                "verdict": item.verdict, "reason": item.reason,
            }
            for comparison in self.comparisons
            for item in comparison.judgements
            if item.gated or outcome.needs_attention(item)
        ]  # fmt: skip
        runs = f"{len(self.results)} run{'s' * (len(self.results) != 1)}"
        sentence = html.escape(f"{runs}: {outcome.sentence(outcome.counts(self))}")
        return f"<p>{sentence}</p>{pd.DataFrame(rows).to_html(index=False, escape=True) if rows else ''}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ShownComparison(Compared):
    """A comparison as Python programs get it: it knows its table, and shows its scores in a notebook."""

    def to_frame(self) -> pd.DataFrame:
        """Return every score, time, rate and memory peak of every side as a table.

        Returns
        -------
        DataFrame
            One row for each metric of each side. ``value`` is the mean of a score, the median of the others, in ``unit``. ``change`` is a score
            less the reference's in ``unit``, or the ratio to the reference's; ``lower`` and ``upper`` are the ends of its interval; ``margin`` and
            ``verdict`` belong to scores. What is not known is NaN or empty; the reference's own rows have no change.
        """
        import pandas as pd

        rows: list[dict[str, typing.Any]] = []
        for variant in self.variants:
            place = {"scenario": variant.scenario, "tier": variant.tier}
            for score in variant.scores:
                for side, one in zip(variant.sides, score.sides, strict=True):
                    if one is not None:
                        told = one.judged
                        rows.append(
                            {**place, "variant": side.variant, "side": side.name, "metric": score.metric, "unit": score.unit, "kind": "accuracy",
                             "runs": one.runs, "value": one.mean, "change": told and told.difference, "lower": told and told.lower,
                             "upper": told and told.upper, "margin": told and told.margin, "verdict": told.verdict if told else ""}
                        )  # fmt: skip
            for contrast in variant.contrasts:
                for side, amount in zip(variant.sides, contrast.sides, strict=True):
                    if amount is not None:
                        rows.append(
                            {**place, "variant": side.variant, "side": side.name, "metric": f"{contrast.stage}.{contrast.metric}",
                             "unit": contrast.unit, "kind": contrast.kind, "runs": amount.runs, "value": amount.median, "change": amount.ratio,
                             "lower": amount.lower, "upper": amount.upper, "margin": None, "verdict": ""}
                        )  # fmt: skip
        found = pd.DataFrame(rows, columns=list(COMPARED))
        return found.astype(dict.fromkeys(("value", "change", "lower", "upper", "margin"), "float64"))

    def _repr_html_(self) -> str:
        """Show the scores and each stage's time and memory; every text is escaped."""
        found = self.to_frame()
        shown = found[
            (found["kind"] == "accuracy")
            | (found["metric"].isin(("total.seconds", "total.above_imports_bytes")))
        ]
        jobs_ = "".join(f"<li>{html.escape(job.folder)}</li>" for job in self.jobs)
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.left_out)
        return f"<ol>{jobs_}</ol>{shown.to_html(index=False, escape=True, na_rep='')}{notes}"


COMPARED = (
    "scenario", "variant", "tier", "side", "metric", "unit", "kind", "runs", "value", "change", "lower", "upper", "margin", "verdict",
)  # fmt: skip
"""Columns of a comparison's table."""


def _quantity(judgement: Judgement, value: Value | None) -> str:
    numbers = [value] if isinstance(value, (int, float)) else []
    share = bool(numbers) and is_share(judgement.metric, judgement.unit, numbers)
    return wording.quantity(value, judgement.unit, share=share)


def run(
    *names: str, tier: Tier | None = None, seeds: int | None = None, first_seed: int = 0, device: str = "cpu",
    backend: str | None = None, threads: int = 2, time_limit: float | None = None, keep_weights: bool = False,
    weights: Folder | None = None, scenarios: Sequence[Folder] | None = None, baselines: Folder | None = None,
    out: Folder | None = None, force: bool = False,
) -> ShownJob:  # fmt: skip
    """Run variants, judge them, and write results and report, as ``harness run`` does.

    Parameters
    ----------
    *names : str
        ``SCENARIO``, ``SCENARIO:VARIANT`` or ``SCENARIO:all``; the default variant of every scenario if none is named.
    tier : str, optional
        smoke, short, paper, or another that the scenario declares; as configured, else smoke.
    seeds : int, optional
        How many runs of each variant; as configured, else 1.
    first_seed : int
        The first seed.
    device, backend : str
        Where to compute, and the framework; each scenario's first backend by default.
    threads : int
        Threads of each worker.
    time_limit : float, optional
        Seconds a run may take; the tier's default if None.
    keep_weights : bool
        Whether each run keeps its weights, for a job elsewhere to predict with.
    weights : path, optional
        Folder of a job that kept its weights: each run predicts with those of its seed too.
    scenarios : sequence of path, optional
        Python files that declare further scenarios; the configured ones by default.
    baselines : path, optional
        Folder to read baselines from first.
    out : path, optional
        Folder for results and report; ``reports/<UTC time>`` by default.
    force : bool
        Whether a job that is stored in `out` is replaced.

    Returns
    -------
    ShownJob
        Every result, a failed run's too, and every judgement. A failed run raises nothing: its ``status`` is ``error``.

    Raises
    ------
    HarnessError
        If a name is unknown, a file of scenarios or baselines is unusable, or `out` cannot be written, or holds a job.
    """
    settings = _settings(
        tier, seeds, 1, scenarios, first_seed=first_seed, device=device, backend=backend, threads=threads,
        time_limit=time_limit, keep_weights=keep_weights, weights=str(weights or ""),
    )  # fmt: skip
    return _stored(
        execution.run(
            names, settings, command=_command("run", names, settings, baselines), baselines=_path(baselines),
            out=_path(out), force=force,
        )
    )  # fmt: skip


def gate(
    *names: str, against: str | None = None, tier: Tier | None = None, seeds: int | None = None,
    device: str = "cpu",
    backend: str | None = None, threads: int = 2, max_runs: int = 1000, max_minutes: float = 60.0,
    strict: bool = False,
    expectations: bool = False, why: bool = True, scenarios: Sequence[Folder] | None = None,
    baselines: Folder | None = None, out: Folder | None = None, force: bool = False,
) -> ShownJob:  # fmt: skip
    """Run, compare with stored baselines or another commit, and confirm on fresh runs what looks worse, as ``harness gate`` does.

    Parameters
    ----------
    *names : str
        As for `run`.
    against : str, optional
        Commit to run in pairs with the present one; as configured if None, and stored baselines if empty.
    tier, device, backend, threads, scenarios, baselines, out, force
        As for `run`.
    seeds : int, optional
        Runs of each variant in the screen; as configured, else 5.
    max_runs : int
        Runs of the whole gate.
    max_minutes : float
        Minutes after which no further round of runs begins.
    strict, expectations : bool
        Whether an undecided runtime, or a missed published value, fails too.
    why : bool
        Whether both sides run once more under a profiler after a confirmed regression.

    Returns
    -------
    ShownJob
        Its `exit_code` is the command's.

    Raises
    ------
    HarnessError
        As for `run`; also if another gate runs here, or the commit cannot be had.
    KeyboardInterrupt
        After Ctrl-C, when what was finished has been stored.
    """
    against = project.find().against or "" if against is None else against
    settings = _settings(
        tier, seeds, GateSettings().seeds, scenarios, device=device, backend=backend, threads=threads
    )
    limits = GateSettings(
        against=against,
        max_runs=max_runs,
        max_minutes=max_minutes,
        strict=strict,
        expectations=expectations,
        why=why,
    )
    words = ("--against", against) if against else ("--no-against",)
    return _stored(
        execution.gate(
            names, settings, limits, command=_command("gate", names, settings, baselines, words),
            baselines=_path(baselines), out=_path(out), force=force,
        )
    )  # fmt: skip


def _stored(ended: execution.Ended) -> ShownJob:
    storing.store(ended.job, ended.declared, ended.folder)
    if ended.stopped:
        raise KeyboardInterrupt
    return ShownJob.of(ended.job)


def read(folder: Folder) -> ShownJob:
    """Read a stored job; see `harness.judging.jobs.read`.

    Raises
    ------
    StorageError
        If there is none, or it is damaged or of a newer schema.
    """
    return ShownJob.of(jobs.read(Path(folder)))


def judge(
    job: Job, *, scenarios: Sequence[Folder] | None = None, baselines: Folder | None = None, folder: Folder | None = None
) -> ShownJob:  # fmt: skip
    """Judge a job's results again, a gate's as ``harness gate`` does, against today's expectations and baselines; nothing is run or written.

    Parameters
    ----------
    job : Job
        What was run; its results stay as they are.
    scenarios : sequence of path, optional
        Python files that declare further scenarios; the configured ones by default.
    baselines : path, optional
        Folder to read baselines from first.
    folder : path, optional
        The job's folder, whose predictions are held against the baseline's: without it no flipped images are found, nor decide in a gate.

    Raises
    ------
    HarnessError
        If a scenario is not declared, or the folder of baselines does not exist.
    """
    declared = declarations.load_all(_texts(scenarios))
    judged = procedure.rejudge(job, declared, stored_baselines.search_path(_path(baselines)), _path(folder))
    return ShownJob.of(judged)


def compare(
    *folders: Folder, margin: str | None = None, variants: tuple[str, str] | None = None
) -> ShownComparison:
    """Set stored jobs side by side, as ``harness compare`` does; nothing is written.

    Parameters
    ----------
    *folders : path
        Folders of two jobs or more; the first is the reference.
    margin : str, optional
        Difference of a score that counts as none: ``0.5points`` of a share, ``2%`` of the reference's mean, ``0.01`` in the score's own unit, or
        ``spread``, 2 standard deviations of the reference's runs; as configured by ``tolerance``, else spread, and for shares at most half a point.
    variants : (str, str), optional
        A variant of the reference, and another one of the others to compare with it.

    Raises
    ------
    HarnessError
        If there are fewer than two jobs, one cannot be read, or the margin is none.
    """
    paths = [Path(folder) for folder in folders]
    if len(paths) < 2:
        raise HarnessError("one job has nothing to be compared with", "Name two folders or more")
    text, passed_over = margin or project.find().tolerance, dict[Path, HarnessError]()
    try:
        found = Margin.parse(text) if text else USUAL
    except ValueError as error:
        raise HarnessError(str(error), "Mend it") from error
    words = ["harness", "compare", *map(str, paths), *(("--margin", text) if text else ())]
    if variants:
        words += ["--variants", *variants]
    compared = comparing.compare(paths, found, variants, passed_over, shlex.join(words))
    for unreadable in passed_over.values():
        raise unreadable
    return ShownComparison(
        **{field.name: getattr(compared, field.name) for field in dataclasses.fields(Compared)}
    )


def frame(job: Job) -> pd.DataFrame:
    """Return a job's metrics as a tidy table: the rows and columns of ``harness export csv``.

    Returns
    -------
    DataFrame
        One row for every number of every metric of every run (`harness.store.table.COLUMNS`); `value` is float64, and NaN in the
        one row of a failed run.
    """
    import pandas as pd

    rows = [tuple(row.values()) for row in table.rows(job)]
    return pd.DataFrame(rows, columns=table.COLUMNS).astype(
        {"seed": "int64", "value": "float64", "disturbed": "bool"}
    )


def _settings(
    tier: Tier | None, seeds: int | None, usual_seeds: int, scenarios: Sequence[Folder] | None, **how: typing.Any,  # noqa: ANN401
) -> choosing.Settings:  # fmt: skip
    """Fill in what the project configures, and refuse what the command line's options cannot be either."""
    own = project.find()
    settings = choosing.Settings(
        tier=tier or own.tier or "smoke", seeds=(own.seeds or usual_seeds) if seeds is None else seeds,
        scenario_paths=_texts(scenarios), **how,
    )  # fmt: skip
    if settings.seeds < 1 or settings.first_seed < 0 or settings.threads < 1:
        numbers = f"seeds={settings.seeds}, first_seed={settings.first_seed}, threads={settings.threads}"
        step = "seeds and threads are at least 1, first_seed is at least 0"
        raise HarnessError(f"{numbers} cannot be run", step)
    return settings


def _texts(paths: Sequence[Folder] | None) -> tuple[str, ...]:
    """Name scenario files; the configured ones if none are given."""
    if paths is None:
        return tuple(os.path.relpath(file) for file in project.find().scenarios)
    return tuple(str(Path(path)) for path in paths)


def _path(folder: Folder | None) -> Path | None:
    return None if folder is None else Path(folder)


def _command(
    name: str, names: Sequence[str], settings: choosing.Settings, baselines: Folder | None,
    more: Sequence[str] = ()
) -> str:  # fmt: skip
    """Write the command line that repeats the job."""
    options = {
        "--tier": settings.tier, "--seeds": settings.seeds, "--first-seed": settings.first_seed,
        "--device": settings.device,
        "--threads": settings.threads, "--backend": settings.backend or "",
        "--time-limit": f"{settings.time_limit:g}" if settings.time_limit else "",
        "--weights": settings.weights,
        "--baselines": "" if baselines is None else Path(baselines),
    }  # fmt: skip
    words = ["harness", name, *names, *more]
    words += [str(word) for option, value in options.items() if value != "" for word in (option, value)]
    words += ["--keep-weights"] if settings.keep_weights else []
    return shlex.join([*words, *commands.naming(files.absolute(settings.scenario_paths))])
