"""What `harness list` and `harness data status` print."""

from __future__ import annotations

import dataclasses
import typing
from collections import Counter

from harness.machine.environment import missing_packages

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.records import Expectation, Scenario


def as_plain(scenarios: Mapping[str, Scenario]) -> list[dict[str, typing.Any]]:
    """Return everything that scenarios declare as plain lists and mappings; tests pin these keys, users script against them."""
    return [_scenario(scenario) for scenario in scenarios.values()]


def _scenario(scenario: Scenario) -> dict[str, typing.Any]:
    variants = [
        {"name": variant.name, "default": index == 0, "tiers": scenario.tiers_of(variant.name), "doc": variant.doc}
        for index, variant in enumerate(scenario.variants)
    ]  # fmt: skip
    data = {
        str(options[key]) for options in scenario.tiers.values() for key in ("dataset",) if key in options
    }
    return {
        "name": scenario.name,
        "version": scenario.version,
        "source": dataclasses.asdict(scenario.source),
        "variants": variants,
        "tiers": list(scenario.tiers),
        "datasets": sorted(data),
        "backends": list(scenario.backends),
        "devices": list(scenario.devices),
        "gated": list(scenario.gated),
        "needs": list(scenario.needs),
        "expectations": [_expectation(expected, scenario.source.slug) for expected in scenario.expectations],
    }


def _expectation(expected: Expectation, source: str) -> dict[str, typing.Any]:
    wanted = (
        "metric",
        "variant",
        "value",
        "unit",
        "place",
        "row",
        "rule",
        "half_width",
        "runs",
        "unreadable",
        "gap",
    )
    plain = {name: getattr(expected, name) for name in wanted}
    return {**plain, "source": source, "order": list(expected.order), "tiers": list(expected.tiers)}


def as_text(scenarios: Mapping[str, Scenario]) -> str:
    """Return a readable list: one paragraph a scenario, one line a variant."""
    return "\n\n".join(_paragraph(scenario) for scenario in scenarios.values())


def _paragraph(scenario: Scenario) -> str:
    kinds = Counter(
        "array" if isinstance(e.value, list) else "ordering" if e.order else "number"
        for e in scenario.expectations
    )
    counted = ", ".join(f"{count} {kind}s" for kind, count in kinds.items()) or "none"
    lines = [
        f"{scenario.name} (version {scenario.version})",
        f"  source: {scenario.source.title}"
        + (f", {scenario.source.authors}" if scenario.source.authors else ""),
        f"  tiers: {', '.join(scenario.tiers)}; backends: {', '.join(scenario.backends)}; devices: {', '.join(scenario.devices)}",
        f"  expectations: {counted}",
    ]
    for extra, package in missing_packages(scenario.needs):
        lines.append(f"  needs '{package}': python -m pip install 'report-harness[{extra}]'")
    for index, variant in enumerate(scenario.variants):
        lines.append(f"  {':' + variant.name:<24} {variant.doc}{' (default)' if index == 0 else ''}")
    return "\n".join(lines)


def data_status() -> str:
    """Return one paragraph a data set: where it is, whether it is complete, what is wrong, what to do."""
    from harness import data as datasets  # with NumPy: scenarios are listed without it

    lines = []
    for row in datasets.status():
        fields = dataclasses.asdict(row)
        lines.append(
            "\n  ".join(
                [
                    str(fields.pop("name")),
                    *(f"{key}: {value}" for key, value in fields.items() if value not in {"", None}),
                ]
            )
        )
    return "\n\n".join(lines)
