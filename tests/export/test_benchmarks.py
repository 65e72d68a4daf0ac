"""The trackers' formats, against schemas written from their documentation."""

from __future__ import annotations

import json
import typing

import jsonschema

from harness.export import benchmarks

if typing.TYPE_CHECKING:
    from harness.records import Job

ACTION = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name", "unit", "value"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "unit": {"type": "string", "minLength": 1},
            "value": {"type": "number"},
            "range": {"type": "string"},
            "extra": {"type": "string"},
        },
    },
}
BENCHER = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "propertyNames": {"minLength": 1, "maxLength": 64},
        "additionalProperties": {
            "type": "object",
            "required": ["value"],
            "additionalProperties": False,
            "properties": {
                "value": {"type": "number"},
                "lower_value": {"type": "number"},
                "upper_value": {"type": "number"},
            },
        },
    },
}


def test_one_direction_a_file(job: Job) -> None:
    """github-action-benchmark gets accuracy in one file, times and sizes in the other, each name once."""
    bigger, smaller = (
        json.loads(write(job)) for write in (benchmarks.bigger_is_better, benchmarks.smaller_is_better)
    )
    for content in (bigger, smaller):
        jsonschema.validate(content, ACTION)
        names = [entry["name"] for entry in content]
        assert len(set(names)) == len(names) > 0
    by_name = {entry["name"]: entry for entry in bigger}
    accuracy = by_name["probe:good short numpy cpu accuracy"]
    assert abs(accuracy["value"] - 0.91) < 1e-12
    assert accuracy["range"] == "± 0.01"
    assert accuracy["extra"] == "accuracy, mean of 3 runs"
    lower = {entry["name"]: entry["unit"] for entry in smaller}
    assert lower["probe:good short numpy cpu train.seconds"] == "s"
    assert "probe:good short numpy cpu accuracy" not in lower


def test_bencher_metric_format(job: Job) -> None:
    """Bencher gets mean, lowest and highest of the runs, the value never outside its bounds."""
    content = json.loads(benchmarks.bencher(job))
    jsonschema.validate(content, BENCHER)
    measures = content["probe:good short numpy cpu"]
    assert measures["accuracy"]["lower_value"] == 0.90
    assert measures["accuracy"]["upper_value"] == 0.92
    for measure in measures.values():
        assert measure["lower_value"] <= measure["value"] <= measure["upper_value"]


def test_a_failed_run_gives_no_value(job: Job) -> None:
    """A variant whose runs all died is absent: a tracker has no word for an error, JUnit has."""
    assert not [name for name in json.loads(benchmarks.bencher(job)) if "dead" in name]
