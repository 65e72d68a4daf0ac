"""The pytest plugin: variants as test items, and the fixture `harness_check` for a test's own metrics; docs/pytest.md.

Nothing of it runs, and nothing heavy is imported, unless ``--harness`` or the fixture is used.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import typing
from collections import Counter
from pathlib import Path

import pytest

from harness.errors import HarnessError, unknown

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.records import Comparison, Judgement, RunRequest, Scenario, Tier

PROPERTY = "harness"
_OUT = pytest.StashKey[Path]()
_NAMES = pytest.StashKey[dict[str, str]]()
_REPORT = pytest.StashKey[str]()
_FAILING = ("REGRESSED", "ERROR", "INCONCLUSIVE", "IMPROVED", "CHANGED")
_ABSENT = ("NO_BASELINE", "INCOMPARABLE")
_MOST_RUNS = 25
"""Runs in all that an item may take: what looks worse is confirmed on ten or twenty fresh ones."""


class VerdictError(Exception):
    """A variant's verdicts that fail its item; holds what to print."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("harness", "published results, measured and judged")
    group.addoption(
        "--harness", action="store_true", help="Collect the variants of all scenarios as test items."
    )
    group.addoption("--harness-tier", metavar="TIER", help="How much to run (default: smoke).")
    group.addoption("--harness-seeds", type=int, metavar="N", help="Runs of each variant (default: 1).")
    group.addoption(
        "--harness-max-runs",
        type=int,
        default=_MOST_RUNS,
        metavar="N",
        help=f"Runs of a variant in all, fresh ones that confirm a verdict included (default: {_MOST_RUNS}).",
    )
    group.addoption(
        "--harness-scenarios", action="append", default=[], metavar="FILE",
        help="Python file that declares further scenarios; may be repeated.",
    )  # fmt: skip
    group.addoption("--harness-baselines", metavar="DIR", help="Folder to read baselines from first.")
    group.addoption("--harness-out", metavar="DIR", help="Folder for results and report.")
    group.addoption(
        "--harness-update", action="store_true",
        help="Store new values where harness_check fails; the test fails all the same.",
    )  # fmt: skip
    parser.addini("harness_checks", "Folder of harness_check's values.", default="baselines/checks")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; with ``--harness`` see that everything named exists before anything is collected."""
    config.addinivalue_line("markers", "harness(scenario, variant, tier): a variant that --harness collects")
    config.stash[_NAMES] = {}
    if not config.getoption("harness"):
        return
    try:
        _take_configuration(config)
        _declared(config)
        _roots(config)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from error
    for name in ("out", "baselines", "scenarios"):
        value = config.getoption(f"harness_{name}")
        if value == "" or (isinstance(value, list) and "" in value):
            raise pytest.UsageError(f"the value of --harness-{name} is empty: leave it out")
    for name in ("seeds", "max-runs"):
        if config.getoption(f"harness_{name.replace('-', '_')}") < 1:
            raise pytest.UsageError(f"--harness-{name} must be at least 1")
    config.stash[_OUT] = _out(config)


def _take_configuration(config: pytest.Config) -> None:
    """Give options that were not typed what the project's configuration says, else their defaults."""
    from harness.store import project

    own, typed = project.find(config.rootpath), config.option
    typed.harness_scenarios = typed.harness_scenarios or list(own.scenarios)
    typed.harness_tier = typed.harness_tier or own.tier or "smoke"
    typed.harness_seeds = (own.seeds or 1) if typed.harness_seeds is None else typed.harness_seeds


def _out(config: pytest.Config) -> Path:
    """Name the folder for results, the same one in every xdist worker."""
    given = getattr(config, "workerinput", {}).get("harness_out")
    if given:
        return Path(given)
    from harness.judging import jobs
    from harness.running import plans

    named = config.getoption("harness_out")
    out = config.invocation_params.dir / named if named else jobs.default_folder(config.rootpath)
    try:
        plans.refuse_stored(out, "Name another folder with --harness-out")
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from error
    return out


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: typing.Any) -> None:  # noqa: ANN401 - a type of pytest-xdist, which may be absent
    """Tell an xdist worker where to write."""
    if node.config.getoption("harness"):
        node.workerinput["harness_out"] = str(node.config.stash[_OUT])


def _paths(config: pytest.Config) -> tuple[str, ...]:
    return tuple(str(config.invocation_params.dir / path) for path in config.getoption("harness_scenarios"))


def _declared(config: pytest.Config) -> dict[str, Scenario]:
    from harness.sources import catalogue

    return catalogue.load_all(_paths(config))


def _roots(config: pytest.Config) -> list[Path]:
    from harness.judging import baselines

    named = config.getoption("harness_baselines")
    return baselines.search_path(config.invocation_params.dir / named if named else None, config.rootpath)


# -- variants as items ------------------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)  # before -k and -m deselect
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add an item for every variant that has the tier."""
    if config.getoption("harness"):
        found = list(_items(session, config.getoption("harness_tier")))
        # no collector of a file has reported them, and pytest counts what it collected by such reports
        config.hook.pytest_collectreport(report=pytest.CollectReport("harness", "passed", None, list(found)))
        items.extend(found)


def _items(session: pytest.Session, tier: Tier) -> Iterator[VariantItem]:
    from harness.sources.catalogue import is_built_in
    from harness.store import project

    own, declared = bool(project.find(session.config.rootpath).scenarios), _declared(session.config)
    known = {known for scenario in declared.values() for known in scenario.tiers}
    if tier not in known:
        raise pytest.UsageError(str(unknown("tier", tier, known)))
    for scenario in declared.values():
        for variant in scenario.variants if not (own and is_built_in(scenario.name)) else ():
            if tier in scenario.tiers_of(variant.name):
                name = f"{scenario.name}:{variant.name}[{tier}]"
                yield VariantItem.from_parent(
                    session, name=name, nodeid=f"harness::{name}", scenario=scenario, variant=variant.name
                )


class VariantItem(pytest.Item):
    """Runs a variant in fresh processes and fails on its verdicts."""

    def __init__(self, *, scenario: Scenario, variant: str, **rest: typing.Any) -> None:  # noqa: ANN401 - pytest's own
        super().__init__(**rest)
        self.scenario = scenario
        self.variant = variant
        tier = self.config.getoption("harness_tier")
        self.add_marker(pytest.mark.harness(scenario=scenario.name, variant=variant, tier=tier))
        self.extra_keyword_matches.update((scenario.name, variant, tier, *scenario.needs))

    def runtest(self) -> None:
        """Run, judge, and fail or skip by the verdicts; the measuring lock keeps xdist workers apart."""
        comparison = self._decide()
        told = f"{self.name}: {_counts(comparison)}{self._further(comparison)}"
        self.user_properties.append((PROPERTY, told))
        self.add_report_section("call", "harness", told)
        wrong = _wrong(comparison)
        if wrong:
            raise VerdictError("\n".join([told, *wrong]))
        unjudged = _unjudged(comparison)
        if unjudged:
            pytest.skip(unjudged)

    def _decide(self) -> Comparison:
        """Run and judge as a gate of this variant alone, with a small budget for fresh runs."""
        from harness.records import GateSettings
        from harness.running import executors, plans
        from harness.session import choosing, procedure

        asked, out = self.config.getoption("harness_seeds"), self.config.stash[_OUT]
        settings = choosing.Settings(
            tier=self.config.getoption("harness_tier"),
            seeds=asked,
            scenario_paths=_paths(self.config),
            count=False,
        )
        gate = GateSettings(
            seeds=asked,
            max_runs=self.config.getoption("harness_max_runs"),
            max_minutes=math.inf,
            scenario_paths=_paths(self.config),
        )
        wanted = choosing.requests([(self.scenario, self.variant)], settings)
        plan = dataclasses.replace(plans.make(wanted, "pytest --harness", None), gate=gate)
        declared, roots = {self.scenario.name: self.scenario}, _roots(self.config)

        def do(requests: Sequence[RunRequest]) -> None:
            for _ in executors.run_all(executors.Local(), requests, declared, out):
                pass  # each is stored as it comes

        # the folder is the session's: items, and xdist's workers, share it, so that no item writes its plan there
        plan = procedure.conduct(plan, declared, roots, out, do, keep=lambda _: None)
        (comparison,) = procedure.assemble(plan, declared, roots, out).comparisons
        return comparison

    def _further(self, comparison: Comparison) -> str:
        asked, taken = self.config.getoption("harness_seeds"), len(comparison.seeds) + len(comparison.failed)
        return f", after {taken - asked} fresh runs" if taken > asked else ""

    def repr_failure(
        self,
        excinfo: pytest.ExceptionInfo[BaseException],
        style: typing.Any = None,  # noqa: ANN401 - pytest's own
    ) -> typing.Any:  # noqa: ANN401 - pytest's own
        """Print verdicts and explained errors as sentences, anything else as a traceback."""
        if isinstance(excinfo.value, VerdictError | HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Say where the item comes from: no file."""
        return self.session.path / "harness", None, self.name


def _counts(comparison: Comparison) -> str:
    counted = Counter(f"{judgement.against} {judgement.verdict}" for judgement in comparison.judgements)
    failed = [f"{len(comparison.failed)} runs failed"] if comparison.failed else []
    return ", ".join([*failed, *(f"{count} {what}" for what, count in counted.items())])


def _wrong(comparison: Comparison) -> list[str]:
    """List what fails the item: failed runs, then judgements; an expectation that is not met does not."""
    from harness.judging import wording

    if not comparison.seeds:  # then every judgement would only say so again
        return list(comparison.failed)
    key = f"{comparison.scenario}:{comparison.variant}"
    return [*comparison.failed, *(wording.sentence(key, item) for item in _failing(comparison))]


def _failing(comparison: Comparison) -> list[Judgement]:
    return [
        item
        for item in comparison.judgements
        if item.verdict in _FAILING and (item.gated or item.verdict == "ERROR")
    ]


def _unjudged(comparison: Comparison) -> str:
    """Say why no gated metric could be judged; empty if at least one was."""
    gated = [item for item in comparison.judgements if item.gated and item.against == "baseline"]
    if not gated or any(item.verdict not in _ABSENT for item in gated):
        return ""
    first = gated[0]
    return f"{first.verdict}: {first.reason}. Next: {first.next_step}"


# -- the end: one report of all items -----------------------------------------------------------------------------------


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Put the runs of all items, and of all xdist workers, into one stored job with its report."""
    config = session.config
    if not config.getoption("harness") or hasattr(config, "workerinput"):
        return
    from harness.judging import jobs
    from harness.session import procedure, storing

    out = config.stash[_OUT]
    with contextlib.suppress(OSError):
        out.rmdir()  # where nothing ran
        if not config.getoption("harness_out"):
            out.parent.rmdir()  # only if it is empty
    if any(out.glob("runs/*/result.json")):
        declared = _declared(config)
        job = procedure.rejudge(jobs.read(out), declared, _roots(config), out)
        config.stash[_REPORT] = str(storing.store(job, declared, out))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the verdicts of every item and the metrics that a check could not judge."""
    told = sorted(_told(terminalreporter))
    if not told:
        return
    terminalreporter.section("harness")
    for line in told:
        terminalreporter.line(line)
    if _REPORT in config.stash:
        terminalreporter.line(f"Report: {config.stash[_REPORT]}")


def _told(terminalreporter: pytest.TerminalReporter) -> Iterator[str]:
    for category in ("passed", "failed", "skipped"):
        for report in terminalreporter.getreports(category):
            if report.when == "call":
                yield from (str(value) for key, value in report.user_properties if key == PROPERTY)


# -- a test's own metrics ---------------------------------------------------------------------------------------------


@pytest.fixture
def harness_check(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Hold a test's own metrics against stored values: ``harness_check("validation", accuracy=0.97, loss=0.1)``.

    Returns
    -------
    callable
        Takes the check's name, then metrics: a number, one number a seed, or a `harness.judging.checks.Check` with direction, kind and bounds. It
        fails the test on REGRESSED, IMPROVED, INCONCLUSIVE, NO_BASELINE and ERROR.
    """

    def check(name: str, /, **metrics: typing.Any) -> None:  # noqa: ANN401 - number, sequence or Check
        __tracebackhide__ = True
        try:
            wrong = _check(request, name, metrics)
        except HarnessError as error:
            wrong = [str(error)]
        if wrong:
            pytest.fail("\n".join(wrong), pytrace=False)

    return check


def _check(request: pytest.FixtureRequest, name: str, metrics: Mapping[str, typing.Any]) -> list[str]:
    """Judge a check, store it if asked to, and list what fails the test."""
    from harness.judging import checks, wording

    _refuse_second_use(request, name)
    test = request.node.nodeid
    path = checks.path_of(request.config.rootpath / request.config.getini("harness_checks"), name)
    declared, stored = checks.declare(metrics), checks.load(path)
    checks.refuse_other_test(path, stored, test)
    judged = checks.judge(path, stored, declared, test)
    key = f"check {name}"
    for item in judged:
        if item.verdict == "INCOMPARABLE":
            request.node.user_properties.append((PROPERTY, wording.sentence(key, item)))
    wrong = [wording.sentence(key, item) for item in judged if item.verdict in checks.FAILING]
    if request.config.getoption("harness_update") and any(
        item.verdict not in checks.SETTLED for item in judged
    ):
        checks.update(path, declared, judged, test)
        wrong.append(
            f"{path} was written anew: look at the difference, then run again without --harness-update."
        )
    return wrong


def _refuse_second_use(request: pytest.FixtureRequest, name: str) -> None:
    """One name is one file: two tests that share it would hold each other's values."""
    used = request.config.stash[_NAMES].setdefault(name, request.node.nodeid)
    if used != request.node.nodeid:
        raise HarnessError(f"check '{name}' is used by {used} too", "Give each test a name of its own")
