"""Tracks over jobs: what may share a line, in which order commits stand, and what the command shows."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import typing

import numpy as np
import pytest

from harness.cli import history_table
from harness.judging import history
from harness.records import DatasetUse, Measured
from harness.store import files, git
from tests.judging import made

if typing.TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.judging.history import Line, Place, Track
    from harness.records import Job
    from tests.conftest import Harness

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
MACHINE = {
    "backend": "numpy",
    "device": "cpu",
    "cpu": "A",
    "cpu_flags": "avx2",
    "threads": "2",
    "os": "Linux",
}
KINDS: dict[str, tuple[typing.Any, typing.Any, str]] = {
    "total.seconds": ("runtime", "lower", "s"), "train.seconds": ("runtime", "lower", "s"), "accuracy": ("accuracy", "higher", ""),
    "f1_macro": ("accuracy", "higher", ""), "loss": ("accuracy", "lower", "nat"), "total.above_imports_bytes": ("memory", "lower", "B"),
}  # fmt: skip


def job(
    day: int, values: dict[str, float], *, commit: str | None = None, version: int = 1, foreign_cpu: float = 0.0, sha256: str = "aa" * 32,
    **environment: str,
) -> Job:  # fmt: skip
    """Make a job of one run on a day."""
    metrics = {
        name: Measured(value=value, unit=KINDS[name][2], kind=KINDS[name][0], better=KINDS[name][1])
        for name, value in values.items()
    }
    data = (DatasetUse(name="digits", sha256=sha256, complete=True, found="all"),)
    run = made.run(
        metrics, scenario_version=version, datasets=data, environment=MACHINE | environment, foreign_cpu=foreign_cpu
    )  # fmt: skip
    return made.job(
        [run],
        created=(START + dt.timedelta(days=day)).isoformat(),
        commit=f"{day:02x}".ljust(40, "a") if commit is None else commit,
    )


def tracks(jobs: Iterable[Job], known: dict[str, Place] | None = None) -> list[Track]:
    """Lay jobs out."""
    return history.tracks(history.gather(jobs), known or {})


def line(track: Track, metric: str) -> list[Line]:
    """Return the lines of a metric."""
    return [one for one in track.lines if one.metric == metric]


def test_a_loss_and_its_repair_are_named_by_their_commits() -> None:
    """One worse and one better change, each with the first commit of the new level and the last of the old one."""
    noise = np.random.default_rng(7).normal(scale=0.004, size=45)
    values = np.repeat([0.95, 0.90, 0.95], 15) + noise
    (track,) = tracks(job(day, {"accuracy": float(value)}) for day, value in enumerate(values))
    assert [(one.line.rows[one.change.index], one.change.direction) for one in track.findings] == [
        (15, "worse"),
        (30, "better"),
    ]
    text = history_table.sentence(track, track.findings[0])
    assert "accuracy: 94.95% to 89.72% from 0faaaaaa (2026-01-16), after 0eaaaaaa (2026-01-15)" in text


def test_machines_are_separate_lines_for_times_only() -> None:
    """Nights of two processors: no change of time or memory between them, one line of accuracy over both, and headings say which is which."""
    jobs = [
        job(day, {"accuracy": 0.9, "total.seconds": 1.0 + slow, "total.above_imports_bytes": 2.0**27}, cpu="B" if slow else "A")
        for day in range(16) for slow in [day >= 8]
    ]  # fmt: skip
    (track,) = tracks(jobs)
    assert track.findings == []
    assert [(one.where, set(one.values)) for one in line(track, "total.seconds")] == [
        ((("cpu", "A"),), {1.0}),
        ((("cpu", "B"),), {2.0}),
    ]
    (accuracy,) = line(track, "accuracy")
    assert (len(accuracy.rows), accuracy.where) == (16, ())
    (memory,) = line(track, "total.above_imports_bytes")
    assert len(memory.rows) == 16
    assert list(history.legend(track.lines)) == ["[A] cpu A", "[B] cpu B"]


@pytest.mark.parametrize(
    "field", ["threads", "os", "blas", "gpu", "cpu_flags", "executor", "python", "numpy"]
)
def test_whatever_forbids_comparing_times_parts_their_lines(field: str) -> None:
    """The history asks the table that baselines ask, so that neither knows a field that the other does not."""
    values = {"accuracy": 0.9, "total.seconds": 1.0}
    jobs = [job(day, values, **typing.cast("typing.Any", {field: f"{day % 2}"})) for day in range(4)]
    (track,) = tracks(jobs)
    assert len(line(track, "total.seconds")) == 2
    assert len(line(track, "accuracy")) == 1


def test_other_data_and_other_versions_are_other_tracks() -> None:
    """Their scores are answers to other questions; the title says which data where there are several."""
    jobs = [
        job(0, {"accuracy": 0.1}),
        job(1, {"accuracy": 0.2}, sha256="bb" * 32),
        job(2, {"accuracy": 0.3}, version=2),
    ]
    found = tracks(jobs)
    assert [history.title(track) for track in found] == [
        "probe:default smoke numpy cpu (version 1); data digits aaaaaaaa; commits that git does not know here, in the order of their runs",
        "probe:default smoke numpy cpu (version 1); data digits bbbbbbbb; commits that git does not know here, in the order of their runs",
        "probe:default smoke numpy cpu (version 2); commits that git does not know here, in the order of their runs",
    ]


def test_a_commit_is_one_row_however_often_it_was_measured() -> None:
    """Its runs are put together; with other libraries it is a second row that names them, and what is not committed is one each time."""
    jobs = [
        job(day, {"accuracy": value}, commit="a" * 40, numpy="2.0") for day, value in enumerate((0.5, 0.7))
    ]
    jobs += [job(2, {"accuracy": 0.9}, commit="a" * 40, numpy="2.1")]
    jobs += [job(day, {"accuracy": 0.8}, commit="a" * 40 + "+dirty", numpy="2.1") for day in (3, 4)]
    (track,) = tracks(jobs)
    (accuracy,) = line(track, "accuracy")
    assert [round(value, 6) for value in accuracy.values] == [0.6, 0.9, 0.8, 0.8]
    assert [row.jobs for row in track.rows] == [2, 1, 1, 1]
    assert [history.label(track, row) for row in track.rows] == [
        "aaaaaaaa numpy 2.0",
        "aaaaaaaa numpy 2.1",
        "aaaaaaaa+dirty",
        "aaaaaaaa+dirty",
    ]


def test_runs_without_a_commit_are_named_so_once() -> None:
    """They are a track of their own whose title says so; no row and no change repeats it."""
    jobs = [job(day, {"accuracy": 0.9 - 0.1 * (day > 3)}, commit="") for day in range(8)]
    (track,) = tracks([*jobs, job(9, {"accuracy": 0.5})])[:1]
    assert len(track.rows) == 8
    assert history.title(track).count("without a commit") == 1
    (finding,) = track.findings
    assert "commit" not in history_table.sentence(track, finding)
    assert "from 2026-01-05 00:00, after 2026-01-04 00:00" in history_table.sentence(track, finding)


def test_correlated_scores_are_one_finding() -> None:
    """Accuracy leads, F1 and loss follow; a total leads its stages; opposite directions and other kinds stay apart."""
    values = [
        {
            "accuracy": 0.9 - drop,
            "f1_macro": 0.9 - drop,
            "loss": 0.3 + drop,
            "total.seconds": 2 + 9 * drop,
            "train.seconds": 1 + 9 * drop,
        }
        for drop in [0.0] * 4 + [0.1] * 4
    ]
    (track,) = tracks(job(day, one) for day, one in enumerate(values))
    assert [(one.line.metric, one.others, one.change.direction) for one in track.findings] == [
        ("accuracy", ("f1_macro", "loss"), "worse"), ("total.seconds", ("train.seconds",), "worse"),
    ]  # fmt: skip


def test_a_spike_is_a_spike() -> None:
    """One commit that differs is no change of level, is told as what it is, and is marked in its row."""
    (track,) = tracks(job(day, {"accuracy": 0.5 if day == 4 else 0.9}) for day in range(9))
    (finding,) = track.findings
    assert (finding.change.spike, finding.change.index) == (True, 4)
    assert "90.00% to 50.00% at 04aaaaaa (2026-01-05) only" in history_table.sentence(track, finding)


def test_disturbed_times_are_left_out() -> None:
    """A time measured beside other work is no point; the accuracy of the same run is."""
    (track,) = tracks([job(0, {"accuracy": 0.9, "total.seconds": 1.0}, foreign_cpu=0.5)])
    assert [one.metric for one in track.lines] == ["accuracy"]


# -- order ------------------------------------------------------------------------------------------


@pytest.fixture
def branches(harness: Harness) -> dict[str, str]:
    """Make main with four commits, and a branch of two from the second; return hashes by message."""
    harness.repository()
    folder = harness.folder

    def commit(message: str) -> str:
        git.text(folder, "commit", "--allow-empty", "-qm", message)
        return git.text(folder, "rev-parse", "HEAD")

    main = git.text(folder, "rev-parse", "--abbrev-ref", "HEAD")
    found = {name: commit(name) for name in ("m1", "m2")}
    git.text(folder, "checkout", "-qb", "side")
    found |= {name: commit(name) for name in ("s1", "s2")}
    git.text(folder, "checkout", "-q", main)
    return found | {name: commit(name) for name in ("m3", "m4")}


def test_the_order_is_the_commits(harness: Harness, branches: dict[str, str]) -> None:
    """Backfilled commits stand where they belong; a branch and commits unknown to git are tracks of their own."""
    days = {name: day for day, name in enumerate(("m4", "m3", "s2", "s1", "m1", "m2"))}
    jobs = [job(day, {"accuracy": 0.9}, commit=branches[name]) for name, day in days.items()]
    jobs += [job(9, {"accuracy": 0.9}, commit="f" * 40), job(10, {"accuracy": 0.9}, commit="--output=x")]
    commits = [*branches.values(), "f" * 40, "--output=x"]
    parents = git.parents(harness.folder, commits)
    assert not (harness.folder / "x").exists()
    known = history.places(parents, branches["m4"], commits)
    found = {(track.strand, track.tip): [row.commit for row in track.rows] for track in tracks(jobs, known)}
    assert found == {
        ("history", ""): [branches[name] for name in ("m1", "m2", "m3", "m4")],
        ("branch", branches["s2"]): [branches[name] for name in ("s1", "s2")],
        ("unknown", ""): ["f" * 40, "--output=x"],
    }
    # from an older commit what builds on it is still its history
    behind = history.places(parents, branches["m1"], commits)
    assert {place.strand for place in behind.values()} == {"history"}
    beside = history.places(parents, branches["s1"], commits)
    assert [name for name, commit in branches.items() if beside[commit].strand == "branch"] == ["m3", "m4"]


def test_commits_of_unrelated_histories_have_places(harness: Harness, branches: dict[str, str]) -> None:
    """Without a common ancestor each history is a branch of its own."""
    git.text(harness.folder, "checkout", "-q", "--orphan", "other")
    git.text(harness.folder, "commit", "--allow-empty", "-qm", "o1")
    other = git.text(harness.folder, "rev-parse", "HEAD")
    commits = [*branches.values(), other]
    known = history.places(git.parents(harness.folder, commits), other, commits)
    assert [known[commit].strand for commit in commits] == ["branch"] * 6 + ["history"]


@pytest.mark.parametrize(("remote", "page"), [
    ("git@github.com:o/r.git", "https://github.com/o/r/commit/"), ("https://user:secret@git.example.org/g/s/r", "https://git.example.org/g/s/r/commit/"),
    ("ssh://git@host.example:22/o/r.git", "https://host.example/o/r/commit/"), ("/srv/r.git", ""), ("file:///srv/r", ""),
    ('https://h/"onmouseover="x', ""), ("javascript:alert(1)", ""),
])  # fmt: skip
def test_the_page_of_a_commit_comes_from_the_remote(harness: Harness, remote: str, page: str) -> None:
    """Host and path only: no password, no port, no local path, nothing that is not an address."""
    harness.repository()
    git.text(harness.folder, "remote", "add", "upstream", remote)
    assert git.web(harness.folder) == page


# -- the command ------------------------------------------------------------------------------------


def test_the_command_shows_stored_runs(harness: Harness) -> None:
    """By default every run below reports/ is read; a pattern chooses metrics; --html writes the page; without runs the next step is named."""
    none = harness("history")
    assert none.code == 2
    assert "Type: harness run" in none.err
    scenario = harness.scenario("SCENARIO = declare(guess)")
    for name in ("a", "b"):
        out = f"reports/{name}"
        assert harness("run", "probe", "--scenarios", scenario, "--out", out).code == 0
    shown = harness("history")
    assert shown.code == 0, shown.err
    assert "probe:default smoke numpy cpu (version 1)" in shown.out
    assert shown.out.count("without a commit") == 1
    assert "f1_macro" not in shown.out
    assert "f1_macro" in harness("history", "--metric", "f1_*").out
    assert harness("history", "reports/a", "reports/a", "--metric", "accuracy").out.count("%") == 1
    written = harness("history", "--html", "history.html")
    assert written.code == 0, written.err
    assert "Page: history.html" in written.out
    page = (harness.folder / "history.html").read_text()
    assert "accuracy" in page
    assert "metrics without a change are not shown" in page
    missing = harness("history", "reports/none")
    assert missing.code == 2
    assert "reports/none" in missing.err
    (harness.folder / "reports" / "torn").mkdir()
    (harness.folder / "reports" / "torn" / "run.json").write_text("{")
    partly = harness("history")
    assert partly.code == 2
    assert partly.out == shown.out
    assert "passed over reports/torn" in partly.err


def test_a_backfill_is_drawn_in_the_order_of_its_commits(harness: Harness, branches: dict[str, str]) -> None:
    """The command asks git: accuracy fell at m3, though m1 and m2 were measured after m4; the page links the commits."""
    git.text(harness.folder, "remote", "add", "origin", "git@github.com:o/r.git")
    for name, day in (("m3", 0), ("m4", 1), ("m1", 2), ("m2", 3)):
        files.write_json(
            harness.folder / "reports" / name / "run.json",
            job(day, {"accuracy": 0.95 - 0.05 * (name > "m2")}, commit=branches[name]),
        )
    shown = harness("history", "--html", "history.html")
    assert (
        f"worse probe:default smoke numpy cpu accuracy: 95.00% to 90.00% from {branches['m3'][:8]}"
        in shown.out
    )
    page = (harness.folder / "history.html").read_text()
    assert f'href="https://github.com/o/r/commit/{branches["m3"]}"' in page
    assert json.dumps(branches["m3"])[1:-1] in page


def test_a_changed_metric_appears_though_it_is_not_shown() -> None:
    """A metric that is not among the shown ones appears once it changes."""
    quiet = tracks(job(day, {"train.seconds": 1.0}) for day in range(8))
    assert history.select(quiet, ()) == []
    changed = tracks(job(day, {"train.seconds": 1.0 + (day > 3)}) for day in range(8))
    assert history.select(changed, ()) == [(changed[0], [])]


def test_only_the_page_brings_the_report(tmp_path: Path) -> None:
    """The command that writes no page imports no template, none of the report, and no library of statistics."""
    (tmp_path / "one").mkdir()
    files.write_json(tmp_path / "one" / "run.json", job(0, {"accuracy": 0.9}))
    code = (
        "import sys; from harness import cli; "
        f"code = cli.main(['history', {str(tmp_path / 'one')!r}]); "
        "sys.exit(code or bool({'jinja2', 'harness.report', 'ruptures', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
