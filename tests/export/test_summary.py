"""The summary for a CI step and a pull request, and the annotations: every verdict, hostile names, and far too much of it."""

from __future__ import annotations

import dataclasses
import html
import typing

import pytest

from harness.errors import StorageError
from harness.export import github, summary, write
from harness.records import (
    Comparison,
    Gate,
    GateSettings,
    Job,
    Judgement,
    Look,
    Probe,
    RunRequest,
    RunResult,
    Trial,
    Verdict,
)
from tests.export.test_escaping import HOSTILE, Rendered, parsed

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Kind

EVIL = "".join(HOSTILE[:12])


def judgement(verdict: Verdict, kind: Kind = "accuracy", **changes: typing.Any) -> Judgement:
    """Return a gated judgement against a baseline."""
    fields: dict[str, typing.Any] = {
        "against": "baseline", "metric": f"{kind}.{verdict}", "verdict": verdict, "kind": kind, "n": 5, "value": 0.9, "reference": 0.95,
        "lower": 0.93, "upper": 0.97, "test": "t bound", "reason": "below the bound", "next_step": "harness gate --explain", "gated": True,
    }  # fmt: skip
    return Judgement(**{**fields, **changes})


def comparison(*judgements: Judgement, name: str = "probe") -> Comparison:
    """Return a comparison of a scenario's default variant."""
    return Comparison(
        scenario=name, variant="default", tier="smoke", seeds=(0,), failed=(), judgements=judgements
    )


def look(metric: str, *, confirm: bool, n: int = 10) -> Look:
    """Return a look at a metric that alarms."""
    return Look(
        metric=metric, round="confirm" if confirm else "screen", base=[0.95] * 10, head=[0.9] * n, worse="lower", estimate=0.05,
        lower=0.01, upper=0.09, p=0.00021, level=0.004, floor=0.001, alarm=True, clear=False, tests="ranks",
    )  # fmt: skip


def a_job(*comparisons: Comparison, code: int | None = None, **changes: typing.Any) -> Job:
    """Return a job, a gate's if an exit code is given."""
    settings = GateSettings(**{"against": "main", "base_commit": "c0ffee" * 6, **changes.pop("settings", {})})
    gate = Gate(settings=settings, base_results=(), minutes=3.25, exit_code=code or 0)
    fields: dict[str, typing.Any] = {
        "schema": 1, "created": "2030-01-01T00:00:00+00:00", "command": "harness gate", "version": "0.1.0", "commit": "abcdef" * 6,
        "environment": {"cpu": "A | B"}, "results": (), "comparisons": comparisons, "gate": None if code is None else gate,
    }  # fmt: skip
    return Job(**{**fields, **changes})


def failed_run(error: str = "the worker died") -> RunResult:
    """Return a run that failed."""
    asked = RunRequest(scenario="probe", variant="default", tier="smoke", seed=3)
    return RunResult(
        request=asked, status="error", started="2030-01-01T00:00:00", wall_seconds=1.0, error=error
    )


def needing(shown: str) -> str:
    """Return the table of what needs a decision."""
    table = shown.split("<summary>Needs a decision")[1].split("\n\n", 1)[1]
    return table.split("</details>", maxsplit=1)[0].strip()


@pytest.mark.parametrize(
    ("judged", "code", "told"),
    [
        ([judgement("PASS")], 0, "✓ Passed: 1 metric is no worse."),
        ([judgement("REGRESSED"), judgement("PASS")], 1, "✕ Worse: 1 metric regressed; 1 metric is no worse."),
        ([judgement("REGRESSED", "runtime")], 1, "✕ Slower: 1 metric regressed."),
        ([judgement("REGRESSED", "memory"), judgement("REGRESSED", "runtime")], 1, "✕ Worse and slower: 2 metrics"),
        ([judgement("REGRESSED", "identity", against="identity")], 1, "✕ Broken: 1 identity is violated."),
        ([judgement("ERROR"), judgement("PASS")], 2, "! Could not measure: 1 check could not be made;"),
        ([judgement("IMPROVED"), judgement("NO_BASELINE")], 3, "? A person must approve: 1 metric improved and 1 metric"),
        ([], 130, "! Interrupted: There is nothing to judge."),
    ],
)  # fmt: skip
def test_the_first_line_says_what_the_exit_code_means(judged: list[Judgement], code: int, told: str) -> None:
    """Worse, slower, could not measure, approve and passed are told apart, with counts and the number itself."""
    shown = summary.markdown(a_job(comparison(*judged), code=code), "https://ci.example/7")
    first, _, rest = shown.partition("\n")
    assert first.startswith(f"### {told[0]} ")
    assert rest.startswith(f"\n{told[2:]}")
    assert f"exit code {code}: " in rest
    assert "[report](https://ci.example/7)" in rest
    assert "against <code>main</code> (<code>c0ffeec0ffee</code>)" in rest
    assert "3.2 minutes" in rest


def test_the_answer_fits_40_lines() -> None:
    """Before the first fold: the finding, counts, facts, and a line for each of the worst variants; the others are folded, not cut."""
    calm = [comparison(judgement("PASS"), name=f"s{number}") for number in range(60)]
    shown = summary.markdown(a_job(*calm, comparison(judgement("REGRESSED"), name="worst"), code=1))
    open_part = shown.split("<details>", maxsplit=1)[0]
    assert open_part.count("\n") < 40
    rows = [line for line in open_part.splitlines() if line.startswith("| <code>")]
    assert len(rows) == summary.MOST_LINES
    assert rows[0].startswith("| <code>worst&#58;default</code>")
    assert "**worse**" in rows[0]
    assert f"<summary>{61 - summary.MOST_LINES} more variants</summary>" in shown


def test_what_needs_a_decision_stands_worst_first() -> None:
    """Its table has value, reference, bounds, evidence and next command; what passed stands in the table of all verdicts only."""
    judged = [judgement(word) for word in ("PASS", "WAIVED", "IMPROVED", "REGRESSED", "BELOW")]
    trial = Trial(
        scenario="probe", variant="default", tier="smoke", kind="accuracy", direction="worse", metric="accuracy.REGRESSED",
        screen=(look("accuracy.REGRESSED", confirm=False, n=5),), confirm=(look("accuracy.REGRESSED", confirm=True),), flagged=True, divisor=2,
    )  # fmt: skip
    shown = summary.markdown(a_job(dataclasses.replace(comparison(*judged), trials=(trial,)), code=1))
    table = needing(shown)
    verdicts = [line.split(" | ")[2].strip("*") for line in table.splitlines()[2:]]
    assert verdicts == ["REGRESSED", "BELOW", "IMPROVED", "WAIVED"]
    page = Rendered(table)
    assert page.cells[7:14] == [
        "probe:default smoke", "accuracy.REGRESSED", "REGRESSED", "0.9 vs. 0.95", "0.93 to 0.97",
        "below the bound. p = 0.00021 at level 0.004 / 2, confirm round, 10 against 10 runs", "harness gate --explain",
    ]  # fmt: skip
    assert "below the bound. t bound, 5 runs" in page.cells
    assert "accuracy.PASS" in Rendered(shown).cells


def test_the_evidence_is_the_look_that_confirmed() -> None:
    """A metric confirmed at 10 runs and looked at once more keeps the p that confirmed it."""
    first, second = (dataclasses.replace(look("m", confirm=True), p=p) for p in (0.0001, 0.3))
    trial = Trial(
        scenario="probe", variant="default", tier="smoke", kind="accuracy", direction="worse", metric="m", verdict="REGRESSED",
        screen=(look("m", confirm=False, n=5),), confirm=(first, dataclasses.replace(second, alarm=False)), flagged=True,
    )  # fmt: skip
    compared = comparison(judged := dataclasses.replace(judgement("REGRESSED"), metric="m"))
    assert summary.evidence(dataclasses.replace(compared, trials=(trial,)), judged).startswith(
        "p = 0.0001 at"
    )


def test_surroundings_are_folded() -> None:
    """Probes and the environment stand folded; what a reader must know of the sides stands open above them."""
    probe = Probe(
        scenario="probe", variant="default", tier="smoke", seed=0, predictions_equal=True, work_equal=False, differing=("steps",)
    )  # fmt: skip
    changed = {
        "dependencies_changed": ("numpy: 2.0, not 1.26",),
        "code_changed": ("harness/measure/runtime.py",),
    }
    shown = summary.markdown(a_job(comparison(judgement("PASS")), code=0, probes=(probe,), settings=changed))
    cells = Rendered(shown).cells
    assert "<summary>Same seed twice: 0 of 1 variants give equal bits</summary>" in shown
    for told in ("differ", "steps", "A | B"):
        assert told in cells
    for told in ("numpy: 2.0, not 1.26", "harness/measure/runtime.py"):
        assert told in html.unescape(shown[: shown.index("<details>")])
    assert shown.count("<details>") == shown.count("</details>") == 3


def test_a_failed_run_comes_first() -> None:
    """Runs that died are said before verdicts, of either side, with their error."""
    shown = summary.markdown(a_job(comparison(judgement("ERROR")), results=(failed_run("it died\nbadly"),)))
    cells = Rendered(needing(shown)).cells
    assert cells[7:14] == ["probe:default", "run seed 3 (numpy, cpu)", "ERROR", "", "", "it died badly", ""]
    assert shown.startswith(
        "### ! 1 run failed, of probe&#58;default\n\nCould not measure: 1 run failed and 1 check could not be made."
    )


def test_hostile_names_change_nothing() -> None:
    """Names, reasons and errors full of pipes, tags, mentions and line ends leave tables and folds as they are."""
    evil = judgement("REGRESSED", metric=EVIL, reason=EVIL, next_step=EVIL, unit=EVIL, test=EVIL)
    published = judgement("BELOW", against="expectation", metric=EVIL, place=EVIL, row=EVIL)
    job = a_job(
        comparison(evil, published, name=EVIL), code=1, results=(failed_run(EVIL),), commit=EVIL, command=EVIL,
        environment={EVIL: EVIL}, settings={"dependencies_changed": (EVIL,)},
    )  # fmt: skip
    page = Rendered(summary.markdown(job, EVIL))
    allowed = "h3 p h4 table thead tbody tr th td code strong details summary ul li"
    assert set(page.tags) <= set(allowed.split())
    assert page.tags.count("details") == 3
    assert page.tags.count("td") == 8 + 3 * 7 + 2 * 7 + 3 * 2
    assert "@octocat" not in page.loose
    for line in github.commands(job):
        name, properties, _ = parsed(line)
        assert name in {"error", "warning", "notice"}
        assert set(properties) == {"title"}


@pytest.mark.parametrize(
    ("scenarios", "metrics", "size"), [(1, 5000, 5), (400, 3, 5), (60, 40, 300), (3, 1, 100_000)]
)
def test_far_too_much_is_cut_and_says_so(scenarios: int, metrics: int, size: int) -> None:
    """Whatever a job holds, the summary fits, stays well-formed, begins with the sentence and says what is missing."""
    long = "|" * size
    judged = [judgement("REGRESSED", metric=f"{number}{long}", reason=long) for number in range(metrics)]
    job = a_job(*(comparison(*judged, name=f"s{number}{long}") for number in range(scenarios)), code=1)
    shown = summary.markdown(job)
    assert len(shown) <= summary.MOST_CHARACTERS < 65_536
    assert len(shown.encode()) < 2**20
    assert shown.startswith("### ✕ ")
    assert shown.split("\n\n")[1].startswith("Worse: ")
    page = Rendered(shown)
    assert page.open == []
    assert page.tags.count("details") >= (1 if size == 100_000 else 0)
    if size < 100_000:
        assert "the report has them all" in shown
    if scenarios == 1:  # shown and cut rows of the findings add up to all
        table = needing(shown)
        rows = table.count("| <code>s0")
        assert f"{metrics - rows} of {metrics} rows are cut here" in table
        assert rows > 100


def test_a_plain_run_has_its_own_exit_code(job: Job, tmp_path: Path) -> None:
    """A real job without a gate: a violated identity is exit code 1, dead runs are named, nothing about a gate is said."""
    (path,) = write(job, "summary", tmp_path)
    shown = path.read_text()
    assert path.name == "summary.md"
    assert shown.startswith(
        "### ✕ Identity sum of probe&#58;bad is violated\n\nBroken: 1 identity is violated, 3 runs failed"
    )
    assert "exit code 1: broken" in shown
    assert "against" not in shown.splitlines()[2]
    assert "as asked <for> & more" in " ".join(Rendered(shown).cells)


def test_an_unjudged_job_is_refused(job: Job) -> None:
    """An interrupted job has no judgements; a summary without any would look like success."""
    with pytest.raises(StorageError, match="harness judge"):
        summary.markdown(dataclasses.replace(job, comparisons=()))


# -- annotations -----------------------------------------------------------------------


def kinds(job: Job) -> list[tuple[str, str]]:
    """List kind and title of each annotation."""
    return [(name, properties["title"]) for name, properties, _ in map(parsed, github.commands(job))]


@pytest.mark.parametrize(
    ("judged", "settings", "kind"),
    [
        (judgement("REGRESSED"), {}, "error"),
        (judgement("ERROR"), {}, "error"),
        (judgement("REGRESSED", "identity", against="identity"), {}, "error"),
        (judgement("INCONCLUSIVE"), {}, "error"),
        (judgement("INCONCLUSIVE", "runtime"), {}, "warning"),
        (judgement("INCONCLUSIVE", "runtime"), {"strict": True}, "error"),
        (judgement("BELOW", against="expectation"), {}, "warning"),
        (judgement("BELOW", against="expectation"), {"expectations": True}, "error"),
        (judgement("IMPROVED"), {}, "warning"),
        (judgement("NO_BASELINE"), {}, "warning"),
        (judgement("WAIVED"), {}, "notice"),
        (judgement("PASS"), {}, ""),
        (judgement("INCOMPARABLE", "runtime", gated=False), {}, ""),
    ],
)  # fmt: skip
def test_each_verdict_has_its_kind_of_annotation(
    judged: Judgement, settings: dict[str, typing.Any], kind: str
) -> None:
    """What fails a gate is an error, what asks a person a warning, what is waived a notice, a pass nothing."""
    told = [(kind, f"{judged.verdict} probe:default {judged.metric}")] if kind else []
    assert kinds(a_job(comparison(judged), code=0, settings=settings)) == told


def test_an_annotation_says_the_whole_sentence() -> None:
    """Value, bounds, reason and next command stand in the message; failed runs and changed dependencies have one too."""
    changed = {"dependencies_changed": ("numpy: 2.0, not 1.26",)}
    job = a_job(comparison(judgement("REGRESSED")), code=1, results=(failed_run(),), settings=changed)
    messages = {name: message for name, _, message in map(parsed, github.commands(job))}
    assert "0.9 against 0.95, bounds 0.93 to 0.97. below the bound." in messages["error"]
    assert messages["warning"] == "a dependency changed between base and head: numpy: 2.0, not 1.26"
    assert ("error", "ERROR probe:default run seed 3 (numpy, cpu)") in kinds(job)


@pytest.mark.parametrize("count", [9, 10, 11, 500])
def test_at_most_ten_of_a_kind(count: int) -> None:
    """GitHub drops the eleventh in silence; so the tenth says how many more there are."""
    regressed = [judgement("REGRESSED", metric=str(number)) for number in range(count)]
    improved = [judgement("IMPROVED", metric=str(number)) for number in range(count)]
    found = kinds(a_job(comparison(*regressed, *improved), code=1))
    assert len(found) == 2 * min(count, 10)
    more = [title for _, title in found if title.startswith("and ")]
    assert more == ([f"and {count - 9} more"] * 2 if count > 10 else [])
