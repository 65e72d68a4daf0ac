"""How a gate's outcome is told: no channel that fails takes a verdict away, or hides another; no error looks like a verdict."""

from __future__ import annotations

import dataclasses
import html
import os
import subprocess
import sys
import typing
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from harness.cli import gate as gate_face
from harness.cli import here, main, terminal
from harness.errors import UnknownNameError
from harness.export import junit
from harness.judging import outcome
from harness.judging.outcome import element
from harness.records import GateSettings, Outputs, Scenario, Source, Variant
from harness.session import execution, storing
from tests.conftest import one_thread
from tests.export.test_summary import a_job, comparison, judgement

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Job, Judgement, Kind, Verdict
    from tests.conftest import Harness


def ended(*judgements: Judgement, **settings: typing.Any) -> Job:
    """Return the job of a gate that came to these judgements, with the exit code that follows from them."""
    return outcome.closed(a_job(comparison(*judgements), code=0, settings=settings))


def tell(job: Job, told: Outputs, folder: Path, *, well: bool = True) -> int:
    """Tell a gate's outcome and return the exit code."""
    return gate_face._tell(Console(width=200), job, told, folder, well=well)


@pytest.mark.parametrize(("verdict", "code"), [("REGRESSED", 1), ("ERROR", 2), ("IMPROVED", 2), ("PASS", 2)])
def test_a_file_that_cannot_be_written_hides_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verdict: Verdict, code: int
) -> None:
    """The summary is written where the JUnit file is not; a regression stays exit code 1, a pass is not told as one."""
    (tmp_path / "taken").write_text("a file")
    told = Outputs(junit=str(tmp_path / "taken" / "junit.xml"), summary=str(tmp_path / "summary.md"))
    assert tell(ended(judgement(verdict)), told, tmp_path) == code
    assert (tmp_path / "summary.md").read_text().startswith("### ")
    out, err = capsys.readouterr()
    assert "cannot write" in err
    assert f", but not all that was asked for could be written (exit code {code})" in out


def test_a_report_that_cannot_be_written_is_no_pass(tmp_path: Path) -> None:
    """Where the report failed, the exit code of a pass is 2, that of a regression stays."""
    told = Outputs()
    assert tell(ended(judgement("PASS")), told, tmp_path, well=False) == 2
    assert tell(ended(judgement("REGRESSED")), told, tmp_path, well=False) == 1


def test_a_summary_is_added_to_whatever_is_there(tmp_path: Path) -> None:
    """What another step wrote stays byte by byte, also where it is no text."""
    path = tmp_path / "summary.md"
    path.write_bytes(b"\xff\xfe caf\xe9\n")
    assert tell(ended(judgement("PASS")), Outputs(summary=str(path)), tmp_path) == 0
    assert path.read_bytes().startswith(b"\xff\xfe caf\xe9\n### \xe2\x9c\x93 ")


def test_a_metric_that_nobody_judged_takes_no_verdict_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can be explained is, annotations are there, and a regression stays exit code 1."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    told = Outputs(explained=("work.typo", "accuracy.REGRESSED"))
    assert tell(ended(judgement("REGRESSED")), told, tmp_path) == 1
    out, err = capsys.readouterr()
    assert "unknown metric of this job 'work.typo'" in err
    assert "probe:default accuracy.REGRESSED: REGRESSED" in out
    assert "::error title=REGRESSED" in out


def test_a_defect_of_a_format_takes_no_verdict_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exporter that raises what nobody expected is told as the harness's own error; the others write."""
    monkeypatch.setattr(junit, "xml_parts", lambda _: 1 // 0)
    told = Outputs(junit=str(tmp_path / "junit.xml"), summary=str(tmp_path / "summary.md"))
    assert tell(ended(judgement("REGRESSED")), told, tmp_path) == 1
    assert (tmp_path / "summary.md").exists()
    assert "an error of the harness itself" in capsys.readouterr().err


def test_what_a_reader_must_know_stands_on_every_face(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notes of the sides, changed dependencies and changed measuring code: terminal, summary, JUnit file, annotations, page and JSON."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    settings: dict[str, typing.Any] = {
        "notes": ("'main' is HEAD itself", "runs were measured again"), "dependencies_changed": ("numpy: 2.0, not 1.26",),
        "code_changed": ("harness/worker.py",),
    }  # fmt: skip
    job = outcome.closed(a_job(comparison(judgement("PASS")), code=0, settings=settings))
    terminal.show(Console(width=200), job, storing.store(job, {}, tmp_path))
    printed = capsys.readouterr().out
    outputs = Outputs(junit=str(tmp_path / "junit.xml"), summary=str(tmp_path / "summary.md"))
    assert tell(job, outputs, tmp_path) == 0
    (suite,) = ET.parse(tmp_path / "junit.xml").getroot().findall("testsuite")  # noqa: S314 - our own file
    properties = [entry.get("value") for entry in suite.findall("properties/property[@name='note']")]
    notes = outcome.notes(job)
    assert properties == list(notes)
    assert len(notes) == 4
    faces = (
        printed,
        html.unescape((tmp_path / "summary.md").read_text()),
        capsys.readouterr().out,
        html.unescape((tmp_path / "index.html").read_text()),
    )
    for face in faces:
        for note in notes:
            assert note in face.replace("\\", "")
    stored = (tmp_path / "run.json").read_text()
    for note in (
        "'main' is HEAD itself",
        "runs were measured again",
        "numpy: 2.0, not 1.26",
        "harness/worker.py",
    ):
        assert note in stored


# -- what is refused before anything is run ---------------------------------------------


def declared(name: str, *gated: str) -> Scenario:
    """Declare a scenario that is never run here."""
    return Scenario(
        name=name, version=1, source=Source(slug=name, title="t"), measure=print, variants=(Variant(name="default"), Variant(name="other")),
        tiers={"smoke": {}}, gated=gated,
    )  # fmt: skip


CHOSEN = [(declared("a", "accuracy"), "default"), (declared("b", "loss"), "other")]


@pytest.mark.parametrize(
    "metric",
    [
        "accuracy",
        "loss",
        "a/accuracy",
        "a:default/accuracy",
        "b:other/loss",
        "work",
        "work.steps",
        "b/work.steps",
    ],
)
def test_what_may_be_judged_can_be_explained(metric: str) -> None:
    """Gated metrics of any chosen variant pass, and counts of work, which only the runs tell."""
    execution.refuse_unknown([metric], CHOSEN)


@pytest.mark.parametrize("metric", ["acuracy", "b/accuracy", "a:other/accuracy", "c/accuracy", "test_images"])
def test_what_nothing_judges_is_refused(metric: str) -> None:
    """A slip, a metric of another scenario, and a variant that was not chosen."""
    with pytest.raises(UnknownNameError, match=r"unknown metric of this job .* Known: accuracy, loss"):
        execution.refuse_unknown([metric], CHOSEN)


def test_a_slip_is_said_before_anything_is_run(harness: Harness) -> None:
    """Exit 2 with the nearest name, and no folder made."""
    scenario = harness.scenario("SCENARIO = declare(guess)")
    done = harness("gate", "probe", "--scenarios", scenario, "--out", "gate", "--explain", "acuracy")
    assert done.code == 2
    assert "unknown metric of this job 'acuracy'. Did you mean 'accuracy'?" in done.err
    assert not (harness.folder / "gate").exists()


# -- what a stored baseline of another machine cannot judge ----------------------------------


@pytest.mark.parametrize(
    ("kind", "settings", "code", "tag"),
    [
        ("memory", {"against": ""}, 0, "skipped"),
        ("memory", {"strict": True, "against": ""}, 2, "error"),
        ("memory", {"against": "main"}, 3, "skipped"),
        ("accuracy", {}, 3, "skipped"),
        ("runtime", {}, 0, "skipped"),
        ("runtime", {"strict": True}, 2, "error"),
    ],
)
def test_memory_of_another_kind_of_machine_is_a_warning(
    kind: Kind, settings: dict[str, typing.Any], code: int, tag: str
) -> None:
    """A gate on stored baselines goes on without it unless it is strict; other kinds need a person."""
    other = dataclasses.replace(judgement("INCOMPARABLE"), kind=kind)
    job = ended(other, **settings)
    assert job.gate is not None
    assert (job.gate.exit_code, element(other, job.gate.settings)) == (code, tag)


# -- published values --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "asked", "code", "tag"),
    [
        ("ERROR", True, 2, "error"), ("ERROR", False, 0, "skipped"), ("BELOW", True, 1, "failure"), ("BELOW", False, 0, "skipped"),
        ("KNOWN_GAP", True, 0, "skipped"), ("REPRODUCED", True, 0, ""),
    ],
)  # fmt: skip
def test_exit_code_and_junit_agree_on_published_values(
    verdict: Verdict, asked: bool, code: int, tag: str
) -> None:
    """One that was not measured is 2 with --expectations; without it neither the exit code nor an element of JUnit's fails."""
    of_published = judgement(verdict, against="expectation", gated=False)
    job = ended(of_published, expectations=asked)
    assert job.gate is not None
    assert (job.gate.exit_code, element(of_published, job.gate.settings)) == (code, tag)


def test_a_plain_run_fails_for_a_published_value_that_was_not_measured() -> None:
    """Without a gate the exit code is 2 and the element an error, as it always was."""
    of_published = judgement("ERROR", against="expectation", gated=False)
    assert element(of_published) == "error"
    assert element(of_published, GateSettings()) == "skipped"


# -- the command as a whole ----------------------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError("odd hush-hush"), OSError("no name"), MemoryError()])
def test_an_error_of_the_harness_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """Python's own exit code of an exception is 1, which means worse: it is 2, with the traceback and what to do, and no secret in it."""

    def broken(*_: object, **__: object) -> typing.NoReturn:
        raise error

    monkeypatch.setenv("MY_TOKEN", "hush-hush")
    monkeypatch.setattr(here, "as_text", broken)
    assert main(["list"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("Traceback (most recent call last):\n")
    assert told.splitlines()[-1].startswith(
        "harness: error: this is an error of the harness itself, no verdict ("
    )
    assert type(error).__name__ in told.splitlines()[-1]
    assert "hush-hush" not in told


def test_a_reader_that_leaves_makes_no_pass(harness: Harness) -> None:
    """`harness run | head`: what ends before its verdict does not exit with 0."""
    words = ["run", "probe", "--scenarios", harness.scenario("SCENARIO = declare(guess)"), "--out", "out"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "harness", *one_thread(*words)], cwd=harness.folder, env=harness.environment, stdout=writing,
        stderr=subprocess.PIPE, text=True, timeout=240, check=False,
    )  # fmt: skip
    os.close(writing)
    assert done.returncode == 2
    assert "ended before its verdict" in done.stderr
