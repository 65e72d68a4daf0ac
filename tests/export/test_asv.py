"""asv itself reads what is exported for it: show, compare and publish, in a repository of two commits."""

from __future__ import annotations

import dataclasses
import json
import platform
import typing

import pytest

from harness.errors import HarnessError, StorageError
from harness.export import asv

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Job
    from tests.export.conftest import Project

NAME = "harness.probe.short.good.error_rate"


@pytest.mark.system
def test_asv_show_reads_it(project: Project) -> None:
    """`asv show COMMIT` prints the median error rate over the runs."""
    done = project.asv("show", project.commits[0], "--details")
    assert done.returncode == 0, done.stderr
    assert NAME in done.stdout
    assert "harness.probe.short.good.train.seconds" in done.stdout
    assert "0.09" in done.stdout.split(NAME)[1].split("harness.probe")[0]


@pytest.mark.system
def test_asv_compare_finds_the_loss(project: Project) -> None:
    """`asv compare` lists a higher error rate as worse, by its interval over the runs; accuracy it would take for an improvement."""
    done = project.asv("compare", *project.commits, "--split")
    assert done.returncode == 0, done.stderr
    listed = done.stdout.split("Benchmarks that have got worse")[1]
    (line,) = (line for line in listed.splitlines() if NAME in line)
    assert "4.33" in line
    assert "accuracy" not in done.stdout


@pytest.mark.system
def test_asv_publish_draws_it(project: Project) -> None:
    """`asv publish` writes a graph of the series with both commits."""
    done = project.asv("publish")
    assert done.returncode == 0, done.stdout + done.stderr
    published = project.folder / "html"
    index = json.loads((published / "index.json").read_text())
    assert NAME in index["benchmarks"]
    assert index["params"]["backend"] == ["numpy"]
    (graph,) = [path for path in (published / "graphs").rglob(f"{NAME}.json") if "summary" not in path.parts]
    points = json.loads(graph.read_text())
    assert [round(value, 12) for _, value in points] == [0.09, 0.39]


@pytest.mark.slow
def test_runs_of_one_commit_come_together(project: Project, job: Job, tmp_path: Path) -> None:
    """A second export for a commit adds to the first; the machine's description stays."""

    def written(variant: str) -> tuple[dict[str, typing.Any], bytes]:
        only = tuple(run for run in job.results if run.request.variant == variant)
        asv.write(
            dataclasses.replace(job, commit=project.commits[0], results=only), tmp_path, "", project.folder
        )
        (path,) = (tmp_path / platform.node()).glob(f"{project.commits[0][:8]}-*.json")
        return json.loads(path.read_text())["results"], path.with_name("machine.json").read_bytes()

    (first, machine), (both, after) = written("good"), written("bad")
    assert {name.split(".")[3] for name in first} == {"good"}
    assert {name.split(".")[3] for name in both} == {"good", "bad"}
    assert {name: both[name] for name in first} == first
    assert after == machine


def refuse(job: Job, project: Project, folder: Path, **changes: typing.Any) -> str:
    """Say why an export is refused; nothing may have been written."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(HarnessError) as caught:
        asv.write(
            dataclasses.replace(job, **{"commit": project.commits[0], **changes}), folder, "", project.folder
        )
    assert sorted(folder.rglob("*")) == before
    return str(caught.value)


@pytest.mark.slow
def test_what_belongs_to_no_commit_is_refused(
    job: Job, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dirty tree, no commit, a commit of another project, one that git would take for an option, and no checkout: one clear error each."""
    results = tmp_path / "results"
    results.mkdir()
    assert "Commit and run again" in refuse(job, project, results, commit=f"{project.commits[0]}+dirty")
    assert "no commit" in refuse(job, project, results, commit="")
    assert "git fetch --unshallow" in refuse(job, project, results, commit="0" * 40)
    option = refuse(job, project, results, commit=f"--output={tmp_path / 'written'}")
    assert "of the run is no commit" in option
    assert not (tmp_path / "written").exists()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    outside = dataclasses.replace(project, folder=tmp_path)
    reason = refuse(job, outside, results)
    assert "is not in a git checkout. Type it in the checkout that asv is configured for" in reason
    monkeypatch.setenv("PATH", "")
    assert "the program git cannot be started" in refuse(job, project, results)


def test_another_machine_must_be_named(job: Job, project: Project, tmp_path: Path) -> None:
    """Results of another computer never land under this one's name by accident."""
    elsewhere = {**job.environment, "cpu": "another"}
    assert "--machine" in refuse(job, project, tmp_path, environment=elsewhere)
    there = dataclasses.replace(job, commit=project.commits[0], environment=elsewhere)
    asv.write(there, tmp_path, "build-server", project.folder)
    assert json.loads((tmp_path / "build-server" / "machine.json").read_text())["cpu"] == "another"


def test_a_folder_that_is_not_asvs(job: Job, project: Project, tmp_path: Path) -> None:
    """A folder with other files, or of a version of asv that is not known, is left alone."""
    (tmp_path / "thesis.tex").write_text("mine")
    assert "no results folder of asv" in refuse(job, project, tmp_path)
    (tmp_path / "benchmarks.json").write_text('{"version": 3}')
    assert "version 3" in refuse(job, project, tmp_path)
    (tmp_path / "benchmarks.json").write_text("{")
    with pytest.raises(StorageError, match="cannot be read"):
        asv.write(dataclasses.replace(job, commit=project.commits[0]), tmp_path, "", project.folder)


def test_results_of_another_project(job: Job, project: Project, tmp_path: Path) -> None:
    """A folder whose commits are all foreign is not added to, and stays as it is; one known commit among them is enough."""
    asv.write(dataclasses.replace(job, commit=project.commits[0]), tmp_path, "", project.folder)
    (path,) = (found for found in tmp_path.glob("*/*.json") if found.name != "machine.json")
    foreign = path.with_name("00000000-existing.json")
    foreign.write_text(path.read_text().replace(project.commits[0], "0" * 40))
    asv.write(dataclasses.replace(job, commit=project.commits[1]), tmp_path, "", project.folder)
    for found in tmp_path.glob("*/*.json"):
        if found.name not in {"machine.json", foreign.name}:
            found.unlink()
    before = sorted(tmp_path.rglob("*"))
    reason = refuse(job, project, tmp_path, commit=project.commits[0])
    assert "holds results of 1 commits, none of which is in this checkout" in reason
    assert sorted(tmp_path.rglob("*")) == before


def test_smoke_runs_are_not_exported(job: Job, project: Project, tmp_path: Path) -> None:
    """A job of smoke runs only is refused: the asv suite measures those itself."""
    results = tuple(
        dataclasses.replace(r, request=dataclasses.replace(r.request, tier="smoke")) for r in job.results
    )
    assert "--tier short" in refuse(job, project, tmp_path, results=results)


def test_the_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`harness export asv RUN --results DIR` works in the checkout of the run; without --results it says what is missing."""
    from harness import cli

    monkeypatch.chdir(folder.parent)
    assert cli.main(["export", "asv", str(folder)]) == 2
    assert "--results DIR" in capsys.readouterr().err
    assert cli.main(["export", "asv", str(folder), "--results", str(tmp_path / "results")]) == 0
    assert (tmp_path / "results" / "benchmarks.json").exists()


@pytest.mark.parametrize("field", ["backend", "device"])
def test_a_name_that_leads_out_of_the_folder_is_refused(
    job: Job, project: Project, tmp_path: Path, field: str
) -> None:
    """What becomes part of a file name stays one: no backend of a foreign run.json writes elsewhere."""
    results = tuple(
        dataclasses.replace(run, request=dataclasses.replace(run.request, **{field: "x/../../../out"}))  # type: ignore[arg-type]
        for run in job.results
    )
    assert "make no file name" in refuse(job, project, tmp_path, results=results)
