"""The report shows where runs ran, and in what differ the machines."""

from __future__ import annotations

import dataclasses
import typing

from harness.records import Measurement, RunRequest, RunResult
from harness.report import environments, render

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Job, Scenario


def result(seed: int, **environment: str) -> RunResult:
    """Return a run with that environment."""
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=seed)
    measurement = Measurement(
        request=request, scenario_version=1, options={}, metrics={}, stages=(), identities=(), predictions=(), figures=(),
        datasets=(), environment=environment,
    )  # fmt: skip
    return RunResult(request=request, status="ok", started="", wall_seconds=1.0, measurement=measurement)


def test_workers_get_columns_of_their_own() -> None:
    """Runs are gathered by worker; fields in which one worker's runs differ show all values; load is left out."""
    runs = [
        result(0, cpu="a", load="1"),
        result(1, cpu="a", numpy="1", load="2"),
        result(2, cpu="b", worker="tcp://x:1", numpy="1"),
        result(3, cpu="b", worker="tcp://x:1", numpy="2"),
    ]
    found = environments.table({"os": "Linux"}, runs)
    assert [(place.name, place.runs) for place in found.places] == [(environments.HERE, 2), ("tcp://x:1", 2)]
    assert found.names == ("os", "cpu", "numpy")
    assert [dict(place.fields) for place in found.places] == [
        {"cpu": "a", "numpy": "1"},
        {"cpu": "b", "numpy": "1; 2"},
    ]


def test_many_workers_are_counted() -> None:
    """Beyond the columns that fit, workers are counted, and their runs too."""
    found = environments.table({}, (result(seed, worker=f"tcp://x:{seed}") for seed in range(20)))
    assert (len(found.places), found.more) == (environments.MOST_PLACES, 20 - environments.MOST_PLACES)


def test_the_page_shows_them(job: Job, folder: Path, scenarios: dict[str, Scenario]) -> None:
    """Each worker's address and CPU stand on the page, escaped."""
    first = job.results[0]
    assert first.measurement is not None
    elsewhere = first.measurement.environment | {"worker": "tcp://<far>:1", "cpu": "Another <CPU>"}
    measurement = dataclasses.replace(first.measurement, environment=elsewhere)
    changed = dataclasses.replace(
        job, results=(dataclasses.replace(first, measurement=measurement), *job.results[1:])
    )
    page = render(changed, folder, scenarios)
    assert "tcp://&lt;far&gt;:1" in page
    assert "Another &lt;CPU&gt;" in page
