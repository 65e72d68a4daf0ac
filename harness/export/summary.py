"""A job as Markdown for a CI step's summary and a pull request's comment."""

from __future__ import annotations

import collections
import typing

from harness.errors import StorageError
from harness.export.escaping import code, link, prose
from harness.judging import answer, outcome, wording
from harness.store import commands

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judging.answer import Line
    from harness.records import Comparison, Job, Judgement, Value

MOST_CHARACTERS = 60_000
"""GitHub refuses a comment of 65,536 characters and a step summary of 1 MiB."""
_NOTE = 600
"""Characters kept free to say what was cut."""
_GLYPHS = {0: "✓", 2: "!", 3: "?", outcome.INTERRUPTED: "!"}
_DECISIONS = ("scenario", "metric", "verdict", "value vs. reference", "bounds", "why and evidence", "next")
_RUN = ("published", "time", "peak memory", "identities", "verdict")
_GATE = ("scenario", "before", "after", "change", "time", "peak memory", "identities", "verdict")
MOST_LINES = 20
"""Variants whose line is not folded."""
_ALL = ("against", "metric", "verdict", "value", "reference", "bounds", "runs")


class _Table(typing.NamedTuple):
    """A titled table, folded or open; all escaped. Its rows may be cut from the end."""

    title: str  # one that is open has none
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    folded: bool = True

    def text(self, rows: int) -> str:
        """Write the first so many rows, and how many are missing."""
        lines = [self.columns, ("---",) * len(self.columns), *self.rows[:rows]]
        table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
        missing = len(self.rows) - rows
        if missing:
            table += f"\n\n{missing} of {len(self.rows)} rows are cut here; the report has them all."
        folded = f"<details><summary>{self.title}</summary>\n\n{table}\n\n</details>\n"
        return folded if self.folded else f"{table}\n"

    def fitting(self, room: int) -> int:
        """Return how many rows may be shown within so many characters."""
        if len(self.text(len(self.rows))) <= room:
            return len(self.rows)
        used = len(self.text(0))  # with the longest note of what is cut
        for count, cells in enumerate(self.rows):
            used += len("| " + " | ".join(cells) + " |\n")
            if used > room:
                return count
        return len(self.rows)


def markdown(job: Job, report_url: str = "") -> str:
    """Sum a job up in Markdown of at most `MOST_CHARACTERS`.

    The finding that decides comes first, then counts, then a line for every variant, in under 40 lines. Folded below: what needs a
    person, all verdicts by scenario, the determinism probes and the environment. What is too long is cut, and says so.

    Parameters
    ----------
    job : Job
        A gate's or a plain run's.
    report_url : str
        Where the report can be opened, if anywhere.

    Raises
    ------
    StorageError
        If the job was interrupted before it was judged: an empty summary would look like success.
    """
    if outcome.unjudged(job):
        raise StorageError("the run has no judgements", "Type: harness judge RUN, then export it again")
    parts = [_head(job, report_url)]
    left, dropped = MOST_CHARACTERS - _NOTE - len(parts[0]), 0
    for table in _tables(job):
        rows = table.fitting(left - 1)
        if rows or not table.rows:
            parts.append(table.text(rows))
            left -= len(parts[-1]) + 1
        else:
            dropped += 1
    if dropped:
        parts.append(f"{dropped} more tables are cut here for length; the report has them all.\n")
    return "\n".join(parts)


# -- head --------------------------------------------------------------------------------------------------------------


def _head(job: Job, report_url: str) -> str:
    meaning, code_of = outcome.meaning(job), outcome.exit_code(job)
    stopped = outcome.interrupted(job) or (code_of == 0 and outcome.undecided(job))
    glyph = "!" if stopped else _GLYPHS.get(code_of, "✕")
    sentence = prose(outcome.sentence(outcome.counts(job)))
    facts = [f"exit code {code_of}: {meaning}", *_facts(job), link("report", report_url)]
    notes = "".join(f"- {prose(note)}\n" for note in outcome.notes(job))
    why = "".join(
        f"\nWhy {code(f'{cause.scenario}:{cause.variant}')} {code(cause.metric)}: {prose(wording.why(cause), 600)}.\n"
        for cause in (job.gate.why if job.gate else ())
    )
    return (
        f"### {glyph} {prose(answer.headline(job), 300)}\n\n{meaning[:1].upper()}{meaning[1:]}: {sentence}\n\n"
        f"{' · '.join(filter(None, facts))}\n{why}"
        + (f"\nBefore you believe this:\n\n{notes}" if notes else "")
    )


def _facts(job: Job) -> Iterator[str]:
    """Yield commit, reference, tiers, runs and minutes, escaped."""
    if job.commit:
        yield f"commit {_commit(job.commit)}"
    if job.gate and job.gate.settings.against:
        base = job.gate.settings.base_commit
        yield f"against {code(job.gate.settings.against)}" + (f" ({_commit(base)})" if base else "")
    elif job.gate:
        yield "against stored baselines"
    tiers = dict.fromkeys(comparison.tier for comparison in job.comparisons)
    yield f"tier {prose(', '.join(tiers))}" if tiers else ""
    base_runs = job.gate.base_results if job.gate else ()
    beside = f" and {len(base_runs)} of the base" if base_runs else ""
    minutes = f" in {job.gate.minutes:.1f} minutes" if job.gate else ""
    yield f"{len(job.results)} runs{beside}{minutes}"


def _commit(commit: str) -> str:
    name, plus, state = commit.partition("+")
    return code(name[:12] + plus + state)


# -- tables ------------------------------------------------------------------------------------------------------------


def _tables(job: Job) -> Iterator[_Table]:
    lines = sorted(answer.lines(job), key=lambda line: answer.rank(line.verdict))
    run = ("scenario", prose(answer.heading(lines)), *_RUN)
    columns, row = (run, _run_row) if job.gate is None else (_GATE, _gate_row)
    rows = list(map(row, lines))
    if rows:
        yield _Table("", columns, rows[:MOST_LINES], folded=False)
    if len(rows) > MOST_LINES:
        yield _Table(f"{len(rows) - MOST_LINES} more variants", columns, rows[MOST_LINES:])
    decisions = list(_decisions(job))
    if decisions:
        yield _Table(f"Needs a decision: {len(decisions)}", _DECISIONS, decisions)
    for comparison in job.comparisons:
        yield _verdicts(comparison)
    if job.probes:
        even = sum(probe.predictions_equal and probe.work_equal for probe in job.probes)
        title = f"Same seed twice: {even} of {len(job.probes)} variants give equal bits"
        yield _Table(title, ("scenario", "seed", "predictions", "work", "differing"), list(_probes(job)))
    facts = [("command", job.command), ("harness", job.version), *job.environment.items()]
    yield _Table("Environment", ("field", "value"), [(prose(name), code(value)) for name, value in facts])


def _run_row(line: Line) -> tuple[str, ...]:
    return _named(line), line.score, line.published, line.time, line.memory, line.identities, _word(line)


def _gate_row(line: Line) -> tuple[str, ...]:
    delta = f"{line.delta} ({line.interval})" if line.interval else line.delta
    changes = (delta, line.time_change, line.memory_change)
    return _named(line), line.before, line.score, *changes, line.identities, _word(line)


def _named(line: Line) -> str:
    metric = "" if line.metric == answer.SCORE else f" {code(line.metric)}"
    return f"{code(f'{line.scenario}:{line.variant}')} {prose(line.tier)}{metric}"


def _word(line: Line) -> str:
    word = answer.WORDS[line.verdict] if line.verdict else ""
    return f"**{word}**" if line.verdict in {"REGRESSED", "ERROR"} else word


def _decisions(job: Job) -> Iterator[tuple[str, ...]]:
    """Yield a row for what an interrupted job lacks, for every failed run and every verdict that a person should see, worst first."""
    if outcome.interrupted(job):
        missing, step = prose(outcome.interruption(job)), code(commands.resume(job))
        yield "", "planned runs", "**interrupted**", "", "", missing, step
    for result in outcome.runs(job):
        if result.status != "ok":
            name, run = (
                f"{result.request.scenario}:{result.request.variant}",
                wording.run_name(result.request),
            )
            yield code(name), prose(run), "**ERROR**", "", "", prose(result.error), ""
    every = [(comparison, judgement) for comparison in job.comparisons for judgement in comparison.judgements]
    loud = [pair for pair in every if outcome.needs_attention(pair[1])]
    loud.sort(key=lambda pair: (answer.rank(pair[1].verdict), not pair[1].gated))
    for comparison, judgement in loud:
        yield _decision(comparison, judgement)


def _decision(comparison: Comparison, judgement: Judgement) -> tuple[str, ...]:
    why = f"{judgement.reason}. {evidence(comparison, judgement)}".strip(" .")
    return (
        f"{code(f'{comparison.scenario}:{comparison.variant}')} {prose(comparison.tier)}",
        f"{code(judgement.metric)}{_place(judgement)}",
        f"**{judgement.verdict}**",
        prose(f"{_number(judgement.value, judgement)} vs. {_number(judgement.reference, judgement)}"),
        prose(_bounds(judgement)),
        prose(why),
        code(judgement.next_step, 400) if judgement.next_step else "",
    )


def _verdicts(comparison: Comparison) -> _Table:
    counted = collections.Counter(judgement.verdict for judgement in comparison.judgements)
    verdicts = (
        ", ".join(f"{count} {verdict}" for verdict, count in counted.most_common()) or "nothing was judged"
    )
    title = f"{code(f'{comparison.scenario}:{comparison.variant}')} ({prose(comparison.tier)}): {verdicts}"
    rows = [
        (
            judgement.against,
            f"{code(judgement.metric)}{_place(judgement)}",
            judgement.verdict,
            prose(_number(judgement.value, judgement)),
            prose(_number(judgement.reference, judgement)),
            prose(_bounds(judgement)),
            str(judgement.n or ""),
        )
        for judgement in comparison.judgements
    ]
    return _Table(title, _ALL, rows)


def _probes(job: Job) -> Iterator[tuple[str, ...]]:
    words = {True: "equal", False: "**differ**"}
    for probe in job.probes:
        name = f"{code(f'{probe.scenario}:{probe.variant}')} {prose(probe.tier)}"
        equal = words[probe.predictions_equal], words[probe.work_equal]
        yield name, str(probe.seed), *equal, prose(", ".join(probe.differing))


def _number(value: Value | None, judgement: Judgement) -> str:
    return wording.quantity(value, judgement.unit)


def _bounds(judgement: Judgement) -> str:
    return wording.bounds(
        judgement.lower, judgement.upper, lambda bound: wording.quantity(bound, judgement.unit)
    )


def _place(judgement: Judgement) -> str:
    """Where a published value stands; a baseline's file is no place a reader of the summary can open."""
    if judgement.against != "expectation":
        return ""
    return f" ({prose(', '.join(part for part in (judgement.place, judgement.row) if part), 120)})"


# -- what the gate saw -------------------------------------------------------------------------------------------------


def evidence(comparison: Comparison, judgement: Judgement) -> str:
    """Say p, level, round and runs of the gate's look that a verdict rests on; without a look, the test and the number of runs."""
    direction = "better" if judgement.verdict == "IMPROVED" else "worse"
    for trial in comparison.trials if judgement.against == "baseline" else ():
        look = trial.decisive(judgement.metric) if trial.direction == direction else None
        if look is not None:
            divisor = trial.divisor_of(look)
            level = f"{look.level:.2g}" + (f" / {divisor}" if divisor > 1 else "")
            paired, runs = judgement.kind == "runtime", f"{len(look.head)} against {len(look.base)} runs"
            counted = f"{len(look.head)} pairs" if paired else runs
            return f"p = {look.p:.2g} at level {level}, {look.round} round, {counted}"
    runs = f"{judgement.n} run{'s' if judgement.n > 1 else ''}" if judgement.n else ""
    return ", ".join(part for part in (judgement.test, runs) if part)
