"""The tidy table: pandas reads the CSV back as it was, and nothing in it is a formula."""

from __future__ import annotations

import csv
import dataclasses
import io
import subprocess
import sys
import typing

import pytest

from harness import export
from harness.store import table

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Job

READ = {"dtype": {"index": str, "value": float}, "keep_default_na": False, "na_values": {"value": [""]}}


def test_pandas_reads_it_back(job: Job) -> None:
    """Every number of every run comes back equal, under its scenario, variant, tier, seed, metric and index."""
    import pandas as pd

    frame = pd.read_csv(io.StringIO("".join(table.csv_lines(job))), **READ)  # type: ignore[call-overload]
    assert tuple(frame.columns) == table.COLUMNS
    key = ["scenario", "variant", "tier", "seed", "device", "backend", "metric", "index"]
    assert not frame.duplicated(key).any()
    good = frame[(frame["variant"] == "good") & (frame["metric"] == "accuracy")]
    assert list(good["value"]) == [0.90, 0.91, 0.92]
    assert set(good["unit"]) == {""}
    assert set(good["better"]) == {"higher"}
    spectrum = frame[(frame["variant"] == "good") & (frame["seed"] == 2) & (frame["metric"] == "spectrum")]
    assert dict(zip(spectrum["index"], spectrum["value"], strict=True)) == {
        "0;0": 3.0,
        "0;1": 2.0,
        "1;0": 1.0,
        "1;1": 0.5,
    }
    assert len(frame) == sum(1 for _ in table.rows(job))


def test_a_failed_run_is_a_row(job: Job) -> None:
    """A run that died has one row with its error and no value: it is not silently absent."""
    dead = [row for row in table.rows(job) if row["variant"] == "dead"]
    assert [row["seed"] for row in dead] == [0, 1, 2]
    assert all(row["status"] == "error" and row["value"] is None for row in dead)
    assert "as asked <for> & more" in dead[0]["error"]


def test_no_cell_is_a_formula(job: Job) -> None:
    """A metric named like a formula gets an apostrophe; its negative value stays a number."""
    cells = list(csv.DictReader(io.StringIO("".join(table.csv_lines(job)))))
    (row,) = (
        row for row in cells if row["metric"] == "'=1+1" and row["seed"] == "0" and row["variant"] == "good"
    )
    assert float(row["value"]) == -2.0
    texts = [cell for row in cells for name, cell in row.items() if name != "value"]
    assert not [cell for cell in texts if cell.startswith(("=", "+", "-", "@"))]


def test_times_of_a_disturbed_run_are_no_headline(job: Job) -> None:
    """Another tool gets no time of a run beside which something else ran; its accuracy it does get."""
    noisy = tuple(
        dataclasses.replace(r, measurement=dataclasses.replace(r.measurement, foreign_cpu=0.5))
        if r.measurement
        else r
        for r in job.results
    )
    kinds = {series.kind for series in table.headlines(dataclasses.replace(job, results=noisy))}
    assert "accuracy" in kinds
    assert "runtime" not in kinds
    assert "runtime" in {series.kind for series in table.headlines(job)}


@pytest.mark.parametrize("form", export.FORMATS)
def test_the_command_writes_the_files(folder: Path, tmp_path: Path, form: str) -> None:
    """`harness export FORMAT RUN --out FOLDER` writes the format's files and names them."""
    from harness import cli

    assert cli.main(["export", form, str(folder), "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(export.FORMATS[form])


def test_the_formats_of_the_command_are_those_there_are() -> None:
    """The command line names every format, without importing them."""
    from harness import cli

    assert set(cli.EXPORTS) == {*export.FORMATS, "asv"}


def test_out_may_be_a_file(job: Job, tmp_path: Path) -> None:
    """A format of one file takes a file name."""
    assert export.write(job, "csv", tmp_path, tmp_path / "mine.csv") == [tmp_path / "mine.csv"]
    assert (tmp_path / "mine.csv").read_text().startswith("scenario,variant,tier,seed")


def test_an_unknown_format_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped format is one error with the nearest name."""
    from harness import cli

    assert cli.main(["export", "junitt", "anywhere"]) == 2
    assert "Did you mean 'junit'?" in capsys.readouterr().err


def test_writing_csv_needs_no_pandas(folder: Path, tmp_path: Path) -> None:
    """The exporters start fast: neither pandas nor a framework is imported."""
    code = (
        "import sys; from harness import cli; "
        f"code = cli.main(['export', 'csv', {str(folder)!r}, '--out', {str(tmp_path)!r}]); "
        "sys.exit(code or bool({'pandas', 'torch', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
