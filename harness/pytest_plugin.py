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

    from harness.records import Comparison, RunRequest, Scenario, Tier

PROPERTY = "harness"
PREFIX = "harness::"
"""What every variant's node id begins with."""
_OUT = pytest.StashKey[Path]()
_NAMES = pytest.StashKey[dict[str, str]]()
_REPORT = pytest.StashKey[str]()
_TYPED = pytest.StashKey[tuple[list[str], bool]]()
"""Variants' node ids on the command line, and whether nothing else stands there."""
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
        "--harness-max-runs", type=int, default=_MOST_RUNS, metavar="N",
        help=f"Runs of a variant in all, fresh ones that confirm a verdict included (default: {_MOST_RUNS}).",
    )  # fmt: skip
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
    typed = [word for word in config.args if word.startswith(PREFIX)]
    # no file has these names: pytest must not look for them
    config.args[:] = [word for word in config.args if word not in typed]
    given = getattr(config, "workerinput", {}).get("harness_typed")
    config.stash[_TYPED] = (given[0], given[1]) if given else (typed, bool(typed) and not config.args)
    config.option.harness = config.option.harness or bool(typed)
    if not config.getoption("harness"):
        return
    for name in ("out", "baselines", "scenarios"):
        value = config.getoption(f"harness_{name}")
        if value == "" or (isinstance(value, list) and "" in value):
            raise pytest.UsageError(f"the value of --harness-{name} is empty: leave it out")
    from harness.store import project

    try:
        own, option = project.find(config.rootpath), config.option
        # options that were not typed are what the project's configuration says, else their defaults
        option.harness_scenarios = option.harness_scenarios or list(own.scenarios)
        option.harness_tier = option.harness_tier or own.tier or "smoke"
        option.harness_seeds = (own.seeds or 1) if option.harness_seeds is None else option.harness_seeds
        for name in ("seeds", "max-runs"):
            if config.getoption(f"harness_{name.replace('-', '_')}") < 1:
                raise pytest.UsageError(f"--harness-{name} must be at least 1")
        _declared(config)
        _roots(config)
        config.stash[_OUT] = _out(config)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from error


def _out(config: pytest.Config) -> Path:
    """Name the folder for results, the same one in every xdist worker."""
    given = getattr(config, "workerinput", {}).get("harness_out")
    if given:
        return Path(given)
    from harness.judging import jobs
    from harness.running import plans

    named = config.getoption("harness_out")
    out = config.invocation_params.dir / named if named else jobs.default_folder(config.rootpath)
    plans.refuse_stored(out, "Name another folder with --harness-out")
    return out


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: typing.Any) -> None:  # noqa: ANN401 - a type of pytest-xdist, which may be absent
    """Tell an xdist worker where to write."""
    if node.config.getoption("harness"):
        node.workerinput["harness_out"] = str(node.config.stash[_OUT])
        node.workerinput["harness_typed"] = node.config.stash[_TYPED]


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
        typed, alone = config.stash[_TYPED]
        for word in typed:
            if all(word != item.nodeid for item in found):
                raise pytest.UsageError(str(unknown("variant", word, [item.nodeid for item in found])))
        found = [item for item in found if not typed or item.nodeid in typed]
        if alone:
            items.clear()  # a worker of pytest-xdist that is given no names collects every test
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
                    session, name=name, nodeid=f"{PREFIX}{name}", scenario=scenario, variant=variant.name
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
        fresh = len(comparison.seeds) + len(comparison.failed) - self.config.getoption("harness_seeds")
        counted = Counter(f"{judgement.against} {judgement.verdict}" for judgement in comparison.judgements)
        failed = [f"{len(comparison.failed)} runs failed"] if comparison.failed else []
        counts = ", ".join([*failed, *(f"{count} {what}" for what, count in counted.items())])
        line = f"{self.name}: {counts}{f', after {fresh} fresh runs' if fresh > 0 else ''}"
        self.user_properties.append((PROPERTY, line))
        self.add_report_section("call", "harness", line)
        if wrong := _wrong(comparison):
            raise VerdictError("\n".join([line, *wrong]))
        gated = [item for item in comparison.judgements if item.gated and item.against == "baseline"]
        if gated and all(item.verdict in _ABSENT for item in gated):
            pytest.skip(f"{gated[0].verdict}: {gated[0].reason}. Next: {gated[0].next_step}")

    def _decide(self) -> Comparison:
        """Run and judge as a gate of this variant alone, with a small budget for fresh runs."""
        from harness.records import GateSettings
        from harness.running import executors, plans
        from harness.session import choosing, procedure

        get, paths, out = self.config.getoption, _paths(self.config), self.config.stash[_OUT]
        settings = choosing.Settings(
            tier=get("harness_tier"), seeds=get("harness_seeds"), scenario_paths=paths, count=False
        )
        gate = GateSettings(
            seeds=settings.seeds, max_runs=get("harness_max_runs"), max_minutes=math.inf, scenario_paths=paths
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


def _wrong(comparison: Comparison) -> list[str]:
    """List what fails the item: failed runs, then judgements; an expectation that is not met does not."""
    from harness.judging import wording

    if not comparison.seeds:  # then every judgement would only say so again
        return list(comparison.failed)
    key = f"{comparison.scenario}:{comparison.variant}"
    failing = [
        item
        for item in comparison.judgements
        if item.verdict in _FAILING and (item.gated or item.verdict == "ERROR")
    ]
    return [*comparison.failed, *(wording.sentence(key, item) for item in failing)]


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
    reports = [one for name in ("passed", "failed", "skipped") for one in terminalreporter.getreports(name)]
    lines = sorted(
        str(value)
        for report in reports
        if report.when == "call"
        for key, value in report.user_properties
        if key == PROPERTY
    )
    if not lines:
        return
    terminalreporter.section("harness")
    if _REPORT in config.stash:
        lines.append(f"Report: {config.stash[_REPORT]}")
    for line in lines:
        terminalreporter.line(line)


# -- a test's own metrics ---------------------------------------------------------------------------------------------


@pytest.fixture
def harness_check(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Hold a test's own metrics against stored values: ``harness_check("validation", accuracy=0.97, loss=0.1)``.

    Returns
    -------
    callable
        Takes the check's name, then metrics: a number, one number a seed (a sequence or an array), or a `harness.judging.checks.Check` with
        direction, kind and bounds. Metrics may also come as a mapping, or as a pandas DataFrame with a column a metric and a row a seed. It fails
        the test on REGRESSED, IMPROVED, INCONCLUSIVE, NO_BASELINE and ERROR.
    """

    def check(name: str, values: typing.Any = None, /, **metrics: typing.Any) -> None:  # noqa: ANN401 - number, sequence or Check
        __tracebackhide__ = True
        columns = {column: values[column] for column in values} if values is not None else {}
        try:
            wrong = _check(request, name, {**columns, **metrics})
        except HarnessError as error:
            wrong = [str(error)]
        if wrong:
            pytest.fail("\n".join(wrong), pytrace=False)

    return check


def _check(request: pytest.FixtureRequest, name: str, metrics: Mapping[str, typing.Any]) -> list[str]:
    """Judge a check, store it if asked to, and list what fails the test."""
    from harness.judging import checks, wording

    test = request.node.nodeid
    user = request.config.stash[_NAMES].setdefault(name, test)
    if user != test:  # one name is one file: two tests that share it would hold each other's values
        raise HarnessError(f"check '{name}' is used by {user} too", "Give each test a name of its own")
    path = checks.path_of(request.config.rootpath / request.config.getini("harness_checks"), name)
    declared, stored = checks.declare(metrics), checks.load(path)
    checks.refuse_other_test(path, stored, test)
    judged = checks.judge(path, stored, declared, test)
    sentences = [(item.verdict, wording.sentence(f"check {name}", item)) for item in judged]
    request.node.user_properties.extend(
        (PROPERTY, text) for verdict, text in sentences if verdict == "INCOMPARABLE"
    )
    wrong = [text for verdict, text in sentences if verdict in checks.FAILING]
    unsettled = any(item.verdict not in checks.SETTLED for item in judged)
    if request.config.getoption("harness_update") and unsettled:
        checks.update(path, declared, judged, test)
        wrong.append(
            f"{path} was written anew: look at the difference, then run again without --harness-update."
        )
    return wrong
