"""From a job's records to one HTML file that works offline."""

from __future__ import annotations

import dataclasses
import itertools
import typing

from markupsafe import Markup

from harness.judging import answer, outcome
from harness.report import attention, claims, flipped, gating, rows, sections, strips, verdicts
from harness.report.templating import commit, constants, environment, moment
from harness.store import commands

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.records import Job, RunResult, Scenario
    from harness.report.sections import Section

MOST_CARDS = 8
"""Findings with a card of their own, the worst; the others are listed."""
MOST_BYTES = 1_500_000
"""Size that no page of up to 200 results exceeds."""
MOST_MISSES = 3
"""Sections that are drawn and then do not fit; to try them all would take long."""
MOST_PLACES = 8
"""Workers whose environment gets a column; more are counted."""
MOST_VALUES = 3
"""Values of one field of one worker that are shown."""
HERE = "workers on the runner's machine"
_PASSING = {"load", "worker", "imported_from"}
"""Fields of an environment that differ from run to run, or head a column."""
_NOTHING = verdicts.Sign("NOT_JUDGED", "·", "quiet", "Nothing was judged.")


def render(job: Job, folder: Path, scenarios: Mapping[str, Scenario], up: str = "") -> str:
    """Write a job's report: verdicts first, then every variant's numbers and figures.

    Nothing is measured or judged here. A figure whose arrays are missing or damaged says so in its place.

    Parameters
    ----------
    job : Job
        The job as stored in ``run.json``.
    folder : Path
        The job's folder, to which the runs' folders are relative.
    scenarios : mapping
        Scenarios by name, for sources and variants; one that is missing is shown without them.
    up : str
        Address of the index over this job and others; see `harness.report.linking.up`.

    Returns
    -------
    str
        One self-contained HTML page: it loads nothing and reads without scripts. Same input, same text.
    """
    brief, whole = sections.build(job, folder, scenarios)
    counted = outcome.counts(job)
    answers = answer_rows(job, brief)
    shared = {
        "row_of": {row.anchor: row for row in answers},
        "rows": answers,
        "heading": answer.heading([row.line for row in answers]),
        "headline": verdicts.headline(job),
        "facts": list(filter(None, _facts(job))),
        "environments": environments(job.environment, job.results),
        "single": len(brief) == 1,
        "gate": gating.part(job),
        "gating": gating,
        "together": rows.together,
        "flipped": flipped.in_words,
        "seeds_named": flipped.seeds,
        "flips_words": {
            "heading": "right before and wrong now, or the other way round",
            "same": "Both sides predicted with the same weights: in a gate an exact test of these images decides the accuracy.",
        },
        **constants(script=True, up=up),
    }  # fmt: skip
    made = environment()

    def write(section: Section) -> str:
        return made.get_template("section.html.j2").render(section=section, **shared)

    def around(shown: Sequence[Section], texts: Sequence[str]) -> str:
        written = [(section, Markup(text)) for section, text in zip(shown, texts, strict=True)]  # noqa: S704 - ours, escaped
        return made.get_template("report.html.j2").render(
            job=job,
            notes=outcome.notes(job),
            claims=claims.of_sections(shown, scenarios),
            tiers={section.tier for section in shown},
            groups=verdicts.GROUPS,
            nouns=verdicts.NOUNS,
            tallies=verdicts.tallies(job),
            signs=verdicts.SIGNS,
            cards=attention.cards(shown),
            most_cards=MOST_CARDS,
            folded=attention.folded(shown),
            scenarios=[list(group) for _, group in itertools.groupby(written, key=lambda part: part[0].scenario)],
            failed=counted["runs"],
            finished=sum(section.finished for section in shown),
            missing=counted["unfinished"],
            interruption=outcome.interruption(job),
            resume=commands.resume(job),
            **shared,
        )  # fmt: skip

    # with every finding listed the frame is at its largest
    frame = around([dataclasses.replace(section, brief=False) for section in brief], [""] * len(brief))
    return around(*_fitted(brief, whole, write, len(frame.encode())))


def _facts(job: Job) -> Iterator[str]:
    """Yield what was compared with what, where and when, in a few words each."""
    code, environment = f"commit {commit(job.commit)}" if job.commit else "", job.environment
    if job.gate is None:
        yield code
    else:
        settings = job.gate.settings
        base = (
            f"{settings.against} ({commit(settings.base_commit)})" if settings.against else "stored baselines"
        )
        yield f"gate of {code or 'this code'} against {base}"
    tiers = dict.fromkeys(comparison.tier for comparison in job.comparisons)
    yield f"{' and '.join(tiers)} tier{'s' * (len(tiers) > 1)}" if tiers else ""
    runs = len(job.results) + (len(job.gate.base_results) if job.gate else 0)
    yield f"{runs} run{'s' * (runs != 1)}" + (f" in {job.gate.minutes:.1f} min" if job.gate else "")
    yield (
        f"{environment['cores']}-core {environment['cpu']}" if {"cores", "cpu"} <= environment.keys() else ""
    )
    yield moment(job.created)
    yield f"harness {job.version}"


# -- what fits on one page: a page of 1.5 MB opens at once and travels in a mail -----------------------------------------------


def _fitted(
    brief: Sequence[Section], whole: Callable[[int], Section], write: Callable[[Section], str], frame: int
) -> tuple[list[Section], list[str]]:
    """Replace sections by whole ones while there is room, the worst first; the data behind figures come last.

    `whole` makes a section whole, by its index, which is what costs time; `write` gives its HTML; `frame` is the size of the page
    without its sections, bytes. Returns sections and their HTML, in the same order.
    """
    shown, texts = list(brief), [write(section) for section in brief]
    left, misses = MOST_BYTES - frame - sum(len(text.encode()) for text in texts), 0

    def put(index: int, section: Section) -> bool:
        nonlocal left
        text = write(section)
        more = len(text.encode()) - len(texts[index].encode())
        if more <= left:
            shown[index], texts[index], left = section, text, left - more
        return shown[index] is section

    def urgency(index: int) -> int:
        worst = brief[index].worst
        return verdicts.rank(worst.word) if worst else len(brief[index].judged) + 1000

    with_data: dict[int, Section] = {}
    for index in sorted(range(len(brief)), key=urgency):
        full = whole(index)
        bare = tuple(dataclasses.replace(drawing, data="") for drawing in full.drawings)
        if put(index, dataclasses.replace(full, drawings=bare)):
            with_data[index] = full
        else:
            misses += 1
        if misses > MOST_MISSES:
            break
    for index, full in with_data.items():
        put(index, full)
    return shown, texts


# -- the table on top, and the environments at the end --------------------------------------------------------------------------


class AnswerRow(typing.NamedTuple):
    """One variant in the table on top."""

    line: answer.Line
    anchor: str  # id of its section
    sign: verdicts.Sign
    word: str  # its verdict in a word
    strip: (
        strips.Strip | None
    )  # its runs, and hollow those that they are compared with; None if there is only one
    strip_text: str


def answer_rows(job: Job, shown: Iterable[Section]) -> list[AnswerRow]:
    """Write a row for every variant that was judged, worst first."""
    anchors = {(section.scenario, section.variant, section.tier): section.anchor for section in shown}
    table = []
    for line in answer.lines(job):
        several = len(line.values) > 1 and line.base
        table.append(
            AnswerRow(
                line=line, anchor=anchors[line.scenario, line.variant, line.tier],
                sign=verdicts.SIGNS[line.verdict] if line.verdict else _NOTHING,
                word=answer.WORDS[line.verdict] if line.verdict else "not judged",
                strip=strips.strip(line.values, None, None, None, line.base) if several else None,
                strip_text=f"{len(line.values)} runs, mean {line.score}, of {len(line.base)} with mean {line.before}",
            )
        )  # fmt: skip
    return sorted(table, key=lambda row: answer.rank(row.line.verdict))


class Place(typing.NamedTuple):
    """A worker, or the runner's machine, as its runs describe it."""

    name: str  # address of the worker; `HERE` without one
    runs: int
    fields: Mapping[str, str]  # several values where its runs differ


class Environments(typing.NamedTuple):
    """Fields by places."""

    places: tuple[Place, ...]  # columns, at most `MOST_PLACES`
    more: int  # places that have no column
    names: tuple[str, ...]  # rows


def environments(runner: Mapping[str, str], results: Iterable[RunResult]) -> Environments:
    """Gather the environments of all runs by where they ran; a pass over the results keeps none of them."""
    counts: dict[str, int] = {}
    values: dict[str, dict[str, set[str]]] = {}
    for result in results:
        if result.measurement is None:
            continue
        described = result.measurement.environment
        name = described.get("worker", HERE)
        counts[name] = counts.get(name, 0) + 1
        if name in values or len(values) < MOST_PLACES:
            for field in described.keys() - _PASSING:
                values.setdefault(name, {}).setdefault(field, set()).add(described[field])
            values.setdefault(name, {})
    places = []
    for name, fields in values.items():
        texts = {}
        for field, several in fields.items():
            rest = f" and {len(several) - MOST_VALUES} others" if len(several) > MOST_VALUES else ""
            texts[field] = "; ".join(sorted(several)[:MOST_VALUES]) + rest
        places.append(Place(name, counts[name], texts))
    names = dict.fromkeys((*runner, *sorted(field for place in places for field in place.fields)))
    return Environments(tuple(places), len(counts) - len(values), tuple(names))
