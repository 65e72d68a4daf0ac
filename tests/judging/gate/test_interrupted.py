"""A gate that did not come to its end: every channel says so, whoever reads it later too, and no number of it is another side's."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import typing

import junitparser
import msgspec
import pytest

from harness.errors import StorageError
from harness.export import github, junit, summary
from harness.judging import jobs, outcome
from harness.records import GateSettings, Job, Plan, RunRequest
from harness.report import index_page, render
from harness.report.verdicts import headline
from harness.running import plans
from harness.store import files
from tests.conftest import one_thread
from tests.judging import made
from tests.judging.made import request
from tests.running.test_resume import until

if typing.TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Harness

HANGS = """
import time
from pathlib import Path

def measure(run):
    guess(run)
    if run.request.variant == "other" and not Path("go").exists():
        time.sleep(600)

SCENARIO = declare(measure, deterministic=True)
"""


@pytest.mark.slow
def test_ctrl_c_is_told_by_every_channel(harness: Harness) -> None:
    """After one of eight runs the gate is interrupted, and not what that run alone would say, here and when it is judged again."""
    words = ["gate", "probe:all", "--scenarios", harness.scenario(HANGS), "--seeds", "2", "--out", "gate"]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *one_thread(*words), "--junit", "junit.xml", "--summary", "summary.md"],
        cwd=harness.folder, env=harness.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    waiting = harness.folder / "gate" / "runs" / "probe--other--smoke--numpy-cpu--seed0" / "request.json"
    until(waiting.exists, "the second run never started")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 130, err
    job = harness.job("gate")
    assert (job["gate"]["exit_code"], job["unfinished"]) == (130, {"probe:default": 3, "probe:other": 4})
    told = "7 planned runs are missing, of probe:default (3), probe:other (4)"
    assert f"interrupted {told}. Next: harness gate --resume gate" in out
    assert "Gate: interrupted (exit code 130)" in out
    page = (harness.folder / "gate" / "index.html").read_text()
    assert "Gate: interrupted (exit code 130)." in page
    assert told in page
    assert (
        (harness.folder / "summary.md")
        .read_text()
        .startswith("### ! Interrupted&#58; 7 planned runs are missing")
    )
    cases = junitparser.JUnitXml.fromfile(str(harness.folder / "junit.xml"))
    errors = [case.classname for suite in cases for case in suite if case.result and not case.is_skipped]
    assert errors == ["harness.probe.default", "harness.probe.other"]
    again = harness("judge", "gate", "--scenarios", "probe.py")
    assert again.code == 130, again.err
    assert told in again.out
    (row,) = index_page.collect(harness.folder).rows
    assert row.headline.lead == "Interrupted: 7 planned runs are missing."
    assert row.headline.sentence.startswith("7 planned runs are missing")
    (harness.folder / "go").touch()
    done = harness("gate", "--resume", "gate")
    assert done.code == 3, done.out + done.err
    assert harness.job("gate")["unfinished"] == {}
    assert "interrupted" not in done.out


def plan(*requests: RunRequest, gate: GateSettings | None = None, commit: str = "a" * 40) -> Plan:
    """Plan runs of a commit."""
    return Plan(
        schema=plans.SCHEMA, created="2030-01-01T00:00:00+00:00", command="harness gate", commit=commit, baselines="",
        requests=requests, gate=gate, environment={"cpu": "another"},
    )  # fmt: skip


def leave(folder: Path, wanted: Plan, *finished: RunRequest) -> None:
    """Leave a killed job: its plan, and the results of some of its runs."""
    files.write_json(folder / "plan.json", wanted)
    for asked in finished:
        done = dataclasses.replace(made.run({}, asked), started="2030-01-01T00:00:00")
        files.write_json(folder / "runs" / asked.key / "result.json", done)


SIDES = [
    request(seed, side=side, round=turn)
    for turn in ("screen", "confirm")
    for seed in (0, 1)
    for side in ("base", "head")
]


@pytest.mark.slow
def test_a_killed_gate_is_read_as_a_gate(tmp_path: Path) -> None:
    """Whatever reads it finds base and head apart, the gate's settings, and that runs are missing; the index names its own command."""
    settings = GateSettings(against="main", base_commit="b" * 40)
    leave(tmp_path / "gate", plan(*SIDES, gate=settings), *SIDES[:5])
    job = jobs.read(tmp_path / "gate")
    assert job.gate is not None
    assert [run.request for run in job.results] == [asked for asked in SIDES[:5] if asked.side == "head"]
    assert [run.request for run in job.gate.base_results] == [
        asked for asked in SIDES[:5] if asked.side == "base"
    ]
    assert (job.gate.settings, outcome.exit_code(job), job.unfinished) == (
        settings,
        130,
        {"probe:default": 3},
    )
    (left,) = index_page.collect(tmp_path).left
    assert f"harness gate --resume {tmp_path / 'gate'}" in left.reason
    with pytest.raises(StorageError, match=r"3 of 8 runs to do\. Type: harness gate --resume"):
        plans.begin(plan(), tmp_path / "gate")


def test_a_gate_whose_runs_all_ended_did_not_pass_before_it_was_judged(tmp_path: Path) -> None:
    """Killed before it could judge, it lacks nothing but a verdict: that is no pass."""
    leave(tmp_path, plan(*SIDES, gate=GateSettings(against="main")), *SIDES)
    job = jobs.read(tmp_path)
    assert (job.unfinished, outcome.exit_code(job)) == ({}, 2)


def test_date_commit_and_machine_are_those_of_the_plan(tmp_path: Path) -> None:
    """A job that is put together later, from another checkout and elsewhere, is of where it began."""
    leave(tmp_path, plan(request(0)), request(0))
    job = jobs.read(tmp_path)
    assert (job.created, job.commit) == ("2030-01-01T00:00:00+00:00", "a" * 40)
    assert job.environment == {"cpu": "another"}


def stopped(**changes: typing.Any) -> Job:
    """Return the job of a gate that was interrupted when all planned runs had ended."""
    gate = dataclasses.replace(made.gate(), interrupted=True)
    job = made.job(schema=jobs.SCHEMA, created="2030-01-01T00:00:00+00:00", command="harness gate", gate=gate)
    return outcome.closed(dataclasses.replace(job, **changes))


def test_an_interrupt_between_two_looks_is_one(tmp_path: Path) -> None:
    """Nothing planned is missing and the gate had not decided: it is interrupted all the same, in every channel."""
    job = stopped()
    assert (outcome.exit_code(job), headline(job).lead) == (130, "Interrupted.")
    told = "the gate had not decided yet"
    assert told in "".join(junit.xml_parts(job))
    assert told in summary.markdown(job)
    assert told in render(job, tmp_path, {})
    assert any(told in line and line.startswith("::error") for line in github.commands(job))


def test_many_variants_are_counted() -> None:
    """A sentence names eight variants and counts the others; the JUnit file has them all."""
    job = stopped(unfinished={f"probe:v{number}": 2 for number in range(20)})
    assert outcome.interruption(job).endswith("probe:v7 (2) and 12 more variants")
    assert "".join(junit.xml_parts(job)).count("<error") == 20


@pytest.mark.parametrize(("code", "lead"), [(0, "passed"), (3, "a person must approve")])
def test_older_gates_are_read_as_they_were(tmp_path: Path, code: int, lead: str) -> None:
    """A stored gate without the new fields was not interrupted."""
    job = msgspec.to_builtins(stopped())
    del job["unfinished"], job["gate"]["interrupted"]
    job["schema"], job["gate"]["exit_code"] = 1, code
    (tmp_path / "run.json").write_text(json.dumps(job))
    read = jobs.read(tmp_path)
    assert outcome.exit_code(read) == code
    assert headline(read).sentence.endswith(f" Gate: {lead} (exit code {code}).")
